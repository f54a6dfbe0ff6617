/* Functions, one module each: Abs, Neg, Square, roots, exponentials, logarithms, circles, hyperbolas, Erf. */
#include "pointwise.h"

/* NaN where the function is not defined, in the complex build too. */
static inline nb_real where(bool defined, nb_real y)
{
    return defined ? y : (nb_real)NAN;
}

/* |x| <= 1; NaN is let through, to come out as NaN. */
static inline bool in_unit(nb_real x)
{
    return !(nb_re(x) < -1) & !(nb_re(x) > 1);
}

/* sqrt(1 - x^2), without losing digits next to 1. */
static inline nb_real across(nb_real x)
{
    return nb_sqrt((1 - x) * (1 + x));
}

/* Beyond this 1 + x^2 is x^2, and would soon overflow. */
#define FAR (nb_part)(NB_BUILD == 0 ? 0x1p14 : 0x1p28)

/* By log1p, exact next to 0, on the positive side: log would cancel on the other. */
static inline nb_real arsinh(nb_real x)
{
    nb_real a = nb_abs(x), y = nb_log1p(a + a * a / (1 + nb_sqrt(1 + a * a)));
    y = nb_re(a) > FAR ? nb_log(a) + (nb_part)M_LN2 : y;
    return nb_re(x) < 0 ? -y : y;
}

static inline nb_real arsinh_slope(nb_real x)
{
    nb_real a = nb_abs(x);
    return 1 / (nb_re(a) > FAR ? a : nb_sqrt(1 + a * a));
}

static inline nb_real arcosh(nb_real x)
{
    nb_real t = x - 1;
    return nb_re(x) > FAR ? nb_log(x) + (nb_part)M_LN2 : nb_log1p(t + nb_sqrt(t * (t + 2)));
}

static inline nb_real arcosh_slope(nb_real x)
{
    return 1 / (nb_re(x) > FAR ? x : nb_sqrt((x - 1) * (x + 1)));
}

static inline nb_real artanh(nb_real x)
{
    nb_real a = nb_abs(x), y = (nb_part)0.5 * nb_log1p(2 * a / (1 - a));
    y = nb_re(a) == 1 ? (nb_real)INFINITY : y;
    return nb_re(x) < 0 ? -y : y;
}

NB_POINTWISE(abs, , nb_abs(x), nb_sign(x))
NB_EDGE_AT(abs, , 0, true)
NB_POINTWISE(neg, , -x, -1)
NB_POINTWISE(square, , x *x, 2 * x)
NB_POINTWISE(sqrt, , nb_sqrt(x), (nb_part)0.5 / nb_sqrt(x))
NB_EDGE_AT(sqrt, , 0, true)
NB_POINTWISE(rsqrt, , 1 / nb_sqrt(x), (nb_part)-0.5 / (x * nb_sqrt(x)))
NB_POINTWISE(reciprocal, , 1 / x, -(1 / x) * (1 / x))
NB_POINTWISE(exp, , nb_exp(x), nb_exp(x))
NB_POINTWISE(expm1, , nb_expm1(x), nb_exp(x))
NB_POINTWISE(log, , nb_log(x), where(!(nb_re(x) < 0), 1 / x))
NB_POINTWISE(log1p, , nb_log1p(x), where(!(nb_re(x) < -1), 1 / (1 + x)))
NB_POINTWISE(sin, , nb_sin(x), nb_cos(x))
NB_POINTWISE(cos, , nb_cos(x), -nb_sin(x))
NB_POINTWISE(tan, , nb_tan(x), 1 + nb_tan(x) * nb_tan(x))
NB_POINTWISE(asin, , where(in_unit(x), nb_asin(x)), 1 / across(x))
NB_POINTWISE(acos, , where(in_unit(x), nb_acos(x)), -1 / across(x))
NB_POINTWISE(atan, , nb_atan(x), 1 / (1 + x * x))
NB_POINTWISE(sinh, , nb_sinh(x), nb_cosh(x))
NB_POINTWISE(cosh, , nb_cosh(x), nb_sinh(x))
NB_POINTWISE(asinh, , arsinh(x), arsinh_slope(x))
NB_POINTWISE(acosh, , where(!(nb_re(x) < 1), arcosh(x)), arcosh_slope(x))
NB_POINTWISE(atanh, , where(in_unit(x), artanh(x)), 1 / ((1 - x) * (1 + x)))
NB_POINTWISE(erf, , nb_erf(x), (nb_part)M_2_SQRTPI *nb_exp(-x *x))

static const struct nb_kink abs_kinks[] = {{"x = 0", "0"}, {0}};
static const struct nb_kink sqrt_kinks[] = {{"x = 0", "infinity (0 where no gradient comes in)"}, {0}};

static const struct nb_known sqrt_mistakes[] = {
    {.code = "sqrt_at_input", .formula = "g/(2*x)", .hint = "The root stays in the denominator: 1/(2 sqrt(x))."},
    {.code = "sqrt_value", .formula = "g*y/2", .hint = "The root stands in the denominator."},
    {0},
};

static const struct nb_known rsqrt_mistakes[] = {
    {.code = "rsqrt_exponent", .formula = "d*x", .hint = "The exponent goes down by one: x^(-3/2)."},
    {.code = "rsqrt_as_sqrt", .formula = "g/(2*x^0.5)", .hint = "That is the derivative of the root."},
    {0},
};

static const struct nb_known reciprocal_mistakes[] = {
    {.code = "reciprocal_square_missing", .formula = "d*x", .hint = "The square is missing: -1/x^2."},
    {.code = "reciprocal_logarithm", .formula = "g*log(x)", .hint = "That is an antiderivative: -1/x^2."},
    {0},
};

static const struct nb_known square_mistakes[] = {
    {.code = "square_value", .formula = "g*y", .hint = "That is the function itself: 2 x."},
    {.code = "square_exponent", .formula = "2*g*y", .hint = "The exponent goes down by one: 2 x."},
    {0},
};

static const struct nb_known exp_mistakes[] = {
    {.code = "exp_power_rule",
     .formula = "g*x*exp(x - 1)",
     .hint = "The power rule is for powers of x: e^x is its own derivative."},
    {.code = "exp_times_x", .formula = "g*x*y", .hint = "No factor x: e^x is its own derivative."},
    {.code = "exp_again", .formula = "g*exp(y)", .hint = "y is e^x already."},
    {0},
};

static const struct nb_known expm1_mistakes[] = {
    {.code = "expm1_value", .formula = "g*y", .hint = "The derivative is e^x, which is y + 1."},
    {0},
};

static const struct nb_known log_mistakes[] = {
    {.code = "log_value", .formula = "g*y", .hint = "That is the function itself: 1/x."},
    {.code = "log_at_output", .formula = "g/y", .hint = "Divide by the input, not by the output."},
    {.code = "log_at_input", .formula = "g*x", .hint = "1/x, not x."},
    {0},
};

static const struct nb_known log1p_mistakes[] = {
    {.code = "log1p_at_input", .formula = "g/x", .hint = "The derivative is 1/(1 + x)."},
    {.code = "log1p_at_output", .formula = "g/(1 + y)", .hint = "Divide by 1 + x, with the input."},
    {.code = "log1p_value", .formula = "g*y", .hint = "That is the function itself."},
    {0},
};

static const struct nb_known sin_mistakes[] = {
    {.code = "sin_value", .formula = "g*y", .hint = "That is the function itself: its derivative is the cosine."},
    {0},
};

static const struct nb_known cos_mistakes[] = {
    {.code = "cos_value", .formula = "g*y", .hint = "That is the function itself: its derivative is minus the sine."},
    {0},
};

static const struct nb_known tan_mistakes[] = {
    {.code = "tan_minus", .formula = "g*(1 - y^2)", .hint = "A sign: 1 + tan(x)^2."},
    {.code = "tan_square_missing", .formula = "g/cos(x)", .hint = "The square is missing: 1/cos(x)^2."},
    {.code = "tan_at_input", .formula = "g*(1 + x^2)", .hint = "With the output: 1 + y^2."},
    {.code = "tan_square_only", .formula = "g*y^2", .hint = "The 1 is missing: 1 + y^2."},
    {0},
};

static const struct nb_known asin_mistakes[] = {
    {.code = "asin_root_missing",
     .formula = "g/(1 - x^2)",
     .hint = "The root is missing: 1/sqrt(1 - x^2).",
     .same = "slope_twice"},
    {.code = "asin_plus", .formula = "g/(1 + x^2)^0.5", .hint = "A sign: 1/sqrt(1 - x^2)."},
    {.code = "asin_reciprocal", .formula = "g/cos(x)", .hint = "The inverse function, not the reciprocal."},
    {0},
};

static const struct nb_known acos_mistakes[] = {
    {.code = "acos_root_missing", .formula = "-g/(1 - x^2)", .hint = "The root is missing: -1/sqrt(1 - x^2)."},
    {.code = "acos_plus", .formula = "-g/(1 + x^2)^0.5", .hint = "A sign: -1/sqrt(1 - x^2)."},
    {0},
};

static const struct nb_known atan_mistakes[] = {
    {.code = "atan_minus", .formula = "g/(1 - x^2)", .hint = "A sign: 1/(1 + x^2)."},
    {.code = "atan_root", .formula = "g/(1 + x^2)^0.5", .hint = "No root: 1/(1 + x^2)."},
    {.code = "atan_at_output", .formula = "g/(1 + y^2)", .hint = "With the input: 1/(1 + x^2)."},
    {.code = "atan_product", .formula = "g*(1 + x^2)", .hint = "That is the denominator: 1/(1 + x^2)."},
    {0},
};

static const struct nb_known sinh_mistakes[] = {
    {.code = "sinh_value", .formula = "g*y", .hint = "That is the function itself: its derivative is cosh."},
    {.code = "sinh_as_sin", .formula = "g*cos(x)", .hint = "That is the derivative of sin."},
    {0},
};

static const struct nb_known cosh_mistakes[] = {
    {.code = "cosh_value", .formula = "g*y", .hint = "That is the function itself: its derivative is sinh."},
    {.code = "cosh_as_cos", .formula = "-g*sin(x)", .hint = "That is the derivative of cos."},
    {0},
};

static const struct nb_known asinh_mistakes[] = {
    {.code = "asinh_root_missing",
     .formula = "g/(1 + x^2)",
     .hint = "The root is missing: 1/sqrt(1 + x^2).",
     .same = "slope_twice"},
    {.code = "asinh_reciprocal", .formula = "g/cosh(x)", .hint = "The inverse function, not the reciprocal."},
    {.code = "asinh_product", .formula = "g*(1 + x^2)^0.5", .hint = "The root stands in the denominator."},
    {0},
};

static const struct nb_known acosh_mistakes[] = {
    {.code = "acosh_root_missing",
     .formula = "g/(x^2 - 1)",
     .hint = "The root is missing: 1/sqrt(x^2 - 1).",
     .same = "slope_twice"},
    {.code = "acosh_plus", .formula = "g/(x^2 + 1)^0.5", .hint = "A sign: 1/sqrt(x^2 - 1)."},
    {.code = "acosh_reciprocal", .formula = "g/sinh(x)", .hint = "The inverse function, not the reciprocal."},
    {0},
};

static const struct nb_known atanh_mistakes[] = {
    {.code = "atanh_plus", .formula = "g/(1 + x^2)", .hint = "A sign: 1/(1 - x^2)."},
    {.code = "atanh_root", .formula = "g/(1 - x^2)^0.5", .hint = "No root: 1/(1 - x^2)."},
    {.code = "atanh_product", .formula = "g*(1 - x^2)", .hint = "That is the denominator: 1/(1 - x^2)."},
    {0},
};

static const struct nb_known erf_mistakes[] = {
    {.code = "erf_exponent", .formula = "g*2/pi^0.5*exp(-x)", .hint = "The exponent is -x^2."},
    {.code = "erf_normal",
     .formula = "g*2/pi^0.5*exp(-x^2/2)",
     .hint = "The exponent is -x^2, without the 1/2 of the normal density."},
    {.code = "erf_sign", .formula = "g*2/pi^0.5*exp(x^2)", .hint = "The exponent is -x^2."},
    {0},
};

static const struct nb_known abs_mistakes[] = {
    {.code = "abs_value", .formula = "g*x", .hint = "The slope is the sign, not the value."},
    {.code = "abs_step", .formula = "g*(x > 0)", .hint = "Below zero the slope is -1, not 0."},
    {0},
};

#define ROW(Type, Onnx, name, what, value, slope, ...)                                                                 \
    {                                                                                                                  \
        .type = Type, .onnx = Onnx, .summary = what, .formula = "y = " value, .derivative = "dx = " slope,             \
        NB_POINTWISE_ROW, NB_CALLS(name), .cases = nb_map_cases, __VA_ARGS__                                           \
    }

const struct nb_module NB(nb_module_elementary)[] = {
    ROW("Abs", "Abs", abs, "The absolute value.", "|x|", "g \\, \\operatorname{sign} x", .kinks = abs_kinks,
        .branches = abs_branches, .mistakes = abs_mistakes),
    ROW("Neg", "Neg", neg, "The negative.", "-x", "-g"),
    ROW("Square", NULL, square, "The square.", "x^2", "2 g x", .mistakes = square_mistakes),
    ROW("Sqrt", "Sqrt", sqrt, "The square root; NaN below 0.", "\\sqrt x", "\\frac{g}{2 \\sqrt x}", .lo = 0.2, .hi = 3,
        .kinks = sqrt_kinks, .branches = sqrt_branches, .mistakes = sqrt_mistakes),
    ROW("Rsqrt", NULL, rsqrt, "One over the square root; NaN below 0.", "x^{-1/2}", "-\\tfrac12 g \\, x^{-3/2}",
        .lo = 0.2, .hi = 3, .mistakes = rsqrt_mistakes),
    ROW("Reciprocal", "Reciprocal", reciprocal, "One over the input.", "\\frac1x", "-\\frac{g}{x^2}", .lo = 0.2,
        .hi = 3, .mistakes = reciprocal_mistakes),
    ROW("Exp", "Exp", exp, "The exponential function.", "e^x", "g \\, e^x", .mistakes = exp_mistakes),
    ROW("Expm1", NULL, expm1, "The exponential function less 1, exact next to 0.", "e^x - 1", "g \\, e^x",
        .mistakes = expm1_mistakes),
    ROW("Log", "Log", log, "The natural logarithm; NaN below 0.", "\\ln x", "\\frac gx", .lo = 0.2, .hi = 3,
        .mistakes = log_mistakes),
    ROW("Log1p", NULL, log1p, "The natural logarithm of 1 + x, exact next to 0; NaN below -1.", "\\ln(1 + x)",
        "\\frac{g}{1 + x}", .lo = -0.8, .hi = 3, .mistakes = log1p_mistakes),
    ROW("Sin", "Sin", sin, "The sine.", "\\sin x", "g \\cos x", .mistakes = sin_mistakes),
    ROW("Cos", "Cos", cos, "The cosine.", "\\cos x", "-g \\sin x", .mistakes = cos_mistakes),
    ROW("Tan", "Tan", tan, "The tangent.", "\\tan x", "g \\, (1 + \\tan^2 x)", .lo = -1.2, .hi = 1.2,
        .mistakes = tan_mistakes),
    ROW("Asin", "Asin", asin, "The inverse sine; NaN outside -1 to 1.", "\\arcsin x", "\\frac{g}{\\sqrt{1 - x^2}}",
        .lo = -0.9, .hi = 0.9, .mistakes = asin_mistakes),
    ROW("Acos", "Acos", acos, "The inverse cosine; NaN outside -1 to 1.", "\\arccos x", "-\\frac{g}{\\sqrt{1 - x^2}}",
        .lo = -0.9, .hi = 0.9, .mistakes = acos_mistakes),
    ROW("Atan", "Atan", atan, "The inverse tangent.", "\\arctan x", "\\frac{g}{1 + x^2}", .mistakes = atan_mistakes),
    ROW("Sinh", "Sinh", sinh, "The hyperbolic sine.", "\\sinh x", "g \\cosh x", .mistakes = sinh_mistakes),
    ROW("Cosh", "Cosh", cosh, "The hyperbolic cosine.", "\\cosh x", "g \\sinh x", .mistakes = cosh_mistakes),
    ROW("Asinh", "Asinh", asinh, "The inverse hyperbolic sine.", "\\operatorname{arsinh} x",
        "\\frac{g}{\\sqrt{1 + x^2}}", .mistakes = asinh_mistakes),
    ROW("Acosh", "Acosh", acosh, "The inverse hyperbolic cosine; NaN below 1.", "\\operatorname{arcosh} x",
        "\\frac{g}{\\sqrt{x^2 - 1}}", .lo = 1.2, .hi = 3, .mistakes = acosh_mistakes),
    ROW("Atanh", "Atanh", atanh, "The inverse hyperbolic tangent; NaN outside -1 to 1.", "\\operatorname{artanh} x",
        "\\frac{g}{1 - x^2}", .lo = -0.9, .hi = 0.9, .mistakes = atanh_mistakes),
    ROW("Erf", "Erf", erf, "The error function.", "\\operatorname{erf} x", "\\frac{2}{\\sqrt\\pi} g \\, e^{-x^2}",
        .mistakes = erf_mistakes),
    {0},
};
