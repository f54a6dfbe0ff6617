/* fuzz_graph - any bytes as a graph description: refused with an error, or built, described, drawn, run forward and
 * back at a point, and checked if it is small. */
#include "check/check.h"
#include "check/point.h"
#include "graph/graph.h"
#include "nabla/limits.h"
#include <jansson.h>

enum { SMALL = 60 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void shrink_limits(void)
{
    nb_limits.nodes = 200;
    nb_limits.memory = nb_limits.graph_memory = 32 << 20;
}

static int64_t entries(const struct nb_tensors *l)
{
    int64_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += nb_count(&l->v[i].t.shape);
    return n;
}

static void use(struct nb_graph *g, struct nb_arena *a)
{
    struct nb_error e = {0};
    struct nb_check c = {.run.seed = {1, 2}};
    struct nb_run run = {.seed = {1, 2}};
    struct nb_verdicts v = {0};
    struct nb_result r;
    json_decref(nb_graph_describe(g, &e));
    nb_graph_dot(g, a, &e);
    if (nb_point_draw(g, &run, 0, a, &v, &e) || nb_graph_backward(g, &run, a, &r, &e))
        return;
    if (entries(nb_graph_parameters(g)) + entries(&run.inputs) <= SMALL)
        nb_check_run(g, &c, a, &v, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nb_error e = {0};
    struct nb_arena a;
    shrink_limits();
    json_t *j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct nb_graph *g = j ? nb_graph_new(j, NULL, (struct nb_seed){1, 2}, &e) : NULL;
    nb_arena_init(&a, 32 << 20);
    if (g)
        use(g, &a);
    nb_arena_done(&a);
    nb_graph_unref(g);
    json_decref(j);
    return 0;
}
