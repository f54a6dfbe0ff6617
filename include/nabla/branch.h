/* branch.h - what a module that branches on values decided, and where it stood exactly at an edge.
 *
 * Two points between which no decision changes lie in one smooth piece of the function. */
#ifndef NABLA_BRANCH_H
#define NABLA_BRANCH_H
#include "nabla/module.h"
#include <math.h>
#include <string.h>

enum nb_edge_kind {
    NB_EDGE_SIDE,  /* this entry may be moved up or down: ReLU at 0, |x| at 0, a bound of a clamp */
    NB_EDGE_TIE,   /* one of several tied entries: raised, it is the one that counts */
    NB_EDGE_BELOW, /* the same, but it counts when it is lowered */
    NB_EDGE_CORNER /* no direction is special: the Euclidean norm at 0 */
};
/* One entry of an input that stands at an edge. Entries of one edge have the same .tie and come one after the other; of
 * a SIDE each may be moved to leave it, and the first does so without touching another edge, if any does. */
struct nb_edge {
    int port;
    int64_t index;
    enum nb_edge_kind kind;
    int64_t tie;
};

struct nb_branches {
    uint64_t hash; /* of all decisions; whoever asks sets where it starts */
    int64_t count; /* of edges met, also of those there was no room for */
    int64_t room;
    struct nb_edge *edge; /* `room` of them */
};

static inline void nb_decide(struct nb_branches *b, uint64_t decision)
{
    b->hash = (b->hash ^ decision) * 1099511628211u;
}

/* A decision that is a number. */
static inline void nb_decide_number(struct nb_branches *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    nb_decide(b, bits);
}

static inline void nb_at_edge(struct nb_branches *b, int port, int64_t index, enum nb_edge_kind kind, int64_t tie)
{
    if (b->count < b->room)
        b->edge[b->count] = (struct nb_edge){port, index, kind, tie};
    b->count++;
}

/* Decides on which side of an edge a value lies; true if it is on neither. */
static inline bool nb_side(struct nb_branches *b, double x, double edge)
{
    nb_decide(b, x < edge ? 1 : x > edge ? 3 : x == edge ? 2 : 4);
    return x == edge && isfinite(edge);
}

#endif
