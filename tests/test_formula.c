/* test_formula - the formula language: precedence by numbers, errors by column. */
#include "expr/formula.h"
#include "graphs.h"
#include <math.h>
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, 1 << 26);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* Through a graph: value of a formula in x = 3 (a single number). */
static double value(const char *formula)
{
    char text[600];
    snprintf(
        text, sizeof text,
        "{'inputs': {'x': [], 'm': ['R', 'C']}, 'dtype': 'float64', 'nodes': {'y': {'expr': '%s'}}, 'outputs': ['y']}",
        formula);
    struct nb_graph *g = make_good(text);
    struct nb_run run = {.inputs = tensors("{'x': 3, 'm': [[1, -2, 3], [4, 5, -6]]}")};
    struct nb_result r = {0};
    ck_assert_msg(nb_graph_forward(g, &run, &arena, &r, &error) == 0, "%s: %s", formula, error.detail);
    double v = at(&r.outputs, "y", 0);
    nb_graph_unref(g);
    return v;
}

static const struct {
    const char *formula;
    double value;
} values[] = {
    {"2**3**2", 512},
    {"2^3^2", 512},
    {"-x**2", -9},
    {"(-x)**2", 9},
    {"2**-1", 0.5},
    {"1 - 2 - 3", -4},
    {"8/4/2", 1},
    {"1 + 2*3", 7},
    {"-x*2", -6},
    {"2*-x", -6},
    {"+x", 3},
    {"(1 < x)*(x < 5)", 1},
    {"x < 2 + 1", 0},
    {"x <= 3", 1},
    {"x == 3", 1},
    {"x != 3", 0},
    {"1e-1*10", 1},
    {".5*x", 1.5},
    {"1.*x", 3},
    {"pi", 3.14159265358979323846},
    {"R*10 + C", 23},
    {"sum(m)", 5},
    {"sum(m, 0)", 5},
    {"sum(m, dim=1)", 2},
    {"sum(sum(m, 1, keepdim=1))", 5},
    {"mean(m, [0, 1])", 5.0 / 6},
    {"max(m)", 5},
    {"max(m, dim=0)", 4},
    {"max(x, 0, 7)", 7},
    {"min(m, dim=-1)", -2},
    {"prod(m)", 720},
    {"norm(m, 1)", 21},
    {"norm(m, p=2)", 9.5393920141694566},
    {"clip(x, 0, 2)", 2},
    {"clip(x, max=2, min=0)", 2},
    {"where(x > 2, x, 0)", 3},
    {"xlogy(0, 0)", 0},
    {"logaddexp(x, x)", 3.6931471805599453},
    {"var(m, 0)", 2.25},
    {"var(m, 0, correction=1)", 4.5},
    {"argmax(m)", 2},
    {"softmax(m, 0)", 0.0474258731775668},
    {"cumsum(m, 1)", 1},
    {"flip(m, 1)", 3},
    {"roll(m, 1, 1)", 3},
    {"transpose(m) @ m", 17},
    {"m @ transpose(m)", 14},
    {"dot(m, m)", 14},
    {"outer(m, m)", 1},
    {"linear(m, m)", 14},
    {"linear(m, m, sum(m, 1))", 16},
    {"reshape(m, [C, R])", 1},
    {"reshape(m, [6])", 1},
    {"expand(x, [2, 2])", 3},
    {"squeeze(unsqueeze(x, 0), 0)", 3},
    {"concat(m, m, dim=0)", 1},
    {"stop(x)*2", 6},
    {"leaky_relu(-x)", -0.03},
    {"leaky_relu(-x, 0.5)", -1.5},
    {"elu(-x, 2)", 2 * (0.049787068367863944 - 1)},
    {"round(2.5*x - 5)", 2},
    {"atan2(x, x)", 0.78539816339744831},
    {"one_hot(x, 4)", 0},
    {"logsumexp(m*0)", 1.791759469228055},
};

START_TEST(test_values)
{
    ck_assert_double_eq_tol(value(values[_i].formula), values[_i].value, 4e-15 * (1 + fabs(values[_i].value)));
}
END_TEST

static const struct {
    const char *formula, *code, *detail;
} faults[] = {
    {"", "formula_syntax", "column 1: a value expected"},
    {"x +", "formula_syntax", "column 4"},
    {"x)", "formula_syntax", "column 2"},
    {"x x", "formula_syntax", "column 3"},
    {"1e999*x", "formula_syntax", "too large"},
    {"sum(x, dim=)", "formula_syntax", "column 12"},
    {"sum(dim=0, x)", "formula_syntax", "column 12"},
    {"sum(m, size=1)", "bad_argument", "no argument size"},
    {"sum(m, 5)", "bad_argument", "column 1"},
    {"exp()", "bad_argument", "1 wanted, 0 given"},
    {"exp(x, 1)", "bad_argument", "1 wanted, 2 given"},
    {"roll(m, 1)", "bad_argument", "roll"},
    {"[1, 2]", "formula_syntax", "column 1"},
    {"reshape(m, [5])", "shape_mismatch", "column 1"},
    {"m + [1]", "formula_syntax", "column 5"},
    {"q.z + 1", "unknown_reference", "q"},
    {"x.z", "unknown_port", "column 1"},
    {"m @ m", "shape_mismatch", "column"},
    {"x & 1", "formula_syntax", "& is not part"},
};

START_TEST(test_faults)
{
    char text[600];
    snprintf(text, sizeof text, "{'inputs': {'x': [], 'm': [2, 3]}, 'nodes': {'y': {'expr': '%s'}}, 'outputs': ['y']}",
             faults[_i].formula);
    ck_assert_ptr_null(make(text));
    ck_assert_msg(!strcmp(nb_code_name(error.code), faults[_i].code) && strstr(error.detail, faults[_i].detail),
                  "%s: %s: %s", faults[_i].formula, nb_code_name(error.code), error.detail);
    ck_assert_str_eq(error.pointer, "/graph/nodes/y/expr");
}
END_TEST

/* The longest and deepest formulas allowed are parsed; one more is refused. */
START_TEST(test_limits)
{
    static char long_one[5000], deep[200];
    for (int i = 0; i < 2047; i++)
        memcpy(long_one + 2 * i, "x+", 2);
    strcpy(long_one + 2 * 2047, "x");
    ck_assert_ptr_nonnull(nb_formula_parse(long_one, &arena, &error));
    strcat(long_one, "+x");
    ck_assert_ptr_null(nb_formula_parse(long_one, &arena, &error));
    ck_assert_str_eq(nb_code_name(error.code), "limit");
    memset(&error, 0, sizeof error);
    for (int depth = 60; depth < 70; depth += 9) {
        memset(deep, '(', (size_t)depth);
        deep[depth] = 'x';
        memset(deep + depth + 1, ')', (size_t)depth);
        deep[2 * depth + 1] = '\0';
        ck_assert_int_eq(nb_formula_parse(deep, &arena, &error) != NULL, depth < 64);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("formula");
    TCase *t = tcase_create("formula");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_values, 0, sizeof values / sizeof *values);
    tcase_add_loop_test(t, test_faults, 0, sizeof faults / sizeof *faults);
    tcase_add_test(t, test_limits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
