/* kinked - at a kink a whole set of gradients is right, and belongs together: the checker judges the submission. */
#include "check/verdict.h"
#include "grade/marking.h"

/* Numbers in float, or numbers of which that cannot be excluded, have a wider tolerance. */
static bool any_float(const struct nb_grading *g)
{
    bool any = false;
    for (size_t i = 0; i < g->submission.gradients.n; i++)
        any |= g->submission.gradients.v[i].t.dtype == NB_F32;
    return any;
}

static int check(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a, struct nb_verdicts *v,
                 struct nb_error *e)
{
    bool single = any_float(g);
    struct nb_check c = {.run = r->point.run,
                         .gradients_given = true,
                         .convention = g->point.convention,
                         .rho = g->point.rho > 0 ? g->point.rho
                                : single         ? NB_RHO_FLOAT
                                                 : NB_RHO_GRADE,
                         .r_max = g->point.r_max > 0 ? g->point.r_max
                                  : single           ? NB_R_MAX_FLOAT
                                                     : 0,
                         .printed = true,
                         .watch = g->point.watch};
    if (nb_graph_dtype(r->g) == NB_F32 && !(g->point.rho > 0))
        c.rho = c.r_max = 0;
    c.run.wrt.n = 0;
    if (!(c.run.wrt.v = nb_small(a, r->n + 1, sizeof *c.run.wrt.v, e)))
        return -1;
    for (size_t i = 0; i < r->n; i++) {
        const struct nb_named *came = nb_handed_in(g, r->v[i].name);
        if (!came || r->v[i].computed)
            continue;
        c.run.wrt.v[c.run.wrt.n++] = r->v[i].name;
        if (nb_tensors_add(a, &c.gradients, came->name, came->t, e))
            return -1;
        c.gradients.v[c.gradients.n - 1].digits = came->digits;
    }
    return c.run.wrt.n ? nb_check_run(r->g, &c, a, v, e) : 0;
}

int nb_judge_kinked(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a, struct nb_graded *out,
                    struct nb_error *e)
{
    struct nb_verdicts v = {0};
    if (check(r, g, a, &v, e))
        return -1;
    for (size_t k = 0; k < v.n; k++) {
        struct nb_truth_of *t = nb_reference_find(r, v.v[k].name);
        struct nb_checked *to = &out->v[t - r->v].checked;
        if (to->verdict == NB_RIGHT || to->reason == NB_WHY_too_few_digits) /* equal to the convention */
            continue;
        const char *name = to->name;
        *to = v.v[k];
        to->name = name;
    }
    return 0;
}
