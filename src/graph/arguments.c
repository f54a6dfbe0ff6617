/* arguments - a module's arguments from JSON, by its table. */
#include "graph/arguments.h"
#include "graph/value.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct reader {
    const struct nb_module *module;
    const struct nb_const_scope *scope;
    struct nb_arena *arena;
};

static void *field(const struct nb_arg *arg, void *args)
{
    return (char *)args + arg->offset;
}

static void set_default(const struct nb_arg *arg, void *args)
{
    bool absent = arg->type == NB_ARG_INT && arg->flags & (NB_REQUIRED | NB_INFERRED);
    if (arg->type == NB_ARG_REAL)
        *(double *)field(arg, args) = arg->def;
    else if (arg->type == NB_ARG_INT || arg->type == NB_ARG_BOOL || arg->type == NB_ARG_CHOICE)
        *(int64_t *)field(arg, args) = absent ? NB_NONE : (int64_t)arg->def;
}

static bool in_bounds(const struct nb_arg *arg, double v)
{
    if (arg->min == 0 && arg->max == 0)
        return true;
    bool low = arg->flags & NB_MIN_OPEN ? v > arg->min : v >= arg->min;
    bool high = arg->flags & NB_MAX_OPEN ? v < arg->max : v <= arg->max;
    return low && high;
}

static int out_of_bounds(const struct nb_arg *arg, double v, struct nb_error *e)
{
    const char *low = arg->flags & NB_MIN_OPEN ? "<" : "<=", *high = arg->flags & NB_MAX_OPEN ? "<" : "<=";
    if (isinf(arg->max))
        return nb_fail(e, NB_E_bad_argument, "%s is %g, wanted is %s %s %g", arg->name, v, arg->name,
                       arg->flags & NB_MIN_OPEN ? ">" : ">=", arg->min);
    return nb_fail(e, NB_E_bad_argument, "%s is %g, wanted is %g %s %s %s %g", arg->name, v, arg->min, low, arg->name,
                   high, arg->max);
}

static int read_real(struct reader *r, const struct nb_arg *arg, json_t *j, double *v, struct nb_error *e)
{
    if (json_is_string(j) && r->scope && !nb_number_word(json_string_value(j), v)) {
        if (r->scope->real(r->scope->context, json_string_value(j), v, e))
            return -1;
    } else if (nb_read_real(j, v, e)) {
        return -1;
    }
    return in_bounds(arg, *v) ? 0 : out_of_bounds(arg, *v, e);
}

/* A whole number; with `symbols` also NB_SYM and NB_ANY. */
static int read_whole(struct reader *r, const char *name, json_t *j, bool symbols, int64_t *v, struct nb_error *e)
{
    if (!json_is_string(j) || !r->scope)
        return nb_read_whole(j, v, e);
    if (r->scope->dim(r->scope->context, json_string_value(j), v, e))
        return -1;
    if (!symbols && !NB_IS_KNOWN(*v))
        return nb_fail(e, NB_E_bad_argument, "%s must be known when the graph is created, \"%s\" depends on data", name,
                       json_string_value(j));
    return 0;
}

static int read_int(struct reader *r, const struct nb_arg *arg, json_t *j, int64_t *v, struct nb_error *e)
{
    if (read_whole(r, arg->name, j, arg->flags & NB_OPEN_SIZE, v, e))
        return -1;
    return !NB_IS_KNOWN(*v) || in_bounds(arg, (double)*v) ? 0 : out_of_bounds(arg, (double)*v, e);
}

static int read_bool(json_t *j, int64_t *v, struct nb_error *e)
{
    double d;
    if (json_is_boolean(j))
        *v = json_is_true(j);
    else if (json_is_number(j) && (d = json_number_value(j), d == 0 || d == 1))
        *v = (int64_t)d;
    else
        return nb_fail_type(e, "true or false", j);
    return 0;
}

static int read_choice(const struct nb_arg *arg, json_t *j, int64_t *v, struct nb_error *e)
{
    char all[200] = "";
    const char *s = json_string_value(j);
    for (*v = 0; arg->choices[*v]; ++*v) {
        if (s && !strcmp(s, arg->choices[*v]))
            return 0;
        nb_add_name(all, sizeof all, arg->choices[*v]);
    }
    return nb_fail(e, NB_E_bad_argument, "%s is one of %s; %s came", arg->name, all, s ? s : nb_json_kind(j));
}

/* A word that may stand for the numbers. */
static bool read_word(const struct nb_arg *arg, json_t *j, int64_t *v)
{
    for (int i = 0; json_is_string(j) && arg->choices && arg->choices[i]; i++)
        if (!strcmp(json_string_value(j), arg->choices[i])) {
            *v = -1 - i;
            return true;
        }
    return false;
}

/* Neither a number nor one of the words there are. */
static int no_word(const struct nb_arg *arg, json_t *j, struct nb_error *e)
{
    char all[200] = "";
    for (int i = 0; arg->choices && arg->choices[i]; i++)
        nb_add_name(all, sizeof all, arg->choices[i]);
    if (!arg->choices || !json_is_string(j))
        return -1;
    *e = (struct nb_error){0};
    return nb_fail(e, NB_E_bad_argument, "%s is a whole number, a list of them, or one of %s; %.60s came", arg->name,
                   all, json_string_value(j));
}

static int read_ints(struct reader *r, const struct nb_arg *arg, json_t *j, struct nb_ints *l, struct nb_error *e)
{
    bool symbols = arg->type == NB_ARG_SHAPE;
    l->single = !json_is_array(j);
    l->n = l->single ? 1 : json_array_size(j);
    int64_t *v = nb_small(r->arena, l->n, sizeof *v, e);
    if (!v)
        return -1;
    l->v = v;
    if (read_word(arg, j, v))
        return 0;
    for (size_t i = 0; i < l->n; i++) {
        json_t *item = l->single ? j : json_array_get(j, i);
        if (read_whole(r, arg->name, item, symbols, &v[i], e))
            return l->single ? no_word(arg, j, e) : nb_at_index(e, i);
        if (NB_IS_KNOWN(v[i]) && !in_bounds(arg, (double)v[i]))
            return out_of_bounds(arg, (double)v[i], e), l->single ? -1 : nb_at_index(e, i);
    }
    return 0;
}

static int read_reals(struct reader *r, const struct nb_arg *arg, json_t *j, struct nb_reals *l, struct nb_error *e)
{
    bool single = !json_is_array(j);
    l->n = single ? 1 : json_array_size(j);
    double *v = nb_small(r->arena, l->n, sizeof *v, e);
    if (!v)
        return -1;
    l->v = v;
    for (size_t i = 0; i < l->n; i++)
        if (read_real(r, arg, single ? j : json_array_get(j, i), &v[i], e))
            return single ? -1 : nb_at_index(e, i);
    return 0;
}

static int read_strings(struct reader *r, json_t *j, struct nb_strings *l, struct nb_error *e)
{
    if (!json_is_array(j))
        return nb_fail_type(e, "a list of names", j);
    l->n = json_array_size(j);
    const char **v = nb_small(r->arena, l->n, sizeof *v, e);
    if (!v)
        return -1;
    l->v = v;
    for (size_t i = 0; i < l->n; i++) {
        const char *s = json_string_value(json_array_get(j, i));
        if (!s)
            return nb_fail_type(e, "a string", json_array_get(j, i)), nb_at_index(e, i);
        if (!(v[i] = nb_strdup(r->arena, s, e)))
            return -1;
    }
    return 0;
}

static int read_string(struct reader *r, json_t *j, const char **to, struct nb_error *e)
{
    if (!json_is_string(j))
        return nb_fail_type(e, "a string", j);
    return (*to = nb_strdup(r->arena, json_string_value(j), e)) ? 0 : -1;
}

static int read_one(struct reader *r, const struct nb_arg *arg, json_t *j, void *args, struct nb_error *e)
{
    void *at = field(arg, args);
    switch (arg->type) {
    case NB_ARG_REAL:
        return read_real(r, arg, j, at, e);
    case NB_ARG_INT:
        return read_int(r, arg, j, at, e);
    case NB_ARG_BOOL:
        return read_bool(j, at, e);
    case NB_ARG_CHOICE:
        return read_choice(arg, j, at, e);
    case NB_ARG_INTS:
    case NB_ARG_SHAPE:
        return read_ints(r, arg, j, at, e);
    case NB_ARG_REALS:
        return read_reals(r, arg, j, at, e);
    case NB_ARG_STRINGS:
        return read_strings(r, j, at, e);
    case NB_ARG_INIT:
        return nb_init_read(j, at, e);
    case NB_ARG_TENSOR:
        return nb_tensor_read(j, r->arena, at, e);
    case NB_ARG_STRING:
        return read_string(r, j, at, e);
    }
    return nb_fail(e, NB_E_internal, "argument of an unknown type");
}

/* null stands for "left out" wherever leaving out is allowed. */
static bool left_out(const json_t *j)
{
    return !j || json_is_null(j);
}

static int unknown_argument(const struct nb_module *m, const char *came, struct nb_error *e)
{
    char all[300] = "";
    for (const struct nb_arg *a = m->args; a && a->name; a++) {
        nb_add_name(all, sizeof all, a->name);
    }
    return nb_fail(e, NB_E_unknown_argument, "%s has no argument %.60s; it has %s", m->type, came,
                   *all ? all : "no arguments");
}

static const struct nb_arg *find(const struct nb_module *m, const char *name)
{
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        if (!strcmp(a->name, name))
            return a;
    return NULL;
}

static int read_object(struct reader *r, json_t *given, bool node, void *args, struct nb_error *e)
{
    const char *key;
    json_t *j;
    json_object_foreach (given, key, j) {
        if (node && nb_is_word(key, "op", "in", "share", "doc"))
            continue;
        const struct nb_arg *arg = find(r->module, key);
        if (!arg)
            return unknown_argument(r->module, key, e), nb_at(e, key);
        if (!left_out(j) && read_one(r, arg, j, args, e))
            return nb_at(e, key);
    }
    return 0;
}

static int read_list(struct reader *r, json_t *given, void *args, struct nb_error *e)
{
    const struct nb_arg *arg = r->module->args;
    size_t i;
    json_t *j;
    json_array_foreach (given, i, j) {
        if (!arg || !arg->name)
            return nb_fail(e, NB_E_unknown_argument, "%s takes %zu arguments, %zu came", r->module->type, i,
                           json_array_size(given)),
                   nb_at_index(e, i);
        if (!left_out(j) && read_one(r, arg, j, args, e))
            return nb_at_index(e, i);
        arg++;
    }
    return 0;
}

static bool is_given(const struct nb_module *m, const struct nb_arg *arg, json_t *given)
{
    if (json_is_object(given))
        return !left_out(json_object_get(given, arg->name));
    if (json_is_array(given))
        return !left_out(json_array_get(given, (size_t)(arg - m->args)));
    return !left_out(given) && arg == m->args;
}

static int check_required(const struct nb_module *m, json_t *given, struct nb_error *e)
{
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        if (a->flags & NB_REQUIRED && !is_given(m, a, given))
            return nb_fail(e, NB_E_missing_argument, "%s needs %s", m->type, a->name);
    return 0;
}

int nb_args_read(const struct nb_module *m, json_t *given, bool node, const struct nb_const_scope *scope,
                 struct nb_arena *a, void **args, struct nb_error *e)
{
    struct reader r = {m, scope, a};
    if (!(*args = nb_zalloc(a, 1, m->args_size ? m->args_size : 1, e)))
        return -1;
    for (const struct nb_arg *arg = m->args; arg && arg->name; arg++)
        set_default(arg, *args);
    int bad = 0;
    if (json_is_object(given))
        bad = read_object(&r, given, node, *args, e);
    else if (json_is_array(given))
        bad = read_list(&r, given, *args, e);
    else if (!left_out(given))
        bad = !m->args || !m->args->name ? unknown_argument(m, "without a name", e)
                                         : read_one(&r, m->args, given, *args, e);
    return bad ? -1 : check_required(m, given, e);
}

/* ---- initialisers ------------------------------------------------------------------------------------------------ */

struct init_row {
    const char *name;
    enum nb_init_kind kind;
    int numbers; /* how many it takes */
    const char *names[2];
    double def[2];
};

static const struct init_row init_rows[] = {
    {"default", NB_INIT_DEFAULT, 0, {0}, {0}},
    {"zeros", NB_INIT_ZEROS, 0, {0}, {0}},
    {"ones", NB_INIT_ONES, 0, {0}, {0}},
    {"constant", NB_INIT_CONSTANT, 1, {"c"}, {0}},
    {"eye", NB_INIT_EYE, 0, {0}, {0}},
    {"uniform", NB_INIT_UNIFORM, 2, {"low", "high"}, {0, 1}},
    {"normal", NB_INIT_NORMAL, 2, {"mean", "std"}, {0, 1}},
    {"xavier_uniform", NB_INIT_XAVIER_UNIFORM, 1, {"gain"}, {1}},
    {"xavier_normal", NB_INIT_XAVIER_NORMAL, 1, {"gain"}, {1}},
    {"kaiming_uniform", NB_INIT_KAIMING_UNIFORM, 1, {"a"}, {0}},
    {"kaiming_normal", NB_INIT_KAIMING_NORMAL, 1, {"a"}, {0}},
    {"orthogonal", NB_INIT_ORTHOGONAL, 1, {"gain"}, {1}},
};

static const struct init_row *init_row(const char *name, struct nb_error *e)
{
    char all[300] = "";
    for (size_t i = 0; i < sizeof init_rows / sizeof *init_rows; i++) {
        if (name && !strcmp(init_rows[i].name, name))
            return &init_rows[i];
        nb_add_name(all, sizeof all, init_rows[i].name);
    }
    nb_fail(e, NB_E_bad_argument, "no initialiser is called %.60s; there are %s", name ? name : "that", all);
    return NULL;
}

static bool is_kaiming(const struct init_row *row)
{
    return row->kind == NB_INIT_KAIMING_UNIFORM || row->kind == NB_INIT_KAIMING_NORMAL;
}

static int read_fan(json_t *j, struct nb_init *init, struct nb_error *e)
{
    const char *s = json_string_value(j);
    if (!s || (strcmp(s, "fan_in") && strcmp(s, "fan_out")))
        return nb_fail(e, NB_E_bad_argument, "mode is fan_in or fan_out; %s came", s ? s : nb_json_kind(j));
    init->fan_out = !strcmp(s, "fan_out");
    return 0;
}

/* torch.nn.init.calculate_gain */
static int read_gain(const char *name, struct nb_init *init, struct nb_error *e)
{
    const struct {
        const char *name;
        double gain;
    } gains[] = {
        {"leaky_relu", sqrt(2 / (1 + init->a * init->a))},
        {"relu", sqrt(2)},
        {"tanh", 5.0 / 3},
        {"linear", 1},
        {"sigmoid", 1},
        {"selu", 0.75},
    };
    for (size_t i = 0; name && i < sizeof gains / sizeof *gains; i++)
        if (!strcmp(name, gains[i].name))
            return init->gain = gains[i].gain, 0;
    return nb_fail(e, NB_E_bad_argument, "nonlinearity is leaky_relu, relu, tanh, linear, sigmoid or selu; %.40s came",
                   name ? name : "something else");
}

static int read_init_object(const struct init_row *row, json_t *given, struct nb_init *init, struct nb_error *e)
{
    const char *key;
    json_t *j;
    double *to[2] = {&init->a, &init->b};
    json_object_foreach (given, key, j) {
        int bad = 1;
        for (int k = 0; k < row->numbers && bad > 0; k++)
            if (!strcmp(key, row->names[k]))
                bad = nb_read_real(j, to[k], e);
        if (bad > 0 && is_kaiming(row) && !strcmp(key, "mode"))
            bad = read_fan(j, init, e);
        else if (bad > 0 && is_kaiming(row) && !strcmp(key, "nonlinearity"))
            bad = 0;
        if (bad > 0)
            bad = nb_fail(e, NB_E_unknown_argument, "%s has no argument %.60s", row->name, key);
        if (bad)
            return nb_at(e, key);
    }
    return 0;
}

static int read_init_numbers(const struct init_row *row, json_t *given, struct nb_init *init, struct nb_error *e)
{
    double *to[2] = {&init->a, &init->b};
    size_t n = json_is_array(given) ? json_array_size(given) : 1;
    if (n > (size_t)row->numbers)
        return nb_fail(e, NB_E_bad_argument, "%s takes %d numbers, %zu came", row->name, row->numbers, n);
    for (size_t i = 0; i < n; i++)
        if (nb_read_real(json_is_array(given) ? json_array_get(given, i) : given, to[i], e))
            return json_is_array(given) ? nb_at_index(e, i) : -1;
    return 0;
}

int nb_init_read(const json_t *j, struct nb_init *init, struct nb_error *e)
{
    void *iter = json_is_object(j) && json_object_size(j) == 1 ? json_object_iter((json_t *)j) : NULL;
    if (!json_is_string(j) && !iter)
        return nb_fail_type(e, "an initialiser (\"zeros\", {\"uniform\": [low, high]}, ...)", j);
    const char *name = iter ? json_object_iter_key(iter) : json_string_value(j);
    const struct init_row *row = init_row(name, e);
    if (!row)
        return -1;
    *init = (struct nb_init){.kind = row->kind, .a = row->def[0], .b = row->def[1]};
    json_t *given = iter ? json_object_iter_value(iter) : NULL;
    int bad = 0;
    if (json_is_object(given))
        bad = read_init_object(row, given, init, e);
    else if (given)
        bad = read_init_numbers(row, given, init, e);
    json_t *word = json_is_object(given) ? json_object_get(given, "nonlinearity") : NULL;
    if (!bad && is_kaiming(row))
        bad = read_gain(word ? json_string_value(word) : "leaky_relu", init, e);
    return bad && iter ? nb_at(e, name) : bad;
}
