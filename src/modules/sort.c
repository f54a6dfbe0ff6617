/* Sort, TopK: the entries of a row in order of size, all of them or the first. Of equal ones the lower index is first.
 */
#include "modules/rows.h"
#include <string.h>

struct args {
    int64_t dim, descending, k; /* k is NB_NONE in Sort */
};

struct view {
    struct nb_rows in, out;
    size_t n, k;
    bool descending;
};

static struct view view_of(const void *args, const struct nb_shape *x, const struct nb_shape *y)
{
    const struct args *a = args;
    unsigned mask = 1u << nb_axis(a->dim, x->rank);
    struct view v = {nb_rows_of(x, mask), nb_rows_of(y, mask), 0, 0, a->descending};
    v.n = v.in.n;
    v.k = v.out.n;
    return v;
}

/* May an entry stand before another that came before it? NaN counts as the greatest. */
static bool before(const struct view *v, nb_part x, nb_part y)
{
    if (x != x || y != y)
        return v->descending ? x != x && y == y : x == x && y != y;
    return v->descending ? x > y : x < y;
}

static void merge(const struct view *v, const nb_real *x, const uint32_t *from, size_t mid, size_t end, uint32_t *to)
{
    size_t i = 0, j = mid;
    for (size_t k = 0; k < end; k++) {
        bool second = i == mid || (j < end && before(v, nb_re(x[from[j]]), nb_re(x[from[i]])));
        to[k] = from[second ? j++ : i++];
    }
}

/* The places of a row's entries in order: runs of 1, 2, 4, ... are merged between two arrays. */
static const uint32_t *order(const struct view *v, const nb_real *x, uint32_t *a, uint32_t *b)
{
    for (size_t i = 0; i < v->n; i++)
        a[i] = (uint32_t)i;
    for (size_t run = 1; run < v->n; run *= 2) {
        for (size_t i = 0; i < v->n; i += 2 * run) {
            size_t left = v->n - i;
            merge(v, x, a + i, left < run ? left : run, left < 2 * run ? left : 2 * run, b + i);
        }
        uint32_t *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

static int fill_shapes(struct nb_infer *s, int axis)
{
    const struct args *a = s->args;
    for (int i = 0; i < 2; i++) {
        s->out[i] = s->in[0];
        if (a->k != NB_NONE)
            s->out[i].dim[axis] = a->k;
    }
    if (nb_known(&s->in[0])) {
        struct view v = view_of(a, &s->in[0], &s->out[0]);
        s->saved = v.out.rows * v.k;
        s->work = 2 * v.n + (v.in.dense ? 0 : v.in.rows * (v.n + 2 * v.k));
    }
    return 0;
}

static int sort_infer(struct nb_infer *s, struct nb_error *e)
{
    struct args *a = s->args;
    int axis = nb_axis_in(s, "dim", a->dim, s->in[0].rank, e);
    a->k = NB_NONE;
    return axis < 0 ? -1 : fill_shapes(s, axis);
}

static int topk_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    char text[200];
    int axis = nb_axis_in(s, "dim", a->dim, s->in[0].rank, e);
    if (axis < 0)
        return -1;
    if (NB_IS_KNOWN(s->in[0].dim[axis]) && a->k > s->in[0].dim[axis]) {
        nb_fail(e, NB_E_bad_argument, "k is %lld, dimension %d of the input has fewer entries (shape %s)",
                (long long)a->k, axis, nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
        return nb_at(e, "k");
    }
    return fill_shapes(s, axis);
}

/* Keeps the places taken. */
static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c->args, &c->in[0].shape, &c->out[0].shape);
    uint32_t *a = c->work, *b = a + v.n, *kept = c->saved;
    nb_real *room = (nb_real *)c->work + 2 * v.n, *y = c->out[0].data, *at = c->out[1].data;
    const nb_real *x = nb_rows_read(&v.in, c->in[0].data, room);
    if (!v.in.dense) {
        y = room + v.in.rows * v.n;
        at = y + v.in.rows * v.k;
    }
    for (size_t i = 0; i < v.in.rows && v.n; i++) {
        const uint32_t *places = order(&v, x + i * v.n, a, b);
        for (size_t k = 0; k < v.k; k++) {
            kept[i * v.k + k] = places[k];
            y[i * v.k + k] = x[i * v.n + places[k]];
            at[i * v.k + k] = (nb_real)places[k];
        }
    }
    if (!v.in.dense) {
        NB(nb_place)(&v.out.layout, y, c->out[0].data);
        NB(nb_place)(&v.out.layout, at, c->out[1].data);
    }
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c->args, &c->in[0].shape, &c->out[0].shape);
    const uint32_t *kept = c->saved;
    nb_real *room = (nb_real *)c->work + 2 * v.n, *dx = c->gin[0].data;
    if (!dx)
        return 0;
    const nb_real *g = nb_rows_read(&v.out, c->gout[0].data, room + v.in.rows * v.n);
    if (!v.in.dense)
        dx = room;
    memset(dx, 0, v.in.rows * v.n * sizeof *dx);
    for (size_t i = 0; i < v.in.rows; i++)
        for (size_t k = 0; k < v.k; k++)
            dx[i * v.n + kept[i * v.k + k]] = g[i * v.k + k];
    if (!v.in.dense)
        NB(nb_place)(&v.in.layout, dx, c->gin[0].data);
    return 0;
}

/* Neighbours in the order that are equal may change places; of those behind the k-th only the first could come in. */
static void branches(const struct nb_call *c, struct nb_branches *b)
{
    struct view v = view_of(c->args, &c->in[0].shape, &c->out[0].shape);
    uint32_t *first = c->work, *second = first + v.n;
    const nb_real *x = nb_rows_read(&v.in, c->in[0].data, (nb_real *)c->work + 2 * v.n);
    for (size_t i = 0; i < v.in.rows && v.n; i++, x += v.n) {
        const uint32_t *places = order(&v, x, first, second);
        for (size_t k = 0; k < v.k; k++) {
            bool tied = k + 1 < v.n && nb_re(x[places[k]]) == nb_re(x[places[k + 1]]);
            nb_decide(b, 2 * (uint64_t)places[k] + tied);
            for (size_t j = 0; j < 2 && tied; j++)
                nb_at_edge(b, 0, nb_row_place(&v.in, i, places[k + 1 - j]), NB_EDGE_SIDE,
                           (int64_t)(i * v.n + places[k + 1]));
        }
    }
}

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};
static const char *const outputs[] = {"values", "indices", NULL};

static const struct nb_arg sort_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct args, dim), -1, 0, 0, 0, NULL, "the dimension the rows lie along"},
    {"descending", NB_ARG_BOOL, offsetof(struct args, descending), 0, 0, 0, 0, NULL, "the greatest first"},
    {0},
};
static const struct nb_arg topk_args[] = {
    {"k", NB_ARG_INT, offsetof(struct args, k), 0, 1, INT32_MAX, NB_REQUIRED, NULL, "how many"},
    {"dim", NB_ARG_INT, offsetof(struct args, dim), -1, 0, 0, 0, NULL, "the dimension the rows lie along"},
    {"largest", NB_ARG_BOOL, offsetof(struct args, descending), 1, 0, 0, 0, NULL, "the greatest, else the smallest"},
    {0},
};

static const struct nb_case sort_cases[] = {
    {NULL, "5x7", false},
    {"\"descending\": true, \"dim\": 0", "17", false},
    {"\"dim\": 1", "3x5x2", false},
    {0},
};
static const struct nb_case topk_cases[] = {
    {"\"k\": 3", "5x7", false},
    {"\"k\": 2, \"dim\": 0, \"largest\": false", "7x5x3", false},
    {"\"k\": 17", "17", false},
    {0},
};

static const struct nb_known sort_mistakes[] = {
    {.code = "sort_left_in_order",
     .formula = "g + 0*x",
     .hint = "What comes in belongs to the sorted entries: back to the places they came from."},
    {0},
};
static const struct nb_known topk_mistakes[] = {
    {.code = "topk_all",
     .formula = "0*x + sum(g, -1, keepdim=1)",
     .hint = "Each of the entries taken gets what comes back for it, the others nothing."},
    {0},
};

#define ROW                                                                                                            \
    .args_size = sizeof(struct args), .inputs = ports, .outputs = outputs, .forward = forward, .backward = backward,   \
    .derivative = "\\bar x_{p_i} = g_i", .branches = branches, .jacobian = "R", .kinks = (const struct nb_kink[])      \
    {                                                                                                                  \
        {"x_i = x_j, next to each other in order", "as if the lower index came first"},                                \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }

const struct nb_module NB(nb_module_sort)[] = {
    {
        .type = "Sort",
        .mistakes = sort_mistakes,
        .summary = "The entries along a dimension in order of size.",
        .formula = "y_i = x_{p_i},\\quad p \\text{ a permutation with } y_1 \\le y_2 \\le \\ldots",
        .note = "Of equal entries the lower index comes first; NaN counts as the greatest. The port indices has the "
                "places, as real numbers.",
        .args = sort_args,
        .infer = sort_infer,
        .cases = sort_cases,
        ROW,
    },
    {
        .type = "TopK",
        .mistakes = topk_mistakes,
        .onnx = "TopK",
        .summary = "The greatest entries along a dimension, in order.",
        .formula = "y_i = x_{p_i},\\quad i \\le k,\\quad p \\text{ a permutation with } y_1 \\ge y_2 \\ge \\ldots",
        .note = "Of equal entries the lower index comes first; NaN counts as the greatest. The port indices has the "
                "places, as real numbers.",
        .args = topk_args,
        .infer = topk_infer,
        .cases = topk_cases,
        ROW,
    },
    {0},
};
