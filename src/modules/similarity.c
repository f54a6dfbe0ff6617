/* CosineSimilarity, PairwiseDistance: how near two rows are, with NumPy's broadcasting of the two. */
#include "broadcast.h"
#include "modules/reduce.h"

/* ---- pairs of rows ---------------------------------------------------------------------------------------------- */

/* Both operands spread to one shape and seen as rows along a dimension of it. */
struct pairs {
    struct nb_shape all;
    struct nb_rows r;
    size_t count;
    const nb_real *x[2];
    nb_real *d[2]; /* room for gradients in the shape of all, as rows */
};

/* Blocks of work: two operands spread, two as rows, one gradient as rows and one in its place. */
enum { SPREAD, ROWS = 2, SLOPE = 4, PLACED, BLOCKS };

static nb_real *block(const struct nb_call *c, size_t count, int i)
{
    return (nb_real *)c->work + (size_t)i * count;
}

static const nb_real *operand(const struct nb_call *c, const struct pairs *p, int i)
{
    const nb_real *x = c->in[i].data;
    if (nb_shape_same(&c->in[i].shape, &p->all) != 1) {
        NB(nb_spread)(&c->in[i].shape, x, &p->all, block(c, p->count, SPREAD + i));
        x = block(c, p->count, SPREAD + i);
    }
    return nb_rows_read(&p->r, x, block(c, p->count, ROWS + i));
}

static struct pairs pairs_shape(const struct nb_call *c, int64_t dim)
{
    struct pairs p = {.all = {.rank = 0}};
    nb_broadcast(&c->in[0].shape, &c->in[1].shape, &p.all);
    p.count = nb_known(&p.all);
    p.r = nb_rows_of(&p.all, 1u << nb_axis(dim, p.all.rank));
    return p;
}

static struct pairs pairs_of(const struct nb_call *c, int64_t dim)
{
    struct pairs p = pairs_shape(c, dim);
    for (int i = 0; i < 2; i++)
        p.x[i] = operand(c, &p, i);
    return p;
}

/* Where the rows of a gradient are computed: in the gradient itself where that is in the same order. */
static nb_real *slope_room(const struct nb_call *c, const struct pairs *p, int i)
{
    bool whole = nb_shape_same(&c->in[i].shape, &p->all) == 1;
    return whole && p->r.dense ? c->gin[i].data : block(c, p->count, SLOPE);
}

/* The rows of a gradient go back to where the operand's entries came from, and are added up there. */
static void give_back(const struct nb_call *c, const struct pairs *p, int i, const nb_real *d)
{
    bool whole = nb_shape_same(&c->in[i].shape, &p->all) == 1;
    if (!p->r.dense) {
        nb_real *to = whole ? c->gin[i].data : block(c, p->count, PLACED);
        NB(nb_place)(&p->r.layout, d, to);
        d = to;
    }
    if (!whole)
        NB(nb_fold)(&p->all, d, &c->in[i].shape, c->gin[i].data);
}

static int pairs_infer(struct nb_infer *s, int64_t dim, bool keepdim, struct nb_error *e)
{
    static const struct nb_port names[] = {{"x1", NB_REAL_PORT, 0}, {"x2", NB_REAL_PORT, 0}};
    struct nb_infer all = *s;
    struct nb_shape out = {.rank = 0};
    all.out = &out;
    if (nb_broadcast_infer(&all, names, e))
        return -1;
    all.in = &out;
    int axis = nb_axis_in(&all, "dim", dim, out.rank, e);
    if (axis < 0)
        return -1;
    s->out[0] = nb_reduced(&out, 1u << axis, keepdim);
    if (nb_known(&out)) {
        struct nb_rows r = nb_rows_of(&out, 1u << axis);
        s->saved = 3 * r.rows;
        s->work = all.work || !r.dense ? BLOCKS * nb_known(&out) : 0;
    }
    return 0;
}

/* All entries of both rows are at one edge. */
static void row_at_edge(const struct nb_call *c, const struct pairs *p, size_t row, enum nb_edge_kind kind,
                        struct nb_branches *b)
{
    for (size_t k = 0; k < p->r.n; k++) {
        size_t at = (size_t)nb_row_place(&p->r, row, k);
        for (int i = 0; i < 2; i++)
            nb_at_edge(b, i, (int64_t)nb_origin(&c->in[i].shape, &p->all, at), kind, (int64_t)row);
    }
}

/* Entry k of a row of operand i, where it lies. */
static nb_real entry(const struct nb_call *c, const struct pairs *p, int i, size_t row, size_t k)
{
    size_t at = (size_t)nb_row_place(&p->r, row, k);
    return ((const nb_real *)c->in[i].data)[nb_origin(&c->in[i].shape, &p->all, at)];
}

/* ---- CosineSimilarity ------------------------------------------------------------------------------------------- */

struct cosine {
    int64_t dim;
    double eps;
};

static int cosine_infer(struct nb_infer *s, struct nb_error *e)
{
    return pairs_infer(s, ((const struct cosine *)s->args)->dim, false, e);
}

/* Keeps both norms of every row. */
static int cosine_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct cosine *a = c->args;
    struct pairs p = pairs_of(c, a->dim);
    nb_real *y = c->out[0].data, *norms = c->saved;
    for (size_t i = 0; i < p.r.rows; i++) {
        const nb_real *x1 = p.x[0] + i * p.r.n, *x2 = p.x[1] + i * p.r.n;
        nb_sum n1 = NB(nb_row_norm)(p.r.n, x1, 2), n2 = NB(nb_row_norm)(p.r.n, x2, 2), n = n1 * n2;
        norms[2 * i] = (nb_real)n1;
        norms[2 * i + 1] = (nb_real)n2;
        y[i] = (nb_real)(NB(nb_row_dot)(p.r.n, x1, x2) / (nb_re((nb_real)n) > a->eps ? n : (nb_sum)a->eps));
    }
    return 0;
}

/* d = to other - own times self */
NB_SIMD static void combine(size_t n, nb_real to, const nb_real *other, nb_real own, const nb_real *self, nb_real *d)
{
    NB_LOOP
    for (size_t k = 0; k < n; k++)
        d[k] = to * other[k] - own * self[k];
}

/* da = g (b/(|a||b|) - y a/|a|^2); below eps the product of the norms counts as the constant eps. */
static void cosine_slope(const struct nb_call *c, const struct pairs *p, int self)
{
    double eps = ((const struct cosine *)c->args)->eps;
    const nb_real *g = c->gout[0].data, *y = c->out[0].data, *norms = c->saved;
    nb_real *d = slope_room(c, p, self);
    for (size_t i = 0; i < p->r.rows; i++) {
        nb_sum own = norms[2 * i + (size_t)self], n = own * norms[2 * i + (size_t)!self];
        bool bounded = !(nb_re((nb_real)n) > eps);
        nb_real to = (nb_real)(g[i] / (bounded ? (nb_sum)eps : n));
        nb_real back = bounded ? 0 : (nb_real)(g[i] * y[i] / (own * own));
        combine(p->r.n, to, p->x[!self] + i * p->r.n, back, p->x[self] + i * p->r.n, d + i * p->r.n);
    }
    give_back(c, p, self, d);
}

static int cosine_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct pairs p = pairs_of(c, ((const struct cosine *)c->args)->dim);
    for (int i = 0; i < 2; i++)
        if (c->gin[i].data)
            cosine_slope(c, &p, i);
    return 0;
}

static double length(const struct nb_call *c, const struct pairs *p, int i, size_t row)
{
    double s = 0;
    for (size_t k = 0; k < p->r.n; k++)
        s += (double)nb_re(entry(c, p, i, row, k)) * (double)nb_re(entry(c, p, i, row, k));
    return sqrt(s);
}

static void cosine_branches(const struct nb_call *c, struct nb_branches *b)
{
    const struct cosine *a = c->args;
    struct pairs p = pairs_shape(c, a->dim);
    for (size_t i = 0; i < p.r.rows && p.r.n; i++)
        if (nb_side(b, length(c, &p, 0, i) * length(c, &p, 1, i), a->eps))
            row_at_edge(c, &p, i, NB_EDGE_SIDE, b);
}

/* ---- PairwiseDistance ------------------------------------------------------------------------------------------- */

struct distance {
    double p, eps;
    int64_t keepdim;
};

static int distance_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct distance *a = s->args;
    if (s->in[0].rank == 0 && s->in[1].rank == 0)
        return nb_fail(e, NB_E_shape_mismatch, "x1 and x2 are single numbers; a distance needs a last dimension");
    if (pairs_infer(s, -1, a->keepdim, e))
        return -1;
    struct nb_shape all;
    nb_broadcast(&s->in[0], &s->in[1], &all);
    s->work = BLOCKS * nb_known(&all);
    return 0;
}

NB_SIMD static void difference(size_t n, const nb_real *a, const nb_real *b, nb_part eps, nb_real *d)
{
    NB_LOOP
    for (size_t k = 0; k < n; k++)
        d[k] = a[k] - b[k] + eps;
}

static int distance_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct distance *a = c->args;
    struct pairs p = pairs_of(c, -1);
    nb_real *y = c->out[0].data, *d = block(c, p.count, SLOPE);
    for (size_t i = 0; i < p.r.rows; i++) {
        difference(p.r.n, p.x[0] + i * p.r.n, p.x[1] + i * p.r.n, (nb_part)a->eps, d);
        y[i] = NB(nb_row_norm)(p.r.n, d, a->p);
    }
    return 0;
}

/* That of the first operand, and its negative. */
static int distance_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct distance *a = c->args;
    struct pairs p = pairs_of(c, -1);
    const nb_real *g = c->gout[0].data, *y = c->out[0].data;
    for (int self = 0; self < 2; self++) {
        nb_real *d = slope_room(c, &p, self), *room = block(c, p.count, PLACED); /* rows here are dense */
        for (size_t i = 0; i < p.r.rows && c->gin[self].data; i++) {
            difference(p.r.n, p.x[0] + i * p.r.n, p.x[1] + i * p.r.n, (nb_part)a->eps, room);
            NB(nb_row_norm_slope)(p.r.n, room, y[i], a->p, self ? -g[i] : g[i], d + i * p.r.n);
        }
        if (c->gin[self].data)
            give_back(c, &p, self, d);
    }
    return 0;
}

/* p = 1 has a corner at every difference of 0, the others only where all are 0. */
static void distance_branches(const struct nb_call *c, struct nb_branches *b)
{
    const struct distance *a = c->args;
    struct pairs p = pairs_shape(c, -1);
    for (size_t i = 0; i < p.r.rows && p.r.n; i++) {
        bool zero = true;
        for (size_t k = 0; k < p.r.n; k++) {
            nb_part d = nb_re(entry(c, &p, 0, i, k)) - nb_re(entry(c, &p, 1, i, k)) + (nb_part)a->eps;
            zero &= d == 0;
            if (a->p == 1 && nb_side(b, d, 0))
                for (int self = 0; self < 2; self++)
                    nb_at_edge(b, self, (int64_t)nb_origin(&c->in[self].shape, &p.all, i * p.r.n + k), NB_EDGE_SIDE,
                               (int64_t)(i * p.r.n + k));
        }
        nb_decide(b, zero);
        if (zero && a->p != 1)
            row_at_edge(c, &p, i, NB_EDGE_CORNER, b);
    }
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port ports[] = {{"x1", NB_REAL_PORT, 0}, {"x2", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg cosine_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct cosine, dim), 1, 0, 0, 0, NULL, "the dimension the rows lie along"},
    {"eps", NB_ARG_REAL, offsetof(struct cosine, eps), 1e-8, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL,
     "products of norms up to this are taken as this"},
    {0},
};
static const struct nb_case cosine_cases[] = {
    {NULL, "5x7 5x7", false},
    {"\"dim\": 2", "3x5x7 3x1x7", false},
    {"\"dim\": 0", "7x5 7x1", false},
    {"\"dim\": -1", "17 3x17", false},
    {"\"dim\": 1, \"eps\": 50", "5x3x2 5x3x2", false},
    {0},
};

static const struct nb_arg distance_args[] = {
    {"p", NB_ARG_REAL, offsetof(struct distance, p), 2, 1, INFINITY, NB_MAX_OPEN, NULL, "exponent of the norm"},
    {"eps", NB_ARG_REAL, offsetof(struct distance, eps), 1e-6, 0, INFINITY, NB_MAX_OPEN, NULL,
     "added to every difference"},
    {"keepdim", NB_ARG_BOOL, offsetof(struct distance, keepdim), 0, 0, 0, 0, NULL, "keeps the dimension, with size 1"},
    {0},
};
static const struct nb_case distance_cases[] = {
    {NULL, "5x7 5x7", false},
    {"\"p\": 1, \"eps\": 0.001, \"keepdim\": true", "5x7 5x7", false},
    {"\"p\": 3.5", "3x1x7 5x7", false},
    {"\"eps\": 0.25", "17 17", false},
    {0},
};

static const struct nb_known cosine_mistakes[] = {
    {.code = "cosine_norms_constant",
     .formula = "unsqueeze(g, dim)*x2/(norm(x1, dim=dim, keepdim=1)*norm(x2, dim=dim, keepdim=1))",
     .hint = "The norms depend on the entries too."},
    {.code = "cosine_norms_missing",
     .formula = "unsqueeze(g, dim)*x2 + 0*x1",
     .hint = "The division by the norms is missing, and what they give."},
    {.code = "cosine_norm_not_squared",
     .formula = "unsqueeze(g, dim)*(x2/(norm(x1, dim=dim, keepdim=1)*norm(x2, dim=dim, keepdim=1)) - "
                "unsqueeze(y, dim)*x1/norm(x1, dim=dim, keepdim=1))",
     .hint = "The second term is divided by the square of the norm."},
    {.code = "cosine_plus",
     .formula = "2*unsqueeze(g, dim)*x2/(norm(x1, dim=dim, keepdim=1)*norm(x2, dim=dim, keepdim=1)) - d",
     .hint = "A sign: what goes along the row is taken away."},
    {0},
};

static const struct nb_known distance_mistakes[] = {
    {.code = "distance_root_missing",
     .formula = "unsqueeze(g, -1)*(x1 - x2 + eps) + 0*p",
     .hint = "Divide by the distance: that is the derivative of half its square."},
    {.code = "distance_sign",
     .of = "x2",
     .formula = "unsqueeze(g, -1)*(x1 - x2 + eps)/unsqueeze(y, -1) + 0*p",
     .hint = "A minus: the second row is subtracted."},
    {.code = "distance_signs_only",
     .formula = "unsqueeze(g, -1)*sign(x1 - x2 + eps)",
     .hint = "That is the derivative of the sum of absolute differences."},
    {0},
};

const struct nb_module NB(nb_module_similarity)[] = {
    {
        .type = "CosineSimilarity",
        .mistakes = cosine_mistakes,
        .summary = "The cosine of the angle between rows.",
        .formula = "y = \\frac{\\langle a, b \\rangle}{\\max(\\lVert a \\rVert \\lVert b \\rVert,\\, \\varepsilon)}",
        .derivative = "\\bar a = g \\Bigl(\\frac{b}{\\lVert a \\rVert \\lVert b \\rVert} - "
                      "\\frac{y\\,a}{\\lVert a \\rVert^2}\\Bigr),\\ \\text{ or } \\frac{g\\,b}{\\varepsilon} "
                      "\\text{ where } \\lVert a \\rVert \\lVert b \\rVert \\le \\varepsilon;\\quad "
                      "\\bar b \\text{ likewise}",
        .note = "A zero vector has the cosine 0 with everything, and the gradient g b/eps: by default g b times 1e8. "
                "Later versions of PyTorch bound each norm by itself.",
        .args = cosine_args,
        .args_size = sizeof(struct cosine),
        .inputs = ports,
        .infer = cosine_infer,
        .forward = cosine_forward,
        .backward = cosine_backward,
        .kinks = (const struct nb_kink[]){{"|x1| |x2| = eps", "that of products below: g b/eps"}, {0}},
        .branches = cosine_branches,
        .jacobian = "R",
        .cases = cosine_cases,
    },
    {
        .type = "PairwiseDistance",
        .mistakes = distance_mistakes,
        .summary = "The distance between rows of the last dimension.",
        .formula = "y = \\lVert a - b + \\varepsilon \\rVert_p",
        .derivative = "d = a - b + \\varepsilon;\\quad \\bar a = g \\operatorname{sign}(d) "
                      "\\Bigl(\\frac{|d|}{y}\\Bigr)^{p-1},\\quad \\bar b = -\\bar a",
        .note = "At a difference of 0 the gradient is 0; eps keeps equal rows a little off it.",
        .args = distance_args,
        .args_size = sizeof(struct distance),
        .inputs = ports,
        .infer = distance_infer,
        .forward = distance_forward,
        .backward = distance_backward,
        .kinks = (const struct nb_kink[]){{"a - b + eps = 0", "0"}, {"p = 1: an entry of it is 0", "sign(0) = 0"}, {0}},
        .branches = distance_branches,
        .jacobian = "R",
        .cases = distance_cases,
    },
    {0},
};
