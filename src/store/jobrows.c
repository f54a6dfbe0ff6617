/* jobrows.c - two tables: a job with all it takes to do it, and the forms of its result. */
#include "store/jobrows.h"
#include "store/database.h"
#include "store/statement.h"
#include <string.h>

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
    return nb_finish(
        nb_prepare(db, e,
                   "INSERT INTO job(id, kind, state, created, total, target, content_type, seed, parameters, "
                   "description, owner, scopes, body) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
                   "tttiittttttib", j->id, j->kind, states[j->state], j->created, j->of, j->target, r->content_type,
                   nb_seed_text(r->seed, seed), r->graph ? r->parameters : NULL,
                   r->graph ? nb_graph_text(r->graph) : NULL, j->who.label, (int64_t)j->who.scopes,
                   r->size ? r->body : "", r->size),
        e);
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
                       .problem = (const char *)sqlite3_column_text(s, 10),
                       .who.scopes = (unsigned)sqlite3_column_int64(s, 12),
                       .kept = sqlite3_column_int64(s, 13)};
    nb_take_text(j.id, sizeof j.id, s, 0);
    nb_take_text(j.kind, sizeof j.kind, s, 1);
    nb_take_text(j.tensor, sizeof j.tensor, s, 8);
    nb_take_text(j.who.label, sizeof j.who.label, s, 11);
    if (!j.target)
        j.target = "";
    return j;
}

int nb_jobrow_each(sqlite3 *db, int (*row)(void *context, const struct nb_job *j, struct nb_error *e), void *context,
                   struct nb_error *e)
{
    sqlite3_stmt *s =
        nb_prepare(db, e,
                   "SELECT id, kind, state, created, finished, done, total, worst, tensor, target, problem, "
                   "owner, scopes, EXISTS(SELECT 1 FROM result WHERE job = job.id) "
                   "FROM job ORDER BY number",
                   "");
    int failed = 0;
    while (!failed && nb_step(s, e)) {
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
        nb_prepare(db, e, "SELECT content_type, seed, parameters, description, body FROM job WHERE id = ?", "t", id);
    *r = (struct nb_job_request){0};
    if (nb_step(s, e)) {
        const char *seed = (const char *)sqlite3_column_text(s, 1);
        r->content_type = nb_copy_text(a, s, 0, e);
        if (!seed || nb_seed_parse(seed, &r->seed))
            nb_fail(e, NB_E_store_failed, "the job can no longer be read");
        nb_take_text(r->parameters, sizeof r->parameters, s, 2);
        *description = nb_copy_text(a, s, 3, e);
        r->body = nb_copy_bytes(a, s, 4, &r->size, e);
    } else if (!e->code) {
        no_such(id, e);
    }
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

void nb_jobrow_parameters(sqlite3 *db, const char *id, char hash[65])
{
    struct nb_error unsaid = {0};
    sqlite3_stmt *s = nb_prepare(db, &unsaid, "SELECT parameters FROM job WHERE id = ?", "t", id);
    *hash = 0;
    if (nb_step(s, &unsaid))
        nb_take_text(hash, 65, s, 0);
    sqlite3_finalize(s);
}

bool nb_jobrow_open(sqlite3 *db, const char *id)
{
    struct nb_error unsaid = {0};
    sqlite3_stmt *s = nb_prepare(db, &unsaid, "SELECT 1 FROM job WHERE id = ? AND state = 'open'", "t", id);
    bool there = nb_step(s, &unsaid);
    sqlite3_finalize(s);
    return there || unsaid.code;
}

int nb_jobrow_remove(sqlite3 *db, const char *id, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e, "DELETE FROM job WHERE id = ?", "t", id), e);
}

/* ---- the end of a job -------------------------------------------------------------------------------------------- */

/* What it took to do it is no longer needed. */
static int put_end(sqlite3 *db, const struct nb_job *j, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e,
                                "UPDATE job SET state = ?, finished = ?, done = ?, total = ?, worst = ?, tensor = ?, "
                                "problem = ?, parameters = NULL, description = NULL, body = NULL WHERE id = ?",
                                "tiiidttt", states[j->state], j->finished, j->done, j->of, j->worst, j->tensor,
                                j->problem, j->id),
                     e);
}

static int put_result(sqlite3 *db, const char *id, const struct nb_job_result *r, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e, "INSERT INTO result(job, type, bytes) VALUES(?,?,?)", "ttb", id, r->type,
                                r->size ? r->bytes : "", r->size),
                     e);
}

static int put_results(sqlite3 *db, const char *id, const struct nb_job_result *results, size_t n, struct nb_error *e)
{
    for (size_t i = 0; i < n; i++)
        if (put_result(db, id, &results[i], e))
            return -1;
    return 0;
}

int nb_jobrow_end(sqlite3 *db, const struct nb_job *j, const struct nb_job_result *results, size_t n,
                  struct nb_error *e)
{
    if (nb_begin(db, e))
        return -1;
    return nb_commit(db, put_results(db, j->id, results, n, e) || put_end(db, j, e), e);
}

int nb_jobrow_keep(sqlite3 *db, const char *id, const struct nb_job_result *results, size_t n, struct nb_error *e)
{
    return nb_begin(db, e) ? -1 : nb_commit(db, put_results(db, id, results, n, e), e);
}

int nb_jobrow_result(sqlite3 *db, const char *id, const char *type, struct nb_arena *a, struct nb_job_result *r,
                     struct nb_error *e)
{
    sqlite3_stmt *s = nb_prepare(db, e, "SELECT bytes FROM result WHERE job = ? AND type = ?", "tt", id, type);
    *r = (struct nb_job_result){.type = type};
    if (nb_step(s, e))
        r->bytes = nb_copy_bytes(a, s, 0, &r->size, e);
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

const char **nb_jobrow_types(sqlite3 *db, const char *id, struct nb_arena *a, struct nb_error *e)
{
    sqlite3_stmt *s = nb_prepare(db, e, "SELECT type FROM result WHERE job = ? ORDER BY rowid", "t", id);
    const char **types = NULL;
    size_t n = 0, cap = 0;
    do
        if (nb_grow(a, &types, n, &cap, sizeof *types, e))
            break;
    while ((types[n] = NULL, nb_step(s, e)) && (types[n++] = nb_copy_text(a, s, 0, e)));
    sqlite3_finalize(s);
    return e->code ? NULL : types;
}
