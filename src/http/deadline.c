/* deadline.c - the list of connections and the thread that walks it. */
#include "http/deadline.h"
#include "http/options.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

struct nb_deadline {
    struct nb_deadline *next, **from;
    int fd;
    int64_t body_start; /* milliseconds; 0: no body under way */
    atomic_llong due;   /* milliseconds; LLONG_MAX: none */
};

static struct {
    pthread_mutex_t lock;
    struct nb_deadline *all;
    pthread_t thread;
    atomic_bool stop;
    void (*every_tick)(void);
} reaper = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Under the lock a listed descriptor is the right one: "closed" is told before it is closed. */
static void shut_late_ones(void)
{
    int64_t t = now();
    pthread_mutex_lock(&reaper.lock);
    for (struct nb_deadline *d = reaper.all; d; d = d->next)
        if (atomic_load_explicit(&d->due, memory_order_relaxed) < t) {
            shutdown(d->fd, SHUT_RDWR);
            nb_deadline_none(d);
        }
    pthread_mutex_unlock(&reaper.lock);
}

static void *reap(void *unused)
{
    const struct timespec tick = {0, 200000000};
    while (!atomic_load(&reaper.stop)) {
        nanosleep(&tick, NULL);
        shut_late_ones();
        reaper.every_tick();
    }
    return unused;
}

int nb_deadlines_start(void (*every_tick)(void), struct nb_error *e)
{
    reaper.every_tick = every_tick;
    if (pthread_create(&reaper.thread, NULL, reap, NULL))
        return nb_fail(e, NB_E_internal, "the thread for deadlines could not be started");
    return 0;
}

void nb_deadlines_stop(void)
{
    atomic_store(&reaper.stop, true);
    pthread_join(reaper.thread, NULL);
}

struct nb_deadline *nb_deadline_new(int fd)
{
    struct nb_deadline *d = malloc(sizeof *d);
    if (!d)
        return NULL;
    d->fd = fd;
    nb_deadline_header(d);
    pthread_mutex_lock(&reaper.lock);
    d->next = reaper.all;
    d->from = &reaper.all;
    if (d->next)
        d->next->from = &d->next;
    reaper.all = d;
    pthread_mutex_unlock(&reaper.lock);
    return d;
}

void nb_deadline_free(struct nb_deadline *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&reaper.lock);
    *d->from = d->next;
    if (d->next)
        d->next->from = d->from;
    pthread_mutex_unlock(&reaper.lock);
    free(d);
}

static void set(struct nb_deadline *d, int64_t due)
{
    if (d)
        atomic_store_explicit(&d->due, due, memory_order_relaxed);
}

static int64_t allowed(int64_t seconds, size_t bytes)
{
    return seconds * 1000 + (int64_t)((double)bytes / (double)nb_options.smallest_rate * 1000);
}

void nb_deadline_header(struct nb_deadline *d)
{
    set(d, now() + nb_options.header_seconds * 1000);
    if (d)
        d->body_start = 0;
}

void nb_deadline_body(struct nb_deadline *d, size_t came)
{
    if (!d)
        return;
    if (!d->body_start)
        d->body_start = now();
    set(d, d->body_start + allowed(nb_options.body_seconds, came));
}

void nb_deadline_reply(struct nb_deadline *d, size_t size)
{
    set(d, now() + allowed(nb_options.reply_seconds, size));
}

void nb_deadline_none(struct nb_deadline *d)
{
    set(d, INT64_MAX);
}
