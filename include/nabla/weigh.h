/* weigh.h - loops of the checker over the outputs of many evaluations, in double.
 *
 * Outputs belong to groups that do not see each other; sums are taken for each group by itself. */
#ifndef NABLA_WEIGH_H
#define NABLA_WEIGH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Entry j of n belongs to group of[j], which is j / run % groups, unless run is 0: then it is not so simple. */
struct nb_groups {
    size_t n, groups, run;
    const int32_t *of;
};
/* Entries outside of first..last-1 are 0. Both are multiples of a run, or of the groups if a run is 1. */
struct nb_range {
    size_t first, last;
};
struct nb_range nb_weigh_range(const struct nb_groups *g, const double *u);

/* to[k * groups + b] += sum of u[k] v over group b, for k < sets; u[k] is 0 outside of range[k]. Here and below 0 times
 * anything is 0, infinity too. */
void nb_weigh(const struct nb_groups *g, size_t sets, const double *const *u, const struct nb_range *range,
              const double *v, double *to);

/* How certain sums of g v are: five numbers for each group, all of the first kind first. The size of v is |v| + |base|
 * * share. */
enum { NB_SIZE, NB_OWN_SIZE, NB_VARIANCE, NB_SQUARES, NB_LARGEST, NB_CERTAINTIES };
struct nb_certainty {
    const double *size, *own;        /* NB_SIZE, NB_OWN_SIZE += |size| or |own| times the size of v */
    const double *variance, *square; /* NB_VARIANCE, NB_SQUARES += v^2 times this */
    const double *base;
    double share;
};
void nb_weigh_certainty(const struct nb_groups *g, const struct nb_certainty *c, const double *v, double *to);

/* v = (y - base) * step of the group; v = Im y * scale. */
void nb_weigh_differences(const struct nb_groups *g, const double *y, const double *base, const double *step,
                          double *v);
void nb_weigh_imaginary(size_t n, const double _Complex *y, double scale, double *v);

/* A row of numbers beside those claimed: how many are both zero, and how many agree: |a - n| <= rho |n|, and the error
 * bar of n is below limit |n|; of these the largest |a - n| / |n| and bar / |n|, but for rounding. And the largest |n|.
 */
struct nb_agreement {
    size_t zero, right;
    double error, bar, largest;
};
void nb_weigh_agreement(size_t n, const double *claimed, const double *number, const double *bar, double rho,
                        double limit, struct nb_agreement *to);
/* largest |x| */
double nb_weigh_largest(size_t n, const double *x);

#endif
