/* test_watch - a check that is followed, stopped, and taken up again comes to the same end. */
#include "check/check.h"
#include "graphs.h"
#include "outcome.h"
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* ---- a memory of chunks, with a fuse ----------------------------------------------------------------------------- */

enum { MOST = 4000 };

struct memory {
    struct {
        void *bytes;
        size_t size;
    } chunk[MOST];
    uint64_t n, asked, recalled;
    int64_t calls, stop_after; /* calls of go_on; -1: never stop */
    struct nb_progress last;
    bool forward; /* progress never went back */
};

static bool go_on(void *p, const struct nb_progress *now)
{
    struct memory *m = p;
    m->forward &=
        now->done >= m->last.done && now->worst >= m->last.worst && now->done <= now->of && now->of >= m->last.of;
    ck_assert(m->calls || now->done == 0);
    m->last = *now;
    return m->calls++ != m->stop_after;
}

static bool recall(void *p, uint64_t chunk, void *bytes, size_t n)
{
    struct memory *m = p;
    ck_assert_uint_eq(chunk, m->asked);
    m->asked++;
    if (chunk >= m->n)
        return false;
    ck_assert_uint_eq(m->chunk[chunk].size, n);
    memcpy(bytes, m->chunk[chunk].bytes, n);
    m->recalled++;
    return true;
}

static void remember(void *p, uint64_t chunk, const void *bytes, size_t n)
{
    struct memory *m = p;
    ck_assert_uint_eq(chunk, m->n);
    ck_assert_uint_lt(m->n, MOST);
    m->chunk[m->n].bytes = malloc(n);
    m->chunk[m->n].size = n;
    memcpy(m->chunk[m->n++].bytes, bytes, n);
}

static void forget_from(struct memory *m, uint64_t first)
{
    while (m->n > first)
        free(m->chunk[--m->n].bytes);
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

struct question {
    const char *graph, *inputs, *gradients;
    bool large; /* by structure, unless it is asked otherwise */
};

/* The outcome, or NULL if it was stopped. */
static char *ask(const struct question *q, enum nb_method method, struct memory *m)
{
    static const char *const by[] = {"loop", "structure"};
    struct nb_watch watch = {m, go_on, recall, remember};
    struct nb_graph *g = make_good(q->graph);
    struct nb_check c = {.run.seed = {5, 6}, .method = method, .watch = m ? &watch : NULL};
    struct nb_verdicts v;
    if (q->inputs)
        c.run.inputs = tensors(q->inputs);
    c.gradients_given = q->gradients != NULL;
    if (q->gradients)
        c.gradients = tensors(q->gradients);
    if (m) {
        m->asked = m->recalled = 0;
        m->calls = 0;
        m->forward = true;
    }
    memset(&error, 0, sizeof error);
    int bad = nb_check_run(g, &c, &arena, &v, &error);
    nb_graph_unref(g);
    ck_assert_msg(!bad || error.code == NB_E_cancelled, "%s: %s", nb_code_name(error.code), error.detail);
    if (!bad && method == NB_METHOD_AUTO)
        ck_assert_str_eq(v.facts.method, by[q->large]);
    return bad ? NULL : told(&v);
}

static const struct question questions[] = {
    {"{'inputs': {'x': ['B', 7], 't': {'shape': ['B'], 'dtype': 'int64'}}, 'dtype': 'float64', 'nodes': {"
     "'a': {'op': 'Linear', 'in': 'x', 'out_features': 9}, 'h': {'op': 'ReLU', 'in': 'a'},"
     "'b': {'op': 'Linear', 'in': 'h', 'out_features': 3}, 'loss': {'op': 'CrossEntropyLoss', 'in': ['b', 't']}},"
     "'outputs': ['loss']}",
     NULL, NULL, false},
    {"{'inputs': {'s': ['B'], 't': ['B']}, 'dtype': 'float64', 'nodes': {'loss': {'op': 'HingeLoss',"
     "'in': ['s', 't']}}, 'outputs': ['loss']}",
     "{'s': [0.3, -2, 0.7], 't': [1, -1, -1]}", NULL, false},
    {"{'inputs': {'x': ['N']}, 'nodes': {'y': {'op': 'Tanh', 'in': 'x'}}, 'outputs': ['y']}",
     "{'x': [0.5, -1.25, 2.0]}", "{'x': [0.5, 0.5, 0.5]}", false},
    {"{'inputs': {'x': ['N']}, 'dtype': 'float64', 'nodes': {'y': {'op': 'ReLU', 'in': 'x'}}, 'outputs': ['y']}",
     "{'x': [0, 1]}", "{'x': [0.3, 1]}", false},
    /* a function of the user's, looked at in several points */
    {"{'inputs': {'x': ['B', 3]}, 'dtype': 'float64', 'modules': {'S': {'inputs': {'x': ['...']}, 'nodes': {'s': "
     "{'expr':"
     "'sigmoid(x)'}, 'h': {'expr': 'x*s'}}, 'outputs': ['h'], 'backward': {'x': 'g*(s + h*(1 - s))'}}},"
     "'nodes': {'y': {'op': 'S', 'in': 'x'}}, 'outputs': ['y']}",
     NULL, NULL, false},
    {"{'inputs': {'x': ['B', 30], 't': {'shape': ['B'], 'dtype': 'int64'}}, 'dtype': 'float64', 'nodes': {"
     "'a': {'op': 'Linear', 'in': 'x', 'out_features': 50}, 'n': {'op': 'LayerNorm', 'normalized_shape': [50], 'in': "
     "'a'}, 'h': {'op': 'ELU', "
     "'in': 'n'}, 'b': {'op': 'Linear', 'in': 'h', 'out_features': 11}, 'loss': {'op': 'CrossEntropyLoss', 'in': ['b', "
     "'t']}}, 'outputs': ['loss']}",
     NULL, NULL, true},
};
enum { QUESTIONS = sizeof questions / sizeof *questions };
static const enum nb_method methods[] = {NB_METHOD_LOOP, NB_METHOD_AUTO};

/* ---- the tests --------------------------------------------------------------------------------------------------- */

/* Watching changes nothing, and the end is reached. */
START_TEST(test_followed)
{
    const struct question *q = &questions[_i % QUESTIONS];
    enum nb_method method = methods[_i / QUESTIONS];
    static struct memory m;
    if (q->large && method == NB_METHOD_LOOP)
        return;
    m = (struct memory){.stop_after = -1};
    char *alone = ask(q, method, NULL), *watched = ask(q, method, &m);
    ck_assert(strcmp(alone, watched) == 0);
    ck_assert(m.forward && m.last.of > 0);
    ck_assert_int_eq(m.last.done, m.last.of);
    forget_from(&m, 0);
    free(alone);
    free(watched);
}
END_TEST

/* Stopped wherever it can be, and taken up by a run that remembers: the same outcome, and nothing computed twice. */
START_TEST(test_resumed)
{
    const struct question *q = &questions[_i % QUESTIONS];
    enum nb_method method = methods[_i / QUESTIONS];
    if (q->large && method == NB_METHOD_LOOP)
        return;
    char *whole = ask(q, method, NULL), *end = NULL;
    for (int64_t stop = 0; !end; stop++) {
        static struct memory m;
        m = (struct memory){.stop_after = stop};
        end = ask(q, method, &m);
        if (end) {
            forget_from(&m, 0);
            break;
        }
        uint64_t kept = m.n;
        int64_t done = m.last.done;
        m.stop_after = -1;
        m.last = (struct nb_progress){0};
        end = ask(q, method, &m);
        ck_assert(strcmp(whole, end) == 0);
        ck_assert_uint_eq(m.recalled, kept);
        ck_assert_int_ge(m.last.done, done);
        ck_assert_int_eq(m.last.done, m.last.of);
        forget_from(&m, 0);
        free(end);
        end = NULL;
    }
    free(whole);
    free(end);
}
END_TEST

/* What is remembered is what is used: other numbers in a chunk, another outcome. */
START_TEST(test_believed)
{
    static struct memory m;
    m = (struct memory){.stop_after = -1};
    char *whole = ask(&questions[0], NB_METHOD_LOOP, &m);
    ck_assert_uint_gt(m.n, 4);
    memset(m.chunk[m.n - 1].bytes, 0, m.chunk[m.n - 1].size);
    m.last = (struct nb_progress){0};
    char *other = ask(&questions[0], NB_METHOD_LOOP, &m);
    ck_assert(strcmp(whole, other) != 0);
    forget_from(&m, 0);
    free(whole);
    free(other);
}
END_TEST

/* Before anything is judged the watch may have seen enough: how many coordinates there are. */
START_TEST(test_how_many)
{
    static struct memory m;
    m = (struct memory){.stop_after = 0};
    ck_assert_ptr_null(ask(&questions[0], NB_METHOD_LOOP, &m));
    ck_assert_int_eq(error.code, NB_E_cancelled);
    ck_assert_int_eq(m.last.done, 0);
    ck_assert_int_eq(m.last.of, 5 * 7 + (9 * 7 + 9) + (3 * 9 + 3));
    ck_assert_uint_eq(m.n, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("watch");
    TCase *t = tcase_create("watch");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_followed, 0, 2 * QUESTIONS);
    tcase_add_loop_test(t, test_resumed, 0, 2 * QUESTIONS);
    tcase_add_test(t, test_believed);
    tcase_add_test(t, test_how_many);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
