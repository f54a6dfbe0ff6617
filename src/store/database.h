/* database.h - the rows of a store, in SQLite: one connection, used by one thread at a time. Each change is one
 * statement and durable when it returns 0. */
#ifndef NABLA_DATABASE_H
#define NABLA_DATABASE_H
#include "store/store.h"

struct sqlite3;

struct sqlite3 *nb_database_open(const char *directory, struct nb_error *e);
void nb_database_close(struct sqlite3 *db);

/* The general text of a result: SQLite's own may name files or statements. Always -1. */
int nb_database_fail(struct nb_error *e, int result);

/* All entries, without the descriptions. */
int nb_database_each(struct sqlite3 *db, int (*row)(void *context, const struct nb_entry *entry, struct nb_error *e),
                     void *context, struct nb_error *e);
/* One entry and its description, owned by the arena; unknown_graph. */
int nb_database_get(struct sqlite3 *db, const char *name, struct nb_arena *a, struct nb_entry *entry,
                    char **description, struct nb_error *e);
/* A new row, or the row of this name anew. */
int nb_database_put(struct sqlite3 *db, const struct nb_entry *entry, const char *description, struct nb_error *e);
int nb_database_remove(struct sqlite3 *db, const char *name, struct nb_error *e);
/* 1 if a row, of a graph, of a job or of a data set, names this file, 0 if none does, -1 if that cannot be said. */
int nb_database_names(struct sqlite3 *db, const char *hash);

#endif
