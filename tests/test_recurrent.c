/* test_recurrent - RNN, LSTM, GRU: layers are the cell step by step and the formula written out, the error carousel,
 * the two GRUs, gates that are all but shut, dropout, what is refused, and what the checker says of them. */
#include "check/check.h"
#include "graphs.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { STEPS = 4, WEIGHTS = 4, TEXT = 8000 };

/* ---- three ways to write a sequence ------------------------------------------------------------------------------ */

struct family {
    const char *type, *args;
    int gates;
    bool memory;
    /* The step as nodes; %1$d is the step, %2$d the one before: h of it is h%2$d, c is c%2$d. */
    const char *formula;
};

#define SUM_OF_PRODUCTS "'z%1$d': {'expr': 'linear(x%1$d, Wi, bi) + linear(h%2$d, Wh, bh)'}, "
#define RESET_AND_UPDATE                                                                                               \
    "'a%1$d': {'expr': 'linear(x%1$d, Wi, bi)'}, "                                                                     \
    "'p%1$d': {'op': 'Split', 'in': 'a%1$d', 'sizes': [3, 3, 3], 'ports': ['r', 'z', 'n']}, "                          \
    "'u%1$d': {'expr': 'linear(h%2$d, Wh, bh)'}, "                                                                     \
    "'q%1$d': {'op': 'Split', 'in': 'u%1$d', 'sizes': [3, 3, 3], 'ports': ['r', 'z', 'n']}, "                          \
    "'r%1$d': {'expr': 'sigmoid(p%1$d.r + q%1$d.r)'}, 'z%1$d': {'expr': 'sigmoid(p%1$d.z + q%1$d.z)'}, "
#define NEW_AND_OLD "'h%1$d': {'expr': '(1 - z%1$d)*n%1$d + z%1$d*h%2$d'}, "

static const struct family families[] = {
    {"RNN", "", 1, false, SUM_OF_PRODUCTS "'h%1$d': {'expr': 'tanh(z%1$d)'}, "},
    {"RNN", ", 'nonlinearity': 'relu'", 1, false, SUM_OF_PRODUCTS "'h%1$d': {'expr': 'relu(z%1$d)'}, "},
    {"LSTM", "", 4, true,
     SUM_OF_PRODUCTS "'s%1$d': {'op': 'Split', 'in': 'z%1$d', 'sizes': [3, 3, 3, 3], 'ports': ['i', 'f', 'g', 'o']}, "
                     "'c%1$d': {'expr': 'sigmoid(s%1$d.f)*c%2$d + sigmoid(s%1$d.i)*tanh(s%1$d.g)'}, "
                     "'h%1$d': {'expr': 'sigmoid(s%1$d.o)*tanh(c%1$d)'}, "},
    {"GRU", "", 3, false, RESET_AND_UPDATE "'n%1$d': {'expr': 'tanh(p%1$d.n + r%1$d*q%1$d.n)'}, " NEW_AND_OLD},
    {"GRU", ", 'linear_before_reset': false", 3, false,
     RESET_AND_UPDATE "'W%1$d': {'op': 'Split', 'in': 'Wh', 'sizes': [6, 3], 'dim': 0, 'ports': ['rz', 'n']}, "
                      "'b%1$d': {'op': 'Split', 'in': 'bh', 'sizes': [6, 3], 'dim': 0, 'ports': ['rz', 'n']}, "
                      "'n%1$d': {'expr': 'tanh(p%1$d.n + linear(r%1$d*h%2$d, W%1$d.n, b%1$d.n))'}, " NEW_AND_OLD},
};
enum { FAMILIES = sizeof families / sizeof *families };

struct text {
    char v[TEXT];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    t->n += (size_t)vsnprintf(t->v + t->n, TEXT - t->n, form, args);
    va_end(args);
    ck_assert_uint_lt(t->n, TEXT);
}

/* Inputs x1, x2, ... and the states before the first step, h0 and c0. */
static void begin(struct text *t, const struct family *f)
{
    say(t, "{'dtype': 'float64', 'inputs': {'h0': ['B', 3]%s", f->memory ? ", 'c0': ['B', 3]" : "");
    for (int k = 1; k <= STEPS; k++)
        say(t, ", 'x%d': ['B', 3]", k);
    say(t, "}, 'nodes': {");
}

static void end(struct text *t, const struct family *f, const char *h, const char *c)
{
    say(t, "'all': {'expr': '0*h0'}}, 'outputs': {'out': 'out', 'h': '%s'", h);
    say(t, f->memory ? ", 'c': '%s'}}" : "}}%.0s", c);
}

/* The states after all steps, one after the other. */
static void join(struct text *t, const char *h)
{
    say(t, "'out': {'expr': 'reshape(concat(");
    for (int k = 1; k <= STEPS; k++)
        say(t, h, k);
    say(t, "dim=0), [%d, B, 3])'}, ", STEPS);
}

static void write_layer(struct text *t, const struct family *f)
{
    begin(t, f);
    say(t, "'x': {'expr': 'reshape(concat(");
    for (int k = 1; k <= STEPS; k++)
        say(t, "x%d, ", k);
    say(t, "dim=0), [%d, B, 3])'}, 'hs': {'expr': 'unsqueeze(h0, 0)'}, ", STEPS);
    if (f->memory)
        say(t, "'cs': {'expr': 'unsqueeze(c0, 0)'}, 'c': {'expr': 'squeeze(r.c, 0)'}, ");
    say(t, "'r': {'op': '%s', 'in': {'input': 'x', 'h0': 'hs'%s}, 'hidden_size': 3%s}, ", f->type,
        f->memory ? ", 'c0': 'cs'" : "", f->args);
    say(t, "'h': {'expr': 'squeeze(r.h, 0)'}, 'out': {'op': 'Identity', 'in': 'r.output'}, ");
    end(t, f, "h", "c");
}

static void write_cells(struct text *t, const struct family *f)
{
    begin(t, f);
    for (int k = 1; k <= STEPS; k++) {
        say(t, "'s%d': {'op': '%sCell', 'hidden_size': 3%s", k, f->type, f->args);
        say(t, k == 1 ? ", 'in': {'x': 'x1', 'h': 'h0'" : ", 'share': 's1', 'in': {'x': 'x%d', 'h': 's%d.h'", k, k - 1);
        if (f->memory)
            say(t, k == 1 ? ", 'c': 'c0'" : ", 'c': 's%d.c'", k - 1);
        say(t, "}}, ");
    }
    join(t, "s%d.h, ");
    end(t, f, "s4.h", "s4.c");
}

static void write_formulas(struct text *t, const struct family *f)
{
    static const char *const names[] = {"Wi", "Wh", "bi", "bh"};
    begin(t, f);
    for (int i = 0; i < WEIGHTS; i++)
        say(t, "'%s': {'op': 'Parameter', 'shape': [%d%s], 'init': 'zeros'}, ", names[i], 3 * f->gates,
            i < 2 ? ", 3" : "");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (int k = 1; k <= STEPS; k++)
        say(t, f->formula, k, k - 1);
#pragma GCC diagnostic pop
    join(t, "h%d, ");
    end(t, f, "h4", "c4");
}

static const char *const learned[3][WEIGHTS] = {
    {"r.weight_ih_l0", "r.weight_hh_l0", "r.bias_ih_l0", "r.bias_hh_l0"},
    {"s1.weight_ih", "s1.weight_hh", "s1.bias_ih", "s1.bias_hh"},
    {"Wi", "Wh", "bi", "bh"},
};

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static struct nb_tensor drawn(const char *name, struct nb_shape shape)
{
    struct nb_tensor t;
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &shape, &t, &error), 0);
    struct nb_stream s = nb_stream_of((struct nb_seed){4, 2}, name);
    for (int64_t i = 0; i < nb_count(&shape); i++)
        ((double *)t.data)[i] = nb_normal(s, (uint64_t)i);
    return t;
}

static void add(struct nb_tensors *l, const char *name, struct nb_tensor t)
{
    ck_assert_int_eq(nb_tensors_add(&arena, l, nb_strdup(&arena, name, &error), t, &error), 0);
}

static struct nb_run request(const struct family *f, const char *const *wrt, size_t nwrt)
{
    struct nb_run run = {.cotangents_given = true, .wrt_given = true, .wrt = {nwrt, (const char **)wrt}};
    struct nb_shape one = nb_shape_of(2, (int64_t)2, (int64_t)3);
    char name[8];
    for (int k = 1; k <= STEPS; k++) {
        snprintf(name, sizeof name, "x%d", k);
        add(&run.inputs, name, drawn(name, one));
    }
    add(&run.inputs, "h0", drawn("h0", one));
    add(&run.cotangents, "h", drawn("gh", one));
    add(&run.cotangents, "out", drawn("gout", nb_shape_of(3, (int64_t)STEPS, (int64_t)2, (int64_t)3)));
    if (f->memory) {
        add(&run.inputs, "c0", drawn("c0", one));
        add(&run.cotangents, "c", drawn("gc", one));
    }
    return run;
}

/* The graph at the same learned tensors as the first way to write it. */
static void run_way(const struct family *f, int way, struct nb_result *r)
{
    static void (*const write[])(struct text *, const struct family *) = {write_layer, write_cells, write_formulas};
    const char *wrt[WEIGHTS + 4] = {NULL, NULL, NULL, NULL, "x1", "x4", "h0", "c0"};
    struct nb_tensors given = {0};
    struct text text = {.n = 0};
    for (int i = 0; i < WEIGHTS; i++) {
        int64_t rows = 3 * f->gates;
        wrt[i] = learned[way][i];
        add(&given, wrt[i], drawn(learned[0][i], i < 2 ? nb_shape_of(2, rows, (int64_t)3) : nb_shape_of(1, rows)));
    }
    write[way](&text, f);
    json_t *j = parse(text.v);
    struct nb_graph *g = nb_graph_new(j, &given, (struct nb_seed){1, 2}, &error);
    ck_assert_msg(g != NULL, "%s: %s", error.pointer, error.detail);
    struct nb_run run = request(f, wrt, WEIGHTS + 3u + f->memory);
    int bad = nb_graph_backward(g, &run, &arena, r, &error);
    ck_assert_msg(!bad, "%s: %s", error.pointer, error.detail);
    nb_graph_unref(g);
    json_decref(j);
}

static void same(const struct family *f, const struct nb_named *a, const struct nb_named *b, double tolerance)
{
    const double *x = a->t.data, *y = b->t.data;
    double most = 1;
    for (int64_t i = 0; i < nb_count(&a->t.shape); i++)
        most = fmax(most, fabs(x[i]));
    ck_assert(nb_shape_same(&a->t.shape, &b->t.shape) == 1);
    for (int64_t i = 0; i < nb_count(&a->t.shape); i++)
        ck_assert_msg(fabs(x[i] - y[i]) <= tolerance * most, "%s%s: %s, entry %d: %.17g and %.17g", f->type, f->args,
                      a->name, (int)i, x[i], y[i]);
}

START_TEST(layer_is_cells_is_formula)
{
    const struct family *f = &families[_i];
    struct nb_result layer = {0}, other = {0};
    run_way(f, 0, &layer);
    for (int way = 1; way < 3; way++) {
        run_way(f, way, &other);
        for (size_t i = 0; i < layer.outputs.n; i++)
            same(f, &layer.outputs.v[i], &other.outputs.v[i], 1e-15);
        ck_assert(layer.gradients.n == 7u + f->memory && other.gradients.n == layer.gradients.n);
        for (size_t i = 0; i < layer.gradients.n; i++)
            same(f, &layer.gradients.v[i], &other.gradients.v[i], 3e-15); /* sums in another order */
    }
}
END_TEST

/* ---- closed forms ------------------------------------------------------------------------------------------------ */

static void backward(const char *graph, struct nb_run *run, struct nb_result *r)
{
    struct nb_graph *g = make_good(graph);
    memset(r, 0, sizeof *r);
    run->cotangents_given = run->wrt_given = true;
    int bad = nb_graph_backward(g, run, &arena, r, &error);
    ck_assert_msg(!bad, "%s: %s", error.pointer, error.detail);
    nb_graph_unref(g);
}

/* Weights 0, the forget gate open, the input gate shut: c goes round for a thousand steps as it is, and so does its
 * gradient. */
START_TEST(carousel)
{
    static const char *wrt[] = {"c0"};
    struct nb_tensor x;
    struct nb_shape shape = nb_shape_of(3, (int64_t)1000, (int64_t)1, (int64_t)2);
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &shape, &x, &error), 0);
    memset(x.data, 0, 2000 * sizeof(double));
    struct nb_run run = {.inputs = tensors("{'c0': [[[0.3, -1.7]]]}"), .cotangents = tensors("{'c': [[[1, 1]]]}")};
    struct nb_result r;
    add(&run.inputs, "x", x);
    run.wrt = (struct nb_strings_list){1, wrt};
    backward("{'dtype': 'float64', 'inputs': {'x': ['T', 1, 2], 'c0': [1, 1, 2]}, 'nodes': {'r': {'op': 'LSTM', "
             "'in': {'input': 'x', 'c0': 'c0'}, 'hidden_size': 2}}, 'outputs': {'c': 'r.c'}, 'params': {"
             "'r.weight_*': {'init': 'zeros'}, 'r.bias_hh_l0': {'init': 'zeros'}, "
             "'r.bias_ih_l0': {'value': [-50, -50, 50, 50, 0, 0, 0, 0]}}}",
             &run, &r);
    ck_assert(at(&r.gradients, "c0", 0) == 1 && at(&r.gradients, "c0", 1) == 1);
    ck_assert(at(&r.outputs, "c", 0) == 0.3 && at(&r.outputs, "c", 1) == -1.7);
}
END_TEST

static void near(double got, double want)
{
    ck_assert_msg(fabs(got - want) <= 1e-14 * fabs(want), "%.17g, expected %.17g", got, want);
}

/* A gate at 40 and a state at 15 have slopes that y (1 - y) and 1 - y^2 have lost. */
START_TEST(shut_gates)
{
    static const char *wrt[] = {"r.bias_ih"};
    struct nb_run run = {.inputs = tensors("{'x': [[1]]}"), .cotangents = tensors("{'c': [[1]]}")};
    struct nb_result r;
    run.wrt = (struct nb_strings_list){1, wrt};
    backward("{'dtype': 'float64', 'inputs': {'x': ['B', 1]}, 'nodes': {'r': {'op': 'LSTMCell', 'in': 'x', "
             "'hidden_size': 1}}, 'outputs': {'c': 'r.c'}, 'params': {'r.weight_*': {'init': 'zeros'}, "
             "'r.bias_hh': {'init': 'zeros'}, 'r.bias_ih': {'value': [40, 0, 15, 0]}}}",
             &run, &r);
    near(at(&r.gradients, "r.bias_ih", 0), tanh(15) * exp(-40) / pow(1 + exp(-40), 2));
    near(at(&r.gradients, "r.bias_ih", 2), 4 * exp(-30) / pow(1 + exp(-30), 2) / (1 + exp(-40)));
    run.cotangents = tensors("{'h': [[1]]}");
    backward("{'dtype': 'float64', 'inputs': {'x': ['B', 1]}, 'nodes': {'r': {'op': 'RNNCell', 'in': 'x', "
             "'hidden_size': 1}}, 'outputs': {'h': 'r'}, 'params': {'r.weight_*': {'init': 'zeros'}, "
             "'r.bias_hh': {'init': 'zeros'}, 'r.bias_ih': {'value': [15]}}}",
             &run, &r);
    near(at(&r.gradients, "r.bias_ih", 0), 4 * exp(-30) / pow(1 + exp(-30), 2));
}
END_TEST

/* A sequence of 1200 steps, and the same in three parts that hand on their states: the gradients of the learned tensors
 * are summed in other portions. */
#define LONG(nodes) "{'dtype': 'float64', 'inputs': {'x': [1200, 1, 2]}, 'nodes': {" nodes "}, 'outputs': ['e']}"
#define PARTS "'s': {'op': 'Split', 'in': 'x', 'sizes': [400, 400, 400], 'dim': 0, 'ports': ['a', 'b', 'c']}, "

static const char *const how[] = {"'op': 'RNN', 'hidden_size': 2", "'op': 'LSTM', 'hidden_size': 2, 'peephole': true",
                                  "'op': 'GRU', 'hidden_size': 2",
                                  "'op': 'GRU', 'hidden_size': 2, 'linear_before_reset': false"};
enum { HOWS = sizeof how / sizeof *how };

START_TEST(long_is_parts)
{
    static const char *wrt[] = {"a.*", "x"};
    static const char *const c[2] = {", 'c0': 'a.c'", ", 'c0': 'b.c'"};
    bool memory = strstr(how[_i], "LSTM");
    struct nb_run run = {.wrt = {2, wrt}};
    struct nb_result whole, parts;
    struct text t[2] = {{.n = 0}, {.n = 0}};
    add(&run.inputs, "x", drawn("x", nb_shape_of(3, (int64_t)1200, (int64_t)1, (int64_t)2)));
    add(&run.cotangents, "e", drawn("e", nb_shape_of(3, (int64_t)1200, (int64_t)1, (int64_t)2)));
    say(&t[0], LONG("'a': {'in': 'x', %s}, 'e': {'op': 'Identity', 'in': 'a.output'}"), how[_i]);
    say(&t[1],
        LONG(PARTS "'a': {'in': 's.a', %s}, 'b': {'share': 'a', 'in': {'input': 's.b', 'h0': 'a.h'%s}, %s}, "
                   "'c': {'share': 'a', 'in': {'input': 's.c', 'h0': 'b.h'%s}, %s}, "
                   "'e': {'expr': 'concat(a.output, b.output, c.output, dim=0)'}"),
        how[_i], memory ? c[0] : "", how[_i], memory ? c[1] : "", how[_i]);
    backward(t[0].v, &run, &whole);
    backward(t[1].v, &run, &parts);
    ck_assert_uint_eq(whole.gradients.n, memory ? 6 : 5);
    for (size_t i = 0; i < whole.gradients.n; i++)
        same(&families[0], &whole.gradients.v[i], &parts.gradients.v[i], 1e-13);
}
END_TEST

START_TEST(two_grus)
{
    struct nb_result r[2];
    memset(r, 0, sizeof r);
    double apart = 0;
    for (int i = 0; i < 2; i++)
        run_way(&families[FAMILIES - 2 + i], 0, &r[i]);
    for (size_t i = 0; i < STEPS * 6; i++)
        apart = fmax(apart, fabs(at(&r[0].outputs, "out", i) - at(&r[1].outputs, "out", i)));
    ck_assert_msg(apart > 1e-3, "%g apart", apart);
}
END_TEST

/* ---- dropout ----------------------------------------------------------------------------------------------------- */

static bool draws(const char *args, bool train)
{
    char text[500];
    struct nb_run run = {.inputs = tensors("{'x': [[[1, 2]], [[3, 4]]]}"), .train = train, .seed = {3, 4}};
    struct nb_result r = {.loss = 0};
    snprintf(text, sizeof text,
             "{'inputs': {'x': ['T', 'B', 2]}, 'nodes': {'r': {'op': 'GRU', 'in': 'x', 'hidden_size': 3, %s}}, "
             "'outputs': ['r.h']}",
             args);
    struct nb_graph *g = make_good(text);
    int bad = nb_graph_forward(g, &run, &arena, &r, &error);
    ck_assert_msg(!bad, "%s: %s", error.pointer, error.detail);
    nb_graph_unref(g);
    return r.noise;
}

START_TEST(dropout_between_layers)
{
    ck_assert(draws("'num_layers': 2, 'dropout': 0.5", true));
    ck_assert(!draws("'num_layers': 2, 'dropout': 0.5", false));
    ck_assert(!draws("'num_layers': 2", true));
    ck_assert(!draws("'dropout': 0.5", true)); /* there is nothing between */
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

struct refused {
    const char *inputs, *node;
    enum nb_code code;
    const char *pointer, *says;
};

#define X "'x': ['T', 'B', 2]"
static const struct refused refusals[] = {
    {"'x': ['T', 'B', 2, 2]", "'op': 'LSTM', 'in': 'x', 'hidden_size': 3", NB_E_shape_mismatch, "/graph/nodes/r/in",
     "[T, B, I]"},
    {"'x': ['B', 'T', 2, 2]", "'op': 'GRU', 'in': 'x', 'hidden_size': 3, 'batch_first': true", NB_E_shape_mismatch,
     "/graph/nodes/r/in", "[B, T, I]"},
    {X, "'op': 'LSTM', 'in': 'x', 'hidden_size': 3, 'input_size': 5", NB_E_shape_mismatch, "/graph/nodes/r/input_size",
     "input_size is 5, the input has 2"},
    {X, "'op': 'LSTM', 'in': 'x'", NB_E_missing_argument, "/graph/nodes/r", "hidden_size"},
    {X, "'op': 'LSTM', 'in': 'x', 'hidden_size': 0", NB_E_bad_argument, "/graph/nodes/r/hidden_size", "0"},
    {X, "'op': 'LSTM', 'in': 'x', 'hidden_size': 3, 'num_layers': 17", NB_E_bad_argument, "/graph/nodes/r/num_layers",
     "at most 16"},
    {X, "'op': 'RNN', 'in': 'x', 'hidden_size': 3, 'nonlinearity': 'sine'", NB_E_bad_argument,
     "/graph/nodes/r/nonlinearity", "relu"},
    {X, "'op': 'RNN', 'in': 'x', 'hidden_size': 3, 'dropout': 1", NB_E_bad_argument, "/graph/nodes/r/dropout", "1"},
    {X ", 's': [2, 'B', 3]", "'op': 'GRU', 'in': {'input': 'x', 'h0': 's'}, 'hidden_size': 3", NB_E_shape_mismatch,
     "/graph/nodes/r/in", "h0 is [2, B, 3], wanted is [1, B, 3]"},
    {X ", 's': [1, 'B', 4]", "'op': 'LSTM', 'in': {'input': 'x', 'c0': 's'}, 'hidden_size': 3", NB_E_shape_mismatch,
     "/graph/nodes/r/in", "c0 is [1, B, 4], wanted is [1, B, 3]"},
    {X ", 'n': {'shape': [2, 2], 'dtype': 'int64'}",
     "'op': 'LSTM', 'in': {'input': 'x', 'sequence_lens': 'n'}, 'hidden_size': 3", NB_E_shape_mismatch,
     "/graph/nodes/r/in", "sequence_lens is [2, 2], wanted is [B]"},
    {X ", 'm': [1, 'T', 'B', 3]", "'op': 'RNN', 'in': {'input': 'x', 'mask': 'm'}, 'hidden_size': 3, 'num_layers': 2",
     NB_E_input_count, "/graph/nodes/r/in", "dropout is 0"},
    {X ", 'm': [1, 'T', 'B', 3]", "'op': 'RNN', 'in': {'input': 'x', 'mask': 'm'}, 'hidden_size': 3, 'dropout': 0.5",
     NB_E_input_count, "/graph/nodes/r/in", "one layer"},
    {"'x': ['B', 2], 'h': ['B', 2]", "'op': 'GRUCell', 'in': {'x': 'x', 'h': 'h'}, 'hidden_size': 3",
     NB_E_shape_mismatch, "/graph/nodes/r/in", "h is [B, 2], wanted is [B, 3]"},
    {"'x': []", "'op': 'RNNCell', 'in': 'x', 'hidden_size': 3", NB_E_shape_mismatch, "/graph/nodes/r/in",
     "single number"},
    {"'x': ['B', 'N']", "'op': 'RNNCell', 'in': 'x', 'hidden_size': 3", NB_E_shape_mismatch, "/graph/nodes/r/in",
     "input_size is not given"},
};

START_TEST(refuses)
{
    const struct refused *p = &refusals[_i];
    char text[700];
    snprintf(text, sizeof text, "{'inputs': {%s}, 'nodes': {'r': {%s}}, 'outputs': ['r.h']}", p->inputs, p->node);
    ck_assert_msg(!make(text), "accepted: %s", text);
    ck_assert_msg(error.code == p->code && !strcmp(error.pointer, p->pointer) && strstr(error.detail, p->says),
                  "%s: %s at %s: %s", text, nb_code_name(error.code), error.pointer, error.detail);
}
END_TEST

START_TEST(lengths_fit)
{
    static const char *const lengths[] = {"{'x': [[[1], [2]], [[3], [4]]], 'n': [2, 3]}",
                                          "{'x': [[[1], [2]], [[3], [4]]], 'n': [2, -1]}"};
    struct nb_graph *g = make_good("{'inputs': {'x': ['T', 'B', 1], 'n': {'shape': ['B'], 'dtype': 'int64'}}, 'nodes': "
                                   "{'r': {'op': 'RNN', 'in': {'input': 'x', 'sequence_lens': 'n'}, 'hidden_size': "
                                   "2}}, 'outputs': ['r.h']}");
    for (int i = 0; i < 2; i++) {
        struct nb_run run = {.inputs = tensors(lengths[i])};
        struct nb_result r = {.loss = 0};
        memset(&error, 0, sizeof error);
        ck_assert_int_eq(nb_graph_forward(g, &run, &arena, &r, &error), -1);
        ck_assert_msg(error.code == NB_E_bad_value && !strcmp(error.pointer, "/inputs/n/1"), "%s at %s: %s",
                      nb_code_name(error.code), error.pointer, error.detail);
    }
    nb_graph_unref(g);
}
END_TEST

/* ---- the checker ------------------------------------------------------------------------------------------------- */

static const char *const checked[] = {
    "'op': 'LSTM', 'in': 'x', 'hidden_size': 5",
    "'op': 'LSTM', 'in': {'input': 'x', 'sequence_lens': 'n'}, 'hidden_size': 5, 'peephole': true",
    "'op': 'GRU', 'in': 'x', 'hidden_size': 5, 'bidirectional': true",
    "'op': 'GRU', 'in': 'x', 'hidden_size': 5, 'linear_before_reset': false",
    "'op': 'RNN', 'in': 'x', 'hidden_size': 5, 'num_layers': 2, 'dropout': 0.4",
    "'op': 'RNN', 'in': {'input': 'x', 'sequence_lens': 'n'}, 'hidden_size': 5, 'nonlinearity': 'relu', 'clip': 0.8",
};
enum { CHECKED = sizeof checked / sizeof *checked };

static struct nb_graph *graph_to_check(int i)
{
    char text[700];
    snprintf(text, sizeof text,
             "{'dtype': 'float64', 'inputs': {'x': [6, 3, 3]%s}, 'nodes': {'r': {%s}}, 'outputs': ['r.output', 'r.h']}",
             strstr(checked[i], "'n'") ? ", 'n': {'shape': [3], 'dtype': 'int64'}" : "", checked[i]);
    return make_good(text);
}

static struct nb_verdicts check(struct nb_graph *g, const struct nb_tensors *gradients, enum nb_method method)
{
    struct nb_check c = {.run = {.seed = {5, 6}, .train = true}, .method = method};
    struct nb_verdicts v;
    c.gradients_given = gradients != NULL;
    if (gradients)
        c.gradients = *gradients;
    int bad = nb_check_run(g, &c, &arena, &v, &error);
    ck_assert_msg(!bad, "%s: %s", error.pointer, error.detail);
    return v;
}

START_TEST(found_right)
{
    static const enum nb_method methods[] = {NB_METHOD_AUTO, NB_METHOD_LOOP, NB_METHOD_STRUCTURE};
    struct nb_graph *g = graph_to_check(_i % CHECKED);
    struct nb_verdicts v = check(g, NULL, methods[_i / CHECKED]);
    ck_assert_msg(v.verdict == NB_RIGHT && v.self_ok, "%s", checked[_i % CHECKED]);
    for (size_t i = 0; i < v.n; i++)
        ck_assert_msg(v.v[i].verdict == NB_RIGHT && v.v[i].judged, "%s: %s", checked[_i % CHECKED], v.v[i].name);
    nb_graph_unref(g);
}
END_TEST

/* One entry off by a thousandth, the sign of one, rows exchanged: of every tensor in turn. */
static void plant(int mistake, double *g, int64_t n)
{
    int64_t k = 0;
    for (int64_t i = 1; i < n; i++)
        k = fabs(g[i]) > fabs(g[k]) ? i : k;
    double keep = g[k];
    if (mistake == 2)
        g[k] = g[(k + 1) % n], g[(k + 1) % n] = keep;
    else
        g[k] *= mistake ? -1 : 1.001;
}

START_TEST(mistakes_are_found)
{
    struct nb_graph *g = graph_to_check(_i);
    struct nb_verdicts right = check(g, NULL, NB_METHOD_AUTO);
    for (size_t i = 0; i < right.n; i++)
        for (int mistake = 0; mistake < 3; mistake++) {
            struct nb_tensors given = {0};
            struct nb_tensor t;
            ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &right.v[i].shape, &t, &error), 0);
            memcpy(t.data, right.v[i].candidate, (size_t)nb_count(&t.shape) * sizeof(double));
            plant(mistake, t.data, nb_count(&t.shape));
            add(&given, right.v[i].name, t);
            struct nb_verdicts v = check(g, &given, NB_METHOD_AUTO);
            for (size_t k = 0; k < v.n; k++)
                ck_assert_msg(v.v[k].verdict == (k == i ? NB_WRONG : NB_RIGHT), "%s: mistake %d in %s, %s is %s",
                              checked[_i], mistake, right.v[i].name, v.v[k].name, nb_verdict_name(v.v[k].verdict));
        }
    nb_graph_unref(g);
}
END_TEST

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 28);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

int main(void)
{
    Suite *s = suite_create("recurrent");
    TCase *t = tcase_create("recurrent");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, layer_is_cells_is_formula, 0, FAMILIES);
    tcase_add_test(t, carousel);
    tcase_add_test(t, shut_gates);
    tcase_add_loop_test(t, long_is_parts, 0, HOWS);
    tcase_add_test(t, two_grus);
    tcase_add_test(t, dropout_between_layers);
    tcase_add_loop_test(t, refuses, 0, (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(t, lengths_fit);
    tcase_add_loop_test(t, found_right, 0, 3 * CHECKED);
    tcase_add_loop_test(t, mistakes_are_found, 0, CHECKED);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
