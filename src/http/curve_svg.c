/* curve_svg.c - curves drawn as SVG: one module with its derivative in one panel, or several modules in one panel and
 * their derivatives in a second one below. The card behind follows the reader's light or dark theme. */
#include "http/curve.h"
#include "report/svg.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char STYLE[] =
    ".d1{stroke-dasharray:7 5}\n"
    ".d2{stroke-dasharray:1 5}.d3{stroke-dasharray:12 5 1 5}.d4{stroke-dasharray:14 6}.d5{stroke-dasharray:4 5}\n"
    ".d6{stroke-dasharray:12 5 1 5 1 5}.d7{stroke-dasharray:18 5 5 5}\n"
    ".k{fill:#fff;stroke-width:2}\n"
    ".c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}.c3{stroke:#b3589a}\n"
    ".c4{stroke:#c98a00}.c5{stroke:#56b4e9}.c6{stroke:#5e4fa2}.c7{stroke:#6b6b6b}\n"
    "@media (prefers-color-scheme:dark){.k{fill:#0d1117}\n"
    ".c0{stroke:#4aa8e8}.c1{stroke:#f08a3c}.c2{stroke:#2cc79a}.c3{stroke:#dd8fc4}\n"
    ".c4{stroke:#e8b13a}.c5{stroke:#9bd3f5}.c6{stroke:#a79be0}.c7{stroke:#b0b0b0}}\n";

enum { WIDTH = 720, LEFT = 64, RIGHT = 24, PANEL = 300, GAP = 34, FOOT = 46, MARGIN = 20, ROW = 24 };

/* What a panel shows: the rectangle in pixels and in numbers. */
struct panel {
    double top, height;
    double x0, x1, y0, y1;
};

/* ---- the scale ------------------------------------------------------------------------------------------------- */

static double px(const struct panel *p, double x)
{
    return LEFT + (x - p->x0) / (p->x1 - p->x0) * (WIDTH - LEFT - RIGHT);
}

/* Far outside is as good as outside, and keeps the numbers short. */
static double py(const struct panel *p, double y)
{
    double v = p->top + p->height * (1 - (y - p->y0) / (p->y1 - p->y0));
    return fmin(fmax(v, p->top - 2000), p->top + p->height + 2000);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* All finite values of these rows, in order. Returns how many. */
static size_t sorted(const double *const *rows, int n, int64_t count, double *all)
{
    size_t m = 0;
    for (int k = 0; k < n; k++)
        for (int64_t i = 0; rows[k] && i < count; i++)
            if (isfinite(rows[k][i]))
                all[m++] = rows[k][i];
    qsort(all, m, sizeof *all, by_value);
    return m;
}

/* The range of the values; where a few of them run away (1/x), that of the rest. */
static int choose_range(struct panel *p, const double *const *rows, int n, int64_t count, struct nb_svg *s)
{
    double *all = nb_alloc(s->t->arena, (size_t)n * (size_t)count, sizeof *all, s->e);
    if (!all)
        return -1;
    size_t m = sorted(rows, n, count, all);
    double lo = m ? all[0] : 0, hi = m ? all[m - 1] : 0;
    double core = m ? all[m - 1 - m / 16] - all[m / 16] : 0;
    if (core > 0 && hi - lo > 6 * core) {
        lo = fmax(lo, all[m / 16] - core);
        hi = fmin(hi, all[m - 1 - m / 16] + core);
    }
    double pad = hi > lo ? 0.07 * (hi - lo) : 1;
    p->y0 = lo - pad;
    p->y1 = hi + pad;
    return 0;
}

/* 1, 2 or 5 times a power of ten: about `wanted` steps in the range. */
static double nice_step(double range, int wanted)
{
    double raw = range / wanted, power = pow(10, floor(log10(raw))), m = raw / power;
    return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

/* -1.5 with a real minus sign. */
static void tick_text(double v, double step, char *buf, size_t size)
{
    char number[32];
    if (fabs(v) < step / 1e6)
        v = 0;
    snprintf(number, sizeof number, "%.6g", fabs(v));
    snprintf(buf, size, "%s%s", v < 0 ? "\xe2\x88\x92" : "", number);
}

/* ---- the panel ------------------------------------------------------------------------------------------------- */

static void put_x_ticks(struct nb_svg *s, const struct panel *p, bool labels)
{
    char text[40];
    double step = nice_step(p->x1 - p->x0, 8);
    for (double v = ceil(p->x0 / step - 1e-9) * step; v <= p->x1 + step * 1e-9; v += step) {
        nb_svg_line(s, fabs(v) < step / 1e6 ? "a" : "g", px(p, v), p->top, px(p, v), p->top + p->height);
        tick_text(v, step, text, sizeof text);
        if (labels)
            nb_svg_label(s, "m", px(p, v), p->top + p->height + 19, text);
    }
}

static void put_y_ticks(struct nb_svg *s, const struct panel *p)
{
    char text[40];
    double step = nice_step(p->y1 - p->y0, p->height > 200 ? 7 : 5);
    for (double v = ceil(p->y0 / step - 1e-9) * step; v <= p->y1 + step * 1e-9; v += step) {
        nb_svg_line(s, fabs(v) < step / 1e6 ? "a" : "g", LEFT, py(p, v), WIDTH - RIGHT, py(p, v));
        tick_text(v, step, text, sizeof text);
        nb_svg_label(s, "e", LEFT - 9, py(p, v) + 4, text);
    }
}

static void put_frame(struct nb_svg *s, const struct panel *p, bool last)
{
    put_x_ticks(s, p, last);
    put_y_ticks(s, p);
    nb_svg_put(s, "<rect class=\"f\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>\n", LEFT, p->top,
               WIDTH - LEFT - RIGHT, p->height);
    if (last)
        nb_svg_label(s, "m i", (LEFT + WIDTH - RIGHT) / 2.0, p->top + p->height + 38, "x");
}

/* ---- the curves ------------------------------------------------------------------------------------------------ */

/* Does the line break between i and i + 1? Where it leaves at one side and comes back at the other, and where a step is
 * far larger than those around it. */
static bool breaks(const struct panel *p, const double *y, int64_t i, int64_t n)
{
    double d[4], step = fabs(y[i + 1] - y[i]);
    if (!isfinite(step) || (y[i] > p->y1 && y[i + 1] < p->y0) || (y[i] < p->y0 && y[i + 1] > p->y1))
        return true;
    if (i < 2 || i + 3 >= n)
        return false;
    for (int k = 0; k < 4; k++) {
        int64_t j = i + (int64_t[]){-2, -1, 1, 2}[k];
        d[k] = fabs(y[j + 1] - y[j]);
    }
    qsort(d, 4, sizeof *d, by_value);
    return step > 6 * (d[1] + d[2]) / 2 && step > 0.03 * (p->y1 - p->y0);
}

static void put_curve(struct nb_svg *s, const struct panel *p, const struct nb_curve *c, const double *y, int color,
                      int dash)
{
    bool pen = false;
    nb_svg_put(s, "<path class=\"l c%d d%d\" clip-path=\"url(#p%d)\" d=\"", color, dash, (int)p->top);
    for (int64_t i = 0; i < c->n; i++) {
        if (isfinite(y[i]))
            nb_svg_put(s, "%c%.1f %.1f", pen ? 'L' : 'M', px(p, c->x[i]), py(p, y[i]));
        pen = isfinite(y[i]) && i + 1 < c->n && !breaks(p, y, i, c->n);
    }
    nb_svg_put(s, "\"/>\n");
}

/* Slope or value differs to the left and right of x: an argument can make a kink vanish (ELU with alpha = 1). */
static bool is_visible(const struct nb_curve *c, double x, const struct panel *p)
{
    int64_t i = (int64_t)((x - c->x[0]) / (c->x[c->n - 1] - c->x[0]) * (double)(c->n - 1));
    int64_t left = i > 0 ? i - 1 : 0, right = i + 2 < c->n ? i + 2 : c->n - 1;
    double step = fabs(c->h[right] - c->h[left]) / (p->y1 - p->y0);
    double bend = c->slope ? fabs(c->slope[right] - c->slope[left]) : 0;
    return bend > 0.08 || step > 0.08;
}

static void put_kinks(struct nb_svg *s, const struct panel *p, const struct nb_curve *c, bool slope, int color)
{
    for (int k = 0; k < c->kinks; k++) {
        double y = slope ? c->kink[k].slope : c->kink[k].h;
        if (y >= p->y0 && y <= p->y1 && is_visible(c, c->kink[k].x, p))
            nb_svg_put(s, "<circle class=\"k c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", color, px(p, c->kink[k].x),
                       py(p, y));
    }
}

/* ---- the card -------------------------------------------------------------------------------------------------- */

static void put_clip(struct nb_svg *s, const struct panel *p)
{
    nb_svg_put(s, "<clipPath id=\"p%d\"><rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/></clipPath>\n",
               (int)p->top, LEFT, p->top, WIDTH - LEFT - RIGHT, p->height);
}

static double key_width(const char *word)
{
    return 37 + 7.8 * (double)strlen(word) + 18;
}

/* A piece of line and a word. Returns where the next one may stand. */
static double put_key(struct nb_svg *s, double x, double y, int color, int dash, const char *word)
{
    nb_svg_put(s, "<line class=\"l c%d d%d\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", color, dash, x,
               y - 4, x + 30, y - 4);
    nb_svg_label(s, "n", x + 37, y, word);
    return x + key_width(word);
}

/* "beta = 2, ..." of the arguments that were given. */
static void arguments_text(const struct nb_curve *c, char *buf, size_t size)
{
    const char *name;
    json_t *v;
    size_t n = 0;
    *buf = 0;
    json_object_foreach (c->args, name, v) {
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        if (text && n < size)
            n += (size_t)snprintf(buf + n, size - n, "%s%s = %s", n ? ", " : "", name, text);
        free(text);
    }
}

static int draw_one(struct nb_svg *s, const struct nb_curve *c)
{
    char formula[200], arguments[120];
    const double *rows[] = {c->h, c->slope};
    struct panel p = {82, 340, c->x[0], c->x[c->n - 1], 0, 0};
    if (choose_range(&p, rows, 2, c->n, s))
        return -1;
    nb_svg_begin(s, WIDTH, p.top + p.height + FOOT, STYLE);
    put_clip(s, &p);
    nb_svg_label(s, "t", MARGIN, 34, c->module->type);
    nb_svg_label(s, "q", MARGIN, 60, nb_plain_formula(c->module->formula, formula, sizeof formula));
    arguments_text(c, arguments, sizeof arguments);
    nb_svg_label(s, "q", MARGIN + 14 + 11.0 * (double)strlen(c->module->type), 34, arguments);
    if (c->slope)
        put_key(s, put_key(s, WIDTH - RIGHT - 194, 34, 0, 0, "h(x)"), 34, 1, 1, "dh/dx");
    put_frame(s, &p, true);
    if (c->slope)
        put_curve(s, &p, c, c->slope, 1, 1);
    put_curve(s, &p, c, c->h, 0, 0);
    if (c->slope)
        put_kinks(s, &p, c, true, 1);
    put_kinks(s, &p, c, false, 0);
    return 0;
}

static void draw_rows(struct nb_svg *s, const struct panel *p, const struct nb_curve *c, int n, bool slope)
{
    put_clip(s, p);
    put_frame(s, p, slope);
    for (int i = 0; i < n; i++)
        if (!slope || c[i].slope)
            put_curve(s, p, &c[i], slope ? c[i].slope : c[i].h, i, i);
    for (int i = 0; i < n; i++)
        if (!slope || c[i].slope)
            put_kinks(s, p, &c[i], slope, i);
    nb_svg_label(s, "i", LEFT + 10, p->top + 20, slope ? "dh/dx" : "h(x)");
}

/* One row of keys after the other; only counted if `drawn` is false. Returns the number of rows. */
static int put_keys(struct nb_svg *s, const struct nb_curve *c, int n, bool drawn)
{
    double x = MARGIN;
    int row = 0;
    for (int i = 0; i < n; i++) {
        if (x > MARGIN && x + key_width(c[i].module->type) > WIDTH - RIGHT + 18) {
            x = MARGIN;
            row++;
        }
        if (drawn)
            put_key(s, x, 36 + ROW * row, i, i, c[i].module->type);
        x += key_width(c[i].module->type);
    }
    return row + 1;
}

static int draw_several(struct nb_svg *s, const struct nb_curve *c, int n)
{
    const double *above[NB_MAX_CURVES], *below[NB_MAX_CURVES];
    struct panel p = {36 + ROW * put_keys(s, c, n, false), PANEL, c->x[0], c->x[c->n - 1], 0, 0}, q = p;
    q.top = p.top + PANEL + GAP;
    for (int i = 0; i < n; i++) {
        above[i] = c[i].h;
        below[i] = c[i].slope;
    }
    if (choose_range(&p, above, n, c->n, s) || choose_range(&q, below, n, c->n, s))
        return -1;
    nb_svg_begin(s, WIDTH, q.top + PANEL + FOOT, STYLE);
    put_keys(s, c, n, true);
    draw_rows(s, &p, c, n, false);
    draw_rows(s, &q, c, n, true);
    return 0;
}

int nb_curve_svg(struct nb_text *t, const struct nb_curve *c, int n, struct nb_error *e)
{
    struct nb_svg s = {t, e};
    if (n == 1 ? draw_one(&s, c) : draw_several(&s, c, n))
        return -1;
    nb_svg_put(&s, "</svg>\n");
    return e->code ? -1 : 0;
}
