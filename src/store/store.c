/* store.c - what is kept: rows in the database, weights in files, entries and snapshots in memory.
 *
 * Three locks, taken in this order. `lane`: changes of one graph go one after the other (behind.c). `disk`: whoever
 * changes something, or builds a snapshot from disk, does it alone. A change is the file of weights, then the row that
 * names it (from here on it is true), then the catalog, then what nobody names any more goes. `memory`: the catalog,
 * held for moments; all that a graph in memory needs. */
#include "store/store.h"
#include "nabla/limits.h"
#include "store/clock.h"
#include "store/courserows.h"
#include "store/parts.h"
#include "train/memory.h"
#include "wire/safetensors.h"
#include "wire/times.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_BUILT = 1024 };

/* ---- begin and end ------------------------------------------------------------------------------------------------
 */

static bool wanted(void *context, const char *hash)
{
    return nb_database_names(context, hash) != 0;
}

static int remember(void *context, const struct nb_entry *entry, struct nb_error *e)
{
    if (nb_catalog_reserve(context, e))
        return -1;
    nb_catalog_put(context, entry, NULL);
    return 0;
}

static int open_parts(struct nb_store *s, const char *directory, struct nb_error *e)
{
    if (nb_files_open(&s->files, directory, e))
        return -1;
    s->database = nb_database_open(directory, e);
    if (!s->database || nb_database_each(s->database, remember, &s->catalog, e) || nb_keyring_load(s, e))
        return -1;
    return nb_files_clean(&s->files, wanted, s->database, e) || nb_parts_clean_journals(s, e) ? -1 : 0;
}

struct nb_store *nb_store_open(const char *directory, struct nb_error *e)
{
    struct nb_store *s = calloc(1, sizeof *s);
    if (!s)
        return nb_fail_memory(e), NULL;
    pthread_mutex_init(&s->disk, NULL);
    pthread_mutex_init(&s->memory, NULL);
    nb_parts_begin_behind(s);
    nb_catalog_init(&s->catalog, MOST_BUILT);
    if (open_parts(s, directory, e) == 0)
        return s;
    nb_store_close(s);
    return NULL;
}

void nb_store_close(struct nb_store *s)
{
    if (!s)
        return;
    nb_parts_end_behind(s);
    nb_catalog_done(&s->catalog);
    nb_keyring_done(&s->keys);
    nb_database_close(s->database);
    nb_files_close(&s->files);
    pthread_mutex_destroy(&s->disk);
    pthread_mutex_destroy(&s->memory);
    free(s);
}

void nb_store_tick(struct nb_store *s)
{
    struct nb_error unsaid = {0};
    int64_t now = nb_clock();
    if (pthread_mutex_trylock(&s->disk))
        return;
    nb_keyring_expire(s, now, &unsaid);
    if (now != s->expired_at && !nb_courserows_expire(s->database, now, &unsaid))
        s->expired_at = now;
    pthread_mutex_unlock(&s->disk);
}

/* ---- looking ------------------------------------------------------------------------------------------------------
 */

/* The entry of the moment, and its snapshot with a new reference if it is in memory. */
static bool look(struct nb_store *s, const char *name, struct nb_entry *info, struct nb_graph **g)
{
    pthread_mutex_lock(&s->memory);
    struct nb_kept *k = nb_catalog_find(&s->catalog, name);
    *g = k ? nb_catalog_use(&s->catalog, k) : NULL;
    if (k)
        *info = k->info;
    pthread_mutex_unlock(&s->memory);
    return k;
}

static int fail_unknown(const char *name, struct nb_error *e)
{
    return nb_fail(e, NB_E_unknown_graph, "there is no graph %.64s", name);
}

/* Our own text and parameters: what is wrong with them now is not the client's fault. */
static struct nb_graph *build_from(const char *description, const struct nb_tensors *parameters, struct nb_error *e)
{
    struct nb_error why = {0};
    json_t *j = json_loads(description, JSON_REJECT_DUPLICATES, NULL);
    struct nb_graph *g = j ? nb_graph_new(j, parameters, (struct nb_seed){0, 0}, &why) : NULL;
    json_decref(j);
    if (!g && (why.code == NB_E_limit || why.code == NB_E_out_of_memory))
        *e = why;
    else if (!g)
        nb_fail(e, NB_E_store_failed, "the stored graph can no longer be read: %.500s", why.detail);
    return g;
}

struct nb_graph *nb_parts_graph(struct nb_store *s, const char *description, const char *hash, struct nb_error *e)
{
    struct nb_arena a;
    struct nb_tensors parameters = {0};
    struct nb_graph *g = NULL;
    void *bytes;
    size_t n;
    nb_arena_init(&a, 2 * (size_t)nb_limits.graph_memory); /* the file, its tensors */
    a.limit = "graph_memory";
    if (!nb_files_read(&s->files, hash, &a, &bytes, &n, e) && !nb_safetensors_read(bytes, n, &a, &parameters, e))
        g = build_from(description, &parameters, e);
    nb_arena_done(&a);
    return g;
}

/* What optimisers keep, into a graph that nobody else has yet. */
static int build_memory(struct nb_store *s, const char *hash, struct nb_graph *g, struct nb_error *e)
{
    struct nb_arena a;
    struct nb_tensors kept = {0};
    struct nb_memory *m = NULL;
    void *bytes;
    size_t n;
    if (!*hash)
        return 0;
    nb_arena_init(&a, 2 * (size_t)nb_limits.graph_memory);
    a.limit = "graph_memory";
    if (!nb_files_read(&s->files, hash, &a, &bytes, &n, e) && !nb_safetensors_read(bytes, n, &a, &kept, e))
        m = nb_memory_load(&kept, nb_graph_dtype(g), e);
    nb_arena_done(&a);
    g->memory = m ? &m->base : NULL;
    return e->code ? -1 : 0;
}

/* From the row and the files. */
static struct nb_graph *build(struct nb_store *s, const char *name, struct nb_error *e)
{
    struct nb_arena a;
    struct nb_entry info;
    struct nb_graph *g = NULL;
    char *description;
    nb_arena_init(&a, (size_t)nb_limits.graph_memory);
    a.limit = "graph_memory";
    if (!nb_database_get(s->database, name, &a, &info, &description, e))
        g = nb_parts_graph(s, description, info.parameters, e);
    if (g && build_memory(s, info.training, g, e)) {
        nb_graph_unref(g);
        g = NULL;
    }
    nb_arena_done(&a);
    return g;
}

static void publish(struct nb_store *s, const struct nb_entry *info, struct nb_graph *g)
{
    pthread_mutex_lock(&s->memory);
    struct nb_graph *gone = nb_catalog_put(&s->catalog, info, g);
    pthread_mutex_unlock(&s->memory);
    nb_graph_unref(gone);
}

/* A snapshot, built if need be; the lock `disk` is held. */
static struct nb_graph *snapshot(struct nb_store *s, const char *name, struct nb_entry *info, struct nb_error *e)
{
    struct nb_graph *g;
    if (!look(s, name, info, &g))
        return fail_unknown(name, e), NULL;
    if (!g && (g = build(s, name, e)))
        publish(s, info, g);
    return g;
}

struct nb_graph *nb_store_get(struct nb_store *s, const char *name, struct nb_entry *info, struct nb_error *e)
{
    struct nb_entry now;
    struct nb_graph *g;
    if (!look(s, name, &now, &g))
        return fail_unknown(name, e), NULL;
    if (!g) {
        pthread_mutex_lock(&s->disk);
        g = snapshot(s, name, &now, e);
        pthread_mutex_unlock(&s->disk);
    }
    if (g && info)
        *info = now;
    return g;
}

struct nb_graph *nb_store_peek(struct nb_store *s, const char *name)
{
    struct nb_entry now;
    struct nb_graph *g;
    return look(s, name, &now, &g) ? g : NULL;
}

int nb_store_list(struct nb_store *s, struct nb_arena *a, struct nb_entry **list, size_t *n, struct nb_error *e)
{
    pthread_mutex_lock(&s->memory);
    *n = s->catalog.n;
    *list = nb_small(a, *n, sizeof **list, e);
    for (size_t i = 0; *list && i < *n; i++)
        (*list)[i] = s->catalog.v[i]->info;
    pthread_mutex_unlock(&s->memory);
    return *list ? 0 : -1;
}

/* ---- changing: the lock `disk` is held ----------------------------------------------------------------------------
 */

void nb_parts_stamp(char text[25])
{
    nb_time_text(time(NULL), text);
}

int nb_parts_write(struct nb_store *s, const struct nb_tensors *l, char hash[NB_HASH_SIZE], struct nb_error *e)
{
    struct nb_arena a;
    void *bytes;
    size_t n;
    nb_arena_init(&a, 2 * (size_t)nb_limits.graph_memory);
    a.limit = "graph_memory";
    int failed = nb_safetensors_write(l, NULL, 0, &a, &bytes, &n, e);
    if (!failed) {
        nb_files_hash(bytes, n, hash);
        failed = nb_files_write(&s->files, hash, bytes, n, e);
    }
    nb_arena_done(&a);
    return failed;
}

static int64_t count(const struct nb_tensors *l)
{
    int64_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += nb_count(&l->v[i].t.shape);
    return n;
}

/* After a change. If the database cannot say, the next start finds what is left over. */
void nb_parts_drop(struct nb_store *s, const char *hash)
{
    if (nb_database_names(s->database, hash) == 0)
        nb_files_remove(&s->files, hash);
}

int nb_parts_write_graph(struct nb_store *s, const struct nb_graph *g, struct nb_entry *x, struct nb_error *e)
{
    struct nb_arena a;
    struct nb_tensors kept = {0};
    const struct nb_memory *m = nb_memory_of(g);
    *x->training = '\0';
    if (nb_parts_write(s, nb_graph_parameters(g), x->parameters, e))
        return -1;
    if (!m)
        return 0;
    nb_arena_init(&a, (size_t)nb_limits.graph_memory);
    a.limit = "graph_memory";
    int failed = nb_memory_save(m, nb_graph_dtype(g), &a, &kept, e) || nb_parts_write(s, &kept, x->training, e);
    nb_arena_done(&a);
    return failed ? -1 : 0;
}

/* The files that are on disk for this name: those of x are there instead. */
static void drop_others(struct nb_store *s, const struct nb_entry *was, const struct nb_entry *x)
{
    if (*was->parameters && strcmp(was->parameters, x->parameters))
        nb_parts_drop(s, was->parameters);
    if (*was->training && strcmp(was->training, x->training))
        nb_parts_drop(s, was->training);
}

/* The entry's files on disk, which may be older than the entry. */
static struct nb_entry on_disk(struct nb_store *s, const char *name)
{
    struct nb_entry x = {0};
    pthread_mutex_lock(&s->memory);
    struct nb_kept *k = nb_catalog_find(&s->catalog, name);
    if (k) {
        memcpy(x.parameters, k->parameters, sizeof x.parameters);
        memcpy(x.training, k->training, sizeof x.training);
    }
    pthread_mutex_unlock(&s->memory);
    return x;
}

/* Makes g the graph of this name. *info is its entry now, or only its name; then the entry to be. */
static int keep(struct nb_store *s, struct nb_entry *info, struct nb_graph *g, struct nb_error *e)
{
    struct nb_entry x = *info, was = on_disk(s, info->name);
    nb_parts_stamp(x.updated);
    if (x.revision++ == 0)
        strcpy(x.created, x.updated);
    pthread_mutex_lock(&s->memory);
    int failed = nb_catalog_reserve(&s->catalog, e);
    pthread_mutex_unlock(&s->memory);
    if (failed || nb_parts_write_graph(s, g, &x, e))
        return -1;
    snprintf(x.tag, sizeof x.tag, "%.16s", x.parameters);
    x.parameter_count = count(nb_graph_parameters(g));
    if (nb_database_put(s->database, &x, nb_graph_text(g), e))
        return -1; /* the file stays: after an error of the disk the row may be there after all */
    publish(s, &x, g);
    drop_others(s, &was, &x);
    *info = x;
    return 0;
}

bool nb_parts_is_name(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
    return n > 0 && n <= 64 && !name[n] && strcmp(name, ".") && strcmp(name, "..");
}

/* Puts g under a name that is new, or is there if it may be. */
static int put(struct nb_store *s, const char *name, struct nb_graph *g, bool may_exist, struct nb_entry *info,
               struct nb_error *e)
{
    struct nb_graph *old = NULL;
    *info = (struct nb_entry){0};
    bool there = look(s, name, info, &old);
    nb_graph_unref(old);
    if (there && !may_exist)
        return nb_fail(e, NB_E_graph_exists, "there is a graph %s already", name);
    if (!there && (int64_t)s->catalog.n >= nb_limits.graphs) /* it changes under both locks */
        return NB_OVER(e, graphs, (int64_t)s->catalog.n + 1);
    strcpy(info->name, name);
    return keep(s, info, g, e);
}

int nb_store_judge_name(const char *name, struct nb_error *e)
{
    if (nb_parts_is_name(name))
        return 0;
    return nb_fail(e, NB_E_bad_name, "names of graphs match [A-Za-z0-9_.-]{1,64} and are not . or ..; \"%.80s\" came",
                   name);
}

static int put_locked(struct nb_store *s, const char *name, struct nb_graph *g, bool may_exist, struct nb_entry *info,
                      struct nb_error *e)
{
    struct nb_entry x;
    if (nb_store_judge_name(name, e))
        return -1;
    pthread_mutex_lock(nb_parts_lane(s, name));
    pthread_mutex_lock(&s->disk);
    int failed = put(s, name, g, may_exist, &x, e);
    pthread_mutex_unlock(&s->disk);
    pthread_mutex_unlock(nb_parts_lane(s, name));
    if (!failed)
        *info = x;
    return failed;
}

int nb_store_create(struct nb_store *s, const char *name, struct nb_graph *g, struct nb_entry *info, struct nb_error *e)
{
    return put_locked(s, name, g, false, info, e);
}

int nb_store_replace(struct nb_store *s, const char *name, struct nb_graph *g, bool *created, struct nb_entry *info,
                     struct nb_error *e)
{
    if (put_locked(s, name, g, true, info, e))
        return -1;
    *created = info->revision == 1;
    return 0;
}

static int change_parameters(struct nb_store *s, const char *name, const struct nb_tensors *parameters, bool all,
                             struct nb_entry *info, struct nb_error *e)
{
    struct nb_graph *old = snapshot(s, name, info, e);
    struct nb_graph *g = old ? nb_graph_with(old, parameters, all, e) : NULL;
    int failed = !g || keep(s, info, g, e);
    nb_graph_unref(g);
    nb_graph_unref(old);
    return failed ? -1 : 0;
}

int nb_store_parameters(struct nb_store *s, const char *name, const struct nb_tensors *parameters, bool all,
                        struct nb_entry *info, struct nb_error *e)
{
    struct nb_entry x;
    pthread_mutex_lock(nb_parts_lane(s, name));
    pthread_mutex_lock(&s->disk);
    int failed = change_parameters(s, name, parameters, all, &x, e);
    pthread_mutex_unlock(&s->disk);
    pthread_mutex_unlock(nb_parts_lane(s, name));
    if (!failed)
        *info = x;
    return failed;
}

static int remove_row(struct nb_store *s, const char *name, struct nb_error *e)
{
    struct nb_entry info, was = on_disk(s, name), none = {0};
    struct nb_graph *g;
    if (!look(s, name, &info, &g))
        return fail_unknown(name, e);
    nb_graph_unref(g);
    if (nb_database_remove(s->database, name, e))
        return -1;
    pthread_mutex_lock(&s->memory);
    g = nb_catalog_remove(&s->catalog, name);
    pthread_mutex_unlock(&s->memory);
    nb_graph_unref(g);
    drop_others(s, &was, &none);
    return 0;
}

int nb_store_remove(struct nb_store *s, const char *name, struct nb_error *e)
{
    pthread_mutex_lock(nb_parts_lane(s, name));
    pthread_mutex_lock(&s->disk);
    int failed = remove_row(s, name, e);
    pthread_mutex_unlock(&s->disk);
    pthread_mutex_unlock(nb_parts_lane(s, name));
    return failed;
}
