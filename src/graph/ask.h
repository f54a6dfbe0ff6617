/* ask.h - a request's questions put to a graph: the plan for it, and a session. For graph.c and the checker. */
#ifndef NABLA_GRAPH_ASK_H
#define NABLA_GRAPH_ASK_H
#include "graph/graph.h"
#include "graph/session.h"

/* PLAIN is BACKWARD through the operations themselves: the formulas of given backwards are passed over. */
enum nb_ask { NB_ASK_FORWARD, NB_ASK_BACKWARD, NB_ASK_LOSS, NB_ASK_PLAIN };

/* The plan with the names of what was asked, in the order of plan->wants. */
struct nb_planned {
    struct nb_plan plan;
    const char **out_name, **wrt_name;
    enum nb_dtype *out_dtype;
    int count;
    int loss; /* index of the loss in net.losses, or -1 */
    struct nb_arena arena;
};

/* Compiled, or found in the cache; valid as long as the graph is held. Release with nb_planned_unref. */
struct nb_planned *nb_graph_plan(struct nb_graph *g, enum nb_ask ask, const struct nb_run *run,
                                 struct nb_arena *scratch, struct nb_error *e);
void nb_planned_unref(struct nb_planned *p);

/* The cotangents of the plan's seeds in dtype: from the request, lent if they are of this dtype, or 1 for a loss. */
int nb_graph_cotangents(const struct nb_planned *p, const struct nb_run *run, enum nb_dtype dtype, struct nb_arena *a,
                        void ***cotangent, struct nb_error *e);
/* What the modules that ran have to say: "node: sentence". */
int nb_graph_warnings(const struct nb_plan *p, struct nb_arena *a, struct nb_strings_list *l, struct nb_error *e);
struct nb_fed nb_graph_fed(const struct nb_graph *g, const struct nb_run *run);

#endif
