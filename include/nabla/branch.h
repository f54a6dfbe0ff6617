/* branch.h - what a module that branches on values decided, and where it stood exactly at an edge. */
#ifndef NABLA_BRANCH_H
#define NABLA_BRANCH_H
#include "nabla/module.h"

enum nb_edge_kind {
    NB_EDGE_SIDE,  /* this entry may be moved up or down: ReLU at 0, |x| at 0, a bound of a clamp */
    NB_EDGE_TIE,   /* one of several tied entries; entries of one tie have the same .tie */
    NB_EDGE_CORNER /* no direction is special: the Euclidean norm at 0; all its entries have the same .tie */
};
struct nb_edge {
    int port; /* of the inputs; -1 - k: learned tensor k */
    int64_t index;
    enum nb_edge_kind kind;
    int64_t tie;
};

enum { NB_MAX_EDGES = 64 };
struct nb_branches {
    uint64_t hash; /* of all decisions */
    int64_t count; /* of edges met, also of those beyond NB_MAX_EDGES */
    struct nb_edge edge[NB_MAX_EDGES];
};
static inline void nb_decide(struct nb_branches *b, uint64_t decision)
{
    b->hash = (b->hash ^ decision) * 1099511628211u;
}
static inline void nb_at_edge(struct nb_branches *b, int port, int64_t index, enum nb_edge_kind kind, int64_t tie)
{
    if (b->count < NB_MAX_EDGES)
        b->edge[b->count] = (struct nb_edge){port, index, kind, tie};
    b->count++;
}

#endif
