/* test_fixtures - graphs against PyTorch: every case of tests/fixtures/graphs.json and modules/, value by value.
 *
 * A case is a graph, a request and what PyTorch gives in double; the program beside each file wrote it. Wanted is
 * agreement to 1e-12 of the largest entry of a tensor, or to the `tolerance` of the case. */
#include "graph/graph.h"
#include "graph/value.h"
#include <check.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *cases; /* of all files */
static struct nb_arena arena;
static const char *name;

static void must(int bad, const struct nb_error *e)
{
    ck_assert_msg(!bad, "%s: %s at %s: %s", name, nb_code_name(e->code), e->pointer, e->detail);
}

static struct nb_tensors tensors(json_t *object)
{
    struct nb_tensors l = {0};
    struct nb_error e = {0};
    const char *key;
    json_t *v;
    json_object_foreach (object, key, v) {
        struct nb_tensor t;
        must(nb_tensor_read(v, &arena, &t, &e), &e);
        must(nb_tensors_add(&arena, &l, nb_strdup(&arena, key, &e), t, &e), &e);
    }
    return l;
}

static struct nb_strings_list names(const struct nb_tensors *l)
{
    struct nb_error e = {0};
    struct nb_strings_list s = {l->n, nb_small(&arena, l->n, sizeof(char *), &e)};
    must(!s.v, &e);
    for (size_t i = 0; i < l->n; i++)
        s.v[i] = l->v[i].name;
    return s;
}

static void compare_entries(const struct nb_named *got, const struct nb_named *want, double tolerance)
{
    size_t n = (size_t)nb_count(&want->t.shape);
    const double *w = want->t.data, *g = got->t.data;
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(w[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(g[i] == w[i] || fabs(g[i] - w[i]) <= tolerance * largest || (isnan(g[i]) && isnan(w[i])),
                      "%s: entry %zu of %s is %.17g, PyTorch has %.17g", name, i, want->name, g[i], w[i]);
}

static void compare(const char *what, const struct nb_tensors *got, const struct nb_tensors *want, double tolerance)
{
    ck_assert_msg(got->n == want->n, "%s: %zu %s, expected %zu", name, got->n, what, want->n);
    for (size_t i = 0; i < want->n; i++) {
        const struct nb_named *w = &want->v[i];
        struct nb_named g = {w->name, {0}, {0}};
        const struct nb_tensor *t = nb_tensors_find(got, w->name);
        char a[200], b[200];
        ck_assert_msg(t != NULL, "%s: %s without %s", name, what, w->name);
        g.t = *t;
        ck_assert_msg(nb_shape_same(&g.t.shape, &w->t.shape) == 1, "%s: %s is %s, PyTorch has %s", name, w->name,
                      nb_shape_text(&g.t.shape, NULL, a, sizeof a), nb_shape_text(&w->t.shape, NULL, b, sizeof b));
        ck_assert_int_eq(g.t.dtype, NB_F64);
        compare_entries(&g, w, tolerance);
    }
}

static struct nb_graph *build(json_t *c)
{
    struct nb_error e = {0};
    struct nb_tensors parameters = tensors(json_object_get(c, "parameters"));
    struct nb_graph *g = nb_graph_new(json_object_get(c, "graph"), &parameters, (struct nb_seed){5, 0}, &e);
    must(!g, &e);
    ck_assert_msg(nb_graph_parameters(g)->n == parameters.n, "%s: %zu learned tensors, PyTorch has %zu", name,
                  nb_graph_parameters(g)->n, parameters.n);
    return g;
}

START_TEST(agrees)
{
    json_t *c = json_array_get(cases, (size_t)_i), *tolerance = json_object_get(c, "tolerance");
    struct nb_error e = {0};
    struct nb_result r = {0};
    nb_arena_init(&arena, (size_t)1 << 28);
    name = json_string_value(json_object_get(c, "name"));
    struct nb_tensors outputs = tensors(json_object_get(c, "outputs"));
    struct nb_tensors gradients = tensors(json_object_get(c, "gradients"));
    struct nb_run run = {.inputs = tensors(json_object_get(c, "inputs")),
                         .cotangents = tensors(json_object_get(c, "cotangents")),
                         .cotangents_given = true,
                         .outputs = names(&outputs),
                         .outputs_given = true,
                         .wrt = names(&gradients),
                         .wrt_given = true,
                         .train = !strcmp(json_string_value(json_object_get(c, "mode")), "train"),
                         .seed = {9, 0}};
    struct nb_graph *g = build(c);
    must(nb_graph_backward(g, &run, &arena, &r, &e), &e);
    ck_assert_msg(!r.noise, "%s: something was drawn", name);
    compare("outputs", &r.outputs, &outputs, tolerance ? json_real_value(tolerance) : 1e-12);
    compare("gradients", &r.gradients, &gradients, tolerance ? json_real_value(tolerance) : 1e-12);
    nb_graph_unref(g);
    nb_arena_done(&arena);
}
END_TEST

static int load(const char *path)
{
    json_error_t why;
    json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!j || json_array_size(j) == 0)
        return fprintf(stderr, "%s: %s\n", path, j ? "no cases" : why.text), -1;
    json_array_extend(cases, j);
    json_decref(j);
    return 0;
}

static int load_all(void)
{
    const char *top = getenv("top_srcdir");
    char path[1000];
    glob_t files;
    int bad = 0;
    snprintf(path, sizeof path, "%s/tests/fixtures/graphs.json", top ? top : ".");
    if (glob(path, 0, NULL, &files))
        return fprintf(stderr, "%s: is not there\n", path), -1;
    snprintf(path, sizeof path, "%s/tests/fixtures/modules/*.json", top ? top : ".");
    if (glob(path, GLOB_APPEND, NULL, &files))
        return fprintf(stderr, "%s: there are none\n", path), -1;
    for (size_t i = 0; i < files.gl_pathc && !bad; i++)
        bad = load(files.gl_pathv[i]);
    globfree(&files);
    return bad;
}

int main(void)
{
    cases = json_array();
    if (load_all())
        return 1;
    Suite *s = suite_create("fixtures");
    TCase *t = tcase_create("fixtures");
    tcase_add_loop_test(t, agrees, 0, (int)json_array_size(cases));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    json_decref(cases);
    return failed != 0;
}
