/* probes.h - a function that lives elsewhere: it is asked for its values at points of our choice, and its gradient is
 * judged by them. Nothing of it is ever run here.
 *
 *     p = nb_probes_new(...)            draws the points and asks the first round
 *     nb_probes_take(p, answers, ...)   until nb_probes_verdicts(p) is not NULL
 *
 * A probe is a base, that is all inputs at one point, with some entries replaced. The first and the last probe of every
 * base are the base itself: answers that differ in a bit come from no function. */
#ifndef NABLA_PROBES_H
#define NABLA_PROBES_H
#include "check/check.h"

/* What reads what. A claim that is tested; the names on the wire are pointwise, row-wise and so on. */
enum nb_layout {
    NB_DENSE,
    NB_POINTWISE,   /* an entry of the output reads the entry at its place */
    NB_ROW_WISE,    /* along the first dimension, of input and outputs: a row reads its row */
    NB_COLUMN_WISE, /* all dimensions but the first: a column reads its column */
    NB_AFFINE,      /* the function is affine in this input */
    NB_LAYOUTS
};
const char *nb_layout_name(enum nb_layout l);

enum { NB_MOST_ROUNDS = 4, NB_MOST_POINTS = 8, NB_MOST_PROBED = 64 };

struct nb_probed_input {
    const char *name;
    struct nb_shape shape;
    double low, high; /* where points are drawn */
    enum nb_layout layout;
    bool wrt; /* its gradient is claimed */
};
struct nb_probed_output {
    const char *name;
    struct nb_shape shape;
};

/* The function, and how it is to be probed. */
struct nb_probed {
    size_t nin, nout;
    struct nb_probed_input *in;
    struct nb_probed_output *out;
    int points;
    bool fewer;                  /* or fewer, if so many were too much */
    bool whole;                  /* every probe is told as a whole: all entries count as replaced */
    const struct nb_tensors *at; /* so many points of the client's own; NULL: they are drawn */
    bool by_complex;             /* it takes complex arguments */
    bool single;                 /* it computes in float */
    bool given;                  /* set by nb_probes_new: the points came with the request */
    bool convention;             /* no verdict from the interval at a kink */
    double rho, r_max;           /* 0: the defaults */
    struct nb_seed seed;
    int64_t most_probes;  /* in a round */
    int64_t most_edits;   /* entries replaced in all probes of the first round */
    int64_t most_answers; /* numbers that come back in a round */
};

/* What is replaced in a base. */
struct nb_edit {
    int input;
    int64_t index; /* flat */
    double re, im;
};

struct nb_probes;

/* Everything lives in the arena. Errors point into the request: /function/inputs/x, /structure/x, /at/0/x; limit. */
struct nb_probes *nb_probes_new(const struct nb_probed *f, struct nb_arena *a, struct nb_error *e);

/* The questions of this round. */
int nb_probes_round(const struct nb_probes *p); /* 1, 2, ... */
size_t nb_probes_count(const struct nb_probes *p);
int nb_probe_base(const struct nb_probes *p, size_t probe);
int64_t nb_probe_edits(const struct nb_probes *p, size_t probe);                    /* how many entries are replaced, */
void nb_probe_edit(const struct nb_probes *p, size_t probe, struct nb_edit *edits); /* and which */
const struct nb_probed *nb_probes_function(const struct nb_probes *p);
int nb_probes_bases(const struct nb_probes *p);
const struct nb_tensors *nb_probes_base(const struct nb_probes *p, int base);
const struct nb_tensors *nb_probes_cotangents(const struct nb_probes *p, int base);
/* What was claimed at a base: gradients that have the right shape. */
int nb_probes_claims(const struct nb_probes *p, int base, struct nb_arena *a, struct nb_tensors *to,
                     struct nb_error *e);
bool nb_probes_wants_gradient(const struct nb_probes *p, int base); /* at this base, in this round */

/* outputs, and with complex arguments their imaginary parts: of every name one tensor with a place for every probe in
 * front of its own dimensions. gradients[i]: of sum(cotangent * output), at the i-th base that wants one; those of a
 * later round may be absent (ngradients 0): then that point is dropped. */
struct nb_probe_answers {
    const struct nb_tensors *outputs, *imaginary, *gradients;
    size_t ngradients;
};
/* The next questions, or the verdicts. Errors point into the answers: /outputs/y, /gradients/0/x; then nothing has
 * happened. After limit and out_of_memory p is of no more use. `scratch` is for what is needed meanwhile. */
int nb_probes_take(struct nb_probes *p, const struct nb_probe_answers *a, struct nb_arena *scratch, struct nb_error *e);
/* NULL as long as there are questions. */
const struct nb_verdicts *nb_probes_verdicts(const struct nb_probes *p);

#endif
