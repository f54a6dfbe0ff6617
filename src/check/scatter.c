/* scatter - rounding inside a backward is seen by what its gradients do when every number on the way, and the point
 * itself, moves by a unit in the last place. It lies between wrong and cannot tell; it never makes anything right. */
#include "check/checker.h"
#include <math.h>
#include <string.h>

enum { ROUNDS = 16 };

struct scatter {
    struct nb_session s;
    const double **at; /* per leaf: the point */
    double **gradient; /* there, unmoved */
    uint64_t decisions;
};

static int compute(struct scatter *x, const struct nb_checker *k, struct nb_error *e)
{
    return nb_session_forward(&x->s, e) || nb_session_backward(&x->s, k->cotangent, e) ? -1 : 0;
}

static int begin(struct scatter *x, struct nb_checker *k, struct nb_error *e)
{
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    bool drew;
    k->scatter = nb_zalloc(k->arena, (size_t)k->nleaf + 1, sizeof *k->scatter, e);
    x->at = nb_zalloc(k->arena, (size_t)k->nleaf + 1, sizeof *x->at, e);
    x->gradient = nb_zalloc(k->arena, (size_t)k->nleaf + 1, sizeof *x->gradient, e);
    if (!k->scatter || !x->at || !x->gradient ||
        nb_session_new(&k->plain->plan, NB_F64, &fed, k->arena, &x->s, &drew, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++) {
        int v = k->leaf[i].value;
        x->at[i] = x->s.data[v];
        if (nb_session_own(&x->s, v, k->arena, e) ||
            !(k->scatter[i] = nb_zalloc(k->arena, k->leaf[i].n, sizeof **k->scatter, e)) ||
            !(x->gradient[i] = nb_zalloc(k->arena, k->leaf[i].n, sizeof **x->gradient, e)))
            return -1;
    }
    if (compute(x, k, e))
        return -1;
    x->decisions = nb_session_decisions(&x->s, NULL);
    for (int i = 0; i < k->nleaf; i++)
        if (x->s.grad[k->leaf[i].value])
            memcpy(x->gradient[i], x->s.grad[k->leaf[i].value], k->leaf[i].n * sizeof(double));
    return 0;
}

static void move(struct scatter *x, const struct nb_checker *k, int round, bool leaves)
{
    for (int i = 0; i < k->nleaf; i++) {
        double *v = memcpy(x->s.data[k->leaf[i].value], x->at[i], k->leaf[i].n * sizeof *v);
        if (leaves && nb_oracle_moves(k->oracle, k->leaf[i].value))
            nb_stir((struct nb_stream){33, (uint64_t)i}, (uint64_t)(unsigned)round << 40, k->leaf[i].n, v, v);
    }
}

static void note(struct scatter *x, struct nb_checker *k)
{
    for (int i = 0; i < k->nleaf; i++) {
        const double *now = x->s.grad[k->leaf[i].value];
        for (size_t j = 0; j < k->leaf[i].n && now; j++)
            k->scatter[i][j] = fmax(k->scatter[i][j], fabs(now[j] - x->gradient[i][j]));
    }
}

/* A forward that refuses a point beside this one has no rounding to tell of. A kink is no rounding, so all decisions
 * have to stay; as in oracle.c, at first the leaves move too, then they stay, at last anything goes. */
int nb_scatter_measure(struct nb_checker *k, struct nb_error *e)
{
    struct scatter x;
    int noted = 0;
    if (begin(&x, k, e))
        return -1;
    for (int how = 0; how < 3 && !noted; how++)
        for (int r = 0; r < ROUNDS; r++) {
            struct nb_error refused = {0};
            move(&x, k, r, how != 1);
            x.s.stir = 1 + (uint64_t)r;
            if (compute(&x, k, &refused) || (how < 2 && nb_session_decisions(&x.s, NULL) != x.decisions))
                continue;
            note(&x, k);
            noted++;
        }
    return 0;
}
