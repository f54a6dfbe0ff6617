/* session - a plan is run: numbers are brought in, operations called, gradients collected. */
#include "graph/session.h"
#include "graph/scan.h"
#include "nabla/branch.h"
#include "nabla/bulk.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t count(const struct nb_session *s, int v)
{
    return (size_t)nb_count(&s->plan->net.values.v[v].shape);
}

static size_t bytes(const struct nb_session *s, int v)
{
    return count(s, v) * nb_dtype_size(s->plan->net.values.v[v].integer ? NB_I64 : s->dtype);
}

struct nb_tensor nb_session_value(const struct nb_session *s, int v)
{
    const struct nb_value *x = &s->plan->net.values.v[v];
    return (struct nb_tensor){x->integer ? NB_I64 : s->dtype, x->shape, s->data[v]};
}

/* ---- what comes in --------------------------------------------------------------------------------------------- */

/* The place of entry i of a tensor: /2/17. */
static int at_entry(const struct nb_shape *shape, size_t i, struct nb_error *e)
{
    for (int k = shape->rank - 1; k >= 0; k--) {
        nb_at_index(e, i % (size_t)shape->dim[k]);
        i /= (size_t)shape->dim[k];
    }
    return -1;
}

static int at_input(const char *name, struct nb_error *e)
{
    nb_at(e, name);
    return nb_at(e, "inputs");
}

static double entry(const struct nb_tensor *t, size_t i)
{
    switch (t->dtype) {
    case NB_F32:
        return (double)((const float *)t->data)[i];
    case NB_F64:
        return ((const double *)t->data)[i];
    default:
        return (double)((const int64_t *)t->data)[i];
    }
}

static int to_integers(const struct nb_tensor *from, enum nb_dtype want, int64_t *to, struct nb_error *e)
{
    double low = want == NB_I32 ? INT32_MIN : want == NB_BOOL ? 0 : -9007199254740992.0;
    double high = want == NB_I32 ? INT32_MAX : want == NB_BOOL ? 1 : 9007199254740992.0;
    size_t n = (size_t)nb_count(&from->shape);
    if (from->dtype == NB_I64 && want == NB_I64) {
        memcpy(to, from->data, n * sizeof *to);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        double v = entry(from, i);
        if (!(v == floor(v) && v >= low && v <= high))
            return nb_fail(e, NB_E_bad_number, "%s is wanted, %g came",
                           want == NB_BOOL  ? "true or false (1 or 0)"
                           : want == NB_I32 ? "a whole number of 32 bits"
                                            : "a whole number up to 2^53",
                           v),
                   at_entry(&from->shape, i, e);
        to[i] = (int64_t)v;
    }
    return 0;
}

static int fail_range(const struct nb_tensor *t, struct nb_error *e)
{
    const double *v = t->data;
    size_t i = 0;
    while (fabs(v[i]) <= FLT_MAX || !isfinite(v[i]))
        i++;
    return nb_fail(e, NB_E_bad_number, "%g is beyond the range of float32 (3.4e38)", v[i]), at_entry(&t->shape, i, e);
}

/* A number that fits double but not float is refused, not made infinite; a shadow in double starts from the floats. */
static int bring_narrow(struct nb_session *s, const struct nb_tensor *t, size_t n, void *to, struct nb_arena *a,
                        struct nb_error *e)
{
    float *rounded = s->dtype == NB_F32 ? to : nb_alloc(a, n, sizeof *rounded, e);
    if (!rounded)
        return -1;
    if (!nb_bulk_narrow(n, t->data, rounded))
        return fail_range(t, e);
    if (s->dtype != NB_F32)
        nb_convert(s->dtype, to, NB_F32, rounded, n);
    return 0;
}

static int bring_real(struct nb_session *s, const struct nb_tensor *t, struct nb_arena *a, void **to,
                      struct nb_error *e)
{
    size_t n = (size_t)nb_count(&t->shape);
    if (t->dtype == s->dtype && t->dtype == s->plan->net.dtype) {
        *to = t->data;
        return 0;
    }
    if (!(*to = nb_alloc(a, n, nb_dtype_size(s->dtype), e)))
        return -1;
    if (s->plan->net.dtype == NB_F32 && t->dtype == NB_F64)
        return bring_narrow(s, t, n, *to, a, e);
    nb_convert(s->dtype, *to, t->dtype, t->data, n);
    return 0;
}

static int bring_fed(struct nb_session *s, const struct nb_input *in, const struct nb_tensor *t, struct nb_arena *a,
                     struct nb_error *e)
{
    const struct nb_shape *want = &s->plan->net.values.v[in->value].shape;
    char x[200], y[200];
    if (nb_shape_same(&t->shape, want) != 1)
        return nb_fail(e, NB_E_shape_mismatch, "%s has shape %s, wanted is %s", in->name,
                       nb_shape_text(&t->shape, NULL, x, sizeof x), nb_shape_text(want, NULL, y, sizeof y)),
               at_input(in->name, e);
    bool integer = s->plan->net.values.v[in->value].integer;
    if (!integer)
        return bring_real(s, t, a, &s->data[in->value], e) ? at_input(in->name, e) : 0;
    if (!(s->data[in->value] = nb_alloc(a, (size_t)nb_count(want), sizeof(int64_t), e)))
        return -1;
    return to_integers(t, in->dtype, s->data[in->value], e) ? at_input(in->name, e) : 0;
}

static double draw(const struct nb_input *in, struct nb_stream stream, uint64_t i, bool single)
{
    double u = in->sample == NB_NORMAL ? nb_normal(stream, i) : nb_uniform(stream, i);
    if (in->sample == NB_BERNOULLI)
        return u < in->p;
    if (in->sample == NB_GUMBEL)
        return -log(-log(u > 0 ? u : 0x1p-54));
    if (in->high > in->low)
        return in->low + (in->high - in->low) * u;
    if (!single)
        return u;
    return in->sample == NB_UNIFORM ? floor(u * 16777216) / 16777216 : (double)(float)u; /* u < 1 stays */
}

static int draw_noise(struct nb_session *s, const struct nb_input *in, struct nb_seed seed, struct nb_arena *a,
                      struct nb_error *e)
{
    size_t n = count(s, in->value);
    struct nb_stream stream = nb_stream_of(seed, in->name);
    bool integer = s->plan->net.values.v[in->value].integer;
    double *v = nb_alloc(a, n, sizeof *v, e);
    if (!v || !(s->data[in->value] = nb_alloc(a, n, nb_dtype_size(integer ? NB_I64 : s->dtype), e)))
        return -1;
    for (size_t i = 0; i < n; i++)
        v[i] = draw(in, stream, i, s->plan->net.dtype == NB_F32);
    nb_convert(integer ? NB_I64 : s->dtype, s->data[in->value], NB_F64, v, n);
    return 0;
}

static int bring_input(struct nb_session *s, const struct nb_input *in, const struct nb_fed *fed, struct nb_arena *a,
                       bool *drew, struct nb_error *e)
{
    const struct nb_tensor *t = fed->inputs ? nb_tensors_find(fed->inputs, in->name) : NULL;
    if (t)
        return bring_fed(s, in, t, a, e);
    if (in->sample == NB_FED || !s->plan->needed[in->value])
        return 0; /* what is needed and not fed was refused by the plan */
    *drew = true;
    return draw_noise(s, in, fed->seed, a, e);
}

static int bring_parameter(struct nb_session *s, const struct nb_learned *l, const struct nb_tensors *parameters,
                           struct nb_arena *a, struct nb_error *e)
{
    if (l->tie >= 0)
        return 0;
    const struct nb_tensor *t = nb_tensors_find(parameters, l->name);
    if (!t)
        return nb_fail(e, NB_E_internal, "no value of %s", l->name);
    if (t->dtype == s->dtype) {
        s->data[l->value] = t->data;
        return 0;
    }
    if (!(s->data[l->value] = nb_alloc(a, count(s, l->value), nb_dtype_size(s->dtype), e)))
        return -1;
    nb_convert(s->dtype, s->data[l->value], t->dtype, t->data, count(s, l->value));
    return 0;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

enum { UNIT = 4, LINE = 64 }; /* bytes of the smallest number; tables begin at cache lines */

static size_t room_of(size_t n, size_t size)
{
    return (n * size + LINE - 1) / LINE * LINE;
}

static size_t constants_of(const struct nb_net *net)
{
    size_t n = 0;
    for (size_t v = 0; v < net->values.n; v++)
        n += net->values.v[v].kind == NB_V_CONST;
    return n;
}

/* data, grad, rows of tensors, constants; nb_session_room is their sum. */
static void room(const struct nb_plan *p, size_t part[4])
{
    part[0] = part[1] = room_of(p->net.values.n + 1, sizeof(void *));
    part[2] = room_of((size_t)p->widest * 6 + 6, sizeof(struct nb_tensor));
    part[3] = room_of(constants_of(&p->net) + 1, nb_dtype_size(NB_C128));
}

size_t nb_session_room(const struct nb_plan *plan)
{
    size_t part[4];
    room(plan, part);
    return (part[0] + part[1] + part[2] + part[3]) / UNIT;
}

void nb_session_lay(struct nb_session *s, const struct nb_plan *plan, enum nb_dtype dtype, void *memory)
{
    size_t part[4], size = nb_dtype_size(dtype);
    char *at = memory;
    room(plan, part);
    memset(memory, 0, part[0] + part[1]);
    *s = (struct nb_session){.plan = plan, .dtype = dtype};
    s->data = (void **)(void *)at;
    s->grad = (void **)(void *)(at += part[0]);
    s->tensors = (struct nb_tensor *)(void *)(at += part[1]);
    at += part[2];
    for (size_t v = 0; v < plan->net.values.n; v++)
        if (plan->net.values.v[v].kind == NB_V_CONST) {
            s->data[v] = at;
            nb_convert(dtype, at, NB_F64, &plan->net.values.v[v].constant, 1);
            at += size;
        }
}

static void place_values(struct nb_session *s)
{
    const struct nb_plan *p = s->plan;
    size_t size = nb_dtype_size(s->dtype);
    for (size_t v = 0; v < p->net.values.n; v++) {
        if (p->at[v] != NB_NOWHERE)
            s->data[v] = s->kept + p->at[v] * size;
        if (p->grad[v] != NB_NOWHERE)
            s->grad[v] = s->loose + p->grad[v] * size;
    }
}

static void place_aliases(struct nb_session *s)
{
    for (size_t v = 0; v < s->plan->net.values.n; v++)
        if (s->plan->root[v] != (int)v)
            s->data[v] = s->data[s->plan->root[v]];
    for (size_t g = 0; g < s->plan->net.given.n; g++) {
        const struct nb_given *given = &s->plan->net.given.v[g];
        for (int i = 0; i < given->nout; i++)
            s->data[given->g[i]] = s->grad[given->out[i]];
    }
}

void nb_session_at(struct nb_session *s, void *kept, void *loose)
{
    s->kept = kept;
    s->loose = loose;
    place_values(s);
    place_aliases(s);
}

int nb_session_new(const struct nb_plan *plan, enum nb_dtype dtype, const struct nb_fed *fed, struct nb_arena *a,
                   struct nb_session *s, bool *drew, struct nb_error *e)
{
    const struct nb_net *net = &plan->net;
    size_t size = nb_dtype_size(dtype);
    void *tables = nb_alloc(a, nb_session_room(plan), UNIT, e);
    char *memory = nb_alloc(a, plan->kept + plan->loose, size, e);
    if (!tables || !memory)
        return -1;
    nb_session_lay(s, plan, dtype, tables);
    s->train = fed->train;
    for (size_t i = 0; i < net->inputs.n; i++)
        if (bring_input(s, &net->inputs.v[i], fed, a, drew, e))
            return -1;
    for (size_t i = 0; i < net->learned.n; i++)
        if (bring_parameter(s, &net->learned.v[i], fed->parameters, a, e))
            return -1;
    nb_session_at(s, memory, memory + plan->kept * size);
    return 0;
}

/* What the plan gives no place to is there once, in memory of its own. */
static int twin_loose(const struct nb_session *s, struct nb_arena *a, struct nb_session *twin, struct nb_error *e)
{
    const struct nb_plan *p = s->plan;
    for (size_t v = 0; v < p->net.values.n; v++) {
        if (!s->data[v] || twin->data[v] || p->root[v] != (int)v || p->at[v] != NB_NOWHERE)
            continue;
        bool integer = p->net.values.v[v].integer;
        twin->data[v] = integer ? s->data[v] : nb_alloc(a, count(s, (int)v), nb_dtype_size(twin->dtype), e);
        if (!twin->data[v])
            return -1;
    }
    return 0;
}

int nb_session_twin(const struct nb_session *s, enum nb_dtype dtype, struct nb_arena *a, struct nb_session *twin,
                    struct nb_error *e)
{
    const struct nb_plan *p = s->plan;
    size_t size = nb_dtype_size(dtype);
    void *tables = nb_alloc(a, nb_session_room(p), UNIT, e);
    char *memory = nb_zalloc(a, p->kept + p->loose, size, e);
    if (!tables || !memory)
        return -1;
    nb_session_lay(twin, p, dtype, tables);
    twin->train = s->train;
    twin->inside = s->inside;
    if (twin_loose(s, a, twin, e))
        return -1;
    nb_session_at(twin, memory, memory + p->kept * size);
    for (size_t v = 0; v < p->net.values.n; v++)
        if (s->data[v] && p->root[v] == (int)v && twin->data[v] && twin->data[v] != s->data[v])
            nb_convert(dtype, twin->data[v], s->dtype, s->data[v], count(s, (int)v));
    return 0;
}

/* ---- calls
 * ----------------------------------------------------------------------------------------------------------------------------
 */

static struct nb_tensor *row(struct nb_session *s, int i)
{
    return s->tensors + i * (s->plan->widest + 1);
}

static void fill_row(struct nb_session *s, struct nb_tensor *t, const int *v, int n)
{
    for (int i = 0; i < n; i++)
        t[i] = v[i] < 0 ? (struct nb_tensor){.shape.rank = -1} : nb_session_value(s, v[i]);
}

static void *scratch(const struct nb_session *s, size_t skip)
{
    return s->loose + (s->plan->scratch + skip) * nb_dtype_size(s->dtype);
}

static void *saved(const struct nb_session *s, int op)
{
    return s->kept + s->plan->saved[op] * nb_dtype_size(s->dtype);
}

static struct nb_call call_of(struct nb_session *s, const struct nb_op *op)
{
    struct nb_call c = {.args = op->args, .train = s->train, .nin = op->nin, .nout = op->nout, .nw = op->nw};
    fill_row(s, row(s, 0), op->in, op->nin);
    fill_row(s, row(s, 1), op->w, op->nw);
    fill_row(s, row(s, 2), op->out, op->nout);
    c.in = row(s, 0), c.w = row(s, 1), c.out = row(s, 2);
    c.work = scratch(s, 0);
    return c;
}

/* What a module finds wrong with an input is the fault of whoever fed it, if it was fed. */
static int blame(struct nb_session *s, const struct nb_op *op, struct nb_error *e)
{
    int v = e->port > 0 && e->port <= op->nin ? s->plan->root[op->in[e->port - 1]] : -1;
    bool fed = v >= 0 && s->plan->net.values.v[v].kind == NB_V_INPUT;
    if (e->fixed)
        return -1;
    if (fed && s->inside)
        return e->port = s->plan->net.values.v[v].of + 1, -1;
    if (fed)
        at_input(s->plan->net.inputs.v[s->plan->net.values.v[v].of].name, e);
    else {
        char why[sizeof e->detail];
        strcpy(why, e->detail);
        snprintf(e->detail, sizeof e->detail, "node %s: %.600s", op->node, why);
        e->pointer[0] = '\0';
        nb_at_pointer(e, op->place);
        nb_at(e, "graph");
    }
    e->fixed = true;
    return -1;
}

static void stir_floats(float *x, size_t n, struct nb_stream stream)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++, word >>= 1) {
        if (i % 64 == 0)
            word = nb_word(stream, i);
        if (x[i] != 0)
            x[i] = nextafterf(x[i], word & 1 ? INFINITY : -INFINITY);
    }
}

/* Beside a tiny real part an imaginary part of 0 may be one that was lost where numbers end. */
static void stir_complex(double *x, size_t n, struct nb_stream stream)
{
    for (size_t i = 0; i < n; i++)
        if (x[2 * i + 1] == 0 && x[2 * i] != 0 && fabs(x[2 * i]) < 0x1p-300)
            x[2 * i + 1] = nb_word(stream, i) & 1 ? 0x1p-1074 : -0x1p-1074;
    nb_stir(stream, 0, 2 * n, x, x);
}

/* What an operation without a gradient gives is exact: masks, classes. */
static void stir(const struct nb_session *s, const struct nb_op *op, const struct nb_tensor *t, int n, uint64_t row)
{
    for (int i = 0; i < n && !op->scan && nb_op_flows(op); i++) {
        struct nb_stream stream = {s->stir, (uint64_t)(unsigned)op->out[0] << 32 | row << 24 | (uint64_t)(unsigned)i};
        size_t entries = t[i].data ? (size_t)nb_count(&t[i].shape) : 0;
        if (t[i].dtype == NB_F32)
            stir_floats(t[i].data, entries, stream);
        else if (t[i].dtype == NB_C128)
            stir_complex(t[i].data, entries, stream);
        else if (t[i].dtype == NB_F64)
            nb_stir(stream, 0, entries, t[i].data, t[i].data);
    }
}

int nb_session_track(struct nb_session *s, const struct nb_tensors *copies, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_net *net = &s->plan->net;
    if (!(s->tracked = nb_zalloc(a, net->values.n + 1, sizeof *s->tracked, e)))
        return -1;
    for (size_t i = 0; i < net->learned.n; i++) {
        const struct nb_learned *l = &net->learned.v[i];
        const struct nb_tensor *t = l->buffer && l->tie < 0 ? nb_tensors_find(copies, l->name) : NULL;
        s->tracked[l->value] = t ? t->data : NULL;
    }
    return 0;
}

/* The module's buffers, in the copies; right after its forward, whose scratch is still there. */
static void track(struct nb_session *s, const struct nb_op *op, struct nb_call *c)
{
    struct nb_tensor *w = row(s, 1);
    for (int i = 0; i < op->nw; i++) {
        const struct nb_value *v = &s->plan->net.values.v[op->w[i]];
        bool buffer = v->kind == NB_V_PARAM && s->plan->net.learned.v[v->of].buffer;
        if (buffer && !s->tracked[op->w[i]])
            return; /* no copy of it: it stays */
        if (buffer)
            w[i].data = s->tracked[op->w[i]];
    }
    nb_op_module(op, s->dtype)->track(c);
}

/* What an operation with operations inside has to know. */
static struct nb_inside inside_of(const struct nb_session *s, const struct nb_op *op, const void *held)
{
    return (struct nb_inside){.stir = s->stir ? s->stir ^ (uint64_t)(unsigned)op->out[0] << 32 : 0,
                              .held = held,
                              .instead = s->instead,
                              .context = s->context,
                              .watch = s->watch,
                              .watcher = s->watcher,
                              .tracked = s->tracked};
}

static int forward_op(struct nb_session *s, const struct nb_op *op, void *leaves, const void *held, struct nb_error *e)
{
    struct nb_call c = call_of(s, op);
    const struct nb_inside inside = inside_of(s, op, held);
    c.saved = leaves;
    c.inside = &inside;
    if (nb_op_module(op, s->dtype)->forward(&c, e))
        return blame(s, op, e);
    if (s->tracked && s->train && nb_op_module(op, s->dtype)->track)
        track(s, op, &c);
    if (s->stir)
        stir(s, op, c.out, op->nout, 0);
    return 0;
}

int nb_session_own(struct nb_session *s, int v, struct nb_arena *a, struct nb_error *e)
{
    void *own = nb_alloc(a, bytes(s, v), 1, e);
    if (!own)
        return -1;
    memcpy(own, s->data[v], bytes(s, v));
    for (size_t i = 0; i < s->plan->net.values.n; i++)
        if (s->plan->root[i] == v)
            s->data[i] = own;
    return 0;
}

int nb_session_forward(struct nb_session *s, struct nb_error *e)
{
    return nb_session_part(s, 0, (int)s->plan->net.ops.n, e);
}

int nb_session_part(struct nb_session *s, int first, int last, struct nb_error *e)
{
    const struct nb_plan *p = s->plan;
    for (int k = 0; k < p->nsteps; k++) {
        if (p->step[k] < first || p->step[k] >= last)
            continue;
        const struct nb_op *op = &p->net.ops.v[p->step[k]];
        const void *held = s->held ? s->held[p->step[k]] : NULL;
        if (p->root[op->out[0]] != op->out[0])
            continue;
        if (held && !op->scan)
            memcpy(s->data[op->out[0]], held, bytes(s, op->out[0]));
        else if (forward_op(s, op, saved(s, p->step[k]), held, e))
            return -1;
    }
    return 0;
}

bool nb_session_branches(struct nb_session *s, int index, struct nb_branches *b)
{
    const struct nb_op *op = &s->plan->net.ops.v[index];
    const struct nb_module *m = nb_op_module(op, s->dtype);
    if (!m->branches)
        return false;
    struct nb_call c = call_of(s, op);
    c.saved = saved(s, index);
    m->branches(&c, b);
    return true;
}

uint64_t nb_session_decisions(struct nb_session *s, int64_t *edges)
{
    struct nb_branches b = {.hash = 14695981039346656037u};
    for (int k = 0; k < s->plan->nsteps; k++)
        nb_session_branches(s, s->plan->step[k], &b);
    if (edges)
        *edges = b.count;
    return b.hash;
}

size_t nb_held_count(const struct nb_net *net, const struct nb_op *op)
{
    if (op->scan)
        return op->held;
    return nb_op_module(op, NB_F64)->stop ? nb_slots((size_t)nb_count(&net->values.v[op->out[0]].shape)) : 0;
}

const void *nb_held_numbers(const struct nb_session *s, int op)
{
    const struct nb_op *o = &s->plan->net.ops.v[op];
    return o->scan ? saved(s, op) : s->data[o->out[0]];
}

int nb_session_hold(struct nb_session *s, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_plan *p = s->plan;
    size_t size = nb_dtype_size(s->dtype);
    if (!(s->held = nb_zalloc(a, p->net.ops.n + 1, sizeof *s->held, e)))
        return -1;
    for (int k = 0; k < p->nsteps; k++) {
        const struct nb_op *op = &p->net.ops.v[p->step[k]];
        size_t n = nb_held_count(&p->net, op);
        void *held = n ? nb_alloc(a, n, size, e) : NULL;
        if (n && !held)
            return -1;
        if (n)
            memcpy(held, nb_held_numbers(s, p->step[k]), op->scan ? n * size : bytes(s, op->out[0]));
        s->held[p->step[k]] = held;
    }
    return 0;
}

/* ---- backward
 * --------------------------------------------------------------------------------------------------------------------------
 */

void nb_add_numbers(enum nb_dtype d, size_t n, const void *x, void *y)
{
    size_t parts = d == NB_C128 ? 2 * n : n;
    for (size_t i = 0; i < parts && d == NB_F32; i++)
        ((float *)y)[i] += ((const float *)x)[i];
    for (size_t i = 0; i < parts && d != NB_F32; i++)
        ((double *)y)[i] += ((const double *)x)[i];
}

/* Where contributions go: the first straight into the gradient, further ones into scratch, from there added. */
static void targets(struct nb_session *s, struct nb_tensor *t, const int *v, const enum nb_flow *flow, int n,
                    size_t *skip)
{
    for (int i = 0; i < n; i++) {
        t[i] = v[i] < 0 ? (struct nb_tensor){.shape.rank = -1} : nb_session_value(s, v[i]);
        t[i].data = flow[i] == NB_NO_FLOW ? NULL : flow[i] == NB_WRITE ? s->grad[v[i]] : scratch(s, *skip);
        if (flow[i] == NB_ADD)
            *skip += nb_slots(count(s, v[i]));
    }
}

static void collect(struct nb_session *s, const struct nb_tensor *t, const int *v, const enum nb_flow *flow, int n)
{
    for (int i = 0; i < n; i++)
        if (flow[i] == NB_ADD)
            nb_add_numbers(s->dtype, count(s, v[i]), t[i].data, s->grad[v[i]]);
}

static void fill_zero(struct nb_session *s, const struct nb_back *b)
{
    for (int i = 0; i < b->nzero; i++)
        memset(s->grad[b->zero[i]], 0, bytes(s, b->zero[i]));
}

static int back_op(struct nb_session *s, const struct nb_back *b, struct nb_error *e)
{
    const struct nb_op *op = &s->plan->net.ops.v[b->op];
    struct nb_call c = call_of(s, op);
    struct nb_tensor *gout = row(s, 3), *gin = row(s, 4), *gw = row(s, 5);
    size_t skip = nb_slots(op->work);
    const struct nb_inside inside = inside_of(s, op, s->held ? s->held[b->op] : NULL);
    c.saved = saved(s, b->op);
    c.inside = &inside;
    for (int i = 0; i < op->nout; i++) {
        gout[i] = c.out[i];
        gout[i].data = s->grad[op->out[i]];
    }
    targets(s, gin, op->in, b->in, op->nin, &skip);
    targets(s, gw, op->w, b->w, op->nw, &skip);
    c.gout = gout, c.gin = gin, c.gw = gw;
    if (s->instead ? s->instead(s->context, op, &c, e) : nb_op_module(op, s->dtype)->backward(&c, e))
        return blame(s, op, e);
    if (s->stir) {
        stir(s, op, gin, op->nin, 1);
        stir(s, op, gw, op->nw, 2);
    }
    collect(s, gin, op->in, b->in, op->nin);
    collect(s, gw, op->w, b->w, op->nw);
    return 0;
}

static int back_given(struct nb_session *s, const struct nb_back *b, struct nb_error *e)
{
    const struct nb_given *g = &s->plan->net.given.v[b->given];
    for (int i = g->gfirst; i < g->glast; i++) {
        const struct nb_op *op = &s->plan->net.gops.v[i];
        if (forward_op(s, op, scratch(s, nb_slots(op->work)), NULL, e))
            return -1;
    }
    if (s->watch && s->watch(s->watcher, s, b, e))
        return -1;
    for (int i = 0; i < g->n; i++) {
        int target = g->entry[i].target, result = g->entry[i].result;
        if (b->in[i] == NB_WRITE)
            memcpy(s->grad[target], s->data[result], bytes(s, target));
        else if (b->in[i] == NB_ADD)
            nb_add_numbers(s->dtype, count(s, target), s->data[result], s->grad[target]);
    }
    return 0;
}

int nb_session_backward(struct nb_session *s, void *const *cotangent, struct nb_error *e)
{
    const struct nb_plan *p = s->plan;
    for (int i = 0; i < p->wants.nseed; i++)
        if (p->borrowed[i])
            s->grad[p->wants.seed[i]] = cotangent[i];
        else
            memcpy(s->grad[p->wants.seed[i]], cotangent[i], bytes(s, p->wants.seed[i]));
    for (int k = 0; k < p->nback; k++) {
        const struct nb_back *b = &p->back[k];
        fill_zero(s, b);
        if (b->op >= 0 ? back_op(s, b, e) : back_given(s, b, e))
            return -1;
    }
    return 0;
}
