/* feedback.c - what a student may see of a result. What is not named here stays with the teacher. */
#include "report/report.h"
#include <string.h>

enum { IF_REVEALED = NB_HINT_FORMULA + 1 }; /* a level nobody has */

/* A member, from which level on it is seen, and by what rows it is filtered itself (NULL: whole). */
struct seen {
    const char *key;
    int from;
    const struct seen *inside;
};

static const struct seen first_wrong[] = {
    {"index", NB_HINT_PLACE, NULL}, {"got", NB_HINT_PLACE, NULL}, {"expected", IF_REVEALED, NULL}, {0}};

static const struct seen points_row[] = {{"row", NB_HINT_PLACE, NULL},        {"points", NB_HINT_PLACE, NULL},
                                         {"max_points", NB_HINT_PLACE, NULL}, {"because", NB_HINT_PATTERN, NULL},
                                         {"remark", NB_HINT_PATTERN, NULL},   {0}};

/* Constants, counts and shapes; an error measured against the reference is as good as the reference. */
static const struct seen evidence[] = {{"expected", IF_REVEALED, NULL},
                                       {"truth", IF_REVEALED, NULL},
                                       {"reference", IF_REVEALED, NULL},
                                       {"oracles", IF_REVEALED, NULL},
                                       {"bar", IF_REVEALED, NULL},
                                       {"bars", IF_REVEALED, NULL},
                                       {"difference", IF_REVEALED, NULL},
                                       {"error", IF_REVEALED, NULL},
                                       {"relative_error", IF_REVEALED, NULL},
                                       {"worst", IF_REVEALED, NULL},
                                       {"largest", IF_REVEALED, NULL},
                                       {"*", NB_HINT_PATTERN, NULL},
                                       {0}};

static const struct seen diagnosis[] = {{"code", NB_HINT_PATTERN, NULL},    {"evidence", NB_HINT_PATTERN, evidence},
                                        {"pattern", NB_HINT_PATTERN, NULL}, {"node", NB_HINT_PATTERN, NULL},
                                        {"hint", NB_HINT_FORMULA, NULL},    {0}};

static const struct seen map[] = {
    {"rows", NB_HINT_PLACE, NULL}, {"columns", NB_HINT_PLACE, NULL}, {"entries", NB_HINT_PLACE, NULL}, {0}};

static const struct seen power[] = {{"worst", NB_HINT_PLACE, NULL}, {"median", NB_HINT_PLACE, NULL}, {0}};

static const struct seen tensor[] = {{"verdict", NB_HINT_VERDICT, NULL},
                                     {"points", NB_HINT_VERDICT, NULL},
                                     {"max_points", NB_HINT_VERDICT, NULL},
                                     {"follow_through", NB_HINT_VERDICT, NULL},
                                     {"reason", NB_HINT_PLACE, NULL},
                                     {"right", NB_HINT_PLACE, NULL},
                                     {"wrong", NB_HINT_PLACE, NULL},
                                     {"cannot_tell", NB_HINT_PLACE, NULL},
                                     {"silent", NB_HINT_PLACE, NULL},
                                     {"rows", NB_HINT_PLACE, points_row},
                                     {"first_wrong", NB_HINT_PLACE, first_wrong},
                                     {"map", NB_HINT_PLACE, map},
                                     {"power", NB_HINT_PLACE, power},
                                     {"diagnosis", NB_HINT_PATTERN, diagnosis},
                                     {0}};
static const struct seen tensors[] = {{"*", NB_HINT_VERDICT, tensor}, {0}};

/* Neither the seed nor points nobody has seen: their digests. */
static const struct seen digest[] = {{"sha256", NB_HINT_VERDICT, NULL}, {"from", NB_HINT_VERDICT, NULL}, {0}};
static const struct seen certificate[] = {
    {"id", NB_HINT_VERDICT, NULL},          {"nablad", NB_HINT_VERDICT, NULL},
    {"graph", NB_HINT_VERDICT, digest},     {"point", NB_HINT_VERDICT, digest},
    {"cotangent", NB_HINT_VERDICT, digest}, {"candidate", NB_HINT_VERDICT, digest},
    {"dtype", NB_HINT_VERDICT, NULL},       {0}};

static const struct seen refused[] = {
    {"code", NB_HINT_VERDICT, NULL}, {"pointer", NB_HINT_VERDICT, NULL}, {"detail", NB_HINT_VERDICT, NULL}, {0}};
static const struct seen warning[] = {
    {"code", NB_HINT_PLACE, NULL}, {"tensor", NB_HINT_PLACE, NULL}, {"node", NB_HINT_PLACE, NULL}, {0}};
static const struct seen everything[] = {{"score", NB_HINT_VERDICT, NULL},
                                         {"max_score", NB_HINT_VERDICT, NULL},
                                         {"verdict", NB_HINT_VERDICT, NULL},
                                         {"review", NB_HINT_VERDICT, NULL},
                                         {"resubmit", NB_HINT_VERDICT, NULL},
                                         {"tensors", NB_HINT_VERDICT, tensors},
                                         {"warnings", NB_HINT_PLACE, warning},
                                         {"refused", NB_HINT_VERDICT, refused},
                                         {"certificate", NB_HINT_VERDICT, certificate},
                                         {0}};

/* ---- filtering --------------------------------------------------------------------------------------------------- */

/* The row of a key, or the row "*" for all others. */
static const struct seen *row_of(const struct seen *rows, const char *key)
{
    for (; rows->key; rows++)
        if (!strcmp(rows->key, key) || !strcmp(rows->key, "*"))
            return rows;
    return NULL;
}

struct eyes {
    int level;
    bool reveal;
};

static bool sees(const struct eyes *eyes, const struct seen *row)
{
    return row && (row->from == IF_REVEALED ? eyes->reveal : eyes->level >= row->from);
}

static json_t *filtered(const json_t *j, const struct seen *rows, const struct eyes *eyes);

static json_t *filtered_object(const json_t *j, const struct seen *rows, const struct eyes *eyes)
{
    json_t *out = json_object(), *v;
    const char *key;
    json_object_foreach ((json_t *)j, key, v) {
        const struct seen *row = row_of(rows, key);
        if (sees(eyes, row) && json_object_set_new(out, key, filtered(v, row->inside, eyes))) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* A list of objects, or of texts. */
static json_t *filtered_list(const json_t *j, const struct seen *rows, const struct eyes *eyes)
{
    json_t *out = json_array(), *v;
    size_t i;
    json_array_foreach (j, i, v)
        if (!json_is_array(v) && json_array_append_new(out, filtered(v, rows, eyes))) {
            json_decref(out);
            return NULL;
        }
    return out;
}

/* As deep as the rows above, no deeper. Numbers where objects are expected are not shown. */
static json_t *filtered(const json_t *j, const struct seen *rows, const struct eyes *eyes)
{
    if (!rows || json_is_string(j))
        return json_incref((json_t *)j);
    if (json_is_array(j))
        return filtered_list(j, rows, eyes);
    return json_is_object(j) ? filtered_object(j, rows, eyes) : json_null();
}

/* What a student must know to hand in something that can be graded at all: told at every level. */
static bool formal(const char *reason)
{
    return reason && (!strcmp(reason, "too_few_digits") || !strcmp(reason, "shape"));
}

static int tell_formal(json_t *out, const json_t *result)
{
    json_t *all = json_object_get(result, "tensors"), *v;
    const char *name;
    json_object_foreach (all, name, v) {
        json_t *reason = json_object_get(v, "reason"), *seen = json_object_get(json_object_get(out, "tensors"), name);
        if (formal(json_string_value(reason)) && json_object_set(seen, "reason", reason))
            return -1;
    }
    return 0;
}

json_t *nb_feedback(const json_t *result, enum nb_hint_level level, bool reveal, struct nb_error *e)
{
    struct eyes eyes = {(int)level, reveal};
    json_t *out = filtered_object(result, everything, &eyes);
    if (!out || tell_formal(out, result)) {
        json_decref(out);
        nb_fail_memory(e);
        return NULL;
    }
    return out;
}
