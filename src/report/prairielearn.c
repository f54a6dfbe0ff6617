/* prairielearn.c - results.json of PrairieLearn's external grading. What the student can mend is not gradable and uses
 * up no attempt. */
#include "report/page.h"

enum { MOST = 900000, LONGEST = 2000 }; /* bytes of all tests: the file may have 1 MB; characters of one message */

static const char *message(struct nb_page *p, const struct nb_told *part)
{
    return nb_cut(nb_explanation(part, p->arena, p->e), LONGEST, p->arena, p->e);
}

static void put_test(struct nb_page *p, struct nb_writer *w, const struct nb_told *part)
{
    const char *name = nb_cut(part->name, LONGEST, p->arena, p->e);
    nb_w_open(w, '{');
    nb_w_string_at(w, "name", name);
    nb_w_string_at(w, "description", nb_sprintf(p->arena, p->e, "gradient of %s", name));
    nb_w_number_at(w, "points", part->points);
    nb_w_number_at(w, "max_points", part->max);
    nb_w_string_at(w, "message", message(p, part));
    nb_w_string_at(w, "output", "");
    nb_w_close(w, '}');
}

/* Every tensor to hand in again; the refusal of the whole. */
static void put_format_errors(struct nb_page *p, struct nb_writer *w)
{
    size_t begin = w->text.n;
    nb_w_key(w, "format_errors");
    nb_w_open(w, '[');
    if (p->result->refusal)
        nb_w_string(w, nb_cut(p->result->refusal, LONGEST, p->arena, p->e));
    for (size_t i = 0; i < p->result->n && w->text.n - begin < MOST; i++) {
        const struct nb_told *part = &p->result->parts[i];
        if (nb_resubmit(part, p->report->wrong_shape)) {
            nb_w_string(
                w, nb_sprintf(p->arena, p->e, "%s: %s", nb_cut(part->name, LONGEST, p->arena, p->e), message(p, part)));
        }
    }
    nb_w_close(w, ']');
}

static void put_tests(struct nb_page *p, struct nb_writer *w)
{
    size_t begin = w->text.n;
    nb_w_number_at(w, "score", nb_fraction(p->result));
    nb_w_string_at(w, "message", nb_headline(p));
    nb_w_string_at(w, "output", "");
    nb_w_key(w, "tests");
    nb_w_open(w, '[');
    for (size_t i = 0; i < p->result->n && w->text.n - begin < MOST; i++)
        put_test(p, w, &p->result->parts[i]);
    nb_w_close(w, ']');
}

static bool gradable(const struct nb_page *p)
{
    bool again = p->result->refusal != NULL;
    for (size_t i = 0; i < p->result->n; i++)
        again |= nb_resubmit(&p->result->parts[i], p->report->wrong_shape);
    return !again;
}

int nb_write_prairielearn(struct nb_page *p)
{
    struct nb_writer w = nb_page_json(p);
    nb_w_open(&w, '{');
    nb_w_bool_at(&w, "gradable", gradable(p));
    if (gradable(p))
        put_tests(p, &w);
    else
        put_format_errors(p, &w);
    nb_w_close(&w, '}');
    return nb_page_json_end(p, &w);
}
