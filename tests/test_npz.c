/* test_npz.c - npy and npz: bytes by hand, every refusal, round trips, and archives of archives. */
#include "nabla/limits.h"
#include "wire/npy.h"
#include "wire/npz.h"
#include "wire/zip.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static struct nb_arena arena;
static struct nb_error error;
static struct nb_tensors out;
static struct nb_tensor tensor;

static void setup(void)
{
    nb_arena_init(&arena, (size_t)nb_limits.memory);
    error = (struct nb_error){0};
    out = (struct nb_tensors){0};
    tensor = (struct nb_tensor){0};
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static void again(void)
{
    teardown();
    setup();
}

/* From a copy of exactly n bytes at an odd address, where sanitizers watch. */
static char *odd_copy(const void *bytes, size_t n)
{
    char *copy = malloc(n + 1);
    memcpy(copy + 1, bytes, n);
    return copy;
}

static int read_npy(const void *bytes, size_t n)
{
    char *copy = odd_copy(bytes, n);
    again();
    int r = nb_npy_read(copy + 1, n, &arena, &tensor, &error);
    free(copy);
    ck_assert_int_eq(r, error.code ? -1 : 0);
    return r;
}

static int read_npz(const void *bytes, size_t n)
{
    char *copy = odd_copy(bytes, n);
    again();
    int r = nb_npz_read(copy + 1, n, &arena, &out, &error);
    free(copy);
    ck_assert_int_eq(r, error.code ? -1 : 0);
    return r;
}

/* An npy of this dict and these data, of any version. Returns its size. */
static size_t make_npy(char *file, int version, const char *dict, const void *data, size_t n)
{
    size_t size = strlen(dict), prefix = version == 1 ? 10 : 12;
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (char)version;
    file[7] = 0;
    for (size_t i = 8; i < prefix; i++)
        file[i] = (char)(size >> 8 * (i - 8));
    memcpy(file + prefix, dict, size);
    memcpy(file + prefix + size, data, n);
    return prefix + size + n;
}

static int read_dict(int version, const char *dict, const void *data, size_t n)
{
    char *file = malloc(strlen(dict) + n + 12);
    size_t size = make_npy(file, version, dict, data, n);
    int r = read_npy(file, size);
    free(file);
    return r;
}

/* ---- npy: what is taken ------------------------------------------------------------------------------------------ */

START_TEST(by_hand)
{
    static const float v[] = {1, -2, 3, 4, 5, 6};
    static const char *const dicts[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }                  \n",
        "{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":False}",
        " { 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , 'descr' : '=f4' } \n",
    };
    for (int version = 1; version <= 3; version++)
        for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++) {
            ck_assert_msg(read_dict(version, dicts[i], v, sizeof v) == 0, "%s: %s", dicts[i], error.detail);
            ck_assert(tensor.dtype == NB_F32 && tensor.shape.rank == 2);
            ck_assert(tensor.shape.dim[0] == 2 && tensor.shape.dim[1] == 3);
            ck_assert_int_eq(memcmp(tensor.data, v, sizeof v), 0);
        }
    ck_assert_int_eq(read_dict(1, "{'descr':'<f4','fortran_order':False,'shape':()}", v, 4), 0);
    ck_assert(tensor.shape.rank == 0 && *(float *)tensor.data == 1);
    ck_assert_int_eq(read_dict(1, "{'descr':'<f4','fortran_order':True,'shape':(3,)}", v, 12), 0);
    ck_assert(tensor.shape.rank == 1 && ((float *)tensor.data)[1] == -2);
    ck_assert_int_eq(read_dict(1, "{'descr':'<f4','fortran_order':True,'shape':(4000000000, 4000000000, 0, 9)}", v, 0),
                     0);
    ck_assert_int_eq(tensor.shape.rank, 4);
}
END_TEST

/* Entry [i, j, k] of a 2 x 3 x 4 tensor has the value 100 i + 10 j + k. */
START_TEST(fortran)
{
    double v[24];
    for (int i = 0; i < 24; i++)
        v[i] = 100 * (i % 2) + 10 * (i / 2 % 3) + i / 6;
    ck_assert_int_eq(read_dict(1, "{'descr':'<f8','fortran_order':True,'shape':(2, 3, 4)}", v, sizeof v), 0);
    for (int i = 0; i < 24; i++)
        ck_assert(((double *)tensor.data)[i] == 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4);
}
END_TEST

static void expect_values(const char *descr, const void *bytes, size_t size, size_t n, enum nb_dtype becomes,
                          const double *wanted)
{
    char dict[100];
    snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }\n", descr, n);
    ck_assert_msg(read_dict(1, dict, bytes, n * size) == 0, "%s: %s", descr, error.detail);
    ck_assert_int_eq(tensor.dtype, becomes);
    for (size_t i = 0; i < n; i++) {
        double v = becomes == NB_F32   ? (double)((float *)tensor.data)[i]
                   : becomes == NB_F64 ? ((double *)tensor.data)[i]
                                       : (double)((int64_t *)tensor.data)[i];
        ck_assert_msg((isnan(v) && isnan(wanted[i])) || (v == wanted[i] && signbit(v) == signbit(wanted[i])),
                      "%s %zu: %g instead of %g", descr, i, v, wanted[i]);
    }
}

START_TEST(types)
{
    expect_values("<f2", "\0\x3c\0\xc0\x01\0\0\x7e", 2, 4, NB_F32, (double[]){1, -2, 0x1p-24, NAN});
    expect_values(">f2", "\x3c\0\xc0\0\0\x01", 2, 3, NB_F32, (double[]){1, -2, 0x1p-24});
    expect_values("<f4", "\0\0\x80\x3f\0\0\0\x80", 4, 2, NB_F32, (double[]){1, -0.0});
    expect_values(">f4", "\x3f\x80\0\0\x80\0\0\0", 4, 2, NB_F32, (double[]){1, -0.0});
    expect_values("<f8", "\0\0\0\0\0\0\xf8\x3f", 8, 1, NB_F64, (double[]){1.5});
    expect_values(">f8", "\x3f\xf8\0\0\0\0\0\0", 8, 1, NB_F64, (double[]){1.5});
    expect_values("|i1", "\x80\x7f", 1, 2, NB_I64, (double[]){-128, 127});
    expect_values("<i1", "\xff", 1, 1, NB_I64, (double[]){-1});
    expect_values("|u1", "\0\xff", 1, 2, NB_I64, (double[]){0, 255});
    expect_values("<i2", "\x01\0\xff\xff", 2, 2, NB_I64, (double[]){1, -1});
    expect_values(">i2", "\0\x01\xff\xfe", 2, 2, NB_I64, (double[]){1, -2});
    expect_values("<u2", "\xff\xff", 2, 1, NB_I64, (double[]){65535});
    expect_values("<i4", "\xfe\xff\xff\xff", 4, 1, NB_I64, (double[]){-2});
    expect_values(">u4", "\xff\xff\xff\xfe", 4, 1, NB_I64, (double[]){4294967294});
    expect_values("<i8", "\xfd\xff\xff\xff\xff\xff\xff\xff", 8, 1, NB_I64, (double[]){-3});
    expect_values(">i8", "\0\0\0\0\0\0\x01\x02", 8, 1, NB_I64, (double[]){258});
    expect_values("<u8", "\x07\0\0\0\0\0\0\0", 8, 1, NB_I64, (double[]){7});
    expect_values("|b1", "\0\x01", 1, 2, NB_I64, (double[]){0, 1});
}
END_TEST

/* ---- npy: refusals ----------------------------------------------------------------------------------------------- */

#define DICT(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"
#define F4(shape) DICT("'<f4'", "False", shape)

static const struct refusal {
    const char *dict;
    size_t data;
    const char *says;
} refusals[] = {
    {DICT("'|O'", "False", "(1,)"), 8, "pickle"},
    {DICT("'O'", "False", "(1,)"), 8, "descr"},
    {DICT("'<c8'", "False", "(1,)"), 8, "complex"},
    {DICT("'<c16'", "False", "(1,)"), 16, "complex"},
    {DICT("'<U3'", "False", "(1,)"), 12, "texts"},
    {DICT("'|S3'", "False", "(1,)"), 3, "texts"},
    {DICT("'<M8[ns]'", "False", "(1,)"), 8, "dates"},
    {DICT("'<m8[s]'", "False", "(1,)"), 8, "times"},
    {DICT("'|V4'", "False", "(1,)"), 4, "structures"},
    {DICT("[('a', '<f4'), ('b', '<i4')]", "False", "(1,)"), 8, "structures"},
    {DICT("'<f16'", "False", "(1,)"), 16, "floats of a size"},
    {DICT("'<g4'", "False", "(1,)"), 4, "something unknown"},
    {DICT("'|f4'", "False", "(1,)"), 4, "descr |f4"},
    {DICT("'<f4 '", "False", "(1,)"), 4, "descr"},
    {DICT("'<f'", "False", "(1,)"), 4, "descr"},
    {DICT("'<'", "False", "(1,)"), 4, "name of a type"},
    {DICT("''", "False", "(1,)"), 4, "name of a type"},
    {DICT("4", "False", "(1,)"), 4, "name of a type"},
    {DICT("'<f4'", "0", "(1,)"), 4, "True or False"},
    {DICT("'<f4'", "false", "(1,)"), 4, "True or False"},
    {DICT("'<f4'", "Falsehood", "(1,)"), 4, "not the dict"},
    {F4("(-1,)"), 4, "shape is a tuple"},
    {F4("(1.0,)"), 4, "shape is a tuple"},
    {F4("(1)"), 4, "comma"},
    {F4("[1]"), 4, "shape is a tuple"},
    {F4("(1,,)"), 4, "shape is a tuple"},
    {F4("(,)"), 4, "shape is a tuple"},
    {F4("(1 1)"), 4, "shape is a tuple"},
    {F4("(99999999999999999999,)"), 4, "shape is a tuple"},
    {F4("(1,1,1,1,1,1,1,1,1)"), 4, "8 dimensions"},
    {F4("(65536, 65536)"), 4, "more than"},
    {F4("(4294967296, 4294967297)"), 4, "more than"},
    {F4("(2,)"), 4, "make 8 bytes of data, there are 4"},
    {F4("(1,)"), 5, "make 4 bytes of data, there are 5"},
    {F4("()"), 8, "make 4 bytes of data, there are 8"},
    {F4("(0,)"), 4, "make 0 bytes"},
    {"{'descr': '<f4', 'fortran_order': False, }", 4, "lacks"},
    {"{}", 0, "lacks"},
    {"", 0, "not the dict"},
    {"   \n", 0, "not the dict"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "descr is in the header twice"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "not x"},
    {"{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", 4, "not the dict"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} 1", 4, "behind the header"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4, "not the dict"},
    {"{'descr': '<f4", 4, "name of a type"},
    {"{descr: '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "not the dict"},
    {"__import__('os').system('true')", 4, "not the dict"},
    {"{'shape': (1,), 'descr': '<f4', 'fortran_order': __import__('os')}", 4, "True or False"},
    {DICT("'|b1'", "False", "(4,)"), 4, "entry 0 is no b1"},
    {DICT("'<u8'", "False", "(1,)"), 8, "entry 0 is no u8"},
};

START_TEST(refused)
{
    const struct refusal *r = &refusals[_i];
    static const char data[32] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    for (int version = 1; version <= 3; version++) {
        ck_assert_msg(read_dict(version, r->dict, data, r->data) == -1, "%s", r->dict);
        ck_assert_int_eq(error.code, NB_E_bad_file);
        ck_assert_msg(strstr(error.detail, r->says) != NULL, "%s: %s", r->dict, error.detail);
    }
}
END_TEST

START_TEST(frames_refused)
{
    char file[20100], *dict = malloc(20000);
    size_t n = make_npy(file, 1, F4("(1,)"), "1234", 4);
    ck_assert_int_eq(read_npy(file, n), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert(read_npy(file, i) == -1 && error.code == NB_E_bad_file);
    ck_assert_int_eq(read_npy(file, n + 1), -1);
    for (char v = 0; v < 6; v++) {
        file[6] = v;
        ck_assert_int_eq(read_npy(file, n), v == 1 ? 0 : -1);
    }
    file[6] = 1;
    file[7] = 1;
    ck_assert_int_eq(read_npy(file, n), -1);
    ck_assert_ptr_nonnull(strstr(error.detail, "version 1.1"));
    memset(dict, ' ', 19999);
    memcpy(dict, F4("(1,)"), strlen(F4("(1,)")) - 1);
    dict[10000] = 0;
    ck_assert_int_eq(read_dict(2, dict, "1234", 4), 0);
    dict[10000] = ' ';
    dict[10001] = 0;
    ck_assert_int_eq(read_dict(2, dict, "1234", 4), -1);
    ck_assert_ptr_nonnull(strstr(error.detail, "10001"));
    free(dict);
    ck_assert_int_eq(read_npy("\x93NUMPY\2\0\xff\xff\xff\xff", 12), -1);
}
END_TEST

/* ---- writing and round trips ------------------------------------------------------------------------------------- */

static struct nb_tensor make(enum nb_dtype dtype, struct nb_shape s, unsigned seed)
{
    struct nb_tensor t;
    ck_assert_int_eq(nb_tensor_new(&arena, dtype, &s, &t, &error), 0);
    size_t n = (size_t)nb_count(&s) * nb_dtype_size(dtype);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)t.data)[i] = dtype == NB_BOOL ? (i + seed) % 3 == 0 : (uint8_t)((i + 1) * seed * 151 >> 3);
    return t;
}

static void add(struct nb_tensors *l, const char *name, enum nb_dtype dtype, struct nb_shape s, unsigned seed)
{
    ck_assert_int_eq(nb_tensors_add(&arena, l, name, make(dtype, s, seed), &error), 0);
}

static void expect_same(const struct nb_tensor *a, const struct nb_tensor *b)
{
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

START_TEST(bytes_of_npy)
{
    static const double v[6] = {1.5, -2};
    struct nb_tensor t = {NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)3), (void *)v};
    const char *wanted = "\x93NUMPY\x01\0\x76\0{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }";
    void *bytes;
    size_t n;
    ck_assert_int_eq(nb_npy_write(&t, &arena, &bytes, &n, &error), 0);
    ck_assert_uint_eq(n, 128 + sizeof v);
    ck_assert_int_eq(memcmp(bytes, wanted, 10 + strlen(wanted + 10)), 0);
    ck_assert(((char *)bytes)[126] == ' ' && ((char *)bytes)[127] == '\n');
    ck_assert_int_eq(memcmp((char *)bytes + 128, v, sizeof v), 0);
    t.dtype = NB_C128;
    ck_assert_int_eq(nb_npy_write(&t, &arena, &bytes, &n, &error), -1);
    ck_assert_int_eq(error.code, NB_E_internal);
}
END_TEST

START_TEST(round_trip)
{
    struct nb_tensors l = {0}, back = {0};
    struct nb_fact facts[] = {{"loss", "0.5", true}, {"a\"b", "c", false}};
    struct nb_shape longest = {8, {1, 1000000000, 0, 1000000000, 1000000000, 1000000000, 1000000000, 1000000000}};
    add(&l, "fc.weight", NB_F32, nb_shape_of(2, (int64_t)37, (int64_t)11), 3);
    add(&l, "inputs/d", NB_F64, nb_shape_of(3, (int64_t)2, (int64_t)3, (int64_t)4), 7);
    add(&l, "\xc3\xa9", NB_I64, nb_shape_of(0), 9);
    add(&l, "i", NB_I32, nb_shape_of(1, (int64_t)3), 11);
    add(&l, "b", NB_BOOL, nb_shape_of(1, (int64_t)5), 13);
    add(&l, "none", NB_F32, longest, 15);
    void *bytes, *twice;
    size_t n, m;
    ck_assert_int_eq(nb_npz_write(&l, facts, 2, &arena, &bytes, &n, &error), 0);
    ck_assert_int_eq(nb_npz_write(&l, facts, 2, &arena, &twice, &m, &error), 0);
    ck_assert(n == m && memcmp(bytes, twice, n) == 0);
    ck_assert_ptr_nonnull(memmem(bytes, n, "{\"loss\":0.5,\"a\\\"b\":\"c\"}\n", 24));
    ck_assert_msg(nb_npz_read(bytes, n, &arena, &back, &error) == 0, "%s", error.detail);
    ck_assert_uint_eq(back.n, l.n);
    for (size_t i = 0; i < l.n; i++) {
        ck_assert_str_eq(back.v[i].name, l.v[i].name);
        expect_same(&l.v[i].t, &back.v[i].t);
    }
    l.n = 0;
    ck_assert_int_eq(nb_npz_write(&l, NULL, 0, &arena, &bytes, &n, &error), 0);
    ck_assert_uint_eq(n, 22);
    ck_assert_int_eq(read_npz(bytes, n), 0);
    ck_assert_uint_eq(out.n, 0);
}
END_TEST

/* ---- npz: refusals ----------------------------------------------------------------------------------------------- */

/* An archive by hand: each member's records say what the test wants. */
struct made {
    const char *name;
    const char *data;       /* as it lies in the archive */
    size_t n, says;         /* its size, the size it says it has */
    int method, flags, crc; /* crc: 0 the right one of `whole`, else wrong */
    const char *whole;      /* what it inflates to */
    size_t nwhole;
};

static char *put(char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++, v >>= 8)
        *p++ = (char)v;
    return p;
}

static char *put_record(char *p, const struct made *m, bool central, size_t at)
{
    uint32_t sum = (uint32_t)crc32(0, (const Bytef *)m->whole, (uInt)m->nwhole);
    p = put(p, central ? 0x02014b50 : 0x04034b50, 4);
    p = put(p, 20, central ? 2 : 0);
    p = put(put(put(p, 20, 2), (uint64_t)m->flags, 2), (uint64_t)m->method, 2);
    p = put(put(p, 0x210000, 4), m->crc ? ~sum : sum, 4);
    p = put(put(put(put(p, m->n, 4), m->says, 4), strlen(m->name), 2), 0, 2);
    if (central)
        p = put(put(put(p, 0, 6), 0, 4), at, 4);
    return stpcpy(p, m->name);
}

static size_t make_zip(char *file, const struct made *m, size_t n)
{
    size_t at[10];
    char *p = file;
    for (size_t i = 0; i < n; i++) {
        at[i] = (size_t)(p - file);
        p = put_record(p, &m[i], false, 0);
        memcpy(p, m[i].data, m[i].n);
        p += m[i].n;
    }
    char *directory = p;
    for (size_t i = 0; i < n; i++)
        p = put_record(p, &m[i], true, at[i]);
    size_t size = (size_t)(p - directory);
    p = put(put(put(put(p, 0x06054b50, 4), 0, 4), n, 2), n, 2);
    p = put(put(put(p, size, 4), (uint64_t)(directory - file), 4), 0, 2);
    return (size_t)(p - file);
}

static char one[200]; /* an npy of the numbers 1.5 and -2 */
static size_t none;

static struct made stored(const char *name)
{
    none = make_npy(one, 1, DICT("'<f8'", "False", "(2,)"), (double[]){1.5, -2}, 16);
    return (struct made){name, one, none, none, 0, 0, 0, one, none};
}

/* m deflated, into buf. */
static struct made deflated(struct made m, char *buf, size_t room)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)m.whole,
                  .avail_in = (uInt)m.nwhole,
                  .next_out = (Bytef *)buf,
                  .avail_out = (uInt)room};
    deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    m.data = buf;
    m.n = z.total_out;
    m.method = 8;
    deflateEnd(&z);
    return m;
}

static int read_made(const struct made *m, size_t n)
{
    char file[20000];
    return read_npz(file, make_zip(file, m, n));
}

static void expect_refused(struct made m, const char *says, const char *pointer)
{
    struct made both[] = {stored("good.npy"), m};
    ck_assert_msg(read_made(both, 2) == -1, "%s", says);
    ck_assert_int_eq(error.code, NB_E_bad_file);
    ck_assert_msg(strstr(error.detail, says) != NULL, "%s instead of %s", error.detail, says);
    ck_assert_str_eq(error.pointer, pointer);
}

START_TEST(made_by_hand)
{
    char buf[500];
    struct made m[] = {stored("a.npy"), deflated(stored("b/c.npy"), buf, sizeof buf), stored("facts.json")};
    ck_assert_msg(read_made(m, 3) == 0, "%s", error.detail);
    ck_assert_uint_eq(out.n, 2);
    ck_assert_str_eq(out.v[0].name, "a");
    ck_assert_str_eq(out.v[1].name, "b/c");
    for (int i = 0; i < 2; i++) {
        const double *v = out.v[i].t.data;
        ck_assert(v[0] == 1.5 && v[1] == -2);
    }
}
END_TEST

START_TEST(members_refused)
{
    char buf[500], objects[200];
    struct made m = deflated(stored("x.npy"), buf, sizeof buf);
    struct made lies = m;
    lies.says = none - 8;
    expect_refused(lies, "it has more", "/x.npy");
    lies.says = none + 8;
    expect_refused(lies, "it has fewer", "/x.npy");
    lies.says = 1 << 20;
    expect_refused(lies, "which cannot be", "/x.npy");
    lies.says = 0xfffffff0;
    expect_refused(lies, "which cannot be", "/x.npy");
    lies = stored("x.npy");
    lies.crc = 1;
    expect_refused(lies, "damaged", "/x.npy");
    m.crc = 1;
    expect_refused(m, "damaged", "/x.npy");
    m = stored("x.npy");
    m.method = 8;
    expect_refused(m, "damaged", "/x.npy");
    m.method = 12;
    expect_refused(m, "neither stored nor deflated (method 12)", "/x.npy");
    m = stored("x.npy");
    m.flags = 1;
    expect_refused(m, "encrypted", "/x.npy");
    m = stored("x.npy");
    m.whole = m.data = objects;
    m.n = m.says = m.nwhole = make_npy(objects, 1, DICT("'|O'", "False", "(1,)"), "cos\nsystem\n.", 12);
    expect_refused(m, "pickle", "/x.npy");
}
END_TEST

START_TEST(names_refused)
{
    static const char *const bad[] = {"../x.npy",     "/x.npy",   "a/../x.npy", "a//x.npy",  "./x.npy", "..\\x.npy",
                                      "a\\..\\x.npy", "a\nb.npy", "a\x7f.npy",  "a/./b.npy", "..",      "\x1b[2J.npy"};
    char pointer[700], longest[400];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct nb_error e = {0};
        nb_at((nb_fail(&e, NB_E_bad_file, "x"), &e), bad[i]);
        expect_refused(stored(bad[i]), "a member's name", e.pointer);
    }
    expect_refused(stored("x.txt"), "NAME.npy or facts.json", "/x.txt");
    expect_refused(stored(".npy"), "NAME.npy", "/.npy");
    expect_refused(stored("x.npz"), "NAME.npy", "/x.npz");
    expect_refused(stored("folder/"), "NAME.npy", "/folder~1");
    memset(longest, 'x', 399);
    memcpy(longest + nb_limits.name + 32 - 4, ".npy", 5);
    struct made m = stored(longest);
    ck_assert_int_eq(read_made(&m, 1), 0);
    memcpy(longest + nb_limits.name + 33 - 4, ".npy", 5);
    longest[nb_limits.name + 32 - 4] = 'x';
    snprintf(pointer, sizeof pointer, "/%s", longest);
    expect_refused(stored(longest), "1 to 287 bytes, this has 288", pointer);
    m = stored("a\xff.npy");
    ck_assert_int_eq(read_made(&m, 1), -1);
    ck_assert_ptr_nonnull(strstr(error.detail, "UTF-8"));
    struct made twice[] = {stored("x.npy"), stored("x.npy")};
    ck_assert_int_eq(read_made(twice, 2), -1);
    ck_assert_msg(strstr(error.detail, "twice") != NULL, "%s", error.detail);
}
END_TEST

/* Every beginning of an archive is refused, so are bytes behind it, in front of it, and in it. */
START_TEST(cut_off)
{
    char file[2000], longer[2100];
    struct made m[] = {stored("x.npy"), stored("yy.npy")};
    size_t n = make_zip(file, m, 2);
    ck_assert_int_eq(read_npz(file, n), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert(read_npz(file, i) == -1 && error.code == NB_E_bad_file);
    file[n] = 0;
    ck_assert_int_eq(read_npz(file, n + 1), -1);
    memcpy(longer + 30, file, n);
    memset(longer, 0, 30);
    ck_assert_int_eq(read_npz(longer, n + 30), -1);
    ck_assert_int_eq(read_npz("", 0), -1);
}
END_TEST

/* One byte changed at a time: taken or refused, but never a fault of ours. */
START_TEST(changed_bytes)
{
    char file[2000], copy[2000], buf[500];
    struct made m[] = {stored("x.npy"), deflated(stored("y.npy"), buf, sizeof buf)};
    size_t n = make_zip(file, m, 2);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 8; k++) {
            memcpy(copy, file, n);
            copy[i] = (char)(copy[i] ^ (k < 7 ? 1 << k : 0xff));
            read_npz(copy, n);
            ck_assert_msg(error.code == NB_E_none || error.code == NB_E_bad_file || error.code == NB_E_limit, "%zu: %s",
                          i, error.detail);
        }
}
END_TEST

START_TEST(records_refused)
{
    char file[2000];
    struct made m = stored("x.npy");
    size_t n = make_zip(file, &m, 1);
    static const struct {
        int back, n;
        uint64_t v;
        const char *says;
    } rows[] = {{18, 2, 1, "one part"},          {14, 2, 2, "one part"},      {12, 2, 2, "one part"},
                {10, 4, 0xffffffff, "4 GiB"},    {6, 4, 0xffffffff, "4 GiB"}, {10, 4, 10, "does not end where"},
                {6, 4, 0, "does not end where"}, {2, 2, 5, "ends with"},      {22, 4, 0, "ends with"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char copy[2000];
        memcpy(copy, file, n);
        put(copy + n - rows[i].back, rows[i].v, rows[i].n);
        ck_assert_int_eq(read_npz(copy, n), -1);
        ck_assert_msg(strstr(error.detail, rows[i].says) != NULL, "%zu: %s", i, error.detail);
    }
    put(put(file + n - 14, 65535, 2), 65535, 2);
    ck_assert_int_eq(read_npz(file, n), -1);
    put(put(file + n - 14, 60000, 2), 60000, 2); /* room for these would be made by libzip */
    ck_assert_int_eq(read_npz(file, n), -1);
    ck_assert_ptr_nonnull(strstr(error.detail, "60000 members"));
}
END_TEST

START_TEST(limits)
{
    struct nb_limits saved = nb_limits;
    struct made m[] = {stored("x.npy"), stored("y.npy"), stored("z.npy"), stored("facts.json")};
    nb_limits.tensors = 3;
    ck_assert_int_eq(read_made(m, 4), 0);
    nb_limits.tensors = 2;
    ck_assert_int_eq(read_made(m, 4), -1);
    ck_assert(error.code == NB_E_limit && strcmp(error.option, "--limit-tensors") == 0);
    nb_limits = saved;
    nb_limits.body = (int64_t)(4 * none);
    ck_assert_int_eq(read_made(m, 4), 0);
    nb_limits.body--;
    ck_assert_int_eq(read_made(m, 4), -1);
    ck_assert(error.code == NB_E_limit && strcmp(error.option, "--limit-body") == 0);
    ck_assert_str_eq(error.pointer, "/facts.json");
    nb_limits = saved;
}
END_TEST

/* 100 MB of zeros in 100 KB. */
START_TEST(bomb)
{
    enum { SIZE = 100 << 20, ROOM = 1 << 20 };
    char *whole = calloc(1, SIZE), *buf = malloc(ROOM), *file = malloc(ROOM);
    struct made m = {.name = "x.npy", .whole = whole, .nwhole = SIZE, .says = SIZE};
    make_npy(whole, 1, F4("(26214380, )"), "", 0);
    m = deflated(m, buf, ROOM - 1000);
    ck_assert_int_eq(read_npz(file, make_zip(file, &m, 1)), -1);
    ck_assert(error.code == NB_E_limit && strcmp(error.option, "--limit-body") == 0);
    m.says = 128; /* it lies */
    size_t before = arena.used;
    ck_assert_int_eq(read_npz(file, make_zip(file, &m, 1)), -1);
    ck_assert(error.code == NB_E_bad_file && strstr(error.detail, "it has more"));
    ck_assert_uint_lt(arena.used, before + (1 << 20));
    free(whole);
    free(buf);
    free(file);
}
END_TEST

/* ---- archives of archives ---------------------------------------------------------------------------------------- */

struct seen {
    char text[2000];
    size_t stop;
};

static int note(void *to, const struct nb_archived *x, struct nb_error *e)
{
    struct seen *s = to;
    char *p = s->text + strlen(s->text);
    p += sprintf(p, "%zu/%zu %s", x->index, x->count, x->name);
    for (size_t i = 0; x->tensors && i < x->tensors->n; i++)
        p += sprintf(p, " %s=%g", x->tensors->v[i].name, ((double *)x->tensors->v[i].t.data)[1]);
    ck_assert(!x->tensors == (x->fault != NULL));
    sprintf(p, "%s%s\n", x->fault ? " !" : "", x->fault ? x->fault->pointer : "");
    return x->index == s->stop ? nb_fail(e, NB_E_cancelled, "enough") : 0;
}

static int walk(const struct made *m, size_t n, size_t first, size_t stop, struct seen *s)
{
    char *file = malloc(20000);
    size_t size = make_zip(file, m, n);
    char *copy = odd_copy(file, size);
    *s = (struct seen){.stop = stop};
    error = (struct nb_error){0};
    int r = nb_archive_each(copy + 1, size, first, note, s, &error);
    ck_assert_int_eq(r, error.code ? -1 : 0);
    free(copy);
    free(file);
    return r;
}

START_TEST(archive)
{
    char inner[1000], buf[2000];
    struct made w[] = {stored("w.npy"), stored("b.npy")};
    size_t n = make_zip(inner, w, 2);
    struct made npz = {"ada.npz", inner, n, n, 0, 0, 0, inner, n}, packed, damaged = npz, odd = npz;
    packed = deflated(npz, buf, sizeof buf);
    packed.name = "group b/ben_1234_assign.npz";
    damaged.name = "cut.npz";
    damaged.crc = 1;
    odd.name = "readme.txt";
    struct made folder = {.name = "group b/", .whole = ""}, finder = npz, empty = {.name = "e.npz", .whole = ""},
                locked = npz;
    folder.data = empty.data = "";
    finder.name = "__MACOSX/._ada.npz";
    locked.name = "l.npz";
    locked.flags = 1;
    struct seen s;
    struct made all[] = {npz, folder, finder, packed, damaged, odd, empty, locked, stored("z.npz")};
    ck_assert_msg(walk(all, 9, 0, 99, &s) == 0, "%s", error.detail);
    ck_assert_str_eq(s.text, "0/7 ada w=-2 b=-2\n1/7 group b/ben_1234_assign w=-2 b=-2\n2/7 cut !/cut.npz\n"
                             "3/7 readme.txt !\n4/7 e !\n5/7 l !/l.npz\n6/7 z !\n");
    ck_assert_int_eq(walk(all, 9, 4, 5, &s), -1);
    ck_assert_int_eq(error.code, NB_E_cancelled);
    ck_assert_str_eq(s.text, "4/7 e !\n5/7 l !/l.npz\n");
    all[4].name = "../cut.npz";
    ck_assert_int_eq(walk(all, 9, 0, 99, &s), -1);
    ck_assert_str_eq(s.text, "");
    ck_assert_str_eq(error.pointer, "/..~1cut.npz");
    all[4].name = "M\x81ller.npz"; /* Windows */
    ck_assert_msg(walk(all, 5, 2, 99, &s) == 0, "%s", error.detail);
    ck_assert_str_eq(s.text, "2/3 M\xc3\xbcller !/M\xc3\xbcller.npz\n");
}
END_TEST

START_TEST(archive_limits)
{
    struct nb_limits saved = nb_limits;
    static char inner[3000], zeros[200000], buf[2000];
    make_npy(zeros, 1, F4("(49980, )"), "", 0);
    size_t whole = 10 + strlen(F4("(49980, )")) + 4 * 49980;
    struct made w = {.name = "w.npy", .whole = zeros, .nwhole = whole, .says = whole};
    w = deflated(w, buf, sizeof buf);
    size_t n = make_zip(inner, &w, 1);
    struct made m[9];
    char names[9][10];
    for (int i = 0; i < 9; i++) {
        sprintf(names[i], "%d.npz", i);
        m[i] = (struct made){names[i], inner, n, n, 0, 0, 0, inner, n};
    }
    struct seen s;
    ck_assert_int_eq(walk(m, 9, 0, 99, &s), 0);
    nb_limits.body = (int64_t)whole - 1;
    ck_assert_int_eq(walk(m, 1, 0, 99, &s), 0);
    ck_assert_str_eq(s.text, "0/1 0 !/w.npy\n"); /* too large for one */
    nb_limits.body = (int64_t)(9 * n / 4);
    ck_assert_int_eq(walk(m, 9, 0, 99, &s), -1);
    ck_assert(error.code == NB_E_limit && strcmp(error.option, "--limit-body") == 0);
    nb_limits = saved;
}
END_TEST

int main(void)
{
    Suite *s = suite_create("npz");
    TCase *c = tcase_create("npz");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, by_hand);
    tcase_add_test(c, fortran);
    tcase_add_test(c, types);
    tcase_add_loop_test(c, refused, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(c, frames_refused);
    tcase_add_test(c, bytes_of_npy);
    tcase_add_test(c, round_trip);
    tcase_add_test(c, made_by_hand);
    tcase_add_test(c, members_refused);
    tcase_add_test(c, names_refused);
    tcase_add_test(c, cut_off);
    tcase_add_test(c, changed_bytes);
    tcase_add_test(c, records_refused);
    tcase_add_test(c, limits);
    tcase_add_test(c, bomb);
    tcase_add_test(c, archive);
    tcase_add_test(c, archive_limits);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
