/* Hardshrink, Softshrink, Tanhshrink, Threshold, ThresholdedRelu: what is small becomes 0. */
#include "pointwise.h"

/* ---- Hardshrink, Softshrink ------------------------------------------------------------------------------------- */

struct shrink {
    double lambd;
};
#define LAMBDA const nb_part lambda = (nb_part)((const struct shrink *)args)->lambd

static inline bool is_small(nb_real x, nb_part lambda)
{
    return (nb_re(x) >= -lambda) & (nb_re(x) <= lambda);
}

/* With lambda 0 nothing is small: the identity. */
static inline nb_part outside(nb_real x, nb_part lambda)
{
    return is_small(x, lambda) & (lambda != 0) ? 0 : 1;
}

NB_POINTWISE(hardshrink, LAMBDA, is_small(x, lambda) ? 0 : x, outside(x, lambda))
NB_EDGES_AT(hardshrink, LAMBDA, -lambda, lambda, lambda != 0)
NB_POINTWISE(softshrink, LAMBDA, is_small(x, lambda) ? 0 : nb_re(x) > 0 ? x - lambda : x + lambda, outside(x, lambda))
NB_EDGES_AT(softshrink, LAMBDA, -lambda, lambda, lambda != 0)

static const struct nb_arg shrink_args[] = {
    {"lambd", NB_ARG_REAL, offsetof(struct shrink, lambd), 0.5, 0, INFINITY, NB_MAX_OPEN, NULL, "what is small"},
    {0},
};
static const struct nb_kink hardshrink_kinks[] = {{"x = -lambd, lambd (a jump)", "0"}, {0}};
static const struct nb_kink softshrink_kinks[] = {{"x = -lambd, lambd", "0"}, {0}};
static const struct nb_case shrink_cases[] = {
    {"\"lambd\": 0.7", "5x7", false}, {"\"lambd\": 0.3", "3x17", false}, {NULL, "33", false}, {0}};

static const struct nb_known hardshrink_mistakes[] = {
    {.code = "hardshrink_value", .formula = "g*y", .hint = "The slope is 1 or 0, not the output."},
    {.code = "hardshrink_one_side", .formula = "g*(x > lambd)", .hint = "Numbers below -lambd pass, too."},
    {.code = "hardshrink_sign", .formula = "g*sign(y)", .hint = "The slope is 1 on both sides."},
    {0},
};

static const struct nb_known softshrink_mistakes[] = {
    {.code = "softshrink_value", .formula = "g*y", .hint = "The slope is 1 or 0, not the output."},
    {.code = "softshrink_one_side", .formula = "g*(x > lambd)", .hint = "Numbers below -lambd pass, too."},
    {.code = "softshrink_sign", .formula = "g*sign(y)", .hint = "The slope is 1 on both sides."},
    {0},
};

/* ---- Tanhshrink ------------------------------------------------------------------------------------------------- */

/* x - tanh x as a series, to the last bits up to 1/4: the difference would lose them. */
static inline nb_real near_zero(nb_real x)
{
    static const nb_part c[] = {(nb_part)3.3333333333333333333e-1, (nb_part)-1.3333333333333333333e-1,
                                (nb_part)5.3968253968253968254e-2, (nb_part)-2.1869488536155202822e-2,
                                (nb_part)8.8632355299021965689e-3, (nb_part)-3.5921280365724810169e-3,
                                (nb_part)1.4558343870513182682e-3, (nb_part)-5.9002744094558598138e-4,
                                (nb_part)2.3912911424355248149e-4, (nb_part)-9.6915379569294503256e-5};
    nb_real t = x * x, s = c[9];
    s = c[7] + t * (c[8] + t * s);
    s = c[4] + t * (c[5] + t * (c[6] + t * s));
    s = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * s)));
    return x * t * s;
}

NB_POINTWISE(tanhshrink, , nb_re(nb_abs(x)) < (nb_part)0.25 ? near_zero(x) : x - nb_tanh(x), nb_tanh(x) * nb_tanh(x))

static const struct nb_known tanhshrink_mistakes[] = {
    {.code = "tanhshrink_as_tanh",
     .formula = "g*(1 - tanh(x)^2)",
     .hint = "That is the slope of tanh: 1 minus it is left."},
    {.code = "tanhshrink_square_missing", .formula = "g*tanh(x)", .hint = "The square is missing: tanh(x)^2."},
    {.code = "tanhshrink_at_output", .formula = "g*y^2", .hint = "The square of tanh(x), which is x - y."},
    {0},
};

/* ---- Threshold, ThresholdedRelu --------------------------------------------------------------------------------- */

struct threshold {
    double threshold, value;
};
#define THRESHOLD                                                                                                      \
    const nb_part theta = (nb_part)((const struct threshold *)args)->threshold;                                        \
    const nb_part other = (nb_part)((const struct threshold *)args)->value;                                            \
    (void)other

NB_POINTWISE(threshold, THRESHOLD, nb_re(x) <= theta ? other : x, nb_re(x) <= theta ? 0 : 1)
NB_EDGE_AT(threshold, THRESHOLD, theta, true)

static const struct nb_arg threshold_args[] = {
    {"threshold", NB_ARG_REAL, offsetof(struct threshold, threshold), 0, 0, 0, NB_REQUIRED, NULL,
     "what is above passes"},
    {"value", NB_ARG_REAL, offsetof(struct threshold, value), 0, 0, 0, NB_REQUIRED, NULL,
     "what takes the others' place"},
    {0},
};
static const struct nb_kink threshold_kinks[] = {{"x = threshold (a jump unless value = threshold)", "0"}, {0}};
static const struct nb_case threshold_cases[] = {{"\"threshold\": 0.3, \"value\": -0.7", "5x7", false},
                                                 {"\"threshold\": -0.6, \"value\": -0.6", "3x17", false},
                                                 {"\"threshold\": 0, \"value\": 20", "33", false},
                                                 {0}};

static const struct nb_known threshold_mistakes[] = {
    {.code = "threshold_at_zero", .formula = "g*(x > 0)", .hint = "The mask begins at the threshold, not at 0."},
    {.code = "threshold_value", .formula = "g*y", .hint = "The slope is 1 or 0, not the output."},
    {0},
};

struct thresholded {
    double alpha;
};
#define ALPHA const nb_part alpha = (nb_part)((const struct thresholded *)args)->alpha

NB_POINTWISE(thresholded, ALPHA, nb_re(x) <= alpha ? 0 : x, nb_re(x) <= alpha ? 0 : 1)
NB_EDGE_AT(thresholded, ALPHA, alpha, true)

static const struct nb_arg thresholded_args[] = {
    {"alpha", NB_ARG_REAL, offsetof(struct thresholded, alpha), 1, 0, 0, 0, NULL, "what is above passes"},
    {0},
};
static const struct nb_kink thresholded_kinks[] = {{"x = alpha (a jump unless alpha = 0)", "0"}, {0}};
static const struct nb_case thresholded_cases[] = {
    {"\"alpha\": 0.3", "5x7", false}, {"\"alpha\": -0.6", "3x17", false}, {NULL, "33", false}, {0}};

static const struct nb_known thresholded_mistakes[] = {
    {.code = "thresholdedrelu_as_relu", .formula = "g*(x > 0)", .hint = "The mask begins at alpha, not at 0."},
    {.code = "thresholdedrelu_value", .formula = "g*y", .hint = "The slope is 1 or 0, not the output."},
    {0},
};

const struct nb_module NB(nb_module_shrink)[] = {
    {
        .type = "Hardshrink",
        .mistakes = hardshrink_mistakes,
        .onnx = "Shrink",
        .summary = "The input where it is not small, else 0.",
        .formula = "y = x \\text{ if } |x| > \\lambda \\text{ else } 0",
        .derivative = "dx = g \\, 1[|x| > \\lambda]",
        .args = shrink_args,
        .args_size = sizeof(struct shrink),
        NB_POINTWISE_ROW,
        NB_CALLS(hardshrink),
        .kinks = hardshrink_kinks,
        .branches = hardshrink_branches,
        .cases = shrink_cases,
    },
    {
        .type = "Softshrink",
        .mistakes = softshrink_mistakes,
        .onnx = "Shrink",
        .summary = "The input drawn to 0 by lambd.",
        .formula = "y = \\operatorname{sign}(x) \\max(|x| - \\lambda, 0)",
        .derivative = "dx = g \\, 1[|x| > \\lambda]",
        .args = shrink_args,
        .args_size = sizeof(struct shrink),
        NB_POINTWISE_ROW,
        NB_CALLS(softshrink),
        .kinks = softshrink_kinks,
        .branches = softshrink_branches,
        .cases = shrink_cases,
    },
    {
        .type = "Tanhshrink",
        .mistakes = tanhshrink_mistakes,
        .summary = "What tanh takes away.",
        .formula = "y = x - \\tanh x",
        .derivative = "dx = g \\tanh^2 x",
        .note = "Next to 0 a series, which keeps all digits.",
        NB_POINTWISE_ROW,
        NB_CALLS(tanhshrink),
        .cases = nb_map_cases,
    },
    {
        .type = "Threshold",
        .mistakes = threshold_mistakes,
        .summary = "The input above a threshold, else a fixed value.",
        .formula = "y = x \\text{ if } x > \\theta \\text{ else } v",
        .derivative = "dx = g \\, 1[x > \\theta]",
        .args = threshold_args,
        .args_size = sizeof(struct threshold),
        NB_POINTWISE_ROW,
        NB_CALLS(threshold),
        .kinks = threshold_kinks,
        .branches = threshold_branches,
        .cases = threshold_cases,
    },
    {
        .type = "ThresholdedRelu",
        .mistakes = thresholded_mistakes,
        .onnx = "ThresholdedRelu",
        .summary = "The input above alpha, else 0.",
        .formula = "y = x \\text{ if } x > \\alpha \\text{ else } 0",
        .derivative = "dx = g \\, 1[x > \\alpha]",
        .args = thresholded_args,
        .args_size = sizeof(struct thresholded),
        NB_POINTWISE_ROW,
        NB_CALLS(thresholded),
        .kinks = thresholded_kinks,
        .branches = thresholded_branches,
        .cases = thresholded_cases,
    },
    {0},
};
