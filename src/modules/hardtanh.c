/* Hardtanh, ReLU6, Hardsigmoid, Hardswish: straight lines between bounds. */
#include "pointwise.h"

/* ---- Hardtanh, ReLU6 -------------------------------------------------------------------------------------------- */

struct bounds {
    double min, max;
};
#define BOUNDS                                                                                                         \
    const nb_part min = (nb_part)((const struct bounds *)args)->min;                                                   \
    const nb_part max = (nb_part)((const struct bounds *)args)->max

static inline nb_real between(nb_real x, nb_part min, nb_part max)
{
    return nb_re(x) <= min ? min : nb_re(x) >= max ? max : x;
}

static inline nb_part inside(nb_real x, nb_part min, nb_part max)
{
    return (nb_re(x) <= min) | (nb_re(x) >= max) ? 0 : 1;
}

NB_POINTWISE(hardtanh, BOUNDS, between(x, min, max), inside(x, min, max))
NB_EDGES_AT(hardtanh, BOUNDS, min, max, true)
NB_POINTWISE(relu6, , between(x, 0, 6), inside(x, 0, 6))
NB_EDGES_AT(relu6, , 0, 6, true)

static int hardtanh_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct bounds *p = s->args;
    if (p->min < p->max)
        return nb_map_infer(s, e);
    nb_fail(e, NB_E_bad_argument, "max_val is %g, wanted is max_val > min_val = %g", p->max, p->min);
    return nb_at(e, "max_val");
}

static const struct nb_arg hardtanh_args[] = {
    {"min_val", NB_ARG_REAL, offsetof(struct bounds, min), -1, 0, 0, 0, NULL, "lower bound"},
    {"max_val", NB_ARG_REAL, offsetof(struct bounds, max), 1, 0, 0, 0, NULL, "upper bound"},
    {0},
};
static const struct nb_kink hardtanh_kinks[] = {{"x = min_val", "0"}, {"x = max_val", "0"}, {0}};
static const struct nb_kink relu6_kinks[] = {{"x = 0", "0"}, {"x = 6", "0"}, {0}};
static const struct nb_case hardtanh_cases[] = {{"\"min_val\": -0.7, \"max_val\": 1.3", "5x7", false},
                                                {"\"min_val\": 0.3", "3x17", false},
                                                {NULL, "33", false},
                                                {0}};

static const struct nb_known hardtanh_mistakes[] = {
    {.code = "hardtanh_value", .formula = "g*y", .hint = "The slope is 1 or 0, not the output."},
    {.code = "hardtanh_below_only", .formula = "g*(x > min_val)", .hint = "The gradient ends at both bounds."},
    {.code = "hardtanh_above_only", .formula = "g*(x < max_val)", .hint = "The gradient ends at both bounds."},
    {.code = "hardtanh_as_tanh", .formula = "g*(1 - y^2)", .hint = "That is the slope of tanh; here it is 1 or 0."},
    {0},
};

static const struct nb_known relu6_mistakes[] = {
    {.code = "relu6_as_relu", .formula = "g*(x > 0)", .hint = "The gradient ends at 6, too."},
    {.code = "relu6_value", .formula = "g*y", .hint = "The slope is 1 or 0, not the output."},
    {0},
};

/* ---- Hardsigmoid ------------------------------------------------------------------------------------------------ */

struct line {
    double alpha, beta;
};

/* The ends of the line, told by x: alpha x + beta may miss 0 and 1 by a rounding. */
#define LINE                                                                                                           \
    const struct line *line = args;                                                                                    \
    const nb_part alpha = (nb_part)line->alpha;                                                                        \
    const nb_part beta = (nb_part)line->beta;                                                                          \
    const nb_part zero = (nb_part)(line->alpha != 0 ? -line->beta / line->alpha : -INFINITY);                          \
    const nb_part one = (nb_part)(line->alpha != 0 ? (1 - line->beta) / line->alpha : INFINITY);                       \
    const nb_part low = zero < one ? zero : one;                                                                       \
    const nb_part high = zero < one ? one : zero;                                                                      \
    const nb_part left = zero < one ? 0 : 1;                                                                           \
    (void)beta;                                                                                                        \
    (void)left

NB_POINTWISE(hardsigmoid, LINE,
             nb_re(x) <= low    ? left
             : nb_re(x) >= high ? 1 - left
                                : between(alpha * x + beta, 0, 1),
             alpha *inside(x, low, high))
NB_EDGES_AT(hardsigmoid, LINE, low, high, alpha != 0)

static const struct nb_arg hardsigmoid_args[] = {
    {"alpha", NB_ARG_REAL, offsetof(struct line, alpha), 1 / 6., 0, 0, 0, NULL, "the slope; ONNX's default is 0.2"},
    {"beta", NB_ARG_REAL, offsetof(struct line, beta), 0.5, 0, 0, 0, NULL, "the value at 0"},
    {0},
};
static const struct nb_kink hardsigmoid_kinks[] = {{"alpha x + beta = 0 or 1: x = -3, 3 by default", "0"}, {0}};
static const struct nb_case hardsigmoid_cases[] = {{"\"alpha\": 0.4, \"beta\": 0.7", "5x7", false},
                                                   {"\"alpha\": -0.3, \"beta\": 0.2", "3x17", false},
                                                   {NULL, "33", false},
                                                   {0}};

static const struct nb_known hardsigmoid_mistakes[] = {
    {.code = "hardsigmoid_as_sigmoid",
     .formula = "g*y*(1 - y)",
     .hint = "That is the slope of the sigmoid; here it is alpha or 0."},
    {.code = "hardsigmoid_bounds_missing", .formula = "g*alpha + 0*x", .hint = "The gradient ends at both bounds."},
    {.code = "hardsigmoid_value", .formula = "g*y", .hint = "The slope is alpha or 0, not the output."},
    {0},
};

/* ---- Hardswish -------------------------------------------------------------------------------------------------- */

NB_POINTWISE(hardswish, ,
             nb_re(x) < -3  ? 0
             : nb_re(x) > 3 ? x
                            : x * ((x + 3) / 6),
             nb_re(x) < -3  ? 0
             : nb_re(x) > 3 ? (nb_real)1
                            : x / 3 + (nb_part)0.5)
NB_EDGES_AT(hardswish, , -3, 3, true)

static const struct nb_kink hardswish_kinks[] = {{"x = -3", "-1/2"}, {"x = 3", "3/2"}, {0}};

static const struct nb_known hardswish_mistakes[] = {
    {.code = "hardswish_gate_only",
     .formula = "g*clip(x/6 + 0.5, 0, 1)",
     .hint = "Product rule: two terms. That of the second factor is missing."},
    {.code = "hardswish_half_missing",
     .formula = "g*where(abs(x) > 3, x > 3, x/3)",
     .hint = "Between the bounds the slope is x/3 + 1/2."},
    {.code = "hardswish_as_swish",
     .formula = "g*(sigmoid(x) + x*sigmoid(x)*(1 - sigmoid(x)))",
     .hint = "That is the slope of SiLU."},
    {0},
};

const struct nb_module NB(nb_module_hardtanh)[] = {
    {
        .type = "Hardtanh",
        .mistakes = hardtanh_mistakes,
        .onnx = "Clip",
        .summary = "The nearest number between two bounds, with slope 0 at both.",
        .formula = "y = \\min(\\max(x, a), b), \\quad a = \\text{min\\_val}, \\ b = \\text{max\\_val}",
        .derivative = "dx = g \\, 1[a < x < b]",
        .note = "Clip is the same but for the slope at the bounds, which is 1 there.",
        .args = hardtanh_args,
        .args_size = sizeof(struct bounds),
        .inputs = nb_map_ports,
        .infer = hardtanh_infer,
        NB_CALLS(hardtanh),
        .kinks = hardtanh_kinks,
        .branches = hardtanh_branches,
        .jacobian = "P",
        .pointwise = true,
        .cases = hardtanh_cases,
    },
    {
        .type = "ReLU6",
        .mistakes = relu6_mistakes,
        .summary = "ReLU that ends at 6.",
        .formula = "y = \\min(\\max(x, 0), 6)",
        .derivative = "dx = g \\, 1[0 < x < 6]",
        NB_POINTWISE_ROW,
        NB_CALLS(relu6),
        .kinks = relu6_kinks,
        .branches = relu6_branches,
        .cases = nb_map_cases,
        .lo = -2,
        .hi = 8,
    },
    {
        .type = "Hardsigmoid",
        .mistakes = hardsigmoid_mistakes,
        .onnx = "HardSigmoid",
        .summary = "A straight line between 0 and 1.",
        .formula = "y = \\min(\\max(\\alpha x + \\beta, 0), 1)",
        .derivative = "dx = g \\, \\alpha \\, 1[0 < \\alpha x + \\beta < 1]",
        .note = "ONNX's default is 0.2 x + 0.5, another slope.",
        .args = hardsigmoid_args,
        .args_size = sizeof(struct line),
        NB_POINTWISE_ROW,
        NB_CALLS(hardsigmoid),
        .kinks = hardsigmoid_kinks,
        .branches = hardsigmoid_branches,
        .cases = hardsigmoid_cases,
        .lo = -5,
        .hi = 5,
    },
    {
        .type = "Hardswish",
        .mistakes = hardswish_mistakes,
        .onnx = "HardSwish",
        .summary = "The input times its Hardsigmoid.",
        .formula = "y = x \\min(\\max(x/6 + \\tfrac12, 0), 1)",
        .derivative = "dx = 0 \\text{ if } x < -3, \\quad g \\text{ if } x > 3, \\quad g \\, (x/3 + \\tfrac12) "
                      "\\text{ else}",
        .source = "Howard et al. 2019",
        NB_POINTWISE_ROW,
        NB_CALLS(hardswish),
        .kinks = hardswish_kinks,
        .branches = hardswish_branches,
        .cases = nb_map_cases,
        .lo = -5,
        .hi = 5,
    },
    {0},
};
