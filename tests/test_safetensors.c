/* test_safetensors.c - the file format: bytes by hand, every refusal, and round trips. */
#include "nabla/limits.h"
#include "wire/safetensors.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nb_arena arena;
static struct nb_error error;
static struct nb_tensors out;

static void setup(void)
{
    nb_arena_init(&arena, (size_t)nb_limits.memory);
    error = (struct nb_error){0};
    out = (struct nb_tensors){0};
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* From a copy of exactly n bytes at an odd address, where sanitizers watch. */
static int read_bytes(const void *bytes, size_t n)
{
    char *copy = malloc(n + 1);
    memcpy(copy + 1, bytes, n);
    teardown();
    setup();
    int r = nb_safetensors_read(copy + 1, n, &arena, &out, &error);
    free(copy);
    ck_assert_int_eq(r, error.code ? -1 : 0);
    return r;
}

/* A file of this header and these data. */
static int read_file(const char *header, const void *data, size_t n)
{
    uint64_t size = strlen(header);
    char *file = malloc(8 + size + n);
    memcpy(file, &size, 8);
    memcpy(file + 8, header, size);
    memcpy(file + 8 + size, data, n);
    int r = read_bytes(file, 8 + size + n);
    free(file);
    return r;
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

START_TEST(by_hand)
{
    static const uint8_t data[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f};
    ck_assert_int_eq(
        read_file(
            "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[8,16]},"
            "\"a\":{\"shape\":[2,1],\"data_offsets\":[0,8],\"dtype\":\"F32\"}}   ",
            data, sizeof data),
        0);
    ck_assert_uint_eq(out.n, 2);
    ck_assert_str_eq(out.v[0].name, "b");
    ck_assert(out.v[0].t.dtype == NB_F64 && out.v[0].t.shape.rank == 0 && *(double *)out.v[0].t.data == 1.5);
    const struct nb_tensor *a = nb_tensors_find(&out, "a");
    ck_assert(a->dtype == NB_F32 && a->shape.rank == 2 && a->shape.dim[0] == 2 && a->shape.dim[1] == 1);
    ck_assert(((float *)a->data)[0] == 1 && ((float *)a->data)[1] == -2);
}
END_TEST

START_TEST(nothing_in_it)
{
    ck_assert_int_eq(read_file("{}", "", 0), 0);
    ck_assert_uint_eq(out.n, 0);
    ck_assert_int_eq(read_file("{\"__metadata__\":{}}", "", 0), 0);
    ck_assert_int_eq(read_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]},"
                               "\"c\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                               "\"b\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]},"
                               "\"d\":{\"dtype\":\"U8\",\"shape\":[3,0,4000000000],\"data_offsets\":[1,1]}}",
                               "\x05", 1),
                     0);
    ck_assert_uint_eq(out.n, 4);
    ck_assert_int_eq(*(int64_t *)out.v[1].t.data, 5);
}
END_TEST

static void expect_values(const char *dtype, const void *bytes, size_t size, size_t n, enum nb_dtype becomes,
                          const double *wanted)
{
    char header[200];
    snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", dtype, n,
             n * size);
    ck_assert_msg(read_file(header, bytes, n * size) == 0, "%s: %s", dtype, error.detail);
    ck_assert_int_eq(out.v[0].t.dtype, becomes);
    for (size_t i = 0; i < n; i++) {
        double v = becomes == NB_F32   ? (double)((float *)out.v[0].t.data)[i]
                   : becomes == NB_F64 ? ((double *)out.v[0].t.data)[i]
                                       : (double)((int64_t *)out.v[0].t.data)[i];
        ck_assert_msg((isnan(v) && isnan(wanted[i])) || (v == wanted[i] && signbit(v) == signbit(wanted[i])),
                      "%s %zu: %g instead of %g", dtype, i, v, wanted[i]);
    }
}

START_TEST(types)
{
    static const uint16_t f16[] = {0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001,
                                   0x03ff, 0x0400, 0x7c00, 0xfc00, 0x7e00, 0x3555};
    static const uint16_t bf16[] = {0x0000, 0x8000, 0x3f80, 0xc000, 0x7f80, 0xff80, 0x7fc0, 0x4049, 0x0001};
    static const float f32[] = {0.1f, -0.0f, INFINITY};
    static const double f64[] = {0.1, -0.0, -INFINITY};
    static const int8_t i8[] = {-128, 127};
    static const int16_t i16[] = {-32768, 32767};
    static const int32_t i32[] = {INT32_MIN, INT32_MAX};
    static const int64_t i64[] = {-(INT64_C(1) << 53), INT64_C(1) << 53};
    static const uint8_t u8[] = {0, 255}, truth[] = {0, 1, 1};
    static const uint16_t u16[] = {0, 65535};
    static const uint32_t u32[] = {0, UINT32_MAX};
    static const uint64_t u64[] = {0, UINT64_C(1) << 53};
    expect_values(
        "F16", f16, 2, 12, NB_F32,
        (double[]){0, -0.0, 1, -2, 65504, 0x1p-24, 1023 * 0x1p-24, 0x1p-14, INFINITY, -INFINITY, NAN, 1365 * 0x1p-12});
    expect_values("BF16", bf16, 2, 9, NB_F32, (double[]){0, -0.0, 1, -2, INFINITY, -INFINITY, NAN, 3.140625, 0x1p-133});
    expect_values("F32", f32, 4, 3, NB_F32, (double[]){(double)0.1f, -0.0, INFINITY});
    expect_values("F64", f64, 8, 3, NB_F64, (double[]){0.1, -0.0, -INFINITY});
    expect_values("I8", i8, 1, 2, NB_I64, (double[]){-128, 127});
    expect_values("I16", i16, 2, 2, NB_I64, (double[]){-32768, 32767});
    expect_values("I32", i32, 4, 2, NB_I64, (double[]){INT32_MIN, INT32_MAX});
    expect_values("I64", i64, 8, 2, NB_I64, (double[]){-0x1p53, 0x1p53});
    expect_values("U8", u8, 1, 2, NB_I64, (double[]){0, 255});
    expect_values("U16", u16, 2, 2, NB_I64, (double[]){0, 65535});
    expect_values("U32", u32, 4, 2, NB_I64, (double[]){0, UINT32_MAX});
    expect_values("U64", u64, 8, 2, NB_I64, (double[]){0, 0x1p53});
    expect_values("BOOL", truth, 1, 3, NB_I64, (double[]){0, 1, 1});
}
END_TEST

/* ---- refusals, in the order of the checks -------------------------------------------------------------------------
 */

#define F32(name, shape, begin, end)                                                                                   \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" #begin "," #end "]}"

static const struct refusal {
    const char *header;
    size_t data;
    const char *says;
} refusals[] = {
    /* the header's text */
    {"", 0, "one JSON object"},
    {" {}", 0, "one JSON object"},
    {"[]", 0, "one JSON object"},
    {"{}\n", 0, "one JSON object"},
    {"{} {}", 0, "not JSON"},
    {"{", 0, "one JSON object"},
    {"{\"a\":1]}", 0, "not JSON"},
    {"{\"\xff\":1}", 0, "not JSON"},
    {"{" F32("a", "1", 0, 4) "," F32("a", "1", 4, 8) "}", 8, "duplicate"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "duplicate"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "duplicate"},
    /* each entry */
    {"{\"__metadata__\":[]}", 0, "map of strings"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "map of strings"},
    {"{\"a\":1}", 0, "tensor a: its entry"},
    {"{\"a\":[]}", 0, "tensor a: its entry"},
    {"{\"a\":{}}", 0, "tensor a: its entry"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "tensor a: its entry"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"offsets\":[0,4]}}", 4, "tensor a: its entry"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "tensor a: its entry"},
    {"{\"a\\nb\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "control characters"},
    {"{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor a: the dtype f32"},
    {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "tensor a: the dtype F8_E4M3"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, "tensor a: the dtype F4"},
    {"{\"a\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "tensor a: the dtype C64"},
    {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor a: the dtype"},
    {"{" F32("a", "1.0", 0, 4) "}", 4, "tensor a: the shape"},
    {"{" F32("a", "-1", 0, 4) "}", 4, "tensor a: the shape"},
    {"{" F32("a", "\"1\"", 0, 4) "}", 4, "tensor a: the shape"},
    {"{" F32("a", "99999999999999999999", 0, 4) "}", 4, "not JSON"},
    {"{" F32("a", "1,1,1,1,1,1,1,1,1", 0, 4) "}", 4, "8 dimensions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "tensor a: data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "tensor a: data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4, "tensor a: data_offsets"},
    {"{" F32("a", "1", 4, 0) "}", 4, "tensor a: data_offsets"},
    {"{" F32("a", "1", -4, 0) "}", 4, "tensor a: data_offsets"},
    /* sizes */
    {"{" F32("a", "65536,65536", 0, 4) "}", 4, "tensor a: it has more than"},
    {"{" F32("a", "4294967296,4294967297", 0, 4) "}", 4, "tensor a: it has more than"},
    {"{" F32("a", "9223372036854775807,2", 0, 4) "}", 4, "tensor a: it has more than"},
    {"{" F32("a", "2", 0, 4) "}", 4, "make 8 bytes, the offsets 4"},
    {"{" F32("a", "", 0, 8) "}", 8, "make 4 bytes, the offsets 8"},
    {"{" F32("a", "0", 0, 4) "}", 4, "make 0 bytes, the offsets 4"},
    {"{" F32("a", "1", 0, 3) "}", 3, "make 4 bytes, the offsets 3"},
    /* layout */
    {"{" F32("a", "1", 4, 8) "}", 8, "tensor a: its data begin at 4, those before end at 0"},
    {"{" F32("a", "1", 0, 4) "," F32("b", "1", 8, 12) "}", 12, "tensor b: its data begin at 8"},
    {"{" F32("a", "2", 0, 8) "," F32("b", "1", 4, 8) "}", 8, "tensor b: its data begin at 4"},
    {"{" F32("a", "1", 0, 4) "," F32("b", "1", 0, 4) "}", 4, "its data begin at 0"},
    {"{" F32("a", "1", 0, 4) "}", 3, "tensor a, the last, ends at byte 4 of 3"},
    {"{" F32("a", "1", 0, 4) "}", 5, "tensor a, the last, ends at byte 4 of 5"},
    {"{}", 1, "ends at byte 0 of 1"},
};

START_TEST(refused)
{
    static const char data[64];
    const struct refusal *r = &refusals[_i];
    ck_assert_msg(read_file(r->header, data, r->data) == -1, "%s is taken", r->header);
    ck_assert_msg(error.code == NB_E_bad_file, "%s: %s", r->header, nb_code_name(error.code));
    ck_assert_msg(strstr(error.detail, r->says) != NULL, "%s: %s", r->header, error.detail);
}
END_TEST

START_TEST(frame)
{
    static const struct {
        uint64_t size;
        size_t length;
    } rows[] = {{2, 0},          {2, 7},        {2, 8}, {2, 9}, {3, 10}, {UINT64_MAX, 10}, {UINT64_MAX - 7, 10},
                {100000001, 10}, {1u << 31, 10}};
    char file[16] = "........{}";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memcpy(file, &rows[i].size, 8);
        ck_assert_int_eq(read_bytes(file, rows[i].length), -1);
        ck_assert_int_eq(error.code, NB_E_bad_file);
    }
    memcpy(file, &(uint64_t){2}, 8);
    ck_assert_int_eq(read_bytes(file, 10), 0);
}
END_TEST

START_TEST(nul_in_header)
{
    static const char file[] = "\x04\0\0\0\0\0\0\0{}\0}";
    ck_assert_int_eq(read_bytes(file, 12), -1);
    ck_assert_ptr_nonnull(strstr(error.detail, "NUL"));
}
END_TEST

START_TEST(values_refused)
{
    static const uint64_t u64[] = {1, UINT64_C(1) << 63};
    ck_assert_int_eq(read_file("{\"n\":{\"dtype\":\"U64\",\"shape\":[2],\"data_offsets\":[0,16]}}", u64, 16), -1);
    ck_assert_ptr_nonnull(strstr(error.detail, "tensor n: entry 1"));
    ck_assert_int_eq(read_file("{\"t\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]}}", "\1\0\2", 3), -1);
    ck_assert_ptr_nonnull(strstr(error.detail, "tensor t: entry 2"));
}
END_TEST

START_TEST(limits)
{
    struct nb_limits saved = nb_limits;
    nb_limits.tensors = 1;
    ck_assert_int_eq(read_file("{" F32("a", "1", 0, 4) "," F32("b", "1", 4, 8) "}", "12345678", 8), -1);
    ck_assert(error.code == NB_E_limit && strcmp(error.option, "--limit-tensors") == 0);
    nb_limits = saved;
    nb_limits.json = 50;
    ck_assert_int_eq(read_file("{" F32("a", "1", 0, 4) "}", "1234", 4), -1);
    ck_assert(error.code == NB_E_limit && strcmp(error.option, "--limit-json") == 0);
    nb_limits.json = 1024;
    char header[1024] = "{\"a\":[", *p = header + 6; /* 300 objects: a tree of 20 KB */
    while (p < header + 900)
        p = stpcpy(p, "{},");
    strcpy(p, "{}]}");
    ck_assert_int_eq(read_file(header, "", 0), -1);
    ck_assert_int_eq(error.code, NB_E_limit);
    nb_limits = saved;
    nb_limits.memory = 1 << 20;
    setup();
    char *big = calloc(1, 3 << 20);
    ck_assert_int_eq(
        read_file("{\"a\":{\"dtype\":\"U8\",\"shape\":[200000],\"data_offsets\":[0,200000]}}", big, 200000), -1);
    ck_assert(error.code == NB_E_limit && strcmp(error.option, "--limit-memory") == 0);
    free(big);
    nb_limits = saved;
}
END_TEST

/* Every beginning of a file is refused, and so is a file with a byte behind it. */
START_TEST(cut_off)
{
    char file[200];
    const char *header = "{" F32("a", "1", 0, 4) "," F32("b", "2", 4, 12) "}";
    size_t n = strlen(header);
    memcpy(file, &(uint64_t){n}, 8);
    memcpy(file + 8, header, n);
    memset(file + 8 + n, 0, 20);
    ck_assert_int_eq(read_bytes(file, 8 + n + 12), 0);
    for (size_t i = 0; i < 8 + n + 20; i++)
        ck_assert(i == 8 + n + 12 || (read_bytes(file, i) == -1 && error.code == NB_E_bad_file));
}
END_TEST

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

static void add(struct nb_tensors *l, const char *name, enum nb_dtype dtype, struct nb_shape s, unsigned seed)
{
    struct nb_tensor t;
    ck_assert_int_eq(nb_tensor_new(&arena, dtype, &s, &t, &error), 0);
    size_t n = (size_t)nb_count(&s) * nb_dtype_size(dtype);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)t.data)[i] = dtype == NB_BOOL ? (i + seed) % 3 == 0 : (uint8_t)((i + 1) * seed * 151 >> 3);
    ck_assert_int_eq(nb_tensors_add(&arena, l, name, t, &error), 0);
}

START_TEST(bytes_written)
{
    static const float f[] = {1, -2};
    static const double d = 1.5;
    struct nb_tensors l = {0};
    struct nb_fact facts[] = {{"loss", "0.5", true}, {"a\"b", "c", false}};
    nb_tensors_add(&arena, &l, "z", (struct nb_tensor){NB_F32, nb_shape_of(2, (int64_t)2, (int64_t)1), (void *)f},
                   &error);
    nb_tensors_add(&arena, &l, "e", (struct nb_tensor){NB_F32, nb_shape_of(1, (int64_t)0), (void *)f}, &error);
    nb_tensors_add(&arena, &l, "s", (struct nb_tensor){NB_F64, nb_shape_of(0), (void *)&d}, &error);
    void *bytes;
    size_t n;
    ck_assert_int_eq(nb_safetensors_write(&l, facts, 2, &arena, &bytes, &n, &error), 0);
    const char *header = "{\"__metadata__\":{\"loss\":\"0.5\",\"a\\\"b\":\"c\"},"
                         "\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
                         "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]},"
                         "\"z\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[8,16]}}";
    uint64_t size;
    memcpy(&size, bytes, 8);
    ck_assert_uint_eq(size % 8, 0);
    ck_assert_uint_eq(size, (strlen(header) + 7) / 8 * 8);
    ck_assert_uint_eq(n, 8 + size + 16);
    char *p = (char *)bytes + 8;
    ck_assert_int_eq(memcmp(p, header, strlen(header)), 0);
    for (size_t i = strlen(header); i < size; i++)
        ck_assert_int_eq(p[i], ' ');
    ck_assert_int_eq(memcmp(p + size, &d, 8), 0);
    ck_assert_int_eq(memcmp(p + size + 8, f, 8), 0);
}
END_TEST

START_TEST(empty_written)
{
    struct nb_tensors l = {0};
    void *bytes;
    size_t n;
    ck_assert_int_eq(nb_safetensors_write(&l, NULL, 0, &arena, &bytes, &n, &error), 0);
    ck_assert_uint_eq(n, 16);
    ck_assert_int_eq(memcmp(bytes, "\x08\0\0\0\0\0\0\0{}      ", 16), 0);
    ck_assert_int_eq(nb_safetensors_read(bytes, n, &arena, &out, &error), 0);
}
END_TEST

START_TEST(complex_is_refused)
{
    struct nb_tensors l = {0};
    void *bytes;
    size_t n;
    add(&l, "c", NB_C128, nb_shape_of(1, (int64_t)2), 1);
    ck_assert_int_eq(nb_safetensors_write(&l, NULL, 0, &arena, &bytes, &n, &error), -1);
    ck_assert_int_eq(error.code, NB_E_internal);
}
END_TEST

START_TEST(round_trip)
{
    struct nb_tensors l = {0}, back = {0};
    add(&l, "fc.weight", NB_F32, nb_shape_of(2, (int64_t)37, (int64_t)11), 3);
    add(&l, "fc.bias", NB_F32, nb_shape_of(1, (int64_t)37), 5);
    add(&l, "d", NB_F64, nb_shape_of(3, (int64_t)2, (int64_t)3, (int64_t)4), 7);
    add(&l, "\xc3\xa9/\"x\\", NB_I64, nb_shape_of(0), 9);
    add(&l, "i", NB_I32, nb_shape_of(1, (int64_t)3), 11);
    add(&l, "b", NB_BOOL, nb_shape_of(1, (int64_t)5), 13);
    add(&l, "none", NB_F32, nb_shape_of(2, (int64_t)0, (int64_t)9), 15);
    void *bytes;
    size_t n;
    ck_assert_int_eq(nb_safetensors_write(&l, NULL, 0, &arena, &bytes, &n, &error), 0);
    ck_assert_msg(nb_safetensors_read(bytes, n, &arena, &back, &error) == 0, "%s", error.detail);
    ck_assert_uint_eq(back.n, l.n);
    for (size_t i = 0; i < l.n; i++) {
        const struct nb_tensor *a = &l.v[i].t, *b = nb_tensors_find(&back, l.v[i].name);
        ck_assert_msg(b != NULL, "%s", l.v[i].name);
        ck_assert_int_eq(nb_shape_same(&a->shape, &b->shape), 1);
        size_t count = (size_t)nb_count(&a->shape);
        if (a->dtype == NB_I32 || a->dtype == NB_BOOL) {
            int64_t wide[8];
            nb_convert(NB_I64, wide, a->dtype, a->data, count);
            ck_assert_int_eq(b->dtype, NB_I64);
            ck_assert_int_eq(memcmp(wide, b->data, 8 * count), 0);
        } else {
            ck_assert_int_eq(b->dtype, a->dtype);
            ck_assert_int_eq(memcmp(a->data, b->data, count * nb_dtype_size(a->dtype)), 0);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("safetensors");
    TCase *c = tcase_create("safetensors");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, by_hand);
    tcase_add_test(c, nothing_in_it);
    tcase_add_test(c, types);
    tcase_add_loop_test(c, refused, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(c, frame);
    tcase_add_test(c, nul_in_header);
    tcase_add_test(c, values_refused);
    tcase_add_test(c, limits);
    tcase_add_test(c, cut_off);
    tcase_add_test(c, bytes_written);
    tcase_add_test(c, empty_written);
    tcase_add_test(c, complex_is_refused);
    tcase_add_test(c, round_trip);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
