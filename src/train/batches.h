/* batches.h - rows of columns, shuffled anew in every epoch: a function of seed and step alone. */
#ifndef NABLA_BATCHES_H
#define NABLA_BATCHES_H
#include "nabla/rng.h"

struct nb_batches {
    struct nb_tensors columns; /* what is fed, by the names of inputs; the first size is the rows */
    const int64_t *among;      /* the rows that count, or NULL: all */
    int64_t rows, size;        /* rows that count; of a batch, the last of an epoch may have fewer */
    bool shuffle;
    struct nb_seed seed;
    int64_t *order; /* of `epoch` */
    int64_t epoch;  /* -1: none yet */
};

/* Batches in an epoch. */
int64_t nb_batches_count(const struct nb_batches *b);
/* The batch of step i = 0, 1, ... as tensors in the arena. `lasting` outlives it. */
int nb_batch(struct nb_batches *b, int64_t i, struct nb_arena *lasting, struct nb_arena *a, struct nb_tensors *to,
             struct nb_error *e);
/* An order of n rows that the seed and the name alone decide. */
int64_t *nb_shuffled(struct nb_seed seed, const char *name, int64_t n, struct nb_arena *a, struct nb_error *e);

#endif
