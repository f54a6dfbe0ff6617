/* kinked - at a kink a whole set of gradients is right, and belongs together: the checker judges the submission. */
#include "check/verdict.h"
#include "grade/marking.h"
#include <math.h>

static bool fits_float(const struct nb_tensor *t)
{
    const double *v = t->data;
    size_t n = (size_t)nb_count(&t->shape);
    for (size_t i = 0; t->dtype == NB_F64 && i < n; i++)
        if (isfinite(v[i]) && (double)(float)v[i] != v[i])
            return false;
    return true;
}

/* Numbers in float, or of which that cannot be excluded. */
static bool any_float(const struct nb_grading *g, bool surely)
{
    for (size_t i = 0; i < g->submission.gradients.n; i++) {
        const struct nb_named *x = &g->submission.gradients.v[i];
        if (x->t.dtype == NB_F32 || (!surely && (x->digits.significant || fits_float(&x->t))))
            return true;
    }
    return false;
}

static int add_tensors(const struct nb_reference *r, const struct nb_grading *g, struct nb_check *c, struct nb_arena *a,
                       struct nb_error *e)
{
    c->run.wrt.n = 0;
    if (!(c->run.wrt.v = nb_small(a, r->n + 1, sizeof *c->run.wrt.v, e)))
        return -1;
    for (size_t i = 0; i < r->n; i++) {
        const struct nb_named *came = nb_handed_in(g, r->v[i].name);
        if (!came || r->v[i].computed)
            continue;
        c->run.wrt.v[c->run.wrt.n++] = r->v[i].name;
        if (nb_tensors_add(a, &c->gradients, came->name, came->t, e))
            return -1;
        c->gradients.v[c->gradients.n - 1].digits = came->digits;
    }
    return 0;
}

static int check(const struct nb_reference *r, const struct nb_grading *g, bool single, struct nb_arena *a,
                 struct nb_verdicts *v, struct nb_error *e)
{
    double exact = g->submission.form == NB_FORMULAS ? NB_RHO_FORMULAS : NB_RHO_GRADE;
    struct nb_check c = {.run = r->point.run,
                         .gradients_given = true,
                         .convention = g->point.convention,
                         .rho = g->point.rho > 0 ? g->point.rho
                                : single         ? NB_RHO_FLOAT
                                                 : exact,
                         .r_max = g->point.r_max > 0 ? g->point.r_max
                                  : single           ? NB_R_MAX_FLOAT
                                                     : 0,
                         .printed = true,
                         .watch = g->point.watch};
    return add_tensors(r, g, &c, a, e) || (c.run.wrt.n && nb_check_run(r->g, &c, a, v, e)) ? -1 : 0;
}

static void take(const struct nb_reference *r, const struct nb_verdicts *v, struct nb_graded *out)
{
    for (size_t k = 0; k < v->n; k++) {
        struct nb_truth_of *t = nb_reference_find(r, v->v[k].name);
        struct nb_checked *to = &out->v[t - r->v].checked;
        if (to->verdict == NB_RIGHT || to->reason == NB_WHY_too_few_digits) /* equal to the convention */
            continue;
        *to = v->v[k];
        to->name = t->name;
    }
}

/* As numbers in double first, unless they are not. */
int nb_judge_kinked(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a, struct nb_graded *out,
                    struct nb_error *e)
{
    bool single = nb_graph_dtype(r->g) == NB_F32 || any_float(g, true);
    struct nb_verdicts v = {0};
    if (check(r, g, single, a, &v, e))
        return -1;
    take(r, &v, out);
    if (v.verdict == NB_RIGHT || single || g->submission.form == NB_FORMULAS || !any_float(g, false))
        return 0;
    v = (struct nb_verdicts){0};
    if (check(r, g, true, a, &v, e))
        return -1;
    take(r, &v, out);
    return 0;
}
