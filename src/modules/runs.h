/* runs.h - loops along runs of adjacent entries of one channel, for the normalisations that have one scale for each. */
#ifndef NABLA_RUNS_H
#define NABLA_RUNS_H
#include "modules/norm.h"

NB_SIMD static void run_value(size_t n, const nb_real *x, nb_real high, nb_real low, nb_real a, nb_real b, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = ((x[i] - high) - low) * a + b;
}

NB_SIMD static void run_dots(size_t n, const nb_real *x, const nb_real *g, nb_sum mean, nb_sum *sum, nb_sum *dot)
{
    nb_sum s = 0, t = 0;
    NB_LOOP_SUM(s, t)
    for (size_t i = 0; i < n; i++) {
        s += g[i];
        t += g[i] * ((nb_sum)x[i] - mean);
    }
    *sum += s;
    *dot += t;
}

/* dx = a g - p - (x - mean) q */
NB_SIMD static void run_slope(size_t n, const nb_real *x, const nb_real *g, nb_real high, nb_real low, nb_real a,
                              nb_real p, nb_real q, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = a * g[i] - p - ((x[i] - high) - low) * q;
}

NB_SIMD static void run_times(size_t n, const nb_real *g, nb_real k, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = k * g[i];
}

#endif
