/* passes.h - the loops optimisers share. d is the gradient with the pull of weight decay: g + decay p. */
#ifndef NABLA_PASSES_H
#define NABLA_PASSES_H
#include "nabla/num.h"
#include "train/optimiser.h"

/* to = keep m + take d */
NB_SIMD static inline void nb_average(size_t n, nb_real keep, nb_real take, nb_real decay, const nb_real *restrict p,
                                      const nb_real *restrict g, const nb_real *restrict m, nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = keep * m[i] + take * (g[i] + decay * p[i]);
}

/* to = keep m + take d^2 */
NB_SIMD static inline void nb_average_squares(size_t n, nb_real keep, nb_real take, nb_real decay,
                                              const nb_real *restrict p, const nb_real *restrict g,
                                              const nb_real *restrict m, nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real d = g[i] + decay * p[i];
        to[i] = keep * m[i] + take * d * d;
    }
}

#endif
