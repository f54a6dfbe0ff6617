/* Where, MaskedFill: entry by entry from one of two, as a third one says. */
#include "broadcast.h"

NB_MAP3(value, , p, a, b, nb_re(p) != 0 ? a : b)
NB_MAP2(by_input, , p, g, nb_re(p) != 0 ? g : (nb_real)0)
NB_MAP2(by_other, , p, g, nb_re(p) != 0 ? (nb_real)0 : g)

static const struct nb_port ports[] = {
    {"condition", NB_ANY_PORT, 0}, {"input", NB_REAL_PORT, 0}, {"other", NB_REAL_PORT, 0}, {0}};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    return nb_broadcast_infer(s, ports, e);
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    const struct nb_tensor *const t[] = {&c->in[0], &c->in[1], &c->in[2]};
    (void)e;
    nb_broadcast_run(value, 3, t, &c->out[0].shape, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    const struct nb_tensor *const t[] = {&c->in[0], &c->gout[0]};
    (void)e;
    if (c->gin[0].data)
        memset(c->gin[0].data, 0, (size_t)nb_count(&c->gin[0].shape) * sizeof(nb_real));
    if (c->gin[1].data)
        nb_broadcast_back(c, by_input, 2, t, &c->gin[1]);
    if (c->gin[2].data)
        nb_broadcast_back(c, by_other, 2, t, &c->gin[2]);
    return 0;
}

/* A condition of 0 has the same on both sides of it: there is no side to move it to, so that is no edge. */
static void branches(const struct nb_call *c, struct nb_branches *b)
{
    for (size_t i = 0; i < (size_t)nb_count(&c->in[0].shape); i++)
        nb_decide(b, nb_number(&c->in[0], i) != 0);
}

/* ---- MaskedFill ------------------------------------------------------------------------------------------------- */

struct fill {
    double value;
};

static const struct nb_port fill_ports[] = {{"input", NB_REAL_PORT, 0}, {"mask", NB_ANY_PORT, 0}, {0}};

static const struct nb_arg fill_args[] = {
    {"value", NB_ARG_REAL, offsetof(struct fill, value), 0, 0, 0, NB_REQUIRED, NULL,
     "what stands where the mask is not 0"},
    {0},
};

static int fill_infer(struct nb_infer *s, struct nb_error *e)
{
    return nb_broadcast_infer(s, fill_ports, e);
}

static int fill_forward(const struct nb_call *c, struct nb_error *e)
{
    nb_real v = (nb_real)((const struct fill *)c->args)->value;
    const struct nb_tensor filling = {NB_DTYPE, {.rank = 0}, &v};
    const struct nb_tensor *const t[] = {&c->in[1], &filling, &c->in[0]};
    (void)e;
    nb_broadcast_run(value, 3, t, &c->out[0].shape, c->out[0].data);
    return 0;
}

static int fill_backward(const struct nb_call *c, struct nb_error *e)
{
    const struct nb_tensor *const t[] = {&c->in[1], &c->gout[0]};
    (void)e;
    if (c->gin[0].data)
        nb_broadcast_back(c, by_other, 2, t, &c->gin[0]);
    if (c->gin[1].data)
        memset(c->gin[1].data, 0, (size_t)nb_count(&c->gin[1].shape) * sizeof(nb_real));
    return 0;
}

static void fill_branches(const struct nb_call *c, struct nb_branches *b)
{
    for (size_t i = 0; i < (size_t)nb_count(&c->in[1].shape); i++)
        nb_decide(b, nb_number(&c->in[1], i) != 0);
}

static const struct nb_case fill_cases[] = {
    {"\"value\": 0.3", "5x7 5x7b", false},
    {"\"value\": -2", "3x5x7 5x1b", false},
    {"\"value\": 1", "17 17c2", false},
    {0},
};

static const struct nb_known fill_mistakes[] = {
    {.code = "maskedfill_unmasked", .formula = "g + 0*x", .hint = "Where the mask is set nothing goes back."},
    {.code = "maskedfill_inverted",
     .formula = "g*(mask != 0) + 0*x",
     .hint = "The mask is the wrong way round: what it covers gets nothing."},
    {0},
};

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_kink kinks[] = {{"condition = 0 (a jump)", "0 for the condition"}, {0}};
static const struct nb_case cases[] = {
    {NULL, "5x7b 5x7 5x7", false}, {NULL, "7b 5x7 5x1", false}, {NULL, "5x1b 1 17", false}, {0}};

static const struct nb_known where_mistakes[] = {
    {.code = "where_unmasked", .of = "input", .formula = "g + 0*input", .hint = "Only where this branch was taken."},
    {.code = "where_exchanged",
     .of = "input",
     .formula = "g*(1 - (condition != 0)) + 0*input",
     .hint = "The branches are exchanged."},
    {.code = "where_unmasked", .of = "other", .formula = "g + 0*other", .hint = "Only where this branch was taken."},
    {.code = "where_exchanged",
     .of = "other",
     .formula = "g*(condition != 0) + 0*other",
     .hint = "The branches are exchanged."},
    {0},
};

const struct nb_module NB(nb_module_where)[] = {
    {
        .type = "Where",
        .mistakes = where_mistakes,
        .onnx = "Where",
        .summary = "input where the condition is not 0, else other.",
        .formula = "y = a \\text{ if } p \\ne 0 \\text{ else } b",
        .derivative = "da = g \\, 1[p \\ne 0], \\quad db = g \\, 1[p = 0], \\quad dp = 0",
        .note = "What is not chosen gets exactly 0: where(x > 0, sqrt(x), 0) has the gradient 0 at 0.",
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "P",
        .cases = cases,
    },
    {
        .type = "MaskedFill",
        .mistakes = fill_mistakes,
        .summary = "The input, but a value where the mask is not 0.",
        .formula = "y = v \\text{ if } m \\ne 0 \\text{ else } x",
        .derivative = "dx = g\\, 1[m = 0], \\quad dm = 0",
        .note = "With -Infinity before a Softmax: entries that do not count.",
        .source = "torch.Tensor.masked_fill",
        .args = fill_args,
        .args_size = sizeof(struct fill),
        .inputs = fill_ports,
        .infer = fill_infer,
        .forward = fill_forward,
        .backward = fill_backward,
        .kinks = (const struct nb_kink[]){{"mask = 0 (a jump)", "0 for the mask"}, {0}},
        .branches = fill_branches,
        .jacobian = "P",
        .cases = fill_cases,
    },
    {0},
};
