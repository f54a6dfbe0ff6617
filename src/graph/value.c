/* value - JSON values of a graph: numbers, whole numbers, small tensors, names. */
#include "graph/value.h"
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *nb_json_kind(const json_t *j)
{
    if (!j)
        return "nothing";
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",    [JSON_FALSE] = "false",     [JSON_NULL] = "null"};
    return kinds[json_typeof(j)];
}

int nb_fail_type(struct nb_error *e, const char *wanted, const json_t *came)
{
    const char *s = json_string_value(came);
    if (s)
        return nb_fail(e, NB_E_wrong_type, "%s is expected, the string \"%.60s\" came", wanted, s);
    return nb_fail(e, NB_E_wrong_type, "%s is expected, %s came", wanted, nb_json_kind(came));
}

bool nb_number_word(const char *s, double *v)
{
    if (!strcmp(s, "NaN"))
        *v = NAN;
    else if (!strcmp(s, "Infinity"))
        *v = INFINITY;
    else if (!strcmp(s, "-Infinity"))
        *v = -INFINITY;
    else
        return false;
    return true;
}

int nb_read_real(const json_t *j, double *v, struct nb_error *e)
{
    if (json_is_string(j) && nb_number_word(json_string_value(j), v))
        return 0;
    if (!json_is_number(j))
        return nb_fail_type(e, "a number", j);
    *v = json_number_value(j);
    return 0;
}

int nb_read_whole(const json_t *j, int64_t *v, struct nb_error *e)
{
    if (json_is_integer(j) && json_integer_value(j) > INT64_MIN / 2) {
        *v = json_integer_value(j);
        return 0;
    }
    double d = json_is_real(j) ? json_real_value(j) : NAN;
    if (!(d == floor(d) && fabs(d) <= 9007199254740992.0))
        return nb_fail_type(e, "a whole number", j);
    *v = (int64_t)d;
    return 0;
}

/* ---- small tensors ------------------------------------------------------------------------------------------------
 */

static int shape_of(const json_t *j, struct nb_shape *s, struct nb_error *e)
{
    s->rank = 0;
    for (; json_is_array(j); j = json_array_get(j, 0)) {
        if (s->rank == NB_MAX_RANK)
            return nb_fail(e, NB_E_bad_tensor, "a tensor has at most %d dimensions", NB_MAX_RANK);
        s->dim[s->rank++] = (int64_t)json_array_size(j);
        if (!json_array_size(j))
            break;
    }
    return 0;
}

/* At most NB_MAX_RANK deep. */
static int fill(const json_t *j, const struct nb_shape *s, int depth, double **at, struct nb_error *e)
{
    if (depth == s->rank)
        return nb_read_real(j, (*at)++, e);
    if (!json_is_array(j))
        return nb_fail_type(e, "a list", j);
    if ((int64_t)json_array_size(j) != s->dim[depth])
        return nb_fail(e, NB_E_bad_tensor, "the lists have different lengths: %lld and %zu", (long long)s->dim[depth],
                       json_array_size(j));
    for (size_t i = 0; i < json_array_size(j); i++)
        if (fill(json_array_get(j, i), s, depth + 1, at, e))
            return nb_at_index(e, i);
    return 0;
}

int nb_tensor_read(const json_t *j, struct nb_arena *a, struct nb_tensor *t, struct nb_error *e)
{
    struct nb_shape s;
    if (shape_of(j, &s, e) || nb_tensor_new(a, NB_F64, &s, t, e))
        return -1;
    double *at = t->data;
    return fill(j, &s, 0, &at, e);
}

/* ---- names --------------------------------------------------------------------------------------------------------
 */

bool nb_is_name(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return n && n <= 63 && !s[n] && !isdigit((unsigned char)*s);
}

int nb_check_name(const char *s, struct nb_error *e)
{
    if (nb_is_name(s))
        return 0;
    return nb_fail(e, NB_E_bad_name,
                   "names match [A-Za-z_][A-Za-z0-9_]* and have at most 63 characters; \"%.80s\" came", s);
}

bool nb_word_in(const char *s, ...)
{
    va_list words;
    bool found = false;
    va_start(words, s);
    for (const char *w; !found && (w = va_arg(words, const char *));)
        found = !strcmp(s, w);
    va_end(words);
    return found;
}

void nb_add_name(char *list, size_t size, const char *name)
{
    size_t n = strlen(list);
    snprintf(list + n, size - n, "%s%s", n ? ", " : "", name);
}

static bool key_known(const char *key, va_list words, char *all, size_t size)
{
    for (const char *w; (w = va_arg(words, const char *));) {
        if (!strcmp(key, w))
            return true;
        nb_add_name(all, size, w);
    }
    return false;
}

int nb_check_keys(const json_t *object, struct nb_error *e, ...)
{
    const char *key;
    json_t *j;
    json_object_foreach ((json_t *)object, key, j) {
        char all[300] = "";
        va_list words;
        va_start(words, e);
        bool known = key_known(key, words, all, sizeof all);
        va_end(words);
        if (!known)
            return nb_fail(e, NB_E_unknown_key, "there is no key \"%.60s\" here; there are %s", key, all),
                   nb_at(e, key);
    }
    return 0;
}

bool nb_glob(const char *pattern, const char *s)
{
    const char *star = NULL, *back = NULL;
    while (*s) {
        if (*pattern == '*') {
            star = pattern++;
            back = s;
        } else if (*pattern == '?' || *pattern == *s) {
            pattern++;
            s++;
        } else if (star) {
            pattern = star + 1;
            s = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* Edit distance without regard to case, given up beyond names of 31 characters. */
static int distance(const char *a, const char *b)
{
    int row[33], n = (int)strlen(b);
    if (strlen(a) > 31 || n > 31)
        return 99;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            diagonal = row[j];
            row[j] = change < row[j - 1] + 1 ? change : row[j - 1] + 1;
            row[j] = row[j] < diagonal + 1 ? row[j] : diagonal + 1;
        }
    }
    return row[n];
}

const char *nb_nearest(const char *word, const char *const *names, size_t n)
{
    int best = 3;
    const char *found = NULL;
    for (size_t i = 0; i < n; i++) {
        int d = distance(word, names[i]);
        if (d < best && d < (int)strlen(names[i])) {
            best = d;
            found = names[i];
        }
    }
    return found;
}
