/* numbers - one tensor of a submission against what is true of it, entry by entry, and fast where it is plainly right.
 */
#include "check/verdict.h"
#include "grade/marking.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Half a unit of the last digit beside the largest entry: beyond it small entries are not what is at fault. */
static const double FEW = 1e-4;
enum { MEDIAN_OF = 4095, FLOAT_DIGITS = 9 };

/* What the candidate was computed in decides what it may be off by. */
struct measure {
    double eps, rho, r_max;
};
static const struct measure in_double = {DBL_EPSILON, NB_RHO_GRADE, NB_R_MAX},
                            in_float = {FLT_EPSILON, NB_RHO_FLOAT, NB_R_MAX_FLOAT},
                            /* Few digits were printed, and float may have computed them: that accuses nobody. */
    in_print = {FLT_EPSILON, NB_RHO_GRADE, NB_R_MAX};

struct judging {
    const struct nb_truth_of *t;
    struct nb_digits digits;
    struct measure how;
    struct nb_checked *out;
    double power[MEDIAN_OF]; /* of some entries that lie evenly among all */
    size_t powers, kept, step;
    double largest; /* of the right entries */
    bool few;       /* digits, even beside the largest */
};

/* ---- one entry --------------------------------------------------------------------------------------------------- */

static double noise_of(const struct judging *j, size_t i)
{
    const struct nb_truth_of *t = j->t;
    double own = t->scatter ? 4 * t->scatter[i] * (j->how.eps / DBL_EPSILON) : 0;
    return t->noise && j->how.eps > DBL_EPSILON ? fmax(own, t->noise[i]) : own;
}

static struct nb_ruling rule(const struct judging *j, size_t i)
{
    const struct nb_truth_of *t = j->t;
    double a = j->out->candidate[i];
    struct nb_entry x = {.candidate = a, .no_d = true, .reach = t->reach, .eps = j->how.eps};
    x.z = (struct nb_estimate){.value = t->value[i], .bar = t->bar[i], .moved = t->moved[i], .terms = t->terms[i]};
    x.rho = j->how.rho, x.r_max = j->how.r_max;
    x.noise = noise_of(j, i);
    x.q = nb_half_unit(j->digits, a);
    if (t->untold[i] && isfinite(a))
        return (struct nb_ruling){NB_CANNOT_TELL, .reason = (enum nb_reason)t->untold[i], .value = t->value[i],
                                  .bar = t->bar[i]};
    return nb_judge(&x);
}

static void note_power(struct judging *j, double power)
{
    j->out->power_worst = fmax(j->out->power_worst, power);
    if (j->powers++ % j->step == 0)
        j->power[j->kept++] = power;
}

/* By far the most entries of a large tensor. Says no when in doubt. */
static bool plainly_right(struct judging *j, size_t i)
{
    const struct nb_truth_of *t = j->t;
    double n = fabs(t->value[i]), d = fabs(j->out->candidate[i] - t->value[i]), e = t->bar[i];
    double power = j->how.rho + 2 * e / n;
    if (t->untold[i] || !t->moved[i] || !(d <= j->how.rho * n) || !(e < n) || !(power <= j->how.r_max))
        return false;
    note_power(j, power);
    return true;
}

/* ---- a tensor ---------------------------------------------------------------------------------------------------- */

static int severity(const struct nb_ruling *r)
{
    return r->silent ? 0 : 1 + (int)r->verdict;
}

static void note(struct judging *j, size_t i, const struct nb_ruling *r, int *worst)
{
    struct nb_checked *out = j->out;
    out->right += r->verdict == NB_RIGHT && !r->silent;
    out->silent += r->silent;
    out->wrong += r->verdict == NB_WRONG;
    out->cannot_tell += r->verdict == NB_CANNOT_TELL;
    out->verdicts[i] = (unsigned char)r->verdict;
    out->reasons[i] = (unsigned char)r->reason;
    j->few |= r->reason == NB_WHY_too_few_digits && nb_half_unit(j->digits, out->candidate[i]) > FEW * j->largest;
    if (r->power > 0 && r->verdict == NB_RIGHT)
        note_power(j, r->power);
    else if (r->verdict == NB_RIGHT)
        out->zero_within = fmax(out->zero_within, r->bar);
    if (severity(r) < *worst || (severity(r) == *worst && r->error <= out->largest_error))
        return;
    *worst = severity(r);
    out->worst = (int64_t)i;
    out->reason = r->reason;
    out->largest_error = r->error;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void take_median(struct judging *j)
{
    if (!j->kept)
        return;
    qsort(j->power, j->kept, sizeof *j->power, ascending);
    j->out->power_median = j->power[j->kept / 2];
}

static void sum_up(struct judging *j)
{
    struct nb_checked *out = j->out;
    out->verdict = out->wrong ? NB_WRONG : out->cannot_tell || !out->right ? NB_CANNOT_TELL : NB_RIGHT;
    if (out->verdict == NB_CANNOT_TELL && !out->reason)
        out->reason = NB_WHY_silent;
    if (out->verdict == NB_RIGHT)
        out->reason = NB_WHY_none;
    if (j->few) {
        out->verdict = NB_CANNOT_TELL;
        out->reason = NB_WHY_too_few_digits;
    }
    take_median(j);
}

static void forget(struct judging *j)
{
    struct nb_checked *c = j->out;
    c->right = c->wrong = c->cannot_tell = c->silent = 0;
    c->largest_error = c->power_worst = c->power_median = c->zero_within = 0;
    c->worst = -1;
    c->reason = NB_WHY_none;
    j->powers = j->kept = 0;
    j->step = j->t->n / MEDIAN_OF + 1;
    j->few = false;
}

static void judge_all(struct judging *j, struct measure how)
{
    int worst = -1;
    int64_t plain = 0;
    forget(j);
    j->how = how;
    for (size_t i = 0; i < j->t->n; i++) {
        if (plainly_right(j, i)) {
            j->out->verdicts[i] = NB_RIGHT;
            j->out->reasons[i] = NB_WHY_none;
            plain++;
            continue;
        }
        struct nb_ruling r = rule(j, i);
        note(j, i, &r, &worst);
    }
    j->out->right += plain;
    sum_up(j);
}

/* Nothing can be said of any entry but that it is no number. */
static void judge_none(struct judging *j)
{
    struct nb_checked *out = j->out;
    forget(j);
    out->reason = j->t->reason;
    for (size_t i = 0; i < j->t->n; i++) {
        bool wrong = !isfinite(out->candidate[i]);
        out->wrong += wrong;
        out->cannot_tell += !wrong;
        out->verdicts[i] = wrong ? NB_WRONG : NB_CANNOT_TELL;
        out->reasons[i] = (unsigned char)(wrong ? NB_WHY_not_finite : j->t->reason);
        if (wrong && out->worst < 0)
            out->worst = (int64_t)i;
    }
    out->verdict = out->wrong ? NB_WRONG : NB_CANNOT_TELL;
    if (out->wrong)
        out->reason = NB_WHY_not_finite;
}

static bool fits_float(const double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isfinite(a[i]) && (double)(float)a[i] != a[i])
            return false;
    return true;
}

static struct measure asked(struct measure m, const struct nb_grading *g)
{
    m.rho = g->point.rho > 0 ? g->point.rho : m.rho;
    m.r_max = g->point.r_max > 0 ? g->point.r_max : m.r_max;
    return m;
}

/* JSON does not say what numbers were computed in: those that are not right as doubles get a second look. */
static void judge_precision(struct judging *j, const struct nb_grading *g, enum nb_dtype d, bool single)
{
    bool printed = j->digits.significant > 0 && j->digits.significant <= FLOAT_DIGITS;
    judge_all(j, asked(d == NB_F32 ? in_float : in_double, g));
    if (j->out->verdict == NB_RIGHT || d == NB_F32 || j->few || g->submission.form == NB_FORMULAS)
        return;
    if (single || (!printed && fits_float(j->out->candidate, j->t->n)))
        judge_all(j, asked(in_float, g));
    else if (printed)
        judge_all(j, asked(in_print, g));
}

/* Doubles stay where they are. */
static int new_arrays(struct judging *j, const struct nb_tensor *came, struct nb_arena *a, struct nb_error *e)
{
    size_t n = j->t->n;
    struct nb_checked *c = j->out;
    bool doubles = came->dtype == NB_F64;
    c->candidate = doubles ? came->data : nb_alloc(a, n, sizeof *c->candidate, e);
    c->verdicts = nb_alloc(a, n, 1, e);
    c->reasons = nb_alloc(a, n, 1, e);
    if (!c->candidate || !c->verdicts || !c->reasons)
        return -1;
    if (!doubles)
        nb_convert(NB_F64, c->candidate, came->dtype, came->data, n);
    c->value = j->t->value;
    c->bar = j->t->bar;
    c->complex_step = c->differences = c->differences_bar = NAN;
    return 0;
}

static void wrong_shape(const struct nb_truth_of *t, const struct nb_tensor *came, bool resubmit, struct nb_mark *m)
{
    m->refused = resubmit;
    m->got = came->shape;
    m->checked.verdict = NB_WRONG;
    m->checked.reason = NB_WHY_shape;
    m->checked.wrong = (int64_t)t->n;
    m->checked.worst = -1;
}

int nb_judge_numbers(const struct nb_truth_of *t, const struct nb_grading *g, const struct nb_named *came, bool single,
                     struct nb_arena *a, struct nb_mark *m, struct nb_error *e)
{
    struct judging j = {.t = t, .out = &m->checked, .digits = came->digits};
    m->checked.name = t->name;
    m->checked.shape = t->shape;
    m->got = t->shape;
    if (nb_shape_same(&came->t.shape, &t->shape) != 1)
        return wrong_shape(t, &came->t, g->resubmit, m), 0;
    if (new_arrays(&j, &came->t, a, e))
        return -1;
    if (t->reason)
        return judge_none(&j), 0;
    m->checked.judged = true;
    for (size_t i = 0; i < t->n && j.digits.significant; i++)
        j.largest = fmax(j.largest, fabs(t->value[i]));
    judge_precision(&j, g, came->t.dtype, single);
    m->refused = j.few;
    return 0;
}
