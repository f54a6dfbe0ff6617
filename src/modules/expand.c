/* Expand: copies along dimensions of size 1 and new ones in front. */
#include "modules/rows.h"

struct args {
    struct nb_ints shape;
};

static int at_size(const struct nb_ints *l, size_t i, struct nb_error *e)
{
    if (!l->single)
        nb_at_index(e, i);
    return nb_at(e, "shape");
}

/* The size of the output where `want` is asked of a dimension of size d (NB_NONE: a new one). */
static int expand_dim(int64_t want, int64_t d, int64_t *out, struct nb_error *e)
{
    bool fresh = d == NB_NONE;
    *out = want == -1 ? d : want;
    if (NB_IS_KNOWN(want) && (want < -1 || (want == -1 && fresh)))
        return nb_fail(e, NB_E_bad_argument, "a size is 0 or more%s; %lld came",
                       fresh ? "" : ", or -1 to keep the input's", (long long)want);
    if (want == -1 || fresh || nb_dim_same(d, 1) == 1 || nb_dim_same(d, want) != 0)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "size %lld of the input cannot become %lld; only 1 can grow", (long long)d,
                   (long long)want);
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_ints *l = &((const struct args *)s->args)->shape;
    char text[200];
    int more = (int)l->n - s->in[0].rank;
    if (l->n > NB_MAX_RANK || more < 0) {
        nb_fail(e, NB_E_shape_mismatch, "shape has %zu dimensions, wanted are %d to %d (the input is %s)", l->n,
                s->in[0].rank, NB_MAX_RANK, nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
        return nb_at(e, "shape");
    }
    s->out[0].rank = (int)l->n;
    for (int i = 0; i < s->out[0].rank; i++)
        if (expand_dim(l->v[i], i < more ? NB_NONE : s->in[0].dim[i - more], &s->out[0].dim[i], e))
            return at_size(l, (size_t)i, e);
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    NB(nb_spread)(&c->in[0].shape, c->in[0].data, &c->out[0].shape, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->gin[0].data)
        NB(nb_fold)(&c->out[0].shape, c->gout[0].data, &c->in[0].shape, c->gin[0].data);
    return 0;
}

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"shape", NB_ARG_SHAPE, offsetof(struct args, shape), 0, 0, 0, NB_REQUIRED, NULL,
     "the sizes; -1 keeps the input's"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"shape\": [5, 7]", "7", false},
    {"\"shape\": [-1, 7, 3]", "5x1x3", false},
    {"\"shape\": [2, 5, -1]", "5x1", false},
    {"\"shape\": 17", "", false},
    {0},
};

const struct nb_module NB(nb_module_expand)[] = {
    {
        .type = "Expand",
        .onnx = "Expand",
        .summary = "Repeats a tensor along its dimensions of size 1 and along new ones in front.",
        .formula = "y_{\\ldots i \\ldots} = x_{\\ldots 1 \\ldots}",
        .derivative = "\\bar x_{\\ldots 1 \\ldots} = \\sum_i g_{\\ldots i \\ldots}",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .cases = cases,
    },
    {0},
};
