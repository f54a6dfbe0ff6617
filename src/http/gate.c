/* gate.c - one key, one row, one comparison of bits. */
#include "http/gate.h"
#include "http/options.h"
#include "http/router.h"
#include "store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FIRST_KEY "first-key"

/* ---- the gate ---------------------------------------------------------------------------------------------------- */

static bool open_to_all(struct nb_store *store)
{
    return !nb_options.require_keys && !nb_store_keys(store);
}

/* "Bearer KEY": the key, or NULL. */
static const char *bearer(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7))
        return NULL;
    authorization += 7 + strspn(authorization + 7, " ");
    return *authorization ? authorization : NULL;
}

static int no_key(const char *authorization, char authenticate[NB_AUTHENTICATE], struct nb_error *e)
{
    snprintf(authenticate, NB_AUTHENTICATE, "Bearer realm=\"nablad\"");
    return nb_fail(e, NB_E_key_missing, "%s; Authorization: Bearer nk_... is needed",
                   authorization ? "the header Authorization is of another kind" : "there is no header Authorization");
}

static int bad_key(enum nb_key_state state, char authenticate[NB_AUTHENTICATE], struct nb_error *e)
{
    snprintf(authenticate, NB_AUTHENTICATE, "Bearer realm=\"nablad\", error=\"invalid_token\"");
    return nb_fail(e, NB_E_key_refused, "%s",
                   state == NB_KEY_EXPIRED ? "the key has expired" : "there is no such key, or no more");
}

static int identify(struct nb_request *rq, const char *authorization, char authenticate[NB_AUTHENTICATE],
                    struct nb_error *e)
{
    const char *text = bearer(authorization);
    if (open_to_all(rq->store)) {
        rq->who.scopes = NB_MAY_ALL;
        return 0;
    }
    if (!text)
        return no_key(authorization, authenticate, e);
    enum nb_key_state state = nb_store_key_find(rq->store, text, strlen(text), &rq->who);
    if (state == NB_KEY_GOOD)
        return 0;
    rq->who = (struct nb_who){0};
    return bad_key(state, authenticate, e);
}

/* "check, backward or teach" */
static const char *list_scopes(unsigned scopes, char text[80])
{
    size_t n = 0;
    *text = 0;
    for (int i = 0; i < NB_SCOPE_COUNT; i++)
        if (scopes & 1u << i) {
            bool last = !(scopes >> i >> 1);
            n += (size_t)snprintf(text + n, 80 - n, "%s%s", !n ? "" : last ? " or " : ", ", nb_scope_names[i]);
        }
    return text;
}

/* The scopes of a row, without admin, which has them all. */
static unsigned asked_for(const struct nb_route *r)
{
    return r->scopes == NB_MAY_admin ? r->scopes : r->scopes & ~(unsigned)NB_MAY_admin;
}

static int no_scope(const struct nb_request *rq, char authenticate[NB_AUTHENTICATE], struct nb_error *e)
{
    char needed[80], has[80];
    snprintf(authenticate, NB_AUTHENTICATE, "Bearer realm=\"nablad\", error=\"insufficient_scope\"");
    return nb_fail(e, NB_E_scope_missing, "this needs a key with the scope %s; this key has %s",
                   list_scopes(asked_for(rq->route), needed), list_scopes(rq->who.scopes, has));
}

int nb_gate(struct nb_request *rq, const char *authorization, char authenticate[NB_AUTHENTICATE], struct nb_error *e)
{
    *authenticate = 0;
    if (rq->route->scopes & NB_NOBODY)
        return 0;
    if (identify(rq, authorization, authenticate, e))
        return -1;
    return rq->route->scopes & rq->who.scopes ? 0 : no_scope(rq, authenticate, e);
}

bool nb_owns(const struct nb_request *rq, const char *label)
{
    return nb_may(rq, NB_MAY_admin) || !strcmp(rq->who.label, label);
}

/* ---- the first key ----------------------------------------------------------------------------------------------- */

int nb_label_read(const char *text, char label[NB_LABEL], struct nb_error *e)
{
    size_t n = strlen(text);
    if (!n || n >= NB_LABEL)
        return nb_fail(e, NB_E_bad_value, "a label has 1 to %d bytes, not %zu", NB_LABEL - 1, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return nb_fail(e, NB_E_bad_value, "a label has no control characters");
    json_t *utf8 = json_string(text);
    json_decref(utf8);
    if (!utf8)
        return nb_fail(e, NB_E_bad_value, "a label is written in UTF-8");
    memcpy(label, text, n + 1);
    return 0;
}

static int create(struct nb_store *store, const char *label, char text[NB_KEY_TEXT], struct nb_error *e)
{
    struct nb_key k = {.who.scopes = NB_MAY_admin};
    return nb_label_read(label, k.who.label, e) || nb_store_key_add(store, &k, text, e) ? -1 : 0;
}

int nb_gate_create_key(const char *directory, const char *label, struct nb_error *e)
{
    char text[NB_KEY_TEXT];
    struct nb_store *store = nb_store_open(directory, e);
    int failed = !store || create(store, label, text, e);
    nb_store_close(store);
    if (failed)
        return -1;
    return printf("%s\n", text) < 0 ? nb_fail(e, NB_E_internal, "cannot write: %s", strerror(errno)) : 0;
}

/* A new file: what an earlier start may have left there opens nothing. */
static int make_file(const char *path, struct nb_error *e)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : nb_fail(e, NB_E_store_failed, "%s cannot be written: %m", path);
}

static int write_first(struct nb_store *store, int fd, const char *path, struct nb_error *e)
{
    char text[NB_KEY_TEXT + 1];
    if (create(store, "first", text, e))
        return -1;
    text[NB_KEY_TEXT - 1] = '\n';
    if (write(fd, text, NB_KEY_TEXT) != NB_KEY_TEXT || fsync(fd))
        return nb_fail(e, NB_E_store_failed, "%s cannot be written: %m; nablad --create-key makes another key", path);
    fprintf(stderr, "nablad: there were no keys; the first, with the scope admin, is in %s\n", path);
    return 0;
}

int nb_gate_start(struct nb_store *store, struct nb_error *e)
{
    char path[4200];
    if (!nb_options.require_keys || nb_store_keys(store))
        return 0;
    snprintf(path, sizeof path, "%s/" FIRST_KEY, nb_options.data);
    int fd = make_file(path, e);
    int failed = fd < 0 || write_first(store, fd, path, e);
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}
