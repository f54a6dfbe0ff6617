/* test_kernel.c - kernel.c against plain loops, in each of the three builds. */
#define NB_BUILD 1
#include "nabla/kernel.h" /* so that the compiler compares kernel_builds.h with it */
#include "nabla/blas.h"
#include "nabla/rng.h"
#include <check.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUILD_TEST(name) START_TEST(name) /* so that K is expanded */

static double draw(void)
{
    static uint64_t position;
    return 2 * nb_uniform((struct nb_stream){1, 2}, position++) - 1;
}

#define REAL float
#define SUM double
#define EPS FLT_EPSILON
#define DRAW() draw()
#define K(name) name##_f
#include "kernel_builds.h"
#undef REAL
#undef EPS
#undef K

#define REAL double
#define EPS DBL_EPSILON
#define K(name) name##_d
#include "kernel_builds.h"
#undef REAL
#undef SUM
#undef DRAW
#undef K

#define REAL double _Complex
#define SUM double _Complex
#define DRAW() CMPLX(draw(), draw())
#define K(name) name##_z
#include "kernel_builds.h"

/* A sum in float would be off by far more than this. */
START_TEST(sums_in_double)
{
    enum { N = 100000 };
    float *x = malloc(N * sizeof *x), one;
    struct nb_shape from = {1, {N}}, to = {0, {0}};
    for (int i = 0; i < N; i++)
        x[i] = 0.1f;
    ck_assert_double_eq_tol(nb_total_f(N, x), N * (double)0.1f, 1e-8);
    nb_sum_rows_f(N, 1, x, &one);
    ck_assert(one == (float)(N * (double)0.1f));
    nb_fold_f(&from, x, &to, &one);
    ck_assert(one == (float)(N * (double)0.1f));
    free(x);
}
END_TEST

START_TEST(start)
{
    struct nb_error e = {0};
    int r = nb_blas_start(&e);
    if (strcmp(nb_blas_flavour(), "openmp") == 0)
        ck_assert(r == -1 && e.code == NB_E_internal && strstr(e.detail, "libopenblas0-pthread"));
    else
        ck_assert_msg(r == 0 && e.code == 0, "%s", e.detail);
    ck_assert(strlen(nb_blas_core()) > 0 && strstr(nb_blas_config(), "OpenBLAS"));
    ck_assert(strcmp(nb_isa(), "default") == 0 || strncmp(nb_isa(), "x86-64-v", 8) == 0);
    printf("%s, %s, %s, %s\n", nb_blas_config(), nb_blas_core(), nb_blas_flavour(), nb_isa());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kernel");
    TCase *t = tcase_create("blas");
    tcase_add_test(t, sums_in_double);
    tcase_add_test(t, start);
    suite_add_tcase(s, t);
    suite_add_tcase(s, builds_case_f());
    suite_add_tcase(s, builds_case_d());
    suite_add_tcase(s, builds_case_z());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
