/* case_graphs.h - for tests: every case of every module as a graph of one node, called y, of inputs a, b, c, ... */
#ifndef TEST_CASE_GRAPHS_H
#define TEST_CASE_GRAPHS_H
#include "check/check.h"
#include "graph/arguments.h"
#include "graph/snapshot.h"
#include "graphs.h"
#include "nabla/module.h"
#include <math.h>
#include <stdio.h>

/* ---- the description ------------------------------------------------------------------------------------------- */

struct case_input {
    int rank; /* -1: absent */
    int64_t dim[NB_MAX_RANK];
    char letter;
};

/* "5x7c3" */
static void read_case_input(const char *text, struct case_input *in)
{
    *in = (struct case_input){0};
    while (*text >= '0' && *text <= '9') {
        char *rest;
        in->dim[in->rank++] = strtol(text, &rest, 10);
        text = rest + (*rest == 'x');
    }
    in->letter = *text == ' ' ? '\0' : *text;
    if (in->letter == '-')
        in->rank = -1;
}

static json_t *case_shape(const struct case_input *in)
{
    json_t *dims = json_array();
    for (int d = 0; d < in->rank; d++)
        json_array_append_new(dims, json_integer(in->dim[d]));
    return dims;
}

/* Ports of the module's outputs; one without a name if there is one. */
static void add_outputs(const struct nb_module *m, json_t *args, json_t *outputs)
{
    struct nb_arena room;
    struct nb_error e = {0};
    void *read;
    nb_arena_init(&room, 1 << 24);
    ck_assert_msg(!nb_args_read(m, args, false, NULL, &room, &read, &e), "%s: %s", m->type, e.detail);
    struct nb_strings ports = m->output_names ? m->output_names(read) : (struct nb_strings){0};
    for (size_t i = 0; i < ports.n; i++)
        json_array_append_new(outputs, json_sprintf("y.%s", ports.v[i]));
    for (size_t i = 0; m->outputs && m->outputs[i]; i++)
        json_array_append_new(outputs, json_sprintf("y.%s", m->outputs[i]));
    if (!json_array_size(outputs))
        json_array_append_new(outputs, json_string("y"));
    nb_arena_done(&room);
}

/* What a case feeds the module: inputs of the graph; learned tensors for a module that chooses among those. */
static void add_input(const struct nb_module *m, const struct case_input *in, int k, json_t *inputs, json_t *nodes,
                      json_t *feeds)
{
    char name[] = {(char)('a' + k), '\0'};
    if (in->rank < 0)
        return;
    if (m->selects) {
        json_object_set_new(nodes, name,
                            json_pack("{s:s, s:o, s:{s:[f,f]}}", "op", "Parameter", "shape", case_shape(in), "init",
                                      "normal", 0.0, 1.0));
        return;
    }
    json_object_set_new(inputs, name,
                        json_pack("{s:o, s:s*}", "shape", case_shape(in), "dtype", in->letter == 'c' ? "int64" : NULL));
    json_array_append_new(feeds, json_string(name));
}

static json_t *case_description(const struct nb_module *m, const struct nb_case *c, const char *dtype)
{
    char text[1000];
    snprintf(text, sizeof text, "{%s}", c->args ? c->args : "");
    json_t *args = json_loads(text, 0, NULL), *inputs = json_object(), *nodes = json_object(), *feeds = json_array(),
           *outputs = json_array();
    ck_assert_msg(args != NULL, "%s", text);
    add_outputs(m, args, outputs);
    int k = 0;
    for (const char *t = m->inputs ? c->in : NULL; t; t = strchr(t, ' ') ? strchr(t, ' ') + 1 : NULL, k++) {
        struct case_input in;
        read_case_input(t, &in);
        add_input(m, &in, k, inputs, nodes, feeds);
    }
    json_object_set_new(args, "op", json_string(m->type));
    if (json_array_size(feeds))
        json_object_set(args, "in", feeds);
    json_decref(feeds);
    json_object_set_new(nodes, "y", args);
    return json_pack("{s:o, s:s, s:o, s:o}", "inputs", inputs, "dtype", dtype, "nodes", nodes, "outputs", outputs);
}

/* ---- the graph ------------------------------------------------------------------------------------------------- */

/* Learned tensors often start as 0 or 1 throughout, where formulas agree: all are moved by up to 0.3, buffers stay
 * positive. */
static struct nb_graph *stirred(struct nb_graph *g)
{
    struct nb_tensors moved = {0};
    const struct nb_tensors *old = nb_graph_parameters(g);
    for (size_t i = 0; i < old->n; i++) {
        struct nb_tensor t;
        size_t n = (size_t)nb_count(&old->v[i].t.shape);
        struct nb_stream s = nb_stream_of((struct nb_seed){5, 6}, old->v[i].name);
        ck_assert(!nb_tensor_new(&arena, NB_F64, &old->v[i].t.shape, &t, &error));
        nb_convert(NB_F64, t.data, old->v[i].t.dtype, old->v[i].t.data, n);
        for (size_t k = 0; k < n; k++) {
            double *x = (double *)t.data + k, u = nb_uniform(s, k) - 0.5;
            *x += 0.4 * u + (u < 0 ? -0.1 : 0.1);
            *x = g->net.learned.v[i].buffer ? fabs(*x) : *x;
        }
        ck_assert(!nb_tensors_add(&arena, &moved, old->v[i].name, t, &error));
    }
    struct nb_graph *other = nb_graph_with(g, &moved, false, &error);
    ck_assert_msg(other != NULL, "%s", error.detail);
    nb_graph_unref(g);
    return other;
}

struct subject {
    const struct nb_module *m;
    struct nb_graph *g;
    struct nb_check check; /* at a drawn point, of all tensors that have a derivative */
    char what[400];
};

/* Labels have none: they come from a finite set. */
static void ask_slopes(struct subject *s, const struct nb_case *c)
{
    const struct nb_net *net = &s->g->net;
    const char **name = nb_small(&arena, net->inputs.n + net->learned.n + 1, sizeof *name, &error);
    size_t n = 0;
    int k = 0;
    for (const char *t = net->inputs.n ? c->in : NULL; t; t = strchr(t, ' ') ? strchr(t, ' ') + 1 : NULL, k++) {
        struct case_input in;
        char input[] = {(char)('a' + k), '\0'};
        read_case_input(t, &in);
        if (in.rank >= 0 && (!in.letter || !strchr("csb", in.letter)))
            name[n++] = nb_strdup(&arena, input, &error);
    }
    for (size_t i = 0; i < net->learned.n; i++)
        if (!net->learned.v[i].buffer && net->learned.v[i].tie < 0)
            name[n++] = net->learned.v[i].name;
    s->check.run.wrt = (struct nb_strings_list){n, name};
    s->check.run.wrt_given = true;
}

static struct subject subject_of(const struct nb_module *m, const struct nb_case *c, const char *dtype)
{
    struct subject s = {.m = m, .check.run = {.seed = {17, 4}, .train = c->train}};
    json_t *j = case_description(m, c, dtype);
    snprintf(s.what, sizeof s.what, "%s {%s} \"%s\"%s", m->type, c->args ? c->args : "", c->in,
             c->train ? " train" : "");
    memset(&error, 0, sizeof error);
    struct nb_graph *g = nb_graph_new(j, NULL, (struct nb_seed){1, 2}, &error);
    ck_assert_msg(g != NULL, "%s: %s at %s: %s", s.what, nb_code_name(error.code), error.pointer, error.detail);
    json_decref(j);
    s.g = stirred(g);
    ask_slopes(&s, c);
    return s;
}

/* Calls test for every case of a module that has a gradient. */
static inline void each_subject(const struct nb_module *m, const char *dtype, void (*test)(struct subject *))
{
    for (const struct nb_case *c = m->cases; c && c->in && m->backward && !m->stop && !m->flows; c++) {
        nb_arena_init(&arena, 1 << 28);
        struct subject s = subject_of(m, c, dtype);
        test(&s);
        nb_graph_unref(s.g);
        nb_arena_done(&arena);
    }
}

#endif
