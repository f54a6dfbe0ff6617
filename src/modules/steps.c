/* Sign, Step, Floor, Ceil, Round: constant between their jumps. */
#include "pointwise.h"

enum { ZERO, STRAIGHT_THROUGH };
static const char *const passes[] = {"zero", "straight_through", NULL};

struct args {
    int64_t grad;
};

static bool flows(const void *args)
{
    return ((const struct args *)args)->grad == STRAIGHT_THROUGH;
}

static const char *warning(const void *args)
{
    return flows(args) ? "straight_through passes the gradient as it is: not the derivative, which is 0" : NULL;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    size_t size = nb_map_count(c) * sizeof(nb_real);
    if (c->gin[0].data && flows(c->args))
        memcpy(c->gin[0].data, c->gout[0].data, size);
    else if (c->gin[0].data)
        memset(c->gin[0].data, 0, size);
    return 0;
}

static const struct nb_arg step_args[] = {
    {"grad", NB_ARG_CHOICE, offsetof(struct args, grad), ZERO, 0, 0, 0, passes,
     "what goes back: the derivative, 0, or the gradient as it comes"},
    {0},
};

/* 1 above 0, else 0; NaN stays NaN. */
static inline nb_part step(nb_part r)
{
    return r > 0 ? 1 : r <= 0 ? 0 : r;
}

NB_MAP1(sign_value, , x, nb_sign(x))
NB_MAP1(step_value, , x, step(nb_re(x)))
NB_MAP1(floor_value, , x, NB_M(floor)(nb_re(x)))
NB_MAP1(ceil_value, , x, NB_M(ceil)(nb_re(x)))
NB_MAP1(round_value, , x, NB_M(rint)(nb_re(x)))

NB_FORWARD(sign)
NB_FORWARD(step)
NB_FORWARD(floor)
NB_FORWARD(ceil)
NB_FORWARD(round)

/* Every entry on its step, which ends where `at_end` holds of the entry and its value. */
#define STEPS(name, function, at_end)                                                                                  \
    static void name##_branches(const struct nb_call *c, struct nb_branches *b)                                        \
    {                                                                                                                  \
        const nb_real *in = c->in[0].data;                                                                             \
        for (size_t i = 0; i < nb_map_count(c); i++) {                                                                 \
            nb_part x = nb_re(in[i]), y = NB_M(function)(x);                                                           \
            nb_decide_number(b, y);                                                                                    \
            if (at_end)                                                                                                \
                nb_at_edge(b, 0, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);                                                \
        }                                                                                                              \
    }

NB_EDGE_AT(sign, , 0, true)
NB_EDGE_AT(step, , 0, true)
STEPS(floor, floor, x == y)
STEPS(ceil, ceil, x == y)
STEPS(round, rint, x - y == (nb_part)0.5 || y - x == (nb_part)0.5)

static const struct nb_kink at_zero[] = {{"x = 0 (a jump)", "0"}, {0}};
static const struct nb_kink at_whole[] = {{"x whole (a jump)", "0"}, {0}};
static const struct nb_kink at_half[] = {{"x + 1/2 whole (a jump)", "0"}, {0}};

#define ROW(Type, Onnx, name, what, value, jumps)                                                                      \
    {                                                                                                                  \
        .type = Type, .onnx = Onnx, .summary = what, .formula = "y = " value, .derivative = "dx = 0",                  \
        NB_POINTWISE_ROW, .args = step_args, .args_size = sizeof(struct args), .forward = name##_forward,              \
        .backward = backward, .flows = flows, .warning = warning,                                                      \
        .no_backward = "the derivative is 0 wherever it exists", .kinks = jumps, .branches = name##_branches,          \
        .cases = nb_map_cases                                                                                          \
    }

const struct nb_module NB(nb_module_steps)[] = {
    ROW("Sign", "Sign", sign, "The sign: -1, 0 or 1.", "\\operatorname{sign} x", at_zero),
    ROW("Step", NULL, step, "1 above 0, else 0.", "1[x > 0]", at_zero),
    ROW("Floor", "Floor", floor, "The greatest whole number that is not above.", "\\lfloor x \\rfloor", at_whole),
    ROW("Ceil", "Ceil", ceil, "The least whole number that is not below.", "\\lceil x \\rceil", at_whole),
    ROW("Round", "Round", round, "The nearest whole number, halves to the even one.", "\\operatorname{round} x",
        at_half),
    {0},
};
