/* datasets.h - what there is to learn from: named columns with a row for each sample, in one file.
 *
 * A call that returns 0 has its change on disk. A data set never changes: it is put anew or deleted. Whole numbers take
 * no more room on disk than they need, and come back with the type they came with. */
#ifndef NABLA_DATASETS_H
#define NABLA_DATASETS_H
#include "nabla/tensor.h"
#include "store/store.h"

enum { NB_STORED_NAME = 4 };

struct nb_column {
    const char *name;
    enum nb_dtype dtype;   /* NB_F32, NB_F64 or NB_I64 */
    struct nb_shape shape; /* the first size is the rows */
    double min, max, mean;
    int64_t classes;             /* different values, of int64 with one dimension; 0: not counted */
    char stored[NB_STORED_NAME]; /* the type on disk, as safetensors call it */
    int64_t at;                  /* where in the file the column begins */
};

struct nb_dataset {
    char name[65], created[25];
    char sha256[65];    /* of the file: the same columns, the same file */
    int64_t rows, size; /* bytes of the file */
    struct nb_column *columns;
    size_t n;
};

/* New, or (replace) in the place of the one there. Errors: bad_name; dataset_exists; limit (datasets); at /COLUMN
 * bad_name, name_clash, missing_key (no column), shape_mismatch (another number of rows), bad_dtype, bad_number (NaN,
 * infinity). The columns of *info lie in the arena, as in all that follows. */
int nb_dataset_put(struct nb_store *s, const char *name, const struct nb_tensors *columns, bool replace,
                   struct nb_arena *a, struct nb_dataset *info, bool *created, struct nb_error *e);
/* unknown_dataset. */
int nb_dataset_get(struct nb_store *s, const char *name, struct nb_arena *a, struct nb_dataset *info,
                   struct nb_error *e);
/* By name, those behind `after` ("": from the first), at most so many. */
int nb_dataset_list(struct nb_store *s, const char *after, int64_t most, struct nb_arena *a, struct nb_dataset **list,
                    size_t *n, struct nb_error *e);
/* All rows, in the order of columns they came in; the file is compared with its hash. unknown_dataset; limit. */
int nb_dataset_read(struct nb_store *s, const char *name, struct nb_arena *a, struct nb_tensors *columns,
                    struct nb_error *e);
/* Only the rows from, from + 1, ..., so far as there are any: nothing else is read. */
int nb_dataset_rows(struct nb_store *s, const char *name, int64_t from, int64_t count, struct nb_arena *a,
                    struct nb_tensors *columns, struct nb_error *e);
int nb_dataset_delete(struct nb_store *s, const char *name, struct nb_error *e); /* unknown_dataset */

#endif
