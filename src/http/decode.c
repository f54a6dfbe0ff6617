/* decode.c - the rows of a request's body, and the formats bodies come in. */
#include "http/decode.h"
#include "http/fields.h"
#include "http/grading.h"
#include "http/recipe.h"
#include "http/replay.h"
#include "http/reply.h"
#include "http/handlers.h"
#include "http/tensorfile.h"
#include "http/terms.h"
#include "nabla/limits.h"
#include "wire/lift.h"
#include <stdatomic.h>
#include <math.h>
#include <string.h>

/* ---- seeds ------------------------------------------------------------------------------------------------------- */

static struct nb_seed start;
static atomic_uint_least64_t drawn;

int nb_seed_start(struct nb_error *e)
{
    return nb_seed_draw(&start, e);
}

struct nb_seed nb_seed_next(void)
{
    uint64_t n = atomic_fetch_add_explicit(&drawn, 1, memory_order_relaxed);
    const uint32_t counter[4] = {(uint32_t)n, (uint32_t)(n >> 32), (uint32_t)start.hi, (uint32_t)(start.hi >> 32)};
    const uint32_t key[2] = {(uint32_t)start.lo, (uint32_t)(start.lo >> 32)};
    uint32_t out[4];
    nb_philox(counter, key, out);
    return (struct nb_seed){(uint64_t)out[0] << 32 | out[1], (uint64_t)out[2] << 32 | out[3]};
}

/* ---- the keys ---------------------------------------------------------------------------------------------------- */

static int read_graph(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_asked *ask = to;
    (void)a, (void)e;
    ask->graph = v;
    return 0;
}

static int read_name(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_text(v, &((struct nb_asked *)to)->name, e);
}

/* What stood here was lifted out; what is left must have been an object of tensors. */
static int read_lifted(const json_t *v, bool *given, struct nb_error *e)
{
    *given = true;
    return json_is_object(v)
               ? 0
               : nb_fail(e, NB_E_wrong_type, "an object, name -> tensor, was expected, not %s", nb_kind(v));
}

static int read_inputs(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    bool given;
    (void)to, (void)a;
    return read_lifted(v, &given, e);
}

static int read_parameters(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_lifted(v, &((struct nb_asked *)to)->parameters_given, e);
}

static int read_cotangents(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_lifted(v, &((struct nb_asked *)to)->check.run.cotangents_given, e);
}

static int read_gradients(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_lifted(v, &((struct nb_asked *)to)->check.gradients_given, e);
}

static int read_outputs(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_run *run = &((struct nb_asked *)to)->check.run;
    run->outputs_given = true;
    return nb_field_texts(v, &run->outputs, nb_limits.outputs, a, e);
}

static int read_wrt(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_run *run = &((struct nb_asked *)to)->check.run;
    run->wrt_given = true;
    return nb_field_texts(v, &run->wrt, nb_limits.tensors, a, e);
}

static int read_loss(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_text(v, &((struct nb_asked *)to)->check.run.loss, e);
}

static int read_mode(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_run *run = &((struct nb_asked *)to)->check.run;
    const char *mode;
    (void)a;
    if (nb_field_text(v, &mode, e))
        return -1;
    run->train = !strcmp(mode, "train");
    return run->train || !strcmp(mode, "eval") ? 0 : nb_fail(e, NB_E_bad_value, "eval or train, not %.60s", mode);
}

static int read_seed(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_seed(v, &((struct nb_asked *)to)->check.run.seed, e);
}

static bool sized(const struct nb_run *run, const char *name)
{
    for (size_t i = 0; i < run->dims.n; i++)
        if (!strcmp(run->dims.name[i], name))
            return true;
    return false;
}

int nb_read_sizes(json_t *v, struct nb_run *run, struct nb_arena *a, struct nb_error *e)
{
    size_t n = run->dims.n, all = n + json_object_size(v) + 1;
    const char **names = nb_small(a, all, sizeof *names, e), *name;
    int64_t *sizes = nb_small(a, all, sizeof *sizes, e);
    json_t *size;
    if (!names || !sizes)
        return -1;
    for (size_t i = 0; i < n; i++) {
        names[i] = run->dims.name[i];
        sizes[i] = run->dims.size[i];
    }
    run->dims.name = names;
    run->dims.size = sizes;
    json_object_foreach (v, name, size) {
        if (sized(run, name))
            return nb_fail(e, NB_E_bad_value, "%.60s has a size already", name), nb_at(e, name);
        names[run->dims.n] = name;
        if (nb_field_whole(size, &sizes[run->dims.n++], e))
            return nb_at(e, name);
    }
    return 0;
}

static int read_dims(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    if (!json_is_object(v))
        return nb_fail(e, NB_E_wrong_type, "an object, symbol -> size, was expected, not %s", nb_kind(v));
    return nb_read_sizes(v, &((struct nb_asked *)to)->check.run, a, e);
}

static int read_direction(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_lifted(v, &((struct nb_asked *)to)->check.direction_given, e);
}

/* Read when the whole body has been, as terms of its own. */
static int read_certificate(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a, (void)e;
    ((struct nb_asked *)to)->replay.tree = v;
    return 0;
}

enum {
    COMPUTE = NB_FORWARD | NB_BACKWARD | NB_LOSS | NB_STEP | NB_CHECK | NB_GRADE,
    MAKE = NB_CREATE | NB_REPLACE,
    CHECK = NB_CHECK | NB_TERMS,
    JUDGE = CHECK | NB_GRADE | NB_TASK,
    GRADED = NB_GRADE | NB_TASK
};

/* Terms of a grading. */
#define GRADING(what)                                                                                                  \
    static int grading_##what(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)                             \
    {                                                                                                                  \
        return nb_read_##what(v, &((struct nb_asked *)to)->grading, a, e);                                             \
    }
GRADING(points)
GRADING(weights)
GRADING(hint_level)
GRADING(reveal)
GRADING(slip_credit)
GRADING(wrong_shape)
GRADING(submission)

/* Terms of an assignment. */
#define TASK(what)                                                                                                     \
    static int task_##what(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)                                \
    {                                                                                                                  \
        return nb_read_##what(v, &((struct nb_asked *)to)->task, a, e);                                                \
    }
TASK(title)
TASK(opens)
TASK(closes)
TASK(late_until)
TASK(tries)
TASK(challenge_seconds)
TASK(forms)
TASK(commitment)
TASK(forward)
TASK(accept_survivors)

/* Terms of a step. */
#define RULE(what)                                                                                                     \
    static int rule_##what(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)                                \
    {                                                                                                                  \
        return nb_read_##what(v, &((struct nb_asked *)to)->rule, a, e);                                                \
    }
RULE(optimizer)
RULE(schedule)
RULE(clip)
RULE(restart)

/* What may stand in the query of a binary body: keys whose values are short. */
#define SHORT_ROWS                                                                                                     \
    {"outputs", NB_FORWARD | NB_BACKWARD | NB_LOSS | NB_STEP, 0, read_outputs},                                        \
        {"loss", NB_BACKWARD | NB_LOSS | NB_STEP | JUDGE, 0, read_loss},                                               \
        {"wrt", NB_BACKWARD | NB_STEP | CHECK, 0, read_wrt}, {"mode", COMPUTE | JUDGE, 0, read_mode},                  \
        {"seed", COMPUTE | MAKE, 0, read_seed}, {"dims", COMPUTE | JUDGE, 0, read_dims},                               \
        {"method", CHECK, 0, nb_read_method}, {"coverage", CHECK, 0, nb_read_coverage},                                \
        {"order", CHECK, 0, nb_read_order}, {"kinks", JUDGE, 0, nb_read_kinks}, {"rho", JUDGE, 0, nb_read_rho},        \
        {"r_max", JUDGE, 0, nb_read_r_max}, {"power", CHECK, 0, nb_read_power},                                        \
        {"jacobian", CHECK, 0, nb_read_jacobian}, {"detail", CHECK, 0, nb_read_detail},                                \
        {"points", GRADED, 0, grading_points}, {"weights", GRADED, 0, grading_weights},                                \
        {"hint_level", GRADED, 0, grading_hint_level}, {"reveal", GRADED, 0, grading_reveal},                          \
        {"slip_credit", GRADED, 0, grading_slip_credit}, {"wrong_shape", GRADED, 0, grading_wrong_shape},              \
        {"optimizer", NB_STEP, NB_STEP, rule_optimizer}, {"schedule", NB_STEP, 0, rule_schedule},                      \
        {"clip", NB_STEP, 0, rule_clip}, {"restart", NB_STEP, 0, rule_restart},                                        \
    {                                                                                                                  \
        NULL, 0, 0, NULL                                                                                               \
    }

static const struct nb_field rows[] = {
    {"name", NB_CREATE | NB_TASK, NB_CREATE | NB_TASK, read_name},
    {"graph", NB_HERE | MAKE, NB_HERE | MAKE, read_graph},
    {"parameters", NB_HERE | MAKE | NB_PARAMETERS, NB_PARAMETERS, read_parameters},
    {"inputs", COMPUTE | NB_REPLAY, 0, read_inputs},
    {"sample", NB_CHECK | GRADED, 0, nb_read_sample},
    {"submission", NB_GRADE, NB_GRADE, grading_submission},
    {"title", NB_TASK, 0, task_title},
    {"opens", NB_TASK, 0, task_opens},
    {"closes", NB_TASK, 0, task_closes},
    {"late_until", NB_TASK, 0, task_late_until},
    {"tries", NB_TASK, 0, task_tries},
    {"challenge_seconds", NB_TASK, 0, task_challenge_seconds},
    {"forms", NB_TASK, 0, task_forms},
    {"commitment", NB_TASK, 0, task_commitment},
    {"forward", NB_TASK, 0, task_forward},
    {"accept_survivors", NB_TASK, 0, task_accept_survivors},
    {"cotangents", NB_BACKWARD | NB_CHECK | NB_GRADE | NB_REPLAY, 0, read_cotangents},
    {"gradients", NB_CHECK | NB_REPLAY, 0, read_gradients},
    {"direction", NB_CHECK | NB_REPLAY, 0, read_direction},
    {"certificate", NB_CHECK | NB_REPLAY, 0, read_certificate},
    SHORT_ROWS,
};

static const struct nb_field query_rows[] = {SHORT_ROWS};

/* ---- JSON ---------------------------------------------------------------------------------------------------------
 */

/* With a certificate all terms are in there. */
static unsigned verb_of(unsigned verb, const json_t *body)
{
    bool replay = verb & NB_CHECK && json_object_get(body, "certificate");
    return replay ? (verb & ~(unsigned)NB_CHECK) | NB_REPLAY : verb;
}

static int read_json(struct nb_request *rq, unsigned verb, struct nb_asked *ask, struct nb_error *e)
{
    const struct nb_lift_rule rules[] = {{"/inputs/*", &ask->check.run.inputs},
                                         {"/parameters/*", &ask->parameters},
                                         {"/cotangents/*", &ask->check.run.cotangents},
                                         {"/gradients/*", &ask->check.gradients},
                                         {"/direction/*", &ask->check.direction},
                                         {"/submission/gradients/*", &ask->grading.submission.gradients},
                                         {"/certificate/point/tensors/*", &ask->replay.point.kept},
                                         {"/certificate/cotangent/tensors/*", &ask->replay.cotangent.kept},
                                         {"/certificate/candidate/tensors/*", &ask->replay.candidate.kept},
                                         {"/certificate/direction/tensors/*", &ask->replay.direction.kept}};
    json_t *rest = NULL;
    if (rq->nquery) {
        nb_fail(e, NB_E_bad_parameter, "with a body in JSON the options stand in the body, not in the query");
        return nb_at(e, rq->query[0].name);
    }
    if (nb_lift(rq->body, rq->body_size, rules, sizeof rules / sizeof *rules, rq->arena, &rest, e))
        return -1;
    if (nb_keep_json(rq, rest, e) || nb_fields_read(rows, verb_of(verb, rest), rest, ask, rq->arena, e))
        return -1;
    if (ask->replay.tree && nb_replay_read(ask, rq->arena, e))
        return nb_at(e, "certificate");
    return nb_terms_settle(ask, e);
}

int nb_decode_terms(json_t *terms, struct nb_asked *ask, struct nb_arena *a, struct nb_error *e)
{
    return nb_fields_read(rows, NB_TERMS, terms, ask, a, e);
}

/* ---- files ---------------------------------------------------------------------------------------------------
 */

/* Which list a tensor of this name belongs to; *name moves behind the prefix. NULL: this request has no such thing. */
static struct nb_tensors *list_of(struct nb_asked *ask, unsigned verb, const char **name)
{
    const struct {
        const char *prefix;
        struct nb_tensors *list;
        bool *given;
        unsigned in;
    } lists[] = {
        {"inputs/", &ask->check.run.inputs, NULL, COMPUTE},
        {"cotangents/", &ask->check.run.cotangents, &ask->check.run.cotangents_given,
         NB_BACKWARD | NB_CHECK | NB_GRADE},
        {"submission/", &ask->grading.submission.gradients, NULL, NB_GRADE},
        {"gradients/", verb & NB_GRADE ? &ask->grading.submission.gradients : &ask->check.gradients,
         &ask->check.gradients_given, NB_CHECK | NB_GRADE},
        {"direction/", &ask->check.direction, &ask->check.direction_given, NB_CHECK},
        {"parameters/", &ask->parameters, &ask->parameters_given, NB_PARAMETERS},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t n = strlen(lists[i].prefix);
        if (strncmp(*name, lists[i].prefix, n))
            continue;
        *name += n;
        if (lists[i].given)
            *lists[i].given = true;
        return lists[i].in & verb ? lists[i].list : NULL;
    }
    return verb == NB_PARAMETERS ? &ask->parameters : &ask->check.run.inputs;
}

static int sort_tensors(struct nb_request *rq, unsigned verb, const struct nb_tensors *all, struct nb_asked *ask,
                        struct nb_error *e)
{
    for (size_t i = 0; i < all->n; i++) {
        const char *name = all->v[i].name;
        struct nb_tensors *list = list_of(ask, verb, &name);
        if (!list)
            return nb_fail(e, NB_E_unknown_key, "%.60s has no place in this request", all->v[i].name);
        if (nb_tensors_find(list, name))
            return nb_fail(e, NB_E_duplicate_key, "%.60s is there twice", name);
        if (nb_tensors_add(rq->arena, list, name, all->v[i].t, e))
            return -1;
    }
    return 0;
}

/* "a,b" -> ["a","b"] */
static json_t *list_from(const char *s)
{
    json_t *list = json_array();
    for (size_t n; *s; s += n + (s[n] == ',')) {
        n = strcspn(s, ",");
        json_array_append_new(list, json_stringn(s, n));
    }
    return list;
}

/* "B:16,T:3" -> {"B":16,"T":3} */
static json_t *numbers_from(const char *s, bool whole)
{
    json_t *numbers = json_object();
    char name[256];
    double v;
    for (int n; sscanf(s, "%255[^:,]:%lf%n", name, &v, &n) == 2; s += n + (s[n] == ','))
        json_object_set_new(numbers, name, whole && v == floor(v) ? json_integer((json_int_t)v) : json_real(v));
    if (*s) {
        json_decref(numbers);
        return json_string(s); /* the reader says what it expected */
    }
    return numbers;
}

/* 2, 1e-9, true, {"norm": 1}; a text if it is none of these. */
static json_t *plain_from(const char *s)
{
    json_t *j = json_loads(s, JSON_DECODE_ANY, NULL);
    if (json_is_number(j) || json_is_boolean(j) || json_is_object(j))
        return j;
    json_decref(j);
    return json_string(s);
}

static bool among(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name))
        names++;
    return *names;
}

/* but: what is no option */
static json_t *options_from(const struct nb_request *rq, const char *but)
{
    static const char *const lists[] = {"outputs", "wrt", NULL}, *const numbers[] = {"dims", "points", "weights", NULL},
                             *const plain[] = {"order",       "rho",       "r_max",    "power", "jacobian", "reveal",
                                               "slip_credit", "optimizer", "schedule", "clip",  "restart",  NULL};
    json_t *options = json_object();
    for (size_t i = 0; i < rq->nquery; i++) {
        const char *name = rq->query[i].name, *value = rq->query[i].value;
        if (but && !strcmp(name, but))
            continue;
        json_object_set_new(options, name,
                            among(name, lists)     ? list_from(value)
                            : among(name, plain)   ? plain_from(value)
                            : among(name, numbers) ? numbers_from(value, !strcmp(name, "dims"))
                                                   : json_string(value));
    }
    return options;
}

/* A tensor without a name is the only one there can be. */
static int name_it(struct nb_request *rq, unsigned verb, struct nb_named *x, struct nb_error *e)
{
    const struct nb_graph *g = nb_stored_graph(rq, NULL, e);
    const struct nb_tensors *parameters = g ? nb_graph_parameters(g) : NULL;
    if (!g)
        return -1;
    if (verb != NB_PARAMETERS)
        x->name = nb_graph_only_input(g);
    else
        x->name = parameters->n == 1 ? parameters->v[0].name : NULL;
    if (x->name)
        return 0;
    nb_fail(e, NB_E_bad_parameter, "the graph has not just one %s: which is this? tensor=NAME in the query says it",
            verb == NB_PARAMETERS ? "learned tensor" : "input");
    return nb_at(e, "tensor");
}

static int read_file(struct nb_request *rq, unsigned verb, int type, struct nb_asked *ask, struct nb_error *e)
{
    struct nb_tensors all = {0};
    json_t *options = options_from(rq, nb_tensorfile_nameless(type) ? "tensor" : NULL);
    if (nb_keep_json(rq, options, e))
        return -1;
    if (nb_fields_read(query_rows, verb, options, ask, rq->arena, e) || nb_terms_settle(ask, e)) {
        e->code = NB_E_bad_parameter;
        return -1;
    }
    if (nb_tensorfile_read(rq, type, &all, e) || (all.n == 1 && !*all.v[0].name && name_it(rq, verb, &all.v[0], e)))
        return -1;
    return sort_tensors(rq, verb, &all, ask, e);
}

struct nb_asked *nb_decode(struct nb_request *rq, unsigned verb, struct nb_error *e)
{
    static const char *const json[] = {NB_JSON, NULL};
    int type = nb_content(rq, verb & (NB_HERE | MAKE) ? json : nb_tensor_types, e);
    if (type < 0)
        return NULL;
    struct nb_asked *ask = nb_small(rq->arena, 1, sizeof *ask, e);
    if (!ask)
        return NULL;
    *ask =
        (struct nb_asked){.check = {.run = {.seed = nb_request_seed(rq), .train = verb & NB_STEP}, .watch = rq->watch},
                          .grading = nb_grading_default};
    int r = type ? read_file(rq, verb, type, ask, e) : read_json(rq, verb, ask, e);
    return r ? NULL : ask;
}

struct nb_asked *nb_decode_text(struct nb_request *rq, unsigned verb, const char *text, struct nb_error *e)
{
    struct nb_request came = *rq;
    rq->body = (char *)(uintptr_t)text;
    rq->body_size = strlen(text);
    rq->content_type = NB_JSON;
    rq->nquery = 0;
    struct nb_asked *ask = nb_decode(rq, verb, e);
    rq->body = came.body;
    rq->body_size = came.body_size;
    rq->content_type = came.content_type;
    rq->nquery = came.nquery;
    return ask;
}
