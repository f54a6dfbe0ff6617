/* PReLU: a leaky ReLU that learns its slope, one for all entries or one for each channel (dimension 1). */
#include "nabla/branch.h"
#include "nabla/kernel.h"
#include "nabla/module.h"

struct args {
    int64_t num_parameters;
    double init;
};

/* x is [outer, channels, inner]; channels is the number of weights. */
struct layout {
    size_t outer, channels, inner;
};

static struct layout layout_of(const struct nb_call *c)
{
    const struct nb_shape *s = &c->in[0].shape;
    struct layout l = {1, (size_t)((const struct args *)c->args)->num_parameters, 1};
    for (int i = 0; i < s->rank; i++)
        if (l.channels == 1 || i > 1)
            l.inner *= (size_t)s->dim[i];
        else if (i == 0)
            l.outer = (size_t)s->dim[0];
    return l;
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *p = s->args;
    char text[200];
    s->out[0] = s->in[0];
    if (p->num_parameters > 1 && (s->in[0].rank < 2 || nb_dim_same(s->in[0].dim[1], p->num_parameters) == 0))
        return nb_fail(e, NB_E_shape_mismatch,
                       "PReLU with %lld slopes wants as many channels in dimension 1, input is %s",
                       (long long)p->num_parameters, nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
    s->nw = 1;
    s->w[0] = (struct nb_weight){
        .name = "weight",
        .shape = nb_shape_of(1, p->num_parameters),
        .init = {.kind = NB_INIT_CONSTANT, .a = p->init},
    };
    return 0;
}

NB_SIMD static void run_value(size_t n, nb_real w, const nb_real *restrict x, nb_real *restrict y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = nb_re(x[i]) > 0 ? x[i] : w * x[i];
}

NB_SIMD static void run_slope(size_t n, nb_real w, const nb_real *restrict x, const nb_real *restrict g,
                              nb_real *restrict dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = g[i] == 0 ? 0 : nb_re(x[i]) > 0 ? g[i] : w * g[i];
}

NB_SIMD static void run_share(size_t n, const nb_real *restrict x, const nb_real *restrict g, nb_real *restrict dw)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dw[i] = (nb_re(x[i]) > 0) | (g[i] == 0) ? 0 : g[i] * x[i];
}

/* Sum of g min(x, 0). */
static nb_sum run_weight(size_t n, const nb_real *x, const nb_real *g)
{
    enum { PIECE = 512 };
    nb_real dw[PIECE];
    nb_sum s = 0;
    for (size_t at = 0, m; at < n; at += m) {
        m = n - at < PIECE ? n - at : PIECE;
        run_share(m, x + at, g + at, dw);
        s += NB(nb_total)(m, dw);
    }
    return s;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    struct layout l = layout_of(c);
    const nb_real *x = c->in[0].data, *w = c->w[0].data;
    nb_real *y = c->out[0].data;
    (void)e;
    for (size_t run = 0; run < l.outer * l.channels; run++)
        run_value(l.inner, w[run % l.channels], x + run * l.inner, y + run * l.inner);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    struct layout l = layout_of(c);
    const nb_real *x = c->in[0].data, *w = c->w[0].data, *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data, *dw = c->gw[0].data;
    (void)e;
    for (size_t run = 0; dx && run < l.outer * l.channels; run++)
        run_slope(l.inner, w[run % l.channels], x + run * l.inner, g + run * l.inner, dx + run * l.inner);
    for (size_t k = 0; dw && k < l.channels; k++) {
        nb_sum s = 0;
        for (size_t run = k; run < l.outer * l.channels; run += l.channels)
            s += run_weight(l.inner, x + run * l.inner, g + run * l.inner);
        dw[k] = (nb_real)s;
    }
    return 0;
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    struct layout l = layout_of(c);
    const nb_real *x = c->in[0].data, *w = c->w[0].data;
    for (size_t i = 0; i < l.outer * l.channels * l.inner; i++)
        if (nb_side(b, nb_re(x[i]), 0) && w[i / l.inner % l.channels] != 1)
            nb_at_edge(b, 0, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};
static const struct nb_arg args[] = {
    {"num_parameters", NB_ARG_INT, offsetof(struct args, num_parameters), 1, 1, INT32_MAX, 0, NULL,
     "1, or the number of channels"},
    {"init", NB_ARG_REAL, offsetof(struct args, init), 0.25, 0, 0, 0, NULL, "where the slopes start"},
    {0},
};
static const struct nb_kink kinks[] = {{"x = 0", "weight"}, {0}};
static const struct nb_case cases[] = {
    {"\"init\": 0.13", "5x7", false},
    {"\"num_parameters\": 7", "5x7", false},
    {"\"num_parameters\": 3", "5x3x17", false},
    {0},
};

static const struct nb_known prelu_mistakes[] = {
    {.code = "prelu_as_relu", .formula = "g*(x > 0)", .hint = "Below zero the slope is the weight, not 0."},
    {.code = "prelu_sign",
     .formula = "where(x > 0, d, -d)",
     .hint = "Below zero the slope is the weight, with its own sign."},
    {.code = "prelu_weight_all",
     .of = "weight",
     .formula = "sum(g*x)",
     .hint = "Only negative inputs meet the weight."},
    {.code = "prelu_weight_positive",
     .of = "weight",
     .formula = "sum(g*relu(x))",
     .hint = "The weight belongs to the negative inputs."},
    {.code = "prelu_weight_mask",
     .of = "weight",
     .formula = "sum(g*(x < 0))",
     .hint = "The derivative by the weight is the input where it is negative, not 1."},
    {0},
};

const struct nb_module NB(nb_module_prelu)[] = {
    {
        .type = "PReLU",
        .mistakes = prelu_mistakes,
        .onnx = "PRelu",
        .summary = "A leaky ReLU whose slope below 0 is learned.",
        .formula = "y = x \\text{ if } x > 0 \\text{ else } w x",
        .derivative = "dx = g \\text{ if } x > 0 \\text{ else } w g, \\quad dw = \\textstyle\\sum g \\min(x, 0)",
        .source = "He, Zhang, Ren, Sun 2015",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "PW",
        .cases = cases,
    },
    {0},
};
