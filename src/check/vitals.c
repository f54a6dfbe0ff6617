/* vitals.c - after the forward every number is there, so activations and slopes are measured then; gradients come and
 * go during the backward, so each is measured when its operation's turn comes. */
#include "check/vitals.h"
#include "graph/ask.h"
#include "graph/scan.h"
#include <math.h>
#include <string.h>

const struct nb_advice nb_advices[NB_ADVICES] = {
#define ADVICE(name, text) {#name, text},
    NB_ADVICE_ROWS(ADVICE)
#undef ADVICE
};

const char *nb_flow_name(enum nb_flow_verdict v)
{
    static const char *const names[] = {"none", "healthy", "vanishing", "exploding"};
    return names[v];
}

/* ---- what modules are -------------------------------------------------------------------------------------------- */

static const struct trait {
    const char *type;
    enum nb_vital_kind kind;
    double steepest; /* slope, of the sigmoidal ones */
} traits[] = {
    {"ReLU", NB_RECTIFIER, 0},       {"ReLU6", NB_RECTIFIER, 0},        {"Threshold", NB_RECTIFIER, 0},
    {"LeakyReLU", NB_RECTIFIER, 0},  {"PReLU", NB_RECTIFIER, 0},        {"RReLU", NB_RECTIFIER, 0},
    {"ELU", NB_RECTIFIER, 0},        {"SELU", NB_RECTIFIER, 0},         {"CELU", NB_RECTIFIER, 0},
    {"GELU", NB_RECTIFIER, 0},       {"SiLU", NB_RECTIFIER, 0},         {"Mish", NB_RECTIFIER, 0},
    {"Softplus", NB_RECTIFIER, 0},   {"Hardswish", NB_RECTIFIER, 0},    {"HardSwish", NB_RECTIFIER, 0},
    {"Hardshrink", NB_RECTIFIER, 0}, {"Softshrink", NB_RECTIFIER, 0},   {"Sigmoid", NB_SIGMOIDAL, 0.25},
    {"Tanh", NB_SIGMOIDAL, 1},       {"Hardsigmoid", NB_SIGMOIDAL, 0},  {"HardSigmoid", NB_SIGMOIDAL, 0},
    {"Hardtanh", NB_SIGMOIDAL, 1},   {"Clip", NB_SIGMOIDAL, 1},         {"Softsign", NB_SIGMOIDAL, 1},
    {"LogSigmoid", NB_SIGMOIDAL, 1}, {"Atan", NB_SIGMOIDAL, 1},         {"Erf", NB_SIGMOIDAL, 1.1283791670955126},
    {"Softmax", NB_PROBABILITY, 0},  {"LogSoftmax", NB_PROBABILITY, 0},
};

static const struct trait *trait_of(const char *type)
{
    for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
        if (!strcmp(traits[i].type, type))
            return &traits[i];
    return NULL;
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

/* An operation inside of a scan: what the backward of each step shows of it, one behind the other. */
struct inner {
    struct nb_vital *x;
    const struct trait *trait;
    double *v, *slope; /* NULL: nobody asks for slopes */
    size_t n, room;
    long double sizes;  /* of its gradients */
    double early, late; /* mean size at the first step, at the last */
};

struct body {
    const struct nb_net *net;
    struct inner *inner; /* one for each operation */
};

struct taking {
    struct body *body; /* of each scan */
    size_t nbody;
    struct nb_session s;
    const struct nb_plan *plan;
    struct nb_vitals *out;
    struct nb_vital **of; /* per operation: its vital, or NULL */
    struct nb_arena *a;
};

/* The numbers of a tensor as doubles. */
static double *widened(const struct nb_tensor *t, struct nb_arena *a, struct nb_error *e)
{
    size_t n = (size_t)nb_count(&t->shape);
    double *v = nb_alloc(a, n, sizeof *v, e);
    if (v)
        nb_convert(NB_F64, v, t->dtype, t->data, n);
    return v;
}

static void measure_bins(struct nb_vital *x, const double *v, size_t n)
{
    double scale = x->max > x->min ? NB_VITAL_BINS / (x->max - x->min) : 0;
    for (size_t i = 0; i < n; i++) {
        int k = isfinite(v[i]) ? (int)((v[i] - x->min) * scale) : -1;
        if (k >= 0)
            x->bin[k < NB_VITAL_BINS ? k : NB_VITAL_BINS - 1]++;
    }
}

static void measure_values(struct nb_vital *x, const double *v, size_t n)
{
    long double sum = 0, squares = 0;
    int64_t m = 0;
    x->min = INFINITY;
    x->max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i])) {
            x->min = fmin(x->min, v[i]);
            x->max = fmax(x->max, v[i]);
            sum += v[i];
            m++;
        }
    x->not_finite = (int64_t)n - m;
    x->mean = m ? (double)(sum / m) : 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            squares += ((long double)v[i] - x->mean) * ((long double)v[i] - x->mean);
    x->spread = m ? (double)sqrtl(squares / m) : 0;
    x->min = m ? x->min : 0;
    x->max = m ? x->max : 0;
    x->centred = fabs(x->mean) <= NB_CENTRED_WITHIN * x->spread;
    measure_bins(x, v, n);
}

/* ---- slopes ------------------------------------------------------------------------------------------------------ */

/* A row of tensors for values of the session. */
static struct nb_tensor *tensors_of(struct taking *k, const int *values, int n, struct nb_arena *a, struct nb_error *e)
{
    struct nb_tensor *t = nb_small(a, (size_t)n + 1, sizeof *t, e);
    for (int i = 0; t && i < n; i++)
        t[i] = values[i] < 0 ? (struct nb_tensor){.shape.rank = -1} : nb_session_value(&k->s, values[i]);
    return t;
}

static int ones(struct nb_tensor *t, struct nb_arena *a, struct nb_error *e)
{
    size_t n = (size_t)nb_count(&t->shape);
    const double one = 1;
    if (!(t->data = nb_alloc(a, n, nb_dtype_size(t->dtype), e)))
        return -1;
    for (size_t i = 0; i < n; i++)
        nb_convert(t->dtype, (char *)t->data + i * nb_dtype_size(t->dtype), NB_F64, &one, 1);
    return 0;
}

/* The call of an operation, as the session makes it. */
static int make_call(struct taking *k, int index, struct nb_call *c, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_op *op = &k->plan->net.ops.v[index];
    size_t size = nb_dtype_size(k->s.dtype);
    *c = (struct nb_call){.args = op->args, .train = k->s.train, .nin = op->nin, .nout = op->nout, .nw = op->nw};
    c->in = tensors_of(k, op->in, op->nin, a, e);
    c->w = tensors_of(k, op->w, op->nw, a, e);
    c->out = tensors_of(k, op->out, op->nout, a, e);
    c->saved = k->s.kept + k->plan->saved[index] * size;
    c->work = k->s.loose + k->plan->scratch * size;
    return c->in && c->w && c->out ? 0 : -1;
}

static struct nb_tensor *without_data(const struct nb_tensor *from, int n, struct nb_arena *a, struct nb_error *e)
{
    struct nb_tensor *t = nb_small(a, (size_t)n + 1, sizeof *t, e);
    for (int i = 0; t && i < n; i++) {
        t[i] = from[i];
        t[i].data = NULL;
    }
    return t;
}

/* dy/dx of a pointwise operation at every entry: its own backward, asked with ones. */
static double *slopes(const struct nb_module *m, const struct nb_call *call, struct nb_arena *a, struct nb_error *e)
{
    struct nb_call c = *call;
    struct nb_tensor *gout = without_data(c.out, c.nout, a, e), *gin = without_data(c.in, c.nin, a, e);
    struct nb_tensor *gw = without_data(c.w, c.nw, a, e);
    if (!gout || !gin || !gw || !m->backward || ones(&gout[0], a, e) || ones(&gin[0], a, e))
        return NULL;
    c.gout = gout, c.gin = gin, c.gw = gw;
    return m->backward(&c, e) ? NULL : widened(&gin[0], a, e);
}

/* A unit is an entry of one sample; of pictures, [B, C, ...], a channel. */
static void find_units(const struct nb_shape *s, int64_t *units, int64_t *inner)
{
    *units = *inner = 1;
    if (s->rank >= 4)
        *units = s->dim[1];
    for (int i = s->rank >= 4 ? 2 : s->rank; i < s->rank; i++)
        *inner *= s->dim[i];
    for (int i = 1; i < s->rank && s->rank < 4; i++)
        *units *= s->dim[i];
}

static int measure_dead(struct nb_vital *x, const double *slope, size_t n, struct nb_arena *a, struct nb_error *e)
{
    int64_t inner, zeros = 0;
    find_units(&x->shape, &x->units, &inner);
    bool *alive = nb_zalloc(a, (size_t)x->units, sizeof *alive, e);
    if (!alive)
        return -1;
    for (size_t i = 0; i < n; i++) {
        zeros += slope[i] == 0;
        alive[(int64_t)i / inner % x->units] |= slope[i] != 0;
    }
    for (int64_t i = 0; n && i < x->units; i++)
        x->dead_units += !alive[i];
    x->dead = n ? (double)zeros / (double)n : 0;
    return 0;
}

static void measure_flat(struct nb_vital *x, const double *slope, size_t n, double steepest)
{
    size_t flat = 0;
    for (size_t i = 0; i < n && !(x->type[0] == 'H'); i++)
        flat += fabs(slope[i]) < NB_SATURATED_BELOW * steepest;
    for (size_t i = 0; i < n && x->type[0] == 'H'; i++) /* hard ones are flat or not */
        flat += slope[i] == 0;
    x->saturated = n ? (double)flat / (double)n : 0;
}

/* The entries of each softmax add up to 1, so their sum says how many there are. */
static void measure_certain(struct nb_vital *x, const double *v, size_t n)
{
    bool logs = !strcmp(x->type, "LogSoftmax");
    double sum = 0, certain = 0;
    for (size_t i = 0; i < n; i++) {
        double p = logs ? exp(v[i]) : v[i];
        sum += isfinite(p) ? p : 0;
        certain += p > NB_CERTAIN_ABOVE;
    }
    x->saturated = sum > 0.5 ? certain / round(sum) : 0;
}

static int judge_slopes(struct nb_vital *x, const double *slope, size_t n, const struct trait *trait,
                        struct nb_arena *a, struct nb_error *e)
{
    if (trait->kind == NB_RECTIFIER)
        return measure_dead(x, slope, n, a, e);
    measure_flat(x, slope, n, trait->steepest);
    return 0;
}

/* ---- one node after the other ------------------------------------------------------------------------------------ */

static int measure_slopes(struct taking *k, struct nb_vital *x, int index, const struct trait *trait,
                          struct nb_arena *a, struct nb_error *e)
{
    struct nb_call c;
    if (make_call(k, index, &c, a, e))
        return -1;
    const double *slope = slopes(nb_op_module(&k->plan->net.ops.v[index], k->s.dtype), &c, a, e);
    return slope ? judge_slopes(x, slope, (size_t)nb_count(&x->shape), trait, a, e) : e->code ? -1 : 0;
}

static int measure_op(struct taking *k, int index, struct nb_vital *x, struct nb_error *e)
{
    const struct nb_op *op = &k->plan->net.ops.v[index];
    const struct trait *trait = trait_of(nb_op_module(op, k->s.dtype)->type);
    struct nb_tensor t = nb_session_value(&k->s, op->out[0]);
    struct nb_arena own; /* for one operation at a time */
    *x = (struct nb_vital){.node = op->node, .type = nb_op_module(op, k->s.dtype)->type, .shape = t.shape};
    x->kind = trait ? trait->kind : NB_PLAIN;
    x->layer = trait || op->nw > 0;
    nb_arena_init(&own, k->a->cap);
    const double *v = widened(&t, &own, e);
    int failed = !v;
    if (v)
        measure_values(x, v, (size_t)nb_count(&t.shape));
    if (v && x->kind == NB_PROBABILITY)
        measure_certain(x, v, (size_t)nb_count(&t.shape));
    else if (v && trait)
        failed = measure_slopes(k, x, index, trait, &own, e);
    nb_arena_done(&own);
    return failed;
}

/* Numbers that can be told of: real, computed, their own. */
static bool is_told(const struct taking *k, int index)
{
    const struct nb_op *op = &k->plan->net.ops.v[index];
    int v = op->out[0];
    return op->nout > 0 && !k->plan->net.values.v[v].integer && k->plan->root[v] == v && k->s.data[v];
}

/* Places for the operations inside of a scan, behind its own. */
static int open_body(struct taking *k, const struct nb_scan *scan, struct nb_error *e)
{
    const struct nb_net *net = &scan->plan.net;
    struct body *b = &k->body[k->nbody];
    if (!(b->inner = nb_zalloc(k->a, net->ops.n + 1, sizeof *b->inner, e)))
        return -1;
    b->net = net;
    k->nbody++;
    for (size_t i = 0; i < net->ops.n; i++) {
        const struct nb_op *op = &net->ops.v[i];
        const struct nb_value *value = op->nout ? &net->values.v[op->out[0]] : NULL;
        const char *type = nb_op_module(op, k->s.dtype)->type;
        struct inner *in = &b->inner[i];
        if (!value || value->integer || nb_count(&value->shape) < 0)
            continue;
        in->trait = trait_of(type);
        in->room = (size_t)nb_count(&value->shape) * (size_t)scan->steps;
        in->x = &k->out->v[k->out->n++];
        *in->x = (struct nb_vital){.node = op->node, .type = type, .shape = value->shape, .inside = true};
        in->x->kind = in->trait ? in->trait->kind : NB_PLAIN;
    }
    return 0;
}

static int measure_ops(struct taking *k, struct nb_error *e)
{
    for (int i = 0; i < k->plan->nsteps; i++) {
        int index = k->plan->step[i];
        if (!is_told(k, index))
            continue;
        k->of[index] = &k->out->v[k->out->n++];
        const struct nb_scan *scan = k->plan->net.ops.v[index].scan;
        if (measure_op(k, index, k->of[index], e) || (scan && open_body(k, scan, e)))
            return -1;
    }
    return 0;
}

static int measure_inputs(struct taking *k, struct nb_error *e)
{
    for (size_t i = 0; i < k->plan->net.inputs.n; i++) {
        const struct nb_input *in = &k->plan->net.inputs.v[i];
        struct nb_arena own;
        if (k->plan->net.values.v[in->value].integer || !k->s.data[in->value] || !in->declared)
            continue;
        struct nb_tensor t = nb_session_value(&k->s, in->value);
        struct nb_vital *x = &k->out->v[k->out->n++];
        *x = (struct nb_vital){.node = in->name, .type = "input", .shape = t.shape};
        nb_arena_init(&own, k->a->cap);
        const double *v = widened(&t, &own, e);
        if (v)
            measure_values(x, v, (size_t)nb_count(&t.shape));
        nb_arena_done(&own);
        if (!v)
            return -1;
    }
    return 0;
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

static void measure_gradient(struct nb_vital *x, const struct nb_tensor *g)
{
    size_t n = (size_t)nb_count(&g->shape);
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs(g->dtype == NB_F32 ? (double)((const float *)g->data)[i] : ((const double *)g->data)[i]);
    x->reached = true;
    x->gradient = n ? (double)(sum / n) : 0;
}

/* The operation inside of a scan, or NULL. */
static struct inner *inner_of(const struct taking *k, const struct nb_op *op)
{
    for (size_t i = 0; i < k->nbody; i++) {
        const struct nb_op *first = k->body[i].net->ops.v;
        struct inner *in = op >= first && op < first + k->body[i].net->ops.n ? &k->body[i].inner[op - first] : NULL;
        if (in)
            return in->x ? in : NULL;
    }
    return NULL;
}

/* One step's numbers behind those of the steps seen before. */
static int append(struct taking *k, struct inner *in, const struct nb_op *op, const struct nb_call *c,
                  struct nb_arena *own, struct nb_error *e)
{
    size_t n = (size_t)nb_count(&c->out[0].shape);
    bool sloped = in->trait && in->trait->kind != NB_PROBABILITY;
    if (!in->v && (!(in->v = nb_alloc(k->a, in->room, sizeof *in->v, e)) ||
                   (sloped && !(in->slope = nb_alloc(k->a, in->room, sizeof *in->slope, e)))))
        return -1;
    if (in->n + n > in->room)
        return 0; /* the scan is inside of another one: what was seen is enough */
    nb_convert(NB_F64, in->v + in->n, c->out[0].dtype, c->out[0].data, n);
    if (sloped) {
        const double *slope = slopes(nb_op_module(op, k->s.dtype), c, own, e);
        if (!slope)
            return -1;
        memcpy(in->slope + in->n, slope, n * sizeof *slope);
    }
    in->n += n;
    return 0;
}

static int look_inside(struct taking *k, struct inner *in, const struct nb_op *op, const struct nb_call *c,
                       struct nb_error *e)
{
    struct nb_arena own; /* for one operation at a time */
    nb_arena_init(&own, k->a->cap);
    int failed = append(k, in, op, c, &own, e);
    nb_arena_done(&own);
    measure_gradient(in->x, &c->gout[0]);
    in->early = in->x->gradient;
    in->late = in->x->steps++ ? in->late : in->x->gradient;
    in->sizes += in->x->gradient;
    return failed;
}

/* In the place of an operation's backward: looks, then does it. */
static int look_and_go(void *context, const struct nb_op *op, const struct nb_call *c, struct nb_error *e)
{
    struct taking *k = context;
    const struct nb_op *first = k->plan->net.ops.v;
    struct nb_vital *x = op >= first && op < first + k->plan->net.ops.n ? k->of[op - first] : NULL;
    struct inner *in = inner_of(k, op);
    if (x && c->gout[0].data)
        measure_gradient(x, &c->gout[0]);
    if (in && c->gout[0].data && look_inside(k, in, op, c, e))
        return -1;
    return nb_op_module(op, k->s.dtype)->backward(c, e);
}

/* After the last step. */
static int close_inner(struct inner *in, struct nb_arena *a, struct nb_error *e)
{
    struct nb_vital *x = in->x;
    if (!x || !x->steps)
        return 0;
    measure_values(x, in->v, in->n);
    x->gradient = (double)(in->sizes / x->steps);
    x->through_time = in->late != 0 ? in->early / in->late : NAN;
    if (x->kind == NB_PROBABILITY)
        measure_certain(x, in->v, in->n);
    return in->slope ? judge_slopes(x, in->slope, in->n, in->trait, a, e) : 0;
}

/* What no step's backward came by is not told. */
static int close_bodies(struct taking *k, struct nb_error *e)
{
    struct nb_vitals *o = k->out;
    size_t kept = 0;
    for (size_t i = 0; i < k->nbody; i++)
        for (size_t j = 0; j < k->body[i].net->ops.n; j++)
            if (close_inner(&k->body[i].inner[j], k->a, e))
                return -1;
    for (size_t i = 0; i < o->n; i++)
        if (!o->v[i].inside || o->v[i].steps)
            o->v[kept++] = o->v[i];
    o->n = kept;
    return 0;
}

static void measure_input_gradients(struct taking *k)
{
    for (size_t i = 0; i < k->out->n; i++) {
        struct nb_vital *x = &k->out->v[i];
        int in = strcmp(x->type, "input") ? -1 : nb_net_input(&k->plan->net, x->node);
        int v = in < 0 ? -1 : k->plan->net.inputs.v[in].value;
        for (int w = 0; v >= 0 && w < k->plan->wants.nwrt; w++)
            if (k->plan->wants.wrt[w] == v && k->s.grad[v])
                measure_gradient(x, &(struct nb_tensor){k->s.dtype, x->shape, k->s.grad[v]});
    }
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

/* The last layer that a gradient reaches; without layers the last operation on more than one number. */
static ptrdiff_t find_last(const struct nb_vitals *o)
{
    ptrdiff_t other = -1;
    for (size_t i = o->n; i-- > 0;) {
        const struct nb_vital *x = &o->v[i];
        if (!x->reached || x->inside || !strcmp(x->type, "input") || !x->shape.rank)
            continue;
        if (x->layer)
            return (ptrdiff_t)i;
        other = other < 0 ? (ptrdiff_t)i : other;
    }
    return other;
}

/* Inside of a scan the way through time counts: from the last step to the first. */
static enum nb_flow_verdict judge_flow(const struct nb_vital *x)
{
    double ratio = x->inside ? x->through_time : x->ratio;
    if (!isfinite(x->gradient) || ratio > NB_EXPLODING_ABOVE)
        return NB_FLOW_EXPLODING;
    return x->gradient == 0 || ratio < NB_VANISHING_BELOW ? NB_FLOW_VANISHING : NB_FLOW_HEALTHY;
}

static unsigned advise(const struct nb_vital *x)
{
    const bool is[NB_ADVICES] = {
        [NB_ADVICE_dead_units] = x->dead_units > 0,
        [NB_ADVICE_saturated] = x->kind == NB_SIGMOIDAL && x->saturated > 0.5,
        [NB_ADVICE_certain] = x->kind == NB_PROBABILITY && x->saturated > 0.5,
        [NB_ADVICE_not_centred] = (x->kind == NB_RECTIFIER || x->kind == NB_SIGMOIDAL) && !x->centred,
        [NB_ADVICE_vanishing] = x->verdict == NB_FLOW_VANISHING,
        [NB_ADVICE_exploding] = x->verdict == NB_FLOW_EXPLODING,
    };
    unsigned bits = 0;
    for (int i = 0; i < NB_ADVICES; i++)
        bits |= (unsigned)is[i] << i;
    return bits;
}

static void judge(struct nb_vitals *o)
{
    o->last = find_last(o);
    double measure = o->last >= 0 ? o->v[o->last].gradient : 0;
    for (size_t i = 0; i < o->n; i++) {
        struct nb_vital *x = &o->v[i];
        bool below = x->reached && (x->inside || (ptrdiff_t)i <= o->last); /* behind the last layer is the loss */
        x->ratio = x->reached && measure != 0 ? x->gradient / measure : NAN;
        x->verdict = below ? judge_flow(x) : NB_FLOW_NONE;
        x->advice = advise(x);
        o->advice |= x->advice;
        o->verdict = x->verdict > o->verdict ? x->verdict : o->verdict;
    }
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int run_plan(struct taking *k, struct nb_graph *g, const struct nb_planned *p, const struct nb_run *run,
                    struct nb_error *e)
{
    struct nb_fed fed = nb_graph_fed(g, run);
    void **cotangent;
    size_t most = p->plan.net.inputs.n + p->plan.net.ops.n + 1, bodies = 1;
    for (size_t i = 0; i < p->plan.net.ops.n; i++)
        if (p->plan.net.ops.v[i].scan) {
            most += p->plan.net.ops.v[i].scan->net.ops.n;
            bodies++;
        }
    if (!(k->body = nb_zalloc(k->a, bodies, sizeof *k->body, e)) ||
        !(k->out->v = nb_zalloc(k->a, most, sizeof *k->out->v, e)) ||
        !(k->of = nb_zalloc(k->a, p->plan.net.ops.n + 1, sizeof *k->of, e)) ||
        nb_session_new(&p->plan, nb_graph_dtype(g), &fed, k->a, &k->s, &k->out->noise, e) ||
        nb_session_forward(&k->s, e) || measure_inputs(k, e) || measure_ops(k, e) ||
        nb_graph_cotangents(p, run, k->s.dtype, k->a, &cotangent, e))
        return -1;
    if (p->loss >= 0) {
        const struct nb_loss *l = &p->plan.net.losses.v[p->loss];
        k->out->loss_name = nb_strdup(k->a, l->name, e);
        nb_convert(NB_F64, &k->out->loss, k->s.dtype, k->s.data[l->value], 1);
    }
    k->s.instead = look_and_go;
    k->s.context = k;
    if (nb_session_backward(&k->s, cotangent, e))
        return -1;
    measure_input_gradients(k);
    if (close_bodies(k, e))
        return -1;
    judge(k->out);
    return e->code ? -1 : 0;
}

/* Names lie in the plan, which may be given up. */
static int own_names(struct nb_vitals *o, struct nb_arena *a, struct nb_error *e)
{
    for (size_t i = 0; i < o->n; i++)
        if (!(o->v[i].node = nb_strdup(a, o->v[i].node, e)))
            return -1;
    return 0;
}

int nb_vitals_take(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_vitals *out,
                   struct nb_error *e)
{
    *out = (struct nb_vitals){.last = -1};
    struct nb_planned *p = nb_graph_plan(g, NB_ASK_PLAIN, run, a, e);
    if (!p)
        return -1;
    struct taking k = {.plan = &p->plan, .out = out, .a = a};
    int failed = run_plan(&k, g, p, run, e) || own_names(out, a, e);
    nb_planned_unref(p);
    return failed ? -1 : 0;
}
