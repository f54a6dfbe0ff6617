/* graphs.c - stored graphs: create, list, look, replace, delete. */
#include "http/handlers.h"
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

struct nb_graph *nb_stored_graph(struct nb_request *rq, struct nb_entry *info, struct nb_error *e)
{
    struct nb_graph *g = rq->snapshot ? nb_graph_ref(rq->snapshot) : nb_store_get(rq->store, rq->path[0], info, e);
    return g && !nb_keep_graph(rq, g, e) ? g : NULL;
}

struct nb_graph *nb_body_graph(struct nb_request *rq, const struct nb_asked *ask, struct nb_error *e)
{
    struct nb_graph *g =
        nb_graph_new(ask->graph, ask->parameters_given ? &ask->parameters : NULL, ask->check.run.seed, e);
    return g && !nb_keep_graph(rq, g, e) ? g : NULL;
}

int nb_stored_place(struct nb_error *e)
{
    char said[sizeof e->detail];
    if (strncmp(e->pointer, "/graph", 6) || (e->pointer[6] && e->pointer[6] != '/'))
        return -1;
    memcpy(said, e->detail, sizeof said);
    snprintf(e->detail, sizeof e->detail, "in the stored graph at %.280s: %.370s", e->pointer, said);
    *e->pointer = 0;
    return -1;
}

void nb_w_entry(struct nb_writer *w, const struct nb_entry *info)
{
    nb_w_string_at(w, "name", info->name);
    nb_w_whole_at(w, "revision", info->revision);
    nb_w_string_at(w, "created", info->created);
    nb_w_string_at(w, "updated", info->updated);
    nb_w_whole_at(w, "parameter_count", info->parameter_count);
}

const char *nb_etag(struct nb_request *rq, const struct nb_entry *info, struct nb_error *e)
{
    return nb_sprintf(rq->arena, e, "\"%" PRId64 "-%.16s\"", info->revision, info->tag);
}

/* ---- If-Match -----------------------------------------------------------------------------------------------------
 */

static pthread_mutex_t matching = PTHREAD_MUTEX_INITIALIZER;

/* Is the tag in the list of If-Match? */
static bool tag_listed(const char *list, const char *tag)
{
    const char *p = strstr(list, tag);
    return p && (p < list + 2 || strncmp(p - 2, "W/", 2)); /* a weak tag never matches */
}

int nb_if_match(struct nb_request *rq, struct nb_error *e)
{
    struct nb_entry info;
    if (!rq->if_match)
        return 0;
    pthread_mutex_lock(&matching);
    const char *tag = nb_stored_graph(rq, &info, e) ? nb_etag(rq, &info, e) : NULL;
    if (tag && (!strcmp(rq->if_match, "*") || tag_listed(rq->if_match, tag)))
        return 0;
    pthread_mutex_unlock(&matching);
    return tag ? nb_fail(e, NB_E_precondition_failed, "the graph is at %s, If-Match is %.100s", tag, rq->if_match) : -1;
}

void nb_match_done(struct nb_request *rq)
{
    if (rq->if_match)
        pthread_mutex_unlock(&matching);
}

/* ---- the handlers --------------------------------------------------------------------------------------------------
 */

/* The entry after it was made or replaced, and the seed of what was drawn for it. */
static int reply_entry(struct nb_request *rq, struct nb_reply *rp, const struct nb_asked *ask, const struct nb_graph *g,
                       const struct nb_entry *info, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    char seed[33];
    nb_w_open(&w, '{');
    nb_w_entry(&w, info);
    if (nb_graph_parameters(g)->n > ask->parameters.n)
        nb_w_string_at(&w, "seed", nb_seed_text(ask->check.run.seed, seed));
    nb_w_close(&w, '}');
    rp->location = nb_sprintf(rq->arena, e, "/v1/graphs/%s", info->name);
    rp->etag = nb_etag(rq, info, e);
    return nb_reply_written(rp, &w);
}

int nb_create_graph(struct nb_request *rq, struct nb_reply *rp, const struct nb_asked *ask, struct nb_error *e)
{
    struct nb_entry info;
    struct nb_graph *g = nb_body_graph(rq, ask, e);
    if (!g)
        return -1;
    if (nb_store_create(rq->store, ask->name, g, &info, e))
        return (e->code == NB_E_bad_name || e->code == NB_E_graph_exists) && !*e->pointer ? nb_at(e, "name") : -1;
    rp->status = 201;
    return reply_entry(rq, rp, ask, g, &info, e);
}

int nb_op_createGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_asked *ask = nb_decode(rq, NB_CREATE, e);
    return ask ? nb_create_graph(rq, rp, ask, e) : -1;
}

int nb_op_replaceGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_entry info;
    bool created = false;
    struct nb_asked *ask = nb_decode(rq, NB_REPLACE, e);
    struct nb_graph *g = ask ? nb_body_graph(rq, ask, e) : NULL;
    if (!g || nb_if_match(rq, e))
        return -1;
    int r = nb_store_replace(rq->store, rq->path[0], g, &created, &info, e);
    nb_match_done(rq);
    if (r)
        return -1;
    rp->status = created ? 201 : 200;
    return reply_entry(rq, rp, ask, g, &info, e);
}

int nb_op_deleteGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    if (nb_if_match(rq, e))
        return -1;
    int r = nb_store_remove(rq->store, rq->path[0], e);
    nb_match_done(rq);
    rp->status = 204;
    return r;
}

int nb_op_listGraphs(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_entry *list;
    size_t n;
    if (nb_store_list(rq->store, rq->arena, &list, &n, e))
        return -1;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_key(&w, "graphs");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        nb_w_open(&w, '{');
        nb_w_entry(&w, &list[i]);
        nb_w_close(&w, '}');
    }
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

int nb_op_getGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_entry info;
    const char *key;
    json_t *value;
    struct nb_graph *g = nb_stored_graph(rq, &info, e);
    json_t *more = g ? nb_graph_describe(g, e) : NULL;
    if (!more || nb_keep_json(rq, more, e))
        return -1;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_entry(&w, &info);
    nb_w_key(&w, "graph");
    nb_w_raw(&w, nb_graph_text(g));
    json_object_foreach (more, key, value) {
        nb_w_key(&w, key);
        nb_w_json(&w, value);
    }
    nb_w_close(&w, '}');
    rp->etag = nb_etag(rq, &info, e);
    return nb_reply_written(rp, &w);
}
