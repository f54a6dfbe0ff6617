/* check.h - is this gradient right? Every coordinate, two oracles, three verdicts. */
#ifndef NABLA_CHECK_H
#define NABLA_CHECK_H
#include "graph/graph.h"

enum nb_verdict { NB_RIGHT, NB_CANNOT_TELL, NB_WRONG };
const char *nb_verdict_name(enum nb_verdict v); /* "right", "cannot_tell", "wrong" */

struct nb_check {
    struct nb_run run;           /* the point; inputs absent: drawn from the seed, symbols of size 5, 7, 3, ... */
    struct nb_tensors gradients; /* the candidate; absent names: the graph's own backward */
    bool gradients_given;
};

struct nb_checked {
    const char *name;
    struct nb_shape shape;
    enum nb_verdict verdict;
    const char *reason;                        /* why not right, or NULL */
    int64_t right, wrong, cannot_tell, silent; /* entries; silent: nothing reacts and the candidate is 0 */
    bool judged;                               /* by the oracles: what follows holds */
    double largest_error;                      /* |candidate - oracle| relative to the larger of the two */
    struct nb_shape worst;                     /* index of the worst entry: rank and the indices in dim */
    double got, expected;                      /* candidate and oracle there */
    double complex_step, differences, bar;
    const char *place; /* JSON pointer of a user's backward formula at fault, or NULL */
};
struct nb_verdicts {
    enum nb_verdict verdict;
    size_t n;
    struct nb_checked *v;
    struct nb_tensors point, cotangents; /* what was drawn from the seed */
    struct nb_strings_list warnings;
    bool oracles_agree;
    int64_t evaluations;
};

int nb_check_run(struct nb_graph *g, const struct nb_check *c, struct nb_arena *a, struct nb_verdicts *v,
                 struct nb_error *e);

#endif
