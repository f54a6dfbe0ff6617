/* gzip.h - what was compressed, as it was. */
#ifndef NABLA_GZIP_H
#define NABLA_GZIP_H
#include "nabla/arena.h"
#include <stdbool.h>

/* Do the bytes begin as a gzip file does? */
bool nb_gzip_is(const void *bytes, size_t n);
/* All members one after the other, with a NUL behind. Errors: bad_file; limit (memory). */
int nb_gunzip(const void *bytes, size_t n, struct nb_arena *a, void **out, size_t *size, struct nb_error *e);

#endif
