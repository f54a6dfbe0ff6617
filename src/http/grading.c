/* grading.c - the members of a request to grade. */
#include "http/grading.h"
#include "nabla/limits.h"
#include <math.h>
#include <string.h>

static const char *const levels[] = {"verdict", "place", "pattern", "formula"};
enum { LEVELS = sizeof levels / sizeof *levels };
static const double MOST_POINTS = 1e6;

const char *nb_hint_level_name(enum nb_hint_level l)
{
    return levels[l];
}

int nb_hint_level_find(const char *name, enum nb_hint_level *l)
{
    for (int i = 0; i < LEVELS; i++)
        if (!strcmp(levels[i], name))
            return *l = (enum nb_hint_level)i, 0;
    return -1;
}

/* ---- terms ------------------------------------------------------------------------------------------------------- */

static int read_number(const json_t *v, double low, double high, double *to, struct nb_error *e)
{
    if (!json_is_number(v))
        return nb_fail(e, NB_E_wrong_type, "a number was expected, not %s", nb_kind(v));
    *to = json_number_value(v);
    return *to >= low && *to <= high ? 0 : nb_fail(e, NB_E_bad_value, "from %g to %g, not %.9g", low, high, *to);
}

static int object_wanted(const json_t *v, const char *of, struct nb_error *e)
{
    return json_is_object(v) ? 0 : nb_fail(e, NB_E_wrong_type, "an object, %s, was expected, not %s", of, nb_kind(v));
}

int nb_read_points(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_grading *g = to;
    const char *name;
    json_t *points;
    if (object_wanted(v, "name -> points", e))
        return -1;
    if ((int64_t)json_object_size(v) > nb_limits.tensors)
        return NB_OVER(e, tensors, (int64_t)json_object_size(v));
    if (!json_object_size(v))
        return nb_fail(e, NB_E_bad_value, "no tensor is worth any point");
    if (!(g->parts = nb_small(a, json_object_size(v), sizeof *g->parts, e)))
        return -1;
    json_object_foreach (v, name, points) {
        struct nb_part *part = &g->parts[g->nparts++];
        part->name = name;
        if (read_number(points, 0, MOST_POINTS, &part->points, e))
            return nb_at(e, name);
    }
    return 0;
}

static int find_row(const char *name)
{
    int row = 0;
    while (row < NB_ROWS && strcmp(nb_row_name((enum nb_row_kind)row), name))
        row++;
    return row;
}

int nb_read_weights(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_grading *g = to;
    const char *name;
    json_t *weight;
    (void)a;
    if (object_wanted(v, "row -> weight", e))
        return -1;
    json_object_foreach (v, name, weight) {
        int row = find_row(name);
        if (row == NB_ROWS)
            return nb_fail(e, NB_E_unknown_key, "%.60s is not one of shape, values, edges, batch", name),
                   nb_at(e, name);
        if (read_number(weight, 0, 1e6, &g->weights[row], e))
            return nb_at(e, name);
    }
    if (!(g->weights[NB_ROW_VALUES] > 0))
        return nb_fail(e, NB_E_bad_value, "the values have to count"), nb_at(e, "values");
    return 0;
}

int nb_read_hint_level(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    const char *word;
    (void)a;
    if (nb_field_text(v, &word, e))
        return -1;
    return nb_hint_level_find(word, &((struct nb_grading *)to)->hint_level)
               ? nb_fail(e, NB_E_bad_value, "verdict, place, pattern or formula, not %.60s", word)
               : 0;
}

int nb_read_reveal(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    ((struct nb_grading *)to)->reveal = json_is_true(v);
    return json_is_boolean(v) ? 0 : nb_fail(e, NB_E_wrong_type, "true or false was expected, not %s", nb_kind(v));
}

int nb_read_slip_credit(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_number(v, 0, 1, &((struct nb_grading *)to)->slip_credit, e);
}

int nb_read_wrong_shape(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    const char *word;
    (void)a;
    if (nb_field_text(v, &word, e))
        return -1;
    ((struct nb_grading *)to)->resubmit = !strcmp(word, "resubmit");
    ((struct nb_grading *)to)->strict = !strcmp(word, "wrong");
    return !strcmp(word, "resubmit") || !strcmp(word, "wrong")
               ? 0
               : nb_fail(e, NB_E_bad_value, "wrong or resubmit, not %.60s", word);
}

/* ---- what was handed in ------------------------------------------------------------------------------------------ */

static int read_form(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_submission *s = to;
    const char *word;
    (void)a;
    if (nb_field_text(v, &word, e))
        return -1;
    s->form = nb_form_find(word);
    return s->form < NB_FORMS ? 0 : nb_fail(e, NB_E_bad_value, "numbers, formulas or answers, not %.60s", word);
}

static int read_probes(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_text(v, &((struct nb_submission *)to)->probes, e);
}

/* They were lifted; true and false were, too. */
static int read_gradients(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_tensors *l = &((struct nb_submission *)to)->gradients;
    (void)a;
    if (object_wanted(v, "name -> tensor", e))
        return -1;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].t.dtype == NB_I64)
            return nb_fail(e, NB_E_bad_dtype, "a gradient is made of numbers, not of true and false"),
                   nb_at(e, l->v[i].name);
    return 0;
}

static int read_expressions(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_submission *s = to;
    const char *name;
    json_t *text;
    if (object_wanted(v, "name -> formula", e))
        return -1;
    if ((int64_t)json_object_size(v) > nb_limits.tensors)
        return NB_OVER(e, tensors, (int64_t)json_object_size(v));
    if (!(s->expressions = nb_small(a, json_object_size(v) + 1, sizeof *s->expressions, e)))
        return -1;
    json_object_foreach (v, name, text) {
        struct nb_expression *x = &s->expressions[s->nexpressions++];
        x->name = name;
        if (nb_field_text(text, &x->text, e))
            return nb_at(e, name);
    }
    return 0;
}

enum { NUMBERS = 1 << NB_NUMBERS, FORMULAS = 1 << NB_FORMULAS, ANSWERS = 1 << NB_ANSWERS };
static const struct nb_field submission_rows[] = {
    {"form", NUMBERS | FORMULAS | ANSWERS, NUMBERS | FORMULAS | ANSWERS, read_form},
    {"gradients", NUMBERS, NUMBERS, read_gradients},
    {"expressions", FORMULAS, FORMULAS, read_expressions},
    {"probes", ANSWERS, ANSWERS, read_probes},
    {NULL, 0, 0, NULL}};

/* Which keys there may be; an unknown form is said when it is read. */
static unsigned bit_of(const char *form)
{
    enum nb_form_of f = nb_form_find(form);
    return f < NB_FORMS ? 1u << f : NUMBERS;
}

int nb_read_submission(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    unsigned bit = bit_of(json_string_value(json_object_get(v, "form")));
    struct nb_submission *s = &((struct nb_grading *)to)->submission;
    if (nb_fields_read(submission_rows, bit, v, s, a, e))
        return -1;
    if (bit != ANSWERS && !s->gradients.n && !s->nexpressions)
        return nb_fail(e, NB_E_bad_value, "nothing was handed in"),
               nb_at(e, bit == NUMBERS ? "gradients" : "expressions");
    return 0;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

int nb_grading_place(const struct nb_grading *g, struct nb_error *e)
{
    struct nb_arena a;
    struct nb_error ignored = {0};
    const char **names;
    size_t n, i;
    char *end;
    nb_arena_init(&a, 1 << 24);
    if (strncmp(e->pointer, "/wrt/", 5))
        return -1;
    i = strtoul(e->pointer + 5, &end, 10);
    if (!*end && !nb_grading_names(g, &a, &n, &names, &ignored) && i < n) {
        e->pointer[0] = '\0';
        e->fixed = false;
        nb_at(e, names[i]);
        if (i >= g->nparts)
            nb_at(e, g->submission.form == NB_FORMULAS ? "expressions" : "gradients");
        nb_at(e, i < g->nparts ? "points" : "submission");
    }
    nb_arena_done(&a);
    return -1;
}
