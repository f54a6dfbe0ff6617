/* Constant: a tensor written in the graph. */
#include "nabla/module.h"
#include "nabla/num.h"

struct args {
    struct nb_tensor value;
};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    (void)e;
    s->out[0] = ((const struct args *)s->args)->value.shape;
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    const struct nb_tensor *v = &((const struct args *)c->args)->value;
    (void)e;
    nb_convert(NB_DTYPE, c->out[0].data, v->dtype, v->data, (size_t)nb_count(&v->shape));
    return 0;
}

static const struct nb_arg args[] = {
    {"value", NB_ARG_TENSOR, offsetof(struct args, value), 0, 0, 0, NB_REQUIRED, NULL, "the tensor"},
    {0},
};
static const struct nb_case cases[] = {{"\"value\": [[1.5, -2, 3], [0.25, 5, -6]]", "", false}, {0}};

const struct nb_module NB(nb_module_constant)[] = {
    {
        .type = "Constant",
        .onnx = "Constant",
        .summary = "A tensor that stays as it is written.",
        .formula = "y = c",
        .derivative = "\\text{none}",
        .args = args,
        .args_size = sizeof(struct args),
        .infer = infer,
        .forward = forward,
        .no_backward = "there is nothing it depends on",
        .jacobian = "A",
        .cases = cases,
    },
    {0},
};
