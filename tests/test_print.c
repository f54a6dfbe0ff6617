/* test_print.c - JSON text out, and back in through the lifter. */
#include "wire/lift.h"
#include "wire/print.h"
#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct nb_arena arena;
static struct nb_error error;
static struct nb_text text;

static void setup(void)
{
    nb_arena_init(&arena, 1 << 30);
    error = (struct nb_error){0};
    text = (struct nb_text){.arena = &arena};
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static void expect(const char *wanted)
{
    ck_assert_int_eq(error.code, NB_E_none);
    ck_assert_str_eq(text.v, wanted);
    ck_assert_uint_eq(text.n, strlen(wanted));
    text.n = 0;
}

static struct nb_tensor tensor(enum nb_dtype dtype, const void *data, struct nb_shape s)
{
    return (struct nb_tensor){dtype, s, (void *)data};
}

static void expect_tensor(enum nb_dtype dtype, const void *data, struct nb_shape s, const char *wanted)
{
    struct nb_tensor t = tensor(dtype, data, s);
    ck_assert_int_eq(nb_put_tensor(&text, &t, &error), 0);
    expect(wanted);
}

#define SHAPE1(a) nb_shape_of(1, (int64_t)(a))
#define SHAPE2(a, b) nb_shape_of(2, (int64_t)(a), (int64_t)(b))
#define SHAPE3(a, b, c) nb_shape_of(3, (int64_t)(a), (int64_t)(b), (int64_t)(c))

START_TEST(tensors)
{
    static const double d[] = {1, 2.5, -3, 0.1, 1e300, -0.0, NAN, INFINITY, -INFINITY, 1e-7, 100, 7};
    static const float f[] = {0.1f, 1.0f / 3, 16777216, -2};
    static const int64_t i[] = {INT64_MIN, INT64_MAX, 0, -7};
    static const int32_t j[] = {INT32_MIN, INT32_MAX};
    static const uint8_t b[] = {0, 1};
    expect_tensor(NB_F64, d, nb_shape_of(0), "1");
    expect_tensor(NB_F64, d, SHAPE1(3), "[1,2.5,-3]");
    expect_tensor(NB_F64, d, SHAPE2(2, 3), "[[1,2.5,-3],[0.1,1e300,-0.0]]");
    expect_tensor(NB_F64, d, SHAPE3(2, 3, 2),
                  "[[[1,2.5],[-3,0.1],[1e300,-0.0]],[[\"NaN\",\"Infinity\"],[\"-Infinity\",1e-7],[100,7]]]");
    expect_tensor(NB_F64, d, SHAPE3(3, 1, 1), "[[[1]],[[2.5]],[[-3]]]");
    expect_tensor(NB_F64, d, SHAPE3(1, 1, 3), "[[[1,2.5,-3]]]");
    expect_tensor(NB_F64, d, SHAPE1(0), "[]");
    expect_tensor(NB_F64, d, SHAPE2(2, 0), "[[],[]]");
    expect_tensor(NB_F64, d, SHAPE3(2, 2, 0), "[[[],[]],[[],[]]]");
    expect_tensor(NB_F64, d, SHAPE3(2, 0, 5), "[[],[]]");
    expect_tensor(NB_F64, d, SHAPE2(0, 2), "[]");
    expect_tensor(NB_F32, f, SHAPE1(4), "[0.1,0.33333334,16777216,-2]");
    expect_tensor(NB_I64, i, SHAPE1(4), "[-9223372036854775808,9223372036854775807,0,-7]");
    expect_tensor(NB_I32, j, SHAPE1(2), "[-2147483648,2147483647]");
    expect_tensor(NB_BOOL, b, SHAPE1(2), "[false,true]");
}
END_TEST

START_TEST(lists)
{
    static const double d[] = {1, 2};
    struct nb_tensors l = {0};
    ck_assert_int_eq(nb_put_tensors(&text, &l, &error), 0);
    expect("{}");
    nb_tensors_add(&arena, &l, "a\"b", tensor(NB_F64, d, nb_shape_of(0)), &error);
    nb_tensors_add(&arena, &l, "c", tensor(NB_F64, d, SHAPE1(2)), &error);
    ck_assert_int_eq(nb_put_tensors(&text, &l, &error), 0);
    expect("{\"a\\\"b\":1,\"c\":[1,2]}");
}
END_TEST

START_TEST(complex_is_refused)
{
    static const double d[2];
    struct nb_tensor t = tensor(NB_C128, d, nb_shape_of(0));
    ck_assert_int_eq(nb_put_tensor(&text, &t, &error), -1);
    ck_assert_int_eq(error.code, NB_E_internal);
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        double v;
        enum nb_dtype d;
        const char *text;
    } rows[] = {{0.1, NB_F64, "0.1"}, {(double)0.1f, NB_F32, "0.1"}, {(double)0.1f, NB_F64, "0.10000000149011612"},
                {3, NB_F64, "3"},     {NAN, NB_F32, "\"NaN\""},      {-INFINITY, NB_F64, "\"-Infinity\""},
                {-17, NB_I64, "-17"}, {1, NB_BOOL, "true"},          {0, NB_BOOL, "false"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(nb_put_number(&text, rows[i].v, rows[i].d, &error), 0);
        expect(rows[i].text);
    }
}
END_TEST

START_TEST(strings)
{
    static const char *const rows[][2] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\/\b\f\n\r\t\x01\x1f\x7f", "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"cut \xe2\x82", "\"cut \\ufffd\\ufffd\""},
        {"\xff\xc0\x80 \xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd\""},
        {"\xf5\x80\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(nb_put_string(&text, rows[i][0], &error), 0);
        json_t *j = json_loads(text.v, JSON_DECODE_ANY, NULL);
        ck_assert_msg(j != NULL, "%s is not JSON", text.v);
        json_decref(j);
        expect(rows[i][1]);
    }
}
END_TEST

START_TEST(trees)
{
    static const char *const rows[] = {
        "{}",
        "[]",
        "[[],{},[{}]]",
        "{\"b\":1,\"a\":[true,false,null,\"x\\ny\",-5,0.1,1.0,1e300],\"c\":{\"d\":{\"e\":[0.5]}}}",
        "7",
        "\"s\"",
        "[1,[2,[3,[4,[5]]]],6]",
        "{\"a\":{},\"b\":[]}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *j = json_loads(rows[i], JSON_DECODE_ANY, NULL), *back;
        ck_assert_int_eq(nb_put_json(&text, j, &error), 0);
        back = json_loads(text.v, JSON_DECODE_ANY, NULL);
        ck_assert(json_equal(j, back)); /* 1.0 is still a real */
        expect(rows[i]);
        json_decref(j);
        json_decref(back);
    }
}
END_TEST

START_TEST(deep_tree)
{
    json_t *j = json_array();
    for (int i = 0; i < 100000; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, j);
        j = outer;
    }
    ck_assert_int_eq(nb_put_json(&text, j, &error), 0);
    ck_assert_uint_eq(text.n, 200002);
    for (json_t *inner; json_array_size(j); j = inner) { /* not by json_decref(): it recurses */
        inner = json_incref(json_array_get(j, 0));
        json_array_clear(j);
        json_decref(j);
    }
    json_decref(j);
}
END_TEST

START_TEST(growth)
{
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(nb_putn(&text, "0123456789", 10, &error), 0);
    ck_assert_uint_eq(text.n, 1000000);
    for (size_t i = 0; i < text.n; i++)
        if (text.v[i] != (char)('0' + i % 10))
            ck_abort_msg("byte %zu", i);
}
END_TEST

START_TEST(memory)
{
    nb_arena_done(&arena);
    nb_arena_init(&arena, 10000);
    while (!error.code)
        nb_putn(&text, "0123456789", 10, &error);
    ck_assert_int_eq(error.code, NB_E_limit);
    size_t n = text.n;
    nb_put_number(&text, 0.5, NB_F64, &error); /* with the error set: nothing bad happens */
    ck_assert_uint_le(n, 10000);
}
END_TEST

/* Printed and lifted again: the same bits, in both types. */
START_TEST(round_trip)
{
    enum { N = 200000 };
    double *d = malloc(N * sizeof *d);
    float *f = malloc(N * sizeof *f);
    uint64_t state = 1;
    for (int i = 0; i < N; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint32_t bits = (uint32_t)(state >> 32);
        memcpy(&d[i], &state, sizeof *d);
        memcpy(&f[i], &bits, sizeof *f);
        if (isnan(d[i]) || i % 3 == 0)
            d[i] = (double)(int64_t)state * 0x1p-63;
        if (isnan(f[i]) || i % 3 == 0)
            f[i] = (float)((double)(int32_t)bits * 0x1p-31);
    }
    struct nb_tensors l = {0}, back = {0};
    nb_tensors_add(&arena, &l, "d", tensor(NB_F64, d, SHAPE3(N / 100, 4, 25)), &error);
    nb_tensors_add(&arena, &l, "f", tensor(NB_F32, f, SHAPE3(N / 2, 2, 1)), &error);
    ck_assert_int_eq(nb_put_tensors(&text, &l, &error), 0);
    json_t *rest;
    struct nb_lift_rule rule = {"/*", &back};
    ck_assert_msg(nb_lift(text.v, text.n, &rule, 1, &arena, &rest, &error) == 0, "%s: %s", error.pointer, error.detail);
    json_decref(rest);
    ck_assert_int_eq(nb_shape_same(&back.v[0].t.shape, &l.v[0].t.shape), 1);
    ck_assert_int_eq(nb_shape_same(&back.v[1].t.shape, &l.v[1].t.shape), 1);
    const double *d2 = back.v[0].t.data, *f2 = back.v[1].t.data;
    for (int i = 0; i < N; i++) {
        float v = (float)f2[i];
        if (memcmp(&d[i], &d2[i], sizeof *d) || memcmp(&f[i], &v, sizeof v))
            ck_abort_msg("%d: %.17g or %.9g", i, d[i], (double)f[i]);
    }
    free(d);
    free(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("print");
    TCase *c = tcase_create("print");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, tensors);
    tcase_add_test(c, lists);
    tcase_add_test(c, complex_is_refused);
    tcase_add_test(c, numbers);
    tcase_add_test(c, strings);
    tcase_add_test(c, trees);
    tcase_add_test(c, deep_tree);
    tcase_add_test(c, growth);
    tcase_add_test(c, memory);
    tcase_add_test(c, round_trip);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
