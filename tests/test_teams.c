/* test_teams - the same request gives the same bits, however many threads help. */
#include "check/check.h"
#include "graphs.h"
#include "nabla/blas.h"
#include "nabla/team.h"
#include "outcome.h"
#include <sys/wait.h>
#include <unistd.h>

#define NET(in, hidden, out, batch)                                                                                    \
    "{'inputs': {'x': [" batch ", " in "], 't': {'shape': [" batch "], 'dtype': 'int64'}}, 'dtype': 'float64', "       \
    "'nodes': {'a': {'op': 'Linear', 'in': 'x', 'out_features': " hidden "}, 'h': {'op': 'Tanh', 'in': 'a'}, 'b': "    \
    "{'op': 'Linear', 'in': 'h', 'out_features': " out "}, 'loss': {'op': 'CrossEntropyLoss', 'in': ['b', 't']}}, "    \
    "'outputs': ['loss']}"

static const struct question {
    const char *graph;
    enum nb_method method;
    enum nb_coverage coverage;
    bool power, train;
    int order;
    bool jacobian;
} questions[] = {
    {NET("20", "24", "8", "9"), NB_METHOD_LOOP, NB_COVER_AUTO, true, false, 1, false},
    {NET("20", "24", "8", "9"), NB_METHOD_STRUCTURE, NB_COVER_AUTO, true, false, 1, false},
    {NET("20", "24", "8", "9"), NB_METHOD_AUTO, NB_COVER_AUTO, false, false, 2, false},
    {NET("784", "32", "10", "8"), NB_METHOD_STRUCTURE, NB_COVER_EVERY, false, false, 1, false},
    {NET("784", "32", "10", "8"), NB_METHOD_AUTO, NB_COVER_SIGNED, false, false, 1, false},
    {NET("784", "32", "10", "8"), NB_METHOD_AUTO, NB_COVER_SAMPLED, false, false, 1, false},
    {"{'inputs': {'x': [9, 14]}, 'nodes': {'n': {'op': 'BatchNorm1d', 'in': 'x'}, 'd': {'op': 'Dropout', 'p': 0.3, "
     "'in': 'n'}, 'r': {'op': 'ReLU', 'in': 'd'}, 'y': {'op': 'Softmax', 'in': 'r'}}, 'outputs': ['y', 'n']}",
     NB_METHOD_LOOP, NB_COVER_AUTO, false, true, 1, false},
    {"{'inputs': {'x': [9, 14]}, 'nodes': {'n': {'op': 'BatchNorm1d', 'in': 'x'}, 'd': {'op': 'Dropout', 'p': 0.3, "
     "'in': 'n'}, 'r': {'op': 'ReLU', 'in': 'd'}, 'y': {'op': 'Softmax', 'in': 'r'}}, 'outputs': ['y', 'n']}",
     NB_METHOD_STRUCTURE, NB_COVER_AUTO, false, true, 1, false},
    {"{'dtype': 'float64', 'inputs': {'x': [5, 20]}, 'nodes': {'net': {'chain': [{'Linear': {'out_features': 33}}, "
     "'Tanh',"
     " {'Linear': {'out_features': 7}}], 'in': 'x'}}, 'outputs': ['net']}",
     NB_METHOD_AUTO, NB_COVER_AUTO, false, false, 1, true},
};
enum { QUESTIONS = sizeof questions / sizeof *questions, MOST_HELPERS = 3 };

/* In a process of its own: a team is started once. */
static void answer(const struct question *q, int helpers, FILE *to)
{
    struct nb_check c = {.run = {.seed = {7, 8}, .train = q->train},
                         .method = q->method,
                         .coverage = q->coverage,
                         .order = q->order,
                         .power = q->power,
                         .jacobian = q->jacobian};
    struct nb_verdicts v;
    nb_arena_init(&arena, (size_t)1 << 31);
    struct nb_graph *g = make_good(q->graph);
    if (nb_blas_start(&error) || nb_team_start(helpers, &error) || nb_check_run(g, &c, &arena, &v, &error))
        fprintf(to, "%d helpers: %s", helpers, error.detail);
    else
        fputs(told(&v), to);
    fclose(to);
    _exit(0);
}

static char *answer_with(const struct question *q, int helpers)
{
    int ends[2], c, status;
    char *text;
    size_t size;
    ck_assert(!pipe(ends));
    pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        close(ends[0]);
        answer(q, helpers, fdopen(ends[1], "w"));
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r"), *to = open_memstream(&text, &size);
    while ((c = getc(from)) != EOF)
        putc(c, to);
    fclose(from);
    fclose(to);
    ck_assert(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return text;
}

/* The first line that differs. */
static void expect_same(const char *alone, const char *helped, int helpers)
{
    const char *a = alone, *b = helped;
    while (*a && *a == *b)
        a++, b++;
    while (a > alone && a[-1] != '\n')
        a--, b--;
    ck_assert_msg(!strcmp(alone, helped), "%d helpers: %.*s, alone %.*s", helpers, (int)strcspn(b, "\n"), b,
                  (int)strcspn(a, "\n"), a);
}

START_TEST(test_same)
{
    char *alone = answer_with(&questions[_i], 0);
    ck_assert_msg(alone[0] == '0' + NB_RIGHT && !strncmp(alone + 1, " 1\n", 3), "%.200s", alone);
    for (int helpers = 1; helpers <= MOST_HELPERS; helpers++) {
        char *helped = answer_with(&questions[_i], helpers);
        expect_same(alone, helped, helpers);
        free(helped);
    }
    free(alone);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("teams");
    TCase *t = tcase_create("teams");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, test_same, 0, QUESTIONS);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
