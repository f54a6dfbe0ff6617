/* jobrows.h - the rows of jobs and their results, in SQLite. Used by one thread at a time; each change is one
 * transaction. */
#ifndef NABLA_JOBROWS_H
#define NABLA_JOBROWS_H
#include "store/jobs.h"

struct sqlite3;

int nb_jobrow_put(struct sqlite3 *db, const struct nb_job *j, const struct nb_job_request *r, struct nb_error *e);
int nb_jobrow_each(struct sqlite3 *db, int (*row)(void *context, const struct nb_job *j, struct nb_error *e),
                   void *context, struct nb_error *e);
/* What was asked; the description of the graph it is about, or NULL. Owned by the arena. */
int nb_jobrow_request(struct sqlite3 *db, const char *id, struct nb_arena *a, struct nb_job_request *r,
                      char **description, struct nb_error *e);
/* The hash of its parameters, or "". */
void nb_jobrow_parameters(struct sqlite3 *db, const char *id, char hash[65]);
int nb_jobrow_end(struct sqlite3 *db, const struct nb_job *j, const struct nb_job_result *results, size_t n,
                  struct nb_error *e);
int nb_jobrow_keep(struct sqlite3 *db, const char *id, const struct nb_job_result *results, size_t n,
                   struct nb_error *e);
int nb_jobrow_result(struct sqlite3 *db, const char *id, const char *type, struct nb_arena *a, struct nb_job_result *r,
                     struct nb_error *e);
const char **nb_jobrow_types(struct sqlite3 *db, const char *id, struct nb_arena *a, struct nb_error *e);
int nb_jobrow_remove(struct sqlite3 *db, const char *id, struct nb_error *e);
/* Is there such a job, and is it still to be done? */
bool nb_jobrow_open(struct sqlite3 *db, const char *id);

#endif
