/* grade - the order of a grading: the reference, a verdict for every entry, what the mistakes look like, points. */
#include "grade/derive.h"
#include "grade/marking.h"
#include <string.h>

/* ---- what it is about -------------------------------------------------------------------------------------------- */

static const char *submitted_name(const struct nb_grading *g, size_t i)
{
    const struct nb_submission *s = &g->submission;
    if (s->form == NB_FORMULAS)
        return i < s->nexpressions ? s->expressions[i].name : NULL;
    return i < s->gradients.n ? s->gradients.v[i].name : NULL;
}

static const struct nb_part *part_of(const struct nb_grading *g, const char *name)
{
    for (size_t i = 0; i < g->nparts; i++)
        if (!strcmp(g->parts[i].name, name))
            return &g->parts[i];
    return NULL;
}

int nb_grading_names(const struct nb_grading *g, struct nb_arena *a, size_t *n, const char ***names, struct nb_error *e)
{
    size_t most = g->nparts + g->submission.gradients.n + g->submission.nexpressions;
    *n = 0;
    if (!(*names = nb_small(a, most + 1, sizeof **names, e)))
        return -1;
    for (size_t i = 0; i < g->nparts; i++)
        (*names)[(*n)++] = g->parts[i].name;
    for (size_t i = 0; submitted_name(g, i); i++)
        if (!part_of(g, submitted_name(g, i)))
            (*names)[(*n)++] = submitted_name(g, i);
    return 0;
}

const struct nb_named *nb_handed_in(const struct nb_grading *g, const char *name)
{
    const struct nb_tensors *l = &g->submission.gradients;
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].name, name))
            return &l->v[i];
    return NULL;
}

int nb_marks_new(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a, struct nb_graded *out,
                 struct nb_error *e)
{
    *out = (struct nb_graded){.graded = r->certified, .review = !r->certified, .fault = r->fault, .n = r->n};
    if (!(out->v = nb_zalloc(a, r->n + 1, sizeof *out->v, e)))
        return -1;
    for (size_t i = 0; i < r->n; i++) {
        const struct nb_part *part = part_of(g, r->v[i].name);
        struct nb_mark *m = &out->v[i];
        m->name = m->checked.name = r->v[i].name;
        m->checked.shape = r->v[i].shape;
        m->checked.worst = -1;
        m->max_points = part ? part->points : g->nparts ? 0 : 1;
        out->max_score += m->max_points;
    }
    return 0;
}

void nb_mark_missing(struct nb_mark *m)
{
    m->missing = true;
    m->checked.verdict = NB_WRONG;
    m->checked.reason = NB_WHY_missing;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

void nb_mark_merge(struct nb_mark *m, const struct nb_mark *other)
{
    enum nb_verdict now = m->checked.verdict, then = other->checked.verdict;
    bool takes = now != NB_WRONG && (then == NB_WRONG || (now == NB_CANNOT_TELL && then == NB_RIGHT));
    if (!takes)
        return;
    const char *name = m->name;
    double points = m->max_points;
    *m = *other;
    m->name = name;
    m->max_points = points;
}

int nb_marks_judge(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a, struct nb_graded *out,
                   struct nb_error *e)
{
    bool single = nb_graph_dtype(r->g) == NB_F32;
    for (size_t i = 0; i < r->n; i++) {
        const struct nb_named *came = nb_handed_in(g, r->v[i].name);
        if (!came)
            nb_mark_missing(&out->v[i]);
        else if (nb_judge_numbers(&r->v[i], g, came, single, a, &out->v[i], e))
            return -1;
    }
    return r->kinks ? nb_judge_kinked(r, g, a, out, e) : 0;
}

static bool is_suspect(const struct nb_reference *r, const struct nb_mark *m, size_t i)
{
    return m->checked.verdict == NB_WRONG && !m->missing && !m->refused && !m->follow_through && r->v[i].value &&
           !r->v[i].reason;
}

static int suspect_of(const struct nb_reference *r, const struct nb_named *came, size_t i, struct nb_arena *a,
                      struct nb_suspect *s, struct nb_error *e)
{
    *s = (struct nb_suspect){.name = r->v[i].name,
                             .submitted = {NB_F64, came->t.shape, NULL},
                             .shape = r->v[i].shape,
                             .truth = r->v[i].value,
                             .bar = r->v[i].bar,
                             .digits = came->digits};
    if (nb_tensor_new(a, NB_F64, &came->t.shape, &s->submitted, e))
        return -1;
    nb_convert(NB_F64, s->submitted.data, came->t.dtype, came->t.data, (size_t)nb_count(&came->t.shape));
    s->rho = came->t.dtype == NB_F32 ? 1e-4 : 0;
    return 0;
}

int nb_marks_diagnose(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a,
                      struct nb_graded *out, struct nb_error *e)
{
    struct nb_clinic *clinic = NULL;
    int bad = 0;
    for (size_t i = 0; i < out->n && !bad; i++) {
        struct nb_mark *m = &out->v[i];
        struct nb_suspect s;
        if (!is_suspect(r, m, i))
            continue;
        bad = (!clinic && nb_clinic_new(r->g, &r->point.run, a, &clinic, e)) ||
              suspect_of(r, nb_handed_in(g, m->name), i, a, &s, e) || nb_diagnose(clinic, &s, &m->diagnosis, e);
    }
    nb_clinic_done(clinic);
    return bad ? -1 : 0;
}

int nb_grade_numbers(const struct nb_reference *r, const struct nb_grading *g, struct nb_arena *a,
                     struct nb_graded *out, struct nb_error *e)
{
    if (nb_marks_new(r, g, a, out, e))
        return -1;
    if (!r->certified)
        return out->verdict = NB_CANNOT_TELL, 0;
    if (nb_marks_judge(r, g, a, out, e) || nb_follow_through(r, g, a, out, e) || nb_marks_diagnose(r, g, a, out, e))
        return -1;
    for (size_t i = 0; i < out->n; i++)
        nb_points_give(g, &out->v[i]);
    nb_points_sum(out);
    return 0;
}

/* ---- forms --------------------------------------------------------------------------------------------------------
 */

const char *nb_form_name(enum nb_form_of f)
{
    static const char *const names[NB_FORMS] = {"numbers", "formulas", "answers"};
    return names[f];
}

enum nb_form_of nb_form_find(const char *name)
{
    int f = 0;
    while (f < NB_FORMS && (!name || strcmp(name, nb_form_name((enum nb_form_of)f))))
        f++;
    return (enum nb_form_of)f;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

int nb_grade(struct nb_graph *graph, const struct nb_grading *g, struct nb_arena *a, struct nb_reference *r,
             struct nb_graded *out, struct nb_error *e)
{
    const char **names;
    size_t n;
    struct nb_formulas f;
    if ((g->submission.form == NB_FORMULAS && nb_formulas_read(&g->submission, a, &f, e)) ||
        nb_grading_names(g, a, &n, &names, e) || nb_reference_make(graph, &g->point, n, names, g->how, a, r, e))
        return -1;
    return g->submission.form == NB_FORMULAS ? nb_grade_formulas(r, g, a, out, e) : nb_grade_numbers(r, g, a, out, e);
}
