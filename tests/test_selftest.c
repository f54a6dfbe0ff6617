/* test_selftest.c - the self-test of a graph: where the points are good every mistake is caught and named; where they
 * are not it says which would pass. */
#include "case_graphs.h"
#include "grade/selftest.h"

static struct nb_graph *graph;
static struct nb_selftest result;

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
    graph = NULL;
}

static void teardown(void)
{
    if (graph)
        nb_graph_unref(graph);
    nb_arena_done(&arena);
}

/* `names` are separated by blanks. */
static struct nb_grading grading(const char *names)
{
    struct nb_grading g = nb_grading_default;
    g.parts = nb_zalloc(&arena, 16, sizeof *g.parts, &error);
    char *copy = nb_strdup(&arena, names, &error), *rest = copy;
    for (char *name; (name = strtok_r(rest, " ", &rest));)
        g.parts[g.nparts++] = (struct nb_part){name, 1};
    g.point.run.seed = (struct nb_seed){5, 9};
    return g;
}

static void run_test(const struct nb_grading *g, size_t points)
{
    const char *fault;
    ck_assert_msg(!nb_selftest(graph, g, points, &arena, &result, &fault, &error), "%s: %s", error.pointer,
                  error.detail);
    ck_assert_msg(!fault, "%s", fault);
    ck_assert_uint_eq(result.points, points);
}

static const struct nb_planted *planted(const char *code, const char *what)
{
    for (size_t i = 0; i < result.n; i++)
        if (!strcmp(result.v[i].code, code) && (!what || !strcmp(result.v[i].what, what)))
            return &result.v[i];
    return NULL;
}

static void expect_all(const char *where)
{
    for (size_t i = 0; i < result.n; i++) {
        const struct nb_planted *p = &result.v[i];
        ck_assert_msg(p->caught && p->named, "%s: %s (%s) at %s: %s, named %s", where, p->code, p->what,
                      p->node ? p->node : p->tensor, p->caught ? "caught" : "survives", p->named_as);
        ck_assert(p->points == result.points && p->named_as);
    }
    ck_assert_uint_eq(result.survivors, 0);
    ck_assert_uint_eq(result.misnamed, 0);
}

/* ---- good points
 * ----------------------------------------------------------------------------------------------------- */

#define CLASSIFIER                                                                                                     \
    "{'inputs': {'x': ['n', 3], 't': {'shape': ['n'], 'dtype': 'int64'}}, 'nodes': {'h': {'op': 'Linear', "            \
    "'out_features': 4, 'in': 'x'}, 'a': {'op': 'Tanh', 'in': 'h'}, 'z': {'op': 'Linear', 'out_features': 3, 'in': "   \
    "'a'}, 'loss': {'op': 'CrossEntropyLoss', 'in': ['z', 't']}}, 'outputs': ['z'], 'dtype': 'float64'}"

START_TEST(test_classifier)
{
    struct nb_grading g;
    graph = make_good(CLASSIFIER);
    g = grading("h.weight h.bias z.weight z.bias x");
    g.point.run.loss = "loss";
    run_test(&g, 3);
    expect_all("classifier");
    ck_assert_uint_ge(result.n, 35);
    ck_assert_ptr_nonnull(planted("tanh_square_missing", NULL));
    ck_assert_ptr_nonnull(planted("factor_batch", "times 1/N"));
    ck_assert_ptr_nonnull(planted("last_sample_missing", NULL));
    ck_assert_ptr_nonnull(planted("crossentropy_extra_slope", NULL));
    ck_assert_str_eq(planted("tanh_square_missing", NULL)->node, "a");
}
END_TEST

/* Networks with branches, shared weights, formulas, normalisation, noise, a backward of the user's own; the last one in
 * floats. */
static const struct {
    const char *name, *graph, *names;
    bool train;
} networks[] = {
    {"residual",
     "{'inputs': {'x': ['n', 4], 't': ['n', 2]}, 'nodes': {'a': {'op': 'Linear', 'out_features': 4, 'in': 'x'}, 'b': "
     "{'op': "
     "'BatchNorm1d', 'in': 'a'}, 'c': {'op': 'ReLU', 'in': 'b'}, 'd': {'op': 'Dropout', 'p': 0.3, 'in': 'c'}, 's': "
     "{'expr': "
     "'x + d'}, 'z': {'op': 'Linear', 'out_features': 2, 'in': 's'}, 'loss': {'op': 'MSELoss', 'in': ['z', 't']}}, "
     "'outputs': ['z'], 'dtype': 'float64'}",
     "a.weight a.bias b.weight b.bias z.weight x", true},
    {"attention",
     "{'inputs': {'x': ['n', 5, 4]}, 'nodes': {'q': {'op': 'Linear', 'out_features': 3, 'in': 'x'}, 'k': {'op': "
     "'Linear', "
     "'out_features': 3, 'in': 'x'}, 'v': {'op': 'Linear', 'out_features': 4, 'in': 'x'}, 'p': {'expr': 'softmax(q @ "
     "transpose(k) / 3**0.5)'}, 'o': {'expr': 'p @ v + x'}, 'y': {'op': 'LayerNorm', 'normalized_shape': 4, 'in': "
     "'o'}}, "
     "'outputs': ['y'], 'dtype': 'float64'}",
     "q.weight k.weight v.weight y.weight x", false},
    {"recurrent",
     "{'inputs': {'x': ['n', 3], 'w': ['n', 3], 'h': ['n', 3]}, 'nodes': {'u1': {'op': 'Linear', 'out_features': 3, "
     "'in': "
     "'x'}, 'v1': {'op': 'Linear', 'out_features': 3, 'bias': false, 'in': 'h'}, 'h1': {'expr': 'tanh(u1 + v1)'}, "
     "'u2': "
     "{'op': 'Linear', 'out_features': 3, 'in': 'w', 'share': 'u1'}, 'v2': {'op': 'Linear', 'out_features': 3, 'bias': "
     "false, 'in': 'h1', 'share': 'v1'}, 'h2': {'expr': 'tanh(u2 + v2)'}, 'y': {'expr': 'sigmoid(h2)*h1'}}, 'outputs': "
     "['y'], 'dtype': 'float64'}",
     "u1.weight u1.bias v1.weight x h", false},
    {"given",
     "{'inputs': {'x': ['n', 3]}, 'modules': {'Swish': {'inputs': {'x': ['...']}, 'nodes': {'y': {'expr': "
     "'x*sigmoid(x)'}}, "
     "'outputs': ['y'], 'backward': {'x': 'g*(y + sigmoid(x)*(1 - y))'}}}, 'nodes': {'a': {'op': 'Linear', "
     "'out_features': 4, 'in': 'x'}, 's': {'op': 'Swish', 'in': 'a'}, 'y': {'op': 'Softmax', 'in': 's'}}, 'outputs': "
     "['y'], 'dtype': 'float64'}",
     "a.weight a.bias x", false},
    {"floats",
     "{'inputs': {'x': ['n', 3], 't': {'shape': ['n'], 'dtype': 'int64'}}, 'nodes': {'h': {'chain': [{'Linear': "
     "{'out_features': 5}}, "
     "'ELU', "
     "{'Linear': {'out_features': 5}}, 'GELU', {'Linear': {'out_features': 4}}], 'in': 'x'}, 'loss': {'op': "
     "'CrossEntropyLoss', 'in': "
     "['h', "
     "'t']}}, 'outputs': ['h']}",
     "h.0.weight h.2.weight h.4.bias x", false},
};

START_TEST(test_network)
{
    graph = make_good(networks[_i].graph);
    struct nb_grading g = grading(networks[_i].names);
    g.point.run.train = networks[_i].train;
    run_test(&g, 2);
    expect_all(networks[_i].name);
    ck_assert_uint_ge(result.n, 30);
}
END_TEST

/* Every module by its first case that has a gradient. */
static void examine(struct subject *s)
{
    struct nb_grading g = nb_grading_default;
    const char *fault;
    graph = s->g;
    g.parts = nb_zalloc(&arena, s->check.run.wrt.n + 1, sizeof *g.parts, &error);
    for (size_t i = 0; i < s->check.run.wrt.n; i++)
        g.parts[g.nparts++] = (struct nb_part){s->check.run.wrt.v[i], 1};
    g.point.run.seed = (struct nb_seed){5, 9};
    g.point.run.train = s->check.run.train;
    ck_assert_msg(!nb_selftest(s->g, &g, 1, &arena, &result, &fault, &error), "%s: %s: %s", s->what, error.pointer,
                  error.detail);
    graph = NULL;
    if (fault)
        ck_abort_msg("%s: %s", s->what, fault);
    expect_all(s->what);
}

START_TEST(test_module)
{
    nb_arena_done(&arena);
    each_subject(nb_module_at(NB_F64, _i), "float64", examine);
    nb_arena_init(&arena, 1 << 20);
}
END_TEST

/* ---- bad ones
 * --------------------------------------------------------------------------------------------------------- */

/* One sample, and a cotangent of ones: what belongs to N, to the sum over samples and to the cotangent passes. */
START_TEST(test_survivors)
{
    graph = make_good("{'inputs': {'x': ['n', 3]}, 'nodes': {'h': {'op': 'Linear', 'out_features': 2, 'in': 'x'}, 'y': "
                      "{'op': 'Tanh', 'in': 'h'}}, 'outputs': ['y'], 'dtype': 'float64'}");
    struct nb_grading g = grading("h.weight h.bias x");
    g.point.run.inputs = tensors("{'x': [[0.5, -1.25, 0.75]]}");
    g.point.run.cotangents = tensors("{'y': [[1, 1]]}");
    g.point.run.cotangents_given = true;
    run_test(&g, 1);
    const char *const pass[][2] = {
        {"factor_batch", "times N"}, {"factor_batch", "times 1/N"}, {"cotangent_ignored", NULL}};
    for (size_t i = 0; i < 3; i++) {
        const struct nb_planted *p = planted(pass[i][0], pass[i][1]);
        ck_assert_msg(p && !p->caught && !p->points && !p->named_as, "%s", pass[i][0]);
    }
    ck_assert_uint_ge(result.survivors, 7); /* factors in each of three tensors */
    ck_assert(planted("tanh_square_missing", NULL)->caught);
    ck_assert(planted("sign", NULL)->caught && planted("sign", NULL)->named);
}
END_TEST

/* All inputs positive: nobody sees what happens below zero. */
START_TEST(test_one_branch)
{
    graph =
        make_good("{'inputs': {'x': ['n', 3]}, 'nodes': {'y': {'op': 'ReLU', 'in': 'x'}}, 'outputs': ['y'], 'dtype': "
                  "'float64'}");
    struct nb_grading g = grading("x");
    g.point.run.inputs = tensors("{'x': [[0.5, 1.25, 0.75], [2, 3, 1]]}");
    run_test(&g, 1);
    ck_assert(!planted("mask_missing", NULL)->caught);
    ck_assert(planted("mask_inverted", NULL)->caught);
}
END_TEST

/* A softmax's gradient for a constant cotangent is zero: its own mistakes are seen, factors are not. */
START_TEST(test_zero_gradient)
{
    graph = make_good("{'inputs': {'x': ['n', 3]}, 'nodes': {'y': {'op': 'Softmax', 'in': 'x'}}, 'outputs': ['y'], "
                      "'dtype': 'float64'}");
    struct nb_grading g = grading("x");
    g.point.run.inputs = tensors("{'x': [[0.5, -1.25, 0.75], [1, 2, -1]]}");
    g.point.run.cotangents = tensors("{'y': [[1, 1, 1], [1, 1, 1]]}");
    g.point.run.cotangents_given = true;
    run_test(&g, 1);
    ck_assert(!planted("sign", NULL)->caught);
    ck_assert(!planted("factor_2", NULL)->caught);
    ck_assert(planted("softmax_value", NULL)->caught);
}
END_TEST

static Suite *suite(int first, int end)
{
    Suite *s = suite_create("selftest");
    TCase *t = tcase_create("selftest");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_classifier);
    tcase_add_loop_test(t, test_network, 0, sizeof networks / sizeof *networks);
    tcase_add_test(t, test_survivors);
    tcase_add_test(t, test_one_branch);
    tcase_add_test(t, test_zero_gradient);
    tcase_add_loop_test(t, test_module, first, end);
    suite_add_tcase(s, t);
    return s;
}

int main(int argc, char **argv)
{
    int first = argc > 1 ? nb_module_find(argv[1]) : 0, end = argc > 1 ? first + 1 : nb_module_count();
    SRunner *r = srunner_create(suite(first, end));
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
