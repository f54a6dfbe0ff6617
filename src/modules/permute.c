/* Transpose, Permute, Flip: the same entries in another order; and the copy by strides under them. */
#include "modules/rows.h"
#include <stdlib.h>
#include <string.h>

/* ---- the copy --------------------------------------------------------------------------------------------------- */

/* Nested loops over two places at once. */
struct moves {
    int n;
    size_t size[NB_MAX_RANK];
    ptrdiff_t from[NB_MAX_RANK], to[NB_MAX_RANK];
};

static void add_loop(struct moves *m, size_t size, ptrdiff_t from, ptrdiff_t to)
{
    int last = m->n - 1;
    if (size == 1)
        return;
    if (last >= 0 && m->from[last] == (ptrdiff_t)size * from && m->to[last] == (ptrdiff_t)size * to) {
        m->size[last] *= size; /* the two go on where they were: one loop */
        m->from[last] = from;
        m->to[last] = to;
        return;
    }
    m->size[m->n] = size;
    m->from[m->n] = from;
    m->to[m->n++] = to;
}

/* Takes loop i out; a loop over one entry if there is no such loop. */
static struct moves take_loop(struct moves *m, int i)
{
    if (i < 0)
        return (struct moves){1, {1}, {0}, {0}};
    struct moves one = {1, {m->size[i]}, {m->from[i]}, {m->to[i]}};
    for (m->n--; i < m->n; i++) {
        m->size[i] = m->size[i + 1];
        m->from[i] = m->from[i + 1];
        m->to[i] = m->to[i + 1];
    }
    return one;
}

/* The loop with the smallest steps on one side. */
static int smallest(int n, const ptrdiff_t *step)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (best < 0 || llabs(step[i]) < llabs(step[best]))
            best = i;
    return best;
}

/* Two loops, tile by tile, so that both sides stay in the cache. */
static void move_plane(const struct moves *outer, const struct moves *inner, const nb_real *x, nb_real *y)
{
    enum { TILE = 16 };
    size_t m = outer->size[0], n = inner->size[0];
    ptrdiff_t xi = outer->from[0], yi = outer->to[0], xj = inner->from[0], yj = inner->to[0];
    if (xj == 1 && yj == 1) {
        for (size_t i = 0; i < m; i++)
            memcpy(y + (ptrdiff_t)i * yi, x + (ptrdiff_t)i * xi, n * sizeof *y);
        return;
    }
    for (size_t i0 = 0; i0 < m; i0 += TILE)
        for (size_t j0 = 0; j0 < n; j0 += TILE)
            for (size_t i = i0; i < m && i < i0 + TILE; i++)
                for (size_t j = j0; j < n && j < j0 + TILE; j++)
                    y[(ptrdiff_t)i * yi + (ptrdiff_t)j * yj] = x[(ptrdiff_t)i * xi + (ptrdiff_t)j * xj];
}

static void move_all(struct moves *m, const nb_real *x, nb_real *y)
{
    struct moves inner = take_loop(m, smallest(m->n, m->to)), outer = take_loop(m, smallest(m->n, m->from));
    size_t index[NB_MAX_RANK] = {0};
    for (int i = 0; i >= 0;) {
        move_plane(&outer, &inner, x, y);
        for (i = m->n - 1; i >= 0; i--) { /* to the next place, as an odometer does */
            x += m->from[i];
            y += m->to[i];
            if (++index[i] < m->size[i])
                break;
            x -= m->from[i] * (ptrdiff_t)m->size[i];
            y -= m->to[i] * (ptrdiff_t)m->size[i];
            index[i] = 0;
        }
    }
}

/* The loops of a layout on one side, dense order on the other; false if there are no entries. */
static bool loops_of(const struct nb_layout *l, bool from_dense, struct moves *m)
{
    ptrdiff_t dense[NB_MAX_RANK], stride = 1;
    for (int i = l->rank - 1; i >= 0; i--) {
        dense[i] = stride;
        stride *= (ptrdiff_t)l->size[i];
    }
    m->n = 0;
    for (int i = 0; i < l->rank; i++)
        add_loop(m, l->size[i], from_dense ? dense[i] : l->stride[i], from_dense ? l->stride[i] : dense[i]);
    return stride > 0;
}

void NB(nb_pick)(const struct nb_layout *l, const nb_real *x, nb_real *dense)
{
    struct moves m;
    if (loops_of(l, false, &m))
        move_all(&m, x, dense);
}

void NB(nb_place)(const struct nb_layout *l, const nb_real *dense, nb_real *x)
{
    struct moves m;
    if (loops_of(l, true, &m))
        move_all(&m, dense, x);
}

/* ---- the modules ------------------------------------------------------------------------------------------------ */

/* Where the entries of the output lie in the input; *first is where its first entry lies. */
typedef struct nb_layout order(const void *args, const struct nb_shape *in, ptrdiff_t *first);

static int forward(const struct nb_call *c, order *of)
{
    ptrdiff_t first = 0;
    struct nb_layout l = of(c->args, &c->in[0].shape, &first);
    NB(nb_pick)(&l, (const nb_real *)c->in[0].data + first, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, order *of)
{
    ptrdiff_t first = 0;
    struct nb_layout l = of(c->args, &c->in[0].shape, &first);
    if (c->gin[0].data)
        NB(nb_place)(&l, c->gout[0].data, (nb_real *)c->gin[0].data + first);
    return 0;
}

#define PASSES(name)                                                                                                   \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return forward(c, name##_order);                                                                               \
    }                                                                                                                  \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return backward(c, name##_order);                                                                              \
    }

static void swap_loops(struct nb_layout *l, int i, int j)
{
    struct nb_layout old = *l;
    l->size[i] = old.size[j];
    l->stride[i] = old.stride[j];
    l->size[j] = old.size[i];
    l->stride[j] = old.stride[i];
}

struct transpose {
    int64_t dim0, dim1;
};

static int transpose_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct transpose *args = s->args;
    int i = nb_axis_in(s, "dim0", args->dim0, s->in[0].rank, e);
    int j = i < 0 ? -1 : nb_axis_in(s, "dim1", args->dim1, s->in[0].rank, e);
    if (j < 0)
        return -1;
    s->out[0] = s->in[0];
    s->out[0].dim[i] = s->in[0].dim[j];
    s->out[0].dim[j] = s->in[0].dim[i];
    return 0;
}

static struct nb_layout transpose_order(const void *p, const struct nb_shape *in, ptrdiff_t *first)
{
    const struct transpose *args = p;
    struct nb_layout l = nb_layout_of(in);
    (void)first;
    swap_loops(&l, nb_axis(args->dim0, in->rank), nb_axis(args->dim1, in->rank));
    return l;
}

PASSES(transpose)

struct permute {
    struct nb_ints dims;
};

static int permute_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct permute *args = s->args;
    char text[200];
    unsigned mask;
    if (args->dims.n != (size_t)s->in[0].rank) {
        nb_fail(e, NB_E_bad_argument, "dims names %zu dimensions, the input has %d (shape %s)", args->dims.n,
                s->in[0].rank, nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
        return nb_at(e, "dims");
    }
    if (nb_axes_in(s, "dims", &args->dims, &mask, e))
        return -1;
    s->out[0].rank = s->in[0].rank;
    for (size_t i = 0; i < args->dims.n; i++)
        s->out[0].dim[i] = s->in[0].dim[nb_axis(args->dims.v[i], s->in[0].rank)];
    return 0;
}

static struct nb_layout permute_order(const void *p, const struct nb_shape *in, ptrdiff_t *first)
{
    const struct permute *args = p;
    struct nb_layout old = nb_layout_of(in), l = {.rank = in->rank};
    (void)first;
    for (int i = 0; i < l.rank; i++) {
        int axis = nb_axis(args->dims.v[i], l.rank);
        l.size[i] = old.size[axis];
        l.stride[i] = old.stride[axis];
    }
    return l;
}

PASSES(permute)

struct flip {
    struct nb_ints dim;
};

static int flip_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct flip *args = s->args;
    unsigned mask;
    s->out[0] = s->in[0];
    return nb_axes_in(s, "dim", &args->dim, &mask, e);
}

static struct nb_layout flip_order(const void *p, const struct nb_shape *in, ptrdiff_t *first)
{
    const struct flip *args = p;
    struct nb_layout l = nb_layout_of(in);
    unsigned mask = nb_axes(&args->dim, in->rank);
    for (int i = 0; i < l.rank; i++)
        if (mask >> i & 1 && l.size[i]) {
            *first += ((ptrdiff_t)l.size[i] - 1) * l.stride[i];
            l.stride[i] = -l.stride[i];
        }
    return l;
}

PASSES(flip)

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg transpose_args[] = {
    {"dim0", NB_ARG_INT, offsetof(struct transpose, dim0), -2, 0, 0, 0, NULL, "one of the two dimensions"},
    {"dim1", NB_ARG_INT, offsetof(struct transpose, dim1), -1, 0, 0, 0, NULL, "the other"},
    {0},
};
static const struct nb_case transpose_cases[] = {
    {NULL, "5x7", false},
    {NULL, "3x17x33", false},
    {"\"dim0\": 0, \"dim1\": -1", "7x5x3", false},
    {"\"dim0\": 2, \"dim1\": 1", "2x3x5x7", false},
    {"\"dim0\": 1, \"dim1\": 1", "5x7", false},
    {0},
};

static const struct nb_arg permute_args[] = {
    {"dims", NB_ARG_INTS, offsetof(struct permute, dims), 0, 0, 0, NB_REQUIRED, NULL,
     "for each dimension of the output the one of the input"},
    {0},
};
static const struct nb_case permute_cases[] = {
    {"\"dims\": [1, 0]", "33x17", false},
    {"\"dims\": [2, 0, 1]", "7x5x3", false},
    {"\"dims\": [0, -1, 1, -2]", "2x3x5x7", false},
    {"\"dims\": [3, 2, 1, 0]", "5x1x3x7", false},
    {"\"dims\": 0", "17", false},
    {0},
};

static const struct nb_arg flip_args[] = {
    {"dim", NB_ARG_INTS, offsetof(struct flip, dim), 0, 0, 0, NB_REQUIRED, NULL, "one dimension or several"},
    {0},
};
static const struct nb_case flip_cases[] = {
    {"\"dim\": 0", "17", false},
    {"\"dim\": -1", "5x7", false},
    {"\"dim\": [0, 2]", "7x5x3", false},
    {0},
};

static const struct nb_known flip_mistakes[] = {
    {.code = "flip_missing", .formula = "g", .hint = "Turn the gradient round, too."},
    {0},
};

const struct nb_module NB(nb_module_permute)[] = {
    {
        .type = "Transpose",
        .onnx = "Transpose",
        .summary = "Exchanges two dimensions, by default the last two.",
        .formula = "y_{\\ldots j \\ldots i \\ldots} = x_{\\ldots i \\ldots j \\ldots}",
        .derivative = "\\bar x_{\\ldots i \\ldots j \\ldots} = g_{\\ldots j \\ldots i \\ldots}",
        .note = "PyTorch has no defaults for dim0 and dim1.",
        .args = transpose_args,
        .args_size = sizeof(struct transpose),
        .inputs = ports,
        .infer = transpose_infer,
        .forward = transpose_forward,
        .backward = transpose_backward,
        .jacobian = "A",
        .cases = transpose_cases,
    },
    {
        .type = "Permute",
        .onnx = "Transpose",
        .summary = "Puts the dimensions into another order.",
        .formula = "y_{i_{d_1} \\ldots i_{d_n}} = x_{i_1 \\ldots i_n}",
        .derivative = "\\bar x_{i_1 \\ldots i_n} = g_{i_{d_1} \\ldots i_{d_n}}",
        .args = permute_args,
        .args_size = sizeof(struct permute),
        .inputs = ports,
        .infer = permute_infer,
        .forward = permute_forward,
        .backward = permute_backward,
        .jacobian = "A",
        .cases = permute_cases,
    },
    {
        .type = "Flip",
        .mistakes = flip_mistakes,
        .summary = "Turns the order of entries around along one or several dimensions.",
        .formula = "y_{\\ldots i \\ldots} = x_{\\ldots N-1-i \\ldots}",
        .derivative = "\\bar x_{\\ldots i \\ldots} = g_{\\ldots N-1-i \\ldots}",
        .args = flip_args,
        .args_size = sizeof(struct flip),
        .inputs = ports,
        .infer = flip_infer,
        .forward = flip_forward,
        .backward = flip_backward,
        .jacobian = "A",
        .cases = flip_cases,
    },
    {0},
};
