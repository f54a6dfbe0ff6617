/* test_catalogue_probes - the catalogue of traps once more, for functions that live elsewhere (test_catalogue.c has
 * them for our own modules and for formulas of a user). Traps of a cotangent of ones or of zeros cannot be set here:
 * the service draws it. */
#include "black_boxes.h"
#include <stdio.h>

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 31);
    memset(&error, 0, sizeof error);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* ---- functions, and backwards with a mistake --------------------------------------------------------------------- */

POINTWISE(tanh_, tanh(x), 1 - tanh(x) * tanh(x))
POINTWISE(sigmoid, 1 / (1 + exp(-x)), exp(-fabs(x)) / (1 + exp(-fabs(x))) / (1 + exp(-fabs(x))))
POINTWISE(dropped, i % 2 ? x / 0.7 : 0, i % 2 ? 1 / 0.3 + 0 * x : 0) /* 1/p for 1/(1-p) */
POINTWISE(no_square, tanh(x), 1 - tanh(x))
POINTWISE(nothing, 1 / (1 + exp(-x)), 0 * x)
POINTWISE(flipped, 1e-6 * x * x, -2e-6 * x)
POINTWISE(no_mask, x > 0 ? x : 0, 1 + 0 * x)
POINTWISE(not_a_number, tanh(x), NAN *x)
POINTWISE(constant, x *x, 2 * 0.5 + 0 * x) /* right at 0.5 */
POINTWISE(other, 3 * tanh(x), 3 * (1 - tanh(x) * tanh(x)))
POINTWISE(power_zero, pow(x, 0), 0 / x)
POINTWISE(penalised, sin(x) + 1e3 * x * x, 2 * cos(x) + 2e3 * x)

static void nothing_20(const double *x, const double *g, double *dx)
{
    for (int i = 0; i < 20; i++)
        dx[i] = 0 * x[i] * g[i];
}

static void quotient(const double *z, const double *g, double *dz)
{
    double p[20];
    softmax(z, p);
    for (int r = 0; r < 20; r += 4) {
        double dot = 0;
        for (int k = r; k < r + 4; k++)
            dot += p[k] * g[k];
        for (int k = r; k < r + 4; k++)
            dz[k] = p[k] * (g[k] / dot - 1);
    }
}

static void nothing_21(const double *x, const double *g, double *dx)
{
    for (int i = 0; i < 21; i++)
        dx[i] = 0 * x[i] * g[i];
}

static void exp_quotient(const double *x, double *y)
{
    double sum = exp(x[0]) + exp(x[1]) + exp(x[2]);
    for (int i = 0; i < 3; i++)
        y[i] = exp(x[i]) / sum;
}

static void any_slope(const double *x, const double *g, double *dx)
{
    for (int i = 0; i < 3; i++)
        dx[i] = 0.1 * g[i] + 0 * x[i];
}

/* -sum of t log p for t = (1, 0, 0), where 0 log p is 0 */
static void log_of_one(const double *p, double *y)
{
    *y = -log(p[0]);
}

static void log_of_one_backward(const double *p, const double *g, double *dp)
{
    dp[0] = -*g / p[0];
    dp[1] = dp[2] = 0;
}

static void zero_over_zero(const double *p, const double *g, double *dp)
{
    static const double t[] = {1, 0, 0};
    for (int i = 0; i < 3; i++)
        dp[i] = -*g * t[i] / p[i];
}

/* The bias gets the mean over the batch. */
static void mean_bias(const double *x, const double *g, double *dx)
{
    linear_backward(x, g, dx);
    for (int i = 0; i < 3; i++)
        dx[5 * 7 + 3 * 7 + i] /= 5;
}

static void transposed(const double *x, const double *g, double *dx)
{
    double all[35 + 21 + 3];
    linear_backward(x, g, all);
    memcpy(dx, all, sizeof all);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 7; j++)
            dx[35 + j * 3 + i] = all[35 + i * 7 + j];
}

static void times_batch(const double *z, const double *g, double *dz)
{
    cross_entropy_backward(z, g, dz);
    for (int i = 0; i < 20; i++)
        dz[i] *= 5;
}

/* ---- functions with a memory ------------------------------------------------------------------------------------- */

static double remembered[ENTRIES], running[3];

/* In train mode: the values do not depend on the running statistics. */
static void train_norm(const double *x, double *y)
{
    normalise(x, y);
    for (int c = 0; c < 3; c++)
        running[c] = 0.9 * running[c] + 0.1 * x[c];
}

/* In eval mode with a step of the running statistics: no function. */
static void drifting_norm(const double *x, double *y)
{
    train_norm(x, y);
    for (int i = 0; i < 21; i++)
        y[i] += running[i % 3];
}

static void remember(const double *x, double *y)
{
    memcpy(remembered, x, sizeof remembered);
    tanh_(x, y);
}

/* Differentiates where it was last evaluated. */
static void stale(const double *x, const double *g, double *dx)
{
    (void)x;
    tanh__backward(remembered, g, dx);
}

static double gathered[ENTRIES];

static void accumulates(const double *x, const double *g, double *dx)
{
    tanh__backward(x, g, dx);
    for (int i = 0; i < ENTRIES; i++)
        dx[i] = gathered[i] += dx[i];
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

#define EACH(f, b)                                                                                                     \
    {                                                                                                                  \
#f, {INPUT("x", SHAPE1(ENTRIES)) }, {OUTPUT("y", SHAPE1(ENTRIES)) }, f, b, NULL, false                         \
    }
#define SELF(f) EACH(f, f##_backward)
#define NUMBER(f, b, n)                                                                                                \
    {                                                                                                                  \
#f, {INPUT("x", SHAPE1(n)) }, {OUTPUT("y", SHAPE0) }, f, b, NULL, false                                        \
    }
#define LIST(f, b, n)                                                                                                  \
    {                                                                                                                  \
#f, {INPUT("x", SHAPE1(n)) }, {OUTPUT("y", SHAPE1(n)) }, f, b, NULL, false                                     \
    }
#define TABLE(f, b, n, m)                                                                                              \
    {                                                                                                                  \
#f, {INPUT("x", SHAPE2(n, m)) }, {OUTPUT("y", SHAPE2(n, m)) }, f, b, NULL, false                               \
    }
#define LINEAR(b)                                                                                                      \
    {                                                                                                                  \
        "linear", {INPUT("x", SHAPE2(5, 7)), INPUT("W", SHAPE2(3, 7)), INPUT("b", SHAPE1(3))},                         \
            {OUTPUT("y", SHAPE2(5, 3))}, linear, b, NULL, false                                                        \
    }
#define ALL(v)                                                                                                         \
    {                                                                                                                  \
        v, v, v, v, v, v, v                                                                                            \
    }
enum { DRAWN, GIVEN };

static const struct row {
    const char *name;
    struct box box;
    int at;           /* the point is given, or drawn */
    double x[20];     /* the point */
    bool claims;      /* then what is claimed for each unit of the cotangent; else backward */
    double claim[20]; /* " */
    enum nb_verdict want;
    const char *reason; /* NULL: any */
} rows[] = {
    {"relu-at-zero", SELF(relu), GIVEN, {0}, true, ALL(0), NB_RIGHT, "kink"},
    {"relu-at-zero", SELF(relu), GIVEN, {0}, true, ALL(0.5), NB_RIGHT, "kink"},
    {"relu-at-zero", SELF(relu), GIVEN, {0}, true, ALL(1), NB_RIGHT, "kink"},
    {"relu-at-zero", SELF(relu), GIVEN, {0}, true, ALL(1.2), NB_WRONG, "kink"},
    {"relu-at-zero", SELF(relu), GIVEN, {0}, true, ALL(-0.1), NB_WRONG, "kink"},
    {"relu-near-zero", SELF(relu), GIVEN, ALL(3e-6), false, {0}, NB_RIGHT, NULL},
    {"relu-near-zero", SELF(relu), GIVEN, ALL(3e-6), true, ALL(0.65), NB_WRONG, NULL},
    {"leaky-at-zero", SELF(leaky), GIVEN, {0}, true, ALL(0.01), NB_RIGHT, "kink"},
    {"leaky-at-zero", SELF(leaky), GIVEN, {0}, true, ALL(0.505), NB_RIGHT, "kink"},
    {"leaky-at-zero", SELF(leaky), GIVEN, {0}, true, ALL(0.005), NB_WRONG, "kink"},
    {"elu-at-zero", SELF(elu), GIVEN, {0}, false, {0}, NB_RIGHT, NULL},
    {"elu-at-zero", SELF(elu), GIVEN, {0}, true, ALL(0.9), NB_WRONG, NULL},
    {"elu-half-at-zero", SELF(elu_half), GIVEN, {0}, true, ALL(0.75), NB_RIGHT, "kink"},
    {"elu-half-at-zero", SELF(elu_half), GIVEN, {0}, true, ALL(1.01), NB_WRONG, "kink"},
    {"max-tie", NUMBER(largest, largest_backward, 3), GIVEN, {1, 1, 0.5}, true, {1, 0, 0}, NB_RIGHT, NULL},
    {"max-tie", NUMBER(largest, largest_backward, 3), GIVEN, {1, 1, 0.5}, true, {0.5, 0.5, 0}, NB_RIGHT, NULL},
    {"max-tie", NUMBER(largest, largest_backward, 3), GIVEN, {1, 1, 0.5}, true, {1, 1, 0}, NB_WRONG, NULL},
    {"square-large", SELF(squared), GIVEN, {1e6, -2e6, 3e6, 1.5e6, -1e6, 2.5e6, 1.1e6}, false, {0}, NB_RIGHT, NULL},
    {"linear-huge",
     SELF(thrice),
     GIVEN,
     {1e10, -2e10, 3e10, 1.5e10, -1e10, 2.5e10, 1.1e10},
     false,
     {0},
     NB_RIGHT,
     NULL},
    {"dropout-redrawn", EACH(noisy, thrice_backward), DRAWN, {0}, false, {0}, NB_CANNOT_TELL, "not_deterministic"},
    {"running-statistics", TABLE(train_norm, normalise_backward, 7, 3), DRAWN, {0}, false, {0}, NB_RIGHT, NULL},
    {"running-statistics",
     TABLE(drifting_norm, normalise_backward, 7, 3),
     DRAWN,
     {0},
     false,
     {0},
     NB_CANNOT_TELL,
     "not_deterministic"},
    {"zero-log-zero", NUMBER(log_of_one, log_of_one_backward, 3), GIVEN, {1, 0, 0}, false, {0}, NB_RIGHT, NULL},
    {"zero-log-zero", NUMBER(log_of_one, zero_over_zero, 3), GIVEN, {1, 0, 0}, false, {0}, NB_WRONG, "not_finite"},
    {"softmax-overflow",
     LIST(exp_quotient, any_slope, 3),
     GIVEN,
     {1000, 0, -1000},
     false,
     {0},
     NB_CANNOT_TELL,
     "forward_not_finite"},
    {"softplus-overflow", SELF(softplus), GIVEN, ALL(800), true, ALL(1), NB_CANNOT_TELL, "forward_not_finite"},
    {"loss-minimum", SELF(squared), GIVEN, {0}, false, {0}, NB_RIGHT, NULL},
    {"loss-minimum", NUMBER(length, length_backward, 3), GIVEN, {0}, true, {0.6, 0, -0.8}, NB_RIGHT, NULL},
    {"loss-minimum", NUMBER(length, length_backward, 3), GIVEN, {0}, true, {0.6, 0.6, 0.6}, NB_WRONG, NULL},
    {"two-kinks", NUMBER(two_kinks, two_kinks_backward, 2), GIVEN, {2e-6, -2e-6}, true, {1, 1}, NB_RIGHT, NULL},
    {"two-kinks", NUMBER(two_kinks, two_kinks_backward, 2), GIVEN, {2e-6, -2e-6}, true, {1, 0.5}, NB_WRONG, NULL},
    /* float-linear: test_float of test_probes.c; stacked-product: a base that is answered twice must be the same */

    {"softmax-zero", TABLE(softmax, nothing_20, 5, 4), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"softmax-quotient", TABLE(softmax, quotient, 5, 4), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"batchnorm-zero", TABLE(normalise, nothing_21, 7, 3), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"batch-of-one", LINEAR(mean_bias), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"transposed-ones", LINEAR(transposed), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"relu-one-sided", SELF(no_mask), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"relu-one-sided", SELF(no_mask), GIVEN, {0.5, 1, 2, 0.3, 0.2, 3, 4}, false, {0}, NB_RIGHT, NULL},
    {"tanh-small", SELF(no_square), GIVEN, {1e-4, -1e-4, 1e-4, 2e-4, 1e-4, -1e-4, 1e-4}, false, {0}, NB_WRONG, NULL},
    {"tanh-small", SELF(tanh_), GIVEN, {1e-4, -1e-4, 1e-4, 2e-4, 1e-4, -1e-4, 1e-4}, false, {0}, NB_RIGHT, NULL},
    {"tanh-saturated", SELF(no_square), GIVEN, {20, 25, 30, 20, 25, 30, 40}, false, {0}, NB_CANNOT_TELL, NULL},
    {"tanh-saturated", SELF(no_square), GIVEN, ALL(0.5), false, {0}, NB_WRONG, NULL},
    {"sigmoid-zero", SELF(nothing), GIVEN, {12, -13, 14, 12, -13, 14, 12}, false, {0}, NB_WRONG, NULL},
    {"sigmoid-zero", SELF(sigmoid), GIVEN, {12, -13, 14, 12, -13, 14, 12}, false, {0}, NB_RIGHT, NULL},
    {"small-flipped", SELF(flipped), GIVEN, {0.3, -0.7, 0.9, 1, 2, 3, -1}, false, {0}, NB_WRONG, NULL},
    {"nan-candidate", SELF(not_a_number), DRAWN, {0}, false, {0}, NB_WRONG, "not_finite"},
    /* NaN on both sides: of a function the forward is named, not the gradient, as for softmax-overflow */
    {"nan-candidate",
     EACH(softplus, not_a_number_backward),
     GIVEN,
     ALL(800),
     false,
     {0},
     NB_CANNOT_TELL,
     "forward_not_finite"},
    {"nan-candidate",
     SELF(relu),
     GIVEN,
     {-1, 2, -3, 1, -1, 2, 1},
     true,
     {-0.0, 1, -0.0, 1, -0.0, 1, 1},
     NB_RIGHT,
     NULL},
    {"dropout-scale", SELF(dropped), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"power-zero", SELF(power_zero), DRAWN, {0}, false, {0}, NB_CANNOT_TELL, "silent"},
    {"stale-cache", EACH(remember, stale), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"accumulates", EACH(tanh_, accumulates), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    /* mutates-arguments: what a client does to its own copies is not seen from here; test_modules.c */
    {"loss-factor", NUMBER(cross_entropy, times_batch, 20), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"hard-coded", SELF(constant), GIVEN, ALL(0.5), false, {0}, NB_RIGHT, NULL},
    {"hard-coded", SELF(constant), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"penalty-dominates", SELF(penalised), DRAWN, {0}, false, {0}, NB_WRONG, NULL},
    {"consistent-pair", SELF(other), DRAWN, {0}, false, {0}, NB_RIGHT, NULL},
};

static const struct nb_checked *worst(const struct nb_verdicts *v)
{
    const struct nb_checked *c = &v->v[0];
    for (size_t i = 1; i < v->n; i++)
        c = v->v[i].verdict > c->verdict ? &v->v[i] : c;
    return c;
}

START_TEST(test_row)
{
    const struct row *r = &rows[_i];
    struct asked q = {.box = &r->box, .at = r->at ? r->x : NULL, .claim = r->claims ? r->claim : NULL, .seed = 3};
    memset(gathered, 0, sizeof gathered);
    struct outcome o = run(&q);
    const struct nb_checked *c = worst(o.v);
    const char *reason = nb_reason_name(c->reason);
    ck_assert_msg(o.verdict == r->want && (!r->reason || (reason && !strcmp(reason, r->reason))),
                  "%s, row %d: %s %s, wanted %s %s; %s[%d] is %.17g, %.17g +- %g wanted", r->name, _i,
                  nb_verdict_name(o.verdict), reason ? reason : "", nb_verdict_name(r->want),
                  r->reason ? r->reason : "", c->name, (int)c->worst, c->worst < 0 ? 0 : c->candidate[c->worst],
                  c->worst < 0 ? 0 : c->value[c->worst], c->worst < 0 ? 0 : c->bar[c->worst]);
}
END_TEST

/* one-of-many: wrong, with its index. */
static void one_entry(const struct asked *q, double *dx, const double *x, const double *g, size_t n)
{
    (void)x, (void)g, (void)n;
    dx[q->which] *= 1.01;
}

START_TEST(test_one_of_many)
{
    static const struct box box = LINEAR(linear_backward);
    for (int i = 0; i < 35 + 21 + 3; i += 4) {
        struct asked q = {.box = &box, .spoil = one_entry, .which = i};
        struct outcome o = run(&q);
        const struct nb_checked *c = worst(o.v);
        ck_assert_int_eq(o.verdict, NB_WRONG);
        ck_assert_str_eq(c->name, i < 35 ? "x" : i < 56 ? "W" : "b");
        ck_assert_int_eq((int)c->worst, i < 35 ? i : i < 56 ? i - 35 : i - 56);
        ck_assert_int_eq((int)c->wrong, 1);
    }
}
END_TEST

/* broadcast, batch-of-one, jacobian-returned: another shape is wrong, whatever the numbers. */
START_TEST(test_shape)
{
    static const struct box box = SELF(thrice);
    struct asked q = {.box = &box, .lie_about_shape = true};
    struct outcome o = run(&q);
    ck_assert_int_eq(o.verdict, NB_WRONG);
    ck_assert_int_eq(o.v->v[0].reason, NB_WHY_shape);
}
END_TEST

/* extremes: no entries, and one. */
START_TEST(test_extremes)
{
    static const struct box none = {
        "none", {INPUT("x", SHAPE2(0, 3))}, {OUTPUT("y", SHAPE1(ENTRIES))}, flat, flat_backward, NULL, false};
    struct asked q = {.box = &none};
    struct outcome o = run(&q);
    ck_assert_int_eq(o.verdict, NB_CANNOT_TELL);
    ck_assert_int_eq(o.v->v[0].reason, NB_WHY_empty);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("catalogue_probes");
    TCase *t = tcase_create("catalogue_probes");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_row, 0, sizeof rows / sizeof *rows);
    tcase_add_test(t, test_one_of_many);
    tcase_add_test(t, test_shape);
    tcase_add_test(t, test_extremes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
