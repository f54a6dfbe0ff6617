/* value.h - JSON values of a graph: numbers, whole numbers, small tensors, names. */
#ifndef NABLA_VALUE_H
#define NABLA_VALUE_H
#include "nabla/tensor.h"
#include <jansson.h>

/* "an object", "a string", ...: what came. */
const char *nb_json_kind(const json_t *j);
/* wrong_type: "WANTED is expected, an object came". Always -1. */
int nb_fail_type(struct nb_error *e, const char *wanted, const json_t *came);

int nb_read_real(const json_t *j, double *v, struct nb_error *e);   /* a number, "NaN", "Infinity", "-Infinity" */
int nb_read_whole(const json_t *j, int64_t *v, struct nb_error *e); /* 64 or 64.0 */
int nb_tensor_read(const json_t *j, struct nb_arena *a, struct nb_tensor *t,
                   struct nb_error *e); /* nested lists, NB_F64 */

/* True for the three words that stand for numbers. */
bool nb_number_word(const char *s, double *v);
/* [A-Za-z_][A-Za-z0-9_]*, at most 63 characters. */
bool nb_is_name(const char *s);
int nb_check_name(const char *s, struct nb_error *e); /* bad_name */
/* True if s is one of the words that follow; the list is ended by the macro. */
bool nb_word_in(const char *s, ...);
#define nb_is_word(s, ...) nb_word_in((s), __VA_ARGS__, (char *)NULL)
/* unknown_key unless every key of the object is among the words. */
int nb_check_keys(const json_t *object, struct nb_error *e, ...) __attribute__((sentinel));
/* One more name in a list for an error: "a, b, c", cut at size. */
void nb_add_name(char *list, size_t size, const char *name);
/* "*" any characters, "?" one. Linear in both. */
bool nb_glob(const char *pattern, const char *s);
/* The nearest of the names, or NULL if none is near; for "did you mean". */
const char *nb_nearest(const char *word, const char *const *names, size_t n);

#endif
