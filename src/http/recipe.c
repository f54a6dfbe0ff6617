/* recipe.c - optimisers, schedules and clipping from JSON. Their settings are rows (train/optimiser.h). */
#include "http/recipe.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static int out_of_range(const struct nb_setting *s, double v, struct nb_error *e)
{
    char high[40] = "";
    if (isfinite(s->high))
        snprintf(high, sizeof high, s->high < 1 && s->high > 0.99 ? ", below 1," : " and at most %g", s->high);
    if (isfinite(s->low))
        return nb_fail(e, NB_E_bad_argument, "%s is at least %g%s, %g came", s->name, s->low, high, v);
    return nb_fail(e, NB_E_bad_argument, "%s is finite, %g came", s->name, v);
}

static int read_number(const json_t *v, const struct nb_setting *s, double *to, struct nb_error *e)
{
    if (!json_is_number(v))
        return nb_fail(e, NB_E_wrong_type, "%s is a number, not %s", s->name, nb_kind(v));
    *to = json_number_value(v);
    if (!(*to >= s->low && *to <= s->high) || isinf(*to))
        return out_of_range(s, *to, e);
    if (s->kind == NB_SETTING_WHOLE && *to != floor(*to))
        return nb_fail(e, NB_E_bad_argument, "%s is a whole number, %g came", s->name, *to);
    return 0;
}

static int read_pair(const json_t *v, const struct nb_setting *s, double *to, struct nb_error *e)
{
    if (json_array_size(v) != 2)
        return nb_fail(e, NB_E_wrong_type, "%s is a list of two numbers", s->name);
    for (size_t i = 0; i < 2; i++)
        if (read_number(json_array_get(v, i), s, to + i, e))
            return nb_at_index(e, i);
    return 0;
}

static int read_setting(const json_t *v, const struct nb_setting *s, double *to, struct nb_error *e)
{
    bool flag;
    switch (s->kind) {
    case NB_SETTING_PAIR:
        return read_pair(v, s, to, e);
    case NB_SETTING_FLAG:
        if (nb_field_bool(v, &flag, e))
            return -1;
        *to = flag;
        return 0;
    default:
        return read_number(v, s, to, e);
    }
}

static int fail_unknown(const struct nb_setting *s, const char *key, struct nb_error *e)
{
    char all[300];
    size_t n = 0;
    for (const struct nb_setting *x = s; x->name && n < sizeof all; x++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", n ? ", " : "", x->name);
    return nb_fail(e, NB_E_unknown_argument, "%.60s is not one of %s", key, all), nb_at(e, key);
}

static int fill_defaults(const struct nb_setting *s, const json_t *given, double *set, struct nb_error *e)
{
    for (; s->name; s++) {
        bool pair = s->kind == NB_SETTING_PAIR;
        if (isnan(s->def) && !json_object_get(given, s->name))
            return nb_fail(e, NB_E_missing_argument, "%s is needed", s->name);
        *set++ = s->def;
        if (pair)
            *set++ = s->second;
    }
    return 0;
}

/* An object, or NULL: all by default. */
static int read_settings(json_t *given, const struct nb_setting *s, double *set, struct nb_error *e)
{
    const char *key;
    json_t *v;
    if (given && !json_is_object(given))
        return nb_fail(e, NB_E_wrong_type, "an object of settings was expected, not %s", nb_kind(given));
    if (fill_defaults(s, given, set, e))
        return -1;
    json_object_foreach (given, key, v) {
        const struct nb_setting *x = s;
        double *to = set;
        for (; x->name && strcmp(x->name, key); x++)
            to += x->kind == NB_SETTING_PAIR ? 2 : 1;
        if (!x->name)
            return fail_unknown(s, key, e);
        if (read_setting(v, x, to, e))
            return nb_at(e, key);
    }
    return 0;
}

/* ---- the optimiser ----------------------------------------------------------------------------------------------- */

static int fail_optimizer(const char *name, struct nb_error *e)
{
    char all[200];
    size_t n = 0;
    for (int i = 0; nb_optimiser_at(NB_F64, i) && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", n ? ", " : "", nb_optimiser_at(NB_F64, i)->name);
    return nb_fail(e, NB_E_bad_value, "%.60s is none of %s", name, all);
}

/* {"Adam": {...}} -> its key and value; "Adam" -> itself and NULL. */
static int only_member(json_t *v, const char *what, const char **key, json_t **value, struct nb_error *e)
{
    void *first = json_object_iter(v);
    *value = NULL;
    if (json_is_string(v))
        return *key = json_string_value(v), 0;
    if (json_object_size(v) != 1)
        return nb_fail(e, NB_E_wrong_type, "a name was expected, or an object of one, %s", what);
    *key = json_object_iter_key(first);
    *value = json_object_iter_value(first);
    return 0;
}

int nb_read_optimizer(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_rule *rule = to;
    const char *name;
    json_t *given;
    (void)a;
    if (only_member(v, "like {\"Adam\": {\"lr\": 0.001}}", &name, &given, e))
        return -1;
    if ((rule->optimiser = nb_optimiser_find(name)) < 0)
        return fail_optimizer(name, e), given ? nb_at(e, name) : -1;
    const struct nb_optimiser *o = nb_optimiser_at(NB_F64, rule->optimiser);
    if (read_settings(given, o->settings, rule->set, e) || (o->check && o->check(rule->set, e)))
        return given ? nb_at(e, name) : -1;
    return 0;
}

/* ---- the schedule ------------------------------------------------------------------------------------------------ */

static int read_kind(const char *name, json_t *given, struct nb_schedule *s, struct nb_error *e)
{
    char all[200] = "constant, formula, warm_up";
    for (int i = 0; nb_schedule_at(i); i++) {
        if (!strcmp(nb_schedule_at(i)->name, name)) {
            s->kind = nb_schedule_at(i);
            return read_settings(given, s->kind->settings, s->set, e);
        }
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, ", %s", nb_schedule_at(i)->name);
    }
    return nb_fail(e, NB_E_unknown_key, "%.60s is none of %s", name, all);
}

static int read_warm_up(const json_t *v, struct nb_schedule *s, struct nb_error *e)
{
    static const struct nb_setting row = {"warm_up", NB_SETTING_WHOLE, 0, 0, 0, 1e15, NULL};
    return read_number(v, &row, &s->warm_up, e);
}

/* It must work at the first step; what it gives later is seen later. */
static int read_formula(json_t *v, struct nb_schedule *s, struct nb_arena *a, struct nb_error *e)
{
    double unused;
    return nb_field_text(v, &s->formula, e) || nb_formula_of_step(s->formula, 0, a, &unused, e) ? -1 : 0;
}

static int read_member(const char *key, json_t *v, struct nb_schedule *s, struct nb_arena *a, struct nb_error *e)
{
    if (!strcmp(key, "warm_up"))
        return read_warm_up(v, s, e);
    if (s->kind || s->formula)
        return nb_fail(e, NB_E_bad_form, "there is another schedule beside it; only warm_up goes with one");
    return !strcmp(key, "formula") ? read_formula(v, s, a, e) : read_kind(key, v, s, e);
}

int nb_read_schedule(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_schedule *s = &((struct nb_rule *)to)->schedule;
    const char *key;
    json_t *member;
    *s = (struct nb_schedule){0};
    if (json_is_string(v) && !strcmp(json_string_value(v), "constant"))
        return 0;
    if (!json_is_object(v))
        return nb_fail(e, NB_E_wrong_type,
                       "\"constant\" was expected, or an object like {\"cosine\": {\"steps\": 1000}}, not %s",
                       nb_kind(v));
    json_object_foreach (v, key, member)
        if (read_member(key, member, s, a, e))
            return nb_at(e, key);
    return 0;
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

int nb_read_clip(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_rule *rule = to;
    const char *key;
    json_t *number;
    (void)a;
    if (!json_is_object(v))
        return nb_fail(e, NB_E_wrong_type, "{\"value\": c} or {\"norm\": c} was expected, not %s", nb_kind(v));
    if (only_member(v, "{\"value\": c} or {\"norm\": c}", &key, &number, e))
        return -1;
    rule->clip = !strcmp(key, "value") ? NB_CLIP_VALUE : !strcmp(key, "norm") ? NB_CLIP_NORM : NB_NO_CLIP;
    if (!rule->clip)
        return nb_fail(e, NB_E_unknown_key, "%.60s is neither value nor norm", key), nb_at(e, key);
    rule->clip_at = json_number_value(number);
    if (!json_is_number(number) || !(rule->clip_at > 0) || isinf(rule->clip_at))
        return nb_fail(e, NB_E_bad_value, "a number above 0 was expected"), nb_at(e, key);
    return 0;
}

int nb_read_restart(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_bool(v, &((struct nb_rule *)to)->restart, e);
}
