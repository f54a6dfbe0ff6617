/* jobs.c - long work: look at it, take its result, end it. */
#include "http/jobs.h"
#include "http/foreman.h"
#include "http/gate.h"
#include "http/handlers.h"
#include "wire/times.h"

const char *nb_job_state_name(enum nb_job_state s)
{
    static const char *const names[] = {"queued", "running", "done", "failed", "cancelled"};
    return names[s];
}

/* ---- on the wire ------------------------------------------------------------------------------------------------- */

void nb_w_job_progress(struct nb_writer *w, const struct nb_job *j)
{
    nb_w_whole_at(w, "done", j->done);
    nb_w_whole_at(w, "of", j->of);
    nb_w_number_at(w, "worst", j->worst);
    if (*j->tensor == '{') { /* a kind's own account */
        nb_w_key(w, "at");
        nb_w_raw(w, j->tensor);
    } else if (*j->tensor)
        nb_w_string_at(w, "tensor", j->tensor);
}

static void put_time(struct nb_writer *w, const char *key, int64_t seconds)
{
    char text[NB_TIME];
    nb_w_string_at(w, key, nb_time_text(seconds, text));
}

static void put_link(struct nb_writer *w, const char *key, const struct nb_job *j, const char *more)
{
    char link[80];
    snprintf(link, sizeof link, "/v1/jobs/%s%s", j->id, more);
    nb_w_string_at(w, key, link);
}

static void put_links(struct nb_writer *w, const struct nb_job *j)
{
    nb_w_key(w, "links");
    nb_w_open(w, '{');
    put_link(w, "self", j, "");
    put_link(w, "events", j, "/events");
    if (j->kept)
        put_link(w, "result", j, "/result");
    nb_w_close(w, '}');
}

void nb_w_job(struct nb_writer *w, const struct nb_job *j)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "id", j->id);
    nb_w_string_at(w, "kind", j->kind);
    nb_w_string_at(w, "target", j->target);
    nb_w_string_at(w, "state", nb_job_state_name(j->state));
    put_time(w, "created", j->created);
    if (j->finished)
        put_time(w, "finished", j->finished);
    nb_w_key(w, "progress");
    nb_w_open(w, '{');
    nb_w_job_progress(w, j);
    nb_w_close(w, '}');
    if (j->problem) {
        nb_w_key(w, "problem");
        nb_w_raw(w, j->problem);
    }
    put_links(w, j);
    nb_w_close(w, '}');
}

/* ---- whose ------------------------------------------------------------------------------------------------------ */

int nb_job_look(struct nb_request *rq, const char *id, struct nb_job *j, struct nb_error *e)
{
    if (nb_foreman_look(id, rq->arena, j, e))
        return -1;
    return nb_owns(rq, j->who.label) ? 0 : nb_fail(e, NB_E_unknown_job, "there is no job %.40s", id);
}

/* ---- the handlers ------------------------------------------------------------------------------------------------ */

int nb_op_listJobs(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_job *list;
    size_t n;
    if (nb_foreman_list(rq->arena, &list, &n, e))
        return -1;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_key(&w, "jobs");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < n; i++)
        if (nb_owns(rq, list[i].who.label))
            nb_w_job(&w, &list[i]);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

static int reply_job(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_job j;
    if (nb_job_look(rq, rq->path[0], &j, e))
        return -1;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_job(&w, &j);
    return nb_reply_written(rp, &w);
}

int nb_op_getJob(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return reply_job(rq, rp, e);
}

int nb_op_deleteJob(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_job j;
    bool gone;
    if (nb_job_look(rq, rq->path[0], &j, e) || nb_foreman_drop(rq->path[0], &gone, e))
        return -1;
    if (!gone)
        return reply_job(rq, rp, e);
    rp->status = 204;
    return 0;
}

static int no_result(const struct nb_job *j, struct nb_error *e)
{
    if (j->state < NB_JOB_DONE)
        return nb_fail(e, NB_E_no_result, "the job is %s: %lld of %lld are done", nb_job_state_name(j->state),
                       (long long)j->done, (long long)j->of);
    return nb_fail(e, NB_E_no_result, "the job %s; GET /v1/jobs/%s says more",
                   j->state == NB_JOB_FAILED ? "failed" : "was cancelled", j->id);
}

int nb_op_getJobResult(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_job j;
    struct nb_job_result r;
    if (nb_job_look(rq, rq->path[0], &j, e))
        return -1;
    if (!j.kept)
        return no_result(&j, e);
    const char **types = nb_store_job_types(rq->store, j.id, rq->arena, e);
    int i = types ? nb_accept(rq, types, e) : -1;
    if (i < 0 || nb_store_job_result(rq->store, j.id, types[i], rq->arena, &r, e))
        return -1;
    if (!r.bytes)
        return nb_fail(e, NB_E_unknown_job, "the job %s has just been removed", j.id);
    nb_reply_text(rp, r.type, r.bytes, r.size);
    rp->vary = types[1] != NULL;
    return 0;
}
