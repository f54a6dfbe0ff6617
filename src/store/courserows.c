/* courserows.c - three tables: assignments, challenges, what was handed in. */
#include "store/courserows.h"
#include <string.h>

int nb_row_count(sqlite3_stmt *s, int64_t *n, struct nb_error *e)
{
    *n = nb_step(s, e) ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

/* ---- assignments ------------------------------------------------------------------------------------------------- */

#define TASK                                                                                                           \
    "name, owner, created, updated, opens, closes, ends, tries, challenge_seconds, late, over, secret, "               \
    "(SELECT count(*) FROM submission WHERE assignment = name)"

int nb_taskrow_put(sqlite3 *db, const struct nb_assignment *a, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e,
                                "INSERT INTO assignment(name, owner, created, updated, opens, closes, ends, tries, "
                                "challenge_seconds, late, over, secret, text) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
                                "ttiiiiiiiiibt", a->name, a->owner, a->created, a->updated, a->opens, a->closes,
                                a->ends, a->tries, a->challenge_seconds, (int64_t)a->late, (int64_t)a->over, a->secret,
                                sizeof a->secret, a->text),
                     e);
}

int nb_taskrow_change(sqlite3 *db, const struct nb_assignment *a, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e,
                                "UPDATE assignment SET updated = ?, opens = ?, closes = ?, ends = ?, tries = ?, "
                                "challenge_seconds = ?, late = ?, over = ?, text = ? WHERE name = ?",
                                "iiiiiiiitt", a->updated, a->opens, a->closes, a->ends, a->tries, a->challenge_seconds,
                                (int64_t)a->late, (int64_t)a->over, a->text, a->name),
                     e);
}

static void take_task(sqlite3_stmt *s, struct nb_assignment *a, struct nb_error *e)
{
    *a = (struct nb_assignment){.created = sqlite3_column_int64(s, 2),
                                .updated = sqlite3_column_int64(s, 3),
                                .opens = sqlite3_column_int64(s, 4),
                                .closes = sqlite3_column_int64(s, 5),
                                .ends = sqlite3_column_int64(s, 6),
                                .tries = sqlite3_column_int64(s, 7),
                                .challenge_seconds = sqlite3_column_int64(s, 8),
                                .late = sqlite3_column_int(s, 9),
                                .over = sqlite3_column_int(s, 10),
                                .submissions = sqlite3_column_int64(s, 12)};
    nb_take_text(a->name, sizeof a->name, s, 0);
    nb_take_text(a->owner, sizeof a->owner, s, 1);
    if (sqlite3_column_bytes(s, 11) != sizeof a->secret)
        nb_fail(e, NB_E_store_failed, "the assignment %s can no longer be read", a->name);
    else
        memcpy(a->secret, sqlite3_column_blob(s, 11), sizeof a->secret);
}

int nb_taskrow_get(sqlite3 *db, const char *name, struct nb_arena *arena, struct nb_assignment *a, struct nb_error *e)
{
    sqlite3_stmt *s = nb_prepare(db, e, "SELECT " TASK ", text FROM assignment WHERE name = ?", "t", name);
    if (nb_step(s, e)) {
        take_task(s, a, e);
        a->text = nb_copy_text(arena, s, 13, e);
    } else if (!e->code) {
        nb_fail(e, NB_E_unknown_assignment, "there is no assignment %.64s", name);
    }
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

int nb_taskrow_list(sqlite3 *db, struct nb_arena *arena, struct nb_assignment **list, size_t *n, struct nb_error *e)
{
    sqlite3_stmt *s = nb_prepare(db, e, "SELECT " TASK " FROM assignment ORDER BY name", "");
    size_t cap = 0;
    *list = NULL;
    *n = 0;
    while (nb_step(s, e) && !nb_grow(arena, list, *n, &cap, sizeof **list, e))
        take_task(s, &(*list)[(*n)++], e);
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

int nb_taskrow_remove(sqlite3 *db, const char *name, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e, "DELETE FROM assignment WHERE name = ?", "t", name), e);
}

/* ---- challenges -------------------------------------------------------------------------------------------------- */

#define CHALLENGE "id, assignment, key, student, attempt, created, expires, expired, used, commitment"

int nb_challengerow_put(sqlite3 *db, const struct nb_challenge *c, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e, "INSERT INTO challenge(" CHALLENGE ") VALUES(?,?,?,?,?,?,?,0,0,?)", "ttttiiit",
                                c->id, c->assignment, c->key, c->student, c->attempt, c->created, c->expires,
                                c->commitment),
                     e);
}

static void take_challenge(sqlite3_stmt *s, struct nb_challenge *c)
{
    *c = (struct nb_challenge){.attempt = sqlite3_column_int64(s, 4),
                               .created = sqlite3_column_int64(s, 5),
                               .expires = sqlite3_column_int64(s, 6),
                               .expired = sqlite3_column_int(s, 7),
                               .used = sqlite3_column_int(s, 8)};
    nb_take_text(c->id, sizeof c->id, s, 0);
    nb_take_text(c->assignment, sizeof c->assignment, s, 1);
    nb_take_text(c->key, sizeof c->key, s, 2);
    nb_take_text(c->student, sizeof c->student, s, 3);
    nb_take_text(c->commitment, sizeof c->commitment, s, 9);
}

int nb_challengerow_get(sqlite3 *db, const char *id, const char *assignment, const char *student, const char *key,
                        struct nb_challenge *c, struct nb_error *e)
{
    sqlite3_stmt *s = id ? nb_prepare(db, e, "SELECT " CHALLENGE " FROM challenge WHERE id = ?", "t", id)
                         : nb_prepare(db, e,
                                      "SELECT " CHALLENGE " FROM challenge WHERE assignment = ? AND student = ? AND "
                                      "key = ? AND expired = 0 AND used = 0 ORDER BY attempt DESC LIMIT 1",
                                      "ttt", assignment, student, key);
    *c = (struct nb_challenge){0};
    if (nb_step(s, e))
        take_challenge(s, c);
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

int nb_challengerow_last(sqlite3 *db, const char *assignment, const char *student, struct nb_challenge *c,
                         struct nb_error *e)
{
    sqlite3_stmt *s = nb_prepare(db, e,
                                 "SELECT " CHALLENGE " FROM challenge WHERE assignment = ? AND student = ? "
                                 "ORDER BY used, attempt DESC LIMIT 1",
                                 "tt", assignment, student);
    *c = (struct nb_challenge){0};
    if (nb_step(s, e))
        take_challenge(s, c);
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

int nb_challengerow_used(sqlite3 *db, const char *id, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e, "UPDATE challenge SET used = 1 WHERE id = ?", "t", id), e);
}

/* ---- what was handed in ------------------------------------------------------------------------------------------ */

#define HANDED                                                                                                         \
    "id, challenge, assignment, student, number, attempt, received, late, counted, score, max_score, verdict, hash, "  \
    "type, (SELECT commitment FROM challenge WHERE challenge.id = submission.challenge)"

int nb_handedrow_put(sqlite3 *db, const struct nb_handed_in *x, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e,
                                "INSERT INTO submission(id, challenge, assignment, student, attempt, received, late, "
                                "counted, score, max_score, verdict, hash, type, result, body) "
                                "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                                "ttttiiiiddttttb", x->id, x->challenge, x->assignment, x->student, x->attempt,
                                x->received, (int64_t)x->late, (int64_t)x->counted, x->score, x->max_score, x->verdict,
                                x->hash, x->type, x->result, x->size ? x->body : "", x->size),
                     e);
}

static void take_handed(sqlite3_stmt *s, struct nb_arena *arena, struct nb_handed_in *x, struct nb_error *e)
{
    *x = (struct nb_handed_in){.number = sqlite3_column_int64(s, 4),
                               .attempt = sqlite3_column_int64(s, 5),
                               .received = sqlite3_column_int64(s, 6),
                               .late = sqlite3_column_int(s, 7),
                               .counted = sqlite3_column_int(s, 8),
                               .score = sqlite3_column_double(s, 9),
                               .max_score = sqlite3_column_double(s, 10),
                               .type = nb_copy_text(arena, s, 13, e)};
    nb_take_text(x->id, sizeof x->id, s, 0);
    nb_take_text(x->challenge, sizeof x->challenge, s, 1);
    nb_take_text(x->assignment, sizeof x->assignment, s, 2);
    nb_take_text(x->student, sizeof x->student, s, 3);
    nb_take_text(x->verdict, sizeof x->verdict, s, 11);
    nb_take_text(x->hash, sizeof x->hash, s, 12);
    nb_take_text(x->commitment, sizeof x->commitment, s, 14);
}

int nb_handedrow_get(sqlite3 *db, const char *id, const char *challenge, struct nb_arena *arena, struct nb_handed_in *x,
                     struct nb_error *e)
{
    sqlite3_stmt *s =
        id ? nb_prepare(db, e, "SELECT " HANDED ", result, body FROM submission WHERE id = ?", "t", id)
           : nb_prepare(db, e, "SELECT " HANDED ", result, body FROM submission WHERE challenge = ?", "t", challenge);
    *x = (struct nb_handed_in){0};
    if (nb_step(s, e)) {
        take_handed(s, arena, x, e);
        x->result = nb_copy_text(arena, s, 15, e);
        x->body = nb_copy_bytes(arena, s, 16, &x->size, e);
    }
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

int nb_handedrow_list(sqlite3 *db, const char *assignment, const char *student, int64_t after, int64_t most,
                      bool results, struct nb_arena *arena, struct nb_handed_in **list, size_t *n, struct nb_error *e)
{
    sqlite3_stmt *s = nb_prepare(db, e,
                                 "SELECT " HANDED ", CASE WHEN ?1 THEN result END FROM submission WHERE "
                                 "assignment = ?2 AND (?3 IS NULL OR student = ?3) AND number > ?4 "
                                 "ORDER BY number LIMIT ?5",
                                 "ittii", (int64_t)results, assignment, student, after, most);
    size_t cap = 0;
    *list = NULL;
    *n = 0;
    while (nb_step(s, e) && !nb_grow(arena, list, *n, &cap, sizeof **list, e)) {
        struct nb_handed_in *x = &(*list)[(*n)++];
        take_handed(s, arena, x, e);
        x->result = nb_copy_text(arena, s, 15, e);
    }
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

int nb_handedrow_regrade(sqlite3 *db, const struct nb_handed_in *x, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e,
                                "UPDATE submission SET counted = ?, score = ?, max_score = ?, verdict = ?, result = ? "
                                "WHERE id = ?",
                                "iddttt", (int64_t)x->counted, x->score, x->max_score, x->verdict, x->result, x->id),
                     e);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

int nb_courserows_expire(sqlite3 *db, int64_t now, struct nb_error *e)
{
    static const char *const changes[] = {
        "UPDATE assignment SET late = 1 WHERE late = 0 AND closes > 0 AND closes <= ?",
        "UPDATE assignment SET over = 1 WHERE over = 0 AND ends > 0 AND ends <= ?",
        "UPDATE challenge SET expired = 1 WHERE expired = 0 AND used = 0 AND expires <= ?",
    };
    for (int i = 0; i < 3; i++)
        if (nb_finish(nb_prepare(db, e, changes[i], "i", now), e))
            return -1;
    return 0;
}
