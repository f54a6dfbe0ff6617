/* test_scan - scans: identities that are exact, what is refused and where, memory, and verdicts on right and wrong
 * gradients. What they compute is compared with PyTorch in fixtures/modules/scan.json. */
#include "check/check.h"
#include "graphs.h"
#include "nabla/limits.h"
#include <math.h>
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 30);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static struct nb_result run(const char *graph, struct nb_tensors inputs, const char *cotangents, const char *wrt)
{
    struct nb_graph *g = make_good(graph);
    struct nb_result r = {0};
    struct nb_run ask = {.inputs = inputs, .cotangents_given = true, .seed = {3, 4}};
    ask.cotangents = tensors(cotangents);
    ask.wrt = (struct nb_strings_list){1, &wrt};
    ask.wrt_given = true;
    ck_assert_msg(nb_graph_backward(g, &ask, &arena, &r, &error) == 0, "%s at %s: %s", nb_code_name(error.code),
                  error.pointer, error.detail);
    nb_graph_unref(g);
    return r;
}

static void add(struct nb_tensors *l, const char *name, struct nb_shape shape, double (*entry)(int64_t i))
{
    struct nb_tensor t;
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &shape, &t, &error), 0);
    for (int64_t i = 0; i < nb_count(&shape); i++)
        ((double *)t.data)[i] = entry(i);
    ck_assert_int_eq(nb_tensors_add(&arena, l, name, t, &error), 0);
}

static double some(int64_t i)
{
    return sin(3.7 * (double)i + 1);
}

/* ---- identities -------------------------------------------------------------------------------------------------- */

/* Weights 0, the forget gate's bias 50, the input gate's -50: the cell keeps what it has, for ever. */
#define CAROUSEL                                                                                                       \
    "{'inputs': {'xs': ['B', 'T', 2], 'c0': ['B', 3]}, 'dtype': 'float64', 'modules': {'Cell': {"                      \
    "'inputs': {'x': ['B', 'I'], 'h': ['B', 3], 'c': ['B', 3]}, 'nodes': {"                                            \
    "'z': {'op': 'Linear', 'in': {'concat': ['x', 'h']}, 'out_features': 12},"                                         \
    "'g': {'op': 'Split', 'in': 'z', 'sizes': [3, 3, 3, 3], 'ports': ['i', 'f', 'g', 'o']},"                           \
    "'c1': {'expr': 'sigmoid(g.f)*c + sigmoid(g.i)*tanh(g.g)'}, 'h1': {'expr': 'sigmoid(g.o)*tanh(c1)'}},"             \
    "'outputs': {'h': 'h1', 'c': 'c1'}}},"                                                                             \
    "'nodes': {'rnn': {'scan': 'Cell', 'over': {'x': 'xs'}, 'carry': {'h': 'zeros', 'c': 'c0'}}},"                     \
    "'outputs': ['rnn.last.c'], 'params': {'rnn.z.weight': {'init': 'zeros'},"                                         \
    "'rnn.z.bias': {'value': [-50, -50, -50, 50, 50, 50, 0, 0, 0, 0, 0, 0]}}}"

START_TEST(test_carousel)
{
    struct nb_tensors in = {0};
    add(&in, "xs", nb_shape_of(3, (int64_t)2, (int64_t)1000, (int64_t)2), some);
    add(&in, "c0", nb_shape_of(2, (int64_t)2, (int64_t)3), some);
    struct nb_result r = run(CAROUSEL, in, "{'rnn.last.c': [[1, 1, 1], [1, 1, 1]]}", "c0");
    for (size_t i = 0; i < 6; i++)
        ck_assert_double_eq(at(&r.gradients, "c0", i), 1);
}
END_TEST

#define CHAIN                                                                                                          \
    "{'inputs': {'xs': ['T', 1], 'h0': [16], 'Q': [16, 16], 's': []}, 'dtype': 'float64',"                             \
    "'modules': {'Turn': {'inputs': {'x': [1], 'h': ['N'], 'Q': ['N', 'N'], 's': []}, 'expr': 's*(Q @ h) + 0*x'},"     \
    "'Step': {'inputs': {'x': [1], 'h': ['N'], 'Q': ['N', 'N'], 's': []},"                                             \
    "'nodes': {'t': {'op': 'Turn', 'in': ['x', 'h', 'Q', 's']}}, 'outputs': {'h': 't'}}},"                             \
    "'nodes': {'rnn': {'scan': 'Step', 'over': {'x': 'xs'}, 'dim': 0, 'carry': {'h': 'h0'},"                           \
    "'in': {'Q': 'Q', 's': 's'}}}, 'outputs': ['rnn.last.h']}"

static double axis[16];

/* The reflection I - 2 u u', which is orthogonal. */
static double reflection(int64_t i)
{
    return (i / 16 == i % 16) - 2 * axis[i / 16] * axis[i % 16];
}

static double scale;
static double that(int64_t i)
{
    (void)i;
    return scale;
}

/* Through 50 orthogonal steps scaled by s the gradient grows by s^50. */
START_TEST(test_orthogonal)
{
    static const double s[] = {0.9, 1, 1.1}, want[] = {0.00515377520732012, 1, 117.390852879696};
    double norm = 0, sum = 0;
    for (int i = 0; i < 16; i++)
        norm += some(i) * some(i);
    for (int i = 0; i < 16; i++)
        axis[i] = some(i) / sqrt(norm);
    struct nb_tensors in = {0};
    scale = s[_i];
    add(&in, "xs", nb_shape_of(2, (int64_t)50, (int64_t)1), some);
    add(&in, "h0", nb_shape_of(1, (int64_t)16), some);
    add(&in, "Q", nb_shape_of(2, (int64_t)16, (int64_t)16), reflection);
    add(&in, "s", nb_shape_of(0), that);
    struct nb_result r = run(CHAIN, in, "{'rnn.last.h': [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}", "h0");
    for (size_t i = 0; i < 16; i++)
        sum += pow(at(&r.gradients, "h0", i), 2);
    ck_assert_double_eq_tol(sqrt(sum) / 4 / want[_i], 1, 4e-14);
}
END_TEST

/* A built-in cell, step by step, is the built-in layer. */
#define LAYERS                                                                                                         \
    "{'inputs': {'xs': ['B', 'T', 3]}, 'dtype': 'float64', 'nodes': {"                                                 \
    "'a': {'scan': {'%sCell': [3, 4]}, 'over': {'%s': 'xs'}, 'carry': {%s}},"                                          \
    "'b': {'op': '%s', 'in': 'xs', 'hidden_size': 4, 'batch_first': true},"                                            \
    "'d': {'expr': 'a.all.h - b.output'}, 'e': {'expr': 'a.last.h - b.h'}}, 'outputs': ['d', 'e', 'b.output'],"        \
    "'params': {'b.weight_ih_l0': {'tie': 'a.weight_ih'}, 'b.weight_hh_l0': {'tie': 'a.weight_hh'},"                   \
    "'b.bias_ih_l0': {'tie': 'a.bias_ih'}, 'b.bias_hh_l0': {'tie': 'a.bias_hh'}}}"

static const struct {
    const char *type, *carry;
} layers[] = {{"RNN", "'h': 'zeros'"}, {"GRU", "'h': 'zeros'"}, {"LSTM", "'h': 'zeros', 'c': 'zeros'"}};

START_TEST(test_cells)
{
    char text[2000];
    struct nb_tensors in = {0};
    struct nb_result r = {0};
    snprintf(text, sizeof text, LAYERS, layers[_i].type, "x", layers[_i].carry, layers[_i].type);
    struct nb_graph *g = make_good(text);
    add(&in, "xs", nb_shape_of(3, (int64_t)2, (int64_t)7, (int64_t)3), some);
    struct nb_run ask = {.inputs = in};
    ck_assert_msg(nb_graph_forward(g, &ask, &arena, &r, &error) == 0, "%s", error.detail);
    for (size_t i = 0; i < 2 * 7 * 4; i++) {
        ck_assert_double_eq_tol(at(&r.outputs, "d", i), 0, 1e-15);
        ck_assert_double_ne(at(&r.outputs, "b.output", i), 0);
    }
    for (size_t i = 0; i < 2 * 4; i++)
        ck_assert_double_eq_tol(at(&r.outputs, "e", i), 0, 1e-15);
    nb_graph_unref(g);
}
END_TEST

/* ---- no steps at all --------------------------------------------------------------------------------------------- */

#define LEAK                                                                                                           \
    "{'inputs': {'xs': ['B', 'T', 1], 's0': ['B', 1]}, 'dtype': 'float64', 'modules': {'Leak': {'args': {'a': 0.5},"   \
    "'inputs': {'x': ['B', 'D'], 's': ['B', 'D']}, 'nodes': {'s1': {'expr': 'a*s + x'}}, 'outputs': {'s': 's1'}}},"    \
    "'nodes': {'acc': {'scan': 'Leak', 'over': {'x': 'xs'}, 'carry': {'s': 's0'}}}, 'outputs': ['acc.last.s']}"

START_TEST(test_no_steps)
{
    struct nb_tensors in = {0};
    add(&in, "xs", nb_shape_of(3, (int64_t)2, (int64_t)0, (int64_t)1), some);
    add(&in, "s0", nb_shape_of(2, (int64_t)2, (int64_t)1), some);
    struct nb_result r = run(LEAK, in, "{'acc.last.s': [[3], [5]]}", "s0");
    ck_assert_double_eq(at(&r.outputs, "acc.last.s", 1), some(1));
    ck_assert_double_eq(at(&r.gradients, "s0", 0), 3);
    ck_assert_double_eq(at(&r.gradients, "s0", 1), 5);
}
END_TEST

/* ---- with respect to what lies inside ---------------------------------------------------------------------------- */

/* s_t = a s_(t-1) + x_t and L = c s_T: dL/ds_t = c a^(T-t); a cotangent of its own adds to that of its step and, less
 * by a each time, of all before. Nothing else is asked about. */
#define LOOKED                                                                                                         \
    "{'inputs': {'xs': ['B', 'T', 1]}, 'dtype': 'float64', 'modules': {'Leak': {'args': {'a': 0.5},"                   \
    "'inputs': {'x': ['B', 'D'], 's': ['B', 'D']}, 'nodes': {'s1': {'expr': 'a*s + x'}, 'off': {'expr': '3*x'}},"      \
    "'outputs': {'s': 's1'}}}, 'nodes': {'acc': {'scan': 'Leak', 'over': {'x': 'xs'}, 'carry': {'s': 'zeros'}%s}},"    \
    "'outputs': ['acc.last.s']}"

static const char *const looked[] = {"", ", 'recompute': true", ", 'truncate': 10"};

START_TEST(test_inside)
{
    char text[2000];
    struct nb_tensors in = {0};
    snprintf(text, sizeof text, LOOKED, looked[_i]);
    add(&in, "xs", nb_shape_of(3, (int64_t)1, (int64_t)5, (int64_t)1), some);
    struct nb_result r = run(text, in, "{'acc.last.s': [[3]], 'acc/s1': [[[0], [0], [7], [0], [0]]]}", "acc/s1");
    const double want[] = {3 / 16. + 7 / 4., 3 / 8. + 7 / 2., 3 / 4. + 7, 3 / 2., 3};
    const struct nb_tensor *g = nb_tensors_find(&r.gradients, "acc/s1");
    ck_assert(g && g->shape.rank == 3 && g->shape.dim[1] == 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_double_eq(at(&r.gradients, "acc/s1", i), want[i]);
    r = run(text, in, "{'acc.last.s': [[3]]}", "acc/off"); /* nothing comes of it */
    for (size_t i = 0; i < 5; i++)
        ck_assert_double_eq(at(&r.gradients, "acc/off", i), 0);
}
END_TEST

/* The port of a scan is a value outside: what the steps do with what it shows does not count. */
START_TEST(test_outside)
{
    char text[2000];
    struct nb_tensors in = {0};
    const double want[] = {1, 5, 7};
    snprintf(text, sizeof text, LOOKED, "");
    add(&in, "xs", nb_shape_of(3, (int64_t)1, (int64_t)3, (int64_t)1), some);
    struct nb_result r = run(text, in, "{'acc.last.s': [[3]], 'acc.all.s': [[[1], [5], [7]]]}", "acc.all.s");
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq(at(&r.gradients, "acc.all.s", i), want[i]);
}
END_TEST

/* ---- noise ------------------------------------------------------------------------------------------------------- */

#define WALK                                                                                                           \
    "{'inputs': {'xs': ['B', 'T', 2]}, 'modules': {'Walk': {'inputs': {'x': ['B', 'D'], 's': ['B', 'D'],"              \
    "'eps': {'shape': ['B', 'D'], 'sample': 'normal'}}, 'nodes': {'s1': {'expr': 's + x*eps'}},"                       \
    "'outputs': {'s': 's1'}}}, 'nodes': {'w': {'scan': 'Walk', 'over': {'x': 'xs'}, 'carry': {'s': 'zeros'}}},"        \
    "'outputs': ['w.all.s']}"

static struct nb_result forward(const char *graph, struct nb_tensors inputs, const char *first, const char *second)
{
    struct nb_graph *g = make_good(graph);
    struct nb_result r = {0};
    struct nb_run ask = {.inputs = inputs, .seed = {3, 4}, .outputs_given = true};
    ask.outputs = (struct nb_strings_list){2, (const char *[]){first, second}};
    ck_assert_msg(nb_graph_forward(g, &ask, &arena, &r, &error) == 0, "%s", error.detail);
    nb_graph_unref(g);
    return r;
}

START_TEST(test_noise)
{
    struct nb_tensors in = {0};
    add(&in, "xs", nb_shape_of(3, (int64_t)2, (int64_t)5, (int64_t)2), some);
    struct nb_result drawn = forward(WALK, in, "w.all.s", "w/eps");
    ck_assert(drawn.noise);
    ck_assert_int_eq(nb_tensors_add(&arena, &in, "w/eps", *nb_tensors_find(&drawn.outputs, "w/eps"), &error), 0);
    struct nb_result fed = forward(WALK, in, "w.all.s", "w/eps");
    ck_assert(!fed.noise);
    for (size_t i = 0; i < 20; i++)
        ck_assert_double_eq(at(&fed.outputs, "w.all.s", i), at(&drawn.outputs, "w.all.s", i));
    ck_assert_double_ne(at(&drawn.outputs, "w/eps", 0), at(&drawn.outputs, "w/eps", 2)); /* another one each step */
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------ */

#define DEEP                                                                                                           \
    "{'inputs': {'xs': ['B', 'T', 8]}, 'modules': {'Cell': {'inputs': {'x': ['B', 'D'], 'h': ['B', 'D']}, 'nodes': {"  \
    "'f': {'chain': [{'Linear': [8, 64]}, 'Tanh', {'Linear': [64, 64]}, 'Tanh', {'Linear': [64, 8]}], 'in': 'h'},"     \
    "'h1': {'expr': 'tanh(f + x)'}}, 'outputs': {'h': 'h1'}}}, 'nodes': {'rnn': {'scan': 'Cell', 'over': {'x': 'xs'}," \
    "'carry': {'h': 'zeros'}%s}, 'loss': {'expr': 'sum(square(rnn.last.h))'}}, 'outputs': ['loss']}"

static size_t memory_of(const char *option, bool backward, double *gradient)
{
    char text[2000];
    struct nb_tensors in = {0};
    struct nb_result r = {0};
    snprintf(text, sizeof text, DEEP, option);
    struct nb_graph *g = make_good(text);
    add(&in, "xs", nb_shape_of(3, (int64_t)4, (int64_t)1000, (int64_t)8), some);
    size_t before = arena.used;
    struct nb_run ask = {.inputs = in};
    ck_assert_int_eq(
        backward ? nb_graph_backward(g, &ask, &arena, &r, &error) : nb_graph_forward(g, &ask, &arena, &r, &error), 0);
    *gradient = backward ? at(&r.gradients, "rnn.f.0.weight", 17) : 0;
    nb_graph_unref(g);
    return arena.used - before;
}

START_TEST(test_memory)
{
    double a, b, none;
    size_t kept = memory_of("", true, &a), again = memory_of(", 'recompute': true", true, &b),
           forward_only = memory_of("", false, &none);
    ck_assert_double_eq(a, b);          /* to the bit */
    ck_assert_uint_lt(again * 3, kept); /* what is left are mostly inputs, gradients and carries */
    ck_assert_uint_lt(forward_only * 2, again);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

#define CELL                                                                                                           \
    "'modules': {'A': {'inputs': {'x': ['B', 'D'], 's': ['B', 'D']}, 'nodes': {'y': {'expr': 'x + s'},"                \
    "'one': {'expr': 'sum(y, -1, keepdim=1)'}}, 'outputs': {'%s': '%s'}}}"
#define OVER                                                                                                           \
    "{'inputs': {'x': ['B', 'T', 4], 'z': ['B', 'S', 4], 'v': ['B']}, " CELL                                           \
    ", 'nodes': {'h': %s}, 'outputs': ['h.last.%s']}"

static const struct {
    const char *port, *value, *node, *code, *pointer, *detail;
} refused[] = {
    {"q", "y", "{'scan': 'A', 'over': {'x': 'x'}, 'carry': {'s': 'zeros'}}", "bad_carry", "/graph/nodes/h/carry/s",
     "outputs are q"},
    {"s", "one", "{'scan': 'A', 'over': {'x': 'x'}, 'carry': {'s': 'zeros'}}", "shape_mismatch",
     "/graph/nodes/h/carry/s", "goes in as [B, 4] and comes out as [B, 1]"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x'}}", "missing_input", "/graph/nodes/h", "over, carry or in"},
    {"s", "y", "{'scan': 'A', 'carry': {'s': 'zeros'}}", "missing_key", "/graph/nodes/h", "over"},
    {"s", "y", "{'scan': 'A', 'over': {}, 'carry': {'s': 'zeros'}}", "missing_key", "/graph/nodes/h/over", "over"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x', 'k': 'x'}, 'carry': {'s': 'zeros'}}", "unknown_port",
     "/graph/nodes/h/over/k", "it has x, s"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x'}, 'carry': {'s': 'zeros', 'x': 'v'}}", "bad_form",
     "/graph/nodes/h/carry/x", "over already"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x'}, 'dim': 3, 'carry': {'s': 'zeros'}}", "bad_dim", "/graph/nodes/h/dim",
     "no dimension 3"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'v'}, 'carry': {'s': 'zeros'}}", "bad_dim", "/graph/nodes/h/over/x",
     "shape [B]"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x', 's': 'v'}}", "shape_mismatch", "/graph/nodes/h/over/s",
     "no dimension 1"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x'}, 'carry': {'s': 'z'}}", "shape_mismatch", "/graph/nodes/h/carry/s",
     "carried as [B, 4]"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x'}, 'carry': {'s': 'zeros'}, 'truncate': 0}", "bad_argument",
     "/graph/nodes/h/truncate", "from 1"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x'}, 'carry': {'s': 'zeros'}, 'reverse': 1}", "wrong_type",
     "/graph/nodes/h/reverse", "true or false"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x'}, 'carry': {'s': 'zeros'}, 'go': 1}", "unknown_key",
     "/graph/nodes/h/go", ""},
    {"s", "y", "{'scan': 'Q', 'over': {'x': 'x'}}", "unknown_module", "/graph/nodes/h/scan", ""},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'h.all.s'}, 'carry': {'s': 'zeros'}}", "cycle", "/graph/nodes/h", "h -> h"},
    {"s", "y", "{'scan': {'A': {'D': 3}}, 'over': {'x': 'x'}, 'carry': {'s': 'zeros'}}", "unknown_argument",
     "/graph/nodes/h/scan/A/D", "no argument D"},
    {"s", "y", "{'scan': 'A', 'over': {'x': 'x'}, 'carry': {'s': 'nothing'}}", "unknown_reference",
     "/graph/nodes/h/carry/s", "nothing"},
};

START_TEST(test_refused)
{
    char text[3000];
    snprintf(text, sizeof text, OVER, refused[_i].port, refused[_i].value, refused[_i].node, refused[_i].port);
    ck_assert_ptr_null(make(text));
    ck_assert_str_eq(nb_code_name(error.code), refused[_i].code);
    ck_assert_str_eq(error.pointer, refused[_i].pointer);
    ck_assert_msg(strstr(error.detail, refused[_i].detail) != NULL, "%s", error.detail);
}
END_TEST

/* A fault in the data of one step is placed in what was fed. */
START_TEST(test_fault_in_a_step)
{
    struct nb_graph *g = make_good(
        "{'inputs': {'is': {'shape': ['B', 'T'], 'dtype': 'int64'}}, 'modules': {'A': {'inputs': {"
        "'i': {'shape': ['B'], 'dtype': 'int64'}, 's': ['B', 3]}, 'nodes': {'k': {'op': 'OneHot', 'in': 'i', "
        "'num_classes': 3}, 'y': {'expr': 's + k'}},"
        "'outputs': {'s': 'y'}}}, 'nodes': {'h': {'scan': 'A', 'over': {'i': 'is'}, 'carry': {'s': 'zeros'}}},"
        "'outputs': ['h.last.s']}");
    struct nb_result r = {0};
    struct nb_run ask = {.inputs = tensors("{'is': [[0, 1, 2, 0], [1, 2, 7, 1]]}")};
    ck_assert_int_eq(nb_graph_forward(g, &ask, &arena, &r, &error), -1);
    ck_assert_str_eq(nb_code_name(error.code), "bad_index");
    ck_assert_str_eq(error.pointer, "/inputs/is/1/2");
    nb_graph_unref(g);
}
END_TEST

START_TEST(test_limits)
{
    struct nb_graph *g = make_good(LEAK);
    struct nb_tensors in = {0};
    struct nb_result r = {0};
    add(&in, "xs", nb_shape_of(3, (int64_t)1, (int64_t)1000, (int64_t)1), some);
    add(&in, "s0", nb_shape_of(2, (int64_t)1, (int64_t)1), some);
    struct nb_run ask = {.inputs = in};
    int64_t *limit[] = {&nb_limits.steps, &nb_limits.node_steps}, keep = *limit[_i];
    *limit[_i] = 999;
    ck_assert_int_eq(nb_graph_forward(g, &ask, &arena, &r, &error), -1);
    *limit[_i] = keep;
    ck_assert_int_eq(error.code, NB_E_limit);
    ck_assert_str_eq(error.pointer, "/graph/nodes/acc");
    nb_graph_unref(g);
}
END_TEST

/* ---- verdicts ---------------------------------------------------------------------------------------------------- */

#define RNN                                                                                                            \
    "{'inputs': {'xs': ['B', 'T', 2], 'w': ['B', 3]}, 'dtype': '%s', 'modules': {'Cell': {"                            \
    "'inputs': {'x': ['B', 'I'], 'h': ['B', 3]}, 'nodes': {"                                                           \
    "'a': {'op': 'Linear', 'in': 'x', 'out_features': 3}, 'r': {'op': 'Linear', 'in': 'h', 'out_features': 3},"        \
    "'h1': {'expr': '%s'}}, 'outputs': {'h': 'h1'}}},"                                                                 \
    "'nodes': {'rnn': {'scan': 'Cell', 'over': {'x': 'xs'}, 'carry': {'h': 'zeros'}%s},"                               \
    "'loss': {'expr': 'sum(w*rnn.last.h) + 0.3*sum(sin(rnn.all.h))'}}, 'outputs': ['loss']}"

static struct nb_verdicts check(const char *graph, struct nb_check c)
{
    struct nb_graph *g = make_good(graph);
    struct nb_verdicts v;
    c.run.seed = (struct nb_seed){11, 12};
    ck_assert_msg(nb_check_run(g, &c, &arena, &v, &error) == 0, "%s at %s: %s", nb_code_name(error.code), error.pointer,
                  error.detail);
    nb_graph_unref(g);
    return v;
}

static const struct {
    const char *formula, *option;
} steps[] = {
    {"tanh(a + r)", ""},
    {"tanh(a + r)", ", 'reverse': true"},
    {"tanh(a + r)", ", 'recompute': true"},
    {"tanh(a + r)", ", 'truncate': 2"},
    {"tanh(a + r)", ", 'truncate': 2, 'recompute': true"},
    {"relu(a + r)", ""},
    {"abs(a + r) - max(a, r)", ""},
    {"sigmoid(a)*stop(r) + stop(h)*r", ""},
};

START_TEST(test_right)
{
    char text[3000];
    for (int d = 0; d < 2; d++)
        for (int order = 1; order < 3; order++) {
            snprintf(text, sizeof text, RNN, d ? "float32" : "float64", steps[_i].formula, steps[_i].option);
            struct nb_verdicts v = check(text, (struct nb_check){.order = order, .power = order == 1 && !d});
            ck_assert_msg(v.self_ok, "%s%s, %s, order %d: the service accuses itself", steps[_i].formula,
                          steps[_i].option, d ? "float" : "double", order);
            ck_assert_msg(v.verdict != NB_WRONG, "%s order %d", steps[_i].formula, order);
            for (size_t i = 0; i < v.n && order == 1; i++)
                ck_assert_msg(v.v[i].right + v.v[i].silent == nb_count(&v.v[i].shape), "%s: %s", steps[_i].formula,
                              v.v[i].name);
        }
}
END_TEST

/* Each entry of each gradient in turn is off by a millionth. */
START_TEST(test_wrong)
{
    char text[3000];
    snprintf(text, sizeof text, RNN, "float64", steps[_i].formula, steps[_i].option);
    struct nb_verdicts right = check(text, (struct nb_check){0});
    for (size_t i = 0; i < right.n; i++) {
        struct nb_check c = {.gradients_given = true};
        struct nb_tensor t;
        int64_t n = nb_count(&right.v[i].shape), k = n / 2;
        ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &right.v[i].shape, &t, &error), 0);
        memcpy(t.data, right.v[i].candidate, (size_t)n * sizeof(double));
        while (((double *)t.data)[k] == 0 && k + 1 < n)
            k++;
        if (((double *)t.data)[k] == 0)
            continue;
        ((double *)t.data)[k] *= 1 + 1e-6;
        ck_assert_int_eq(nb_tensors_add(&arena, &c.gradients, right.v[i].name, t, &error), 0);
        struct nb_verdicts v = check(text, c);
        ck_assert_int_eq(v.verdict, NB_WRONG);
        for (size_t o = 0; o < v.n; o++)
            ck_assert_int_eq(v.v[o].wrong, !strcmp(v.v[o].name, right.v[i].name));
    }
}
END_TEST

/* A user's derivative inside a scan: right, and with the chain rule forgotten. */
#define GIVEN                                                                                                          \
    "{'inputs': {'xs': ['B', 'T', 2]}, 'dtype': 'float64', 'modules': {"                                               \
    "'Square': {'inputs': {'x': ['...']}, 'expr': 'sin(x)', 'backward': {'x': '%s'}},"                                 \
    "'Cell': {'inputs': {'x': ['B', 'D'], 'h': ['B', 'D']}, 'nodes': {'s': {'expr': 'x + 0.5*h'},"                     \
    "'y': {'op': 'Square', 'in': 's'}}, 'outputs': {'h': 'y'}}},"                                                      \
    "'nodes': {'rnn': {'scan': 'Cell', 'over': {'x': 'xs'}, 'carry': {'h': 'zeros'}%s},"                               \
    "'loss': {'expr': 'sum(square(rnn.all.h))'}}, 'outputs': ['loss']}"

static const char *const ways[] = {"", ", 'recompute': true", ", 'reverse': true, 'truncate': 2"};

START_TEST(test_given)
{
    char text[2000];
    snprintf(text, sizeof text, GIVEN, "g*cos(x)", ways[_i]);
    struct nb_verdicts right = check(text, (struct nb_check){0});
    ck_assert(right.self_ok);
    ck_assert_int_eq(right.verdict, NB_RIGHT);
    ck_assert_ptr_null(right.v[0].place);
    snprintf(text, sizeof text, GIVEN, "g*cos(x) + 0.01*x", ways[_i]);
    struct nb_verdicts wrong = check(text, (struct nb_check){0});
    ck_assert(wrong.self_ok);
    ck_assert_int_eq(wrong.verdict, NB_WRONG);
    ck_assert_ptr_nonnull(wrong.v[0].place);
    ck_assert_str_eq(wrong.v[0].place, "/graph/modules/Square/backward/x");
}
END_TEST

/* Two scans deep, two modules with a derivative of the user's, the second formula of one of them wrong, and with a stop
 * in the other, through which nothing flows. */
#define DEEPLY                                                                                                         \
    "{'inputs': {'xs': ['B', 'S', 'T', 2]}, 'dtype': 'float64', 'modules': {"                                          \
    "'Gate': {'inputs': {'x': ['...'], 'h': ['...']}, 'expr': 'x*sin(h)',"                                             \
    "'backward': {'x': 'g*sin(h)', 'h': '%s'}},"                                                                       \
    "'Still': {'inputs': {'x': ['...']}, 'expr': 'x*stop(x)', 'backward': {'x': '%s'}},"                               \
    "'Cell': {'inputs': {'x': ['B', 'D'], 'h': ['B', 'D']}, 'nodes': {'y': {'op': 'Gate', 'in': ['x', 'h']},"          \
    "'z': {'op': 'Still', 'in': 'y'}}, 'outputs': {'h': 'z'}},"                                                        \
    "'Row': {'inputs': {'xs': ['B', 'T', 'D'], 'h': ['B', 'D']}, 'nodes': {'in': {'scan': 'Cell', 'over': {'x': "      \
    "'xs'},"                                                                                                           \
    "'carry': {'h': 'h'}}, 'o': {'expr': '1 + in.last.h'}}, 'outputs': {'h': 'o'}},"                                   \
    "'One': {'nodes': {'p': {'op': 'Parameter', 'shape': [2], 'init': 'ones'}}, 'inputs': {}, 'outputs': ['p']}},"     \
    "'nodes': {'h0': {'op': 'One', 'in': {}}, 'rnn': {'scan': 'Row', 'over': {'xs': 'xs'}, 'carry': {'h': 'h0'}},"     \
    "'loss': {'expr': 'sum(square(rnn.all.h))'}}, 'outputs': ['loss']}"

static const struct {
    const char *gate, *still, *place;
} faults[] = {
    {"g*x*cos(h)", "g*stop(x)", NULL},
    {"g*x*sin(h)", "g*stop(x)", "/graph/modules/Gate/backward/h"},
    {"g*x*cos(h)", "2*g*x", "/graph/modules/Still/backward/x"},
};

START_TEST(test_given_deep)
{
    char text[3000];
    snprintf(text, sizeof text, DEEPLY, faults[_i].gate, faults[_i].still);
    struct nb_verdicts v = check(text, (struct nb_check){0});
    ck_assert(v.self_ok);
    ck_assert_int_eq(v.verdict, faults[_i].place ? NB_WRONG : NB_RIGHT);
    for (size_t i = 0; i < v.n && faults[_i].place; i++)
        if (v.v[i].verdict == NB_WRONG)
            ck_assert_str_eq(v.v[i].place ? v.v[i].place : "none", faults[_i].place);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scan");
    TCase *t = tcase_create("scan");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_carousel);
    tcase_add_loop_test(t, test_orthogonal, 0, 3);
    tcase_add_loop_test(t, test_cells, 0, sizeof layers / sizeof *layers);
    tcase_add_test(t, test_no_steps);
    tcase_add_loop_test(t, test_inside, 0, sizeof looked / sizeof *looked);
    tcase_add_test(t, test_outside);
    tcase_add_test(t, test_noise);
    tcase_add_test(t, test_memory);
    tcase_add_loop_test(t, test_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(t, test_fault_in_a_step);
    tcase_add_loop_test(t, test_limits, 0, 2);
    tcase_add_loop_test(t, test_right, 0, sizeof steps / sizeof *steps);
    tcase_add_loop_test(t, test_wrong, 0, sizeof steps / sizeof *steps);
    tcase_add_loop_test(t, test_given, 0, sizeof ways / sizeof *ways);
    tcase_add_loop_test(t, test_given_deep, 0, sizeof faults / sizeof *faults);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
