/* nearest.h - the point of a convex set that is nearest to the origin (Wolfe 1976), for sets known by the point they
 * have farthest in any direction. */
#ifndef NABLA_NEAREST_H
#define NABLA_NEAREST_H
#include "nabla/arena.h"

struct nb_set {
    size_t n; /* coordinates */
    void *context;
    /* Of the set's points, one with the least product with this direction. */
    int (*farthest)(void *context, const double *direction, double *point, struct nb_error *e);
};

/* x: in, a direction to begin with; out, the nearest point. The search ends early where no coordinate exceeds
 * `enough`. */
int nb_nearest_point(const struct nb_set *set, double enough, struct nb_arena *a, double *x, struct nb_error *e);

#endif
