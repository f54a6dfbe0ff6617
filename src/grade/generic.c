/* generic - ways of going wrong that many modules share. */
#include "grade/attempt.h"
#include <string.h>

static size_t entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

static int right(const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    return nb_op_module(op, NB_F64)->backward(c, e);
}

static const struct nb_shape *shape_of(const struct nb_slip *s, int v)
{
    return &s->plan->net.values.v[v].shape;
}

static void negate(const struct nb_tensor *t)
{
    double *v = t->data;
    for (size_t i = 0; v && i < entries(t); i++)
        v[i] = -v[i];
}

/* ---- slopes -------------------------------------------------------------------------------------------------------
 */

static bool same_shape(const struct nb_slip *s, const struct nb_op *op)
{
    return op->nin >= 1 && op->nout == 1 && s->back->in[0] != NB_NO_FLOW &&
           nb_shape_same(shape_of(s, op->in[0]), shape_of(s, op->out[0])) == 1;
}

/* Those with a kink have a mask instead (slip.c). */
static bool has_slope(const struct nb_slip *s, const struct nb_op *op)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    return !m->kinks && op->nin == 1 && same_shape(s, op) && m->jacobian && strchr("PR", m->jacobian[0]);
}

static int leave_out_slope(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    (void)s;
    if (right(op, c, e))
        return -1;
    memcpy(c->gin[0].data, c->gout[0].data, entries(&c->gin[0]) * sizeof(double));
    return 0;
}

static bool is_pointwise(const struct nb_slip *s, const struct nb_op *op)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    return op->nin == 1 && same_shape(s, op) && m->jacobian && m->jacobian[0] == 'P';
}

static int slope_twice(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    struct nb_call again = *c;
    if (right(op, c, e))
        return -1;
    s->gout[0] = c->gout[0];
    s->gout[0].data = memcpy(s->room, c->gin[0].data, entries(&c->gin[0]) * sizeof(double));
    again.gout = s->gout;
    if (right(op, &again, e))
        return -1;
    /* slopes of 1 and -1: that is the slope left out */
    s->none = !memcmp(c->gin[0].data, c->gout[0].data, entries(&c->gin[0]) * sizeof(double));
    return 0;
}

/* ---- products -----------------------------------------------------------------------------------------------------
 */

static bool is_square(const struct nb_slip *s, const struct nb_op *op)
{
    const struct nb_shape *x = op->nin ? shape_of(s, op->in[0]) : NULL;
    return is_pointwise(s, op) && x->rank == 2 && x->dim[0] == x->dim[1] && x->dim[0] > 1;
}

/* g @ slope: the slope is what comes back for ones. */
static int matrix_product(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    struct nb_call ones = *c;
    size_t n = (size_t)c->gin[0].shape.dim[0];
    const double *g = c->gout[0].data;
    double *slope = s->room, *to = c->gin[0].data;
    for (size_t i = 0; i < n * n; i++)
        slope[i] = 1;
    s->gout[0] = c->gout[0];
    s->gout[0].data = slope;
    ones.gout = s->gout;
    if (right(op, &ones, e))
        return -1;
    memcpy(slope, to, n * n * sizeof *slope);
    memset(to, 0, n * n * sizeof *to);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            for (size_t j = 0; j < n; j++)
                to[i * n + j] += g[i * n + k] * slope[k * n + j];
    return 0;
}

/* ---- signs --------------------------------------------------------------------------------------------------------
 */

static bool flows(const struct nb_slip *s, const struct nb_op *op)
{
    for (int i = 0; i < op->nin; i++)
        if (s->back->in[i] != NB_NO_FLOW)
            return true;
    return false;
}

static bool flows_first(const struct nb_slip *s, const struct nb_op *op)
{
    return op->nin > 1 && s->back->in[0] != NB_NO_FLOW;
}

static bool flows_second(const struct nb_slip *s, const struct nb_op *op)
{
    return op->nin > 1 && s->back->in[1] != NB_NO_FLOW;
}

static int negate_all(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    (void)s;
    if (right(op, c, e))
        return -1;
    for (int i = 0; i < op->nin; i++)
        negate(&c->gin[i]);
    return 0;
}

static int negate_first(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    (void)s;
    if (right(op, c, e))
        return -1;
    negate(&c->gin[0]);
    return 0;
}

static int negate_second(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    (void)s;
    if (right(op, c, e))
        return -1;
    negate(&c->gin[1]);
    return 0;
}

/* ---- several uses ------------------------------------------------------------------------------------------------ */

/* The first contribution to a gradient to which others are added. */
static bool is_first(const struct nb_slip *s, const struct nb_op *op)
{
    const struct nb_plan *p = s->plan;
    for (int b = 0; b < p->nback; b++) {
        const struct nb_op *other = p->back[b].op < 0 ? NULL : &p->net.ops.v[p->back[b].op];
        for (int i = 0; other && i < other->nin; i++)
            for (int k = 0; k < op->nin; k++)
                if (p->back[b].in[i] == NB_ADD && s->back->in[k] == NB_WRITE && other->in[i] == op->in[k])
                    return true;
    }
    return false;
}

/* Only inputs that others feed as well lose what comes from here. */
static int forget_first(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    const struct nb_plan *p = s->plan;
    if (right(op, c, e))
        return -1;
    for (int b = 0; b < p->nback; b++) {
        const struct nb_op *other = p->back[b].op < 0 ? NULL : &p->net.ops.v[p->back[b].op];
        for (int i = 0; other && i < other->nin; i++)
            for (int k = 0; k < op->nin; k++)
                if (p->back[b].in[i] == NB_ADD && s->back->in[k] == NB_WRITE && other->in[i] == op->in[k])
                    memset(c->gin[k].data, 0, entries(&c->gin[k]) * sizeof(double));
    }
    return 0;
}

static bool learns(const struct nb_slip *s, const struct nb_op *op)
{
    for (int i = 0; i < op->nw; i++)
        if (s->back->w[i] != NB_NO_FLOW)
            return true;
    return false;
}

static int forget_learned(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    (void)s;
    if (right(op, c, e))
        return -1;
    for (int i = 0; i < op->nw; i++)
        if (c->gw[i].data)
            memset(c->gw[i].data, 0, entries(&c->gw[i]) * sizeof(double));
    return 0;
}

/* What comes in from the step before counts as given. */
static int forget_inputs(struct nb_slip *s, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    (void)s;
    if (right(op, c, e))
        return -1;
    for (int i = 0; i < op->nin; i++)
        if (c->gin[i].data)
            memset(c->gin[i].data, 0, entries(&c->gin[i]) * sizeof(double));
    return 0;
}

const struct nb_slip_kind nb_generic[] = {
    {"slope left out", "slope_missing", "The gradient passes as if there were nothing: multiply by the slope.",
     has_slope, leave_out_slope},
    {"slope applied twice", "slope_twice", "The slope is applied twice.", is_pointwise, slope_twice},
    {"matrix product", "matrix_product", "The slope multiplies entry by entry: no matrix product.", is_square,
     matrix_product},
    {"first operand negated", "sign_first", "The sign of the first operand's gradient is reversed.", flows_first,
     negate_first},
    {"second operand negated", "sign_second", "The sign of the second operand's gradient is reversed.", flows_second,
     negate_second},
    {"negated", "sign_here", "The sign is reversed here.", flows, negate_all},
    {"the first contribution forgotten", "contribution_missing",
     "The tensor is used more than once: add what comes back from every use.", is_first, forget_first},
    {0},
};

#define OVERWRITTEN "Used several times: start from zero once, then add what every use brings; do not overwrite it."
const struct nb_slip_kind nb_only_first = {"only the first use", "only_first_use", OVERWRITTEN, learns, forget_learned};
const struct nb_slip_kind nb_only_last = {"only the last use", "only_last_use", OVERWRITTEN, learns, forget_learned};
const struct nb_slip_kind nb_one_step = {
    "not through time", "not_through_time",
    "The gradient flows back through every step: what came from the step before is "
    "no constant.",
    learns, forget_inputs};
