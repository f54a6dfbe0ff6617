/* test_hessian - second order: products of the Hessian with a direction, against closed forms and both oracles. */
#include "case_graphs.h"

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 30);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static struct nb_verdicts check(const char *graph, const char *inputs, const char *cotangents, const char *direction,
                                const char *gradients)
{
    struct nb_graph *g = make_good(graph);
    struct nb_check c = {.run.seed = {11, 12}, .order = 2};
    struct nb_verdicts v;
    if (inputs)
        c.run.inputs = tensors(inputs);
    if ((c.run.cotangents_given = cotangents != NULL))
        c.run.cotangents = tensors(cotangents);
    if ((c.direction_given = direction != NULL))
        c.direction = tensors(direction);
    if ((c.gradients_given = gradients != NULL))
        c.gradients = tensors(gradients);
    ck_assert_msg(nb_check_run(g, &c, &arena, &v, &error) == 0, "%s at %s: %s", nb_code_name(error.code), error.pointer,
                  error.detail);
    nb_graph_unref(g);
    return v;
}

#define CUBE "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'nodes': {'y': {'expr': 'x*x*x'}}, 'outputs': ['y']}"

/* y = x^3: H v = 6 g x v. */
START_TEST(test_closed_form)
{
    struct nb_verdicts v = check(CUBE, "{'x': [0.5, -2, 3]}", "{'y': [1, 2, -1]}", "{'x': [1, 0.25, -2]}", NULL);
    static const double want[] = {3, -6, 36};
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq_tol(v.v[0].value[i], want[i], 1e-12);
        ck_assert_double_eq_tol(v.v[0].candidate[i], want[i], 1e-12);
    }
}
END_TEST

/* y = sum tanh(x w): mixed derivatives count. d(grad_w)/dx is g (1 - t^2)(1 - 2 t x w). */
START_TEST(test_mixed)
{
    struct nb_verdicts v =
        check("{'inputs': {'x': ['N'], 'w': ['N']}, 'dtype': 'float64', 'nodes': {'y': {'expr': "
              "'tanh(x*w)'}}, 'outputs': ['y']}",
              "{'x': [0.5, -1.5], 'w': [0.75, 0.5]}", "{'y': [1, -2]}", "{'x': [1, 1], 'w': [0, 0]}", NULL);
    const double x[] = {0.5, -1.5}, w[] = {0.75, 0.5}, g[] = {1, -2};
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    for (int i = 0; i < 2; i++) {
        double t = tanh(x[i] * w[i]), s = g[i] * (1 - t * t);
        for (size_t k = 0; k < v.n; k++)
            ck_assert_double_eq_tol(
                v.v[k].value[i], !strcmp(v.v[k].name, "w") ? s * (1 - 2 * t * x[i] * w[i]) : -2 * t * s * w[i] * w[i],
                1e-12);
    }
}
END_TEST

/* What is claimed is judged: the right product, and some that are not. */
START_TEST(test_claims)
{
    struct {
        const char *claim;
        enum nb_verdict want;
    } rows[] = {{"{'x': [3, -6, 36]}", NB_RIGHT},
                {"{'x': [3, -6, 36.0001]}", NB_WRONG},
                {"{'x': [-3, 6, -36]}", NB_WRONG},
                {"{'x': [6, -12, 72]}", NB_WRONG},
                {"{'x': [0.75, -2.25, 54]}", NB_WRONG},
                {"{'x': [0, 0, 0]}", NB_WRONG},
                {"{'x': [3, -6]}", NB_WRONG},
                {"{'x': [3, -6, 'NaN']}", NB_WRONG},
                {"{'x': [3, -6.00000001, 36]}", NB_WRONG},
                {"{'x': [3, 36, -6]}", NB_WRONG}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nb_verdicts v =
            check(CUBE, "{'x': [0.5, -2, 3]}", "{'y': [1, 2, -1]}", "{'x': [1, 0.25, -2]}", rows[i].claim);
        ck_assert_msg(v.verdict == rows[i].want, "%s: %s", rows[i].claim, nb_verdict_name(v.verdict));
    }
}
END_TEST

#define GIVEN                                                                                                          \
    "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'u': ['N']}, 'nodes': {'y': {'expr': "  \
    "'u*u*u'}}, 'outputs': ['y'], 'backward': {'u': '%s'}}}, 'nodes': {'m': {'op': 'M', 'in': 'x'}}, 'outputs': "      \
    "['m']}"

/* A backward that is wrong at first order is not asked for the second; one whose value is right there while its
 * derivative is not is found. */
START_TEST(test_formulas)
{
    struct {
        const char *formula;
        enum nb_verdict want;
        enum nb_reason why;
    } rows[] = {{"3*g*square(u)", NB_RIGHT, NB_WHY_none},
                {"2*g*square(u)", NB_CANNOT_TELL, NB_WHY_first_order_wrong},
                {"12*g", NB_WRONG, NB_WHY_none}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char graph[600];
        snprintf(graph, sizeof graph, GIVEN, rows[i].formula);
        struct nb_verdicts v = check(graph, "{'x': [2, 2, -2]}", "{'m': [1, 2, -1]}", NULL, NULL);
        ck_assert_msg(v.verdict == rows[i].want && v.v[0].reason == rows[i].why, "%s: %s %s", rows[i].formula,
                      nb_verdict_name(v.verdict), nb_reason_name(v.v[0].reason));
    }
}
END_TEST

/* Every module's backward, differentiated: two oracles agree on it, and it is never called wrong. */
static void differentiate_twice(struct subject *s)
{
    struct nb_verdicts v;
    s->check.order = 2;
    ck_assert_msg(!nb_check_run(s->g, &s->check, &arena, &v, &error), "%s: %s", s->what, error.detail);
    ck_assert_msg(v.self_ok, "%s: the oracles disagree", s->what);
    ck_assert_msg(v.verdict != NB_WRONG, "%s", s->what);
}

START_TEST(test_every_module)
{
    each_subject(nb_module_at(NB_F64, _i), "float64", differentiate_twice);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hessian");
    TCase *t = tcase_create("hessian");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_closed_form);
    tcase_add_test(t, test_mixed);
    tcase_add_test(t, test_claims);
    tcase_add_test(t, test_formulas);
    suite_add_tcase(s, t);
    TCase *every = tcase_create("every module");
    tcase_set_timeout(every, 120);
    tcase_add_loop_test(every, test_every_module, 0, nb_module_count());
    suite_add_tcase(s, every);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
