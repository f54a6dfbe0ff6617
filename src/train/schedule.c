/* schedule.c - rates over time. */
#include "graph/evaluate.h"
#include "train/rule.h"
#include <math.h>

static double portion(double i, double steps)
{
    return i < steps ? i / steps : 1;
}

/* From 1 to `to` in `steps`, then `to`. */
static double linear(const double *set, double i)
{
    return 1 + (set[1] - 1) * portion(i, set[0]);
}

static double cosine(const double *set, double i)
{
    return set[1] + (1 - set[1]) * (1 + cos(M_PI * portion(i, set[0]))) / 2;
}

static double steps(const double *set, double i)
{
    return pow(set[1], floor(i / set[0]));
}

static double exponential(const double *set, double i)
{
    return pow(set[0], i);
}

static const struct nb_setting ramp[] = {
    {"steps", NB_SETTING_WHOLE, NAN, 0, 1, 1e15, "how many it takes"},
    {"to", NB_SETTING_NUMBER, 0, 0, 0, INFINITY, "the factor at the end"},
    {0},
};
static const struct nb_setting stairs[] = {
    {"every", NB_SETTING_WHOLE, NAN, 0, 1, 1e15, "steps from one drop to the next"},
    {"gamma", NB_SETTING_NUMBER, 0.1, 0, 0, INFINITY, "what the rate is multiplied by"},
    {0},
};
static const struct nb_setting decay[] = {
    {"gamma", NB_SETTING_NUMBER, NAN, 0, 0, INFINITY, "what the rate is multiplied by in every step"},
    {0},
};

static const struct nb_schedule_kind kinds[] = {
    {"linear", ramp, linear},
    {"cosine", ramp, cosine},
    {"step", stairs, steps},
    {"exponential", decay, exponential},
};

const struct nb_schedule_kind *nb_schedule_at(int index)
{
    return index < (int)(sizeof kinds / sizeof *kinds) ? &kinds[index] : NULL;
}

int nb_formula_of_step(const char *formula, int64_t i, struct nb_arena *a, double *value, struct nb_error *e)
{
    struct nb_tensors none = {0};
    struct nb_constant step = {"i", (double)i};
    struct nb_tensor t;
    if (nb_evaluate(formula, &none, &step, 1, a, &t, e))
        return -1;
    if (nb_count(&t.shape) != 1)
        return nb_fail(e, NB_E_not_scalar, "the formula gives %lld numbers, one is wanted",
                       (long long)nb_count(&t.shape));
    *value = *(const double *)t.data;
    return 0;
}

int nb_schedule_factor(const struct nb_schedule *s, int64_t i, struct nb_arena *a, double *factor, struct nb_error *e)
{
    double at = (double)i, later = at - s->warm_up;
    *factor = 1;
    if (at < s->warm_up) {
        *factor = (at + 1) / s->warm_up;
        return 0;
    }
    if (s->formula && nb_formula_of_step(s->formula, i - (int64_t)s->warm_up, a, factor, e))
        return -1;
    if (s->kind)
        *factor = s->kind->factor(s->set, later);
    if (isfinite(*factor))
        return 0;
    return nb_fail(e, NB_E_bad_value, "the schedule's factor is %g at i = %lld", *factor, (long long)i);
}
