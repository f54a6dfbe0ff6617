/* test_memory.c - memory that runs out: the nth allocation fails, or the arena's cap is reached, at every place there
 * is. What failed says out_of_memory or limit, and nothing is lost. Linked with --wrap for malloc, calloc, realloc and
 * free. */
#define NB_BUILD 1
#pragma GCC diagnostic ignored "-Wunused-function" /* module_point.h has more than is needed here */
#include "module_point.h"
#include "check/check.h"
#include "nabla/kernel.h"

/* ---- an allocator that fails on demand --------------------------------------------------------------------------- */

static bool watching;
static long allocations;  /* since watching began */
static long failing = -1; /* number of the one that fails; -1: none */
static bool all_after;    /* and all that follow */
static void *live[10000]; /* taken while watching and not given back */
static size_t nlive;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static bool fails(void)
{
    if (!watching)
        return false;
    long n = allocations++;
    return failing >= 0 && (n == failing || (all_after && n > failing));
}

static void *taken(void *p)
{
    if (watching && p && nlive < sizeof live / sizeof *live)
        live[nlive++] = p;
    return p;
}

static void given_back(const void *p)
{
    for (size_t i = nlive; p && i-- > 0;)
        if (live[i] == p) {
            live[i] = live[--nlive];
            return;
        }
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : taken(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : taken(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    given_back(p);
    return taken(__real_realloc(p, n));
}

void __wrap_free(void *p)
{
    given_back(p);
    __real_free(p);
}

static void watch(void)
{
    allocations = 0;
    nlive = 0;
    watching = true;
}

/* ---- the nth allocation fails ------------------------------------------------------------------------------------ */

typedef int (*work)(struct nb_arena *a, struct nb_error *e);

static int attempt(work f, size_t cap, struct nb_error *e)
{
    struct nb_arena a;
    *e = (struct nb_error){0};
    nb_arena_init(&a, cap);
    watch();
    int r = f(&a, e);
    nb_arena_done(&a);
    watching = false;
    ck_assert_msg(nlive == 0, "%zu allocations are lost", nlive);
    ck_assert_msg((r == 0) == (e->code == NB_E_none), "result %d with code %s", r, nb_code_name(e->code));
    return r;
}

static void fail_each(work f)
{
    struct nb_error e;
    failing = -1;
    ck_assert_msg(attempt(f, 1 << 28, &e) == 0, "%s", e.detail);
    long n = allocations;
    ck_assert_int_gt(n, 0); /* else the wrapping is not linked in */
    for (failing = 0; failing < n; failing++)
        for (int all = 0; all < 2; all++) {
            all_after = all;
            ck_assert_msg(attempt(f, 1 << 28, &e) == -1, "allocation %ld of %ld failed unseen", failing, n);
            ck_assert_int_eq(e.code, NB_E_out_of_memory);
        }
    failing = -1;
}

/* The cap at every 16 bytes up to what is needed. */
static void cap_each(work f)
{
    struct nb_error e;
    size_t cap = 0;
    for (; attempt(f, cap, &e); cap += 16)
        ck_assert_msg(e.code == NB_E_limit, "cap %zu: %s", cap, nb_code_name(e.code));
    ck_assert_uint_gt(cap, 0);
}

static int pieces(struct nb_arena *a, struct nb_error *e)
{
    for (int i = 1; i < 40; i++)
        if (!nb_alloc(a, (size_t)i, 100, e) || !nb_small(a, (size_t)i, 8, e) || !nb_zalloc(a, (size_t)i, 16, e))
            return -1;
    return 0;
}

static int strings(struct nb_arena *a, struct nb_error *e)
{
    char *s = nb_strdup(a, "a", e);
    for (int i = 0; s && i < 13; i++)
        s = nb_sprintf(a, e, "%s%s", s, s);
    s = s ? nb_strndup(a, s, strlen(s) / 2, e) : NULL;
    return s ? 0 : -1;
}

static int lists(struct nb_arena *a, struct nb_error *e)
{
    struct nb_tensors l = {0};
    struct nb_shape s = {2, {3, 4}};
    for (int i = 0; i < 300; i++) {
        struct nb_tensor t;
        char *name = nb_sprintf(a, e, "t%d", i);
        if (!name || nb_tensor_new(a, NB_F64, &s, &t, e) || nb_tensors_add(a, &l, name, t, e))
            return -1;
        *(double *)t.data = i;
    }
    for (int i = 0; i < 300; i++)
        if (*(double *)l.v[i].t.data != i)
            return nb_fail(e, NB_E_internal, "entry %d is another one", i);
    return 0;
}

static int initialisers(struct nb_arena *a, struct nb_error *e)
{
    struct nb_init init = {.kind = NB_INIT_ORTHOGONAL, .a = 1};
    struct nb_shape s = {2, {40, 50}};
    struct nb_tensor t;
    if (nb_tensor_new(a, NB_F32, &s, &t, e))
        return -1;
    return nb_init_fill(&init, (struct nb_stream){1, 2}, &t, a, e);
}

static const work works[] = {pieces, strings, lists, initialisers};
enum { WORKS = sizeof works / sizeof *works };

START_TEST(allocation_fails)
{
    fail_each(works[_i]);
}
END_TEST

START_TEST(cap_is_reached)
{
    cap_each(works[_i]);
}
END_TEST

/* Kernels take no memory of their own. */
START_TEST(kernels_take_none)
{
    static double a[10000], b[10000], c[10000];
    struct nb_shape large = {3, {10, 20, 30}}, small = {2, {20, 1}};
    watch();
    nb_gemm_d(false, true, 100, 100, 100, a, b, 0, c);
    nb_gemm_d(true, false, 1, 100, 100, a, b, 1, c);
    nb_gemm_d(true, false, 2, 2, 2, a, b, 1, c);
    nb_sum_rows_d(100, 100, a, c);
    nb_spread_d(&small, a, &large, c);
    nb_fold_d(&large, a, &small, c);
    watching = false;
    ck_assert_int_eq(allocations, 0);
}
END_TEST

/* ---- modules ------------------------------------------------------------------------------------------------------
 */

static int row;
static const struct nb_case *now;

static int build_point(struct nb_arena *a, struct nb_error *e)
{
    struct point p;
    return point_of_case(&p, row, now, 0, a, e);
}

/* Arguments, inference and drawing, under every cap there is. */
START_TEST(module_under_a_cap)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    row = _i;
    now = m->cases;
    if (now && now->in)
        cap_each(build_point);
}
END_TEST

START_TEST(module_takes_none)
{
    const struct nb_module *m = nb_module_at(NB_F64, _i);
    for (const struct nb_case *c = m->cases; c && c->in; c++) {
        struct nb_arena a;
        struct nb_error e = {0};
        struct point p;
        struct run r;
        struct slot slot[SLOTS];
        nb_arena_init(&a, 1 << 28);
        ck_assert_msg(!point_of_case(&p, _i, c, 0, &a, &e), "%s: %s", p.what, e.detail);
        run_init(&r, &p, NB_F64);
        ask(&r, slot, slots_of(&p, slot), UINT64_MAX);
        watch();
        int bad = run_forward(&r, 0, &e) || (m->backward && run_backward(&r, 0, &e));
        watching = false;
        ck_assert_msg(!bad, "%s: %s", p.what, e.detail);
        ck_assert_msg(allocations == 0, "%s: takes memory while it computes", p.what);
        nb_arena_done(&a);
    }
}
END_TEST

/* ---- graphs: made, described, planned, run forward and back --------------------------------------------------- */

static const char *const graphs[] = {
    "{\"inputs\":{\"x\":[\"B\",3]},\"nodes\":{\"n\":{\"chain\":[{\"Linear\":[3,4]},\"Tanh\",{\"Dropout\":0.3}],\"in\":"
    "\"x\"},"
    "\"s\":{\"op\":\"Split\",\"in\":\"n\",\"sizes\":[1,3],\"ports\":[\"a\",\"b\"]},\"loss\":{\"expr\":\"sum(s.a*B) + "
    "mean(s.b)\"}},"
    "\"outputs\":[\"loss\"],\"params\":{\"n.0.weight\":{\"init\":{\"orthogonal\":1}}}}",
    "{\"inputs\":{\"x\":[\"B\",2]},\"modules\":{\"M\":{\"args\":{\"k\":2},\"inputs\":{\"u\":[\"...\"]},\"nodes\":{"
    "\"w\":{\"op\":"
    "\"Parameter\",\"shape\":[1],\"init\":\"ones\"},\"y\":{\"expr\":\"k*w*u\"}},\"outputs\":[\"y\"],\"backward\":{"
    "\"u\":\"g*k*w\","
    "\"w\":\"sum(g*k*u)\"}}},\"nodes\":{\"m\":{\"op\":\"M\",\"in\":\"x\",\"k\":3},\"loss\":{\"expr\":\"mean(m)\"}},"
    "\"outputs\":[\"m\"]}",
};
enum { GRAPHS = sizeof graphs / sizeof *graphs };
static json_t *description;

static int use_graph(struct nb_graph *g, struct nb_arena *a, struct nb_error *e)
{
    struct nb_check c = {.run.seed = {1, 2}, .power = true};
    struct nb_verdicts v;
    json_t *j = nb_graph_describe(g, e);
    json_decref(j);
    return e->code || !nb_graph_dot(g, a, e) || nb_check_run(g, &c, a, &v, e) ? -1 : 0;
}

static int graph_work(struct nb_arena *a, struct nb_error *e)
{
    struct nb_graph *g = nb_graph_new(description, NULL, (struct nb_seed){1, 2}, e);
    int bad = g ? use_graph(g, a, e) : -1;
    nb_graph_unref(g);
    return bad;
}

/* What cannot be kept (a plan in the cache) may go without a word; anything else says out_of_memory. */
START_TEST(graph_allocation_fails)
{
    struct nb_error e;
    json_set_alloc_funcs(malloc, free);
    description = json_loads(graphs[_i], 0, NULL);
    ck_assert_ptr_nonnull(description);
    failing = -1;
    ck_assert_msg(attempt(graph_work, 1 << 28, &e) == 0, "%s", e.detail);
    long n = allocations;
    for (failing = 0; failing < n; failing++)
        for (int all = 0; all < 2; all++) {
            all_after = all;
            if (attempt(graph_work, 1 << 28, &e))
                ck_assert_msg(e.code == NB_E_out_of_memory, "%ld of %ld: %s %s", failing, n, nb_code_name(e.code),
                              e.detail);
        }
    failing = -1;
    json_decref(description);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory");
    TCase *t = tcase_create("core"), *m = tcase_create("modules");
    tcase_set_timeout(t, 60);
    tcase_set_timeout(m, 60);
    tcase_add_loop_test(t, allocation_fails, 0, WORKS);
    tcase_add_loop_test(t, cap_is_reached, 0, WORKS);
    tcase_add_test(t, kernels_take_none);
    tcase_add_loop_test(m, module_under_a_cap, 0, nb_module_count());
    tcase_add_loop_test(m, module_takes_none, 0, nb_module_count());
    tcase_add_loop_test(m, graph_allocation_fails, 0, GRAPHS);
    suite_add_tcase(s, t);
    suite_add_tcase(s, m);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
