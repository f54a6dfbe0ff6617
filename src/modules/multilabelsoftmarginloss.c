/* MultiLabelSoftMarginLoss: binary cross-entropy on logits, averaged over the classes. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
    struct nb_reals weight;
};

struct row {
    const struct args *a;
    size_t n;
    const nb_real *x, *y;
};

static struct row row_of(const struct nb_call *c, size_t r)
{
    struct row w = {.a = c->args, .n = nb_row_length(&c->in[0].shape)};
    w.x = (const nb_real *)c->in[0].data + r * w.n;
    w.y = (const nb_real *)c->in[1].data + r * w.n;
    return w;
}

static inline double weight(const struct row *w, size_t i)
{
    return w->a->weight.n ? w->a->weight.v[i] : 1;
}

/* (1 - y) softplus(x) + y softplus(-x) */
NB_SIMD static void terms(size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real rest = nb_log1p_unit(nb_exp(-nb_abs(x[i])));
        t[i] = (nb_re(x[i]) < 0 ? -y[i] * x[i] : (1 - y[i]) * x[i]) + rest;
    }
}

NB_SIMD static void slopes(size_t n, const nb_real *x, const nb_real *y, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = (1 - y[i]) * nb_sigmoid(x[i]) - y[i] * nb_sigmoid(-x[i]);
}

static nb_sum value(const struct nb_call *c, size_t r)
{
    struct row w = row_of(c, r);
    nb_real t[NB_CHUNK];
    nb_sum s = 0;
    for (size_t at = 0, k; at < w.n; at += k) {
        k = nb_chunk(w.n - at);
        terms(k, w.x + at, w.y + at, t);
        for (size_t i = 0; i < k; i++)
            s += weight(&w, at + i) * t[i];
    }
    return s / (double)w.n;
}

static void slope(const struct nb_call *c, size_t r, nb_real g)
{
    struct row w = row_of(c, r);
    nb_real *dx = c->gin[0].data ? (nb_real *)c->gin[0].data + r * w.n : NULL;
    nb_real *dy = c->gin[1].data ? (nb_real *)c->gin[1].data + r * w.n : NULL;
    if (dx)
        slopes(w.n, w.x, w.y, dx);
    for (size_t i = 0; i < w.n; i++) {
        nb_real f = (nb_real)(g * weight(&w, i) / (double)w.n);
        if (dx)
            dx[i] = f == 0 ? 0 : f * dx[i];
        if (dy)
            dy[i] = f == 0 ? 0 : -f * w.x[i];
    }
}

static int check_weight(const struct nb_infer *s, struct nb_error *e)
{
    const struct nb_reals *w = &((const struct args *)s->args)->weight;
    int64_t classes = s->in[0].dim[s->in[0].rank - 1];
    if (!w->n || nb_dim_same(classes, (int64_t)w->n) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "weight has %zu numbers, there are %lld classes", w->n, (long long)classes);
    return nb_at(e, "weight");
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_shape each;
    if (nb_same_shapes(s, 0, "input", 1, "target", e) || nb_row_shape(s, 0, "input", &each, e) || check_weight(s, e))
        return -1;
    nb_loss_out(s, &each);
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_each_row(c, nb_row_count(&c->in[0].shape), nb_row_batch(&c->in[0].shape), value);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_each_row_back(c, nb_row_count(&c->in[0].shape), nb_row_batch(&c->in[0].shape), slope);
    return 0;
}

static const struct nb_arg args[] = {NB_CLASS_WEIGHT(struct args), NB_REDUCTION(struct args, NB_MEAN), {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7u", false},
    {"\"weight\": [0.5, 2, 1.25], \"reduction\": \"none\"", "7x3 7x3u", false},
    {"\"reduction\": \"sum\"", "17 17u", false},
    {"\"weight\": [0.5, 2, 1.25, 3, 0.7], \"reduction\": \"batchmean\"", "2x3x5 2x3x5u", false},
    {0},
};

static const struct nb_known multilabelsoftmarginloss_mistakes[] = {
    {.code = "multilabel_softmax",
     .formula = "d*(softmax(x, -1) - target)/(sigmoid(x) - target)",
     .hint = "Sigmoid, not softmax: several classes may be right."},
    {.code = "multilabel_target_missing",
     .formula = "d*sigmoid(x)/(sigmoid(x) - target)",
     .hint = "Subtract the target."},
    {.code = "multilabel_extra_slope",
     .formula = "d*sigmoid(x)*(1 - sigmoid(x))",
     .hint = "With the logarithm this factor cancels."},
    {0},
};

const struct nb_module NB(nb_module_multilabelsoftmarginloss)[] = {
    {
        .type = "MultiLabelSoftMarginLoss",
        .mistakes = multilabelsoftmarginloss_mistakes,
        .summary = "Binary cross-entropy of logits with one target for each class, averaged over the classes.",
        .formula = "y_b = -\\frac1C \\sum_c w_c \\bigl(t_{bc} \\ln \\sigma(x_{bc}) + (1 - t_{bc}) \\ln "
                   "\\sigma(-x_{bc})\\bigr)",
        .derivative = "dx_{bc} = \\frac{g_b w_c}{C}\\,(\\sigma(x_{bc}) - t_{bc}),\\quad "
                      "dt_{bc} = -\\frac{g_b w_c}{C}\\,x_{bc}",
        .note = "Classes are the last dimension.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_pair_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
