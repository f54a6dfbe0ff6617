/* answers.h - code that the service never sees, graded by what it answered at points that were drawn for it. */
#ifndef NABLA_ANSWERS_H
#define NABLA_ANSWERS_H
#include "grade/grade.h"

/* What it said at one point. inputs: also learned tensors, by their names. */
struct nb_heard {
    struct nb_tensors inputs, cotangents, outputs, gradients;
};
/* What its gradient is worth beside its own outputs, however wrong these are. */
struct nb_consistency {
    const char *name;
    enum nb_verdict verdict;
    int64_t right, wrong, cannot_tell, silent;
};
/* At every point the gradient is compared with the graph's; if the forward is another one, with its own outputs. Errors
 * about names have no place. */
int nb_grade_answers(struct nb_graph *graph, const struct nb_grading *g, size_t n, const struct nb_heard *heard,
                     size_t nown, const struct nb_consistency *own, struct nb_arena *a, struct nb_reference *r,
                     struct nb_graded *out, struct nb_error *e);

/* carried.c: of tensors that are wrong: is it what was asked before? One reference for each that was heard, in the
 * order of the questions. */
int nb_carried(size_t n, const struct nb_reference *r, const struct nb_heard *heard, struct nb_arena *a,
               struct nb_graded *out, struct nb_error *e);

/* Points at which the function of a challenge is asked, with inputs and learned tensors by name: the challenge's own,
 * which is complete, and another one. Integer inputs cannot be asked about: bad_value. */
enum { NB_ANSWERS_POINTS = 2 };
int nb_answers_points(struct nb_graph *g, const struct nb_check *point, struct nb_arena *a,
                      struct nb_tensors at[NB_ANSWERS_POINTS], int *n, struct nb_error *e);

#endif
