/* hidden - points that a student never sees: what is right at the visible one by luck, or by a table, is not right at
 * these. */
#include "check/point.h"
#include "grade/marking.h"
#include "graph/ask.h"
#include <math.h>
#include <string.h>

struct hiding {
    const struct nb_reference *visible;
    struct nb_planned *p; /* of the visible point */
    enum nb_hidden which;
    struct nb_arena *arena;
};

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static bool changes(const struct hiding *h)
{
    return h->which == NB_HIDDEN_SIZES || h->which == NB_HIDDEN_SINGLE;
}

/* A symbol's size, in place of what it was: the batch has one sample, or two more than it had. */
static int64_t size_of(const struct hiding *h, size_t symbol, int64_t batch)
{
    int64_t size = h->p->plan.net.size[symbol];
    if (!changes(h) || size != batch)
        return size;
    return h->which == NB_HIDDEN_SINGLE ? 1 : size + 2;
}

static int choose_sizes(const struct hiding *h, struct nb_run *run, struct nb_error *e)
{
    const struct nb_net *net = &h->p->plan.net;
    const char *input;
    int64_t batch;
    nb_point_batch(h->visible->g, net, &input, &batch);
    run->dims.n = 0;
    run->dims.name = nb_small(h->arena, net->symbols.n + 1, sizeof *run->dims.name, e);
    run->dims.size = nb_small(h->arena, net->symbols.n + 1, sizeof *run->dims.size, e);
    if (!run->dims.name || !run->dims.size)
        return -1;
    for (size_t i = 0; i < net->symbols.n; i++) {
        if (!NB_IS_KNOWN(net->size[i]))
            continue;
        run->dims.name[run->dims.n] = nb_strdup(h->arena, net->symbols.v[i], e);
        run->dims.size[run->dims.n++] = size_of(h, i, batch);
    }
    return 0;
}

/* Is there a batch whose size may change? */
static bool has_batch(const struct hiding *h)
{
    const struct nb_net *net = &h->p->plan.net;
    const char *input;
    int64_t batch;
    nb_point_batch(h->visible->g, net, &input, &batch);
    for (size_t i = 0; i < net->symbols.n && input; i++)
        if (net->size[i] == batch)
            return h->which != NB_HIDDEN_SINGLE || batch != 1;
    return false;
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static bool is_real(const struct hiding *h, const char *name)
{
    int in = nb_net_input(&h->p->plan.net, name);
    return in >= 0 && !h->p->plan.net.values.v[h->p->plan.net.inputs.v[in].value].integer;
}

/* Classes and places stay where sizes do. */
static int keep_integers(const struct hiding *h, struct nb_run *run, struct nb_error *e)
{
    const struct nb_tensors *l = &h->visible->point.run.inputs;
    run->inputs = (struct nb_tensors){0};
    for (size_t i = 0; i < l->n && !changes(h); i++)
        if (!is_real(h, l->v[i].name) && nb_tensors_add(h->arena, &run->inputs, l->v[i].name, l->v[i].t, e))
            return -1;
    return 0;
}

/* ---- cotangents -------------------------------------------------------------------------------------------------- */

static int shape_of(const struct hiding *h, const struct nb_run *run, const char *name, struct nb_shape *s,
                    struct nb_error *e)
{
    struct nb_run ask = *run;
    ask.outputs = (struct nb_strings_list){1, &name};
    ask.outputs_given = true;
    struct nb_planned *p = nb_graph_plan(h->visible->g, NB_ASK_FORWARD, &ask, h->arena, e);
    if (!p)
        return -1;
    *s = p->plan.net.values.v[p->plan.wants.out[0]].shape;
    nb_planned_unref(p);
    return 0;
}

static int draw_cotangents(const struct hiding *h, struct nb_run *run, struct nb_error *e)
{
    const struct nb_tensors *l = &h->visible->point.run.cotangents;
    run->cotangents = (struct nb_tensors){0};
    for (size_t i = 0; i < l->n && run->cotangents_given; i++) {
        const char *name = l->v[i].name, *text = nb_sprintf(h->arena, e, "cotangent/%s", name);
        struct nb_shape s;
        struct nb_tensor t;
        if (!text || shape_of(h, run, name, &s, e) || nb_tensor_new(h->arena, NB_F64, &s, &t, e))
            return -1;
        nb_draw_amounts(nb_stream_of(run->seed, text), 0, (size_t)nb_count(&s), t.data);
        if (nb_tensors_add(h->arena, &run->cotangents, name, t, e))
            return -1;
    }
    return 0;
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

/* Zeros, and numbers so large that functions are flat there. */
static double at_edge(double x, size_t i)
{
    static const double sizes[] = {0, 30, 1, 700, 1};
    return x * sizes[i % 5];
}

static int move_to_edges(const struct hiding *h, struct nb_run *run, struct nb_error *e)
{
    for (size_t i = 0; i < run->inputs.n; i++) {
        struct nb_tensor *t = &run->inputs.v[i].t, to;
        size_t n = (size_t)nb_count(&t->shape);
        if (!is_real(h, run->inputs.v[i].name))
            continue;
        if (nb_tensor_new(h->arena, NB_F64, &t->shape, &to, e))
            return -1;
        nb_convert(NB_F64, to.data, t->dtype, t->data, n);
        for (size_t k = 0; k < n; k++)
            ((double *)to.data)[k] = at_edge(((double *)to.data)[k], k);
        *t = to;
    }
    return 0;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

static int draw(const struct hiding *h, struct nb_check *point, struct nb_error *e)
{
    struct nb_run *run = &point->run;
    struct nb_verdicts drawn = {0};
    run->seed.hi ^= 0x9e3779b97f4a7c15u * (uint64_t)(1 + h->which);
    if (choose_sizes(h, run, e) || keep_integers(h, run, e) ||
        nb_point_draw(h->visible->g, run, 0, h->arena, &drawn, e))
        return -1;
    if (draw_cotangents(h, run, e))
        return -1;
    return h->which == NB_HIDDEN_EDGES ? move_to_edges(h, run, e) : 0;
}

int nb_hidden_draw(const struct nb_reference *visible, enum nb_hidden which, struct nb_arena *a, struct nb_graph **g,
                   struct nb_check *point, bool *there, struct nb_error *e)
{
    struct hiding h = {visible, nb_graph_plan(visible->g, NB_ASK_PLAIN, &visible->point.run, a, e), which, a};
    *point = visible->point;
    *g = NULL;
    *there = false;
    if (!h.p)
        return -1;
    int bad = 0;
    if (!changes(&h) || has_batch(&h)) {
        bad = draw(&h, point, e);
        *there = !bad;
        if (!bad && !(*g = nb_point_learned(visible->g, &h.p->plan.net, point->run.seed, (int)which, a, e)))
            bad = -1;
    }
    nb_planned_unref(h.p);
    return bad;
}
