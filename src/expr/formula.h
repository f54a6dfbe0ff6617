/* formula.h - the formula language: text -> tree. Grammar and limits: graph language, section 9. */
#ifndef NABLA_FORMULA_H
#define NABLA_FORMULA_H
#include "nabla/arena.h"
#include <stdbool.h>

enum nb_expr_kind { NB_X_NUMBER, NB_X_NAME, NB_X_CALL, NB_X_NEGATE, NB_X_BINARY, NB_X_LIST };

struct nb_expr {
    enum nb_expr_kind kind;
    int column;              /* from 1, of its first character (of the operator for NB_X_BINARY) */
    const char *begin, *end; /* its text */
    double number;
    const char *name; /* of a NAME ("enc.mu") or a CALL; the module's type for NB_X_BINARY ("Add", "Less") */
    int n;            /* operands, arguments, items */
    struct nb_expr **item;
    const char **keyword; /* per argument of a CALL: its name, or NULL */
};

/* Parses; errors formula_syntax and limit, their detail begins with the column. */
struct nb_expr *nb_formula_parse(const char *text, struct nb_arena *a, struct nb_error *e);

/* Calls visit for every NAME that is not in call position, left to right, until it does not return 0. */
int nb_formula_names(const struct nb_expr *x, int (*visit)(void *context, const struct nb_expr *name), void *context);

/* A formula that must be constant: + - * / of numbers and of names that `lookup` knows.
 * A name lookup does not know is its error. NB_ANY arithmetic: whole sizes with NB_SYM, NB_ANY inside give NB_ANY. */
typedef int nb_lookup(void *context, const struct nb_expr *name, double *real, int64_t *whole, bool *is_whole,
                      struct nb_error *e);
int nb_formula_real(const struct nb_expr *x, nb_lookup *lookup, void *context, double *v, struct nb_error *e);
int nb_formula_dim(const struct nb_expr *x, nb_lookup *lookup, void *context, int64_t *d, struct nb_error *e);

#endif
