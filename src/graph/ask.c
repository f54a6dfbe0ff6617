/* ask - from names in a request to values of a net, and the cache of plans. */
#include "graph/ask.h"
#include "graph/snapshot.h"
#include "graph/value.h"
#include "nabla/limits.h"
#include <stdlib.h>
#include <string.h>

/* ---- the key: everything a plan depends on --------------------------------------------------------------------- */

struct key {
    struct nb_arena *arena;
    char *v;
    size_t n, cap;
    struct nb_error *error;
    bool bad;
};

static void put(struct key *k, const void *bytes, size_t n)
{
    if (k->bad)
        return;
    if (k->n + n > k->cap) {
        size_t cap = (k->cap + n) * 2 + 256;
        char *v = nb_small(k->arena, cap, 1, k->error);
        if (!v) {
            k->bad = true;
            return;
        }
        if (k->n)
            memcpy(v, k->v, k->n);
        k->v = v;
        k->cap = cap;
    }
    memcpy(k->v + k->n, bytes, n);
    k->n += n;
}

static void put_text(struct key *k, const char *s)
{
    put(k, s, strlen(s) + 1);
}

static void put_names(struct key *k, char mark, bool given, const struct nb_strings_list *l)
{
    put(k, (char[]){mark, (char)given}, 2);
    for (size_t i = 0; given && i < l->n; i++)
        put_text(k, l->v[i]);
}

static void put_shapes(struct key *k, char mark, const struct nb_tensors *l)
{
    put(k, &mark, 1);
    for (size_t i = 0; i < l->n; i++) {
        const struct nb_shape *s = &l->v[i].t.shape;
        put_text(k, l->v[i].name);
        put(k, &s->rank, sizeof s->rank);
        put(k, s->dim, (size_t)s->rank * sizeof *s->dim);
    }
}

static int make_key(struct key *k, enum nb_ask ask, const struct nb_run *run)
{
    put(k, (char[]){(char)ask, (char)run->train, (char)run->cotangents_given}, 3);
    put_shapes(k, 'i', &run->inputs);
    put_shapes(k, 'c', &run->cotangents);
    put_names(k, 'o', run->outputs_given, &run->outputs);
    put_names(k, 'w', run->wrt_given, &run->wrt);
    put_text(k, run->loss ? run->loss : "");
    for (size_t i = 0; i < run->dims.n; i++) {
        put_text(k, run->dims.name[i]);
        put(k, &run->dims.size[i], sizeof *run->dims.size);
    }
    return k->bad ? -1 : 0;
}

static uint64_t hash_of(const char *v, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)v[i]) * 1099511628211u;
    return h;
}

/* ---- what is asked --------------------------------------------------------------------------------------------- */

struct asking {
    const struct nb_run *run;
    struct nb_planned *p;
    struct nb_net *net;
    struct nb_wants *wants;
    struct nb_arena *arena;
};

static int add_want(struct nb_arena *a, int **list, int *n, int v, struct nb_error *e)
{
    size_t cap = (size_t)*n;
    if (nb_grow(a, list, (size_t)*n, &cap, sizeof **list, e))
        return -1;
    (*list)[(*n)++] = v;
    return 0;
}

/* An output of the graph by its own name, else a node, an input, a probe. */
static int find_value(const struct nb_net *net, const char *name, enum nb_dtype *d, struct nb_error *e)
{
    *d = net->dtype;
    for (size_t i = 0; i < net->outputs.n; i++)
        if (!strcmp(net->outputs.v[i].name, name)) {
            *d = net->outputs.v[i].dtype;
            return net->outputs.v[i].value;
        }
    int in = nb_net_input(net, name); /* noise has a full name but is no probe */
    return in >= 0 ? net->inputs.v[in].value : nb_net_find(net, name, e);
}

static int add_output(struct asking *q, int i, const char *name, int value, enum nb_dtype d, struct nb_error *e)
{
    if (!(q->p->out_name[i] = nb_strdup(q->arena, name, e)))
        return -1;
    q->p->out_dtype[i] = d;
    return add_want(q->arena, &q->wants->out, &q->wants->nout, value, e);
}

static int ask_outputs(struct asking *q, struct nb_error *e)
{
    const struct nb_strings_list *l = &q->run->outputs;
    size_t n = q->run->outputs_given ? l->n : q->net->outputs.n;
    enum nb_dtype d;
    if ((int64_t)n > nb_limits.outputs)
        return NB_OVER(e, outputs, (int64_t)n), nb_at(e, "outputs");
    q->p->out_name = nb_small(q->arena, n + 1, sizeof *q->p->out_name, e);
    q->p->out_dtype = nb_small(q->arena, n + 1, sizeof *q->p->out_dtype, e);
    if (!q->p->out_name || !q->p->out_dtype)
        return -1;
    for (size_t i = 0; i < n && !q->run->outputs_given; i++)
        if (add_output(q, (int)i, q->net->outputs.v[i].name, q->net->outputs.v[i].value, q->net->outputs.v[i].dtype, e))
            return -1;
    for (size_t i = 0; i < n && q->run->outputs_given; i++) {
        int v = find_value(q->net, l->v[i], &d, e);
        if (v < 0 || add_output(q, (int)i, l->v[i], v, d, e))
            return nb_at_index(e, i), nb_at(e, "outputs");
    }
    return 0;
}

static int fail_choose_loss(const struct nb_net *net, const char *asked, bool other, struct nb_error *e)
{
    char all[300] = "";
    for (size_t i = 0; i < net->losses.n; i++)
        nb_add_name(all, sizeof all, net->losses.v[i].name);
    if (asked)
        return nb_fail(e, NB_E_unknown_reference, "no loss is called \"%.63s\"; there are %s", asked,
                       *all ? all : "none"),
               nb_at(e, "loss");
    if (*all)
        return nb_fail(e, NB_E_missing_key, "the graph has several losses; choose one with \"loss\": %s", all);
    return nb_fail(e, NB_E_missing_key, "the graph has no loss%s",
                   other ? "; give \"cotangents\" for its outputs" : "");
}

static int ask_loss(struct asking *q, bool other, struct nb_error *e)
{
    const char *name = q->run->loss;
    size_t i = 0;
    while (name && i < q->net->losses.n && strcmp(q->net->losses.v[i].name, name))
        i++;
    if (i == q->net->losses.n || (!name && q->net->losses.n != 1))
        return fail_choose_loss(q->net, name, other, e);
    q->p->loss = (int)i;
    return 0;
}

static int ask_cotangents(struct asking *q, struct nb_error *e)
{
    const struct nb_tensors *c = &q->run->cotangents;
    enum nb_dtype d;
    char x[200], y[200];
    if (q->run->loss)
        return nb_fail(e, NB_E_bad_form, "give loss or cotangents, not both"), nb_at(e, "loss");
    for (size_t i = 0; i < c->n; i++) {
        int v = find_value(q->net, c->v[i].name, &d, e);
        if (v < 0)
            return nb_at(e, c->v[i].name), nb_at(e, "cotangents");
        for (int k = 0; k < q->wants->nseed; k++)
            if (q->wants->seed[k] == v)
                return nb_fail(e, NB_E_bad_form, "%s names the same value as another cotangent", c->v[i].name),
                       nb_at(e, c->v[i].name), nb_at(e, "cotangents");
        const struct nb_shape *want = &q->net->values.v[v].shape;
        if (nb_shape_same(want, &c->v[i].t.shape) != 1)
            return nb_fail(e, NB_E_shape_mismatch, "%s has shape %s, its cotangent has %s", c->v[i].name,
                           nb_net_shape_text(q->net, v, x, sizeof x),
                           nb_shape_text(&c->v[i].t.shape, NULL, y, sizeof y)),
                   nb_at(e, c->v[i].name), nb_at(e, "cotangents");
        if (add_want(q->arena, &q->wants->seed, &q->wants->nseed, v, e))
            return -1;
    }
    if (!c->n)
        return nb_fail(e, NB_E_missing_key, "cotangents is empty"), nb_at(e, "cotangents");
    return 0;
}

static int add_wrt(struct asking *q, const char *name, int value, size_t *cap, struct nb_error *e)
{
    size_t n = (size_t)q->wants->nwrt;
    for (size_t i = 0; i < n; i++)
        if (q->wants->wrt[i] == value)
            return 0;
    if (nb_grow(q->arena, &q->p->wrt_name, n, cap, sizeof *q->p->wrt_name, e) ||
        !(q->p->wrt_name[n] = nb_strdup(q->arena, name, e)))
        return -1;
    return add_want(q->arena, &q->wants->wrt, &q->wants->nwrt, value, e);
}

static int default_wrt(struct asking *q, size_t *cap, struct nb_error *e)
{
    const struct nb_net *net = q->net;
    for (size_t i = 0; i < net->learned.n; i++) {
        const struct nb_learned *l = &net->learned.v[i];
        if (!l->buffer && !l->frozen && l->tie < 0 && add_wrt(q, l->name, l->value, cap, e))
            return -1;
    }
    for (size_t i = 0; i < net->inputs.n; i++) {
        const struct nb_input *in = &net->inputs.v[i];
        bool fed = nb_tensors_find(&q->run->inputs, in->name) != NULL;
        if (fed && in->sample == NB_FED && !net->values.v[in->value].integer && add_wrt(q, in->name, in->value, cap, e))
            return -1;
    }
    return 0;
}

static int wrt_pattern(struct asking *q, const char *word, size_t *cap, struct nb_error *e)
{
    int n = 0, *list = nb_small(q->arena, q->net->learned.n + 1, sizeof *list, e);
    if (!list)
        return -1;
    if (!nb_match_learned(q->net, "", word, list, &n))
        return nb_fail_no_match(q->net, word, e);
    for (int i = 0; i < n; i++)
        if (add_wrt(q, q->net->learned.v[list[i]].name, q->net->learned.v[list[i]].value, cap, e))
            return -1;
    return 0;
}

static int wrt_name(struct asking *q, const char *word, size_t *cap, struct nb_error *e)
{
    int l = nb_net_learned(q->net, word);
    enum nb_dtype d;
    if (l >= 0 && q->net->learned.v[l].buffer)
        return nb_fail(e, NB_E_not_differentiable, "%s is a buffer, it is not learned", word);
    if (l >= 0)
        return add_wrt(q, q->net->learned.v[l].name, q->net->learned.v[l].value, cap, e);
    int v = find_value(q->net, word, &d, e);
    if (v < 0)
        return -1;
    if (q->net->values.v[v].integer)
        return nb_fail(e, NB_E_not_differentiable, "%s holds integers: there is no gradient with respect to it", word);
    return add_wrt(q, word, v, cap, e);
}

static int ask_wrt(struct asking *q, struct nb_error *e)
{
    const struct nb_loss *loss = q->p->loss >= 0 ? &q->net->losses.v[q->p->loss] : NULL;
    bool own = q->run->wrt_given;
    size_t cap = 0, n = own ? q->run->wrt.n : loss && loss->nwrt >= 0 ? (size_t)loss->nwrt : 0;
    if (!own && (!loss || loss->nwrt < 0))
        return default_wrt(q, &cap, e);
    for (size_t i = 0; i < n; i++) {
        const char *word = own ? q->run->wrt.v[i] : loss->wrt[i];
        if (strpbrk(word, "*?") ? wrt_pattern(q, word, &cap, e) : wrt_name(q, word, &cap, e))
            return nb_at_index(e, i), nb_at(e, "wrt");
    }
    return 0;
}

static int ask_backward(struct asking *q, struct nb_error *e)
{
    if (q->run->cotangents_given ? ask_cotangents(q, e) : ask_loss(q, true, e))
        return -1;
    if (q->p->loss >= 0 && add_want(q->arena, &q->wants->seed, &q->wants->nseed, q->net->losses.v[q->p->loss].value, e))
        return -1;
    return ask_wrt(q, e);
}

/* Every name fed must be an input; noise may be fed by its full name. */
static int check_fed_names(const struct nb_net *net, const struct nb_tensors *inputs, struct nb_error *e)
{
    for (size_t i = 0; i < inputs->n; i++) {
        char all[300] = "";
        if (nb_net_input(net, inputs->v[i].name) >= 0)
            continue;
        for (size_t k = 0; k < net->inputs.n; k++)
            nb_add_name(all, sizeof all, net->inputs.v[k].name);
        return nb_fail(e, NB_E_unknown_input, "the graph has no input %.63s; it has %s", inputs->v[i].name,
                       *all ? all : "none"),
               nb_at(e, inputs->v[i].name), nb_at(e, "inputs");
    }
    return 0;
}

static int ask_all(struct asking *q, enum nb_ask ask, struct nb_error *e)
{
    if (check_fed_names(q->net, &q->run->inputs, e))
        return -1;
    if (ask == NB_ASK_LOSS && ask_loss(q, false, e))
        return -1;
    if ((ask == NB_ASK_BACKWARD || ask == NB_ASK_PLAIN) && ask_backward(q, e))
        return -1;
    if (ask == NB_ASK_LOSS && !q->run->outputs_given) /* the loss alone: other outputs may need other inputs */
        return add_want(q->arena, &q->wants->out, &q->wants->nout, q->net->losses.v[q->p->loss].value, e);
    return ask_outputs(q, e);
}

static int name_loss_output(struct asking *q, struct nb_error *e)
{
    if (q->p->out_name)
        return 0;
    q->p->out_name = nb_small(q->arena, 1, sizeof *q->p->out_name, e);
    q->p->out_dtype = nb_small(q->arena, 1, sizeof *q->p->out_dtype, e);
    if (!q->p->out_name || !q->p->out_dtype)
        return -1;
    q->p->out_name[0] = q->net->losses.v[q->p->loss].name;
    q->p->out_dtype[0] = q->net->dtype;
    return 0;
}

static int compile(struct nb_graph *g, enum nb_ask ask, const struct nb_run *run, struct nb_planned *p,
                   struct nb_error *e)
{
    struct nb_net net;
    struct nb_wants wants = {.also = -1, .plain = ask == NB_ASK_PLAIN};
    struct nb_binding binding = {&run->inputs, run->dims.n, run->dims.name, run->dims.size, run->train};
    struct asking q = {run, p, &net, &wants, &p->arena};
    p->loss = -1;
    if (nb_net_build(g->shared->description, &binding, &p->arena, &net, e) || ask_all(&q, ask, e) ||
        name_loss_output(&q, e))
        return -1;
    if (p->loss >= 0)
        wants.also = net.losses.v[p->loss].value;
    return nb_plan_make(&net, &wants, &p->arena, &p->plan, e);
}

/* ---- the cache ------------------------------------------------------------------------------------------------- */

static struct nb_planned *find_cached(struct nb_shared *s, uint64_t hash, const struct key *k)
{
    for (int i = 0; i < s->nplans; i++) {
        struct nb_cached *c = &s->plans[i];
        if (c->hash == hash && c->n == k->n && !memcmp(c->key, k->v, k->n)) {
            c->used = ++s->clock;
            __atomic_add_fetch(&c->planned->count, 1, __ATOMIC_RELAXED);
            return c->planned;
        }
    }
    return NULL;
}

/* A place for one more plan; the one not used for longest goes. */
static struct nb_cached *make_room(struct nb_shared *s)
{
    if (!s->plans && !(s->plans = calloc((size_t)nb_limits.plans, sizeof *s->plans)))
        return NULL;
    if (s->nplans < nb_limits.plans)
        return &s->plans[s->nplans++];
    int oldest = 0;
    for (int i = 1; i < s->nplans; i++)
        if (s->plans[i].used < s->plans[oldest].used)
            oldest = i;
    nb_planned_unref(s->plans[oldest].planned);
    return &s->plans[oldest];
}

static void keep(struct nb_shared *s, uint64_t hash, const struct key *k, struct nb_planned *p)
{
    struct nb_error ignored = {0};
    void *copy = nb_small(&p->arena, k->n, 1, &ignored);
    struct nb_cached *c = copy ? make_room(s) : NULL;
    if (!c)
        return;
    memcpy(copy, k->v, k->n);
    *c = (struct nb_cached){hash, k->n, copy, p, ++s->clock};
    p->count++;
}

void nb_planned_unref(struct nb_planned *p)
{
    if (__atomic_sub_fetch(&p->count, 1, __ATOMIC_ACQ_REL))
        return;
    nb_arena_done(&p->arena);
    free(p);
}

static struct nb_planned *planned_new(struct nb_graph *g, enum nb_ask ask, const struct nb_run *run, struct nb_error *e)
{
    struct nb_planned *p = calloc(1, sizeof *p);
    if (!p)
        return nb_fail_memory(e), NULL;
    p->count = 1;
    nb_arena_init_graph(&p->arena);
    if (!compile(g, ask, run, p, e))
        return p;
    nb_planned_unref(p);
    return NULL;
}

struct nb_planned *nb_graph_plan(struct nb_graph *g, enum nb_ask ask, const struct nb_run *run,
                                 struct nb_arena *scratch, struct nb_error *e)
{
    struct key k = {.arena = scratch, .error = e};
    struct nb_shared *s = g->shared;
    if (make_key(&k, ask, run))
        return NULL;
    uint64_t hash = hash_of(k.v, k.n);
    pthread_mutex_lock(&s->lock);
    struct nb_planned *p = find_cached(s, hash, &k);
    if (!p && (p = planned_new(g, ask, run, e)))
        keep(s, hash, &k, p);
    pthread_mutex_unlock(&s->lock);
    return p;
}

int nb_graph_cotangents(const struct nb_planned *p, const struct nb_run *run, enum nb_dtype dtype, struct nb_arena *a,
                        void ***cotangent, struct nb_error *e)
{
    const struct nb_wants *w = &p->plan.wants;
    double one = 1;
    if (!(*cotangent = nb_small(a, (size_t)w->nseed + 1, sizeof **cotangent, e)))
        return -1;
    for (int i = 0; i < w->nseed; i++) {
        const struct nb_tensor *t = p->loss >= 0 ? NULL : &run->cotangents.v[i].t;
        size_t n = t ? (size_t)nb_count(&t->shape) : 1;
        if (t && t->dtype == dtype) {
            (*cotangent)[i] = t->data;
            continue;
        }
        if (!((*cotangent)[i] = nb_alloc(a, n, nb_dtype_size(dtype), e)))
            return -1;
        nb_convert(dtype, (*cotangent)[i], t ? t->dtype : NB_F64, t ? t->data : &one, n);
    }
    return 0;
}
