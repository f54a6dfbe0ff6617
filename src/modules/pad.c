/* Pad and Tile: every entry of the result is one of the input, or a constant. Along each dimension a table says which.
 */
#include "modules/rows.h"
#include <string.h>

/* ---- the copy ---------------------------------------------------------------------------------------------------- */

enum { NOTHING = -1 };

/* Which entry of dimension d entry o of the result comes from: from[d][o], or NOTHING. */
struct tables {
    int rank;
    size_t size[NB_MAX_RANK], stride[NB_MAX_RANK]; /* of the result; of the input */
    int64_t *from[NB_MAX_RANK];
};

/* nb_reals for the tables, and for sums as large as the input. */
static size_t work_of(const struct nb_shape *in, const struct nb_shape *out)
{
    size_t n = 2 * nb_known(in) + 2;
    for (int d = 0; d < out->rank; d++)
        n += NB_IS_KNOWN(out->dim[d]) ? 2 * (size_t)out->dim[d] : 0;
    return n;
}

/* The tables, not filled. Where the result has more dimensions the input has 1s in front. */
static struct tables tables_of(const struct nb_call *c)
{
    const struct nb_shape *in = &c->in[0].shape, *out = &c->out[0].shape;
    struct tables t = {.rank = out->rank};
    int64_t *room = (int64_t *)((nb_sum *)c->work + nb_known(in));
    size_t stride = 1;
    for (int d = out->rank - 1, k = in->rank - 1; d >= 0; d--, k--) {
        t.size[d] = (size_t)out->dim[d];
        t.stride[d] = stride;
        stride *= k >= 0 ? (size_t)in->dim[k] : 1;
        t.from[d] = room;
        room += out->dim[d];
    }
    return t;
}

/* Where the row of the last dimension that an index of the others names comes from. */
static int64_t row_from(const struct tables *t, const size_t *index)
{
    int64_t at = 0;
    for (int d = 0; d < t->rank - 1; d++) {
        int64_t from = t->from[d][index[d]];
        if (from == NOTHING)
            return NOTHING;
        at += from * (int64_t)t->stride[d];
    }
    return at;
}

static bool next_row(const struct tables *t, size_t *index)
{
    for (int d = t->rank - 2; d >= 0; d--) {
        if (++index[d] < t->size[d])
            return true;
        index[d] = 0;
    }
    return false;
}

static void copy_out(const struct nb_call *c, const struct tables *t, nb_real value)
{
    const nb_real *x = c->in[0].data;
    nb_real *y = c->out[0].data;
    size_t index[NB_MAX_RANK] = {0}, n = t->rank ? t->size[t->rank - 1] : 1;
    if (!nb_known(&c->out[0].shape))
        return;
    do {
        int64_t row = row_from(t, index);
        for (size_t o = 0; o < n; o++) {
            int64_t from = row == NOTHING ? NOTHING : t->rank ? t->from[t->rank - 1][o] : 0;
            y[o] = from == NOTHING ? value : x[row + from];
        }
        y += n;
    } while (next_row(t, index));
}

static void add_back(const struct nb_call *c, const struct tables *t)
{
    const nb_real *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data;
    nb_sum *sum = c->work;
    size_t index[NB_MAX_RANK] = {0}, n = t->rank ? t->size[t->rank - 1] : 1, entries = nb_known(&c->in[0].shape);
    memset(sum, 0, entries * sizeof *sum);
    bool more = nb_known(&c->out[0].shape) > 0;
    for (; more; more = next_row(t, index), g += n) {
        int64_t row = row_from(t, index);
        for (size_t o = 0; o < n && row != NOTHING; o++) {
            int64_t from = t->rank ? t->from[t->rank - 1][o] : 0;
            if (from != NOTHING)
                sum[row + from] += g[o];
        }
    }
    for (size_t i = 0; i < entries; i++)
        dx[i] = (nb_real)sum[i];
}

/* ---- Pad --------------------------------------------------------------------------------------------------------- */

struct pad {
    struct nb_ints pads;
    int64_t mode;
    double value;
};

enum { CONSTANT, REFLECT, REPLICATE, CIRCULAR };
static const char *const modes[] = {"constant", "reflect", "replicate", "circular", NULL};

/* The place in the list of what goes before (0) or behind (1) dimension d, or -1. */
static int pad_place(const struct pad *a, int rank, int d, int behind)
{
    int k = 2 * (rank - 1 - d) + behind;
    return k < (int)a->pads.n ? k : -1;
}

static int64_t pad_at(const struct pad *a, int rank, int d, int behind)
{
    int k = pad_place(a, rank, d, behind);
    return k < 0 ? 0 : a->pads.v[k];
}

static int fail_pad(const struct pad *a, int k, struct nb_error *e)
{
    if (!a->pads.single)
        nb_at_index(e, (size_t)k);
    return nb_at(e, "pads");
}

/* How much the mode has to give on one side of a dimension. */
static int check_pad(const struct pad *a, int k, int64_t size, struct nb_error *e)
{
    int64_t pad = a->pads.v[k], most = a->mode == REFLECT && NB_IS_KNOWN(size) ? size - 1
                                       : a->mode == CIRCULAR                   ? size
                                                                               : INT32_MAX;
    if (a->mode == CONSTANT || pad == 0)
        return 0;
    if (pad < 0) {
        nb_fail(e, NB_E_bad_argument, "a pad is %lld; only the mode constant can cut", (long long)pad);
        return fail_pad(a, k, e);
    }
    if (!NB_IS_KNOWN(size) || (size > 0 && pad <= most))
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "a pad is %lld; %s has at most %lld for %lld entries", (long long)pad,
            modes[a->mode], (long long)(size > 0 ? most : 0), (long long)size);
    return fail_pad(a, k, e);
}

static int pad_dim(const struct pad *a, int rank, int d, int64_t size, int64_t *out, struct nb_error *e)
{
    int64_t before = pad_at(a, rank, d, 0), behind = pad_at(a, rank, d, 1);
    for (int side = 0; side < 2; side++)
        if (pad_place(a, rank, d, side) >= 0 && check_pad(a, pad_place(a, rank, d, side), size, e))
            return -1;
    *out = before + behind == 0 ? size : NB_IS_KNOWN(size) ? size + before + behind : NB_ANY;
    if (!NB_IS_KNOWN(size) || (*out >= 0 && size + before >= 0 && size + behind >= 0))
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "dimension %d has %lld entries, fewer than are cut off", d, (long long)size);
    return fail_pad(a, pad_place(a, rank, d, before < behind ? 0 : 1), e);
}

static int pad_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct pad *a = s->args;
    int rank = s->in[0].rank;
    char text[200];
    if (a->pads.n % 2 || a->pads.n > 2 * (size_t)rank) {
        nb_fail(e, NB_E_bad_argument,
                "pads has %zu numbers, wanted are pairs, one for each dimension from the last on (the input is %s)",
                a->pads.n, nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
        return nb_at(e, "pads");
    }
    s->out[0] = s->in[0];
    for (int d = rank - 1; d >= 0; d--)
        if (pad_dim(a, rank, d, s->in[0].dim[d], &s->out[0].dim[d], e))
            return -1;
    s->work = work_of(&s->in[0], &s->out[0]);
    return 0;
}

/* Place i, which may lie outside, of n entries. */
static int64_t source(int64_t mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n)
        return i;
    switch (mode) {
    case REFLECT:
        return i < 0 ? -i : 2 * (n - 1) - i;
    case REPLICATE:
        return i < 0 ? 0 : n - 1;
    case CIRCULAR:
        return i < 0 ? i + n : i - n;
    default:
        return NOTHING;
    }
}

static struct tables pad_tables(const struct nb_call *c)
{
    const struct pad *a = c->args;
    const struct nb_shape *in = &c->in[0].shape;
    struct tables t = tables_of(c);
    for (int d = 0; d < t.rank; d++)
        for (size_t o = 0; o < t.size[d]; o++)
            t.from[d][o] = source(a->mode, (int64_t)o - pad_at(a, t.rank, d, 0), in->dim[d]);
    return t;
}

static int pad_forward(const struct nb_call *c, struct nb_error *e)
{
    struct tables t = pad_tables(c);
    (void)e;
    copy_out(c, &t, (nb_part)((const struct pad *)c->args)->value);
    return 0;
}

static int pad_backward(const struct nb_call *c, struct nb_error *e)
{
    struct tables t = pad_tables(c);
    (void)e;
    if (c->gin[0].data)
        add_back(c, &t);
    return 0;
}

/* ---- Tile -------------------------------------------------------------------------------------------------------- */

struct tile {
    struct nb_ints dims;
};

static int tile_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_ints *l = &((const struct tile *)s->args)->dims;
    int rank = s->in[0].rank, more = (int)l->n - rank;
    if (l->n > NB_MAX_RANK) {
        nb_fail(e, NB_E_bad_argument, "dims has %zu numbers, a tensor at most %d dimensions", l->n, NB_MAX_RANK);
        return nb_at(e, "dims");
    }
    s->out[0].rank = more > 0 ? (int)l->n : rank;
    for (int d = s->out[0].rank - 1; d >= 0; d--) {
        int k = d - s->out[0].rank + (int)l->n, j = d - s->out[0].rank + rank;
        int64_t size = j < 0 ? 1 : s->in[0].dim[j], times = k < 0 ? 1 : l->v[k];
        s->out[0].dim[d] = times == 1 ? size : NB_IS_KNOWN(size) ? size * times : NB_ANY;
    }
    s->work = work_of(&s->in[0], &s->out[0]);
    return 0;
}

static struct tables tile_tables(const struct nb_call *c)
{
    const struct nb_shape *in = &c->in[0].shape;
    struct tables t = tables_of(c);
    for (int d = t.rank - 1, k = in->rank - 1; d >= 0; d--, k--)
        for (size_t o = 0; o < t.size[d]; o++)
            t.from[d][o] = k < 0 ? 0 : (int64_t)(o % (size_t)in->dim[k]);
    return t;
}

static int tile_forward(const struct nb_call *c, struct nb_error *e)
{
    struct tables t = tile_tables(c);
    (void)e;
    copy_out(c, &t, 0);
    return 0;
}

static int tile_backward(const struct nb_call *c, struct nb_error *e)
{
    struct tables t = tile_tables(c);
    (void)e;
    if (c->gin[0].data)
        add_back(c, &t);
    return 0;
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg pad_args[] = {
    {"pads", NB_ARG_INTS, offsetof(struct pad, pads), 0, -INT32_MAX, INT32_MAX, NB_REQUIRED, NULL,
     "pairs before, behind: of the last dimension, then of the one before it, and so on; below 0 cuts"},
    {"mode", NB_ARG_CHOICE, offsetof(struct pad, mode), CONSTANT, 0, 0, 0, modes, "what is put there"},
    {"value", NB_ARG_REAL, offsetof(struct pad, value), 0, 0, 0, 0, NULL, "of the mode constant"},
    {0},
};
static const struct nb_case pad_cases[] = {
    {"\"pads\": [2, 1]", "5x7", false},
    {"\"pads\": [1, 0, 0, 3], \"value\": -1.5", "5x3", false},
    {"\"pads\": [-2, 1, 1, -1], \"value\": 0.7", "3x5x7", false},
    {"\"pads\": [3, 2], \"mode\": \"reflect\"", "5x4", false},
    {"\"pads\": [2, 3, 1, 0], \"mode\": \"replicate\"", "3x5x2", false},
    {"\"pads\": [2, 5, 3, 1, 0, 1], \"mode\": \"circular\"", "2x3x5", false},
    {0},
};

static const struct nb_arg tile_args[] = {
    {"dims", NB_ARG_INTS, offsetof(struct tile, dims), 0, 0, INT32_MAX, NB_REQUIRED, NULL,
     "how many times along each dimension; the last number is of the last dimension"},
    {0},
};
static const struct nb_case tile_cases[] = {
    {"\"dims\": [2, 3]", "5x7", false},
    {"\"dims\": 3", "2x5", false},
    {"\"dims\": [2, 1, 3]", "7x2", false},
    {"\"dims\": [3, 2]", "", false},
    {0},
};

const struct nb_module NB(nb_module_pad)[] = {
    {
        .type = "Pad",
        .onnx = "Pad",
        .summary = "Puts entries around a tensor: a constant, or copies of its own.",
        .formula = "y_o = x_{s(o)} \\text{ or } v",
        .derivative = "\\bar x_i = \\sum_{o : s(o) = i} g_o",
        .note = "pads are in PyTorch's order, the last dimension first. reflect leaves the border out, replicate "
                "repeats it, circular goes on at the other end.",
        .args = pad_args,
        .args_size = sizeof(struct pad),
        .inputs = ports,
        .infer = pad_infer,
        .forward = pad_forward,
        .backward = pad_backward,
        .jacobian = "A",
        .cases = pad_cases,
    },
    {
        .type = "Tile",
        .onnx = "Tile",
        .summary = "Repeats a tensor along its dimensions, and along new ones in front.",
        .formula = "y_o = x_{o \\bmod n}",
        .derivative = "\\bar x_i = \\sum_{o : o \\bmod n = i} g_o",
        .args = tile_args,
        .args_size = sizeof(struct tile),
        .inputs = ports,
        .infer = tile_infer,
        .forward = tile_forward,
        .backward = tile_backward,
        .jacobian = "A",
        .cases = tile_cases,
    },
    {0},
};
