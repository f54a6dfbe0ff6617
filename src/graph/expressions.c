/* expressions - names with dots, and names that mean something else in a graph, get plain ones. */
#include "graph/expressions.h"
#include "expr/formula.h"
#include "nabla/limits.h"
#include <stdio.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------------------------------------- */

struct names {
    struct nb_strings_list *list;
    struct nb_arena *arena;
    struct nb_error *error;
    size_t cap;
};

static int add_name(void *context, const struct nb_expr *x)
{
    struct names *l = context;
    for (size_t i = 0; i < l->list->n; i++)
        if (!strcmp(l->list->v[i], x->name))
            return 0;
    const char **more = nb_small(l->arena, l->list->n + 1, sizeof *more, l->error);
    if (!more)
        return -1;
    if (l->list->n)
        memcpy(more, l->list->v, l->list->n * sizeof *more);
    more[l->list->n++] = x->name;
    l->list->v = more;
    return (int64_t)l->list->n > nb_limits.inputs ? NB_OVER(l->error, inputs, (int64_t)l->list->n) : 0;
}

int nb_expression_names(const char *text, struct nb_strings_list *names, struct nb_arena *a, struct nb_error *e)
{
    struct names l = {names, a, e, 0};
    const struct nb_expr *x = nb_formula_parse(text, a, e);
    return x && !nb_formula_names(x, add_name, &l) ? 0 : -1;
}

const char *nb_expressions_input(size_t i, char buf[24])
{
    snprintf(buf, 24, "v%zu", i);
    return buf;
}

const char *nb_expressions_output(size_t i, char buf[24])
{
    snprintf(buf, 24, "e%zu", i);
    return buf;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

struct rewriting {
    const struct nb_bound *bound;
    size_t nbound;
    const char *text, *from; /* what of the text has not been written yet */
    char *to;
    size_t n, room;
};

static void put(struct rewriting *w, const char *s, size_t n)
{
    if (w->n + n < w->room)
        memcpy(w->to + w->n, s, n);
    w->n += n;
}

/* A size is written as its number; with blanks around it, as everything else. */
static int put_name(void *context, const struct nb_expr *x)
{
    struct rewriting *w = context;
    const char *begin = w->text + x->column - 1;
    char name[40];
    size_t i = 0;
    while (i < w->nbound && strcmp(w->bound[i].name, x->name))
        i++;
    if (i == w->nbound)
        return -1;
    if (w->bound[i].size)
        snprintf(name, sizeof name, "%lld", (long long)w->bound[i].shape.dim[0]);
    else if (w->bound[i].word)
        snprintf(name, sizeof name, "%s", w->bound[i].word);
    else
        nb_expressions_input(i, name);
    put(w, w->from, (size_t)(begin - w->from));
    put(w, name, strlen(name));
    for (size_t k = strlen(name); k < strlen(x->name); k++) /* columns stay */
        put(w, " ", 1);
    w->from = begin + strlen(x->name);
    return 0;
}

static char *rewritten(const char *text, const struct nb_bound *bound, size_t nbound, struct nb_arena *a,
                       struct nb_error *e)
{
    struct rewriting w = {.bound = bound, .nbound = nbound, .text = text, .from = text, .room = 16 * strlen(text) + 64};
    const struct nb_expr *x = nb_formula_parse(text, a, e);
    if (!x || !(w.to = nb_small(a, w.room, 1, e)))
        return NULL;
    if (nb_formula_names(x, put_name, &w))
        return nb_fail(e, NB_E_internal, "a name of the formula is not bound"), NULL;
    put(&w, w.from, strlen(w.from) + 1);
    return w.n <= w.room ? w.to : (nb_fail(e, NB_E_internal, "a formula grew"), NULL);
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

static json_t *shape_json(const struct nb_shape *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->rank; i++)
        json_array_append_new(list, json_integer(s->dim[i]));
    return list;
}

static json_t *inputs_json(size_t n, const struct nb_bound *bound)
{
    json_t *inputs = json_object();
    char name[24];
    for (size_t i = 0; i < n; i++) {
        if (bound[i].size || bound[i].word)
            continue;
        json_t *in = json_object();
        json_object_set_new(in, "shape", shape_json(&bound[i].shape));
        json_object_set_new(in, "dtype", json_string(bound[i].integer ? "int64" : "float64"));
        json_object_set_new(inputs, nb_expressions_input(i, name), in);
    }
    return inputs;
}

static int add_formula(json_t *nodes, json_t *outputs, size_t i, const char *text, struct nb_error *e)
{
    char name[24];
    json_t *node = json_object();
    json_object_set_new(node, "expr", json_string(text));
    json_array_append_new(outputs, json_string(nb_expressions_output(i, name)));
    return json_object_set_new(nodes, name, node) ? nb_fail_memory(e) : 0;
}

/* /nodes/e3/expr -> /3 */
static void place(struct nb_error *e)
{
    size_t i;
    if (sscanf(e->pointer, "/graph/nodes/e%zu", &i) == 1 || sscanf(e->pointer, "/nodes/e%zu", &i) == 1) {
        e->pointer[0] = '\0';
        e->fixed = false;
        nb_at_index(e, i);
    }
}

struct nb_graph *nb_expressions_graph(size_t n, const char *const *text, size_t nbound, const struct nb_bound *bound,
                                      struct nb_arena *a, struct nb_error *e)
{
    json_t *graph = json_object(), *nodes = json_object(), *outputs = json_array();
    struct nb_graph *g = NULL;
    json_object_set_new(graph, "dtype", json_string("float64"));
    json_object_set_new(graph, "inputs", inputs_json(nbound, bound));
    json_object_set_new(graph, "nodes", nodes);
    json_object_set_new(graph, "outputs", outputs);
    int bad = 0;
    for (size_t i = 0; i < n && !bad; i++) {
        const char *plain = rewritten(text[i], bound, nbound, a, e);
        bad = !plain ? nb_at_index(e, i) : add_formula(nodes, outputs, i, plain, e);
    }
    if (!bad && !(g = nb_graph_new(graph, NULL, (struct nb_seed){0, 0}, e)))
        place(e);
    json_decref(graph);
    return g;
}
