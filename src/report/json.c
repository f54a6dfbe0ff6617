/* json.c - the result as it is, and a course as a list. */
#include "report/page.h"

int nb_write_json(struct nb_page *p)
{
    nb_put_json(p->t, p->seen, p->e);
    nb_put(p->t, "\n", p->e);
    return nb_page_status(p);
}

static void put_submission(struct nb_writer *w, const struct nb_entry *entry)
{
    const struct nb_report *r = entry->report;
    nb_w_open(w, '{');
    nb_w_string_at(w, "student", r->student);
    nb_w_string_at(w, "submission", r->submission);
    if (r->attempt)
        nb_w_whole_at(w, "attempt", r->attempt);
    nb_w_key(w, "result");
    nb_w_json(w, r->result);
    nb_w_close(w, '}');
}

static void put_mistake(struct nb_writer *w, const struct nb_mistake *m)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "code", m->code);
    nb_w_whole_at(w, "students", (int64_t)m->students);
    nb_w_whole_at(w, "tensors", (int64_t)m->tensors);
    nb_w_close(w, '}');
}

static void put_difficulty(struct nb_writer *w, const struct nb_difficulty *d)
{
    nb_w_key(w, d->name);
    nb_w_open(w, '{');
    nb_w_whole_at(w, "right", (int64_t)d->right);
    nb_w_whole_at(w, "wrong", (int64_t)d->wrong);
    nb_w_whole_at(w, "cannot_tell", (int64_t)d->untold);
    nb_w_number_at(w, "points", nb_points(d->points));
    nb_w_number_at(w, "max_points", nb_points(d->max));
    nb_w_close(w, '}');
}

static void put_counts(struct nb_writer *w, const struct nb_standings *s)
{
    nb_w_whole_at(w, "students", (int64_t)s->nstudents);
    nb_w_number_at(w, "mean", nb_points(s->mean));
    nb_w_number_at(w, "median", nb_points(s->median));
    nb_w_number_at(w, "max_score", s->max);
    nb_w_whole_at(w, "full_marks", (int64_t)s->full);
    nb_w_whole_at(w, "to_review", (int64_t)s->reviews);
    nb_w_key(w, "mistakes");
    nb_w_open(w, '[');
    for (size_t i = 0; i < s->nmistakes; i++)
        put_mistake(w, &s->mistakes[i]);
    nb_w_close(w, ']');
    nb_w_key(w, "tensors");
    nb_w_open(w, '{');
    for (size_t i = 0; i < s->ntensors; i++)
        put_difficulty(w, &s->tensors[i]);
    nb_w_close(w, '}');
}

int nb_write_course_json(struct nb_page *p)
{
    struct nb_writer w = nb_page_json(p);
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "assignment", p->course->assignment);
    put_counts(&w, p->course);
    nb_w_key(&w, "submissions");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < p->course->nentries; i++)
        put_submission(&w, &p->course->entries[i]);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_page_json_end(p, &w);
}
