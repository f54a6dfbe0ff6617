/* attempts - which mistakes can be made in a graph, in the order of likelihood, and the making of one. */
#include "grade/attempt.h"
#include "grade/plant.h"
#include <math.h>
#include <string.h>

enum { MOST_ATTEMPTS = 1000, MOST_SINGLES = 8, MOST_OPERATIONS = 2000 /* the last ones of the forward */ };

static const struct nb_op *op_of(const struct nb_clinic *c, int back)
{
    int op = c->p->plan.back[back].op;
    return op < 0 ? NULL : &c->p->plan.net.ops.v[op];
}

/* ---- the list ------------------------------------------------------------------------------------------------------
 */

static int add(struct nb_clinic *c, struct nb_attempt a, struct nb_error *e)
{
    if (!a.n || c->nattempts >= MOST_ATTEMPTS)
        return 0;
    if (nb_grow(c->arena, &c->attempts, c->nattempts, &c->cap, sizeof *c->attempts, e))
        return -1;
    a.code = a.known ? a.known->code : a.kind->code;
    a.hint = a.known ? a.known->hint : a.kind->hint;
    for (int i = 1; i < a.n; i++)
        a.many |= strcmp(op_of(c, a.back[i])->node, op_of(c, a.back[0])->node) != 0;
    c->attempts[c->nattempts++] = a;
    return 0;
}

/* Operations that come from the same place of the text, or share what they learn: one layer, used several times. Or
 * (place false) all of a module. */
static bool together(const struct nb_clinic *c, int a, int b, bool place)
{
    const struct nb_op *x = op_of(c, a), *y = op_of(c, b);
    if (!x || !y || x->module != y->module)
        return false;
    return !place || !strcmp(x->place, y->place) || (x->nw && y->nw && x->w[0] == y->w[0]);
}

static int find_heads(struct nb_clinic *c, struct nb_error *e)
{
    const struct nb_plan *p = &c->p->plan;
    c->nback = p->nback < MOST_OPERATIONS ? p->nback : MOST_OPERATIONS;
    c->place = nb_small(c->arena, (size_t)c->nback + 1, sizeof *c->place, e);
    c->kind = nb_small(c->arena, (size_t)c->nback + 1, sizeof *c->kind, e);
    c->back_of = nb_zalloc(c->arena, p->net.ops.n + 1, sizeof *c->back_of, e);
    if (!c->place || !c->kind || !c->back_of)
        return -1;
    for (int b = 0; b < p->nback; b++)
        if (op_of(c, b))
            c->back_of[p->back[b].op] = &p->back[b];
    for (int b = 0; b < c->nback; b++) {
        c->place[b] = c->kind[b] = 0;
        while (c->kind[b] < b && !together(c, c->kind[b], b, false))
            c->kind[b]++;
        while (c->place[b] < b && !together(c, c->place[b], b, true))
            c->place[b]++;
    }
    return 0;
}

/* Those from `first` on that are together with it and of which `has` is true. */
typedef bool nb_has(const struct nb_clinic *c, int back, const void *what);

static int gather(struct nb_clinic *c, int first, bool place, nb_has *has, const void *what, struct nb_attempt *a,
                  struct nb_error *e)
{
    const int *head = place ? c->place : c->kind;
    size_t n = 0;
    for (int b = first; b < c->nback; b++)
        n += head[b] == first;
    a->n = 0;
    if (!(a->back = nb_small(c->arena, n, sizeof *a->back, e)))
        return -1;
    for (int b = first; b < c->nback; b++)
        if (head[b] == first && has(c, b, what))
            a->back[a->n++] = b;
    return 0;
}

static bool begins(const struct nb_clinic *c, int back, bool place)
{
    return op_of(c, back) && (place ? c->place : c->kind)[back] == back && c->nattempts < MOST_ATTEMPTS;
}

static bool has_known(const struct nb_clinic *c, int back, const void *what)
{
    return nb_plant_has(what, op_of(c, back), &c->p->plan.back[back], c->s.train);
}

static bool has_kind(const struct nb_clinic *c, int back, const void *what)
{
    const struct nb_slip_kind *kind = what;
    struct nb_slip s = {.plan = &c->p->plan, .back = &c->p->plan.back[back], .batch = c->batch};
    return kind->applies(&s, op_of(c, back));
}

/* At one place, then at each of its operations alone, or at all operations of the module. */
static int add_groups(struct nb_clinic *c, int first, bool place, struct nb_attempt a, nb_has *has, const void *what,
                      struct nb_error *e)
{
    if (gather(c, first, place, has, what, &a, e))
        return -1;
    bool several = false; /* places */
    for (int i = 1; i < a.n; i++)
        several |= c->place[a.back[0]] != c->place[a.back[i]];
    if (!place && !several)
        return 0;
    if (add(c, a, e))
        return -1;
    for (int i = 0; place && a.n > 1 && a.n <= MOST_SINGLES && i < a.n; i++) {
        struct nb_attempt one = a;
        one.n = 1;
        one.back = a.back + i;
        if (add(c, one, e))
            return -1;
    }
    return 0;
}

static int list_known(struct nb_clinic *c, bool place, struct nb_error *e)
{
    for (int b = 0; b < c->nback; b++) {
        if (!begins(c, b, place))
            continue;
        for (const struct nb_known *k = nb_op_module(op_of(c, b), NB_F64)->mistakes; k && k->code; k++)
            if (add_groups(c, b, place, (struct nb_attempt){.known = k}, has_known, k, e))
                return -1;
    }
    return 0;
}

static int list_kinds(struct nb_clinic *c, const struct nb_slip_kind *kinds, bool place, struct nb_error *e)
{
    for (const struct nb_slip_kind *k = kinds; k->name; k++)
        for (int b = 0; b < c->nback; b++)
            if (begins(c, b, place) && add_groups(c, b, place, (struct nb_attempt){.kind = k}, has_kind, k, e))
                return -1;
    return 0;
}

static bool uses(const struct nb_clinic *c, int back, int value)
{
    const struct nb_op *op = op_of(c, back);
    for (int i = 0; op && i < op->nw; i++)
        if (op->w[i] == value && c->p->plan.back[back].w[i] != NB_NO_FLOW)
            return true;
    return false;
}

/* A learned tensor that is used several times: all uses but the first, all but the last (backwards: the other way). */
static int list_uses(struct nb_clinic *c, int value, struct nb_error *e)
{
    struct nb_attempt first = {.kind = &nb_only_first}, last = {.kind = &nb_only_last}, step = {.kind = &nb_one_step};
    int n = 0, *back = nb_small(c->arena, (size_t)c->p->plan.nback + 1, sizeof *back, e);
    if (!back)
        return -1;
    for (int b = 0; b < c->p->plan.nback; b++)
        if (uses(c, b, value))
            back[n++] = b;
    first.n = last.n = n > 1 ? n - 1 : 0;
    step.n = n > 1 ? n : 0;
    first.back = step.back = back;
    last.back = back + 1;
    return add(c, first, e) || add(c, last, e) || add(c, step, e) ? -1 : 0;
}

/* People repeat themselves: a module's mistake at all its places first, then at each. */
int nb_attempts_list(struct nb_clinic *c, struct nb_error *e)
{
    const struct nb_net *net = &c->p->plan.net;
    c->listed = true;
    if (find_heads(c, e) || list_known(c, false, e))
        return -1;
    for (size_t l = 0; l < net->learned.n && c->nattempts < MOST_ATTEMPTS / 4; l++)
        if (net->learned.v[l].tie < 0 && list_uses(c, net->learned.v[l].value, e))
            return -1;
    return list_kinds(c, nb_slips, false, e) || list_known(c, true, e) || list_kinds(c, nb_slips, true, e) ||
                   list_kinds(c, nb_generic, true, e)
               ? -1
               : 0;
}

/* ---- the making ----------------------------------------------------------------------------------------------------
 */

struct making {
    struct nb_clinic *c;
    const struct nb_attempt *a;
    struct nb_slip slip;
    struct nb_arena scratch;
    int wrt; /* the only gradient that is wanted, or NB_ALL_WRT */
    struct nb_tensor *gin, *gw;
    int made;
};

static int right(const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    return nb_op_module(op, NB_F64)->backward(c, e);
}

static const struct nb_back *planted_at(const struct making *m, const struct nb_op *op)
{
    const struct nb_back *b = m->c->back_of[op - m->c->p->plan.net.ops.v];
    for (int i = 0; i < m->a->n; i++)
        if (&m->c->p->plan.back[m->a->back[i]] == b)
            return b;
    return NULL;
}

/* A leaf nobody asks about: its gradient is the largest part of the work. What is to be added is computed in any case:
 * the session adds it. */
static bool is_idle(const struct making *m, int v, enum nb_flow flow)
{
    const struct nb_plan *p = &m->c->p->plan;
    bool leaf = v >= 0 && (p->net.values.v[v].kind == NB_V_INPUT || p->net.values.v[v].kind == NB_V_PARAM);
    return leaf && m->wrt != NB_ALL_WRT && flow == NB_WRITE && p->wants.wrt[m->wrt] != v;
}

static int right_where_wanted(struct making *m, const struct nb_op *op, const struct nb_call *call, struct nb_error *e)
{
    struct nb_call c = *call;
    const struct nb_back *b = m->c->back_of[op - m->c->p->plan.net.ops.v];
    for (int i = 0; i < op->nin; i++) {
        m->gin[i] = call->gin[i];
        m->gin[i].data = is_idle(m, op->in[i], b->in[i]) ? NULL : call->gin[i].data;
    }
    for (int i = 0; i < op->nw; i++) {
        m->gw[i] = call->gw[i];
        m->gw[i].data = is_idle(m, op->w[i], b->w[i]) ? NULL : call->gw[i].data;
    }
    c.gin = m->gin, c.gw = m->gw;
    return right(op, &c, e);
}

static int instead(void *context, const struct nb_op *op, const struct nb_call *call, struct nb_error *e)
{
    struct making *m = context;
    const struct nb_back *b = planted_at(m, op);
    if (!b)
        return right_where_wanted(m, op, call, e);
    if (m->a->known) {
        int done = right(op, call, e) ? -1 : nb_plant(m->a->known, op, call, &m->scratch, e);
        m->made += done > 0;
        return done < 0 ? -1 : 0;
    }
    m->slip.back = b;
    m->slip.none = false;
    if (m->a->kind->backward(&m->slip, op, call, e))
        return -1;
    m->made += !m->slip.none;
    return 0;
}

static size_t largest(const struct nb_plan *p)
{
    size_t most = 0;
    for (int b = 0; b < p->nback; b++) {
        const struct nb_op *op = p->back[b].op < 0 ? NULL : &p->net.ops.v[p->back[b].op];
        size_t n = 0;
        for (int i = 0; op && i < op->nout; i++)
            n += (size_t)nb_count(&p->net.values.v[op->out[i]].shape);
        most = n > most ? n : most;
    }
    return most;
}

static int keep_prints(struct nb_clinic *c, struct nb_attempt *a, int wrt, struct nb_error *e)
{
    const struct nb_wants *w = &c->p->plan.wants;
    if (!a->print && !(a->print = nb_zalloc(c->arena, (size_t)w->nwrt + 1, sizeof *a->print, e)))
        return -1;
    for (int i = 0; i < w->nwrt; i++) {
        size_t n = (size_t)nb_count(&c->p->plan.net.values.v[w->wrt[i]].shape);
        const double *g = c->s.grad[w->wrt[i]];
        if (a->print[i] || (wrt != NB_ALL_WRT && wrt != i))
            continue;
        if (!(a->print[i] = nb_small(c->arena, NB_PRINTS, sizeof(double), e)))
            return -1;
        for (size_t k = 0; k < nb_print_count(n); k++)
            a->print[i][k] = g ? g[nb_print_at(n, k)] : 0;
    }
    return 0;
}

static int making_init(struct making *m, struct nb_error *e)
{
    const struct nb_plan *p = &m->c->p->plan;
    size_t widest = (size_t)p->widest + 1;
    nb_arena_init(&m->scratch, m->c->arena->cap);
    m->slip = (struct nb_slip){.plan = p, .kind = m->a->kind, .batch = m->c->batch, .loss = m->c->p->loss >= 0};
    m->slip.gout = nb_small(&m->scratch, widest, sizeof *m->slip.gout, e);
    m->slip.room = nb_alloc(&m->scratch, largest(p), sizeof *m->slip.room, e);
    m->gin = nb_small(&m->scratch, widest, sizeof *m->gin, e);
    m->gw = nb_small(&m->scratch, widest, sizeof *m->gw, e);
    return m->slip.gout && m->slip.room && m->gin && m->gw ? 0 : -1;
}

/* Of the work for all gradients: most of it is for the largest. */
static double share_of(const struct nb_plan *p, int wrt)
{
    double all = 0;
    for (int i = 0; i < p->wants.nwrt; i++)
        all += (double)nb_count(&p->net.values.v[p->wants.wrt[i]].shape);
    return all > 0 ? (double)nb_count(&p->net.values.v[p->wants.wrt[wrt]].shape) / all : 1;
}

int nb_attempt_make(struct nb_clinic *c, struct nb_attempt *a, int wrt, struct nb_error *e)
{
    struct making m = {.c = c, .a = a, .wrt = wrt};
    int bad = making_init(&m, e);
    c->s.instead = instead;
    c->s.context = &m;
    bad = bad || nb_session_backward(&c->s, c->cotangent, e);
    c->s.instead = NULL;
    nb_arena_done(&m.scratch);
    c->spent += c->p->plan.cost * (wrt == NB_ALL_WRT ? 3 : 0.5 + 2.5 * share_of(&c->p->plan, wrt)) + 1e5 +
                1e3 * c->p->plan.nback;
    a->none = !m.made;
    a->tried = true;
    return bad || (!a->none && keep_prints(c, a, wrt, e)) ? -1 : 0;
}

/* ---- in words -------------------------------------------------------------------------------------------------------
 */

const char *nb_attempt_node(const struct nb_clinic *c, const struct nb_attempt *a)
{
    return op_of(c, a->back[0])->node;
}

const char *nb_attempt_text(struct nb_clinic *c, const struct nb_attempt *a, struct nb_error *e)
{
    const struct nb_op *op = op_of(c, a->back[0]);
    const char *type = nb_op_module(op, NB_F64)->type;
    const char *where = a->many ? nb_sprintf(c->arena, e, "all %d %s", a->n, type)
                                : nb_sprintf(c->arena, e, "%s (node %s)", type, op->node);
    if (!where)
        return NULL;
    if (!a->known)
        return nb_sprintf(c->arena, e, "all entries fit one mistake in %s: %s", where, a->kind->name);
    return nb_sprintf(c->arena, e, "all entries are what you get with %s%s as the derivative of %s", a->known->formula,
                      a->known->partly ? ", or 0," : "", where);
}
