/* test_check - the checker is fed deliberately broken gradients, and right ones at awkward places. */
#include "check/check.h"
#include "check/oracle.h"
#include "graphs.h"
#include <complex.h>
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

static struct nb_verdicts check(const char *graph, const char *inputs, const char *cotangents, const char *gradients)
{
    struct nb_graph *g = make_good(graph);
    struct nb_check c = {.run.seed = {11, 12}};
    struct nb_verdicts v;
    if (inputs)
        c.run.inputs = tensors(inputs);
    c.run.cotangents_given = cotangents != NULL;
    if (cotangents)
        c.run.cotangents = tensors(cotangents);
    c.gradients_given = gradients != NULL;
    if (gradients)
        c.gradients = tensors(gradients);
    ck_assert_msg(nb_check_run(g, &c, &arena, &v, &error) == 0, "%s at %s: %s", nb_code_name(error.code), error.pointer,
                  error.detail);
    nb_graph_unref(g);
    return v;
}

#define TANH "{'inputs': {'x': ['N']}, 'dtype': '%s', 'nodes': {'y': {'op': 'Tanh', 'in': 'x'}}, 'outputs': ['y']}"
#define TANH64                                                                                                         \
    "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'nodes': {'y': {'op': 'Tanh', 'in': 'x'}}, 'outputs': ['y']}"

/* The worked example of the reference: 1 - tanh x claimed for 1 - tanh^2 x. */
START_TEST(test_worked_example)
{
    struct nb_verdicts v = check(TANH64, "{'x': [0.5, -1.25, 2.0]}", "{'y': [1, -1, 0.5]}",
                                 "{'x': [0.5378828427399902, -1.8482836399575129, 0.01798620996209155]}");
    ck_assert_int_eq(v.verdict, NB_WRONG);
    ck_assert_int_eq((int)v.v[0].wrong, 3);
    v = check(TANH64, "{'x': [0.5, -1.25, 2.0]}", "{'y': [1, -1, 0.5]}",
              "{'x': [0.7864477329659277, -0.28041486618043265, 0.03532541242658225]}");
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    static const double right[] = {0.7864477329659277, -0.28041486618043265,
                                   0.03532541242658225}; /* g (1 - tanh^2 x) */
    ck_assert_double_eq_tol(v.v[0].value[v.v[0].worst], right[v.v[0].worst], 1e-15);
}
END_TEST

/* One entry off by a millionth is wrong, in double and, by a thousandth, in float; rounding to float is not. */
START_TEST(test_one_entry)
{
    struct {
        const char *dtype;
        double factor;
        enum nb_verdict want;
    } rows[] = {{"float64", 1 + 1e-6, NB_WRONG}, {"float64", 1, NB_RIGHT}, {"float64", -1, NB_WRONG},
                {"float64", 2, NB_WRONG},        {"float64", 0, NB_WRONG}, {"float32", 1 + 1e-3, NB_WRONG},
                {"float32", 1 + 3e-8, NB_RIGHT}, {"float32", -1, NB_WRONG}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char graph[300], gradients[300];
        double x[3] = {0.5, -1.25, 2}, g[3] = {1, -1, 0.5};
        snprintf(graph, sizeof graph, TANH, rows[i].dtype);
        for (int k = 0; k < 3; k++)
            x[k] = g[k] * (1 - tanh(x[k]) * tanh(x[k])) * (k == 2 ? rows[i].factor : 1);
        snprintf(gradients, sizeof gradients, "{'x': [%.17g, %.17g, %.17g]}", x[0], x[1], x[2]);
        struct nb_verdicts v = check(graph, "{'x': [0.5, -1.25, 2.0]}", "{'y': [1, -1, 0.5]}", gradients);
        ck_assert_msg(v.verdict == rows[i].want, "row %zu: %s", i, nb_verdict_name(v.verdict));
        if (rows[i].want == NB_WRONG)
            ck_assert_int_eq((int)v.v[0].worst, 2);
    }
}
END_TEST

START_TEST(test_reasons)
{
    struct {
        const char *cotangents, *gradients, *reason;
        enum nb_verdict want;
    } rows[] = {{"{'y': [1, 1, 1]}", "{'x': [[1, 1, 1]]}", "shape", NB_WRONG},
                {"{'y': [1, 1, 1]}", "{'x': 1}", "shape", NB_WRONG},
                {"{'y': [1, 1, 1]}", "{'x': [1, 'NaN', 1]}", "not_finite", NB_WRONG},
                {"{'y': [0, 0, 0]}", "{'x': [0, 0, 0]}", "zero_cotangent", NB_CANNOT_TELL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nb_verdicts v = check(TANH64, "{'x': [0.5, -1.25, 2.0]}", rows[i].cotangents, rows[i].gradients);
        ck_assert_msg(v.verdict == rows[i].want, "row %zu: %s", i, nb_verdict_name(v.verdict));
        ck_assert_str_eq(nb_reason_name(v.v[0].reason), rows[i].reason);
    }
}
END_TEST

/* At a kink any subgradient is right, what lies outside is wrong. Beside it, all is sharp. */
START_TEST(test_kinks)
{
    const char *relu =
        "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'nodes': {'y': {'op': 'ReLU', 'in': 'x'}}, 'outputs': ['y']}";
    struct nb_verdicts v = check(relu, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [0.3, 1]}");
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    ck_assert_str_eq(nb_reason_name(v.v[0].reason), "kink");
    v = check(relu, "{'x': [0, 1]}", "{'y': [1, 1]}", "{'x': [1.3, 1]}");
    ck_assert_int_eq(v.verdict, NB_WRONG);
    v = check(relu, "{'x': [3e-7, -3e-7]}", "{'y': [1, 1]}", NULL);
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    v = check(relu, "{'x': [3e-7, -3e-7]}", "{'y': [1, 1]}", "{'x': [1, 1]}");
    ck_assert_int_eq(v.verdict, NB_WRONG);
}
END_TEST

/* Gradients of size 1e-18 are judged like those of size 1. */
START_TEST(test_small)
{
    const char *g =
        "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'nodes': {'y': {'expr': '1e-18*square(x)'}}, 'outputs': ['y']}";
    ck_assert_int_eq(check(g, "{'x': [0.5, 3]}", "{'y': [1, 1]}", "{'x': [1e-18, 6e-18]}").verdict, NB_RIGHT);
    ck_assert_int_eq(check(g, "{'x': [0.5, 3]}", "{'y': [1, 1]}", "{'x': [1e-18, -6e-18]}").verdict, NB_WRONG);
    ck_assert_int_eq(check(g, "{'x': [0.5, 3]}", "{'y': [1, 1]}", "{'x': [0, 0]}").verdict, NB_WRONG);
    ck_assert_int_eq(check(g, "{'x': [0.5, 3]}", "{'y': [1, 1]}", "{'x': [1.000001e-18, 6e-18]}").verdict, NB_WRONG);
}
END_TEST

/* Mistakes in a given backward: each is wrong and points to its formula. */
#define MODULE                                                                                                         \
    "{'inputs': {'a': ['B', 3], 'b': ['B', 3]}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'u': ['B', 3], 'v': " \
    "['B', 3]},"                                                                                                       \
    "'nodes': {'w': {'op': 'Parameter', 'shape': [3], 'value': [0.3, -1.2, 0.7]}, 'y': {'expr': 'tanh(u*w)*v'}},"      \
    "'outputs': ['y'], 'backward': {'u': '%s', 'v': '%s', 'w': '%s'}}}, 'nodes': {'m': {'op': 'M', 'in': ['a', "       \
    "'b']}},"                                                                                                          \
    "'outputs': ['m']}"
#define GU "g*v*w*(1 - square(tanh(u*w)))"
#define GV "g*tanh(u*w)"
#define GW "sum(g*v*u*(1 - square(tanh(u*w))), 0)"

START_TEST(test_planted)
{
    static const char *const rows[][4] = {{"-" GU, GV, GW, "u"},                        /* sign */
                                          {"2*" GU, GV, GW, "u"},                       /* factor */
                                          {"g*v*w*(1 - tanh(u*w))", GV, GW, "u"},       /* square forgotten */
                                          {"v*w*(1 - square(tanh(u*w)))", GV, GW, "u"}, /* cotangent ignored */
                                          {GU, "g*tanh(u)", GW, "v"},                   /* a constant forgotten */
                                          {GU, "g*tanh(u*w)*step(u)", GW, "v"},         /* wrong mask */
                                          {GU, GV, "mean(g*v*u*(1 - square(tanh(u*w))), 0)", "w"}, /* divided by N */
                                          {GU, GV, "g*v*u*(1 - square(tanh(u*w))) @ [1]", NULL},
                                          {GU, GV, "flip(" GW ", 0)", "w"}, /* off by position */
                                          {GU, GV, "0", "w"}};              /* nothing */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1000], place[100];
        snprintf(text, sizeof text, MODULE, rows[i][0], rows[i][1], rows[i][2]);
        if (!rows[i][3]) {
            ck_assert_ptr_null(make(text));
            continue;
        }
        struct nb_verdicts v = check(text, NULL, NULL, NULL);
        snprintf(place, sizeof place, "/graph/modules/M/backward/%s", rows[i][3]);
        ck_assert_msg(v.verdict == NB_WRONG, "row %zu: %s", i, nb_verdict_name(v.verdict));
        for (size_t k = 0; k < v.n; k++)
            if (v.v[k].verdict == NB_WRONG)
                ck_assert_str_eq(v.v[k].place, place);
    }
    char text[1000];
    snprintf(text, sizeof text, MODULE, GU, GV, GW);
    ck_assert_int_eq(check(text, NULL, NULL, NULL).verdict, NB_RIGHT);
}
END_TEST

/* Same request, same numbers; and what was drawn is listed. */
START_TEST(test_repeats)
{
    char text[1000];
    snprintf(text, sizeof text, MODULE, GU, GV, "2*" GW);
    struct nb_verdicts a = check(text, NULL, NULL, NULL), b = check(text, NULL, NULL, NULL);
    ck_assert_int_eq((int)a.point.n, 2);
    ck_assert_int_eq((int)a.cotangents.n, 1);
    for (size_t i = 0; i < a.n; i++) {
        ck_assert(a.v[i].candidate[a.v[i].worst] == b.v[i].candidate[b.v[i].worst] &&
                  a.v[i].value[a.v[i].worst] == b.v[i].value[b.v[i].worst]);
        ck_assert(a.v[i].differences == b.v[i].differences);
    }
}
END_TEST

/* What stands under stop is a constant to both oracles; batch statistics move with x. */
START_TEST(test_held_and_moving)
{
    const char *stop =
        "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'nodes': {'y': {'expr': 'x*stop(exp(x))'}}, 'outputs': ['y']}";
    ck_assert_int_eq(check(stop, NULL, NULL, NULL).verdict, NB_RIGHT);
    const char *norm =
        "{'inputs': {'x': ['B', 3]}, 'nodes': {'n': {'op': 'BatchNorm1d', 'in': 'x'}, 'd': {'op': 'Dropout', 'in': 'n',"
        "'p': 0.3}}, 'outputs': ['d']}";
    struct nb_graph *g = make_good(norm);
    struct nb_check c = {.run = {.seed = {11, 12}, .train = true}};
    struct nb_verdicts v;
    ck_assert_int_eq(nb_check_run(g, &c, &arena, &v, &error), 0);
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    ck_assert(v.self_ok);
    nb_graph_unref(g);
}
END_TEST

/* A confident classifier: its loss is 1e-8 made of terms of size 10, and the rounding of those is not the user's fault.
 * Whatever the seed, a right gradient is not called wrong. */
START_TEST(test_confident)
{
    struct nb_graph *g = make_good("{'inputs': {'x': ['B', 6], 'y': {'shape': ['B'], 'dtype': 'int64'}}, 'nodes': "
                                   "{'l': {'op': 'Linear', 'in': 'x',"
                                   "'out_features': 4}, 'loss': {'op': 'CrossEntropyLoss', 'in': ['l', 'y']}}, "
                                   "'outputs': ['loss'], 'params': {'l.weight':"
                                   "{'init': {'normal': [0, 1]}}, 'l.bias': {'value': [18.3, 0.2, -0.7, 0.4]}}}");
    struct nb_check c = {.run = {.seed = {(uint64_t)_i, 3}, .loss = "loss"}};
    struct nb_verdicts v;
    c.run.inputs = tensors("{'x': [[0.3, -0.2, 0.5, 0.1, -0.4, 0.2], [0.1, 0.2, -0.3, 0.4, 0.5, -0.6]], 'y': [0, 0]}");
    for (int k = 0; k < 12; k++)
        ((double *)c.run.inputs.v[0].t.data)[k] *= 1 + 0.1 * _i;
    ck_assert_msg(nb_check_run(g, &c, &arena, &v, &error) == 0, "%s", error.detail);
    for (size_t i = 0; i < v.n; i++)
        ck_assert_msg(v.v[i].verdict == NB_RIGHT, "%s: %s %s, %.17g for %.17g", v.v[i].name,
                      nb_verdict_name(v.v[i].verdict),
                      nb_reason_name(v.v[i].reason) ? nb_reason_name(v.v[i].reason) : "",
                      v.v[i].candidate[v.v[i].worst], v.v[i].value[v.v[i].worst]);
    nb_graph_unref(g);
}
END_TEST

/* Where a second leaf makes one weight round to 1, all slopes by the first are as small as the other weights: the
 * complex step sees them too, and a right gradient is not called wrong; a wrong one is not called right. */
START_TEST(test_saturated)
{
    static const char *const nodes[] = {"{'y': {'op': 'GumbelSoftmax', 'in': ['x', 'n'], 'tau': 0.4}}",
                                        "{'s': {'op': 'GumbelSoftmax', 'in': ['x', 'n']}, 'y': {'expr': 'mean(s)'}}",
                                        "{'y': {'expr': 'softmax(x + n)'}}",
                                        "{'s': {'expr': 'softmax(x + n)'}, 'y': {'expr': 'mean(s)'}}",
                                        "{'y': {'expr': 'log_softmax(x + n)'}}",
                                        "{'y': {'expr': 'logsumexp(x + n)'}}"};
    const char *dtype = _i % 2 ? "float32" : "float64";
    int kind = _i / 2 % 6;
    double far = 3 * pow(1.7, _i / 12);
    bool told = !kind && !(_i % 2) && far < 100; /* e^-250: what lies beyond no step can see */
    char graph[600], inputs[300];
    snprintf(graph, sizeof graph, "{'inputs': {'x': [5], 'n': [5]}, 'dtype': '%s', 'nodes': %s, 'outputs': ['y']}",
             dtype, nodes[kind]);
    snprintf(inputs, sizeof inputs, "{'x': [0.3, -0.7, 0.4, 1.2, -0.1], 'n': [%.9g, 0.25, %.9g, -1.5, 0.75]}", far,
             far / 3);
    struct nb_verdicts v = check(graph, inputs, NULL, NULL);
    ck_assert_msg(v.self_ok, "%s, %g: %s", graph, far, v.facts.fault);
    for (size_t i = 0; i < v.n; i++) {
        const struct nb_checked *t = &v.v[i];
        ck_assert_msg(t->verdict != NB_WRONG, "%s, %g: %s[%d] is %.17g, %.17g wanted", graph, far, t->name,
                      (int)t->worst, t->candidate[t->worst], t->value[t->worst]);
        ck_assert(!told || t->verdict == NB_RIGHT);
    }
    double wrong[5];
    for (int k = 0; k < 5; k++)
        wrong[k] = v.v[0].value[k] * (k ? 1 : 1.01);
    char gradient[300];
    snprintf(gradient, sizeof gradient, "{'x': [%.17g, %.17g, %.17g, %.17g, %.17g]}", wrong[0], wrong[1], wrong[2],
             wrong[3], wrong[4]);
    bool nothing = fabs(v.v[0].value[0]) <= v.v[0].bar[0];
    v = check(graph, inputs, NULL, gradient);
    ck_assert_msg(nothing || v.v[0].verdicts[0] != NB_RIGHT, "%s, %g", graph, far);
    ck_assert_msg(!told || v.v[0].verdicts[0] == NB_WRONG, "%s, %g", graph, far);
}
END_TEST

/* Labels cannot be moved; the rest is judged all the same. */
START_TEST(test_labels)
{
    struct nb_verdicts v =
        check("{'inputs': {'s': ['B'], 't': ['B']}, 'dtype': 'float64', 'nodes': {'loss': {'op': 'HingeLoss',"
              "'in': ['s', 't']}}, 'outputs': ['loss']}",
              "{'s': [0.3, -2, 0.7], 't': [1, -1, -1]}", NULL, NULL);
    ck_assert_int_eq((int)v.n, 2);
    ck_assert_int_eq(v.v[0].verdict, NB_RIGHT);
    ck_assert_str_eq(nb_reason_name(v.v[1].reason), "finite_set");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("check");
    TCase *t = tcase_create("check");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_worked_example);
    tcase_add_test(t, test_one_entry);
    tcase_add_test(t, test_reasons);
    tcase_add_test(t, test_kinks);
    tcase_add_test(t, test_small);
    tcase_add_test(t, test_planted);
    tcase_add_test(t, test_repeats);
    tcase_add_test(t, test_held_and_moving);
    tcase_add_loop_test(t, test_confident, 0, 20);
    tcase_add_loop_test(t, test_saturated, 0, 120);
    tcase_add_test(t, test_labels);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
