/* check_svg.c - the card of a check: the verdict in words, what the colours mean, the tensors, the worst first. */
#include "http/check_svg.h"
#include "http/verdicts.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    X = NB_PICTURE_MARGIN,
    ROOM = NB_PICTURE - 2 * NB_PICTURE_MARGIN,
    LINE = 19,
    MAPS = 8,
    DOUBTS = 8,
    LINES = 30,
    SIDE = 34,
    INDENT = 19,
    HALF = ROOM / 2
};

static const char STYLE[] =
    ".u{font-size:14px;font-weight:600}.s{font-size:12px}.w{font-size:12px;font-weight:700;fill:#fff}.o{fill:#3b2f00}\n"
    ".h0{fill:#fff}.h1{fill:#e2e5e9}.h2{fill:#cfe4f7}.h3{fill:#86b9e3}.h4{fill:#2f7fc1}\n"
    ".h5{fill:#f2cf4e}.h6{fill:#f4a777}.h7{fill:#e0641f}.h8{fill:#a12c00}\n"
    ".z{stroke:#fff;stroke-width:1;vector-effect:non-scaling-stroke}\n"
    ".r{fill:none;stroke:#24292f;stroke-width:1.8}\n"
    ".n{font-size:12px;font-weight:700;paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}\n"
    ".y{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-opacity:.75;stroke-linejoin:round}\n"
    ".v0{fill:#2f7fc1}.v1{fill:#f2cf4e}.v2{fill:#c24000}.p0,.p2{fill:#fff;font-weight:700}.p1{fill:#3b2f00;font-weight:"
    "700}\n"
    ".c0{stroke:#0072b2}.k{fill:#fff;stroke:#0072b2;stroke-width:2.4}.bar{fill:#0072b2;fill-opacity:.1}.cb{fill:#"
    "005a8c}\n"
    ".own{stroke:#c24000;stroke-dasharray:7 5}.co{fill:#a12c00}.used{stroke-dasharray:3 4}\n"
    "@media "
    "(prefers-color-scheme:dark){.w{fill:#0d1117}.o{fill:#2b2200}.h0{fill:#0d1117}.h1{fill:#2d333b}\n"
    ".h2{fill:#16324a}.h3{fill:#2f6f9f}.h4{fill:#79bdf2}.h5{fill:#e3bd3c}.h6{fill:#a34a17}.h7{fill:#ef7431}\n"
    ".h8{fill:#ffb38a}.z{stroke:#0d1117}.y{stroke:#0d1117}.r{stroke:#e6edf3}.n{stroke:#0d1117}\n"
    ".v0{fill:#4aa3e0}.v1{fill:#e3bd3c}.v2{fill:#ef7431}.p0,.p2{fill:#0d1117}.p1{fill:#2b2200}\n"
    ".c0{stroke:#4aa8e8}.k{fill:#0d1117;stroke:#4aa8e8}.bar{fill:#4aa8e8;fill-opacity:.16}.cb{fill:#7cc4f5}\n"
    ".own{stroke:#ef7431}.co{fill:#f5a173}}\n";

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* Letters are about this wide; of those in bold and of capitals there are few. */
static const double LETTER = 6.9, SMALLER = 1.06; /* small letters: more of them fit */

double nb_svg_paragraph(struct nb_svg *s, const char *class, double x, double y, double width, const char *text)
{
    size_t most = (size_t)(width / LETTER);
    char line[256];
    while (*text) {
        size_t n = 0, bytes = 0, cut = 0;
        for (; text[bytes] && n <= most && bytes < sizeof line - 5; n++) {
            if (text[bytes] == ' ')
                cut = bytes;
            do
                bytes++;
            while ((text[bytes] & 0xC0) == 0x80);
        }
        if (text[bytes] && cut)
            bytes = cut;
        memcpy(line, text, bytes);
        line[bytes] = 0;
        if (s)
            nb_svg_label(s, class, x, y, line);
        y += LINE;
        text += bytes;
        text += strspn(text, " ");
    }
    return y;
}

/* ---- the head ---------------------------------------------------------------------------------------------------- */

static const char *const words[] = {"RIGHT", "CANNOT TELL", "WRONG"};

static void put_pill(struct nb_svg *s, enum nb_verdict v, double x, double y)
{
    double width = 9.6 * (double)strlen(words[v]) + 26;
    nb_svg_put(s, "<rect class=\"v%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"26\" rx=\"13\"/>\n", v, x, y,
               width);
    nb_svg_put(s, "<text class=\"m p%d\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", v, x + width / 2, y + 18, words[v]);
}

static double put_key(struct nb_svg *s, double x, double y, enum nb_heat h, const char *word)
{
    nb_svg_put(s, "<rect class=\"f h%d\" x=\"%.1f\" y=\"%.1f\" width=\"13\" height=\"13\"/>\n", h, x, y - 11);
    nb_svg_label(s, "s", x + 18, y, word);
    return x + 18 + 6.6 * nb_svg_width(word) + 16;
}

/* Which colours there are at all. */
static unsigned heats_of(const struct nb_verdicts *v)
{
    unsigned seen = 0;
    for (size_t t = 0; t < v->n; t++)
        for (int64_t i = 0; v->v[t].judged && i < nb_count(&v->v[t].shape); i++)
            seen |= 1u << nb_heat_of(v, &v->v[t], i);
    return seen;
}

static double put_legend(struct nb_svg *s, unsigned seen, double y)
{
    double x;
    nb_svg_label(s, "q s", X, y,
                 "Each square is an entry of a gradient, coloured by how far it is from the numeric one.");
    y += LINE + 4;
    nb_svg_label(s, "s", X, y, "right, the difference is");
    x = put_key(s, X + 150, y, NB_HEAT_RIGHT, "far below");
    x = put_key(s, x, y, NB_HEAT_TENTH, "under a tenth of");
    x = put_key(s, x, y, NB_HEAT_ALLOWED, "up to what is allowed");
    if (seen & 1u << NB_HEAT_SILENT)
        put_key(s, x, y, NB_HEAT_SILENT, "nothing reacts to it");
    y += LINE + 2;
    nb_svg_label(s, "s", X, y, "wrong, by");
    x = put_key(s, X + 150, y, NB_HEAT_SLIGHTLY, "less than 10⁻⁶");
    x = put_key(s, x, y, NB_HEAT_WRONG, "less than 1 %");
    x = put_key(s, x, y, NB_HEAT_FAR, "1 % or more");
    x = put_key(s, x, y, NB_HEAT_UNTOLD, "cannot tell");
    if (seen & 1u << NB_HEAT_UNSEEN)
        put_key(s, x, y, NB_HEAT_UNSEEN, "not looked at");
    return y + LINE + 14;
}

static double put_doubts(struct nb_svg *s, const struct nb_verdicts *v, double y)
{
    if (!v->ndoubts)
        return y;
    nb_svg_label(s, "u", X, y + 8, "Mistakes that this point would hide");
    y += LINE + 10;
    for (size_t i = 0; i < v->ndoubts && i < DOUBTS; i++) {
        const struct nb_doubt *d = &v->doubts[i];
        char *text = nb_sprintf(s->t->arena, s->e, "%s%s%s", d->where ? d->where : "", d->where ? ": " : "", d->hides);
        nb_svg_label(s, "q", X, y, "•");
        y = nb_svg_paragraph(s, "q", X + INDENT, y, ROOM - INDENT, text ? text : "");
    }
    return y;
}

static double put_top(struct nb_svg *s, const struct nb_verdicts *v, const struct nb_tensors *came)
{
    const char *sentence = nb_verdicts_summary(v, &(struct nb_telling){.came = came}, s->t->arena, s->e);
    put_pill(s, v->verdict, X, 20);
    nb_svg_label(s, "t", X + 9.6 * (double)strlen(words[v->verdict]) + 42, 39,
                 v->verdict == NB_RIGHT   ? "This gradient is right."
                 : v->verdict == NB_WRONG ? "This gradient is wrong."
                                          : "Whether this gradient is right cannot be told.");
    double y = nb_svg_paragraph(s, "", X, 72, ROOM, sentence ? sentence : "");
    return put_doubts(s, v, y) + 8;
}

/* ---- a tensor ---------------------------------------------------------------------------------------------------- */

static const char *counts_of(const struct nb_checked *c, char *buf, size_t size)
{
    const struct {
        int64_t n;
        const char *word;
    } parts[] = {{c->wrong, "wrong"},
                 {c->cannot_tell, "cannot be told"},
                 {c->right, "right"},
                 {c->silent, "zero as nothing reacts"}};
    char number[40];
    size_t n = 0;
    *buf = 0;
    for (size_t i = 0; i < 4; i++)
        if (parts[i].n && n < size)
            n += (size_t)snprintf(buf + n, size - n, "%s%" PRId64 " %s", n ? ", " : "", parts[i].n, parts[i].word);
    if (c->power_worst > 0 && n < size)
        n += (size_t)snprintf(buf + n, size - n, "; an error of %s of an entry is caught",
                              nb_svg_number(c->power_worst, 2, number, sizeof number));
    if (c->reason && c->verdict != NB_RIGHT && n < size)
        snprintf(buf + n, size - n, "%s%s", n ? "; " : "", nb_reason_text(c->reason));
    return buf;
}

static double put_title(struct nb_svg *s, const struct nb_checked *c, double x, double y, double width)
{
    char shape[120], text[400];
    snprintf(text, sizeof text, "%.80s %s", c->name,
             c->shape.rank ? nb_shape_text(&c->shape, NULL, shape, sizeof shape) : "");
    nb_svg_put(s, "<circle class=\"v%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/>\n", c->verdict, x + 6, y - 5);
    nb_svg_label(s, "u", x + INDENT, y, text);
    return nb_svg_paragraph(s, "q s", x + INDENT, y + LINE, (width - INDENT) * SMALLER,
                            counts_of(c, text, sizeof text));
}

/* "[0, 2] got 0.14, expected -0.26; off by 0.41, 2.6e-10 is allowed" */
static void tell_entry(const struct nb_heatmap *m, int64_t i, char *buf, size_t size)
{
    const struct nb_checked *c = m->c;
    struct nb_shape at = nb_index_of(&c->shape, i);
    char index[120], got[60], expected[60], d[60], allowed[60];
    nb_svg_number(c->candidate[i], 6, got, sizeof got);
    nb_svg_number(c->value[i], 6, expected, sizeof expected);
    nb_svg_number(fabs(c->candidate[i] - c->value[i]), 2, d, sizeof d);
    nb_svg_number(nb_heat_allowed(m->v, c, i), 2, allowed, sizeof allowed);
    int n = snprintf(buf, size, "%s%sgot %s, expected %s", at.rank ? nb_shape_text(&at, NULL, index, sizeof index) : "",
                     at.rank ? " " : "", got, expected);
    if (c->reasons[i])
        snprintf(buf + n, size - (size_t)n, ": %s", nb_reason_text(c->reasons[i]));
    else
        snprintf(buf + n, size - (size_t)n, "; off by %s, %s is allowed", d, allowed);
}

static double put_entry(struct nb_svg *s, const struct nb_heatmap *m, int k, int64_t i, double x, double y,
                        double width)
{
    char text[600], number[12];
    tell_entry(m, i, text, sizeof text);
    snprintf(number, sizeof number, "%d", k);
    nb_svg_label(s, "n", x, y, number);
    return nb_svg_paragraph(s, "s", x + 16, y, (width - 16) * SMALLER, text);
}

static double put_map(struct nb_svg *s, const struct nb_heatmap *m, double left, double y)
{
    char caption[200];
    double top = y + 10 + (m->across > 1 ? 8 : 0), width = m->across * m->width,
           x = left + INDENT + (m->down > 1 ? SIDE : 0);
    double bottom = top + m->down * m->height, list = top + 12;
    bool beside = width < ROOM / 2.2;
    nb_heatmap_draw(s, m, x, top);
    if (nb_heatmap_caption(m, caption, sizeof caption))
        bottom = nb_svg_paragraph(s, "q s", left + INDENT, bottom + LINE, (ROOM - INDENT) * SMALLER, caption) - LINE;
    if (!beside)
        list = bottom + LINE + 5;
    for (int i = 0; i < m->marks; i++)
        list = beside ? put_entry(s, m, i + 1, m->mark[i], x + width + 30, list, NB_PICTURE - X - x - width - 30)
                      : put_entry(s, m, i + 1, m->mark[i], left + INDENT, list, ROOM - INDENT);
    return fmax(bottom + LINE, m->marks ? list : 0) + 14;
}

static bool has_map(const struct nb_checked *c)
{
    return c->judged && nb_count(&c->shape) > 0;
}

/* Half of the width is enough for its words. */
static bool is_brief(const struct nb_checked *c)
{
    char text[400];
    return nb_svg_width(c->name) < 30 &&
           nb_svg_width(counts_of(c, text, sizeof text)) * LETTER < (HALF - INDENT) * SMALLER;
}

static bool is_narrow(const struct nb_heatmap *m)
{
    char text[200];
    return is_brief(m->c) && !m->marks && m->across * m->width + INDENT + SIDE < HALF &&
           !nb_heatmap_caption(m, text, sizeof text);
}

static double put_tensor(struct nb_svg *s, const struct nb_heatmap *m, double x, double y, double width)
{
    y = put_title(s, m->c, x, y, width);
    return has_map(m->c) ? put_map(s, m, x, y) : y + 8;
}

static int by_verdict(const void *a, const void *b)
{
    const struct nb_checked *const *x = a, *const *y = b;
    return (*x)->verdict != (*y)->verdict ? (int)(*y)->verdict - (int)(*x)->verdict : *x < *y ? -1 : 1;
}

/* Small ones stand in pairs. */
static double put_maps(struct nb_svg *s, const struct nb_verdicts *v, const struct nb_checked *const *c, size_t n,
                       double y)
{
    struct nb_heatmap m[MAPS];
    for (size_t i = 0; i < n; i++)
        if (nb_heatmap_plan(&m[i], v, c[i], s->t->arena, s->e))
            return y;
    for (size_t i = 0; i < n; i++) {
        bool pair = i + 1 < n && is_narrow(&m[i]) && is_narrow(&m[i + 1]);
        double below = put_tensor(s, &m[i], X, y, pair ? HALF : ROOM);
        if (pair)
            below = fmax(below, put_tensor(s, &m[++i], X + HALF, y, HALF));
        y = below;
    }
    return y;
}

/* Without a map. */
static double put_titles(struct nb_svg *s, const struct nb_checked *const *c, size_t n, double y)
{
    for (size_t i = 0; i < n; i++) {
        bool pair = i + 1 < n && is_brief(c[i]) && is_brief(c[i + 1]);
        double below = put_title(s, c[i], X, y, pair ? HALF : ROOM);
        if (pair)
            below = fmax(below, put_title(s, c[++i], X + HALF, y, HALF));
        y = below + 6;
    }
    return y;
}

/* The worst first: maps of some, two lines for more. */
static double put_tensors(struct nb_svg *s, const struct nb_verdicts *v, double y)
{
    char text[80];
    size_t maps = v->n < MAPS ? v->n : MAPS, titles = v->n < LINES ? v->n : LINES;
    const struct nb_checked **in_order = nb_small(s->t->arena, v->n + 1, sizeof *in_order, s->e);
    if (!in_order)
        return y;
    for (size_t i = 0; i < v->n; i++)
        in_order[i] = &v->v[i];
    qsort(in_order, v->n, sizeof *in_order, by_verdict);
    y = put_maps(s, v, in_order, maps, y);
    y = put_titles(s, in_order + maps, titles - maps, y);
    if (v->n > titles) {
        snprintf(text, sizeof text, "%zu more tensors, none worse than these.", v->n - titles);
        nb_svg_label(s, "q", X, y, text);
        y += LINE;
    }
    return y;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

int nb_check_svg(struct nb_text *t, const struct nb_verdicts *v, const struct nb_tensors *came, const char *foot,
                 struct nb_error *e)
{
    struct nb_text body = {.arena = t->arena};
    struct nb_svg inner = {&body, e}, s = {t, e};
    double y = put_top(&inner, v, came) + 8;
    if (heats_of(v))
        y = put_legend(&inner, heats_of(v), y);
    y = put_tensors(&inner, v, y);
    for (size_t i = 0; i < v->n; i++)
        if (v->v[i].curve.n > 1)
            y = nb_error_plot(&inner, &v->v[i], y + 16);
    nb_svg_label(&inner, "q s", X, y + 12, foot);
    nb_svg_begin(&s, NB_PICTURE, y + 32, STYLE);
    nb_putn(t, body.v ? body.v : "", body.n, e);
    nb_svg_put(&s, "</svg>\n");
    return e->code ? -1 : 0;
}
