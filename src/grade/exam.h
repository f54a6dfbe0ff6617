/* exam.h - inside of a diagnosis: one tensor under examination, and the clinic. */
#ifndef NABLA_EXAM_H
#define NABLA_EXAM_H
#include "grade/diagnosis.h"
#include "graph/ask.h"

struct nb_attempt;

struct nb_clinic {
    struct nb_graph *g;
    const struct nb_run *run;
    struct nb_planned *p;
    struct nb_session s; /* in double, forward done */
    void **cotangent;
    int64_t batch;   /* samples; 0: there is no such thing */
    int64_t steps;   /* how often the learned tensor most in use is used */
    int64_t entries; /* of one sample where the cotangent comes in, or of the loss's first input; 0: unknown */
    struct nb_arena *arena;
    /* Mistakes in the backward of operations, listed when the first is looked for; tried once each. */
    bool listed;
    size_t nattempts, cap;
    struct nb_attempt *attempts;
    const struct nb_back **back_of; /* per operation */
    int nback, *place, *kind;       /* those that are looked at; the first one of the same place, of the same module */
    struct nb_attempt *last;        /* what explained the last tensor: a slip shows in many */
    double spent;                   /* floating-point operations so far, roughly */
};

struct nb_exam {
    struct nb_clinic *c;
    const struct nb_suspect *s;
    size_t n;          /* entries of the truth */
    const double *got; /* submitted; n of them once the shape is right */
    double rho, most;  /* most: the largest |truth| */
    struct nb_diagnosis *d;
};

/* 1 found, 0 not, -1 error. */
typedef int nb_test(struct nb_exam *x, struct nb_error *e);

/* ---- likeness.c ------------------------------------------------------------------------------------------------- */

/* Whether `got` is taken for `factor * wanted[i]`: relative errors of rho, printed digits, bars. */
bool nb_alike(const struct nb_exam *x, size_t i, double got, double wanted, double factor);
/* The same for all entries of the submission. */
bool nb_all_alike(const struct nb_exam *x, const double *wanted, double factor);
/* |submitted - c*truth| / |submitted|. */
double nb_residual(const struct nb_exam *x, double c);

/* ---- what is told -------------------------------------------------------------------------------------------------
 */

/* Texts live in the arena. All return -1 on error, else 1: so `return nb_tell(...)` in a test. */
int nb_tell(struct nb_exam *x, const char *code, bool slip, const char *pattern, const char *hint);
int nb_show(struct nb_exam *x, struct nb_evidence v, struct nb_error *e);
int nb_show_number(struct nb_exam *x, const char *key, double v, struct nb_error *e);
int nb_show_whole(struct nb_exam *x, const char *key, int64_t v, struct nb_error *e);
int nb_show_shape(struct nb_exam *x, const char *key, const struct nb_shape *v, struct nb_error *e);
int nb_show_text(struct nb_exam *x, const char *key, const char *v, struct nb_error *e);

/* Names the node; its text is copied. */
int nb_show_node(struct nb_exam *x, const char *node, struct nb_error *e);

/* ---- tests ----------------------------------------------------------------------------------------------------------
 */

nb_test nb_test_shape;                                                   /* layout.c */
nb_test nb_test_transposed;                                              /* layout.c */
nb_test nb_test_constants, nb_test_arguments, nb_test_factor;            /* factor.c */
nb_test nb_test_rows, nb_test_columns;                                   /* factor.c */
nb_test nb_test_known;                                                   /* known.c */
nb_test nb_test_sides, nb_test_zeros, nb_test_no_zeros, nb_test_entries; /* where.c */

#endif
