/* classroom50.c - result.json, schema classroom50/result/v1. Scores are whole: thousandths unless all points are. */
#include "report/page.h"
#include <math.h>

static bool whole(const struct nb_reading *r)
{
    bool all = r->score == floor(r->score) && r->max == floor(r->max);
    for (size_t i = 0; i < r->n; i++)
        all &= r->parts[i].points == floor(r->parts[i].points) && r->parts[i].max == floor(r->parts[i].max);
    return all;
}

static void put_score(struct nb_writer *w, const char *key, double points, double unit)
{
    nb_w_whole_at(w, key, llround(fmin(points * unit, 1e15)));
}

static void put_test(struct nb_page *p, struct nb_writer *w, const struct nb_told *part, double unit)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "test-name", part->name);
    nb_w_bool_at(w, "passed", part->points >= part->max);
    put_score(w, "score", part->points, unit);
    put_score(w, "max-score", part->max, unit);
    if (part->code)
        nb_w_string_at(w, "code", part->code);
    nb_w_string_at(w, "message", nb_explanation(part, p->arena, p->e));
    nb_w_close(w, '}');
}

/* What the schema requires and only the caller knows. */
static int put_runner(struct nb_page *p, struct nb_writer *w)
{
    const struct nb_report *r = p->report;
    const struct {
        const char *key, *value, *parameter;
    } rows[] = {
        {"classroom", r->runner.classroom, "classroom"},
        {"assignment", r->assignment, "assignment"},
        {"submission", r->runner.tag, "tag"},
        {"commit", r->runner.commit, "commit"},
        {"release", r->runner.release, "release"},
        {"review", r->runner.review, "review"},
        {"datetime", r->runner.datetime, "datetime"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].value) {
            nb_fail(p->e, NB_E_bad_parameter, "the format classroom50 needs the query parameter %s", rows[i].parameter);
            return nb_at(p->e, rows[i].parameter);
        }
        nb_w_string_at(w, rows[i].key, rows[i].value);
    }
    return 0;
}

int nb_write_classroom50(struct nb_page *p)
{
    const struct nb_reading *r = p->result;
    double unit = whole(r) ? 1 : 1000;
    struct nb_writer w = nb_page_json(p);
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "schema", "classroom50/result/v1");
    if (put_runner(p, &w))
        return -1;
    put_score(&w, "score", r->score, unit);
    put_score(&w, "max-score", r->max, unit);
    nb_w_key(&w, "tests");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < r->n; i++)
        put_test(p, &w, &r->parts[i], unit);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_page_json_end(p, &w);
}
