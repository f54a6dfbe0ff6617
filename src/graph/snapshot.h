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
    pthread_mutex_t lock; /* of the plans, and of builds from the description */
    json_t *description;
    char *text;
    struct nb_cached *plans;
    int nplans;
    uint64_t clock;
};

struct nb_graph {
    int count;
    struct nb_shared *shared;
    struct nb_arena arena, values; /* the net in symbols; the parameters */
    struct nb_net net;
    struct nb_tensors parameters;
};

/* An arena under the limit graph_memory. */
static inline void nb_arena_init_graph(struct nb_arena *a)
{
    nb_arena_init(a, (size_t)nb_limits.graph_memory);
    a->limit = "graph_memory";
}

#endif
