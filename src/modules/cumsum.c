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

/* Running sums of n entries; a negative step goes from the end. */
static void run(size_t n, ptrdiff_t step, const nb_real *x, nb_real *y)
{
    nb_sum s = 0;
    for (ptrdiff_t i = 0; n-- > 0; i += step)
        y[i] = (nb_real)(s += x[i]);
}

/* The same for neighbouring columns at once, row by row. */
static void run_columns(size_t n, size_t columns, ptrdiff_t step, const nb_real *x, nb_real *y)
{
    enum { BLOCK = 64 };
    for (size_t first = 0; first < columns; first += BLOCK) {
        nb_sum s[BLOCK] = {0};
        size_t width = columns - first < BLOCK ? columns - first : BLOCK;
        ptrdiff_t at = (ptrdiff_t)first;
        for (size_t i = 0; i < n; i++, at += step)
            for (size_t k = 0; k < width; k++)
                y[at + (ptrdiff_t)k] = (nb_real)(s[k] += x[at + (ptrdiff_t)k]);
    }
}

static void run_all(const void *p, const struct nb_shape *s, bool back, const nb_real *x, nb_real *y)
{
    const struct args *args = p;
    struct nb_around a = nb_around_of(s, nb_axis(args->dim, s->rank));
    size_t all = a.n * a.inner, first = back && a.n ? all - a.inner : 0;
    ptrdiff_t step = back ? -(ptrdiff_t)a.inner : (ptrdiff_t)a.inner;
    for (size_t o = 0; o < a.outer; o++, first += all)
        if (a.inner == 1)
            run(a.n, step, x + first, y + first);
        else
            run_columns(a.n, a.inner, step, x + first, y + first);
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

static const struct nb_known cumsum_mistakes[] = {
    {.code = "cumsum_forward",
     .formula = "cumsum(g, dim)",
     .hint = "The sum runs from the end: an entry goes into all sums after it."},
    {.code = "cumsum_all",
     .formula = "d*0 + sum(g, dim, keepdim=1)",
     .hint = "An entry goes into the sums after it, not into all."},
    {0},
};

const struct nb_module NB(nb_module_cumsum)[] = {
    {
        .type = "CumSum",
        .mistakes = cumsum_mistakes,
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
