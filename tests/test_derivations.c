/* test_derivations.c - formulas that were handed in: derivations are right however clumsy, everything else is not. */
#include "grade/grade.h"
#include "graphs.h"
#include <math.h>
#include <stdio.h>

static struct nb_graph *graph;
static struct nb_grading asked;
static struct nb_reference reference;
static struct nb_graded graded;

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 30);
    memset(&error, 0, sizeof error);
    asked = nb_grading_default;
    asked.submission.form = NB_FORMULAS;
    asked.point.run.seed = (struct nb_seed){11, 12};
    graph = NULL;
}

static void teardown(void)
{
    if (graph)
        nb_graph_unref(graph);
    nb_arena_done(&arena);
}

static void add(const char *name, const char *formula)
{
    struct nb_submission *s = &asked.submission;
    struct nb_expression *more = nb_small(&arena, s->nexpressions + 1, sizeof *more, &error);
    if (s->nexpressions)
        memcpy(more, s->expressions, s->nexpressions * sizeof *more);
    more[s->nexpressions++] = (struct nb_expression){name, formula};
    s->expressions = more;
}

/* {'x': 'g', ...} */
static void hand_in(const char *text)
{
    json_t *j = parse(text), *v;
    const char *name;
    json_object_foreach (j, name, v)
        add(nb_strdup(&arena, name, &error), nb_strdup(&arena, json_string_value(v), &error));
    json_decref(j);
}

static void grade(void)
{
    ck_assert_msg(!nb_grade(graph, &asked, &arena, &reference, &graded, &error), "%s: %s: %s",
                  asked.submission.expressions[0].text, error.pointer, error.detail);
}

static const char *why(void)
{
    static char text[600];
    size_t n = 0;
    for (size_t i = 0; i < graded.n && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s: %g of %g, %s %s %s; ", graded.v[i].name,
                              graded.v[i].points, graded.v[i].max_points, nb_verdict_name(graded.v[i].checked.verdict),
                              graded.v[i].checked.reason ? nb_reason_name(graded.v[i].checked.reason) : "",
                              graded.v[i].diagnosis.code ? graded.v[i].diagnosis.code : "");
    return text;
}

#define POINTWISE(op) "{'inputs': {'x': ['n', 3]}, 'nodes': {'y': {'op': '" op "', 'in': 'x'}}, 'outputs': ['y']}"
#define FORMULA(f) "{'inputs': {'x': ['n', 3]}, 'nodes': {'y': {'expr': '" f "'}}, 'outputs': ['y']}"
#define LAYER                                                                                                          \
    "{'inputs': {'x': ['B', 2]}, 'nodes': {'fc': {'op': 'Linear', 'in_features': 2, 'out_features': 3, 'in': 'x'}, "   \
    "'h': {'op': 'ReLU', 'in': 'fc'}}, 'outputs': ['h']}"
#define CLASSES                                                                                                        \
    "{'inputs': {'x': ['B', 4], 't': {'shape': ['B'], 'dtype': 'int64'}}, 'nodes': {'loss': {'op': "                   \
    "'CrossEntropyLoss', 'in': ['x', 't']}}, 'outputs': ['loss']}"
#define NORMED                                                                                                         \
    "{'inputs': {'x': ['B', 3]}, 'nodes': {'y': {'op': 'BatchNorm1d', 'num_features': 3, 'in': 'x'}}, 'outputs': "     \
    "['y']}"
#define HAT "(x-mean(x,0,keepdim=1))/sqrt(var(x,0,keepdim=1,correction=0)+1e-5)"

/* ---- derivations ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *graph, *formulas;
    double score; /* of 1 a tensor: a derivation may lack its edges */
} derivations[] = {
    {POINTWISE("Tanh"), "{'x': 'g*(1-tanh(x)^2)'}", 1},
    {POINTWISE("Tanh"), "{'x': 'g*(1-y*y)'}", 1},
    {POINTWISE("Tanh"), "{'x': 'g.y*(1+y)*(1-y)'}", 1},
    {POINTWISE("Tanh"), "{'x': '4*g/(exp(x)+exp(-x))^2'}", 1},
    {POINTWISE("Tanh"), "{'x': 'g*(1-((exp(2*x)-1)/(exp(2*x)+1))^2)'}", 0.9}, /* inf/inf where tanh is 1 */
    {POINTWISE("Tanh"), "{'x': 'g*(1-((1-exp(-2*x))/(1+exp(-2*x)))^2)'}", 0.9},
    {POINTWISE("Tanh"), "{'x': 'g*4*sigmoid(2*x)*(1-sigmoid(2*x))'}", 1},
    {POINTWISE("Sigmoid"), "{'x': 'g*y*(1-y)'}", 1},
    {POINTWISE("Sigmoid"), "{'x': 'g*y - g*y^2'}", 1},
    {POINTWISE("Sigmoid"), "{'x': 'g/(2+exp(x)+exp(-x))'}", 1},
    {POINTWISE("Softplus"), "{'x': 'g/(1+exp(-x))'}", 1},
    {POINTWISE("ReLU"), "{'x': 'g*(x>0)'}", 1},
    {POINTWISE("ReLU"), "{'x': 'where(x>0, g, 0)'}", 1},
    {POINTWISE("ReLU"), "{'x': 'g*(sign(x)+1)/2'}", 1},
    {FORMULA("x*sin(x)"), "{'x': 'g*(sin(x)+x*cos(x))'}", 1},
    {FORMULA("sqrt(1+x*x)"), "{'x': 'g*x/y'}", 1},
    {FORMULA("log(1+x*x)"), "{'x': '2*g*x/(1+x*x)'}", 1},
    {FORMULA("abs(x)"), "{'x': 'g*x/abs(x)'}", 0.9}, /* 0/0 */
    {FORMULA("softmax(x)"), "{'x': 'y*(g-sum(g*y,1,keepdim=1))'}", 1},
    {FORMULA("x^3-2*x"), "{'x': 'g*(3*x^2-2)'}", 1},
    {"{'inputs': {'x': ['n', 3]}, 'nodes': {'y': {'expr': 'sum(x*x)'}}, 'outputs': ['y']}", "{'x': '2*g*x'}", 1},
    {"{'inputs': {'x': ['n', 3]}, 'nodes': {'y': {'expr': 'sum(x)'}}, 'outputs': ['y']}", "{'x': 'g'}", 1},
    {LAYER, "{'fc.weight': 'transpose(g*(fc>0)) @ x', 'fc.bias': 'sum(g*step(fc),0)', 'x': '(g*(h>0)) @ fc.weight'}",
     3},
    {CLASSES, "{'x': '(softmax(x,1)-one_hot(t,4))/B'}", 1},
    {CLASSES, "{'x': 'g*(exp(x)/sum(exp(x),1,keepdim=1)-one_hot(t,4))/B'}", 0.9},
    {NORMED,
     "{'x': 'y.weight/sqrt(var(x,0,keepdim=1,correction=0)+1e-5)*(g-mean(g,0,keepdim=1)-" HAT "*mean(g*(" HAT
     "),0,keepdim=1))', 'y.weight': 'sum(g*" HAT ",0)', 'y.bias': 'sum(g,0)'}",
     3},
};

START_TEST(derivation)
{
    graph = make_good(derivations[_i].graph);
    asked.point.run.train = true;
    hand_in(derivations[_i].formulas);
    grade();
    ck_assert_msg(graded.verdict == NB_RIGHT && !graded.review, "%s: %s", derivations[_i].formulas, why());
    ck_assert_msg(graded.score >= derivations[_i].score - 1e-9, "%s: %s", derivations[_i].formulas, why());
}
END_TEST

/* ---- none -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *graph, *formulas, *code;
    enum nb_reason reason;
} mistakes[] = {
    {POINTWISE("Tanh"), "{'x': '2*g*(1-y^2)'}", "factor_2", NB_WHY_none},
    {POINTWISE("Tanh"), "{'x': '-g*(1-y^2)'}", "sign", NB_WHY_none},
    {POINTWISE("Tanh"), "{'x': 'g*(1-y)'}", NULL, NB_WHY_none},
    {POINTWISE("Tanh"), "{'x': '1-y^2'}", NULL, NB_WHY_none},
    {POINTWISE("Tanh"), "{'x': '0*g'}", "zero", NB_WHY_none},
    {POINTWISE("Tanh"), "{'x': 'g*(1-x^2+2*x^4/3-17*x^6/45)'}", NULL, NB_WHY_none},
    {POINTWISE("ReLU"), "{'x': 'g'}", NULL, NB_WHY_none},
    {POINTWISE("ReLU"), "{'x': 'g*(x<0)'}", NULL, NB_WHY_none},
    {POINTWISE("Tanh"), "{'x': 'sum(g*(1-y^2),0)'}", NULL, NB_WHY_none},
    {LAYER, "{'fc.bias': 'g*(fc>0)'}", "not_summed_over_batch", NB_WHY_shape},
    {LAYER, "{'fc.bias': 'mean(g*(fc>0),0)'}", "factor_batch", NB_WHY_none},
    {LAYER, "{'fc.weight': 'transpose(x) @ (g*(fc>0))'}", "transposed", NB_WHY_shape},
    {CLASSES, "{'x': 'softmax(x,1)-one_hot(t,4)'}", "factor_batch", NB_WHY_none},
    {CLASSES, "{'x': '(softmax(x,1)-one_hot(t,4))/5'}", NULL, NB_WHY_other_batch}, /* which is drawn */
};

START_TEST(mistake)
{
    graph = make_good(mistakes[_i].graph);
    hand_in(mistakes[_i].formulas);
    grade();
    ck_assert_msg(graded.verdict == NB_WRONG && graded.score < 1, "%s: %s", mistakes[_i].formulas, why());
    const struct nb_mark *m = &graded.v[0];
    if (mistakes[_i].code)
        ck_assert_msg(m->diagnosis.code && !strcmp(m->diagnosis.code, mistakes[_i].code), "%s: %s",
                      mistakes[_i].formulas, why());
    if (mistakes[_i].reason)
        ck_assert_int_eq(m->checked.reason, mistakes[_i].reason);
    for (int k = 0; k < NB_ROWS; k++)
        ck_assert(!m->row[k].there || m->row[k].points <= m->row[k].max_points);
}
END_TEST

static const char *const functions[] = {"tanh(%s)", "sigmoid(%s)", "sin(%s)", "exp(%s)", "softplus(%s)", "(%s)^3"};
static const char *const steps[] = {"1e-3", "1e-4", "1e-5", "1e-6", "1e-7", "1e-8"};
static const char *const stencils[] = {"(+)-(0)|1", "(+)-(-)|2", "(m)-8*(-)+8*(+)-(p)|12"};

static void put_function(FILE *f, const char *function, const char *argument)
{
    const char *hole = strstr(function, "%s");
    fprintf(f, "%.*s%s%s", (int)(hole - function), function, argument, hole + 2);
}

/* g*(the stencil)/(its divisor*h) */
static char *difference(const char *function, const char *h, const char *stencil)
{
    char *text, argument[40];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fputs("g*(", f);
    for (const char *p = stencil; *p != '|'; p++) {
        static const char places[] = "0+-mp", *const forms[] = {"x", "x+%s", "x-%s", "x-2*%s", "x+2*%s"};
        const char *place = p > stencil && p[-1] == '(' ? strchr(places, *p) : NULL;
        if (!place) {
            if (*p != '(' && *p != ')')
                fputc(*p, f);
            continue;
        }
        const char *form = forms[place - places], *hole = strstr(form, "%s");
        snprintf(argument, sizeof argument, "%.*s%s", hole ? (int)(hole - form) : 40, form, hole ? h : "");
        put_function(f, function, argument);
    }
    fprintf(f, ")/(%s*%s)", strchr(stencil, '|') + 1, h);
    fclose(f);
    char *own = nb_strdup(&arena, text, &error);
    free(text);
    return own;
}

/* Every function, step and stencil. */
START_TEST(finite_difference)
{
    char description[200], y[60];
    const char *function = functions[_i / 18], *h = steps[_i / 3 % 6], *stencil = stencils[_i % 3];
    FILE *f = fmemopen(y, sizeof y, "w");
    put_function(f, function, "x");
    fclose(f);
    snprintf(description, sizeof description,
             "{'inputs': {'x': ['n', 3]}, 'nodes': {'y': {'expr': '%s'}}, 'outputs': ['y']}", y);
    graph = make_good(description);
    char *formula = difference(function, h, stencil);
    add("x", formula);
    grade();
    ck_assert_msg(graded.verdict == NB_WRONG && graded.score < 0.2, "%s: %s", formula, why());
    ck_assert_msg(graded.v[0].diagnosis.code && !strcmp(graded.v[0].diagnosis.code, "finite_difference"), "%s: %s",
                  formula, why());
}
END_TEST

/* A fit of sin that no real point tells from it within 1e-11: T_1, T_3, ... on [-7, 7]. Beside the axis it does. */
START_TEST(fit)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    enum { TERMS = 14 };
    double c[2 * TERMS + 1] = {0};
    for (int k = 0; k <= 2 * TERMS; k++)
        for (int j = 0; j < 200; j++) {
            double u = M_PI * (j + 0.5) / 200;
            c[k] += (k ? 2 : 1) * cos(2.2 * cos(u)) * cos(k * u) / 200;
        }
    fputs("g*(0", f);
    for (int k = 0; k <= TERMS; k++) /* T_2k(x/2.2) = cos(2k acos(x/2.2)), a table of cosines */
        fprintf(f, "%+.15g*cos(%d*acos(clip(x/2.2,-1,1)))", c[2 * k], 2 * k);
    fputs(")", f);
    fclose(f);
    graph = make_good(FORMULA("sin(x)"));
    add("x", text);
    grade();
    ck_assert_msg(graded.verdict != NB_RIGHT || graded.score < 1, "%s", why());
    free(text);
}
END_TEST

/* Nothing is wrong with the numbers, and the step is so long that rounding does not show it. */
START_TEST(many_points)
{
    static const char *const formulas[] = {
        "g*(4/5*(sin(x+0.1)-sin(x-0.1))-1/5*(sin(x+0.2)-sin(x-0.2))+4/105*(sin(x+0.3)-sin(x-0.3))"
        "-1/280*(sin(x+0.4)-sin(x-0.4)))/0.1",
        "1.00000000003*g*cos(x)"};
    graph = make_good(FORMULA("sin(x)"));
    add("x", formulas[_i]);
    grade();
    ck_assert_msg(graded.verdict == NB_CANNOT_TELL && graded.review, "%s", why());
    ck_assert_int_eq(graded.v[0].checked.reason, NB_WHY_inexact);
    ck_assert_double_ge(graded.score, 0.9);
}
END_TEST

static const struct {
    const char *formulas, *pointer;
    enum nb_code code;
} refused[] = {
    {"{'x': 'g*('}", "/submission/expressions/x", NB_E_formula_syntax},
    {"{'x': 'g*q'}", "/submission/expressions/x", NB_E_unknown_reference},
    {"{'x': 'g', 'z': 'g'}", "/wrt/1", NB_E_unknown_reference},
    {"{'x': 'g.q'}", "/submission/expressions/x", NB_E_unknown_reference},
    {"{'x': 'g @ g @ g'}", "/submission/expressions/x", NB_E_shape_mismatch},
    {"{'x': 'system(x)'}", "/submission/expressions/x", NB_E_unknown_function},
};

START_TEST(bad_formulas)
{
    graph = make_good(POINTWISE("Tanh"));
    hand_in(refused[_i].formulas);
    ck_assert_int_eq(nb_grade(graph, &asked, &arena, &reference, &graded, &error), -1);
    ck_assert_str_eq(error.pointer, refused[_i].pointer);
    ck_assert_msg(error.code == refused[_i].code, "%s", nb_code_name(error.code));
}
END_TEST

/* Long and deep ones end before they are built. */
START_TEST(huge_formulas)
{
    size_t n = _i ? 20001 : 1 << 20;
    char *text = nb_alloc(&arena, n + 2, 1, &error);
    for (size_t i = 0; i < n; i++)
        text[i] = _i ? (i < n / 2 ? '(' : i == n / 2 ? 'x' : ')') : (i % 2 ? '+' : 'x');
    text[n] = _i ? 0 : 'x';
    text[n + 1] = 0;
    graph = make_good(POINTWISE("Tanh"));
    add("x", text);
    ck_assert_int_eq(nb_grade(graph, &asked, &arena, &reference, &graded, &error), -1);
    ck_assert_int_eq(error.code, NB_E_limit);
    ck_assert_str_eq(error.pointer, "/submission/expressions/x");
}
END_TEST

#define MANY(table) (int)(sizeof table / sizeof *table)

int main(void)
{
    Suite *s = suite_create("derivations");
    TCase *t = tcase_create("formulas");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, derivation, 0, MANY(derivations));
    tcase_add_loop_test(t, mistake, 0, MANY(mistakes));
    tcase_add_loop_test(t, finite_difference, 0, 6 * 6 * 3);
    tcase_add_test(t, fit);
    tcase_add_loop_test(t, many_points, 0, 2);
    tcase_add_loop_test(t, bad_formulas, 0, MANY(refused));
    tcase_add_loop_test(t, huge_formulas, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
