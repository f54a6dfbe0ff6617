/* check - the point, the candidate, the oracles, and a verdict for every coordinate asked for. */
#include "check/check.h"
#include "check/chunk.h"
#include "check/oracle.h"
#include "check/point.h"
#include "check/verdict.h"
#include "graph/ask.h"
#include <math.h>
#include <string.h>

struct checker {
    struct nb_graph *g;
    const struct nb_check *c;
    struct nb_run run; /* the point in full */
    struct nb_planned *p;
    struct nb_session own; /* the graph's own backward, in double */
    struct nb_oracle oracle;
    struct nb_arena *arena;
    struct nb_verdicts *v;
    struct nb_chunks chunks;
    bool zero_cotangent;
};

/* ---- one tensor ------------------------------------------------------------------------------------------------ */

enum { CHUNK = 16 }; /* coordinates: few, so that a giant graph can be stopped */

struct tensor {
    int leaf;
    size_t n;
    double *candidate;
    double eps;
    struct nb_estimate *z; /* per entry */
    double slope, reach, largest;
};

static int read_candidate(struct checker *k, const char *name, int leaf, struct tensor *t, struct nb_checked *out,
                          struct nb_error *e)
{
    const struct nb_tensor *given = k->c->gradients_given ? nb_tensors_find(&k->c->gradients, name) : NULL;
    t->leaf = leaf;
    t->n = (size_t)nb_count(&out->shape);
    t->eps = given && nb_graph_dtype(k->g) == NB_F32 ? 0x1p-23 : 0x1p-52;
    out->worst = -1;
    t->candidate = out->candidate = nb_zalloc(k->arena, t->n, sizeof *t->candidate, e);
    out->value = nb_zalloc(k->arena, t->n, sizeof *out->value, e);
    out->bar = nb_zalloc(k->arena, t->n, sizeof *out->bar, e);
    out->verdicts = nb_zalloc(k->arena, t->n, 1, e);
    out->reasons = nb_zalloc(k->arena, t->n, 1, e);
    if (!t->candidate || !out->value || !out->bar || !out->verdicts || !out->reasons ||
        !(t->z = nb_zalloc(k->arena, t->n, sizeof *t->z, e)))
        return -1;
    if (given && nb_shape_same(&given->shape, &out->shape) != 1) {
        out->verdict = NB_WRONG;
        out->reason = NB_WHY_shape;
        out->wrong = (int64_t)t->n;
    } else if (given) {
        nb_convert(NB_F64, t->candidate, given->dtype, given->data, t->n);
    } else if (k->own.grad[leaf]) {
        memcpy(t->candidate, k->own.grad[leaf], t->n * sizeof *t->candidate);
    }
    return 0;
}

static int step_chunk(struct checker *k, struct tensor *t, size_t first, size_t n, struct nb_error *e)
{
    bool recalled = nb_chunk_recall(&k->chunks, t->z + first, n * sizeof *t->z);
    k->oracle.evaluations += recalled ? (int64_t)n : 0;
    for (size_t i = first; i < first + n && !recalled; i++)
        if (nb_complex_step(&k->oracle, t->leaf, i, &t->z[i], e))
            return -1;
    return nb_chunk_done(&k->chunks, t->z + first, n * sizeof *t->z, 0, 0, e);
}

/* Complex steps for all entries first: they tell the slopes that size the rounding of the differences. */
static int step_all(struct checker *k, struct tensor *t, struct nb_error *e)
{
    const double *x = k->oracle.d.data[t->leaf];
    double g = 0;
    for (int o = 0; o < k->oracle.nout; o++)
        for (int64_t j = 0; j < nb_count(&k->p->plan.net.values.v[k->oracle.out[o]].shape); j++)
            g = fmax(g, fabs(k->oracle.g[o][j]));
    for (size_t i = 0; i < t->n; i += CHUNK)
        if (step_chunk(k, t, i, t->n - i < CHUNK ? t->n - i : CHUNK, e))
            return -1;
    for (size_t i = 0; i < t->n; i++) {
        t->slope = fmax(t->slope, g > 0 ? t->z[i].terms / g : 0);
        t->largest = fmax(t->largest, fabs(t->z[i].value));
        t->reach += fabs(x[i]);
    }
    return 0;
}

/* Where the oracles disagree, a kink explains it: then any number between the one-sided slopes is defensible. */
static int look_for_kink(struct checker *k, const struct tensor *t, size_t i, struct nb_ruling *r, struct nb_error *e)
{
    double left, right, noise;
    if (nb_one_sided(&k->oracle, t->leaf, i, &left, &right, &noise, e))
        return -1;
    double size = fmax(fabs(left), fabs(right)), low = fmin(left, right), high = fmax(left, right);
    if (!(high - low > 1e-4 * size + noise))
        return 0;
    double slack = 1e-4 * (high - low), a = t->candidate[i];
    r->disagree = false;
    r->reason = NB_WHY_kink;
    r->verdict = a >= low - slack && a <= high + slack ? NB_CANNOT_TELL : NB_WRONG;
    return 0;
}

/* Before anyone is blamed: the complex step's bar knows the terms it sums, not the rounding inside the forward. */
static int judge_with_noise(struct checker *k, const struct tensor *t, size_t i, struct nb_entry *x,
                            struct nb_ruling *r, struct nb_error *e)
{
    double noise;
    if (nb_complex_noise(&k->oracle, t->leaf, i, &noise, e))
        return -1;
    x->z.bar += 8 * noise;
    *r = nb_judge(x);
    return 0;
}

static int severity(const struct nb_ruling *r)
{
    return r->silent ? 0 : 1 + (int)r->verdict;
}

/* What is known of one entry in the end, and of a chunk of them. */
struct ruled {
    struct nb_ruling r;
    double complex_step, differences, differences_bar;
};
struct ruled_chunk {
    int64_t evaluations;
    size_t n; /* fewer than asked: the next one was refused */
    struct ruled v[CHUNK];
};

static int rule_entry(struct checker *k, const struct tensor *t, size_t i, struct ruled *to, struct nb_error *e)
{
    struct nb_entry x = {
        .candidate = t->candidate[i], .z = t->z[i], .reach = fmax(t->largest, t->slope), .eps = t->eps};
    if (nb_differences(&k->oracle, t->leaf, i, t->slope, t->reach, &x.d, e))
        return -1;
    struct nb_ruling r = nb_judge(&x);
    if (r.disagree && look_for_kink(k, t, i, &r, e))
        return -1;
    if ((r.disagree || (r.verdict == NB_WRONG && !r.reason)) && judge_with_noise(k, t, i, &x, &r, e))
        return -1;
    *to = (struct ruled){r, x.z.value, x.d.value, x.d.bar};
    return 0;
}

/* A module that refuses the values beside the point takes a finite set of them (labels): nothing to differentiate. */
static int rule_chunk(struct checker *k, const struct tensor *t, size_t first, size_t n, struct ruled_chunk *c,
                      struct nb_error *e)
{
    int64_t before = k->oracle.evaluations;
    for (c->n = 0; c->n < n; c->n++)
        if (rule_entry(k, t, first + c->n, &c->v[c->n], e)) {
            if (e->code != NB_E_bad_value)
                return -1;
            *e = (struct nb_error){0};
            break;
        }
    c->evaluations = k->oracle.evaluations - before;
    return 0;
}

static void take_entry(struct checker *k, size_t i, const struct ruled *x, struct nb_checked *out, int *worst)
{
    const struct nb_ruling *r = &x->r;
    k->v->self_ok &= !r->disagree;
    out->right += r->verdict == NB_RIGHT && !r->silent;
    out->silent += r->silent;
    out->wrong += r->verdict == NB_WRONG;
    out->cannot_tell += r->verdict == NB_CANNOT_TELL;
    out->value[i] = r->value;
    out->bar[i] = r->bar;
    out->verdicts[i] = (unsigned char)r->verdict;
    out->reasons[i] = (unsigned char)r->reason;
    int now = severity(r);
    if (i && now <= *worst && !(now == *worst && r->error > out->largest_error))
        return;
    *worst = now;
    out->judged = true;
    out->reason = r->reason;
    out->worst = (int64_t)i;
    out->largest_error = r->error;
    out->complex_step = x->complex_step;
    out->differences = x->differences;
    out->differences_bar = x->differences_bar;
}

/* 1: the entries from here on belong to a finite set. */
static int judge_chunk(struct checker *k, const struct tensor *t, size_t first, struct nb_checked *out, int *worst,
                       struct nb_error *e)
{
    struct ruled_chunk c = {0};
    size_t n = t->n - first < CHUNK ? t->n - first : CHUNK;
    double error = 0;
    if (nb_chunk_recall(&k->chunks, &c, sizeof c))
        k->oracle.evaluations += c.evaluations;
    else if (rule_chunk(k, t, first, n, &c, e))
        return -1;
    for (size_t i = 0; i < c.n; i++) {
        take_entry(k, first + i, &c.v[i], out, worst);
        error = fmax(error, c.v[i].r.error);
    }
    if (nb_chunk_done(&k->chunks, &c, sizeof c, (int64_t)(c.n < n ? t->n - first : n), error, e))
        return -1;
    if (c.n == n)
        return 0;
    out->cannot_tell += (int64_t)(t->n - first - c.n);
    return 1;
}

static void sum_up(struct nb_checked *out, const struct checker *k)
{
    if (out->wrong)
        out->verdict = NB_WRONG;
    else if (out->cannot_tell || !out->right)
        out->verdict = NB_CANNOT_TELL;
    else
        out->verdict = NB_RIGHT;
    if (out->verdict == NB_CANNOT_TELL && !out->reason)
        out->reason = !nb_count(&out->shape) ? NB_WHY_empty : k->zero_cotangent ? NB_WHY_zero_cotangent : NB_WHY_silent;
    if (out->verdict == NB_RIGHT)
        out->reason = NB_WHY_none;
}

/* Where nothing can be measured, only what is not a number is wrong. */
static int judge_none(struct checker *k, const struct tensor *t, bool finite, struct nb_checked *out,
                      struct nb_error *e)
{
    for (size_t i = 0; i < t->n; i++) {
        bool wrong = finite && !isfinite(t->candidate[i]); /* a gradient may be NaN where the forward is */
        out->wrong += wrong;
        out->cannot_tell += !wrong;
        out->reason = out->wrong ? NB_WHY_not_finite : finite ? NB_WHY_zero_cotangent : NB_WHY_forward_not_finite;
    }
    sum_up(out, k);
    return nb_chunk_done(&k->chunks, NULL, 0, (int64_t)t->n, 0, e);
}

static int check_tensor(struct checker *k, const char *name, int leaf, struct nb_checked *out, struct nb_error *e)
{
    struct tensor t = {0};
    int worst = 0, r = 0;
    *out = (struct nb_checked){.name = name, .shape = k->p->plan.net.values.v[leaf].shape};
    k->chunks.at.tensor = name;
    if (read_candidate(k, name, leaf, &t, out, e))
        return -1;
    if (out->reason)
        return nb_chunk_done(&k->chunks, NULL, 0, (int64_t)t.n, INFINITY, e);
    bool finite = nb_oracle_finite(&k->oracle);
    if (!finite || k->zero_cotangent)
        return judge_none(k, &t, finite, out, e);
    if (step_all(k, &t, e))
        return -1;
    for (size_t i = 0; i < t.n && !r; i += CHUNK)
        r = judge_chunk(k, &t, i, out, &worst, e);
    if (r < 0)
        return -1;
    if (r == 0)
        sum_up(out, k);
    else {
        out->verdict = NB_CANNOT_TELL;
        out->reason = NB_WHY_finite_set;
    }
    return 0;
}

/* ---- which formula of a given backward is at fault ------------------------------------------------------------- */

/* The derivative of one module alone, by complex step over its own operations, against what its formula gave. */
static int entry_differs(struct checker *k, struct nb_session *z, const struct nb_given *g,
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

static int find_formula(struct checker *k, const char **place, struct nb_error *e)
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

static int name_formula(struct checker *k, struct nb_error *e)
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

/* ---- the whole
 * ----------------------------------------------------------------------------------------------------------------------
 */

static int check_leaves(const struct checker *k, struct nb_error *e)
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

static int check_names(const struct checker *k, struct nb_error *e)
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

static int prepare(struct checker *k, struct nb_error *e)
{
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    void **cotangent;
    bool drew;
    if (check_leaves(k, e) || check_names(k, e))
        return -1;
    if (nb_graph_cotangents(k->p, &k->run, NB_F64, k->arena, &cotangent, e))
        return -1;
    k->zero_cotangent = all_zero(cotangent, k->p);
    if (nb_session_new(&k->p->plan, NB_F64, &fed, k->arena, &k->own, &drew, e) || nb_session_forward(&k->own, e) ||
        nb_session_backward(&k->own, cotangent, e))
        return -1;
    return nb_oracle_new(&k->p->plan, &fed, cotangent, k->arena, &k->oracle, e);
}

static int64_t coordinates(const struct checker *k)
{
    int64_t n = 0;
    for (int i = 0; i < k->p->plan.wants.nwrt; i++)
        n += nb_count(&k->p->plan.net.values.v[k->p->plan.wants.wrt[i]].shape);
    return n;
}

static int judge_all(struct checker *k, struct nb_error *e)
{
    const struct nb_wants *w = &k->p->plan.wants;
    if (!(k->v->v = nb_zalloc(k->arena, (size_t)w->nwrt + 1, sizeof *k->v->v, e)))
        return -1;
    k->v->n = (size_t)w->nwrt;
    k->v->verdict = w->nwrt ? NB_RIGHT : NB_CANNOT_TELL;
    k->v->self_ok = true;
    if (nb_chunks_begin(&k->chunks, k->c->watch, coordinates(k), e))
        return -1;
    for (int i = 0; i < w->nwrt; i++) {
        const char *name = nb_strdup(k->arena, k->p->wrt_name[i], e);
        if (!name || check_tensor(k, name, w->wrt[i], &k->v->v[i], e))
            return -1;
        if (k->v->v[i].verdict > k->v->verdict)
            k->v->verdict = k->v->v[i].verdict;
    }
    k->v->facts.complex_evaluations = k->oracle.evaluations;
    if (nb_graph_warnings(&k->p->plan, k->arena, &k->v->warnings, e))
        return -1;
    return name_formula(k, e);
}

int nb_check_run(struct nb_graph *g, const struct nb_check *c, struct nb_arena *a, struct nb_verdicts *v,
                 struct nb_error *e)
{
    struct checker k = {.g = g, .c = c, .run = c->run, .arena = a, .v = v};
    *v = (struct nb_verdicts){0};
    if (nb_point_draw(g, &k.run, 0, a, v, e))
        return -1;
    if (!(k.p = nb_graph_plan(g, NB_ASK_BACKWARD, &k.run, a, e)))
        return -1;
    int bad = prepare(&k, e) || judge_all(&k, e);
    nb_planned_unref(k.p);
    return bad ? -1 : 0;
}
