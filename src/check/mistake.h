/* mistake.h - known mistakes, made in numbers that are right. */
#ifndef NABLA_MISTAKE_H
#define NABLA_MISTAKE_H
#include "graph/session.h"

/* ---- in a gradient --------------------------------------------------------------------------------------------- */

struct nb_truth {
    size_t n;
    const double *value, *bar; /* of every entry */
    const struct nb_shape *shape;
    int64_t batch; /* samples; 0: there is no such thing */
    double rho;    /* relative errors above it are to be caught */
    bool drawn;    /* at a drawn point: entries that are all equal are so at every point */
    struct nb_stream stream;
};
struct nb_mistake {
    const char *name;
    /* Makes it in `to`, which holds the values; false: there is nothing to be mistaken about. */
    bool (*plant)(const struct nb_truth *t, double *to);
};
extern const struct nb_mistake nb_mistakes[]; /* ended by .name NULL */

/* ---- in the backward of one operation -------------------------------------------------------------------------- */

struct nb_slip {
    const struct nb_plan *plan;
    const struct nb_back *back; /* where */
    const struct nb_slip_kind *kind;
    int64_t batch;
    bool loss;              /* the cotangent of the whole is 1 by definition */
    bool none;              /* set on the way: at this place it is no mistake */
    struct nb_tensor *gout; /* room for the widest operation */
    double *room;           /* and for the outputs of the largest */
};
struct nb_slip_kind {
    const char *name;
    const char *code, *hint; /* for those who are told: "mask_inverted" */
    bool (*applies)(const struct nb_slip *s, const struct nb_op *op);
    int (*backward)(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e);
};
extern const struct nb_slip_kind nb_slips[]; /* ended by .name NULL */
/* For a session's `instead`, with a slip as its context. */
int nb_slip_backward(void *slip, const struct nb_op *op, const struct nb_call *c, struct nb_error *e);

#endif
