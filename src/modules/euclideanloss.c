/* EuclideanLoss: half the squared distance. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
};

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        t[i] = (nb_part)0.5 * (y[i] - x[i]) * (y[i] - x[i]);
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        dx[i] = x[i] - y[i];
        dy[i] = y[i] - x[i];
    }
}

static const struct nb_terms terms = {.value = value, .slope = slope, .per_sample = true};

NB_TERMS_LOSS(terms)

static const struct nb_arg args[] = {NB_REDUCTION(struct args, NB_BATCHMEAN), {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7", false},
    {"\"reduction\": \"none\"", "7x3x5 7x3x5", false},
    {"\"reduction\": \"sum\"", "5x7 5x7", false},
    {"\"reduction\": \"mean\"", "5 5", false},
    {0},
};

static const struct nb_known euclideanloss_mistakes[] = {
    {.code = "euclidean_square", .formula = "d*(x - target)", .hint = "The square is to be differentiated: x - t."},
    {.code = "euclidean_target_missing", .formula = "d*x/(x - target)", .hint = "Subtract the target."},
    {.code = "euclidean_sign_only",
     .formula = "d/abs(x - target)",
     .hint = "That is the derivative of the absolute value."},
    {.code = "euclidean_normalised",
     .formula = "d/norm(x - target, dim=-1, keepdim=1)",
     .hint = "That is the derivative of the distance, not of half its square."},
    {0},
};

const struct nb_module NB(nb_module_euclideanloss)[] = {
    {
        .type = "EuclideanLoss",
        .mistakes = euclideanloss_mistakes,
        .summary = "Half the squared Euclidean distance to the target, for each sample.",
        .formula = "y_b = \\tfrac12 \\sum_i (t_{bi} - x_{bi})^2",
        .derivative = "dx_{bi} = g_b\\,(x_{bi} - t_{bi}),\\quad dt_{bi} = g_b\\,(t_{bi} - x_{bi})",
        .note = "Not PyTorch's MSELoss, which has no 1/2 and divides by the number of entries.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_pair_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
