/* uri.c - path segments and query of a request target. */
#include "http/uri.h"
#include <ctype.h>
#include <string.h>

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

bool nb_uri_clean(const char *raw)
{
    for (const char *p = raw; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
        if (*p == '%' && (hex(p[1]) < 0 || hex(p[2]) < 0 || (p[1] == '0' && p[2] == '0')))
            return false;
    }
    return true;
}

/* In place; plus: + is a blank. */
static void decode(char *s, bool plus)
{
    char *to = s;
    for (; *s; s++)
        if (*s == '%') {
            *to++ = (char)(hex(s[1]) * 16 + hex(s[2]));
            s += 2;
        } else {
            *to++ = plus && *s == '+' ? ' ' : *s;
        }
    *to = 0;
}

static bool is_utf8(const char *s)
{
    const signed char *p = (const signed char *)s;
    while (*p > 0)
        p++;
    if (!*p)
        return true;
    json_t *j = json_string(s);
    json_decref(j);
    return j != NULL;
}

static int read_path(char *path, struct nb_uri *u, struct nb_error *e)
{
    char *next = *path == '/' ? path + 1 : NULL;
    for (char *s = next; s; s = next) {
        next = strchr(s, '/');
        if (next)
            *next++ = 0;
        decode(s, false);
        if (!is_utf8(s))
            return nb_fail(e, NB_E_bad_request, "the path is not UTF-8");
        if (u->nsegments == NB_MAX_SEGMENTS)
            return u->nsegments++, 0;
        u->segment[u->nsegments++] = s;
    }
    return 0;
}

static int add_pair(struct nb_uri *u, char *pair, struct nb_error *e)
{
    char *value = strchr(pair, '=');
    if (value)
        *value++ = 0;
    else
        value = pair + strlen(pair);
    decode(pair, true);
    decode(value, true);
    if (!is_utf8(pair) || !is_utf8(value))
        return nb_fail(e, NB_E_bad_request, "the query is not UTF-8");
    for (size_t i = 0; i < u->nquery; i++)
        if (!strcmp(u->query[i].name, pair)) {
            nb_fail(e, NB_E_bad_parameter, "the query parameter %.60s is there twice", pair);
            return nb_at(e, pair);
        }
    if (u->nquery == NB_MAX_QUERY)
        return nb_fail(e, NB_E_bad_parameter, "at most %d query parameters", (int)NB_MAX_QUERY);
    u->query[u->nquery++] = (struct nb_pair){pair, value};
    return 0;
}

static int read_query(char *query, struct nb_arena *a, struct nb_uri *u, struct nb_error *e)
{
    u->query = nb_small(a, NB_MAX_QUERY, sizeof *u->query, e);
    if (!u->query)
        return -1;
    for (char *s = query, *next; s; s = next) {
        next = strchr(s, '&');
        if (next)
            *next++ = 0;
        if (*s && add_pair(u, s, e))
            return -1;
    }
    return 0;
}

int nb_uri_read(const char *raw, struct nb_arena *a, struct nb_uri *u, struct nb_error *e)
{
    char *copy = nb_strdup(a, raw, e);
    if (!copy)
        return -1;
    *u = (struct nb_uri){.nsegments = 0};
    char *query = strchr(copy, '?');
    if (query)
        *query++ = 0;
    return read_path(copy, u, e) || (query && read_query(query, a, u, e)) ? -1 : 0;
}
