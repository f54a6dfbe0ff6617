/* OneHot: class numbers as rows of 0 with a single 1. */
#include "modules/rows.h"
#include <string.h>

struct args {
    int64_t num_classes;
};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *args = s->args;
    if (s->in[0].rank == NB_MAX_RANK)
        return nb_fail(e, NB_E_shape_mismatch, "the input has %d dimensions already", s->in[0].rank);
    s->out[0] = s->in[0];
    s->out[0].dim[s->out[0].rank++] = args->num_classes;
    return 0;
}

/* The fault lies at entry i. */
static int fail_at(const struct nb_shape *s, size_t i, double v, int64_t classes, struct nb_error *e)
{
    nb_fail(e, NB_E_bad_index, "class numbers are whole, from 0 to %lld; %g came", (long long)classes - 1, v);
    e->port = 1;
    for (int d = s->rank - 1; d >= 0; d--) {
        nb_at_index(e, i % (size_t)s->dim[d]);
        i /= (size_t)s->dim[d];
    }
    return -1;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    const struct args *args = c->args;
    size_t count = nb_known(&c->in[0].shape), n = (size_t)args->num_classes;
    nb_real *y = c->out[0].data;
    memset(y, 0, count * n * sizeof *y);
    for (size_t i = 0; i < count; i++, y += n) {
        double v = nb_number(&c->in[0], i);
        if (!(v >= 0 && v < (double)n && v == floor(v)))
            return fail_at(&c->in[0].shape, i, v, args->num_classes, e);
        y[(size_t)v] = 1;
    }
    return 0;
}

static const struct nb_port ports[] = {{"input", NB_ANY_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"num_classes", NB_ARG_INT, offsetof(struct args, num_classes), 0, 1, INT32_MAX, NB_REQUIRED | NB_OPEN_SIZE, NULL,
     "size of the new last dimension"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"num_classes\": 7", "5c7", false},
    {"\"num_classes\": 17", "3x5c17", false},
    {0},
};

const struct nb_module NB(nb_module_onehot)[] = {
    {
        .type = "OneHot",
        .onnx = "OneHot",
        .summary = "A row of zeros with a 1 at the place of the class number.",
        .formula = "y_{\\ldots c} = [x_{\\ldots} = c]",
        .derivative = "\\bar x = 0",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .no_backward = "class numbers are whole: the derivative is 0 wherever it exists",
        .jacobian = "D",
        .cases = cases,
    },
    {0},
};
