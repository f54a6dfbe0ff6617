/* batch.c - a whole course: many submissions in one body, or all there are graded anew.
 *
 * Each is kept as soon as it is graded, so that nothing is lost when the work is interrupted: done again, what is there
 * already is found there. They are graded side by side, in rounds; a fault of one is told in its place. */
#include "http/course.h"
#include "http/tensorfile.h"
#include "nabla/limits.h"
#include "nabla/team.h"
#include "store/files.h"
#include "wire/npz.h"
#include "wire/safetensors.h"
#include <string.h>

enum { ROUND = 32, KEEP = 1 << 20 };
#define NB_NDJSON "application/x-ndjson"

struct entry {                            /* one of the round */
    const char *student, *challenge, *id; /* what is known of it */
    const char *type;
    const char *body;
    size_t size;
    const struct nb_error *fault; /* it cannot be read */
};

struct outcome {
    struct nb_handed_in x; /* without what it points to */
    bool again, resubmit;
    double was; /* regraded: the score it had */
    enum nb_code code;
    char pointer[100], detail[300]; /* a fault's, cut */
};

struct batch {
    struct nb_request *rq;
    struct nb_assignment a;
    void (*one)(struct batch *b, struct nb_request *rq, const struct entry *n, struct outcome *o, struct nb_error *e);
    bool anew;
    struct entry entry[ROUND];
    struct nb_arena bodies; /* of the round */
    int n;
    struct nb_arena *slot;
    struct outcome *outcome;
    size_t done, room;
    int64_t of;
};

/* ---- one submission ---------------------------------------------------------------------------------------------- */

/* The challenge it names, or the last one of the student it names. */
static int find_challenge(struct batch *b, const struct entry *n, const struct nb_came *came, struct nb_challenge *c,
                          struct nb_error *e)
{
    const char *id = came->challenge ? came->challenge : n->challenge;
    const char *student = came->student ? came->student : n->student;
    if (!id && !student)
        return nb_fail(e, NB_E_missing_key, "student or challenge is missing: whose is it?");
    if (id ? nb_store_challenge_get(b->rq->store, id, c, e)
           : nb_store_challenge_last(b->rq->store, b->a.name, student, c, e))
        return nb_at(e, id ? "challenge" : "student");
    if (strcmp(c->assignment, b->a.name))
        return nb_fail(e, NB_E_challenge_foreign, "it is a challenge of another assignment than %s", b->a.name),
               nb_at(e, "challenge");
    return 0;
}

static int answered(struct nb_request *rq, const struct nb_challenge *c, struct outcome *o, struct nb_error *e)
{
    char hash[NB_HASH_SIZE];
    nb_files_hash(rq->body, rq->body_size, hash);
    if (nb_store_submission_get(rq->store, c->id, rq->arena, &o->x, e))
        return -1;
    o->again = true;
    return strcmp(hash, o->x.hash)
               ? nb_fail(e, NB_E_challenge_used, "the challenge %s was answered by the submission %s", c->id, o->x.id)
               : 0;
}

static void take_in(struct batch *b, struct nb_request *rq, const struct entry *n, struct outcome *o,
                    struct nb_error *e)
{
    struct nb_came came;
    struct nb_challenge c;
    if (nb_came_read(rq, &came, e))
        return;
    snprintf(o->x.student, sizeof o->x.student, "%s", came.student ? came.student : n->student ? n->student : "");
    if (find_challenge(b, n, &came, &c, e))
        return;
    memcpy(o->x.student, c.student, sizeof o->x.student);
    memcpy(o->x.challenge, c.id, sizeof o->x.challenge);
    if (c.used)
        answered(rq, &c, o, e);
    else if (!nb_came_grade(rq, &b->a, &c, &came, &o->x, &o->resubmit, e) && !o->resubmit)
        nb_store_submission_add(rq->store, &o->x, rq->arena, &o->again, e);
}

/* The tensor's name stands behind the type of a file that has none. */
static int take_type(struct nb_request *rq, const char *type, struct nb_error *e)
{
    const char *name = strstr(type, "; tensor=");
    rq->content_type = nb_strndup(rq->arena, type, name ? (size_t)(name - type) : strlen(type), e);
    rq->query = nb_small(rq->arena, 1, sizeof *rq->query, e);
    if (!rq->content_type || !rq->query)
        return -1;
    rq->query[0] = (struct nb_pair){"tensor", name ? name + strlen("; tensor=") : NULL};
    rq->nquery = name != NULL;
    return 0;
}

static void grade_anew(struct batch *b, struct nb_request *rq, const struct entry *n, struct outcome *o,
                       struct nb_error *e)
{
    struct nb_handed_in there, now;
    struct nb_came came;
    struct nb_challenge c;
    if (nb_store_submission_get(rq->store, n->id, rq->arena, &there, e))
        return;
    o->x = now = there; /* stays, should there be no new result */
    o->was = there.score;
    rq->body = nb_strndup(rq->arena, there.body, there.size, e);
    rq->body_size = there.size;
    if (!rq->body || take_type(rq, there.type, e) || nb_came_read(rq, &came, e) ||
        nb_store_challenge_get(rq->store, there.challenge, &c, e) ||
        nb_came_grade(rq, &b->a, &c, &came, &now, &o->resubmit, e) || o->resubmit)
        return;
    memcpy(now.id, there.id, sizeof now.id);
    o->x = now;
    nb_store_submission_regrade(rq->store, &now, e);
}

/* ---- a round ----------------------------------------------------------------------------------------------------- */

static void note_fault(struct outcome *o, const struct nb_error *e)
{
    o->code = e->code;
    snprintf(o->pointer, sizeof o->pointer, "%.99s", e->pointer);
    snprintf(o->detail, sizeof o->detail, "%.299s", e->detail);
}

static void one_entry(void *context, int slot, int i)
{
    struct batch *b = context;
    const struct entry *n = &b->entry[i];
    struct outcome *o = &b->outcome[b->done + (size_t)i];
    struct nb_error e = {0};
    struct nb_request rq = {.store = b->rq->store,
                            .who = b->rq->who,
                            .arena = &b->slot[slot],
                            .body = (char *)(uintptr_t)n->body,
                            .body_size = n->size,
                            .content_type = n->type,
                            .on_worker = true,
                            .seeded = true};
    *o = (struct outcome){0};
    snprintf(o->x.student, sizeof o->x.student, "%s", n->student ? n->student : "");
    if (n->fault)
        e = *n->fault;
    else
        b->one(b, &rq, n, o, &e);
    nb_run_done(&rq);
    nb_arena_reset(&b->slot[slot], KEEP);
    if (e.code)
        note_fault(o, &e);
}

static int go_on(struct batch *b, struct nb_error *e)
{
    const struct nb_watch *watch = b->rq->watch;
    const char *student = b->done ? b->outcome[b->done - 1].x.student : "";
    struct nb_progress p = {.done = (int64_t)b->done, .of = b->of, .tensor = *student ? student : NULL};
    if (!watch || watch->go_on(watch->context, &p))
        return 0;
    return nb_fail(e, NB_E_cancelled, "stopped after %lld of %lld submissions, which are kept", (long long)p.done,
                   (long long)p.of);
}

static int make_room(struct batch *b, struct nb_error *e)
{
    while (b->room < b->done + (size_t)b->n)
        if (nb_grow(b->rq->arena, &b->outcome, b->room, &b->room, sizeof *b->outcome, e))
            return -1;
    return 0;
}

static int grade_round(struct batch *b, struct nb_error *e)
{
    if (make_room(b, e))
        return -1;
    nb_team_run(one_entry, b, b->n);
    b->done += (size_t)b->n;
    b->n = 0;
    nb_arena_reset(&b->bodies, KEEP);
    return go_on(b, e);
}

static int add(struct batch *b, const struct entry *n, struct nb_error *e)
{
    b->entry[b->n++] = *n;
    return b->n == ROUND ? grade_round(b, e) : 0;
}

/* ---- lines of JSON ----------------------------------------------------------------------------------------------- */

static bool is_blank(const char *line, const char *end)
{
    while (line < end && (*line == ' ' || *line == '\t' || *line == '\r'))
        line++;
    return line == end;
}

/* The next line that is not blank. */
static const char *next_line(const char *p, const char *end, const char **stop)
{
    for (; p < end; p = *stop + 1) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        *stop = newline ? newline : end;
        if (!is_blank(p, *stop))
            return p;
    }
    return NULL;
}

static int64_t count_lines(const struct nb_request *rq)
{
    const char *end = rq->body + rq->body_size, *stop = rq->body;
    int64_t n = 0;
    for (const char *p = rq->body; (p = next_line(p, end, &stop)); p = stop + 1)
        n++;
    return n;
}

static int each_line(struct batch *b, struct nb_error *e)
{
    const char *end = b->rq->body + b->rq->body_size, *stop = b->rq->body;
    b->of = count_lines(b->rq);
    if (go_on(b, e))
        return -1;
    for (const char *p = b->rq->body; (p = next_line(p, end, &stop)); p = stop + 1) {
        size_t n = (size_t)(stop - p);
        struct entry x = {.type = NB_JSON, .body = nb_strndup(&b->bodies, p, n, e), .size = n};
        if (!x.body || add(b, &x, e))
            return -1;
    }
    return grade_round(b, e);
}

/* ---- an archive of npz files ------------------------------------------------------------------------------------- */

/* Kept as safetensors: the same numbers under the same names. Named by the challenge or by the student. */
static int visit(void *to, const struct nb_archived *x, struct nb_error *e)
{
    struct batch *b = to;
    struct nb_arena *a = &b->bodies;
    bool challenge = !strncmp(x->name, "ch_", 3);
    struct nb_error *fault = NULL;
    const char *name = nb_strdup(a, x->name, e);
    struct entry n = {
        .type = nb_tensor_types[1], .student = challenge ? NULL : name, .challenge = challenge ? name : NULL};
    bool first = !b->of;
    b->of = (int64_t)x->count;
    if (!name || (first && go_on(b, e)))
        return -1;
    if (x->fault) {
        if (!(fault = nb_small(a, 1, sizeof *fault, e)))
            return -1;
        *fault = *x->fault;
        n.fault = fault;
    } else {
        void *bytes;
        if (nb_safetensors_write(x->tensors, NULL, 0, a, &bytes, &n.size, e))
            return -1;
        n.body = bytes;
    }
    return add(b, &n, e);
}

static int each_file(struct batch *b, struct nb_error *e)
{
    return nb_archive_each(b->rq->body, b->rq->body_size, 0, visit, b, e) || grade_round(b, e) ? -1 : 0;
}

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

static int each_kept(struct batch *b, struct nb_error *e)
{
    struct nb_handed_in *list;
    size_t n = 1;
    b->of = b->a.submissions;
    if (go_on(b, e))
        return -1;
    for (int64_t after = 0; n; after = n ? list[n - 1].number : after) {
        if (nb_store_submission_list(b->rq->store, b->a.name, NULL, after, ROUND, false, b->rq->arena, &list, &n, e))
            return -1;
        for (size_t i = 0; i < n; i++)
            b->entry[b->n++] = (struct entry){.id = list[i].id, .student = list[i].student};
        if (grade_round(b, e))
            return -1;
    }
    return 0;
}

/* ---- on the wire ------------------------------------------------------------------------------------------------- */

static void put_fault(struct nb_writer *w, const struct outcome *o)
{
    nb_w_key(w, "problem");
    nb_w_open(w, '{');
    nb_w_string_at(w, "code", nb_code_name(o->code));
    nb_w_string_at(w, "detail", o->detail);
    if (*o->pointer)
        nb_w_string_at(w, "pointer", o->pointer);
    nb_w_close(w, '}');
}

static void put_outcome(struct nb_writer *w, const struct batch *b, const struct outcome *o)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "student", *o->x.student ? o->x.student : NULL);
    if (*o->x.challenge)
        nb_w_string_at(w, "challenge", o->x.challenge);
    if (*o->x.id)
        nb_w_string_at(w, "submission", o->x.id);
    if (o->code) {
        put_fault(w, o);
    } else {
        nb_w_string_at(w, "verdict", o->x.verdict);
        nb_w_number_at(w, "score", o->x.score);
        nb_w_number_at(w, "max_score", o->x.max_score);
        if (b->anew)
            nb_w_number_at(w, "was", o->was);
        if (o->again || o->resubmit)
            nb_w_bool_at(w, o->again ? "again" : "resubmit", true);
    }
    nb_w_close(w, '}');
}

static int64_t count_faults(const struct batch *b)
{
    int64_t n = 0;
    for (size_t i = 0; i < b->done; i++)
        n += b->outcome[i].code != 0;
    return n;
}

static int write_json(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e)
{
    const struct batch *b = result;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "assignment", b->a.name);
    nb_w_whole_at(&w, "graded", (int64_t)b->done - count_faults(b));
    nb_w_whole_at(&w, "refused", count_faults(b));
    nb_w_key(&w, "submissions");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < b->done; i++)
        put_outcome(&w, b, &b->outcome[i]);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

static int write_lines(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e)
{
    const struct batch *b = result;
    struct nb_text t = {.arena = rq->arena};
    for (size_t i = 0; i < b->done && !e->code; i++) {
        struct nb_writer w = nb_writer(rq->arena, e);
        put_outcome(&w, b, &b->outcome[i]);
        if (!e->code && !nb_putn(&t, w.text.v, w.text.n, e))
            nb_put(&t, "\n", e);
    }
    nb_reply_text(rp, NB_NDJSON, t.v ? t.v : "", t.n);
    return e->code ? -1 : 0;
}

static const struct nb_form forms[] = {{NB_JSON, write_json}, {NB_NDJSON, write_lines}, {NULL, NULL}};

/* ---- the handlers ------------------------------------------------------------------------------------------------ */

static int begin(struct batch *b, struct nb_error *e)
{
    nb_arena_init(&b->bodies, (size_t)nb_limits.memory);
    b->slot = nb_zalloc(b->rq->arena, (size_t)nb_team_size(), sizeof *b->slot, e);
    for (int i = 0; b->slot && i < nb_team_size(); i++)
        nb_arena_init(&b->slot[i], (size_t)nb_limits.memory);
    return b->slot ? 0 : -1;
}

static void end(struct batch *b)
{
    nb_arena_done(&b->bodies);
    for (int i = 0; b->slot && i < nb_team_size(); i++)
        nb_arena_done(&b->slot[i]);
}

static int run(struct batch *b, int (*each)(struct batch *b, struct nb_error *e), struct nb_reply *rp,
               struct nb_error *e)
{
    static const char *const none[] = {NULL};
    struct nb_request *rq = b->rq;
    int form = nb_forms_accept(rq, forms, e);
    if (form < 0 || nb_query_only(rq, none, e) || nb_task_get_taught(rq, rq->path[0], &b->a, e))
        return -1;
    int bad = begin(b, e) || each(b, e);
    end(b);
    return bad ? -1 : nb_forms_write(rq, forms, form, b, rp, e);
}

int nb_op_gradeBatch(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const types[] = {NB_NDJSON, "application/zip", NULL};
    struct batch b = {.rq = rq, .one = take_in};
    int type = nb_content(rq, types, e);
    return type < 0 ? -1 : run(&b, type ? each_file : each_line, rp, e);
}

int nb_op_regrade(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct batch b = {.rq = rq, .one = grade_anew, .anew = true};
    return run(&b, each_kept, rp, e);
}
