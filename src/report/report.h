/* report.h - one graded submission in the form a course's own system reads.
 *
 * Everything is a function of the result object of a grading (docs/grading.md) and of who handed it in: the same input,
 * the same bytes, no clock. Texts that come from people are escaped for the format at hand. */
#ifndef NABLA_REPORT_H
#define NABLA_REPORT_H
#include "grade/grade.h"
#include "wire/print.h"

/* What a runner knows and we do not; a key without a value is absent (NULL). */
struct nb_runner {
    const char *problem;    /* autolab: the name of the problem; else one score for each tensor */
    const char *scoreboard; /* autolab: "true": with a line for the scoreboard */
    const char *classroom, *tag, *commit, *release, *review, *datetime; /* classroom50 */
};
/* The members of struct nb_runner by name. */
struct nb_runner_key {
    const char *name;
    size_t offset;
};
extern const struct nb_runner_key nb_runner_keys[]; /* ended by .name NULL */

struct nb_report {
    json_t *result;                                /* the full result; never written to */
    const char *student, *submission, *assignment; /* ids or names; NULL: unknown */
    int64_t attempt;                               /* 0: unknown */
    enum nb_hint_level level;
    bool reveal;      /* expected values may be seen */
    bool full;        /* for a teacher: json, csv and junit are not filtered */
    bool wrong_shape; /* a wrong shape is wrong and uses up an attempt, for PrairieLearn, too */
    struct nb_runner runner;
};

/* What a student may see of a result, as a new object: reference numbers only with reveal. */
json_t *nb_feedback(const json_t *result, enum nb_hint_level level, bool reveal, struct nb_error *e);

struct nb_page; /* what is written, and what with: report/page.h */
struct nb_report_format {
    const char *name, *type; /* ?format=; media type, all in UTF-8 */
    int (*write)(struct nb_page *p);
    int (*course)(struct nb_page *p); /* NULL: only for single submissions */
    bool teacher;                     /* comes unfiltered to who may see everything */
    bool chosen;                      /* only by ?format=: its media type is another one's, too */
};
extern const struct nb_report_format nb_report_formats[]; /* ended by .name NULL */
/* By its name; NULL with bad_parameter, which names them all (those for a course). */
const struct nb_report_format *nb_report_format(const char *name, bool course, struct nb_error *e);

/* Appends the report to t. */
int nb_report_write(const struct nb_report_format *f, const struct nb_report *r, struct nb_text *t, struct nb_error *e);

/* A course: all submissions of an assignment, in any order. */
struct nb_course {
    const char *assignment, *title; /* title NULL: the assignment */
    size_t n;
    const struct nb_report *reports;
};
int nb_course_write(const struct nb_report_format *f, const struct nb_course *c, struct nb_text *t, struct nb_error *e);

/* The result object of a submission that could not be graded at all, for platforms that want an answer whatever
 * happens. The error is the submission's. */
json_t *nb_refused(const struct nb_error *why, double max_score, struct nb_error *e);

#endif
