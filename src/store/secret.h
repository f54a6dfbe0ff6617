/* secret.h - random names, and what is drawn from secrets. */
#ifndef NABLA_SECRET_H
#define NABLA_SECRET_H
#include "nabla/error.h"
#include <stdint.h>

/* Bytes from the system. */
int nb_random(void *to, size_t n, struct nb_error *e);
/* "ch_" and 128 random bits. `to` has room for both and a NUL. */
int nb_random_id(const char *prefix, char *to, struct nb_error *e);
void nb_hex(const uint8_t *bytes, size_t n, char *to);

#endif
