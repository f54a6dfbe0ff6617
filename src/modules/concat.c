/* Concat, Stack and Split: tensors put together along a dimension, and taken apart again: each other's backward. */
#include "modules/rows.h"
#include <string.h>

/* Copies a part of a whole, along an axis, or the part into its place in the whole. Returns the part's share of one
 * slice of the whole. */
static size_t copy_part(const struct nb_shape *part, int axis, size_t pitch, const nb_real *from, bool out, nb_real *to)
{
    struct nb_around a = nb_around_of(part, axis);
    size_t width = a.n * a.inner, from_pitch = out ? pitch : width, to_pitch = out ? width : pitch;
    for (size_t o = 0; o < a.outer; o++)
        memcpy(to + o * to_pitch, from + o * from_pitch, width * sizeof *to);
    return width;
}

/* The whole is the tensor, the parts are n tensors; parts without data are passed over. */
static void take_apart(const struct nb_tensor *whole, int axis, int n, const struct nb_tensor *parts)
{
    struct nb_around a = nb_around_of(&whole->shape, axis), p;
    const nb_real *x = whole->data;
    for (int i = 0; i < n; i++, x += p.n * p.inner) {
        p = nb_around_of(&parts[i].shape, axis);
        if (parts[i].data)
            copy_part(&parts[i].shape, axis, a.n * a.inner, x, true, parts[i].data);
    }
}

static void put_together(const struct nb_tensor *whole, int axis, int n, const struct nb_tensor *parts)
{
    struct nb_around a = nb_around_of(&whole->shape, axis);
    nb_real *y = whole->data;
    for (int i = 0; i < n; i++)
        y += copy_part(&parts[i].shape, axis, a.n * a.inner, parts[i].data, false, y);
}

/* ---- Concat ----------------------------------------------------------------------------------------------------- */

struct concat {
    int64_t dim;
};

/* Joins one more shape to the result; the sizes along axis add up if both are known. */
static int join(const struct nb_shape *more, int axis, struct nb_shape *all)
{
    if (more->rank != all->rank)
        return -1;
    for (int i = 0; i < all->rank; i++) {
        int64_t *d = &all->dim[i], m = more->dim[i];
        if (i == axis)
            *d = m == 0 ? *d : *d == 0 ? m : NB_IS_KNOWN(*d) && NB_IS_KNOWN(m) ? *d + m : NB_ANY;
        else if (nb_dim_same(*d, m) == 0)
            return -1;
        else if (!NB_IS_KNOWN(*d) && (NB_IS_KNOWN(m) || *d == NB_ANY))
            *d = m; /* whoever knows more */
    }
    return 0;
}

static int concat_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct concat *args = s->args;
    char first[200], other[200];
    if (s->nin == 0)
        return nb_fail(e, NB_E_input_count, "Concat needs at least one input");
    int axis = nb_axis_in(s, "dim", args->dim, s->in[0].rank, e);
    if (axis < 0)
        return -1;
    s->out[0] = s->in[0];
    for (int i = 1; i < s->nin; i++)
        if (join(&s->in[i], axis, &s->out[0]))
            return nb_fail(e, NB_E_shape_mismatch,
                           "input 0 is %s, input %d is %s: only dimension %d may differ in size",
                           nb_shape_text(&s->in[0], s->symbols, first, sizeof first), i,
                           nb_shape_text(&s->in[i], s->symbols, other, sizeof other), axis);
    return 0;
}

static int concat_forward(const struct nb_call *c, struct nb_error *e)
{
    const struct concat *args = c->args;
    (void)e;
    put_together(&c->out[0], nb_axis(args->dim, c->out[0].shape.rank), c->nin, c->in);
    return 0;
}

static int concat_backward(const struct nb_call *c, struct nb_error *e)
{
    const struct concat *args = c->args;
    (void)e;
    take_apart(&c->gout[0], nb_axis(args->dim, c->gout[0].shape.rank), c->nin, c->gin);
    return 0;
}

/* ---- Stack ------------------------------------------------------------------------------------------------------ */

/* With a new dimension of this size. */
static struct nb_shape with_dim(const struct nb_shape *s, int axis, int64_t size)
{
    struct nb_shape r = {.rank = s->rank + 1};
    for (int d = 0; d < r.rank; d++)
        r.dim[d] = d == axis ? size : s->dim[d - (d > axis)];
    return r;
}

static int stack_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct concat *args = s->args;
    char first[200], other[200];
    if (s->nin == 0)
        return nb_fail(e, NB_E_input_count, "Stack needs at least one input");
    if (s->in[0].rank == NB_MAX_RANK)
        return nb_fail(e, NB_E_shape_mismatch, "the inputs have %d dimensions already", s->in[0].rank);
    int axis = nb_axis_in(s, "dim", args->dim, s->in[0].rank + 1, e);
    if (axis < 0)
        return -1;
    struct nb_shape all = s->in[0];
    for (int i = 1; i < s->nin; i++)
        if (join(&s->in[i], -1, &all))
            return nb_fail(e, NB_E_shape_mismatch, "input 0 is %s, input %d is %s: the shapes differ",
                           nb_shape_text(&s->in[0], s->symbols, first, sizeof first), i,
                           nb_shape_text(&s->in[i], s->symbols, other, sizeof other));
    s->out[0] = with_dim(&all, axis, s->nin);
    return 0;
}

/* Part i of a whole, out of it or into it. */
static void stack_part(const struct nb_tensor *whole, int axis, int i, bool out, nb_real *part)
{
    struct nb_around a = nb_around_of(&whole->shape, axis);
    struct nb_shape one = whole->shape;
    nb_real *at = (nb_real *)whole->data + (size_t)i * a.inner;
    one.dim[axis] = 1;
    copy_part(&one, axis, a.n * a.inner, out ? at : part, out, out ? part : at);
}

static int stack_forward(const struct nb_call *c, struct nb_error *e)
{
    int axis = nb_axis(((const struct concat *)c->args)->dim, c->out[0].shape.rank);
    (void)e;
    for (int i = 0; i < c->nin; i++)
        stack_part(&c->out[0], axis, i, false, c->in[i].data);
    return 0;
}

static int stack_backward(const struct nb_call *c, struct nb_error *e)
{
    int axis = nb_axis(((const struct concat *)c->args)->dim, c->out[0].shape.rank);
    (void)e;
    for (int i = 0; i < c->nin; i++)
        if (c->gin[i].data)
            stack_part(&c->gout[0], axis, i, true, c->gin[i].data);
    return 0;
}

/* ---- Split ------------------------------------------------------------------------------------------------------ */

struct split {
    struct nb_ints sizes;
    int64_t dim;
    struct nb_strings ports;
};

static struct nb_strings split_ports(const void *p)
{
    return ((const struct split *)p)->ports;
}

/* Of the sizes; -1 with the error set. */
static int64_t total(const struct nb_ints *sizes, struct nb_error *e)
{
    int64_t sum = 0;
    for (size_t i = 0; i < sizes->n; i++)
        if (sizes->v[i] < 1 || __builtin_add_overflow(sum, sizes->v[i], &sum)) {
            nb_fail(e, NB_E_bad_argument, "a size is 1 or more; %lld came", (long long)sizes->v[i]);
            if (!sizes->single)
                nb_at_index(e, i);
            return nb_at(e, "sizes");
        }
    return sum;
}

static int check_ports(const struct split *args, struct nb_error *e)
{
    const struct nb_strings *l = &args->ports;
    if (l->n != args->sizes.n) {
        nb_fail(e, NB_E_bad_argument, "ports has %zu names for %zu sizes", l->n, args->sizes.n);
        return nb_at(e, "ports");
    }
    for (size_t i = 1; i < l->n; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(l->v[i], l->v[j])) {
                nb_fail(e, NB_E_name_clash, "there is a port %.100s already", l->v[i]);
                nb_at_index(e, i);
                return nb_at(e, "ports");
            }
    return 0;
}

static int split_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct split *args = s->args;
    char text[200];
    int axis = nb_axis_in(s, "dim", args->dim, s->in[0].rank, e);
    int64_t sum = axis < 0 ? -1 : total(&args->sizes, e);
    if (sum < 0 || check_ports(args, e))
        return -1;
    if (nb_dim_same(s->in[0].dim[axis], sum) == 0) {
        nb_fail(e, NB_E_shape_mismatch, "sizes add up to %lld of %lld (dimension %d of the input, %s)", (long long)sum,
                (long long)s->in[0].dim[axis], axis, nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
        return nb_at(e, "sizes");
    }
    for (int i = 0; i < s->nout; i++) {
        s->out[i] = s->in[0];
        s->out[i].dim[axis] = args->sizes.v[i];
    }
    return 0;
}

static int split_forward(const struct nb_call *c, struct nb_error *e)
{
    const struct split *args = c->args;
    (void)e;
    take_apart(&c->in[0], nb_axis(args->dim, c->in[0].shape.rank), c->nout, c->out);
    return 0;
}

static int split_backward(const struct nb_call *c, struct nb_error *e)
{
    const struct split *args = c->args;
    (void)e;
    if (c->gin[0].data)
        put_together(&c->gin[0], nb_axis(args->dim, c->gin[0].shape.rank), c->nout, c->gout);
    return 0;
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port concat_ports[] = {{"input", NB_REAL_PORT, NB_VARIADIC}, {0}};
static const struct nb_port split_inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg concat_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct concat, dim), -1, 0, 0, 0, NULL, "the dimension that grows"},
    {0},
};
static const struct nb_case concat_cases[] = {
    {NULL, "5x7 5x3", false},
    {NULL, "17 5 3", false},
    {"\"dim\": 0", "5x7 2x7 3x7", false},
    {"\"dim\": 1", "3x5x7 3x2x7", false},
    {"\"dim\": -1", "5x7", false},
    {0},
};

static const struct nb_arg stack_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct concat, dim), 0, 0, 0, 0, NULL, "where the new dimension stands"},
    {0},
};
static const struct nb_case stack_cases[] = {
    {NULL, "5x7 5x7 5x7", false},
    {"\"dim\": 1", "5x7 5x7", false},
    {"\"dim\": -1", "3x5 3x5 3x5", false},
    {NULL, "17", false},
    {NULL, "  ", false},
    {0},
};

static const struct nb_arg split_args[] = {
    {"sizes", NB_ARG_INTS, offsetof(struct split, sizes), 0, 0, 0, NB_REQUIRED, NULL,
     "of the parts; they add up to the size of the dimension"},
    {"dim", NB_ARG_INT, offsetof(struct split, dim), -1, 0, 0, 0, NULL, "the dimension taken apart"},
    {"ports", NB_ARG_STRINGS, offsetof(struct split, ports), 0, 0, 0, NB_REQUIRED, NULL, "names of the parts"},
    {0},
};
static const struct nb_case split_cases[] = {
    {"\"sizes\": [3, 4], \"ports\": [\"a\", \"b\"]", "5x7", false},
    {"\"sizes\": [5, 1, 11], \"ports\": [\"a\", \"b\", \"c\"]", "17", false},
    {"\"sizes\": [2, 3], \"dim\": 1, \"ports\": [\"a\", \"b\"]", "7x5x3", false},
    {"\"sizes\": 7, \"dim\": -3, \"ports\": [\"all\"]", "7x5x3", false},
    {0},
};

const struct nb_module NB(nb_module_concat)[] = {
    {
        .type = "Concat",
        .onnx = "Concat",
        .summary = "Puts tensors together along a dimension.",
        .formula = "y = [x^{(1)}, x^{(2)}, \\ldots]",
        .derivative = "[\\bar x^{(1)}, \\bar x^{(2)}, \\ldots] = g",
        .note = "PyTorch's cat, whose dim starts as 0.",
        .args = concat_args,
        .args_size = sizeof(struct concat),
        .inputs = concat_ports,
        .infer = concat_infer,
        .forward = concat_forward,
        .backward = concat_backward,
        .jacobian = "A",
        .cases = concat_cases,
    },
    {
        .type = "Stack",
        .summary = "Puts tensors of one shape together along a new dimension.",
        .formula = "y_{\\ldots k \\ldots} = x^{(k)}_{\\ldots\\ldots}",
        .derivative = "\\bar x^{(k)}_{\\ldots\\ldots} = g_{\\ldots k \\ldots}",
        .args = stack_args,
        .args_size = sizeof(struct concat),
        .inputs = concat_ports,
        .infer = stack_infer,
        .forward = stack_forward,
        .backward = stack_backward,
        .jacobian = "A",
        .cases = stack_cases,
    },
    {
        .type = "Split",
        .onnx = "Split",
        .summary = "Takes a tensor apart along a dimension; the parts are ports.",
        .formula = "[y^{(1)}, y^{(2)}, \\ldots] = x",
        .derivative = "\\bar x = [g^{(1)}, g^{(2)}, \\ldots]",
        .args = split_args,
        .args_size = sizeof(struct split),
        .inputs = split_inputs,
        .output_names = split_ports,
        .infer = split_infer,
        .forward = split_forward,
        .backward = split_backward,
        .jacobian = "A",
        .cases = split_cases,
    },
    {0},
};
