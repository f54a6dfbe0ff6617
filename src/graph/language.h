/* language.h - the text of a graph: its form, its names, its references, and the order of its nodes. Nothing is built.
 */
#ifndef NABLA_LANGUAGE_H
#define NABLA_LANGUAGE_H
#include "nabla/arena.h"
#include <jansson.h>
#include <stdbool.h>

/* Steps 2 to 6 of the checking order; pointers are relative to the graph. */
int nb_language_check(json_t *graph, struct nb_arena *a, struct nb_error *e);

/* ---- references ---------------------------------------------------------------------------------------------------
 */

/* One reference in a node: "enc.mu", with the column if it stands in a formula (else 0). */
typedef int nb_visit(void *context, const char *reference, int column, struct nb_error *e);
/* Calls visit for every reference of a node; errors carry the place inside the node. */
int nb_references(json_t *node, nb_visit *visit, void *context, struct nb_arena *a, struct nb_error *e);
/* True for {"stop": ..}, {"concat": ..}, {"unsqueeze": ..}. */
bool nb_is_wrapper(const json_t *j);
/* True for "zeros", a start value of scans. */
bool nb_is_zeros(const json_t *j);
/* "enc" of "enc.mu"; *port is NULL or "mu". */
const char *nb_reference_node(const char *reference, const char **port, struct nb_arena *a, struct nb_error *e);

/* The nodes of a scope so that each comes after those it refers to, else in written order; a cycle is an error at its
 * first node. `nodes` is an object; the order is a list of n keys. */
int nb_node_order(json_t *nodes, const char ***order, struct nb_arena *a, struct nb_error *e);

/* ---- items of a chain, and scans: "Type" or {"Type": ARGS} ----------------------------------------------------------
 */

/* The type, and ARGS or NULL. NULL if it has neither form: bad_form. */
const char *nb_item_type(json_t *item, json_t **args, struct nb_error *e);

#endif
