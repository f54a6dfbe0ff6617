/* Softmax, LogSoftmax, Softmin, Softmax2d, Hardmax, and the loops along a row under them and LogSumExp.
 *
 * The greatest entry m of a row is subtracted and counts as a constant: its derivative cancels. */
#include "modules/rows.h"
#include <string.h>

/* Vectors of this many entries; the complex build has none. */
enum { LANES = NB_BUILD == 2 ? 1 : 16 };

/* ---- along one row ---------------------------------------------------------------------------------------------- */

/* The greatest real part; NaN is passed over, -inf for nothing. */
NB_SIMD static nb_part greatest(size_t n, const nb_real *x)
{
    nb_part top[LANES], m = -INFINITY;
    size_t i = 0;
    for (size_t k = 0; k < LANES; k++)
        top[k] = -INFINITY;
    for (; i + LANES <= n; i += LANES) {
        NB_LOOP
        for (size_t k = 0; k < LANES; k++)
            top[k] = nb_re(x[i + k]) > top[k] ? nb_re(x[i + k]) : top[k];
    }
    for (; i < n; i++)
        m = nb_re(x[i]) > m ? nb_re(x[i]) : m;
    for (size_t k = 0; k < LANES; k++)
        m = top[k] > m ? top[k] : m;
    return m;
}

/* What is subtracted from a row. In the complex build all of its greatest entry, or the complex step loses what is far
 * below 1: with 1 + ih for the greatest, 1 - (1 + ih)/(1 + ih + z) rounds to nothing for a small z. */
static nb_real shift(size_t n, const nb_real *x)
{
    nb_part m = greatest(n, x);
    for (size_t i = 0; i < n && NB_BUILD == 2 && isfinite(m); i++)
        if (nb_re(x[i]) == m)
            return x[i];
    return m;
}

/* y = exp(x - m), which may be x itself. Only whole vectors, the last one filled up: so a value gives the same bits
 * wherever it stands. */
NB_SIMD static void exponentials(size_t n, const nb_real *x, nb_real m, nb_real *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        NB_LOOP
        for (size_t k = 0; k < LANES; k++)
            y[i + k] = nb_exp(x[i + k] - m);
    }
    if (i == n)
        return;
    nb_real tail[LANES];
    for (size_t k = 0; k < LANES; k++)
        tail[k] = i + k < n ? x[i + k] : x[i];
    NB_LOOP
    for (size_t k = 0; k < LANES; k++)
        tail[k] = nb_exp(tail[k] - m);
    for (size_t k = 0; i < n; k++)
        y[i++] = tail[k];
}

/* Their sum alone. */
static nb_sum exponential_sum(size_t n, const nb_real *x, nb_real m)
{
    enum { CHUNK = 256 };
    nb_real y[CHUNK];
    nb_sum s = 0;
    for (size_t i = 0, width; i < n; i += width) {
        width = n - i < CHUNK ? n - i : CHUNK;
        exponentials(width, x + i, m, y);
        s += NB(nb_total)(width, y);
    }
    return s;
}

NB_SIMD nb_sum NB(nb_row_dot)(size_t n, const nb_real *a, const nb_real *b)
{
    nb_sum part[LANES] = {0}, s = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            part[k] += (nb_sum)a[i + k] * b[i + k];
    for (; i < n; i++)
        s += (nb_sum)a[i] * b[i];
    for (size_t k = 0; k < LANES; k++)
        s += part[k];
    return s;
}

NB_SIMD static void times(size_t n, nb_real a, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] *= a;
}

static void fill(size_t n, nb_real v, nb_real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = v;
}

/* Nothing but -inf. The first entry settles it nearly always. */
static bool is_void(size_t n, const nb_real *x)
{
    for (size_t i = 0; i < n; i++)
        if (nb_re(x[i]) != -(nb_part)INFINITY)
            return false;
    return true;
}

nb_real NB(nb_row_logsumexp)(size_t n, const nb_real *x)
{
    nb_real m = shift(n, x);
    if (is_void(n, x))
        return -INFINITY;
    if (isinf(nb_re(m)))
        m = 0; /* infinite or NaN as IEEE says */
    return m + nb_log((nb_real)exponential_sum(n, x, m));
}

void NB(nb_row_softmax)(size_t n, const nb_real *x, nb_real *y)
{
    if (is_void(n, x)) {
        fill(n, 0, y);
        return;
    }
    exponentials(n, x, shift(n, x), y);
    times(n, (nb_real)(1 / NB(nb_total)(n, y)), y);
}

NB_SIMD static void subtract(size_t n, const nb_real *x, nb_real m, nb_real l, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - m) - l;
}

static void log_softmax(size_t n, const nb_real *x, nb_real *y)
{
    nb_real m = shift(n, x);
    if (is_void(n, x))
        fill(n, -INFINITY, y);
    else
        subtract(n, x, m, nb_log((nb_real)exponential_sum(n, x, m)), y);
}

/* dx = y (g - <g, y>) */
NB_SIMD static void softmax_slope(size_t n, const nb_real *y, const nb_real *g, nb_real *restrict dx)
{
    nb_real s = (nb_real)NB(nb_row_dot)(n, g, y);
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] * (g[i] - s);
}

/* dx = g - exp(y) sum(g) */
NB_SIMD static void log_softmax_slope(size_t n, const nb_real *y, const nb_real *g, nb_real *restrict dx)
{
    if (is_void(n, y)) {
        fill(n, 0, dx);
        return;
    }
    nb_real s = (nb_real)NB(nb_total)(n, g);
    exponentials(n, y, 0, dx);
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = g[i] - dx[i] * s;
}

/* ---- the modules ------------------------------------------------------------------------------------------------ */

struct args {
    int64_t dim;
};

static struct nb_rows rows_of(const void *p, const struct nb_shape *s)
{
    const struct args *args = p;
    return nb_rows_of(s, 1u << nb_axis(args->dim, s->rank));
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *args = s->args;
    if (nb_axis_in(s, "dim", args->dim, s->in[0].rank, e) < 0)
        return -1;
    s->out[0] = s->in[0];
    if (nb_known(&s->in[0]) && !rows_of(args, &s->in[0]).dense)
        s->work = 3 * nb_known(&s->in[0]);
    return 0;
}

static int forward(const struct nb_call *c, void (*row)(size_t n, const nb_real *x, nb_real *y))
{
    struct nb_rows r = rows_of(c->args, &c->in[0].shape);
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work);
    nb_real *y = r.dense ? c->out[0].data : c->work;
    for (size_t i = 0; i < r.rows; i++)
        row(r.n, x + i * r.n, y + i * r.n);
    if (!r.dense)
        NB(nb_place)(&r.layout, y, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c,
                    void (*row)(size_t n, const nb_real *y, const nb_real *g, nb_real *restrict dx))
{
    if (!c->gin[0].data)
        return 0;
    struct nb_rows r = rows_of(c->args, &c->in[0].shape);
    size_t count = r.rows * r.n;
    nb_real *work = c->work, *dx = r.dense ? c->gin[0].data : work;
    const nb_real *y = nb_rows_read(&r, c->out[0].data, r.dense ? NULL : work + count);
    const nb_real *g = nb_rows_read(&r, c->gout[0].data, r.dense ? NULL : work + 2 * count);
    for (size_t i = 0; i < r.rows; i++)
        row(r.n, y + i * r.n, g + i * r.n, dx + i * r.n);
    if (!r.dense)
        NB(nb_place)(&r.layout, dx, c->gin[0].data);
    return 0;
}

static int softmax_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return forward(c, NB(nb_row_softmax));
}

static int softmax_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return backward(c, softmax_slope);
}

static int log_softmax_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return forward(c, log_softmax);
}

static int log_softmax_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return backward(c, log_softmax_slope);
}

/* ---- Softmin: of the negative ------------------------------------------------------------------------------------ */

static void softmin(size_t n, const nb_real *x, nb_real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = -x[i];
    NB(nb_row_softmax)(n, y, y);
}

/* dx = -y (g - <g, y>) */
static void softmin_slope(size_t n, const nb_real *y, const nb_real *g, nb_real *restrict dx)
{
    softmax_slope(n, y, g, dx);
    times(n, -1, dx);
}

static int softmin_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return forward(c, softmin);
}

static int softmin_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return backward(c, softmin_slope);
}

/* ---- Softmax2d: over the channels of images ---------------------------------------------------------------------- */

static const struct args over_channels = {-3};

static int softmax2d_infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_infer by_channels = *s;
    char text[200];
    int bad;
    if (s->in[0].rank < 3 || s->in[0].rank > 4)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, wanted is [B, C, H, W] or [C, H, W]",
                       nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
    by_channels.args = (void *)&over_channels;
    bad = infer(&by_channels, e);
    s->work = by_channels.work;
    return bad;
}

static int softmax2d_forward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_call by_channels = *c;
    by_channels.args = &over_channels;
    return softmax_forward(&by_channels, e);
}

static int softmax2d_backward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_call by_channels = *c;
    by_channels.args = &over_channels;
    return softmax_backward(&by_channels, e);
}

/* ---- Hardmax ---------------------------------------------------------------------------------------------------- */

/* The first greatest entry; the first NaN counts before all. */
static size_t first_greatest(size_t n, const nb_real *x)
{
    size_t best = 0;
    for (size_t i = 1; i < n && !isnan(nb_re(x[best])); i++)
        if (!(nb_re(x[i]) <= nb_re(x[best])))
            best = i;
    return best;
}

static void one_hot(size_t n, const nb_real *x, nb_real *y)
{
    size_t best = first_greatest(n, x);
    fill(n, 0, y);
    if (n)
        y[best] = 1;
}

static int hardmax_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return forward(c, one_hot);
}

static void hardmax_branches(const struct nb_call *c, struct nb_branches *b)
{
    struct nb_rows r = rows_of(c->args, &c->in[0].shape);
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work);
    for (size_t i = 0; i < r.rows && r.n; i++, x += r.n) {
        size_t best = first_greatest(r.n, x), tied = 0;
        nb_decide(b, best);
        for (size_t k = best; k < r.n; k++)
            tied += nb_re(x[k]) == nb_re(x[best]);
        for (size_t k = best; k < r.n && tied > 1; k++)
            if (nb_re(x[k]) == nb_re(x[best]))
                nb_at_edge(b, 0, nb_row_place(&r, i, k), NB_EDGE_TIE, (int64_t)i);
    }
}

static const struct nb_kink hardmax_kinks[] = {{"several greatest entries (a jump)", "0"}, {0}};

static const struct nb_case image_cases[] = {{NULL, "2x5x3x7", false}, {NULL, "7x3x5", false}, {0}};

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"dim", NB_ARG_INT, offsetof(struct args, dim), -1, 0, 0, 0, NULL, "the dimension that sums to 1"},
    {0},
};

static const struct nb_case cases[] = {
    {NULL, "5x7", false},
    {NULL, "17", false},
    {NULL, "3x33", false},
    {"\"dim\": 0", "7x5", false},
    {"\"dim\": 1", "7x5x3", false},
    {"\"dim\": -3", "3x5x1", false},
    {0},
};

static const struct nb_known softmax_mistakes[] = {
    {.code = "softmax_diagonal",
     .formula = "g*y*(1 - y)",
     .hint = "Every output depends on every input of the row: the diagonal alone is not enough."},
    {.code = "softmax_value",
     .formula = "g*y",
     .hint = "Every output depends on every input of the row: p (g - sum(g p))."},
    {.code = "softmax_mean",
     .formula = "y*(g - mean(g*y, dim, keepdim=1))",
     .hint = "The sum over the row, not the mean."},
    {.code = "softmax_plus", .formula = "y*(g + sum(g*y, dim, keepdim=1))", .hint = "A sign: p (g - sum(g p))."},
    {.code = "softmax_factor_missing",
     .formula = "g - sum(g*y, dim, keepdim=1)",
     .hint = "The factor p in front is missing."},
    {.code = "softmax_sum_of_g",
     .formula = "y*(g - sum(g, dim, keepdim=1))",
     .hint = "The sum is over g p, not over g."},
    {.code = "softmax_axis",
     .formula = "y*(g - sum(g*y, 0, keepdim=1))",
     .hint = "The sum runs along the dimension of the softmax."},
    {.code = "softmax_whole",
     .formula = "y*(g - sum(g*y))",
     .hint = "The sum runs along each row, not over the whole tensor."},
    {0},
};

static const struct nb_known logsoftmax_mistakes[] = {
    {.code = "logsoftmax_one",
     .formula = "g - exp(y)",
     .hint = "The softmax is multiplied by the sum of g over the row."},
    {.code = "logsoftmax_as_softmax",
     .formula = "exp(y)*(g - sum(g*exp(y), dim, keepdim=1))",
     .hint = "That is the derivative of the softmax: with the logarithm it is g - p sum(g)."},
    {.code = "logsoftmax_mean",
     .formula = "g - exp(y)*mean(g, dim, keepdim=1)",
     .hint = "The sum over the row, not the mean."},
    {.code = "logsoftmax_at_output",
     .formula = "g - y*sum(g, dim, keepdim=1)",
     .hint = "y is the logarithm: the softmax is e^y."},
    {.code = "logsoftmax_diagonal",
     .formula = "g*(1 - exp(y))",
     .hint = "Every output depends on every input of the row."},
    {.code = "logsoftmax_plus", .formula = "g + exp(y)*sum(g, dim, keepdim=1)", .hint = "A sign: g - p sum(g)."},
    {.code = "logsoftmax_axis",
     .formula = "g - exp(y)*sum(g, 0, keepdim=1)",
     .hint = "The sum runs along the dimension of the softmax."},
    {0},
};

static const struct nb_known softmin_mistakes[] = {
    {.code = "softmin_diagonal",
     .formula = "-g*y*(1 - y)",
     .hint = "Every output depends on every input of the row: the diagonal alone is not enough."},
    {.code = "softmin_sum_of_g",
     .formula = "-y*(g - sum(g, dim, keepdim=1))",
     .hint = "The sum is over g p, not over g."},
    {.code = "softmin_axis",
     .formula = "-y*(g - sum(g*y, 0, keepdim=1))",
     .hint = "The sum runs along the dimension of the softmin."},
    {0},
};

static const struct nb_known softmax2d_mistakes[] = {
    {.code = "softmax2d_diagonal",
     .formula = "g*y*(1 - y)",
     .hint = "Every output depends on every channel of its place: the diagonal alone is not enough."},
    {.code = "softmax2d_axis", .formula = "y*(g - sum(g*y, -1, keepdim=1))", .hint = "The sum runs over the channels."},
    {.code = "softmax2d_sum_of_g",
     .formula = "y*(g - sum(g, -3, keepdim=1))",
     .hint = "The sum is over g p, not over g."},
    {0},
};

const struct nb_module NB(nb_module_softmax)[] = {
    {
        .type = "Softmax",
        .mistakes = softmax_mistakes,
        .onnx = "Softmax",
        .summary = "Exponentials divided by their sum along a dimension: probabilities from logits.",
        .formula = "y_i = \\frac{e^{x_i - m}}{\\sum_j e^{x_j - m}},\\quad m = \\max_j x_j",
        .derivative = "\\bar x_i = y_i \\Bigl(g_i - \\sum_j g_j y_j\\Bigr)",
        .note =
            "Entries -inf give 0; a row of nothing but -inf gives zeros and the gradient 0; +inf or NaN in a row makes "
            "the row NaN. ONNX before opset 13 flattens to two dimensions first.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = softmax_forward,
        .backward = softmax_backward,
        .jacobian = "R",
        .cases = cases,
    },
    {
        .type = "LogSoftmax",
        .mistakes = logsoftmax_mistakes,
        .onnx = "LogSoftmax",
        .summary = "The logarithm of Softmax, without its underflow.",
        .formula = "y_i = x_i - m - \\ln \\sum_j e^{x_j - m},\\quad m = \\max_j x_j",
        .derivative = "\\bar x_i = g_i - e^{y_i} \\sum_j g_j",
        .note = "A row of nothing but -inf gives -inf and the gradient 0; +inf or NaN in a row makes the row NaN.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = log_softmax_forward,
        .backward = log_softmax_backward,
        .jacobian = "R",
        .cases = cases,
    },
    {
        .type = "Softmin",
        .mistakes = softmin_mistakes,
        .summary = "Softmax of the negative: the smallest gets most.",
        .formula = "y_i = \\frac{e^{-x_i}}{\\sum_j e^{-x_j}}",
        .derivative = "\\bar x_i = -y_i \\Bigl(g_i - \\sum_j g_j y_j\\Bigr)",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = softmin_forward,
        .backward = softmin_backward,
        .jacobian = "R",
        .cases = cases,
    },
    {
        .type = "Softmax2d",
        .mistakes = softmax2d_mistakes,
        .summary = "Softmax over the channels of images, at every place.",
        .formula = "y_{bchw} = \\frac{e^{x_{bchw}}}{\\sum_k e^{x_{bkhw}}}",
        .derivative = "\\bar x_{bchw} = y_{bchw} \\Bigl(g_{bchw} - \\sum_k g_{bkhw}\\,y_{bkhw}\\Bigr)",
        .inputs = ports,
        .infer = softmax2d_infer,
        .forward = softmax2d_forward,
        .backward = softmax2d_backward,
        .jacobian = "R",
        .cases = image_cases,
    },
    {
        .type = "Hardmax",
        .onnx = "Hardmax",
        .summary = "1 at the first greatest entry along a dimension, else 0.",
        .formula = "y_i = [i = \\operatorname{argmax}_j x_j]",
        .derivative = "\\bar x = 0",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = hardmax_forward,
        .no_backward = "the derivative is 0 wherever it exists",
        .kinks = hardmax_kinks,
        .branches = hardmax_branches,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
