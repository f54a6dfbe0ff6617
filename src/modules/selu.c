/* SELU, CELU: exponential linear units, scaled so that nets keep mean and variance, or smooth for every alpha. */
#include "pointwise.h"

/* ---- SELU ------------------------------------------------------------------------------------------------------- */

#define SELU                                                                                                           \
    const nb_part lambda = (nb_part)1.0507009873554805;                                                                \
    const nb_part least = (nb_part)1.7580993408473766 /* lambda alpha */

NB_POINTWISE(selu, SELU, nb_re(x) > 0 ? lambda * x : least * nb_expm1(x),
             nb_re(x) > 0 ? (nb_real)lambda : least * nb_exp(x))
NB_EDGE_AT(selu, , 0, true)

static const struct nb_kink selu_kinks[] = {{"x = 0", "1.7580993408473766"}, {0}};

static const struct nb_known selu_mistakes[] = {
    {.code = "selu_at_output",
     .formula = "g*where(x > 0, 1.0507009873554805, y)",
     .hint = "Below zero the slope is y + lambda alpha."},
    {.code = "selu_alpha_missing",
     .formula = "g*1.0507009873554805*where(x > 0, 1, exp(x))",
     .hint = "Below zero the slope is lambda alpha e^x."},
    {.code = "selu_lambda_missing",
     .formula = "g*where(x > 0, 1.0507009873554805, 1.6732632423543772*exp(x))",
     .hint = "Lambda multiplies both branches."},
    {.code = "selu_as_relu",
     .formula = "1.0507009873554805*g*(x > 0)",
     .hint = "Below zero the slope is lambda alpha e^x, not 0."},
    {0},
};

/* ---- CELU ------------------------------------------------------------------------------------------------------- */

struct celu {
    double alpha;
};
#define CELU const nb_part alpha = (nb_part)((const struct celu *)args)->alpha

NB_POINTWISE(celu, CELU, nb_re(x) > 0 ? x : alpha * nb_expm1(x / alpha), nb_re(x) > 0 ? (nb_real)1 : nb_exp(x / alpha))

static const struct nb_arg celu_args[] = {
    {"alpha", NB_ARG_REAL, offsetof(struct celu, alpha), 1, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL,
     "-alpha is the limit for x to -infinity"},
    {0},
};
static const struct nb_case celu_cases[] = {
    {"\"alpha\": 1.7", "5x7", false}, {"\"alpha\": 0.7", "3x17", false}, {NULL, "33", false}, {0}};

static const struct nb_known celu_mistakes[] = {
    {.code = "celu_alpha_kept",
     .formula = "g*where(x > 0, 1, alpha*exp(x/alpha))",
     .hint = "The alpha in front cancels against that of the exponent."},
    {.code = "celu_exponent", .formula = "g*where(x > 0, 1, exp(x))", .hint = "The exponent is x/alpha."},
    {.code = "celu_at_output", .formula = "g*where(x > 0, 1, y)", .hint = "Below zero the slope is y/alpha + 1."},
    {.code = "celu_as_relu", .formula = "g*(x > 0)", .hint = "Below zero the slope is e^(x/alpha), not 0."},
    {0},
};

const struct nb_module NB(nb_module_selu)[] = {
    {
        .type = "SELU",
        .mistakes = selu_mistakes,
        .onnx = "Selu",
        .summary = "Scaled exponential linear unit: nets of it keep mean 0 and variance 1.",
        .formula = "y = \\lambda x \\text{ if } x > 0 \\text{ else } \\lambda \\alpha (e^x - 1), \\quad "
                   "\\lambda = 1.0507009873554805, \\ \\alpha = 1.6732632423543772",
        .derivative = "dx = \\lambda g \\text{ if } x > 0 \\text{ else } \\lambda \\alpha e^x g",
        .source = "Klambauer, Unterthiner, Mayr, Hochreiter 2017",
        NB_POINTWISE_ROW,
        NB_CALLS(selu),
        .kinks = selu_kinks,
        .branches = selu_branches,
        .cases = nb_map_cases,
    },
    {
        .type = "CELU",
        .mistakes = celu_mistakes,
        .onnx = "Celu",
        .summary = "Exponential linear unit whose slope is continuous for every alpha.",
        .formula = "y = x \\text{ if } x > 0 \\text{ else } \\alpha (e^{x / \\alpha} - 1)",
        .derivative = "dx = g \\text{ if } x > 0 \\text{ else } e^{x / \\alpha} g",
        .source = "Barron 2017",
        .args = celu_args,
        .args_size = sizeof(struct celu),
        NB_POINTWISE_ROW,
        NB_CALLS(celu),
        .cases = celu_cases,
    },
    {0},
};
