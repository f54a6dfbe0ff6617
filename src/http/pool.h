/* pool.h - a fixed number of workers behind one bounded queue. */
#ifndef NABLA_POOL_H
#define NABLA_POOL_H
#include "nabla/error.h"
#include <stdbool.h>

enum nb_job_state { NB_JOB_IDLE, NB_JOB_QUEUED, NB_JOB_RUNNING, NB_JOB_FINISHED, NB_JOB_ABANDONED };

struct nb_job {
    struct nb_job *next;
    enum nb_job_state state;           /* the pool's, under its lock */
    void (*begin)(struct nb_job *j);   /* called by nb_pool_submit just before workers can see the job */
    void (*run)(struct nb_job *j);     /* on a worker */
    void (*finish)(struct nb_job *j);  /* on the worker, after run; the job may be gone when it returns */
    void (*abandon)(struct nb_job *j); /* when stopping, instead of finish: run did not begin, or still goes on */
};

int nb_pool_start(int workers, struct nb_error *e);
int nb_pool_workers(void);
/* False, and nothing has happened: the queue is full or the pool is closed. */
bool nb_pool_submit(struct nb_job *j);
bool nb_pool_closed(void);
/* Takes no more jobs, lets those there are end for at most so many seconds, abandons the rest.
 * True: all workers have ended; false: some job still runs, so the process must end without freeing what jobs use. */
bool nb_pool_stop(int seconds);

#endif
