/* formulas - a derivation is right everywhere: at the visible point, at hidden ones, for other numbers of samples, off
 * the real axis, and its intermediate results may be moved by a unit in the last place. */
#include "check/domain.h"
#include "grade/derive.h"
#include "grade/marking.h"
#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STIRS = 6 };
/* A derivative moves by a few units in the last place; a difference quotient by as many as its step divides by. */
static const double ROUGH = 40, IMAGINARY = 0.15, OFF_AXIS = 1e-6, INEXACT = 64;
static const double EDGE_SECONDS = 2; /* more than that, and edges are not looked at */

struct looking {
    const struct nb_formulas *f;
    const struct nb_grading *g; /* as asked */
    struct nb_arena *arena;
};

/* What was seen at one point. */
struct sight {
    struct nb_reference r;
    struct nb_grading here; /* the formulas' numbers as if they had been handed in */
    struct nb_graded out;
    double *rough;          /* per formula */
    bool *inexact;          /* per formula: off by more than rounding explains */
    struct nb_graph *other; /* held */
    bool seen, failed;
};

static size_t entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

/* ---- numbers at a point ------------------------------------------------------------------------------------------ */

static int take_numbers(const struct looking *l, const struct nb_derivation *d, struct sight *s, struct nb_error *e)
{
    s->here = *l->g;
    s->here.point = s->r.point;
    s->here.point.rho = l->g->point.rho > 0 ? l->g->point.rho : NB_RHO_FORMULAS;
    s->here.submission.gradients = (struct nb_tensors){0};
    for (size_t i = 0; i < l->f->n; i++) {
        const struct nb_truth_of *t = nb_reference_find(&s->r, l->f->name[i]);
        struct nb_tensor x;
        if (nb_derived(d, i, &t->shape, &x, e) ||
            nb_tensors_add(l->arena, &s->here.submission.gradients, l->f->name[i], x, e))
            return -1;
    }
    return 0;
}

/* How far every number moves with what it is made of. */
static int measure_scatter(const struct looking *l, struct nb_derivation *d, const struct sight *s, double **scatter,
                           struct nb_error *e)
{
    for (size_t i = 0; i < l->f->n; i++)
        if (!(scatter[i] = nb_zalloc(l->arena, entries(&s->here.submission.gradients.v[i].t), sizeof(double), e)))
            return -1;
    for (uint64_t r = 1; r <= STIRS; r++) {
        struct nb_error refused = {0};
        if (nb_derive(d, r, &refused))
            continue;
        for (size_t i = 0; i < l->f->n; i++) {
            const struct nb_tensor *t = &s->here.submission.gradients.v[i].t;
            const double *here = t->data;
            struct nb_tensor now;
            if (nb_derived(d, i, &t->shape, &now, e))
                return -1;
            for (size_t k = 0; k < entries(t); k++)
                scatter[i][k] = fmax(scatter[i][k], fabs(((double *)now.data)[k] - here[k]));
        }
    }
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of an entry in the middle: how much more it moves than the graph's own backward does. */
static double roughness(const struct nb_truth_of *t, const double *scatter, double *room)
{
    size_t n = 0;
    for (size_t k = 0; k < t->n; k++) {
        double v = fabs(t->value[k]);
        if (v > 1e-3 * t->reach && !t->untold[k])
            room[n++] = scatter[k] / fmax(DBL_EPSILON * v, t->scatter[k]);
    }
    if (!n)
        return 0;
    qsort(room, n, sizeof *room, ascending);
    return room[n / 2];
}

/* In most entries: a stencil of many points may err by less than any tolerance, and not by rounding. */
static bool is_inexact(const struct nb_truth_of *t, const double *got, const double *scatter)
{
    size_t off = 0, told = 0;
    for (size_t k = 0; k < t->n; k++) {
        double v = fabs(t->value[k]), rounding = fmax(fmax(scatter[k], t->scatter[k]), DBL_EPSILON * v);
        if (!(v > 1e-3 * t->reach) || t->untold[k])
            continue;
        told++;
        off += fabs(got[k] - t->value[k]) > INEXACT * rounding + t->bar[k];
    }
    return 2 * off > told;
}

/* An honest formula rounds, too. */
static int allow_scatter(const struct looking *l, struct sight *s, double *const *scatter, struct nb_error *e)
{
    struct nb_truth_of *own = nb_small(l->arena, s->r.n + 1, sizeof *own, e);
    if (!own || !(s->rough = nb_zalloc(l->arena, l->f->n + 1, sizeof *s->rough, e)) ||
        !(s->inexact = nb_zalloc(l->arena, l->f->n + 1, sizeof *s->inexact, e)))
        return -1;
    memcpy(own, s->r.v, s->r.n * sizeof *own);
    s->r.v = own;
    for (size_t i = 0; i < l->f->n; i++) {
        struct nb_truth_of *t = nb_reference_find(&s->r, l->f->name[i]);
        double *more = nb_alloc(l->arena, t->n, sizeof *more, e);
        if (!more)
            return -1;
        if (t->reason || nb_shape_same(&s->here.submission.gradients.v[i].t.shape, &t->shape) != 1)
            continue;
        s->rough[i] = roughness(t, scatter[i], more);
        s->inexact[i] = is_inexact(t, s->here.submission.gradients.v[i].t.data, scatter[i]);
        for (size_t k = 0; k < t->n; k++)
            more[k] = fmax(t->scatter[k], isfinite(scatter[i][k]) ? scatter[i][k] : 0);
        t->scatter = more;
    }
    return 0;
}

static int evaluate(const struct looking *l, struct sight *s, struct nb_error *e)
{
    struct nb_derivation d;
    double **scatter = nb_small(l->arena, l->f->n + 1, sizeof *scatter, e);
    int bad = !scatter || nb_derivation_open(l->f, s->r.g, &s->r.point.run, NB_F64, l->arena, &d, e) ||
              nb_derive(&d, 0, e) || take_numbers(l, &d, s, e) || measure_scatter(l, &d, s, scatter, e) ||
              allow_scatter(l, s, scatter, e);
    if (scatter)
        nb_derivation_release(&d);
    return bad ? -1 : 0;
}

static int look(const struct looking *l, struct sight *s, struct nb_error *e)
{
    s->seen = s->r.certified;
    if (nb_marks_new(&s->r, l->g, l->arena, &s->out, e))
        return -1;
    if (!s->seen)
        return 0;
    return evaluate(l, s, e) || nb_marks_judge(&s->r, &s->here, l->arena, &s->out, e) ||
                   nb_marks_diagnose(&s->r, &s->here, l->arena, &s->out, e)
               ? -1
               : 0;
}

/* ---- hidden points ----------------------------------------------------------------------------------------------- */

static bool is_fatal(const struct nb_error *e)
{
    return e->code == NB_E_cancelled || e->code == NB_E_limit || e->code == NB_E_out_of_memory;
}

static int draw(const struct looking *l, const struct nb_reference *visible, enum nb_hidden which, struct sight *s,
                struct nb_error *e)
{
    struct nb_check point;
    bool there;
    if (nb_hidden_draw(visible, which, l->arena, &s->other, &point, &there, e))
        return -1;
    if (!there)
        return 1;
    const char **names = nb_small(l->arena, visible->n + 1, sizeof *names, e);
    for (size_t i = 0; names && i < visible->n; i++)
        names[i] = visible->v[i].name;
    return names ? nb_reference_make(s->other, &point, visible->n, names, NB_ALONG_DIRECTIONS, l->arena, &s->r, e) : -1;
}

/* Where no such point can be drawn, nothing is seen. Where the formulas alone cannot be evaluated, they failed. */
static int look_hidden(const struct looking *l, const struct nb_reference *visible, enum nb_hidden which,
                       struct sight *s, struct nb_error *e)
{
    int drawn = draw(l, visible, which, s, e);
    int bad = drawn ? drawn < 0 : look(l, s, e);
    if (!bad || is_fatal(e))
        return bad ? -1 : 0;
    s->failed = !drawn;
    s->seen = false;
    *e = (struct nb_error){0};
    return 0;
}

/* ---- off the real axis ------------------------------------------------------------------------------------------- */

static int lean(const struct looking *l, struct nb_derivation *d, int value, struct nb_stream stream, uint64_t at,
                struct nb_error *e)
{
    size_t n = (size_t)nb_count(&d->p->plan.net.values.v[value].shape);
    double *by = nb_alloc(l->arena, n, sizeof *by, e);
    if (!by || nb_session_own(&d->s, value, l->arena, e))
        return -1;
    double _Complex *z = d->s.data[value];
    nb_draw_amounts(stream, at, n, by);
    for (size_t k = 0; k < n; k++)
        z[k] = CMPLX(creal(z[k]), IMAGINARY * by[k]);
    return 0;
}

/* Real inputs that may take any value, and what is learned. */
static int leave_axis(const struct looking *l, struct nb_derivation *d, struct nb_seed seed, struct nb_error *e)
{
    const struct nb_net *net = &d->p->plan.net;
    struct nb_stream stream = nb_stream_of(seed, "off the axis");
    for (size_t i = 0; i < net->inputs.n; i++) {
        const struct nb_input *in = &net->inputs.v[i];
        struct nb_domain domain;
        if (in->sample != NB_FED || net->values.v[in->value].integer || !d->s.data[in->value])
            continue;
        if (nb_domain_of(net, in, l->arena, &domain, e))
            return -1;
        if (!domain.letter && lean(l, d, in->value, stream, (uint64_t)i << 40, e))
            return -1;
    }
    for (size_t i = 0; i < net->learned.n; i++)
        if (!net->learned.v[i].buffer && net->learned.v[i].tie < 0 && d->s.data[net->learned.v[i].value] &&
            lean(l, d, net->learned.v[i].value, stream, (uint64_t)(net->inputs.n + i) << 40, e))
            return -1;
    return 0;
}

/* In most entries that can be compared. */
static bool differs(const double _Complex *a, const double _Complex *b, size_t n)
{
    size_t apart = 0, told = 0;
    double most = 0;
    for (size_t k = 0; k < n; k++)
        most = fmax(most, cabs(b[k]));
    for (size_t k = 0; k < n; k++) {
        if (!(cabs(b[k]) > 1e-6 * most))
            continue;
        told++;
        apart += !(cabs(a[k] - b[k]) <= OFF_AXIS * fmax(cabs(a[k]), cabs(b[k])));
    }
    return 2 * apart > told;
}

static int compare_off(const struct looking *l, struct nb_derivation *d, const struct sight *s, bool *off,
                       struct nb_error *e)
{
    if (leave_axis(l, d, s->r.point.run.seed, e) || nb_derive(d, 0, e) || nb_session_backward(&d->s, d->cotangent, e))
        return -1;
    for (size_t i = 0; i < l->f->n; i++) {
        const struct nb_truth_of *t = nb_reference_find(&s->r, l->f->name[i]);
        int w = (int)(t - s->r.v);
        const double _Complex *own = d->s.grad[d->p->plan.wants.wrt[w]];
        struct nb_tensor x;
        if (nb_derived(d, i, &t->shape, &x, e))
            return -1;
        off[i] = own && nb_shape_same(&x.shape, &t->shape) == 1 && differs(x.data, own, t->n);
    }
    return 0;
}

/* Where that cannot be computed nothing is said. */
static int look_off(const struct looking *l, const struct sight *s, bool *off, struct nb_error *e)
{
    struct nb_derivation d;
    if (!s->seen)
        return 0;
    int bad =
        nb_derivation_open(l->f, s->r.g, &s->r.point.run, NB_C128, l->arena, &d, e) || compare_off(l, &d, s, off, e);
    nb_derivation_release(&d);
    if (!bad || is_fatal(e))
        return bad ? -1 : 0;
    *e = (struct nb_error){0};
    memset(off, 0, l->f->n * sizeof *off);
    return 0;
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

static double seconds_of(const struct nb_reference *r)
{
    double n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += (double)r->v[i].n;
    return n * 11 * nb_graph_cost(r->g, &r->point.run.inputs) / 2e9;
}

/* The formulas' numbers there, for learned tensors and inputs; *sound: there are such numbers of the graph's own. */
static int numbers_at_edges(const struct looking *l, const struct nb_reference *visible, struct sight *s, bool *sound,
                            struct nb_error *e)
{
    struct nb_measured m = {0};
    struct nb_derivation d = {0};
    bool there;
    *sound = false;
    s->r = *visible;
    if (nb_hidden_draw(visible, NB_HIDDEN_EDGES, l->arena, &s->other, &s->r.point, &there, e) || !there)
        return there ? -1 : 0;
    s->r.g = s->other;
    int bad = nb_measure(s->other, &s->r.point.run, l->arena, &m, e);
    *sound = !bad && m.sound;
    nb_measured_release(&m);
    bad = bad || (*sound && (nb_derivation_open(l->f, s->other, &s->r.point.run, NB_F64, l->arena, &d, e) ||
                             nb_derive(&d, 0, e) || take_numbers(l, &d, s, e)));
    nb_derivation_release(&d);
    return bad ? -1 : 0;
}

static int judge_edges(const struct looking *l, const struct sight *s, bool *wrong, struct nb_error *e)
{
    struct nb_check c = {.run = s->r.point.run,
                         .gradients_given = true,
                         .convention = l->g->point.convention,
                         .rho = NB_RHO_GRADE,
                         .watch = l->g->point.watch};
    struct nb_verdicts v = {0};
    c.run.wrt.n = 0;
    if (!(c.run.wrt.v = nb_small(l->arena, l->f->n + 1, sizeof *c.run.wrt.v, e)))
        return -1;
    for (size_t i = 0; i < l->f->n; i++)
        if (!nb_reference_find(&s->r, l->f->name[i])->computed)
            c.run.wrt.v[c.run.wrt.n++] = l->f->name[i];
    for (size_t i = 0; i < c.run.wrt.n; i++)
        if (nb_tensors_add(l->arena, &c.gradients, c.run.wrt.v[i],
                           *nb_tensors_find(&s->here.submission.gradients, c.run.wrt.v[i]), e))
            return -1;
    if (c.run.wrt.n && nb_check_run(s->other, &c, l->arena, &v, e))
        return -1;
    for (size_t k = 0; k < v.n; k++)
        for (size_t i = 0; i < l->f->n; i++)
            if (!strcmp(l->f->name[i], v.v[k].name))
                wrong[i] = v.self_ok && v.v[k].verdict == NB_WRONG;
    return 0;
}

/* *looked: there are edges, and the graph itself has numbers there. */
static int look_at_edges(const struct looking *l, const struct nb_reference *visible, struct sight *s, bool *wrong,
                         bool *looked, struct nb_error *e)
{
    *looked = false;
    if (seconds_of(visible) > EDGE_SECONDS)
        return 0;
    int bad = numbers_at_edges(l, visible, s, looked, e) || (*looked && judge_edges(l, s, wrong, e));
    if (!bad || is_fatal(e))
        return bad ? -1 : 0;
    *e = (struct nb_error){0};
    *looked = false;
    return 0;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

enum { VISIBLE, HIDDEN, SIZES, SINGLE, SIGHTS };
struct looks {
    struct sight at[SIGHTS], edges;
    bool *off, *edge; /* per formula: not right off the axis, at edges */
    bool edges_there;
};

static struct nb_mark *mark_at(const struct sight *s, const char *name)
{
    for (size_t i = 0; s->seen && i < s->out.n; i++)
        if (!strcmp(s->out.v[i].name, name))
            return &s->out.v[i];
    return NULL;
}

static void all_wrong(struct nb_checked *c)
{
    c->verdict = NB_WRONG;
    c->reason = NB_WHY_none;
    c->wrong += c->right + c->silent + c->cannot_tell;
    c->right = c->silent = c->cannot_tell = 0;
}

static int name_difference(struct nb_mark *m, double rough, struct nb_arena *a, struct nb_error *e)
{
    struct nb_evidence *x = nb_zalloc(a, 1, sizeof *x, e);
    if (!x)
        return -1;
    *x = (struct nb_evidence){.key = "amplification", .kind = NB_NUMBER, .number = rough};
    all_wrong(&m->checked);
    m->diagnosis = (struct nb_diagnosis){.code = "finite_difference",
                                         .hint = "Derive the formula: a difference quotient is not a derivative.",
                                         .nevidence = 1,
                                         .evidence = x};
    m->diagnosis.pattern = nb_sprintf(
        a, e, "moved by rounding %.0f times as far as a derivative is, like a difference divided by its step", rough);
    return m->diagnosis.pattern ? 0 : -1;
}

/* At both points, if there are two. */
static double rough_of(const struct looks *x, size_t i)
{
    double here = x->at[VISIBLE].rough[i];
    const struct sight *h = &x->at[HIDDEN];
    return h->seen && h->rough ? fmin(h->rough[i] > 0 ? h->rough[i] : here, here > 0 ? here : h->rough[i]) : here;
}

static bool is_inexact_everywhere(const struct looks *x, size_t i)
{
    const struct sight *h = &x->at[HIDDEN];
    return x->at[VISIBLE].inexact[i] && (!h->seen || !h->inexact || h->inexact[i]);
}

static void judge_batch(const struct looks *x, struct nb_mark *m)
{
    struct nb_row *row = &m->row[NB_ROW_BATCH];
    bool wrong = false;
    for (int k = SIZES; k <= SINGLE; k++) {
        const struct nb_mark *other = mark_at(&x->at[k], m->name);
        row->there |= other || x->at[k].failed;
        wrong |= x->at[k].failed || (other && other->checked.verdict == NB_WRONG);
    }
    row->points = wrong ? 0 : 1;
    row->remark = wrong ? nb_reason_text(NB_WHY_other_batch) : NULL;
    if (!wrong)
        return;
    m->checked.verdict = NB_WRONG;
    m->checked.reason = NB_WHY_other_batch;
}

static void judge_edge(const struct looks *x, size_t i, struct nb_mark *m)
{
    struct nb_row *row = &m->row[NB_ROW_EDGES];
    row->there = x->edges_there;
    row->points = x->edge[i] ? 0 : 1;
    row->remark = x->edge[i] ? "wrong, or no number, at zeros and where the graph is saturated" : NULL;
}

/* One slip costs once: where the values are wrong, nothing else is looked at. */
static int conclude(const struct looking *l, const struct looks *x, size_t i, struct nb_mark *m, struct nb_error *e)
{
    double rough = rough_of(x, i);
    if (x->at[HIDDEN].failed)
        all_wrong(&m->checked);
    const struct nb_mark *other = mark_at(&x->at[HIDDEN], m->name);
    if (other)
        nb_mark_merge(m, other);
    if (m->checked.reason == NB_WHY_shape)
        return 0;
    if (rough >= ROUGH)
        return name_difference(m, rough, l->arena, e);
    if (m->checked.verdict == NB_WRONG)
        return 0;
    judge_edge(x, i, m);
    judge_batch(x, m);
    if (m->checked.verdict == NB_RIGHT && (x->off[i] || is_inexact_everywhere(x, i))) {
        m->checked.verdict = NB_CANNOT_TELL;
        m->checked.reason = x->off[i] ? NB_WHY_not_analytic : NB_WHY_inexact;
        m->review = true;
    }
    return 0;
}

static int look_everywhere(const struct looking *l, const struct nb_reference *r, struct looks *x, struct nb_error *e)
{
    x->off = nb_zalloc(l->arena, l->f->n + 1, sizeof *x->off, e);
    x->edge = nb_zalloc(l->arena, l->f->n + 1, sizeof *x->edge, e);
    x->at[VISIBLE].r = *r;
    if (!x->off || !x->edge || look(l, &x->at[VISIBLE], e) || !r->certified)
        return x->off && x->edge && !e->code ? 0 : -1;
    return look_hidden(l, r, NB_HIDDEN_VALUES, &x->at[HIDDEN], e) ||
                   look_hidden(l, r, NB_HIDDEN_SIZES, &x->at[SIZES], e) ||
                   look_hidden(l, r, NB_HIDDEN_SINGLE, &x->at[SINGLE], e) || look_off(l, &x->at[HIDDEN], x->off, e) ||
                   look_at_edges(l, r, &x->edges, x->edge, &x->edges_there, e)
               ? -1
               : 0;
}

static int conclude_all(const struct looking *l, const struct looks *x, struct nb_graded *out, struct nb_error *e)
{
    *out = x->at[VISIBLE].out;
    if (!out->graded)
        return out->verdict = NB_CANNOT_TELL, 0;
    for (size_t i = 0; i < l->f->n; i++)
        if (conclude(l, x, i, mark_at(&x->at[VISIBLE], l->f->name[i]), e))
            return -1;
    for (size_t i = 0; i < out->n; i++)
        nb_points_give(l->g, &out->v[i]);
    nb_points_sum(out);
    return 0;
}

int nb_grade_formulas(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a,
                      struct nb_graded *out, struct nb_error *e)
{
    struct nb_formulas f;
    struct looking l = {&f, g, a};
    struct looks *x = nb_zalloc(a, 1, sizeof *x, e);
    if (!x || nb_formulas_read(&g->submission, a, &f, e))
        return -1;
    int bad = look_everywhere(&l, r, x, e) || conclude_all(&l, x, out, e);
    for (int k = 0; k < SIGHTS; k++)
        if (x->at[k].other)
            nb_graph_unref(x->at[k].other);
    if (x->edges.other)
        nb_graph_unref(x->edges.other);
    return bad ? -1 : 0;
}
