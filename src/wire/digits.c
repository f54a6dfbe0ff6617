/* digits.c - printing: scale to 9 or 17 digits before the point, then take the roundest whole number within reach.
 *
 * A decimal reads back as v if it is nearer to v than half the way to v's neighbours. With 9 (17) digits half a unit is
 * always nearer than that, so the nearest whole number is right without a test; multiples of 10, 100, 1000 are
 * tried first. The scaling is by 128 bits of the power of ten, far more than the margin needs. */
#include "wire/digits.h"
#include "wire/powers.h"
#include <math.h>
#include <string.h>

typedef unsigned __int128 wide;

/* value = digits * 10^power */
struct decimal {
    uint64_t digits;
    int power;
};

/* Writes u so that it ends before `end`; returns where it begins. */
static char *write_back(char *end, uint64_t u)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    for (; u >= 100; u /= 100)
        memcpy(end -= 2, pairs + 2 * (u % 100), 2);
    if (u >= 10)
        memcpy(end -= 2, pairs + 2 * u, 2);
    else
        *--end = (char)('0' + u);
    return end;
}

static char *whole(char *p, uint64_t u)
{
    char buf[20], *first = write_back(buf + sizeof buf, u);
    size_t n = (size_t)(buf + sizeof buf - first);
    memcpy(p, first, n);
    return p + n;
}

char *nb_digits_whole(char *p, int64_t v)
{
    if (v < 0)
        *p++ = '-';
    return whole(p, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

/* A fixed-point number with 64 bits behind the point is nearer than `room` to the whole number n. */
static inline bool near(wide fixed, uint64_t n, wide room)
{
    wide w = (wide)n << 64;
    return (w > fixed ? w - fixed : fixed - w) < room;
}

/* v is positive. */
static struct decimal shorten(double v, bool single)
{
    uint64_t bits, m;
    memcpy(&bits, &v, sizeof bits);
    int e = (int)(bits >> 52);
    m = (bits & 0xFFFFFFFFFFFFFu) | (uint64_t)(e > 0) << 52;
    e = (e ? e : 1) - 1075; /* v = m * 2^e */
    int spacing = !single ? e : e + 29 > -149 ? e + 29 : -149;
    int half = spacing - 1 - (m == (uint64_t)1 << 52); /* 2^half: half the way to the nearer neighbour, or less */

    int shift = __builtin_clzll(m);
    m <<= shift;
    e -= shift;
    int power = (single ? 8 : 16) - ((e + 63) * 78913 >> 18); /* 78913 / 2^18 = log10(2) */
    const struct nb_power *p = NB_POWER(power);
    wide product = (wide)m * p->high + ((wide)m * p->low >> 64);
    wide fixed = product >> -(e + p->exponent + 64); /* v * 10^power with 64 bits behind the point */
    wide room = ((wide)p->high << (64 + p->exponent + half)) - 1024;

    uint64_t n = (uint64_t)(fixed >> 64), round;
    if (near(fixed, round = (n + 500) / 1000 * 1000, room) || near(fixed, round = (n + 50) / 100 * 100, room) ||
        near(fixed, round = (n + 5) / 10 * 10, room)) {
        for (; round % 10 == 0; round /= 10)
            power--;
        return (struct decimal){round, -power};
    }
    return (struct decimal){n + (uint64_t)(fixed >> 63 & 1), -power};
}

/* Copies are of a fixed size: what lies behind the digits is written over or cut off. */
enum { MOST = 18 };

static char *lay_out(char *p, struct decimal d)
{
    char buf[2 * MOST + 2], *first = write_back(buf + MOST, d.digits);
    int n = (int)(buf + MOST - first), exponent = d.power + n - 1;
    bool point = exponent > -5 && d.power < 0; /* else in the form 1.5e-7 */
    if (point && exponent < 0) {
        memcpy(p, "0.0000", 6);
        p += 1 - exponent;
        memcpy(p, first, MOST);
        return p + n;
    }
    int before = point ? exponent + 1 : 1;
    memcpy(p, first, MOST);
    if (n > before) {
        memcpy(p + before + 1, first + before, MOST);
        p[before] = '.';
    }
    p += n + (n > before);
    if (point)
        return p;
    *p++ = 'e';
    return nb_digits_whole(p, exponent);
}

char *nb_digits(char *p, double v, bool single)
{
    bool negative = signbit(v);
    v = fabs(v);
    if (negative)
        *p++ = '-';
    if (v < 0x1p53 && v == (double)(int64_t)v) {
        p = whole(p, (uint64_t)v);
        if (negative && v == 0) { /* not every reader keeps the sign of -0 */
            memcpy(p, ".0", 2);
            p += 2;
        }
        return p;
    }
    return lay_out(p, shorten(v, single));
}
