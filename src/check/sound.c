/* sound - is there a function at this point? Its values are finite, and the same when it is asked twice. */
#include "check/checker.h"
#include "check/doubt.h"
#include <math.h>
#include <string.h>

struct place {
    const char *name; /* of an input, a learned tensor or a node */
    int64_t index;    /* flat */
};

static int64_t entries(const struct nb_session *s, int v)
{
    return nb_count(&s->plan->net.values.v[v].shape);
}

/* True, with the place, if an entry is not finite, or differs from that of the other session if there is one. */
static bool bad_entry(const struct nb_session *s, const struct nb_session *other, int v, struct place *p)
{
    const double *x = s->data[v], *y = other ? other->data[v] : NULL;
    if (!x || s->plan->net.values.v[v].integer)
        return false;
    for (p->index = 0; p->index < entries(s, v); p->index++) {
        const double *at = x + p->index;
        if (y ? memcmp(at, y + p->index, sizeof *at) != 0 : !isfinite(*at))
            return true;
    }
    return false;
}

/* The first one on the way from the leaves to the outputs. */
static bool find(const struct nb_session *s, const struct nb_session *other, struct place *p)
{
    const struct nb_net *net = &s->plan->net;
    for (size_t i = 0; i < net->inputs.n; i++)
        if (p->name = net->inputs.v[i].name, bad_entry(s, other, net->inputs.v[i].value, p))
            return true;
    for (size_t i = 0; i < net->learned.n; i++)
        if (p->name = net->learned.v[i].name, bad_entry(s, other, net->learned.v[i].value, p))
            return true;
    for (int k = 0; k < s->plan->nsteps; k++) {
        const struct nb_op *op = &net->ops.v[s->plan->step[k]];
        for (int o = 0; o < op->nout; o++)
            if (p->name = op->node, bad_entry(s, other, op->out[o], p))
                return true;
    }
    return false;
}

static bool repeats(const struct nb_checker *k)
{
    const struct nb_oracle *o = k->oracle;
    for (int i = 0; i < o->nout; i++)
        if (memcmp(o->base[i], k->own.data[o->out[i]], (size_t)entries(&k->own, o->out[i]) * sizeof(double)) != 0)
            return false;
    return true;
}

enum nb_reason nb_unsound(const struct nb_checker *k)
{
    if (!nb_oracle_finite(k->oracle))
        return NB_WHY_forward_not_finite;
    return repeats(k) ? NB_WHY_none : NB_WHY_not_deterministic;
}

int nb_name_unsound(struct nb_checker *k, struct nb_error *e)
{
    struct place p = {"", 0};
    const struct nb_session *other = k->unsound == NB_WHY_not_deterministic ? &k->oracle->d : NULL;
    if (!k->unsound || (other && nb_session_forward(&k->oracle->d, e)))
        return k->unsound ? -1 : 0;
    if (!find(&k->own, other, &p))
        return 0;
    char *hides = nb_sprintf(k->arena, e, "entry %lld is %s: here no gradient can be measured", (long long)p.index,
                             other ? "another number when it is asked again" : "not finite");
    if (!hides)
        return -1;
    return nb_doubt_add(k->v, nb_reason_name(k->unsound), p.name, hides, k->arena, e);
}
