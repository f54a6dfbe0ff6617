/* subgradient - is a candidate a mixture of the limits of gradients? Island by island: of all mixtures the one nearest
 * to the candidate is found, and then it is looked at entry by entry. */
#include "check/kink.h"
#include "check/nearest.h"
#include <math.h>
#include <string.h>

enum { MOST_MEMORY = 1 << 28 };
static const double WITHIN = 1e-7; /* of the width of an interval: what tiny steps leave of it */

struct fit {
    struct nb_kinks *k;
    const struct nb_island *x;
    double *a, *scale; /* per entry of the island: the candidate, and units in which WITHIN is allowed */
    int *choice;
    double *now, *lean; /* for corners: gradients, and a direction, of all tensors */
};

/* ---- sets -------------------------------------------------------------------------------------------------------- */

static double weigh(const struct fit *f, const double *direction, const double *limit)
{
    double s = 0;
    for (size_t j = 0; j < f->x->entries; j++)
        s += direction[j] * f->scale[j] * limit[j];
    return s;
}

static void place(const struct fit *f, const double *limit, double *point)
{
    for (size_t j = 0; j < f->x->entries; j++)
        point[j] = (limit[j] - f->a[j]) * f->scale[j];
}

static int farthest_listed(void *context, const double *direction, double *point, struct nb_error *e)
{
    const struct fit *f = context;
    const double *best = f->x->limit;
    (void)e;
    for (int c = 1; c < f->x->combinations; c++) {
        const double *limit = f->x->limit + (size_t)c * f->x->entries;
        if (weigh(f, direction, limit) < weigh(f, direction, best))
            best = limit;
    }
    place(f, best, point);
    return 0;
}

/* Effects that add up: every edge chooses for itself. */
static int farthest_sum(void *context, const double *direction, double *point, struct nb_error *e)
{
    const struct fit *f = context;
    (void)e;
    for (size_t j = 0; j < f->x->entries; j++) {
        f->lean[f->x->entry[j]] = direction[j] * f->scale[j];
        f->now[f->x->entry[j]] = f->k->at[0][f->x->entry[j]];
    }
    for (int i = 0; i < f->x->n; i++) {
        const struct nb_effect *effect = &f->k->effect[f->x->group[i]];
        const struct nb_change *best = NULL;
        double least = 0;
        for (int c = 0; c < f->k->nudge.choices[f->x->group[i]]; c++) {
            double s = 0;
            for (size_t j = 0; j < effect->change[c].n; j++)
                s += f->lean[effect->change[c].at[j]] * effect->change[c].by[j];
            best = s < least ? &effect->change[c] : best;
            least = fmin(s, least);
        }
        for (size_t j = 0; best && j < best->n; j++)
            f->now[best->at[j]] += best->by[j];
    }
    for (size_t j = 0; j < f->x->entries; j++)
        point[j] = (f->now[f->x->entry[j]] - f->a[j]) * f->scale[j];
    return 0;
}

/* Corners are left along the direction asked for, and against it, with all choices of the other edges. */
static int farthest_corner(void *context, const double *direction, double *point, struct nb_error *e)
{
    struct fit *f = context;
    const struct nb_island *x = f->x;
    double least = INFINITY, size = 0;
    memset(f->lean, 0, f->k->nudge.n * sizeof *f->lean);
    for (size_t j = 0; j < x->entries; j++)
        size = fmax(size, fabs(direction[j] * f->scale[j]));
    for (size_t j = 0; j < x->entries && size > 0; j++)
        f->lean[x->entry[j]] = -direction[j] * f->scale[j] / size;
    if (nb_nudge_lean(&f->k->nudge, f->lean, e))
        return -1;
    for (int c = 0; c < x->combinations; c++) {
        double s = 0;
        nb_island_choose(f->k, x, c, f->choice);
        if (nb_nudge_gradient(&f->k->nudge, f->choice, f->now, e))
            return -1;
        for (size_t j = 0; j < x->entries; j++)
            s += direction[j] * f->scale[j] * f->now[x->entry[j]];
        if (!(s < least) && c)
            continue;
        least = s;
        for (size_t j = 0; j < x->entries; j++) {
            size_t at = x->entry[j];
            point[j] = (f->now[at] - f->a[j]) * f->scale[j];
            f->k->low[at] = fmin(f->k->low[at], f->now[at]);
            f->k->high[at] = fmax(f->k->high[at], f->now[at]);
        }
    }
    return 0;
}

/* ---- one island -------------------------------------------------------------------------------------------------- */

/* What an entry may be off by. */
static double tolerance(const struct nb_kinks *k, size_t at, const double *allowed)
{
    return WITHIN * (k->high[at] - k->low[at]) + allowed[at] + k->noise[at];
}

static int new_fit(struct fit *f, const double *candidate, const double *allowed, struct nb_arena *a,
                   struct nb_error *e)
{
    const struct nb_island *x = f->x;
    const struct nb_kinks *k = f->k;
    f->a = nb_alloc(a, x->entries, sizeof *f->a, e);
    f->scale = nb_alloc(a, x->entries, sizeof *f->scale, e);
    f->choice = nb_alloc(a, (size_t)k->nudge.ngroup, sizeof *f->choice, e);
    f->now = nb_alloc(a, k->nudge.n, sizeof *f->now, e);
    f->lean = nb_alloc(a, k->nudge.n, sizeof *f->lean, e);
    if (!f->a || !f->scale || !f->choice || !f->now || !f->lean)
        return -1;
    memcpy(f->choice, k->pattern[0], (size_t)k->nudge.ngroup * sizeof *f->choice);
    for (size_t j = 0; j < x->entries; j++) {
        size_t at = x->entry[j];
        double width = k->high[at] - k->low[at], far = 100 * (width + allowed[at]);
        f->a[j] = isfinite(candidate[at]) ? fmin(fmax(candidate[at], k->low[at] - far), k->high[at] + far)
                                          : k->convention[at];
        f->scale[j] = WITHIN / tolerance(k, at, allowed);
    }
    return 0;
}

static int judge_mixture(struct nb_kinks *k, const struct nb_island *x, const double *candidate, const double *allowed,
                         unsigned char *verdict, struct nb_arena *a, struct nb_error *e)
{
    struct fit f = {.k = k, .x = x};
    struct nb_set set = {.n = x->entries, .context = &f, .farthest = farthest_listed};
    if (x->corner)
        set.farthest = farthest_corner;
    else if (!x->combinations)
        set.farthest = farthest_sum;
    double *gap = nb_alloc(a, x->entries, sizeof *gap, e);
    if (!gap || new_fit(&f, candidate, allowed, a, e))
        return -1;
    for (size_t j = 0; j < x->entries; j++)
        gap[j] = (k->convention[x->entry[j]] - f.a[j]) * f.scale[j];
    if (nb_nearest_point(&set, WITHIN / 10, a, gap, e))
        return -1;
    for (size_t j = 0; j < x->entries; j++) {
        size_t at = x->entry[j];
        bool right = isfinite(candidate[at]) && fabs(gap[j]) <= WITHIN;
        verdict[at] = right ? NB_RIGHT : NB_WRONG;
    }
    return 0;
}

/* Between the bounds nothing is certain. */
static void judge_bounds(const struct nb_kinks *k, const struct nb_island *x, const double *candidate,
                         const double *allowed, unsigned char *verdict)
{
    for (size_t j = 0; j < x->entries; j++) {
        size_t at = x->entry[j];
        double a = candidate[at], bar = tolerance(k, at, allowed);
        verdict[at] = a >= k->low[at] - bar && a <= k->high[at] + bar ? NB_CANNOT_TELL : NB_WRONG;
    }
}

static bool conventional(const struct nb_kinks *k, size_t at, const double *candidate, const double *allowed)
{
    return fabs(candidate[at] - k->convention[at]) <= allowed[at];
}

static int judge_island(struct nb_kinks *k, const struct nb_island *x, const double *candidate, const double *allowed,
                        unsigned char *verdict, struct nb_error *e)
{
    bool all = true;
    for (size_t j = 0; j < x->entries; j++)
        all &= conventional(k, x->entry[j], candidate, allowed);
    if (all)
        return 0; /* right, as it was taken to be */
    struct nb_arena own;
    nb_arena_init(&own, (size_t)MOST_MEMORY);
    int bad = nb_island_known(x) ? judge_mixture(k, x, candidate, allowed, verdict, &own, e) : 1;
    nb_arena_done(&own);
    if (bad < 0 && e->code != NB_E_limit)
        return -1;
    if (bad) {
        *e = (struct nb_error){0};
        judge_bounds(k, x, candidate, allowed, verdict);
    }
    return 0;
}

int nb_kinks_judge(struct nb_kinks *k, const double *candidate, const double *allowed, bool convention,
                   unsigned char *verdict, struct nb_error *e)
{
    for (size_t i = 0; i < k->nudge.n && k->touched; i++)
        if (k->touched[i])
            verdict[i] = conventional(k, i, candidate, allowed)  ? NB_RIGHT
                         : convention || !isfinite(candidate[i]) ? NB_WRONG
                                                                 : NB_CANNOT_TELL;
    for (int i = 0; i < k->islands && !convention; i++)
        if (judge_island(k, &k->island[i], candidate, allowed, verdict, e))
            return -1;
    return 0;
}
