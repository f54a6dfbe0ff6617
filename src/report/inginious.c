/* inginious.c - commands for the run file of an INGInious task. One message a tensor: an argument has a limit. */
#include "report/page.h"

enum { LONGEST = 2000 };

static void put_command(struct nb_page *p, const char *command, const char *word)
{
    nb_put(p->t, command, p->e);
    nb_put_shell(p->t, word, p->e);
    nb_put(p->t, "\n", p->e);
}

/* An entry of a list in reStructuredText; the empty line in front parts it from what stands there. */
static void put_entry(struct nb_page *p, const struct nb_told *part)
{
    struct nb_text t = {.arena = p->arena};
    const char *line =
        nb_sprintf(p->arena, p->e, "%s: %s of %s: %s", nb_cut(part->name, LONGEST, p->arena, p->e),
                   nb_points_text(part->points, p->arena, p->e), nb_points_text(part->max, p->arena, p->e),
                   nb_cut(nb_explanation(part, p->arena, p->e), LONGEST, p->arena, p->e));
    nb_put(&t, "\n\n* ", p->e);
    if (!nb_put_rst(&t, line ? line : "", p->e))
        put_command(p, "feedback-msg -a -m ", t.v);
}

int nb_write_inginious(struct nb_page *p)
{
    const struct nb_reading *r = p->result;
    struct nb_text headline = {.arena = p->arena};
    put_command(p, "feedback-result ", r->fault ? "crash" : r->n && r->score >= r->max ? "success" : "failed");
    put_command(p, "feedback-grade ", nb_points_text(100 * nb_fraction(r), p->arena, p->e));
    if (!nb_put_rst(&headline, nb_headline(p), p->e))
        put_command(p, "feedback-msg -m ", headline.v);
    for (size_t i = 0; i < r->n; i++)
        put_entry(p, &r->parts[i]);
    return nb_page_status(p);
}
