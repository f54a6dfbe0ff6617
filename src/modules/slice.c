/* Slice and Select: a part of a dimension, or one place of it. */
#include "modules/rows.h"
#include <string.h>

/* Some places of one dimension: n from `first` on, `step` apart. */
struct part {
    int64_t first, n, step;
};

static void take(const struct nb_call *c, int axis, const struct part *p, bool back)
{
    const struct nb_shape *in = &c->in[0].shape;
    struct nb_layout l = nb_layout_of(in);
    ptrdiff_t at = p->n ? (ptrdiff_t)p->first * l.stride[axis] : 0;
    l.size[axis] = (size_t)p->n;
    l.stride[axis] *= p->n > 1 ? (ptrdiff_t)p->step : 1;
    if (!back) {
        NB(nb_pick)(&l, (const nb_real *)c->in[0].data + at, c->out[0].data);
        return;
    }
    nb_real *dx = c->gin[0].data;
    if (!dx)
        return;
    memset(dx, 0, nb_known(in) * sizeof *dx);
    NB(nb_place)(&l, c->gout[0].data, dx + at);
}

/* ---- Slice ------------------------------------------------------------------------------------------------------- */

struct slice {
    int64_t dim, start, end, step;
};

/* From the end if negative, and no further than the places there are. */
static int64_t bound(int64_t i, int64_t absent, int64_t n, int64_t low, int64_t high)
{
    if (i == NB_NONE)
        return absent;
    i = i < 0 ? i + n : i;
    return i < low ? low : i > high ? high : i;
}

/* Python's rules. */
static struct part part_of(const struct slice *a, int64_t n)
{
    bool up = a->step > 0;
    int64_t first = up ? bound(a->start, 0, n, 0, n) : bound(a->start, n - 1, n, -1, n - 1);
    int64_t end = up ? bound(a->end, n, n, 0, n) : bound(a->end, -1, n, -1, n - 1);
    int64_t way = up ? end - first : first - end, step = up ? a->step : -a->step;
    return (struct part){first, way > 0 ? (way - 1) / step + 1 : 0, a->step};
}

static int slice_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct slice *a = s->args;
    int axis = nb_axis_in(s, "dim", a->dim, s->in[0].rank, e);
    if (axis < 0)
        return -1;
    if (a->step == 0) {
        nb_fail(e, NB_E_bad_argument, "step is 0: it goes nowhere");
        return nb_at(e, "step");
    }
    int64_t *d = &s->out[0].dim[axis];
    bool whole = a->start == NB_NONE && a->end == NB_NONE && (a->step == 1 || a->step == -1);
    s->out[0] = s->in[0];
    if (!whole)
        *d = NB_IS_KNOWN(*d) ? part_of(a, *d).n : NB_ANY;
    return 0;
}

static int slice_forward(const struct nb_call *c, struct nb_error *e)
{
    const struct slice *a = c->args;
    int axis = nb_axis(a->dim, c->in[0].shape.rank);
    struct part p = part_of(a, c->in[0].shape.dim[axis]);
    (void)e;
    take(c, axis, &p, false);
    return 0;
}

static int slice_backward(const struct nb_call *c, struct nb_error *e)
{
    const struct slice *a = c->args;
    int axis = nb_axis(a->dim, c->in[0].shape.rank);
    struct part p = part_of(a, c->in[0].shape.dim[axis]);
    (void)e;
    take(c, axis, &p, true);
    return 0;
}

/* ---- Select ------------------------------------------------------------------------------------------------------ */

struct select {
    int64_t dim, index;
};

static int select_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct select *a = s->args;
    char text[200];
    int axis = nb_axis_in(s, "dim", a->dim, s->in[0].rank, e);
    if (axis < 0)
        return -1;
    int64_t n = s->in[0].dim[axis];
    if (NB_IS_KNOWN(n) && (a->index >= n || a->index < -n)) {
        nb_fail(e, NB_E_bad_argument, "index is %lld, dimension %d has %lld entries (the input is %s)",
                (long long)a->index, axis, (long long)n, nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
        return nb_at(e, "index");
    }
    s->out[0].rank = 0;
    for (int d = 0; d < s->in[0].rank; d++)
        if (d != axis)
            s->out[0].dim[s->out[0].rank++] = s->in[0].dim[d];
    return 0;
}

static struct part place_of(const struct nb_call *c, int axis)
{
    int64_t i = ((const struct select *)c->args)->index;
    return (struct part){i < 0 ? i + c->in[0].shape.dim[axis] : i, 1, 1};
}

static int select_forward(const struct nb_call *c, struct nb_error *e)
{
    int axis = nb_axis(((const struct select *)c->args)->dim, c->in[0].shape.rank);
    struct part p = place_of(c, axis);
    (void)e;
    take(c, axis, &p, false);
    return 0;
}

static int select_backward(const struct nb_call *c, struct nb_error *e)
{
    int axis = nb_axis(((const struct select *)c->args)->dim, c->in[0].shape.rank);
    struct part p = place_of(c, axis);
    (void)e;
    take(c, axis, &p, true);
    return 0;
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg slice_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct slice, dim), 0, 0, 0, NB_REQUIRED, NULL, "the dimension cut"},
    {"start", NB_ARG_INT, offsetof(struct slice, start), 0, 0, 0, NB_INFERRED, NULL,
     "the first place; negative ones count from the end"},
    {"end", NB_ARG_INT, offsetof(struct slice, end), 0, 0, 0, NB_INFERRED, NULL,
     "the place that is not taken any more; negative ones count from the end"},
    {"step", NB_ARG_INT, offsetof(struct slice, step), 1, 0, 0, 0, NULL,
     "from one place to the next; negative: backwards"},
    {0},
};
static const struct nb_case slice_cases[] = {
    {"\"dim\": 1, \"start\": 2, \"end\": 5", "5x7", false},
    {"\"dim\": 0, \"end\": -2, \"step\": 2", "17x3", false},
    {"\"dim\": -2, \"start\": -1, \"end\": 0, \"step\": -2", "3x7x5", false},
    {"\"dim\": 0, \"step\": -1", "7", false},
    {0},
};

static const struct nb_arg select_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct select, dim), 0, 0, 0, NB_REQUIRED, NULL, "the dimension that goes"},
    {"index", NB_ARG_INT, offsetof(struct select, index), 0, 0, 0, NB_REQUIRED, NULL,
     "the place taken; negative ones count from the end"},
    {0},
};
static const struct nb_case select_cases[] = {
    {"\"dim\": 0, \"index\": 2", "5x7", false},
    {"\"dim\": 1, \"index\": -1", "3x5x7", false},
    {"\"dim\": -1, \"index\": 0", "3x5x7", false},
    {"\"dim\": 0, \"index\": 4", "17", false},
    {0},
};

const struct nb_module NB(nb_module_slice)[] = {
    {
        .type = "Slice",
        .onnx = "Slice",
        .summary = "A part of a dimension: from a place to another, by steps, also backwards.",
        .formula = "y_{\\ldots i \\ldots} = x_{\\ldots a + s i \\ldots}",
        .derivative = "\\bar x_{\\ldots a + s i \\ldots} = g_{\\ldots i \\ldots},\\quad 0 \\text{ elsewhere}",
        .note = "The rules are Python's: places beyond the ends are cut off.",
        .args = slice_args,
        .args_size = sizeof(struct slice),
        .inputs = ports,
        .infer = slice_infer,
        .forward = slice_forward,
        .backward = slice_backward,
        .jacobian = "A",
        .cases = slice_cases,
    },
    {
        .type = "Select",
        .summary = "One place of a dimension, which goes.",
        .formula = "y_{\\ldots\\ldots} = x_{\\ldots k \\ldots}",
        .derivative = "\\bar x_{\\ldots k \\ldots} = g_{\\ldots\\ldots},\\quad 0 \\text{ elsewhere}",
        .args = select_args,
        .args_size = sizeof(struct select),
        .inputs = ports,
        .infer = select_infer,
        .forward = select_forward,
        .backward = select_backward,
        .jacobian = "A",
        .cases = select_cases,
    },
    {0},
};
