/* challenges.c - fresh numbers for one student and one try: drawn from the assignment's secret, never stored. */
#include "check/point.h"
#include "http/course.h"
#include "http/tensorfile.h"
#include "store/clock.h"
#include "wire/times.h"
#include <inttypes.h>
#include <string.h>

struct wanted {
    const char *assignment, *student, *commitment;
};

static int read_assignment(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_text(v, &((struct wanted *)to)->assignment, e);
}

static int read_student(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    char label[NB_LABEL];
    struct wanted *to_whom = to;
    (void)a;
    return nb_field_text(v, &to_whom->student, e) || nb_label_read(to_whom->student, label, e) ? -1 : 0;
}

static int read_commitment(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct wanted *w = to;
    (void)a;
    if (nb_field_text(v, &w->commitment, e))
        return -1;
    size_t n = strspn(w->commitment, "0123456789abcdef");
    return n == 64 && !w->commitment[n]
               ? 0
               : nb_fail(e, NB_E_bad_value, "a SHA-256 was expected, 64 hexadecimal digits in small letters");
}

static const struct nb_field fields[] = {{"assignment", 1, 1, read_assignment},
                                         {"student", 1, 0, read_student},
                                         {"commitment", 1, 0, read_commitment},
                                         {NULL, 0, 0, NULL}};

/* ---- the reply --------------------------------------------------------------------------------------------------- */

struct drawn {
    const struct nb_challenge *c;
    struct nb_asked *ask;
};

static int reply_json(struct nb_request *rq, const struct drawn *d, struct nb_reply *rp, struct nb_error *e)
{
    const struct nb_run *run = &d->ask->check.run;
    struct nb_writer w = nb_writer(rq->arena, e);
    char at[NB_TIME];
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "challenge", d->c->id);
    nb_w_string_at(&w, "assignment", d->c->assignment);
    nb_w_string_at(&w, "student", d->c->student);
    nb_w_whole_at(&w, "try", d->c->attempt);
    nb_w_string_at(&w, "expires", nb_time_text(d->c->expires, at));
    nb_w_tensors_at(&w, "inputs", &run->inputs);
    nb_w_tensors_at(&w, "parameters", nb_graph_parameters(d->ask->g));
    if (run->cotangents.n)
        nb_w_tensors_at(&w, "cotangents", &run->cotangents);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

static int add_all(struct nb_arena *a, struct nb_tensors *to, const char *prefix, const struct nb_tensors *l,
                   struct nb_error *e)
{
    for (size_t i = 0; i < l->n; i++) {
        const char *name = nb_sprintf(a, e, "%s/%s", prefix, l->v[i].name);
        if (!name || nb_tensors_add(a, to, name, l->v[i].t, e))
            return -1;
    }
    return 0;
}

static int reply_file(struct nb_request *rq, int type, const struct drawn *d, struct nb_reply *rp, struct nb_error *e)
{
    const struct nb_run *run = &d->ask->check.run;
    struct nb_tensors all = {0};
    char at[NB_TIME];
    const struct nb_fact facts[] = {{"challenge", d->c->id, false},
                                    {"assignment", d->c->assignment, false},
                                    {"try", nb_sprintf(rq->arena, e, "%" PRId64, d->c->attempt), true},
                                    {"expires", nb_time_text(d->c->expires, at), false}};
    if (add_all(rq->arena, &all, "inputs", &run->inputs, e) ||
        add_all(rq->arena, &all, "parameters", nb_graph_parameters(d->ask->g), e) ||
        add_all(rq->arena, &all, "cotangents", &run->cotangents, e))
        return -1;
    return nb_tensorfile_reply(rq, type, &all, facts, sizeof facts / sizeof *facts, rp, e);
}

/* ---- the handler ------------------------------------------------------------------------------------------------- */

/* Whom it is for: a teacher may ask for one of theirs. */
static int judge(struct nb_request *rq, const struct nb_assignment *a, const struct nb_asked *ask,
                 const struct wanted *w, struct nb_error *e)
{
    if (w->student && strcmp(w->student, rq->who.label) && !nb_task_taught(rq, a))
        return nb_fail(e, NB_E_scope_missing, "only who teaches the assignment asks for somebody else"),
               nb_at(e, "student");
    if (ask->task.commitment && !w->commitment)
        return nb_fail(e, NB_E_missing_key, "commitment is missing: the SHA-256 of your code");
    return 0;
}

static int draw(struct nb_request *rq, const struct nb_assignment *a, struct nb_asked *ask,
                const struct nb_challenge *c, struct nb_error *e)
{
    struct nb_verdicts drawn = {0};
    ask->check.run.seed = nb_challenge_seed(a->secret, c->student, c->attempt);
    if (!(ask->g = nb_body_graph(rq, ask, e)))
        return -1;
    return nb_point_draw(ask->g, &ask->check.run, 0, rq->arena, &drawn, e);
}

int nb_op_createChallenge(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct wanted w = {0};
    struct nb_assignment a;
    struct nb_challenge c = {0};
    int type = nb_accept(rq, nb_tensor_types, e);
    json_t *body = type < 0 ? NULL : nb_body_json(rq, e);
    if (!body || nb_fields_read(fields, 1, body, &w, rq->arena, e) || nb_task_get(rq, w.assignment, &a, e))
        return -1;
    struct nb_asked *ask = nb_decode_text(rq, NB_TASK | NB_HERE, a.text, e);
    if (!ask || judge(rq, &a, ask, &w, e))
        return -1;
    memcpy(c.key, rq->who.id, sizeof c.key);
    snprintf(c.student, sizeof c.student, "%s", w.student ? w.student : rq->who.label);
    snprintf(c.commitment, sizeof c.commitment, "%s", w.commitment ? w.commitment : "");
    if (nb_store_challenge_take(rq->store, a.name, nb_clock(), &c, e) || draw(rq, &a, ask, &c, e))
        return -1;
    const struct drawn d = {&c, ask};
    rp->status = 201;
    rp->secret = true;
    rp->vary = true;
    return type ? reply_file(rq, type, &d, rp, e) : reply_json(rq, &d, rp, e);
}
