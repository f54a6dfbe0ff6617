/* challenge_probes.c - the function an assignment is about is probed where a student has it: a probe set of a
 * challenge. */
#include "check/point.h"
#include "grade/answers.h"
#include "http/course.h"
#include "http/probes.h"
#include "store/clock.h"
#include <string.h>

static const double LOW = -2, HIGH = 2;

static bool is_part(const struct nb_asked *ask, const char *name)
{
    for (size_t i = 0; i < ask->grading.nparts; i++)
        if (!strcmp(ask->grading.parts[i].name, name))
            return true;
    return false;
}

/* Inputs and learned tensors go in; what is worth points is claimed. */
static int set_inputs(const struct nb_asked *ask, const struct nb_tensors *at, struct nb_probed *f, struct nb_arena *a,
                      struct nb_error *e)
{
    if (!(f->in = nb_zalloc(a, at->n + 1, sizeof *f->in, e)))
        return -1;
    for (size_t i = 0; i < at->n; i++) {
        const struct nb_named *x = &at->v[i];
        f->in[f->nin++] = (struct nb_probed_input){
            .name = x->name, .shape = x->t.shape, .low = LOW, .high = HIGH, .wrt = is_part(ask, x->name)};
    }
    return 0;
}

static int set_outputs(const struct nb_asked *ask, struct nb_probed *f, struct nb_arena *a, struct nb_error *e)
{
    struct nb_result r;
    if (nb_graph_forward(ask->g, &ask->check.run, a, &r, e) ||
        !(f->out = nb_zalloc(a, r.outputs.n + 1, sizeof *f->out, e)))
        return -1;
    for (size_t i = 0; i < r.outputs.n; i++)
        f->out[f->nout++] = (struct nb_probed_output){r.outputs.v[i].name, r.outputs.v[i].t.shape};
    return 0;
}

/* In the arena of the set, which outlives the request. */
static int describe(struct nb_asked *ask, struct nb_probed *f, struct nb_arena *a, struct nb_error *e)
{
    struct nb_verdicts drawn = {0};
    struct nb_tensors *at = nb_small(a, NB_ANSWERS_POINTS, sizeof *at, e);
    *f = (struct nb_probed){.at = at,
                            .seed = ask->check.run.seed,
                            .convention = ask->check.convention,
                            .single = nb_graph_dtype(ask->g) == NB_F32};
    nb_probes_limits(f);
    return !at || nb_point_draw(ask->g, &ask->check.run, 0, a, &drawn, e) ||
           nb_answers_points(ask->g, &ask->check, a, at, &f->points, e) || set_inputs(ask, &at[0], f, a, e) ||
           set_outputs(ask, f, a, e);
}

static int open_set(struct nb_asked *ask, struct nb_probe_set *s, struct nb_error *e)
{
    struct nb_probed f;
    if (describe(ask, &f, &s->arena, e))
        return -1;
    snprintf(s->challenge, sizeof s->challenge, "%s", ask->task.challenge);
    s->seed = f.seed;
    s->function = nb_function_text(&f, &s->arena, e);
    s->p = s->function ? nb_probes_new(&f, &s->arena, e) : NULL;
    return s->p ? 0 : -1;
}

static int judge(struct nb_request *rq, const struct nb_challenge *c, struct nb_assignment *a, struct nb_error *e)
{
    int64_t now = nb_clock();
    if (nb_challenge_judge(rq, c, now, e) || nb_task_get(rq, c->assignment, a, e))
        return -1;
    if (c->used)
        return nb_fail(e, NB_E_challenge_used, "the challenge has been answered");
    if (nb_assignment_stage(a, now) == NB_STAGE_OVER)
        return nb_fail(e, NB_E_closed, "the assignment %s is closed", a->name);
    return 0;
}

int nb_op_probeChallenge(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_challenge c;
    struct nb_assignment a;
    int form = nb_probes_accept(rq, e);
    if (form < 0 || nb_store_challenge_get(rq->store, rq->path[0], &c, e) || judge(rq, &c, &a, e))
        return -1;
    struct nb_asked *ask = nb_task_asked(rq, &a, &c, e);
    if (!ask)
        return -1;
    if (!(nb_task_forms(&ask->task) & 1u << NB_ANSWERS))
        return nb_fail(e, NB_E_bad_value, "the assignment does not ask for answers");
    struct nb_probe_set *s = nb_probe_set_new(rq, e);
    if (!s || open_set(ask, s, e) || nb_reply_questions(rq, rp, s, form, e))
        return -1;
    rp->status = 201;
    rp->secret = true;
    rp->location = nb_sprintf(rq->arena, e, "/v1/probes/%s", s->id);
    if (e->code)
        return -1;
    nb_probe_set_publish(s);
    return 0;
}
