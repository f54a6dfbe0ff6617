/* point - inputs and cotangents drawn from the seed. */
#include "check/point.h"
#include "graph/snapshot.h"
#include <string.h>

static const int64_t SIZES[] = {5, 7, 3, 11, 13, 9, 15, 17};

/* Sizes for symbols that nothing given binds: tried in a net of their own. */
static int bind_free(const struct nb_net *net, struct nb_run *run, struct nb_arena *a, struct nb_error *e)
{
    size_t n = 0, total = run->dims.n + net->symbols.n;
    const char **name = nb_small(a, total + 1, sizeof *name, e);
    int64_t *size = nb_small(a, total + 1, sizeof *size, e);
    if (!name || !size)
        return -1;
    for (; n < run->dims.n; n++) {
        name[n] = run->dims.name[n];
        size[n] = run->dims.size[n];
    }
    for (size_t i = 0; i < net->symbols.n; i++)
        if (!NB_IS_KNOWN(net->size[i])) {
            name[n] = nb_strdup(a, net->symbols.v[i], e);
            size[n++] = SIZES[i % (sizeof SIZES / sizeof *SIZES)];
        }
    run->dims.name = name;
    run->dims.size = size;
    run->dims.n = n;
    return 0;
}

/* Between 0.1 and 2 in size, either sign: off the kinks at 0, inside the range where activations bend. */
static double entry(struct nb_stream s, uint64_t i)
{
    double u = 2 * nb_uniform(s, i) - 1;
    return u < 0 ? 1.9 * u - 0.1 : 1.9 * u + 0.1;
}

static int draw_tensor(const char *name, const struct nb_shape *shape, bool integer, bool single, struct nb_seed seed,
                       struct nb_arena *a, struct nb_tensors *to, struct nb_tensors *list, struct nb_error *e)
{
    struct nb_tensor t;
    const char *stream = nb_sprintf(a, e, "point/%s", name), *own = nb_strdup(a, name, e);
    if (!stream || !own || nb_tensor_new(a, NB_F64, shape, &t, e))
        return -1;
    struct nb_stream s = nb_stream_of(seed, stream);
    for (int64_t i = 0; i < nb_count(shape); i++) {
        double x = integer ? (double)(nb_word(s, (uint64_t)i) & 1) : entry(s, (uint64_t)i);
        ((double *)t.data)[i] = single ? (double)(float)x : x;
    }
    return nb_tensors_add(a, to, own, t, e) || nb_tensors_add(a, list, own, t, e) ? -1 : 0;
}

static int draw_inputs(const struct nb_net *net, struct nb_run *run, struct nb_arena *a, struct nb_verdicts *v,
                       struct nb_error *e)
{
    for (size_t i = 0; i < net->inputs.n; i++) {
        const struct nb_input *in = &net->inputs.v[i];
        const struct nb_value *x = &net->values.v[in->value];
        if (in->sample != NB_FED || nb_tensors_find(&run->inputs, in->name) || nb_count(&x->shape) < 0)
            continue;
        if (draw_tensor(in->name, &x->shape, x->integer, net->dtype == NB_F32, run->seed, a, &run->inputs, &v->point,
                        e))
            return -1;
    }
    return 0;
}

static int draw_cotangents(const struct nb_net *net, struct nb_run *run, struct nb_arena *a, struct nb_verdicts *v,
                           struct nb_error *e)
{
    run->cotangents_given = true;
    for (size_t i = 0; i < net->outputs.n; i++) {
        const struct nb_output *o = &net->outputs.v[i];
        bool twice = false;
        for (size_t k = 0; k < i; k++)
            twice |= net->outputs.v[k].value == o->value;
        if (net->values.v[o->value].integer || nb_count(&net->values.v[o->value].shape) < 0 || twice)
            continue;
        if (draw_tensor(o->name, &net->values.v[o->value].shape, false, false, run->seed, a, &run->cotangents,
                        &v->cotangents, e))
            return -1;
    }
    return 0;
}

static int build(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_net *net,
                 struct nb_error *e)
{
    struct nb_binding binding = {&run->inputs, run->dims.n, run->dims.name, run->dims.size, run->train};
    pthread_mutex_lock(&g->shared->lock);
    int bad = nb_net_build(g->shared->description, &binding, a, net, e);
    pthread_mutex_unlock(&g->shared->lock);
    return bad;
}

int nb_point_draw(struct nb_graph *g, struct nb_run *run, struct nb_arena *a, struct nb_verdicts *v, struct nb_error *e)
{
    struct nb_net net;
    if (build(g, run, a, &net, e) || bind_free(&net, run, a, e))
        return -1;
    if (build(g, run, a, &net, e) || draw_inputs(&net, run, a, v, e))
        return -1;
    if (build(g, run, a, &net, e))
        return -1;
    return run->loss || run->cotangents_given ? 0 : draw_cotangents(&net, run, a, v, e);
}
