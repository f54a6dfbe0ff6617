/* test_tensor.c - counts, broadcasting by NumPy's rules, shapes with unknown sizes, conversions. */
#include "nabla/tensor.h"
#include <check.h>
#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define B NB_SYM(0)
#define T NB_SYM(1)
#define ANY NB_ANY

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
}

START_TEST(dtypes)
{
    static const struct {
        enum nb_dtype d;
        size_t size;
        const char *name;
    } rows[] = {{NB_F32, 4, "float32"}, {NB_F64, 8, "float64"}, {NB_C128, 16, "complex128"},
                {NB_I64, 8, "int64"},   {NB_I32, 4, "int32"},   {NB_BOOL, 1, "bool"}};
    ck_assert_int_eq(NB_NDTYPE, 6);
    for (int i = 0; i < 6; i++) {
        ck_assert_uint_eq(nb_dtype_size(rows[i].d), rows[i].size);
        ck_assert_str_eq(nb_dtype_name(rows[i].d), rows[i].name);
    }
}
END_TEST

START_TEST(counts)
{
    static const struct {
        struct nb_shape s;
        int64_t n;
    } rows[] = {
        {{0, {0}}, 1},
        {{1, {0}}, 0},
        {{3, {2, 3, 4}}, 24},
        {{2, {0, INT64_MAX}}, 0},
        {{3, {INT64_MAX, INT64_MAX, 0}}, 0},
        {{1, {INT32_MAX}}, INT32_MAX},
        {{1, {(int64_t)INT32_MAX + 1}}, -1},
        {{2, {65536, 32768}}, -1},
        {{2, {65536, 32767}}, 65536 * 32767ll},
        {{3, {INT64_MAX, INT64_MAX, 2}}, -1},
        {{2, {1ll << 32, 1ll << 32}}, -1},
        {{2, {B, 0}}, -1},
        {{2, {3, ANY}}, -1},
        {{2, {3, -1}}, -1},
        {{8, {16, 16, 16, 16, 16, 16, 16, 8}}, -1},
        {{8, {16, 16, 16, 16, 16, 16, 16, 1}}, 1 << 28},
    };
    ck_assert_int_eq(nb_count(&rows[_i].s), rows[_i].n);
}
END_TEST

START_TEST(sameness)
{
    ck_assert_int_eq(nb_dim_same(3, 3), 1);
    ck_assert_int_eq(nb_dim_same(3, 4), 0);
    ck_assert_int_eq(nb_dim_same(B, B), 1);
    ck_assert_int_eq(nb_dim_same(B, T), -1);
    ck_assert_int_eq(nb_dim_same(B, 3), -1);
    ck_assert_int_eq(nb_dim_same(ANY, ANY), -1);
    ck_assert_int_eq(nb_dim_same(0, ANY), -1);
    struct nb_shape s[] = {{2, {B, 3}}, {2, {5, 3}}, {2, {5, 4}}, {1, {3}}, {0, {0}}};
    ck_assert_int_eq(nb_shape_same(&s[0], &s[0]), 1);
    ck_assert_int_eq(nb_shape_same(&s[0], &s[1]), -1);
    ck_assert_int_eq(nb_shape_same(&s[0], &s[2]), 0);
    ck_assert_int_eq(nb_shape_same(&s[1], &s[3]), 0);
    ck_assert_int_eq(nb_shape_same(&s[4], &s[4]), 1);
    ck_assert(!nb_shape_known(&s[0]) && nb_shape_known(&s[1]) && nb_shape_known(&s[4]));
    ck_assert(NB_IS_SYM(B) && NB_IS_SYM(T) && !NB_IS_SYM(ANY) && !NB_IS_SYM(0) && NB_IS_KNOWN(-7));
}
END_TEST

START_TEST(broadcasting)
{
    static const struct {
        struct nb_shape a, b, out; /* out.rank -1: they do not fit */
    } rows[] = {
        {{0, {0}}, {0, {0}}, {0, {0}}},
        {{0, {0}}, {2, {3, 4}}, {2, {3, 4}}},
        {{1, {4}}, {2, {3, 4}}, {2, {3, 4}}},
        {{2, {3, 1}}, {1, {4}}, {2, {3, 4}}},
        {{3, {8, 1, 6}}, {4, {7, 1, 5, 1}}, {4, {7, 8, 5, 6}}}, /* NumPy's manual */
        {{1, {3}}, {1, {4}}, {-1, {0}}},
        {{2, {3, 4}}, {1, {3}}, {-1, {0}}},
        {{1, {0}}, {1, {1}}, {1, {0}}},
        {{1, {0}}, {1, {2}}, {-1, {0}}},
        {{2, {B, 3}}, {1, {3}}, {2, {B, 3}}},
        {{2, {B, 3}}, {2, {B, 1}}, {2, {B, 3}}},
        {{1, {B}}, {1, {5}}, {1, {5}}},
        {{1, {B}}, {1, {1}}, {1, {B}}},
        {{1, {B}}, {1, {T}}, {1, {ANY}}},
        {{1, {ANY}}, {1, {ANY}}, {1, {ANY}}},
        {{1, {ANY}}, {1, {7}}, {1, {7}}},
        {{2, {B, 3}}, {2, {T, 4}}, {-1, {0}}},
    };
    for (int swap = 0; swap < 2; swap++) {
        struct nb_shape out = {.rank = 5};
        const struct nb_shape *x = swap ? &rows[_i].b : &rows[_i].a, *y = swap ? &rows[_i].a : &rows[_i].b;
        int r = nb_broadcast(x, y, &out);
        ck_assert_int_eq(r, rows[_i].out.rank < 0 ? -1 : 0);
        ck_assert_int_eq(out.rank, r ? 5 : rows[_i].out.rank);
        ck_assert(r || !memcmp(out.dim, rows[_i].out.dim, (size_t)out.rank * sizeof *out.dim));
        struct nb_shape self = *x; /* in place */
        ck_assert_int_eq(nb_broadcast(&self, y, &self), r);
        ck_assert(r || nb_shape_same(&self, &out));
    }
}
END_TEST

START_TEST(text)
{
    static const char *const symbols[] = {"B", "T"};
    struct nb_shape s = {4, {B, 3, T, ANY}}, none = {0, {0}}, eight = {8, {9, 9, 9, 9, 9, 9, 9, 9}};
    char buf[100];
    ck_assert_str_eq(nb_shape_text(&s, symbols, buf, sizeof buf), "[B, 3, T, ?]");
    ck_assert_str_eq(nb_shape_text(&s, NULL, buf, sizeof buf), "[?, 3, ?, ?]");
    ck_assert_str_eq(nb_shape_text(&none, symbols, buf, sizeof buf), "[]");
    for (size_t n = 1; n < 30; n++) { /* cut, but within its room */
        memset(buf, 'x', sizeof buf);
        nb_shape_text(&eight, NULL, buf, n);
        ck_assert(memchr(buf, 0, n) && buf[n] == 'x');
    }
}
END_TEST

START_TEST(axes)
{
    ck_assert_int_eq(nb_axis(0, 3), 0);
    ck_assert_int_eq(nb_axis(2, 3), 2);
    ck_assert_int_eq(nb_axis(-1, 3), 2);
    ck_assert_int_eq(nb_axis(-3, 3), 0);
    ck_assert_int_eq(nb_axis(3, 3), -1);
    ck_assert_int_eq(nb_axis(-4, 3), -1);
    ck_assert_int_eq(nb_axis(0, 0), -1);
    ck_assert_int_eq(nb_axis(INT64_MIN, 8), -1);
    ck_assert_int_eq(nb_axis(INT64_MAX, 8), -1);
    struct nb_shape s = nb_shape_of(3, (int64_t)4, B, (int64_t)6);
    ck_assert(s.rank == 3 && s.dim[0] == 4 && s.dim[1] == B && s.dim[2] == 6);
}
END_TEST

START_TEST(tensors)
{
    struct nb_shape s = {2, {3, 5}}, huge = {2, {1 << 20, 1 << 20}}, open = {1, {B}};
    struct nb_tensor t = {0};
    ck_assert_int_eq(nb_tensor_new(&a, NB_C128, &s, &t, &e), 0);
    ck_assert(t.dtype == NB_C128 && t.shape.rank == 2 && (uintptr_t)t.data % NB_ALIGN == 0);
    memset(t.data, 1, 240);
    ck_assert_int_eq(nb_tensor_new(&a, NB_F32, &huge, &t, &e), -1);
    ck_assert_int_eq(e.code, NB_E_limit);
    e = (struct nb_error){0};
    ck_assert_int_eq(nb_tensor_new(&a, NB_F32, &open, &t, &e), -1);
    ck_assert_int_eq(e.code, NB_E_limit);
}
END_TEST

/* Between all types, numbers both can hold. */
START_TEST(conversions)
{
    enum { N = 19 };
    double first[N];
    char x[N * 16], y[N * 16], back[N * 16];
    for (int i = 0; i < N; i++)
        first[i] = i % 2; /* fits bool too */
    for (int from = 0; from < NB_NDTYPE; from++)
        for (int to = 0; to < NB_NDTYPE; to++) {
            nb_convert((enum nb_dtype)from, x, NB_F64, first, N);
            nb_convert((enum nb_dtype)to, y, (enum nb_dtype)from, x, N);
            nb_convert(NB_F64, back, (enum nb_dtype)to, y, N);
            ck_assert_msg(!memcmp(back, first, sizeof first), "%d to %d", from, to);
        }
    nb_convert(NB_F32, NULL, NB_F64, NULL, 0);
}
END_TEST

START_TEST(edges)
{
    double d[] = {NAN, INFINITY, -INFINITY, 0x1p63, -0x1p63, 1e300, -2.9, 2.9, -0.0}, back[9];
    int64_t w[9], big = INT64_MAX - 1, same;
    nb_convert(NB_I64, w, NB_F64, d, 9);
    static const int64_t want[] = {0, INT64_MAX, INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX, -2, 2, 0};
    ck_assert_mem_eq(w, want, sizeof w);
    nb_convert(NB_I64, &same, NB_I64, &big, 1);
    ck_assert(same == big);
    nb_convert(NB_F64, back, NB_F64, d, 9);
    ck_assert_mem_eq(back, d, sizeof d); /* bits, NaN and -0 among them */
    float f = 0.1f;
    double _Complex z = CMPLX(3.5, -7);
    nb_convert(NB_F64, back, NB_F32, &f, 1);
    ck_assert(back[0] == (double)0.1f);
    nb_convert(NB_F64, back, NB_C128, &z, 1);
    ck_assert(back[0] == 3.5);
    nb_convert(NB_C128, &z, NB_F64, back, 1);
    ck_assert(creal(z) == 3.5 && cimag(z) == 0);
}
END_TEST

START_TEST(lists)
{
    struct nb_tensors l = {0};
    char name[20];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "t%d", i);
        struct nb_tensor t = {.shape = {1, {i}}};
        ck_assert_int_eq(nb_tensors_add(&a, &l, nb_strdup(&a, name, &e), t, &e), 0);
    }
    ck_assert_uint_eq(l.n, 100);
    ck_assert_int_eq(nb_tensors_find(&l, "t42")->shape.dim[0], 42);
    ck_assert_ptr_null(nb_tensors_find(&l, "t100"));
    ck_assert_str_eq(l.v[7].name, "t7");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor");
    TCase *t = tcase_create("tensor");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, dtypes);
    tcase_add_loop_test(t, counts, 0, 16);
    tcase_add_test(t, sameness);
    tcase_add_loop_test(t, broadcasting, 0, 17);
    tcase_add_test(t, text);
    tcase_add_test(t, axes);
    tcase_add_test(t, tensors);
    tcase_add_test(t, conversions);
    tcase_add_test(t, edges);
    tcase_add_test(t, lists);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
