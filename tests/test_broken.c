/* test_broken.c - the checker is broken on purpose, one way at a time, and the tests of planted mistakes must notice.
 * Linked with --wrap: what the checker's files call of each other goes through here. */
#include "check/checker.h"
#include "check/blocks.h"
#include "planted.h"

static enum breakage {
    WHOLE,
    COPIES,   /* the oracles give back the candidate */
    TOLERANT, /* a million times the tolerance */
    WIDE,     /* a hundred million times the error bars */
    PASSES,   /* NaN compares false, so it passes */
    LAZY,     /* tensors are called right, no entry is judged */
    FIRST,    /* of a tensor only the first entry is judged */
    HALF,     /* the complex step gives half the slope */
    BLIND,    /* the complex step sees nothing */
    COARSE,   /* differences are off by a thousandth */
    LEAKY     /* without a leak test every operand counts as pointwise */
} broken;

/* ---- verdicts -------------------------------------------------------------------------------------------------- */

struct nb_ruling __real_nb_judge(const struct nb_entry *x);
struct nb_ruling __wrap_nb_judge(const struct nb_entry *x);
struct nb_ruling __wrap_nb_judge(const struct nb_entry *x)
{
    struct nb_entry y = *x;
    if (broken == COPIES) {
        y.z.value = y.d.value = x->candidate;
        y.z.moved = y.d.moved = y.d.found = true;
    }
    if (broken == TOLERANT)
        y.rho = 1e6 * NB_RHO;
    if (broken == WIDE) {
        y.z.bar *= 1e8;
        y.d.bar *= 1e8;
        y.r_max = 1e3;
    }
    struct nb_ruling r = __real_nb_judge(&y);
    if (broken == PASSES && isnan(x->candidate))
        r.verdict = NB_RIGHT;
    return r;
}

int __real_nb_judge_leaf(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e);
int __wrap_nb_judge_leaf(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e);
int __wrap_nb_judge_leaf(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e)
{
    size_t n = l->n;
    if (broken == LAZY) {
        l->out->verdict = NB_RIGHT;
        l->out->right = (int64_t)n;
        return 0;
    }
    l->n = broken == FIRST && n > 1 ? 1 : n;
    int bad = __real_nb_judge_leaf(k, l, e);
    l->n = n;
    return bad;
}

/* ---- oracles --------------------------------------------------------------------------------------------------- */

int __real_nb_complex_step(struct nb_oracle *o, int leaf, size_t i, struct nb_estimate *n, struct nb_error *e);
int __wrap_nb_complex_step(struct nb_oracle *o, int leaf, size_t i, struct nb_estimate *n, struct nb_error *e);
int __wrap_nb_complex_step(struct nb_oracle *o, int leaf, size_t i, struct nb_estimate *n, struct nb_error *e)
{
    int bad = __real_nb_complex_step(o, leaf, i, n, e);
    n->value *= broken == HALF ? 0.5 : broken == BLIND ? 0 : 1;
    n->moved &= broken != BLIND;
    return bad;
}

int __real_nb_differences(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, struct nb_estimate *n,
                          struct nb_error *e);
int __wrap_nb_differences(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, struct nb_estimate *n,
                          struct nb_error *e);
int __wrap_nb_differences(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, struct nb_estimate *n,
                          struct nb_error *e)
{
    int bad = __real_nb_differences(o, leaf, i, slope, reach, n, e);
    n->value *= broken == COARSE ? 1.001 : 1;
    return bad;
}

int __real_nb_differences_below(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, int halved,
                                struct nb_estimate *n, struct nb_error *e);
int __wrap_nb_differences_below(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, int halved,
                                struct nb_estimate *n, struct nb_error *e);
int __wrap_nb_differences_below(struct nb_oracle *o, int leaf, size_t i, double slope, double reach, int halved,
                                struct nb_estimate *n, struct nb_error *e)
{
    int bad = __real_nb_differences_below(o, leaf, i, slope, reach, halved, n, e);
    n->value *= broken == COARSE ? 1.001 : 1;
    return bad;
}

int __real_nb_blocks_find(struct nb_stand *s, bool real, struct nb_seed seed, struct nb_arena *a, struct nb_blocks *b,
                          struct nb_error *e);
int __wrap_nb_blocks_find(struct nb_stand *s, bool real, struct nb_seed seed, struct nb_arena *a, struct nb_blocks *b,
                          struct nb_error *e);
int __wrap_nb_blocks_find(struct nb_stand *s, bool real, struct nb_seed seed, struct nb_arena *a, struct nb_blocks *b,
                          struct nb_error *e)
{
    if (__real_nb_blocks_find(s, real, seed, a, b, e))
        return -1;
    if (broken != LEAKY || s->nout != 1 || s->total != s->n)
        return 0;
    b->blocks = (int64_t)s->n;
    b->colours = 1;
    b->base = nb_alloc(a, s->n, sizeof *b->base, e);
    b->offset = nb_zalloc(a, 1, sizeof *b->offset, e);
    b->block[0] = nb_alloc(a, s->n, sizeof **b->block, e);
    ck_assert(b->base && b->offset && b->block[0]);
    for (size_t i = 0; i < s->n; i++) {
        b->base[i] = (int64_t)i;
        b->block[0][i] = (int32_t)i;
    }
    return 0;
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static enum nb_method method;

static void examine_so(struct subject *s)
{
    s->check.method = method;
    if (!cases) /* one case of each is enough */
        examine(s);
}

static int faults_of(enum breakage how, enum nb_method by)
{
    static const char *const modules[] = {"Tanh", "Softmax", "Linear", "BatchNorm1d", "MSELoss"};
    memset(&score, 0, sizeof score);
    broken = how;
    method = by;
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        cases = 0;
        each_subject(nb_module_at(NB_F64, nb_module_find(modules[i])), "float64", examine_so);
    }
    broken = WHOLE;
    return faults();
}

START_TEST(test_whole)
{
    ck_assert_msg(faults_of(WHOLE, NB_METHOD_LOOP) == 0, "%s", score.first);
    ck_assert_msg(faults_of(WHOLE, NB_METHOD_STRUCTURE) == 0, "%s", score.first);
}
END_TEST

/* Each way is noticed, and for what it is. */
START_TEST(test_broken)
{
    static const struct {
        enum breakage how;
        enum nb_method by;
        int *noticed;
    } rows[] = {{COPIES, NB_METHOD_LOOP, &score.accepted},   {COPIES, NB_METHOD_STRUCTURE, &score.accepted},
                {TOLERANT, NB_METHOD_LOOP, &score.accepted}, {TOLERANT, NB_METHOD_STRUCTURE, &score.accepted},
                {WIDE, NB_METHOD_LOOP, &score.accepted},     {PASSES, NB_METHOD_LOOP, &score.accepted},
                {LAZY, NB_METHOD_LOOP, &score.unjudged},     {LAZY, NB_METHOD_STRUCTURE, &score.unjudged},
                {FIRST, NB_METHOD_LOOP, &score.unjudged},    {FIRST, NB_METHOD_STRUCTURE, &score.unjudged},
                {HALF, NB_METHOD_LOOP, &score.accused},      {HALF, NB_METHOD_STRUCTURE, &score.accused},
                {BLIND, NB_METHOD_LOOP, &score.accused},     {COARSE, NB_METHOD_LOOP, &score.accused},
                {LEAKY, NB_METHOD_STRUCTURE, &score.accused}};
    int n = faults_of(rows[_i].how, rows[_i].by);
    ck_assert_msg(*rows[_i].noticed > 0,
                  "breakage %d by method %d: %d accepted, %d rejected, %d unjudged, %d accused of %d", rows[_i].how,
                  rows[_i].by, score.accepted, score.rejected, score.unjudged, score.accused, n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("broken");
    TCase *t = tcase_create("broken");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_whole);
    tcase_add_loop_test(t, test_broken, 0, 15);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
