/* pool.c - workers and their queue: one lock, held for a few pointers only. */
#include "http/pool.h"
#include "nabla/limits.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct worker {
    pthread_t thread;
    struct nb_job *job; /* what it runs now */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, quiet;
    struct nb_job *first, **last;
    int64_t waiting;
    int busy; /* workers with a job, until its finish has returned */
    bool closed;
    struct worker *workers;
    int n;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .last = &pool.first};

static struct nb_job *take(void)
{
    struct nb_job *j = pool.first;
    pool.first = j->next;
    if (!pool.first)
        pool.last = &pool.first;
    pool.waiting--;
    return j;
}

static struct nb_job *next_job(struct worker *w)
{
    pthread_mutex_lock(&pool.lock);
    while (!pool.first && !pool.closed)
        pthread_cond_wait(&pool.work, &pool.lock);
    w->job = pool.first ? take() : NULL;
    if (w->job) {
        w->job->state = NB_JOB_RUNNING;
        pool.busy++;
    }
    pthread_mutex_unlock(&pool.lock);
    return w->job;
}

/* True if the job is still ours to finish. */
static bool claim(struct worker *w)
{
    pthread_mutex_lock(&pool.lock);
    bool ours = w->job->state == NB_JOB_RUNNING;
    if (ours)
        w->job->state = NB_JOB_FINISHED;
    w->job = NULL;
    pthread_mutex_unlock(&pool.lock);
    return ours;
}

static void rest(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.busy--;
    pthread_cond_broadcast(&pool.quiet);
    pthread_mutex_unlock(&pool.lock);
}

static void *work(void *p)
{
    struct worker *w = p;
    for (struct nb_job *j; (j = next_job(w));) {
        j->run(j);
        if (claim(w)) {
            j->finish(j);
            rest();
        }
    }
    return NULL;
}

int nb_pool_start(int workers, struct nb_error *e)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.quiet, &monotonic);
    pool.workers = calloc((size_t)workers, sizeof *pool.workers);
    if (!pool.workers)
        return nb_fail_memory(e);
    for (; pool.n < workers; pool.n++)
        if (pthread_create(&pool.workers[pool.n].thread, NULL, work, &pool.workers[pool.n]))
            return nb_fail(e, NB_E_internal, "only %d of %d workers could be started", pool.n, workers);
    return 0;
}

int nb_pool_workers(void)
{
    return pool.n;
}

bool nb_pool_submit(struct nb_job *j)
{
    pthread_mutex_lock(&pool.lock);
    bool room = !pool.closed && pool.waiting < nb_limits.queue;
    if (room) {
        j->begin(j);
        j->next = NULL;
        j->state = NB_JOB_QUEUED;
        *pool.last = j;
        pool.last = &j->next;
        pool.waiting++;
    }
    pthread_mutex_unlock(&pool.lock);
    if (room)
        pthread_cond_signal(&pool.work);
    return room;
}

bool nb_pool_closed(void)
{
    pthread_mutex_lock(&pool.lock);
    bool closed = pool.closed;
    pthread_mutex_unlock(&pool.lock);
    return closed;
}

static void wait_quiet(int seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    while ((pool.first || pool.busy) && pthread_cond_timedwait(&pool.quiet, &pool.lock, &end) != ETIMEDOUT)
        ;
}

/* Calls abandon for all jobs that have not finished, and forgets them; true if one of them is running. */
static bool abandon_all(void)
{
    bool running = false;
    for (int i = 0; i < pool.n; i++) {
        struct nb_job *j = pool.workers[i].job;
        if (!j || j->state != NB_JOB_RUNNING)
            continue;
        running = true;
        pool.busy--;
        j->state = NB_JOB_ABANDONED;
        j->abandon(j);
    }
    while (pool.first) {
        struct nb_job *j = take();
        j->state = NB_JOB_ABANDONED;
        j->abandon(j);
    }
    return running;
}

bool nb_pool_stop(int seconds)
{
    pthread_mutex_lock(&pool.lock);
    pool.closed = true;
    pthread_cond_broadcast(&pool.work);
    wait_quiet(seconds);
    bool running = abandon_all();
    while (pool.busy) /* between run and the end of finish */
        pthread_cond_wait(&pool.quiet, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < pool.n && !running; i++)
        pthread_join(pool.workers[i].thread, NULL);
    return !running;
}
