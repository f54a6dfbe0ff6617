/* health.c - probes. They look at nothing that could wait. */
#include "http/handlers.h"
#include "http/server.h"

int nb_op_getLive(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char body[] = "{\"live\":true}\n";
    (void)rq, (void)e;
    nb_reply_text(rp, NB_JSON, body, sizeof body - 1);
    return 0;
}

int nb_op_getReady(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    bool store = rq->store != NULL, accepting = nb_server_ready(), workers = nb_server_workers() > 0;
    bool ready = store && accepting && workers;
    nb_w_open(&w, '{');
    nb_w_bool_at(&w, "ready", ready);
    nb_w_key(&w, "conditions");
    nb_w_open(&w, '{');
    nb_w_bool_at(&w, "store", store);
    nb_w_bool_at(&w, "workers", workers);
    nb_w_bool_at(&w, "accepting", accepting);
    nb_w_close(&w, '}');
    nb_w_close(&w, '}');
    rp->status = ready ? 200 : 503;
    rp->retry = !ready;
    return nb_reply_written(rp, &w);
}
