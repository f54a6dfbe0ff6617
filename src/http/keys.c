/* keys.c - keys over HTTP: make one, list them, end one. */
#include "store/keys.h"
#include "http/fields.h"
#include "http/gate.h"
#include "http/handlers.h"
#include "wire/times.h"
#include <string.h>

/* ---- on the wire ------------------------------------------------------------------------------------------------- */

static void put_scopes(struct nb_writer *w, unsigned scopes)
{
    nb_w_key(w, "scopes");
    nb_w_open(w, '[');
    for (int i = 0; i < NB_SCOPE_COUNT; i++)
        if (scopes & 1u << i)
            nb_w_string(w, nb_scope_names[i]);
    nb_w_close(w, ']');
}

static void put_key(struct nb_writer *w, const struct nb_key *k, const char *text)
{
    char at[NB_TIME];
    nb_w_open(w, '{');
    nb_w_string_at(w, "id", k->who.id);
    nb_w_string_at(w, "label", k->who.label);
    put_scopes(w, k->who.scopes);
    nb_w_string_at(w, "created", nb_time_text(k->created, at));
    if (k->expires)
        nb_w_string_at(w, "expires", nb_time_text(k->expires, at));
    nb_w_bool_at(w, "expired", k->expired);
    if (text)
        nb_w_string_at(w, "key", text);
    nb_w_close(w, '}');
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int read_label(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    const char *text;
    (void)a;
    return nb_field_text(v, &text, e) ? -1 : nb_label_read(text, ((struct nb_key *)to)->who.label, e);
}

static int scope_of(const char *name, struct nb_error *e)
{
    for (int i = 0; i < NB_SCOPE_COUNT; i++)
        if (!strcmp(nb_scope_names[i], name))
            return i;
    return nb_fail(e, NB_E_bad_value, "the scopes are submit, check, backward, teach and admin, not %.60s", name);
}

static int read_scopes(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    struct nb_strings_list names = {0};
    struct nb_key *k = to;
    if (nb_field_texts(v, &names, NB_SCOPE_COUNT, a, e))
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        int scope = scope_of(names.v[i], e);
        if (scope < 0)
            return nb_at_index(e, i);
        k->who.scopes |= 1u << scope;
    }
    return names.n ? 0 : nb_fail(e, NB_E_bad_value, "a key without a scope opens nothing");
}

static int read_expires(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_time(v, &((struct nb_key *)to)->expires, e);
}

static const struct nb_field fields[] = {
    {"label", 1, 1, read_label}, {"scopes", 1, 1, read_scopes}, {"expires", 1, 0, read_expires}, {NULL, 0, 0, NULL}};

/* ---- the handlers ------------------------------------------------------------------------------------------------ */

int nb_op_createKey(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_key k = {0};
    char text[NB_KEY_TEXT];
    json_t *body = nb_body_json(rq, e);
    if (!body || nb_fields_read(fields, 1, body, &k, rq->arena, e) || nb_store_key_add(rq->store, &k, text, e))
        return -1;
    struct nb_writer w = nb_writer(rq->arena, e);
    put_key(&w, &k, text);
    rp->status = 201;
    rp->secret = true;
    rp->location = nb_sprintf(rq->arena, e, "/v1/keys/%s", k.who.id);
    return nb_reply_written(rp, &w);
}

int nb_op_listKeys(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_key *list;
    size_t n;
    if (nb_store_key_list(rq->store, rq->arena, &list, &n, e))
        return -1;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_key(&w, "keys");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < n; i++)
        put_key(&w, &list[i], NULL);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

int nb_op_deleteKey(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    rp->status = 204;
    return nb_store_key_remove(rq->store, rq->path[0], e);
}
