/* print.c - JSON text out. */
#include "wire/print.h"
#include "nabla/limits.h"
#include "wire/digits.h"
#include <math.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------------------------------------
 */

/* Room for n more characters, and one NUL. */
static int room(struct nb_text *t, size_t n, struct nb_error *e)
{
    if (n < t->cap - t->n)
        return 0;
    size_t cap = 2 * t->cap > t->n + n + 1 ? 2 * t->cap : t->n + n + 64;
    char *v = nb_small(t->arena, cap, 1, e);
    if (!v)
        return -1;
    if (t->n)
        memcpy(v, t->v, t->n);
    t->v = v;
    t->cap = cap;
    return 0;
}

int nb_putn(struct nb_text *t, const char *s, size_t n, struct nb_error *e)
{
    if (room(t, n, e))
        return -1;
    memcpy(t->v + t->n, s, n);
    t->n += n;
    t->v[t->n] = 0;
    return 0;
}

int nb_put(struct nb_text *t, const char *s, struct nb_error *e)
{
    return nb_putn(t, s, strlen(s), e);
}

size_t nb_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    static const struct {
        unsigned char first, last, low, high; /* range of the first byte, and of the second */
    } rows[] = {{0xC2, 0xDF, 0x80, 0xBF}, {0xE0, 0xE0, 0xA0, 0xBF}, {0xE1, 0xEC, 0x80, 0xBF}, {0xED, 0xED, 0x80, 0x9F},
                {0xEE, 0xEF, 0x80, 0xBF}, {0xF0, 0xF0, 0x90, 0xBF}, {0xF1, 0xF3, 0x80, 0xBF}, {0xF4, 0xF4, 0x80, 0x8F}};
    if (*s < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (*s < rows[i].first || *s > rows[i].last)
            continue;
        size_t n = *s < 0xE0 ? 2 : *s < 0xF0 ? 3 : 4, k = 2;
        if (s[1] < rows[i].low || s[1] > rows[i].high)
            return 0;
        while (k < n && (s[k] & 0xC0) == 0x80)
            k++;
        return k == n ? n : 0;
    }
    return 0;
}

/* How many bytes of s need no escape. */
static size_t plain(const char *s)
{
    size_t n = 0;
    for (const unsigned char *u = (const unsigned char *)s;
         u[n] >= 0x20 && u[n] != '"' && u[n] != '\\' && u[n] != 0x7f;) {
        size_t k = nb_utf8(s + n);
        if (k == 0)
            break;
        n += k;
    }
    return n;
}

static int put_escaped(struct nb_text *t, unsigned char c, struct nb_error *e)
{
    static const char hex[] = "0123456789abcdef", from[] = "\"\\\n\t\r\b\f", to[] = "\"\\ntrbf";
    const char *known = strchr(from, c);
    if (known)
        return nb_putn(t, (char[]){'\\', to[known - from]}, 2, e);
    if (c >= 0x80)
        return nb_put(t, "\\ufffd", e);
    return nb_putn(t, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6, e);
}

int nb_put_string(struct nb_text *t, const char *s, struct nb_error *e)
{
    int failed = nb_putn(t, "\"", 1, e);
    while (*s && !failed) {
        size_t n = plain(s);
        failed = nb_putn(t, s, n, e);
        s += n;
        if (*s && !failed)
            failed = put_escaped(t, (unsigned char)*s++, e);
    }
    return failed ? -1 : nb_putn(t, "\"", 1, e);
}

/* ---- numbers and tensors ------------------------------------------------------------------------------------------
 */

enum { MOST = NB_DIGITS_MAX }; /* characters of one number, its comma and brackets not counted */

static char *copy(char *p, const char *word)
{
    size_t n = strlen(word);
    memcpy(p, word, n);
    return p + n;
}

static char *write_real(char *p, double v, bool single)
{
    if (isfinite(v))
        return nb_digits(p, v, single);
    return copy(p, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static char *write_entry(char *p, const struct nb_tensor *x, size_t i)
{
    switch (x->dtype) {
    case NB_F32:
        return write_real(p, (double)((const float *)x->data)[i], true);
    case NB_F64:
        return write_real(p, ((const double *)x->data)[i], false);
    case NB_I64:
        return nb_digits_whole(p, ((const int64_t *)x->data)[i]);
    case NB_I32:
        return nb_digits_whole(p, ((const int32_t *)x->data)[i]);
    default:
        return copy(p, ((const uint8_t *)x->data)[i] ? "true" : "false");
    }
}

int nb_put_number(struct nb_text *t, double v, enum nb_dtype d, struct nb_error *e)
{
    if (room(t, MOST, e))
        return -1;
    char *p = t->v + t->n;
    if (d == NB_BOOL)
        p = copy(p, v != 0 ? "true" : "false");
    else
        p = write_real(p, v, d == NB_F32);
    t->n = (size_t)(p - t->v);
    *p = 0;
    return 0;
}

static int put_entries(struct nb_text *t, const struct nb_tensor *x, size_t first, size_t n, struct nb_error *e)
{
    for (size_t i = 0; i < n; i++) {
        if (room(t, MOST + 1, e))
            return -1;
        char *p = t->v + t->n;
        if (i > 0)
            *p++ = ',';
        p = write_entry(p, x, first + i);
        *p = 0;
        t->n = (size_t)(p - t->v);
    }
    return 0;
}

/* "]],[[" between two rows: some arrays end, some begin. */
static int put_brackets(struct nb_text *t, int closed, bool comma, int opened, struct nb_error *e)
{
    char buf[2 * NB_MAX_RANK + 1], *p = buf;
    memset(p, ']', (size_t)closed);
    p += closed;
    if (comma)
        *p++ = ',';
    memset(p, '[', (size_t)opened);
    return nb_putn(t, buf, (size_t)(p - buf + opened), e);
}

/* How many of the `outer` arrays around row r begin with it. */
static int begun(const struct nb_shape *s, int outer, size_t r)
{
    int k = 0;
    for (size_t size = 1; k < outer; k++) {
        size *= (size_t)s->dim[outer - 1 - k];
        if (r % size)
            break;
    }
    return k;
}

int nb_put_tensor(struct nb_text *t, const struct nb_tensor *x, struct nb_error *e)
{
    const struct nb_shape *s = &x->shape;
    if (x->dtype == NB_C128)
        return nb_fail(e, NB_E_internal, "complex numbers have no JSON");
    if (s->rank == 0)
        return put_entries(t, x, 0, 1, e);
    int last =
        0; /* the dimension of the rows: the last, or the first without entries: [[],[]] is all there is of [2,0,3] */
    size_t rows = 1;
    for (; last < s->rank - 1 && s->dim[last]; last++)
        rows *= (size_t)s->dim[last];
    size_t n = (size_t)s->dim[last];
    for (size_t r = 0; r < rows; r++) {
        int k = begun(s, last, r);
        if (put_brackets(t, r ? k + 1 : 0, r > 0, k + 1, e) || put_entries(t, x, r * n, n, e))
            return -1;
    }
    return put_brackets(t, last + 1, false, 0, e);
}

int nb_put_tensors(struct nb_text *t, const struct nb_tensors *l, struct nb_error *e)
{
    for (size_t i = 0; i < l->n; i++)
        if (nb_put(t, i ? "," : "{", e) || nb_put_string(t, l->v[i].name, e) || nb_put(t, ":", e) ||
            nb_put_tensor(t, &l->v[i].t, e))
            return -1;
    return nb_put(t, l->n ? "}" : "{}", e);
}

/* ---- trees --------------------------------------------------------------------------------------------------------
 */

/* An array or object that is being written. */
struct level {
    const json_t *j;
    size_t next;
    void *iterator;
};

/* A real keeps its point or exponent, so that it comes back as a real. */
static int put_real(struct nb_text *t, double v, struct nb_error *e)
{
    size_t begin = t->n;
    if (nb_put_number(t, v, NB_F64, e))
        return -1;
    return strpbrk(t->v + begin, ".e") ? 0 : nb_put(t, ".0", e);
}

static int put_leaf(struct nb_text *t, const json_t *j, struct nb_error *e)
{
    switch (json_typeof(j)) {
    case JSON_STRING:
        return nb_put_string(t, json_string_value(j), e);
    case JSON_INTEGER: {
        char buf[MOST];
        return nb_putn(t, buf, (size_t)(nb_digits_whole(buf, json_integer_value(j)) - buf), e);
    }
    case JSON_REAL:
        return put_real(t, json_real_value(j), e);
    case JSON_TRUE:
        return nb_put(t, "true", e);
    case JSON_FALSE:
        return nb_put(t, "false", e);
    default:
        return nb_put(t, "null", e);
    }
}

/* The next value inside a level, its comma and key written; NULL at its end, or after an error. */
static const json_t *next_value(struct nb_text *t, struct level *l, struct nb_error *e)
{
    bool array = json_is_array(l->j);
    if (array ? l->next == json_array_size(l->j) : !l->iterator) {
        nb_put(t, array ? "]" : "}", e);
        return NULL;
    }
    if (l->next++ > 0 && nb_put(t, ",", e))
        return NULL;
    if (array)
        return json_array_get(l->j, l->next - 1);
    const json_t *j = json_object_iter_value(l->iterator);
    if (nb_put_string(t, json_object_iter_key(l->iterator), e) || nb_put(t, ":", e))
        return NULL;
    l->iterator = json_object_iter_next((json_t *)l->j, l->iterator);
    return j;
}

int nb_put_json(struct nb_text *t, const json_t *j, struct nb_error *e)
{
    struct level *stack = NULL;
    size_t n = 0, cap = 0;
    while (j || n) {
        if (json_is_array(j) || json_is_object(j)) {
            if (nb_grow(t->arena, &stack, n, &cap, sizeof *stack, e) || nb_put(t, json_is_array(j) ? "[" : "{", e))
                return -1;
            stack[n++] = (struct level){j, 0, json_object_iter((json_t *)j)};
        } else if (j && put_leaf(t, j, e)) {
            return -1;
        }
        if (n == 0)
            return 0;
        j = next_value(t, &stack[n - 1], e);
        if (e->code)
            return -1;
        n -= !j;
    }
    return 0;
}
