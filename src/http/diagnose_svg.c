/* diagnose_svg.c - see diagnose_svg.h. Columns from left to right: the node; a bar of dead or saturated; a histogram;
 * the gradient on a scale of powers of ten. Every colour is said in words too. */
#include "http/diagnose_svg.h"
#include "http/check_svg.h"
#include "report/svg.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char STYLE[] =
    ".h{font-weight:600}.s{font-size:11px}\n"
    ".z{fill:#eaeef2}.d{fill:#d1495b}.u{fill:#c98a00}.o{fill:#3a9d6e}.v{fill:#4c86c6}.w{stroke:#c98a00;stroke-width:2}"
    "\n"
    ".n3{fill:#d1495b}.n2{fill:#c98a00}.n1{fill:#3a9d6e}.n0{fill:#8c959f}\n"
    "@media (prefers-color-scheme:dark){.z{fill:#21262d}.d,.n3{fill:#f07a8a}.u,.n2{fill:#e8b13a}.o,.n1{fill:#4cc38a}\n"
    ".v{fill:#6ba7e8}}\n";

enum {
    WIDTH = 940,
    SIDE = 22,
    BAR = 232, /* where the columns begin, and their widths */
    BAR_WIDTH = 110,
    PLOT = 406,
    PLOT_WIDTH = 174,
    SCALE = 610,
    SCALE_WIDTH = 200,
    TOP = 150,
    ROW = 46,
    MOST = 60 /* nodes that are drawn */
};

/* ---- the scale of gradients -------------------------------------------------------------------------------------- */

struct scale {
    int low, high; /* powers of ten at its ends */
};

static struct scale scale_of(const struct nb_vitals *o)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < o->n; i++)
        if (o->v[i].reached && isfinite(o->v[i].gradient) && o->v[i].gradient > 0) {
            low = fmin(low, log10(o->v[i].gradient));
            high = fmax(high, log10(o->v[i].gradient));
        }
    if (low > high)
        return (struct scale){-1, 1};
    struct scale s = {(int)floor(low), (int)ceil(high)};
    s.low -= s.high - s.low < 2;
    s.high += s.high - s.low < 2;
    return s;
}

static double scale_x(const struct scale *s, double gradient)
{
    double at = gradient > 0 ? (log10(gradient) - s->low) / (s->high - s->low) : gradient < 0 ? 1 : 0;
    return SCALE + SCALE_WIDTH * fmin(fmax(at, 0), 1);
}

static void draw_scale(struct nb_svg *s, const struct scale *x, double bottom)
{
    char text[32];
    int step = 1 + (x->high - x->low) / 6;
    for (int p = x->low; p <= x->high; p += step) {
        double at = SCALE + SCALE_WIDTH * (double)(p - x->low) / (x->high - x->low);
        nb_svg_line(s, "g", at, TOP - 6, at, bottom);
        nb_svg_label(s, "m q s", at, TOP - 11, nb_svg_power_of_ten(p, text, sizeof text));
    }
}

/* ---- one node ---------------------------------------------------------------------------------------------------- */

static void draw_name(struct nb_svg *s, const struct nb_vital *x, double y)
{
    char text[64], shape[100];
    snprintf(text, sizeof text, "%.25s%s", x->node, strlen(x->node) > 25 ? "…" : "");
    nb_svg_label(s, "h", SIDE, y + 17, text);
    snprintf(text, sizeof text, "%.22s %.30s", x->type, nb_shape_text(&x->shape, NULL, shape, sizeof shape));
    nb_svg_label(s, "q s", SIDE, y + 33, text);
}

static void draw_bar(struct nb_svg *s, const struct nb_vital *x, double y)
{
    char text[80];
    bool rectifier = x->kind == NB_RECTIFIER;
    double share = rectifier && x->units ? (double)x->dead_units / (double)x->units : x->saturated;
    if (x->kind == NB_PLAIN)
        return;
    nb_svg_put(s, "<rect class=\"z\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"12\" rx=\"2\"/>\n", BAR, y + 7,
               BAR_WIDTH);
    if (share > 0)
        nb_svg_put(s, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"12\" rx=\"2\"/>\n",
                   rectifier ? "d" : "u", BAR, y + 7, fmax(BAR_WIDTH * share, 1.5));
    if (rectifier)
        snprintf(text, sizeof text, "%lld of %lld units dead", (long long)x->dead_units, (long long)x->units);
    else
        snprintf(text, sizeof text, "%.3g %% %s", 100 * x->saturated,
                 x->kind == NB_PROBABILITY ? "nearly certain" : "saturated");
    nb_svg_label(s, "s", BAR, y + 33, text);
}

static void draw_histogram(struct nb_svg *s, const struct nb_vital *x, double y)
{
    const double width = (double)PLOT_WIDTH / NB_VITAL_BINS, height = 24;
    double bottom = y + 27, scale = x->max > x->min ? PLOT_WIDTH / (x->max - x->min) : 0;
    char low[40], high[40], text[100];
    int64_t most = 1;
    for (int i = 0; i < NB_VITAL_BINS; i++)
        most = x->bin[i] > most ? x->bin[i] : most;
    for (int i = 0; i < NB_VITAL_BINS; i++)
        if (x->bin[i]) {
            double h = fmax(height * (double)x->bin[i] / (double)most, 1);
            nb_svg_put(s, "<rect class=\"v\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                       PLOT + i * width, bottom - h, width - 0.5, h);
        }
    nb_svg_line(s, "a", PLOT, bottom, PLOT + PLOT_WIDTH, bottom);
    if (scale > 0 && x->min < 0 && x->max > 0)
        nb_svg_line(s, "a", PLOT - x->min * scale, bottom - height, PLOT - x->min * scale, bottom + 3);
    if (scale > 0)
        nb_svg_line(s, "w", PLOT + (x->mean - x->min) * scale, bottom - height, PLOT + (x->mean - x->min) * scale,
                    bottom);
    nb_svg_label(s, "q s", PLOT, bottom + 13, nb_svg_number(x->min, 2, low, sizeof low));
    nb_svg_label(s, "e q s", PLOT + PLOT_WIDTH, bottom + 13, nb_svg_number(x->max, 2, high, sizeof high));
    snprintf(text, sizeof text, "mean %s", nb_svg_number(x->mean, 2, low, sizeof low));
    nb_svg_label(s, "m s", PLOT + PLOT_WIDTH / 2.0, bottom + 13, text);
}

static void draw_gradient(struct nb_svg *s, const struct nb_vital *x, const struct scale *scale, bool measure, double y)
{
    char number[40], text[80];
    double end = scale_x(scale, isfinite(x->gradient) ? x->gradient : -1);
    if (!x->reached) {
        nb_svg_label(s, "q s", SCALE, y + 21, "no gradient arrives here");
        return;
    }
    nb_svg_put(s, "<rect class=\"n%d\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"12\" rx=\"2\"/>\n", (int)x->verdict,
               SCALE, y + 7, fmax(end - SCALE, 1.5));
    nb_svg_label(s, "s", SCALE, y + 33, nb_svg_number(x->gradient, 3, number, sizeof number));
    if (measure)
        nb_svg_label(s, "s", SCALE + SCALE_WIDTH + 14, y + 17, "the measure");
    else if (x->verdict != NB_FLOW_NONE)
        nb_svg_label(s, "s", SCALE + SCALE_WIDTH + 14, y + 17, nb_flow_name(x->verdict));
    double ratio = x->inside ? x->through_time : x->ratio;
    if (!measure && isfinite(ratio)) {
        snprintf(text, sizeof text, "× %s%s", nb_svg_number(ratio, x->inside ? 2 : 3, number, sizeof number),
                 x->inside ? " in time" : "");
        nb_svg_label(s, "q s", SCALE + SCALE_WIDTH + 14, y + 33, text);
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void draw_head(struct nb_svg *s, const struct nb_vitals *o)
{
    static const char *const verdicts[] = {
        [NB_FLOW_NONE] = "No gradient arrives anywhere.",
        [NB_FLOW_HEALTHY] = "The gradient keeps its size on the way from the loss to the input.",
        [NB_FLOW_VANISHING] = "The gradient vanishes on its way from the loss to the input.",
        [NB_FLOW_EXPLODING] = "The gradient explodes on its way from the loss to the input.",
    };
    nb_svg_label(s, "t", SIDE, 36, "How well this network can learn from this batch");
    nb_svg_label(s, "", SIDE, 60, verdicts[o->verdict]);
    nb_svg_label(s, "q s", SIDE, 79,
                 "From top to bottom as the network computes; the gradient comes the other way, from the bottom up. A "
                 "short bar at the right: little is learned there.");
    nb_svg_label(s, "h", SIDE, 110, "Node");
    nb_svg_label(s, "h", BAR, 110, "Stuck");
    nb_svg_label(s, "q s", BAR, 126, "slope 0, or nearly");
    nb_svg_label(s, "h", PLOT, 110, "Activations");
    nb_svg_label(s, "q s", PLOT, 126, "how often; the mark: the mean");
    nb_svg_label(s, "h", SCALE, 110, "Gradient that arrives");
    nb_svg_label(s, "q s", SCALE, 126, "mean size");
    nb_svg_label(s, "q s", SCALE + SCALE_WIDTH + 14, 126, "× the last layer");
}

/* "net/1, net/3 and 5 more: " and the advice. */
static void name_nodes(const struct nb_vitals *o, int advice, char *buf, size_t size)
{
    size_t n = 0, named = 0, all = 0;
    *buf = 0;
    for (size_t i = 0; i < o->n; i++) {
        bool meant = o->v[i].advice >> advice & 1;
        all += meant;
        if (meant && named < 4) {
            n += (size_t)snprintf(buf + n, size - n, "%s%.40s", n ? ", " : "", o->v[i].node);
            named++;
        }
    }
    if (all > named)
        n += (size_t)snprintf(buf + n, size - n, " and %zu more", all - named);
    snprintf(buf + n, size - n, ": %s", nb_advices[advice].text);
}

/* Where the advice ends; s NULL: only measured. */
static double draw_advice(struct nb_svg *s, const struct nb_vitals *o, double y)
{
    char text[800];
    for (int i = 0; i < NB_ADVICES; i++)
        if (o->advice >> i & 1) {
            name_nodes(o, i, text, sizeof text);
            y = nb_svg_paragraph(s, "", SIDE, y, WIDTH - 2 * SIDE, text) + 8;
        }
    return y;
}

int nb_diagnose_svg(struct nb_text *t, const struct nb_vitals *o, struct nb_error *e)
{
    struct nb_svg s = {t, e};
    struct scale scale = scale_of(o);
    size_t drawn = o->n < MOST ? o->n : MOST;
    double bottom = TOP + ROW * (double)drawn + 6, foot = bottom + (drawn < o->n ? 48 : 26);
    char text[80];
    nb_svg_begin(&s, WIDTH, draw_advice(NULL, o, foot) + 10, STYLE);
    draw_head(&s, o);
    draw_scale(&s, &scale, bottom);
    for (size_t i = 0; i < drawn; i++) {
        const struct nb_vital *x = &o->v[i];
        double y = TOP + ROW * (double)i;
        nb_svg_line(&s, "g", SIDE, y, WIDTH - SIDE, y);
        draw_name(&s, x, y);
        draw_bar(&s, x, y);
        draw_histogram(&s, x, y);
        draw_gradient(&s, x, &scale, (ptrdiff_t)i == o->last, y);
    }
    snprintf(text, sizeof text, "and %zu more nodes, which the reply in JSON has", o->n - drawn);
    if (drawn < o->n)
        nb_svg_label(&s, "q", SIDE, bottom + 18, text);
    draw_advice(&s, o, foot);
    nb_svg_put(&s, "</svg>\n");
    return e->code ? -1 : 0;
}
