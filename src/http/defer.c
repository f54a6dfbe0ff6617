/* defer.c - what makes a request: its target, its body, the stored graph as it was, a seed. */
#include "http/defer.h"
#include "http/decode.h"
#include "http/foreman.h"
#include "http/jobs.h"
#include "http/reply.h"
#include "http/router.h"
#include "nabla/blas.h"
#include <string.h>
#include <time.h>

/* ---- a request becomes a job ------------------------------------------------------------------------------------- */

/* Sees how much there is to do, and has seen enough. */
static bool count(void *of, const struct nb_progress *p)
{
    *(int64_t *)of = p->of;
    return false;
}

static int try_handler(struct nb_request *rq, int64_t *of, struct nb_error *e)
{
    struct nb_watch watch = {.context = of, .go_on = count};
    struct nb_reply unsent = {0};
    rq->watch = &watch;
    int r = rq->route->handler(rq, &unsent, e);
    rq->watch = NULL;
    if (r == 0 || e->code != NB_E_cancelled)
        return r;
    *e = (struct nb_error){0};
    return 0;
}

/* The last word of the path: "check". */
static void set_kind(struct nb_job *j, const struct nb_request *rq)
{
    snprintf(j->kind, sizeof j->kind, "%s", strrchr(rq->route->path, '/') + 1);
}

static struct nb_job describe(struct nb_request *rq)
{
    struct nb_job j = {.created = (int64_t)time(NULL), .who = rq->who, .target = rq->target};
    nb_seed_text(nb_seed_next(), j.id);
    set_kind(&j, rq);
    return j;
}

/* The stored graph the request is about, as it is now. */
static int hold_graph(struct nb_request *rq, struct nb_job_request *r, struct nb_error *e)
{
    struct nb_entry info;
    if (strncmp(rq->route->path, "/v1/graphs/{", 12))
        return 0;
    if (!(r->graph = nb_store_get(rq->store, rq->path[0], &info, e)) || nb_keep_graph(rq, r->graph, e))
        return -1;
    rq->snapshot = r->graph;
    memcpy(r->parameters, info.parameters, sizeof info.parameters);
    return 0;
}

int nb_defer(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_job_request r = {.content_type = rq->content_type, .body = rq->body, .size = rq->body_size};
    struct nb_job j = describe(rq);
    if (hold_graph(rq, &r, e) || try_handler(rq, &j.of, e))
        return -1;
    r.seed = nb_request_seed(rq);
    if (nb_foreman_take(&j, &r, e))
        return -1;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_job(&w, &j);
    rp->status = 202;
    rp->preferred = true;
    rp->location = nb_sprintf(rq->arena, e, "/v1/jobs/%s", j.id);
    return nb_reply_written(rp, &w);
}

/* ---- a job becomes a request ------------------------------------------------------------------------------------- */

static int find_route(struct nb_request *rq, struct nb_error *e)
{
    struct nb_uri u;
    char allow[64];
    if (nb_uri_read(rq->target, rq->arena, &u, e))
        return -1;
    rq->query = u.query;
    rq->nquery = u.nquery;
    return nb_router_find("POST", &u, rq, allow, e);
}

static size_t collect(const struct nb_reply *rp, struct nb_job_result *results)
{
    size_t n = 0;
    for (; rp && n < NB_MAX_FORMS; rp = rp->another)
        results[n++] = (struct nb_job_result){rp->type, rp->body, rp->size};
    return n;
}

int nb_deferred_run(struct nb_store *store, const struct nb_job *j, const struct nb_watch *watch, struct nb_arena *a,
                    struct nb_job_result *results, size_t *n, struct nb_error *e)
{
    struct nb_request rq = {.store = store,
                            .who = j->who,
                            .arena = a,
                            .target = j->target,
                            .on_worker = true,
                            .watch = watch,
                            .seeded = true,
                            .every_form = true};
    struct nb_job_request asked;
    struct nb_reply rp = {.status = 200};
    if (nb_store_job_request(store, j->id, a, &asked, e) || (asked.graph && nb_keep_graph(&rq, asked.graph, e)))
        return -1;
    rq.content_type = asked.content_type;
    rq.body = (char *)(uintptr_t)asked.body;
    rq.body_size = asked.size;
    rq.snapshot = asked.graph;
    rq.seed = asked.seed;
    snprintf(rq.id, sizeof rq.id, "%.16s", j->id);
    int r = find_route(&rq, e) || rq.route->handler(&rq, &rp, e);
    nb_run_done(&rq);
    *n = rp.body ? collect(&rp, results) : 0;
    return r ? -1 : 0;
}

const char *nb_deferred_signature(char buf[200])
{
    snprintf(buf, 200, "nablad %s, %.60s, %.30s, %.30s, %.30s", PACKAGE_VERSION, nb_blas_config(), nb_blas_core(),
             nb_blas_flavour(), nb_isa());
    return buf;
}
