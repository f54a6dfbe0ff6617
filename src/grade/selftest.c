/* selftest - mistakes are made at points, handed in like a submission, and followed through judgement and diagnosis. */
#include "grade/selftest.h"
#include "check/point.h"
#include "grade/attempt.h"
#include "grade/marking.h"
#include <math.h>
#include <string.h>

struct place { /* a point with its clinic */
    const struct nb_reference *r;
    struct nb_clinic *c;
    double **truth; /* per wrt of the clinic's plan: its own gradients */
    bool *nothing;  /* they are 0 but for rounding: a bias before a normalisation */
};

struct tester {
    const struct nb_grading *g;
    size_t n;
    struct place *at, elsewhere; /* elsewhere: a drawn point of other sizes; no clinic if there is none */
    struct nb_arena *arena;
    struct nb_selftest *out;
    size_t cap;
};

static size_t count_of(const struct nb_clinic *c, int wrt)
{
    return (size_t)nb_count(&c->p->plan.net.values.v[c->p->plan.wants.wrt[wrt]].shape);
}

static int wrt_of(const struct nb_clinic *c, const char *name)
{
    for (int i = 0; i < c->p->plan.wants.nwrt; i++)
        if (!strcmp(c->p->wrt_name[i], name))
            return i;
    return -1;
}

/* Every number on the way moves by a unit in the last place: what changes by much of itself is rounding alone. */
static int find_nothing(struct tester *t, struct place *p, struct nb_error *e)
{
    struct nb_session *s = &p->c->s;
    const struct nb_wants *w = &p->c->p->plan.wants;
    if (!(p->nothing = nb_zalloc(t->arena, (size_t)w->nwrt + 1, sizeof *p->nothing, e)))
        return -1;
    s->stir = 1;
    int bad = nb_session_forward(s, e) || nb_session_backward(s, p->c->cotangent, e);
    for (int i = 0; i < w->nwrt && !bad; i++) {
        const double *g = s->grad[w->wrt[i]];
        double most = 0, moved = 0;
        for (size_t k = 0; k < count_of(p->c, i); k++) {
            most = fmax(most, fabs(p->truth[i][k]));
            moved = fmax(moved, fabs(g[k] - p->truth[i][k]));
        }
        p->nothing[i] = moved > 1e-3 * most;
    }
    s->stir = 0;
    return bad || nb_session_forward(s, e) ? -1 : 0;
}

static int open_place(struct tester *t, struct place *p, struct nb_graph *g, const struct nb_run *run,
                      struct nb_error *e)
{
    if (nb_clinic_new(g, run, t->arena, &p->c, e) || nb_session_backward(&p->c->s, p->c->cotangent, e))
        return -1;
    int n = p->c->p->plan.wants.nwrt;
    if (!(p->truth = nb_small(t->arena, (size_t)n + 1, sizeof *p->truth, e)))
        return -1;
    for (int i = 0; i < n; i++) {
        size_t bytes = count_of(p->c, i) * sizeof(double);
        if (!(p->truth[i] = nb_alloc(t->arena, bytes, 1, e)))
            return -1;
        memcpy(p->truth[i], p->c->s.grad[p->c->p->plan.wants.wrt[i]], bytes);
    }
    return find_nothing(t, p, e);
}

/* ---- what is handed in ---------------------------------------------------------------------------------------------
 */

struct found {
    const char *tensor, *code;
    bool caught, named;
};

static int judge(const struct place *p, const struct nb_grading *g, struct nb_arena *a, struct nb_graded *out,
                 struct nb_error *e)
{
    return nb_marks_new(p->r, g, a, out, e) || nb_marks_judge(p->r, g, a, out, e) ? -1 : 0;
}

static int diagnose(const struct place *p, const struct nb_truth_of *t, const struct nb_tensor *submitted,
                    const char **code, struct nb_error *e)
{
    struct nb_suspect s = {
        .name = t->name, .submitted = *submitted, .shape = t->shape, .truth = t->value, .bar = t->bar};
    struct nb_diagnosis d;
    if (nb_diagnose(p->c, &s, &d, e))
        return -1;
    *code = d.code;
    return 0;
}

/* `wrong` holds the tensors in which something was changed. The others are left out: they would be right. */
static int hand_in(const struct tester *t, const struct place *p, const struct nb_tensors *wrong, const char *own,
                   const char *alias, struct found *f, struct nb_arena *a, struct nb_error *e)
{
    struct nb_grading g = *t->g;
    struct nb_graded out;
    g.submission = (struct nb_submission){.form = NB_NUMBERS, .gradients = *wrong};
    if (judge(p, &g, a, &out, e))
        return -1;
    for (size_t i = 0; i < p->r->n && !f->named; i++) {
        const struct nb_named *came = nb_handed_in(&g, p->r->v[i].name);
        const char *code = NULL;
        if (!came || out.v[i].checked.verdict != NB_WRONG)
            continue;
        f->caught = true;
        if (diagnose(p, &p->r->v[i], &came->t, &code, e))
            return -1;
        f->named = code && (!strcmp(code, own) || (alias && !strcmp(code, alias)));
        if (!f->code || f->named)
            f->tensor = p->r->v[i].name, f->code = code;
    }
    return 0;
}

static int record(struct tester *t, struct nb_planted row, struct nb_error *e)
{
    struct nb_selftest *out = t->out;
    if (nb_grow(t->arena, &out->v, out->n, &t->cap, sizeof *out->v, e))
        return -1;
    row.caught = row.points == t->n;
    out->survivors += !row.caught;
    out->misnamed += row.points > 0 && !row.named;
    out->v[out->n++] = row;
    return 0;
}

/* ---- in a tensor
 * ------------------------------------------------------------------------------------------------------ */

struct whole {
    const char *code, *what;
    double times;
    int batch; /* power of N */
    bool transposed;
    bool single; /* in the largest entry alone */
};
static const struct whole wholes[] = {
    {.code = "zero", .what = "all zero", .times = 0},
    {.code = "sign", .what = "negated", .times = -1},
    {.code = "factor_2", .what = "times 2", .times = 2},
    {.code = "factor_2", .what = "times 1/2", .times = 0.5},
    {.code = "factor_batch", .what = "times N", .times = 1, .batch = 1},
    {.code = "factor_batch", .what = "times 1/N", .times = 1, .batch = -1},
    {.code = "transposed", .what = "transposed", .times = 1, .transposed = true},
    {.code = "entries", .what = "one entry off by a thousandth", .times = 1.001, .single = true},
    {.code = "zeros", .what = "one entry zero", .times = 0, .single = true},
};

/* One of three or more that are not zero; of fewer the rest could be anything. */
static bool make_single(double times, const double *truth, double *to, size_t n)
{
    size_t best = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        to[i] = truth[i];
        best = fabs(truth[i]) > fabs(truth[best]) ? i : best;
    }
    for (size_t i = 0; i < n; i++)
        count += fabs(truth[i]) > 1e-3 * fabs(truth[best]);
    if (count > 2)
        to[best] *= times;
    return count > 2;
}

/* False: with these sizes it cannot be made. */
static bool make_whole(const struct whole *w, const struct nb_clinic *c, const struct nb_shape *s, const double *truth,
                       double *to)
{
    size_t n = (size_t)nb_count(s), side = w->transposed && s->rank > 1 ? (size_t)s->dim[s->rank - 1] : 0;
    double times = w->times * pow((double)c->batch, w->batch);
    if (w->single)
        return make_single(times, truth, to, n);
    if ((w->batch && c->batch < 2) || (w->transposed && (side < 2 || s->dim[s->rank - 2] != (int64_t)side)))
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t k = side ? i % (side * side) : 0;
        to[i] = times * truth[side ? i - k + k % side * side + k / side : i];
    }
    return true;
}

static bool same(const double *a, const double *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(b[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(a[i] - b[i]) <= 1e-6 * most))
            return false;
    return true;
}

/* Rounding still. */
static bool is_nothing(const double *a, const double *rounding, size_t n)
{
    double most = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(rounding[i]));
        size = fmax(size, fabs(a[i]));
    }
    return size <= 1e3 * most;
}

/* At a drawn point of other sizes it is a mistake. Where there is no such point: everything is one. */
static int matters_elsewhere(const struct tester *t, const struct whole *w, const char *name, struct nb_arena *a,
                             bool *matters, struct nb_error *e)
{
    const struct place *p = &t->elsewhere;
    int i = p->c ? wrt_of(p->c, name) : -1;
    *matters = true;
    if (i < 0)
        return 0;
    double *to = nb_alloc(a, count_of(p->c, i), sizeof *to, e);
    if (!to)
        return -1;
    const struct nb_shape *s = &p->c->p->plan.net.values.v[p->c->p->plan.wants.wrt[i]].shape;
    *matters = !p->nothing[i] && make_whole(w, p->c, s, p->truth[i], to) && !same(to, p->truth[i], count_of(p->c, i));
    return 0;
}

static int whole_at(const struct tester *t, const struct place *p, const struct whole *w, const char *name,
                    struct found *f, struct nb_arena *a, struct nb_error *e)
{
    struct nb_truth_of *truth = nb_reference_find(p->r, name);
    struct nb_tensors wrong = {0};
    struct nb_tensor to;
    if (!truth || !truth->value || nb_tensor_new(a, NB_F64, &truth->shape, &to, e))
        return truth && truth->value ? -1 : 0;
    if (!make_whole(w, p->c, &truth->shape, truth->value, to.data))
        return 0;
    const char *alias = w->batch && p->c->batch == 2 ? "factor_2" : NULL; /* which of the two, nobody can say */
    return nb_tensors_add(a, &wrong, name, to, e) ? -1 : hand_in(t, p, &wrong, w->code, alias, f, a, e);
}

static int plant_whole(struct tester *t, const struct whole *w, const char *name, struct nb_arena *a,
                       struct nb_error *e)
{
    struct nb_planted row = {.tensor = name, .code = w->code, .what = w->what};
    bool matters;
    if (matters_elsewhere(t, w, name, a, &matters, e) || !matters)
        return matters ? -1 : 0;
    for (size_t k = 0; k < t->n; k++) {
        struct found f = {0};
        if (whole_at(t, &t->at[k], w, name, &f, a, e))
            return -1;
        nb_arena_reset(a, 1 << 24);
        row.points += f.caught;
        row.named |= f.named;
        row.named_as = row.named_as && !f.named ? row.named_as : f.code;
    }
    return record(t, row, e);
}

static int plant_wholes(struct tester *t, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_reference *r = t->at[0].r;
    for (size_t i = 0; i < r->n; i++)
        for (size_t w = 0; w < sizeof wholes / sizeof *wholes; w++)
            if (plant_whole(t, &wholes[w], r->v[i].name, a, e))
                return -1;
    return 0;
}

/* ---- in the backward of operations
 * ------------------------------------------------------------------------------------- */

static int op_at(const struct nb_clinic *c, const struct nb_attempt *x, int i)
{
    return c->p->plan.back[x->back[i]].op;
}

/* The same mistake at another point, where sizes differ and so may the plan; NULL: there it cannot be made. */
static struct nb_attempt *counterpart(const struct nb_clinic *there, const struct nb_attempt *x,
                                      const struct nb_clinic *here)
{
    for (size_t i = 0; i < here->nattempts; i++) {
        struct nb_attempt *y = &here->attempts[i];
        if (x->known == y->known && x->kind == y->kind && x->n == y->n && op_at(there, x, 0) == op_at(here, y, 0) &&
            op_at(there, x, x->n - 1) == op_at(here, y, y->n - 1))
            return y;
    }
    return NULL;
}

/* The tensors it changes, as copies. */
static int changed(const struct place *p, struct nb_attempt *x, struct nb_tensors *wrong, struct nb_arena *a,
                   struct nb_error *e)
{
    const struct nb_plan *plan = &p->c->p->plan;
    if (nb_attempt_make(p->c, x, NB_ALL_WRT, e))
        return -1;
    for (int i = 0; i < plan->wants.nwrt && !x->none; i++) {
        struct nb_tensor to;
        const double *g = p->c->s.grad[plan->wants.wrt[i]];
        if (p->nothing[i] ? is_nothing(g, p->truth[i], count_of(p->c, i)) : same(g, p->truth[i], count_of(p->c, i)))
            continue;
        if (nb_tensor_new(a, NB_F64, &plan->net.values.v[plan->wants.wrt[i]].shape, &to, e))
            return -1;
        memcpy(to.data, g, count_of(p->c, i) * sizeof(double));
        if (nb_tensors_add(a, wrong, p->c->p->wrt_name[i], to, e))
            return -1;
    }
    return 0;
}

/* Mistakes of different kinds may come to the same: only the first is tried. */
static bool tried_before(const struct nb_clinic *c, const struct nb_attempt *x)
{
    for (const struct nb_attempt *y = c->attempts; y < x; y++) {
        bool equal = y->tried && !y->none;
        for (int i = 0; equal && i < c->p->plan.wants.nwrt; i++)
            equal = same(x->print[i], y->print[i], nb_print_count(count_of(c, i)));
        if (equal)
            return true;
    }
    return false;
}

/* What it is called where it can be seen: a sign in the middle of a chain is a sign. */
static int name_elsewhere(const struct place *p, const struct nb_attempt *x, const struct nb_tensors *wrong,
                          const char **alias, struct nb_error *e)
{
    *alias = NULL;
    for (size_t i = 0; i < wrong->n && !(*alias && !strcmp(*alias, x->code)); i++) {
        int wrt = wrt_of(p->c, wrong->v[i].name);
        struct nb_truth_of t = {.name = wrong->v[i].name, .shape = wrong->v[i].t.shape, .value = p->truth[wrt]};
        if (diagnose(p, &t, &wrong->v[i].t, alias, e))
            return -1;
    }
    return 0;
}

static int attempt_at(const struct tester *t, const struct place *p, const struct place *from,
                      const struct nb_attempt *x, const char *alias, struct found *f, struct nb_arena *a,
                      struct nb_error *e)
{
    struct nb_attempt *here = counterpart(from->c, x, p->c);
    struct nb_tensors wrong = {0};
    if (!here)
        return 0;
    if (changed(p, here, &wrong, a, e))
        return -1;
    return wrong.n ? hand_in(t, p, &wrong, x->code, alias, f, a, e) : 0;
}

static int plant_attempt(struct tester *t, const struct place *from, struct nb_attempt *x, struct nb_arena *a,
                         struct nb_error *e)
{
    struct nb_tensors wrong = {0};
    const char *alias;
    if (changed(from, x, &wrong, a, e))
        return -1;
    if (!wrong.n || tried_before(from->c, x))
        return 0;
    if (name_elsewhere(from, x, &wrong, &alias, e))
        return -1;
    nb_arena_reset(a, 1 << 24);
    struct nb_planted row = {.node = nb_strdup(t->arena, nb_attempt_node(from->c, x), e),
                             .code = x->code,
                             .what = x->known ? x->known->formula : x->kind->name};
    for (size_t k = 0; k < t->n && row.node; k++) {
        struct found f = {0};
        if (attempt_at(t, &t->at[k], from, x, alias, &f, a, e))
            return -1;
        nb_arena_reset(a, 1 << 24);
        row.points += f.caught;
        row.named |= f.named;
        row.tensor = row.tensor ? row.tensor : f.tensor;
        row.named_as = row.named_as && !f.named ? row.named_as : f.code;
    }
    return row.node ? record(t, row, e) : -1;
}

/* All gradients at once, so that a diagnosis finds every print there. */
static int make_all(struct nb_clinic *c, struct nb_error *e)
{
    if (!c->listed && nb_attempts_list(c, e))
        return -1;
    for (size_t i = 0; i < c->nattempts; i++)
        if (nb_attempt_make(c, &c->attempts[i], NB_ALL_WRT, e))
            return -1;
    return 0;
}

static int plant_attempts(struct tester *t, struct nb_arena *a, struct nb_error *e)
{
    const struct place *from = t->elsewhere.c ? &t->elsewhere : &t->at[0];
    for (size_t k = 0; k < t->n; k++)
        if (make_all(t->at[k].c, e))
            return -1;
    if (from != &t->at[0] && make_all(from->c, e))
        return -1;
    for (size_t i = 0; i < from->c->nattempts; i++)
        if (plant_attempt(t, from, &from->c->attempts[i], a, e))
            return -1;
    return 0;
}

/* ---- all
 * ---------------------------------------------------------------------------------------------------------------- */

/* Everything that was given is forgotten but what is asked. Cotangents inside the graph cannot be drawn. */
static int open_elsewhere(struct tester *t, const struct nb_reference *r, struct nb_error *e)
{
    struct nb_run *run = nb_small(t->arena, 1, sizeof *run, e);
    struct nb_verdicts v = {0};
    struct nb_error ignored = {0};
    if (!run)
        return -1;
    *run = r->point.run;
    run->inputs = (struct nb_tensors){0};
    run->dims.n = 0;
    run->seed.hi ^= 0x9e3779b97f4a7c15u;
    if (!run->loss) {
        run->cotangents_given = false;
        run->cotangents = (struct nb_tensors){0};
    }
    if (nb_point_draw(r->g, run, 0, t->arena, &v, &ignored) || open_place(t, &t->elsewhere, r->g, run, &ignored)) {
        nb_clinic_done(t->elsewhere.c);
        t->elsewhere.c = NULL;
    }
    return 0;
}

static int run_all(struct tester *t, struct nb_error *e)
{
    struct nb_arena scratch;
    nb_arena_init(&scratch, t->arena->cap);
    int bad = plant_wholes(t, &scratch, e) || plant_attempts(t, &scratch, e);
    nb_arena_done(&scratch);
    return bad ? -1 : 0;
}

int nb_selftest_at(const struct nb_reference *points, size_t n, const struct nb_grading *g, struct nb_arena *a,
                   struct nb_selftest *out, struct nb_error *e)
{
    struct tester t = {.g = g, .n = n, .arena = a, .out = out};
    int bad = (t.at = nb_zalloc(a, n + 1, sizeof *t.at, e)) ? 0 : -1;
    *out = (struct nb_selftest){.points = n};
    for (size_t i = 0; i < n && !bad; i++) {
        t.at[i].r = &points[i];
        bad = points[i].certified ? open_place(&t, &t.at[i], points[i].g, &points[i].point.run, e)
                                  : nb_fail(e, NB_E_internal, "a point of a self-test was not certified");
    }
    bad = bad || !n || open_elsewhere(&t, &points[0], e) || run_all(&t, e);
    for (size_t i = 0; t.at && i < n; i++)
        nb_clinic_done(t.at[i].c);
    nb_clinic_done(t.elsewhere.c);
    return bad && n ? -1 : 0;
}

int nb_selftest(struct nb_graph *graph, const struct nb_grading *g, size_t points, struct nb_arena *a,
                struct nb_selftest *t, const char **fault, struct nb_error *e)
{
    struct nb_reference *r = nb_zalloc(a, points + 1, sizeof *r, e);
    const char **names;
    size_t n;
    *fault = NULL;
    if (!r || nb_grading_names(g, a, &n, &names, e))
        return -1;
    for (size_t i = 0; i < points; i++) {
        struct nb_check point = g->point;
        point.run.seed.lo += i;
        if (nb_reference_make(graph, &point, n, names, i ? NB_ALONG_DIRECTIONS : NB_EVERY_COORDINATE, a, &r[i], e))
            return -1;
        if (!r[i].certified) {
            *fault = r[i].fault;
            return 0;
        }
    }
    return nb_selftest_at(r, points, g, a, t, e);
}
