/* probes - the way through the rounds: ask, take the answers, judge, ask again or conclude. */
#include "probes/probes.h"
#include "probes/probing.h"
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- the function ------------------------------------------------------------------------------------------------ */

static int copy_function(struct nb_probes *p, const struct nb_probed *f, struct nb_error *e)
{
    p->f = *f;
    p->f.in = nb_small(p->arena, f->nin + 1, sizeof *f->in, e);
    p->f.out = nb_small(p->arena, f->nout + 1, sizeof *f->out, e);
    p->offset = nb_small(p->arena, f->nout + 1, sizeof *p->offset, e);
    if (!p->f.in || !p->f.out || !p->offset)
        return -1;
    p->m = 0;
    for (size_t i = 0; i < f->nin; i++) {
        p->f.in[i] = f->in[i];
        if (!(p->f.in[i].name = nb_strdup(p->arena, f->in[i].name, e)))
            return -1;
        p->operands += f->in[i].wrt;
    }
    for (size_t i = 0; i < f->nout; i++) {
        p->f.out[i] = f->out[i];
        p->offset[i] = p->m;
        p->m += (size_t)nb_count(&f->out[i].shape);
        if (!(p->f.out[i].name = nb_strdup(p->arena, f->out[i].name, e)))
            return -1;
    }
    p->offset[f->nout] = p->m;
    return 0;
}

static int make_operands(struct nb_probes *p, struct nb_error *e)
{
    int t = 0;
    if (!(p->operand = nb_zalloc(p->arena, (size_t)p->operands + 1, sizeof *p->operand, e)))
        return -1;
    for (size_t i = 0; i < p->f.nin; i++) {
        if (!p->f.in[i].wrt)
            continue;
        p->operand[t] = (struct nb_operand){.in = (int)i, .n = (size_t)nb_count(&p->f.in[i].shape)};
        if (nb_layout_operand(p, &p->operand[t++], e))
            return -1;
    }
    return 0;
}

static int draw_points(struct nb_probes *p, struct nb_error *e)
{
    int every = nb_plan_size(p, e);
    if (every < 0 || !(p->base = nb_zalloc(p->arena, (size_t)p->f.points + 1, sizeof *p->base, e)))
        return -1;
    for (int b = 0; b < p->f.points; b++)
        if (nb_points_add(p, b < every, e))
            return -1;
    return 0;
}

struct nb_probes *nb_probes_new(const struct nb_probed *f, struct nb_arena *a, struct nb_error *e)
{
    static const int wide[] = {3, 15, 40}, narrow[] = {3, 10, 18};
    struct nb_probes *p = nb_zalloc(a, 1, sizeof *p, e);
    if (!p)
        return NULL;
    p->arena = a;
    p->stream = nb_stream_of(f->seed, "probes");
    p->eps = f->single ? FLT_EPSILON : DBL_EPSILON;
    p->first_exponent = f->single ? -3 : -10;
    memcpy(p->ladder, f->single ? narrow : wide, sizeof p->ladder);
    if (copy_function(p, f, e) || make_operands(p, e) || draw_points(p, e) || nb_plan_round(p, e))
        return NULL;
    p->f.given = f->at != NULL;
    p->f.at = NULL; /* the caller's */
    p->round = 1;
    return p;
}

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

int nb_probes_round(const struct nb_probes *p)
{
    return p->round;
}

size_t nb_probes_count(const struct nb_probes *p)
{
    return p->probes;
}

int nb_probe_base(const struct nb_probes *p, size_t probe)
{
    return nb_block_of(p, probe)->base;
}

const struct nb_probed *nb_probes_function(const struct nb_probes *p)
{
    return &p->f;
}

int nb_probes_bases(const struct nb_probes *p)
{
    return p->bases;
}

const struct nb_tensors *nb_probes_base(const struct nb_probes *p, int base)
{
    return &p->base[base].x;
}

const struct nb_tensors *nb_probes_cotangents(const struct nb_probes *p, int base)
{
    return &p->base[base].cotangents;
}

int nb_probes_claims(const struct nb_probes *p, int base, struct nb_arena *a, struct nb_tensors *to, struct nb_error *e)
{
    for (int t = 0; t < p->operands; t++) {
        const struct nb_probed_input *in = &p->f.in[p->operand[t].in];
        struct nb_tensor x = {NB_F64, in->shape, p->base[base].claim[t]};
        if (x.data && nb_tensors_add(a, to, in->name, x, e))
            return -1;
    }
    return 0;
}

bool nb_probes_wants_gradient(const struct nb_probes *p, int base)
{
    return !p->base[base].claimed && !p->base[base].dropped;
}

const struct nb_verdicts *nb_probes_verdicts(const struct nb_probes *p)
{
    return p->done ? &p->v : NULL;
}

/* ---- the answers are what was asked for? ------------------------------------------------------------------------- */

static bool stacked(const struct nb_probes *p, const struct nb_tensor *t, const struct nb_shape *one)
{
    if (t->shape.rank != one->rank + 1 || t->shape.dim[0] != (int64_t)p->probes)
        return nb_count(&t->shape) == 0 && nb_count(one) == 0;
    for (int d = 0; d < one->rank; d++)
        if (t->shape.dim[d + 1] != one->dim[d])
            return nb_count(&t->shape) == 0 && nb_count(one) == 0;
    return true;
}

static int look_at_output(const struct nb_probes *p, const struct nb_tensors *l, size_t o, struct nb_error *e)
{
    const struct nb_probed_output *out = &p->f.out[o];
    const struct nb_tensor *t = nb_tensors_find(l, out->name);
    struct nb_shape wanted = {.rank = out->shape.rank + 1};
    char a[120], b[120];
    if (!t)
        return nb_fail(e, NB_E_missing_key, "%.60s is missing", out->name);
    wanted.dim[0] = (int64_t)p->probes;
    for (int d = 0; d + 1 < wanted.rank; d++)
        wanted.dim[d + 1] = out->shape.dim[d];
    if (stacked(p, t, &out->shape))
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "the shape is %s; one value for each of the %zu probes would be %s",
            nb_shape_text(&t->shape, NULL, a, sizeof a), p->probes, nb_shape_text(&wanted, NULL, b, sizeof b));
    return nb_at(e, out->name);
}

static int look_at_outputs(const struct nb_probes *p, const struct nb_tensors *l, struct nb_error *e)
{
    for (size_t o = 0; o < p->f.nout; o++)
        if (look_at_output(p, l, o, e))
            return -1;
    for (size_t i = 0; i < l->n; i++) {
        size_t o = 0;
        while (o < p->f.nout && strcmp(p->f.out[o].name, l->v[i].name))
            o++;
        if (o == p->f.nout) {
            nb_fail(e, NB_E_unknown_reference, "the function has no output %.60s", l->v[i].name);
            return nb_at(e, l->v[i].name);
        }
    }
    return 0;
}

static bool is_operand(const struct nb_probes *p, const char *name)
{
    for (int t = 0; t < p->operands; t++)
        if (!strcmp(p->f.in[p->operand[t].in].name, name))
            return true;
    return false;
}

static int look_at_gradient(const struct nb_probes *p, const struct nb_tensors *l, struct nb_error *e)
{
    for (int t = 0; t < p->operands; t++)
        if (!nb_tensors_find(l, p->f.in[p->operand[t].in].name))
            return nb_fail(e, NB_E_missing_key, "the gradient of %.60s is missing", p->f.in[p->operand[t].in].name);
    for (size_t i = 0; i < l->n; i++)
        if (!is_operand(p, l->v[i].name)) {
            nb_fail(e, NB_E_unknown_reference, "%.60s is not among the inputs whose gradient is asked for",
                    l->v[i].name);
            return nb_at(e, l->v[i].name);
        }
    return 0;
}

static size_t wanted_gradients(const struct nb_probes *p)
{
    size_t n = 0;
    for (int b = 0; b < p->bases; b++)
        n += nb_probes_wants_gradient(p, b);
    return n;
}

static int look_at_gradients(const struct nb_probes *p, const struct nb_probe_answers *a, struct nb_error *e)
{
    size_t wanted = wanted_gradients(p);
    bool may_lack = p->round > 1 && a->ngradients == 0;
    if (a->ngradients != wanted && !may_lack)
        return nb_fail(e, NB_E_shape_mismatch, "%zu gradients came, one for each of %zu bases is wanted", a->ngradients,
                       wanted);
    for (size_t i = 0; i < a->ngradients; i++)
        if (look_at_gradient(p, &a->gradients[i], e))
            return nb_at_index(e, i);
    return 0;
}

static int look(const struct nb_probes *p, const struct nb_probe_answers *a, struct nb_error *e)
{
    if (look_at_outputs(p, a->outputs, e))
        return nb_at(e, "outputs");
    if (p->f.by_complex && look_at_outputs(p, a->imaginary, e))
        return nb_at(e, "imaginary");
    if (!p->f.by_complex && a->imaginary && a->imaginary->n)
        return nb_fail(e, NB_E_unknown_key, "no complex arguments were given"), nb_at(e, "imaginary");
    return look_at_gradients(p, a, e) ? nb_at(e, "gradients") : 0;
}

/* ---- taking them ------------------------------------------------------------------------------------------------- */

/* A row of all outputs for every probe. */
static double *rows(const struct nb_probes *p, const struct nb_tensors *l, struct nb_arena *scratch, struct nb_error *e)
{
    double *to = nb_alloc(scratch, p->probes * p->m, sizeof *to, e);
    for (size_t o = 0; to && o < p->f.nout; o++) {
        const struct nb_tensor *t = nb_tensors_find(l, p->f.out[o].name);
        size_t n = p->offset[o + 1] - p->offset[o], size = nb_dtype_size(t->dtype);
        for (size_t i = 0; i < p->probes; i++)
            nb_convert(NB_F64, to + i * p->m + p->offset[o], t->dtype, (const char *)t->data + i * n * size, n);
    }
    return to;
}

static int take_gradient(struct nb_probes *p, struct nb_spot *s, const struct nb_tensors *l, struct nb_error *e)
{
    s->claimed = true;
    for (int t = 0; t < p->operands; t++) {
        const struct nb_probed_input *in = &p->f.in[p->operand[t].in];
        const struct nb_tensor *g = nb_tensors_find(l, in->name);
        size_t n = p->operand[t].n;
        if (nb_shape_same(&g->shape, &in->shape) != 1 && (n || nb_count(&g->shape)))
            continue;
        if (!(s->claim[t] = nb_alloc(p->arena, n, sizeof **s->claim, e)))
            return -1;
        nb_convert(NB_F64, s->claim[t], g->dtype, g->data, n);
    }
    return 0;
}

static int take_gradients(struct nb_probes *p, const struct nb_probe_answers *a, struct nb_error *e)
{
    size_t i = 0;
    for (int b = 0; b < p->bases; b++) {
        if (!nb_probes_wants_gradient(p, b))
            continue;
        p->base[b].dropped = a->ngradients == 0;
        if (a->ngradients && take_gradient(p, &p->base[b], &a->gradients[i++], e))
            return -1;
    }
    return 0;
}

static void take_colour(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    const struct nb_grid *g = nb_grid_of(p, b->base, b->operand);
    for (int64_t k = 0; k < g->groups; k++) {
        int64_t i = nb_grid_entry(g, k, b->which);
        if (b->question == NB_ASK_COMPLEX)
            nb_complex_take(p, h, b, i);
        else
            nb_ladder_take(p, h, b, i);
    }
}

static void take_entries(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b)
{
    struct nb_spot *s = &p->base[b->base];
    if (!s->finite || !s->steady || s->dropped)
        return;
    if (b->question == NB_ASK_LADDER || b->question == NB_ASK_COMPLEX)
        take_colour(p, h, b);
    else if (b->question == NB_ASK_UNIT)
        nb_unit_take(p, h, b);
    else if (b->question == NB_ASK_DIRECTION && s->claim[b->operand])
        s->wrong_directions[b->operand] += nb_direction_take(p, h, b) < 0;
    else if (b->question == NB_ASK_JOINT)
        nb_joint_take(p, h, b);
}

/* A block of an operand whose claim was refuted by these very answers says nothing. */
static int take_claims(struct nb_probes *p, const struct nb_heard *h, struct nb_error *e)
{
    for (size_t i = 0; i < p->blocks; i++) {
        const struct nb_block *b = &p->block[i];
        bool usable = p->base[b->base].finite && p->base[b->base].steady;
        if (usable && b->question == NB_ASK_LEAK && nb_leak_judge(p, h, b, e))
            return -1;
        if (usable && b->question == NB_ASK_BEND && nb_bend_judge(p, h, b, e))
            return -1;
    }
    return 0;
}

static void note_evaluations(struct nb_probes *p)
{
    struct nb_facts *f = &p->v.facts;
    for (size_t i = 0; i < p->blocks; i++) {
        const struct nb_block *b = &p->block[i];
        if (b->question == NB_ASK_COMPLEX)
            f->complex_evaluations += (int64_t)b->probes;
        else
            f->double_evaluations += (int64_t)b->probes;
        if (b->question != NB_ASK_LADDER)
            continue;
        double low = ldexp(1, p->first_exponent - b->first - b->rungs + 1),
               high = ldexp(1, p->first_exponent - b->first);
        f->h_low = f->h_low > 0 ? fmin(f->h_low, low) : low;
        f->h_high = fmax(f->h_high, high);
        f->halvings = b->first + b->rungs - 3 > f->halvings ? b->first + b->rungs - 3 : f->halvings;
    }
}

static int next_round(struct nb_probes *p, struct nb_arena *scratch, struct nb_error *e)
{
    if (nb_judge_round(p, e) || nb_joint_find(p, scratch, e) || nb_judge_extra(p, e))
        return -1;
    p->blocks = p->probes = 0;
    if (p->round < NB_MOST_ROUNDS && nb_plan_round(p, e))
        return -1;
    if (p->probes) {
        p->round++;
        return 0;
    }
    p->done = true;
    return nb_probes_conclude(p, e);
}

int nb_probes_take(struct nb_probes *p, const struct nb_probe_answers *a, struct nb_arena *scratch, struct nb_error *e)
{
    struct nb_heard h = {.p = p, .scratch = scratch};
    if (look(p, a, e) || !(h.re = rows(p, a->outputs, scratch, e)) ||
        !(h.zero = nb_zalloc(scratch, p->m, sizeof *h.zero, e)))
        return -1;
    if (p->f.by_complex && !(h.im = rows(p, a->imaginary, scratch, e)))
        return -1;
    if (take_gradients(p, a, e) || nb_sense(p, &h, e))
        return -1;
    note_evaluations(p);
    bool *refuted = nb_zalloc(scratch, (size_t)p->operands + 1, sizeof *refuted, e);
    for (int t = 0; refuted && t < p->operands; t++)
        refuted[t] = p->operand[t].refuted;
    if (!refuted || take_claims(p, &h, e))
        return -1;
    for (size_t i = 0; i < p->blocks; i++)
        if (p->block[i].question == NB_ASK_JOINT ||
            p->operand[p->block[i].operand].refuted == refuted[p->block[i].operand])
            take_entries(p, &h, &p->block[i]);
    return next_round(p, scratch, e);
}
