/* follow - one slip costs once. A node's gradient that was handed in wrong goes on down: what lies below is compared
 * with what is right for it. Gradients are linear in what comes in, so what follows from a difference is added. */
#include "grade/marking.h"
#include "graph/ask.h"
#include <float.h>
#include <math.h>
#include <string.h>

struct following {
    const struct nb_reference *r;
    const struct nb_grading *g;
    struct nb_arena *arena;
    struct nb_truth_of *now; /* what is right, given what was handed in further up */
};

static bool is_slip(const struct following *f, const struct nb_mark *m, size_t i)
{
    return f->r->v[i].computed && m->checked.verdict == NB_WRONG && !m->follow_through && m->checked.judged &&
           f->now[i].n > 0;
}

static bool below(const struct following *f, size_t i, size_t slip)
{
    return f->now[i].at < f->now[slip].at && f->now[i].value && !f->now[i].reason;
}

/* ---- what follows ------------------------------------------------------------------------------------------------ */

static int copy_truth(struct following *f, struct nb_error *e)
{
    const struct nb_reference *r = f->r;
    if (!(f->now = nb_small(f->arena, r->n, sizeof *f->now, e)))
        return -1;
    memcpy(f->now, r->v, r->n * sizeof *f->now);
    for (size_t i = 0; i < r->n; i++) {
        struct nb_truth_of *t = &f->now[i];
        if (!t->value || t->reason)
            continue;
        if (!(t->value = nb_alloc(f->arena, t->n, sizeof *t->value, e)) ||
            !(t->bar = nb_alloc(f->arena, t->n, sizeof *t->bar, e)) || !(t->moved = nb_alloc(f->arena, t->n, 1, e)))
            return -1;
        memcpy(t->value, r->v[i].value, t->n * sizeof *t->value);
        memcpy(t->bar, r->v[i].bar, t->n * sizeof *t->bar);
        memcpy(t->moved, r->v[i].moved, t->n);
    }
    return 0;
}

/* What was handed in, less what was right. */
static int difference(const struct following *f, const struct nb_mark *m, size_t slip, struct nb_run *run,
                      struct nb_error *e)
{
    const struct nb_truth_of *t = &f->now[slip];
    struct nb_tensor d;
    if (nb_tensor_new(f->arena, NB_F64, &t->shape, &d, e))
        return -1;
    for (size_t k = 0; k < t->n; k++)
        ((double *)d.data)[k] = m->checked.candidate[k] - t->value[k];
    run->loss = NULL;
    run->cotangents = (struct nb_tensors){0};
    run->cotangents_given = true;
    return nb_tensors_add(f->arena, &run->cotangents, t->name, d, e);
}

static void add(struct nb_truth_of *t, const double *more)
{
    for (size_t k = 0; k < t->n; k++) {
        t->value[k] += more[k];
        t->bar[k] += 64 * DBL_EPSILON * (fabs(more[k]) + fabs(t->value[k]));
        t->moved[k] |= more[k] != 0;
        t->reach = fmax(t->reach, fabs(t->value[k]));
    }
}

static int pass_on(struct following *f, const struct nb_mark *m, size_t slip, struct nb_error *e)
{
    struct nb_run run = f->r->point.run;
    struct nb_measured got = {0};
    int bad = difference(f, m, slip, &run, e) || nb_measure(f->r->g, &run, f->arena, &got, e);
    for (size_t i = 0; !bad && got.sound && i < f->r->n; i++)
        if (below(f, i, slip))
            add(&f->now[i], got.value[i]);
    nb_measured_release(&got);
    return bad ? -1 : 0;
}

/* ---- judged again ------------------------------------------------------------------------------------------------ */

static int judge_again(struct following *f, struct nb_mark *m, size_t i, struct nb_error *e)
{
    struct nb_mark again = {.name = m->name};
    const struct nb_named *came = nb_handed_in(f->g, m->name);
    if (m->missing || m->checked.verdict != NB_WRONG || !m->checked.judged)
        return 0;
    if (nb_judge_numbers(&f->now[i], f->g, came, nb_graph_dtype(f->r->g) == NB_F32, f->arena, &again, e))
        return -1;
    if (again.checked.verdict != NB_RIGHT)
        return 0;
    m->checked = again.checked;
    m->follow_through = true;
    return 0;
}

/* The one nearest to the output that has not had its turn. */
static size_t next_slip(const struct following *f, const struct nb_graded *out, int before)
{
    size_t best = out->n;
    for (size_t i = 0; i < out->n; i++)
        if (is_slip(f, &out->v[i], i) && f->now[i].at < before && (best == out->n || f->now[i].at > f->now[best].at))
            best = i;
    return best;
}

int nb_follow_through(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a,
                      struct nb_graded *out, struct nb_error *e)
{
    struct following f = {r, g, a, r->v};
    size_t slip = next_slip(&f, out, INT32_MAX);
    if (slip == out->n)
        return 0;
    if (copy_truth(&f, e))
        return -1;
    for (; slip < out->n; slip = next_slip(&f, out, f.now[slip].at)) {
        if (pass_on(&f, &out->v[slip], slip, e))
            return -1;
        for (size_t i = 0; i < out->n; i++)
            if (below(&f, i, slip) && judge_again(&f, &out->v[i], i, e))
                return -1;
    }
    return 0;
}
