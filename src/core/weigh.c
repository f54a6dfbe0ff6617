/* weigh.c - the loops of weigh.h, in the double build alone. */
#include "nabla/num.h"
#if NB_BUILD == 1
#include "nabla/weigh.h"

/* 0 where one of them is, whatever the other: a cotangent of 0 asks for nothing. */
static inline double times(double x, double y)
{
    double p = x * y;
    return (x == 0) | (y == 0) ? 0 : p;
}

/* ---- sums of products ------------------------------------------------------------------------------------------- */

static size_t down(size_t i, size_t step)
{
    return i - i % step;
}

enum { STRETCH = 16 };

/* STRETCH entries, all 0. */
static bool all_zero(const double *u)
{
    int some = 0;
    for (int i = 0; i < STRETCH; i++)
        some |= u[i] != 0;
    return !some;
}

struct nb_range nb_weigh_range(const struct nb_groups *g, const double *u)
{
    size_t first = 0, last = g->n, step = g->run == 1 ? g->groups : g->run ? g->run : 1;
    while (last >= STRETCH && all_zero(u + last - STRETCH))
        last -= STRETCH;
    while (last && u[last - 1] == 0)
        last--;
    while (first + STRETCH <= last && all_zero(u + first))
        first += STRETCH;
    while (first < last && u[first] == 0)
        first++;
    return (struct nb_range){down(first, step), down(last + step - 1, step)};
}

NB_SIMD static void add_rows(size_t first, size_t last, size_t groups, const double *restrict u,
                             const double *restrict v, double *restrict to)
{
    for (size_t j = first; j < last; j += groups) {
        NB_LOOP
        for (size_t b = 0; b < groups; b++)
            to[b] += times(u[j + b], v[j + b]);
    }
}

NB_SIMD static void add_runs(const struct nb_groups *g, size_t first, size_t last, const double *restrict u,
                             const double *restrict v, double *restrict to)
{
    size_t b = first / g->run % g->groups;
    for (size_t j = first; j < last; j += g->run, b = b + 1 == g->groups ? 0 : b + 1) {
        double sum = 0;
        NB_LOOP_SUM(sum)
        for (size_t i = j; i < j + g->run; i++)
            sum += times(u[i], v[i]);
        to[b] += sum;
    }
}

static void add_scattered(const struct nb_groups *g, size_t first, size_t last, const double *u, const double *v,
                          double *to)
{
    for (size_t j = first; j < last; j++)
        to[g->of[j]] += times(u[j], v[j]);
}

void nb_weigh(const struct nb_groups *g, size_t sets, const double *const *u, const struct nb_range *range,
              const double *v, double *to)
{
    for (size_t k = 0; k < sets; k++, to += g->groups)
        if (g->run == 1)
            add_rows(range[k].first, range[k].last, g->groups, u[k], v, to);
        else
            (g->run ? add_runs : add_scattered)(g, range[k].first, range[k].last, u[k], v, to);
}

/* ---- how certain they are ---------------------------------------------------------------------------------------- */

static inline double times_size(double v, double base, double share, double x)
{
    double s = fabs(v) + (share > 0 ? fabs(base) * share : 0);
    return v == 0 ? 0 : times(s, fabs(x));
}

static inline double times_square(double v, double x)
{
    return times(v * v, x);
}

NB_SIMD static void certainty_rows(const struct nb_groups *g, const struct nb_certainty *c, const double *restrict v,
                                   double *restrict to)
{
    size_t n = g->groups;
    double share = c->share, *restrict size = to + NB_SIZE * n, *restrict own = to + NB_OWN_SIZE * n;
    double *restrict variance = to + NB_VARIANCE * n, *restrict square = to + NB_SQUARES * n;
    double *restrict largest = to + NB_LARGEST * n;
    for (size_t j = 0; j < g->n; j += n) {
        const double *row = v + j, *base = c->base + j, *s = c->size + j, *o = c->own + j;
        const double *var = c->variance + j, *sq = c->square + j;
        NB_LOOP
        for (size_t b = 0; b < n; b++) {
            double d = row[b], a = fabs(d), most = largest[b];
            size[b] += times_size(d, base[b], share, s[b]);
            own[b] += times_size(d, base[b], share, o[b]);
            variance[b] += times_square(d, var[b]);
            square[b] += times_square(d, sq[b]);
            largest[b] = a > most ? a : most;
        }
    }
}

NB_SIMD static void certainty_run(size_t first, size_t n, const struct nb_certainty *c, const double *restrict v,
                                  double *restrict to, size_t step)
{
    double size = 0, own = 0, variance = 0, square = 0, largest = to[NB_LARGEST * step], share = c->share;
    const double *base = c->base + first, *s = c->size + first, *o = c->own + first;
    const double *var = c->variance + first, *sq = c->square + first;
    NB_LOOP_SUM(size, own, variance, square)
    for (size_t i = 0; i < n; i++) {
        double d = v[first + i];
        size += times_size(d, base[i], share, s[i]);
        own += times_size(d, base[i], share, o[i]);
        variance += times_square(d, var[i]);
        square += times_square(d, sq[i]);
    }
    NB_LOOP_MAX(largest)
    for (size_t i = 0; i < n; i++)
        largest = fabs(v[first + i]) > largest ? fabs(v[first + i]) : largest;
    to[NB_SIZE * step] += size;
    to[NB_OWN_SIZE * step] += own;
    to[NB_VARIANCE * step] += variance;
    to[NB_SQUARES * step] += square;
    to[NB_LARGEST * step] = largest;
}

static void certainty_scattered(const struct nb_groups *g, const struct nb_certainty *c, const double *v, double *to)
{
    for (size_t j = 0; j < g->n; j++) {
        double *t = to + g->of[j], a = fabs(v[j]);
        t[NB_SIZE * g->groups] += times_size(v[j], c->base[j], c->share, c->size[j]);
        t[NB_OWN_SIZE * g->groups] += times_size(v[j], c->base[j], c->share, c->own[j]);
        t[NB_VARIANCE * g->groups] += times_square(v[j], c->variance[j]);
        t[NB_SQUARES * g->groups] += times_square(v[j], c->square[j]);
        t[NB_LARGEST * g->groups] = a > t[NB_LARGEST * g->groups] ? a : t[NB_LARGEST * g->groups];
    }
}

void nb_weigh_certainty(const struct nb_groups *g, const struct nb_certainty *c, const double *v, double *to)
{
    if (g->run <= 1) {
        (g->run ? certainty_rows : certainty_scattered)(g, c, v, to);
        return;
    }
    for (size_t j = 0, b = 0; j < g->n; j += g->run, b = b + 1 == g->groups ? 0 : b + 1)
        certainty_run(j, g->run, c, v, to + b, g->groups);
}

/* ---- what an evaluation gave ------------------------------------------------------------------------------------- */

NB_SIMD static void differences_rows(const struct nb_groups *g, const double *restrict y, const double *restrict base,
                                     const double *restrict step, double *restrict v)
{
    for (size_t j = 0; j < g->n; j += g->groups) {
        NB_LOOP
        for (size_t b = 0; b < g->groups; b++)
            v[j + b] = (y[j + b] - base[j + b]) * step[b];
    }
}

NB_SIMD static void differences_runs(const struct nb_groups *g, const double *restrict y, const double *restrict base,
                                     const double *restrict step, double *restrict v)
{
    size_t b = 0;
    for (size_t j = 0; j < g->n; j += g->run, b = b + 1 == g->groups ? 0 : b + 1) {
        double s = step[b];
        NB_LOOP
        for (size_t i = j; i < j + g->run; i++)
            v[i] = (y[i] - base[i]) * s;
    }
}

void nb_weigh_differences(const struct nb_groups *g, const double *y, const double *base, const double *step, double *v)
{
    if (g->run)
        (g->run == 1 ? differences_rows : differences_runs)(g, y, base, step, v);
    for (size_t j = 0; j < g->n && !g->run; j++)
        v[j] = (y[j] - base[j]) * step[g->of[j]];
}

NB_SIMD void nb_weigh_imaginary(size_t n, const double _Complex *y, double scale, double *v)
{
    const double *parts = (const double *)y;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        v[i] = parts[2 * i + 1] * scale;
}

/* ---- numbers beside claims --------------------------------------------------------------------------------------- */

NB_SIMD void nb_weigh_agreement(size_t n, const double *claimed, const double *number, const double *bar, double rho,
                                double limit, struct nb_agreement *to)
{
    int64_t zero = 0, right = 0;
    double error = 0, loosest = 0, largest = 0;
    NB_PRAGMA(omp simd reduction(+ : zero, right) reduction(max : error, loosest, largest))
    for (size_t i = 0; i < n; i++) {
        double a = claimed[i], x = fabs(number[i]), d = fabs(a - number[i]), r = bar[i], inverse = 1 / x;
        bool agrees = (d <= rho * x) & (r < limit * x);
        double e = agrees ? d * inverse : 0, l = agrees ? r * inverse : 0;
        zero += (x == 0) & (a == 0);
        right += agrees;
        error = e > error ? e : error;
        loosest = l > loosest ? l : loosest;
        largest = x > largest ? x : largest;
    }
    *to = (struct nb_agreement){(size_t)zero, (size_t)right, error, loosest, largest};
}

NB_SIMD double nb_weigh_largest(size_t n, const double *x)
{
    double most = 0;
    NB_LOOP_MAX(most)
    for (size_t i = 0; i < n; i++) {
        double v = fabs(x[i]);
        most = v > most ? v : most;
    }
    return most;
}

#else
typedef int nb_weigh_nothing;
#endif
