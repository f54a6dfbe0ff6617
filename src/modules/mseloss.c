/* MSELoss: the squared difference. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
};

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        t[i] = (x[i] - y[i]) * (x[i] - y[i]);
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        dx[i] = 2 * (x[i] - y[i]);
        dy[i] = 2 * (y[i] - x[i]);
    }
}

static const struct nb_terms terms = {.value = value, .slope = slope};

NB_TERMS_LOSS(terms)

static const struct nb_arg args[] = {NB_REDUCTION(struct args, NB_MEAN), {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7", false},
    {"\"reduction\": \"none\"", "7x3x5 7x3x5", false},
    {"\"reduction\": \"sum\"", "5x7 5x7", false},
    {"\"reduction\": \"batchmean\"", "7x3x5 7x3x5", false},
    {0},
};

static const struct nb_known mseloss_mistakes[] = {
    {.code = "mse_square", .formula = "d*(x - target)", .hint = "The square is to be differentiated: 2 (x - t)."},
    {.code = "mse_target_missing", .formula = "d*x/(x - target)", .hint = "Subtract the target."},
    {.code = "mse_sign_only",
     .formula = "d/abs(x - target)",
     .hint = "That is the derivative of the absolute value: 2 (x - t)."},
    {.code = "mse_plus", .formula = "d*(x + target)/(x - target)", .hint = "A sign: x - t."},
    {0},
};

const struct nb_module NB(nb_module_mseloss)[] = {
    {
        .type = "MSELoss",
        .mistakes = mseloss_mistakes,
        .summary = "The squared difference to the target, entry by entry.",
        .formula = "y = (x - t)^2",
        .derivative = "dx = 2 g\\,(x - t),\\quad dt = 2 g\\,(t - x)",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_pair_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "P",
        .cases = cases,
    },
    {0},
};
