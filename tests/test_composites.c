/* test_composites - random graphs with fan-out, shared parameters, nested modules, formulas of users, several outputs
 * and losses: the two ways of checking come to the same verdicts and the same numbers, and both find the one wrong
 * entry. `test_composites FIRST COUNT` tries other graphs. */
#include "check/check.h"
#include "check/point.h"
#include "graphs.h"
#include <math.h>
#include <stdio.h>

/* ---- a random graph ---------------------------------------------------------------------------------------------- */

enum { MOST_NODES = 24 };

struct maker {
    struct nb_stream s;
    uint64_t at;
    json_t *nodes;
    int n; /* nodes that carry [B, width] */
    char name[MOST_NODES][12];
    int width[MOST_NODES];
    int linears, from[MOST_NODES], to[MOST_NODES]; /* of the Linears that may be shared */
    char linear[MOST_NODES][12];
};

static int pick(struct maker *m, int n)
{
    return (int)(nb_word(m->s, m->at++) % (uint64_t)n);
}

static int some_node(struct maker *m)
{
    return m->n - 1 - pick(m, m->n < 4 ? m->n : 4); /* one of the last, so that graphs grow deep */
}

static const char *add(struct maker *m, int width, json_t *node)
{
    snprintf(m->name[m->n], sizeof *m->name, "n%d", m->n);
    m->width[m->n] = width;
    ck_assert_ptr_nonnull(node);
    json_object_set_new(m->nodes, m->name[m->n], node);
    return m->name[m->n++];
}

static void add_linear(struct maker *m)
{
    int a = some_node(m), width = 2 + pick(m, 4);
    const char *name =
        add(m, width, json_pack("{s:s, s:s, s:i}", "op", "Linear", "in", m->name[a], "out_features", width));
    m->from[m->linears] = m->width[a];
    m->to[m->linears] = width;
    memcpy(m->linear[m->linears++], name, sizeof *m->linear);
}

/* Through the tensors of another Linear, if one fits. */
static void add_shared(struct maker *m)
{
    for (int l = 0; l < m->linears; l++)
        for (int a = m->n - 1; a >= 0; a--)
            if (m->width[a] == m->from[l]) {
                add(m, m->to[l],
                    json_pack("{s:s, s:s, s:i, s:s}", "op", "Linear", "in", m->name[a], "out_features", m->to[l],
                              "share", m->linear[l]));
                return;
            }
    add_linear(m);
}

static void add_activation(struct maker *m)
{
    static const char *const ops[] = {"Tanh", "Sigmoid",   "Softplus", "SiLU",       "GELU",     "ELU",
                                      "ReLU", "LeakyReLU", "Softmax",  "LogSoftmax", "Normalize"};
    int a = some_node(m);
    add(m, m->width[a], json_pack("{s:s, s:s}", "op", ops[pick(m, 11)], "in", m->name[a]));
}

static void add_norm(struct maker *m)
{
    int a = some_node(m);
    add(m, m->width[a],
        json_pack("{s:s, s:s, s:[i]}", "op", "LayerNorm", "in", m->name[a], "normalized_shape", m->width[a]));
}

/* Two nodes of the same width, or one twice. */
static void add_formula(struct maker *m)
{
    static const char *const formulas[] = {"%s*%s",      "%s + tanh(%s)",       "%s - 0.5*square(%s)", "%s*sigmoid(%s)",
                                           "sin(%s)*%s", "%s/(1 + square(%s))", "exp(0.3*%s) + %s"};
    char text[80];
    int a = some_node(m), b = some_node(m);
    while (m->width[b] != m->width[a])
        b--, b = b < 0 ? a : b;
    snprintf(text, sizeof text, formulas[pick(m, 7)], m->name[a], m->name[b]);
    add(m, m->width[a], json_pack("{s:s}", "expr", text));
}

static void add_concat(struct maker *m)
{
    int a = some_node(m), b = some_node(m), width = 2 + pick(m, 3);
    add(m, width,
        json_pack("{s:s, s:{s:[s,s], s:i}, s:i}", "op", "Linear", "in", "concat", m->name[a], m->name[b], "dim", -1,
                  "out_features", width));
}

static void add_chain(struct maker *m)
{
    int a = some_node(m), width = 2 + pick(m, 3);
    add(m, width,
        json_pack("{s:[{s:{s:i}}, s, {s:{s:i}}], s:s}", "chain", "Linear", "out_features", 3, "Tanh", "Linear",
                  "out_features", width, "in", m->name[a]));
}

/* A module of a module, and one with a backward of the user's. */
static void add_module(struct maker *m)
{
    int a = some_node(m);
    if (pick(m, 2))
        add(m, m->width[a], json_pack("{s:s, s:s}", "op", "Scaled", "in", m->name[a]));
    else
        add(m, 3, json_pack("{s:s, s:s, s:i}", "op", "Outer", "in", m->name[a], "K", 3));
}

static json_t *modules(void)
{
    return parse("{'Inner': {'args': {'K': 2}, 'inputs': {'u': ['B', 'D']}, 'nodes': {'a': {'op': 'Linear', 'in': 'u', "
                 "'out_features': 'K'}, 'h': {'op': 'Tanh', 'in': 'a'}, 'v': {'expr': 'h + 0.1*a'}}, 'outputs': ['v']},"
                 "'Outer': {'args': {'K': 2}, 'inputs': {'u': ['B', 'D']}, 'nodes': {'p': {'op': 'Inner', 'in': 'u', "
                 "'K': 'K'}, 'q': {'op': 'Inner', 'in': 'u', 'K': 'K'}, 'v': {'expr': 'p*q'}}, 'outputs': ['v']},"
                 "'Scaled': {'inputs': {'u': ['B', 'D']}, 'nodes': {'w': {'op': 'Parameter', 'shape': ['D'], 'init': "
                 "{'normal': [1, 0.3]}}, 'v': {'expr': 'tanh(u*w)'}}, 'outputs': ['v'], 'backward': {'u': "
                 "'g*w*(1 - square(v))', 'w': 'sum(g*u*(1 - square(v)), 0)'}}}");
}

static void (*const kinds[])(struct maker *) = {add_linear, add_linear,  add_shared, add_activation, add_activation,
                                                add_norm,   add_formula, add_concat, add_chain,      add_module};

/* One to three outputs; or losses, of which the request chooses one. */
static void add_ends(struct maker *m, json_t *graph, int losses)
{
    json_t *outputs = json_array();
    for (int i = 0; i < 1 + pick(m, 3) && i < m->n; i++)
        json_array_append_new(outputs, json_string(m->name[m->n - 1 - i]));
    json_object_set_new(graph, "outputs", outputs);
    for (int i = 0; i < losses; i++) {
        char name[] = {'l', (char)('0' + i), '\0'}, text[60];
        snprintf(text, sizeof text, i ? "mean(square(%s))" : "sum(cos(%s))/3", m->name[m->n - 1 - i]);
        json_object_set_new(m->nodes, name, json_pack("{s:s}", "expr", text));
    }
    if (losses)
        json_object_set_new(graph, "losses", json_pack("{s:{s:s}, s:{s:s}}", "l0", "of", "l0", "l1", "of", "l1"));
}

static json_t *random_graph(uint64_t seed, int losses)
{
    struct maker m = {.s = nb_stream_of((struct nb_seed){seed, 77}, "composites"), .nodes = json_object(), .n = 2};
    json_t *graph = json_object();
    snprintf(m.name[0], sizeof *m.name, "x");
    snprintf(m.name[1], sizeof *m.name, "z");
    m.width[0] = 2 + pick(&m, 4);
    m.width[1] = 2 + pick(&m, 4);
    for (int i = 4 + pick(&m, 8); i > 0; i--)
        kinds[pick(&m, sizeof kinds / sizeof *kinds)](&m);
    json_object_set_new(graph, "dtype", json_string("float64"));
    json_object_set_new(graph, "inputs", json_pack("{s:[s,i], s:[s,i]}", "x", "B", m.width[0], "z", "B", m.width[1]));
    json_object_set_new(graph, "modules", modules());
    add_ends(&m, graph, losses);
    json_object_set_new(graph, "nodes", m.nodes);
    return graph;
}

/* ---- both ways --------------------------------------------------------------------------------------------------- */

struct subject {
    uint64_t seed;
    struct nb_graph *g;
    struct nb_check check; /* at a drawn point */
    char *text;
};

static int told, untold, limits, planted, shy; /* tensors; entries */

static struct nb_verdicts judge(const struct subject *s, enum nb_method method, enum nb_coverage coverage)
{
    struct nb_check c = s->check;
    struct nb_verdicts v;
    c.method = method;
    c.coverage = coverage;
    ck_assert_msg(!nb_check_run(s->g, &c, &arena, &v, &error), "graph %d: %s at %s: %s", (int)s->seed,
                  nb_code_name(error.code), error.pointer, error.detail);
    ck_assert_msg(v.self_ok, "graph %d, %s: %s; %s", (int)s->seed, v.facts.method,
                  v.facts.fault ? v.facts.fault : "the oracles disagree", s->text);
    return v;
}

static bool powerless(const struct nb_checked *c)
{
    return c->verdict == NB_CANNOT_TELL && (c->reason == NB_WHY_no_power || c->reason == NB_WHY_rounding);
}

/* Where nearly all of it cancels, one way may have the power to tell and the other not: node by node terms are seen
 * that the whole graph hides, but errors add up. */
static bool at_the_limit(const struct nb_checked *x, const struct nb_checked *y)
{
    return (powerless(x) && y->verdict == NB_RIGHT) || (powerless(y) && x->verdict == NB_RIGHT);
}

/* The numbers agree. Rounding inside the forward, where terms cancel, is in no bar as long as nobody is in doubt. */
static void compare(const struct subject *s, const struct nb_verdicts *a, const struct nb_verdicts *b)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct nb_checked *x = &a->v[i], *y = &b->v[i];
        limits += at_the_limit(x, y);
        ck_assert_msg(x->verdict == y->verdict || at_the_limit(x, y),
                      "graph %d, %s: %s by the loop, %s by structure; %s", (int)s->seed, x->name,
                      nb_verdict_name(x->verdict), nb_verdict_name(y->verdict), s->text);
        for (int64_t k = 0; x->judged && y->judged && k < nb_count(&x->shape); k++)
            ck_assert_msg(fabs(x->value[k] - y->value[k]) <= x->bar[k] + y->bar[k] + 1e-8 * fabs(x->value[k]),
                          "graph %d, %s[%d]: %.17g by the loop, %.17g by structure; %s", (int)s->seed, x->name, (int)k,
                          x->value[k], y->value[k], s->text);
    }
}

static bool sharp(const struct nb_checked *c, int64_t i)
{
    return c->verdicts[i] == NB_RIGHT && c->bar[i] < 1e-8 * fabs(c->value[i]);
}

/* An entry that both ways tell to a millionth, from a random place on; -1: there is none. */
static int64_t sharp_entry(const struct nb_checked *a, const struct nb_checked *b, uint64_t start)
{
    int64_t n = nb_count(&a->shape);
    double most = 0;
    for (int64_t k = 0; k < n; k++)
        most = fmax(most, fabs(a->value[k]));
    for (int64_t k = 0; k < n && a->judged && b->judged; k++) {
        int64_t i = (int64_t)((start + (uint64_t)k) % (uint64_t)n);
        if (sharp(a, i) && sharp(b, i) && fabs(a->value[i]) > 1e-3 * most)
            return i;
    }
    return -1;
}

/* What its own backward gives, handed in: then no formula of a user is tried elsewhere. */
static void claim_own(struct subject *s)
{
    struct nb_result r;
    ck_assert_msg(!nb_graph_backward(s->g, &s->check.run, &arena, &r, &error), "%s", error.detail);
    s->check.gradients_given = true;
    s->check.gradients = r.gradients;
}

static void claim(struct subject *s, const struct nb_checked *c, double *numbers)
{
    struct nb_tensor t = {NB_F64, c->shape, numbers};
    s->check.gradients = (struct nb_tensors){0};
    s->check.gradients_given = true;
    ck_assert(!nb_tensors_add(&arena, &s->check.gradients, c->name, t, &error));
}

static void expect_one_wrong(const struct subject *s, const char *name, int64_t entry, enum nb_method method,
                             enum nb_coverage coverage)
{
    struct nb_verdicts v = judge(s, method, coverage);
    ck_assert_msg(v.verdict != NB_RIGHT, "graph %d, %s[%d], %s: not seen; %s", (int)s->seed, name, (int)entry,
                  v.facts.method, s->text);
    if (v.verdict == NB_CANNOT_TELL) {
        shy++;
        return;
    }
    for (size_t i = 0; i < v.n; i++) {
        bool here = !strcmp(v.v[i].name, name);
        ck_assert_msg(v.v[i].wrong == here && (!here || v.v[i].worst == entry),
                      "graph %d, %s, coverage %d: %d of %s are wrong, the worst [%d], for %s[%d]; %s", (int)s->seed,
                      v.facts.method, v.facts.coverage, (int)v.v[i].wrong, v.v[i].name, (int)v.v[i].worst, name,
                      (int)entry, s->text);
    }
}

static void plant(struct subject *s, const struct nb_verdicts *by_loop, const struct nb_verdicts *by_structure)
{
    struct nb_stream stream = nb_stream_of((struct nb_seed){s->seed, 78}, "planted");
    const struct nb_checked *c = NULL;
    int64_t entry = -1;
    for (size_t i = 0; i < by_loop->n && entry < 0; i++) {
        size_t k = (nb_word(stream, 0) + i) % by_loop->n;
        c = &by_loop->v[k];
        entry = sharp_entry(c, &by_structure->v[k], nb_word(stream, 1));
    }
    if (entry < 0)
        return;
    size_t n = (size_t)nb_count(&c->shape);
    double *numbers = nb_alloc(&arena, n, sizeof *numbers, &error);
    memcpy(numbers, c->candidate, n * sizeof *numbers);
    numbers[entry] *= 1 + 1e-6;
    claim(s, c, numbers);
    expect_one_wrong(s, c->name, entry, NB_METHOD_LOOP, NB_COVER_EVERY);
    expect_one_wrong(s, c->name, entry, NB_METHOD_STRUCTURE, NB_COVER_EVERY);
    expect_one_wrong(s, c->name, entry, NB_METHOD_STRUCTURE, NB_COVER_SIGNED);
    for (size_t k = 0; k < n; k++)
        numbers[k] = -c->candidate[k];
    struct nb_verdicts v = judge(s, NB_METHOD_AUTO, NB_COVER_SAMPLED);
    ck_assert_msg(v.verdict == NB_WRONG, "graph %d, %s: negated and not seen by samples; %s", (int)s->seed, c->name,
                  s->text);
    planted++;
}

static void one_graph(uint64_t seed)
{
    int losses = seed % 3 ? 0 : 2;
    struct subject s = {.seed = seed, .check.run.seed = {seed, 79}};
    struct nb_verdicts drawn = {0};
    nb_arena_init(&arena, (size_t)1 << 31);
    json_t *j = random_graph(seed, losses);
    s.text = json_dumps(j, 0);
    s.g = nb_graph_new(j, NULL, (struct nb_seed){seed, 80}, &error);
    ck_assert_msg(s.g != NULL, "graph %d: %s at %s: %s; %s", (int)seed, nb_code_name(error.code), error.pointer,
                  error.detail, s.text);
    s.check.run.loss = losses ? seed % 2 ? "l0" : "l1" : NULL;
    ck_assert_msg(!nb_point_draw(s.g, &s.check.run, 0, &arena, &drawn, &error), "%s", error.detail);
    ck_assert_int_ne(judge(&s, NB_METHOD_AUTO, NB_COVER_AUTO).verdict, NB_WRONG);
    claim_own(&s);
    struct nb_verdicts a = judge(&s, NB_METHOD_LOOP, NB_COVER_EVERY),
                       b = judge(&s, NB_METHOD_STRUCTURE, NB_COVER_EVERY);
    compare(&s, &a, &b);
    for (size_t i = 0; i < a.n; i++) {
        ck_assert_msg(a.v[i].verdict != NB_WRONG, "graph %d, %s: right, but called wrong; %s", (int)seed, a.v[i].name,
                      s.text);
        told += a.v[i].verdict == NB_RIGHT;
        untold += a.v[i].verdict == NB_CANNOT_TELL && a.v[i].reason != NB_WHY_silent; /* not asked by this end */
    }
    plant(&s, &a, &b);
    nb_graph_unref(s.g);
    json_decref(j);
    free(s.text);
    nb_arena_done(&arena);
}

static int first = 0, count = 200;

START_TEST(test_composites)
{
    for (int i = 0; i < count; i++)
        one_graph((uint64_t)(first + i));
    printf("%d graphs: %d tensors right, %d not told, %d told in one way; %d entries planted, %d times not told\n",
           count, told, untold, limits, planted, shy);
    ck_assert_int_gt(told, 50 * limits);
    ck_assert_int_gt(told, 20 * untold);
    ck_assert_int_gt(planted, count * 4 / 5);
    ck_assert_int_ge(planted, 100 * shy);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 2) {
        first = atoi(argv[1]);
        count = atoi(argv[2]);
    }
    Suite *s = suite_create("composites");
    TCase *t = tcase_create("composites");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, test_composites);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
