/* statement.h - one statement of SQLite, from its text to its rows. Errors stay in e: later steps do nothing. */
#ifndef NABLA_STATEMENT_H
#define NABLA_STATEMENT_H
#include "nabla/arena.h"
#include <sqlite3.h>
#include <stdint.h>

/* Ready for its first step, or NULL. The format has one letter for each ?: t text (NULL is NULL), i int64_t, d double,
 * b bytes and their size. Nothing is copied. */
sqlite3_stmt *nb_prepare(sqlite3 *db, struct nb_error *e, const char *sql, const char *format, ...);
/* True: there is a row. */
bool nb_step(sqlite3_stmt *s, struct nb_error *e);
/* Does a statement that returns nothing, and ends it. */
int nb_finish(sqlite3_stmt *s, struct nb_error *e);
/* Several statements, or none: nb_begin, then nb_commit with whether they failed. */
int nb_begin(sqlite3 *db, struct nb_error *e);
int nb_commit(sqlite3 *db, int failed, struct nb_error *e);

/* A column of the row. */
void nb_take_text(char *to, size_t size, sqlite3_stmt *s, int column);
char *nb_copy_text(struct nb_arena *a, sqlite3_stmt *s, int column, struct nb_error *e);
/* With a NUL behind. */
void *nb_copy_bytes(struct nb_arena *a, sqlite3_stmt *s, int column, size_t *n, struct nb_error *e);

#endif
