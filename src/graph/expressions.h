/* expressions.h - formulas over tensors, as a graph of their own: what somebody says a gradient is. */
#ifndef NABLA_EXPRESSIONS_H
#define NABLA_EXPRESSIONS_H
#include "graph/graph.h"

/* The free names of a formula, each once, in the order in which they appear, added to those there are. */
int nb_expression_names(const char *text, struct nb_strings_list *names, struct nb_arena *a, struct nb_error *e);

/* What a free name stands for. */
struct nb_bound {
    const char *name; /* "x", "fc.weight", "g", "B" */
    bool size;        /* a dimension: its number is in shape.dim[0] */
    const char *word; /* or what the language calls it: "pi"; it stays as it is */
    bool integer;
    struct nb_shape shape;
};
/* A double graph with an input for each bound name that is neither size nor word, in their order, and an output for
 * each formula. An error's place is /INDEX for a formula. */
struct nb_graph *nb_expressions_graph(size_t n, const char *const *text, size_t nbound, const struct nb_bound *bound,
                                      struct nb_arena *a, struct nb_error *e);
/* The name of such an input or output: "v3", "e0". */
const char *nb_expressions_input(size_t i, char buf[24]);
const char *nb_expressions_output(size_t i, char buf[24]);

#endif
