/* keyring.h - in memory: the keys there are, in the order they were made. */
#ifndef NABLA_KEYRING_H
#define NABLA_KEYRING_H
#include "store/keys.h"
#include <stdatomic.h>

struct nb_keyring {
    struct nb_key *v;
    size_t n, cap;
    atomic_size_t count; /* n, for those who hold no lock */
};

/* At start, from the database. */
int nb_keyring_load(struct nb_store *s, struct nb_error *e);
void nb_keyring_done(struct nb_keyring *r);
/* With the lock `disk` held: those whose time has come are marked on disk. */
int nb_keyring_expire(struct nb_store *s, int64_t now, struct nb_error *e);

#endif
