/* memory.h - what optimisers keep beside a graph's learned tensors, each for its loss: a GAN has two. Part of a
 * snapshot (graph/snapshot.h), so whoever has the snapshot has both as they were after the same step. */
#ifndef NABLA_TRAIN_MEMORY_H
#define NABLA_TRAIN_MEMORY_H
#include "graph/snapshot.h"
#include "train/optimiser.h"

struct nb_moments {
    const char *tensor;
    int64_t steps;
    size_t n; /* entries */
    struct nb_shape shape;
    void *m[NB_MOST_MOMENTS]; /* NULL: not kept */
};

struct nb_of_loss {
    const char *loss;
    int optimiser;
    int64_t steps;
    size_t n;
    struct nb_moments *v;
};

struct nb_memory {
    struct nb_attached base;
    size_t n;
    struct nb_of_loss *v;
};

/* NULL: none. */
const struct nb_memory *nb_memory_of(const struct nb_graph *g);
const struct nb_of_loss *nb_memory_find(const struct nb_memory *m, const char *loss);
const struct nb_moments *nb_moments_find(const struct nb_of_loss *l, const char *tensor);

/* A new memory: all of `old` (or NULL) except for one loss, for which there is an empty place of n tensors, *place. */
struct nb_memory *nb_memory_next(const struct nb_memory *old, enum nb_dtype dtype, const char *loss, size_t n,
                                 struct nb_of_loss **place, struct nb_error *e);

/* Into this arena; size is that of an entry. */
int nb_moments_copy(struct nb_arena *a, const struct nb_moments *from, size_t size, struct nb_moments *to,
                    struct nb_error *e);

/* As named tensors for a file, and back; names and numbers are the arena's, or the memory's. An empty list is NULL,
 * without an error. */
int nb_memory_save(const struct nb_memory *m, enum nb_dtype dtype, struct nb_arena *a, struct nb_tensors *to,
                   struct nb_error *e);
struct nb_memory *nb_memory_load(const struct nb_tensors *from, enum nb_dtype dtype, struct nb_error *e);

#endif
