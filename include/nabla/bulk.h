/* bulk.h - loops over many numbers that are not the work of a module, as fast as those. */
#ifndef NABLA_BULK_H
#define NABLA_BULK_H
#include "nabla/tensor.h"

struct nb_bulk {
    double (*squares)(size_t n, const void *x); /* their sum, not finite if a number is not */
    int (*finite)(size_t n, const void *x);     /* all are */
    void (*scale)(size_t n, void *x, double factor);
    void (*limit)(size_t n, void *x, double most); /* to -most ... most */
};
extern const struct nb_bulk nb_bulk_f, nb_bulk_d;

/* Of float32 or float64. */
static inline const struct nb_bulk *nb_bulk_of(enum nb_dtype t)
{
    return t == NB_F32 ? &nb_bulk_f : &nb_bulk_d;
}

/* Integers are finite. */
static inline int nb_all_finite(const struct nb_tensor *t)
{
    return (t->dtype != NB_F32 && t->dtype != NB_F64) ||
           nb_bulk_of(t->dtype)->finite((size_t)nb_count(&t->shape), t->data);
}

/* Rounded to float32; false if a finite number is beyond its range. */
int nb_bulk_narrow(size_t n, const double *x, float *to);

#endif
