/* CumSum: running sums along a dimension. */
#include "modules/rows.h"

struct args {
    int64_t dim;
};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *args = s->args;
    s->out[0] = s->in[0];
    return nb_axis_in(s, "dim", args->dim, s->in[0].rank, e) < 0 ? -1 : 0;
}

/* Running sums of the n entries `step` apart; a negative step goes from the end. */
static void run(size_t n, ptrdiff_t step, const nb_real *x, nb_real *y)
{
    nb_sum s = 0;
    for (ptrdiff_t i = 0; n-- > 0; i += step)
        y[i] = (nb_real)(s += x[i]);
}

static void run_all(const void *p, const struct nb_shape *s, bool back, const nb_real *x, nb_real *y)
{
    const struct args *args = p;
    struct nb_around a = nb_around_of(s, nb_axis(args->dim, s->rank));
    ptrdiff_t step = back ? -(ptrdiff_t)a.inner : (ptrdiff_t)a.inner;
    if (a.n == 0)
        return;
    for (size_t o = 0; o < a.outer; o++)
        for (size_t i = 0; i < a.inner; i++) {
            size_t first = (o * a.n + (back ? a.n - 1 : 0)) * a.inner + i;
            run(a.n, step, x + first, y + first);
        }
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    run_all(c->args, &c->in[0].shape, false, c->in[0].data, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->gin[0].data)
        run_all(c->args, &c->in[0].shape, true, c->gout[0].data, c->gin[0].data);
    return 0;
}

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"dim", NB_ARG_INT, offsetof(struct args, dim), 0, 0, 0, NB_REQUIRED, NULL, "the dimension summed along"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"dim\": 0", "17", false},
    {"\"dim\": -1", "5x7", false},
    {"\"dim\": 1", "7x5x3", false},
    {0},
};

const struct nb_module NB(nb_module_cumsum)[] = {
    {
        .type = "CumSum",
        .onnx = "CumSum",
        .summary = "Running sums along a dimension.",
        .formula = "y_i = \\sum_{j \\le i} x_j",
        .derivative = "\\bar x_j = \\sum_{i \\ge j} g_i",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .cases = cases,
    },
    {0},
};
