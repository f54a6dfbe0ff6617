/* test_coursestore.c - keys, assignments, challenges and submissions in the store: clocks that jump, several at once,
 * what an older schema becomes, and kill -9 at random moments. */
#include "nabla/rng.h"
#include "scratch.h"
#include "store/course.h"
#include "store/files.h"
#include "store/store.h"
#include "victim.h"
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>

static struct nb_arena arena;
static struct nb_store *store;

static void open_store(void)
{
    struct nb_error e = {0};
    store = nb_store_open(scratch, &e);
    ck_assert_msg(store != NULL, "%s", e.detail);
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

static void reopen(void)
{
    nb_store_close(store);
    open_store();
}

static struct nb_assignment task(int64_t opens, int64_t closes, int64_t ends, int64_t tries)
{
    struct nb_assignment a = {.name = "hw",
                              .owner = "teacher",
                              .opens = opens,
                              .closes = closes,
                              .ends = ends,
                              .tries = tries,
                              .challenge_seconds = 50,
                              .text = "{\"name\":\"hw\"}"};
    return a;
}

static void add_task(struct nb_assignment a, int64_t now)
{
    struct nb_error e = {0};
    ck_assert_msg(!nb_store_assignment_add(store, &a, now, &e), "%s", e.detail);
}

/* The code of the refusal, or NB_E_none and *c. */
static enum nb_code challenge(const char *key, const char *student, int64_t now, struct nb_challenge *c)
{
    struct nb_error e = {0};
    *c = (struct nb_challenge){0};
    snprintf(c->key, sizeof c->key, "%s", key);
    snprintf(c->student, sizeof c->student, "%s", student);
    int failed = nb_store_challenge_take(store, "hw", now, c, &e);
    ck_assert_int_eq(failed, e.code ? -1 : 0);
    return e.code;
}

static struct nb_handed_in answer(const struct nb_challenge *c, const char *body, int64_t now)
{
    struct nb_handed_in x = {.attempt = c->attempt,
                             .received = now,
                             .counted = true,
                             .score = 3,
                             .max_score = 4,
                             .verdict = "wrong",
                             .type = "application/json",
                             .body = body,
                             .size = strlen(body),
                             .result = "{\"score\":3}"};
    memcpy(x.challenge, c->id, sizeof x.challenge);
    memcpy(x.assignment, c->assignment, sizeof x.assignment);
    memcpy(x.student, c->student, sizeof x.student);
    nb_files_hash(body, strlen(body), x.hash);
    return x;
}

static enum nb_code hand_in(struct nb_handed_in *x, bool *again)
{
    struct nb_error e = {0};
    nb_store_submission_add(store, x, &arena, again, &e);
    return e.code;
}

/* ---- seeds ------------------------------------------------------------------------------------------------------- */

START_TEST(seeds)
{
    /* python3: hmac.new(bytes(range(32)), b"ada\0" + b"1", "sha256").hexdigest()[:32] */
    static const struct {
        const char *student;
        int64_t attempt;
        const char *seed;
    } known[] = {{"ada", 1, "c8a07907fbccfe24e288f003a39c2520"},
                 {"ada", 2, "9474363ab7be8b770e9e1289466af435"},
                 {"", 1, "263ee6b54d7db5a9e5913111a9ab85e3"}};
    uint8_t secret[32];
    char text[33];
    for (int i = 0; i < 32; i++)
        secret[i] = (uint8_t)i;
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(nb_seed_text(nb_challenge_seed(secret, known[i].student, known[i].attempt), text),
                         known[i].seed);
}
END_TEST

START_TEST(secrets_differ)
{
    struct nb_assignment a = task(0, 0, 0, 0), b = a;
    struct nb_error e = {0};
    snprintf(b.name, sizeof b.name, "other");
    ck_assert(!nb_store_assignment_add(store, &a, 1, &e) && !nb_store_assignment_add(store, &b, 1, &e));
    ck_assert_int_ne(memcmp(a.secret, b.secret, 32), 0);
    reopen();
    struct nb_assignment there;
    ck_assert(!nb_store_assignment_get(store, "hw", &arena, &there, &e));
    ck_assert_int_eq(memcmp(a.secret, there.secret, 32), 0);
    ck_assert_str_eq(there.text, a.text);
}
END_TEST

/* ---- clocks that jump -------------------------------------------------------------------------------------------- */

START_TEST(closed_stays_closed)
{
    struct nb_challenge c;
    struct nb_error e = {0};
    add_task(task(10, 100, 200, 0), 1);
    ck_assert_int_eq(challenge("k", "ada", 9, &c), NB_E_not_open_yet);
    ck_assert_int_eq(challenge("k", "ada", 20, &c), NB_E_none);
    ck_assert_int_eq(challenge("k", "bob", 150, &c), NB_E_none); /* late */
    ck_assert_int_eq(challenge("k", "bob", 250, &c), NB_E_closed);
    ck_assert_int_eq(challenge("k", "bob", 20, &c), NB_E_closed); /* the clock was put back */
    reopen();
    ck_assert_int_eq(challenge("k", "bob", 20, &c), NB_E_closed);
    struct nb_assignment a;
    ck_assert(!nb_store_assignment_get(store, "hw", &arena, &a, &e));
    ck_assert(a.late && a.over);
    ck_assert_int_eq(nb_assignment_stage(&a, 20), NB_STAGE_OVER);
    a.ends = 400; /* what opens it again is a new time */
    a.closes = 300;
    ck_assert(!nb_store_assignment_change(store, &a, 250, &e));
    ck_assert_int_eq(challenge("k", "bob", 260, &c), NB_E_none);
}
END_TEST

START_TEST(late_stays_late)
{
    struct nb_challenge c;
    struct nb_assignment a;
    struct nb_error e = {0};
    add_task(task(0, 100, 200, 0), 1);
    ck_assert_int_eq(challenge("k", "ada", 150, &c), NB_E_none);
    ck_assert(!nb_store_assignment_get(store, "hw", &arena, &a, &e));
    ck_assert_int_eq(nb_assignment_stage(&a, 50), NB_STAGE_LATE);
}
END_TEST

START_TEST(expired_stays_expired)
{
    struct nb_challenge c, next, old;
    struct nb_error e = {0};
    add_task(task(0, 0, 0, 1), 1);
    ck_assert_int_eq(challenge("k", "ada", 10, &c), NB_E_none);
    ck_assert_int_eq(c.expires, 60);
    ck_assert_int_eq(challenge("k", "ada", 59, &next), NB_E_none);
    ck_assert_str_eq(next.id, c.id);
    ck_assert_int_eq(challenge("k", "ada", 60, &next), NB_E_none);
    ck_assert_str_ne(next.id, c.id);
    ck_assert_int_eq(next.attempt, 2);
    ck_assert(!nb_store_challenge_get(store, c.id, &old, &e));
    ck_assert(old.expired); /* whatever the clock says now */
    ck_assert_int_eq(challenge("k", "ada", 20, &old), NB_E_none);
    ck_assert_str_eq(old.id, next.id);
}
END_TEST

/* ---- once -------------------------------------------------------------------------------------------------------- */

START_TEST(taken_once)
{
    struct nb_challenge c;
    bool again;
    add_task(task(0, 0, 0, 0), 1);
    ck_assert_int_eq(challenge("k", "ada", 10, &c), NB_E_none);
    struct nb_handed_in x = answer(&c, "first", 11), same = answer(&c, "first", 12), other = answer(&c, "other", 13);
    ck_assert_int_eq(hand_in(&x, &again), NB_E_none);
    ck_assert(!again);
    ck_assert_int_eq(hand_in(&other, &again), NB_E_challenge_used);
    ck_assert_int_eq(hand_in(&same, &again), NB_E_none);
    ck_assert(again);
    ck_assert_str_eq(same.id, x.id);
    ck_assert_int_eq(same.received, 11);
    reopen();
    struct nb_handed_in there;
    struct nb_error e = {0};
    ck_assert(!nb_store_submission_get(store, x.id, &arena, &there, &e));
    ck_assert_str_eq(there.body, "first");
    ck_assert_str_eq(there.result, "{\"score\":3}");
    ck_assert(there.score == 3 && there.max_score == 4 && there.counted && there.number == x.number);
}
END_TEST

START_TEST(tries_over_several_keys)
{
    struct nb_challenge a, b;
    bool again;
    add_task(task(0, 0, 0, 1), 1);
    ck_assert_int_eq(challenge("k1", "ada", 10, &a), NB_E_none);
    ck_assert_int_eq(challenge("k2", "ada", 10, &b), NB_E_none);
    ck_assert_str_ne(a.id, b.id);
    struct nb_handed_in x = answer(&a, "a", 11), y = answer(&b, "b", 11);
    ck_assert_int_eq(hand_in(&x, &again), NB_E_none);
    ck_assert_int_eq(hand_in(&y, &again), NB_E_no_tries);
    ck_assert_int_eq(challenge("k1", "ada", 12, &a), NB_E_no_tries);
    ck_assert_int_eq(challenge("k1", "bob", 12, &a), NB_E_none);
}
END_TEST

static void *race(void *challenge_of)
{
    static int taken;
    struct nb_handed_in x = answer(challenge_of, "raced", 11);
    struct nb_arena mine;
    struct nb_error e = {0};
    bool again = false;
    char body[40];
    nb_arena_init(&mine, 1 << 20);
    snprintf(body, sizeof body, "%p", (void *)&x);
    nb_files_hash(body, strlen(body), x.hash);
    nb_store_submission_add(store, &x, &mine, &again, &e);
    nb_arena_done(&mine);
    return e.code == NB_E_none && !again ? &taken : NULL;
}

START_TEST(one_of_several)
{
    add_task(task(0, 0, 0, 0), 1);
    for (int round = 0; round < 20; round++) {
        struct nb_challenge c;
        pthread_t thread[8];
        int taken = 0;
        ck_assert_int_eq(challenge("k", "ada", 10, &c), NB_E_none);
        for (int i = 0; i < 8; i++)
            pthread_create(&thread[i], NULL, race, &c);
        for (int i = 0; i < 8; i++) {
            void *r;
            pthread_join(thread[i], &r);
            taken += r != NULL;
        }
        ck_assert_int_eq(taken, 1);
    }
}
END_TEST

START_TEST(pages)
{
    struct nb_error e = {0};
    struct nb_handed_in *list;
    size_t n;
    bool again;
    add_task(task(0, 0, 0, 0), 1);
    for (int i = 0; i < 7; i++) {
        struct nb_challenge c;
        ck_assert_int_eq(challenge("k", i % 2 ? "bob" : "ada", 10, &c), NB_E_none);
        struct nb_handed_in x = answer(&c, "x", 11);
        ck_assert_int_eq(hand_in(&x, &again), NB_E_none);
    }
    ck_assert(!nb_store_submission_list(store, "hw", NULL, 0, 5, false, &arena, &list, &n, &e));
    ck_assert_uint_eq(n, 5);
    ck_assert_ptr_null(list[0].result);
    int64_t after = list[4].number;
    ck_assert(!nb_store_submission_list(store, "hw", NULL, after, 5, true, &arena, &list, &n, &e));
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(list[0].result, "{\"score\":3}");
    ck_assert(!nb_store_submission_list(store, "hw", "bob", 0, 5, false, &arena, &list, &n, &e));
    ck_assert_uint_eq(n, 3);
    ck_assert(nb_store_assignment_remove(store, "hw", false, &e));
    ck_assert_int_eq(e.code, NB_E_assignment_in_use);
    e = (struct nb_error){0};
    ck_assert(!nb_store_assignment_remove(store, "hw", true, &e));
    ck_assert(!nb_store_submission_list(store, "hw", NULL, 0, 5, false, &arena, &list, &n, &e));
    ck_assert_uint_eq(n, 0);
}
END_TEST

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static enum nb_code add_key(const char *label, unsigned scopes, char text[NB_KEY_TEXT])
{
    struct nb_key k = {.who.scopes = scopes};
    struct nb_error e = {0};
    snprintf(k.who.label, sizeof k.who.label, "%s", label);
    nb_store_key_add(store, &k, text, &e);
    return e.code;
}

START_TEST(keys)
{
    char root[NB_KEY_TEXT], ada[NB_KEY_TEXT], more[NB_KEY_TEXT];
    struct nb_who who = {0};
    struct nb_error e = {0};
    ck_assert_int_eq(add_key("ada", NB_MAY_submit, ada), NB_E_bad_value); /* nobody could make another */
    ck_assert_int_eq(add_key("root", NB_MAY_admin, root), NB_E_none);
    ck_assert_int_eq(add_key("ada", NB_MAY_submit, ada), NB_E_none);
    ck_assert_int_eq(add_key("ada", NB_MAY_submit, more), NB_E_label_taken);
    reopen();
    ck_assert_uint_eq(nb_store_keys(store), 2);
    ck_assert_int_eq(nb_store_key_find(store, ada, strlen(ada), &who), NB_KEY_GOOD);
    ck_assert_str_eq(who.label, "ada");
    ck_assert_uint_eq(who.scopes, NB_MAY_submit);
    ck_assert_int_eq(nb_store_key_find(store, ada, strlen(ada) - 1, &who), NB_KEY_UNKNOWN);
    ck_assert(!nb_store_key_remove(store, who.id, &e));
    ck_assert_int_eq(nb_store_key_find(store, ada, strlen(ada), &who), NB_KEY_UNKNOWN);
    ck_assert_int_eq(nb_store_key_find(store, root, strlen(root), &who), NB_KEY_GOOD);
    ck_assert_uint_eq(who.scopes, NB_MAY_ALL);
    ck_assert(nb_store_key_remove(store, who.id, &e));
    ck_assert_int_eq(e.code, NB_E_last_key);
}
END_TEST

/* ---- an older schema --------------------------------------------------------------------------------------------- */

START_TEST(older_schema)
{
    sqlite3 *db;
    struct nb_error e = {0};
    nb_store_close(store);
    ck_assert_int_eq(sqlite3_open(scratch_path("", "nablad.db"), &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(
            db,
            "DROP TABLE dataset; DROP TABLE submission; DROP TABLE challenge; DROP TABLE assignment; DROP TABLE key;"
            "ALTER TABLE job DROP COLUMN owner; ALTER TABLE job DROP COLUMN scopes;"
            "INSERT INTO job(id, kind, state, created, target, seed) "
            "VALUES('1', 'check', 'done', 7, '/v1/check', '0'); DROP INDEX graph_training; "
            "ALTER TABLE graph DROP COLUMN training; PRAGMA user_version = 2;",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    open_store();
    struct nb_assignment a = task(0, 0, 0, 0);
    ck_assert(!nb_store_assignment_add(store, &a, 1, &e));
    ck_assert_uint_eq(nb_store_keys(store), 0);
}
END_TEST

/* ---- kill -9 ----------------------------------------------------------------------------------------------------- */

enum { KILLS = 60 };
struct said {
    char id[NB_COURSE_ID], challenge[NB_COURSE_ID], hash[65];
};

/* Hands in until it is killed, and says what was acknowledged. */
static void child(int fd)
{
    open_store();
    for (int i = 0;; i++) {
        struct nb_challenge c;
        char student[40], body[40];
        bool again;
        snprintf(student, sizeof student, "s%d-%d", (int)getpid(), i % 5);
        if (challenge("k", student, 10, &c))
            _exit(1);
        snprintf(body, sizeof body, "%s", c.id);
        struct nb_handed_in x = answer(&c, body, 11);
        struct said s = {0};
        if (hand_in(&x, &again))
            _exit(1);
        memcpy(s.id, x.id, sizeof s.id);
        memcpy(s.challenge, x.challenge, sizeof s.challenge);
        memcpy(s.hash, x.hash, sizeof s.hash);
        if (write(fd, &s, sizeof s) != sizeof s)
            _exit(2);
    }
}

/* Everything that was acknowledged is there; every submission has used its challenge. */
static void check_all(const struct said *s, size_t n)
{
    struct nb_error e = {0};
    struct nb_handed_in *list, x;
    size_t there;
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(!nb_store_submission_get(store, s[i].id, &arena, &x, &e), "%s", e.detail);
        ck_assert_str_eq(x.hash, s[i].hash);
        ck_assert_str_eq(x.body, s[i].challenge);
    }
    ck_assert(!nb_store_submission_list(store, "hw", NULL, 0, INT64_MAX, false, &arena, &list, &there, &e));
    ck_assert_uint_ge(there, n);
    for (size_t i = 0; i < there; i++) {
        struct nb_challenge c;
        ck_assert(!nb_store_challenge_get(store, list[i].challenge, &c, &e));
        ck_assert(c.used);
    }
}

START_TEST(killed)
{
    static struct said said[100000];
    size_t n = 0;
    add_task(task(0, 0, 0, 0), 1);
    for (int i = 0; i < KILLS; i++) {
        int from;
        nb_store_close(store);
        pid_t pid = victim_begin(child, &from);
        for (int k = i % 6; k > 0 && read(from, &said[n], sizeof *said) == sizeof *said; k--)
            n++; /* without any the kill may hit the opening */
        usleep((useconds_t)(331 * (i % 37)));
        victim_kill(pid);
        while (n < 100000 && read(from, &said[n], sizeof *said) == sizeof *said)
            n++;
        close(from);
        nb_arena_reset(&arena, 0);
        open_store();
        check_all(said, n);
    }
    printf("%d kills: %zu submissions acknowledged, all there\n", KILLS, n);
    fflush(stdout);
    ck_assert_uint_gt(n, KILLS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("coursestore");
    TCase *c = tcase_create("coursestore");
    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, seeds);
    tcase_add_test(c, secrets_differ);
    tcase_add_test(c, closed_stays_closed);
    tcase_add_test(c, late_stays_late);
    tcase_add_test(c, expired_stays_expired);
    tcase_add_test(c, taken_once);
    tcase_add_test(c, tries_over_several_keys);
    tcase_add_test(c, one_of_several);
    tcase_add_test(c, pages);
    tcase_add_test(c, keys);
    tcase_add_test(c, older_schema);
    tcase_add_test(c, killed);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
