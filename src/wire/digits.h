/* digits.h - a number in few decimal digits that read back as the same number. */
#ifndef NABLA_DIGITS_H
#define NABLA_DIGITS_H
#include <stdbool.h>
#include <stdint.h>

enum { NB_DIGITS_MAX = 40 }; /* room these functions want, though they fill less of it */

/* Writes a finite v, without a NUL; returns the end. At most 17 significant digits, 9 if v came from a float
 * (`single`), and in nearly all cases the fewest that do. Whole numbers below 2^53 come without a point, larger ones
 * with an exponent. */
char *nb_digits(char *p, double v, bool single);
char *nb_digits_whole(char *p, int64_t v);

#endif
