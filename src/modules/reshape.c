/* Reshape, Flatten, Squeeze, Unsqueeze: the same entries in the same order under another shape. */
#include "modules/rows.h"
#include <string.h>

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    memcpy(c->out[0].data, c->in[0].data, nb_known(&c->in[0].shape) * sizeof(nb_real));
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->gin[0].data)
        memcpy(c->gin[0].data, c->gout[0].data, nb_known(&c->in[0].shape) * sizeof(nb_real));
    return 0;
}

/* A product of sizes: of the known ones (-1: too large), and how many are not known. */
struct sizes {
    int64_t known;
    int unknown;
    int64_t last; /* one of those */
};

static struct sizes multiply(const struct nb_shape *s)
{
    struct nb_shape known = {.rank = 0};
    struct sizes r = {0, 0, NB_ANY};
    for (int i = 0; i < s->rank; i++)
        if (NB_IS_KNOWN(s->dim[i])) {
            known.dim[known.rank++] = s->dim[i];
        } else {
            r.last = s->dim[i];
            r.unknown++;
        }
    r.known = nb_count(&known);
    return r;
}

/* The product as one size. */
static int64_t as_size(const struct sizes *s)
{
    if (s->unknown == 0 || s->known == 0)
        return s->known < 0 ? NB_ANY : s->known;
    return s->unknown == 1 && s->known == 1 ? s->last : NB_ANY;
}

/* ---- Reshape ---------------------------------------------------------------------------------------------------- */

struct reshape {
    struct nb_ints shape;
};

enum { HOLE = -1 }; /* the size that is worked out */

static int fail_shape(const struct nb_infer *s, const struct nb_shape *to, struct nb_error *e)
{
    char in[200], out[200];
    nb_fail(e, NB_E_shape_mismatch, "shape is %s, the input is %s: the numbers of entries differ",
            nb_shape_text(to, s->symbols, out, sizeof out), nb_shape_text(&s->in[0], s->symbols, in, sizeof in));
    return nb_at(e, "shape");
}

/* The argument as a shape; *hole is the place of the -1, or -1. */
static int read_shape(const struct nb_ints *l, struct nb_shape *to, int *hole, struct nb_error *e)
{
    *hole = -1;
    if (l->n > NB_MAX_RANK) {
        nb_fail(e, NB_E_bad_argument, "shape has %zu dimensions, a tensor at most %d", l->n, NB_MAX_RANK);
        return nb_at(e, "shape");
    }
    for (size_t i = 0; i < l->n; i++) {
        int64_t d = to->dim[i] = l->v[i];
        if (d == HOLE && *hole < 0)
            *hole = (int)i;
        else if (NB_IS_KNOWN(d) && d < 0) {
            if (d == HOLE)
                nb_fail(e, NB_E_bad_argument, "-1 stands for one size only");
            else
                nb_fail(e, NB_E_bad_argument, "a size is -1, 0 or more; %lld came", (long long)d);
            if (!l->single)
                nb_at_index(e, i);
            return nb_at(e, "shape");
        }
    }
    to->rank = (int)l->n;
    return 0;
}

static void remove_dim(struct nb_shape *s, int i)
{
    memmove(s->dim + i, s->dim + i + 1, (size_t)(--s->rank - i) * sizeof *s->dim);
}

/* Takes the sizes out that stand on both sides. Symbols go this way, and sizes that are 0. */
static void cancel(struct nb_shape *a, struct nb_shape *b)
{
    for (int i = a->rank - 1; i >= 0; i--)
        for (int j = b->rank - 1; j >= 0; j--)
            if (nb_dim_same(a->dim[i], b->dim[j]) == 1) {
                remove_dim(a, i);
                remove_dim(b, j);
                break;
            }
}

static bool divides(int64_t a, int64_t b)
{
    return a == 0 ? b == 0 : b % a == 0;
}

/* Whether the entries can be as many. What stands open may take any size. */
static bool can_be(const struct sizes *in, const struct sizes *to, bool open)
{
    if (in->known < 0 || to->known < 0)
        return in->known < 0 || in->unknown;
    if (in->unknown == 0 && !divides(to->known, in->known))
        return false;
    return to->unknown || open || divides(in->known, to->known);
}

/* The size in the hole. A size of 0 cannot be left on both sides. */
static int64_t quotient(const struct sizes *in, const struct sizes *to)
{
    if (in->known < 0 || to->known <= 0 || to->unknown)
        return NB_ANY;
    if (!in->unknown)
        return in->known / to->known;
    return in->unknown == 1 && in->known == to->known ? in->last : NB_ANY;
}

static int reshape_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct reshape *args = s->args;
    struct nb_shape *to = &s->out[0], in = s->in[0];
    int hole;
    if (read_shape(&args->shape, to, &hole, e))
        return -1;
    if (hole < 0 && nb_count(to) >= 0 && nb_count(to) == nb_count(&in))
        return 0;
    struct nb_shape rest = *to;
    if (hole >= 0)
        remove_dim(&rest, hole);
    cancel(&in, &rest);
    struct sizes from = multiply(&in), given = multiply(&rest);
    if (!can_be(&from, &given, hole >= 0))
        return fail_shape(s, to, e);
    if (hole >= 0)
        to->dim[hole] = quotient(&from, &given);
    return 0;
}

/* ---- Flatten ---------------------------------------------------------------------------------------------------- */

struct flatten {
    int64_t start_dim, end_dim;
};

static int flatten_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct flatten *args = s->args;
    const struct nb_shape *in = &s->in[0];
    int start = nb_axis_in(s, "start_dim", args->start_dim, in->rank, e);
    int end = start < 0 ? -1 : nb_axis_in(s, "end_dim", args->end_dim, in->rank, e);
    if (end < 0)
        return -1;
    if (end < start) {
        nb_fail(e, NB_E_bad_argument, "end_dim is dimension %d, before start_dim, dimension %d", end, start);
        return nb_at(e, "end_dim");
    }
    struct nb_shape run = {.rank = 0}, out = {.rank = 0};
    for (int i = 0; i < in->rank; i++) {
        if (i >= start && i <= end)
            run.dim[run.rank++] = in->dim[i];
        else
            out.dim[out.rank++] = in->dim[i];
        if (i == end) {
            struct sizes all = multiply(&run);
            out.dim[out.rank++] = as_size(&all);
        }
    }
    s->out[0] = out;
    return 0;
}

/* ---- Squeeze, Unsqueeze ------------------------------------------------------------------------------------------ */

struct one {
    int64_t dim;
};

static int squeeze_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct one *args = s->args;
    char text[200];
    int axis = nb_axis_in(s, "dim", args->dim, s->in[0].rank, e);
    if (axis < 0)
        return -1;
    s->out[0] = s->in[0];
    remove_dim(&s->out[0], axis);
    if (nb_dim_same(s->in[0].dim[axis], 1) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "dimension %d has size %lld, only size 1 can go (the input is %s)", axis,
            (long long)s->in[0].dim[axis], nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
    return nb_at(e, "dim");
}

static int unsqueeze_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct one *args = s->args;
    const struct nb_shape *in = &s->in[0];
    if (in->rank == NB_MAX_RANK)
        return nb_fail(e, NB_E_shape_mismatch, "the input has %d dimensions already", in->rank);
    int axis = nb_axis_in(s, "dim", args->dim, in->rank + 1, e);
    if (axis < 0)
        return -1;
    s->out[0].rank = in->rank + 1;
    for (int i = 0; i <= in->rank; i++)
        s->out[0].dim[i] = i < axis ? in->dim[i] : i == axis ? 1 : in->dim[i - 1];
    return 0;
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg reshape_args[] = {
    {"shape", NB_ARG_SHAPE, offsetof(struct reshape, shape), 0, 0, 0, NB_REQUIRED, NULL,
     "the sizes; one of them may be -1 and is worked out"},
    {0},
};
static const struct nb_case reshape_cases[] = {
    {"\"shape\": [7, 10]", "5x14", false},
    {"\"shape\": [3, -1]", "2x3x5", false},
    {"\"shape\": -1", "5x7", false},
    {"\"shape\": []", "1x1", false},
    {0},
};

static const struct nb_arg flatten_args[] = {
    {"start_dim", NB_ARG_INT, offsetof(struct flatten, start_dim), 1, 0, 0, 0, NULL, "first dimension to join"},
    {"end_dim", NB_ARG_INT, offsetof(struct flatten, end_dim), -1, 0, 0, 0, NULL, "last dimension to join"},
    {0},
};
static const struct nb_case flatten_cases[] = {
    {NULL, "3x5x7", false},
    {NULL, "5x7", false},
    {"\"start_dim\": 0, \"end_dim\": -2", "2x3x5x7", false},
    {0},
};

static const struct nb_arg squeeze_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct one, dim), 0, 0, 0, NB_REQUIRED, NULL, "the dimension of size 1 that goes"},
    {0},
};
static const struct nb_case squeeze_cases[] = {
    {"\"dim\": 1", "5x1x7", false},
    {"\"dim\": -1", "17x1", false},
    {0},
};

static const struct nb_arg unsqueeze_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct one, dim), 0, 0, 0, NB_REQUIRED, NULL,
     "where it stands in the result; -1 is behind the last"},
    {0},
};
static const struct nb_case unsqueeze_cases[] = {
    {"\"dim\": 0", "5x7", false},
    {"\"dim\": -1", "17", false},
    {"\"dim\": -2", "3x5", false},
    {0},
};

const struct nb_module NB(nb_module_reshape)[] = {
    {
        .type = "Reshape",
        .onnx = "Reshape",
        .summary = "The same entries in the same order under another shape.",
        .formula = "y = x,\\quad \\prod_k n'_k = \\prod_k n_k",
        .derivative = "\\bar x = g",
        .note = "0 is a size, not ONNX's sign for keeping one.",
        .args = reshape_args,
        .args_size = sizeof(struct reshape),
        .inputs = ports,
        .infer = reshape_infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .alias = true,
        .cases = reshape_cases,
    },
    {
        .type = "Flatten",
        .onnx = "Flatten",
        .summary = "Joins neighbouring dimensions, by default all but the first.",
        .formula = "y = x,\\quad n' = \\prod_{k = \\mathrm{start}}^{\\mathrm{end}} n_k",
        .derivative = "\\bar x = g",
        .args = flatten_args,
        .args_size = sizeof(struct flatten),
        .inputs = ports,
        .infer = flatten_infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .alias = true,
        .cases = flatten_cases,
    },
    {
        .type = "Squeeze",
        .onnx = "Squeeze",
        .summary = "Takes a dimension of size 1 away.",
        .formula = "y_{\\ldots} = x_{\\ldots 1 \\ldots}",
        .derivative = "\\bar x = g",
        .note = "Another size is an error, as in ONNX and NumPy; PyTorch would leave the shape as it is.",
        .args = squeeze_args,
        .args_size = sizeof(struct one),
        .inputs = ports,
        .infer = squeeze_infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .alias = true,
        .cases = squeeze_cases,
    },
    {
        .type = "Unsqueeze",
        .onnx = "Unsqueeze",
        .summary = "Puts a dimension of size 1 in.",
        .formula = "y_{\\ldots 1 \\ldots} = x_{\\ldots}",
        .derivative = "\\bar x = g",
        .args = unsqueeze_args,
        .args_size = sizeof(struct one),
        .inputs = ports,
        .infer = unsqueeze_infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .alias = true,
        .cases = unsqueeze_cases,
    },
    {0},
};
