/* Identity, StopGradient. */
#include "pointwise.h"

static int copy(const struct nb_tensor *from, const struct nb_tensor *to)
{
    if (to->data && to->data != from->data)
        memcpy(to->data, from->data, (size_t)nb_count(&from->shape) * sizeof(nb_real));
    return 0;
}

static int identity_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return copy(&c->in[0], &c->out[0]);
}

static int identity_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return copy(&c->gout[0], &c->gin[0]);
}

/* The real part: to the complex step the value is a constant. */
NB_MAP1(stop_value, , x, nb_re(x))
NB_FORWARD(stop)

const struct nb_module NB(nb_module_identity)[] = {
    {
        .type = "Identity",
        .onnx = "Identity",
        .summary = "The input as it is.",
        .formula = "y = x",
        .derivative = "dx = g",
        NB_POINTWISE_ROW,
        NB_CALLS(identity),
        .alias = true,
        .cases = nb_map_cases,
    },
    {
        .type = "StopGradient",
        .summary = "The input as it is, but a constant to backward and to checks.",
        .formula = "y = x",
        .derivative = "dx = 0",
        NB_POINTWISE_ROW,
        .forward = stop_forward,
        .no_backward = "the gradient stops here",
        .stop = true,
        .cases = nb_map_cases,
    },
    {0},
};
