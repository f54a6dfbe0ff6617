/* test_datastore.c - data sets in the store: what goes in comes out, in any piece, in no more bytes than it needs; what
 * is no data set is refused by its place; kill -9 loses nothing that was acknowledged. */
#include "nabla/limits.h"
#include "scratch.h"
#include "store/datasets.h"
#include "victim.h"
#include <math.h>
#include <sys/stat.h>

static struct nb_arena arena;
static struct nb_store *store;
static struct nb_error error;

static void open_store(void)
{
    error = (struct nb_error){0};
    store = nb_store_open(scratch, &error);
    ck_assert_msg(store != NULL, "%s", error.detail);
}

static void begin(void)
{
    scratch_make();
    nb_arena_init(&arena, 1 << 26);
    open_store();
}

static void end(void)
{
    nb_store_close(store);
    nb_arena_done(&arena);
    scratch_remove();
}

static void must(int failed)
{
    ck_assert_msg(!failed, "%s: %s", error.pointer, error.detail);
}

static void *column(struct nb_tensors *l, const char *name, enum nb_dtype d, struct nb_shape s)
{
    struct nb_tensor t;
    must(nb_tensor_new(&arena, d, &s, &t, &error) || nb_tensors_add(&arena, l, name, t, &error));
    return t.data;
}

/* Every kind of number there is to keep, 3000 rows of each: more than one chunk. */
enum { ROWS = 3000 };

static struct nb_tensors many(void)
{
    struct nb_tensors l = {0};
    float *bytes = column(&l, "bytes", NB_F32, nb_shape_of(3, (int64_t)ROWS, (int64_t)2, (int64_t)3));
    double *exact = column(&l, "exact", NB_F64, nb_shape_of(1, (int64_t)ROWS));
    double *doubles = column(&l, "doubles", NB_F64, nb_shape_of(2, (int64_t)ROWS, (int64_t)1));
    int64_t *classes = column(&l, "classes", NB_I64, nb_shape_of(1, (int64_t)ROWS));
    int64_t *wide = column(&l, "wide", NB_I64, nb_shape_of(1, (int64_t)ROWS));
    int64_t *middle = column(&l, "middle", NB_I64, nb_shape_of(1, (int64_t)ROWS));
    double *zeros = column(&l, "zeros", NB_F64, nb_shape_of(1, (int64_t)ROWS));
    float *singles = column(&l, "singles", NB_F32, nb_shape_of(1, (int64_t)ROWS));
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < 6; k++)
            bytes[6 * i + k] = (float)((i + 41 * k) % 256);
        exact[i] = i / 4.0;
        doubles[i] = i / 10.0;
        classes[i] = i % 7 - 3;
        wide[i] = INT64_MAX - i;
        middle[i] = i - 40000;
        zeros[i] = i % 2 ? 0.0 : -0.0;
        singles[i] = (float)i / 3;
    }
    return l;
}

static struct nb_dataset put(const char *name, const struct nb_tensors *l)
{
    struct nb_dataset d;
    bool created;
    must(nb_dataset_put(store, name, l, true, &arena, &d, &created, &error));
    return d;
}

static void same_rows(const struct nb_tensors *a, const struct nb_tensors *b, int64_t from, int64_t count)
{
    ck_assert_uint_eq(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const struct nb_tensor *s = &a->v[i].t, *t = &b->v[i].t;
        size_t row = (size_t)(nb_count(&s->shape) / s->shape.dim[0]) * nb_dtype_size(s->dtype);
        ck_assert_str_eq(a->v[i].name, b->v[i].name);
        ck_assert_int_eq(s->dtype, t->dtype);
        ck_assert_int_eq(t->shape.rank, s->shape.rank);
        ck_assert_int_eq(t->shape.dim[0], count);
        ck_assert_msg(!memcmp((const char *)s->data + (size_t)from * row, t->data, (size_t)count * row), "%s",
                      a->v[i].name);
    }
}

static void read_same(const char *name, const struct nb_tensors *l)
{
    struct nb_tensors all = {0};
    must(nb_dataset_read(store, name, &arena, &all, &error));
    same_rows(l, &all, 0, l->v[0].t.shape.dim[0]);
}

START_TEST(there_and_back)
{
    struct nb_tensors l = many();
    put("d", &l);
    read_same("d", &l);
    nb_store_close(store);
    open_store();
    read_same("d", &l);
    for (int64_t from = 0; from <= ROWS; from += 499) {
        struct nb_tensors piece = {0};
        must(nb_dataset_rows(store, "d", from, 500, &arena, &piece, &error));
        same_rows(&l, &piece, from, ROWS - from < 500 ? ROWS - from : 500);
    }
}
END_TEST

START_TEST(few_bytes)
{
    static const char *const stored[] = {"U8", "F32", "F64", "I8", "I64", "I32", "F32", "F32"};
    struct nb_tensors l = many();
    struct nb_dataset d = put("d", &l);
    struct stat st;
    char file[80];
    for (size_t i = 0; i < d.n; i++)
        ck_assert_str_eq(d.columns[i].stored, stored[i]);
    snprintf(file, sizeof file, "%s.safetensors", d.sha256);
    ck_assert_int_eq(stat(scratch_path("weights/", file), &st), 0);
    ck_assert_int_eq(st.st_size, d.size);
    ck_assert_int_lt(d.size, ROWS * (6 + 4 + 8 + 1 + 8 + 4 + 4 + 4) + 1000);
}
END_TEST

START_TEST(facts)
{
    struct nb_tensors l = many();
    struct nb_dataset d;
    put("d", &l);
    must(nb_dataset_get(store, "d", &arena, &d, &error));
    ck_assert_int_eq(d.rows, ROWS);
    ck_assert_uint_eq(d.n, 8);
    ck_assert_double_eq(d.columns[1].min, 0);
    ck_assert_double_eq(d.columns[1].max, (ROWS - 1) / 4.0);
    ck_assert_double_eq(d.columns[1].mean, (ROWS - 1) / 8.0);
    ck_assert_int_eq(d.columns[3].classes, 7);
    ck_assert_int_eq(d.columns[4].classes, ROWS);
    ck_assert_int_eq(d.columns[0].classes, 0);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void refused(const char *name, const struct nb_tensors *l, enum nb_code code, const char *pointer)
{
    struct nb_dataset d;
    bool created;
    error = (struct nb_error){0};
    ck_assert_int_eq(nb_dataset_put(store, name, l, false, &arena, &d, &created, &error), -1);
    ck_assert_msg(error.code == code && !strcmp(error.pointer, pointer), "%s %s %s", nb_code_name(error.code),
                  error.pointer, error.detail);
    error = (struct nb_error){0};
}

START_TEST(bad_ones)
{
    struct nb_tensors none = {0}, uneven = {0}, nan = {0}, scalar = {0}, empty = {0}, complex = {0}, good = {0};
    column(&uneven, "x", NB_F32, nb_shape_of(1, (int64_t)3));
    memset(uneven.v[0].t.data, 0, 12);
    column(&uneven, "y", NB_F32, nb_shape_of(1, (int64_t)4));
    double *v = column(&nan, "a/b", NB_F64, nb_shape_of(2, (int64_t)2, (int64_t)2));
    v[0] = v[1] = v[2] = 0;
    v[3] = NAN;
    *(double *)column(&scalar, "s", NB_F64, nb_shape_of(0)) = 0;
    column(&empty, "e", NB_F64, nb_shape_of(1, (int64_t)0));
    memset(column(&complex, "z", NB_C128, nb_shape_of(1, (int64_t)1)), 0, 16);
    *(double *)column(&good, "x", NB_F64, nb_shape_of(1, (int64_t)1)) = 1;
    refused("d", &none, NB_E_missing_key, "");
    refused("d", &uneven, NB_E_shape_mismatch, "/y");
    refused("d", &nan, NB_E_bad_number, "/a~1b");
    v[3] = -INFINITY;
    refused("d", &nan, NB_E_bad_number, "/a~1b");
    refused("d", &scalar, NB_E_shape_mismatch, "/s");
    refused("d", &empty, NB_E_shape_mismatch, "");
    refused("d", &complex, NB_E_bad_dtype, "/z");
    refused("no/name", &good, NB_E_bad_name, "");
    refused("..", &good, NB_E_bad_name, "");
    put("d", &good);
    refused("d", &good, NB_E_dataset_exists, "");
    nb_limits.datasets = 1;
    refused("e", &good, NB_E_limit, "");
    nb_limits.datasets = 1000;
}
END_TEST

START_TEST(unknown)
{
    struct nb_tensors l = {0};
    struct nb_dataset d;
    ck_assert_int_eq(nb_dataset_read(store, "d", &arena, &l, &error), -1);
    ck_assert_int_eq(error.code, NB_E_unknown_dataset);
    error = (struct nb_error){0};
    ck_assert_int_eq(nb_dataset_get(store, "d", &arena, &d, &error), -1);
    ck_assert_int_eq(error.code, NB_E_unknown_dataset);
    error = (struct nb_error){0};
    ck_assert_int_eq(nb_dataset_delete(store, "d", &error), -1);
    ck_assert_int_eq(error.code, NB_E_unknown_dataset);
}
END_TEST

/* ---- files come and go ------------------------------------------------------------------------------------------- */

static struct nb_tensors one(double v)
{
    struct nb_tensors l = {0};
    *(double *)column(&l, "x", NB_F64, nb_shape_of(1, (int64_t)1)) = v;
    return l;
}

START_TEST(files)
{
    struct nb_tensors a = one(0.1), b = one(0.2);
    put("a", &a);
    put("b", &a);
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    put("a", &b);
    ck_assert_uint_eq(scratch_each("weights/", NULL), 2);
    must(nb_dataset_delete(store, "b", &error));
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    nb_store_close(store);
    open_store();
    read_same("a", &b);
    must(nb_dataset_delete(store, "a", &error));
    ck_assert_uint_eq(scratch_each("weights/", NULL), 0);
}
END_TEST

START_TEST(list)
{
    struct nb_tensors l = one(1);
    struct nb_dataset *found;
    size_t n;
    for (int i = 9; i >= 0; i--)
        put((char[]){'d', (char)('0' + i), 0}, &l);
    must(nb_dataset_list(store, "d2", 4, &arena, &found, &n, &error));
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(found[0].name, "d3");
    ck_assert_str_eq(found[3].name, "d6");
    must(nb_dataset_list(store, "d9", 4, &arena, &found, &n, &error));
    ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(damaged)
{
    struct nb_tensors l = one(0.1), again = {0};
    struct nb_dataset d = put("d", &l);
    char file[80];
    snprintf(file, sizeof file, "%s.safetensors", d.sha256);
    FILE *f = fopen(scratch_path("weights/", file), "r+");
    fseek(f, -1, SEEK_END);
    fputc(1, f);
    fclose(f);
    ck_assert_int_eq(nb_dataset_read(store, "d", &arena, &again, &error), -1);
    ck_assert_int_eq(error.code, NB_E_store_failed);
    ck_assert_int_eq(truncate(scratch_path("weights/", file), 20), 0);
    error = (struct nb_error){0};
    ck_assert_int_eq(nb_dataset_rows(store, "d", 0, 1, &arena, &again, &error), -1);
    ck_assert_int_eq(error.code, NB_E_store_failed);
}
END_TEST

/* ---- kill -9 ----------------------------------------------------------------------------------------------------- */

static void child(int fd)
{
    open_store();
    for (int i = 1;; i++) {
        struct nb_tensors l = one(i);
        put("d", &l);
        if (write(fd, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

START_TEST(killed)
{
    nb_store_close(store);
    for (int k = 0; k < 12; k++) {
        int from, said = 0, last = 0;
        pid_t pid = victim_begin(child, &from);
        for (int i = 0; i <= k && read(from, &said, sizeof said) == sizeof said; i++)
            last = said;
        usleep((unsigned)(k * 700));
        victim_kill(pid);
        while (read(from, &said, sizeof said) == sizeof said)
            last = said;
        close(from);
        struct nb_tensors l = {0};
        open_store();
        must(nb_dataset_read(store, "d", &arena, &l, &error));
        double v = *(double *)l.v[0].t.data;
        ck_assert_msg(v == last || v == last + 1, "%g, acknowledged %d", v, last);
        ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
        nb_store_close(store);
    }
    open_store();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("datastore");
    TCase *c = tcase_create("datastore");
    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, there_and_back);
    tcase_add_test(c, few_bytes);
    tcase_add_test(c, facts);
    tcase_add_test(c, bad_ones);
    tcase_add_test(c, unknown);
    tcase_add_test(c, files);
    tcase_add_test(c, list);
    tcase_add_test(c, damaged);
    tcase_add_test(c, killed);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
