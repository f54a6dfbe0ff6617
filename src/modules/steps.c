/* Sign, Step, Floor, Ceil, Round: constant between their jumps. */
#include "pointwise.h"

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

static const struct nb_kink at_zero[] = {{"x = 0 (a jump)", "0"}, {0}};
static const struct nb_kink at_whole[] = {{"x whole (a jump)", "0"}, {0}};
static const struct nb_kink at_half[] = {{"x + 1/2 whole (a jump)", "0"}, {0}};

#define ROW(Type, Onnx, name, what, value, jumps)                                                                      \
    {                                                                                                                  \
        .type = Type, .onnx = Onnx, .summary = what, .formula = "y = " value, .derivative = "dx = 0",                  \
        NB_POINTWISE_ROW, .forward = name##_forward, .no_backward = "the derivative is 0 wherever it exists",          \
        .kinks = jumps, .cases = nb_map_cases                                                                          \
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
