/* mistake - in the whole gradient of a tensor, and in single entries of it. */
#include "check/mistake.h"
#include <math.h>
#include <string.h>

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static bool times(const struct nb_truth *t, double factor, double *to)
{
    for (size_t i = 0; i < t->n; i++)
        to[i] *= factor;
    return true;
}

static bool zero(const struct nb_truth *t, double *to)
{
    return times(t, 0, to);
}

static bool negate(const struct nb_truth *t, double *to)
{
    return times(t, -1, to);
}

static bool twice(const struct nb_truth *t, double *to)
{
    return times(t, 2, to);
}

static bool half(const struct nb_truth *t, double *to)
{
    return times(t, 0.5, to);
}

static bool times_n(const struct nb_truth *t, double *to)
{
    return t->batch > 0 && times(t, (double)t->batch, to);
}

static bool over_n(const struct nb_truth *t, double *to)
{
    return t->batch > 0 && times(t, 1 / (double)t->batch, to);
}

/* The gradient of a sum: nothing to be put into another order. */
static bool all_alike(const struct nb_truth *t)
{
    for (size_t i = 1; i < t->n; i++)
        if (t->value[i] != t->value[0])
            return false;
    return t->n < 2 || t->drawn;
}

/* The last two dimensions; numbers keep the old shape. */
static bool transpose(const struct nb_truth *t, double *to)
{
    int r = t->shape->rank;
    if (all_alike(t) || r < 2 || t->shape->dim[r - 1] < 2 || t->shape->dim[r - 2] < 2)
        return false;
    size_t rows = (size_t)t->shape->dim[r - 2], cols = (size_t)t->shape->dim[r - 1];
    for (size_t i = 0; i < t->n; i++) {
        size_t k = i % (rows * cols);
        to[i] = t->value[i - k + k % rows * cols + k / rows];
    }
    return !t->drawn || memcmp(to, t->value, t->n * sizeof *to); /* of a mean over both there is nothing to exchange */
}

static bool shift(const struct nb_truth *t, double *to)
{
    for (size_t i = 0; i < t->n; i++)
        to[i] = t->value[(i + 1) % t->n];
    return !all_alike(t);
}

/* ---- single entries -------------------------------------------------------------------------------------------- */

/* From a random place on, the first entry that is not zero within its bar; else that place. */
static size_t some_entry(const struct nb_truth *t, uint64_t draw)
{
    size_t start = nb_word(t->stream, draw) % t->n;
    for (size_t k = 0; k < t->n; k++) {
        size_t i = (start + k) % t->n;
        if (fabs(t->value[i]) > 100 * t->bar[i])
            return i;
    }
    return start;
}

static bool one_sample_zero(const struct nb_truth *t, double *to)
{
    if (t->shape->rank < 1 || t->shape->dim[0] != t->batch || !t->batch)
        return false;
    size_t row = t->n / (size_t)t->batch, i = some_entry(t, 5);
    memset(to + (i - i % row), 0, row * sizeof *to);
    return true;
}

/* Ten times what the power of the entry allows. */
static double just_off(const struct nb_truth *t, size_t i)
{
    double size = fabs(t->value[i]);
    return size > 0 ? t->value[i] + 10 * (t->rho * size + 2 * t->bar[i]) : t->value[i];
}

static bool one_off(const struct nb_truth *t, double *to)
{
    size_t i = some_entry(t, 0);
    to[i] = just_off(t, i);
    return true;
}

static bool one_zero(const struct nb_truth *t, double *to)
{
    to[some_entry(t, 1)] = 0;
    return true;
}

static bool one_negated(const struct nb_truth *t, double *to)
{
    to[some_entry(t, 2)] *= -1;
    return true;
}

static bool exchange(const struct nb_truth *t, double *to)
{
    size_t i = some_entry(t, 3), start = nb_word(t->stream, 4) % t->n, j = start;
    for (size_t k = 0; k < t->n; k++, j = (start + k) % t->n)
        if (fabs(t->value[i] - t->value[j]) > 1e-3 * fabs(t->value[i]))
            break;
    to[i] = t->value[j];
    to[j] = t->value[i];
    return !all_alike(t);
}

static bool last_off(const struct nb_truth *t, double *to)
{
    double most = 0;
    for (size_t i = 0; i < t->n; i++)
        most = fmax(most, fabs(t->value[i]));
    size_t i = t->n - 1;
    to[i] = fabs(t->value[i]) > 100 * t->bar[i] ? just_off(t, i) : t->value[i] + 1e-3 * most + 100 * t->bar[i];
    return t->n > 1;
}

const struct nb_mistake nb_mistakes[] = {
    {"all zero", zero},
    {"negated", negate},
    {"times 2", twice},
    {"times 1/2", half},
    {"times N", times_n},
    {"times 1/N", over_n},
    {"transposed", transpose},
    {"shifted by one entry", shift},
    {"zero for one sample", one_sample_zero},
    {"one entry off", one_off},
    {"one entry zero", one_zero},
    {"one entry negated", one_negated},
    {"two entries exchanged", exchange},
    {"the last entry off", last_off},
    {0},
};
