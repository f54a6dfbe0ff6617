/* bulk.c - the loops of bulk.h. There are none of complex numbers. */
#include "nabla/num.h"
#if NB_BUILD != 2
#include "nabla/bulk.h"
#include <float.h>

NB_SIMD static double squares_of(size_t n, const nb_real *restrict x)
{
    double sum = 0;
    NB_LOOP_SUM(sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

/* 0 times a finite number is 0, of anything else NaN. */
NB_SIMD static int all_finite(size_t n, const nb_real *restrict x)
{
    nb_real sum = 0;
    NB_LOOP_SUM(sum)
    for (size_t i = 0; i < n; i++)
        sum += 0 * x[i];
    return nb_re(sum) == 0;
}

NB_SIMD static void scale_all(size_t n, nb_real *restrict x, nb_real factor)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

NB_SIMD static void limit_all(size_t n, nb_real *restrict x, nb_real most)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real v = x[i], below = v > most ? most : v;
        x[i] = below < -most ? -most : below;
    }
}

static double squares(size_t n, const void *x)
{
    return squares_of(n, x);
}

static int finite_all(size_t n, const void *x)
{
    return all_finite(n, x);
}

static void scale(size_t n, void *x, double factor)
{
    scale_all(n, x, (nb_real)factor);
}

static void limit(size_t n, void *x, double most)
{
    limit_all(n, x, (nb_real)most);
}

const struct nb_bulk NB(nb_bulk) = {squares, finite_all, scale, limit};
#endif

#if NB_BUILD == 0
NB_SIMD static double narrow(size_t n, const double *restrict x, float *restrict to)
{
    double most = 0;
    NB_LOOP_MAX(most)
    for (size_t i = 0; i < n; i++) {
        double v = x[i], a = fabs(v), size = a == (double)INFINITY ? 0 : a;
        to[i] = (float)v;
        most = size > most ? size : most;
    }
    return most;
}

int nb_bulk_narrow(size_t n, const double *x, float *to)
{
    return narrow(n, x, to) <= FLT_MAX;
}
#endif
