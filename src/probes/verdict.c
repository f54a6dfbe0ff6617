/* verdict - all points and entries together. */
#include "check/doubt.h"
#include "probes/probing.h"
#include <math.h>
#include <stdlib.h>

enum { MOST_KINKS = 100 };

/* ---- an entry at all points -------------------------------------------------------------------------------------- */

/* How much a verdict at one point weighs: wrong at one is wrong; right at one and untold at another is right; a silent
 * zero says least. */
static int weight(const struct nb_climb *c)
{
    if (!c || c->state == NB_NOT_ASKED)
        return 0;
    if (c->r.silent && c->r.verdict == NB_RIGHT)
        return 2;
    return c->r.verdict == NB_WRONG ? 4 : c->r.verdict == NB_RIGHT ? 3 : 1;
}

/* Of equals, the one with the larger error, or the least power. */
static bool outweighs(const struct nb_climb *a, const struct nb_climb *b)
{
    if (weight(a) != weight(b))
        return weight(a) > weight(b);
    return weight(a) == 4 ? a->r.error > b->r.error : weight(a) == 3 && a->r.power > b->r.power;
}

static const struct nb_climb *decides(const struct nb_probes *p, int operand, int64_t entry, int *base)
{
    const struct nb_climb *best = NULL;
    for (int b = 0; b < p->bases; b++) {
        const struct nb_climb *c = nb_climb_of(p, b, operand, entry);
        if (p->base[b].dropped || !weight(c) || (best && !outweighs(c, best)))
            continue;
        best = c;
        *base = b;
    }
    return best;
}

/* What was still to be asked when the rounds were over. */
static void close_open(struct nb_probes *p)
{
    for (int b = 0; b < p->bases; b++)
        for (int t = 0; t < p->operands; t++)
            for (int64_t i = 0; i < p->base[b].climbs[t]; i++) {
                struct nb_climb *c = &p->base[b].climb[t][i];
                bool unsure = c->r.verdict != NB_WRONG && !(c->r.verdict == NB_RIGHT && c->has_d && !c->r.silent);
                if (c->state != NB_OPEN)
                    continue;
                c->state = NB_CLOSED;
                if (unsure && !(c->r.silent && c->has_d)) {
                    c->r.verdict = NB_CANNOT_TELL;
                    c->r.reason = NB_WHY_rounds_spent;
                    c->r.silent = false;
                }
            }
}

/* ---- a tensor ---------------------------------------------------------------------------------------------------- */

static int rooms(struct nb_probes *p, struct nb_checked *out, size_t n, struct nb_error *e)
{
    out->candidate = nb_zalloc(p->arena, n, sizeof *out->candidate, e);
    out->value = nb_zalloc(p->arena, n, sizeof *out->value, e);
    out->bar = nb_zalloc(p->arena, n, sizeof *out->bar, e);
    out->verdicts = nb_zalloc(p->arena, n, 1, e);
    out->reasons = nb_zalloc(p->arena, n, 1, e);
    if (p->bases > 1)
        out->points = nb_zalloc(p->arena, n, 1, e);
    return e->code ? -1 : 0;
}

static int severity(const struct nb_ruling *r)
{
    return r->silent ? 0 : 1 + (int)r->verdict;
}

static void note(const struct nb_probes *p, int operand, int64_t i, int base, const struct nb_climb *c,
                 struct nb_checked *out)
{
    const double *claim = p->base[base].claim[operand];
    out->candidate[i] = claim ? claim[i] : NAN;
    out->value[i] = c->r.value;
    out->bar[i] = c->r.bar;
    out->verdicts[i] = (unsigned char)c->r.verdict;
    out->reasons[i] = (unsigned char)c->r.reason;
    if (out->points)
        out->points[i] = (unsigned char)base;
    out->right += c->r.verdict == NB_RIGHT && !c->r.silent;
    out->silent += c->r.verdict == NB_RIGHT && c->r.silent;
    out->wrong += c->r.verdict == NB_WRONG;
    out->cannot_tell += c->r.verdict == NB_CANNOT_TELL;
    if (c->r.verdict == NB_RIGHT && c->r.power == 0 && c->kink != NB_AT_KINK)
        out->zero_within = fmax(out->zero_within, c->r.bar);
}

static void note_worst(const struct nb_probes *p, int operand, int64_t i, const struct nb_climb *c,
                       struct nb_checked *out)
{
    bool z = c->has_z && c->z.found && !p->operand[operand].no_complex, d = c->has_d && c->d.found;
    out->worst = i;
    out->reason = c->r.reason;
    out->largest_error = c->r.error;
    out->complex_step = z ? c->z.value : NAN;
    out->differences = d ? c->d.value : NAN;
    out->differences_bar = d ? c->d.bar : NAN;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool misshapen(const struct nb_probes *p, int operand)
{
    for (int b = 0; b < p->bases; b++)
        if (p->base[b].claimed && !p->base[b].claim[operand])
            return true;
    return false;
}

static int directions_wrong(const struct nb_probes *p, int operand)
{
    int most = 0;
    for (int b = 0; b < p->bases; b++)
        most = p->base[b].wrong_directions[operand] > most ? p->base[b].wrong_directions[operand] : most;
    return most;
}

static void sum_up(const struct nb_probes *p, int operand, struct nb_checked *out, double *power, size_t n)
{
    bool contradicted = directions_wrong(p, operand) > (p->directions > 1);
    out->verdict = out->wrong || contradicted ? NB_WRONG : out->cannot_tell || !out->right ? NB_CANNOT_TELL : NB_RIGHT;
    if (out->verdict == NB_WRONG && !out->wrong)
        out->reason = NB_WHY_direction;
    if (out->verdict == NB_CANNOT_TELL && !out->reason)
        out->reason = p->operand[operand].n ? NB_WHY_silent : NB_WHY_empty;
    if (out->verdict == NB_RIGHT && out->reason != NB_WHY_kink)
        out->reason = NB_WHY_none;
    if (!n)
        return;
    qsort(power, n, sizeof *power, ascending);
    out->power_worst = power[n - 1];
    out->power_median = power[n / 2];
}

static int judge_entries(struct nb_probes *p, int operand, struct nb_checked *out, struct nb_error *e)
{
    double *power = nb_alloc(p->arena, p->operand[operand].n, sizeof *power, e);
    size_t powers = 0;
    int worst = -1;
    if (!power)
        return -1;
    for (int64_t i = 0; i < (int64_t)p->operand[operand].n; i++) {
        int base = 0;
        const struct nb_climb *c = decides(p, operand, i, &base);
        if (!c) {
            out->bar[i] = -1; /* not looked at */
            continue;
        }
        note(p, operand, i, base, c, out);
        p->v.facts.judged++;
        out->judged = true;
        if (c->r.power > 0 && c->r.verdict != NB_CANNOT_TELL)
            power[powers++] = c->r.power;
        int now = severity(&c->r);
        if (now > worst || (now == worst && c->r.error > out->largest_error)) {
            worst = now;
            note_worst(p, operand, i, c, out);
        }
    }
    sum_up(p, operand, out, power, powers);
    return 0;
}

static int judge_tensor(struct nb_probes *p, int operand, struct nb_checked *out, struct nb_error *e)
{
    const struct nb_operand *o = &p->operand[operand];
    *out = (struct nb_checked){.name = p->f.in[o->in].name, .shape = p->f.in[o->in].shape, .worst = -1};
    p->v.facts.asked += (int64_t)o->n;
    if (rooms(p, out, o->n, e))
        return -1;
    if (!misshapen(p, operand))
        return judge_entries(p, operand, out, e);
    out->verdict = NB_WRONG;
    out->reason = NB_WHY_shape;
    out->wrong = (int64_t)o->n;
    p->v.facts.judged += (int64_t)o->n;
    return 0;
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static int note_kinks(struct nb_probes *p, int base, int operand, struct nb_error *e)
{
    struct nb_facts *f = &p->v.facts;
    const struct nb_spot *s = &p->base[base];
    const char *port = nb_sprintf(p->arena, e, "point %d", base);
    for (int64_t i = 0; port && i < s->climbs[operand] && f->nkinks < MOST_KINKS; i++) {
        const struct nb_climb *c = &s->climb[operand][i];
        int64_t entry = s->chosen[operand] ? s->chosen[operand][i] : i;
        if (c->kink != NB_AT_KINK)
            continue;
        if (nb_grow(p->arena, &f->kinks, f->nkinks, &p->kink_room, sizeof *f->kinks, e))
            return -1;
        f->kinks[f->nkinks++] = (struct nb_kink_met){.node = p->f.in[p->operand[operand].in].name,
                                                     .port = port,
                                                     .index = entry,
                                                     .value = s->at[p->operand[operand].in][entry],
                                                     .convention = NAN,
                                                     .low = fmin(c->left, c->right),
                                                     .high = fmax(c->left, c->right)};
    }
    return port ? 0 : -1;
}

static void note_layout(struct nb_probes *p, int operand)
{
    const struct nb_operand *o = &p->operand[operand];
    const struct nb_probed_input *in = &p->f.in[o->in];
    const struct nb_grid *g = o->refuted ? &o->dense : &o->claimed;
    p->v.facts.swept[p->v.facts.nswept++] = (struct nb_swept){.node = "function",
                                                              .port = in->name,
                                                              .structure = nb_layout_name(in->layout),
                                                              .colours = g->colours,
                                                              .entries = (int64_t)o->n,
                                                              .refuted = o->refuted};
}

static int note_facts(struct nb_probes *p, struct nb_error *e)
{
    struct nb_facts *f = &p->v.facts;
    f->method = "probes";
    f->coverage = NB_COVER_EVERY;
    f->rho = p->f.rho > 0 ? p->f.rho : p->f.single ? NB_RHO_FLOAT : NB_RHO;
    f->r_max = p->f.r_max > 0 ? p->f.r_max : p->f.single ? NB_R_MAX_FLOAT : NB_R_MAX;
    f->points = p->bases;
    if (!(f->swept = nb_small(p->arena, (size_t)p->operands + 1, sizeof *f->swept, e)))
        return -1;
    for (int t = 0; t < p->operands; t++) {
        note_layout(p, t);
        for (int b = 0; b < p->bases; b++)
            if (note_kinks(p, b, t, e))
                return -1;
    }
    if (!p->bases || p->base[0].every)
        return 0;
    f->coverage = NB_COVER_SAMPLED;
    f->directions = p->directions;
    f->spots = NB_SPOTS;
    return 0;
}

/* ---- what hides mistakes ----------------------------------------------------------------------------------------- */

/* A tensor of the client's points that is degenerate at every one of them. */
static int doubt_input(struct nb_probes *p, size_t input, struct nb_error *e)
{
    struct nb_verdicts at = {0};
    for (int b = 0; b < p->bases; b++) {
        const struct nb_named *x = &p->base[b].x.v[input];
        at = (struct nb_verdicts){0};
        if (nb_doubt_tensor(&at, x->name, &x->t, true, p->arena, e))
            return -1;
        if (!at.ndoubts)
            return 0;
    }
    return nb_doubt_add(&p->v, at.doubts->code, at.doubts->where, at.doubts->hides, p->arena, e);
}

static int doubt_gradient(struct nb_probes *p, const struct nb_checked *out, struct nb_error *e)
{
    int64_t n = nb_count(&out->shape), zero = 0;
    for (int64_t i = 0; out->judged && i < n; i++)
        zero += out->reasons[i] == NB_WHY_no_power || (!out->reasons[i] && fabs(out->value[i]) <= out->bar[i]);
    return 2 * (zero - out->silent) > n
               ? nb_doubt_add(&p->v, "vanishing", out->name,
                              "most of its gradient is 0 beside rounding: formulas that agree in the limit", p->arena,
                              e)
               : 0;
}

static int doubt_points(struct nb_probes *p, struct nb_error *e)
{
    for (size_t i = 0; p->f.given && i < p->f.nin; i++)
        if (doubt_input(p, i, e))
            return -1;
    for (size_t i = 0; p->f.given && i < p->v.n; i++)
        if (doubt_gradient(p, &p->v.v[i], e))
            return -1;
    if (!p->f.single || p->v.verdict != NB_CANNOT_TELL)
        return 0;
    return nb_doubt_add(&p->v, "few_digits", "function",
                        "mistakes of some hundredths: it computes in float32; evaluate it in float64", p->arena, e);
}

int nb_probes_conclude(struct nb_probes *p, struct nb_error *e)
{
    struct nb_verdicts *v = &p->v;
    close_open(p);
    if (!(v->v = nb_zalloc(p->arena, (size_t)p->operands + 1, sizeof *v->v, e)))
        return -1;
    v->n = (size_t)p->operands;
    v->self_ok = true;
    v->verdict = p->operands ? NB_RIGHT : NB_CANNOT_TELL;
    for (int t = 0; t < p->operands; t++) {
        if (judge_tensor(p, t, &v->v[t], e))
            return -1;
        v->verdict = v->v[t].verdict > v->verdict ? v->v[t].verdict : v->verdict;
    }
    return note_facts(p, e) || doubt_points(p, e) ? -1 : 0;
}
