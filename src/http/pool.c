/* pool.c - workers and their queue: one lock, held for a few pointers only. */
#include "http/pool.h"
#include "nabla/limits.h"
#include "nabla/team.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct worker {
    pthread_t thread;
    struct nb_pool *pool;
    struct nb_task *task; /* what it runs now */
};

struct nb_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, quiet;
    struct nb_task *first, **last;
    int64_t waiting;
    int busy; /* workers with a task, until its finish has returned */
    bool closed;
    struct worker *workers;
    int n, nice;
};

static struct nb_task *take(struct nb_pool *p)
{
    struct nb_task *t = p->first;
    p->first = t->next;
    if (!p->first)
        p->last = &p->first;
    p->waiting--;
    return t;
}

static struct nb_task *next_task(struct worker *w)
{
    struct nb_pool *p = w->pool;
    pthread_mutex_lock(&p->lock);
    while (!p->first && !p->closed)
        pthread_cond_wait(&p->work, &p->lock);
    w->task = p->first ? take(p) : NULL;
    if (w->task) {
        w->task->state = NB_TASK_RUNNING;
        p->busy++;
    }
    pthread_mutex_unlock(&p->lock);
    return w->task;
}

/* True if the task is still ours to finish. */
static bool claim(struct worker *w)
{
    struct nb_pool *p = w->pool;
    pthread_mutex_lock(&p->lock);
    bool ours = w->task->state == NB_TASK_RUNNING;
    if (ours)
        w->task->state = NB_TASK_FINISHED;
    w->task = NULL;
    pthread_mutex_unlock(&p->lock);
    return ours;
}

static void rest(struct nb_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->busy--;
    pthread_cond_broadcast(&p->quiet);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *self)
{
    struct worker *w = self;
    nb_give_way(w->pool->nice);
    for (struct nb_task *t; (t = next_task(w));) {
        t->run(t);
        if (claim(w)) {
            t->finish(t);
            rest(w->pool);
        }
    }
    return NULL;
}

static struct nb_pool *make(int threads, int nice, struct nb_error *e)
{
    pthread_condattr_t monotonic;
    struct nb_pool *p = calloc(1, sizeof *p);
    if (!p || !(p->workers = calloc((size_t)threads, sizeof *p->workers)))
        return free(p), nb_fail_memory(e), NULL;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->quiet, &monotonic);
    p->last = &p->first;
    p->nice = nice;
    return p;
}

struct nb_pool *nb_pool_new(int threads, int nice, struct nb_error *e)
{
    struct nb_pool *p = make(threads, nice, e);
    for (; p && p->n < threads; p->n++) {
        struct worker *w = &p->workers[p->n];
        w->pool = p;
        if (pthread_create(&w->thread, NULL, work, w))
            return nb_fail(e, NB_E_internal, "only %d of %d workers could be started", p->n, threads), NULL;
    }
    return p;
}

int nb_pool_threads(const struct nb_pool *p)
{
    return p->n;
}

bool nb_pool_submit(struct nb_pool *p, struct nb_task *t)
{
    pthread_mutex_lock(&p->lock);
    bool room = !p->closed && p->waiting < nb_limits.queue;
    if (room) {
        t->begin(t);
        t->next = NULL;
        t->state = NB_TASK_QUEUED;
        *p->last = t;
        p->last = &t->next;
        p->waiting++;
    }
    pthread_mutex_unlock(&p->lock);
    if (room)
        pthread_cond_signal(&p->work);
    return room;
}

bool nb_pool_closed(struct nb_pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool closed = p->closed;
    pthread_mutex_unlock(&p->lock);
    return closed;
}

static void wait_quiet(struct nb_pool *p, int seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    while ((p->first || p->busy) && pthread_cond_timedwait(&p->quiet, &p->lock, &end) != ETIMEDOUT)
        ;
}

/* Calls abandon for all tasks that have not finished, and forgets them; true if one of them is running. */
static bool abandon_all(struct nb_pool *p)
{
    bool running = false;
    for (int i = 0; i < p->n; i++) {
        struct nb_task *t = p->workers[i].task;
        if (!t || t->state != NB_TASK_RUNNING)
            continue;
        running = true;
        p->busy--;
        t->state = NB_TASK_ABANDONED;
        t->abandon(t);
    }
    while (p->first) {
        struct nb_task *t = take(p);
        t->state = NB_TASK_ABANDONED;
        t->abandon(t);
    }
    return running;
}

bool nb_pool_stop(struct nb_pool *p, int seconds)
{
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->work);
    wait_quiet(p, seconds);
    bool running = abandon_all(p);
    while (p->busy) /* between run and the end of finish */
        pthread_cond_wait(&p->quiet, &p->lock);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n && !running; i++)
        pthread_join(p->workers[i].thread, NULL);
    return !running;
}
