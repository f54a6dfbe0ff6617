/* scan - one step after another, and back.
 *
 * Saved: what stops inside gave, step by step; the carries before every step and after the last; the values of every
 * step, or of one if they are computed again. Without a backward two sets of carries and one of values do, in the work
 * space. There lie also the tables of a session, a slice of each input, gradients, and the cotangents of one step. */
#include "graph/scan.h"
#include "nabla/branch.h"
#include <stdio.h>
#include <string.h>

int nb_scan_axis(int dim, int rank)
{
    return rank < dim ? rank : dim;
}

static size_t count(const struct nb_scan *sc, int v)
{
    return (size_t)nb_count(&sc->net.values.v[v].shape);
}

bool nb_net_given(const struct nb_net *net)
{
    for (size_t i = 0; i < net->ops.n; i++)
        if (net->ops.v[i].scan && nb_net_given(&net->ops.v[i].scan->net))
            return true;
    return net->given.n > 0;
}

/* ---- the plan of one step -------------------------------------------------------------------------------------- */

static int body_value(const struct nb_scan *sc, int i)
{
    return sc->net.inputs.v[i].value;
}

static void add_once(int *list, int *n, int v)
{
    for (int i = 0; i < *n; i++)
        if (list[i] == v)
            return;
    list[(*n)++] = v;
}

static bool real_carry(const struct nb_scan *sc, int i)
{
    return sc->in[i].source == NB_CARRY && !sc->net.values.v[body_value(sc, i)].integer;
}

static int new_wants(const struct nb_scan *sc, struct nb_wants *w, struct nb_arena *a, struct nb_error *e)
{
    size_t most = sc->net.inputs.n + sc->net.learned.n + (size_t)sc->nout + 1;
    *w = (struct nb_wants){.also = -1};
    w->out = nb_small(a, most, sizeof *w->out, e);
    w->seed = nb_small(a, most, sizeof *w->seed, e);
    w->wrt = nb_small(a, most, sizeof *w->wrt, e);
    return w->out && w->seed && w->wrt ? 0 : -1;
}

/* What is carried on is always wanted, and where gradients flow it is a way for them. */
static void want_carries(const struct nb_scan *sc, struct nb_wants *w, bool back)
{
    for (size_t i = 0; i < sc->net.inputs.n; i++)
        if (sc->in[i].source == NB_CARRY)
            add_once(w->out, &w->nout, sc->in[i].out);
    for (size_t i = 0; i < sc->net.inputs.n && back; i++)
        if (real_carry(sc, (int)i)) {
            add_once(w->seed, &w->nseed, sc->in[i].out);
            add_once(w->wrt, &w->nwrt, body_value(sc, (int)i));
        }
}

static void want(const struct nb_op *op, struct nb_wants *w, const struct nb_back *back, const bool *needed,
                 const bool *arrives)
{
    const struct nb_scan *sc = op->scan;
    want_carries(sc, w, back != NULL);
    for (int o = 0; o < sc->nout; o++) {
        if (needed[op->out[o]])
            add_once(w->out, &w->nout, sc->out[o].value);
        if (back && arrives[op->out[o]])
            add_once(w->seed, &w->nseed, sc->out[o].value);
        if (sc->out[o].total)
            add_once(w->wrt, &w->nwrt, sc->out[o].value);
    }
    for (int i = 0; back && i < op->nin; i++)
        if (back->in[i] != NB_NO_FLOW && sc->in[i].source != NB_CARRY)
            add_once(w->wrt, &w->nwrt, body_value(sc, i));
    for (int i = 0; back && i < op->nw; i++)
        if (back->w[i] != NB_NO_FLOW)
            add_once(w->wrt, &w->nwrt, sc->net.learned.v[i].value);
}

static void measure_inputs(struct nb_scan *sc)
{
    for (size_t i = 0; i < sc->net.inputs.n; i++) {
        size_t n = nb_slots(count(sc, body_value(sc, (int)i)));
        size_t *sum = sc->in[i].source == NB_CARRY ? &sc->size.carries : &sc->size.slices;
        if (sc->in[i].source == NB_SAME)
            continue;
        sc->in[i].offset = *sum;
        *sum += n;
    }
}

static void measure(struct nb_scan *sc)
{
    sc->size = (struct nb_scan_sizes){.room = nb_slots(nb_session_room(&sc->plan))};
    measure_inputs(sc);
    for (int k = 0; k < sc->plan.nsteps && sc->keeps; k++)
        sc->size.held += nb_held_count(&sc->net, &sc->net.ops.v[sc->plan.step[k]]);
    sc->size.held += sc->truncate && sc->keeps ? sc->size.carries : 0;
    for (int i = 0; i < sc->plan.wants.nseed; i++)
        sc->size.cotangents += nb_slots(count(sc, sc->plan.wants.seed[i]));
}

/* Pointers count as two of the smallest numbers. */
static size_t pointers(size_t n)
{
    return nb_slots(2 * n);
}

static size_t memory(const struct nb_scan *sc)
{
    size_t steps = (size_t)sc->steps;
    return steps * sc->size.held + (sc->keeps ? steps + 1 : 2) * sc->size.carries +
           (sc->keeps && !sc->recompute ? steps : 1) * sc->plan.kept;
}

int nb_scan_plan(struct nb_op *op, const struct nb_plan *outer, const struct nb_back *back, const bool *needed,
                 const bool *arrives, struct nb_arena *a, struct nb_error *e)
{
    struct nb_scan *sc = op->scan;
    struct nb_wants wants;
    if (new_wants(sc, &wants, a, e))
        return -1;
    for (int o = 0; o < sc->nout; o++)
        sc->out[o].total = back && sc->out[o].inside && nb_is_asked(&outer->wants, op->out[o]);
    want(op, &wants, back, needed, arrives);
    wants.plain = outer->wants.plain;
    sc->keeps = outer->wants.nseed > 0;
    if (nb_plan_make(&sc->net, &wants, a, &sc->plan, e))
        return -1;
    measure(sc);
    op->held = (size_t)sc->steps * sc->size.held;
    op->saved = sc->keeps ? memory(sc) : 0;
    op->work = sc->size.room + pointers(sc->net.ops.n + 1) + pointers(sc->net.values.n + 1) +
               pointers((size_t)wants.nseed + 1) + sc->size.slices + sc->plan.loose + sc->size.cotangents +
               sc->size.carries + (sc->keeps ? 0 : memory(sc));
    return 0;
}

const struct nb_scan_out *nb_scan_inside(const struct nb_net *net, int v)
{
    const struct nb_value *x = &net->values.v[v];
    const struct nb_op *op = x->kind == NB_V_OP ? &net->ops.v[x->of] : NULL;
    for (int o = 0; op && op->scan && o < op->nout; o++)
        if (op->out[o] == v)
            return op->scan->out[o].inside ? &op->scan->out[o] : NULL;
    return NULL;
}

double nb_scan_cost(const struct nb_scan *sc)
{
    return (double)sc->steps * sc->plan.cost;
}

/* ---- a run ----------------------------------------------------------------------------------------------------- */

struct walk {
    const struct nb_scan *sc;
    const struct nb_call *c;
    struct nb_session s; /* of one step */
    size_t size;         /* of a number */
    char *held, *carries, *values, *slices, *loose, *cotangents, *gcarry;
    const void **hold;
    void **cotangent, **tracked;
    uint64_t stir;
    bool holds;
};

static char *take(char **at, size_t numbers, size_t size)
{
    char *here = *at;
    *at += numbers * size;
    return here;
}

static void set_up(struct walk *w, const struct nb_call *c)
{
    const struct nb_scan *sc = c->args;
    const struct nb_inside *inside = c->inside;
    *w = (struct walk){.sc = sc, .c = c, .size = nb_dtype_size(c->out[0].dtype)};
    char *work = c->work, *kept = c->saved;
    size_t steps = (size_t)sc->steps, size = w->size;
    nb_session_lay(&w->s, &sc->plan, c->out[0].dtype, take(&work, sc->size.room, size));
    w->hold = (void *)take(&work, pointers(sc->net.ops.n + 1), size);
    w->tracked = (void *)take(&work, pointers(sc->net.values.n + 1), size);
    w->cotangent = (void *)take(&work, pointers((size_t)sc->plan.wants.nseed + 1), size);
    w->slices = take(&work, sc->size.slices, size);
    w->loose = take(&work, sc->plan.loose, size);
    w->cotangents = take(&work, sc->size.cotangents, size);
    w->gcarry = take(&work, sc->size.carries, size);
    char **at = sc->keeps ? &kept : &work;
    w->held = take(at, steps * sc->size.held, size);
    w->carries = take(at, (sc->keeps ? steps + 1 : 2) * sc->size.carries, size);
    w->values = *at;
    w->holds = inside && inside->held && sc->size.held;
    if (w->holds && w->held != inside->held)
        memcpy(w->held, inside->held, steps * sc->size.held * size);
    w->s.train = c->train;
    w->s.inside = true;
    w->s.instead = inside ? inside->instead : NULL;
    w->s.context = inside ? inside->context : NULL;
    w->s.watch = inside ? inside->watch : NULL;
    w->s.watcher = inside ? inside->watcher : NULL;
    w->stir = inside ? inside->stir : 0;
}

static char *carry_at(const struct walk *w, int64_t t, int i)
{
    size_t which = w->sc->keeps ? (size_t)t : (size_t)t & 1;
    return w->carries + (which * w->sc->size.carries + w->sc->in[i].offset) * w->size;
}

static char *values_at(const struct walk *w, int64_t t)
{
    return w->values + (w->sc->keeps && !w->sc->recompute ? (size_t)t * w->sc->plan.kept * w->size : 0);
}

static int64_t slice_of(const struct nb_scan *sc, int64_t t)
{
    return sc->reverse ? sc->steps - 1 - t : t;
}

/* ---- slices ---------------------------------------------------------------------------------------------------- */

/* A tensor with time at `axis`: runs of `inner` bytes, one per step, `outer` times. */
struct stack {
    size_t outer, steps, inner;
};

static struct stack stack_of(const struct nb_tensor *t, int axis)
{
    struct stack s = {1, (size_t)t->shape.dim[axis], nb_dtype_size(t->dtype)};
    for (int i = 0; i < t->shape.rank; i++)
        if (i != axis)
            *(i < axis ? &s.outer : &s.inner) *= (size_t)t->shape.dim[i];
    return s;
}

static void cut(const struct stack *s, const char *from, int64_t k, char *to)
{
    for (size_t o = 0; o < s->outer; o++)
        memcpy(to + o * s->inner, from + (o * s->steps + (size_t)k) * s->inner, s->inner);
}

/* NULL: zeros. */
static void paste(const struct stack *s, const char *from, int64_t k, char *to)
{
    for (size_t o = 0; o < s->outer; o++) {
        char *at = to + (o * s->steps + (size_t)k) * s->inner;
        if (from)
            memcpy(at, from + o * s->inner, s->inner);
        else
            memset(at, 0, s->inner);
    }
}

/* Its shape without the slice's place: also the dimension of time of what goes in. */
static int axis_of_input(const struct nb_scan *sc, int i)
{
    return nb_scan_axis(sc->dim, sc->net.values.v[body_value(sc, i)].shape.rank);
}

static void *bring_slice(const struct walk *w, int i, int64_t k)
{
    const struct nb_tensor *t = &w->c->in[i];
    struct stack s = stack_of(t, axis_of_input(w->sc, i));
    char *to = w->slices + w->sc->in[i].offset * w->size;
    if (s.outer == 1)
        return (char *)t->data + (size_t)k * s.inner;
    cut(&s, t->data, k, to);
    return to;
}

/* ---- one step -------------------------------------------------------------------------------------------------- */

static bool truncated(const struct nb_scan *sc, int64_t t)
{
    return sc->truncate && t && t % sc->truncate == 0;
}

/* The session looks at step t: its inputs, and where its numbers lie. */
static void go_to(struct walk *w, int64_t t)
{
    const struct nb_scan *sc = w->sc;
    for (size_t i = 0; i < sc->net.inputs.n; i++) {
        enum nb_scan_source source = sc->in[i].source;
        w->s.data[body_value(sc, (int)i)] = source == NB_OVER    ? bring_slice(w, (int)i, slice_of(sc, t))
                                            : source == NB_CARRY ? carry_at(w, t, (int)i)
                                                                 : w->c->in[i].data;
    }
    for (size_t i = 0; i < sc->net.learned.n; i++)
        w->s.data[sc->net.learned.v[i].value] = w->c->w[i].data;
    nb_session_at(&w->s, values_at(w, t), w->loose);
    w->s.stir = w->stir ? w->stir + (uint64_t)t + 1 : 0;
}

static char *held_at(const struct walk *w, int64_t t)
{
    return w->held + (size_t)t * w->sc->size.held * w->size;
}

/* Carries at a cut are constants, as what stops give: held, or their real parts. */
static void hold_carries(struct walk *w, int64_t t)
{
    size_t n = w->sc->size.carries * w->size;
    char *held = held_at(w, t) + w->sc->size.held * w->size - n;
    char *carries = w->carries + (w->sc->keeps ? (size_t)t : (size_t)t & 1) * n;
    double *parts = (double *)(void *)carries;
    if (!truncated(w->sc, t))
        return;
    if (w->holds)
        memcpy(carries, held, n);
    for (size_t i = 0; i < w->sc->size.carries && w->s.dtype == NB_C128; i++)
        parts[2 * i + 1] = 0;
    if (!w->holds && w->sc->keeps)
        memcpy(held, carries, n);
}

/* Before the step: what its stops are to give. After it: what they gave. */
static void hold_stops(struct walk *w, int64_t t, bool before)
{
    const struct nb_plan *p = &w->sc->plan;
    char *at = held_at(w, t);
    w->s.held = w->holds ? w->hold : NULL;
    for (int k = 0; k < p->nsteps && w->sc->size.held; k++) {
        size_t n = nb_held_count(&p->net, &p->net.ops.v[p->step[k]]);
        if (before)
            w->hold[p->step[k]] = n ? at : NULL;
        else if (n && !w->holds)
            memcpy(at, nb_held_numbers(&w->s, p->step[k]), n * w->size);
        at += n * w->size;
    }
}

static int run_step(struct walk *w, int64_t t, struct nb_error *e)
{
    hold_carries(w, t);
    go_to(w, t);
    hold_stops(w, t, true);
    if (nb_session_forward(&w->s, e))
        return -1;
    hold_stops(w, t, false);
    return 0;
}

static size_t bytes(const struct walk *w, int v)
{
    const struct nb_value *x = &w->sc->net.values.v[v];
    return count(w->sc, v) * (x->integer ? sizeof(int64_t) : w->size);
}

static void carry_on(struct walk *w, int64_t t)
{
    for (size_t i = 0; i < w->sc->net.inputs.n; i++) {
        int out = w->sc->in[i].out;
        if (w->sc->in[i].source == NB_CARRY)
            memcpy(carry_at(w, t + 1, (int)i), w->s.data[out], bytes(w, out));
    }
}

static void begin(struct walk *w)
{
    for (size_t i = 0; i < w->sc->net.inputs.n; i++) {
        size_t n = bytes(w, body_value(w->sc, (int)i));
        if (w->sc->in[i].source != NB_CARRY)
            continue;
        if (w->c->in[i].data)
            memcpy(carry_at(w, 0, (int)i), w->c->in[i].data, n);
        else
            memset(carry_at(w, 0, (int)i), 0, n);
    }
}

/* ---- forward --------------------------------------------------------------------------------------------------- */

static struct stack stack_of_output(const struct walk *w, const struct nb_tensor *t, int o)
{
    const struct nb_shape *one = &w->sc->net.values.v[w->sc->out[o].value].shape;
    return stack_of(t, nb_scan_axis(w->sc->dim, one->rank));
}

static void give_step(struct walk *w, int64_t t)
{
    for (int o = 0; o < w->sc->nout; o++) {
        const struct nb_scan_out *out = &w->sc->out[o];
        const struct nb_tensor *to = &w->c->out[o];
        if (!to->data || (!out->all && t + 1 < w->sc->steps))
            continue;
        struct stack s = out->all ? stack_of_output(w, to, o) : (struct stack){1, 1, bytes(w, out->value)};
        paste(&s, w->s.data[out->value], out->all ? slice_of(w->sc, t) : 0, to->data);
    }
}

/* Of no steps the last is where they would have begun, and 0 where there is no beginning. */
static void give_nothing(struct walk *w)
{
    for (int o = 0; o < w->sc->nout; o++) {
        const struct nb_scan_out *out = &w->sc->out[o];
        if (!w->c->out[o].data || out->all)
            continue;
        memset(w->c->out[o].data, 0, bytes(w, out->value));
        for (size_t i = 0; i < w->sc->net.inputs.n; i++)
            if (w->sc->in[i].source == NB_CARRY && w->sc->in[i].out == out->value)
                memcpy(w->c->out[o].data, carry_at(w, 0, (int)i), bytes(w, out->value));
    }
}

/* "/2" of a slice is "/2/17" of the whole. */
static int place_in_whole(const struct walk *w, int64_t t, struct nb_error *e)
{
    char rest[sizeof e->pointer];
    if (e->fixed || e->port < 1)
        return -1;
    if (w->sc->in[e->port - 1].source == NB_CARRY) /* it was made here */
        return e->port = 0, e->pointer[0] = '\0', -1;
    if (w->sc->in[e->port - 1].source == NB_SAME)
        return -1;
    char *at = e->pointer;
    for (int d = axis_of_input(w->sc, e->port - 1); d > 0 && *at; d--)
        at += 1 + strcspn(at + 1, "/");
    strcpy(rest, at);
    snprintf(at, sizeof e->pointer - (size_t)(at - e->pointer), "/%lld%s", (long long)slice_of(w->sc, t), rest);
    return -1;
}

/* In training every step moves the running averages inside; a backward that computes again does not. */
static void track(struct walk *w)
{
    void *const *copies = w->c->inside ? w->c->inside->tracked : NULL;
    if (!copies)
        return;
    memset(w->tracked, 0, (w->sc->net.values.n + 1) * sizeof *w->tracked);
    for (size_t i = 0; i < w->sc->net.learned.n; i++)
        w->tracked[w->sc->net.learned.v[i].value] = copies[w->sc->w[i]];
    w->s.tracked = w->tracked;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    struct walk w;
    set_up(&w, c);
    track(&w);
    begin(&w);
    for (int64_t t = 0; t < w.sc->steps; t++) {
        if (run_step(&w, t, e))
            return place_in_whole(&w, t, e);
        carry_on(&w, t);
        give_step(&w, t);
    }
    if (!w.sc->steps)
        give_nothing(&w);
    return 0;
}

/* ---- backward -------------------------------------------------------------------------------------------------- */

static void add_value(const struct walk *w, int v, const void *from, void *to)
{
    nb_add_numbers(w->s.dtype, count(w->sc, v), from, to);
}

static char *gcarry_at(const struct walk *w, int i)
{
    return w->gcarry + w->sc->in[i].offset * w->size;
}

static void add_output_gradient(struct walk *w, int o, int64_t t, char *to)
{
    const struct nb_scan_out *out = &w->sc->out[o];
    const struct nb_tensor *g = &w->c->gout[o];
    if (!out->all) {
        if (t + 1 == w->sc->steps)
            add_value(w, out->value, g->data, to);
        return;
    }
    struct stack s = stack_of_output(w, g, o);
    const char *from = (const char *)g->data + (size_t)slice_of(w->sc, t) * s.inner;
    size_t parts = s.inner / w->size;
    for (size_t i = 0; i < s.outer; i++)
        nb_add_numbers(w->s.dtype, parts, from + i * s.steps * s.inner, to + i * s.inner);
}

/* The cotangents of step t: what comes from outside, and what the next step left in gcarry. */
static void bring_cotangents(struct walk *w, int64_t t)
{
    const struct nb_wants *wants = &w->sc->plan.wants;
    char *at = w->cotangents;
    for (int k = 0; k < wants->nseed; k++) {
        int v = wants->seed[k];
        w->cotangent[k] = at;
        memset(at, 0, bytes(w, v));
        for (int o = 0; o < w->sc->nout; o++)
            if (w->sc->out[o].value == v && w->c->gout[o].data)
                add_output_gradient(w, o, t, at);
        for (size_t i = 0; i < w->sc->net.inputs.n; i++)
            if (w->sc->in[i].source == NB_CARRY && w->sc->in[i].out == v)
                add_value(w, v, gcarry_at(w, (int)i), at);
        at += nb_slots(count(w->sc, v)) * w->size;
    }
}

static void collect_carry(struct walk *w, int i, int64_t t)
{
    int v = body_value(w->sc, i);
    if (w->s.grad[v] && !truncated(w->sc, t))
        memcpy(gcarry_at(w, i), w->s.grad[v], bytes(w, v));
    else
        memset(gcarry_at(w, i), 0, bytes(w, v));
}

static void collect(struct walk *w, int64_t t)
{
    const struct nb_scan *sc = w->sc;
    for (size_t i = 0; i < sc->net.inputs.n; i++) {
        int v = body_value(sc, (int)i);
        const struct nb_tensor *to = &w->c->gin[i];
        if (real_carry(sc, (int)i)) {
            collect_carry(w, (int)i, t);
        } else if (to->data && sc->in[i].source == NB_OVER) {
            struct stack s = stack_of(to, axis_of_input(sc, (int)i));
            paste(&s, w->s.grad[v], slice_of(sc, t), to->data);
        } else if (to->data && w->s.grad[v]) {
            add_value(w, v, w->s.grad[v], to->data);
        }
    }
    for (size_t i = 0; i < sc->net.learned.n; i++) {
        int v = sc->net.learned.v[i].value;
        if (w->c->gw[i].data && w->s.grad[v])
            add_value(w, v, w->s.grad[v], w->c->gw[i].data);
    }
}

/* Of this step all cotangents have been read: in their place comes what the value does altogether. */
static void give_totals(const struct walk *w, int64_t t)
{
    for (int o = 0; o < w->sc->nout; o++) {
        const struct nb_tensor *to = &w->c->gout[o];
        if (!w->sc->out[o].total)
            continue;
        struct stack s = stack_of_output(w, to, o);
        paste(&s, w->s.grad[w->sc->out[o].value], slice_of(w->sc, t), to->data);
    }
}

static void clear(const struct nb_tensor *t, int n)
{
    for (int i = 0; i < n; i++)
        if (t[i].data)
            memset(t[i].data, 0, (size_t)nb_count(&t[i].shape) * nb_dtype_size(t[i].dtype));
}

static void finish(struct walk *w)
{
    for (size_t i = 0; i < w->sc->net.inputs.n; i++)
        if (real_carry(w->sc, (int)i) && w->c->gin[i].data)
            memcpy(w->c->gin[i].data, gcarry_at(w, (int)i), bytes(w, body_value(w->sc, (int)i)));
}

/* What ends in the last step of none comes from the first. */
static void pass_nothing(struct walk *w)
{
    for (int o = 0; o < w->sc->nout; o++)
        for (size_t i = 0; i < w->sc->net.inputs.n; i++)
            if (real_carry(w->sc, (int)i) && !w->sc->out[o].all && w->sc->in[i].out == w->sc->out[o].value &&
                w->c->gout[o].data)
                add_value(w, w->sc->out[o].value, w->c->gout[o].data, gcarry_at(w, (int)i));
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    struct walk w;
    set_up(&w, c);
    clear(c->gin, c->nin);
    clear(c->gw, c->nw);
    memset(w.gcarry, 0, w.sc->size.carries * w.size);
    for (int64_t t = w.sc->steps - 1; t >= 0; t--) {
        if (w.sc->recompute ? run_step(&w, t, e) : (go_to(&w, t), hold_stops(&w, t, true), 0))
            return -1;
        bring_cotangents(&w, t);
        if (nb_session_backward(&w.s, w.cotangent, e))
            return -1;
        collect(&w, t);
        give_totals(&w, t);
    }
    if (!w.sc->steps)
        pass_nothing(&w);
    finish(&w);
    return 0;
}

/* Edges inside cannot be stepped off from outside: decisions alone are told. */
static void branches(const struct nb_call *c, struct nb_branches *b)
{
    struct walk w;
    struct nb_error ignored = {0};
    const struct nb_scan *sc = c->args;
    if (!sc->plan.wants.nseed) /* its values are gone, and no gradient depends on them */
        return;
    set_up(&w, c);
    for (int64_t t = 0; t < sc->steps; t++) {
        if (sc->recompute)
            run_step(&w, t, &ignored);
        else
            go_to(&w, t);
        nb_decide(b, nb_session_decisions(&w.s, NULL));
    }
}

static const char *warning(const void *args)
{
    return ((const struct nb_scan *)args)->truncate
               ? "truncate: what passes a cut counts as a constant, so this is not the derivative of the loss"
               : NULL;
}

void nb_scan_row(struct nb_scan *sc, const char *summary)
{
    bool any = false;
    for (size_t i = 0; i < sc->net.ops.n; i++)
        any |= nb_op_module(&sc->net.ops.v[i], NB_F64)->branches != NULL;
    sc->row.type = "scan";
    sc->row.summary = summary;
    sc->row.forward = forward;
    sc->row.backward = backward;
    sc->row.branches = any ? branches : NULL;
    sc->row.warning = warning;
    sc->row.jacobian = "D";
}
