/* kink - which edges make a difference, and to what. */
#include "check/kink.h"
#include <math.h>
#include <string.h>

enum { MOST_COMBINATIONS = 256, MOST_TOGETHER = 8, MOST_NUMBERS = 1 << 21 };

struct search {
    struct nb_kinks *k;
    int *choice;         /* being tried */
    double *now, *twice; /* the gradient there, and with steps twice as long */
    bool *hit;           /* entries this changes */
    bool *hold;          /* groups that stay for the moment */
    bool any;            /* some entry is touched */
    size_t numbers;
    struct nb_error *e;
};

/* ---- patterns ---------------------------------------------------------------------------------------------------- */

/* A kink's change stays as it is when steps are twice as long (`longer`); what is smooth doubles. */
static bool is_change(double before, double now, double longer_before, double longer_now)
{
    double d = now - before, longer = longer_now - longer_before;
    return fabs(d) > 8 * fabs(longer - d) && fabs(d) > 1e-11 * fmax(fabs(before), fabs(now));
}

static int pick(const struct nb_nudge *n, int pattern, int group)
{
    int choices = n->choices[group];
    uint64_t r = nb_word((struct nb_stream){28, 42}, (uint64_t)group);
    return pattern == 0 ? choices == 2 : pattern == 1 ? choices > 2 : (int)(r % (uint64_t)choices);
}

static int gradients(struct nb_kinks *k, const int *choice, double *now, double *twice, struct nb_error *e)
{
    if (nb_nudge_gradient(&k->nudge, choice, now, e))
        return -1;
    k->nudge.scale = 2;
    int bad = nb_nudge_gradient(&k->nudge, choice, twice, e);
    k->nudge.scale = 1;
    return bad;
}

static int try_pattern(struct nb_kinks *k, int p, struct nb_error *e)
{
    struct nb_nudge *n = &k->nudge;
    if (gradients(k, k->pattern[p], k->at[p], k->twice[p], e))
        return -1;
    for (size_t i = 0; i < n->n; i++) {
        double d = fabs(k->twice[p][i] - k->at[p][i]);
        k->noise[i] = d <= k->noise[i] ? k->noise[i] : isfinite(d) ? d : INFINITY;
    }
    return 0;
}

static int try_patterns(struct search *s)
{
    struct nb_kinks *k = s->k;
    if (nb_nudge_gradient(&k->nudge, NULL, k->convention, s->e))
        return -1;
    for (int p = 0; p < NB_PATTERNS; p++)
        if (try_pattern(k, p, s->e))
            return -1;
    return 0;
}

static bool touch(struct nb_kinks *k)
{
    bool any = false;
    for (size_t i = 0; i < k->nudge.n; i++) {
        k->low[i] = k->high[i] = k->convention[i];
        for (int p = 0; p < NB_PATTERNS; p++)
            k->touched[i] |= is_change(k->convention[i], k->at[p][i], k->convention[i], k->twice[p][i]);
        any |= k->touched[i];
        for (int p = 0; p < NB_PATTERNS && k->touched[i]; p++) {
            k->low[i] = fmin(k->low[i], k->at[p][i]);
            k->high[i] = fmax(k->high[i], k->at[p][i]);
        }
    }
    return any;
}

/* Else the backward beside the point is no gradient of the forward there, and nothing can be learned from it. */
static int try_verify(struct search *s)
{
    struct nb_kinks *k = s->k;
    bool agrees = true;
    s->any = touch(k);
    for (int p = 0; p < NB_PATTERNS && s->any && agrees; p++)
        if (nb_nudge_verify(&k->nudge, k->pattern[p], k->at[p], k->noise, &agrees, s->e))
            return -1;
    k->opaque = !agrees;
    return 0;
}

/* ---- leaps ------------------------------------------------------------------------------------------------------- */

/* Do these edges alone make an output leap? */
static int try_leap(struct search *s, int from, int to, bool *leaps)
{
    struct nb_kinks *k = s->k;
    for (int g = 0; g < k->nudge.ngroup; g++)
        s->hold[g] = k->nudge.pinned[g] || g < from || g >= to;
    bool *keep = k->nudge.pinned;
    k->nudge.pinned = s->hold;
    int bad = 0;
    *leaps = false;
    for (int p = 0; p < NB_PATTERNS && !*leaps && !bad; p++)
        bad = nb_nudge_leaps(&k->nudge, k->pattern[p], leaps, s->e);
    k->nudge.pinned = keep;
    return bad;
}

/* Edges at which the function leaps stay where they are. */
static int pin_leaps(struct search *s)
{
    struct nb_kinks *k = s->k;
    struct {
        int from, to;
    } open[64] = {{0, k->nudge.ngroup}};
    for (int n = 1; n > 0;) {
        int from = open[n - 1].from, to = open[--n].to, mid = from + (to - from) / 2;
        bool leaps;
        if (k->nudge.runs > k->budget) {
            k->opaque = true;
            return 0;
        }
        if (try_leap(s, from, to, &leaps))
            return -1;
        if (leaps && to - from == 1)
            k->nudge.pinned[from] = true;
        if (!leaps || to - from == 1)
            continue;
        open[n].from = mid, open[n++].to = to;
        open[n].from = from, open[n++].to = mid;
    }
    return try_leap(s, 0, k->nudge.ngroup, &k->opaque);
}

/* ---- one edge ---------------------------------------------------------------------------------------------------- */

static void *take(struct search *s, size_t count, size_t size)
{
    return nb_alloc(s->k->arena, count, size, s->e);
}

static int list_hits(struct search *s, const bool *hit, size_t *n, size_t **at)
{
    *n = 0;
    for (size_t i = 0; i < s->k->nudge.n; i++)
        *n += hit[i];
    if (!(*at = take(s, *n, sizeof **at)))
        return -1;
    size_t j = 0;
    for (size_t i = 0; i < s->k->nudge.n; i++)
        if (hit[i])
            (*at)[j++] = i;
    s->numbers += *n;
    return 0;
}

/* Which entries do the choices change, against those of a pattern? */
static int compare(struct search *s, int p, bool *any)
{
    struct nb_kinks *k = s->k;
    *any = false;
    if (gradients(k, s->choice, s->now, s->twice, s->e))
        return -1;
    for (size_t i = 0; i < k->nudge.n; i++) {
        s->hit[i] = is_change(k->at[p][i], s->now[i], k->twice[p][i], s->twice[i]);
        *any |= s->hit[i];
    }
    return 0;
}

static int note_change(struct search *s, struct nb_change *c)
{
    const double *before = s->k->at[0];
    if (list_hits(s, s->hit, &c->n, &c->at) || !(c->by = take(s, c->n, sizeof *c->by)))
        return -1;
    for (size_t j = 0; j < c->n; j++)
        c->by[j] = s->now[c->at[j]] - before[c->at[j]];
    return 0;
}

/* An edge alone: all its choices, in all patterns. */
static int try_edge(struct search *s, int group)
{
    struct nb_kinks *k = s->k;
    struct nb_effect *f = &k->effect[group];
    int choices = k->nudge.choices[group];
    bool *seen = nb_zalloc(k->arena, k->nudge.n, sizeof *seen, s->e), any;
    if (!seen || !(f->change = nb_zalloc(k->arena, (size_t)choices, sizeof *f->change, s->e)))
        return -1;
    for (int p = 0; p < NB_PATTERNS; p++) {
        memcpy(s->choice, k->pattern[p], (size_t)k->nudge.ngroup * sizeof *s->choice);
        for (int c = 0; c < choices; c++) {
            s->choice[group] = c;
            if (c == k->pattern[p][group])
                continue;
            if (compare(s, p, &any) || (p == 0 && note_change(s, &f->change[c])))
                return -1;
            for (size_t i = 0; i < k->nudge.n && any; i++)
                seen[i] |= s->hit[i];
        }
    }
    if (list_hits(s, seen, &f->n, &f->at))
        return -1;
    for (size_t j = 0; j < f->n; j++)
        k->touched[f->at[j]] = true;
    return 0;
}

/* ---- which edges ------------------------------------------------------------------------------------------------- */

/* Do the edges from..to-1 make a difference when all of them choose otherwise? */
static int try_range(struct search *s, int from, int to, bool *alive)
{
    struct nb_kinks *k = s->k;
    *alive = false;
    for (int p = 0; p < NB_PATTERNS && !*alive; p++) {
        memcpy(s->choice, k->pattern[p], (size_t)k->nudge.ngroup * sizeof *s->choice);
        for (int g = from; g < to; g++) {
            uint64_t others = (uint64_t)k->nudge.choices[g] - 1;
            uint64_t by = others ? 1 + nb_word((struct nb_stream){29, 43}, (uint64_t)g) % others : 0;
            s->choice[g] = (int)(((uint64_t)s->choice[g] + by) % (others + 1));
        }
        if (compare(s, p, alive))
            return -1;
    }
    return 0;
}

/* Halves of ranges, as long as they make a difference. */
static int find_edges(struct search *s)
{
    struct nb_kinks *k = s->k;
    struct {
        int from, to;
    } open[64] = {{0, k->nudge.ngroup}};
    for (int n = 1; n > 0;) {
        int from = open[n - 1].from, to = open[--n].to, mid = from + (to - from) / 2;
        bool alive = true;
        int64_t runs = 2 * NB_PATTERNS * (to - from == 1 ? (int64_t)k->nudge.choices[from] : 1);
        if (k->nudge.runs + runs > k->budget || s->numbers > MOST_NUMBERS) {
            k->unresolved = true;
            return 0;
        }
        if (to - from == 1 && try_edge(s, from))
            return -1;
        if (to - from > 1 && try_range(s, from, to, &alive))
            return -1;
        if (to - from == 1 || !alive)
            continue;
        open[n].from = mid, open[n++].to = to;
        open[n].from = from, open[n++].to = mid;
    }
    return 0;
}

/* ---- islands ----------------------------------------------------------------------------------------------------- */

static int root(int *parent, int g)
{
    while (parent[g] != g)
        g = parent[g] = parent[parent[g]];
    return g;
}

/* Edges that change the same entry belong together; owner: per entry, an edge that changes it, or -1. */
static int join(struct search *s, int *parent, int *owner)
{
    const struct nb_kinks *k = s->k;
    for (size_t i = 0; i < k->nudge.n; i++)
        owner[i] = -1;
    int roots = 0;
    for (int g = 0; g < k->nudge.ngroup; g++) {
        parent[g] = g;
        for (size_t j = 0; j < k->effect[g].n; j++) {
            size_t at = k->effect[g].at[j];
            if (owner[at] >= 0)
                parent[root(parent, owner[at])] = root(parent, g);
            owner[at] = g;
        }
    }
    for (int g = 0; g < k->nudge.ngroup; g++)
        roots += parent[g] == g && k->effect[g].n;
    return roots;
}

static int fill_islands(struct search *s, int *parent, const int *owner)
{
    struct nb_kinks *k = s->k;
    int *number = take(s, (size_t)k->nudge.ngroup, sizeof *number);
    if (!number)
        return -1;
    int next = 0;
    for (int g = 0; g < k->nudge.ngroup; g++)
        if (parent[g] == g && k->effect[g].n)
            number[g] = next++;
    for (int pass = 0; pass < 2; pass++) { /* count, then list */
        for (int i = 0; i < k->islands; i++) {
            struct nb_island *x = &k->island[i];
            if (pass && (!(x->group = take(s, (size_t)x->n, sizeof *x->group)) ||
                         !(x->entry = take(s, x->entries, sizeof *x->entry))))
                return -1;
            x->n = 0;
            x->entries = 0;
        }
        for (int g = 0; g < k->nudge.ngroup; g++)
            if (k->effect[g].n) {
                struct nb_island *x = &k->island[number[root(parent, g)]];
                if (pass)
                    x->group[x->n] = g;
                x->n++;
            }
        for (size_t i = 0; i < k->nudge.n; i++)
            if (owner[i] >= 0) {
                struct nb_island *x = &k->island[number[root(parent, owner[i])]];
                if (pass)
                    x->entry[x->entries] = i;
                x->entries++;
            }
    }
    return 0;
}

static void count_combinations(const struct nb_kinks *k, struct nb_island *x)
{
    int64_t n = 1;
    for (int i = 0; i < x->n && n <= MOST_COMBINATIONS; i++)
        n *= k->nudge.choices[x->group[i]];
    bool few = x->n <= MOST_TOGETHER && n <= MOST_COMBINATIONS && n + k->nudge.runs <= 2 * k->budget;
    x->combinations = few && (size_t)n * x->entries <= MOST_NUMBERS ? (int)n : 0;
}

static int find_islands(struct search *s)
{
    struct nb_kinks *k = s->k;
    int *parent = take(s, (size_t)k->nudge.ngroup, sizeof *parent), *owner = take(s, k->nudge.n, sizeof *owner);
    if (!parent || !owner)
        return -1;
    k->islands = join(s, parent, owner);
    if (!(k->island = nb_zalloc(k->arena, (size_t)k->islands + 1, sizeof *k->island, s->e)) ||
        fill_islands(s, parent, owner))
        return -1;
    for (int i = 0; i < k->islands; i++)
        count_combinations(k, &k->island[i]);
    for (int v = 0; v < k->nudge.nvisit; v++) /* visits know whether they are corners */
        for (int i = 0; i < k->islands && k->nudge.visit[v].kind == NB_EDGE_CORNER; i++)
            for (int j = 0; j < k->island[i].n; j++)
                k->island[i].corner |= k->island[i].group[j] == k->nudge.visit[v].group;
    return 0;
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

void nb_island_choose(const struct nb_kinks *k, const struct nb_island *x, int c, int *choice)
{
    for (int i = 0; i < x->n; i++) {
        choice[x->group[i]] = c % k->nudge.choices[x->group[i]];
        c /= k->nudge.choices[x->group[i]];
    }
}

static bool listed(const struct nb_island *x)
{
    return x->combinations && !x->corner;
}

static void keep_limit(struct nb_kinks *k, struct nb_island *x, int c, const double *gradient)
{
    double *to = x->limit + (size_t)c * x->entries;
    for (size_t j = 0; j < x->entries; j++) {
        size_t at = x->entry[j];
        to[j] = gradient[at];
        x->broken |= !isfinite(to[j]);
        k->low[at] = fmin(k->low[at], to[j]);
        k->high[at] = fmax(k->high[at], to[j]);
    }
}

/* All combinations, of all islands at once: they do not meet. */
static int list_limits(struct search *s)
{
    struct nb_kinks *k = s->k;
    int most = 0;
    for (int i = 0; i < k->islands; i++) {
        struct nb_island *x = &k->island[i];
        if (!listed(x))
            continue;
        if (!(x->limit = take(s, (size_t)x->combinations * x->entries, sizeof *x->limit)))
            return -1;
        most = x->combinations > most ? x->combinations : most;
    }
    for (int c = 0; c < most; c++) {
        memcpy(s->choice, k->pattern[0], (size_t)k->nudge.ngroup * sizeof *s->choice);
        for (int i = 0; i < k->islands; i++)
            if (listed(&k->island[i]))
                nb_island_choose(k, &k->island[i], c % k->island[i].combinations, s->choice);
        if (nb_nudge_gradient(&k->nudge, s->choice, s->now, s->e))
            return -1;
        for (int i = 0; i < k->islands; i++)
            if (listed(&k->island[i]) && c < k->island[i].combinations)
                keep_limit(k, &k->island[i], c, s->now);
    }
    return 0;
}

/* What the choices of a pattern, each alone, would do together. */
static void predict(const struct nb_kinks *k, const struct nb_island *x, int p, double *sum, double *size)
{
    for (size_t j = 0; j < x->entries; j++) {
        sum[x->entry[j]] = k->at[0][x->entry[j]];
        size[x->entry[j]] = fabs(k->at[0][x->entry[j]]);
    }
    for (int i = 0; i < x->n; i++) {
        const struct nb_change *c = &k->effect[x->group[i]].change[k->pattern[p][x->group[i]]];
        for (size_t j = 0; j < c->n; j++) {
            sum[c->at[j]] += c->by[j];
            size[c->at[j]] += fabs(c->by[j]);
        }
    }
}

/* The bounds of edges tried alone: their least and their greatest changes added up. */
static int bound(struct search *s, const struct nb_island *x)
{
    struct nb_kinks *k = s->k;
    double *sum[2], *one[2];
    for (int side = 0; side < 2; side++) {
        sum[side] = nb_zalloc(k->arena, k->nudge.n, sizeof(double), s->e);
        one[side] = nb_zalloc(k->arena, k->nudge.n, sizeof(double), s->e);
        if (!sum[side] || !one[side])
            return -1;
    }
    for (int i = 0; i < x->n; i++) {
        const struct nb_effect *f = &k->effect[x->group[i]];
        for (int c = 0; c < k->nudge.choices[x->group[i]]; c++)
            for (size_t j = 0; j < f->change[c].n; j++) {
                size_t at = f->change[c].at[j];
                one[0][at] = fmin(one[0][at], f->change[c].by[j]);
                one[1][at] = fmax(one[1][at], f->change[c].by[j]);
            }
        for (size_t j = 0; j < f->n; j++)
            for (int side = 0; side < 2; side++) {
                sum[side][f->at[j]] += one[side][f->at[j]];
                one[side][f->at[j]] = 0;
            }
    }
    for (size_t j = 0; j < x->entries; j++) {
        size_t at = x->entry[j];
        k->low[at] = fmin(k->low[at], k->at[0][at] + sum[0][at]);
        k->high[at] = fmax(k->high[at], k->at[0][at] + sum[1][at]);
    }
    return 0;
}

/* Islands too large for all combinations. */
static int add_up(struct search *s)
{
    struct nb_kinks *k = s->k;
    double *sum = take(s, k->nudge.n, sizeof *sum), *size = take(s, k->nudge.n, sizeof *size);
    if (!sum || !size)
        return -1;
    for (int i = 0; i < k->islands; i++) {
        struct nb_island *x = &k->island[i];
        if (x->combinations)
            continue;
        x->additive = !x->corner;
        for (int p = 1; p < NB_PATTERNS; p++) {
            predict(k, x, p, sum, size);
            for (size_t j = 0; j < x->entries; j++) {
                size_t at = x->entry[j];
                x->additive &= fabs(sum[at] - k->at[p][at]) <= 1e-9 * size[at] + 8 * x->n * k->noise[at];
            }
        }
        if (bound(s, x))
            return -1;
    }
    return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int new_arrays(struct search *s)
{
    struct nb_kinks *k = s->k;
    size_t n = k->nudge.n, groups = (size_t)k->nudge.ngroup;
    bool *touched = nb_zalloc(k->arena, n, sizeof *touched, s->e);
    k->convention = take(s, n, sizeof(double));
    k->low = take(s, n, sizeof(double));
    k->high = take(s, n, sizeof(double));
    k->noise = nb_zalloc(k->arena, n, sizeof(double), s->e);
    k->effect = nb_zalloc(k->arena, groups, sizeof *k->effect, s->e);
    s->choice = take(s, groups, sizeof *s->choice);
    s->now = take(s, n, sizeof(double));
    s->twice = take(s, n, sizeof(double));
    s->hit = nb_zalloc(k->arena, n, sizeof *s->hit, s->e);
    s->hold = take(s, groups, sizeof *s->hold);
    for (int p = 0; p < NB_PATTERNS; p++) {
        k->pattern[p] = take(s, groups, sizeof(int));
        k->at[p] = take(s, n, sizeof(double));
        k->twice[p] = take(s, n, sizeof(double));
        if (!k->pattern[p] || !k->at[p] || !k->twice[p])
            return -1;
    }
    for (int g = 0; g < k->nudge.ngroup; g++)
        for (int p = 0; p < NB_PATTERNS; p++)
            k->pattern[p][g] = pick(&k->nudge, p, g);
    k->touched = touched;
    return touched && k->convention && k->low && k->high && k->noise && k->effect && s->choice && s->now && s->twice &&
                   s->hit
               ? 0
               : -1;
}

/* About half a second of gradients. */
static int64_t budget(const struct nb_plan *p)
{
    double n = 1e9 / (3 * p->cost + 1e3 * p->nsteps);
    return n < 64 ? 64 : n > 8192 ? 8192 : (int64_t)n;
}

int nb_kinks_meet(const struct nb_plan *plan, const struct nb_fed *fed, void *const *cotangent, struct nb_arena *a,
                  struct nb_kinks *k, struct nb_error *e)
{
    struct search s = {.k = k, .e = e};
    *k = (struct nb_kinks){.arena = a, .budget = budget(plan)};
    if (nb_nudge_new(plan, fed, cotangent, a, &k->nudge, e))
        return -1;
    if (!k->nudge.nvisit)
        return 0;
    if (new_arrays(&s))
        return -1;
    if (pin_leaps(&s) || (!k->opaque && (try_patterns(&s) || try_verify(&s))))
        return -1;
    if (!s.any || k->opaque) {
        k->touched = NULL;
        return 0;
    }
    k->budget += k->nudge.runs;
    if (find_edges(&s))
        return -1;
    if (k->unresolved)
        return 0;
    return find_islands(&s) || list_limits(&s) || add_up(&s) ? -1 : 0;
}
