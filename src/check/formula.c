/* formula - which formula of a given backward is at fault, also in the steps of a scan. */
#include "check/checker.h"
#include <math.h>
#include <string.h>

enum { MOST_MOVES = 1 << 16, MEMORY = 1 << 30 }; /* of single entries, in one check */
static const double H = 0x1p-664;

/* A given backward, worked out; and the module's own operations, in double complex. */
struct suspect {
    const struct nb_session *s;
    struct nb_session z;
    const struct nb_given *g;
    const struct nb_given_entry *x;
};

static size_t entries(const struct suspect *q, int v)
{
    return (size_t)nb_count(&q->s->plan->net.values.v[v].shape);
}

/* The derivative of the module alone in the direction that the target's imaginary parts have, against what the formula
 * says of it. */
static int claim_differs(struct suspect *q, double claim, double size, bool *differs, struct nb_error *e)
{
    double n = 0, terms = size;
    if (nb_session_part(&q->z, q->g->first, q->g->last, e))
        return -1;
    for (int o = 0; o < q->g->nout; o++) {
        const double _Complex *y = q->z.data[q->g->out[o]];
        const double *go = q->s->data[q->g->g[o]];
        for (size_t j = 0; go && j < entries(q, q->g->out[o]); j++) {
            n += go[j] * (cimag(y[j]) / H);
            terms += fabs(go[j] * (cimag(y[j]) / H));
        }
    }
    *differs = !(fabs(claim - n) <= 1e-9 * terms);
    return 0;
}

static int direction_differs(struct suspect *q, bool *differs, struct nb_error *e)
{
    double _Complex *t = q->z.data[q->x->target];
    const double *got = q->s->data[q->x->result], *at = q->s->data[q->x->target];
    size_t n = entries(q, q->x->target);
    double claim = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double to = nb_uniform((struct nb_stream){31, 47}, i) - 0.5;
        t[i] = CMPLX(at[i], to * H);
        claim += to * got[i];
        size += fabs(to * got[i]);
    }
    int bad = claim_differs(q, claim, size, differs, e);
    nb_convert(NB_C128, t, NB_F64, at, n);
    return bad;
}

static int entry_differs(struct suspect *q, size_t i, bool *differs, struct nb_error *e)
{
    double _Complex *t = q->z.data[q->x->target];
    double x = ((const double *)q->s->data[q->x->target])[i];
    t[i] = CMPLX(x, H);
    int bad = claim_differs(q, ((const double *)q->s->data[q->x->result])[i], 0, differs, e);
    t[i] = x;
    return bad;
}

struct blame {
    struct nb_checker *k;
    const char *place; /* NULL: nothing found so far */
    int64_t moves;
};

/* All entries at once, then one by one, as long as there is time for it. */
static int try_formula(struct blame *b, struct suspect *q, struct nb_error *e)
{
    bool differs = false;
    if (direction_differs(q, &differs, e))
        return -1;
    for (size_t i = 0; i < entries(q, q->x->target) && !differs && b->moves < MOST_MOVES; i++, b->moves++)
        if (entry_differs(q, i, &differs, e))
            return -1;
    if (nb_session_part(&q->z, q->g->first, q->g->last, e)) /* leave the module as it was */
        return -1;
    b->place = differs ? nb_strdup(b->k->arena, q->x->place, e) : NULL;
    return differs && !b->place ? -1 : 0;
}

static int look(void *watcher, struct nb_session *s, const struct nb_back *back, struct nb_error *e)
{
    struct blame *b = watcher;
    struct suspect q = {.s = s, .g = &s->plan->net.given.v[back->given]};
    struct nb_arena own;
    if (b->place)
        return 0;
    nb_arena_init(&own, MEMORY);
    int bad = nb_session_twin(s, NB_C128, &own, &q.z, e) || nb_session_hold(&q.z, &own, e);
    for (int i = 0; i < q.g->n && !b->place && !bad; i++) {
        q.x = &q.g->entry[i];
        bad = back->in[i] != NB_NO_FLOW && try_formula(b, &q, e);
    }
    nb_arena_done(&own);
    return bad ? -1 : 0;
}

int nb_name_formula(struct nb_checker *k, struct nb_error *e)
{
    struct blame b = {.k = k};
    if (k->v->verdict != NB_WRONG || !nb_net_given(&k->p->plan.net))
        return 0;
    k->own.watch = look;
    k->own.watcher = &b;
    int bad = nb_session_backward(&k->own, k->cotangent, e);
    k->own.watch = NULL;
    if (bad)
        return -1;
    for (size_t i = 0; i < k->v->n; i++)
        if (k->v->v[i].verdict == NB_WRONG &&
            !(k->c->gradients_given && nb_tensors_find(&k->c->gradients, k->v->v[i].name)))
            k->v->v[i].place = b.place;
    return 0;
}
