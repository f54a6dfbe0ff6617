/* plan - order, gradient flow and memory for one set of wants. */
#include "graph/plan.h"
#include "graph/scan.h"
#include "nabla/limits.h"
#include <limits.h>
#include <string.h>

struct planner {
    struct nb_plan *p;
    const struct nb_net *net;
    struct nb_arena *arena;
    bool *needed; /* per value: forward must make it */
    bool *op_needed;
    bool *reach;   /* per value: depends on something in wrt */
    bool *arrives; /* per value: a gradient arrives */
    bool *added;   /* per value: contributions come on top of what is there */
    bool *given_needed;
};

static const struct nb_value *value(const struct planner *pl, int v)
{
    return &pl->net->values.v[v];
}

bool nb_is_asked(const struct nb_wants *w, int v)
{
    for (int i = 0; i < w->nwrt; i++)
        if (w->wrt[i] == v)
            return true;
    return false;
}

int nb_outermost_given(const struct nb_net *net, const struct nb_op *op)
{
    int g = op->given;
    while (g >= 0 && net->given.v[g].parent >= 0)
        g = net->given.v[g].parent;
    return g;
}

static int outermost(const struct planner *pl, const struct nb_op *op)
{
    return pl->p->wants.plain ? -1 : nb_outermost_given(pl->net, op);
}

/* ---- which values are needed ----------------------------------------------------------------------------------- */

static void need(struct planner *pl, int v)
{
    if (v >= 0)
        pl->needed[v] = true;
}

static void need_inputs(struct planner *pl, const struct nb_op *op)
{
    for (int i = 0; i < op->nin; i++)
        need(pl, op->in[i]);
    for (int i = 0; i < op->nw; i++)
        need(pl, op->w[i]);
}

static bool makes_needed(const struct planner *pl, const struct nb_op *op)
{
    for (int i = 0; i < op->nout; i++)
        if (pl->needed[op->out[i]])
            return true;
    return false;
}

/* The formulas of a given backward may look at anything in its module. */
static void need_given(struct planner *pl, int g)
{
    const struct nb_given *given = &pl->net->given.v[g];
    pl->given_needed[g] = true;
    for (int i = given->gfirst; i < given->glast; i++)
        need_inputs(pl, &pl->net->gops.v[i]);
    for (int i = 0; i < given->n; i++)
        if (given->entry[i].result >= 0)
            need(pl, given->entry[i].result);
}

static void mark_needed(struct planner *pl)
{
    const struct nb_wants *w = &pl->p->wants;
    for (int i = 0; i < w->nout; i++)
        need(pl, w->out[i]);
    for (int i = 0; i < w->nseed; i++)
        need(pl, w->seed[i]);
    for (int i = 0; i < w->nwrt; i++)
        need(pl, w->wrt[i]);
    need(pl, w->also);
    for (int i = (int)pl->net->ops.n - 1; i >= 0; i--) {
        const struct nb_op *op = &pl->net->ops.v[i];
        int g = w->nseed ? outermost(pl, op) : -1;
        if (!makes_needed(pl, op))
            continue;
        if (g >= 0 && !pl->given_needed[g]) {
            need_given(pl, g);
            i = pl->net->given.v[g].last; /* look again: the formulas may need later parts of the module */
            continue;
        }
        pl->op_needed[i] = true;
        need_inputs(pl, op);
    }
}

static int check_known(const struct planner *pl, int v, struct nb_error *e)
{
    const struct nb_value *x = value(pl, v);
    char text[200];
    const struct nb_input *in = x->kind == NB_V_INPUT ? &pl->net->inputs.v[x->of] : NULL;
    if (in && in->sample == NB_FED && !in->given)
        return nb_fail(e, NB_E_missing_input, "input %s is needed and was not given", in->name), nb_at(e, in->name),
               nb_at(e, "inputs");
    if (x->kind == NB_V_CONST ? x->known : nb_shape_known(&x->shape))
        return nb_count(&x->shape) < 0 ? nb_fail(e, NB_E_limit, "a tensor of shape %s has more than 2^31 - 1 entries",
                                                 nb_net_shape_text(pl->net, v, text, sizeof text))
                                       : 0;
    return nb_fail(e, NB_E_unbound_dim, "a size is not known: shape %s; feed an input that has it, or give it in dims",
                   nb_net_shape_text(pl->net, v, text, sizeof text));
}

/* Inputs first: that one is missing says more than that a size is not known. */
static int check_all_known(const struct planner *pl, struct nb_error *e)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t v = 0; v < pl->net->values.n; v++) {
            enum nb_value_kind k = value(pl, (int)v)->kind;
            if (pl->needed[v] && (k == NB_V_INPUT) == (pass == 0) && check_known(pl, (int)v, e))
                return -1;
        }
    return 0;
}

/* ---- which values a gradient can flow through ------------------------------------------------------------------ */

static void reach_outputs(struct planner *pl, const struct nb_op *op)
{
    bool any = false;
    for (int i = 0; i < op->nin; i++)
        any |= op->in[i] >= 0 && pl->reach[op->in[i]];
    for (int i = 0; i < op->nw; i++)
        any |= pl->reach[op->w[i]];
    for (int i = 0; i < op->nout && any && nb_op_flows(op); i++)
        pl->reach[op->out[i]] = true;
}

static void reach_given(struct planner *pl, const struct nb_given *g)
{
    bool any = false;
    for (int i = 0; i < g->n; i++)
        any |= pl->reach[g->entry[i].target];
    for (int i = 0; i < g->nout && any; i++)
        pl->reach[g->out[i]] = true;
}

/* What lies inside of a scan and is asked about: its gradient comes from the steps. */
static bool asked_inside(const struct planner *pl, int v)
{
    return nb_is_asked(&pl->p->wants, v) && nb_scan_inside(pl->net, v);
}

static bool any_asked_inside(const struct planner *pl, const struct nb_op *op)
{
    for (int i = 0; op->scan && i < op->nout; i++)
        if (asked_inside(pl, op->out[i]))
            return true;
    return false;
}

/* Whatever leaves a scan may depend on what lies inside. */
static void reach_asked(struct planner *pl, int v)
{
    const struct nb_op *op = nb_scan_inside(pl->net, v) ? &pl->net->ops.v[value(pl, v)->of] : NULL;
    pl->reach[v] = true;
    for (int i = 0; op && i < op->nout; i++)
        pl->reach[op->out[i]] = true;
}

static void mark_reach(struct planner *pl)
{
    const struct nb_wants *w = &pl->p->wants;
    for (int i = 0; i < w->nwrt; i++)
        reach_asked(pl, w->wrt[i]);
    for (size_t i = 0; i < pl->net->ops.n; i++) {
        int g = outermost(pl, &pl->net->ops.v[i]);
        if (g < 0)
            reach_outputs(pl, &pl->net->ops.v[i]);
        else if ((int)i == pl->net->given.v[g].last - 1)
            reach_given(pl, &pl->net->given.v[g]);
    }
}

/* ---- backward steps -------------------------------------------------------------------------------------------- */

static enum nb_flow contribute(struct planner *pl, int v)
{
    if (v < 0 || !pl->reach[v] || value(pl, v)->integer)
        return NB_NO_FLOW;
    bool first = !pl->arrives[v];
    pl->arrives[v] = true;
    pl->added[v] |= !first;
    return first ? NB_WRITE : NB_ADD;
}

static bool any_arrives(const struct planner *pl, const int *v, int n)
{
    for (int i = 0; i < n; i++)
        if (pl->arrives[v[i]])
            return true;
    return false;
}

/* Scans can do without the gradients of outputs that nobody uses, and complete those that are asked for. */
static int mark_zero(struct planner *pl, struct nb_back *b, const int *out, int n, struct nb_error *e)
{
    bool scan = b->op >= 0 && pl->net->ops.v[b->op].scan;
    if (!(b->zero = nb_small(pl->arena, (size_t)n + 1, sizeof *b->zero, e)))
        return -1;
    for (int i = 0; i < n; i++)
        if (!pl->arrives[out[i]] && (!scan || asked_inside(pl, out[i]))) {
            b->zero[b->nzero++] = out[i];
            pl->arrives[out[i]] = true;
        }
    return 0;
}

static struct nb_back *add_back(struct planner *pl, int op, int given, const int *out, int nout, int nin, int nw,
                                struct nb_error *e)
{
    struct nb_back *b = &pl->p->back[pl->p->nback];
    *b = (struct nb_back){.op = op, .given = given};
    b->in = nb_zalloc(pl->arena, (size_t)nin + 1, sizeof *b->in, e);
    b->w = nb_zalloc(pl->arena, (size_t)nw + 1, sizeof *b->w, e);
    if (!b->in || !b->w || mark_zero(pl, b, out, nout, e))
        return NULL;
    pl->p->nback++;
    return b;
}

static int back_op(struct planner *pl, int i, struct nb_error *e)
{
    const struct nb_op *op = &pl->net->ops.v[i];
    bool flows = any_asked_inside(pl, op);
    for (int k = 0; k < op->nin; k++)
        flows |= op->in[k] >= 0 && pl->reach[op->in[k]] && !value(pl, op->in[k])->integer;
    for (int k = 0; k < op->nw; k++)
        flows |= pl->reach[op->w[k]];
    if (!flows || !nb_op_flows(op) || !any_arrives(pl, op->out, op->nout))
        return 0;
    struct nb_back *b = add_back(pl, i, -1, op->out, op->nout, op->nin, op->nw, e);
    if (!b)
        return -1;
    for (int k = 0; k < op->nin; k++)
        b->in[k] = contribute(pl, op->in[k]);
    for (int k = 0; k < op->nw; k++)
        b->w[k] = contribute(pl, op->w[k]);
    return 0;
}

static int back_given(struct planner *pl, int index, struct nb_error *e)
{
    const struct nb_given *g = &pl->net->given.v[index];
    if (!any_arrives(pl, g->out, g->nout))
        return 0;
    struct nb_back *b = add_back(pl, -1, index, g->out, g->nout, g->n, 0, e);
    if (!b)
        return -1;
    for (int k = 0; k < g->n; k++) {
        if (g->entry[k].result < 0 && pl->reach[g->entry[k].target])
            return nb_fail(e, NB_E_not_differentiable, "the module's backward offers no derivative here (null)"),
                   nb_at_pointer(e, g->entry[k].place), e->fixed = true, -1;
        b->in[k] = g->entry[k].result < 0 ? NB_NO_FLOW : contribute(pl, g->entry[k].target);
    }
    return 0;
}

static int refuse_inside_given(const struct planner *pl, int v, struct nb_error *e)
{
    const struct nb_net *net = pl->net;
    for (const struct nb_scan_out *in; (in = nb_scan_inside(net, v)); v = in->value)
        net = &net->ops.v[net->values.v[v].of].scan->net;
    const struct nb_value *x = &net->values.v[v];
    int g = x->kind == NB_V_OP && !pl->p->wants.plain ? nb_outermost_given(net, &net->ops.v[x->of]) : -1;
    bool output = false;
    for (int i = 0; g >= 0 && i < net->given.v[g].nout; i++)
        output |= net->given.v[g].out[i] == v;
    if (g < 0 || output)
        return 0;
    return nb_fail(e, NB_E_not_differentiable,
                   "this value lies inside a module whose backward is given: it has no gradient of "
                   "its own");
}

static bool is_given_output(const struct planner *pl, int v)
{
    const struct nb_net *net = pl->net;
    for (size_t g = 0; g < net->given.n && !pl->p->wants.plain; g++)
        for (int i = 0; i < net->given.v[g].nout; i++)
            if (net->given.v[g].out[i] == v)
                return true;
    return false;
}

static int borrow_seeds(struct planner *pl, struct nb_error *e)
{
    const struct nb_wants *w = &pl->p->wants;
    if (!(pl->p->borrowed = nb_zalloc(pl->arena, (size_t)w->nseed + 1, sizeof *pl->p->borrowed, e)))
        return -1;
    for (int i = 0; i < w->nseed; i++)
        pl->p->borrowed[i] =
            !pl->added[w->seed[i]] && !is_given_output(pl, w->seed[i]) && !asked_inside(pl, w->seed[i]);
    return 0;
}

static int plan_backward(struct planner *pl, struct nb_error *e)
{
    const struct nb_wants *w = &pl->p->wants;
    for (int i = 0; i < w->nwrt; i++)
        if (refuse_inside_given(pl, w->wrt[i], e))
            return nb_at_index(e, (size_t)i), nb_at(e, "wrt");
    for (int i = 0; i < w->nseed; i++) {
        if (refuse_inside_given(pl, w->seed[i], e))
            return nb_at(e, "cotangents");
        pl->arrives[w->seed[i]] = true;
    }
    mark_reach(pl);
    if (!(pl->p->back = nb_small(pl->arena, pl->net->ops.n + 1, sizeof *pl->p->back, e)))
        return -1;
    for (int i = (int)pl->net->ops.n - 1; i >= 0; i--) {
        int g = outermost(pl, &pl->net->ops.v[i]);
        if (g >= 0) {
            i = pl->net->given.v[g].first;
            if (back_given(pl, g, e))
                return -1;
        } else if (back_op(pl, i, e)) {
            return -1;
        }
    }
    return borrow_seeds(pl, e);
}

/* ---- memory
 * ------------------------------------------------------------------------------------------------------------------------
 */

/* A value made by an alias shares the numbers of what it was made from. */
static void find_roots(struct planner *pl)
{
    for (size_t v = 0; v < pl->net->values.n; v++)
        pl->p->root[v] = (int)v;
    for (size_t i = 0; i < pl->net->ops.n; i++) {
        const struct nb_op *op = &pl->net->ops.v[i];
        if (nb_op_module(op, NB_F64)->alias)
            pl->p->root[op->out[0]] = pl->p->root[op->nin ? op->in[0] : op->w[0]];
    }
}

/* A scan has many outputs, most of which nobody asks for. */
static bool lies_in_plan(const struct planner *pl, int v)
{
    const struct nb_value *x = value(pl, v);
    bool left_out = x->kind == NB_V_OP && pl->net->ops.v[x->of].scan && !pl->needed[v];
    return pl->p->root[v] == v && (x->kind == NB_V_OP || x->kind == NB_V_GIVEN) && !left_out;
}

struct spans {
    struct nb_span *v;
    int n;
    int *of; /* the value of each */
};

static void use(struct planner *pl, int *last, int v, int step)
{
    if (v >= 0 && last[pl->p->root[v]] < step)
        last[pl->p->root[v]] = step;
}

static void find_last_uses(struct planner *pl, int *last)
{
    const struct nb_plan *p = pl->p;
    for (int k = 0; k < p->nsteps; k++) {
        const struct nb_op *op = &pl->net->ops.v[p->step[k]];
        for (int i = 0; i < op->nin; i++)
            use(pl, last, op->in[i], k);
    }
    for (size_t v = 0; v < pl->net->values.n && p->wants.nseed; v++)
        use(pl, last, (int)v, INT_MAX); /* backward may look at everything */
    for (int i = 0; i < p->wants.nout; i++)
        use(pl, last, p->wants.out[i], INT_MAX);
    use(pl, last, p->wants.also, INT_MAX);
}

static void add_span(struct spans *s, int v, int from, int to, int64_t count)
{
    s->v[s->n] = (struct nb_span){nb_slots((size_t)count), 0, from, to < from ? from : to};
    s->of[s->n++] = v;
}

static int place_forward(struct planner *pl, size_t *total, struct nb_error *e)
{
    struct nb_plan *p = pl->p;
    size_t n = pl->net->values.n;
    int *last = nb_zalloc(pl->arena, n + 1, sizeof *last, e);
    struct spans s = {nb_small(pl->arena, n + 1, sizeof *s.v, e), 0, nb_small(pl->arena, n + 1, sizeof *s.of, e)};
    if (!last || !s.v || !s.of)
        return -1;
    find_last_uses(pl, last);
    for (int k = 0; k < p->nsteps; k++) {
        const struct nb_op *op = &pl->net->ops.v[p->step[k]];
        for (int i = 0; i < op->nout; i++)
            if (lies_in_plan(pl, op->out[i]))
                add_span(&s, op->out[i], k, last[op->out[i]], nb_count(&value(pl, op->out[i])->shape));
    }
    if (nb_memory_assign(s.v, s.n, pl->arena, total, e))
        return -1;
    for (int i = 0; i < s.n; i++)
        p->at[s.of[i]] = s.v[i].offset;
    return 0;
}

static void place_given(struct planner *pl, size_t *total)
{
    for (size_t g = 0; g < pl->net->given.n; g++)
        for (int i = pl->net->given.v[g].gfirst; i < pl->net->given.v[g].glast && pl->given_needed[g]; i++) {
            const struct nb_op *op = &pl->net->gops.v[i];
            for (int k = 0; k < op->nout; k++) {
                pl->p->at[op->out[k]] = *total;
                *total += nb_slots((size_t)nb_count(&value(pl, op->out[k])->shape));
            }
        }
}

static void place_saved(struct planner *pl, size_t *total)
{
    for (int k = 0; k < pl->p->nsteps; k++) {
        const struct nb_op *op = &pl->net->ops.v[pl->p->step[k]];
        pl->p->saved[pl->p->step[k]] = *total;
        *total += nb_slots(op->saved);
    }
}

/* A gradient lives from its first contribution to the step that reads it; what is asked for lives on. */
static void gradient_span(int *from, int v, int step)
{
    if (v >= 0 && from[v] < 0)
        from[v] = step;
}

static void gradient_starts(struct planner *pl, int *from)
{
    const struct nb_plan *p = pl->p;
    for (int i = 0; i < p->wants.nseed; i++)
        if (!p->borrowed[i])
            gradient_span(from, p->wants.seed[i], 0);
    for (int k = 0; k < p->nback; k++) {
        const struct nb_back *b = &p->back[k];
        const struct nb_op *op = b->op < 0 ? NULL : &pl->net->ops.v[b->op];
        for (int i = 0; i < b->nzero; i++)
            gradient_span(from, b->zero[i], k);
        for (int i = 0; op && i < op->nin; i++)
            if (b->in[i] != NB_NO_FLOW)
                gradient_span(from, op->in[i], k);
        for (int i = 0; op && i < op->nw; i++)
            if (b->w[i] != NB_NO_FLOW)
                gradient_span(from, op->w[i], k);
        for (int i = 0; b->given >= 0 && i < pl->net->given.v[b->given].n; i++)
            if (b->in[i] != NB_NO_FLOW)
                gradient_span(from, pl->net->given.v[b->given].entry[i].target, k);
    }
}

static void gradient_ends(struct planner *pl, int *to)
{
    const struct nb_plan *p = pl->p;
    for (int k = 0; k < p->nback; k++) {
        const struct nb_back *b = &p->back[k];
        const int *out = b->op >= 0 ? pl->net->ops.v[b->op].out : pl->net->given.v[b->given].out;
        int n = b->op >= 0 ? pl->net->ops.v[b->op].nout : pl->net->given.v[b->given].nout;
        for (int i = 0; i < n; i++)
            to[out[i]] = b->op >= 0 ? k : INT_MAX; /* g stays: the checker looks at it */
    }
    for (int i = 0; i < p->wants.nwrt; i++)
        to[p->wants.wrt[i]] = INT_MAX;
}

/* Spans in the order of their first step: lists of the values that begin at each. */
static int add_in_order(struct planner *pl, struct spans *s, const int *from, const int *to, struct nb_error *e)
{
    size_t n = pl->net->values.n, steps = (size_t)pl->p->nback + 1;
    int *head = nb_small(pl->arena, steps, sizeof *head, e), *next = nb_small(pl->arena, n + 1, sizeof *next, e);
    if (!head || !next)
        return -1;
    memset(head, -1, steps * sizeof *head);
    for (size_t v = 0; v < n; v++)
        if (from[v] >= 0) {
            next[v] = head[from[v]];
            head[from[v]] = (int)v;
        }
    for (size_t k = 0; k < steps; k++)
        for (int v = head[k]; v >= 0; v = next[v])
            add_span(s, v, (int)k, to[v], nb_count(&value(pl, v)->shape));
    return 0;
}

static int place_gradients(struct planner *pl, size_t *total, struct nb_error *e)
{
    size_t n = pl->net->values.n, numbers;
    int *from = nb_small(pl->arena, n + 1, sizeof *from, e), *to = nb_zalloc(pl->arena, n + 1, sizeof *to, e);
    struct spans s = {nb_small(pl->arena, n + 1, sizeof *s.v, e), 0, nb_small(pl->arena, n + 1, sizeof *s.of, e)};
    if (!from || !to || !s.v || !s.of)
        return -1;
    memset(from, -1, (n + 1) * sizeof *from);
    gradient_starts(pl, from);
    gradient_ends(pl, to);
    if (add_in_order(pl, &s, from, to, e) || nb_memory_assign(s.v, s.n, pl->arena, &numbers, e))
        return -1;
    for (int i = 0; i < s.n; i++)
        pl->p->grad[s.of[i]] = *total + s.v[i].offset;
    *total += numbers;
    return 0;
}

static size_t further(struct planner *pl, const enum nb_flow *flow, const int *v, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++)
        if (flow[i] == NB_ADD)
            sum += nb_slots((size_t)nb_count(&value(pl, v[i])->shape));
    return sum;
}

static void widen(struct nb_plan *p, const struct nb_op *op)
{
    int n = op->nin > op->nout ? op->nin : op->nout;
    n = n > op->nw ? n : op->nw;
    p->widest = n > p->widest ? n : p->widest;
}

static void place_scratch(struct planner *pl, size_t *total)
{
    struct nb_plan *p = pl->p;
    size_t most = 0;
    for (int k = 0; k < p->nsteps; k++) {
        const struct nb_op *op = &pl->net->ops.v[p->step[k]];
        most = most > nb_slots(op->work) ? most : nb_slots(op->work);
        widen(p, op);
    }
    for (size_t i = 0; i < pl->net->gops.n; i++) {
        const struct nb_op *op = &pl->net->gops.v[i];
        size_t n = nb_slots(op->work) + nb_slots(op->saved);
        if (pl->given_needed[op->given])
            most = most > n ? most : n;
        widen(p, op);
    }
    for (int k = 0; k < p->nback; k++) {
        const struct nb_back *b = &p->back[k];
        const struct nb_op *op = b->op < 0 ? NULL : &pl->net->ops.v[b->op];
        size_t n = op ? nb_slots(op->work) + further(pl, b->in, op->in, op->nin) + further(pl, b->w, op->w, op->nw) : 0;
        most = most > n ? most : n;
    }
    p->scratch = *total;
    *total += most;
}

/* A product reads every learned number once per row; the rest costs a few operations a number. */
static double estimate(const struct planner *pl)
{
    double sum = 0;
    for (int k = 0; k < pl->p->nsteps; k++) {
        const struct nb_op *op = &pl->net->ops.v[pl->p->step[k]];
        const struct nb_shape *out = &value(pl, op->out[0])->shape;
        double entries = (double)nb_count(out), last = out->rank ? (double)out->dim[out->rank - 1] : 1;
        sum += 4 * entries;
        for (int i = 0; i < op->nw && !op->scan; i++)
            sum += 2 * (double)nb_count(&value(pl, op->w[i])->shape) * (last > 0 ? entries / last : 0);
        for (int i = 0; i < op->nin; i++)
            sum += op->in[i] < 0 ? 0 : 4 * (double)nb_count(&value(pl, op->in[i])->shape);
        sum += op->scan ? nb_scan_cost(op->scan) : 0;
    }
    return sum;
}

static int place_all(struct planner *pl, struct nb_error *e)
{
    struct nb_plan *p = pl->p;
    size_t n = pl->net->values.n;
    p->at = nb_small(pl->arena, n + 1, sizeof *p->at, e);
    p->grad = nb_small(pl->arena, n + 1, sizeof *p->grad, e);
    p->root = nb_small(pl->arena, n + 1, sizeof *p->root, e);
    p->saved = nb_zalloc(pl->arena, pl->net->ops.n + 1, sizeof *p->saved, e);
    if (!p->at || !p->grad || !p->root || !p->saved)
        return -1;
    memset(p->at, 0xff, (n + 1) * sizeof *p->at);
    memset(p->grad, 0xff, (n + 1) * sizeof *p->grad);
    find_roots(pl);
    if (place_forward(pl, &p->kept, e))
        return -1;
    place_given(pl, &p->kept);
    place_saved(pl, &p->kept);
    if (p->wants.nseed && place_gradients(pl, &p->loose, e))
        return -1;
    place_scratch(pl, &p->loose);
    p->cost = estimate(pl);
    return 0;
}

static const struct nb_back *back_of(const struct nb_plan *p, int op)
{
    for (int k = 0; k < p->nback; k++)
        if (p->back[k].op == op)
            return &p->back[k];
    return NULL;
}

/* One step of a scan has a plan of its own, for what is wanted of the whole. */
static int plan_scans(struct planner *pl, struct nb_error *e)
{
    struct nb_plan *p = pl->p;
    for (int k = 0; k < p->nsteps; k++) {
        struct nb_op *op = &p->net.ops.v[p->step[k]];
        if (op->scan && nb_scan_plan(op, p, back_of(p, p->step[k]), pl->needed, pl->arrives, pl->arena, e))
            return -1;
    }
    return 0;
}

static int make_steps(struct planner *pl, struct nb_error *e)
{
    if (!(pl->p->step = nb_small(pl->arena, pl->net->ops.n + 1, sizeof *pl->p->step, e)))
        return -1;
    for (size_t i = 0; i < pl->net->ops.n; i++)
        if (pl->op_needed[i])
            pl->p->step[pl->p->nsteps++] = (int)i;
    return 0;
}

int nb_plan_make(const struct nb_net *net, const struct nb_wants *wants, struct nb_arena *a, struct nb_plan *p,
                 struct nb_error *e)
{
    size_t n = net->values.n + 1;
    struct planner pl = {.p = p, .net = net, .arena = a};
    *p = (struct nb_plan){.net = *net, .wants = *wants};
    pl.needed = nb_zalloc(a, n, sizeof(bool), e);
    pl.reach = nb_zalloc(a, n, sizeof(bool), e);
    pl.arrives = nb_zalloc(a, n, sizeof(bool), e);
    pl.added = nb_zalloc(a, n, sizeof(bool), e);
    pl.op_needed = nb_zalloc(a, net->ops.n + 1, sizeof(bool), e);
    pl.given_needed = nb_zalloc(a, net->given.n + 1, sizeof(bool), e);
    if (!pl.needed || !pl.reach || !pl.arrives || !pl.added || !pl.op_needed || !pl.given_needed)
        return -1;
    mark_needed(&pl);
    p->needed = pl.needed;
    if (check_all_known(&pl, e) || make_steps(&pl, e) || (wants->nseed && plan_backward(&pl, e)) || plan_scans(&pl, e))
        return -1;
    return place_all(&pl, e);
}
