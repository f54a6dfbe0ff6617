/* Cast: integers become real numbers. Formulas put it behind every integer input. */
#include "nabla/module.h"
#include "nabla/num.h"
#include <string.h>

static int infer(struct nb_infer *s, struct nb_error *e)
{
    (void)e;
    s->out[0] = s->in[0];
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_convert(NB_DTYPE, c->out[0].data, c->in[0].dtype, c->in[0].data, (size_t)nb_count(&c->in[0].shape));
    return 0;
}

const struct nb_module NB(nb_module_cast)[] = {
    {
        .type = "Cast",
        .onnx = "Cast",
        .summary = "Integers or booleans as real numbers; true is 1.",
        .formula = "y = x",
        .derivative = "\\text{none: the input is whole}",
        .inputs = (const struct nb_port[]){{"input", NB_INT_PORT, 0}, {0}},
        .infer = infer,
        .forward = forward,
        .no_backward = "the input holds integers",
        .jacobian = "P",
        .cases = (const struct nb_case[]){{NULL, "5x7c9", false}, {0}},
    },
    {0},
};
