/* likeness - when numbers are taken for one another. */
#include "grade/exam.h"
#include <math.h>

/* Half a unit of the last digit that was printed. */
static double half_digit(const struct nb_digits *d, double a)
{
    if (!d->significant)
        return 0;
    double fixed = 0.5 * pow(10, -d->decimals);
    double floating = a == 0 ? 0 : 0.5 * pow(10, floor(log10(fabs(a))) + 1 - d->significant);
    return fmax(fixed, floating);
}

/* Terms larger than the sum leave errors larger than rho of it: a hundredth of rho of the largest entry is let pass. */
bool nb_alike(const struct nb_exam *x, size_t i, double got, double wanted, double factor)
{
    if (!isfinite(got)) /* what is allowed would be infinite, too */
        return false;
    double w = factor * wanted, bar = x->s->bar ? x->s->bar[i] : 0;
    double floor_ = 0.01 * x->rho * fabs(factor) * x->most;
    return fabs(got - w) <= x->rho * fmax(fabs(got), fabs(w)) + 4 * fmax(1, fabs(factor)) * bar + floor_ +
                                half_digit(&x->s->digits, got) * (1 + 1e-9);
}

bool nb_all_alike(const struct nb_exam *x, const double *wanted, double factor)
{
    for (size_t i = 0; i < x->n; i++)
        if (!nb_alike(x, i, x->got[i], wanted[i], factor))
            return false;
    return true;
}

double nb_residual(const struct nb_exam *x, double c)
{
    double off = 0, all = 0, scale = fabs(c) * x->most;
    for (size_t i = 0; i < x->n && scale > 0; i++) {
        off += pow((x->got[i] - c * x->s->truth[i]) / scale, 2);
        all += pow(x->got[i] / scale, 2);
    }
    return all > 0 ? sqrt(off / all) : 0;
}
