/* GaussianNLLLoss: the negative log-likelihood under a Gaussian whose variance is an input, too.
 *
 * One variance may stand for all entries of the last dimension: then `share` entries have one, else share is 1. */
#include "modules/loss.h"

struct args {
    int64_t reduction, full;
    double eps;
};

/* The shape of the variances is the input's, with 1 for the last dimension, or without it. */
static int infer(struct nb_infer *s, struct nb_error *e)
{
    char x[200], v[200];
    const struct nb_shape *in = &s->in[0], *var = &s->in[2];
    if (nb_same_shapes(s, 0, "input", 1, "target", e))
        return -1;
    struct nb_shape one = *in, without = *in;
    if (in->rank > 0) {
        one.dim[in->rank - 1] = 1;
        without.rank--;
    }
    if (nb_shape_same(in, var) == 0 && nb_shape_same(&one, var) == 0 && nb_shape_same(&without, var) == 0)
        return nb_fail(e, NB_E_shape_mismatch,
                       "input is %s, var is %s: wanted is the same shape, or one variance for the last dimension",
                       nb_shape_text(in, s->symbols, x, sizeof x), nb_shape_text(var, s->symbols, v, sizeof v));
    nb_loss_out(s, in);
    return 0;
}

struct view {
    const struct args *a;
    size_t n, share;
    const nb_real *x, *y, *var;
};

static struct view view_of(const struct nb_call *c)
{
    size_t n = nb_entries(&c->in[0]), variances = nb_entries(&c->in[2]);
    return (struct view){c->args, n, variances ? n / variances : 1, c->in[0].data, c->in[1].data, c->in[2].data};
}

/* The variances of entries from..from+n, at least eps. */
static void variances(const struct view *v, size_t from, size_t n, nb_real *to)
{
    nb_part eps = (nb_part)v->a->eps;
    for (size_t i = 0; i < n; i++) {
        nb_real s = v->var[v->share == 1 ? from + i : (from + i) / v->share];
        to[i] = nb_re(s) < eps ? eps : s;
    }
}

NB_SIMD static void terms(size_t n, const nb_real *x, const nb_real *y, const nb_real *v, nb_part constant, nb_real *t)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real d = x[i] - y[i];
        t[i] = (nb_part)0.5 * (nb_log(v[i]) + d * d / v[i]) + constant;
    }
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    nb_real s[NB_CHUNK], t[NB_CHUNK], *out = c->out[0].data;
    nb_part constant = v.a->full ? (nb_part)(0.5 * log(2 * M_PI)) : 0;
    nb_sum all = 0;
    for (size_t from = 0, n; from < v.n; from += n) {
        n = nb_chunk(v.n - from);
        variances(&v, from, n, s);
        terms(n, v.x + from, v.y + from, s, constant, t);
        if (v.a->reduction == NB_EACH)
            memcpy(out + from, t, n * sizeof *t);
        else
            all += NB(nb_total)(n, t);
    }
    if (v.a->reduction != NB_EACH)
        *out = (nb_real)(all / nb_divisor(v.a->reduction, v.n, nb_batch(&c->in[0].shape)));
    return 0;
}

/* The derivatives of entry i by the input and by its variance, times g. */
static inline void slope(const struct view *v, size_t i, nb_real g, nb_real *dx, nb_real *dv)
{
    nb_real s, d = v->x[i] - v->y[i];
    variances(v, i, 1, &s);
    bool bounded = nb_re(v->var[i / v->share]) < (nb_part)v->a->eps;
    *dx = g == 0 ? 0 : g * d / s;
    *dv = g == 0 || bounded ? 0 : (nb_part)0.5 * g * (1 - d * d / s) / s;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    const nb_real *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data, *dy = c->gin[1].data, *dvar = c->gin[2].data, a, b;
    double divisor = nb_divisor(v.a->reduction, v.n, nb_batch(&c->in[0].shape));
    size_t step = v.a->reduction == NB_EACH;
    nb_sum sum = 0;
    nb_no_gradient(&c->gin[2]);
    for (size_t i = 0; i < v.n; i++) {
        slope(&v, i, (nb_real)(g[i * step] / divisor), &a, &b);
        sum = i % v.share ? sum + b : b;
        if (dx)
            dx[i] = a;
        if (dy)
            dy[i] = -a;
        if (dvar)
            dvar[i / v.share] = (nb_real)sum;
    }
    return 0;
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const nb_real *var = c->in[2].data;
    for (size_t i = 0; i < nb_entries(&c->in[2]); i++)
        if (nb_side(b, nb_re(var[i]), (nb_part)((const struct args *)c->args)->eps))
            nb_at_edge(b, 2, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

static const struct nb_port inputs[] = {
    {"input", NB_REAL_PORT, 0}, {"target", NB_REAL_PORT, 0}, {"var", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"full", NB_ARG_BOOL, offsetof(struct args, full), 0, 0, 0, 0, NULL, "with the constant ln(2 pi)/2"},
    {"eps", NB_ARG_REAL, offsetof(struct args, eps), 1e-6, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL,
     "the least variance"},
    NB_REDUCTION(struct args, NB_MEAN),
    {0},
};

static const struct nb_kink kinks[] = {{"v = eps", "as above eps"}, {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7 5x7", false},
    {"\"full\": true, \"eps\": 1.1, \"reduction\": \"none\"", "7x3 7x3 7x3", false},
    {"\"reduction\": \"sum\"", "7x3x5 7x3x5 7x3x1", false},
    {"\"full\": true, \"reduction\": \"batchmean\"", "5x7 5x7 5", false},
    {0},
};

static const struct nb_known gaussiannllloss_mistakes[] = {
    {.code = "gaussiannll_variance_missing",
     .formula = "g*share*(x - target)",
     .hint = "The difference is divided by the variance."},
    {.code = "gaussiannll_by_deviation",
     .formula = "d*var^0.5",
     .hint = "The difference is divided by the variance, not by its root."},
    {.code = "gaussiannll_log_missing",
     .of = "var",
     .formula = "-g*share*(input - target)^2/(2*var^2)",
     .hint = "The logarithm of the variance has a derivative, too: 1/(2 v)."},
    {.code = "gaussiannll_quadratic_missing",
     .of = "var",
     .formula = "g*share/(2*var)",
     .hint = "The quotient depends on the variance, too: -(x - t)^2/(2 v^2)."},
    {0},
};

const struct nb_module NB(nb_module_gaussiannllloss)[] = {
    {
        .type = "GaussianNLLLoss",
        .mistakes = gaussiannllloss_mistakes,
        .summary = "The negative log-likelihood of a target under a Gaussian with given mean and variance.",
        .formula = "y = \\tfrac12 \\Bigl(\\ln v + \\frac{(x - t)^2}{v}\\Bigr),\\quad v = \\max(\\text{var}, \\epsilon)",
        .derivative = "dx = g\\,\\frac{x - t}{v},\\quad dt = -dx,\\quad dv = \\frac g2 \\Bigl(\\frac1v - \\frac{(x - "
                      "t)^2}{v^2}\\Bigr) \\text{ if var} \\ge \\epsilon \\text{ else } 0",
        .note = "The variance has the shape of the input, or one entry for the whole last dimension. PyTorch passes a "
                "gradient to variances below eps; here it is that of the function, 0.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "R",
        .cases = cases,
        .lo = 0.2,
        .hi = 3,
    },
    {0},
};
