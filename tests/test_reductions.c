/* test_reductions.c - reductions and the softmax family: closed forms, edges, identities. */
#include "call.h"
#include <complex.h>
#include <float.h>

static const enum nb_dtype builds[] = {NB_F32, NB_F64, NB_C128};

/* The value of a module at one tensor, and its gradient for the cotangent g (NULL: ones). */
static void run(struct call *c, enum nb_dtype b, const char *type, const char *args, const char *shape, const double *x,
                const double *g)
{
    call_begin(c, b, type, args);
    call_input(c, shape, x);
    ck_assert_msg(!call_forward(c), "%s %s: %s", type, shape, c->error.detail);
    if (c->m->backward)
        call_backward(c, g);
}

/* One row of a table: a module at a point, its value and its gradient. NULL: not looked at. */
struct row {
    const char *type, *args, *shape;
    const double *x, *g, *y, *dx;
    double tol;
};

static void check_row(const struct row *r)
{
    for (int b = 0; b < 3; b++) {
        struct call c;
        double tol = r->tol ? fmax(r->tol, b == 0 ? 4 * FLT_EPSILON : 4 * DBL_EPSILON) : 0;
        run(&c, builds[b], r->type, r->args, r->shape, r->x, r->g);
        if (r->y)
            call_all_near(&c.out[0], r->y, tol);
        if (r->dx)
            call_all_near(&c.gin[0], r->dx, tol);
        call_end(&c);
    }
}

/* ---- softmax ----------------------------------------------------------------------------------------------------- */

static const struct row softmax_rows[] = {
    {"Softmax", NULL, "2", V(1000, 0), V(3, -2), V(1, 0), V(0, 0), 0},
    {"Softmax", NULL, "2", V(-1000, 0), V(3, -2), V(0, 1), V(0, 0), 0},
    {"Softmax", NULL, "4", V(2, 2, 2, 2), V(1, 0, 0, 0), V(.25, .25, .25, .25), V(.1875, -.0625, -.0625, -.0625), 1e-9},
    {"Softmax", NULL, "2", V(0, M_LN2), V(1, -1), V(1. / 3, 2. / 3), V(4. / 9, -4. / 9), 1e-9},
    {"Softmax", NULL, "3", V(0, -INFINITY, 0), V(1, 5, 0), V(.5, 0, .5), V(.25, 0, -.25), 1e-9},
    {"Softmax", NULL, "2x2", V(-INFINITY, -INFINITY, 0, 0), V(1, 2, 1, 0), V(0, 0, .5, .5), V(0, 0, .25, -.25), 1e-9},
    {"Softmax", NULL, "2x2", V(INFINITY, 0, 0, 0), NULL, V(NAN, NAN, .5, .5), NULL, 1e-9},
    {"Softmax", NULL, "2x2", V(NAN, 0, 0, 0), NULL, V(NAN, NAN, .5, .5), NULL, 1e-9},
    {"Softmax", NULL, "2x2", V(NAN, NAN, 0, 0), NULL, V(NAN, NAN, .5, .5), NULL, 1e-9},
    {"Softmax", NULL, "2", V(NAN, -INFINITY), NULL, V(NAN, NAN), NULL, 0},
    {"Softmax", "{\"dim\": 0}", "2x2", V(1000, 0, 0, 0), V(1, 1, 2, 0), V(1, .5, 0, .5), V(0, .25, 0, -.25), 1e-9},
    {"LogSoftmax", NULL, "2", V(1000, 0), V(1, 2), V(0, -1000), V(-2, 2), 0},
    {"LogSoftmax", NULL, "3", V(1e4, -1e4, 0), NULL, V(0, -2e4, -1e4), NULL, 0},
    {"LogSoftmax", NULL, "2", V(0, M_LN2), V(1, 0), V(-1.0986122886681098, -0.40546510810816438), V(2. / 3, -2. / 3),
     1e-9},
    {"LogSoftmax", NULL, "2x2", V(-INFINITY, -INFINITY, 0, 0), V(1, 2, 1, 0), V(-INFINITY, -INFINITY, -M_LN2, -M_LN2),
     V(0, 0, .5, -.5), 1e-9},
    {"LogSoftmax", NULL, "2", V(0, -INFINITY), V(1, 0), V(0, -INFINITY), V(0, 0), 0},
    {"LogSoftmax", NULL, "2x2", V(INFINITY, 0, NAN, 0), NULL, V(NAN, NAN, NAN, NAN), NULL, 0},
    {"LogSumExp", NULL, "2", V(1000, 1000), V(1), V(1000 + M_LN2), V(.5, .5), 1e-9},
    {"LogSumExp", NULL, "2", V(-1000, 0), V(2), V(0), V(0, 2), 0},
    {"LogSumExp", "{\"dim\": 1}", "2x2", V(-INFINITY, -INFINITY, 0, 0), V(3, 3), V(-INFINITY, M_LN2), V(0, 0, 1.5, 1.5),
     1e-9},
    {"LogSumExp", "{\"dim\": 1}", "3x2", V(INFINITY, 0, NAN, 0, -INFINITY, 7), NULL, V(INFINITY, NAN, 7), NULL, 0},
    {"LogSumExp", "{\"dim\": 1}", "2x0", V(0), NULL, V(-INFINITY, -INFINITY), NULL, 0},
};

START_TEST(softmax_closed_forms)
{
    check_row(&softmax_rows[_i]);
}
END_TEST

static double draw(int i)
{
    return 4 * sin(12.9898 * i + 1);
}

/* Rows sum to 1; J times ones is 0 (adding a number to all logits changes nothing), and so is the sum of dx. */
START_TEST(softmax_identities)
{
    enum { ROWS = 7, N = 33 };
    double x[ROWS * N], g[ROWS * N];
    for (int i = 0; i < ROWS * N; i++) {
        x[i] = draw(i);
        g[i] = draw(i + 1000);
    }
    for (int b = 0; b < 3; b++)
        for (int k = 0; k < 2; k++) {
            struct call c, shifted;
            double eps = b == 0 ? 1e-5 : 1e-14;
            run(&c, builds[b], k ? "LogSoftmax" : "Softmax", NULL, "7x33", x, g);
            for (int r = 0; r < ROWS; r++) {
                double sum = 0, slope = 0;
                for (int i = 0; i < N; i++) {
                    double y = call_at(&c.out[0], (size_t)(r * N + i));
                    sum += k ? exp(y) : y;
                    slope += call_at(&c.gin[0], (size_t)(r * N + i));
                }
                ck_assert_double_eq_tol(sum, 1, eps);
                ck_assert_double_eq_tol(slope, 0, 30 * eps);
            }
            run(&shifted, builds[b], k ? "LogSoftmax" : "Softmax", NULL, "7x33", x, NULL);
            for (size_t i = 0; i < ROWS * N && !k; i++) /* g of ones: every gradient is 0 */
                ck_assert_double_eq_tol(call_at(&shifted.gin[0], i), 0, eps);
            call_end(&c);
            call_end(&shifted);
        }
}
END_TEST

/* Imaginary parts: J times ones through the complex build itself. */
START_TEST(softmax_ignores_a_common_shift)
{
    enum { N = 17 };
    for (int k = 0; k < 2; k++) {
        struct call c;
        double _Complex x[N], *y;
        call_begin(&c, NB_C128, k ? "LogSoftmax" : "Softmax", NULL);
        for (int i = 0; i < N; i++)
            x[i] = CMPLX(draw(i), 0x1p-664);
        call_add(&c, NB_C128, "17", NB_C128, x);
        memcpy(c.in[0].data, x, sizeof x);
        ck_assert(!call_forward(&c));
        y = c.out[0].data;
        for (int i = 0; i < N; i++)
            ck_assert_double_eq_tol(cimag(y[i]) / 0x1p-664, 0, 1e-14);
        call_end(&c);
    }
}
END_TEST

/* A value gives the same bits wherever it stands, at every size of row. */
START_TEST(exponentials_do_not_depend_on_place)
{
    double x[70];
    for (int b = 0; b < 2; b++)
        for (int n = 2; n < 70; n++) {
            char shape[20];
            struct call c;
            for (int i = 0; i < n; i++)
                x[i] = i % 2 ? 0.7 : -0.3;
            snprintf(shape, sizeof shape, "%d", n);
            run(&c, builds[b], "Softmax", NULL, shape, x, NULL);
            for (int i = 2; i < n; i++)
                ck_assert(call_at(&c.out[0], (size_t)i) == call_at(&c.out[0], (size_t)(i % 2)));
            call_end(&c);
        }
}
END_TEST

/* ---- sums, products, extremes --------------------------------------------------------------------------------------
 */

static const struct row rows[] = {
    {"Sum", NULL, "2x3", V(1, 2, 3, 4, 5, 6), V(2), V(21), V(2, 2, 2, 2, 2, 2), 0},
    {"Sum", "{\"dim\": 0}", "2x3", V(1, 2, 3, 4, 5, 6), V(1, 2, 3), V(5, 7, 9), V(1, 2, 3, 1, 2, 3), 0},
    {"Sum", "{\"dim\": [0, 2]}", "2x2x2", V(1, 2, 3, 4, 5, 6, 7, 8), V(1, -1), V(14, 22), V(1, 1, -1, -1, 1, 1, -1, -1),
     0},
    {"Sum", NULL, "0x3", V(0), NULL, V(0), NULL, 0},
    {"Mean", "{\"dim\": -1}", "2x2", V(1, 2, 5, 8), V(2, 4), V(1.5, 6.5), V(1, 1, 2, 2), 0},
    {"Mean", "{\"dim\": 0}", "2x2", V(1, 2, 5, 8), V(2, 4), V(3, 5), V(1, 2, 1, 2), 0},
    {"Mean", "{\"dim\": 0}", "0x2", V(0), NULL, V(NAN, NAN), NULL, 0},
    {"Mean", NULL, "0", V(0), NULL, V(NAN), NULL, 0},
    {"Prod", NULL, "3", V(0, 2, 3), V(1), V(0), V(6, 0, 0), 0},
    {"Prod", NULL, "3", V(0, 2, 0), V(1), V(0), V(0, 0, 0), 0},
    {"Prod", NULL, "3", V(2, 3, 5), V(-1), V(30), V(-15, -10, -6), 0},
    {"Prod", "{\"dim\": 0}", "2x2", V(2, 3, 5, 7), V(1, 2), V(10, 21), V(5, 14, 2, 6), 0},
    {"Prod", NULL, "0", V(0), NULL, V(1), NULL, 0},
    {"Prod", NULL, "4", V(0x1p100, 0x1p100, 0x1p-100, 0x1p-100), V(1), V(1), V(0x1p-100, 0x1p-100, 0x1p100, 0x1p100),
     0},
    {"Max", NULL, "4", V(1, 3, 3, 2), V(5), V(3), V(0, 5, 0, 0), 0},
    {"Max", "{\"dim\": 0}", "2x2", V(4, 1, 4, 2), V(1, 2), V(4, 2), V(1, 0, 0, 2), 0},
    {"Max", NULL, "3", V(1, NAN, NAN), V(1), V(NAN), V(0, 1, 0), 0},
    {"Max", NULL, "2", V(-INFINITY, -INFINITY), V(1), V(-INFINITY), V(1, 0), 0},
    {"Max", "{\"dim\": 1}", "1x0", V(0), NULL, V(-INFINITY), NULL, 0},
    {"Min", NULL, "4", V(2, 1, 1, 3), V(5), V(1), V(0, 5, 0, 0), 0},
    {"Min", "{\"dim\": -1, \"keepdim\": true}", "2x2", V(4, 1, -4, 2), V(1, 2), V(1, -4), V(0, 1, 2, 0), 0},
    {"Min", "{\"dim\": 1}", "1x0", V(0), NULL, V(INFINITY), NULL, 0},
    {"ArgMax", NULL, "2x3", V(1, 3, 3, 7, 7, 7), NULL, V(1, 0), NULL, 0},
    {"ArgMax", "{\"dim\": 0}", "2x3", V(1, 3, 7, 7, 2, 7), NULL, V(1, 0, 0), NULL, 0},
    {"ArgMax", NULL, "3", V(5, NAN, 9), NULL, V(1), NULL, 0},
    {"CumSum", "{\"dim\": 0}", "4", V(1, 2, 3, 4), V(1, 0, 0, 2), V(1, 3, 6, 10), V(3, 2, 2, 2), 0},
    {"CumSum", "{\"dim\": 0}", "2x2", V(1, 2, 3, 4), V(1, 2, 3, 4), V(1, 2, 4, 6), V(4, 6, 3, 4), 0},
    {"Var", NULL, "4", V(1, 2, 3, 4), V(2), V(1.25), V(-1.5, -.5, .5, 1.5), 1e-9},
    {"Var", "{\"correction\": 1}", "4", V(1, 2, 3, 4), V(3), V(5. / 3), V(-3, -1, 1, 3), 1e-9},
    {"Var", "{\"dim\": 0}", "2x2", V(1, 5, 3, 5), V(1, 1), V(1, 0), V(-1, 0, 1, 0), 0},
    {"Var", "{\"correction\": 1}", "1", V(3), NULL, V(NAN), NULL, 0},
    {"Var", "{\"correction\": 3}", "2", V(1, 3), NULL, V(INFINITY), NULL, 0},
    {"Norm", NULL, "2", V(3, -4), V(5), V(5), V(3, -4), 0},
    {"Norm", NULL, "3", V(0, 0, 0), V(1), V(0), V(0, 0, 0), 0},
    {"Norm", "{\"p\": 1}", "3", V(3, 0, -4), V(2), V(7), V(2, 0, -2), 0},
    {"Norm", "{\"p\": 3}", "2", V(-1, 2), V(1), V(2.0800838230519041), V(-0.23112042478354492, 0.92448169913417966),
     1e-9},
    {"Norm", "{\"p\": 1.5}", "2", V(0, 0), V(1), V(0), V(0, 0), 0},
    {"Norm", "{\"p\": \"Infinity\"}", "3", V(1, -5, 5), V(2), V(5), V(0, -2, 0), 0},
    {"Norm", NULL, "2", V(3e-30, 4e-30), V(1), V(5e-30), V(.6, .8), 1e-7},
    {"Norm", NULL, "2", V(3e37, 4e37), V(1), V(5e37), V(.6, .8), 1e-7},
    {"Norm", NULL, "2", V(INFINITY, 1), NULL, V(INFINITY), NULL, 0},
    {"Norm", NULL, "2", V(INFINITY, NAN), NULL, V(NAN), NULL, 0},
    {"Norm", "{\"dim\": 1}", "1x0", V(0), NULL, V(0), NULL, 0},
};

START_TEST(closed_forms)
{
    check_row(&rows[_i]);
}
END_TEST

/* The ports of Max: value and place among the entries reduced. */
START_TEST(places)
{
    struct call c;
    run(&c, NB_F32, "Max", "{\"dim\": [0, 2], \"indices\": true}", "2x2x2", V(1, 2, 3, 9, 8, 2, 9, 4), V(1, -1));
    ck_assert_int_eq(c.nout, 2);
    call_all_near(&c.out[0], V(8, 9), 0);
    call_all_near(&c.out[1], V(2, 1), 0);
    call_all_near(&c.gin[0], V(0, 0, 0, -1, 1, 0, 0, 0), 0);
    call_end(&c);
    run(&c, NB_F64, "Min", "{\"indices\": true}", "3", V(4, 2, 2), NULL);
    call_all_near(&c.out[1], V(1), 0);
    call_end(&c);
}
END_TEST

/* Squares and cubes of these are 0 or infinite. */
START_TEST(norms_of_extremes)
{
    static const double scale[] = {1e300, 1e-300, 0x1p-1050};
    static const char *const p[] = {"{}", "{\"p\": 1}", "{\"p\": 3}", "{\"p\": 40.5}"};
    static const double want[] = {5, 7, 4.4979414452754147, 4.000000860169998};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) {
            struct call c;
            run(&c, NB_F64, "Norm", p[k], "2", V(-3 * scale[i], 4 * scale[i]), NULL);
            ck_assert_double_eq_tol(call_at(&c.out[0], 0) / scale[i], want[k], 1e-6);
            ck_assert(call_at(&c.gin[0], 0) < 0 && call_at(&c.gin[0], 0) >= -1);
            call_end(&c);
        }
}
END_TEST

/* E[x^2] - E[x]^2 in single precision is negative here. */
START_TEST(variance_far_from_zero)
{
    enum { N = 1000 };
    double x[N], mean = 0, var = 0;
    for (int i = 0; i < N; i++) {
        x[i] = (float)(1e4 + sin(7.0 * i) + cos(0.3 * i));
        mean += x[i] / N;
    }
    for (int i = 0; i < N; i++)
        var += (x[i] - mean) * (x[i] - mean) / N;
    float s = 0, q = 0;
    for (int i = 0; i < N; i++) {
        s += (float)x[i];
        q += (float)x[i] * (float)x[i];
    }
    ck_assert(fabs((double)(q / N - s / N * (s / N)) - var) > 0.5); /* the trap is one */
    struct call c;
    run(&c, NB_F32, "Var", NULL, "1000", x, V(1));
    ck_assert_double_eq_tol(call_at(&c.out[0], 0), var, 1e-6 * var);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(call_at(&c.gin[0], i), 2 * (x[i] - mean) / N, 1e-9);
    call_end(&c);
}
END_TEST

/* Sums of floats keep their digits. */
START_TEST(long_sums)
{
    enum { N = 100000 };
    static double x[N];
    static const char *const shapes[] = {"100000", "100000x1", "1000x100", "10x100x100"};
    for (int i = 0; i < N; i++)
        x[i] = 0.1f;
    for (int k = 0; k < 4; k++) {
        struct call c;
        run(&c, NB_F32, "Sum", NULL, shapes[k], x, NULL);
        ck_assert(call_at(&c.out[0], 0) == (double)(float)(N * (double)0.1f));
        call_end(&c);
    }
    struct call c;
    run(&c, NB_F32, "CumSum", "{\"dim\": 0}", "100000", x, NULL);
    ck_assert_double_eq_tol(call_at(&c.out[0], N - 1), N * (double)0.1f, 1e-3);
    ck_assert(call_at(&c.gin[0], 0) == N);
    call_end(&c);
}
END_TEST

/* Whatever dimensions are reduced: entry by entry the same as adding up by hand. */
START_TEST(every_choice_of_dimensions)
{
    enum { N = 2 * 3 * 5 * 7 };
    static const int size[4] = {2, 3, 5, 7};
    double x[N];
    for (int i = 0; i < N; i++)
        x[i] = draw(i);
    for (int mask = 1; mask < 16; mask++) {
        double sum[N] = {0}, top[N];
        char args[60] = "{\"keepdim\": true, \"dim\": [";
        for (int d = 3; d >= 0; d--)
            if (mask >> d & 1)
                snprintf(args + strlen(args), 12, "%s%d", args[strlen(args) - 1] == '[' ? "" : ", ", d % 2 ? d : d - 4);
        strcat(args, "]}");
        for (int i = 0; i < N; i++)
            top[i] = -INFINITY;
        for (int i = 0; i < N; i++) {
            int at = 0, rest = i, index[4];
            for (int d = 3; d >= 0; rest /= size[d--])
                index[d] = rest % size[d];
            for (int d = 0; d < 4; d++)
                if (!(mask >> d & 1))
                    at = at * size[d] + index[d];
            sum[at] += x[i];
            top[at] = fmax(top[at], x[i]);
        }
        struct call c;
        run(&c, NB_F64, "Sum", args, "2x3x5x7", x, NULL);
        for (int d = 0; d < 4; d++)
            ck_assert_int_eq(c.out[0].shape.dim[d], mask >> d & 1 ? 1 : size[d]);
        call_all_near(&c.out[0], sum, 1e-14);
        call_end(&c);
        run(&c, NB_F64, "Max", args, "2x3x5x7", x, NULL);
        call_all_near(&c.out[0], top, 0);
        call_end(&c);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reductions");
    TCase *t = tcase_create("reductions");
    tcase_add_loop_test(t, softmax_closed_forms, 0, sizeof softmax_rows / sizeof *softmax_rows);
    tcase_add_test(t, softmax_identities);
    tcase_add_test(t, softmax_ignores_a_common_shift);
    tcase_add_test(t, exponentials_do_not_depend_on_place);
    tcase_add_loop_test(t, closed_forms, 0, sizeof rows / sizeof *rows);
    tcase_add_test(t, places);
    tcase_add_test(t, norms_of_extremes);
    tcase_add_test(t, variance_far_from_zero);
    tcase_add_test(t, long_sums);
    tcase_add_test(t, every_choice_of_dimensions);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
