/* colours - derivatives of one node by one evaluation a colour. */
#include "check/operand.h"
#include "nabla/team.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { ROUNDING = 16, TOGETHER = 8, JIGGLES = 8 };

/* ---- weighing: sums over the outputs of a block ---------------------------------------------------------------- */

/* Of a colour: for each set, then for each of NB_CERTAINTIES, a number per block. */
static size_t record_size(const struct nb_operand *p)
{
    return ((size_t)p->sets + NB_CERTAINTIES) * (size_t)p->blocks.blocks;
}

/* The complex step is not small beside such a number. */
static bool is_tiny(double x)
{
    return x != 0 && fabs(x) < NB_STEP * 0x1p26;
}

/* NB_SIZE and NB_OWN_SIZE become bars. */
static void set_bars(const struct nb_operand *p, int64_t c, double *size)
{
    int64_t blocks = p->blocks.blocks;
    for (int64_t b = 0; b < 2 * blocks; b++)
        size[b] = ROUNDING * DBL_EPSILON * size[b] + p->unseen[b];
    for (int64_t b = 0; b < blocks && !p->affine; b++)
        if (is_tiny(p->stand.point[nb_entry_of(p, c, b)]))
            size[b] = size[blocks + b] = INFINITY;
}

static void weigh(const struct nb_operand *p, int slot, int64_t c, double *to)
{
    size_t blocks = (size_t)p->blocks.blocks;
    const double *dy = p->dy[slot];
    double *more = to + (size_t)p->sets * blocks;
    memset(to, 0, record_size(p) * sizeof *to);
    for (int i = 0; i < p->stand.nout; dy += p->out[i].n, i++) {
        const struct nb_out *o = &p->out[i];
        struct nb_certainty by = {o->size, o->g[p->sets - 1], o->var, o->terms, o->base, p->affine ? 2 / p->h : 0};
        nb_weigh(&o->groups, (size_t)p->sets, o->g, o->range, dy, to);
        nb_weigh_certainty(&o->groups, &by, dy, more);
    }
    set_bars(p, c, more);
}

/* ---- one colour ------------------------------------------------------------------------------------------------ */

static int step_affine(struct nb_operand *p, int slot, int64_t c, struct nb_error *e)
{
    struct nb_stand *s = &p->stand;
    double *x = s->d[slot].x, *step = p->step[slot], *dy = p->dy[slot];
    for (int64_t b = 0; b < p->blocks.blocks; b++) {
        int64_t i = nb_entry_of(p, c, b);
        volatile double up = s->point[i] + p->h;
        x[i] = up;
        step[b] = 1 / (up - s->point[i]);
    }
    int bad = nb_stand_real(s, slot, e);
    for (int64_t b = 0; b < p->blocks.blocks; b++)
        x[nb_entry_of(p, c, b)] = s->point[nb_entry_of(p, c, b)];
    for (int o = 0; o < s->nout && !bad; dy += p->out[o].n, o++)
        nb_weigh_differences(&p->out[o].groups, nb_stand_y(s, slot, o), p->out[o].base, step, dy);
    return bad;
}

/* only: this block alone, or -1 */
static int step_complex(struct nb_operand *p, int slot, int64_t c, int64_t only, struct nb_error *e)
{
    struct nb_stand *s = &p->stand;
    double _Complex *x = s->z[slot].x;
    double *dy = p->dy[slot];
    for (int64_t b = 0; b < p->blocks.blocks; b++)
        if (only < 0 || b == only)
            x[nb_entry_of(p, c, b)] = CMPLX(s->point[nb_entry_of(p, c, b)], NB_STEP);
    int bad = nb_stand_complex(s, slot, e);
    for (int64_t b = 0; b < p->blocks.blocks; b++)
        x[nb_entry_of(p, c, b)] = s->point[nb_entry_of(p, c, b)];
    for (int o = 0; o < s->nout && !bad; dy += p->out[o].n, o++)
        nb_weigh_imaginary(p->out[o].n, nb_stand_z(s, slot, o), 1 / NB_STEP, dy);
    return bad;
}

int nb_complex_entry(struct nb_operand *p, int set, int64_t c, int64_t b, double *number, struct nb_error *e)
{
    const double *dy = p->dy[0];
    *number = 0;
    if (step_complex(p, 0, c, b, e))
        return -1;
    for (int o = 0; o < p->stand.nout; dy += p->out[o].n, o++)
        for (size_t j = 0; j < p->out[o].n; j++)
            if (p->out[o].groups.of[j] == b && p->out[o].g[set][j] != 0)
                *number += p->out[o].g[set][j] * dy[j];
    return 0;
}

int nb_complex_entry_at(struct nb_operand *p, int set, int64_t c, int64_t b, double to, double *number,
                        struct nb_error *e)
{
    struct nb_stand *s = &p->stand;
    int64_t i = nb_entry_of(p, c, b);
    double x = s->point[i];
    s->point[i] = to;
    nb_stand_reset(s, 0);
    int bad = nb_complex_entry(p, set, c, b, number, e);
    s->point[i] = x;
    nb_stand_reset(s, 0);
    return bad;
}

int nb_complex_scatter(struct nb_operand *p, int set, int64_t c, int64_t b, double *scatter, struct nb_error *e)
{
    double x = p->stand.point[nb_entry_of(p, c, b)], here, beside;
    *scatter = 0;
    if (nb_complex_entry(p, set, c, b, &here, e))
        return -1;
    for (int k = 0; k < JIGGLES; k++) {
        double to = x;
        for (int u = 0; u <= k / 2; u++)
            to = nextafter(to, k & 1 ? INFINITY : -INFINITY);
        if (nb_complex_entry_at(p, set, c, b, to, &beside, e))
            return -1;
        *scatter = fmax(*scatter, fabs(beside - here));
    }
    return 0;
}

/* ---- all colours, in chunks ------------------------------------------------------------------------------------ */

struct batch {
    struct nb_operand *p;
    int64_t first, n, together; /* colours; so many are a part */
    double *record;             /* of each */
    bool recalled;              /* it is there already */
};

/* From records to where the numbers are wanted. Neighbouring colours are often neighbouring entries: together they fill
 * lines of memory. */
static void take(const struct batch *t, int64_t first, int64_t last)
{
    struct nb_operand *p = t->p;
    size_t blocks = (size_t)p->blocks.blocks, size = record_size(p);
    const double *record = t->record + (size_t)(first - t->first) * size;
    for (int k = 0; k < p->w->sets; k++)
        for (size_t b = 0; b < blocks; b++) {
            const double *from = record + (size_t)k * blocks + b;
            double *to = p->gradient[k] + p->blocks.base[b];
            for (int64_t c = first; c < last; c++, from += size)
                to[p->blocks.offset[c]] = *from;
        }
    for (int64_t c = first; c < last; c++, record += size) {
        memcpy(nb_kept(p, NB_FIRST, c), record, blocks * sizeof *record);
        memcpy(nb_kept(p, NB_OWN, c), record + (size_t)(p->sets - 1) * blocks,
               (1 + NB_CERTAINTIES) * blocks * sizeof *record);
    }
}

static void some_colours(void *context, int slot, int i)
{
    struct batch *t = context;
    struct nb_operand *p = t->p;
    struct nb_error *e = &p->error[slot];
    int64_t first = t->first + i * t->together, last = first + t->together;
    last = last < t->first + t->n ? last : t->first + t->n;
    for (int64_t c = first; c < last && !t->recalled && !e->code; c++)
        if (!(p->affine ? step_affine(p, slot, c, e) : step_complex(p, slot, c, -1, e)))
            weigh(p, slot, c, t->record + (size_t)(c - t->first) * record_size(p));
    if (!e->code)
        take(t, first, last);
}

int nb_operand_error(const struct nb_operand *p, struct nb_error *e)
{
    for (int i = 0; i < p->stand.slots; i++)
        if (p->error[i].code) {
            *e = p->error[i];
            return -1;
        }
    return 0;
}

/* About a fifth of a second of work and a few megabytes, and a number that depends on the request alone. */
static int64_t colours_at_once(const struct nb_operand *p)
{
    double work = 1e9 / (1 + (double)p->stand.total + (double)p->stand.n) / 16;
    double n = fmin(work, 0x1p23 / (double)(record_size(p) * sizeof(double)));
    return n < TOGETHER ? TOGETHER : n > 4096 ? 4096 : (int64_t)n / TOGETHER * TOGETHER;
}

/* Parts of some ten microseconds and more. */
static int64_t together(const struct nb_operand *p)
{
    double n = 1e7 / p->cost;
    return n < 1 ? 1 : n < TOGETHER ? (int64_t)n : n > 64 ? 64 : (int64_t)n / TOGETHER * TOGETHER;
}

int nb_colours(struct nb_operand *p, struct nb_error *e)
{
    int64_t all = p->blocks.colours, at_once = colours_at_once(p);
    size_t size = record_size(p);
    struct batch t = {.p = p, .together = together(p)};
    at_once = at_once < all ? at_once : all;
    if (!(t.record = nb_alloc(p->arena, size * (size_t)at_once, sizeof *t.record, e)))
        return -1;
    for (; t.first < all; t.first += at_once) {
        t.n = all - t.first < at_once ? all - t.first : at_once;
        size_t bytes = size * (size_t)t.n * sizeof *t.record;
        t.recalled = nb_chunk_recall(p->w->chunks, t.record, bytes);
        if (t.recalled)
            *(p->affine ? p->stand.reals : p->stand.complexes) += t.n;
        nb_team_run(some_colours, &t, (int)((t.n + t.together - 1) / t.together));
        if (nb_operand_error(p, e) || nb_chunk_done(p->w->chunks, t.record, bytes, t.n * p->blocks.blocks, 0, e))
            return -1;
    }
    return 0;
}

/* ---- is it affine? --------------------------------------------------------------------------------------------- */

/* y at point + t v into `to`; sizes of what was seen are added to size. */
static int along(struct nb_operand *p, const double *v, double t, double *to, double *size, struct nb_error *e)
{
    struct nb_stand *s = &p->stand;
    double *x = s->d[0].x;
    for (size_t i = 0; i < s->n; i++)
        x[i] = s->point[i] + t * v[i];
    if (nb_stand_real(s, 0, e))
        return -1;
    for (int o = 0; o < s->nout; to += p->out[o].n, size += p->out[o].n, o++)
        for (size_t j = 0; j < p->out[o].n; j++) {
            to[j] = nb_stand_y(s, 0, o)[j];
            size[j] += fabs(to[j]);
        }
    return 0;
}

/* y(2v) - 2 y(v) + y and y(v) - 2 y + y(-v) vanish but for rounding, for two random v. Rounding inside a sum of k terms
 * is allowed for by the sizes of the results and of the sums of v: the largest size stands for all. */
static int bends(struct nb_operand *p, int round, bool *does, struct nb_error *e)
{
    struct nb_stand *s = &p->stand;
    struct nb_stream stream = nb_stream_of(p->w->seed, "affine");
    double *v = nb_alloc(p->arena, s->n, sizeof *v, e), *y[3], largest = 0;
    double *size = nb_zalloc(p->arena, s->total, sizeof *size, e);
    static const double t[] = {1, 2, -1};
    for (int k = 0; k < 3; k++)
        if (!(y[k] = nb_alloc(p->arena, s->total, sizeof *y[k], e)))
            return -1;
    if (!v || !size)
        return -1;
    nb_draw_amounts(stream, (uint64_t)round << 40, s->n, v);
    for (int k = 0; k < 3; k++)
        if (along(p, v, t[k], y[k], size, e))
            return -1;
    nb_stand_reset(s, 0);
    for (size_t j = 0; j < s->total; j++)
        largest = fmax(largest, size[j] + fabs(s->base[j]));
    for (size_t j = 0; j < s->total; j++) {
        p->slope = fmax(p->slope, fabs(y[0][j] - s->base[j]));
        double outer = y[1][j] - 2 * y[0][j] + s->base[j], inner = y[0][j] - 2 * s->base[j] + y[2][j];
        *does |= !(fabs(outer) <= ROUNDING * 4 * DBL_EPSILON * largest) ||
                 !(fabs(inner) <= ROUNDING * 4 * DBL_EPSILON * largest);
    }
    return 0;
}

int nb_is_affine(struct nb_operand *p, bool *is, struct nb_error *e)
{
    bool does = false;
    if (bends(p, 0, &does, e) || bends(p, 1, &does, e))
        return -1;
    *is = !does;
    return 0;
}
