/* request.c - what belongs to one request. */
#include "http/request.h"
#include "http/decode.h"
#include "graph/graph.h"
#include <string.h>

struct nb_done {
    struct nb_done *next;
    void (*f)(void *);
    void *p;
};

int nb_when_done(struct nb_request *rq, void (*f)(void *), void *p, struct nb_error *e)
{
    struct nb_done *d = nb_small(rq->arena, 1, sizeof *d, e);
    if (!d)
        return f(p), -1;
    *d = (struct nb_done){rq->done, f, p};
    rq->done = d;
    return 0;
}

void nb_run_done(struct nb_request *rq)
{
    for (struct nb_done *d = rq->done; d; d = d->next)
        d->f(d->p);
    rq->done = NULL;
}

static void drop_json(void *p)
{
    json_decref(p);
}

static void drop_graph(void *p)
{
    nb_graph_unref(p);
}

int nb_keep_json(struct nb_request *rq, json_t *j, struct nb_error *e)
{
    return nb_when_done(rq, drop_json, j, e);
}

int nb_keep_graph(struct nb_request *rq, struct nb_graph *g, struct nb_error *e)
{
    return nb_when_done(rq, drop_graph, g, e);
}

struct nb_seed nb_request_seed(struct nb_request *rq)
{
    if (!rq->seeded)
        rq->seed = nb_seed_next();
    rq->seeded = true;
    return rq->seed;
}

const char *nb_query(const struct nb_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->nquery; i++)
        if (!strcmp(rq->query[i].name, name))
            return rq->query[i].value;
    return NULL;
}

static bool listed(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(*names, name))
            return true;
    return false;
}

int nb_query_only(const struct nb_request *rq, const char *const *names, struct nb_error *e)
{
    for (size_t i = 0; i < rq->nquery; i++)
        if (!listed(rq->query[i].name, names)) {
            nb_fail(e, NB_E_bad_parameter, "there is no query parameter %.60s here", rq->query[i].name);
            return nb_at(e, rq->query[i].name);
        }
    return 0;
}
