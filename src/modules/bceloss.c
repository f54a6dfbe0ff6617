/* BCELoss: binary cross-entropy of probabilities. Exact: nothing is clamped, 0 ln 0 = 0. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
};

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        t[i] = -nb_times(y[i], nb_log(x[i])) - nb_times(1 - y[i], nb_log1p(-x[i]));
}

/* (x - y) / (x (1 - x)). At x = y = 0 and x = y = 1 only one of the terms is there: 1 and -1. */
NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real d = x[i] * (1 - x[i]);
        dx[i] = d == 0 && x[i] == y[i] ? 1 - 2 * y[i] : (x[i] - y[i]) / d;
        dy[i] = nb_log1p(-x[i]) - nb_log(x[i]);
    }
}

static const struct nb_terms terms = {.value = value, .slope = slope};

NB_TERMS_LOSS(terms)

static const struct nb_arg args[] = {NB_REDUCTION(struct args, NB_MEAN), {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7u 5x7u", false},
    {"\"reduction\": \"none\"", "7x3x5u 7x3x5u", false},
    {"\"reduction\": \"sum\"", "5x7u 5x7b", false},
    {"\"reduction\": \"batchmean\"", "7x3x5u 7x3x5u", false},
    {0},
};

static const struct nb_known bceloss_mistakes[] = {
    {.code = "bce_denominator_missing",
     .formula = "d*x*(1 - x)",
     .hint = "Divide by p(1 - p): it cancels only if a sigmoid comes before."},
    {.code = "bce_first_term",
     .formula = "d*target*(1 - x)/(target - x)",
     .hint = "Two terms: that of 1 - t is missing."},
    {.code = "bce_second_term", .formula = "d*(1 - target)*x/(x - target)", .hint = "Two terms: that of t is missing."},
    {.code = "bce_second_sign",
     .formula = "d*(target*(1 - x) + (1 - target)*x)/(target - x)",
     .hint = "The sign of the second term: the derivative of ln(1 - p) is -1/(1 - p)."},
    {0},
};

const struct nb_module NB(nb_module_bceloss)[] = {
    {
        .type = "BCELoss",
        .mistakes = bceloss_mistakes,
        .summary = "Binary cross-entropy of probabilities, entry by entry.",
        .formula = "y = -t \\ln x - (1 - t) \\ln(1 - x)",
        .derivative = "dx = g\\,\\frac{x - t}{x\\,(1 - x)},\\quad dt = g\\,(\\ln(1 - x) - \\ln x)",
        .note = "Exact: nothing is clamped, 0 ln 0 is 0, and a wrong certainty costs infinity (PyTorch stops at 100, "
                "with a gradient that is of no use). On logits BCEWithLogitsLoss keeps all digits.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_pair_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "P",
        .lo = 0.05,
        .hi = 0.95,
        .cases = cases,
    },
    {0},
};
