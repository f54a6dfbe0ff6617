/* test_points.c - drawn points are such that mistakes show: sizes, signs, distances, what modules can take. */
#include "case_graphs.h"
#include "check/point.h"

/* ---- of every case of every module ----------------------------------------------------------------------------- */

static int draw(const struct subject *s, int which, struct nb_run *run, struct nb_verdicts *v)
{
    *run = s->check.run;
    *v = (struct nb_verdicts){0};
    return nb_point_draw(s->g, run, which, &arena, v, &error);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_distinct(const struct subject *s, const struct nb_named *t)
{
    size_t n = (size_t)nb_count(&t->t.shape);
    double *x = nb_alloc(&arena, n, sizeof *x, &error);
    memcpy(x, t->t.data, n * sizeof *x);
    qsort(x, n, sizeof *x, by_size);
    for (size_t i = 1; i < n; i++)
        ck_assert_msg(x[i] > x[i - 1], "%s: %s holds %g twice", s->what, t->name, x[i]);
}

static void count_signs(const double *x, size_t n, double *negative, double *positive)
{
    *negative = *positive = 0;
    for (size_t i = 0; i < n; i++) {
        *negative += x[i] < 0;
        *positive += x[i] > 0;
    }
}

/* A real input drawn from an interval. */
static void check_interval(const struct subject *s, const struct nb_module *m, const struct nb_named *t)
{
    double lo = m->lo < m->hi ? m->lo : -2, hi = m->lo < m->hi ? m->hi : 2, negative, positive;
    const double *x = t->t.data;
    size_t n = (size_t)nb_count(&t->t.shape);
    check_distinct(s, t);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(x[i] >= lo && x[i] <= hi, "%s: %s holds %g, outside %g to %g", s->what, t->name, x[i], lo, hi);
        ck_assert_msg(fabs(2 * x[i] - nearbyint(2 * x[i])) >= 0.1 - 1e-12, "%s: %s holds %g", s->what, t->name, x[i]);
    }
    count_signs(x, n, &negative, &positive);
    if (lo < 0 && hi > 0 && n > 3)
        ck_assert_msg(4 * negative >= (double)n - 1 && 4 * positive >= (double)n - 1, "%s: %s has %g of %zu below 0",
                      s->what, t->name, negative, n);
}

/* Does an entry suit this letter of nb_case? */
static bool suits(char letter, double x)
{
    switch (letter) {
    case 's':
        return fabs(x) == 1;
    case 'b':
        return x == 0 || x == 1;
    case 'c':
        return x >= 0 && x == floor(x);
    case 'l':
        return x < 0;
    case 'r': /* no letter: a real number */
        return fabs(x) < 3;
    default: /* p, u */
        return x > 0 && x < 1;
    }
}

static void check_cotangent(const struct subject *s, const struct nb_named *t)
{
    const double *g = t->t.data;
    int64_t n = nb_count(&t->t.shape);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        ck_assert(fabs(g[i]) >= 0.5 && fabs(g[i]) <= 1.5);
        sum += g[i];
        squares += g[i] * g[i];
    }
    ck_assert_msg(n < 2 || fabs(sum) <= 0.5 * sqrt((double)n * squares), "%s: the cotangent is nearly constant",
                  s->what);
}

static const struct nb_module *module; /* whose cases are tried */

/* Letters of input "a", "b", ... in all cases. Which of them belongs to which arguments a point does not know: targets
 * of BCELoss may be 0, 1 or between. */
static void letters_of(const char *input, char *letters)
{
    for (const struct nb_case *c = module->cases; c->in; c++) {
        const char *t = c->in;
        struct case_input in = {0};
        for (int k = *input - 'a'; k > 0 && t; k--)
            t = strchr(t, ' ') ? strchr(t, ' ') + 1 : NULL;
        if (t)
            read_case_input(t, &in);
        char letter = t && !in.letter ? 'r' : in.letter;
        if (t && !strchr(letters, letter))
            strncat(letters, &letter, 1);
    }
}

static void check_input(const struct subject *s, const struct nb_named *t)
{
    char letters[10] = "";
    letters_of(t->name, letters);
    if (!strcmp(letters, "r")) {
        check_interval(s, module, t);
        return;
    }
    for (int64_t i = 0; i < nb_count(&t->t.shape); i++) {
        bool fits = false;
        for (const char *l = letters; *l; l++)
            fits |= suits(*l, ((const double *)t->t.data)[i]);
        ck_assert_msg(fits, "%s: %s holds %g", s->what, t->name, ((const double *)t->t.data)[i]);
    }
}

static void check_point(struct subject *s)
{
    struct nb_run run;
    struct nb_verdicts v;
    struct nb_result r;
    ck_assert_msg(!draw(s, 0, &run, &v), "%s: %s", s->what, error.detail);
    for (size_t i = 0; i < v.point.n; i++)
        check_input(s, &v.point.v[i]);
    for (size_t i = 0; i < v.cotangents.n; i++)
        check_cotangent(s, &v.cotangents.v[i]);
    ck_assert_msg(!nb_graph_forward(s->g, &run, &arena, &r, &error), "%s: %s", s->what, error.detail);
    ck_assert_msg(!r.not_finite.n, "%s: not finite", s->what);
}

/* The same seed, the same bits; another number, another point. */
static void check_other_points(struct subject *s)
{
    struct nb_run run[4];
    struct nb_verdicts v[4];
    for (int k = 0; k < 4; k++)
        ck_assert(!draw(s, k % 3, &run[k], &v[k]));
    ck_assert(v[1].point.n == v[0].point.n && v[2].cotangents.n == v[0].cotangents.n);
    for (size_t i = 0; i < run[0].inputs.n; i++) {
        size_t size = (size_t)nb_count(&run[0].inputs.v[i].t.shape) * sizeof(double);
        const double *x = run[0].inputs.v[i].t.data;
        ck_assert(!memcmp(x, run[3].inputs.v[i].t.data, size));
        for (int k = 1; k < 3; k++)
            ck_assert_msg(size < 8 * sizeof *x || memcmp(x, run[k].inputs.v[i].t.data, size), "%s: the same again",
                          s->what);
    }
}

START_TEST(test_cases)
{
    module = nb_module_at(NB_F64, _i);
    each_subject(module, "float64", check_point);
    each_subject(module, "float64", check_other_points);
    if (!strcmp(module->type, "Identity"))
        each_subject(module, "float32", check_point);
}
END_TEST

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static struct nb_run point_of(const char *graph, struct nb_run run)
{
    struct nb_graph *g = make_good(graph);
    struct nb_verdicts v = {0};
    run.seed = (struct nb_seed){3, 9};
    ck_assert_msg(!nb_point_draw(g, &run, 0, &arena, &v, &error), "%s at %s: %s", nb_code_name(error.code),
                  error.pointer, error.detail);
    nb_graph_unref(g);
    return run;
}

static int64_t size_of(const struct nb_run *run, const char *input, int d)
{
    return nb_tensors_find(&run->inputs, input)->shape.dim[d];
}

START_TEST(test_sizes)
{
    const char *free = "{'inputs': {'x': ['A', 'B', 'C', 'D'], 'y': ['E', 'F']}, 'nodes': {'u': {'op': 'Tanh', 'in': "
                       "'x'}, 'v': {'op': 'Tanh', 'in': 'y'}}, 'outputs': ['u', 'v']}";
    struct nb_run run = point_of(free, (struct nb_run){0});
    static const int64_t want[] = {5, 7, 3, 9, 11, 13};
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(size_of(&run, i < 4 ? "x" : "y", i % 4), want[i]);
    const char *name[] = {"B"}, *batch[] = {"batch"};
    int64_t size[] = {5}, two[] = {2};
    run = point_of(free, (struct nb_run){.dims = {1, name, size}}); /* 5 is taken */
    ck_assert_int_eq(size_of(&run, "x", 0), 7);
    ck_assert_int_eq(size_of(&run, "x", 1), 5);
    run = point_of(free, (struct nb_run){.dims = {1, batch, two}}); /* by its meaning */
    ck_assert_int_eq(size_of(&run, "x", 0), 2);
    ck_assert_int_eq(size_of(&run, "x", 1), 5);
}
END_TEST

/* Sizes that are fixed, of inputs and of learned tensors, and sizes that come with data are not used again. */
START_TEST(test_sizes_beside_others)
{
    const char *linear = "{'inputs': {'x': ['B', 5], 't': ['B', 3]}, 'nodes': {'y': {'op': 'Linear', 'in': 'x', "
                         "'out_features': 3}, 'loss': {'op': 'MSELoss', 'in': ['y', 't']}}, 'outputs': ['loss']}";
    struct nb_run run = point_of(linear, (struct nb_run){0});
    ck_assert_int_eq(size_of(&run, "x", 0), 7);
    ck_assert_int_eq(size_of(&run, "t", 0), 7);
    run = point_of(linear, (struct nb_run){.inputs = tensors("{'t': [[1, 2, 3], [4, 5, 6]]}")});
    ck_assert_int_eq(size_of(&run, "x", 0), 2);
    ck_assert_int_eq((int)run.inputs.n, 2);
}
END_TEST

/* ---- what inputs feed ------------------------------------------------------------------------------------------ */

static double least(const struct nb_run *run, const char *name)
{
    const struct nb_tensor *t = nb_tensors_find(&run->inputs, name);
    double low = INFINITY;
    for (int64_t i = 0; i < nb_count(&t->shape); i++)
        low = fmin(low, ((double *)t->data)[i]);
    return low;
}

static double greatest(const struct nb_run *run, const char *name)
{
    const struct nb_tensor *t = nb_tensors_find(&run->inputs, name);
    double high = -INFINITY;
    for (int64_t i = 0; i < nb_count(&t->shape); i++)
        high = fmax(high, ((double *)t->data)[i]);
    return high;
}

/* Class numbers reach the last class and no further; logarithms get no negative numbers, through a reshape, too; a
 * constant beside it frees the numerator. */
START_TEST(test_domains)
{
    struct nb_run run =
        point_of("{'inputs': {'x': ['B', 4], 't': {'shape': ['B'], 'dtype': 'int64'}, 'u': ['N', 2], 'v': ['N'], 'k': "
                 "{'shape': ['N'], 'dtype': 'bool'}}, 'nodes': {'loss': {'op': 'CrossEntropyLoss', 'in': ['x', 't']},"
                 "'r': {'op': 'Flatten', 'in': 'u'}, 'l': {'expr': 'log(r)'}, 'd': {'expr': 'relu(v/2.5)'},"
                 "'w': {'expr': 'where(k, v, 0)'}}, 'outputs': ['loss', 'l', 'd', 'w']}",
                 (struct nb_run){0});
    ck_assert(least(&run, "t") == 0 && greatest(&run, "t") == 3);
    ck_assert(least(&run, "k") == 0 && greatest(&run, "k") == 1);
    ck_assert(least(&run, "u") > 0.2);
    ck_assert(least(&run, "v") < -0.2 && greatest(&run, "v") > 0.2);
}
END_TEST

/* Entries that are compared with each other differ: |a - b| has no kink near. */
START_TEST(test_pairs)
{
    struct nb_run run = point_of("{'inputs': {'a': ['N', 'M'], 'b': ['N', 'M']}, 'nodes': {'y': {'op': 'L1Loss', "
                                 "'in': ['a', 'b']}}, 'outputs': ['y']}",
                                 (struct nb_run){0});
    const double *a = run.inputs.v[0].t.data, *b = run.inputs.v[1].t.data;
    for (int i = 0; i < 35; i++)
        ck_assert(fabs(a[i] - b[i]) > 0.09);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("points");
    TCase *t = tcase_create("cases"), *u = tcase_create("points");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, test_cases, 0, nb_module_count());
    tcase_add_checked_fixture(u, setup, teardown);
    tcase_add_test(u, test_sizes);
    tcase_add_test(u, test_sizes_beside_others);
    tcase_add_test(u, test_domains);
    tcase_add_test(u, test_pairs);
    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
