/* probe_sets.c - a list under one lock; what is slow happens under the lock of a single set. */
#include "http/probe_sets.h"
#include "http/heard.h"
#include "http/gate.h"
#include "http/options.h"
#include "nabla/limits.h"
#include "wire/times.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    struct nb_probe_set *first; /* newest first */
    int64_t open;               /* made, and not over */
    size_t kept;                /* bytes of verdicts */
} sets = {.lock = PTHREAD_MUTEX_INITIALIZER};

enum { KEPT = 4 }; /* times --limit-probe-memory for all verdicts together */

static int64_t seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static int64_t left(const struct nb_probe_set *s)
{
    int64_t idle = s->touched + nb_options.probe_idle_seconds, life = s->created + nb_options.probe_life_seconds;
    return (idle < life ? idle : life) - seconds();
}

void nb_probe_set_touch(struct nb_probe_set *s)
{
    s->touched = seconds();
    nb_time_text(time(NULL) + (int64_t)left(s), s->expires);
}

/* ---- one set ----------------------------------------------------------------------------------------------------- */

static void free_set(struct nb_probe_set *s)
{
    nb_arena_done(&s->arena);
    pthread_mutex_destroy(&s->lock);
    free(s->verdict);
    nb_heard_forget(s);
    free(s);
}

/* Under the lock of the list. */
/* Open no longer, even while a request that is about to end still holds it. */
static void close_locked(struct nb_probe_set *s)
{
    sets.open -= s->open;
    s->open = false;
}

static void unuse_locked(struct nb_probe_set *s)
{
    if (--s->uses || !s->gone)
        return;
    close_locked(s);
    sets.kept -= s->kept;
    free_set(s);
}

static void unuse(void *set)
{
    pthread_mutex_lock(&sets.lock);
    unuse_locked(set);
    pthread_mutex_unlock(&sets.lock);
}

static int use(struct nb_request *rq, struct nb_probe_set *s, struct nb_error *e)
{
    return nb_when_done(rq, unuse, s, e);
}

struct nb_probe_set *nb_probe_set_new(struct nb_request *rq, struct nb_error *e)
{
    nb_probe_sets_sweep();
    struct nb_probe_set *s = calloc(1, sizeof *s);
    if (!s)
        return nb_fail_memory(e), NULL;
    pthread_mutex_lock(&sets.lock);
    bool full = sets.open >= nb_limits.probe_sets;
    sets.open += !full;
    pthread_mutex_unlock(&sets.lock);
    if (full) {
        nb_fail(e, NB_E_too_many_probes,
                "%lld probe sets are open; answer them, delete them, or wait until they expire",
                (long long)nb_limits.probe_sets);
        e->option = "--limit-probe-sets";
        free(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    nb_arena_init(&s->arena, (size_t)nb_limits.probe_memory);
    s->arena.limit = "probe_memory";
    memcpy(s->id, "pr_", 3);
    nb_seed_text(nb_seed_next(), s->id + 3);
    memcpy(s->owner, rq->who.label, sizeof s->owner);
    s->created = seconds();
    nb_probe_set_touch(s);
    s->uses = 1;
    s->open = true;
    s->gone = true; /* until it is published */
    return use(rq, s, e) ? NULL : s;
}

void nb_probe_set_publish(struct nb_probe_set *s)
{
    pthread_mutex_lock(&sets.lock);
    s->gone = false;
    s->next = sets.first;
    sets.first = s;
    pthread_mutex_unlock(&sets.lock);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

/* Where it stands, or the end. */
static struct nb_probe_set **place_of(const struct nb_request *rq, const char *id)
{
    struct nb_probe_set **p = &sets.first;
    while (*p && (strcmp((*p)->id, id) || !nb_owns(rq, (*p)->owner)))
        p = &(*p)->next;
    return p;
}

static int no_such(const char *id, struct nb_error *e)
{
    return nb_fail(e, NB_E_unknown_probes, "there is no probe set %.40s", id);
}

struct nb_probe_set *nb_probe_set_find(struct nb_request *rq, const char *id, struct nb_error *e)
{
    nb_probe_sets_sweep();
    pthread_mutex_lock(&sets.lock);
    struct nb_probe_set *s = *place_of(rq, id);
    if (s)
        s->uses++;
    pthread_mutex_unlock(&sets.lock);
    if (!s)
        return no_such(id, e), NULL;
    return use(rq, s, e) ? NULL : s;
}

/* Under the lock of the list. */
static void take_off(struct nb_probe_set **at)
{
    struct nb_probe_set *s = *at;
    *at = s->next;
    s->gone = true;
    close_locked(s);
    s->uses++;
    unuse_locked(s);
}

int nb_probe_set_drop(struct nb_request *rq, const char *id, struct nb_error *e)
{
    nb_probe_sets_sweep();
    pthread_mutex_lock(&sets.lock);
    struct nb_probe_set **at = place_of(rq, id);
    bool found = *at;
    if (found)
        take_off(at);
    pthread_mutex_unlock(&sets.lock);
    return found ? 0 : no_such(id, e);
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

void nb_probe_set_end(struct nb_probe_set *s, const char *verdict, size_t size)
{
    char *copy = verdict ? malloc(size + 1) : NULL;
    if (copy)
        memcpy(copy, verdict, size);
    nb_arena_done(&s->arena);
    pthread_mutex_lock(&sets.lock);
    close_locked(s);
    s->kept = copy ? size + nb_heard_size(s) : 0;
    sets.kept += s->kept;
    s->p = NULL;
    s->state = copy ? NB_PROBES_DONE : NB_PROBES_EXPIRED;
    s->verdict = copy;
    s->size = copy ? size : 0;
    s->ended = seconds();
    pthread_mutex_unlock(&sets.lock);
}

int nb_probe_set_alive(struct nb_probe_set *s, struct nb_error *e)
{
    if (s->state == NB_PROBES_ASKING && left(s) <= 0)
        nb_probe_set_end(s, NULL, 0);
    if (s->state == NB_PROBES_EXPIRED)
        return nb_fail(e, NB_E_probe_expired,
                       "the probe set is over: it waits %lld seconds for answers and %lld in all; open another one",
                       (long long)nb_options.probe_idle_seconds, (long long)nb_options.probe_life_seconds);
    return 0;
}

/* One that waits in vain and that nobody uses just now. */
static void expire_one(struct nb_probe_set *s)
{
    if (pthread_mutex_trylock(&s->lock))
        return;
    if (s->state == NB_PROBES_ASKING && left(s) <= 0)
        nb_probe_set_end(s, NULL, 0);
    pthread_mutex_unlock(&s->lock);
}

static bool too_much(int64_t over)
{
    return over > nb_limits.results || sets.kept > (size_t)(KEPT * nb_limits.probe_memory);
}

/* Of those that are over: the first that ended, if it is too old or there are too many. */
static struct nb_probe_set **stale_one(void)
{
    struct nb_probe_set **oldest = NULL;
    int64_t over = 0;
    for (struct nb_probe_set **p = &sets.first; *p; p = &(*p)->next) {
        if ((*p)->uses || (*p)->state == NB_PROBES_ASKING)
            continue;
        over++;
        if (!oldest || (*p)->ended <= (*oldest)->ended)
            oldest = p;
    }
    return oldest && (too_much(over) || seconds() - (*oldest)->ended >= nb_options.result_seconds) ? oldest : NULL;
}

/* Drops what is stale, and finds one that is late. What others may be changing is not looked at. */
static struct nb_probe_set *next_late(void)
{
    struct nb_probe_set *s, **stale;
    pthread_mutex_lock(&sets.lock);
    while ((stale = stale_one()))
        take_off(stale);
    for (s = sets.first; s && (s->uses || s->state != NB_PROBES_ASKING || left(s) > 0);)
        s = s->next;
    if (s)
        s->uses++;
    pthread_mutex_unlock(&sets.lock);
    return s;
}

void nb_probe_sets_sweep(void)
{
    struct nb_probe_set *s;
    while ((s = next_late())) {
        expire_one(s);
        unuse(s);
    }
}

void nb_probe_sets_stop(void)
{
    pthread_mutex_lock(&sets.lock);
    while (sets.first)
        take_off(&sets.first);
    pthread_mutex_unlock(&sets.lock);
}
