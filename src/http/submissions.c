/* submissions.c - what is handed in: taken once, graded at the point of its challenge, kept with what came of it. */
#include "http/course.h"
#include "http/feedback.h"
#include "http/tensorfile.h"
#include "store/clock.h"
#include "store/files.h"
#include "wire/lift.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 10000 }; /* learned numbers */

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int read_challenge(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_text(v, &((struct nb_came *)to)->challenge, e);
}

static int read_student(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_text(v, &((struct nb_came *)to)->student, e);
}

static int keep_submission(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a, (void)e;
    ((struct nb_came *)to)->submission = v;
    return 0;
}

enum { ALONE = 1, AMONG_OTHERS = 2 };
static const struct nb_field fields[] = {{"challenge", ALONE | AMONG_OTHERS, ALONE, read_challenge},
                                         {"student", AMONG_OTHERS, 0, read_student},
                                         {"submission", ALONE | AMONG_OTHERS, ALONE | AMONG_OTHERS, keep_submission},
                                         {NULL, 0, 0, NULL}};

static int read_json(struct nb_request *rq, unsigned where, struct nb_came *c, struct nb_error *e)
{
    const struct nb_lift_rule rules[] = {{"/submission/gradients/*", &c->gradients}};
    json_t *body;
    if (nb_lift(rq->body, rq->body_size, rules, 1, rq->arena, &body, e) || nb_keep_json(rq, body, e))
        return -1;
    return nb_fields_read(fields, where, body, c, rq->arena, e);
}

/* Gradients by name, with "gradients/" in front or without. */
static int read_file(struct nb_request *rq, int type, struct nb_came *c, struct nb_error *e)
{
    struct nb_tensors all = {0};
    if (nb_tensorfile_read(rq, type, &all, e))
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        const char *name = all.v[i].name;
        name += strncmp(name, "gradients/", 10) ? 0 : 10;
        if (nb_tensors_find(&c->gradients, name))
            return nb_fail(e, NB_E_duplicate_key, "%.60s is there twice", name);
        if (nb_tensors_add(rq->arena, &c->gradients, name, all.v[i].t, e))
            return -1;
    }
    return c->gradients.n ? 0 : nb_fail(e, NB_E_bad_value, "nothing was handed in");
}

/* Beside a file the query says what it is for. */
static int read_alone(struct nb_request *rq, struct nb_came *c, struct nb_error *e)
{
    static const char *const names[] = {"challenge", "tensor", NULL}, *const none[] = {NULL};
    int type = nb_content(rq, nb_tensor_types, e);
    if (type < 0 || nb_query_only(rq, type ? names : none, e))
        return -1;
    if (!type)
        return read_json(rq, ALONE, c, e);
    if (!(c->challenge = nb_query(rq, "challenge")))
        return nb_fail(e, NB_E_bad_parameter, "which challenge is it for? ?challenge=ch_..."), nb_at(e, "challenge");
    return read_file(rq, type, c, e);
}

int nb_came_read(struct nb_request *rq, struct nb_came *c, struct nb_error *e)
{
    int type = nb_content(rq, nb_tensor_types, e);
    *c = (struct nb_came){0};
    return type < 0 ? -1 : type ? read_file(rq, type, c, e) : read_json(rq, AMONG_OTHERS, c, e);
}

/* ---- judging before anything is computed ------------------------------------------------------------------------- */

int nb_challenge_judge(const struct nb_request *rq, const struct nb_challenge *c, int64_t now, struct nb_error *e)
{
    if (strcmp(c->key, rq->who.id) || (strcmp(c->student, rq->who.label) && !nb_may(rq, NB_MAY_teach)))
        return nb_fail(e, NB_E_challenge_foreign, "the challenge was given to another key");
    if (!c->used && (c->expired || now >= c->expires))
        return nb_fail(e, NB_E_challenge_expired, "the challenge has expired; ask for another one");
    return 0;
}

static int judge_name(const struct nb_asked *ask, const char *name, const char *where, struct nb_error *e)
{
    for (size_t k = 0; k < ask->grading.nparts; k++)
        if (!strcmp(ask->grading.parts[k].name, name))
            return 0;
    return nb_fail(e, NB_E_unknown_key, "%.100s is not asked for", name), nb_at(e, name), nb_at(e, where);
}

static int judge_names(const struct nb_asked *ask, struct nb_error *e)
{
    const struct nb_submission *s = &ask->grading.submission;
    for (size_t i = 0; i < s->nexpressions; i++)
        if (judge_name(ask, s->expressions[i].name, "expressions", e))
            return -1;
    for (size_t i = 0; i < s->gradients.n; i++)
        if (judge_name(ask, s->gradients.v[i].name, "gradients", e))
            return -1;
    return 0;
}

/* Of the form that is wanted, and nothing but what is asked for. */
static int judge_form(const struct nb_asked *ask, struct nb_error *e)
{
    unsigned forms = nb_task_forms(&ask->task);
    char list[40] = "";
    if (forms & 1u << ask->grading.submission.form)
        return judge_names(ask, e);
    for (int f = 0; f < NB_FORMS; f++)
        if (forms & 1u << f)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? " or " : "",
                     nb_form_name((enum nb_form_of)f));
    return nb_fail(e, NB_E_bad_value, "the assignment asks for %s", list), nb_at(e, "form");
}

static int read_into(struct nb_asked *ask, struct nb_came *came, struct nb_arena *a, struct nb_error *e)
{
    ask->grading.submission.gradients = came->gradients;
    if (came->submission && nb_read_submission(came->submission, &ask->grading, a, e))
        return nb_at(e, "submission");
    return judge_form(ask, e) ? nb_at(e, "submission") : 0;
}

/* ---- grading ----------------------------------------------------------------------------------------------------- */

/* Every coordinate of a large graph was certified when the assignment was made. */
static enum nb_thorough how_thorough(const struct nb_graph *g)
{
    const struct nb_tensors *l = nb_graph_parameters(g);
    int64_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += nb_count(&l->v[i].t.shape);
    return n > LARGE ? NB_ALONG_DIRECTIONS : NB_EVERY_COORDINATE;
}

static int grade(struct nb_request *rq, struct nb_asked *ask, struct nb_reference *r, struct nb_graded *out,
                 struct nb_error *e)
{
    ask->grading.how = how_thorough(ask->g);
    return nb_grade_asked(rq, ask, r, out, e);
}

static int write_result(struct nb_request *rq, struct nb_asked *ask, const struct nb_reference *r,
                        const struct nb_graded *out, struct nb_handed_in *x, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_grade(&w, ask, r, out, NB_HINT_FORMULA, true);
    x->counted = out->graded;
    x->score = out->graded ? out->score : 0;
    x->max_score = out->max_score;
    snprintf(x->verdict, sizeof x->verdict, "%s", nb_verdict_name(out->verdict));
    x->result = nb_putn(&w.text, "", 1, e) ? NULL : w.text.v;
    return e->code ? -1 : 0;
}

/* Nothing is taken, so nothing is told but which tensors it is about: else it would be a free try for the others. */
static int reply_again(struct nb_request *rq, struct nb_reply *rp, const struct nb_handed_in *x,
                       const struct nb_graded *out, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "challenge", x->challenge);
    nb_w_string_at(&w, "assignment", x->assignment);
    nb_w_string_at(&w, "student", x->student);
    nb_w_whole_at(&w, "try", x->attempt);
    nb_w_bool_at(&w, "resubmit", true);
    nb_w_key(&w, "again");
    nb_w_open(&w, '{');
    for (size_t i = 0; i < out->n; i++)
        if (out->v[i].refused)
            nb_w_string_at(&w, out->v[i].name, nb_reason_name(out->v[i].checked.reason));
    nb_w_close(&w, '}');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

/* What students are shown of it. */
static int reply(struct nb_request *rq, struct nb_reply *rp, const struct nb_assignment *a, const struct nb_asked *ask,
                 const struct nb_handed_in *x, struct nb_error *e)
{
    const struct nb_sight sight = {nb_task_taught(rq, a), ask->grading.hint_level, ask->grading.reveal,
                                   nb_assignment_stage(a, nb_clock()) == NB_STAGE_OVER};
    struct nb_writer w = nb_writer(rq->arena, e);
    return nb_w_handed_in(&w, x, &sight, e) ? -1 : nb_reply_written(rp, &w);
}

/* A tensor without a name had it in the query. */
static const char *type_of(const struct nb_request *rq, struct nb_error *e)
{
    const char *type = rq->content_type ? rq->content_type : NB_JSON, *name = nb_query(rq, "tensor");
    return name ? nb_sprintf(rq->arena, e, "%s; tensor=%s", type, name) : type;
}

static struct nb_handed_in describe(const struct nb_request *rq, const struct nb_challenge *c, int64_t now,
                                    struct nb_error *e)
{
    struct nb_handed_in x = {
        .attempt = c->attempt, .received = now, .type = type_of(rq, e), .body = rq->body, .size = rq->body_size};
    memcpy(x.challenge, c->id, sizeof x.challenge);
    memcpy(x.assignment, c->assignment, sizeof x.assignment);
    memcpy(x.student, c->student, sizeof x.student);
    memcpy(x.commitment, c->commitment, sizeof x.commitment);
    nb_files_hash(rq->body, rq->body_size, x.hash);
    return x;
}

/* The same bytes again get the same answer. */
static int answered(struct nb_request *rq, struct nb_reply *rp, const struct nb_assignment *a,
                    const struct nb_asked *ask, struct nb_handed_in *x, struct nb_error *e)
{
    struct nb_handed_in there;
    if (nb_store_submission_get(rq->store, x->challenge, rq->arena, &there, e))
        return -1;
    if (strcmp(there.hash, x->hash))
        return nb_fail(e, NB_E_challenge_used, "the challenge was answered by the submission %s", there.id);
    return reply(rq, rp, a, ask, &there, e);
}

static int grade_and_keep(struct nb_request *rq, struct nb_reply *rp, const struct nb_assignment *a,
                          struct nb_asked *ask, struct nb_handed_in *x, struct nb_error *e)
{
    struct nb_reference r;
    struct nb_graded out;
    bool again = false;
    if (grade(rq, ask, &r, &out, e))
        return -1;
    if (out.resubmit)
        return reply_again(rq, rp, x, &out, e);
    if (write_result(rq, ask, &r, &out, x, e) || nb_store_submission_add(rq->store, x, rq->arena, &again, e))
        return -1;
    rp->status = again ? 200 : 201;
    rp->location = nb_sprintf(rq->arena, e, "/v1/submissions/%s", x->id);
    return reply(rq, rp, a, ask, x, e);
}

int nb_came_grade(struct nb_request *rq, const struct nb_assignment *a, const struct nb_challenge *c,
                  struct nb_came *came, struct nb_handed_in *x, bool *resubmit, struct nb_error *e)
{
    struct nb_asked *ask = nb_task_asked(rq, a, c, e);
    struct nb_reference r;
    struct nb_graded out;
    *x = describe(rq, c, nb_clock(), e);
    if (!ask || read_into(ask, came, rq->arena, e) || grade(rq, ask, &r, &out, e) ||
        write_result(rq, ask, &r, &out, x, e))
        return -1;
    *resubmit = out.resubmit;
    return 0;
}

int nb_op_createSubmission(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_came came = {0};
    struct nb_challenge c;
    struct nb_assignment a;
    int64_t now = nb_clock();
    if (read_alone(rq, &came, e) || nb_store_challenge_get(rq->store, came.challenge, &c, e) ||
        nb_challenge_judge(rq, &c, now, e) || nb_task_get(rq, c.assignment, &a, e))
        return -1;
    struct nb_asked *ask = nb_task_asked(rq, &a, &c, e);
    struct nb_handed_in x = describe(rq, &c, now, e);
    if (!ask || e->code)
        return -1;
    if (c.used)
        return answered(rq, rp, &a, ask, &x, e);
    enum nb_stage stage = nb_assignment_stage(&a, now);
    if (stage == NB_STAGE_OVER)
        return nb_fail(e, NB_E_closed, "the assignment %s is closed", a.name);
    x.late = stage == NB_STAGE_LATE;
    return read_into(ask, &came, rq->arena, e) ? -1 : grade_and_keep(rq, rp, &a, ask, &x, e);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

int nb_submission_get(struct nb_request *rq, const char *id, struct nb_handed_in *x, struct nb_assignment *a,
                      struct nb_error *e)
{
    if (nb_store_submission_get(rq->store, id, rq->arena, x, e) || nb_task_get(rq, x->assignment, a, e))
        return -1;
    if (strcmp(x->id, id) || (!nb_task_taught(rq, a) && strcmp(x->student, rq->who.label)))
        return nb_fail(e, NB_E_unknown_submission, "there is no submission %.40s", id);
    return 0;
}

int nb_op_getSubmission(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_handed_in x;
    struct nb_assignment a;
    if (nb_submission_get(rq, rq->path[0], &x, &a, e))
        return -1;
    struct nb_asked *ask = nb_decode_text(rq, NB_TASK | NB_HERE, a.text, e);
    return ask ? reply(rq, rp, &a, ask, &x, e) : -1;
}

/* A whole number in the query, or what it is without. */
static int query_whole(const struct nb_request *rq, const char *name, int64_t most, int64_t *to, struct nb_error *e)
{
    const char *text = nb_query(rq, name);
    char *end;
    if (!text)
        return 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || v < 0 || v > most)
        return nb_fail(e, NB_E_bad_parameter, "a whole number up to %" PRId64 " was expected, not %.40s", most, text),
               nb_at(e, name);
    *to = v;
    return 0;
}

static int reply_list(struct nb_request *rq, struct nb_reply *rp, const struct nb_assignment *a,
                      const struct nb_handed_in *list, size_t n, int64_t most, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    bool more = (int64_t)n > most;
    nb_w_open(&w, '{');
    nb_w_key(&w, "submissions");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < n - more; i++)
        nb_w_handed_in(&w, &list[i], &(struct nb_sight){.whole = true}, e);
    nb_w_close(&w, ']');
    if (more) {
        char next[160];
        snprintf(next, sizeof next, "/v1/assignments/%s/submissions?after=%" PRId64 "&limit=%" PRId64, a->name,
                 list[n - 2].number, most);
        nb_w_string_at(&w, "next", next);
    }
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

int nb_op_listSubmissions(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const names[] = {"after", "limit", NULL};
    struct nb_assignment a;
    struct nb_handed_in *list;
    int64_t after = 0, most = 100;
    size_t n;
    if (nb_query_only(rq, names, e) || query_whole(rq, "after", INT64_MAX, &after, e) ||
        query_whole(rq, "limit", 1000, &most, e) || nb_task_get(rq, rq->path[0], &a, e))
        return -1;
    if (!most)
        most = 1;
    const char *whose = nb_task_taught(rq, &a) ? NULL : rq->who.label;
    if (nb_store_submission_list(rq->store, a.name, whose, after, most + 1, false, rq->arena, &list, &n, e))
        return -1;
    return reply_list(rq, rp, &a, list, n, most, e);
}
