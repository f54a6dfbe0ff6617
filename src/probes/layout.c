/* layout - entries that are claimed not to see each other are moved together; the claim is tested, not believed.
 */
#include "check/doubt.h"
#include "probes/probing.h"
#include <math.h>

const char *nb_layout_name(enum nb_layout l)
{
    static const char *const names[] = {"dense", "pointwise", "row-wise", "column-wise", "affine"};
    return names[l];
}

/* ---- the grids --------------------------------------------------------------------------------------------------- */

static bool ends_with(const struct nb_shape *out, const struct nb_shape *in)
{
    for (int d = 1; d < in->rank; d++)
        if (out->rank < in->rank - 1 || out->dim[out->rank - in->rank + d] != in->dim[d])
            return false;
    return true;
}

static bool fits(enum nb_layout l, const struct nb_shape *in, const struct nb_shape *out)
{
    if (l == NB_POINTWISE)
        return nb_shape_same(in, out) == 1;
    if (l == NB_ROW_WISE)
        return out->rank > 0 && out->dim[0] == in->dim[0];
    return l != NB_COLUMN_WISE || ends_with(out, in);
}

static const char *what_fits(enum nb_layout l)
{
    return l == NB_POINTWISE  ? "pointwise: every output has the shape of the input"
           : l == NB_ROW_WISE ? "row-wise: every output has the input's first dimension"
                              : "column-wise: every output ends with the input's dimensions but the first";
}

static struct nb_grid grid(enum nb_layout l, const struct nb_shape *in)
{
    int64_t n = nb_count(in), rows = in->rank && n ? in->dim[0] : 1;
    switch (l) {
    case NB_POINTWISE:
        return (struct nb_grid){.groups = n, .colours = 1, .group_step = 1};
    case NB_ROW_WISE:
        return (struct nb_grid){.groups = rows, .colours = n / rows, .group_step = n / rows, .colour_step = 1};
    case NB_COLUMN_WISE:
        return (struct nb_grid){.groups = n / rows, .colours = rows, .group_step = 1, .colour_step = n / rows};
    default:
        return (struct nb_grid){.groups = 1, .colours = n, .colour_step = 1};
    }
}

static struct nb_stretch span(enum nb_layout l, const struct nb_grid *g, int64_t m)
{
    if (l == NB_POINTWISE)
        return (struct nb_stretch){1, 1, 1};
    if (l == NB_ROW_WISE)
        return (struct nb_stretch){m / g->groups, 1, m / g->groups};
    if (l == NB_COLUMN_WISE)
        return (struct nb_stretch){1, g->groups, m / g->groups};
    return (struct nb_stretch){0, 1, m};
}

static int lay_out(struct nb_probes *p, enum nb_layout l, const struct nb_shape *in, struct nb_grid *g,
                   struct nb_error *e)
{
    *g = grid(l, in);
    if (!(g->out = nb_small(p->arena, p->f.nout + 1, sizeof *g->out, e)))
        return -1;
    for (size_t o = 0; o < p->f.nout; o++)
        g->out[o] = span(l, g, nb_count(&p->f.out[o].shape));
    return 0;
}

int nb_layout_operand(struct nb_probes *p, struct nb_operand *o, struct nb_error *e)
{
    const struct nb_probed_input *in = &p->f.in[o->in];
    char a[120], b[120];
    o->layout = o->n ? in->layout : NB_DENSE;
    for (size_t k = 0; k < p->f.nout; k++)
        if (!fits(o->layout, &in->shape, &p->f.out[k].shape)) {
            nb_fail(e, NB_E_bad_value, "%s; here %s and %s", what_fits(o->layout),
                    nb_shape_text(&in->shape, NULL, a, sizeof a), nb_shape_text(&p->f.out[k].shape, NULL, b, sizeof b));
            return nb_at(e, in->name), nb_at(e, "structure");
        }
    return lay_out(p, o->layout, &in->shape, &o->claimed, e) || lay_out(p, NB_DENSE, &in->shape, &o->dense, e) ? -1 : 0;
}

const struct nb_grid *nb_grid_of(const struct nb_probes *p, int base, int operand)
{
    const struct nb_operand *o = &p->operand[operand];
    return o->refuted || !p->base[base].every ? &o->dense : &o->claimed;
}

/* ---- refuting ---------------------------------------------------------------------------------------------------- */

static void ask_again(struct nb_probes *p, int base, int operand)
{
    struct nb_spot *s = &p->base[base];
    for (int64_t i = 0; i < s->climbs[operand]; i++)
        if (s->climb[operand][i].state != NB_NOT_ASKED)
            s->climb[operand][i] = (struct nb_climb){.state = NB_OPEN, .joint = -1};
}

/* What was measured under the claim is worth nothing. */
static int refute(struct nb_probes *p, int operand, struct nb_error *e)
{
    struct nb_operand *o = &p->operand[operand];
    const char *name = p->f.in[o->in].name;
    if (o->refuted)
        return 0;
    o->refuted = true;
    for (int b = 0; b < p->bases; b++)
        ask_again(p, b, operand);
    const char *why =
        nb_sprintf(p->arena, e, "nothing: it is not %s as claimed, so its entries were moved one at a time",
                   nb_layout_name(o->layout));
    o->layout = NB_DENSE;
    return why ? nb_doubt_add(&p->v, "structure_refuted", name, why, p->arena, e) : -1;
}

/* ---- leaks ------------------------------------------------------------------------------------------------------- */

int nb_leak_bits(const struct nb_grid *g)
{
    int bits = 0;
    while ((int64_t)1 << bits < g->groups)
        bits++;
    return bits;
}

static int64_t group_of_output(const struct nb_grid *g, size_t o, int64_t j)
{
    const struct nb_stretch *s = &g->out[o];
    return g->groups == 1 ? 0 : s->step == 1 ? j / s->group : j % g->groups;
}

/* Outputs of groups that were not moved must be the same bit for bit, whatever happens to the others. */
static int64_t leaks(const struct nb_probes *p, const struct nb_heard *h, const struct nb_grid *g, const double *y0,
                     size_t probe, int bit, int value)
{
    const double *y = nb_heard_row(h, probe), *im = h->im ? h->im + probe * p->m : NULL;
    int64_t found = 0;
    for (size_t o = 0; o < p->f.nout; o++)
        for (size_t j = p->offset[o]; j < p->offset[o + 1]; j++) {
            int64_t group = group_of_output(g, o, (int64_t)(j - p->offset[o]));
            bool same = y[j] == y0[j] || (isnan(y[j]) && isnan(y0[j]));
            if ((group >> bit & 1) != value)
                found += !same || (im && im[j] != 0);
        }
    return found;
}

int nb_leak_judge(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, struct nb_error *e)
{
    int64_t found = 0;
    for (size_t i = 0; i < b->probes; i++)
        found +=
            leaks(p, h, &p->operand[b->operand].claimed, p->base[b->base].y, b->probe + i, (int)(i / 2), (int)(i % 2));
    p->v.facts.leak_evaluations += (int64_t)b->probes;
    p->v.facts.leaks += found;
    return found ? refute(p, b->operand, e) : 0;
}

/* ---- affinity ---------------------------------------------------------------------------------------------------- */

/* Rounding of y(2v) - 2 y(v) + y(0), of terms this large. */
static double slack(const struct nb_probes *p, const struct nb_spot *s, size_t j, double terms)
{
    return NB_ROUNDING * (p->eps * terms + 4 * s->noise[j]);
}

static bool bends(const struct nb_probes *p, const struct nb_spot *s, const double *y2, const double *y1,
                  const double *back)
{
    for (size_t j = 0; j < p->m; j++) {
        double y = s->y[j], forward = y2[j] - 2 * y1[j] + y, across = y1[j] - 2 * y + back[j];
        double terms = fabs(y2[j]) + 2 * fabs(y1[j]) + 2 * fabs(y) + fabs(back[j]);
        if (!(fabs(forward) <= slack(p, s, j, terms)) || !(fabs(across) <= slack(p, s, j, terms)))
            return true;
    }
    return false;
}

/* The unit steps together must make the step along v. */
static bool sums(const struct nb_probes *p, const struct nb_heard *h, const struct nb_block *units, int test,
                 const double *y1)
{
    const struct nb_spot *s = &p->base[units->base];
    const double *x = s->at[p->operand[units->operand].in];
    double unit = nb_unit_step(p, units->base, units->operand);
    for (size_t j = 0; j < p->m; j++) {
        double sum = 0, terms = 0, n = (double)units->probes;
        for (size_t i = 0; i < units->probes; i++) {
            double v = nb_bend_value(p, units->base, units->operand, test, 1, (int64_t)i) - x[i];
            double step = nb_stepped(p, x[i], unit) - x[i], y = nb_heard_row(h, units->probe + i)[j];
            sum += (y - s->y[j]) / step * v;
            terms += fabs(y) + fabs(s->y[j]);
        }
        double off = sum - (y1[j] - s->y[j]);
        if (!(fabs(off) <= slack(p, s, j, terms + fabs(y1[j])) + NB_ROUNDING * n * s->noise[j]))
            return false;
    }
    return true;
}

static const struct nb_block *units_of(const struct nb_probes *p, const struct nb_block *b)
{
    for (size_t i = 0; i < p->blocks; i++)
        if (p->block[i].question == NB_ASK_UNIT && p->block[i].base == b->base && p->block[i].operand == b->operand)
            return &p->block[i];
    return NULL;
}

int nb_bend_judge(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, struct nb_error *e)
{
    const struct nb_spot *s = &p->base[b->base];
    const struct nb_block *units = units_of(p, b);
    bool bent = false;
    for (int test = 0; test < 2 && !bent; test++) {
        const double *y2 = nb_heard_row(h, b->probe + 3 * (size_t)test), *y1 = y2 + p->m, *back = y1 + p->m;
        bent = bends(p, s, y2, y1, back) ||
               (units && units->probes == p->operand[b->operand].n && !sums(p, h, units, test, y1));
    }
    p->v.facts.leak_evaluations += (int64_t)b->probes;
    p->v.facts.leaks += bent;
    return bent ? refute(p, b->operand, e) : 0;
}
