/* test_doubts.c - points that hide mistakes get a warning that says which; drawn points get none. */
#include "check/check.h"
#include "graphs.h"
#include <math.h>
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, 1 << 30);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static struct nb_verdicts check(struct nb_graph *g, const struct nb_check *c)
{
    struct nb_verdicts v;
    ck_assert_msg(nb_check_run(g, c, &arena, &v, &error) == 0, "%s at %s: %s", nb_code_name(error.code), error.pointer,
                  error.detail);
    return v;
}

static const struct nb_doubt *doubt(const struct nb_verdicts *v, const char *code, const char *where)
{
    for (size_t i = 0; i < v->ndoubts; i++)
        if (!strcmp(v->doubts[i].code, code) && (!where || !strcmp(v->doubts[i].where, where)))
            return &v->doubts[i];
    return NULL;
}

#define GRAPH(inputs, nodes) "{'inputs': {" inputs "}, 'dtype': 'float64', 'nodes': {" nodes "}, 'outputs': ['y']}"
#define ONE(inputs, node) GRAPH(inputs, "'y': " node)

static const char *const softmax = ONE("'x': ['N', 3]", "{'op': 'Softmax', 'in': 'x'}"),
                         *const norm = ONE("'x': ['N', 3]", "{'op': 'BatchNorm1d', 'in': 'x', 'affine': false}"),
                         *const relu = ONE("'x': ['N']", "{'op': 'ReLU', 'in': 'x'}"),
                         *const tanh_ = ONE("'x': ['N']", "{'op': 'Tanh', 'in': 'x'}"),
                         *const linear = ONE("'x': ['N', 3]", "{'op': 'Linear', 'in': 'x', 'out_features': 3}"),
                         *const product = ONE("'a': [2, 2], 'b': [2, 2]", "{'op': 'MatMul', 'in': ['a', 'b']}"),
                         *const two =
                             GRAPH("'x': ['N', 2]", "'W1': {'op': 'Parameter', 'shape': [2, 2], 'init': 'ones'},"
                                                    "'W2': {'op': 'Parameter', 'shape': [2, 3], 'init': 'zeros'},"
                                                    "'y': {'expr': 'tanh(x @ W1) @ W2'}"),
                         *const sum = ONE("'a': ['N'], 'b': ['N']", "{'expr': 'a + b'}");

/* The traps of the reference: at a point like this the warning, at a drawn one none. */
START_TEST(test_degenerate)
{
    static const struct {
        const char *const *graph, *inputs, *cotangents, *code, *where, *hides;
    } rows[] = {
        {&softmax, "{'x': [[1, 2, 3.5], [0, -1, 2]]}", "{'y': [[1, 1, 1], [1, 1, 1]]}", "constant_cotangent", "y",
         "returns nothing"},
        {&softmax, "{'x': [[1, 2, 3.5], [0, -1, 2]]}", "{'y': [[1, 1, 1], [2, 2, 2]]}", "constant_cotangent", "y", ""},
        {&norm, "{'x': [[1, 2, 3.5], [0, -1, 2], [3, 0.5, 1]]}", "{'y': [[1, 1, 1], [1, 1, 1], [1, 1, 1]]}",
         "constant_cotangent", "y", ""},
        {&softmax, "{'x': [[1, 2, 3.5]]}", "{'y': [[1, -1, 2]]}", "batch_of_one", "x", "factor N"},
        {&linear, "{'x': [[1, 1, 1], [1, 1, 1]]}", "{'y': [[1, 2, 3], [3, 1, 2]]}", "equal_entries", "x",
         "transposition"},
        {&linear, "{'x': [[0, 0, 0], [0, 0, 0]]}", "{'y': [[1, 2, 3], [3, 1, 2]]}", "zero_operand", "x", "multiplies"},
        {&relu, "{'x': [0.5, 1, 2]}", "{'y': [1, 2, -1]}", "one_branch", "y", "mask"},
        {&relu, "{'x': [-0.5, -1, -2]}", "{'y': [1, 2, -1]}", "one_branch", "y", "mask"},
        {&relu, "{'x': [2]}", "{'y': [-1]}", "one_branch", "y", "mask"},
        {&tanh_, "{'x': [1, 2, -1]}", "{'y': [0, 0, 0]}", "zero_cotangent", "y", "every mistake"},
        {&product, "{'a': [[1, 2], [2, 3]], 'b': [[1, 4], [2, 3]]}", "{'y': [[1, -2], [3, 5]]}", "symmetric_operand",
         "a", "transpos"},
        {&product, "{'a': [[1, 2], [4, 3]], 'b': [[1, 2], [4, 3]]}", "{'y': [[1, -2], [3, 5]]}", "equal_operands", "y",
         "taken for the other"},
        {&two, "{'x': [[1, 2], [4, -3]]}", "{'y': [[1, -2, 1], [3, 5, -1]]}", "zero_operand", "W2", "multiplies"},
        {&two, "{'x': [[1, 2], [4, -3]]}", "{'y': [[1, -2, 1], [3, 5, -1]]}", "equal_entries", "W1", "transposition"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nb_graph *g = make_good(*rows[i].graph);
        struct nb_check c = {.run = {.seed = {1, 2}, .cotangents_given = true, .train = rows[i].graph == &norm}};
        c.run.inputs = tensors(rows[i].inputs);
        c.run.cotangents = tensors(rows[i].cotangents);
        struct nb_verdicts v = check(g, &c);
        const struct nb_doubt *d = doubt(&v, rows[i].code, rows[i].where);
        ck_assert_msg(d && strstr(d->hides, rows[i].hides), "row %zu: no %s; %s", i, rows[i].code,
                      v.ndoubts ? v.doubts[0].code : "nothing");
        nb_graph_unref(g);
    }
}
END_TEST

/* What looks degenerate but hides nothing. */
START_TEST(test_harmless)
{
    static const struct {
        const char *const *graph, *inputs, *cotangents;
    } rows[] = {{&tanh_, "{'x': [0.5, 1, -2]}", "{'y': [1, 1, 1]}"},                            /* nothing behind it */
                {&sum, "{'a': [1, 2], 'b': [1, 2]}", "{'y': [1, -2]}"},                         /* the same for both */
                {&linear, "{'x': [[1, 0, 0], [0, 2, 1]]}", "{'y': [[1, -2, 0.5], [1, 3, 1]]}"}, /* only some are 0 */
                {&relu, "{'x': [0.5, 1, -2]}", "{'y': [1, 1, 1]}"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nb_graph *g = make_good(*rows[i].graph);
        struct nb_check c = {.run = {.seed = {1, 2}, .cotangents_given = true}};
        c.run.inputs = tensors(rows[i].inputs);
        c.run.cotangents = tensors(rows[i].cotangents);
        struct nb_verdicts v = check(g, &c);
        ck_assert_msg(!v.ndoubts, "row %zu: %s: %s", i, v.doubts[0].code, v.doubts[0].hides);
        nb_graph_unref(g);
    }
}
END_TEST

START_TEST(test_drawn)
{
    const char *const *const graphs[] = {&softmax, &norm, &relu, &tanh_, &linear, &product};
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++)
        for (uint64_t seed = 0; seed < 10; seed++) {
            struct nb_graph *g = make_good(*graphs[i]);
            struct nb_verdicts v = check(g, &(struct nb_check){.run.seed = {seed, 3}, .power = true});
            ck_assert_msg(!v.ndoubts, "graph %zu: %s: %s", i, v.doubts[0].code, v.doubts[0].hides);
            ck_assert_int_eq(v.verdict, NB_RIGHT);
            nb_graph_unref(g);
        }
}
END_TEST

/* The point of a user who took care has none, too. */
START_TEST(test_good_point)
{
    struct nb_graph *g = make_good(linear);
    struct nb_check c = {.run = {.seed = {1, 2}, .cotangents_given = true}, .power = true};
    c.run.inputs = tensors("{'x': [[1, -2, 0.5], [3, 0.25, -1]]}");
    c.run.cotangents = tensors("{'y': [[1, -2, 0.5], [0.75, 1.5, -1]]}");
    struct nb_verdicts v = check(g, &c);
    ck_assert_msg(!v.ndoubts, "%s: %s: %s", v.doubts[0].code, v.doubts[0].where, v.doubts[0].hides);
    ck_assert_int_gt((int)v.nmutants, 20);
    nb_graph_unref(g);
}
END_TEST

static bool survives(const struct nb_verdicts *v, const char *tensor, const char *mistake)
{
    for (size_t i = 0; i < v->nmutants; i++)
        if (!strcmp(v->mutants[i].tensor, tensor) && !strcmp(v->mutants[i].mistake, mistake))
            return !v->mutants[i].caught;
    ck_abort_msg("%s: %s was not planted", tensor, mistake);
}

/* What the warnings say is so: these mistakes, planted, pass there, and others do not. */
START_TEST(test_survivors)
{
    static const struct {
        const char *const *graph, *inputs, *cotangents, *where, *passes, *does_not;
    } rows[] = {
        {&softmax, "{'x': [[1, 2, 3.5], [0, -1, 2]]}", "{'y': [[1, 1, 1], [1, 1, 1]]}", "x", "all zero",
         "the last entry off"},
        {&relu, "{'x': [0.5, 1, 2]}", "{'y': [1, 2, -1]}", "y", "mask dropped", "mask inverted"},
        {&linear, "{'x': [[1, 2, 3]]}", "{'y': [[1, -2, 3]]}", "y.weight", "times N", "transposed"},
        {&linear, "{'x': [[1, 1, 1], [1, 1, 1]]}", "{'y': [[1, 1, 1], [1, 1, 1]]}", "y.weight", "transposed",
         "times N"},
        {&linear, "{'x': [[1, 2, 5], [1, -1, 1]]}", "{'y': [[1, 1, 1], [1, 1, 1]]}", "y", "cotangent ignored",
         "last sample left out"},
        {&product, "{'a': [[1, 2], [4, 3]], 'b': [[1, 2], [4, 3]]}", "{'y': [[1, 0], [0, 1]]}", "y", "operands swapped",
         "cotangent ignored"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nb_graph *g = make_good(*rows[i].graph);
        struct nb_check c = {.run = {.seed = {1, 2}, .cotangents_given = true}, .power = true};
        c.run.inputs = tensors(rows[i].inputs);
        c.run.cotangents = tensors(rows[i].cotangents);
        struct nb_verdicts v = check(g, &c);
        const struct nb_doubt *d = doubt(&v, "survivors", rows[i].where);
        ck_assert_msg(survives(&v, rows[i].where, rows[i].passes), "row %zu: %s is seen", i, rows[i].passes);
        ck_assert_msg(!survives(&v, rows[i].where, rows[i].does_not), "row %zu: %s passes", i, rows[i].does_not);
        ck_assert_msg(d && strstr(d->hides, rows[i].passes), "row %zu: survivors are not named", i);
        nb_graph_unref(g);
    }
}
END_TEST

/* Tensors used twice: the contribution of one use may be forgotten. */
START_TEST(test_contributions)
{
    struct nb_graph *g = make_good(GRAPH("'x': ['N', 3]", "'h': {'op': 'Linear', 'in': 'x', 'out_features': 3},"
                                                          "'y': {'expr': 'tanh(h)*h'}"));
    struct nb_verdicts v = check(g, &(struct nb_check){.run.seed = {4, 3}, .power = true});
    ck_assert(!survives(&v, "y", "a contribution forgotten") || !survives(&v, "h", "cotangent ignored"));
    ck_assert(!v.ndoubts);
    nb_graph_unref(g);
}
END_TEST

/* ---- the networks people build --------------------------------------------------------------------------------- */

static const struct {
    const char *name, *loss;
} networks[] = {{"mlp", "loss"}, {"gan", "D"}, {"gan", "G"}, {"vae", "loss"}, {"rbm", "loss"}, {"mlp", NULL}};

START_TEST(test_networks)
{
    char path[500];
    const char *top = getenv("top_srcdir");
    snprintf(path, sizeof path, "%s/tests/fixtures/graphs/%s.json", top ? top : ".", networks[_i].name);
    json_t *j = json_load_file(path, 0, NULL);
    ck_assert_msg(j != NULL, "%s", path);
    struct nb_graph *g = nb_graph_new(j, NULL, (struct nb_seed){1, 2}, &error);
    json_decref(j);
    ck_assert_msg(g != NULL, "%s", error.detail);
    struct nb_verdicts v =
        check(g, &(struct nb_check){.run = {.seed = {4, 3}, .loss = networks[_i].loss}, .coverage = NB_COVER_SIGNED});
    for (size_t i = 0; i < v.ndoubts; i++)
        ck_abort_msg("%s: %s: %s %s", networks[_i].name, v.doubts[i].code, v.doubts[i].where, v.doubts[i].hides);
    ck_assert_int_ne(v.verdict, NB_WRONG);
    nb_graph_unref(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doubts");
    TCase *t = tcase_create("doubts");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_degenerate);
    tcase_add_test(t, test_harmless);
    tcase_add_test(t, test_drawn);
    tcase_add_test(t, test_good_point);
    tcase_add_test(t, test_survivors);
    tcase_add_test(t, test_contributions);
    tcase_add_loop_test(t, test_networks, 0, sizeof networks / sizeof *networks);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
