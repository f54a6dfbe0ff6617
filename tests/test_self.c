/* test_self - the checker accuses itself when it must, and nobody else: modules of ours are broken on purpose. Linked
 * with
 * --wrap=nb_module_at: the rows come from here. */
#include "case_graphs.h"
#include "check/oracle.h"
#include "check/point.h"
#include "check/sweep.h"
#include "graph/ask.h"

/* ---- rows that can be broken ------------------------------------------------------------------------------------- */

enum { MOST = 2048 };
static struct nb_module *rows[3]; /* copies, per build; NULL: the real ones */

const struct nb_module *__real_nb_module_at(enum nb_dtype build, int index);
const struct nb_module *__wrap_nb_module_at(enum nb_dtype build, int index);
const struct nb_module *__wrap_nb_module_at(enum nb_dtype build, int index)
{
    return rows[build] ? &rows[build][index] : __real_nb_module_at(build, index);
}

static void copy_rows(void)
{
    for (int b = NB_F32; b <= NB_C128; b++) {
        rows[b] = calloc((size_t)nb_module_count(), sizeof *rows[b]);
        for (int i = 0; i < nb_module_count(); i++)
            rows[b][i] = *__real_nb_module_at((enum nb_dtype)b, i);
    }
}

static struct nb_module *row(enum nb_dtype build, const char *type)
{
    return &rows[build][nb_module_find(type)];
}

static const struct nb_module *sound(enum nb_dtype build, const char *type)
{
    return __real_nb_module_at(build, nb_module_find(type));
}

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
    copy_rows();
}

static void teardown(void)
{
    nb_arena_done(&arena);
    for (int b = NB_F32; b <= NB_C128; b++) {
        free(rows[b]);
        rows[b] = NULL;
    }
}

/* ---- a graph with Tanh inside ------------------------------------------------------------------------------------ */

#define NET                                                                                                            \
    "{'inputs': {'x': ['N', 4]}, 'dtype': 'float64', 'nodes': {'a': {'op': 'Linear', 'in': 'x', 'out_features': 3}, "  \
    "'h': {'op': 'Tanh', 'in': 'a'}, 'y': {'op': 'Linear', 'in': 'h', 'out_features': 2}}, 'outputs': ['y']}"

static struct nb_verdicts check(enum nb_method method, const struct nb_tensors *gradients)
{
    struct nb_graph *g = make_good(NET);
    struct nb_check c = {.run.seed = {3, 4}, .method = method, .gradients_given = gradients != NULL};
    struct nb_verdicts v;
    if (gradients)
        c.gradients = *gradients;
    ck_assert_msg(!nb_check_run(g, &c, &arena, &v, &error), "%s", error.detail);
    nb_graph_unref(g);
    return v;
}

/* The gradients of the graph as it is when this is called. */
static struct nb_tensors gradients_now(void)
{
    struct nb_verdicts v = check(NB_METHOD_LOOP, NULL);
    struct nb_tensors l = {0};
    for (size_t i = 0; i < v.n; i++) {
        struct nb_tensor t = {NB_F64, v.v[i].shape, v.v[i].candidate};
        ck_assert(!nb_tensors_add(&arena, &l, v.v[i].name, t, &error));
    }
    return l;
}

static const enum nb_method methods[] = {NB_METHOD_LOOP, NB_METHOD_STRUCTURE};
enum { METHODS = 2 };

/* ---- two builds that disagree ------------------------------------------------------------------------------------ */

static int steeper(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_C128, "Tanh")->forward(c, e);
    double _Complex *y = c->out[0].data;
    for (int64_t i = 0; i < nb_count(&c->out[0].shape); i++)
        y[i] = CMPLX(creal(y[i]), 1.001 * cimag(y[i]));
    return bad;
}

static int flat(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_C128, "Tanh")->forward(c, e);
    double _Complex *y = c->out[0].data;
    for (int64_t i = 0; i < nb_count(&c->out[0].shape); i++)
        y[i] = creal(y[i]);
    return bad;
}

static int larger(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_F64, "Tanh")->forward(c, e);
    double *y = c->out[0].data;
    for (int64_t i = 0; i < nb_count(&c->out[0].shape); i++)
        y[i] *= 1.001;
    return bad;
}

/* What passes through Tanh cannot be told, whoever is right; what does not is judged as ever. */
static void expect_accused(const struct nb_verdicts *v)
{
    ck_assert(!v->self_ok);
    ck_assert_int_eq(v->verdict, NB_CANNOT_TELL);
    for (size_t i = 0; i < v->n; i++) {
        bool behind = v->v[i].name[0] == 'y';
        ck_assert_msg(behind || v->v[i].verdict == NB_CANNOT_TELL, "%s", v->v[i].name);
        ck_assert_msg(behind || v->v[i].reason == NB_WHY_oracles_disagree, "%s", v->v[i].name);
        ck_assert_int_eq((int)v->v[i].wrong, 0);
    }
}

START_TEST(test_complex_build)
{
    struct nb_tensors right = gradients_now();
    static int (*const forwards[])(const struct nb_call *, struct nb_error *) = {steeper, flat};
    row(NB_C128, "Tanh")->forward = forwards[_i / METHODS];
    struct nb_verdicts v = check(methods[_i % METHODS], NULL);
    expect_accused(&v);
    v = check(methods[_i % METHODS], &right);
    expect_accused(&v);
    if (_i % METHODS)
        ck_assert_msg(strstr(v.facts.fault, "h, input["), "%s", v.facts.fault);
}
END_TEST

START_TEST(test_double_build)
{
    struct nb_tensors right = gradients_now();
    row(NB_F64, "Tanh")->forward = larger;
    struct nb_verdicts v = check(methods[_i], &right);
    ck_assert(!v.self_ok);
    for (size_t i = 0; i < v.n; i++)
        ck_assert_msg(v.v[i].name[0] == 'y' || !v.v[i].wrong, "%s", v.v[i].name);
}
END_TEST

/* The same for whole Jacobians. Linear is swept in double alone: its complex build is met through the whole graph. */
static int steeper_linear(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_C128, "Linear")->forward(c, e);
    double _Complex *y = c->out[0].data;
    for (int64_t i = 0; i < nb_count(&c->out[0].shape); i++)
        y[i] = CMPLX(creal(y[i]), (1 + 1e-6) * cimag(y[i]));
    return bad;
}

START_TEST(test_jacobian)
{
    struct nb_graph *g = make_good(NET);
    struct nb_check c = {.run.seed = {3, 4}, .jacobian = true};
    struct nb_verdicts v;
    static const char *const said[] = {"the whole graph gives", "h, input["};
    ck_assert(!nb_check_run(g, &c, &arena, &v, &error) && v.self_ok && v.verdict == NB_RIGHT);
    if (_i)
        row(NB_C128, "Tanh")->forward = steeper;
    else
        row(NB_C128, "Linear")->forward = steeper_linear;
    ck_assert(!nb_check_run(g, &c, &arena, &v, &error) && !v.self_ok);
    ck_assert_msg(strstr(v.facts.fault, said[_i]), "%s", v.facts.fault);
    for (size_t i = 0; i < v.n; i++) {
        bool behind = _i == 0 || v.v[i].name[0] == 'y';
        ck_assert_int_eq((int)v.v[i].wrong, 0);
        ck_assert_msg(v.v[i].verdict == (behind ? NB_RIGHT : NB_CANNOT_TELL), "%s", v.v[i].name);
        ck_assert_msg(behind || v.v[i].reason == NB_WHY_oracles_disagree, "%s", v.v[i].name);
    }
    nb_graph_unref(g);
}
END_TEST

/* ---- declarations that do not hold ------------------------------------------------------------------------------- */

static const struct nb_swept *swept(const struct nb_verdicts *v, const char *node)
{
    for (size_t i = 0; i < v->facts.nswept; i++)
        if (!strcmp(v->facts.swept[i].node, node))
            return &v->facts.swept[i];
    return NULL;
}

/* Refuted, said so, and judged as if nothing had been declared. */
static void expect_refuted(const char *graph, const char *structure)
{
    struct nb_graph *g = make_good(graph);
    struct nb_check c = {.run.seed = {3, 4}, .method = NB_METHOD_STRUCTURE};
    struct nb_verdicts v;
    ck_assert_msg(!nb_check_run(g, &c, &arena, &v, &error), "%s", error.detail);
    const struct nb_swept *s = swept(&v, "y");
    ck_assert(s && s->refuted && v.facts.leaks > 0);
    ck_assert_str_eq(s->structure, structure);
    ck_assert_int_eq(v.verdict, NB_RIGHT);
    struct nb_tensor wrong = {NB_F64, v.v[0].shape, v.v[0].candidate};
    ((double *)wrong.data)[4] *= 1 + 1e-6;
    c.gradients_given = true;
    ck_assert(!nb_tensors_add(&arena, &c.gradients, v.v[0].name, wrong, &error));
    ck_assert_msg(!nb_check_run(g, &c, &arena, &v, &error), "%s", error.detail);
    ck_assert_int_eq(v.verdict, NB_WRONG);
    ck_assert_int_eq((int)v.v[0].worst, 4);
    ck_assert_int_eq((int)v.v[0].wrong, 1);
    nb_graph_unref(g);
}

#define ONE(op)                                                                                                        \
    "{'inputs': {'x': ['N', 3]}, 'dtype': 'float64', 'nodes': {'y': {'op': '" op "', 'in': 'x'}}, 'outputs': ['y']}"

START_TEST(test_declarations)
{
    row(NB_F64, "Softmax")->jacobian = "P";
    row(NB_F64, "Softmax")->pointwise = true;
    expect_refuted(ONE("Softmax"), "row-wise");
    row(NB_F64, "Softmax")->jacobian = "A";
    expect_refuted(ONE("Softmax"), "row-wise");
    row(NB_F64, "Tanh")->jacobian = "A";
    expect_refuted(ONE("Tanh"), "pointwise");
    row(NB_F64, "Normalize")->jacobian = "A";
    expect_refuted(ONE("Normalize"), "row-wise");
}
END_TEST

/* ---- a backward that is wrong ------------------------------------------------------------------------------------ */

static int slope(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_F64, "Tanh")->backward(c, e);
    double *g = c->gin[0].data;
    for (int64_t i = 0; g && i < nb_count(&c->gin[0].shape); i++)
        g[i] *= 1 + 1e-6;
    return bad;
}

START_TEST(test_backward)
{
    struct nb_tensors right = gradients_now();
    row(NB_F64, "Tanh")->backward = slope;
    for (int m = 0; m < METHODS; m++) {
        struct nb_verdicts v = check(methods[m], NULL);
        ck_assert_int_eq(v.verdict, NB_WRONG); /* the graph's own gradient is */
        ck_assert_int_eq(v.self_ok, m == 0);
        v = check(methods[m], &right);
        ck_assert_int_eq(v.verdict, NB_RIGHT); /* who hands in the right one is not to blame */
        ck_assert_int_eq(v.self_ok, m == 0);
        ck_assert(!m || strstr(v.facts.fault, "h, input["));
    }
}
END_TEST

static int one_entry(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_F64, "Linear")->backward(c, e);
    double *g = c->gw[0].data;
    if (g)
        g[100] *= 1 + 1e-6;
    return bad;
}

/* By random signs a backward proves itself, if it is right; else every entry is looked at. */
START_TEST(test_signed_backward)
{
    struct nb_graph *g = make_good("{'inputs': {'x': [5, 70]}, 'dtype': 'float64', 'nodes': {'y': {'op': 'Linear', "
                                   "'in': 'x', 'out_features': 3}}, 'outputs': ['y']}");
    struct nb_check c = {.run.seed = {3, 4}, .method = NB_METHOD_STRUCTURE, .coverage = NB_COVER_SIGNED};
    struct nb_verdicts v;
    ck_assert(!nb_check_run(g, &c, &arena, &v, &error));
    ck_assert(v.verdict == NB_RIGHT && v.self_ok && v.facts.coverage == NB_COVER_SIGNED);
    row(NB_F64, "Linear")->backward = one_entry;
    ck_assert(!nb_check_run(g, &c, &arena, &v, &error));
    ck_assert(v.verdict == NB_WRONG && !v.self_ok && strstr(v.facts.fault, "y, y.weight[100]"));
    ck_assert(v.v[0].wrong == 1 && v.v[0].worst == 100);
    nb_graph_unref(g);
}
END_TEST

/* ---- what every backward keeps ------------------------------------------------------------------------------------
 */

static int forgets_cotangent(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_F64, "Tanh")->backward(c, e);
    double *g = c->gin[0].data;
    const double *from = c->gout[0].data;
    for (int64_t i = 0; g && i < nb_count(&c->gin[0].shape); i++)
        g[i] /= fabs(from[i]);
    return bad;
}

static int squares_cotangent(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_F64, "Tanh")->backward(c, e);
    double *g = c->gin[0].data;
    const double *from = c->gout[0].data;
    for (int64_t i = 0; g && i < nb_count(&c->gin[0].shape); i++)
        g[i] *= from[i];
    return bad;
}

static int adds_to_nothing(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_F64, "Tanh")->backward(c, e);
    if (c->gin[0].data)
        ((double *)c->gin[0].data)[1] += ((const double *)c->gout[0].data)[1] == 0;
    return bad;
}

static int accumulates(const struct nb_call *c, struct nb_error *e)
{
    static double sum;
    int bad = sound(NB_F64, "Tanh")->backward(c, e);
    if (c->gin[0].data)
        ((double *)c->gin[0].data)[1] += sum += 1e-12;
    return bad;
}

static int writes_input(const struct nb_call *c, struct nb_error *e)
{
    int bad = sound(NB_F64, "Linear")->backward(c, e);
    ((double *)c->in[0].data)[0] += 1e-12;
    return bad;
}

/* Some of these are wrong by so little, or so seldom, that no number shows it. */
START_TEST(test_identities)
{
    static const struct {
        const char *type;
        int (*backward)(const struct nb_call *c, struct nb_error *e);
        const char *fault;
    } broken[] = {{"Tanh", forgets_cotangent, "twice the cotangent"},
                  {"Tanh", squares_cotangent, "twice the cotangent"},
                  {"Tanh", adds_to_nothing, "a cotangent of zero"},
                  {"Tanh", accumulates, "the same call gives other bits"},
                  {"Linear", writes_input, "writes into its arguments"}};
    struct nb_tensors right = gradients_now();
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        row(NB_F64, broken[i].type)->backward = broken[i].backward;
        struct nb_verdicts v = check(NB_METHOD_LOOP, &right);
        ck_assert_msg(!v.self_ok && v.facts.fault && strstr(v.facts.fault, broken[i].fault), "%s instead of %s",
                      v.facts.fault ? v.facts.fault : "nothing", broken[i].fault);
        row(NB_F64, broken[i].type)->backward = sound(NB_F64, broken[i].type)->backward;
    }
}
END_TEST

/* ---- a forward that changes each time ---------------------------------------------------------------------------- */

static int drifts(const struct nb_call *c, struct nb_error *e)
{
    static double drift;
    int bad = sound(NB_F64, "Tanh")->forward(c, e);
    ((double *)c->out[0].data)[2] += drift++;
    return bad;
}

/* dropout-redrawn of the catalogue, for a module of ours: not told, with node and index. */
START_TEST(test_drift)
{
    row(NB_F64, "Tanh")->forward = drifts;
    struct nb_verdicts v = check(methods[_i], NULL);
    ck_assert_int_eq(v.verdict, NB_CANNOT_TELL);
    ck_assert_int_eq(v.v[0].reason, NB_WHY_not_deterministic);
    ck_assert_str_eq(v.doubts[0].code, "not_deterministic");
    ck_assert_str_eq(v.doubts[0].where, "h");
    ck_assert_msg(strstr(v.doubts[0].hides, "entry 2 "), "%s", v.doubts[0].hides);
}
END_TEST

/* ---- no backward at all ------------------------------------------------------------------------------------------ */

static int no_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)c, (void)e;
    abort();
}

/* A subject's graph at its drawn point, ready for oracles. */
struct ready {
    struct nb_planned *p;
    struct nb_run run;
    struct nb_fed fed;
    void **cotangent;
};

static void make_ready(const struct subject *s, struct ready *r)
{
    struct nb_verdicts drawn = {0};
    r->run = s->check.run;
    ck_assert_msg(!nb_point_draw(s->g, &r->run, 0, &arena, &drawn, &error), "%s: %s", s->what, error.detail);
    r->p = nb_graph_plan(s->g, NB_ASK_PLAIN, &r->run, &arena, &error);
    ck_assert_msg(r->p && !nb_graph_cotangents(r->p, &r->run, NB_F64, &arena, &r->cotangent, &error), "%s: %s", s->what,
                  error.detail);
    r->fed = nb_graph_fed(s->g, &r->run);
}

static void sweep(const struct subject *s, const struct ready *r, struct nb_sweep *w)
{
    static struct nb_session at;
    static struct nb_chunks chunks;
    static struct nb_facts facts;
    bool drew;
    chunks = (struct nb_chunks){0};
    facts = (struct nb_facts){0};
    ck_assert(!nb_session_new(&r->p->plan, NB_F64, &r->fed, &arena, &at, &drew, &error));
    ck_assert(!nb_session_forward(&at, &error));
    *w = (struct nb_sweep){.at = &at,
                           .sets = 1,
                           .g = (void *const *const *)&r->cotangent,
                           .coverage = NB_COVER_EVERY,
                           .backward = false,
                           .budget = 1e18,
                           .seed = {5, 6},
                           .arena = &arena,
                           .chunks = &chunks,
                           .facts = &facts};
    ck_assert_msg(!nb_sweep_run(w, &error), "%s: %s", s->what, error.detail);
    ck_assert_msg(w->ok, "%s: %s", s->what, w->fault);
}

static int64_t numbers; /* compared */

/* The oracles give their numbers, and the same: through the whole graph and node by node. */
static void compare_entry(const struct subject *s, struct nb_oracle *o, const struct nb_sweep *w, int leaf, size_t i)
{
    struct nb_estimate z, d;
    double noise = 0, n = w->n[0][leaf] ? w->n[0][leaf][i] : 0, bar = w->n[0][leaf] ? sqrt(w->var[leaf][i]) : 0;
    ck_assert_msg(!nb_complex_step(o, leaf, i, &z, &error), "%s: %s", s->what, error.detail);
    ck_assert_msg(!nb_differences(o, leaf, i, 1, 10, &d, &error), "%s: %s", s->what, error.detail);
    double gap = fabs(z.value - n), m = fmax(fabs(z.value), fabs(n));
    if (gap > z.bar + bar + 1e-9 * m)
        ck_assert(!nb_complex_noise(o, leaf, i, &noise, &error));
    ck_assert_msg(gap <= z.bar + bar + 1e-9 * m + 8 * noise, "%s: %.17g through the graph, %.17g by nodes", s->what,
                  z.value, n);
    numbers++;
}

static void oracles_alone(struct subject *s)
{
    struct ready r;
    struct nb_oracle o;
    struct nb_sweep w;
    make_ready(s, &r);
    ck_assert_msg(!nb_oracle_new(&r.p->plan, &r.fed, r.cotangent, &arena, &o, &error), "%s: %s", s->what, error.detail);
    sweep(s, &r, &w);
    for (int k = 0; k < r.p->plan.wants.nwrt; k++) {
        int leaf = r.p->plan.wants.wrt[k];
        nb_companion_slope(&o, leaf);
        for (int64_t i = 0; i < nb_count(&r.p->plan.net.values.v[leaf].shape); i++)
            compare_entry(s, &o, &w, leaf, (size_t)i);
    }
    nb_planned_unref(r.p);
}

START_TEST(test_no_backward)
{
    const struct nb_module *m = __real_nb_module_at(NB_F64, _i);
    if (!m->backward || m->stop)
        return;
    copy_rows();
    for (int b = NB_F32; b <= NB_C128; b++)
        for (int i = 0; i < nb_module_count(); i++)
            if (rows[b][i].backward)
                rows[b][i].backward = no_backward;
    each_subject(nb_module_at(NB_F64, _i), "float64", oracles_alone);
    ck_assert_msg(numbers > 0 || m->flows, "%s", m->type);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("self");
    TCase *t = tcase_create("self"), *u = tcase_create("no backward");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_complex_build, 0, 2 * METHODS);
    tcase_add_loop_test(t, test_double_build, 0, METHODS);
    tcase_add_loop_test(t, test_jacobian, 0, 2);
    tcase_add_test(t, test_declarations);
    tcase_add_test(t, test_backward);
    tcase_add_test(t, test_signed_backward);
    tcase_add_test(t, test_identities);
    tcase_add_loop_test(t, test_drift, 0, METHODS);
    tcase_set_timeout(u, 60);
    tcase_add_loop_test(u, test_no_backward, 0, nb_module_count());
    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
