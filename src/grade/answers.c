/* answers - a wrong forward is said first; then the gradient is one of something else, and judged beside that. */
#include "grade/answers.h"
#include "grade/marking.h"
#include "graph/snapshot.h"
#include <math.h>
#include <string.h>

static const double FORWARD = 1e-6; /* relative, and of the largest entry; in float 1e-4 */

struct hearing {
    struct nb_graph *g;
    const struct nb_grading *asked;
    struct nb_arena *arena;
    const struct nb_heard *at;
};

/* ---- one point --------------------------------------------------------------------------------------------------- */

static bool is_fed(const struct nb_graph *g, const char *name)
{
    return nb_net_input(&g->net, name) >= 0;
}

/* The graph with the learned tensors of this point, and the rest of it. */
static struct nb_graph *stand(const struct hearing *h, struct nb_run *run, struct nb_error *e)
{
    const struct nb_tensors *l = &h->at->inputs;
    struct nb_tensors learned = {0};
    run->inputs = (struct nb_tensors){0};
    run->loss = NULL;
    run->cotangents = h->at->cotangents;
    run->cotangents_given = true;
    for (size_t i = 0; i < l->n; i++) {
        bool fed = is_fed(h->g, l->v[i].name);
        if (!fed && !nb_tensors_find(nb_graph_parameters(h->g), l->v[i].name))
            return nb_fail(e, NB_E_unknown_reference,
                           "the function that was probed has an input %.80s, the graph has none", l->v[i].name),
                   NULL;
        if (nb_tensors_add(h->arena, fed ? &run->inputs : &learned, l->v[i].name, l->v[i].t, e))
            return NULL;
    }
    return nb_graph_with(h->g, &learned, false, e);
}

static void compare(const struct nb_named *want, const struct nb_tensor *came, bool single, struct nb_arena *a,
                    struct nb_deviation *d, struct nb_error *e)
{
    size_t n = (size_t)nb_count(&want->t.shape);
    double *w = nb_alloc(a, n, sizeof *w, e), most = 0;
    const double *got = came->data;
    if (!w)
        return;
    *d = (struct nb_deviation){want->name, want->t.shape, -1, 0, 0};
    if (nb_shape_same(&came->shape, &want->t.shape) != 1)
        return;
    nb_convert(NB_F64, w, want->t.dtype, want->t.data, n);
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(w[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - w[i]) <= (single ? 1e-4 : FORWARD) * most) && isfinite(w[i])) {
            d->index = (int64_t)i;
            d->got = got[i];
            d->expected = w[i];
            return;
        }
    d->output = NULL;
}

static int look_forward(const struct hearing *h, struct nb_graph *g, const struct nb_run *run, struct nb_deviation *d,
                        struct nb_error *e)
{
    struct nb_run ask = *run;
    struct nb_result r = {0};
    ask.outputs = (struct nb_strings_list){0, nb_small(h->arena, h->at->outputs.n + 1, sizeof(char *), e)};
    ask.outputs_given = true;
    for (size_t i = 0; ask.outputs.v && i < h->at->outputs.n; i++)
        ask.outputs.v[ask.outputs.n++] = h->at->outputs.v[i].name;
    if (!ask.outputs.v || nb_graph_forward(g, &ask, h->arena, &r, e))
        return -1;
    for (size_t i = 0; i < r.outputs.n && !d->output && !e->code; i++)
        compare(&r.outputs.v[i], &h->at->outputs.v[i].t, nb_graph_dtype(h->g) == NB_F32, h->arena, d, e);
    return e->code ? -1 : 0;
}

static int hear(const struct hearing *h, bool first, struct nb_reference *r, struct nb_graded *out,
                struct nb_deviation *d, struct nb_error *e)
{
    struct nb_grading here = *h->asked;
    struct nb_graph *g = stand(h, &here.point.run, e);
    here.submission = (struct nb_submission){.form = NB_NUMBERS, .gradients = h->at->gradients};
    here.how = first ? NB_EVERY_COORDINATE : NB_ALONG_DIRECTIONS;
    int bad = !g || look_forward(h, g, &here.point.run, d, e) || nb_grade(g, &here, h->arena, r, out, e);
    if (g)
        nb_graph_unref(g);
    r->g = h->g;
    return bad ? -1 : 0;
}

/* ---- where it is asked --------------------------------------------------------------------------------------------
 */

static int add_all(struct nb_tensors *to, const struct nb_tensors *l, struct nb_arena *a, struct nb_error *e)
{
    for (size_t i = 0; i < l->n; i++) {
        struct nb_tensor t;
        if (l->v[i].t.dtype == NB_I64)
            return nb_fail(e, NB_E_bad_value, "%.80s holds whole numbers: a function of them cannot be probed",
                           l->v[i].name);
        if (nb_tensor_new(a, NB_F64, &l->v[i].t.shape, &t, e))
            return -1;
        nb_convert(NB_F64, t.data, l->v[i].t.dtype, l->v[i].t.data, (size_t)nb_count(&t.shape));
        const char *name = nb_strdup(a, l->v[i].name, e);
        if (!name || nb_tensors_add(a, to, name, t, e))
            return -1;
    }
    return 0;
}

static int add_point(struct nb_tensors *to, struct nb_graph *g, const struct nb_run *run, struct nb_arena *a,
                     struct nb_error *e)
{
    *to = (struct nb_tensors){0};
    return add_all(to, &run->inputs, a, e) || add_all(to, nb_graph_parameters(g), a, e) ? -1 : 0;
}

int nb_answers_points(struct nb_graph *g, const struct nb_check *point, struct nb_arena *a,
                      struct nb_tensors at[NB_ANSWERS_POINTS], int *n, struct nb_error *e)
{
    const struct nb_reference visible = {.g = g, .point = *point};
    struct nb_check hidden;
    struct nb_graph *other;
    bool there;
    *n = 1;
    if (add_point(&at[0], g, &point->run, a, e) ||
        nb_hidden_draw(&visible, NB_HIDDEN_VALUES, a, &other, &hidden, &there, e))
        return -1;
    if (!there)
        return 0;
    *n = 2;
    int bad = add_point(&at[1], other, &hidden.run, a, e);
    nb_graph_unref(other);
    return bad;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

/* Wrong at one point is wrong; right at one and untold at another is right. */
static void merge(struct nb_graded *out, const struct nb_graded *other)
{
    for (size_t i = 0; i < out->n && i < other->n; i++)
        nb_mark_merge(&out->v[i], &other->v[i]);
    if (out->graded && !other->graded) {
        out->graded = false;
        out->fault = other->fault;
    }
}

static void lean_on_own(struct nb_mark *m, const struct nb_consistency *own)
{
    struct nb_checked *c = &m->checked;
    *c = (struct nb_checked){.name = c->name, .shape = c->shape, .verdict = own->verdict, .worst = -1};
    c->right = own->right;
    c->wrong = own->wrong;
    c->cannot_tell = own->cannot_tell;
    c->silent = own->silent;
    m->diagnosis = (struct nb_diagnosis){0};
    m->follow_through = m->review = false;
}

static void judge_by_own(struct nb_graded *out, size_t nown, const struct nb_consistency *own)
{
    for (size_t i = 0; i < out->n; i++)
        for (size_t k = 0; k < nown; k++)
            if (!strcmp(out->v[i].name, own[k].name) && !out->v[i].missing && out->v[i].checked.reason != NB_WHY_shape)
                lean_on_own(&out->v[i], &own[k]);
}

int nb_grade_answers(struct nb_graph *graph, const struct nb_grading *g, size_t n, const struct nb_heard *heard,
                     size_t nown, const struct nb_consistency *own, struct nb_arena *a, struct nb_reference *r,
                     struct nb_graded *out, struct nb_error *e)
{
    struct nb_deviation forward = {0};
    struct nb_reference *at = nb_zalloc(a, n + 1, sizeof *at, e);
    for (size_t i = 0; i < n && at; i++) {
        struct hearing h = {graph, g, a, &heard[i]};
        struct nb_graded here;
        if (hear(&h, !i, &at[i], i ? &here : out, &forward, e))
            return -1;
        if (i)
            merge(out, &here);
    }
    if (!at || (n && nb_carried(n, at, heard, a, out, e)))
        return -1;
    *r = at[0];
    out->answered = n > 0;
    out->forward = forward;
    if (!n || !out->graded)
        return n ? 0 : nb_fail(e, NB_E_bad_value, "the probe set has no gradients at any point");
    if (forward.output)
        judge_by_own(out, nown, own);
    for (size_t i = 0; i < out->n; i++) {
        memset(out->v[i].row, 0, sizeof out->v[i].row);
        nb_points_give(g, &out->v[i]);
    }
    out->review = out->resubmit = false;
    nb_points_sum(out);
    return 0;
}
