/* test_store.c - what the store keeps, gives back, refuses, and leaves behind. */
#include "store/store.h"
#include "graphs.h"
#include "nabla/limits.h"
#include "scratch.h"
#include "store/catalog.h"
#include "store/files.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LINEAR                                                                                                         \
    "{'inputs': {'x': ['B', 4]}, 'nodes': {'fc': {'op': 'Linear', 'in': 'x', 'out_features': 3}}, 'outputs': ['fc']}"
#define TANH "{'inputs': {'x': ['B', 2]}, 'nodes': {'h': {'op': 'Tanh', 'in': 'x'}}, 'outputs': ['h']}"

static struct nb_store *store;
static struct nb_graph *linear, *tanh_graph; /* 15 parameters, none */
static struct nb_entry info;

static void open_store(void)
{
    memset(&error, 0, sizeof error);
    store = nb_store_open(scratch, &error);
    ck_assert_msg(store != NULL, "%s", error.detail);
}

static void reopen(void)
{
    nb_store_close(store);
    open_store();
}

static void setup(void)
{
    nb_arena_init(&arena, 1 << 30);
    scratch_make();
    open_store();
    linear = make_good(LINEAR);
    tanh_graph = make_good(TANH);
}

static void teardown(void)
{
    nb_graph_unref(linear);
    nb_graph_unref(tanh_graph);
    nb_store_close(store);
    scratch_remove();
    nb_arena_done(&arena);
}

static void expect(enum nb_code code)
{
    ck_assert_msg(error.code == code, "%s: %s", nb_code_name(error.code), error.detail);
    ck_assert_msg(!strstr(error.detail, "nablad-test") && !strstr(error.detail, ".safetensors") &&
                      !strstr(error.detail, "SELECT"),
                  "%s", error.detail);
    memset(&error, 0, sizeof error);
}

#define must(call) ck_assert_msg((call) == 0, "%s: %s", nb_code_name(error.code), error.detail)
#define must_not(call, code) (ck_assert((call) == -1), expect(code))

static void create(const char *name, struct nb_graph *g)
{
    must(nb_store_create(store, name, g, &info, &error));
}

/* All of the linear graph's parameters set to v. */
static struct nb_tensors constant(double v)
{
    char text[300];
    snprintf(text, sizeof text, "{'fc.weight': [[%g,%g,%g,%g],[%g,%g,%g,%g],[%g,%g,%g,%g]], 'fc.bias': [%g,%g,%g]}", v,
             v, v, v, v, v, v, v, v, v, v, v, v, v, v);
    return tensors(text);
}

static bool same_parameters(const struct nb_graph *a, const struct nb_graph *b)
{
    const struct nb_tensors *l = nb_graph_parameters(a), *m = nb_graph_parameters(b);
    bool same = l->n == m->n;
    for (size_t i = 0; i < l->n && same; i++) {
        const struct nb_tensor *t = &l->v[i].t, *u = nb_tensors_find(m, l->v[i].name);
        same = u && t->dtype == u->dtype && nb_shape_same(&t->shape, &u->shape) == 1 &&
               memcmp(t->data, u->data, (size_t)nb_count(&t->shape) * nb_dtype_size(t->dtype)) == 0;
    }
    return same;
}

static void expect_stored(const char *name, const struct nb_graph *wanted)
{
    struct nb_graph *g = nb_store_get(store, name, &info, &error);
    ck_assert_msg(g != NULL, "%s: %s", name, error.detail);
    ck_assert_str_eq(info.name, name);
    ck_assert_str_eq(nb_graph_text(g), nb_graph_text(wanted));
    ck_assert(same_parameters(g, wanted));
    nb_graph_unref(g);
}

static void expect_list(const char *wanted)
{
    struct nb_entry *list;
    size_t n;
    char text[1000] = "";
    must(nb_store_list(store, &arena, &list, &n, &error));
    for (size_t i = 0; i < n; i++)
        sprintf(text + strlen(text), i ? " %s %d" : "%s %d", list[i].name, (int)list[i].revision);
    ck_assert_str_eq(text, wanted);
}

/* ---- the ordinary life --------------------------------------------------------------------------------------------
 */

START_TEST(life)
{
    bool created;
    expect_list("");
    create("b", linear);
    ck_assert(info.revision == 1 && info.parameter_count == 15 && strlen(info.parameters) == 64);
    ck_assert(strlen(info.created) == 20 && strcmp(info.created, info.updated) == 0);
    ck_assert(info.created[4] == '-' && info.created[10] == 'T' && info.created[19] == 'Z');
    create("a", tanh_graph);
    ck_assert_int_eq(info.parameter_count, 0);
    expect_list("a 1 b 1");
    must(nb_store_replace(store, "c", linear, &created, &info, &error));
    ck_assert(created && info.revision == 1);
    must(nb_store_replace(store, "a", linear, &created, &info, &error));
    ck_assert(!created && info.revision == 2);
    expect_list("a 2 b 1 c 1");
    expect_stored("a", linear);
    must(nb_store_remove(store, "b", &error));
    expect_list("a 2 c 1");
    must_not(nb_store_remove(store, "b", &error), NB_E_unknown_graph);
    ck_assert_ptr_null(nb_store_get(store, "b", &info, &error));
    expect(NB_E_unknown_graph);
    must_not(nb_store_create(store, "a", tanh_graph, &info, &error), NB_E_graph_exists);
    expect_stored("a", linear);
    create("b", tanh_graph);
    expect_list("a 2 b 1 c 1");
}
END_TEST

START_TEST(names)
{
    static const char *const good[] = {
        "a", "A-z_0.9", "...", ".hidden", "-", "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {
        "",         ".",   "..",   "a/b",  "a b",
        "\xc3\xa9", "a\n", "a%00", "..\\", "01234567890123456789012345678901234567890123456789012345678901234"};
    bool created;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        create(good[i], tanh_graph);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        must_not(nb_store_create(store, bad[i], tanh_graph, &info, &error), NB_E_bad_name);
        must_not(nb_store_replace(store, bad[i], tanh_graph, &created, &info, &error), NB_E_bad_name);
        must_not(nb_store_remove(store, bad[i], &error), NB_E_unknown_graph);
    }
}
END_TEST

START_TEST(number_of_graphs)
{
    int64_t saved = nb_limits.graphs;
    bool created;
    nb_limits.graphs = 2;
    create("a", tanh_graph);
    create("b", tanh_graph);
    ck_assert_int_eq(nb_store_create(store, "c", tanh_graph, &info, &error), -1);
    ck_assert_str_eq(error.option, "--limit-graphs");
    expect(NB_E_limit);
    must_not(nb_store_replace(store, "c", tanh_graph, &created, &info, &error), NB_E_limit);
    must(nb_store_replace(store, "b", linear, &created, &info, &error));
    nb_limits.graphs = saved;
}
END_TEST

START_TEST(parameters)
{
    struct nb_tensors all = constant(0.5), bias = {.n = 1, .cap = 1, .v = &all.v[1]}, wrong = constant(1);
    create("a", linear);
    must(nb_store_parameters(store, "a", &bias, false, &info, &error));
    ck_assert(info.revision == 2 && info.parameter_count == 15);
    struct nb_graph *g = nb_graph_with(linear, &bias, false, &error);
    expect_stored("a", g);
    nb_graph_unref(g);
    must(nb_store_parameters(store, "a", &all, true, &info, &error));
    g = nb_graph_with(linear, &all, true, &error);
    expect_stored("a", g);
    wrong.v[0].name = "fc.none"; /* refused as the graph refuses it; the old state stays */
    ck_assert_int_eq(nb_store_parameters(store, "a", &wrong, false, &info, &error), -1);
    ck_assert_int_ne(error.code, NB_E_store_failed);
    memset(&error, 0, sizeof error);
    ck_assert_int_eq(nb_store_parameters(store, "a", &bias, true, &info, &error), -1);
    memset(&error, 0, sizeof error);
    expect_stored("a", g);
    ck_assert_int_eq(info.revision, 3);
    must_not(nb_store_parameters(store, "none", &all, true, &info, &error), NB_E_unknown_graph);
    reopen();
    expect_stored("a", g);
    ck_assert_int_eq(info.revision, 3);
    nb_graph_unref(g);
}
END_TEST

START_TEST(snapshots)
{
    bool created;
    create("a", linear);
    struct nb_graph *g = nb_store_get(store, "a", NULL, &error), *h;
    ck_assert_ptr_eq(g, linear); /* what is in memory is not built again */
    must(nb_store_replace(store, "a", tanh_graph, &created, &info, &error));
    h = nb_store_get(store, "a", &info, &error);
    ck_assert_ptr_eq(h, tanh_graph);
    must(nb_store_remove(store, "a", &error));
    ck_assert(strstr(nb_graph_text(g), "Linear") && strstr(nb_graph_text(h), "Tanh"));
    nb_graph_unref(g);
    nb_graph_unref(h);
}
END_TEST

START_TEST(again)
{
    struct nb_tensors all = constant(0.25);
    create("a", linear);
    create("b", tanh_graph);
    must(nb_store_parameters(store, "a", &all, true, &info, &error));
    struct nb_entry before = info;
    struct nb_graph *g = nb_store_get(store, "a", NULL, &error);
    for (int i = 0; i < 3; i++) {
        reopen();
        expect_list("a 2 b 1");
        expect_stored("b", tanh_graph);
        expect_stored("a", g);
        ck_assert_int_eq(memcmp(info.parameters, before.parameters, 65), 0);
        ck_assert_str_eq(info.created, before.created);
        ck_assert_str_eq(info.updated, before.updated);
        ck_assert_int_eq(info.parameter_count, 15);
        struct nb_graph *x = nb_store_get(store, "a", NULL, &error), *y = nb_store_get(store, "a", NULL, &error);
        ck_assert_ptr_eq(x, y); /* built once */
        nb_graph_unref(x);
        nb_graph_unref(y);
    }
    nb_graph_unref(g);
    must(nb_store_remove(store, "a", &error));
    reopen();
    expect_list("b 1");
}
END_TEST

/* ---- the directory ------------------------------------------------------------------------------------------------
 */

START_TEST(second_daemon)
{
    struct nb_store *other = nb_store_open(scratch, &error);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(error.code, NB_E_store_failed);
    ck_assert_ptr_nonnull(strstr(error.detail, "another nablad works in the data directory"));
    reopen();
}
END_TEST

START_TEST(no_directory)
{
    struct nb_error e = {0};
    ck_assert_ptr_null(nb_store_open("/nonexistent/place", &e));
    ck_assert_int_eq(e.code, NB_E_store_failed);
    e.code = NB_E_none;
    ck_assert_ptr_null(nb_store_open("/dev/null", &e));
    ck_assert_int_eq(e.code, NB_E_store_failed);
}
END_TEST

START_TEST(newer_schema)
{
    sqlite3 *db;
    nb_store_close(store);
    ck_assert_int_eq(sqlite3_open(scratch_path("", "nablad.db"), &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    store = nb_store_open(scratch, &error);
    ck_assert_ptr_null(store);
    ck_assert_ptr_nonnull(strstr(error.detail, "newer nablad"));
}
END_TEST

START_TEST(not_a_database)
{
    nb_store_close(store);
    int fd = open(scratch_path("", "nablad.db"), O_WRONLY | O_TRUNC);
    ck_assert_int_eq(write(fd, "something else, long enough to be looked at", 43), 43);
    close(fd);
    store = nb_store_open(scratch, &error);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(error.code, NB_E_store_failed);
}
END_TEST

static const char *weights_of(const struct nb_entry *x)
{
    static char name[100];
    snprintf(name, sizeof name, "%s.safetensors", x->parameters);
    return name;
}

static void put_file(const char *in, const char *name, const char *content)
{
    int fd = open(scratch_path(in, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, strlen(content)), (int)strlen(content));
    close(fd);
}

START_TEST(left_over_files)
{
    create("a", linear);
    put_file("weights/", "incoming", "half a fi");
    put_file("weights/", "0123456789012345678901234567890123456789012345678901234567890123.safetensors", "{}");
    put_file("weights/", "notes.txt", "?");
    ck_assert_uint_eq(scratch_each("weights/", NULL), 4);
    reopen();
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    expect_stored("a", linear);
}
END_TEST

/* Files go with the last row that names them. */
START_TEST(shared_files)
{
    struct nb_tensors all = constant(2);
    bool created;
    create("a", linear);
    create("b", linear);
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    must(nb_store_parameters(store, "a", &all, true, &info, &error));
    ck_assert_uint_eq(scratch_each("weights/", NULL), 2);
    must(nb_store_replace(store, "b", tanh_graph, &created, &info, &error));
    ck_assert_uint_eq(scratch_each("weights/", NULL), 2);
    must(nb_store_replace(store, "b", tanh_graph, &created, &info, &error)); /* the same content anew */
    ck_assert_uint_eq(scratch_each("weights/", NULL), 2);
    must(nb_store_remove(store, "a", &error));
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    must(nb_store_remove(store, "b", &error));
    ck_assert_uint_eq(scratch_each("weights/", NULL), 0);
}
END_TEST

START_TEST(damaged_file)
{
    bool created;
    char hash[NB_HASH_SIZE];
    create("a", linear);
    const char *name = weights_of(&info);
    struct stat st;
    ck_assert_int_eq(stat(scratch_path("weights/", name), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    nb_files_hash("abc", 3, hash); /* FIPS 180-2 */
    ck_assert_str_eq(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    int fd = open(scratch_path("weights/", name), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, "x", 1, st.st_size - 1), 1);
    close(fd);
    reopen();
    ck_assert_ptr_null(nb_store_get(store, "a", &info, &error));
    expect(NB_E_store_failed);
    expect_list("a 1");
    must(nb_store_replace(store, "a", linear, &created, &info, &error));
    reopen();
    expect_stored("a", linear);
    unlink(scratch_path("weights/", name));
    reopen();
    ck_assert_ptr_null(nb_store_get(store, "a", &info, &error));
    expect(NB_E_store_failed);
    must(nb_store_remove(store, "a", &error));
}
END_TEST

/* No file may grow beyond n bytes: what a full disk looks like from here. */
static void limit_files(rlim_t n)
{
    struct rlimit r;
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
    setrlimit(RLIMIT_FSIZE, &r);
}

/* What each kind of change says then. (No checks in between: they would write to a file themselves.) */
static void try_changes(rlim_t n, struct nb_error said[4])
{
    struct nb_tensors all = constant(3);
    bool created;
    memset(said, 0, 4 * sizeof *said);
    signal(SIGXFSZ, SIG_IGN);
    limit_files(n);
    nb_store_create(store, "b", linear, &info, &said[0]);
    nb_store_replace(store, "a", tanh_graph, &created, &info, &said[1]);
    nb_store_parameters(store, "a", &all, true, &info, &said[2]);
    nb_store_remove(store, "a", &said[3]);
    limit_files(RLIM_INFINITY);
}

START_TEST(full_disk)
{
    static const rlim_t sizes[] = {10, 1000}; /* no room for the weights; for the weights, but not for the row */
    struct nb_error said[4];
    create("a", linear);
    for (int i = 0; i < 2; i++) {
        try_changes(sizes[i], said);
        for (int k = 0; k < 4; k++) {
            error = said[k];
            expect(NB_E_store_failed);
        }
        expect_list("a 1");
        expect_stored("a", linear);
        reopen();
        expect_list("a 1");
        expect_stored("a", linear);
        ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    }
    create("b", linear);
    must(nb_store_remove(store, "a", &error));
    expect_list("b 1");
}
END_TEST

/* A failure half way, and then success without a restart. */
START_TEST(full_disk_recovers)
{
    struct nb_error said[4];
    create("a", linear);
    try_changes(1000, said);
    create("b", tanh_graph);
    expect_list("a 1 b 1");
    reopen();
    expect_list("a 1 b 1");
    expect_stored("b", tanh_graph);
}
END_TEST

/* ---- the catalog --------------------------------------------------------------------------------------------------
 */

START_TEST(catalog)
{
    struct nb_catalog c;
    char name[20];
    nb_catalog_init(&c, 3);
    for (int i = 0; i < 100; i++) { /* in an order that is not sorted */
        struct nb_entry x = {.revision = i};
        snprintf(x.name, sizeof x.name, "g%02d", i * 37 % 100);
        must(nb_catalog_reserve(&c, &error));
        struct nb_graph *gone = nb_catalog_put(&c, &x, i % 2 ? linear : NULL);
        ck_assert_int_eq(gone != NULL, i % 2 && i > 6);
        nb_graph_unref(gone);
        ck_assert_uint_le(c.built, 3);
    }
    ck_assert_uint_eq(c.n, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "g%02d", i);
        ck_assert_str_eq(c.v[i]->info.name, name);
        ck_assert_ptr_eq(nb_catalog_find(&c, name), c.v[i]);
    }
    ck_assert(!nb_catalog_find(&c, "") && !nb_catalog_find(&c, "g100") && !nb_catalog_find(&c, "z"));
    struct nb_kept *oldest = nb_catalog_find(&c, "g15"), *newest = nb_catalog_find(&c, "g63"); /* i = 95, 99 */
    ck_assert(oldest->graph && newest->graph);
    nb_graph_unref(nb_catalog_use(&c, oldest)); /* now it is the newest; g89 (i = 97) goes next */
    struct nb_entry x = nb_catalog_find(&c, "g00")->info;
    nb_graph_unref(nb_catalog_put(&c, &x, linear));
    ck_assert(oldest->graph && !nb_catalog_find(&c, "g89")->graph && nb_catalog_find(&c, "g00")->graph);
    nb_graph_unref(nb_catalog_remove(&c, "g15"));
    ck_assert(!nb_catalog_find(&c, "g15") && c.n == 99 && c.built == 2);
    nb_catalog_done(&c);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------------------------------
 */

enum { ROUNDS = 60 };
static struct nb_tensors values[4];
static int faults;

static void fault(void)
{
    __atomic_add_fetch(&faults, 1, __ATOMIC_RELAXED);
}

/* Every snapshot is whole: all its parameters are of one change. */
static void *reader(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20 * ROUNDS; i++) {
        struct nb_error e = {0};
        struct nb_entry x;
        struct nb_graph *g = nb_store_get(store, i % 3 ? "a" : "b", &x, &e);
        if (!g) {
            if (e.code != NB_E_unknown_graph || i % 3)
                fault();
            continue;
        }
        const struct nb_tensors *l = nb_graph_parameters(g);
        for (size_t k = 0; k < l->n; k++)
            for (int64_t j = 0; j < nb_count(&l->v[k].t.shape); j++)
                if (((float *)l->v[k].t.data)[j] != *(float *)l->v[0].t.data)
                    fault();
        nb_graph_unref(g);
    }
    return NULL;
}

static void *writer(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct nb_error e = {0};
        struct nb_entry x;
        if (nb_store_parameters(store, "a", &values[(i + (int)(intptr_t)arg) % 4], true, &x, &e))
            fault();
    }
    return NULL;
}

static void *maker(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct nb_error e = {0};
        struct nb_entry x;
        bool created;
        if (nb_store_replace(store, "b", arg, &created, &x, &e) || nb_store_remove(store, "b", &e))
            fault();
    }
    return NULL;
}

static void *lister(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct nb_error e = {0};
        struct nb_arena a;
        struct nb_entry *list;
        size_t n;
        (void)arg;
        nb_arena_init(&a, 1 << 20);
        if (nb_store_list(store, &a, &list, &n, &e) || n < 1 || n > 2 || strcmp(list[0].name, "a"))
            fault();
        nb_arena_done(&a);
    }
    return NULL;
}

START_TEST(threads)
{
    pthread_t t[6];
    for (int i = 0; i < 4; i++)
        values[i] = constant(i);
    create("a", linear);
    must(nb_store_parameters(store, "a", &values[0], true, &info, &error));
    struct nb_graph *g = nb_store_get(store, "a", NULL, &error);
    reopen(); /* the first readers build it at the same time */
    pthread_create(&t[0], NULL, reader, NULL);
    pthread_create(&t[1], NULL, reader, NULL);
    pthread_create(&t[2], NULL, writer, (void *)(intptr_t)0);
    pthread_create(&t[3], NULL, writer, (void *)(intptr_t)2);
    pthread_create(&t[4], NULL, maker, g);
    pthread_create(&t[5], NULL, lister, NULL);
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    nb_graph_unref(g);
    ck_assert_int_eq(faults, 0);
    struct nb_graph *last = nb_store_get(store, "a", &info, &error);
    ck_assert_int_eq(info.revision, 2 + 2 * ROUNDS);
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    reopen();
    expect_stored("a", last);
    nb_graph_unref(last);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store");
    TCase *c = tcase_create("store");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, life);
    tcase_add_test(c, names);
    tcase_add_test(c, number_of_graphs);
    tcase_add_test(c, parameters);
    tcase_add_test(c, snapshots);
    tcase_add_test(c, again);
    tcase_add_test(c, second_daemon);
    tcase_add_test(c, no_directory);
    tcase_add_test(c, newer_schema);
    tcase_add_test(c, not_a_database);
    tcase_add_test(c, left_over_files);
    tcase_add_test(c, shared_files);
    tcase_add_test(c, damaged_file);
    tcase_add_test(c, full_disk);
    tcase_add_test(c, full_disk_recovers);
    tcase_add_test(c, catalog);
    tcase_add_test(c, threads);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
