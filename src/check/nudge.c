/* nudge - edges found and left. */
#include "check/nudge.h"
#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifndef CMPLX /* clang 14 with glibc */
#define CMPLX(x, y) __builtin_complex((double)(x), (double)(y))
#endif

static const double STEP = 0x1p-40, CORNER_STEP = 0x1p-26, H = 0x1p-664;
enum { MOST_EDGES = 1 << 20 };

static size_t entries(const struct nb_nudge *n, int v)
{
    return (size_t)nb_count(&n->plan->net.values.v[v].shape);
}

/* ---- the edges of one operation ---------------------------------------------------------------------------------- */

static double largest(const struct nb_nudge *n, int v)
{
    const double *x = n->d.data[v];
    double most = 0;
    for (size_t i = 0; i < entries(n, v); i++)
        most = isfinite(x[i]) ? fmax(most, fabs(x[i])) : most;
    return most;
}

struct around { /* the largest entry of the tensor looked at last */
    int value;
    double size;
};

/* In proportion to the entries moved; where they are 0, to the tensor around them. */
static double step_of(const struct nb_nudge *n, const struct nb_visit *v, struct around *a)
{
    double size = 0;
    for (size_t i = 0; i < (v->kind == NB_EDGE_SIDE ? 1 : v->n); i++)
        size = fmax(size, fabs(v->moved[i].base));
    if (size > 0)
        return size * (v->kind == NB_EDGE_CORNER ? CORNER_STEP : STEP);
    if (a->value != v->moved[0].value)
        *a = (struct around){v->moved[0].value, largest(n, v->moved[0].value)};
    return STEP * (a->size > 0 && a->size < 1 ? a->size : 1);
}

static size_t same_edge(const struct nb_edge *edge, int64_t count)
{
    size_t n = 1;
    bool side = edge->kind == NB_EDGE_SIDE, corner = edge->kind == NB_EDGE_CORNER;
    while ((int64_t)n < count && edge[n].tie == edge->tie && (edge[n].kind == NB_EDGE_SIDE) == side &&
           (edge[n].kind == NB_EDGE_CORNER) == corner)
        n++;
    return n;
}

/* Any direction will do to begin with. */
static void point_somewhere(struct nb_visit *v)
{
    double sum = 0;
    for (size_t i = 0; i < v->n; i++) {
        v->moved[i].direction = nb_uniform((struct nb_stream){26, 40}, i) - 0.5;
        sum += v->moved[i].direction * v->moved[i].direction;
    }
    for (size_t i = 0; i < v->n; i++)
        v->moved[i].direction /= sqrt(sum);
}

static int add_visit(struct nb_nudge *n, int index, const struct nb_edge *edge, size_t count, struct around *a,
                     struct nb_error *e)
{
    const struct nb_op *op = &n->plan->net.ops.v[index];
    size_t first = 0;
    while (first < count && !n->varies[op->in[edge[first].port]])
        first++;
    if (first == count)
        return 0;
    struct nb_visit *v = &n->visit[n->nvisit++];
    *v = (struct nb_visit){.op = index, .kind = edge->kind, .n = count};
    if (!(v->moved = nb_zalloc(n->arena, count, sizeof *v->moved, e)))
        return -1;
    for (size_t i = 0; i < count; i++) {
        int value = n->plan->root[op->in[edge[i].port]];
        v->moved[i] = (struct nb_moved){.port = edge[i].port,
                                        .value = value,
                                        .index = edge[i].index,
                                        .base = ((const double *)n->d.data[value])[edge[i].index],
                                        .below = edge[i].kind == NB_EDGE_BELOW};
    }
    if (v->kind == NB_EDGE_SIDE) { /* the one that is moved */
        struct nb_moved m = v->moved[first];
        v->moved[first] = v->moved[0];
        v->moved[0] = m;
    }
    v->step = step_of(n, v, a);
    point_somewhere(v);
    return 0;
}

static int visit_op(struct nb_nudge *n, int op, struct nb_branches *b, struct nb_error *e)
{
    struct around a = {.value = -1};
    *b = (struct nb_branches){.edge = b->edge, .room = b->room};
    nb_session_branches(&n->d, op, b);
    for (int64_t i = 0; i < b->count;) {
        size_t same = same_edge(b->edge + i, b->count - i);
        if (add_visit(n, op, b->edge + i, same, &a, e))
            return -1;
        i += (int64_t)same;
    }
    return 0;
}

static int visit_all(struct nb_nudge *n, struct nb_error *e)
{
    const struct nb_plan *p = n->plan;
    int64_t total = 0, most = 0;
    for (int k = 0; k < p->nsteps; k++) {
        struct nb_branches b = {0};
        nb_session_branches(&n->d, p->step[k], &b);
        total += b.count;
        most = b.count > most ? b.count : most;
    }
    if (!total || total > MOST_EDGES)
        return 0;
    struct nb_branches b = {.room = most, .edge = nb_alloc(n->arena, (size_t)most, sizeof *b.edge, e)};
    n->visit = nb_alloc(n->arena, (size_t)total, sizeof *n->visit, e);
    if (!b.edge || !n->visit)
        return -1;
    for (int k = 0; k < p->nsteps; k++)
        if (visit_op(n, p->step[k], &b, e))
            return -1;
    return 0;
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */

struct mover {
    int value, visit;
    int64_t index;
};

static int by_place(const void *a, const void *b)
{
    const struct mover *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return (x->visit > y->visit) - (x->visit < y->visit);
}

static bool same_place(const struct mover *x, const struct mover *y)
{
    return x->value == y->value && x->index == y->index;
}

/* What an edge moves: one entry to a side, or all that are tied or make a corner. */
static size_t movers_of(const struct nb_visit *v)
{
    return v->kind == NB_EDGE_SIDE ? 1 : v->n;
}

static int list_movers(struct nb_nudge *n, struct mover **list, size_t *count, struct nb_error *e)
{
    *count = 0;
    for (int k = 0; k < n->nvisit; k++)
        *count += movers_of(&n->visit[k]);
    if (!(*list = nb_alloc(n->arena, *count, sizeof **list, e)))
        return -1;
    struct mover *m = *list;
    for (int k = 0; k < n->nvisit; k++)
        for (size_t i = 0; i < movers_of(&n->visit[k]); i++)
            *m++ = (struct mover){n->visit[k].moved[i].value, k, n->visit[k].moved[i].index};
    qsort(*list, *count, sizeof **list, by_place);
    return 0;
}

/* Sides of one entry are one choice, however many operations stand there. */
static void join_sides(struct nb_nudge *n, const struct mover *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct nb_visit *v = &n->visit[list[i].visit], *before = &n->visit[list[i - 1].visit];
        if (same_place(&list[i], &list[i - 1]) && v->kind == NB_EDGE_SIDE && before->kind == NB_EDGE_SIDE)
            v->group = before->group;
    }
}

static int number_groups(struct nb_nudge *n, struct nb_error *e)
{
    int *number = nb_alloc(n->arena, (size_t)n->nvisit, sizeof *number, e);
    n->choices = nb_alloc(n->arena, (size_t)n->nvisit, sizeof *n->choices, e);
    n->pinned = nb_zalloc(n->arena, (size_t)n->nvisit, sizeof *n->pinned, e);
    if (!number || !n->choices || !n->pinned)
        return -1;
    for (int k = 0; k < n->nvisit; k++) { /* a group is called by its first visit until here */
        struct nb_visit *v = &n->visit[k];
        if (v->group == k) {
            bool tie = v->kind == NB_EDGE_TIE || v->kind == NB_EDGE_BELOW;
            n->choices[n->ngroup] = tie ? (int)v->n : 2;
            number[k] = n->ngroup++;
        }
        v->group = number[v->group];
    }
    return 0;
}

static bool moved_by_another(const struct nb_nudge *n, const struct mover *list, size_t count, const struct nb_visit *v,
                             const struct nb_moved *m)
{
    struct mover key = {m->value, -1, m->index};
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (by_place(&list[mid], &key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < count && same_place(&list[low], &key); low++)
        if (n->visit[list[low].visit].group != v->group)
            return true;
    return false;
}

static int group_visits(struct nb_nudge *n, struct nb_error *e)
{
    struct mover *list;
    size_t count;
    for (int k = 0; k < n->nvisit; k++)
        n->visit[k].group = k;
    if (list_movers(n, &list, &count, e))
        return -1;
    join_sides(n, list, count);
    if (number_groups(n, e))
        return -1;
    for (int k = 0; k < n->nvisit; k++)
        for (size_t i = 0; i < n->visit[k].n; i++) {
            struct nb_moved *m = &n->visit[k].moved[i];
            m->stays = moved_by_another(n, list, count, &n->visit[k], m);
        }
    return 0;
}

/* ---- off the edges ----------------------------------------------------------------------------------------------- */

/* Entries of a value may be changed here without anyone else noticing. */
static int own(struct nb_nudge *n, struct nb_session *s, struct nb_error *e)
{
    bool *owned = nb_zalloc(n->arena, n->plan->net.values.n, 1, e);
    if (!owned)
        return -1;
    for (int i = 0; i < n->plan->wants.nwrt; i++) {
        int v = n->plan->root[n->plan->wants.wrt[i]];
        if (!owned[v] && nb_session_own(s, v, n->arena, e))
            return -1;
        owned[v] = true;
    }
    for (int k = 0; k < n->nvisit; k++)
        for (size_t i = 0; i < n->visit[k].n; i++) {
            int v = n->visit[k].moved[i].value;
            if (!owned[v] && n->plan->net.values.v[v].kind != NB_V_OP && nb_session_own(s, v, n->arena, e))
                return -1;
            owned[v] = true;
        }
    return 0;
}

/* The real part of an entry. */
static double *place_of(struct nb_session *s, const struct nb_moved *m)
{
    return (double *)((char *)s->data[m->value] + (size_t)m->index * nb_dtype_size(s->dtype));
}

static void put_back(struct nb_session *s, const struct nb_visit *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (!v->moved[i].stays)
            *place_of(s, &v->moved[i]) = v->moved[i].base;
}

static void leave(const struct nb_nudge *n, struct nb_session *s, const struct nb_visit *v, int choice)
{
    double step = v->step * n->scale;
    bool corner = v->kind == NB_EDGE_CORNER, side = v->kind == NB_EDGE_SIDE;
    for (size_t i = 0; i < (side ? 1 : v->n); i++) {
        const struct nb_moved *m = &v->moved[i];
        double by = side || corner ? (choice ? step : -step) : (int)i == choice ? (m->below ? -step : step) : 0;
        if (by != 0)
            *place_of(s, m) = m->base + by * (corner ? m->direction : 1);
    }
}

static void leave_all(const struct nb_nudge *n, struct nb_session *s, int from, int to, const int *choice)
{
    for (int k = from; k < to; k++)
        put_back(s, &n->visit[k]);
    for (int k = from; k < to; k++)
        if (!n->pinned[n->visit[k].group])
            leave(n, s, &n->visit[k], choice[n->visit[k].group]);
}

/* Forward, leaving every edge when its operation's turn comes. */
static int run(const struct nb_nudge *n, struct nb_session *s, const int *choice, struct nb_error *e)
{
    int from = 0, last = (int)n->plan->net.ops.n;
    for (int k = 0, next; k < n->nvisit && choice; k = next) {
        int op = n->visit[k].op;
        if (nb_session_part(s, from, op, e))
            return -1;
        for (next = k; next < n->nvisit && n->visit[next].op == op;)
            next++;
        leave_all(n, s, k, next, choice);
        from = op;
    }
    return nb_session_part(s, from, last, e);
}

/* What is not computed must be as it was. */
static void come_back(const struct nb_nudge *n, struct nb_session *s)
{
    for (int k = 0; k < n->nvisit; k++)
        for (size_t i = 0; i < n->visit[k].n; i++) {
            const struct nb_moved *m = &n->visit[k].moved[i];
            if (n->plan->net.values.v[m->value].kind != NB_V_OP)
                *place_of(s, m) = m->base;
        }
}

int nb_nudge_gradient(struct nb_nudge *n, const int *choice, double *gradient, struct nb_error *e)
{
    n->runs++;
    int bad = run(n, &n->d, choice, e) || nb_session_backward(&n->d, n->cotangent, e);
    come_back(n, &n->d);
    for (int i = 0; i < n->plan->wants.nwrt && !bad; i++) {
        int v = n->plan->wants.wrt[i];
        if (n->d.grad[v])
            memcpy(gradient, n->d.grad[v], entries(n, v) * sizeof *gradient);
        else
            memset(gradient, 0, entries(n, v) * sizeof *gradient);
        gradient += entries(n, v);
    }
    return bad ? -1 : 0;
}

static bool leapt(const struct nb_nudge *n, double *const *once, double *const *twice)
{
    for (int k = 0; k < n->plan->wants.nseed; k++) {
        size_t count = entries(n, n->plan->wants.seed[k]);
        double size = 0;
        for (size_t j = 0; j < count; j++)
            size = fmax(size, fabs(n->base[k][j]));
        for (size_t j = 0; j < count; j++) {
            double d = fabs(once[k][j] - n->base[k][j]);
            if (!(d <= 1e-10 * size) && !(fabs(twice[k][j] - n->base[k][j]) >= 1.5 * d))
                return true;
        }
    }
    return false;
}

static int keep_outputs(struct nb_nudge *n, double ***to, struct nb_error *e)
{
    if (!(*to = nb_small(n->arena, (size_t)n->plan->wants.nseed + 1, sizeof **to, e)))
        return -1;
    for (int k = 0; k < n->plan->wants.nseed; k++)
        if (!((*to)[k] = nb_alloc(n->arena, entries(n, n->plan->wants.seed[k]), sizeof ***to, e)))
            return -1;
    return 0;
}

static int outputs(struct nb_nudge *n, const int *choice, double scale, double **to, struct nb_error *e)
{
    n->runs++;
    n->scale = scale;
    int bad = run(n, &n->d, choice, e);
    n->scale = 1;
    for (int k = 0; k < n->plan->wants.nseed && !bad; k++)
        memcpy(to[k], n->d.data[n->plan->wants.seed[k]], entries(n, n->plan->wants.seed[k]) * sizeof **to);
    come_back(n, &n->d);
    return bad;
}

int nb_nudge_leaps(struct nb_nudge *n, const int *choice, bool *leaps, struct nb_error *e)
{
    if (outputs(n, choice, 1, n->once, e) || outputs(n, choice, 2, n->twice, e))
        return -1;
    *leaps = leapt(n, n->once, n->twice);
    return 0;
}

/* ---- directions -------------------------------------------------------------------------------------------------- */

/* Imaginary parts of a tensor asked about: h times r, or random signs if r is NULL; none for h = 0. */
static void tilt(struct nb_nudge *n, int v, const double *r, double h)
{
    double _Complex *z = n->z.data[v];
    for (size_t i = 0; i < entries(n, v); i++)
        z[i] = CMPLX(creal(z[i]), h * (r ? r[i] : nb_word((struct nb_stream){27, 41}, i) & 1 ? 1 : -1));
}

/* Sum of the cotangents times what the outputs do. */
static double answer(const struct nb_nudge *n, double *terms)
{
    double sum = 0;
    for (int k = 0; k < n->plan->wants.nseed; k++) {
        const double _Complex *y = n->z.data[n->plan->wants.seed[k]];
        const double *g = n->cotangent[k];
        for (size_t j = 0; j < entries(n, n->plan->wants.seed[k]); j++) {
            sum += g[j] * (cimag(y[j]) / H);
            *terms += fabs(g[j] * (cimag(y[j]) / H));
        }
    }
    return sum;
}

int nb_nudge_verify(struct nb_nudge *n, const int *choice, const double *gradient, const double *noise, bool *agrees,
                    struct nb_error *e)
{
    *agrees = true;
    for (int i = 0; i < n->plan->wants.nwrt && *agrees; i++) {
        int v = n->plan->wants.wrt[i];
        double terms = 0, claim = 0, bar = 0;
        tilt(n, v, NULL, H);
        int bad = run(n, &n->z, choice, e);
        double sum = bad ? 0 : answer(n, &terms);
        come_back(n, &n->z);
        for (size_t k = 0; k < entries(n, v); k++) {
            double signed_entry = nb_word((struct nb_stream){27, 41}, k) & 1 ? gradient[k] : -gradient[k];
            claim += signed_entry;
            terms += fabs(signed_entry);
            bar += 8 * noise[k];
        }
        tilt(n, v, NULL, 0);
        gradient += entries(n, v);
        noise += entries(n, v);
        if (bad)
            return -1;
        *agrees = fabs(sum - claim) <= 1e-8 * terms + bar;
    }
    return 0;
}

static void turn(struct nb_nudge *n, struct nb_visit *v)
{
    double sum = 0;
    for (size_t i = 0; i < v->n; i++) {
        double to = place_of(&n->z, &v->moved[i])[1] / H;
        sum += to * to;
    }
    for (size_t i = 0; i < v->n && sum > 0 && isfinite(sum); i++)
        v->moved[i].direction = place_of(&n->z, &v->moved[i])[1] / H / sqrt(sum);
}

int nb_nudge_lean(struct nb_nudge *n, const double *r, struct nb_error *e)
{
    const struct nb_wants *w = &n->plan->wants;
    const double *at = r;
    for (int i = 0; i < w->nwrt; at += entries(n, w->wrt[i]), i++)
        tilt(n, w->wrt[i], at, H);
    int bad = run(n, &n->z, NULL, e);
    for (int k = 0; k < n->nvisit && !bad; k++)
        if (n->visit[k].kind == NB_EDGE_CORNER)
            turn(n, &n->visit[k]);
    for (int i = 0; i < w->nwrt; i++)
        tilt(n, w->wrt[i], NULL, 0);
    return bad ? -1 : 0;
}

/* ---- setting up -------------------------------------------------------------------------------------------------- */

static bool branches(const struct nb_plan *p)
{
    for (int k = 0; k < p->nsteps; k++)
        if (nb_op_module(&p->net.ops.v[p->step[k]], NB_F64)->branches)
            return true;
    return false;
}

/* Stops let nothing through, here as in the oracles. */
static int find_varying(struct nb_nudge *n, struct nb_error *e)
{
    const struct nb_plan *p = n->plan;
    if (!(n->varies = nb_zalloc(n->arena, p->net.values.n + 1, sizeof *n->varies, e)))
        return -1;
    for (int i = 0; i < p->wants.nwrt; i++)
        n->varies[p->wants.wrt[i]] = true;
    for (int k = 0; k < p->nsteps; k++) {
        const struct nb_op *op = &p->net.ops.v[p->step[k]];
        bool any = false;
        for (int i = 0; i < op->nin; i++)
            any |= op->in[i] >= 0 && n->varies[op->in[i]];
        for (int i = 0; i < op->nw; i++)
            any |= n->varies[op->w[i]];
        for (int i = 0; i < op->nout && !nb_op_module(op, NB_F64)->stop; i++)
            n->varies[op->out[i]] = any;
    }
    return 0;
}

static int prepare(struct nb_nudge *n, struct nb_session *s, struct nb_error *e)
{
    return own(n, s, e) || nb_session_forward(s, e) || nb_session_hold(s, n->arena, e) ? -1 : 0;
}

int nb_nudge_new(const struct nb_plan *plan, const struct nb_fed *fed, void *const *cotangent, struct nb_arena *a,
                 struct nb_nudge *n, struct nb_error *e)
{
    bool drew;
    *n = (struct nb_nudge){.plan = plan, .cotangent = cotangent, .arena = a, .scale = 1};
    for (int i = 0; i < plan->wants.nwrt; i++)
        n->n += entries(n, plan->wants.wrt[i]);
    if (!branches(plan))
        return 0;
    if (nb_session_new(plan, NB_F64, fed, a, &n->d, &drew, e) || nb_session_forward(&n->d, e) || find_varying(n, e) ||
        visit_all(n, e))
        return -1;
    if (!n->nvisit)
        return 0;
    if (nb_session_new(plan, NB_C128, fed, a, &n->z, &drew, e) || group_visits(n, e) || prepare(n, &n->d, e) ||
        prepare(n, &n->z, e) || keep_outputs(n, &n->base, e) || keep_outputs(n, &n->once, e) ||
        keep_outputs(n, &n->twice, e))
        return -1;
    return outputs(n, NULL, 1, n->base, e);
}
