/* marking.h - inside of grading: what its files share. */
#ifndef NABLA_MARKING_H
#define NABLA_MARKING_H
#include "grade/grade.h"

/* The graph's own gradients at a point, and how they scatter when every number on the way moves by a unit in the last
 * place. */
struct nb_measured {
    struct nb_planned *p; /* held */
    int n;
    double **value, **scatter; /* per tensor of the plan's wrt */
    int64_t edges;             /* values that stand at an edge */
    bool sound;                /* everything is finite */
};
int nb_measure(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_measured *m,
               struct nb_error *e);
enum { NB_MEASURED_DIRECTIONS = 2 };
/* At a point with kinks: entries that are other numbers close by are marked in jumps[tensor][entry]. */
int nb_measured_jumps(const struct nb_measured *m, struct nb_graph *g, const struct nb_run *run, struct nb_arena *a,
                      unsigned char *const *jumps, struct nb_error *e);
void nb_measured_release(struct nb_measured *m);
/* Directions through the whole graph, all leaves at once, against measured gradients. */
int nb_measured_holds(const struct nb_measured *m, struct nb_graph *g, const struct nb_run *run, struct nb_arena *a,
                      bool *holds, struct nb_error *e);

/* What is worth what: rows of a mark whose tensor has been judged, and whose diagnosis is known. */
void nb_points_give(const struct nb_grading *g, struct nb_mark *m);
/* Score, verdict and review of the whole. */
void nb_points_sum(struct nb_graded *out);

/* numbers.c: one tensor against what is true of it. */
int nb_judge_numbers(const struct nb_truth_of *t, const struct nb_grading *g, const struct nb_named *came, bool single,
                     struct nb_arena *a, struct nb_mark *m, struct nb_error *e);

/* kinked.c: all tensors of a submission at a point with kinks. */
int nb_judge_kinked(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a, struct nb_graded *out,
                    struct nb_error *e);
/* follow.c: a wrong gradient was handed in for a node: what lies below is compared with what follows from it. */
int nb_follow_through(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a,
                      struct nb_graded *out, struct nb_error *e);
/* grade.c: marks for every tensor, not judged yet; one for which nothing came. */
int nb_marks_new(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a, struct nb_graded *out,
                 struct nb_error *e);
void nb_mark_missing(struct nb_mark *m);
/* Wrong at one point is wrong; right at one and untold at another is right. */
void nb_mark_merge(struct nb_mark *m, const struct nb_mark *other);
/* grade.c: verdicts, then diagnoses, of numbers at the point of a reference. */
int nb_marks_judge(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a, struct nb_graded *out,
                   struct nb_error *e);
int nb_marks_diagnose(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a,
                      struct nb_graded *out, struct nb_error *e);
/* grade.c: what was handed in under this name, or NULL. */
const struct nb_named *nb_handed_in(const struct nb_grading *g, const char *name);

/* Points that a student never sees. Sizes and everything else are drawn anew, as far as that can be done. */
enum nb_hidden { NB_HIDDEN_VALUES, NB_HIDDEN_SIZES, NB_HIDDEN_SINGLE, NB_HIDDEN_EDGES, NB_HIDDEN_POINTS };
/* hidden.c: *g is another graph with other learned tensors, to be released; *there: there is such a point. */
int nb_hidden_draw(const struct nb_reference *visible, enum nb_hidden which, struct nb_arena *a, struct nb_graph **g,
                   struct nb_check *point, bool *there, struct nb_error *e);

#endif
