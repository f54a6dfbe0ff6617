/* RReLU: a leaky ReLU whose slope is drawn for every entry in train mode. */
#include "pointwise.h"

struct args {
    double lower, upper;
};
#define MIDDLE                                                                                                         \
    const struct args *bounds = args;                                                                                  \
    const nb_part middle = (nb_part)((bounds->lower + bounds->upper) / 2)

/* eval */
NB_MAP1(value, MIDDLE, x, nb_re(x) > 0 ? x : middle * x)
NB_MAP2(slope, MIDDLE, x, g, nb_re(x) > 0 ? g : middle * g)
/* train */
NB_MAP2(drawn_value, , x, s, nb_re(x) > 0 ? x : s * x)
NB_MAP3(drawn_slope, , x, s, g, nb_re(x) > 0 ? g : s * g)
NB_MAP2(by_slope, , x, g, (nb_re(x) > 0) | (g == 0) ? 0 : x * g)

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    char x[200], n[200];
    if (!(a->lower <= a->upper)) {
        nb_fail(e, NB_E_bad_argument, "upper is %g, wanted is upper >= lower = %g", a->upper, a->lower);
        return nb_at(e, "upper");
    }
    if (s->in[1].rank >= 0 && nb_shape_same(&s->in[0], &s->in[1]) == 0)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, slope is %s: they must have the same shape",
                       nb_shape_text(&s->in[0], s->symbols, x, sizeof x),
                       nb_shape_text(&s->in[1], s->symbols, n, sizeof n));
    s->out[0] = s->in[0];
    s->noise = s->in[0];
    s->noise_of = NB_NOISE_UNIFORM;
    s->noise_low = a->lower;
    s->noise_high = a->upper;
    s->noise_off = !s->train;
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const nb_real *in[] = {c->in[0].data, c->in[1].data};
    nb_map_run(c->train ? drawn_value : value, c->train ? 2 : 1, nb_map_count(c), in, c->args, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const nb_real *x = c->in[0].data, *g = c->gout[0].data;
    if (c->gin[0].data && c->train)
        nb_map_run(drawn_slope, 3, nb_map_count(c), (const nb_real *[]){x, c->in[1].data, g}, NULL, c->gin[0].data);
    else if (c->gin[0].data)
        nb_map_run(slope, 2, nb_map_count(c), (const nb_real *[]){x, g}, c->args, c->gin[0].data);
    if (c->gin[1].data && c->train)
        nb_map_run(by_slope, 2, nb_map_count(c), (const nb_real *[]){x, g}, NULL, c->gin[1].data);
    else if (c->gin[1].data)
        memset(c->gin[1].data, 0, nb_map_count(c) * sizeof *x);
    return 0;
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const struct args *a = c->args;
    const nb_real *x = c->in[0].data, *s = c->train ? c->in[1].data : NULL;
    for (size_t i = 0; i < nb_map_count(c); i++)
        if (nb_side(b, nb_re(x[i]), 0) && (s ? s[i] != 1 : (a->lower + a->upper) / 2 != 1))
            nb_at_edge(b, 0, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

static const struct nb_port inputs[] = {
    {"input", NB_REAL_PORT, 0}, {"slope", NB_REAL_PORT, NB_OPTIONAL | NB_NOISE}, {0}};

static const struct nb_arg args[] = {
    {"lower", NB_ARG_REAL, offsetof(struct args, lower), 0.125, 0, 0, 0, NULL, "the least slope below 0"},
    {"upper", NB_ARG_REAL, offsetof(struct args, upper), 1 / 3., 0, 0, 0, NULL, "the greatest"},
    {0},
};

static const struct nb_kink kinks[] = {{"x = 0", "slope"}, {0}};

static const struct nb_case cases[] = {
    {"\"lower\": 0.2, \"upper\": 0.7", "5x7 5x7u", true},
    {NULL, "3x17 3x17u", true},
    {"\"lower\": 0.2, \"upper\": 0.7", "33 -", false},
    {0},
};

static const struct nb_known rrelu_mistakes[] = {
    {.code = "rrelu_as_relu", .formula = "g*(x > 0)", .hint = "Below zero there is a slope, not 0."},
    {.code = "rrelu_middle",
     .formula = "g*where(x > 0, 1, (lower + upper)/2)",
     .hint = "Use the slopes of the forward: the middle is for eval mode.",
     .mode = NB_TRAINING},
    {.code = "rrelu_value", .formula = "g*where(x > 0, 1, y)", .hint = "Below zero it is the slope, not the output."},
    {0},
};

const struct nb_module NB(nb_module_rrelu)[] = {
    {
        .type = "RReLU",
        .mistakes = rrelu_mistakes,
        .summary = "A leaky ReLU whose slope is drawn for every entry in train mode, the middle one in eval mode.",
        .formula = "y = x \\text{ if } x > 0 \\text{ else } s x,\\quad s \\sim U(\\text{lower}, \\text{upper});\\quad "
                   "\\text{eval: } s = \\tfrac12 (\\text{lower} + \\text{upper})",
        .derivative = "dx = g \\text{ if } x > 0 \\text{ else } s g",
        .source = "Xu, Wang, Chen, Li 2015",
        .note =
            "The slopes are noise: drawn once for a request, held in all probes of a check, used as given when they "
            "are fed.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "P",
        .cases = cases,
    },
    {0},
};
