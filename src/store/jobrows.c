/* jobrows.c - two tables: a job with all it takes to do it, and the forms of its result. */
#include "store/jobrows.h"
#include "store/database.h"
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- statements -------------------------------------------------------------------------------------------------- */

/* One letter for each ?: t text (NULL is NULL), i int64_t, d double, b bytes and their size. */
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

/* Ready for its first step, or NULL. */
static sqlite3_stmt *prepare(sqlite3 *db, struct nb_error *e, const char *sql, const char *format, ...)
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

/* A statement that returns nothing. */
static int finish(sqlite3_stmt *s, struct nb_error *e)
{
    int r = s ? sqlite3_step(s) : SQLITE_DONE;
    sqlite3_finalize(s);
    if (!s)
        return -1;
    return r == SQLITE_DONE ? 0 : nb_database_fail(e, r);
}

/* True: there is a row. */
static bool step(sqlite3_stmt *s, struct nb_error *e)
{
    int r = s ? sqlite3_step(s) : SQLITE_DONE;
    if (r != SQLITE_ROW && r != SQLITE_DONE)
        nb_database_fail(e, r);
    return r == SQLITE_ROW;
}

static void *copy_bytes(struct nb_arena *a, sqlite3_stmt *s, int column, size_t *n, struct nb_error *e)
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

static char *copy_text(struct nb_arena *a, sqlite3_stmt *s, int column, struct nb_error *e)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text ? nb_strdup(a, text, e) : NULL;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static const char *const states[] = {[NB_JOB_QUEUED] = "open",
                                     [NB_JOB_RUNNING] = "open",
                                     [NB_JOB_DONE] = "done",
                                     [NB_JOB_FAILED] = "failed",
                                     [NB_JOB_CANCELLED] = "cancelled"};

static enum nb_job_state state_of(const char *text)
{
    for (enum nb_job_state s = NB_JOB_DONE; s <= NB_JOB_CANCELLED; s++)
        if (text && !strcmp(text, states[s]))
            return s;
    return NB_JOB_QUEUED;
}

int nb_jobrow_put(sqlite3 *db, const struct nb_job *j, const struct nb_job_request *r, struct nb_error *e)
{
    char seed[33];
    return finish(prepare(db, e,
                          "INSERT INTO job(id, kind, state, created, total, target, content_type, seed, parameters, "
                          "description, body) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
                          "tttiittttt"
                          "b",
                          j->id, j->kind, states[j->state], j->created, j->of, j->target, r->content_type,
                          nb_seed_text(r->seed, seed), r->graph ? r->parameters : NULL,
                          r->graph ? nb_graph_text(r->graph) : NULL, r->size ? r->body : "", r->size),
                  e);
}

static void take_text(char *to, size_t size, sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    snprintf(to, size, "%s", text ? text : "");
}

static struct nb_job take_job(sqlite3_stmt *s)
{
    struct nb_job j = {.state = state_of((const char *)sqlite3_column_text(s, 2)),
                       .created = sqlite3_column_int64(s, 3),
                       .finished = sqlite3_column_int64(s, 4),
                       .done = sqlite3_column_int64(s, 5),
                       .of = sqlite3_column_int64(s, 6),
                       .worst = sqlite3_column_double(s, 7),
                       .target = (const char *)sqlite3_column_text(s, 9),
                       .problem = (const char *)sqlite3_column_text(s, 10)};
    take_text(j.id, sizeof j.id, s, 0);
    take_text(j.kind, sizeof j.kind, s, 1);
    take_text(j.tensor, sizeof j.tensor, s, 8);
    if (!j.target)
        j.target = "";
    return j;
}

int nb_jobrow_each(sqlite3 *db, int (*row)(void *context, const struct nb_job *j, struct nb_error *e), void *context,
                   struct nb_error *e)
{
    sqlite3_stmt *s = prepare(db, e,
                              "SELECT id, kind, state, created, finished, done, total, worst, tensor, target, problem "
                              "FROM job ORDER BY number",
                              "");
    int failed = 0;
    while (!failed && step(s, e)) {
        struct nb_job j = take_job(s);
        failed = row(context, &j, e);
    }
    sqlite3_finalize(s);
    return e->code ? -1 : failed;
}

static int no_such(const char *id, struct nb_error *e)
{
    return nb_fail(e, NB_E_unknown_job, "there is no job %.40s", id);
}

int nb_jobrow_request(sqlite3 *db, const char *id, struct nb_arena *a, struct nb_job_request *r, char **description,
                      struct nb_error *e)
{
    sqlite3_stmt *s =
        prepare(db, e, "SELECT content_type, seed, parameters, description, body FROM job WHERE id = ?", "t", id);
    *r = (struct nb_job_request){0};
    if (step(s, e)) {
        const char *seed = (const char *)sqlite3_column_text(s, 1);
        r->content_type = copy_text(a, s, 0, e);
        if (!seed || nb_seed_parse(seed, &r->seed))
            nb_fail(e, NB_E_store_failed, "the job can no longer be read");
        take_text(r->parameters, sizeof r->parameters, s, 2);
        *description = copy_text(a, s, 3, e);
        r->body = copy_bytes(a, s, 4, &r->size, e);
    } else if (!e->code) {
        no_such(id, e);
    }
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

void nb_jobrow_parameters(sqlite3 *db, const char *id, char hash[65])
{
    struct nb_error unsaid = {0};
    sqlite3_stmt *s = prepare(db, &unsaid, "SELECT parameters FROM job WHERE id = ?", "t", id);
    *hash = 0;
    if (step(s, &unsaid))
        take_text(hash, 65, s, 0);
    sqlite3_finalize(s);
}

bool nb_jobrow_open(sqlite3 *db, const char *id)
{
    struct nb_error unsaid = {0};
    sqlite3_stmt *s = prepare(db, &unsaid, "SELECT 1 FROM job WHERE id = ? AND state = 'open'", "t", id);
    bool there = step(s, &unsaid);
    sqlite3_finalize(s);
    return there || unsaid.code;
}

int nb_jobrow_remove(sqlite3 *db, const char *id, struct nb_error *e)
{
    return finish(prepare(db, e, "DELETE FROM job WHERE id = ?", "t", id), e);
}

/* ---- the end of a job -------------------------------------------------------------------------------------------- */

/* What it took to do it is no longer needed. */
static int put_end(sqlite3 *db, const struct nb_job *j, struct nb_error *e)
{
    return finish(prepare(db, e,
                          "UPDATE job SET state = ?, finished = ?, done = ?, total = ?, worst = ?, tensor = ?, "
                          "problem = ?, parameters = NULL, description = NULL, body = NULL WHERE id = ?",
                          "tiiidttt", states[j->state], j->finished, j->done, j->of, j->worst, j->tensor, j->problem,
                          j->id),
                  e);
}

static int put_result(sqlite3 *db, const char *id, const struct nb_job_result *r, struct nb_error *e)
{
    return finish(prepare(db, e, "INSERT INTO result(job, type, bytes) VALUES(?,?,?)", "ttb", id, r->type,
                          r->size ? r->bytes : "", r->size),
                  e);
}

static int whole_end(sqlite3 *db, const struct nb_job *j, const struct nb_job_result *results, size_t n,
                     struct nb_error *e)
{
    for (size_t i = 0; i < n; i++)
        if (put_result(db, j->id, &results[i], e))
            return -1;
    return put_end(db, j, e) || finish(prepare(db, e, "COMMIT", ""), e) ? -1 : 0;
}

int nb_jobrow_end(sqlite3 *db, const struct nb_job *j, const struct nb_job_result *results, size_t n,
                  struct nb_error *e)
{
    struct nb_error unsaid = {0};
    if (finish(prepare(db, e, "BEGIN IMMEDIATE", ""), e))
        return -1;
    if (whole_end(db, j, results, n, e) == 0)
        return 0;
    if (!sqlite3_get_autocommit(db)) /* some errors have rolled back already */
        finish(prepare(db, &unsaid, "ROLLBACK", ""), &unsaid);
    return -1;
}

int nb_jobrow_result(sqlite3 *db, const char *id, const char *type, struct nb_arena *a, struct nb_job_result *r,
                     struct nb_error *e)
{
    sqlite3_stmt *s = prepare(db, e, "SELECT bytes FROM result WHERE job = ? AND type = ?", "tt", id, type);
    *r = (struct nb_job_result){.type = type};
    if (step(s, e))
        r->bytes = copy_bytes(a, s, 0, &r->size, e);
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

const char **nb_jobrow_types(sqlite3 *db, const char *id, struct nb_arena *a, struct nb_error *e)
{
    sqlite3_stmt *s = prepare(db, e, "SELECT type FROM result WHERE job = ? ORDER BY rowid", "t", id);
    const char **types = NULL;
    size_t n = 0, cap = 0;
    do
        if (nb_grow(a, &types, n, &cap, sizeof *types, e))
            break;
    while ((types[n] = NULL, step(s, e)) && (types[n++] = copy_text(a, s, 0, e)));
    sqlite3_finalize(s);
    return e->code ? NULL : types;
}
