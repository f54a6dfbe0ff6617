/* identities - what every backward keeps, whatever the function: nothing is written but gradients, the same call gives
 * the same bits, and gradients are linear in the cotangent. No oracle is needed, and none is replaced. */
#include "check/checker.h"
#include "nabla/limits.h"
#include <math.h>
#include <string.h>

static int64_t entries(const struct nb_session *s, int v)
{
    return nb_count(&s->plan->net.values.v[v].shape);
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; b && i < n; i++)
        hash = (hash ^ b[i]) * 1099511628211u;
    return hash;
}

/* Of inputs, learned tensors and cotangents. */
static uint64_t arguments(const struct nb_checker *k)
{
    const struct nb_session *s = &k->own;
    const struct nb_net *net = &s->plan->net;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < net->inputs.n; i++)
        hash = mix(hash, s->data[net->inputs.v[i].value], 8 * (size_t)entries(s, net->inputs.v[i].value));
    for (size_t i = 0; i < net->learned.n; i++)
        hash = mix(hash, s->data[net->learned.v[i].value], 8 * (size_t)entries(s, net->learned.v[i].value));
    for (int i = 0; i < s->plan->wants.nseed; i++)
        hash = mix(hash, k->cotangent[i], 8 * (size_t)entries(s, s->plan->wants.seed[i]));
    return hash;
}

static int backward_of(struct nb_checker *k, double factor, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_wants *w = &k->own.plan->wants;
    void **g = nb_small(a, (size_t)w->nseed + 1, sizeof *g, e);
    for (int i = 0; i < w->nseed && g; i++) {
        int64_t n = entries(&k->own, w->seed[i]);
        if (!(g[i] = nb_alloc(a, (size_t)n, sizeof(double), e)))
            return -1;
        for (int64_t j = 0; j < n; j++)
            ((double *)g[i])[j] = factor * ((const double *)k->cotangent[i])[j];
    }
    return g ? nb_session_backward(&k->own, g, e) : -1;
}

static int accuse(struct nb_checker *k, const char *where, const char *what, struct nb_error *e)
{
    k->v->self_ok = false;
    if (!k->v->facts.fault)
        k->v->facts.fault = nb_sprintf(k->arena, e, "%s: %s", where, what);
    return k->v->facts.fault ? 0 : -1;
}

/* Powers of two are exact but where numbers end. */
static bool scaled(double now, double first, double factor)
{
    double want = factor * first;
    return !isfinite(want) || fabs(want) < 0x1p-900 ? factor != 0 || !isfinite(want) || now == 0
                                                    : fabs(now - want) <= 0x1p-40 * fabs(want);
}

static int compare(struct nb_checker *k, double **first, double factor, const char *what, struct nb_error *e)
{
    for (int i = 0; i < k->nleaf; i++) {
        const double *now = k->own.grad[k->leaf[i].value];
        bool holds = true;
        for (size_t j = 0; j < k->leaf[i].n && now && holds; j++)
            holds = factor == 1 ? !memcmp(&now[j], &first[i][j], sizeof *now) : scaled(now[j], first[i][j], factor);
        if (!holds && accuse(k, k->leaf[i].out->name, what, e))
            return -1;
    }
    return 0;
}

static double **gradients(struct nb_checker *k, struct nb_arena *a, struct nb_error *e)
{
    double **to = nb_small(a, (size_t)k->nleaf + 1, sizeof *to, e);
    for (int i = 0; i < k->nleaf && to; i++) {
        const double *now = k->own.grad[k->leaf[i].value];
        if (!(to[i] = nb_zalloc(a, k->leaf[i].n, sizeof(double), e)))
            return NULL;
        if (now)
            memcpy(to[i], now, k->leaf[i].n * sizeof *now);
    }
    return to;
}

/* Twice the cotangent, and none. Formulas of a user may do as they like: they are judged by their numbers. */
static int try_factors(struct nb_checker *k, double **first, struct nb_arena *a, struct nb_error *e)
{
    if (nb_net_given(&k->p->plan.net))
        return 0;
    if (backward_of(k, 2, a, e) || compare(k, first, 2, "twice the cotangent does not give twice the gradient", e))
        return -1;
    return backward_of(k, 0, a, e) || compare(k, first, 0, "a cotangent of zero does not give zero", e) ? -1 : 0;
}

static int try_all(struct nb_checker *k, struct nb_arena *a, struct nb_error *e)
{
    uint64_t before = arguments(k);
    double **first = gradients(k, a, e);
    if (!first || nb_session_backward(&k->own, k->cotangent, e))
        return -1;
    if (arguments(k) != before && accuse(k, "backward", "it writes into its arguments", e))
        return -1;
    if (compare(k, first, 1, "the same call gives other bits", e) || try_factors(k, first, a, e))
        return -1;
    return nb_session_backward(&k->own, k->cotangent, e);
}

int nb_identities_try(struct nb_checker *k, struct nb_error *e)
{
    struct nb_arena room;
    nb_arena_init(&room, (size_t)nb_limits.memory);
    int bad = try_all(k, &room, e);
    nb_arena_done(&room);
    return bad;
}
