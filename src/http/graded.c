/* graded.c - what came of a grading, as JSON: as much of it as a level shows. */
#include "http/grading.h"
#include "http/verdicts.h"
#include <math.h>

struct telling {
    struct nb_writer *w;
    enum nb_hint_level level;
    bool reveal;
};

/* ---- one tensor -------------------------------------------------------------------------------------------------- */

static void put_counts(struct nb_writer *w, const struct nb_checked *c)
{
    nb_w_whole_at(w, "right", c->right);
    nb_w_whole_at(w, "wrong", c->wrong);
    nb_w_whole_at(w, "cannot_tell", c->cannot_tell);
    nb_w_whole_at(w, "silent", c->silent);
}

static void put_row(const struct telling *t, const struct nb_row *row, enum nb_row_kind kind)
{
    struct nb_writer *w = t->w;
    nb_w_open(w, '{');
    nb_w_string_at(w, "row", nb_row_name(kind));
    nb_w_number_at(w, "points", row->points);
    nb_w_number_at(w, "max_points", row->max_points);
    if (row->because && t->level >= NB_HINT_PATTERN)
        nb_w_string_at(w, "because", row->because);
    if (row->remark && t->level >= NB_HINT_PATTERN)
        nb_w_string_at(w, "remark", row->remark);
    nb_w_close(w, '}');
}

static void put_rows(const struct telling *t, const struct nb_mark *m)
{
    nb_w_key(t->w, "rows");
    nb_w_open(t->w, '[');
    for (int k = 0; k < NB_ROWS; k++)
        if (m->row[k].there)
            put_row(t, &m->row[k], (enum nb_row_kind)k);
    nb_w_close(t->w, ']');
}

static void put_evidence(struct nb_writer *w, const struct nb_evidence *x)
{
    if (x->kind == NB_NUMBER)
        nb_w_number_at(w, x->key, x->number);
    else if (x->kind == NB_WHOLE)
        nb_w_whole_at(w, x->key, x->whole);
    else if (x->kind == NB_SHAPE)
        nb_w_shape_at(w, x->key, &x->shape);
    else
        nb_w_string_at(w, x->key, x->text);
}

static void put_diagnosis(const struct telling *t, const struct nb_diagnosis *d)
{
    struct nb_writer *w = t->w;
    if (!d->code || t->level < NB_HINT_PATTERN)
        return;
    nb_w_key(w, "diagnosis");
    nb_w_open(w, '{');
    nb_w_string_at(w, "code", d->code);
    nb_w_key(w, "evidence");
    nb_w_open(w, '{');
    for (size_t i = 0; i < d->nevidence; i++)
        put_evidence(w, &d->evidence[i]);
    nb_w_close(w, '}');
    if (d->pattern)
        nb_w_string_at(w, "pattern", d->pattern);
    if (d->hint && t->level >= NB_HINT_FORMULA)
        nb_w_string_at(w, "hint", d->hint);
    if (d->node)
        nb_w_string_at(w, "node", d->node);
    nb_w_close(w, '}');
}

static void put_first_wrong(const struct telling *t, const struct nb_checked *c)
{
    struct nb_writer *w = t->w;
    int64_t i = 0, n = nb_count(&c->shape);
    while (i < n && c->verdicts[i] != NB_WRONG)
        i++;
    if (i == n)
        return;
    struct nb_shape index = nb_index_of(&c->shape, i);
    nb_w_key(w, "first_wrong");
    nb_w_open(w, '{');
    nb_w_shape_at(w, "index", &index);
    nb_w_number_at(w, "got", c->candidate[i]);
    if (t->reveal && c->value)
        nb_w_number_at(w, "expected", c->value[i]);
    nb_w_close(w, '}');
}

static void put_power(struct nb_writer *w, const struct nb_checked *c)
{
    if (c->verdict != NB_RIGHT || !(c->power_worst > 0))
        return;
    nb_w_key(w, "power");
    nb_w_open(w, '{');
    nb_w_number_at(w, "worst", c->power_worst);
    if (c->power_median > 0)
        nb_w_number_at(w, "median", c->power_median);
    nb_w_close(w, '}');
}

static void put_mark(const struct telling *t, const struct nb_mark *m)
{
    struct nb_writer *w = t->w;
    const struct nb_checked *c = &m->checked;
    bool entries = c->candidate && t->level >= NB_HINT_PLACE;
    nb_w_open(w, '{');
    nb_w_string_at(w, "verdict", nb_verdict_name(c->verdict));
    if (c->reason)
        nb_w_string_at(w, "reason", nb_reason_name(c->reason));
    if (m->follow_through)
        nb_w_bool_at(w, "follow_through", true);
    if (entries)
        put_counts(w, c);
    nb_w_number_at(w, "points", m->points);
    nb_w_number_at(w, "max_points", m->max_points);
    if (c->verdict != NB_RIGHT || m->points < m->max_points)
        put_rows(t, m);
    put_diagnosis(t, &m->diagnosis);
    if (entries)
        put_first_wrong(t, c);
    if (entries && c->verdict != NB_RIGHT)
        nb_w_map(w, c);
    put_power(w, c);
    nb_w_close(w, '}');
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void put_forward(const struct telling *t, const struct nb_deviation *d)
{
    struct nb_writer *w = t->w;
    nb_w_key(w, "forward");
    nb_w_open(w, '{');
    nb_w_string_at(w, "verdict", nb_verdict_name(d->output ? NB_WRONG : NB_RIGHT));
    if (d->output && t->level >= NB_HINT_PLACE) {
        nb_w_string_at(w, "output", d->output);
        if (d->index >= 0) {
            struct nb_shape index = nb_index_of(&d->shape, d->index);
            nb_w_shape_at(w, "index", &index);
            nb_w_number_at(w, "got", d->got);
        }
        if (d->index >= 0 && t->reveal)
            nb_w_number_at(w, "expected", d->expected);
    }
    nb_w_close(w, '}');
}

void nb_w_graded(struct nb_writer *w, const struct nb_graded *out, enum nb_hint_level level, bool reveal)
{
    struct telling t = {w, level, reveal};
    nb_w_key(w, "score");
    if (out->graded)
        nb_w_number(w, out->score, NB_F64);
    else
        nb_w_raw(w, "null");
    nb_w_number_at(w, "max_score", out->max_score);
    nb_w_string_at(w, "verdict", nb_verdict_name(out->verdict));
    nb_w_bool_at(w, "review", out->review);
    if (out->resubmit)
        nb_w_bool_at(w, "resubmit", true);
    if (!out->graded)
        nb_w_string_at(w, "fault", out->fault);
    if (out->answered)
        put_forward(&t, &out->forward);
    nb_w_key(w, "tensors");
    nb_w_open(w, '{');
    for (size_t i = 0; out->graded && i < out->n; i++) {
        nb_w_key(w, out->v[i].name);
        put_mark(&t, &out->v[i]);
    }
    nb_w_close(w, '}');
}
