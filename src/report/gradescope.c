/* gradescope.c - results.json of a Gradescope autograder. The score is the sum of the tests, so there is none at the
 * top unless there are no tests. */
#include "report/page.h"

static void put_extra(struct nb_writer *w, const struct nb_reading *r)
{
    nb_w_key(w, "extra_data");
    nb_w_open(w, '{');
    if (r->certificate)
        nb_w_string_at(w, "certificate", r->certificate);
    nb_w_bool_at(w, "review", r->review);
    nb_w_close(w, '}');
}

static void put_test(struct nb_page *p, struct nb_writer *w, size_t i)
{
    const struct nb_told *part = &p->result->parts[i];
    nb_w_open(w, '{');
    nb_w_string_at(w, "name", part->name);
    nb_w_string_at(w, "number", nb_sprintf(p->arena, p->e, "1.%zu", i + 1));
    nb_w_number_at(w, "score", part->points);
    nb_w_number_at(w, "max_score", part->max);
    nb_w_string_at(w, "status", part->points >= part->max ? "passed" : "failed");
    nb_w_string_at(w, "output", nb_explanation(part, p->arena, p->e));
    nb_w_string_at(w, "output_format", "text");
    nb_w_strings_at(w, "tags", part->code != NULL, &part->code);
    nb_w_string_at(w, "visibility", "visible");
    put_extra(w, p->result);
    nb_w_close(w, '}');
}

int nb_write_gradescope(struct nb_page *p)
{
    struct nb_writer w = nb_page_json(p);
    nb_w_open(&w, '{');
    if (!p->result->n)
        nb_w_number_at(&w, "score", p->result->score);
    nb_w_string_at(&w, "output", nb_headline(p));
    nb_w_string_at(&w, "output_format", "text");
    nb_w_string_at(&w, "test_output_format", "text");
    nb_w_string_at(&w, "test_name_format", "text");
    nb_w_string_at(&w, "visibility", "visible");
    nb_w_string_at(&w, "stdout_visibility", "hidden");
    nb_w_key(&w, "tests");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < p->result->n; i++)
        put_test(p, &w, i);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_page_json_end(p, &w);
}
