/* test_error.c - codes, the first error wins, pointers as RFC 6901 wants them, limits. */
#include "nabla/error.h"
#include "nabla/limits.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nb_error e;

static void setup(void)
{
    e = (struct nb_error){0};
}

START_TEST(codes)
{
    ck_assert_str_eq(nb_code_name(NB_E_shape_mismatch), "shape_mismatch");
    ck_assert_str_eq(nb_code_title(NB_E_shape_mismatch), "Shapes do not fit");
    ck_assert_int_eq(nb_code_status(NB_E_shape_mismatch), 400);
    ck_assert_int_eq(nb_code_status(NB_E_busy), 503);
    ck_assert_int_eq(nb_code_status(NB_E_none), 200);
    for (int i = NB_E_none + 1; i < NB_E_count; i++) {
        int status = nb_code_status((enum nb_code)i);
        ck_assert(status >= 400 && status < 600 && *nb_code_title((enum nb_code)i));
        for (int j = NB_E_none; j < i; j++)
            ck_assert_str_ne(nb_code_name((enum nb_code)i), nb_code_name((enum nb_code)j));
    }
}
END_TEST

START_TEST(first_wins)
{
    ck_assert_int_eq(nb_fail(&e, NB_E_bad_dim, "%d of %s", 7, "x"), -1);
    ck_assert_int_eq(nb_fail(&e, NB_E_cycle, "later"), -1);
    ck_assert_int_eq(nb_fail_memory(&e), -1);
    ck_assert_int_eq(NB_OVER(&e, nodes, 5), -1);
    ck_assert_int_eq(e.code, NB_E_bad_dim);
    ck_assert_str_eq(e.detail, "7 of x");
    ck_assert_ptr_null(e.option);
}
END_TEST

START_TEST(memory)
{
    nb_fail_memory(&e);
    ck_assert_int_eq(e.code, NB_E_out_of_memory);
    ck_assert(strlen(e.detail) > 0);
}
END_TEST

START_TEST(steps)
{
    ck_assert_str_eq(e.pointer, "");
    ck_assert_int_eq(nb_at_index(&e, 12), -1);
    ck_assert_int_eq(nb_at(&e, "a/b~c"), -1);
    ck_assert_int_eq(nb_at(&e, ""), -1);
    ck_assert_int_eq(nb_at_pointer(&e, "/nodes/fc~1"), -1);
    ck_assert_str_eq(e.pointer, "/nodes/fc~1//a~1b~0c/12");
    nb_at_pointer(&e, "");
    ck_assert_str_eq(e.pointer, "/nodes/fc~1//a~1b~0c/12");
}
END_TEST

/* Over 600 bytes the inner steps go, whole ones; the outer ones stay. */
START_TEST(long_pointer)
{
    char step[300], outer[20];
    memset(step, 'x', sizeof step - 1);
    step[299] = 0;
    for (int i = 0; i < 200; i++) {
        nb_at_index(&e, (size_t)i);
        ck_assert_uint_lt(strlen(e.pointer), sizeof e.pointer);
        snprintf(outer, sizeof outer, "/%d", i);
        ck_assert_int_eq(strncmp(e.pointer, outer, strlen(outer)), 0);
    }
    nb_at(&e, step);
    nb_at(&e, step);
    ck_assert_uint_eq(strlen(e.pointer), 300); /* the second has room for no more than itself */
    nb_at(&e, "y");
    ck_assert_str_eq(e.pointer + 2, strchr(e.pointer + 1, '/'));
    ck_assert_uint_eq(strlen(e.pointer), 302);
    memset(step, '~', sizeof step - 1);
    e = (struct nb_error){0};
    nb_at(&e, step);
    ck_assert_uint_eq(strlen(e.pointer), 599);
}
END_TEST

/* A step that can never fit is left out, and breaks nothing. */
START_TEST(monstrous_step)
{
    char *step = malloc(5001);
    memset(step, '/', 5000);
    step[5000] = 0;
    nb_at(&e, "in");
    nb_at(&e, step);
    nb_at_pointer(&e, step);
    ck_assert_uint_lt(strlen(e.pointer), sizeof e.pointer);
    free(step);
}
END_TEST

/* A long detail is cut between characters. */
START_TEST(long_detail)
{
    static const char *const letters[] = {"a", "é", "∇", "𝛁"};
    char text[2000] = "";
    for (int i = 0; i < _i; i++)
        strcat(text, "x");
    const char *letter = letters[_i % 4];
    while (strlen(text) < 1000)
        strcat(text, letter);
    nb_fail(&e, NB_E_bad_name, "%s", text);
    size_t n = strlen(e.detail);
    ck_assert(n < sizeof e.detail && n >= sizeof e.detail - 4);
    ck_assert_uint_eq((n - (size_t)_i) % strlen(letter), 0);
    ck_assert_int_eq(memcmp(e.detail, text, n), 0);
}
END_TEST

START_TEST(limits)
{
    ck_assert_int_eq(nb_limits.nodes, 10000);
    ck_assert_int_eq(nb_limits.body, 67108864);
    ck_assert_int_eq(NB_OVER(&e, nodes, 10001), -1);
    ck_assert_int_eq(e.code, NB_E_limit);
    ck_assert_str_eq(e.detail, "nodes: 10001, the limit is 10000");
    ck_assert_str_eq(e.option, "--limit-nodes");
    e = (struct nb_error){0};
    NB_OVER(&e, json_nesting, 99);
    ck_assert_str_eq(e.option, "--limit-json-nesting");
#define LIMIT(name, def, min, max, help) ck_assert(nb_limits.name >= min && nb_limits.name <= max && *help);
#include "nabla/limits.def"
#undef LIMIT
}
END_TEST

int main(void)
{
    Suite *s = suite_create("error");
    TCase *t = tcase_create("error");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, codes);
    tcase_add_test(t, first_wins);
    tcase_add_test(t, memory);
    tcase_add_test(t, steps);
    tcase_add_test(t, long_pointer);
    tcase_add_test(t, monstrous_step);
    tcase_add_loop_test(t, long_detail, 0, 16);
    tcase_add_test(t, limits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
