/* parts.h - what a store is made of, for the files of this folder. */
#ifndef NABLA_PARTS_H
#define NABLA_PARTS_H
#include "store/catalog.h"
#include "store/database.h"
#include "store/files.h"
#include "store/keyring.h"
#include <pthread.h>

enum { NB_LANES = 64 };

/* What writes behind: a thread, from the first step on. Under the lock `memory`. */
struct nb_behind {
    pthread_t thread;
    pthread_cond_t stop;
    bool running, stopping;
    uint64_t tag; /* of the last step */
};

struct nb_store {
    struct nb_files files;
    struct sqlite3 *database;
    struct nb_catalog catalog;
    struct nb_keyring keys;
    pthread_mutex_t disk, memory;
    pthread_mutex_t lane[NB_LANES]; /* before `disk`: changes of one graph, one after the other */
    struct nb_behind behind;
    int64_t expired_at; /* when we last looked what time has ended */
};

/* [A-Za-z0-9_.-]{1,64}, not . or .. */
bool nb_parts_is_name(const char *name);

/* Now, as entries say it. */
void nb_parts_stamp(char text[25]);

/* The lane of a graph. */
pthread_mutex_t *nb_parts_lane(struct nb_store *s, const char *name);
void nb_parts_begin_behind(struct nb_store *s);
/* Ends the thread. */
void nb_parts_end_behind(struct nb_store *s);

/* All with the lock `disk` held. */

/* The files of a snapshot: x->parameters, x->training. */
int nb_parts_write_graph(struct nb_store *s, const struct nb_graph *g, struct nb_entry *x, struct nb_error *e);

/* Writes tensors into a file of weights named by its hash. */
int nb_parts_write(struct nb_store *s, const struct nb_tensors *l, char hash[NB_HASH_SIZE], struct nb_error *e);
/* The file of weights goes if no row names it any more. */
void nb_parts_drop(struct nb_store *s, const char *hash);
/* A graph from its description and a file of weights. */
struct nb_graph *nb_parts_graph(struct nb_store *s, const char *description, const char *hash, struct nb_error *e);
/* At start: journals of jobs that are no longer to be done go. */
int nb_parts_clean_journals(struct nb_store *s, struct nb_error *e);

#endif
