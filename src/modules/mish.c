/* Mish, Softsign. */
#include "pointwise.h"

/* tanh(softplus(x)) as a quotient in z = e^-|x|, which neither overflows nor cancels. */
static inline nb_real gate(nb_real x)
{
    nb_real z = nb_exp(-nb_abs(x)), up = nb_re(x) < 0 ? z * (z + 2) : 1 + 2 * z;
    return up / (nb_re(x) < 0 ? up + 2 : up + 2 * z * z);
}

/* (1 - gate^2) sigma(x) */
static inline nb_real gate_slope(nb_real x)
{
    nb_real z = nb_exp(-nb_abs(x)), down = nb_re(x) < 0 ? z * (z + 2) + 2 : 1 + 2 * z + 2 * z * z;
    return 4 * (nb_re(x) < 0 ? z : z * z) * (1 + z) / (down * down);
}

NB_POINTWISE(mish, , x *gate(x), gate(x) + x * gate_slope(x))
NB_POINTWISE(softsign, , x / (1 + nb_abs(x)), 1 / ((1 + nb_abs(x)) * (1 + nb_abs(x))))

static const struct nb_known mish_mistakes[] = {
    {.code = "mish_gate_only",
     .formula = "g*tanh(softplus(x))",
     .hint = "Product rule: two terms. That of the second factor is missing."},
    {.code = "mish_slope_only",
     .formula = "g*x*(1 - tanh(softplus(x))^2)*sigmoid(x)",
     .hint = "Product rule: two terms. That of the first factor is missing."},
    {.code = "mish_inner_missing",
     .formula = "g*(tanh(softplus(x)) + x*(1 - tanh(softplus(x))^2))",
     .hint = "Chain rule: the slope of softplus, the sigmoid, is missing."},
    {.code = "mish_minus",
     .formula = "g*(tanh(softplus(x)) - x*(1 - tanh(softplus(x))^2)*sigmoid(x))",
     .hint = "A sign: the two terms are added."},
    {0},
};

static const struct nb_known softsign_mistakes[] = {
    {.code = "softsign_square_missing", .formula = "g/(1 + abs(x))", .hint = "The square is missing."},
    {.code = "softsign_square_inside", .formula = "g/(1 + x^2)", .hint = "The whole denominator is squared."},
    {.code = "softsign_value", .formula = "g*y", .hint = "That is the function itself: 1/(1 + |x|)^2."},
    {.code = "softsign_signed", .formula = "d*sign(x)", .hint = "The signs cancel: the slope is never negative."},
    {0},
};

const struct nb_module NB(nb_module_mish)[] = {
    {
        .type = "Mish",
        .mistakes = mish_mistakes,
        .onnx = "Mish",
        .summary = "The input times the tanh of its softplus.",
        .formula = "y = x \\tanh(\\ln(1 + e^x))",
        .derivative = "dx = g \\, (t + x (1 - t^2) \\sigma(x)), \\quad t = \\tanh(\\ln(1 + e^x))",
        .source = "Misra 2020",
        NB_POINTWISE_ROW,
        NB_CALLS(mish),
        .cases = nb_map_cases,
        .lo = -4,
        .hi = 4,
    },
    {
        .type = "Softsign",
        .mistakes = softsign_mistakes,
        .onnx = "Softsign",
        .summary = "From -1 to 1 like tanh, with long tails.",
        .formula = "y = \\frac{x}{1 + |x|}",
        .derivative = "dx = \\frac{g}{(1 + |x|)^2}",
        NB_POINTWISE_ROW,
        NB_CALLS(softsign),
        .cases = nb_map_cases,
        .lo = -4,
        .hi = 4,
    },
    {0},
};
