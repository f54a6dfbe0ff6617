/* point.h - a point for a check: what the request left open is drawn from its seed. */
#ifndef NABLA_POINT_H
#define NABLA_POINT_H
#include "check/check.h"

/* Completes run: sizes for free dimensions (odd, distinct: 5, 7, 3, 11, 13), inputs with entries of both signs, a
 * cotangent that is not constant for every output of the graph unless loss or cotangents are given. What was drawn is
 * listed in v->point. */
int nb_point_draw(struct nb_graph *g, struct nb_run *run, struct nb_arena *a, struct nb_verdicts *v,
                  struct nb_error *e);

#endif
