/* probes.c - a function that lives elsewhere is asked and judged: open, answer, look, give up. */
#include "http/gate.h"
#include "http/heard.h"
#include "http/router.h"
#include <string.h>

static int open_set(struct nb_probe_set *s, const struct nb_probes_asked *ask, struct nb_error *e)
{
    s->whole = ask->whole;
    s->detail = ask->terms.detail;
    s->seed = ask->f.seed;
    s->function = nb_function_text(&ask->f, &s->arena, e);
    s->p = s->function ? nb_probes_new(&ask->f, &s->arena, e) : NULL;
    return s->p ? 0 : -1;
}

int nb_op_createProbes(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    int form = nb_probes_accept(rq, e);
    struct nb_probes_asked *ask = form < 0 ? NULL : nb_probes_read(rq, e);
    struct nb_probe_set *s = ask ? nb_probe_set_new(rq, e) : NULL;
    if (!s || open_set(s, ask, e) || nb_reply_questions(rq, rp, s, form, e))
        return -1;
    rp->status = 201;
    rp->location = nb_sprintf(rq->arena, e, "/v1/probes/%s", s->id);
    if (e->code)
        return -1;
    nb_probe_set_publish(s);
    return 0;
}

/* What came of it is told when it is handed in. */
static int reply_done(struct nb_request *rq, struct nb_reply *rp, const struct nb_probe_set *s, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "id", s->id);
    nb_w_string_at(&w, "state", "done");
    nb_w_string_at(&w, "challenge", s->challenge);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

/* Under the lock of the set: how it stands. */
static int reply_state(struct nb_request *rq, struct nb_reply *rp, const struct nb_probe_set *s, int form,
                       struct nb_error *e)
{
    if (s->state == NB_PROBES_ASKING)
        return nb_reply_questions(rq, rp, s, form, e);
    if (*s->challenge && !nb_may(rq, NB_MAY_check | NB_MAY_teach))
        return reply_done(rq, rp, s, e);
    char *copy = nb_strndup(rq->arena, s->verdict, s->size, e); /* it may be gone before it is sent */
    nb_reply_text(rp, NB_JSON, copy, s->size);
    return copy ? 0 : -1;
}

/* The answers go in, the next questions or the verdicts come out. What fails half way leaves nothing to go on with. */
static int take(struct nb_request *rq, struct nb_probe_set *s, const struct nb_probes_answered *x, struct nb_error *e)
{
    struct nb_probe_answers a = {&x->outputs, &x->imaginary, x->gradients, x->ngradients};
    struct nb_reply verdicts = {0};
    struct nb_hearing hearing;
    nb_heard_listen(s, &hearing);
    int bad = nb_probes_take(s->p, &a, rq->arena, e);
    if (bad && nb_code_status(e->code) == 400)
        return -1;
    if (!bad)
        nb_heard_keep(s, x, &hearing, rq->arena);
    if (!bad && nb_probes_verdicts(s->p))
        bad = nb_reply_verdicts(rq, &verdicts, s, e);
    if (bad || verdicts.body)
        nb_probe_set_end(s, verdicts.body, verdicts.size);
    return bad;
}

static int answer(struct nb_request *rq, struct nb_reply *rp, struct nb_probe_set *s,
                  const struct nb_probes_answered *x, int form, struct nb_error *e)
{
    char hash[NB_HASH_SIZE];
    nb_files_hash(rq->body, rq->body_size, hash);
    if (nb_probe_set_alive(s, e))
        return -1;
    if (!strcmp(hash, s->taken))
        return reply_state(rq, rp, s, form, e);
    if (s->state == NB_PROBES_DONE)
        return nb_fail(e, NB_E_probe_round, "all questions have been answered; GET %s shows the verdict", rq->target);
    if (x->round != nb_probes_round(s->p)) {
        nb_fail(e, NB_E_probe_round, "answers to round %lld came, round %d is asked", (long long)x->round,
                nb_probes_round(s->p));
        return nb_at(e, "round");
    }
    if (take(rq, s, x, e))
        return -1;
    memcpy(s->taken, hash, sizeof hash);
    nb_probe_set_touch(s);
    return reply_state(rq, rp, s, form, e);
}

int nb_op_answerProbes(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    int form = nb_probes_accept(rq, e);
    struct nb_probe_set *s = form < 0 ? NULL : nb_probe_set_find(rq, rq->path[0], e);
    struct nb_probes_answered *x = s ? nb_answers_read(rq, e) : NULL;
    if (!x)
        return -1;
    pthread_mutex_lock(&s->lock);
    int r = answer(rq, rp, s, x, form, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

int nb_op_getProbes(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    int form = nb_probes_accept(rq, e);
    struct nb_probe_set *s = form < 0 ? NULL : nb_probe_set_find(rq, rq->path[0], e);
    if (!s)
        return -1;
    pthread_mutex_lock(&s->lock);
    int r = nb_probe_set_alive(s, e) || reply_state(rq, rp, s, form, e) ? -1 : 0;
    pthread_mutex_unlock(&s->lock);
    return r;
}

int nb_op_deleteProbes(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    rp->status = 204;
    return nb_probe_set_drop(rq, rq->path[0], e);
}
