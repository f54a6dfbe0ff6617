/* stand - one operation evaluated beside its point. */
#include "check/stand.h"
#include <string.h>

int nb_stand_value(const struct nb_op *op, int port)
{
    return port < op->nin ? op->in[port] : op->w[port - op->nin];
}

static size_t entries(const struct nb_session *s, int v)
{
    return (size_t)nb_count(&s->plan->net.values.v[v].shape);
}

const struct nb_shape *nb_stand_shape(const struct nb_stand *s, int o)
{
    return &s->at->plan->net.values.v[s->op->out[s->out[o]]].shape;
}

/* Operands are shared by all slots of a build; in complex they are copies. */
static int operands(const struct nb_stand *s, enum nb_dtype build, struct nb_tensor *t, struct nb_arena *a,
                    struct nb_error *e)
{
    for (int i = 0; i < s->op->nin + s->op->nw; i++) {
        int v = nb_stand_value(s->op, i);
        t[i] = v < 0 ? (struct nb_tensor){.shape.rank = -1} : nb_session_value(s->at, v);
        if (v < 0 || t[i].dtype == NB_I64 || build == NB_F64 || !t[i].data)
            continue;
        void *copy = nb_alloc(a, entries(s->at, v), nb_dtype_size(build), e);
        if (!copy)
            return -1;
        nb_convert(build, copy, NB_F64, t[i].data, entries(s->at, v));
        t[i].dtype = build;
        t[i].data = copy;
    }
    return 0;
}

static int outputs(const struct nb_stand *s, enum nb_dtype build, struct nb_tensor *t, struct nb_arena *a,
                   struct nb_error *e)
{
    for (int i = 0; i < s->op->nout; i++) {
        t[i] = nb_session_value(s->at, s->op->out[i]);
        t[i].dtype = t[i].dtype == NB_I64 ? NB_I64 : build;
        if (t[i].data && !(t[i].data = nb_alloc(a, entries(s->at, s->op->out[i]), nb_dtype_size(t[i].dtype), e)))
            return -1;
    }
    return 0;
}

static int new_try(const struct nb_stand *s, enum nb_dtype build, const struct nb_tensor *shared, struct nb_try *t,
                   struct nb_arena *a, struct nb_error *e)
{
    const struct nb_op *op = s->op;
    size_t size = nb_dtype_size(build), ports = (size_t)(op->nin + op->nw);
    t->rows = nb_small(a, 2 * (ports + (size_t)op->nout) + 1, sizeof *t->rows, e);
    t->x = nb_alloc(a, s->n, size, e);
    t->call = (struct nb_call){
        .args = op->args, .train = s->at->train, .nin = op->nin, .nout = op->nout, .nw = op->nw, .in = t->rows};
    t->call.saved = nb_alloc(a, op->saved, size, e);
    t->call.work = nb_alloc(a, op->work, size, e);
    if (!t->rows || !t->x || !t->call.saved || !t->call.work)
        return -1;
    memcpy(t->rows, shared, ports * sizeof *t->rows);
    t->call.w = t->rows + op->nin;
    t->call.inside = &t->inside;
    t->call.out = t->rows + ports;
    t->rows[s->port].data = t->x;
    return outputs(s, build, t->rows + ports, a, e);
}

void nb_stand_reset(struct nb_stand *s, int slot)
{
    memcpy(s->d[slot].x, s->point, s->n * sizeof(double));
    if (s->z)
        nb_convert(NB_C128, s->z[slot].x, NB_F64, s->point, s->n);
}

int nb_stand_real(struct nb_stand *s, int slot, struct nb_error *e)
{
    s->reals[slot]++;
    return s->in_double->forward(&s->d[slot].call, e);
}

int nb_stand_complex(struct nb_stand *s, int slot, struct nb_error *e)
{
    s->complexes[slot]++;
    return s->in_complex->forward(&s->z[slot].call, e);
}

static int new_base(struct nb_stand *s, struct nb_arena *a, struct nb_error *e)
{
    for (int o = 0; o < s->nout; o++)
        s->total += entries(s->at, s->op->out[s->out[o]]);
    if (!(s->base = nb_alloc(a, s->total, sizeof *s->base, e)) || nb_stand_real(s, 0, e))
        return -1;
    double *to = s->base;
    for (int o = 0; o < s->nout; o++) {
        size_t n = entries(s->at, s->op->out[s->out[o]]);
        memcpy(to, nb_stand_y(s, 0, o), n * sizeof *to);
        to += n;
    }
    return 0;
}

/* Held is what the stops of a scan gave at the point, at the beginning of what it saved there. */
static int hold(const struct nb_stand *s, enum nb_dtype build, struct nb_try *t, struct nb_arena *a, struct nb_error *e)
{
    size_t n = s->op->held;
    void *held = n ? nb_alloc(a, n, nb_dtype_size(build), e) : NULL;
    if (!n)
        return 0;
    if (!held)
        return -1;
    nb_convert(build, held, NB_F64, nb_held_numbers(s->at, (int)(s->op - s->at->plan->net.ops.v)), n);
    for (int i = 0; i < s->slots; i++)
        t[i].inside.held = held;
    return 0;
}

static int new_tries(struct nb_stand *s, enum nb_dtype build, struct nb_try **t, struct nb_arena *a, struct nb_error *e)
{
    struct nb_tensor *shared = nb_small(a, (size_t)(s->op->nin + s->op->nw) + 1, sizeof *shared, e);
    struct nb_try *new = nb_zalloc(a, (size_t)s->slots, sizeof *new, e);
    if (!shared || !new || operands(s, build, shared, a, e))
        return -1;
    for (int i = 0; i < s->slots; i++)
        if (new_try(s, build, shared, &new[i], a, e))
            return -1;
    *t = new;
    for (int i = 0; i < s->slots; i++)
        nb_stand_reset(s, i);
    return hold(s, build, new, a, e);
}

int nb_stand_new(const struct nb_session *at, const struct nb_op *op, int port, int nout, const int *out, int slots,
                 struct nb_arena *a, struct nb_stand *s, struct nb_error *e)
{
    *s = (struct nb_stand){.op = op,
                           .in_double = nb_op_module(op, NB_F64),
                           .in_complex = nb_op_module(op, NB_C128),
                           .at = at,
                           .port = port,
                           .slots = slots,
                           .n = entries(at, nb_stand_value(op, port)),
                           .point = at->data[nb_stand_value(op, port)],
                           .nout = nout,
                           .out = out};
    s->reals = nb_zalloc(a, (size_t)slots, sizeof *s->reals, e);
    s->complexes = nb_zalloc(a, (size_t)slots, sizeof *s->complexes, e);
    return !s->reals || !s->complexes || new_tries(s, NB_F64, &s->d, a, e) || new_base(s, a, e) ? -1 : 0;
}

int nb_stand_add_complex(struct nb_stand *s, struct nb_arena *a, struct nb_error *e)
{
    return new_tries(s, NB_C128, &s->z, a, e);
}

static void stir_outputs(struct nb_stand *s, uint64_t stir)
{
    const struct nb_call *c = &s->d[0].call;
    for (int i = 0; i < c->nout; i++)
        if (c->out[i].dtype == NB_F64 && c->out[i].data)
            nb_stir((struct nb_stream){stir, (uint64_t)i}, 0, (size_t)nb_count(&c->out[i].shape), c->out[i].data,
                    c->out[i].data);
}

int nb_stand_backward(struct nb_stand *s, void *const *cotangent, double *gradient, struct nb_error *e)
{
    return nb_stand_stirred(s, cotangent, 0, gradient, e);
}

int nb_stand_stirred(struct nb_stand *s, void *const *cotangent, uint64_t stir, double *gradient, struct nb_error *e)
{
    struct nb_call c = s->d[0].call;
    struct nb_tensor *gout = s->d[0].rows + c.nin + c.nw + c.nout, *gin = gout + c.nout;
    nb_stand_reset(s, 0);
    if (stir)
        nb_stir((struct nb_stream){stir, UINT64_MAX}, 0, s->n, s->d[0].x, s->d[0].x);
    if (nb_stand_real(s, 0, e))
        return -1;
    if (stir)
        stir_outputs(s, stir);
    for (int i = 0; i < c.nout; i++) {
        gout[i] = c.out[i];
        gout[i].data = cotangent[i];
    }
    for (int i = 0; i < c.nin + c.nw; i++) {
        gin[i] = s->d[0].rows[i];
        gin[i].data = i == s->port ? gradient : NULL;
    }
    c.gout = gout;
    c.gin = gin;
    c.gw = gin + c.nin;
    return s->in_double->backward(&c, e);
}
