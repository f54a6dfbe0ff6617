/* standings.c - a course counted. */
#include "report/standings.h"
#include <stdlib.h>
#include <string.h>

/* ---- order ------------------------------------------------------------------------------------------------------- */

static const char *known(const char *s)
{
    return s ? s : "";
}

/* No two are equal but those that are the same in all we know. */
static int by_student(const void *a, const void *b)
{
    const struct nb_report *x = ((const struct nb_entry *)a)->report, *y = ((const struct nb_entry *)b)->report;
    int d = strcmp(known(x->student), known(y->student));
    if (!d)
        d = (x->attempt > y->attempt) - (x->attempt < y->attempt);
    return d ? d : strcmp(known(x->submission), known(y->submission));
}

static int by_frequency(const void *a, const void *b)
{
    const struct nb_mistake *x = a, *y = b;
    if (x->students != y->students)
        return x->students < y->students ? 1 : -1;
    if (x->tensors != y->tensors)
        return x->tensors < y->tensors ? 1 : -1;
    return strcmp(x->code, y->code);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* Who has no name is one student a submission. */
static bool same_student(const struct nb_entry *a, const struct nb_entry *b)
{
    return a->report->student && b->report->student && !strcmp(a->report->student, b->report->student);
}

static int find_students(struct nb_standings *s, struct nb_arena *a, struct nb_error *e)
{
    if (!(s->students = nb_small(a, s->nentries, sizeof *s->students, e)))
        return -1;
    for (size_t i = 0; i < s->nentries; i++) {
        const struct nb_entry *entry = &s->entries[i];
        if (i == 0 || !same_student(entry, entry - 1))
            s->students[s->nstudents++] = (struct nb_standing){.student = entry->report->student, .best = entry};
        struct nb_standing *last = &s->students[s->nstudents - 1];
        last->tries++;
        if (entry->result.score > last->best->result.score)
            last->best = entry;
    }
    return 0;
}

static int count_mistake(struct nb_standings *s, const struct nb_entry *entry, const struct nb_told *p, size_t *cap,
                         struct nb_arena *a, struct nb_error *e)
{
    size_t i = 0;
    while (i < s->nmistakes && strcmp(s->mistakes[i].code, p->code))
        i++;
    if (i == s->nmistakes) {
        if (nb_grow(a, &s->mistakes, i, cap, sizeof *s->mistakes, e))
            return -1;
        s->mistakes[s->nmistakes++] = (struct nb_mistake){.code = p->code, .hint = p->hint};
    }
    struct nb_mistake *m = &s->mistakes[i];
    m->tensors++;
    m->students += m->last != entry;
    m->last = entry;
    return 0;
}

static int count_tensor(struct nb_standings *s, const struct nb_told *p, size_t near, size_t *cap, struct nb_arena *a,
                        struct nb_error *e)
{
    size_t i = near;
    if (i >= s->ntensors || strcmp(s->tensors[i].name, p->name))
        for (i = 0; i < s->ntensors && strcmp(s->tensors[i].name, p->name);)
            i++;
    if (i == s->ntensors) {
        if (nb_grow(a, &s->tensors, i, cap, sizeof *s->tensors, e))
            return -1;
        s->tensors[s->ntensors++] = (struct nb_difficulty){.name = p->name};
    }
    struct nb_difficulty *d = &s->tensors[i];
    d->right += nb_right(p);
    d->untold += nb_untold(p);
    d->wrong += !nb_right(p) && !nb_untold(p);
    d->points += p->points;
    d->max += p->max;
    return 0;
}

static int count_parts(struct nb_standings *s, struct nb_arena *a, struct nb_error *e)
{
    size_t room = 0, places = 0;
    for (size_t i = 0; i < s->nstudents; i++) {
        const struct nb_entry *entry = s->students[i].best;
        for (size_t k = 0; k < entry->result.n; k++) {
            const struct nb_told *p = &entry->result.parts[k];
            if (count_tensor(s, p, k, &places, a, e) || (p->code && count_mistake(s, entry, p, &room, a, e)))
                return -1;
        }
    }
    if (s->nmistakes)
        qsort(s->mistakes, s->nmistakes, sizeof *s->mistakes, by_frequency);
    return 0;
}

static int count_scores(struct nb_standings *s, struct nb_arena *a, struct nb_error *e)
{
    double *scores = nb_small(a, s->nstudents, sizeof *scores, e);
    if (!scores)
        return -1;
    for (size_t i = 0; i < s->nstudents; i++) {
        const struct nb_reading *r = &s->students[i].best->result;
        scores[i] = r->score;
        s->mean += r->score / (double)s->nstudents;
        s->max = r->max > s->max ? r->max : s->max;
        s->full += r->score >= r->max;
        s->reviews += r->review;
    }
    if (s->nstudents) {
        qsort(scores, s->nstudents, sizeof *scores, by_size);
        s->median = (scores[(s->nstudents - 1) / 2] + scores[s->nstudents / 2]) / 2;
    }
    return 0;
}

int nb_standings(struct nb_standings *s, const struct nb_course *c, struct nb_arena *a, struct nb_error *e)
{
    *s = (struct nb_standings){.assignment = known(c->assignment), .title = c->title ? c->title : known(c->assignment)};
    if (!(s->entries = nb_small(a, c->n, sizeof *s->entries, e)))
        return -1;
    for (; s->nentries < c->n; s->nentries++) {
        s->entries[s->nentries].report = &c->reports[s->nentries];
        if (nb_result_read(&s->entries[s->nentries].result, c->reports[s->nentries].result, a, e))
            return -1;
    }
    if (c->n)
        qsort(s->entries, s->nentries, sizeof *s->entries, by_student);
    return find_students(s, a, e) || count_parts(s, a, e) || count_scores(s, a, e) ? -1 : 0;
}

const struct nb_told *nb_told_named(const struct nb_reading *r, const char *name, size_t near)
{
    if (near < r->n && !strcmp(r->parts[near].name, name))
        return &r->parts[near];
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->parts[i].name, name))
            return &r->parts[i];
    return NULL;
}
