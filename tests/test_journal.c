/* test_journal.c - jobs in the store, and the journal of what they have done: nothing that was whole is lost, nothing
 * that was torn is believed. */
#include "graphs.h"
#include "scratch.h"
#include "store/jobs.h"
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct nb_store *store;

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
    nb_arena_init(&arena, 1 << 28);
    scratch_make();
    open_store();
}

static void teardown(void)
{
    nb_store_close(store);
    scratch_remove();
    nb_arena_done(&arena);
}

#define must(call) ck_assert_msg((call) == 0, "%s: %s", nb_code_name(error.code), error.detail)

/* ---- the journal ------------------------------------------------------------------------------------------------- */

enum { RECORDS = 6 };
static int directory;
static bool notes; /* each waits for the disk */
static char content[RECORDS][40];

static void journal_setup(void)
{
    setup();
    directory = open(scratch, O_RDONLY | O_DIRECTORY);
    notes = true;
    for (int i = 0; i < RECORDS; i++)
        memset(content[i], 'a' + i, sizeof content[i]);
}

static void journal_teardown(void)
{
    close(directory);
    teardown();
}

/* Sizes differ: 5, 10, ... */
static size_t size_of(int i)
{
    return (size_t)(5 * i + 5);
}

/* Reads what is there, as a run would, and computes the rest; returns how many were there. */
static int run(struct nb_journal *j, int upto)
{
    int there = 0;
    for (int i = 0; i < upto; i++) {
        char got[40];
        if (nb_journal_read(j, (uint64_t)i, got, size_of(i))) {
            ck_assert_int_eq(there, i); /* none behind one that is missing */
            ck_assert(!memcmp(got, content[i], size_of(i)));
            there++;
        } else {
            nb_journal_write(j, (uint64_t)i, content[i], size_of(i));
        }
        if (i == 2 && notes)
            nb_journal_note(j, "two");
    }
    return there;
}

static int run_once(const char *signature, int upto)
{
    struct nb_journal j;
    nb_journal_open(&j, directory, "j", signature);
    int there = run(&j, upto);
    nb_journal_close(&j);
    return there;
}

static off_t length(void)
{
    struct stat st;
    return stat(scratch_path("", "j"), &st) ? -1 : st.st_size;
}

START_TEST(kept)
{
    ck_assert_int_eq(run_once("one", 4), 0);
    ck_assert_int_eq(run_once("one", 3), 3);
    ck_assert_int_eq(run_once("one", RECORDS), 4);
    ck_assert_int_eq(run_once("one", RECORDS), RECORDS);
    struct nb_journal j;
    nb_journal_open(&j, directory, "j", "one");
    ck_assert_str_eq(j.note, "two");
    nb_journal_close(&j);
}
END_TEST

START_TEST(another_signature)
{
    run_once("one", RECORDS);
    ck_assert_int_eq(run_once("two", 3), 0);
    ck_assert_int_eq(run_once("two", RECORDS), 3);
    struct nb_journal j;
    nb_journal_open(&j, directory, "j", "one");
    ck_assert_str_eq(j.note, "");
    nb_journal_close(&j);
}
END_TEST

/* Of another number, or of another size: it and all behind it are another run's. */
START_TEST(another_question)
{
    char got[40];
    for (int k = 0; k < 2; k++) {
        struct nb_journal j;
        run_once("one", RECORDS);
        nb_journal_open(&j, directory, "j", "one");
        ck_assert(nb_journal_read(&j, 0, got, size_of(0)));
        ck_assert(!nb_journal_read(&j, 1 + (uint64_t)k, got, size_of(1 + k) + (size_t)!k));
        nb_journal_close(&j);
        ck_assert_int_eq(run_once("one", RECORDS), 1);
    }
}
END_TEST

static void cut_to(off_t n)
{
    ck_assert_int_eq(truncate(scratch_path("", "j"), n), 0);
}

/* Torn at every byte: what is whole before it is there, and the rest is made good. */
START_TEST(torn)
{
    run_once("one", RECORDS);
    off_t whole = length();
    int last = RECORDS;
    notes = false;
    for (off_t n = whole - 1; n >= 0; n--) {
        cut_to(n);
        int there = run_once("one", RECORDS);
        ck_assert_int_le(there, last);
        ck_assert_int_eq(run_once("one", RECORDS), RECORDS);
        last = there;
    }
    ck_assert_int_eq(last, 0);
}
END_TEST

static void flip(off_t at)
{
    char c;
    int fd = open(scratch_path("", "j"), O_RDWR);
    ck_assert_int_eq(pread(fd, &c, 1, at), 1);
    c ^= 0x10;
    ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

/* A bit anywhere: nothing is believed from there on. */
START_TEST(flipped)
{
    run_once("one", RECORDS);
    notes = false;
    for (off_t at = 0; at < length(); at++) {
        flip(at);
        ck_assert_int_lt(run_once("one", RECORDS), RECORDS);
        ck_assert_int_eq(run_once("one", RECORDS), RECORDS);
    }
}
END_TEST

static void append(size_t n)
{
    int fd = open(scratch_path("", "j"), O_WRONLY | O_APPEND);
    char *bytes = malloc(n);
    memset(bytes, 0x7f, n);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    free(bytes);
    close(fd);
}

/* Sizes nobody could mean. */
START_TEST(rubbish)
{
    run_once("one", 3);
    append(100000);
    ck_assert_int_eq(run_once("one", RECORDS), 3);
    cut_to(0);
    append(70);
    ck_assert_int_eq(run_once("one", RECORDS), 0);
    ck_assert_int_eq(run_once("one", RECORDS), RECORDS);
}
END_TEST

/* The disk is full: the work goes on, nothing more is kept, and what was kept is good. (No asserting meanwhile: that
 * writes files too.) */
START_TEST(full)
{
    struct rlimit old, small;
    struct nb_journal j;
    char got[40];
    signal(SIGXFSZ, SIG_IGN);
    run_once("one", 2);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = (rlim_t)length() + 50;
    setrlimit(RLIMIT_FSIZE, &small);
    nb_journal_open(&j, directory, "j", "one");
    bool there = nb_journal_read(&j, 0, got, size_of(0)) && nb_journal_read(&j, 1, got, size_of(1));
    for (int i = 2; i < RECORDS; i++)
        nb_journal_write(&j, (uint64_t)i, content[i], size_of(i));
    nb_journal_note(&j, "unwritten");
    nb_journal_close(&j);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert(there);
    ck_assert_int_le(length(), (off_t)small.rlim_cur);
    ck_assert_int_eq(run_once("one", RECORDS), 3);
    ck_assert_int_eq(run_once("one", RECORDS), RECORDS);
}
END_TEST

/* ---- jobs in the store ------------------------------------------------------------------------------------------- */

#define LINEAR                                                                                                         \
    "{'inputs': {'x': ['B', 4]}, 'nodes': {'fc': {'op': 'Linear', 'in': 'x', 'out_features': 3}}, 'outputs': ['fc']}"

static struct nb_job job(const char *id)
{
    struct nb_job j = {.kind = "check", .created = 1800000000, .of = 15, .target = "/v1/check?a=b"};
    snprintf(j.id, sizeof j.id, "%s", id);
    return j;
}

static void add(const char *id, struct nb_graph *g, const char *parameters)
{
    struct nb_job j = job(id);
    struct nb_job_request r = {
        .content_type = "application/json", .seed = {1, 2}, .body = "a\0b", .size = 3, .graph = g};
    snprintf(r.parameters, sizeof r.parameters, "%s", parameters);
    must(nb_store_job_add(store, &j, &r, &error));
}

static char listed[400];

static int list_one(void *context, const struct nb_job *j, struct nb_error *e)
{
    static const char states[] = "QRDFC";
    (void)context, (void)e;
    sprintf(listed + strlen(listed), "%s%c%s ", j->id, states[j->state], j->problem ? j->problem : "");
    ck_assert_str_eq(j->kind, "check");
    ck_assert_str_eq(j->target, "/v1/check?a=b");
    ck_assert_int_eq(j->created, 1800000000);
    ck_assert_int_eq(j->of, 15);
    return 0;
}

static void expect_jobs(const char *wanted)
{
    for (int again = 0; again < 2; again++) {
        *listed = 0;
        must(nb_store_job_each(store, list_one, NULL, &error));
        ck_assert_str_eq(listed, wanted);
        reopen();
    }
}

static void end(const char *id, enum nb_job_state state, const struct nb_job_result *results, size_t n)
{
    struct nb_job j = job(id);
    j.state = state;
    j.problem = state == NB_JOB_FAILED ? "why" : NULL;
    j.finished = 1800000001;
    must(nb_store_job_end(store, &j, results, n, &error));
}

START_TEST(life)
{
    struct nb_job_request r;
    struct nb_job_result got, results[] = {{"application/json", "{}\n", 3}, {"image/svg+xml", "", 0}};
    add("b", NULL, "");
    add("a", NULL, "");
    add("c", NULL, "");
    expect_jobs("bQ aQ cQ ");
    must(nb_store_job_request(store, "a", &arena, &r, &error));
    ck_assert(r.size == 3 && !memcmp(r.body, "a\0b", 4) && r.seed.lo == 1 && r.seed.hi == 2 && !r.graph);
    ck_assert_str_eq(r.content_type, "application/json");
    end("a", NB_JOB_DONE, results, 2);
    end("b", NB_JOB_FAILED, NULL, 0);
    end("c", NB_JOB_CANCELLED, NULL, 0);
    expect_jobs("bFwhy aD cC ");
    const char **types = nb_store_job_types(store, "a", &arena, &error);
    ck_assert_str_eq(types[0], "application/json");
    ck_assert_str_eq(types[1], "image/svg+xml");
    ck_assert_ptr_null(types[2]);
    must(nb_store_job_result(store, "a", "application/json", &arena, &got, &error));
    ck_assert(got.size == 3 && !memcmp(got.bytes, "{}\n", 3));
    must(nb_store_job_result(store, "a", "image/svg+xml", &arena, &got, &error));
    ck_assert(got.bytes && got.size == 0);
    must(nb_store_job_result(store, "a", "text/html", &arena, &got, &error));
    ck_assert_ptr_null(got.bytes);
    must(nb_store_job_remove(store, "a", &error));
    expect_jobs("bFwhy cC ");
    must(nb_store_job_result(store, "a", "application/json", &arena, &got, &error));
    ck_assert_ptr_null(got.bytes); /* it went with its job */
    ck_assert_int_eq(nb_store_job_request(store, "a", &arena, &r, &error), -1);
    ck_assert_int_eq(error.code, NB_E_unknown_job);
}
END_TEST

/* A job keeps its graph while it needs it, whether the file of weights was there or not. */
START_TEST(graph)
{
    struct nb_job_request r;
    struct nb_entry info;
    struct nb_graph *g = make_good(LINEAR);
    must(nb_store_create(store, "g", g, &info, &error));
    add("a", g, info.parameters);
    add("b", g, "");
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    must(nb_store_remove(store, "g", &error));
    reopen();
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    add("c", g, info.parameters);
    end("a", NB_JOB_CANCELLED, NULL, 0);
    must(nb_store_job_request(store, "b", &arena, &r, &error));
    ck_assert_str_eq(nb_graph_text(r.graph), nb_graph_text(g));
    const struct nb_tensors *l = nb_graph_parameters(r.graph);
    ck_assert_uint_eq(l->n, 2);
    for (size_t i = 0; i < l->n; i++)
        for (int64_t k = 0; k < nb_count(&l->v[i].t.shape); k++)
            ck_assert(at(l, l->v[i].name, (size_t)k) == at(nb_graph_parameters(g), l->v[i].name, (size_t)k));
    nb_graph_unref(r.graph);
    end("b", NB_JOB_DONE, NULL, 0);
    ck_assert_uint_eq(scratch_each("weights/", NULL), 1);
    end("c", NB_JOB_CANCELLED, NULL, 0);
    ck_assert_uint_eq(scratch_each("weights/", NULL), 0);
    add("d", g, info.parameters); /* the file has gone meanwhile */
    must(nb_store_job_request(store, "d", &arena, &r, &error));
    nb_graph_unref(r.graph);
    nb_graph_unref(g);
}
END_TEST

/* Journals of jobs that are over, or never were, go at the next start. */
START_TEST(journals)
{
    struct nb_journal j;
    add("a", NULL, "");
    add("b", NULL, "");
    const char *const ids[] = {"a", "b", "nobody"};
    for (int i = 0; i < 3; i++) {
        nb_store_job_journal(store, ids[i], "one", &j);
        nb_journal_write(&j, 0, "x", 1);
        nb_journal_close(&j);
    }
    end("b", NB_JOB_DONE, NULL, 0);
    ck_assert_uint_eq(scratch_each("jobs/", NULL), 2);
    close(open(scratch_path("jobs/", "b.journal"), O_CREAT | O_WRONLY, 0600));
    close(open(scratch_path("jobs/", "notes.txt"), O_CREAT | O_WRONLY, 0600));
    reopen();
    ck_assert_uint_eq(scratch_each("jobs/", NULL), 1);
    char c;
    nb_store_job_journal(store, "a", "one", &j);
    ck_assert(nb_journal_read(&j, 0, &c, 1) && c == 'x');
    nb_journal_close(&j);
    nb_store_job_forget(store, "a");
    ck_assert_uint_eq(scratch_each("jobs/", NULL), 0);
}
END_TEST

/* A directory of the version before: its graphs are there, and jobs can be. */
START_TEST(older_schema)
{
    sqlite3 *db;
    struct nb_entry info;
    struct nb_graph *g = make_good(LINEAR);
    must(nb_store_create(store, "g", g, &info, &error));
    nb_store_close(store);
    ck_assert_int_eq(sqlite3_open(scratch_path("", "nablad.db"), &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(
            db,
            "DROP TABLE dataset; DROP TABLE submission; DROP TABLE challenge; DROP TABLE assignment; DROP TABLE key;"
            "DROP TABLE result; DROP TABLE job; DROP INDEX graph_training; "
            "ALTER TABLE graph DROP COLUMN training; PRAGMA user_version = 1",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    open_store();
    struct nb_graph *again = nb_store_get(store, "g", &info, &error);
    ck_assert_str_eq(nb_graph_text(again), nb_graph_text(g));
    nb_graph_unref(again);
    add("a", g, info.parameters);
    expect_jobs("aQ ");
    nb_graph_unref(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("journal");
    TCase *t = tcase_create("journal"), *u = tcase_create("jobs");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, journal_setup, journal_teardown);
    tcase_add_test(t, kept);
    tcase_add_test(t, another_signature);
    tcase_add_test(t, another_question);
    tcase_add_test(t, torn);
    tcase_add_test(t, flipped);
    tcase_add_test(t, rubbish);
    tcase_add_test(t, full);
    tcase_add_checked_fixture(u, setup, teardown);
    tcase_add_test(u, life);
    tcase_add_test(u, graph);
    tcase_add_test(u, journals);
    tcase_add_test(u, older_schema);
    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
