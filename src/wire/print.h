/* print.h - JSON text out: a growing buffer in an arena, tensors printed so that they read back the same. */
#ifndef NABLA_PRINT_H
#define NABLA_PRINT_H
#include "nabla/tensor.h"
#include <jansson.h>

struct nb_text {
    struct nb_arena *arena;
    char *v;
    size_t n, cap;
};

int nb_put(struct nb_text *t, const char *s, struct nb_error *e); /* as it is */
int nb_putn(struct nb_text *t, const char *s, size_t n, struct nb_error *e);
/* The length of the UTF-8 character at s, 0 if there is none (what is cut out of a request may end in the middle of
 * one). */
size_t nb_utf8(const char *s);
/* Quoted and escaped; bytes that are not UTF-8 become U+FFFD. */
int nb_put_string(struct nb_text *t, const char *s, struct nb_error *e);
/* At most 9 (NB_F32) or 17 digits that read back as the same number; "NaN", "Infinity", "-Infinity" as strings. */
int nb_put_number(struct nb_text *t, double v, enum nb_dtype d, struct nb_error *e);
/* Nested arrays, whole numbers without a point; {"name": tensor, ...}. */
int nb_put_tensor(struct nb_text *t, const struct nb_tensor *x, struct nb_error *e);
int nb_put_tensors(struct nb_text *t, const struct nb_tensors *l, struct nb_error *e);
/* Compact, order kept. */
int nb_put_json(struct nb_text *t, const json_t *j, struct nb_error *e);

#endif
