/* test_diagnosis.c - a gradient that is wrong is named by the mistake that was made, and by no other. */
#include "grade/diagnosis.h"
#include "graphs.h"
#include <math.h>
#include <stdio.h>

/* ---- what is common to all --------------------------------------------------------------------------------------- */

static struct nb_graph *graph;
static struct nb_run run;
static struct nb_clinic *clinic;
static struct nb_result right;

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
    memset(&run, 0, sizeof run);
    graph = NULL;
    clinic = NULL;
}

static void teardown(void)
{
    nb_clinic_done(clinic);
    if (graph)
        nb_graph_unref(graph);
    nb_arena_done(&arena);
}

static void open_clinic(const char *description, const char *parameters, const char *inputs, const char *cotangents)
{
    struct nb_tensors p = parameters ? tensors(parameters) : (struct nb_tensors){0};
    json_t *j = parse(description);
    graph = nb_graph_new(j, &p, (struct nb_seed){1, 2}, &error);
    json_decref(j);
    ck_assert_msg(graph != NULL, "%s: %s", error.pointer, error.detail);
    run.inputs = tensors(inputs);
    run.cotangents_given = cotangents != NULL;
    if (cotangents)
        run.cotangents = tensors(cotangents);
    ck_assert_msg(!nb_graph_backward(graph, &run, &arena, &right, &error), "%s", error.detail);
    ck_assert_msg(!nb_clinic_new(graph, &run, &arena, &clinic, &error), "%s", error.detail);
}

static double *doubles(const struct nb_tensor *t)
{
    size_t n = (size_t)nb_count(&t->shape);
    double *v = nb_alloc(&arena, n, sizeof *v, &error);
    nb_convert(NB_F64, v, t->dtype, t->data, n);
    return v;
}

static struct nb_diagnosis diagnose(const char *name, struct nb_tensor submitted)
{
    const struct nb_tensor *t = nb_tensors_find(&right.gradients, name);
    struct nb_suspect s = {.name = name, .submitted = submitted, .shape = t->shape, .truth = doubles(t)};
    struct nb_diagnosis d;
    ck_assert_msg(!nb_diagnose(clinic, &s, &d, &error), "%s", error.detail);
    return d;
}

static struct nb_diagnosis diagnose_text(const char *name, const char *text)
{
    struct nb_tensor t;
    json_t *j = parse(text);
    ck_assert(!nb_tensor_read(j, &arena, &t, &error));
    json_decref(j);
    return diagnose(name, t);
}

static const struct nb_evidence *evidence(const struct nb_diagnosis *d, const char *key)
{
    for (size_t i = 0; i < d->nevidence; i++)
        if (!strcmp(d->evidence[i].key, key))
            return &d->evidence[i];
    ck_abort_msg("%s has no evidence %s", d->code, key);
}

static void expect(const struct nb_diagnosis *d, const char *code)
{
    ck_assert_msg(d->code && !strcmp(d->code, code), "%s was wanted, %s came: %s", code, d->code, d->pattern);
    ck_assert_msg(d->pattern && *d->pattern && d->hint && *d->hint, "%s says nothing", code);
}

/* ---- the worked example of the reference ----------------------------------------------------------------------------
 */

#define LINEAR                                                                                                         \
    "{'inputs': {'x': ['n', 2]}, 'nodes': {'fc': {'op': 'Linear', 'in_features': 2, 'out_features': 1, 'in': 'x'}}, "  \
    "'outputs': ['fc'], 'dtype': 'float64'}"

static void open_example(void)
{
    open_clinic(LINEAR, "{'fc.weight': [[0.25, -0.75]], 'fc.bias': [0.0]}", "{'x': [[1,2],[3,-1],[-2,0.5]]}",
                "{'fc': [[0.5],[-1],[2]]}");
}

START_TEST(test_example)
{
    open_example();
    struct nb_diagnosis d = diagnose_text("fc.weight", "[[-2.1666666666666665, 1.0]]");
    expect(&d, "factor_batch");
    ck_assert_str_eq(d.pattern, "exactly 1/3 of the expected value, and your batch has 3 rows");
    ck_assert_str_eq(d.hint, "Divided by N? The sum over the batch is asked for.");
    ck_assert(d.slip);
    ck_assert_double_eq(evidence(&d, "c")->number, 1.0 / 3);
    ck_assert_double_le(evidence(&d, "residual")->number, 1e-15);
    ck_assert_int_eq(evidence(&d, "n")->whole, 3);
    d = diagnose_text("fc.bias", "[[0.5],[-1.0],[2.0]]");
    expect(&d, "not_summed_over_batch");
    ck_assert_str_eq(d.pattern, "3 rows where one was expected; their sum would be right");
    ck_assert(d.slip);
    ck_assert_int_eq(evidence(&d, "got_shape")->shape.rank, 2);
    d = diagnose_text("x", "[[0.125,-0.375],[-0.25,0.75],[0.5,-1.5]]");
    ck_assert_ptr_null(d.code);
}
END_TEST

/* Everything that can be seen without knowing modules. */
static const struct {
    const char *tensor, *submitted, *code;
    bool slip;
} plain[] = {
    {"x", "[[-0.125,0.375],[0.25,-0.75],[-0.5,1.5]]", "sign", true},
    {"x", "[[0.25,-0.75],[-0.5,1.5],[1,-3]]", "factor_2", true},
    {"x", "[[0.0625,-0.1875],[-0.125,0.375],[0.25,-0.75]]", "factor_2", true},
    {"x", "[[0.375,-1.125],[-0.75,2.25],[1.5,-4.5]]", "factor_batch", true},
    {"x", "[[0.1,-0.3],[-0.2,0.6],[0.4,-1.2]]", "factor", true},
    {"x", "[[0,0],[0,0],[0,0]]", "zero", false},
    {"x", "[[0.125,'NaN'],[-0.25,0.75],[0.5,-1.5]]", "not_finite", false},
    {"x", "[[0.125,-0.25,0.5],[-0.375,0.75,-1.5]]", "transposed", true},
    {"x", "[[0.125,-0.25,0.5],[-0.375,0.75,1.5]]", "transposed", false},
    {"x", "[0.125,-0.375,-0.25,0.75,0.5,-1.5]", "shape", true},
    {"x", "[[[0.125,-0.375],[-0.25,0.75],[0.5,-1.5]]]", "broadcastable", true},
    {"x", "[1, 2]", "broadcastable", false},
    {"x", "[1, 2, 3]", "shape", false},
    {"x", "[[0.125,-0.375],[-0.25,0.75],[0.5,1.7]]", "entries", false},
    {"x", "[[0.125,0],[0,0.75],[0.5,-1.5]]", "zeros", false},
    {"x", "[[0.25,-0.75],[-0.75,2.25],[0.5,-1.5]]", "row_factor", true},
    {"x", "[[0.25,-0.375],[-0.5,0.75],[1,-1.5]]", "column_factor", true},
    {"x", "[[0.125,-0.375],[-0.25,0.25],[5,-1.5]]", "negative_side", false},
    {"x", "[[2,-3],[-4,0.75],[0.5,7]]", "positive_side", false},
    {"fc.bias", "[[1],[-1.0],[2.0]]", "not_summed_over_batch", false},
};

START_TEST(test_plain)
{
    open_example();
    struct nb_diagnosis d = diagnose_text(plain[_i].tensor, plain[_i].submitted);
    expect(&d, plain[_i].code);
    ck_assert_msg(d.slip == plain[_i].slip, "%s", d.pattern);
}
END_TEST

/* Two things at once: both are said, but it is not one slip. */
START_TEST(test_two_slips)
{
    open_example();
    struct nb_diagnosis d = diagnose_text("x", "[[0.25,-0.5,1],[-0.75,1.5,-3]]");
    expect(&d, "transposed");
    ck_assert_ptr_nonnull(strstr(d.pattern, "its transpose would be exactly twice the expected value"));
    ck_assert(!d.slip);
    d = diagnose_text("fc.bias", "[[-0.5],[1],[-2]]");
    ck_assert_ptr_nonnull(strstr(d.pattern, "their sum would be exactly the negative of the expected value"));
    ck_assert(!d.slip);
}
END_TEST

/* 36 numbers for 6 entries. */
START_TEST(test_jacobian)
{
    double v[36] = {0};
    open_example();
    struct nb_diagnosis d = diagnose("x", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)6, (int64_t)6), v});
    expect(&d, "jacobian");
    d = diagnose("fc.weight", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)2), v});
    expect(&d, "jacobian");
}
END_TEST

/* ---- mistakes of modules, worked out by hand ------------------------------------------------------------------------
 */

static double sigma(double v)
{
    return 1 / (1 + exp(-v));
}

#define HAND(name, expression)                                                                                         \
    static double name(double x, double g)                                                                             \
    {                                                                                                                  \
        return expression;                                                                                             \
    }
HAND(tanh_first, g *(1 - tanh(x)))
HAND(tanh_input, g *(1 - x * x))
HAND(tanh_again, g *(1 - tanh(tanh(x)) * tanh(tanh(x))))
HAND(tanh_rest, g *tanh(x) * tanh(x))
HAND(sigmoid_input, g *x *(1 - x))
HAND(sigmoid_again, g *sigma(sigma(x)) * (1 - sigma(sigma(x))))
HAND(sigmoid_rest, g *(1 - sigma(x)))
HAND(sigmoid_itself, g *sigma(x))
HAND(sigmoid_sum, g *sigma(x) * (1 + sigma(x)))
HAND(pass, ((void)x, g))
HAND(relu_other, x > 0 ? 0 : g)
HAND(leaky_other, x > 0 ? 0.13 * g : g)
HAND(leaky_both, x > 0 ? 1.13 * g : 0.13 * g)
HAND(elu_out, x > 0 ? g : g * 1.7 * (exp(x) - 1))
HAND(elu_other, x > 0 ? g * 1.7 * exp(x) : g)
HAND(swish_gate, g *sigma(0.7 * x))
HAND(swish_bump, g * 0.7 * x * sigma(0.7 * x) * (1 - sigma(0.7 * x)))
HAND(softplus_bump, g *sigma(x) * (1 - sigma(x)))
HAND(softplus_rest, g / (1 + exp(x)))
HAND(softplus_exp, g *exp(x))
HAND(no_cotangent, ((void)g, 1 - tanh(x) * tanh(x)))

static const struct {
    const char *op, *code;
    double (*wrong)(double x, double g);
} hand[] = {
    {"'op': 'Tanh'", "tanh_square_missing", tanh_first},
    {"'op': 'Tanh'", "tanh_at_input", tanh_input},
    {"'op': 'Tanh'", "tanh_twice", tanh_again},
    {"'op': 'Tanh'", "tanh_complement", tanh_rest},
    {"'op': 'Tanh'", "slope_missing", pass},
    {"'op': 'Tanh'", "cotangent_ignored", no_cotangent},
    {"'op': 'Sigmoid'", "sigmoid_at_input", sigmoid_input},
    {"'op': 'Sigmoid'", "sigmoid_twice", sigmoid_again},
    {"'op': 'Sigmoid'", "sigmoid_complement", sigmoid_rest},
    {"'op': 'Sigmoid'", "sigmoid_value", sigmoid_itself},
    {"'op': 'Sigmoid'", "sigmoid_plus", sigmoid_sum},
    {"'op': 'ReLU'", "mask_missing", pass},
    {"'op': 'ReLU'", "mask_inverted", relu_other},
    {"'op': 'LeakyReLU', 'negative_slope': 0.13", "leaky_exchanged", leaky_other},
    {"'op': 'LeakyReLU', 'negative_slope': 0.13", "leaky_both_sides", leaky_both},
    {"'op': 'ELU', 'alpha': 1.7", "elu_at_output", elu_out},
    {"'op': 'ELU', 'alpha': 1.7", "elu_exchanged", elu_other},
    {"'op': 'SiLU', 'beta': 0.7", "silu_gate_only", swish_gate},
    {"'op': 'SiLU', 'beta': 0.7", "silu_slope_only", swish_bump},
    {"'op': 'Softplus'", "softplus_bump", softplus_bump},
    {"'op': 'Softplus'", "softplus_complement", softplus_rest},
    {"'op': 'Softplus'", "softplus_exponential", softplus_exp},
};

static const double at_x[] = {0.5, -1.25, 1.75, -0.375, 0.8125, -0.625}, with_g[] = {1, -0.75, 0.5, 1.25, -1.5, 0.625};
#define INPUT "{'x': [[0.5, -1.25, 1.75], [-0.375, 0.8125, -0.625]]}"
#define COTANGENT "{'y': [[1, -0.75, 0.5], [1.25, -1.5, 0.625]]}"

/* In the middle of a network as well: between two sums of weights the gradient of the first is what tells. */
START_TEST(test_by_hand)
{
    char text[500];
    double wrong[6], sums[3] = {0};
    for (int i = 0; i < 6; i++) {
        wrong[i] = hand[_i].wrong(at_x[i], with_g[i]);
        sums[i % 3] += wrong[i];
    }
    snprintf(text, sizeof text,
             "{'inputs': {'x': ['n', 3]}, 'nodes': {'b': {'op': 'Parameter', 'shape': [3], 'init': 'zeros'}, 's': "
             "{'expr': 'x + b'}, 'y': {%s, 'in': 's'}}, 'outputs': ['y'], 'dtype': 'float64'}",
             hand[_i].op);
    open_clinic(text, NULL, INPUT, COTANGENT);
    struct nb_diagnosis d = diagnose("x", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)3), wrong});
    expect(&d, hand[_i].code);
    ck_assert_str_eq(d.node, "y");
    ck_assert(d.slip);
    d = diagnose("b", (struct nb_tensor){NB_F64, nb_shape_of(1, (int64_t)3), sums});
    expect(&d, hand[_i].code);
    ck_assert_str_eq(d.node, "y");
}
END_TEST

/* p (g - sum(g p)), got wrong in six ways. */
static void softmax_mistake(int which, const double *p, const double *g, double *to)
{
    double dot = p[0] * g[0] + p[1] * g[1] + p[2] * g[2];
    for (int i = 0; i < 3; i++) {
        const double ways[] = {g[i] * p[i] * (1 - p[i]), g[i] * p[i],         g[i],
                               p[i] * (g[i] - dot / 3),  p[i] * (g[i] + dot), g[i] - dot};
        to[i] = ways[which];
    }
}
static const char *const softmax_codes[] = {"softmax_diagonal", "softmax_value", "slope_missing",
                                            "softmax_mean",     "softmax_plus",  "softmax_factor_missing"};

START_TEST(test_softmax)
{
    double wrong[6], p[3];
    for (int r = 0; r < 6; r += 3) {
        double sum = exp(at_x[r]) + exp(at_x[r + 1]) + exp(at_x[r + 2]);
        for (int i = 0; i < 3; i++)
            p[i] = exp(at_x[r + i]) / sum;
        softmax_mistake(_i, p, with_g + r, wrong + r);
    }
    open_clinic("{'inputs': {'x': ['n', 3]}, 'nodes': {'y': {'op': 'Softmax', 'in': 'x'}}, 'outputs': ['y'], 'dtype': "
                "'float64'}",
                NULL, INPUT, COTANGENT);
    struct nb_diagnosis d = diagnose("x", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)3), wrong});
    expect(&d, softmax_codes[_i]);
}
END_TEST

/* The factor p(1 - p) that cancels, in the last layer of a classifier: seen in the weights two layers below. */
#define CLASSIFIER(activation)                                                                                         \
    "{'inputs': {'x': ['n', 3], 't': {'shape': ['n'], 'dtype': 'int64'}}, 'nodes': {'h': {'op': 'Linear', "            \
    "'out_features': 4, 'in': 'x'}, 'a': {'op': '" activation "', 'in': 'h'}, 'z': {'op': 'Linear', "                  \
    "'out_features': 3, 'in': 'a'}, 'loss': {'op': 'CrossEntropyLoss', 'in': ['z', 't']}}, 'outputs': ['z'], "         \
    "'dtype': 'float64'}"

/* dL/dz with the factor, then back to the first weights, in plain loops. */
static void classifier_weights(const struct nb_tensors *p, double *dw)
{
    const double *w1 = nb_tensors_find(p, "h.weight")->data, *b1 = nb_tensors_find(p, "h.bias")->data;
    const double *w2 = nb_tensors_find(p, "z.weight")->data, *b2 = nb_tensors_find(p, "z.bias")->data;
    const int target[] = {2, 0};
    memset(dw, 0, 12 * sizeof *dw);
    for (int r = 0; r < 2; r++) {
        double a[4], z[3], sum = 0;
        for (int j = 0; j < 4; j++) {
            a[j] = b1[j];
            for (int i = 0; i < 3; i++)
                a[j] += w1[j * 3 + i] * at_x[r * 3 + i];
            a[j] = tanh(a[j]);
        }
        for (int k = 0; k < 3; k++) {
            z[k] = b2[k];
            for (int j = 0; j < 4; j++)
                z[k] += w2[k * 4 + j] * a[j];
            sum += exp(z[k]);
        }
        for (int k = 0; k < 3; k++) {
            double q = exp(z[k]) / sum, dz = (q - (k == target[r])) / 2 * q * (1 - q);
            for (int j = 0; j < 4; j++)
                for (int i = 0; i < 3; i++)
                    dw[j * 3 + i] += dz * w2[k * 4 + j] * (1 - a[j] * a[j]) * at_x[r * 3 + i];
        }
    }
}

START_TEST(test_classifier)
{
    double dw[12];
    open_clinic(CLASSIFIER("Tanh"), NULL, "{'x': [[0.5, -1.25, 1.75], [-0.375, 0.8125, -0.625]], 't': [2, 0]}", NULL);
    classifier_weights(nb_graph_parameters(graph), dw);
    struct nb_diagnosis d =
        diagnose("h.weight", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)4, (int64_t)3), dw});
    expect(&d, "crossentropy_extra_slope");
    ck_assert_str_eq(d.node, "loss");
    ck_assert_str_eq(d.hint, "With cross-entropy this factor cancels.");
    for (int i = 0; i < 12; i++) /* as printed with six decimals */
        dw[i] = nearbyint(dw[i] * 1e6) / 1e6;
    const struct nb_tensor *t = nb_tensors_find(&right.gradients, "h.weight");
    struct nb_suspect s = {"h.weight", {NB_F64, t->shape, dw}, t->shape, doubles(t), NULL, {6, 6}, 0};
    ck_assert(!nb_diagnose(clinic, &s, &d, &error));
    expect(&d, "crossentropy_extra_slope");
}
END_TEST

/* ---- places ---------------------------------------------------------------------------------------------------------
 */

/* d/dx of tanh(c tanh(x)): the square forgotten in the first, in the second, in both. */
START_TEST(test_which_node)
{
    double wrong[6];
    for (int i = 0; i < 6; i++) {
        double a = tanh(at_x[i]), b = tanh(1.5 * a);
        wrong[i] = with_g[i] * (_i == 0 ? 1 - b * b : 1 - b) * 1.5 * (_i == 1 ? 1 - a * a : 1 - a);
    }
    open_clinic("{'inputs': {'x': ['n', 3]}, 'nodes': {'a': {'op': 'Tanh', 'in': 'x'}, 's': {'expr': '1.5*a'}, 'y': "
                "{'op': 'Tanh', 'in': 's'}}, 'outputs': ['y'], 'dtype': 'float64'}",
                NULL, INPUT, COTANGENT);
    struct nb_diagnosis d = diagnose("x", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)3), wrong});
    expect(&d, "tanh_square_missing");
    ck_assert_msg(_i == 2 ? strstr(d.pattern, "all 2 Tanh") != NULL : !strcmp(d.node, _i ? "y" : "a"), "%s at %s",
                  d.pattern, d.node);
}
END_TEST

/* A weight that is used three times: y = w*tanh(w*tanh(w*x)), with only the first or the last use counted. */
#define UNROLLED                                                                                                       \
    "{'inputs': {'x': ['n', 1]}, 'nodes': {'l1': {'op': 'Linear', 'out_features': 1, 'bias': false, 'in': 'x'}, "      \
    "'h1': "                                                                                                           \
    "{'op': 'Tanh', 'in': 'l1'}, 'l2': {'op': 'Linear', 'out_features': 1, 'bias': false, 'in': 'h1', 'share': "       \
    "'l1'}, "                                                                                                          \
    "'h2': {'op': 'Tanh', 'in': 'l2'}, 'l3': {'op': 'Linear', 'out_features': 1, 'bias': false, 'in': 'h2', 'share': " \
    "'l1'}}, 'outputs': ['l3'], 'dtype': 'float64'}"

START_TEST(test_uses)
{
    const double w = 0.75, x = 0.5, g = 1.25, h1 = tanh(w * x), h2 = tanh(w * h1);
    double last = g * h2, middle = g * w * (1 - h2 * h2) * h1, first = g * w * (1 - h2 * h2) * w * (1 - h1 * h1) * x;
    double sums[] = {last, first, (last + middle + first) / 3};
    const char *const codes[] = {"only_last_use", "only_first_use", "factor_steps"};
    open_clinic(UNROLLED, "{'l1.weight': [[0.75]]}", "{'x': [[0.5]]}", "{'l3': [[1.25]]}");
    struct nb_tensor t = {NB_F64, nb_shape_of(2, (int64_t)1, (int64_t)1), &sums[_i]};
    struct nb_diagnosis d = diagnose("l1.weight", t);
    expect(&d, codes[_i]);
}
END_TEST

/* Two steps whose outputs both count, the second fed by the first: the way back through it is forgotten. */
START_TEST(test_through_time)
{
    const double w = 0.75, x = 0.5, g1 = 1.25, g2 = -0.5, h1 = tanh(w * x), h2 = tanh(w * h1);
    double wrong = g1 * (1 - h1 * h1) * x + g2 * (1 - h2 * h2) * h1;
    open_clinic(
        "{'inputs': {'x': ['n', 1]}, 'nodes': {'l1': {'op': 'Linear', 'out_features': 1, 'bias': false, 'in': "
        "'x'}, 'h1': {'op': 'Tanh', 'in': 'l1'}, 'l2': {'op': 'Linear', 'out_features': 1, 'bias': false, 'in': "
        "'h1', 'share': 'l1'}, 'h2': {'op': 'Tanh', 'in': 'l2'}}, 'outputs': ['h1', 'h2'], 'dtype': 'float64'}",
        "{'l1.weight': [[0.75]]}", "{'x': [[0.5]]}", "{'h1': [[1.25]], 'h2': [[-0.5]]}");
    struct nb_diagnosis d =
        diagnose("l1.weight", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)1, (int64_t)1), &wrong});
    expect(&d, "not_through_time");
}
END_TEST

/* g @ slope where g * slope belongs. */
START_TEST(test_matrix_product)
{
    const double v[] = {0.5, -1.25, -0.375, 0.8125}, g[] = {1, -0.75, 1.25, -1.5};
    double wrong[4];
    for (int i = 0; i < 4; i++) {
        double a = tanh(v[i % 2]), b = tanh(v[2 + i % 2]);
        wrong[i] = g[i / 2 * 2] * (1 - a * a) + g[i / 2 * 2 + 1] * (1 - b * b);
    }
    open_clinic("{'inputs': {'x': ['n', 2]}, 'nodes': {'y': {'op': 'Tanh', 'in': 'x'}}, 'outputs': ['y'], 'dtype': "
                "'float64'}",
                NULL, "{'x': [[0.5, -1.25], [-0.375, 0.8125]]}", "{'y': [[1, -0.75], [1.25, -1.5]]}");
    struct nb_diagnosis d = diagnose("x", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)2), wrong});
    expect(&d, "matrix_product");
}
END_TEST

/* y = x + tanh(x): one of the two ways back is forgotten. */
START_TEST(test_residual)
{
    double wrong[6];
    for (int i = 0; i < 6; i++)
        wrong[i] = _i ? with_g[i] : with_g[i] * (1 - tanh(at_x[i]) * tanh(at_x[i]));
    open_clinic("{'inputs': {'x': ['n', 3]}, 'nodes': {'h': {'op': 'Tanh', 'in': 'x'}, 'y': {'op': 'Add', 'in': ['x', "
                "'h']}}, 'outputs': ['y'], 'dtype': 'float64'}",
                NULL, INPUT, COTANGENT);
    struct nb_diagnosis d = diagnose("x", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)3), wrong});
    expect(&d, "contribution_missing");
}
END_TEST

/* The forward's mask is 1 0 1 / 1 1 0; backward used 0 1 1 / 1 0 0, drawn anew. */
START_TEST(test_other_mask)
{
    const double mask[] = {0, 1, 1, 1, 0, 0};
    double wrong[6];
    for (int i = 0; i < 6; i++)
        wrong[i] = with_g[i] * mask[i] / 0.8;
    run.train = true;
    open_clinic("{'inputs': {'x': ['n', 3], 'm': ['n', 3]}, 'nodes': {'y': {'op': 'Dropout', 'p': 0.2, 'in': ['x', "
                "'m']}}, 'outputs': ['y'], 'dtype': 'float64'}",
                NULL, "{'x': [[0.5, -1.25, 1.75], [-0.375, 0.8125, -0.625]], 'm': [[1, 0, 1], [1, 1, 0]]}", COTANGENT);
    struct nb_diagnosis d = diagnose("x", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)3), wrong});
    expect(&d, "dropout_other_mask");
    for (int i = 0; i < 6; i++) /* the right mask, (1 - p)/p times */
        wrong[i] = with_g[i] * (i == 1 || i == 5 ? 0 : 1) / 0.2;
    d = diagnose("x", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)3), wrong});
    expect(&d, "factor_argument");
    ck_assert_str_eq(evidence(&d, "argument")->text, "p");
    ck_assert_ptr_nonnull(strstr(d.pattern, "(1 - p)/p"));
}
END_TEST

/* Nothing known: numbers drawn at random are no mistake of anybody's. */
START_TEST(test_noise)
{
    double v[12];
    open_clinic(CLASSIFIER("Sigmoid"), NULL, "{'x': [[0.5, -1.25, 1.75], [-0.375, 0.8125, -0.625]], 't': [2, 0]}",
                NULL);
    for (int k = 0; k < 12; k++)
        v[k] = nb_normal(nb_stream_of((struct nb_seed){(uint64_t)_i, 1}, "noise"), (uint64_t)k);
    struct nb_diagnosis d = diagnose("h.weight", (struct nb_tensor){NB_F64, nb_shape_of(2, (int64_t)4, (int64_t)3), v});
    expect(&d, "entries");
    ck_assert(!d.slip);
    ck_assert_int_eq(evidence(&d, "wrong")->whole, 12);
}
END_TEST

/* Whatever comes, there is an answer and nothing breaks: other sizes, no entries, numbers that are none. */
START_TEST(test_rubbish)
{
    struct nb_stream s = nb_stream_of((struct nb_seed){(uint64_t)_i, 3}, "rubbish");
    const double special[] = {0, -0.0, NAN, INFINITY, -INFINITY, 1e308, 5e-324, 1};
    double v[256];
    open_example();
    struct nb_tensor t = {NB_F64, {.rank = (int)(nb_word(s, 0) % 5)}, v};
    for (int k = 0; k < t.shape.rank; k++)
        t.shape.dim[k] = (int64_t)(nb_word(s, 1 + (uint64_t)k) % 4);
    for (int k = 0; k < 256; k++)
        v[k] =
            nb_word(s, 10 + (uint64_t)k) % 3 ? special[nb_word(s, 300 + (uint64_t)k) % 8] : nb_normal(s, (uint64_t)k);
    const char *const names[] = {"x", "fc.weight", "fc.bias"};
    for (int i = 0; i < 3; i++) {
        struct nb_diagnosis d = diagnose(names[i], t);
        ck_assert(d.code && d.pattern && d.hint);
    }
    double bar[6] = {1e-12, 0, 1e300, 0, INFINITY, 1}, truth[6] = {0, 0, NAN, 1e-320, 1, -1e308};
    struct nb_suspect odd = {"x", t, nb_shape_of(2, (int64_t)3, (int64_t)2), truth, bar, {3, 4}, 0};
    struct nb_diagnosis d;
    ck_assert(!nb_diagnose(clinic, &odd, &d, &error));
    odd.submitted.shape = odd.shape;
    ck_assert(!nb_diagnose(clinic, &odd, &d, &error));
    odd.name = "nobody";
    ck_assert(!nb_diagnose(clinic, &odd, &d, &error));
}
END_TEST

/* A single entry is proportional to everything: no factor is read into it, unless it is one that everybody knows. */
START_TEST(test_single_entry)
{
    open_example();
    struct nb_diagnosis d = diagnose_text("fc.bias", "[0.7]");
    expect(&d, "entries");
    d = diagnose_text("fc.bias", "[-1.5]");
    expect(&d, "sign");
}
END_TEST

/* 0.7 as printed: one digit fits some mistake or other. With all digits the mistake is named. */
START_TEST(test_few_digits)
{
    double x = 0.8125, wrong = 1.25 * (1 - tanh(x)), truth = 1.25 * (1 - tanh(x) * tanh(x));
    open_clinic(
        "{'inputs': {'x': []}, 'nodes': {'y': {'op': 'Tanh', 'in': 'x'}}, 'outputs': ['y'], 'dtype': 'float64'}", NULL,
        "{'x': 0.8125}", "{'y': 1.25}");
    struct nb_diagnosis d;
    struct nb_suspect s = {"x", {NB_F64, nb_shape_of(0), &wrong}, nb_shape_of(0), &truth, NULL, {0, 0}, 0};
    ck_assert(!nb_diagnose(clinic, &s, &d, &error));
    expect(&d, "tanh_square_missing");
    wrong = nearbyint(10 * wrong) / 10;
    s.digits = (struct nb_digits){1, 1};
    ck_assert(!nb_diagnose(clinic, &s, &d, &error));
    expect(&d, "entries");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("diagnosis");
    TCase *t = tcase_create("plain");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_example);
    tcase_add_loop_test(t, test_plain, 0, sizeof plain / sizeof *plain);
    tcase_add_test(t, test_two_slips);
    tcase_add_test(t, test_jacobian);
    tcase_add_loop_test(t, test_by_hand, 0, sizeof hand / sizeof *hand);
    tcase_add_loop_test(t, test_softmax, 0, 6);
    tcase_add_test(t, test_classifier);
    tcase_add_loop_test(t, test_which_node, 0, 3);
    tcase_add_loop_test(t, test_uses, 0, 3);
    tcase_add_test(t, test_through_time);
    tcase_add_test(t, test_matrix_product);
    tcase_add_loop_test(t, test_residual, 0, 2);
    tcase_add_test(t, test_other_mask);
    tcase_add_loop_test(t, test_noise, 0, 20);
    tcase_add_loop_test(t, test_rubbish, 0, 200);
    tcase_add_test(t, test_single_entry);
    tcase_add_test(t, test_few_digits);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
