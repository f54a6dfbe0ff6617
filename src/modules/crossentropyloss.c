/* CrossEntropyLoss: softmax, logarithm and cross-entropy in one, on logits.
 *
 * A row is the logits of one sample. Its loss is sum_c q_c (lse(x) - x_c), where q_c = w_c ((1 - eps) y_c + eps / C) and
 * y is a distribution, or 1 at the class and 0 elsewhere. */
#include "modules/loss.h"
#include "modules/rows.h"

struct args {
    int64_t reduction;
    struct nb_reals weight;
    int64_t ignore_index;
    double smoothing;
};

/* ---- along one row ---------------------------------------------------------------------------------------------- */

/* The greatest real part; 0 if all are -infinity: then their exponentials are 0. */
NB_SIMD static nb_part greatest(size_t n, const nb_real *x)
{
    nb_part m = -INFINITY;
    NB_LOOP_MAX(m)
    for (size_t i = 0; i < n; i++)
        m = nb_re(x[i]) > m ? nb_re(x[i]) : m;
    return m == -(nb_part)INFINITY ? 0 : m;
}

/* y = e^(x - m). Whole vectors only, the last one filled up: a value gives the same bits wherever it stands. */
NB_SIMD static void exponentials(size_t n, const nb_real *x, nb_part m, nb_real *y)
{
    enum { LANES = 16 };
    nb_real last[LANES] = {0};
    size_t whole = n / LANES * LANES;
    NB_LOOP
    for (size_t i = 0; i < whole; i++)
        y[i] = nb_exp(x[i] - m);
    if (whole == n)
        return;
    memcpy(last, x + whole, (n - whole) * sizeof *last);
    NB_LOOP
    for (size_t i = 0; i < LANES; i++)
        last[i] = nb_exp(last[i] - m);
    memcpy(y + whole, last, (n - whole) * sizeof *last);
}

NB_SIMD static void times(size_t n, nb_real f, const nb_real *e, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = f * e[i];
}

NB_SIMD static void times_minus(size_t n, nb_real f, const nb_real *e, nb_real g, const nb_real *q, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = f * e[i] - g * q[i];
}

/* ---- all rows --------------------------------------------------------------------------------------------------- */

/* One evaluation as rows. Forward leaves e^(x - m), and for each row 1 / sum e^(x - m) and lse(x). */
struct view {
    const struct args *a;
    struct nb_rows r;
    size_t batch;
    const int64_t *class; /* one for each row, or NULL: */
    const nb_real *y;     /* distributions */
    nb_real *e, *inverse, *lse, *q, *copy;
};

static struct view view_of(const struct nb_call *c)
{
    const struct nb_shape *s = &c->in[0].shape;
    struct view v = {.a = c->args, .r = nb_rows_of(s, 1u << (s->rank > 1)), .batch = s->rank > 1 ? nb_batch(s) : 1};
    v.e = c->saved;
    v.inverse = v.e + v.r.rows * v.r.n;
    v.lse = v.inverse + v.r.rows;
    v.q = c->work;
    v.copy = v.q + v.r.n;
    if (c->in[1].dtype == NB_I64)
        v.class = c->in[1].data;
    else
        v.y = nb_rows_read(&v.r, c->in[1].data, v.copy);
    return v;
}

static bool ignored(const struct view *v, size_t i)
{
    return v->class && v->class[i] == v->a->ignore_index;
}

static double weight(const struct view *v, int64_t class)
{
    return v->a->weight.n ? v->a->weight.v[class] : 1;
}

/* One q is not 0: a class number and no smoothing. */
static bool single(const struct view *v)
{
    return v->class && v->a->smoothing == 0;
}

/* The q of a row; their sum. */
static nb_sum fill_q(const struct view *v, size_t row)
{
    double keep = 1 - v->a->smoothing, spread = v->a->smoothing / (double)v->r.n;
    nb_sum s = 0;
    for (size_t i = 0; i < v->r.n; i++) {
        nb_real y = v->class ? (nb_real)(v->class[row] == (int64_t)i) : v->y[row * v->r.n + i];
        nb_sum q = weight(v, (int64_t)i) * (keep * y + spread);
        v->q[i] = (nb_real)q;
        s += q;
    }
    return s;
}

/* What mean divides by: the weights of the classes of the rows that count; distributions: the number of rows. */
static double divisor(const struct view *v)
{
    double s = 0;
    if (v->a->reduction != NB_MEAN || !v->class)
        return nb_divisor(v->a->reduction, v->r.rows, v->batch);
    for (size_t i = 0; i < v->r.rows; i++)
        s += ignored(v, i) ? 0 : weight(v, v->class[i]);
    return s;
}

static bool all_ignored(const struct view *v)
{
    size_t i = 0;
    while (i < v->r.rows && ignored(v, i))
        i++;
    return v->r.rows && i == v->r.rows;
}

/* ---- the module -------------------------------------------------------------------------------------------------- */

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    const struct nb_shape *x = &s->in[0];
    if (x->rank == 0)
        return nb_fail(e, NB_E_shape_mismatch, "input is a single number, there is no dimension of classes");
    if (nb_class_target(s, s->integer[1], e) || nb_check_weight(s, &a->weight, e))
        return -1;
    struct nb_shape each = nb_without_classes(x);
    nb_loss_out(s, &each);
    if (nb_shape_known(x)) {
        struct nb_rows r = nb_rows_of(x, 1u << (x->rank > 1));
        s->saved = r.rows * (r.n + 2);
        s->work = r.n + (r.dense ? 0 : 2 * r.rows * r.n);
    }
    return 0;
}

/* Saves what backward needs; the loss of the row. */
static nb_sum row_forward(const struct view *v, size_t row, const nb_real *x)
{
    size_t n = v->r.n;
    nb_part m = greatest(n, x);
    exponentials(n, x, m, v->e + row * n);
    nb_sum sum = NB(nb_total)(n, v->e + row * n), loss = 0;
    nb_real lse = v->lse[row] = nb_log((nb_real)sum) + m;
    v->inverse[row] = sum == 0 ? 0 : (nb_real)(1 / sum);
    if (single(v))
        return weight(v, v->class[row]) * (lse - x[v->class[row]]);
    fill_q(v, row);
    for (size_t i = 0; i < n; i++)
        loss += nb_times(v->q[i], lse - x[i]);
    return loss;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    struct view v = view_of(c);
    nb_real *out = c->out[0].data;
    nb_sum all = 0;
    if (v.class && nb_check_classes(c, v.r.n, v.a->ignore_index, e))
        return -1;
    if (v.a->reduction == NB_MEAN && all_ignored(&v))
        return nb_all_ignored(e);
    const nb_real *x = nb_rows_read(&v.r, c->in[0].data, v.copy + v.r.rows * v.r.n);
    for (size_t i = 0; i < v.r.rows; i++) {
        nb_sum loss = ignored(&v, i) ? 0 : row_forward(&v, i, x + i * v.r.n);
        if (v.a->reduction == NB_EACH)
            out[i] = (nb_real)loss;
        all += loss;
    }
    if (v.a->reduction != NB_EACH)
        *out = (nb_real)(all / divisor(&v));
    return 0;
}

/* dx = g (sum(q) softmax(x) - q) */
static void row_backward(const struct view *v, size_t row, nb_real g, nb_real *dx)
{
    size_t n = v->r.n;
    if (g == 0 || ignored(v, row)) {
        memset(dx, 0, n * sizeof *dx);
    } else if (single(v)) {
        g *= (nb_part)weight(v, v->class[row]);
        times(n, g * v->inverse[row], v->e + row * n, dx);
        dx[v->class[row]] -= g;
    } else {
        nb_sum q = fill_q(v, row);
        times_minus(n, (nb_real)(g * q * v->inverse[row]), v->e + row * n, g, v->q, dx);
    }
}

/* dy = g w (1 - eps) (lse(x) - x) */
static void target_backward(const struct view *v, size_t row, nb_real g, const nb_real *x, nb_real *dy)
{
    g *= (nb_part)(1 - v->a->smoothing);
    for (size_t i = 0; i < v->r.n; i++)
        dy[i] = g == 0 ? 0 : g * (nb_part)weight(v, (int64_t)i) * (v->lse[row] - x[i]);
}

/* Rows of a gradient: where they are wanted, or in a copy that nb_place spreads. */
static nb_real *row_place(const struct view *v, const struct nb_tensor *t, nb_real *copy)
{
    return !t->data || v->r.dense ? t->data : copy;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    const nb_real *g = c->gout[0].data;
    size_t n = v.r.n, step = v.a->reduction == NB_EACH;
    double d = divisor(&v);
    nb_real *copy = v.copy + v.r.rows * n;
    nb_real *dx = row_place(&v, &c->gin[0], copy);
    for (size_t i = 0; dx && i < v.r.rows; i++)
        row_backward(&v, i, (nb_real)(g[i * step] / d), dx + i * n);
    if (dx && !v.r.dense)
        NB(nb_place)(&v.r.layout, dx, c->gin[0].data);
    if (v.class || !c->gin[1].data)
        return 0;
    nb_real *dy = row_place(&v, &c->gin[1], copy);
    const nb_real *x = nb_rows_read(&v.r, c->in[0].data, v.copy);
    for (size_t i = 0; i < v.r.rows; i++)
        target_backward(&v, i, (nb_real)(g[i * step] / d), x + i * n, dy + i * n);
    if (!v.r.dense)
        NB(nb_place)(&v.r.layout, dy, c->gin[1].data);
    return 0;
}

static const struct nb_arg args[] = {
    NB_CLASS_WEIGHT(struct args),
    NB_IGNORE_INDEX(struct args),
    NB_REDUCTION(struct args, NB_MEAN),
    {"label_smoothing", NB_ARG_REAL, offsetof(struct args, smoothing), 0, 0, 1, 0, NULL,
     "how much of the target is spread evenly over the classes"},
    {0},
};

static const struct nb_case cases[] = {
    {NULL, "5x7 5c7", false},
    {NULL, "5x7 5x7p", false},
    {"\"reduction\": \"none\", \"weight\": [0.5, 2, 1.25]", "7x3x5 7x5c3", false},
    {"\"reduction\": \"none\", \"weight\": [0.5, 2, 1.25]", "7x3x5 7x3x5u", false},
    {"\"weight\": [0.5, 2, 1.25, 3, 0.75, 1.5, 0.1], \"ignore_index\": 2", "5x7 5c7", false},
    {"\"reduction\": \"batchmean\", \"label_smoothing\": 0.3, \"weight\": [0.5, 2, 1.25]", "7x3x5 7x5c3", false},
    {"\"reduction\": \"sum\", \"label_smoothing\": 0.2, \"weight\": [0.5, 2, 1.25]", "7x3x5 7x3x5u", false},
    {"\"label_smoothing\": 0.1, \"ignore_index\": 1", "5x17 5c17", false},
    {"\"reduction\": \"mean\"", "7x3x5 7x3x5u", false},
    {NULL, "33 33p", false},
    {0},
};

const struct nb_module NB(nb_module_crossentropyloss)[] = {
    {
        .type = "CrossEntropyLoss",
        .onnx = "SoftmaxCrossEntropyLoss",
        .summary = "Cross-entropy of the softmax of logits with a class, or with a distribution.",
        .formula = "y_b = w_{t_b}\\bigl(\\operatorname{lse}(x_b) - x_{b\\,t_b}\\bigr);\\quad \\text{distributions: } "
                   "y_b = \\sum_c w_c\\,t_{bc} \\bigl(\\operatorname{lse}(x_b) - x_{bc}\\bigr)",
        .derivative = "dx_{bi} = g_b\\,w_{t_b}\\bigl(\\operatorname{softmax}(x_b)_i - [i = t_b]\\bigr);\\quad "
                      "dx_{bi} = g_b\\Bigl(\\bigl(\\textstyle\\sum_c w_c\\,t_{bc}\\bigr)\\operatorname{softmax}(x_b)_i - "
                      "w_i\\,t_{bi}\\Bigr),\\ dt_{bi} = g_b\\,w_i\\,(\\operatorname{lse}(x_b) - x_{bi})",
        .note = "Classes are dimension 1 of the input (0 if it is the only one). The target is int64 class numbers of "
                "the shape without it, or distributions of the input's shape, which need not sum to 1. The mean divides "
                "by the weights of the classes of the samples that are not ignored; distributions: by their number.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_label_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
