/* defer.h - a request becomes a job, and a job a request again. Whatever its handler does with rq->watch, it works for
 * every route that is LONG. */
#ifndef NABLA_DEFER_H
#define NABLA_DEFER_H
#include "http/request.h"
#include "store/jobs.h"

/* In place of the handler. The handler is tried first, up to its watch's first call: what is wrong with the request is
 * said at once. 202 when the job is on disk. */
int nb_defer(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e);

/* Runs the handler for a job. The results, at most NB_MAX_FORMS, lie in the arena; a handler that fails may leave some,
 * too. */
int nb_deferred_run(struct nb_store *store, const struct nb_job *j, const struct nb_watch *watch, struct nb_arena *a,
                    struct nb_job_result *results, size_t *n, struct nb_error *e);
/* Two runs with the same signature count the same numbers in the same chunks. */
const char *nb_deferred_signature(char buf[200]);

#endif
