/* describe - what a graph turned out to be: shapes in symbols, learned tensors, losses. */
#include "graph/graph.h"
#include "graph/snapshot.h"
#include <string.h>

static json_t *shape_json(const struct nb_net *net, const struct nb_shape *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->rank; i++) {
        int64_t d = s->dim[i];
        json_t *j = NB_IS_KNOWN(d) ? json_integer(d)
                    : d == NB_ANY  ? json_null()
                                   : json_string(net->symbols.v[d - NB_SYM(0)]);
        json_array_append_new(list, j);
    }
    return list;
}

/* Not by json_pack: it loses what it was given when memory runs out. */
static json_t *typed_json(const struct nb_net *net, int value, enum nb_dtype d)
{
    json_t *j = json_object();
    json_object_set_new(j, "shape", shape_json(net, &net->values.v[value].shape));
    json_object_set_new(j, "dtype", json_string(nb_dtype_name(d)));
    return j;
}

static json_t *inputs_json(const struct nb_net *net)
{
    static const char *const samples[] = {NULL, "normal", "uniform", "bernoulli", "gumbel"};
    json_t *all = json_object();
    for (size_t i = 0; i < net->inputs.n; i++) {
        const struct nb_input *in = &net->inputs.v[i];
        json_t *j = typed_json(net, in->value, in->dtype);
        if (samples[in->sample])
            json_object_set_new(j, "sample", json_string(samples[in->sample]));
        json_object_set_new(all, in->name, j);
    }
    return all;
}

static json_t *nodes_json(const struct nb_net *net)
{
    json_t *all = json_object();
    for (size_t i = 0; i < net->probes.n; i++) {
        const char *name = net->probes.v[i].name;
        size_t n = strlen(name);
        if (n > 4 && !strcmp(name + n - 4, ".out") && i > 0 && net->probes.v[i - 1].value == net->probes.v[i].value)
            continue; /* the only port, said already */
        json_object_set_new(all, name, shape_json(net, &net->values.v[net->probes.v[i].value].shape));
    }
    return all;
}

static json_t *learned_json(const struct nb_net *net, int64_t *count)
{
    json_t *all = json_object();
    *count = 0;
    for (size_t i = 0; i < net->learned.n; i++) {
        const struct nb_learned *l = &net->learned.v[i];
        json_t *j = json_object();
        json_object_set_new(j, "shape", shape_json(net, &net->values.v[l->value].shape));
        if (l->buffer)
            json_object_set_new(j, "buffer", json_true());
        if (l->frozen)
            json_object_set_new(j, "frozen", json_true());
        if (l->tie >= 0)
            json_object_set_new(j, "tie", json_string(net->learned.v[l->tie].name));
        else if (!l->buffer)
            *count += nb_count(&net->values.v[l->value].shape);
        json_object_set_new(all, l->name, j);
    }
    return all;
}

static json_t *outputs_json(const struct nb_net *net)
{
    json_t *all = json_object();
    for (size_t i = 0; i < net->outputs.n; i++) {
        const struct nb_output *o = &net->outputs.v[i];
        json_object_set_new(all, o->name, typed_json(net, o->value, o->dtype));
    }
    return all;
}

static json_t *losses_json(const struct nb_net *net)
{
    json_t *all = json_array();
    for (size_t i = 0; i < net->losses.n; i++)
        json_array_append_new(all, json_string(net->losses.v[i].name));
    return all;
}

/* Modules of the graph that stand in the place of a built-in type. */
static json_t *hidden_json(json_t *description)
{
    json_t *all = json_array(), *def;
    const char *name;
    json_object_foreach (json_object_get(description, "modules"), name, def)
        if (nb_module_find(name) >= 0)
            json_array_append_new(all, json_string(name));
    return all;
}

json_t *nb_graph_describe(const struct nb_graph *g, struct nb_error *e)
{
    int64_t count;
    json_t *learned = learned_json(&g->net, &count);
    pthread_mutex_lock(&g->shared->lock);
    json_t *hidden = hidden_json(g->shared->description);
    pthread_mutex_unlock(&g->shared->lock);
    json_t *j = json_object();
    int bad = json_object_set_new(j, "dtype", json_string(nb_dtype_name(g->net.dtype)));
    bad |= json_object_set_new(j, "inputs", inputs_json(&g->net));
    bad |= json_object_set_new(j, "nodes", nodes_json(&g->net));
    bad |= json_object_set_new(j, "outputs", outputs_json(&g->net));
    bad |= json_object_set_new(j, "losses", losses_json(&g->net));
    bad |= json_object_set_new(j, "learned", learned);
    bad |= json_object_set_new(j, "learned_count", json_integer(count));
    bad |= json_object_set_new(j, "hides_built_in", hidden);
    if (!bad)
        return j;
    json_decref(j);
    nb_fail_memory(e);
    return NULL;
}
