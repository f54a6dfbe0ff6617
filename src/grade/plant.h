/* plant.h - a mistake of a module in one evaluation of its backward. */
#ifndef NABLA_PLANT_H
#define NABLA_PLANT_H
#include "graph/session.h"

/* The right gradients are there (c->gin, c->gw): that of the mistake's operand is replaced by its formula.
 * 1 done; 0 here it cannot be made; -1 error. Scratch memory in the arena. */
int nb_plant(const struct nb_known *k, const struct nb_op *op, const struct nb_call *c, struct nb_arena *a,
             struct nb_error *e);
/* Whether the operand is there, and the mode is the mistake's. */
bool nb_plant_has(const struct nb_known *k, const struct nb_op *op, const struct nb_back *b, bool train);

#endif
