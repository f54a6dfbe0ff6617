/* Gather, GatherElements, ScatterAdd: entries by their place along a dimension. */
#include "modules/places.h"

struct args {
    int64_t dim;
};

static int axis_of(const struct nb_call *c)
{
    return nb_axis(((const struct args *)c->args)->dim, c->in[0].shape.rank);
}

static int64_t classes(const void *args, const struct nb_shape *first)
{
    int axis = nb_axis(((const struct args *)args)->dim, first->rank);
    return axis < 0 ? 1 : first->dim[axis];
}

static int fail_shapes(const struct nb_infer *s, const char *wanted, struct nb_error *e)
{
    char a[200], b[200];
    return nb_fail(e, NB_E_shape_mismatch, "input is %s, index is %s: %s",
                   nb_shape_text(&s->in[0], s->symbols, a, sizeof a), nb_shape_text(&s->in[1], s->symbols, b, sizeof b),
                   wanted);
}

/* ---- Gather: whole rows ----------------------------------------------------------------------------------------- */

/* The dimension is replaced by those of the index. */
static int gather_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_shape *x = &s->in[0], *k = &s->in[1];
    int axis = nb_axis_in(s, "dim", ((const struct args *)s->args)->dim, x->rank, e);
    if (axis < 0)
        return -1;
    if (x->rank - 1 + k->rank > NB_MAX_RANK)
        return fail_shapes(s, "the result would have more than 8 dimensions", e);
    struct nb_shape *out = &s->out[0];
    *out = (struct nb_shape){.rank = 0};
    for (int i = 0; i < x->rank; i++)
        if (i != axis)
            out->dim[out->rank++] = x->dim[i];
        else
            for (int j = 0; j < k->rank; j++)
                out->dim[out->rank++] = k->dim[j];
    return 0;
}

static int gather_forward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_around a = nb_around_of(&c->in[0].shape, axis_of(c));
    size_t places = (size_t)nb_count(&c->in[1].shape);
    const nb_real *x = c->in[0].data;
    nb_real *y = c->out[0].data;
    if (nb_check_places(c, 1, a.n, e))
        return -1;
    for (size_t o = 0; o < a.outer && a.inner; o++)
        for (size_t k = 0; k < places; k++, y += a.inner)
            nb_row_copy(a.inner, x + (o * a.n + nb_place_at(&c->in[1], k)) * a.inner, y);
    return 0;
}

/* An index used twice gets both. */
static int gather_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct nb_around a = nb_around_of(&c->in[0].shape, axis_of(c));
    size_t places = (size_t)nb_count(&c->in[1].shape);
    const nb_real *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data;
    nb_zero(&c->gin[0]);
    nb_zero(&c->gin[1]);
    for (size_t o = 0; dx && o < a.outer && a.inner; o++)
        for (size_t k = 0; k < places; k++, g += a.inner)
            nb_row_add(a.inner, g, dx + (o * a.n + nb_place_at(&c->in[1], k)) * a.inner);
    return 0;
}

/* ---- single entries: GatherElements, ScatterAdd ----------------------------------------------------------------- */

/* The entries of the index in order, each with the place in the input it means: the same coordinates, but along the
 * dimension the one it says. */
struct walk {
    int rank, axis;
    size_t n; /* size of the input along the dimension */
    size_t size[NB_MAX_RANK], stride[NB_MAX_RANK], index[NB_MAX_RANK];
    size_t at; /* place in the input with 0 along the dimension */
};

static struct walk walk_of(const struct nb_call *c)
{
    const struct nb_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    struct walk w = {.rank = k->rank, .axis = axis_of(c)};
    w.n = (size_t)x->dim[w.axis];
    size_t stride = 1;
    for (int d = x->rank - 1; d >= 0; d--) {
        w.size[d] = (size_t)k->dim[d];
        w.stride[d] = stride;
        stride *= (size_t)x->dim[d];
    }
    return w;
}

static void advance(struct walk *w)
{
    for (int d = w->rank - 1; d >= 0; d--) {
        size_t step = d == w->axis ? 0 : w->stride[d];
        w->at += step;
        if (++w->index[d] < w->size[d])
            return;
        w->at -= step * w->size[d];
        w->index[d] = 0;
    }
}

/* The place of entry i, which the walk has come to. */
static size_t place(const struct walk *w, const struct nb_tensor *index, size_t i)
{
    return w->at + nb_place_at(index, i) * w->stride[w->axis];
}

static void take(const struct nb_call *c, const nb_real *x, nb_real *y)
{
    struct walk w = walk_of(c);
    for (size_t i = 0, n = (size_t)nb_count(&c->in[1].shape); i < n; i++, advance(&w))
        y[i] = x[place(&w, &c->in[1], i)];
}

static void add(const struct nb_call *c, const nb_real *from, nb_real *to)
{
    struct walk w = walk_of(c);
    for (size_t i = 0, n = (size_t)nb_count(&c->in[1].shape); i < n; i++, advance(&w))
        to[place(&w, &c->in[1], i)] += from[i];
}

/* The index has as many dimensions as the input, and none is larger but the one looked along. */
static int check_index(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_shape *x = &s->in[0], *k = &s->in[1];
    int axis = nb_axis_in(s, "dim", ((const struct args *)s->args)->dim, x->rank, e);
    if (axis < 0)
        return -1;
    bool fits = x->rank == k->rank;
    for (int d = 0; fits && d < x->rank; d++)
        fits = d == axis || !NB_IS_KNOWN(x->dim[d]) || !NB_IS_KNOWN(k->dim[d]) || k->dim[d] <= x->dim[d];
    return fits ? 0
                : fail_shapes(s, "wanted are as many dimensions, and sizes up to those of the input, but along dim any",
                              e);
}

static int elements_infer(struct nb_infer *s, struct nb_error *e)
{
    s->out[0] = s->in[1];
    return check_index(s, e);
}

static int elements_forward(const struct nb_call *c, struct nb_error *e)
{
    if (nb_check_places(c, 1, (size_t)c->in[0].shape.dim[axis_of(c)], e))
        return -1;
    take(c, c->in[0].data, c->out[0].data);
    return 0;
}

static int elements_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_zero(&c->gin[0]);
    nb_zero(&c->gin[1]);
    if (c->gin[0].data)
        add(c, c->gout[0].data, c->gin[0].data);
    return 0;
}

static int scatter_infer(struct nb_infer *s, struct nb_error *e)
{
    char a[200], b[200];
    s->out[0] = s->in[0];
    if (check_index(s, e))
        return -1;
    if (nb_shape_same(&s->in[1], &s->in[2]) != 0)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "index is %s, src is %s: every entry of src needs one of index",
                   nb_shape_text(&s->in[1], s->symbols, a, sizeof a),
                   nb_shape_text(&s->in[2], s->symbols, b, sizeof b));
}

static void copy(const struct nb_tensor *from, const struct nb_tensor *to)
{
    memcpy(to->data, from->data, (size_t)nb_count(&from->shape) * sizeof(nb_real));
}

static int scatter_forward(const struct nb_call *c, struct nb_error *e)
{
    if (nb_check_places(c, 1, (size_t)c->in[0].shape.dim[axis_of(c)], e))
        return -1;
    copy(&c->in[0], &c->out[0]);
    add(c, c->in[2].data, c->out[0].data);
    return 0;
}

static int scatter_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->gin[0].data)
        copy(&c->gout[0], &c->gin[0]);
    nb_zero(&c->gin[1]);
    if (c->gin[2].data)
        take(c, c->gout[0].data, c->gin[2].data);
    return 0;
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port gather_ports[] = {{"input", NB_REAL_PORT, 0}, {"index", NB_ANY_PORT, 0}, {0}};
static const struct nb_port scatter_ports[] = {
    {"input", NB_REAL_PORT, 0}, {"index", NB_ANY_PORT, 0}, {"src", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg gather_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct args, dim), 0, 0, 0, 0, NULL, "the dimension the index counts along"},
    {0},
};
static const struct nb_arg place_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct args, dim), 0, 0, 0, NB_REQUIRED, NULL, "the dimension the index counts along"},
    {0},
};

static const struct nb_case gather_cases[] = {
    {NULL, "5x7 3c5", false},           {"\"dim\": 1", "5x7x3 2x2c7", false},
    {"\"dim\": -1", "3x5 17c5", false}, {NULL, "7 5x3c7", false},
    {NULL, "3x5 17c3", false},          {0},
};
static const struct nb_case elements_cases[] = {
    {"\"dim\": 0", "5x7 3x7c5", false},
    {"\"dim\": 1", "5x7 5x17c7", false},
    {"\"dim\": -2", "3x5x7 2x7x3c5", false},
    {0},
};
static const struct nb_case scatter_cases[] = {
    {"\"dim\": 0", "5x7 3x7c5 3x7", false},
    {"\"dim\": 1", "5x7 3x17c7 3x17", false},
    {"\"dim\": -2", "3x5x2 2x7x2c5 2x7x2", false},
    {0},
};

static const struct nb_known gather_mistakes[] = {
    {.code = "gather_all",
     .formula = "0*x + sum(g)",
     .hint = "Only the places that were taken get a gradient, each what came back from there."},
    {.code = "gather_counted",
     .formula = "d/max(unsqueeze(sum(reshape(one_hot(index, N), [-1, N]), 0), 1), 1)",
     .hint = "An index that was used twice gets both gradients, not their mean."},
    {0},
};
static const struct nb_known elements_mistakes[] = {
    {.code = "gather_elements_ones",
     .formula = "where(d == 0, 0, 1)",
     .hint = "What comes in is passed on: g, added up at its place."},
    {0},
};
static const struct nb_known scatter_mistakes[] = {
    {.code = "scatter_everywhere",
     .of = "src",
     .formula = "0*src + sum(g)",
     .hint = "Every entry of src gets what comes back from the one place it was added to."},
    {0},
};

const struct nb_module NB(nb_module_gather)[] = {
    {
        .type = "Gather",
        .mistakes = gather_mistakes,
        .onnx = "Gather",
        .summary = "Rows along a dimension, by their numbers.",
        .formula = "y_{\\ldots i \\ldots} = x_{\\ldots k_i \\ldots}",
        .derivative = "\\bar x_{\\ldots j \\ldots} = \\sum_{i:\\, k_i = j} g_{\\ldots i \\ldots}",
        .note = "The dimension is replaced by those of the index. PyTorch's gather is GatherElements.",
        .args = gather_args,
        .args_size = sizeof(struct args),
        .inputs = gather_ports,
        .infer = gather_infer,
        .forward = gather_forward,
        .backward = gather_backward,
        .jacobian = "A",
        .cases = gather_cases,
        .classes = classes,
    },
    {
        .type = "GatherElements",
        .mistakes = elements_mistakes,
        .onnx = "GatherElements",
        .summary =
            "An entry for every entry of the index: the one at the same place, but along a dimension where it says.",
        .formula = "y_{ij} = x_{k_{ij} j}",
        .derivative = "\\bar x_{lj} = \\sum_{i:\\, k_{ij} = l} g_{ij}",
        .source = "torch.gather",
        .args = place_args,
        .args_size = sizeof(struct args),
        .inputs = gather_ports,
        .infer = elements_infer,
        .forward = elements_forward,
        .backward = elements_backward,
        .jacobian = "A",
        .cases = elements_cases,
        .classes = classes,
    },
    {
        .type = "ScatterAdd",
        .mistakes = scatter_mistakes,
        .onnx = "ScatterElements",
        .summary = "The input with every entry of src added where its index says.",
        .formula = "y_{lj} = x_{lj} + \\sum_{i:\\, k_{ij} = l} s_{ij}",
        .derivative = "\\bar x = g,\\quad \\bar s_{ij} = g_{k_{ij} j}",
        .note = "ONNX's ScatterElements with reduction add.",
        .source = "torch.scatter_add",
        .args = place_args,
        .args_size = sizeof(struct args),
        .inputs = scatter_ports,
        .infer = scatter_infer,
        .forward = scatter_forward,
        .backward = scatter_backward,
        .jacobian = "A",
        .cases = scatter_cases,
        .classes = classes,
    },
    {0},
};
