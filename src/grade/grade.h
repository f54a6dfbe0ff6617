/* grade.h - what somebody handed in is judged, explained and given points: against the forward, never against stored
 * answers. "Cannot tell" never costs a point. */
#ifndef NABLA_GRADE_H
#define NABLA_GRADE_H
#include "check/check.h"
#include "grade/diagnosis.h"

#define NB_RHO_FORMULAS 1e-9 /* of formulas, which are evaluated here */
#define NB_RHO_GRADE 1e-6    /* tolerance of what is handed in in double: order of operations, other libraries */

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

enum nb_form_of { NB_NUMBERS, NB_FORMULAS, NB_ANSWERS, NB_FORMS };
const char *nb_form_name(enum nb_form_of f);    /* "numbers", "formulas", "answers" */
enum nb_form_of nb_form_find(const char *name); /* NB_FORMS: there is none such; name may be NULL */

struct nb_expression {
    const char *name, *text;
};
struct nb_submission {
    enum nb_form_of form;
    struct nb_tensors gradients; /* numbers: by name, any dtype */
    size_t nexpressions;
    struct nb_expression *expressions; /* formulas */
    const char *probes;                /* answers: the probe set that has them */
};

/* A tensor whose gradient is asked for, and what it is worth. */
struct nb_part {
    const char *name;
    double points;
};

enum nb_row_kind { NB_ROW_SHAPE, NB_ROW_VALUES, NB_ROW_EDGES, NB_ROW_BATCH, NB_ROWS };
const char *nb_row_name(enum nb_row_kind r); /* "shape", "values", "edges", "batch" */

enum nb_hint_level { NB_HINT_VERDICT, NB_HINT_PLACE, NB_HINT_PATTERN, NB_HINT_FORMULA };

enum nb_thorough {
    NB_EVERY_COORDINATE,
    /* For a graph that was certified in every coordinate before, at one more point: its own backward, held against
     * directions through the whole graph. Where these contradict it, or the point has kinks, every coordinate. */
    NB_ALONG_DIRECTIONS
};

struct nb_grading {
    struct nb_check point; /* .run, .convention, .rho, .r_max, .watch: the rest is not used */
    enum nb_thorough how;  /* at the visible point */
    size_t nparts;         /* 0: everything handed in, one point each */
    struct nb_part *parts;
    double weights[NB_ROWS];
    double slip_credit;
    enum nb_hint_level hint_level;
    bool reveal;   /* show the expected values too */
    bool resubmit; /* a wrong shape is not graded */
    bool strict;   /* it was said that a wrong shape is wrong: on platforms that would have it handed in again, too */
    struct nb_submission submission;
};
/* Weights 10, 70, 10, 10; slip_credit 0.5; all hints. */
extern const struct nb_grading nb_grading_default;

/* ---- what is right at a point ------------------------------------------------------------------------------------ */

struct nb_truth_of { /* of one tensor */
    const char *name;
    struct nb_shape shape;
    size_t n;
    double *value, *bar, *terms;
    double *scatter, *noise;       /* what rounding in double, in float (or NULL) does to an honest backward */
    unsigned char *moved, *untold; /* some output reacts; enum nb_reason why nothing can be said, or 0 */
    double reach;
    int at;                /* in the graph's net at this point: those that depend on others have larger ones */
    enum nb_reason reason; /* why the whole tensor cannot be judged, or none */
    bool computed;         /* neither an input nor learned */
};

struct nb_reference {
    struct nb_graph *g;
    struct nb_check point; /* complete */
    size_t n;
    struct nb_truth_of *v;
    bool certified;
    const char *fault;      /* not certified: where, and what */
    bool kinks;             /* numbers here are judged by the intervals of check/kink.h */
    struct nb_verdicts own; /* the check of the graph's own backward: facts, warnings, and what was drawn */
};

/* The gradients of these names (inputs, learned tensors, nodes) at a point, whatever of it is open drawn from its
 * seed. In the arena; the graph is borrowed. An error's place is /wrt/INDEX for a name. */
int nb_reference_make(struct nb_graph *g, const struct nb_check *point, size_t n, const char *const *names,
                      enum nb_thorough how, struct nb_arena *a, struct nb_reference *r, struct nb_error *e);
struct nb_truth_of *nb_reference_find(const struct nb_reference *r, const char *name);

/* ---- what came of it --------------------------------------------------------------------------------------------- */

struct nb_row {
    bool there;
    double points, max_points; /* rounded to 4 places */
    const char *because;       /* "slip_credit", or NULL */
    const char *remark;        /* what was found, or NULL */
};

struct nb_mark {
    const char *name;
    struct nb_checked
        checked;         /* .verdict .reason, counts; .candidate .value .bar .verdicts .reasons if .judged; power */
    struct nb_shape got; /* reason shape: what came */
    bool missing;        /* nothing came */
    bool refused;        /* not graded: to be handed in again with more digits, or in another shape */
    bool follow_through; /* right for the wrong gradient that was handed in further up */
    bool review;
    double points, max_points;
    struct nb_row row[NB_ROWS];
    struct nb_diagnosis diagnosis; /* .code NULL: none */
};

/* Where a forward is not that of the graph. */
struct nb_deviation {
    const char *output; /* NULL: nowhere */
    struct nb_shape shape;
    int64_t index; /* flat; -1: the shape */
    double got, expected;
};

struct nb_graded {
    enum nb_verdict verdict;
    double score, max_score;
    bool graded;   /* false: the reference could not be certified, see .fault */
    bool review;   /* a teacher should look */
    bool resubmit; /* something was not graded that lies in the student's hand */
    const char *fault;
    bool answered; /* by a function that lives elsewhere: */
    struct nb_deviation forward;
    size_t n;
    struct nb_mark *v;
};

/* The tensors that a grading is about: its parts, then what was handed in besides. */
int nb_grading_names(const struct nb_grading *g, struct nb_arena *a, size_t *n, const char ***names,
                     struct nb_error *e);
/* A submission of numbers against a reference, which it does not change. Every name of it is in the reference. */
int nb_grade_numbers(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a,
                     struct nb_graded *out, struct nb_error *e);
/* Formulas, at the point of the reference and at others that are drawn from its seed. */
int nb_grade_formulas(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a,
                      struct nb_graded *out, struct nb_error *e);
/* Either, with the reference. */
int nb_grade(struct nb_graph *graph, const struct nb_grading *g, struct nb_arena *a, struct nb_reference *r,
             struct nb_graded *out, struct nb_error *e);

#endif
