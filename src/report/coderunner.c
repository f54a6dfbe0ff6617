/* coderunner.c - what a combinator template grader of CodeRunner (Moodle) prints. */
#include "report/page.h"

static void put_row(struct nb_page *p, struct nb_writer *w, const struct nb_told *part)
{
    nb_w_open(w, '[');
    nb_w_whole(w, part->points >= part->max);
    nb_w_string(w, part->name);
    nb_w_string(w, nb_sprintf(p->arena, p->e, "%s / %s", nb_points_text(part->points, p->arena, p->e),
                              nb_points_text(part->max, p->arena, p->e)));
    nb_w_string(w, nb_explanation(part, p->arena, p->e));
    nb_w_close(w, ']');
}

static const char *paragraph(struct nb_page *p)
{
    struct nb_text t = {.arena = p->arena};
    nb_put(&t, "<p>", p->e);
    nb_put_markup(&t, nb_headline(p), p->e);
    return nb_put(&t, "</p>", p->e) ? "" : t.v;
}

int nb_write_coderunner(struct nb_page *p)
{
    static const char *const header[] = {"iscorrect", "Tensor", "Points", "Remark"};
    struct nb_writer w = nb_page_json(p);
    nb_w_open(&w, '{');
    nb_w_number_at(&w, "fraction", nb_fraction(p->result));
    nb_w_string_at(&w, "prologuehtml", paragraph(p));
    nb_w_key(&w, "testresults");
    nb_w_open(&w, '[');
    nb_w_open(&w, '[');
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        nb_w_string(&w, header[i]);
    nb_w_close(&w, ']');
    for (size_t i = 0; i < p->result->n; i++)
        put_row(p, &w, &p->result->parts[i]);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_page_json_end(p, &w);
}
