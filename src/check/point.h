/* point.h - a point for a check: what the request left open is drawn from its seed. */
#ifndef NABLA_POINT_H
#define NABLA_POINT_H
#include "check/check.h"
#include "graph/net.h"

/* Completes run: sizes for free dimensions (odd, distinct: 5, 7, 3, 9, 11, ...), inputs with distinct entries that the
 * modules they feed can take, a cotangent far from constant for every output of the graph unless loss or cotangents are
 * given. What was drawn is listed in v->point and v->cotangents. `which`: 0 the first point; 1, 2, ... other ones,
 * whose cotangents stand at the outputs of modules with a given backward, if there are any. Learned tensors are the
 * graph's own. */
int nb_point_draw(struct nb_graph *g, struct nb_run *run, int which, struct nb_arena *a, struct nb_verdicts *v,
                  struct nb_error *e);
/* The graph with other learned tensors, by the seed: none changes its sign, and none is zero. */
struct nb_graph *nb_point_learned(struct nb_graph *g, const struct nb_net *net, struct nb_seed seed, int which,
                                  struct nb_arena *a, struct nb_error *e);
/* What samples are counted by: the free dimension the first input begins with that begins with one; else a fixed one
 * above 1. *input is its name; 0 and NULL: there is no such thing. */
void nb_point_batch(const struct nb_graph *g, const struct nb_net *net, const char **input, int64_t *size);
/* A cotangent that shows little of what sums and means do: its own mean is over half its size. */
bool nb_nearly_constant(const double *g, size_t n);

#endif
