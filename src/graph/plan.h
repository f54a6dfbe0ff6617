/* plan.h - what to compute for one request, in which order, and where every number lies. Immutable once made.
 *
 * Offsets and sizes count numbers (nb_real), in multiples of NB_SLOT, so one plan serves all three builds. Values lie
 * in one piece of memory, gradients and work space in another. */
#ifndef NABLA_PLAN_H
#define NABLA_PLAN_H
#include "graph/net.h"

enum { NB_SLOT = 16 };
#define NB_NOWHERE SIZE_MAX

/* Rounded up to whole slots. */
static inline size_t nb_slots(size_t n)
{
    return (n + NB_SLOT - 1) / NB_SLOT * NB_SLOT;
}

/* What is asked for, as values of the net. */
struct nb_wants {
    int nout, *out;
    int nseed, *seed; /* values whose cotangents are given; none: forward only */
    int nwrt, *wrt;
    int also;   /* one more value to make, or -1 */
    bool plain; /* backward through the operations themselves, also where a module's backward is given */
};

enum nb_flow { NB_NO_FLOW, NB_WRITE, NB_ADD }; /* a contribution to a gradient: none, the first, one more */

/* The gradient with respect to it is wanted. */
bool nb_is_asked(const struct nb_wants *w, int v);

struct nb_back {
    int op;               /* an operation, or -1 */
    int given;            /* or a given backward, or -1 */
    enum nb_flow *in, *w; /* per input and learned tensor of the operation; `in` per entry of the given backward */
    int nzero, *zero;     /* values whose gradient nobody contributes to but which is read: filled with 0 first */
};

struct nb_plan {
    struct nb_net net;
    struct nb_wants wants;
    int nsteps, *step; /* forward operations */
    int nback;
    struct nb_back *back;
    bool *needed;   /* per value: something reads it, or it was asked for */
    size_t *at;     /* per value: offset of its numbers, NB_NOWHERE if they lie elsewhere */
    int *root;      /* per value: the value whose numbers it shares */
    size_t *grad;   /* per value: offset of its gradient, or NB_NOWHERE */
    bool *borrowed; /* per seed: nothing is added to its gradient, so the cotangent itself serves */
    size_t *saved;  /* per operation: offset of what forward leaves for backward */
    size_t kept;    /* numbers of all these, which stay from the forward to the backward */
    size_t scratch; /* offset of work space: an operation's, then the further contributions of one step */
    size_t loose;   /* numbers of gradients and work space, which no later backward needs */
    int widest;     /* most inputs, outputs or learned tensors of one operation */
    double cost;    /* estimated floating-point operations of the forward */
};

int nb_plan_make(const struct nb_net *net, const struct nb_wants *wants, struct nb_arena *a, struct nb_plan *p,
                 struct nb_error *e);

/* The innermost module with a given backward that lies outermost around an operation, or -1. */
int nb_outermost_given(const struct nb_net *net, const struct nb_op *op);

/* memory.c: offsets for numbers that live from one step to another; spans come in the order of `from`. */
struct nb_span {
    size_t size, offset;
    int from, to;
};
int nb_memory_assign(struct nb_span *spans, int n, struct nb_arena *a, size_t *total, struct nb_error *e);

#endif
