/* test_table.c - CSV and IDX, as text and bytes written here by hand; gzip as zlib writes it. */
#include "wire/csv.h"
#include "wire/gzip.h"
#include "wire/idx.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct nb_arena arena;
static struct nb_error error;
static struct nb_tensors got;

static void begin(void)
{
    nb_arena_init(&arena, 1 << 24);
    error = (struct nb_error){0};
    got = (struct nb_tensors){0};
}

static void end(void)
{
    nb_arena_done(&arena);
}

static int csv(const char *text, const char *columns, enum nb_csv_head head)
{
    got = (struct nb_tensors){0};
    error = (struct nb_error){0};
    return nb_csv_read(text, strlen(text), &(struct nb_csv){head, columns}, &arena, &got, &error);
}

static void column(size_t i, const char *name, int64_t rows, int64_t width, const double *v)
{
    const struct nb_tensor *t = &got.v[i].t;
    ck_assert_str_eq(got.v[i].name, name);
    ck_assert_int_eq(t->shape.rank, width ? 2 : 1);
    ck_assert_int_eq(t->shape.dim[0], rows);
    ck_assert(!width || t->shape.dim[1] == width);
    ck_assert(!memcmp(t->data, v, (size_t)(rows * (width ? width : 1)) * sizeof *v));
}

START_TEST(named)
{
    ck_assert_int_eq(csv("a,\"b\"\"c\"\n1,-2.5e-1\r\n\n+3 , .5\n4.,\"5\"", NULL, NB_CSV_SEE), 0);
    ck_assert_uint_eq(got.n, 2);
    column(0, "a", 3, 0, (double[]){1, 3, 4});
    column(1, "b\"c", 3, 0, (double[]){-0.25, 0.5, 5});
}
END_TEST

START_TEST(nameless)
{
    ck_assert_int_eq(csv("1,2\n3,4\n", NULL, NB_CSV_SEE), 0);
    column(1, "column_1", 2, 0, (double[]){2, 4});
    ck_assert_int_eq(csv("1,2\n3,4\n", NULL, NB_CSV_NAMES), 0);
    column(1, "2", 1, 0, (double[]){4});
}
END_TEST

START_TEST(joined)
{
    const char *text = "p-0,p-1,p-2,y\n1,2,3,4\n5,6,7,8\n";
    ck_assert_int_eq(csv(text, "x:p-0-p-2,y:y", NB_CSV_SEE), 0);
    column(0, "x", 2, 3, (double[]){1, 2, 3, 5, 6, 7});
    column(1, "y", 2, 0, (double[]){4, 8});
    ck_assert_int_eq(csv(text, "z:3,w:1-2", NB_CSV_SEE), 0);
    column(0, "z", 2, 0, (double[]){4, 8});
    column(1, "w", 2, 2, (double[]){2, 3, 6, 7});
}
END_TEST

/* A column that is in no tensor may hold anything. */
START_TEST(passed_over)
{
    ck_assert_int_eq(csv("name,v\nanna,1\nbert,2\n", "v:1", NB_CSV_SEE), 0);
    column(0, "v", 2, 0, (double[]){1, 2});
}
END_TEST

static const struct {
    const char *text, *columns;
    enum nb_code code;
    int line, column;
} wrong[] = {
    {"a,b\n1\n", NULL, NB_E_bad_file, 2, 2},
    {"a,b\n1,2,3\n", NULL, NB_E_bad_file, 2, 4},
    {"1,2\n3,x\n", NULL, NB_E_bad_number, 2, 3},
    {"1,2\n3,\n", NULL, NB_E_bad_number, 2, 3},
    {"1,2\n\n\nnan,4\n", NULL, NB_E_bad_number, 4, 1},
    {"1,x\n", NULL, NB_E_bad_number, 1, 3},
    {"1,2\n3,1e400\n", NULL, NB_E_bad_number, 2, 3},
    {"1\n\"2\n", NULL, NB_E_bad_file, 2, 1},
    {"", NULL, NB_E_bad_file, 0, 0},
    {" \n\r\n", NULL, NB_E_bad_file, 0, 0},
    {"1,2\n", "x", NB_E_bad_parameter, 0, 0},
    {"1,2\n", "x:2", NB_E_bad_parameter, 0, 0},
    {"1,2\n", "x:1-0", NB_E_bad_parameter, 0, 0},
    {"1,2\n", "x:0,x:1", NB_E_bad_parameter, 0, 0},
    {"1,2\n", "x:0,y:0", NB_E_bad_parameter, 0, 0},
    {"1,2\n", "", NB_E_bad_parameter, 0, 0},
};

START_TEST(refused)
{
    ck_assert_int_eq(csv(wrong[_i].text, wrong[_i].columns, NB_CSV_SEE), -1);
    ck_assert_msg(error.code == wrong[_i].code && error.line == wrong[_i].line && error.column == wrong[_i].column,
                  "%s %d %d: %s", nb_code_name(error.code), error.line, error.column, error.detail);
    ck_assert_str_eq(error.pointer, wrong[_i].columns ? "/columns" : "");
}
END_TEST

/* ---- IDX --------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *bytes;
    size_t n;
    enum nb_dtype dtype;
    double first, last;
} files[] = {
    {"\0\0\x08\1\0\0\0\2\x01\xff", 10, NB_I64, 1, 255},
    {"\0\0\x08\2\0\0\0\2\0\0\0\1\x01\xff", 14, NB_F32, 1, 255},
    {"\0\0\x09\1\0\0\0\2\x01\xff", 10, NB_I64, 1, -1},
    {"\0\0\x0b\1\0\0\0\2\x01\x00\xff\xfe", 12, NB_I64, 256, -2},
    {"\0\0\x0c\2\0\0\0\2\0\0\0\1\x00\x01\x00\x00\xff\xff\xff\xfd", 20, NB_I64, 65536, -3},
    {"\0\0\x0d\1\0\0\0\2\x3f\x80\x00\x00\xc0\x20\x00\x00", 16, NB_F32, 1, -2.5},
    {"\0\0\x0e\1\0\0\0\2\x3f\xf0\0\0\0\0\0\0\xc0\x04\0\0\0\0\0\0", 24, NB_F64, 1, -2.5},
};

START_TEST(idx_types)
{
    struct nb_tensor t;
    double v[2];
    size_t used;
    ck_assert(nb_idx_is(files[_i].bytes, files[_i].n));
    ck_assert_int_eq(nb_idx_read(files[_i].bytes, files[_i].n, &arena, &t, &used, &error), 0);
    ck_assert_uint_eq(used, files[_i].n);
    ck_assert_int_eq(t.dtype, files[_i].dtype);
    nb_convert(NB_F64, v, t.dtype, t.data, 2);
    ck_assert_double_eq(v[0], files[_i].first);
    ck_assert_double_eq(v[1], files[_i].last);
    for (size_t n = 0; n < files[_i].n; n++) { /* cut off anywhere */
        error = (struct nb_error){0};
        ck_assert_int_eq(nb_idx_read(files[_i].bytes, n, &arena, &t, &used, &error), -1);
        ck_assert_int_eq(error.code, NB_E_bad_file);
    }
}
END_TEST

START_TEST(idx_huge)
{
    struct nb_tensor t;
    size_t used;
    ck_assert_int_eq(
        nb_idx_read("\0\0\x08\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, &arena, &t, &used, &error), -1);
    ck_assert_int_eq(error.code, NB_E_bad_file);
    ck_assert(!nb_idx_is("\0\0\x0a\1", 4));
    ck_assert(!nb_idx_is("\0\1\x08\1", 4));
}
END_TEST

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

/* printf ab | gzip -n */
static const char ab[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x02\0\x6d\x48\x83\x9e\x02\0\0";
enum { AB = sizeof ab };

START_TEST(gunzip)
{
    char two[2 * AB];
    void *out;
    size_t n;
    memcpy(two, ab, AB);
    memcpy(two + AB, ab, AB);
    ck_assert_int_eq(nb_gunzip(two, 2 * AB, &arena, &out, &n, &error), 0);
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(out, "abab");
    for (n = 3; n < AB; n++) {
        error = (struct nb_error){0};
        ck_assert_int_eq(nb_gunzip(ab, n, &arena, &out, &(size_t){0}, &error), -1);
        ck_assert_int_eq(error.code, NB_E_bad_file);
    }
    two[AB + 3] ^= 1;
    two[12] ^= 1;
    error = (struct nb_error){0};
    ck_assert_int_eq(nb_gunzip(two, 2 * AB, &arena, &out, &n, &error), -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("table");
    TCase *c = tcase_create("table");
    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, named);
    tcase_add_test(c, nameless);
    tcase_add_test(c, joined);
    tcase_add_test(c, passed_over);
    tcase_add_loop_test(c, refused, 0, sizeof wrong / sizeof *wrong);
    tcase_add_loop_test(c, idx_types, 0, sizeof files / sizeof *files);
    tcase_add_test(c, idx_huge);
    tcase_add_test(c, gunzip);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
