/* heatmap.c - the entries of a tensor as coloured squares. */
#include "http/check_svg.h"
#include "http/verdicts.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MOST_ACROSS = 640, MOST_DOWN = 240, LEAST = 5, LEAST_STRIP = 14, LARGEST = 20, ROOM_FOR_A_GLYPH = 15 };

/* ---- one entry --------------------------------------------------------------------------------------------------- */

double nb_heat_allowed(const struct nb_verdicts *v, const struct nb_checked *c, int64_t i)
{
    return v->facts.rho * fmax(fabs(c->candidate[i]), fabs(c->value[i])) + nb_bar_of(c, i);
}

enum nb_heat nb_heat_of(const struct nb_verdicts *v, const struct nb_checked *c, int64_t i)
{
    double error = nb_relative_error(c, i), allowed = nb_heat_allowed(v, c, i), d = fabs(c->candidate[i] - c->value[i]);
    if (nb_bar_of(c, i) < 0)
        return NB_HEAT_UNSEEN;
    if (c->verdicts[i] == NB_WRONG)
        return error < 1e-6 ? NB_HEAT_SLIGHTLY : error < 1e-2 ? NB_HEAT_WRONG : NB_HEAT_FAR;
    if (c->verdicts[i] == NB_CANNOT_TELL)
        return NB_HEAT_UNTOLD;
    if (c->silent && c->candidate[i] == 0 && c->value[i] == 0)
        return NB_HEAT_SILENT;
    return d <= 1e-3 * allowed ? NB_HEAT_RIGHT : d <= 0.1 * allowed ? NB_HEAT_TENTH : NB_HEAT_ALLOWED;
}

/* ---- the grid ---------------------------------------------------------------------------------------------------- */

/* Rank 3 and more is laid out flat, about three times as wide as high. A single column lies down. */
static void lay_out(struct nb_heatmap *m, const struct nb_shape *s)
{
    double best = INFINITY;
    int64_t rows = 1, all = nb_count(s);
    if (s->rank < 2) {
        m->rows = 1;
        m->columns = all;
        return;
    }
    for (int k = 1; k < s->rank; k++) {
        rows *= s->dim[k - 1];
        double shape = fabs(log((double)(all / rows) / (3.0 * (double)rows)));
        if (shape < best) {
            best = shape;
            m->split = k;
            m->rows = rows;
            m->columns = all / rows;
        }
    }
    if (m->columns == 1) {
        m->columns = m->rows;
        m->rows = 1;
    }
}

static double square(int64_t n, double room, int64_t *per, int *squares)
{
    *per = (n * LEAST + (int64_t)room - 1) / (int64_t)room;
    *squares = (int)((n + *per - 1) / *per);
    return fmin(LARGEST, fmax(LEAST, floor(room / *squares * 2) / 2));
}

int nb_heatmap_plan(struct nb_heatmap *m, const struct nb_verdicts *v, const struct nb_checked *c, struct nb_arena *a,
                    struct nb_error *e)
{
    *m = (struct nb_heatmap){.v = v, .c = c};
    if (!nb_count(&c->shape))
        return 0;
    lay_out(m, &c->shape);
    m->width = square(m->columns, MOST_ACROSS, &m->per_column, &m->across);
    m->height = square(m->rows, MOST_DOWN, &m->per_row, &m->down);
    if (m->per_column == 1 && m->per_row == 1 && fmin(m->width, m->height) >= 8)
        m->width = m->height = fmin(m->width, m->height);
    if (m->rows == 1)
        m->height = fmax(m->width, LEAST_STRIP);
    m->marks = (int)nb_worst_entries(c, NB_MARKS, &m->mark, a, e);
    return m->marks < 0 ? -1 : 0;
}

/* The worst in one square. */
static enum nb_heat heat_at(const struct nb_heatmap *m, int row, int column)
{
    enum nb_heat worst = NB_HEAT_UNSEEN;
    for (int64_t r = row * m->per_row; r < (row + 1) * m->per_row && r < m->rows; r++)
        for (int64_t k = column * m->per_column; k < (column + 1) * m->per_column && k < m->columns; k++) {
            enum nb_heat h = nb_heat_of(m->v, m->c, r * m->columns + k);
            worst = h > worst ? h : worst;
        }
    return worst;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

/* All squares of one colour are one path; neighbours in a row are one rectangle where squares are too small to part. */
static void put_heat(struct nb_svg *s, const struct nb_heatmap *m, const unsigned char *heat, enum nb_heat h)
{
    bool parted = fmin(m->width, m->height) >= 8, open = false;
    for (int r = 0; r < m->down; r++)
        for (int k = 0, n; k < m->across; k += n) {
            const unsigned char *row = heat + (size_t)r * (size_t)m->across;
            for (n = 1; !parted && k + n < m->across && row[k + n] == row[k];)
                n++;
            if (row[k] != h)
                continue;
            if (!open)
                nb_svg_put(s, "<path class=\"h%d%s\" d=\"", h, parted ? " z" : "");
            open = true;
            nb_svg_put(s, "M%d %dh%dv1h-%dz", k, r, n, n);
        }
    if (open)
        nb_svg_put(s, "\"/>\n");
}

static bool has_room(const struct nb_heatmap *m)
{
    return fmin(m->width, m->height) >= ROOM_FOR_A_GLYPH;
}

static bool is_marked(const struct nb_heatmap *m, int64_t i)
{
    for (int k = 0; k < m->marks; k++)
        if (m->mark[k] == i)
            return true;
    return false;
}

/* Colours alone are not for everybody. */
static void put_glyphs(struct nb_svg *s, const struct nb_heatmap *m, const unsigned char *heat, double x, double y)
{
    for (int i = 0; i < m->down * m->across; i++)
        if (heat[i] >= NB_HEAT_UNTOLD && !is_marked(m, i))
            nb_svg_label(s, heat[i] == NB_HEAT_UNTOLD ? "m w o" : "m w", x + (i % m->across + 0.5) * m->width,
                         y + (i / m->across + 0.5) * m->height + 5, heat[i] == NB_HEAT_UNTOLD ? "?" : "×");
}

static void put_grid(struct nb_svg *s, const struct nb_heatmap *m, double x, double y)
{
    unsigned char *heat = nb_small(s->t->arena, (size_t)m->down * (size_t)m->across, 1, s->e);
    if (!heat)
        return;
    for (int i = 0; i < m->down * m->across; i++)
        heat[i] = (unsigned char)heat_at(m, i / m->across, i % m->across);
    nb_svg_put(s, "<g transform=\"translate(%.1f %.1f) scale(%.2f %.2f)\" shape-rendering=\"crispEdges\">\n", x, y,
               m->width, m->height);
    for (int h = 0; h < NB_HEATS; h++)
        put_heat(s, m, heat, (enum nb_heat)h);
    nb_svg_put(s, "</g>\n");
    if (has_room(m))
        put_glyphs(s, m, heat, x, y);
}

/* Entries along one side: where it begins and where it ends. */
static void put_side(struct nb_svg *s, const char *class, double x0, double y0, double x1, double y1, int64_t last)
{
    char text[24];
    if (last > 0) {
        snprintf(text, sizeof text, "%" PRId64, last);
        nb_svg_label(s, class, x0, y0, "0");
        nb_svg_label(s, class, x1, y1, text);
    }
}

/* The number in the square; around squares too small for it a ring, unless there is one already. */
static void put_marks(struct nb_svg *s, const struct nb_heatmap *m, double x, double y)
{
    double at[NB_MARKS][2], r = 7;
    int n = 0;
    for (int i = 0; i < m->marks; i++) {
        char number[12];
        double cx = x + ((double)(m->mark[i] % m->columns / m->per_column) + 0.5) * m->width;
        double cy = y + ((double)(m->mark[i] / m->columns / m->per_row) + 0.5) * m->height;
        bool crowded = false;
        snprintf(number, sizeof number, "%d", i + 1);
        if (has_room(m)) {
            nb_svg_label(s, nb_heat_of(m->v, m->c, m->mark[i]) == NB_HEAT_UNTOLD ? "m w o" : "m w", cx, cy + 5, number);
            continue;
        }
        for (int k = 0; k < n; k++)
            crowded |= hypot(at[k][0] - cx, at[k][1] - cy) < 2.6 * r;
        if (crowded)
            continue;
        at[n][0] = cx;
        at[n++][1] = cy;
        nb_svg_put(s, "<circle class=\"r\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", cx, cy, r);
        nb_svg_label(s, "n", cx + 0.72 * r + 1, cy - 0.72 * r, number);
    }
}

void nb_heatmap_draw(struct nb_svg *s, const struct nb_heatmap *m, double x, double y)
{
    double w = m->across * m->width, h = m->down * m->height;
    put_grid(s, m, x, y);
    nb_svg_put(s, "<rect class=\"f\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", x - 0.5, y - 0.5, w + 1,
               h + 1);
    if (m->across > 1)
        put_side(s, "m q s", x + m->width / 2, y - 6, x + w - m->width / 2, y - 6, m->columns - 1);
    if (m->down > 1)
        put_side(s, "e q s", x - 7, y + m->height / 2 + 4, x - 7, y + h - m->height / 2 + 4, m->rows - 1);
    put_marks(s, m, x, y);
}

const char *nb_heatmap_caption(const struct nb_heatmap *m, char *buf, size_t size)
{
    size_t n = 0;
    *buf = 0;
    if (m->rows > 1 && m->c->shape.rank > 2)
        n = m->split == 1
                ? (size_t)snprintf(buf, size, "Dimension 0 counts down, the others across. ")
                : (size_t)snprintf(buf, size, "Dimensions 0 to %d count down, the others across. ", m->split - 1);
    if (m->per_row * m->per_column > 1 && n < size)
        snprintf(buf + n, size - n, "A square shows the worst of %" PRId64 " entries (%" PRId64 " × %" PRId64 ").",
                 m->per_row * m->per_column, m->per_row, m->per_column);
    return *buf ? buf : NULL;
}
