/* statement.c - binding, stepping, taking columns. */
#include "store/statement.h"
#include "store/database.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int bind(sqlite3_stmt *s, const char *format, va_list args)
{
    int r = SQLITE_OK;
    for (int i = 1; *format && r == SQLITE_OK; format++, i++) {
        if (*format == 't')
            r = sqlite3_bind_text(s, i, va_arg(args, const char *), -1, SQLITE_STATIC);
        else if (*format == 'i')
            r = sqlite3_bind_int64(s, i, va_arg(args, int64_t));
        else if (*format == 'd')
            r = sqlite3_bind_double(s, i, va_arg(args, double));
        else {
            const void *bytes = va_arg(args, const void *);
            r = sqlite3_bind_blob64(s, i, bytes, va_arg(args, size_t), SQLITE_STATIC);
        }
    }
    return r;
}

sqlite3_stmt *nb_prepare(sqlite3 *db, struct nb_error *e, const char *sql, const char *format, ...)
{
    sqlite3_stmt *s;
    va_list args;
    int r = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    va_start(args, format);
    if (r == SQLITE_OK)
        r = bind(s, format, args);
    va_end(args);
    if (r == SQLITE_OK)
        return s;
    nb_database_fail(e, r);
    sqlite3_finalize(s);
    return NULL;
}

int nb_finish(sqlite3_stmt *s, struct nb_error *e)
{
    int r = s ? sqlite3_step(s) : SQLITE_DONE;
    sqlite3_finalize(s);
    if (!s)
        return -1;
    return r == SQLITE_DONE ? 0 : nb_database_fail(e, r);
}

bool nb_step(sqlite3_stmt *s, struct nb_error *e)
{
    int r = s ? sqlite3_step(s) : SQLITE_DONE;
    if (r != SQLITE_ROW && r != SQLITE_DONE)
        nb_database_fail(e, r);
    return r == SQLITE_ROW;
}

int nb_begin(sqlite3 *db, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e, "BEGIN IMMEDIATE", ""), e);
}

int nb_commit(sqlite3 *db, int failed, struct nb_error *e)
{
    struct nb_error unsaid = {0};
    if (!failed && nb_finish(nb_prepare(db, e, "COMMIT", ""), e) == 0)
        return 0;
    if (!sqlite3_get_autocommit(db)) /* some errors have rolled back already */
        nb_finish(nb_prepare(db, &unsaid, "ROLLBACK", ""), &unsaid);
    return -1;
}

void nb_take_text(char *to, size_t size, sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    snprintf(to, size, "%s", text ? text : "");
}

char *nb_copy_text(struct nb_arena *a, sqlite3_stmt *s, int column, struct nb_error *e)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text ? nb_strdup(a, text, e) : NULL;
}

void *nb_copy_bytes(struct nb_arena *a, sqlite3_stmt *s, int column, size_t *n, struct nb_error *e)
{
    const void *bytes = sqlite3_column_blob(s, column);
    *n = (size_t)sqlite3_column_bytes(s, column);
    char *copy = nb_alloc(a, *n + 1, 1, e);
    if (!copy)
        return NULL;
    if (*n)
        memcpy(copy, bytes, *n);
    copy[*n] = 0;
    return copy;
}
