/* point - inputs and cotangents drawn from the seed. */
#include "check/point.h"
#include "check/domain.h"
#include "graph/snapshot.h"
#include <math.h>
#include <string.h>

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

static bool has_size(const struct nb_net *net, int value, int64_t d)
{
    const struct nb_shape *s = &net->values.v[value].shape;
    for (int k = 0; k < s->rank; k++)
        if (s->dim[k] == d)
            return true;
    return false;
}

static bool taken(const struct nb_net *net, const int64_t *size, size_t n, int64_t d)
{
    for (size_t i = 0; i < net->inputs.n; i++)
        if (has_size(net, net->inputs.v[i].value, d))
            return true;
    for (size_t i = 0; i < net->learned.n; i++)
        if (has_size(net, net->learned.v[i].value, d))
            return true;
    for (size_t i = 0; i < n; i++)
        if (size[i] == d)
            return true;
    return false;
}

/* 5, 7, 3, 9, 11, 13, ...: the first that no other dimension has. */
static int64_t odd_size(const struct nb_net *net, const int64_t *size, size_t n)
{
    static const int64_t first[] = {5, 7, 3};
    for (int i = 0; i < 3; i++)
        if (!taken(net, size, n, first[i]))
            return first[i];
    int64_t d = 9;
    while (taken(net, size, n, d))
        d += 2;
    return d;
}

static bool asked(const struct nb_run *run, size_t n, const char *symbol)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(run->dims.name[i], symbol))
            return true;
    return false;
}

static bool is_symbol(const struct nb_net *net, const char *name)
{
    for (size_t i = 0; i < net->symbols.n; i++)
        if (!strcmp(net->symbols.v[i], name))
            return true;
    return false;
}

/* The size asked for as "batch" is that of the dimension the first input begins with, whatever its name. */
static const char *batch_of(const struct nb_net *net, const char *name)
{
    const struct nb_shape *s = net->inputs.n ? &net->values.v[net->inputs.v[0].value].shape : NULL;
    bool other = strcmp(name, "batch") || is_symbol(net, name);
    return other || !s || s->rank < 1 || !NB_IS_SYM(s->dim[0]) ? name : net->symbols.v[s->dim[0] - NB_SYM(0)];
}

static int name_batch(struct nb_graph *g, struct nb_run *run, struct nb_arena *a, struct nb_error *e)
{
    const char **name = nb_small(a, run->dims.n + 1, sizeof *name, e);
    for (size_t i = 0; name && i < run->dims.n; i++) {
        name[i] = batch_of(&g->net, run->dims.name[i]);
        if (strcmp(name[i], run->dims.name[i]) && asked(run, run->dims.n, name[i]))
            return nb_fail(e, NB_E_bad_value, "batch is %.60s here, which has a size already", name[i]),
                   nb_at(e, "batch"), nb_at(e, "dims");
    }
    run->dims.name = name;
    return name ? 0 : -1;
}

void nb_point_batch(const struct nb_graph *g, const struct nb_net *net, const char **input, int64_t *size)
{
    *input = NULL;
    *size = 0;
    for (int pass = 0; pass < 2 && !*input; pass++)
        for (size_t i = 0; i < g->net.inputs.n && !*input; i++) {
            const char *name = g->net.inputs.v[i].name;
            const struct nb_shape *s = &g->net.values.v[g->net.inputs.v[i].value].shape;
            int here = nb_net_input(net, name);
            if (here < 0 || s->rank < 1 || (pass ? s->dim[0] == 1 : !NB_IS_SYM(s->dim[0])))
                continue;
            *input = name;
            *size = net->values.v[net->inputs.v[here].value].shape.dim[0];
        }
}

/* Sizes for symbols that nothing given binds; true in *bound if there were any. */
static int bind_free(const struct nb_net *net, struct nb_run *run, bool *bound, struct nb_arena *a, struct nb_error *e)
{
    size_t n = run->dims.n, given = n;
    const char **name = nb_small(a, n + net->symbols.n + 1, sizeof *name, e);
    int64_t *size = nb_small(a, n + net->symbols.n + 1, sizeof *size, e);
    if (!name || !size)
        return -1;
    for (size_t i = 0; i < n; i++) {
        name[i] = run->dims.name[i];
        size[i] = run->dims.size[i];
    }
    for (size_t i = 0; i < net->symbols.n; i++)
        if (!NB_IS_KNOWN(net->size[i]) && !asked(run, given, net->symbols.v[i])) {
            if (!(name[n] = nb_strdup(a, net->symbols.v[i], e)))
                return -1;
            size[n] = odd_size(net, size, n);
            n++;
        }
    *bound = n > given;
    run->dims.name = name;
    run->dims.size = size;
    run->dims.n = n;
    return 0;
}

static int build(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_net *net,
                 struct nb_error *e)
{
    struct nb_binding binding = {&run->inputs, run->dims.n, run->dims.name, run->dims.size, run->train};
    pthread_mutex_lock(&g->shared->lock);
    int bad = nb_net_build(g->shared->description, &binding, a, net, e);
    pthread_mutex_unlock(&g->shared->lock);
    return bad;
}

/* The net in numbers. Without inputs nothing but `dims` binds a symbol, so the graph's own net tells which are free. */
static int bind(struct nb_graph *g, struct nb_run *run, struct nb_arena *a, struct nb_net *net, struct nb_error *e)
{
    bool bound = false;
    if (!run->inputs.n)
        return bind_free(&g->net, run, &bound, a, e) || build(g, run, a, net, e) ? -1 : 0;
    if (build(g, run, a, net, e) || bind_free(net, run, &bound, a, e))
        return -1;
    return bound ? build(g, run, a, net, e) : 0;
}

/* ---- entries --------------------------------------------------------------------------------------------------- */

/* One number in each of n equal parts of (0, 1), in random order: all different, and spread evenly. */
static void spread(struct nb_stream s, size_t n, double *u)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = nb_word(s, 2 * i) % (i + 1);
        u[i] = u[j];
        u[j] = ((double)i + 0.2 + 0.6 * nb_uniform(s, 2 * i + 1)) / (double)n;
    }
}

/* Most kinks stand at multiples of 1/2, and formulas agree at 0 and 1: entries lie in bands between those. Inputs that
 * meet take turns with two narrower bands, so that their differences keep away from multiples of 1/2, too. */
struct bands {
    double from, to; /* of every half */
};

/* How much of the bands lies below x; and the x below which there is as much. */
static double below(struct bands b, double x)
{
    double half = floor(2 * x) / 2;
    return 2 * half * (b.to - b.from) + fmin(fmax(x - half - b.from, 0), b.to - b.from);
}

static double at_measure(struct bands b, double m)
{
    double k = floor(m / (b.to - b.from));
    return k / 2 + b.from + (m - k * (b.to - b.from));
}

/* u in (0, 1) to the bands within the interval. Where it has both signs each gets at least three tenths. */
static double in_bands(struct bands b, double lo, double hi, double u)
{
    double low = below(b, lo), high = below(b, hi);
    if (!(high - low > 0.2 * (hi - lo) * (b.to - b.from)))
        return lo + u * (hi - lo);
    if (low >= 0 || high <= 0)
        return at_measure(b, low + u * (high - low));
    double negative = fmin(fmax(-low / (high - low), 0.3), 0.7);
    return at_measure(b, u < negative ? low * (1 - u / negative) : high * (u - negative) / (1 - negative));
}

static void normalise_rows(const struct nb_shape *shape, double *x, size_t n)
{
    size_t row = shape->rank ? (size_t)shape->dim[shape->rank - 1] : 1;
    for (size_t i = 0; i < n; i += row) {
        double sum = 0;
        for (size_t j = 0; j < row; j++)
            sum += x[i + j];
        for (size_t j = 0; j < row && row > 1; j++)
            x[i + j] /= sum;
    }
}

static void fill(const struct nb_domain *d, struct bands b, bool integer, const struct nb_shape *shape, double *x,
                 size_t n)
{
    bool rows = d->letter == 'p' || d->letter == 'l';
    for (size_t i = 0; i < n; i++) {
        if (d->letter == 's' || d->letter == 'b')
            x[i] = x[i] > 0.5 ? 1 : d->letter == 's' ? -1 : 0;
        else if (integer)
            x[i] = floor((double)d->classes * x[i]);
        else
            x[i] = rows ? 0.1 + 0.85 * x[i] : in_bands(b, d->lo, d->hi, x[i]);
    }
    if (rows)
        normalise_rows(shape, x, n);
    for (size_t i = 0; i < n && d->letter == 'l'; i++)
        x[i] = log(x[i]);
}

/* ---- inputs ---------------------------------------------------------------------------------------------------- */

static int stream_of(const struct nb_run *run, const char *what, int which, const char *name, struct nb_arena *a,
                     struct nb_stream *s, struct nb_error *e)
{
    const char *text = which ? nb_sprintf(a, e, "%s/%d/%s", what, which, name) : nb_sprintf(a, e, "%s/%s", what, name);
    if (text)
        *s = nb_stream_of(run->seed, text);
    return text ? 0 : -1;
}

static void round_to_float(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)x[i];
}

static int keep(const char *name, struct nb_tensor t, bool single, struct nb_arena *a, struct nb_tensors *to,
                struct nb_tensors *list, struct nb_error *e)
{
    const char *own = nb_strdup(a, name, e);
    if (single)
        round_to_float(t.data, (size_t)nb_count(&t.shape));
    return !own || nb_tensors_add(a, to, own, t, e) || nb_tensors_add(a, list, own, t, e) ? -1 : 0;
}

static int draw_input(const struct nb_net *net, const struct nb_input *in, struct bands b, struct nb_stream s,
                      struct nb_arena *a, struct nb_tensor *t, struct nb_error *e)
{
    const struct nb_value *x = &net->values.v[in->value];
    struct nb_domain d;
    if (nb_domain_of(net, in, a, &d, e) || nb_tensor_new(a, NB_F64, &x->shape, t, e))
        return -1;
    size_t n = (size_t)nb_count(&x->shape);
    spread(s, n, t->data);
    fill(&d, b, x->integer, &x->shape, t->data, n);
    return 0;
}

static int draw_inputs(const struct nb_net *net, struct nb_run *run, int which, struct nb_arena *a,
                       struct nb_verdicts *v, struct nb_error *e)
{
    static const struct bands one = {0.05, 0.45}, turn[] = {{0.05, 0.2}, {0.3, 0.45}};
    for (size_t i = 0; i < net->inputs.n; i++) {
        const struct nb_input *in = &net->inputs.v[i];
        struct nb_stream s;
        struct nb_tensor t;
        const struct nb_shape *shape = &net->values.v[in->value].shape;
        if (in->sample != NB_FED || nb_tensors_find(&run->inputs, in->name) || !nb_shape_known(shape))
            continue;
        if (nb_count(shape) < 0)
            return nb_fail(e, NB_E_limit, "%.60s would have 2^31 entries or more", in->name), nb_at(e, "dims");
        if (stream_of(run, "point", which, in->name, a, &s, e) ||
            draw_input(net, in, net->inputs.n > 1 ? turn[i % 2] : one, s, a, &t, e) ||
            keep(in->name, t, net->dtype == NB_F32, a, &run->inputs, &v->point, e))
            return -1;
    }
    return 0;
}

/* ---- cotangents ------------------------------------------------------------------------------------------------ */

/* Less than 60 degrees from all ones, or from all minus ones. */
bool nb_nearly_constant(const double *g, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += g[i];
        squares += g[i] * g[i];
    }
    return n > 1 && 4 * sum * sum > (double)n * squares;
}

static void draw_cotangent(struct nb_stream s, double *g, size_t n)
{
    uint64_t at = 0;
    do
        for (size_t i = 0; i < n; i++, at++)
            g[i] = (nb_word(s, at) & 1 ? 1 : -1) * (0.5 + nb_uniform(s, at));
    while (nb_nearly_constant(g, n) && at < 64 * n);
}

static int add_cotangent(const struct nb_net *net, const char *name, int value, struct nb_run *run, int which,
                         struct nb_arena *a, struct nb_verdicts *v, struct nb_error *e)
{
    const struct nb_value *y = &net->values.v[value];
    struct nb_stream s;
    struct nb_tensor t;
    if (y->integer || nb_count(&y->shape) < 0)
        return 0;
    if (stream_of(run, "cotangent", which, name, a, &s, e) || nb_tensor_new(a, NB_F64, &y->shape, &t, e))
        return -1;
    draw_cotangent(s, t.data, (size_t)nb_count(&y->shape));
    return keep(name, t, net->dtype == NB_F32, a, &run->cotangents, &v->cotangents, e);
}

static int draw_cotangents(const struct nb_net *net, struct nb_run *run, int which, struct nb_arena *a,
                           struct nb_verdicts *v, struct nb_error *e)
{
    for (size_t i = 0; i < net->outputs.n; i++) {
        bool twice = false;
        for (size_t k = 0; k < i; k++)
            twice |= net->outputs.v[k].value == net->outputs.v[i].value;
        if (!twice && add_cotangent(net, net->outputs.v[i].name, net->outputs.v[i].value, run, which, a, v, e))
            return -1;
    }
    return 0;
}

static const char *reference_to(const struct nb_net *net, int value)
{
    for (size_t i = 0; i < net->probes.n; i++)
        if (net->probes.v[i].value == value)
            return net->probes.v[i].name;
    return NULL;
}

/* At the outputs of the modules whose backward is given, those around others. */
static int draw_inner_cotangents(const struct nb_net *net, struct nb_run *run, int which, struct nb_arena *a,
                                 struct nb_verdicts *v, struct nb_error *e)
{
    for (size_t i = 0; i < net->given.n; i++) {
        const struct nb_given *g = &net->given.v[i];
        for (int o = 0; o < g->nout && g->parent < 0; o++) {
            const char *name = reference_to(net, g->out[o]);
            if (name && add_cotangent(net, name, g->out[o], run, which, a, v, e))
                return -1;
        }
    }
    return 0;
}

int nb_point_draw(struct nb_graph *g, struct nb_run *run, int which, struct nb_arena *a, struct nb_verdicts *v,
                  struct nb_error *e)
{
    struct nb_net net;
    if (name_batch(g, run, a, e) || bind(g, run, a, &net, e) || draw_inputs(&net, run, which, a, v, e))
        return -1;
    if (run->loss || run->cotangents_given)
        return 0;
    run->cotangents_given = true;
    if (which && net.given.n)
        return draw_inner_cotangents(&net, run, which, a, v, e);
    return draw_cotangents(&net, run, which, a, v, e);
}

/* ---- learned tensors --------------------------------------------------------------------------------------------- */

/* By up to a third of what it is, which keeps its sign; away from zero. */
static double stirred(double x, double u)
{
    return x != 0 ? x * (0.7 + 0.6 * u) : u < 0.5 ? u - 0.6 : u - 0.4;
}

static int stir(const struct nb_graph *g, const char *name, struct nb_stream s, struct nb_arena *a,
                struct nb_tensors *to, struct nb_error *e)
{
    const struct nb_tensor *from = nb_tensors_find(nb_graph_parameters(g), name);
    struct nb_tensor t;
    if (!from || nb_tensor_new(a, NB_F64, &from->shape, &t, e))
        return from ? -1 : 0;
    size_t n = (size_t)nb_count(&from->shape);
    nb_convert(NB_F64, t.data, from->dtype, from->data, n);
    for (size_t i = 0; i < n; i++)
        ((double *)t.data)[i] = stirred(((double *)t.data)[i], nb_uniform(s, i));
    return nb_tensors_add(a, to, name, t, e);
}

struct nb_graph *nb_point_learned(struct nb_graph *g, const struct nb_net *net, struct nb_seed seed, int which,
                                  struct nb_arena *a, struct nb_error *e)
{
    struct nb_tensors moved = {0};
    for (size_t i = 0; i < net->learned.n; i++) {
        const struct nb_learned *l = &net->learned.v[i];
        const char *text = nb_sprintf(a, e, "learned/%d/%s", which, l->name);
        if (!text || (!l->buffer && l->tie < 0 && stir(g, l->name, nb_stream_of(seed, text), a, &moved, e)))
            return NULL;
    }
    return nb_graph_with(g, &moved, false, e);
}
