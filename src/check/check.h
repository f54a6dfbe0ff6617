/* check.h - is this gradient right? Every coordinate, two oracles, three verdicts. */
#ifndef NABLA_CHECK_H
#define NABLA_CHECK_H
#include "check/watch.h"
#include "graph/graph.h"

enum nb_verdict { NB_RIGHT, NB_CANNOT_TELL, NB_WRONG };
const char *nb_verdict_name(enum nb_verdict v); /* "right", "cannot_tell", "wrong" */

enum nb_reason {
    NB_WHY_none,
#define REASON(code, sentence) NB_WHY_##code,
#include "check/reasons.def"
#undef REASON
    NB_REASONS
};
const char *nb_reason_name(enum nb_reason r); /* NULL for none */
const char *nb_reason_text(enum nb_reason r); /* the sentence */

enum nb_method {
    NB_METHOD_AUTO,        /* by structure, both oracles; small graphs coordinate by coordinate */
    NB_METHOD_COMPLEX,     /* coordinate by coordinate, the complex step alone */
    NB_METHOD_DIFFERENCES, /* coordinate by coordinate, differences alone */
    NB_METHOD_LOOP,        /* coordinate by coordinate, both */
    NB_METHOD_STRUCTURE    /* by structure also where the graph is small */
};
enum nb_coverage { NB_COVER_AUTO, NB_COVER_EVERY, NB_COVER_SIGNED, NB_COVER_SAMPLED };

struct nb_check {
    struct nb_run run;           /* the point; inputs absent: drawn from the seed, symbols of size 5, 7, 3, ... */
    struct nb_tensors gradients; /* the candidate; absent names: the graph's own backward. order 2: H v */
    bool gradients_given;
    struct nb_tensors direction; /* order 2: v; absent names: drawn */
    bool direction_given;
    enum nb_method method;
    enum nb_coverage coverage;
    int directions, spots; /* coverage sampled: of each tensor; 0: 32 and 64 */
    int order;             /* 1 or 2; 0: 1 */
    bool convention;       /* at a kink only the convention is right, not the whole interval */
    double rho, r_max;     /* 0: the defaults */
    bool jacobian; /* the gradient of every entry of every output in turn: tensors get an axis of outputs in front */
    bool power;    /* plant mistakes, list those that would be missed */
    bool curve;    /* the error of differences against the step, for the worst entries */
    bool printed;  /* candidates are judged by the digits they show */
    bool grounds;  /* keep what the verdicts rest on: other candidates are to be judged at this point */
    const struct nb_watch *watch; /* or NULL */
};

struct nb_estimate;
/* Error of central differences against the step, relative to the certified value, or absolute if
 * that is zero within its bar. Of the one
 * entry that looks worst of all, if it was asked for and the order is 1. */
enum { NB_CURVE_POINTS = 48 };
struct nb_error_curve {
    int n;
    double h[NB_CURVE_POINTS], error[NB_CURVE_POINTS];
    double used, bar; /* the step the oracle settled on, 0: none; its error bar, absolute */
};

/* What the verdicts on a tensor rest on, per entry. */
struct nb_grounds {
    const struct nb_estimate *z, *d; /* the oracles'; d may be NULL */
    double reach;                    /* largest gradient, or slope close by times the largest cotangent */
    const double *scatter;           /* what rounding in double does to an honest backward */
    const double *noise;             /* and rounding in float; NULL: not known */
    const unsigned char *shadow;     /* float32 graphs: the verdicts on the own gradient in double, or NULL */
};

struct nb_checked {
    const char *name;
    struct nb_shape shape;
    enum nb_verdict verdict;
    enum nb_reason reason;                     /* why not right */
    int64_t right, wrong, cannot_tell, silent; /* entries; silent: nothing reacts and the candidate is 0 */
    bool judged;                               /* by the oracles: what follows holds */
    double *candidate, *value, *bar;           /* per entry: claimed, the oracles' number, its error bar (-1: the
                                                * entry was not looked at) */
    int64_t bars;                              /* 0: each entry has its own; else so many, shared by rows */
    unsigned char *verdicts, *reasons;         /* per entry */
    unsigned char *points; /* per entry: at which of several points its numbers are; NULL: there is one */
    int64_t worst;         /* the entry that looks worst, flat; -1: there is none */
    double largest_error;  /* |candidate - value| relative to the larger of the two, at the worst entry */
    double complex_step, differences, differences_bar; /* there; NaN where that oracle gave none */
    double power_worst, power_median;                  /* over the judged entries: smallest relative error caught */
    double zero_within; /* largest bar of the entries that are zero or silent; 0: there are none */
    int scale;          /* k: the cotangent was multiplied by 2^k */
    const char *place;  /* JSON pointer of a user's backward formula at fault, or NULL */
    struct nb_error_curve curve;
    struct nb_grounds *grounds; /* if they were to be kept and there are any */
};

static inline double nb_bar_of(const struct nb_checked *c, int64_t i)
{
    return c->bar[c->bars ? i % c->bars : i];
}

/* Something at this point that hides mistakes. */
struct nb_doubt {
    const char *code, *where, *hides;
};
/* A point where the function has no derivative. */
struct nb_kink_met {
    const char *node, *port;
    int64_t index;                       /* flat, in the port's tensor */
    double value, convention, low, high; /* of the tensor there; slope taken; interval of slopes */
};
/* How one operand of one node was swept. */
struct nb_swept {
    const char *node, *port, *structure; /* "pointwise", "row-wise", "affine", "affine rows", "dense", "signed" */
    int64_t colours, entries;
    bool refuted; /* the declaration did not hold */
};
struct nb_facts {
    const char *method; /* "loop" or "structure" */
    enum nb_coverage coverage;
    int64_t complex_evaluations, double_evaluations; /* of the whole graph; of single nodes by structure */
    double h_low, h_high;
    int halvings; /* the most an entry took */
    int64_t asked, judged;
    size_t nswept;
    struct nb_swept *swept;
    int64_t leak_evaluations, leaks;
    int directions, spots;
    size_t nkinks;
    struct nb_kink_met *kinks;
    int64_t agree, compared; /* entries with numbers of both oracles */
    double worst_gap;        /* relative */
    const char *fault;       /* not self_ok: where, and what */
    double rho, r_max;
    int points; /* at which the function was judged */
};
struct nb_mutant {
    const char *tensor, *mistake;
    bool caught;
};

struct nb_verdicts {
    enum nb_verdict verdict;
    size_t n;
    struct nb_checked *v;
    struct nb_tensors point, cotangents; /* what was drawn from the seed */
    struct nb_tensors direction;         /* order 2: what was drawn of it */
    struct nb_strings_list warnings;     /* of modules: "node: sentence" */
    size_t ndoubts;
    struct nb_doubt *doubts;
    size_t nmutants;
    struct nb_mutant *mutants; /* with power: all that were planted */
    bool self_ok;              /* our oracles and our structure hold together */
    struct nb_facts facts;
    bool has_shadow;        /* a float32 graph: verdicts above are of its float gradients, judged by a double shadow */
    enum nb_verdict shadow; /* of the gradients in double */
};

/* NB_E_cancelled if the watch says so. */
int nb_check_run(struct nb_graph *g, const struct nb_check *c, struct nb_arena *a, struct nb_verdicts *v,
                 struct nb_error *e);

#endif
