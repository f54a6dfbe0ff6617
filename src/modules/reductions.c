/* Sum, Mean, SumSquare, Prod, LogSumExp, Var, Std, Norm. Sums and products accumulate in double. */
#include "modules/reduce.h"

/* The pair a row of the table wants, from a function of one row of entries. */
#define PASSES(name)                                                                                                   \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return nb_reduce_forward(c, name##_value);                                                                     \
    }                                                                                                                  \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return nb_reduce_backward(c, name##_slope);                                                                    \
    }

/* ---- Sum, Mean -------------------------------------------------------------------------------------------------- */

/* Sums of the rows, divided by their length. Columns are added up where they lie. */
static int totals(const struct nb_call *c, bool mean)
{
    struct nb_rows r = nb_reduce_rows(c);
    nb_real *y = c->out[0].data;
    double divisor = mean ? (double)r.n : 1;
    if (r.columns && !r.dense) {
        NB(nb_sum_rows)(r.n, r.rows, c->in[0].data, y);
        for (size_t i = 0; mean && i < r.rows; i++)
            y[i] = (nb_real)(y[i] / divisor);
        return 0;
    }
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work);
    for (size_t i = 0; i < r.rows; i++)
        y[i] = (nb_real)(NB(nb_total)(r.n, x + i * r.n) / divisor);
    return 0;
}

/* Every entry of a row gets the row's g, divided by the row's length. */
static int spread(const struct nb_call *c, bool mean)
{
    if (!c->gin[0].data)
        return 0;
    const struct nb_reduce *args = c->args;
    const struct nb_shape *in = &c->in[0].shape;
    unsigned mask = nb_axes(&args->dim, in->rank);
    struct nb_shape kept = nb_reduced(in, mask, true);
    struct nb_rows r = nb_rows_of(in, mask);
    const nb_real *g = c->gout[0].data;
    if (mean) {
        nb_real *share = c->work;
        for (size_t i = 0; i < r.rows; i++)
            share[i] = (nb_real)(g[i] / (double)r.n);
        g = share;
    }
    NB(nb_spread)(&kept, g, in, c->gin[0].data);
    return 0;
}

static int sum_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return totals(c, false);
}

static int sum_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return spread(c, false);
}

static int mean_infer(struct nb_infer *s, struct nb_error *e)
{
    if (nb_reduce_infer(s, e))
        return -1;
    s->work += nb_known(&s->out[0]);
    return 0;
}

static int mean_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return totals(c, true);
}

static int mean_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return spread(c, true);
}

/* ---- Prod ------------------------------------------------------------------------------------------------------- */

static nb_real prod_value(const void *args, size_t n, const nb_real *x)
{
    (void)args;
    nb_sum p = 1;
    for (size_t i = 0; i < n; i++)
        p *= x[i];
    return (nb_real)p;
}

/* The product of the others: what lies left of an entry times what lies right of it. */
static void prod_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *left)
{
    (void)args;
    nb_sum p = 1;
    for (size_t i = 0; i < n; p *= x[i++])
        left[i] = p;
    p = g;
    for (size_t i = n; i-- > 0; p *= x[i])
        dx[i] = (nb_real)(left[i] * p);
}

static int prod_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_reduce *args = s->args;
    if (nb_reduce_infer(s, e))
        return -1;
    if (nb_known(&s->in[0])) /* two nb_reals hold an nb_sum in every build */
        s->work += 2 * nb_rows_of(&s->in[0], nb_axes(&args->dim, s->in[0].rank)).n;
    return 0;
}

PASSES(prod)

/* ---- LogSumExp -------------------------------------------------------------------------------------------------- */

static nb_real logsumexp_value(const void *args, size_t n, const nb_real *x)
{
    (void)args;
    return NB(nb_row_logsumexp)(n, x);
}

static void logsumexp_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *scratch)
{
    (void)args, (void)scratch;
    NB(nb_row_softmax)(n, x, dx);
    for (size_t i = 0; i < n; i++)
        dx[i] *= g;
}

PASSES(logsumexp)

/* ---- Var -------------------------------------------------------------------------------------------------------- */

struct var {
    struct nb_reduce r;
    int64_t correction;
};

/* n - correction; nothing below 0, so that too few entries give 0/0 or infinity, as in PyTorch. */
static double freedom(const void *p, size_t n)
{
    const struct var *args = p;
    double d = (double)n - (double)args->correction;
    return d > 0 ? d : 0;
}

/* Sum of squared distances from the mean. */
NB_SIMD static nb_sum squares(size_t n, const nb_real *x, nb_sum mean)
{
    enum { LANES = 16 };
    nb_sum part[LANES] = {0}, s = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            part[k] += (x[i + k] - mean) * (x[i + k] - mean);
    for (; i < n; i++)
        s += (x[i] - mean) * (x[i] - mean);
    for (size_t k = 0; k < LANES; k++)
        s += part[k];
    return s;
}

/* Two passes: E[x^2] - E[x]^2 would lose every digit where the mean is large. */
static nb_real var_value(const void *args, size_t n, const nb_real *x)
{
    return (nb_real)(squares(n, x, NB(nb_total)(n, x) / (double)n) / freedom(args, n));
}

static void var_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *scratch)
{
    (void)scratch;
    nb_sum mean = NB(nb_total)(n, x) / (double)n;
    double d = freedom(args, n);
    for (size_t i = 0; i < n; i++)
        dx[i] = (nb_real)(2 * g * (x[i] - mean) / d);
}

PASSES(var)

/* ---- Std -------------------------------------------------------------------------------------------------------- */

static nb_real std_value(const void *args, size_t n, const nb_real *x)
{
    return (nb_real)nb_sum_root(squares(n, x, NB(nb_total)(n, x) / (double)n) / freedom(args, n));
}

static void std_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *scratch)
{
    (void)scratch;
    nb_sum mean = NB(nb_total)(n, x) / (double)n, y = std_value(args, n, x);
    double d = freedom(args, n);
    for (size_t i = 0; i < n; i++)
        dx[i] = y == 0 ? 0 : (nb_real)(g * (x[i] - mean) / (d * y));
}

PASSES(std)

/* All entries of a row are equal: no direction is special. */
static void std_branches(const struct nb_call *c, struct nb_branches *b)
{
    struct nb_rows r = nb_reduce_rows(c);
    const nb_real *y = c->out[0].data;
    for (size_t i = 0; i < r.rows && r.n > 1; i++) {
        nb_decide(b, nb_re(y[i]) == 0);
        for (size_t k = 0; k < r.n && nb_re(y[i]) == 0; k++)
            nb_at_edge(b, 0, nb_row_place(&r, i, k), NB_EDGE_CORNER, (int64_t)i);
    }
}

/* ---- SumSquare -------------------------------------------------------------------------------------------------- */

static nb_real sumsquare_value(const void *args, size_t n, const nb_real *x)
{
    (void)args;
    return (nb_real)NB(nb_row_dot)(n, x, x);
}

static void sumsquare_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *scratch)
{
    (void)args, (void)scratch;
    for (size_t i = 0; i < n; i++)
        dx[i] = 2 * g * x[i];
}

PASSES(sumsquare)

/* ---- Norm ------------------------------------------------------------------------------------------------------- */

struct norm {
    struct nb_reduce r;
    double p;
};

/* The first of the greatest moduli; the first NaN before them. */
static size_t largest(size_t n, const nb_real *x)
{
    size_t best = 0;
    nb_part top = 0;
    for (size_t i = 0; i < n && top == top; i++)
        if (!(nb_re(nb_abs(x[i])) <= top)) {
            best = i;
            top = nb_re(nb_abs(x[i]));
        }
    return best;
}

/* |x|^p */
static nb_sum power(nb_real x, double p)
{
    x = nb_abs(x);
    return p == 1 ? (nb_sum)x : p == 2 ? (nb_sum)x * x : (nb_sum)nb_pow(x, (nb_real)p);
}

static nb_sum root(nb_sum x, double p)
{
    return p == 1 ? x : p == 2 ? nb_sum_root(x) : (nb_sum)nb_pow((nb_real)x, (nb_real)(1 / p));
}

/* m is the greatest modulus, and counts as a constant: x/m and its powers neither overflow nor vanish. For p = 2 it is
 * the next power of two, so that nothing is rounded. */
static nb_real scaled_norm(size_t n, const nb_real *x, nb_part m, double p)
{
    nb_sum s = 0;
    int exponent = 0;
    if (m == 0)
        return 0;
    if (!isfinite(m))
        m = 1;
    frexp(m, &exponent);
    if (p <= 2)
        m = (nb_part)ldexp(1, exponent);
    for (size_t i = 0; i < n; i++)
        s += power(x[i] / m, p);
    return (nb_real)(m * root(s, p));
}

nb_real NB(nb_row_norm)(size_t n, const nb_real *x, double p)
{
    if (n == 0)
        return 0;
    if (p == 2) { /* nearly always the plain sum will do */
        nb_sum s = NB(nb_row_dot)(n, x, x);
        if (nb_re((nb_real)s) > 0x1p-60 && nb_re((nb_real)s) < 0x1p60)
            return (nb_real)nb_sum_root(s);
    }
    nb_real top = nb_abs(x[largest(n, x)]);
    return isinf(p) ? top : scaled_norm(n, x, nb_re(top), p);
}

static nb_real norm_share(nb_real x, nb_real y, double p)
{
    if (p == 2)
        return x / y;
    if (p == 1 || nb_re(x) == 0)
        return nb_sign(x);
    return nb_sign(x) * nb_pow(nb_abs(x) / y, (nb_real)(p - 1));
}

void NB(nb_row_norm_slope)(size_t n, const nb_real *x, nb_real y, double p, nb_real g, nb_real *dx)
{
    bool one = isinf(p) || nb_re(y) == 0; /* no share but that of the greatest; none at all at 0 */
    for (size_t i = 0; i < n; i++)
        dx[i] = one ? 0 : g * norm_share(x[i], y, p);
    if (n && isinf(p))
        dx[largest(n, x)] = g * nb_sign(x[largest(n, x)]);
}

static nb_real norm_value(const void *args, size_t n, const nb_real *x)
{
    return NB(nb_row_norm)(n, x, ((const struct norm *)args)->p);
}

static void norm_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *scratch)
{
    double p = ((const struct norm *)args)->p;
    (void)scratch;
    NB(nb_row_norm_slope)(n, x, NB(nb_row_norm)(n, x, p), p, g, dx);
}

PASSES(norm)

/* p = inf: the entry that counts, and those as large; 0 counts whichever way it moves. */
static void largest_branches(const struct nb_rows *r, size_t row, const nb_real *x, struct nb_branches *b)
{
    size_t best = largest(r->n, x), tied = 0;
    nb_part top = nb_re(nb_abs(x[best]));
    nb_decide(b, 2 * best + (nb_re(x[best]) < 0));
    for (size_t k = best; k < r->n; k++)
        tied += nb_re(nb_abs(x[k])) == top;
    for (size_t k = best; k < r->n && (tied > 1 || top == 0); k++) {
        nb_part v = nb_re(x[k]);
        if (v == top)
            nb_at_edge(b, 0, nb_row_place(r, row, k), NB_EDGE_TIE, (int64_t)row);
        if (v == -top)
            nb_at_edge(b, 0, nb_row_place(r, row, k), NB_EDGE_BELOW, (int64_t)row);
    }
}

static void norm_branches(const struct nb_call *c, struct nb_branches *b)
{
    double p = ((const struct norm *)c->args)->p;
    struct nb_rows r = nb_reduce_rows(c);
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work), *y = c->out[0].data;
    for (size_t i = 0; i < r.rows && r.n; i++, x += r.n) {
        if (isinf(p)) {
            largest_branches(&r, i, x, b);
            continue;
        }
        nb_decide(b, nb_re(y[i]) == 0);
        for (size_t k = 0; k < r.n; k++)
            if (p == 1 ? nb_side(b, nb_re(x[k]), 0) : nb_re(y[i]) == 0)
                nb_at_edge(b, 0, nb_row_place(&r, i, k), p == 1 ? NB_EDGE_SIDE : NB_EDGE_CORNER,
                           (int64_t)(p == 1 ? i * r.n + k : i));
    }
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_arg reduce_args[] = {NB_REDUCE_DIM, NB_REDUCE_KEEPDIM, {0}};

static const struct nb_arg var_args[] = {
    NB_REDUCE_DIM,
    NB_REDUCE_KEEPDIM,
    {"correction", NB_ARG_INT, offsetof(struct var, correction), 0, 0, INFINITY, 0, NULL,
     "taken off the number of entries; 1 for the estimate from a sample"},
    {0},
};

static const struct nb_arg norm_args[] = {
    {"p", NB_ARG_REAL, offsetof(struct norm, p), 2, 1, INFINITY, 0, NULL, "the exponent, also Infinity"},
    NB_REDUCE_DIM,
    NB_REDUCE_KEEPDIM,
    {0},
};

static const struct nb_case reduce_cases[] = {
    {NULL, "5x7", false},
    {"\"dim\": 0", "7x5", false},
    {"\"dim\": -1", "3x33", false},
    {"\"dim\": 1, \"keepdim\": true", "7x5x3", false},
    {"\"dim\": [0, 2]", "7x5x3", false},
    {"\"dim\": [-1, 0], \"keepdim\": true", "2x3x5x7", false},
    {NULL, "17", false},
    {"\"keepdim\": true", "5x3", false},
    {0},
};

static const struct nb_case var_cases[] = {
    {NULL, "5x7", false},
    {"\"dim\": 0, \"correction\": 1", "7x5", false},
    {"\"dim\": -1", "3x33", false},
    {"\"dim\": [0, 2], \"keepdim\": true, \"correction\": 2", "7x5x3", false},
    {0},
};

static const struct nb_case norm_cases[] = {
    {NULL, "5x7", false},
    {"\"p\": 1, \"dim\": 0", "7x5", false},
    {"\"p\": 3, \"dim\": -1", "3x33", false},
    {"\"p\": 1.7, \"dim\": 1, \"keepdim\": true", "7x5x3", false},
    {"\"p\": 2, \"dim\": [0, 2]", "7x5x3", false},
    {"\"p\": \"Infinity\", \"dim\": 1", "5x7", false},
    {0},
};

static const struct nb_known prod_mistakes[] = {
    {.code = "prod_whole", .formula = "d*x", .hint = "Every entry gets the product of the others: divide by itself."},
    {.code = "prod_sum", .formula = "g + 0*x", .hint = "Every entry gets the product of the others."},
    {0},
};

static const struct nb_known logsumexp_mistakes[] = {
    {.code = "logsumexp_diagonal", .formula = "d*(1 - d/g)", .hint = "Its derivative is the softmax, once."},
    {.code = "logsumexp_ones", .formula = "g + 0*x", .hint = "Its derivative is the softmax, not 1."},
    {0},
};

static const struct nb_known var_mistakes[] = {
    {.code = "var_mean_missing",
     .formula = "d*x/(x - mean(x))",
     .hint = "The mean is to be subtracted: 2 (x - mean)/n."},
    {0},
};

static const struct nb_known std_mistakes[] = {
    {.code = "std_of_var",
     .formula = "2*d*y",
     .hint = "That is the derivative of the variance: divide by twice the deviation."},
    {.code = "std_mean_missing",
     .formula = "d*x/(x - mean(x))",
     .hint = "The mean is to be subtracted: (x - mean)/(n y)."},
    {0},
};

static const struct nb_known sumsquare_mistakes[] = {
    {.code = "sumsquare_ones", .formula = "2*g + 0*x", .hint = "The derivative of a square is 2 x."},
    {0},
};

static const struct nb_known norm_mistakes[] = {
    {.code = "norm_input", .formula = "g*x", .hint = "Divide by the norm: x/y."},
    {.code = "norm_sign", .formula = "g*sign(x)", .hint = "That is the derivative of the sum of absolute values."},
    {0},
};

const struct nb_module NB(nb_module_reductions)[] = {
    {
        .type = "Sum",
        .onnx = "ReduceSum",
        .summary = "Sum over dimensions.",
        .formula = "y = \\sum_i x_i",
        .derivative = "\\bar x_i = g",
        .args = reduce_args,
        .args_size = sizeof(struct nb_reduce),
        .inputs = nb_reduce_ports,
        .infer = nb_reduce_infer,
        .forward = sum_forward,
        .backward = sum_backward,
        .jacobian = "A",
        .cases = reduce_cases,
    },
    {
        .type = "Mean",
        .onnx = "ReduceMean",
        .summary = "Mean over dimensions.",
        .formula = "y = \\frac1n \\sum_{i=1}^n x_i",
        .derivative = "\\bar x_i = \\frac gn",
        .note = "The mean over nothing is NaN.",
        .args = reduce_args,
        .args_size = sizeof(struct nb_reduce),
        .inputs = nb_reduce_ports,
        .infer = mean_infer,
        .forward = mean_forward,
        .backward = mean_backward,
        .jacobian = "A",
        .cases = reduce_cases,
    },
    {
        .type = "Prod",
        .mistakes = prod_mistakes,
        .onnx = "ReduceProd",
        .summary = "Product over dimensions.",
        .formula = "y = \\prod_i x_i",
        .derivative = "\\bar x_i = g \\prod_{j < i} x_j \\prod_{j > i} x_j",
        .note = "The gradient is right with zeros among the entries: nothing is divided.",
        .args = reduce_args,
        .args_size = sizeof(struct nb_reduce),
        .inputs = nb_reduce_ports,
        .infer = prod_infer,
        .forward = prod_forward,
        .backward = prod_backward,
        .jacobian = "R",
        .cases = reduce_cases,
    },
    {
        .type = "LogSumExp",
        .mistakes = logsumexp_mistakes,
        .onnx = "ReduceLogSumExp",
        .summary = "Logarithm of the sum of exponentials over dimensions.",
        .formula = "y = m + \\ln \\sum_i e^{x_i - m},\\quad m = \\max_i x_i",
        .derivative = "\\bar x_i = g\\,e^{x_i - y}",
        .note = "Where all entries are -inf the result is -inf and the gradient 0.",
        .args = reduce_args,
        .args_size = sizeof(struct nb_reduce),
        .inputs = nb_reduce_ports,
        .infer = nb_reduce_infer,
        .forward = logsumexp_forward,
        .backward = logsumexp_backward,
        .jacobian = "R",
        .cases = reduce_cases,
    },
    {
        .type = "Var",
        .mistakes = var_mistakes,
        .summary = "Variance over dimensions.",
        .formula = "y = \\frac{1}{n - c} \\sum_{i=1}^n (x_i - \\mu)^2,\\quad \\mu = \\frac1n \\sum_{i=1}^n x_i",
        .derivative = "\\bar x_i = \\frac{2 g\\,(x_i - \\mu)}{n - c}",
        .note = "c is correction. It starts at 0; PyTorch's is 1. The sum is over distances from the mean, in double.",
        .args = var_args,
        .args_size = sizeof(struct var),
        .inputs = nb_reduce_ports,
        .infer = nb_reduce_infer,
        .forward = var_forward,
        .backward = var_backward,
        .jacobian = "R",
        .cases = var_cases,
    },
    {
        .type = "Norm",
        .mistakes = norm_mistakes,
        .onnx = "ReduceL2",
        .summary = "The p-norm over dimensions.",
        .formula = "y = \\Bigl(\\sum_i |x_i|^p\\Bigr)^{1/p}",
        .derivative = "\\bar x_i = g\\,\\operatorname{sign}(x_i) \\Bigl(\\frac{|x_i|}{y}\\Bigr)^{p-1}",
        .note =
            "Entries are scaled by the greatest, so that squares neither overflow nor vanish. p = inf is the greatest "
            "modulus, and of equal ones the first gets the gradient.",
        .args = norm_args,
        .args_size = sizeof(struct norm),
        .inputs = nb_reduce_ports,
        .infer = nb_reduce_infer,
        .forward = norm_forward,
        .backward = norm_backward,
        .kinks = (const struct nb_kink[]){{"x = 0", "0"},
                                          {"p = 1: x_i = 0", "0"},
                                          {"p = inf: |x_i| = |x_j|", "all to the first"},
                                          {0}},
        .branches = norm_branches,
        .jacobian = "R",
        .cases = norm_cases,
    },
    {
        .type = "Std",
        .mistakes = std_mistakes,
        .summary = "Standard deviation over dimensions.",
        .formula = "y = \\sqrt{\\frac{1}{n - c} \\sum_i (x_i - \\mu)^2}",
        .derivative = "\\bar x_i = \\frac{g\\,(x_i - \\mu)}{(n - c)\\,y},\\quad 0 \\text{ where } y = 0",
        .note = "correction is 0 here; PyTorch's default is 1.",
        .args = var_args,
        .args_size = sizeof(struct var),
        .inputs = nb_reduce_ports,
        .infer = nb_reduce_infer,
        .forward = std_forward,
        .backward = std_backward,
        .kinks = (const struct nb_kink[]){{"all entries equal", "0"}, {0}},
        .branches = std_branches,
        .jacobian = "R",
        .cases = var_cases,
    },
    {
        .type = "SumSquare",
        .mistakes = sumsquare_mistakes,
        .onnx = "ReduceSumSquare",
        .summary = "Sum of the squares over dimensions.",
        .formula = "y = \\sum_i x_i^2",
        .derivative = "\\bar x_i = 2\\,g\\,x_i",
        .args = reduce_args,
        .args_size = sizeof(struct nb_reduce),
        .inputs = nb_reduce_ports,
        .infer = nb_reduce_infer,
        .forward = sumsquare_forward,
        .backward = sumsquare_backward,
        .jacobian = "R",
        .cases = reduce_cases,
    },
    {0},
};
