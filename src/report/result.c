/* result.c - a result object, read. */
#include "report/result.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- members ----------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *j, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : otherwise;
}

static double number_of(const json_t *j, const char *key, double otherwise)
{
    const json_t *v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

static int64_t count_of(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

static const json_t *object_of(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    return json_is_array(v) ? json_array_get(v, 0) : json_is_object(v) ? v : NULL;
}

double nb_points(double v)
{
    return isfinite(v) ? round(v * 1e4) / 1e4 : 0;
}

/* ---- a tensor ---------------------------------------------------------------------------------------------------- */

static int read_rows(struct nb_told *p, const json_t *rows, struct nb_arena *a, struct nb_error *e)
{
    p->nrows = json_array_size(rows);
    if (!(p->rows = nb_small(a, p->nrows, sizeof *p->rows, e)))
        return -1;
    for (size_t i = 0; i < p->nrows; i++) {
        const json_t *row = json_array_get(rows, i);
        p->rows[i] = (struct nb_row_points){
            .row = text_of(row, "row", "values"),
            .because = text_of(row, "because", NULL),
            .remark = text_of(row, "remark", NULL),
            .points = nb_points(number_of(row, "points", 0)),
            .max = nb_points(number_of(row, "max_points", 0)),
        };
    }
    return 0;
}

static int read_part(struct nb_told *p, const char *name, const json_t *j, struct nb_arena *a, struct nb_error *e)
{
    const json_t *diagnosis = object_of(j, "diagnosis"), *map = object_of(j, "map");
    *p = (struct nb_told){
        .name = name,
        .verdict = text_of(j, "verdict", "cannot_tell"),
        .reason = text_of(j, "reason", NULL),
        .code = text_of(diagnosis, "code", NULL),
        .pattern = text_of(diagnosis, "pattern", NULL),
        .hint = text_of(diagnosis, "hint", NULL),
        .right = count_of(j, "right"),
        .wrong = count_of(j, "wrong"),
        .cannot_tell = count_of(j, "cannot_tell"),
        .silent = count_of(j, "silent"),
        .points = nb_points(number_of(j, "points", 0)),
        .max = nb_points(number_of(j, "max_points", 0)),
        .power = number_of(object_of(j, "power"), "worst", NAN),
        .first = object_of(j, "first_wrong"),
        .map = map,
    };
    return read_rows(p, json_object_get(j, "rows"), a, e);
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

int nb_result_read(struct nb_reading *out, const json_t *result, struct nb_arena *a, struct nb_error *e)
{
    json_t *tensors = json_object_get(result, "tensors"), *j;
    const char *name;
    *out = (struct nb_reading){
        .score = nb_points(number_of(result, "score", 0)),
        .max = nb_points(number_of(result, "max_score", 0)),
        .verdict = text_of(result, "verdict", "cannot_tell"),
        .certificate = text_of(object_of(result, "certificate"), "id", NULL),
        .refusal = text_of(object_of(result, "refused"), "detail", NULL),
        .review = json_is_true(json_object_get(result, "review")),
        .warnings = json_object_get(result, "warnings"),
    };
    if (json_is_null(json_object_get(result, "score"))) {
        out->fault = true;
        out->refusal = text_of(result, "fault", "this could not be graded; the fault is not yours");
    }
    if (!(out->parts = nb_small(a, json_object_size(tensors), sizeof *out->parts, e)))
        return -1;
    json_object_foreach (tensors, name, j)
        if (read_part(&out->parts[out->n++], name, j, a, e))
            return -1;
    return 0;
}

bool nb_right(const struct nb_told *p)
{
    return !strcmp(p->verdict, "right");
}

bool nb_untold(const struct nb_told *p)
{
    return !strcmp(p->verdict, "cannot_tell");
}

bool nb_resubmit(const struct nb_told *p, bool wrong_shape)
{
    return p->reason && (!strcmp(p->reason, "too_few_digits") || (!wrong_shape && !strcmp(p->reason, "shape")));
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

const char *nb_points_text(double v, struct nb_arena *a, struct nb_error *e)
{
    struct nb_text t = {.arena = a};
    return nb_put_number(&t, nb_points(v), NB_F64, e) ? "" : t.v;
}

const char *nb_value_text(const json_t *value, struct nb_arena *a, struct nb_error *e)
{
    const char *text = json_is_string(value) ? json_string_value(value) : NULL;
    if (json_is_number(value))
        text = nb_sprintf(a, e, "%.9g", json_number_value(value));
    return text ? text : "";
}

const char *nb_index_text(const json_t *index, struct nb_arena *a, struct nb_error *e)
{
    struct nb_text t = {.arena = a};
    char number[24];
    if (!json_is_array(index))
        return "";
    nb_put(&t, "[", e);
    for (size_t i = 0; i < json_array_size(index); i++) {
        snprintf(number, sizeof number, "%s%" JSON_INTEGER_FORMAT, i ? ", " : "",
                 json_integer_value(json_array_get(index, i)));
        nb_put(&t, number, e);
    }
    return nb_put(&t, "]", e) ? "" : t.v;
}

const char *nb_cut(const char *text, size_t n, struct nb_arena *a, struct nb_error *e)
{
    const char *s = text;
    for (size_t k = 0; *s && k < n; k++)
        s += nb_utf8(s) ? nb_utf8(s) : 1;
    if (!*s)
        return text;
    const char *cut = nb_sprintf(a, e, "%.*s…", (int)(s - text), text);
    return cut ? cut : "";
}

/* Reasons in words, what the student can do about it first; unknown ones stay as they are. */
static const char *reason_text(const char *reason)
{
    static const struct {
        const char *reason, *text;
    } rows[] = {
        {"too_few_digits", "please hand in at least 6 significant digits"},
#define REASON(code, sentence) {#code, sentence},
#include "check/reasons.def"
#undef REASON
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(reason, rows[i].reason))
            return rows[i].text;
    return reason;
}

static const char *words(const char *verdict)
{
    return strcmp(verdict, "cannot_tell") ? verdict : "this cannot be told";
}

const char *nb_remark(const struct nb_told *p, struct nb_arena *a, struct nb_error *e)
{
    const char *text = NULL;
    if (p->pattern)
        return p->pattern;
    if (p->reason)
        return reason_text(p->reason);
    if (p->wrong > 0 && p->right >= 0)
        text = nb_sprintf(a, e, "%" PRId64 " of %" PRId64 " entries wrong", p->wrong, p->right + p->wrong);
    return text ? text : words(p->verdict);
}

/* "at [0, 2] you have 3.5"; with reveal ", expected 7". NULL: nothing to say. */
static const char *place_text(const struct nb_told *p, struct nb_arena *a, struct nb_error *e)
{
    const json_t *got = json_object_get(p->first, "got"), *expected = json_object_get(p->first, "expected");
    const char *index = nb_index_text(json_object_get(p->first, "index"), a, e);
    if (!p->first || !got)
        return NULL;
    return nb_sprintf(a, e, "at %s you have %s%s%s", index, nb_value_text(got, a, e), expected ? ", expected " : "",
                      nb_value_text(expected, a, e));
}

const char *nb_explanation(const struct nb_told *p, struct nb_arena *a, struct nb_error *e)
{
    const char *place = place_text(p, a, e), *remark = nb_remark(p, a, e);
    const char *text = nb_sprintf(a, e, "%s%s%s%s%s", remark, place ? "; " : "", place ? place : "",
                                  p->hint ? ". " : "", p->hint ? p->hint : "");
    return text ? text : "";
}
