/* LPPool: the p-norm of every window, without the absolute value. */
#include "modules/pool.h"

static const struct nb_divisor none = {false, 1};

/* For p = 1 the pool is a plain sum. */
static nb_real power(nb_real x, double p)
{
    int whole = (int)(p < 64 ? p : 0);
    if (whole != p || p < 1)
        return nb_pow(x, (nb_part)p);
    nb_real y = 1;
    for (; whole; whole >>= 1, x *= x)
        if (whole & 1)
            y *= x;
    return y;
}

/* S^(1/p) of a sum, and S^(1/p - 1), which is 0 where there is no derivative. */
static nb_real root(nb_real s, double p)
{
    return p == 1 ? s : p == 2 ? nb_sqrt(s) : nb_pow(s, (nb_part)(1 / p));
}

static nb_real slope(nb_real y, double p)
{
    return p == 1 ? 1 : nb_re(y) == 0 ? 0 : nb_pow(y, (nb_part)(1 - p));
}

static nb_real share(nb_real x, double p)
{
    return p == 1 ? 1 : p == 2 ? x : power(x, p - 1);
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    const struct nb_pool_args *a = c->args;
    struct nb_pool p = nb_pool_of(a, &c->in[0].shape, &c->out[0].shape);
    size_t n = p.planes * p.in;
    const nb_real *x = c->in[0].data;
    nb_real *y = c->out[0].data, *powers = c->work;
    (void)e;
    for (size_t i = 0; i < n; i++)
        powers[i] = power(x[i], a->norm_type);
    NB(nb_pool_mean)(&p, &none, powers, y, powers + n + n % 2);
    for (size_t i = 0; i < p.planes * p.out; i++)
        y[i] = root(y[i], a->norm_type);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    const struct nb_pool_args *a = c->args;
    struct nb_pool p = nb_pool_of(a, &c->in[0].shape, &c->out[0].shape);
    size_t n = p.planes * p.out;
    const nb_real *x = c->in[0].data, *y = c->out[0].data, *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data, *by_sum = c->work;
    (void)e;
    for (size_t i = 0; dx && i < n; i++)
        by_sum[i] = nb_re(g[i]) == 0 ? 0 : g[i] * slope(y[i], a->norm_type);
    if (dx)
        NB(nb_pool_mean_back)(&p, &none, by_sum, dx, by_sum + n + n % 2);
    for (size_t i = 0; dx && i < p.planes * p.in; i++)
        dx[i] = nb_re(dx[i]) == 0 ? 0 : dx[i] * share(x[i], a->norm_type);
    return 0;
}

/* A window whose sum is 0 has no derivative, except for p = 1. */
static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const struct nb_pool_args *a = c->args;
    struct nb_pool p = nb_pool_of(a, &c->in[0].shape, &c->out[0].shape);
    const nb_real *y = c->out[0].data;
    size_t w = (size_t)p.d[2].out, h = (size_t)p.d[1].out;
    for (size_t o = 0; o < p.planes * p.out && a->norm_type != 1; o++) {
        if (!nb_side(b, nb_re(y[o]), 0))
            continue;
        struct nb_taps t = nb_taps_of(&p.d[1], o % p.out / w), u = nb_taps_of(&p.d[2], o % w);
        size_t plane = o / (w * h) * p.in;
        for (size_t i = 0; i < t.n * u.n; i++) {
            size_t at = plane + (t.at + i / u.n) * (size_t)p.d[2].in + u.at + i % u.n;
            nb_at_edge(b, 0, (int64_t)at, NB_EDGE_CORNER, (int64_t)o);
        }
    }
}

static int infer(struct nb_infer *s, int dims, struct nb_error *e)
{
    if (nb_pool_infer(s, dims, e))
        return -1;
    int last = s->in[0].rank - 1;
    size_t in = nb_known(&s->in[0]), out = nb_known(&s->out[0]);
    s->work = (in > out ? in : out) + 1 + nb_pool_work(s->in[0].dim[last], s->out[0].dim[last]);
    return 0;
}

static int infer_1d(struct nb_infer *s, struct nb_error *e)
{
    return infer(s, 1, e);
}

static int infer_2d(struct nb_infer *s, struct nb_error *e)
{
    return infer(s, 2, e);
}

static const struct nb_arg args[] = {
    {"norm_type", NB_ARG_REAL, offsetof(struct nb_pool_args, norm_type), 0, 0, INFINITY,
     NB_REQUIRED | NB_MIN_OPEN | NB_MAX_OPEN, NULL, "the exponent p"},
    NB_POOL_KERNEL,
    NB_POOL_STRIDE,
    NB_POOL_CEIL,
    {0},
};

static const struct nb_case cases_1d[] = {
    {"\"norm_type\": 2, \"kernel_size\": 2", "3x5x7", false},
    {"\"norm_type\": 3, \"kernel_size\": 3, \"stride\": 2, \"ceil_mode\": true", "5x16u", false},
    {"\"norm_type\": 1, \"kernel_size\": 3, \"stride\": 1", "2x3x5", false},
    {0},
};
static const struct nb_case cases_2d[] = {
    {"\"norm_type\": 2, \"kernel_size\": 2", "2x3x4x5", false},
    {"\"norm_type\": 1.5, \"kernel_size\": [3, 2], \"stride\": [2, 1]", "3x5x7u", false},
    {"\"norm_type\": 4, \"kernel_size\": 3, \"stride\": 2, \"ceil_mode\": true", "2x1x6x4", false},
    {0},
};

static const struct nb_kink kinks[] = {{"the sum of a window is 0, p other than 1", "0"}, {0}};

#define MISTAKES(dims)                                                                                                 \
    static const struct nb_known mistakes_##dims##d[] = {                                                              \
        {.code = "lp_pool_" #dims "d_exponent",                                                                        \
         .formula = "d*x",                                                                                             \
         .hint = "The exponent goes down by one: x^(p-1)/y^(p-1)."},                                                   \
        {.code = "lp_pool_" #dims "d_power_missing",                                                                   \
         .formula = "d/x^(norm_type - 1)",                                                                             \
         .hint = "The power inside has a derivative, too: x^(p-1)/y^(p-1)."},                                          \
        {0},                                                                                                           \
    }
MISTAKES(1);
MISTAKES(2);

#define ROW(dims)                                                                                                      \
    {                                                                                                                  \
        .type = "LPPool" #dims "d", .onnx = "LpPool", .summary = "The p-norm of every window over " #dims "d space.",  \
        .formula = "y_o = \\Bigl(\\sum_{i \\in W_o} x_i^p\\Bigr)^{1/p}",                                               \
        .derivative = "\\bar x_i = \\sum_{o : i \\in W_o} g_o \\Bigl(\\frac{x_i}{y_o}\\Bigr)^{p-1}",                   \
        .note = "There is no absolute value, as in PyTorch: an odd p wants entries that are not negative. In ceil "    \
                "mode the last window sums what there is; PyTorch scales that sum up to a whole window.",              \
        .args = args, .args_size = sizeof(struct nb_pool_args), .inputs = nb_pool_ports, .infer = infer_##dims##d,     \
        .forward = forward, .backward = backward, .branches = branches, .kinks = kinks, .jacobian = "D",               \
        .cases = cases_##dims##d, .mistakes = mistakes_##dims##d,                                                      \
    }

const struct nb_module NB(nb_module_lppool)[] = {ROW(1), ROW(2), {0}};
