/* constant - formulas over arguments and dimensions: numbers before any data come. */
#include "expr/formula.h"
#include "nabla/tensor.h"
#include <math.h>
#include <string.h>

/* A number that may be whole, and whole but not known. */
struct number {
    double real;
    int64_t whole;
    bool is_whole;
};

struct evaluation {
    nb_lookup *lookup;
    void *context;
    struct nb_error *error;
};

static int not_constant(const struct nb_expr *x, struct nb_error *e)
{
    return nb_fail(e, NB_E_bad_argument,
                   "column %d: a constant is expected here: numbers, arguments and dimensions with "
                   "+ - * /",
                   x->column);
}

static bool fits(double v)
{
    return v == floor(v) && fabs(v) <= 9007199254740992.0;
}

static int combine(const struct nb_expr *x, struct number a, struct number b, struct number *out, struct nb_error *e)
{
    char op = x->name[0] == 'A' ? '+' : x->name[0] == 'S' ? '-' : !strcmp(x->name, "Mul") ? '*' : '/';
    if (strcmp(x->name, "Add") && strcmp(x->name, "Sub") && strcmp(x->name, "Mul") && strcmp(x->name, "Div"))
        return not_constant(x, e);
    out->is_whole = a.is_whole && b.is_whole;
    out->real = op == '+'   ? a.real + b.real
                : op == '-' ? a.real - b.real
                : op == '*' ? a.real * b.real
                            : a.real / b.real;
    if (!out->is_whole)
        return 0;
    if (!NB_IS_KNOWN(a.whole) || !NB_IS_KNOWN(b.whole)) {
        out->whole = NB_ANY;
        out->real = NAN;
        return 0;
    }
    out->is_whole = fits(out->real);
    out->whole = out->is_whole ? (int64_t)out->real : 0;
    return 0;
}

/* Bounded by the formula's nesting. */
static int evaluate(struct evaluation *v, const struct nb_expr *x, struct number *out)
{
    struct number a, b;
    switch (x->kind) {
    case NB_X_NUMBER:
        *out = (struct number){x->number, fits(x->number) ? (int64_t)x->number : 0, fits(x->number)};
        return 0;
    case NB_X_NAME:
        return v->lookup(v->context, x, &out->real, &out->whole, &out->is_whole, v->error);
    case NB_X_NEGATE:
        if (evaluate(v, x->item[0], &a))
            return -1;
        *out = (struct number){-a.real, a.is_whole && NB_IS_KNOWN(a.whole) ? -a.whole : NB_ANY, a.is_whole};
        return 0;
    case NB_X_BINARY:
        return evaluate(v, x->item[0], &a) || evaluate(v, x->item[1], &b) || combine(x, a, b, out, v->error) ? -1 : 0;
    default:
        return not_constant(x, v->error);
    }
}

int nb_formula_real(const struct nb_expr *x, nb_lookup *lookup, void *context, double *value, struct nb_error *e)
{
    struct evaluation v = {lookup, context, e};
    struct number n;
    if (evaluate(&v, x, &n))
        return -1;
    *value = n.is_whole && !NB_IS_KNOWN(n.whole) ? NAN : n.real;
    return 0;
}

int nb_formula_dim(const struct nb_expr *x, nb_lookup *lookup, void *context, int64_t *d, struct nb_error *e)
{
    struct evaluation v = {lookup, context, e};
    struct number n;
    if (evaluate(&v, x, &n))
        return -1;
    if (!n.is_whole)
        return nb_fail(e, NB_E_bad_dim, "column %d: a whole number is expected, the formula gives %g", x->column,
                       n.real);
    *d = n.whole;
    return 0;
}
