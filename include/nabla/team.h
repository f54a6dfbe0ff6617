/* team.h - threads that help one caller with work in equal parts. They give way to threads that answer requests. */
#ifndef NABLA_TEAM_H
#define NABLA_TEAM_H
#include "nabla/error.h"

/* So many helpers; 0: callers work alone. Call once. */
int nb_team_start(int helpers, struct nb_error *e);
void nb_team_stop(void);
/* Slots a caller may use: helpers + 1. */
int nb_team_size(void);
/* Calls part(context, slot, i) for i in 0..n-1, each once, on the caller (slot 0) and on helpers that are free (other
 * slots); two parts never run in one slot at the same time. Returns when all have been done. Several callers at once:
 * one has the helpers, the others work alone. */
void nb_team_run(void (*part)(void *context, int slot, int i), void *context, int n);

/* The calling thread gives way to others by so many steps of nice. Not undone. */
void nb_give_way(int steps);

#endif
