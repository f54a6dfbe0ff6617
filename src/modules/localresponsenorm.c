/* LocalResponseNorm: entries are divided by a power of the mean square over neighbouring channels. */
#include "modules/rows.h"
#include <string.h>

struct args {
    int64_t size;
    double alpha, beta, k;
};

/* The channels whose squares count for one: size/2 before it, (size - 1)/2 behind it. Going back it is the other way
 * round. */
struct window {
    size_t from, to;
};

static struct window window_of(size_t channel, size_t channels, size_t before, size_t behind)
{
    size_t from = channel > before ? channel - before : 0;
    return (struct window){from, channels - channel > behind ? channel + behind + 1 : channels};
}

NB_SIMD static void add_squares(size_t n, nb_part a, const nb_real *x, nb_real *d)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        d[i] += a * (x[i] * x[i]);
}

/* p = d^-beta, y = x p */
NB_SIMD static void divide(size_t n, nb_part beta, const nb_real *x, const nb_real *d, nb_real *p, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        p[i] = nb_pow(d[i], -beta);
        y[i] = x[i] * p[i];
    }
}

/* r = g x p/d: what one entry gives to all in its window. */
NB_SIMD static void share(size_t n, const nb_real *g, const nb_real *y, const nb_real *d, nb_real *r)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        r[i] = g[i] * y[i] / d[i];
}

NB_SIMD static void add_product(size_t n, nb_part a, const nb_real *x, const nb_real *r, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] += a * x[i] * r[i];
}

NB_SIMD static void times(size_t n, const nb_real *a, const nb_real *b, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    char text[200];
    if (s->in[0].rank < 2)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is [B, C, ...]",
                       nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
    s->out[0] = s->in[0];
    s->saved = 2 * nb_known(&s->in[0]);
    s->work = nb_known(&s->in[0]);
    return 0;
}

/* Keeps d = k + alpha/size sum x^2, then d^-beta. */
static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    struct nb_around r = nb_around_of(&c->in[0].shape, 1);
    size_t count = r.outer * r.n * r.inner, size = (size_t)a->size;
    const nb_real *x = c->in[0].data;
    nb_real *d = c->saved, *p = d + count;
    for (size_t i = 0; i < count; i++)
        d[i] = (nb_part)a->k;
    for (size_t o = 0; o < r.outer; o++)
        for (size_t i = 0; i < r.n; i++) {
            struct window w = window_of(i, r.n, size / 2, (size - 1) / 2);
            for (size_t j = w.from; j < w.to; j++)
                add_squares(r.inner, (nb_part)(a->alpha / (double)size), x + (o * r.n + j) * r.inner,
                            d + (o * r.n + i) * r.inner);
        }
    divide(count, (nb_part)a->beta, x, d, p, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    struct nb_around r = nb_around_of(&c->in[0].shape, 1);
    size_t count = r.outer * r.n * r.inner, size = (size_t)a->size;
    const nb_real *x = c->in[0].data, *d = c->saved, *p = d + count;
    nb_real *dx = c->gin[0].data, *shares = c->work;
    if (!dx)
        return 0;
    share(count, c->gout[0].data, c->out[0].data, d, shares);
    times(count, c->gout[0].data, p, dx);
    for (size_t o = 0; o < r.outer; o++)
        for (size_t i = 0; i < r.n; i++) {
            struct window w = window_of(i, r.n, (size - 1) / 2, size / 2);
            size_t at = (o * r.n + i) * r.inner;
            for (size_t j = w.from; j < w.to; j++)
                add_product(r.inner, (nb_part)(-2 * a->alpha * a->beta / (double)size), x + at,
                            shares + (o * r.n + j) * r.inner, dx + at);
        }
    return 0;
}

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"size", NB_ARG_INT, offsetof(struct args, size), 0, 1, INT32_MAX, NB_REQUIRED, NULL,
     "channels whose squares count for one, itself in their middle"},
    {"alpha", NB_ARG_REAL, offsetof(struct args, alpha), 1e-4, 0, INFINITY, NB_MAX_OPEN, NULL,
     "factor of the mean square"},
    {"beta", NB_ARG_REAL, offsetof(struct args, beta), 0.75, 0, INFINITY, NB_MAX_OPEN, NULL, "the exponent"},
    {"k", NB_ARG_REAL, offsetof(struct args, k), 1, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL,
     "added to the mean square"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"size\": 3, \"alpha\": 0.7", "5x7", false},
    {"\"size\": 2, \"alpha\": 1.3, \"beta\": 0.4, \"k\": 2", "3x5x7", false},
    {"\"size\": 5, \"alpha\": 0.9", "2x3x17", false},
    {"\"size\": 4, \"alpha\": 0.9, \"beta\": 1.5", "2x7x3x1", false},
    {0},
};

static const struct nb_known localresponsenorm_mistakes[] = {
    {.code = "localresponsenorm_constant",
     .formula = "g*y/x",
     .hint = "The divisor depends on the entries of the window too."},
    {.code = "localresponsenorm_divisor_alone",
     .formula = "d - g*y/x",
     .hint = "The entry stands in the numerator, too."},
    {0},
};

const struct nb_module NB(nb_module_localresponsenorm)[] = {
    {
        .type = "LocalResponseNorm",
        .mistakes = localresponsenorm_mistakes,
        .onnx = "LRN",
        .summary = "Divides every entry by a power of the mean square over neighbouring channels.",
        .formula = "y_c = x_c\\, d_c^{-\\beta},\\quad d_c = k + \\frac{\\alpha}{n} "
                   "\\sum_{j = c - \\lfloor n/2 \\rfloor}^{c + \\lfloor (n-1)/2 \\rfloor} x_j^2",
        .derivative = "\\bar x_c = g_c\\, d_c^{-\\beta} - \\frac{2 \\alpha \\beta}{n}\\, x_c "
                      "\\sum_{j:\\, c \\in \\text{window}(j)} g_j\\, x_j\\, d_j^{-\\beta-1}",
        .source = "Krizhevsky, Sutskever, Hinton 2012",
        .note = "Where the window is even the extra channel is one before, as in PyTorch; ONNX has it behind.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
