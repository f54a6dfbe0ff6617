/* signs - a backward proved by random signs: for operands with too many colours.
 *
 * All entries move at once by +-h; per block, the sum of the outputs' answers must equal the sum of +-(what backward
 * claims). Whatever the other errors are, an entry wrong by more than twice the bar shows in at least half of the
 * rounds, since of the two signs it can have one must show it: it escapes all rounds with probability 2^-32. */
#include "check/operand.h"
#include "nabla/team.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { ROUNDS = 32, ROUNDING = 16 };
static const double RELATIVE = 1e-12; /* of what is summed */

struct signs {
    struct nb_operand *p;
    double **claim; /* per set: what backward says */
    double *sum;    /* per round, block, set: outputs' answer; then per round and block: its size, variance, terms */
    double **v;     /* per slot: the signs */
};

static double *row_of(const struct signs *g, int round, int64_t b)
{
    return g->sum + ((size_t)round * (size_t)g->p->blocks.blocks + (size_t)b) * ((size_t)g->p->sets + 3);
}

static int answer(struct signs *g, int slot, int round, struct nb_error *e)
{
    struct nb_operand *p = g->p;
    struct nb_stand *s = &p->stand;
    double *dy = p->dy[slot], *x = s->d[slot].x, *v = g->v[slot];
    double _Complex *z = p->affine ? NULL : s->z[slot].x;
    nb_draw_signs(nb_stream_of(p->w->seed, "signs"), (uint64_t)round << 40, s->n, v);
    for (size_t i = 0; i < s->n; i++) {
        if (p->affine)
            x[i] = s->point[i] + v[i] * p->h;
        else
            z[i] = CMPLX(s->point[i], v[i] * NB_STEP);
    }
    if (p->affine ? nb_stand_real(s, slot, e) : nb_stand_complex(s, slot, e))
        return -1;
    for (int o = 0; o < s->nout; dy += p->out[o].n, o++)
        for (size_t j = 0; j < p->out[o].n; j++)
            dy[j] = p->affine ? (nb_stand_y(s, slot, o)[j] - p->out[o].base[j]) / p->h
                              : cimag(nb_stand_z(s, slot, o)[j]) / NB_STEP;
    return 0;
}

static void add_up(struct signs *g, int slot, int round)
{
    struct nb_operand *p = g->p;
    const double *dy = p->dy[slot];
    for (int o = 0; o < p->stand.nout; dy += p->out[o].n, o++) {
        const struct nb_out *out = &p->out[o];
        for (size_t j = 0; j < out->n; j++) {
            double *row = row_of(g, round, out->groups.of[j]), *more = row + p->sets, d = fabs(dy[j]);
            double g2 = 0;
            for (int k = 0; k < p->sets; k++) {
                row[k] += out->g[k][j] * dy[j];
                g2 = fmax(g2, fabs(out->g[k][j]));
            }
            more[0] += g2 * (p->affine ? (2 * fabs(out->base[j]) + d * p->h) / p->h : d);
            more[1] += d * d * out->var[j];
            more[2] += d * d * out->terms[j];
        }
    }
}

/* Takes the claims away from the answers: what is left has to vanish. */
static void subtract(struct signs *g, int slot, int round)
{
    struct nb_operand *p = g->p;
    for (int64_t b = 0; b < p->blocks.blocks; b++) {
        double *row = row_of(g, round, b);
        for (int64_t c = 0; c < p->blocks.colours; c++) {
            int64_t i = nb_entry_of(p, c, b);
            double most = 0;
            for (int k = 0; k < p->sets; k++) {
                row[k] -= g->claim[k][i] * g->v[slot][i];
                most = fmax(most, fabs(g->claim[k][i]));
            }
            row[p->sets] += most;
        }
    }
}

static void one_round(void *context, int slot, int round)
{
    struct signs *g = context;
    struct nb_error *e = &g->p->error[slot];
    if (e->code || answer(g, slot, round, e))
        return;
    add_up(g, slot, round);
    subtract(g, slot, round);
}

static bool holds(const struct signs *g)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int64_t b = 0; b < g->p->blocks.blocks; b++) {
            const double *row = row_of(g, round, b);
            for (int k = 0; k < g->p->sets; k++)
                if (!(fabs(row[k]) <= (ROUNDING * DBL_EPSILON + RELATIVE) * row[g->p->sets]))
                    return false;
        }
    return true;
}

/* The variance and the terms of single entries are not seen: a block's are shared out. */
static void record(struct signs *g)
{
    struct nb_operand *p = g->p;
    double share = 4.0 / ROUNDS / (double)p->blocks.colours;
    for (int64_t b = 0; b < p->blocks.blocks; b++) {
        double size = 0, var = 0, terms = 0;
        for (int round = 0; round < ROUNDS; round++) {
            double *more = row_of(g, round, b) + p->sets;
            size = fmax(size, more[0]);
            var += more[1] * share;
            terms += more[2] * share;
        }
        for (int64_t c = 0; c < p->blocks.colours; c++) {
            int64_t i = nb_entry_of(p, c, b);
            for (int k = 0; k < p->w->sets; k++)
                p->gradient[k][i] = g->claim[k][i];
            nb_kept(p, NB_BAR, c)[b] = 2 * ROUNDING * DBL_EPSILON * size;
            nb_kept(p, NB_VAR, c)[b] = var;
            nb_kept(p, NB_TERMS, c)[b] = fmax(terms, g->claim[0][i] * g->claim[0][i]);
        }
    }
}

static int claims(struct signs *g, struct nb_error *e)
{
    struct nb_operand *p = g->p;
    const struct nb_op *op = p->stand.op;
    void **cotangent = nb_small(p->arena, (size_t)op->nout + 1, sizeof *cotangent, e);
    if (!cotangent)
        return -1;
    for (int o = 0; o < op->nout; o++)
        if (!(cotangent[o] = nb_zalloc(p->arena, (size_t)nb_count(&p->stand.d[0].call.out[o].shape), 8, e)))
            return -1;
    for (int k = 0; k < p->sets; k++) {
        if (!(g->claim[k] = nb_alloc(p->arena, p->stand.n, sizeof(double), e)))
            return -1;
        for (int o = 0; o < p->stand.nout; o++)
            memcpy(cotangent[p->stand.out[o]], p->out[o].g[k], p->out[o].n * sizeof(double));
        if (nb_stand_backward(&p->stand, cotangent, g->claim[k], e))
            return -1;
    }
    return 0;
}

int nb_signs(struct nb_operand *p, bool *proved, struct nb_error *e)
{
    struct signs g = {.p = p};
    size_t row = (size_t)p->sets + 3;
    g.claim = nb_small(p->arena, (size_t)p->sets + 1, sizeof *g.claim, e);
    g.sum = nb_zalloc(p->arena, ROUNDS * (size_t)p->blocks.blocks * row, sizeof *g.sum, e);
    g.v = nb_small(p->arena, (size_t)p->stand.slots, sizeof *g.v, e);
    for (int i = 0; i < p->stand.slots && g.v; i++)
        if (!(g.v[i] = nb_alloc(p->arena, p->stand.n, sizeof(double), e)))
            return -1;
    if (!g.claim || !g.sum || !g.v || claims(&g, e))
        return -1;
    nb_team_run(one_round, &g, ROUNDS);
    if (nb_operand_error(p, e))
        return -1;
    for (int i = 0; i < p->stand.slots; i++)
        nb_stand_reset(&p->stand, i);
    if ((*proved = holds(&g)))
        record(&g);
    return nb_chunk_done(p->w->chunks, NULL, 0, *proved ? (int64_t)p->stand.n : 0, 0, e);
}
