/* LayerNorm, RMSNorm: every sample gets mean 0 and variance 1, or mean square 1, over its last dimensions. */
#include "modules/norm.h"
#include <string.h>

struct args {
    struct nb_ints shape;
    double eps;
    int64_t affine;
};

/* The input as [rows, n]. */
struct view {
    size_t rows, n;
    struct nb_moments m;
    const nb_real *gamma, *beta; /* NULL: 1 and 0 */
};

static struct view view_of(const struct nb_call *c, bool centred)
{
    const struct args *a = c->args;
    struct view v = {1, 1, {0}, NULL, NULL};
    for (size_t i = 0; i < a->shape.n; i++)
        v.n *= (size_t)a->shape.v[i];
    v.rows = (size_t)nb_count(&c->in[0].shape) / v.n;
    v.m = nb_moments_of(c->saved, v.rows);
    if (a->affine) {
        v.gamma = c->w[0].data;
        v.beta = centred ? c->w[1].data : NULL;
    }
    return v;
}

/* ---- loops along a row ------------------------------------------------------------------------------------------ */

NB_SIMD static void normalise(size_t n, const nb_real *x, nb_real high, nb_real low, nb_real scale, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = ((x[i] - high) - low) * scale;
}

NB_SIMD static void times_plus(size_t n, const nb_real *a, const nb_real *b, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] * a[i] + b[i];
}

NB_SIMD static void times(size_t n, const nb_real *a, const nb_real *b, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

/* dx = scale (h - mean h - xhat mean(h xhat)); the mean of h only where x was centred */
NB_SIMD static void slope(size_t n, const nb_real *h, const nb_real *xhat, nb_real scale, bool centred, nb_real *dx)
{
    nb_sum s = 0, t = 0;
    NB_LOOP_SUM(s, t)
    for (size_t i = 0; i < n; i++) {
        s += h[i];
        t += (nb_sum)h[i] * xhat[i];
    }
    nb_real p = centred ? (nb_real)(s / (double)n) : 0, q = (nb_real)(t / (double)n);
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = scale * (h[i] - p - xhat[i] * q);
}

/* dbeta += g, dgamma += g xhat */
NB_SIMD static void learned(size_t n, const nb_real *g, const nb_real *xhat, nb_sum *dgamma, nb_sum *dbeta)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        dbeta[i] += g[i];
        dgamma[i] += (nb_sum)g[i] * xhat[i];
    }
}

/* ---- the module -------------------------------------------------------------------------------------------------- */

static int infer(struct nb_infer *s, bool centred, struct nb_error *e)
{
    const struct args *a = s->args;
    const struct nb_shape *x = &s->in[0];
    struct nb_shape last = {.rank = (int)(a->shape.n <= NB_MAX_RANK ? a->shape.n : 0)};
    memcpy(last.dim, a->shape.v, (size_t)last.rank * sizeof *last.dim);
    bool fits = last.rank > 0 && last.rank <= x->rank;
    for (int i = 1; fits && i <= last.rank; i++)
        fits = nb_dim_same(x->dim[x->rank - i], last.dim[last.rank - i]) != 0;
    if (!fits) {
        char in[200], want[200];
        nb_fail(e, NB_E_shape_mismatch, "normalized_shape is %s, the input is %s",
                nb_shape_text(&last, s->symbols, want, sizeof want), nb_shape_text(x, s->symbols, in, sizeof in));
        return nb_at(e, "normalized_shape");
    }
    s->out[0] = *x;
    if (a->affine)
        s->w[s->nw++] = (struct nb_weight){.name = "weight", .shape = last, .init.kind = NB_INIT_ONES};
    if (a->affine && centred)
        s->w[s->nw++] = (struct nb_weight){.name = "bias", .shape = last, .init.kind = NB_INIT_ZEROS};
    if (nb_count(x) >= 0 && nb_count(&last) > 0) {
        size_t n = (size_t)nb_count(&last);
        s->saved = 3 * ((size_t)nb_count(x) / n);
        s->work = (2 + 2 * NB_SUM_REALS) * n;
    }
    return 0;
}

static int forward(const struct nb_call *c, bool centred)
{
    const struct args *a = c->args;
    struct view v = view_of(c, centred);
    for (size_t i = 0; i < v.rows; i++) {
        const nb_real *x = (const nb_real *)c->in[0].data + i * v.n;
        nb_real *y = (nb_real *)c->out[0].data + i * v.n;
        nb_sum mean = centred ? NB(nb_total)(v.n, x) / (double)v.n : 0;
        nb_moments_set(&v.m, i, mean, nb_squares(v.n, x, mean) / (double)v.n, a->eps);
        normalise(v.n, x, v.m.high[i], v.m.low[i], v.m.scale[i], y);
        if (v.beta)
            times_plus(v.n, v.gamma, v.beta, y);
        else if (v.gamma)
            times(v.n, v.gamma, y, y);
    }
    return 0;
}

static void keep_sums(size_t n, const nb_sum *s, const struct nb_tensor *t)
{
    nb_real *to = t->data;
    for (size_t i = 0; to && i < n; i++)
        to[i] = (nb_real)s[i];
}

static int backward(const struct nb_call *c, bool centred)
{
    struct view v = view_of(c, centred);
    nb_sum *dgamma = c->work, *dbeta = dgamma + v.n;
    nb_real *xhat = (nb_real *)(dbeta + v.n), *h = xhat + v.n, *dx = c->gin[0].data;
    memset(dgamma, 0, 2 * v.n * sizeof *dgamma);
    for (size_t i = 0; i < v.rows; i++) {
        const nb_real *x = (const nb_real *)c->in[0].data + i * v.n, *g = (const nb_real *)c->gout[0].data + i * v.n;
        normalise(v.n, x, v.m.high[i], v.m.low[i], v.m.scale[i], xhat);
        if (v.gamma) {
            learned(v.n, g, xhat, dgamma, dbeta);
            times(v.n, g, v.gamma, h);
        }
        if (dx)
            slope(v.n, v.gamma ? h : g, xhat, v.m.scale[i], centred, dx + i * v.n);
    }
    if (v.gamma)
        keep_sums(v.n, dgamma, &c->gw[0]);
    if (v.beta)
        keep_sums(v.n, dbeta, &c->gw[1]);
    return 0;
}

#define PASSES(name, centred)                                                                                          \
    static int name##_infer(struct nb_infer *s, struct nb_error *e)                                                    \
    {                                                                                                                  \
        return infer(s, centred, e);                                                                                   \
    }                                                                                                                  \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return forward(c, centred);                                                                                    \
    }                                                                                                                  \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return backward(c, centred);                                                                                   \
    }
PASSES(layer, true)
PASSES(rms, false)

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"normalized_shape", NB_ARG_INTS, offsetof(struct args, shape), 0, 1, INFINITY, NB_REQUIRED | NB_MAX_OPEN, NULL,
     "sizes of the last dimensions, which are normalised together"},
    {"eps", NB_ARG_REAL, offsetof(struct args, eps), 1e-5, 0, INFINITY, NB_MAX_OPEN, NULL,
     "added to the variance, or to the mean square"},
    {"elementwise_affine", NB_ARG_BOOL, offsetof(struct args, affine), 1, 0, 0, 0, NULL,
     "learn a scale, and in LayerNorm a shift, for each entry"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"normalized_shape\": 7", "5x7", false},
    {"\"normalized_shape\": [3, 5], \"eps\": 0.1", "7x3x5", false},
    {"\"normalized_shape\": [17], \"elementwise_affine\": false, \"eps\": 0.02", "3x5x17", false},
    {"\"normalized_shape\": 33", "33", true},
    {0},
};

static const struct nb_known layernorm_mistakes[] = {
    {.code = "layernorm_constants",
     .formula = "g*weight/(var(x, -1, keepdim=1) + eps)^0.5",
     .hint = "Mean and variance depend on x too."},
    {.code = "layernorm_mean_only",
     .formula = "(g*weight - mean(g*weight, -1, keepdim=1))/(var(x, -1, keepdim=1) + eps)^0.5",
     .hint = "The variance depends on x too."},
    {.code = "layernorm_variance_only",
     .formula = "(g*weight - (x - mean(x, -1, keepdim=1))*mean(g*weight*(x - mean(x, -1, keepdim=1)), -1, "
                "keepdim=1)/(var(x, -1, keepdim=1) + eps))/(var(x, -1, keepdim=1) + eps)^0.5",
     .hint = "The mean depends on x too."},
    {.code = "layernorm_deviation_missing",
     .formula = "d*(var(x, -1, keepdim=1) + eps)^0.5",
     .hint = "The division by the standard deviation is missing."},
    {.code = "layernorm_variance_for_deviation",
     .formula = "d/(var(x, -1, keepdim=1) + eps)^0.5",
     .hint = "Divide by the standard deviation, not by the variance."},
    {.code = "layernorm_scale_by_input",
     .of = "weight",
     .formula = "d*0 + sum(g*x, 0)",
     .hint = "The scale meets the normalised input, not the input."},
    {0},
};

static const struct nb_known rmsnorm_mistakes[] = {
    {.code = "rmsnorm_constant",
     .formula = "g*weight/(mean(x*x, -1, keepdim=1) + eps)^0.5",
     .hint = "The mean square depends on x too."},
    {.code = "rmsnorm_sum",
     .formula = "(g*weight - y/weight*sum(g*y, -1, keepdim=1))/(mean(x*x, -1, keepdim=1) + eps)^0.5",
     .hint = "The second term has the mean over the row, not the sum."},
    {.code = "rmsnorm_root_missing",
     .formula = "d*(mean(x*x, -1, keepdim=1) + eps)^0.5",
     .hint = "The division by the root of the mean square is missing."},
    {.code = "rmsnorm_scale_by_input",
     .of = "weight",
     .formula = "d*0 + sum(g*x, 0)",
     .hint = "The scale meets the normalised input, not the input."},
    {0},
};

const struct nb_module NB(nb_module_layernorm)[] = {
    {
        .type = "LayerNorm",
        .mistakes = layernorm_mistakes,
        .onnx = "LayerNormalization",
        .summary = "Gives every sample mean 0 and variance 1 over its last dimensions, then a learned scale and shift.",
        .formula =
            "y = \\gamma \\hat x + \\beta,\\quad \\hat x = \\frac{x - \\mu}{q},\\quad q = \\sqrt{v + \\varepsilon}",
        .derivative = "h = g \\gamma;\\quad dx = \\frac1q \\bigl(h - \\operatorname{mean}(h) - "
                      "\\hat x \\operatorname{mean}(h \\hat x)\\bigr),\\quad d\\gamma = \\sum g \\hat x,\\quad "
                      "d\\beta = \\sum g",
        .source = "Ba, Kiros, Hinton 2016",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = layer_infer,
        .forward = layer_forward,
        .backward = layer_backward,
        .jacobian = "R",
        .cases = cases,
    },
    {
        .type = "RMSNorm",
        .mistakes = rmsnorm_mistakes,
        .onnx = "RMSNormalization",
        .summary = "Gives every sample the mean square 1 over its last dimensions, then a learned scale.",
        .formula = "y = \\gamma \\hat x,\\quad \\hat x = \\frac{x}{q},\\quad "
                   "q = \\sqrt{\\operatorname{mean}(x^2) + \\varepsilon}",
        .derivative = "h = g \\gamma;\\quad dx = \\frac1q \\bigl(h - \\hat x \\operatorname{mean}(h \\hat x)\\bigr),"
                      "\\quad d\\gamma = \\sum g \\hat x",
        .source = "Zhang, Sennrich 2019",
        .note = "eps starts as that of the other normalisations; PyTorch takes the spacing of floats at 1 there.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = rms_infer,
        .forward = rms_forward,
        .backward = rms_backward,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
