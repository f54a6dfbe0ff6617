/* norm.h - what the normalisations share: mean and variance of a group of entries, kept in a form that loses nothing.
 *
 * Two passes, sums in double. The mean is kept as the sum of two numbers of the build, so that x - mean is right to the
 * last bit also where the mean is large and the numbers are single. */
#ifndef NABLA_NORM_H
#define NABLA_NORM_H
#include "nabla/kernel.h"
#include "nabla/module.h"

enum { NB_SUM_REALS = 2 }; /* room for an nb_sum, in nb_reals of whichever build */

/* Of each group: mean = high + low, scale = 1/sqrt(variance + eps). Normalised is ((x - high) - low) scale. */
struct nb_moments {
    nb_real *high, *low, *scale;
};

/* In c->saved; takes 3 groups nb_reals. */
static inline struct nb_moments nb_moments_of(void *saved, size_t groups)
{
    nb_real *high = saved;
    return (struct nb_moments){high, high + groups, high + 2 * groups};
}

static inline void nb_moments_set(const struct nb_moments *m, size_t group, nb_sum mean, nb_sum variance, double eps)
{
    m->high[group] = (nb_real)mean;
    m->low[group] = (nb_real)(mean - m->high[group]);
    m->scale[group] = 1 / nb_sqrt((nb_real)(variance + eps));
}

/* Sum of (x - mean)^2. */
NB_SIMD static nb_sum nb_squares(size_t n, const nb_real *x, nb_sum mean)
{
    nb_sum s = 0;
    NB_LOOP_SUM(s)
    for (size_t i = 0; i < n; i++)
        s += ((nb_sum)x[i] - mean) * ((nb_sum)x[i] - mean);
    return s;
}

#endif
