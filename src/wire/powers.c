/* powers.c - the table of powers of ten, computed before main: six hundred multiplications instead of six hundred
 * lines. */
#include "wire/powers.h"

struct nb_power nb_powers[2 * NB_POWER_MAX + 1];

typedef unsigned __int128 wide;

static struct nb_power power_of(wide v, int exponent)
{
    return (struct nb_power){(uint64_t)(v >> 64), (uint64_t)v, exponent + 64};
}

/* v * 2^e always has the top bit set; what falls off below is at most one unit of 2^-127 a step. */
static void go_up(void)
{
    wide v = (wide)1 << 127;
    int e = -127;
    for (int p = 0; p <= NB_POWER_MAX; p++) {
        *NB_POWER(p) = power_of(v, e);
        v = (v >> 1) + (v >> 3); /* times 10/16, and one more bit if there is room */
        e += 4;
        if (!(v >> 127)) {
            v <<= 1;
            e--;
        }
    }
}

static void go_down(void)
{
    wide v = (wide)1 << 127;
    int e = -127;
    for (int p = 0; p >= -NB_POWER_MAX; p--) {
        *NB_POWER(p) = power_of(v, e);
        wide rest = v % 10;
        v /= 10;
        v = v << 3 | (rest << 3) / 10; /* 2^127/10 has 124 or 125 bits */
        e -= 3;
        if (!(v >> 127)) {
            v <<= 1;
            e--;
        }
    }
}

__attribute__((constructor)) static void fill_table(void)
{
    go_up();
    go_down();
}
