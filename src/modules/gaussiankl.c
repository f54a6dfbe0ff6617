/* GaussianKL: the divergence of a diagonal Gaussian from the standard one, as variational autoencoders need it. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
};

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *mu, const nb_real *l, nb_real *t)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        t[i] = (nb_part)0.5 * (mu[i] * mu[i] + (nb_expm1(l[i]) - l[i]));
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *mu, const nb_real *l, nb_real *dmu,
                          nb_real *dl)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        dmu[i] = mu[i];
        dl[i] = (nb_part)0.5 * nb_expm1(l[i]);
    }
}

static const struct nb_terms terms = {.value = value, .slope = slope, .per_sample = true, .names = {"mu", "logvar"}};

NB_TERMS_LOSS(terms)

static const struct nb_port inputs[] = {{"mu", NB_REAL_PORT, 0}, {"logvar", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {NB_REDUCTION(struct args, NB_BATCHMEAN), {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7", false},
    {"\"reduction\": \"none\"", "7x3x5 7x3x5", false},
    {"\"reduction\": \"sum\"", "17 17", false},
    {"\"reduction\": \"mean\"", "3x33 3x33", false},
    {0},
};

static const struct nb_known gaussiankl_mistakes[] = {
    {.code = "gaussiankl_mean_value",
     .formula = "g*share*mu^2/2",
     .hint = "That is the term itself: its derivative is mu."},
    {.code = "gaussiankl_by_variance",
     .formula = "g*share*mu*exp(-logvar)",
     .hint = "The mean is not divided by the variance: the other Gaussian has variance 1."},
    {.code = "gaussiankl_one_missing",
     .of = "logvar",
     .formula = "g*share*exp(logvar)/2",
     .hint = "The term -logvar has a derivative, too: -1/2."},
    {.code = "gaussiankl_deviation",
     .of = "logvar",
     .formula = "g*share*(exp(2*logvar) - 1)",
     .hint = "That would be so if the input were the logarithm of the deviation; it is that of the variance."},
    {.code = "gaussiankl_sign",
     .of = "logvar",
     .formula = "g*share*(exp(logvar) + 1)/2",
     .hint = "A sign: the term -logvar gives -1/2."},
    {0},
};

const struct nb_module NB(nb_module_gaussiankl)[] = {
    {
        .type = "GaussianKL",
        .mistakes = gaussiankl_mistakes,
        .summary = "The Kullback-Leibler divergence of a diagonal Gaussian from the standard one, for each sample.",
        .formula = "y_b = \\tfrac12 \\sum_i \\bigl(\\mu_{bi}^2 + e^{\\ell_{bi}} - \\ell_{bi} - 1\\bigr),\\quad "
                   "\\ell = \\ln \\sigma^2",
        .derivative = "d\\mu_{bi} = g_b\\,\\mu_{bi},\\quad d\\ell_{bi} = \\tfrac12 g_b\\,(e^{\\ell_{bi}} - 1)",
        .source = "Kingma, Welling 2014",
        .note = "logvar is the logarithm of the variance. Computed with expm1.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
