/* sense - what the answers tell about the function as a whole: is it one, how many digits does it have, how
 * steep can it be. */
#include "check/doubt.h"
#include "probes/probing.h"
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* "y[2, 3] at point 1" */
static const char *place_of(const struct nb_probes *p, int base, size_t j, struct nb_error *e)
{
    size_t o = 0;
    char text[120];
    while (j >= p->offset[o + 1])
        o++;
    struct nb_shape index = {.rank = p->f.out[o].shape.rank};
    int64_t rest = (int64_t)(j - p->offset[o]);
    for (int d = index.rank - 1; d >= 0; d--) {
        index.dim[d] = rest % p->f.out[o].shape.dim[d];
        rest /= p->f.out[o].shape.dim[d];
    }
    return nb_sprintf(p->arena, e, "%s%s at point %d", p->f.out[o].name,
                      index.rank ? nb_shape_text(&index, NULL, text, sizeof text) : "", base);
}

/* ---- is it a function? ------------------------------------------------------------------------------------------- */

static int unsteady(struct nb_probes *p, int base, size_t j, double a, double b, struct nb_error *e)
{
    bool first = p->base[base].steady;
    p->base[base].steady = false;
    const char *where = first ? place_of(p, base, j, e) : "";
    const char *why =
        nb_sprintf(p->arena, e, "everything: asked twice for the same point it says %.17g and %.17g", a, b);
    if (!where || !why)
        return -1;
    return first ? nb_doubt_add(&p->v, "not_deterministic", where, why, p->arena, e) : 0;
}

static int infinite(struct nb_probes *p, int base, size_t j, struct nb_error *e)
{
    p->base[base].finite = false;
    const char *where = place_of(p, base, j, e);
    return where ? nb_doubt_add(&p->v, "forward_not_finite", where,
                                "everything at this point: the fault is in the forward", p->arena, e)
                 : -1;
}

/* The base is asked again and again, at least twice in a round: always the same bits, please. */
static int see_base(struct nb_probes *p, int base, const double *y, struct nb_error *e)
{
    struct nb_spot *s = &p->base[base];
    bool fresh = !s->known;
    if (fresh)
        memcpy(s->y, y, p->m * sizeof *y);
    s->known = true;
    for (size_t j = 0; j < p->m; j++) {
        if (fresh && s->finite && !isfinite(y[j]) && infinite(p, base, j, e))
            return -1;
        if (!(y[j] == s->y[j] || (isnan(y[j]) && isnan(s->y[j]))))
            return unsteady(p, base, j, s->y[j], y[j], e);
    }
    return 0;
}

/* ---- how many digits? -------------------------------------------------------------------------------------------- */

static double moved_by(const struct nb_heard *h, const struct nb_block *b, const struct nb_spot *s, int probe, size_t j)
{
    return nb_heard_row(h, b->probe + (size_t)probe)[j] - s->y[j];
}

/* Moves of all inputs by ever smaller fractions, one side of the base: what an output does, and what breaks the
 * proportion between a move and one of a sixteenth of it. */
struct moves {
    double by[NB_SCALES], broken[NB_SCALES - 1];
};

static struct moves moves_of(const struct nb_heard *h, const struct nb_block *b, const struct nb_spot *s, int way,
                             size_t j)
{
    struct moves m;
    for (int k = 0; k < NB_SCALES; k++)
        m.by[k] = moved_by(h, b, s, NB_JIGGLES + 2 * k + way, j);
    for (int k = 0; k + 1 < NB_SCALES; k++)
        m.broken[k] = fabs(m.by[k] - 16 * m.by[k + 1]) / 8;
    return m;
}

/* Rounding of this size would hide the smaller moves; they are there, and in proportion. */
static bool refuted(const struct moves *m, int k, double noise)
{
    int seen = 0;
    while (++k + 1 < NB_SCALES && seen < 2)
        if (m->by[k] != 0 && fabs(m->by[k]) < noise / 2) {
            if (!(m->broken[k] < fabs(m->by[k]) / 16))
                return false;
            seen++;
        }
    return seen == 2;
}

/* Curvature falls 256-fold from one size to the next, rounding stays. */
static double noise_of(const struct moves *m)
{
    double most = 0;
    for (int k = 1; k + 1 < NB_SCALES; k++)
        if (isfinite(m->broken[k]) && m->broken[k] > m->broken[k - 1] / 64 && !refuted(m, k, m->broken[k]))
            most = fmax(most, m->broken[k]);
    return most;
}

/* A kink nearby may leave a trace like rounding, but hardly on both sides. */
static double unrest(const struct nb_heard *h, const struct nb_block *b, const struct nb_spot *s, size_t j)
{
    struct moves up = moves_of(h, b, s, 0, j), down = moves_of(h, b, s, 1, j);
    return fmin(noise_of(&up), noise_of(&down));
}

static int tell_coarse(struct nb_probes *p, int base, size_t j, struct nb_error *e)
{
    if (p->coarse)
        return 0;
    p->coarse = true;
    const char *where = place_of(p, base, j, e);
    if (!where)
        return -1;
    return nb_doubt_add(
        &p->v, "few_digits", where,
        "small mistakes: the function loses digits inside, as float32 or a difference of large terms does", p->arena,
        e);
}

static int see_noise(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, struct nb_error *e)
{
    struct nb_spot *s = &p->base[b->base];
    for (size_t j = 0; j < p->m; j++) {
        for (int r = 0; r < NB_JIGGLES; r++)
            if (isfinite(moved_by(h, b, s, r, j)))
                s->noise[j] = fmax(s->noise[j], fabs(moved_by(h, b, s, r, j)));
        double most = b->probes > NB_JIGGLES ? unrest(h, b, s, j) : 0;
        bool coarse = most > 0x1p-30 * fabs(s->y[j]) && most > 64 * s->noise[j];
        s->noise[j] = fmax(s->noise[j], most);
        if (coarse && tell_coarse(p, b->base, j, e))
            return -1;
    }
    return 0;
}

/* ---- how steep? -------------------------------------------------------------------------------------------------- */

/* Outputs of the group of an entry, at two places that far apart. */
static void see_pair(struct nb_probes *p, int base, int operand, int64_t entry, const double *a, const double *b,
                     double step)
{
    struct nb_spot *s = &p->base[base];
    const struct nb_grid *g = nb_grid_of(p, base, operand);
    double share = s->every ? 1 : (double)p->operand[operand].n / (double)s->climbs[operand];
    double x = fabs(s->at[p->operand[operand].in][entry]);
    for (size_t o = 0; o < p->f.nout; o++)
        for (int64_t k = 0; k < g->out[o].count; k++) {
            size_t j = p->offset[o] + (size_t)(nb_grid_group(g, entry) * g->out[o].group + k * g->out[o].step);
            double slope = fabs(a[j] - b[j]) / step;
            if (!isfinite(slope))
                continue;
            s->slope[operand] = fmax(s->slope[operand], slope);
            s->terms[operand][j] += share * x * slope;
        }
}

/* At the nearest rung of the first look. */
static void see_ladder(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    const struct nb_grid *g = nb_grid_of(p, b->base, b->operand);
    const double *plus = nb_heard_row(h, b->probe + b->probes - 2), *x = p->base[b->base].at[p->operand[b->operand].in];
    for (int64_t k = 0; k < g->groups && b->first == 0; k++) {
        int64_t i = nb_grid_entry(g, k, b->which);
        const struct nb_climb *c = nb_climb_of(p, b->base, b->operand, i);
        if (c && c->asked && c->rungs == 0)
            see_pair(p, b->base, b->operand, i, plus, plus + p->m, 2 * nb_step_of(p, b->operand, x[i], b->rungs - 1));
    }
}

static void see_units(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    const struct nb_spot *s = &p->base[b->base];
    const int64_t *chosen = s->chosen[b->operand];
    for (size_t i = 0; i < b->probes; i++)
        see_pair(p, b->base, b->operand, chosen ? chosen[i] : (int64_t)i, nb_heard_row(h, b->probe + i), s->y,
                 nb_unit_step(p, b->base, b->operand));
}

static void see_complex(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    const struct nb_grid *g = nb_grid_of(p, b->base, b->operand);
    for (int64_t k = 0; k < g->groups; k++) {
        int64_t i = nb_grid_entry(g, k, b->which);
        if (nb_climb_of(p, b->base, b->operand, i))
            see_pair(p, b->base, b->operand, i, h->im + b->probe * p->m, h->zero, NB_STEP_COMPLEX);
    }
}

/* Nearer to 0, where what saturates does not: in random directions, so the terms add up to their root. */
static void see_companions(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    const struct nb_spot *s = &p->base[b->base];
    const double *x = s->at[p->operand[b->operand].in];
    const int64_t *chosen = s->chosen[b->operand];
    double sizes = 0, scales = 0;
    for (int64_t k = 0; k < s->climbs[b->operand]; k++) {
        int64_t i = chosen ? chosen[k] : k;
        sizes += fabs(x[i]);
        scales += nb_scale_of(p, b->operand, x[i]);
    }
    double terms = sizes / scales / ldexp(2, p->first_exponent - 2);
    for (size_t i = 0; i < b->probes; i += 2) {
        const double *plus = nb_heard_row(h, b->probe + i), *minus = plus + p->m;
        for (size_t j = 0; j < p->m; j++)
            if (isfinite(plus[j] - minus[j]))
                s->terms[b->operand][j] = fmax(s->terms[b->operand][j], terms * fabs(plus[j] - minus[j]));
    }
}

static int see(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, struct nb_error *e)
{
    switch (b->question) {
    case NB_ASK_BASE:
        return see_base(p, b->base, nb_heard_row(h, b->probe), e);
    case NB_ASK_JIGGLE:
        return p->base[b->base].finite ? see_noise(p, h, b, e) : 0;
    case NB_ASK_COMPANION:
        see_companions(p, h, b);
        return 0;
    case NB_ASK_LADDER:
        see_ladder(p, h, b);
        return 0;
    case NB_ASK_UNIT:
        see_units(p, h, b);
        return 0;
    case NB_ASK_COMPLEX:
        see_complex(p, h, b);
        return 0;
    default:
        return 0;
    }
}

int nb_sense(struct nb_probes *p, const struct nb_heard *h, struct nb_error *e)
{
    for (size_t i = 0; i < p->blocks; i++)
        if (see(p, h, &p->block[i], e))
            return -1;
    return 0;
}
