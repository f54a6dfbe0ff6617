/* slip - mistakes in the backward of one operation, made around the right one while the whole backward runs. */
#include "check/mistake.h"
#include <string.h>

static size_t entries(const struct nb_tensor *t)
{
    return t->data ? (size_t)nb_count(&t->shape) : 0;
}

static int right(const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    return nb_op_module(op, NB_F64)->backward(c, e);
}

static const struct nb_shape *shape_of(const struct nb_slip *s, int v)
{
    return &s->plan->net.values.v[v].shape;
}

/* ---- cotangents ------------------------------------------------------------------------------------------------ */

/* The call with copies of its cotangents that may be changed. */
static struct nb_call with_copies(struct nb_slip *s, const struct nb_call *c)
{
    struct nb_call d = *c;
    double *to = s->room;
    for (int i = 0; i < c->nout; i++) {
        s->gout[i] = c->gout[i];
        if (!c->gout[i].data) /* a scan's, that nobody uses */
            continue;
        s->gout[i].data = memcpy(to, c->gout[i].data, entries(&c->gout[i]) * sizeof *to);
        to += entries(&c->gout[i]);
    }
    d.gout = s->gout;
    return d;
}

static bool always(const struct nb_slip *s, const struct nb_op *op)
{
    (void)s, (void)op;
    return true;
}

/* In a loss some cotangents are 1 whatever happens: to take them for 1 is right. */
static int ignore_cotangent(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    struct nb_call d = with_copies(s, c);
    bool ones = true;
    for (int i = 0; i < c->nout; i++)
        for (size_t j = 0; j < entries(&s->gout[i]); j++) {
            double *g = (double *)s->gout[i].data + j;
            ones &= *g == 1;
            *g = 1;
        }
    s->none = ones && s->loss;
    return right(op, &d, e);
}

static bool begins_with_batch(const struct nb_slip *s, int v)
{
    return v >= 0 && shape_of(s, v)->rank > 0 && shape_of(s, v)->dim[0] == s->batch;
}

/* Something that has no samples is fed by all of them. */
static bool sums_samples(const struct nb_slip *s, const struct nb_op *op)
{
    bool sums = false;
    for (int i = 0; i < op->nin; i++)
        sums |= s->back->in[i] != NB_NO_FLOW && !begins_with_batch(s, op->in[i]);
    for (int i = 0; i < op->nw; i++)
        sums |= s->back->w[i] != NB_NO_FLOW && !begins_with_batch(s, op->w[i]);
    return s->batch > 0 && begins_with_batch(s, op->out[0]) && sums;
}

static int leave_out_last(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    struct nb_call d = with_copies(s, c);
    for (int i = 0; i < c->nout; i++)
        if (begins_with_batch(s, op->out[i]) && s->gout[i].data) {
            size_t n = entries(&s->gout[i]), row = n / (size_t)s->batch;
            memset((double *)s->gout[i].data + n - row, 0, row * sizeof(double));
        }
    return right(op, &d, e);
}

/* ---- masks ----------------------------------------------------------------------------------------------------- */

static bool has_mask(const struct nb_slip *s, const struct nb_op *op)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    return m->kinks && m->jacobian && m->jacobian[0] == 'P' && op->nin == 1 && s->back->in[0] != NB_NO_FLOW &&
           nb_shape_same(shape_of(s, op->in[0]), shape_of(s, op->out[0])) == 1;
}

static int drop_mask(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    (void)s;
    if (right(op, c, e))
        return -1;
    memcpy(c->gin[0].data, c->gout[0].data, entries(&c->gin[0]) * sizeof(double));
    return 0;
}

static int invert_mask(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    (void)s;
    if (right(op, c, e))
        return -1;
    double *to = c->gin[0].data;
    for (size_t i = 0; i < entries(&c->gin[0]); i++)
        to[i] = ((const double *)c->gout[0].data)[i] - to[i];
    return 0;
}

/* ---- operands -------------------------------------------------------------------------------------------------- */

static bool has_two(const struct nb_slip *s, const struct nb_op *op)
{
    return op->nin == 2 && s->back->in[0] != NB_NO_FLOW && s->back->in[1] != NB_NO_FLOW &&
           nb_count(shape_of(s, op->in[0])) == nb_count(shape_of(s, op->in[1]));
}

/* Where the operands differ and their gradients do not, as in a sum, there is nothing to take for one another. */
static int swap_operands(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    if (right(op, c, e))
        return -1;
    size_t n = entries(&c->gin[0]);
    double *a = c->gin[0].data, *b = c->gin[1].data;
    s->none =
        op->in[0] == op->in[1] || (!memcmp(a, b, n * sizeof *a) && memcmp(c->in[0].data, c->in[1].data, n * sizeof *a));
    for (size_t i = 0; i < n; i++) {
        double keep = a[i];
        a[i] = b[i];
        b[i] = keep;
    }
    return 0;
}

/* The tensor has other uses, whose contributions have come before. */
static bool adds(const struct nb_slip *s, const struct nb_op *op)
{
    for (int i = 0; i < op->nin; i++)
        if (s->back->in[i] == NB_ADD)
            return true;
    for (int i = 0; i < op->nw; i++)
        if (s->back->w[i] == NB_ADD)
            return true;
    return false;
}

static int forget_contribution(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    if (right(op, c, e))
        return -1;
    for (int i = 0; i < op->nin; i++)
        if (s->back->in[i] == NB_ADD)
            memset(c->gin[i].data, 0, entries(&c->gin[i]) * sizeof(double));
    for (int i = 0; i < op->nw; i++)
        if (s->back->w[i] == NB_ADD)
            memset(c->gw[i].data, 0, entries(&c->gw[i]) * sizeof(double));
    return 0;
}

const struct nb_slip_kind nb_slips[] = {
    {"cotangent ignored", "cotangent_ignored", "Multiply by the gradient that comes in.", always, ignore_cotangent},
    {"last sample left out", "last_sample_missing", "The last sample does not count: where does the loop end?",
     sums_samples, leave_out_last},
    {"mask dropped", "mask_missing", "The gradient passes everywhere: multiply by the slope.", has_mask, drop_mask},
    {"mask inverted", "mask_inverted", "The slopes of the two sides are exchanged.", has_mask, invert_mask},
    {"operands swapped", "operands_swapped", "Each operand gets the gradient of the other.", has_two, swap_operands},
    {"a contribution forgotten", "contribution_missing",
     "The tensor is used more than once: add what comes back from every use.", adds, forget_contribution},
    {0},
};

int nb_slip_backward(void *slip, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    struct nb_slip *s = slip;
    return op == &s->plan->net.ops.v[s->back->op] ? s->kind->backward(s, op, c, e) : right(op, c, e);
}
