/* graded_map.c - where a tensor is wrong, for pictures: a character for each entry or, of large tensors, for the worst
 * of a block of them. */
#include "http/grading.h"
#include <string.h>

enum { MOST_ROWS = 40, MOST_COLUMNS = 100 };

/* From harmless to grave; see report/map.c. */
static const char kinds[] = ".+?x";

static int kind_of(const struct nb_checked *c, int64_t i)
{
    static const char of[] = {[NB_RIGHT] = '+', [NB_WRONG] = 'x', [NB_CANNOT_TELL] = '?'};
    bool silent = c->verdicts[i] == NB_RIGHT && c->silent && c->candidate[i] == 0 && c->value && c->value[i] == 0;
    return silent ? 0 : (int)(strchr(kinds, of[c->verdicts[i]]) - kinds);
}

struct grid {
    int64_t rows, columns, per_row, per_column;
};

/* The last dimension goes across. */
static struct grid grid_of(const struct nb_shape *s)
{
    struct grid g = {.columns = s->rank ? s->dim[s->rank - 1] : 1};
    g.rows = g.columns ? nb_count(s) / g.columns : 0;
    g.per_row = (g.rows + MOST_ROWS - 1) / MOST_ROWS;
    g.per_column = (g.columns + MOST_COLUMNS - 1) / MOST_COLUMNS;
    return g;
}

static char worst(const struct nb_checked *c, const struct grid *g, int64_t row, int64_t column)
{
    int most = 0;
    for (int64_t r = row; r < row + g->per_row && r < g->rows; r++)
        for (int64_t k = column; k < column + g->per_column && k < g->columns; k++) {
            int kind = kind_of(c, r * g->columns + k);
            most = kind > most ? kind : most;
        }
    return kinds[most];
}

void nb_w_map(struct nb_writer *w, const struct nb_checked *c)
{
    struct grid g = grid_of(&c->shape);
    char entries[MOST_ROWS * MOST_COLUMNS + 1], *p = entries;
    if (g.rows < 1 || g.columns < 1)
        return;
    for (int64_t r = 0; r < g.rows; r += g.per_row)
        for (int64_t k = 0; k < g.columns; k += g.per_column)
            *p++ = worst(c, &g, r, k);
    *p = 0;
    nb_w_key(w, "map");
    nb_w_open(w, '{');
    nb_w_whole_at(w, "rows", (g.rows + g.per_row - 1) / g.per_row);
    nb_w_whole_at(w, "columns", (g.columns + g.per_column - 1) / g.per_column);
    nb_w_string_at(w, "entries", entries);
    nb_w_close(w, '}');
}
