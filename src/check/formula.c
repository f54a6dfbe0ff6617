/* formula - which formula of a given backward is at fault. */
#include "check/checker.h"
#include <math.h>
#include <string.h>

/* The derivative of one module alone, by complex step over its own operations, against what its formula gave. */
static int entry_differs(struct nb_checker *k, struct nb_session *z, const struct nb_given *g,
                         const struct nb_given_entry *x, bool *differs, struct nb_error *e)
{
    double _Complex *t = z->data[x->target];
    const double *got = k->own.data[x->result];
    for (int64_t i = 0; i < nb_count(&k->p->plan.net.values.v[x->target].shape) && !*differs; i++) {
        double _Complex keep = t[i];
        double n = 0, terms = 0;
        t[i] = CMPLX(creal(keep), 0x1p-664);
        int bad = nb_session_part(z, g->first, g->last, e);
        t[i] = keep;
        if (bad)
            return -1;
        for (int o = 0; o < g->nout; o++) {
            const double _Complex *y = z->data[g->out[o]];
            const double *go = k->own.data[g->g[o]];
            for (int64_t j = 0; go && j < nb_count(&k->p->plan.net.values.v[g->out[o]].shape); j++) {
                n += go[j] * (cimag(y[j]) / 0x1p-664);
                terms += fabs(go[j] * (cimag(y[j]) / 0x1p-664));
            }
        }
        *differs = !(fabs(got[i] - n) <= 1e-9 * terms);
    }
    return 0;
}

static int find_formula(struct nb_checker *k, const char **place, struct nb_error *e)
{
    struct nb_session z;
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    const struct nb_plan *plan = &k->p->plan;
    bool drew;
    if (nb_session_new(plan, NB_C128, &fed, k->arena, &z, &drew, e) || nb_session_forward(&z, e))
        return -1;
    for (int b = 0; b < plan->nback && !*place; b++) {
        const struct nb_given *g = plan->back[b].given >= 0 ? &plan->net.given.v[plan->back[b].given] : NULL;
        for (int i = 0; g && i < g->n && !*place; i++) {
            bool differs = false;
            if (plan->back[b].in[i] == NB_NO_FLOW)
                continue;
            int target = g->entry[i].target;
            if (plan->root[target] == target && plan->at[target] == NB_NOWHERE &&
                nb_session_own(&z, target, k->arena, e))
                return -1;
            if (entry_differs(k, &z, g, &g->entry[i], &differs, e))
                return -1;
            *place = differs ? nb_strdup(k->arena, g->entry[i].place, e) : NULL;
            if (nb_session_part(&z, g->first, g->last, e)) /* leave the module as it was */
                return -1;
        }
    }
    return 0;
}

int nb_name_formula(struct nb_checker *k, struct nb_error *e)
{
    const char *place = NULL;
    if (k->v->verdict != NB_WRONG || !k->p->plan.net.given.n)
        return 0;
    if (find_formula(k, &place, e))
        return -1;
    for (size_t i = 0; i < k->v->n; i++)
        if (k->v->v[i].verdict == NB_WRONG &&
            !(k->c->gradients_given && nb_tensors_find(&k->c->gradients, k->v->v[i].name)))
            k->v->v[i].place = place;
    return 0;
}
