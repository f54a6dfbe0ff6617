/* assignments.c - assignments over HTTP. A teacher sees all of their own; a student what it takes to work on one, once
 * it is open. */
#include "http/course.h"
#include "http/survivors.h"
#include "store/clock.h"
#include "wire/times.h"
#include <stdlib.h>
#include <string.h>

enum { CHALLENGE_SECONDS = 7200, POINTS = 3 /* of the self-test */ };

int nb_task_get(struct nb_request *rq, const char *name, struct nb_assignment *a, struct nb_error *e)
{
    return nb_store_assignment_get(rq->store, name, rq->arena, a, e);
}

bool nb_task_taught(const struct nb_request *rq, const struct nb_assignment *a)
{
    return nb_may(rq, NB_MAY_teach) && nb_owns(rq, a->owner);
}

struct nb_asked *nb_task_asked(struct nb_request *rq, const struct nb_assignment *a, const struct nb_challenge *c,
                               struct nb_error *e)
{
    struct nb_asked *ask = nb_decode_text(rq, NB_TASK | NB_HERE, a->text, e);
    if (!ask)
        return NULL;
    ask->check.run.seed = nb_challenge_seed(a->secret, c->student, c->attempt);
    ask->task.challenge = c->id;
    ask->g = nb_body_graph(rq, ask, e);
    return ask->g ? ask : NULL;
}

/* Somebody else's are not there. */
int nb_task_get_taught(struct nb_request *rq, const char *name, struct nb_assignment *a, struct nb_error *e)
{
    if (nb_task_get(rq, name, a, e))
        return -1;
    return nb_task_taught(rq, a) ? 0 : nb_fail(e, NB_E_unknown_assignment, "there is no assignment %.64s", name);
}

/* ---- on the wire ------------------------------------------------------------------------------------------------- */

static void put_time(struct nb_writer *w, const char *key, int64_t at)
{
    char text[NB_TIME];
    if (at)
        nb_w_string_at(w, key, nb_time_text(at, text));
}

static void put_members(struct nb_writer *w, const struct nb_request *rq, const struct nb_assignment *a)
{
    static const char *const stages[] = {"early", "open", "late", "closed"};
    nb_w_string_at(w, "name", a->name);
    nb_w_string_at(w, "stage", stages[nb_assignment_stage(a, nb_clock())]);
    put_time(w, "opens", a->opens);
    put_time(w, "closes", a->closes);
    if (a->ends != a->closes)
        put_time(w, "late_until", a->ends);
    if (!nb_task_taught(rq, a))
        return;
    nb_w_string_at(w, "owner", a->owner);
    put_time(w, "created", a->created);
    put_time(w, "updated", a->updated);
    nb_w_whole_at(w, "submissions", a->submissions);
}

/* What a student needs to know; the rest of the terms may give something away. */
static json_t *for_student(const json_t *terms)
{
    static const char *const shown[] = {
        "title", "graph",      "points", "forms",   "hint_level",        "tries", "dims", "loss",
        "mode",  "commitment", "kinks",  "forward", "challenge_seconds", NULL};
    json_t *some = json_object(), *module;
    const char *name;
    for (int i = 0; shown[i]; i++)
        if (json_object_get(terms, shown[i]))
            json_object_set_new(some, shown[i], json_deep_copy(json_object_get(terms, shown[i])));
    json_object_foreach (json_object_get(json_object_get(some, "graph"), "modules"), name, module)
        json_object_del(module, "backward"); /* which the teacher may have given */
    return some;
}

static int put_terms(struct nb_writer *w, struct nb_request *rq, const struct nb_assignment *a, struct nb_error *e)
{
    json_t *terms = json_loads(a->text, 0, NULL);
    if (!terms || nb_keep_json(rq, terms, e))
        return nb_fail(e, NB_E_store_failed, "the assignment can no longer be read");
    if (!nb_task_taught(rq, a) && nb_keep_json(rq, terms = for_student(terms), e))
        return -1;
    nb_w_key(w, "terms");
    nb_w_json(w, terms);
    return 0;
}

/* How many tries are left to who asks. */
static int put_tries(struct nb_writer *w, struct nb_request *rq, const struct nb_assignment *a, struct nb_error *e)
{
    int64_t used;
    if (nb_store_tries_used(rq->store, a->name, rq->who.label, &used, e))
        return -1;
    nb_w_whole_at(w, "tries_used", used);
    if (a->tries)
        nb_w_whole_at(w, "tries_left", used < a->tries ? a->tries - used : 0);
    return 0;
}

static int reply(struct nb_request *rq, struct nb_reply *rp, const struct nb_assignment *a, const struct nb_selftest *t,
                 struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    bool teacher = nb_task_taught(rq, a), early = nb_assignment_stage(a, nb_clock()) == NB_STAGE_EARLY;
    nb_w_open(&w, '{');
    put_members(&w, rq, a);
    if (!teacher && put_tries(&w, rq, a, e))
        return -1;
    if ((teacher || !early) && put_terms(&w, rq, a, e))
        return -1;
    if (t) {
        nb_w_key(&w, "selftest");
        nb_w_selftest(&w, t);
    }
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static int judge_times(const struct nb_assigned *t, struct nb_error *e)
{
    if (t->closes && t->closes <= t->opens)
        return nb_fail(e, NB_E_bad_value, "it would close before it opens"), nb_at(e, "closes");
    if (t->late_until && (!t->closes || t->late_until <= t->closes))
        return nb_fail(e, NB_E_bad_value, "it stands for a time after the one at which the assignment closes"),
               nb_at(e, "late_until");
    return 0;
}

/* At points like those that will be drawn: the names are there, what is right can be told, and no mistake passes. */
static int judge_points(struct nb_request *rq, struct nb_asked *ask, struct nb_selftest *t, struct nb_error *e)
{
    const char *fault = NULL;
    ask->grading.point = ask->check;
    ask->grading.point.watch = rq->watch;
    if (nb_selftest(ask->g, &ask->grading, POINTS, rq->arena, t, &fault, e))
        return nb_grading_place(&ask->grading, e);
    if (fault)
        return nb_fail(e, NB_E_bad_value, "what is right cannot be certified at a point that was drawn for it: %.500s",
                       fault),
               nb_at(e, "graph");
    return t->survivors && !ask->task.accept_survivors ? nb_fail_survivors(t, e) : 0;
}

static int judge(struct nb_request *rq, struct nb_asked *ask, struct nb_error *e)
{
    if (!ask->grading.nparts)
        return nb_fail(e, NB_E_missing_key, "points is missing: which tensors are asked for, and what they are worth");
    return judge_times(&ask->task, e) || !(ask->g = nb_body_graph(rq, ask, e)) ? -1 : 0;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* A graph that is only named stands for itself as it is now. */
static int put_graph(struct nb_request *rq, json_t *body, struct nb_error *e)
{
    const char *name = json_string_value(json_object_get(body, "graph"));
    struct nb_graph *g = name ? nb_store_get(rq->store, name, NULL, e) : NULL;
    if (!name)
        return 0;
    if (!g || nb_keep_graph(rq, g, e))
        return nb_at(e, "graph");
    json_object_set_new(body, "graph", json_loads(nb_graph_text(g), 0, NULL));
    return 0;
}

static void free_text(void *text)
{
    free(text);
}

/* The assignment that the body describes, judged; tested if `test` is not NULL. */
static int read_body(struct nb_request *rq, json_t *body, struct nb_assignment *a, struct nb_selftest *test,
                     struct nb_error *e)
{
    char *text = json_dumps(body, JSON_COMPACT);
    if (!text)
        return nb_fail_memory(e);
    if (nb_when_done(rq, free_text, text, e))
        return -1;
    struct nb_asked *ask = nb_decode_text(rq, NB_TASK | NB_HERE, text, e);
    if (!ask || judge(rq, ask, e) || (test && judge_points(rq, ask, test, e)))
        return -1;
    const struct nb_assigned *t = &ask->task;
    snprintf(a->name, sizeof a->name, "%s", ask->name);
    if (strlen(ask->name) >= sizeof a->name)
        *a->name = 0; /* which is no name */
    a->opens = t->opens;
    a->closes = t->closes;
    a->ends = t->late_until ? t->late_until : t->closes;
    a->tries = t->tries;
    a->challenge_seconds = t->challenge_seconds ? t->challenge_seconds : CHALLENGE_SECONDS;
    a->text = text;
    return 0;
}

int nb_op_createAssignment(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_assignment a = {0};
    struct nb_selftest t;
    json_t *body = nb_body_json(rq, e);
    if (!body || put_graph(rq, body, e) || read_body(rq, body, &a, &t, e))
        return -1;
    memcpy(a.owner, rq->who.label, sizeof a.owner);
    if (nb_store_assignment_add(rq->store, &a, nb_clock(), e))
        return -1;
    rp->status = 201;
    rp->location = nb_sprintf(rq->arena, e, "/v1/assignments/%s", a.name);
    return reply(rq, rp, &a, &t, e);
}

/* Does a change of this member change what a mistake costs? */
static bool matters(const char *key)
{
    static const char *const keys[] = {"points", "weights", "kinks", "rho", "r_max", "slip_credit", NULL};
    int i = 0;
    while (keys[i] && strcmp(keys[i], key))
        i++;
    return keys[i];
}

/* Members that are null go; what students were asked stays as it is. *test: the self-test is due. */
static int merge(json_t *terms, json_t *changes, bool *test, struct nb_error *e)
{
    static const char *const fixed[] = {"name", "graph", "dims", "sample", "loss", "mode", NULL};
    const char *key;
    json_t *v;
    if (!json_is_object(changes))
        return nb_fail(e, NB_E_wrong_type, "an object was expected, not %s", nb_kind(changes));
    json_object_foreach (changes, key, v) {
        for (int i = 0; fixed[i]; i++)
            if (!strcmp(key, fixed[i]) && !json_equal(v, json_object_get(terms, key)))
                return nb_fail(e, NB_E_bad_value, "it cannot be changed: challenges may have been drawn"),
                       nb_at(e, key);
        *test |= matters(key);
        if (json_is_null(v))
            json_object_del(terms, key);
        else
            json_object_set(terms, key, v);
    }
    return 0;
}

int nb_op_patchAssignment(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_assignment a;
    struct nb_selftest t;
    bool test = false;
    json_t *changes = nb_body_json(rq, e);
    if (!changes || nb_task_get_taught(rq, rq->path[0], &a, e))
        return -1;
    json_t *terms = json_loads(a.text, 0, NULL);
    if (!terms || nb_keep_json(rq, terms, e))
        return nb_fail(e, NB_E_store_failed, "the assignment can no longer be read");
    if (merge(terms, changes, &test, e) || read_body(rq, terms, &a, test ? &t : NULL, e) ||
        nb_store_assignment_change(rq->store, &a, nb_clock(), e))
        return -1;
    return reply(rq, rp, &a, test ? &t : NULL, e);
}

/* ---- computing --------------------------------------------------------------------------------------------------- */

/* Is it theirs to compute with? */
static int judge_forward(struct nb_request *rq, const struct nb_assignment *a, const struct nb_asked *terms,
                         struct nb_error *e)
{
    if (nb_task_taught(rq, a))
        return 0;
    if (!terms->task.forward)
        return nb_fail(e, NB_E_scope_missing, "the assignment %s does not offer its forward", a->name);
    return nb_assignment_stage(a, nb_clock()) == NB_STAGE_EARLY
               ? nb_fail(e, NB_E_not_open_yet, "the assignment %s is not open yet", a->name)
               : 0;
}

int nb_op_forwardAssignment(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_assignment a;
    if (nb_task_get(rq, rq->path[0], &a, e))
        return -1;
    struct nb_asked *terms = nb_decode_text(rq, NB_TASK | NB_HERE, a.text, e);
    struct nb_asked *ask =
        !terms || judge_forward(rq, &a, terms, e) ? NULL : nb_decode(rq, NB_FORWARD | NB_PARAMETERS, e);
    if (!ask)
        return -1;
    ask->graph = terms->graph;
    ask->g = nb_body_graph(rq, ask, e);
    return ask->g ? nb_forward_asked(rq, rp, ask, e) : -1;
}

/* ---- looking, removing ------------------------------------------------------------------------------------------- */

int nb_op_getAssignment(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_assignment a;
    return nb_task_get(rq, rq->path[0], &a, e) ? -1 : reply(rq, rp, &a, NULL, e);
}

int nb_op_listAssignments(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_assignment *list;
    size_t n;
    if (nb_store_assignment_list(rq->store, rq->arena, &list, &n, e))
        return -1;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_key(&w, "assignments");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        nb_w_open(&w, '{');
        put_members(&w, rq, &list[i]);
        nb_w_close(&w, '}');
    }
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

int nb_op_deleteAssignment(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const names[] = {"submissions", NULL};
    const char *with = nb_query(rq, "submissions");
    struct nb_assignment a;
    if (nb_query_only(rq, names, e) || nb_task_get_taught(rq, rq->path[0], &a, e))
        return -1;
    if (with && strcmp(with, "delete"))
        return nb_fail(e, NB_E_bad_parameter, "delete was expected, not %.60s", with), nb_at(e, "submissions");
    rp->status = 204;
    return nb_store_assignment_remove(rq->store, a.name, with, e);
}
