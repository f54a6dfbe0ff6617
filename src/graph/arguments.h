/* arguments.h - a module's arguments from JSON, by its table. */
#ifndef NABLA_ARGUMENTS_H
#define NABLA_ARGUMENTS_H
#include "nabla/module.h"
#include <jansson.h>

/* Where strings that stand for numbers are worked out: formulas over the arguments and dimensions of a scope. */
struct nb_const_scope {
    void *context;
    int (*dim)(void *context, const char *formula, int64_t *d, struct nb_error *e); /* may give NB_SYM, NB_ANY */
    int (*real)(void *context, const char *formula, double *v, struct nb_error *e);
};

/* Fills *args (args_size bytes in the arena) with defaults, then with what is given: an object by name (with `node` the
 * keys op, in, share, doc are passed over), a list in the constructor's order (null leaves one out), or one value.
 * scope may be NULL: then strings are no numbers. Errors: unknown_argument, missing_argument, bad_argument, wrong_type,
 * with a pointer to the value. */
int nb_args_read(const struct nb_module *m, json_t *given, bool node, const struct nb_const_scope *scope,
                 struct nb_arena *a, void **args, struct nb_error *e);

/* An initialiser: "zeros", {"uniform": [-1, 1]}, {"kaiming_normal": {"mode": "fan_out"}}. */
int nb_init_read(const json_t *j, struct nb_init *init, struct nb_error *e);

#endif
