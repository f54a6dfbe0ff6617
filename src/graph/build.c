/* build - the text unfolds into values and operations, in dependency order. */
#include "graph/build.h"
#include "graph/language.h"
#include "graph/scan.h"
#include "graph/value.h"
#include "nabla/limits.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct nb_module *nb_op_module(const struct nb_op *op, enum nb_dtype build)
{
    if (op->scan)
        return &op->scan->row;
    return nb_module_at(build, op->module);
}

bool nb_op_flows(const struct nb_op *op)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    return m->backward && !m->stop && (!m->flows || m->flows(op->args));
}

int nb_add_value(struct nb_builder *b, enum nb_value_kind kind, const struct nb_shape *s, bool integer, int of,
                 struct nb_error *e)
{
    struct nb_net *net = b->net;
    if (nb_grow(b->arena, &net->values.v, net->values.n, &net->values.cap, sizeof *net->values.v, e))
        return -1;
    net->values.v[net->values.n] =
        (struct nb_value){.kind = kind, .shape = *s, .integer = integer, .of = of, .constant = NAN};
    return (int)net->values.n++;
}

int nb_item_add_port(struct nb_builder *b, struct nb_item *item, const char *port, int value, struct nb_error *e)
{
    size_t n = (size_t)item->n, cap = n, cap2 = n;
    if (nb_grow(b->arena, &item->port, n, &cap, sizeof *item->port, e) ||
        nb_grow(b->arena, &item->value, n, &cap2, sizeof *item->value, e))
        return -1;
    item->port[n] = port;
    item->value[n] = value;
    item->n++;
    return 0;
}

int nb_add_probe(struct nb_builder *b, const char *name, int value, struct nb_error *e)
{
    struct nb_net *net = b->net;
    if (nb_grow(b->arena, &net->probes.v, net->probes.n, &net->probes.cap, sizeof *net->probes.v, e))
        return -1;
    net->probes.v[net->probes.n] = (struct nb_probe){name, value};
    if (json_object_set_new(b->probe_index, name, json_integer((json_int_t)net->probes.n)))
        return nb_fail_memory(e);
    net->probes.n++;
    return 0;
}

/* "enc/g4" alone if there is one port, and "enc/g4.i" for each. */
static int add_probes(struct nb_builder *b, const struct nb_item *item, const char *probe, struct nb_error *e)
{
    if (item->n == 1 && nb_add_probe(b, probe, item->value[0], e))
        return -1;
    for (int i = 0; i < item->n; i++) {
        const char *name = nb_sprintf(b->arena, e, "%s.%s", probe, item->port[i]);
        if (!name || nb_add_probe(b, name, item->value[i], e))
            return -1;
    }
    return 0;
}

/* ---- one operation --------------------------------------------------------------------------------------------- */

struct nb_op *nb_new_op(struct nb_builder *b, int *index, struct nb_error *e)
{
    struct nb_net *net = b->net;
    if (net->ops.n + net->gops.n >= (size_t)nb_limits.nodes)
        return NB_OVER(e, nodes, nb_limits.nodes + 1), NULL;
    int bad = b->formulas_of_given
                  ? nb_grow(b->arena, &net->gops.v, net->gops.n, &net->gops.cap, sizeof *net->gops.v, e)
                  : nb_grow(b->arena, &net->ops.v, net->ops.n, &net->ops.cap, sizeof *net->ops.v, e);
    if (bad)
        return NULL;
    *index = (int)(b->formulas_of_given ? net->gops.n++ : net->ops.n++);
    struct nb_op *op = b->formulas_of_given ? &net->gops.v[*index] : &net->ops.v[*index];
    *op = (struct nb_op){.given = b->given};
    return op;
}

static const char *input_kind(const struct nb_value *v)
{
    return v->integer ? "integers" : "real numbers";
}

static int check_kinds(struct nb_builder *b, const struct nb_module *m, int nin, const int *in, struct nb_error *e)
{
    for (int i = 0; i < nin; i++) {
        const struct nb_port *p = nb_port_at(m, i);
        const struct nb_value *v = in[i] < 0 ? NULL : &b->net->values.v[in[i]];
        if (!v || !p || p->kind == NB_ANY_PORT || (p->kind == NB_INT_PORT) == v->integer)
            continue;
        return nb_fail(e, NB_E_bad_dtype, "%s of %s takes %s, %s came", p->name, m->type,
                       v->integer ? "real numbers" : "integers", input_kind(v));
    }
    return 0;
}

static int output_count(const struct nb_module *m, const void *args)
{
    int n = 0;
    if (m->output_names)
        return (int)m->output_names(args).n;
    while (m->outputs && m->outputs[n])
        n++;
    return m->outputs ? n : 1;
}

static const char *output_name(const struct nb_module *m, const void *args, int i)
{
    if (m->output_names)
        return m->output_names(args).v[i];
    return m->outputs ? m->outputs[i] : "out";
}

static int infer(struct nb_scope *s, const struct nb_module *m, void *args, int nin, const int *in, struct nb_infer *f,
                 struct nb_error *e)
{
    struct nb_builder *b = s->b;
    struct nb_shape *shapes = nb_small(b->arena, (size_t)nin + 1, sizeof *shapes, e);
    bool *integer = nb_small(b->arena, (size_t)nin + 1, sizeof *integer, e);
    *f = (struct nb_infer){.args = args,
                           .nin = nin,
                           .in = shapes,
                           .integer = integer,
                           .train = b->net->train,
                           .symbols = b->net->symbols.v,
                           .arena = b->arena,
                           .nout = output_count(m, args)};
    if (!shapes || !integer || !(f->out = nb_zalloc(b->arena, (size_t)f->nout + 1, sizeof *f->out, e)))
        return -1;
    for (int i = 0; i < nin; i++) {
        shapes[i] = in[i] < 0 ? (struct nb_shape){.rank = -1} : b->net->values.v[in[i]].shape;
        integer[i] = in[i] >= 0 && b->net->values.v[in[i]].integer;
    }
    return m->infer(f, e);
}

static const struct nb_tensor *literal_of(const struct nb_module *m, const void *args)
{
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        if (a->type == NB_ARG_TENSOR) {
            const struct nb_tensor *t = (const void *)((const char *)args + a->offset);
            return t->data ? t : NULL;
        }
    return NULL;
}

static int add_weights(struct nb_scope *s, const struct nb_module *m, const void *args, const struct nb_infer *f,
                       const char *path, int *w, struct nb_error *e)
{
    for (int i = 0; i < f->nw; i++) {
        bool whole = !f->w[i].name[0]; /* a Parameter is called like its node */
        if ((w[i] = nb_add_learned(s, path, &f->w[i], whole ? literal_of(m, args) : NULL, e)) < 0)
            return -1;
    }
    return 0;
}

/* The noise port, if it is open: an input drawn from the seed. Where nothing is drawn it may still be fed. */
static int open_noise(struct nb_builder *b, const struct nb_module *m, const struct nb_infer *f, const char *probe,
                      int *in, struct nb_error *e)
{
    static const enum nb_sample sample[] = {
        [NB_NOISE_BERNOULLI] = NB_BERNOULLI, [NB_NOISE_UNIFORM] = NB_UNIFORM, [NB_NOISE_GUMBEL] = NB_GUMBEL};
    for (int i = 0; i < f->nin; i++) {
        const struct nb_port *p = nb_port_at(m, i);
        if (in[i] >= 0 || !p || !(p->flags & NB_NOISE) || f->noise.rank < 0)
            continue;
        struct nb_net *net = b->net;
        const char *name = nb_sprintf(b->arena, e, "%s/%s", probe, p->name);
        if (!name || nb_grow(b->arena, &net->inputs.v, net->inputs.n, &net->inputs.cap, sizeof *net->inputs.v, e))
            return -1;
        int v = nb_add_value(b, NB_V_INPUT, &f->noise, false, (int)net->inputs.n, e);
        if (v < 0)
            return -1;
        in[i] = f->noise_off ? -1 : v;
        net->inputs.v[net->inputs.n++] = (struct nb_input){.name = name,
                                                           .value = v,
                                                           .dtype = net->dtype,
                                                           .sample = sample[f->noise_of],
                                                           .p = f->noise_p,
                                                           .low = f->noise_low,
                                                           .high = f->noise_high};
    }
    return 0;
}

static int add_outputs(struct nb_builder *b, const struct nb_module *m, const void *args, const struct nb_infer *f,
                       int index, int *out, struct nb_item *made, struct nb_error *e)
{
    for (int i = 0; i < f->nout; i++) {
        enum nb_value_kind kind = b->formulas_of_given ? NB_V_GIVEN : NB_V_OP;
        if ((out[i] = nb_add_value(b, kind, &f->out[i], false, index, e)) < 0)
            return -1;
        if (made && nb_item_add_port(b, made, output_name(m, args, i), out[i], e))
            return -1;
    }
    return 0;
}

int nb_add_op(struct nb_scope *s, int module, void *args, int nin, const int *given, const char *path,
              const char *probe, const char *place, struct nb_item *made, struct nb_error *e)
{
    struct nb_builder *b = s->b;
    const struct nb_module *m = nb_module_at(NB_F64, module);
    struct nb_infer f;
    int index, *in = nb_small(b->arena, (size_t)nin + 1, sizeof *in, e);
    if (!in)
        return -1;
    for (int i = 0; i < nin; i++)
        in[i] = given[i];
    if (check_kinds(b, m, nin, in, e) || infer(s, m, args, nin, in, &f, e))
        return -1;
    int *w = nb_small(b->arena, (size_t)f.nw + 1, sizeof *w, e),
        *out = nb_small(b->arena, (size_t)f.nout + 1, sizeof *out, e);
    if (!w || !out || open_noise(b, m, &f, probe, in, e) || add_weights(s, m, args, &f, path, w, e))
        return -1;
    struct nb_op *op = nb_new_op(b, &index, e);
    if (!op)
        return -1;
    op->module = module, op->args = args, op->node = probe, op->place = place;
    op->nin = nin, op->nout = f.nout, op->nw = f.nw;
    op->in = in, op->out = out, op->w = w;
    op->saved = f.saved, op->work = f.work;
    return add_outputs(b, m, args, &f, index, out, made, e) ? -1 : out[0];
}

int nb_add_simple(struct nb_scope *s, const char *type, json_t *json, int nin, const int *in, struct nb_error *e)
{
    int module = nb_module_find(type);
    void *args;
    struct nb_const_scope constants = {s, nb_scope_dim, nb_scope_real};
    if (module < 0)
        return nb_fail(e, NB_E_internal, "the module %s is missing", type);
    if (nb_args_read(nb_module_at(NB_F64, module), json, false, &constants, s->b->arena, &args, e))
        return -1;
    const char *node = s->formula_node ? s->formula_node : s->probe;
    const char *place = s->formula_place ? s->formula_place : s->place;
    return nb_add_op(s, module, args, nin, in, s->path, node, place, NULL, e);
}

/* ---- a node, an item of a chain, the step of a scan: what is used, with which arguments and inputs --------------- */

static int build_definition(struct nb_scope *s, const struct nb_use *u, json_t *def, struct nb_item *made,
                            struct nb_error *e);

static const struct nb_module *builtin(const char *type, int *index)
{
    *index = nb_module_find(type);
    return *index < 0 ? NULL : nb_module_at(NB_F64, *index);
}

/* A pointer "/argument" becomes the place where it was written; what was not written is the fault of the whole. */
static int place_argument(const struct nb_module *m, json_t *given, struct nb_error *e)
{
    char name[64];
    if (!e->pointer[0] || e->fixed)
        return -1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(e->pointer + 1, "/"), e->pointer + 1);
    const struct nb_arg *a = m->args;
    while (a && a->name && strcmp(a->name, name))
        a++;
    size_t i = a && a->name ? (size_t)(a - m->args) : 0;
    char rest[sizeof e->pointer];
    strcpy(rest, e->pointer + 1 + strlen(name));
    bool written = json_is_object(given)  ? json_object_get(given, name) != NULL
                   : json_is_array(given) ? i < json_array_size(given)
                                          : given && i == 0;
    if (json_is_object(given) && written)
        return -1;
    strcpy(e->pointer, written ? rest : "");
    return written && json_is_array(given) ? nb_at_index(e, i) : -1;
}

static int count_ports(const struct nb_module *m, int *needed)
{
    int n = 0;
    *needed = 0;
    for (const struct nb_port *p = m->inputs; p && p->name; p++) {
        n++;
        *needed += !(p->flags & (NB_OPTIONAL | NB_NOISE));
    }
    return n;
}

static bool variadic(const struct nb_module *m, int n)
{
    return n && m->inputs[n - 1].flags & NB_VARIADIC;
}

static int fail_count(int wanted, int needed, int came, struct nb_error *e)
{
    if (wanted == needed)
        return nb_fail(e, NB_E_input_count, "%d wanted, %d given", wanted, came);
    return nb_fail(e, NB_E_input_count, "%d to %d wanted, %d given", needed, wanted, came);
}

static int inputs_by_name(struct nb_scope *s, json_t *in, int n, const char *const *ports, int *value,
                          struct nb_error *e)
{
    const char *key;
    json_t *ref;
    char all[300] = "";
    for (int i = 0; i < n; i++) {
        value[i] = -1;
        nb_add_name(all, sizeof all, ports[i]);
    }
    json_object_foreach (in, key, ref) {
        int i = 0;
        while (i < n && strcmp(ports[i], key))
            i++;
        if (i == n)
            return nb_fail(e, NB_E_unknown_port, "there is no input %.63s; there are %s", key, *all ? all : "none"),
                   nb_at(e, key);
        if ((value[i] = nb_resolve(s, ref, e)) < 0)
            return nb_at(e, key);
    }
    return 0;
}

static int inputs_in_order(struct nb_scope *s, json_t *in, int n, int *value, struct nb_error *e)
{
    bool list = json_is_array(in);
    for (int i = 0; i < n; i++) {
        json_t *ref = list ? json_array_get(in, (size_t)i) : i ? NULL : in;
        value[i] = -1;
        if (ref && (value[i] = nb_resolve(s, ref, e)) < 0)
            return list ? nb_at_index(e, (size_t)i) : -1;
    }
    return 0;
}

/* The inputs of a use with n ports, `needed` of which must come; *value has max(n, given) places. */
static int read_inputs(struct nb_scope *s, const struct nb_use *u, int n, int needed, bool many,
                       const char *const *ports, int **value, int *nin, struct nb_error *e)
{
    json_t *in = json_object_get(u->node, "in");
    bool named = json_is_object(in) && !nb_is_wrapper(in);
    if (u->step)
        return nb_step_inputs(s, u, n, ports, value, nin, e);
    int came = !u->node ? 1 : !in ? 0 : json_is_array(in) ? (int)json_array_size(in) : named ? -1 : 1;
    *nin = many && came > n ? came : n;
    if (!(*value = nb_small(s->b->arena, (size_t)*nin + 1, sizeof **value, e)))
        return -1;
    if (came > *nin || (came >= 0 && came < needed))
        return fail_count(n, needed, came, e), in ? nb_at(e, "in") : -1;
    if (!u->node) {
        for (int i = 0; i < n; i++)
            (*value)[i] = i ? -1 : u->previous;
        return 0;
    }
    int bad = named ? inputs_by_name(s, in, n, ports, *value, e) : inputs_in_order(s, in, *nin, *value, e);
    return bad ? nb_at(e, "in") : 0;
}

static int builtin_inputs(struct nb_scope *s, const struct nb_use *u, const struct nb_module *m, int **value, int *nin,
                          struct nb_error *e)
{
    int needed, n = count_ports(m, &needed);
    const char **ports = nb_small(s->b->arena, (size_t)n + 1, sizeof *ports, e);
    if (!ports)
        return -1;
    for (int i = 0; i < n; i++)
        ports[i] = m->inputs[i].name;
    if (m->selects)
        return *nin = 0, *value = NULL,
               json_object_get(u->node, "in")
                   ? (nb_fail(e, NB_E_input_count, "%s takes no inputs", m->type), nb_at(e, "in"))
                   : 0;
    if (read_inputs(s, u, n, needed, variadic(m, n), ports, value, nin, e))
        return -1;
    for (int i = 0; i < n && !u->step; i++)
        if ((*value)[i] < 0 && !(m->inputs[i].flags & (NB_OPTIONAL | NB_NOISE)))
            return nb_fail(e, NB_E_input_count, "%s needs the input %s", m->type, ports[i]),
                   json_object_get(u->node, "in") ? nb_at(e, "in") : -1;
    return 0;
}

static int select_later(struct nb_scope *s, const struct nb_module *m, const void *args, const char *place,
                        struct nb_error *e)
{
    struct nb_builder *b = s->b;
    if (nb_grow(b->arena, &b->selections.v, b->selections.n, &b->selections.cap, sizeof *b->selections.v, e))
        return -1;
    const struct nb_arg *a = m->args;
    while (strcmp(a->name, m->selects))
        a++;
    b->selections.v[b->selections.n++] =
        (struct nb_selection){(int)b->net->ops.n - 1, s->path, (const void *)((const char *)args + a->offset), place};
    return 0;
}

/* A carry of a built-in cell has the shape in which it comes out when nothing goes in. */
static int builtin_carries(struct nb_scope *s, const struct nb_use *u, int module, const void *args, int nin, int *in,
                           struct nb_error *e)
{
    const struct nb_module *m = nb_module_at(NB_F64, module);
    struct nb_infer f;
    void *copy = nb_zalloc(s->b->arena, 1, m->args_size + 1, e);
    if (!copy)
        return -1;
    memcpy(copy, args, m->args_size);
    if (infer(s, m, copy, nin, in, &f, e))
        return -1;
    for (int i = 0; i < nin; i++)
        for (int o = 0; o < f.nout && in[i] < 0; o++)
            if (!strcmp(output_name(m, args, o), m->inputs[i].name) &&
                (in[i] = nb_step_carry(s, u, m->inputs[i].name, &f.out[o], e)) < -1)
                return -1;
    return 0;
}

static int build_builtin(struct nb_scope *s, const struct nb_use *u, struct nb_item *made, struct nb_error *e)
{
    int module, nin, *in;
    const struct nb_module *m = builtin(u->type, &module);
    void *args;
    struct nb_const_scope constants = {s, nb_scope_dim, nb_scope_real};
    const char *path = u->share_path ? u->share_path : u->path;
    if (nb_args_read(m, u->args, u->node != NULL, &constants, s->b->arena, &args, e) ||
        builtin_inputs(s, u, m, &in, &nin, e) || (u->step && builtin_carries(s, u, module, args, nin, in, e)))
        return -1;
    if (nb_add_op(s, module, args, nin, in, path, u->probe, u->place, made, e) < 0) {
        bool of_inputs = !e->pointer[0] && e->code != NB_E_share_mismatch && json_object_get(u->node, "in");
        return of_inputs ? nb_at(e, "in") : place_argument(m, u->args, e);
    }
    return m->selects ? select_later(s, m, args, u->place, e) : 0;
}

int nb_build_use(struct nb_scope *s, const struct nb_use *u, struct nb_item *made, struct nb_error *e)
{
    json_t *def = json_object_get(s->b->modules, u->type);
    return def ? build_definition(s, u, def, made, e) : build_builtin(s, u, made, e);
}

/* ---- chains ---------------------------------------------------------------------------------------------------- */

static int one_output(const struct nb_item *made, const char *type, struct nb_error *e)
{
    if (made->n == 1)
        return made->value[0];
    return nb_fail(e, NB_E_ambiguous_port, "an item of a chain has one output; %s has %d", type, made->n);
}

static int build_item(struct nb_scope *s, json_t *item, const char *path, const char *probe, const char *place,
                      size_t i, int previous, struct nb_error *e)
{
    struct nb_arena *a = s->b->arena;
    struct nb_use u = {.previous = previous};
    struct nb_item made = {.name = "item"};
    u.type = nb_item_type(item, &u.args, e);
    u.path = nb_sprintf(a, e, "%s%zu.", path, i);
    u.probe = nb_sprintf(a, e, "%s%zu", probe, i);
    u.place = nb_sprintf(a, e, "%s/%zu", place, i);
    if (!u.type || !u.path || !u.probe || !u.place)
        return -1;
    if (nb_build_use(s, &u, &made, e)) {
        if (e->pointer[0] && u.args)
            nb_at(e, u.type);
        return -1;
    }
    return add_probes(s->b, &made, u.probe, e) ? -1 : one_output(&made, u.type, e);
}

/* path "net.", probe "net/": of the items. */
static int build_chain(struct nb_scope *s, json_t *chain, const char *path, const char *probe, const char *place,
                       int value, struct nb_error *e)
{
    for (size_t i = 0; i < json_array_size(chain); i++)
        if ((value = build_item(s, json_array_get(chain, i), path, probe, place, i, value, e)) < 0)
            return nb_at_index(e, i);
    return value;
}

/* ---- share
 * ---------------------------------------------------------------------------------------------------------------------
 */

static json_t *shared_text(json_t *node)
{
    json_t *text = json_copy(node);
    static const char *const may_differ[] = {"in",       "over",      "carry", "dim", "reverse",
                                             "truncate", "recompute", "share", "doc"};
    for (size_t i = 0; text && i < sizeof may_differ / sizeof *may_differ; i++)
        json_object_del(text, may_differ[i]);
    return text;
}

static int same_text(json_t *node, json_t *other, struct nb_error *e)
{
    json_t *a = shared_text(node), *b = shared_text(other);
    int bad = a && b ? 0 : nb_fail_memory(e);
    if (!bad && !json_equal(a, b)) {
        char *x = json_dumps(a, JSON_COMPACT), *y = json_dumps(b, JSON_COMPACT);
        bad = nb_fail(e, NB_E_share_mismatch, "this is %.200s, the other is %.200s", x ? x : "?", y ? y : "?");
        free(x);
        free(y);
    }
    json_decref(a);
    json_decref(b);
    return bad ? nb_at(e, "share") : 0;
}

/* Walks to the end of the sharing, or to a node whose end is known. */
static const char *end_of_sharing(struct nb_scope *s, const char *name, struct nb_error *e)
{
    json_t *nodes = json_object_get(s->def, "nodes");
    const char *next = name, *known = NULL;
    for (size_t i = 0; next && !known; i++) {
        name = next;
        known = json_string_value(json_object_get(s->owners, name));
        next = json_string_value(json_object_get(json_object_get(nodes, name), "share"));
        if (i > json_object_size(nodes))
            return nb_fail(e, NB_E_share_mismatch, "the nodes share in a circle"), nb_at(e, "share"), NULL;
    }
    return known ? known : name;
}

/* The node whose learned tensors are used in the end. All on the way learn it too, so a long chain is walked once. */
static const char *shared_node(struct nb_scope *s, json_t *node, const char *name, struct nb_error *e)
{
    json_t *nodes = json_object_get(s->def, "nodes");
    const char *share = json_string_value(json_object_get(node, "share"));
    if (!share)
        return name;
    if (same_text(node, json_object_get(nodes, share), e)) /* every node answers for its own link */
        return NULL;
    const char *owner = end_of_sharing(s, name, e);
    for (const char *at = name; owner && at && !json_object_get(s->owners, at);) {
        if (json_object_set_new(s->owners, at, json_string(owner)))
            return nb_fail_memory(e), NULL;
        at = json_string_value(json_object_get(json_object_get(nodes, at), "share"));
    }
    return owner ? json_string_value(json_object_get(s->owners, name)) : NULL;
}

/* ---- nodes
 * ---------------------------------------------------------------------------------------------------------------------
 */

static int build_op_node(struct nb_scope *s, json_t *node, struct nb_use *u, struct nb_item *made, struct nb_error *e)
{
    u->type = json_string_value(json_object_get(node, "op"));
    u->args = u->node = node;
    return nb_build_use(s, u, made, e);
}

static int build_chain_node(struct nb_scope *s, json_t *node, struct nb_use *u, struct nb_item *made,
                            struct nb_error *e)
{
    struct nb_arena *a = s->b->arena;
    json_t *in = json_object_get(node, "in");
    int value = nb_resolve(s, json_is_array(in) && json_array_size(in) == 1 ? json_array_get(in, 0) : in, e);
    const char *probe = nb_sprintf(a, e, "%s/", u->probe), *place = nb_sprintf(a, e, "%s/chain", u->place);
    if (value < 0)
        return nb_at(e, "in");
    if (!probe || !place)
        return -1;
    value =
        build_chain(s, json_object_get(node, "chain"), u->share_path ? u->share_path : u->path, probe, place, value, e);
    if (value < 0)
        return nb_at(e, "chain");
    return nb_item_add_port(s->b, made, "out", value, e);
}

static int build_node_form(struct nb_scope *s, json_t *node, struct nb_use *u, struct nb_item *made, struct nb_error *e)
{
    if (json_object_get(node, "op"))
        return build_op_node(s, node, u, made, e);
    if (json_object_get(node, "chain"))
        return build_chain_node(s, node, u, made, e);
    if (json_object_get(node, "scan"))
        return nb_build_scan(s, node, u, made, e);
    s->formula_node = u->probe;
    s->formula_place = nb_sprintf(s->b->arena, e, "%s/expr", u->place);
    int value = s->formula_place ? nb_lower(s, json_string_value(json_object_get(node, "expr")), e) : -1;
    s->formula_node = s->formula_place = NULL;
    return value < 0 ? nb_at(e, "expr") : nb_item_add_port(s->b, made, "out", value, e);
}

static int build_node(struct nb_scope *s, const char *name, json_t *node, struct nb_error *e)
{
    struct nb_arena *a = s->b->arena;
    struct nb_use u = {.path = nb_sprintf(a, e, "%s%s.", s->path, name),
                       .probe = nb_sprintf(a, e, "%s%s", s->probe, name),
                       .place = nb_sprintf(a, e, "%s/nodes/%s", s->place, name)};
    struct nb_item made = {.name = name}, *item;
    const char *owner = shared_node(s, node, name, e);
    if (!owner || !u.path || !u.probe || !u.place)
        return -1;
    if (strcmp(owner, name) && !(u.share_path = nb_sprintf(a, e, "%s%s.", s->path, owner)))
        return -1;
    if (build_node_form(s, node, &u, &made, e) || nb_scope_item(s, name, &item, e))
        return -1;
    *item = made;
    return add_probes(s->b, item, u.probe, e);
}

static int build_nodes(struct nb_scope *s, json_t *nodes, struct nb_error *e)
{
    const char **order;
    if (nb_node_order(nodes, &order, s->b->arena, e))
        return -1;
    for (size_t i = 0; i < json_object_size(nodes); i++)
        if (build_node(s, order[i], json_object_get(nodes, order[i]), e))
            return nb_at(e, order[i]);
    return 0;
}

/* ---- modules of the graph's own -------------------------------------------------------------------------------- */

static json_t *shape_text(json_t *input)
{
    return json_is_array(input) ? input : json_object_get(input, "shape");
}

static int own_argument(struct nb_scope *outer, json_t *given, json_t **number, struct nb_error *e)
{
    double v;
    if (!json_is_string(given))
        return nb_read_real(given, &v, e) ? -1 : (*number = json_incref(given), 0);
    if (nb_scope_real(outer, json_string_value(given), &v, e))
        return -1;
    *number = isnan(v) ? json_null() : json_real(v);
    return *number ? 0 : nb_fail(e, NB_E_bad_argument, "\"%.60s\" is not finite", json_string_value(given));
}

static json_t *given_argument(const struct nb_use *u, const char *name, size_t i)
{
    json_t *j = json_is_object(u->args)  ? json_object_get(u->args, name)
                : json_is_array(u->args) ? json_array_get(u->args, i)
                : i                      ? NULL
                                         : u->args;
    return j && json_is_null(j) ? NULL : j;
}

static int own_arguments(struct nb_scope *outer, struct nb_scope *s, const struct nb_use *u, struct nb_error *e)
{
    json_t *args = json_object_get(s->def, "args"), *def, *number;
    const char *name;
    size_t i = 0;
    json_object_foreach (args, name, def) {
        json_t *given = given_argument(u, name, i);
        if (!given && json_is_null(def))
            return nb_fail(e, NB_E_missing_argument, "%s needs %s", u->type, name);
        number = given ? NULL : json_incref(def);
        if (given && own_argument(outer, given, &number, e))
            return json_is_object(u->args) ? nb_at(e, name) : json_is_array(u->args) ? nb_at_index(e, i) : -1;
        if (json_object_set_new(s->args, name, number))
            return nb_fail_memory(e);
        i++;
    }
    return 0;
}

static int fail_unknown_argument(const struct nb_use *u, json_t *args, const char *key, struct nb_error *e)
{
    char all[300] = "";
    const char *name;
    json_t *j;
    json_object_foreach (args, name, j) {
        nb_add_name(all, sizeof all, name);
    }
    return nb_fail(e, NB_E_unknown_argument, "%s has no argument %.63s; it has %s", u->type, key, *all ? all : "none");
}

static int known_arguments(const struct nb_use *u, json_t *args, struct nb_error *e)
{
    const char *key;
    json_t *j;
    if (json_is_object(u->args)) {
        json_object_foreach (u->args, key, j)
            if (!json_object_get(args, key) && !(u->node && nb_is_word(key, "op", "in", "share", "doc")))
                return fail_unknown_argument(u, args, key, e), nb_at(e, key);
        return 0;
    }
    size_t n = json_is_array(u->args) ? json_array_size(u->args) : u->args != NULL;
    if (n > json_object_size(args))
        return nb_fail(e, NB_E_unknown_argument, "%s takes %zu arguments, %zu came", u->type, json_object_size(args),
                       n);
    return 0;
}

/* An error in the text of a definition: the pointer is whole, and the detail names the node that used it. */
static int fix_place(struct nb_scope *s, const char *key, struct nb_error *e)
{
    if (e->fixed)
        return -1;
    if (key)
        nb_at(e, key);
    nb_at_pointer(e, s->place);
    nb_at(e, "graph");
    e->fixed = true;
    size_t n = strlen(e->detail);
    snprintf(e->detail + n, sizeof e->detail - n, "; used by node %s", s->user);
    return -1;
}

static int fail_own_shape(struct nb_scope *s, const char *name, json_t *input, int at, struct nb_error *e)
{
    if (at >= 0)
        nb_at_index(e, (size_t)at);
    if (json_is_object(input))
        nb_at(e, "shape");
    nb_at(e, name);
    return fix_place(s, "inputs", e);
}

static int match_inputs(struct nb_scope *s, json_t *inputs, const int *value, struct nb_error *e)
{
    const char *name;
    json_t *input;
    int at;
    for (int pass = 0; pass < 2; pass++) {
        int i = 0;
        json_object_foreach (inputs, name, input) {
            int v = value[i++];
            if (v >= 0 && nb_match_shape(s, shape_text(input), &s->b->net->values.v[v].shape, pass, &at, e))
                return fail_own_shape(s, name, input, at, e);
        }
    }
    return 0;
}

static enum nb_sample sample_of(json_t *input)
{
    const char *s = json_string_value(json_object_get(input, "sample"));
    return !s ? NB_FED : !strcmp(s, "normal") ? NB_NORMAL : !strcmp(s, "uniform") ? NB_UNIFORM : NB_BERNOULLI;
}

static double bernoulli_p(json_t *input)
{
    json_t *p = json_object_get(input, "p");
    return p ? json_number_value(p) : 0.5;
}

static enum nb_dtype dtype_of(json_t *input, enum nb_dtype real)
{
    const char *s = json_string_value(json_object_get(input, "dtype"));
    if (s && !strcmp(s, "int32"))
        return NB_I32;
    if (s && !strcmp(s, "int64"))
        return NB_I64;
    return s && !strcmp(s, "bool") ? NB_BOOL : real;
}

static bool is_integer(enum nb_dtype d)
{
    return d == NB_I32 || d == NB_I64 || d == NB_BOOL;
}

static const struct nb_tensor *fed(const struct nb_builder *b, const char *name)
{
    return b->binding && b->binding->inputs ? nb_tensors_find(b->binding->inputs, name) : NULL;
}

static int add_input(struct nb_scope *s, const char *name, json_t *input, const struct nb_shape *shape, bool declared,
                     struct nb_error *e)
{
    struct nb_builder *b = s->b;
    struct nb_net *net = b->net;
    enum nb_dtype d = dtype_of(input, net->dtype);
    if (nb_grow(b->arena, &net->inputs.v, net->inputs.n, &net->inputs.cap, sizeof *net->inputs.v, e))
        return -1;
    int v = nb_add_value(b, NB_V_INPUT, shape, is_integer(d), (int)net->inputs.n, e);
    if (v < 0)
        return -1;
    net->inputs.v[net->inputs.n++] =
        (struct nb_input){name, v, d, sample_of(input), bernoulli_p(input), declared, fed(b, name) != NULL, 0, 0};
    return v;
}

static int own_noise(struct nb_scope *s, const char *name, json_t *input, struct nb_error *e)
{
    struct nb_shape shape;
    const char *path = nb_sprintf(s->b->arena, e, "%s%s", s->probe, name);
    if (!path)
        return -1;
    if (nb_declared_shape(s, shape_text(input), &shape, e))
        return fail_own_shape(s, name, input, -1, e);
    return add_input(s, path, input, &shape, false, e);
}

static int own_kind(struct nb_scope *s, const char *name, json_t *input, int value, struct nb_error *e)
{
    const struct nb_value *v = &s->b->net->values.v[value];
    if (v->integer == is_integer(dtype_of(input, s->b->net->dtype)))
        return 0;
    return nb_fail(e, NB_E_bad_dtype, "input %s of the module takes %s, %s came", name,
                   v->integer ? "real numbers" : "integers", input_kind(v));
}

static int bind_items(struct nb_scope *s, json_t *inputs, int *value, struct nb_error *e)
{
    const char *name;
    json_t *input;
    struct nb_item *item;
    int i = 0;
    json_object_foreach (inputs, name, input) {
        if (value[i] < 0 && (value[i] = own_noise(s, name, input, e)) < 0)
            return -1;
        if (own_kind(s, name, input, value[i], e) || nb_scope_item(s, name, &item, e) ||
            nb_item_add_port(s->b, item, "out", value[i], e))
            return -1;
        i++;
    }
    return 0;
}

static int needed_inputs(json_t *inputs)
{
    int n = 0;
    const char *name;
    json_t *input;
    json_object_foreach (inputs, name, input)
        n += !json_is_object(input) || !json_object_get(input, "sample");
    return n;
}

/* The shape of a carry follows from its declaration and what the other inputs have bound. */
static int own_carries(struct nb_scope *s, const struct nb_use *u, json_t *inputs, int *value, struct nb_error *e)
{
    const char *name;
    json_t *input;
    int i = -1;
    json_object_foreach (inputs, name, input) {
        struct nb_shape shape;
        if (value[++i] >= 0 || !nb_step_carries(u, name))
            continue;
        if (nb_declared_shape(s, shape_text(input), &shape, e))
            return fail_own_shape(s, name, input, -1, e);
        if ((value[i] = nb_step_carry(s, u, name, &shape, e)) < 0)
            return -1;
    }
    return 0;
}

static int own_inputs(struct nb_scope *outer, struct nb_scope *s, const struct nb_use *u, struct nb_error *e)
{
    json_t *inputs = json_object_get(s->def, "inputs"), *input;
    int n = (int)json_object_size(inputs), nin, *value, i = 0;
    const char *name, **ports = nb_small(s->b->arena, (size_t)n + 1, sizeof *ports, e);
    if (!ports)
        return -1;
    json_object_foreach (inputs, name, input)
        ports[i++] = name;
    if (read_inputs(outer, u, n, needed_inputs(inputs), false, ports, &value, &nin, e))
        return -1;
    i = 0;
    json_object_foreach (inputs, name, input)
        if (value[i++] < 0 && !json_object_get(input, "sample") && !u->step)
            return nb_fail(e, NB_E_input_count, "%s needs the input %s", u->type, name),
                   json_object_get(u->node, "in") ? nb_at(e, "in") : -1;
    if (match_inputs(s, inputs, value, e) || (u->step && own_carries(s, u, inputs, value, e)))
        return -1;
    return bind_items(s, inputs, value, e);
}

/* A chain has one input without a name; formulas of a given backward call it x. */
static int chain_input(struct nb_scope *outer, struct nb_scope *s, const struct nb_use *u, int *value,
                       struct nb_error *e)
{
    int nin, *v;
    struct nb_item *item;
    const char *ports[] = {"x"};
    if (read_inputs(outer, u, 1, 1, false, ports, &v, &nin, e))
        return -1;
    if ((*value = v[0]) < 0)
        return nb_fail(e, NB_E_bad_carry, "%s is a chain: its input x cannot be carried", u->type);
    return nb_scope_item(s, "x", &item, e) || nb_item_add_port(s->b, item, "out", v[0], e) ? -1 : 0;
}

static int body_outputs(struct nb_scope *s, struct nb_item *made, struct nb_error *e)
{
    json_t *outputs = json_object_get(s->def, "outputs"), *ref;
    const char *port;
    size_t i;
    int v;
    json_object_foreach (outputs, port, ref)
        if ((v = nb_resolve(s, ref, e)) < 0 || nb_item_add_port(s->b, made, port, v, e))
            return nb_at(e, port), fix_place(s, "outputs", e);
    json_array_foreach (outputs, i, ref)
        if ((v = nb_resolve(s, ref, e)) < 0 || nb_item_add_port(s->b, made, json_string_value(ref), v, e))
            return nb_at_index(e, i), fix_place(s, "outputs", e);
    return 0;
}

static int build_body(struct nb_scope *s, int chain_value, struct nb_item *made, struct nb_error *e)
{
    json_t *chain = json_object_get(s->def, "chain"), *expr = json_object_get(s->def, "expr");
    const char *place = chain ? nb_sprintf(s->b->arena, e, "%s/chain", s->place) : NULL;
    if (chain) {
        int v = place ? build_chain(s, chain, s->path, s->probe, place, chain_value, e) : -1;
        return v < 0 ? fix_place(s, "chain", e) : nb_item_add_port(s->b, made, "out", v, e);
    }
    if (expr) {
        int v = nb_lower(s, json_string_value(expr), e);
        return v < 0 ? fix_place(s, "expr", e) : nb_item_add_port(s->b, made, "out", v, e);
    }
    if (build_nodes(s, json_object_get(s->def, "nodes"), e))
        return fix_place(s, "nodes", e);
    return body_outputs(s, made, e);
}

/* ---- a given backward ------------------------------------------------------------------------------------------ */

/* Every output of such a module has a value of its own, made inside: the gradient that arrives there is g. */
static int own_outputs(struct nb_scope *s, int first, struct nb_item *made, struct nb_error *e)
{
    struct nb_net *net = s->b->net;
    for (int i = 0; i < made->n; i++) {
        const struct nb_value *v = &net->values.v[made->value[i]];
        bool fresh = v->kind == NB_V_OP && v->of >= first;
        for (int k = 0; k < i; k++)
            fresh = fresh && made->value[k] != made->value[i];
        if (!fresh && (made->value[i] = nb_add_simple(s, "Identity", NULL, 1, &made->value[i], e)) < 0)
            return -1;
    }
    return 0;
}

static int given_gradients(struct nb_scope *s, struct nb_given *g, const struct nb_item *made, struct nb_error *e)
{
    s->g.name = "g";
    s->ports = *made;
    g->nout = made->n;
    g->out = made->value;
    if (!(g->g = nb_small(s->b->arena, (size_t)made->n, sizeof *g->g, e)))
        return -1;
    for (int i = 0; i < made->n; i++) {
        struct nb_shape shape = s->b->net->values.v[made->value[i]].shape;
        g->g[i] = nb_add_value(s->b, NB_V_GRADIENT, &shape, false, made->value[i], e);
        if (g->g[i] < 0 || nb_item_add_port(s->b, &s->g, made->port[i], g->g[i], e))
            return -1;
    }
    return 0;
}

int nb_expand(struct nb_scope *s, int value, const struct nb_shape *to, struct nb_error *e)
{
    int module = nb_module_find("Expand");
    struct nb_ints *shape = nb_zalloc(s->b->arena, 1, nb_module_at(NB_F64, module)->args_size, e);
    int64_t *dim = nb_small(s->b->arena, NB_MAX_RANK, sizeof *dim, e);
    if (!shape || !dim)
        return -1;
    memcpy(dim, to->dim, sizeof to->dim);
    struct nb_ints *at = (void *)((char *)shape + nb_module_at(NB_F64, module)->args[0].offset);
    *at = (struct nb_ints){(size_t)to->rank, dim, false};
    return nb_add_op(s, module, shape, 1, &value, s->path, s->probe, s->place, NULL, e);
}

/* A result that broadcasts up is spread; one that would have to be summed down is the author's mistake. */
static int fit_result(struct nb_scope *s, int result, int target, struct nb_error *e)
{
    struct nb_net *net = s->b->net;
    struct nb_shape have = net->values.v[result].shape, want = net->values.v[target].shape, both;
    char a[200], b[200];
    if (nb_shape_same(&have, &want) == 1)
        return result;
    if (nb_broadcast(&have, &want, &both) || nb_shape_same(&both, &want) == 0 || have.rank > want.rank)
        return nb_fail(e, NB_E_shape_mismatch, "the formula gives %s, %s is needed: sum over the batch",
                       nb_shape_text(&have, net->symbols.v, a, sizeof a),
                       nb_shape_text(&want, net->symbols.v, b, sizeof b));
    return nb_expand(s, result, &want, e);
}

static int given_entry(struct nb_scope *s, const char *name, json_t *formula, struct nb_given_entry *entry,
                       struct nb_error *e)
{
    entry->target = nb_resolve_name(s, name, e);
    entry->result = -1;
    entry->place = nb_sprintf(s->b->arena, e, "/graph%s/backward/%s", s->place, name);
    if (entry->target < 0 || !entry->place)
        return -1;
    /* a Parameter node's gradient belongs to its learned tensor */
    const struct nb_value *v = &s->b->net->values.v[entry->target];
    if (v->kind == NB_V_OP && s->b->net->ops.v[v->of].nw == 1 && s->b->net->ops.v[v->of].nin == 0)
        entry->target = s->b->net->ops.v[v->of].w[0];
    if (json_is_null(formula))
        return 0;
    int result = nb_lower(s, json_string_value(formula), e);
    if (result < 0 || (entry->result = fit_result(s, result, entry->target, e)) < 0)
        return -1;
    return 0;
}

static int given_entries(struct nb_scope *s, struct nb_given *g, json_t *backward, struct nb_error *e)
{
    const char *name;
    json_t *formula;
    if (!(g->entry = nb_zalloc(s->b->arena, json_object_size(backward) + 1, sizeof *g->entry, e)))
        return -1;
    json_object_foreach (backward, name, formula)
        if (given_entry(s, name, formula, &g->entry[g->n++], e))
            return nb_at(e, name);
    return 0;
}

/* Learned tensors that are not Parameter nodes have no entry in backward, so they are refused. */
static int no_hidden_learned(struct nb_scope *s, int first, struct nb_error *e)
{
    const struct nb_net *net = s->b->net;
    json_t *nodes = json_object_get(s->def, "nodes");
    for (size_t i = (size_t)first; i < net->ops.n; i++) {
        const struct nb_op *op = &net->ops.v[i];
        if (op->scan)
            return nb_fail(e, NB_E_bad_form, "a module with a given backward holds no scan; %s is one", op->node);
        const char *last = strrchr(op->node, '/');
        bool node = json_object_get(nodes, last ? last + 1 : op->node) && op->nin == 0;
        if (op->nw && !node)
            return nb_fail(e, NB_E_bad_form,
                           "a module with a given backward holds formulas, Parameter nodes and modules "
                           "without learned tensors; %s has some",
                           op->node);
    }
    return 0;
}

static int build_given(struct nb_scope *s, int index, int first, struct nb_item *made, struct nb_error *e)
{
    struct nb_builder *b = s->b;
    struct nb_given g = {.first = first, .parent = b->net->given.v[index].parent};
    if (no_hidden_learned(s, first, e) || own_outputs(s, first, made, e))
        return fix_place(s, NULL, e);
    g.last = (int)b->net->ops.n;
    g.gfirst = (int)b->net->gops.n;
    s->gradient = &g;
    b->formulas_of_given = true;
    int bad = given_gradients(s, &g, made, e) || given_entries(s, &g, json_object_get(s->def, "backward"), e);
    b->formulas_of_given = false;
    s->gradient = NULL;
    g.glast = (int)b->net->gops.n;
    b->net->given.v[index] = g;
    return bad ? fix_place(s, "backward", e) : 0;
}

static int begin_given(struct nb_builder *b, int *index, struct nb_error *e)
{
    if (nb_grow(b->arena, &b->net->given.v, b->net->given.n, &b->net->given.cap, sizeof *b->net->given.v, e))
        return -1;
    *index = (int)b->net->given.n++;
    b->net->given.v[*index] = (struct nb_given){.parent = b->given};
    b->given = *index;
    return 0;
}

static int build_inside(struct nb_scope *outer, struct nb_scope *s, const struct nb_use *u, struct nb_item *made,
                        struct nb_error *e)
{
    bool chain = json_object_get(s->def, "chain") != NULL, given = json_object_get(s->def, "backward") != NULL;
    int first = (int)s->b->net->ops.n, index = -1, chain_value = -1, parent = s->b->given;
    if (known_arguments(u, json_object_get(s->def, "args"), e) || own_arguments(outer, s, u, e) ||
        (chain ? chain_input(outer, s, u, &chain_value, e) : own_inputs(outer, s, u, e)))
        return -1;
    if (given && begin_given(s->b, &index, e))
        return -1;
    int bad = build_body(s, chain_value, made, e) || (given && build_given(s, index, first, made, e));
    s->b->given = parent;
    return bad;
}

static int build_definition(struct nb_scope *outer, const struct nb_use *u, json_t *def, struct nb_item *made,
                            struct nb_error *e)
{
    struct nb_arena *a = outer->b->arena;
    struct nb_scope s = {.b = outer->b,
                         .def = def,
                         .path = u->share_path ? u->share_path : u->path,
                         .user = u->probe,
                         .depth = outer->depth + 1};
    s.probe = nb_sprintf(a, e, "%s/", u->probe);
    s.place = nb_sprintf(a, e, "/modules/%s", u->type);
    if (!s.probe || !s.place)
        return -1;
    if (s.depth > nb_limits.nesting)
        return NB_OVER(e, nesting, s.depth);
    s.index = json_object();
    s.args = json_object();
    s.owners = json_object();
    int bad = s.index && s.args && s.owners ? build_inside(outer, &s, u, made, e) : nb_fail_memory(e);
    json_decref(s.index);
    json_decref(s.args);
    json_decref(s.owners);
    return bad;
}

/* ---- the graph itself ------------------------------------------------------------------------------------------ */

static int net_symbol(struct nb_scope *s, const char *name, struct nb_error *e)
{
    struct nb_net *net = s->b->net;
    if (nb_scope_symbol(s, name))
        return 0;
    if (s->symbol.n == sizeof s->size / sizeof *s->size)
        return nb_fail(e, NB_E_limit, "more than %zu dimension symbols", s->symbol.n);
    if (nb_grow(s->b->arena, &net->symbols.v, net->symbols.n, &net->symbols.cap, sizeof *net->symbols.v, e) ||
        nb_grow(s->b->arena, &s->symbol.v, s->symbol.n, &s->symbol.cap, sizeof *s->symbol.v, e))
        return -1;
    s->size[s->symbol.n] = NB_SYM(net->symbols.n);
    net->symbols.v[net->symbols.n++] = name;
    s->symbol.v[s->symbol.n++] = name;
    return 0;
}

struct symbol_walk {
    struct nb_scope *s;
    struct nb_error *error;
};

static int visit_symbol(void *context, const struct nb_expr *name)
{
    struct symbol_walk *w = context;
    return net_symbol(w->s, name->name, w->error);
}

/* Every symbol of the graph gets a number, before anything is bound. */
static int collect_symbols(struct nb_scope *s, json_t *inputs, struct nb_error *e)
{
    struct symbol_walk w = {s, e};
    const char *name;
    json_t *input;
    json_object_foreach (inputs, name, input) {
        size_t i;
        json_t *dim;
        json_array_foreach (shape_text(input), i, dim) {
            struct nb_expr *x = json_is_string(dim) ? nb_formula_parse(json_string_value(dim), s->b->arena, e) : NULL;
            if ((json_is_string(dim) && !x) || (x && nb_formula_names(x, visit_symbol, &w)))
                return nb_at_index(e, i), nb_at(e, name);
        }
    }
    return 0;
}

static int bind_asked(struct nb_scope *s, struct nb_error *e)
{
    const struct nb_binding *bind = s->b->binding;
    for (size_t i = 0; bind && i < bind->ndims; i++) {
        int64_t *size = nb_scope_symbol(s, bind->dim[i]);
        if (!size)
            return nb_fail(e, NB_E_unknown_reference, "the graph has no dimension %.63s", bind->dim[i]),
                   nb_at(e, bind->dim[i]);
        if (bind->size[i] < 0)
            return nb_fail(e, NB_E_bad_dim, "%s is %lld", bind->dim[i], (long long)bind->size[i]),
                   nb_at(e, bind->dim[i]);
        *size = bind->size[i];
    }
    return 0;
}

static int fail_fed_shape(struct nb_scope *s, const char *name, json_t *declared, const struct nb_shape *came,
                          struct nb_error *e)
{
    char text[200], why[sizeof e->detail];
    char *want = json_dumps(declared, JSON_COMPACT);
    snprintf(why, sizeof why, "%s", e->detail);
    snprintf(e->detail, sizeof e->detail, "input %s has shape %s, wanted is %.200s: %.300s", name,
             nb_shape_text(came, s->b->net->symbols.v, text, sizeof text), want ? want : "", why);
    free(want);
    e->pointer[0] = '\0';
    nb_at(e, name);
    nb_at(e, "inputs");
    e->fixed = true;
    return -1;
}

static int bind_fed(struct nb_scope *s, json_t *inputs, struct nb_error *e)
{
    const char *name;
    json_t *input;
    int at;
    for (int pass = 0; pass < 2; pass++)
        json_object_foreach (inputs, name, input) {
            const struct nb_tensor *t = fed(s->b, name);
            if (t && nb_match_shape(s, shape_text(input), &t->shape, pass, &at, e))
                return fail_fed_shape(s, name, shape_text(input), &t->shape, e);
        }
    return 0;
}

static int graph_inputs(struct nb_scope *s, json_t *inputs, struct nb_error *e)
{
    const char *name;
    json_t *input;
    if (collect_symbols(s, inputs, e))
        return nb_at(e, "inputs");
    if (bind_asked(s, e))
        return nb_at(e, "dims"), e->fixed = true, -1;
    if (bind_fed(s, inputs, e))
        return -1;
    json_object_foreach (inputs, name, input) {
        struct nb_shape shape;
        struct nb_item *item;
        const struct nb_tensor *t = fed(s->b, name);
        if (t)
            shape = t->shape;
        else if (nb_declared_shape(s, shape_text(input), &shape, e))
            return nb_at(e, name), nb_at(e, "inputs");
        int v = add_input(s, name, input, &shape, true, e);
        if (v < 0 || nb_scope_item(s, name, &item, e) || nb_item_add_port(s->b, item, "out", v, e) ||
            nb_add_probe(s->b, name, v, e))
            return -1;
    }
    s->b->net->size = s->size;
    return 0;
}

/* ---- outputs and losses ---------------------------------------------------------------------------------------- */

static int add_output(struct nb_scope *s, const char *name, int value, enum nb_dtype d, struct nb_error *e)
{
    struct nb_net *net = s->b->net;
    if (nb_grow(s->b->arena, &net->outputs.v, net->outputs.n, &net->outputs.cap, sizeof *net->outputs.v, e))
        return -1;
    net->outputs.v[net->outputs.n++] = (struct nb_output){name, value, d};
    return 0;
}

static int output_dtype(json_t *dtype, enum nb_dtype *d, struct nb_error *e)
{
    const char *s = json_string_value(dtype);
    if (!s || !nb_is_word(s, "int32", "int64", "bool"))
        return nb_fail(e, NB_E_bad_dtype, "the dtype of an output is int32, int64 or bool; %.40s came",
                       s ? s : nb_json_kind(dtype)),
               nb_at(e, "dtype");
    *d = !strcmp(s, "int32") ? NB_I32 : !strcmp(s, "int64") ? NB_I64 : NB_BOOL;
    return 0;
}

static int text_reference(struct nb_scope *s, json_t *ref, struct nb_error *e)
{
    if (!json_is_string(ref) && !nb_is_wrapper(ref))
        return nb_fail_type(e, "a reference", ref);
    if (json_is_string(ref) && strchr(json_string_value(ref), '/'))
        return nb_fail(e, NB_E_bad_reference, "\"%.80s\": slashes are for requests", json_string_value(ref));
    return nb_resolve(s, ref, e);
}

static int named_output(struct nb_scope *s, const char *name, json_t *j, struct nb_error *e)
{
    json_t *of = json_is_object(j) ? json_object_get(j, "of") : NULL, *dtype = json_object_get(j, "dtype");
    enum nb_dtype d = s->b->net->dtype;
    if (nb_check_name(name, e))
        return -1;
    if (of && (nb_check_keys(j, e, "of", "dtype", NULL) || (dtype && output_dtype(dtype, &d, e))))
        return -1;
    int v = text_reference(s, of ? of : j, e);
    if (v < 0)
        return of ? nb_at(e, "of") : -1;
    return add_output(s, name, v, d, e);
}

static int graph_outputs(struct nb_scope *s, json_t *outputs, struct nb_error *e)
{
    size_t i, n = json_object_size(outputs) + json_array_size(outputs);
    const char *name;
    json_t *j;
    if (!n)
        return nb_fail(e, NB_E_missing_key, "at least one output is needed");
    if ((int64_t)n > nb_limits.outputs)
        return NB_OVER(e, outputs, (int64_t)n);
    json_object_foreach (outputs, name, j)
        if (named_output(s, name, j, e))
            return nb_at(e, name);
    json_array_foreach (outputs, i, j) {
        if (!json_is_string(j))
            return nb_fail_type(e, "a reference", j), nb_at_index(e, i);
        int v = text_reference(s, j, e);
        if (v < 0 || add_output(s, json_string_value(j), v, s->b->net->dtype, e))
            return nb_at_index(e, i);
    }
    return 0;
}

static int add_loss(struct nb_scope *s, const char *name, int value, struct nb_loss **loss, struct nb_error *e)
{
    struct nb_net *net = s->b->net;
    if (nb_grow(s->b->arena, &net->losses.v, net->losses.n, &net->losses.cap, sizeof *net->losses.v, e))
        return -1;
    *loss = &net->losses.v[net->losses.n++];
    **loss = (struct nb_loss){.name = name, .value = value, .nwrt = -1};
    return 0;
}

static int check_wrt(struct nb_scope *s, const char *word, struct nb_error *e)
{
    struct nb_error ignored = {0};
    int n = 0, *list = nb_small(s->b->arena, s->b->net->learned.n + 1, sizeof *list, e);
    if (!list)
        return -1;
    nb_match_learned(s->b->net, "", word, list, &n);
    if (n || nb_net_learned(s->b->net, word) >= 0 || nb_net_find(s->b->net, word, &ignored) >= 0)
        return 0;
    return nb_fail_no_match(s->b->net, word, e);
}

static int loss_wrt(struct nb_scope *s, json_t *wrt, struct nb_loss *loss, struct nb_error *e)
{
    if (!json_is_array(wrt))
        return nb_fail_type(e, "a list of names and patterns", wrt);
    loss->nwrt = (int)json_array_size(wrt);
    if (!(loss->wrt = nb_small(s->b->arena, (size_t)loss->nwrt + 1, sizeof *loss->wrt, e)))
        return -1;
    for (int i = 0; i < loss->nwrt; i++) {
        loss->wrt[i] = json_string_value(json_array_get(wrt, (size_t)i));
        if (!loss->wrt[i])
            return nb_fail_type(e, "a string", json_array_get(wrt, (size_t)i)), nb_at_index(e, (size_t)i);
        if (check_wrt(s, loss->wrt[i], e))
            return nb_at_index(e, (size_t)i);
    }
    return 0;
}

static int one_loss(struct nb_scope *s, const char *name, json_t *j, struct nb_error *e)
{
    json_t *of = json_object_get(j, "of"), *wrt = json_object_get(j, "wrt");
    struct nb_loss *loss;
    char text[200];
    if (nb_check_name(name, e))
        return -1;
    if (!json_is_object(j))
        return nb_fail_type(e, "an object with of", j);
    if (nb_check_keys(j, e, "of", "wrt", "doc", NULL))
        return -1;
    if (!of)
        return nb_fail(e, NB_E_missing_key, "a loss needs of");
    int v = text_reference(s, of, e);
    if (v < 0)
        return nb_at(e, "of");
    const struct nb_shape *shape = &s->b->net->values.v[v].shape;
    if (shape->rank)
        return nb_fail(e, NB_E_not_scalar, "a loss is a single number, shape []; this has shape %s",
                       nb_shape_text(shape, s->b->net->symbols.v, text, sizeof text)),
               nb_at(e, "of");
    if (add_loss(s, name, v, &loss, e))
        return -1;
    return wrt && loss_wrt(s, wrt, loss, e) ? nb_at(e, "wrt") : 0;
}

static int graph_losses(struct nb_scope *s, json_t *losses, struct nb_error *e)
{
    const char *name;
    json_t *j;
    struct nb_loss *loss;
    json_object_foreach (losses, name, j)
        if (one_loss(s, name, j, e))
            return nb_at(e, name);
    const struct nb_item *item = losses ? NULL : nb_scope_find(s, "loss");
    if (item && item->n == 1 && s->b->net->values.v[item->value[0]].shape.rank == 0)
        return add_loss(s, "loss", item->value[0], &loss, e);
    return 0;
}

static int build_graph(struct nb_scope *s, struct nb_error *e)
{
    struct nb_builder *b = s->b;
    json_t *losses = json_object_get(b->graph, "losses");
    if (graph_inputs(s, json_object_get(b->graph, "inputs"), e))
        return -1;
    if (build_nodes(s, json_object_get(b->graph, "nodes"), e))
        return nb_at(e, "nodes");
    if (nb_apply_params(b, e))
        return nb_at(e, "params");
    if (nb_apply_selections(b, e))
        return -1;
    if (nb_apply_ties(b, e))
        return nb_at(e, "params");
    if (graph_outputs(s, json_object_get(b->graph, "outputs"), e))
        return nb_at(e, "outputs");
    return graph_losses(s, losses, e) ? nb_at(e, "losses") : 0;
}

int nb_net_build(json_t *graph, const struct nb_binding *binding, struct nb_arena *a, struct nb_net *net,
                 struct nb_error *e)
{
    const char *dtype = json_string_value(json_object_get(graph, "dtype"));
    *net = (struct nb_net){
        .arena = a, .dtype = dtype && !strcmp(dtype, "float64") ? NB_F64 : NB_F32, .train = binding && binding->train};
    struct nb_builder b = {.graph = graph,
                           .modules = json_object_get(graph, "modules"),
                           .binding = binding,
                           .arena = a,
                           .net = net,
                           .given = -1,
                           .learned_index = json_object(),
                           .probe_index = json_object()};
    struct nb_scope *s = nb_zalloc(a, 1, sizeof *s, e);
    int bad = s && b.learned_index && b.probe_index ? 0 : nb_fail_memory(e);
    if (!bad) {
        *s = (struct nb_scope){.b = &b,
                               .def = graph,
                               .path = "",
                               .probe = "",
                               .place = "",
                               .index = json_object(),
                               .owners = json_object(),
                               .args = json_object()};
        bad = s->index && s->args && s->owners ? build_graph(s, e) : nb_fail_memory(e);
        json_decref(s->index);
        json_decref(s->args);
        json_decref(s->owners);
    }
    json_decref(b.learned_index);
    json_decref(b.probe_index);
    return bad ? nb_at(e, "graph") : 0;
}
