/* graph.h - a graph: a description, its learned tensors, and its compiled plans. What the rest of the program calls.
 *
 * A struct nb_graph is never written after it is made (the plan cache inside has its own lock); it is counted and
 * shared by all requests. Error pointers begin with /graph (a place in the description), /parameters, /inputs,
 * /outputs, /cotangents, /wrt, /loss, /dims: the body of a request with the graph in it. */
#ifndef NABLA_GRAPH_H
#define NABLA_GRAPH_H
#include "nabla/rng.h"
#include "nabla/tensor.h"
#include <jansson.h>

struct nb_graph;

/* Reads, checks and initialises. `parameters` (may be NULL) wins over init and value; names not given start from
 * `seed`. */
struct nb_graph *nb_graph_new(json_t *description, const struct nb_tensors *parameters, struct nb_seed seed,
                              struct nb_error *e);
/* The same graph with other values: of all its tensors (all), or of those named. */
struct nb_graph *nb_graph_with(struct nb_graph *g, const struct nb_tensors *parameters, bool all, struct nb_error *e);
struct nb_graph *nb_graph_ref(struct nb_graph *g);
void nb_graph_unref(struct nb_graph *g);

const char *nb_graph_text(const struct nb_graph *g); /* the description, compact JSON, keys in order */
const struct nb_tensors *nb_graph_parameters(const struct nb_graph *g); /* learned tensors and buffers, by full name */
enum nb_dtype nb_graph_dtype(const struct nb_graph *g);
const char *nb_graph_only_input(const struct nb_graph *g); /* its name; NULL: there are more, or none */
/* What GET shows besides the text: inputs, outputs, every node's shape in symbols, learned tensors, losses. New
 * reference. */
json_t *nb_graph_describe(const struct nb_graph *g, struct nb_error *e);
/* A picture in Graphviz's language; owned by the arena. */
char *nb_graph_dot(const struct nb_graph *g, struct nb_arena *a, struct nb_error *e);

/* What a request asks of a graph. */
struct nb_strings_list {
    size_t n;
    const char **v;
};
struct nb_run {
    struct nb_tensors inputs;       /* any dtype; checked and converted */
    struct nb_strings_list outputs; /* references and probes; n == 0 and outputs_given false: the graph's own */
    bool outputs_given;
    struct nb_tensors cotangents; /* by reference */
    bool cotangents_given;
    struct nb_strings_list wrt;
    bool wrt_given;
    const char *loss; /* NULL: the only one */
    bool train;
    struct nb_seed seed; /* of all noise */
    /* Of a training step: its own copies of the buffers, which forward then changes. NULL: buffers stay as they are. */
    const struct nb_tensors *track;
    struct {
        size_t n;
        const char **name;
        int64_t *size;
    } dims;
};

struct nb_result {
    struct nb_tensors outputs, gradients;
    const char *loss_name; /* NULL if the request used cotangents */
    double loss;
    bool noise;                        /* something was drawn from the seed: the reply carries it */
    struct nb_strings_list not_finite; /* names of outputs and gradients that hold NaN or infinities */
    struct nb_strings_list warnings;
};

/* Results live in the arena. */
int nb_graph_forward(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_result *r,
                     struct nb_error *e);
int nb_graph_backward(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_result *r,
                      struct nb_error *e);
int nb_graph_loss(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_result *r,
                  struct nb_error *e);

/* Estimated floating-point operations of a forward with these inputs (3 times that with backward). Cheap: sizes only.
 */
double nb_graph_cost(const struct nb_graph *g, const struct nb_tensors *inputs);

#endif
