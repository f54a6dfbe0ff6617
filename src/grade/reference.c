/* reference - what is right at a point: the checker's numbers, made once, for as many submissions as there are. */
#include "check/oracle.h"
#include "check/point.h"
#include "grade/marking.h"
#include "graph/snapshot.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { ROUNDING = 16 };

struct nb_truth_of *nb_reference_find(const struct nb_reference *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->v[i].name, name))
            return &r->v[i];
    return NULL;
}

/* ---- one tensor -------------------------------------------------------------------------------------------------- */

static int new_arrays(struct nb_truth_of *t, struct nb_arena *a, struct nb_error *e)
{
    t->terms = nb_zalloc(a, t->n, sizeof *t->terms, e);
    t->moved = nb_zalloc(a, t->n, 1, e);
    t->untold = nb_zalloc(a, t->n, 1, e);
    return t->terms && t->moved && t->untold ? 0 : -1;
}

/* Where the checker could not tell its own gradient, nobody's can be told. */
static unsigned char untold_of(const struct nb_checked *c, size_t i)
{
    bool right = c->grounds->shadow ? c->grounds->shadow[i] == NB_RIGHT : c->verdicts[i] == NB_RIGHT;
    if (right || c->verdicts[i] != NB_CANNOT_TELL)
        return NB_WHY_none;
    return c->reasons[i] ? c->reasons[i] : (unsigned char)NB_WHY_no_power;
}

/* From the check of the graph's own backward. */
static int take_checked(const struct nb_checked *c, struct nb_truth_of *t, struct nb_arena *a, struct nb_error *e)
{
    t->reason = c->grounds ? NB_WHY_none : c->reason ? c->reason : NB_WHY_empty;
    t->value = c->value;
    t->bar = c->bar;
    if (!c->grounds)
        return 0;
    if (new_arrays(t, a, e) || !(t->scatter = nb_alloc(a, t->n, sizeof *t->scatter, e)))
        return -1;
    const struct nb_grounds *g = c->grounds;
    memcpy(t->scatter, g->scatter, t->n * sizeof *t->scatter);
    t->reach = g->reach;
    t->noise = (double *)g->noise;
    for (size_t i = 0; i < t->n; i++) {
        t->moved[i] = (g->z && g->z[i].moved) || (g->d && g->d[i].moved);
        t->terms[i] = fmax(g->z ? g->z[i].terms : 0, g->d ? g->d[i].terms : 0);
        t->untold[i] = untold_of(c, i);
    }
    return 0;
}

/* From the graph's own backward alone. */
static int take_measured(const struct nb_measured *m, int i, struct nb_truth_of *t, struct nb_arena *a,
                         struct nb_error *e)
{
    if (new_arrays(t, a, e) || !(t->bar = nb_alloc(a, t->n, sizeof *t->bar, e)))
        return -1;
    t->value = m->value[i];
    t->scatter = m->scatter[i];
    for (size_t k = 0; k < t->n; k++) {
        double v = fabs(t->value[k]);
        t->bar[k] = ROUNDING * DBL_EPSILON * v + 4 * t->scatter[k];
        t->moved[k] = v > 0 || t->scatter[k] > 0;
        t->reach = fmax(t->reach, v);
    }
    for (size_t k = 0; k < t->n; k++)
        t->terms[k] = t->reach;
    if (!t->n)
        t->reason = NB_WHY_empty;
    return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int find_names(struct nb_reference *r, const struct nb_planned *p, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_wants *w = &p->plan.wants;
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(p->wrt_name[i < (size_t)w->nwrt ? i : 0], r->point.run.wrt.v[i]) || i >= (size_t)w->nwrt)
            return nb_fail(e, NB_E_bad_reference, "%.80s names the same tensor as another one", r->point.run.wrt.v[i]),
                   nb_at_index(e, i), nb_at(e, "wrt");
        const struct nb_value *v = &p->plan.net.values.v[w->wrt[i]];
        r->v[i].shape = v->shape;
        r->v[i].n = (size_t)nb_count(&v->shape);
        r->v[i].at = w->wrt[i];
        r->v[i].computed = v->kind != NB_V_INPUT && v->kind != NB_V_PARAM;
        if (!(r->v[i].name = nb_strdup(a, p->wrt_name[i], e)))
            return -1;
    }
    return 0;
}

static int no_patterns(const struct nb_reference *r, struct nb_error *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (strpbrk(r->point.run.wrt.v[i], "*?"))
            return nb_fail(e, NB_E_unknown_reference, "a tensor's own name is needed, not the pattern %.80s",
                           r->point.run.wrt.v[i]),
                   nb_at_index(e, i), nb_at(e, "wrt");
    return 0;
}

/* What is differentiated, if nothing is said and there is one thing to differentiate. */
static void only_loss(const struct nb_graph *g, struct nb_run *run)
{
    if (!run->loss && !run->cotangents_given && g->net.losses.n == 1)
        run->loss = g->net.losses.v[0].name;
}

static int begin(struct nb_reference *r, const struct nb_check *point, size_t n, const char *const *names,
                 struct nb_arena *a, struct nb_error *e)
{
    struct nb_run *run = &r->point.run;
    r->point = *point;
    r->n = n;
    run->wrt = (struct nb_strings_list){n, (const char **)names};
    run->wrt_given = true;
    only_loss(r->g, run);
    if (no_patterns(r, e) || !(r->v = nb_zalloc(a, n + 1, sizeof *r->v, e)) ||
        nb_point_draw(r->g, run, 0, a, &r->own, e))
        return -1;
    struct nb_planned *p = nb_graph_plan(r->g, NB_ASK_PLAIN, run, a, e);
    int bad = p ? find_names(r, p, a, e) : -1;
    if (p)
        nb_planned_unref(p);
    return bad;
}

/* ---- every coordinate -------------------------------------------------------------------------------------------- */

/* Learned tensors and inputs; if there are none among the names, all there are. */
static int leaves_of(const struct nb_reference *r, struct nb_run *run, struct nb_arena *a, struct nb_error *e)
{
    run->wrt.n = 0;
    if (!(run->wrt.v = nb_small(a, r->n + 1, sizeof *run->wrt.v, e)))
        return -1;
    for (size_t i = 0; i < r->n; i++)
        if (!r->v[i].computed)
            run->wrt.v[run->wrt.n++] = r->v[i].name;
    run->wrt_given = run->wrt.n > 0;
    return 0;
}

static bool given_backward(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a)
{
    struct nb_error ignored = {0};
    struct nb_planned *p = nb_graph_plan(g, NB_ASK_BACKWARD, run, a, &ignored);
    bool given = p && nb_net_given(&p->plan.net);
    if (p)
        nb_planned_unref(p);
    return given;
}

/* A backward that a user gave may be wrong: the numbers are those of the forward all the same. */
static void certify(struct nb_reference *r, bool given)
{
    enum nb_verdict own = r->own.has_shadow ? r->own.shadow : r->own.verdict;
    r->certified = r->own.self_ok && (given || own != NB_WRONG);
    r->fault = r->certified ? NULL : r->own.facts.fault ? r->own.facts.fault : "the graph's own backward is wrong";
    r->kinks = r->own.facts.nkinks > 0;
}

static int check_every(struct nb_reference *r, struct nb_arena *a, struct nb_error *e)
{
    /* None of the gradients is given, but it is numbers that are asked about, at this point alone. */
    struct nb_check c = {.run = r->point.run, .watch = r->point.watch, .gradients_given = true, .grounds = true};
    struct nb_tensors point = r->own.point, cotangents = r->own.cotangents;
    if (leaves_of(r, &c.run, a, e) || nb_check_run(r->g, &c, a, &r->own, e))
        return -1;
    r->own.point = point;
    r->own.cotangents = cotangents;
    certify(r, given_backward(r->g, &c.run, a));
    for (size_t i = 0; i < r->own.n; i++) {
        struct nb_truth_of *t = nb_reference_find(r, r->own.v[i].name);
        if (t && take_checked(&r->own.v[i], t, a, e))
            return -1;
    }
    return 0;
}

/* At a kink a node's gradient may be any of several: what that touches is not told. */
static int leave_kinks(struct nb_reference *r, const struct nb_measured *m, struct nb_arena *a, struct nb_error *e)
{
    unsigned char **jumps = nb_small(a, r->n + 1, sizeof *jumps, e);
    for (size_t i = 0; jumps && i < r->n; i++)
        if (!(jumps[i] = nb_zalloc(a, r->v[i].n, 1, e)))
            return -1;
    if (!jumps || nb_measured_jumps(m, r->g, &r->point.run, a, jumps, e))
        return -1;
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; r->v[i].computed && r->v[i].untold && k < r->v[i].n; k++)
            if (jumps[i][k])
                r->v[i].untold[k] = NB_WHY_kink;
    return 0;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

/* Those that the checker does not look at, or all. */
static int take_own(struct nb_reference *r, const struct nb_measured *m, bool all, struct nb_arena *a,
                    struct nb_error *e)
{
    for (size_t i = 0; i < r->n; i++)
        if ((all || r->v[i].computed) && take_measured(m, (int)i, &r->v[i], a, e))
            return -1;
    return 0;
}

static bool any_computed(const struct nb_reference *r)
{
    bool any = false;
    for (size_t i = 0; i < r->n; i++)
        any |= r->v[i].computed;
    return any;
}

/* Along directions, if they agree; *done says so. */
static int try_directions(struct nb_reference *r, const struct nb_measured *m, struct nb_arena *a, bool *done,
                          struct nb_error *e)
{
    *done = m->sound && !m->edges;
    if (!*done)
        return 0;
    if (nb_measured_holds(m, r->g, &r->point.run, a, done, e))
        return -1;
    if (!*done)
        return 0;
    r->own.self_ok = r->certified = true;
    r->own.facts.coverage = NB_COVER_SAMPLED;
    r->own.facts.points = 1;
    r->own.facts.directions = NB_MEASURED_DIRECTIONS;
    for (size_t i = 0; i < r->n; i++)
        r->own.facts.asked += (int64_t)r->v[i].n;
    return take_own(r, m, true, a, e);
}

int nb_reference_make(struct nb_graph *g, const struct nb_check *point, size_t n, const char *const *names,
                      enum nb_thorough how, struct nb_arena *a, struct nb_reference *r, struct nb_error *e)
{
    struct nb_measured m = {0};
    bool done = false;
    *r = (struct nb_reference){.g = g};
    if (begin(r, point, n, names, a, e))
        return -1;
    bool measured = how == NB_ALONG_DIRECTIONS || any_computed(r);
    int bad = measured && nb_measure(g, &r->point.run, a, &m, e);
    bad = bad || (how == NB_ALONG_DIRECTIONS && try_directions(r, &m, a, &done, e));
    bad = bad || (!done && (check_every(r, a, e) || (measured && take_own(r, &m, false, a, e))));
    bad = bad || (r->kinks && any_computed(r) && leave_kinks(r, &m, a, e));
    nb_measured_release(&m);
    return bad ? -1 : 0;
}
