/* check - the point, the candidate, the oracles, and a verdict for every coordinate asked for. */
#include "check/checker.h"
#include "check/doubt.h"
#include "check/mutants.h"
#include "check/point.h"
#include "check/sweep.h"
#include "nabla/team.h"
#include <math.h>
#include <string.h>

/* ---- is it sound? ---------------------------------------------------------------------------------------------- */

static int check_leaves(const struct nb_checker *k, struct nb_error *e)
{
    const struct nb_plan *plan = &k->p->plan;
    for (int i = 0; i < plan->wants.nwrt; i++) {
        enum nb_value_kind kind = plan->net.values.v[plan->wants.wrt[i]].kind;
        if (kind != NB_V_INPUT && kind != NB_V_PARAM)
            return nb_fail(e, NB_E_bad_reference, "%s is computed; a check takes inputs and learned tensors",
                           k->p->wrt_name[i]),
                   nb_at_index(e, (size_t)i), nb_at(e, "wrt");
    }
    return 0;
}

static int check_names(const struct nb_checker *k, struct nb_error *e)
{
    for (size_t i = 0; k->c->gradients_given && i < k->c->gradients.n; i++) {
        const char *name = k->c->gradients.v[i].name;
        int w = 0;
        while (w < k->p->plan.wants.nwrt && strcmp(k->p->wrt_name[w], name))
            w++;
        if (w == k->p->plan.wants.nwrt)
            return nb_fail(e, NB_E_unknown_reference, "%.80s is not among the tensors checked", name), nb_at(e, name),
                   nb_at(e, "gradients");
    }
    return 0;
}

static bool all_zero(void *const *cotangent, const struct nb_planned *p)
{
    for (int i = 0; i < p->plan.wants.nseed; i++) {
        const double *g = cotangent[i];
        for (int64_t j = 0; j < nb_count(&p->plan.net.values.v[p->plan.wants.seed[i]].shape); j++)
            if (g[j] != 0)
                return false;
    }
    return true;
}

/* ---- the candidate --------------------------------------------------------------------------------------------- */

static int new_arrays(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e)
{
    struct nb_checked *out = l->out;
    out->candidate = nb_zalloc(k->arena, l->n, sizeof *out->candidate, e);
    out->value = nb_zalloc(k->arena, l->n, sizeof *out->value, e);
    out->bar = nb_zalloc(k->arena, l->n, sizeof *out->bar, e);
    out->verdicts = nb_zalloc(k->arena, l->n, 1, e);
    out->reasons = nb_zalloc(k->arena, l->n, 1, e);
    out->complex_step = out->differences = out->differences_bar = NAN;
    out->worst = -1;
    return out->candidate && out->value && out->bar && out->verdicts && out->reasons ? 0 : -1;
}

static struct nb_digits digits_of(const struct nb_tensors *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].name, name))
            return l->v[i].digits;
    return (struct nb_digits){0};
}

/* From the request, or from the graph's own backward. */
static int read_candidate(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e)
{
    struct nb_checked *out = l->out;
    bool first = k->c->order != 2; /* order 2: what is given are products with the Hessian */
    const struct nb_tensor *given =
        k->c->gradients_given && first ? nb_tensors_find(&k->c->gradients, out->name) : NULL;
    l->eps = 0x1p-52;
    if (given && k->c->printed)
        l->digits = digits_of(&k->c->gradients, out->name);
    if (new_arrays(k, l, e))
        return -1;
    if (given && nb_shape_same(&given->shape, &out->shape) != 1) {
        out->verdict = NB_WRONG;
        out->reason = NB_WHY_shape;
        out->wrong = (int64_t)l->n;
    } else if (given && nb_graph_dtype(k->g) != NB_F32) {
        nb_convert(NB_F64, out->candidate, given->dtype, given->data, l->n);
    } else if (k->own.grad[l->value]) {
        memcpy(out->candidate, k->own.grad[l->value], l->n * sizeof *out->candidate);
    }
    return 0;
}

static int new_leaves(struct nb_checker *k, struct nb_error *e)
{
    const struct nb_wants *w = &k->p->plan.wants;
    k->nleaf = w->nwrt;
    k->leaf = nb_zalloc(k->arena, (size_t)w->nwrt + 1, sizeof *k->leaf, e);
    k->v->v = nb_zalloc(k->arena, (size_t)w->nwrt + 1, sizeof *k->v->v, e);
    if (!k->leaf || !k->v->v)
        return -1;
    k->v->n = (size_t)w->nwrt;
    for (int i = 0; i < w->nwrt; i++) {
        struct nb_leaf *l = &k->leaf[i];
        l->value = w->wrt[i];
        l->out = &k->v->v[i];
        l->out->shape = k->p->plan.net.values.v[l->value].shape;
        l->n = (size_t)nb_count(&l->out->shape);
        l->at = (size_t)k->v->facts.asked;
        k->v->facts.asked += (int64_t)l->n;
        if (!(l->out->name = nb_strdup(k->arena, k->p->wrt_name[i], e)) || read_candidate(k, l, e))
            return -1;
    }
    return 0;
}

/* ---- how ------------------------------------------------------------------------------------------------------- */

/* Seconds of one core that coordinate by coordinate would take, roughly: two oracles, ten evaluations an entry. */
static double loop_seconds(const struct nb_checker *k)
{
    return (double)k->v->facts.asked * (10.4 * k->p->plan.cost / 2e9 + 7e-7 * (double)k->p->plan.nsteps);
}

static bool by_structure(const struct nb_checker *k)
{
    if (k->c->method != NB_METHOD_AUTO)
        return k->c->method == NB_METHOD_STRUCTURE;
    return loop_seconds(k) > 0.2 || k->c->coverage == NB_COVER_SIGNED || k->c->coverage == NB_COVER_SAMPLED;
}

static int new_oracles(struct nb_checker *k, const struct nb_fed *fed, struct nb_error *e)
{
    k->slots = loop_seconds(k) > 0.02 ? nb_team_size() : 1;
    if (!(k->oracle = nb_zalloc(k->arena, (size_t)k->slots, sizeof *k->oracle, e)))
        return -1;
    if (nb_oracle_new(&k->p->plan, fed, k->cotangent, k->arena, k->oracle, e))
        return -1;
    for (int i = 1; i < k->slots; i++)
        if (nb_oracle_twin(k->oracle, fed, k->arena, &k->oracle[i], e))
            return -1;
    k->unsound = nb_unsound(k);
    return 0;
}

static int prepare(struct nb_checker *k, struct nb_error *e)
{
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    bool drew;
    if (check_leaves(k, e) || check_names(k, e) ||
        nb_graph_cotangents(k->p, &k->run, NB_F64, k->arena, &k->cotangent, e))
        return -1;
    k->zero_cotangent = all_zero(k->cotangent, k->p);
    if (nb_session_new(&k->p->plan, NB_F64, &fed, k->arena, &k->own, &drew, e) || nb_session_forward(&k->own, e) ||
        nb_session_backward(&k->own, k->cotangent, e))
        return -1;
    if (new_leaves(k, e) || new_oracles(k, &fed, e))
        return -1;
    if (k->unsound || k->zero_cotangent)
        return 0;
    return nb_kinks_meet(&k->plain->plan, &fed, k->cotangent, k->arena, &k->kinks, e);
}

static int estimate(struct nb_checker *k, struct nb_error *e)
{
    bool structure = by_structure(k);
    int64_t of =
        structure && k->c->coverage != NB_COVER_SAMPLED ? nb_sweep_entries(&k->plain->plan) : k->v->facts.asked;
    if (nb_chunks_begin(&k->chunks, k->c->watch, of, e))
        return -1;
    k->v->facts.coverage = NB_COVER_EVERY;
    if (k->unsound || k->zero_cotangent)
        return 0;
    if (!structure)
        return nb_loop(k, e);
    return k->c->coverage == NB_COVER_SAMPLED ? nb_sampled(k, e) : nb_structure(k, e);
}

static void worst_of_all(struct nb_checker *k)
{
    k->v->verdict = k->nleaf ? NB_RIGHT : NB_CANNOT_TELL;
    for (int i = 0; i < k->nleaf; i++)
        if (k->v->v[i].verdict > k->v->verdict)
            k->v->verdict = k->v->v[i].verdict;
}

static void sum_up(struct nb_checker *k)
{
    struct nb_facts *f = &k->v->facts;
    worst_of_all(k);
    for (int i = 0; i < k->slots; i++) {
        f->complex_evaluations += k->oracle[i].complexes;
        f->double_evaluations += k->oracle[i].reals;
    }
    bool single = nb_graph_dtype(k->g) == NB_F32 && !k->c->jacobian && k->c->order != 2;
    double eps = single ? 0x1p-23 : 0x1p-52;
    f->rho = nb_rho(k->rho, eps);
    f->r_max = nb_r_max(k->r_max, eps);
}

/* What was judged so far is the shadow: our own gradients in double. */
static int judge_float(struct nb_checker *k, struct nb_error *e)
{
    int64_t judged = k->v->facts.judged;
    k->v->has_shadow = true;
    k->v->shadow = k->v->verdict;
    if (nb_judge_float(k, e))
        return -1;
    k->v->facts.judged = judged;
    worst_of_all(k);
    return 0;
}

/* In double, whatever the graph's own type. */
static int judge_second(struct nb_checker *k, struct nb_error *e)
{
    int64_t judged = k->v->facts.judged;
    if (nb_judge_second(k, e))
        return -1;
    k->v->facts.judged = judged;
    worst_of_all(k);
    return 0;
}

static int judge_all(struct nb_checker *k, struct nb_error *e)
{
    k->v->self_ok = true;
    if (estimate(k, e) || nb_identities_try(k, e) || nb_judge_kinks(k, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++)
        if (nb_judge_leaf(k, &k->leaf[i], e) || nb_chunk_done(&k->chunks, NULL, 0, 0, k->leaf[i].out->largest_error, e))
            return -1;
    sum_up(k);
    if (nb_kinks_list(&k->kinks, &k->v->facts, e))
        return -1;
    if (k->c->order == 2 ? judge_second(k, e) : nb_graph_dtype(k->g) == NB_F32 && judge_float(k, e))
        return -1;
    if (k->c->curve && k->c->order != 2 && nb_error_curve(k, e))
        return -1;
    if (k->which == 0 && (nb_doubts_find(k, e) || (k->c->power && nb_mutants_plant(k, e))))
        return -1;
    if (nb_graph_warnings(&k->p->plan, k->arena, &k->v->warnings, e))
        return -1;
    return nb_name_formula(k, e);
}

/* The plan without given backwards is the same plan where there are none. */
static int plan(struct nb_checker *k, struct nb_error *e)
{
    if (!(k->p = nb_graph_plan(k->g, NB_ASK_BACKWARD, &k->run, k->arena, e)))
        return -1;
    if (!nb_net_given(&k->p->plan.net)) {
        k->plain = k->p;
        return 0;
    }
    k->plain = nb_graph_plan(k->g, NB_ASK_PLAIN, &k->run, k->arena, e);
    return k->plain ? 0 : -1;
}

void nb_checker_release(struct nb_checker *k)
{
    if (k->plain && k->plain != k->p)
        nb_planned_unref(k->plain);
    if (k->p)
        nb_planned_unref(k->p);
}

/* ---- all of it ----------------------------------------------------------------------------------------------------
 */

static int check_jacobian(struct nb_checker *k, struct nb_error *e)
{
    k->v->self_ok = true;
    if (check_leaves(k, e) || check_names(k, e) ||
        nb_graph_cotangents(k->p, &k->run, NB_F64, k->arena, &k->cotangent, e) || nb_check_jacobian(k, e))
        return -1;
    sum_up(k);
    return nb_graph_warnings(&k->p->plan, k->arena, &k->v->warnings, e);
}

int nb_check_at(struct nb_checker *k, int which, struct nb_error *e)
{
    *k->v = (struct nb_verdicts){.facts.points = 1};
    if (nb_point_draw(k->g, &k->run, which, k->arena, k->v, e))
        return -1;
    if (plan(k, e))
        return -1;
    return k->c->jacobian ? check_jacobian(k, e) : prepare(k, e) || judge_all(k, e) ? -1 : 0;
}

int nb_check_run(struct nb_graph *g, const struct nb_check *c, struct nb_arena *a, struct nb_verdicts *v,
                 struct nb_error *e)
{
    struct nb_checker k = {.g = g, .c = c, .run = c->run, .arena = a, .v = v, .rho = c->rho, .r_max = c->r_max};
    int bad = nb_check_at(&k, 0, e) || nb_check_function(&k, e);
    nb_checker_release(&k);
    return bad ? -1 : 0;
}
