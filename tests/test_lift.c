/* test_lift.c - tensors out of JSON bodies: what is taken, what is refused and where, and what it may cost. */
#include "nabla/limits.h"
#include "wire/jsonmem.h"
#include "wire/lift.h"
#include <check.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct nb_arena arena;
static struct nb_tensors inputs, other;
static struct nb_error error;
static json_t *rest;
static const struct nb_lift_rule rules[] = {{"/inputs/*", &inputs}, {"/list/*/data", &other}, {"/vec", &other}};

static void setup(void)
{
    nb_arena_init(&arena, (size_t)nb_limits.memory);
    inputs = other = (struct nb_tensors){0};
    error = (struct nb_error){0};
    rest = NULL;
}

static void teardown(void)
{
    json_decref(rest);
    nb_arena_done(&arena);
}

/* A copy that ends with its NUL byte at the end of a malloc'ed block, where sanitizers watch. */
static int lift_bytes(const char *body, size_t n)
{
    char *copy = malloc(n + 1);
    memcpy(copy, body, n);
    copy[n] = 0;
    teardown();
    setup();
    int r = nb_lift(copy, n, rules, 3, &arena, &rest, &error);
    free(copy);
    ck_assert_int_eq(r, error.code ? -1 : 0);
    ck_assert(r == 0 || !rest);
    return r;
}

static int lift(const char *body)
{
    return lift_bytes(body, strlen(body));
}

static void expect_rest(const char *wanted)
{
    json_t *j = json_loads(wanted, 0, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert(json_equal(j, rest));
    json_decref(j);
}

/* "[2, 3]: 1 2 3 4 5 6" */
static void expect_tensor(const struct nb_tensors *l, const char *name, enum nb_dtype dtype, const char *wanted)
{
    const struct nb_tensor *t = nb_tensors_find(l, name);
    char text[1000], *p = text;
    ck_assert_msg(t != NULL, "no tensor %s", name);
    ck_assert_int_eq(t->dtype, dtype);
    ck_assert_uint_eq((uintptr_t)t->data % NB_ALIGN, 0);
    nb_shape_text(&t->shape, NULL, text, sizeof text);
    p += strlen(p);
    *p++ = ':';
    *p = 0;
    for (int64_t i = 0; i < nb_count(&t->shape); i++)
        p += dtype == NB_F64 ? sprintf(p, " %.17g", ((double *)t->data)[i])
                             : sprintf(p, " %d", (int)((int64_t *)t->data)[i]);
    ck_assert_str_eq(text, wanted);
}

/* ---- what is taken ------------------------------------------------------------------------------------------------
 */

START_TEST(simple)
{
    ck_assert_int_eq(lift("{\"inputs\": {\"x\": [[1, 2.5], [-3e2, 4]], \"s\": 7}, \"seed\": \"ab\"}"), 0);
    expect_tensor(&inputs, "x", NB_F64, "[2, 2]: 1 2.5 -300 4");
    expect_tensor(&inputs, "s", NB_F64, "[]: 7");
    expect_rest("{\"inputs\": {\"x\": 0, \"s\": 1}, \"seed\": \"ab\"}");
    ck_assert_str_eq(inputs.v[0].name, "x");
}
END_TEST

START_TEST(shapes)
{
    ck_assert_int_eq(lift("{\"inputs\":{\"a\":[],\"b\":[[],[]],\"c\":[[[1]],[[2]],[[3]]],\"d\":[[[[[[[[5]]]]]]]],"
                          "\"e\":[ [ 1 , 2 ] ,\n\t[ 3 , 4 ]\r\n] , \"f\":[[[ ]]], \"g\" : \n 3 \n}}"),
                     0);
    expect_tensor(&inputs, "a", NB_F64, "[0]:");
    expect_tensor(&inputs, "b", NB_F64, "[2, 0]:");
    expect_tensor(&inputs, "c", NB_F64, "[3, 1, 1]: 1 2 3");
    expect_tensor(&inputs, "d", NB_F64, "[1, 1, 1, 1, 1, 1, 1, 1]: 5");
    expect_tensor(&inputs, "e", NB_F64, "[2, 2]: 1 2 3 4");
    expect_tensor(&inputs, "f", NB_F64, "[1, 1, 0]:");
    expect_tensor(&inputs, "g", NB_F64, "[]: 3");
}
END_TEST

START_TEST(kinds)
{
    ck_assert_int_eq(lift("{\"inputs\":{\"n\":[1,\"NaN\",\"Infinity\",\"-Infinity\",-0.0],\"t\":[[true],[false]],"
                          "\"u\":true,\"m\":\"NaN\"}}"),
                     0);
    const double *n = nb_tensors_find(&inputs, "n")->data;
    ck_assert(isnan(n[1]) && n[2] == INFINITY && n[3] == -INFINITY && n[4] == 0 && signbit(n[4]));
    expect_tensor(&inputs, "t", NB_I64, "[2, 1]: 1 0");
    expect_tensor(&inputs, "u", NB_I64, "[]: 1");
    ck_assert(isnan(*(double *)nb_tensors_find(&inputs, "m")->data));
}
END_TEST

START_TEST(patterns)
{
    ck_assert_int_eq(lift("{\"list\":[{\"name\":\"p\",\"data\":[1,2]},{\"data\":3,\"shape\":[1,2]}],\"vec\":[9],"
                          "\"vec2\":[8],\"a\":{\"vec\":[7],\"inputs\":{\"x\":[6]}},\"inputs\":{\"deep\":{}}}"),
                     -1); /* an object where a tensor belongs */
    ck_assert_str_eq(error.pointer, "/inputs/deep");
    ck_assert_int_eq(lift("{\"list\":[{\"name\":\"p\",\"data\":[1,2]},{\"data\":3,\"shape\":[1,2]}],\"vec\":[9],"
                          "\"vec2\":[8],\"a\":{\"vec\":[7],\"inputs\":{\"x\":[6]}}}"),
                     0);
    expect_tensor(&other, "0", NB_F64, "[2]: 1 2");
    expect_tensor(&other, "1", NB_F64, "[]: 3");
    expect_tensor(&other, "vec", NB_F64, "[1]: 9");
    ck_assert_uint_eq(other.n, 3);
    ck_assert_uint_eq(inputs.n, 0);
    expect_rest("{\"list\":[{\"name\":\"p\",\"data\":0},{\"data\":1,\"shape\":[1,2]}],\"vec\":2,\"vec2\":[8],"
                "\"a\":{\"vec\":[7],\"inputs\":{\"x\":[6]}}}");
}
END_TEST

START_TEST(strings)
{
    ck_assert_int_eq(
        lift("{\"in\\u0070uts\":{\"a\\\"b\":[1],\"\\u00e9\":[2],\"\":[3]},\"note\":\"\\\\\",\"k\":\"[1,{\\\"\"}"), 0);
    expect_tensor(&inputs, "a\"b", NB_F64, "[1]: 1");
    expect_tensor(&inputs, "\xc3\xa9", NB_F64, "[1]: 2");
    expect_tensor(&inputs, "", NB_F64, "[1]: 3");
    expect_rest("{\"inputs\":{\"a\\\"b\":0,\"\\u00e9\":1,\"\":2},\"note\":\"\\\\\",\"k\":\"[1,{\\\"\"}");
}
END_TEST

static const struct {
    const char *entries;
    int decimals, significant;
} shows[] = {
    {"0.5", 1, 1},
    {"-0.5", 1, 1},
    {"1.50", 2, 3},
    {"100.0", 1, 4},
    {"0.0", 1, 1},
    {"-0.0, 0.00", 2, 1},
    {"0.125, 2", 3, 3},
    {"2, 0, 0.125", 3, 3},
    {"[2, 0], [0, 0.5]", 1, 1},
    {"1234567, 0.5", 1, 7}, /* its half unit is a half */
    {"2", 0, 0},
    {"0, 0, 0", 0, 0},
    {"100, -7", 0, 0},
    {"", 0, 0},
    {"1e-3", 3, 1},
    {"1.5e-3", 4, 2},
    {"1E+5", 0, 1},
    {"1.50e1", 1, 3},
    {"1e2, 0.5", 1, 1},
    {"0e0", 0, 1},
    {"0.000000e+00, -1.234567e-05", 11, 7},    /* %.6e */
    {"123.456789, 0.000001, -0.250000", 6, 9}, /* %.6f */
    {"0.000123457, 1.5, 100000", 9, 6},        /* %.6g */
    {"\"NaN\", 0.5", 1, 1},                    /* words show nothing */
    {"\"Infinity\"", 0, 0},
    {"true, false", 0, 0},
    {"0.12345678901234", 14, 14},
    {"1.2345678901234", 13, 14},
    {"1.23456789012345", 0, 0},
    {"0.5, -0.123456789012345, 0.25", 0, 0},
    {"0.1234567890123456, 0.5", 0, 0},
    {"0.49626, 0.4962565898895264", 0, 0},
    {"0.00000000000000000001234", 23, 4},
    {"0.00000000000000000001234567890123456789", 0, 0},
    {"123456789012345678901234567890.5", 0, 0},
    {"100000000000000000000, 0.5", 0, 0},
    {"5e-324", 324, 1},
    {"1e-999999", 999999, 1},
};

START_TEST(digits)
{
    char body[200];
    snprintf(body, sizeof body, "{\"vec\":[0.25],\"inputs\":{\"x\":[%s]},\"list\":[{\"data\":3}]}", shows[_i].entries);
    ck_assert_msg(lift(body) == 0, "%s: %s", body, error.detail);
    const struct nb_digits *d = &inputs.v[0].digits;
    ck_assert_msg(d->decimals == shows[_i].decimals && d->significant == shows[_i].significant, "%s: %d %d",
                  shows[_i].entries, d->decimals, d->significant);
    ck_assert(other.v[0].digits.decimals == 2 && other.v[0].digits.significant == 2);
    ck_assert(other.v[1].digits.decimals == 0 && other.v[1].digits.significant == 0);
}
END_TEST

/* What one number shows, character by character. */
static void look_at(const char *text, struct nb_digits *most, bool *some)
{
    int figures = 0, behind = 0, power = 0;
    bool point = false, begun = false;
    const char *p = text + (*text == '-');
    for (; *p && *p != 'e'; p++) {
        point |= *p == '.';
        begun |= *p >= '1' && *p <= '9';
        figures += begun && *p != '.';
        behind += point && *p != '.';
    }
    if (*p == 'e')
        power = atoi(p + 1);
    if (figures > most->significant)
        most->significant = figures;
    if (!point && !*p)
        return;
    *some = true;
    if (behind - power > most->decimals)
        most->decimals = behind - power;
}

START_TEST(digits_of_many)
{
    srand(7);
    for (int round = 0; round < 5000; round++) {
        char body[2000] = "{\"vec\":[", *p = body + strlen(body), kind = "feg"[rand() % 3];
        struct nb_digits wanted = {0, 1};
        bool some = false;
        int precision = rand() % 18, n = 1 + rand() % 6;
        for (int i = 0; i < n; i++) {
            char format[8], text[300];
            double scale[] = {1, 0, 1e-3, 1e-12, 1000, 1e7, 1e14},
                   v = scale[rand() % 7] * (2.0 * rand() / RAND_MAX - 1);
            snprintf(format, sizeof format, "%%.%d%c", precision, kind);
            snprintf(text, sizeof text, format, v);
            look_at(text, &wanted, &some);
            p += sprintf(p, i ? ", %s" : "%s", text);
        }
        strcpy(p, "], \"padding\":\"for the reader of the usual numbers\"}");
        if (!some || wanted.significant >= 15)
            wanted = (struct nb_digits){0};
        ck_assert_msg(lift(body) == 0, "%s: %s", body, error.detail);
        const struct nb_digits *d = &other.v[0].digits;
        ck_assert_msg(d->decimals == wanted.decimals && d->significant == wanted.significant, "%s: %d %d", body,
                      d->decimals, d->significant);
    }
}
END_TEST

START_TEST(large_whole_numbers)
{
    ck_assert_int_eq(lift("{\"vec\":[9007199254740992,-9007199254740994,18014398509481984,100000000000000000000,"
                          "9007199254740993.0,1e300,9007199254740993e0]}"),
                     0);
    const double *v = nb_tensors_find(&other, "vec")->data;
    ck_assert(v[0] == 0x1p53 && v[1] == -9007199254740994.0 && v[2] == 0x1p54 && v[3] == 1e20 && v[5] == 1e300);
}
END_TEST

START_TEST(large_tensor)
{
    enum { ROWS = 500, COLUMNS = 300 };
    char *body = malloc(ROWS * COLUMNS * 24 + 100), *p = body;
    p += sprintf(p, "{\"inputs\":{\"y\":[1,2,3],\"x\":[");
    for (int i = 0; i < ROWS; i++) {
        p += sprintf(p, i ? ",[" : "[");
        for (int j = 0; j < COLUMNS; j++)
            p += sprintf(p, j ? ",%.17g" : "%.17g", sin(i * 1000 + j));
        *p++ = ']';
    }
    sprintf(p, "],\"z\":4}}");
    ck_assert_int_eq(lift(body), 0);
    free(body);
    const struct nb_tensor *x = nb_tensors_find(&inputs, "x");
    ck_assert(x->shape.rank == 2 && x->shape.dim[0] == ROWS && x->shape.dim[1] == COLUMNS);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        if (((double *)x->data)[i] != sin(i / COLUMNS * 1000 + i % COLUMNS))
            ck_abort_msg("entry %d", i);
    expect_tensor(&inputs, "y", NB_F64, "[3]: 1 2 3");
    expect_tensor(&inputs, "z", NB_F64, "[]: 4");
}
END_TEST

/* ---- what is refused ----------------------------------------------------------------------------------------------
 */

static const struct fault {
    const char *body;
    enum nb_code code;
    const char *pointer;
    int line, column;
    const char *says; /* part of the detail */
} faults[] = {
    /* the text, outside of tensors */
    {"", NB_E_json_syntax, "", 1, 1, ""},
    {"7", NB_E_json_syntax, "", 1, 1, ""},
    {"{", NB_E_json_syntax, "", 1, 1, ""},
    {"{\"a\":1,}", NB_E_json_syntax, "", 1, 8, ""},
    {"{\n \"a\": 01}", NB_E_json_syntax, "", 2, 7, ""},
    {"{\"a\":1} x", NB_E_json_syntax, "", 1, 9, ""},
    {"{\"a\":}", NB_E_json_syntax, "", 1, 6, ""},
    {"{\"a\":\"\t\"}", NB_E_json_syntax, "", 1, 6, ""},
    {"{\"a\":\"\xff\"}", NB_E_json_syntax, "", 1, 6, ""},
    {"{\"a\":\"b}", NB_E_json_syntax, "", 1, 8, ""},
    {"{\"a\":1}}", NB_E_json_syntax, "", 1, 8, ""},
    {"]", NB_E_json_syntax, "", 1, 1, ""},
    {"{\"a\":NaN}", NB_E_json_syntax, "", 1, 6, "\"NaN\", \"Infinity\", \"-Infinity\""},
    {"{\"a\":[1,-Infinity]}", NB_E_json_syntax, "", 1, 9, "\"NaN\", \"Infinity\", \"-Infinity\""},
    {"{\"a\": 1e400}", NB_E_json_syntax, "", 1, 11, "overflow"},
    {"{\"a\":1,\n\"a\":2}", NB_E_duplicate_key, "", 2, 3, "\"a\""},
    {"{\"inputs\":{},\"inputs\":{}}", NB_E_duplicate_key, "", 1, 21, ""},
    /* behind tensors: positions in the body as sent */
    {"{\"inputs\":{\"x\":[1,2,\n3,4,5,6,7,8]},\n\"a\":x}", NB_E_json_syntax, "", 3, 5, ""},
    {"{\"inputs\":{\"x\":[1,2,3,4,5,6]\"y\":1}}", NB_E_json_syntax, "", 1, 31, ""},
    {"{\"inputs\":{\"x\":[1]5}}", NB_E_json_syntax, "", 1, 19, ""},
    {"{\"inputs\":{\"x\":1.}}", NB_E_json_syntax, "", 1, 17, ""},
    {"{\"inputs\":{\"x\":01}}", NB_E_json_syntax, "", 1, 17, ""},
    {"{\"inputs\":{\"x\":true1}}", NB_E_json_syntax, "", 1, 20, ""},
    {"{\"inputs\":{\"x\":[1],\"x\":[2]}}", NB_E_duplicate_key, "", 1, 22, "\"x\""},
    {"{\"inputs\":{\"x\":[1],\"\\u0078\":[2]}}", NB_E_duplicate_key, "", 1, 27, "u0078"},
    {"{\"inputs\":{\"x\":[1], \"b\":{\"c\":[2]}}}", NB_E_bad_tensor, "/inputs/b", 0, 0, "an object"},
    /* the grammar inside */
    {"{\"inputs\":{\"x\":[1,2", NB_E_json_syntax, "/inputs/x/1", 1, 20, "ends"},
    {"{\"inputs\":{\"x\":[1,2,", NB_E_json_syntax, "/inputs/x/2", 1, 21, "ends"},
    {"{\"inputs\":{\"x\":", NB_E_json_syntax, "", 1, 15, ""},
    {"{\"inputs\":{\"x\":[", NB_E_json_syntax, "/inputs/x/0", 1, 17, "ends"},
    {"{\"inputs\":{\"x\":[1,2}}", NB_E_json_syntax, "/inputs/x/1", 1, 20, "comma"},
    {"{\"inputs\":{\"x\":[1,,2]}}", NB_E_json_syntax, "/inputs/x/1", 1, 19, "value"},
    {"{\"inputs\":{\"x\":[,1]}}", NB_E_json_syntax, "/inputs/x/0", 1, 17, "value"},
    {"{\"inputs\":{\"x\":[1,]}}", NB_E_json_syntax, "/inputs/x/1", 1, 19, "value"},
    {"{\"inputs\":{\"x\":[1,\n2, \n ]}}", NB_E_json_syntax, "/inputs/x/2", 3, 2, "value"},
    {"{\"inputs\":{\"x\":[1 2]}}", NB_E_json_syntax, "/inputs/x/0", 1, 19, "comma"},
    {"{\"inputs\":{\"x\":[[1],]}}", NB_E_json_syntax, "/inputs/x/1", 1, 21, "value"},
    {"{\"inputs\":{\"x\":[01]}}", NB_E_json_syntax, "/inputs/x/0", 1, 18, "comma"},
    {"{\"inputs\":{\"x\":[1,02]}}", NB_E_json_syntax, "/inputs/x/1", 1, 20, "comma"},
    {"{\"inputs\":{\"x\":[1.]}}", NB_E_json_syntax, "/inputs/x/0", 1, 18, "comma"},
    {"{\"inputs\":{\"x\":[.5]}}", NB_E_json_syntax, "/inputs/x/0", 1, 17, "value"},
    {"{\"inputs\":{\"x\":[+5]}}", NB_E_json_syntax, "/inputs/x/0", 1, 17, "value"},
    {"{\"inputs\":{\"x\":[-]}}", NB_E_json_syntax, "/inputs/x/0", 1, 17, "value"},
    {"{\"inputs\":{\"x\":[0x10]}}", NB_E_json_syntax, "/inputs/x/0", 1, 18, "comma"},
    {"{\"inputs\":{\"x\":[1e]}}", NB_E_json_syntax, "/inputs/x/0", 1, 18, "comma"},
    {"{\"inputs\":{\"x\":[tru]}}", NB_E_json_syntax, "/inputs/x/0", 1, 17, "value"},
    {"{\"inputs\":{\"x\":[truex]}}", NB_E_json_syntax, "/inputs/x/0", 1, 21, "comma"},
    {"{\"inputs\":{\"x\":[1;2]}}", NB_E_json_syntax, "/inputs/x/0", 1, 18, "comma"},
    {"{\"inputs\":{\"x\":[\"NaN\"\"NaN\"]}}", NB_E_json_syntax, "/inputs/x/0", 1, 22, "comma"},
    {"{\"inputs\":{\"x\":[[1],[2]", NB_E_json_syntax, "/inputs/x/1", 1, 24, "ends"},
    {"{\"inputs\":{\"x\":[1,NaN]}}", NB_E_json_syntax, "/inputs/x/1", 1, 19, "\"NaN\", \"Infinity\", \"-Infinity\""},
    {"{\"inputs\":{\"x\":[1,2,-Infinity]}}", NB_E_json_syntax, "/inputs/x/2", 1, 21, "\"-Infinity\""},
    {"{\"inputs\":{\"x\":\n Infinity}}", NB_E_json_syntax, "/inputs/x", 2, 2, "\"-Infinity\""},
    {"{\"inputs\":{\"\xc3\xa9\":[\xc3\xa9]}}", NB_E_json_syntax, "/inputs/\xc3\xa9/0", 1, 17, ""},
    /* not a tensor */
    {"{\"inputs\":{\"x\":{}}}", NB_E_bad_tensor, "/inputs/x", 0, 0, "an object came"},
    {"{\"inputs\":{\"x\":null}}", NB_E_bad_tensor, "/inputs/x", 0, 0, "null came"},
    {"{\"inputs\":{\"x\":\"abc\"}}", NB_E_bad_tensor, "/inputs/x", 0, 0, "a string came"},
    {"{\"inputs\":{\"x\":\"nan\"}}", NB_E_bad_tensor, "/inputs/x", 0, 0, "a string came"},
    {"{\"inputs\":{\"x\":[[1,2],[3,\"4\"]]}}", NB_E_bad_tensor, "/inputs/x/1/1", 0, 0, "a string came"},
    {"{\"inputs\":{\"x\":[[1,2],[3,null]]}}", NB_E_bad_tensor, "/inputs/x/1/1", 0, 0, "null came"},
    {"{\"inputs\":{\"x\":[[1,2],{}]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "an object came"},
    {"{\"inputs\":{\"x\":[[1,2],[3]]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "2 as before, 1 came"},
    {"{\"inputs\":{\"x\":[[1,2],[3,4],[5,6,7]]}}", NB_E_bad_tensor, "/inputs/x/2", 0, 0, "2 as before, 3 came"},
    {"{\"inputs\":{\"x\":[[1,2],[]]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "2 as before, 0 came"},
    {"{\"inputs\":{\"x\":[[],[1]]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "0 as before, 1 came"},
    {"{\"inputs\":{\"x\":[[],[[]]]}}", NB_E_bad_tensor, "/inputs/x/1/0", 0, 0, "a number is expected"},
    {"{\"inputs\":{\"x\":[[[1],[2]],[[3]]]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "2 as before, 1 came"},
    {"{\"inputs\":{\"x\":[1,[2]]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "a number is expected"},
    {"{\"inputs\":{\"x\":[[1],2]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "a list is expected"},
    {"{\"inputs\":{\"x\":[[],2]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "a list is expected"},
    {"{\"inputs\":{\"x\":[[1],\"NaN\"]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "a list is expected"},
    {"{\"inputs\":{\"x\":[[[[[[[[[1]]]]]]]]]}}", NB_E_bad_tensor, "/inputs/x/0/0/0/0/0/0/0/0", 0, 0, "8 dimensions"},
    {"{\"inputs\":{\"x\":[1,true]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "not both"},
    {"{\"inputs\":{\"x\":[true,1]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, "not both"},
    {"{\"inputs\":{\"x\":[[false],[\"NaN\"]]}}", NB_E_bad_tensor, "/inputs/x/1/0", 0, 0, "not both"},
    {"{\"inputs\":{\"a/b~c\":[[1],2]}}", NB_E_bad_tensor, "/inputs/a~1b~0c/1", 0, 0, ""},
    {"{\"list\":[{},{\"data\":[1,[]]}]}", NB_E_bad_tensor, "/list/1/data/1", 0, 0, ""},
    /* not a number of this type */
    {"{\"inputs\":{\"x\":[1,[1e400]]}}", NB_E_bad_tensor, "/inputs/x/1", 0, 0, ""},
    {"{\"inputs\":{\"x\":[[1,1e400]]}}", NB_E_bad_number, "/inputs/x/0/1", 0, 0, "1e400 is beyond"},
    {"{\"inputs\":{\"x\":-1e400}}", NB_E_bad_number, "/inputs/x", 0, 0, "-1e400 is beyond"},
    {"{\"inputs\":{\"x\":[0,9007199254740993]}}", NB_E_bad_number, "/inputs/x/1", 0, 0, "nearest is 9007199254740992"},
    {"{\"inputs\":{\"x\":[-123456789012345678901234567890]}}", NB_E_bad_number, "/inputs/x/0", 0, 0, "2^53"},
};

START_TEST(refused)
{
    const struct fault *f = &faults[_i];
    ck_assert_msg(lift(f->body) == -1, "%s is taken", f->body);
    ck_assert_msg(error.code == f->code, "%s: %s: %s", f->body, nb_code_name(error.code), error.detail);
    ck_assert_msg(strcmp(error.pointer, f->pointer) == 0, "%s: pointer %s", f->body, error.pointer);
    ck_assert_msg(error.line == f->line && error.column == f->column, "%s: line %d, column %d: %s", f->body, error.line,
                  error.column, error.detail);
    ck_assert_msg(strstr(error.detail, f->says) != NULL, "%s: %s", f->body, error.detail);
}
END_TEST

START_TEST(nul_bytes)
{
    static const char *const bodies[] = {"[1$]", "{\"a\":1$}", "[true$]",      "{\"inputs\":{\"x\":[1$]}}",
                                         "$",    "{}$",        "{\"a\":\"$\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char body[100];
        size_t n = strlen(bodies[i]);
        strcpy(body, bodies[i]);
        char *nul = strchr(body, '$');
        *nul = 0;
        ck_assert_int_eq(lift_bytes(body, n), -1);
        ck_assert_int_eq(error.code, NB_E_json_syntax);
        ck_assert_int_eq(error.column, (int)(nul - body) + 1);
        ck_assert_ptr_nonnull(strstr(error.detail, "NUL"));
    }
}
END_TEST

/* Every beginning of a body is an error, and none of them reads behind its end. */
START_TEST(cut_off)
{
    const char *body = "{\"inputs\":{\"x\":[[1.25e1,\"NaN\"],[3,12345678.9]],\"b\":[true,false]},\"vec\":0.5,\"n\":["
                       "null,\"\\u00e9\"]}";
    ck_assert_int_eq(lift(body), 0);
    for (size_t n = 0; n < strlen(body); n++) {
        ck_assert_int_eq(lift_bytes(body, n), -1);
        ck_assert(error.code == NB_E_json_syntax || (error.code == NB_E_bad_tensor && strstr(error.detail, "string")));
    }
}
END_TEST

/* One byte changed at a time: taken or refused, but never a fault of ours. */
START_TEST(changed_bytes)
{
    const char *body = "{\"inputs\":{\"x\":[[1.5,2],[3,\"NaN\"]],\"b\":[true]},\"k\":\"\\n\"}",
               *bytes = "[]{},:\"\\ 0-.eNt\xc3";
    char copy[100];
    for (size_t i = 0; body[i]; i++)
        for (const char *b = bytes; *b; b++) {
            strcpy(copy, body);
            copy[i] = *b;
            lift(copy);
            ck_assert(error.code != NB_E_internal);
        }
}
END_TEST

/* ---- what it may cost ---------------------------------------------------------------------------------------------
 */

/* head, n times middle, tail */
static char *repeat(const char *head, const char *middle, size_t n, const char *tail)
{
    size_t m = strlen(middle);
    char *s = malloc(strlen(head) + n * m + strlen(tail) + 1), *p = s + strlen(head);
    strcpy(s, head);
    for (; n > 0; n--, p += m)
        memcpy(p, middle, m);
    strcpy(p, tail);
    return s;
}

static void expect_limit(char *body, const char *option)
{
    ck_assert_int_eq(lift(body), -1);
    ck_assert_msg(error.code == NB_E_limit, "%s: %s", nb_code_name(error.code), error.detail);
    ck_assert_str_eq(error.option, option);
    free(body);
}

START_TEST(limits)
{
    expect_limit(repeat("{\"a\":[", "{},", 10000000, "{}]}"), "--limit-json"); /* 30 MB: too much text */
    expect_limit(repeat("{\"a\":[", "{},", 2000000, "{}]}"), "--limit-json");  /* 6 MB: too large a tree */
    expect_limit(repeat("{\"", "k", 10000000, "\":1}"), "--limit-json");
    expect_limit(repeat("{\"", "\\u00e9", 2000000, "\":1}"), "--limit-json");
    expect_limit(repeat("{\"a\":", "[", 2000, ""), "--limit-json-nesting");
    expect_limit(repeat("{\"a\":", "{\"a\":", 2000, ""), "--limit-json-nesting");
    expect_limit(repeat("{\"inputs\":[", "1,", 5000, "1]}"), "--limit-tensors");
    expect_limit(repeat("", "[", 33, ""), "--limit-json-nesting");
    ck_assert_int_eq(lift("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), 0); /* 32 */
}
END_TEST

START_TEST(request_memory)
{
    char *body = repeat("{\"inputs\":{\"x\":[", "1,", 1000000, "1]}}");
    nb_limits.memory = 4 << 20;
    expect_limit(body, "--limit-memory");
    nb_limits.memory = 16 << 20;
    body = repeat("{\"inputs\":{\"x\":[", "1,", 1000000, "1]}}"); /* 8 MB of numbers */
    ck_assert_int_eq(lift(body), 0);
    free(body);
}
END_TEST

/* The budget holds: Jansson's blocks never take more, and they take this much without it. */
START_TEST(json_budget)
{
    char *body = repeat("[", "{},", 100000, "{}]");
    struct nb_json_budget wide = {.cap = (size_t)1 << 40}, narrow = {.cap = 1 << 20};
    json_error_t je;
    json_t *j = nb_json_load(body, strlen(body), &wide, &je);
    ck_assert_ptr_nonnull(j);
    ck_assert_uint_gt(wide.peak, 60 * strlen(body));
    ck_assert_uint_le(wide.used, wide.peak);
    ck_assert_ptr_null(nb_json_load(body, strlen(body), &narrow, &je));
    ck_assert(narrow.over);
    ck_assert_uint_le(narrow.peak, 1 << 20);
    ck_assert_uint_eq(narrow.used, 0);
    json_decref(j); /* a tree outlives its budget, and is not counted then */
    ck_assert_uint_gt(wide.used, 0);
    free(body);
}
END_TEST

/* What malloc really holds while a body is refused: no more than the limits say. */
START_TEST(heap)
{
    static const char *const units[] = {"{},", "[],", "\"\",", "0,", "{\"a\":[{}]},"};
    nb_limits.json = 1 << 20;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        char *body = repeat("{\"a\":[", units[i], ((1 << 20) - 100) / strlen(units[i]), "0]}");
        struct nb_json_budget budget = {.cap = (size_t)8 << 20};
        json_error_t je;
        struct mallinfo2 before = mallinfo2();
        json_t *j = nb_json_load(body, strlen(body), &budget, &je);
        struct mallinfo2 after = mallinfo2();
        size_t held = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
        ck_assert_msg(j || budget.over, "%s", je.text);
        ck_assert_msg(budget.peak <= budget.cap, "%s: %zu", units[i], budget.peak);
        if (j && before.uordblks > 0) /* sanitizers have no mallinfo */
            ck_assert_msg(held <= budget.used + 4096 && held + 4096 >= budget.used, "%s: %zu and %zu", units[i], held,
                          budget.used);
        json_decref(j);
        free(body);
    }
}
END_TEST

static void *parse_many(void *arg)
{
    json_t **kept = arg;
    for (int i = 0; i < 300; i++) {
        struct nb_json_budget budget = {.cap = i % 3 ? 1 << 20 : 2000};
        json_error_t je;
        json_t *j = nb_json_load("{\"a\":[1,2,3,{\"b\":[true,null,\"text\"]},[],{},{},{},{},{}]}", 56, &budget, &je);
        if ((j == NULL) != budget.over)
            return "a budget of another thread";
        json_decref(kept[i]);
        kept[i] = j;
    }
    return NULL;
}

/* Budgets belong to threads; trees do not. */
START_TEST(threads)
{
    static json_t *kept[4][300];
    pthread_t t[4];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4; i++) /* each round in another thread: it frees what that one made */
            pthread_create(&t[i], NULL, parse_many, kept[(i + round) % 4]);
        for (int i = 0; i < 4; i++) {
            void *fault;
            pthread_join(t[i], &fault);
            ck_assert_msg(!fault, "%s", (char *)fault);
        }
    }
    for (int i = 0; i < 4 * 300; i++)
        json_decref(kept[i / 300][i % 300]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lift");
    TCase *c = tcase_create("lift");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, simple);
    tcase_add_test(c, shapes);
    tcase_add_test(c, kinds);
    tcase_add_test(c, patterns);
    tcase_add_test(c, strings);
    tcase_add_loop_test(c, digits, 0, sizeof shows / sizeof *shows);
    tcase_add_test(c, digits_of_many);
    tcase_add_test(c, large_whole_numbers);
    tcase_add_test(c, large_tensor);
    tcase_add_loop_test(c, refused, 0, sizeof faults / sizeof *faults);
    tcase_add_test(c, nul_bytes);
    tcase_add_test(c, cut_off);
    tcase_add_test(c, changed_bytes);
    tcase_add_test(c, limits);
    tcase_add_test(c, request_memory);
    tcase_add_test(c, json_budget);
    tcase_add_test(c, heap);
    tcase_add_test(c, threads);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
