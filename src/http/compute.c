/* compute.c - forward, backward and loss, of a stored graph or of one in the body. */
#include "http/handlers.h"
#include "http/tensorfile.h"
#include "nabla/limits.h"
#include <math.h>
#include <string.h>

struct verb {
    enum nb_verb verb;
    double cost; /* in forwards */
    int (*run)(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_result *r,
               struct nb_error *e);
};
static const struct verb forward = {NB_FORWARD, 1, nb_graph_forward};
static const struct verb backward = {NB_BACKWARD, 3, nb_graph_backward};
static const struct verb loss = {NB_LOSS, 1, nb_graph_loss};

/* Was anything drawn from the seed? Then the reply carries it. */
static bool seed_matters(const struct nb_asked *ask, const struct nb_result *r)
{
    return r->noise || (ask->graph && nb_graph_parameters(ask->g)->n > ask->parameters.n);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void put_loss(struct nb_writer *w, const struct nb_asked *ask, const struct nb_result *r)
{
    nb_w_key(w, "loss");
    nb_w_number(w, r->loss, nb_graph_dtype(ask->g));
    nb_w_string_at(w, "loss_name", r->loss_name);
}

static void put_facts(struct nb_writer *w, const struct nb_asked *ask, const struct nb_result *r)
{
    char seed[33];
    if (seed_matters(ask, r))
        nb_w_string_at(w, "seed", nb_seed_text(ask->check.run.seed, seed));
    if (r->not_finite.n)
        nb_w_strings_at(w, "not_finite", r->not_finite.n, r->not_finite.v);
    if (r->warnings.n)
        nb_w_strings_at(w, "warnings", r->warnings.n, r->warnings.v);
}

static int reply_json(struct nb_request *rq, const struct verb *v, const struct nb_asked *ask,
                      const struct nb_result *r, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    if (r->loss_name)
        put_loss(&w, ask, r);
    if (v->verb != NB_LOSS || ask->check.run.outputs_given)
        nb_w_tensors_at(&w, "outputs", &r->outputs);
    if (v->verb == NB_BACKWARD)
        nb_w_tensors_at(&w, "gradients", &r->gradients);
    put_facts(&w, ask, r);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

/* ---- files --------------------------------------------------------------------------------------------------
 */

static int add_gradients(struct nb_request *rq, const struct nb_result *r, struct nb_tensors *all, struct nb_error *e)
{
    for (size_t i = 0; i < r->gradients.n; i++) {
        char *name = nb_sprintf(rq->arena, e, "gradients/%s", r->gradients.v[i].name);
        if (!name || nb_tensors_add(rq->arena, all, name, r->gradients.v[i].t, e))
            return -1;
    }
    return 0;
}

static char *joined(struct nb_request *rq, const struct nb_strings_list *l, struct nb_error *e)
{
    struct nb_text t = {.arena = rq->arena};
    for (size_t i = 0; i < l->n; i++)
        if ((i && nb_put(&t, "; ", e)) || nb_put(&t, l->v[i], e))
            return NULL;
    return nb_putn(&t, "", 1, e) ? NULL : t.v;
}

/* What a file says beside its tensors. Returns how many, or -1. */
static int facts_of(struct nb_request *rq, const struct nb_asked *ask, const struct nb_result *r,
                    struct nb_fact facts[5], struct nb_error *e)
{
    int n = 0;
    char seed[33];
    if (r->loss_name) {
        facts[n++] = (struct nb_fact){"loss", nb_sprintf(rq->arena, e, "%.17g", r->loss), isfinite(r->loss)};
        facts[n++] = (struct nb_fact){"loss_name", r->loss_name, false};
    }
    if (seed_matters(ask, r))
        facts[n++] = (struct nb_fact){"seed", nb_strdup(rq->arena, nb_seed_text(ask->check.run.seed, seed), e), false};
    if (r->not_finite.n)
        facts[n++] = (struct nb_fact){"not_finite", joined(rq, &r->not_finite, e), false};
    if (r->warnings.n)
        facts[n++] = (struct nb_fact){"warnings", joined(rq, &r->warnings, e), false};
    return e->code ? -1 : n;
}

static int reply_file(struct nb_request *rq, const struct verb *v, int type, const struct nb_asked *ask,
                      const struct nb_result *r, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_tensors all = {0};
    struct nb_fact facts[5];
    if (v->verb != NB_LOSS || ask->check.run.outputs_given)
        for (size_t i = 0; i < r->outputs.n; i++)
            if (nb_tensors_add(rq->arena, &all, r->outputs.v[i].name, r->outputs.v[i].t, e))
                return -1;
    int n = facts_of(rq, ask, r, facts, e);
    if (n < 0 || add_gradients(rq, r, &all, e))
        return -1;
    return nb_tensorfile_reply(rq, type, &all, facts, (size_t)n, rp, e);
}

/* ---- the handlers --------------------------------------------------------------------------------------------------
 */

static int compute(struct nb_request *rq, struct nb_reply *rp, const struct verb *v, const struct nb_asked *ask,
                   struct nb_error *e)
{
    struct nb_result r = {0};
    int type = nb_accept(rq, nb_tensor_types, e);
    if (type < 0 || v->run(ask->g, &ask->check.run, rq->arena, &r, e))
        return -1;
    return type ? reply_file(rq, v, type, ask, &r, rp, e) : reply_json(rq, v, ask, &r, rp, e);
}

/* A polling thread takes a graph only if it is in memory. */
static int take_graph(struct nb_request *rq, struct nb_graph **g, struct nb_error *e)
{
    if (rq->on_worker)
        return (*g = nb_stored_graph(rq, NULL, e)) ? 0 : -1;
    *g = nb_store_peek(rq->store, rq->path[0]);
    return *g ? nb_keep_graph(rq, *g, e) : NB_TO_WORKER;
}

/* Reads the request into rq->state, once. */
static int prepare(struct nb_request *rq, const struct verb *v, struct nb_error *e)
{
    struct nb_graph *g;
    if (!rq->on_worker && nb_tensorfile_packed(rq))
        return NB_TO_WORKER;
    int r = rq->state ? 0 : take_graph(rq, &g, e);
    if (r || rq->state)
        return r;
    struct nb_asked *ask = nb_decode(rq, v->verb, e);
    if (!ask)
        return -1;
    ask->g = g;
    rq->state = ask;
    return 0;
}

static int of_stored(struct nb_request *rq, struct nb_reply *rp, const struct verb *v, struct nb_error *e)
{
    int r = prepare(rq, v, e);
    if (r)
        return r;
    struct nb_asked *ask = rq->state;
    if (!rq->on_worker && nb_graph_cost(ask->g, &ask->check.run.inputs) * v->cost > (double)nb_limits.inline_work)
        return NB_TO_WORKER;
    return compute(rq, rp, v, ask, e) ? nb_stored_place(e) : 0;
}

static int of_body(struct nb_request *rq, struct nb_reply *rp, const struct verb *v, struct nb_error *e)
{
    struct nb_asked *ask = nb_decode(rq, v->verb | NB_HERE, e);
    if (!ask || !(ask->g = nb_body_graph(rq, ask, e)))
        return -1;
    return compute(rq, rp, v, ask, e);
}

int nb_forward_asked(struct nb_request *rq, struct nb_reply *rp, const struct nb_asked *ask, struct nb_error *e)
{
    return compute(rq, rp, &forward, ask, e);
}

int nb_op_forwardGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return of_stored(rq, rp, &forward, e);
}

int nb_op_backwardGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return of_stored(rq, rp, &backward, e);
}

int nb_op_lossGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return of_stored(rq, rp, &loss, e);
}

int nb_op_forward(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return of_body(rq, rp, &forward, e);
}

int nb_op_backward(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return of_body(rq, rp, &backward, e);
}

int nb_op_loss(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return of_body(rq, rp, &loss, e);
}
