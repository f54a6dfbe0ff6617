/* edits - from a block of probes to the entries each of them replaces. Steps are made here and nowhere else. */
#include "probes/probing.h"
#include <math.h>
#include <string.h>

static const int BEND[] = {2, 1, -1};
enum { FIRST_SCALE = -12, SCALES_APART = 4 };

/* ---- steps ------------------------------------------------------------------------------------------------------- */

double nb_stepped(const struct nb_probes *p, double x, double h)
{
    volatile double to = x + h;
    return p->f.single ? (double)(float)to : to;
}

/* Of the size of the entry, or of the interval where entries are small. */
double nb_scale_of(const struct nb_probes *p, int operand, double x)
{
    const struct nb_probed_input *in = &p->f.in[p->operand[operand].in];
    return exp2(floor(log2(fmax(fmin(in->high - in->low, 1), fabs(x)))));
}

double nb_step_of(const struct nb_probes *p, int operand, double x, int rung)
{
    return ldexp(nb_scale_of(p, operand, x), p->first_exponent - rung);
}

double nb_unit_step(const struct nb_probes *p, int base, int operand)
{
    const double *x = p->base[base].at[p->operand[operand].in];
    double largest = 0;
    for (size_t i = 0; i < p->operand[operand].n; i++)
        largest = fmax(largest, fabs(x[i]));
    return largest == 0 || (largest >= 0x1p-4 && largest <= 0x1p4) ? 1 : exp2(rint(log2(largest)));
}

double nb_bend_value(const struct nb_probes *p, int base, int operand, int test, int times, int64_t entry)
{
    uint64_t at = nb_draw_at(NB_DRAW_BEND, base, operand, test, entry);
    double v = nb_draw_sign(p, at) * (0.5 + nb_draw(p, at) / 2);
    return nb_stepped(p, p->base[base].at[p->operand[operand].in][entry], times * v * nb_unit_step(p, base, operand));
}

double nb_direction_sign(const struct nb_probes *p, int base, int operand, int64_t direction, int64_t entry)
{
    return nb_draw_sign(p, nb_draw_at(NB_DRAW_SIGN, base, operand, direction, entry));
}

/* ---- single entries ---------------------------------------------------------------------------------------------- */

/* Up to eight units in the last place, either way. */
static double jiggled(const struct nb_probes *p, double x, uint64_t r)
{
    double to = r & 1 ? INFINITY : -INFINITY;
    for (uint64_t k = 0; k <= (r >> 1 & 7); k++)
        x = p->f.single ? (double)nextafterf((float)x, (float)to) : nextafter(x, to);
    return x;
}

static double jiggle(const struct nb_probes *p, const struct nb_block *b, size_t probe, int operand, int64_t i)
{
    double x = p->base[b->base].at[p->operand[operand].in][i];
    if (probe < NB_JIGGLES)
        return jiggled(p, x, nb_word(p->stream, nb_draw_at(NB_DRAW_JIGGLE, b->base, operand, (int64_t)probe, i)));
    uint64_t at = nb_draw_at(NB_DRAW_SIGN, b->base, operand, NB_DIRECTIONS, i);
    double v = nb_draw_sign(p, at) * (0.5 + nb_draw(p, at) / 2) * (probe % 2 ? -1 : 1);
    int size = FIRST_SCALE - SCALES_APART * (int)((probe - NB_JIGGLES) / 2);
    return nb_stepped(p, x, v * ldexp(nb_scale_of(p, operand, x), size));
}

static double companion(const struct nb_probes *p, const struct nb_block *b, size_t probe, int64_t i)
{
    double x = nb_stepped(p, ldexp(p->base[b->base].at[p->operand[b->operand].in][i], -2 * ((int)probe / 4 + 1)), 0);
    double v = nb_direction_sign(p, b->base, b->operand, NB_DIRECTIONS + 1 + (int64_t)probe / 2, i);
    return nb_stepped(p, x, (probe % 2 ? -v : v) * nb_step_of(p, b->operand, x, 2));
}

/* By a fraction, so that the sign stays: the function may not be defined beyond. */
static double leaking(const struct nb_probes *p, const struct nb_block *b, size_t probe, int64_t i)
{
    double x = p->base[b->base].at[p->operand[b->operand].in][i];
    uint64_t at = nb_draw_at(NB_DRAW_LEAK, b->base, b->operand, (int64_t)probe, i);
    double h = nb_draw_sign(p, at) * (0.1 + 0.4 * nb_draw(p, at));
    return nb_stepped(p, x, x != 0 ? h * x : h * 0x1p-4 * nb_scale_of(p, b->operand, 0));
}

static double along(const struct nb_probes *p, const struct nb_block *b, size_t probe, int64_t i)
{
    double x = p->base[b->base].at[p->operand[b->operand].in][i];
    double h = nb_step_of(p, b->operand, x, b->first + (int)probe / 2);
    return nb_stepped(p, x, (probe % 2 ? -h : h) * nb_direction_sign(p, b->base, b->operand, b->which, i));
}

static double up_or_down(const struct nb_probes *p, const struct nb_block *b, size_t probe, int64_t i)
{
    double x = p->base[b->base].at[p->operand[b->operand].in][i];
    double h = nb_step_of(p, b->operand, x, b->first + (int)probe / 2);
    return nb_stepped(p, x, probe % 2 ? -h : h);
}

/* ---- probes ------------------------------------------------------------------------------------------------------ */

struct sheet { /* where edits go; v NULL: only counted */
    struct nb_edit *v;
    int64_t n;
};

static void put(struct sheet *s, int input, int64_t i, double re, double im)
{
    if (s->v)
        s->v[s->n] = (struct nb_edit){input, i, re, im};
    s->n++;
}

static double one_of_all(const struct nb_probes *p, const struct nb_block *b, size_t probe, int64_t i)
{
    if (b->question == NB_ASK_BEND)
        return nb_bend_value(p, b->base, b->operand, (int)probe / 3, BEND[probe % 3], i);
    return along(p, b, probe, i);
}

static void put_all(const struct nb_probes *p, const struct nb_block *b, size_t probe, struct sheet *s)
{
    for (int64_t i = 0; i < (int64_t)p->operand[b->operand].n; i++)
        put(s, p->operand[b->operand].in, i, s->v ? one_of_all(p, b, probe, i) : 0, 0);
}

/* Of the entries that are asked about: where not all are, moving these shows enough of the function. */
static void put_asked(const struct nb_probes *p, const struct nb_block *b, size_t probe, int operand, struct sheet *s)
{
    const int64_t *chosen = p->base[b->base].chosen[operand];
    for (int64_t k = 0; k < p->base[b->base].climbs[operand]; k++) {
        int64_t i = chosen ? chosen[k] : k;
        double x = !s->v                             ? 0
                   : b->question == NB_ASK_COMPANION ? companion(p, b, probe, i)
                                                     : jiggle(p, b, probe, operand, i);
        put(s, p->operand[operand].in, i, x, 0);
    }
}

static void put_jiggle(const struct nb_probes *p, const struct nb_block *b, size_t probe, struct sheet *s)
{
    for (int t = 0; t < p->operands; t++)
        put_asked(p, b, probe, t, s);
}

/* Groups whose number has this bit. With complex arguments both parts are moved. */
static void put_leak(const struct nb_probes *p, const struct nb_block *b, size_t probe, struct sheet *s)
{
    const struct nb_operand *o = &p->operand[b->operand];
    double im = p->f.by_complex && !o->no_complex ? NB_STEP_COMPLEX : 0;
    for (int64_t i = 0; i < (int64_t)o->n; i++)
        if ((nb_grid_group(&o->claimed, i) >> (probe / 2) & 1) == (int64_t)probe % 2)
            put(s, o->in, i, leaking(p, b, probe, i), im);
}

static void put_colour(const struct nb_probes *p, const struct nb_block *b, size_t probe, struct sheet *s)
{
    const struct nb_grid *g = nb_grid_of(p, b->base, b->operand);
    const struct nb_operand *o = &p->operand[b->operand];
    for (int64_t k = 0; k < g->groups; k++) {
        int64_t i = nb_grid_entry(g, k, b->which);
        const struct nb_climb *c = nb_climb_of(p, b->base, b->operand, i);
        if (!c || c->state != NB_OPEN)
            continue;
        if (b->question == NB_ASK_COMPLEX && !c->has_z)
            put(s, o->in, i, p->base[b->base].at[o->in][i], NB_STEP_COMPLEX);
        if (b->question == NB_ASK_LADDER && c->asked && c->rungs == b->first)
            put(s, o->in, i, up_or_down(p, b, probe, i), 0);
    }
}

static void put_unit(const struct nb_probes *p, const struct nb_block *b, size_t probe, struct sheet *s)
{
    const struct nb_operand *o = &p->operand[b->operand];
    const int64_t *chosen = p->base[b->base].chosen[b->operand];
    int64_t i = chosen ? chosen[probe] : (int64_t)probe;
    put(s, o->in, i, nb_stepped(p, p->base[b->base].at[o->in][i], nb_unit_step(p, b->base, b->operand)), 0);
}

/* The members of a kink along a direction: two steps, either way. */
static void put_joint(const struct nb_probes *p, const struct nb_block *b, size_t probe, struct sheet *s)
{
    const struct nb_joint *j = &p->joint[b->which];
    const double *v = j->v + probe / 4 * (size_t)j->n;
    for (int k = 0; k < j->n; k++) {
        int in = p->operand[j->member[k].operand].in;
        double x = p->base[b->base].at[in][j->member[k].entry];
        if (v[k] != 0)
            put(s, in, j->member[k].entry, nb_stepped(p, x, nb_joint_step(p, j, k, probe)), 0);
    }
}

double nb_joint_step(const struct nb_probes *p, const struct nb_joint *j, int member, size_t probe)
{
    int operand = j->member[member].operand;
    double x = p->base[j->base].at[p->operand[operand].in][j->member[member].entry];
    double h = nb_step_of(p, operand, x, j->rung + (int)(probe / 2 % 2));
    return (probe % 2 ? -h : h) * j->v[probe / 4 * (size_t)j->n + (size_t)member];
}

static int64_t walk(const struct nb_probes *p, size_t probe, struct nb_edit *v)
{
    const struct nb_block *b = nb_block_of(p, probe);
    struct sheet s = {v, 0};
    probe -= b->probe;
    switch (b->question) {
    case NB_ASK_BASE:
        break;
    case NB_ASK_JIGGLE:
        put_jiggle(p, b, probe, &s);
        break;
    case NB_ASK_LEAK:
        put_leak(p, b, probe, &s);
        break;
    case NB_ASK_UNIT:
        put_unit(p, b, probe, &s);
        break;
    case NB_ASK_COMPLEX:
    case NB_ASK_LADDER:
        put_colour(p, b, probe, &s);
        break;
    case NB_ASK_JOINT:
        put_joint(p, b, probe, &s);
        break;
    case NB_ASK_COMPANION:
        put_asked(p, b, probe, b->operand, &s);
        break;
    case NB_ASK_BEND:
    case NB_ASK_DIRECTION:
        put_all(p, b, probe, &s);
        break;
    }
    return s.n;
}

int64_t nb_probe_edits(const struct nb_probes *p, size_t probe)
{
    return walk(p, probe, NULL);
}

void nb_probe_edit(const struct nb_probes *p, size_t probe, struct nb_edit *edits)
{
    walk(p, probe, edits);
}
