/* WeightDecay: half the squared norm of learned tensors, as a term of the loss. */
#include "modules/rows.h"

struct args {
    struct nb_strings params;
    double weight_decay;
};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    (void)e;
    s->out[0] = nb_shape_of(0);
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    nb_sum s = 0;
    for (int i = 0; i < c->nin; i++)
        s += NB(nb_row_dot)((size_t)nb_count(&c->in[i].shape), c->in[i].data, c->in[i].data);
    *(nb_real *)c->out[0].data = (nb_real)(a->weight_decay / 2 * s);
    return 0;
}

NB_SIMD static void times(size_t n, nb_real f, const nb_real *w, nb_real *dw)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dw[i] = f * w[i];
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_real f = (nb_part)((const struct args *)c->args)->weight_decay * *(const nb_real *)c->gout[0].data;
    for (int i = 0; i < c->nin; i++)
        if (c->gin[i].data)
            times((size_t)nb_count(&c->in[i].shape), f, c->in[i].data, c->gin[i].data);
    return 0;
}

static const struct nb_port inputs[] = {{"weights", NB_REAL_PORT, NB_VARIADIC}, {0}};

static const struct nb_arg args[] = {
    {"params", NB_ARG_STRINGS, offsetof(struct args, params), 0, 0, 0, NB_REQUIRED, NULL,
     "names or patterns of learned tensors of this scope; each tensor counts once"},
    {"weight_decay", NB_ARG_REAL, offsetof(struct args, weight_decay), 1e-4, 0, INFINITY, NB_MAX_OPEN, NULL,
     "the factor lambda"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"params\": [\"*\"], \"weight_decay\": 0.3", "5x7", false},
    {"\"params\": [\"*\"], \"weight_decay\": 0.07", "5x7 3 2x17x3", false},
    {0},
};

const struct nb_module NB(nb_module_weightdecay)[] = {
    {
        .type = "WeightDecay",
        .summary = "Half the squared norm of learned tensors: a term of the loss that keeps them small.",
        .formula = "y = \\tfrac12 \\lambda \\sum w^2",
        .derivative = "dw = g\\,\\lambda\\,w",
        .note =
            "Takes no inputs: params selects the tensors. The weight_decay of the optimisers adds the same lambda w to "
            "the gradient: use one of the two.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "D",
        .selects = "params",
        .cases = cases,
    },
    {0},
};
