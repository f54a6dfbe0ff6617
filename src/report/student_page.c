/* student_page.c - the page of one submission. */
#include "report/html.h"
#include <string.h>

enum { LONGEST = 200 }; /* characters of a name that are shown */

static const char *shown(struct nb_page *p, const char *text)
{
    return nb_cut(text, LONGEST, p->arena, p->e);
}

static void put_who(struct nb_page *p)
{
    const struct nb_report *r = p->report;
    nb_html(p, "<p class=\"quiet\">");
    if (r->student)
        nb_html(p, "%s", shown(p, r->student));
    if (r->attempt)
        nb_html(p, "%q attempt %n", r->student ? "," : "", (int)r->attempt);
    if (r->submission)
        nb_html(p, "%q submission %s", r->student || r->attempt ? "," : "", shown(p, r->submission));
    nb_html(p, "</p>\n");
}

static void put_top(struct nb_page *p)
{
    const struct nb_reading *r = p->result;
    nb_html(p, "<header>\n<p class=\"quiet\">%s</p>\n<h1>%s</h1>\n",
            shown(p, p->report->assignment ? p->report->assignment : ""), nb_headline(p));
    put_who(p);
    if (!r->refusal)
        nb_html(
            p,
            "<div class=\"bar total\" role=\"img\" aria-label=\"%q\"><i class=\"r\" style=\"width:%p%%\"></i></div>\n",
            nb_headline(p), 100 * nb_fraction(r));
    if (r->review)
        nb_html(p, "<p>Some entries could not be told; they cost nothing, and a teacher will look at them.</p>\n");
    nb_html(p, "</header>\n");
}

/* The codes there are in words, or what was found. */
static const char *because(const struct nb_row_points *row)
{
    static const char *const rows[][2] = {{"slip_credit", "one recognised slip"},
                                          {"follow_through", "right for the gradient passed down to it"},
                                          {"cannot_tell", "cannot be told, so it costs nothing"}};
    for (size_t i = 0; row->because && i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i][0], row->because))
            return rows[i][1];
    return row->remark ? row->remark : row->because ? row->because : "";
}

static void put_rows(struct nb_page *p, const struct nb_told *part)
{
    if (!part->nrows)
        return;
    nb_html(p, "<div class=\"scroll\"><table class=\"points\"><thead><tr><th scope=\"col\">for</th><th scope=\"col\" "
               "class=\"num\">points</th><th scope=\"col\" class=\"num\">of</th><th scope=\"col\">because</th></tr>"
               "</thead>\n<tbody>\n");
    for (size_t i = 0; i < part->nrows; i++) {
        const struct nb_row_points *row = &part->rows[i];
        nb_html(p, "<tr><th scope=\"row\">%q</th><td class=\"num\">%p</td><td class=\"num\">%p</td><td>%q</td></tr>\n",
                row->row, row->points, row->max, because(row));
    }
    nb_html(p, "</tbody></table></div>\n");
}

/* "1 of 6 entries wrong, 2 cannot be told" */
static void put_counts(struct nb_page *p, const struct nb_told *part)
{
    if (part->right < 0 || part->wrong < 0)
        return;
    nb_html(p, "<p class=\"quiet small\">%n right, %n wrong", (int)part->right, (int)part->wrong);
    if (part->cannot_tell > 0)
        nb_html(p, ", %n cannot be told", (int)part->cannot_tell);
    if (part->silent > 0)
        nb_html(p, ", nothing reacts to %n", (int)part->silent);
    nb_html(p, "</p>\n");
}

static void put_first(struct nb_page *p, const json_t *first)
{
    const json_t *got = json_object_get(first, "got"), *expected = json_object_get(first, "expected");
    if (!got)
        return;
    nb_html(p, "<p>The first wrong entry is at <code>%q</code>: you have <code>%q</code>",
            nb_index_text(json_object_get(first, "index"), p->arena, p->e), nb_value_text(got, p->arena, p->e));
    if (expected)
        nb_html(p, ", expected is <code>%q</code>", nb_value_text(expected, p->arena, p->e));
    nb_html(p, ".</p>\n");
}

static void put_part(struct nb_page *p, const struct nb_told *part)
{
    nb_html(p, "<section class=\"%q\">\n<div class=\"head\"><h2 class=\"code\">%s</h2>", nb_html_class(part),
            shown(p, part->name));
    nb_html_verdict(p, part);
    nb_html(p, "<span>%p of %p points</span></div>\n", part->points, part->max);
    if (!nb_right(part)) {
        nb_html(p, "<p class=\"pattern\">%s</p>\n", nb_cut(nb_remark(part, p->arena, p->e), 1000, p->arena, p->e));
        put_first(p, part->first);
    }
    if (part->hint)
        nb_html(p, "<p class=\"hint\">%s</p>\n", part->hint);
    put_counts(p, part);
    nb_html_map(p, part);
    put_rows(p, part);
    nb_html(p, "</section>\n");
}

int nb_write_html(struct nb_page *p)
{
    const char *assignment = p->report->assignment;
    const char *title = nb_sprintf(p->arena, p->e, "%s%s%s", nb_headline(p), assignment ? " · " : "",
                                   assignment ? shown(p, assignment) : "");
    nb_html_begin(p, title ? title : "");
    put_top(p);
    for (size_t i = 0; i < p->result->n; i++)
        put_part(p, &p->result->parts[i]);
    if (p->result->certificate)
        nb_html(p, "<footer>Certificate <code>%q</code></footer>\n", p->result->certificate);
    nb_html_end(p);
    return nb_page_status(p);
}
