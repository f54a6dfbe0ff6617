/* ladder - differences on a ladder of halving steps, from values that were posted; what they show of a kink. */
#include "probes/probing.h"
#include <math.h>

enum { MOST_RUNGS = 40, MOST_TOUCHED = 64 };
static const double NOTICED = 20, DEVIATES = 0.12, FLOORS = 10; /* of the test for kinks */
static const double TELLS = 0x1p-34; /* a kink nearer than this, in units of the entry's size, counts as at it */

/* ---- one entry and the outputs that read it ---------------------------------------------------------------------- */

struct view {
    const struct nb_probes *p;
    const struct nb_spot *s;
    const struct nb_grid *grid;
    int64_t group;
    double x;
    const double *terms; /* per output */
    struct nb_climb *c;
};

struct rung {
    const double *plus, *minus;
    double up, down; /* what was really stepped */
    double value, rounding, terms, hidden;
    bool moved, finite;
};

struct walk {
    size_t o;
    int64_t k;
};

static bool next(const struct view *v, struct walk *w, size_t *j)
{
    while (w->o < v->p->f.nout && w->k >= v->grid->out[w->o].count) {
        w->o++;
        w->k = 0;
    }
    if (w->o == v->p->f.nout)
        return false;
    const struct nb_stretch *s = &v->grid->out[w->o];
    *j = v->p->offset[w->o] + (size_t)(v->group * s->group + w->k++ * s->step);
    return true;
}

static struct view view_of(const struct nb_probes *p, const struct nb_block *b, int64_t entry)
{
    const struct nb_spot *s = &p->base[b->base];
    const struct nb_grid *g = nb_grid_of(p, b->base, b->operand);
    int64_t group = nb_grid_group(g, entry);
    return (struct view){p,
                         s,
                         g,
                         group,
                         s->at[p->operand[b->operand].in][entry],
                         s->terms[b->operand],
                         nb_climb_of(p, b->base, b->operand, entry)};
}

/* The uncertainty of an output that is made of terms so large. */
static double blur(const struct view *v, size_t j, double dy)
{
    double size = fabs(v->s->y[j]) + fabs(dy * v->x) + v->terms[j];
    return fmax(v->p->eps * size, v->s->noise[j]);
}

static double width(const struct rung *r)
{
    return (r->up + r->down) / 2;
}

/* ---- one rung ---------------------------------------------------------------------------------------------------- */

static void measure(const struct view *v, struct rung *r)
{
    size_t j;
    double weight = 0;
    r->finite = r->up > 0 && r->down > 0;
    for (struct walk w = {0}; next(v, &w, &j) && r->finite;) {
        double y = v->s->y[j], g = v->s->g[j], over = r->plus[j] - y, under = y - r->minus[j];
        double dy = (r->plus[j] - r->minus[j]) / (2 * width(r));
        r->finite = isfinite(dy);
        if (over == 0 && under == 0) {
            r->hidden += fabs(g) * 2 * fmax(v->p->eps * fabs(y), v->s->noise[j]) / (2 * width(r));
            continue;
        }
        r->moved = true;
        r->value += g * dy;
        r->terms += fabs(g) * fmax(fabs(dy), fmax(fabs(over) / r->up, fabs(under) / r->down));
        weight += fabs(g) * blur(v, j, dy);
    }
    if (!v->c) {
        r->rounding = NB_ROUNDING * weight / width(r);
        return;
    }
    if (!v->c->measured && r->finite) {
        v->c->measured = true;
        v->c->hidden = r->hidden;
    }
    v->c->weight = r->finite ? fmax(v->c->weight, weight) : v->c->weight;
    r->rounding = NB_ROUNDING * v->c->weight / width(r);
}

/* ---- kinks ------------------------------------------------------------------------------------------------------- */

/* Slope to the right less slope to the left. It halves with the step where there is no kink. */
static double gap(const struct view *v, const struct rung *r, size_t j)
{
    double y = v->s->y[j];
    return (r->plus[j] - y) / r->up - (y - r->minus[j]) / r->down;
}

static double floor_of(const struct view *v, const struct rung *r, size_t j)
{
    return 2 * blur(v, j, (r->plus[j] - r->minus[j]) / (2 * width(r))) / width(r);
}

static bool kinked(const struct view *v, const struct rung *far, const struct rung *near, size_t j)
{
    double a = gap(v, far, j), b = gap(v, near, j), least = floor_of(v, near, j);
    return fabs(a) > NOTICED * least && fabs(b - a / 2) > DEVIATES * fabs(a) + FLOORS * least;
}

/* Some output has a kink between these two steps. */
static bool crossed(const struct view *v, const struct rung *far, const struct rung *near)
{
    size_t j;
    if (far->finite && near->finite)
        for (struct walk w = {0}; next(v, &w, &j);)
            if (kinked(v, far, near, j))
                return true;
    return false;
}

/* Differences that grow as the step shrinks are noise. */
static bool gap_grew(const struct view *v, const struct rung *far, const struct rung *near)
{
    size_t j;
    if (far->finite && near->finite)
        for (struct walk w = {0}; next(v, &w, &j);) {
            double b = fabs(gap(v, near, j));
            if (b > NOTICED * floor_of(v, near, j) && b > 3 * fabs(gap(v, far, j)))
                return true;
        }
    return false;
}

/* All outputs that had the kink between f[-1] and f[0] are smooth at r, and it would be seen if they were not. */
static bool resolved(const struct view *v, const struct rung *f, const struct rung *r)
{
    size_t j;
    if (!r->finite)
        return false;
    for (struct walk w = {0}; next(v, &w, &j);)
        if (kinked(v, f - 1, f, j)) {
            double there = fabs(gap(v, f - 1, j));
            if (there <= 2 * NOTICED * floor_of(v, r, j) || fabs(gap(v, r, j)) >= there / 4)
                return false;
        }
    return true;
}

/* The jump is the same at three steps: were the kink beside the point, it would grow with the step. */
static bool constant(const struct view *v, const struct rung *f, double tells)
{
    size_t j;
    for (struct walk w = {0}; next(v, &w, &j);)
        if (kinked(v, f - 1, f, j)) {
            double near = 2 * gap(v, f, j) - gap(v, f - 1, j), far = 2 * gap(v, f - 1, j) - gap(v, f - 2, j);
            double slack = fmin(0.1, 0.75 * tells / width(f)) * fabs(near);
            if (!(fabs(near - far) <= fmax(slack, 8 * floor_of(v, f, j))))
                return false;
        }
    return true;
}

/* The slope on one side, extrapolated, and its bar. */
static double side(const struct view *v, const struct rung *f, size_t j, int sign, double *bar)
{
    double d[3], y = v->s->y[j];
    for (int i = 0; i < 3; i++)
        d[i] = sign > 0 ? (f[i - 2].plus[j] - y) / f[i - 2].up : (y - f[i - 2].minus[j]) / f[i - 2].down;
    double near = 2 * d[2] - d[1], far = 2 * d[1] - d[0];
    *bar = fmax(*bar, fabs(near - far) + NB_ROUNDING * blur(v, j, near) / width(f));
    return near;
}

static void take_sides(const struct view *v, const struct rung *f)
{
    struct nb_climb *c = v->c;
    struct nb_error none = {0};
    size_t j;
    if (!c->touched) /* without memory for them the outputs are not known: the entry stands alone */
        c->touched = nb_small(v->p->arena, MOST_TOUCHED, sizeof *c->touched, &none);
    c->left = c->right = c->low = c->high = c->slack = 0;
    c->touches = 0;
    for (struct walk w = {0}; next(v, &w, &j);) {
        double bar = 0, g = v->s->g[j], right = g * side(v, f, j, 1, &bar), left = g * side(v, f, j, -1, &bar);
        bool here = kinked(v, f - 1, f, j);
        c->left += left;
        c->right += right;
        c->low += here ? fmin(left, right) : (left + right) / 2;
        c->high += here ? fmax(left, right) : (left + right) / 2;
        c->slack += fabs(g) * bar;
        if (here && c->touches < MOST_TOUCHED && c->touched)
            c->touched[c->touches++] = (int32_t)j;
    }
    c->slack += c->hidden;
}

/* The nearest pair that crosses a kink; 0: none. */
static int nearest_crossing(const bool *cross, int n)
{
    int f = n - 1;
    while (f > 0 && !cross[f])
        f--;
    return f;
}

/* What a window of rungs shows: pairs behind the nearest crossing show none, or cannot. */
static void look_for_kink(const struct view *v, const struct rung *r, int n, const bool *cross, int first)
{
    struct nb_climb *c = v->c;
    int f = nearest_crossing(cross, n);
    c->kink = NB_SMOOTH;
    c->touches = 0;
    for (int i = f; i < n && f; i++)
        if (resolved(v, &r[f], &r[i]))
            return;
    if (f == 0)
        return;
    c->kink = NB_NEAR_KINK;
    c->last = f < n - 1; /* the next ones drown in rounding */
    c->settled = first + f;
    if (f < 2 || !cross[f - 1])
        return;
    take_sides(v, &r[f]);
    if (constant(v, &r[f], TELLS * ldexp(width(&r[f]), first + f - v->p->first_exponent)))
        c->kink = NB_AT_KINK;
}

/* Differences of the quotients that grow although no kink is near, beyond what rounding may do. */
static void look_for_noise(const struct view *v, const struct rung *r, int n, const bool *cross)
{
    v->c->wild = v->c->grown = 0;
    for (int i = 1; i < n; i++)
        v->c->grown += gap_grew(v, &r[i - 1], &r[i]);
    for (int i = nearest_crossing(cross, n) + 2; i < n; i++) {
        double before = fabs(r[i - 1].value - r[i - 2].value), now = fabs(r[i].value - r[i - 1].value);
        v->c->wild += r[i - 2].finite && r[i].finite && now > 4 * r[i].rounding && now >= before;
    }
}

/* ---- the ladder -------------------------------------------------------------------------------------------------- */

/* What three rungs say. The error of a central difference falls fourfold when the step is halved; twofold where the
 * second derivative jumps (ELU at 0). */
static bool limit_of(const double *value, double rounding, struct nb_estimate *n)
{
    double a = value[0] - value[1], b = value[1] - value[2], ratio = b != 0 ? a / b : 0;
    bool drowned = fabs(a) <= 4 * rounding && fabs(b) <= 4 * rounding;
    bool twofold = !drowned && ratio > 1.8 && ratio < 2.2;
    n->value = twofold ? 2 * value[2] - value[1] : (4 * value[2] - value[1]) / 3;
    n->bar = (twofold ? fabs(b) : fabs(b) / 3) + rounding;
    n->found = drowned || twofold || (ratio >= 3 && ratio <= 5);
    return n->found;
}

/* The sharper one counts. Where a blunter one contradicts it neither bar can be believed. */
static void keep_better(struct nb_estimate *n, const struct nb_estimate *next)
{
    double apart = n->found ? fabs(next->value - n->value) : 0;
    bool contradicts = n->found && apart > next->bar + n->bar;
    if (!n->found || next->bar < n->bar)
        *n = *next;
    else if (contradicts)
        n->bar = apart;
}

/* cross[i]: a kink lies between rungs i - 1 and i. */
static void climb(const struct view *v, const struct rung *r, int n, const bool *cross)
{
    struct nb_climb *c = v->c;
    for (int i = 0; i < n; i++) {
        double value[] = {c->value[0], c->value[1], r[i].value};
        bool usable = c->usable[0] && c->usable[1] && r[i].finite && !cross[i] && !(i && cross[i - 1]);
        struct nb_estimate limit = {.moved = r[i].moved || (i ? r[i - 1].moved : c->moved), .terms = r[i].terms};
        if (usable && limit_of(value, r[i].rounding, &limit)) {
            limit.bar += c->hidden;
            keep_better(&c->d, &limit);
        }
        c->value[0] = c->value[1];
        c->value[1] = r[i].value;
        c->usable[0] = c->usable[1];
        c->usable[1] = r[i].finite;
        c->moved = r[i].moved;
        c->rounding[0] = c->rounding[1];
        c->rounding[1] = r[i].rounding;
    }
}

static void measure_all(const struct view *v, const struct nb_heard *h, const struct nb_block *b, struct rung *r)
{
    for (int i = 0; i < b->rungs; i++) {
        double step = nb_step_of(v->p, b->operand, v->x, b->first + i);
        const double *plus = nb_heard_row(h, b->probe + 2 * (size_t)i);
        r[i] = (struct rung){.plus = plus,
                             .minus = plus + v->p->m,
                             .up = nb_stepped(v->p, v->x, step) - v->x,
                             .down = v->x - nb_stepped(v->p, v->x, -step)};
        measure(v, &r[i]);
    }
}

void nb_ladder_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, int64_t entry)
{
    struct rung r[MOST_RUNGS];
    bool cross[MOST_RUNGS] = {false};
    struct view v = view_of(p, b, entry);
    struct nb_climb *c = v.c;
    if (!c || !c->asked || c->rungs != b->first)
        return;
    measure_all(&v, h, b, r);
    for (int i = 1; i < b->rungs; i++)
        cross[i] = crossed(&v, &r[i - 1], &r[i]);
    climb(&v, r, b->rungs, cross);
    look_for_kink(&v, r, b->rungs, cross, b->first);
    look_for_noise(&v, r, b->rungs, cross);
    c->last |= c->d.found && c->rounding[1] > 4 * c->d.bar;
    c->rungs += b->rungs;
    c->asked = false;
    c->has_d = c->news = true;
}

/* ---- affine: one step -------------------------------------------------------------------------------------------- */

void nb_unit_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    const int64_t *chosen = p->base[b->base].chosen[b->operand];
    double unit = nb_unit_step(p, b->base, b->operand);
    for (size_t i = 0; i < b->probes; i++) {
        struct view v = view_of(p, b, chosen ? chosen[i] : (int64_t)i);
        struct nb_estimate n = {.found = true};
        const double *to = nb_heard_row(h, b->probe + i);
        double step = nb_stepped(p, v.x, unit) - v.x;
        size_t j;
        for (struct walk w = {0}; next(&v, &w, &j);) {
            double y = v.s->y[j], g = v.s->g[j], dy = (to[j] - y) / step;
            bool moved = to[j] != y;
            double size = p->eps * (fabs(y) + (moved ? fabs(to[j]) : 0));
            n.found &= isfinite(dy);
            n.moved |= moved;
            n.value += g * dy;
            n.terms += fabs(g * dy);
            n.bar += (moved ? NB_ROUNDING : 2) * fabs(g) * fmax(size, v.s->noise[j]) / fabs(step);
        }
        v.c->d = n;
        v.c->has_d = v.c->news = true;
    }
}

/* ---- complex arguments ------------------------------------------------------------------------------------------- */

void nb_complex_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, int64_t entry)
{
    struct view v = view_of(p, b, entry);
    const double *im = h->im + b->probe * p->m;
    struct nb_estimate n = {.found = true};
    size_t j;
    if (!v.c || v.c->state != NB_OPEN || v.c->has_z)
        return;
    for (struct walk w = {0}; next(&v, &w, &j);) {
        double term = v.s->g[j] * (im[j] / NB_STEP_COMPLEX);
        n.found &= isfinite(term);
        n.moved |= im[j] != 0;
        n.value += term;
        n.terms += fabs(term);
    }
    n.bar = NB_ROUNDING * p->eps * n.terms;
    v.c->z = n;
    v.c->has_z = v.c->news = true;
}

/* ---- directions -------------------------------------------------------------------------------------------------- */

/* What the claimed gradient says along the steps of the rung, for a step of 1. */
static double claimed(const struct nb_probes *p, const struct nb_block *b, int rung, double *terms)
{
    const double *a = p->base[b->base].claim[b->operand], *x = p->base[b->base].at[p->operand[b->operand].in];
    double sum = 0, unit = ldexp(1, p->first_exponent - rung);
    *terms = 0;
    for (int64_t i = 0; i < (int64_t)p->operand[b->operand].n; i++) {
        double h = nb_step_of(p, b->operand, x[i], rung) * nb_direction_sign(p, b->base, b->operand, b->which, i);
        double term = a[i] * (nb_stepped(p, x[i], h) - nb_stepped(p, x[i], -h)) / (2 * unit);
        sum += term;
        *terms += fabs(term);
    }
    return sum;
}

int nb_direction_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    const struct nb_spot *s = &p->base[b->base];
    struct view v = {p, s, &p->operand[b->operand].dense, 0, 0, s->terms[b->operand], NULL};
    struct rung r[MOST_RUNGS];
    double value[3], terms;
    for (int i = 0; i < 3; i++) {
        double unit = ldexp(1, p->first_exponent - i);
        const double *plus = nb_heard_row(h, b->probe + 2 * (size_t)i);
        r[i] = (struct rung){.plus = plus, .minus = plus + p->m, .up = unit, .down = unit};
        measure(&v, &r[i]);
        value[i] = r[i].value;
        if (!r[i].finite || (i && crossed(&v, &r[i - 1], &r[i])))
            return 0;
    }
    struct nb_estimate n = {0};
    if (!limit_of(value, r[2].rounding, &n))
        return 0;
    double off = fabs(claimed(p, b, 2, &terms) - n.value), bar = n.bar + r[0].hidden;
    double rho = p->f.rho > 0 ? p->f.rho : p->f.single ? NB_RHO_FLOAT : NB_RHO;
    if (!(off <= rho * terms + bar + 8 * p->eps * terms))
        return -1;
    return off <= rho * terms + bar;
}
