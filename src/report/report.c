/* report.c - the formats there are. */
#include "report/page.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

const struct nb_report_format nb_report_formats[] = {
    {"json", "application/json", nb_write_json, nb_write_course_json, .teacher = true},
    {"html", "text/html", nb_write_html, nb_write_course_html, .teacher = false},
    {"csv", "text/csv", nb_write_csv, nb_write_course_csv, .teacher = true},
    {"junit", "application/xml", nb_write_junit, NULL, .teacher = true},
    {"gradescope", "application/json", nb_write_gradescope, NULL, .chosen = true},
    {"prairielearn", "application/json", nb_write_prairielearn, NULL, .chosen = true},
    {"autolab", "text/plain", nb_write_autolab, NULL, .chosen = true},
    {"nbgrader", "text/plain", nb_write_nbgrader, NULL, .chosen = true},
    {"coderunner", "application/json", nb_write_coderunner, NULL, .chosen = true},
    {"inginious", "text/x-shellscript", nb_write_inginious, NULL, .chosen = true},
    {"classroom50", "application/json", nb_write_classroom50, NULL, .chosen = true},
    {.name = NULL},
};

const struct nb_runner_key nb_runner_keys[] = {
    {"problem", offsetof(struct nb_runner, problem)},
    {"scoreboard", offsetof(struct nb_runner, scoreboard)},
    {"classroom", offsetof(struct nb_runner, classroom)},
    {"tag", offsetof(struct nb_runner, tag)},
    {"commit", offsetof(struct nb_runner, commit)},
    {"release", offsetof(struct nb_runner, release)},
    {"review", offsetof(struct nb_runner, review)},
    {"datetime", offsetof(struct nb_runner, datetime)},
    {NULL, 0},
};

const struct nb_report_format *nb_report_format(const char *name, bool course, struct nb_error *e)
{
    char list[200] = "";
    for (const struct nb_report_format *f = nb_report_formats; f->name; f++) {
        if (course && !f->course)
            continue;
        if (!strcmp(f->name, name))
            return f;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "", f->name);
    }
    nb_fail(e, NB_E_bad_parameter, "format is one of %s, not %.60s", list, name);
    nb_at(e, "format");
    return NULL;
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

int nb_page_status(const struct nb_page *p)
{
    return p->e->code ? -1 : 0;
}

struct nb_writer nb_page_json(struct nb_page *p)
{
    return (struct nb_writer){.text = *p->t, .e = p->e};
}

int nb_page_json_end(struct nb_page *p, struct nb_writer *w)
{
    *p->t = w->text;
    nb_put(p->t, "\n", p->e);
    return nb_page_status(p);
}

double nb_fraction(const struct nb_reading *r)
{
    if (!(r->max > 0))
        return !strcmp(r->verdict, "right");
    return nb_points(fmin(1, fmax(0, r->score / r->max)));
}

const char *nb_headline(const struct nb_page *p)
{
    const struct nb_reading *r = p->result;
    if (r->refusal)
        return r->refusal;
    const char *s = nb_sprintf(p->arena, p->e, "%s of %s", nb_points_text(r->score, p->arena, p->e),
                               nb_points_text(r->max, p->arena, p->e));
    return s ? s : "";
}

int nb_report_write(const struct nb_report_format *f, const struct nb_report *r, struct nb_text *t, struct nb_error *e)
{
    struct nb_reading read;
    bool all = r->full && f->teacher;
    json_t *seen = all ? json_incref(r->result) : nb_feedback(r->result, r->level, r->reveal, e);
    struct nb_page p = {.report = r, .result = &read, .seen = seen, .t = t, .arena = t->arena, .e = e};
    int failed = !seen || nb_result_read(&read, seen, t->arena, e) || f->write(&p);
    json_decref(seen);
    return failed ? -1 : 0;
}

int nb_course_write(const struct nb_report_format *f, const struct nb_course *c, struct nb_text *t, struct nb_error *e)
{
    struct nb_standings s;
    struct nb_page p = {.course = &s, .t = t, .arena = t->arena, .e = e};
    return nb_standings(&s, c, t->arena, e) || f->course(&p) ? -1 : 0;
}

json_t *nb_refused(const struct nb_error *why, double max_score, struct nb_error *e)
{
    json_t *j = json_pack("{s:f, s:f, s:s, s:b, s:{}, s:[], s:{s:s, s:s, s:s}}", "score", 0.0, "max_score", max_score,
                          "verdict", "cannot_tell", "review", 0, "tensors", "warnings", "refused", "code",
                          nb_code_name(why->code), "pointer", why->pointer, "detail", why->detail);
    if (!j)
        nb_fail_memory(e);
    return j;
}
