/* database.c - SQLite: write-ahead log, synchronous; the rows of graphs. */
#include "store/database.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What made each schema of the one before. What is large is the last column: rows are listed without touching its
 * pages.
 */
static const char *const schemas[] = {
    "BEGIN;"
    "CREATE TABLE graph("
    "name TEXT PRIMARY KEY, revision INTEGER NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,"
    "parameters TEXT NOT NULL, parameter_count INTEGER NOT NULL, description TEXT NOT NULL) STRICT;"
    "CREATE INDEX graph_parameters ON graph(parameters);"
    "PRAGMA user_version = 1;"
    "COMMIT;",
    "BEGIN;"
    "CREATE TABLE job("
    "number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, state TEXT NOT NULL,"
    "created INTEGER NOT NULL, finished INTEGER, done INTEGER, total INTEGER, worst REAL, tensor TEXT,"
    "target TEXT NOT NULL, content_type TEXT, seed TEXT NOT NULL, parameters TEXT, problem TEXT, description TEXT,"
    "body BLOB) STRICT;"
    "CREATE INDEX job_parameters ON job(parameters);"
    "CREATE TABLE result(job TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE, type TEXT NOT NULL, bytes BLOB,"
    "UNIQUE(job, type)) STRICT;"
    "PRAGMA user_version = 2;"
    "COMMIT;",
    "BEGIN;"
    "CREATE TABLE key("
    "number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL, label TEXT NOT NULL,"
    "scopes INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, expired INTEGER NOT NULL) STRICT;"
    "ALTER TABLE job ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE job ADD COLUMN scopes INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version = 3;"
    "COMMIT;",
    "BEGIN;"
    "CREATE TABLE assignment("
    "name TEXT PRIMARY KEY, owner TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    "opens INTEGER NOT NULL, closes INTEGER NOT NULL, ends INTEGER NOT NULL, tries INTEGER NOT NULL,"
    "challenge_seconds INTEGER NOT NULL, late INTEGER NOT NULL, over INTEGER NOT NULL, secret BLOB NOT NULL,"
    "text TEXT NOT NULL) STRICT;"
    "CREATE TABLE challenge("
    "id TEXT PRIMARY KEY, assignment TEXT NOT NULL REFERENCES assignment(name) ON DELETE CASCADE, key TEXT NOT NULL,"
    "student TEXT NOT NULL, attempt INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,"
    "expired INTEGER NOT NULL, used INTEGER NOT NULL, commitment TEXT NOT NULL,"
    "UNIQUE(assignment, student, attempt)) STRICT;"
    "CREATE INDEX challenge_expires ON challenge(expires) WHERE expired = 0 AND used = 0;"
    "CREATE TABLE submission("
    "number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    "challenge TEXT NOT NULL UNIQUE REFERENCES challenge(id) ON DELETE CASCADE, assignment TEXT NOT NULL,"
    "student TEXT NOT NULL, attempt INTEGER NOT NULL, received INTEGER NOT NULL, late INTEGER NOT NULL,"
    "counted INTEGER NOT NULL, score REAL NOT NULL, max_score REAL NOT NULL, verdict TEXT NOT NULL, hash TEXT NOT NULL,"
    "type TEXT NOT NULL, result TEXT NOT NULL, body BLOB NOT NULL) STRICT;"
    "CREATE INDEX submission_assignment ON submission(assignment, student);"
    "PRAGMA user_version = 4;"
    "COMMIT;",
    "BEGIN;"
    "CREATE TABLE dataset("
    "name TEXT PRIMARY KEY, created TEXT NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL, hash TEXT NOT NULL,"
    "columns TEXT NOT NULL) STRICT;"
    "CREATE INDEX dataset_hash ON dataset(hash);"
    "PRAGMA user_version = 5;"
    "COMMIT;",
    "BEGIN;"
    "ALTER TABLE graph ADD COLUMN training TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX graph_training ON graph(training) WHERE training != '';"
    "PRAGMA user_version = 6;"
    "COMMIT;",
};
enum { SCHEMA = sizeof schemas / sizeof *schemas };

int nb_database_fail(struct nb_error *e, int result)
{
    return nb_fail(e, NB_E_store_failed, "the database says: %s", sqlite3_errstr(result));
}

/* ---- opening ------------------------------------------------------------------------------------------------------
 */

static int pragma(sqlite3 *db, const char *sql, char value[32], struct nb_error *e)
{
    sqlite3_stmt *s;
    int r = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_step(s);
    *value = 0;
    if (r == SQLITE_ROW)
        snprintf(value, 32, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return r == SQLITE_ROW || r == SQLITE_DONE ? 0 : nb_database_fail(e, r);
}

static int prepare_schema(sqlite3 *db, struct nb_error *e)
{
    char value[32];
    if (pragma(db, "PRAGMA user_version", value, e))
        return -1;
    int version = atoi(value);
    if (version > SCHEMA)
        return nb_fail(e, NB_E_store_failed,
                       "a newer nablad has written the data directory: its schema is %d, this one knows %d", version,
                       SCHEMA);
    int r = SQLITE_OK;
    for (; version < SCHEMA && r == SQLITE_OK; version++)
        r = sqlite3_exec(db, schemas[version], NULL, NULL, NULL);
    return r == SQLITE_OK ? 0 : nb_database_fail(e, r);
}

static int configure(sqlite3 *db, struct nb_error *e)
{
    char value[32];
    sqlite3_busy_timeout(db, 1000); /* for somebody's backup: writers other than us there must not be */
    if (pragma(db, "PRAGMA journal_mode = WAL", value, e))
        return -1;
    if (strcmp(value, "wal"))
        return nb_fail(e, NB_E_store_failed, "the data directory is on a file system without a write-ahead log");
    if (pragma(db, "PRAGMA synchronous = FULL", value, e) || pragma(db, "PRAGMA foreign_keys = ON", value, e) ||
        pragma(db, "PRAGMA journal_size_limit = 67108864", value, e)) /* one large result is not kept twice for ever */
        return -1;
    return prepare_schema(db, e);
}

sqlite3 *nb_database_open(const char *directory, struct nb_error *e)
{
    sqlite3 *db = NULL;
    char *path = sqlite3_mprintf("%s/nablad.db", directory);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    int r = path ? sqlite3_open_v2(path, &db, flags, NULL) : SQLITE_NOMEM;
    sqlite3_free(path);
    if (r != SQLITE_OK)
        nb_database_fail(e, r);
    if (r == SQLITE_OK && configure(db, e) == 0)
        return db;
    sqlite3_close(db);
    return NULL;
}

void nb_database_close(sqlite3 *db)
{
    sqlite3_close(db);
}

/* ---- rows ---------------------------------------------------------------------------------------------------------
 */

#define COLUMNS "name, revision, created, updated, parameters, parameter_count, training"

static void take_text(char *to, size_t size, sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    snprintf(to, size, "%s", text ? text : "");
}

static struct nb_entry take_entry(sqlite3_stmt *s)
{
    struct nb_entry x;
    take_text(x.name, sizeof x.name, s, 0);
    x.revision = sqlite3_column_int64(s, 1);
    take_text(x.created, sizeof x.created, s, 2);
    take_text(x.updated, sizeof x.updated, s, 3);
    take_text(x.parameters, sizeof x.parameters, s, 4);
    x.parameter_count = sqlite3_column_int64(s, 5);
    take_text(x.training, sizeof x.training, s, 6);
    snprintf(x.tag, sizeof x.tag, "%.16s", x.parameters);
    return x;
}

int nb_database_each(sqlite3 *db, int (*row)(void *context, const struct nb_entry *entry, struct nb_error *e),
                     void *context, struct nb_error *e)
{
    sqlite3_stmt *s;
    int r = sqlite3_prepare_v2(db, "SELECT " COLUMNS " FROM graph ORDER BY name", -1, &s, NULL), failed = 0;
    while (r != SQLITE_DONE && !failed) {
        r = r == SQLITE_OK || r == SQLITE_ROW ? sqlite3_step(s) : r;
        if (r == SQLITE_ROW) {
            struct nb_entry x = take_entry(s);
            failed = row(context, &x, e);
        } else if (r != SQLITE_DONE) {
            failed = nb_database_fail(e, r);
        }
    }
    sqlite3_finalize(s);
    return failed;
}

int nb_database_get(sqlite3 *db, const char *name, struct nb_arena *a, struct nb_entry *entry, char **description,
                    struct nb_error *e)
{
    sqlite3_stmt *s;
    int r = sqlite3_prepare_v2(db, "SELECT " COLUMNS ", description FROM graph WHERE name = ?", -1, &s, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    if (r == SQLITE_OK)
        r = sqlite3_step(s);
    *description = NULL;
    if (r == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 7);
        *entry = take_entry(s);
        *description = text ? nb_strdup(a, text, e) : NULL;
        if (!text)
            nb_fail_memory(e);
    } else if (r == SQLITE_DONE) {
        nb_fail(e, NB_E_unknown_graph, "there is no graph %.64s", name);
    } else {
        nb_database_fail(e, r);
    }
    sqlite3_finalize(s);
    return *description ? 0 : -1;
}

int nb_database_put(sqlite3 *db, const struct nb_entry *x, const char *description, struct nb_error *e)
{
    sqlite3_stmt *s;
    int r = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO graph(" COLUMNS ", description) VALUES(?,?,?,?,?,?,?,?)", -1,
                               &s, NULL);
    const char *const texts[] = {x->name, NULL, x->created, x->updated, x->parameters, NULL, x->training, description};
    for (int i = 0; i < 8 && r == SQLITE_OK; i++)
        r = texts[i] ? sqlite3_bind_text(s, i + 1, texts[i], -1, SQLITE_STATIC)
                     : sqlite3_bind_int64(s, i + 1, i == 1 ? x->revision : x->parameter_count);
    if (r == SQLITE_OK)
        r = sqlite3_step(s);
    sqlite3_finalize(s);
    return r == SQLITE_DONE ? 0 : nb_database_fail(e, r);
}

int nb_database_remove(sqlite3 *db, const char *name, struct nb_error *e)
{
    sqlite3_stmt *s;
    int r = sqlite3_prepare_v2(db, "DELETE FROM graph WHERE name = ?", -1, &s, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    if (r == SQLITE_OK)
        r = sqlite3_step(s);
    sqlite3_finalize(s);
    return r == SQLITE_DONE ? 0 : nb_database_fail(e, r);
}

int nb_database_names(sqlite3 *db, const char *hash)
{
    sqlite3_stmt *s;
    int r = sqlite3_prepare_v2(db,
                               "SELECT 1 FROM graph WHERE parameters = ?1 UNION ALL "
                               "SELECT 1 FROM graph WHERE training = ?1 AND training != '' UNION ALL "
                               "SELECT 1 FROM job WHERE parameters = ?1 UNION ALL "
                               "SELECT 1 FROM dataset WHERE hash = ?1",
                               -1, &s, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_bind_text(s, 1, hash, -1, SQLITE_STATIC);
    if (r == SQLITE_OK)
        r = sqlite3_step(s);
    sqlite3_finalize(s);
    return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : -1;
}
