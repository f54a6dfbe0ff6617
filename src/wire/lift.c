/* lift.c - one pass over a JSON body: tensors into buffers, the rest to Jansson.
 *
 * The walker outside of tensors does not check the grammar, it only follows strings, brackets and keys: what it copies
 * goes through Jansson, and a lifted value is replaced by " 3 ", which stands for a value and for nothing else. Only
 * inside of tensors all of the grammar is here. The text ends with a NUL byte and has no other, so *p may always be
 * read. */
#include "wire/lift.h"
#include "nabla/limits.h"
#include "wire/jsonmem.h"
#include "wire/print.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_NESTING = 256 };

/* A piece of the text: a key without its quotes. */
struct slice {
    const char *v;
    size_t n;
};

/* An array or object that is open. */
struct level {
    struct slice key; /* of the value that comes, v NULL in front of a key */
    size_t index;     /* of the value that comes, in an array */
    bool object;
};

/* Where the rest and the body part ways: from `rest` on, the rest is the body from `body` on. */
struct mark {
    size_t rest, body;
};

struct lifter {
    const char *text, *p, *end;
    const char *copied; /* what lies before is in the rest */
    const struct nb_lift_rule *rules;
    size_t nrules;
    struct nb_arena *arena;
    struct nb_text rest;
    struct mark *marks;
    size_t lifted, marks_cap; /* tensors so far, each with a mark */
    char *room, *room_end;    /* for entries of tensors */
    struct nb_error *e;
    int depth;
    struct level level[MOST_NESTING];
};

/* A tensor while it is read. */
struct shape {
    int depth, rank;            /* open arrays; -1 until the first entry or end of an array shows it */
    int64_t size[NB_MAX_RANK];  /* -1 until the first array of this level ends */
    int64_t index[NB_MAX_RANK]; /* of the value that comes */
    enum { NO_KIND, NUMBERS, TRUTHS } kind;
    double *first, *next, *last; /* the entries; truths are int64_t */
    struct nb_shown shown;
};

/* ---- places and errors --------------------------------------------------------------------------------------------
 */

/* Line and column, counted from 1 in characters, of text[at]. */
static void set_position(struct nb_error *e, const char *text, size_t at)
{
    e->line = e->column = 1;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            e->line++;
            e->column = 1;
        } else {
            e->column += ((unsigned char)text[i] & 0xC0) != 0x80;
        }
    }
}

static void fail_syntax(struct lifter *l, const char *at, const char *what)
{
    if (l->e->code)
        return;
    nb_fail(l->e, NB_E_json_syntax, "%s", what);
    set_position(l->e, l->text, (size_t)(at - l->text));
}

/* The steps of the walker, in front of those inside the tensor. */
static int at_levels(struct lifter *l)
{
    for (int i = l->depth - 1; i >= 0; i--) {
        const struct slice *k = &l->level[i].key;
        char key[sizeof l->e->pointer];
        snprintf(key, sizeof key, "%.*s", (int)k->n, k->v ? k->v : "");
        if (l->level[i].object)
            nb_at(l->e, key);
        else
            nb_at_index(l->e, l->level[i].index);
    }
    return -1;
}

/* The place of the value that comes inside `depth` arrays of a tensor. */
static int at_entry(struct lifter *l, const struct shape *s, int depth)
{
    for (int i = depth - 1; i >= 0; i--)
        nb_at_index(l->e, (size_t)s->index[i]);
    return at_levels(l);
}

#define NAMES "the numbers that JSON lacks are written as strings: \"NaN\", \"Infinity\", \"-Infinity\""

static bool bare_name(const char *p)
{
    p += *p == '-' || *p == '+';
    return strncmp(p, "NaN", 3) == 0 || strncmp(p, "Infinity", 8) == 0 || strncmp(p, "nan", 3) == 0 ||
           strncmp(p, "inf", 3) == 0;
}

/* ---- inside a tensor ----------------------------------------------------------------------------------------------
 */

static const char *skip_space(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')
        p++;
    return p;
}

/* What stands at p, for an error. */
static const char *kind_at(const char *p)
{
    switch (*p) {
    case '[':
        return "a list";
    case '{':
        return "an object";
    case '"':
        return "a string";
    case 'n':
        return "null";
    case 't':
    case 'f':
        return "a truth value";
    default:
        return "a number";
    }
}

/* The value at p cannot stand there: JSON, but not of a tensor; or not even JSON. */
static int wrong_value(struct lifter *l, const struct shape *s)
{
    const char *p = l->p;
    bool json = strchr("[{\"", *p) || strncmp(p, "null", 4) == 0;
    if (bare_name(p))
        fail_syntax(l, p, NAMES);
    else if (!*p)
        fail_syntax(l, p, "the text ends inside of a tensor");
    else if (!json)
        fail_syntax(l, p, "a value is expected");
    else if (*p == '"')
        nb_fail(l->e, NB_E_bad_tensor,
                "a number is expected, a string came; only \"NaN\", \"Infinity\", \"-Infinity\" are");
    else
        nb_fail(l->e, NB_E_bad_tensor, "a number or lists of numbers are expected, %s came", kind_at(p));
    return at_entry(l, s, s->depth);
}

/* An entry or an array stands at p. True if one can, beside what came before. */
static bool fits(struct lifter *l, struct shape *s, bool array)
{
    if (s->rank < 0 && !array)
        s->rank = s->depth;
    if (s->rank < 0 ? s->depth < NB_MAX_RANK : (s->depth < s->rank) == array)
        return true;
    if (s->rank < 0 || s->depth == NB_MAX_RANK)
        nb_fail(l->e, NB_E_bad_tensor, "a tensor has at most %d dimensions", NB_MAX_RANK);
    else
        nb_fail(l->e, NB_E_bad_tensor, "%s is expected as before, %s came", array ? "a number" : "a list",
                kind_at(l->p));
    at_entry(l, s, s->depth);
    return false;
}

static bool of_kind(struct lifter *l, struct shape *s, int kind)
{
    if (s->kind == NO_KIND)
        s->kind = kind;
    if ((int)s->kind == kind)
        return true;
    nb_fail(l->e, NB_E_bad_tensor, "a tensor holds numbers or truth values, not both");
    at_entry(l, s, s->depth);
    return false;
}

/* A whole number beyond 2^53 must be a double; whatever is beyond all doubles is an error. */
static int check_large(struct lifter *l, const struct shape *s, const char *end, double v)
{
    char exact[400];
    size_t n = (size_t)(end - l->p);
    if (isinf(v)) {
        nb_fail(l->e, NB_E_bad_number, "%.*s is beyond the range of a double", n < 60 ? (int)n : 60, l->p);
        return at_entry(l, s, s->depth);
    }
    if (memchr(l->p, '.', n) || memchr(l->p, 'e', n) || memchr(l->p, 'E', n))
        return 0;
    snprintf(exact, sizeof exact, "%.0f", v);
    if (strlen(exact) == n && memcmp(exact, l->p, n) == 0)
        return 0;
    nb_fail(l->e, NB_E_bad_number,
            "%.*s is a whole number beyond 2^53 that no double holds exactly; the nearest is %.60s",
            n < 60 ? (int)n : 60, l->p, exact);
    return at_entry(l, s, s->depth);
}

/* Where the next entry goes. There is room, because each entry has its mark (count_marks). */
static double *place(struct lifter *l, struct shape *s)
{
    if (s->next < s->last)
        return s->next++;
    nb_fail(l->e, NB_E_internal, "more entries than their marks");
    return NULL;
}

static bool begins_number(char c)
{
    return c == '-' || (c >= '0' && c <= '9');
}

/* A number and those that follow it in the same array. Stops behind the last. */
static int read_numbers(struct lifter *l, struct shape *s)
{
    if (!fits(l, s, false) || !of_kind(l, s, NUMBERS))
        return -1;
    int64_t none, *index = s->depth ? &s->index[s->depth - 1] : &none;
    for (;;) {
        double *v = place(l, s);
        const char *q = v ? nb_number(l->p, l->end, v, &s->shown) : NULL;
        if (!q)
            return wrong_value(l, s);
        if (!(fabs(*v) < 0x1p53) && check_large(l, s, q, *v))
            return -1;
        l->p = q;
        if (*q != ',' || !s->depth)
            return 0;
        if (begins_number(q[1])) /* branches, which are guessed, not a sum that the next number waits for */
            l->p = q + 1;
        else if (q[1] == ' ' && begins_number(q[2]))
            l->p = q + 2;
        else
            return 0; /* the comma is seen once more */
        ++*index;
    }
}

/* The length of the word if it stands at p, else 0. */
static size_t word_at(const char *p, const char *word)
{
    size_t n = strlen(word);
    return strncmp(p, word, n) == 0 ? n : 0;
}

/* true, false, or one of the three strings. */
static int read_word(struct lifter *l, struct shape *s)
{
    static const struct {
        const char *word;
        int kind;
        double number;
        int64_t truth;
    } words[] = {{"true", TRUTHS, 0, 1},
                 {"false", TRUTHS, 0, 0},
                 {"\"NaN\"", NUMBERS, NAN, 0},
                 {"\"Infinity\"", NUMBERS, INFINITY, 0},
                 {"\"-Infinity\"", NUMBERS, -INFINITY, 0}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = word_at(l->p, words[i].word);
        if (n == 0)
            continue;
        if (!fits(l, s, false) || !of_kind(l, s, words[i].kind))
            return -1;
        double *v = place(l, s);
        if (!v)
            return -1;
        memcpy(v, words[i].kind == NUMBERS ? (const void *)&words[i].number : &words[i].truth, sizeof *v);
        l->p += n;
        return 0;
    }
    return wrong_value(l, s);
}

/* The innermost array ends at p. */
static int close_array(struct lifter *l, struct shape *s, int64_t n)
{
    int d = s->depth - 1;
    if (s->rank < 0)
        s->rank = s->depth;
    if (s->size[d] < 0)
        s->size[d] = n;
    s->depth--;
    l->p++;
    if (s->size[d] == n)
        return 0;
    nb_fail(l->e, NB_E_bad_tensor, "lists of the same length are expected: %" PRId64 " as before, %" PRId64 " came",
            s->size[d], n);
    return at_entry(l, s, d);
}

/* Brackets up to the next entry. 1 if the last one was empty, and so a value by itself. */
static int open_arrays(struct lifter *l, struct shape *s)
{
    for (l->p = skip_space(l->p); *l->p == '['; l->p = skip_space(l->p + 1)) {
        if (!fits(l, s, true))
            return -1;
        s->index[s->depth++] = 0;
    }
    if (*l->p != ']' || s->depth == 0 || s->index[s->depth - 1] > 0)
        return 0;
    return close_array(l, s, 0) ? -1 : 1;
}

/* Behind a value: 1 if another one follows, 0 at the end of the tensor. */
static int behind_value(struct lifter *l, struct shape *s)
{
    for (; s->depth > 0;) {
        l->p = skip_space(l->p);
        int64_t *index = &s->index[s->depth - 1];
        if (*l->p == ',') {
            l->p++;
            ++*index;
            return 1;
        }
        if (*l->p != ']') {
            fail_syntax(l, l->p, *l->p ? "a comma or ] is expected" : "the text ends inside of a tensor");
            return at_entry(l, s, s->depth);
        }
        if (close_array(l, s, *index + 1))
            return -1;
    }
    return 0;
}

static int read_entries(struct lifter *l, struct shape *s)
{
    for (int more = 1; more > 0;) {
        int empty = open_arrays(l, s);
        if (empty < 0)
            return -1;
        if (!empty && (begins_number(*l->p) ? read_numbers(l, s) : read_word(l, s)))
            return -1;
        more = behind_value(l, s);
        if (more < 0)
            return -1;
    }
    return 0;
}

/* ---- tensors in the body ------------------------------------------------------------------------------------------
 */

/* At most one entry stands behind each of these. */
static size_t count_marks(const char *p, const char *end)
{
    size_t n = 0;
    for (; end - p >= 64; p += 64) {
        uint8_t part = 0;
        for (int i = 0; i < 64; i++)
            part += (uint8_t)((p[i] == ',') + (p[i] == '[') + (p[i] == ':'));
        n += part;
    }
    for (; p < end; p++)
        n += (size_t)((*p == ',') + (*p == '[') + (*p == ':'));
    return n;
}

/* Room for the entries of all tensors that may still come. */
static int make_room(struct lifter *l)
{
    size_t n = 1 + count_marks(l->p, l->end), tensors = (size_t)nb_limits.tensors;
    size_t gaps = NB_ALIGN / sizeof(double) * (n < tensors ? n : tensors);
    l->room = nb_alloc(l->arena, n + gaps, sizeof(double), l->e);
    l->room_end = l->room + (n + gaps) * sizeof(double);
    return l->room ? 0 : -1;
}

/* Whole numbers do not tell what they were rounded to: where nothing else is, they are taken as they are. Among others
 * they do show significant digits. A zero has one, like a 1 in its place. */
static struct nb_digits digits_of(const struct nb_shown *s)
{
    int n = 1;
    for (uint64_t m = s->most; m >= 10; m /= 10)
        n++;
    return s->decimals < 0 || n >= 15 ? (struct nb_digits){0} : (struct nb_digits){s->decimals, n};
}

static int read_tensor(struct lifter *l, struct nb_tensor *t, struct nb_digits *digits)
{
    if (!l->room && make_room(l))
        return -1;
    struct shape s = {.rank = -1,
                      .first = (double *)l->room,
                      .next = (double *)l->room,
                      .last = (double *)l->room_end,
                      .shown = {0, -1}};
    memset(s.size, 0xff, sizeof s.size);
    if (read_entries(l, &s))
        return -1;
    *t = (struct nb_tensor){s.kind == TRUTHS ? NB_I64 : NB_F64, {.rank = s.rank}, s.first};
    for (int i = 0; i < s.rank; i++)
        t->shape.dim[i] = s.size[i];
    *digits = digits_of(&s.shown);
    size_t used = (size_t)((char *)s.next - l->room);
    l->room += (used + NB_ALIGN - 1) / NB_ALIGN * NB_ALIGN;
    return 0;
}

/* Copies the text before p into the rest. */
static int copy_rest(struct lifter *l, const char *p)
{
    size_t n = (size_t)(p - l->copied);
    if ((int64_t)(l->rest.n + n) > nb_limits.json)
        return NB_OVER(l->e, json, (int64_t)(l->rest.n + n));
    if (nb_putn(&l->rest, l->copied, n, l->e))
        return -1;
    l->copied = p;
    return 0;
}

static int lift_value(struct lifter *l, struct nb_tensors *to, struct slice name)
{
    struct nb_tensor t;
    struct nb_digits digits;
    char index[24];
    l->p = skip_space(l->p);
    if ((int64_t)l->lifted == nb_limits.tensors)
        return NB_OVER(l->e, tensors, (int64_t)l->lifted + 1);
    if (copy_rest(l, l->p) || read_tensor(l, &t, &digits))
        return -1;
    char *copy = nb_strndup(l->arena, name.v, name.n, l->e);
    if (!copy || nb_tensors_add(l->arena, to, copy, t, l->e) ||
        nb_putn(&l->rest, index, (size_t)snprintf(index, sizeof index, " %zu ", l->lifted), l->e) ||
        nb_grow(l->arena, &l->marks, l->lifted, &l->marks_cap, sizeof *l->marks, l->e))
        return -1;
    to->v[to->n - 1].digits = digits;
    l->marks[l->lifted++] = (struct mark){l->rest.n, (size_t)(l->p - l->text)};
    l->copied = l->p;
    return 0;
}

/* ---- the walk -----------------------------------------------------------------------------------------------------
 */

/* The key of a level as text; indices are written into buf. */
static struct slice step_of(const struct level *v, char buf[24])
{
    if (v->object)
        return v->key;
    return (struct slice){buf, (size_t)snprintf(buf, 24, "%zu", v->index)};
}

/* True if the open levels spell the pattern. *name is the key where * stands, or the last one. */
static bool matches(const struct lifter *l, const char *pattern, struct slice *name, char buf[24])
{
    bool star = false;
    for (int i = 0; i < l->depth; i++) {
        if (*pattern++ != '/')
            return false;
        size_t n = strcspn(pattern, "/");
        bool any = n == 1 && *pattern == '*';
        struct slice key = step_of(&l->level[i], buf);
        if (!key.v || (!any && (n != key.n || memcmp(pattern, key.v, n))))
            return false;
        if (any || (!star && i == l->depth - 1))
            *name = key;
        star |= any;
        pattern += n;
    }
    return !*pattern && l->depth;
}

/* A value comes: a tensor if a rule says so. */
static int at_value(struct lifter *l)
{
    const char *p = skip_space(l->p);
    if (*p == ']' || *p == '}' || *p == ',' || !*p)
        return 0; /* an empty array, or a fault that Jansson finds */
    for (size_t i = 0; i < l->nrules; i++) {
        struct slice name = {"", 0};
        char buf[24];
        if (matches(l, l->rules[i].pattern, &name, buf))
            return lift_value(l, l->rules[i].to, name);
    }
    return 0;
}

/* A key with escapes, as its characters; a wrong one stays as it is, Jansson finds it in the rest. */
static int unescape(struct lifter *l, struct slice *key)
{
    json_t *j = l->p - l->copied <= nb_limits.json ? json_loadb(key->v - 1, key->n + 2, JSON_DECODE_ANY, NULL) : NULL;
    if (!j)
        return 0;
    *key =
        (struct slice){nb_strndup(l->arena, json_string_value(j), json_string_length(j), l->e), json_string_length(j)};
    json_decref(j);
    return key->v ? 0 : -1;
}

/* A string begins at p: a key, or a value that is of no interest. */
static int pass_string(struct lifter *l)
{
    struct slice s = {l->p + 1, 0};
    bool escapes = false;
    const char *q = s.v;
    for (; *q && *q != '"'; q++)
        if (*q == '\\') {
            escapes = true;
            q += q[1] != 0;
        }
    s.n = (size_t)(q - s.v);
    l->p = *q ? q + 1 : q;
    struct level *v = l->depth ? &l->level[l->depth - 1] : NULL;
    if (!v || !v->object || v->key.v)
        return 0;
    v->key = s;
    return escapes && *q ? unescape(l, &v->key) : 0;
}

static int open_level(struct lifter *l, bool object)
{
    if (l->depth >= nb_limits.json_nesting || l->depth == MOST_NESTING) {
        NB_OVER(l->e, json_nesting, l->depth + 1);
        return at_levels(l);
    }
    l->level[l->depth++] = (struct level){.object = object};
    l->p++;
    return object ? 0 : at_value(l);
}

static int pass_comma(struct lifter *l)
{
    struct level *v = l->depth ? &l->level[l->depth - 1] : NULL;
    l->p++;
    if (!v)
        return 0;
    v->key = (struct slice){NULL, 0};
    v->index++;
    return v->object ? 0 : at_value(l);
}

static int pass_colon(struct lifter *l)
{
    struct level *v = l->depth ? &l->level[l->depth - 1] : NULL;
    l->p++;
    return v && v->object && v->key.v ? at_value(l) : 0;
}

static int close_level(struct lifter *l)
{
    l->p++;
    l->depth -= l->depth > 0;
    return 0;
}

static int pass(struct lifter *l)
{
    switch (*l->p) {
    case '{':
    case '[':
        return open_level(l, *l->p == '{');
    case '}':
    case ']':
        return close_level(l);
    case '"':
        return pass_string(l);
    case ',':
        return pass_comma(l);
    case ':':
        return pass_colon(l);
    default:
        l->p++;
        return 0;
    }
}

static int walk(struct lifter *l)
{
    while (*l->p && l->p - l->copied <= nb_limits.json)
        if (pass(l))
            return -1;
    return copy_rest(l, l->p);
}

/* ---- the rest -----------------------------------------------------------------------------------------------------
 */

/* Where in the body byte `at` of the rest comes from. */
static size_t in_body(const struct lifter *l, size_t at)
{
    size_t n = l->lifted;
    while (n > 0 && l->marks[n - 1].rest > at)
        n--;
    if (n > 0)
        at += l->marks[n - 1].body - l->marks[n - 1].rest;
    return at;
}

/* NaN, Infinity or -Infinity, of which p is a character: where it begins, else NULL. */
static const char *bare_name_around(const char *text, const char *p)
{
    const char *begin = p;
    while (begin > text && p - begin < 9 && begin[-1] && strchr("NaInfity-+", begin[-1]))
        begin--;
    return bare_name(begin) ? begin : NULL;
}

/* Jansson reports where what it could not take ends. */
static void fail_rest(struct lifter *l, const json_error_t *je, bool over)
{
    size_t at = in_body(l, je->position > 0 ? (size_t)je->position - 1 : 0), size = (size_t)(l->end - l->text);
    const char *p = l->text + (at < size ? at : size), *name = bare_name_around(l->text, p);
    enum json_error_code code = json_error_code(je);
    if (over) {
        nb_fail(l->e, NB_E_limit, "json: the tree takes more than %" PRId64 " bytes of memory, 8 times --limit-json",
                8 * nb_limits.json);
        l->e->option = "--limit-json";
    } else if (code == json_error_out_of_memory) {
        nb_fail_memory(l->e);
    } else if (code == json_error_duplicate_key) {
        nb_fail(l->e, NB_E_duplicate_key, "%s", je->text);
        set_position(l->e, l->text, (size_t)(p - l->text));
    } else {
        fail_syntax(l, name ? name : p, name ? NAMES : je->text);
    }
}

int nb_lift(const char *text, size_t n, const struct nb_lift_rule *rules, size_t nrules, struct nb_arena *a,
            json_t **rest, struct nb_error *e)
{
    struct lifter l; /* 10 KB, not all of them set to zero */
    memset(&l, 0, offsetof(struct lifter, level));
    l.text = l.p = l.copied = text;
    l.end = text + n;
    l.rules = rules;
    l.nrules = nrules;
    l.rest.arena = l.arena = a;
    l.e = e;
    const char *nul = n ? memchr(text, 0, n) : NULL;
    if (nul)
        return fail_syntax(&l, nul, "a NUL byte"), -1;
    if (walk(&l))
        return -1;
    struct nb_json_budget budget = {.cap = 8 * (size_t)nb_limits.json};
    json_error_t je;
    *rest = nb_json_load(l.rest.v ? l.rest.v : "", l.rest.n, &budget, &je);
    if (!*rest)
        fail_rest(&l, &je, budget.over);
    return *rest ? 0 : -1;
}
