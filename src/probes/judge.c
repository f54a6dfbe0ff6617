/* judge - one entry at one point: its verdict so far, and whether more is to be asked about it. */
#include "check/doubt.h"
#include "probes/probing.h"
#include <math.h>

enum { WILD = 3 };

static double reach_of(const struct nb_probes *p, int base, int operand, double value)
{
    const struct nb_spot *s = &p->base[base];
    double g = 0;
    for (size_t j = 0; j < p->m; j++)
        g = fmax(g, fabs(s->g[j]));
    return fmax(fabs(value), s->slope[operand] * g);
}

static double rho_of(const struct nb_probes *p)
{
    return p->f.rho > 0 ? p->f.rho : p->f.single ? NB_RHO_FLOAT : NB_RHO;
}

static struct nb_ruling ruled(struct nb_ruling r, enum nb_verdict v, enum nb_reason why)
{
    r.verdict = v;
    r.reason = why;
    return r;
}

/* ---- at a kink --------------------------------------------------------------------------------------------------- */

static struct nb_ruling against(double a, double low, double high, double bar)
{
    double value = fmin(fmax(a, low), high), m = fmax(fabs(a), fabs(value));
    return (struct nb_ruling){.value = value, .bar = bar, .error = m > 0 ? fabs(a - value) / m : 0};
}

struct nb_ruling nb_kink_judge(const struct nb_probes *p, int base, int operand, int64_t entry,
                               const struct nb_climb *c)
{
    double a = p->base[base].claim[operand][entry], size = fmax(fabs(c->left), fabs(c->right));
    double low = fmin(c->left, c->right), high = fmax(c->left, c->right);
    double slack = c->slack + rho_of(p) * fmax(fabs(a), size);
    double most = p->f.r_max > 0 ? p->f.r_max : p->f.single ? NB_R_MAX_FLOAT : NB_R_MAX;
    struct nb_ruling r = against(a, low, high, c->slack);
    if (a >= low - slack && a <= high + slack)
        return p->f.convention || c->slack > most * size ? ruled(r, NB_CANNOT_TELL, NB_WHY_kink)
                                                         : ruled(r, NB_RIGHT, NB_WHY_kink);
    if (a >= c->low - slack && a <= c->high + slack)
        return ruled(r, NB_CANNOT_TELL, NB_WHY_kink);
    if (fabs(a - r.value) <= slack + 8 * p->eps * reach_of(p, base, operand, size))
        return ruled(r, NB_CANNOT_TELL, NB_WHY_rounding);
    return ruled(r, NB_WRONG, NB_WHY_kink);
}

/* No step is small enough to pass it and large enough to be seen. */
static struct nb_ruling judge_unresolved(const struct nb_probes *p, int base, int operand, int64_t entry,
                                         const struct nb_climb *c)
{
    double a = p->base[base].claim[operand][entry];
    struct nb_ruling r = against(a, c->low, c->high, c->slack);
    double slack = 2 * c->slack + rho_of(p) * fmax(fabs(a), fabs(r.value));
    bool sided = c->touches > 0 && !c->grown;
    if (sided && fabs(a - r.value) > slack + 8 * p->eps * reach_of(p, base, operand, r.value))
        return ruled(r, NB_WRONG, NB_WHY_kink_unresolved);
    return ruled(r, NB_CANNOT_TELL, NB_WHY_kink_unresolved);
}

/* ---- elsewhere --------------------------------------------------------------------------------------------------- */

static struct nb_entry entry_of(const struct nb_probes *p, int base, int operand, int64_t entry,
                                const struct nb_climb *c)
{
    struct nb_entry x = {.candidate = p->base[base].claim[operand][entry],
                         .z = c->z,
                         .d = c->d,
                         .no_z = !c->has_z || !c->z.found || p->operand[operand].no_complex,
                         .no_d = !c->has_d,
                         .eps = p->f.single ? 0x1p-23 : 0x1p-52,
                         .rho = p->f.rho,
                         .r_max = p->f.r_max};
    if (c->wild >= WILD)
        x.d.found = false;
    x.reach = reach_of(p, base, operand, x.no_d ? x.z.value : x.d.value);
    return x;
}

/* The function does not keep the rules of complex arguments: from now on only differences count. */
static int refute_complex(struct nb_probes *p, int operand, struct nb_error *e)
{
    p->operand[operand].no_complex = true;
    for (int b = 0; b < p->bases; b++)
        for (int64_t i = 0; i < p->base[b].climbs[operand]; i++) {
            struct nb_climb *c = &p->base[b].climb[operand][i];
            if (c->state != NB_CLOSED || c->kink == NB_AT_KINK || (c->has_d && c->d.found))
                continue;
            c->state = NB_OPEN;
            c->doubtful = false;
        }
    return nb_doubt_add(&p->v, "complex_refuted", p->f.in[p->operand[operand].in].name,
                        "nothing: complex steps contradict real ones, so only real ones were counted", p->arena, e);
}

static int compare_oracles(struct nb_probes *p, int operand, const struct nb_entry *x, const struct nb_ruling *r,
                           struct nb_error *e)
{
    struct nb_facts *f = &p->v.facts;
    if (x->no_z || x->no_d || !x->d.found)
        return 0;
    double m = fmax(fabs(x->z.value), fabs(x->d.value));
    f->compared++;
    f->agree += !r->disagree;
    if (!r->disagree && x->d.bar <= 1e-6 * m)
        f->worst_gap = fmax(f->worst_gap, fabs(x->z.value - x->d.value) / m);
    return r->disagree ? refute_complex(p, operand, e) : 0;
}

static int judge_smooth(struct nb_probes *p, int base, int operand, int64_t entry, struct nb_climb *c,
                        struct nb_error *e)
{
    struct nb_entry x = entry_of(p, base, operand, entry, c);
    if (!x.no_z && !x.no_d && !x.d.found) { /* the ladder has no number yet: the complex step stands alone */
        x.no_d = true;
        c->r = nb_judge(&x);
        if (c->r.verdict == NB_WRONG)
            c->r = ruled(c->r, NB_CANNOT_TELL, NB_WHY_no_ratio);
        return 0;
    }
    c->r = nb_judge(&x);
    if (compare_oracles(p, operand, &x, &c->r, e))
        return -1;
    if (c->r.disagree) {
        x.no_z = true;
        c->r = nb_judge(&x);
        c->r.disagree = false;
    }
    return 0;
}

/* ---- and now? ---------------------------------------------------------------------------------------------------- */

/* A silent zero by complex steps alone may be an imaginary part that was dropped on the way. */
static bool content(const struct nb_climb *c)
{
    return c->r.verdict == NB_RIGHT && !(c->r.silent && !c->has_d);
}

/* Rounding is most of the bar: smaller steps only make it larger. */
static bool hopeless(const struct nb_climb *c)
{
    return c->r.verdict == NB_CANNOT_TELL && (c->r.reason == NB_WHY_no_power || c->r.reason == NB_WHY_rounding) &&
           c->d.found && c->rounding[1] + c->hidden > c->d.bar / 2;
}

static void go_on(const struct nb_probes *p, struct nb_climb *c)
{
    bool spent = c->last || c->rungs >= p->ladder[2];
    bool blamed = c->r.verdict == NB_WRONG && c->r.reason != NB_WHY_not_finite;
    c->looks++;
    c->doubtful = blamed && c->looks == 1 && !spent;
    c->state = content(c) || (blamed && !c->doubtful) || c->r.reason == NB_WHY_not_finite ||
                       ((spent || hopeless(c)) && c->has_d)
                   ? NB_CLOSED
                   : NB_OPEN;
}

static int judge_climb(struct nb_probes *p, int base, int operand, int64_t entry, struct nb_climb *c,
                       struct nb_error *e)
{
    bool spent = c->last || c->rungs >= p->ladder[2];
    c->news = false;
    if (!isfinite(p->base[base].claim[operand][entry]))
        c->r = (struct nb_ruling){.verdict = NB_WRONG, .reason = NB_WHY_not_finite, .error = INFINITY};
    else if (c->kink == NB_AT_KINK) {
        c->r = nb_kink_judge(p, base, operand, entry, c);
        c->state = NB_CLOSED;
        return 0;
    } else if (c->kink == NB_NEAR_KINK && spent)
        c->r = judge_unresolved(p, base, operand, entry, c);
    else if (c->kink == NB_NEAR_KINK)
        c->r = (struct nb_ruling){.verdict = NB_CANNOT_TELL, .reason = NB_WHY_kink_unresolved};
    else if (judge_smooth(p, base, operand, entry, c, e))
        return -1;
    go_on(p, c);
    return 0;
}

/* What cannot be judged by numbers at this point. */
static bool close_all(struct nb_probes *p, int base, int operand)
{
    struct nb_spot *s = &p->base[base];
    enum nb_reason why = !s->steady   ? NB_WHY_not_deterministic
                         : !s->finite ? NB_WHY_forward_not_finite
                         : !p->m      ? NB_WHY_zero_cotangent
                                      : NB_WHY_shape;
    if (s->steady && s->finite && p->m && s->claim[operand])
        return false;
    for (int64_t i = 0; i < s->climbs[operand]; i++) {
        struct nb_climb *c = &s->climb[operand][i];
        if (c->state == NB_NOT_ASKED)
            continue;
        c->state = NB_CLOSED;
        c->doubtful = c->news = false;
        c->r = (struct nb_ruling){.verdict = why == NB_WHY_shape ? NB_WRONG : NB_CANNOT_TELL, .reason = why};
    }
    return true;
}

/* Some of those called wrong have been looked at again. If all of them are wrong indeed, so are the others; if one is
 * not, all are looked at again. */
static void trust(struct nb_spot *s, int operand, int confirmed, int acquitted)
{
    for (int64_t i = 0; (confirmed || acquitted) && i < s->climbs[operand]; i++) {
        struct nb_climb *c = &s->climb[operand][i];
        if (c->doubtful && !acquitted)
            c->state = NB_CLOSED;
        c->doubtful = false;
    }
}

static int judge_operand(struct nb_probes *p, int base, int operand, struct nb_error *e)
{
    struct nb_spot *s = &p->base[base];
    int confirmed = 0, acquitted = 0;
    if (!s->claimed || s->dropped || close_all(p, base, operand))
        return 0;
    for (int64_t i = 0; i < s->climbs[operand]; i++) {
        struct nb_climb *c = &s->climb[operand][i];
        int64_t entry = s->chosen[operand] ? s->chosen[operand][i] : i;
        bool doubtful = c->doubtful;
        if (!c->news)
            continue;
        if (judge_climb(p, base, operand, entry, c, e))
            return -1;
        confirmed += doubtful && c->r.verdict == NB_WRONG;
        acquitted += doubtful && c->r.verdict != NB_WRONG;
    }
    trust(s, operand, confirmed, acquitted);
    return 0;
}

int nb_judge_round(struct nb_probes *p, struct nb_error *e)
{
    for (int b = 0; b < p->bases; b++)
        for (int t = 0; t < p->operands; t++)
            if (judge_operand(p, b, t, e))
                return -1;
    return 0;
}

/* ---- one more point ---------------------------------------------------------------------------------------------- */

static bool told(const struct nb_probes *p, int operand, int64_t entry)
{
    for (int b = 0; b < p->bases; b++) {
        const struct nb_climb *c = nb_climb_of(p, b, operand, entry);
        bool blind = (p->coarse || p->f.single) && c && c->r.reason == NB_WHY_no_power;
        bool settled = c && c->state == NB_CLOSED && !c->r.silent && (c->r.verdict != NB_CANNOT_TELL || blind);
        bool hoped = c && c->state == NB_OPEN && p->round + 1 < NB_MOST_ROUNDS;
        if (settled || hoped || (c && c->joint >= 0))
            return true;
    }
    return false;
}

static int64_t untold(const struct nb_probes *p)
{
    int64_t n = 0;
    for (int t = 0; t < p->operands; t++)
        for (int64_t i = 0; i < (int64_t)p->operand[t].n; i++)
            n += !told(p, t, i);
    return n;
}

static bool sensible(const struct nb_probes *p)
{
    for (int b = 0; b < p->bases; b++)
        if (!p->base[b].every || !p->base[b].steady || !p->base[b].known)
            return false;
    return !p->f.given && p->bases == p->f.points && p->round < NB_MOST_ROUNDS && p->m;
}

int nb_judge_extra(struct nb_probes *p, struct nb_error *e)
{
    if (!sensible(p) || !untold(p))
        return 0;
    if (nb_points_add(p, true, e))
        return -1;
    int b = p->bases - 1;
    for (int t = 0; t < p->operands; t++)
        for (int64_t i = 0; i < (int64_t)p->operand[t].n; i++) {
            p->bases--; /* what the others know */
            bool known = told(p, t, i);
            p->bases++;
            if (known)
                p->base[b].climb[t][i].state = NB_NOT_ASKED;
        }
    return 0;
}
