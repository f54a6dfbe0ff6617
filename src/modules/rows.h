/* rows.h - tensors seen with other strides and as rows: what the modules that reduce, multiply and move entries share.
 * nb_pick and nb_place are in permute.c, the loops along a row in softmax.c. */
#ifndef NABLA_ROWS_H
#define NABLA_ROWS_H
#include "nabla/branch.h"
#include "nabla/kernel.h"
#include "nabla/module.h"

/* Entries with strides, which may be negative; the last size is the innermost loop. */
struct nb_layout {
    int rank;
    size_t size[NB_MAX_RANK];
    ptrdiff_t stride[NB_MAX_RANK];
};

/* dense = x by strides; x by strides = dense. */
void NB(nb_pick)(const struct nb_layout *l, const nb_real *x, nb_real *dense);
void NB(nb_place)(const struct nb_layout *l, const nb_real *dense, nb_real *x);

/* Number of entries, 0 while a size is not known. */
static inline size_t nb_known(const struct nb_shape *s)
{
    int64_t n = nb_count(s);
    return n > 0 ? (size_t)n : 0;
}

/* A tensor of known shape around one dimension: [outer, n, inner]. */
struct nb_around {
    size_t outer, n, inner;
};

static inline struct nb_around nb_around_of(const struct nb_shape *s, int axis)
{
    struct nb_around r = {1, (size_t)s->dim[axis], 1};
    for (int i = 0; i < s->rank; i++)
        if (i != axis)
            *(i < axis ? &r.outer : &r.inner) *= (size_t)s->dim[i];
    return r;
}

/* A tensor of known shape as [rows, n]: the dimensions in a mask are the rows' own, the others number the rows. */
struct nb_rows {
    size_t rows, n;
    bool dense;   /* the entries lie in this order */
    bool columns; /* they lie as [n, rows] */
    struct nb_layout layout;
};

static inline struct nb_layout nb_layout_of(const struct nb_shape *s)
{
    struct nb_layout l = {.rank = s->rank};
    ptrdiff_t stride = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        l.size[i] = (size_t)s->dim[i];
        l.stride[i] = stride;
        stride *= s->dim[i];
    }
    return l;
}

static inline struct nb_rows nb_rows_of(const struct nb_shape *s, unsigned mask)
{
    struct nb_layout l = nb_layout_of(s);
    struct nb_rows r = {.rows = 1, .n = 1, .dense = true, .columns = true};
    bool seen[2] = {false, false}; /* a dimension outside, inside the rows */
    for (int i = 0; i < l.rank; i++) {
        int in = mask >> i & 1;
        *(in ? &r.n : &r.rows) *= l.size[i];
        if (l.size[i] == 1)
            continue;
        r.dense &= in || !seen[1];
        r.columns &= !in || !seen[0];
        seen[in] = true;
    }
    for (int in = 0; in < 2; in++)
        for (int i = 0; i < l.rank; i++)
            if ((int)(mask >> i & 1) == in) {
                r.layout.size[r.layout.rank] = l.size[i];
                r.layout.stride[r.layout.rank++] = l.stride[i];
            }
    return r;
}

/* The rows of x: x itself if they are dense, else copied into work. */
static inline const nb_real *nb_rows_read(const struct nb_rows *r, const nb_real *x, nb_real *work)
{
    if (r->dense)
        return x;
    NB(nb_pick)(&r->layout, x, work);
    return work;
}

/* Where entry k of a row lies in x. */
static inline int64_t nb_row_place(const struct nb_rows *r, size_t row, size_t k)
{
    size_t i = row * r->n + k;
    ptrdiff_t place = 0;
    for (int d = r->layout.rank - 1; d >= 0; d--) {
        place += (ptrdiff_t)(i % r->layout.size[d]) * r->layout.stride[d];
        i /= r->layout.size[d];
    }
    return place;
}

/* The fault of a dim argument out of range. */
static inline void nb_axis_fault(const struct nb_infer *s, const char *arg, int64_t dim, int rank, struct nb_error *e)
{
    char text[200];
    nb_shape_text(&s->in[0], s->symbols, text, sizeof text);
    if (rank > 0)
        nb_fail(e, NB_E_bad_argument, "%s is %lld, wanted is %d <= %s < %d (the input is %s)", arg, (long long)dim,
                -rank, arg, rank, text);
    else
        nb_fail(e, NB_E_bad_argument, "%s is %lld, the input has no dimensions", arg, (long long)dim);
}

/* A dim argument as a dimension of a tensor with this many; -1 with the error set. */
static inline int nb_axis_in(const struct nb_infer *s, const char *arg, int64_t dim, int rank, struct nb_error *e)
{
    int axis = nb_axis(dim, rank);
    if (axis >= 0)
        return axis;
    nb_axis_fault(s, arg, dim, rank, e);
    return nb_at(e, arg);
}

/* Several dimensions, each at most once, as a mask; all of them if none is named. -1 with the error set. */
static inline int nb_axes_in(const struct nb_infer *s, const char *arg, const struct nb_ints *dims, unsigned *mask,
                             struct nb_error *e)
{
    int rank = s->in[0].rank;
    *mask = dims->n ? 0 : (1u << rank) - 1;
    for (size_t i = 0; i < dims->n; i++) {
        int axis = nb_axis(dims->v[i], rank);
        if (axis >= 0 && !(*mask >> axis & 1)) {
            *mask |= 1u << axis;
            continue;
        }
        if (axis < 0)
            nb_axis_fault(s, arg, dims->v[i], rank, e);
        else
            nb_fail(e, NB_E_bad_argument, "%s names dimension %d twice", arg, axis);
        if (!dims->single)
            nb_at_index(e, i);
        return nb_at(e, arg);
    }
    return 0;
}

/* The same where there are no errors any more. */
static inline unsigned nb_axes(const struct nb_ints *dims, int rank)
{
    unsigned mask = dims->n ? 0 : (1u << rank) - 1;
    for (size_t i = 0; i < dims->n; i++)
        mask |= 1u << nb_axis(dims->v[i], rank);
    return mask;
}

static inline nb_sum nb_sum_root(nb_sum x)
{
#if NB_BUILD == 2
    return nb_sqrt(x);
#else
    return sqrt(x);
#endif
}

/* Along one row, sums in double; in softmax x and y may be the same. */
nb_sum NB(nb_row_dot)(size_t n, const nb_real *a, const nb_real *b);
nb_real NB(nb_row_logsumexp)(size_t n, const nb_real *x);        /* -inf for a row of -inf */
void NB(nb_row_softmax)(size_t n, const nb_real *x, nb_real *y); /* zeros for a row of -inf */
nb_real NB(nb_row_norm)(size_t n, const nb_real *x, double p);   /* no overflow, no underflow */
/* dx = g times the derivative of the norm y; 0 where y is 0. In reductions.c. */
void NB(nb_row_norm_slope)(size_t n, const nb_real *x, nb_real y, double p, nb_real g, nb_real *dx);

#endif
