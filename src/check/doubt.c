/* doubt - a point is looked at for what is known to hide mistakes. */
#include "check/doubt.h"
#include "check/point.h"
#include "nabla/branch.h"
#include <math.h>
#include <string.h>

enum { MOST_DOUBTS = 32 };

/* The list doubles whenever its length is a power of two. */
int nb_doubt_add(struct nb_verdicts *v, const char *code, const char *where, const char *hides, struct nb_arena *a,
                 struct nb_error *e)
{
    size_t n = v->ndoubts;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(v->doubts[i].code, code) && !strcmp(v->doubts[i].where, where))
            return 0;
    if (n == MOST_DOUBTS)
        return 0;
    if ((n & (n - 1)) == 0) {
        struct nb_doubt *more = nb_small(a, n ? 2 * n : 1, sizeof *more, e);
        if (!more)
            return -1;
        if (n)
            memcpy(more, v->doubts, n * sizeof *more);
        v->doubts = more;
    }
    if (!(where = nb_strdup(a, where, e))) /* names of nodes are gone when the plan is */
        return -1;
    v->doubts[v->ndoubts++] = (struct nb_doubt){code, where, hides};
    return 0;
}

/* ---- what is looked at ----------------------------------------------------------------------------------------- */

struct look {
    struct nb_checker *k;
    const struct nb_plan *plan; /* through the operations themselves */
    struct nb_session *s;       /* forward done */
};

static int add(const struct look *l, const char *code, const char *where, const char *hides, struct nb_error *e)
{
    return nb_doubt_add(l->k->v, code, where, hides, l->k->arena, e);
}

static size_t entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

static bool all_equal(const double *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (x[i] != x[0])
            return false;
    return n > 0;
}

static bool all_zero(const struct nb_tensor *t)
{
    return t->data && t->dtype == NB_F64 && entries(t) && *(const double *)t->data == 0 &&
           all_equal(t->data, entries(t));
}

/* The name of an input or a learned tensor, also in another shape; else that of the node. */
static const char *name_of(const struct look *l, int v, const char *node)
{
    const struct nb_value *x = &l->plan->net.values.v[l->plan->root[v]];
    if (x->kind == NB_V_INPUT)
        return l->plan->net.inputs.v[x->of].name;
    return x->kind == NB_V_PARAM ? l->plan->net.learned.v[x->of].name : node;
}

/* ---- tensors --------------------------------------------------------------------------------------------------- */

static bool symmetric(const struct nb_tensor *t)
{
    const double *x = t->data;
    size_t n = t->shape.rank == 2 ? (size_t)t->shape.dim[0] : 0;
    if (n < 2 || t->shape.dim[1] != t->shape.dim[0])
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (x[i * n + j] != x[j * n + i])
                return false;
    return true;
}

int nb_doubt_tensor(struct nb_verdicts *v, const char *name, const struct nb_tensor *t, bool input, struct nb_arena *a,
                    struct nb_error *e)
{
    if (!t->data || t->dtype != NB_F64)
        return 0;
    bool equal = all_equal(t->data, entries(t));
    if (input && all_zero(t))
        return nb_doubt_add(v, "zero_operand", name,
                            "it is 0 throughout: whatever it multiplies, and formulas that agree at 0, as 1 - tanh and "
                            "1 - tanh^2 do",
                            a, e);
    if (equal && entries(t) > 1 && (input || t->shape.rank > 1) && !all_zero(t))
        return nb_doubt_add(v, "equal_entries", name,
                            "its entries are all equal: a transposition, entries in the wrong order, operands taken "
                            "for one another",
                            a, e);
    if (symmetric(t) && !equal)
        return nb_doubt_add(v, "symmetric_operand", name, "it equals its transpose: a transposition that is forgotten",
                            a, e);
    return 0;
}

static int look_at_tensor(const struct look *l, const char *name, const struct nb_tensor *t, bool input,
                          struct nb_error *e)
{
    return nb_doubt_tensor(l->k->v, name, t, input, l->k->arena, e);
}

static int look_at_tensors(const struct look *l, struct nb_error *e)
{
    const struct nb_net *net = &l->plan->net;
    for (size_t i = 0; i < net->inputs.n; i++) {
        struct nb_tensor t = nb_session_value(l->s, net->inputs.v[i].value);
        if (net->inputs.v[i].sample == NB_FED && look_at_tensor(l, net->inputs.v[i].name, &t, true, e))
            return -1;
    }
    for (size_t i = 0; i < net->learned.n; i++) {
        struct nb_tensor t = nb_session_value(l->s, net->learned.v[i].value);
        if (net->learned.v[i].tie < 0 && !net->learned.v[i].buffer &&
            look_at_tensor(l, net->learned.v[i].name, &t, false, e))
            return -1;
    }
    return 0;
}

static int look_at_batch(const struct look *l, struct nb_error *e)
{
    const char *input;
    int64_t n;
    nb_point_batch(l->k->g, &l->plan->net, &input, &n);
    if (n != 1)
        return 0;
    return add(l, "batch_of_one", input,
               "there is one sample: a missing sum over the batch, a factor N or 1/N, a mean taken for a sum", e);
}

static int look_at_cotangents(const struct look *l, struct nb_error *e)
{
    const struct nb_planned *p = l->k->p;
    for (int i = 0; i < p->plan.wants.nseed; i++) {
        int v = p->plan.wants.seed[i];
        const struct nb_tensor g = {NB_F64, p->plan.net.values.v[v].shape, l->k->cotangent[i]};
        const char *name = p->loss >= 0 ? p->plan.net.losses.v[p->loss].name : l->k->run.cotangents.v[i].name;
        if (all_zero(&g) &&
            add(l, "zero_cotangent", name, "its cotangent is 0: every mistake in what only this output shows", e))
            return -1;
    }
    return 0;
}

/* ---- kinks ----------------------------------------------------------------------------------------------------- */

/* Decides entry by entry: a function of one entry of each operand, as losses of an input and a target are. Rows drawn
 * from one side of their kink have only that one; who keeps notes or wants room decides by more. */
static bool by_entries(const struct look *l, const struct nb_op *op)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    const struct nb_value *v = l->plan->net.values.v;
    if (op->scan || !m->branches || !m->backward || m->lo > 0 || op->nin < 1 || op->nin > 3 || op->nw > 1 ||
        op->saved || op->work)
        return false;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] < 0)
            return false;
    return (m->jacobian && m->jacobian[0] == 'P') ||
           (op->nin == 2 && !strcmp(m->inputs[1].name, "target") && !v[op->in[1]].integer &&
            nb_shape_same(&v[op->in[0]].shape, &v[op->in[1]].shape) == 1);
}

/* Entry i alone, or the first of a tensor that has not n of them. */
static struct nb_tensor alone(const struct look *l, int v, size_t n, size_t i)
{
    struct nb_tensor t = nb_session_value(l->s, v);
    if (entries(&t) == n)
        t.data = (char *)t.data + i * nb_dtype_size(t.dtype);
    for (int d = 0; d < t.shape.rank; d++)
        t.shape.dim[d] = 1;
    return t;
}

static uint64_t decision(const struct look *l, const struct nb_op *op, size_t n, size_t i)
{
    struct nb_tensor in[3], w, out = alone(l, op->out[0], n, i);
    struct nb_branches b = {0};
    for (int k = 0; k < op->nin; k++)
        in[k] = alone(l, op->in[k], n, i);
    if (op->nw)
        w = alone(l, op->w[0], n, i);
    const struct nb_call c = {.args = op->args,
                              .train = l->s->train,
                              .nin = op->nin,
                              .nout = 1,
                              .nw = op->nw,
                              .in = in,
                              .w = &w,
                              .out = &out};
    nb_op_module(op, NB_F64)->branches(&c, &b);
    return b.hash;
}

/* Operands are spread over the largest only if they have one entry: anything else is passed over. */
static size_t common_size(const struct look *l, const struct nb_op *op)
{
    size_t most = 0;
    for (int i = 0; i < op->nin; i++) {
        size_t n = (size_t)nb_count(&l->plan->net.values.v[op->in[i]].shape);
        most = n > most ? n : most;
    }
    for (int i = 0; i < op->nin; i++) {
        size_t n = (size_t)nb_count(&l->plan->net.values.v[op->in[i]].shape);
        if (n != most && n != 1)
            return 0;
    }
    return most;
}

static bool one_side(const struct look *l, const struct nb_op *op)
{
    size_t n = common_size(l, op);
    if (n < 2 && !l->k->c->run.inputs.n) /* a drawn number stands on one side, whatever it is */
        return false;
    for (size_t i = 1; i < n; i++)
        if (decision(l, op, n, i) != decision(l, op, n, 0))
            return false;
    return n > 0;
}

static int look_at_kinks(const struct look *l, struct nb_error *e)
{
    for (int i = 0; i < l->plan->nsteps; i++) {
        const struct nb_op *op = &l->plan->net.ops.v[l->plan->step[i]];
        if (by_entries(l, op) && one_side(l, op) &&
            add(l, "one_branch", op->node,
                "all entries stand on the same side of its kink: a mask that is missing, and mistakes on the other "
                "side",
                e))
            return -1;
    }
    return 0;
}

/* ---- operations, while the backward runs ----------------------------------------------------------------------- */

/* Equal along the last dimension or along the first, and not 0. */
static bool constant(const struct nb_tensor *g)
{
    const double *x = g->data;
    size_t n = entries(g), last = g->shape.rank ? (size_t)g->shape.dim[g->shape.rank - 1] : 1,
           first = g->shape.rank ? (size_t)g->shape.dim[0] : 1;
    bool rows = last > 1, columns = first > 1;
    for (size_t i = 0; i < n; i++) {
        rows &= x[i] == x[i - i % last];
        columns &= x[i] == x[i % (n / first)];
    }
    return (rows || columns) && !all_zero(g);
}

static double greatest(const struct nb_tensor *t)
{
    double most = 0;
    for (size_t i = 0; t->data && i < entries(t); i++)
        most = fmax(most, fabs(((const double *)t->data)[i]));
    return most;
}

/* Softmax, normalisations: what they pass on of a constant is nothing. */
static int look_at_constant(const struct look *l, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    bool couples = m->jacobian && strchr("RCD", m->jacobian[0]);
    if (!couples || c->nout != 1 || c->nin < 1 || !c->gin[0].data || !constant(&c->gout[0]) ||
        greatest(&c->gin[0]) > 1e-9 * greatest(&c->gout[0]))
        return 0;
    return add(l, "constant_cotangent", op->node,
               "the cotangent that arrives is constant, and the true gradient is then 0: a backward that returns "
               "nothing, a wrong sign, a missing term, here and in all that comes before",
               e);
}

static const struct nb_tensor *operand(const struct nb_call *c, int i)
{
    return i < c->nin ? &c->in[i] : &c->w[i - c->nin];
}

static const struct nb_tensor *gradient(const struct nb_call *c, int i)
{
    return i < c->nin ? &c->gin[i] : &c->gw[i - c->nin];
}

static int value_of(const struct nb_op *op, int i)
{
    return i < op->nin ? op->in[i] : op->w[i - op->nin];
}

static bool used_once(const struct look *l, int v)
{
    int n = 0;
    for (int b = 0; b < l->plan->nback; b++) {
        const struct nb_back *back = &l->plan->back[b];
        const struct nb_op *op = back->op < 0 ? NULL : &l->plan->net.ops.v[back->op];
        for (int i = 0; op && i < op->nin + op->nw; i++)
            n += value_of(op, i) == v && (i < op->nin ? back->in[i] : back->w[i - op->nin]) != NB_NO_FLOW;
    }
    return n == 1;
}

/* One operand is 0 and so is all of the gradient of another. */
static int look_at_zeros(const struct look *l, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    for (int i = 0; i < c->nin + c->nw; i++)
        for (int j = 0; j < c->nin + c->nw && all_zero(operand(c, i)); j++)
            if (j != i && all_zero(gradient(c, j)) && used_once(l, value_of(op, j)))
                return add(l, "zero_operand", name_of(l, value_of(op, i), op->node),
                           "it is 0 throughout: mistakes in all that it multiplies", e);
    return 0;
}

static bool same_numbers(const struct nb_tensor *a, const struct nb_tensor *b)
{
    return a->data && b->data && a->dtype == NB_F64 && b->dtype == NB_F64 && nb_shape_same(&a->shape, &b->shape) == 1 &&
           !memcmp(a->data, b->data, entries(a) * sizeof(double));
}

/* A sum passes the cotangent on to either: there is nothing to take for one another. An operand may be absent. */
static int look_at_equal(const struct look *l, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    if (c->nin != 2 || !same_numbers(&c->in[0], &c->in[1]) || l->plan->root[op->in[0]] == l->plan->root[op->in[1]] ||
        !c->gin[0].data || !c->gin[1].data || same_numbers(&c->gin[0], &c->gout[0]))
        return 0;
    return add(l, "equal_operands", op->node, "both operands are equal: one taken for the other", e);
}

/* Stands in for an operation's backward. */
static int look_at_op(void *look, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    const struct look *l = look;
    bool nothing = true;
    if (nb_op_module(op, NB_F64)->backward(c, e))
        return -1;
    for (int i = 0; i < c->nout; i++)
        nothing &= all_zero(&c->gout[i]);
    if (nothing)
        return 0;
    return look_at_constant(l, op, c, e) || look_at_zeros(l, op, c, e) || look_at_equal(l, op, c, e) ? -1 : 0;
}

/* ---- what came out --------------------------------------------------------------------------------------------- */

/* Too small to be seen beside rounding; entries to which nothing reacts are another matter. */
static bool vanished(const struct nb_leaf *l, size_t i)
{
    const struct nb_checked *c = l->out;
    if (c->reasons[i] == NB_WHY_rounding || c->reasons[i] == NB_WHY_no_power)
        return true;
    return c->reasons[i] == NB_WHY_none && l->z && l->z[i].moved && fabs(c->value[i]) <= c->bar[i];
}

static int look_at_values(const struct look *l, struct nb_error *e)
{
    for (int i = 0; i < l->k->nleaf; i++) {
        const struct nb_leaf *leaf = &l->k->leaf[i];
        size_t n = 0;
        for (size_t j = 0; leaf->out->judged && j < leaf->n; j++)
            n += vanished(leaf, j);
        if (2 * n > leaf->n && add(l, "vanishing", leaf->out->name,
                                   "most of its gradient is 0 beside rounding: formulas that agree in the limit", e))
            return -1;
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static int look_at_all(struct look *l, struct nb_error *e)
{
    if (look_at_cotangents(l, e) || look_at_batch(l, e) || look_at_tensors(l, e) || look_at_kinks(l, e) ||
        look_at_values(l, e))
        return -1;
    l->s->instead = look_at_op;
    l->s->context = l;
    int bad = nb_session_backward(l->s, l->k->cotangent, e);
    l->s->instead = NULL;
    return bad;
}

/* Operations inside a module whose backward is given are seen by a session of their own. */
int nb_doubts_find(struct nb_checker *k, struct nb_error *e)
{
    struct nb_session s;
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    struct look l = {.k = k, .plan = &k->plain->plan, .s = &k->own};
    bool drew;
    if (k->unsound)
        return nb_name_unsound(k, e);
    if (k->plain == k->p)
        return look_at_all(&l, e);
    l.s = &s;
    if (nb_session_new(l.plan, NB_F64, &fed, k->arena, &s, &drew, e) || nb_session_forward(&s, e))
        return -1;
    return look_at_all(&l, e);
}
