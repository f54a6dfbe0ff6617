/* sweep - from the outputs to the leaves, operand by operand. */
#define NB_BUILD 1
#include "check/edges.h"
#include "check/operand.h"
#include "nabla/kernel.h"
#include "nabla/limits.h"
#include "nabla/team.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const double RHO = 1e-9;
enum { NOISE_ROUNDS = 4, SCATTER_ROUNDS = 16 };

static size_t entries(const struct nb_sweep *w, int v)
{
    return (size_t)nb_count(&w->at->plan->net.values.v[v].shape);
}

static const char *port_name(const struct nb_stand *s)
{
    const struct nb_port *ports = s->in_double->inputs;
    if (s->port >= s->op->nin) /* "fc.weight": the part behind the node */
        return s->at->plan->net.learned.v[s->at->plan->net.values.v[nb_stand_value(s->op, s->port)].of].name;
    for (int i = 0; ports && ports[i].name; i++)
        if (i == s->port || !ports[i + 1].name)
            return ports[i].name;
    return "in";
}

/* ---- setting up one operand ------------------------------------------------------------------------------------ */

/* outputs of the operation to which a gradient arrives */
static int arriving(const struct nb_sweep *w, const struct nb_op *op, int *list)
{
    int n = 0;
    for (int o = 0; o < op->nout; o++)
        if (w->n[0][op->out[o]] && !w->at->plan->net.values.v[op->out[o]].integer)
            list[n++] = o;
    return n;
}

static double *own_cotangent(const struct nb_operand *p, int o, size_t n, struct nb_error *e)
{
    struct nb_stream s = nb_stream_of(p->w->seed, "node");
    double *g = nb_alloc(p->arena, n, sizeof *g, e);
    if (g)
        nb_draw_amounts(s, (uint64_t)(unsigned)o << 40, n, g);
    return g;
}

/* Errors are those of all sets at once: the largest cotangent stands for all. */
static const double *size_of(const struct nb_operand *p, const struct nb_out *o, struct nb_error *e)
{
    double *size = p->w->sets > 1 ? nb_zalloc(p->arena, o->n, sizeof *size, e) : NULL;
    for (int k = 0; k < p->w->sets && size; k++)
        for (size_t j = o->range[k].first; j < o->range[k].last; j++)
            size[j] = fabs(o->g[k][j]) > size[j] ? fabs(o->g[k][j]) : size[j];
    return p->w->sets > 1 ? size : o->g[0];
}

static int set_up_out(struct nb_operand *p, int o, const double *base, struct nb_error *e)
{
    struct nb_sweep *w = p->w;
    struct nb_out *out = &p->out[o];
    int v = p->stand.op->out[p->stand.out[o]];
    *out = (struct nb_out){.n = entries(w, v), .base = base, .var = w->var[v], .terms = w->terms[v]};
    out->g = nb_small(p->arena, (size_t)p->sets + 1, sizeof *out->g, e);
    out->range = nb_small(p->arena, (size_t)p->sets + 1, sizeof *out->range, e);
    out->noise = nb_zalloc(p->arena, out->n, sizeof *out->noise, e);
    if (!out->g || !out->range || !out->noise)
        return -1;
    for (int k = 0; k < w->sets; k++)
        out->g[k] = w->n[k][v];
    if (p->sets > w->sets && !(out->g[w->sets] = own_cotangent(p, o, out->n, e)))
        return -1;
    return 0;
}

/* Entry j of an output is in block j / run % blocks wherever the carried axes lie side by side. */
static size_t find_run(const int32_t *block, size_t n, size_t blocks)
{
    size_t run = 1;
    while (run < n && block[run] == 0)
        run++;
    if (n % (run * blocks))
        return 0;
    for (size_t j = 0, b = 0; j < n; j += run, b = b + 1 == blocks ? 0 : b + 1)
        for (size_t i = j; i < j + run; i++)
            if (block[i] != (int32_t)b)
                return 0;
    return run;
}

static int group_out(struct nb_operand *p, int o, struct nb_error *e)
{
    struct nb_out *out = &p->out[o];
    size_t blocks = (size_t)p->blocks.blocks;
    const int32_t *block = p->blocks.block[o];
    out->groups = (struct nb_groups){out->n, blocks, find_run(block, out->n, blocks), block};
    for (int k = 0; k < p->sets; k++)
        out->range[k] = nb_weigh_range(&out->groups, out->g[k]);
    return (out->size = size_of(p, out, e)) ? 0 : -1;
}

static int set_up_unseen(struct nb_operand *p, struct nb_error *e)
{
    double most = fmax(nb_weigh_largest(p->stand.n, p->stand.point), nb_weigh_largest(p->stand.total, p->stand.base));
    most = fmin(fmax(most, 1), DBL_MAX);
    if (!(p->unseen = nb_zalloc(p->arena, 2 * (size_t)p->blocks.blocks, sizeof *p->unseen, e)))
        return -1;
    for (int k = 0; k < 2; k++)
        for (int o = 0; o < p->stand.nout && !p->affine; o++) {
            const struct nb_out *out = &p->out[o];
            const double *g = k ? out->g[p->sets - 1] : out->size;
            for (size_t j = 0; j < out->n; j++)
                p->unseen[k * p->blocks.blocks + out->groups.of[j]] += NB_UNSEEN * most * fabs(g[j]);
        }
    return 0;
}

static int set_up_slots(struct nb_operand *p, struct nb_error *e)
{
    int slots = p->stand.slots;
    p->dy = nb_small(p->arena, (size_t)slots, sizeof *p->dy, e);
    p->step = nb_small(p->arena, (size_t)slots, sizeof *p->step, e);
    p->error = nb_zalloc(p->arena, (size_t)slots, sizeof *p->error, e);
    if (!p->dy || !p->step || !p->error || set_up_unseen(p, e))
        return -1;
    for (int i = 0; i < slots; i++) {
        p->dy[i] = nb_alloc(p->arena, p->stand.total, sizeof **p->dy, e);
        p->step[i] = nb_alloc(p->arena, (size_t)p->blocks.blocks, sizeof **p->step, e);
        if (!p->dy[i] || !p->step[i])
            return -1;
    }
    return 0;
}

/* Floating-point operations of one evaluation, roughly. */
static double cost_of(const struct nb_stand *s)
{
    double n = (double)s->total + (double)s->n, last = 1;
    const struct nb_shape *y = nb_stand_shape(s, 0);
    if (!s->op->nw)
        return 20 * n;
    last = y->rank ? (double)y->dim[y->rank - 1] : 1;
    for (int i = 0; i < s->op->nw; i++)
        n += 2 * (double)nb_count(&s->d[0].call.w[i].shape) * (double)s->total / (last > 0 ? last : 1);
    return n;
}

static int set_up(struct nb_operand *p, const struct nb_op *op, int port, const int *list, int nout, struct nb_error *e)
{
    if (nb_stand_new(p->w->at, op, port, nout, list, nb_team_size(), p->arena, &p->stand, e) ||
        !(p->out = nb_zalloc(p->arena, (size_t)nout + 1, sizeof *p->out, e)))
        return -1;
    p->port = port_name(&p->stand);
    p->cost = cost_of(&p->stand);
    p->sets = p->w->sets + p->w->backward;
    const double *base = p->stand.base;
    for (int o = 0; o < nout; base += p->out[o].n, o++)
        if (set_up_out(p, o, base, e))
            return -1;
    return 0;
}

/* ---- how to sweep it ------------------------------------------------------------------------------------------- */

static bool declared_affine(const struct nb_stand *s)
{
    return s->in_double->jacobian && strchr(s->in_double->jacobian, s->port < s->op->nin ? 'A' : 'W');
}

/* About the size of the entries; as far as it takes to be seen beside outputs that are large already. */
static double affine_step(const struct nb_operand *p)
{
    double most = nb_weigh_largest(p->stand.n, p->stand.point), all = nb_weigh_largest(p->stand.total, p->stand.base);
    double h = most > 0 && (most < 0x1p-4 || most > 16) ? exp2(round(log2(most))) : 1;
    return isfinite(all) && p->slope > 0 && all > 16 * h * p->slope ? exp2(round(log2(all / p->slope))) : h;
}

static int64_t evaluations(const struct nb_stand *s)
{
    int64_t n = 0;
    for (int i = 0; i < s->slots; i++)
        n += s->reals[i] + s->complexes[i];
    return n;
}

/* A declaration that does not hold is our own error in a built-in module; the sweep goes on as if it were not there. */
static int find_structure(struct nb_operand *p, bool *refuted, struct nb_error *e)
{
    bool is = false, declared = declared_affine(&p->stand);
    if (declared && nb_is_affine(p, &is, e))
        return -1;
    p->affine = is;
    p->h = affine_step(p);
    *refuted = declared && !is;
    if (!is && nb_stand_add_complex(&p->stand, p->arena, e))
        return -1;
    int64_t before = evaluations(&p->stand);
    if (nb_blocks_find(&p->stand, p->affine, p->w->seed, p->arena, &p->blocks, e))
        return -1;
    p->w->facts->leak_evaluations += evaluations(&p->stand) - before;
    for (int o = 0; o < p->stand.nout; o++)
        if (group_out(p, o, e))
            return -1;
    const char *j = p->stand.in_double->jacobian;
    *refuted |= j && !strcmp(j, "P") && p->stand.in_double->pointwise && p->blocks.colours > 1;
    return set_up_slots(p, e);
}

static bool over_budget(const struct nb_operand *p)
{
    if (p->w->coverage != NB_COVER_AUTO)
        return p->w->coverage == NB_COVER_SIGNED && p->blocks.colours > 64;
    return p->cost * (double)p->blocks.colours * (p->affine ? 1 : 16) > p->w->budget;
}

/* What rounding inside the node does to its outputs: the operand is moved by units in the last place. */
static int measure_noise(struct nb_operand *p, struct nb_error *e)
{
    double *x = p->stand.d[0].x;
    struct nb_stream s = nb_stream_of(p->w->seed, "noise");
    for (int r = 0; r < NOISE_ROUNDS; r++) {
        nb_stir(s, (uint64_t)(unsigned)r << 40, p->stand.n, p->stand.point, x);
        if (nb_stand_real(&p->stand, 0, e))
            return -1;
        for (int o = 0; o < p->stand.nout; o++)
            for (size_t j = 0; j < p->out[o].n; j++)
                p->out[o].noise[j] = fmax(p->out[o].noise[j], fabs(nb_stand_y(&p->stand, 0, o)[j] - p->out[o].base[j]));
    }
    nb_stand_reset(&p->stand, 0);
    return 0;
}

/* ---- the node's own backward ----------------------------------------------------------------------------------- */

struct comparison {
    struct nb_operand *p;
    void **cotangent;
    double *got, *scatter; /* scatter: what rounding does to an honest backward, once there is something to explain */
    double largest;
    struct nb_branches edges;
};

static void **new_cotangents(const struct nb_operand *p, struct nb_error *e)
{
    const struct nb_stand *s = &p->stand;
    void **to = nb_small(p->arena, (size_t)s->op->nout + 1, sizeof *to, e);
    for (int o = 0; o < s->op->nout && to; o++)
        if (to[o] = NULL,
            s->d[0].call.out[o].data &&
                !(to[o] = nb_zalloc(p->arena, (size_t)nb_count(&s->d[0].call.out[o].shape), sizeof(double), e)))
            return NULL;
    return to;
}

static int run_backward(struct comparison *x, struct nb_error *e)
{
    struct nb_operand *p = x->p;
    struct nb_stand *s = &p->stand;
    x->got = nb_alloc(p->arena, s->n, sizeof *x->got, e);
    if (!x->got || !(x->cotangent = new_cotangents(p, e)))
        return -1;
    for (int o = 0; o < s->nout; o++)
        memcpy(x->cotangent[s->out[o]], p->out[o].g[p->sets - 1], p->out[o].n * sizeof(double));
    return nb_stand_backward(s, x->cotangent, x->got, e);
}

/* The cotangents, too, by units in the last place. */
static void stir_cotangents(const struct comparison *x, uint64_t round, void **to)
{
    const struct nb_stand *s = &x->p->stand;
    for (int o = 0; o < s->op->nout; o++) {
        size_t n = (size_t)nb_count(&s->d[0].call.out[o].shape);
        if (!to[o])
            continue;
        memcpy(to[o], x->cotangent[o], n * sizeof(double));
        nb_stir((struct nb_stream){round, (uint64_t)o << 32}, 0, n, to[o], to[o]);
    }
}

/* The other operands are shared: for once they are copies that are stirred, except for labels that refuse it. */
static int stir_others(struct nb_operand *p, uint64_t round, void **shared, struct nb_error *e)
{
    struct nb_tensor *rows = p->stand.d[0].rows;
    for (int i = 0; i < p->stand.op->nin + p->stand.op->nw; i++) {
        shared[i] = rows[i].data;
        if (i == p->stand.port || !rows[i].data || rows[i].dtype != NB_F64)
            continue;
        size_t n = (size_t)nb_count(&rows[i].shape);
        double *copy = nb_alloc(p->arena, n, sizeof *copy, e);
        if (!copy)
            return -1;
        nb_stir((struct nb_stream){round, (uint64_t)(unsigned)i}, 0, n, rows[i].data, copy);
        rows[i].data = copy;
    }
    return 0;
}

static int backward_nearby(struct comparison *x, uint64_t round, void *const *cotangent, double *gradient,
                           struct nb_error *e)
{
    struct nb_stand *s = &x->p->stand;
    int ports = s->op->nin + s->op->nw;
    void **shared = nb_zalloc(x->p->arena, (size_t)ports, sizeof *shared, e);
    if (!shared || stir_others(x->p, round, shared, e))
        return -1;
    int bad = nb_stand_stirred(s, cotangent, round, gradient, e);
    for (int i = 0; i < ports; i++)
        s->d[0].rows[i].data = shared[i];
    if (!bad || e->code != NB_E_bad_value)
        return bad;
    *e = (struct nb_error){0};
    return nb_stand_stirred(s, cotangent, round, gradient, e);
}

static int measure_scatter(struct comparison *x, struct nb_error *e)
{
    struct nb_operand *p = x->p;
    size_t n = p->stand.n;
    double *now = nb_alloc(p->arena, n, sizeof *now, e);
    void **cotangent = new_cotangents(p, e);
    if (!now || !cotangent || !(x->scatter = nb_zalloc(p->arena, n, sizeof *x->scatter, e)))
        return -1;
    for (uint64_t r = 1; r <= SCATTER_ROUNDS; r++) {
        stir_cotangents(x, r, cotangent);
        if (backward_nearby(x, r, cotangent, now, e))
            return -1;
        for (size_t i = 0; i < n; i++)
            x->scatter[i] = fmax(x->scatter[i], fabs(now[i] - x->got[i]));
    }
    nb_stand_reset(&p->stand, 0);
    return 0;
}

/* A unit in the last place of terms as large as they would be if nothing cancelled: what a node gives by what it takes.
 * Two numbers normalised are 1 and -1 whatever they are; no stirring shows what is lost on the way to that. */
static double lost_by_cancelling(const struct nb_operand *p)
{
    double x = nb_weigh_largest(p->stand.n, p->stand.point), g = 0;
    for (int o = 0; o < p->stand.nout; o++)
        g = fmax(g, nb_weigh_largest(p->out[o].n, p->out[o].g[p->sets - 1]));
    return x > 0 ? 4 * DBL_EPSILON * g * nb_weigh_largest(p->stand.total, p->stand.base) / x : 0;
}

/* Where numbers end nothing can be said. */
static int compare_entry(struct comparison *x, int64_t c, int64_t b, struct nb_error *e)
{
    struct nb_operand *p = x->p;
    int64_t i = nb_entry_of(p, c, b);
    double n = nb_kept(p, NB_OWN, c)[b], got = x->got[i], d = fabs(got - n), noise = 0;
    double bar = RHO * fmax(fabs(n), fabs(got)) + nb_kept(p, NB_OWN_BAR, c)[b] + 64 * DBL_EPSILON * x->largest;
    if (d <= bar || !p->w->ok || !isfinite(n) || nb_edges_hold(&x->edges, p->stand.port, i))
        return 0;
    if (!x->scatter && measure_scatter(x, e))
        return -1;
    if (d <= bar + 16 * x->scatter[i])
        return 0;
    if (!p->affine && nb_complex_scatter(p, p->sets - 1, c, b, &noise, e))
        return -1;
    if (d <= bar + 16 * x->scatter[i] + 8 * noise + lost_by_cancelling(p))
        return 0;
    p->w->ok = false;
    p->w->fault = nb_sprintf(p->w->arena, e, "%s, %s[%lld]: backward gives %.17g, the forward %.17g", p->stand.op->node,
                             p->port, (long long)i, got, n);
    return p->w->fault ? 0 : -1;
}

static int compare_backward(struct nb_operand *p, struct nb_error *e)
{
    struct comparison x = {.p = p};
    if (run_backward(&x, e) || nb_edges_collect(p->stand.in_double, &p->stand.d[0].call, p->arena, &x.edges, e))
        return -1;
    for (int64_t c = 0; c < p->blocks.colours; c++)
        x.largest = fmax(x.largest, nb_weigh_largest((size_t)p->blocks.blocks, nb_kept(p, NB_OWN, c)));
    for (int64_t c = 0; c < p->blocks.colours; c++)
        for (int64_t b = 0; b < p->blocks.blocks; b++)
            if (compare_entry(&x, c, b, e))
                return -1;
    return 0;
}

/* ---- results --------------------------------------------------------------------------------------------------- */

static int new_certainty(struct nb_sweep *w, int v, struct nb_error *e)
{
    w->var[v] = nb_zalloc(w->arena, entries(w, v), sizeof(double), e);
    w->terms[v] = nb_zalloc(w->arena, entries(w, v), sizeof(double), e);
    return w->var[v] && w->terms[v] ? 0 : -1;
}

static int make_gradient(struct nb_sweep *w, int v, struct nb_error *e)
{
    if (w->n[0][v])
        return 0;
    size_t n = entries(w, v);
    double *all = nb_zalloc(w->arena, n * (size_t)w->sets, sizeof *all, e); /* side by side: a Jacobian */
    if (!all)
        return -1;
    for (int k = 0; k < w->sets; k++)
        w->n[k][v] = all + (size_t)k * n;
    return new_certainty(w, v, e);
}

/* Where the operand's numbers go: they are the gradient, if it has none yet. */
static int begin_gradient(struct nb_operand *p, struct nb_error *e)
{
    struct nb_arena *a = p->w->n[0][p->value] ? p->arena : p->w->arena;
    double *all = nb_alloc(a, p->stand.n * (size_t)p->w->sets, sizeof *all, e);
    p->gradient = nb_small(p->arena, (size_t)p->w->sets, sizeof *p->gradient, e);
    p->kept = nb_alloc(p->arena, p->stand.n * NB_KEPT, sizeof *p->kept, e);
    if (!all || !p->gradient || !p->kept)
        return -1;
    for (int k = 0; k < p->w->sets; k++)
        p->gradient[k] = all + (size_t)k * p->stand.n;
    return 0;
}

static int add_gradient(struct nb_operand *p, struct nb_error *e)
{
    struct nb_sweep *w = p->w;
    int v = p->value;
    if (!w->n[0][v] && new_certainty(w, v, e))
        return -1;
    for (int k = 0; k < w->sets; k++)
        if (w->n[k][v])
            nb_add_d(p->stand.n, p->gradient[k], w->n[k][v]);
        else
            w->n[k][v] = p->gradient[k];
    for (int64_t c = 0; c < p->blocks.colours; c++)
        for (int64_t b = 0; b < p->blocks.blocks; b++) {
            int64_t i = nb_entry_of(p, c, b);
            double bar = nb_kept(p, NB_BAR, c)[b];
            w->var[v][i] += nb_kept(p, NB_VAR, c)[b] + bar * bar;
            w->terms[v][i] += nb_kept(p, NB_TERMS, c)[b];
        }
    return 0;
}

static int note_swept(struct nb_operand *p, const char *structure, bool refuted, struct nb_error *e)
{
    struct nb_facts *f = p->w->facts;
    const char *node = nb_strdup(p->w->arena, p->stand.op->node, e), *port = nb_strdup(p->w->arena, p->port, e);
    if (!node || !port || nb_grow(p->w->arena, &f->swept, f->nswept, &p->w->swept_cap, sizeof *f->swept, e))
        return -1;
    f->swept[f->nswept++] = (struct nb_swept){.node = node,
                                              .port = port,
                                              .structure = structure,
                                              .colours = p->blocks.colours,
                                              .entries = (int64_t)p->stand.n,
                                              .refuted = refuted};
    for (int i = 0; i < p->stand.slots; i++) {
        f->double_evaluations += p->stand.reals[i];
        f->complex_evaluations += p->stand.complexes[i];
    }
    f->leaks += refuted;
    return 0;
}

static const char *structure_of(const struct nb_operand *p, bool by_signs)
{
    if (by_signs)
        return p->affine ? "affine, signed" : "signed";
    if (p->affine)
        return p->blocks.carried ? "affine rows" : "affine";
    return p->blocks.name;
}

/* ---- one operand, one node, all -------------------------------------------------------------------------------- */

static int every_colour(struct nb_operand *p, struct nb_error *e)
{
    if (nb_colours(p, e))
        return -1;
    if (p->affine)
        return 0;
    return measure_noise(p, e) || nb_rungs(p, e) ? -1 : 0;
}

static int sweep_with(struct nb_operand *p, struct nb_error *e)
{
    bool refuted = false, by_signs = false;
    if (find_structure(p, &refuted, e) || begin_gradient(p, e))
        return -1;
    if (over_budget(p) && p->stand.in_double->backward && nb_signs(p, &by_signs, e))
        return -1;
    if (!by_signs && every_colour(p, e))
        return -1;
    if (!by_signs && p->w->backward && compare_backward(p, e))
        return -1;
    if (by_signs)
        p->w->facts->coverage = NB_COVER_SIGNED;
    return add_gradient(p, e) || note_swept(p, structure_of(p, by_signs), refuted, e) ? -1 : 0;
}

/* Operands that take a finite set of values (labels) refuse to be moved: they have no derivative. */
static int sweep_operand(struct nb_sweep *w, const struct nb_op *op, int port, const int *list, int nout,
                         struct nb_error *e)
{
    struct nb_operand p = {.w = w, .arena = &w->scratch, .value = nb_stand_value(op, port)};
    if (!entries(w, p.value))
        return make_gradient(w, p.value, e);
    int bad = set_up(&p, op, port, list, nout, e) || sweep_with(&p, e);
    nb_arena_again(&w->scratch);
    if (bad && e->code == NB_E_bad_value) {
        *e = (struct nb_error){0};
        w->set_valued[p.value] = true;
        return make_gradient(w, p.value, e);
    }
    return bad ? -1 : 0;
}

/* The numbers are the same, so is the gradient. */
static int pass_on(struct nb_sweep *w, int from, int to, struct nb_error *e)
{
    if (make_gradient(w, to, e))
        return -1;
    for (size_t i = 0; i < entries(w, to); i++) {
        for (int k = 0; k < w->sets; k++)
            w->n[k][to][i] += w->n[k][from][i];
        w->var[to][i] += w->var[from][i];
        w->terms[to][i] += w->terms[from][i];
    }
    return nb_chunk_done(w->chunks, NULL, 0, (int64_t)entries(w, to), 0, e);
}

static int sweep_node(struct nb_sweep *w, const struct nb_back *b, struct nb_error *e)
{
    const struct nb_op *op = &w->at->plan->net.ops.v[b->op];
    int *list = nb_small(w->arena, (size_t)op->nout + 1, sizeof *list, e);
    if (!list)
        return -1;
    int nout = arriving(w, op, list);
    bool alias = nb_op_module(op, NB_F64)->alias;
    for (int i = 0; i < op->nin + op->nw && nout; i++) {
        if ((i < op->nin ? b->in[i] : b->w[i - op->nin]) == NB_NO_FLOW)
            continue;
        int v = nb_stand_value(op, i);
        if (alias ? pass_on(w, op->out[0], v, e) : sweep_operand(w, op, i, list, nout, e))
            return -1;
    }
    return 0;
}

int64_t nb_sweep_entries(const struct nb_plan *p)
{
    int64_t n = 0;
    for (int k = 0; k < p->nback; k++) {
        const struct nb_back *b = &p->back[k];
        const struct nb_op *op = &p->net.ops.v[b->op];
        for (int i = 0; i < op->nin + op->nw; i++)
            if ((i < op->nin ? b->in[i] : b->w[i - op->nin]) != NB_NO_FLOW)
                n += nb_count(&p->net.values.v[nb_stand_value(op, i)].shape);
    }
    return n;
}

static int seed_cotangents(struct nb_sweep *w, struct nb_error *e)
{
    const struct nb_wants *wants = &w->at->plan->wants;
    for (int i = 0; i < wants->nseed; i++) {
        int v = wants->seed[i];
        if (make_gradient(w, v, e))
            return -1;
        for (size_t j = 0; j < entries(w, v); j++) {
            for (int k = 0; k < w->sets; k++) {
                w->n[k][v][j] += ((double *const *)w->g[k])[i][j];
                w->terms[v][j] = fmax(w->terms[v][j], w->n[k][v][j] * w->n[k][v][j]);
            }
        }
    }
    return 0;
}

int nb_sweep_run(struct nb_sweep *w, struct nb_error *e)
{
    size_t values = w->at->plan->net.values.n + 1;
    w->ok = true;
    w->n = nb_small(w->arena, (size_t)w->sets + 1, sizeof *w->n, e);
    w->var = nb_zalloc(w->arena, values, sizeof *w->var, e);
    w->terms = nb_zalloc(w->arena, values, sizeof *w->terms, e);
    w->set_valued = nb_zalloc(w->arena, values, sizeof *w->set_valued, e);
    if (!w->n || !w->var || !w->terms || !w->set_valued)
        return -1;
    for (int k = 0; k < w->sets; k++)
        if (!(w->n[k] = nb_zalloc(w->arena, values, sizeof **w->n, e)))
            return -1;
    nb_arena_init(&w->scratch, (size_t)nb_limits.memory);
    int bad = seed_cotangents(w, e);
    for (int k = 0; k < w->at->plan->nback && !bad; k++)
        bad = sweep_node(w, &w->at->plan->back[k], e);
    nb_arena_done(&w->scratch);
    return bad;
}
