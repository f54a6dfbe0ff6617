/* places.h - indexes read from a port: whole numbers from 0 on, of an integer tensor or of one that was computed. */
#ifndef NABLA_PLACES_H
#define NABLA_PLACES_H
#include "modules/rows.h"
#include <string.h>

/* The fault set in e lies at entry i of input `port`. Always -1. */
static inline int nb_place_fault(const struct nb_call *c, int port, size_t i, struct nb_error *e)
{
    const struct nb_shape *s = &c->in[port].shape;
    e->port = 1 + port;
    for (int d = s->rank - 1; d >= 0; d--) {
        nb_at_index(e, i % (size_t)s->dim[d]);
        i /= (size_t)s->dim[d];
    }
    return -1;
}

static inline int nb_bad_place(const struct nb_call *c, int port, size_t i, size_t n, struct nb_error *e)
{
    nb_fail(e, NB_E_bad_index, "an index is whole, from 0 to %lld; %.15g came", (long long)n - 1,
            nb_number(&c->in[port], i));
    return nb_place_fault(c, port, i, e);
}

/* All entries are whole numbers from 0 to n - 1. */
static inline int nb_check_places(const struct nb_call *c, int port, size_t n, struct nb_error *e)
{
    const struct nb_tensor *t = &c->in[port];
    size_t count = (size_t)nb_count(&t->shape);
    if (t->dtype == NB_I64) {
        const int64_t *x = t->data;
        for (size_t i = 0; i < count; i++)
            if (x[i] < 0 || (uint64_t)x[i] >= n)
                return nb_bad_place(c, port, i, n, e);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        double v = nb_number(t, i);
        if (!(v >= 0 && v < (double)n && v == floor(v)))
            return nb_bad_place(c, port, i, n, e);
    }
    return 0;
}

static inline size_t nb_place_at(const struct nb_tensor *t, size_t i)
{
    return t->dtype == NB_I64 ? (size_t)((const int64_t *)t->data)[i] : (size_t)nb_number(t, i);
}

/* Indexes are whole: their derivative is 0 wherever it exists. */
static inline void nb_zero(const struct nb_tensor *t)
{
    if (t->data)
        memset(t->data, 0, (size_t)nb_count(&t->shape) * sizeof(nb_real));
}

/* n entries copied, or added; short rows without a call. */
static inline void nb_row_copy(size_t n, const nb_real *x, nb_real *y)
{
    if (n == 1)
        *y = *x;
    else
        memcpy(y, x, n * sizeof *y);
}

static inline void nb_row_add(size_t n, const nb_real *x, nb_real *y)
{
    if (n == 1)
        *y += *x;
    else
        NB(nb_add)(n, x, y);
}

#endif
