/* shadow - float32 graphs: differences in float would be worth nothing, so the double build is certified, and then the
 * gradients in float are compared with the certified numbers. */
#include "check/checker.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { JIGGLES = 16 };

struct shadow {
    struct nb_checker *k;
    struct nb_session s;
    void **cotangent;
    float **keep; /* per leaf: its values at the point */
    float **here; /* per leaf: its gradient there */
};

static int compute(struct shadow *x, struct nb_error *e)
{
    return nb_session_forward(&x->s, e) || nb_session_backward(&x->s, x->cotangent, e) ? -1 : 0;
}

static int begin(struct shadow *x, struct nb_error *e)
{
    struct nb_checker *k = x->k;
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    bool drew;
    if (nb_graph_cotangents(k->p, &k->run, NB_F32, k->arena, &x->cotangent, e) ||
        nb_session_new(&k->p->plan, NB_F32, &fed, k->arena, &x->s, &drew, e) ||
        !(x->keep = nb_small(k->arena, (size_t)k->nleaf + 1, sizeof *x->keep, e)))
        return -1;
    for (int i = 0; i < k->nleaf; i++) {
        struct nb_leaf *l = &k->leaf[i];
        if (nb_session_own(&x->s, l->value, k->arena, e) ||
            !(x->keep[i] = nb_alloc(k->arena, l->n, sizeof **x->keep, e)) ||
            !(l->noise = nb_zalloc(k->arena, l->n, sizeof *l->noise, e)))
            return -1;
        memcpy(x->keep[i], x->s.data[l->value], l->n * sizeof(float));
    }
    return compute(x, e);
}

/* The gradient in float becomes the candidate, unless one was given. */
static void take_candidates(struct shadow *x)
{
    for (int i = 0; i < x->k->nleaf; i++) {
        struct nb_leaf *l = &x->k->leaf[i];
        const struct nb_check *c = x->k->c;
        const struct nb_tensor *given = c->gradients_given ? nb_tensors_find(&c->gradients, l->out->name) : NULL;
        if (given && l->out->reason != NB_WHY_shape)
            nb_convert(NB_F64, l->out->candidate, given->dtype, given->data, l->n);
        else if (!given && x->s.grad[l->value])
            nb_convert(NB_F64, l->out->candidate, NB_F32, x->s.grad[l->value], l->n);
        l->eps = FLT_EPSILON;
    }
}

/* The gradients in float at the point. */
static int keep_here(struct shadow *x, struct nb_error *e)
{
    bool apart = nb_session_decisions(&x->s, NULL) != x->k->oracle->decisions;
    if (!(x->here = nb_zalloc(x->k->arena, (size_t)x->k->nleaf + 1, sizeof *x->here, e)))
        return -1;
    for (int i = 0; i < x->k->nleaf; i++) {
        struct nb_leaf *l = &x->k->leaf[i];
        if (!x->s.grad[l->value])
            continue;
        if (!(x->here[i] = nb_alloc(x->k->arena, l->n, sizeof **x->here, e)))
            return -1;
        memcpy(x->here[i], x->s.grad[l->value], l->n * sizeof(float));
        l->apart = apart ? x->here[i] : NULL;
    }
    return 0;
}

static void jiggle(struct shadow *x, int round)
{
    for (int i = 0; i < x->k->nleaf; i++) {
        float *v = x->s.data[x->k->leaf[i].value];
        for (size_t j = 0; j < x->k->leaf[i].n && nb_oracle_moves(x->k->oracle, x->k->leaf[i].value); j++) {
            uint64_t word = nb_word((struct nb_stream){32, (uint64_t)i}, (uint64_t)round << 40 | j);
            if (x->keep[i][j] != 0) /* a mask */
                v[j] = nextafterf(x->keep[i][j], word & 1 ? INFINITY : -INFINITY);
        }
    }
}

/* How gradients in float scatter when the point, and every number on the way, moves by a unit in the last place. A
 * forward that refuses such a point has no noise to tell of. */
static void measure_noise(struct shadow *x)
{
    for (int r = 0; r < JIGGLES; r++) {
        struct nb_error refused = {0};
        jiggle(x, r);
        x->s.stir = 1 + (uint64_t)r;
        if (compute(x, &refused))
            continue;
        for (int i = 0; i < x->k->nleaf; i++) {
            struct nb_leaf *l = &x->k->leaf[i];
            const float *now = x->s.grad[l->value], *here = x->here[i];
            const double *shadow = x->k->own.grad[l->value];
            for (size_t j = 0; j < l->n && now && shadow; j++)
                l->noise[j] =
                    fmax(l->noise[j], fmax(fabs((double)now[j] - shadow[j]), fabs((double)(now[j] - here[j]))));
        }
    }
}

static int keep_shadow(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e)
{
    unsigned char *shadow;
    if (k->c->gradients_given && nb_tensors_find(&k->c->gradients, l->out->name))
        return 0; /* somebody else's gradient has none */
    if (!(shadow = nb_alloc(k->arena, l->n, 1, e)))
        return -1;
    memcpy(shadow, l->out->verdicts, l->n);
    l->shadow = shadow;
    return 0;
}

int nb_judge_float(struct nb_checker *k, struct nb_error *e)
{
    struct shadow x = {.k = k};
    if (begin(&x, e))
        return -1;
    if (keep_here(&x, e))
        return -1;
    take_candidates(&x);
    measure_noise(&x);
    if (nb_judge_kinks(k, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++) {
        if (k->leaf[i].out->reason == NB_WHY_shape)
            continue;
        if (keep_shadow(k, &k->leaf[i], e))
            return -1;
        nb_forget_verdicts(k->leaf[i].out);
        k->leaf[i].looked_at = 0;
        if (nb_judge_leaf(k, &k->leaf[i], e))
            return -1;
    }
    return 0;
}
