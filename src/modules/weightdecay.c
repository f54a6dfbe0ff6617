/* WeightDecay, L1Decay, GroupLasso: norms of learned tensors, as terms of the loss. */
#include "modules/rows.h"
#include <string.h>

struct args {
    struct nb_strings params;
    double weight_decay;
};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    (void)e;
    s->out[0] = nb_shape_of(0);
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    nb_sum s = 0;
    for (int i = 0; i < c->nin; i++)
        s += NB(nb_row_dot)((size_t)nb_count(&c->in[i].shape), c->in[i].data, c->in[i].data);
    *(nb_real *)c->out[0].data = (nb_real)(a->weight_decay / 2 * s);
    return 0;
}

NB_SIMD static void times(size_t n, nb_real f, const nb_real *w, nb_real *dw)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dw[i] = f * w[i];
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_real f = (nb_part)((const struct args *)c->args)->weight_decay * *(const nb_real *)c->gout[0].data;
    for (int i = 0; i < c->nin; i++)
        if (c->gin[i].data)
            times((size_t)nb_count(&c->in[i].shape), f, c->in[i].data, c->gin[i].data);
    return 0;
}

static nb_part lambda(const struct nb_call *c)
{
    return (nb_part)((const struct args *)c->args)->weight_decay;
}

static size_t entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

/* ---- L1Decay ---------------------------------------------------------------------------------------------------- */

NB_SIMD static nb_sum sum_of_sizes(size_t n, const nb_real *w)
{
    nb_sum s = 0;
    NB_LOOP_SUM(s)
    for (size_t i = 0; i < n; i++)
        s += nb_abs(w[i]);
    return s;
}

NB_SIMD static void signs(size_t n, nb_real f, const nb_real *w, nb_real *dw)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dw[i] = f * nb_sign(w[i]);
}

static int l1_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_sum s = 0;
    for (int i = 0; i < c->nin; i++)
        s += sum_of_sizes(entries(&c->in[i]), c->in[i].data);
    *(nb_real *)c->out[0].data = (nb_real)(lambda(c) * s);
    return 0;
}

static int l1_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_real f = lambda(c) * *(const nb_real *)c->gout[0].data;
    for (int i = 0; i < c->nin; i++)
        if (c->gin[i].data)
            signs(entries(&c->in[i]), f, c->in[i].data, c->gin[i].data);
    return 0;
}

static void l1_branches(const struct nb_call *c, struct nb_branches *b)
{
    int64_t number = 0;
    for (int k = 0; k < c->nin; k++)
        for (size_t i = 0; i < entries(&c->in[k]); i++, number++)
            if (nb_side(b, nb_re(((const nb_real *)c->in[k].data)[i]), 0))
                nb_at_edge(b, k, (int64_t)i, NB_EDGE_SIDE, number);
}

/* ---- GroupLasso: a row is what belongs to one place of the first dimension -------------------------------------- */

static size_t rows(const struct nb_tensor *t)
{
    return t->shape.rank ? (size_t)t->shape.dim[0] : 1;
}

static nb_real length(size_t n, const nb_real *w)
{
    return nb_sqrt((nb_real)NB(nb_row_dot)(n, w, w));
}

static int group_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_sum s = 0;
    for (int k = 0; k < c->nin; k++)
        for (size_t r = 0, count = rows(&c->in[k]), n = count ? entries(&c->in[k]) / count : 0; r < count; r++)
            s += length(n, (const nb_real *)c->in[k].data + r * n);
    *(nb_real *)c->out[0].data = (nb_real)(lambda(c) * s);
    return 0;
}

static int group_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_real f = lambda(c) * *(const nb_real *)c->gout[0].data;
    for (int k = 0; k < c->nin; k++) {
        size_t count = rows(&c->in[k]), n = count ? entries(&c->in[k]) / count : 0;
        const nb_real *w = c->in[k].data;
        nb_real *dw = c->gin[k].data;
        for (size_t r = 0; r < count && dw; r++) {
            nb_real l = length(n, w + r * n);
            times(n, nb_re(l) == 0 ? 0 : f / l, w + r * n, dw + r * n);
        }
    }
    return 0;
}

static void group_branches(const struct nb_call *c, struct nb_branches *b)
{
    int64_t number = 0;
    for (int k = 0; k < c->nin; k++) {
        size_t count = rows(&c->in[k]), n = count ? entries(&c->in[k]) / count : 0;
        for (size_t r = 0; r < count; r++, number++) {
            bool zero = nb_re(length(n, (const nb_real *)c->in[k].data + r * n)) == 0;
            if (n == 1 && nb_side(b, nb_re(((const nb_real *)c->in[k].data)[r]), 0))
                nb_at_edge(b, k, (int64_t)r, NB_EDGE_SIDE, number);
            nb_decide(b, zero);
            for (size_t i = 0; i < n && n > 1 && zero; i++)
                nb_at_edge(b, k, (int64_t)(r * n + i), NB_EDGE_CORNER, number);
        }
    }
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const struct nb_port inputs[] = {{"weights", NB_REAL_PORT, NB_VARIADIC}, {0}};

static const struct nb_arg args[] = {
    {"params", NB_ARG_STRINGS, offsetof(struct args, params), 0, 0, 0, NB_REQUIRED, NULL,
     "names or patterns of learned tensors of this scope; each tensor counts once"},
    {"weight_decay", NB_ARG_REAL, offsetof(struct args, weight_decay), 1e-4, 0, INFINITY, NB_MAX_OPEN, NULL,
     "the factor lambda"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"params\": [\"*\"], \"weight_decay\": 0.3", "5x7", false},
    {"\"params\": [\"*\"], \"weight_decay\": 0.07", "5x7 3 2x17x3", false},
    {0},
};

static const struct nb_kink l1_kinks[] = {{"w = 0", "0"}, {0}};
static const struct nb_kink group_kinks[] = {{"a row of zeros", "0"}, {0}};

static const struct nb_known l1decay_mistakes[] = {
    {.code = "l1decay_square", .formula = "g*weight_decay*x", .hint = "The sign of the weight, not the weight."},
    {0},
};

static const struct nb_known grouplasso_mistakes[] = {
    {.code = "grouplasso_square",
     .formula = "g*weight_decay*x",
     .hint = "Divide by the length of the row: that is the derivative of half its square."},
    {.code = "grouplasso_signs",
     .formula = "g*weight_decay*sign(x)",
     .hint = "The row over its length, not its signs."},
    {0},
};

const struct nb_module NB(nb_module_weightdecay)[] = {
    {
        .type = "WeightDecay",
        .summary = "Half the squared norm of learned tensors: a term of the loss that keeps them small.",
        .formula = "y = \\tfrac12 \\lambda \\sum w^2",
        .derivative = "dw = g\\,\\lambda\\,w",
        .note =
            "Takes no inputs: params selects the tensors. The weight_decay of the optimisers adds the same lambda w to "
            "the gradient: use one of the two.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "D",
        .selects = "params",
        .cases = cases,
    },
    {
        .type = "L1Decay",
        .mistakes = l1decay_mistakes,
        .summary = "The sum of the sizes of learned tensors' entries: a term of the loss that makes many of them 0.",
        .formula = "y = \\lambda \\sum |w|",
        .derivative = "dw = g\\,\\lambda\\,\\operatorname{sign}(w)",
        .source = "Tibshirani 1996",
        .note = "Takes no inputs: params selects the tensors.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = l1_forward,
        .backward = l1_backward,
        .kinks = l1_kinks,
        .branches = l1_branches,
        .jacobian = "D",
        .selects = "params",
        .cases = cases,
    },
    {
        .type = "GroupLasso",
        .mistakes = grouplasso_mistakes,
        .summary = "The sum of the lengths of learned tensors' rows: a term of the loss that makes whole rows 0.",
        .formula = "y = \\lambda \\sum_r \\lVert w_r\\rVert_2",
        .derivative = "dw_r = g\\,\\lambda\\,\\frac{w_r}{\\lVert w_r\\rVert_2}",
        .source = "Yuan, Lin 2006",
        .note =
            "Takes no inputs: params selects the tensors. A row is what belongs to one place of the first dimension: "
            "the weights into one unit, the kernels of one output channel.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = group_forward,
        .backward = group_backward,
        .kinks = group_kinks,
        .branches = group_branches,
        .jacobian = "D",
        .selects = "params",
        .cases = cases,
    },
    {0},
};
