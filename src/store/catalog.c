/* catalog.c - a sorted array: a lookup is a dozen comparisons, a list needs no sorting, and moving pointers for a new
 * graph is nothing beside its commit. */
#include "store/catalog.h"
#include <stdlib.h>
#include <string.h>

void nb_catalog_init(struct nb_catalog *c, size_t most)
{
    *c = (struct nb_catalog){.most = most};
}

void nb_catalog_done(struct nb_catalog *c)
{
    for (size_t i = 0; i < c->n; i++) {
        nb_graph_unref(c->v[i]->graph);
        free(c->v[i]);
    }
    free(c->v);
    free(c->spare);
    *c = (struct nb_catalog){0};
}

/* Where the name is, or belongs. */
static size_t place(const struct nb_catalog *c, const char *name)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(c->v[middle]->info.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct nb_kept *nb_catalog_find(const struct nb_catalog *c, const char *name)
{
    size_t i = place(c, name);
    return i < c->n && strcmp(c->v[i]->info.name, name) == 0 ? c->v[i] : NULL;
}

struct nb_graph *nb_catalog_use(struct nb_catalog *c, struct nb_kept *k)
{
    k->used = ++c->clock;
    return k->graph ? nb_graph_ref(k->graph) : NULL;
}

int nb_catalog_reserve(struct nb_catalog *c, struct nb_error *e)
{
    if (!c->spare)
        c->spare = calloc(1, sizeof *c->spare);
    if (c->n == c->cap) {
        struct nb_kept **v = realloc(c->v, (2 * c->cap + 16) * sizeof *v);
        if (!v)
            return nb_fail_memory(e);
        c->v = v;
        c->cap = 2 * c->cap + 16;
    }
    return c->spare ? 0 : nb_fail_memory(e);
}

static struct nb_kept *insert(struct nb_catalog *c, const char *name)
{
    size_t i = place(c, name);
    memmove(c->v + i + 1, c->v + i, (c->n - i) * sizeof *c->v);
    c->n++;
    c->v[i] = c->spare;
    c->spare = NULL;
    return c->v[i];
}

/* Gives up the snapshot that was not used for the longest time. */
static struct nb_graph *give_up(struct nb_catalog *c)
{
    struct nb_kept *oldest = NULL;
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i]->graph && !c->v[i]->dirty && (!oldest || c->v[i]->used < oldest->used))
            oldest = c->v[i];
    if (!oldest)
        return NULL;
    struct nb_graph *g = oldest->graph;
    oldest->graph = NULL;
    c->built--;
    return g;
}

struct nb_graph *nb_catalog_put(struct nb_catalog *c, const struct nb_entry *info, struct nb_graph *g)
{
    struct nb_kept *k = nb_catalog_find(c, info->name);
    if (!k)
        k = insert(c, info->name);
    struct nb_graph *old = k->graph;
    k->info = *info;
    k->graph = g ? nb_graph_ref(g) : NULL;
    k->used = ++c->clock;
    k->dirty = false;
    memcpy(k->parameters, info->parameters, sizeof k->parameters);
    memcpy(k->training, info->training, sizeof k->training);
    c->built += (g != NULL) - (size_t)(old != NULL);
    return !old && c->built > c->most ? give_up(c) : old;
}

struct nb_graph *nb_catalog_advance(struct nb_kept *k, const struct nb_entry *info, struct nb_graph *g)
{
    struct nb_graph *old = k->graph;
    k->info = *info;
    k->graph = nb_graph_ref(g);
    k->dirty = true;
    return old;
}

struct nb_kept *nb_catalog_dirty(const struct nb_catalog *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i]->dirty)
            return c->v[i];
    return NULL;
}

struct nb_graph *nb_catalog_remove(struct nb_catalog *c, const char *name)
{
    size_t i = place(c, name);
    struct nb_graph *g = c->v[i]->graph;
    c->built -= g != NULL;
    free(c->v[i]);
    c->n--;
    memmove(c->v + i, c->v + i + 1, (c->n - i) * sizeof *c->v);
    return g;
}
