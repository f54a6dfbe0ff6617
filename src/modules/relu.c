/* ReLU, LeakyReLU, ELU: the identity above 0, something smaller below. */
#include "pointwise.h"

/* ---- ReLU ------------------------------------------------------------------------------------------------------- */

enum { PLAIN, DECONVNET, GUIDED };
static const char *const rules[] = {"plain", "deconvnet", "guided", NULL};

struct relu {
    int64_t rule;
};

/* x <= 0 rather than !(x > 0): NaN passes. */
NB_MAP1(relu_value, , x, nb_re(x) <= 0 ? (nb_real)0 : x)
NB_MAP2(relu_plain, , x, g, nb_re(x) <= 0 ? (nb_real)0 : g)
NB_MAP2(relu_deconvnet, , x, g, nb_re(g) <= 0 ? (nb_real)0 : g)
NB_MAP2(relu_guided, , x, g, (nb_re(x) <= 0) | (nb_re(g) <= 0) ? (nb_real)0 : g)

NB_FORWARD(relu)
NB_EDGE_AT(relu, , 0, true)

static int relu_backward(const struct nb_call *c, struct nb_error *e)
{
    static nb_map *const back[] = {[PLAIN] = relu_plain, [DECONVNET] = relu_deconvnet, [GUIDED] = relu_guided};
    (void)e;
    return nb_map_backward(back[((const struct relu *)c->args)->rule], c);
}

static const struct nb_arg relu_args[] = {
    {"rule", NB_ARG_CHOICE, offsetof(struct relu, rule), PLAIN, 0, 0, 0, rules,
     "what backward returns: the derivative, or one of two pictures of what the unit saw"},
    {0},
};
static const struct nb_kink relu_kinks[] = {{"x = 0", "0"}, {0}};

static const char *relu_warning(const void *args)
{
    bool plain = ((const struct relu *)args)->rule == PLAIN;
    return plain ? NULL : "this rule gives a picture, not a derivative";
}

/* ---- LeakyReLU -------------------------------------------------------------------------------------------------- */

struct leaky {
    double negative_slope;
};
#define LEAKY const nb_part a = (nb_part)((const struct leaky *)args)->negative_slope

NB_POINTWISE(leaky, LEAKY, nb_re(x) > 0 ? x : a * x, nb_re(x) > 0 ? 1 : a)
NB_EDGE_AT(leaky, LEAKY, 0, a != 1)

static const struct nb_arg leaky_args[] = {
    {"negative_slope", NB_ARG_REAL, offsetof(struct leaky, negative_slope), 0.01, 0, 0, 0, NULL, "slope for x < 0"},
    {0},
};
static const struct nb_kink leaky_kinks[] = {{"x = 0", "negative_slope"}, {0}};
static const struct nb_case leaky_cases[] = {
    {"\"negative_slope\": 0.13", "5x7", false}, {"\"negative_slope\": -0.4", "3x17", false}, {NULL, "33", false}, {0}};

/* ---- ELU -------------------------------------------------------------------------------------------------------- */

struct elu {
    double alpha;
};
#define ELU const nb_part alpha = (nb_part)((const struct elu *)args)->alpha

NB_POINTWISE(elu, ELU, nb_re(x) > 0 ? x : alpha * nb_expm1(x), nb_re(x) > 0 ? (nb_real)1 : alpha * nb_exp(x))
NB_EDGE_AT(elu, ELU, 0, alpha != 1)

static const struct nb_arg elu_args[] = {
    {"alpha", NB_ARG_REAL, offsetof(struct elu, alpha), 1, 0, 0, 0, NULL, "-alpha is the limit for x to -infinity"},
    {0},
};
static const struct nb_kink elu_kinks[] = {{"x = 0", "alpha (no kink if alpha = 1)"}, {0}};
static const struct nb_case elu_cases[] = {
    {"\"alpha\": 1.7", "5x7", false}, {"\"alpha\": 0.7", "3x17", false}, {NULL, "33", false}, {0}};

static const struct nb_known relu_mistakes[] = {
    {.code = "relu_value", .formula = "g*y", .hint = "The slope is 1 or 0, not the output."},
    {.code = "relu_of_gradient",
     .formula = "relu(g)",
     .hint = "The mask asks for the sign of the input, not of the gradient."},
    {.code = "relu_guided",
     .formula = "relu(g)*(x > 0)",
     .hint = "Negative gradients pass, too, where the input is positive."},
    {0},
};

static const struct nb_known leakyrelu_mistakes[] = {
    {.code = "leaky_both_sides",
     .formula = "g*where(x > 0, 1 + negative_slope, negative_slope)",
     .hint = "The small slope belongs to the negative side alone."},
    {.code = "leaky_as_relu", .formula = "g*(x > 0)", .hint = "Below zero the slope is negative_slope, not 0."},
    {.code = "leaky_sign",
     .formula = "g*where(x > 0, 1, -negative_slope)",
     .hint = "Below zero the slope is negative_slope, with its own sign."},
    {.code = "leaky_value",
     .formula = "g*where(x > 0, 1, negative_slope*x)",
     .hint = "Below zero the slope is negative_slope; the input has gone."},
    {.code = "leaky_exchanged", .formula = "g*where(x > 0, negative_slope, 1)", .hint = "Which branch has slope 1?"},
    {0},
};

static const struct nb_known elu_mistakes[] = {
    {.code = "elu_at_output", .formula = "g*where(x > 0, 1, y)", .hint = "Below zero the slope is y + alpha."},
    {.code = "elu_exchanged", .formula = "g*where(x > 0, alpha*exp(x), 1)", .hint = "Which branch has slope 1?"},
    {.code = "elu_alpha_missing", .formula = "g*where(x > 0, 1, exp(x))", .hint = "Below zero the slope is alpha e^x."},
    {.code = "elu_as_relu", .formula = "g*(x > 0)", .hint = "Below zero the slope is alpha e^x, not 0."},
    {.code = "elu_exponent_missing",
     .formula = "g*where(x > 0, 1, alpha)",
     .hint = "Below zero the slope is alpha e^x.",
     .same = "mask_missing"},
    {0},
};

const struct nb_module NB(nb_module_relu)[] = {
    {
        .type = "ReLU",
        .mistakes = relu_mistakes,
        .onnx = "Relu",
        .summary = "Rectified linear unit: the positive part.",
        .formula = "y = \\max(x, 0)",
        .derivative = "dx = g \\, 1[x > 0]",
        .source = "The value 0 at 0 is the best for gradient descent: Bertoin, Bolte, Gerchinovitz, Pauwels 2021.",
        .warning = relu_warning,
        .note = "rule deconvnet returns max(g, 0) and guided returns 1[x > 0] max(g, 0): pictures, not derivatives; "
                "a check calls them wrong. Higher learning rates kill units, lower ones help.",
        .args = relu_args,
        .args_size = sizeof(struct relu),
        NB_POINTWISE_ROW,
        NB_CALLS(relu),
        .kinks = relu_kinks,
        .branches = relu_branches,
        .cases = nb_map_cases,
    },
    {
        .type = "LeakyReLU",
        .mistakes = leakyrelu_mistakes,
        .onnx = "LeakyRelu",
        .summary = "ReLU that keeps a small slope below 0.",
        .formula = "y = x \\text{ if } x > 0 \\text{ else } a x, \\quad a = \\text{negative\\_slope}",
        .derivative = "dx = g \\text{ if } x > 0 \\text{ else } a g",
        .args = leaky_args,
        .args_size = sizeof(struct leaky),
        NB_POINTWISE_ROW,
        NB_CALLS(leaky),
        .kinks = leaky_kinks,
        .branches = leaky_branches,
        .cases = leaky_cases,
    },
    {
        .type = "ELU",
        .mistakes = elu_mistakes,
        .onnx = "Elu",
        .summary = "Exponential linear unit: bends smoothly to -alpha below 0.",
        .formula = "y = x \\text{ if } x > 0 \\text{ else } \\alpha (e^x - 1)",
        .derivative = "dx = g \\text{ if } x > 0 \\text{ else } \\alpha e^x g",
        .source = "Clevert, Unterthiner, Hochreiter 2016",
        .args = elu_args,
        .args_size = sizeof(struct elu),
        NB_POINTWISE_ROW,
        NB_CALLS(elu),
        .kinks = elu_kinks,
        .branches = elu_branches,
        .cases = elu_cases,
    },
    {0},
};
