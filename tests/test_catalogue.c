/* test_catalogue - the catalogue of traps: points at which naive checks reject what is right or accept what is wrong.
 *
 * Every trap of the reference stands here by its name, with the verdict wanted: as numbers that are handed in for a
 * module of ours, and as the formula of a user, who is also judged where nothing was given. Each is judged coordinate
 * by coordinate and by structure, and the verdicts must be the same. As black boxes: test_catalogue_probes.c. */
#include "check/check.h"
#include "check/point.h"
#include "graphs.h"
#include <math.h>
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 31);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* ---- graphs ---------------------------------------------------------------------------------------------------- */

#define GRAPH(inputs, nodes, output)                                                                                   \
    "{'inputs': {" inputs "}, 'dtype': 'float64', 'nodes': {" nodes "}, 'outputs': ['" output "']}"
/* One module at vectors, or at rows of three. */
#define ENTRIES(op) GRAPH("'x': ['N']", "'y': {" op ", 'in': 'x'}", "y")
#define ROWS(op) GRAPH("'x': ['N', 3]", "'y': {" op ", 'in': 'x'}", "y")
/* A formula, and its derivative as a user wrote it. */
#define MINE(shape, forward, backward)                                                                                 \
    "{'inputs': {'x': " shape "}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'x': " shape "}, 'expr': '" forward \
    "', 'backward': {'x': '" backward "'}}}, 'nodes': {'y': {'op': 'M', 'in': 'x'}}, 'outputs': ['y']}"
#define PAIR(forward, da, db)                                                                                          \
    "{'inputs': {'a': ['N'], 'b': ['N']}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'a': ['N'], 'b': ['N']}, "  \
    "'expr': '" forward "', 'backward': {'a': '" da "', 'b': '" db "'}}}, 'nodes': {'y': {'op': 'M', 'in': ['a', "     \
    "'b']}}, 'outputs': ['y']}"
#define TANH ENTRIES("'op': 'Tanh'")
#define RELU ENTRIES("'op': 'ReLU'")
#define SOFTMAX ROWS("'op': 'Softmax'")
#define NORM ROWS("'op': 'BatchNorm1d', 'affine': false")
#define LINEAR(n) ROWS("'op': 'Linear', 'out_features': " n)
#define LOSS(op) GRAPH("'x': ['N', 2], 't': ['N', 2]", "'loss': {" op ", 'in': ['x', 't']}", "loss")

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Wanted: a verdict, the reason of the worst tensor (- none; absent: any), codes of warnings after "!".
 * How: convention, train, wrt NAME. */
struct row {
    const char *name, *graph, *inputs, *cotangents, *gradients; /* NULL: drawn; the graph's own */
    const char *want, *how;
};

/* The gradient is right, and naive checks reject it. */
static const struct row right_rows[] = {
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [0, 1]}", "right kink", ""},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [1, 1]}", "right kink", ""},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [0.5, 1]}", "right kink", ""},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [1.2, 1]}", "wrong kink", ""},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [-0.1, 1]}", "wrong kink", ""},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [-2, 1]}", "{'x': [-1.9, 1]}", "right kink", ""},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [-2, 1]}", "{'x': [0.1, 1]}", "wrong kink", ""},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", NULL, NULL, "right kink", ""},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [0, 1]}", "right kink", "convention"},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [0.5, 1]}", "wrong kink", "convention"},
    {"relu-at-zero", RELU, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [1, 1]}", "wrong kink", "convention"},
    {"relu-at-zero", MINE("['N']", "relu(x)", "g*(x > 0)"), "{'x': [0, 1]}", NULL, NULL, "right", ""},
    {"relu-at-zero", MINE("['N']", "relu(x)", "g*(x >= 0)"), "{'x': [0, 1]}", NULL, NULL, "right", ""},
    {"relu-at-zero", MINE("['N']", "where(x > 0, x, 0)", "g*where(x == 0, 0.5, x > 0)"), "{'x': [0, 1]}", NULL, NULL,
     "right", ""},
    {"relu-at-zero", MINE("['N']", "max(x, 0)", "g*where(x == 0, 1.2, x > 0)"), "{'x': [0, 1]}", NULL, NULL,
     "wrong kink", ""},
    {"relu-at-zero", MINE("['N']", "relu(x)", "g*(x >= 0)"), "{'x': [0, 1]}", NULL, NULL, "wrong kink", "convention"},

    {"relu-near-zero", RELU, "{'x': [3e-6]}", "{'y': [1]}", "{'x': [1]}", "right", ""},
    {"relu-near-zero", RELU, "{'x': [3e-6]}", "{'y': [1]}", "{'x': [0.65]}", "wrong", ""},
    {"relu-near-zero", RELU, "{'x': [-3e-6, 1]}", "{'y': [1, 1]}", "{'x': [0, 1]}", "right", ""},
    {"relu-near-zero", RELU, "{'x': [-3e-6, 1]}", "{'y': [1, 1]}", "{'x': [0.35, 1]}", "wrong", ""},
    {"relu-near-zero", MINE("['N']", "where(x < 0, 0, x)", "g*step(x)"), "{'x': [3e-6, -3e-6]}", NULL, NULL, "right",
     ""},
    {"relu-near-zero", MINE("['N']", "(x + abs(x))/2", "g*step(x)"), "{'x': [3e-6, -3e-6]}", NULL, NULL, "right", ""},
    {"relu-near-zero", MINE("['N']", "relu(x)", "g*step(x + 1e-5)"), "{'x': [3e-6, -3e-6]}", NULL, NULL, "wrong", ""},

    {"leaky-at-zero", ENTRIES("'op': 'LeakyReLU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [0.01]}", "right kink", ""},
    {"leaky-at-zero", ENTRIES("'op': 'LeakyReLU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [0.505]}", "right kink", ""},
    {"leaky-at-zero", ENTRIES("'op': 'LeakyReLU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [1]}", "right kink", ""},
    {"leaky-at-zero", ENTRIES("'op': 'LeakyReLU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [0.009]}", "wrong kink", ""},
    {"leaky-at-zero", ENTRIES("'op': 'LeakyReLU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [1.001]}", "wrong kink", ""},
    {"leaky-at-zero", ENTRIES("'op': 'LeakyReLU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [0.505]}", "wrong kink",
     "convention"},
    {"leaky-at-zero", MINE("['N']", "max(x, 0.01*x)", "g*where(x == 0, 0.505, where(x > 0, 1, 0.01))"), "{'x': [0, 1]}",
     NULL, NULL, "right", ""},
    {"leaky-at-zero", MINE("['N']", "leaky_relu(x, 0.01)", "g*where(x == 0, 0, where(x > 0, 1, 0.01))"),
     "{'x': [0, 1]}", NULL, NULL, "wrong kink", ""},

    {"elu-at-zero", ENTRIES("'op': 'ELU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [1]}", "right -", ""},
    {"elu-at-zero", ENTRIES("'op': 'ELU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [0.9]}", "wrong -", ""},
    {"elu-at-zero", ENTRIES("'op': 'ELU'"), "{'x': [0]}", "{'y': [1]}", "{'x': [1]}", "right -", "convention"},
    {"elu-at-zero", MINE("['N']", "where(x > 0, x, expm1(x))", "g*where(x > 0, 1, exp(x))"), "{'x': [0, 1, -1]}", NULL,
     NULL, "right -", ""},
    {"elu-at-zero", MINE("['N']", "where(x > 0, x, expm1(x))", "g*where(x == 0, 0.9, where(x > 0, 1, exp(x)))"),
     "{'x': [0, 1, -1]}", NULL, NULL, "wrong -", ""},

    {"elu-half-at-zero", ENTRIES("'op': 'ELU', 'alpha': 0.5"), "{'x': [0]}", "{'y': [1]}", "{'x': [0.5]}", "right kink",
     ""},
    {"elu-half-at-zero", ENTRIES("'op': 'ELU', 'alpha': 0.5"), "{'x': [0]}", "{'y': [1]}", "{'x': [0.75]}",
     "right kink", ""},
    {"elu-half-at-zero", ENTRIES("'op': 'ELU', 'alpha': 0.5"), "{'x': [0]}", "{'y': [1]}", "{'x': [1]}", "right kink",
     ""},
    {"elu-half-at-zero", ENTRIES("'op': 'ELU', 'alpha': 0.5"), "{'x': [0]}", "{'y': [1]}", "{'x': [0.49]}",
     "wrong kink", ""},
    {"elu-half-at-zero", ENTRIES("'op': 'ELU', 'alpha': 0.5"), "{'x': [0]}", "{'y': [1]}", "{'x': [1.01]}",
     "wrong kink", ""},

    {"max-tie", ENTRIES("'op': 'Max'"), "{'x': [1, 1, 0.5]}", "{'y': 1}", "{'x': [1, 0, 0]}", "right kink", ""},
    {"max-tie", ENTRIES("'op': 'Max'"), "{'x': [1, 1, 0.5]}", "{'y': 1}", "{'x': [0, 1, 0]}", "right kink", ""},
    {"max-tie", ENTRIES("'op': 'Max'"), "{'x': [1, 1, 0.5]}", "{'y': 1}", "{'x': [0.5, 0.5, 0]}", "right kink", ""},
    {"max-tie", ENTRIES("'op': 'Max'"), "{'x': [1, 1, 0.5]}", "{'y': 1}", "{'x': [1, 1, 0]}", "wrong kink", ""},
    {"max-tie", ENTRIES("'op': 'Max'"), "{'x': [1, 1, 0.5]}", "{'y': 1}", "{'x': [0, 0, 0]}", "wrong kink", ""},
    {"max-tie", ENTRIES("'op': 'Max'"), "{'x': [1, 1, 0.5]}", "{'y': 1}", "{'x': [0, 0, 1]}", "wrong", ""},
    {"max-tie", ENTRIES("'op': 'Max'"), "{'x': [1, 1, 0.5]}", "{'y': 1}", "{'x': [1, 0, 0]}", "right kink",
     "convention"},
    {"max-tie", ENTRIES("'op': 'Max'"), "{'x': [1, 1, 0.5]}", "{'y': 1}", "{'x': [0, 1, 0]}", "wrong kink",
     "convention"},
#define POOL GRAPH("'x': ['N', 3]", "'y': {'op': 'MaxPool1d', 'in': 'x', 'kernel_size': 3}", "y")
    {"max-tie", POOL, "{'x': [[1, 1, 0.5]]}", "{'y': [[1]]}", "{'x': [[1, 0, 0]]}", "right kink", ""},
    {"max-tie", POOL, "{'x': [[1, 1, 0.5]]}", "{'y': [[1]]}", "{'x': [[0, 1, 0]]}", "right kink", ""},
    {"max-tie", POOL, "{'x': [[1, 1, 0.5]]}", "{'y': [[1]]}", "{'x': [[0.5, 0.5, 0]]}", "right kink", ""},
    {"max-tie", POOL, "{'x': [[1, 1, 0.5]]}", "{'y': [[1]]}", "{'x': [[1, 1, 0]]}", "wrong kink", ""},
    {"max-tie", POOL, "{'x': [[1, 1, 0.5]]}", "{'y': [[1]]}", "{'x': [[0, 0, 1]]}", "wrong", ""},
    {"max-tie", POOL, "{'x': [[1, 1, 0.5]]}", "{'y': [[1]]}", "{'x': [[1, 0, 0]]}", "right kink", "convention"},
    {"max-tie", POOL, "{'x': [[1, 1, 0.5]]}", "{'y': [[1]]}", "{'x': [[0, 1, 0]]}", "wrong kink", "convention"},
#define MAXIMUM GRAPH("'a': [1], 'b': [1]", "'y': {'op': 'Maximum', 'in': ['a', 'b']}", "y")
    {"max-tie", MAXIMUM, "{'a': [1], 'b': [1]}", "{'y': [1]}", "{'a': [1], 'b': [0]}", "right kink", ""},
    {"max-tie", MAXIMUM, "{'a': [1], 'b': [1]}", "{'y': [1]}", "{'a': [0], 'b': [1]}", "right kink", ""},
    {"max-tie", MAXIMUM, "{'a': [1], 'b': [1]}", "{'y': [1]}", "{'a': [0.5], 'b': [0.5]}", "right kink", ""},
    {"max-tie", MAXIMUM, "{'a': [1], 'b': [1]}", "{'y': [1]}", "{'a': [1], 'b': [1]}", "wrong kink", ""},
    {"max-tie", MINE("['N', 2]", "max(x, dim=1)", "unsqueeze(g, 1)*(x == max(x, dim=1, keepdim=1))"),
     "{'x': [[1, 1], [1, 2]]}", NULL, NULL, "wrong kink", ""},
    {"max-tie", MINE("['N', 2]", "max(x, dim=1)", "unsqueeze(g, 1)*one_hot(argmax(x, 1), 2)"),
     "{'x': [[1, 1], [1, 2]]}", NULL, NULL, "right", ""},

    {"square-large", ENTRIES("'op': 'Square'"), "{'x': [1e6, -2e6, 3e6]}", "{'y': [1, 1, 1]}",
     "{'x': [2e6, -4e6, 6e6]}", "right -", ""},
    {"square-large", ENTRIES("'op': 'Square'"), "{'x': [1e6, -2e6, 3e6]}", "{'y': [1, 1, 1]}",
     "{'x': [2e6, -4e6, 6000000.01]}", "wrong -", ""},
    {"square-large", MINE("['N']", "x*x", "2*g*x"), "{'x': [1e6, -2e6, 3e6]}", NULL, NULL, "right -", ""},

    {"linear-huge", GRAPH("'x': ['N']", "'y': {'expr': '3*x'}", "y"), "{'x': [1e10, -2e10]}", "{'y': [1, 1]}",
     "{'x': [3, 3]}", "right -", ""},
    {"linear-huge", GRAPH("'x': ['N']", "'y': {'expr': '3*x'}", "y"), "{'x': [1e10, -2e10]}", "{'y': [1, 1]}",
     "{'x': [3, 3.00001]}", "wrong -", ""},
    {"linear-huge", GRAPH("'x': ['N', 1]", "'y': {'op': 'Linear', 'in': 'x', 'out_features': 1}", "y"),
     "{'x': [[1e10], [-2e10]]}", NULL, NULL, "right -", ""},
    {"linear-huge", MINE("['N']", "3*x", "3*g"), "{'x': [1e10, -2e10]}", NULL, NULL, "right -", ""},

#define SIX "{'x': [[1, 2, 3], [0.5, -1, 2.5], [3, 0.3, -1.5], [-2, 1, 0.25], [1.75, -0.6, 2], [0.1, 0.7, -3]]}"
#define SIX_ONES "{'y': [[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]}"
#define SIX_ZEROS "{'x': [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]}"
    {"ones-through-normaliser", NORM, SIX, SIX_ONES, NULL, "right - !constant_cotangent", "train"},
    {"ones-through-normaliser", SOFTMAX, SIX, SIX_ONES, NULL, "right - !constant_cotangent", ""},
    {"ones-through-normaliser", SOFTMAX, SIX, SIX_ONES,
     "{'x': [[0, 0, 0], [0, 0, 0], [0, 0, 1e-9], [0, 0, 0], [0, 0, 0], [0, 0, 0]]}", "wrong -", ""},
    {"ones-through-normaliser", MINE("['N', 3]", "softmax(x)", "out*(g - sum(g*out, 1, keepdim=1))"), SIX, SIX_ONES,
     NULL, "right - !constant_cotangent", ""},

    {"zero-log-zero", GRAPH("'x': ['N', 3], 't': ['N', 3]", "'loss': {'op': 'CrossEntropy', 'in': ['x', 't']}", "loss"),
     "{'x': [[1, 0, 0]], 't': [[1, 0, 0]]}", "{'loss': 1}", "{'x': [[-1, 0, 0]]}", "right", "wrt x"},
    {"zero-log-zero", GRAPH("'x': ['N', 3], 't': ['N', 3]", "'loss': {'op': 'CrossEntropy', 'in': ['x', 't']}", "loss"),
     "{'x': [[1, 0, 0]], 't': [[1, 0, 0]]}", "{'loss': 1}", "{'x': [[-1, 'NaN', 0]]}", "wrong not_finite", "wrt x"},
    {"zero-log-zero", GRAPH("'x': ['N', 3], 't': ['N', 3]", "'loss': {'op': 'CrossEntropy', 'in': ['x', 't']}", "loss"),
     "{'x': [[1, 0, 0]], 't': [[1, 0, 0]]}", "{'loss': 1}", NULL, "right", "wrt x"},

    {"softmax-overflow",
     GRAPH("'x': ['N', 3], 't': {'shape': ['N'], 'dtype': 'int64'}",
           "'loss': {'op': 'CrossEntropyLoss', 'in': ['x', 't']}", "loss"),
     "{'x': [[1000, 0, -1000]], 't': [1]}", NULL, NULL, "right", ""},
    {"softmax-overflow", ROWS("'op': 'LogSoftmax'"), "{'x': [[1000, 0, -1000]]}", "{'y': [[1, 2, -1]]}", NULL, "right",
     ""},
    {"softmax-overflow",
     GRAPH("'x': ['N', 3]", "'e': {'expr': 'exp(x)'}, 'y': {'expr': 'e/sum(e, 1, keepdim=1)'}", "y"),
     "{'x': [[1000, 0, -1000]]}", "{'y': [[1, 2, -1]]}", "{'x': [[0, 0, 0]]}",
     "cannot_tell forward_not_finite !forward_not_finite", ""},
    {"softmax-overflow", MINE("['N', 3]", "exp(x)/sum(exp(x), 1, keepdim=1)", "out*(g - sum(g*out, 1, keepdim=1))"),
     "{'x': [[1000, 0, -1000]]}", NULL, NULL, "right - !forward_not_finite", ""},

    {"softplus-overflow", ENTRIES("'op': 'Softplus'"), "{'x': [800]}", "{'y': [1]}", "{'x': [1]}", "right -", ""},
    {"softplus-overflow", GRAPH("'x': ['N']", "'y': {'expr': 'log1p(exp(x))'}", "y"), "{'x': [800]}", "{'y': [1]}",
     "{'x': [1]}", "cannot_tell forward_not_finite !forward_not_finite", ""},
    {"softplus-overflow", MINE("['N']", "log1p(exp(x))", "g*sigmoid(x)"), "{'x': [800]}", NULL, NULL, "right", ""},

    {"loss-minimum", LOSS("'op': 'EuclideanLoss'"), "{'x': [[0.5, -1.25]], 't': [[0.5, -1.25]]}", NULL,
     "{'x': [[0, 0]]}", "right", "wrt x"},
    {"loss-minimum", LOSS("'op': 'EuclideanLoss'"), "{'x': [[0.5, -1.25]], 't': [[0.5, -1.25]]}", NULL,
     "{'x': [[0, 0.001]]}", "wrong", "wrt x"},
    {"loss-minimum", LOSS("'op': 'EuclideanLoss'"), "{'x': [[0.5, -1.25]], 't': [[0.5, -1.25]]}", NULL, NULL, "right",
     ""},
    {"loss-minimum", ENTRIES("'op': 'Norm'"), "{'x': [0, 0, 0]}", "{'y': 1}", "{'x': [0, 0, 0]}", "right kink", ""},
    {"loss-minimum", ENTRIES("'op': 'Norm'"), "{'x': [0, 0, 0]}", "{'y': 1}", "{'x': [0.6, 0, -0.8]}", "right kink",
     ""},
    {"loss-minimum", ENTRIES("'op': 'Norm'"), "{'x': [0, 0, 0]}", "{'y': 1}", "{'x': [0.6, 0.6, 0.6]}", "wrong kink",
     ""},
    {"loss-minimum", ENTRIES("'op': 'Norm'"), "{'x': [0, 0, 0]}", "{'y': 1}", "{'x': [0, 0, 1.1]}", "wrong kink", ""},
    {"loss-minimum", ENTRIES("'op': 'Norm'"), "{'x': [0, 0, 0]}", "{'y': -3}", "{'x': [0, 0, 2.9]}", "right kink", ""},
    {"loss-minimum", MINE("['N']", "norm(x)", "g*where(norm(x) == 0, 0, x/norm(x))"), "{'x': [0, 0, 0]}", NULL, NULL,
     "right", ""},

    {"running-statistics", ROWS("'op': 'BatchNorm1d', 'momentum': 0.1"), SIX, NULL, NULL, "right -", "train"},
    {"dropout-redrawn", ENTRIES("'op': 'Dropout', 'p': 0.5"), "{'x': [1, 2, 3, -1, 5]}", NULL, NULL, "right",
     "train wrt x"}, /* the mask is frozen; drawn anew: test_self.c, test_catalogue_probes.c */
#define FLOAT_LINEAR(n, i, o)                                                                                          \
    "{'inputs': {'x': [" n ", " i "]}, 'nodes': {'y': {'op': 'Linear', 'in': 'x', 'out_features': " o "}}, "           \
    "'outputs': ['y']}"
    {"float-linear", FLOAT_LINEAR("4", "20", "5"), NULL, NULL, NULL, "right -", ""},
    {"stacked-product", FLOAT_LINEAR("32", "50", "40"), NULL, NULL, NULL, "right -", ""},
    {"stacked-product", GRAPH("'x': [32, 50]", "'y': {'op': 'Linear', 'in': 'x', 'out_features': 40}", "y"), NULL, NULL,
     NULL, "right -", ""},

    {"two-kinks", GRAPH("'a': ['N'], 'b': ['N']", "'y': {'expr': 'relu(relu(a) + relu(b + 4e-6))'}", "y"),
     "{'a': [2e-6], 'b': [-2e-6]}", "{'y': [1]}", "{'a': [1], 'b': [1]}", "right -", ""},
    {"two-kinks", GRAPH("'a': ['N'], 'b': ['N']", "'y': {'expr': 'relu(relu(a) + relu(b + 4e-6))'}", "y"),
     "{'a': [2e-6], 'b': [-2e-6]}", "{'y': [1]}", "{'a': [1], 'b': [0.5]}", "wrong", ""},
    {"two-kinks", PAIR("relu(relu(a) + relu(b + 4e-6))", "g*step(a)", "g*step(b + 4e-6)"),
     "{'a': [2e-6], 'b': [-2e-6]}", NULL, NULL, "right", ""},
};

/* The gradient is wrong, and naive checks accept it. */
#define TANH_WRONG MINE("['N']", "tanh(x)", "g*(1 - tanh(x))")
#define SIX_ZEROS "{'x': [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]}"
#define NORM_MINE(backward)                                                                                            \
    MINE("['N', 3]", "(x - mean(x, 0, keepdim=1))*rsqrt(var(x, 0, keepdim=1, correction=0) + 1e-5)", backward)
#define THREE_ONES "[[1, 1, 1], [1, 1, 1], [1, 1, 1]]"
/* A Linear of a user, 3 to `n`. */
#define LINEAR_MINE(n, dw, db)                                                                                         \
    "{'inputs': {'x': ['N', 3]}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'u': ['N', 3]}, 'nodes': {'W': "     \
    "{'op': 'Parameter', 'shape': [" n ", 3], 'init': {'normal': [0, 1]}}, 'b': {'op': 'Parameter', 'shape': [" n      \
    "], 'init': {'normal': [0, 1]}}, 'v': {'expr': 'linear(u, W, b)'}}, 'outputs': ['v'], 'backward': {'u': 'g @ W', " \
    "'W': '" dw "', 'b': '" db "'}}}, 'nodes': {'y': {'op': 'M', 'in': 'x'}}, 'outputs': ['y']}"
static const struct row wrong_rows[] = {
    {"zero-cotangent", TANH, "{'x': [0.5, -1.25, 2]}", "{'y': [0, 0, 0]}", "{'x': [0, 0, 0]}",
     "cannot_tell zero_cotangent !zero_cotangent", ""},
    {"zero-cotangent", TANH, "{'x': [0.5, -1.25, 2]}", "{'y': [0, 0, 0]}", "{'x': [3, 0, -5]}",
     "cannot_tell zero_cotangent !zero_cotangent", ""},
    {"zero-cotangent", TANH_WRONG, "{'x': [0.5, -1.25, 2]}", "{'y': [0, 0, 0]}", NULL, "wrong", ""},
    {"zero-cotangent", MINE("['N']", "tanh(x)", "g*(1 - square(tanh(x)))"), "{'x': [0.5, -1.25, 2]}",
     "{'y': [0, 0, 0]}", NULL, "right", ""},

    {"softmax-zero", SOFTMAX, SIX, SIX_ONES, SIX_ZEROS, "right - !constant_cotangent", ""},
    {"softmax-zero", SOFTMAX, SIX, NULL, SIX_ZEROS, "wrong", ""},
    {"softmax-zero", MINE("['N', 3]", "softmax(x)", "0*g"), SIX, SIX_ONES, NULL, "wrong", ""},
    {"softmax-zero", MINE("['N', 3]", "softmax(x)", "0*g"), NULL, NULL, NULL, "wrong", ""},

    {"softmax-quotient", MINE("['N', 3]", "softmax(x)", "out*(g/sum(g*out, 1, keepdim=1) - 1)"), SIX, SIX_ONES, NULL,
     "wrong", ""},
    {"softmax-quotient", MINE("['N', 3]", "softmax(x)", "out*(g/sum(g*out, 1, keepdim=1) - 1)"), SIX, NULL, NULL,
     "wrong", ""},
    {"softmax-quotient", SOFTMAX, "{'x': [[1, 2, 3]]}", "{'y': [[1, 1, 1]]}", "{'x': [[1e-17, -2e-17, 3e-17]]}",
     "right - !constant_cotangent", ""},

    {"batchnorm-zero", NORM, SIX, SIX_ONES, SIX_ZEROS, "right - !constant_cotangent", "train"},
    {"batchnorm-zero", NORM, SIX, NULL, SIX_ZEROS, "wrong", "train"},
    {"batchnorm-zero", NORM_MINE("0*g"), SIX, SIX_ONES, NULL, "wrong", ""},
    {"batchnorm-zero",
     NORM_MINE("rsqrt(var(x, 0, keepdim=1, correction=0) + 1e-5)*(g - mean(g, 0, keepdim=1) - out*mean(g*out, 0, "
               "keepdim=1))"),
     SIX, SIX_ONES, NULL, "right", ""},

    {"batch-of-one", LINEAR("3"), "{'x': [[1, 2, 3]]}", "{'y': [[1, 2, -1]]}", "{'y.bias': [[1, 2, -1]]}",
     "wrong shape !batch_of_one", "wrt y.bias"},
    {"batch-of-one", LINEAR("3"), "{'x': [[1, 2, 3]]}", "{'y': [[1, 2, -1]]}", "{'y.bias': [1, 2, -1]}",
     "right - !batch_of_one", "wrt y.bias"},
    {"batch-of-one", LINEAR_MINE("2", "transpose(g) @ u", "mean(g, 0)"), "{'x': [[1, 2, 3]]}", NULL, NULL, "wrong", ""},
    {"batch-of-one", LINEAR_MINE("2", "transpose(g) @ u", "mean(g, 0)"), NULL, NULL, NULL, "wrong", ""},
    {"batch-of-one", LINEAR_MINE("2", "transpose(g) @ u", "sum(g, 0)"), "{'x': [[1, 2, 3]]}", NULL, NULL, "right", ""},

    {"transposed-ones", LINEAR("3"), "{'x': " THREE_ONES "}", "{'y': " THREE_ONES "}",
     "{'y.weight': [[3, 3, 3], [3, 3, 3], [3, 3, 3]]}", "right - !equal_entries", "wrt y.weight"},
    {"transposed-ones", LINEAR_MINE("3", "transpose(u) @ g", "sum(g, 0)"), "{'x': " THREE_ONES "}",
     "{'y': " THREE_ONES "}", NULL, "wrong", ""},
    {"transposed-ones", LINEAR_MINE("7", "reshape(transpose(u) @ g, [7, 3])", "sum(g, 0)"), NULL, NULL, NULL, "wrong",
     ""},

    {"relu-one-sided", RELU, "{'x': [0.5, 1, 2]}", "{'y': [1, 2, -1]}", "{'x': [1, 2, -1]}", "right - !one_branch", ""},
    {"relu-one-sided", RELU, "{'x': [-0.5, -1, -2]}", "{'y': [1, 2, -1]}", "{'x': [0, 0, 0]}",
     "cannot_tell silent !one_branch", ""},
    {"relu-one-sided", RELU, "{'x': [0.5, -1, 2]}", "{'y': [1, 2, -1]}", "{'x': [1, 2, -1]}", "wrong not_zero", ""},
    {"relu-one-sided", MINE("['N']", "relu(x)", "g"), "{'x': [0.5, 1, 2]}", NULL, NULL, "wrong", ""},
    {"relu-one-sided", MINE("['N']", "relu(x)", "0*g"), "{'x': [-0.5, -1, -2]}", NULL, NULL, "wrong", ""},
    {"relu-one-sided", MINE("['N']", "relu(x)", "g*step(x)"), "{'x': [-0.5, -1, -2]}", NULL, NULL, "right", ""},

    {"tanh-small", TANH, "{'x': [1e-4, -1e-4]}", "{'y': [1, 1]}", "{'x': [0.9999000000003333, 1.0000999999996667]}",
     "wrong", ""},
    {"tanh-small", TANH, "{'x': [1e-4, -1e-4]}", "{'y': [1, 1]}", "{'x': [0.9999999900000001, 0.9999999900000001]}",
     "right", ""},
    {"tanh-small", TANH_WRONG, "{'x': [1e-4, -1e-4]}", NULL, NULL, "wrong", ""},

    {"tanh-saturated", TANH, "{'x': [20, 25, 30]}", "{'y': [1, 1, 1]}", "{'x': [0, 0, 0]}", "cannot_tell", ""},
    {"tanh-saturated", TANH, "{'x': [20, 25, 30]}", "{'y': [1, 1, 1]}",
     "{'x': [8.496708510583178e-18, 3.8574996959278356e-22, 1.751302152539304e-26]}", "cannot_tell", ""},
    {"tanh-saturated", TANH, "{'x': [0.5, 0.5, 0.5]}", "{'y': [1, 1, 1]}",
     "{'x': [0.5378828427399902, 0.5378828427399902, 0.5378828427399902]}", "wrong", ""},
    {"tanh-saturated", TANH_WRONG, "{'x': [20, 25, 30]}", NULL, NULL, "wrong", ""},
    {"tanh-saturated", MINE("['N']", "tanh(x)", "g*(1 - square(tanh(x)))"), "{'x': [20, 25, 30]}", NULL, NULL, "right",
     ""},

    {"sigmoid-zero", ENTRIES("'op': 'Sigmoid'"), "{'x': [12, -13, 14]}", "{'y': [1, 1, 1]}", "{'x': [0, 0, 0]}",
     "wrong", ""},
    {"sigmoid-zero", ENTRIES("'op': 'Sigmoid'"), "{'x': [12, -13, 14]}", "{'y': [1, 1, 1]}",
     "{'x': [6.1441368513331755e-06, 2.2603191888376427e-06, 8.315273362252713e-07]}", "right", ""},
    {"sigmoid-zero", MINE("['N']", "sigmoid(x)", "0*g"), "{'x': [12, -13, 14]}", "{'y': [1, 1, 1]}", NULL, "wrong", ""},

    {"small-flipped", GRAPH("'x': ['N']", "'y': {'expr': '1e-6*square(x)'}", "y"), "{'x': [0.3, -0.7, 0.9]}",
     "{'y': [1, 1, 1]}", "{'x': [-6e-7, 1.4e-6, -1.8e-6]}", "wrong", ""},
    {"small-flipped", GRAPH("'x': ['N']", "'y': {'expr': '1e-6*square(x)'}", "y"), "{'x': [0.3, -0.7, 0.9]}",
     "{'y': [1, 1, 1]}", "{'x': [6e-7, -1.4e-6, 1.8e-6]}", "right", ""},
    {"small-flipped", MINE("['N']", "1e-6*square(x)", "-2e-6*g*x"), "{'x': [0.3, -0.7, 0.9]}", NULL, NULL, "wrong", ""},

    {"nan-candidate", TANH, "{'x': [0.5, -1.25, 2]}", NULL, "{'x': ['NaN', 'NaN', 'NaN']}", "wrong not_finite", ""},
    {"nan-candidate", TANH, "{'x': [0.5, -1.25, 2]}", NULL, "{'x': [1, 'Infinity', 1]}", "wrong", ""},
    {"nan-candidate", ENTRIES("'op': 'Log'"), "{'x': [2, -1, 3]}", "{'y': [1, 1, 1]}", "{'x': [0.5, 'NaN', 0.25]}",
     "wrong not_finite !forward_not_finite", ""},
    {"nan-candidate", ENTRIES("'op': 'Log'"), "{'x': [2, -1, 3]}", "{'y': [1, 1, 1]}", "{'x': [0.5, -1, 0.25]}",
     "cannot_tell forward_not_finite !forward_not_finite", ""},
    {"nan-candidate", RELU, "{'x': [2, -1]}", "{'y': [1, 1]}", "{'x': [1, -0.0]}", "right", ""},
    {"nan-candidate", MINE("['N']", "tanh(x)", "g*(1 - square(tanh(x)))*log(x)/log(x)"), NULL, NULL, NULL,
     "wrong not_finite", ""},

    {"broadcast", GRAPH("'x': ['N']", "'y': {'expr': '2*x'}", "y"), "{'x': [1, 2, 3]}", "{'y': [1, 1, 1]}", "{'x': 2}",
     "wrong shape", ""},
    {"broadcast", GRAPH("'x': ['N']", "'y': {'expr': '2*x'}", "y"), "{'x': [1, 2, 3]}", "{'y': [1, 1, 1]}",
     "{'x': [2]}", "wrong shape", ""},
    {"broadcast", GRAPH("'x': ['N']", "'y': {'expr': '2*x'}", "y"), "{'x': [1, 2, 3]}", "{'y': [1, 1, 1]}",
     "{'x': [[2], [2], [2]]}", "wrong shape", ""},
    {"broadcast", GRAPH("'x': ['N', 2]", "'y': {'expr': '2*x'}", "y"), "{'x': [[1, 2], [3, 4]]}",
     "{'y': [[1, 1], [1, 1]]}", "{'x': [[2], [2]]}", "wrong shape", ""},
    {"broadcast", GRAPH("'x': ['N', 2]", "'y': {'expr': '2*x'}", "y"), "{'x': [[1, 2], [3, 4]]}",
     "{'y': [[1, 1], [1, 1]]}", "{'x': [[2, 2], [2, 2]]}", "right", ""},
    {"broadcast", GRAPH("'x': [1]", "'y': {'expr': '2*x'}", "y"), "{'x': [1]}", "{'y': [1]}", "{'x': 2}", "wrong shape",
     ""},

#define DROPOUT(p) ENTRIES("'op': 'Dropout', 'p': " p)
#define DROPPED "{'x': [1, 2, 3], 'y/mask': [1, 0, 1]}"
    {"dropout-scale", DROPOUT("0.5"), DROPPED, "{'y': [1, 1, 1]}", "{'x': [2, 0, 2]}", "right", "train wrt x"},
    {"dropout-scale", DROPOUT("0.3"), DROPPED, "{'y': [1, 1, 1]}", "{'x': [3.3333333333333335, 0, 3.3333333333333335]}",
     "wrong", "train wrt x"},
    {"dropout-scale", DROPOUT("0.3"), DROPPED, "{'y': [1, 1, 1]}", "{'x': [1.4285714285714286, 0, 1.4285714285714286]}",
     "right", "train wrt x"},
#define DROPOUT_MINE(p)                                                                                                \
    "{'inputs': {'x': ['N'], 'm': {'shape': ['N'], 'sample': 'bernoulli', 'p': 0.5}}, 'dtype': 'float64', 'modules': " \
    "{'M': {'inputs': {'x': ['N'], 'm': ['N']}, 'expr': 'x*m/(1 - " p ")', 'backward': {'x': 'g*m/" p                  \
    "', 'm': null}}}, 'nodes': {'y': {'op': 'M', 'in': ['x', 'm']}}, 'outputs': ['y']}"
    {"dropout-scale", DROPOUT_MINE("0.5"), NULL, NULL, NULL, "right", "wrt x"},
    {"dropout-scale", DROPOUT_MINE("0.3"), NULL, NULL, NULL, "wrong", "wrt x"},

    {"power-zero", GRAPH("'x': ['N']", "'y': {'expr': 'x**0'}", "y"), "{'x': [0.5, 2, -1]}", NULL, "{'x': [0, 0, 0]}",
     "cannot_tell silent", ""},
    {"power-zero", MINE("['N']", "x**0", "0*g*x"), "{'x': [0.5, 2, -1]}", NULL, NULL, "cannot_tell degenerate_point",
     ""},
    {"power-zero", MINE("['N']", "x**0", "0*g/x"), "{'x': [0.5, 2, -1]}", NULL, NULL, "cannot_tell degenerate_point",
     ""},
#define TWO_LAYERS(w1, w2, extra)                                                                                      \
    "{'inputs': {'x': ['N', 2]}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'u': ['N', 2]}, 'nodes': {'W': "     \
    "{'op': 'Parameter', 'shape': [2, 2], 'value': " w1 "}, 'V': {'op': 'Parameter', 'shape': [2, 3], 'value': " w2    \
    "}, 'h': {'expr': 'tanh(u @ W)'}, 'v': {'expr': 'h @ V'}}, 'outputs': ['v'], 'backward': {'u': '((g @ "            \
    "transpose(V))*(1 - square(h))) @ transpose(W)', 'W': '" extra                                                     \
    "transpose(u) @ ((g @ transpose(V))*(1 - square(h)))', 'V': 'transpose(h) @ g'}}}, 'nodes': {'y': {'op': 'M', "    \
    "'in': 'x'}}, 'outputs': ['y']}"
#define SOME_W "[[0.5, -1.5], [0.25, 0.75]]"
#define SOME_V "[[0.5, -1.5, 0.3], [0.25, 0.75, -2]]"
    {"power-zero", TWO_LAYERS(SOME_W, SOME_V, ""), NULL, NULL, NULL, "right", ""},
    {"power-zero", TWO_LAYERS(SOME_W, SOME_V, "2*"), NULL, NULL, NULL, "wrong", ""},
    {"power-zero", TWO_LAYERS("[[0, 0], [0, 0]]", SOME_V, ""), "{'x': [[0.5, 1.5], [-1, 0.25]]}", NULL, NULL, "right",
     ""},
    {"power-zero", TWO_LAYERS(SOME_W, "[[0, 0, 0], [0, 0, 0]]", ""), "{'x': [[0.5, 1.5], [-1, 0.25]]}", NULL, NULL,
     "right", ""},
    {"power-zero", TWO_LAYERS(SOME_W, "[[0, 0, 0], [0, 0, 0]]", "5*"), "{'x': [[0.5, 1.5], [-1, 0.25]]}", NULL, NULL,
     "wrong", ""},
    {"power-zero", TWO_LAYERS(SOME_W, SOME_V, "5*"), "{'x': [[0, 0], [0, 0]]}", NULL, NULL, "wrong", ""},

    /* stale-cache, mutates-arguments, accumulates: formulas cannot; rows of C in test_modules.c, clients in
     * test_catalogue_probes.c. one-of-many, fast-mode: below */

    {"loss-factor", LOSS("'op': 'EuclideanLoss'"),
     "{'x': [[0.5, -1.25], [2, 1], [3, 0.25]], 't': [[0, 1], [1, 0], [-2, 1]]}", NULL, NULL, "right", ""},
    {"jacobian-returned", SOFTMAX, "{'x': [[1, 2, 3]]}", "{'y': [[1, 1, -1]]}",
     "{'x': [[0.08192507, -0.02203304, -0.05989202], [-0.02203304, 0.18483645, -0.1628034], [-0.05989202, -0.1628034, "
     "0.22269543]]}",
     "wrong shape", ""},
    {"jacobian-returned", SOFTMAX, "{'x': [[1, 2, 3]]}", "{'y': [[1, 1, -1]]}",
     "{'x': [[[0.08192507, -0.02203304, -0.05989202], [-0.02203304, 0.18483645, -0.1628034], [-0.05989202, -0.1628034, "
     "0.22269543]]]}",
     "wrong shape", ""},

    {"hard-coded", MINE("[1]", "tanh(x)", "g*0.7864477329659274"), "{'x': [0.5]}", NULL, NULL, "wrong", ""},
    {"hard-coded", MINE("[1]", "tanh(x)", "0.7864477329659274"), "{'x': [0.5]}", "{'y': [1]}", NULL, "wrong", ""},
    {"hard-coded", ENTRIES("'op': 'Tanh'"), "{'x': [0.5]}", "{'y': [1]}", "{'x': [0.7864477329659274]}", "right", ""},

#define SWISH(dx)                                                                                                      \
    "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'x': ['N']}, 'nodes': {'b': {'op': "    \
    "'Parameter', 'shape': [1], 'init': 'ones'}, 's': {'expr': 'sigmoid(b*x)'}, 'h': {'expr': 'x*s'}}, 'outputs': "    \
    "['h'], 'backward': {'x': '" dx "', 'b': 'sum(g*x*h*(1 - s))'}}}, 'nodes': {'y': {'op': 'M', 'in': 'x'}}, "        \
    "'outputs': ['y']}"
    {"hard-coded", SWISH("g*(s + b*h*(1 - s))"), NULL, NULL, NULL, "right", ""},
    {"hard-coded", SWISH("g*(s + h*(1 - s))"), NULL, NULL, NULL, "wrong", ""}, /* right where b is 1 */

#define PENALISED(slip)                                                                                                \
    "{'inputs': {'x': ['N', 2]}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'u': ['N', 2]}, 'nodes': {'W': "     \
    "{'op': 'Parameter', 'shape': [2, 2], 'value': " SOME_W "}, 'h': {'expr': 'tanh(u @ W)'}, 's': {'expr': "          \
    "'sum(h)'}}, 'outputs': ['s'], 'backward': {'u': '(g*(1 - square(h))) @ transpose(W)', 'W': '" slip                \
    "transpose(u) @ (g*(1 - square(h)))'}}}, 'nodes': {'d': {'op': 'M', 'in': 'x'}, 'r': {'op': 'WeightDecay', "       \
    "'params': ['*'], 'weight_decay': 1e3}, 'loss': {'expr': 'd + r'}}, 'outputs': ['loss']}"
    {"penalty-dominates", PENALISED(""), NULL, NULL, NULL, "right", ""},
    {"penalty-dominates", PENALISED("2*"), NULL, NULL, NULL, "wrong", ""},
    {"penalty-dominates", PENALISED("1.00000002*"), NULL, NULL, NULL, "wrong", ""}, /* below 1e-9 of the sum */
    {"penalty-dominates", PENALISED("1.00000002*"), "{'x': [[0.5, 1.5], [-1, 0.25]]}", "{'loss': 1}", NULL, "wrong",
     ""},

#define CONSISTENT MINE("['N', 3]", "exp(x)/mean(exp(x), 1, keepdim=1)", "out*(g - mean(g*out, 1, keepdim=1))")
    {"consistent-pair", CONSISTENT, NULL, NULL, NULL, "right", ""},

    {"extremes", TANH, "{'x': []}", "{'y': []}", NULL, "cannot_tell empty", ""},
    {"extremes", GRAPH("'x': [1, 1]", "'y': {'op': 'Linear', 'in': 'x', 'out_features': 1}", "y"), NULL, NULL, NULL,
     "right", ""},
    {"extremes", GRAPH("'x': []", "'y': {'op': 'Tanh', 'in': 'x'}", "y"), NULL, NULL, NULL, "right", ""},
    {"extremes", MINE("['N']", "tanh(x)", "g*(1 - square(tanh(x)))"), "{'x': []}", NULL, NULL, "cannot_tell empty", ""},
};

/* ---- one row --------------------------------------------------------------------------------------------------- */

static const struct nb_checked *worst_tensor(const struct nb_verdicts *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->v[i].verdict == v->verdict)
            return &v->v[i];
    return NULL;
}

static const char *reason_of(const struct nb_verdicts *v)
{
    const struct nb_checked *c = worst_tensor(v);
    const char *name = c ? nb_reason_name(c->reason) : NULL;
    return name ? name : "-";
}

static bool warns(const struct nb_verdicts *v, const char *code)
{
    for (size_t i = 0; i < v->ndoubts; i++)
        if (!strcmp(v->doubts[i].code, code))
            return true;
    return false;
}

static bool as_wanted(const struct nb_verdicts *v, const char *want)
{
    char text[200], *word = text, *rest;
    snprintf(text, sizeof text, "%s", want);
    if (strcmp(strtok_r(word, " ", &rest), nb_verdict_name(v->verdict)))
        return false;
    while ((word = strtok_r(NULL, " ", &rest)))
        if (*word == '!' ? !warns(v, word + 1) : strcmp(word, reason_of(v)))
            return false;
    return true;
}

static struct nb_verdicts judge(const struct row *r, enum nb_method method)
{
    struct nb_graph *g = make_good(r->graph);
    struct nb_check c = {.run.seed = {11, 12}, .method = method};
    struct nb_verdicts v;
    const char *wrt = strstr(r->how, "wrt ") ? strstr(r->how, "wrt ") + 4 : NULL;
    if (r->inputs)
        c.run.inputs = tensors(r->inputs);
    if ((c.run.cotangents_given = r->cotangents != NULL))
        c.run.cotangents = tensors(r->cotangents);
    if ((c.gradients_given = r->gradients != NULL))
        c.gradients = tensors(r->gradients);
    c.run.wrt_given = wrt != NULL;
    c.run.wrt = (struct nb_strings_list){wrt != NULL, &wrt};
    c.convention = strstr(r->how, "convention");
    c.run.train = strstr(r->how, "train");
    ck_assert_msg(nb_check_run(g, &c, &arena, &v, &error) == 0, "%s: %s at %s: %s", r->name, nb_code_name(error.code),
                  error.pointer, error.detail);
    nb_graph_unref(g);
    return v;
}

static void check_row(const struct row *r)
{
    static const char *const how[] = {[NB_METHOD_LOOP] = "loop", [NB_METHOD_STRUCTURE] = "structure"};
    for (int m = NB_METHOD_LOOP; m <= NB_METHOD_STRUCTURE; m++) {
        struct nb_verdicts v = judge(r, (enum nb_method)m);
        ck_assert_msg(as_wanted(&v, r->want), "%s, %s: %s %s%s%s, wanted %s; %s %s %s", r->name, how[m],
                      nb_verdict_name(v.verdict), reason_of(&v), v.ndoubts ? " !" : "",
                      v.ndoubts ? v.doubts[0].code : "", r->want, r->graph, r->inputs ? r->inputs : "",
                      r->gradients ? r->gradients : "");
        ck_assert_msg(v.self_ok, "%s, %s: %s", r->name, how[m], v.facts.fault ? v.facts.fault : "the oracles disagree");
    }
}

START_TEST(test_right)
{
    check_row(&right_rows[_i]);
}
END_TEST

START_TEST(test_wrong)
{
    check_row(&wrong_rows[_i]);
}
END_TEST

/* ---- what does not fit a row ------------------------------------------------------------------------------------- */

/* A graph at a drawn point, and the gradients of its own, which are right. */
struct honest {
    struct nb_graph *g;
    struct nb_check check;
};

static struct honest honest_of(const char *graph, const char *wrt)
{
    static const char *name[1];
    struct honest h = {.g = make_good(graph), .check.run.seed = {21, 22}};
    struct nb_verdicts drawn = {0};
    struct nb_result r;
    name[0] = wrt;
    h.check.run.wrt_given = wrt != NULL;
    h.check.run.wrt = (struct nb_strings_list){wrt != NULL, name};
    ck_assert(!nb_point_draw(h.g, &h.check.run, 0, &arena, &drawn, &error));
    ck_assert_msg(!nb_graph_backward(h.g, &h.check.run, &arena, &r, &error), "%s", error.detail);
    h.check.gradients_given = true;
    h.check.gradients = r.gradients;
    return h;
}

static double *numbers(const struct nb_tensors *l, const char *name)
{
    return nb_tensors_find(l, name)->data;
}

static const struct nb_checked *only(const struct honest *h, struct nb_verdicts *v)
{
    ck_assert_msg(!nb_check_run(h->g, &h->check, &arena, v, &error), "%s", error.detail);
    ck_assert_int_eq((int)v->n, 1);
    ck_assert(v->self_ok);
    return &v->v[0];
}

static void check_one_wrong(const struct honest *h, int64_t index, const char *what)
{
    struct nb_verdicts v;
    const struct nb_checked *c = only(h, &v);
    ck_assert_msg(c->verdict == NB_WRONG && c->wrong == 1 && c->worst == index, "%s: %s, %d wrong, worst %d for %d",
                  what, nb_verdict_name(c->verdict), (int)c->wrong, (int)c->worst, (int)index);
}

/* one-of-many: 200,704 entries, one of them wrong. Coordinate by coordinate that takes minutes. */
START_TEST(test_one_of_many)
{
    struct honest h =
        honest_of(GRAPH("'x': [3, 784]", "'y': {'op': 'Linear', 'in': 'x', 'out_features': 256}", "y"), "y.weight");
    struct nb_verdicts v;
    ck_assert_int_eq(only(&h, &v)->verdict, NB_RIGHT);
    numbers(&h.check.gradients, "y.weight")[123456] *= 1 + 1e-6;
    check_one_wrong(&h, 123456, "one-of-many");
    nb_graph_unref(h.g);
}
END_TEST

/* fast-mode: one entry dy/dx of the Jacobian is off by what PyTorch's fast mode does not see. */
START_TEST(test_fast_mode)
{
    static const int sizes[][3] = {{2, 5, 3}, {4, 20, 10}, {8, 50, 20}, {16, 100, 50}, {64, 256, 128}};
    static const double off[] = {0.01, 0.1, 3, 300, 10000};
    char graph[300];
    const int *n = sizes[_i];
    snprintf(graph, sizeof graph, GRAPH("'x': [%d, %d]", "'y': {'op': 'Linear', 'in': 'x', 'out_features': %d}", "y"),
             n[0], n[1], n[2]);
    struct honest h = honest_of(graph, "x");
    double *dx = numbers(&h.check.gradients, "x"), g = numbers(&h.check.run.cotangents, "y")[n[2] + 1];
    for (int k = 0; k < 5; k++) {
        double keep = dx[n[1] + 2]; /* dy/dx of the second sample, second output, third input */
        dx[n[1] + 2] += g * off[k];
        for (int m = n[1] > 20 ? NB_METHOD_STRUCTURE : NB_METHOD_LOOP; m <= NB_METHOD_STRUCTURE; m++) {
            h.check.method = (enum nb_method)m;
            check_one_wrong(&h, n[1] + 2, "fast-mode");
        }
        dx[n[1] + 2] = keep;
    }
    nb_graph_unref(h.g);
}
END_TEST

/* running-statistics: the state afterwards has the same bits. */
START_TEST(test_running_statistics)
{
    struct nb_graph *g = make_good(ROWS("'op': 'BatchNorm1d', 'momentum': 0.1"));
    const struct nb_tensors *l = nb_graph_parameters(g);
    struct nb_check c = {.run = {.seed = {1, 2}, .train = true}};
    struct nb_verdicts v;
    double before[5][3] = {{0}};
    for (size_t i = 0; i < l->n; i++)
        memcpy(before[i], l->v[i].t.data, sizeof(double) * (size_t)nb_count(&l->v[i].t.shape));
    ck_assert(!nb_check_run(g, &c, &arena, &v, &error));
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    ck_assert_int_eq((int)l->n, 5);
    for (size_t i = 0; i < l->n; i++)
        ck_assert_mem_eq(before[i], l->v[i].t.data, sizeof(double) * (size_t)nb_count(&l->v[i].t.shape));
    nb_graph_unref(g);
}
END_TEST

/* loss-factor: the ratio to what is right is the factor of another loss: sum, mean over all entries, no half. */
START_TEST(test_loss_factor)
{
    static const double factors[] = {5, 1 / 5.0, 2, 0.5, 1 / 2.0, 10, 1 / 10.0}; /* N = 5, D = 2 */
    struct honest h = honest_of(LOSS("'op': 'EuclideanLoss'"), "x");
    double *dx = numbers(&h.check.gradients, "x"), right[10];
    memcpy(right, dx, sizeof right);
    for (int k = 0; k < 7; k++) {
        struct nb_verdicts v;
        for (int i = 0; i < 10; i++)
            dx[i] = factors[k] * right[i];
        const struct nb_checked *c = only(&h, &v);
        ck_assert_int_eq(c->verdict, NB_WRONG);
        ck_assert_int_eq((int)c->wrong, 10);
        for (int i = 0; i < 10; i++)
            ck_assert_double_eq_tol(c->candidate[i] / c->value[i], factors[k], 1e-12 * factors[k]);
    }
    nb_graph_unref(h.g);
}
END_TEST

/* consistent-pair: the gradient is right for a forward that is not what it is called. The check says the one; values
 * against the definition say the other (of our own modules: test_fixtures.c). */
START_TEST(test_consistent_pair)
{
    struct nb_graph *softmax = make_good(SOFTMAX), *other = make_good(CONSISTENT);
    struct nb_run run = {.inputs = tensors(SIX)};
    struct nb_check c = {.run.seed = {1, 2}};
    struct nb_verdicts v;
    struct nb_result r[2];
    ck_assert(!nb_check_run(other, &c, &arena, &v, &error));
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    ck_assert(!nb_graph_forward(softmax, &run, &arena, &r[0], &error));
    ck_assert(!nb_graph_forward(other, &run, &arena, &r[1], &error));
    for (size_t i = 0; i < 18; i++)
        ck_assert(fabs(at(&r[1].outputs, "y", i) - 3 * at(&r[0].outputs, "y", i)) < 1e-14);
    nb_graph_unref(softmax);
    nb_graph_unref(other);
}
END_TEST

static struct nb_verdicts check_sizes(const char *graph, const char *dim, int64_t size, enum nb_method method)
{
    struct nb_graph *g = make_good(graph);
    struct nb_check c = {.run.seed = {1, 2}, .method = method};
    struct nb_verdicts v;
    c.run.dims.n = 1;
    c.run.dims.name = &dim;
    c.run.dims.size = &size;
    ck_assert_msg(!nb_check_run(g, &c, &arena, &v, &error), "%s", error.detail);
    nb_graph_unref(g);
    return v;
}

/* extremes: a batch of none, of tensors with and without entries; a very large tensor. */
START_TEST(test_extremes)
{
    static const char *const graphs[] = {TANH, SOFTMAX, LINEAR("4"), NORM_MINE("g")};
    for (int m = NB_METHOD_LOOP; m <= NB_METHOD_STRUCTURE; m++)
        for (int i = 0; i < 4; i++) {
            struct nb_verdicts v = check_sizes(graphs[i], "N", 0, (enum nb_method)m);
            ck_assert_int_eq(v.verdict, NB_CANNOT_TELL);
            for (size_t k = 0; k < v.n; k++)
                ck_assert(nb_count(&v.v[k].shape) || v.v[k].reason == NB_WHY_empty);
        }
    ck_assert_int_eq(check_sizes(TANH, "N", 300007, NB_METHOD_AUTO).verdict, NB_RIGHT);
}
END_TEST

#define COUNT(list) (int)(sizeof list / sizeof *list)

int main(void)
{
    Suite *s = suite_create("catalogue");
    TCase *t = tcase_create("catalogue");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_right, 0, COUNT(right_rows));
    tcase_add_loop_test(t, test_wrong, 0, COUNT(wrong_rows));
    tcase_add_test(t, test_one_of_many);
    tcase_add_loop_test(t, test_fast_mode, 0, 5);
    tcase_add_test(t, test_running_statistics);
    tcase_add_test(t, test_loss_factor);
    tcase_add_test(t, test_consistent_pair);
    tcase_add_test(t, test_extremes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
