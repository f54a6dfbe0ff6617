/* digest.h - SHA-256 of tensors and graphs, to say of a later request that it is about the same. */
#ifndef NABLA_DIGEST_H
#define NABLA_DIGEST_H
#include "graph/graph.h"
#include "store/files.h"

/* Of tensors, in whatever order and type they came: of one line for each, in the order of the names,
 *     NAME [5,3] HASH
 * where HASH is that of its entries as doubles, little-endian, row by row. */
int nb_digest(const struct nb_tensors *l, struct nb_arena *a, char hash[NB_HASH_SIZE], struct nb_error *e);
/* Of a graph: of its description (compact JSON) on a line, then such lines for its learned tensors. */
int nb_digest_graph(const struct nb_graph *g, struct nb_arena *a, char hash[NB_HASH_SIZE], struct nb_error *e);

#endif
