/* histogram.c - how the scores of a course are spread. */
#include "report/html.h"
#include "report/svg.h"
#include <math.h>

enum { BINS = 10, WIDTH = 420, HEIGHT = 200, LEFT = 34, RIGHT = 8, TOP = 30, BOTTOM = 34 };

static int bin_of(const struct nb_reading *r)
{
    int k = (int)(BINS * nb_fraction(r));
    return k < BINS ? k : BINS - 1;
}

/* A round number of steps up to n: 1, 2 or 5 times a power of ten. */
static int step_of(int n)
{
    static const int round[] = {2, 5, 10};
    int unit = 1, k = 0;
    while (n > 5 * unit * (k ? round[k - 1] : 1)) {
        if (++k == 4) {
            unit *= 10;
            k = 1;
        }
    }
    return unit * (k ? round[k - 1] : 1);
}

static void put_axes(struct nb_svg *s, int top, double unit, double max)
{
    char text[40];
    double base = HEIGHT - BOTTOM;
    for (int n = 0; n <= top; n += step_of(top)) {
        snprintf(text, sizeof text, "%d", n);
        nb_svg_line(s, n ? "grid" : "axis", LEFT, base - n * unit, WIDTH - RIGHT, base - n * unit);
        nb_svg_label(s, "e q", LEFT - 6, base - n * unit + 4, text);
    }
    for (int k = 0; k <= BINS; k += 2) {
        nb_svg_number(max * k / BINS, 4, text, sizeof text);
        nb_svg_label(s, "m q", LEFT + (WIDTH - LEFT - RIGHT) * k / (double)BINS, base + 15, text);
    }
    nb_svg_label(s, "m q", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 4, "points");
    nb_svg_label(s, "q", 2, 11, "students");
}

static void put_columns(struct nb_svg *s, const int count[BINS], double unit)
{
    double width = (WIDTH - LEFT - RIGHT) / (double)BINS, base = HEIGHT - BOTTOM;
    char text[16];
    for (int k = 0; k < BINS; k++) {
        if (!count[k])
            continue;
        snprintf(text, sizeof text, "%d", count[k]);
        nb_svg_put(s, "<rect class=\"column\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                   LEFT + k * width + 1.5, base - count[k] * unit, width - 3, count[k] * unit);
        nb_svg_label(s, "m", LEFT + (k + 0.5) * width, base - count[k] * unit - 4, text);
    }
}

void nb_html_histogram(struct nb_page *p)
{
    const struct nb_standings *c = p->course;
    struct nb_svg s = {p->t, p->e};
    int count[BINS] = {0}, top = 1;
    for (size_t i = 0; i < c->nstudents; i++)
        count[bin_of(&c->students[i].best->result)]++;
    for (int k = 0; k < BINS; k++)
        top = count[k] > top ? count[k] : top;
    double unit = (HEIGHT - TOP - BOTTOM) / (double)top;
    nb_svg_put(
        &s,
        "<figure>\n<svg role=\"img\" aria-label=\"histogram of the points\" xmlns=\"http://www.w3.org/2000/svg\" "
        "viewBox=\"0 0 %d %d\" width=\"%d\">\n",
        WIDTH, HEIGHT, WIDTH * 3 / 2);
    put_axes(&s, top, unit, c->max);
    put_columns(&s, count, unit);
    nb_svg_put(&s, "</svg>\n");
    nb_html(p,
            "<figcaption>Students by points, in %n equal parts; the upper end belongs to the last. "
            "%n of %n have full marks.</figcaption>\n</figure>\n",
            (int)BINS, (int)c->full, (int)c->nstudents);
}
