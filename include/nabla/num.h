/* num.h - one source, three numbers. Compiled with NB_BUILD = 0 (float), 1 (double), 2 (double complex).
 *
 * Rules that make the complex step sound: compare and branch on nb_re(x); |x| is nb_abs(x), never fabs or cabs;
 * no conj. The names nb_exp, ... below are right for all three; use them, not those of <math.h>. */
#ifndef NABLA_NUM_H
#define NABLA_NUM_H
#include <complex.h>
#include <math.h>
#include <stddef.h>
#undef I
#ifndef CMPLX /* clang 14 with glibc */
#define CMPLX(x, y) __builtin_complex((double)(x), (double)(y))
#endif

#ifndef NB_BUILD
#error "NB_BUILD is 0, 1 or 2"
#endif

#if NB_BUILD == 0
typedef float nb_real;
typedef double nb_sum; /* sums accumulate in double */
#define NB(name) name##_f
#define NB_DTYPE NB_F32
#elif NB_BUILD == 1
typedef double nb_real;
typedef double nb_sum;
#define NB(name) name##_d
#define NB_DTYPE NB_F64
#else
typedef double _Complex nb_real;
typedef double _Complex nb_sum;
#define NB(name) name##_z
#define NB_DTYPE NB_C128
#endif

/* NB_SIMD on a function with a plain loop over restrict pointers: compiled for SSE2, AVX2 and AVX-512, chosen at run
 * time. NB_LOOP in front of the loop: vectorise, also through the functions below (libmvec). Read entries into locals
 * before choosing by them: gcc 12 gets loads under a condition wrong when they stand in a loop of fixed length, as in
 * `part[j] += x[i + j] > 0 ? 0 : g[i + j] * x[i + j]` (its PR 114375). */
#if NB_BUILD != 2 && defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) &&                                \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define NB_CLONES 1
#define NB_SIMD __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#define NB_VECTOR __attribute__((simd("notinbranch"), const, nothrow))
#else
#define NB_SIMD
#define NB_VECTOR
#endif
#if NB_BUILD != 2
#define NB_LOOP _Pragma("omp simd")
#else
#define NB_LOOP
#endif
/* The same for loops that only add to some variables, s += ..., or keep the greatest, m = v > m ? v : m. */
#if NB_BUILD != 2
#define NB_PRAGMA(text) _Pragma(#text)
#define NB_LOOP_SUM(...) NB_PRAGMA(omp simd reduction(+ : __VA_ARGS__))
#define NB_LOOP_MAX(m) NB_PRAGMA(omp simd reduction(max : m))
#else
#define NB_LOOP_SUM(...)
#define NB_LOOP_MAX(m)
#endif

#if NB_BUILD == 0
#define NB_M(name) name##f
#else
#define NB_M(name) name
#endif

#if NB_BUILD != 2
/* glibc's vector versions are found through these declarations. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
/* clang-format off */
#define NB_DECLARE(f) extern nb_real NB_M(f)(nb_real) NB_VECTOR;
NB_DECLARE(exp) NB_DECLARE(log) NB_DECLARE(sin) NB_DECLARE(cos) NB_DECLARE(tan) NB_DECLARE(asin) NB_DECLARE(acos)
NB_DECLARE(atan) NB_DECLARE(sinh) NB_DECLARE(cosh) NB_DECLARE(tanh) NB_DECLARE(erf) NB_DECLARE(erfc)
NB_DECLARE(expm1) NB_DECLARE(log1p)
    /* clang-format on */
    extern nb_real NB_M(pow)(nb_real, nb_real) NB_VECTOR;
extern nb_real NB_M(atan2)(nb_real, nb_real) NB_VECTOR;
#undef NB_DECLARE
#pragma GCC diagnostic pop

#define NB_WRAP(f)                                                                                                     \
    static inline nb_real nb_##f(nb_real x)                                                                            \
    {                                                                                                                  \
        return NB_M(f)(x);                                                                                             \
    }
static inline nb_real nb_re(nb_real x)
{
    return x;
}
static inline nb_real nb_pow(nb_real x, nb_real y)
{
    return NB_M(pow)(x, y);
}
static inline nb_real nb_atan2(nb_real y, nb_real x)
{
    return NB_M(atan2)(y, x);
}
/* clang-format off */
NB_WRAP(exp) NB_WRAP(log) NB_WRAP(sqrt) NB_WRAP(sin) NB_WRAP(cos) NB_WRAP(tan) NB_WRAP(asin) NB_WRAP(acos)
NB_WRAP(atan) NB_WRAP(sinh) NB_WRAP(cosh) NB_WRAP(tanh) NB_WRAP(erf) NB_WRAP(erfc) NB_WRAP(expm1) NB_WRAP(log1p)
/* clang-format on */
#else
#define NB_WRAP(f)                                                                                                     \
    static inline nb_real nb_##f(nb_real x)                                                                            \
    {                                                                                                                  \
        return c##f(x);                                                                                                \
    }
static inline double nb_re(nb_real x)
{
    return creal(x);
}
/* clang-format off */
NB_WRAP(exp) NB_WRAP(sin) NB_WRAP(cos) NB_WRAP(tan) NB_WRAP(asin) NB_WRAP(acos) NB_WRAP(atan) NB_WRAP(sinh)
NB_WRAP(cosh)
    /* clang-format on */
    /* C has no complex version of these, or a slow one; exact identities or, for erf and erfc, the first order around
     * the real axis (src/core/num.c). */
    nb_real nb_tanh(nb_real x);
nb_real nb_sqrt(nb_real x);
nb_real nb_log(nb_real x);
nb_real nb_erf(nb_real x);
nb_real nb_erfc(nb_real x);
nb_real nb_expm1(nb_real x);
nb_real nb_log1p(nb_real x);
nb_real nb_pow(nb_real x, nb_real y);
nb_real nb_atan2(nb_real y, nb_real x);
#endif
#undef NB_WRAP

/* The type of a real part. */
#if NB_BUILD == 0
        typedef float nb_part;
#else
typedef double nb_part;
#endif

static inline nb_real nb_abs(nb_real x)
{
    return nb_re(x) < 0 ? -x : x;
}
/* sign(Re x): -1, 0, 1; NaN stays NaN. */
static inline nb_part nb_sign(nb_real x)
{
    nb_part r = nb_re(x);
    return r > 0 ? 1 : r < 0 ? -1 : r;
}
/* 1/(1+e^-x), stable on both sides. */
static inline nb_real nb_sigmoid(nb_real x)
{
    nb_real z = nb_exp(-nb_abs(x));
    return (nb_re(x) >= 0 ? (nb_real)1 : z) / (1 + z);
}
/* log1p(z) for z in [0, 1]. In float 2 artanh(z/(2+z)) as a series of 7 terms: two times as fast, as exact. */
static inline nb_real nb_log1p_unit(nb_real z)
{
#if NB_BUILD == 0
    nb_real s = z / (2 + z), t = s * s;
    return s * (2 + t * (2 / 3.f + t * (2 / 5.f + t * (2 / 7.f + t * (2 / 9.f + t * (2 / 11.f + t * (2 / 13.f)))))));
#else
    return nb_log1p(z);
#endif
}
/* ln(1+e^x) = max(x,0) + log1p(e^-|x|); at 0 both take the branch of x, whose slopes add up to 1/2. */
static inline nb_real nb_softplus(nb_real x)
{
    return (nb_re(x) < 0 ? (nb_real)0 : x) + nb_log1p_unit(nb_exp(-nb_abs(x)));
}

#endif
