/* test_jacobian - the whole Jacobian: closed forms, rows against gradients, and what is wrong in it. */
#include "check/check.h"
#include "graphs.h"
#include "nabla/team.h"
#include <math.h>

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static struct nb_verdicts check(const char *text, struct nb_check *c)
{
    struct nb_graph *g = make_good(text);
    struct nb_verdicts v;
    c->run.seed = (struct nb_seed){3, 4};
    ck_assert_msg(!nb_check_run(g, c, &arena, &v, &error), "%s at %s", error.detail, error.pointer);
    ck_assert_msg(v.self_ok, "%s: %s", text, v.facts.fault);
    nb_graph_unref(g);
    return v;
}

static const struct nb_checked *tensor(const struct nb_verdicts *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (!strcmp(v->v[i].name, name))
            return &v->v[i];
    ck_abort_msg("no %s", name);
    return NULL;
}

static const char linear[] =
    "{'dtype': 'float64', 'inputs': {'x': [2, 3]}, 'nodes': {'y': {'op': 'Linear', 'out_features': 4, 'in': 'x'}},"
    " 'outputs': ['y']}";

/* dy[b, o] / dx[b', i] = W[o, i] if b = b'; dy[b, o] / dW[o', i] = x[b, i] if o = o'; dy[b, o] / db[o'] = 1 if o = o'.
 */
START_TEST(closed_form)
{
    struct nb_check c = {.jacobian = true, .run.inputs = tensors("{'x': [[1, -2, 3], [5, 7, -11]]}")};
    struct nb_verdicts v = check(linear, &c);
    const struct nb_checked *x = tensor(&v, "x"), *w = tensor(&v, "y.weight"), *b = tensor(&v, "y.bias");
    ck_assert(x->shape.rank == 3 && x->shape.dim[0] == 8 && x->shape.dim[1] == 2 && x->shape.dim[2] == 3);
    ck_assert(v.verdict == NB_RIGHT && v.facts.judged == 8 * (6 + 12 + 4) && v.facts.asked == v.facts.judged);
    ck_assert(x->right == 24 && x->silent == 24 && w->right == 24 && w->silent == 72 && b->right == 8);
    for (int row = 0; row < 8; row++)
        for (int i = 0; i < 12; i++) {
            double want = i / 3 == row % 4 ? at(&c.run.inputs, "x", (size_t)(row / 4 * 3 + i % 3)) : 0;
            ck_assert_double_eq_tol(w->value[row * 12 + i], want, 1e-13);
            ck_assert_double_eq_tol(w->candidate[row * 12 + i], want, 1e-13);
            ck_assert(i >= 4 || fabs(b->value[row * 4 + i] - (i == row % 4)) < 1e-13);
            ck_assert(i >= 6 || row / 4 == i / 3 || x->value[row * 6 + i] == 0);
        }
    for (int i = 0; i < 12; i++) /* rows of either sample show the same weights */
        ck_assert_double_eq_tol(x->value[i / 3 * 6 + i % 3], x->value[(4 + i / 3) * 6 + 3 + i % 3], 1e-13);
}
END_TEST

/* ---- rows against gradients for one cotangent each, coordinate by coordinate ------------------------------------- */

static const char *const graphs[] = {
    "{'dtype': 'float64', 'inputs': {'x': [3, 5]}, 'nodes': {'net': {'chain': [{'Linear': {'out_features': 7}}, 'Tanh',"
    " {'Linear': {'out_features': 2}}, 'Softmax'], 'in': 'x'}}, 'outputs': ['net']}",
    /* fan-out, a parameter used twice */
    "{'dtype': 'float64', 'inputs': {'x': [2, 3], 'z': [2, 3]}, 'nodes': {'a': {'op': 'Mul', 'in': ['x', 'z']},"
    " 'b': {'op': 'Add', 'in': ['a', 'x']}, 'c': {'op': 'Sigmoid', 'in': 'b'}, 'd': {'op': 'Mul', 'in': ['c', 'c']}},"
    " 'outputs': ['d', 'a']}",
    /* an output that is an input */
    "{'dtype': 'float64', 'inputs': {'x': [3]}, 'nodes': {'y': {'op': 'Exp', 'in': 'x'}}, 'outputs': ['y', 'x']}",
    /* one number */
    "{'dtype': 'float64', 'inputs': {'x': [3, 4], 't': [3, 4]}, 'nodes': {'y': {'op': 'MSELoss', 'in': ['x', 't']}},"
    " 'outputs': ['y']}",
    /* columns */
    "{'dtype': 'float64', 'inputs': {'x': [3, 4], 'v': [4]}, 'nodes': {'y': {'op': 'Mul', 'in': ['x', 'v']},"
    " 'm': {'op': 'Softmax', 'dim': 0, 'in': 'y'}}, 'outputs': ['m']}",
};

static struct nb_tensors unit_cotangent(const struct nb_verdicts *v, int64_t row)
{
    struct nb_tensors l = {0};
    for (size_t i = 0; i < v->cotangents.n; i++) {
        struct nb_tensor t;
        int64_t n = nb_count(&v->cotangents.v[i].t.shape);
        ck_assert(!nb_tensor_new(&arena, NB_F64, &v->cotangents.v[i].t.shape, &t, &error));
        memset(t.data, 0, (size_t)n * sizeof(double));
        if (row >= 0 && row < n)
            ((double *)t.data)[row] = 1;
        row -= n;
        ck_assert(!nb_tensors_add(&arena, &l, v->cotangents.v[i].name, t, &error));
    }
    return l;
}

START_TEST(rows)
{
    struct nb_check c = {.jacobian = true}, one = {.method = NB_METHOD_LOOP, .run.cotangents_given = true};
    struct nb_check gradient = {.method = NB_METHOD_LOOP};
    struct nb_verdicts v = check(graphs[_i], &c), names = check(graphs[_i], &gradient);
    ck_assert(v.verdict == NB_RIGHT);
    int64_t all = v.v[0].shape.dim[0];
    for (int64_t row = 0; row < all; row++) {
        one.run.cotangents = unit_cotangent(&names, row);
        struct nb_verdicts w = check(graphs[_i], &one);
        for (size_t i = 0; i < v.n; i++) {
            size_t n = (size_t)nb_count(&w.v[i].shape);
            ck_assert(nb_count(&v.v[i].shape) == all * (int64_t)n && v.v[i].verdict == NB_RIGHT);
            for (size_t k = 0; k < n; k++) {
                double a = v.v[i].value[(size_t)row * n + k], b = w.v[i].judged ? w.v[i].value[k] : 0;
                ck_assert_msg(fabs(a - b) <= 1e-12 * (1 + fabs(b)), "%s, row %d, [%d]: %.17g, not %.17g", v.v[i].name,
                              (int)row, (int)k, a, b);
                ck_assert(v.v[i].candidate[(size_t)row * n + k] == w.v[i].candidate[k]);
            }
        }
    }
}
END_TEST

/* Nothing leads from z to y. */
START_TEST(nothing_leads_there)
{
    static const char text[] = "{'dtype': 'float64', 'inputs': {'x': [3], 'z': [5]}, 'nodes': {'y': {'op': 'Exp', 'in':"
                               " 'x'}, 's': {'op': 'StopGradient', 'in': 'z'}, 'w': {'op': 'Exp', 'in': 's'}},"
                               " 'outputs': ['y', 'w']}";
    static const char *names[] = {"x", "z"};
    struct nb_check c = {.jacobian = true, .run.wrt = {2, names}, .run.wrt_given = true};
    struct nb_verdicts v = check(text, &c);
    const struct nb_checked *z = tensor(&v, "z");
    ck_assert(z->verdict == NB_CANNOT_TELL && z->reason == NB_WHY_silent && z->silent == 8 * 5);
    for (int i = 0; i < 40; i++)
        ck_assert(z->value[i] == 0 && z->candidate[i] == 0);
    ck_assert(tensor(&v, "x")->verdict == NB_RIGHT);
}
END_TEST

/* ---- what is wrong ----------------------------------------------------------------------------------------------- */

static double *given(const struct nb_verdicts *right, struct nb_check *c, const char *name, size_t *n)
{
    const struct nb_checked *x = tensor(right, name);
    struct nb_tensor t;
    *n = (size_t)nb_count(&x->shape);
    ck_assert(!nb_tensor_new(&arena, NB_F64, &x->shape, &t, &error));
    memcpy(t.data, x->candidate, *n * sizeof(double));
    c->gradients = (struct nb_tensors){0};
    c->gradients_given = true;
    ck_assert(!nb_tensors_add(&arena, &c->gradients, name, t, &error));
    return t.data;
}

/* Each entry in turn, by little, by much, by nothing that counts, and not a number; the others stay right. */
START_TEST(one_wrong_entry)
{
    static const struct {
        double factor, shift;
        enum nb_verdict verdict;
    } edits[] = {{1 + 1e-6, 0, NB_WRONG}, {-1, 0, NB_WRONG},        {0, 0, NB_WRONG},       {1, 1, NB_WRONG},
                 {NAN, 0, NB_WRONG},      {1 + 1e-13, 0, NB_RIGHT}, {INFINITY, 0, NB_WRONG}};
    struct nb_check c = {.jacobian = true};
    struct nb_verdicts right = check(graphs[0], &c);
    const char *name = _i % 2 ? "x" : "net.0.weight";
    size_t n;
    for (size_t at = 0; at < 6 * 15; at += 7) {
        double *g = given(&right, &c, name, &n);
        bool silent = g[at] == 0;
        if (silent && (edits[_i].shift == 0 || isnan(edits[_i].factor)))
            continue;
        g[at] = g[at] * edits[_i].factor + edits[_i].shift;
        struct nb_verdicts v = check(graphs[0], &c);
        const struct nb_checked *x = tensor(&v, name);
        ck_assert_msg(x->verdict == edits[_i].verdict, "entry %d, edit %d", (int)at, _i);
        if (edits[_i].verdict == NB_RIGHT)
            continue;
        ck_assert(x->wrong == 1 && x->worst == (int64_t)at && x->verdicts[at] == NB_WRONG);
        ck_assert(x->right + x->silent == (int64_t)n - 1);
        ck_assert(v.verdict == NB_WRONG);
    }
}
END_TEST

START_TEST(shape)
{
    struct nb_check c = {.jacobian = true};
    struct nb_tensor t;
    ck_assert(!nb_tensor_new(&arena, NB_F64, &(struct nb_shape){2, {3, 5}}, &t, &error));
    memset(t.data, 0, 15 * sizeof(double));
    ck_assert(!nb_tensors_add(&arena, &c.gradients, "x", t, &error));
    c.gradients_given = true;
    struct nb_verdicts v = check(graphs[0], &c);
    ck_assert(tensor(&v, "x")->verdict == NB_WRONG && tensor(&v, "x")->reason == NB_WHY_shape);
    ck_assert(tensor(&v, "net.0.weight")->verdict == NB_RIGHT);
}
END_TEST

/* No entry can be told as exactly as that. */
START_TEST(too_much_asked)
{
    struct nb_check c = {.jacobian = true, .rho = 1e-15, .r_max = 1.5e-15};
    struct nb_verdicts v = check(graphs[0], &c);
    ck_assert(v.verdict == NB_CANNOT_TELL && tensor(&v, "net.0.weight")->cannot_tell > 0);
}
END_TEST

/* The worst entry is the first of those that are off by most, in whatever order rows were looked at. */
START_TEST(worst)
{
    struct nb_check c = {.jacobian = true};
    struct nb_verdicts right = check(graphs[0], &c);
    size_t n;
    double *g = given(&right, &c, "net.0.weight", &n);
    g[60] *= 1 + 1e-10;
    g[100] *= 1 + 5e-10;
    struct nb_verdicts v = check(graphs[0], &c);
    const struct nb_checked *x = tensor(&v, "net.0.weight");
    ck_assert(x->verdict == NB_RIGHT && x->worst == 100);
    ck_assert_double_eq_tol(x->largest_error, 5e-10, 1e-12);
    ck_assert(x->power_worst >= 1e-9 && x->power_worst < 1e-3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jacobian");
    TCase *t = tcase_create("jacobian");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, closed_form);
    tcase_add_loop_test(t, rows, 0, sizeof graphs / sizeof *graphs);
    tcase_add_test(t, nothing_leads_there);
    tcase_add_loop_test(t, one_wrong_entry, 0, 7);
    tcase_add_test(t, shape);
    tcase_add_test(t, too_much_asked);
    tcase_add_test(t, worst);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
