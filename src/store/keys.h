/* keys.h - who may ask, and for what.
 *
 * A key is "nk_" and 256 random bits in hexadecimal. The store keeps its SHA-256 alone; the first 16 digits of that are
 * the id by which it is spoken of. The label is whom it belongs to: no two keys that are valid have the same, and what
 * a key made belongs to its label, so that a key that was lost can be replaced. */
#ifndef NABLA_KEYS_H
#define NABLA_KEYS_H
#include "nabla/arena.h"
#include <stdint.h>

struct nb_store;

enum {
#define SCOPE(name, help) NB_AT_##name,
#include "store/scopes.def"
#undef SCOPE
    NB_SCOPE_COUNT
};
enum {
#define SCOPE(name, help) NB_MAY_##name = 1 << NB_AT_##name,
#include "store/scopes.def"
#undef SCOPE
    NB_MAY_ALL = (1 << NB_SCOPE_COUNT) - 1
};
extern const char *const nb_scope_names[NB_SCOPE_COUNT];

enum { NB_KEY_TEXT = 3 + 64 + 1, NB_KEY_ID = 16 + 1, NB_LABEL = 64 + 1 };

/* Who asks. Without keys: no id, no label, all scopes. */
struct nb_who {
    char id[NB_KEY_ID], label[NB_LABEL];
    unsigned scopes; /* NB_MAY_... */
};

struct nb_key {
    struct nb_who who;
    int64_t created, expires; /* seconds since 1970; expires 0: never */
    bool expired;             /* this was seen once; a clock that is put back does not change it */
    uint8_t hash[32];
};

/* A new one, on disk when this returns 0. Of *k the label, the scopes and `expires` are read, the rest is filled in;
 * `text` is the key itself, which nobody can tell again. bad_value, label_taken, limit (keys). */
int nb_store_key_add(struct nb_store *s, struct nb_key *k, char text[NB_KEY_TEXT], struct nb_error *e);
/* unknown_access_key; last_key: nobody could make another one. */
int nb_store_key_remove(struct nb_store *s, const char *id, struct nb_error *e);
/* All in the order they were made. */
int nb_store_key_list(struct nb_store *s, struct nb_arena *a, struct nb_key **list, size_t *n, struct nb_error *e);
/* How many there are, expired ones too. Cheap. */
size_t nb_store_keys(struct nb_store *s);

enum nb_key_state { NB_KEY_UNKNOWN, NB_KEY_EXPIRED, NB_KEY_GOOD };
/* Who comes with this text of n characters. In a time that does not depend on how much of it is right. */
enum nb_key_state nb_store_key_find(struct nb_store *s, const char *text, size_t n, struct nb_who *who);

#endif
