/* options.c - options from rows; see options.def. */
#include "http/options.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct nb_options nb_options;

const struct nb_option nb_option_rows[] = {
#define TEXT(name, def, help) {#name, NB_OPTION_TEXT, false, &nb_options.name, def, 0, 0, 0, help},
#define NUMBER(name, def, min, max, help) {#name, NB_OPTION_NUMBER, false, &nb_options.name, NULL, def, min, max, help},
#define FLAG(name, help) {#name, NB_OPTION_FLAG, false, &nb_options.name, NULL, 0, 0, 1, help},
#include "http/options.def"
#undef TEXT
#undef NUMBER
#undef FLAG
#define LIMIT(name, def, min, max, help) {#name, NB_OPTION_NUMBER, true, &nb_limits.name, NULL, def, min, max, help},
#include "nabla/limits.def"
#undef LIMIT
};
const size_t nb_option_count = sizeof nb_option_rows / sizeof *nb_option_rows;

char *nb_dashes(const char *name, char buf[48])
{
    snprintf(buf, 48, "%s", name);
    for (char *p = buf; *p; p++)
        if (*p == '_')
            *p = '-';
    return buf;
}

char *nb_option_name(const struct nb_option *o, char buf[48])
{
    char name[48];
    snprintf(name, sizeof name, "%s%s", o->limit ? "limit_" : "", o->name);
    return nb_dashes(name, buf);
}

static int bad(const struct nb_option *o, struct nb_error *e, const char *came)
{
    char name[48];
    nb_option_name(o, name);
    if (o->kind == NB_OPTION_FLAG)
        return nb_fail(e, NB_E_bad_value, "%s: true or false was expected, not %.60s", name, came);
    if (o->kind == NB_OPTION_TEXT)
        return nb_fail(e, NB_E_bad_value, "%s: a text was expected, not %.60s", name, came);
    return nb_fail(e, NB_E_bad_value, "%s: a whole number from %" PRId64 " to %" PRId64 " was expected, not %.60s",
                   name, o->min, o->max, came);
}

static int set_text(const struct nb_option *o, const char *text, struct nb_error *e)
{
    char *copy = strdup(text);
    if (!copy)
        return nb_fail_memory(e);
    char **place = o->place;
    free(*place);
    *place = copy;
    return 0;
}

static int set_number(const struct nb_option *o, const char *text, struct nb_error *e)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < o->min || v > o->max)
        return bad(o, e, text);
    *(int64_t *)o->place = v;
    return 0;
}

static int set_flag(const struct nb_option *o, const char *text, struct nb_error *e)
{
    static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no", "off", ""};
    bool *place = o->place;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!text || !strcmp(text, yes[i]))
            return *place = true, 0;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (!strcmp(text, no[i]))
            return *place = false, 0;
    return bad(o, e, text);
}

int nb_option_set(const struct nb_option *o, const char *text, struct nb_error *e)
{
    if (o->kind == NB_OPTION_FLAG)
        return set_flag(o, text, e);
    return o->kind == NB_OPTION_TEXT ? set_text(o, text ? text : "", e) : set_number(o, text ? text : "", e);
}

void nb_options_defaults(void)
{
    struct nb_error ignored = {0};
    for (const struct nb_option *o = nb_option_rows; o < nb_option_rows + nb_option_count; o++)
        if (o->kind == NB_OPTION_TEXT)
            set_text(o, o->text, &ignored);
        else if (o->kind == NB_OPTION_FLAG)
            *(bool *)o->place = false;
        else
            *(int64_t *)o->place = o->def;
}

int nb_options_environment(struct nb_error *e)
{
    char name[48], variable[64];
    for (const struct nb_option *o = nb_option_rows; o < nb_option_rows + nb_option_count; o++) {
        snprintf(variable, sizeof variable, "NABLAD_%s", nb_option_name(o, name));
        for (char *p = variable; *p; p++)
            *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
        const char *text = getenv(variable);
        if (text && nb_option_set(o, text, e))
            return -1;
    }
    return 0;
}

const struct nb_option *nb_option_find(const char *key)
{
    char name[48];
    key += strspn(key, "-");
    for (const struct nb_option *o = nb_option_rows; o < nb_option_rows + nb_option_count; o++)
        if (!strcmp(nb_option_name(o, name), key))
            return o;
    return NULL;
}

static int set_json(const struct nb_option *o, const json_t *v, struct nb_error *e)
{
    char number[32];
    if (o->kind == NB_OPTION_FLAG && json_is_boolean(v))
        return *(bool *)o->place = json_is_true(v), 0;
    if (o->kind == NB_OPTION_TEXT && json_is_string(v))
        return set_text(o, json_string_value(v), e);
    if (o->kind != NB_OPTION_NUMBER || !json_is_integer(v))
        return bad(o, e, "another kind of value");
    snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    return set_number(o, number, e);
}

static int set_object(json_t *all, struct nb_error *e)
{
    const char *key;
    json_t *v;
    if (!json_is_object(all))
        return nb_fail(e, NB_E_wrong_type, "an object was expected");
    json_object_foreach (all, key, v) {
        const struct nb_option *o = nb_option_find(key);
        if (!o)
            return nb_fail(e, NB_E_unknown_key, "there is no option called %.60s", key);
        if (set_json(o, v, e))
            return -1;
    }
    return 0;
}

int nb_options_file(const char *path, struct nb_error *e)
{
    json_error_t fault;
    json_t *all = json_load_file(path, JSON_REJECT_DUPLICATES, &fault);
    if (!all)
        return nb_fail(e, NB_E_json_syntax, "%s: line %d: %s", path, fault.line, fault.text);
    int r = set_object(all, e);
    json_decref(all);
    return r;
}

static json_t *value_of(const struct nb_option *o)
{
    if (o->kind == NB_OPTION_FLAG)
        return json_boolean(*(bool *)o->place);
    return o->kind == NB_OPTION_TEXT ? json_string(*(char **)o->place) : json_integer(*(int64_t *)o->place);
}

void nb_options_print(FILE *f)
{
    char name[48];
    json_t *all = json_object();
    for (const struct nb_option *o = nb_option_rows; o < nb_option_rows + nb_option_count; o++)
        json_object_set_new(all, nb_option_name(o, name), value_of(o));
    json_dumpf(all, f, JSON_INDENT(2));
    fputc('\n', f);
    json_decref(all);
}
