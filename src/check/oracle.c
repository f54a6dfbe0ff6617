/* oracle - the complex step and extrapolated central differences. */
#include "check/oracle.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const double H = 0x1p-664;
static const double UNSEEN =
    0x1p-380; /* slopes below it, times the largest number met, are lost: 2^-1074 / h, and some */
enum { ROUNDING = 16, HALVINGS = 37, JIGGLES = 8 };

static size_t entries(const struct nb_session *s, int v)
{
    return (size_t)nb_count(&s->plan->net.values.v[v].shape);
}

static int new_row(struct nb_oracle *o, double ***row, struct nb_arena *a, struct nb_error *e)
{
    if (!(*row = nb_small(a, (size_t)o->nout + 1, sizeof **row, e)))
        return -1;
    for (int k = 0; k < o->nout; k++)
        if (!((*row)[k] = nb_alloc(a, entries(&o->d, o->out[k]), sizeof(double), e)))
            return -1;
    return 0;
}

static int evaluate(struct nb_oracle *o, double **to, struct nb_error *e)
{
    o->reals++;
    if (nb_session_forward(&o->d, e))
        return -1;
    for (int k = 0; k < o->nout; k++)
        memcpy(to[k], o->d.data[o->out[k]], entries(&o->d, o->out[k]) * sizeof(double));
    return 0;
}

/* ---- setting up ------------------------------------------------------------------------------------------------ */

/* Leaves are changed one entry at a time, and all at once by units in the last place: the sessions need copies of
 * their own. Inputs that nobody asked about stay: they may be labels from a finite set. */
static int own_leaves(struct nb_oracle *o, const struct nb_plan *plan, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_net *net = &plan->net;
    if (!(o->leaf = nb_small(a, net->learned.n + (size_t)plan->wants.nwrt + 1, sizeof *o->leaf, e)))
        return -1;
    for (size_t i = 0; i < net->learned.n; i++)
        if (net->learned.v[i].tie < 0 && !net->learned.v[i].buffer)
            o->leaf[o->nleaf++] = net->learned.v[i].value;
    for (int i = 0; i < plan->wants.nwrt; i++)
        if (net->values.v[plan->wants.wrt[i]].kind == NB_V_INPUT)
            o->leaf[o->nleaf++] = plan->wants.wrt[i];
    for (int i = 0; i < o->nleaf; i++)
        if (nb_session_own(&o->d, o->leaf[i], a, e) || nb_session_own(&o->z, o->leaf[i], a, e))
            return -1;
    return 0;
}

/* All leaves by a few units in the last place, either way. */
static void jiggle(struct nb_oracle *o, int round, bool complex_build)
{
    double *keep = o->keep;
    for (int l = 0; l < o->nleaf; l++) {
        double *d = o->d.data[o->leaf[l]], *by = o->jiggle;
        double _Complex *z = o->z.data[o->leaf[l]];
        size_t n = entries(&o->d, o->leaf[l]);
        nb_draw_amounts((struct nb_stream){20, 26}, (uint64_t)round << 56 | (uint64_t)l << 40, n, by);
        for (size_t i = 0; i < n && complex_build; i++) {
            keep[i] = creal(z[i]);
            z[i] = keep[i] * (1 + 6 * by[i] * DBL_EPSILON);
        }
        for (size_t i = 0; i < n && !complex_build; i++) {
            keep[i] = d[i];
            d[i] *= 1 + 6 * by[i] * DBL_EPSILON;
        }
        keep += n;
    }
}

static void put_back(struct nb_oracle *o, bool complex_build)
{
    const double *keep = o->keep;
    for (int l = 0; l < o->nleaf; l++) {
        size_t n = entries(&o->d, o->leaf[l]);
        if (complex_build)
            nb_convert(NB_C128, o->z.data[o->leaf[l]], NB_F64, keep, n);
        else
            memcpy(o->d.data[o->leaf[l]], keep, n * sizeof *keep);
        keep += n;
    }
}

static int new_keep(struct nb_oracle *o, struct nb_arena *a, struct nb_error *e)
{
    size_t all = 0, most = 0;
    for (int l = 0; l < o->nleaf; l++) {
        size_t n = entries(&o->d, o->leaf[l]);
        all += n;
        most = n > most ? n : most;
    }
    o->keep = nb_alloc(a, all, sizeof *o->keep, e);
    o->jiggle = nb_alloc(a, most, sizeof *o->jiggle, e);
    return o->keep && o->jiggle ? 0 : -1;
}

static bool refuses_jiggle(struct nb_oracle *o)
{
    struct nb_error refused = {0};
    jiggle(o, 0, false);
    int bad = evaluate(o, o->plus, &refused);
    put_back(o, false);
    return bad;
}

/* Leaves of which the forward takes a finite set of values stay as they are: labels that must be 1 or -1. */
static void leave_labels(struct nb_oracle *o)
{
    int *leaf = o->leaf, all = o->nleaf, n = 0;
    if (!refuses_jiggle(o))
        return;
    o->nleaf = 1;
    for (int l = 0; l < all; l++) {
        o->leaf = leaf + l;
        if (!refuses_jiggle(o))
            leaf[n++] = leaf[l];
    }
    o->leaf = leaf;
    o->nleaf = n;
}

bool nb_oracle_moves(const struct nb_oracle *o, int leaf)
{
    for (int l = 0; l < o->nleaf; l++)
        if (o->leaf[l] == leaf)
            return true;
    return false;
}

static void note_noise(struct nb_oracle *o)
{
    for (int k = 0; k < o->nout; k++)
        for (size_t j = 0; j < entries(&o->d, o->out[k]); j++)
            o->noise[k][j] =
                fmax(o->noise[k][j], isfinite(o->plus[k][j]) ? fabs(o->plus[k][j] - o->base[k][j]) : INFINITY);
}

/* How the point, and every number on the way, is moved by units in the last place. A kink is no rounding, so all
 * decisions have to stay. Where that cannot be, the leaves stay; and where even then something is decided otherwise, so
 * be it. */
enum { MOVE_ALL, MOVE_NUMBERS, MOVE_ANYWAY, MOVES };

static bool evaluate_nearby(struct nb_oracle *o, int how, int round)
{
    struct nb_error refused = {0};
    if (how != MOVE_NUMBERS)
        jiggle(o, round, false);
    o->d.stir = 1 + (uint64_t)round;
    bool good =
        !evaluate(o, o->plus, &refused) && (how == MOVE_ANYWAY || nb_session_decisions(&o->d, NULL) == o->decisions);
    o->d.stir = 0;
    if (how != MOVE_NUMBERS)
        put_back(o, false);
    return good;
}

static void measure_noise(struct nb_oracle *o)
{
    int measured = 0;
    for (int how = 0; how < MOVES && !measured; how++)
        for (int r = 0; r < JIGGLES; r++)
            if (evaluate_nearby(o, how, r)) {
                note_noise(o);
                measured++;
            }
}

static int new_oracle(const struct nb_plan *plan, const struct nb_fed *fed, struct nb_arena *a, struct nb_oracle *o,
                      struct nb_error *e)
{
    bool drew = false;
    *o = (struct nb_oracle){.nout = plan->wants.nseed, .out = plan->wants.seed};
    if (nb_session_new(plan, NB_F64, fed, a, &o->d, &drew, e) || nb_session_new(plan, NB_C128, fed, a, &o->z, &drew, e))
        return -1;
    return own_leaves(o, plan, a, e) || new_row(o, &o->plus, a, e) || new_row(o, &o->minus, a, e) ? -1 : 0;
}

/* Of all numbers on the way, and 1. */
static double greatest(const struct nb_session *s)
{
    double most = 1;
    for (int k = 0; k < s->plan->nsteps; k++) {
        const struct nb_op *op = &s->plan->net.ops.v[s->plan->step[k]];
        for (int i = 0; i < op->nout; i++) {
            const double *y = s->data[op->out[i]];
            for (size_t j = 0; y && j < entries(s, op->out[i]) && !s->plan->net.values.v[op->out[i]].integer; j++)
                most = isfinite(y[j]) ? fmax(most, fabs(y[j])) : most;
        }
    }
    return most;
}

int nb_oracle_new(const struct nb_plan *plan, const struct nb_fed *fed, void *const *cotangent, struct nb_arena *a,
                  struct nb_oracle *o, struct nb_error *e)
{
    if (new_oracle(plan, fed, a, o, e) || new_keep(o, a, e) || new_row(o, &o->base, a, e) || new_row(o, &o->g, a, e) ||
        new_row(o, &o->noise, a, e))
        return -1;
    for (int k = 0; k < o->nout; k++) {
        memcpy(o->g[k], cotangent[k], entries(&o->d, o->out[k]) * sizeof(double));
        memset(o->noise[k], 0, entries(&o->d, o->out[k]) * sizeof(double));
    }
    if (evaluate(o, o->base, e) || nb_session_hold(&o->d, a, e))
        return -1;
    o->decisions = nb_session_decisions(&o->d, &o->edges);
    o->greatest = greatest(&o->d);
    leave_labels(o);
    measure_noise(o);
    return 0;
}

int nb_oracle_twin(const struct nb_oracle *o, const struct nb_fed *fed, struct nb_arena *a, struct nb_oracle *twin,
                   struct nb_error *e)
{
    if (new_oracle(o->d.plan, fed, a, twin, e) || new_keep(twin, a, e))
        return -1;
    twin->base = o->base;
    twin->g = o->g;
    twin->noise = o->noise;
    twin->greatest = o->greatest;
    twin->leaf = o->leaf;
    twin->nleaf = o->nleaf;
    twin->decisions = o->decisions;
    return nb_session_forward(&twin->d, e) || nb_session_hold(&twin->d, a, e) ? -1 : 0;
}

bool nb_oracle_finite(const struct nb_oracle *o)
{
    for (int k = 0; k < o->nout; k++)
        for (size_t j = 0; j < entries(&o->d, o->out[k]); j++)
            if (!isfinite(o->base[k][j]))
                return false;
    return true;
}

/* ---- the complex step ------------------------------------------------------------------------------------------ */

int nb_complex_step(struct nb_oracle *o, int leaf, size_t i, struct nb_estimate *n, struct nb_error *e)
{
    double _Complex *x = o->z.data[leaf], keep = x[i];
    double weights = 0;
    *n = (struct nb_estimate){.found = true};
    x[i] = CMPLX(creal(keep), H);
    o->complexes++;
    int bad = nb_session_forward(&o->z, e);
    for (int k = 0; k < o->nout && !bad; k++) {
        const double _Complex *y = o->z.data[o->out[k]];
        for (size_t j = 0; j < entries(&o->z, o->out[k]); j++) {
            double term = o->g[k][j] * (cimag(y[j]) / H);
            n->moved |= cimag(y[j]) != 0;
            n->value += term;
            n->terms += fabs(term);
            weights += fabs(o->g[k][j]);
        }
    }
    x[i] = keep; /* not before: an output may be the leaf itself, in another shape */
    n->bar = ROUNDING * DBL_EPSILON * n->terms + UNSEEN * o->greatest * weights;
    return bad;
}

/* All entries of the leaf scaled, and moved in a direction of random signs. */
static void lean(struct nb_oracle *o, int leaf, double scale, double h)
{
    double _Complex *z = o->z.data[leaf];
    const double *x = o->d.data[leaf];
    for (size_t i = 0; i < entries(&o->z, leaf); i++)
        z[i] = CMPLX(x[i] * scale, nb_word((struct nb_stream){7, 64}, i) & 1 ? h : -h);
}

double nb_oracle_weight(const struct nb_oracle *o)
{
    double most = 0;
    for (int k = 0; k < o->nout; k++)
        for (size_t j = 0; j < entries(&o->d, o->out[k]); j++)
            most = fmax(most, fabs(o->g[k][j]));
    return most;
}

double nb_companion_slope(struct nb_oracle *o, int leaf)
{
    double slope = 0;
    for (double scale = 0.25; scale > 0.01; scale /= 4) {
        struct nb_error refused = {0};
        lean(o, leaf, scale, H);
        o->complexes++;
        int bad = nb_session_forward(&o->z, &refused);
        for (int k = 0; k < o->nout && !bad; k++) {
            const double _Complex *y = o->z.data[o->out[k]];
            for (size_t j = 0; j < entries(&o->z, o->out[k]); j++)
                slope = isfinite(cimag(y[j])) ? fmax(slope, fabs(cimag(y[j])) / H) : slope;
        }
        lean(o, leaf, 1, 0);
    }
    return slope;
}

static int step_nearby(struct nb_oracle *o, int how, int round, int leaf, size_t i, struct nb_estimate *n)
{
    struct nb_error refused = {0};
    if (how != MOVE_NUMBERS)
        jiggle(o, round, true);
    o->z.stir = 1 + (uint64_t)round;
    int bad = nb_complex_step(o, leaf, i, n, &refused);
    o->z.stir = 0;
    if (how != MOVE_NUMBERS)
        put_back(o, true);
    return bad;
}

int nb_complex_noise(struct nb_oracle *o, int leaf, size_t i, double *noise, struct nb_error *e)
{
    struct nb_estimate at, beside;
    int measured = 0;
    *noise = 0;
    if (nb_complex_step(o, leaf, i, &at, e))
        return -1;
    for (int how = 0; how < MOVES && !measured; how++)
        for (int r = 0; r < JIGGLES; r++) {
            if (!evaluate_nearby(o, how, r) || step_nearby(o, how, r, leaf, i, &beside))
                continue;
            *noise = fmax(*noise, isfinite(beside.value) ? fabs(beside.value - at.value) : INFINITY);
            measured++;
        }
    return 0;
}

/* ---- central differences --------------------------------------------------------------------------------------- */

struct rung {
    double value;    /* D(h) */
    double rounding; /* what rounding alone may do to it */
    double hidden;   /* what an output that did not move may hide */
    double terms;    /* sum of |g| times the steeper of the two sides */
    bool moved;
    bool crosses; /* some operation decided otherwise than at the point */
};

struct ladder {
    struct nb_oracle *o;
    int leaf;
    size_t i;
    double slope, reach;
};

/* D(h) and the size of its rounding: every moved output may be wrong by a few units of the terms it is made of. */
static void measure(const struct ladder *l, double step, double x, struct rung *r)
{
    const struct nb_oracle *o = l->o;
    double moved = 0, all = 0;
    for (int k = 0; k < o->nout; k++)
        for (size_t j = 0; j < entries(&o->d, o->out[k]); j++) {
            double up = o->plus[k][j] - o->base[k][j], down = o->minus[k][j] - o->base[k][j];
            double dy = (o->plus[k][j] - o->minus[k][j]) / step, g = o->g[k][j];
            double y = fmax(fabs(o->base[k][j]), fmax(fabs(o->plus[k][j]), fabs(o->minus[k][j])));
            double size = y + fabs(dy * x) + l->slope * l->reach;
            size = fmax(size, o->noise[k][j] / DBL_EPSILON);
            all += fabs(g) * size;
            if (up == 0 && down == 0)
                continue;
            r->moved = true;
            r->terms += fabs(g) * fmax(fabs(up), fabs(down)) / (step / 2);
            r->value += g * dy;
            moved += fabs(g) * size;
        }
    r->rounding = ROUNDING * DBL_EPSILON * moved / (step / 2);
    r->hidden = ROUNDING * DBL_EPSILON * all / (step / 2);
}

/* Both sides of the point; the entry is put back. */
static int step_both(const struct ladder *l, double up, double down, bool *crosses, struct nb_error *e)
{
    struct nb_oracle *o = l->o;
    double *x = o->d.data[l->leaf], keep = x[l->i];
    x[l->i] = up;
    int bad = evaluate(o, o->plus, e);
    *crosses = !bad && nb_session_decisions(&o->d, NULL) != o->decisions;
    x[l->i] = down;
    bad = bad || evaluate(o, o->minus, e);
    *crosses |= !bad && nb_session_decisions(&o->d, NULL) != o->decisions;
    x[l->i] = keep;
    return bad ? -1 : 0;
}

static int climb(const struct ladder *l, double h, struct rung *r, struct nb_error *e)
{
    double x = ((double *)l->o->d.data[l->leaf])[l->i];
    volatile double up = x + h, down = x - h; /* what is really stepped */
    *r = (struct rung){0};
    if (step_both(l, up, down, &r->crosses, e))
        return -1;
    measure(l, up - down, x, r);
    return 0;
}

/* What a step this long may hide besides rounding. The error of a central difference falls fourfold when the step is
 * halved; where rounding hides whether it does, all that rounding could hide is left open. Infinite: neither, something
 * is between the points. */
double nb_bend(double far, double mid, double near, double rounding)
{
    double a = far - mid, b = mid - near;
    if (b != 0 && a / b >= 3 && a / b <= 5)
        return fabs(b) / 3;
    return fabs(a) <= 4 * rounding && fabs(b) <= 4 * rounding ? fmax(fabs(a), fabs(b)) : INFINITY;
}

static void keep_best(double bend, const struct rung *mid, const struct rung *near, double h, struct nb_estimate *n)
{
    bool still = !near->moved && !mid->moved;
    double bar = still ? near->hidden : bend + near->rounding;
    if (n->found && bar >= n->bar)
        return;
    n->found = true;
    n->moved = !still;
    n->value = (4 * near->value - mid->value) / 3;
    n->terms = near->terms;
    n->bar = bar;
    n->h = h;
}

/* Good enough, or getting worse; or nothing moves at all. */
static bool is_done(const struct nb_estimate *n, const struct rung *far, const struct rung *near)
{
    if (!n->found)
        return false;
    return n->bar <= 1e-6 * fabs(n->value) || near->rounding > 4 * n->bar || (!far->moved && !near->moved);
}

int nb_differences(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, struct nb_estimate *n,
                   struct nb_error *e)
{
    return nb_differences_below(o, leaf, i, slope, reach, 0, n, e);
}

static double largest_cotangent(const struct nb_oracle *o)
{
    double g = 0;
    for (int k = 0; k < o->nout; k++)
        for (size_t j = 0; j < entries(&o->d, o->out[k]); j++)
            g = fmax(g, fabs(o->g[k][j]));
    return g;
}

int nb_differences_below(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, int halved,
                         struct nb_estimate *n, struct nb_error *e)
{
    struct ladder l = {o, leaf, i, slope, reach};
    double x = fabs(((double *)o->d.data[leaf])[i]), h = ldexp(exp2(floor(log2(x > 1 ? x : 1))), -10 - halved);
    struct rung far, mid, near;
    struct nb_estimate across = {0}; /* the best of all rungs */
    *n = (struct nb_estimate){0};
    if (climb(&l, h, &far, e) || climb(&l, h / 2, &mid, e) || climb(&l, h / 4, &near, e))
        return -1;
    h /= 4;
    int k = 0;
    for (;; k++) {
        double bend = nb_bend(far.value, mid.value, near.value, near.rounding);
        if (isfinite(bend) && !far.crosses && !mid.crosses && !near.crosses)
            keep_best(bend, &mid, &near, h, n);
        if (isfinite(bend))
            keep_best(bend, &mid, &near, h, &across);
        if (is_done(n, &far, &near) || k >= HALVINGS - halved)
            break;
        far = mid;
        mid = near;
        if (climb(&l, h /= 2, &near, e))
            return -1;
    }
    if (!n->found) {
        if (across.found && (!across.moved || across.bar <= 1e-3 * fmax(across.terms, slope * largest_cotangent(o))))
            *n = across; /* the bar of a jump grows beyond all slopes */
        n->crossed = near.crosses;
    }
    n->halvings = k + halved;
    return 0;
}

int nb_unmoved(struct nb_oracle *o, int leaf, size_t i, double h, double slope, double reach, double *hidden,
               struct nb_error *e)
{
    struct ladder l = {.o = o, .leaf = leaf, .i = i};
    double x = ((double *)o->d.data[leaf])[i];
    volatile double up = x + h, down = x - h;
    struct nb_estimate n;
    bool crosses;
    *hidden = 0;
    if (step_both(&l, up, down, &crosses, e) || nb_complex_step(o, leaf, i, &n, e))
        return -1;
    for (int k = 0; k < o->nout; k++) {
        const double _Complex *y = o->z.data[o->out[k]];
        for (size_t j = 0; j < entries(&o->d, o->out[k]); j++) {
            double size = fmax(fabs(o->base[k][j]) + slope * reach, o->noise[k][j] / DBL_EPSILON);
            if (cimag(y[j]) != 0 && o->plus[k][j] == o->minus[k][j])
                *hidden += ROUNDING * DBL_EPSILON * fabs(o->g[k][j]) * size / h;
        }
    }
    return 0;
}

int nb_one_sided(struct nb_oracle *o, int leaf, size_t i, double h, struct nb_sides *s, struct nb_error *e)
{
    struct ladder l = {.o = o, .leaf = leaf, .i = i};
    double x = ((double *)o->d.data[leaf])[i];
    volatile double up = x + h, down = x - h;
    bool crosses;
    *s = (struct nb_sides){0};
    if (step_both(&l, up, down, &crosses, e))
        return -1;
    for (int k = 0; k < o->nout; k++)
        for (size_t j = 0; j < entries(&o->d, o->out[k]); j++) {
            double y = o->base[k][j], g = o->g[k][j];
            double size = fmax(fmax(fabs(y), fabs(o->plus[k][j])), fabs(o->minus[k][j]));
            size = fmax(size, o->noise[k][j] / DBL_EPSILON);
            s->right += g * (o->plus[k][j] - y) / (up - x);
            s->left += g * (y - o->minus[k][j]) / (x - down);
            s->rounding += 2 * DBL_EPSILON * fabs(g) * size / h;
        }
    return 0;
}
