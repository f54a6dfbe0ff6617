/* colours - derivatives of one node by one evaluation a colour. */
#include "check/operand.h"
#include "nabla/team.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { ROUNDING = 16 };

/* ---- weighing: sums over the outputs of a block ---------------------------------------------------------------- */

struct sums {
    const struct nb_operand *p;
    int64_t colour;
    size_t width, blocks;
    double *to; /* the record of block 0 */
};

/* to[b * width] += sum of u[j] v[j] over the outputs of block b. */
static void add_products(const struct sums *s, const struct nb_out *o, double *to, const double *u, const double *v)
{
    if (!o->inner) {
        for (size_t j = 0; j < o->n; j++)
            to[(size_t)o->block[j] * s->width] += u[j] * v[j];
        return;
    }
    size_t inner = (size_t)o->inner, b = 0;
    for (size_t j = 0; j < o->n; j += inner, b = b + 1 == s->blocks ? 0 : b + 1) {
        double sum = 0;
        for (size_t i = j; i < j + inner; i++)
            sum += u[i] * v[i];
        to[b * s->width] += sum;
    }
}

/* The same with |u v|, with v^2, and the largest |v|. */
static void add_sizes(const struct sums *s, const struct nb_out *o, const double *g, const double *own,
                      const double *dy)
{
    const struct nb_operand *p = s->p;
    double *to = s->to + p->sets;
    for (size_t j = 0; j < o->n; j++) {
        if (dy[j] == 0)
            continue;
        double *t = to + (size_t)o->block[j] * s->width, d = fabs(dy[j]), square = d * d;
        t[NB_SUM_VAR] += square * o->var[j];
        t[NB_SUM_TERMS] += square * o->terms[j];
        t[NB_SUM_SLOPE] = d > t[NB_SUM_SLOPE] ? d : t[NB_SUM_SLOPE];
        if (p->affine)
            d = (2 * fabs(o->base[j]) + d * p->h) / p->h;
        t[NB_SUM_BAR] += fabs(g[j]) * d;
        t[NB_SUM_OWN] += fabs(own[j]) * d;
    }
}

/* The complex step is not small beside such a number. */
static bool is_tiny(double x)
{
    return x != 0 && fabs(x) < NB_STEP * 0x1p26;
}

static void weigh(const struct nb_operand *p, int slot, int64_t c, double *to)
{
    struct sums s = {p, c, nb_width(p), (size_t)p->blocks.blocks, to};
    const double *dy = p->dy[slot];
    memset(to, 0, s.blocks * s.width * sizeof *to);
    for (int o = 0; o < p->stand.nout; dy += p->out[o].n, o++) {
        for (int k = 0; k < p->sets; k++)
            add_products(&s, &p->out[o], to + k, p->out[o].g[k], dy);
        add_sizes(&s, &p->out[o], p->out[o].size, p->out[o].g[p->sets - 1], dy);
    }
    for (size_t b = 0; b < s.blocks; b++) {
        double *t = to + b * s.width + (size_t)p->sets;
        t[NB_SUM_BAR] = ROUNDING * DBL_EPSILON * t[NB_SUM_BAR] + p->unseen[0][b];
        t[NB_SUM_OWN] = ROUNDING * DBL_EPSILON * t[NB_SUM_OWN] + p->unseen[1][b];
        if (!p->affine && is_tiny(p->stand.point[nb_entry_of(p, c, (int64_t)b)]))
            t[NB_SUM_BAR] = t[NB_SUM_OWN] = INFINITY;
    }
}

/* ---- one colour ------------------------------------------------------------------------------------------------ */

static int affine_colour(struct nb_operand *p, int slot, int64_t c, struct nb_error *e)
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
    for (int o = 0; o < s->nout && !bad; dy += p->out[o].n, o++) {
        const double *y = nb_stand_y(s, slot, o), *base = p->out[o].base;
        const int32_t *block = p->out[o].block;
        for (size_t j = 0; j < p->out[o].n; j++)
            dy[j] = (y[j] - base[j]) * step[block[j]];
    }
    if (!bad)
        weigh(p, slot, c, nb_record(p, c, 0));
    return bad;
}

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
    for (int o = 0; o < s->nout && !bad; dy += p->out[o].n, o++) {
        const double _Complex *y = nb_stand_z(s, slot, o);
        for (size_t j = 0; j < p->out[o].n; j++)
            dy[j] = cimag(y[j]) / NB_STEP;
    }
    return bad;
}

int nb_complex_colour(struct nb_operand *p, int slot, int64_t c, int64_t only, struct nb_error *e)
{
    if (step_complex(p, slot, c, only, e))
        return -1;
    if (only < 0) {
        weigh(p, slot, c, nb_record(p, c, 0));
        return 0;
    }
    size_t n = (size_t)p->blocks.blocks * nb_width(p);
    double *all = nb_alloc(p->arena, n, sizeof *all, e);
    if (!all)
        return -1;
    weigh(p, slot, c, all);
    memcpy(nb_record(p, c, only), all + (size_t)only * nb_width(p), nb_width(p) * sizeof *all);
    return 0;
}

/* ---- all colours, in chunks ------------------------------------------------------------------------------------ */

struct batch {
    struct nb_operand *p;
    int64_t first;
};

static void one_colour(void *context, int slot, int i)
{
    struct batch *b = context;
    struct nb_error *e = &b->p->error[slot];
    if (e->code)
        return;
    int64_t c = b->first + i;
    if (b->p->affine)
        affine_colour(b->p, slot, c, e);
    else
        nb_complex_colour(b->p, slot, c, -1, e);
}

static int first_error(const struct nb_operand *p, struct nb_error *e)
{
    for (int i = 0; i < p->stand.slots; i++)
        if (p->error[i].code) {
            *e = p->error[i];
            return -1;
        }
    return 0;
}

/* About a fifth of a second of work, and a number that depends on the request alone. */
static int64_t colours_at_once(const struct nb_operand *p)
{
    double n = 1e9 / (1 + (double)p->stand.total + (double)p->stand.n) / 16;
    return n < 8 ? 8 : n > 4096 ? 4096 : (int64_t)n;
}

int nb_colours(struct nb_operand *p, struct nb_error *e)
{
    int64_t all = p->blocks.colours, at_once = colours_at_once(p);
    size_t row = (size_t)p->blocks.blocks * nb_width(p) * sizeof(double);
    for (int64_t c = 0; c < all; c += at_once) {
        int64_t n = all - c < at_once ? all - c : at_once;
        struct batch b = {p, c};
        bool there = nb_chunk_recall(p->w->chunks, nb_record(p, c, 0), row * (size_t)n);
        if (!there)
            nb_team_run(one_colour, &b, (int)n);
        else
            *(p->affine ? p->stand.reals : p->stand.complexes) += n;
        if (first_error(p, e) ||
            nb_chunk_done(p->w->chunks, nb_record(p, c, 0), row * (size_t)n, n * p->blocks.blocks, 0, e))
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
    for (size_t i = 0; i < s->n; i++)
        v[i] = 2 * nb_uniform(stream, (uint64_t)round << 40 | i) - 1;
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
