/* test_mutants.c - every case of every module at a drawn point: the right gradient is called right, and each of a
 * dozen mistakes planted in it is called wrong. That this can fail is shown by test_broken.c. */
#include "planted.h"

/* ---- the suite ------------------------------------------------------------------------------------------------- */

/* What cannot be planted: a module of one number has nothing to transpose. */
START_TEST(test_module)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    int kinds = 0, planted = 0;
    memset(&score, 0, sizeof score);
    cases = 0;
    each_subject(m, "float64", examine);
    for (int k = 0; k < MISTAKES; k++) {
        kinds += score.planted[k] > 0;
        planted += score.planted[k];
    }
    ck_assert_msg(!faults(), "%d of %d mistakes accepted, %d right gradients rejected, %d not judged, %d accused; %s",
                  score.accepted, planted, score.rejected, score.unjudged, score.accused, score.first);
    if (m->backward && !m->stop && !m->flows)
        ck_assert_msg(kinds >= 8, "%s: only %d kinds of mistakes were planted", m->type, kinds);
}
END_TEST

/* The self-test of a request: at a drawn point nothing would pass. */
static void kill_all(struct subject *s)
{
    s->check.power = true;
    struct nb_verdicts v = judge(s, &s->check);
    bool flows = false;
    for (size_t i = 0; i < v.n; i++)
        flows |= v.v[i].right > 0;
    ck_assert_msg(!flows || v.nmutants >= 8, "%s: %zu mutants", s->what, v.nmutants);
    for (size_t i = 0; i < v.nmutants; i++)
        ck_assert_msg(v.mutants[i].caught, "%s: %s: %s", s->what, v.mutants[i].tensor, v.mutants[i].mistake);
    ck_assert_msg(!v.ndoubts, "%s: %s: %s", s->what, v.doubts[0].where, v.doubts[0].hides);
}

START_TEST(test_power)
{
    each_subject(nb_module_at(NB_F64, _i), "float64", kill_all);
}
END_TEST

static Suite *suite(int first, int end)
{
    Suite *s = suite_create("mutants");
    TCase *t = tcase_create("modules");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, test_module, first, end);
    tcase_add_loop_test(t, test_power, first, end);
    suite_add_tcase(s, t);
    return s;
}

int main(int argc, char **argv)
{
    int first = argc > 1 ? nb_module_find(argv[1]) : 0, end = argc > 1 ? first + 1 : nb_module_count();
    SRunner *r = srunner_create(suite(first, end));
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
