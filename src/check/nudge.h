/* nudge.h - a graph that stands at edges (branch.h), moved off them to one side or another, and the gradient there.
 *
 * An edge leaves something to choose: the side to which its entry is moved, which of several tied entries counts, the
 * direction away from a corner. With every choice made the graph lies in one smooth piece, and the gradient there is a
 * limit of gradients at the point. The steps are tiny (2^-40 of the entry); the operation at the edge and all that
 * follow are computed again. An edge behind another one is put back to where it stood before it is moved itself. Edges
 * of what does not depend on the tensors asked about are none. */
#ifndef NABLA_NUDGE_H
#define NABLA_NUDGE_H
#include "graph/session.h"
#include "nabla/branch.h"

struct nb_moved { /* an entry that stands at an edge */
    int port;     /* of the operation */
    int value;    /* whose numbers it is among */
    int64_t index;
    double base;      /* its value at the point */
    double direction; /* of a corner */
    bool below;       /* a tied entry that counts when it is lowered */
    bool stays;       /* another choice moves it: it is not put back here */
};
struct nb_visit { /* an operation at an edge */
    int op, group;
    enum nb_edge_kind kind;
    size_t n;
    struct nb_moved *moved;
    double step;
};
struct nb_nudge {
    const struct nb_plan *plan;
    struct nb_session d, z; /* double, and double complex */
    void *const *cotangent;
    struct nb_arena *arena;
    int nvisit;
    struct nb_visit *visit; /* in the order of the operations */
    int ngroup, *choices;   /* what there is to choose, and how many ways */
    bool *pinned;           /* per group: nothing is, its entries stay at the edge */
    bool *varies;           /* per value: it depends on what is asked about */
    double **base;          /* the outputs at the point */
    double **once, **twice; /* and beside it */
    size_t n;               /* entries of all tensors asked about, one after the other */
    double scale;           /* of all steps; 1 unless set */
    int64_t runs;           /* gradients computed */
};

/* The edges at this point: nvisit is 0 if there are none, and then there are no sessions either. */
int nb_nudge_new(const struct nb_plan *plan, const struct nb_fed *fed, void *const *cotangent, struct nb_arena *a,
                 struct nb_nudge *n, struct nb_error *e);
/* The gradient with these choices, one for each group; NULL: at the point itself. */
int nb_nudge_gradient(struct nb_nudge *n, const int *choice, double *gradient, struct nb_error *e);
/* True if random directions through the forward agree with a gradient that nb_nudge_gradient gave for these choices.
 * noise: what the size of the steps does to its entries. */
int nb_nudge_verify(struct nb_nudge *n, const int *choice, const double *gradient, const double *noise, bool *agrees,
                    struct nb_error *e);
/* True if an output leaps when these choices are made: it does not come back as the steps shrink. What lies beyond a
 * leap says nothing about the slopes at the point. */
int nb_nudge_leaps(struct nb_nudge *n, const int *choice, bool *leaps, struct nb_error *e);
/* Corners are left from now on in the direction into which they move when the tensors asked about move along r. */
int nb_nudge_lean(struct nb_nudge *n, const double *r, struct nb_error *e);

#endif
