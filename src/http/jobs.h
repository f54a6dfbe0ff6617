/* jobs.h - a job on the wire. */
#ifndef NABLA_HTTP_JOBS_H
#define NABLA_HTTP_JOBS_H
#include "http/reply.h"
#include "store/jobs.h"

/* The job, if it is theirs who ask; unknown_job. */
int nb_job_look(struct nb_request *rq, const char *id, struct nb_job *j, struct nb_error *e);

const char *nb_job_state_name(enum nb_job_state s);
void nb_w_job(struct nb_writer *w, const struct nb_job *j);
/* The members done, of, worst and tensor of an object that is open. */
void nb_w_job_progress(struct nb_writer *w, const struct nb_job *j);

#endif
