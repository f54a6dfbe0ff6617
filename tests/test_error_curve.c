/* test_error_curve - the error of a central difference against its step, where it is known in closed form. */
#include "check/check.h"
#include "graphs.h"
#include <math.h>

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

#define ONE(formula)                                                                                                   \
    "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'nodes': {'y': {'expr': '" formula "'}}, 'outputs': ['y']}"

static struct nb_verdicts check(const char *graph, const char *inputs, const char *gradients, bool curve)
{
    struct nb_graph *g = make_good(graph);
    struct nb_check c = {.run.seed = {3, 4}, .curve = curve};
    struct nb_verdicts v;
    c.run.inputs = tensors(inputs);
    c.gradients_given = gradients != NULL;
    if (gradients)
        c.gradients = tensors(gradients);
    ck_assert_msg(nb_check_run(g, &c, &arena, &v, &error) == 0, "%s at %s: %s", nb_code_name(error.code), error.pointer,
                  error.detail);
    nb_graph_unref(g);
    return v;
}

/* x^3: D(h) = 3 x^2 + h^2, so the relative error is h^2 / (3 x^2), and what rounding adds is of the size eps x / h. */
START_TEST(test_cube)
{
    const double x = 1.3;
    struct nb_verdicts v = check(ONE("x*x*x"), "{'x': [1.3]}", NULL, true);
    const struct nb_error_curve *k = &v.v[0].curve;
    ck_assert_int_eq(k->n, NB_CURVE_POINTS);
    for (int i = 0; i < k->n; i++) {
        double h = ldexp(1, -i), bend = h * h / (3 * x * x), rounding = 8 * 0x1p-52 * x / h;
        ck_assert_double_eq(k->h[i], h);
        ck_assert_msg(fabs(k->error[i] - bend) <= rounding, "h %g: %g, not %g", h, k->error[i], bend);
    }
    ck_assert_double_eq(k->used, 0x1p-12);
}
END_TEST

/* At 1000 steps are 512 times as large; what is linear has no error but rounding. */
START_TEST(test_line)
{
    struct nb_verdicts v = check(ONE("3*x"), "{'x': [1000]}", NULL, true);
    const struct nb_error_curve *k = &v.v[0].curve;
    ck_assert_double_eq(k->h[0], 512);
    for (int i = 0; i < k->n; i++)
        ck_assert_double_le(k->error[i], 8 * 0x1p-52 * 1000 / k->h[i]);
}
END_TEST

/* ReLU at 0: every quotient is 1/2, whatever the step. */
START_TEST(test_kink)
{
    struct nb_verdicts v = check(ONE("relu(x)"), "{'x': [0]}", NULL, true);
    const struct nb_error_curve *k = &v.v[0].curve;
    ck_assert_int_gt(k->n, 40);
    for (int i = 1; i < k->n; i++)
        ck_assert_double_eq(k->error[i], k->error[0]);
    ck_assert_int_eq(v.v[0].reasons[0], NB_WHY_kink);
}
END_TEST

/* Steps that leave the domain are left out: log is measured where x - h > 0 only. */
START_TEST(test_domain)
{
    struct nb_verdicts v = check(ONE("log(x)"), "{'x': [0.25]}", NULL, true);
    const struct nb_error_curve *k = &v.v[0].curve;
    ck_assert_int_eq(k->n, NB_CURVE_POINTS - 3); /* 1, 1/2, 1/4 */
    ck_assert_double_eq(k->h[0], 0.125);
    ck_assert_double_eq_tol(k->error[0], atanh(0.5) / 0.5 - 1, 1e-14);
}
END_TEST

/* The worst entry has the curve, and asking for it changes nothing else. */
START_TEST(test_worst)
{
    const char *claim = "{'x': [0.27, 2.43, 6.7500003]}";
    struct nb_verdicts with = check(ONE("x*x*x"), "{'x': [0.3, 0.9, 1.5]}", claim, true),
                       without = check(ONE("x*x*x"), "{'x': [0.3, 0.9, 1.5]}", claim, false);
    ck_assert_int_eq((int)with.v[0].worst, (int)without.v[0].worst);
    ck_assert_int_eq(without.v[0].curve.n, 0);
    ck_assert_int_eq((int)with.facts.double_evaluations, (int)without.facts.double_evaluations);
    ck_assert_int_eq((int)with.facts.complex_evaluations, (int)without.facts.complex_evaluations);
    double x[] = {0.3, 0.9, 1.5}, at = x[with.v[0].worst];
    ck_assert_double_eq_tol(with.v[0].curve.error[0], 1 / (3 * at * at), 1e-12);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("error curve");
    TCase *t = tcase_create("curves");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_cube);
    tcase_add_test(t, test_line);
    tcase_add_test(t, test_kink);
    tcase_add_test(t, test_domain);
    tcase_add_test(t, test_worst);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
