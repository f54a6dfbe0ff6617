/* pool.h - a fixed number of threads behind one bounded queue. */
#ifndef NABLA_POOL_H
#define NABLA_POOL_H
#include "nabla/error.h"
#include <stdbool.h>

enum nb_task_state { NB_TASK_IDLE, NB_TASK_QUEUED, NB_TASK_RUNNING, NB_TASK_FINISHED, NB_TASK_ABANDONED };

struct nb_task {
    struct nb_task *next;
    enum nb_task_state state;           /* the pool's, under its lock */
    void (*begin)(struct nb_task *t);   /* called by nb_pool_submit just before threads can see the task */
    void (*run)(struct nb_task *t);     /* on a thread of the pool */
    void (*finish)(struct nb_task *t);  /* on that thread, after run; the task may be gone when it returns */
    void (*abandon)(struct nb_task *t); /* when stopping, instead of finish: run did not begin, or still goes on */
};

struct nb_pool;

/* Threads that give way to others by so many steps of nice. A pool lives as long as the process. */
struct nb_pool *nb_pool_new(int threads, int nice, struct nb_error *e);
int nb_pool_threads(const struct nb_pool *p);
/* False, and nothing has happened: the queue is full or the pool is closed. */
bool nb_pool_submit(struct nb_pool *p, struct nb_task *t);
bool nb_pool_closed(struct nb_pool *p);
/* Takes no more tasks, lets those there are end for at most so many seconds, abandons the rest.
 * True: all threads have ended; false: some task still runs, so the process must end without freeing what tasks use. */
bool nb_pool_stop(struct nb_pool *p, int seconds);

#endif
