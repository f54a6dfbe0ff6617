/* standings.h - all submissions of an assignment, put in order and counted. */
#ifndef NABLA_STANDINGS_H
#define NABLA_STANDINGS_H
#include "report/result.h"

struct nb_entry { /* a submission */
    const struct nb_report *report;
    struct nb_reading result;
};

struct nb_standing { /* a student: the best of the submissions counts, the first of equals */
    const char *student;
    size_t tries;
    const struct nb_entry *best;
};

struct nb_mistake {              /* counted once a student and tensor, in the submissions that count */
    const char *code, *hint;     /* of the first one met */
    size_t students, tensors;    /* `tensors` over all students */
    const struct nb_entry *last; /* so that a student is counted once */
};

struct nb_difficulty { /* of a tensor, in the submissions that count */
    const char *name;
    size_t right, wrong, untold;
    double points, max; /* sums */
};

struct nb_standings {
    const char *title, *assignment;
    double max; /* the largest max_score */
    size_t nentries, nstudents, nmistakes, ntensors, reviews, full;
    struct nb_entry *entries;      /* by student, attempt, submission */
    struct nb_standing *students;  /* in that order */
    struct nb_mistake *mistakes;   /* the most frequent first */
    struct nb_difficulty *tensors; /* as they come */
    double mean, median;           /* of the scores that count; 0 of none */
};

int nb_standings(struct nb_standings *s, const struct nb_course *c, struct nb_arena *a, struct nb_error *e);
/* The part of a result about a tensor, or NULL. Looked for at `near` first. */
const struct nb_told *nb_told_named(const struct nb_reading *r, const char *name, size_t near);

#endif
