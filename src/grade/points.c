/* points - what a verdict is worth. Rows that do not apply are left out, and the rest is scaled up. */
#include "grade/marking.h"
#include <math.h>
#include <string.h>

const struct nb_grading nb_grading_default = {
    .weights = {10, 70, 10, 10}, .slip_credit = 0.5, .hint_level = NB_HINT_FORMULA};

const char *nb_row_name(enum nb_row_kind r)
{
    static const char *const names[] = {"shape", "values", "edges", "batch"};
    return names[r];
}

static double rounded(double v)
{
    return round(v * 1e4) / 1e4;
}

/* One entry of a million is wrong: that is not all of the points. */
static double short_of(double points, double all)
{
    return points < all && rounded(points) == rounded(all) && all >= 1e-3 ? rounded(all) - 1e-4 : rounded(points);
}

/* ---- one tensor -------------------------------------------------------------------------------------------------- */

static bool is_untold(const struct nb_mark *m)
{
    return m->checked.verdict != NB_WRONG && !m->checked.right && !m->follow_through;
}

static double values_fraction(const struct nb_mark *m)
{
    const struct nb_checked *c = &m->checked;
    double told = (double)(c->right + c->wrong + c->silent);
    if (c->reason == NB_WHY_shape || m->missing)
        return 0;
    return m->follow_through || told == 0 ? 1 : (double)(c->right + c->silent) / told;
}

static double fraction_of(const struct nb_grading *g, struct nb_mark *m, enum nb_row_kind kind)
{
    if (kind == NB_ROW_SHAPE)
        return m->checked.reason != NB_WHY_shape && !m->missing;
    double values = values_fraction(m);
    if (!m->diagnosis.slip || m->checked.verdict != NB_WRONG || m->follow_through || values >= g->slip_credit)
        return values;
    m->row[kind].because = "slip_credit";
    return g->slip_credit;
}

static double weight_of_all(const struct nb_grading *g, const struct nb_mark *m)
{
    double all = 0;
    for (int k = 0; k < NB_ROWS; k++)
        all += m->row[k].there ? g->weights[k] : 0;
    return all;
}

/* Rows of functions (edges, batch) have been looked at: .there, and their fraction in .points. */
void nb_points_give(const struct nb_grading *g, struct nb_mark *m)
{
    double sum = 0;
    m->row[NB_ROW_SHAPE].there = m->row[NB_ROW_VALUES].there = true;
    double all = weight_of_all(g, m);
    m->review |= is_untold(m) && !m->refused && !m->missing;
    for (int k = 0; k < NB_ROWS; k++) {
        struct nb_row *row = &m->row[k];
        if (!row->there)
            continue;
        double part = all > 0 ? m->max_points * g->weights[k] / all : 0;
        double fraction = k > NB_ROW_VALUES ? row->points : fraction_of(g, m, (enum nb_row_kind)k);
        fraction = m->refused ? 0 : fraction;
        sum += part * fraction;
        row->max_points = rounded(part);
        row->points = short_of(part * fraction, part);
    }
    m->points = sum < m->max_points * (1 - 1e-12) ? short_of(sum, m->max_points) : rounded(sum);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

void nb_points_sum(struct nb_graded *out)
{
    out->score = out->max_score = 0;
    out->verdict = out->n ? NB_RIGHT : NB_CANNOT_TELL;
    for (size_t i = 0; i < out->n; i++) {
        const struct nb_mark *m = &out->v[i];
        out->score += m->points;
        out->max_score += m->max_points;
        out->review |= m->review;
        out->resubmit |= m->refused;
        if (m->checked.verdict > out->verdict)
            out->verdict = m->checked.verdict;
    }
    out->score = rounded(out->score);
    out->max_score = rounded(out->max_score);
}
