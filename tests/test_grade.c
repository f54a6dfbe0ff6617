/* test_grade.c - what is handed in gets the points it is worth: right answers all of them, wrong ones never. */
#include "grade/grade.h"
#include "graphs.h"
#include "nabla/module.h"
#include "wire/lift.h"
#include <math.h>
#include <stdio.h>

/* ---- a backward that can be broken; linked with --wrap=nb_module_at ---------------------------------------------- */

static struct nb_module off; /* its .backward is a little off; .type NULL: none is */
static const struct nb_module *right;

const struct nb_module *__real_nb_module_at(enum nb_dtype build, int index);
const struct nb_module *__wrap_nb_module_at(enum nb_dtype build, int index);
const struct nb_module *__wrap_nb_module_at(enum nb_dtype build, int index)
{
    const struct nb_module *m = __real_nb_module_at(build, index);
    return build == NB_F64 && off.type && !strcmp(m->type, off.type) ? &off : m;
}

static int a_little_off(const struct nb_call *c, struct nb_error *e)
{
    int bad = right->backward(c, e);
    for (int64_t i = 0; !bad && i < nb_count(&c->gin[0].shape); i++)
        ((double *)c->gin[0].data)[i] *= 1 + 1e-5;
    return bad;
}

static void break_backward(const char *type)
{
    right = __real_nb_module_at(NB_F64, nb_module_find(type));
    off = *right;
    off.backward = a_little_off;
}

static struct nb_graph *graph;
static struct nb_grading asked;
static struct nb_reference reference;
static struct nb_graded graded;
static json_t *fixtures;

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 30);
    memset(&error, 0, sizeof error);
    asked = nb_grading_default;
    graph = NULL;
    off.type = NULL;
}

static void teardown(void)
{
    if (graph)
        nb_graph_unref(graph);
    nb_arena_done(&arena);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static void must(int bad, const char *what)
{
    ck_assert_msg(!bad, "%s: %s at %s: %s", what, nb_code_name(error.code), error.pointer, error.detail);
}

static void open_graph(const char *description, const char *parameters)
{
    struct nb_tensors p = tensors(parameters);
    json_t *j = parse(description);
    graph = nb_graph_new(j, &p, (struct nb_seed){1, 2}, &error);
    json_decref(j);
    must(!graph, description);
}

static void at_point(const char *inputs, const char *cotangents)
{
    asked.point.run.inputs = tensors(inputs);
    asked.point.run.cotangents = tensors(cotangents);
    asked.point.run.cotangents_given = true;
}

/* As the service reads it: with the digits it shows. */
static void hand_in_text(const char *text)
{
    const struct nb_lift_rule rule = {"/*", &asked.submission.gradients};
    json_t *rest;
    asked.submission.gradients = (struct nb_tensors){0};
    must(nb_lift(text, strlen(text), &rule, 1, &arena, &rest, &error), text);
    json_decref(rest);
}

static void hand_in(const char *text)
{
    char *copy = nb_strdup(&arena, text, &error);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    hand_in_text(copy);
}

static void worth(const char *name, double points)
{
    struct nb_part *more = nb_small(&arena, asked.nparts + 1, sizeof *more, &error);
    if (asked.nparts)
        memcpy(more, asked.parts, asked.nparts * sizeof *more);
    more[asked.nparts++] = (struct nb_part){name, points};
    asked.parts = more;
}

static void grade(void)
{
    must(nb_grade(graph, &asked, &arena, &reference, &graded, &error), "grade");
}

static const struct nb_mark *mark(const char *name)
{
    for (size_t i = 0; i < graded.n; i++)
        if (!strcmp(graded.v[i].name, name))
            return &graded.v[i];
    ck_abort_msg("no mark for %s", name);
}

#define LINEAR                                                                                                         \
    "{'dtype': 'float64', 'inputs': {'x': ['n', 2]}, 'nodes': {'fc': {'op': 'Linear', 'in_features': 2, "              \
    "'out_features': 1, 'in': 'x'}}, 'outputs': ['fc']}"

static void linear(void)
{
    open_graph(LINEAR, "{'fc.weight': [[0.25, -0.75]], 'fc.bias': [0]}");
    at_point("{'x': [[1, 2], [3, -1], [-2, 0.5]]}", "{'fc': [[0.5], [-1], [2]]}");
}
#define RIGHT_X "[[0.125, -0.375], [-0.25, 0.75], [0.5, -1.5]]"

/* ---- points ------------------------------------------------------------------------------------------------------ */

/* The worked example of the reference, by hand: dW = (-6.5, 3), db = 1.5. */
START_TEST(two_slips)
{
    linear();
    worth("fc.weight", 4);
    worth("fc.bias", 2);
    worth("x", 4);
    hand_in("{'fc.weight': [[-2.1666666666666665, 1.0]], 'fc.bias': [[0.5], [-1.0], [2.0]], 'x': " RIGHT_X "}");
    grade();
    ck_assert_double_eq(graded.score, 7.125);
    ck_assert_double_eq(graded.max_score, 10);
    ck_assert_int_eq(graded.verdict, NB_WRONG);
    ck_assert(!graded.review && graded.graded && !graded.resubmit);
    const struct nb_mark *w = mark("fc.weight"), *b = mark("fc.bias"), *x = mark("x");
    ck_assert_double_eq(w->points, 2.25);
    ck_assert_double_eq(w->row[NB_ROW_SHAPE].points, 0.5);
    ck_assert_double_eq(w->row[NB_ROW_VALUES].points, 1.75);
    ck_assert_str_eq(w->row[NB_ROW_VALUES].because, "slip_credit");
    ck_assert(!w->row[NB_ROW_EDGES].there && !w->row[NB_ROW_BATCH].there);
    ck_assert_str_eq(w->diagnosis.code, "factor_batch");
    ck_assert_double_eq(b->points, 0.875);
    ck_assert_double_eq(b->row[NB_ROW_SHAPE].points, 0);
    ck_assert_int_eq(b->checked.reason, NB_WHY_shape);
    ck_assert_str_eq(b->diagnosis.code, "not_summed_over_batch");
    ck_assert_double_eq(x->points, 4);
    ck_assert_int_eq(x->checked.right, 6);
    ck_assert_double_eq_tol(x->checked.power_worst, 1e-6, 1e-9);
}
END_TEST

static const struct {
    const char *handed_in;
    double points; /* of one, for fc.weight */
    const char *code;
    enum nb_reason reason;
} marks[] = {
    {"{'fc.weight': [[-6.5, 3]]}", 1, NULL, NB_WHY_none},
    {"{'fc.weight': [[-6.500001, 3]]}", 1, NULL, NB_WHY_none},
    {"{'fc.weight': [[-6.5, -3]]}", 0.125 + 0.875 / 2, NULL, NB_WHY_none},
    {"{'fc.weight': [[6.5, -3]]}", 0.125 + 0.875 / 2, "sign", NB_WHY_none},
    {"{'fc.weight': [[1, 1]]}", 0.125, NULL, NB_WHY_none},
    {"{'fc.weight': [[0, 0]]}", 0.125, "zero", NB_WHY_none},
    {"{'fc.weight': [['NaN', 3]]}", 0.125 + 0.875 / 2, "not_finite", NB_WHY_not_finite},
    {"{'fc.weight': [['Infinity', '-Infinity']]}", 0.125, "not_finite", NB_WHY_not_finite},
    {"{'fc.weight': [-6.5, 3]}", 0.875 / 2, "broadcastable", NB_WHY_shape},
    {"{'fc.weight': [[-6.5], [3]]}", 0.875 / 2, "transposed", NB_WHY_shape},
    {"{'fc.weight': 3}", 0, NULL, NB_WHY_shape},
    {"{'fc.weight': []}", 0, NULL, NB_WHY_shape},
    {"{'x': " RIGHT_X "}", 0, NULL, NB_WHY_missing},
};

START_TEST(one_tensor)
{
    linear();
    worth("fc.weight", 1);
    hand_in(marks[_i].handed_in);
    grade();
    const struct nb_mark *m = mark("fc.weight");
    ck_assert_msg(m->points == marks[_i].points, "%s: %g points", marks[_i].handed_in, m->points);
    if (marks[_i].code)
        ck_assert_str_eq(m->diagnosis.code, marks[_i].code);
    if (marks[_i].reason)
        ck_assert_int_eq(m->checked.reason, marks[_i].reason);
    ck_assert_int_eq(graded.verdict == NB_RIGHT, marks[_i].points == 1);
}
END_TEST

START_TEST(nothing_to_tell_costs_nothing)
{
    linear();
    at_point("{'x': [[1, 2], [3, -1], [-2, 0.5]]}", "{'fc': [[0], [0], [0]]}");
    hand_in("{'fc.weight': [[5, 7]]}");
    grade();
    ck_assert_double_eq(graded.score, 1);
    ck_assert(graded.review);
    ck_assert_int_eq(graded.verdict, NB_CANNOT_TELL);
}
END_TEST

START_TEST(few_digits)
{
    linear();
    at_point("{'x': [[1, 2], [3, -1], [-2, 0.5]]}", "{'fc': [[0.333333333], [-1], [2]]}");
    hand_in("{'fc.weight': [[-6.7, 2.7]]}"); /* -6.667, 2.667 */
    grade();
    ck_assert(graded.resubmit && !graded.review && mark("fc.weight")->refused);
    ck_assert_double_eq(graded.score, 0);
    ck_assert_int_eq(mark("fc.weight")->checked.reason, NB_WHY_too_few_digits);
    hand_in("{'fc.weight': [[-6.666667, 2.666667]]}");
    grade();
    ck_assert_double_eq(graded.score, 1);
    ck_assert_int_eq(graded.verdict, NB_RIGHT);
    hand_in("{'fc.weight': [[-6.7, 2.9]]}"); /* no rounding explains that, but nothing is graded */
    grade();
    ck_assert_double_lt(graded.score, 1);
    ck_assert_int_ne(graded.verdict, NB_RIGHT);
}
END_TEST

START_TEST(other_shapes_again)
{
    linear();
    asked.resubmit = true;
    hand_in("{'fc.bias': [[0.5], [-1.0], [2.0]], 'x': " RIGHT_X "}");
    grade();
    ck_assert(graded.resubmit);
    ck_assert_double_eq(mark("fc.bias")->points, 0);
    ck_assert_double_eq(graded.score, 1);
}
END_TEST

static const char *const refused[][2] = {{"{'fc.wait': 1}", "/wrt/0"}, {"{'fc.*': 1}", "/wrt/0"}};

START_TEST(names_are_known)
{
    linear();
    hand_in(refused[_i][0]);
    ck_assert_int_eq(nb_grade(graph, &asked, &arena, &reference, &graded, &error), -1);
    ck_assert_str_eq(error.pointer, refused[_i][1]);
}
END_TEST

/* ---- follow-through ---------------------------------------------------------------------------------------------- */

#define CHAIN                                                                                                          \
    "{'dtype': 'float64', 'inputs': {'x': ['n', 2]}, 'nodes': {'a': {'op': 'Linear', 'in_features': 2, "               \
    "'out_features': 2, 'in': 'x'}, 'h': {'op': 'Tanh', 'in': 'a'}, 'b': {'op': 'Linear', 'in_features': 2, "          \
    "'out_features': 1, 'in': 'h'}}, 'outputs': ['b']}"

static double sech2(double v)
{
    return 1 - tanh(v) * tanh(v);
}

/* dh was handed in with its sign lost; da and dx are what follows from that. x = (1, 2), A = ((0.5, -0.25), (1,
 * 0.125)), so a = (0, 1.25); B = (2, -3), g = 1: dh = (2, -3). */
START_TEST(one_slip_costs_once)
{
    char text[400];
    double da[2] = {-2, 3 * sech2(1.25)};
    open_graph(CHAIN,
               "{'a.weight': [[0.5, -0.25], [1, 0.125]], 'a.bias': [0, 0], 'b.weight': [[2, -3]], 'b.bias': [0]}");
    at_point("{'x': [[1, 2]]}", "{'b': [[1]]}");
    worth("h", 1);
    worth("a", 1);
    worth("a.bias", 1);
    worth("x", 1);
    snprintf(text, sizeof text,
             "{\"h\": [[-2, 3]], \"a\": [[%.17g, %.17g]], \"a.bias\": [%.17g, %.17g], "
             "\"x\": [[%.17g, %.17g]]}",
             da[0], da[1], da[0], da[1], 0.5 * da[0] + da[1], -0.25 * da[0] + 0.125 * da[1]);
    hand_in_text(text);
    grade();
    ck_assert_int_eq(mark("h")->checked.verdict, NB_WRONG);
    ck_assert_str_eq(mark("h")->diagnosis.code, "sign");
    ck_assert(mark("a")->follow_through && mark("a.bias")->follow_through && mark("x")->follow_through);
    ck_assert_double_eq(graded.score, 3 + 0.125 + 0.875 / 2);
    /* without the slip in between it is nobody's consequence */
    asked.submission.gradients.v[0].t = *nb_tensors_find(&asked.submission.gradients, "h");
    hand_in("{'h': [[2, -3]], 'x': [[-5, 7]]}");
    grade();
    ck_assert_int_eq(mark("h")->checked.verdict, NB_RIGHT);
    ck_assert(!mark("x")->follow_through && mark("x")->checked.verdict == NB_WRONG);
}
END_TEST

/* ---- kinks ------------------------------------------------------------------------------------------------------- */

START_TEST(any_slope_at_a_kink)
{
    static const struct {
        const char *handed_in;
        bool convention, right;
    } slopes[] = {{"{'x': [0, 0, 2]}", false, true},    {"{'x': [0, 2, 2]}", false, true},
                  {"{'x': [0, 0.7, 2]}", false, true},  {"{'x': [0, 2.5, 2]}", false, false},
                  {"{'x': [0, 0.7, 1]}", false, false}, {"{'x': [0, 0.7, 2]}", true, false},
                  {"{'x': [0, 0, 2]}", true, true}};
    open_graph(
        "{'dtype': 'float64', 'inputs': {'x': ['n']}, 'nodes': {'h': {'op': 'ReLU', 'in': 'x'}}, 'outputs': ['h']}",
        "{}");
    at_point("{'x': [-1, 0, 2]}", "{'h': [2, 2, 2]}");
    asked.point.convention = slopes[_i].convention;
    hand_in(slopes[_i].handed_in);
    grade();
    ck_assert_int_eq(graded.verdict == NB_RIGHT, slopes[_i].right);
    ck_assert_int_eq(graded.score == 1, slopes[_i].right);
}
END_TEST

/* A node's gradient behind a kink may be any of several, too; elsewhere it may not. a = (-0.5, 0, 1): the middle one is
 * at the kink. */
START_TEST(nodes_at_a_kink)
{
    static const struct {
        const char *handed_in;
        bool full;
    } nodes[] = {{"{'a': [[0, 0, 2]], 'x': [[0, 0, 2]]}", true},
                 {"{'a': [[0, 2, 2]], 'x': [[0, 2, 2]]}", true},
                 {"{'a': [[2, 0, 2]], 'x': [[0, 0, 2]]}", false},
                 {"{'a': [[0, 0, -2]], 'x': [[0, 0, 2]]}", false}};
    open_graph("{'dtype': 'float64', 'inputs': {'x': ['n', 3]}, 'nodes': {'a': {'expr': 'x - 0'}, 'h': {'op': 'ReLU', "
               "'in': 'a'}}, 'outputs': ['h']}",
               "{}");
    at_point("{'x': [[-0.5, 0, 1]]}", "{'h': [[2, 2, 2]]}");
    hand_in(nodes[_i].handed_in);
    grade();
    ck_assert_int_eq(graded.score == graded.max_score, nodes[_i].full);
}
END_TEST

/* ---- one reference, many submissions ----------------------------------------------------------------------------- */

/* Along directions the same verdicts come out as in every coordinate. */
START_TEST(two_ways_to_a_reference)
{
    static const char *const names[] = {"a.weight", "a.bias", "b.weight", "x"};
    struct nb_reference every, along;
    open_graph(CHAIN,
               "{'a.weight': [[0.5, -0.25], [1, 0.125]], 'a.bias': [0, 0], 'b.weight': [[2, -3]], 'b.bias': [0]}");
    at_point("{'x': [[1, 2], [-0.3, 0.6]]}", "{'b': [[1], [0.5]]}");
    must(nb_reference_make(graph, &asked.point, 4, names, NB_EVERY_COORDINATE, &arena, &every, &error), "every");
    must(nb_reference_make(graph, &asked.point, 4, names, NB_ALONG_DIRECTIONS, &arena, &along, &error), "along");
    ck_assert(every.certified && along.certified);
    ck_assert_int_eq(along.own.facts.coverage, NB_COVER_SAMPLED);
    for (int i = 0; i < 4; i++)
        for (size_t k = 0; k < every.v[i].n; k++) {
            double gap = fabs(every.v[i].value[k] - along.v[i].value[k]);
            ck_assert_double_le(gap, every.v[i].bar[k] + along.v[i].bar[k]);
            ck_assert_double_le(along.v[i].bar[k], 1e-12);
        }
}
END_TEST

/* If the service's own backward is wrong, nobody is graded, whichever way it is looked at. */
START_TEST(own_mistakes_cost_nobody)
{
    open_graph(CHAIN,
               "{'a.weight': [[0.5, -0.25], [1, 0.125]], 'a.bias': [0, 0], 'b.weight': [[2, -3]], 'b.bias': [0]}");
    at_point("{'x': [[1, 2], [-0.3, 0.6]]}", "{'b': [[1], [0.5]]}");
    asked.how = _i ? NB_ALONG_DIRECTIONS : NB_EVERY_COORDINATE;
    hand_in("{'a.bias': [1, 2], 'x': [[1, 2], [3, 4]]}");
    break_backward("Tanh");
    grade();
    ck_assert(!reference.certified && !graded.graded && graded.review && graded.fault);
    ck_assert_int_eq(graded.verdict, NB_CANNOT_TELL);
    ck_assert_double_eq(graded.max_score, 2);
    off.type = NULL;
    grade();
    ck_assert(reference.certified && graded.graded);
}
END_TEST

/* ---- correct answers by PyTorch ---------------------------------------------------------------------------------- */

static struct nb_tensors tensors_of(json_t *object)
{
    struct nb_tensors l = {0};
    const char *key;
    json_t *v;
    json_object_foreach (object, key, v) {
        struct nb_tensor t;
        must(nb_tensor_read(v, &arena, &t, &error), key);
        must(nb_tensors_add(&arena, &l, nb_strdup(&arena, key, &error), t, &error), key);
    }
    return l;
}

static void open_fixture(json_t *c)
{
    struct nb_tensors parameters = tensors_of(json_object_get(c, "parameters"));
    const char *mode = json_string_value(json_object_get(c, "mode"));
    graph = nb_graph_new(json_object_get(c, "graph"), &parameters, (struct nb_seed){5, 0}, &error);
    must(!graph, "fixture");
    asked.point.run.train = mode && !strcmp(mode, "train");
    asked.point.run.inputs = tensors_of(json_object_get(c, "inputs"));
    asked.point.run.cotangents = tensors_of(json_object_get(c, "cotangents"));
    asked.point.run.cotangents_given = true;
}

static void convert(struct nb_tensors *l, enum nb_dtype to)
{
    for (size_t i = 0; i < l->n; i++) {
        struct nb_tensor t;
        must(nb_tensor_new(&arena, to, &l->v[i].t.shape, &t, &error), "convert");
        nb_convert(to, t.data, l->v[i].t.dtype, l->v[i].t.data, (size_t)nb_count(&t.shape));
        l->v[i].t = t;
    }
}

/* What printf makes of them: "%.6f" where the largest has digits enough, else "%.6e". */
static void print(FILE *f, const json_t *v, const char *format)
{
    size_t i;
    json_t *item;
    if (!json_is_array(v)) {
        fprintf(f, format, json_number_value(v));
        return;
    }
    fputc('[', f);
    json_array_foreach (v, i, item) {
        if (i)
            fputc(',', f);
        print(f, item, format);
    }
    fputc(']', f);
}

static double largest_of(const json_t *v)
{
    double most = json_is_number(v) ? fabs(json_number_value(v)) : 0;
    size_t i;
    json_t *item;
    json_array_foreach (v, i, item)
        most = fmax(most, largest_of(item));
    return most;
}

static void hand_in_printed(json_t *gradients, const char *format)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    const char *key, *comma = "{";
    json_t *v;
    json_object_foreach (gradients, key, v) {
        fprintf(f, "%s\"%s\":", comma, key);
        print(f, v, format ? format : largest_of(v) >= 0.01 ? "%.6f" : "%.6e");
        comma = ",";
    }
    fputc('}', f);
    fclose(f);
    hand_in_text(text);
    free(text);
}

static void full_marks(json_t *c, const char *how)
{
    grade();
    ck_assert_msg(graded.graded, "%s: %s", json_string_value(json_object_get(c, "name")), graded.fault);
    for (size_t i = 0; i < graded.n; i++) {
        const struct nb_checked *x = &graded.v[i].checked;
        ck_assert_msg(graded.v[i].points == graded.v[i].max_points && x->verdict != NB_WRONG,
                      "%s, %s: %s has %g of %g points, %lld wrong, %s; entry %lld: %.17g, expected %.17g",
                      json_string_value(json_object_get(c, "name")), how, x->name, graded.v[i].points,
                      graded.v[i].max_points, (long long)x->wrong, x->reason ? nb_reason_text(x->reason) : "",
                      (long long)x->worst, x->worst >= 0 && x->candidate ? x->candidate[x->worst] : 0,
                      x->worst >= 0 && x->value ? x->value[x->worst] : 0);
    }
}

START_TEST(right_answers)
{
    json_t *c = json_array_get(fixtures, (size_t)_i / 2);
    open_fixture(c);
    asked.how = _i % 2 ? NB_ALONG_DIRECTIONS : NB_EVERY_COORDINATE;
    asked.submission.gradients = tensors_of(json_object_get(c, "gradients"));
    full_marks(c, "double");
    asked.submission.gradients = tensors_of(json_object_get(c, "gradients_in_float"));
    convert(&asked.submission.gradients, NB_F32);
    full_marks(c, "float");
    hand_in_printed(json_object_get(c, "gradients"), NULL);
    full_marks(c, "six decimals");
    hand_in_printed(json_object_get(c, "gradients_in_float"), NULL);
    full_marks(c, "six decimals of float");
    hand_in_printed(json_object_get(c, "gradients_in_float"), "%.9g");
    full_marks(c, "nine digits of float");
    asked.submission.gradients = tensors_of(json_object_get(c, "gradients_in_float"));
    convert(&asked.submission.gradients, NB_F32);
    convert(&asked.submission.gradients, NB_F64);
    full_marks(c, "float, all its digits");
}
END_TEST

/* One entry off, by as little as a thousandth, never gets full marks, unless nothing can be told of it. */
START_TEST(wrong_answers)
{
    json_t *c = json_array_get(fixtures, (size_t)_i / 2);
    open_fixture(c);
    asked.how = _i % 2 ? NB_ALONG_DIRECTIONS : NB_EVERY_COORDINATE;
    asked.submission.gradients = tensors_of(json_object_get(c, "gradients"));
    grade();
    for (size_t i = 0; i < graded.n; i++) {
        const struct nb_checked *x = &graded.v[i].checked;
        int64_t n = nb_count(&x->shape), k = n ? _i % n : 0;
        if (!n || !x->judged || x->verdicts[k] != NB_RIGHT || !(fabs(x->value[k]) > 1e-3))
            continue;
        struct nb_graded before = graded;
        double *v = nb_tensors_find(&asked.submission.gradients, x->name)->data, keep = v[k];
        v[k] *= 1.001;
        grade();
        ck_assert_msg(mark(x->name)->checked.verdict == NB_WRONG && graded.score < graded.max_score, "%s: %s",
                      json_string_value(json_object_get(c, "name")), x->name);
        v[k] = keep;
        graded = before;
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("grade");
    TCase *t = tcase_create("points");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, two_slips);
    tcase_add_loop_test(t, one_tensor, 0, sizeof marks / sizeof *marks);
    tcase_add_test(t, nothing_to_tell_costs_nothing);
    tcase_add_test(t, few_digits);
    tcase_add_test(t, other_shapes_again);
    tcase_add_loop_test(t, names_are_known, 0, 2);
    tcase_add_test(t, one_slip_costs_once);
    tcase_add_loop_test(t, any_slope_at_a_kink, 0, 7);
    tcase_add_loop_test(t, nodes_at_a_kink, 0, 4);
    tcase_add_loop_test(t, own_mistakes_cost_nobody, 0, 2);
    tcase_add_test(t, two_ways_to_a_reference);
    suite_add_tcase(s, t);
    t = tcase_create("answers");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, right_answers, 0, 2 * (int)json_array_size(fixtures));
    tcase_add_loop_test(t, wrong_answers, 0, 2 * (int)json_array_size(fixtures));
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    const char *top = getenv("top_srcdir");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/fixtures/submissions.json", top ? top : ".");
    if (!(fixtures = json_load_file(path, 0, NULL)))
        return 1;
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    json_decref(fixtures);
    return failed ? 1 : 0;
}
