/* datasetrows.h - the rows of data sets, in SQLite. All with the lock `disk` held. */
#ifndef NABLA_DATASETROWS_H
#define NABLA_DATASETROWS_H
#include "store/datasets.h"
#include "store/statement.h"

/* A new row, or the row of this name anew. */
int nb_datasetrow_put(sqlite3 *db, const struct nb_dataset *d, struct nb_arena *a, struct nb_error *e);
/* *d->name is "" if there is none. */
int nb_datasetrow_get(sqlite3 *db, const char *name, struct nb_arena *a, struct nb_dataset *d, struct nb_error *e);
int nb_datasetrow_list(sqlite3 *db, const char *after, int64_t most, struct nb_arena *a, struct nb_dataset **list,
                       size_t *n, struct nb_error *e);
int nb_datasetrow_remove(sqlite3 *db, const char *name, struct nb_error *e);

#endif
