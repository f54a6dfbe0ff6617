/* mutants - mistakes planted and judged. */
#include "check/mutants.h"
#include "check/doubt.h"
#include "check/mistake.h"
#include "check/point.h"
#include <math.h>
#include <string.h>

enum { MOST_OPERATIONS = 64 }; /* the last ones, where gradients begin */

struct planter {
    struct nb_checker *k;
    struct nb_session s;
    int64_t batch;
    size_t cap;
    double *room; /* for the largest tensor asked about */
};

/* ---- judging --------------------------------------------------------------------------------------------------- */

/* Numbers with which the check can call anything wrong. */
static bool can_tell(const struct nb_leaf *l)
{
    return l->out->judged && !l->refused;
}

static bool entry_can_tell(const struct nb_leaf *l, size_t i)
{
    switch ((enum nb_reason)l->out->reasons[i]) {
    case NB_WHY_none:
    case NB_WHY_rounding:
    case NB_WHY_no_power:
    case NB_WHY_not_zero:
    case NB_WHY_not_finite:
    case NB_WHY_too_few_digits:
        return !l->z || l->z[i].found || (l->d && l->d[i].found);
    default:
        return false;
    }
}

static bool is_wrong(const struct nb_checker *k, const struct nb_leaf *l, size_t i, double a)
{
    struct nb_entry x = {.candidate = a,
                         .z = {.value = l->out->value[i], .bar = l->out->bar[i], .moved = true, .found = true},
                         .no_d = true,
                         .eps = l->eps,
                         .reach = l->largest,
                         .noise = l->noise ? l->noise[i] : 0,
                         .rho = k->rho,
                         .r_max = k->r_max};
    return nb_judge(&x).verdict == NB_WRONG;
}

static bool is_caught(const struct nb_checker *k, const struct nb_leaf *l, const double *gradient)
{
    for (size_t i = 0; i < l->n; i++)
        if (entry_can_tell(l, i) && is_wrong(k, l, i, gradient[i]))
            return true;
    return false;
}

static int note(struct planter *p, const char *where, const char *mistake, bool caught, struct nb_error *e)
{
    struct nb_verdicts *v = p->k->v;
    where = nb_strdup(p->k->arena, where, e); /* names of nodes are gone when the plan is */
    if (!where || nb_grow(p->k->arena, &v->mutants, v->nmutants, &p->cap, sizeof *v->mutants, e))
        return -1;
    v->mutants[v->nmutants++] = (struct nb_mutant){where, mistake, caught};
    return 0;
}

/* ---- in the gradient of a tensor ------------------------------------------------------------------------------- */

static int plant_in_leaf(struct planter *p, const struct nb_leaf *l, struct nb_error *e)
{
    const struct nb_checker *k = p->k;
    const char *stream = nb_sprintf(k->arena, e, "mutants/%s", l->out->name);
    if (!stream)
        return -1;
    struct nb_truth t = {.n = l->n,
                         .value = l->out->value,
                         .bar = l->out->bar,
                         .shape = &l->out->shape,
                         .batch = p->batch,
                         .rho = k->v->facts.rho,
                         .drawn = !k->c->run.inputs.n && !k->c->run.cotangents_given,
                         .stream = nb_stream_of(k->run.seed, stream)};
    for (const struct nb_mistake *m = nb_mistakes; m->name && l->n; m++) {
        memcpy(p->room, t.value, l->n * sizeof *p->room);
        if (m->plant(&t, p->room) && note(p, l->out->name, m->name, is_caught(k, l, p->room), e))
            return -1;
    }
    return 0;
}

/* ---- while the backward runs ----------------------------------------------------------------------------------- */

static bool any_caught(const struct planter *p)
{
    for (int i = 0; i < p->k->nleaf; i++) {
        const struct nb_leaf *l = &p->k->leaf[i];
        if (can_tell(l) && p->s.grad[l->value] && is_caught(p->k, l, p->s.grad[l->value]))
            return true;
    }
    return false;
}

static int plant_in_op(struct planter *p, struct nb_slip *slip, struct nb_error *e)
{
    const struct nb_op *op = &p->k->p->plan.net.ops.v[slip->back->op];
    p->s.instead = nb_slip_backward;
    p->s.context = slip;
    for (slip->kind = nb_slips; slip->kind->name; slip->kind++) {
        slip->none = false;
        if (!slip->kind->applies(slip, op))
            continue;
        if (nb_session_backward(&p->s, p->k->cotangent, e))
            return -1;
        if (!slip->none && note(p, op->node, slip->kind->name, any_caught(p), e))
            return -1;
    }
    return nb_chunk_done(&p->k->chunks, NULL, 0, 0, 0, e);
}

static size_t largest_outputs(const struct nb_plan *plan)
{
    size_t most = 0;
    for (int b = 0; b < plan->nback; b++) {
        const struct nb_op *op = plan->back[b].op < 0 ? NULL : &plan->net.ops.v[plan->back[b].op];
        size_t n = 0;
        for (int i = 0; op && i < op->nout; i++)
            n += (size_t)nb_count(&plan->net.values.v[op->out[i]].shape);
        most = n > most ? n : most;
    }
    return most;
}

static int plant_in_ops(struct planter *p, struct nb_error *e)
{
    const struct nb_plan *plan = &p->k->p->plan;
    struct nb_slip slip = {.plan = plan, .batch = p->batch, .loss = p->k->p->loss >= 0};
    slip.gout = nb_small(p->k->arena, (size_t)plan->widest + 1, sizeof *slip.gout, e);
    slip.room = nb_alloc(p->k->arena, largest_outputs(plan), sizeof *slip.room, e);
    if (!slip.gout || !slip.room)
        return -1;
    for (int b = 0, done = 0; b < plan->nback && done < MOST_OPERATIONS; b++) {
        slip.back = &plan->back[b];
        if (slip.back->op < 0)
            continue;
        done++;
        if (plant_in_op(p, &slip, e))
            return -1;
    }
    return 0;
}

/* ---- survivors ------------------------------------------------------------------------------------------------- */

static bool named_before(const struct nb_verdicts *v, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!v->mutants[k].caught && !strcmp(v->mutants[k].tensor, v->mutants[i].tensor))
            return true;
    return false;
}

/* One doubt for each place, with all that would pass there. */
static int name_survivors(struct nb_checker *k, struct nb_error *e)
{
    struct nb_verdicts *v = k->v;
    for (size_t i = 0; i < v->nmutants; i++) {
        const char *all = NULL, *where = v->mutants[i].tensor;
        if (v->mutants[i].caught || named_before(v, i))
            continue;
        for (size_t m = i; m < v->nmutants; m++) {
            if (v->mutants[m].caught || strcmp(v->mutants[m].tensor, where))
                continue;
            if (!(all = nb_sprintf(k->arena, e, "%s%s%s", all ? all : "would pass at this point: ", all ? ", " : "",
                                   v->mutants[m].mistake)))
                return -1;
        }
        if (nb_doubt_add(v, "survivors", where, all, k->arena, e))
            return -1;
    }
    return 0;
}

int nb_mutants_plant(struct nb_checker *k, struct nb_error *e)
{
    struct planter p = {.k = k};
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    const char *sample;
    size_t most = 0;
    bool drew;
    nb_point_batch(k->g, &k->p->plan.net, &sample, &p.batch);
    for (int i = 0; i < k->nleaf; i++)
        most = k->leaf[i].n > most ? k->leaf[i].n : most;
    if (k->unsound || k->zero_cotangent)
        return 0;
    if (!(p.room = nb_alloc(k->arena, most, sizeof *p.room, e)) ||
        nb_session_new(&k->p->plan, NB_F64, &fed, k->arena, &p.s, &drew, e) || nb_session_forward(&p.s, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++)
        if (can_tell(&k->leaf[i]) && plant_in_leaf(&p, &k->leaf[i], e))
            return -1;
    if (k->c->order != 2 && plant_in_ops(&p, e))
        return -1;
    return name_survivors(k, e);
}
