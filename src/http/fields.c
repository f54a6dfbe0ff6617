/* fields.c - walking an object by rows, and the few kinds of value that requests have. */
#include "http/fields.h"
#include "http/reply.h"
#include "nabla/limits.h"
#include "wire/lift.h"
#include "wire/times.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *nb_kind(const json_t *v)
{
    static const char *const kinds[] = {"an object", "a list", "a string", "a whole number",
                                        "a number",  "true",   "false",    "null"};
    return kinds[json_typeof(v)];
}

static const struct nb_field *find(const struct nb_field *rows, unsigned bit, const char *name)
{
    for (; rows->name; rows++)
        if ((rows->in & bit) && !strcmp(rows->name, name))
            return rows;
    return NULL;
}

/* "a, b, c": the keys there are. */
static void list_names(const struct nb_field *rows, unsigned bit, char *buf, size_t size)
{
    size_t n = 0;
    *buf = 0;
    for (; rows->name && n < size; rows++)
        if (rows->in & bit)
            n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", rows->name);
}

static int missing(const struct nb_field *rows, unsigned bit, const json_t *object, struct nb_error *e)
{
    for (; rows->name; rows++)
        if ((rows->needed & bit) && !json_object_get(object, rows->name))
            return nb_fail(e, NB_E_missing_key, "%s is missing", rows->name);
    return 0;
}

int nb_fields_read(const struct nb_field *rows, unsigned bit, json_t *object, void *to, struct nb_arena *a,
                   struct nb_error *e)
{
    const char *key;
    json_t *v;
    char names[300];
    if (!json_is_object(object))
        return nb_fail(e, NB_E_wrong_type, "an object was expected, not %s", nb_kind(object));
    json_object_foreach (object, key, v) {
        const struct nb_field *row = find(rows, bit, key);
        if (!row) {
            list_names(rows, bit, names, sizeof names);
            nb_fail(e, NB_E_unknown_key, "%.60s is not one of %s", key, names);
            return nb_at(e, key);
        }
        if (row->read(v, to, a, e))
            return nb_at(e, key);
    }
    return missing(rows, bit, object, e);
}

int nb_field_text(const json_t *v, const char **to, struct nb_error *e)
{
    *to = json_string_value(v);
    return *to ? 0 : nb_fail(e, NB_E_wrong_type, "a string was expected, not %s", nb_kind(v));
}

int nb_field_whole(const json_t *v, int64_t *to, struct nb_error *e)
{
    double d = json_number_value(v);
    if (json_is_integer(v))
        return *to = json_integer_value(v), 0;
    if (!json_is_real(v) || d != floor(d) || fabs(d) > 9007199254740992.0)
        return nb_fail(e, NB_E_wrong_type, "a whole number was expected, not %s", nb_kind(v));
    *to = (int64_t)d;
    return 0;
}

static bool listed_before(const struct nb_strings_list *l, const char *s)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i], s))
            return true;
    return false;
}

static int add_text(const json_t *v, struct nb_strings_list *to, struct nb_error *e)
{
    const char *s;
    if (nb_field_text(v, &s, e))
        return -1;
    if (listed_before(to, s))
        return nb_fail(e, NB_E_bad_value, "%.60s is there twice", s);
    to->v[to->n++] = s;
    return 0;
}

int nb_field_texts(json_t *v, struct nb_strings_list *to, int64_t most, struct nb_arena *a, struct nb_error *e)
{
    size_t i, n = json_array_size(v);
    json_t *item;
    if (!json_is_array(v))
        return nb_fail(e, NB_E_wrong_type, "a list of names was expected, not %s", nb_kind(v));
    if ((int64_t)n > most)
        return nb_fail(e, NB_E_limit, "%zu names, the limit is %" PRId64, n, most);
    to->n = 0;
    to->v = nb_small(a, n, sizeof *to->v, e);
    if (!to->v)
        return -1;
    json_array_foreach (v, i, item)
        if (add_text(item, to, e))
            return nb_at_index(e, i);
    return 0;
}

int nb_field_seed(const json_t *v, struct nb_seed *to, struct nb_error *e)
{
    int64_t whole;
    if (json_is_string(v))
        return nb_seed_parse(json_string_value(v), to)
                   ? nb_fail(e, NB_E_bad_value, "a seed has 1 to 32 hexadecimal digits, or is a whole number")
                   : 0;
    if (nb_field_whole(v, &whole, e))
        return -1;
    if (whole < 0)
        return nb_fail(e, NB_E_bad_value, "a seed is not negative");
    *to = (struct nb_seed){.lo = (uint64_t)whole};
    return 0;
}

int nb_field_time(const json_t *v, int64_t *to, struct nb_error *e)
{
    const char *text;
    if (nb_field_text(v, &text, e))
        return -1;
    return nb_time_read(text, to) ? nb_fail(e, NB_E_bad_value, "a time like 2026-11-23T10:15:00Z was expected") : 0;
}

int nb_field_bool(const json_t *v, bool *to, struct nb_error *e)
{
    if (!json_is_boolean(v))
        return nb_fail(e, NB_E_wrong_type, "true or false was expected, not %s", nb_kind(v));
    *to = json_is_true(v);
    return 0;
}

json_t *nb_body_json(struct nb_request *rq, struct nb_error *e)
{
    static const char *const json[] = {NB_JSON, NULL}, *const none[] = {NULL};
    json_t *body;
    if (nb_content(rq, json, e) < 0 || nb_query_only(rq, none, e) ||
        nb_lift(rq->body, rq->body_size, NULL, 0, rq->arena, &body, e) || nb_keep_json(rq, body, e))
        return NULL;
    return body;
}
