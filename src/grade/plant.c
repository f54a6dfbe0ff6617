/* plant - the formula of a mistake, with all names it may use, in place of a derivative. */
#include "grade/plant.h"
#include "graph/evaluate.h"
#include <string.h>

enum { MOST_CONSTANTS = 24 };
struct names {
    struct nb_tensors operands;
    struct nb_constant constant[MOST_CONSTANTS];
    size_t n;
};

static size_t entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

/* ---- operands -------------------------------------------------------------------------------------------------- */

/* The names of a module's learned tensors are known to its infer alone. */
static int learned_names(const struct nb_op *op, const struct nb_call *c, struct nb_infer *f, struct nb_arena *a,
                         struct nb_error *e)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    struct nb_shape *in = nb_small(a, (size_t)op->nin + 1, sizeof *in, e);
    bool *integer = nb_small(a, (size_t)op->nin + 1, sizeof *integer, e);
    void *args = nb_small(a, m->args_size + 1, 1, e);
    *f = (struct nb_infer){.args = args, .nin = op->nin, .in = in, .integer = integer, .train = c->train, .arena = a};
    if (!in || !integer || !args || !(f->out = nb_zalloc(a, (size_t)op->nout + 1, sizeof *f->out, e)))
        return -1;
    if (m->args_size)
        memcpy(args, op->args, m->args_size);
    for (int i = 0; i < op->nin; i++) {
        in[i] = c->in[i].shape;
        integer[i] = c->in[i].dtype == NB_I64;
    }
    f->nout = op->nout;
    return m->infer(f, e);
}

static int add(struct names *l, const char *name, const struct nb_tensor *t, struct nb_arena *a, struct nb_error *e)
{
    if (!t->data || nb_tensors_find(&l->operands, name))
        return 0;
    return nb_tensors_add(a, &l->operands, name, *t, e);
}

/* d is what the formula will stand in for: a copy. */
static int add_right(struct names *l, const struct nb_tensor *target, struct nb_arena *a, struct nb_error *e)
{
    struct nb_tensor d;
    if (nb_tensor_new(a, NB_F64, &target->shape, &d, e))
        return -1;
    memcpy(d.data, target->data, entries(target) * sizeof(double));
    return add(l, "d", &d, a, e);
}

static int add_operands(struct names *l, const struct nb_op *op, const struct nb_call *c, const struct nb_infer *f,
                        struct nb_arena *a, struct nb_error *e)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    if (add(l, "g", &c->gout[0], a, e) || add(l, "y", &c->out[0], a, e) || (c->nin && add(l, "x", &c->in[0], a, e)))
        return -1;
    for (int i = 0; i < c->nin; i++) {
        const struct nb_port *p = nb_port_at(m, i);
        if (p && add(l, p->name, &c->in[i], a, e))
            return -1;
    }
    for (int i = 0; i < c->nw && i < f->nw; i++)
        if (f->w[i].name[0] && add(l, f->w[i].name, &c->w[i], a, e))
            return -1;
    return 0;
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

static void constant(struct names *l, const char *name, double v)
{
    if (l->n < MOST_CONSTANTS)
        l->constant[l->n++] = (struct nb_constant){name, v};
}

static void add_argument(struct names *l, const struct nb_arg *a, const void *args)
{
    const void *at = (const char *)args + a->offset;
    const struct nb_ints *ints = at;
    if (a->type == NB_ARG_REAL)
        constant(l, a->name, *(const double *)at);
    else if (a->type == NB_ARG_INT || a->type == NB_ARG_BOOL || a->type == NB_ARG_CHOICE)
        constant(l, a->name, (double)*(const int64_t *)at);
    else if (a->type == NB_ARG_INTS && ints->n == 1)
        constant(l, a->name, (double)ints->v[0]);
}

/* Of a loss: 1, or what a mean divides by. */
static double share_of(const struct nb_op *op, const struct nb_call *c)
{
    const struct nb_arg *a = nb_op_module(op, NB_F64)->args;
    while (a && a->name && strcmp(a->name, "reduction"))
        a++;
    if (!a || !a->name || !c->nin || a->type != NB_ARG_CHOICE)
        return 1;
    const char *how = a->choices[*(const int64_t *)(const void *)((const char *)op->args + a->offset)];
    double n = (double)entries(&c->in[0]), batch = c->in[0].shape.rank ? (double)c->in[0].shape.dim[0] : 1;
    return !strcmp(how, "mean") ? 1 / n : !strcmp(how, "batchmean") ? 1 / batch : 1;
}

static void add_constants(struct names *l, const struct nb_op *op, const struct nb_call *c)
{
    const struct nb_module *m = nb_op_module(op, NB_F64);
    const struct nb_shape *x = c->nin ? &c->in[0].shape : &c->out[0].shape;
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        add_argument(l, a, op->args);
    constant(l, "N", x->rank ? (double)x->dim[0] : 1);
    constant(l, "channel", x->rank > 1 ? 1 : 0);
    constant(l, "share", share_of(op, c));
    constant(l, "weight", 1); /* an operand of this name comes first */
}

/* ---- planting ------------------------------------------------------------------------------------------------------
 */

static const struct nb_tensor *target_of(const struct nb_known *k, const struct nb_op *op, const struct nb_call *c,
                                         const struct nb_infer *f)
{
    if (!k->of)
        return c->nin ? &c->gin[0] : NULL;
    for (int i = 0; i < c->nin; i++) {
        const struct nb_port *p = nb_port_at(nb_op_module(op, NB_F64), i);
        if (p && !strcmp(p->name, k->of))
            return &c->gin[i];
    }
    for (int i = 0; i < c->nw && i < f->nw; i++)
        if (!strcmp(f->w[i].name, k->of))
            return &c->gw[i];
    return NULL;
}

bool nb_plant_has(const struct nb_known *k, const struct nb_op *op, const struct nb_back *b, bool train)
{
    bool flows = false;
    if ((k->mode == NB_TRAINING && !train) || (k->mode == NB_EVALUATING && train))
        return false;
    if (!k->of)
        return op->nin && b->in[0] != NB_NO_FLOW;
    for (int i = 0; i < op->nin; i++) {
        const struct nb_port *p = nb_port_at(nb_op_module(op, NB_F64), i);
        if (p && !strcmp(p->name, k->of))
            return b->in[i] != NB_NO_FLOW;
    }
    for (int i = 0; i < op->nw; i++)
        flows |= b->w[i] != NB_NO_FLOW;
    return flows;
}

/* The same entries, whatever else the shape says of a single one. */
static bool fits(const struct nb_tensor *got, const struct nb_tensor *target)
{
    return entries(got) == entries(target) && (nb_shape_same(&got->shape, &target->shape) == 1 || entries(got) == 1);
}

int nb_plant(const struct nb_known *k, const struct nb_op *op, const struct nb_call *c, struct nb_arena *a,
             struct nb_error *e)
{
    struct nb_infer f;
    struct names *l = nb_zalloc(a, 1, sizeof *l, e);
    struct nb_error why = {0};
    struct nb_tensor result;
    if (!l || learned_names(op, c, &f, a, e))
        return -1;
    const struct nb_tensor *target = target_of(k, op, c, &f);
    if (!target || !target->data)
        return 0;
    add_constants(l, op, c);
    if (add_right(l, target, a, e) || add_operands(l, op, c, &f, a, e))
        return -1;
    if (nb_evaluate(k->formula, &l->operands, l->constant, l->n, a, &result, &why)) {
        bool ours = why.code == NB_E_limit || why.code == NB_E_out_of_memory;
        return ours ? (*e = why, -1) : 0;
    }
    if (!fits(&result, target))
        return 0;
    memcpy(target->data, result.data, entries(target) * sizeof(double));
    return 1;
}
