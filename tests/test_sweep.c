/* test_sweep - the check by structure against the check coordinate by coordinate: two ways to the same numbers. */
#include "check/check.h"
#include "check/checker.h"
#include "check/sweep.h"
#include "graphs.h"
#include "nabla/module.h"
#include "nabla/team.h"
#include <math.h>
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 30);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* ---- every module, every case ---------------------------------------------------------------------------------- */

/* "5x7c7" -> {"shape": [5, 7], "dtype": "int64"} */
static json_t *input_of(const char *word)
{
    json_t *shape = json_array();
    const char *p = word;
    char *end;
    while (*p >= '0' && *p <= '9') {
        json_array_append_new(shape, json_integer(strtol(p, &end, 10)));
        p = *end == 'x' ? end + 1 : end;
    }
    return json_pack("{s:o,s:s}", "shape", shape, "dtype", *p == 'c' ? "int64" : "float64");
}

static json_t *outputs_of(const struct nb_module *m)
{
    json_t *list = json_array();
    for (int i = 0; m->outputs && m->outputs[i]; i++)
        json_array_append_new(list, json_sprintf("m.%s", m->outputs[i]));
    if (!m->outputs || !m->outputs[0] || !m->outputs[1]) {
        json_array_clear(list);
        json_array_append_new(list, json_string("m"));
    }
    return list;
}

/* The graph of one module at one of its cases, or NULL where it cannot be asked alone. */
static struct nb_graph *graph_of(const struct nb_module *m, const struct nb_case *c)
{
    char in[300], *word, *rest, args[600];
    json_error_t why;
    snprintf(args, sizeof args, "{%s}", c->args ? c->args : "");
    json_t *node = json_loads(args, 0, &why), *inputs = json_object(), *list = json_array();
    snprintf(in, sizeof in, "%s", c->in);
    int n = 0;
    for (word = strtok_r(in, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (*word == '-')
            continue;
        char name[20];
        snprintf(name, sizeof name, "x%d", n++);
        json_object_set_new(inputs, name, input_of(word));
        json_array_append_new(list, json_string(name));
    }
    json_object_set_new(node, "op", json_string(m->type));
    if (n)
        json_object_set_new(node, "in", list);
    else
        json_decref(list);
    json_t *g = json_pack("{s:s,s:o,s:{s:o},s:o}", "dtype", "float64", "inputs", inputs, "nodes", "m", node, "outputs",
                          outputs_of(m));
    memset(&error, 0, sizeof error);
    struct nb_graph *made = nb_graph_new(g, NULL, (struct nb_seed){1, 2}, &error);
    json_decref(g);
    return made;
}

static int tried;

static void compare(const struct nb_module *m, const struct nb_case *c, const struct nb_verdicts *a,
                    const struct nb_verdicts *b)
{
    ck_assert_msg(b->self_ok, "%s {%s}: %s", m->type, c->args ? c->args : "", b->facts.fault);
    ck_assert_msg(b->verdict != NB_WRONG, "%s {%s} %s: wrong by structure", m->type, c->args ? c->args : "", c->in);
    for (size_t i = 0; i < a->n; i++)
        for (int64_t k = 0; k < nb_count(&a->v[i].shape) && a->v[i].judged; k++) {
            double x = a->v[i].value[k], y = b->v[i].value[k];
            ck_assert_msg(a->v[i].reasons[k] == NB_WHY_kink || b->v[i].reasons[k] == NB_WHY_kink ||
                              a->v[i].reasons[k] == NB_WHY_finite_set || !isfinite(x) ||
                              fabs(x - y) <= a->v[i].bar[k] + b->v[i].bar[k] + 1e-9 * fabs(x),
                          "%s {%s} %s, %s[%d]: %.17g by the loop, %.17g by structure", m->type, c->args ? c->args : "",
                          c->in, a->v[i].name, (int)k, x, y);
        }
    tried++;
}

static void try_case(const struct nb_module *m, const struct nb_case *c)
{
    struct nb_graph *g = graph_of(m, c);
    struct nb_verdicts v[2];
    if (!g)
        return;
    struct nb_check k = {.run.seed = {5, 6}, .run.train = c->train};
    for (int i = 0; i < 2; i++) {
        k.method = i ? NB_METHOD_STRUCTURE : NB_METHOD_LOOP;
        if (nb_check_run(g, &k, &arena, &v[i], &error)) {
            ck_assert_msg(error.code == NB_E_not_differentiable || error.code == NB_E_missing_key, "%s {%s} %s: %s %s",
                          m->type, c->args ? c->args : "", c->in, nb_code_name(error.code), error.detail);
            nb_graph_unref(g);
            return;
        }
    }
    compare(m, c, &v[0], &v[1]);
    nb_graph_unref(g);
}

START_TEST(test_every_module)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    tried = 0;
    for (int i = 0; m->cases && m->cases[i].in; i++)
        try_case(m, &m->cases[i]);
    if (m->backward && !m->selects)
        ck_assert_msg(tried > 0, "%s: no case could be tried: %s %s", m->type, error.pointer, error.detail);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sweep");
    TCase *t = tcase_create("sweep");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, test_every_module, 0, nb_module_count());
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
