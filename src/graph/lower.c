/* lower - a formula becomes operations of the same modules that nodes use. */
#include "graph/build.h"
#include "graph/value.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct function {
    const char *name, *module, *tensors, *constants, *named;
};

static const struct function functions[] = {
#define FUNCTION(name, module, tensors, constants, named) {#name, module, tensors, constants, named},
#include "expr/functions.def"
#undef FUNCTION
};

struct lowering {
    struct nb_scope *s;
    struct nb_error *error;
};

static int lower(struct lowering *l, const struct nb_expr *x);

/* Puts the column in front of what went wrong below; the pointer is the formula's. */
static int at_column(struct lowering *l, const struct nb_expr *x)
{
    struct nb_error *e = l->error;
    if (strncmp(e->detail, "column ", 7)) {
        char why[sizeof e->detail];
        strcpy(why, e->detail);
        snprintf(e->detail, sizeof e->detail, "column %d: %.600s", x->column, why);
    }
    if (!e->fixed)
        e->pointer[0] = '\0';
    return -1;
}

static struct nb_value *value(struct lowering *l, int v)
{
    return &l->s->b->net->values.v[v];
}

static int constant(struct lowering *l, double number, bool known)
{
    struct nb_shape scalar = {0};
    int v = nb_add_value(l->s->b, NB_V_CONST, &scalar, false, -1, l->error);
    if (v < 0)
        return -1;
    value(l, v)->constant = number;
    value(l, v)->known = known;
    return v;
}

static int simple(struct lowering *l, const struct nb_expr *x, const char *type, json_t *args, int n, const int *in)
{
    int v = nb_add_simple(l->s, type, args, n, in, l->error);
    return v < 0 ? at_column(l, x) : v;
}

/* ---- names ----------------------------------------------------------------------------------------------------------
 */

static bool has_value(const struct nb_scope *s, const char *name)
{
    char node[64];
    size_t n = strcspn(name, ".");
    snprintf(node, sizeof node, "%.*s", n < 63 ? (int)n : 63, name);
    if (nb_scope_find(s, node))
        return true;
    if (!s->gradient)
        return false;
    for (int i = 0; i < s->ports.n; i++)
        if (!strcmp(s->ports.port[i], node))
            return true;
    return !strcmp(node, "g");
}

static int lower_name(struct lowering *l, const struct nb_expr *x)
{
    if (has_value(l->s, x->name)) {
        int v = nb_resolve_name(l->s, x->name, l->error);
        if (v < 0)
            return at_column(l, x);
        return value(l, v)->integer ? simple(l, x, "Cast", NULL, 1, &v) : v;
    }
    double real;
    int64_t whole;
    bool is_whole;
    if (nb_scope_lookup(l->s, x, &real, &whole, &is_whole, l->error))
        return -1;
    return constant(l, real, !is_whole || NB_IS_KNOWN(whole));
}

/* ---- operators ------------------------------------------------------------------------------------------------- */

static bool is_constant(struct lowering *l, int v)
{
    return value(l, v)->kind == NB_V_CONST;
}

static bool fold(const char *op, double a, double b, double *out)
{
    if (!strcmp(op, "Add"))
        *out = a + b;
    else if (!strcmp(op, "Sub"))
        *out = a - b;
    else if (!strcmp(op, "Mul"))
        *out = a * b;
    else if (!strcmp(op, "Div"))
        *out = a / b;
    else if (!strcmp(op, "Pow"))
        *out = pow(a, b);
    else
        return false;
    return true;
}

static int apply(struct lowering *l, const struct nb_expr *x, const char *op, int a, int b)
{
    double folded;
    if (is_constant(l, a) && is_constant(l, b) && fold(op, value(l, a)->constant, value(l, b)->constant, &folded))
        return constant(l, folded, value(l, a)->known && value(l, b)->known);
    return simple(l, x, op, NULL, 2, (int[]){a, b});
}

static int lower_binary(struct lowering *l, const struct nb_expr *x)
{
    int a = lower(l, x->item[0]), b = a < 0 ? -1 : lower(l, x->item[1]);
    return b < 0 ? -1 : apply(l, x, x->name, a, b);
}

static int lower_negate(struct lowering *l, const struct nb_expr *x)
{
    int a = lower(l, x->item[0]);
    if (a < 0)
        return -1;
    if (is_constant(l, a))
        return constant(l, -value(l, a)->constant, value(l, a)->known);
    return simple(l, x, "Neg", NULL, 1, &a);
}

/* ---- calls ----------------------------------------------------------------------------------------------------- */

struct constants {
    struct lowering *l;
    int bad;
};

/* A constant argument may hold arguments and dimensions, no tensors. */
static int refuse_tensor(void *context, const struct nb_expr *name)
{
    struct constants *c = context;
    if (has_value(c->l->s, name->name))
        c->bad = nb_fail(c->l->error, NB_E_bad_argument, "column %d: %s is not a constant", name->column, name->name);
    return c->bad;
}

static json_t *constant_text(struct lowering *l, const struct nb_expr *x)
{
    struct constants c = {l, 0};
    if (nb_formula_names(x, refuse_tensor, &c))
        return NULL;
    json_t *j = x->kind == NB_X_NUMBER ? json_real(x->number) : json_stringn(x->begin, (size_t)(x->end - x->begin));
    if (!j)
        nb_fail_memory(l->error);
    return j;
}

/* Numbers as numbers, anything else as text that the argument reader works out in this scope. */
static json_t *constant_argument(struct lowering *l, const struct nb_expr *x)
{
    if (x->kind != NB_X_LIST)
        return constant_text(l, x);
    json_t *list = json_array();
    for (int i = 0; i < x->n; i++)
        if (json_array_append_new(list, constant_text(l, x->item[i]))) {
            json_decref(list);
            return nb_fail_memory(l->error), NULL;
        }
    return list;
}

/* The i-th word of a list of words; its length, 0 beyond the end. */
static size_t word_at(const char *words, int i, const char **word)
{
    while (i-- > 0) {
        words += strcspn(words, " ");
        words += *words == ' ';
    }
    *word = words;
    return strcspn(words, " ");
}

static bool takes_name(const struct function *f, const char *keyword)
{
    const char *word;
    size_t n;
    for (int list = 0; list < 2; list++)
        for (int i = 0; (n = word_at(list ? f->named : f->constants, i, &word)); i++) {
            int skip = *word == '!';
            if (strlen(keyword) == n - (size_t)skip && !strncmp(word + skip, keyword, n - (size_t)skip))
                return true;
        }
    return false;
}

static int set_constant(struct lowering *l, json_t *args, const char *name, size_t n, const struct nb_expr *x)
{
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)n, name);
    json_t *j = constant_argument(l, x);
    if (!j)
        return -1;
    return json_object_set_new(args, key, j) ? nb_fail_memory(l->error) : 0;
}

static int positional_count(const struct nb_expr *x)
{
    int n = 0;
    while (n < x->n && !x->keyword[n])
        n++;
    return n;
}

static int count_words(const char *words, int *needed)
{
    const char *word;
    int n = 0;
    *needed = 0;
    for (size_t len; (len = word_at(words, n, &word)); n++)
        *needed += *word == '!';
    return n;
}

static int read_constants(struct lowering *l, const struct function *f, const struct nb_expr *x, int from, json_t *args)
{
    const char *word;
    for (int i = 0; i < positional_count(x) - from; i++) {
        size_t n = word_at(f->constants, i, &word);
        int skip = *word == '!';
        if (set_constant(l, args, word + skip, n - (size_t)skip, x->item[from + i]))
            return -1;
    }
    for (int i = positional_count(x); i < x->n; i++) {
        if (!takes_name(f, x->keyword[i]))
            return nb_fail(l->error, NB_E_bad_argument, "column %d: %s has no argument %.40s", x->column, f->name,
                           x->keyword[i]);
        if (set_constant(l, args, x->keyword[i], strlen(x->keyword[i]), x->item[i]))
            return -1;
    }
    return 0;
}

static int lower_operands(struct lowering *l, const struct nb_expr *x, int n, int *in)
{
    for (int i = 0; i < n; i++) {
        if (x->item[i]->kind == NB_X_LIST)
            return nb_fail(l->error, NB_E_bad_argument, "column %d: a tensor is expected, a list came",
                           x->item[i]->column);
        if ((in[i] = lower(l, x->item[i])) < 0)
            return -1;
    }
    return 0;
}

/* max(a, b, ...) entry by entry, max(x, dim=..) and max(x) as a reduction. */
static int lower_extreme(struct lowering *l, const struct function *f, const struct nb_expr *x, int n, const int *in,
                         json_t *args)
{
    bool max = !strcmp(f->name, "max");
    if (n == 1)
        return simple(l, x, max ? "Max" : "Min", args, 1, in);
    if (json_object_size(args))
        return nb_fail(l->error, NB_E_bad_argument, "column %d: %s of several tensors takes no dim", x->column,
                       f->name);
    int v = in[0];
    for (int i = 1; i < n && v >= 0; i++)
        v = simple(l, x, max ? "Maximum" : "Minimum", NULL, 2, (int[]){v, in[i]});
    return v;
}

static int lower_linear(struct lowering *l, const struct nb_expr *x, int n, const int *in)
{
    int w = simple(l, x, "Transpose", NULL, 1, &in[1]);
    int y = w < 0 ? -1 : simple(l, x, "MatMul", NULL, 2, (int[]){in[0], w});
    return y < 0 || n == 2 ? y : simple(l, x, "Add", NULL, 2, (int[]){y, in[2]});
}

static int lower_with(struct lowering *l, const struct function *f, const struct nb_expr *x, int n, json_t *args)
{
    int in[24];
    if (read_constants(l, f, x, n, args) || lower_operands(l, x, n, in))
        return -1;
    if (!strcmp(f->name, "linear"))
        return lower_linear(l, x, n, in);
    return f->module ? simple(l, x, f->module, args, n, in) : lower_extreme(l, f, x, n, in, args);
}

static int fail_argument_count(struct lowering *l, const struct function *f, const struct nb_expr *x, int least,
                               int most, int came)
{
    if (least == most)
        return nb_fail(l->error, NB_E_bad_argument, "column %d: %s: %d wanted, %d given", x->column, f->name, least,
                       came);
    return nb_fail(l->error, NB_E_bad_argument, "column %d: %s: %d to %d wanted, %d given", x->column, f->name, least,
                   most, came);
}

static int lower_call(struct lowering *l, const struct nb_expr *x)
{
    const struct function *f = functions, *end = functions + sizeof functions / sizeof *functions;
    while (f < end && strcmp(f->name, x->name))
        f++;
    if (f == end)
        return nb_fail(l->error, NB_E_unknown_function, "column %d: there is no function %.60s", x->column, x->name);
    int needed, constants = count_words(f->constants, &needed), given = positional_count(x);
    bool many = f->tensors[1] == '+', linear = !strcmp(f->name, "linear");
    int tensors = many ? given : f->tensors[0] - '0', least = f->tensors[0] - '0';
    for (int i = given; i < x->n; i++) /* a needed constant may come by name */
        needed -= needed > 0 && takes_name(f, x->keyword[i]);
    if (given < least + needed || given > (linear ? 3 : tensors + constants))
        return fail_argument_count(l, f, x, least + needed, linear ? 3 : many ? 16 : least + constants, given);
    json_t *args = json_object();
    int v = args ? lower_with(l, f, x, tensors, args) : nb_fail_memory(l->error);
    json_decref(args);
    return v;
}

/* Bounded by the formula's nesting and length. */
static int lower(struct lowering *l, const struct nb_expr *x)
{
    switch (x->kind) {
    case NB_X_NUMBER:
        return constant(l, x->number, true);
    case NB_X_NAME:
        return lower_name(l, x);
    case NB_X_NEGATE:
        return lower_negate(l, x);
    case NB_X_BINARY:
        return lower_binary(l, x);
    case NB_X_CALL:
        return lower_call(l, x);
    case NB_X_LIST:
        break;
    }
    return nb_fail(l->error, NB_E_formula_syntax, "column %d: a list is no value", x->column);
}

int nb_lower(struct nb_scope *s, const char *text, struct nb_error *e)
{
    struct lowering l = {s, e};
    struct nb_expr *x = nb_formula_parse(text, s->b->arena, e);
    return x ? lower(&l, x) : -1;
}
