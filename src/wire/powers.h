/* powers.h - the powers of ten, to 128 bits: what reading and printing decimals share. */
#ifndef NABLA_POWERS_H
#define NABLA_POWERS_H
#include <stdint.h>

enum { NB_POWER_MAX = 344 };

/* 10^p = (high + low / 2^64) * 2^exponent, with the top bit of high set; low is right but for its last dozen bits. */
struct nb_power {
    uint64_t high, low;
    int exponent;
};

/* The power of p, -NB_POWER_MAX..NB_POWER_MAX. */
extern struct nb_power nb_powers[2 * NB_POWER_MAX + 1];
#define NB_POWER(p) (&nb_powers[(p) + NB_POWER_MAX])

#endif
