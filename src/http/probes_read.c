/* probes_read.c - the function that is to be probed, and its answers. */
#include "http/fields.h"
#include "http/probes.h"
#include "http/tensorfile.h"
#include "http/terms.h"
#include "nabla/limits.h"
#include "wire/lift.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { NUMBERS = 1000000, POINTS = 3, BYTES_OF_A_NUMBER = 24, BYTES_OF_AN_EDIT = 48, EDITS = 8 << 20 };

/* ---- the function ------------------------------------------------------------------------------------------------ */

struct reading {
    struct nb_probes_asked *to;
    json_t *wrt, *structure, *at; /* to be read once the function is known */
    int64_t points;               /* 0: not given */
};

static int read_sizes(const json_t *v, struct nb_shape *s, struct nb_error *e)
{
    size_t i;
    json_t *size;
    if (!json_is_array(v))
        return nb_fail(e, NB_E_wrong_type, "a list of sizes was expected, not %s", nb_kind(v));
    if (json_array_size(v) >= NB_MAX_RANK)
        return nb_fail(e, NB_E_bad_value, "%zu dimensions; at most %d, and the probes are one more", json_array_size(v),
                       NB_MAX_RANK - 1);
    s->rank = (int)json_array_size(v);
    json_array_foreach (v, i, size) {
        if (nb_field_whole(size, &s->dim[i], e))
            return nb_at_index(e, i);
        if (s->dim[i] < 0)
            return nb_fail(e, NB_E_bad_dim, "a size is not negative"), nb_at_index(e, i);
    }
    return nb_count(s) < 0 || nb_count(s) > NUMBERS ? nb_fail(e, NB_E_bad_value, "at most %d numbers", NUMBERS) : 0;
}

static int read_shape(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_sizes(v, &((struct nb_probed_input *)to)->shape, e);
}

static int read_interval(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_probed_input *in = to;
    (void)a;
    if (!json_is_array(v) || json_array_size(v) != 2 || !json_is_number(json_array_get(v, 0)) ||
        !json_is_number(json_array_get(v, 1)))
        return nb_fail(e, NB_E_wrong_type, "two numbers were expected: from, to");
    in->low = json_number_value(json_array_get(v, 0));
    in->high = json_number_value(json_array_get(v, 1));
    return in->high > in->low && isfinite(in->high - in->low)
               ? 0
               : nb_fail(e, NB_E_bad_value, "the second number is to be larger than the first");
}

enum { OF_INPUT = 1, OF_OUTPUT = 2 };
static const struct nb_field input_rows[] = {{"shape", OF_INPUT | OF_OUTPUT, OF_INPUT | OF_OUTPUT, read_shape},
                                             {"interval", OF_INPUT, 0, read_interval},
                                             {NULL, 0, 0, NULL}};

static int read_name(const char *name, struct nb_error *e)
{
    size_t n = strlen(name);
    return n && (int64_t)n <= nb_limits.name
               ? 0
               : nb_fail(e, NB_E_bad_name, "a name has 1 to %" PRId64 " bytes", nb_limits.name);
}

/* An object, name -> shape and more. *list has a place for each. */
static int read_ports(json_t *v, unsigned of, struct nb_probed_input **list, size_t *n, struct nb_arena *a,
                      struct nb_error *e)
{
    const char *name;
    json_t *port;
    if (!json_is_object(v))
        return nb_fail(e, NB_E_wrong_type, "an object, name -> {\"shape\": [...]}, was expected, not %s", nb_kind(v));
    if (!json_object_size(v) || json_object_size(v) > NB_MOST_PROBED)
        return nb_fail(e, NB_E_bad_value, "from 1 to %d of them", NB_MOST_PROBED);
    if (!(*list = nb_zalloc(a, json_object_size(v), sizeof **list, e)))
        return -1;
    json_object_foreach (v, name, port) {
        (*list)[*n] = (struct nb_probed_input){.name = name, .low = -2, .high = 2, .wrt = true};
        if (read_name(name, e) || nb_fields_read(input_rows, of, port, &(*list)[(*n)++], a, e))
            return nb_at(e, name);
    }
    return 0;
}

static int read_inputs(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_probed *f = to;
    int64_t all = 0;
    if (read_ports(v, OF_INPUT, &f->in, &f->nin, a, e))
        return -1;
    for (size_t i = 0; i < f->nin; i++)
        all += nb_count(&f->in[i].shape);
    return all <= NUMBERS ? 0 : nb_fail(e, NB_E_bad_value, "%" PRId64 " numbers; at most %d in a point", all, NUMBERS);
}

static int read_outputs(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_probed *f = to;
    struct nb_probed_input *list;
    if (read_ports(v, OF_OUTPUT, &list, &f->nout, a, e) || !(f->out = nb_small(a, f->nout, sizeof *f->out, e)))
        return -1;
    for (size_t i = 0; i < f->nout; i++)
        f->out[i] = (struct nb_probed_output){list[i].name, list[i].shape};
    return 0;
}

static const struct nb_field function_rows[] = {
    {"inputs", 1, 1, read_inputs}, {"outputs", 1, 1, read_outputs}, {NULL, 0, 0, NULL}};

static int read_function(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    return nb_fields_read(function_rows, 1, v, &((struct reading *)to)->to->f, a, e);
}

/* ---- how it is to be probed -------------------------------------------------------------------------------------- */

static int keep_wrt(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a, (void)e;
    ((struct reading *)to)->wrt = v;
    return 0;
}

static int keep_structure(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    ((struct reading *)to)->structure = v;
    return json_is_object(v)
               ? 0
               : nb_fail(e, NB_E_wrong_type, "an object, input -> structure, was expected, not %s", nb_kind(v));
}

static int keep_at(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    size_t n = json_array_size(v);
    (void)a;
    ((struct reading *)to)->at = v;
    if (!json_is_array(v))
        return nb_fail(e, NB_E_wrong_type, "a list of points was expected, not %s", nb_kind(v));
    return n && n <= NB_MOST_POINTS ? 0 : nb_fail(e, NB_E_bad_value, "%zu points; from 1 to %d", n, NB_MOST_POINTS);
}

static int read_points(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    int64_t *n = &((struct reading *)to)->points;
    (void)a;
    if (nb_field_whole(v, n, e))
        return -1;
    return *n >= 1 && *n <= NB_MOST_POINTS
               ? 0
               : nb_fail(e, NB_E_bad_value, "from 1 to %d points, not %" PRId64, NB_MOST_POINTS, *n);
}

static int read_flag(const json_t *v, bool *to, struct nb_error *e)
{
    *to = json_is_true(v);
    return json_is_boolean(v) ? 0 : nb_fail(e, NB_E_wrong_type, "true or false was expected, not %s", nb_kind(v));
}

static int read_complex(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_flag(v, &((struct reading *)to)->to->f.by_complex, e);
}

/* One of two words: is it the second? */
static int read_either(const json_t *v, const char *one, const char *other, enum nb_code code, bool *to,
                       struct nb_error *e)
{
    const char *word;
    if (nb_field_text(v, &word, e))
        return -1;
    *to = !strcmp(word, other);
    return *to || !strcmp(word, one) ? 0 : nb_fail(e, code, "%s or %s, not %.60s", one, other, word);
}

static int read_form(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_either(v, "edits", "points", NB_E_bad_value, &((struct reading *)to)->to->whole, e);
}

static int read_dtype(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_either(v, "float64", "float32", NB_E_bad_dtype, &((struct reading *)to)->to->f.single, e);
}

static int read_seed(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_seed(v, &((struct reading *)to)->to->terms.check.run.seed, e);
}

#define TERM(name)                                                                                                     \
    static int read_##name(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)                                \
    {                                                                                                                  \
        return nb_read_##name(v, &((struct reading *)to)->to->terms, a, e);                                            \
    }
TERM(rho)
TERM(r_max)
TERM(kinks)
TERM(detail)

static const struct nb_field rows[] = {{"function", 1, 1, read_function},   {"wrt", 1, 0, keep_wrt},
                                       {"points", 1, 0, read_points},       {"at", 1, 0, keep_at},
                                       {"structure", 1, 0, keep_structure}, {"complex", 1, 0, read_complex},
                                       {"form", 1, 0, read_form},           {"dtype", 1, 0, read_dtype},
                                       {"seed", 1, 0, read_seed},           {"rho", 1, 0, read_rho},
                                       {"r_max", 1, 0, read_r_max},         {"kinks", 1, 0, read_kinks},
                                       {"detail", 1, 0, read_detail},       {NULL, 0, 0, NULL}};

/* ---- names that only the function gives a meaning ---------------------------------------------------------------- */

static struct nb_probed_input *input_of(const struct nb_probed *f, const char *name, struct nb_error *e)
{
    for (size_t i = 0; i < f->nin; i++)
        if (!strcmp(f->in[i].name, name))
            return &f->in[i];
    return nb_fail(e, NB_E_unknown_input, "the function has no input %.60s", name), NULL;
}

static int settle_wrt(const struct reading *r, struct nb_arena *a, struct nb_error *e)
{
    struct nb_probed *f = &r->to->f;
    struct nb_strings_list names = {0};
    if (!r->wrt)
        return 0;
    if (nb_field_texts(r->wrt, &names, NB_MOST_PROBED, a, e))
        return nb_at(e, "wrt");
    if (!names.n)
        return nb_fail(e, NB_E_bad_value, "at least one input"), nb_at(e, "wrt");
    for (size_t i = 0; i < f->nin; i++)
        f->in[i].wrt = false;
    for (size_t i = 0; i < names.n; i++) {
        struct nb_probed_input *in = input_of(f, names.v[i], e);
        if (!in)
            return nb_at_index(e, i), nb_at(e, "wrt");
        in->wrt = true;
    }
    return 0;
}

static int read_layout(const json_t *v, enum nb_layout *to, struct nb_error *e)
{
    const char *word;
    if (nb_field_text(v, &word, e))
        return -1;
    for (*to = 0; *to < NB_LAYOUTS && strcmp(word, nb_layout_name(*to));)
        ++*to;
    return *to < NB_LAYOUTS
               ? 0
               : nb_fail(e, NB_E_bad_value, "pointwise, row-wise, column-wise, affine or dense, not %.60s", word);
}

static int settle_structure(const struct reading *r, struct nb_error *e)
{
    const char *name;
    json_t *v;
    json_object_foreach (r->structure, name, v) {
        struct nb_probed_input *in = input_of(&r->to->f, name, e);
        if (!in || read_layout(v, &in->layout, e))
            return nb_at(e, name), nb_at(e, "structure");
    }
    return 0;
}

/* From a list of objects whose values were lifted, and those values one after the other: the values of each. */
static int deal(const json_t *list, const struct nb_tensors *lifted, struct nb_tensors **to, struct nb_arena *a,
                struct nb_error *e)
{
    size_t i, next = 0;
    const char *name;
    json_t *object, *v;
    if (!(*to = nb_zalloc(a, json_array_size(list) + 1, sizeof **to, e)))
        return -1;
    json_array_foreach (list, i, object) {
        if (!json_is_object(object))
            return nb_fail(e, NB_E_wrong_type, "an object, name -> tensor, was expected, not %s", nb_kind(object)),
                   nb_at_index(e, i);
        json_object_foreach (object, name, v)
            if (nb_tensors_add(a, &(*to)[i], name, lifted->v[next++].t, e))
                return -1;
    }
    return 0;
}

static int settle_points(const struct reading *r, const struct nb_tensors *lifted, struct nb_arena *a,
                         struct nb_error *e)
{
    struct nb_probed *f = &r->to->f;
    struct nb_tensors *at;
    f->points = r->points ? (int)r->points : POINTS;
    f->fewer = !r->points && !r->at;
    if (!r->at)
        return 0;
    if (r->points)
        return nb_fail(e, NB_E_bad_form, "either points, which are drawn, or at"), nb_at(e, "points");
    if (deal(r->at, lifted, &at, a, e))
        return nb_at(e, "at");
    f->points = (int)json_array_size(r->at);
    f->at = at;
    return 0;
}

void nb_probes_limits(struct nb_probed *f)
{
    int64_t number = f->whole ? (int64_t)sizeof(double) + 1 : BYTES_OF_A_NUMBER;
    int64_t edits = nb_limits.memory / BYTES_OF_AN_EDIT;
    f->most_probes = nb_limits.probes;
    f->most_edits = edits < EDITS ? edits : EDITS;
    f->most_answers = nb_limits.body / number;
}

static void settle_limits(struct nb_probes_asked *to)
{
    to->f.whole = to->whole;
    nb_probes_limits(&to->f);
    to->f.seed = to->terms.check.run.seed;
    to->f.rho = to->terms.check.rho;
    to->f.r_max = to->terms.check.r_max;
    to->f.convention = to->terms.check.convention;
}

struct nb_probes_asked *nb_probes_read(struct nb_request *rq, struct nb_error *e)
{
    static const char *const json[] = {NB_JSON, NULL}, *const none[] = {NULL};
    struct nb_tensors lifted = {0};
    const struct nb_lift_rule rules[] = {{"/at/*/*", &lifted}};
    json_t *rest = NULL;
    if (nb_content(rq, json, e) < 0 || nb_query_only(rq, none, e))
        return NULL;
    struct nb_probes_asked *to = nb_zalloc(rq->arena, 1, sizeof *to, e);
    struct reading r = {.to = to};
    if (!to || nb_lift(rq->body, rq->body_size, rules, 1, rq->arena, &rest, e) || nb_keep_json(rq, rest, e))
        return NULL;
    to->terms.check.run.seed = nb_request_seed(rq);
    if (nb_fields_read(rows, 1, rest, &r, rq->arena, e) || settle_wrt(&r, rq->arena, e) || settle_structure(&r, e) ||
        settle_points(&r, &lifted, rq->arena, e) || nb_terms_settle(&to->terms, e))
        return NULL;
    settle_limits(to);
    return to;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static int read_lifted(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)to, (void)a;
    return json_is_object(v)
               ? 0
               : nb_fail(e, NB_E_wrong_type, "an object, name -> tensor, was expected, not %s", nb_kind(v));
}

static int read_round(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_whole(v, &((struct nb_probes_answered *)to)->round, e);
}

static int read_gradients(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)to, (void)a;
    return json_is_array(v) ? 0 : nb_fail(e, NB_E_wrong_type, "a list of objects was expected, not %s", nb_kind(v));
}

static const struct nb_field answer_rows[] = {{"round", 1, 1, read_round},
                                              {"outputs", 1, 1, read_lifted},
                                              {"imaginary", 1, 0, read_lifted},
                                              {"gradients", 1, 0, read_gradients},
                                              {NULL, 0, 0, NULL}};

static int read_json(struct nb_request *rq, struct nb_probes_answered *to, struct nb_error *e)
{
    static const char *const none[] = {NULL};
    struct nb_tensors gradients = {0};
    const struct nb_lift_rule rules[] = {
        {"/outputs/*", &to->outputs}, {"/imaginary/*", &to->imaginary}, {"/gradients/*/*", &gradients}};
    json_t *rest = NULL;
    if (nb_query_only(rq, none, e) || nb_lift(rq->body, rq->body_size, rules, 3, rq->arena, &rest, e) ||
        nb_keep_json(rq, rest, e) || nb_fields_read(answer_rows, 1, rest, to, rq->arena, e))
        return -1;
    const json_t *list = json_object_get(rest, "gradients");
    to->ngradients = json_array_size(list);
    return deal(list, &gradients, &to->gradients, rq->arena, e) ? nb_at(e, "gradients") : 0;
}

/* "gradients/1/x": the number, and what follows. NULL: not like this, or beyond what there can be. */
static const char *numbered(const char *name, size_t *number)
{
    char *end;
    if (*name < '0' || *name > '9')
        return NULL;
    *number = strtoul(name, &end, 10);
    return *end == '/' && *number <= NB_MOST_POINTS ? end + 1 : NULL;
}

static int sort_one(const struct nb_named *x, struct nb_probes_answered *to, struct nb_arena *a, struct nb_error *e)
{
    size_t number = 0;
    const char *name = NULL;
    struct nb_tensors *list = NULL;
    if (!strncmp(x->name, "outputs/", 8)) {
        list = &to->outputs;
        name = x->name + 8;
    } else if (!strncmp(x->name, "imaginary/", 10)) {
        list = &to->imaginary;
        name = x->name + 10;
    } else if (!strncmp(x->name, "gradients/", 10) && (name = numbered(x->name + 10, &number))) {
        list = &to->gradients[number];
        to->ngradients = number < to->ngradients ? to->ngradients : number + 1;
    }
    if (!list)
        return nb_fail(e, NB_E_unknown_key, "%.60s is not outputs/NAME, imaginary/NAME or gradients/BASE/NAME",
                       x->name);
    return nb_tensors_add(a, list, name, x->t, e);
}

static int read_file(struct nb_request *rq, int type, struct nb_probes_answered *to, struct nb_error *e)
{
    static const char *const names[] = {"round", NULL}, *const nameless[] = {"round", "tensor", NULL};
    struct nb_tensors all = {0};
    const char *round = nb_query(rq, "round");
    char *end;
    if (nb_query_only(rq, nb_tensorfile_nameless(type) ? nameless : names, e))
        return -1;
    to->round = round ? strtoll(round, &end, 10) : 0;
    if (!round || end == round || *end)
        return nb_fail(e, NB_E_bad_parameter, "with a binary body the number of the round stands in the query"),
               nb_at(e, "round");
    if (!(to->gradients = nb_zalloc(rq->arena, NB_MOST_POINTS + 1, sizeof *to->gradients, e)) ||
        nb_tensorfile_read(rq, type, &all, e))
        return -1;
    for (size_t i = 0; i < all.n; i++)
        if (sort_one(&all.v[i], to, rq->arena, e))
            return -1;
    return 0;
}

struct nb_probes_answered *nb_answers_read(struct nb_request *rq, struct nb_error *e)
{
    int type = nb_content(rq, nb_tensor_types, e);
    struct nb_probes_answered *to = type < 0 ? NULL : nb_zalloc(rq->arena, 1, sizeof *to, e);
    if (!to || (type ? read_file(rq, type, to, e) : read_json(rq, to, e)))
        return NULL;
    return to;
}
