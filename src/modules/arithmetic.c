/* Functions of two operands: Add, Sub, Mul, Div, Pow, Maximum, Minimum, Atan2, LogAddExp, XLogY. */
#include "broadcast.h"

/* A function and its two derivatives in terms of a and b. */
#define FUNCTION(name, value, by_a, by_b)                                                                              \
    NB_MAP2(name##_value, , a, b, value)                                                                               \
    NB_MAP3(name##_by_a, , a, b, g, NB_BACK(g, by_a))                                                                  \
    NB_MAP3(name##_by_b, , a, b, g, NB_BACK(g, by_b))                                                                  \
    static const struct nb_binary name = {name##_value, {name##_by_a, name##_by_b}};                                   \
    NB_BINARY_FORWARD(name)                                                                                            \
    NB_BINARY_BACKWARD(name)

/* ---- sums: what goes back is g or -g ----------------------------------------------------------------------------- */

NB_MAP2(add_value, , a, b, a + b)
NB_MAP2(sub_value, , a, b, a - b)
NB_MAP3(sub_by_b, , a, b, g, -g)

static const struct nb_binary add = {add_value, {NULL, NULL}};
static const struct nb_binary sub = {sub_value, {NULL, sub_by_b}};
NB_BINARY_FORWARD(add)
NB_BINARY_BACKWARD(add)
NB_BINARY_FORWARD(sub)
NB_BINARY_BACKWARD(sub)

/* ---- products and powers ----------------------------------------------------------------------------------------- */

FUNCTION(mul, a *b, b, a)
FUNCTION(div, a / b, 1 / b, -(a / b) / b)

/* The last bit of pow is not always right; that of these is. */
static inline nb_real raise(nb_real a, nb_real b)
{
    nb_real p = nb_pow(a, b), inverse = 1 / a;
    return b == 2 ? a * a : b == 1 ? a : b == -1 ? inverse : p;
}

/* b a^(b-1), also 0 for b = 0 at a = 0. */
static inline nb_real power_by_base(nb_real a, nb_real b)
{
    nb_real p = b * raise(a, b - 1);
    return b == 0 ? 0 : p;
}

/* a^b ln a; 0 at a = 0, unless the power is infinite there. */
static inline nb_real power_by_exponent(nb_real a, nb_real b)
{
    nb_real p = raise(a, b) * nb_log(a);
    return (nb_re(a) == 0) & (nb_re(b) >= 0) ? 0 : p;
}

NB_MAP2(power_value, , a, b, raise(a, b))
NB_MAP3(power_by_a, , a, b, g, NB_BACK(g, power_by_base(a, b)))
NB_MAP3(power_by_b, , a, b, g, NB_BACK(g, power_by_exponent(a, b)))

/* The commonest exponent, the same bits many times faster. */
NB_MAP2(square_value, , a, b, a *a)
NB_MAP3(square_by_a, , a, b, g, NB_BACK(g, 2 * a))

static const struct nb_binary *power_of(const struct nb_call *c)
{
    static const struct nb_binary any = {power_value, {power_by_a, power_by_b}};
    static const struct nb_binary square = {square_value, {square_by_a, power_by_b}};
    return nb_count(&c->in[1].shape) == 1 && *(const nb_real *)c->in[1].data == 2 ? &square : &any;
}

static int power_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return nb_binary_forward(power_of(c), c);
}

static int power_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return nb_binary_backward(power_of(c), c);
}

/* ---- the greater and the lesser -----------------------------------------------------------------------------------
 */

/* 1, 0, or half at equality: how much of the gradient the first of two gets. */
static inline nb_part share(nb_part first, nb_part second)
{
    return first > second ? 1 : first < second ? 0 : (nb_part)0.5;
}

/* The sum is for NaN: it passes from either side. */
FUNCTION(maximum,
         nb_re(a) > nb_re(b)    ? a
         : nb_re(a) <= nb_re(b) ? b
                                : a + b,
         share(nb_re(a), nb_re(b)), share(nb_re(b), nb_re(a)))
FUNCTION(minimum,
         nb_re(a) < nb_re(b)    ? a
         : nb_re(a) >= nb_re(b) ? b
                                : a + b,
         share(nb_re(b), nb_re(a)), share(nb_re(a), nb_re(b)))

/* ---- angles -------------------------------------------------------------------------------------------------------
 */

/* x / (x^2 + y^2) without its overflow; 0 at the origin. */
static inline nb_real over_square(nb_real x, nb_real y)
{
    bool steep = nb_re(nb_abs(y)) > nb_re(nb_abs(x));
    nb_real far = steep ? y : x, near = steep ? x : y, t = near / far, d = (steep ? t : 1) / (far * (1 + t * t));
    return (nb_re(x) == 0) & (nb_re(y) == 0) ? 0 : d;
}

FUNCTION(angle, nb_atan2(a, b), over_square(b, a), -over_square(a, b))

/* ---- logarithms ---------------------------------------------------------------------------------------------------
 */

/* a - b, and 0 for two infinities of one sign. */
static inline nb_real gap(nb_real a, nb_real b)
{
    nb_real d = a - b;
    return (nb_re(a) == nb_re(b)) & (nb_re(d) != 0) ? 0 : d;
}

/* At a = b the slopes of the two terms add up to one half only if both take the branch of a. */
static inline nb_real log_add_exp(nb_real a, nb_real b)
{
    return (nb_re(a) >= nb_re(b) ? a : b) + nb_log1p(nb_exp(-nb_abs(gap(a, b))));
}

FUNCTION(logaddexp, log_add_exp(a, b), nb_sigmoid(gap(a, b)), nb_sigmoid(gap(b, a)))

/* a is 0 and the logarithm infinite or without meaning. */
static inline bool nothing(nb_real a, nb_real b)
{
    return (nb_re(a) == 0) & ((nb_re(b) <= 0) | (nb_re(b) == (nb_part)INFINITY));
}

FUNCTION(xlogy, nothing(a, b) ? (nb_real)0 : a *nb_log(b), nothing(a, b) ? (nb_real)0 : nb_log(b),
         nothing(a, b) ? (nb_real)0 : a / (nb_re(b) < 0 ? (nb_real)NAN : b))

/* ---- branches -----------------------------------------------------------------------------------------------------
 */

/* 0^b is infinitely steep for b < 1 and jumps at b = 0; elsewhere powers are smooth, or there are none. */
static void power_branches(const struct nb_call *c, struct nb_branches *b)
{
    for (size_t i = 0; i < nb_pairs(c); i++) {
        struct nb_pair p = nb_pair_at(c, i);
        bool steep = p.a == 0 && p.b < 1, none = p.a < 0 && p.b != floor(p.b);
        nb_decide(b, none ? 1 : !steep ? 2 : p.b < 0 ? 3 : p.b > 0 ? 4 : 5);
        if (steep && p.b >= 0)
            nb_at_edge(b, p.b == 0, (int64_t)p.at[p.b == 0], NB_EDGE_SIDE, (int64_t)i);
    }
}

/* The angle jumps where a = 0 and b < 0, and has no limit at the origin. */
static void angle_branches(const struct nb_call *c, struct nb_branches *b)
{
    for (size_t i = 0; i < nb_pairs(c); i++) {
        struct nb_pair p = nb_pair_at(c, i);
        bool origin = p.a == 0 && p.b == 0, left = p.b < 0;
        nb_decide(b, origin ? 1 : !left ? 2 : signbit(p.a) ? 3 : 4);
        if (origin)
            nb_pair_at_edge(c, b, &p, i, NB_EDGE_CORNER);
        else if (left && p.a == 0)
            nb_at_edge(b, 0, (int64_t)p.at[0], NB_EDGE_SIDE, (int64_t)i);
    }
}

static void xlogy_branches(const struct nb_call *c, struct nb_branches *b)
{
    for (size_t i = 0; i < nb_pairs(c); i++) {
        struct nb_pair p = nb_pair_at(c, i);
        if (p.b > 0)
            nb_decide(b, 5);
        else if (nb_side(b, p.a, 0))
            nb_at_edge(b, 0, (int64_t)p.at[0], NB_EDGE_SIDE, (int64_t)i);
    }
}

/* ---- rows ---------------------------------------------------------------------------------------------------------
 */

static const struct nb_kink tie[] = {{"a = b", "half of g to each"}, {0}};
static const struct nb_kink origin[] = {{"a = b = 0", "0"}, {0}};
static const struct nb_kink power_kinks[] = {{"a = 0, b >= 0", "0 for the exponent"}, {0}};
static const struct nb_kink xlogy_kinks[] = {{"a = 0, b <= 0", "0"}, {0}};

static const struct nb_known div_mistakes[] = {
    {.code = "div_square_missing",
     .of = "b",
     .formula = "d*b",
     .hint = "The square of the denominator is missing: -a/b^2."},
    {.code = "div_as_first", .of = "b", .formula = "-g/b^2", .hint = "The numerator is missing: -a/b^2."},
    {.code = "div_product", .of = "a", .formula = "g*b", .hint = "Divide by b."},
    {0},
};

static const struct nb_known pow_mistakes[] = {
    {.code = "pow_exponent", .of = "a", .formula = "d*a", .hint = "The exponent goes down by one: b a^(b-1)."},
    {.code = "pow_factor_missing", .of = "a", .formula = "d/b", .hint = "The exponent comes to the front: b a^(b-1)."},
    {.code = "pow_logarithm_missing",
     .of = "b",
     .formula = "g*y",
     .hint = "The logarithm of the base is missing: a^b ln a."},
    {0},
};

static const struct nb_known atan2_mistakes[] = {
    {.code = "atan2_root", .of = "a", .formula = "d*(a^2 + b^2)^0.5", .hint = "Divide by a^2 + b^2, without a root."},
    {.code = "atan2_root", .of = "b", .formula = "d*(a^2 + b^2)^0.5", .hint = "Divide by a^2 + b^2, without a root."},
    {0},
};

static const struct nb_known logaddexp_mistakes[] = {
    {.code = "logaddexp_unnormalised",
     .of = "a",
     .formula = "g*exp(a)",
     .hint = "Divide by the sum: e^a / (e^a + e^b)."},
    {0},
};

static const struct nb_known xlogy_mistakes[] = {
    {.code = "xlogy_product_rule", .of = "a", .formula = "d + a/b*g", .hint = "Only the logarithm belongs to a."},
    {.code = "xlogy_reciprocal_only", .of = "b", .formula = "g/b", .hint = "The factor a stays: a/b."},
    {0},
};

static const struct nb_known maximum_mistakes[] = {
    {.code = "maximum_both", .of = "a", .formula = "g", .hint = "Only the greater operand gets the gradient."},
    {.code = "maximum_both", .of = "b", .formula = "g", .hint = "Only the greater operand gets the gradient."},
    {0},
};

static const struct nb_known minimum_mistakes[] = {
    {.code = "minimum_both", .of = "a", .formula = "g", .hint = "Only the lesser operand gets the gradient."},
    {.code = "minimum_both", .of = "b", .formula = "g", .hint = "Only the lesser operand gets the gradient."},
    {0},
};

#define ROW(Type, Onnx, name, what, value, slopes, ...)                                                                \
    {                                                                                                                  \
        .type = Type, .onnx = Onnx, .summary = what, .formula = "y = " value, .derivative = slopes,                    \
        .inputs = nb_binary_ports, .infer = nb_binary_infer, NB_CALLS(name), .jacobian = "P",                          \
        .cases = nb_binary_cases, __VA_ARGS__                                                                          \
    }

const struct nb_module NB(nb_module_arithmetic)[] = {
    ROW("Add", "Add", add, "The sum.", "a + b", "da = g, \\quad db = g"),
    ROW("Sub", "Sub", sub, "The difference.", "a - b", "da = g, \\quad db = -g"),
    ROW("Mul", "Mul", mul, "The product, entry by entry.", "a b", "da = g b, \\quad db = g a"),
    ROW("Div", "Div", div, "The quotient, entry by entry.", "\\frac ab",
        "da = \\frac gb, \\quad db = -\\frac{g a}{b^2}", .lo = 0.2, .hi = 3, .mistakes = div_mistakes),
    ROW("Pow", "Pow", power, "The power; a negative base wants a whole exponent.", "a^b",
        "da = g \\, b \\, a^{b-1}, \\quad db = g \\, a^b \\ln a", .lo = 0.2, .hi = 3, .kinks = power_kinks,
        .branches = power_branches, .mistakes = pow_mistakes),
    ROW("Maximum", "Max", maximum, "The greater of two, entry by entry.", "\\max(a, b)",
        "da = g \\, 1[a > b], \\quad db = g \\, 1[b > a], \\quad \\tfrac12 g \\text{ each if } a = b", .kinks = tie,
        .branches = nb_binary_branches, .mistakes = maximum_mistakes),
    ROW("Minimum", "Min", minimum, "The lesser of two, entry by entry.", "\\min(a, b)",
        "da = g \\, 1[a < b], \\quad db = g \\, 1[b < a], \\quad \\tfrac12 g \\text{ each if } a = b", .kinks = tie,
        .branches = nb_binary_branches, .mistakes = minimum_mistakes),
    ROW("Atan2", NULL, angle, "The angle of the point (b, a), from -pi to pi.", "\\operatorname{atan2}(a, b)",
        "da = \\frac{g b}{a^2 + b^2}, \\quad db = -\\frac{g a}{a^2 + b^2}", .kinks = origin, .branches = angle_branches,
        .mistakes = atan2_mistakes),
    ROW("LogAddExp", NULL, logaddexp, "The logarithm of the sum of two exponentials.", "\\ln(e^a + e^b)",
        "da = g \\, \\sigma(a - b), \\quad db = g \\, \\sigma(b - a)", .mistakes = logaddexp_mistakes),
    ROW("XLogY", NULL, xlogy, "a times the logarithm of b; 0 where a is 0.", "a \\ln b",
        "da = g \\ln b, \\quad db = \\frac{g a}{b}", .lo = 0.2, .hi = 3, .kinks = xlogy_kinks,
        .branches = xlogy_branches, .mistakes = xlogy_mistakes),
    {0},
};
