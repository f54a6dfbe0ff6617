/* test_diagnosis.c - a gradient that is wrong is named by the mistake that was made, and by no other. */
#include "grade/diagnosis.h"
#include "graphs.h"
#include <math.h>
#include <stdio.h>

/* ---- what is common to all --------------------------------------------------------------------------------------- */

static struct nb_graph *graph;
static struct nb_run run;
static struct nb_clinic *clinic;
static struct nb_result right;

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
    memset(&run, 0, sizeof run);
    graph = NULL;
    clinic = NULL;
}

static void teardown(void)
{
    nb_clinic_done(clinic);
    if (graph)
        nb_graph_unref(graph);
    nb_arena_done(&arena);
}

static void open_clinic(const char *description, const char *parameters, const char *inputs, const char *cotangents)
{
    struct nb_tensors p = parameters ? tensors(parameters) : (struct nb_tensors){0};
    json_t *j = parse(description);
    graph = nb_graph_new(j, &p, (struct nb_seed){1, 2}, &error);
    json_decref(j);
    ck_assert_msg(graph != NULL, "%s: %s", error.pointer, error.detail);
    run.inputs = tensors(inputs);
    run.cotangents_given = cotangents != NULL;
    if (cotangents)
        run.cotangents = tensors(cotangents);
    ck_assert_msg(!nb_graph_backward(graph, &run, &arena, &right, &error), "%s", error.detail);
    ck_assert_msg(!nb_clinic_new(graph, &run, &arena, &clinic, &error), "%s", error.detail);
}

static double *doubles(const struct nb_tensor *t)
{
    size_t n = (size_t)nb_count(&t->shape);
    double *v = nb_alloc(&arena, n, sizeof *v, &error);
    nb_convert(NB_F64, v, t->dtype, t->data, n);
    return v;
}

static struct nb_diagnosis diagnose(const char *name, struct nb_tensor submitted)
{
    const struct nb_tensor *t = nb_tensors_find(&right.gradients, name);
    struct nb_suspect s = {.name = name, .submitted = submitted, .shape = t->shape, .truth = doubles(t)};
    struct nb_diagnosis d;
    ck_assert_msg(!nb_diagnose(clinic, &s, &d, &error), "%s", error.detail);
    return d;
}

static struct nb_diagnosis diagnose_text(const char *name, const char *text)
{
    struct nb_tensor t;
    json_t *j = parse(text);
    ck_assert(!nb_tensor_read(j, &arena, &t, &error));
    json_decref(j);
    return diagnose(name, t);
}

static const struct nb_evidence *evidence(const struct nb_diagnosis *d, const char *key)
{
    for (size_t i = 0; i < d->nevidence; i++)
        if (!strcmp(d->evidence[i].key, key))
            return &d->evidence[i];
    ck_abort_msg("%s has no evidence %s", d->code, key);
}

static void expect(const struct nb_diagnosis *d, const char *code)
{
    ck_assert_msg(d->code && !strcmp(d->code, code), "%s was wanted, %s came: %s", code, d->code, d->pattern);
    ck_assert_msg(d->pattern && *d->pattern && d->hint && *d->hint, "%s says nothing", code);
}

/* ---- the worked example of the reference ----------------------------------------------------------------------------
 */

#define LINEAR                                                                                                         \
    "{'inputs': {'x': ['n', 2]}, 'nodes': {'fc': {'op': 'Linear', 'in_features': 2, 'out_features': 1, 'in': 'x'}}, "  \
    "'outputs': ['fc'], 'dtype': 'float64'}"

static void open_example(void)
{
    open_clinic(LINEAR, "{'fc.weight': [[0.25, -0.75]], 'fc.bias': [0.0]}", "{'x': [[1,2],[3,-1],[-2,0.5]]}",
                "{'fc': [[0.5],[-1],[2]]}");
}

START_TEST(test_example)
{
    open_example();
    struct nb_diagnosis d = diagnose_text("fc.weight", "[[-2.1666666666666665, 1.0]]");
    expect(&d, "factor_batch");
    ck_assert_str_eq(d.pattern, "exactly 1/3 of the expected value, and your batch has 3 rows");
    ck_assert_str_eq(d.hint, "Divided by N? The sum over the batch is asked for.");
    ck_assert(d.slip);
    ck_assert_double_eq(evidence(&d, "c")->number, 1.0 / 3);
    ck_assert_double_le(evidence(&d, "residual")->number, 1e-15);
    ck_assert_int_eq(evidence(&d, "n")->whole, 3);
    d = diagnose_text("fc.bias", "[[0.5],[-1.0],[2.0]]");
    expect(&d, "not_summed_over_batch");
    ck_assert_str_eq(d.pattern, "3 rows where one was expected; their sum would be right");
    ck_assert(d.slip);
    ck_assert_int_eq(evidence(&d, "got_shape")->shape.rank, 2);
    d = diagnose_text("x", "[[0.125,-0.375],[-0.25,0.75],[0.5,-1.5]]");
    ck_assert_ptr_null(d.code);
}
END_TEST

/* Everything that can be seen without knowing modules. */
static const struct {
    const char *tensor, *submitted, *code;
    bool slip;
} plain[] = {
    {"x", "[[-0.125,0.375],[0.25,-0.75],[-0.5,1.5]]", "sign", true},
    {"x", "[[0.25,-0.75],[-0.5,1.5],[1,-3]]", "factor_2", true},
    {"x", "[[0.0625,-0.1875],[-0.125,0.375],[0.25,-0.75]]", "factor_2", true},
    {"x", "[[0.375,-1.125],[-0.75,2.25],[1.5,-4.5]]", "factor_batch", true},
    {"x", "[[0.1,-0.3],[-0.2,0.6],[0.4,-1.2]]", "factor", true},
    {"x", "[[0,0],[0,0],[0,0]]", "zero", false},
    {"x", "[[0.125,'NaN'],[-0.25,0.75],[0.5,-1.5]]", "not_finite", false},
    {"x", "[[0.125,-0.25,0.5],[-0.375,0.75,-1.5]]", "transposed", true},
    {"x", "[[0.125,-0.25,0.5],[-0.375,0.75,1.5]]", "transposed", false},
    {"x", "[0.125,-0.375,-0.25,0.75,0.5,-1.5]", "shape", true},
    {"x", "[[[0.125,-0.375],[-0.25,0.75],[0.5,-1.5]]]", "broadcastable", true},
    {"x", "[1, 2]", "broadcastable", false},
    {"x", "[1, 2, 3]", "shape", false},
    {"x", "[[0.125,-0.375],[-0.25,0.75],[0.5,1.7]]", "entries", false},
    {"x", "[[0.125,0],[0,0.75],[0.5,-1.5]]", "zeros", false},
    {"x", "[[0.25,-0.75],[-0.75,2.25],[0.5,-1.5]]", "row_factor", true},
    {"x", "[[0.25,-0.375],[-0.5,0.75],[1,-1.5]]", "column_factor", true},
    {"x", "[[0.125,-0.375],[-0.25,0.25],[5,-1.5]]", "negative_side", false},
    {"x", "[[2,-3],[-4,0.75],[0.5,7]]", "positive_side", false},
    {"fc.bias", "[[1],[-1.0],[2.0]]", "not_summed_over_batch", false},
};

START_TEST(test_plain)
{
    open_example();
    struct nb_diagnosis d = diagnose_text(plain[_i].tensor, plain[_i].submitted);
    expect(&d, plain[_i].code);
    ck_assert_msg(d.slip == plain[_i].slip, "%s", d.pattern);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("diagnosis");
    TCase *t = tcase_create("plain");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_example);
    tcase_add_loop_test(t, test_plain, 0, sizeof plain / sizeof *plain);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
