/* scan_build - a scan node: the module is unfolded once, into a net of its own, and becomes one operation. */
#include "graph/build.h"
#include "graph/language.h"
#include "graph/scan.h"
#include "graph/value.h"
#include "nabla/limits.h"
#include <math.h>
#include <string.h>

/* Where an input of the module comes from. */
struct source {
    const char *port;
    enum nb_scan_source kind;
    json_t *ref;
    int value; /* outside; -1: zeros */
};

struct nb_step {
    NB_LIST(struct source, sources);
    NB_LIST(struct source *, of); /* per input of the net inside; NULL: noise that nobody feeds here */
    int dim;
    int64_t steps;
    const char *const *symbols;
};

/* ---- what the module takes ------------------------------------------------------------------------------------- */

struct ports {
    size_t n, cap;
    const char **name;
    bool *open; /* may be left without a source */
};

static int add_port(struct ports *p, const char *name, bool open, struct nb_arena *a, struct nb_error *e)
{
    size_t cap = p->cap;
    if (nb_grow(a, &p->name, p->n, &p->cap, sizeof *p->name, e) || nb_grow(a, &p->open, p->n, &cap, sizeof *p->open, e))
        return -1;
    p->name[p->n] = name;
    p->open[p->n++] = open;
    return 0;
}

static int ports_of(struct nb_builder *b, const char *type, struct ports *p, struct nb_error *e)
{
    json_t *def = json_object_get(b->modules, type), *input;
    const char *name;
    if (def && !json_object_get(def, "inputs"))
        return add_port(p, "x", false, b->arena, e);
    json_object_foreach (json_object_get(def, "inputs"), name, input)
        if (add_port(p, name, json_object_get(input, "sample") != NULL, b->arena, e))
            return -1;
    const struct nb_module *m = def ? NULL : nb_module_at(NB_F64, nb_module_find(type));
    for (const struct nb_port *q = m ? m->inputs : NULL; q && q->name; q++)
        if (add_port(p, q->name, (q->flags & (NB_OPTIONAL | NB_NOISE)) != 0, b->arena, e))
            return -1;
    return 0;
}

static bool has_port(const struct ports *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->name[i], name))
            return true;
    return false;
}

static int fail_port(const struct ports *p, const char *type, const char *name, struct nb_error *e)
{
    char all[300] = "";
    for (size_t i = 0; i < p->n; i++)
        nb_add_name(all, sizeof all, p->name[i]);
    return nb_fail(e, NB_E_unknown_port, "%s has no input %.63s; it has %s", type, name, *all ? all : "none");
}

/* ---- sources --------------------------------------------------------------------------------------------------- */

static int add_source(struct nb_scope *s, struct nb_step *step, struct source source, struct nb_error *e)
{
    source.value = -1;
    if (!nb_is_zeros(source.ref) && (source.value = nb_resolve(s, source.ref, e)) < 0)
        return -1;
    if (nb_grow(s->b->arena, &step->sources.v, step->sources.n, &step->sources.cap, sizeof *step->sources.v, e))
        return -1;
    step->sources.v[step->sources.n++] = source;
    return 0;
}

static int read_sources(struct nb_scope *s, json_t *node, const char *type, const struct ports *ports,
                        struct nb_step *step, struct nb_error *e)
{
    static const char *const keys[] = {[NB_OVER] = "over", [NB_SAME] = "in", [NB_CARRY] = "carry"};
    for (int k = 0; k < 3; k++) {
        const char *port;
        json_t *ref;
        json_object_foreach (json_object_get(node, keys[k]), port, ref) {
            struct source source = {port, (enum nb_scan_source)k, ref, -1};
            if (has_port(ports, port) ? add_source(s, step, source, e) : fail_port(ports, type, port, e))
                return nb_at(e, port), nb_at(e, keys[k]);
        }
    }
    return 0;
}

static struct source *find_source(const struct nb_step *step, const char *port)
{
    for (size_t i = 0; i < step->sources.n; i++)
        if (!strcmp(step->sources.v[i].port, port))
            return &step->sources.v[i];
    return NULL;
}

static int all_fed(const struct nb_step *step, const struct ports *ports, const char *type, struct nb_error *e)
{
    for (size_t i = 0; i < ports->n; i++)
        if (!ports->open[i] && !find_source(step, ports->name[i]))
            return nb_fail(e, NB_E_missing_input, "the input %s of %s has no source: name it in over, carry or in",
                           ports->name[i], type);
    return 0;
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static const struct nb_shape *shape_of(const struct nb_scope *s, int value)
{
    return &s->b->net->values.v[value].shape;
}

/* Negative: from the end of what comes first. */
static int find_axis(const struct nb_scope *s, json_t *node, struct nb_step *step, struct nb_error *e)
{
    char text[200];
    int64_t dim = 1;
    json_t *j = json_object_get(node, "dim");
    const struct nb_shape *first = shape_of(s, step->sources.v[0].value);
    if (j && nb_read_whole(j, &dim, e))
        return nb_at(e, "dim");
    step->dim = nb_axis(dim, first->rank);
    if (step->dim >= 0)
        return 0;
    nb_fail(e, NB_E_bad_dim, "there is no dimension %lld in %s, which has shape %s", (long long)dim,
            step->sources.v[0].port, nb_shape_text(first, step->symbols, text, sizeof text));
    return j ? nb_at(e, "dim") : (nb_at(e, step->sources.v[0].port), nb_at(e, "over"));
}

static int common_steps(const struct nb_scope *s, struct nb_step *step, struct nb_error *e)
{
    char text[200];
    step->steps = NB_ANY;
    for (size_t i = 0; i < step->sources.n; i++) {
        const struct source *x = &step->sources.v[i];
        if (x->kind != NB_OVER)
            continue;
        const struct nb_shape *shape = shape_of(s, x->value);
        bool there = shape->rank > step->dim;
        int64_t n = there ? shape->dim[step->dim] : 0;
        if (!there || (step->steps != NB_ANY && !nb_dim_same(step->steps, n)))
            return nb_fail(e, NB_E_shape_mismatch,
                           there ? "%s has shape %s: another length along dimension %d than %s"
                                 : "%s has shape %s: there is no dimension %d, as in %s",
                           x->port, nb_shape_text(shape, step->symbols, text, sizeof text), step->dim,
                           step->sources.v[0].port),
                   nb_at(e, x->port), nb_at(e, "over");
        if (step->steps == NB_ANY || NB_IS_KNOWN(n))
            step->steps = n;
    }
    return 0;
}

static struct nb_shape without(struct nb_shape s, int axis)
{
    for (int i = axis; i + 1 < s.rank; i++)
        s.dim[i] = s.dim[i + 1];
    s.rank--;
    return s;
}

static struct nb_shape stacked(const struct nb_step *step, struct nb_shape s)
{
    int axis = nb_scan_axis(step->dim, s.rank);
    for (int i = s.rank; i > axis; i--)
        s.dim[i] = s.dim[i - 1];
    s.dim[axis] = step->steps;
    s.rank++;
    return s;
}

/* ---- the net of one step: its inputs --------------------------------------------------------------------------- */

/* Noise has made inputs before. */
static int keep_source(struct nb_builder *b, struct nb_step *step, struct source *source, struct nb_error *e)
{
    while (step->of.n < b->net->inputs.n) {
        if (nb_grow(b->arena, &step->of.v, step->of.n, &step->of.cap, sizeof *step->of.v, e))
            return -1;
        step->of.v[step->of.n++] = NULL;
    }
    step->of.v[step->of.n - 1] = source;
    return 0;
}

static int add_step_input(struct nb_builder *b, struct nb_step *step, struct source *source,
                          const struct nb_shape *shape, bool integer, struct nb_error *e)
{
    struct nb_net *net = b->net;
    if (nb_grow(b->arena, &net->inputs.v, net->inputs.n, &net->inputs.cap, sizeof *net->inputs.v, e))
        return -1;
    int v = nb_add_value(b, NB_V_INPUT, shape, integer, (int)net->inputs.n, e);
    net->inputs.v[net->inputs.n++] = (struct nb_input){
        .name = source->port, .value = v, .dtype = integer ? NB_I64 : net->dtype, .sample = NB_FED, .given = true};
    return v < 0 || keep_source(b, step, source, e) ? -1 : v;
}

int nb_step_inputs(struct nb_scope *s, const struct nb_use *u, int n, const char *const *ports, int **value, int *nin,
                   struct nb_error *e)
{
    *nin = n;
    if (!(*value = nb_small(s->b->arena, (size_t)n + 1, sizeof **value, e)))
        return -1;
    for (int i = 0; i < n; i++) {
        struct source *x = find_source(u->step, ports[i]);
        (*value)[i] = -1;
        if (!x || x->kind == NB_CARRY)
            continue;
        const struct nb_value *outside = &s->outer->net->values.v[x->value];
        struct nb_shape shape = x->kind == NB_OVER ? without(outside->shape, u->step->dim) : outside->shape;
        if (((*value)[i] = add_step_input(s->b, u->step, x, &shape, outside->integer, e)) < 0)
            return -1;
    }
    return 0;
}

bool nb_step_carries(const struct nb_use *u, const char *port)
{
    const struct source *x = find_source(u->step, port);
    return x && x->kind == NB_CARRY;
}

int nb_step_carry(struct nb_scope *s, const struct nb_use *u, const char *port, const struct nb_shape *shape,
                  struct nb_error *e)
{
    struct source *x = find_source(u->step, port);
    if (!x || x->kind != NB_CARRY)
        return -1;
    int v = add_step_input(s->b, u->step, x, shape, false, e);
    return v < 0 ? -2 : v;
}

/* ---- from inside to outside ------------------------------------------------------------------------------------ */

/* A start value, spread to what is carried. */
static int begin_with(struct nb_scope *s, const struct nb_step *step, const struct source *x,
                      const struct nb_shape *carried, struct nb_error *e)
{
    char a[200], b[200];
    struct nb_shape both;
    if (x->value < 0)
        return -1;
    const struct nb_shape *start = shape_of(s, x->value);
    if (s->b->net->values.v[x->value].integer)
        return nb_fail(e, NB_E_bad_dtype, "%s is carried as real numbers, its start value holds integers", x->port), -2;
    if (nb_shape_same(start, carried) == 1)
        return x->value;
    if (start->rank > carried->rank || nb_broadcast(start, carried, &both) || !nb_shape_same(&both, carried))
        return nb_fail(e, NB_E_shape_mismatch, "%s is carried as %s, the start value has shape %s", x->port,
                       nb_shape_text(carried, step->symbols, a, sizeof a),
                       nb_shape_text(start, step->symbols, b, sizeof b)),
               -2;
    int v = nb_expand(s, x->value, carried, e);
    return v < 0 ? -2 : v;
}

/* Open noise inside is open noise outside, with a slice for every step. */
static int bring_noise(struct nb_scope *s, const struct nb_step *step, const struct nb_scan *sc, size_t i, int *value,
                       struct nb_error *e)
{
    struct nb_builder *b = s->b;
    struct nb_net *net = b->net;
    struct nb_input in = sc->net.inputs.v[i];
    const struct nb_value *x = &sc->net.values.v[in.value];
    bool used = false;
    if (x->shape.rank == NB_MAX_RANK)
        return nb_fail(e, NB_E_limit, "%s would have more than %d dimensions", in.name, NB_MAX_RANK);
    struct nb_shape shape = stacked(step, x->shape);
    int v = nb_add_value(b, NB_V_INPUT, &shape, x->integer, (int)net->inputs.n, e);
    if (v < 0 || nb_grow(b->arena, &net->inputs.v, net->inputs.n, &net->inputs.cap, sizeof *net->inputs.v, e))
        return -1;
    for (size_t k = 0; k < sc->net.ops.n; k++)
        for (int p = 0; p < sc->net.ops.v[k].nin; p++)
            used |= sc->net.ops.v[k].in[p] == in.value;
    in.value = v;
    net->inputs.v[net->inputs.n++] = in;
    *value = used ? v : -1;
    sc->in[i].source = used ? NB_OVER : NB_SAME;
    return 0;
}

static int fail_carry(const struct nb_item *made, const char *port, struct nb_error *e)
{
    char all[300] = "";
    for (int i = 0; i < made->n; i++)
        nb_add_name(all, sizeof all, made->port[i]);
    return nb_fail(e, NB_E_bad_carry, "%s is carried but is not an output of the module; its outputs are %s", port,
                   all);
}

static int close_carry(const struct nb_step *step, struct nb_scan *sc, size_t i, const struct nb_item *made,
                       struct nb_error *e)
{
    const char *port = step->of.v[i]->port;
    char a[200], b[200];
    int k = 0;
    while (k < made->n && strcmp(made->port[k], port))
        k++;
    if (k == made->n)
        return fail_carry(made, port, e);
    const struct nb_shape *goes = &sc->net.values.v[sc->net.inputs.v[i].value].shape,
                          *comes = &sc->net.values.v[made->value[k]].shape;
    if (!nb_shape_same(goes, comes))
        return nb_fail(e, NB_E_shape_mismatch, "%s goes in as %s and comes out as %s", port,
                       nb_shape_text(goes, step->symbols, a, sizeof a),
                       nb_shape_text(comes, step->symbols, b, sizeof b));
    sc->in[i].out = made->value[k];
    return 0;
}

static int bring_input(struct nb_scope *s, const struct nb_step *step, struct nb_scan *sc, size_t i,
                       const struct nb_item *made, int *value, struct nb_error *e)
{
    const struct source *x = i < step->of.n ? step->of.v[i] : NULL;
    if (!x)
        return bring_noise(s, step, sc, i, value, e);
    sc->in[i].source = x->kind;
    *value = x->value;
    if (x->kind != NB_CARRY)
        return 0;
    *value = begin_with(s, step, x, &sc->net.values.v[sc->net.inputs.v[i].value].shape, e);
    if (*value < -1 || close_carry(step, sc, i, made, e))
        return nb_at(e, x->port), nb_at(e, "carry");
    return 0;
}

static int bring_inputs(struct nb_scope *s, const struct nb_step *step, struct nb_scan *sc, const struct nb_item *made,
                        int *in, struct nb_error *e)
{
    size_t n = sc->net.inputs.n;
    struct nb_port *ports = nb_zalloc(s->b->arena, n + 1, sizeof *ports, e);
    if (!ports || !(sc->in = nb_zalloc(s->b->arena, n + 1, sizeof *sc->in, e)))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (bring_input(s, step, sc, i, made, &in[i], e))
            return -1;
        bool integer = sc->net.values.v[sc->net.inputs.v[i].value].integer;
        ports[i] = (struct nb_port){sc->net.inputs.v[i].name, integer ? NB_INT_PORT : NB_REAL_PORT,
                                    sc->in[i].source == NB_CARRY ? NB_OPTIONAL : 0};
    }
    sc->row.inputs = ports;
    return 0;
}

static int bring_learned(struct nb_scope *s, const struct nb_scan *sc, int *w, struct nb_error *e)
{
    for (size_t i = 0; i < sc->net.learned.n; i++) {
        const struct nb_learned *l = &sc->net.learned.v[i];
        struct nb_weight weight = {l->name, sc->net.values.v[l->value].shape, l->init, l->buffer};
        if ((w[i] = nb_add_learned(s, "", &weight, l->literal, e)) < 0)
            return -1;
    }
    return 0;
}

/* ---- outputs --------------------------------------------------------------------------------------------------- */

struct outputs {
    struct nb_scope *s;
    const struct nb_step *step;
    struct nb_scan *sc;
    struct nb_op *op;
    int index;
    size_t cap, cap2;
};

static int add_output(struct outputs *o, int value, bool all, struct nb_error *e)
{
    struct nb_builder *b = o->s->b;
    struct nb_shape shape = o->sc->net.values.v[value].shape;
    size_t n = (size_t)o->sc->nout;
    if (nb_grow(b->arena, &o->op->out, n, &o->cap, sizeof *o->op->out, e) ||
        nb_grow(b->arena, &o->sc->out, n, &o->cap2, sizeof *o->sc->out, e))
        return -1;
    shape = all ? stacked(o->step, shape) : shape;
    int v = nb_add_value(b, NB_V_OP, &shape, false, o->index, e);
    o->op->out[n] = v;
    o->sc->out[n] = (struct nb_scan_out){.value = value, .all = all};
    o->op->nout = ++o->sc->nout;
    return v;
}

static bool can_leave(const struct nb_scan *sc, int value, bool all)
{
    const struct nb_value *v = &sc->net.values.v[value];
    return !v->integer && (!all || v->shape.rank < NB_MAX_RANK);
}

static int give_ports(struct outputs *o, const struct nb_item *inside, struct nb_item *made, struct nb_error *e)
{
    for (int i = 0; i < inside->n; i++)
        for (int all = 0; all < 2; all++) {
            const char *port = nb_sprintf(o->s->b->arena, e, "%s.%s", all ? "all" : "last", inside->port[i]);
            int v = port && can_leave(o->sc, inside->value[i], all) ? add_output(o, inside->value[i], all, e) : -2;
            if (!port || v == -1 || (v >= 0 && nb_item_add_port(o->s->b, made, port, v, e)))
                return -1;
        }
    return 0;
}

/* Whatever lies inside may be asked for: all its steps. */
static int give_probes(struct outputs *o, struct nb_error *e)
{
    for (size_t i = 0; i < o->sc->net.probes.n; i++) {
        const struct nb_probe *p = &o->sc->net.probes.v[i];
        int v = can_leave(o->sc, p->value, true) ? add_output(o, p->value, true, e) : -2;
        if (v == -1 || (v >= 0 && nb_add_probe(o->s->b, p->name, v, e)))
            return -1;
        if (v >= 0)
            o->sc->out[o->sc->nout - 1].inside = true;
    }
    return 0;
}

/* ---- the operation --------------------------------------------------------------------------------------------- */

static double nodes_of(const struct nb_net *net)
{
    double n = 0;
    for (size_t i = 0; i < net->ops.n; i++) {
        const struct nb_scan *sc = net->ops.v[i].scan;
        n += sc && NB_IS_KNOWN(sc->steps) ? (double)sc->steps * nodes_of(&sc->net) : 1;
    }
    return n;
}

static int check_length(const struct nb_scan *sc, struct nb_error *e)
{
    double n = NB_IS_KNOWN(sc->steps) ? nodes_of(&sc->net) * (double)sc->steps : 0;
    if (NB_IS_KNOWN(sc->steps) && sc->steps > nb_limits.steps)
        return NB_OVER(e, steps, sc->steps);
    return n > (double)nb_limits.node_steps ? NB_OVER(e, node_steps, (int64_t)fmin(n, 0x1p62)) : 0;
}

static int make_op(struct nb_scope *s, const struct nb_use *u, const struct nb_step *step, struct nb_scan *sc,
                   const struct nb_item *inside, struct nb_item *made, struct nb_error *e)
{
    struct nb_builder *b = s->b;
    struct outputs o = {.s = s, .step = step, .sc = sc};
    int *in = nb_small(b->arena, sc->net.inputs.n + 1, sizeof *in, e),
        *w = nb_small(b->arena, sc->net.learned.n + 1, sizeof *w, e);
    const char *summary = nb_sprintf(b->arena, e, "%s, step by step", u->type);
    if (!in || !w || !summary || check_length(sc, e) || bring_inputs(s, step, sc, inside, in, e) ||
        bring_learned(s, sc, w, e) || !(o.op = nb_new_op(b, &o.index, e)))
        return -1;
    *o.op = (struct nb_op){.module = -1,
                           .scan = sc,
                           .args = sc,
                           .nin = (int)sc->net.inputs.n,
                           .nw = (int)sc->net.learned.n,
                           .in = in,
                           .w = w,
                           .node = u->probe,
                           .place = u->place,
                           .given = b->given};
    sc->w = w;
    nb_scan_row(sc, summary);
    return give_ports(&o, inside, made, e) || give_probes(&o, e) ? -1 : 0;
}

/* ---- the net of one step --------------------------------------------------------------------------------------- */

/* The scope of the node, without its names, building into another net. */
static int unfold(struct nb_scope *s, struct nb_builder *inner, const struct nb_use *u, struct nb_item *inside,
                  struct nb_error *e)
{
    struct nb_scope *around = nb_small(s->b->arena, 1, sizeof *around, e);
    if (!around)
        return -1;
    *around = *s;
    around->b = inner;
    around->outer = s->b;
    return nb_build_use(around, u, inside, e) || nb_apply_selections(inner, e) ? -1 : 0;
}

static int build_inside(struct nb_scope *s, const struct nb_use *u, struct nb_scan *sc, struct nb_item *inside,
                        struct nb_error *e)
{
    const struct nb_net *net = s->b->net;
    struct nb_builder inner = *s->b;
    sc->net = (struct nb_net){.arena = net->arena, .dtype = net->dtype, .train = net->train, .size = net->size};
    sc->net.symbols.v = net->symbols.v;
    sc->net.symbols.n = net->symbols.n;
    inner.net = &sc->net;
    inner.given = -1;
    memset(&inner.selections, 0, sizeof inner.selections);
    inner.learned_index = json_object();
    inner.probe_index = json_object();
    int bad = inner.learned_index && inner.probe_index ? unfold(s, &inner, u, inside, e) : nb_fail_memory(e);
    json_decref(inner.learned_index);
    json_decref(inner.probe_index);
    return bad;
}

static int read_node(json_t *node, const struct nb_step *step, struct nb_scan *sc, struct nb_error *e)
{
    json_t *truncate = json_object_get(node, "truncate");
    sc->dim = step->dim;
    sc->steps = step->steps;
    sc->reverse = json_is_true(json_object_get(node, "reverse"));
    sc->recompute = json_is_true(json_object_get(node, "recompute"));
    return truncate && nb_read_whole(truncate, &sc->truncate, e) ? nb_at(e, "truncate") : 0;
}

int nb_build_scan(struct nb_scope *s, json_t *node, const struct nb_use *used, struct nb_item *made, struct nb_error *e)
{
    struct nb_step step = {.symbols = s->b->net->symbols.v};
    struct nb_use u = *used;
    struct ports ports = {0};
    struct nb_item inside = {.name = made->name};
    struct nb_scan *sc = nb_zalloc(s->b->arena, 1, sizeof *sc, e);
    u.type = nb_item_type(json_object_get(node, "scan"), &u.args, e);
    u.step = &step;
    if (!sc || !u.type || ports_of(s->b, u.type, &ports, e) || read_sources(s, node, u.type, &ports, &step, e) ||
        all_fed(&step, &ports, u.type, e) || find_axis(s, node, &step, e) || common_steps(s, &step, e) ||
        read_node(node, &step, sc, e))
        return -1;
    if (build_inside(s, &u, sc, &inside, e)) {
        if (e->pointer[0] && u.args)
            nb_at(e, u.type);
        return e->fixed ? -1 : nb_at(e, "scan");
    }
    return make_op(s, &u, &step, sc, &inside, made, e);
}
