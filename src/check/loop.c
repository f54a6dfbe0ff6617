/* loop - every coordinate through the whole graph: the plain way, for small graphs and for comparison. */
#include "check/checker.h"
#include "nabla/team.h"
#include <math.h>

struct walk {
    struct nb_checker *k;
    struct nb_leaf *l;
    size_t first;
    bool differences;
    struct nb_error *error; /* per slot */
};

static void one_entry(void *context, int slot, int i)
{
    struct walk *w = context;
    struct nb_leaf *l = w->l;
    struct nb_error *e = &w->error[slot];
    size_t at = w->first + (size_t)i;
    if (e->code)
        return;
    if (w->differences && w->k->kinks.touched && w->k->kinks.touched[l->at + at])
        return; /* no step would do */
    struct nb_oracle *o = &w->k->oracle[slot];
    int64_t before = o->reals + o->complexes;
    int bad = w->differences ? nb_differences(o, l->value, at, l->slope, l->reach, &l->d[at], e)
                             : nb_complex_step(o, l->value, at, &l->z[at], e);
    if (bad && e->code == NB_E_bad_value) {
        *e = (struct nb_error){0};
        (w->differences ? l->d : l->z)[at].refused = true;
    }
    (w->differences ? l->d : l->z)[at].evaluations = (int)(o->reals + o->complexes - before);
}

static int first_error(const struct walk *w, struct nb_error *e)
{
    for (int i = 0; i < w->k->slots; i++)
        if (w->error[i].code) {
            *e = w->error[i];
            return -1;
        }
    return 0;
}

/* A number of coordinates that depends on the request alone: few where the graph is large, so that it can be stopped.
 */
static size_t chunk_size(const struct nb_checker *k)
{
    double n = 1e8 / (1e3 + k->p->plan.cost);
    return n < 16 ? 16 : n > 4096 ? 4096 : (size_t)n;
}

/* What a former run evaluated counts like what this one does. */
static void count_recalled(struct walk *w, const struct nb_estimate *n, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *(w->differences ? &w->k->oracle->reals : &w->k->oracle->complexes) += n[i].evaluations;
}

static void compute(struct walk *w, size_t n)
{
    if (w->k->slots > 1)
        nb_team_run(one_entry, w, (int)n);
    for (size_t j = 0; j < n && w->k->slots == 1; j++)
        one_entry(w, 0, (int)j);
}

/* How far the candidate is from the complex steps, at the worst of these entries: for those who follow the work. */
static double worst_of(const struct nb_leaf *l, size_t first, size_t n)
{
    double worst = 0;
    for (size_t i = first; i < first + n; i++) {
        double a = l->out->candidate[i], b = l->z[i].value, m = fmax(fabs(a), fabs(b));
        if (!l->z[i].refused && !(fabs(a - b) <= l->z[i].bar))
            worst = fmax(worst, isfinite(a) ? fabs(a - b) / m : INFINITY);
    }
    return worst;
}

static int walk_leaf(struct walk *w, struct nb_error *e)
{
    struct nb_leaf *l = w->l;
    size_t at_once = chunk_size(w->k);
    struct nb_estimate *to = w->differences ? l->d : l->z;
    for (size_t i = 0; i < l->n; i += at_once) {
        size_t n = l->n - i < at_once ? l->n - i : at_once;
        w->first = i;
        if (nb_chunk_recall(&w->k->chunks, to + i, n * sizeof *to))
            count_recalled(w, to + i, n);
        else
            compute(w, n);
        if (first_error(w, e) ||
            nb_chunk_done(&w->k->chunks, to + i, n * sizeof *to, w->differences ? (int64_t)n : 0, worst_of(l, i, n), e))
            return -1;
    }
    return 0;
}

/* The complex steps tell the slopes that size the rounding of the differences, and how large gradients are. */
static void learn_sizes(struct nb_checker *k, struct nb_leaf *l)
{
    const double *x = k->oracle->d.data[l->value];
    double g = nb_oracle_weight(k->oracle);
    l->slope = nb_companion_slope(k->oracle, l->value);
    for (size_t i = 0; i < l->n; i++) {
        l->slope = fmax(l->slope, g > 0 ? l->z[i].terms / g : 0);
        l->largest = fmax(l->largest, fabs(l->z[i].value));
        l->reach += fabs(x[i]);
    }
    l->largest = fmax(l->largest, l->slope * g);
}

static int estimate(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e)
{
    struct walk w = {.k = k, .l = l};
    w.error = nb_zalloc(k->arena, (size_t)k->slots, sizeof *w.error, e);
    l->z = nb_zalloc(k->arena, l->n, sizeof *l->z, e);
    l->d = nb_zalloc(k->arena, l->n, sizeof *l->d, e);
    if (!w.error || !l->z || !l->d)
        return -1;
    k->chunks.at.tensor = l->out->name;
    if (walk_leaf(&w, e))
        return -1;
    learn_sizes(k, l);
    w.differences = true;
    if (k->c->method == NB_METHOD_COMPLEX)
        return nb_chunk_done(&k->chunks, NULL, 0, (int64_t)l->n, 0, e);
    return walk_leaf(&w, e);
}

int nb_loop(struct nb_checker *k, struct nb_error *e)
{
    k->v->facts.method = "loop";
    for (int i = 0; i < k->nleaf; i++)
        if (!k->leaf[i].out->reason && estimate(k, &k->leaf[i], e))
            return -1;
    return 0;
}
