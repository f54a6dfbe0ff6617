/* test_sweep - the check by structure against the check coordinate by coordinate: two ways to the same numbers. */
#include "case_graphs.h"

static void compare(const struct subject *s, const struct nb_verdicts *a, const struct nb_verdicts *b)
{
    ck_assert_msg(b->self_ok, "%s: %s", s->what, b->facts.fault);
    ck_assert_msg(b->verdict != NB_WRONG, "%s: wrong by structure", s->what);
    for (size_t i = 0; i < a->n; i++)
        for (int64_t k = 0; k < nb_count(&a->v[i].shape) && a->v[i].judged; k++) {
            double x = a->v[i].value[k], y = b->v[i].value[k];
            bool kink = a->v[i].reasons[k] == NB_WHY_kink || b->v[i].reasons[k] == NB_WHY_kink;
            ck_assert_msg(kink || !isfinite(x) || fabs(x - y) <= a->v[i].bar[k] + b->v[i].bar[k] + 1e-9 * fabs(x),
                          "%s, %s[%d]: %.17g by the loop, %.17g by structure", s->what, a->v[i].name, (int)k, x, y);
        }
}

static void both_ways(struct subject *s)
{
    struct nb_verdicts v[2];
    for (int i = 0; i < 2; i++) {
        s->check.method = i ? NB_METHOD_STRUCTURE : NB_METHOD_LOOP;
        ck_assert_msg(!nb_check_run(s->g, &s->check, &arena, &v[i], &error), "%s: %s", s->what, error.detail);
    }
    compare(s, &v[0], &v[1]);
}

START_TEST(test_every_module)
{
    each_subject(nb_module_at(NB_F64, _i), "float64", both_ways);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sweep");
    TCase *t = tcase_create("sweep");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, test_every_module, 0, nb_module_count());
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
