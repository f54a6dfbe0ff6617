/* rungs - the second oracle at one node: extrapolated central differences of every entry, a colour at a time. */
#include "check/edges.h"
#include "check/operand.h"
#include "check/oracle.h"
#include "check/verdict.h"
#include "nabla/team.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { ROUNDING = 16, HALVINGS = 37, MOST_SUSPECTS = 512, CLOSEST = 36 };
static const double AGREE = 1e-9, GOOD = 1e-6;

struct rung {
    double value, rounding;
    double hidden; /* what outputs that did not move may hide */
    bool moved;
    double steep, terms; /* at a stationary entry: |g| times the steeper of its two sides, by the size of g's terms */
};
struct ladder { /* of one entry */
    struct rung far, mid, near;
    double value, bar, steep, terms; /* the best so far */
    double slope, reach, x, h;
    bool found, done;
    bool still; /* the complex step finds exactly nothing */
};
struct result { /* of one colour */
    int64_t agree, compared, suspects;
    double gap, h, h_high;
    int halvings;
};

struct slot {
    double *plus; /* outputs at x + h */
    struct ladder *l;
};
struct rungs {
    struct nb_operand *p;
    int set, kept, bar; /* that is compared: the only one, or the node's own; where its numbers and bars are */
    struct slot *slot;
    struct result *result;    /* per colour */
    unsigned char *suspect;   /* per entry, by colour and block */
    double *slope, *reach;    /* per block: the largest slope, the sum of |x| */
    struct nb_branches edges; /* at the point */
    int64_t first;
};

/* ---- one step of all ladders of a colour ----------------------------------------------------------------------- */

static void move(struct rungs *r, int slot, int64_t c, double sign)
{
    struct nb_operand *p = r->p;
    double *x = p->stand.d[slot].x;
    for (int64_t b = 0; b < p->blocks.blocks; b++) {
        struct ladder *l = &r->slot[slot].l[b];
        if (!l->done) {
            volatile double to = l->x + sign * l->h;
            x[nb_entry_of(p, c, b)] = to;
        }
    }
}

static void put_back(struct rungs *r, int slot, int64_t c)
{
    struct nb_operand *p = r->p;
    for (int64_t b = 0; b < p->blocks.blocks; b++)
        ((double *)p->stand.d[slot].x)[nb_entry_of(p, c, b)] = p->stand.point[nb_entry_of(p, c, b)];
}

static double step_of(const struct ladder *l)
{
    volatile double up = l->x + l->h, down = l->x - l->h;
    return up - down;
}

/* A minimum moves to both sides alike. */
static void add_steep(const struct nb_out *out, size_t j, double g, double plus, double minus, struct ladder *l)
{
    double steep = fmax(fabs(plus - out->base[j]), fabs(minus - out->base[j])) / l->h;
    l->near.steep += fabs(g) * steep;
    l->near.terms += sqrt(out->terms[j]) * steep;
}

static void add_outputs(struct rungs *r, int slot)
{
    struct nb_operand *p = r->p;
    struct ladder *ladders = r->slot[slot].l;
    const double *plus = r->slot[slot].plus;
    for (int o = 0; o < p->stand.nout; plus += p->out[o].n, o++) {
        const double *minus = nb_stand_y(&p->stand, slot, o);
        const struct nb_out *out = &p->out[o];
        for (size_t j = 0; j < out->n; j++) {
            struct ladder *l = &ladders[out->groups.of[j]];
            if (!l->done && l->still)
                add_steep(out, j, out->g[r->set][j], plus[j], minus[j], l);
            if (l->done)
                continue;
            double dy = (plus[j] - minus[j]) / step_of(l), g = out->g[r->set][j];
            l->near.moved |= plus[j] != minus[j];
            if (g == 0) /* nobody asks, not even if it is infinite */
                continue;
            double size = fabs(out->base[j]) + fabs(dy * l->x) + l->slope * l->reach;
            size = fmax(size, out->noise[j] / DBL_EPSILON);
            l->near.hidden += fabs(g) * size;
            if (plus[j] == minus[j])
                continue;
            l->near.value += g * dy;
            l->near.rounding += fabs(g) * size;
        }
    }
}

/* D(h) of every ladder that is not done. */
static int climb(struct rungs *r, int slot, int64_t c, struct nb_error *e)
{
    struct nb_operand *p = r->p;
    double *plus = r->slot[slot].plus;
    move(r, slot, c, 1);
    if (nb_stand_real(&p->stand, slot, e))
        return -1;
    for (int o = 0; o < p->stand.nout; plus += p->out[o].n, o++)
        memcpy(plus, nb_stand_y(&p->stand, slot, o), p->out[o].n * sizeof *plus);
    move(r, slot, c, -1);
    if (nb_stand_real(&p->stand, slot, e))
        return -1;
    for (int64_t b = 0; b < p->blocks.blocks; b++) {
        struct ladder *l = &r->slot[slot].l[b];
        if (!l->done) {
            l->far = l->mid;
            l->mid = l->near;
            l->near = (struct rung){0};
        }
    }
    add_outputs(r, slot);
    for (int64_t b = 0; b < p->blocks.blocks; b++) {
        struct ladder *l = &r->slot[slot].l[b];
        if (!l->done) {
            l->near.rounding *= ROUNDING * DBL_EPSILON / l->h;
            l->near.hidden *= ROUNDING * DBL_EPSILON / l->h;
        }
    }
    return 0;
}

/* After a rung: keep the best, decide whether to go on, halve. True if this ladder is done. */
static bool judge_rung(struct ladder *l)
{
    bool still = !l->near.moved && !l->mid.moved;
    double bend = nb_bend(l->far.value, l->mid.value, l->near.value, l->near.rounding);
    double bar = still ? l->near.hidden : bend + l->near.rounding;
    if (isfinite(bend) && (!l->found || bar < l->bar)) {
        l->found = true;
        l->value = (4 * l->near.value - l->mid.value) / 3;
        l->bar = bar;
        l->steep = l->near.steep;
        l->terms = l->near.terms;
    }
    l->done = l->found &&
              (l->bar <= GOOD * fabs(l->value) || l->near.rounding > 4 * l->bar || (!l->far.moved && !l->near.moved));
    l->h /= 2;
    return l->done;
}

static void set_up(struct rungs *r, int slot, int64_t c, int64_t only, int halved)
{
    struct nb_operand *p = r->p;
    for (int64_t b = 0; b < p->blocks.blocks; b++) {
        double x = p->stand.point[nb_entry_of(p, c, b)], size = fabs(x) > 1 ? fabs(x) : 1;
        r->slot[slot].l[b] = (struct ladder){.slope = r->slope[b],
                                             .reach = r->reach[b],
                                             .x = x,
                                             .h = ldexp(exp2(floor(log2(size))), -10 - halved),
                                             .done = only >= 0 && b != only,
                                             .still = nb_kept(p, NB_SLOPE, c)[b] == 0};
    }
}

static int climb_all(struct rungs *r, int slot, int64_t c, int64_t only, int halved, int *halvings, struct nb_error *e)
{
    int64_t open = only < 0 ? r->p->blocks.blocks : 1;
    set_up(r, slot, c, only, halved);
    for (int k = 0; k < HALVINGS + 3 - halved && open; k++) {
        if (climb(r, slot, c, e))
            return -1;
        *halvings = k < 3 ? 0 : k - 2;
        for (int64_t b = 0; b < r->p->blocks.blocks; b++) {
            struct ladder *l = &r->slot[slot].l[b];
            if (l->done)
                continue;
            if (k < 2)
                l->h /= 2;
            else
                open -= judge_rung(l);
        }
    }
    put_back(r, slot, c);
    return 0;
}

/* ---- a colour, compared with the complex step ------------------------------------------------------------------ */

/* Where numbers end there is nothing to compare. */
static double gap_of(const struct rungs *r, int64_t c, int64_t b, const struct ladder *l, bool *agrees)
{
    double n = nb_kept(r->p, r->kept, c)[b], d = fabs(n - l->value), m = fmax(fabs(n), fabs(l->value));
    *agrees = !(d > nb_kept(r->p, r->bar, c)[b] + l->bar + AGREE * m) || !isfinite(d); /* nor does a bar that is NaN */
    return m > 0 && isfinite(d) ? d / m : 0;
}

/* The complex step finds exactly nothing, but differences move: zero within their bar, made of what they see. */
static void settle(const struct rungs *r, int64_t c, int64_t b, const struct ladder *l)
{
    nb_kept(r->p, NB_BAR, c)[b] += l->bar * l->terms / l->steep;
    nb_kept(r->p, NB_TERMS, c)[b] += l->terms * l->terms;
}

static void compare(struct rungs *r, int slot, int64_t c, struct result *to)
{
    for (int64_t b = 0; b < r->p->blocks.blocks; b++) {
        const struct ladder *l = &r->slot[slot].l[b];
        bool agrees;
        if (!l->found)
            continue;
        if (l->still && l->steep > 0)
            settle(r, c, b, l);
        double gap = gap_of(r, c, b, l, &agrees);
        to->compared++;
        to->agree += agrees;
        to->suspects += !agrees;
        to->gap = agrees && l->bar <= GOOD * fabs(l->value) ? fmax(to->gap, gap) : to->gap;
        to->h = fmin(to->h, l->h);
        to->h_high = fmax(to->h_high, l->h);
        r->suspect[c * r->p->blocks.blocks + b] = !agrees;
    }
}

static void one_colour(void *context, int slot, int i)
{
    struct rungs *r = context;
    struct nb_error *e = &r->p->error[slot];
    int64_t c = r->first + i;
    if (e->code)
        return;
    r->result[c] = (struct result){.h = 1};
    if (!climb_all(r, slot, c, -1, 0, &r->result[c].halvings, e))
        compare(r, slot, c, &r->result[c]);
}

/* ---- an entry at which they differ ----------------------------------------------------------------------------- */

/* Rounding inside the node belongs to the bars. */
static int widen(struct rungs *r, int64_t c, int64_t b, struct nb_error *e)
{
    double scatter;
    if (nb_complex_scatter(r->p, r->set, c, b, &scatter, e))
        return -1;
    nb_kept(r->p, NB_BAR, c)[b] += 8 * scatter;
    nb_kept(r->p, NB_OWN_BAR, c)[b] += 8 * scatter;
    return 0;
}

/* Slopes a hair to the left and to the right: if they differ and hold the differences' number, a kink explains it. */
static int explained_by_kink(struct rungs *r, int64_t c, int64_t b, const struct ladder *l, bool *is,
                             struct nb_error *e)
{
    double x = r->p->stand.point[nb_entry_of(r->p, c, b)], hair = 0x1p-40 * fmax(1, fabs(x)), left, right;
    if (nb_complex_entry_at(r->p, r->set, c, b, x - hair, &left, e) ||
        nb_complex_entry_at(r->p, r->set, c, b, x + hair, &right, e))
        return -1;
    double low = fmin(left, right), high = fmax(left, right), slack = l->bar + 1e-6 * (high - low);
    *is = high - low > 1e-6 * fmax(fabs(low), fabs(high)) && l->value >= low - slack && l->value <= high + slack;
    return 0;
}

/* The largest slope of the outputs of a block that the last complex step found. */
static double slope_of(const struct nb_operand *p, int64_t b)
{
    const double *dy = p->dy[0];
    double slope = 0;
    for (int o = 0; o < p->stand.nout; dy += p->out[o].n, o++)
        for (size_t j = 0; j < p->out[o].n; j++)
            if (p->out[o].groups.of[j] == b && isfinite(dy[j]))
                slope = fmax(slope, fabs(dy[j]));
    return slope;
}

/* The largest slope of an output by this entry at x/4, x/16, x/64: where it is small at the point, terms that cancel
 * there may be large all the same. */
static int companion_slope(struct rungs *r, int64_t c, int64_t b, double *slope, struct nb_error *e)
{
    struct nb_operand *p = r->p;
    struct nb_stand *s = &p->stand;
    double *point = s->point, *moved = nb_alloc(p->arena, s->n, sizeof *moved, e), number;
    if (!moved)
        return -1;
    *slope = nb_kept(p, NB_SLOPE, c)[b];
    s->point = moved;
    int bad = 0;
    for (double scale = 0.25; scale > 0.01 && !bad; scale /= 4) {
        for (size_t i = 0; i < s->n; i++)
            moved[i] = point[i] * scale;
        nb_stand_reset(s, 0);
        bad = nb_complex_entry(p, r->set, c, b, &number, e);
        *slope = bad ? *slope : fmax(*slope, slope_of(p, b));
    }
    s->point = point;
    nb_stand_reset(s, 0);
    return bad;
}

/* What the last rung cannot have seen: slopes of outputs that react to this entry, but too little to move. */
static int count_unmoved(struct rungs *r, int64_t c, int64_t b, struct ladder *l, struct nb_error *e)
{
    struct nb_operand *p = r->p;
    const double *plus = r->slot[0].plus, *dy = p->dy[0];
    double sum = 0, slope, number;
    if (companion_slope(r, c, b, &slope, e) || nb_complex_entry(p, r->set, c, b, &number, e))
        return -1;
    for (int o = 0; o < p->stand.nout; plus += p->out[o].n, dy += p->out[o].n, o++) {
        const double *minus = nb_stand_y(&p->stand, 0, o);
        const struct nb_out *out = &p->out[o];
        for (size_t j = 0; j < out->n; j++)
            if (out->groups.of[j] == b && dy[j] != 0 && plus[j] == minus[j])
                sum +=
                    fabs(out->g[r->set][j]) * fmax(fabs(out->base[j]) + slope * l->reach, out->noise[j] / DBL_EPSILON);
    }
    l->bar += ROUNDING * DBL_EPSILON * sum / (2 * l->h); /* it was halved after the last rung */
    return 0;
}

/* Four to one may come about by chance where the function turns round within a step: smaller ones tell, as long as
 * their rounding is small beside the gap. Differences that contradict themselves prove nothing. The usual steps come
 * first, and last. */
static int look_closer(struct rungs *r, int64_t c, int64_t b, bool *agrees, struct nb_error *e)
{
    struct ladder *l = &r->slot[0].l[b];
    double low = INFINITY, high = -INFINITY, gap = 0; /* what all of them leave open: from high to low */
    int halvings, near = 0; /* two in a row that come near the complex step, however wide their bars: no accident */
    double number = nb_kept(r->p, r->kept, c)[b];
    for (int halved = 0; halved <= CLOSEST + 4 && !*agrees; halved += 4) {
        int from = halved <= CLOSEST ? halved : 0;
        bool now = false;
        if (climb_all(r, 0, c, b, from, &halvings, e) || count_unmoved(r, c, b, l, e))
            return -1;
        if (!l->found)
            continue;
        gap_of(r, c, b, l, &now);
        gap = halved ? gap : fabs(number - l->value);
        high = fmax(high, l->value - l->bar);
        low = fmin(low, l->value + l->bar);
        near = halved && fabs(number - l->value) <= gap / 4 ? near + 1 : 0;
        *agrees = (now && (!halved || l->bar <= gap / 4)) || high > low || near > 1;
    }
    return 0;
}

/* Bars so wide are no measure of themselves. */
static bool is_blunt(const struct rungs *r, int64_t c, int64_t b, const struct ladder *l)
{
    double bar = fmax(nb_kept(r->p, r->bar, c)[b], l->bar);
    return bar > NB_R_MAX * fmax(fabs(nb_kept(r->p, r->kept, c)[b]), fabs(l->value));
}

/* True in *fault if nothing but an error of ours explains it. */
static int examine(struct rungs *r, int64_t c, int64_t b, bool *fault, struct nb_error *e)
{
    struct ladder *l = &r->slot[0].l[b];
    bool agrees = false, kink = false;
    if (nb_edges_hold(&r->edges, r->p->stand.port, nb_entry_of(r->p, c, b)))
        return 0;
    if (look_closer(r, c, b, &agrees, e))
        return -1;
    if (agrees || !l->found)
        return 0;
    if (widen(r, c, b, e))
        return -1;
    gap_of(r, c, b, l, &agrees);
    if (!agrees && explained_by_kink(r, c, b, l, &kink, e))
        return -1;
    *fault = !agrees && !kink && !is_blunt(r, c, b, l);
    return 0;
}

static int examine_all(struct rungs *r, int64_t suspects, struct nb_error *e)
{
    struct nb_operand *p = r->p;
    int64_t seen = 0;
    for (int64_t k = 0; k < p->blocks.blocks * p->blocks.colours && suspects && seen < MOST_SUSPECTS; k++) {
        bool fault = false;
        if (!r->suspect[k])
            continue;
        seen++;
        if (examine(r, k / p->blocks.blocks, k % p->blocks.blocks, &fault, e))
            return -1;
        p->w->facts->agree += !fault;
        if (fault && p->w->ok) {
            p->w->ok = false;
            p->w->fault = nb_sprintf(
                p->w->arena, e, "%s, %s[%lld]: the complex step gives %.17g (bar %.2g), differences %.17g (bar %.2g)",
                p->stand.op->node, p->port, (long long)nb_entry_of(p, k / p->blocks.blocks, k % p->blocks.blocks),
                nb_kept(p, r->kept, k / p->blocks.blocks)[k % p->blocks.blocks],
                nb_kept(p, r->bar, k / p->blocks.blocks)[k % p->blocks.blocks],
                r->slot[0].l[k % p->blocks.blocks].value, r->slot[0].l[k % p->blocks.blocks].bar);
        }
    }
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static int new_rungs(struct rungs *r, struct nb_operand *p, struct nb_error *e)
{
    struct nb_arena *a = p->arena;
    int64_t blocks = p->blocks.blocks, colours = p->blocks.colours;
    bool own = p->w->sets > 1;
    *r = (struct rungs){
        .p = p, .set = own ? p->sets - 1 : 0, .kept = own ? NB_OWN : NB_FIRST, .bar = own ? NB_OWN_BAR : NB_BAR};
    r->slot = nb_zalloc(a, (size_t)p->stand.slots, sizeof *r->slot, e);
    r->result = nb_zalloc(a, (size_t)colours, sizeof *r->result, e);
    r->suspect = nb_zalloc(a, (size_t)(colours * blocks), 1, e);
    r->slope = nb_zalloc(a, (size_t)blocks, sizeof *r->slope, e);
    r->reach = nb_zalloc(a, (size_t)blocks, sizeof *r->reach, e);
    if (!r->slot || !r->result || !r->suspect || !r->slope || !r->reach)
        return -1;
    for (int i = 0; i < p->stand.slots; i++) {
        r->slot[i].plus = nb_alloc(a, p->stand.total, sizeof(double), e);
        r->slot[i].l = nb_zalloc(a, (size_t)blocks, sizeof *r->slot[i].l, e);
        if (!r->slot[i].plus || !r->slot[i].l)
            return -1;
    }
    for (int64_t c = 0; c < colours; c++)
        for (int64_t b = 0; b < blocks; b++) {
            r->slope[b] = fmax(r->slope[b], nb_kept(p, NB_SLOPE, c)[b]);
            r->reach[b] += fabs(p->stand.point[nb_entry_of(p, c, b)]);
        }
    return 0;
}

/* Slopes that are small at the point may be large close by, and the rounding of differences with them: the operand at a
 * quarter, a sixteenth, a 64th of its values, moved by random signs. A point that is refused says nothing. */
static void meet_companions(struct rungs *r)
{
    struct nb_stand *s = &r->p->stand;
    double _Complex *x = s->z[0].x;
    for (double scale = 0.25; scale > 0.01; scale /= 4) {
        struct nb_error refused = {0};
        for (size_t i = 0; i < s->n; i++)
            x[i] = CMPLX(s->point[i] * scale, nb_word((struct nb_stream){7, 64}, i) & 1 ? NB_STEP : -NB_STEP);
        int bad = nb_stand_complex(s, 0, &refused);
        for (int o = 0; o < s->nout && !bad; o++)
            for (size_t j = 0; j < r->p->out[o].n; j++) {
                double dy = fabs(cimag(nb_stand_z(s, 0, o)[j])) / NB_STEP,
                       *slope = &r->slope[r->p->out[o].groups.of[j]];
                *slope = isfinite(dy) ? fmax(*slope, dy) : *slope;
            }
    }
}

static void add_result(struct nb_facts *f, const struct result *t)
{
    f->agree += t->agree;
    f->compared += t->compared;
    f->worst_gap = fmax(f->worst_gap, t->gap);
    f->halvings = t->halvings > f->halvings ? t->halvings : f->halvings;
    f->h_high = fmax(f->h_high, t->h_high);
    f->h_low = t->compared && (f->h_low == 0 || t->h < f->h_low) ? t->h : f->h_low;
}

int nb_rungs(struct nb_operand *p, struct nb_error *e)
{
    struct rungs r;
    int64_t colours = p->blocks.colours, at_once = 256, suspects = 0;
    if (new_rungs(&r, p, e))
        return -1;
    meet_companions(&r);
    nb_stand_reset(&p->stand, 0);
    if (nb_stand_real(&p->stand, 0, e))
        return -1;
    if (nb_edges_collect(p->stand.in_double, &p->stand.d[0].call, p->arena, &r.edges, e))
        return -1;
    for (int64_t c = 0; c < colours; c += at_once) {
        int64_t n = colours - c < at_once ? colours - c : at_once;
        r.first = c;
        nb_team_run(one_colour, &r, (int)n);
        if (nb_operand_error(p, e) || nb_chunk_done(p->w->chunks, NULL, 0, 0, 0, e))
            return -1;
        for (int64_t i = c; i < c + n; i++) {
            add_result(p->w->facts, &r.result[i]);
            suspects += r.result[i].suspects;
        }
    }
    return examine_all(&r, suspects, e);
}
