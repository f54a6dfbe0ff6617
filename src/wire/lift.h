/* lift.h - tensors out of a JSON body into typed buffers, and the small rest to Jansson. */
#ifndef NABLA_LIFT_H
#define NABLA_LIFT_H
#include "nabla/tensor.h"
#include <jansson.h>

/* Where tensors stand: a pattern of keys in which * is any key, or index of an array: "/inputs/ *" without the blank.
 * What stands there is lifted whole (a bare number too) and lands in `to` under the name of the key that the last *
 * matched, or without one under the last key. */
struct nb_lift_rule {
    const char *pattern;
    struct nb_tensors *to;
};

/* Scans the body once. `text` has n bytes and one NUL after them. Tensors are NB_F64 (numbers and the strings "NaN",
 * "Infinity", "-Infinity") or NB_I64 0/1 (true, false). *rest is a new reference: the body with every lifted value
 * replaced by its index. Each tensor has its digits. Errors: json_syntax (line, column of the body as sent),
 * duplicate_key, bad_tensor with a pointer to the element (ragged arrays, wrong kinds, rank over 8), bad_number (beyond
 * double, or a whole number beyond 2^53 that no double holds), limit (json, json_nesting, tensors, memory). */
int nb_lift(const char *text, size_t n, const struct nb_lift_rule *rules, size_t nrules, struct nb_arena *a,
            json_t **rest, struct nb_error *e);

/* The digits numbers show, each list of them begun by {0, -1}. */
struct nb_shown {
    uint64_t most; /* the largest whole number that the digits of one spell without its point and exponent */
    int decimals;  /* the most behind the point, where 1.5e-3 is 0.0015; -1: none had a point or an exponent */
};

/* The longest correct JSON number at p: exact (bit-equal to strtod; infinite beyond the doubles). Returns its end, or
 * NULL if there is none. *end is there to be read and belongs to no number, like the NUL behind a body. */
const char *nb_number(const char *p, const char *end, double *value, struct nb_shown *shown);

#endif
