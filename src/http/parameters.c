/* parameters.c - the learned tensors of a stored graph: take them, set all, set some. */
#include "http/handlers.h"
#include "http/tensorfile.h"
#include <inttypes.h>

static int reply_file(struct nb_request *rq, struct nb_reply *rp, int type, const struct nb_tensors *l,
                      const struct nb_entry *info, struct nb_error *e)
{
    const struct nb_fact facts[] = {{"graph", info->name, false},
                                    {"revision", nb_sprintf(rq->arena, e, "%" PRId64, info->revision), true}};
    return e->code ? -1 : nb_tensorfile_reply(rq, type, l, facts, 2, rp, e);
}

static int reply_json(struct nb_request *rq, struct nb_reply *rp, const struct nb_tensors *l,
                      const struct nb_entry *info, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_tensors_at(&w, "parameters", l);
    nb_w_whole_at(&w, "revision", info->revision);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

int nb_op_getParameters(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_entry info;
    int type = nb_accept(rq, nb_tensor_types, e);
    struct nb_graph *g = type < 0 ? NULL : nb_stored_graph(rq, &info, e);
    if (!g)
        return -1;
    rp->vary = true;
    rp->etag = nb_etag(rq, &info, e);
    const struct nb_tensors *l = nb_graph_parameters(g);
    return type ? reply_file(rq, rp, type, l, &info, e) : reply_json(rq, rp, l, &info, e);
}

static int set(struct nb_request *rq, struct nb_reply *rp, bool all, struct nb_error *e)
{
    struct nb_entry info;
    struct nb_asked *ask = nb_decode(rq, NB_PARAMETERS, e);
    if (!ask || nb_if_match(rq, e))
        return -1;
    int r = nb_store_parameters(rq->store, rq->path[0], &ask->parameters, all, &info, e);
    nb_match_done(rq);
    if (r)
        return nb_stored_place(e);
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_entry(&w, &info);
    nb_w_close(&w, '}');
    rp->etag = nb_etag(rq, &info, e);
    return nb_reply_written(rp, &w);
}

int nb_op_putParameters(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return set(rq, rp, true, e);
}

int nb_op_patchParameters(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return set(rq, rp, false, e);
}
