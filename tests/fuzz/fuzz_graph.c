/* fuzz_graph - any bytes as a graph description: refused with an error or built, drawn a point for, run and checked. */
#include "check/check.h"
#include "graph/graph.h"
#include "nabla/limits.h"
#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void shrink_limits(void)
{
    nb_limits.nodes = 300;
    nb_limits.memory = nb_limits.graph_memory = 64 << 20;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nb_error e = {0};
    struct nb_arena a;
    struct nb_check c = {.run.seed = {1, 2}};
    struct nb_verdicts v;
    shrink_limits();
    json_t *j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct nb_graph *g = j ? nb_graph_new(j, NULL, (struct nb_seed){1, 2}, &e) : NULL;
    nb_arena_init(&a, 64 << 20);
    if (g) {
        json_t *d = nb_graph_describe(g, &e);
        json_decref(d);
        nb_graph_dot(g, &a, &e);
        nb_check_run(g, &c, &a, &v, &e);
    }
    nb_arena_done(&a);
    nb_graph_unref(g);
    json_decref(j);
    return 0;
}
