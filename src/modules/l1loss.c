/* L1Loss: the absolute difference. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
};

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        t[i] = nb_abs(x[i] - y[i]);
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_part sign = nb_sign(x[i] - y[i]);
        dx[i] = sign;
        dy[i] = -sign;
    }
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const nb_real *x = c->in[0].data, *t = c->in[1].data;
    for (size_t i = 0; i < nb_entries(&c->in[0]); i++)
        if (nb_side(b, nb_re(x[i]), nb_re(t[i])))
            for (int k = 0; k < 2; k++)
                nb_at_edge(b, k, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

static const struct nb_terms terms = {.value = value, .slope = slope};

NB_TERMS_LOSS(terms)

static const struct nb_arg args[] = {NB_REDUCTION(struct args, NB_MEAN), {0}};

static const struct nb_kink kinks[] = {{"x = t", "0"}, {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7", false},
    {"\"reduction\": \"none\"", "7x3x5 7x3x5", false},
    {"\"reduction\": \"sum\"", "5x7 5x7", false},
    {"\"reduction\": \"batchmean\"", "7x3x5 7x3x5", false},
    {0},
};

static const struct nb_known l1loss_mistakes[] = {
    {.code = "l1_square",
     .formula = "d*abs(x - target)",
     .hint = "That is the derivative of the square; here only the sign counts."},
    {.code = "l1_sign_of_input",
     .formula = "d*sign(x)*sign(x - target)",
     .hint = "The sign of the difference, not of the input."},
    {0},
};

const struct nb_module NB(nb_module_l1loss)[] = {
    {
        .type = "L1Loss",
        .mistakes = l1loss_mistakes,
        .summary = "The absolute difference to the target, entry by entry.",
        .formula = "y = |x - t|",
        .derivative = "dx = g\\,\\operatorname{sign}(x - t),\\quad dt = -dx",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_pair_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "P",
        .cases = cases,
    },
    {0},
};
