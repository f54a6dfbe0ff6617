/* csv.c - the first line says how many columns there are; where each goes is settled before the first number is read,
 * so numbers go straight to their places. */
#include "wire/csv.h"
#include "nabla/limits.h"
#include "wire/lift.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct field {
    const char *at;   /* where it begins, with its quote */
    const char *text; /* without quotes and blanks around; quotes in it stay doubled */
    size_t n;
};

struct reader {
    const char *p, *end, *line_start;
    int line;
    struct nb_arena *a;
};

/* ---- lines and fields -------------------------------------------------------------------------------------------- */

static int fail_at(const struct reader *r, const char *at, struct nb_error *e)
{
    e->line = r->line;
    e->column = (int)(at - r->line_start) + 1;
    return -1;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

static bool line_ends(const char *p, const char *end)
{
    return p == end || *p == '\n' || (*p == '\r' && (p + 1 == end || p[1] == '\n'));
}

static void next_line(struct reader *r)
{
    r->p += r->p < r->end && *r->p == '\r';
    r->p += r->p < r->end;
    r->line_start = r->p;
    r->line++;
}

/* Passes over lines with nothing on them. False: there are no more. */
static bool find_line(struct reader *r)
{
    while (r->p < r->end) {
        const char *p = skip_blanks(r->p, r->end);
        if (!line_ends(p, r->end))
            return true;
        r->p = p;
        next_line(r);
    }
    return false;
}

/* Behind the closing quote, or NULL. Quotes do not go over lines: these are numbers and names. */
static const char *close_quote(const char *p, const char *end)
{
    for (; !line_ends(p, end); p++)
        if (*p == '"' && (p + 1 == end || p[1] != '"'))
            return p + 1;
        else
            p += *p == '"';
    return NULL;
}

static int quoted_field(struct reader *r, struct field *f, struct nb_error *e)
{
    const char *stop = close_quote(f->at + 1, r->end);
    const char *after = stop ? skip_blanks(stop, r->end) : NULL;
    if (!after || (!line_ends(after, r->end) && *after != ','))
        return nb_fail(e, NB_E_bad_file, "a field in quotes ends with its quote, on the same line"),
               fail_at(r, f->at, e);
    f->text = f->at + 1;
    f->n = (size_t)(stop - 1 - f->text);
    r->p = after;
    return 0;
}

/* The field at r->p, which moves to the comma or the end of the line behind it. */
static int read_field(struct reader *r, struct field *f, struct nb_error *e)
{
    f->at = f->text = r->p = skip_blanks(r->p, r->end);
    if (r->p < r->end && *r->p == '"')
        return quoted_field(r, f, e);
    while (!line_ends(r->p, r->end) && *r->p != ',')
        r->p++;
    for (f->n = (size_t)(r->p - f->text); f->n && (f->text[f->n - 1] == ' ' || f->text[f->n - 1] == '\t');)
        f->n--;
    return 0;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* As JSON has them; also +1, .5 and 5. */
static bool number(const struct field *f, double *v)
{
    struct nb_shown unused = {0, -1};
    const char *end = f->text + f->n, *stop;
    if (f->n && (stop = nb_number(f->text, end, v, &unused)) == end)
        return isfinite(*v);
    if (!f->n || strspn(f->text, "0123456789+-.eE") < f->n)
        return false;
    *v = strtod(f->text, (char **)&stop); /* stops at the comma, the quote, the end of the line */
    return stop == end && isfinite(*v);
}

/* Words that stand where a number should be, and are no names. */
static bool no_value(const struct field *f)
{
    static const char *const words[] = {"", "nan", "na", "n/a", "null", "none", "inf", "infinity", "?"};
    const char *text = f->text;
    size_t n = f->n, sign = n && (*text == '-' || *text == '+');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (n - sign == strlen(words[i]) && !strncasecmp(text + sign, words[i], n - sign))
            return true;
    return false;
}

/* ---- the first line ---------------------------------------------------------------------------------------------- */

struct table {
    struct field *first;
    size_t n;           /* columns */
    const char **names; /* NULL: the first line has none */
    struct place {      /* of each column: tensor (-1: in none) and entry of its row */
        int tensor;
        int64_t entry;
    } * place;
};

static int read_first(struct reader *r, struct table *t, struct nb_error *e)
{
    size_t cap = 0;
    for (bool more = true; more; r->p += more) {
        if ((int64_t)t->n >= nb_limits.json / 64)
            return nb_fail(e, NB_E_limit, "the first line has more than %zu fields", t->n);
        if (nb_grow(r->a, &t->first, t->n, &cap, sizeof *t->first, e) || read_field(r, &t->first[t->n++], e))
            return -1;
        more = r->p < r->end && *r->p == ',';
    }
    return 0;
}

/* Is the first line names? */
static int judge_first(const struct reader *r, const struct table *t, enum nb_csv_head head, bool *names,
                       struct nb_error *e)
{
    const struct field *text = NULL, *numeric = NULL;
    double v;
    for (size_t i = 0; i < t->n; i++)
        if (number(&t->first[i], &v))
            numeric = numeric ? numeric : &t->first[i];
        else if (!no_value(&t->first[i]))
            text = text ? text : &t->first[i];
    *names = head == NB_CSV_NAMES || (head == NB_CSV_SEE && text);
    if (head != NB_CSV_SEE || !text || !numeric)
        return 0;
    return nb_fail(e, NB_E_bad_number,
                   "\"%.*s\" is no number, and other fields of the first line are; if they are names: header=true",
                   (int)(text->n < 60 ? text->n : 60), text->text),
           fail_at(r, text->at, e);
}

/* A name without its quotes. */
static const char *unquoted(const struct field *f, struct nb_arena *a, struct nb_error *e)
{
    char *name = nb_strndup(a, f->text, f->n, e), *to = name;
    for (const char *p = name; p && *p; p += *p == '"' && p[1] == '"' && *f->at == '"' ? 2 : 1)
        *to++ = *p;
    if (to)
        *to = 0;
    return name;
}

static int take_names(const struct reader *r, struct table *t, struct nb_error *e)
{
    t->names = nb_small(r->a, t->n, sizeof *t->names, e);
    for (size_t i = 0; t->names && i < t->n; i++)
        if (!(t->names[i] = unquoted(&t->first[i], r->a, e)))
            return -1;
    return t->names ? 0 : -1;
}

/* ---- which column goes where ------------------------------------------------------------------------------------- */

/* A column by its name or number; -1. */
static int64_t column_of(const struct table *t, const char *text, size_t n)
{
    char *stop;
    for (size_t i = 0; t->names && i < t->n; i++)
        if (strlen(t->names[i]) == n && !strncmp(t->names[i], text, n))
            return (int64_t)i;
    if (!n || n > 9 || strspn(text, "0123456789") < n)
        return -1;
    long long i = strtoll(text, &stop, 10);
    return stop == text + n && i < (long long)t->n ? i : -1;
}

/* "64", "px[0]-px[63]", of length n: names may have a minus in them, so each is tried. */
static bool range_of(const struct table *t, const char *text, size_t n, int64_t *first, int64_t *last)
{
    *first = *last = column_of(t, text, n);
    for (size_t i = 1; *first < 0 && i + 1 < n; i++)
        if (text[i] == '-') {
            *first = column_of(t, text, i);
            *last = column_of(t, text + i + 1, n - i - 1);
            *first = *last < *first ? -1 : *first;
        }
    return *first >= 0;
}

static int fail_spec(const struct table *t, const char *text, size_t n, const char *why, struct nb_error *e)
{
    int shown = (int)(n < 100 ? n : 100);
    return nb_fail(e, NB_E_bad_parameter, "%.*s: %s; the table has the columns 0 to %zu%s", shown, text, why, t->n - 1,
                   t->names ? ", or their names" : ""),
           nb_at(e, "columns");
}

/* One "NAME:COLUMNS", of length n: its tensor, still without rows. */
static int add_spec(const struct reader *r, struct table *t, const char *text, size_t n, struct nb_tensors *out,
                    struct nb_error *e)
{
    int64_t first, last;
    const char *colon = memchr(text, ':', n);
    if (!colon || colon == text)
        return fail_spec(t, text, n, "NAME:COLUMN or NAME:FIRST-LAST was expected", e);
    if (!range_of(t, colon + 1, n - (size_t)(colon + 1 - text), &first, &last))
        return fail_spec(t, text, n, "no such column", e);
    for (int64_t i = first; i <= last; i++) {
        if (t->place[i].tensor >= 0)
            return fail_spec(t, text, n, "a column goes into one tensor only", e);
        t->place[i] = (struct place){(int)out->n, i - first};
    }
    struct nb_tensor x = {.dtype = NB_F64, .shape = {.rank = first == last ? 1 : 2, .dim = {0, last - first + 1}}};
    char *name = nb_strndup(r->a, text, (size_t)(colon - text), e);
    if (name && nb_tensors_find(out, name))
        return fail_spec(t, text, n, "the name is taken", e);
    return name ? nb_tensors_add(r->a, out, name, x, e) : -1;
}

static int add_specs(const struct reader *r, struct table *t, const char *specs, struct nb_tensors *out,
                     struct nb_error *e)
{
    for (const char *p = specs;; p++) {
        size_t n = strcspn(p, ",");
        if (add_spec(r, t, p, n, out, e))
            return -1;
        p += n;
        if (!*p)
            return 0;
    }
}

/* Each column its own tensor. */
static int add_each(const struct reader *r, struct table *t, struct nb_tensors *out, struct nb_error *e)
{
    struct nb_tensor x = {.dtype = NB_F64, .shape = {.rank = 1}};
    if ((int64_t)t->n > nb_limits.tensors)
        return NB_OVER(e, tensors, (int64_t)t->n);
    for (size_t i = 0; i < t->n; i++) {
        bool named = t->names && *t->names[i];
        const char *name = named ? t->names[i] : nb_sprintf(r->a, e, "column_%zu", i);
        t->place[i] = (struct place){(int)i, 0};
        if (!name || nb_tensors_add(r->a, out, name, x, e))
            return -1;
    }
    return 0;
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

/* Room for as many rows as there are lines at most. */
static int make_room(const struct reader *r, struct nb_tensors *out, struct nb_error *e)
{
    int64_t lines = 1;
    for (const char *p = r->p; (p = memchr(p, '\n', (size_t)(r->end - p))); p++)
        lines++;
    for (size_t i = 0; i < out->n; i++) {
        struct nb_tensor *t = &out->v[i].t;
        t->shape.dim[0] = lines;
        if (nb_tensor_new(r->a, NB_F64, &t->shape, t, e))
            return -1;
        t->shape.dim[0] = 0;
    }
    return 0;
}

static int64_t per_row(const struct nb_tensor *t)
{
    return t->shape.rank == 1 ? 1 : t->shape.dim[1];
}

static int fail_number(const struct reader *r, const struct table *t, size_t column, const struct field *f,
                       struct nb_error *e)
{
    char which[100];
    snprintf(which, sizeof which, t->names ? "column %zu (%.60s)" : "column %zu", column,
             t->names ? t->names[column] : "");
    if (f->n)
        nb_fail(e, NB_E_bad_number, "%s: a number was expected, not %.*s", which, (int)(f->n < 60 ? f->n : 60),
                f->text);
    else
        nb_fail(e, NB_E_bad_number, "%s: a number was expected, the field is empty", which);
    return fail_at(r, f->at, e);
}

static int fail_count(const struct reader *r, const struct table *t, size_t came, struct nb_error *e)
{
    if (came < t->n)
        nb_fail(e, NB_E_bad_file, "the line ends after %zu fields; the first line has %zu", came, t->n);
    else
        nb_fail(e, NB_E_bad_file, "the line goes on after %zu fields, as many as the first line has", t->n);
    return fail_at(r, r->p, e);
}

static int read_row(struct reader *r, const struct table *t, struct nb_tensors *out, struct nb_error *e)
{
    for (size_t i = 0; i < t->n; i++) {
        struct field f;
        double v;
        if (read_field(r, &f, e))
            return -1;
        if (t->place[i].tensor >= 0) {
            struct nb_tensor *x = &out->v[t->place[i].tensor].t;
            if (!number(&f, &v))
                return fail_number(r, t, i, &f, e);
            ((double *)x->data)[x->shape.dim[0] * per_row(x) + t->place[i].entry] = v;
        }
        bool comma = r->p < r->end && *r->p == ',';
        if (comma != (i + 1 < t->n))
            return fail_count(r, t, i + 1, e);
        r->p += comma;
    }
    for (size_t i = 0; i < out->n; i++)
        out->v[i].t.shape.dim[0]++;
    return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int settle_first(struct reader *r, struct table *t, const struct nb_csv *how, struct nb_error *e)
{
    struct reader start = *r;
    bool names;
    if (read_first(r, t, e) || judge_first(&start, t, how->head, &names, e) || (names && take_names(r, t, e)))
        return -1;
    if (names)
        next_line(r);
    else
        *r = start;
    if (!(t->place = nb_small(r->a, t->n, sizeof *t->place, e)))
        return -1;
    for (size_t i = 0; i < t->n; i++)
        t->place[i].tensor = -1;
    return 0;
}

int nb_csv_read(const char *text, size_t n, const struct nb_csv *how, struct nb_arena *a, struct nb_tensors *out,
                struct nb_error *e)
{
    struct reader r = {.p = text, .end = text + n, .line_start = text, .line = 1, .a = a};
    struct table t = {0};
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* a byte order mark */
        r.p = r.line_start = text + 3;
    if (!find_line(&r))
        return nb_fail(e, NB_E_bad_file, "the table is empty");
    if (settle_first(&r, &t, how, e) ||
        (how->columns ? add_specs(&r, &t, how->columns, out, e) : add_each(&r, &t, out, e)) || make_room(&r, out, e))
        return -1;
    while (find_line(&r)) {
        if (read_row(&r, &t, out, e))
            return -1;
        next_line(&r);
    }
    return 0;
}
