/* map.c - the entries of a tensor as squares, for the page of a student. `map` of a result has rows, columns and
 * entries, a character each: + right, x wrong, ? cannot tell, . right because nothing reacts
 * to it. */
#include "report/html.h"
#include "report/svg.h"
#include <math.h>
#include <string.h>

enum { ACROSS = 640, SMALLEST = 4, LARGEST = 22, ROOM_FOR_A_SIGN = 14, MOST = 20000 };

static const char kinds[] = "+x?.";
static const char *const classes[] = {"r", "w", "u", "s"};

struct squares {
    int rows, columns;
    double size;
    const char *entries;
};

static bool read_map(struct squares *m, const json_t *map)
{
    json_int_t rows = json_integer_value(json_object_get(map, "rows"));
    json_int_t columns = json_integer_value(json_object_get(map, "columns"));
    m->entries = json_string_value(json_object_get(map, "entries"));
    if (!m->entries || rows < 1 || columns < 1 || rows > MOST || columns > MOST || rows * columns > MOST ||
        strlen(m->entries) != (size_t)(rows * columns))
        return false;
    m->rows = (int)rows;
    m->columns = (int)columns;
    m->size = fmin(LARGEST, fmax(SMALLEST, floor((double)ACROSS / m->columns)));
    return true;
}

/* All squares of a kind are one path. */
static void put_kind(struct nb_svg *s, const struct squares *m, size_t kind)
{
    bool open = false;
    for (int i = 0; i < m->rows * m->columns; i++) {
        if (m->entries[i] != kinds[kind])
            continue;
        if (!open)
            nb_svg_put(s, "<path class=\"%s%s\" d=\"", classes[kind], m->size >= 8 ? " cell" : "");
        open = true;
        nb_svg_put(s, "M%d %dh1v1h-1z", i % m->columns, i / m->columns);
    }
    if (open)
        nb_svg_put(s, "\"/>\n");
}

/* Colours alone are not for everybody. */
static void put_signs(struct nb_svg *s, const struct squares *m)
{
    for (int i = 0; i < m->rows * m->columns && m->size >= ROOM_FOR_A_SIGN; i++)
        if (m->entries[i] == 'x' || m->entries[i] == '?')
            nb_svg_label(s, m->entries[i] == 'x' ? "m sign" : "m sign dark", (i % m->columns + 0.5) * m->size,
                         (i / m->columns + 0.5) * m->size + 4, m->entries[i] == 'x' ? "×" : "?");
}

static void put_squares(struct nb_page *p, const struct squares *m)
{
    struct nb_svg s = {p->t, p->e};
    double width = m->columns * m->size, height = m->rows * m->size;
    nb_svg_put(&s,
               "<svg role=\"img\" aria-label=\"map of the entries\" xmlns=\"http://www.w3.org/2000/svg\" "
               "viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\">\n<g transform=\"scale(%.0f)\">\n",
               width, height, width, height, m->size);
    for (size_t k = 0; kinds[k]; k++)
        put_kind(&s, m, k);
    nb_svg_put(&s, "</g>\n");
    put_signs(&s, m);
    nb_svg_put(&s, "</svg>\n");
}

void nb_html_map(struct nb_page *p, const struct nb_told *part)
{
    static const char *const names[] = {"right", "wrong", "cannot tell", "nothing reacts to it"};
    struct squares m;
    if (!part->map || !read_map(&m, part->map))
        return;
    nb_html(p, "<figure>\n<div class=\"scroll\">");
    put_squares(p, &m);
    nb_html(p, "</div>\n<figcaption>");
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (strchr(m.entries, kinds[k]))
            nb_html(p, "<span class=\"key %q\"></span>%q", classes[k], names[k]);
    nb_html(p, "</figcaption>\n</figure>\n");
}
