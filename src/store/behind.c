/* behind.c - steps of training: published at once, written a second later by a thread of its own.
 *
 * A step holds the lane of its graph all along and the lock `memory` for moments, so it waits for no disk. The thread
 * holds `disk` while it writes; steps go on meanwhile, and what they make is written the next time. */
#include "store/parts.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

pthread_mutex_t *nb_parts_lane(struct nb_store *s, const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return &s->lane[h % NB_LANES];
}

/* ---- writing: the lock `disk` is held ---------------------------------------------------------------------------- */

/* With disk held nobody takes an entry away: k stays. */
static struct nb_kept *take_dirty(struct nb_store *s, struct nb_entry *x, struct nb_graph **g)
{
    pthread_mutex_lock(&s->memory);
    struct nb_kept *k = nb_catalog_dirty(&s->catalog);
    if (k) {
        k->dirty = false;
        *x = k->info;
        *g = nb_graph_ref(k->graph);
    }
    pthread_mutex_unlock(&s->memory);
    return k;
}

static void note_written(struct nb_store *s, struct nb_kept *k, const struct nb_entry *x, struct nb_entry *was)
{
    pthread_mutex_lock(&s->memory);
    memcpy(was->parameters, k->parameters, sizeof was->parameters);
    memcpy(was->training, k->training, sizeof was->training);
    memcpy(k->parameters, x->parameters, sizeof k->parameters);
    memcpy(k->training, x->training, sizeof k->training);
    if (k->info.revision == x->revision) {
        memcpy(k->info.parameters, x->parameters, sizeof k->info.parameters);
        memcpy(k->info.training, x->training, sizeof k->info.training);
    }
    pthread_mutex_unlock(&s->memory);
}

static int write_one(struct nb_store *s, struct nb_kept *k, struct nb_entry *x, struct nb_graph *g, struct nb_error *e)
{
    struct nb_entry was;
    if (nb_parts_write_graph(s, g, x, e) || nb_database_put(s->database, x, nb_graph_text(g), e)) {
        pthread_mutex_lock(&s->memory);
        k->dirty = true;
        pthread_mutex_unlock(&s->memory);
        return -1;
    }
    note_written(s, k, x, &was);
    if (*was.parameters && strcmp(was.parameters, x->parameters))
        nb_parts_drop(s, was.parameters);
    if (*was.training && strcmp(was.training, x->training))
        nb_parts_drop(s, was.training);
    return 0;
}

/* Those that are dirty now: what becomes dirty meanwhile may wait. */
static int write_all(struct nb_store *s, struct nb_error *e)
{
    struct nb_entry x;
    struct nb_graph *g;
    struct nb_kept *k;
    int failed = 0;
    for (size_t most = s->catalog.n; most && !failed && (k = take_dirty(s, &x, &g)); most--) {
        failed = write_one(s, k, &x, g, e);
        nb_graph_unref(g);
    }
    return failed;
}

int nb_store_flush(struct nb_store *s, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = write_all(s, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static bool wait_a_second(struct nb_store *s)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec++;
    pthread_mutex_lock(&s->memory);
    while (!s->behind.stopping && !pthread_cond_timedwait(&s->behind.stop, &s->memory, &end))
        ;
    bool stopping = s->behind.stopping;
    pthread_mutex_unlock(&s->memory);
    return !stopping;
}

/* What fails is tried again a second later; readers have it from memory. */
static void *write_behind(void *store)
{
    while (wait_a_second(store)) {
        struct nb_error unsaid = {0};
        nb_store_flush(store, &unsaid);
    }
    return NULL;
}

void nb_parts_begin_behind(struct nb_store *s)
{
    struct timespec now;
    for (int i = 0; i < NB_LANES; i++)
        pthread_mutex_init(&s->lane[i], NULL);
    pthread_cond_init(&s->behind.stop, NULL);
    clock_gettime(CLOCK_REALTIME, &now);
    s->behind.tag = (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec; /* not those of an earlier run */
}

void nb_parts_end_behind(struct nb_store *s)
{
    struct nb_error unsaid = {0};
    pthread_mutex_lock(&s->memory);
    bool running = s->behind.running;
    s->behind.stopping = true;
    pthread_cond_signal(&s->behind.stop);
    pthread_mutex_unlock(&s->memory);
    if (running) {
        pthread_join(s->behind.thread, NULL);
        nb_store_flush(s, &unsaid);
    }
    pthread_cond_destroy(&s->behind.stop);
    for (int i = 0; i < NB_LANES; i++)
        pthread_mutex_destroy(&s->lane[i]);
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* Under `memory`. Without a thread nothing would ever be written: then there are no steps. */
static int have_thread(struct nb_store *s, struct nb_error *e)
{
    if (!s->behind.running && pthread_create(&s->behind.thread, NULL, write_behind, s))
        return nb_fail(e, NB_E_internal, "a thread that writes what is learned could not be started");
    s->behind.running = true;
    return 0;
}

static int publish(struct nb_store *s, struct nb_entry *x, struct nb_graph *next, struct nb_error *e)
{
    struct nb_graph *gone = NULL;
    nb_parts_stamp(x->updated);
    x->revision++;
    *x->parameters = *x->training = '\0';
    pthread_mutex_lock(&s->memory);
    int failed = have_thread(s, e);
    if (!failed) {
        snprintf(x->tag, sizeof x->tag, "%016llx", (unsigned long long)++s->behind.tag);
        gone = nb_catalog_advance(nb_catalog_find(&s->catalog, x->name), x, next);
    }
    pthread_mutex_unlock(&s->memory);
    nb_graph_unref(gone);
    return failed;
}

static int advance(struct nb_store *s, const char *name, nb_maker *make, void *context, struct nb_entry *info,
                   struct nb_error *e)
{
    struct nb_entry x;
    struct nb_graph *now = nb_store_get(s, name, &x, e), *next = now ? make(context, now, e) : NULL;
    int failed = next ? publish(s, &x, next, e) : -1;
    nb_graph_unref(next);
    nb_graph_unref(now);
    if (!failed && info)
        *info = x;
    return failed;
}

static bool in_memory(struct nb_store *s, const char *name)
{
    struct nb_graph *g = nb_store_peek(s, name);
    nb_graph_unref(g);
    return g;
}

int nb_store_advance(struct nb_store *s, const char *name, nb_maker *make, void *context, bool wait,
                     struct nb_entry *info, struct nb_error *e)
{
    pthread_mutex_t *lane = nb_parts_lane(s, name);
    if (wait)
        pthread_mutex_lock(lane);
    else if (!in_memory(s, name) || pthread_mutex_trylock(lane))
        return 1;
    int failed = advance(s, name, make, context, info, e);
    pthread_mutex_unlock(lane);
    return failed;
}
