/* test_num.c - the complex functions: h i times the derivative beside the real value, with h = 2^-664, and the
 * identities they claim further out. The derivatives are the textbook's, worked out in real numbers. */
#define NB_BUILD 2
#include "nabla/num.h"
#include <check.h>
#include <float.h>
#include <stdio.h>

#define H 0x1p-664

/* |a - b| in units of the larger one's last place; equal infinities and NaN beside NaN agree. */
static void check_close(double a, double b, double ulps, const char *what, double x)
{
    if (a == b || (isnan(a) && isnan(b)))
        return;
    double off = fabs(a - b) / (DBL_EPSILON * fmax(fabs(a), fabs(b)));
    ck_assert_msg(off <= ulps, "%s at %.17g: %.17g, not %.17g (%g units)", what, x, a, b, off);
}

static double d_tan(double x)
{
    return 1 / (cos(x) * cos(x));
}
static double d_asin(double x)
{
    return 1 / sqrt((1 - x) * (1 + x));
}
static double d_acos(double x)
{
    return -d_asin(x);
}
static double d_atan(double x)
{
    return 1 / (1 + x * x);
}
static double d_tanh(double x)
{
    return 1 / (cosh(x) * cosh(x));
}
static double d_sqrt(double x)
{
    return 0.5 / sqrt(x);
}
static double d_log(double x)
{
    return x < 0 ? NAN : 1 / x;
}
static double d_log1p(double x)
{
    return x < -1 ? NAN : 1 / (1 + x);
}
static double d_erf(double x)
{
    return M_2_SQRTPI * exp(-x * x);
}
static double d_erfc(double x)
{
    return -d_erf(x);
}
static double d_cos(double x)
{
    return -sin(x);
}
static double f_abs(double x)
{
    return fabs(x);
}
static double d_abs(double x)
{
    return x < 0 ? -1 : 1;
}
static double f_sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static double d_sigmoid(double x)
{
    return f_sigmoid(x) * f_sigmoid(-x);
}
static double f_softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static const struct {
    const char *name;
    nb_real (*z)(nb_real);
    double (*f)(double), (*d)(double);
    double low, high;
} rows[] = {
    {"exp", nb_exp, exp, exp, -30, 30},
    {"log", nb_log, log, d_log, -2, 20},
    {"sqrt", nb_sqrt, sqrt, d_sqrt, -2, 20},
    {"sin", nb_sin, sin, cos, -10, 10},
    {"cos", nb_cos, cos, d_cos, -10, 10},
    {"tan", nb_tan, tan, d_tan, -1.5, 1.5},
    {"asin", nb_asin, asin, d_asin, -0.99, 0.99},
    {"acos", nb_acos, acos, d_acos, -0.99, 0.99},
    {"atan", nb_atan, atan, d_atan, -30, 30},
    {"sinh", nb_sinh, sinh, cosh, -20, 20},
    {"cosh", nb_cosh, cosh, sinh, -20, 20},
    {"tanh", nb_tanh, tanh, d_tanh, -15, 15},
    {"erf", nb_erf, erf, d_erf, -5, 5},
    {"erfc", nb_erfc, erfc, d_erfc, -5, 5},
    {"expm1", nb_expm1, expm1, exp, -30, 30},
    {"log1p", nb_log1p, log1p, d_log1p, -3, 20},
    {"abs", nb_abs, f_abs, d_abs, -3, 3},
    {"sigmoid", nb_sigmoid, f_sigmoid, d_sigmoid, -40, 40},
    {"softplus", nb_softplus, f_softplus, f_sigmoid, -40, 40},
};
enum { NROWS = sizeof rows / sizeof *rows };

START_TEST(first_order)
{
    enum { STEPS = 400 };
    for (int i = 0; i <= STEPS; i++) {
        double x = rows[_i].low + (rows[_i].high - rows[_i].low) * i / STEPS;
        for (int sign = -1; sign <= 1; sign += 2) {
            nb_real y = rows[_i].z(CMPLX(x, sign * H));
            check_close(creal(y), rows[_i].f(x), 8, rows[_i].name, x);
            check_close(sign * cimag(y) / H, rows[_i].d(x), 40, rows[_i].name, x);
        }
        /* Without a step there is no derivative, and no NaN where the function has a value. */
        nb_real still = rows[_i].z(x);
        ck_assert_msg(cimag(still) == 0 || isnan(rows[_i].f(x)), "%s at %g", rows[_i].name, x);
    }
}
END_TEST

/* The edges: where the function ends, and small arguments that must keep all their digits. */
START_TEST(edges)
{
    nb_real r = nb_sqrt(CMPLX(0, H));
    ck_assert(creal(r) == 0 && cimag(r) == INFINITY);
    r = nb_log(CMPLX(0, -H));
    ck_assert(creal(r) == -INFINITY && cimag(r) == -INFINITY);
    r = nb_log1p(CMPLX(-1, H));
    ck_assert(creal(r) == -INFINITY && cimag(r) == INFINITY);
    ck_assert(nb_sqrt(0) == 0 && cimag(nb_log(0)) == 0);
    for (int k = 1; k < 300; k += 7) {
        double x = pow(10, -k), y = -1 + pow(2, -k % 50 - 1);
        check_close(creal(nb_log1p(CMPLX(x, H))), log1p(x), 2, "log1p", x);
        check_close(creal(nb_log1p(CMPLX(y, H))), log1p(y), 2, "log1p", y);
        check_close(cimag(nb_log1p(CMPLX(y, H))) / H, 1 / (1 + y), 2, "log1p'", y);
        check_close(creal(nb_expm1(CMPLX(x, H))), expm1(x), 2, "expm1", x);
        check_close(creal(nb_tanh(CMPLX(x, H))), tanh(x), 2, "tanh", x);
        if (k < 200) /* beyond, h times the slope is subnormal */
            check_close(cimag(nb_softplus(CMPLX(-k, H))) / H, exp(-k) / (1 + exp(-k)), 4, "softplus'", -k);
    }
    for (int sign = -1; sign <= 1; sign += 2) {
        ck_assert(nb_tanh(sign * INFINITY) == sign && nb_tanh(sign * 400.0) == sign);
        ck_assert(signbit(creal(nb_tanh(sign * 0.0))) == (sign < 0));
    }
    ck_assert(isnan(creal(nb_tanh(NAN))));
    ck_assert(isnan(creal(nb_softplus(NAN))) && isnan(creal(nb_sigmoid(NAN))) && isnan(creal(nb_abs(NAN))));
    ck_assert(nb_sign(CMPLX(-3, 5)) == -1 && nb_sign(2) == 1 && nb_sign(0) == 0 && isnan(nb_sign(NAN)));
}
END_TEST

/* Far from the real axis, where the identities are exact. */
START_TEST(identities)
{
    for (int i = 0; i < 200; i++) {
        double a = -0.95 + 0.07 * (i % 40), b = -2 + 0.37 * (i % 11);
        nb_real z = CMPLX(a, b), w = CMPLX(a + 1, b);
        ck_assert(cabs(nb_log1p(z) - clog(w)) < 1e-14 * (1 + cabs(clog(w))));
        ck_assert(cabs(nb_expm1(z) - (cexp(z) - 1)) < 1e-14 * (1 + cabs(cexp(z))));
        ck_assert(cabs(nb_tanh(z) - ctanh(z)) < 1e-14 * cabs(ctanh(z)));
        ck_assert(cabs(nb_tanh(9 * z) - ctanh(9 * z)) < 1e-13 * cabs(ctanh(9 * z)));
        ck_assert(cabs(nb_sqrt(w) * nb_sqrt(w) - w) < 1e-14 * cabs(w));
        ck_assert(cabs(cexp(nb_log(w)) - w) < 1e-14 * (1 + cabs(w)));
        ck_assert(cabs(nb_pow(w, z) - cexp(z * clog(w))) < 1e-13 * cabs(cexp(z * clog(w))));
        ck_assert(cabs(nb_pow(z, 3) - z * z * z) < 1e-14 * (1 + cabs(z * z * z)));
    }
}
END_TEST

START_TEST(powers)
{
    static const double bases[] = {-3.5, -2, -1, -0.3, 0, 0.2, 1, 1.7, 9};
    static const double exponents[] = {-65, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 5, 20, 64, 65, 66, 100.5};
    for (int i = 0; i < 9; i++)
        for (int j = 0; j < 18; j++) {
            double x = bases[i], y = exponents[j], f = pow(x, y);
            char what[80];
            snprintf(what, sizeof what, "x^%g", y);
            nb_real dx = nb_pow(CMPLX(x, H), y), still = nb_pow(x, y);
            check_close(creal(still), f, 40, what, x);
            if (x == 0 && y < 0)
                continue; /* no value, no derivative */
            check_close(creal(dx), f, 40, what, x);
            check_close(cimag(dx) / H, y == 0 ? 0 : y * pow(x, y - 1), 60, what, x);
            ck_assert_msg(cimag(still) == 0 || isnan(f), "%g^%g", x, y);
            nb_real dy = nb_pow(x, CMPLX(y, H));
            check_close(creal(dy), f, 40, what, x);
            check_close(cimag(dy) / H, x == 0 ? 0 : x < 0 ? NAN : f * log(x), 60, what, x);
        }
}
END_TEST

START_TEST(angles)
{
    static const double v[] = {-3, -1, -1e-3, 0, 1e-3, 0.5, 1, 7};
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            double y = v[i], x = v[j], r2 = x * x + y * y;
            nb_real dy = nb_atan2(CMPLX(y, H), x), dx = nb_atan2(y, CMPLX(x, H));
            check_close(creal(dy), atan2(y, x), 1, "atan2", x);
            check_close(creal(dx), atan2(y, x), 1, "atan2", x);
            if (r2 > 0) {
                ck_assert_double_eq_tol(cimag(dy) / H, x / r2, 1e-15 / sqrt(r2));
                ck_assert_double_eq_tol(cimag(dx) / H, -y / r2, 1e-15 / sqrt(r2));
            } else {
                ck_assert(isnan(cimag(dy)) && isnan(cimag(dx)));
            }
        }
    ck_assert(cimag(nb_atan2(0, 0)) == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("num");
    TCase *t = tcase_create("complex");
    tcase_add_loop_test(t, first_order, 0, NROWS);
    tcase_add_test(t, edges);
    tcase_add_test(t, identities);
    tcase_add_test(t, powers);
    tcase_add_test(t, angles);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
