/* store.h - the one interface to what is kept. SQLite (metadata) and content-addressed safetensors files (weights)
 * below it.
 *
 * A call that returns 0 has its change on disk, but for nb_store_advance: kill -9 at any moment leaves the old or the
 * new state. One daemon per directory (a lock file). All functions may be called from any thread. Graphs are built on
 * first use and kept. */
#ifndef NABLA_STORE_H
#define NABLA_STORE_H
#include "graph/graph.h"

struct nb_store;

struct nb_entry {
    char name[65];
    int64_t revision;              /* 1, 2, ... grows with every change of the graph or its parameters */
    char created[25], updated[25]; /* RFC 3339, UTC, "2026-11-23T10:15:42Z" */
    char parameters[65];           /* SHA-256 of the safetensors file; "": not written yet */
    char training[65];             /* the same of what optimisers keep; "": nothing, or not written yet */
    char tag[17];                  /* another one after every change: for ETag */
    int64_t parameter_count;
};

struct nb_store *nb_store_open(const char *directory, struct nb_error *e);
void nb_store_close(struct nb_store *s);
/* What time has ended is marked on disk, so that no clock that is put back can open it again. Called often; does not
 * wait for the disk if others do. */
void nb_store_tick(struct nb_store *s);

/* Names match [A-Za-z0-9_.-]{1,64} and are not "." or "..": bad_name. create: graph_exists, limit (graphs). */
int nb_store_create(struct nb_store *s, const char *name, struct nb_graph *g, struct nb_entry *info,
                    struct nb_error *e);
int nb_store_replace(struct nb_store *s, const char *name, struct nb_graph *g, bool *created, struct nb_entry *info,
                     struct nb_error *e);
/* May a graph be called so? Errors: bad_name. */
int nb_store_judge_name(const char *name, struct nb_error *e);
int nb_store_remove(struct nb_store *s, const char *name, struct nb_error *e); /* unknown_graph */
/* New values of all (or, all = false, of the named) parameters, atomically: nb_graph_with under the store's lock. */
int nb_store_parameters(struct nb_store *s, const char *name, const struct nb_tensors *parameters, bool all,
                        struct nb_entry *info, struct nb_error *e);
/* Steps of training: make gives the next snapshot (a new reference) from the one of the moment, or NULL. One after the
 * other for each graph, so none is lost; all other changes of the graph wait, readers do not. The next snapshot is
 * there for all when this returns, and on disk a second later, or when the store is closed. Without `wait` 1 is
 * returned if somebody else is at it, or the graph is not in memory. */
typedef struct nb_graph *nb_maker(void *context, struct nb_graph *now, struct nb_error *e);
int nb_store_advance(struct nb_store *s, const char *name, nb_maker *make, void *context, bool wait,
                     struct nb_entry *info, struct nb_error *e);
/* All that nb_store_advance has left to be written, now. */
int nb_store_flush(struct nb_store *s, struct nb_error *e);
/* A counted snapshot; info may be NULL. unknown_graph. */
struct nb_graph *nb_store_get(struct nb_store *s, const char *name, struct nb_entry *info, struct nb_error *e);
/* The same without waiting for the disk: NULL if it is not in memory, whatever the reason. */
struct nb_graph *nb_store_peek(struct nb_store *s, const char *name);
/* All entries by name; owned by the arena. */
int nb_store_list(struct nb_store *s, struct nb_arena *a, struct nb_entry **list, size_t *n, struct nb_error *e);

#endif
