/* verdict - no absolute tolerance anywhere: everything scales with the gradient, the cotangent and the function. */
#include "check/verdict.h"
#include <math.h>
#include <stddef.h>

const char *nb_verdict_name(enum nb_verdict v)
{
    static const char *const names[] = {"right", "cannot_tell", "wrong"};
    return names[v];
}

static const struct {
    const char *name, *text;
} reasons[] = {
    {NULL, ""},
#define REASON(code, sentence) {#code, sentence},
#include "check/reasons.def"
#undef REASON
};

const char *nb_reason_name(enum nb_reason r)
{
    return reasons[r].name;
}

const char *nb_reason_text(enum nb_reason r)
{
    return reasons[r].text;
}

static double larger(double a, double b)
{
    return fabs(a) > fabs(b) ? fabs(a) : fabs(b);
}

static bool oracles_agree(const struct nb_entry *x)
{
    if (x->no_z || x->no_d)
        return x->no_d || x->d.found;
    if (!x->d.found)
        return false;
    return fabs(x->z.value - x->d.value) <= x->z.bar + x->d.bar + 1e-9 * larger(x->z.value, x->d.value);
}

static struct nb_ruling rule(struct nb_ruling r, enum nb_verdict v, enum nb_reason reason)
{
    r.verdict = v;
    r.reason = reason;
    return r;
}

/* Nothing reacts to this entry: a zero is what one expects and proves nothing. */
static struct nb_ruling judge_silent(struct nb_ruling r, const struct nb_entry *x, double far)
{
    double a = fabs(x->candidate);
    r.silent = a <= r.bar + x->q;
    r.power = 0;
    if (r.silent)
        return rule(r, NB_RIGHT, NB_WHY_none);
    return a > far ? rule(r, NB_WRONG, NB_WHY_not_zero) : rule(r, NB_CANNOT_TELL, NB_WHY_rounding);
}

/* Zero within the bar: certain only where something that could be seen cancels. */
static struct nb_ruling judge_zero(struct nb_ruling r, const struct nb_entry *x, double terms)
{
    bool certain = r.bar <= 1e-3 * terms && fabs(x->candidate) <= r.bar + x->q;
    r.power = 0;
    r.error = certain ? 0 : r.error; /* relative to what? */
    return certain ? rule(r, NB_RIGHT, NB_WHY_none) : rule(r, NB_CANNOT_TELL, NB_WHY_no_power);
}

/* The printed digits explain the difference, if they are enough digits. */
static struct nb_ruling judge_digits(struct nb_ruling r, const struct nb_entry *x, double r_max)
{
    r.power += x->q / fabs(r.value);
    return r.power <= r_max ? rule(r, NB_RIGHT, NB_WHY_none) : rule(r, NB_CANNOT_TELL, NB_WHY_too_few_digits);
}

/* The complex step finds exactly nothing where differences move: a minimum, a saddle. */
static bool is_stationary(const struct nb_entry *x)
{
    return !x->no_z && !x->no_d && !x->z.moved && x->d.moved;
}

static struct nb_ruling sharper(const struct nb_entry *x)
{
    if (is_stationary(x))
        return (struct nb_ruling){.value = 0, .bar = fmax(x->d.bar, x->z.bar)};
    bool z = !x->no_z && (x->no_d || x->z.bar <= x->d.bar || !x->d.found || !x->d.moved);
    const struct nb_estimate *n = z ? &x->z : &x->d;
    return (struct nb_ruling){.value = n->value, .bar = n->bar};
}

static struct nb_ruling judge(const struct nb_entry *x)
{
    struct nb_ruling r = sharper(x);
    bool moved = (!x->no_z && x->z.moved) || (!x->no_d && x->d.moved);
    double rho = nb_rho(x->rho, x->eps), r_max = nb_r_max(x->r_max, x->eps);
    double a = x->candidate, d = fabs(a - r.value), m = larger(a, r.value);
    double near = rho * m + r.bar, far = near + x->q + 8 * x->eps * x->reach + 16 * x->noise;
    r.error = !isfinite(a) ? INFINITY : m > 0 ? d / m : 0;
    if (!isfinite(a))
        return rule(r, NB_WRONG, NB_WHY_not_finite);
    if (!oracles_agree(x)) {
        r.disagree = !x->no_z;
        return rule(r, NB_CANNOT_TELL, x->d.found ? NB_WHY_oracles_disagree : NB_WHY_no_ratio);
    }
    if (!moved)
        return judge_silent(r, x, far);
    r.power = rho + 2 * r.bar / fabs(r.value);
    if (!(d <= far))
        return rule(r, NB_WRONG, NB_WHY_none);
    if (fabs(r.value) <= r.bar)
        return judge_zero(r, x, x->no_z || is_stationary(x) ? x->d.terms : x->z.terms);
    if (r.power > r_max)
        return rule(r, NB_CANNOT_TELL, NB_WHY_no_power);
    if (d <= near)
        return rule(r, NB_RIGHT, NB_WHY_none);
    return d <= near + x->q ? judge_digits(r, x, r_max) : rule(r, NB_CANNOT_TELL, NB_WHY_rounding);
}

static bool is_number(const struct nb_estimate *n)
{
    return isfinite(n->value) && !isnan(n->bar);
}

/* Near the largest numbers a forward may be finite and what an oracle makes of it not: then that oracle has not been
 * asked. */
struct nb_ruling nb_judge(const struct nb_entry *x)
{
    struct nb_entry y = *x;
    y.no_z |= !is_number(&x->z);
    y.no_d |= !is_number(&x->d);
    if (!(y.no_z && y.no_d) || !isfinite(x->candidate))
        return judge(&y);
    return (struct nb_ruling){NB_CANNOT_TELL, .reason = NB_WHY_forward_not_finite, .value = x->z.value,
                              .bar = INFINITY};
}

double nb_half_unit(struct nb_digits d, double a)
{
    if (!d.significant || !isfinite(a))
        return 0;
    double decimals = 0.5 * pow(10, -d.decimals);
    return a == 0 ? decimals : fmax(decimals, 0.5 * pow(10, floor(log10(fabs(a))) + 1 - d.significant));
}
