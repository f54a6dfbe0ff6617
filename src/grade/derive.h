/* derive.h - inside of grading: formulas that were handed in, evaluated at a point, in double or in complex numbers. */
#ifndef NABLA_DERIVE_H
#define NABLA_DERIVE_H
#include "grade/grade.h"
#include "graph/ask.h"

struct nb_formulas {
    size_t n;
    const char **name, **text;
    struct nb_strings_list free; /* all free names */
};
/* Read from a submission. Errors: /submission/expressions/NAME. */
int nb_formulas_read(const struct nb_submission *s, struct nb_arena *a, struct nb_formulas *f, struct nb_error *e);

struct nb_derivation {
    const struct nb_formulas *f;
    struct nb_arena *arena;
    struct nb_planned *p; /* of the graph, held */
    struct nb_session s;
    void **cotangent;
    struct nb_graph *graph; /* of the formulas, held */
    struct nb_planned *q;
    struct nb_session t;
    struct nb_source {
        int value, seed; /* of the graph: a value, or the cotangent of a seed; both -1: a size or a word */
    } * source;          /* of each free name */
};
/* At a point that is complete; `wrt` of the run are the tensors of the formulas' names. Names that mean nothing, and
 * formulas that do not fit the sizes, are errors at /submission/expressions/NAME. Release it also after an error. */
int nb_derivation_open(const struct nb_formulas *f, struct nb_graph *g, const struct nb_run *run, enum nb_dtype dtype,
                       struct nb_arena *a, struct nb_derivation *d, struct nb_error *e);
void nb_derivation_release(struct nb_derivation *d);
/* Forward of the graph, then the formulas; stir: not 0, every intermediate result of the formulas is moved by a unit in
 * the last place. */
int nb_derive(struct nb_derivation *d, uint64_t stir, struct nb_error *e);
/* What formula i gave, spread to the shape wanted if it broadcasts up to that. In the session's dtype. */
int nb_derived(const struct nb_derivation *d, size_t i, const struct nb_shape *wanted, struct nb_tensor *t,
               struct nb_error *e);

#endif
