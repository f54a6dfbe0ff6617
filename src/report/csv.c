/* csv.c - a line for each row of points, one for the total. RFC 4180. */
#include "report/page.h"
#include <inttypes.h>
#include <math.h>

static const char HEADER[] =
    "student,submission,attempt,assignment,tensor,row,verdict,points,max_points,code,power\r\n";

static void put_line(struct nb_page *p, size_t n, const char *const *fields)
{
    for (size_t i = 0; i < n; i++) {
        nb_put(p->t, i ? "," : "", p->e);
        nb_put_csv(p->t, fields[i] ? fields[i] : "", p->e);
    }
    nb_put(p->t, "\r\n", p->e);
}

struct about {
    const char *tensor, *row, *verdict, *code;
    double points, max, power;
};

static void put_row(struct nb_page *p, const struct nb_report *r, const struct about *x)
{
    const char *fields[] = {r->student,
                            r->submission,
                            r->attempt ? nb_sprintf(p->arena, p->e, "%" PRId64, r->attempt) : NULL,
                            r->assignment,
                            x->tensor,
                            x->row,
                            x->verdict,
                            nb_points_text(x->points, p->arena, p->e),
                            nb_points_text(x->max, p->arena, p->e),
                            x->code,
                            isnan(x->power) ? NULL : nb_sprintf(p->arena, p->e, "%.2g", x->power)};
    put_line(p, sizeof fields / sizeof *fields, fields);
}

static void put_part(struct nb_page *p, const struct nb_report *r, const struct nb_told *part)
{
    struct about x = {part->name, NULL, part->verdict, part->code, part->points, part->max, part->power};
    if (!part->nrows)
        put_row(p, r, &x);
    for (size_t i = 0; i < part->nrows; i++) {
        x.row = part->rows[i].row;
        x.points = part->rows[i].points;
        x.max = part->rows[i].max;
        put_row(p, r, &x);
    }
}

static void put_submission(struct nb_page *p, const struct nb_report *r, const struct nb_reading *result)
{
    struct about total = {"*", NULL, result->verdict, NULL, result->score, result->max, NAN};
    for (size_t i = 0; i < result->n; i++)
        put_part(p, r, &result->parts[i]);
    put_row(p, r, &total);
}

int nb_write_csv(struct nb_page *p)
{
    nb_put(p->t, HEADER, p->e);
    put_submission(p, p->report, p->result);
    return nb_page_status(p);
}

int nb_write_course_csv(struct nb_page *p)
{
    nb_put(p->t, HEADER, p->e);
    for (size_t i = 0; i < p->course->nentries; i++)
        put_submission(p, p->course->entries[i].report, &p->course->entries[i].result);
    return nb_page_status(p);
}
