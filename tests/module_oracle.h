/* module_oracle.h - the gradient of sum(cotangent * out) at a point, from forward alone, twice: by the complex step,
 * and by differences of the double build. For test_modules.c. */
#include "module_point.h"

/* One coordinate. */
struct slope {
    double step, size;         /* by the complex step; the sum of the sizes of its terms */
    double diff, doubt, noise; /* by differences; how far the last two estimates differ; what rounding can do */
};

#define H 0x1p-664

static struct nb_tensor *moved(struct run *r, const struct slot *s)
{
    return s->weight ? &r->w[s->index] : &r->in[s->index];
}

/* False: forward refuses, or a pointwise module lets an entry reach another one. */
static bool complex_step(struct run *z, const struct slot *s, size_t k, struct slope *d, struct nb_error *e)
{
    const struct point *p = z->p;
    double _Complex *x = (double _Complex *)moved(z, s)->data + k, still = *x;
    *x = CMPLX(creal(still), H);
    int bad = run_forward(z, 0xFF, e);
    *x = still;
    if (bad)
        return false;
    d->step = d->size = 0;
    for (int o = 0; o < p->s.nout; o++)
        for (size_t i = 0; i < (size_t)nb_count(&p->out_shape[o]); i++) {
            double term = ((double *)p->cot[o].data)[i] * cimag(((double _Complex *)z->out[o].data)[i]) / H;
            if (p->m[NB_F64].pointwise && i != k && term != 0)
                return nb_fail(e, NB_E_internal, "entry %zu reaches entry %zu, in a pointwise module", k, i), false;
            d->step += term;
            d->size += fabs(term);
        }
    return true;
}

/* Central difference with step h; *noise gets the rounding of its terms. */
static bool difference(struct run *plus, struct run *minus, const struct slot *s, size_t k, double h, double *d,
                       double *noise, struct nb_error *e)
{
    const struct point *p = plus->p;
    double *x = (double *)moved(plus, s)->data + k, *y = (double *)moved(minus, s)->data + k, still = *x;
    *x = still + h;
    *y = still - h;
    int bad = run_forward(plus, 0xFF, e) || run_forward(minus, 0xFF, e);
    *x = *y = still;
    *d = *noise = 0;
    for (int o = 0; o < p->s.nout && !bad; o++)
        for (size_t i = 0; i < (size_t)nb_count(&p->out_shape[o]); i++) {
            double c = ((double *)p->cot[o].data)[i], a = entry(&plus->out[o], i), b = entry(&minus->out[o], i);
            if (a == b)
                continue;
            *d += c * (a - b) / (2 * h);
            *noise += 0x1p-50 * fabs(c) * (fabs(a) + fabs(b)) / h;
        }
    return !bad;
}

/* Three differences, each with half the step, extrapolated 4:1 and 16:1. The first step is chosen so that the estimates
 * agree best: a smaller one helps beside a kink. */
static bool extrapolate(struct run *plus, struct run *minus, const struct slot *s, size_t k, struct slope *best,
                        struct nb_error *e)
{
    static const double steps[] = {0x1p-8, 0x1p-11, 0x1p-15, 0x1p-19};
    best->doubt = INFINITY;
    for (int i = 0; i < 4; i++) {
        double d[3], noise = 0;
        for (int j = 0; j < 3; j++)
            if (!difference(plus, minus, s, k, ldexp(steps[i], -j), &d[j], &noise, e))
                return false;
        double r0 = (4 * d[1] - d[0]) / 3, r1 = (4 * d[2] - d[1]) / 3;
        double doubt = fabs(r1 - r0) + noise;
        if (doubt < best->doubt) {
            best->diff = (16 * r1 - r0) / 15;
            best->doubt = doubt;
            best->noise = noise;
        }
    }
    return true;
}

/* Labels and masks have no neighbours: modules may refuse or branch on them. */
static bool has_neighbours(const struct slot *s)
{
    return s->letter != 's' && s->letter != 'b';
}

/* All coordinates of a slot; NULL and the error if forward refuses. Labels are held fixed. */
static struct slope *oracle(const struct point *p, const struct slot *s, struct nb_error *e)
{
    struct run z, plus, minus;
    struct slope *d = nb_zalloc(p->arena, s->n, sizeof *d, e);
    run_init(&z, p, NB_C128);
    run_init(&plus, p, NB_F64);
    run_init(&minus, p, NB_F64);
    for (size_t k = 0; d && k < s->n; k++) {
        if (!complex_step(&z, s, k, &d[k], e))
            return NULL;
        d[k].doubt = INFINITY;
        if (s->label)
            d[k].step = d[k].size = 0;
        if (has_neighbours(s) && !extrapolate(&plus, &minus, s, k, &d[k], e))
            return NULL;
    }
    return d;
}
