/* Parameter: a learned tensor as a node. Its tensor has no name of its own; the graph calls it like the node, and
 * starts it from the argument value if there is one. */
#include "nabla/module.h"
#include "nabla/num.h"
#include <string.h>

struct args {
    struct nb_ints shape;
    struct nb_init init;
    struct nb_tensor value;
};

/* The shape that is given, or that of the value; both must agree. */
static int shape_of(const struct nb_infer *s, struct nb_shape *shape, struct nb_error *e)
{
    const struct args *p = s->args;
    char left[200], right[200];
    if (!p->shape.v && !p->value.data)
        return nb_fail(e, NB_E_missing_argument, "Parameter needs shape, or value");
    if (p->shape.n > NB_MAX_RANK)
        return nb_fail(e, NB_E_bad_argument, "a tensor has at most %d dimensions", NB_MAX_RANK), nb_at(e, "shape");
    *shape = (struct nb_shape){.rank = (int)p->shape.n};
    for (size_t i = 0; i < p->shape.n; i++)
        shape->dim[i] = p->shape.v[i];
    if (!nb_shape_known(shape))
        return nb_fail(e, NB_E_bad_argument, "a learned tensor has known sizes, %s came",
                       nb_shape_text(shape, s->symbols, left, sizeof left)),
               nb_at(e, "shape");
    if (!p->value.data)
        return 0;
    if (p->shape.v && nb_shape_same(shape, &p->value.shape) != 1)
        return nb_fail(e, NB_E_bad_argument, "value is %s, shape says %s",
                       nb_shape_text(&p->value.shape, NULL, left, sizeof left),
                       nb_shape_text(shape, NULL, right, sizeof right)),
               nb_at(e, "value");
    *shape = p->value.shape;
    return 0;
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *p = s->args;
    if (shape_of(s, &s->out[0], e))
        return -1;
    s->nw = 1;
    s->w[0] = (struct nb_weight){.name = "", .shape = s->out[0], .init = p->init};
    if (p->init.kind == NB_INIT_DEFAULT)
        s->w[0].init.kind = NB_INIT_ZEROS;
    return 0;
}

static int copy(const struct nb_tensor *from, const struct nb_tensor *to)
{
    if (to->data && to->data != from->data)
        memcpy(to->data, from->data, (size_t)nb_count(&from->shape) * sizeof(nb_real));
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return copy(&c->w[0], &c->out[0]);
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return copy(&c->gout[0], &c->gw[0]);
}

static const struct nb_arg args[] = {
    {"shape", NB_ARG_SHAPE, offsetof(struct args, shape), 0, 0, INT32_MAX, 0, NULL,
     "its sizes; may be left out if value is given"},
    {"init", NB_ARG_INIT, offsetof(struct args, init), 0, 0, 0, 0, NULL, "how it starts: zeros, unless said"},
    {"value", NB_ARG_TENSOR, offsetof(struct args, value), 0, 0, 0, 0, NULL, "what it starts as, instead of init"},
    {0},
};
static const struct nb_case cases[] = {
    {"\"shape\": [5, 7], \"init\": {\"normal\": [0, 1]}", "", false},
    {"\"value\": [[1.5, -2, 3], [0.25, 5, -6]]", "", false},
    {0},
};

const struct nb_module NB(nb_module_parameter)[] = {
    {
        .type = "Parameter",
        .summary = "A learned tensor of its own, named like its node.",
        .formula = "y = w",
        .derivative = "dw = g",
        .args = args,
        .args_size = sizeof(struct args),
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "W",
        .alias = true,
        .cases = cases,
    },
    {0},
};
