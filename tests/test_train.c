/* test_train.c - optimisers, schedules and clipping against PyTorch; what a step changes, and what it leaves alone. */
#include "graphs.h"
#include "http/recipe.h"
#include "train/step.h"
#include <math.h>

#define must(call) ck_assert_msg((call) == 0, "%s at %s: %s", nb_code_name(error.code), error.pointer, error.detail)

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

static const struct nb_field rows[] = {{"optimizer", 1, 1, nb_read_optimizer},
                                       {"schedule", 1, 0, nb_read_schedule},
                                       {"clip", 1, 0, nb_read_clip},
                                       {"restart", 1, 0, nb_read_restart},
                                       {NULL, 0, 0, NULL}};

static int read_rule(json_t *ask, struct nb_rule *rule)
{
    *rule = (struct nb_rule){0};
    memset(&error, 0, sizeof error);
    return nb_fields_read(rows, 1, ask, rule, &arena, &error);
}

static struct nb_rule rule_of(const char *text)
{
    struct nb_rule rule;
    json_t *ask = parse(text);
    must(read_rule(ask, &rule));
    json_decref(ask); /* the formula is borrowed from it: none here */
    return rule;
}

static struct nb_tensors tensors_of(const json_t *object)
{
    char *text = json_dumps(object, JSON_REAL_PRECISION(17));
    struct nb_tensors l = tensors(text);
    free(text);
    return l;
}

/* The next snapshot in place of this one. */
static struct nb_stepped advance(struct nb_graph **g, const struct nb_rule *rule, const struct nb_run *run)
{
    struct nb_stepped s;
    struct nb_graph *next = nb_train_step(*g, rule, run, &arena, &s, &error);
    ck_assert_msg(next != NULL, "%s at %s: %s", nb_code_name(error.code), error.pointer, error.detail);
    nb_graph_unref(*g);
    *g = next;
    return s;
}

/* ---- as PyTorch does --------------------------------------------------------------------------------------------- */

static double worst;

static void compare(const struct nb_graph *g, const json_t *wanted, const char *what)
{
    struct nb_tensors want = tensors_of(wanted);
    const struct nb_tensors *have = nb_graph_parameters(g);
    ck_assert_uint_eq(want.n, have->n);
    for (size_t i = 0; i < want.n; i++)
        for (int64_t k = 0; k < nb_count(&want.v[i].t.shape); k++) {
            double w = at(&want, want.v[i].name, (size_t)k), h = at(have, want.v[i].name, (size_t)k);
            double error_of = fabs(w - h) / (1 + fabs(w));
            worst = error_of > worst ? error_of : worst;
            ck_assert_msg(error_of <= 1e-12, "%s: %s[%d] is %.17g, wanted is %.17g", what, want.v[i].name, (int)k, h,
                          w);
        }
}

static void run_case(const json_t *all, json_t *c)
{
    struct nb_rule rule;
    struct nb_tensors start = tensors_of(json_object_get(all, "start"));
    json_t *batches = json_object_get(all, "batches");
    char step[24], *what = json_dumps(json_object_get(c, "ask"), JSON_COMPACT);
    struct nb_graph *g = nb_graph_new(json_object_get(all, "graph"), &start, (struct nb_seed){1, 2}, &error);
    must(read_rule(json_object_get(c, "ask"), &rule));
    for (size_t i = 0; i < json_array_size(json_object_get(c, "norms")); i++) {
        struct nb_run run = {.train = true,
                             .inputs = tensors_of(json_array_get(batches, i % json_array_size(batches)))};
        struct nb_stepped s = advance(&g, &rule, &run);
        double norm = json_number_value(json_array_get(json_object_get(c, "norms"), i));
        ck_assert_int_eq(s.step, (int64_t)i + 1);
        ck_assert_msg(fabs(s.norm - norm) <= 1e-12 * norm, "%s: norm %.17g, wanted %.17g", what, s.norm, norm);
        snprintf(step, sizeof step, "%zu", i + 1);
        json_t *seen = json_object_get(json_object_get(c, "seen"), step);
        if (seen)
            compare(g, seen, what);
    }
    nb_graph_unref(g);
    free(what);
}

START_TEST(as_pytorch)
{
    const char *top = getenv("top_srcdir");
    char path[500];
    size_t i;
    json_t *c;
    snprintf(path, sizeof path, "%s/tests/fixtures/optimisers.json", top ? top : ".");
    json_t *all = json_load_file(path, 0, NULL);
    ck_assert_msg(all != NULL, "%s", path);
    ck_assert_uint_ge(json_array_size(json_object_get(all, "cases")), 20);
    json_array_foreach (json_object_get(all, "cases"), i, c)
        run_case(all, c);
    printf("worst error against PyTorch: %.2g\n", worst);
    json_decref(all);
}
END_TEST

/* ---- what a step changes ----------------------------------------------------------------------------------------- */

#define TWO                                                                                                            \
    "{'dtype':'%s','inputs':{'x':['B',2]},'nodes':{'a':{'op':'Linear','in':'x','out_features':1},"                     \
    "'b':{'op':'Linear','in':'a','out_features':1},'la':{'expr':'mean(square(a))'},'lb':{'expr':'mean(square(b))'}},"  \
    "'losses':{'A':{'of':'la','wrt':['a.*']},'B':{'of':'lb','wrt':['b.*']}},'outputs':['b']}"

static struct nb_graph *two(const char *dtype)
{
    char text[1000];
    snprintf(text, sizeof text, TWO, dtype);
    return make_good(text);
}

static bool same(const struct nb_graph *x, const struct nb_graph *y, const char *name)
{
    struct nb_tensor *s = nb_tensors_find(nb_graph_parameters(x), name);
    struct nb_tensor *t = nb_tensors_find(nb_graph_parameters(y), name);
    return !memcmp(s->data, t->data, (size_t)nb_count(&s->shape) * nb_dtype_size(s->dtype));
}

START_TEST(each_loss_has_its_own_memory)
{
    struct nb_graph *g = two(_i ? "float64" : "float32"), *old = nb_graph_ref(g);
    struct nb_rule adam = rule_of("{'optimizer':'adam'}"), sgd = rule_of("{'optimizer':{'SGD':{'lr':0.1}}}");
    struct nb_run run = {.train = true, .inputs = tensors("{'x':[[1,2],[3,4]]}"), .loss = "A"};
    ck_assert_int_eq(advance(&g, &adam, &run).step, 1);
    ck_assert_int_eq(advance(&g, &adam, &run).step, 2);
    ck_assert(!same(g, old, "a.weight") && same(g, old, "b.weight"));
    run.loss = "B";
    ck_assert_int_eq(advance(&g, &sgd, &run).step, 1);
    ck_assert(!same(g, old, "b.weight"));
    ck_assert_int_eq(nb_train_steps(g, "A"), 2);
    ck_assert_int_eq(nb_train_steps(g, "B"), 1);
    ck_assert_int_eq(nb_train_steps(old, "A"), 0);
    struct nb_stepped s = advance(&g, &adam, &run); /* another optimiser: anew */
    ck_assert_int_eq(s.step, 1);
    ck_assert_str_eq(s.forgotten, "SGD");
    adam.restart = true;
    s = advance(&g, &adam, &run);
    ck_assert_int_eq(s.step, 1);
    ck_assert_ptr_null(s.forgotten);
    nb_graph_unref(g);
    nb_graph_unref(old);
}
END_TEST

/* Through a file and back: the same bits afterwards. */
START_TEST(memory_survives)
{
    struct nb_graph *g = two(_i ? "float64" : "float32");
    enum nb_dtype dtype = nb_graph_dtype(g);
    struct nb_rule adam = rule_of("{'optimizer':{'Adam':{'lr':0.1,'amsgrad':true}}}");
    struct nb_run run = {.train = true, .inputs = tensors("{'x':[[1,2],[3,4]]}"), .loss = "A"};
    struct nb_tensors file = {0};
    for (int i = 0; i < 3; i++)
        advance(&g, &adam, &run);
    run.loss = "B";
    advance(&g, &adam, &run);
    must(nb_memory_save(nb_memory_of(g), dtype, &arena, &file, &error));
    for (size_t i = 0; i < file.n / 2; i++) { /* in a file they may come in any order */
        struct nb_named swapped = file.v[i];
        file.v[i] = file.v[file.n - 1 - i];
        file.v[file.n - 1 - i] = swapped;
    }
    struct nb_graph *again = nb_graph_with(g, nb_graph_parameters(g), true, &error);
    ck_assert_ptr_null(nb_memory_of(again)); /* all parameters were set: anew */
    again->memory = &nb_memory_load(&file, dtype, &error)->base;
    ck_assert_int_eq(nb_train_steps(again, "A"), 3);
    ck_assert_int_eq(nb_train_steps(again, "B"), 1);
    file.v[file.n - 3].name = "A Adam a.weight sum"; /* broken input; its numbers are those of g, which goes on below */
    ck_assert_ptr_null(nb_memory_load(&file, dtype, &error));
    ck_assert_int_eq(error.code, NB_E_store_failed);
    memset(&error, 0, sizeof error);
    run.loss = "A";
    advance(&g, &adam, &run);
    advance(&again, &adam, &run);
    ck_assert(same(g, again, "a.weight") && same(g, again, "a.bias"));
    nb_graph_unref(g);
    nb_graph_unref(again);
}
END_TEST

START_TEST(nothing_changes_where_numbers_end)
{
    struct nb_graph *g = two("float32");
    struct nb_rule sgd = rule_of("{'optimizer':{'SGD':{'lr':1e30}}}");
    struct nb_run run = {.train = true, .inputs = tensors("{'x':[[1e15,2],[3,4]]}"), .loss = "A"};
    struct nb_stepped s;
    ck_assert_ptr_null(nb_train_step(g, &sgd, &run, &arena, &s, &error));
    ck_assert_int_eq(error.code, NB_E_not_finite);
    ck_assert_ptr_nonnull(strstr(error.detail, "step 1"));
    run.inputs = tensors("{'x':[['NaN',2]]}");
    memset(&error, 0, sizeof error);
    ck_assert_ptr_null(nb_train_step(g, &sgd, &run, &arena, &s, &error));
    ck_assert_int_eq(error.code, NB_E_not_finite);
    ck_assert_ptr_nonnull(strstr(error.detail, "loss"));
    nb_graph_unref(g);
}
END_TEST

START_TEST(buffers_stay_in_eval)
{
    struct nb_graph *g = make_good("{'inputs':{'x':['B',2]},'nodes':{'n':{'op':'BatchNorm1d','in':'x'},"
                                   "'loss':{'expr':'sum(square(n))'}},'outputs':['loss']}");
    struct nb_graph *old = nb_graph_ref(g);
    struct nb_rule sgd = rule_of("{'optimizer':{'SGD':{'lr':0.1}}}");
    struct nb_run run = {.inputs = tensors("{'x':[[1,2],[3,5]]}")};
    advance(&g, &sgd, &run);
    ck_assert(same(g, old, "n.running_mean") && !same(g, old, "n.weight"));
    run.train = true;
    advance(&g, &sgd, &run);
    ck_assert(!same(g, old, "n.running_mean"));
    ck_assert(at(nb_graph_parameters(g), "n.num_batches_tracked", 0) == 1);
    nb_graph_unref(g);
    nb_graph_unref(old);
}
END_TEST

/* The averages inside a scan move step by step, once, whether its backward computes again or not. */
START_TEST(buffers_inside_a_scan)
{
    struct nb_graph *g =
        make_good(_i ? "{'inputs':{'x':['B','T',1]},'modules':{'M':{'inputs':{'x':['B',1],'s':['B',1]},'nodes':{"
                       "'n':{'op':'BatchNorm1d','in':'x'},'y':{'expr':'s + n'}},'outputs':{'s':'y'}}},'nodes':{"
                       "'r':{'scan':'M','over':{'x':'x'},'carry':{'s':'zeros'},'recompute':true},"
                       "'loss':{'expr':'sum(square(r.last.s))'}},'outputs':['loss']}"
                     : "{'inputs':{'x':['B','T',1]},'modules':{'M':{'inputs':{'x':['B',1],'s':['B',1]},'nodes':{"
                       "'n':{'op':'BatchNorm1d','in':'x'},'y':{'expr':'s + n'}},'outputs':{'s':'y'}}},'nodes':{"
                       "'r':{'scan':'M','over':{'x':'x'},'carry':{'s':'zeros'}},"
                       "'loss':{'expr':'sum(square(r.last.s))'}},'outputs':['loss']}");
    struct nb_rule sgd = rule_of("{'optimizer':{'SGD':{'lr':0.1}}}");
    struct nb_run run = {.train = true, .inputs = tensors("{'x':[[[1],[4]],[[3],[10]]]}")}; /* means 2 and 7 */
    advance(&g, &sgd, &run);
    ck_assert_double_eq_tol(at(nb_graph_parameters(g), "r.n.running_mean", 0), 0.9 * 0.1 * 2 + 0.1 * 7, 1e-6);
    ck_assert(at(nb_graph_parameters(g), "r.n.num_batches_tracked", 0) == 2);
    nb_graph_unref(g);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static const struct {
    const char *ask;
    enum nb_code code;
    const char *pointer;
} refused[] = {
    {"{}", NB_E_missing_key, ""},
    {"{'optimizer':'Adamm'}", NB_E_bad_value, "/optimizer"},
    {"{'optimizer':'SGD'}", NB_E_missing_argument, "/optimizer"},
    {"{'optimizer':{'SGD':{}}}", NB_E_missing_argument, "/optimizer/SGD"},
    {"{'optimizer':{'SGD':{'lr':-1}}}", NB_E_bad_argument, "/optimizer/SGD/lr"},
    {"{'optimizer':{'SGD':{'lr':'1'}}}", NB_E_wrong_type, "/optimizer/SGD/lr"},
    {"{'optimizer':{'SGD':{'lr':1,'nesterov':true}}}", NB_E_bad_argument, "/optimizer/SGD/nesterov"},
    {"{'optimizer':{'Adam':{'betas':[0.9,1]}}}", NB_E_bad_argument, "/optimizer/Adam/betas/1"},
    {"{'optimizer':{'Adam':{'betas':0.9}}}", NB_E_wrong_type, "/optimizer/Adam/betas"},
    {"{'optimizer':{'Adam':{'beta':0.9}}}", NB_E_unknown_argument, "/optimizer/Adam/beta"},
    {"{'optimizer':{'Adam':{},'SGD':{}}}", NB_E_wrong_type, "/optimizer"},
    {"{'optimizer':'Adam','clip':{'norm':0}}", NB_E_bad_value, "/clip/norm"},
    {"{'optimizer':'Adam','clip':{'both':1}}", NB_E_unknown_key, "/clip/both"},
    {"{'optimizer':'Adam','clip':1}", NB_E_wrong_type, "/clip"},
    {"{'optimizer':'Adam','schedule':{'linear':{}}}", NB_E_missing_argument, "/schedule/linear"},
    {"{'optimizer':'Adam','schedule':{'linear':{'steps':1.5}}}", NB_E_bad_argument, "/schedule/linear/steps"},
    {"{'optimizer':'Adam','schedule':{'cubic':{}}}", NB_E_unknown_key, "/schedule/cubic"},
    {"{'optimizer':'Adam','schedule':{'formula':'min(1, '}}", NB_E_formula_syntax, "/schedule/formula"},
    {"{'optimizer':'Adam','schedule':{'formula':'1 - j'}}", NB_E_bad_argument, "/schedule/formula"},
    {"{'optimizer':'Adam','schedule':{'cosine':{'steps':9},'step':{'every':1}}}", NB_E_bad_form, "/schedule/step"},
    {"{'optimizer':'Adam','schedule':'cosine'}", NB_E_wrong_type, "/schedule"},
};

START_TEST(bad_recipes)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct nb_rule rule;
        json_t *ask = parse(refused[i].ask);
        ck_assert_msg(read_rule(ask, &rule) != 0, "%s", refused[i].ask);
        ck_assert_msg(error.code == refused[i].code && !strcmp(error.pointer, refused[i].pointer), "%s: %s at %s: %s",
                      refused[i].ask, nb_code_name(error.code), error.pointer, error.detail);
        json_decref(ask);
    }
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------------ */

int main(void)
{
    Suite *suite = suite_create("train");
    TCase *t = tcase_create("train");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, as_pytorch);
    tcase_add_loop_test(t, each_loss_has_its_own_memory, 0, 2);
    tcase_add_loop_test(t, memory_survives, 0, 2);
    tcase_add_test(t, nothing_changes_where_numbers_end);
    tcase_add_test(t, buffers_stay_in_eval);
    tcase_add_loop_test(t, buffers_inside_a_scan, 0, 2);
    tcase_add_test(t, bad_recipes);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
