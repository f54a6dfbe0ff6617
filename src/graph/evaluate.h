/* evaluate.h - one formula over tensors that are there. */
#ifndef NABLA_EVALUATE_H
#define NABLA_EVALUATE_H
#include "nabla/tensor.h"

struct nb_constant { /* stands for a number, also where a constant is wanted: sum(x, dim) */
    const char *name;
    double value;
};

/* The value of the formula in double; operands are NB_F64 or NB_I64. Names come first as operands, then as constants.
 * All lives in the arena. Errors are those of the formula language. */
int nb_evaluate(const char *formula, const struct nb_tensors *operands, const struct nb_constant *constants, size_t n,
                struct nb_arena *a, struct nb_tensor *result, struct nb_error *e);

#endif
