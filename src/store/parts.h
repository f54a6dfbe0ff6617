/* parts.h - what a store is made of, for the files of this folder. */
#ifndef NABLA_PARTS_H
#define NABLA_PARTS_H
#include "store/catalog.h"
#include "store/database.h"
#include "store/files.h"
#include "store/keyring.h"
#include <pthread.h>

struct nb_store {
    struct nb_files files;
    struct sqlite3 *database;
    struct nb_catalog catalog;
    struct nb_keyring keys;
    pthread_mutex_t disk, memory;
    int64_t expired_at; /* when we last looked what time has ended */
};

/* [A-Za-z0-9_.-]{1,64}, not . or .. */
bool nb_parts_is_name(const char *name);

/* Now, as entries say it. */
void nb_parts_stamp(char text[25]);

/* All with the lock `disk` held. */

/* Writes tensors into a file of weights named by its hash. */
int nb_parts_write(struct nb_store *s, const struct nb_tensors *l, char hash[NB_HASH_SIZE], struct nb_error *e);
/* The file of weights goes if no row names it any more. */
void nb_parts_drop(struct nb_store *s, const char *hash);
/* A graph from its description and a file of weights. */
struct nb_graph *nb_parts_graph(struct nb_store *s, const char *description, const char *hash, struct nb_error *e);
/* At start: journals of jobs that are no longer to be done go. */
int nb_parts_clean_journals(struct nb_store *s, struct nb_error *e);

#endif
