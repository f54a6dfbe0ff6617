/* references - what a node refers to, and the order that follows. */
#include "expr/formula.h"
#include "graph/language.h"
#include "graph/value.h"
#include "nabla/limits.h"
#include <stdio.h>
#include <string.h>

bool nb_is_wrapper(const json_t *j)
{
    return json_is_object(j) &&
           (json_object_get(j, "stop") || json_object_get(j, "concat") || json_object_get(j, "unsqueeze"));
}

bool nb_is_zeros(const json_t *j)
{
    return json_is_string(j) && !strcmp(json_string_value(j), "zeros");
}

const char *nb_reference_node(const char *reference, const char **port, struct nb_arena *a, struct nb_error *e)
{
    const char *dot = strchr(reference, '.');
    *port = dot ? dot + 1 : NULL;
    return dot ? nb_strndup(a, reference, (size_t)(dot - reference), e) : reference;
}

struct walk {
    nb_visit *visit;
    void *context;
    struct nb_arena *arena;
    int depth;
    struct nb_error *error;
};

static int walk_ref(struct walk *w, json_t *ref);

static int walk_list(struct walk *w, json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (walk_ref(w, json_array_get(list, i)))
            return nb_at_index(w->error, i);
    return 0;
}

static int walk_concat(struct walk *w, json_t *list)
{
    if (!json_is_array(list) || !json_array_size(list))
        return nb_fail_type(w->error, "a list of references", list);
    return walk_list(w, list);
}

/* At most nb_limits.wrappers deep. */
static int walk_wrapper(struct walk *w, json_t *ref)
{
    const char *key = json_object_get(ref, "stop") ? "stop" : json_object_get(ref, "concat") ? "concat" : "unsqueeze";
    bool stop = !strcmp(key, "stop");
    if (stop ? nb_check_keys(ref, w->error, "stop", NULL) : nb_check_keys(ref, w->error, key, "dim", NULL))
        return -1;
    if (!strcmp(key, "unsqueeze") && !json_object_get(ref, "dim"))
        return nb_fail(w->error, NB_E_missing_key, "unsqueeze needs dim");
    if (w->depth == nb_limits.wrappers)
        return NB_OVER(w->error, wrappers, w->depth + 1);
    json_t *inner = json_object_get(ref, key);
    w->depth++;
    int bad = !strcmp(key, "concat") ? walk_concat(w, inner) : walk_ref(w, inner);
    w->depth--;
    return bad ? nb_at(w->error, key) : 0;
}

static int walk_string(struct walk *w, const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
    if (strchr(s, '/'))
        return nb_fail(w->error, NB_E_bad_reference,
                       "\"%.80s\": slashes are for requests; a reference is NODE or NODE.PORT", s);
    if (!*s || s[n] || *s == '.')
        return nb_fail(w->error, NB_E_bad_reference, "\"%.80s\" is not a reference: NODE or NODE.PORT", s);
    return w->visit(w->context, s, 0, w->error);
}

static int walk_ref(struct walk *w, json_t *ref)
{
    if (json_is_string(ref))
        return walk_string(w, json_string_value(ref));
    if (nb_is_wrapper(ref))
        return walk_wrapper(w, ref);
    return nb_fail_type(w->error, "a reference (a string, or an object with stop, concat or unsqueeze)", ref);
}

static int walk_ports(struct walk *w, json_t *ports)
{
    const char *port;
    json_t *ref;
    json_object_foreach (ports, port, ref)
        if (walk_ref(w, ref))
            return nb_at(w->error, port);
    return 0;
}

/* Start values of a scan: references, or zeros. */
static int walk_carries(struct walk *w, json_t *carry)
{
    const char *port;
    json_t *ref;
    json_object_foreach (carry, port, ref)
        if (!nb_is_zeros(ref) && walk_ref(w, ref))
            return nb_at(w->error, port);
    return 0;
}

static int walk_in(struct walk *w, json_t *in)
{
    if (json_is_array(in))
        return walk_list(w, in);
    if (json_is_object(in) && !nb_is_wrapper(in))
        return walk_ports(w, in);
    return walk_ref(w, in);
}

static int walk_name(void *context, const struct nb_expr *name)
{
    struct walk *w = context;
    return w->visit(w->context, name->name, name->column, w->error);
}

static int walk_formula(struct walk *w, json_t *text)
{
    if (!json_is_string(text))
        return nb_fail_type(w->error, "a formula (a string)", text);
    struct nb_expr *x = nb_formula_parse(json_string_value(text), w->arena, w->error);
    return x ? nb_formula_names(x, walk_name, w) : -1;
}

int nb_references(json_t *node, nb_visit *visit, void *context, struct nb_arena *a, struct nb_error *e)
{
    struct walk w = {visit, context, a, 0, e};
    json_t *in = json_object_get(node, "in"), *expr = json_object_get(node, "expr");
    if (expr)
        return walk_formula(&w, expr) ? nb_at(e, "expr") : 0;
    if (walk_ports(&w, json_object_get(node, "over")))
        return nb_at(e, "over");
    if (walk_carries(&w, json_object_get(node, "carry")))
        return nb_at(e, "carry");
    return in && walk_in(&w, in) ? nb_at(e, "in") : 0;
}

/* ---- order ---------------------------------------------------------------------------------------------------------
 */

/* Depth-first over the nodes with a stack of our own; `dependents` are lists in one array. */
struct order {
    json_t *index; /* name -> number */
    const char **name;
    size_t n, *first; /* dependencies of node i: deps[first[i]] .. deps[first[i+1]] */
    int *deps;
    size_t ndeps, cap;
    struct nb_arena *arena;
};

static int add_dependency(void *context, const char *reference, int column, struct nb_error *e)
{
    struct order *o = context;
    const char *port, *node = nb_reference_node(reference, &port, o->arena, e);
    (void)column;
    if (!node)
        return -1;
    json_t *number = json_object_get(o->index, node);
    if (!number)
        return 0;
    if (nb_grow(o->arena, &o->deps, o->ndeps, &o->cap, sizeof *o->deps, e))
        return -1;
    o->deps[o->ndeps++] = (int)json_integer_value(number);
    return 0;
}

static int collect(struct order *o, json_t *nodes, struct nb_error *e)
{
    size_t i = 0;
    const char *key;
    json_t *node;
    json_object_foreach (nodes, key, node) {
        o->first[i++] = o->ndeps;
        if (nb_references(node, add_dependency, o, o->arena, e))
            return nb_at(e, key);
    }
    o->first[i] = o->ndeps;
    return 0;
}

static int fail_cycle(const struct order *o, const int *stack, size_t top, int again, struct nb_error *e)
{
    char text[600] = "";
    size_t from = 0, first;
    while (stack[from] != again)
        from++;
    first = from;
    for (size_t i = from; i < top; i++)
        if (stack[i] < stack[first])
            first = i;
    for (size_t i = 0; i <= top - from; i++) {
        size_t n = strlen(text), k = from + (first - from + i) % (top - from);
        snprintf(text + n, sizeof text - n, "%s%s", n ? " -> " : "", o->name[stack[k]]);
    }
    return nb_fail(e, NB_E_cycle, "the nodes form a cycle: %s", text), nb_at(e, o->name[stack[first]]);
}

static int sort_from(const struct order *o, int start, int *state, int *stack, size_t *next, const char **out,
                     size_t *done, struct nb_error *e)
{
    size_t top = 0;
    stack[top++] = start;
    next[start] = o->first[start];
    state[start] = 1;
    while (top) {
        int i = stack[top - 1];
        if (next[i] == o->first[i + 1]) {
            state[i] = 2;
            out[(*done)++] = o->name[i];
            top--;
            continue;
        }
        int d = o->deps[next[i]++];
        if (state[d] == 1)
            return fail_cycle(o, stack, top, d, e);
        if (state[d])
            continue;
        state[d] = 1;
        next[d] = o->first[d];
        stack[top++] = d;
    }
    return 0;
}

/* A node refers to what it uses, so a cycle is spelled against the flow of data; the text reads as references. */
int nb_node_order(json_t *nodes, const char ***order, struct nb_arena *a, struct nb_error *e)
{
    size_t n = json_object_size(nodes), done = 0;
    struct order o = {.n = n, .arena = a};
    int *state = nb_zalloc(a, n + 1, sizeof *state, e), *stack = nb_small(a, n + 1, sizeof *stack, e);
    size_t *next = nb_small(a, n + 1, sizeof *next, e);
    o.first = nb_small(a, n + 1, sizeof *o.first, e);
    o.name = nb_small(a, n + 1, sizeof *o.name, e);
    *order = nb_small(a, n + 1, sizeof **order, e);
    if (!state || !stack || !next || !o.first || !o.name || !*order)
        return -1;
    if (!(o.index = json_object()))
        return nb_fail_memory(e);
    const char *key;
    json_t *node;
    size_t i = 0;
    int bad = 0;
    json_object_foreach (nodes, key, node) {
        o.name[i] = key;
        bad |= json_object_set_new(o.index, key, json_integer((json_int_t)i++));
    }
    bad = bad ? nb_fail_memory(e) : collect(&o, nodes, e);
    for (i = 0; i < n && !bad; i++)
        if (!state[i])
            bad = sort_from(&o, (int)i, state, stack, next, *order, &done, e);
    json_decref(o.index);
    return bad;
}

const char *nb_item_type(json_t *item, json_t **args, struct nb_error *e)
{
    *args = NULL;
    if (json_is_string(item))
        return json_string_value(item);
    if (!json_is_object(item) || json_object_size(item) != 1) {
        nb_fail(e, NB_E_bad_form, "an item is \"Type\" or {\"Type\": arguments}; %s came", nb_json_kind(item));
        return NULL;
    }
    void *iter = json_object_iter(item);
    *args = json_object_iter_value(iter);
    return json_object_iter_key(iter);
}
