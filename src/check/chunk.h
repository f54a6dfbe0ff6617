/* chunk.h - the walk of a check through its coordinates, as its watch follows it. Without a watch it costs nothing.
 *
 *     nb_chunks_begin(&c, watch, of, e)                   when what is asked has been found sound
 *     if (!nb_chunk_recall(&c, &results, sizeof results)) for every chunk, in an order the request alone decides
 *         compute(&results);
 *     nb_chunk_done(&c, &results, sizeof results, coordinates, worst, e) */
#ifndef NABLA_CHUNK_H
#define NABLA_CHUNK_H
#include "check/watch.h"
#include "nabla/error.h"

struct nb_chunks {
    const struct nb_watch *watch; /* or NULL */
    struct nb_progress at;        /* .tensor is the caller's to set */
    uint64_t number;              /* of the chunk in work */
    bool recalled;                /* its results came from an earlier run */
};

/* Tells the watch of a beginning: so many coordinates, besides those c->at knows of already. cancelled, if that is all
 * it wanted to know. */
int nb_chunks_begin(struct nb_chunks *c, const struct nb_watch *watch, int64_t of, struct nb_error *e);
/* The results of this chunk, if an earlier run left them. */
bool nb_chunk_recall(struct nb_chunks *c, void *results, size_t n);
/* The chunk is done, with so many coordinates and the largest relative error among them. The results must be all that
 * the rest of the check wants to know of it. n = 0: nothing worth keeping. cancelled, if the watch says so. */
int nb_chunk_done(struct nb_chunks *c, const void *results, size_t n, int64_t coordinates, double worst,
                  struct nb_error *e);

#endif
