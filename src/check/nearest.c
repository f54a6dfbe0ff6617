/* nearest - a few points of the set are kept whose combination is nearest so far, and the set is asked for one that
 * lies farther in the direction of the origin, until there is none. */
#include "check/nearest.h"
#include <math.h>
#include <string.h>

enum { MOST = 96, ROUNDS = 400 };

struct corral {
    const struct nb_set *set;
    struct nb_arena *arena;
    int k;                /* points kept */
    double *p[MOST];      /* the first k, then places that are free again; NULL: none yet */
    double w[MOST];       /* weights, sum 1 */
    double g[MOST][MOST]; /* products of points */
    double u[MOST], l[MOST][MOST];
};

static double product(size_t n, const double *a, const double *b)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

/* The next point, by its direction; it does not count before it is admitted. */
static int ask(struct corral *c, const double *direction, struct nb_error *e)
{
    if (!c->p[c->k] && !(c->p[c->k] = nb_alloc(c->arena, c->set->n, sizeof **c->p, e)))
        return -1;
    return c->set->farthest(c->set->context, direction, c->p[c->k], e);
}

static void admit(struct corral *c)
{
    for (int i = 0; i <= c->k; i++)
        c->g[i][c->k] = c->g[c->k][i] = product(c->set->n, c->p[i], c->p[c->k]);
    c->w[c->k] = c->k == 0;
    c->k++;
}

static void drop(struct corral *c, int i)
{
    int last = --c->k;
    double *free = c->p[i];
    c->p[i] = c->p[last];
    c->p[last] = free;
    c->w[i] = c->w[last];
    memcpy(c->g[i], c->g[last], sizeof c->g[i]);
    for (int j = 0; j < MOST; j++)
        c->g[j][i] = c->g[j][last];
    c->g[i][i] = c->g[last][last];
}

/* Weights (of either sign, sum 1) of the point nearest to the origin in the plane through all points kept: those that
 * solve (1 1' s + G) u = 1, scaled. False if the points do not span a plane of their number. */
static bool solve(struct corral *c)
{
    double s = 0, sum = 0;
    for (int i = 0; i < c->k; i++)
        s = fmax(s, c->g[i][i]);
    for (int i = 0; i < c->k; i++)
        for (int j = 0; j <= i; j++) {
            double v = c->g[i][j] + s;
            for (int k = 0; k < j; k++)
                v -= c->l[i][k] * c->l[j][k];
            if (i == j && !(v > 1e-14 * s))
                return false;
            c->l[i][j] = i == j ? sqrt(v) : v / c->l[j][j];
        }
    for (int i = 0; i < c->k; i++) {
        c->u[i] = 1;
        for (int k = 0; k < i; k++)
            c->u[i] -= c->l[i][k] * c->u[k];
        c->u[i] /= c->l[i][i];
    }
    for (int i = c->k - 1; i >= 0; i--) {
        for (int k = i + 1; k < c->k; k++)
            c->u[i] -= c->l[k][i] * c->u[k];
        c->u[i] /= c->l[i][i];
        sum += c->u[i];
    }
    for (int i = 0; i < c->k; i++)
        c->u[i] /= sum;
    return true;
}

/* From the weights towards the solution, as far as none is negative; then without those that are none. True once the
 * solution itself is reached. */
static bool advance(struct corral *c)
{
    double far = 1;
    for (int i = 0; i < c->k; i++)
        if (c->u[i] <= 0 && c->w[i] - c->u[i] > 0)
            far = fmin(far, c->w[i] / (c->w[i] - c->u[i]));
    for (int i = 0; i < c->k; i++)
        c->w[i] += far * (c->u[i] - c->w[i]);
    for (int i = c->k - 1; i >= 0; i--)
        if (c->w[i] <= 1e-15 && c->k > 1)
            drop(c, i);
    return far == 1;
}

static void combine(const struct corral *c, double *x)
{
    double sum = 0;
    for (int i = 0; i < c->k; i++)
        sum += c->w[i];
    memset(x, 0, c->set->n * sizeof *x);
    for (int i = 0; i < c->k; i++)
        for (size_t j = 0; j < c->set->n; j++)
            x[j] += c->w[i] / sum * c->p[i][j];
}

static bool small(const double *x, size_t n, double enough)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= enough))
            return false;
    return true;
}

/* One more point; false if none lies farther. */
static int improve(struct corral *c, double *x, bool *better, struct nb_error *e)
{
    double xx = product(c->set->n, x, x), size = 0;
    if (ask(c, x, e))
        return -1;
    for (int i = 0; i < c->k; i++)
        size = fmax(size, c->g[i][i]);
    double gap = xx - product(c->set->n, x, c->p[c->k]);
    *better = gap > 1e-10 * xx && gap > 1e-20 * size && c->k + 1 < MOST;
    if (!*better)
        return 0;
    admit(c);
    while (solve(c))
        if (advance(c)) {
            combine(c, x);
            return 0;
        }
    *better = false; /* the new point adds nothing that could be told from rounding */
    combine(c, x);
    return 0;
}

int nb_nearest_point(const struct nb_set *set, double enough, struct nb_arena *a, double *x, struct nb_error *e)
{
    bool better = true;
    struct corral *c = nb_zalloc(a, 1, sizeof *c, e);
    if (!c)
        return -1;
    c->set = set;
    c->arena = a;
    if (ask(c, x, e))
        return -1;
    admit(c);
    combine(c, x);
    for (int i = 0; i < ROUNDS && better && !small(x, set->n, enough); i++)
        if (improve(c, x, &better, e))
            return -1;
    return 0;
}
