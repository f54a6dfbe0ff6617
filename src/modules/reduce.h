/* reduce.h - arguments, shapes and loops of the reductions over one or several dimensions. */
#ifndef NABLA_REDUCE_H
#define NABLA_REDUCE_H
#include "modules/rows.h"
#include <string.h>

/* Begins the argument struct of every reduction. */
struct nb_reduce {
    struct nb_ints dim;
    int64_t keepdim;
};

#define NB_REDUCE_DIM                                                                                                  \
    {                                                                                                                  \
        "dim", NB_ARG_INTS, offsetof(struct nb_reduce, dim), 0, 0, 0, 0, NULL,                                         \
            "one dimension or several; all of them if left out"                                                        \
    }
#define NB_REDUCE_KEEPDIM                                                                                              \
    {                                                                                                                  \
        "keepdim", NB_ARG_BOOL, offsetof(struct nb_reduce, keepdim), 0, 0, 0, 0, NULL,                                 \
            "keeps the reduced dimensions, with size 1"                                                                \
    }

static const struct nb_port nb_reduce_ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

/* The shape with the dimensions of the mask gone, or kept with size 1. */
static inline struct nb_shape nb_reduced(const struct nb_shape *s, unsigned mask, bool keep)
{
    struct nb_shape out = {.rank = 0};
    for (int i = 0; i < s->rank; i++)
        if (!(mask >> i & 1))
            out.dim[out.rank++] = s->dim[i];
        else if (keep)
            out.dim[out.rank++] = 1;
    return out;
}

static inline int nb_reduce_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_reduce *args = s->args;
    unsigned mask;
    if (nb_axes_in(s, "dim", &args->dim, &mask, e))
        return -1;
    for (int i = 0; i < s->nout; i++)
        s->out[i] = nb_reduced(&s->in[0], mask, args->keepdim);
    if (nb_known(&s->in[0]) && !nb_rows_of(&s->in[0], mask).dense)
        s->work = 2 * nb_known(&s->in[0]);
    return 0;
}

static inline struct nb_rows nb_reduce_rows(const struct nb_call *c)
{
    const struct nb_reduce *args = c->args;
    return nb_rows_of(&c->in[0].shape, nb_axes(&args->dim, c->in[0].shape.rank));
}

/* One number for each row. */
typedef nb_real nb_row_value(const void *args, size_t n, const nb_real *x);
/* dx = g times the derivative. scratch follows the copies of the rows in c->work. */
typedef void nb_row_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *scratch);

static inline int nb_reduce_forward(const struct nb_call *c, nb_row_value *value)
{
    struct nb_rows r = nb_reduce_rows(c);
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work);
    nb_real *y = c->out[0].data;
    for (size_t i = 0; i < r.rows; i++)
        y[i] = value(c->args, r.n, x + i * r.n);
    return 0;
}

static inline int nb_reduce_backward(const struct nb_call *c, nb_row_slope *slope)
{
    if (!c->gin[0].data)
        return 0;
    struct nb_rows r = nb_reduce_rows(c);
    size_t count = r.rows * r.n;
    nb_real *work = c->work;
    const nb_real *x = nb_rows_read(&r, c->in[0].data, work), *g = c->gout[0].data;
    nb_real *dx = r.dense ? c->gin[0].data : work + count;
    for (size_t i = 0; i < r.rows; i++)
        slope(c->args, r.n, x + i * r.n, g[i], dx + i * r.n, (nb_sum *)(r.dense ? work : work + 2 * count));
    if (!r.dense)
        NB(nb_place)(&r.layout, dx, c->gin[0].data);
    return 0;
}

#endif
