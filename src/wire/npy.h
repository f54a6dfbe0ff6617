/* npy.h - one tensor <-> the file format of numpy.save. */
#ifndef NABLA_NPY_H
#define NABLA_NPY_H
#include "nabla/tensor.h"

/* Decodes a whole file: f4, f8 stay; f2 widens to NB_F32; integers and booleans become NB_I64. Either byte order; what
 * is in Fortran's order comes out row-major. The data are copied. Objects (a pickle: a program), structures, complex
 * numbers, texts and dates are refused by name. Errors: bad_file; limit. */
int nb_npy_read(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensor *t, struct nb_error *e);

enum { NB_NPY_HEAD = 256 };
/* Writes what stands in front of a tensor's data; its length, or 0 for a type numpy's files lack here (complex). */
size_t nb_npy_head(const struct nb_tensor *t, char head[NB_NPY_HEAD]);
int nb_npy_write(const struct nb_tensor *t, struct nb_arena *a, void **bytes, size_t *n, struct nb_error *e);

#endif
