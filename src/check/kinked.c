/* kinked - the entries of a check that kinks touch: judged together, by the set of all gradients that are right. */
#include "check/checker.h"
#include <math.h>

bool nb_kink_ruling(const struct nb_checker *k, const struct nb_leaf *l, size_t i, struct nb_ruling *r)
{
    const struct nb_kinks *s = &k->kinks;
    size_t at = l->at + i;
    if (!s->touched || !s->touched[at] || k->second)
        return false;
    double a = l->out->candidate[i], n = s->convention[at], m = fmax(fabs(a), fabs(n));
    *r = (struct nb_ruling){.verdict = (enum nb_verdict)k->kinked[at],
                            .reason = isfinite(a) ? NB_WHY_kink : NB_WHY_not_finite,
                            .value = n,
                            .bar = s->noise[at],
                            .error = !isfinite(a) ? INFINITY
                                     : m > 0      ? fabs(a - n) / m
                                                  : 0};
    return true;
}

/* What an entry may be off by without any kink. */
static double allowance(const struct nb_checker *k, const struct nb_leaf *l, size_t i)
{
    const struct nb_kinks *s = &k->kinks;
    double m = fmax(fabs(s->low[l->at + i]), fabs(s->high[l->at + i]));
    return nb_rho(k->rho, l->eps) * m + (l->z && !l->z[i].refused ? l->z[i].bar : 0) +
           nb_half_unit(l->digits, l->out->candidate[i]);
}

int nb_judge_kinks(struct nb_checker *k, struct nb_error *e)
{
    size_t n = k->kinks.nudge.n;
    if (!k->kinks.touched)
        return 0;
    double *candidate = nb_alloc(k->arena, n, sizeof *candidate, e),
           *allowed = nb_alloc(k->arena, n, sizeof *allowed, e);
    if (!candidate || !allowed || !(k->kinked = nb_zalloc(k->arena, n, sizeof *k->kinked, e)))
        return -1;
    for (int i = 0; i < k->nleaf; i++) {
        const struct nb_leaf *l = &k->leaf[i];
        bool shapeless = l->out->reason == NB_WHY_shape; /* judged already: it must not spoil the others */
        for (size_t j = 0; j < l->n; j++) {
            candidate[l->at + j] = shapeless ? k->kinks.convention[l->at + j] : l->out->candidate[j];
            allowed[l->at + j] = allowance(k, l, j);
        }
    }
    return nb_kinks_judge(&k->kinks, candidate, allowed, k->c->convention, k->kinked, e);
}
