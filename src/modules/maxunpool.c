/* MaxUnpool: values put back to the places that max pooling took them from; zeros elsewhere. Values of the same place
 * add up, so that it is the backward of max pooling with these values as its cotangent. */
#include "modules/pool.h"

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

/* PyTorch's rule: less than one stride from the length that is usual. */
static int given_length(const struct nb_pool_args *a, int i, int64_t usual, int64_t stride, int64_t *out,
                        struct nb_error *e)
{
    int64_t size = nb_each(&a->output_size, i, 0);
    *out = size;
    if (!NB_IS_KNOWN(usual) || (size > usual - stride && size < usual + stride))
        return 0;
    nb_fail(e, NB_E_bad_argument, "output_size is %lld, wanted is %lld < output_size < %lld", (long long)size,
            (long long)(usual - stride), (long long)(usual + stride));
    return nb_at_each(&a->output_size, i, "output_size", e);
}

static int length(const struct nb_pool_args *a, int i, int64_t in, int64_t *out, struct nb_error *e)
{
    struct nb_span s = nb_span_of(a, i);
    if (2 * s.padding > s.kernel) {
        nb_fail(e, NB_E_bad_argument, "padding is %lld, at most half of the kernel's size, %lld, is allowed",
                (long long)s.padding, (long long)s.kernel);
        return nb_at_each(&a->padding, i, "padding", e);
    }
    *out = NB_IS_KNOWN(in) ? (in - 1) * s.stride - 2 * s.padding + s.kernel : NB_ANY;
    if (a->output_size.n)
        return given_length(a, i, *out, s.stride, out, e);
    if (!NB_IS_KNOWN(in) || *out >= 1)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "the result has no entries along dimension %d of space", i);
    return nb_at_each(&a->padding, i, "padding", e);
}

static int infer(struct nb_infer *s, int dims, struct nb_error *e)
{
    struct nb_pool_args *a = s->args;
    char in[200], index[200];
    int first = s->in[0].rank - dims;
    a->dims = dims;
    if (nb_pool_counts(a, dims, e) || nb_check_space(s, dims, e))
        return -1;
    if (nb_shape_same(&s->in[0], &s->in[1]) == 0)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, indices is %s: the shapes differ",
                       nb_shape_text(&s->in[0], s->symbols, in, sizeof in),
                       nb_shape_text(&s->in[1], s->symbols, index, sizeof index));
    s->out[0] = s->in[0];
    for (int i = 0; i < dims; i++)
        if (length(a, i, s->in[0].dim[first + i], &s->out[0].dim[first + i], e))
            return -1;
    return 0;
}

#define INFER(dims)                                                                                                    \
    static int infer_##dims##d(struct nb_infer *s, struct nb_error *e)                                                 \
    {                                                                                                                  \
        return infer(s, dims, e);                                                                                      \
    }

INFER(1)
INFER(2)
INFER(3)

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* The fault lies at entry i. */
static int fail_at(const struct nb_shape *s, size_t i, double v, size_t places, struct nb_error *e)
{
    nb_fail(e, NB_E_bad_index, "indices are whole, from 0 to %zu; %.10g came", places - 1, v);
    e->port = 2;
    for (int d = s->rank - 1; d >= 0; d--) {
        nb_at_index(e, i % (size_t)s->dim[d]);
        i /= (size_t)s->dim[d];
    }
    return -1;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_pool p = nb_pool_of(c->args, &c->in[0].shape, &c->out[0].shape);
    const nb_real *x = c->in[0].data;
    nb_real *y = c->out[0].data;
    memset(y, 0, p.planes * p.out * sizeof *y);
    for (size_t i = 0; i < p.planes * p.in; i++) {
        double v = nb_number(&c->in[1], i);
        if (!(v >= 0 && v < (double)p.out && v == floor(v)))
            return fail_at(&c->in[1].shape, i, v, p.out, e);
        y[i / p.in * p.out + (size_t)v] += x[i];
    }
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_pool p = nb_pool_of(c->args, &c->in[0].shape, &c->out[0].shape);
    const nb_real *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data;
    (void)e;
    for (size_t i = 0; dx && i < p.planes * p.in; i++)
        dx[i] = g[i / p.in * p.out + (size_t)nb_number(&c->in[1], i)];
    if (c->gin[1].data)
        memset(c->gin[1].data, 0, p.planes * p.in * sizeof *dx);
    return 0;
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {"indices", NB_ANY_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    NB_POOL_KERNEL,
    NB_POOL_STRIDE,
    NB_POOL_PADDING("what the pooling had"),
    NB_POOL_INTS(output_size, 0, 1,
                 "of the result, where the pooling had left some entries out; in PyTorch of the call"),
    {0},
};

static const struct nb_case cases_1d[] = {
    {"\"kernel_size\": 2", "2x3x5 2x3x5c10", false},
    {"\"kernel_size\": 3, \"stride\": 2, \"padding\": 1, \"output_size\": 12", "5x6 5x6c12", false},
    {0},
};
static const struct nb_case cases_2d[] = {
    {"\"kernel_size\": 2", "2x3x3x2 2x3x3x2c24", false},
    {"\"kernel_size\": [3, 2], \"stride\": 2, \"padding\": [1, 0], \"output_size\": [6, 7]", "3x3x3 3x3x3c42", false},
    {0},
};
static const struct nb_case cases_3d[] = {{"\"kernel_size\": [1, 2, 3]", "2x2x3x2x2 2x2x3x2x2c72", false}, {0}};

#define ROW(dims)                                                                                                      \
    {                                                                                                                  \
        .type = "MaxUnpool" #dims "d", .onnx = "MaxUnpool",                                                            \
        .summary = "Values put back to where max pooling over " #dims "d space took them from, zeros elsewhere.",      \
        .formula = "y_k = \\sum_{i : j_i = k} x_i", .derivative = "\\bar x_i = g_{j_i}",                               \
        .note = "indices are those of max pooling: places in the plane of the result. Values of the same place add "   \
                "up, so that this is the backward of max pooling; PyTorch keeps one of them.",                         \
        .args = args, .args_size = sizeof(struct nb_pool_args), .inputs = ports, .infer = infer_##dims##d,             \
        .forward = forward, .backward = backward, .jacobian = "A", .cases = cases_##dims##d,                           \
    }

const struct nb_module NB(nb_module_maxunpool)[] = {ROW(1), ROW(2), ROW(3), {0}};
