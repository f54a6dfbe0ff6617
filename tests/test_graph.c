/* test_graph - what a graph computes: the tour of the graph language by its closed-form numbers, and identities. */
#include "graphs.h"
#include <math.h>
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static struct nb_result backward(struct nb_graph *g, const char *inputs, const char *cotangents, const char *loss)
{
    struct nb_run run = {.inputs = tensors(inputs), .loss = loss, .seed = {3, 4}};
    struct nb_result r = {0};
    if (cotangents) {
        run.cotangents = tensors(cotangents);
        run.cotangents_given = true;
    }
    ck_assert_msg(nb_graph_backward(g, &run, &arena, &r, &error) == 0, "%s at %s: %s", nb_code_name(error.code),
                  error.pointer, error.detail);
    return r;
}

static struct nb_result forward(struct nb_graph *g, const char *inputs)
{
    struct nb_run run = {.inputs = tensors(inputs), .seed = {3, 4}};
    struct nb_result r = {0};
    ck_assert_msg(nb_graph_forward(g, &run, &arena, &r, &error) == 0, "%s at %s: %s", nb_code_name(error.code),
                  error.pointer, error.detail);
    return r;
}

static void refused(struct nb_graph *g, struct nb_run *run, const char *code, const char *place)
{
    struct nb_result r = {0};
    memset(&error, 0, sizeof error);
    bool back = run->cotangents_given || run->loss || run->wrt_given;
    int bad = back ? nb_graph_backward(g, run, &arena, &r, &error) : nb_graph_forward(g, run, &arena, &r, &error);
    ck_assert_int_eq(bad, -1);
    ck_assert_msg(!strcmp(nb_code_name(error.code), code) && !strcmp(error.pointer, place),
                  "wanted %s at %s, came %s at %s: %s", code, place, nb_code_name(error.code), error.pointer,
                  error.detail);
}

#define LINEAR                                                                                                         \
    "'inputs': {'x': ['B', 2], 't': ['B', 1]}, 'nodes': {'fc': {'op': 'Linear', 'in': 'x', 'out_features': 1}, %s},"   \
    "'outputs': ['fc', 'loss'], 'params': {'fc.weight': {'value': [[1, -2]]}, 'fc.bias': {'value': [0.5]}}"

static void check_linear(const char *loss)
{
    char text[600];
    snprintf(text, sizeof text, "{" LINEAR "}", loss);
    struct nb_graph *g = make_good(text);
    struct nb_result r = backward(g, "{'x': [[3, 1], [0, 2]], 't': [[1], [0]]}", NULL, "loss");
    ck_assert_double_eq(at(&r.outputs, "fc", 0), 1.5);
    ck_assert_double_eq(at(&r.outputs, "fc", 1), -3.5);
    ck_assert_double_eq(r.loss, 3.125);
    ck_assert_double_eq(at(&r.gradients, "fc.weight", 0), 0.75);
    ck_assert_double_eq(at(&r.gradients, "fc.weight", 1), -3.25);
    ck_assert_double_eq(at(&r.gradients, "fc.bias", 0), -1.5);
    nb_graph_unref(g);
}

START_TEST(test_linear)
{
    check_linear("'loss': {'op': 'EuclideanLoss', 'in': ['fc', 't']}");
    check_linear("'loss': {'expr': '0.5*sum(square(fc - t))/B'}");
}
END_TEST

START_TEST(test_xor)
{
    struct nb_graph *g = make_good(
        "{'inputs': {'x': ['B', 2]}, 'nodes': {'net': {'chain': [{'Linear': [2, 2]}, 'ReLU', {'Linear': [2, 1]}], "
        "'in': 'x'}},"
        "'outputs': ['net'], 'params': {'net.0.weight': {'value': [[1, 1], [1, 1]]}, 'net.0.bias': {'value': [0, -1]},"
        "'net.2.weight': {'value': [[1, -2]]}, 'net.2.bias': {'init': 'zeros'}}}");
    struct nb_result r = forward(g, "{'x': [[0, 0], [0, 1], [1, 0], [1, 1]]}");
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(at(&r.outputs, "net", (size_t)i), i == 1 || i == 2);
    nb_graph_unref(g);
}
END_TEST

#define SWISH                                                                                                          \
    "{'inputs': {'x': ['B', 3]}, 'dtype': 'float64', 'modules': {'Swish': {'inputs': {'x': ['...']}, 'nodes': {"       \
    "'beta': {'op': 'Parameter', 'shape': [1], 'init': 'ones'}, 's': {'expr': 'sigmoid(beta*x)'},"                     \
    "'h': {'expr': 'x*s'}}, 'outputs': ['h']%s}}, 'nodes': {'y': {'op': 'Swish', 'in': 'x'}}, 'outputs': ['y']}"

START_TEST(test_given_backward)
{
    char text[1000];
    const char *x = "{'x': [[1, 2, -3]]}", *g1 = "{'y': [[1, 2, 3]]}";
    snprintf(text, sizeof text, SWISH, "");
    struct nb_graph *derived = make_good(text);
    snprintf(text, sizeof text, SWISH, ", 'backward': {'x': 'g*(s + beta*h*(1 - s))', 'beta': 'sum(g*x*h*(1 - s))'}");
    struct nb_graph *given = make_good(text);
    snprintf(text, sizeof text, SWISH, ", 'backward': {'x': '42', 'beta': null}");
    struct nb_graph *silly = make_good(text);
    struct nb_result a = backward(derived, x, g1, NULL), b = backward(given, x, g1, NULL);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq_tol(at(&a.gradients, "x", i), at(&b.gradients, "x", i), 1e-15);
    ck_assert_double_eq_tol(at(&a.gradients, "y.beta", 0), at(&b.gradients, "y.beta", 0), 1e-15);
    struct nb_run run = {.inputs = tensors(x), .cotangents = tensors(g1), .cotangents_given = true};
    refused(silly, &run, "not_differentiable", "/graph/modules/Swish/backward/beta");
    run.wrt_given = true;
    run.wrt = (struct nb_strings_list){1, (const char *[]){"x"}};
    struct nb_result r = {0};
    memset(&error, 0, sizeof error);
    ck_assert_int_eq(nb_graph_backward(silly, &run, &arena, &r, &error), 0);
    ck_assert_double_eq(at(&r.gradients, "x", 1), 42); /* a single number is every entry */
    nb_graph_unref(derived);
    nb_graph_unref(given);
    nb_graph_unref(silly);
}
END_TEST

/* A module of modules computes bit for bit what the flat graph computes. */
START_TEST(test_composite_is_flat)
{
    struct nb_graph *flat = make_good(
        "{'inputs': {'x': ['B', 3]}, 'nodes': {'a': {'op': 'Linear', 'in': 'x', 'out_features': 4}, 'h': {'op': "
        "'Tanh', 'in': 'a'},"
        "'y': {'op': 'Linear', 'in': 'h', 'out_features': 2}}, 'outputs': ['y'], 'params': {'a.weight': {'value':"
        "[[0.1, 0.2, 0.3], [0.4, 0.5, -0.6], [0.7, -0.8, 0.9], [1, 1.1, 1.2]]}, 'a.bias': {'init': {'constant': 0.3}},"
        "'y.weight': {'value': [[1, 2, 3, 4], [-0.1, 0.2, 0.3, 0.5]]}, 'y.bias': {'init': 'ones'}}}");
    struct nb_graph *nested = make_good(
        "{'inputs': {'x': ['B', 3]}, 'modules': {'Inner': {'args': {'H': null}, 'inputs': {'v': ['N', 'D']}, 'nodes': {"
        "'h': {'op': 'Tanh', 'in': 'a'}, 'a': {'op': 'Linear', 'in': 'v', 'out_features': 'H'}}, 'outputs': {'z': "
        "'h'}},"
        "'Outer': {'inputs': {'w': ['M', 3]}, 'nodes': {'y': {'op': 'Linear', 'in': 'in1.z', 'out_features': 2},"
        "'in1': {'op': 'Inner', 'in': {'v': 'w'}, 'H': 4}}, 'outputs': ['y']}},"
        "'nodes': {'top': {'op': 'Outer', 'in': 'x'}}, 'outputs': {'y': 'top'}, 'params': {'top.in1.a.weight': "
        "{'value':"
        "[[0.1, 0.2, 0.3], [0.4, 0.5, -0.6], [0.7, -0.8, 0.9], [1, 1.1, 1.2]]}, 'top.in1.a.bias': {'init': "
        "{'constant': 0.3}},"
        "'top.y.weight': {'value': [[1, 2, 3, 4], [-0.1, 0.2, 0.3, 0.5]]}, 'top.y.bias': {'init': 'ones'}}}");
    const char *x = "{'x': [[1, -2, 0.7], [0.3, 0.4, 5], [0, 1, 2]]}", *g = "{'y': [[1, 2], [3, -1], [0.5, 4]]}";
    struct nb_result a = backward(flat, x, g, NULL), b = backward(nested, x, g, NULL);
    ck_assert_mem_eq(nb_tensors_find(&a.outputs, "y")->data, nb_tensors_find(&b.outputs, "y")->data, 6 * sizeof(float));
    ck_assert_mem_eq(nb_tensors_find(&a.gradients, "x")->data, nb_tensors_find(&b.gradients, "x")->data,
                     9 * sizeof(float));
    ck_assert_mem_eq(nb_tensors_find(&a.gradients, "a.weight")->data,
                     nb_tensors_find(&b.gradients, "top.in1.a.weight")->data, 12 * sizeof(float));
    nb_graph_unref(flat);
    nb_graph_unref(nested);
}
END_TEST

/* Shared and tied tensors: the gradient is the sum over all uses. y = w*(w*x) has dy/dw = 2 w x. */
START_TEST(test_share_and_tie)
{
    const char *texts[] = {
        "{'inputs': {'x': ['B', 1]}, 'nodes': {'a': {'op': 'Linear', 'in': 'x', 'out_features': 1, 'bias': false}, "
        "'b': {'op':"
        "'Linear', 'in': 'a', 'out_features': 1, 'bias': false, 'share': 'a'}}, 'outputs': {'y': 'b'},"
        "'params': {'a.weight': {'value': [[3]]}}}",
        "{'inputs': {'x': ['B', 1]}, 'nodes': {'a': {'op': 'Linear', 'in': 'x', 'out_features': 1, 'bias': false}, "
        "'b': {'op':"
        "'Linear', 'in': 'a', 'out_features': 1, 'bias': false}}, 'outputs': {'y': 'b'},"
        "'params': {'a.weight': {'value': [[3]]}, 'b.weight': {'tie': 'a.weight', 'transpose': true}}}"};
    for (int i = 0; i < 2; i++) {
        struct nb_graph *g = make_good(texts[i]);
        struct nb_result r = backward(g, "{'x': [[5]]}", "{'y': [[1]]}", NULL);
        ck_assert_double_eq(at(&r.outputs, "y", 0), 45);
        ck_assert_double_eq(at(&r.gradients, "a.weight", 0), 30);
        ck_assert_double_eq(at(&r.gradients, "x", 0), 9);
        ck_assert_int_eq((int)r.gradients.n, 2);
        nb_graph_unref(g);
    }
}
END_TEST

START_TEST(test_stop_and_fan_out)
{
    struct nb_graph *g =
        make_good("{'inputs': {'x': []}, 'dtype': 'float64', 'nodes': {'y': {'expr': 'x*x*stop(x) + 2*x'},"
                  "'z': {'op': 'Add', 'in': ['x', {'stop': 'y'}]}}, 'outputs': ['y', 'z']}");
    struct nb_result r = backward(g, "{'x': 3}", "{'y': 1, 'z': 10}", NULL);
    ck_assert_double_eq(at(&r.outputs, "y", 0), 33);
    ck_assert_double_eq(at(&r.gradients, "x", 0), 2 * 3 * 3 + 2 + 10);
    nb_graph_unref(g);
}
END_TEST

START_TEST(test_probes)
{
    struct nb_graph *g =
        make_good("{'inputs': {'x': ['B', 4]}, 'nodes': {'net': {'chain': [{'Linear': [4, 3]}, 'Tanh'], 'in': 'x'}, "
                  "'s': {'op': 'Split',"
                  "'in': 'net', 'sizes': [1, 2], 'ports': ['a', 'b']}, 'y': {'expr': 'sum(s.b)'}}, 'outputs': ['y']}");
    struct nb_run run = {.inputs = tensors("{'x': [[1, 2, 3, 4]]}"),
                         .outputs_given = true,
                         .wrt_given = true,
                         .cotangents_given = true,
                         .cotangents = tensors("{'y': 1}")};
    run.outputs = (struct nb_strings_list){3, (const char *[]){"net/0", "s.b", "x"}};
    run.wrt = (struct nb_strings_list){2, (const char *[]){"net/0", "s.a"}};
    struct nb_result r = {0};
    ck_assert_msg(nb_graph_backward(g, &run, &arena, &r, &error) == 0, "%s at %s: %s", nb_code_name(error.code),
                  error.pointer, error.detail);
    for (size_t i = 0; i < 2; i++) { /* d sum(tanh z)/dz = 1 - tanh^2 for the entries in s.b */
        double t = at(&r.outputs, "s.b", i);
        ck_assert_double_eq_tol(at(&r.gradients, "net/0", i + 1), 1 - t * t, 1e-6);
    }
    ck_assert_double_eq(at(&r.gradients, "net/0", 0), 0);
    ck_assert_double_eq(at(&r.gradients, "s.a", 0), 0);
    ck_assert_double_eq(at(&r.outputs, "x", 3), 4);
    nb_graph_unref(g);
}
END_TEST

/* Noise depends on the seed and the name alone; fed back in, it repeats the run. */
START_TEST(test_noise)
{
    struct nb_graph *g = make_good(
        "{'inputs': {'x': ['B', 2], 'u': {'shape': ['B', 2], 'sample': 'normal'}}, 'nodes':"
        "{'y': {'expr': 'x + 0.1*u'}, 'd': {'op': 'Dropout', 'in': 'x', 'p': 0.3}}, 'outputs': ['y', 'u', 'd']}");
    struct nb_run run = {.inputs = tensors("{'x': [[1, 2], [3, 4], [5, 6]]}"), .seed = {7, 8}, .train = true};
    struct nb_result a = {0}, b = {0};
    ck_assert_int_eq(nb_graph_forward(g, &run, &arena, &a, &error), 0);
    ck_assert(a.noise);
    struct nb_tensors again = run.inputs;
    ck_assert_int_eq(nb_tensors_add(&arena, &again, "u", *nb_tensors_find(&a.outputs, "u"), &error), 0);
    run.inputs = again;
    run.seed = (struct nb_seed){7, 8};
    ck_assert_int_eq(nb_graph_forward(g, &run, &arena, &b, &error), 0);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_double_eq(at(&a.outputs, "y", i), at(&b.outputs, "y", i));
        ck_assert_double_eq(at(&a.outputs, "d", i), at(&b.outputs, "d", i));
        double d = at(&b.outputs, "d", i), x = (double)i + 1;
        ck_assert(d == 0 || fabs(d - x / 0.7) < 1e-5);
    }
    nb_graph_unref(g);
}
END_TEST

START_TEST(test_with_data)
{
    struct nb_graph *g = make_good(
        "{'inputs': {'x': ['B', 4], 'y': {'shape': ['B'], 'dtype': 'int64'}}, 'nodes': {'l': {'op': 'Linear', 'in': "
        "'x',"
        "'out_features': 3}, 'loss': {'op': 'CrossEntropyLoss', 'in': ['l', 'y']}}, 'outputs': ['l', 'loss']}");
    struct nb_run run = {.inputs = tensors("{'x': [[1, 2, 3, 4], [1, 2, 3, 4]]}")};
    refused(g, &run, "missing_input", "/inputs/y");
    run.inputs = tensors("{'x': [[1, 2, 3, 4], [1, 2, 3, 4]], 'y': [0, 1], 'z': [1]}");
    refused(g, &run, "unknown_input", "/inputs/z");
    run.inputs = tensors("{'x': [[1, 2, 3, 4], [1, 2, 3, 4]], 'y': [0, 1, 2]}");
    refused(g, &run, "shape_mismatch", "/inputs/y");
    run.inputs = tensors("{'x': [[1, 2, 3, 4], [1, 2, 3, 4]], 'y': [0, 3]}");
    refused(g, &run, "bad_index", "/inputs/y/1");
    run.inputs = tensors("{'x': [[1, 2, 3, 4], [1, 2, 3, 4]], 'y': [0, 'NaN']}");
    refused(g, &run, "bad_number", "/inputs/y/1");
    run.inputs = tensors("{'x': [[1, 2, 3, 4], [1, 2, 1e300, 4]], 'y': [0, 1]}");
    refused(g, &run, "bad_number", "/inputs/x/1/2");
    run.inputs = tensors("{'x': [[1, 2, 3, 4], [1, 2, 3, 4]], 'y': [0, 1]}");
    run.wrt_given = true;
    run.wrt = (struct nb_strings_list){1, (const char *[]){"y"}};
    refused(g, &run, "not_differentiable", "/wrt/0");
    run.wrt = (struct nb_strings_list){2, (const char *[]){"l.weight", "fc.*"}};
    refused(g, &run, "no_match", "/wrt/1");
    nb_graph_unref(g);
}
END_TEST

/* Only what is asked for must be fed; a tensor without entries gives empty results and zero gradients. */
START_TEST(test_empty_and_lazy)
{
    struct nb_graph *g = make_good(
        "{'inputs': {'x': ['B', 2], 'y': ['B']}, 'nodes': {'p': {'op': 'Linear', 'in': 'x', 'out_features': 3},"
        "'q': {'expr': 'sum(p, 1)*y'}}, 'outputs': ['p', 'q']}");
    struct nb_run run = {.inputs = tensors("{'x': [[1, 2]]}"), .outputs_given = true};
    run.outputs = (struct nb_strings_list){1, (const char *[]){"p"}};
    struct nb_result r = {0};
    ck_assert_int_eq(nb_graph_forward(g, &run, &arena, &r, &error), 0);
    struct nb_shape none = nb_shape_of(2, (int64_t)0, (int64_t)2), gone = nb_shape_of(2, (int64_t)0, (int64_t)3);
    struct nb_tensor x, c;
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &none, &x, &error), 0);
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &gone, &c, &error), 0);
    run.inputs = (struct nb_tensors){0};
    ck_assert_int_eq(nb_tensors_add(&arena, &run.inputs, "x", x, &error), 0);
    ck_assert_int_eq(nb_tensors_add(&arena, &run.cotangents, "p", c, &error), 0);
    run.cotangents_given = true;
    ck_assert_msg(nb_graph_backward(g, &run, &arena, &r, &error) == 0, "%s at %s: %s", nb_code_name(error.code),
                  error.pointer, error.detail);
    ck_assert_double_eq(at(&r.gradients, "p.weight", 5), 0);
    ck_assert_int_eq((int)nb_count(&nb_tensors_find(&r.outputs, "p")->shape), 0);
    run = (struct nb_run){.inputs = tensors("{'x': []}"), .outputs_given = true, .outputs = {1, (const char *[]){"p"}}};
    ck_assert_int_eq(nb_graph_forward(g, &run, &arena, &r, &error), 0);
    ck_assert_int_eq(nb_tensors_find(&r.outputs, "p")->shape.rank, 2);
    ck_assert_int_eq((int)nb_tensors_find(&r.outputs, "p")->shape.dim[1], 3);
    nb_graph_unref(g);
}
END_TEST

START_TEST(test_several_losses)
{
    struct nb_graph *g =
        make_good("{'inputs': {'x': ['B', 2]}, 'nodes': {'a': {'op': 'Linear', 'in': 'x', 'out_features': 2}, 'b': "
                  "{'op': 'Linear', 'in': 'a',"
                  "'out_features': 1}, 'l1': {'expr': 'mean(a)'}, 'l2': {'expr': 'mean(b)'}}, 'outputs': ['l1', 'l2'],"
                  "'losses': {'A': {'of': 'l1', 'wrt': ['a.*']}, 'Z': {'of': 'l2', 'wrt': ['b.*', 'x']}}}");
    struct nb_result r = backward(g, "{'x': [[1, 2], [3, 4]]}", NULL, "Z");
    ck_assert_int_eq((int)r.gradients.n, 3);
    ck_assert_double_eq(at(&r.gradients, "b.bias", 0), 1);
    r = backward(g, "{'x': [[1, 2], [3, 4]]}", NULL, "A");
    ck_assert_int_eq((int)r.gradients.n, 2);
    ck_assert_double_eq(at(&r.gradients, "a.weight", 0), 1); /* mean over B and 2 of x_0: (1 + 3)/4 */
    struct nb_run run = {.inputs = tensors("{'x': [[1, 2]]}"), .wrt_given = true, .wrt = {1, (const char *[]){"x"}}};
    refused(g, &run, "missing_key", "");
    run.loss = "Q";
    refused(g, &run, "unknown_reference", "/loss");
    nb_graph_unref(g);
}
END_TEST

/* A layer added elsewhere does not change the others' random starts; the same seed gives the same bits. */
START_TEST(test_starts)
{
    struct nb_graph *a = make_good("{'inputs': {'x': ['B', 9]}, 'nodes': {'f': {'op': 'Linear', 'in': 'x', "
                                   "'out_features': 5}}, 'outputs': ['f']}");
    struct nb_graph *b =
        make_good("{'inputs': {'x': ['B', 9]}, 'nodes': {'e': {'op': 'Linear', 'in': 'x', 'out_features': 9},"
                  "'f': {'op': 'Linear', 'in': 'e', 'out_features': 5}}, 'outputs': ['f']}");
    const struct nb_tensor *x = nb_tensors_find(nb_graph_parameters(a), "f.weight");
    const struct nb_tensor *y = nb_tensors_find(nb_graph_parameters(b), "f.weight");
    ck_assert_mem_eq(x->data, y->data, 45 * sizeof(float));
    for (size_t i = 0; i < 45; i++)
        ck_assert(fabs((double)((float *)x->data)[i]) <= 1.0 / 3);
    nb_graph_unref(a);
    nb_graph_unref(b);
}
END_TEST

START_TEST(test_integer_output)
{
    struct nb_graph *g =
        make_good("{'inputs': {'x': ['B', 3]}, 'nodes': {'c': {'expr': 'argmax(x)'}, 'h': {'expr': 'x/2'}},"
                  "'outputs': {'class': {'of': 'c', 'dtype': 'int64'}, 'h': {'of': 'h', 'dtype': 'int32'}}}");
    struct nb_run run = {.inputs = tensors("{'x': [[1, 5, 2], [9, 1, 0]]}"), .outputs_given = true};
    run.outputs = (struct nb_strings_list){1, (const char *[]){"class"}};
    struct nb_result r = {0};
    ck_assert_int_eq(nb_graph_forward(g, &run, &arena, &r, &error), 0);
    ck_assert_int_eq(nb_tensors_find(&r.outputs, "class")->dtype, NB_I64);
    ck_assert_double_eq(at(&r.outputs, "class", 0), 1);
    run.outputs = (struct nb_strings_list){1, (const char *[]){"h"}};
    refused(g, &run, "value_not_representable", "/outputs/h");
    nb_graph_unref(g);
}
END_TEST

START_TEST(test_weight_decay)
{
    struct nb_graph *g = make_good(
        "{'inputs': {'x': ['B', 2]}, 'dtype': 'float64', 'nodes': {'r': {'op': 'WeightDecay', 'params': ['*.weight'], "
        "'weight_decay': 0.1},"
        "'a': {'op': 'Linear', 'in': 'x', 'out_features': 1}, 'loss': {'expr': 'r + mean(a)'}}, 'outputs': ['r'],"
        "'params': {'a.weight': {'value': [[3, 4]]}}}");
    struct nb_result r = backward(g, "{'x': [[0, 0]]}", NULL, NULL);
    ck_assert_double_eq_tol(at(&r.outputs, "r", 0), 0.5 * 0.1 * 25, 1e-15);
    ck_assert_double_eq_tol(at(&r.gradients, "a.weight", 1), 0.4, 1e-15);
    nb_graph_unref(g);
}
END_TEST

/* Parameters change by a new snapshot; the old one stays as it was. */
START_TEST(test_snapshots)
{
    struct nb_graph *g = make_good("{'inputs': {'x': ['B', 2]}, 'nodes': {'a': {'op': 'Linear', 'in': 'x', "
                                   "'out_features': 1}}, 'outputs': ['a']}");
    double before = at(nb_graph_parameters(g), "a.bias", 0);
    struct nb_tensors some = tensors("{'a.bias': [7]}");
    ck_assert_ptr_null(nb_graph_with(g, &some, true, &error)); /* all were promised */
    ck_assert_str_eq(nb_code_name(error.code), "missing_key");
    memset(&error, 0, sizeof error);
    struct nb_graph *h = nb_graph_with(g, &some, false, &error);
    ck_assert_ptr_nonnull(h);
    ck_assert_double_eq(at(nb_graph_parameters(h), "a.bias", 0), 7);
    ck_assert_double_eq(at(nb_graph_parameters(g), "a.bias", 0), before);
    ck_assert_double_eq(at(nb_graph_parameters(g), "a.weight", 1), at(nb_graph_parameters(h), "a.weight", 1));
    nb_graph_unref(g);
    struct nb_result r = forward(h, "{'x': [[0, 0]]}");
    ck_assert_double_eq(at(&r.outputs, "a", 0), 7);
    nb_graph_unref(h);
}
END_TEST

/* Sharing is followed to its end however long the chain, and walked once. */
START_TEST(test_long_sharing)
{
    enum { N = 4000 };
    char *text = malloc(N * 100 + 1000), *p = text;
    p += sprintf(p, "{'inputs': {'x': ['B', 2]}, 'nodes': {");
    for (int i = 0; i < N; i++)
        p += sprintf(p, "'n%d': {'op': 'Linear', 'in': 'x', 'out_features': 2, 'share': 'n%d'},", i, i + 1);
    sprintf(p, "'n%d': {'op': 'Linear', 'in': 'x', 'out_features': 2}}, 'outputs': ['n0']}", N);
    struct nb_graph *g = make_good(text);
    ck_assert_int_eq((int)nb_graph_parameters(g)->n, 2);
    ck_assert_str_eq(nb_graph_parameters(g)->v[0].name, "n4000.weight");
    nb_graph_unref(g);
    sprintf(p, "'n%d': {'op': 'Linear', 'in': 'x', 'out_features': 2, 'share': 'n7'}}, 'outputs': ['n0']}", N);
    ck_assert_ptr_null(make(text));
    ck_assert_str_eq(nb_code_name(error.code), "share_mismatch");
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("graph");
    TCase *t = tcase_create("graph");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_linear);
    tcase_add_test(t, test_xor);
    tcase_add_test(t, test_given_backward);
    tcase_add_test(t, test_composite_is_flat);
    tcase_add_test(t, test_share_and_tie);
    tcase_add_test(t, test_stop_and_fan_out);
    tcase_add_test(t, test_probes);
    tcase_add_test(t, test_noise);
    tcase_add_test(t, test_with_data);
    tcase_add_test(t, test_empty_and_lazy);
    tcase_add_test(t, test_several_losses);
    tcase_add_test(t, test_starts);
    tcase_add_test(t, test_integer_output);
    tcase_add_test(t, test_weight_decay);
    tcase_add_test(t, test_snapshots);
    tcase_add_test(t, test_long_sharing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
