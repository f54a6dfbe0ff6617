/* selftest.h - would grading notice? Every mistake that can be made in a graph is made, handed in, judged and
 * diagnosed.
 */
#ifndef NABLA_SELFTEST_H
#define NABLA_SELFTEST_H
#include "grade/grade.h"

struct nb_planted {
    const char *tensor;   /* in which it was caught; for a mistake in a tensor the one it was made in; or NULL */
    const char *node;     /* in whose backward it was made; NULL: in the tensor itself */
    const char *code;     /* "tanh_square_missing", "factor_batch" */
    const char *what;     /* the formula, or in words: "times 1/N" */
    bool caught;          /* at every point some tensor was called wrong */
    size_t points;        /* at so many of them */
    const char *named_as; /* the code of the diagnosis, NULL: none. The right one if it was given anywhere */
    bool named;           /* by its own code */
};

struct nb_selftest {
    size_t n;
    struct nb_planted *v;
    size_t points;    /* tried at */
    size_t survivors; /* not caught */
    size_t misnamed;  /* caught, but named otherwise: equal to that other mistake where it was tried */
};

/* At points that have been certified, all of one graph and the same tensors. What makes no difference to any tensor at
 * points of any size, drawn for comparison, is no mistake and is not listed; what makes a difference there and none
 * here survives. An uncertified point is an error: NB_E_internal. */
int nb_selftest_at(const struct nb_reference *points, size_t n, const struct nb_grading *g, struct nb_arena *a,
                   struct nb_selftest *t, struct nb_error *e);
/* The same at `points` points drawn from the seed of g->point, of the tensors of g->parts (or all). *fault: why
 * nothing can be graded here, else NULL. */
int nb_selftest(struct nb_graph *graph, const struct nb_grading *g, size_t points, struct nb_arena *a,
                struct nb_selftest *t, const char **fault, struct nb_error *e);

#endif
