/* stand.h - one operation taken out of a graph, at its recorded inputs, to be evaluated again and again beside them.
 *
 * Operands are the inputs (0, 1, ...) and then the learned tensors. Every slot has places of its own for the operand
 * that is changed and for what comes out, so slots may be used by several threads at once. */
#ifndef NABLA_STAND_H
#define NABLA_STAND_H
#include "graph/scan.h"
#include <complex.h>
#ifndef CMPLX /* clang 14 with glibc */
#define CMPLX(x, y) __builtin_complex((double)(x), (double)(y))
#endif

#define NB_STEP 0x1p-664 /* of the complex step */

struct nb_try { /* one slot, one build */
    struct nb_call call;
    struct nb_inside inside; /* what stops inside give is held as it is at the point */
    struct nb_tensor *rows;  /* inputs, learned tensors, outputs */
    void *x;                 /* the changed operand */
};

struct nb_stand {
    const struct nb_op *op;
    const struct nb_module *in_double, *in_complex;
    const struct nb_session *at; /* double, forward done */
    int port, slots;
    size_t n;      /* entries of the operand */
    double *point; /* its values */
    int nout;      /* real outputs to which a gradient arrives */
    const int *out;
    size_t total;               /* entries of these outputs together */
    double *base;               /* the outputs at the point, one after the other */
    struct nb_try *d, *z;       /* per slot; z NULL: none yet */
    int64_t *reals, *complexes; /* evaluations, per slot */
};

/* The operand of this number. `out` (indices into op->out) are the outputs looked at. */
int nb_stand_new(const struct nb_session *at, const struct nb_op *op, int port, int nout, const int *out, int slots,
                 struct nb_arena *a, struct nb_stand *s, struct nb_error *e);
/* And in complex. */
int nb_stand_add_complex(struct nb_stand *s, struct nb_arena *a, struct nb_error *e);
int nb_stand_value(const struct nb_op *op, int port); /* the value an operand is; -1: absent */
/* Evaluates with the operand as it stands in slot (d[slot].x or z[slot].x). */
int nb_stand_real(struct nb_stand *s, int slot, struct nb_error *e);
int nb_stand_complex(struct nb_stand *s, int slot, struct nb_error *e);
/* Output o of the last evaluation. */
static inline const double *nb_stand_y(const struct nb_stand *s, int slot, int o)
{
    return s->d[slot].call.out[s->out[o]].data;
}
static inline const double _Complex *nb_stand_z(const struct nb_stand *s, int slot, int o)
{
    return s->z[slot].call.out[s->out[o]].data;
}
const struct nb_shape *nb_stand_shape(const struct nb_stand *s, int o);
/* The operand back to the point. */
void nb_stand_reset(struct nb_stand *s, int slot);
/* The operation's own backward: this operand's gradient for cotangents of all its outputs (by index of op->out). */
int nb_stand_backward(struct nb_stand *s, void *const *cotangent, double *gradient, struct nb_error *e);
/* The same with the operand, and what the forward left, moved by units in the last place: `stir`, from 1, says how. */
int nb_stand_stirred(struct nb_stand *s, void *const *cotangent, uint64_t stir, double *gradient, struct nb_error *e);

#endif
