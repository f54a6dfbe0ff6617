/* idx.h - the file format of the MNIST data: two zeros, the type, the number of sizes, the sizes, the data; the high
 * byte first. */
#ifndef NABLA_IDX_H
#define NABLA_IDX_H
#include "nabla/tensor.h"

/* Is this how such a file begins? */
bool nb_idx_is(const void *bytes, size_t n);
/* Decodes the file at the front; *used is its length: several may lie one behind the other. Whole numbers become NB_I64
 * with one size (classes), NB_F32 with more (pictures); those of 32 bits always NB_I64. float and double stay.
 * Errors: bad_file; limit. */
int nb_idx_read(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensor *t, size_t *used, struct nb_error *e);

#endif
