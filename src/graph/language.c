/* language - the text of a graph, checked before anything is built. */
#include "graph/language.h"
#include "expr/formula.h"
#include "graph/value.h"
#include "nabla/limits.h"
#include "nabla/module.h"
#include <stdio.h>
#include <string.h>

/* One scope: the graph itself or a module definition. `taken` maps every name to what it is. */
struct text {
    json_t *graph, *def;
    bool module, gradient; /* a module definition; one with a given backward */
    json_t *taken;
    struct nb_arena *arena;
};

static const char *const KINDS[] = {"an input", "a node", "an argument", "a dimension"};
enum { K_INPUT, K_NODE, K_ARG, K_DIM };

static int check_object(json_t *j, struct nb_error *e)
{
    return json_is_object(j) ? 0 : nb_fail_type(e, "an object", j);
}

static int check_string(json_t *j, const char *what, struct nb_error *e)
{
    return json_is_string(j) ? 0 : nb_fail_type(e, what, j);
}

static int check_doc(json_t *object, struct nb_error *e)
{
    json_t *doc = json_object_get(object, "doc");
    return doc && check_string(doc, "a text", e) ? nb_at(e, "doc") : 0;
}

static int over(size_t n, int64_t limit)
{
    return (int64_t)n > limit;
}

/* ---- names of a scope ------------------------------------------------------------------------------------------ */

static int claim(struct text *t, const char *name, int kind, struct nb_error *e)
{
    json_t *old = json_object_get(t->taken, name);
    if (old && kind == K_DIM && (json_integer_value(old) == K_DIM || json_integer_value(old) == K_ARG))
        return 0;
    if (old)
        return nb_fail(e, NB_E_name_clash, "%s is already %s", name, KINDS[json_integer_value(old)]);
    if (t->gradient && !strcmp(name, "g"))
        return nb_fail(e, NB_E_name_clash, "g is the incoming gradient in a module with a given backward");
    if (!strcmp(name, "zeros") && kind != K_DIM)
        return nb_fail(e, NB_E_name_clash, "zeros is a start value of scans and cannot name %s", KINDS[kind]);
    return json_object_set_new(t->taken, name, json_integer(kind)) ? nb_fail_memory(e) : 0;
}

static int claim_name(struct text *t, const char *name, int kind, struct nb_error *e)
{
    return nb_check_name(name, e) || claim(t, name, kind, e) ? nb_at(e, name) : 0;
}

/* ---- inputs ---------------------------------------------------------------------------------------------------- */

struct dim_names {
    struct text *t;
    struct nb_error *error;
};

static int claim_symbol(void *context, const struct nb_expr *name)
{
    struct dim_names *d = context;
    return claim(d->t, name->name, K_DIM, d->error);
}

static int check_dim(struct text *t, json_t *dim, bool first, struct nb_error *e)
{
    int64_t d;
    if (json_is_string(dim) && t->module && first && !strcmp(json_string_value(dim), "..."))
        return 0;
    if (json_is_string(dim)) {
        struct nb_error why = {0};
        struct nb_expr *x = nb_formula_parse(json_string_value(dim), t->arena, &why);
        struct dim_names names = {t, e};
        if (!x && why.code != NB_E_formula_syntax)
            return *e = why, -1;
        if (!x)
            return nb_fail(e, NB_E_bad_dim, "a dimension is a whole number >= 1, a symbol or a formula of them: %.300s",
                           why.detail);
        return nb_formula_names(x, claim_symbol, &names);
    }
    struct nb_error ignored = {0};
    if (nb_read_whole(dim, &d, &ignored) || d < 1)
        return nb_fail(e, NB_E_bad_dim, "a dimension is a whole number >= 1, a symbol or a formula of them");
    return 0;
}

static int check_shape(struct text *t, json_t *shape, struct nb_error *e)
{
    if (!json_is_array(shape))
        return nb_fail_type(e, "a list of dimensions", shape);
    if (json_array_size(shape) > NB_MAX_RANK)
        return nb_fail(e, NB_E_limit, "%zu dimensions, the limit is %d", json_array_size(shape), NB_MAX_RANK);
    for (size_t i = 0; i < json_array_size(shape); i++)
        if (check_dim(t, json_array_get(shape, i), i == 0, e))
            return nb_at_index(e, i);
    return 0;
}

static int check_input_dtype(struct text *t, json_t *dtype, struct nb_error *e)
{
    const char *s = json_string_value(dtype), *real = json_string_value(json_object_get(t->graph, "dtype"));
    if (!s)
        return nb_fail_type(e, "a string", dtype);
    if (nb_is_word(s, "int32", "int64", "bool") || !strcmp(s, real ? real : "float32"))
        return 0;
    return nb_fail(e, NB_E_bad_dtype, "an input is %s, int32, int64 or bool; %.40s came", real ? real : "float32", s);
}

static int check_sample(json_t *input, struct nb_error *e)
{
    json_t *sample = json_object_get(input, "sample"), *p = json_object_get(input, "p");
    const char *s = json_string_value(sample);
    if (sample && (!s || !nb_is_word(s, "normal", "uniform", "bernoulli")))
        return nb_fail(e, NB_E_bad_argument, "sample is normal, uniform or bernoulli; %.40s came",
                       s ? s : nb_json_kind(sample)),
               nb_at(e, "sample");
    if (!p)
        return 0;
    double v;
    if (nb_read_real(p, &v, e))
        return nb_at(e, "p");
    if (!s || strcmp(s, "bernoulli") || !(v >= 0 && v <= 1))
        return nb_fail(e, NB_E_bad_argument, "p belongs to \"sample\": \"bernoulli\" and is 0 <= p <= 1"),
               nb_at(e, "p");
    return 0;
}

static int check_input(struct text *t, json_t *input, struct nb_error *e)
{
    if (json_is_array(input))
        return check_shape(t, input, e);
    if (!json_is_object(input))
        return nb_fail_type(e, "a shape or an object with shape", input);
    if (nb_check_keys(input, e, "shape", "dtype", "sample", "p", "doc", NULL) || check_doc(input, e))
        return -1;
    json_t *shape = json_object_get(input, "shape"), *dtype = json_object_get(input, "dtype");
    if (!shape)
        return nb_fail(e, NB_E_missing_key, "an input needs shape");
    if (check_shape(t, shape, e))
        return nb_at(e, "shape");
    if (dtype && check_input_dtype(t, dtype, e))
        return nb_at(e, "dtype");
    return check_sample(input, e);
}

static int check_inputs(struct text *t, json_t *inputs, struct nb_error *e)
{
    const char *key;
    json_t *j;
    if (check_object(inputs, e))
        return -1;
    if (over(json_object_size(inputs), nb_limits.inputs))
        return NB_OVER(e, inputs, (int64_t)json_object_size(inputs));
    json_object_foreach (inputs, key, j)
        if (claim_name(t, key, K_INPUT, e))
            return -1;
    json_object_foreach (inputs, key, j)
        if (check_input(t, j, e))
            return nb_at(e, key);
    return 0;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static const char *node_form(json_t *node, struct nb_error *e)
{
    static const char *const forms[] = {"op", "chain", "expr", "scan"};
    const char *form = NULL;
    for (int i = 0; i < 4; i++) {
        if (!json_object_get(node, forms[i]))
            continue;
        if (form) {
            nb_fail(e, NB_E_bad_form, "a node has one of op, chain, expr, scan; this has %s and %s", form, forms[i]);
            return NULL;
        }
        form = forms[i];
    }
    if (!form)
        nb_fail(e, NB_E_bad_form, "a node has one of op, chain, expr, scan; this has none");
    return form;
}

static const char *nearest_type(json_t *modules, const char *type, struct nb_arena *a)
{
    int n = 0, count = nb_module_count();
    struct nb_error ignored = {0};
    const char **names = nb_small(a, (size_t)count + json_object_size(modules), sizeof *names, &ignored);
    if (!names)
        return NULL;
    for (; n < count; n++)
        names[n] = nb_module_at(NB_F64, n)->type;
    const char *key;
    json_t *j;
    json_object_foreach (modules, key, j)
        names[n++] = key;
    return nb_nearest(type, names, (size_t)n);
}

static int check_type(struct text *t, const char *type, struct nb_error *e)
{
    json_t *modules = json_object_get(t->graph, "modules");
    if (json_object_get(modules, type) || nb_module_find(type) >= 0)
        return 0;
    const char *near = nearest_type(modules, type, t->arena);
    return nb_fail(e, NB_E_unknown_module, "no module is called \"%.63s\"%s%s%s", type, near ? "; did you mean " : "",
                   near ? near : "", near ? "?" : ""),
           -1;
}

static int check_chain(struct text *t, json_t *chain, struct nb_error *e)
{
    json_t *args;
    if (!json_is_array(chain) || !json_array_size(chain))
        return nb_fail_type(e, "a list of modules, at least one,", chain);
    if (over(json_array_size(chain), nb_limits.chain))
        return NB_OVER(e, chain, (int64_t)json_array_size(chain));
    for (size_t i = 0; i < json_array_size(chain); i++) {
        const char *type = nb_item_type(json_array_get(chain, i), &args, e);
        if (!type || check_type(t, type, e))
            return nb_at_index(e, i);
    }
    return 0;
}

static int check_share(json_t *node, json_t *nodes, struct nb_error *e)
{
    json_t *share = json_object_get(node, "share");
    if (!share)
        return 0;
    if (check_string(share, "the name of a node", e))
        return nb_at(e, "share");
    if (!json_object_get(nodes, json_string_value(share)))
        return nb_fail(e, NB_E_unknown_reference, "no node of this scope is called %.63s", json_string_value(share)),
               nb_at(e, "share");
    return 0;
}

/* Every input has one source. */
static int check_sources(json_t *node, struct nb_error *e)
{
    static const char *const sources[] = {"over", "carry", "in"};
    for (int i = 0; i < 3; i++) {
        const char *port;
        json_t *ref, *ports = json_object_get(node, sources[i]);
        if (ports && (!json_is_object(ports) || nb_is_wrapper(ports)))
            return nb_fail_type(e, "an object port -> reference", ports), nb_at(e, sources[i]);
        json_object_foreach (ports, port, ref)
            for (int k = 0; k < i; k++)
                if (json_object_get(json_object_get(node, sources[k]), port))
                    return nb_fail(e, NB_E_bad_form, "%.63s stands in %s already", port, sources[k]), nb_at(e, port),
                           nb_at(e, sources[i]);
    }
    if (json_object_size(json_object_get(node, "over")))
        return 0;
    nb_fail(e, NB_E_missing_key, "a scan goes over at least one input: {\"over\": {port: reference}}");
    return json_object_get(node, "over") ? nb_at(e, "over") : -1;
}

static int check_flag(json_t *node, const char *key, struct nb_error *e)
{
    json_t *j = json_object_get(node, key);
    return j && !json_is_boolean(j) ? (nb_fail_type(e, "true or false", j), nb_at(e, key)) : 0;
}

static int check_whole(json_t *node, const char *key, int64_t least, struct nb_error *e)
{
    json_t *j = json_object_get(node, key);
    int64_t v = least;
    if (j && nb_read_whole(j, &v, e))
        return nb_at(e, key);
    if (v >= least)
        return 0;
    return nb_fail(e, NB_E_bad_argument, "%s is a whole number from %lld; %lld came", key, (long long)least,
                   (long long)v),
           nb_at(e, key);
}

static int check_scan(struct text *t, json_t *node, struct nb_error *e)
{
    json_t *args;
    if (nb_check_keys(node, e, "scan", "over", "dim", "carry", "in", "reverse", "truncate", "recompute", "share", "doc",
                      NULL))
        return -1;
    const char *type = nb_item_type(json_object_get(node, "scan"), &args, e);
    if (!type || check_type(t, type, e))
        return nb_at(e, "scan");
    return check_sources(node, e) || check_whole(node, "dim", -8, e) || check_whole(node, "truncate", 1, e) ||
                   check_flag(node, "reverse", e) || check_flag(node, "recompute", e)
               ? -1
               : 0;
}

static int check_node_form(struct text *t, json_t *node, struct nb_error *e)
{
    if (check_object(node, e))
        return -1;
    const char *form = node_form(node, e);
    if (!form || check_doc(node, e))
        return -1;
    if (!strcmp(form, "scan"))
        return check_scan(t, node, e);
    if (!strcmp(form, "expr"))
        return nb_check_keys(node, e, "expr", "doc", NULL);
    if (!strcmp(form, "chain")) {
        if (nb_check_keys(node, e, "chain", "in", "share", "doc", NULL))
            return -1;
        if (!json_object_get(node, "in"))
            return nb_fail(e, NB_E_missing_key, "a chain needs in");
        return check_chain(t, json_object_get(node, "chain"), e) ? nb_at(e, "chain") : 0;
    }
    json_t *op = json_object_get(node, "op");
    return check_string(op, "the name of a module", e) || check_type(t, json_string_value(op), e) ? nb_at(e, "op") : 0;
}

/* ---- references ------------------------------------------------------------------------------------------------ */

static int fail_unknown(struct text *t, const char *name, int column, struct nb_error *e)
{
    char where[24] = "", there[400] = "";
    const char *key;
    json_t *kind;
    if (column)
        snprintf(where, sizeof where, "column %d: ", column);
    json_object_foreach (t->taken, key, kind) {
        if (json_integer_value(kind) <= K_NODE || column)
            nb_add_name(there, sizeof there, key);
    }
    return nb_fail(e, NB_E_unknown_reference, "%snothing is called %.63s%s; there are %s", where, name,
                   column ? " (a function needs parentheses)" : "", *there ? there : "no names");
}

static int check_reference(void *context, const char *reference, int column, struct nb_error *e)
{
    struct text *t = context;
    const char *port, *node = nb_reference_node(reference, &port, t->arena, e);
    if (!node)
        return -1;
    json_t *kind = json_object_get(t->taken, node);
    bool wide = column && !port; /* in formulas also arguments, dimensions and two constants */
    if (kind && (json_integer_value(kind) <= K_NODE || wide))
        return 0;
    if (wide && nb_is_word(node, "pi", "inf"))
        return 0;
    return fail_unknown(t, node, column, e);
}

static int check_nodes(struct text *t, json_t *nodes, struct nb_error *e)
{
    const char *key, **order;
    json_t *node;
    if (check_object(nodes, e))
        return -1;
    if (!json_object_size(nodes))
        return nb_fail(e, NB_E_missing_key, "at least one node is needed");
    if (over(json_object_size(nodes), nb_limits.nodes))
        return NB_OVER(e, nodes, (int64_t)json_object_size(nodes));
    json_object_foreach (nodes, key, node)
        if (claim_name(t, key, K_NODE, e))
            return -1;
    json_object_foreach (nodes, key, node)
        if (check_node_form(t, node, e) || check_share(node, nodes, e) ||
            nb_references(node, check_reference, t, t->arena, e))
            return nb_at(e, key);
    return nb_node_order(nodes, &order, t->arena, e);
}

/* ---- module definitions ---------------------------------------------------------------------------------------- */

static int check_args(struct text *t, json_t *args, struct nb_error *e)
{
    const char *key;
    json_t *j;
    double v;
    if (check_object(args, e))
        return -1;
    json_object_foreach (args, key, j) {
        if (claim_name(t, key, K_ARG, e))
            return -1;
        if (nb_is_word(key, "op", "in", "share", "doc"))
            return nb_fail(e, NB_E_name_clash, "an argument cannot be called %s", key), nb_at(e, key);
        if (!json_is_null(j) && nb_read_real(j, &v, e))
            return nb_at(e, key);
    }
    return 0;
}

static const char *body_form(json_t *def, struct nb_error *e)
{
    int n = !!json_object_get(def, "nodes") + !!json_object_get(def, "chain") + !!json_object_get(def, "expr");
    if (n != 1) {
        nb_fail(e, NB_E_bad_form, "a module has one of nodes, chain, expr; this has %d of them", n);
        return NULL;
    }
    return json_object_get(def, "nodes") ? "nodes" : json_object_get(def, "chain") ? "chain" : "expr";
}

static int check_body(struct text *t, const char *form, struct nb_error *e)
{
    json_t *body = json_object_get(t->def, form);
    if (!strcmp(form, "nodes"))
        return check_nodes(t, body, e) ? nb_at(e, form) : 0;
    if (!strcmp(form, "chain"))
        return check_chain(t, body, e) ? nb_at(e, form) : 0;
    if (check_string(body, "a formula", e))
        return nb_at(e, form);
    return nb_references(t->def, check_reference, t, t->arena, e);
}

static int check_port_name(const char *name, struct nb_error *e)
{
    if (nb_check_name(name, e))
        return nb_at(e, name);
    if (nb_is_word(name, "stop", "concat", "unsqueeze"))
        return nb_fail(e, NB_E_name_clash, "a port cannot be called %s", name), nb_at(e, name);
    return 0;
}

/* A module's inputs are ports too: {"stop": "x"} must stay a wrapper. */
static int check_port_names(json_t *inputs, struct nb_error *e)
{
    const char *key;
    json_t *j;
    json_object_foreach (inputs, key, j)
        if (check_port_name(key, e))
            return -1;
    return 0;
}

static int check_module_outputs(struct text *t, json_t *outputs, struct nb_error *e)
{
    const char *key;
    json_t *j;
    size_t i;
    if (!json_is_array(outputs) && !json_is_object(outputs))
        return nb_fail_type(e, "a list of nodes, or an object port -> reference", outputs);
    if (!json_array_size(outputs) && !json_object_size(outputs))
        return nb_fail(e, NB_E_missing_key, "at least one output is needed");
    json_object_foreach (outputs, key, j)
        if (check_port_name(key, e) ||
            (check_string(j, "a reference", e) || check_reference(t, json_string_value(j), 0, e) ? nb_at(e, key) : 0))
            return -1;
    json_array_foreach (outputs, i, j)
        if (check_string(j, "the name of a node", e) || check_reference(t, json_string_value(j), 0, e))
            return nb_at_index(e, i);
    return 0;
}

/* ---- a given backward: one entry for every input and every Parameter node -------------------------------------- */

static bool is_parameter(json_t *node)
{
    const char *op = json_string_value(json_object_get(node, "op"));
    return op && !strcmp(op, "Parameter");
}

static bool wants_gradient(json_t *def, const char *name)
{
    return json_object_get(json_object_get(def, "inputs"), name) ||
           (json_object_get(def, "chain") && !strcmp(name, "x")) ||
           is_parameter(json_object_get(json_object_get(def, "nodes"), name));
}

static int needs_entry(json_t *backward, const char *name, struct nb_error *e)
{
    if (json_object_get(backward, name))
        return 0;
    return nb_fail(e, NB_E_missing_key, "backward has no entry for %s; write null if there is no derivative", name);
}

static int check_backward_complete(json_t *def, json_t *backward, struct nb_error *e)
{
    const char *key;
    json_t *j;
    if (json_object_get(def, "chain") && needs_entry(backward, "x", e))
        return -1;
    json_object_foreach (json_object_get(def, "inputs"), key, j)
        if (needs_entry(backward, key, e))
            return -1;
    json_object_foreach (json_object_get(def, "nodes"), key, j)
        if (is_parameter(j) && needs_entry(backward, key, e))
            return -1;
    return 0;
}

struct gradient_names {
    struct text *t;
    json_t *outputs;
};

static int check_gradient_reference(void *context, const char *reference, int column, struct nb_error *e)
{
    struct gradient_names *g = context;
    const char *port, *node = nb_reference_node(reference, &port, g->t->arena, e);
    if (!node)
        return -1;
    if (!strcmp(node, "g") || (!port && json_object_get(g->outputs, node)))
        return 0;
    bool unnamed = !g->outputs && (!strcmp(node, "out") || !strcmp(node, "x"));
    return unnamed ? 0 : check_reference(g->t, reference, column, e);
}

static int check_backward(struct text *t, json_t *backward, struct nb_error *e)
{
    const char *key;
    json_t *j, *outputs = json_object_get(t->def, "outputs");
    struct gradient_names names = {t, json_is_object(outputs) ? outputs : NULL};
    if (check_object(backward, e) || check_backward_complete(t->def, backward, e))
        return -1;
    json_object_foreach (backward, key, j) {
        if (!wants_gradient(t->def, key))
            return nb_fail(e, NB_E_unknown_reference, "%.63s is no input and no Parameter of this module", key),
                   nb_at(e, key);
        if (json_is_null(j))
            continue;
        json_t *node = json_pack("{sO}", "expr", j);
        int bad = node ? nb_references(node, check_gradient_reference, &names, t->arena, e) : nb_fail_memory(e);
        json_decref(node);
        if (bad) {
            e->pointer[0] = '\0';
            return nb_at(e, key);
        }
    }
    return 0;
}

static int check_definition_keys(json_t *def, const char *form, struct nb_error *e)
{
    if (!strcmp(form, "chain"))
        return nb_check_keys(def, e, "chain", "args", "backward", "doc", NULL);
    if (!json_object_get(def, "inputs"))
        return nb_fail(e, NB_E_missing_key, "a module with %s needs inputs", form);
    if (!strcmp(form, "expr"))
        return nb_check_keys(def, e, "inputs", "expr", "args", "backward", "doc", NULL);
    if (!json_object_get(def, "outputs"))
        return nb_fail(e, NB_E_missing_key, "a module with nodes needs outputs");
    return nb_check_keys(def, e, "inputs", "nodes", "outputs", "args", "backward", "doc", NULL);
}

static int check_definition(struct text *t, struct nb_error *e)
{
    const char *form = check_object(t->def, e) ? NULL : body_form(t->def, e);
    if (!form || check_definition_keys(t->def, form, e) || check_doc(t->def, e))
        return -1;
    json_t *args = json_object_get(t->def, "args"), *inputs = json_object_get(t->def, "inputs");
    json_t *outputs = json_object_get(t->def, "outputs"), *backward = json_object_get(t->def, "backward");
    t->gradient = backward != NULL;
    if (args && check_args(t, args, e))
        return nb_at(e, "args");
    if (inputs && (check_inputs(t, inputs, e) || check_port_names(inputs, e)))
        return nb_at(e, "inputs");
    if (check_body(t, form, e))
        return -1;
    if (outputs && check_module_outputs(t, outputs, e))
        return nb_at(e, "outputs");
    return backward && check_backward(t, backward, e) ? nb_at(e, "backward") : 0;
}

/* Runs a check with a name table of its own. */
static int with_names(struct text *t, int (*check)(struct text *, struct nb_error *), struct nb_error *e)
{
    if (!(t->taken = json_object()))
        return nb_fail_memory(e);
    int bad = check(t, e);
    json_decref(t->taken);
    return bad;
}

static int check_modules(json_t *graph, json_t *modules, struct nb_arena *a, struct nb_error *e)
{
    const char *key;
    json_t *def;
    if (check_object(modules, e))
        return -1;
    if (over(json_object_size(modules), nb_limits.modules))
        return NB_OVER(e, modules, (int64_t)json_object_size(modules));
    json_object_foreach (modules, key, def)
        if (nb_check_name(key, e))
            return nb_at(e, key);
    json_object_foreach (modules, key, def) {
        struct text t = {.graph = graph, .def = def, .module = true, .arena = a};
        if (with_names(&t, check_definition, e))
            return nb_at(e, key);
    }
    return 0;
}

/* ---- recursion: the modules as a graph of uses, ordered like nodes --------------------------------------------- */

static int add_use(json_t *uses, json_t *modules, const char *type, struct nb_error *e)
{
    if (!type || !json_object_get(modules, type))
        return 0;
    return json_array_append_new(uses, json_string(type)) ? nb_fail_memory(e) : 0;
}

static int add_chain_uses(json_t *uses, json_t *modules, json_t *chain, struct nb_error *e)
{
    json_t *args;
    for (size_t i = 0; i < json_array_size(chain); i++)
        if (add_use(uses, modules, nb_item_type(json_array_get(chain, i), &args, e), e))
            return -1;
    return 0;
}

static int add_scan_use(json_t *uses, json_t *modules, json_t *item, struct nb_error *e)
{
    json_t *args;
    return item ? add_use(uses, modules, nb_item_type(item, &args, e), e) : 0;
}

static int add_definition_uses(json_t *uses, json_t *modules, json_t *def, struct nb_error *e)
{
    const char *key;
    json_t *node;
    if (add_chain_uses(uses, modules, json_object_get(def, "chain"), e))
        return -1;
    json_object_foreach (json_object_get(def, "nodes"), key, node)
        if (add_use(uses, modules, json_string_value(json_object_get(node, "op")), e) ||
            add_chain_uses(uses, modules, json_object_get(node, "chain"), e) ||
            add_scan_use(uses, modules, json_object_get(node, "scan"), e))
            return -1;
    return 0;
}

static int check_recursion(json_t *modules, struct nb_arena *a, struct nb_error *e)
{
    const char *key, **order;
    json_t *def, *graph = json_object();
    int bad = graph ? 0 : nb_fail_memory(e);
    json_object_foreach (modules, key, def) {
        json_t *uses = json_array(), *node = json_object();
        int lost = json_object_set_new(node, "in", uses);
        if (json_object_set_new(graph, key, node) || lost)
            bad = nb_fail_memory(e);
        if (!bad)
            bad = add_definition_uses(uses, modules, def, e);
    }
    if (!bad && nb_node_order(graph, &order, a, e)) {
        bad = -1;
        if (e->code == NB_E_cycle) {
            e->code = NB_E_module_recursion;
            char *list = strstr(e->detail, ": ");
            char text[sizeof e->detail];
            snprintf(text, sizeof text, "a module contains itself%s", list ? list : "");
            memcpy(e->detail, text, sizeof text);
        }
    }
    json_decref(graph);
    return bad;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static int check_top(json_t *graph, struct nb_error *e)
{
    static const char *const needed[] = {"inputs", "nodes", "outputs"};
    if (check_object(graph, e) ||
        nb_check_keys(graph, e, "inputs", "nodes", "outputs", "modules", "losses", "params", "dtype", "doc", NULL))
        return -1;
    for (int i = 0; i < 3; i++)
        if (!json_object_get(graph, needed[i]))
            return nb_fail(e, NB_E_missing_key, "a graph needs %s", needed[i]);
    json_t *outputs = json_object_get(graph, "outputs"), *dtype = json_object_get(graph, "dtype");
    if (check_object(json_object_get(graph, "inputs"), e))
        return nb_at(e, "inputs");
    if (check_object(json_object_get(graph, "nodes"), e))
        return nb_at(e, "nodes");
    if (!json_is_array(outputs) && !json_is_object(outputs))
        return nb_fail_type(e, "a list of references, or an object name -> reference", outputs), nb_at(e, "outputs");
    for (const char *const *k = (const char *const[]){"losses", "params", NULL}; *k; k++)
        if (json_object_get(graph, *k) && check_object(json_object_get(graph, *k), e))
            return nb_at(e, *k);
    const char *s = json_string_value(dtype);
    if (dtype && (!s || !nb_is_word(s, "float32", "float64")))
        return nb_fail(e, NB_E_bad_dtype, "dtype is float32 or float64; %.40s came", s ? s : nb_json_kind(dtype)),
               nb_at(e, "dtype");
    return check_doc(graph, e);
}

static int check_graph_scope(struct text *t, struct nb_error *e)
{
    if (check_inputs(t, json_object_get(t->graph, "inputs"), e))
        return nb_at(e, "inputs");
    return check_nodes(t, json_object_get(t->graph, "nodes"), e) ? nb_at(e, "nodes") : 0;
}

int nb_language_check(json_t *graph, struct nb_arena *a, struct nb_error *e)
{
    json_t *modules = json_object_get(graph, "modules");
    struct text t = {.graph = graph, .def = graph, .arena = a};
    if (check_top(graph, e))
        return -1;
    if (modules && (check_modules(graph, modules, a, e) || check_recursion(modules, a, e)))
        return nb_at(e, "modules");
    return with_names(&t, check_graph_scope, e);
}
