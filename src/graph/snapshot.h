/* snapshot.h - inside of a graph: what a snapshot owns, and what snapshots of one description share. */
#ifndef NABLA_SNAPSHOT_H
#define NABLA_SNAPSHOT_H
#include "graph/ask.h"
#include "nabla/limits.h"
#include <pthread.h>

struct nb_cached {
    uint64_t hash;
    size_t n;
    void *key; /* owned by the planned's arena */
    struct nb_planned *planned;
    uint64_t used;
};

/* Shared by all snapshots that differ only in their parameters. */
struct nb_shared {
    int count;
    struct nb_arena arena; /* the net in symbols */
    pthread_mutex_t lock;  /* of the plans, and of builds from the description */
    json_t *description;
    char *text;
    struct nb_cached *plans;
    int nplans;
    uint64_t clock;
};

/* What a higher layer keeps with a snapshot: counted, and never written once it is kept. Begins a struct of its own,
 * from calloc. */
struct nb_attached {
    int count;
    struct nb_arena arena;
};
struct nb_attached *nb_attached_ref(struct nb_attached *x); /* NULL stays NULL */
void nb_attached_unref(struct nb_attached *x);

struct nb_graph {
    int count;
    struct nb_shared *shared;
    struct nb_arena values; /* the parameters */
    struct nb_net net;      /* the same in all snapshots: its memory is shared */
    struct nb_tensors parameters;
    struct nb_attached *memory; /* of optimisers: train/memory.h; NULL: none */
};

/* The next snapshot, to be filled: of the same graph, with tensors of their own. Where fresh says so they are without
 * values yet, else they have those of `old`, as it has its memory. */
struct nb_graph *nb_graph_next(struct nb_graph *old, const bool *fresh, struct nb_error *e);

/* An arena under the limit graph_memory. */
static inline void nb_arena_init_graph(struct nb_arena *a)
{
    nb_arena_init(a, (size_t)nb_limits.graph_memory);
    a->limit = "graph_memory";
}

#endif
