/* measure - what a graph's own backward gives, how rounding scatters it, and what directions say about it. */
#include "check/oracle.h"
#include "grade/marking.h"
#include "graph/ask.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { STIRS = 4, DIRECTIONS = NB_MEASURED_DIRECTIONS, ROUNDING = 16, NUDGES = 8 };
static const double NUDGE = 0x1p-30; /* far above rounding, far below what an answer is judged by */

/* ---- gradients --------------------------------------------------------------------------------------------------- */

struct measuring {
    struct nb_session s;
    void **cotangent;
    struct nb_arena *arena;
};

static size_t entries(const struct nb_plan *p, int value)
{
    return (size_t)nb_count(&p->net.values.v[value].shape);
}

static bool is_leaf(const struct nb_plan *p, int value)
{
    enum nb_value_kind kind = p->net.values.v[value].kind;
    return kind == NB_V_INPUT || kind == NB_V_PARAM;
}

static int compute(struct measuring *x, struct nb_error *e)
{
    return nb_session_forward(&x->s, e) || nb_session_backward(&x->s, x->cotangent, e) ? -1 : 0;
}

static int take(struct measuring *x, struct nb_measured *m, struct nb_error *e)
{
    const struct nb_plan *p = &m->p->plan;
    m->n = p->wants.nwrt;
    m->value = nb_small(x->arena, (size_t)m->n + 1, sizeof *m->value, e);
    m->scatter = nb_small(x->arena, (size_t)m->n + 1, sizeof *m->scatter, e);
    if (!m->value || !m->scatter)
        return -1;
    for (int i = 0; i < m->n; i++) {
        size_t n = entries(p, p->wants.wrt[i]);
        const double *own = x->s.grad[p->wants.wrt[i]];
        if (!(m->value[i] = nb_zalloc(x->arena, n, sizeof(double), e)) ||
            !(m->scatter[i] = nb_zalloc(x->arena, n, sizeof(double), e)))
            return -1;
        if (own)
            memcpy(m->value[i], own, n * sizeof *own);
        for (size_t k = 0; k < n; k++)
            m->sound &= isfinite(m->value[i][k]);
    }
    return 0;
}

/* A kink is no rounding: all decisions have to stay. */
static void stir(struct measuring *x, struct nb_measured *m, uint64_t decisions)
{
    const struct nb_plan *p = &m->p->plan;
    for (uint64_t r = 1; r <= STIRS; r++) {
        struct nb_error refused = {0};
        x->s.stir = r;
        if (compute(x, &refused) || nb_session_decisions(&x->s, NULL) != decisions)
            continue;
        for (int i = 0; i < m->n; i++) {
            const double *now = x->s.grad[p->wants.wrt[i]];
            size_t n = now ? entries(p, p->wants.wrt[i]) : 0;
            for (size_t k = 0; k < n; k++)
                m->scatter[i][k] = fmax(m->scatter[i][k], fabs(now[k] - m->value[i][k]));
        }
    }
}

int nb_measure(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_measured *m,
               struct nb_error *e)
{
    struct measuring x = {.arena = a};
    struct nb_fed fed = nb_graph_fed(g, run);
    bool drew;
    *m = (struct nb_measured){.sound = true};
    if (!(m->p = nb_graph_plan(g, NB_ASK_PLAIN, run, a, e)) ||
        nb_graph_cotangents(m->p, run, NB_F64, a, &x.cotangent, e) ||
        nb_session_new(&m->p->plan, NB_F64, &fed, a, &x.s, &drew, e) || compute(&x, e) || take(&x, m, e))
        return -1;
    stir(&x, m, nb_session_decisions(&x.s, &m->edges));
    return 0;
}

/* ---- beside kinks ------------------------------------------------------------------------------------------------ */

/* Inputs and learned tensors, each number by a tiny amount either way. */
static int nudge_leaves(struct measuring *x, const struct nb_net *net, int round, struct nb_error *e)
{
    for (size_t v = 0; v < net->values.n; v++) {
        if (!is_leaf(x->s.plan, (int)v) || net->values.v[v].integer || !x->s.data[v] || x->s.plan->root[v] != (int)v)
            continue;
        size_t n = entries(x->s.plan, (int)v);
        double *by = nb_alloc(x->arena, n, sizeof *by, e), *to;
        if (!by || nb_session_own(&x->s, (int)v, x->arena, e))
            return -1;
        to = x->s.data[v];
        nb_draw_amounts((struct nb_stream){34, (uint64_t)(unsigned)round}, (uint64_t)v << 32, n, by);
        for (size_t k = 0; k < n; k++)
            to[k] += NUDGE * by[k] * fmax(1, fabs(to[k]));
    }
    return 0;
}

static void note_jumps(const struct measuring *x, const struct nb_measured *m, unsigned char *const *jumps)
{
    for (int i = 0; i < m->n; i++) {
        int v = m->p->plan.wants.wrt[i];
        const double *now = x->s.grad[v], *here = m->value[i];
        size_t n = now ? entries(&m->p->plan, v) : 0;
        double most = 0;
        for (size_t k = 0; k < n; k++)
            most = fmax(most, fmax(fabs(now[k]), fabs(here[k])));
        for (size_t k = 0; k < n; k++)
            if (fabs(now[k] - here[k]) > 1e-7 * most)
                jumps[i][k] = 1;
    }
}

int nb_measured_jumps(const struct nb_measured *m, struct nb_graph *g, const struct nb_run *run, struct nb_arena *a,
                      unsigned char *const *jumps, struct nb_error *e)
{
    struct nb_fed fed = nb_graph_fed(g, run);
    for (int r = 0; r < NUDGES; r++) {
        struct measuring x = {.arena = a};
        struct nb_error refused = {0};
        bool drew;
        if (nb_graph_cotangents(m->p, run, NB_F64, a, &x.cotangent, e) ||
            nb_session_new(&m->p->plan, NB_F64, &fed, a, &x.s, &drew, e) || nudge_leaves(&x, &m->p->plan.net, r, e))
            return -1;
        if (!compute(&x, &refused))
            note_jumps(&x, m, jumps);
    }
    return 0;
}

void nb_measured_release(struct nb_measured *m)
{
    if (m->p)
        nb_planned_unref(m->p);
    m->p = NULL;
}

/* ---- directions -------------------------------------------------------------------------------------------------- */

struct leaning {
    const struct nb_measured *m;
    const struct nb_plan *plan;
    struct nb_session s; /* complex */
    void **cotangent;
    double *signs;
};
struct answers {
    double sum, claim, bar;
};

/* The leaves are moved together, and what is claimed of them is added up. */
static void lean(struct leaning *x, struct nb_stream stream, int which, struct answers *d)
{
    uint64_t at = 0;
    for (int i = 0; i < x->m->n; i++) {
        int v = x->plan->wants.wrt[i];
        double _Complex *z = x->s.data[v];
        size_t n = is_leaf(x->plan, v) ? entries(x->plan, v) : 0;
        nb_draw_signs(stream, (uint64_t)which << 56 | at, n, x->signs);
        at += (n + 127) / 128;
        for (size_t k = 0; k < n; k++) {
            z[k] = CMPLX(creal(z[k]), x->signs[k] * 0x1p-664);
            d->claim += x->signs[k] * x->m->value[i][k];
            d->bar += ROUNDING * DBL_EPSILON * fabs(x->m->value[i][k]) + ROUNDING * x->m->scatter[i][k];
        }
    }
}

static void answer(const struct leaning *x, struct answers *d)
{
    for (int o = 0; o < x->plan->wants.nseed; o++) {
        int v = x->plan->wants.seed[o];
        const double _Complex *y = x->s.data[v];
        const double *g = x->cotangent[o];
        size_t n = entries(x->plan, v);
        for (size_t k = 0; k < n; k++) {
            double term = g[k] * (cimag(y[k]) / 0x1p-664);
            d->sum += term;
            d->bar += ROUNDING * DBL_EPSILON * fabs(term);
        }
    }
}

static int begin(struct leaning *x, struct nb_graph *g, const struct nb_run *run, struct nb_arena *a,
                 struct nb_error *e)
{
    struct nb_fed fed = nb_graph_fed(g, run);
    size_t most = 0;
    bool drew;
    for (int i = 0; i < x->m->n; i++) {
        size_t n = entries(x->plan, x->plan->wants.wrt[i]);
        most = n > most ? n : most;
    }
    if (nb_graph_cotangents(x->m->p, run, NB_F64, a, &x->cotangent, e) ||
        nb_session_new(x->plan, NB_C128, &fed, a, &x->s, &drew, e) ||
        !(x->signs = nb_alloc(a, most, sizeof *x->signs, e)))
        return -1;
    for (int i = 0; i < x->m->n; i++)
        if (is_leaf(x->plan, x->plan->wants.wrt[i]) && nb_session_own(&x->s, x->plan->wants.wrt[i], a, e))
            return -1;
    return 0;
}

int nb_measured_holds(const struct nb_measured *m, struct nb_graph *g, const struct nb_run *run, struct nb_arena *a,
                      bool *holds, struct nb_error *e)
{
    struct leaning x = {.m = m, .plan = &m->p->plan};
    if (begin(&x, g, run, a, e))
        return -1;
    *holds = true;
    for (int i = 0; i < DIRECTIONS && *holds; i++) {
        struct answers d = {0};
        lean(&x, nb_stream_of(run->seed, "directions"), i, &d);
        if (nb_session_forward(&x.s, e))
            return -1;
        answer(&x, &d);
        *holds = fabs(d.sum - d.claim) <= d.bar;
    }
    return 0;
}
