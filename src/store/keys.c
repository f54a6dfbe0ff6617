/* keys.c - keys: rows on disk, and all of them in memory. */
#include "store/keys.h"
#include "nabla/limits.h"
#include "store/clock.h"
#include "store/parts.h"
#include "store/secret.h"
#include "store/statement.h"
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

const char *const nb_scope_names[NB_SCOPE_COUNT] = {
#define SCOPE(name, help) #name,
#include "store/scopes.def"
#undef SCOPE
};

static void hash_text(const char *text, size_t n, uint8_t hash[32])
{
    struct sha256_ctx c;
    sha256_init(&c);
    sha256_update(&c, n, (const uint8_t *)text);
    sha256_digest(&c, 32, hash);
}

static int draw(char text[NB_KEY_TEXT], struct nb_error *e)
{
    uint8_t bytes[32];
    if (nb_random(bytes, sizeof bytes, e))
        return -1;
    memcpy(text, "nk_", 3);
    nb_hex(bytes, sizeof bytes, text + 3);
    return 0;
}

/* ---- in memory: the lock `memory` is held, or nobody else is there yet ------------------------------------------- */

static int append(struct nb_keyring *r, const struct nb_key *k, struct nb_error *e)
{
    if (r->n == r->cap) {
        struct nb_key *v = realloc(r->v, (2 * r->cap + 16) * sizeof *v);
        if (!v)
            return nb_fail_memory(e);
        r->v = v;
        r->cap = 2 * r->cap + 16;
    }
    r->v[r->n++] = *k;
    atomic_store(&r->count, r->n);
    return 0;
}

static bool over(const struct nb_key *k, int64_t now)
{
    return k->expired || (k->expires && now >= k->expires);
}

static struct nb_key *by_id(const struct nb_keyring *r, const char *id)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->v[i].who.id, id))
            return &r->v[i];
    return NULL;
}

/* The id is no secret: it tells which hash to compare, all of it. */
static struct nb_key *by_hash(const struct nb_keyring *r, const uint8_t hash[32])
{
    char id[NB_KEY_ID];
    nb_hex(hash, 8, id);
    struct nb_key *k = by_id(r, id);
    return k && memeql_sec(k->hash, hash, 32) ? k : NULL;
}

enum nb_key_state nb_store_key_find(struct nb_store *s, const char *text, size_t n, struct nb_who *who)
{
    uint8_t hash[32];
    enum nb_key_state state = NB_KEY_UNKNOWN;
    hash_text(text, n, hash);
    pthread_mutex_lock(&s->memory);
    const struct nb_key *k = by_hash(&s->keys, hash);
    if (k) {
        state = over(k, nb_clock()) ? NB_KEY_EXPIRED : NB_KEY_GOOD;
        *who = k->who;
    }
    pthread_mutex_unlock(&s->memory);
    if (who->scopes & NB_MAY_admin)
        who->scopes = NB_MAY_ALL;
    return state;
}

size_t nb_store_keys(struct nb_store *s)
{
    return atomic_load_explicit(&s->keys.count, memory_order_relaxed);
}

int nb_store_key_list(struct nb_store *s, struct nb_arena *a, struct nb_key **list, size_t *n, struct nb_error *e)
{
    int64_t now = nb_clock();
    pthread_mutex_lock(&s->memory);
    *n = s->keys.n;
    *list = nb_small(a, *n, sizeof **list, e);
    for (size_t i = 0; *list && i < *n; i++) {
        (*list)[i] = s->keys.v[i];
        (*list)[i].expired = over(&s->keys.v[i], now);
    }
    pthread_mutex_unlock(&s->memory);
    return *list ? 0 : -1;
}

void nb_keyring_done(struct nb_keyring *r)
{
    free(r->v);
    *r = (struct nb_keyring){0};
}

/* ---- on disk: the lock `disk` is held; the list changes under both locks ------------------------------------------
 */

int nb_keyring_load(struct nb_store *s, struct nb_error *e)
{
    sqlite3_stmt *row = nb_prepare(
        s->database, e, "SELECT id, label, scopes, created, expires, expired, hash FROM key ORDER BY number", "");
    while (nb_step(row, e)) {
        struct nb_key k = {.created = sqlite3_column_int64(row, 3),
                           .expires = sqlite3_column_int64(row, 4),
                           .expired = sqlite3_column_int(row, 5)};
        nb_take_text(k.who.id, sizeof k.who.id, row, 0);
        nb_take_text(k.who.label, sizeof k.who.label, row, 1);
        k.who.scopes = (unsigned)sqlite3_column_int64(row, 2) & NB_MAY_ALL;
        if (sqlite3_column_bytes(row, 6) != sizeof k.hash)
            nb_fail(e, NB_E_store_failed, "the key %s can no longer be read", k.who.id);
        else
            memcpy(k.hash, sqlite3_column_blob(row, 6), sizeof k.hash);
        if (e->code || append(&s->keys, &k, e))
            break;
    }
    sqlite3_finalize(row);
    return e->code ? -1 : 0;
}

static bool label_taken(const struct nb_keyring *r, const char *label, int64_t now)
{
    for (size_t i = 0; i < r->n; i++)
        if (!over(&r->v[i], now) && !strcmp(r->v[i].who.label, label))
            return true;
    return false;
}

static int judge(const struct nb_keyring *r, const struct nb_key *k, struct nb_error *e)
{
    if (!k->who.scopes || (!r->n && !(k->who.scopes & NB_MAY_admin)))
        return nb_fail(e, NB_E_bad_value, "the first key must have the scope admin, or nobody could make another"),
               nb_at(e, "scopes");
    if (k->expires && k->expires <= k->created)
        return nb_fail(e, NB_E_bad_value, "this key would have expired already"), nb_at(e, "expires");
    if (label_taken(r, k->who.label, k->created))
        return nb_fail(e, NB_E_label_taken, "there is a key labelled %s; delete that one first", k->who.label),
               nb_at(e, "label");
    return (int64_t)r->n >= nb_limits.keys ? NB_OVER(e, keys, (int64_t)r->n + 1) : 0;
}

static int put(struct nb_store *s, const struct nb_key *k, struct nb_error *e)
{
    if (nb_finish(nb_prepare(s->database, e,
                             "INSERT INTO key(id, hash, label, scopes, created, expires, expired) "
                             "VALUES(?,?,?,?,?,?,0)",
                             "tbtiii", k->who.id, k->hash, sizeof k->hash, k->who.label, (int64_t)k->who.scopes,
                             k->created, k->expires),
                  e))
        return -1;
    pthread_mutex_lock(&s->memory);
    int failed = append(&s->keys, k, e);
    pthread_mutex_unlock(&s->memory);
    return failed;
}

int nb_store_key_add(struct nb_store *s, struct nb_key *k, char text[NB_KEY_TEXT], struct nb_error *e)
{
    if (draw(text, e))
        return -1;
    hash_text(text, NB_KEY_TEXT - 1, k->hash);
    nb_hex(k->hash, 8, k->who.id);
    k->created = nb_clock();
    k->expired = false;
    pthread_mutex_lock(&s->disk);
    int failed = judge(&s->keys, k, e) || put(s, k, e);
    pthread_mutex_unlock(&s->disk);
    return failed ? -1 : 0;
}

/* The only valid one with the scope admin? */
static bool is_last(const struct nb_keyring *r, const struct nb_key *k)
{
    int64_t now = nb_clock();
    if (!(k->who.scopes & NB_MAY_admin))
        return false;
    for (size_t i = 0; i < r->n; i++)
        if (&r->v[i] != k && (r->v[i].who.scopes & NB_MAY_admin) && !over(&r->v[i], now))
            return false;
    return true;
}

static int remove_one(struct nb_store *s, const char *id, struct nb_error *e)
{
    struct nb_keyring *r = &s->keys;
    struct nb_key *k = by_id(r, id);
    if (!k)
        return nb_fail(e, NB_E_unknown_access_key, "there is no key %.40s", id);
    if (is_last(r, k))
        return nb_fail(e, NB_E_last_key,
                       "nobody could make keys any more; make another one with the scope admin first");
    if (nb_finish(nb_prepare(s->database, e, "DELETE FROM key WHERE id = ?", "t", id), e))
        return -1;
    pthread_mutex_lock(&s->memory);
    memmove(k, k + 1, (size_t)(r->v + --r->n - k) * sizeof *k);
    atomic_store(&r->count, r->n);
    pthread_mutex_unlock(&s->memory);
    return 0;
}

int nb_store_key_remove(struct nb_store *s, const char *id, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = remove_one(s, id, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

static bool any_expired(const struct nb_keyring *r, int64_t now)
{
    for (size_t i = 0; i < r->n; i++)
        if (!r->v[i].expired && over(&r->v[i], now))
            return true;
    return false;
}

int nb_keyring_expire(struct nb_store *s, int64_t now, struct nb_error *e)
{
    if (!any_expired(&s->keys, now))
        return 0;
    if (nb_finish(nb_prepare(s->database, e,
                             "UPDATE key SET expired = 1 WHERE expired = 0 AND expires > 0 AND expires <= ?", "i", now),
                  e))
        return -1;
    pthread_mutex_lock(&s->memory);
    for (size_t i = 0; i < s->keys.n; i++)
        s->keys.v[i].expired = over(&s->keys.v[i], now);
    pthread_mutex_unlock(&s->memory);
    return 0;
}
