/* ContrastiveLoss: similar pairs are drawn together, others pushed apart up to the margin. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
    double margin;
    int64_t similar;
};

static bool is_similar(const struct nb_call *c, size_t b)
{
    return nb_number(&c->in[2], b) == (double)((const struct args *)c->args)->similar;
}

NB_SIMD static nb_sum square_distance(size_t n, const nb_real *x, const nb_real *y)
{
    nb_sum s = 0;
    for (size_t i = 0; i < n; i++) {
        nb_sum d = (nb_sum)x[i] - y[i];
        s += d * d;
    }
    return s;
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    char x[200], t[200];
    if (nb_same_shapes(s, 0, "x1", 1, "x2", e))
        return -1;
    nb_shape_text(&s->in[0], s->symbols, x, sizeof x);
    if (s->in[0].rank != 2)
        return nb_fail(e, NB_E_shape_mismatch, "x1 is %s, wanted is [B, D]", x);
    struct nb_shape each = nb_samples(&s->in[0]);
    if (nb_shape_same(&each, &s->in[2]) == 0)
        return nb_fail(e, NB_E_shape_mismatch, "x1 is %s, target is %s: wanted is one label for each pair", x,
                       nb_shape_text(&s->in[2], s->symbols, t, sizeof t));
    nb_loss_out(s, &each);
    s->saved = s->in[0].dim[0] > 0 ? (size_t)s->in[0].dim[0] : 0;
    return 0;
}

/* Leaves the distances behind. */
static int forward(const struct nb_call *c, struct nb_error *e)
{
    const struct args *a = c->args;
    size_t batch = nb_batch(&c->in[0].shape), n = (size_t)c->in[0].shape.dim[1];
    const nb_real *x = c->in[0].data, *y = c->in[1].data;
    nb_real *out = c->out[0].data, *distance = c->saved;
    nb_sum all = 0;
    if (nb_check_labels(c, 2, 0, 1, e))
        return -1;
    for (size_t b = 0; b < batch; b++) {
        nb_sum square = square_distance(n, x + b * n, y + b * n);
        nb_real d = distance[b] = nb_sqrt((nb_real)square);
        nb_sum gap = nb_re(d) >= a->margin ? 0 : a->margin - d;
        nb_sum v = is_similar(c, b) ? square / 2 : gap * gap / 2;
        if (a->reduction == NB_EACH)
            out[b] = (nb_real)v;
        all += v;
    }
    if (a->reduction != NB_EACH)
        *out = (nb_real)(all / nb_divisor(a->reduction, batch, batch));
    return 0;
}

/* dx1 is this times x1 - x2. */
static nb_real factor(const struct nb_call *c, size_t b, nb_real g)
{
    const struct args *a = c->args;
    nb_real d = ((const nb_real *)c->saved)[b];
    if (g == 0 || is_similar(c, b))
        return g;
    if (nb_re(d) >= a->margin || nb_re(d) == 0)
        return 0;
    return (nb_real)(-g * (a->margin - d) / d);
}

static void pull(size_t n, nb_real f, const nb_real *x, const nb_real *y, nb_real *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = f == 0 ? 0 : f * (x[i] - y[i]);
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    size_t batch = nb_batch(&c->in[0].shape), n = (size_t)c->in[0].shape.dim[1];
    const nb_real *x = c->in[0].data, *y = c->in[1].data, *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data, *dy = c->gin[1].data;
    double divisor = nb_divisor(a->reduction, batch, batch);
    nb_no_gradient(&c->gin[2]);
    for (size_t b = 0; b < batch; b++) {
        nb_real f = factor(c, b, a->reduction == NB_EACH ? g[b] : (nb_real)(*g / divisor));
        if (dx)
            pull(n, f, x + b * n, y + b * n, dx + b * n);
        if (dy)
            pull(n, f, y + b * n, x + b * n, dy + b * n);
    }
    return 0;
}

/* At the margin the slope is 0 on both sides; where two that are not similar meet, it has no direction. */
static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const struct args *a = c->args;
    size_t n = (size_t)c->in[0].shape.dim[1];
    const nb_real *distance = c->saved;
    for (size_t k = 0; k < nb_batch(&c->in[0].shape); k++) {
        bool corner = !is_similar(c, k) && a->margin > 0 && nb_re(distance[k]) == 0;
        nb_decide(b, is_similar(c, k) ? 1 : corner ? 2 : nb_re(distance[k]) >= a->margin ? 3 : 4);
        for (size_t i = 0; i < n && corner; i++)
            for (int port = 0; port < 2; port++)
                nb_at_edge(b, port, (int64_t)(k * n + i), NB_EDGE_CORNER, (int64_t)k);
    }
}

static const struct nb_port inputs[] = {
    {"x1", NB_REAL_PORT, 0}, {"x2", NB_REAL_PORT, 0}, {"target", NB_ANY_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"margin", NB_ARG_REAL, offsetof(struct args, margin), 1, 0, INFINITY, NB_MAX_OPEN, NULL,
     "the distance beyond which pairs that are not similar are left alone"},
    {"similar", NB_ARG_INT, offsetof(struct args, similar), 0, 0, 1, 0, NULL, "the label that means similar"},
    NB_REDUCTION(struct args, NB_BATCHMEAN),
    {0},
};

static const struct nb_kink kinks[] = {{"x_1 = x_2, not similar", "0"}, {0}};

static const struct nb_case cases[] = {
    {"\"margin\": 2.5", "5x7 5x7 5b", false},
    {"\"margin\": 4.5, \"similar\": 1", "5x7 5x7 5b", false},
    {"\"margin\": 3.3, \"reduction\": \"none\"", "7x3 7x3 7b", false},
    {"\"margin\": 5.1, \"reduction\": \"sum\"", "7x5 7x5 7b", false},
    {"\"margin\": 1.9, \"similar\": 1, \"reduction\": \"mean\"", "7x3 7x3 7b", false},
    {0},
};

static const struct nb_known contrastiveloss_mistakes[] = {
    {.code = "contrastive_distance_missing",
     .formula = "where(unsqueeze(target, -1) == similar, d, d*norm(x1 - x2, dim=-1, keepdim=1))",
     .hint = "Divide by the distance: the derivative of D is (x1 - x2)/D."},
    {.code = "contrastive_sign",
     .formula = "where(unsqueeze(target, -1) == similar, d, -d)",
     .hint = "Pairs that are not similar are pushed apart: a minus."},
    {.code = "contrastive_similar_only",
     .formula = "where(unsqueeze(target, -1) == similar, d, 0*d)",
     .hint = "Pairs that are not similar count, too, within the margin."},
    {0},
};

const struct nb_module NB(nb_module_contrastiveloss)[] = {
    {
        .type = "ContrastiveLoss",
        .mistakes = contrastiveloss_mistakes,
        .summary = "Draws similar pairs together and pushes others apart up to the margin, for each pair.",
        .formula = "D = \\lVert x_1 - x_2 \\rVert_2;\\quad y_b = \\tfrac12 D^2 \\text{ if similar},\\ "
                   "\\tfrac12 \\max(0,\\, m - D)^2 \\text{ if not}",
        .derivative = "dx_1 = g_b\\,(x_1 - x_2) \\text{ if similar},\\ "
                      "-g_b\\,\\frac{\\max(0,\\, m - D)}{D}\\,(x_1 - x_2) \\text{ if not};\\quad dx_2 = -dx_1",
        .source = "Hadsell, Chopra, LeCun 2006, where 0 means similar; Caffe and Chainer use 1",
        .note = "The targets are labels, 0 or 1: they get no gradient (zeros where one is asked).",
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
    },
    {0},
};
