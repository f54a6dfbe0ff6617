/* learned - learned tensors: their names, patterns, settings and ties. */
#include "graph/build.h"
#include "graph/value.h"
#include "nabla/limits.h"
#include <stdio.h>
#include <string.h>

/* "fc." + "weight"; a Parameter, whose tensor has no name of its own, is called like its node. */
static const char *full_name(struct nb_arena *a, const char *path, const char *name, struct nb_error *e)
{
    size_t n = strlen(path);
    char *full = *name ? nb_sprintf(a, e, "%s%s", path, name) : nb_strndup(a, path, n ? n - 1 : 0, e);
    if (full && (int64_t)strlen(full) > nb_limits.name)
        return NB_OVER(e, name, (int64_t)strlen(full)), NULL;
    return full;
}

static int shared_learned(struct nb_builder *b, int i, const struct nb_weight *w, struct nb_error *e)
{
    const struct nb_learned *l = &b->net->learned.v[i];
    const struct nb_shape *have = &b->net->values.v[l->value].shape;
    char x[200], y[200];
    if (nb_shape_same(have, &w->shape) == 1)
        return l->value;
    return nb_fail(e, NB_E_share_mismatch, "%s has shape %s, this node needs %s", l->name,
                   nb_shape_text(have, b->net->symbols.v, x, sizeof x),
                   nb_shape_text(&w->shape, b->net->symbols.v, y, sizeof y));
}

int nb_add_learned(struct nb_scope *s, const char *path, const struct nb_weight *w, const struct nb_tensor *literal,
                   struct nb_error *e)
{
    struct nb_builder *b = s->b;
    struct nb_net *net = b->net;
    const char *name = full_name(b->arena, path, w->name, e);
    if (!name)
        return -1;
    json_t *old = json_object_get(b->learned_index, name);
    if (old)
        return shared_learned(b, (int)json_integer_value(old), w, e);
    if (!nb_shape_known(&w->shape))
        return nb_fail(e, NB_E_shape_mismatch, "the shape of %s must be known when the graph is created", name);
    if (nb_grow(b->arena, &net->learned.v, net->learned.n, &net->learned.cap, sizeof *net->learned.v, e))
        return -1;
    int v = nb_add_value(b, NB_V_PARAM, &w->shape, false, (int)net->learned.n, e);
    if (v < 0 || json_object_set_new(b->learned_index, name, json_integer((json_int_t)net->learned.n)))
        return v < 0 ? -1 : nb_fail_memory(e);
    net->learned.v[net->learned.n++] = (struct nb_learned){
        .name = name, .value = v, .init = w->init, .literal = literal, .buffer = w->buffer, .tie = -1};
    return v;
}

/* ---- patterns -------------------------------------------------------------------------------------------------- */

static bool is_pattern(const char *s)
{
    return strpbrk(s, "*?") != NULL;
}

/* The owner of a tensor: a tied one stands for another. */
static int owner(const struct nb_net *net, int i)
{
    while (net->learned.v[i].tie >= 0)
        i = net->learned.v[i].tie;
    return i;
}

static bool listed(const int *list, int n, int i)
{
    for (int k = 0; k < n; k++)
        if (list[k] == i)
            return true;
    return false;
}

int nb_match_learned(const struct nb_net *net, const char *prefix, const char *pattern, int *list, int *n)
{
    size_t skip = strlen(prefix);
    int matched = 0;
    for (size_t i = 0; i < net->learned.n; i++) {
        const struct nb_learned *l = &net->learned.v[i];
        if (strncmp(l->name, prefix, skip) || l->buffer || !nb_glob(pattern, l->name + skip) ||
            (l->frozen && is_pattern(pattern)))
            continue;
        matched++;
        int o = owner(net, (int)i);
        if (!listed(list, *n, o))
            list[(*n)++] = o;
    }
    return matched;
}

int nb_fail_no_match(const struct nb_net *net, const char *pattern, struct nb_error *e)
{
    char all[400] = "";
    for (size_t i = 0; i < net->learned.n; i++) {
        nb_add_name(all, sizeof all, net->learned.v[i].name);
    }
    return nb_fail(e, NB_E_no_match, "\"%.80s\" matches nothing; there are %s", pattern,
                   *all ? all : "no learned tensors");
}

static int select_one(struct nb_builder *b, const struct nb_selection *sel, struct nb_error *e)
{
    struct nb_net *net = b->net;
    int n = 0, *list = nb_small(b->arena, net->learned.n + 1, sizeof *list, e);
    int *in = nb_small(b->arena, net->learned.n + 1, sizeof *in, e);
    if (!list || !in)
        return -1;
    for (size_t i = 0; i < sel->patterns->n; i++)
        if (!nb_match_learned(net, sel->prefix, sel->patterns->v[i], list, &n))
            return nb_fail_no_match(net, sel->patterns->v[i], e), nb_at_index(e, i), nb_at(e, "params");
    for (int i = 0; i < n; i++)
        in[i] = net->learned.v[list[i]].value;
    net->ops.v[sel->op].in = in;
    net->ops.v[sel->op].nin = n;
    return 0;
}

int nb_apply_selections(struct nb_builder *b, struct nb_error *e)
{
    for (size_t i = 0; i < b->selections.n; i++)
        if (select_one(b, &b->selections.v[i], e))
            return nb_at_pointer(e, b->selections.v[i].place);
    return 0;
}

/* ---- params ---------------------------------------------------------------------------------------------------- */

/* Per learned tensor: which pattern (or exact name) set which key. */
struct setting {
    const char *start, *frozen; /* the pattern that set init, value or tie; the one that set frozen */
    bool exact_start, exact_frozen;
};

struct params {
    struct nb_builder *b;
    struct setting *set;
};

/* True if this entry has its say: an exact name wins over patterns, two patterns conflict. */
static int claim(const char **by, bool *exact, const char *pattern, const char *name, const char *key,
                 struct nb_error *e)
{
    bool now = !is_pattern(pattern);
    if (*by && !*exact && !now && strcmp(*by, pattern))
        return nb_fail(e, NB_E_params_conflict, "\"%.60s\" and \"%.60s\" both set %s of %s", *by, pattern, key, name);
    if (*exact && !now)
        return 0;
    *by = pattern;
    *exact = now;
    return 1;
}

static int set_value(struct params *p, struct nb_learned *l, json_t *value, struct nb_error *e)
{
    const struct nb_net *net = p->b->net;
    struct nb_tensor *t = nb_zalloc(p->b->arena, 1, sizeof *t, e);
    char x[200], y[200];
    if (!t || nb_tensor_read(value, p->b->arena, t, e))
        return -1;
    const struct nb_shape *want = &net->values.v[l->value].shape;
    if (nb_shape_same(&t->shape, want) != 1)
        return nb_fail(e, NB_E_shape_mismatch, "%s has shape %s, the value has %s", l->name,
                       nb_shape_text(want, NULL, x, sizeof x), nb_shape_text(&t->shape, NULL, y, sizeof y));
    l->literal = t;
    return 0;
}

static int set_tie(struct params *p, int i, json_t *tie, bool transpose, struct nb_error *e)
{
    struct nb_net *net = p->b->net;
    struct nb_learned *l = &net->learned.v[i];
    char x[200], y[200];
    if (!json_is_string(tie))
        return nb_fail_type(e, "the name of a learned tensor", tie);
    int to = nb_net_learned(net, json_string_value(tie));
    if (to < 0)
        return nb_fail_no_match(net, json_string_value(tie), e);
    for (int k = to; k >= 0; k = net->learned.v[k].tie)
        if (k == i)
            return nb_fail(e, NB_E_params_conflict, "%s is tied in a circle", l->name);
    struct nb_shape want = net->values.v[net->learned.v[to].value].shape, have = net->values.v[l->value].shape;
    if (transpose && want.rank == 2) {
        int64_t d = want.dim[0];
        want.dim[0] = want.dim[1];
        want.dim[1] = d;
    }
    if ((transpose && want.rank != 2) || nb_shape_same(&want, &have) != 1)
        return nb_fail(e, NB_E_shape_mismatch, "%s has shape %s, %s%s has %s", l->name,
                       nb_shape_text(&have, NULL, x, sizeof x), json_string_value(tie), transpose ? " transposed" : "",
                       nb_shape_text(&want, NULL, y, sizeof y));
    l->tie = to;
    l->transposed = transpose;
    return 0;
}

static int set_start(struct params *p, int i, json_t *entry, struct nb_error *e)
{
    struct nb_learned *l = &p->b->net->learned.v[i];
    json_t *init = json_object_get(entry, "init"), *value = json_object_get(entry, "value"),
           *tie = json_object_get(entry, "tie");
    struct nb_init start;
    l->literal = init ? NULL : l->literal;
    if (value)
        return set_value(p, l, value, e) ? nb_at(e, "value") : 0;
    if (tie)
        return set_tie(p, i, tie, json_is_true(json_object_get(entry, "transpose")), e) ? nb_at(e, "tie") : 0;
    if (nb_init_read(init, &start, e))
        return nb_at(e, "init");
    if (start.kind != NB_INIT_DEFAULT)
        l->init = start;
    return 0;
}

static int set_one(struct params *p, int i, const char *pattern, json_t *entry, struct nb_error *e)
{
    struct nb_learned *l = &p->b->net->learned.v[i];
    struct setting *s = &p->set[i];
    json_t *frozen = json_object_get(entry, "frozen");
    int say = 0;
    if (json_object_get(entry, "init") || json_object_get(entry, "value") || json_object_get(entry, "tie"))
        say = claim(&s->start, &s->exact_start, pattern, l->name, "the start", e);
    if (say < 0 || (say > 0 && set_start(p, i, entry, e)))
        return -1;
    say = frozen ? claim(&s->frozen, &s->exact_frozen, pattern, l->name, "frozen", e) : 0;
    if (say > 0)
        l->frozen = json_is_true(frozen);
    return say < 0 ? -1 : 0;
}

static int check_entry(json_t *entry, struct nb_error *e)
{
    json_t *frozen = json_object_get(entry, "frozen"), *transpose = json_object_get(entry, "transpose");
    if (!json_is_object(entry))
        return nb_fail_type(e, "an object with init, value, tie or frozen", entry);
    if (nb_check_keys(entry, e, "init", "value", "tie", "transpose", "frozen", "doc", NULL))
        return -1;
    if (frozen && !json_is_boolean(frozen))
        return nb_fail_type(e, "true or false", frozen), nb_at(e, "frozen");
    if (transpose && (!json_is_boolean(transpose) || !json_object_get(entry, "tie")))
        return nb_fail(e, NB_E_bad_argument, "transpose is true or false and belongs to tie"), nb_at(e, "transpose");
    if (!!json_object_get(entry, "init") + !!json_object_get(entry, "value") + !!json_object_get(entry, "tie") > 1)
        return nb_fail(e, NB_E_bad_form, "at most one of init, value, tie");
    return 0;
}

static int apply_entry(struct params *p, const char *pattern, json_t *entry, struct nb_error *e)
{
    struct nb_net *net = p->b->net;
    int matched = 0;
    if (check_entry(entry, e))
        return -1;
    for (size_t i = 0; i < net->learned.n; i++) {
        const struct nb_learned *l = &net->learned.v[i];
        if (strcmp(l->name, pattern) && (l->buffer || !is_pattern(pattern) || !nb_glob(pattern, l->name)))
            continue;
        matched++;
        if (set_one(p, (int)i, pattern, entry, e))
            return -1;
    }
    return matched ? 0 : nb_fail_no_match(net, pattern, e);
}

/* ---- ties: the uses of a tied tensor become uses of its owner, or of its transpose ----------------------------- */

static int transposed_value(struct nb_builder *b, int from, struct nb_error *e)
{
    struct nb_scope s = {.b = b, .path = "", .probe = "", .place = "/params"};
    return nb_add_simple(&s, "Transpose", NULL, 1, &from, e);
}

static void replace(struct nb_op *ops, size_t n, int old, int new)
{
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < ops[i].nin; k++)
            if (ops[i].in[k] == old)
                ops[i].in[k] = new;
        for (int k = 0; k < ops[i].nw; k++)
            if (ops[i].w[k] == old)
                ops[i].w[k] = new;
    }
}

/* Operations added for ties go first: everything may use them. */
static void rotate_first(struct nb_net *net, size_t before)
{
    size_t added = net->ops.n - before;
    for (size_t k = 0; k < added; k++) {
        struct nb_op last = net->ops.v[net->ops.n - 1];
        memmove(net->ops.v + 1, net->ops.v, (net->ops.n - 1) * sizeof *net->ops.v);
        net->ops.v[0] = last;
    }
    for (size_t i = 0; i < net->values.n; i++)
        if (net->values.v[i].kind == NB_V_OP)
            net->values.v[i].of = (int)(((size_t)net->values.v[i].of + added) % net->ops.n);
    for (size_t i = 0; i < net->given.n; i++) {
        net->given.v[i].first += (int)added;
        net->given.v[i].last += (int)added;
    }
}

static int apply_tie(struct nb_builder *b, int i, struct nb_error *e)
{
    struct nb_net *net = b->net;
    int k = i;
    bool flip = false;
    for (; net->learned.v[k].tie >= 0; k = net->learned.v[k].tie)
        flip ^= net->learned.v[k].transposed;
    int old = net->learned.v[i].value, new = net->learned.v[k].value;
    if (flip) {
        size_t before = net->ops.n;
        if ((new = transposed_value(b, new, e)) < 0)
            return -1;
        replace(net->ops.v, before, old, new);
        rotate_first(net, before);
    } else {
        replace(net->ops.v, net->ops.n, old, new);
    }
    replace(net->gops.v, net->gops.n, old, new);
    for (size_t p = 0; p < net->probes.n; p++)
        if (net->probes.v[p].value == old)
            net->probes.v[p].value = new;
    return 0;
}

int nb_apply_params(struct nb_builder *b, struct nb_error *e)
{
    const char *pattern;
    json_t *entry;
    struct params p = {b, nb_zalloc(b->arena, b->net->learned.n + 1, sizeof *p.set, e)};
    if (!p.set)
        return -1;
    json_object_foreach (json_object_get(b->graph, "params"), pattern, entry)
        if (apply_entry(&p, pattern, entry, e))
            return nb_at(e, pattern);
    return 0;
}

int nb_apply_ties(struct nb_builder *b, struct nb_error *e)
{
    for (size_t i = 0; i < b->net->learned.n; i++)
        if (b->net->learned.v[i].tie >= 0 && apply_tie(b, (int)i, e))
            return nb_at(e, b->net->learned.v[i].name);
    return 0;
}

/* ---- look-ups of a finished net -------------------------------------------------------------------------------- */

int nb_net_learned(const struct nb_net *net, const char *name)
{
    for (size_t i = 0; i < net->learned.n; i++)
        if (!strcmp(net->learned.v[i].name, name))
            return owner(net, (int)i);
    return -1;
}

int nb_net_input(const struct nb_net *net, const char *name)
{
    for (size_t i = 0; i < net->inputs.n; i++)
        if (!strcmp(net->inputs.v[i].name, name))
            return (int)i;
    return -1;
}

static int fail_find(const struct nb_net *net, const char *reference, struct nb_error *e)
{
    char ports[300] = "", names[300] = "";
    size_t n = strlen(reference);
    for (size_t i = 0; i < net->probes.n; i++) {
        const char *name = net->probes.v[i].name;
        size_t p = strlen(ports), q = strlen(names);
        if (!strncmp(name, reference, n) && name[n] == '.')
            snprintf(ports + p, sizeof ports - p, "%s%s", p ? ", " : "", name + n + 1);
        if (!strpbrk(name, "/."))
            snprintf(names + q, sizeof names - q, "%s%s", q ? ", " : "", name);
    }
    if (*ports)
        return nb_fail(e, NB_E_ambiguous_port, "%.80s has the ports %s; name one", reference, ports);
    return nb_fail(e, NB_E_unknown_reference, "nothing is called \"%.80s\"; there are %s", reference, names);
}

int nb_net_find(const struct nb_net *net, const char *reference, struct nb_error *e)
{
    for (size_t i = 0; i < net->probes.n; i++)
        if (!strcmp(net->probes.v[i].name, reference))
            return net->probes.v[i].value;
    size_t n = strlen(reference); /* x.out of an input */
    for (size_t i = 0; i < net->inputs.n; i++)
        if (n > 4 && !strcmp(reference + n - 4, ".out") && strlen(net->inputs.v[i].name) == n - 4 &&
            !strncmp(net->inputs.v[i].name, reference, n - 4))
            return net->inputs.v[i].value;
    return fail_find(net, reference, e);
}

char *nb_net_shape_text(const struct nb_net *net, int value, char *buf, size_t size)
{
    return nb_shape_text(&net->values.v[value].shape, net->symbols.v, buf, size);
}
