/* grade.c - what was handed in, graded; nothing is stored. */
#include "http/gate.h"
#include "http/grading.h"
#include "http/handlers.h"
#include "http/replay.h"
#include "http/terms.h"
#include "http/verdicts.h"
#include "store/files.h"
#include <string.h>

/* Named by its digest. */
static void put_certificate(struct nb_writer *w, const struct nb_asked *ask, const struct nb_verdicts *v)
{
    struct nb_writer text = nb_writer(w->text.arena, w->e);
    char hash[NB_HASH_SIZE];
    nb_w_certificate(&text, ask, v);
    if (w->e->code || nb_putn(&text.text, "", 1, w->e))
        return;
    nb_files_hash(text.text.v, text.text.n - 1, hash);
    const char *json = nb_sprintf(w->text.arena, w->e, "{\"id\":\"ct_%.32s\",%s", hash, text.text.v + 1);
    nb_w_key(w, "certificate");
    if (json)
        nb_w_raw(w, json);
}

static int write(struct nb_request *rq, struct nb_asked *ask, const struct nb_reference *r, const struct nb_graded *out,
                 struct nb_reply *rp, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_graded(&w, out, ask->grading.hint_level, ask->grading.reveal);
    nb_w_warnings(&w, &r->own);
    put_certificate(&w, ask, &r->own);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

static int grade(struct nb_request *rq, struct nb_reply *rp, struct nb_asked *ask, struct nb_error *e)
{
    static const char *const types[] = {NB_JSON, NULL};
    struct nb_grading *g = &ask->grading;
    struct nb_reference r;
    struct nb_graded out;
    g->point = ask->check;
    if (g->reveal && !nb_may(rq, NB_MAY_backward))
        return nb_fail(e, NB_E_scope_missing, "to see what was expected needs a key with the scope backward"),
               nb_at(e, "reveal");
    if (nb_accept(rq, types, e) < 0)
        return -1;
    if (nb_grade(ask->g, g, rq->arena, &r, &out, e))
        return nb_grading_place(g, e), nb_terms_place(ask, e);
    ask->check.gradients = g->submission.gradients;
    r.own.facts.rho = ask->check.rho > 0 ? ask->check.rho : NB_RHO_GRADE;
    return write(rq, ask, &r, &out, rp, e);
}

int nb_op_gradeGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_graph *g = nb_stored_graph(rq, NULL, e);
    struct nb_asked *ask = g ? nb_decode(rq, NB_GRADE, e) : NULL;
    if (!ask)
        return -1;
    ask->g = g;
    return grade(rq, rp, ask, e) ? nb_stored_place(e) : 0;
}

int nb_op_grade(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_asked *ask = nb_decode(rq, NB_GRADE | NB_HERE, e);
    if (!ask || !(ask->g = nb_body_graph(rq, ask, e)))
        return -1;
    return grade(rq, rp, ask, e);
}
