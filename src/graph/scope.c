/* scope - the names of a graph or module while it is built, and what its dimensions are bound to. */
#include "graph/build.h"
#include "graph/language.h"
#include "graph/value.h"
#include "nabla/limits.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct nb_item *nb_scope_find(const struct nb_scope *s, const char *name)
{
    json_t *i = json_object_get(s->index, name);
    return i ? &s->items.v[json_integer_value(i)] : NULL;
}

int nb_scope_item(struct nb_scope *s, const char *name, struct nb_item **item, struct nb_error *e)
{
    if (nb_grow(s->b->arena, &s->items.v, s->items.n, &s->items.cap, sizeof *s->items.v, e))
        return -1;
    if (json_object_set_new(s->index, name, json_integer((json_int_t)s->items.n)))
        return nb_fail_memory(e);
    *item = &s->items.v[s->items.n++];
    **item = (struct nb_item){.name = name};
    return 0;
}

static const char *port_list(const struct nb_item *item, char *buf, size_t size)
{
    *buf = '\0';
    for (int i = 0; i < item->n; i++) {
        nb_add_name(buf, size, item->port[i]);
    }
    return buf;
}

int nb_scope_port(const struct nb_item *item, const char *port, struct nb_error *e)
{
    char all[300];
    if (!port && item->n == 1)
        return item->value[0];
    if (!port)
        return nb_fail(e, NB_E_ambiguous_port, "%s has the ports %s; name one", item->name,
                       port_list(item, all, sizeof all));
    for (int i = 0; i < item->n; i++)
        if (!strcmp(item->port[i], port))
            return item->value[i];
    if (item->n == 1 && !strcmp(port, "out"))
        return item->value[0];
    return nb_fail(e, NB_E_unknown_port, "%s has no port %.63s; it has %s", item->name, port,
                   port_list(item, all, sizeof all));
}

/* In the formulas of a given backward the gradient and the outputs have names too; nodes come first. */
static const struct nb_item *gradient_item(const struct nb_scope *s, const char *name, const char **port)
{
    if (!strcmp(name, "g"))
        return &s->g;
    for (int i = 0; i < s->ports.n; i++)
        if (!strcmp(s->ports.port[i], name) && !*port) {
            *port = name;
            return &s->ports;
        }
    return NULL;
}

int nb_resolve_name(struct nb_scope *s, const char *reference, struct nb_error *e)
{
    const char *port, *name = nb_reference_node(reference, &port, s->b->arena, e);
    if (!name)
        return -1;
    const struct nb_item *item = nb_scope_find(s, name);
    if (!item && s->gradient)
        item = gradient_item(s, name, &port);
    if (!item)
        return nb_fail(e, NB_E_unknown_reference, "nothing is called %.63s", name);
    return nb_scope_port(item, port, e);
}

static int resolve_wrapper(struct nb_scope *s, json_t *ref, struct nb_error *e);

int nb_resolve(struct nb_scope *s, json_t *ref, struct nb_error *e)
{
    return json_is_string(ref) ? nb_resolve_name(s, json_string_value(ref), e) : resolve_wrapper(s, ref, e);
}

static int resolve_concat(struct nb_scope *s, json_t *list, json_t *args, struct nb_error *e)
{
    size_t n = json_array_size(list);
    int *in = nb_small(s->b->arena, n, sizeof *in, e);
    if (!in)
        return -1;
    for (size_t i = 0; i < n; i++)
        if ((in[i] = nb_resolve(s, json_array_get(list, i), e)) < 0)
            return nb_at_index(e, i), nb_at(e, "concat");
    return nb_add_simple(s, "Concat", args, (int)n, in, e);
}

/* The text is checked: at most nb_limits.wrappers deep. */
static int resolve_wrapper(struct nb_scope *s, json_t *ref, struct nb_error *e)
{
    json_t *dim = json_object_get(ref, "dim"), *args = dim ? json_pack("{sO}", "dim", dim) : NULL;
    const char *key = json_object_get(ref, "stop") ? "stop" : json_object_get(ref, "concat") ? "concat" : "unsqueeze";
    int v;
    if (!strcmp(key, "concat")) {
        v = resolve_concat(s, json_object_get(ref, key), args, e);
    } else {
        v = nb_resolve(s, json_object_get(ref, key), e);
        if (v < 0)
            nb_at(e, key);
        else
            v = nb_add_simple(s, !strcmp(key, "stop") ? "StopGradient" : "Unsqueeze", args, 1, &v, e);
    }
    json_decref(args);
    return v;
}

/* ---- dimensions ------------------------------------------------------------------------------------------------ */

int64_t *nb_scope_symbol(struct nb_scope *s, const char *name)
{
    for (size_t i = 0; i < s->symbol.n; i++)
        if (!strcmp(s->symbol.v[i], name))
            return &s->size[i];
    return NULL;
}

static int64_t *add_symbol(struct nb_scope *s, const char *name, int64_t size, struct nb_error *e)
{
    if (s->symbol.n == sizeof s->size / sizeof *s->size) {
        nb_fail(e, NB_E_limit, "more than %zu dimension symbols in one scope", s->symbol.n);
        return NULL;
    }
    if (nb_grow(s->b->arena, &s->symbol.v, s->symbol.n, &s->symbol.cap, sizeof *s->symbol.v, e))
        return NULL;
    s->symbol.v[s->symbol.n] = name;
    s->size[s->symbol.n] = size;
    return &s->size[s->symbol.n++];
}

static int argument_number(json_t *arg, double *real, int64_t *whole, bool *is_whole)
{
    *real = json_is_null(arg) ? NAN : json_number_value(arg);
    *is_whole = json_is_null(arg) || (*real == floor(*real) && fabs(*real) <= 9007199254740992.0);
    *whole = json_is_null(arg) ? NB_ANY : *is_whole ? (int64_t)*real : 0;
    return 0;
}

int nb_scope_lookup(void *context, const struct nb_expr *name, double *real, int64_t *whole, bool *is_whole,
                    struct nb_error *e)
{
    struct nb_scope *s = context;
    json_t *arg = json_object_get(s->args, name->name);
    int64_t *size = arg ? NULL : nb_scope_symbol(s, name->name);
    if (arg)
        return argument_number(arg, real, whole, is_whole);
    if (!size && !strcmp(name->name, "pi"))
        return *real = 3.14159265358979323846, *is_whole = false, 0;
    if (!size && !strcmp(name->name, "inf"))
        return *real = INFINITY, *is_whole = false, 0;
    if (!size && strchr(name->name, '.') == NULL && nb_scope_find(s, name->name))
        return nb_fail(e, NB_E_bad_argument, "column %d: %s is not a constant", name->column, name->name);
    if (!size)
        return nb_fail(e, NB_E_bad_argument, "column %d: %s is no argument and no dimension here", name->column,
                       name->name);
    *is_whole = true;
    *whole = *size;
    *real = NB_IS_KNOWN(*size) ? (double)*size : NAN;
    return 0;
}

int nb_scope_dim(void *scope, const char *formula, int64_t *d, struct nb_error *e)
{
    struct nb_scope *s = scope;
    int64_t *symbol = nb_scope_symbol(s, formula); /* the common case, and the one that keeps NB_SYM */
    if (symbol)
        return *d = *symbol, 0;
    struct nb_expr *x = nb_formula_parse(formula, s->b->arena, e);
    return x ? nb_formula_dim(x, nb_scope_lookup, s, d, e) : -1;
}

int nb_scope_real(void *scope, const char *formula, double *v, struct nb_error *e)
{
    struct nb_scope *s = scope;
    struct nb_expr *x = nb_formula_parse(formula, s->b->arena, e);
    return x ? nb_formula_real(x, nb_scope_lookup, s, v, e) : -1;
}

static bool is_lead(json_t *declared)
{
    const char *first = json_string_value(json_array_get(declared, 0));
    return first && !strcmp(first, "...");
}

static bool is_argument(struct nb_scope *s, const char *name)
{
    return json_object_get(s->args, name) != NULL;
}

/* Compares two sizes; keeps the one that says more. */
static bool agree(int64_t *have, int64_t came)
{
    if (nb_dim_same(*have, came) == 0)
        return false;
    if (NB_IS_KNOWN(came) || *have == NB_ANY)
        *have = came;
    return true;
}

static char *dim_text(struct nb_scope *s, int64_t d, char *buf, size_t size)
{
    struct nb_shape one = {1, {d}};
    nb_shape_text(&one, s->b->net->symbols.v, buf, size);
    size_t n = strlen(buf);
    memmove(buf, buf + 1, n);
    buf[n - 2] = '\0';
    return buf;
}

static int fail_size(struct nb_scope *s, json_t *dim, int64_t want, int64_t came, struct nb_error *e)
{
    char w[40], c[40];
    const char *formula = json_string_value(dim);
    dim_text(s, want, w, sizeof w);
    dim_text(s, came, c, sizeof c);
    if (formula)
        return nb_fail(e, NB_E_shape_mismatch, "%.100s is %s here, %s came", formula, w, c);
    return nb_fail(e, NB_E_shape_mismatch, "%s expected, %s came", w, c);
}

static int match_dim(struct nb_scope *s, json_t *dim, int64_t came, int pass, struct nb_error *e)
{
    const char *text = json_string_value(dim);
    bool symbol = text && nb_is_name(text) && !is_argument(s, text);
    int64_t want;
    if ((pass == 0) != symbol)
        return 0;
    if (symbol) {
        int64_t *have = nb_scope_symbol(s, text);
        if (!have)
            return add_symbol(s, text, came, e) ? 0 : -1;
        want = *have;
        return agree(have, came) ? 0 : fail_size(s, dim, want, came, e);
    }
    if (text ? nb_scope_dim(s, text, &want, e) : nb_read_whole(dim, &want, e))
        return -1;
    if (NB_IS_KNOWN(want) && want < 1)
        return nb_fail(e, NB_E_bad_dim, "%.100s is %lld here, a size is at least 1", text ? text : "it",
                       (long long)want);
    return nb_dim_same(want, came) ? 0 : fail_size(s, dim, want, came, e);
}

static int match_lead(struct nb_scope *s, const struct nb_shape *came, int n, struct nb_error *e)
{
    struct nb_shape lead = {n, {0}};
    memcpy(lead.dim, came->dim, (size_t)n * sizeof *lead.dim);
    if (!s->has_lead) {
        s->has_lead = true;
        s->lead = lead;
        return 0;
    }
    if (nb_shape_same(&s->lead, &lead))
        return 0;
    char a[200], b[200];
    return nb_fail(e, NB_E_shape_mismatch, "\"...\" is %s for one input and %s for another",
                   nb_shape_text(&s->lead, s->b->net->symbols.v, a, sizeof a),
                   nb_shape_text(&lead, s->b->net->symbols.v, b, sizeof b));
}

int nb_match_shape(struct nb_scope *s, json_t *declared, const struct nb_shape *came, int pass, int *at,
                   struct nb_error *e)
{
    bool lead = is_lead(declared);
    int n = (int)json_array_size(declared), skip = lead ? came->rank - (n - 1) : 0;
    char text[200];
    *at = -1;
    if (lead ? skip < 0 : came->rank != n)
        return nb_fail(e, NB_E_shape_mismatch, "%d%s dimensions expected, %s came", lead ? n - 1 : n,
                       lead ? " or more" : "", nb_shape_text(came, s->b->net->symbols.v, text, sizeof text));
    if (lead && pass == 0 && match_lead(s, came, skip, e))
        return *at = 0, -1;
    for (int i = lead; i < n; i++)
        if (match_dim(s, json_array_get(declared, (size_t)i), came->dim[i - lead + skip], pass, e))
            return *at = i, -1;
    return 0;
}

int nb_declared_shape(struct nb_scope *s, json_t *declared, struct nb_shape *shape, struct nb_error *e)
{
    shape->rank = 0;
    int lead = is_lead(declared);
    if (lead) {
        if (!s->has_lead)
            return nb_fail(e, NB_E_unbound_dim, "\"...\" is bound by no other input"), nb_at_index(e, 0);
        *shape = s->lead;
    }
    for (size_t i = (size_t)lead; i < json_array_size(declared); i++) {
        json_t *dim = json_array_get(declared, i);
        const char *text = json_string_value(dim);
        int64_t d;
        if (shape->rank == NB_MAX_RANK)
            return nb_fail(e, NB_E_limit, "more than %d dimensions", NB_MAX_RANK);
        if (text && nb_is_name(text) && !is_argument(s, text) && !nb_scope_symbol(s, text))
            return nb_fail(e, NB_E_unbound_dim, "%s is bound by no other input", text), nb_at_index(e, i);
        if (text ? nb_scope_dim(s, text, &d, e) : nb_read_whole(dim, &d, e))
            return nb_at_index(e, i);
        bool symbol = text && nb_scope_symbol(s, text); /* one may be bound to 0 */
        if (NB_IS_KNOWN(d) && d < 1 && !symbol)
            return nb_fail(e, NB_E_bad_dim, "%.100s is %lld here, a size is at least 1", text ? text : "it",
                           (long long)d),
                   nb_at_index(e, i);
        shape->dim[shape->rank++] = d;
    }
    return 0;
}
