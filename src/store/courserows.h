/* courserows.h - the rows of a course, in SQLite. All with the lock `disk` held. */
#ifndef NABLA_COURSEROWS_H
#define NABLA_COURSEROWS_H
#include "store/course.h"
#include "store/statement.h"

int nb_taskrow_put(sqlite3 *db, const struct nb_assignment *a, struct nb_error *e);
int nb_taskrow_change(sqlite3 *db, const struct nb_assignment *a, struct nb_error *e);
int nb_taskrow_get(sqlite3 *db, const char *name, struct nb_arena *arena, struct nb_assignment *a, struct nb_error *e);
int nb_taskrow_list(sqlite3 *db, struct nb_arena *arena, struct nb_assignment **list, size_t *n, struct nb_error *e);
int nb_taskrow_remove(sqlite3 *db, const char *name, struct nb_error *e);
/* The only number a query returns. */
int nb_row_count(sqlite3_stmt *s, int64_t *n, struct nb_error *e);

int nb_challengerow_put(sqlite3 *db, const struct nb_challenge *c, struct nb_error *e);
/* By id, or the student's with this key that is neither used nor expired (id NULL). c->id "" if there is none. */
int nb_challengerow_get(sqlite3 *db, const char *id, const char *assignment, const char *student, const char *key,
                        struct nb_challenge *c, struct nb_error *e);
/* The student's last one, those that are not answered first. */
int nb_challengerow_last(sqlite3 *db, const char *assignment, const char *student, struct nb_challenge *c,
                         struct nb_error *e);
int nb_challengerow_used(sqlite3 *db, const char *id, struct nb_error *e);

int nb_handedrow_put(sqlite3 *db, const struct nb_handed_in *x, struct nb_error *e);
/* By the id of either; x->id "" if there is none. */
int nb_handedrow_get(sqlite3 *db, const char *id, const char *challenge, struct nb_arena *arena, struct nb_handed_in *x,
                     struct nb_error *e);
int nb_handedrow_list(sqlite3 *db, const char *assignment, const char *student, int64_t after, int64_t most,
                      bool results, struct nb_arena *arena, struct nb_handed_in **list, size_t *n, struct nb_error *e);
int nb_handedrow_regrade(sqlite3 *db, const struct nb_handed_in *x, struct nb_error *e);

/* Marks what time has ended. */
int nb_courserows_expire(sqlite3 *db, int64_t now, struct nb_error *e);

#endif
