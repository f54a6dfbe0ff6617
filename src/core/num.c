/* num.c - complex functions C does not have, and those whose cut along the negative axis must be NaN as it is for real
 * numbers. Exact identities; only erf and erfc are of first order around the real axis. */
#include "nabla/num.h"
#include <stdbool.h>

#if NB_BUILD == 2

/* A function with an infinite slope at this place. */
static nb_real steep(double value, double sign, double b)
{
    return CMPLX(value, b == 0 ? 0 : copysign(INFINITY, sign * b));
}

nb_real nb_sqrt(nb_real x)
{
    double a = creal(x);
    if (a < 0)
        return CMPLX(NAN, NAN);
    return a == 0 ? steep(a, 1, cimag(x)) : csqrt(x);
}

nb_real nb_log(nb_real x)
{
    double a = creal(x);
    if (a < 0)
        return CMPLX(NAN, NAN);
    return a == 0 ? steep(-INFINITY, 1, cimag(x)) : clog(x);
}

/* |1 + x| = (1 + a) sqrt(1 + (b / (1 + a))^2) */
nb_real nb_log1p(nb_real x)
{
    double a = creal(x), b = cimag(x), t = b / (1 + a);
    if (a < -1)
        return CMPLX(NAN, NAN);
    if (a == -1)
        return steep(-INFINITY, 1, b);
    return CMPLX(log1p(a) + 0.5 * log1p(t * t), atan2(b, 1 + a));
}

nb_real nb_expm1(nb_real x)
{
    double a = creal(x), b = cimag(x), s = sin(b / 2);
    return CMPLX(expm1(a) * cos(b) - 2 * s * s, exp(a) * sin(b));
}

/* tanh(a + ib) = (t + iu) / (1 + itu) with t = tanh a, u = tan b, multiplied by the conjugate of its denominator; t and
 * 1 - t^2 from z = e^(-2|a|), or from z - 1 where that has the digits. */
nb_real nb_tanh(nb_real x)
{
    double a = fabs(creal(x)), u = tan(cimag(x)), less = a < 0.5 ? expm1(-2 * a) : 0; /* z - 1 */
    double z = a < 0.5 ? 1 + less : exp(-2 * a), over = 1 / (1 + z);
    double t = copysign((a < 0.5 ? -less : 1 - z) * over, creal(x)), d = 1 + t * u * (t * u);
    return CMPLX(t * (1 + u * u) / d, 4 * z * over * over * u / d);
}

nb_real nb_erf(nb_real x)
{
    double a = creal(x);
    return CMPLX(erf(a), cimag(x) * M_2_SQRTPI * exp(-a * a));
}

nb_real nb_erfc(nb_real x)
{
    double a = creal(x);
    return CMPLX(erfc(a), -cimag(x) * M_2_SQRTPI * exp(-a * a));
}

/* x^n by squaring. */
static nb_real whole_power(nb_real x, unsigned n)
{
    nb_real r = 1;
    for (; n; n >>= 1, x *= x)
        if (n & 1)
            r *= x;
    return r;
}

/* At x = 0: the derivative in x is y 0^(y-1), that in y is 0 for y >= 0. */
static nb_real power_of_zero(nb_real x, nb_real y)
{
    double b = cimag(x), c = creal(y), d = cimag(y), p = pow(creal(x), c);
    double slope = b == 0 || c == 0 ? 0 : b * c * pow(creal(x), c - 1);
    return CMPLX(p, c < 0 && d != 0 ? -p * d * INFINITY : slope);
}

/* (a + ib)^(c + id) = a^c exp(i d log a + (c + id) log(1 + ib/a)), whose real part is as exact as pow. */
static nb_real power_of_positive(nb_real x, nb_real y)
{
    double a = creal(x), t = cimag(x) / a;
    nb_real turn = CMPLX(0.5 * log1p(t * t), atan2(cimag(x), a));
    nb_real w = y * turn + CMPLX(0, cimag(y) == 0 ? 0 : cimag(y) * log(a));
    return pow(a, creal(y)) * cexp(w);
}

nb_real nb_pow(nb_real x, nb_real y)
{
    enum { MOST = 64 };
    double a = creal(x), c = creal(y);
    bool whole = c == floor(c), fixed = cimag(y) == 0;
    if (fixed && whole && fabs(c) <= MOST) {
        nb_real p = whole_power(x, (unsigned)fabs(c));
        return c < 0 ? 1 / p : p;
    }
    if (a == 0)
        return power_of_zero(x, y);
    if (a > 0)
        return power_of_positive(x, y);
    if (fixed && whole) /* even or odd: the sign is that of the real power */
        return copysign(1, pow(a, c)) * power_of_positive(-x, y);
    return CMPLX(pow(a, c), NAN);
}

/* atan2(y, x) = t + atan((y cos t - x sin t) / (x cos t + y sin t)) for every angle t; with t the angle of the real
 * parts the fraction is next to 0 and its denominator is the positive radius. */
nb_real nb_atan2(nb_real y, nb_real x)
{
    double t = atan2(creal(y), creal(x));
    if (creal(x) == 0 && creal(y) == 0)
        return CMPLX(t, cimag(x) == 0 && cimag(y) == 0 ? 0 : NAN);
    nb_real across = y * cos(t) - x * sin(t), along = x * cos(t) + y * sin(t);
    return t + catan(CMPLX(0, cimag(across / along)));
}

#else
typedef int nb_nothing_here;
#endif
