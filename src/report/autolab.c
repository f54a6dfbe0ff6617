/* autolab.c - what an Autolab autograder prints: text for the student, and as the last line the scores. */
#include "report/page.h"
#include <string.h>

static void put_texts(struct nb_page *p)
{
    nb_put_line(p->t, nb_headline(p), p->e);
    nb_put(p->t, "\n", p->e);
    for (size_t i = 0; i < p->result->n; i++) {
        const struct nb_told *part = &p->result->parts[i];
        const char *line =
            nb_sprintf(p->arena, p->e, "%s: %s of %s: %s", part->name, nb_points_text(part->points, p->arena, p->e),
                       nb_points_text(part->max, p->arena, p->e), nb_explanation(part, p->arena, p->e));
        nb_put_line(p->t, line ? line : "", p->e);
        nb_put(p->t, "\n", p->e);
    }
}

static void put_score(struct nb_page *p, struct nb_writer *w, const char *problem, double points)
{
    struct nb_text name = {.arena = p->arena};
    if (!nb_put_line(&name, problem, p->e))
        nb_w_number_at(w, name.v, points);
}

/* One problem of the caller's name, or one a tensor. */
static void put_scores(struct nb_page *p, struct nb_writer *w)
{
    const char *problem = p->report->runner.problem;
    nb_w_key(w, "scores");
    nb_w_open(w, '{');
    if (problem)
        put_score(p, w, problem, p->result->score);
    for (size_t i = 0; i < p->result->n && !problem; i++)
        put_score(p, w, p->result->parts[i].name, p->result->parts[i].points);
    nb_w_close(w, '}');
}

int nb_write_autolab(struct nb_page *p)
{
    const char *scoreboard = p->report->runner.scoreboard;
    put_texts(p);
    struct nb_writer w = nb_page_json(p);
    nb_w_open(&w, '{');
    put_scores(p, &w);
    if (scoreboard && !strcmp(scoreboard, "true")) {
        nb_w_key(&w, "scoreboard");
        nb_w_open(&w, '[');
        nb_w_number(&w, p->result->score, NB_F64);
        nb_w_close(&w, ']');
    }
    nb_w_close(&w, '}');
    return nb_page_json_end(p, &w);
}
