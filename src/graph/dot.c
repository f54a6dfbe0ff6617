/* dot - a picture of a graph in Graphviz's language: nodes by scope, learned tensors beside what uses them. */
#include "graph/graph.h"
#include "graph/snapshot.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer {
    const struct nb_net *net;
    struct nb_arena *arena;
    char *text;
    size_t n, cap;
    struct nb_error *error;
    bool bad;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (!w->bad && w->n + (size_t)n + 1 > w->cap) {
        size_t cap = (w->cap + (size_t)n + 1) * 2;
        char *text = nb_small(w->arena, cap, 1, w->error);
        if (text && w->n)
            memcpy(text, w->text, w->n);
        w->bad = !text;
        w->text = text;
        w->cap = cap;
    }
    if (!w->bad)
        w->n += (size_t)vsnprintf(w->text + w->n, w->cap - w->n, fmt, again);
    va_end(again);
}

static const char *shape(struct writer *w, int v, char *buf, size_t size)
{
    return nb_net_shape_text(w->net, v, buf, size);
}

static void put_inputs(struct writer *w)
{
    char text[200];
    for (size_t i = 0; i < w->net->inputs.n; i++) {
        const struct nb_input *in = &w->net->inputs.v[i];
        put(w, "  v%d [shape=%s, style=filled, fillcolor=\"#e8f1fb\", color=\"#3b6ea5\", label=\"%s\\n%s\"];\n",
            in->value, in->sample == NB_FED ? "oval" : "diamond", in->name, shape(w, in->value, text, sizeof text));
    }
}

/* "enc/" of "enc/h"; equal scopes are drawn in one frame. */
static size_t scope_length(const char *node)
{
    const char *slash = strrchr(node, '/');
    return slash ? (size_t)(slash - node) : 0;
}

static void put_op(struct writer *w, int i)
{
    const struct nb_op *op = &w->net->ops.v[i];
    const char *type = nb_op_module(op, NB_F64)->type, *name = op->node + scope_length(op->node);
    char text[200];
    name += *name == '/';
    put(w, "    o%d [label=\"%s%s%s\\n%s\"];\n", i, name, *name ? ": " : "", type,
        shape(w, op->out[0], text, sizeof text));
}

static void open_scopes(struct writer *w, const char *node, size_t from, size_t to, int *open)
{
    for (size_t at = from; at < to;) {
        size_t step = strcspn(node + at, "/");
        put(w,
            "  subgraph cluster_%d_%zu { label=\"%.*s\"; style=\"rounded\"; color=\"#b8b8b8\"; "
            "fontcolor=\"#555555\";\n",
            *open, at, (int)step, node + at);
        at += step + (node[at + step] == '/');
        ++*open;
    }
}

static size_t common_scopes(const char *a, size_t na, const char *b, size_t nb)
{
    size_t common = 0, n = na < nb ? na : nb;
    for (size_t i = 0; i <= n; i++) {
        bool end_a = i == na || a[i] == '/', end_b = i == nb || b[i] == '/';
        if (end_a && end_b)
            common = i;
        if (i == n || a[i] != b[i])
            break;
    }
    return common;
}

static void close_scopes(struct writer *w, const char *node, size_t from, size_t to)
{
    int open = 0;
    for (size_t i = from; i < to; i++)
        open += node[i] == '/' || i + 1 == to;
    while (open-- > 0)
        put(w, "  }\n");
}

/* Operations come in an order in which scopes are contiguous. */
static void put_ops(struct writer *w)
{
    const char *last = "";
    size_t length = 0;
    int frames = 0;
    for (size_t i = 0; i < w->net->ops.n; i++) {
        const char *node = w->net->ops.v[i].node;
        size_t n = scope_length(node), common = common_scopes(last, length, node, n);
        size_t skip = common && common < n ? common + 1 : common;
        close_scopes(w, last, common && common < length ? common + 1 : common, length);
        open_scopes(w, node, skip, n, &frames);
        put_op(w, (int)i);
        last = node;
        length = n;
    }
    close_scopes(w, last, 0, length);
}

static void put_source(struct writer *w, int v)
{
    const struct nb_value *x = &w->net->values.v[v];
    if (x->kind == NB_V_OP)
        put(w, "  o%d", x->of);
    else
        put(w, "  v%d", v);
}

static void put_edges(struct writer *w)
{
    for (size_t i = 0; i < w->net->ops.n; i++) {
        const struct nb_op *op = &w->net->ops.v[i];
        for (int k = 0; k < op->nin + op->nw; k++) {
            int v = k < op->nin ? op->in[k] : op->w[k - op->nin];
            if (v < 0 || w->net->values.v[v].kind == NB_V_CONST)
                continue;
            put_source(w, v);
            put(w, " -> o%zu%s;\n", i, k < op->nin ? "" : " [style=dashed, color=\"#8a6d1f\"]");
        }
    }
}

static void put_learned(struct writer *w)
{
    char text[200];
    for (size_t i = 0; i < w->net->learned.n; i++) {
        const struct nb_learned *l = &w->net->learned.v[i];
        if (l->tie < 0)
            put(w, "  v%d [shape=note, style=filled, fillcolor=\"#fdf5dc\", color=\"#8a6d1f\", label=\"%s\\n%s\"];\n",
                l->value, l->name, shape(w, l->value, text, sizeof text));
    }
}

static void put_outputs(struct writer *w)
{
    for (size_t i = 0; i < w->net->outputs.n; i++) {
        const struct nb_output *o = &w->net->outputs.v[i];
        put(w, "  y%zu [shape=oval, style=filled, fillcolor=\"#e7f5e9\", color=\"#2e7d43\", label=\"%s\"];\n", i,
            o->name);
        put_source(w, o->value);
        put(w, " -> y%zu;\n", i);
    }
}

char *nb_graph_dot(const struct nb_graph *g, struct nb_arena *a, struct nb_error *e)
{
    struct writer w = {.net = &g->net, .arena = a, .error = e};
    put(&w,
        "digraph graph_ {\n  rankdir=TB;\n  node [shape=box, style=\"rounded\", fontname=\"Helvetica\", fontsize=11];\n"
        "  edge [color=\"#555555\"];\n  graph [fontname=\"Helvetica\", fontsize=11];\n");
    put_inputs(&w);
    put_learned(&w);
    put_ops(&w);
    put_edges(&w);
    put_outputs(&w);
    put(&w, "}\n");
    return w.bad ? NULL : w.text;
}
