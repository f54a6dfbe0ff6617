/* hessian - second order: Hessian-vector products, the complex build of backward against differences of the double one.
 *
 * H v = d/dt grad(x + t v). The candidate is given, or Im grad(x + i h v) / h of the graph's own backward; the oracles
 * are the same of the plain backward, which order 1 has certified, and the ladder of differences of its double build.
 */
#include "check/checker.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { ROUNDING = 16, HALVINGS = 37, JIGGLES = 8 };
static const double H = 0x1p-664;

struct rung {
    double value, rounding;
};
struct entry { /* of all leaves, one after the other */
    struct rung far, mid, near;
    double base, noise; /* the gradient, and how it scatters when the point moves by units in the last place */
};
struct hessian {
    struct nb_checker *k;
    struct nb_session d, z; /* of the plain plan */
    void **cotangent, **complex_cotangent;
    double **v; /* per leaf: the direction */
    double **x; /* per leaf: the point */
    struct entry *entry;
    double *plus;
    size_t n;
};

static int new_session(struct hessian *q, const struct nb_plan *plan, enum nb_dtype build, struct nb_session *s,
                       struct nb_error *e)
{
    struct nb_checker *k = q->k;
    struct nb_fed fed = nb_graph_fed(k->g, &k->run);
    bool drew;
    if (nb_session_new(plan, build, &fed, k->arena, s, &drew, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++)
        if (nb_session_own(s, k->leaf[i].value, k->arena, e))
            return -1;
    return 0;
}

/* ---- the direction --------------------------------------------------------------------------------------------- */

static int draw_direction(struct hessian *q, int leaf, struct nb_error *e)
{
    struct nb_checker *k = q->k;
    const struct nb_leaf *l = &k->leaf[leaf];
    struct nb_stream s = nb_stream_of(k->run.seed, nb_sprintf(k->arena, e, "direction/%s", l->out->name));
    struct nb_tensor t = {NB_F64, l->out->shape, q->v[leaf]};
    for (size_t i = 0; i < l->n; i++) {
        double u = 2 * nb_uniform(s, i) - 1;
        q->v[leaf][i] = u < 0 ? u - 0.5 : u + 0.5;
    }
    return nb_tensors_add(k->arena, &k->v->direction, l->out->name, t, e);
}

static int read_direction(struct hessian *q, int leaf, const struct nb_tensor *t, struct nb_error *e)
{
    const struct nb_leaf *l = &q->k->leaf[leaf];
    char x[200], y[200];
    if (nb_shape_same(&t->shape, &l->out->shape) != 1)
        return nb_fail(e, NB_E_shape_mismatch, "%s has shape %s, its direction has %s", l->out->name,
                       nb_shape_text(&l->out->shape, NULL, x, sizeof x), nb_shape_text(&t->shape, NULL, y, sizeof y)),
               nb_at(e, l->out->name), nb_at(e, "direction");
    nb_convert(NB_F64, q->v[leaf], t->dtype, t->data, l->n);
    return 0;
}

static int set_up_leaf(struct hessian *q, int i, struct nb_error *e)
{
    struct nb_checker *k = q->k;
    struct nb_leaf *l = &k->leaf[i];
    const struct nb_tensor *given = k->c->direction_given ? nb_tensors_find(&k->c->direction, l->out->name) : NULL;
    q->n += l->n;
    q->v[i] = nb_alloc(k->arena, l->n, sizeof(double), e);
    q->x[i] = nb_alloc(k->arena, l->n, sizeof(double), e);
    l->z = nb_zalloc(k->arena, l->n, sizeof *l->z, e);
    l->d = nb_zalloc(k->arena, l->n, sizeof *l->d, e);
    if (!q->v[i] || !q->x[i] || !l->z || !l->d)
        return -1;
    memcpy(q->x[i], q->d.data[l->value], l->n * sizeof(double));
    return given ? read_direction(q, i, given, e) : draw_direction(q, i, e);
}

static int set_up(struct hessian *q, struct nb_error *e)
{
    struct nb_checker *k = q->k;
    q->v = nb_small(k->arena, (size_t)k->nleaf + 1, sizeof *q->v, e);
    q->x = nb_small(k->arena, (size_t)k->nleaf + 1, sizeof *q->x, e);
    if (!q->v || !q->x || nb_graph_cotangents(k->plain, &k->run, NB_F64, k->arena, &q->cotangent, e) ||
        nb_graph_cotangents(k->plain, &k->run, NB_C128, k->arena, &q->complex_cotangent, e) ||
        new_session(q, &k->plain->plan, NB_F64, &q->d, e) || new_session(q, &k->plain->plan, NB_C128, &q->z, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++)
        if (set_up_leaf(q, i, e))
            return -1;
    /* What stops give is a constant, here as in the complex step, which drops its imaginary part. */
    if (nb_session_forward(&q->d, e) || nb_session_hold(&q->d, k->arena, e))
        return -1;
    q->entry = nb_zalloc(k->arena, q->n, sizeof *q->entry, e);
    q->plus = nb_alloc(k->arena, q->n, sizeof *q->plus, e);
    return q->entry && q->plus ? 0 : -1;
}

/* ---- evaluating ------------------------------------------------------------------------------------------------ */

static int backward_at(struct hessian *q, double t, struct nb_error *e)
{
    for (int i = 0; i < q->k->nleaf; i++) {
        double *x = q->d.data[q->k->leaf[i].value];
        for (size_t j = 0; j < q->k->leaf[i].n; j++)
            x[j] = q->x[i][j] + t * q->v[i][j];
    }
    q->k->oracle->reals++;
    return nb_session_forward(&q->d, e) || nb_session_backward(&q->d, q->cotangent, e) ? -1 : 0;
}

static double gradient(const struct hessian *q, int leaf, size_t j)
{
    const double *g = q->d.grad[q->k->leaf[leaf].value];
    return g ? g[j] : 0;
}

static void keep_gradient(const struct hessian *q, double *to)
{
    for (int i = 0; i < q->k->nleaf; i++)
        for (size_t j = 0; j < q->k->leaf[i].n; j++)
            *to++ = gradient(q, i, j);
}

/* Im grad(x + i h v) / h; jiggled: x moved by units in the last place. */
static int complex_product(struct hessian *q, struct nb_session *s, int jiggled, double *to, struct nb_error *e)
{
    for (int i = 0; i < q->k->nleaf; i++) {
        double _Complex *x = s->data[q->k->leaf[i].value];
        for (size_t j = 0; j < q->k->leaf[i].n; j++) {
            uint64_t r = jiggled ? nb_word((struct nb_stream){21, (uint64_t)i}, (uint64_t)jiggled << 40 | j) : 0;
            double ulps = jiggled ? (double)(1 + (r >> 1 & 7)) * (r & 1 ? DBL_EPSILON : -DBL_EPSILON) : 0;
            x[j] = CMPLX(q->x[i][j] * (1 + ulps), H * q->v[i][j]);
        }
    }
    q->k->oracle->complexes++;
    if (nb_session_forward(s, e) || nb_session_backward(s, q->complex_cotangent, e))
        return -1;
    for (int i = 0; i < q->k->nleaf; i++) {
        const double _Complex *g = s->grad[q->k->leaf[i].value];
        for (size_t j = 0; j < q->k->leaf[i].n; j++)
            *to++ = g ? cimag(g[j]) / H : 0;
    }
    return 0;
}

/* ---- the oracles ----------------------------------------------------------------------------------------------- */

static int complex_oracle(struct hessian *q, struct nb_error *e)
{
    double *first = nb_alloc(q->k->arena, q->n, sizeof *first, e), *scatter;
    if (!first || !(scatter = nb_zalloc(q->k->arena, q->n, sizeof *scatter, e)) ||
        complex_product(q, &q->z, 0, first, e))
        return -1;
    for (int r = 1; r <= JIGGLES; r++) {
        struct nb_error refused = {0};
        if (complex_product(q, &q->z, r, q->plus, &refused))
            continue;
        for (size_t i = 0; i < q->n; i++)
            scatter[i] = fmax(scatter[i], fabs(q->plus[i] - first[i]));
    }
    for (int i = 0, at = 0; i < q->k->nleaf; i++)
        for (size_t j = 0; j < q->k->leaf[i].n; j++, at++)
            q->k->leaf[i].z[j] = (struct nb_estimate){.found = true,
                                                      .value = first[at],
                                                      .moved = first[at] != 0,
                                                      .bar = ROUNDING * DBL_EPSILON * fabs(first[at]) + 8 * scatter[at],
                                                      .terms = fabs(first[at])};
    return 0;
}

static int measure_base(struct hessian *q, struct nb_error *e)
{
    if (backward_at(q, 0, e))
        return -1;
    keep_gradient(q, q->plus);
    for (size_t i = 0; i < q->n; i++)
        q->entry[i].base = q->plus[i];
    for (int r = 0; r < JIGGLES; r++) {
        struct nb_error refused = {0};
        if (backward_at(q, (r & 1 ? 1 : -1) * DBL_EPSILON * (1 + r), &refused))
            continue;
        keep_gradient(q, q->plus);
        for (size_t i = 0; i < q->n; i++)
            q->entry[i].noise = fmax(q->entry[i].noise, fabs(q->plus[i] - q->entry[i].base));
    }
    return 0;
}

static int climb(struct hessian *q, double h, struct nb_error *e)
{
    size_t at = 0;
    if (backward_at(q, h, e))
        return -1;
    keep_gradient(q, q->plus);
    if (backward_at(q, -h, e))
        return -1;
    for (int i = 0; i < q->k->nleaf; i++)
        for (size_t j = 0; j < q->k->leaf[i].n; j++, at++) {
            struct entry *x = &q->entry[at];
            double size = fmax(fabs(x->base) + fabs(q->plus[at]), x->noise / DBL_EPSILON);
            x->far = x->mid;
            x->mid = x->near;
            x->near.value = (q->plus[at] - gradient(q, i, j)) / (2 * h);
            x->near.rounding = ROUNDING * DBL_EPSILON * (size + fabs(x->near.value * q->x[i][j])) / h;
        }
    return 0;
}

static void keep_best(const struct entry *x, struct nb_estimate *n)
{
    double a = x->far.value - x->mid.value, b = x->mid.value - x->near.value;
    bool still = fabs(a) <= 4 * x->near.rounding && fabs(b) <= 4 * x->near.rounding;
    double bar = fabs(b) / 3 + x->near.rounding;
    if (!(still || (b != 0 && a / b >= 3 && a / b <= 5)) || (n->found && bar >= n->bar))
        return;
    *n = (struct nb_estimate){.found = true, .value = (4 * x->near.value - x->mid.value) / 3, .bar = bar};
    n->moved = x->near.value != 0 || x->mid.value != 0;
}

static int differences(struct hessian *q, struct nb_error *e)
{
    double h = 0x1p-10;
    if (measure_base(q, e))
        return -1;
    for (int k = 0; k < HALVINGS; k++, h /= 2) {
        bool all = true;
        if (climb(q, h, e))
            return -1;
        for (int i = 0, at = 0; i < q->k->nleaf; i++)
            for (size_t j = 0; j < q->k->leaf[i].n; j++, at++) {
                struct nb_estimate *n = &q->k->leaf[i].d[j];
                if (k >= 2)
                    keep_best(&q->entry[at], n);
                all &= n->found && (n->bar <= 1e-6 * fabs(n->value) || q->entry[at].near.rounding > 4 * n->bar);
            }
        if (all)
            break;
    }
    return 0;
}

/* ---- the candidate --------------------------------------------------------------------------------------------- */

static int take_candidates(struct hessian *q, struct nb_error *e)
{
    struct nb_session own;
    double *to = q->plus;
    if (new_session(q, &q->k->p->plan, NB_C128, &own, e) || complex_product(q, &own, 0, q->plus, e))
        return -1;
    for (int i = 0; i < q->k->nleaf; to += q->k->leaf[i].n, i++) {
        struct nb_leaf *l = &q->k->leaf[i];
        const struct nb_check *c = q->k->c;
        const struct nb_tensor *given = c->gradients_given ? nb_tensors_find(&c->gradients, l->out->name) : NULL;
        nb_forget_verdicts(l->out);
        if (given && nb_shape_same(&given->shape, &l->out->shape) != 1) {
            l->out->verdict = NB_WRONG;
            l->out->reason = NB_WHY_shape;
            l->out->wrong = (int64_t)l->n;
        } else if (given) {
            nb_convert(NB_F64, l->out->candidate, given->dtype, given->data, l->n);
        } else {
            memcpy(l->out->candidate, to, l->n * sizeof *to);
        }
    }
    return 0;
}

static void learn_sizes(struct nb_leaf *l)
{
    l->largest = 0;
    for (size_t j = 0; j < l->n; j++)
        l->largest = fmax(l->largest, fabs(l->z[j].value));
    l->slope = l->largest;
}

static void put_off(struct nb_checker *k)
{
    for (int i = 0; i < k->nleaf; i++) {
        struct nb_checked *c = k->leaf[i].out;
        nb_forget_verdicts(c);
        c->judged = false;
        c->verdict = NB_CANNOT_TELL;
        c->reason = NB_WHY_first_order_wrong;
        c->cannot_tell = (int64_t)k->leaf[i].n;
    }
}

int nb_judge_second(struct nb_checker *k, struct nb_error *e)
{
    struct hessian q = {.k = k};
    if (k->v->verdict == NB_WRONG) {
        put_off(k);
        return 0;
    }
    k->second = true;
    if (set_up(&q, e) || complex_oracle(&q, e) || differences(&q, e) || take_candidates(&q, e))
        return -1;
    for (int i = 0; i < k->nleaf; i++) {
        learn_sizes(&k->leaf[i]);
        if (nb_judge_leaf(k, &k->leaf[i], e))
            return -1;
    }
    return 0;
}
