/* graph - snapshots: made once, counted, never written; and the three questions. */
#include "graph/graph.h"
#include "graph/ask.h"
#include "graph/language.h"
#include "graph/snapshot.h"
#include "graph/value.h"
#include "nabla/limits.h"
#include "nabla/bulk.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---------------------------------------------------------------------------------------------------- */

static int copy_given(struct nb_graph *g, const struct nb_learned *l, const struct nb_tensor *from,
                      struct nb_tensor *to, struct nb_error *e)
{
    const struct nb_shape *want = &g->net.values.v[l->value].shape;
    char x[200], y[200];
    if (nb_shape_same(&from->shape, want) != 1)
        return nb_fail(e, NB_E_shape_mismatch, "%s has shape %s, %s came", l->name,
                       nb_shape_text(want, NULL, x, sizeof x), nb_shape_text(&from->shape, NULL, y, sizeof y));
    if (nb_tensor_new(&g->values, g->net.dtype, want, to, e))
        return -1;
    nb_convert(to->dtype, to->data, from->dtype, from->data, (size_t)nb_count(want));
    return 0;
}

static int initialise(struct nb_graph *g, const struct nb_learned *l, struct nb_seed seed, struct nb_tensor *to,
                      struct nb_error *e)
{
    struct nb_arena scratch;
    if (l->literal)
        return copy_given(g, l, l->literal, to, e);
    if (nb_tensor_new(&g->values, g->net.dtype, &g->net.values.v[l->value].shape, to, e))
        return -1;
    nb_arena_init_graph(&scratch);
    int bad = nb_init_fill(&l->init, nb_stream_of(seed, l->name), to, &scratch, e);
    nb_arena_done(&scratch);
    return bad;
}

static const struct nb_learned *learned_named(const struct nb_graph *g, const char *name)
{
    for (size_t i = 0; i < g->net.learned.n; i++)
        if (!strcmp(g->net.learned.v[i].name, name))
            return &g->net.learned.v[i];
    return NULL;
}

static int fail_no_parameter(const struct nb_graph *g, const char *name, struct nb_error *e)
{
    return nb_fail_no_match(&g->net, name, e), nb_at(e, name), nb_at(e, "parameters");
}

/* A tied tensor may be given beside its owner, with the same numbers; then there is nothing to keep. */
static int check_tied(struct nb_graph *g, const struct nb_learned *l, const struct nb_tensor *t,
                      const struct nb_tensors *all, struct nb_error *e)
{
    const struct nb_learned *owner = &g->net.learned.v[l->tie];
    const struct nb_tensor *other = nb_tensors_find(all, owner->name);
    if (!other)
        return nb_fail(e, NB_E_bad_value, "%s is tied to %s: give that one", l->name, owner->name);
    int64_t rows = other->shape.rank == 2 ? other->shape.dim[0] : 1, n = nb_count(&other->shape),
            cols = rows ? n / rows : 0;
    struct nb_arena scratch;
    nb_arena_init(&scratch, (size_t)nb_limits.memory);
    double *x = nb_alloc(&scratch, (size_t)n, sizeof *x, e), *y = nb_alloc(&scratch, (size_t)n, sizeof *y, e);
    int bad = !x || !y || nb_count(&t->shape) != n ? -1 : 0;
    if (!bad) {
        nb_convert(NB_F64, x, t->dtype, t->data, (size_t)n);
        nb_convert(NB_F64, y, other->dtype, other->data, (size_t)n);
        for (int64_t i = 0; i < n && !bad; i++)
            bad = x[i] != y[l->transposed ? i % rows * cols + i / rows : i];
    }
    nb_arena_done(&scratch);
    return bad ? nb_fail(e, NB_E_bad_value, "%s is tied to %s and must have its value", l->name, owner->name) : 0;
}

static int check_given(struct nb_graph *g, const struct nb_tensors *given, struct nb_error *e)
{
    for (size_t i = 0; given && i < given->n; i++) {
        const struct nb_learned *l = learned_named(g, given->v[i].name);
        if (!l)
            return fail_no_parameter(g, given->v[i].name, e);
        if (l->tie >= 0 && check_tied(g, l, &given->v[i].t, given, e))
            return nb_at(e, l->name), nb_at(e, "parameters");
    }
    return 0;
}

/* Values of all learned tensors: given, or else from `old`, or else started from the seed. */
static int fill_parameters(struct nb_graph *g, const struct nb_tensors *given, const struct nb_tensors *old,
                           struct nb_seed seed, struct nb_error *e)
{
    for (size_t i = 0; i < g->net.learned.n; i++) {
        const struct nb_learned *l = &g->net.learned.v[i];
        const struct nb_tensor *t = given ? nb_tensors_find(given, l->name) : NULL;
        struct nb_tensor to;
        if (l->tie >= 0)
            continue;
        if (t && copy_given(g, l, t, &to, e))
            return nb_at(e, l->name), nb_at(e, "parameters");
        if (!t && old && copy_given(g, l, nb_tensors_find(old, l->name), &to, e))
            return -1;
        if (!t && !old && initialise(g, l, seed, &to, e))
            return -1;
        if (nb_tensors_add(&g->values, &g->parameters, l->name, to, e))
            return -1;
    }
    return 0;
}

/* 0.2 as 0.2: fewer digits if they read back the same, else all. */
static char *shortest_text(json_t *description)
{
    char *text = json_dumps(description, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_t *again = text ? json_loads(text, 0, NULL) : NULL;
    bool same = again && json_equal(again, description);
    json_decref(again);
    if (same)
        return text;
    free(text);
    return json_dumps(description, JSON_COMPACT | JSON_REAL_PRECISION(17));
}

static struct nb_shared *shared_new(json_t *description, struct nb_error *e)
{
    struct nb_shared *s = calloc(1, sizeof *s);
    if (!s)
        return nb_fail_memory(e), NULL;
    s->count = 1;
    nb_arena_init_graph(&s->arena);
    pthread_mutex_init(&s->lock, NULL);
    s->description = json_incref(description);
    s->text = shortest_text(description);
    return s;
}

static void shared_unref(struct nb_shared *s)
{
    if (__atomic_sub_fetch(&s->count, 1, __ATOMIC_ACQ_REL))
        return;
    for (int i = 0; i < s->nplans; i++)
        nb_planned_unref(s->plans[i].planned);
    free(s->plans);
    json_decref(s->description);
    nb_arena_done(&s->arena);
    free(s->text);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct nb_graph *graph_new(struct nb_shared *shared, struct nb_error *e)
{
    struct nb_graph *g = calloc(1, sizeof *g);
    if (!g)
        return nb_fail_memory(e), shared_unref(shared), NULL;
    g->count = 1;
    g->shared = shared;
    nb_arena_init_graph(&g->values);
    return g;
}

struct nb_graph *nb_graph_ref(struct nb_graph *g)
{
    __atomic_add_fetch(&g->count, 1, __ATOMIC_RELAXED);
    return g;
}

void nb_graph_unref(struct nb_graph *g)
{
    if (!g || __atomic_sub_fetch(&g->count, 1, __ATOMIC_ACQ_REL))
        return;
    nb_attached_unref(g->memory);
    nb_arena_done(&g->values);
    shared_unref(g->shared);
    free(g);
}

static int check_text(json_t *description, struct nb_error *e)
{
    struct nb_arena scratch;
    nb_arena_init_graph(&scratch);
    int bad = nb_language_check(description, &scratch, e);
    nb_arena_done(&scratch);
    return bad ? nb_at(e, "graph") : 0;
}

struct nb_graph *nb_graph_new(json_t *description, const struct nb_tensors *parameters, struct nb_seed seed,
                              struct nb_error *e)
{
    if (check_text(description, e))
        return NULL;
    struct nb_shared *shared = shared_new(description, e);
    struct nb_graph *g = shared ? graph_new(shared, e) : NULL;
    if (!g)
        return NULL;
    if (!shared->text)
        nb_fail_memory(e);
    else if (!nb_net_build(description, NULL, &shared->arena, &g->net, e) && !check_given(g, parameters, e) &&
             !fill_parameters(g, parameters, NULL, seed, e))
        return g;
    nb_graph_unref(g);
    return NULL;
}

static int check_all_given(const struct nb_graph *g, const struct nb_tensors *given, struct nb_error *e)
{
    for (size_t i = 0; i < g->parameters.n; i++)
        if (!nb_tensors_find(given, g->parameters.v[i].name))
            return nb_fail(e, NB_E_missing_key, "%s is missing: all learned tensors and buffers must come",
                           g->parameters.v[i].name),
                   nb_at(e, "parameters");
    return 0;
}

static struct nb_graph *sibling(struct nb_graph *old, struct nb_error *e)
{
    __atomic_add_fetch(&old->shared->count, 1, __ATOMIC_RELAXED);
    struct nb_graph *g = graph_new(old->shared, e);
    if (g)
        g->net = old->net;
    return g;
}

struct nb_graph *nb_graph_with(struct nb_graph *old, const struct nb_tensors *parameters, bool all, struct nb_error *e)
{
    if (all && check_all_given(old, parameters, e))
        return NULL;
    struct nb_graph *g = sibling(old, e);
    if (!g)
        return NULL;
    if (check_given(g, parameters, e) || fill_parameters(g, parameters, &old->parameters, (struct nb_seed){0, 0}, e)) {
        nb_graph_unref(g);
        return NULL;
    }
    g->memory = all ? NULL : nb_attached_ref(old->memory);
    return g;
}

static int fill_next(struct nb_graph *g, const struct nb_graph *old, const bool *fresh, struct nb_error *e)
{
    for (size_t i = 0; i < old->parameters.n; i++) {
        const struct nb_named *was = &old->parameters.v[i];
        struct nb_tensor t;
        if (nb_tensor_new(&g->values, was->t.dtype, &was->t.shape, &t, e) ||
            nb_tensors_add(&g->values, &g->parameters, was->name, t, e))
            return -1;
        if (!fresh[i])
            memcpy(t.data, was->t.data, (size_t)nb_count(&t.shape) * nb_dtype_size(t.dtype));
    }
    g->memory = nb_attached_ref(old->memory);
    return 0;
}

struct nb_graph *nb_graph_next(struct nb_graph *old, const bool *fresh, struct nb_error *e)
{
    struct nb_graph *g = sibling(old, e);
    if (g && !fill_next(g, old, fresh, e))
        return g;
    nb_graph_unref(g);
    return NULL;
}

struct nb_attached *nb_attached_ref(struct nb_attached *x)
{
    if (x)
        __atomic_add_fetch(&x->count, 1, __ATOMIC_RELAXED);
    return x;
}

void nb_attached_unref(struct nb_attached *x)
{
    if (!x || __atomic_sub_fetch(&x->count, 1, __ATOMIC_ACQ_REL))
        return;
    nb_arena_done(&x->arena);
    free(x);
}

const char *nb_graph_text(const struct nb_graph *g)
{
    return g->shared->text;
}

const struct nb_tensors *nb_graph_parameters(const struct nb_graph *g)
{
    return &g->parameters;
}

enum nb_dtype nb_graph_dtype(const struct nb_graph *g)
{
    return g->net.dtype;
}

const char *nb_graph_only_input(const struct nb_graph *g)
{
    const char *name = NULL;
    for (size_t i = 0; i < g->net.inputs.n; i++) {
        if (!g->net.inputs.v[i].declared)
            continue;
        if (name)
            return NULL;
        name = g->net.inputs.v[i].name;
    }
    return name;
}

/* ---- answers
 * --------------------------------------------------------------------------------------------------------------------
 */

struct nb_fed nb_graph_fed(const struct nb_graph *g, const struct nb_run *run)
{
    return (struct nb_fed){&run->inputs, &g->parameters, run->seed, run->train};
}

static int note(struct nb_arena *a, struct nb_strings_list *l, const char *text, struct nb_error *e)
{
    size_t cap = l->n;
    if (nb_grow(a, &l->v, l->n, &cap, sizeof *l->v, e))
        return -1;
    l->v[l->n++] = text;
    return 0;
}

int nb_graph_warnings(const struct nb_plan *p, struct nb_arena *a, struct nb_strings_list *l, struct nb_error *e)
{
    for (int k = 0; k < p->nsteps; k++) {
        const struct nb_op *op = &p->net.ops.v[p->step[k]];
        const struct nb_module *m = nb_op_module(op, NB_F64);
        const char *text = m->warning ? m->warning(op->args) : NULL;
        char *line = text ? nb_sprintf(a, e, "%s (%s): %s", op->node, m->type, text) : NULL;
        if (text && (!line || note(a, l, line, e)))
            return -1;
    }
    return 0;
}

static int check_integer(double v, enum nb_dtype d)
{
    double low = d == NB_BOOL ? 0 : d == NB_I32 ? INT32_MIN : -9007199254740992.0;
    double high = d == NB_BOOL ? 1 : d == NB_I32 ? INT32_MAX : 9007199254740992.0;
    return v == floor(v) && v >= low && v <= high ? 0 : -1;
}

/* An output that the graph declares as integers. */
static int to_declared(struct nb_tensor *t, enum nb_dtype d, const char *name, struct nb_arena *a, struct nb_error *e)
{
    struct nb_tensor whole;
    size_t n = (size_t)nb_count(&t->shape);
    if (d == t->dtype || d == NB_F32 || d == NB_F64 || t->dtype == NB_I64)
        return 0;
    if (nb_tensor_new(a, NB_I64, &t->shape, &whole, e))
        return -1;
    for (size_t i = 0; i < n; i++) {
        double v = t->dtype == NB_F32 ? (double)((float *)t->data)[i] : ((double *)t->data)[i];
        if (check_integer(v, d))
            return nb_fail(e, NB_E_value_not_representable, "entry %zu of %s is %g, which is no %s", i, name, v,
                           nb_dtype_name(d)),
                   nb_at(e, name), nb_at(e, "outputs");
        ((int64_t *)whole.data)[i] = (int64_t)v;
    }
    *t = whole;
    return 0;
}

/* Numbers that lie in the graph or in the request are copied: the reply may outlive them. */
static int own(const struct nb_session *s, int v, struct nb_tensor *t, struct nb_arena *a, struct nb_error *e)
{
    enum nb_value_kind k = s->plan->net.values.v[s->plan->root[v]].kind;
    size_t size = (size_t)nb_count(&t->shape) * nb_dtype_size(t->dtype);
    if (k == NB_V_OP)
        return 0;
    const void *from = t->data;
    if (!(t->data = nb_alloc(a, size, 1, e)))
        return -1;
    memcpy(t->data, from, size);
    return 0;
}

static int take_outputs(const struct nb_planned *p, const struct nb_session *s, struct nb_arena *a, struct nb_result *r,
                        struct nb_error *e)
{
    for (int i = 0; i < p->plan.wants.nout; i++) {
        struct nb_tensor t = nb_session_value(s, p->plan.wants.out[i]);
        if (!nb_all_finite(&t) && note(a, &r->not_finite, p->out_name[i], e))
            return -1;
        if (to_declared(&t, p->out_dtype[i], p->out_name[i], a, e) || own(s, p->plan.wants.out[i], &t, a, e) ||
            nb_tensors_add(a, &r->outputs, p->out_name[i], t, e))
            return -1;
    }
    return 0;
}

static int take_gradients(const struct nb_planned *p, const struct nb_session *s, struct nb_arena *a,
                          struct nb_result *r, struct nb_error *e)
{
    for (int i = 0; i < p->plan.wants.nwrt; i++) {
        int v = p->plan.wants.wrt[i];
        struct nb_tensor t = {s->dtype, p->plan.net.values.v[v].shape, s->grad[v]};
        if (!t.data && !(t.data = nb_zalloc(a, (size_t)nb_count(&t.shape), nb_dtype_size(t.dtype), e)))
            return -1;
        if (!nb_all_finite(&t) && note(a, &r->not_finite, p->wrt_name[i], e))
            return -1;
        if (nb_tensors_add(a, &r->gradients, p->wrt_name[i], t, e))
            return -1;
    }
    return 0;
}

static void take_loss(const struct nb_planned *p, const struct nb_session *s, struct nb_result *r)
{
    if (p->loss < 0)
        return;
    const struct nb_loss *l = &p->plan.net.losses.v[p->loss];
    r->loss_name = l->name;
    nb_convert(NB_F64, &r->loss, s->dtype, s->data[l->value], 1);
}

static int answer(struct nb_graph *g, enum nb_ask ask, const struct nb_run *run, struct nb_planned *p,
                  struct nb_arena *a, struct nb_result *r, struct nb_error *e)
{
    struct nb_session s;
    struct nb_fed fed = nb_graph_fed(g, run);
    void **cotangent;
    if (nb_session_new(&p->plan, g->net.dtype, &fed, a, &s, &r->noise, e) ||
        (run->track && nb_session_track(&s, run->track, a, e)) || nb_session_forward(&s, e))
        return -1;
    if (ask == NB_ASK_BACKWARD &&
        (nb_graph_cotangents(p, run, s.dtype, a, &cotangent, e) || nb_session_backward(&s, cotangent, e)))
        return -1;
    take_loss(p, &s, r);
    if (nb_graph_warnings(&p->plan, a, &r->warnings, e))
        return -1;
    return take_outputs(p, &s, a, r, e) || (ask == NB_ASK_BACKWARD && take_gradients(p, &s, a, r, e)) ? -1 : 0;
}

/* JSON's [] says nothing of the other dimensions: for [B, 3] it is a batch of none, [0, 3]. */
static void complete_empty(const struct nb_graph *g, struct nb_named *x)
{
    int i = x->t.shape.rank == 1 && x->t.shape.dim[0] == 0 ? nb_net_input(&g->net, x->name) : -1;
    struct nb_shape s = i < 0 ? x->t.shape : g->net.values.v[g->net.inputs.v[i].value].shape;
    if (i < 0 || s.rank < 2 || NB_IS_KNOWN(s.dim[0]))
        return;
    s.dim[0] = 0;
    if (nb_shape_known(&s))
        x->t.shape = s;
}

static int complete_inputs(const struct nb_graph *g, struct nb_run *run, struct nb_arena *a, struct nb_error *e)
{
    struct nb_named *v = nb_small(a, run->inputs.n + 1, sizeof *v, e);
    if (!v)
        return -1;
    for (size_t i = 0; i < run->inputs.n; i++) {
        v[i] = run->inputs.v[i];
        complete_empty(g, &v[i]);
    }
    run->inputs.v = v;
    return 0;
}

static int run_graph(struct nb_graph *g, enum nb_ask ask, const struct nb_run *run, struct nb_arena *a,
                     struct nb_result *r, struct nb_error *e)
{
    struct nb_run own = *run;
    *r = (struct nb_result){0};
    if (complete_inputs(g, &own, a, e))
        return -1;
    struct nb_planned *p = nb_graph_plan(g, ask, &own, a, e);
    if (!p)
        return -1;
    int bad = answer(g, ask, &own, p, a, r, e);
    for (size_t i = 0; i < r->outputs.n && !bad; i++) /* names outlive the plan */
        bad = !(r->outputs.v[i].name = nb_strdup(a, r->outputs.v[i].name, e));
    for (size_t i = 0; i < r->gradients.n && !bad; i++)
        bad = !(r->gradients.v[i].name = nb_strdup(a, r->gradients.v[i].name, e));
    for (size_t i = 0; i < r->not_finite.n && !bad; i++)
        bad = !(r->not_finite.v[i] = nb_strdup(a, r->not_finite.v[i], e));
    if (r->loss_name && !bad)
        bad = !(r->loss_name = nb_strdup(a, r->loss_name, e));
    nb_planned_unref(p);
    return bad ? -1 : 0;
}

int nb_graph_forward(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_result *r,
                     struct nb_error *e)
{
    return run_graph(g, NB_ASK_FORWARD, run, a, r, e);
}

int nb_graph_backward(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_result *r,
                      struct nb_error *e)
{
    return run_graph(g, NB_ASK_BACKWARD, run, a, r, e);
}

int nb_graph_loss(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_result *r,
                  struct nb_error *e)
{
    return run_graph(g, NB_ASK_LOSS, run, a, r, e);
}

double nb_graph_cost(const struct nb_graph *g, const struct nb_tensors *inputs)
{
    double learned = 0, rows = 1, entries = 0;
    for (size_t i = 0; i < g->parameters.n; i++)
        learned += (double)nb_count(&g->parameters.v[i].t.shape);
    for (size_t i = 0; i < inputs->n; i++) {
        const struct nb_shape *s = &inputs->v[i].t.shape;
        double n = (double)nb_count(s), last = s->rank ? (double)s->dim[s->rank - 1] : 1;
        rows = last > 0 && n / last > rows ? n / last : rows;
        entries += n;
    }
    return 2 * learned * rows + 4 * entries * (double)g->net.ops.n;
}
