/* diagnosis - the tests in their order, and what they tell. */
#include "grade/exam.h"
#include <float.h>
#include <math.h>

/* ---- what is told ------------------------------------------------------------------------------------------------ */

int nb_tell(struct nb_exam *x, const char *code, bool slip, const char *pattern, const char *hint)
{
    x->d->code = code;
    x->d->slip = slip;
    x->d->pattern = pattern;
    x->d->hint = hint;
    return pattern ? 1 : -1;
}

int nb_show(struct nb_exam *x, struct nb_evidence v, struct nb_error *e)
{
    struct nb_diagnosis *d = x->d;
    enum { MOST = 8 };
    if (!d->evidence && !(d->evidence = nb_small(x->c->arena, MOST, sizeof *d->evidence, e)))
        return -1;
    if (d->nevidence < MOST)
        d->evidence[d->nevidence++] = v;
    return 0;
}

int nb_show_number(struct nb_exam *x, const char *key, double v, struct nb_error *e)
{
    return nb_show(x, (struct nb_evidence){.key = key, .kind = NB_NUMBER, .number = v}, e);
}

int nb_show_whole(struct nb_exam *x, const char *key, int64_t v, struct nb_error *e)
{
    return nb_show(x, (struct nb_evidence){.key = key, .kind = NB_WHOLE, .whole = v}, e);
}

int nb_show_shape(struct nb_exam *x, const char *key, const struct nb_shape *v, struct nb_error *e)
{
    return nb_show(x, (struct nb_evidence){.key = key, .kind = NB_SHAPE, .shape = *v}, e);
}

int nb_show_text(struct nb_exam *x, const char *key, const char *v, struct nb_error *e)
{
    return nb_show(x, (struct nb_evidence){.key = key, .kind = NB_TEXT, .text = v}, e);
}

int nb_show_node(struct nb_exam *x, const char *node, struct nb_error *e)
{
    x->d->node = nb_strdup(x->c->arena, node, e);
    return x->d->node ? 0 : -1;
}

/* ---- tests of a line or two ------------------------------------------------------------------------------------- */

static int test_finite(struct nb_exam *x, struct nb_error *e)
{
    size_t bad = 0;
    for (size_t i = 0; i < x->n; i++)
        bad += !isfinite(x->got[i]);
    if (!bad)
        return 0;
    if (nb_show_whole(x, "wrong", (int64_t)bad, e) || nb_show_whole(x, "of", (int64_t)x->n, e))
        return -1;
    return nb_tell(x, "not_finite", false,
                   nb_sprintf(x->c->arena, e, "%zu of %zu entries are infinite or not a number", bad, x->n),
                   "Is there a division by zero, a logarithm of zero, or an exponential of something large?");
}

static int test_zero(struct nb_exam *x, struct nb_error *e)
{
    (void)e;
    for (size_t i = 0; i < x->n; i++)
        if (x->got[i] != 0)
            return 0;
    return nb_tell(x, "zero", false, "every entry is zero",
                   "Was the gradient computed and stored? Nothing arrives here.");
}

/* What is certain comes first, then what costs little, then what explains most: a mistake of a module that is known
 * says more than a factor of each row. Many are tried: `many` wants more digits to look at than one of them could fit
 * by chance. */
static const struct {
    nb_test *test;
    bool many;
} tests[] = {
    {nb_test_shape, false},      {test_finite, false},     {test_zero, false},        {nb_test_constants, false},
    {nb_test_transposed, false}, {nb_test_known, true},    {nb_test_arguments, true}, {nb_test_factor, true},
    {nb_test_rows, true},        {nb_test_columns, true},  {nb_test_sides, false},    {nb_test_zeros, false},
    {nb_test_no_zeros, false},   {nb_test_entries, false},
};

enum { ENOUGH = 5, EXACT = 6 /* digits */ };

/* Digits that a mistake has to get right, in all entries together. */
static size_t digits_shown(const struct nb_exam *x)
{
    size_t n = 0, each = x->s->digits.significant ? (size_t)x->s->digits.significant : EXACT;
    for (size_t i = 0; i < x->n; i++)
        n += x->got[i] != 0 || x->s->truth[i] != 0;
    return n * each;
}

/* ---- a tensor --------------------------------------------------------------------------------------------------- */

static bool are_floats(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(v[i]) && (double)(float)v[i] != v[i])
            return false;
    return true;
}

static double tolerance(const struct nb_suspect *s, size_t n)
{
    if (s->rho > 0)
        return s->rho;
    return !s->digits.significant && are_floats(s->submitted.data, n) ? 1e-4 : 1e-6;
}

int nb_diagnose(struct nb_clinic *c, const struct nb_suspect *s, struct nb_diagnosis *d, struct nb_error *e)
{
    size_t submitted = (size_t)nb_count(&s->submitted.shape);
    struct nb_exam x = {.c = c,
                        .s = s,
                        .n = (size_t)nb_count(&s->shape),
                        .got = s->submitted.data,
                        .rho = tolerance(s, submitted),
                        .d = d};
    int found = 0;
    *d = (struct nb_diagnosis){0};
    for (size_t i = 0; i < x.n; i++)
        x.most = fmax(x.most, fabs(s->truth[i]));
    if (nb_shape_same(&s->submitted.shape, &s->shape) == 1 && nb_all_alike(&x, s->truth, 1))
        return 0;
    for (size_t i = 0; i < sizeof tests / sizeof *tests && !found; i++)
        found = tests[i].many && digits_shown(&x) < ENOUGH ? 0 : tests[i].test(&x, e);
    return found < 0 ? -1 : 0;
}
