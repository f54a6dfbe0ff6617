/* Linear: y = x W' + b. The leading dimensions count as one batch. */
#include "modules/rows.h"
#include <string.h>

struct args {
    int64_t in_features, out_features, bias;
};

/* in_features is read off the input, or must agree with it. */
static int check_features(struct nb_infer *s, struct nb_error *e)
{
    struct args *args = s->args;
    const struct nb_shape *x = &s->in[0];
    char text[200];
    nb_shape_text(x, s->symbols, text, sizeof text);
    if (x->rank == 0)
        return nb_fail(e, NB_E_shape_mismatch, "the input is a single number; Linear needs a last dimension");
    int64_t size = x->dim[x->rank - 1];
    if (args->in_features == NB_NONE && !NB_IS_KNOWN(size))
        return nb_fail(
            e, NB_E_shape_mismatch,
            "in_features is not given, so the last size of the input (shape %s) must be known when the graph "
            "is created",
            text);
    if (args->in_features == NB_NONE)
        args->in_features = size;
    if (nb_dim_same(args->in_features, size) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "in_features is %lld, the input has %lld (shape %s)", (long long)args->in_features,
            (long long)size, text);
    return nb_at(e, "in_features");
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *args = s->args;
    if (check_features(s, e))
        return -1;
    int64_t in = args->in_features, out = args->out_features;
    s->out[0] = s->in[0];
    s->out[0].dim[s->in[0].rank - 1] = out;
    double bound = in > 0 ? 1 / sqrt((double)in) : 0;
    struct nb_init init = {.kind = NB_INIT_UNIFORM, .a = -bound, .b = bound};
    s->w[s->nw++] = (struct nb_weight){"weight", nb_shape_of(2, out, in), init, false};
    if (args->bias)
        s->w[s->nw++] = (struct nb_weight){"bias", nb_shape_of(1, out), init, false};
    return 0;
}

/* Entries of all dimensions but the last. */
static size_t rows_of(const struct nb_tensor *x)
{
    size_t rows = 1;
    for (int i = 0; i < x->shape.rank - 1; i++)
        rows *= (size_t)x->shape.dim[i];
    return rows;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    const struct args *args = c->args;
    size_t rows = rows_of(&c->in[0]), in = (size_t)args->in_features, out = (size_t)args->out_features;
    nb_real *y = c->out[0].data;
    (void)e;
    for (size_t i = 0; args->bias && i < rows; i++)
        memcpy(y + i * out, c->w[1].data, out * sizeof *y);
    NB(nb_gemm)(false, true, rows, out, in, c->in[0].data, c->w[0].data, args->bias != 0, y);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    const struct args *args = c->args;
    size_t rows = rows_of(&c->in[0]), in = (size_t)args->in_features, out = (size_t)args->out_features;
    const nb_real *g = c->gout[0].data;
    (void)e;
    if (c->gin[0].data)
        NB(nb_gemm)(false, false, rows, in, out, g, c->w[0].data, 0, c->gin[0].data);
    if (c->gw[0].data)
        NB(nb_gemm)(true, false, out, in, rows, g, c->in[0].data, 0, c->gw[0].data);
    if (args->bias && c->gw[1].data)
        NB(nb_sum_rows)(rows, out, g, c->gw[1].data);
    return 0;
}

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"in_features", NB_ARG_INT, offsetof(struct args, in_features), 0, 1, INT32_MAX, NB_INFERRED, NULL,
     "size of the input's last dimension"},
    {"out_features", NB_ARG_INT, offsetof(struct args, out_features), 0, 1, INT32_MAX, NB_REQUIRED, NULL,
     "size of the output's last dimension"},
    {"bias", NB_ARG_BOOL, offsetof(struct args, bias), 1, 0, 0, 0, NULL, "adds a learned vector"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"out_features\": 7", "5x3", false},
    {"\"in_features\": 17, \"out_features\": 5, \"bias\": false", "7x17", false},
    {"\"out_features\": 33", "2x3x5", false},
    {"\"out_features\": 5", "33", false},
    {"\"out_features\": 5", "7x5", false},
    {0},
};

static const struct nb_known linear_mistakes[] = {
    {.code = "linear_weight_transposed",
     .formula = "linear(g, weight)",
     .hint = "Back goes the other way: g W, not g W^T."},
    {0},
};

const struct nb_module NB(nb_module_linear)[] = {
    {
        .type = "Linear",
        .mistakes = linear_mistakes,
        .onnx = "Gemm",
        .summary = "An affine map of the last dimension, the same for every sample.",
        .formula = "y = x W^{\\mathsf T} + b,\\quad W \\in \\mathbb R^{O \\times I}",
        .derivative = "\\bar x = g W,\\quad \\bar W = g^{\\mathsf T} x,\\quad \\bar b = \\sum_b g_b",
        .note = "weight is [out_features, in_features]; weight and bias start uniform within 1/sqrt(in_features).",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "AW",
        .cases = cases,
    },
    {0},
};
