/* derive - formulas at a point: what their names stand for comes from the graph's own forward. */
#include "grade/derive.h"
#include "graph/expressions.h"
#include <stdio.h>
#include <string.h>

static int at_formula(const struct nb_formulas *f, size_t i, struct nb_error *e)
{
    return nb_at(e, f->name[i]), nb_at(e, "expressions"), nb_at(e, "submission");
}

int nb_formulas_read(const struct nb_submission *s, struct nb_arena *a, struct nb_formulas *f, struct nb_error *e)
{
    *f = (struct nb_formulas){.n = s->nexpressions};
    f->name = nb_small(a, f->n + 1, sizeof *f->name, e);
    f->text = nb_small(a, f->n + 1, sizeof *f->text, e);
    if (!f->name || !f->text)
        return -1;
    for (size_t i = 0; i < f->n; i++) {
        f->name[i] = s->expressions[i].name;
        f->text[i] = s->expressions[i].text;
        if (nb_expression_names(f->text[i], &f->free, a, e))
            return at_formula(f, i, e);
    }
    return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* "g" if one cotangent comes in, "g.NAME" of several. */
static int seed_of(const struct nb_planned *p, const struct nb_run *run, const char *name)
{
    int n = p->plan.wants.nseed;
    if (!strcmp(name, "g"))
        return n == 1 ? 0 : -1;
    for (int i = 0; i < n && !strncmp(name, "g.", 2); i++) {
        const char *seed = p->loss >= 0 ? p->plan.net.losses.v[p->loss].name : run->cotangents.v[i].name;
        if (!strcmp(seed, name + 2))
            return i;
    }
    return -1;
}

static int value_of(const struct nb_net *net, const char *name)
{
    struct nb_error unknown = {0};
    int learned = nb_net_learned(net, name);
    if (learned >= 0)
        return net->learned.v[learned].value;
    for (size_t i = 0; i < net->outputs.n; i++)
        if (!strcmp(net->outputs.v[i].name, name))
            return net->outputs.v[i].value;
    return nb_net_find(net, name, &unknown);
}

static bool size_of(const struct nb_net *net, const char *name, int64_t *size)
{
    for (size_t i = 0; i < net->symbols.n; i++)
        if (!strcmp(net->symbols.v[i], name) && NB_IS_KNOWN(net->size[i]))
            return *size = net->size[i], true;
    return false;
}

static size_t formula_with(const struct nb_formulas *f, const char *name, struct nb_arena *a)
{
    for (size_t i = 0; i < f->n; i++) {
        struct nb_strings_list names = {0};
        struct nb_error ignored = {0};
        nb_expression_names(f->text[i], &names, a, &ignored);
        for (size_t k = 0; k < names.n; k++)
            if (!strcmp(names.v[k], name))
                return i;
    }
    return 0;
}

static int unknown(const struct nb_derivation *d, const char *name, const struct nb_run *run, struct nb_error *e)
{
    const char *seeds = d->p->plan.wants.nseed == 1 ? "g" : "g.OUTPUT";
    (void)run;
    nb_fail(e, NB_E_unknown_reference,
            "%.80s is no input, learned tensor, node or size of the graph; what comes in is called %s", name, seeds);
    return at_formula(d->f, formula_with(d->f, name, d->arena), e);
}

static int bind_name(struct nb_derivation *d, const struct nb_run *run, size_t i, struct nb_bound *b,
                     struct nb_error *e)
{
    const struct nb_net *net = &d->p->plan.net;
    struct nb_source *s = &d->source[i];
    *b = (struct nb_bound){.name = d->f->free.v[i]};
    *s = (struct nb_source){value_of(net, b->name), -1};
    if (s->value < 0 && (s->seed = seed_of(d->p, run, b->name)) < 0) {
        b->size = size_of(net, b->name, &b->shape.dim[0]);
        b->word = !strcmp(b->name, "pi") || !strcmp(b->name, "inf") ? b->name : NULL;
        return b->size || b->word ? 0 : unknown(d, b->name, run, e);
    }
    const struct nb_value *v = &net->values.v[s->value >= 0 ? s->value : d->p->plan.wants.seed[s->seed]];
    b->shape = v->shape;
    b->integer = v->integer;
    return 0;
}

/* The nodes that are spoken of have to be computed, too. */
static int ask_nodes(const struct nb_derivation *d, const struct nb_run *run, struct nb_run *with, struct nb_error *e)
{
    const struct nb_net *net = &d->p->plan.net;
    struct nb_strings_list *l = &with->outputs;
    *with = *run;
    *l = (struct nb_strings_list){0, nb_small(d->arena, d->f->free.n + 1, sizeof *l->v, e)};
    with->outputs_given = true;
    for (size_t i = 0; l->v && i < d->f->free.n; i++)
        if (nb_net_learned(net, d->f->free.v[i]) < 0 && value_of(net, d->f->free.v[i]) >= 0)
            l->v[l->n++] = d->f->free.v[i];
    if (!l->n)
        *l = run->outputs, with->outputs_given = run->outputs_given;
    return l->v || !l->n ? 0 : -1;
}

static int plan(struct nb_derivation *d, struct nb_graph *g, const struct nb_run *run, struct nb_run *with,
                struct nb_error *e)
{
    if (!(d->p = nb_graph_plan(g, NB_ASK_PLAIN, run, d->arena, e)) || ask_nodes(d, run, with, e))
        return -1;
    nb_planned_unref(d->p);
    return (d->p = nb_graph_plan(g, NB_ASK_PLAIN, with, d->arena, e)) ? 0 : -1;
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static int bind(struct nb_derivation *d, const struct nb_run *run, struct nb_bound **bound, struct nb_error *e)
{
    size_t n = d->f->free.n;
    d->source = nb_small(d->arena, n + 1, sizeof *d->source, e);
    *bound = nb_zalloc(d->arena, n + 1, sizeof **bound, e);
    if (!d->source || !*bound)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (bind_name(d, run, i, &(*bound)[i], e))
            return -1;
    return 0;
}

/* A fault of a formula stands at /INDEX. */
static int place(const struct nb_derivation *d, struct nb_error *e)
{
    size_t i;
    if (sscanf(e->pointer, "/%zu", &i) != 1 || i >= d->f->n)
        return -1;
    e->pointer[0] = '\0';
    return at_formula(d->f, i, e);
}

static int refuse_integers(const struct nb_derivation *d, struct nb_error *e)
{
    for (size_t i = 0; i < d->f->n; i++)
        if (d->q->plan.net.values.v[d->q->plan.wants.out[i]].integer)
            return nb_fail(e, NB_E_bad_dtype, "a gradient is real, this formula gives whole numbers"),
                   at_formula(d->f, i, e);
    return 0;
}

static int open_formulas(struct nb_derivation *d, const struct nb_bound *bound, enum nb_dtype dtype, struct nb_error *e)
{
    struct nb_run run = {0};
    char name[24];
    bool drew;
    if (!(d->graph = nb_expressions_graph(d->f->n, d->f->text, d->f->free.n, bound, d->arena, e)))
        return place(d, e);
    for (size_t i = 0; i < d->f->free.n; i++) {
        struct nb_tensor t = {bound[i].integer ? NB_I64 : NB_F64, bound[i].shape, NULL};
        if (bound[i].size || bound[i].word)
            continue;
        if (!(t.data = nb_zalloc(d->arena, (size_t)nb_count(&t.shape), 8, e)) ||
            nb_tensors_add(d->arena, &run.inputs, nb_strdup(d->arena, nb_expressions_input(i, name), e), t, e))
            return -1;
    }
    if (!(d->q = nb_graph_plan(d->graph, NB_ASK_FORWARD, &run, d->arena, e)) || refuse_integers(d, e))
        return -1;
    struct nb_fed fed = nb_graph_fed(d->graph, &run);
    return nb_session_new(&d->q->plan, dtype, &fed, d->arena, &d->t, &drew, e);
}

int nb_derivation_open(const struct nb_formulas *f, struct nb_graph *g, const struct nb_run *run, enum nb_dtype dtype,
                       struct nb_arena *a, struct nb_derivation *d, struct nb_error *e)
{
    struct nb_run with;
    struct nb_bound *bound;
    bool drew;
    *d = (struct nb_derivation){.f = f, .arena = a};
    if (plan(d, g, run, &with, e) || nb_graph_cotangents(d->p, run, dtype, a, &d->cotangent, e))
        return -1;
    struct nb_fed fed = nb_graph_fed(g, run);
    if (nb_session_new(&d->p->plan, dtype, &fed, a, &d->s, &drew, e) || bind(d, run, &bound, e))
        return -1;
    return open_formulas(d, bound, dtype, e);
}

void nb_derivation_release(struct nb_derivation *d)
{
    if (d->q)
        nb_planned_unref(d->q);
    if (d->graph)
        nb_graph_unref(d->graph);
    if (d->p)
        nb_planned_unref(d->p);
    *d = (struct nb_derivation){0};
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void bring(const struct nb_derivation *d, size_t i)
{
    const struct nb_source *s = &d->source[i];
    const struct nb_net *net = &d->q->plan.net;
    char name[24];
    int in = nb_net_input(net, nb_expressions_input(i, name));
    if (in < 0)
        return;
    const struct nb_value *v = &net->values.v[net->inputs.v[in].value];
    const void *from = s->value >= 0 ? d->s.data[s->value] : d->cotangent[s->seed];
    size_t size = nb_dtype_size(v->integer ? NB_I64 : d->t.dtype);
    memcpy(d->t.data[net->inputs.v[in].value], from, (size_t)nb_count(&v->shape) * size);
}

int nb_derive(struct nb_derivation *d, uint64_t stir, struct nb_error *e)
{
    if (nb_session_forward(&d->s, e))
        return -1;
    for (size_t i = 0; i < d->f->free.n; i++)
        bring(d, i);
    d->t.stir = stir;
    int bad = nb_session_forward(&d->t, e);
    d->t.stir = 0;
    return bad;
}

/* Entry k of the wanted shape, in the smaller one. */
static size_t entry_of(size_t k, const struct nb_shape *wanted, const struct nb_shape *from)
{
    size_t at = 0, stride = 1;
    for (int i = 1; i <= wanted->rank; i++) {
        int64_t size = wanted->dim[wanted->rank - i], own = i <= from->rank ? from->dim[from->rank - i] : 1;
        at += own == 1 ? 0 : (k % (size_t)size) * stride;
        stride *= (size_t)own;
        k /= (size_t)size;
    }
    return at;
}

int nb_derived(const struct nb_derivation *d, size_t i, const struct nb_shape *wanted, struct nb_tensor *t,
               struct nb_error *e)
{
    int v = d->q->plan.wants.out[i];
    const struct nb_shape *came = &d->q->plan.net.values.v[v].shape;
    struct nb_shape both;
    bool spreads = !nb_broadcast(came, wanted, &both) && nb_shape_same(&both, wanted) == 1;
    const struct nb_shape *shape = spreads ? wanted : came;
    size_t n = (size_t)nb_count(shape), size = nb_dtype_size(d->t.dtype);
    *t = (struct nb_tensor){d->t.dtype, *shape, nb_alloc(d->arena, n, size, e)};
    if (!t->data)
        return -1;
    for (size_t k = 0; k < n; k++)
        memcpy((char *)t->data + k * size, (char *)d->t.data[v] + (spreads ? entry_of(k, wanted, came) : k) * size,
               size);
    return 0;
}
