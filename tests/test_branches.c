/* test_branches - what modules with kinks say of their decisions: at a kink, on either side of it, and elsewhere. */
#include "graph/ask.h"
#include "graphs.h"
#include "nabla/branch.h"
#include <stdio.h>

/* ---- one module at one point -------------------------------------------------------------------------------------
 */

enum { ROOM = 8 };

struct seen {
    struct nb_branches b;
    struct nb_edge edge[ROOM];
};

static void look(struct nb_session *s, struct seen *to)
{
    *to = (struct seen){.b.room = ROOM};
    to->b.edge = to->edge;
    ck_assert_msg(nb_session_forward(s, &error) == 0, "%s", error.detail);
    int op = (int)s->plan->net.ops.n - 1; /* the last one that tells */
    while (op >= 0 && !nb_session_branches(s, op, &to->b))
        op--;
    ck_assert(op >= 0);
}

struct place {
    const char *type, *inputs, *node, *point; /* with %s for the type */
    const char *move;                         /* this input's entry is moved by 1e-9 to leave the kink */
    int entry;
    const char *edges; /* met at the kink: kind, port, index and tie */
    bool three;        /* the decision at the kink is another one than on both sides */
};

#define X "{'x': ['N']}"
#define CHANNEL "{'x': [1, 'N']}"
#define AB "{'a': ['N'], 'b': ['M']}"
#define ONE "{'op': '%s', 'in': 'x'}"
#define TWO "{'op': '%s', 'in': ['a', 'b']}"
#define WITH(args) "{'op': '%s', 'in': 'x', " args "}"
#define VALUES_OF(args) "{'op': 'Identity', 'in': 'r.values'}, 'r': {'op': '%s', 'in': 'x', " args "}"
#define OUTPUT_OF(args) "{'op': 'Identity', 'in': 'r.output'}, 'r': {'op': '%s', 'in': 'x', " args "}"

static const struct place places[] = {
    {"ReLU", X, ONE, "{'x': [1, 0, -2]}", "x", 1, "side 0 1/1", true},
    {"LeakyReLU", X, ONE, "{'x': [1, 0, -2]}", "x", 1, "side 0 1/1", true},
    {"LeakyReLU", X, WITH("'negative_slope': 1"), "{'x': [1, 0, -2]}", "x", 1, "", true},
    {"ELU", X, WITH("'alpha': 0.5"), "{'x': [1, 0, -2]}", "x", 1, "side 0 1/1", true},
    {"ELU", X, ONE, "{'x': [1, 0, -2]}", "x", 1, "", true},
    {"PReLU", X, ONE, "{'x': [1, 0, 0]}", "x", 1, "side 0 1/1, side 0 2/2", true},
    {"PReLU", X, WITH("'init': 1"), "{'x': [1, 0, -2]}", "x", 1, "", true},
    {"SELU", X, ONE, "{'x': [1, 0, -2]}", "x", 1, "side 0 1/1", true},
    {"Hardtanh", X, WITH("'min_val': -0.5, 'max_val': 2"), "{'x': [2, 0, -0.5]}", "x", 0, "side 0 2/2, side 0 0/0",
     true},
    {"ReLU6", X, ONE, "{'x': [1, 6, 0]}", "x", 1, "side 0 2/2, side 0 1/1", true},
    {"Hardsigmoid", X, ONE, "{'x': [-3, 0, 3]}", "x", 2, "side 0 0/0, side 0 2/2", true},
    {"Hardsigmoid", X, WITH("'alpha': 0, 'beta': 1"), "{'x': [-3, 0, 3]}", NULL, 0, "", false},
    {"Hardswish", X, ONE, "{'x': [-3, 0, 3]}", "x", 0, "side 0 0/0, side 0 2/2", true},
    {"Hardshrink", X, ONE, "{'x': [-0.5, 0, 0.5]}", "x", 2, "side 0 0/0, side 0 2/2", true},
    {"Hardshrink", X, WITH("'lambd': 0"), "{'x': [-0.5, 0, 0.5]}", NULL, 0, "", false},
    {"Softshrink", X, ONE, "{'x': [-0.5, 0, 0.5]}", "x", 0, "side 0 0/0, side 0 2/2", true},
    {"Threshold", X, WITH("'threshold': 0.5, 'value': 0.5"), "{'x': [-0.5, 0, 0.5]}", "x", 2, "side 0 2/2", true},
    {"ThresholdedRelu", X, ONE, "{'x': [0, 1, 2]}", "x", 1, "side 0 1/1", true},
    {"RReLU", X, ONE, "{'x': [1, 0, -2]}", "x", 1, "side 0 1/1", true},
    {"RReLU", X, WITH("'lower': 0.5, 'upper': 1.5"), "{'x': [1, 0, -2]}", NULL, 0, "", false},
    {"Hardmax", "{'x': ['N', 2]}", ONE, "{'x': [[1, 5], [2, 2]]}", "x", 3, "tie 0 2/1, tie 0 3/1", false},
    {"GumbelSoftmax", AB, "{'op': '%s', 'in': ['a', 'b'], 'hard': true}", "{'a': [1, 2, 1], 'b': [0, 0, 1]}", "a", 2,
     "tie 0 1/0, tie 0 2/0, tie 1 1/0, tie 1 2/0", false},
    {"L1Decay", "{}", "{'op': '%s', 'params': ['w']}, 'w': {'op': 'Parameter', 'shape': [3], 'value': [1, 0, -2]}",
     "{}", NULL, 0, "side 0 1/1", false},
    {"GroupLasso", "{}",
     "{'op': '%s', 'params': ['w']}, 'w': {'op': 'Parameter', 'shape': [3, 2], 'value': [[1, 2], [0, 0], [-2, 0]]}",
     "{}", NULL, 0, "corner 0 2/1, corner 0 3/1", false},
    {"Abs", X, ONE, "{'x': [1, 0, -2]}", "x", 1, "side 0 1/1", true},
    {"Sqrt", X, ONE, "{'x': [1, 0, 2]}", "x", 1, "side 0 1/1", true},
    {"Clip", X, WITH("'min': -0.5, 'max': 2"), "{'x': [2, 0, -0.5]}", "x", 0, "side 0 2/2, side 0 0/0", true},
    {"Clip", X, WITH("'min': -0.5"), "{'x': [2, 0, -0.5]}", "x", 2, "side 0 2/2", true},
    {"Sign", X, ONE, "{'x': [1, 0, -2]}", "x", 1, "side 0 1/1", true},
    {"Step", X, ONE, "{'x': [1, 0, -2]}", "x", 1, "side 0 1/1", true},
    {"Floor", X, ONE, "{'x': [1.5, 2, -2.5]}", "x", 1, "side 0 1/1", false},
    {"Ceil", X, ONE, "{'x': [1.5, 2, -2.5]}", "x", 1, "side 0 1/1", false},
    {"Round", X, ONE, "{'x': [1, 0, -2.5]}", "x", 2, "side 0 2/2", false},
    {"Less", AB, TWO, "{'a': [1, 2, 3], 'b': [2]}", "a", 1, "side 0 1/1, side 1 0/1", true},
    {"LessEqual", AB, TWO, "{'a': [2], 'b': [3, 2, 1]}", "b", 1, "side 1 1/1, side 0 0/1", true},
    {"Greater", AB, TWO, "{'a': [1, 2, 3], 'b': [2, 2, 2]}", "b", 1, "side 0 1/1, side 1 1/1", true},
    {"GreaterEqual", AB, TWO, "{'a': [1, 2, 3], 'b': [2]}", "a", 1, "side 0 1/1, side 1 0/1", true},
    {"Equal", AB, TWO, "{'a': [1, 2, 3], 'b': [2]}", "a", 1, "side 0 1/1, side 1 0/1", true},
    {"NotEqual", AB, TWO, "{'a': [1, 2, 3], 'b': [2]}", "a", 1, "side 0 1/1, side 1 0/1", true},
    {"Maximum", AB, TWO, "{'a': [1, 2, 3], 'b': [2]}", "a", 1, "side 0 1/1, side 1 0/1", true},
    {"Minimum", AB, TWO, "{'a': [2], 'b': [3, 2, 1]}", "b", 1, "side 1 1/1, side 0 0/1", true},
    {"Pow", AB, TWO, "{'a': [0, 0, 2], 'b': [0, 2, 0]}", NULL, 0, "side 1 0/0", true}, /* beside it 0^b is steep */
    {"Pow", AB, TWO, "{'a': [0, 2], 'b': [0.5]}", "a", 0, "side 0 0/0", true},
    {"Atan2", AB, TWO, "{'a': [0, 0, 1], 'b': [-1, 1, 0]}", "a", 0, "side 0 0/0", false},
    {"XLogY", AB, TWO, "{'a': [0, 0, 1], 'b': [-1, 1, 2]}", "a", 0, "side 0 0/0", true},
    {"Where", "{'c': ['N'], 'a': ['N'], 'b': ['N']}", "{'op': '%s', 'in': ['c', 'a', 'b']}",
     "{'c': [1, 0], 'a': [1, 1], 'b': [2, 2]}", NULL, 0, "", false},
    {"Max", X, ONE, "{'x': [1, 3, 2, 3]}", "x", 3, "tie 0 1/0, tie 0 3/0", false},
    {"Max", "{'x': ['N', 2]}", WITH("'dim': 0"), "{'x': [[1, 5], [2, 5], [0, 4]]}", "x", 3, "tie 0 1/1, tie 0 3/1",
     false},
    {"Min", X, ONE, "{'x': [3, -1, 2, -1]}", "x", 3, "below 0 1/0, below 0 3/0", false},
    {"ArgMax", "{'x': ['N', 2]}", ONE, "{'x': [[1, 5], [2, 2]]}", "x", 3, "tie 0 2/1, tie 0 3/1", false},
    {"ArgMin", "{'x': ['N', 2]}", ONE, "{'x': [[1, 5], [2, 2]]}", "x", 3, "below 0 2/1, below 0 3/1", false},
    {"Sort", "{'x': ['N', 2]}", VALUES_OF("'dim': -1"), "{'x': [[1, 5], [2, 2]]}", "x", 3, "side 0 3/3, side 0 2/3",
     true},
    {"TopK", X, VALUES_OF("'k': 2"), "{'x': [1, 3, 2, 2, 1]}", "x", 3, "side 0 3/3, side 0 2/3", true},
    {"Std", X, ONE, "{'x': [2, 2]}", NULL, 0, "corner 0 0/0, corner 0 1/0", false},
    {"MaskedFill", "{'x': ['N'], 'm': ['N']}", "{'op': '%s', 'in': ['x', 'm'], 'value': 1}",
     "{'x': [1, 1], 'm': [1, 0]}", NULL, 0, "", false},
    {"Norm", X, ONE, "{'x': [0, 0]}", NULL, 0, "corner 0 0/0, corner 0 1/0", false},
    {"Norm", X, WITH("'p': 3"), "{'x': [0, 0]}", NULL, 0, "corner 0 0/0, corner 0 1/0", false},
    {"Norm", "{'x': ['N', 2]}", WITH("'p': 1, 'dim': 0"), "{'x': [[1, 0], [2, 3]]}", "x", 1, "side 0 1/2", true},
    {"Norm", X, WITH("'p': 'Infinity'"), "{'x': [1, -3, 3]}", "x", 2, "below 0 1/0, tie 0 2/0", false},
    {"Norm", X, WITH("'p': 'Infinity'"), "{'x': [0]}", "x", 0, "tie 0 0/0, below 0 0/0", false},
    {"Normalize", "{'x': ['N', 2]}", WITH("'p': 1"), "{'x': [[1, 0], [2, 3]]}", "x", 1, "side 0 1/1", true},
    {"Normalize", "{'x': ['N', 2]}", WITH("'eps': 5"), "{'x': [[3, 4], [1, 3]]}", "x", 1, "side 0 1/-1, side 0 0/-1",
     true},
    {"CosineSimilarity", "{'a': ['N', 2], 'b': [2]}", "{'op': '%s', 'in': ['a', 'b'], 'eps': 5}",
     "{'a': [[3, 4], [1, 1]], 'b': [1, 0]}", "a", 0, "side 0 0/0, side 1 0/0, side 0 1/0, side 1 1/0", true},
    {"PairwiseDistance", "{'a': ['N', 2], 'b': [2]}", "{'op': '%s', 'in': ['a', 'b'], 'eps': 0.5}",
     "{'a': [[1, 2], [1, 1]], 'b': [1.5, 2.5]}", NULL, 0, "corner 0 0/0, corner 1 0/0, corner 0 1/0, corner 1 1/0",
     false},
    {"PairwiseDistance", AB, "{'op': '%s', 'in': ['a', 'b'], 'p': 1, 'eps': 0.5}", "{'a': [1, 2], 'b': [1.5, 4]}", "a",
     0, "side 0 0/0, side 1 0/0", true},
    {"MaxPool1d", CHANNEL, WITH("'kernel_size': 3, 'stride': 2"), "{'x': [[1, 3, 2, 3, 3]]}", "x", 4,
     "tie 0 3/1, tie 0 4/1", false},
    {"MaxPool2d", "{'x': [1, 2, 'N']}", WITH("'kernel_size': 2"), "{'x': [[[1, 2, 7, 6], [2, 0, 5, 7]]]}", "x", 7,
     "tie 0 1/0, tie 0 4/0, tie 0 2/1, tie 0 7/1", false},
    {"MaxPool3d", "{'x': [1, 1, 2, 'N']}", WITH("'kernel_size': [1, 2, 2], 'dilation': [1, 1, 2]"),
     "{'x': [[[[5, 9, 4], [4, 9, 5]]]]}", "x", 0, "tie 0 0/0, tie 0 5/0", false},
    {"AdaptiveMaxPool1d", CHANNEL, WITH("'output_size': 2"), "{'x': [[1, 3, 3, 2, 0]]}", "x", 1, "tie 0 1/0, tie 0 2/0",
     false},
    {"AdaptiveMaxPool2d", "{'x': [1, 2, 'N']}", WITH("'output_size': [1, 2]"), "{'x': [[[1, 3], [1, 4]]]}", "x", 2,
     "tie 0 0/0, tie 0 2/0", false},
    {"AdaptiveMaxPool3d", "{'x': [1, 1, 2, 'N']}", WITH("'output_size': 1"), "{'x': [[[[1, 3], [3, 2]]]]}", "x", 1,
     "tie 0 1/0, tie 0 2/0", false},
    {"GlobalMaxPool", "{'x': [1, 2, 'N']}", ONE, "{'x': [[[1, 2, 2], [3, 2, 1]]]}", "x", 2, "tie 0 1/0, tie 0 2/0",
     false},
    {"LPPool1d", CHANNEL, WITH("'norm_type': 2, 'kernel_size': 2"), "{'x': [[0, 0, 1, 0]]}", NULL, 0,
     "corner 0 0/0, corner 0 1/0", false},
    {"LPPool2d", "{'x': [1, 2, 'N']}", WITH("'norm_type': 2, 'kernel_size': [2, 1]"), "{'x': [[[1, 0], [2, 0]]]}", NULL,
     0, "corner 0 1/1, corner 0 3/1", false},
    {"L1Loss", AB, TWO, "{'a': [1, 2, 3], 'b': [0, 2, 1]}", "b", 1, "side 0 1/1, side 1 1/1", true},
    {"HingeLoss", AB, TWO, "{'a': [1, 2, -1], 'b': [1, 1, -1]}", "a", 2, "side 0 0/0, side 0 2/2", true},
    {"HingeLoss", AB, "{'op': '%s', 'in': ['a', 'b'], 'p': 2}", "{'a': [1, 2, 3], 'b': [1, 1, -1]}", "a", 0, "", true},
    {"PerceptronLoss", AB, TWO, "{'a': [1, 0, -1], 'b': [1, 1, -1]}", "a", 1, "side 0 1/1", true},
    {"SmoothL1Loss", AB, "{'op': '%s', 'in': ['a', 'b'], 'beta': 0}", "{'a': [1, 2, 3], 'b': [0, 2, 1]}", "b", 1,
     "side 0 1/1, side 1 1/1", true},
    {"SmoothL1Loss", AB, TWO, "{'a': [1, 2, 3], 'b': [0, 2, 2]}", NULL, 0, "", false},
    {"HingeEmbeddingLoss", AB, TWO, "{'a': [1, 1, -1], 'b': [1, -1, -1]}", "a", 1, "side 0 1/1", true},
    {"PoissonNLLLoss", AB, "{'op': '%s', 'in': ['a', 'b'], 'full': true}", "{'a': [1, 1], 'b': [2, 1]}", "b", 1,
     "side 1 1/1", true},
    {"PoissonNLLLoss", AB, TWO, "{'a': [1, 1], 'b': [2, 1]}", NULL, 0, "", false},
    {"MarginRankingLoss", "{'a': ['N'], 'b': ['N'], 't': ['N']}", "{'op': '%s', 'in': ['a', 'b', 't'], 'margin': 0.5}",
     "{'a': [1, 1.5, 2], 'b': [1, 1, 1], 't': [1, 1, -1]}", "a", 1, "side 0 1/1, side 1 1/1", true},
    {"MultiMarginLoss", "{'a': ['N', 3], 't': {'shape': ['N'], 'dtype': 'int64'}}", "{'op': '%s', 'in': ['a', 't']}",
     "{'a': [[1, 3, 2], [1, 0.5, 0]], 't': [1, 0]}", "a", 2, "side 0 2/2, side 0 1/2, side 0 5/5, side 0 3/5", true},
    {"MultiMarginLoss", "{'a': ['N', 3], 't': {'shape': ['N'], 'dtype': 'int64'}}",
     "{'op': '%s', 'in': ['a', 't'], 'p': 2}", "{'a': [[1, 3, 2], [1, 0.5, 0]], 't': [1, 0]}", "a", 2, "", true},
    {"MultiLabelMarginLoss", "{'a': ['N', 3], 't': {'shape': ['N', 3], 'dtype': 'int64'}}",
     "{'op': '%s', 'in': ['a', 't']}", "{'a': [[1, 3, 2], [1, 0.5, 0]], 't': [[1, -1, 1], [0, 1, -1]]}", "a", 2,
     "side 0 2/2, side 0 1/2, side 0 5/5, side 0 3/5", true},
    {"CosineEmbeddingLoss", "{'a': ['N', 2], 'b': ['N', 2], 't': ['N']}", "{'op': '%s', 'in': ['a', 'b', 't']}",
     "{'a': [[2, 0], [1, 0], [1, 0]], 'b': [[1, 1], [0, 3], [0, 3]], 't': [1, 1, -1]}", "a", 5,
     "side 0 5/2, side 1 4/2", true},
    {"TripletMarginLoss", "{'a': ['N', 2], 'p': ['N', 2], 'n': ['N', 2]}",
     "{'op': '%s', 'in': ['a', 'p', 'n'], 'eps': 0}",
     "{'a': [[0, 0], [1, 1]], 'p': [[3, 4], [5, 5]], 'n': [[6, 0], [5, 5]]}", "a", 0,
     "side 0 0/0, side 0 1/0, side 1 0/0, side 1 1/0, side 2 0/0", true},
    {"TripletMarginLoss", "{'a': ['N', 2], 'p': ['N', 2], 'n': ['N', 2]}",
     "{'op': '%s', 'in': ['a', 'p', 'n'], 'eps': 0}", "{'a': [[1, 1]], 'p': [[1, 1]], 'n': [[1, 1.5]]}", NULL, 0,
     "corner 0 0/2, corner 1 0/2, corner 0 1/2, corner 1 1/2", false},
    {"TripletMarginLoss", "{'a': ['N', 2], 'p': ['N', 2], 'n': ['N', 2]}",
     "{'op': '%s', 'in': ['a', 'p', 'n'], 'eps': 0, 'p': 1}", "{'a': [[1, 1]], 'p': [[2, 1]], 'n': [[1.25, 1.5]]}", "p",
     1, "side 0 1/3, side 1 1/3", true},
    {"TripletMarginLoss", "{'a': ['N', 1], 'p': ['N', 1], 'n': ['N', 1]}",
     "{'op': '%s', 'in': ['a', 'p', 'n'], 'eps': 0, 'swap': true}", "{'a': [[0]], 'p': [[2]], 'n': [[1]]}", "a", 0,
     "side 0 0/1, side 1 0/1, side 2 0/1", true},
    {"GaussianNLLLoss", "{'a': ['N'], 'b': ['N'], 'v': ['N']}", "{'op': '%s', 'in': ['a', 'b', 'v'], 'eps': 0.5}",
     "{'a': [1, 2, 3], 'b': [1, 1, 1], 'v': [1, 0.5, 0.25]}", "v", 1, "side 2 1/1", true},
    {"TotalVariation", "{'x': ['N', 3]}", ONE, "{'x': [[1, 2, 3], [1, 1, 2]]}", "x", 4, "side 0 3/9, side 0 4/9", true},
    {"ContrastiveLoss", "{'a': ['N', 2], 'b': ['N', 2], 't': ['N']}", "{'op': '%s', 'in': ['a', 'b', 't']}",
     "{'a': [[1, 2], [1, 3]], 'b': [[1, 2], [1, 3]], 't': [0, 1]}", NULL, 0,
     "corner 0 2/1, corner 1 2/1, corner 0 3/1, corner 1 3/1", false},
    {"RNNCell", "{'x': ['N', 1]}", WITH("'hidden_size': 1, 'bias': false, 'nonlinearity': 'relu'"), "{'x': [[1], [0]]}",
     "x", 1, "side 0 1/1", true},
    {"RNN", "{'x': [1, 'N', 1]}", OUTPUT_OF("'hidden_size': 1, 'bias': false, 'nonlinearity': 'relu'"),
     "{'x': [[[1], [0]]]}", "x", 1, "side 0 1/1", true},
    {"RNN", "{'x': ['T', 2]}, 'params': {'r.weight_ih_l0': {'value': [[0, 1]]}}",
     OUTPUT_OF("'hidden_size': 1, 'bias': false, 'clip': 0.5"), "{'x': [[1, 0.5]]}", "x", 1, "side 0 1/0", true},
    {"LSTM", "{'x': ['T', 1]}, 'params': {'r.weight_ih_l0': {'value': [[0.1], [0.2], [1], [0.3]]}}",
     OUTPUT_OF("'hidden_size': 1, 'bias': false, 'clip': 0.5"), "{'x': [[-0.5]]}", "x", 0, "side 0 0/2", true},
    {"GRU", "{'x': ['T', 1]}, 'params': {'r.weight_ih_l0': {'value': [[0.1], [1], [0.2]]}}",
     OUTPUT_OF("'hidden_size': 1, 'bias': false, 'clip': 0.5"), "{'x': [[0.5]]}", "x", 0, "side 0 0/1", true},
};
enum { PLACES = sizeof places / sizeof *places };

static struct nb_planned *session_at(const struct place *p, struct nb_graph **g, struct nb_session *s)
{
    char node[200], text[400];
    struct nb_run run = {.inputs = tensors(p->point), .seed = {1, 2}};
    bool drew;
    snprintf(node, sizeof node, p->node, p->type);
    snprintf(text, sizeof text, "{'inputs': %s, 'dtype': 'float64', 'nodes': {'y': %s}, 'outputs': ['y']}", p->inputs,
             node);
    *g = make_good(text);
    struct nb_planned *plan = nb_graph_plan(*g, NB_ASK_FORWARD, &run, &arena, &error);
    ck_assert_msg(plan != NULL, "%s: %s", p->type, error.detail);
    struct nb_fed fed = nb_graph_fed(*g, &run);
    ck_assert_int_eq(nb_session_new(&plan->plan, NB_F64, &fed, &arena, s, &drew, &error), 0);
    return plan;
}

static const char *list(const struct seen *s)
{
    static const char *const names[] = {"side", "tie", "below", "corner"};
    static char text[300];
    size_t n = 0;
    *text = 0;
    for (int64_t i = 0; i < s->b.count && i < ROOM; i++) {
        const struct nb_edge *e = &s->edge[i];
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %d %d/%d", i ? ", " : "", names[e->kind], e->port,
                              (int)e->index, (int)e->tie);
    }
    return text;
}

/* Edges that stay when this entry has left its own. */
static int64_t others(const struct seen *s, int entry)
{
    int64_t own = 0, n = 0;
    for (int64_t i = s->b.count - 1; i >= 0; i--)
        own = s->edge[i].index == entry ? s->edge[i].tie : own;
    for (int64_t i = 0; i < s->b.count; i++)
        n += s->edge[i].tie != own;
    return n;
}

/* At the kink the edges are met; a billionth up and down they are not, and the decisions differ. */
START_TEST(at_a_kink_and_beside_it)
{
    const struct place *p = &places[_i];
    struct nb_graph *g;
    struct nb_session s;
    struct seen kink, up, down, again;
    struct nb_planned *plan = session_at(p, &g, &s);
    look(&s, &kink);
    ck_assert_msg(!strcmp(list(&kink), p->edges), "%s: wanted %s, met %s", p->type, p->edges, list(&kink));
    if (p->move) {
        double *x = (double *)s.data[nb_net_find(&plan->plan.net, p->move, &error)] + p->entry, still = *x;
        *x = still + 1e-9;
        look(&s, &up);
        *x = still - 1e-9;
        look(&s, &down);
        *x = still;
        look(&s, &again);
        int64_t stay = others(&kink, p->entry);
        ck_assert_msg(up.b.count == stay && down.b.count == stay, "%s: still an edge beside it", p->type);
        ck_assert_msg(up.b.hash != down.b.hash, "%s: the same decisions on both sides", p->type);
        ck_assert_msg(!p->three || (kink.b.hash != up.b.hash && kink.b.hash != down.b.hash), "%s", p->type);
        ck_assert_msg(again.b.hash == kink.b.hash && again.b.count == kink.b.count, "%s: decided anew", p->type);
    }
    nb_planned_unref(plan);
    nb_graph_unref(g);
}
END_TEST

/* Where there is no room, edges are counted all the same. */
START_TEST(no_room)
{
    struct nb_graph *g;
    struct nb_session s;
    struct nb_edge edge[2];
    struct nb_branches b = {.edge = edge, .room = 2};
    struct place p = {"ReLU", X, ONE, "{'x': [0, 0, 0, 1, 0]}", NULL, 0, NULL, false};
    struct nb_planned *plan = session_at(&p, &g, &s);
    ck_assert(nb_session_forward(&s, &error) == 0 && nb_session_branches(&s, 0, &b));
    ck_assert_int_eq((int)b.count, 4);
    ck_assert_int_eq((int)edge[1].index, 1);
    nb_planned_unref(plan);
    nb_graph_unref(g);
}
END_TEST

/* Who has kinks decides, in all builds, and stands in the table above; who has none does not. */
START_TEST(every_row)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    int found = 0;
    for (int i = 0; i < PLACES; i++)
        found += !strcmp(places[i].type, m->type);
    for (int b = NB_F32; b <= NB_C128; b++)
        ck_assert_msg((m->kinks != NULL) == (nb_module_at((enum nb_dtype)b, _i)->branches != NULL),
                      "%s: kinks and branches", m->type);
    ck_assert_msg((m->kinks != NULL) == (found > 0), "%s: no place of its own", m->type);
}
END_TEST

static void setup(void)
{
    nb_arena_init(&arena, 1 << 26);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

int main(void)
{
    Suite *s = suite_create("branches");
    TCase *t = tcase_create("branches");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, at_a_kink_and_beside_it, 0, PLACES);
    tcase_add_test(t, no_room);
    tcase_add_loop_test(t, every_row, 0, nb_module_count());
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
