/* foreman.h - takes jobs on, has them done, knows how each one stands. Memory for looking, the store for keeping. */
#ifndef NABLA_FOREMAN_H
#define NABLA_FOREMAN_H
#include "store/jobs.h"

/* So many at a time. Takes up what an earlier run of the daemon left. */
int nb_foreman_start(struct nb_store *store, int threads, struct nb_error *e);
/* Work under way stops at its next chunk, to be taken up again. True: all threads have ended in time. */
bool nb_foreman_stop(int seconds);

/* On disk when it returns 0. busy: too many wait. */
int nb_foreman_take(const struct nb_job *j, const struct nb_job_request *r, struct nb_error *e);
/* As it stands; strings are copied into the arena. unknown_job. */
int nb_foreman_look(const char *id, struct nb_arena *a, struct nb_job *j, struct nb_error *e);
/* All, in the order they came. */
int nb_foreman_list(struct nb_arena *a, struct nb_job **list, size_t *n, struct nb_error *e);
/* Grows whenever something about the job changes; 0: there is no such job. */
uint64_t nb_foreman_version(const char *id);
/* A job that is not over is cancelled; one that is over goes. */
int nb_foreman_drop(const char *id, bool *gone, struct nb_error *e);

#endif
