/* replay.c - a certificate comes back. */
#include "http/replay.h"
#include "http/digest.h"
#include "http/fields.h"
#include "wire/print.h"
#include <string.h>

enum { MOST_DIFFERENCES = 100 };

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int read_hash(const json_t *v, const char *prefix, const char **to, struct nb_error *e)
{
    const char *s;
    size_t n = strlen(prefix);
    if (nb_field_text(v, &s, e))
        return -1;
    *to = s + n;
    return !strncmp(s, prefix, n) && strlen(s + n) == NB_HASH_SIZE - 1 &&
                   strspn(s + n, "0123456789abcdef") == NB_HASH_SIZE - 1
               ? 0
               : nb_fail(e, NB_E_bad_value, "%s%s%d hexadecimal digits were expected", prefix, *prefix ? " and " : "",
                         NB_HASH_SIZE - 1);
}

static int read_graph(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_hash(v, "sha256:", &((struct nb_asked *)to)->replay.graph, e);
}

static int read_seed(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return nb_field_seed(v, &((struct nb_asked *)to)->check.run.seed, e);
}

static int read_asked(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    return nb_decode_terms(v, to, a, e);
}

static int read_from(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    static const char *const words[] = {"request", "sample", "both", "loss", "backward"};
    struct nb_origin *o = to;
    (void)a;
    if (nb_field_text(v, &o->from, e))
        return -1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], o->from))
            return 0;
    return nb_fail(e, NB_E_bad_value, "request, sample, both, loss or backward, not %.60s", o->from);
}

static int read_sha256(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)a;
    return read_hash(v, "", &((struct nb_origin *)to)->sha256, e);
}

static int keep_object(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)to, (void)a;
    return json_is_object(v) ? 0 : nb_fail(e, NB_E_wrong_type, "an object was expected, not %s", nb_kind(v));
}

static int keep_any(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    (void)v, (void)to, (void)a, (void)e;
    return 0;
}

static int read_origin(json_t *v, struct nb_origin *o, struct nb_arena *a, struct nb_error *e)
{
    static const struct nb_field rows[] = {{"from", 1, 1, read_from},
                                           {"sha256", 1, 0, read_sha256},
                                           {"tensors", 1, 0, keep_object}, /* lifted out */
                                           {NULL, 0, 0, NULL}};
    if (nb_fields_read(rows, 1, v, o, a, e))
        return -1;
    bool hashed = !strcmp(o->from, "request") || !strcmp(o->from, "both");
    return o->sha256 || !hashed ? 0 : nb_fail(e, NB_E_missing_key, "sha256 is missing");
}

static int read_point(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    return read_origin(v, &((struct nb_asked *)to)->replay.point, a, e);
}

static int read_cotangent(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    return read_origin(v, &((struct nb_asked *)to)->replay.cotangent, a, e);
}

static int read_candidate(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    return read_origin(v, &((struct nb_asked *)to)->replay.candidate, a, e);
}

static int read_direction(json_t *v, void *to, struct nb_arena *a, struct nb_error *e)
{
    return read_origin(v, &((struct nb_asked *)to)->replay.direction, a, e);
}

/* What is not read here is compared with the certificate of the replay. */
static const struct nb_field members[] = {{"nablad", 1, 1, keep_any},
                                          {"graph", 1, 1, read_graph},
                                          {"seed", 1, 1, read_seed},
                                          {"point", 1, 1, read_point},
                                          {"cotangent", 1, 1, read_cotangent},
                                          {"candidate", 1, 1, read_candidate},
                                          {"direction", 1, 0, read_direction},
                                          {"dtype", 1, 1, keep_any},
                                          {"method", 1, 1, keep_any},
                                          {"order", 1, 1, keep_any},
                                          {"asked", 1, 1, read_asked},
                                          {"oracles", 1, 1, keep_object},
                                          {"constants", 1, 1, keep_object},
                                          {"coverage", 1, 1, keep_object},
                                          {"kinks", 1, 1, keep_any},
                                          {"machine", 1, 1, keep_object},
                                          {NULL, 0, 0, NULL}};

int nb_replay_read(struct nb_asked *ask, struct nb_arena *a, struct nb_error *e)
{
    return nb_fields_read(members, 1, ask->replay.tree, ask, a, e);
}

/* ---- before the work --------------------------------------------------------------------------------------------- */

static int mismatch(struct nb_error *e, const char *what, const char *came, const char *was)
{
    return nb_fail(e, NB_E_certificate_mismatch, "%s has the hash %s, the certificate is about %s", what, came, was);
}

/* One list of tensors of the request: there if it came then, absent if not, and the same. */
static int compare(const char *key, struct nb_tensors *came, bool *given, const struct nb_origin *o, struct nb_arena *a,
                   struct nb_error *e)
{
    char hash[NB_HASH_SIZE];
    bool whole = o->from && !strcmp(o->from, "request"), some = whole || (o->from && !strcmp(o->from, "both"));
    if (!some && came->n)
        return nb_fail(e, NB_E_certificate_mismatch, "the check of the certificate was done without %s", key),
               nb_at(e, key);
    if (whole && !came->n && o->kept.n)
        *came = o->kept;
    if (some && !came->n)
        return nb_fail(e, NB_E_missing_key, "%s is missing: it came with the request that the certificate is about",
                       key);
    *given |= came->n > 0;
    if (!whole)
        return 0;
    if (nb_digest(came, a, hash, e))
        return -1;
    return strcmp(hash, o->sha256) ? mismatch(e, key, hash, o->sha256), nb_at(e, "sha256") : 0;
}

static int compare_graph(const struct nb_asked *ask, struct nb_arena *a, struct nb_error *e)
{
    char hash[NB_HASH_SIZE];
    if (nb_digest_graph(ask->g, a, hash, e))
        return -1;
    if (strcmp(hash, ask->replay.graph))
        return mismatch(e, "the graph with its parameters", hash, ask->replay.graph), nb_at(e, "graph"),
               nb_at(e, "certificate");
    return 0;
}

int nb_replay_compare(struct nb_asked *ask, struct nb_arena *a, struct nb_error *e)
{
    struct nb_check *c = &ask->check;
    const struct nb_replay *r = &ask->replay;
    bool given = false;
    struct {
        const char *key, *member;
        struct nb_tensors *came;
        bool *given;
        const struct nb_origin *origin;
    } lists[] = {{"inputs", "point", &c->run.inputs, &given, &r->point},
                 {"cotangents", "cotangent", &c->run.cotangents, &c->run.cotangents_given, &r->cotangent},
                 {"gradients", "candidate", &c->gradients, &c->gradients_given, &r->candidate},
                 {"direction", "direction", &c->direction, &c->direction_given, &r->direction}};
    if (!r->tree)
        return 0;
    if (compare_graph(ask, a, e))
        return -1;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (compare(lists[i].key, lists[i].came, lists[i].given, lists[i].origin, a, e)) {
            if (!strcmp(e->pointer, "/sha256"))
                nb_at(e, lists[i].member), nb_at(e, "certificate");
            return -1;
        }
    return 0;
}

/* ---- after it ---------------------------------------------------------------------------------------------------- */

struct differences {
    struct nb_strings_list list;
    char *was, *is; /* what stands at the first place */
    struct nb_arena *arena;
    struct nb_error *e;
};

/* 1 and 1.0 are the same number: a client may have written one for the other. */
static bool same(const json_t *was, const json_t *is)
{
    if (json_is_number(was) && json_is_number(is))
        return json_number_value(was) == json_number_value(is);
    return json_equal((json_t *)(uintptr_t)was, (json_t *)(uintptr_t)is);
}

static bool same_list(const json_t *was, const json_t *is)
{
    if (json_array_size(was) != json_array_size(is))
        return false;
    for (size_t i = 0; i < json_array_size(is); i++)
        if (!same(json_array_get(was, i), json_array_get(is, i)))
            return false;
    return true;
}

/* NULL: absent. Cut where a sentence has no room for it. */
static char *text_of(struct differences *d, const json_t *v)
{
    struct nb_text t = {.arena = d->arena};
    if (!v || nb_put_json(&t, v, d->e))
        return v ? NULL : nb_strdup(d->arena, "nothing", d->e);
    if (t.n > 120)
        memcpy(t.v + 117, "...", 4);
    return t.v;
}

static void note(struct differences *d, const char *at, const char *key, const json_t *was, const json_t *is)
{
    const char *path = nb_sprintf(d->arena, d->e, "%s/%s", at, key);
    if (!d->list.n) {
        d->was = text_of(d, was);
        d->is = text_of(d, is);
    }
    if (path && d->list.n < MOST_DIFFERENCES)
        d->list.v[d->list.n++] = path;
}

static void compare_members(struct differences *d, json_t *was, json_t *is, const char *at);

static void compare_member(struct differences *d, json_t *was, json_t *is, const char *at, const char *key)
{
    if (json_is_object(was) && json_is_object(is)) {
        const char *inner = nb_sprintf(d->arena, d->e, "%s/%s", at, key);
        if (inner)
            compare_members(d, was, is, inner);
    } else if (json_is_array(was) && json_is_array(is) ? !same_list(was, is) : !was || !is || !same(was, is)) {
        note(d, at, key, was, is);
    }
}

/* As deep as our own certificate is: three levels. */
static void compare_members(struct differences *d, json_t *was, json_t *is, const char *at)
{
    const char *key;
    json_t *v;
    json_object_foreach (is, key, v)
        if (strcmp(key, "tensors"))
            compare_member(d, json_object_get(was, key), v, at, key);
    json_object_foreach (was, key, v)
        if (strcmp(key, "tensors") && !json_object_get(is, key))
            note(d, at, key, v, NULL);
}

/* Another version or machine. */
static bool elsewhere(const json_t *was, const json_t *is)
{
    return !json_equal(json_object_get(was, "nablad"), json_object_get(is, "nablad")) ||
           !json_equal(json_object_get(was, "machine"), json_object_get(is, "machine"));
}

int nb_replay_differs(const struct nb_asked *ask, const char *certificate, size_t n, struct nb_strings_list *l,
                      struct nb_arena *a, struct nb_error *e)
{
    struct differences d = {.list = {.v = nb_small(a, MOST_DIFFERENCES, sizeof *l->v, e)}, .arena = a, .e = e};
    json_t *is = json_loadb(certificate, n, 0, NULL);
    if (!is)
        return nb_fail_memory(e);
    if (d.list.v)
        compare_members(&d, ask->replay.tree, is, "");
    bool moved = elsewhere(ask->replay.tree, is);
    json_decref(is);
    *l = d.list;
    if (e->code || !l->n || moved)
        return e->code ? -1 : 0;
    nb_fail(e, NB_E_certificate_mismatch, "done again, the check has %s here, the certificate %s", d.is, d.was);
    return nb_at_pointer(e, l->v[0]), nb_at(e, "certificate");
}
