/* step.c - one step of training: the graph is another one afterwards. */
#include "http/handlers.h"
#include "http/lesson.h"
#include "http/tensorfile.h"
#include "nabla/limits.h"
#include "train/step.h"
#include <math.h>
#include <string.h>

struct asked_step {
    struct nb_request *rq;
    const struct nb_asked *ask;
    struct nb_stepped made;
    enum nb_dtype dtype;
    bool inline_only, too_much; /* it would keep a polling thread too long */
};

static struct nb_graph *make(void *context, struct nb_graph *now, struct nb_error *e)
{
    struct asked_step *s = context;
    const struct nb_run *run = &s->ask->check.run;
    if (nb_lesson_runs(s->rq->path[0])) /* asked here, where a job cannot begin meanwhile */
        return nb_fail(e, NB_E_graph_busy, "the graph %.64s is being trained by a job", s->rq->path[0]), NULL;
    s->dtype = nb_graph_dtype(now);
    s->too_much = s->inline_only && nb_graph_cost(now, &run->inputs) * 3 > (double)nb_limits.inline_work;
    return s->too_much ? NULL : nb_train_step(now, &s->ask->rule, run, s->rq->arena, &s->made, e);
}

/* ---- the reply --------------------------------------------------------------------------------------------------- */

static int reply_json(const struct asked_step *s, const struct nb_entry *info, struct nb_reply *rp, struct nb_error *e)
{
    const struct nb_stepped *m = &s->made;
    struct nb_writer w = nb_writer(s->rq->arena, e);
    char seed[33];
    nb_w_open(&w, '{');
    nb_w_key(&w, "loss");
    nb_w_number(&w, m->result.loss, s->dtype);
    nb_w_string_at(&w, "loss_name", m->result.loss_name);
    nb_w_whole_at(&w, "step", m->step);
    nb_w_number_at(&w, "lr", m->lr);
    nb_w_number_at(&w, "gradient_norm", m->norm);
    nb_w_whole_at(&w, "revision", info->revision);
    if (m->forgotten)
        nb_w_string_at(&w, "forgotten", m->forgotten);
    if (s->ask->check.run.outputs_given)
        nb_w_tensors_at(&w, "outputs", &m->result.outputs);
    if (m->result.noise)
        nb_w_string_at(&w, "seed", nb_seed_text(s->ask->check.run.seed, seed));
    if (m->result.warnings.n)
        nb_w_strings_at(&w, "warnings", m->result.warnings.n, m->result.warnings.v);
    nb_w_close(&w, '}');
    rp->etag = nb_etag(s->rq, info, e);
    return nb_reply_written(rp, &w);
}

/* ---- the handler ------------------------------------------------------------------------------------------------- */

/* Read once, also when a worker has to go on. */
static struct nb_asked *asked(struct nb_request *rq, struct nb_error *e)
{
    if (!rq->state)
        rq->state = nb_decode(rq, NB_STEP, e);
    return rq->state;
}

static bool in_memory(struct nb_request *rq)
{
    struct nb_graph *g = nb_store_peek(rq->store, rq->path[0]);
    nb_graph_unref(g);
    return g;
}

int nb_op_stepGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const json[] = {NB_JSON, NULL};
    struct nb_entry info;
    if (!rq->on_worker && (nb_tensorfile_packed(rq) || !in_memory(rq)))
        return NB_TO_WORKER;
    if (nb_accept(rq, json, e) < 0 || !asked(rq, e))
        return -1;
    struct asked_step s = {.rq = rq, .ask = rq->state, .inline_only = !rq->on_worker};
    int r = nb_store_advance(rq->store, rq->path[0], make, &s, rq->on_worker, &info, e);
    if (r == 1 || s.too_much)
        return NB_TO_WORKER;
    return r ? nb_stored_place(e) : reply_json(&s, &info, rp, e);
}
