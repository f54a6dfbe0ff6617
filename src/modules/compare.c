/* Comparisons: 1 where they hold, else 0. NaN is unequal to all, and neither less nor greater. */
#include "broadcast.h"

#define COMPARE(name, op)                                                                                              \
    NB_MAP2(name##_value, , a, b, nb_re(a) op nb_re(b))                                                                \
    static const struct nb_binary name = {name##_value, {NULL, NULL}};                                                 \
    NB_BINARY_FORWARD(name)

COMPARE(less, <)
COMPARE(lessequal, <=)
COMPARE(greater, >)
COMPARE(greaterequal, >=)
COMPARE(equal, ==)
COMPARE(notequal, !=)

static const struct nb_port ports[] = {{"a", NB_ANY_PORT, 0}, {"b", NB_ANY_PORT, 0}, {0}};
static const struct nb_kink kinks[] = {{"a = b (a jump)", "0"}, {0}};

#define ROW(Type, Onnx, name, what, op)                                                                                \
    {                                                                                                                  \
        .type = Type, .onnx = Onnx, .summary = "1 where a is " what " b, else 0.", .formula = "y = 1[a " op " b]",     \
        .derivative = "da = 0, \\quad db = 0", .inputs = ports, .infer = nb_binary_infer, .forward = name##_forward,   \
        .no_backward = "the derivative is 0 wherever it exists", .kinks = kinks, .branches = nb_binary_branches,       \
        .jacobian = "P", .cases = nb_binary_cases                                                                      \
    }

const struct nb_module NB(nb_module_compare)[] = {
    ROW("Less", "Less", less, "less than", "<"),
    ROW("LessEqual", "LessOrEqual", lessequal, "at most", "\\le"),
    ROW("Greater", "Greater", greater, "greater than", ">"),
    ROW("GreaterEqual", "GreaterOrEqual", greaterequal, "at least", "\\ge"),
    ROW("Equal", "Equal", equal, "equal to", "="),
    ROW("NotEqual", NULL, notequal, "not equal to", "\\ne"),
    {0},
};
