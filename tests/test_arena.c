/* test_arena.c - alignment, the cap, what reset keeps, lists that grow. */
#include "nabla/arena.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

static struct nb_arena a;
static struct nb_error e;

static void setup(void)
{
    nb_arena_init(&a, 1 << 24);
    e = (struct nb_error){0};
}

static void teardown(void)
{
    nb_arena_done(&a);
    ck_assert(a.used == 0 && a.blocks == NULL);
}

/* Pieces of all sizes are aligned, keep what was written, and do not overlap. */
START_TEST(pieces)
{
    enum { N = 2000 };
    static unsigned char *p[N];
    size_t total = 0;
    for (size_t i = 0; i < N; i++) {
        size_t n = i * 37 % 301 + (i % 100 == 7 ? 9000 : 0);
        p[i] = i % 2 ? nb_alloc(&a, n, 1, &e) : nb_small(&a, 1, n, &e);
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_uint_eq((uintptr_t)p[i] % (i % 2 ? NB_ALIGN : 16), 0);
        memset(p[i], (int)(i % 251), n);
        total += n;
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < i * 37 % 301; k++)
            ck_assert_uint_eq(p[i][k], i % 251);
    ck_assert(a.used >= total && a.used <= 3 * total + (1 << 20));
}
END_TEST

START_TEST(zeroed)
{
    memset(nb_alloc(&a, 5000, 1, &e), 0xFF, 5000);
    nb_arena_reset(&a, 1 << 20);
    const char *z = nb_zalloc(&a, 500, 8, &e);
    for (int i = 0; i < 4000; i++)
        ck_assert_int_eq(z[i], 0);
}
END_TEST

START_TEST(nothing)
{
    void *p = nb_alloc(&a, 0, 8, &e), *q = nb_small(&a, 8, 0, &e), *r = nb_zalloc(&a, 0, 0, &e);
    ck_assert(p && q && r && p != q && q != r && e.code == NB_E_none);
}
END_TEST

START_TEST(over_the_cap)
{
    nb_arena_done(&a);
    nb_arena_init(&a, 10000);
    ck_assert_ptr_nonnull(nb_alloc(&a, 9000, 1, &e));
    ck_assert_ptr_null(nb_alloc(&a, 1100, 1, &e));
    ck_assert_int_eq(e.code, NB_E_limit);
    ck_assert_str_eq(e.option, "--limit-memory");
    ck_assert_ptr_nonnull(strstr(e.detail, "the limit is 10000"));
    e = (struct nb_error){0};
    a.limit = "graph_memory";
    ck_assert_ptr_null(nb_small(&a, 1, 20000, &e));
    ck_assert_str_eq(e.option, "--limit-graph-memory");
    e = (struct nb_error){0};
    ck_assert_ptr_nonnull(nb_small(&a, 100, 1, &e)); /* what is left is still there */
    ck_assert_uint_le(a.used, 10000);
}
END_TEST

START_TEST(overflow)
{
    static const size_t pairs[][2] = {{SIZE_MAX, 2},      {SIZE_MAX / 2 + 1, 2},    {SIZE_MAX, 1},
                                      {SIZE_MAX - 63, 1}, {1ull << 33, 1ull << 31}, {1, SIZE_MAX}};
    a.cap = SIZE_MAX;
    ck_assert_ptr_null(nb_alloc(&a, pairs[_i][0], pairs[_i][1], &e));
    ck_assert_int_eq(e.code, NB_E_limit);
    e = (struct nb_error){0};
    ck_assert_ptr_null(nb_zalloc(&a, pairs[_i][0], pairs[_i][1], &e));
    ck_assert_ptr_null(nb_small(&a, pairs[_i][0], pairs[_i][1], &e));
}
END_TEST

START_TEST(reset)
{
    for (int i = 0; i < 500; i++)
        nb_alloc(&a, 3000, 1, &e);
    nb_alloc(&a, 3000000, 1, &e);
    ck_assert_uint_ge(a.used, 4500000);
    nb_arena_reset(&a, 1 << 20);
    ck_assert(a.used > 0 && a.used <= 1 << 20 && a.blocks);
    size_t kept = a.used;
    ck_assert_ptr_nonnull(nb_alloc(&a, kept / 2, 1, &e));
    ck_assert_uint_eq(a.used, kept); /* served from the block that was kept */
    nb_arena_reset(&a, 10);
    ck_assert(a.used == 0 && a.blocks == NULL);
    ck_assert_ptr_nonnull(nb_alloc(&a, 10, 1, &e));
    nb_arena_reset(&a, 0);
    nb_arena_reset(&a, 0);
    ck_assert_uint_eq(a.used, 0);
}
END_TEST

/* What was taken in many blocks fits into the one that is left. */
START_TEST(again)
{
    size_t one = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++)
            memset(nb_alloc(&a, 1000 << i % 7, 1, &e), i, 1000 << i % 7);
        size_t used = a.used;
        nb_arena_again(&a);
        ck_assert_uint_eq(a.used, used);
        ck_assert(round == 0 || used == one); /* grew in the first round alone */
        one = used;
    }
    nb_arena_reset(&a, 0);
    nb_arena_again(&a);
    ck_assert_uint_eq(a.used, 0);
}
END_TEST

START_TEST(expected)
{
    char *before = nb_alloc(&a, 100, 1, &e), *first = NULL, *last = NULL;
    memset(before, 7, 100);
    ck_assert(!nb_arena_expect(&a, 50 * 10000, &e));
    size_t used = a.used;
    for (int i = 0; i < 40; i++) {
        last = nb_alloc(&a, 10000, 1, &e);
        first = i ? first : last;
        memset(last, i, 10000);
    }
    ck_assert(a.used == used && last - first >= 39 * 10000 && last - first < 500000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(before[i], 7);
    ck_assert(nb_arena_expect(&a, 1 << 24, &e) == -1 && e.code == NB_E_limit);
    nb_arena_reset(&a, 0);
    ck_assert(!nb_arena_expect(&a, 1000, &e) && a.used >= 1000);
}
END_TEST

START_TEST(large)
{
    unsigned char *p = nb_alloc(&a, 9 << 20, 1, &e);
    memset(p, 1, 9 << 20);
    ck_assert_uint_eq(p[(9 << 20) - 1], 1);
    nb_arena_again(&a);
    ck_assert_uint_ge(a.used, 9 << 20);
}
END_TEST

START_TEST(strings)
{
    char *s = nb_strdup(&a, "nabla", &e), *t = nb_strndup(&a, "nablad", 3, &e), *u = nb_strdup(&a, "", &e);
    ck_assert_str_eq(s, "nabla");
    ck_assert_str_eq(t, "nab");
    ck_assert_str_eq(u, "");
    ck_assert_str_eq(nb_sprintf(&a, &e, "%s.%d", s, 42), "nabla.42");
    ck_assert_uint_eq(strlen(nb_sprintf(&a, &e, "%*d", 5000, 1)), 5000);
}
END_TEST

START_TEST(lists)
{
    struct pair {
        int a, b;
    } *list = NULL;
    size_t cap = 0;
    for (size_t n = 0; n < 1000; n++) {
        ck_assert_int_eq(nb_grow(&a, &list, n, &cap, sizeof *list, &e), 0);
        ck_assert_uint_gt(cap, n);
        list[n] = (struct pair){(int)n, -(int)n};
    }
    for (int n = 0; n < 1000; n++)
        ck_assert(list[n].a == n && list[n].b == -n);
    a.cap = a.used;
    size_t n = cap;
    while (nb_grow(&a, &list, n, &cap, sizeof *list, &e) == 0)
        n = cap;
    ck_assert_int_eq(e.code, NB_E_limit);
    ck_assert(list[999].a == 999); /* the old list stays */
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
START_TEST(poison)
{
    char *p = nb_alloc(&a, 100, 1, &e), *q = nb_small(&a, 7, 1, &e);
    ck_assert(!__asan_address_is_poisoned(p + 99) && __asan_address_is_poisoned(p + 100));
    ck_assert(!__asan_address_is_poisoned(q + 6) && __asan_address_is_poisoned(q + 7));
    nb_arena_reset(&a, 1 << 20);
    ck_assert(__asan_address_is_poisoned(p));
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("arena");
    TCase *t = tcase_create("arena");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pieces);
    tcase_add_test(t, zeroed);
    tcase_add_test(t, nothing);
    tcase_add_test(t, over_the_cap);
    tcase_add_loop_test(t, overflow, 0, 6);
    tcase_add_test(t, reset);
    tcase_add_test(t, again);
    tcase_add_test(t, expected);
    tcase_add_test(t, large);
    tcase_add_test(t, strings);
    tcase_add_test(t, lists);
#ifdef __SANITIZE_ADDRESS__
    tcase_add_test(t, poison);
#endif
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
