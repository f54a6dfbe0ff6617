/* page.h - what a writer of a report is given. Errors stay in *e; a writer returns nb_page_status. */
#ifndef NABLA_PAGE_H
#define NABLA_PAGE_H
#include "report/standings.h"
#include "report/escape.h"
#include "report/result.h"
#include "wire/writer.h"

struct nb_page {
    const struct nb_report *report;    /* or NULL */
    const struct nb_reading *result;   /* of the report, as much as its readers may see */
    const json_t *seen;                /* the same as JSON */
    const struct nb_standings *course; /* or NULL */
    struct nb_text *t;
    struct nb_arena *arena;
    struct nb_error *e;
};

int nb_page_status(const struct nb_page *p);
/* JSON at the end of the page: between the two nothing else is written. */
struct nb_writer nb_page_json(struct nb_page *p);
int nb_page_json_end(struct nb_page *p, struct nb_writer *w);

/* score / max_score, within [0, 1]; of nothing to earn, whether all is right. */
double nb_fraction(const struct nb_reading *r);
/* "7.125 of 10", or why it was refused. */
const char *nb_headline(const struct nb_page *p);

/* Writers, one a file. */
int nb_write_json(struct nb_page *p);
int nb_write_gradescope(struct nb_page *p);
int nb_write_prairielearn(struct nb_page *p);
int nb_write_autolab(struct nb_page *p);
int nb_write_nbgrader(struct nb_page *p);
int nb_write_coderunner(struct nb_page *p);
int nb_write_inginious(struct nb_page *p);
int nb_write_classroom50(struct nb_page *p);
int nb_write_junit(struct nb_page *p);
int nb_write_csv(struct nb_page *p);
int nb_write_html(struct nb_page *p);
int nb_write_course_json(struct nb_page *p);
int nb_write_course_csv(struct nb_page *p);
int nb_write_course_html(struct nb_page *p);

#endif
