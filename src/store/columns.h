/* columns.h - one column of a data set: judged, measured, and in as few bytes as it needs. */
#ifndef NABLA_COLUMNS_H
#define NABLA_COLUMNS_H
#include "store/datasets.h"

/* Fills in all of c but `at`. Errors: bad_dtype, bad_number; limit. */
int nb_column_measure(const struct nb_named *x, struct nb_arena *a, struct nb_column *c, struct nb_error *e);
/* Bytes of n entries on disk. */
size_t nb_column_bytes(const struct nb_column *c, size_t n);
/* n entries, from memory to the form they have on disk, and back. Back: false if the column is none of ours. */
void nb_column_pack(const struct nb_column *c, const void *entries, size_t n, uint8_t *to);
bool nb_column_unpack(const struct nb_column *c, const uint8_t *from, size_t n, void *entries);

#endif
