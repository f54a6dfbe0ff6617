/* TotalVariation: the sum of the absolute differences of neighbours. */
#include "modules/loss.h"
#include "modules/rows.h"

struct args {
    int64_t reduction;
    struct nb_ints dim;
};

/* Along which dimensions; none named: the third and all that follow, or else the last. */
static unsigned along(const void *args, int rank)
{
    const struct args *a = args;
    if (a->dim.n)
        return nb_axes(&a->dim, rank);
    return rank > 2 ? (1u << rank) - 4 : rank ? 1u << (rank - 1) : 0;
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    struct nb_shape each = s->in[0].rank > 1 ? nb_samples(&s->in[0]) : nb_shape_of(0);
    unsigned mask;
    if (s->in[0].rank == 0)
        return nb_fail(e, NB_E_shape_mismatch, "input is a single number: it has no neighbours");
    if (nb_axes_in(s, "dim", &a->dim, &mask, e))
        return -1;
    if (a->dim.n && s->in[0].rank > 1 && mask & 1) {
        nb_fail(e, NB_E_bad_argument, "dimension 0 numbers the samples: they are no neighbours");
        return nb_at(e, "dim");
    }
    nb_loss_out(s, &each);
    return 0;
}

/* In n entries of a row, from one to the one `step` further on. */
NB_SIMD static nb_sum differences(size_t n, size_t step, const nb_real *x)
{
    nb_sum s = 0;
    NB_LOOP_SUM(s)
    for (size_t i = 0; i < n; i++)
        s += nb_abs(x[i + step] - x[i]);
    return s;
}

/* The pieces of one sample along one dimension: outer of them, each (n - 1) * inner differences. */
static struct nb_around piece(const struct nb_call *c, int axis)
{
    struct nb_around r = nb_around_of(&c->in[0].shape, axis);
    r.outer /= nb_row_batch(&c->in[0].shape) ? nb_row_batch(&c->in[0].shape) : 1;
    return r;
}

static nb_sum value(const struct nb_call *c, size_t sample)
{
    const struct nb_shape *s = &c->in[0].shape;
    nb_sum sum = 0;
    for (int axis = 0; axis < s->rank; axis++) {
        struct nb_around r = piece(c, axis);
        const nb_real *x = (const nb_real *)c->in[0].data + sample * r.outer * r.n * r.inner;
        for (size_t o = 0; o < r.outer && r.n > 1 && along(c->args, s->rank) >> axis & 1; o++)
            sum += differences((r.n - 1) * r.inner, r.inner, x + o * r.n * r.inner);
    }
    return sum;
}

NB_SIMD static void add_signs(size_t n, size_t step, const nb_real *x, nb_real g, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] -= g * nb_sign(x[i + step] - x[i]);
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i + step] += g * nb_sign(x[i + step] - x[i]);
}

static void slope(const struct nb_call *c, size_t sample, nb_real g)
{
    const struct nb_shape *s = &c->in[0].shape;
    size_t n = nb_entries(&c->in[0]) / nb_row_batch(s);
    const nb_real *x = (const nb_real *)c->in[0].data + sample * n;
    nb_real *dx = (nb_real *)c->gin[0].data + sample * n;
    memset(dx, 0, n * sizeof *dx);
    for (int axis = 0; axis < s->rank; axis++) {
        struct nb_around r = piece(c, axis);
        for (size_t o = 0; o < r.outer && r.n > 1 && g != 0 && along(c->args, s->rank) >> axis & 1; o++)
            add_signs((r.n - 1) * r.inner, r.inner, x + o * r.n * r.inner, g, dx + o * r.n * r.inner);
    }
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_each_row(c, nb_row_batch(&c->in[0].shape), nb_row_batch(&c->in[0].shape), value);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->gin[0].data)
        nb_each_row_back(c, nb_row_batch(&c->in[0].shape), nb_row_batch(&c->in[0].shape), slope);
    return 0;
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const struct nb_shape *s = &c->in[0].shape;
    const nb_real *x = c->in[0].data;
    size_t count = nb_entries(&c->in[0]);
    for (int axis = 0; axis < s->rank; axis++) {
        struct nb_around r = nb_around_of(s, axis);
        for (size_t i = 0; i < count && along(c->args, s->rank) >> axis & 1; i++)
            if (i / r.inner % r.n + 1 < r.n && nb_side(b, nb_re(x[i]), nb_re(x[i + r.inner])))
                for (int k = 0; k < 2; k++)
                    nb_at_edge(b, 0, (int64_t)(i + (size_t)k * r.inner), NB_EDGE_SIDE,
                               (int64_t)((size_t)axis * count + i));
    }
}

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"dim", NB_ARG_INTS, offsetof(struct args, dim), 0, 0, 0, 0, NULL,
     "along which dimensions entries are neighbours; left out: the third and all that follow, or else the last"},
    NB_REDUCTION(struct args, NB_SUM),
    {0},
};

static const struct nb_kink kinks[] = {{"two neighbours are equal", "0"}, {0}};

static const struct nb_case cases[] = {
    {NULL, "2x3x5x7", false},
    {"\"reduction\": \"none\"", "5x7", false},
    {"\"dim\": [1, -1], \"reduction\": \"mean\"", "3x5x7", false},
    {"\"reduction\": \"batchmean\"", "3x2x17", false},
    {NULL, "17", false},
    {0},
};

static const struct nb_known totalvariation_mistakes[] = {
    {.code = "variation_of_signs",
     .formula = "unsqueeze(g*share, -1)*sign(x)",
     .hint = "The signs of differences, not of the entries."},
    {0},
};

const struct nb_module NB(nb_module_totalvariation)[] = {
    {
        .type = "TotalVariation",
        .mistakes = totalvariation_mistakes,
        .summary = "The sum of the absolute differences of neighbours, for each sample: small for smooth images.",
        .formula = "y_b = \\sum_{d} \\sum_i |x_{i + e_d} - x_i|",
        .derivative = "dx_i = g_b \\sum_d \\bigl(\\operatorname{sign}(x_i - x_{i - e_d}) - "
                      "\\operatorname{sign}(x_{i + e_d} - x_i)\\bigr)",
        .source = "Rudin, Osher, Fatemi 1992; the anisotropic form",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "D",
        .cases = cases,
    },
    {0},
};
