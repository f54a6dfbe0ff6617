/* oracle.h - numbers for a gradient that come from the forward alone. No backward is ever called from here.
 *
 * n_i = sum over outputs of g * dy/dx_i, by the complex step (h = 2^-664: Im y / h, no step error) and by central
 * differences in double, extrapolated, on a ladder of exact halving steps.
 *
 * How much rounding there is inside the forward cannot be seen from its result: lse(x) - x_t of a confident classifier
 * is 1e-8 made of terms of size 10. So it is measured: every leaf is moved by a unit in the last place or two, either
 * way, some times over, and what the result does then is its noise. */
#ifndef NABLA_ORACLE_H
#define NABLA_ORACLE_H
#include "graph/session.h"
#include <complex.h>
#ifndef CMPLX /* clang 14 with glibc */
#define CMPLX(x, y) __builtin_complex((double)(x), (double)(y))
#endif

struct nb_estimate {
    double value, bar; /* |value - truth| <= bar */
    bool moved;        /* some output reacted */
    bool found;        /* differences: a rung was accepted */
    bool crossed;      /* differences: all steps, however small, lie across a decision: a joint, a corner or a jump */
    int evaluations;
    bool refused; /* the forward does not take the values beside the point: a finite set */
    double terms; /* sum of |g dy/dx|: the size of what adds up to the value; differences: of the steeper sides */
    double h;     /* differences: the step of the rung that was taken */
    int halvings; /* of the first three */
};

struct nb_oracle {
    struct nb_session z, d; /* double complex and double */
    int nout;
    const int *out;                 /* the values whose cotangents are given */
    double **g;                     /* cotangents, double */
    double **base, **plus, **minus; /* outputs at the point and beside it */
    double **noise;                 /* what the outputs do when the leaves move by units in the last place */
    int nleaf, *leaf;               /* the leaves that may be moved so */
    double *keep, *jiggle;          /* their values meanwhile; by how much */
    uint64_t decisions;             /* of all operations at the point */
    double greatest;                /* of all numbers met on the way, and 1 */
    int64_t edges;                  /* values that stand at an edge of one */
    int64_t reals, complexes;       /* evaluations of the whole graph */
};

int nb_oracle_new(const struct nb_plan *plan, const struct nb_fed *fed, void *const *cotangent, struct nb_arena *a,
                  struct nb_oracle *o, struct nb_error *e);
/* One more of the same point, for another thread: with sessions of its own, it shares what was measured. */
int nb_oracle_twin(const struct nb_oracle *o, const struct nb_fed *fed, struct nb_arena *a, struct nb_oracle *twin,
                   struct nb_error *e);
/* Entry i of a leaf (an input or a learned tensor). */
int nb_complex_step(struct nb_oracle *o, int leaf, size_t i, struct nb_estimate *n, struct nb_error *e);
/* The largest slope of an output by this leaf, seen in one direction at x/4, x/16, x/64: slopes that are small at the
 * point may be large close by, and their rounding with them. Points that the forward refuses are passed over. */
double nb_companion_slope(struct nb_oracle *o, int leaf);
/* The largest cotangent. */
double nb_oracle_weight(const struct nb_oracle *o);
/* slope: the largest |dy/dx| known for this leaf; reach: sum of |x| over its entries. They size the rounding in the
 * bar. A step across which some operation decides otherwise than at the point counts for nothing, unless there is no
 * other. */
int nb_differences(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, struct nb_estimate *n,
                   struct nb_error *e);
/* How far off three central differences may be, each with half the step of the one before, besides their rounding. */
double nb_bend(double far, double mid, double near, double rounding);
/* The same, from smaller steps on: so many times halved. What turns round within the first steps may look settled. */
int nb_differences_below(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, int halved,
                         struct nb_estimate *n, struct nb_error *e);
/* What differences with step h cannot have seen: slopes of outputs that react to this entry, but too little to move. */
int nb_unmoved(struct nb_oracle *o, int leaf, size_t i, double h, double slope, double reach, double *hidden,
               struct nb_error *e);
/* Differences to the left and to the right with one step, and what rounding may do to each. */
struct nb_sides {
    double left, right, rounding;
};
int nb_one_sided(struct nb_oracle *o, int leaf, size_t i, double h, struct nb_sides *s, struct nb_error *e);
/* The noise of the complex step at this entry: how its value scatters when the leaves move. */
int nb_complex_noise(struct nb_oracle *o, int leaf, size_t i, double *noise, struct nb_error *e);
/* False for a leaf of which the forward takes a finite set of values: it cannot be moved by a unit in the last place.
 */
bool nb_oracle_moves(const struct nb_oracle *o, int leaf);
/* True if every output is finite at the point. */
bool nb_oracle_finite(const struct nb_oracle *o);

#endif
