/* sweep.h - reverse mode without a backward: the gradient of a whole graph from numeric derivatives of its nodes.
 *
 * Walks the nodes from the outputs to the leaves. Each operand of each node is moved, block by block (blocks.h), at
 * its recorded value; the derivatives found carry the cotangent one node further. Affine operands: unit steps in
 * double, exact but for rounding, after two tests that they are affine. All others: the complex step, and the ladder
 * of differences beside it, which must agree. Every node's own backward is compared as well, with a cotangent of its
 * own. Nothing here takes a number from a backward, except for operands over the budget, whose backward is then proved
 * by random signs (NB_COVER_SIGNED).
 *
 * Errors of single nodes are independent, so they are carried along as variances. */
#ifndef NABLA_SWEEP_H
#define NABLA_SWEEP_H
#include "check/blocks.h"
#include "check/check.h"
#include "check/chunk.h"

struct nb_sweep {
    const struct nb_session *at; /* double, forward done, of a plain plan */
    int sets;                    /* cotangents carried at once; errors are those of the first */
    void *const *const *g;       /* [sets]: the cotangents of the plan's seeds */
    enum nb_coverage coverage;
    bool backward; /* compare each node's own backward too */
    double budget; /* floating-point operations for one operand; above: signed */
    struct nb_seed seed;
    struct nb_arena *arena;
    struct nb_chunks *chunks;
    struct nb_facts *facts;
    /* results: */
    double ***n;      /* [sets][value]: the gradient, or NULL */
    double **var;     /* [value]: variance of its error */
    double **terms;   /* [value]: squared size of the terms it is made of */
    bool *set_valued; /* [value]: takes a finite set of values, has no derivative */
    size_t swept_cap;
    struct nb_arena scratch; /* of the operand in work */
    bool ok;                 /* the oracles agreed with each other and with every backward */
    const char *fault;       /* "node, port": where not */
};

int nb_sweep_run(struct nb_sweep *w, struct nb_error *e);
/* Entries to be judged in all, for progress. */
int64_t nb_sweep_entries(const struct nb_plan *p);

#endif
