/* check.c - is the gradient right? */
#include "http/check_svg.h"
#include "http/gate.h"
#include "http/handlers.h"
#include "http/replay.h"
#include "http/terms.h"
#include "http/verdicts.h"
#include <inttypes.h>

/* After a replay elsewhere. */
static void put_replay(struct nb_writer *w, const struct nb_asked *ask, size_t certificate)
{
    struct nb_strings_list differs = {0};
    if (!ask->replay.tree || w->e->code ||
        nb_replay_differs(ask, w->text.v + certificate, w->text.n - certificate, &differs, w->text.arena, w->e) ||
        !differs.n)
        return;
    nb_w_key(w, "replay");
    nb_w_open(w, '{');
    nb_w_strings_at(w, "differs", differs.n, differs.v);
    nb_w_close(w, '}');
}

struct outcome {
    const struct nb_asked *ask;
    struct nb_verdicts v;
};

static int write_json(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e)
{
    const struct nb_asked *ask = ((const struct outcome *)result)->ask;
    const struct nb_verdicts *v = &((const struct outcome *)result)->v;
    const struct nb_telling how = {ask->detail, ask->check.gradients_given ? &ask->check.gradients : NULL, ask->bare};
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_verdicts(&w, v, &how);
    nb_w_key(&w, "certificate");
    size_t certificate = w.text.n;
    nb_w_certificate(&w, ask, v);
    put_replay(&w, ask, certificate);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

/* What it takes to see it again. */
static const char *foot_of(const struct nb_asked *ask, const struct nb_verdicts *v, struct nb_arena *a,
                           struct nb_error *e)
{
    char seed[33];
    return nb_sprintf(a, e, "nablad " PACKAGE_VERSION ", %s, %" PRId64 " of %" PRId64 " coordinates looked at, seed %s",
                      nb_dtype_name(nb_graph_dtype(ask->g)), v->facts.judged, v->facts.asked,
                      nb_seed_text(ask->check.run.seed, seed));
}

static int write_svg(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e)
{
    const struct nb_asked *ask = ((const struct outcome *)result)->ask;
    const struct nb_verdicts *v = &((const struct outcome *)result)->v;
    struct nb_text t = {.arena = rq->arena};
    const char *foot = foot_of(ask, v, rq->arena, e);
    if (!foot || nb_check_svg(&t, v, ask->check.gradients_given ? &ask->check.gradients : NULL, foot, e))
        return -1;
    nb_reply_text(rp, NB_SVG, t.v, t.n);
    return 0;
}

/* The picture shows numbers of the reference. */
static const struct nb_form forms[] = {{NB_JSON, write_json}, {NB_SVG, write_svg}, {NULL, NULL}},
                            bare_forms[] = {{NB_JSON, write_json}, {NULL, NULL}};

static int check(struct nb_request *rq, struct nb_reply *rp, struct nb_asked *ask, struct nb_error *e)
{
    struct outcome o = {.ask = ask};
    ask->bare = !nb_may(rq, NB_MAY_backward);
    const struct nb_form *rows = ask->bare ? bare_forms : forms;
    int form = nb_forms_accept(rq, rows, e);
    if (form < 0 || nb_replay_compare(ask, rq->arena, e))
        return -1;
    ask->check.curve = form == 1 || (rq->every_form && !ask->bare);
    if (nb_check_run(ask->g, &ask->check, rq->arena, &o.v, e))
        return nb_terms_place(ask, e);
    return nb_forms_write(rq, rows, form, &o, rp, e);
}

int nb_op_checkGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_graph *g = nb_stored_graph(rq, NULL, e);
    struct nb_asked *ask = g ? nb_decode(rq, NB_CHECK, e) : NULL;
    if (!ask)
        return -1;
    ask->g = g;
    return check(rq, rp, ask, e) ? nb_stored_place(e) : 0;
}

int nb_op_check(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_asked *ask = nb_decode(rq, NB_CHECK | NB_HERE, e);
    if (!ask || !(ask->g = nb_body_graph(rq, ask, e)))
        return -1;
    return check(rq, rp, ask, e);
}
