/* error_plot.c - the V of numeric differentiation: how far off a difference quotient is, against its step. */
#include "http/check_svg.h"
#include "http/verdicts.h"
#include <math.h>

enum { LEFT = 74, RIGHT = NB_PICTURE - NB_PICTURE_MARGIN, HEIGHT = 230 };

struct plot {
    double top, x0, x1, y0, y1; /* the ranges, as powers of ten */
    int texts;                  /* that stand in it: where each begins, its line, its width */
    struct {
        double x, y, width;
    } text[4];
};

static double px(const struct plot *p, double h)
{
    return LEFT + (log10(h) - p->x0) / (p->x1 - p->x0) * (RIGHT - LEFT);
}

/* What is exact lies on the floor. */
static double py(const struct plot *p, double error)
{
    double y = error > 0 ? log10(error) : p->y0;
    return p->top + HEIGHT * (1 - (fmin(fmax(y, p->y0), p->y1) - p->y0) / (p->y1 - p->y0));
}

/* Within its bar: then errors are absolute. */
static bool is_zero(const struct nb_checked *c)
{
    return fabs(c->value[c->worst]) <= nb_bar_of(c, c->worst);
}

static double scale_of(const struct nb_checked *c)
{
    return is_zero(c) ? 1 : fabs(c->value[c->worst]);
}

/* Of the candidate, as the curve is of the quotients. */
static double own_error(const struct nb_checked *c)
{
    return fabs(c->candidate[c->worst] - c->value[c->worst]) / scale_of(c);
}

static void choose_ranges(struct plot *p, const struct nb_checked *c)
{
    const struct nb_error_curve *k = &c->curve;
    double low = -16, high = -10, own = own_error(c);
    for (int i = 0; i < k->n; i++)
        if (k->error[i] > 0) {
            low = fmin(low, log10(k->error[i]));
            high = fmax(high, log10(k->error[i]));
        }
    if (own > 0 && isfinite(own))
        high = fmax(high, log10(own));
    p->y0 = fmax(floor(low) - 0.7, -24);
    p->y1 = fmin(ceil(high) + 0.7, p->y0 + 40);
    p->x0 = log10(k->h[k->n - 1]) - 0.3;
    p->x1 = log10(k->h[0]) + 0.3;
}

static void put_ticks(struct nb_svg *s, const struct plot *p)
{
    char text[32];
    for (int k = (int)ceil(p->x0 / 2) * 2; k <= p->x1; k += 2) {
        double x = px(p, pow(10, k));
        nb_svg_line(s, "g", x, p->top, x, p->top + HEIGHT);
        nb_svg_label(s, "m", x, p->top + HEIGHT + 19, nb_svg_power_of_ten(k, text, sizeof text));
    }
    int step = p->y1 - p->y0 > 24 ? 6 : p->y1 - p->y0 > 12 ? 3 : 2;
    for (int k = (int)ceil(p->y0 / step) * step; k <= p->y1; k += step) {
        double y = py(p, pow(10, k));
        nb_svg_line(s, "g", LEFT, y, RIGHT, y);
        nb_svg_label(s, "e", LEFT - 9, y + 4, nb_svg_power_of_ten(k, text, sizeof text));
    }
}

static void put_text(struct nb_svg *s, struct plot *p, const char *class, double x, double y, double width,
                     const char *text)
{
    nb_svg_label(s, class, x, y, text);
    p->text[p->texts].x = x;
    p->text[p->texts].y = y;
    p->text[p->texts++].width = width;
}

static bool is_taken(const struct plot *p, double x, double y, double width)
{
    for (int i = 0; i < p->texts; i++)
        if (fabs(p->text[i].y - y) < 15 && x < p->text[i].x + p->text[i].width && p->text[i].x < x + width)
            return true;
    return false;
}

/* Does the curve run through a text that begins at x and stands on y? */
static bool covers(const struct plot *p, const struct nb_error_curve *k, double x, double y, double width)
{
    for (int i = 0; i + 1 < k->n; i++)
        for (int j = 0; j < 4; j++) {
            double t = j / 4.0, cx = px(p, k->h[i]) * (1 - t) + px(p, k->h[i + 1]) * t;
            double cy = py(p, k->error[i]) * (1 - t) + py(p, k->error[i + 1]) * t;
            if (cx > x - 6 && cx < x + width + 6 && cy > y - 16 && cy < y + 7)
                return true;
        }
    return false;
}

/* Below a level, or above it, wherever the curve leaves room; within a band, which fills from the left, also farther
 * down. */
static void put_beside(struct nb_svg *s, struct plot *p, const struct nb_error_curve *k, const char *class, double y,
                       bool band, const char *text)
{
    enum { PLACES = 8 };
    static const double by[2][4] = {{-7, 16, -22, 31}, {16, 34, 52, 70}};
    double width = 6.3 * nb_svg_width(text), low = p->top + HEIGHT - 6,
           step = (RIGHT - LEFT - 24 - width) / (PLACES - 1);
    double x = LEFT + 12, at = fmin(y + 16, low);
    for (int i = 0; i < 4 * PLACES; i++) {
        double down = y + by[band][i / PLACES],
               across = LEFT + 12 + step * (band ? i % PLACES : PLACES - 1 - i % PLACES);
        if (down < p->top + 14 || down > low || is_taken(p, across, down, width) || covers(p, k, across, down, width))
            continue;
        x = across;
        at = down;
        break;
    }
    put_text(s, p, class, x, at, width, text);
}

/* A part of the number itself: in percent if that can be read. */
static const char *part_text(const struct nb_checked *c, double part, char *buf, size_t size)
{
    if (is_zero(c) || part < 1e-4 || part >= 10)
        return nb_svg_number(part, 2, buf, size);
    snprintf(buf, size, part < 0.1 ? "%.2g %%" : "%.0f %%", 100 * part);
    return buf;
}

/* Of the differences, as the curve has it; 0: not known, or of no meaning. */
static double bar_of(const struct nb_checked *c)
{
    enum nb_reason why = c->reasons[c->worst];
    double bar = why == NB_WHY_kink || why == NB_WHY_kink_unresolved ? 0 : c->curve.bar / scale_of(c);
    return bar > 0 && isfinite(bar) ? bar : 0;
}

static void put_band(struct nb_svg *s, const struct plot *p, const struct nb_checked *c)
{
    double y = py(p, bar_of(c));
    if (bar_of(c) > 0)
        nb_svg_put(s, "<rect class=\"bar\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>\n", LEFT, y, RIGHT - LEFT,
                   p->top + HEIGHT - y);
}

static void put_bar(struct nb_svg *s, struct plot *p, const struct nb_checked *c)
{
    char number[60], text[160];
    if (!(bar_of(c) > 0))
        return;
    snprintf(text, sizeof text, "error bar of the differences: %s", part_text(c, bar_of(c), number, sizeof number));
    put_beside(s, p, &c->curve, "s cb y", py(p, bar_of(c)), true, text);
}

static void put_own(struct nb_svg *s, struct plot *p, const struct nb_checked *c)
{
    char number[60], text[160];
    double own = own_error(c);
    if (!(own > 0) || !isfinite(own) || log10(own) < p->y0)
        return;
    double y = py(p, own);
    nb_svg_line(s, "l own", LEFT, y, RIGHT, y);
    snprintf(text, sizeof text, "this gradient is off by %s", part_text(c, own, number, sizeof number));
    put_beside(s, p, &c->curve, "s co y", y, false, text);
}

static void put_step(struct nb_svg *s, struct plot *p, const struct nb_checked *c)
{
    char number[40], text[80];
    const struct nb_error_curve *k = &c->curve;
    if (!(k->used > 0))
        return;
    double x = px(p, k->used);
    nb_svg_line(s, "a used", x, p->top, x, p->top + HEIGHT);
    for (int i = 0; i < k->n; i++)
        if (k->h[i] == k->used)
            nb_svg_put(s, "<circle class=\"k\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>\n", x, py(p, k->error[i]));
    snprintf(text, sizeof text, "step used: %s", nb_svg_number(k->used, 2, number, sizeof number));
    double y = p->top + HEIGHT - 8, own = py(p, own_error(c)), width = 6.9 * nb_svg_width(text);
    bool right = x > (LEFT + RIGHT) / 2.0;
    put_text(s, p, "s y", right ? x - 7 - width : x + 7, fabs(own - y + 4) < 12 ? y - 22 : y, width, text);
}

static void put_curve(struct nb_svg *s, const struct plot *p, const struct nb_error_curve *k)
{
    nb_svg_put(s, "<path class=\"l c0\" d=\"");
    for (int i = 0; i < k->n; i++)
        nb_svg_put(s, "%c%.1f %.1f", i ? 'L' : 'M', px(p, k->h[i]), py(p, k->error[i]));
    nb_svg_put(s, "\"/>\n");
}

/* A few words about what there is to see. */
static const char *lesson(const struct nb_checked *c)
{
    const struct nb_error_curve *k = &c->curve;
    double least = INFINITY, most = 0;
    for (int i = 0; i < k->n; i++) {
        least = fmin(least, k->error[i]);
        most = fmax(most, k->error[i]);
    }
    if (c->reasons[c->worst] == NB_WHY_kink || (least > 1e-2 && !is_zero(c)) || (most > 0 && least > 0.5 * most))
        return "However small the step, the error stays: at a kink the slopes to the left and to the right are not the "
               "same, "
               "and there is no single number to find.";
    if (is_zero(c))
        return "The true slope is zero here, so what is left of the error is rounding: it grows towards the left, "
               "where the "
               "difference is divided by ever smaller steps.";
    if (k->error[0] < 1e-12)
        return "This entry acts in a straight line: no step is too large, and all the error there is, towards the "
               "left, is "
               "rounding in ever smaller differences.";
    return "Read it from the right: a smaller step follows the bend of the function better, and the error falls; "
           "towards "
           "the left the difference of two almost equal numbers drowns in rounding, and it rises again. The circle "
           "marks "
           "the step that was used; the oracle extrapolates from there.";
}

double nb_error_plot(struct nb_svg *s, const struct nb_checked *c, double y)
{
    char index[120], title[420];
    struct plot p = {.top = y + 34};
    struct nb_shape at = nb_index_of(&c->shape, c->worst);
    choose_ranges(&p, c);
    snprintf(title, sizeof title, "The slope by differences, for ever smaller steps: %.80s %s", c->name,
             at.rank ? nb_shape_text(&at, NULL, index, sizeof index) : "");
    nb_svg_label(s, "u", NB_PICTURE_MARGIN, y, title);
    nb_svg_label(s, "q s", NB_PICTURE_MARGIN, y + 20, is_zero(c) ? "error" : "error, relative");
    put_band(s, &p, c);
    put_ticks(s, &p);
    nb_svg_put(s, "<rect class=\"f\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n", LEFT, p.top, RIGHT - LEFT,
               HEIGHT);
    put_curve(s, &p, &c->curve);
    put_step(s, &p, c);
    put_bar(s, &p, c);
    put_own(s, &p, c);
    nb_svg_label(s, "m q s", (LEFT + RIGHT) / 2.0, p.top + HEIGHT + 38, "step");
    return nb_svg_paragraph(s, "q", NB_PICTURE_MARGIN, p.top + HEIGHT + 62, NB_PICTURE - 2 * NB_PICTURE_MARGIN,
                            lesson(c));
}
