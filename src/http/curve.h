/* curve.h - h(x) and dh/dx of a pointwise module over an interval, and their picture. */
#ifndef NABLA_CURVE_H
#define NABLA_CURVE_H
#include "nabla/module.h"
#include "wire/print.h"

enum { NB_MAX_CURVES = 8, NB_MAX_KINKS = 16 };

struct nb_curve {
    const struct nb_module *module;
    json_t *args;                /* those that were given */
    const double *x, *h, *slope; /* slope NULL: the module has none */
    int64_t n;
    int kinks; /* points where there is no derivative, and what stands there */
    struct {
        double x, h, slope;
    } kink[NB_MAX_KINKS];
};

/* Where the kinks of a module lie within [from, to], as far as its row says so in numbers and names of arguments:
 * "x = 0", "|x| = lambd", "x = min_val, x = max_val". `args` is the module's argument struct. Returns how many. */
int nb_kinks_find(const struct nb_module *m, const void *args, double from, double to, double x[NB_MAX_KINKS]);

/* The picture: one curve with its derivative, or several above their derivatives. */
int nb_curve_svg(struct nb_text *t, const struct nb_curve *c, int n, struct nb_error *e);

/* A formula in LaTeX as a line of plain text: "y = \\max(x, 0)" -> "y = max(x, 0)". Cut at size. Returns buf. */
char *nb_plain_formula(const char *latex, char *buf, size_t size);

#endif
