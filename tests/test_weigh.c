/* test_weigh.c - the loops of weigh.c against plain ones, for groups that come in rows, in runs and scattered. */
#include "nabla/weigh.h"
#include "nabla/rng.h"
#include <check.h>
#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, SETS = 3 };

static double number(void)
{
    static uint64_t position;
    return 2 * nb_uniform((struct nb_stream){3, 4}, position++) - 1;
}

static void fill(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = number();
}

/* Rows (a run of 1), runs, one group of all, and blocks of [n, c, w] made of n and w. */
static struct nb_groups layout(int which, int32_t *of)
{
    static const struct {
        size_t n, groups, run;
    } rows[] = {{300, 20, 1}, {7, 7, 1}, {300, 4, 15}, {60, 60, 1}, {77, 1, 77}, {1024, 8, 64}, {90, 6, 0}, {0, 5, 1}};
    struct nb_groups g = {rows[which].n, rows[which].groups, rows[which].run, of};
    for (size_t j = 0; j < g.n; j++)
        of[j] = (int32_t)(g.run ? j / g.run % g.groups : j / 30 * 2 + j % 2);
    return g;
}

static void same(double got, double want, double size, const char *what)
{
    ck_assert_msg(got == want || fabs(got - want) <= 1e-13 * size, "%s: %.17g, not %.17g", what, got, want);
}

START_TEST(products)
{
    static double u[SETS][MOST], v[MOST], to[SETS * MOST], want[SETS * MOST];
    static int32_t of[MOST];
    struct nb_groups g = layout(_i, of);
    struct nb_range range[SETS];
    const double *sets[SETS];
    fill(v, g.n);
    fill(to, SETS * g.groups);
    memcpy(want, to, sizeof want);
    for (size_t k = 0; k < SETS; k++) {
        fill(u[k], g.n);
        for (size_t j = 0; k && j < g.n; j++) /* the second lives in its middle, the third nowhere */
            u[k][j] = k == 1 && j >= g.n / 3 && j < g.n / 2 ? u[k][j] : 0;
        sets[k] = u[k];
        range[k] = nb_weigh_range(&g, u[k]);
        ck_assert(range[k].first <= range[k].last && range[k].last <= g.n &&
                  (k != 2 || range[k].first == range[k].last));
        for (size_t j = 0; j < g.n; j++) {
            ck_assert(u[k][j] == 0 || (j >= range[k].first && j < range[k].last));
            want[k * g.groups + (size_t)of[j]] += u[k][j] * v[j];
        }
    }
    nb_weigh(&g, SETS, sets, range, v, to);
    for (size_t i = 0; i < SETS * g.groups; i++)
        same(to[i], want[i], (double)g.n, "products");
}
END_TEST

START_TEST(certainty)
{
    static double x[5][MOST], v[MOST], to[NB_CERTAINTIES * MOST], want[NB_CERTAINTIES * MOST];
    static int32_t of[MOST];
    struct nb_groups g = layout(_i, of);
    for (int share = 0; share < 2; share++) {
        struct nb_certainty c = {x[0], x[1], x[2], x[3], x[4], 2.5 * share};
        memset(to, 0, sizeof to);
        memset(want, 0, sizeof want);
        fill(v, g.n);
        for (int i = 0; i < 5; i++)
            fill(x[i], g.n);
        if (g.n > 3) /* what does not react says nothing, whatever stands there */
            v[3] = 0, x[0][3] = x[2][3] = INFINITY, x[4][3] = NAN;
        if (!share && g.n > 4)
            x[4][4] = INFINITY;
        if (g.n > 5) /* nor does what is not asked for */
            v[5] = INFINITY, x[0][5] = x[1][5] = x[2][5] = x[3][5] = 0;
        for (size_t j = 0; j < g.n; j++) {
            double *t = want + of[j], d = fabs(v[j]), size = d + (share ? 2.5 * fabs(x[4][j]) : 0);
            if (g.n > 5 && j == 5)
                t[4 * g.groups] = INFINITY;
            if (d == 0 || isinf(d))
                continue;
            t[0] += fabs(x[0][j]) * size;
            t[g.groups] += fabs(x[1][j]) * size;
            t[2 * g.groups] += d * d * x[2][j];
            t[3 * g.groups] += d * d * x[3][j];
            t[4 * g.groups] = fmax(t[4 * g.groups], d);
        }
        nb_weigh_certainty(&g, &c, v, to);
        for (size_t i = 0; i < NB_CERTAINTIES * g.groups; i++)
            same(to[i], want[i], 4 * (double)g.n, "certainty");
    }
}
END_TEST

START_TEST(differences)
{
    static double y[MOST], base[MOST], step[MOST], v[MOST];
    static int32_t of[MOST];
    struct nb_groups g = layout(_i, of);
    fill(y, g.n);
    fill(base, g.n);
    fill(step, g.groups);
    nb_weigh_differences(&g, y, base, step, v);
    for (size_t j = 0; j < g.n; j++)
        ck_assert(v[j] == (y[j] - base[j]) * step[of[j]]);
}
END_TEST

START_TEST(imaginary)
{
    static double _Complex z[37];
    double v[37];
    for (int i = 0; i < 37; i++)
        z[i] = CMPLX(number(), ldexp(number(), -664));
    nb_weigh_imaginary(37, z, 0x1p664, v);
    for (int i = 0; i < 37; i++)
        ck_assert(v[i] == cimag(z[i]) / 0x1p-664);
}
END_TEST

/* Of 100 entries: two zeros, one of each way not to agree, and the rest. */
START_TEST(agreement)
{
    enum { N = 100 };
    double claimed[N], x[N], bar[N];
    struct nb_agreement a;
    for (int i = 0; i < N; i++) {
        x[i] = (i % 2 ? -1 : 1) * ldexp(1, i - 50);
        claimed[i] = x[i] * (1 + (i == 20 ? 0x1p-40 : 0x1p-45));
        bar[i] = fabs(x[i]) * (i == 21 ? 1e-7 : 1e-9);
    }
    x[0] = claimed[0] = 0;
    x[1] = claimed[1] = -0.0;
    x[2] = 0;
    claimed[3] = 0;
    claimed[4] = NAN;
    x[5] = NAN;
    x[6] = claimed[6] = INFINITY;
    claimed[7] = -x[7];
    claimed[8] = x[8] * (1 + 1e-8);
    bar[9] = 2e-4 * fabs(x[9]);
    nb_weigh_agreement(N, claimed, x, bar, 1e-9, 1e-4, &a);
    ck_assert_uint_eq(a.zero, 2);
    ck_assert_uint_eq(a.right, N - 10);
    ck_assert_double_eq_tol(a.error, 0x1p-40, 1e-15);
    ck_assert_double_eq_tol(a.bar, 1e-7, 1e-15);
    ck_assert(a.largest == INFINITY);
    nb_weigh_agreement(N - 10, claimed + 10, x + 10, bar + 10, 1e-9, 1e-4, &a);
    ck_assert(a.zero == 0 && a.right == N - 10 && a.largest == ldexp(1, 49));
    nb_weigh_agreement(0, claimed, x, bar, 1e-9, 1e-4, &a);
    ck_assert(a.zero == 0 && a.right == 0 && a.error == 0 && a.bar == 0);
}
END_TEST

START_TEST(largest)
{
    double x[50];
    fill(x, 50);
    x[31] = -7;
    ck_assert(nb_weigh_largest(50, x) == 7 && nb_weigh_largest(0, x) == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("weigh");
    TCase *t = tcase_create("weigh");
    tcase_add_loop_test(t, products, 0, 8);
    tcase_add_loop_test(t, certainty, 0, 8);
    tcase_add_loop_test(t, differences, 0, 8);
    tcase_add_test(t, imaginary);
    tcase_add_test(t, agreement);
    tcase_add_test(t, largest);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
