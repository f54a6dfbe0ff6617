/* MultiMarginLoss, MultiLabelMarginLoss: right classes are to score higher than others by a margin. */
#include "modules/loss.h"

/* Inputs are [B, C], or [C]. */
static int infer_scores(struct nb_infer *s, struct nb_shape *each, struct nb_error *e)
{
    char x[200];
    if (s->in[0].rank > 2)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, wanted is [B, C] or [C]",
                       nb_shape_text(&s->in[0], s->symbols, x, sizeof x));
    return nb_row_shape(s, 0, "input", each, e);
}

/* The edge where entry j reaches the margin below entry t; the entry j moves without the others. */
static void tie(struct nb_branches *b, size_t row, size_t j, size_t t, size_t number)
{
    nb_at_edge(b, 0, (int64_t)(row + j), NB_EDGE_SIDE, (int64_t)number);
    nb_at_edge(b, 0, (int64_t)(row + t), NB_EDGE_SIDE, (int64_t)number);
}

/* ---- MultiMarginLoss: one right class --------------------------------------------------------------------------- */

struct multi {
    int64_t reduction, p;
    double margin;
    struct nb_reals weight;
};

struct scores {
    const struct multi *a;
    size_t n, t; /* classes, the right one */
    const nb_real *x;
    nb_part weight; /* over the number of classes */
};

static struct scores scores_of(const struct nb_call *c, size_t row)
{
    struct scores s = {.a = c->args, .n = nb_row_length(&c->in[0].shape)};
    s.t = (size_t)((const int64_t *)c->in[1].data)[row];
    s.x = (const nb_real *)c->in[0].data + row * s.n;
    s.weight = (nb_part)((s.a->weight.n ? s.a->weight.v[s.t] : 1) / (double)s.n);
    return s;
}

/* What class j lacks to the margin, also below 0. */
static nb_real gap(const struct scores *s, size_t j)
{
    return (nb_part)s->a->margin - s->x[s->t] + s->x[j];
}

static nb_sum multi_value(const struct nb_call *c, size_t row)
{
    struct scores s = scores_of(c, row);
    nb_sum sum = 0;
    for (size_t j = 0; j < s.n; j++) {
        nb_real z = gap(&s, j);
        if (j != s.t && !(nb_re(z) <= 0))
            sum += s.a->p == 1 ? z : z * z;
    }
    return s.weight * sum;
}

static void multi_slope(const struct nb_call *c, size_t row, nb_real g)
{
    struct scores s = scores_of(c, row);
    nb_real *dx = (nb_real *)c->gin[0].data + row * s.n, f = g * s.weight;
    nb_sum sum = 0;
    for (size_t j = 0; j < s.n; j++) {
        nb_real z = gap(&s, j), d = nb_re(z) <= 0 || j == s.t || f == 0 ? 0 : s.a->p == 1 ? f : 2 * f * z;
        dx[j] = d;
        sum += d;
    }
    dx[s.t] = -(nb_real)sum;
}

static int multi_infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_shape each;
    if (infer_scores(s, &each, e) || nb_class_target(s, true, e) ||
        nb_check_weight(s, &((const struct multi *)s->args)->weight, e))
        return -1;
    nb_loss_out(s, &each);
    return 0;
}

static int multi_forward(const struct nb_call *c, struct nb_error *e)
{
    if (nb_check_classes(c, nb_row_length(&c->in[0].shape), NB_NONE, e))
        return -1;
    size_t rows = nb_row_count(&c->in[0].shape);
    nb_each_row(c, rows, rows, multi_value);
    return 0;
}

static int multi_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    size_t rows = nb_row_count(&c->in[0].shape);
    if (c->gin[0].data)
        nb_each_row_back(c, rows, rows, multi_slope);
    return 0;
}

/* With p = 2 the slope is 0 on both sides. */
static void multi_branches(const struct nb_call *c, struct nb_branches *b)
{
    for (size_t r = 0; r < nb_row_count(&c->in[0].shape); r++) {
        struct scores s = scores_of(c, r);
        for (size_t j = 0; j < s.n; j++)
            if (j != s.t && nb_side(b, nb_re(gap(&s, j)), 0) && s.a->p == 1)
                tie(b, r * s.n, j, s.t, r * s.n + j);
    }
}

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {"target", NB_INT_PORT, 0}, {0}};

static const struct nb_arg multi_args[] = {
    {"p", NB_ARG_INT, offsetof(struct multi, p), 1, 1, 2, 0, NULL, "1: what is missing; 2: its square"},
    {"margin", NB_ARG_REAL, offsetof(struct multi, margin), 1, 0, 0, 0, NULL,
     "by how much the right class is to be above"},
    NB_CLASS_WEIGHT(struct multi),
    NB_REDUCTION(struct multi, NB_MEAN),
    {0},
};

static const struct nb_kink multi_kinks[] = {{"x_j = x_t - m, if p = 1", "0"}, {0}};

static const struct nb_case multi_cases[] = {
    {"\"margin\": 0.7", "5x7 5c7", false},
    {"\"p\": 2, \"margin\": 1.3, \"reduction\": \"none\"", "7x3 7c3", false},
    {"\"weight\": [0.5, 2, 1.25], \"reduction\": \"sum\"", "7x3 7c3", false},
    {"\"p\": 2, \"margin\": 1.4, \"weight\": [0.5, 2, 1.25, 0.7, 3], \"reduction\": \"batchmean\"", "7x5 7c5", false},
    {0},
};

static const struct nb_known multimarginloss_mistakes[] = {
    {.code = "multimargin_target_missing",
     .formula = "where(d*unsqueeze(g, -1) < 0, 0, d)",
     .hint = "The right class gets minus the sum of what the others get."},
    {.code = "multimargin_others_missing",
     .formula = "where(d*unsqueeze(g, -1) < 0, d, 0)",
     .hint = "Every class within the margin gets its part, not only the right one."},
    {0},
};

/* ---- MultiLabelMarginLoss: several right classes, listed up to a -1 --------------------------------------------- */

struct labels {
    int64_t reduction;
};

struct listed {
    size_t n, count; /* classes, right ones */
    const int64_t *t;
    const nb_real *x;
    nb_real *right; /* 1 for right classes, else 0 */
};

static struct listed listed_of(const struct nb_call *c, size_t row)
{
    struct listed l = {.n = nb_row_length(&c->in[0].shape), .right = c->work};
    l.t = (const int64_t *)c->in[1].data + row * l.n;
    l.x = (const nb_real *)c->in[0].data + row * l.n;
    memset(l.right, 0, l.n * sizeof *l.right);
    for (; l.count < l.n && l.t[l.count] >= 0; l.count++)
        l.right[l.t[l.count]] = 1;
    return l;
}

static nb_sum labels_value(const struct nb_call *c, size_t row)
{
    struct listed l = listed_of(c, row);
    nb_sum sum = 0;
    for (size_t k = 0; k < l.count; k++)
        for (size_t j = 0; j < l.n; j++) {
            nb_real z = 1 - l.x[l.t[k]] + l.x[j];
            sum += l.right[j] != 0 || nb_re(z) <= 0 ? 0 : z;
        }
    return sum / (double)l.n;
}

/* How often each entry counts, then times g / C. */
static void labels_slope(const struct nb_call *c, size_t row, nb_real g)
{
    struct listed l = listed_of(c, row);
    nb_real *dx = (nb_real *)c->gin[0].data + row * l.n, f = (nb_real)(g / (nb_part)l.n);
    memset(dx, 0, l.n * sizeof *dx);
    for (size_t k = 0; k < l.count; k++)
        for (size_t j = 0; j < l.n; j++)
            if (l.right[j] == 0 && !(nb_re(1 - l.x[l.t[k]] + l.x[j]) <= 0)) {
                dx[j] += 1;
                dx[l.t[k]] -= 1;
            }
    for (size_t j = 0; j < l.n; j++)
        dx[j] *= f;
}

static int labels_infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_shape each;
    if (infer_scores(s, &each, e) || nb_same_shapes(s, 0, "input", 1, "target", e))
        return -1;
    nb_loss_out(s, &each);
    int64_t n = s->in[0].dim[s->in[0].rank - 1];
    s->work = n > 0 ? (size_t)n : 0;
    return 0;
}

static int labels_forward(const struct nb_call *c, struct nb_error *e)
{
    if (nb_check_classes(c, nb_row_length(&c->in[0].shape), -1, e))
        return -1;
    size_t rows = nb_row_count(&c->in[0].shape);
    nb_each_row(c, rows, rows, labels_value);
    return 0;
}

static int labels_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    size_t rows = nb_row_count(&c->in[0].shape);
    if (c->gin[0].data)
        nb_each_row_back(c, rows, rows, labels_slope);
    return 0;
}

static void labels_branches(const struct nb_call *c, struct nb_branches *b)
{
    size_t number = 0;
    for (size_t r = 0; r < nb_row_count(&c->in[0].shape); r++) {
        struct listed l = listed_of(c, r);
        for (size_t k = 0; k < l.count; k++)
            for (size_t j = 0; j < l.n; j++, number++)
                if (l.right[j] == 0 && nb_side(b, nb_re(1 - l.x[l.t[k]] + l.x[j]), 0))
                    tie(b, r * l.n, j, (size_t)l.t[k], number);
    }
}

static const struct nb_arg labels_args[] = {NB_REDUCTION(struct labels, NB_MEAN), {0}};

static const struct nb_kink labels_kinks[] = {{"x_j = x_t - 1", "0"}, {0}};

static const struct nb_case labels_cases[] = {
    {NULL, "5x7 5x7c7", false},
    {"\"reduction\": \"none\"", "7x5 7x5c4", false},
    {"\"reduction\": \"sum\"", "17 17c5", false},
    {"\"reduction\": \"batchmean\"", "5x7 5x7c3", false},
    {0},
};

static const struct nb_known multilabelmarginloss_mistakes[] = {
    {.code = "multilabelmargin_targets_missing",
     .formula = "where(d*unsqueeze(g, -1) < 0, 0, d)",
     .hint = "Right classes get minus the number of those within the margin."},
    {.code = "multilabelmargin_others_missing",
     .formula = "where(d*unsqueeze(g, -1) < 0, d, 0)",
     .hint = "Every class within the margin gets its part, not only the right ones."},
    {.code = "multilabelmargin_once",
     .formula =
         "unsqueeze(g*share, -1)*sign(d*unsqueeze(g, -1))*min(min(abs(d/unsqueeze(g*share, -1)) + 1e9*(d == 0)))",
     .hint = "Entries count as often as they are within the margin of another."},
    {0},
};

const struct nb_module NB(nb_module_multimarginloss)[] = {
    {
        .type = "MultiMarginLoss",
        .mistakes = multimarginloss_mistakes,
        .summary = "What classes lack to a margin below the right one, or its square: the loss of Crammer and Singer.",
        .formula = "y_b = \\frac{w_{t_b}}{C} \\sum_{j \\ne t_b} \\max(0,\\, m + x_{bj} - x_{b\\,t_b})^p",
        .derivative = "dx_{bj} = g_b\\,\\frac{w_{t_b}}{C}\\,[m + x_{bj} > x_{b\\,t_b}] \\text{ if } p = 1,\\quad "
                      "2 g_b\\,\\frac{w_{t_b}}{C} \\max(0,\\, m + x_{bj} - x_{b\\,t_b}) \\text{ if } p = 2;\\quad "
                      "dx_{b\\,t_b} = -\\sum_{j \\ne t_b} dx_{bj}",
        .note = "Divided by the number of classes; many courses leave that out.",
        .args = multi_args,
        .args_size = sizeof(struct multi),
        .inputs = ports,
        .infer = multi_infer,
        .forward = multi_forward,
        .backward = multi_backward,
        .kinks = multi_kinks,
        .branches = multi_branches,
        .jacobian = "R",
        .cases = multi_cases,
    },
    {
        .type = "MultiLabelMarginLoss",
        .mistakes = multilabelmarginloss_mistakes,
        .summary = "What classes lack to the margin 1 below each of several right ones.",
        .formula = "y_b = \\frac1C \\sum_k \\sum_{j \\notin t_b} \\max(0,\\, 1 + x_{bj} - x_{b\\,t_{bk}})",
        .derivative = "dx_{bj} = \\frac{g_b}{C} \\sum_k [1 + x_{bj} > x_{b\\,t_{bk}}],\\quad "
                      "dx_{b\\,t_{bk}} = -\\frac{g_b}{C} \\sum_{j \\notin t_b} [1 + x_{bj} > x_{b\\,t_{bk}}]",
        .note = "The target lists the right classes of a sample and ends with -1; what follows is not read. A class "
                "listed twice counts twice.",
        .args = labels_args,
        .args_size = sizeof(struct labels),
        .inputs = ports,
        .infer = labels_infer,
        .forward = labels_forward,
        .backward = labels_backward,
        .kinks = labels_kinks,
        .branches = labels_branches,
        .jacobian = "R",
        .cases = labels_cases,
    },
    {0},
};
