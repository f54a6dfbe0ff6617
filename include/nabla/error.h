/* error.h - one error, carried outward; each level puts its own step in front of the place.
 *
 * Functions that can fail return 0 or -1 (or NULL) and take struct nb_error * last.
 * The first error wins: nb_fail on an error that is set changes nothing. */
#ifndef NABLA_ERROR_H
#define NABLA_ERROR_H
#include <stdbool.h>
#include <stddef.h>

/* The codes are NB_E_shape_mismatch and so on: the name after NB_E_ is the name on the wire. */
enum nb_code {
    NB_E_none,
#define ERROR(code, status, title) NB_E_##code,
#include "nabla/errors.def"
#undef ERROR
    NB_E_count
};

struct nb_error {
    enum nb_code code;
    int line, column;   /* in the body, when the text is not JSON; else 0 */
    int port;           /* set by a module's forward: 1 + number of the input at fault; else 0 */
    bool fixed;         /* the pointer is whole: nb_at puts nothing in front */
    const char *option; /* the option of the daemon that sets the limit; else NULL */
    char pointer[600];  /* RFC 6901, "" is the whole body */
    char detail[700];   /* one sentence: what was expected, what came */
};

/* The row of a code. */
const char *nb_code_name(enum nb_code code);
int nb_code_status(enum nb_code code);
const char *nb_code_title(enum nb_code code);

/* Sets the error unless one is set. Always -1, so: return nb_fail(...). */
int nb_fail(struct nb_error *e, enum nb_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Out of memory: the error that must not allocate. Always -1. */
int nb_fail_memory(struct nb_error *e);

/* Puts one step in front of the pointer, escaped as RFC 6901 wants. Always -1. */
int nb_at(struct nb_error *e, const char *step);
int nb_at_index(struct nb_error *e, size_t index);
/* Both do nothing once the error is fixed. The same for a pointer that is ready ("/nodes/fc"): put in front as it is.
 * Always -1. */
int nb_at_pointer(struct nb_error *e, const char *pointer);

#endif
