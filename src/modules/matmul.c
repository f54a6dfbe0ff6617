/* MatMul, Outer, Dot: products of two tensors, with NumPy's broadcasting of the leading dimensions. */
#include "modules/rows.h"
#include <string.h>

/* ---- matrices in a batch ---------------------------------------------------------------------------------------- */

/* One operand: matrices of this size, and the leading dimensions that count them. */
struct factor {
    struct nb_shape batch;
    int64_t rows, cols;
};

/* Of the last dimensions `used` (1 or 2) are the matrix; one of them alone is a column or a row. */
static struct factor factor_of(const struct nb_shape *s, int used, bool column)
{
    struct factor f = {.batch = *s, .rows = 1, .cols = 1};
    f.batch.rank = s->rank - used;
    const int64_t *last = s->dim + f.batch.rank;
    if (used == 2)
        f.rows = *last++;
    *(used == 1 && column ? &f.rows : &f.cols) = *last;
    return f;
}

/* All that forward and backward need. Shapes are known. */
struct product {
    size_t m, k, n, batch;
    struct nb_shape a, b, out; /* the leading dimensions */
};

static struct product product_of(const struct factor *a, const struct factor *b)
{
    struct product p = {(size_t)a->rows, (size_t)a->cols, (size_t)b->cols, 1, a->batch, b->batch, {.rank = 0}};
    nb_broadcast(&p.a, &p.b, &p.out);
    p.batch = nb_known(&p.out);
    if (p.batch > 1 && nb_count(&p.b) == 1 && nb_known(&p.a) == p.batch) {
        p.m *= p.batch; /* one b for all: the rows of all matrices of a are one matrix */
        p.a = p.b = p.out = nb_shape_of(0);
        p.batch = 1;
    }
    return p;
}

/* Number of the matrix that stands at place i of the broadcast batch. */
static size_t source(const struct nb_shape *from, const struct nb_shape *to, size_t i)
{
    size_t at = 0, stride = 1;
    for (int d = to->rank - 1, j = from->rank - 1; j >= 0; d--, j--) {
        at += from->dim[j] == 1 ? 0 : i % (size_t)to->dim[d] * stride;
        stride *= (size_t)from->dim[j];
        i /= (size_t)to->dim[d];
    }
    return at;
}

static void multiply(const struct product *p, const nb_real *a, const nb_real *b, nb_real *y)
{
    for (size_t i = 0; i < p->batch; i++)
        NB(nb_gemm)
    (false, false, p->m, p->n, p->k, a + source(&p->a, &p->out, i) * p->m * p->k,
     b + source(&p->b, &p->out, i) * p->k * p->n, 0, y + i * p->m * p->n);
}

/* 1 if the gradients of several matrices of the batch are added up in one; then it is cleared first. */
static int starts_at_zero(const struct product *p, const struct nb_shape *batch, size_t entries, nb_real *gradient)
{
    size_t count = nb_known(batch);
    if (count == p->batch)
        return 0;
    memset(gradient, 0, count * entries * sizeof *gradient);
    return 1;
}

/* da = g b' */
static void slope_a(const struct product *p, const nb_real *g, const nb_real *b, nb_real *da)
{
    int beta = starts_at_zero(p, &p->a, p->m * p->k, da);
    for (size_t i = 0; i < p->batch; i++)
        NB(nb_gemm)
    (false, true, p->m, p->k, p->n, g + i * p->m * p->n, b + source(&p->b, &p->out, i) * p->k * p->n, beta,
     da + source(&p->a, &p->out, i) * p->m * p->k);
}

/* db = a' g */
static void slope_b(const struct product *p, const nb_real *g, const nb_real *a, nb_real *db)
{
    int beta = starts_at_zero(p, &p->b, p->k * p->n, db);
    for (size_t i = 0; i < p->batch; i++)
        NB(nb_gemm)
    (true, false, p->k, p->n, p->m, a + source(&p->a, &p->out, i) * p->m * p->k, g + i * p->m * p->n, beta,
     db + source(&p->b, &p->out, i) * p->k * p->n);
}

static int forward(const struct nb_call *c, const struct product *p)
{
    multiply(p, c->in[0].data, c->in[1].data, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, const struct product *p)
{
    if (c->gin[0].data)
        slope_a(p, c->gout[0].data, c->in[1].data, c->gin[0].data);
    if (c->gin[1].data)
        slope_b(p, c->gout[0].data, c->in[0].data, c->gin[1].data);
    return 0;
}

static int fail_shapes(const struct nb_infer *s, const char *what, struct nb_error *e)
{
    char a[200], b[200];
    return nb_fail(e, NB_E_shape_mismatch, "a is %s, b is %s: %s", nb_shape_text(&s->in[0], s->symbols, a, sizeof a),
                   nb_shape_text(&s->in[1], s->symbols, b, sizeof b), what);
}

/* The broadcast batch, with room for `more` dimensions behind it. */
static int infer_batch(struct nb_infer *s, const struct factor *a, const struct factor *b, int more, struct nb_error *e)
{
    if (nb_broadcast(&a->batch, &b->batch, &s->out[0]))
        return fail_shapes(s, "the leading dimensions do not broadcast", e);
    if (s->out[0].rank + more > NB_MAX_RANK)
        return fail_shapes(s, "the result has more than 8 dimensions", e);
    return 0;
}

/* ---- MatMul ----------------------------------------------------------------------------------------------------- */

static struct factor left(const struct nb_shape *s)
{
    return factor_of(s, s->rank > 1 ? 2 : 1, false);
}

static struct factor right(const struct nb_shape *s)
{
    return factor_of(s, s->rank > 1 ? 2 : 1, true);
}

static int matmul_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_shape *x = &s->in[0], *y = &s->in[1];
    if (x->rank == 0 || y->rank == 0)
        return fail_shapes(s, "a product of matrices needs dimensions on both sides", e);
    struct factor a = left(x), b = right(y);
    if (nb_dim_same(a.cols, b.rows) == 0)
        return fail_shapes(s, "the columns of a must be as many as the rows of b", e);
    if (infer_batch(s, &a, &b, (x->rank > 1) + (y->rank > 1), e))
        return -1;
    if (x->rank > 1)
        s->out[0].dim[s->out[0].rank++] = a.rows;
    if (y->rank > 1)
        s->out[0].dim[s->out[0].rank++] = b.cols;
    return 0;
}

static struct product matmul_of(const struct nb_call *c)
{
    struct factor a = left(&c->in[0].shape), b = right(&c->in[1].shape);
    return product_of(&a, &b);
}

static int matmul_forward(const struct nb_call *c, struct nb_error *e)
{
    struct product p = matmul_of(c);
    (void)e;
    return forward(c, &p);
}

static int matmul_backward(const struct nb_call *c, struct nb_error *e)
{
    struct product p = matmul_of(c);
    (void)e;
    return backward(c, &p);
}

/* ---- Outer: a column times a row -------------------------------------------------------------------------------- */

static int outer_infer(struct nb_infer *s, struct nb_error *e)
{
    if (s->in[0].rank == 0 || s->in[1].rank == 0)
        return fail_shapes(s, "an outer product needs a last dimension on both sides", e);
    struct factor a = factor_of(&s->in[0], 1, true), b = factor_of(&s->in[1], 1, false);
    if (infer_batch(s, &a, &b, 2, e))
        return -1;
    s->out[0].dim[s->out[0].rank++] = a.rows;
    s->out[0].dim[s->out[0].rank++] = b.cols;
    return 0;
}

static struct product outer_of(const struct nb_call *c)
{
    struct factor a = factor_of(&c->in[0].shape, 1, true), b = factor_of(&c->in[1].shape, 1, false);
    return product_of(&a, &b);
}

static int outer_forward(const struct nb_call *c, struct nb_error *e)
{
    struct product p = outer_of(c);
    (void)e;
    return forward(c, &p);
}

static int outer_backward(const struct nb_call *c, struct nb_error *e)
{
    struct product p = outer_of(c);
    (void)e;
    return backward(c, &p);
}

/* ---- Dot -------------------------------------------------------------------------------------------------------- */

/* The shape both operands are broadcast to. */
static struct nb_shape common(const struct nb_call *c)
{
    struct nb_shape s = {.rank = 0};
    nb_broadcast(&c->in[0].shape, &c->in[1].shape, &s);
    return s;
}

static int dot_infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_shape all;
    if (nb_broadcast(&s->in[0], &s->in[1], &all))
        return fail_shapes(s, "the shapes do not broadcast", e);
    if (all.rank == 0)
        return fail_shapes(s, "a dot product needs a last dimension", e);
    s->out[0] = all;
    s->out[0].rank--;
    s->work = 2 * nb_known(&all);
    return 0;
}

/* An operand with the common shape: itself, or spread into work. */
static const nb_real *operand(const struct nb_tensor *t, const struct nb_shape *all, nb_real *work)
{
    if (nb_shape_same(&t->shape, all) == 1)
        return t->data;
    NB(nb_spread)(&t->shape, t->data, all, work);
    return work;
}

static int dot_forward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_shape all = common(c);
    size_t count = nb_known(&all), rows = nb_known(&c->out[0].shape), n = (size_t)all.dim[all.rank - 1];
    nb_real *work = c->work, *y = c->out[0].data;
    const nb_real *a = operand(&c->in[0], &all, work), *b = operand(&c->in[1], &all, work + count);
    (void)e;
    for (size_t i = 0; i < rows; i++)
        y[i] = (nb_real)NB(nb_row_dot)(n, a + i * n, b + i * n);
    return 0;
}

/* gin = g times the other operand, summed where this one was broadcast. */
static void dot_slope(const struct nb_call *c, int self, const struct nb_shape *all)
{
    size_t count = nb_known(all), rows = nb_known(&c->out[0].shape), n = (size_t)all->dim[all->rank - 1];
    const nb_real *g = c->gout[0].data, *other = operand(&c->in[!self], all, c->work);
    bool whole = nb_shape_same(&c->in[self].shape, all) == 1;
    nb_real *d = whole ? c->gin[self].data : (nb_real *)c->work + count;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            d[i * n + j] = g[i] * other[i * n + j];
    if (!whole)
        NB(nb_fold)(all, d, &c->in[self].shape, c->gin[self].data);
}

static int dot_backward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_shape all = common(c);
    (void)e;
    for (int i = 0; i < 2; i++)
        if (c->gin[i].data)
            dot_slope(c, i, &all);
    return 0;
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port ports[] = {{"a", NB_REAL_PORT, 0}, {"b", NB_REAL_PORT, 0}, {0}};

static const struct nb_case matmul_cases[] = {
    {NULL, "5x7 7x3", false},
    {NULL, "17x33 33x5", false},
    {NULL, "7 7x5", false},
    {NULL, "5x7 7", false},
    {NULL, "33 33", false},
    {NULL, "3x5x7 7x2", false},
    {NULL, "5x7 3x7x2", false},
    {NULL, "3x5x7 3x7x2", false},
    {NULL, "2x1x5x3 7x3x2", false},
    {NULL, "1x5x3 7x3x2", false},
    {NULL, "7 3x7x5", false},
    {NULL, "5x5 5x5", false},
    {0},
};
static const struct nb_case outer_cases[] = {
    {NULL, "5 7", false}, {NULL, "3x5 3x7", false}, {NULL, "17 3x5", false}, {NULL, "3x1x5 7x2", false}, {0},
};
static const struct nb_case dot_cases[] = {
    {NULL, "17 17", false}, {NULL, "5x7 5x7", false}, {NULL, "5x33 33", false}, {NULL, "3x1x7 5x1", false}, {0},
};

static const struct nb_known matmul_mistakes[] = {
    {.code = "matmul_first_transposed", .of = "a", .formula = "g @ b", .hint = "Back through the first factor: g B^T."},
    {.code = "matmul_second_transposed",
     .of = "b",
     .formula = "a @ g",
     .hint = "Back through the second factor: A^T g."},
    {0},
};

const struct nb_module NB(nb_module_matmul)[] = {
    {
        .type = "MatMul",
        .mistakes = matmul_mistakes,
        .onnx = "MatMul",
        .summary = "Product of matrices; leading dimensions count them and broadcast.",
        .formula = "y = a\\,b",
        .derivative = "\\bar a = g\\,b^{\\mathsf T},\\quad \\bar b = a^{\\mathsf T} g",
        .note = "Vectors as in NumPy: on the left a row, on the right a column, and gone from the result.",
        .inputs = ports,
        .infer = matmul_infer,
        .forward = matmul_forward,
        .backward = matmul_backward,
        .jacobian = "A",
        .cases = matmul_cases,
    },
    {
        .type = "Outer",
        .summary = "Outer product over the last dimensions.",
        .formula = "y_{ij} = a_i b_j",
        .derivative = "\\bar a_i = \\sum_j g_{ij} b_j,\\quad \\bar b_j = \\sum_i g_{ij} a_i",
        .inputs = ports,
        .infer = outer_infer,
        .forward = outer_forward,
        .backward = outer_backward,
        .jacobian = "A",
        .cases = outer_cases,
    },
    {
        .type = "Dot",
        .summary = "Sum of the products of the entries along the last dimension.",
        .formula = "y = \\sum_i a_i b_i",
        .derivative = "\\bar a_i = g\\,b_i,\\quad \\bar b_i = g\\,a_i",
        .note = "The operands are broadcast first.",
        .inputs = ports,
        .infer = dot_infer,
        .forward = dot_forward,
        .backward = dot_backward,
        .jacobian = "A",
        .cases = dot_cases,
    },
    {0},
};
