/* number.c - one JSON number, read exactly: its nearest double, always.
 *
 * The digits are collected into an integer m and a power of ten e. If both are small doubles, one multiplication or
 * division is right (Clinger 1990). If m has at most 19 digits, m * 10^e in 64 bits is right unless it falls within its
 * error of the middle between two doubles. What is left goes to strtod. Needs round-to-nearest and the C locale's
 * point. */
#include "wire/lift.h"
#include "wire/powers.h"
#include <stdlib.h>
#include <string.h>

struct decimal {
    uint64_t m; /* the digits without the point; meaningless beyond 19 of them */
    ptrdiff_t e, digits;
    bool negative;
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the digits are taken from eight bytes at once");
#define EACH(byte) (0x0101010101010101u * (byte)) /* eight times the byte; the first of the text is the lowest */

static const double ten[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                               1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const uint64_t small_tens[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* Eight bytes of a text, zeros beyond its end. */
static __attribute__((noinline)) uint64_t load_last(const char *p, const char *end)
{
    uint64_t x = 0;
    memcpy(&x, p, (size_t)(end - p));
    return x;
}

static inline uint64_t load(const char *p, const char *end)
{
    uint64_t x;
    if (end - p < 8)
        return load_last(p, end);
    memcpy(&x, p, 8);
    return x;
}

/* The number that eight values 0..9 spell, the first in the lowest byte. */
static inline uint64_t spell(uint64_t x)
{
    x = x * 10 + (x >> 8);
    return ((x & 0x000000FF000000FFu) * 0x000F424000000064u +
            ((x >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u) >>
           32;
}

/* Marks, by their highest bit, the bytes that are no digit. x: eight characters, xor EACH('0'). */
static inline uint64_t others(uint64_t x)
{
    return ((x + EACH(0x76)) | x) & EACH(0x80);
}

/* Appends the n < 8 digits in front of the first mark to m. */
static inline uint64_t append(uint64_t m, uint64_t x, int n)
{
    return m * small_tens[n] + spell(x << 8 * (7 - n) << 8);
}

/* Appends the digits at p to *m, eight at once, without a branch for how many the last time. Returns where they end. */
static inline const char *digits(const char *p, const char *end, uint64_t *m)
{
    for (;; p += 8) {
        uint64_t x = load(p, end) ^ EACH('0');
        if (others(x)) {
            int n = __builtin_ctzll(others(x)) / 8;
            *m = append(*m, x, n);
            return p + n;
        }
        *m = *m * small_tens[8] + spell(x);
    }
}

/* What follows an e: [+-]?[0-9]+. NULL if it is something else. Large exponents stay large. */
static const char *exponent(const char *p, const char *end, ptrdiff_t *e)
{
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    if (p == end || *p < '0' || *p > '9')
        return NULL;
    ptrdiff_t v = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        v = v < 100000 ? 10 * v + (*p - '0') : v;
    *e += minus ? -v : v;
    return p;
}

static inline const char *read_decimal(const char *p, const char *end, struct decimal *d)
{
    d->negative = p < end && *p == '-';
    p += d->negative;
    if (p == end || *p < '0' || *p > '9')
        return NULL;
    d->m = (uint64_t)(*p++ - '0');
    const char *first = p - 1;
    for (; *first != '0' && p < end && *p >= '0' && *p <= '9'; p++) /* mostly short: the branches are guessed */
        d->m = 10 * d->m + (uint64_t)(*p - '0');
    d->digits = p - first;
    d->e = 0;
    if (end - p >= 2 && p[0] == '.' && p[1] >= '0' && p[1] <= '9') {
        const char *point = p + 1;
        p = digits(point, end, &d->m);
        d->digits += p - point;
        d->e = -(p - point);
    }
    if (p < end && (*p | 0x20) == 'e') {
        const char *q = exponent(p + 1, end, &d->e);
        p = q ? q : p;
    }
    return p;
}

/* m * 10^e by 64-bit multiplication. False where that cannot decide, or near the ends of the doubles. */
static bool multiply(uint64_t m, ptrdiff_t e, double *v)
{
    if (e < -280 || e > 280)
        return false;
    const struct nb_power *p = NB_POWER(e);
    int shift = __builtin_clzll(m);
    unsigned __int128 product = (unsigned __int128)(m << shift) * p->high;
    uint64_t high = (uint64_t)(product >> 64);
    int up = !(high >> 63);
    high = (uint64_t)(product >> (64 - up)); /* off by less than 4 */
    unsigned below = high & 0x7ff;           /* what a double has no room for */
    if (below - 0x3fc <= 8)
        return false;
    uint64_t scale = (uint64_t)(1023 + p->exponent + 1 + 64 - shift - up) << 52;
    double unit;
    memcpy(&unit, &scale, 8);
    *v = (double)(int64_t)(high >> 1 | 1) * unit;
    return true;
}

static inline bool fast(const struct decimal *d, double *v)
{
    if (d->digits > 19)
        return false;
    if (d->m <= (uint64_t)1 << 53 && d->e >= -22 && d->e <= 22) {
        *v = (double)(int64_t)d->m;
        *v = d->e < 0 ? *v / ten[-d->e] : *v * ten[d->e];
        return true;
    }
    return d->m && multiply(d->m, d->e, v);
}

/* Branches: a maximum seldom changes. */
static inline void show(struct nb_shown *shown, uint64_t m, int decimals)
{
    if (__builtin_expect(m > shown->most, 0))
        shown->most = m;
    if (__builtin_expect(decimals > shown->decimals, 0))
        shown->decimals = decimals;
}

/* The digits between p and end without the point, from the first that is no zero on. Far too many for m. */
static uint64_t spell_all(const char *p, const char *end)
{
    uint64_t m = 0;
    for (; p < end && (*p | 0x20) != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            m = m < UINT64_MAX / 20 ? 10 * m + (uint64_t)(*p - '0') : UINT64_MAX / 10;
    return m;
}

/* The number at p, whatever it looks like. */
static __attribute__((noinline)) const char *read_any(const char *p, const char *end, double *value,
                                                      struct nb_shown *shown)
{
    struct decimal d;
    const char *q = read_decimal(p, end, &d);
    double v;
    if (!q)
        return NULL;
    bool whole = q - p == d.digits + d.negative; /* neither point nor exponent */
    show(shown, __builtin_expect(d.digits > 19, 0) ? spell_all(p, q) : d.m, whole ? -1 : d.e < 0 ? (int)-d.e : 0);
    if (fast(&d, &v))
        *value = d.negative ? -v : v;
    else
        *value = strtod(p, NULL); /* reads the same characters: what follows a JSON number never continues it */
    return q;
}

/* [-]d.d..., at most 15 digits behind the point, as most numbers are: no loop, no call. NULL: it looks different. The
 * next number waits for the end of this one, so the way there is short: both places where the digits may be are read.
 */
static inline const char *read_usual(const char *p, double *value, struct nb_shown *shown)
{
    uint64_t x, signed_x;
    bool negative = *p == '-';
    memcpy(&x, p + 2, 8);
    memcpy(&signed_x, p + 3, 8);
    x = (negative ? signed_x : x) ^ EACH('0');
    p += negative;
    uint64_t m = (uint64_t)(*p - '0');
    if (m > 9 || p[1] != '.')
        return NULL;
    const char *q = p + 2;
    if (!others(x)) {
        m = m * small_tens[8] + spell(x);
        memcpy(&x, q += 8, 8);
        x ^= EACH('0');
        if (!others(x))
            return NULL;
    }
    int n = __builtin_ctzll(others(x)) / 8;
    m = append(m, x, n);
    q += n;
    double v = (double)(int64_t)m / ten[q - p - 2];
    *value = negative ? -v : v;
    if (q == p + 2 || (*q | 0x20) == 'e' || m > (uint64_t)1 << 53)
        return NULL;
    show(shown, m, (int)(q - p - 2));
    return q;
}

const char *nb_number(const char *p, const char *end, double *value, struct nb_shown *shown)
{
    enum { MOST = 20 }; /* characters that read_usual looks at */
    const char *q = end - p < MOST ? NULL : read_usual(p, value, shown);
    return q ? q : read_any(p, end, value, shown);
}
