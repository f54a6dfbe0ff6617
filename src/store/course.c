/* course.c - what may follow on what. */
#include "store/course.h"
#include "nabla/limits.h"
#include "store/courserows.h"
#include "store/parts.h"
#include "store/secret.h"
#include <string.h>

/* ---- assignments ------------------------------------------------------------------------------------------------- */

static int add(struct nb_store *s, const struct nb_assignment *a, struct nb_error *e)
{
    int64_t there, n;
    if (nb_row_count(nb_prepare(s->database, e, "SELECT count(*) FROM assignment WHERE name = ?", "t", a->name), &there,
                     e) ||
        nb_row_count(nb_prepare(s->database, e, "SELECT count(*) FROM assignment", ""), &n, e))
        return -1;
    if (there)
        return nb_fail(e, NB_E_assignment_exists, "there is an assignment %s already", a->name);
    if (n >= nb_limits.assignments)
        return NB_OVER(e, assignments, n + 1);
    return nb_taskrow_put(s->database, a, e);
}

/* Marks that hold from now on. */
static void mark(struct nb_assignment *a, int64_t now)
{
    a->late = a->closes && a->closes <= now;
    a->over = a->ends && a->ends <= now;
    a->updated = now;
}

int nb_store_assignment_add(struct nb_store *s, struct nb_assignment *a, int64_t now, struct nb_error *e)
{
    if (!nb_parts_is_name(a->name))
        return nb_fail(e, NB_E_bad_name,
                       "names of assignments match [A-Za-z0-9_.-]{1,64} and are not . or ..; \"%.64s\" came", a->name);
    if (nb_random(a->secret, sizeof a->secret, e))
        return -1;
    a->created = now;
    mark(a, now);
    pthread_mutex_lock(&s->disk);
    int failed = add(s, a, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_assignment_change(struct nb_store *s, struct nb_assignment *a, int64_t now, struct nb_error *e)
{
    mark(a, now);
    pthread_mutex_lock(&s->disk);
    int failed = nb_taskrow_change(s->database, a, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_assignment_get(struct nb_store *s, const char *name, struct nb_arena *arena, struct nb_assignment *a,
                            struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_taskrow_get(s->database, name, arena, a, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_assignment_list(struct nb_store *s, struct nb_arena *arena, struct nb_assignment **list, size_t *n,
                             struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_taskrow_list(s->database, arena, list, n, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

static int remove_task(struct nb_store *s, const char *name, bool with_submissions, struct nb_error *e)
{
    int64_t n;
    if (nb_row_count(nb_prepare(s->database, e, "SELECT count(*) FROM submission WHERE assignment = ?", "t", name), &n,
                     e))
        return -1;
    if (n && !with_submissions)
        return nb_fail(e, NB_E_assignment_in_use,
                       "%lld submissions would be lost; ?submissions=delete says that they may be", (long long)n);
    return nb_taskrow_remove(s->database, name, e);
}

int nb_store_assignment_remove(struct nb_store *s, const char *name, bool with_submissions, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = remove_task(s, name, with_submissions, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

enum nb_stage nb_assignment_stage(const struct nb_assignment *a, int64_t now)
{
    if (a->over || (a->ends && now >= a->ends))
        return NB_STAGE_OVER;
    if (a->late || (a->closes && now >= a->closes))
        return NB_STAGE_LATE;
    return now < a->opens ? NB_STAGE_EARLY : NB_STAGE_OPEN;
}

/* ---- challenges -------------------------------------------------------------------------------------------------- */

/* Where the assignment does not say: a student must not be able to fill the disk. */
enum { MOST_TRIES = 1000 };

/* no_tries, or 0. */
static int judge_used(int64_t tries, int64_t used, struct nb_error *e)
{
    int64_t most = tries ? tries : MOST_TRIES;
    return used >= most ? nb_fail(e, NB_E_no_tries, "all %lld tries were used", (long long)most) : 0;
}

static int tries_used(struct nb_store *s, const char *assignment, const char *student, int64_t *n, struct nb_error *e)
{
    return nb_row_count(nb_prepare(s->database, e,
                                   "SELECT count(*) FROM submission WHERE assignment = ? AND student = ? AND counted",
                                   "tt", assignment, student),
                        n, e);
}

int nb_store_tries_used(struct nb_store *s, const char *assignment, const char *student, int64_t *used,
                        struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = tries_used(s, assignment, student, used, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

static int judge_time(const struct nb_assignment *a, int64_t now, struct nb_error *e)
{
    enum nb_stage stage = nb_assignment_stage(a, now);
    if (stage == NB_STAGE_EARLY)
        return nb_fail(e, NB_E_not_open_yet, "the assignment %s is not open yet", a->name);
    return stage == NB_STAGE_OVER ? nb_fail(e, NB_E_closed, "the assignment %s is closed", a->name) : 0;
}

static int draw_new(struct nb_store *s, const struct nb_assignment *a, int64_t now, struct nb_challenge *c,
                    struct nb_error *e)
{
    int64_t used, last;
    if (tries_used(s, a->name, c->student, &used, e) ||
        nb_row_count(nb_prepare(s->database, e,
                                "SELECT max(attempt) FROM challenge WHERE assignment = ? AND student = ?", "tt",
                                a->name, c->student),
                     &last, e) ||
        nb_random_id("ch_", c->id, e))
        return -1;
    if (judge_used(a->tries, used, e))
        return -1;
    memcpy(c->assignment, a->name, sizeof c->assignment);
    c->attempt = last + 1;
    c->created = now;
    c->expires = now + a->challenge_seconds;
    return nb_challengerow_put(s->database, c, e);
}

static int take(struct nb_store *s, const char *assignment, int64_t now, struct nb_challenge *c, struct nb_error *e)
{
    struct nb_assignment a;
    struct nb_challenge open;
    struct nb_arena arena;
    nb_arena_init(&arena, (size_t)nb_limits.memory);
    int failed = nb_courserows_expire(s->database, now, e) || nb_taskrow_get(s->database, assignment, &arena, &a, e) ||
                 judge_time(&a, now, e) ||
                 nb_challengerow_get(s->database, NULL, assignment, c->student, c->key, &open, e);
    nb_arena_done(&arena);
    if (failed)
        return -1;
    if (!*open.id)
        return draw_new(s, &a, now, c, e);
    if (strcmp(open.commitment, c->commitment))
        return nb_fail(e, NB_E_challenge_open, "the challenge %s is open, with another commitment", open.id);
    *c = open;
    return 0;
}

int nb_store_challenge_take(struct nb_store *s, const char *assignment, int64_t now, struct nb_challenge *c,
                            struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = take(s, assignment, now, c, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_challenge_get(struct nb_store *s, const char *id, struct nb_challenge *c, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_challengerow_get(s->database, id, NULL, NULL, NULL, c, e);
    pthread_mutex_unlock(&s->disk);
    return failed ? -1 : *c->id ? 0 : nb_fail(e, NB_E_unknown_challenge, "there is no challenge %.40s", id);
}

int nb_store_challenge_last(struct nb_store *s, const char *assignment, const char *student, struct nb_challenge *c,
                            struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_challengerow_last(s->database, assignment, student, c, e);
    pthread_mutex_unlock(&s->disk);
    return failed   ? -1
           : *c->id ? 0
                    : nb_fail(e, NB_E_unknown_challenge, "%.64s has no challenge of this assignment", student);
}

/* ---- what was handed in ------------------------------------------------------------------------------------------ */

/* Both or neither: the submission, and that its challenge is used. */
static int put(struct nb_store *s, struct nb_handed_in *x, struct nb_error *e)
{
    if (nb_random_id("su_", x->id, e) || nb_begin(s->database, e))
        return -1;
    int failed = nb_handedrow_put(s->database, x, e) || nb_challengerow_used(s->database, x->challenge, e);
    x->number = sqlite3_last_insert_rowid(s->database);
    return nb_commit(s->database, failed, e);
}

/* Several keys may each have had an open challenge. */
static int judge_tries(struct nb_store *s, const struct nb_handed_in *x, struct nb_error *e)
{
    int64_t tries, used;
    if (!x->counted)
        return 0;
    if (nb_row_count(nb_prepare(s->database, e, "SELECT tries FROM assignment WHERE name = ?", "t", x->assignment),
                     &tries, e) ||
        tries_used(s, x->assignment, x->student, &used, e))
        return -1;
    return judge_used(tries, used, e);
}

/* The assignment may have been removed while we graded. */
static int still_there(struct nb_store *s, const char *challenge, struct nb_error *e)
{
    struct nb_challenge c;
    if (nb_challengerow_get(s->database, challenge, NULL, NULL, NULL, &c, e))
        return -1;
    return *c.id ? 0 : nb_fail(e, NB_E_unknown_challenge, "there is no challenge %s any more", challenge);
}

static int hand_in(struct nb_store *s, struct nb_handed_in *x, struct nb_arena *arena, bool *again, struct nb_error *e)
{
    struct nb_handed_in there;
    if (nb_handedrow_get(s->database, NULL, x->challenge, arena, &there, e))
        return -1;
    *again = *there.id;
    if (!*again)
        return still_there(s, x->challenge, e) || judge_tries(s, x, e) || put(s, x, e) ? -1 : 0;
    if (strcmp(there.hash, x->hash))
        return nb_fail(e, NB_E_challenge_used, "the challenge %s was answered by the submission %s", x->challenge,
                       there.id);
    *x = there;
    return 0;
}

int nb_store_submission_add(struct nb_store *s, struct nb_handed_in *x, struct nb_arena *arena, bool *again,
                            struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = hand_in(s, x, arena, again, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_submission_get(struct nb_store *s, const char *id, struct nb_arena *arena, struct nb_handed_in *x,
                            struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_handedrow_get(s->database, !strncmp(id, "ch_", 3) ? NULL : id, id, arena, x, e);
    pthread_mutex_unlock(&s->disk);
    return failed ? -1 : *x->id ? 0 : nb_fail(e, NB_E_unknown_submission, "there is no submission %.40s", id);
}

int nb_store_submission_list(struct nb_store *s, const char *assignment, const char *student, int64_t after,
                             int64_t most, bool results, struct nb_arena *arena, struct nb_handed_in **list, size_t *n,
                             struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_handedrow_list(s->database, assignment, student, after, most, results, arena, list, n, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_store_submission_regrade(struct nb_store *s, const struct nb_handed_in *x, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_handedrow_regrade(s->database, x, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}
