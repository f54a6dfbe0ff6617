/* safetensors.h - named tensors <-> the safetensors file format (protocols: read in a fixed order of checks). */
#ifndef NABLA_SAFETENSORS_H
#define NABLA_SAFETENSORS_H
#include "nabla/tensor.h"
#include "wire/fact.h"

/* Decodes a whole file. F32, F64 stay; F16, BF16 widen to F32; integers become NB_I64, BOOL NB_I64. The data are
 * copied. Errors: bad_file with the tensor's name; limit. */
int nb_safetensors_read(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensors *out, struct nb_error *e);
/* Encodes; the header is padded so that the data are 8-aligned. facts, which go into __metadata__, may be
 * NULL. */
int nb_safetensors_write(const struct nb_tensors *l, const struct nb_fact *facts, size_t nfacts, struct nb_arena *a,
                         void **bytes, size_t *n, struct nb_error *e);

#endif
