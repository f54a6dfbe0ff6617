/* points - points drawn so that mistakes show, or the client's own; cotangents that are far from constant. */
#include "probes/probing.h"
#include "check/point.h"
#include <math.h>
#include <string.h>

enum { TRIES = 8, MANY_TRIES = 64 };

static size_t count(const struct nb_shape *s)
{
    return (size_t)nb_count(s);
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

/* Within the interval, of the sign asked for (0: either); off 0, where kinks like to be, if there is room. */
static double draw_number(const struct nb_probes *p, const struct nb_probed_input *in, double sign, int base, int of,
                          int64_t i)
{
    double low = sign > 0 ? fmax(in->low, 0) : in->low, high = sign < 0 ? fmin(in->high, 0) : in->high, x = 0;
    double off = fmin(0.05, (high - low) / 8);
    for (int try = 0; try < TRIES; try++) {
        x = low + (high - low) * nb_draw(p, nb_draw_at(NB_DRAW_POINT, base, of, try, i));
        x = p->f.single ? (double)(float)x : x;
        if (fabs(x) >= off && x != 1)
            break;
    }
    return x;
}

/* At least a quarter of each sign: every fourth entry is told its sign, and the one after it the other. */
static void draw_input(struct nb_probes *p, struct nb_spot *s, int base, int of)
{
    const struct nb_probed_input *in = &p->f.in[of];
    bool both = in->low < 0 && in->high > 0;
    for (int64_t i = 0; i < (int64_t)count(&in->shape); i++) {
        double sign = both && i % 4 < 2 ? (i + of + base) % 2 ? 1 : -1 : 0;
        s->at[of][i] = draw_number(p, in, sign, base, of, i);
    }
}

static int take_input(struct nb_probes *p, struct nb_spot *s, int base, int of, struct nb_error *e)
{
    const struct nb_probed_input *in = &p->f.in[of];
    const struct nb_tensor *t = nb_tensors_find(&p->f.at[base], in->name);
    char wanted[120], got[120];
    if (!t) {
        nb_fail(e, NB_E_missing_input, "%.60s is missing: a point gives all inputs", in->name);
        return nb_at_index(e, (size_t)base), nb_at(e, "at");
    }
    if (nb_shape_same(&t->shape, &in->shape) != 1)
        nb_fail(e, NB_E_shape_mismatch, "the shape is %s, the function's input has %s",
                nb_shape_text(&t->shape, NULL, got, sizeof got),
                nb_shape_text(&in->shape, NULL, wanted, sizeof wanted));
    else
        nb_convert(NB_F64, s->at[of], t->dtype, t->data, count(&in->shape));
    for (size_t i = 0; i < count(&in->shape) && !e->code; i++) {
        if (p->f.single)
            s->at[of][i] = (float)s->at[of][i];
        if (!isfinite(s->at[of][i]))
            nb_fail(e, NB_E_bad_value, "entry %zu is not finite", i);
    }
    return e->code ? (nb_at(e, in->name), nb_at_index(e, (size_t)base), nb_at(e, "at")) : 0;
}

static int names_known(const struct nb_probes *p, int base, struct nb_error *e)
{
    for (size_t i = 0; i < p->f.at[base].n; i++) {
        const char *name = p->f.at[base].v[i].name;
        size_t k = 0;
        while (k < p->f.nin && strcmp(p->f.in[k].name, name))
            k++;
        if (k == p->f.nin) {
            nb_fail(e, NB_E_unknown_input, "the function has no input %.60s", name);
            return nb_at(e, name), nb_at_index(e, (size_t)base), nb_at(e, "at");
        }
    }
    return 0;
}

/* ---- cotangents -------------------------------------------------------------------------------------------------- */

/* A cotangent of ones shows nothing behind a softmax: the angle to it is 60 degrees at least, either way. */
static void draw_cotangent(const struct nb_probes *p, double *g, size_t n, int base, int of)
{
    for (int try = 0; try < MANY_TRIES && (try == 0 || nb_nearly_constant(g, n)); try++)
        for (size_t i = 0; i < n; i++) {
            double u = nb_draw(p, nb_draw_at(NB_DRAW_COTANGENT, base, of, try, (int64_t)i));
            double x = u < 0.5 ? -0.5 - 2 * u : 2 * u - 0.5;
            g[i] = p->f.single ? (double)(float)x : x;
        }
}

static int name_cotangents(struct nb_probes *p, struct nb_spot *s, int base, struct nb_error *e)
{
    for (size_t o = 0; o < p->f.nout; o++) {
        struct nb_tensor t = {NB_F64, p->f.out[o].shape, s->g + p->offset[o]};
        draw_cotangent(p, t.data, p->offset[o + 1] - p->offset[o], base, (int)o);
        if (nb_tensors_add(p->arena, &s->cotangents, p->f.out[o].name, t, e))
            return -1;
    }
    return 0;
}

/* ---- a base ------------------------------------------------------------------------------------------------------ */

static int room_for(struct nb_probes *p, struct nb_spot *s, struct nb_error *e)
{
    size_t n = (size_t)p->operands + 1;
    s->at = nb_zalloc(p->arena, p->f.nin + 1, sizeof *s->at, e);
    s->g = nb_zalloc(p->arena, p->m, sizeof *s->g, e);
    s->y = nb_zalloc(p->arena, p->m, sizeof *s->y, e);
    s->noise = nb_zalloc(p->arena, p->m, sizeof *s->noise, e);
    s->claim = nb_zalloc(p->arena, n, sizeof *s->claim, e);
    s->slope = nb_zalloc(p->arena, n, sizeof *s->slope, e);
    s->terms = nb_zalloc(p->arena, n, sizeof *s->terms, e);
    s->climb = nb_zalloc(p->arena, n, sizeof *s->climb, e);
    s->chosen = nb_zalloc(p->arena, n, sizeof *s->chosen, e);
    s->climbs = nb_zalloc(p->arena, n, sizeof *s->climbs, e);
    s->wrong_directions = nb_zalloc(p->arena, n, sizeof *s->wrong_directions, e);
    for (size_t i = 0; i < p->f.nin && !e->code; i++)
        s->at[i] = nb_zalloc(p->arena, count(&p->f.in[i].shape), sizeof **s->at, e);
    return e->code ? -1 : 0;
}

static int fill(struct nb_probes *p, struct nb_spot *s, int base, struct nb_error *e)
{
    bool given = p->f.at && base < p->f.points;
    if (given && names_known(p, base, e))
        return -1;
    for (size_t i = 0; i < p->f.nin; i++) {
        struct nb_tensor t = {NB_F64, p->f.in[i].shape, s->at[i]};
        if (given && take_input(p, s, base, (int)i, e))
            return -1;
        if (!given)
            draw_input(p, s, base, (int)i);
        if (nb_tensors_add(p->arena, &s->x, p->f.in[i].name, t, e))
            return -1;
    }
    return name_cotangents(p, s, base, e);
}

/* 64 entries of a tensor too large to look at every one: one from each stretch of equal length. */
static int choose(struct nb_probes *p, struct nb_spot *s, int base, int operand, struct nb_error *e)
{
    int64_t n = (int64_t)p->operand[operand].n, k = n < NB_SPOTS ? n : NB_SPOTS;
    int64_t *to = s->chosen[operand] = nb_small(p->arena, (size_t)k, sizeof *to, e);
    for (int64_t i = 0; to && i < k; i++) {
        int64_t from = n * i / k, until = n * (i + 1) / k;
        double u = nb_draw(p, nb_draw_at(NB_DRAW_SPOT, base, operand, 0, i));
        to[i] = from + (int64_t)(u * (double)(until - from));
    }
    s->climbs[operand] = k;
    return to ? 0 : -1;
}

static int open_climbs(struct nb_probes *p, struct nb_spot *s, int base, struct nb_error *e)
{
    for (int t = 0; t < p->operands; t++) {
        s->climbs[t] = (int64_t)p->operand[t].n;
        if (!s->every && choose(p, s, base, t, e))
            return -1;
        struct nb_climb *c = s->climb[t] = nb_zalloc(p->arena, (size_t)s->climbs[t], sizeof *c, e);
        s->terms[t] = nb_zalloc(p->arena, p->m, sizeof **s->terms, e);
        for (int64_t i = 0; c && i < s->climbs[t]; i++)
            c[i] = (struct nb_climb){.state = NB_OPEN, .joint = -1};
        if (!c || !s->terms[t])
            return -1;
    }
    return 0;
}

int nb_points_add(struct nb_probes *p, bool every, struct nb_error *e)
{
    int base = p->bases;
    struct nb_spot *s = &p->base[base];
    *s = (struct nb_spot){.every = every, .finite = true, .steady = true};
    if (room_for(p, s, e) || fill(p, s, base, e) || open_climbs(p, s, base, e))
        return -1;
    p->bases++;
    return 0;
}
