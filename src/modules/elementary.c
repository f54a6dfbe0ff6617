/* The functions of a formula, one module each: Abs, Neg, Square, roots, exponentials, logarithms, circles, Erf. */
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
NB_POINTWISE(erf, , nb_erf(x), (nb_part)M_2_SQRTPI *nb_exp(-x *x))

static const struct nb_kink abs_kinks[] = {{"x = 0", "0"}, {0}};
static const struct nb_kink sqrt_kinks[] = {{"x = 0", "infinity (0 where no gradient comes in)"}, {0}};

#define ROW(Type, Onnx, name, what, value, slope, ...)                                                                 \
    {                                                                                                                  \
        .type = Type, .onnx = Onnx, .summary = what, .formula = "y = " value, .derivative = "dx = " slope,             \
        NB_POINTWISE_ROW, NB_CALLS(name), .cases = nb_map_cases, __VA_ARGS__                                           \
    }

const struct nb_module NB(nb_module_elementary)[] = {
    ROW("Abs", "Abs", abs, "The absolute value.", "|x|", "g \\, \\operatorname{sign} x", .kinks = abs_kinks,
        .branches = abs_branches),
    ROW("Neg", "Neg", neg, "The negative.", "-x", "-g"),
    ROW("Square", NULL, square, "The square.", "x^2", "2 g x"),
    ROW("Sqrt", "Sqrt", sqrt, "The square root; NaN below 0.", "\\sqrt x", "\\frac{g}{2 \\sqrt x}", .lo = 0.2, .hi = 3,
        .kinks = sqrt_kinks, .branches = sqrt_branches),
    ROW("Rsqrt", NULL, rsqrt, "One over the square root; NaN below 0.", "x^{-1/2}", "-\\tfrac12 g \\, x^{-3/2}",
        .lo = 0.2, .hi = 3),
    ROW("Reciprocal", "Reciprocal", reciprocal, "One over the input.", "\\frac1x", "-\\frac{g}{x^2}", .lo = 0.2,
        .hi = 3),
    ROW("Exp", "Exp", exp, "The exponential function.", "e^x", "g \\, e^x"),
    ROW("Expm1", NULL, expm1, "The exponential function less 1, exact next to 0.", "e^x - 1", "g \\, e^x"),
    ROW("Log", "Log", log, "The natural logarithm; NaN below 0.", "\\ln x", "\\frac gx", .lo = 0.2, .hi = 3),
    ROW("Log1p", NULL, log1p, "The natural logarithm of 1 + x, exact next to 0; NaN below -1.", "\\ln(1 + x)",
        "\\frac{g}{1 + x}", .lo = -0.8, .hi = 3),
    ROW("Sin", "Sin", sin, "The sine.", "\\sin x", "g \\cos x"),
    ROW("Cos", "Cos", cos, "The cosine.", "\\cos x", "-g \\sin x"),
    ROW("Tan", "Tan", tan, "The tangent.", "\\tan x", "g \\, (1 + \\tan^2 x)", .lo = -1.2, .hi = 1.2),
    ROW("Asin", "Asin", asin, "The inverse sine; NaN outside -1 to 1.", "\\arcsin x", "\\frac{g}{\\sqrt{1 - x^2}}",
        .lo = -0.9, .hi = 0.9),
    ROW("Acos", "Acos", acos, "The inverse cosine; NaN outside -1 to 1.", "\\arccos x", "-\\frac{g}{\\sqrt{1 - x^2}}",
        .lo = -0.9, .hi = 0.9),
    ROW("Atan", "Atan", atan, "The inverse tangent.", "\\arctan x", "\\frac{g}{1 + x^2}"),
    ROW("Sinh", "Sinh", sinh, "The hyperbolic sine.", "\\sinh x", "g \\cosh x"),
    ROW("Cosh", "Cosh", cosh, "The hyperbolic cosine.", "\\cosh x", "g \\sinh x"),
    ROW("Erf", "Erf", erf, "The error function.", "\\operatorname{erf} x", "\\frac{2}{\\sqrt\\pi} g \\, e^{-x^2}"),
    {0},
};
