/* Sigmoid, Tanh, SiLU, Softplus, LogSigmoid, GELU: the logistic function and its relatives. */
#include "pointwise.h"

/* ---- Sigmoid, Tanh, LogSigmoid ---------------------------------------------------------------------------------- */

NB_POINTWISE(sigmoid, , nb_sigmoid(x), nb_sigmoid_bump(x))
NB_POINTWISE(tanh, , nb_tanh(x), 4 * nb_sigmoid_bump(2 * x))
NB_POINTWISE(logsigmoid, , -nb_softplus(-x), nb_sigmoid(-x))

/* ---- SiLU ------------------------------------------------------------------------------------------------------- */

struct beta {
    double beta;
};
#define BETA const nb_part beta = (nb_part)((const struct beta *)args)->beta

NB_POINTWISE(silu, BETA, x *nb_sigmoid(beta *x), nb_sigmoid(beta *x) + beta * x * nb_sigmoid_bump(beta * x))

static const struct nb_arg silu_args[] = {
    {"beta", NB_ARG_REAL, offsetof(struct beta, beta), 1, 0, 0, 0, NULL, "0 gives x/2, infinity gives ReLU"},
    {0},
};
static const struct nb_case silu_cases[] = {
    {"\"beta\": 0.7", "5x7", false}, {"\"beta\": -1.7", "3x17", false}, {NULL, "33", false}, {0}};

/* ---- Softplus --------------------------------------------------------------------------------------------------- */

NB_POINTWISE(softplus, BETA, nb_softplus(beta *x) * (1 / beta), nb_sigmoid(beta *x))

static const struct nb_arg softplus_args[] = {
    {"beta", NB_ARG_REAL, offsetof(struct beta, beta), 1, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL, "sharpness"},
    {0},
};
static const struct nb_case softplus_cases[] = {
    {"\"beta\": 0.7", "5x7", false}, {"\"beta\": 1.7", "3x17", false}, {NULL, "33", false}, {0}};

/* ---- GELU ------------------------------------------------------------------------------------------------------- */

enum { ERF, TANH };
static const char *const approximations[] = {"none", "tanh", NULL};

struct gelu {
    int64_t approximate;
};

static inline nb_real bell(nb_real x)
{
    return nb_exp((nb_part)-0.5 * x * x);
}

/* Phi(x). In float a bell times a polynomial in 1 / (1 + 0.3|x|), fitted to Phi(-|x|) within 6e-8 of itself; the slope
 * has the bell anyway. Otherwise by erfc: 1 + erf has no digits left for large negative x. */
static inline nb_real normal_below(nb_real x)
{
#if NB_BUILD == 0
    nb_real t = 1 / (1 + 0.3f * nb_abs(x)), s = 0.228217498f + t * (-0.168952057f + t * 0.0383342887f);
    nb_real r = 0.0948329285f + t * (0.142185186f + t * (-0.075999796f + t * s));
    nb_real tail = bell(x) * (6.85299234e-06f + t * (0.119493062f + t * (0.121882066f + t * r)));
    return x < 0 ? tail : 1 - tail;
#else
    return (nb_part)0.5 * nb_erfc((nb_part)-M_SQRT1_2 * x);
#endif
}

static inline nb_real normal_density(nb_real x)
{
    return (nb_part)(M_2_SQRTPI * M_SQRT1_2 / 2) * bell(x); /* 1/sqrt(2 pi) */
}

NB_MAP1(gelu_erf_value, , x, x *normal_below(x))
NB_MAP2(gelu_erf_slope, , x, g, NB_BACK(g, normal_below(x) + x * normal_density(x)))

/* (1 + tanh u) / 2 = sigma(2u), 2u = a x + b x^3 */
static const nb_part cubic_a = (nb_part)(M_2_SQRTPI * M_SQRT2), cubic_b = (nb_part)(M_2_SQRTPI * M_SQRT2 * 0.044715);

static inline nb_real cubic(nb_real x)
{
    return x * (cubic_a + cubic_b * x * x);
}

/* x (2u)' sigma'(2u); 0 where the last factor has vanished, however large the others. */
static inline nb_real bend(nb_real x)
{
    nb_real bump = nb_sigmoid_bump(cubic(x)), v = x * (cubic_a + 3 * cubic_b * x * x) * bump;
    return nb_re(bump) == 0 ? 0 : v;
}

NB_MAP1(gelu_tanh_value, , x, x *nb_sigmoid(cubic(x)))
NB_MAP2(gelu_tanh_slope, , x, g, NB_BACK(g, nb_sigmoid(cubic(x)) + bend(x)))

static bool by_tanh(const struct nb_call *c)
{
    return ((const struct gelu *)c->args)->approximate == TANH;
}

static int gelu_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return nb_map_forward(by_tanh(c) ? gelu_tanh_value : gelu_erf_value, c);
}

static int gelu_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return nb_map_backward(by_tanh(c) ? gelu_tanh_slope : gelu_erf_slope, c);
}

static const struct nb_arg gelu_args[] = {
    {"approximate", NB_ARG_CHOICE, offsetof(struct gelu, approximate), ERF, 0, 0, 0, approximations,
     "tanh is another function, up to 8.7e-4 away in the derivative"},
    {0},
};
static const struct nb_case gelu_cases[] = {
    {NULL, "5x7", false}, {"\"approximate\": \"tanh\"", "3x17", false}, {NULL, "33", false}, {0}};

static const struct nb_known tanh_mistakes[] = {
    {.code = "tanh_square_missing",
     .formula = "g*(1 - y)",
     .hint = "The square is missing: the slope is 1 - tanh(x)^2."},
    {.code = "tanh_at_input",
     .formula = "g*(1 - x^2)",
     .hint = "Differentiate at the output, not at the input: 1 - y^2."},
    {.code = "tanh_twice", .formula = "g*(1 - tanh(y)^2)", .hint = "tanh is applied twice: y is tanh(x) already."},
    {.code = "tanh_complement", .formula = "g*y^2", .hint = "That is what is missing to 1: the slope is 1 - y^2."},
    {.code = "tanh_value", .formula = "g*y", .hint = "That is the function itself: its slope is 1 - y^2."},
    {.code = "tanh_plus", .formula = "g*(1 + y^2)", .hint = "A sign: the slope is 1 - y^2."},
    {.code = "tanh_as_sigmoid",
     .formula = "g*y*(1 - y)",
     .hint = "That is the slope of the sigmoid; that of tanh is 1 - y^2."},
    {0},
};

static const struct nb_known sigmoid_mistakes[] = {
    {.code = "sigmoid_at_input", .formula = "g*x*(1 - x)", .hint = "a(1 - a), with a the output, not the input."},
    {.code = "sigmoid_twice",
     .formula = "g*sigmoid(y)*(1 - sigmoid(y))",
     .hint = "a(1 - a), with a already the output: the sigmoid is applied twice."},
    {.code = "sigmoid_complement", .formula = "g*(1 - y)", .hint = "One factor is missing: the slope is a(1 - a)."},
    {.code = "sigmoid_value", .formula = "g*y", .hint = "One factor is missing: the slope is a(1 - a)."},
    {.code = "sigmoid_plus", .formula = "g*y*(1 + y)", .hint = "A sign: the slope is a(1 - a)."},
    {.code = "sigmoid_as_tanh",
     .formula = "g*(1 - y^2)",
     .hint = "That is the slope of tanh; that of the sigmoid is a(1 - a)."},
    {0},
};

static const struct nb_known silu_mistakes[] = {
    {.code = "silu_gate_only",
     .formula = "g*sigmoid(beta*x)",
     .hint = "Product rule: two terms. That of the second factor is missing."},
    {.code = "silu_slope_only",
     .formula = "g*beta*x*sigmoid(beta*x)*(1 - sigmoid(beta*x))",
     .hint = "Product rule: two terms. That of the first factor is missing."},
    {.code = "silu_beta_missing",
     .formula = "g*(sigmoid(beta*x) + x*sigmoid(beta*x)*(1 - sigmoid(beta*x)))",
     .hint = "The chain rule brings a beta."},
    {.code = "silu_factors",
     .formula = "g*beta*sigmoid(beta*x)*(1 - sigmoid(beta*x))",
     .hint = "The product of the slopes is not the slope of the product."},
    {.code = "silu_minus",
     .formula = "g*(sigmoid(beta*x) - beta*x*sigmoid(beta*x)*(1 - sigmoid(beta*x)))",
     .hint = "A sign: the two terms are added."},
    {0},
};

static const struct nb_known softplus_mistakes[] = {
    {.code = "softplus_bump",
     .formula = "g*sigmoid(beta*x)*(1 - sigmoid(beta*x))",
     .hint = "Its slope is the sigmoid, not the slope of the sigmoid."},
    {.code = "softplus_complement",
     .formula = "g*sigmoid(-beta*x)",
     .hint = "Its slope is the sigmoid of x, not of -x."},
    {.code = "softplus_exponential",
     .formula = "g*exp(beta*x)",
     .hint = "Its slope is e^x / (1 + e^x): the division is missing."},
    {.code = "softplus_beta_missing", .formula = "g*sigmoid(x)", .hint = "Its slope is the sigmoid of beta x."},
    {0},
};

static const struct nb_known logsigmoid_mistakes[] = {
    {.code = "logsigmoid_side",
     .formula = "g*sigmoid(x)",
     .hint = "Its slope is the sigmoid of -x, which is 1 - sigmoid(x)."},
    {.code = "lognb_sigmoid_bump",
     .formula = "g*sigmoid(x)*(1 - sigmoid(x))",
     .hint = "That is the slope of the sigmoid: divide by the sigmoid for the logarithm."},
    {.code = "logsigmoid_reciprocal",
     .formula = "g/sigmoid(x)",
     .hint = "Chain rule: the slope of the sigmoid is missing."},
    {.code = "logsigmoid_at_output", .formula = "g*(1 - y)", .hint = "y is the logarithm: the slope is 1 - e^y."},
    {0},
};

static const struct nb_known gelu_mistakes[] = {
    {.code = "gelu_gate_only",
     .formula = "g*(1 + erf(x/2^0.5))/2",
     .hint = "Product rule: two terms. That of the second factor is missing."},
    {.code = "gelu_slope_only",
     .formula = "g*x*exp(-x^2/2)/(2*pi)^0.5",
     .hint = "Product rule: two terms. That of the first factor is missing."},
    {.code = "gelu_factors",
     .formula = "g*exp(-x^2/2)/(2*pi)^0.5",
     .hint = "The product of the slopes is not the slope of the product."},
    {.code = "gelu_minus",
     .formula = "g*((1 + erf(x/2^0.5))/2 - x*exp(-x^2/2)/(2*pi)^0.5)",
     .hint = "A sign: the two terms are added."},
    {.code = "gelu_as_sigmoid",
     .formula = "g*(sigmoid(1.702*x) + 1.702*x*sigmoid(1.702*x)*(1 - sigmoid(1.702*x)))",
     .hint = "That is the slope of x sigmoid(1.702 x), another approximation."},
    {0},
};

const struct nb_module NB(nb_module_sigmoid)[] = {
    {
        .type = "Sigmoid",
        .mistakes = sigmoid_mistakes,
        .onnx = "Sigmoid",
        .summary = "The logistic function, from 0 to 1.",
        .formula = "y = \\sigma(x) = \\frac{1}{1 + e^{-x}}",
        .derivative = "dx = g \\, \\sigma(x) (1 - \\sigma(x))",
        .note = "The derivative is computed from x, so it stays right where y has rounded to 1. It is at most 1/4: the "
                "gradient through ten sigmoids is below 1e-6.",
        NB_POINTWISE_ROW,
        NB_CALLS(sigmoid),
        .cases = nb_map_cases,
        .lo = -4,
        .hi = 4,
    },
    {
        .type = "Tanh",
        .mistakes = tanh_mistakes,
        .onnx = "Tanh",
        .summary = "The hyperbolic tangent, from -1 to 1.",
        .formula = "y = \\tanh x = 2 \\sigma(2x) - 1",
        .derivative = "dx = g \\, (1 - \\tanh^2 x)",
        .note = "The derivative is computed from x, so it stays right where y has rounded to 1.",
        NB_POINTWISE_ROW,
        NB_CALLS(tanh),
        .cases = nb_map_cases,
    },
    {
        .type = "SiLU",
        .mistakes = silu_mistakes,
        .onnx = NULL,
        .summary = "Swish: the input times its sigmoid.",
        .formula = "y = x \\, \\sigma(\\beta x)",
        .derivative = "dx = g \\, (s + \\beta x s (1 - s)), \\quad s = \\sigma(\\beta x)",
        .source = "Ramachandran, Zoph, Le 2017",
        .note = "ONNX writes it as x times Sigmoid.",
        .args = silu_args,
        .args_size = sizeof(struct beta),
        NB_POINTWISE_ROW,
        NB_CALLS(silu),
        .cases = silu_cases,
        .lo = -4,
        .hi = 4,
    },
    {
        .type = "Softplus",
        .mistakes = softplus_mistakes,
        .onnx = "Softplus",
        .summary = "A smooth ReLU.",
        .formula = "y = \\tfrac{1}{\\beta} \\ln(1 + e^{\\beta x})",
        .derivative = "dx = g \\, \\sigma(\\beta x)",
        .note = "Computed as max(x, 0) + log1p(exp(-|x|)), without PyTorch's threshold.",
        .args = softplus_args,
        .args_size = sizeof(struct beta),
        NB_POINTWISE_ROW,
        NB_CALLS(softplus),
        .cases = softplus_cases,
        .lo = -4,
        .hi = 4,
    },
    {
        .type = "LogSigmoid",
        .mistakes = logsigmoid_mistakes,
        .onnx = NULL,
        .summary = "The logarithm of the logistic function.",
        .formula = "y = \\ln \\sigma(x) = -\\ln(1 + e^{-x})",
        .derivative = "dx = g \\, \\sigma(-x)",
        NB_POINTWISE_ROW,
        NB_CALLS(logsigmoid),
        .cases = nb_map_cases,
        .lo = -4,
        .hi = 4,
    },
    {
        .type = "GELU",
        .mistakes = gelu_mistakes,
        .onnx = "Gelu",
        .summary = "Gaussian error linear unit: the input times the normal distribution below it.",
        .formula = "y = x \\, \\Phi(x); \\quad \\text{tanh: } y = \\tfrac{x}{2} (1 + \\tanh u), "
                   "\\ u = \\sqrt{2/\\pi} \\, (x + 0.044715 x^3)",
        .derivative = "dx = g \\, (\\Phi(x) + x \\varphi(x)); \\quad \\text{tanh: } "
                      "dx = g \\, \\bigl(\\tfrac12 (1 + \\tanh u) + \\tfrac{x}{2} (1 - \\tanh^2 u) \\, u'\\bigr)",
        .source = "Hendrycks, Gimpel 2016",
        .args = gelu_args,
        .args_size = sizeof(struct gelu),
        NB_POINTWISE_ROW,
        NB_CALLS(gelu),
        .cases = gelu_cases,
        .lo = -4,
        .hi = 4,
    },
    {0},
};
