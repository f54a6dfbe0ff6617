/* CrossEntropyLoss: softmax, logarithm and cross-entropy in one, on logits.
 *
 * The logits x of one sample cost sum_c q_c (lse(x) - x_c), where q_c = w_c ((1 - eps) y_c + eps / C) and y is a
 * distribution, or 1 at the class and 0 elsewhere. The classes of a sample are adjacent (inner = 1, a row), or the
 * samples are (a column for each). */
#include "modules/loss.h"

struct args {
    int64_t reduction;
    struct nb_reals weight;
    int64_t ignore_index;
    double smoothing;
};

/* One evaluation. Forward leaves e^(x - m) where x is, and for each sample 1 / sum e^(x - m) and lse(x). */
struct view {
    const struct args *a;
    struct nb_classes k;
    const nb_real *x, *y; /* y: distributions, or NULL: */
    const int64_t *label; /* one for each sample */
    nb_real *e, *inverse, *lse;
};

static struct view view_of(const struct nb_call *c)
{
    struct view v = {.a = c->args, .k = nb_classes_of(&c->in[0].shape), .x = c->in[0].data};
    if (c->in[1].dtype == NB_I64)
        v.label = c->in[1].data;
    else
        v.y = c->in[1].data;
    v.e = c->saved;
    v.inverse = v.e + v.k.rows * v.k.classes;
    v.lse = v.inverse + v.k.rows;
    return v;
}

/* ---- exponentials ------------------------------------------------------------------------------------------------ */

/* Of sums s of e^(x - m). If all x are -infinity, m is 0, so are the exponentials, and lse is -infinity. */
static inline void finish(nb_part m, nb_sum s, nb_real *inverse, nb_real *lse)
{
    *inverse = s == 0 ? 0 : (nb_real)(1 / s);
    *lse = nb_log((nb_real)s) + m;
}

static inline nb_part shift(nb_part greatest)
{
    return greatest == -(nb_part)INFINITY ? 0 : greatest;
}

/* Whole vectors only, the last one filled up: a value gives the same bits wherever it stands. */
NB_SIMD static void soften_row(size_t n, const nb_real *x, nb_real *e, nb_real *inverse, nb_real *lse)
{
    enum { LANES = NB_BUILD == 2 ? 1 : 16 };
    nb_real last[LANES] = {0};
    size_t whole = n / LANES * LANES;
    nb_part m = -INFINITY;
    nb_sum s = 0;
    NB_LOOP_MAX(m)
    for (size_t i = 0; i < n; i++)
        m = nb_re(x[i]) > m ? nb_re(x[i]) : m;
    m = shift(m);
    NB_LOOP
    for (size_t i = 0; i < whole; i++)
        e[i] = nb_exp(x[i] - m);
    memcpy(last, x + whole, (n - whole) * sizeof *last);
    NB_LOOP
    for (size_t i = 0; i < LANES; i++)
        last[i] = nb_exp(last[i] - m);
    memcpy(e + whole, last, (n - whole) * sizeof *last);
    NB_LOOP_SUM(s)
    for (size_t i = 0; i < n; i++)
        s += e[i];
    finish(m, s, inverse, lse);
}

enum { BLOCK = 64 };

/* At most BLOCK columns. */
NB_SIMD static void soften_columns(size_t width, const struct nb_classes *k, const nb_real *x, nb_real *e,
                                   nb_real *inverse, nb_real *lse)
{
    nb_part m[BLOCK];
    nb_sum s[BLOCK] = {0};
    for (size_t j = 0; j < width; j++)
        m[j] = -INFINITY;
    for (size_t c = 0; c < k->classes; c++) {
        const nb_real *row = x + c * k->inner;
        NB_LOOP
        for (size_t j = 0; j < width; j++)
            m[j] = nb_re(row[j]) > m[j] ? nb_re(row[j]) : m[j];
    }
    for (size_t j = 0; j < width; j++)
        m[j] = shift(m[j]);
    for (size_t c = 0; c < k->classes; c++) {
        const nb_real *row = x + c * k->inner;
        nb_real *to = e + c * k->inner;
        NB_LOOP
        for (size_t j = 0; j < width; j++) {
            to[j] = nb_exp(row[j] - m[j]);
            s[j] += to[j];
        }
    }
    for (size_t j = 0; j < width; j++)
        finish(m[j], s[j], &inverse[j], &lse[j]);
}

static size_t width_at(const struct view *v, size_t column)
{
    return v->k.inner - column < BLOCK ? v->k.inner - column : BLOCK;
}

static void soften(const struct view *v)
{
    size_t r = 0, n = v->k.classes;
    for (; v->k.inner == 1 && r < v->k.rows; r++)
        soften_row(n, v->x + r * n, v->e + r * n, &v->inverse[r], &v->lse[r]);
    for (size_t width; r < v->k.rows; r += width) {
        size_t at = nb_row(&v->k, r);
        width = width_at(v, r % v->k.inner);
        soften_columns(width, &v->k, v->x + at, v->e + at, &v->inverse[r], &v->lse[r]);
    }
}

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static bool ignored(const struct view *v, size_t r)
{
    return v->label && v->label[r] == v->a->ignore_index;
}

static double weight(const struct view *v, size_t c)
{
    return v->a->weight.n ? v->a->weight.v[c] : 1;
}

/* A single q is not 0: a class number and no smoothing. */
static bool single(const struct view *v)
{
    return v->label && v->a->smoothing == 0;
}

static nb_sum q_of(const struct view *v, size_t r, size_t c)
{
    nb_sum y = v->label ? (nb_sum)(v->label[r] == (int64_t)c) : v->y[nb_row(&v->k, r) + c * v->k.inner];
    return weight(v, c) * ((1 - v->a->smoothing) * y + v->a->smoothing / (double)v->k.classes);
}

static nb_sum sum_of_q(const struct view *v, size_t r)
{
    nb_sum s = 0;
    if (single(v))
        return weight(v, (size_t)v->label[r]);
    for (size_t c = 0; c < v->k.classes; c++)
        s += q_of(v, r, c);
    return s;
}

/* What mean divides by: the weights of the classes of the samples that count; distributions: the number of samples. */
static double divisor(const struct view *v)
{
    double s = 0;
    if (v->a->reduction != NB_MEAN || !v->label)
        return nb_divisor(v->a->reduction, v->k.rows, v->k.outer);
    for (size_t r = 0; r < v->k.rows; r++)
        s += ignored(v, r) ? 0 : weight(v, (size_t)v->label[r]);
    return s;
}

static bool all_ignored(const struct view *v)
{
    size_t r = 0;
    while (r < v->k.rows && ignored(v, r))
        r++;
    return v->k.rows && r == v->k.rows;
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
    if (nb_count(x) >= 0) {
        struct nb_classes k = nb_classes_of(x);
        s->saved = k.rows * (k.classes + 2);
        s->work = 2 * k.rows;
    }
    return 0;
}

/* The class has most of the probability: there lse(x) - x_t and softmax(x)_t - 1 cancel, so the others are summed. */
static bool confident(const struct view *v, size_t r)
{
    if (!single(v) || ignored(v, r))
        return false;
    nb_real e = v->e[nb_row(&v->k, r) + (size_t)v->label[r] * v->k.inner];
    return nb_re(e) * nb_re(v->inverse[r]) > (nb_part)0.5;
}

/* The entries of a row but that of its class, added. */
static nb_sum others(const struct view *v, size_t r, const nb_real *rows)
{
    const nb_real *row = rows + nb_row(&v->k, r);
    size_t t = (size_t)v->label[r], step = v->k.inner;
    nb_sum s = 0;
    for (size_t c = 0; c < t; c++)
        s += row[c * step];
    for (size_t c = t + 1; c < v->k.classes; c++)
        s += row[c * step];
    return s;
}

/* ln(1 + sum of e^(x_c - x_t)) */
static nb_sum confident_loss(const struct view *v, size_t r)
{
    nb_real e = v->e[nb_row(&v->k, r) + (size_t)v->label[r] * v->k.inner];
    return weight(v, (size_t)v->label[r]) * (nb_sum)nb_log1p((nb_real)(others(v, r, v->e) / e));
}

static nb_sum loss_of(const struct view *v, size_t r)
{
    const nb_real *x = v->x + nb_row(&v->k, r);
    size_t step = v->k.inner;
    nb_sum loss = 0;
    if (ignored(v, r))
        return 0;
    if (confident(v, r))
        return confident_loss(v, r);
    if (single(v))
        return weight(v, (size_t)v->label[r]) * (v->lse[r] - x[(size_t)v->label[r] * step]);
    for (size_t c = 0; c < v->k.classes; c++) {
        nb_sum q = q_of(v, r, c);
        loss += q == 0 ? 0 : q * (v->lse[r] - x[c * step]);
    }
    return loss;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    struct view v = view_of(c);
    nb_real *out = c->out[0].data;
    nb_sum all = 0;
    if (v.label && nb_check_classes(c, v.k.classes, v.a->ignore_index, e))
        return -1;
    if (v.a->reduction == NB_MEAN && all_ignored(&v))
        return nb_all_ignored(e);
    soften(&v);
    for (size_t r = 0; r < v.k.rows; r++) {
        nb_sum loss = loss_of(&v, r);
        if (v.a->reduction == NB_EACH)
            out[r] = (nb_real)loss;
        all += loss;
    }
    if (v.a->reduction != NB_EACH)
        *out = (nb_real)(all / divisor(&v));
    return 0;
}

/* dx = f e, exactly 0 where f is. */
NB_SIMD static void times_row(size_t n, nb_real f, const nb_real *e, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = f == 0 ? 0 : f * e[i];
}

NB_SIMD static void times_columns(size_t n, const nb_real *f, const nb_real *e, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = f[i] == 0 ? 0 : f[i] * e[i];
}

/* dx = g (sum(q) softmax(x) - q); share holds the g of each sample. */
static void input_backward(const struct view *v, const nb_real *share, nb_real *f, nb_real *dx)
{
    size_t n = v->k.classes, step = v->k.inner;
    for (size_t r = 0; r < v->k.rows; r++)
        f[r] = share[r] == 0 ? 0 : (nb_real)(share[r] * sum_of_q(v, r) * v->inverse[r]);
    if (step == 1)
        for (size_t r = 0; r < v->k.rows; r++)
            times_row(n, f[r], v->e + r * n, dx + r * n);
    else
        for (size_t i = 0; i < v->k.outer * n; i++)
            times_columns(step, f + i / n * step, v->e + i * step, dx + i * step);
    for (size_t r = 0; r < v->k.rows; r++) {
        nb_real *to = dx + nb_row(&v->k, r);
        if (share[r] == 0)
            continue;
        if (confident(v, r))
            to[(size_t)v->label[r] * step] = -(nb_real)others(v, r, dx);
        else if (single(v))
            to[(size_t)v->label[r] * step] -= share[r] * (nb_part)weight(v, (size_t)v->label[r]);
        for (size_t c = 0; !single(v) && c < n; c++)
            to[c * step] -= (nb_real)(share[r] * q_of(v, r, c));
    }
}

/* dy = g w (1 - eps) (lse(x) - x) */
static void target_backward(const struct view *v, const nb_real *share, nb_real *dy)
{
    for (size_t r = 0; r < v->k.rows; r++)
        for (size_t c = 0; c < v->k.classes; c++) {
            size_t i = nb_row(&v->k, r) + c * v->k.inner;
            nb_sum w = weight(v, c) * (1 - v->a->smoothing);
            dy[i] = share[r] == 0 ? 0 : (nb_real)(share[r] * w * (v->lse[r] - v->x[i]));
        }
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    const nb_real *g = c->gout[0].data;
    nb_real *share = c->work, *f = share + v.k.rows;
    double d = divisor(&v);
    for (size_t r = 0; r < v.k.rows; r++)
        share[r] = ignored(&v, r) ? 0 : (nb_real)(g[v.a->reduction == NB_EACH ? r : 0] / d);
    if (c->gin[0].data)
        input_backward(&v, share, f, c->gin[0].data);
    if (c->gin[1].data && !v.label)
        target_backward(&v, share, c->gin[1].data);
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

static const struct nb_known crossentropyloss_mistakes[] = {
    {.code = "crossentropy_extra_slope",
     .formula = "d*softmax(x, channel)*(1 - softmax(x, channel))",
     .hint = "With cross-entropy this factor cancels."},
    {.code = "crossentropy_target_missing",
     .formula = "where(d*g < 0, d*softmax(x, channel)/(softmax(x, channel) - 1), d) + 0*sum(target)",
     .hint = "Subtract 1 at the right class."},
    {.code = "crossentropy_distribution_missing",
     .formula = "d*softmax(x, channel)/(softmax(x, channel) - target)",
     .hint = "Subtract the target."},
    {.code = "crossentropy_logits",
     .formula = "d*(x - target)/(softmax(x, channel) - target)",
     .hint = "The softmax is missing: probabilities, not logits."},
    {.code = "crossentropy_sigmoid",
     .formula = "d*(sigmoid(x) - target)/(softmax(x, channel) - target)",
     .hint = "Softmax, not sigmoid: the classes exclude each other."},
    {.code = "crossentropy_class_logits",
     .formula = "where(d*g < 0, d*(x - 1)/(softmax(x, channel) - 1), d*x/softmax(x, channel))",
     .hint = "The softmax is missing: probabilities, not logits."},
    {0},
};

const struct nb_module NB(nb_module_crossentropyloss)[] = {
    {
        .type = "CrossEntropyLoss",
        .mistakes = crossentropyloss_mistakes,
        .onnx = "SoftmaxCrossEntropyLoss",
        .summary = "Cross-entropy of the softmax of logits with a class, or with a distribution.",
        .formula = "y_b = w_{t_b}\\bigl(\\operatorname{lse}(x_b) - x_{b\\,t_b}\\bigr);\\quad \\text{distributions: } "
                   "y_b = \\sum_c w_c\\,t_{bc} \\bigl(\\operatorname{lse}(x_b) - x_{bc}\\bigr)",
        .derivative =
            "dx_{bi} = g_b\\,w_{t_b}\\bigl(\\operatorname{softmax}(x_b)_i - [i = t_b]\\bigr);\\quad "
            "dx_{bi} = g_b\\Bigl(\\bigl(\\textstyle\\sum_c w_c\\,t_{bc}\\bigr)\\operatorname{softmax}(x_b)_i - "
            "w_i\\,t_{bi}\\Bigr),\\ dt_{bi} = g_b\\,w_i\\,(\\operatorname{lse}(x_b) - x_{bi})",
        .note =
            "Classes are dimension 1 of the input (0 if it is the only one). The target is int64 class numbers of "
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
