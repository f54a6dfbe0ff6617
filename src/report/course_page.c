/* course_page.c - the page of a course, for its teacher to read and print. */
#include "report/html.h"

enum { LONGEST = 120, COLUMNS = 8 }; /* characters of a name; tensors that get a column of their own */

static const char *shown(struct nb_page *p, const char *text)
{
    return nb_cut(text, LONGEST, p->arena, p->e);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void put_summary(struct nb_page *p)
{
    const struct nb_standings *c = p->course;
    nb_html(p, "<header>\n<p class=\"quiet\">Assignment %s</p>\n<h1>%s</h1>\n</header>\n", shown(p, c->assignment),
            shown(p, c->title));
    nb_html(p,
            "<section aria-label=\"Summary\">\n<dl class=\"facts\">\n<div><dt>students</dt><dd>%n</dd></div>\n"
            "<div><dt>submissions</dt><dd>%n</dd></div>\n",
            (int)c->nstudents, (int)c->nentries);
    if (c->nstudents)
        nb_html(
            p,
            "<div><dt>mean</dt><dd>%p</dd></div>\n<div><dt>median</dt><dd>%p</dd></div>\n<div><dt>points to earn</dt>"
            "<dd>%p</dd></div>\n<div><dt>full marks</dt><dd>%n</dd></div>\n<div><dt>to review</dt><dd>%n</dd></div>\n",
            c->mean, c->median, c->max, (int)c->full, (int)c->reviews);
    nb_html(p, "</dl>\n");
    if (c->nstudents)
        nb_html_histogram(p);
    nb_html(p, "</section>\n");
}

/* ---- mistakes ---------------------------------------------------------------------------------------------------- */

static void put_mistake(struct nb_page *p, const struct nb_mistake *m)
{
    nb_html(
        p,
        "<tr><th scope=\"row\"><code>%q</code></th><td class=\"num\">%n</td><td><div class=\"bar\" role=\"img\" "
        "aria-label=\"%n of %n students\"><i class=\"w\" style=\"width:%p%%\"></i></div></td><td class=\"num\">%n</td>"
        "<td class=\"text\">%s</td></tr>\n",
        m->code, (int)m->students, (int)m->students, (int)p->course->nstudents,
        100.0 * (double)m->students / (double)p->course->nstudents, (int)m->tensors, m->hint ? m->hint : "");
}

static void put_mistakes(struct nb_page *p)
{
    const struct nb_standings *c = p->course;
    nb_html(p, "<section>\n<h2>Mistakes</h2>\n");
    if (!c->nmistakes)
        nb_html(p, "<p>None was recognised.</p>\n</section>\n");
    if (!c->nmistakes)
        return;
    nb_html(p, "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">mistake</th><th scope=\"col\" "
               "class=\"num\">students</th><th scope=\"col\">share</th><th scope=\"col\" class=\"num\">tensors</th>"
               "<th scope=\"col\">hint</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < c->nmistakes; i++)
        put_mistake(p, &c->mistakes[i]);
    nb_html(p, "</tbody></table></div>\n</section>\n");
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static double share(size_t n, const struct nb_difficulty *d)
{
    return 100.0 * (double)n / (double)(d->right + d->wrong + d->untold);
}

static void put_tensor(struct nb_page *p, const struct nb_difficulty *d)
{
    nb_html(p,
            "<tr><th scope=\"row\" class=\"code\">%s</th><td class=\"num r\">%n</td><td class=\"num w\">%n</td><td "
            "class=\"num u\">%n</td>"
            "<td><div class=\"bar\" role=\"img\" aria-label=\"%n right, %n wrong, %n not told\"><i class=\"r\" "
            "style=\"width:%p%%\"></i><i class=\"w\" style=\"width:%p%%\"></i><i class=\"u\" "
            "style=\"width:%p%%\"></i></div></td>",
            shown(p, d->name), (int)d->right, (int)d->wrong, (int)d->untold, (int)d->right, (int)d->wrong,
            (int)d->untold, share(d->right, d), share(d->wrong, d), share(d->untold, d));
    if (d->max > 0)
        nb_html(p, "<td class=\"num\">%p %%</td></tr>\n",
                nb_points(0.01 * (double)(int)(1e4 * d->points / d->max + 0.5)));
    else
        nb_html(p, "<td class=\"num\"></td></tr>\n");
}

static void put_tensors(struct nb_page *p)
{
    nb_html(
        p, "<section>\n<h2>Tensors</h2>\n<div class=\"scroll\"><table><thead><tr><th scope=\"col\">tensor</th>"
           "<th scope=\"col\" class=\"num\">✓ right</th><th scope=\"col\" class=\"num\">✗ wrong</th><th scope=\"col\" "
           "class=\"num\">? not told</th><th scope=\"col\">share</th><th scope=\"col\" class=\"num\">points earned</th>"
           "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < p->course->ntensors; i++)
        put_tensor(p, &p->course->tensors[i]);
    nb_html(p, "</tbody></table></div>\n</section>\n");
}

/* ---- students ---------------------------------------------------------------------------------------------------- */

static bool columns(const struct nb_page *p)
{
    return p->course->ntensors <= COLUMNS;
}

static void put_cells(struct nb_page *p, const struct nb_reading *r)
{
    for (size_t i = 0; i < p->course->ntensors && columns(p); i++) {
        const struct nb_told *part = nb_told_named(r, p->course->tensors[i].name, i);
        if (part)
            nb_html(p, "<td class=\"num %q\">%q %p</td>", nb_html_class(part), nb_html_sign(part), part->points);
        else
            nb_html(p, "<td class=\"num quiet\">–</td>");
    }
}

/* Where and what. */
static void put_faults(struct nb_page *p, const struct nb_reading *r)
{
    bool first = true;
    nb_html(p, "<td class=\"text small\">");
    if (r->refusal)
        nb_html(p, "%s", shown(p, r->refusal));
    for (size_t i = 0; i < r->n; i++) {
        const struct nb_told *part = &r->parts[i];
        if (nb_right(part))
            continue;
        nb_html(p, "%q%s: %s", first ? "" : "; ", shown(p, part->name),
                part->code ? part->code : shown(p, nb_remark(part, p->arena, p->e)));
        first = false;
    }
    nb_html(p, "%q</td>", r->review ? (first ? "to review" : "; to review") : "");
}

static void put_student(struct nb_page *p, const struct nb_standing *s)
{
    const struct nb_reading *r = &s->best->result;
    nb_html(p, "<tr><th scope=\"row\">%s</th><td class=\"num\">%n</td><td class=\"num\"><strong>%p</strong></td>",
            s->student ? shown(p, s->student) : "(no name)", (int)s->tries, r->score);
    put_cells(p, r);
    put_faults(p, r);
    nb_html(p, "</tr>\n");
}

static void put_students(struct nb_page *p)
{
    nb_html(p,
            "<section>\n<h2>Students</h2>\n<div class=\"scroll\"><table><caption>The best submission of each counts. "
            "✓ right, ✗ wrong, ? cannot be told</caption>\n<thead><tr><th scope=\"col\">student</th><th scope=\"col\" "
            "class=\"num\">tries</th><th scope=\"col\" class=\"num\">points</th>");
    for (size_t i = 0; i < p->course->ntensors && columns(p); i++)
        nb_html(p, "<th scope=\"col\" class=\"num code\">%s</th>", shown(p, p->course->tensors[i].name));
    nb_html(p, "<th scope=\"col\">what went wrong</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < p->course->nstudents; i++)
        put_student(p, &p->course->students[i]);
    nb_html(p, "</tbody></table></div>\n</section>\n");
}

int nb_write_course_html(struct nb_page *p)
{
    nb_html_begin(p, shown(p, p->course->title));
    put_summary(p);
    if (p->course->nstudents) {
        put_mistakes(p);
        put_tensors(p);
        put_students(p);
    }
    nb_html_end(p);
    return nb_page_status(p);
}
