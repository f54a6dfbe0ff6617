/* guard.c - what is refused, in the order of the checks: target, version, headers, framing, host. */
#include "http/guard.h"
#include "http/options.h"
#include "http/reply.h"
#include "http/uri.h"
#include <string.h>
#include <strings.h>

enum { MAX_HOSTS = 32 };
static struct {
    const char *name[MAX_HOSTS];
    size_t n; /* 0: any */
    char text[1024];
} allowed;

static bool is_loopback(const char *address)
{
    return !strncmp(address, "127.", 4) || !strcmp(address, "::1") || !strcmp(address, "localhost");
}

int nb_guard_start(struct nb_error *e)
{
    const char *listed = nb_options.hosts, *bound = nb_options.bind;
    char *rest;
    int n;
    if (!*listed && !is_loopback(bound))
        return allowed.n = 0, 0;
    if (*listed)
        n = snprintf(allowed.text, sizeof allowed.text, "%s", listed);
    else
        n = snprintf(allowed.text, sizeof allowed.text, "localhost,127.0.0.1,[::1],%s", bound);
    if (n >= (int)sizeof allowed.text)
        return nb_fail(e, NB_E_bad_value, "hosts: at most %zu characters", sizeof allowed.text - 1);
    allowed.n = 0;
    for (char *s = strtok_r(allowed.text, ", ", &rest); s; s = strtok_r(NULL, ", ", &rest)) {
        if (allowed.n == MAX_HOSTS)
            return nb_fail(e, NB_E_bad_value, "hosts: at most %d names", (int)MAX_HOSTS);
        allowed.name[allowed.n++] = s;
    }
    return 0;
}

/* tchar of RFC 9110, 5.6.2. */
static const bool token[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true, ['#'] = true, ['$'] = true,
    ['%'] = true,         ['&'] = true,         ['\''] = true,        ['*'] = true, ['+'] = true, ['-'] = true,
    ['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true, ['|'] = true, ['~'] = true,
};

static bool is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!token[(unsigned char)s[i]])
            return false;
    return n > 0;
}

static bool is_value(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
            return false;
    return true;
}

/* Where the value of a header goes, and what counts it. */
static const char **place_of(struct nb_headers *h, const char *name, size_t n, int **count)
{
    const struct {
        const char *name;
        const char **value;
        int *count;
    } known[] = {
        {"Host", &h->host, &h->hosts},
        {"Accept", &h->accept, &h->others},
        {"Content-Type", &h->content_type, &h->others},
        {"Content-Length", &h->length, &h->lengths},
        {"Transfer-Encoding", &h->coding, &h->codings},
        {"If-Match", &h->if_match, &h->others},
        {"Last-Event-ID", &h->last_event, &h->others},
        {"Prefer", &h->prefer, &h->others},
        {"Authorization", &h->authorization, &h->keys},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == n && !strncasecmp(known[i].name, name, n)) {
            *count = known[i].count;
            return known[i].value;
        }
    return NULL;
}

static enum MHD_Result see(void *p, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
                           size_t value_n)
{
    struct nb_headers *h = p;
    int *count;
    const char **place = place_of(h, name, name_n, &count);
    (void)kind;
    h->bad_name |= !is_token(name, name_n);
    h->bad_value |= value && !is_value(value, value_n);
    if (place) {
        *place = value ? value : "";
        ++*count;
        h->respond_async |= place == &h->prefer && nb_prefers(*place, "respond-async");
    }
    return MHD_YES;
}

static bool host_known(const char *host)
{
    size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    for (size_t i = 0; i < allowed.n; i++)
        if (strlen(allowed.name[i]) == n && !strncasecmp(allowed.name[i], host, n))
            return true;
    return allowed.n == 0;
}

static int judge_framing(const struct nb_headers *h, struct nb_error *e)
{
    if (h->lengths > 1)
        return nb_fail(e, NB_E_bad_request, "Content-Length is there %d times", h->lengths);
    if (h->codings > 1)
        return nb_fail(e, NB_E_bad_request, "Transfer-Encoding is there %d times", h->codings);
    if (h->lengths && h->codings)
        return nb_fail(e, NB_E_bad_request, "Content-Length and Transfer-Encoding exclude each other");
    if (h->codings && strcasecmp(h->coding, "chunked"))
        return nb_fail(e, NB_E_bad_request, "the only Transfer-Encoding is chunked");
    return 0;
}

static int judge_key(const struct nb_headers *h, struct nb_error *e)
{
    return h->keys > 1 ? nb_fail(e, NB_E_bad_request, "Authorization is there %d times", h->keys) : 0;
}

static int judge_host(const struct nb_headers *h, struct nb_error *e)
{
    if (h->hosts != 1)
        return nb_fail(e, NB_E_bad_request, "Host must be there once, not %d times", h->hosts);
    if (!host_known(h->host))
        return nb_fail(e, NB_E_bad_request, "this service is not called %.100s (--hosts)", h->host);
    return 0;
}

int nb_guard(struct MHD_Connection *c, const char *uri, const char *version, struct nb_headers *h, struct nb_error *e)
{
    if (!nb_uri_clean(uri))
        return nb_fail(e, NB_E_bad_request, "the target has a control character, %%00 or a malformed %%");
    if (strcmp(version, "HTTP/1.1") && strcmp(version, "HTTP/1.0"))
        return nb_fail(e, NB_E_bad_request, "HTTP/1.1 and HTTP/1.0 are spoken here, not %.20s", version);
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, see, h);
    if (h->bad_name)
        return nb_fail(e, NB_E_bad_request, "the name of a header has a character that must not be there");
    if (h->bad_value)
        return nb_fail(e, NB_E_bad_request, "the value of a header has a control character");
    return judge_framing(h, e) || judge_host(h, e) || judge_key(h, e) ? -1 : 0;
}
