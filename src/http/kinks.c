/* kinks.c - numbers out of the words in which a module's row says where its kinks are. */
#include "http/curve.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The argument of this name as a number; NAN if there is none. */
static double argument(const struct nb_module *m, const void *args, const char *name, size_t n)
{
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        if (strlen(a->name) == n && !strncmp(a->name, name, n)) {
            const char *at = (const char *)args + a->offset;
            return a->type == NB_ARG_REAL  ? *(const double *)at
                   : a->type == NB_ARG_INT ? (double)*(const int64_t *)at
                                           : NAN;
        }
    return NAN;
}

/* The number or argument, with a sign perhaps, at *p, which moves behind it. */
static double value(const struct nb_module *m, const void *args, const char **p)
{
    double sign = 1;
    char *end;
    *p += strspn(*p, " ");
    if (**p == '-') {
        sign = -1;
        ++*p;
    }
    double v = strtod(*p, &end);
    if (end != *p) {
        *p = end;
        return sign * v;
    }
    size_t n = strspn(*p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    v = argument(m, args, *p, n);
    *p += n;
    return sign * v;
}

static int add(double v, double from, double to, double *x, int n)
{
    for (int i = 0; i < n; i++)
        if (x[i] == v)
            return n;
    if (v >= from && v <= to && n < NB_MAX_KINKS)
        x[n++] = v;
    return n;
}

/* All of "x = 1, x = -a" and "|x| = b" in one text. */
static int read(const struct nb_module *m, const void *args, const char *text, double from, double to, double *x, int n)
{
    const char *p = text;
    while ((p = strstr(p, "= "))) {
        bool both = p >= text + 4 && !strncmp(p - 4, "|x| ", 4);
        p += 2;
        double v = value(m, args, &p);
        n = add(v, from, to, x, n);
        if (both)
            n = add(-v, from, to, x, n);
        for (; *p == ',' && p[1] == ' ' && p[2] != 'x' && p[2] != '|'; n = add(value(m, args, &p), from, to, x, n))
            p += 2; /* "x = -3, 3" */
    }
    return n;
}

int nb_kinks_find(const struct nb_module *m, const void *args, double from, double to, double x[NB_MAX_KINKS])
{
    int n = 0;
    for (const struct nb_kink *k = m->kinks; k && k->where; k++)
        if (*k->where == 'x' || *k->where == '|')
            n = read(m, args, k->where, from, to, x, n);
    return n;
}
