/* verdict - no absolute tolerance anywhere: everything scales with the gradient, the cotangent and the function. */
#include "check/verdict.h"
#include <math.h>
#include <stddef.h>

static const double RHO = 1e-9, R_MAX = 1e-3;

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
static struct nb_ruling judge_silent(struct nb_ruling r, double a, double far)
{
    r.silent = fabs(a) <= r.bar;
    if (r.silent)
        return rule(r, NB_RIGHT, NB_WHY_none);
    return fabs(a) > far ? rule(r, NB_WRONG, NB_WHY_not_zero) : rule(r, NB_CANNOT_TELL, NB_WHY_rounding);
}

/* Zero within the bar: certain only where something that could be seen cancels. */
static struct nb_ruling judge_zero(struct nb_ruling r, double a, double terms)
{
    bool certain = r.bar <= 1e-3 * terms && fabs(a) <= r.bar;
    return certain ? rule(r, NB_RIGHT, NB_WHY_none) : rule(r, NB_CANNOT_TELL, NB_WHY_no_power);
}

struct nb_ruling nb_judge(const struct nb_entry *x)
{
    bool sharp = x->z.bar <= x->d.bar || !x->d.found || !x->d.moved;
    struct nb_ruling r = {.value = sharp ? x->z.value : x->d.value, .bar = sharp ? x->z.bar : x->d.bar};
    double a = x->candidate, d = fabs(a - r.value), m = larger(a, r.value);
    double rho = x->eps > 1e-10 ? 64 * x->eps : RHO, near = rho * m + r.bar, far = near + 8 * x->eps * x->reach;
    r.error = !isfinite(a) ? INFINITY : m > 0 ? d / m : 0;
    if (!isfinite(a))
        return rule(r, NB_WRONG, NB_WHY_not_finite);
    if (!oracles_agree(x)) {
        r.disagree = true;
        return rule(r, NB_CANNOT_TELL, x->d.found ? NB_WHY_oracles_disagree : NB_WHY_no_ratio);
    }
    if (!x->z.moved && !x->d.moved)
        return judge_silent(r, a, far);
    if (!(d <= far))
        return rule(r, NB_WRONG, NB_WHY_none);
    if (fabs(r.value) <= r.bar)
        return judge_zero(r, a, x->z.terms);
    if (rho + 2 * r.bar / fabs(r.value) > R_MAX)
        return rule(r, NB_CANNOT_TELL, NB_WHY_no_power);
    return d <= near ? rule(r, NB_RIGHT, NB_WHY_none) : rule(r, NB_CANNOT_TELL, NB_WHY_rounding);
}
