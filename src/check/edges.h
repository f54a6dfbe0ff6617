/* edges.h - the edges an operation met. */
#ifndef NABLA_EDGES_H
#define NABLA_EDGES_H
#include "nabla/arena.h"
#include "nabla/branch.h"

/* All of them, after forward of this call. None if the module does not branch. */
int nb_edges_collect(const struct nb_module *m, const struct nb_call *c, struct nb_arena *a, struct nb_branches *b,
                     struct nb_error *e);
/* True if this entry of an operand is at an edge. */
bool nb_edges_hold(const struct nb_branches *b, int port, int64_t index);

#endif
