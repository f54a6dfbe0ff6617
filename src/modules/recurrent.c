/* RNN, LSTM, GRU: cells over time, in layers and in both directions; and the run of them, also of one cell.
 *
 * Inside, everything is [T, B, .]. The products with the inputs of all steps are one gemm before the first step, those
 * of the weights' gradients one for a hundred rows; between them there is one gemm a step, and what gates.h does. */
#include "modules/recurrent.h"
#include "nabla/kernel.h"
#include <math.h>

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* Pieces of memory, each at the start of a cache line; without a base they are only counted. */
struct room {
    nb_real *base;
    size_t used;
};

static nb_real *take(struct room *m, size_t n)
{
    enum { LINE = 16 };
    size_t at = m->used;
    m->used += (n + LINE - 1) / LINE * LINE;
    return m->base ? m->base + at : NULL;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The work of forward and, `back`, of backward; how many reals it takes. */
static size_t lay_out(struct nb_recurrence *r, nb_real *work, bool back)
{
    struct room m = {work, 0};
    size_t n = r->units, wide = r->layers > 1 ? r->directions * n : 0, own = r->batch_first ? r->in : 0;
    r->x = take(&m, r->rows * larger(wide, own));
    r->u = take(&m, r->batch * r->cell->product * n);
    if (!back)
        return m.used;
    r->da = take(&m, r->span * r->batch * r->cell->gates * n);
    r->apart = take(&m, r->span * r->batch * r->cell->apart * n);
    r->sums = take(&m, r->cell->gates * n);
    r->dh = take(&m, r->batch * n);
    r->back = take(&m, r->batch * n);
    r->dc = take(&m, r->cell->memory ? r->batch * n : 0);
    r->dq = take(&m, r->batch * n);
    r->dx = take(&m, r->rows * larger(wide, own));
    r->dy = take(&m, r->rows * wide);
    return m.used;
}

/* The states after the steps of this pass are the output as it is. */
static bool lends(const struct nb_recurrence *r, size_t index)
{
    return r->lent && index == r->layers - 1;
}

static size_t lay_pass(const struct nb_recurrence *r, struct nb_pass *p, nb_real *saved)
{
    struct room m = {saved, 0};
    size_t n = r->units, one = r->batch * n, states = (r->steps + 1) * one;
    p->a = take(&m, r->rows * r->cell->gates * n);
    p->kept = take(&m, r->rows * r->cell->kept * n);
    p->c = r->cell->memory ? take(&m, states) : NULL;
    p->h = take(&m, lends(r, p->index) ? one : states);
    return m.used;
}

static struct nb_pass pass_of(const struct nb_recurrence *r, size_t layer, size_t direction)
{
    struct nb_pass p = {.r = r, .index = layer * r->directions + direction, .reverse = direction == 1};
    const struct nb_tensor *w = r->call->w + p.index * r->own;
    p.in = layer ? r->directions * r->units : r->in;
    lay_pass(r, &p, (nb_real *)r->call->saved + p.index * r->saved);
    p.after = lends(r, p.index) ? r->call->out[0].data : p.h + !p.reverse * r->batch * r->units;
    p.wi = w[0].data;
    p.wh = w[1].data;
    p.bi = r->bias ? w[2].data : NULL;
    p.bh = r->bias ? w[3].data : NULL;
    p.peep = r->peephole ? w[r->own - 1].data : NULL;
    return p;
}

static struct nb_moment moment_of(const struct nb_pass *p, size_t t)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->batch * r->units, before = (t + p->reverse) * n, after = (t + !p->reverse) * n;
    struct nb_moment s = {.t = t, .h = nb_before(p, t), .h1 = p->after + t * n};
    s.a = p->a + t * n * r->cell->gates;
    s.kept = p->kept + t * n * r->cell->kept;
    if (p->c)
        s.c = p->c + before, s.c1 = p->c + after;
    if (r->da)
        s.da = r->da + (t - r->first) * n * r->cell->gates;
    return s;
}

/* Place of a step of a sample in the tensors outside. */
static size_t row_outside(const struct nb_recurrence *r, size_t t, size_t b)
{
    return r->batch_first ? b * r->steps + t : t * r->batch + b;
}

/* y = x a v, entry by entry; y may be x. */
NB_SIMD static void scaled(size_t n, const nb_real *x, const nb_real *a, nb_part v, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * a[i] * v;
}

/* Between [T, B, n] inside and what is outside. */
static void from_outside(const struct nb_recurrence *r, size_t n, const nb_real *x, nb_real *y)
{
    for (size_t t = 0; t < r->steps; t++)
        for (size_t b = 0; b < r->batch; b++)
            nb_copy(n, x + row_outside(r, t, b) * n, y + (t * r->batch + b) * n);
}

static void to_outside(const struct nb_recurrence *r, size_t n, const nb_real *x, nb_real *y)
{
    for (size_t t = 0; t < r->steps; t++)
        for (size_t b = 0; b < r->batch; b++)
            nb_copy(n, x + (t * r->batch + b) * n, y + row_outside(r, t, b) * n);
}

/* So many rows make a good gemm; more of them need more memory and gain nothing. */
enum { SPAN_ROWS = 127 };

static struct nb_recurrence run_for(const struct nb_recurrent_args *a, enum nb_family family, bool lengths,
                                    size_t steps, size_t batch)
{
    struct nb_recurrence r = {.cell = NB(nb_cell_of)(a, family), .steps = steps, .batch = batch, .rows = steps * batch};
    struct nb_pass p = {.r = &r};
    r.sequence = a->num_layers > 0;
    r.layers = r.sequence ? (size_t)a->num_layers : 1;
    r.directions = a->bidirectional ? 2 : 1;
    r.in = (size_t)a->input_size;
    r.units = (size_t)a->hidden_size;
    r.bias = a->bias;
    r.peephole = a->peephole;
    r.own = 2 + 2 * r.bias + r.peephole;
    r.batch_first = a->batch_first;
    r.clip = a->clip > 0 ? (nb_part)a->clip : (nb_part)INFINITY;
    r.growth = (nb_part)(1 / (1 - a->dropout));
    r.lent = r.sequence && r.directions == 1 && !r.batch_first && !lengths;
    p.index = r.layers;
    r.saved = lay_pass(&r, &p, NULL);
    r.span = SPAN_ROWS / (batch ? batch : 1) + 1;
    r.span = r.span < steps ? r.span : steps;
    return r;
}

/* Samples are all leading dimensions of a cell's input, and the B of [T, B, I]; [T, I] is one. */
static void count_samples(const struct nb_recurrent_args *a, const struct nb_shape *x, size_t *steps, size_t *batch)
{
    *steps = *batch = 1;
    if (a->num_layers && x->rank == 3) {
        *steps = (size_t)x->dim[a->batch_first ? 1 : 0];
        *batch = (size_t)x->dim[a->batch_first ? 0 : 1];
    } else if (a->num_layers) {
        *steps = (size_t)x->dim[0];
    } else {
        for (int i = 0; i < x->rank - 1; i++)
            *batch *= (size_t)x->dim[i];
    }
}

/* Inputs: input, h0, c0 of an LSTM; of layers then sequence_lens and mask. */
static int after_states(const struct nb_recurrence *r)
{
    return 2 + r->cell->memory;
}

static struct nb_recurrence run_of(const struct nb_call *c, enum nb_family family)
{
    const struct nb_recurrent_args *a = c->args;
    size_t steps, batch;
    count_samples(a, &c->in[0].shape, &steps, &batch);
    int later = 2 + (family == NB_LSTM);
    const int64_t *length = a->num_layers ? c->in[later].data : NULL;
    struct nb_recurrence r = run_for(a, family, length, steps, batch);
    r.call = c;
    r.length = length;
    r.mask = c->train && r.sequence ? c->in[later + 1].data : NULL;
    return r;
}

void NB(nb_recurrent_room)(struct nb_infer *s, enum nb_family family)
{
    size_t steps, batch;
    bool known = nb_count(&s->in[0]) >= 0;
    for (int i = 0; i < s->nout; i++)
        known &= nb_count(&s->out[i]) >= 0;
    for (int i = 0; i < s->nw; i++)
        known &= nb_count(&s->w[i].shape) >= 0;
    if (!known)
        return;
    count_samples(s->args, &s->in[0], &steps, &batch);
    const struct nb_recurrent_args *a = s->args;
    bool lengths = a->num_layers && s->in[2 + (family == NB_LSTM)].rank >= 0;
    struct nb_recurrence r = run_for(a, family, lengths, steps, batch);
    struct nb_pass last = {.r = &r, .index = r.layers * r.directions - 1};
    s->saved = last.index * r.saved + lay_pass(&r, &last, NULL);
    s->work = lay_out(&r, NULL, true);
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/* [T, B, directions * n], the states a layer gives, to a place inside or outside. */
static void gather(const struct nb_recurrence *r, size_t layer, bool outside, nb_real *to)
{
    size_t n = r->units, wide = r->directions * n;
    for (size_t d = 0; d < r->directions; d++) {
        struct nb_pass p = pass_of(r, layer, d);
        for (size_t t = 0; t < r->steps; t++)
            for (size_t b = 0; b < r->batch; b++) {
                size_t row = t * r->batch + b, at = outside ? row_outside(r, t, b) : row;
                nb_copy_or_clear(n, nb_idle(r, t, b) ? NULL : p.after + row * n, to + at * wide + d * n);
            }
    }
}

static const nb_real *mask_above(const struct nb_recurrence *r, size_t layer)
{
    return r->mask ? r->mask + layer * r->rows * r->directions * r->units : NULL;
}

/* What a layer gets, [T, B, .]. */
static const nb_real *input_of(const struct nb_recurrence *r, size_t layer)
{
    const nb_real *x = r->call->in[0].data;
    if (layer == 0 && !r->batch_first)
        return x;
    if (layer == 0)
        return from_outside(r, r->in, x, r->x), r->x;
    const nb_real *mask = mask_above(r, layer - 1);
    struct nb_pass below = pass_of(r, layer - 1, 0);
    if (r->directions == 1 && !r->length && !mask)
        return below.after;
    gather(r, layer - 1, false, r->x);
    if (mask)
        scaled(r->rows * r->directions * r->units, r->x, mask, r->growth, r->x);
    return r->x;
}

/* Entries of a pass in a tensor [layers * directions, B, H]; NULL if it is absent. */
static nb_real *states_in(const struct nb_pass *p, const struct nb_tensor *t)
{
    return t->data ? (nb_real *)t->data + p->index * p->r->batch * p->r->units : NULL;
}

static void stay(const struct nb_pass *p, const struct nb_moment *s)
{
    for (size_t b = 0, n = p->r->units; b < p->r->batch; b++)
        if (nb_idle(p->r, s->t, b)) {
            nb_copy(n, s->h + b * n, s->h1 + b * n);
            if (s->c)
                nb_copy(n, s->c + b * n, s->c1 + b * n);
        }
}

static void add_inputs(const struct nb_pass *p, const nb_real *x)
{
    const struct nb_recurrence *r = p->r;
    size_t wide = r->cell->gates * r->units;
    if (p->bi && r->rows) {
        nb_copy(wide, p->bi, p->a);
        if (!r->cell->product)
            NB(nb_add)(wide, p->bh, p->a);
        nb_repeat(r->rows - 1, wide, p->a, p->a + wide);
    }
    NB(nb_gemm)(false, true, r->rows, wide, p->in, x, p->wi, p->bi != NULL, p->a);
}

static void pass_forward(const struct nb_pass *p, const nb_real *x)
{
    const struct nb_recurrence *r = p->r;
    const struct nb_call *c = r->call;
    size_t n = r->batch * r->units, first = p->reverse ? r->steps * n : 0, last = r->steps * n - first;
    add_inputs(p, x);
    nb_copy_or_clear(n, states_in(p, &c->in[1]), p->h + first);
    if (p->c)
        nb_copy_or_clear(n, states_in(p, &c->in[2]), p->c + first);
    for (size_t k = 0; k < r->steps; k++) {
        struct nb_moment s = moment_of(p, p->reverse ? r->steps - 1 - k : k);
        r->cell->forward(p, &s);
        if (r->length)
            stay(p, &s);
    }
    nb_copy(n, p->reverse ? p->h : nb_before(p, r->steps), states_in(p, &c->out[r->sequence]));
    if (p->c)
        nb_copy(n, p->c + last, states_in(p, &c->out[r->sequence + 1]));
}

static int check_lengths(const struct nb_recurrence *r, struct nb_error *e)
{
    for (size_t b = 0; r->length && b < r->batch; b++)
        if (r->length[b] < 0 || r->length[b] > (int64_t)r->steps) {
            nb_fail(e, NB_E_bad_value, "a length is 0 to %zu here, %lld came", r->steps, (long long)r->length[b]);
            e->port = 1 + after_states(r);
            return r->call->in[after_states(r)].shape.rank ? nb_at_index(e, b) : -1;
        }
    return 0;
}

int NB(nb_recurrent_forward)(const struct nb_call *c, enum nb_family family, struct nb_error *e)
{
    struct nb_recurrence r = run_of(c, family);
    lay_out(&r, c->work, false);
    if (check_lengths(&r, e))
        return -1;
    for (size_t layer = 0; layer < r.layers; layer++) {
        const nb_real *x = input_of(&r, layer);
        for (size_t d = 0; d < r.directions; d++) {
            struct nb_pass p = pass_of(&r, layer, d);
            pass_forward(&p, x);
        }
    }
    if (r.sequence && !r.lent)
        gather(&r, r.layers - 1, true, c->out[0].data);
    return 0;
}

/* ---- and back ---------------------------------------------------------------------------------------------------- */

/* What comes from above to a step is added to dh; to samples whose sequence is over comes nothing. */
static void add_above(const struct nb_pass *p, size_t t, const nb_real *g, bool outside)
{
    const struct nb_recurrence *r = p->r;
    size_t n = r->units, wide = r->directions * n;
    for (size_t b = 0; b < r->batch; b++)
        if (!nb_idle(r, t, b)) {
            size_t at = outside ? row_outside(r, t, b) : t * r->batch + b;
            NB(nb_add)(n, g + at * wide + p->reverse * n, r->dh + b * n);
        }
}

static void clear_idle(const struct nb_pass *p, const struct nb_moment *s)
{
    size_t wide = p->r->cell->gates * p->r->units;
    for (size_t b = 0; b < p->r->batch; b++)
        if (nb_idle(p->r, s->t, b))
            memset(s->da + b * wide, 0, wide * sizeof *s->da);
}

/* The state passed them, so the gradient does. */
static void pass_idle(const struct nb_pass *p, size_t t)
{
    for (size_t b = 0, n = p->r->units; b < p->r->batch; b++)
        if (nb_idle(p->r, t, b))
            nb_copy(n, p->r->dh + b * n, p->r->back + b * n);
}

static void step_backward(struct nb_recurrence *r, const struct nb_pass *p, size_t t, const nb_real *g, bool outside)
{
    struct nb_moment s = moment_of(p, t);
    if (g)
        add_above(p, t, g, outside);
    if (r->length)
        clear_idle(p, &s);
    r->cell->backward(p, &s);
    if (r->length)
        pass_idle(p, t);
    nb_real *next = r->back;
    r->back = r->dh;
    r->dh = next;
}

/* What the steps of a span give the learned tensors, and the layer's input. */
static void span_learn(const struct nb_pass *p, const nb_real *x, nb_real *dx)
{
    const struct nb_recurrence *r = p->r;
    const struct nb_tensor *gw = r->call->gw + p->index * r->own;
    size_t wide = r->cell->gates * r->units, from = r->first * r->batch * p->in;
    if (gw[0].data)
        NB(nb_gemm)(true, false, wide, p->in, r->part, r->da, x + from, r->again, gw[0].data);
    if (r->bias && gw[2].data)
        NB(nb_gate_sums)(p, gw[2].data);
    r->cell->learn(p, gw[1].data, r->bias ? gw[3].data : NULL, r->peephole ? gw[r->own - 1].data : NULL);
    if (dx)
        NB(nb_gemm)(false, false, r->part, p->in, wide, r->da, p->wi, p->reverse, dx + from);
}

/* Span by span, the last first; one of no steps where there are none. */
static void pass_backward(struct nb_recurrence *r, const struct nb_pass *p, const nb_real *g, bool outside,
                          const nb_real *x, nb_real *dx)
{
    size_t left = r->steps;
    r->again = false;
    do {
        size_t steps = left < r->span ? left : r->span, done = r->steps - left;
        r->first = p->reverse ? done : left - steps;
        r->part = steps * r->batch;
        for (size_t k = 0; k < steps; k++)
            step_backward(r, p, p->reverse ? done + k : left - 1 - k, g, outside);
        span_learn(p, x, dx);
        r->again = true;
        left -= steps;
    } while (left > 0);
}

/* The gradients of the states: what comes to those after all steps, and goes to those before. */
static void take_states(const struct nb_recurrence *r, const struct nb_pass *p)
{
    const struct nb_tensor *g = r->call->gout + r->sequence;
    size_t n = r->batch * r->units;
    nb_copy(n, states_in(p, &g[0]), r->dh);
    if (p->c)
        nb_copy(n, states_in(p, &g[1]), r->dc);
}

static void give_states(const struct nb_recurrence *r, const struct nb_pass *p)
{
    const struct nb_tensor *g = r->call->gin;
    size_t n = r->batch * r->units;
    if (g[1].data)
        nb_copy(n, r->dh, states_in(p, &g[1]));
    if (p->c && g[2].data)
        nb_copy(n, r->dc, states_in(p, &g[2]));
}

static nb_real *gradient(const struct nb_recurrence *r, int port)
{
    return port < r->call->nin ? r->call->gin[port].data : NULL;
}

/* dy of the layer below from dx of this one, through the mask between them. */
static void go_down(struct nb_recurrence *r, size_t layer)
{
    size_t n = r->directions * r->units, count = r->rows * n;
    const nb_real *mask = mask_above(r, layer - 1);
    nb_real *dmask = gradient(r, after_states(r) + 1), *dx = r->dx;
    if (mask && dmask) {
        dmask += (layer - 1) * count;
        gather(r, layer - 1, false, dmask);
        scaled(count, dmask, dx, r->growth, dmask);
    }
    if (mask)
        scaled(count, dx, mask, r->growth, dx);
    r->dx = r->dy;
    r->dy = dx;
}

static void layer_backward(struct nb_recurrence *r, size_t layer)
{
    const struct nb_call *c = r->call;
    bool top = layer == r->layers - 1, direct = layer == 0 && !r->batch_first;
    const nb_real *x = input_of(r, layer), *above = !r->sequence ? NULL : top ? c->gout[0].data : r->dy;
    nb_real *dx = direct ? c->gin[0].data : layer == 0 && !c->gin[0].data ? NULL : r->dx;
    for (size_t d = 0; d < r->directions; d++) {
        struct nb_pass p = pass_of(r, layer, d);
        take_states(r, &p);
        pass_backward(r, &p, above, top, x, dx);
        give_states(r, &p);
    }
    if (layer > 0)
        go_down(r, layer);
    else if (dx && !direct)
        to_outside(r, r->in, dx, c->gin[0].data);
}

int NB(nb_recurrent_backward)(const struct nb_call *c, enum nb_family family, struct nb_error *e)
{
    struct nb_recurrence r = run_of(c, family);
    (void)e;
    lay_out(&r, c->work, true);
    for (int i = 1; i < c->nin; i++)
        if (i > r.cell->memory + 1 && c->gin[i].data) /* lengths, and masks that are not used */
            memset(c->gin[i].data, 0, (size_t)nb_count(&c->gin[i].shape) * sizeof(nb_real));
    for (size_t layer = r.layers; layer-- > 0;)
        layer_backward(&r, layer);
    return 0;
}

/* ---- decisions --------------------------------------------------------------------------------------------------- */

/* An entry of the input that moves unit j of the first layer. */
static size_t mover(const struct nb_pass *p, size_t j)
{
    size_t k = 0;
    while (k < p->in && p->wi[j * p->in + k] == 0)
        k++;
    return k < p->in ? k : 0;
}

static void tell_edge(const struct nb_pass *p, size_t t, size_t b, size_t j, struct nb_branches *to)
{
    size_t k = p->index < p->r->directions ? mover(p, j) : 0;
    int64_t tie = (int64_t)((p->index * p->r->rows + t * p->r->batch + b) * p->r->cell->gates * p->r->units + j);
    nb_at_edge(to, 0, (int64_t)(row_outside(p->r, t, b) * p->r->in + k), NB_EDGE_SIDE, tie);
}

static void pass_branches(const struct nb_pass *p, struct nb_branches *to)
{
    const struct nb_recurrence *r = p->r;
    size_t wide = r->cell->gates * r->units;
    bool relu = r->cell->corner, clips = isfinite((double)r->clip);
    for (size_t t = 0; t < r->steps; t++)
        for (size_t b = 0; b < r->batch; b++)
            for (size_t j = 0; j < wide && !nb_idle(r, t, b); j++) {
                double a = (double)nb_re(p->a[(t * r->batch + b) * wide + j]);
                bool at = relu && nb_side(to, a, 0);
                if (clips)
                    at = (!relu && nb_side(to, a, -(double)r->clip)) | nb_side(to, a, (double)r->clip) | at;
                if (at)
                    tell_edge(p, t, b, j, to);
            }
}

void NB(nb_recurrent_branches)(const struct nb_call *c, enum nb_family family, struct nb_branches *b)
{
    struct nb_recurrence r = run_of(c, family);
    bool corners = r.cell->corner || isfinite((double)r.clip);
    for (size_t layer = 0; corners && layer < r.layers; layer++)
        for (size_t d = 0; d < r.directions; d++) {
            struct nb_pass p = pass_of(&r, layer, d);
            pass_branches(&p, b);
        }
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static int fail_port(const struct nb_infer *s, int port, const char *name, const struct nb_shape *want,
                     struct nb_error *e)
{
    char came[200], wanted[200];
    return nb_fail(e, NB_E_shape_mismatch, "%s is %s, wanted is %s", name,
                   nb_shape_text(&s->in[port], s->symbols, came, sizeof came),
                   nb_shape_text(want, s->symbols, wanted, sizeof wanted));
}

static int check_port(const struct nb_infer *s, int port, const char *name, const struct nb_shape *want,
                      struct nb_error *e)
{
    bool fits = s->in[port].rank < 0 || nb_shape_same(&s->in[port], want) != 0;
    return fits ? 0 : fail_port(s, port, name, want, e);
}

static int check_layers(const struct nb_infer *s, struct nb_error *e)
{
    const struct nb_recurrent_args *a = s->args;
    int64_t own = 2 + 2 * a->bias + a->peephole, directions = a->bidirectional ? 2 : 1;
    if (a->num_layers <= NB_MAX_WEIGHTS / (own * directions))
        return 0;
    nb_fail(e, NB_E_bad_argument,
            "%lld layers came, at most %d are possible here: a module has at most %d learned tensors",
            (long long)a->num_layers, (int)(NB_MAX_WEIGHTS / (own * directions)), NB_MAX_WEIGHTS);
    return nb_at(e, "num_layers");
}

static int check_rank(const struct nb_infer *s, struct nb_error *e)
{
    const struct nb_recurrent_args *a = s->args;
    char text[200];
    if (s->in[0].rank == 2 || s->in[0].rank == 3)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is %s, or [T, I] for one sample",
                   nb_shape_text(&s->in[0], s->symbols, text, sizeof text), a->batch_first ? "[B, T, I]" : "[T, B, I]");
}

/* [layers - 1, T, B, directions * H], of zeros and ones, if anything is dropped. */
static int infer_mask(struct nb_infer *s, int port, int64_t steps, int64_t batch, struct nb_error *e)
{
    const struct nb_recurrent_args *a = s->args;
    s->noise_off = true;
    s->noise.rank = -1;
    if ((a->num_layers == 1 || a->dropout == 0) && s->in[port].rank >= 0)
        return nb_fail(e, NB_E_input_count, "mask is given, but nothing is dropped: %s",
                       a->dropout == 0 ? "dropout is 0" : "there is one layer, and dropout is between layers");
    if (a->num_layers == 1 || a->dropout == 0)
        return 0;
    s->noise_off = !s->train;
    s->noise_p = 1 - a->dropout;
    s->noise = nb_shape_of(4, a->num_layers - 1, steps, batch, (a->bidirectional ? 2 : 1) * a->hidden_size);
    return check_port(s, port, "mask", &s->noise, e);
}

/* A sequence has 0 to T steps. */
static int64_t lengths(const void *args, const struct nb_shape *x)
{
    size_t steps, batch;
    count_samples(args, x, &steps, &batch);
    return (int64_t)steps + 1;
}

static int infer(struct nb_infer *s, enum nb_family family, struct nb_error *e)
{
    const struct nb_recurrent_args *a = s->args;
    const struct nb_shape *x = &s->in[0];
    int memory = family == NB_LSTM, later = 2 + memory;
    if (check_rank(s, e) || NB(nb_recurrent_input)(s, e) || check_layers(s, e))
        return -1;
    bool batched = x->rank == 3;
    int64_t directions = a->bidirectional ? 2 : 1, batch = batched ? x->dim[!a->batch_first] : 1;
    int64_t steps = x->dim[batched && a->batch_first];
    struct nb_shape states = nb_shape_of(3, a->num_layers * directions, batch, a->hidden_size);
    if (!batched)
        states = nb_shape_of(2, states.dim[0], a->hidden_size);
    struct nb_shape each = batched ? nb_shape_of(1, batch) : nb_shape_of(0);
    if (check_port(s, 1, "h0", &states, e) || (memory && check_port(s, 2, "c0", &states, e)) ||
        check_port(s, later, "sequence_lens", &each, e) || infer_mask(s, later + 1, steps, batch, e))
        return -1;
    s->out[0] = *x;
    s->out[0].dim[x->rank - 1] = directions * a->hidden_size;
    for (int i = 1; i < s->nout; i++)
        s->out[i] = states;
    if (NB(nb_recurrent_learned)(s, family, e))
        return -1;
    NB(nb_recurrent_room)(s, family);
    return 0;
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

#define LAYERS(name, family)                                                                                           \
    static int name##_infer(struct nb_infer *s, struct nb_error *e)                                                    \
    {                                                                                                                  \
        return infer(s, family, e);                                                                                    \
    }                                                                                                                  \
    NB_RECURRENT_CALLS(name, family)                                                                                   \
    NB_RECURRENT_BRANCHES(name, family)
LAYERS(rnn, NB_RNN)
LAYERS(lstm, NB_LSTM)
LAYERS(gru, NB_GRU)

#define LATER_PORTS                                                                                                    \
    {"sequence_lens", NB_INT_PORT, NB_OPTIONAL}, {"mask", NB_REAL_PORT, NB_OPTIONAL | NB_NOISE},                       \
    {                                                                                                                  \
        0                                                                                                              \
    }
static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {"h0", NB_REAL_PORT, NB_OPTIONAL}, LATER_PORTS};
static const struct nb_port lstm_ports[] = {
    {"input", NB_REAL_PORT, 0}, {"h0", NB_REAL_PORT, NB_OPTIONAL}, {"c0", NB_REAL_PORT, NB_OPTIONAL}, LATER_PORTS};
static const char *const outputs[] = {"output", "h", NULL};
static const char *const lstm_outputs[] = {"output", "h", "c", NULL};

#define LAYER_ARGS                                                                                                     \
    NB_RECURRENT_SIZES,                                                                                                \
        {"num_layers",                                                                                                 \
         NB_ARG_INT,                                                                                                   \
         NB_RECURRENT_ARG(num_layers),                                                                                 \
         1,                                                                                                            \
         1,                                                                                                            \
         NB_MAX_WEIGHTS / 2,                                                                                           \
         0,                                                                                                            \
         NULL,                                                                                                         \
         "each gets the states of the one below"},                                                                     \
        NB_RECURRENT_BIAS,                                                                                             \
        {"batch_first",                                                                                                \
         NB_ARG_BOOL,                                                                                                  \
         NB_RECURRENT_ARG(batch_first),                                                                                \
         0,                                                                                                            \
         0,                                                                                                            \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         "input and output are [B, T, .] instead of [T, B, .]"},                                                       \
        {"dropout",   NB_ARG_REAL, NB_RECURRENT_ARG(dropout),                                                          \
         0,           0,           1,                                                                                  \
         NB_MAX_OPEN, NULL,        "probability that an entry between two layers is dropped"},                         \
    {                                                                                                                  \
        "bidirectional", NB_ARG_BOOL, NB_RECURRENT_ARG(bidirectional), 0, 0, 0, 0, NULL,                               \
            "a second cell runs from the end to the start; outputs are twice as wide"                                  \
    }
#define CLIP                                                                                                           \
    {                                                                                                                  \
        "clip", NB_ARG_REAL, NB_RECURRENT_ARG(clip), 0, 0, INFINITY, NB_MAX_OPEN, NULL,                                \
            "what goes into an activation is held within this; 0: it is not"                                           \
    }

static const struct nb_arg rnn_args[] = {LAYER_ARGS, NB_RECURRENT_NONLINEARITY, CLIP, {0}};
static const struct nb_arg lstm_args[] = {LAYER_ARGS, NB_RECURRENT_PEEPHOLE, CLIP, {0}};
static const struct nb_arg gru_args[] = {LAYER_ARGS, NB_RECURRENT_RESET, CLIP, {0}};

static const struct nb_case rnn_cases[] = {
    {"\"hidden_size\": 3", "5x2x3 1x2x3", false},
    {"\"hidden_size\": 2, \"num_layers\": 2, \"bidirectional\": true, \"batch_first\": true", "3x5x2 4x3x2", false},
    {"\"hidden_size\": 4, \"nonlinearity\": \"relu\", \"bias\": false", "4x3x2", false},
    {"\"hidden_size\": 3, \"bidirectional\": true", "2x5x2 2x5x3 5c3", false},
    {"\"hidden_size\": 3, \"num_layers\": 3, \"dropout\": 0.4, \"nonlinearity\": \"relu\"", "3x2x2 3x2x3", true},
    {"\"hidden_size\": 2, \"clip\": 0.7, \"num_layers\": 2", "5x3", false},
    {0},
};
static const struct nb_case lstm_cases[] = {
    {"\"hidden_size\": 3", "5x2x3 1x2x3 1x2x3", false},
    {"\"hidden_size\": 2, \"num_layers\": 2, \"bidirectional\": true, \"batch_first\": true", "3x4x2 4x3x2 4x3x2",
     false},
    {"\"hidden_size\": 3, \"peephole\": true, \"bidirectional\": true", "4x2x2 2x2x3 2x2x3 2c5", false},
    {"\"hidden_size\": 3, \"num_layers\": 2, \"dropout\": 0.3, \"bias\": false", "3x2x2 - 2x2x3", true},
    {"\"hidden_size\": 2, \"clip\": 0.6, \"peephole\": true", "5x3", false},
    {0},
};
static const struct nb_case gru_cases[] = {
    {"\"hidden_size\": 3", "5x2x3 1x2x3", false},
    {"\"hidden_size\": 3, \"linear_before_reset\": false", "5x2x3 1x2x3", false},
    {"\"hidden_size\": 2, \"num_layers\": 2, \"bidirectional\": true, \"batch_first\": true", "3x4x2 4x3x2", false},
    {"\"hidden_size\": 3, \"linear_before_reset\": false, \"bidirectional\": true, \"bias\": false", "2x5x2 2x5x3 5c3",
     false},
    {"\"hidden_size\": 2, \"bidirectional\": true, \"num_layers\": 2, \"dropout\": 0.3", "2x4x2 4x4x2 4c3", true},
    {"\"hidden_size\": 3, \"clip\": 0.5", "5x2", false},
    {0},
};

static const struct nb_kink rnn_kinks[] = {{"relu: a = 0", "0"}, {"clip: |a| = \\text{clip}", "the slope inside"}, {0}};
static const struct nb_kink kinks[] = {{"clip: |a| = \\text{clip}", "the slope inside"}, {0}};

#define NOTE                                                                                                           \
    "A missing start state is 0. Beyond a sample's entry of sequence_lens its state stays and its output is 0; the "   \
    "second direction starts at its last step. All learned tensors start uniform within 1/sqrt(hidden_size); with "    \
    "_reverse behind they are those of the second direction. The mask of dropout is noise, "                           \
    "[num_layers - 1, T, B, outputs], also with batch_first. "
#define LAYER_ROW                                                                                                      \
    .args_size = sizeof(struct nb_recurrent_args), .classes = lengths, .jacobian = "D", .lo = -1.5, .hi = 1.5
#define BACK_IN_TIME                                                                                                   \
    "back through all steps, \\bar h_t = g_t + \\bar a_{t+1} W_{hh};\\quad dW_{ih} = \\sum_t \\bar a_t^{\\mathsf T} "  \
    "x_t,\\quad dW_{hh} = \\sum_t \\bar a_t^{\\mathsf T} h_{t-1},\\quad db = \\sum_t \\bar a_t,\\quad "                \
    "dx_t = \\bar a_t W_{ih};\\quad "

const struct nb_module NB(nb_module_recurrent)[] = {
    {
        .type = "RNN",
        .onnx = "RNN",
        .summary = "Plain recurrent layers over a sequence.",
        .formula = "h_t = \\varphi(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh}),\\quad "
                   "\\varphi = \\tanh \\text{ or } \\operatorname{relu}",
        .derivative = BACK_IN_TIME "\\bar a_t = \\bar h_t\\, \\varphi'(a_t)",
        .source = "Elman 1990",
        .note = NOTE "ONNX has one layer, tensors W, R [directions, H, .] and both biases in B [directions, 2 H].",
        .args = rnn_args,
        .inputs = ports,
        .outputs = outputs,
        .kinks = rnn_kinks,
        .cases = rnn_cases,
        NB_RECURRENT_ROW(rnn),
        .branches = rnn_branches,
        LAYER_ROW,
    },
    {
        .type = "LSTM",
        .onnx = "LSTM",
        .summary = "Long short-term memory: layers over a sequence whose memory is guarded by gates.",
        .formula = "i, f, o = \\sigma(a_i), \\sigma(a_f), \\sigma(a_o),\\ g = \\tanh a_g,\\quad "
                   "a = W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh};\\quad "
                   "c_t = f c_{t-1} + i g,\\quad h_t = o \\tanh c_t",
        .derivative = BACK_IN_TIME
        "e = \\bar c_t + \\bar h_t\\, o\\, (1 - \\tanh^2 c_t),\\quad \\bar a = [e g\\, \\sigma'(a_i),\\ "
        "e\\, c_{t-1} \\sigma'(a_f),\\ e\\, i (1 - g^2),\\ \\bar h_t \\tanh c_t\\, \\sigma'(a_o)],\\quad "
        "\\bar c_{t-1} = e f",
        .source = "Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000; peepholes: Gers, Schraudolph, "
                  "Schmidhuber 2002",
        .note = NOTE "Blocks of weights are i, f, g, o, those of weight_ch (peephole) i, f, o. ONNX has one layer, "
                     "blocks i, o, f, c, peepholes P i, o, f, and both biases in B [directions, 8 H].",
        .args = lstm_args,
        .inputs = lstm_ports,
        .outputs = lstm_outputs,
        .kinks = kinks,
        .cases = lstm_cases,
        NB_RECURRENT_ROW(lstm),
        .branches = lstm_branches,
        LAYER_ROW,
    },
    {
        .type = "GRU",
        .onnx = "GRU",
        .summary = "Gated recurrent units: layers over a sequence that choose between the old state and a new one.",
        .formula = "r, z = \\sigma(a_r), \\sigma(a_z);\\quad n = \\tanh(W_{in} x_t + b_{in} + r (W_{hn} h_{t-1} + "
                   "b_{hn})) \\text{ or } \\tanh(W_{in} x_t + b_{in} + W_{hn} (r h_{t-1}) + b_{hn});\\quad "
                   "h_t = (1 - z) n + z h_{t-1}",
        .derivative = BACK_IN_TIME
        "e = \\bar h_t (1 - z)(1 - n^2),\\quad \\bar a_z = \\bar h_t (h_{t-1} - n)\\, \\sigma'(a_z),\\quad "
        "\\bar a_r = e\\, q\\, \\sigma'(a_r) \\text{ with } q = W_{hn} h_{t-1} + b_{hn}, \\text{ or } "
        "(e W_{hn})\\, h_{t-1} \\sigma'(a_r)",
        .source = "Cho et al. 2014; linear_before_reset: cuDNN, PyTorch",
        .note = NOTE
        "Blocks of weights are r, z, n. linear_before_reset 0 and 1 are different functions; PyTorch has 1, "
        "ONNX's default is 0. ONNX has one layer and blocks z, r, h.",
        .args = gru_args,
        .inputs = ports,
        .outputs = outputs,
        .kinks = kinks,
        .cases = gru_cases,
        NB_RECURRENT_ROW(gru),
        .branches = gru_branches,
        LAYER_ROW,
    },
    {0},
};
