/* catalog.h - in memory: the entry of every stored graph, sorted by name, and the snapshots of those used of late. */
#ifndef NABLA_CATALOG_H
#define NABLA_CATALOG_H
#include "store/store.h"

struct nb_kept {
    struct nb_entry info;
    struct nb_graph *graph;            /* a reference, or NULL: not built, or given up */
    uint64_t used;                     /* when, by the clock of the catalog */
    bool dirty;                        /* the snapshot is newer than what is on disk: it must not be given up */
    char parameters[65], training[65]; /* the files on disk */
};

struct nb_catalog {
    struct nb_kept **v;
    size_t n, cap;
    struct nb_kept *spare; /* for the next entry */
    size_t built, most;    /* snapshots in memory, and how many there may be */
    uint64_t clock;
};

void nb_catalog_init(struct nb_catalog *c, size_t most);
void nb_catalog_done(struct nb_catalog *c);

struct nb_kept *nb_catalog_find(const struct nb_catalog *c, const char *name);
/* The snapshot with a new reference, or NULL. */
struct nb_graph *nb_catalog_use(struct nb_catalog *c, struct nb_kept *k);
/* Room for one more entry: nb_catalog_put cannot fail then. */
int nb_catalog_reserve(struct nb_catalog *c, struct nb_error *e);
/* The entry of this name, new or anew, with a snapshot (a new reference) or NULL. Returns a snapshot that had to go,
 * for the caller to unref where no lock is held, or NULL. */
struct nb_graph *nb_catalog_put(struct nb_catalog *c, const struct nb_entry *info, struct nb_graph *g);
/* The same for a snapshot that is not on disk yet. */
struct nb_graph *nb_catalog_advance(struct nb_kept *k, const struct nb_entry *info, struct nb_graph *g);
/* One that is not on disk, or NULL. */
struct nb_kept *nb_catalog_dirty(const struct nb_catalog *c);
/* Returns the snapshot for the caller to unref, or NULL. */
struct nb_graph *nb_catalog_remove(struct nb_catalog *c, const char *name);

#endif
