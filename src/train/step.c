/* step.c - backward, clip, update. The gradient is ours to change; all else is written into the next snapshot. */
#include "train/step.h"
#include "graph/snapshot.h"
#include "nabla/bulk.h"
#include <math.h>
#include <string.h>

/* ---- which tensors ----------------------------------------------------------------------------------------------- */

static int learned_at(const struct nb_graph *g, const char *name)
{
    for (size_t i = 0; i < g->parameters.n; i++)
        if (!strcmp(g->parameters.v[i].name, name))
            return (int)i;
    return -1;
}

static bool loss_chooses(const struct nb_graph *g, const char *loss)
{
    for (size_t i = 0; i < g->net.losses.n; i++)
        if (!loss || !strcmp(g->net.losses.v[i].name, loss))
            return g->net.losses.v[i].nwrt >= 0;
    return false;
}

/* Without a choice: every tensor that is learned. */
static int choose(const struct nb_graph *g, struct nb_run *run, struct nb_arena *a, struct nb_error *e)
{
    if (run->wrt_given || loss_chooses(g, run->loss))
        return 0;
    run->wrt = (struct nb_strings_list){0, nb_small(a, g->net.learned.n + 1, sizeof *run->wrt.v, e)};
    for (size_t i = 0; run->wrt.v && i < g->net.learned.n; i++) {
        const struct nb_learned *l = &g->net.learned.v[i];
        if (!l->buffer && !l->frozen && l->tie < 0)
            run->wrt.v[run->wrt.n++] = l->name;
    }
    run->wrt_given = true;
    return run->wrt.v ? 0 : -1;
}

static int check_learned(const struct nb_graph *g, const struct nb_tensors *gradients, struct nb_error *e)
{
    for (size_t i = 0; i < gradients->n; i++)
        if (learned_at(g, gradients->v[i].name) < 0)
            return nb_fail(e, NB_E_bad_value, "%.100s is not learned: a step changes learned tensors only",
                           gradients->v[i].name),
                   nb_at(e, "wrt");
    if (!gradients->n)
        return nb_fail(e, NB_E_bad_value, "there is nothing to learn"), nb_at(e, "wrt");
    return 0;
}

/* ---- the gradient ------------------------------------------------------------------------------------------------ */

static double square_sum(const struct nb_tensor *t)
{
    return nb_bulk_of(t->dtype)->squares((size_t)nb_count(&t->shape), t->data);
}

static double norm_of(const struct nb_tensors *l)
{
    double sum = 0;
    for (size_t i = 0; i < l->n; i++)
        sum += square_sum(&l->v[i].t);
    return sqrt(sum);
}

static void clip(const struct nb_rule *r, double norm, const struct nb_tensors *gradients)
{
    double factor = r->clip_at / (norm + 1e-6); /* as PyTorch's clip_grad_norm_ */
    for (size_t i = 0; i < gradients->n; i++) {
        const struct nb_tensor *t = &gradients->v[i].t;
        size_t n = (size_t)nb_count(&t->shape);
        if (r->clip == NB_CLIP_NORM && factor < 1)
            nb_bulk_of(t->dtype)->scale(n, t->data, factor);
        if (r->clip == NB_CLIP_VALUE)
            nb_bulk_of(t->dtype)->limit(n, t->data, r->clip_at);
    }
}

/* ---- the update -------------------------------------------------------------------------------------------------- */

struct stepping {
    struct nb_graph *old, *next;
    const struct nb_rule *rule;
    const struct nb_optimiser *optimiser;
    const struct nb_of_loss *was; /* what the optimiser kept, or NULL */
    struct nb_of_loss *place;     /* what it will keep */
    struct nb_memory *memory;
    struct nb_stepped *s;
    bool *fresh; /* tensors of the next snapshot that have no values yet */
};

static int refuse(const struct stepping *st, const char *what, const char *name, struct nb_error *e)
{
    return nb_fail(e, NB_E_not_finite, "step %lld: %s%.100s is not finite; nothing was changed", (long long)st->s->step,
                   what, name);
}

static int check_finite(const struct stepping *st, const struct nb_tensors *gradients, struct nb_error *e)
{
    const char *worst = "";
    if (!isfinite(st->s->result.loss))
        return refuse(st, "the loss ", st->s->result.loss_name, e);
    if (isfinite(st->s->norm))
        return 0;
    for (size_t i = 0; i < gradients->n && !*worst; i++)
        if (!isfinite(square_sum(&gradients->v[i].t)))
            worst = gradients->v[i].name;
    return refuse(st, "the gradient of ", worst, e);
}

static int place_moment(struct stepping *st, const struct nb_moments *was, struct nb_moments *v, int k,
                        struct nb_update *u, struct nb_arena *a, struct nb_error *e)
{
    size_t size = nb_dtype_size(st->old->net.dtype);
    double start = st->optimiser->start ? st->optimiser->start(st->rule->set) : 0;
    if (!(u->m_to[k] = v->m[k] = nb_alloc(&st->memory->base.arena, v->n, size, e)))
        return -1;
    u->m[k] = was ? was->m[k] : NULL;
    if (u->m[k])
        return 0;
    void *begin = nb_alloc(a, v->n, size, e);
    for (size_t i = 0; begin && i < v->n; i++)
        nb_convert(st->old->net.dtype, (char *)begin + i * size, NB_F64, &start, 1);
    u->m[k] = begin;
    u->fresh |= 1u << k;
    return begin ? 0 : -1;
}

static int update_one(struct stepping *st, const struct nb_named *gradient, struct nb_moments *v, struct nb_arena *a,
                      struct nb_error *e)
{
    int p = learned_at(st->old, gradient->name);
    const struct nb_tensor *t = &st->next->parameters.v[p].t;
    const struct nb_moments *was = nb_moments_find(st->was, gradient->name);
    struct nb_update u = {.n = (size_t)nb_count(&t->shape),
                          .set = st->rule->set,
                          .lr = st->s->lr,
                          .step = (was ? was->steps : 0) + 1,
                          .p = st->old->parameters.v[p].t.data,
                          .g = gradient->t.data,
                          .p_to = t->data};
    *v = (struct nb_moments){nb_strdup(&st->memory->base.arena, gradient->name, e), u.step, u.n, t->shape, {0}};
    for (int k = 0; v->tensor && k < NB_MOST_MOMENTS; k++)
        if (st->optimiser->keeps(st->rule->set) >> k & 1 && place_moment(st, was, v, k, &u, a, e))
            return -1;
    if (!v->tensor)
        return -1;
    st->optimiser->update(&u);
    return nb_all_finite(t) ? 0 : refuse(st, "what would become of ", gradient->name, e);
}

/* Tensors that this step leaves alone keep what was kept of them. */
static int keep_others(struct stepping *st, const struct nb_tensors *gradients, struct nb_error *e)
{
    struct nb_of_loss *place = st->place;
    place->n = gradients->n;
    for (size_t i = 0; st->was && i < st->was->n; i++)
        if (!nb_tensors_find(gradients, st->was->v[i].tensor) &&
            nb_moments_copy(&st->memory->base.arena, &st->was->v[i], nb_dtype_size(st->old->net.dtype),
                            &place->v[place->n++], e))
            return -1;
    return 0;
}

static int update(struct stepping *st, const struct nb_tensors *gradients, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_memory *old = nb_memory_of(st->old);
    st->memory = nb_memory_next(old, st->old->net.dtype, st->s->result.loss_name,
                                gradients->n + (st->was ? st->was->n : 0), &st->place, e);
    if (!st->memory)
        return -1;
    nb_attached_unref(st->next->memory);
    st->next->memory = &st->memory->base;
    st->place->optimiser = st->rule->optimiser;
    st->place->steps = st->s->step;
    for (size_t i = 0; i < gradients->n; i++)
        if (update_one(st, &gradients->v[i], &st->place->v[i], a, e))
            return -1;
    return keep_others(st, gradients, e);
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

/* What the optimiser remembers of this loss, its step and rate. */
static int recollect(struct stepping *st, const char *loss, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_of_loss *was = nb_memory_find(nb_memory_of(st->old), loss);
    double factor;
    if (was && was->optimiser != st->rule->optimiser)
        st->s->forgotten = nb_optimiser_at(NB_F64, was->optimiser)->name;
    else if (!st->rule->restart)
        st->was = was;
    st->s->step = (st->was ? st->was->steps : 0) + 1;
    if (nb_schedule_factor(&st->rule->schedule, st->s->step - 1, a, &factor, e))
        return nb_at(e, "schedule");
    st->s->lr = st->rule->set[0] * factor;
    return 0;
}

static bool *among(const struct nb_graph *g, struct nb_arena *a, struct nb_error *e)
{
    bool *learned = nb_zalloc(a, g->parameters.n + 1, sizeof *learned, e);
    for (size_t i = 0; learned && i < g->net.learned.n; i++) {
        const struct nb_learned *l = &g->net.learned.v[i];
        int p = l->tie < 0 && !l->buffer ? learned_at(g, l->name) : -1;
        if (p >= 0)
            learned[p] = true;
    }
    return learned;
}

/* Learned tensors that are not in this step stay as they are. */
static void copy_rest(const struct stepping *st, const struct nb_tensors *gradients)
{
    for (size_t i = 0; i < st->old->parameters.n; i++) {
        const struct nb_named *was = &st->old->parameters.v[i];
        if (st->fresh[i] && !nb_tensors_find(gradients, was->name))
            memcpy(st->next->parameters.v[i].t.data, was->t.data,
                   (size_t)nb_count(&was->t.shape) * nb_dtype_size(was->t.dtype));
    }
}

static int step(struct stepping *st, struct nb_run *run, struct nb_arena *a, struct nb_error *e)
{
    struct nb_result *r = &st->s->result;
    if (choose(st->old, run, a, e) || nb_graph_backward(st->old, run, a, r, e) ||
        check_learned(st->old, &r->gradients, e) || recollect(st, r->loss_name, a, e))
        return -1;
    st->s->norm = norm_of(&r->gradients);
    if (check_finite(st, &r->gradients, e))
        return -1;
    clip(st->rule, st->s->norm, &r->gradients);
    copy_rest(st, &r->gradients);
    return update(st, &r->gradients, a, e);
}

struct nb_graph *nb_train_step(struct nb_graph *g, const struct nb_rule *rule, const struct nb_run *run,
                               struct nb_arena *a, struct nb_stepped *s, struct nb_error *e)
{
    struct stepping st = {.old = g, .rule = rule, .s = s, .fresh = among(g, a, e)};
    struct nb_run own = *run;
    *s = (struct nb_stepped){0};
    if (!st.fresh || !(st.next = nb_graph_next(g, st.fresh, e)))
        return NULL;
    st.optimiser = nb_optimiser_at(g->net.dtype, rule->optimiser);
    own.track = &st.next->parameters;
    own.outputs_given = true;
    if (!step(&st, &own, a, e))
        return st.next;
    nb_graph_unref(st.next);
    return NULL;
}

int64_t nb_train_steps(const struct nb_graph *g, const char *loss)
{
    const struct nb_of_loss *l = nb_memory_find(nb_memory_of(g), loss);
    return l ? l->steps : 0;
}
