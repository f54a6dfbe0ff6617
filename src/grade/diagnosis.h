/* diagnosis.h - a gradient that is not right: which mistake it looks like. The first test that matches names it; no
 * test matches by chance, so a mistake that is named explains every entry. */
#ifndef NABLA_DIAGNOSIS_H
#define NABLA_DIAGNOSIS_H
#include "graph/graph.h"

/* What a diagnosis rests on: "c" 0.333, "n" 3, "got_shape" [3, 1], "index" [0, 4], "argument" "alpha". */
struct nb_evidence {
    const char *key;
    enum nb_evidence_kind { NB_NUMBER, NB_WHOLE, NB_SHAPE, NB_TEXT } kind;
    double number;
    int64_t whole;
    struct nb_shape shape;
    const char *text;
};

struct nb_diagnosis {
    const char *code;    /* "factor_batch" */
    const char *pattern; /* what was seen: "exactly 1/3 of the expected value, and your batch has 3 rows" */
    const char *hint;    /* what may have caused it: "Divided by N? The sum over the batch is asked for." */
    const char *node;    /* where the mistake was made, or NULL */
    size_t nevidence;
    struct nb_evidence *evidence;
    bool slip; /* one recognised slip, all else right: earns the slip credit */
};

struct nb_suspect {
    const char *name;
    struct nb_tensor submitted; /* in double, in its own shape */
    struct nb_shape shape;      /* of the right gradient */
    const double *truth, *bar;  /* of every entry; bar NULL: certain */
    struct nb_digits digits;    /* as printed; zero: binary */
    double rho;                 /* relative errors that are right; 0: 1e-6, in float 1e-4 */
};

/* A graph at a point: all that mistakes are tried with. `run` is the point in full (loss or cotangents, inputs, seed);
 * it and the graph are kept by reference. Lives in the arena until it is done. Not for several threads at once. */
struct nb_clinic;
int nb_clinic_new(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_clinic **c,
                  struct nb_error *e);
void nb_clinic_done(struct nb_clinic *c); /* NULL: nothing */

/* For a tensor that was judged wrong. What is told lives in the clinic's arena. d->code is NULL if the submission
 * equals the truth. */
int nb_diagnose(struct nb_clinic *c, const struct nb_suspect *s, struct nb_diagnosis *d, struct nb_error *e);

#endif
