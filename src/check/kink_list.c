/* kink_list - the edges a graph stands at, with the slopes of their operations, for the certificate. */
#include "check/kink.h"
#include "check/stand.h"
#include <math.h>
#include <string.h>

enum { MOST_LISTED = 64 };

struct lister {
    struct nb_kinks *k;
    struct nb_arena own; /* for one operation at a time */
    struct nb_stand stand;
    void **ones; /* cotangents of its outputs */
    double *gradient;
    struct nb_error *e;
};

static int stand_at(struct lister *l, const struct nb_op *op, int port)
{
    const struct nb_session *s = &l->k->nudge.d;
    int *out = nb_small(&l->own, (size_t)op->nout + 1, sizeof *out, l->e);
    l->ones = nb_small(&l->own, (size_t)op->nout + 1, sizeof *l->ones, l->e);
    if (!out || !l->ones)
        return -1;
    for (int o = 0; o < op->nout; o++) {
        size_t n = (size_t)nb_count(&s->plan->net.values.v[op->out[o]].shape);
        double *g = nb_alloc(&l->own, n, sizeof *g, l->e);
        for (size_t j = 0; g && j < n; j++)
            g[j] = 1;
        if (!(l->ones[o] = g))
            return -1;
        out[o] = o;
    }
    if (nb_stand_new(s, op, port, op->nout, out, 1, &l->own, &l->stand, l->e))
        return -1;
    return (l->gradient = nb_alloc(&l->own, l->stand.n, sizeof *l->gradient, l->e)) ? 0 : -1;
}

/* The slope at an entry with another entry moved. */
static int slope(struct lister *l, const struct nb_moved *of, const struct nb_moved *m, double by, double *to)
{
    *to = 0;
    l->stand.point[m->index] = m->base + by;
    int bad = l->stand.in_double->backward ? nb_stand_backward(&l->stand, l->ones, l->gradient, l->e) : 0;
    l->stand.point[m->index] = m->base;
    if (!bad && l->stand.in_double->backward)
        *to = l->gradient[of->index];
    return bad;
}

/* The slopes of one entry of an edge at the point and with every choice. */
static int measure(struct lister *l, const struct nb_visit *v, const struct nb_moved *m, struct nb_kink_met *met)
{
    double at;
    if (slope(l, m, m, 0, &met->convention))
        return -1;
    met->low = INFINITY;
    met->high = -INFINITY;
    bool tie = v->kind == NB_EDGE_TIE || v->kind == NB_EDGE_BELOW;
    for (size_t i = 0; i < (tie ? v->n : 2); i++) {
        const struct nb_moved *moved = tie ? &v->moved[i] : m;
        double by = (tie ? moved->below : i == 0) ? -v->step : v->step;
        if (slope(l, m, moved, by, &at))
            return -1;
        met->low = fmin(met->low, at);
        met->high = fmax(met->high, at);
    }
    return 0;
}

static const char *port_name(const struct nb_module *m, int port)
{
    int i = 0;
    while (i < port && m->inputs[i + 1].name)
        i++;
    return m->inputs[i].name;
}

static int list_entry(struct lister *l, const struct nb_visit *v, const struct nb_moved *m, struct nb_facts *f)
{
    const struct nb_op *op = &l->k->nudge.plan->net.ops.v[v->op];
    struct nb_kink_met *met = &f->kinks[f->nkinks++];
    nb_arena_init(&l->own, (size_t)1 << 30);
    *met = (struct nb_kink_met){.index = m->index, .value = m->base};
    met->node = nb_strdup(l->k->arena, op->node, l->e);
    met->port = nb_strdup(l->k->arena, port_name(nb_op_module(op, NB_F64), m->port), l->e);
    int bad = !met->node || !met->port || stand_at(l, op, m->port) || measure(l, v, m, met);
    nb_arena_done(&l->own);
    return bad ? -1 : 0;
}

int nb_kinks_list(struct nb_kinks *k, struct nb_facts *f, struct nb_error *e)
{
    struct lister l = {.k = k, .e = e};
    if (!k->touched)
        return 0;
    if (!(f->kinks = nb_alloc(k->arena, MOST_LISTED, sizeof *f->kinks, e)) ||
        nb_nudge_gradient(&k->nudge, NULL, k->convention, e)) /* back at the point */
        return -1;
    for (int i = 0; i < k->nudge.nvisit; i++) {
        const struct nb_visit *v = &k->nudge.visit[i];
        size_t n = v->kind == NB_EDGE_SIDE ? 1 : v->n;
        for (size_t j = 0; j < n && f->nkinks < MOST_LISTED && (k->unresolved || k->effect[v->group].n); j++)
            if (list_entry(&l, v, &v->moved[j], f))
                return -1;
    }
    return 0;
}
