/* jacobian - the gradient of every entry of every output in turn: one sweep carries all cotangents at once.
 *
 * Tensors have the outputs' entries, one after the other, as their first axis. */
#include "check/checker.h"
#include "check/sweep.h"
#include "nabla/team.h"
#include "nabla/weigh.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { SPOTS = 4 };
static const double BUDGET = 2e11;

struct jacobian {
    struct nb_checker *k;
    int64_t rows;
    void ***unit; /* per row: the cotangent of each seed */
};

static int64_t count_rows(const struct nb_checker *k)
{
    const struct nb_wants *w = &k->p->plan.wants;
    int64_t n = 0;
    for (int i = 0; i < w->nseed; i++)
        n += nb_count(&k->p->plan.net.values.v[w->seed[i]].shape);
    return n;
}

/* Rows share zeros but for the seed that has their 1. */
static int new_units(struct jacobian *j, struct nb_error *e)
{
    const struct nb_wants *w = &j->k->p->plan.wants;
    struct nb_arena *a = j->k->arena;
    void **zero = nb_small(a, (size_t)w->nseed + 1, sizeof *zero, e);
    if (!zero || !(j->unit = nb_small(a, (size_t)j->rows + 1, sizeof *j->unit, e)))
        return -1;
    for (int i = 0; i < w->nseed; i++)
        if (!(zero[i] = nb_zalloc(a, (size_t)nb_count(&j->k->p->plan.net.values.v[w->seed[i]].shape), 8, e)))
            return -1;
    int64_t row = 0;
    for (int i = 0; i < w->nseed; i++) {
        int64_t n = nb_count(&j->k->p->plan.net.values.v[w->seed[i]].shape);
        for (int64_t at = 0; at < n; at++, row++) {
            double *one = nb_zalloc(a, (size_t)n, sizeof *one, e);
            j->unit[row] = nb_small(a, (size_t)w->nseed, sizeof **j->unit, e);
            if (!one || !j->unit[row])
                return -1;
            memcpy(j->unit[row], zero, (size_t)w->nseed * sizeof *zero);
            one[at] = 1;
            j->unit[row][i] = one;
        }
    }
    return 0;
}

/* ---- the candidate --------------------------------------------------------------------------------------------- */

static int new_leaf(struct jacobian *j, int i, struct nb_error *e)
{
    struct nb_checker *k = j->k;
    struct nb_leaf *l = &k->leaf[i];
    struct nb_checked *out = l->out = &k->v->v[i];
    const struct nb_shape *shape = &k->p->plan.net.values.v[k->p->plan.wants.wrt[i]].shape;
    if (shape->rank == NB_MAX_RANK)
        return nb_fail(e, NB_E_bad_form, "%s has %d axes, and the outputs would be one more", k->p->wrt_name[i],
                       shape->rank),
               nb_at(e, "jacobian");
    l->value = k->p->plan.wants.wrt[i];
    l->n = (size_t)nb_count(shape);
    l->eps = DBL_EPSILON;
    *out = (struct nb_checked){.name = nb_strdup(k->arena, k->p->wrt_name[i], e), .worst = -1};
    out->shape.rank = shape->rank + 1;
    out->shape.dim[0] = j->rows;
    memcpy(out->shape.dim + 1, shape->dim, (size_t)shape->rank * sizeof *shape->dim);
    size_t n = l->n * (size_t)j->rows;
    out->candidate = nb_alloc(k->arena, n, sizeof(double), e);
    out->bar = nb_zalloc(k->arena, l->n, sizeof(double), e);
    out->bars = (int64_t)l->n;
    out->verdicts = nb_zalloc(k->arena, n, 1, e);
    out->reasons = nb_zalloc(k->arena, n, 1, e);
    out->complex_step = out->differences = out->differences_bar = NAN;
    k->v->facts.asked += (int64_t)n;
    return out->name && out->candidate && out->bar && out->verdicts && out->reasons ? 0 : -1;
}

static void take_given(struct jacobian *j, struct nb_leaf *l, const struct nb_tensor *t)
{
    if (nb_shape_same(&t->shape, &l->out->shape) == 1) {
        nb_convert(NB_F64, l->out->candidate, t->dtype, t->data, l->n * (size_t)j->rows);
        return;
    }
    l->out->verdict = NB_WRONG;
    l->out->reason = NB_WHY_shape;
    l->out->wrong = (int64_t)l->n * j->rows;
}

struct walk { /* through the rows */
    struct jacobian *j;
    struct nb_session *own; /* per slot */
    struct nb_error *error;
};

/* The gradients of leaves are collected right where they are wanted. */
static void one_candidate(void *context, int slot, int row)
{
    struct walk *w = context;
    struct nb_checker *k = w->j->k;
    struct nb_session *own = &w->own[slot];
    if (w->error[slot].code)
        return;
    for (int i = 0; i < k->nleaf; i++)
        if (own->grad[k->leaf[i].value])
            own->grad[k->leaf[i].value] = k->leaf[i].out->candidate + (size_t)row * k->leaf[i].n;
    if (nb_session_backward(own, w->j->unit[row], &w->error[slot]))
        return;
    for (int i = 0; i < k->nleaf; i++) {
        const double *g = own->grad[k->leaf[i].value];
        double *to = k->leaf[i].out->candidate + (size_t)row * k->leaf[i].n;
        if (g && g != to) /* an output is a leaf, whose gradient is the cotangent */
            memcpy(to, g, k->leaf[i].n * sizeof *to);
        else if (!g)
            memset(to, 0, k->leaf[i].n * sizeof *to);
    }
}

/* A session for each slot: those of helpers have memory for gradients of their own. */
static int new_walk(struct jacobian *j, struct walk *w, struct nb_error *e)
{
    struct nb_checker *k = j->k;
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    bool drew;
    *w = (struct walk){.j = j};
    w->own = nb_small(k->arena, (size_t)nb_team_size(), sizeof *w->own, e);
    w->error = nb_zalloc(k->arena, (size_t)nb_team_size(), sizeof *w->error, e);
    if (!w->own || !w->error)
        return -1;
    w->own[0] = k->own;
    for (int i = 1; i < nb_team_size(); i++)
        if (nb_session_new(&k->p->plan, NB_F64, &fed, k->arena, &w->own[i], &drew, e) ||
            nb_session_forward(&w->own[i], e))
            return -1;
    return 0;
}

static int read_candidates(struct jacobian *j, struct nb_error *e)
{
    struct nb_checker *k = j->k;
    struct walk w;
    if (new_walk(j, &w, e))
        return -1;
    nb_team_run(one_candidate, &w, (int)j->rows);
    for (int i = 0; i < nb_team_size(); i++)
        if (w.error[i].code) {
            *e = w.error[i];
            return -1;
        }
    for (int i = 0; i < k->nleaf && k->c->gradients_given; i++) {
        const struct nb_tensor *t = nb_tensors_find(&k->c->gradients, k->leaf[i].out->name);
        if (t)
            take_given(j, &k->leaf[i], t);
    }
    return 0;
}

/* ---- the judgement --------------------------------------------------------------------------------------------- */

struct tally {
    double power, worst_error;
    int worst; /* severity */
};

static struct nb_ruling rule(const struct nb_checker *k, const struct nb_leaf *l, const struct nb_sweep *w, size_t row,
                             size_t i)
{
    double n = w->n[row][l->value][i], terms = w->terms[l->value][i];
    struct nb_entry x = {.candidate = l->out->candidate[row * l->n + i],
                         .no_d = true,
                         .eps = l->eps,
                         .reach = l->largest,
                         .rho = k->rho,
                         .r_max = k->r_max};
    x.z = (struct nb_estimate){.found = true,
                               .value = n,
                               .bar = l->out->bar[i],
                               .terms = sqrt(terms),
                               .moved = n != 0 || (x.candidate != 0 && terms > 0)};
    struct nb_ruling r = nb_judge(&x);
    if (r.verdict != NB_WRONG || k->v->self_ok)
        return r;
    r.verdict = NB_CANNOT_TELL; /* nobody is blamed while we accuse ourselves */
    r.reason = NB_WHY_oracles_disagree;
    return r;
}

static void take_ruling(struct nb_leaf *l, size_t at, const struct nb_ruling *r, struct tally *t)
{
    struct nb_checked *out = l->out;
    int severity = r->silent ? 0 : 1 + (int)r->verdict;
    out->right += r->verdict == NB_RIGHT && !r->silent;
    out->silent += r->silent;
    out->wrong += r->verdict == NB_WRONG;
    out->cannot_tell += r->verdict == NB_CANNOT_TELL;
    out->verdicts[at] = (unsigned char)r->verdict;
    out->reasons[at] = (unsigned char)r->reason;
    t->power = fmax(t->power, r->power);
    if (severity < t->worst || (severity == t->worst && r->error <= t->worst_error))
        return;
    t->worst = severity;
    t->worst_error = out->largest_error = r->error;
    out->worst = (int64_t)at;
    out->reason = r->reason;
}

struct rows { /* of one leaf */
    const struct nb_checker *k;
    struct nb_leaf *l;
    const struct nb_sweep *w;
    double rho, limit;
    struct nb_agreement *row;
};

/* By far the most entries are zero twice, or agree, and their bar is far below. */
static void one_row(void *context, int slot, int i)
{
    const struct rows *r = context;
    size_t n = r->l->n;
    (void)slot;
    nb_weigh_agreement(n, r->l->out->candidate + (size_t)i * n, r->w->n[i][r->l->value], r->l->out->bar, r->rho,
                       r->limit, &r->row[i]);
}

/* The entry of a row that is off by most, or the first. */
static void note_agreement(const struct rows *r, size_t row, struct tally *t)
{
    struct nb_checked *out = r->l->out;
    const double *n = r->w->n[row][r->l->value], *a = out->candidate + row * r->l->n;
    int severity = r->row[row].right ? 1 : 0;
    if (severity < t->worst || (severity == t->worst && r->row[row].error <= t->worst_error))
        return;
    for (size_t i = 0; i < r->l->n; i++) {
        double error = n[i] == 0 ? 0 : fabs(a[i] - n[i]) / fabs(n[i]);
        if ((n[i] == 0 && severity) || (severity == t->worst && error <= t->worst_error))
            continue;
        t->worst = severity;
        t->worst_error = out->largest_error = error;
        out->worst = (int64_t)(row * r->l->n + i);
    }
}

static void judge_row(const struct rows *r, size_t row, struct tally *t)
{
    const struct nb_agreement *a = &r->row[row];
    for (size_t i = 0; i < r->l->n && a->zero + a->right < r->l->n; i++) {
        struct nb_ruling now = rule(r->k, r->l, r->w, row, i);
        take_ruling(r->l, row * r->l->n + i, &now, t);
    }
    if (a->zero + a->right < r->l->n || !r->l->n)
        return;
    note_agreement(r, row, t);
    r->l->out->right += (int64_t)a->right;
    r->l->out->silent += (int64_t)a->zero;
    t->power = a->right ? fmax(t->power, r->rho + 2 * a->bar) : t->power;
}

/* Nothing leads to this leaf. */
static int no_gradient(struct jacobian *j, struct nb_sweep *w, struct nb_leaf *l, struct nb_error *e)
{
    double *all = nb_zalloc(j->k->arena, l->n * (size_t)j->rows, sizeof *all, e);
    w->var[l->value] = nb_zalloc(j->k->arena, l->n, sizeof(double), e);
    w->terms[l->value] = nb_zalloc(j->k->arena, l->n, sizeof(double), e);
    for (int64_t row = 0; row < j->rows && all; row++)
        w->n[row][l->value] = all + (size_t)row * l->n;
    return all && w->var[l->value] && w->terms[l->value] ? 0 : -1;
}

/* Everything about rows that can be seen in passing. */
static int look_at_rows(struct jacobian *j, struct nb_sweep *w, struct nb_leaf *l, struct rows *r, struct nb_error *e)
{
    double rho = nb_rho(j->k->rho, l->eps), r_max = nb_r_max(j->k->r_max, l->eps);
    *r = (struct rows){.k = j->k, .l = l, .w = w, .rho = rho, .limit = fmin(1e-4, (r_max - rho) / 2)};
    r->row = nb_zalloc(j->k->arena, (size_t)j->rows, sizeof *r->row, e);
    if (!r->row || (!w->n[0][l->value] && no_gradient(j, w, l, e)))
        return -1;
    for (size_t i = 0; i < l->n; i++)
        l->out->bar[i] = sqrt(w->var[l->value][i]);
    nb_team_run(one_row, r, (int)j->rows);
    for (int64_t row = 0; row < j->rows; row++)
        l->largest = fmax(l->largest, r->row[row].largest);
    return 0;
}

static void judge(struct jacobian *j, const struct rows *r)
{
    struct nb_leaf *l = r->l;
    struct nb_checked *out = l->out;
    struct tally t = {.worst = -1};
    out->judged = true;
    out->value = r->w->n[0][l->value]; /* rows lie side by side */
    for (int64_t row = 0; row < j->rows; row++)
        judge_row(r, (size_t)row, &t);
    out->power_worst = t.power;
    out->verdict = out->wrong ? NB_WRONG : out->cannot_tell || !out->right ? NB_CANNOT_TELL : NB_RIGHT;
    if (out->verdict == NB_CANNOT_TELL && !out->reason)
        out->reason = l->n ? NB_WHY_silent : NB_WHY_empty;
    j->k->v->facts.judged += (int64_t)l->n * j->rows;
}

/* ---- the sweep ------------------------------------------------------------------------------------------------- */

static int sweep(struct jacobian *j, struct nb_sweep *w, struct nb_error *e)
{
    struct nb_checker *k = j->k;
    struct nb_session *at = nb_small(k->arena, 1, sizeof *at, e);
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    bool drew;
    if (!at || nb_session_new(&k->plain->plan, NB_F64, &fed, k->arena, at, &drew, e) || nb_session_forward(at, e))
        return -1;
    *w = (struct nb_sweep){.at = at,
                           .sets = (int)j->rows,
                           .g = (void *const *const *)j->unit,
                           .coverage = k->c->coverage,
                           .backward = true,
                           .budget = BUDGET,
                           .seed = k->run.seed,
                           .arena = k->arena,
                           .chunks = &k->chunks,
                           .facts = &k->v->facts};
    if (nb_chunks_begin(&k->chunks, k->c->watch, nb_sweep_entries(&k->plain->plan), e))
        return -1;
    return nb_sweep_run(w, e);
}

/* ---- columns at random through the whole graph: what the sweep put together node by node must be there ------------
 */

struct column {
    bool fits;
    size_t row; /* where it does not */
    double got;
};
struct columns {
    struct jacobian *j;
    struct nb_sweep *w;
    struct nb_session *z; /* per slot */
    struct column *column;
    struct nb_error *error;
};

static size_t column_at(const struct nb_checker *k, int leaf, int i)
{
    return nb_word(nb_stream_of(k->run.seed, "spots"), (uint64_t)leaf << 32 | (uint64_t)i) % k->leaf[leaf].n;
}

static void compare_column(const struct columns *c, const struct nb_session *z, const struct nb_leaf *l, size_t at,
                           struct column *to)
{
    const struct nb_wants *wants = &c->j->k->p->plan.wants;
    double slack = 4 * sqrt(c->w->var[l->value][at]) + 64 * DBL_EPSILON * l->largest;
    size_t row = 0;
    for (int i = 0; i < wants->nseed; i++) {
        const double _Complex *y = z->data[wants->seed[i]];
        for (int64_t q = 0; q < nb_count(&z->plan->net.values.v[wants->seed[i]].shape) && to->fits; q++, row++) {
            double got = cimag(y[q]) / NB_STEP, n = c->w->n[row][l->value][at], m = fmax(fabs(got), fabs(n));
            *to = (struct column){fabs(got - n) <= 1e-9 * m + slack, row, got};
        }
    }
}

static void one_column(void *context, int slot, int part)
{
    struct columns *c = context;
    const struct nb_leaf *l = &c->j->k->leaf[part / SPOTS];
    struct nb_session *z = &c->z[slot];
    c->column[part].fits = true;
    if (c->error[slot].code || !l->n || l->out->reason)
        return;
    size_t at = column_at(c->j->k, part / SPOTS, part % SPOTS);
    double _Complex *x = z->data[l->value], keep = x[at];
    x[at] = CMPLX(creal(keep), NB_STEP);
    if (!nb_session_forward(z, &c->error[slot]))
        compare_column(c, z, l, at, &c->column[part]);
    x[at] = keep;
}

static int new_columns(struct columns *c, struct jacobian *j, struct nb_sweep *w, struct nb_error *e)
{
    struct nb_checker *k = j->k;
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    size_t slots = (size_t)nb_team_size();
    bool drew;
    *c = (struct columns){.j = j, .w = w};
    c->z = nb_small(k->arena, slots, sizeof *c->z, e);
    c->error = nb_zalloc(k->arena, slots, sizeof *c->error, e);
    c->column = nb_zalloc(k->arena, (size_t)k->nleaf * SPOTS + 1, sizeof *c->column, e);
    if (!c->z || !c->error || !c->column)
        return -1;
    for (size_t i = 0; i < slots; i++)
        if (nb_session_new(&k->p->plan, NB_C128, &fed, k->arena, &c->z[i], &drew, e))
            return -1;
    return 0;
}

static int check_columns(struct jacobian *j, struct nb_sweep *w, struct nb_error *e)
{
    struct nb_checker *k = j->k;
    struct columns c;
    if (new_columns(&c, j, w, e))
        return -1;
    nb_team_run(one_column, &c, k->nleaf * SPOTS);
    k->v->facts.spots = SPOTS;
    k->v->facts.complex_evaluations += k->nleaf * SPOTS;
    for (int i = 0; i < nb_team_size(); i++)
        if (c.error[i].code) {
            *e = c.error[i];
            return -1;
        }
    for (int i = 0; i < k->nleaf * SPOTS && k->v->self_ok; i++) {
        const struct column *x = &c.column[i];
        const struct nb_leaf *l = &k->leaf[i / SPOTS];
        size_t at = l->n ? column_at(k, i / SPOTS, i % SPOTS) : 0;
        if (x->fits)
            continue;
        k->v->self_ok = false;
        k->v->facts.fault =
            nb_sprintf(k->arena, e, "%s[%zu]: the whole graph gives %.17g for output %zu, its nodes %.17g",
                       l->out->name, at, x->got, x->row, w->n[x->row][l->value][at]);
    }
    return 0;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

static bool is_finite(const struct nb_checker *k)
{
    const struct nb_wants *w = &k->p->plan.wants;
    for (int i = 0; i < w->nseed; i++)
        for (int64_t q = 0; q < nb_count(&k->p->plan.net.values.v[w->seed[i]].shape); q++)
            if (!isfinite(((const double *)k->own.data[w->seed[i]])[q]))
                return false;
    return true;
}

static int judge_nothing(struct jacobian *j)
{
    for (int i = 0; i < j->k->nleaf; i++) {
        struct nb_checked *out = j->k->leaf[i].out;
        out->verdict = NB_CANNOT_TELL;
        out->reason = NB_WHY_forward_not_finite;
        out->cannot_tell = (int64_t)j->k->leaf[i].n * j->rows;
        out->value = out->candidate;
    }
    return 0;
}

static size_t coordinates(const struct nb_checker *k)
{
    size_t n = 0;
    for (int i = 0; i < k->p->plan.wants.nwrt; i++)
        n += (size_t)nb_count(&k->p->plan.net.values.v[k->p->plan.wants.wrt[i]].shape);
    return n;
}

static int new_leaves(struct jacobian *j, struct nb_error *e)
{
    struct nb_checker *k = j->k;
    k->nleaf = k->p->plan.wants.nwrt;
    k->v->n = (size_t)k->nleaf;
    k->leaf = nb_zalloc(k->arena, (size_t)k->nleaf + 1, sizeof *k->leaf, e);
    k->v->v = nb_zalloc(k->arena, (size_t)k->nleaf + 1, sizeof *k->v->v, e);
    if (nb_arena_expect(k->arena, (size_t)j->rows * coordinates(k) * (2 * sizeof(double) + 2), e))
        return -1;
    for (int i = 0; i < k->nleaf && k->leaf && k->v->v; i++)
        if (new_leaf(j, i, e))
            return -1;
    return k->leaf && k->v->v ? 0 : -1;
}

static int judge_all(struct jacobian *j, struct nb_sweep *w, struct nb_error *e)
{
    struct nb_checker *k = j->k;
    struct rows *r = nb_zalloc(k->arena, (size_t)k->nleaf + 1, sizeof *r, e);
    if (!r)
        return -1;
    for (int i = 0; i < k->nleaf; i++)
        if (!k->leaf[i].out->reason && look_at_rows(j, w, &k->leaf[i], &r[i], e))
            return -1;
    if (check_columns(j, w, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++)
        if (!k->leaf[i].out->reason)
            judge(j, &r[i]);
    return 0;
}

int nb_check_jacobian(struct nb_checker *k, struct nb_error *e)
{
    struct jacobian j = {.k = k, .rows = count_rows(k)};
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    struct nb_sweep w;
    bool drew;
    k->v->facts.method = "structure";
    k->v->facts.coverage = NB_COVER_EVERY;
    if (new_leaves(&j, e) || new_units(&j, e) ||
        nb_session_new(&k->p->plan, NB_F64, &fed, k->arena, &k->own, &drew, e) || nb_session_forward(&k->own, e))
        return -1;
    if (!is_finite(k))
        return judge_nothing(&j);
    if (read_candidates(&j, e) || sweep(&j, &w, e))
        return -1;
    k->v->self_ok = w.ok;
    k->v->facts.fault = w.fault;
    return judge_all(&j, &w, e);
}
