/* clinic - a graph at a point, ready for mistakes to be tried. */
#include "grade/exam.h"
#include "check/point.h"

/* The uses of the learned tensor used most: the number of time steps of a network that was unrolled. */
static int count_steps(struct nb_clinic *c, struct nb_error *e)
{
    const struct nb_net *net = &c->p->plan.net;
    int64_t *uses = nb_zalloc(c->arena, net->values.n + 1, sizeof *uses, e);
    if (!uses)
        return -1;
    for (size_t k = 0; k < net->ops.n; k++)
        for (int i = 0; i < net->ops.v[k].nw; i++) {
            int64_t n = ++uses[net->ops.v[k].w[i]];
            c->steps = n > c->steps ? n : c->steps;
        }
    return 0;
}

/* The value whose entries a mean would go over: what comes in from outside, or what the loss is made of. */
static int measured(const struct nb_planned *p)
{
    const struct nb_net *net = &p->plan.net;
    int v = p->plan.wants.nseed ? p->plan.wants.seed[0] : -1;
    while (v >= 0 && net->values.v[v].kind == NB_V_OP && net->values.v[v].shape.rank == 0) {
        const struct nb_op *op = &net->ops.v[net->values.v[v].of];
        v = op->nin ? op->in[0] : -1;
    }
    return v;
}

static int64_t count_entries(const struct nb_clinic *c)
{
    int v = measured(c->p);
    int64_t n = v < 0 ? 0 : nb_count(&c->p->plan.net.values.v[v].shape);
    return c->batch > 0 && n % c->batch == 0 ? n / c->batch : n;
}

static int open_session(struct nb_clinic *c, struct nb_error *e)
{
    struct nb_fed fed = nb_graph_fed(c->g, c->run);
    bool drew;
    return nb_session_new(&c->p->plan, NB_F64, &fed, c->arena, &c->s, &drew, e) || nb_session_forward(&c->s, e) ||
                   nb_graph_cotangents(c->p, c->run, NB_F64, c->arena, &c->cotangent, e)
               ? -1
               : 0;
}

int nb_clinic_new(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_clinic **clinic,
                  struct nb_error *e)
{
    struct nb_clinic *c = *clinic = nb_zalloc(a, 1, sizeof *c, e);
    const char *sample;
    if (!c)
        return -1;
    *c = (struct nb_clinic){.g = g, .run = run, .arena = a};
    if (!(c->p = nb_graph_plan(g, NB_ASK_BACKWARD, run, a, e)) || open_session(c, e) || count_steps(c, e)) {
        nb_clinic_done(c);
        *clinic = NULL;
        return -1;
    }
    nb_point_batch(g, &c->p->plan.net, &sample, &c->batch);
    c->entries = count_entries(c);
    return 0;
}

void nb_clinic_done(struct nb_clinic *c)
{
    if (c && c->p)
        nb_planned_unref(c->p);
    if (c)
        c->p = NULL;
}
