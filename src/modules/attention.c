/* ScaledDotProductAttention, MultiheadAttention: values mixed by how well their keys answer to a query. */
#include "broadcast.h"
#include "modules/places.h"

/* ---- attention over one batch of matrices -------------------------------------------------------------------------
 */

/* n times: q [l, d], k [s, d], v [s, e], the weights p [l, s] and the result [l, e]. */
struct attention {
    size_t n, l, s, d, e;
    nb_part scale;
    bool causal;
    const nb_real *q, *k, *v;
    nb_real *p;
};

NB_SIMD static void scale_row(size_t n, nb_part a, nb_real *x)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++)
        x[j] *= a;
}

static size_t heaviest(size_t n, const nb_real *p)
{
    size_t best = 0;
    for (size_t j = 1; j < n; j++)
        best = nb_re(p[j]) > nb_re(p[best]) ? j : best;
    return best;
}

NB_SIMD static void subtract(size_t n, nb_real a, nb_real *x)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++)
        x[j] -= a;
}

/* Row i of the scores becomes weights. Nothing behind place i counts if it is causal. */
static void weigh(const struct attention *a, size_t i, const nb_real *mask, nb_real *row)
{
    scale_row(a->s, a->scale, row);
    if (mask)
        NB(nb_add)(a->s, mask, row);
    for (size_t j = i + 1; j < a->s && a->causal; j++)
        row[j] = -(nb_part)INFINITY;
    NB(nb_row_softmax)(a->s, row, row);
}

/* The mask is added to the scores, [n, l, s]; NULL: none. */
static void attend(const struct attention *a, const nb_real *mask, nb_real *out)
{
    size_t scores = a->l * a->s;
    for (size_t i = 0; i < a->n; i++) {
        nb_real *p = a->p + i * scores;
        NB(nb_gemm)(false, true, a->l, a->s, a->d, a->q + i * a->l * a->d, a->k + i * a->s * a->d, 0, p);
        for (size_t r = 0; r < a->l; r++)
            weigh(a, r, mask ? mask + i * scores + r * a->s : NULL, p + r * a->s);
        NB(nb_gemm)(false, false, a->l, a->e, a->s, p, a->v + i * a->s * a->e, 0, out + i * a->l * a->e);
    }
}

NB_SIMD static void weigh_rest(size_t n, const nb_real *p, nb_real mean, nb_real *dp)
{
    NB_LOOP
    for (size_t j = 0; j < n; j++)
        dp[j] = p[j] * (dp[j] - mean);
}

/* dx = p (dp - <dp, p>), in place of dp. What all have in common goes off: taking off that of the greatest weight first
 * keeps the digits where this weight has rounded to 1. */
static void softmax_slope(size_t n, const nb_real *p, nb_real *dp)
{
    if (n)
        subtract(n, dp[heaviest(n, p)], dp);
    weigh_rest(n, p, (nb_real)NB(nb_row_dot)(n, dp, p), dp);
}

struct slopes {
    nb_real *q, *k, *v; /* NULL: not wanted */
    nb_real *scores;    /* room for [l, s], or [n, l, s] if all are to be kept */
    bool keep;
};

static void attend_back(const struct attention *a, const nb_real *g, const struct slopes *to)
{
    size_t scores = a->l * a->s;
    for (size_t i = 0; i < a->n; i++) {
        const nb_real *p = a->p + i * scores, *gi = g + i * a->l * a->e;
        nb_real *ds = to->scores + (to->keep ? i * scores : 0);
        if (to->v)
            NB(nb_gemm)(true, false, a->s, a->e, a->l, p, gi, 0, to->v + i * a->s * a->e);
        if (!to->q && !to->k && !to->keep)
            continue;
        NB(nb_gemm)(false, true, a->l, a->s, a->e, gi, a->v + i * a->s * a->e, 0, ds);
        for (size_t r = 0; r < a->l; r++)
            softmax_slope(a->s, p + r * a->s, ds + r * a->s);
        if (to->q) {
            NB(nb_gemm)(false, false, a->l, a->d, a->s, ds, a->k + i * a->s * a->d, 0, to->q + i * a->l * a->d);
            scale_row(a->l * a->d, a->scale, to->q + i * a->l * a->d);
        }
        if (to->k) {
            NB(nb_gemm)(true, false, a->s, a->d, a->l, ds, a->q + i * a->l * a->d, 0, to->k + i * a->s * a->d);
            scale_row(a->s * a->d, a->scale, to->k + i * a->s * a->d);
        }
    }
}

/* ---- masks --------------------------------------------------------------------------------------------------------
 */

/* A mask spread over all scores: real numbers to be added; of integers 0 means that a key does not count. */
static const nb_real *spread_mask(const struct nb_tensor *t, const struct nb_shape *scores, nb_real *room)
{
    if (!t->data)
        return NULL;
    if (t->dtype != NB_I64 && nb_shape_same(&t->shape, scores) == 1)
        return t->data;
    struct nb_reader r = nb_reader_of(t, scores);
    size_t n = (size_t)nb_count(scores);
    const nb_real *x = n ? nb_read(&r, n, room) : room;
    if (x != room)
        memcpy(room, x, n * sizeof *room);
    for (size_t i = 0; i < n && t->dtype == NB_I64; i++)
        room[i] = room[i] == 0 ? (nb_real)-INFINITY : 0;
    return room;
}

static int check_mask(struct nb_infer *s, const struct nb_shape *mask, const struct nb_shape *scores,
                      struct nb_error *e)
{
    char a[200], b[200];
    struct nb_shape both;
    if (mask->rank < 0 ||
        (mask->rank <= scores->rank && !nb_broadcast(mask, scores, &both) && nb_shape_same(&both, scores) != 0))
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "mask is %s, wanted is what broadcasts to %s",
                   nb_shape_text(mask, s->symbols, a, sizeof a), nb_shape_text(scores, s->symbols, b, sizeof b));
}

/* What went back to the scores, for the mask. */
static void fold_mask(const struct nb_shape *scores, const nb_real *ds, const struct nb_tensor *gin)
{
    if (gin->data)
        NB(nb_fold)(scores, ds, &gin->shape, gin->data);
}

/* ---- ScaledDotProductAttention ------------------------------------------------------------------------------------
 */

struct dot_args {
    double scale;
    int64_t causal;
};

/* [..., L, S] */
static struct nb_shape scores_of(const struct nb_shape *q, const struct nb_shape *k)
{
    struct nb_shape s = *q;
    s.dim[s.rank - 1] = k->dim[k->rank - 2];
    return s;
}

static bool fits(const struct nb_shape *q, const struct nb_shape *k, const struct nb_shape *v)
{
    bool good = q->rank >= 2 && k->rank == q->rank && v->rank == q->rank &&
                nb_dim_same(q->dim[q->rank - 1], k->dim[k->rank - 1]) != 0 &&
                nb_dim_same(k->dim[k->rank - 2], v->dim[v->rank - 2]) != 0;
    for (int i = 0; good && i < q->rank - 2; i++)
        good = nb_dim_same(q->dim[i], k->dim[i]) != 0 && nb_dim_same(q->dim[i], v->dim[i]) != 0;
    return good;
}

static int dot_infer(struct nb_infer *s, struct nb_error *e)
{
    char text[3][150];
    const struct nb_shape *q = &s->in[0], *k = &s->in[1], *v = &s->in[2];
    if (!fits(q, k, v))
        return nb_fail(e, NB_E_shape_mismatch,
                       "q is %s, k is %s, v is %s: wanted are [..., L, E], [..., S, E], [..., S, V]",
                       nb_shape_text(q, s->symbols, text[0], sizeof text[0]),
                       nb_shape_text(k, s->symbols, text[1], sizeof text[1]),
                       nb_shape_text(v, s->symbols, text[2], sizeof text[2]));
    struct nb_shape scores = scores_of(q, k);
    if (check_mask(s, &s->in[3], &scores, e))
        return -1;
    s->out[0] = *q;
    s->out[0].dim[q->rank - 1] = v->dim[v->rank - 1];
    if (nb_count(&scores) > 0) {
        s->saved = (size_t)nb_count(&scores);
        s->work = s->in[3].rank >= 0 ? s->saved : (size_t)(scores.dim[scores.rank - 2] * scores.dim[scores.rank - 1]);
    }
    return 0;
}

static struct attention dot_of(const struct nb_call *c)
{
    const struct dot_args *args = c->args;
    const struct nb_shape *q = &c->in[0].shape, *k = &c->in[1].shape, *v = &c->in[2].shape;
    struct attention a = {.n = 1, .causal = args->causal, .q = c->in[0].data, .k = c->in[1].data, .v = c->in[2].data};
    for (int i = 0; i < q->rank - 2; i++)
        a.n *= (size_t)q->dim[i];
    a.l = (size_t)q->dim[q->rank - 2];
    a.d = (size_t)q->dim[q->rank - 1];
    a.s = (size_t)k->dim[k->rank - 2];
    a.e = (size_t)v->dim[v->rank - 1];
    a.scale = (nb_part)(args->scale > 0 ? args->scale : 1 / sqrt((double)a.d));
    a.p = c->saved;
    return a;
}

static int dot_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct attention a = dot_of(c);
    struct nb_shape scores = scores_of(&c->in[0].shape, &c->in[1].shape);
    attend(&a, spread_mask(&c->in[3], &scores, c->work), c->out[0].data);
    return 0;
}

static int dot_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct attention a = dot_of(c);
    struct nb_shape scores = scores_of(&c->in[0].shape, &c->in[1].shape);
    bool real = c->in[3].data && c->in[3].dtype != NB_I64 && c->gin[3].data;
    struct slopes to = {c->gin[0].data, c->gin[1].data, c->gin[2].data, c->work, real};
    attend_back(&a, c->gout[0].data, &to);
    if (real)
        fold_mask(&scores, to.scores, &c->gin[3]);
    return 0;
}

/* ---- MultiheadAttention -------------------------------------------------------------------------------------------
 */

struct heads_args {
    int64_t embed, heads, bias, batch_first, causal;
};

enum { IN_WEIGHT, IN_BIAS };

/* Sizes, and where things lie: tokens [L, B, E] (or [B, L, E]) and heads [B, H, L, E/H]. */
struct heads {
    const struct heads_args *a;
    size_t batch, l, s, embed, head;
    struct nb_shape scores;     /* [B, H, L, S] */
    nb_real *q, *k, *v, *p, *o; /* saved: as heads; weights; what comes out, as tokens */
    const nb_real *w, *b, *out_w, *out_b;
};

static int length_axis(const struct heads_args *a, int rank)
{
    return rank == 3 && a->batch_first ? 1 : 0;
}

/* The tensor of a port: query; key, or else query; value, or else key. */
static int source(const struct nb_call *c, int port)
{
    while (port > 0 && !c->in[port].data)
        port--;
    return port;
}

static size_t rows(const struct heads *h, int port)
{
    return h->batch * (port ? h->s : h->l);
}

static struct heads heads_of(const struct nb_call *c)
{
    const struct heads_args *a = c->args;
    const struct nb_shape *q = &c->in[0].shape, *k = &c->in[source(c, 1)].shape;
    struct heads h = {.a = a, .batch = 1, .embed = (size_t)a->embed, .head = (size_t)(a->embed / a->heads)};
    int axis = length_axis(a, q->rank);
    h.l = (size_t)q->dim[axis];
    h.s = (size_t)k->dim[axis];
    if (q->rank == 3)
        h.batch = (size_t)q->dim[1 - axis];
    h.scores = nb_shape_of(4, (int64_t)h.batch, a->heads, (int64_t)h.l, (int64_t)h.s);
    h.q = c->saved;
    h.k = h.q + rows(&h, 0) * h.embed;
    h.v = h.k + rows(&h, 1) * h.embed;
    h.o = h.v + rows(&h, 2) * h.embed;
    h.p = h.o + rows(&h, 0) * h.embed;
    h.w = c->w[IN_WEIGHT].data;
    h.b = a->bias ? c->w[IN_BIAS].data : NULL;
    h.out_w = c->w[a->bias ? 2 : 1].data;
    h.out_b = a->bias ? c->w[3].data : NULL;
    return h;
}

/* Heads in their order, out of tokens. */
static struct nb_layout layout(const struct heads *h, int port)
{
    size_t n = port ? h->s : h->l, embed = h->embed;
    bool first = h->a->batch_first;
    return (struct nb_layout){
        4,
        {h->batch, (size_t)h->a->heads, n, h->head},
        {(ptrdiff_t)(first ? n * embed : embed), (ptrdiff_t)h->head, (ptrdiff_t)(first ? embed : h->batch * embed), 1}};
}

static struct attention attention_of(const struct heads *h)
{
    return (struct attention){.n = h->batch * (size_t)h->a->heads,
                              .l = h->l,
                              .s = h->s,
                              .d = h->head,
                              .e = h->head,
                              .scale = (nb_part)(1 / sqrt((double)h->head)),
                              .causal = h->a->causal,
                              .q = h->q,
                              .k = h->k,
                              .v = h->v,
                              .p = h->p};
}

static void affine(size_t n, size_t out, size_t in, const nb_real *x, const nb_real *w, const nb_real *b, nb_real *y)
{
    for (size_t i = 0; b && i < n; i++)
        memcpy(y + i * out, b, out * sizeof *y);
    NB(nb_gemm)(false, true, n, out, in, x, w, b != NULL, y);
}

static int heads_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct heads h = heads_of(c);
    struct attention a = attention_of(&h);
    size_t embed = h.embed, entries = rows(&h, 0) * embed;
    nb_real *as_heads[] = {h.q, h.k, h.v}, *room = c->work;
    for (int i = 0; i < 3; i++) {
        struct nb_layout l = layout(&h, i);
        affine(rows(&h, i), embed, embed, c->in[source(c, i)].data, h.w + (size_t)i * embed * embed,
               h.b ? h.b + (size_t)i * embed : NULL, room);
        NB(nb_pick)(&l, room, as_heads[i]);
    }
    struct nb_layout l = layout(&h, 0);
    attend(&a, spread_mask(&c->in[3], &h.scores, room + entries), room);
    NB(nb_place)(&l, room, h.o);
    affine(rows(&h, 0), embed, embed, h.o, h.out_w, h.out_b, c->out[0].data);
    return 0;
}

/* Back through one of the three maps in: to its part of the learned tensors, and to its input, where another may have
 * been before. */
static void in_slope(const struct nb_call *c, const struct heads *h, int port, const nb_real *d, bool add)
{
    size_t n = rows(h, port), embed = h->embed, part = (size_t)port * embed;
    int from = source(c, port);
    nb_real *dw = c->gw[IN_WEIGHT].data, *db = h->b ? c->gw[IN_BIAS].data : NULL;
    if (dw)
        NB(nb_gemm)(true, false, embed, embed, n, d, c->in[from].data, 0, dw + part * embed);
    if (db)
        NB(nb_sum_rows)(n, embed, d, db + part);
    if (c->gin[from].data)
        NB(nb_gemm)(false, false, n, embed, embed, d, h->w + part * embed, add, c->gin[from].data);
}

static void out_slope(const struct nb_call *c, const struct heads *h, nb_real *d)
{
    size_t n = rows(h, 0), embed = h->embed;
    const nb_real *g = c->gout[0].data;
    int weight = h->b ? 2 : 1;
    if (c->gw[weight].data)
        NB(nb_gemm)(true, false, embed, embed, n, g, h->o, 0, c->gw[weight].data);
    if (h->b && c->gw[weight + 1].data)
        NB(nb_sum_rows)(n, embed, g, c->gw[weight + 1].data);
    NB(nb_gemm)(false, false, n, embed, embed, g, h->out_w, 0, d);
}

static int heads_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct heads h = heads_of(c);
    struct attention a = attention_of(&h);
    size_t nq = rows(&h, 0) * h.embed, nk = rows(&h, 1) * h.embed, most = nq > nk ? nq : nk;
    nb_real *tokens = c->work, *g = tokens + most, *d[] = {g + nq, g + 2 * nq, g + 2 * nq + nk};
    bool real = c->in[3].data && c->in[3].dtype != NB_I64 && c->gin[3].data;
    struct slopes to = {d[0], d[1], d[2], d[2] + nk, real};
    struct nb_layout l = layout(&h, 0);
    out_slope(c, &h, tokens);
    NB(nb_pick)(&l, tokens, g);
    attend_back(&a, g, &to);
    for (int i = 0; i < 3; i++) {
        l = layout(&h, i);
        NB(nb_place)(&l, d[i], tokens);
        in_slope(c, &h, i, tokens, i > 0 && source(c, i) == source(c, i - 1));
    }
    if (real)
        fold_mask(&h.scores, to.scores, &c->gin[3]);
    return 0;
}

/* The shapes of query, key and value; absent ones are those before. */
static int check_tokens(struct nb_infer *s, const struct nb_shape *x[3], struct nb_error *e)
{
    struct heads_args *a = s->args;
    char text[3][150];
    for (int i = 0; i < 3; i++)
        x[i] = s->in[i].rank < 0 ? x[i - 1] : &s->in[i];
    int rank = x[0]->rank, axis = length_axis(a, rank);
    bool good = (rank == 2 || rank == 3) && x[1]->rank == rank && nb_shape_same(x[1], x[2]) != 0 && x[2]->rank == rank;
    for (int d = 0; good && d < rank; d++)
        good = d == axis || nb_dim_same(x[0]->dim[d], x[1]->dim[d]) != 0;
    if (good && a->embed == NB_NONE && NB_IS_KNOWN(x[0]->dim[rank - 1]))
        a->embed = x[0]->dim[rank - 1];
    if (good && nb_dim_same(x[0]->dim[rank - 1], a->embed) != 0)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "query is %s, key is %s, value is %s: wanted are %s",
                   nb_shape_text(x[0], s->symbols, text[0], sizeof text[0]),
                   nb_shape_text(x[1], s->symbols, text[1], sizeof text[1]),
                   nb_shape_text(x[2], s->symbols, text[2], sizeof text[2]),
                   a->batch_first ? "[B, L, embed_dim], [B, S, embed_dim] and the shape of key, or without B"
                                  : "[L, B, embed_dim], [S, B, embed_dim] and the shape of key, or without B");
}

static void add_weights(struct nb_infer *s)
{
    const struct heads_args *a = s->args;
    double bound = 1 / sqrt((double)a->embed);
    int64_t three = NB_IS_KNOWN(a->embed) ? 3 * a->embed : NB_ANY;
    struct nb_init zeros = {.kind = NB_INIT_ZEROS}, xavier = {.kind = NB_INIT_XAVIER_UNIFORM, .a = 1};
    struct nb_init fan = {.kind = NB_INIT_UNIFORM, .a = -bound, .b = bound};
    s->w[s->nw++] = (struct nb_weight){"in_proj_weight", nb_shape_of(2, three, a->embed), xavier, false};
    if (a->bias)
        s->w[s->nw++] = (struct nb_weight){"in_proj_bias", nb_shape_of(1, three), zeros, false};
    s->w[s->nw++] = (struct nb_weight){"out_proj.weight", nb_shape_of(2, a->embed, a->embed), fan, false};
    if (a->bias)
        s->w[s->nw++] = (struct nb_weight){"out_proj.bias", nb_shape_of(1, a->embed), zeros, false};
}

static int heads_infer(struct nb_infer *s, struct nb_error *e)
{
    struct heads_args *a = s->args;
    const struct nb_shape *x[3];
    if (s->in[2].rank >= 0 && s->in[1].rank < 0)
        return nb_fail(e, NB_E_input_count, "there is a value, but no key for it");
    if (check_tokens(s, x, e))
        return -1;
    if (a->embed % a->heads) {
        nb_fail(e, NB_E_bad_argument, "num_heads is %lld, which does not divide embed_dim %lld", (long long)a->heads,
                (long long)a->embed);
        return nb_at(e, "num_heads");
    }
    int axis = length_axis(a, x[0]->rank);
    struct nb_shape scores =
        nb_shape_of(4, x[0]->rank == 3 ? x[0]->dim[1 - axis] : 1, a->heads, x[0]->dim[axis], x[1]->dim[axis]);
    if (check_mask(s, &s->in[3], &scores, e))
        return -1;
    s->out[0] = *x[0];
    add_weights(s);
    int64_t nq = nb_count(x[0]), nk = nb_count(x[1]), np = nb_count(&scores);
    if (nq >= 0 && nk >= 0 && np >= 0) {
        s->saved = 2 * (size_t)nq + 2 * (size_t)nk + (size_t)np;
        s->work = 2 * (size_t)nq + 2 * (size_t)nk + (size_t)(nq > nk ? nq : nk) + (size_t)np;
    }
    return 0;
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port dot_ports[] = {
    {"q", NB_REAL_PORT, 0}, {"k", NB_REAL_PORT, 0}, {"v", NB_REAL_PORT, 0}, {"mask", NB_ANY_PORT, NB_OPTIONAL}, {0}};
static const struct nb_port heads_ports[] = {{"query", NB_REAL_PORT, 0},
                                             {"key", NB_REAL_PORT, NB_OPTIONAL},
                                             {"value", NB_REAL_PORT, NB_OPTIONAL},
                                             {"mask", NB_ANY_PORT, NB_OPTIONAL},
                                             {0}};

static const struct nb_arg dot_args[] = {
    {"scale", NB_ARG_REAL, offsetof(struct dot_args, scale), 0, 0, INFINITY, NB_MAX_OPEN, NULL,
     "factor of the products; 0: 1 over the root of the size of q's last dimension"},
    {"is_causal", NB_ARG_BOOL, offsetof(struct dot_args, causal), 0, 0, 0, 0, NULL,
     "a query does not see the keys behind its own place"},
    {0},
};
static const struct nb_arg heads_args[] = {
    {"embed_dim", NB_ARG_INT, offsetof(struct heads_args, embed), 0, 1, 1 << 20, NB_INFERRED, NULL,
     "size of the last dimension"},
    {"num_heads", NB_ARG_INT, offsetof(struct heads_args, heads), 0, 1, INT32_MAX, NB_REQUIRED, NULL,
     "into how many parts the last dimension is divided"},
    {"bias", NB_ARG_BOOL, offsetof(struct heads_args, bias), 1, 0, 0, 0, NULL, "adds learned vectors"},
    {"batch_first", NB_ARG_BOOL, offsetof(struct heads_args, batch_first), 0, 0, 0, 0, NULL,
     "tokens are [B, L, E]; else [L, B, E]"},
    {"is_causal", NB_ARG_BOOL, offsetof(struct heads_args, causal), 0, 0, 0, 0, NULL,
     "a query does not see the keys behind its own place"},
    {0},
};

static const struct nb_case dot_cases[] = {
    {NULL, "5x7 3x7 3x2", false},
    {"\"is_causal\": true", "2x5x3 2x5x3 2x5x7", false},
    {"\"scale\": 0.3", "2x3x5x2 2x3x7x2 2x3x7x3 5x7", false},
    {NULL, "3x5x2 3x7x2 3x7x3 3x1x7", false},
    {0},
};
static const struct nb_case heads_cases[] = {
    {"\"num_heads\": 2", "5x3x6", false},
    {"\"num_heads\": 3, \"batch_first\": true", "2x5x6 2x7x6 2x7x6", false},
    {"\"num_heads\": 1, \"bias\": false, \"is_causal\": true", "5x3", false},
    {"\"num_heads\": 2, \"batch_first\": true", "2x5x4 2x3x4 2x3x4 2x1x5x3", false},
    {0},
};

#define SCALE "sum(0*q + 1, -1, keepdim=1)^-0.5"
#define WEIGHTS "softmax(q @ transpose(k)*" SCALE ")"
static const struct nb_known dot_mistakes[] = {
    {.code = "attention_softmax_diagonal",
     .formula = "(" WEIGHTS "*(1 - " WEIGHTS ")*(g @ transpose(v))) @ k*" SCALE,
     .hint = "Every weight of a row depends on every score of it: P (dP - sum(dP P))."},
    {.code = "attention_softmax_sum_missing",
     .formula = "(" WEIGHTS "*(g @ transpose(v))) @ k*" SCALE,
     .hint = "The sum over the row is missing: P (dP - sum(dP P))."},
    {.code = "attention_weights_missing",
     .of = "v",
     .formula = "0*v + sum(g, -2, keepdim=1)",
     .hint = "What goes back to the values is weighed as they were: P^T g."},
    {0},
};
#undef SCALE
#undef WEIGHTS

const struct nb_module NB(nb_module_attention)[] = {
    {
        .type = "ScaledDotProductAttention",
        .mistakes = dot_mistakes,
        .onnx = "Attention",
        .summary = "Mixes values by the softmax of how well their keys answer to a query.",
        .formula = "y = P\\,V,\\quad P = \\operatorname{softmax}\\bigl(s\\,Q K^{\\mathsf T} + M\\bigr),\\quad "
                   "s = \\frac{1}{\\sqrt d}",
        .derivative = "dV = P^{\\mathsf T} g;\\quad dS = P \\odot \\bigl(g V^{\\mathsf T} - "
                      "\\operatorname{rowsum}(P \\odot g V^{\\mathsf T})\\bigr),\\quad dQ = s\\,dS\\,K,\\quad "
                      "dK = s\\,dS^{\\mathsf T} Q,\\quad dM = dS",
        .source = "Vaswani et al. 2017",
        .note = "A mask of real numbers is added to the scores; of integers or booleans 0 means that a key does not "
                "count. A query all of whose keys are masked gives 0 and the gradient 0.",
        .args = dot_args,
        .args_size = sizeof(struct dot_args),
        .inputs = dot_ports,
        .infer = dot_infer,
        .forward = dot_forward,
        .backward = dot_backward,
        .jacobian = "D",
        .cases = dot_cases,
    },
    {
        .type = "MultiheadAttention",
        .summary = "Attention in several heads at once, between learned maps in and out.",
        .formula = "y = \\bigl[\\operatorname{attention}(Q_h, K_h, V_h)\\bigr]_h W_o^{\\mathsf T} + b_o,\\quad "
                   "[Q, K, V] = x W^{\\mathsf T} + b",
        .derivative = "\\text{by parts: the map out, attention in every head, the maps in}",
        .source = "Vaswani et al. 2017; torch.nn.MultiheadAttention",
        .note = "Without key and value the query attends to itself, without value the keys are the values. The mask "
                "broadcasts to [B, heads, L, S]; see ScaledDotProductAttention. in_proj_weight holds the maps of "
                "query, key and value, one below the other, and starts Xavier uniform; both biases start at 0.",
        .args = heads_args,
        .args_size = sizeof(struct heads_args),
        .inputs = heads_ports,
        .infer = heads_infer,
        .forward = heads_forward,
        .backward = heads_backward,
        .jacobian = "D",
        .cases = heads_cases,
    },
    {0},
};
