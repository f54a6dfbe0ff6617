/* InfoNCE: each query is to be most like its own key, among all keys of the batch.
 *
 * Queries and keys are divided by their lengths, whose squares are taken 1e-12 too large, so that the gradient beside a
 * zero vector stays bounded. */
#include "modules/loss.h"
#include "modules/rows.h"

struct args {
    int64_t reduction;
    double temperature;
};

static const double bound = 1e-12;

/* Forward leaves unit vectors, lengths, and the softmax of every row of similarities. */
struct view {
    size_t queries, keys, n;
    nb_part heat; /* 1 / temperature */
    nb_real *q, *k, *qlength, *klength, *p;
};

static struct view view_of(const struct nb_call *c)
{
    struct view v = {.queries = (size_t)c->in[0].shape.dim[0], .keys = (size_t)c->in[1].shape.dim[0]};
    v.n = (size_t)c->in[0].shape.dim[1];
    v.heat = (nb_part)(1 / ((const struct args *)c->args)->temperature);
    v.q = c->saved;
    v.k = v.q + v.queries * v.n;
    v.qlength = v.k + v.keys * v.n;
    v.klength = v.qlength + v.queries;
    v.p = v.klength + v.keys;
    return v;
}

static int check_shapes(const struct nb_infer *s, struct nb_error *e)
{
    char q[200], k[200];
    const struct nb_shape *a = &s->in[0], *b = &s->in[1];
    nb_shape_text(a, s->symbols, q, sizeof q);
    nb_shape_text(b, s->symbols, k, sizeof k);
    if (a->rank != 2 || b->rank != 2 || nb_dim_same(a->dim[1], b->dim[1]) == 0)
        return nb_fail(e, NB_E_shape_mismatch, "query is %s, key is %s: wanted are [B, D] and [K, D]", q, k);
    if (NB_IS_KNOWN(a->dim[0]) && NB_IS_KNOWN(b->dim[0]) && a->dim[0] > b->dim[0])
        return nb_fail(e, NB_E_shape_mismatch, "query is %s, key is %s: every query wants a key", q, k);
    return 0;
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    if (check_shapes(s, e))
        return -1;
    struct nb_shape each = nb_samples(&s->in[0]);
    struct nb_shape products = nb_shape_of(2, s->in[0].dim[0], s->in[1].dim[0]);
    size_t q = nb_known(&s->in[0]), k = nb_known(&s->in[1]), p = nb_known(&products);
    nb_loss_out(s, &each);
    if (nb_shape_known(&s->in[0]) && nb_shape_known(&s->in[1])) {
        s->saved = q + k + (size_t)s->in[0].dim[0] + (size_t)s->in[1].dim[0] + p;
        s->work = p + (q > k ? q : k);
    }
    return 0;
}

static void make_units(size_t rows, size_t n, const nb_real *x, nb_real *u, nb_real *length)
{
    for (size_t r = 0; r < rows; r++, x += n, u += n) {
        length[r] = nb_sqrt((nb_real)(NB(nb_row_dot)(n, x, x) + bound));
        for (size_t i = 0; i < n; i++)
            u[i] = x[i] / length[r];
    }
}

/* The softmax of a row without the own key. */
static nb_sum others(const struct view *v, size_t r)
{
    const nb_real *p = v->p + r * v->keys;
    return NB(nb_total)(r, p) + NB(nb_total)(v->keys - r - 1, p + r + 1);
}

/* The own key has most of the weight: there differences to 1 cancel, so the others are summed. */
static bool confident(const struct view *v, size_t r)
{
    return nb_re(v->p[r * v->keys + r]) > (nb_part)0.5;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    int64_t reduction = nb_reduction(c->args);
    nb_real *out = c->out[0].data;
    nb_sum all = 0;
    make_units(v.queries, v.n, c->in[0].data, v.q, v.qlength);
    make_units(v.keys, v.n, c->in[1].data, v.k, v.klength);
    NB(nb_gemm)(false, true, v.queries, v.keys, v.n, v.q, v.k, 0, v.p);
    for (size_t r = 0; r < v.queries; r++) {
        nb_real *row = v.p + r * v.keys;
        for (size_t i = 0; i < v.keys; i++)
            row[i] *= v.heat;
        nb_real own = row[r], loss = NB(nb_row_logsumexp)(v.keys, row) - own;
        NB(nb_row_softmax)(v.keys, row, row);
        if (confident(&v, r))
            loss = nb_log1p((nb_real)(others(&v, r) / row[r]));
        if (reduction == NB_EACH)
            out[r] = loss;
        all += loss;
    }
    if (reduction != NB_EACH)
        *out = (nb_real)(all / nb_divisor(reduction, v.queries, v.queries));
    return 0;
}

/* Through the division by the length: (d - u <d, u>) / length. */
static void through_units(size_t rows, size_t n, const nb_real *u, const nb_real *length, const nb_real *d, nb_real *dx)
{
    for (size_t r = 0; r < rows; r++, u += n, d += n, dx += n) {
        nb_real along = (nb_real)NB(nb_row_dot)(n, d, u);
        for (size_t i = 0; i < n; i++)
            dx[i] = (d[i] - along * u[i]) / length[r];
    }
}

/* The gradient by the similarities: g (softmax - 1 at the own key) / temperature. */
static void by_similarities(const struct view *v, const struct nb_call *c, nb_real *d)
{
    int64_t reduction = nb_reduction(c->args);
    const nb_real *g = c->gout[0].data;
    double divisor = nb_divisor(reduction, v->queries, v->queries);
    for (size_t r = 0; r < v->queries; r++) {
        nb_real f = (reduction == NB_EACH ? g[r] : (nb_real)(*g / divisor)) * v->heat;
        for (size_t i = 0; i < v->keys; i++)
            d[r * v->keys + i] = f == 0 ? 0 : f * (v->p[r * v->keys + i] - (i == r));
        if (f != 0 && confident(v, r))
            d[r * v->keys + r] = -f * (nb_real)others(v, r);
    }
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    nb_real *d = c->work, *units = d + v.queries * v.keys;
    by_similarities(&v, c, d);
    if (c->gin[0].data) {
        NB(nb_gemm)(false, false, v.queries, v.n, v.keys, d, v.k, 0, units);
        through_units(v.queries, v.n, v.q, v.qlength, units, c->gin[0].data);
    }
    if (c->gin[1].data) {
        NB(nb_gemm)(true, false, v.keys, v.n, v.queries, d, v.q, 0, units);
        through_units(v.keys, v.n, v.k, v.klength, units, c->gin[1].data);
    }
    return 0;
}

static const struct nb_port inputs[] = {{"query", NB_REAL_PORT, 0}, {"key", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"temperature", NB_ARG_REAL, offsetof(struct args, temperature), 0.1, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL,
     "similarities are divided by it"},
    NB_REDUCTION(struct args, NB_MEAN),
    {0},
};

static const struct nb_case cases[] = {
    {"\"temperature\": 0.7", "5x7 5x7", false},
    {"\"temperature\": 1.3, \"reduction\": \"none\"", "5x3 7x3", false},
    {"\"reduction\": \"sum\"", "3x17 3x17", false},
    {"\"temperature\": 0.4, \"reduction\": \"batchmean\"", "3x5 5x5", false},
    {0},
};

static const struct nb_known infonce_mistakes[] = {
    {.code = "infonce_unit_vectors",
     .formula = "d*norm(x, dim=-1, keepdim=1)",
     .hint = "Divide by the length of the vector."},
    {.code = "infonce_of_unit_vectors",
     .formula = "d*norm(x, dim=-1, keepdim=1)^2",
     .hint = "Divide by the length of the vector, do not multiply."},
    {0},
};

const struct nb_module NB(nb_module_infonce)[] = {
    {
        .type = "InfoNCE",
        .mistakes = infonce_mistakes,
        .summary = "Cross-entropy over cosine similarities: each query is to be most like its own key.",
        .formula = "y_b = -\\ln \\frac{e^{s_{bb}}}{\\sum_k e^{s_{bk}}},\\quad "
                   "s_{bk} = \\frac1\\tau \\frac{\\langle q_b, k_k\\rangle}{\\lVert q_b\\rVert \\lVert k_k\\rVert}",
        .derivative = "ds_{bk} = g_b\\,(\\operatorname{softmax}(s_b)_k - [k = b]),\\quad "
                      "d\\hat q = \\tfrac1\\tau\\,ds\\,\\hat k,\\ d\\hat k = \\tfrac1\\tau\\,ds^\\top \\hat q,\\quad "
                      "dx = \\frac{d\\hat x - \\hat x\\,\\langle d\\hat x, \\hat x\\rangle}{\\lVert x\\rVert}",
        .source = "van den Oord, Li, Vinyals 2018",
        .note = "Row b of the keys belongs to query b; the other rows, also those beyond the queries, are negatives. "
                "Squared lengths are taken 1e-12 too large.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "D",
        .cases = cases,
    },
    {0},
};
