/* test_kinks - what is right and wrong where a function has no derivative, and just beside. */
#include "check/check.h"
#include "check/halving.h"
#include "check/nearest.h"
#include "graph/ask.h"
#include "graphs.h"
#include <math.h>
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static struct nb_verdicts check(const char *graph, const char *inputs, const char *cotangents, const char *gradients,
                                enum nb_method method, bool convention)
{
    struct nb_graph *g = make_good(graph);
    struct nb_check c = {.run.seed = {11, 12}, .method = method, .convention = convention};
    struct nb_verdicts v;
    c.run.inputs = tensors(inputs);
    c.run.cotangents_given = cotangents != NULL;
    if (cotangents)
        c.run.cotangents = tensors(cotangents);
    c.gradients_given = gradients != NULL;
    if (gradients)
        c.gradients = tensors(gradients);
    ck_assert_msg(nb_check_run(g, &c, &arena, &v, &error) == 0, "%s at %s: %s", nb_code_name(error.code), error.pointer,
                  error.detail);
    nb_graph_unref(g);
    return v;
}

/* ---- one kink, many candidates ------------------------------------------------------------------------------------
 */

#define X "'inputs': {'x': ['N']}, 'dtype': 'float64'"
#define OP(node) "{" X ", 'nodes': {'y': " node "}, 'outputs': ['y']}"
#define EXPR(text) OP("{'expr': '" text "'}")
#define AB(node) "{'inputs': {'a': ['N'], 'b': ['N']}, 'dtype': 'float64', 'nodes': {'y': " node "}, 'outputs': ['y']}"

enum { R = NB_RIGHT, U = NB_CANNOT_TELL, W = NB_WRONG };

struct row {
    const char *graph, *point, *cotangent;
    struct {
        const char *candidate;
        int want;
    } try[10];
    const char *reason; /* of what is right; NULL: there is no kink */
};

#define ZERO_TO_ONE                                                                                                    \
    {                                                                                                                  \
        {"{'x': [0]}", R}, {"{'x': [1]}", R}, {"{'x': [0.5]}", R}, {"{'x': [1.2]}", W}, {"{'x': [-0.1]}", W},          \
            {"{'x': [1.0001]}", W},                                                                                    \
        {                                                                                                              \
            "{'x': ['NaN']}", W                                                                                        \
        }                                                                                                              \
    }
#define MINUS_ONE_TO_ONE                                                                                               \
    {                                                                                                                  \
        {"{'x': [0]}", R}, {"{'x': [1]}", R}, {"{'x': [-1]}", R}, {"{'x': [-0.3]}", R}, {"{'x': [1.01]}", W},          \
        {                                                                                                              \
            "{'x': [-2]}", W                                                                                           \
        }                                                                                                              \
    }

static const struct row rows[] = {
    /* relu-at-zero: as a module, in a formula, and in a formula that no module of ours looks like */
    {OP("{'op': 'ReLU', 'in': 'x'}"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("relu(x)"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("where(x > 0, x, 0)"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("where(0 < x, x, 0)"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("x*step(x)"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("max(x, 0)"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("max(0, x)"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("clip(x, 0, 5)"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("0.5*(x + abs(x))"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    {EXPR("abs(x)"), "{'x': [0]}", "{'y': [1]}", MINUS_ONE_TO_ONE, "kink"},
    {EXPR("x*sign(x)"), "{'x': [0]}", "{'y': [1]}", MINUS_ONE_TO_ONE, "kink"},
    /* relu-near-zero */
    {OP("{'op': 'ReLU', 'in': 'x'}"),
     "{'x': [3e-6, 1e-9, -3e-6, -1e-9]}",
     "{'y': [1, 1, 1, 1]}",
     {{"{'x': [1, 1, 0, 0]}", R},
      {"{'x': [0.65, 1, 0, 0]}", W},
      {"{'x': [1, 0.5, 0, 0]}", W},
      {"{'x': [1, 1, 0.35, 0]}", W},
      {"{'x': [1, 1, 0, 1]}", W}},
     NULL},
    {OP("{'op': 'LeakyReLU', 'in': 'x'}"),
     "{'x': [0]}",
     "{'y': [1]}",
     {{"{'x': [0.01]}", R}, {"{'x': [1]}", R}, {"{'x': [0.505]}", R}, {"{'x': [0]}", W}, {"{'x': [1.01]}", W}},
     "kink"},
    {OP("{'op': 'PReLU', 'in': 'x'}"),
     "{'x': [0]}",
     "{'y': [2]}",
     {{"{'x': [0.5]}", R}, {"{'x': [2]}", R}, {"{'x': [1]}", R}, {"{'x': [0.4]}", W}, {"{'x': [2.1]}", W}},
     "kink"},
    {OP("{'op': 'ELU', 'in': 'x'}"),
     "{'x': [0]}",
     "{'y': [1]}",
     {{"{'x': [1]}", R}, {"{'x': [0.999]}", W}, {"{'x': [1.001]}", W}},
     NULL},
    {EXPR("where(x > 0, x, expm1(x))"), /* the same, and its operations stand at an edge */
     "{'x': [0]}",
     "{'y': [1]}",
     {{"{'x': [1]}", R}, {"{'x': [0.999]}", W}, {"{'x': [1.001]}", W}},
     NULL},
    {OP("{'op': 'ELU', 'in': 'x', 'alpha': 0.5}"),
     "{'x': [0]}",
     "{'y': [1]}",
     {{"{'x': [0.5]}", R}, {"{'x': [1]}", R}, {"{'x': [0.75]}", R}, {"{'x': [0.49]}", W}, {"{'x': [1.1]}", W}},
     "kink"},
    {OP("{'op': 'Clip', 'in': 'x', 'min': -1, 'max': 2}"),
     "{'x': [-1, 2, 0, 3]}",
     "{'y': [1, -2, 1, 1]}",
     {{"{'x': [0.3, -1.5, 1, 0]}", R},
      {"{'x': [0, 0, 1, 0]}", R},
      {"{'x': [1, 0.1, 1, 0]}", W},
      {"{'x': [1, -2, 0.9, 0]}", W}},
     "kink"},
    /* max-tie */
    {OP("{'op': 'Max', 'in': 'x'}"),
     "{'x': [1, 1, 0.5]}",
     "{'y': 1}",
     {{"{'x': [1, 0, 0]}", R},
      {"{'x': [0, 1, 0]}", R},
      {"{'x': [0.5, 0.5, 0]}", R},
      {"{'x': [1, 1, 0]}", W},
      {"{'x': [0.3, 0.3, 0]}", W},
      {"{'x': [1.2, -0.2, 0]}", W},
      {"{'x': [0.5, 0.4, 0.1]}", W}},
     "kink"},
    {OP("{'op': 'Min', 'in': 'x'}"),
     "{'x': [2, -1, -1, -1]}",
     "{'y': -3}",
     {{"{'x': [0, -1, -1, -1]}", R},
      {"{'x': [0, -3, 0, 0]}", R},
      {"{'x': [0, 0, 0, -3]}", R},
      {"{'x': [0, -1.5, -1.5, -1.5]}", W}},
     "kink"},
    {AB("{'expr': 'max(a, b)'}"),
     "{'a': [1, 2], 'b': [1, 1]}",
     "{'y': [1, 1]}",
     {{"{'a': [1, 1], 'b': [0, 0]}", R},
      {"{'a': [0, 1], 'b': [1, 0]}", R},
      {"{'a': [0.5, 1], 'b': [0.5, 0]}", R},
      {"{'a': [0.2, 1], 'b': [0.8, 0]}", R},
      {"{'a': [1, 1], 'b': [1, 0]}", W},
      {"{'a': [0, 1], 'b': [0, 0]}", W},
      {"{'a': [0.5, 1], 'b': [0.5, 1]}", W}},
     "kink"},
    /* the slopes of a difference belong together */
    {AB("{'op': 'L1Loss', 'in': ['a', 'b'], 'reduction': 'sum'}"),
     "{'a': [1, 2], 'b': [1, 5]}",
     "{'y': 1}",
     {{"{'a': [0, -1], 'b': [0, 1]}", R},
      {"{'a': [0.3, -1], 'b': [-0.3, 1]}", R},
      {"{'a': [0.3, -1], 'b': [0.3, 1]}", W},
      {"{'a': [1.1, -1], 'b': [-1.1, 1]}", W}},
     "kink"},
    {OP("{'expr': 'max(1 - x, 0)'}"), /* hinge */
     "{'x': [1]}",
     "{'y': [1]}",
     {{"{'x': [0]}", R}, {"{'x': [-1]}", R}, {"{'x': [-0.2]}", R}, {"{'x': [0.1]}", W}},
     "kink"},
    {"{'inputs': {'x': ['N', 1], 't': {'shape': ['N', 1], 'dtype': 'int64'}}, 'dtype': 'float64', 'nodes': {'y': "
     "{'op': "
     "'HingeLoss', 'in': ['x', 't'], 'reduction': 'sum'}}, 'outputs': ['y']}",
     "{'x': [[1], [-1], [3]], 't': [[1], [-1], [-1]]}",
     "{'y': 1}",
     {{"{'x': [[-0.2], [0.7], [1]]}", R}, {"{'x': [[0.2], [0.7], [1]]}", W}, {"{'x': [[-0.2], [-0.1], [1]]}", W}},
     "kink"},
    /* two-kinks: near, and on them */
    {AB("{'expr': 'relu(relu(a) + relu(b + 4e-6))'}"),
     "{'a': [2e-6], 'b': [-2e-6]}",
     "{'y': [1]}",
     {{"{'a': [1], 'b': [1]}", R}, {"{'a': [1], 'b': [0.5]}", W}, {"{'a': [0.7], 'b': [1]}", W}},
     NULL},
    {AB("{'expr': 'relu(relu(a) + relu(b))'}"),
     "{'a': [0], 'b': [0]}",
     "{'y': [1]}",
     {{"{'a': [0], 'b': [0]}", R},
      {"{'a': [1], 'b': [1]}", R},
      {"{'a': [1], 'b': [0]}", R},
      {"{'a': [0.3], 'b': [0.9]}", R},
      {"{'a': [1.2], 'b': [0]}", W},
      {"{'a': [0.5], 'b': [-0.1]}", W}},
     "kink"},
    {EXPR("relu(relu(relu(x)))"), "{'x': [0]}", "{'y': [1]}", ZERO_TO_ONE, "kink"},
    /* one entry, two operations: the same side for both */
    {EXPR("relu(x) - abs(x)"),
     "{'x': [0]}",
     "{'y': [1]}",
     {{"{'x': [0]}", R}, {"{'x': [1]}", R}, {"{'x': [0.4]}", R}, {"{'x': [1.5]}", W}, {"{'x': [-0.5]}", W}},
     "kink"},
    {AB("{'expr': 'norm(a - b)'}"),
     "{'a': [1, 2], 'b': [1, 2]}",
     "{'y': 1}",
     {{"{'a': [0, 0], 'b': [0, 0]}", R},
      {"{'a': [0.6, 0.8], 'b': [-0.6, -0.8]}", R},
      {"{'a': [-1, 0], 'b': [1, 0]}", R},
      {"{'a': [0.3, -0.2], 'b': [-0.3, 0.2]}", R},
      {"{'a': [0.8, 0.8], 'b': [-0.8, -0.8]}", W},
      {"{'a': [0.6, 0.81], 'b': [-0.6, -0.81]}", W},
      {"{'a': [0.3, 0.3], 'b': [0.3, 0.3]}", W}},
     "kink"},
    {OP("{'op': 'Norm', 'in': 'x'}"),
     "{'x': [0, 0, 0]}",
     "{'y': 2}",
     {{"{'x': [0, 0, 0]}", R},
      {"{'x': [2, 0, 0]}", R},
      {"{'x': [1, 1, 1]}", R},
      {"{'x': [1.2, 1.2, 1.2]}", W},
      {"{'x': [0, 0, -2.01]}", W}},
     "kink"},
    {OP("{'op': 'Norm', 'in': 'x', 'p': 1}"),
     "{'x': [0, 0, 3]}",
     "{'y': 1}",
     {{"{'x': [1, 1, 1]}", R}, {"{'x': [-1, 0.3, 1]}", R}, {"{'x': [1.1, 0, 1]}", W}, {"{'x': [0, 0, 0.9]}", W}},
     "kink"},
    {OP("{'op': 'Norm', 'in': 'x', 'p': 'Infinity'}"),
     "{'x': [0, 0]}",
     "{'y': 1}",
     {{"{'x': [0.5, 0.5]}", R},
      {"{'x': [0.5, -0.5]}", R},
      {"{'x': [0, -1]}", R},
      {"{'x': [0.1, 0.2]}", R},
      {"{'x': [0.8, 0.8]}", W}},
     "kink"},
    {OP("{'op': 'Norm', 'in': 'x', 'p': 3}"), /* the dual norm has p = 3/2 */
     "{'x': [0, 0]}",
     "{'y': 1}",
     {{"{'x': [0.6299605249474366, 0.6299605249474366]}", R},
      {"{'x': [0.629, 0.629]}", R},
      {"{'x': [0.631, 0.631]}", W},
      {"{'x': [1, 0]}", R},
      {"{'x': [0.3, -0.8]}", R},
      {"{'x': [0.5, -0.8]}", W}},
     "kink"},
    {"{'inputs': {'a': ['N', 2], 'b': ['N', 2], 't': {'shape': ['N'], 'dtype': 'int64'}}, 'dtype': 'float64', 'nodes': "
     "{'y': {'op': 'ContrastiveLoss', 'in': ['a', 'b', 't'], 'margin': 2, 'reduction': 'sum'}}, 'outputs': ['y']}",
     "{'a': [[1, 2]], 'b': [[1, 2]], 't': [1]}",
     "{'y': 1}",
     {{"{'a': [[0, 0]], 'b': [[0, 0]]}", R},
      {"{'a': [[1.2, 1.6]], 'b': [[-1.2, -1.6]]}", R},
      {"{'a': [[-0.5, 1]], 'b': [[0.5, -1]]}", R},
      {"{'a': [[1.5, 1.5]], 'b': [[-1.5, -1.5]]}", W},
      {"{'a': [[0.5, 0.5]], 'b': [[0.5, 0.5]]}", W}},
     "kink"},
    /* elsewhere in the tensor nothing changes */
    {OP("{'op': 'ReLU', 'in': 'x'}"),
     "{'x': [0, 2, -3, 0]}",
     "{'y': [1, -2, 1, 3]}",
     {{"{'x': [0.2, -2, 0, 2.9]}", R}, {"{'x': [0.2, -2.001, 0, 2.9]}", W}, {"{'x': [0.2, -2, 0.001, 0]}", W}},
     "kink"},
    /* beyond a leap lies nothing that is right here */
    {AB("{'expr': 'where(a == 1, b, 0)'}"),
     "{'a': [1, 0], 'b': [3, 2]}",
     "{'y': [1, 1]}",
     {{"{'b': [1, 0]}", R}, {"{'b': [0, 0]}", W}, {"{'b': [0.5, 0]}", W}, {"{'b': [1, 1]}", W}},
     NULL},
    {EXPR("where(x >= 1, 2*x, relu(x - 1) + 5)"), "{'x': [1]}", "{'y': [1]}", {{"{'x': [0.5]}", U}}, NULL},
    {EXPR("where(0.5 == 0.25 + 0.25, x, -x)"),
     "{'x': [1]}",
     "{'y': [1]}",
     {{"{'x': [1]}", R}, {"{'x': [-1]}", W}},
     NULL},
    /* what lies at an edge but makes no difference */
    {EXPR("relu(x)*0 + x"), "{'x': [0]}", "{'y': [1]}", {{"{'x': [1]}", R}, {"{'x': [0.9]}", W}}, NULL},
    {EXPR("x*stop(step(x))"), "{'x': [0]}", "{'y': [1]}", {{"{'x': [0]}", U}}, NULL}, /* nothing moves */
    {EXPR("x + sum(relu(relu(x)))*0"), "{'x': [0, -1]}", "{'y': [1, 1]}", {{"{'x': [1, 1]}", R}}, NULL},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* Seen only by differences through the whole graph. */
static const struct row loop_rows[] = {
    {EXPR("sqrt(x*x)"), "{'x': [0]}", "{'y': [1]}", MINUS_ONE_TO_ONE, "kink"}, /* found by halving */
    /* loss-minimum: smooth for the square, a ball of gradients for the norm */
    {AB("{'op': 'EuclideanLoss', 'in': ['a', 'b']}"),
     "{'a': [1, 2], 'b': [1, 2]}",
     "{'y': 1}",
     {{"{'a': [0, 0], 'b': [0, 0]}", R}, {"{'a': [0.1, 0], 'b': [-0.1, 0]}", W}},
     NULL},
    /* a jump has no derivative at all */
    {EXPR("sign(x)"), "{'x': [0]}", "{'y': [1]}", {{"{'x': [0]}", U}, {"{'x': [1]}", U}}, NULL},
    {EXPR("x + floor(x)"), "{'x': [2, 0.5]}", "{'y': [1, 1]}", {{"{'x': [1, 1]}", U}, {"{'x': [1, 0]}", W}}, NULL},
};
enum { LOOP_ROWS = sizeof loop_rows / sizeof *loop_rows };

/* The worst verdict on the tensors that were claimed. */
static enum nb_verdict on(const struct nb_verdicts *v, const struct nb_tensors *claimed)
{
    enum nb_verdict worst = NB_RIGHT;
    for (size_t i = 0; i < v->n; i++)
        if (nb_tensors_find(claimed, v->v[i].name) && v->v[i].verdict > worst)
            worst = v->v[i].verdict;
    return worst;
}

static void try_row(const struct row *r, enum nb_method method)
{
    for (int i = 0; r->try[i].candidate; i++) {
        struct nb_verdicts v = check(r->graph, r->point, r->cotangent, r->try[i].candidate, method, false);
        struct nb_tensors claimed = tensors(r->try[i].candidate);
        const char *reason = NULL;
        for (size_t k = 0; k < v.n && !reason; k++)
            reason = nb_tensors_find(&claimed, v.v[k].name) ? nb_reason_name(v.v[k].reason) : NULL;
        ck_assert_msg((int)on(&v, &claimed) == r->try[i].want, "%s at %s, method %d: %s is called %s (%s)", r->graph,
                      r->point, (int)method, r->try[i].candidate, nb_verdict_name(on(&v, &claimed)),
                      reason ? reason : "");
        ck_assert_msg(v.self_ok, "%s at %s: %s", r->graph, r->point, v.facts.fault ? v.facts.fault : "");
        if (r->try[i].want == R)
            ck_assert_msg(!r->reason ? !reason : reason && !strcmp(reason, r->reason), "%s at %s, %s: reason %s",
                          r->graph, r->point, r->try[i].candidate, reason ? reason : "none");
    }
}

START_TEST(candidates)
{
    try_row(&rows[_i], NB_METHOD_AUTO);
}
END_TEST

START_TEST(candidates_by_loop)
{
    try_row(&loop_rows[_i], NB_METHOD_LOOP);
}
END_TEST

START_TEST(candidates_by_structure)
{
    try_row(&rows[_i], NB_METHOD_STRUCTURE);
}
END_TEST

/* ---- the convention, and what is told of a kink --------------------------------------------------------------------
 */

START_TEST(convention_only)
{
    const char *relu = OP("{'op': 'ReLU', 'in': 'x'}"), *at = "{'x': [0, 1]}", *g = "{'y': [1, 1]}";
    ck_assert_int_eq(check(relu, at, g, "{'x': [0, 1]}", NB_METHOD_AUTO, true).verdict, NB_RIGHT);
    ck_assert_int_eq(check(relu, at, g, NULL, NB_METHOD_AUTO, true).verdict, NB_RIGHT);
    ck_assert_int_eq(check(relu, at, g, "{'x': [1, 1]}", NB_METHOD_AUTO, true).verdict, NB_WRONG);
    ck_assert_int_eq(check(relu, at, g, "{'x': [0.5, 1]}", NB_METHOD_AUTO, true).verdict, NB_WRONG);
}
END_TEST

START_TEST(certificate)
{
    struct nb_verdicts v = check(OP("{'op': 'ELU', 'in': 'x', 'alpha': 0.25}"), "{'x': [1, 0, -1]}", "{'y': [1, 4, 1]}",
                                 "{'x': [1, 3, 0.0919698602928606]}", NB_METHOD_AUTO, false);
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    ck_assert_int_eq((int)v.facts.nkinks, 1);
    const struct nb_kink_met *k = v.facts.kinks;
    ck_assert_str_eq(k->node, "y");
    ck_assert_str_eq(k->port, "input");
    ck_assert_int_eq((int)k->index, 1);
    ck_assert(k->value == 0 && k->convention == 0.25 && k->high == 1);
    ck_assert_double_eq_tol(k->low, 0.25, 1e-9);
    ck_assert_double_eq_tol(v.v[0].value[1], 1, 1e-12); /* 4 times the convention */
    ck_assert_int_eq(v.v[0].reasons[1], NB_WHY_kink);
    ck_assert_int_eq(v.v[0].reasons[0], NB_WHY_none);

    v = check(OP("{'op': 'Max', 'in': 'x'}"), "{'x': [1, 3, 3]}", "{'y': 2}", NULL, NB_METHOD_AUTO, false);
    ck_assert_int_eq((int)v.facts.nkinks, 2);
    for (int i = 0; i < 2; i++) {
        k = &v.facts.kinks[i];
        ck_assert(k->index == 1 + i && k->value == 3 && k->convention == (i == 0) && k->low == 0 && k->high == 1);
    }
    v = check(OP("{'op': 'ReLU', 'in': 'x'}"), "{'x': [1, -1]}", "{'y': [1, 1]}", NULL, NB_METHOD_AUTO, false);
    ck_assert_int_eq((int)v.facts.nkinks, 0);
}
END_TEST

/* ---- many kinks ----------------------------------------------------------------------------------------------------
 */

enum { MANY = 300 };

static char *numbers(const char *name, int n, double (*of)(int))
{
    char *text = malloc((size_t)n * 30 + 100), *p = text;
    p += sprintf(p, "{'%s': [", name);
    for (int i = 0; i < n; i++)
        p += sprintf(p, "%s%.17g", i ? ", " : "", of(i));
    sprintf(p, "]}");
    return text;
}

static double zeros(int i)
{
    return i % 5 ? 0 : i % 2 ? 1 : -1;
}

static double ones(int i)
{
    (void)i;
    return 1;
}

static double subgradients(int i)
{
    return i % 5 ? (i * 37 % 101) / 100.0 : i % 2;
}

static double one_wrong(int i)
{
    return i == 123 ? 1.003 : subgradients(i);
}

/* Hundreds, each in an interval of its own; the wrong one is named. */
START_TEST(many)
{
    static const char *const graphs[] = {OP("{'op': 'ReLU', 'in': 'x'}"), EXPR("relu(relu(x))"), EXPR("max(x, 0)")};
    char *x = numbers("x", MANY, zeros), *g = numbers("y", MANY, ones), *right = numbers("x", MANY, subgradients),
         *wrong = numbers("x", MANY, one_wrong);
    struct nb_verdicts v = check(graphs[_i], x, g, right, NB_METHOD_AUTO, false);
    ck_assert_msg(v.verdict == NB_RIGHT, "%s: %s, %d right, %d wrong", graphs[_i], nb_verdict_name(v.verdict),
                  (int)v.v[0].right, (int)v.v[0].wrong);
    v = check(graphs[_i], x, g, wrong, NB_METHOD_AUTO, false);
    ck_assert_int_eq((int)v.v[0].wrong, 1);
    ck_assert_int_eq(v.v[0].verdicts[123], NB_WRONG);
    free(x), free(g), free(right), free(wrong);
}
END_TEST

/* A layer whose weights are 0: B x H kinks that share the entries of dW, db and dx. y = sum relu(x W' + b) c. */
enum { B = 5, H = 4, D = 3 };
static const double layer_x[B][D] = {
    {0.3, -1.2, 0.7}, {1.1, 0.4, -0.6}, {-0.9, 0.2, 0.5}, {0.8, 0.6, 1.3}, {-1, 0.1, 2}};
static const double layer_g[B][H] = {
    {1, -0.5, 0.7, 2}, {0.3, 0.9, -1.1, 1}, {-2, 0.4, 0.6, 1.2}, {0.5, 1.5, -0.8, 0.1}, {1.3, -0.2, 0.9, -0.6}};

/* dW and db when unit h of sample b has the slope t[b][h]. */
static struct nb_tensors layer_gradient(double (*t)(int, int))
{
    struct nb_tensors l = {0};
    struct nb_tensor w, b;
    struct nb_shape ws = nb_shape_of(2, (int64_t)H, (int64_t)D), bs = nb_shape_of(1, (int64_t)H);
    ck_assert(!nb_tensor_new(&arena, NB_F64, &ws, &w, &error) && !nb_tensor_new(&arena, NB_F64, &bs, &b, &error));
    memset(w.data, 0, H * D * sizeof(double));
    memset(b.data, 0, H * sizeof(double));
    for (int s = 0; s < B; s++)
        for (int h = 0; h < H; h++) {
            ((double *)b.data)[h] += t(s, h) * layer_g[s][h];
            for (int d = 0; d < D; d++)
                ((double *)w.data)[h * D + d] += t(s, h) * layer_g[s][h] * layer_x[s][d];
        }
    ck_assert(!nb_tensors_add(&arena, &l, "fc.weight", w, &error) && !nb_tensors_add(&arena, &l, "fc.bias", b, &error));
    return l;
}

static double slope_none(int s, int h)
{
    (void)s, (void)h;
    return 0;
}
static double slope_mixed(int s, int h)
{
    return (s * 29 + h * 53) % 97 / 96.0;
}
static double slope_ends(int s, int h)
{
    return (s + h) % 2;
}
static double slope_beyond(int s, int h)
{
    return (s + h) % 2 ? 1.05 : 0;
}
static double slope_below(int s, int h)
{
    return s == 2 && h == 1 ? -0.3 : (s + h) % 2;
}

static struct nb_verdicts check_layer(const char *graph, const struct nb_tensors *candidate)
{
    struct nb_graph *g = make_good(graph);
    struct nb_check c = {.run.seed = {11, 12}, .gradients_given = true, .gradients = *candidate};
    struct nb_verdicts v;
    struct nb_tensor x, cotangent;
    struct nb_shape xs = nb_shape_of(2, (int64_t)B, (int64_t)D), gs = nb_shape_of(2, (int64_t)B, (int64_t)H);
    ck_assert(!nb_tensor_new(&arena, NB_F64, &xs, &x, &error) &&
              !nb_tensor_new(&arena, NB_F64, &gs, &cotangent, &error));
    memcpy(x.data, layer_x, sizeof layer_x);
    memcpy(cotangent.data, layer_g, sizeof layer_g);
    ck_assert(!nb_tensors_add(&arena, &c.run.inputs, "x", x, &error) &&
              !nb_tensors_add(&arena, &c.run.cotangents, "y", cotangent, &error));
    c.run.cotangents_given = true;
    ck_assert_msg(nb_check_run(g, &c, &arena, &v, &error) == 0, "%s: %s", nb_code_name(error.code), error.detail);
    nb_graph_unref(g);
    return v;
}

START_TEST(a_layer_of_zeros)
{
    static const struct {
        double (*t)(int, int);
        enum nb_verdict want;
    } tries[] = {{slope_none, NB_RIGHT},
                 {slope_mixed, NB_RIGHT},
                 {slope_ends, NB_RIGHT},
                 {slope_beyond, NB_WRONG},
                 {slope_below, NB_WRONG}};
    const char *graph = "{'inputs': {'x': ['B', 3]}, 'dtype': 'float64', 'nodes': {'fc': {'op': 'Linear', 'in': 'x', "
                        "'out_features': 4}, 'y': {'op': 'ReLU', 'in': 'fc'}}, 'outputs': ['y'], 'params': "
                        "{'fc.weight': {'init': 'zeros'}, 'fc.bias': {'init': 'zeros'}}}";
    struct nb_tensors t = layer_gradient(tries[_i].t);
    struct nb_verdicts v = check_layer(graph, &t);
    ck_assert_msg(on(&v, &t) == tries[_i].want, "try %d: %s", _i, nb_verdict_name(on(&v, &t)));
}
END_TEST

/* Two such layers: what the choices do no longer adds up. The convention is right, the bounds are kept. */
START_TEST(two_layers_of_zeros)
{
    const char *graph = "{'inputs': {'x': ['B', 3]}, 'dtype': 'float64', 'nodes': {'fc': {'op': 'Linear', 'in': 'x', "
                        "'out_features': 4}, 'h': {'op': 'ReLU', 'in': 'fc'}, 'y': {'op': 'ReLU', 'in': 'h'}}, "
                        "'outputs': ['y'], 'params': {'fc.weight': {'init': 'zeros'}, 'fc.bias': {'init': 'zeros'}}}";
    struct nb_tensors t = layer_gradient(slope_none), u = layer_gradient(slope_mixed), w = layer_gradient(slope_none);
    struct nb_verdicts v = check_layer(graph, &t);
    ck_assert_int_eq(on(&v, &t), NB_RIGHT);
    v = check_layer(graph, &u);
    ck_assert_int_eq(on(&v, &u), NB_CANNOT_TELL);
    for (size_t i = 0; i < v.n; i++)
        if (nb_tensors_find(&u, v.v[i].name))
            ck_assert_str_eq(nb_reason_name(v.v[i].reason), "kink");
    ((double *)nb_tensors_find(&w, "fc.weight")->data)[5] = 50;
    ck_assert_int_eq(check_layer(graph, &w).verdict, NB_WRONG);
}
END_TEST

/* A corner behind a layer: dx = W' v, |v| <= 1. */
START_TEST(a_corner_behind_a_layer)
{
    static const double w[3][3] = {{0.4, -1.3, 0.8}, {1.9, 0.3, -0.7}, {0.6, 0.9, 1.1}};
    static const struct {
        double v[3];
        enum nb_verdict want;
    } tries[] = {{{0, 0, 0}, NB_RIGHT},         {{0.6, 0, -0.8}, NB_RIGHT},  {{0.1, 0.2, -0.3}, NB_RIGHT},
                 {{0.48, 0.64, 0.6}, NB_RIGHT}, {{0.6, 0.2, 0.8}, NB_WRONG}, {{0, -1.001, 0}, NB_WRONG}};
    const char *graph =
        "{'inputs': {'x': [3]}, 'dtype': 'float64', 'nodes': {'w': {'op': 'Parameter', 'shape': [3, 3], "
        "'value': [[0.4, -1.3, 0.8], [1.9, 0.3, -0.7], [0.6, 0.9, 1.1]]}, 'y': {'expr': 'norm(w @ x)'}}, "
        "'outputs': ['y']}";
    char candidate[200];
    double dx[3] = {0};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            dx[k] += w[i][k] * tries[_i].v[i];
    snprintf(candidate, sizeof candidate, "{'x': [%.17g, %.17g, %.17g]}", dx[0], dx[1], dx[2]);
    struct nb_verdicts v = check(graph, "{'x': [0, 0, 0]}", "{'y': 1}", candidate, NB_METHOD_AUTO, false);
    struct nb_tensors claimed = tensors(candidate);
    ck_assert_msg(on(&v, &claimed) == tries[_i].want, "try %d: %s", _i, nb_verdict_name(on(&v, &claimed)));
}
END_TEST

/* ---- other graphs --------------------------------------------------------------------------------------------------
 */

START_TEST(in_single_precision)
{
    const char *relu = "{'inputs': {'x': ['N']}, 'nodes': {'y': {'op': 'ReLU', 'in': 'x'}}, 'outputs': ['y']}";
    const char *at = "{'x': [0, 0.7]}", *g = "{'y': [1, 3]}";
    ck_assert_int_eq(check(relu, at, g, NULL, NB_METHOD_AUTO, false).verdict, NB_RIGHT);
    ck_assert_int_eq(check(relu, at, g, "{'x': [0.4, 3]}", NB_METHOD_AUTO, false).verdict, NB_RIGHT);
    ck_assert_int_eq(check(relu, at, g, "{'x': [1.1, 3]}", NB_METHOD_AUTO, false).verdict, NB_WRONG);
    ck_assert_int_eq(check(relu, at, g, "{'x': [0.4, 3.1]}", NB_METHOD_AUTO, false).verdict, NB_WRONG);
}
END_TEST

/* A backward of the user's may take any subgradient, and nothing else. */
START_TEST(given_backward)
{
    static const struct {
        const char *backward;
        enum nb_verdict want;
    } tries[] = {{"g*step(u)", NB_RIGHT},
                 {"where(u >= 0, g, 0)", NB_RIGHT},
                 {"0.5*g*(1 + sign(u))", NB_RIGHT},
                 {"g*(step(u) - 0.1*(u == 0))", NB_WRONG},
                 {"g", NB_WRONG},
                 {"0*g", NB_WRONG}};
    char text[600];
    snprintf(text, sizeof text,
             "{'inputs': {'x': ['N']}, 'dtype': 'float64', 'modules': {'M': {'inputs': {'u': ['N']}, 'nodes': {'y': "
             "{'expr': 'max(u, 0)'}}, 'outputs': ['y'], 'backward': {'u': '%s'}}}, 'nodes': {'m': {'op': 'M', 'in': "
             "'x'}}, 'outputs': ['m']}",
             tries[_i].backward);
    struct nb_verdicts v = check(text, "{'x': [0, 0.5, -0.5]}", "{'m': [1, 2, -1]}", NULL, NB_METHOD_AUTO, false);
    ck_assert_msg(v.verdict == tries[_i].want, "%s: %s", tries[_i].backward, nb_verdict_name(v.verdict));
}
END_TEST

/* ---- the ladder and the halving test, by themselves ----------------------------------------------------------------
 */

struct stage {
    struct nb_graph *g;
    struct nb_planned *p;
    struct nb_oracle o;
    int leaf;
};

static void stage_at(struct stage *s, const char *expression, double x)
{
    char text[300];
    struct nb_run run = {.seed = {1, 2}, .cotangents_given = true};
    void **cotangent;
    snprintf(text, sizeof text, EXPR("%s"), expression);
    s->g = make_good(text);
    snprintf(text, sizeof text, "{'x': [%.17g]}", x);
    run.inputs = tensors(text);
    run.cotangents = tensors("{'y': [1]}");
    s->p = nb_graph_plan(s->g, NB_ASK_BACKWARD, &run, &arena, &error);
    ck_assert_msg(s->p != NULL, "%s", error.detail);
    struct nb_fed fed = nb_graph_fed(s->g, &run);
    ck_assert(!nb_graph_cotangents(s->p, &run, NB_F64, &arena, &cotangent, &error));
    ck_assert(!nb_oracle_new(&s->p->plan, &fed, cotangent, &arena, &s->o, &error));
    s->leaf = s->p->plan.wants.wrt[0];
}

static void leave(struct stage *s)
{
    nb_planned_unref(s->p);
    nb_graph_unref(s->g);
}

/* However near the kink, no number comes from across it. */
START_TEST(ladder_beside_a_kink)
{
    static const double at[] = {1e-3, 3e-6, 1e-6, 1e-9, 1e-12, -1e-3, -3e-6, -1e-9, -1e-12};
    static const struct {
        const char *expression;
        double below, above;
    } f[] = {
        {"relu(x)", 0, 1}, {"leaky_relu(x, 0.99)", 0.99, 1}, {"abs(x)", -1, 1}, {"1 + x + 0.001*max(x, 0)", 1, 1.001}};
    for (size_t k = 0; k < sizeof f / sizeof *f; k++)
        for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
            struct stage s;
            struct nb_estimate n;
            double want = at[i] > 0 ? f[k].above : f[k].below;
            stage_at(&s, f[k].expression, at[i]);
            ck_assert_int_eq(nb_differences(&s.o, s.leaf, 0, 1, fabs(at[i]), &n, &error), 0);
            ck_assert_msg(n.found && !n.crossed && fabs(n.value - want) <= n.bar, "%s at %g: %.17g, bar %g",
                          f[k].expression, at[i], n.value, n.bar);
            leave(&s);
        }
}
END_TEST

/* At the joint of ELU(1) every step crosses, and the number is right all the same. */
START_TEST(ladder_at_a_joint)
{
    struct stage s;
    struct nb_estimate n;
    stage_at(&s, "elu(x)", 0);
    ck_assert_int_eq(nb_differences(&s.o, s.leaf, 0, 1, 0, &n, &error), 0);
    ck_assert(n.found && n.crossed);
    ck_assert_double_eq_tol(n.value, 1, n.bar);
    ck_assert(n.bar < 1e-5);
    leave(&s);
}
END_TEST

START_TEST(companions)
{
    struct stage s;
    stage_at(&s, "1/x", 8); /* the slope at x/64 is 4096 times that at x */
    ck_assert_double_eq_tol(nb_companion_slope(&s.o, s.leaf), 64, 1e-9);
    leave(&s);
    stage_at(&s, "sqrt(x - 4)", 8); /* no number at any companion */
    ck_assert_double_eq(nb_companion_slope(&s.o, s.leaf), 0);
    leave(&s);
}
END_TEST

START_TEST(halving)
{
    static const struct {
        const char *expression;
        double at;
        bool corner;
        double low, high;
    } f[] = {{"relu(x)", 0, true, 0, 1},
             {"leaky_relu(x)", 0, true, 0.01, 1},
             {"leaky_relu(x, 0.99)", 0, true, 0.99, 1},
             {"elu(x, 0.5)", 0, true, 0.5, 1},
             {"abs(x)", 0, true, -1, 1},
             {"1 + x + 0.001*relu(x)", 0, true, 1, 1.001},
             {"exp(x)*abs(x - 1.5)", 1.5, true, -4.4816890703380645, 4.4816890703380645},
             {"elu(x)", 0, false, 0, 0},
             {"exp(x)", 0.3, false, 0, 0},
             {"tanh(20*x)", 0.1, false, 0, 0},
             {"x*x*x", 0, false, 0, 0},
             {"sin(x)/x", 1e-3, false, 0, 0},
             {"relu(x)", 1e-3, false, 0, 0},
             {"relu(x)", -1e-6, false, 0, 0},
             {"abs(x)", 1e-6, false, 0, 0},
             {"sign(x)", 0, false, 0, 0}, /* a jump */
             {"x + step(x)", 0, false, 0, 0}};
    for (size_t k = 0; k < sizeof f / sizeof *f; k++) {
        struct stage s;
        struct nb_corner c;
        stage_at(&s, f[k].expression, f[k].at);
        ck_assert_int_eq(nb_halving_test(&s.o, s.leaf, 0, &c, &error), 0);
        ck_assert_msg(c.persistent == f[k].corner, "%s at %g", f[k].expression, f[k].at);
        if (f[k].corner)
            ck_assert_msg(c.low <= f[k].low && c.low > f[k].low - 1e-5 && c.high >= f[k].high &&
                              c.high < f[k].high + 1e-5,
                          "%s: %.17g to %.17g", f[k].expression, c.low, c.high);
        leave(&s);
    }
}
END_TEST

/* ---- the nearest point ---------------------------------------------------------------------------------------------
 */

static int farthest_in_ball(void *context, const double *direction, double *point, struct nb_error *e)
{
    const double *middle = context;
    double size = hypot(direction[0], direction[1]);
    (void)e;
    for (int i = 0; i < 2; i++)
        point[i] = middle[i] - direction[i] / size;
    return 0;
}

static int farthest_in_square(void *context, const double *direction, double *point, struct nb_error *e)
{
    const double *middle = context;
    (void)e;
    for (int i = 0; i < 2; i++)
        point[i] = middle[i] + (direction[i] > 0 ? -1 : 1);
    return 0;
}

START_TEST(nearest_point)
{
    static const struct {
        bool ball;
        double middle[2], nearest[2];
    } tries[] = {{true, {3, 4}, {2.4, 3.2}},        {true, {0.3, -0.2}, {0, 0}}, {true, {0.6, 0.8}, {0, 0}},
                 {false, {3, 0.5}, {2, 0}},         {false, {-3, 2}, {-2, 1}},   {false, {0.9, -0.9}, {0, 0}},
                 {false, {1.0000001, 0}, {1e-7, 0}}};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        double middle[2] = {tries[i].middle[0], tries[i].middle[1]}, x[2] = {0.3, 0.1};
        struct nb_set set = {2, middle, tries[i].ball ? farthest_in_ball : farthest_in_square};
        ck_assert_int_eq(nb_nearest_point(&set, 1e-9, &arena, x, &error), 0);
        for (int k = 0; k < 2; k++)
            ck_assert_msg(fabs(x[k] - tries[i].nearest[k]) < 3e-9 + 1e-5 * fabs(tries[i].nearest[k]),
                          "try %zu: (%.12g, %.12g)", i, x[0], x[1]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kinks");
    TCase *t = tcase_create("kinks");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, candidates, 0, ROWS);
    tcase_add_loop_test(t, candidates_by_loop, 0, LOOP_ROWS);
    tcase_add_loop_test(t, candidates_by_structure, 0, ROWS);
    tcase_add_test(t, convention_only);
    tcase_add_test(t, certificate);
    tcase_add_loop_test(t, many, 0, 3);
    tcase_add_loop_test(t, a_layer_of_zeros, 0, 5);
    tcase_add_test(t, two_layers_of_zeros);
    tcase_add_loop_test(t, a_corner_behind_a_layer, 0, 6);
    tcase_add_test(t, in_single_precision);
    tcase_add_loop_test(t, given_backward, 0, 6);
    tcase_add_test(t, ladder_beside_a_kink);
    tcase_add_test(t, ladder_at_a_joint);
    tcase_add_test(t, companions);
    tcase_add_test(t, halving);
    tcase_add_test(t, nearest_point);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
