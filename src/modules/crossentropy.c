/* CrossEntropy: of probabilities, with distributions or class numbers as target. Nothing is clamped. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
};

/* ---- distributions ---------------------------------------------------------------------------------------------- */

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        t[i] = -nb_times(y[i], nb_log(x[i]));
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        dx[i] = y[i] == 0 ? 0 : -y[i] / x[i];
        dy[i] = -nb_log(x[i]);
    }
}

static const struct nb_terms terms = {.value = value, .slope = slope, .per_sample = true};

/* ---- class numbers ---------------------------------------------------------------------------------------------- */

static bool hard(const struct nb_call *c)
{
    return c->in[1].dtype == NB_I64;
}

/* Where the entry of the class of row r lies in x. */
static size_t chosen(const struct nb_call *c, const struct nb_classes *k, size_t r)
{
    return nb_row(k, r) + (size_t)((const int64_t *)c->in[1].data)[r] * k->inner;
}

static void hard_forward(const struct nb_call *c)
{
    struct nb_classes k = nb_classes_of(&c->in[0].shape);
    const nb_real *x = c->in[0].data;
    int64_t reduction = nb_reduction(c->args);
    nb_real *out = c->out[0].data;
    nb_sum all = 0;
    for (size_t b = 0; b < k.outer; b++) {
        nb_sum s = 0;
        for (size_t r = b * k.inner; r < (b + 1) * k.inner; r++)
            s -= nb_log(x[chosen(c, &k, r)]);
        if (reduction == NB_EACH)
            out[b] = (nb_real)s;
        all += s;
    }
    if (reduction != NB_EACH)
        *out = (nb_real)(all / nb_divisor(reduction, k.outer, k.outer));
}

static void hard_backward(const struct nb_call *c)
{
    struct nb_classes k = nb_classes_of(&c->in[0].shape);
    const nb_real *x = c->in[0].data, *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data;
    int64_t reduction = nb_reduction(c->args);
    double divisor = nb_divisor(reduction, k.outer, k.outer);
    nb_no_gradient(&c->gin[0]);
    if (!dx)
        return;
    for (size_t r = 0; r < k.rows; r++) {
        size_t i = chosen(c, &k, r);
        nb_real weight = reduction == NB_EACH ? g[r / k.inner] : (nb_real)(*g / divisor);
        dx[i] = weight == 0 ? 0 : -weight / x[i];
    }
}

/* ---- the module -------------------------------------------------------------------------------------------------- */

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_shape *x = &s->in[0];
    char text[200];
    if (x->rank < 2)
        return nb_fail(e, NB_E_shape_mismatch,
                       "input is %s, wanted is [B, C] or more dimensions: classes are dimension 1",
                       nb_shape_text(x, s->symbols, text, sizeof text));
    if (nb_class_target(s, s->integer[1], e))
        return -1;
    struct nb_shape each = nb_samples(x);
    nb_loss_out(s, &each);
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    if (!hard(c))
        return nb_terms_forward(c, &terms, e);
    if (nb_check_classes(c, (size_t)c->in[0].shape.dim[1], NB_NONE, e))
        return -1;
    hard_forward(c);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (hard(c))
        hard_backward(c);
    else
        nb_terms_backward(c, &terms);
    return 0;
}

static const struct nb_arg args[] = {NB_REDUCTION(struct args, NB_BATCHMEAN), {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7p 5x7p", false},
    {NULL, "5x7p 5c7", false},
    {"\"reduction\": \"none\"", "7x3x5u 7x3x5u", false},
    {"\"reduction\": \"none\"", "7x3x5u 7x5c3", false},
    {"\"reduction\": \"sum\"", "5x7u 5x7u", false},
    {"\"reduction\": \"sum\"", "7x3x5u 7x5c3", false},
    {"\"reduction\": \"mean\"", "5x7p 5x7p", false},
    {"\"reduction\": \"mean\"", "7x3x5u 7x5c3", false},
    {0},
};

static const struct nb_known crossentropy_mistakes[] = {
    {.code = "crossentropy_division_missing",
     .formula = "d*x",
     .hint = "The derivative of the logarithm is 1/p: the division is missing."},
    {.code = "crossentropy_square", .formula = "d/x", .hint = "Divided by p twice."},
    {.code = "crossentropy_logarithm",
     .formula = "d*x*log(x)",
     .hint = "That is the loss itself: its derivative is -t/p."},
    {0},
};

const struct nb_module NB(nb_module_crossentropy)[] = {
    {
        .type = "CrossEntropy",
        .mistakes = crossentropy_mistakes,
        .summary = "Cross-entropy of probabilities with a distribution, or with a class, for each sample.",
        .formula = "y_b = -\\sum_i t_{bi} \\ln x_{bi};\\quad \\text{classes: } y_b = -\\ln x_{b\\,t_b}",
        .derivative = "dx_{bi} = -g_b\\,\\frac{t_{bi}}{x_{bi}},\\quad dt_{bi} = -g_b \\ln x_{bi}",
        .note = "The target is a distribution of the input's shape, or int64 class numbers of the shape without "
                "dimension 1. Terms with t = 0 are 0 and give no gradient, also at x = 0; x = 0 with t > 0 costs "
                "infinity. On logits CrossEntropyLoss keeps all digits.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_label_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "R",
        .lo = 0.05,
        .hi = 0.95,
        .cases = cases,
    },
    {0},
};
