/* svg.h - pictures: a card with text and lines, in the reader's light or dark theme. */
#ifndef NABLA_SVG_H
#define NABLA_SVG_H
#include "wire/print.h"

struct nb_svg {
    struct nb_text *t;
    struct nb_error *e;
};

/* As it is, no longer than 1000 characters. */
void nb_svg_put(struct nb_svg *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Escaped; what XML has no place for is left out. */
void nb_svg_text(struct nb_svg *s, const char *text);
/* A line of text. Classes: t title, q quiet, m and e (end at x, or have it in the middle), i italic. */
void nb_svg_label(struct nb_svg *s, const char *class, double x, double y, const char *text);
/* Classes: g grid, a axis, l curve. */
void nb_svg_line(struct nb_svg *s, const char *class, double x1, double y1, double x2, double y2);
/* <svg> with the style of all pictures and `style` of this one, and the card. Close with </svg>. */
void nb_svg_begin(struct nb_svg *s, double width, double height, const char *style);

/* How wide a text is, about, in letters of the usual size; one letter of any script counts as one. */
double nb_svg_width(const char *text);
/* A number for people: -1.5, 3.2·10⁻¹³, with a real minus sign. Returns buf. */
char *nb_svg_number(double v, int digits, char *buf, size_t size);
/* 10⁻¹² */
char *nb_svg_power_of_ten(int exponent, char *buf, size_t size);

#endif
