/* halving - the gap between the slopes of both sides, step by step. */
#include "check/halving.h"
#include <math.h>

enum { STEPS = 38 };

static double gap(const struct nb_sides *s)
{
    return s->right - s->left;
}

/* Between a step and its half the gap was not halved, and that is no rounding. */
static bool fails(const struct nb_sides *s)
{
    double floor = s[1].rounding;
    return fabs(gap(&s[0])) > 20 * floor && fabs(gap(&s[1]) - gap(&s[0]) / 2) > 0.12 * fabs(gap(&s[0])) + 10 * floor;
}

/* The smallest two steps at which rounding leaves a corner of that size to be seen must see it. */
static bool persists(const struct nb_sides *s, double size)
{
    int last = STEPS - 2;
    while (last > 0 && !(40 * s[last + 1].rounding < size))
        last--;
    return last > 0 && fails(&s[last]) && fails(&s[last - 1]);
}

/* The slope of one side without the bend that falls with the step, at the step that leaves least doubt. */
static double slope(const struct nb_sides *s, bool right, double *bar)
{
    double best = NAN;
    *bar = INFINITY;
    for (int k = 0; k + 1 < STEPS; k++) {
        double far = right ? s[k].right : s[k].left, near = right ? s[k + 1].right : s[k + 1].left;
        double doubt = fabs(near - far) + 8 * s[k + 1].rounding;
        if (doubt < *bar) {
            *bar = doubt;
            best = 2 * near - far;
        }
    }
    return best;
}

static void judge(const struct nb_sides *s, struct nb_corner *c)
{
    double size = 0, bars[2];
    for (int k = 0; k + 1 < STEPS; k++)
        if (fails(&s[k]))
            size = fmax(size, fabs(gap(&s[k])));
    double left = slope(s, false, &bars[0]), right = slope(s, true, &bars[1]), width = fabs(right - left);
    c->seen = size > 0 && width > 100 * (bars[0] + bars[1]);
    c->jump = size > 0 && !c->seen;
    c->persistent = c->seen && persists(s, size);
    c->low = fmin(left, right) - (left < right ? bars[0] : bars[1]);
    c->high = fmax(left, right) + (left < right ? bars[1] : bars[0]);
}

int nb_halving_test(struct nb_oracle *o, int leaf, size_t i, struct nb_corner *c, struct nb_error *e)
{
    struct nb_sides s[STEPS];
    double x = fabs(((const double *)o->d.data[leaf])[i]), h = 0x1p-10 * exp2(floor(log2(x > 1 ? x : 1)));
    *c = (struct nb_corner){0};
    for (int k = 0; k < STEPS; k++, h /= 2)
        if (nb_one_sided(o, leaf, i, h, &s[k], e))
            return -1;
    judge(s, c);
    return 0;
}
