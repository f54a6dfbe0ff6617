/* Identity, StopGradient, GradientReversal. */
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

/* ---- GradientReversal ------------------------------------------------------------------------------------------- */

struct reversal {
    double lambda;
};

NB_MAP2(reversed, const nb_part lambda = (nb_part)((const struct reversal *)args)->lambda, x, g,
        g == 0 ? 0 : -lambda * g)

static int reversal_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return nb_map_backward(reversed, c);
}

static const char *reversal_warning(const void *args)
{
    bool derivative = ((const struct reversal *)args)->lambda == -1;
    return derivative ? NULL : "a reversed gradient is not a derivative";
}

static const struct nb_arg reversal_args[] = {
    {"lambda", NB_ARG_REAL, offsetof(struct reversal, lambda), 1, 0, 0, 0, NULL,
     "the gradient is multiplied by -lambda"},
    {0},
};

/* Where it is the derivative. */
static const struct nb_case reversal_cases[] = {{"\"lambda\": -1", "5x7", false}, {"\"lambda\": -1", "33", false}, {0}};

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
    {
        .type = "GradientReversal",
        .summary = "The input as it is; the gradient goes back with the other sign.",
        .formula = "y = x",
        .derivative = "dx = -\\lambda g",
        .source = "Ganin, Lempitsky 2015",
        .note = "What comes back is not the derivative of what was computed: a check finds that, and says so.",
        .args = reversal_args,
        .args_size = sizeof(struct reversal),
        NB_POINTWISE_ROW,
        .forward = identity_forward,
        .backward = reversal_backward,
        .warning = reversal_warning,
        .alias = true,
        .cases = reversal_cases,
    },
    {0},
};
