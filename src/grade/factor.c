/* factor - the right gradient times something: known constants, arguments of modules, any number, one number for each
 * row or column. */
#include "grade/exam.h"
#include <math.h>
#include <string.h>

/* ---- constants that everybody knows ----------------------------------------------------------------------------- */

/* times * N^batch * T^steps * D^size */
struct constant {
    const char *code;
    double times;
    int batch, steps, size;
    const char *hint;
};

#define SUM_ASKED "Divided by N? The sum over the batch is asked for."
#define STEPS_ASKED "Divided by the number of time steps? Their contributions are added."
#define MEAN_ASKED "Is the division of a mean missing?"
static const struct constant constants[] = {
    {"sign", -1, 0, 0, 0, "Direction reversed: which is subtracted from which?"},
    {"factor_2", 2, 0, 0, 0, "Does the 1/2 of the loss meet the 2 of the square?"},
    {"factor_2", 0.5, 0, 0, 0, "Does the 2 of the square meet a 1/2 that is not there?"},
    {"factor_batch", 1, 1, 0, 0, "Is the 1/N of a mean over the batch missing, or are samples counted twice?"},
    {"factor_batch", 1, -1, 0, 0, SUM_ASKED},
    {"factor_batch_squared", 1, -2, 0, 0, "Divided by N twice too often?"},
    {"factor_batch_sign", -1, -1, 0, 0, "Divided by N, and the direction is reversed."},
    {"factor_steps", 1, 0, 1, 0, "Is every time step counted too often?"},
    {"factor_steps", 1, 0, -1, 0, STEPS_ASKED},
    {"factor_size", 1, 0, 0, 1, MEAN_ASKED},
    {"factor_size", 1, 0, 0, -1, "Divided by the entries of a sample? Their sum is asked for."},
    {"factor_entries", 1, 1, 0, 1, MEAN_ASKED},
    {"factor_entries", 1, -1, 0, -1, "Divided by the number of entries? Their sum is asked for."},
};

static bool applies(const struct nb_clinic *c, const struct constant *k)
{
    return (!k->batch || c->batch > 1) && (!k->steps || c->steps > 1) && (!k->size || c->entries > 1);
}

static double value_of(const struct nb_clinic *c, const struct constant *k)
{
    return k->times * pow((double)c->batch, k->batch) * pow((double)c->steps, k->steps) *
           pow((double)c->entries, k->size);
}

/* "exactly 1/3 of", "exactly 3 times", "the negative of" */
static const char *amount(struct nb_exam *x, double v, struct nb_error *e)
{
    const char *minus = v < 0 ? "the negative of " : "";
    double size = fabs(v);
    if (size == 1)
        return "exactly the negative of";
    if (size == 2)
        return "exactly twice";
    if (size == 0.5)
        return "exactly half of";
    if (size > 1)
        return nb_sprintf(x->c->arena, e, "%sexactly %.0f times", minus, size);
    return nb_sprintf(x->c->arena, e, "%sexactly 1/%.0f of", minus, 1 / size);
}

/* Where the number comes from. */
static const char *origin(struct nb_exam *x, const struct constant *k, struct nb_error *e)
{
    const struct nb_clinic *c = x->c;
    long long n = c->batch, d = c->entries;
    if (k->batch && k->size)
        return nb_sprintf(c->arena, e, ", and your batch has %lld rows of %lld entries", n, d);
    if (k->batch || (c->batch == 2 && fabs(k->times) != 1)) /* 2 may be N */
        return nb_sprintf(c->arena, e, ", and your batch has %lld rows", n);
    if (k->steps)
        return nb_sprintf(c->arena, e, ", and there are %lld time steps", (long long)c->steps);
    return k->size ? nb_sprintf(c->arena, e, ", and each sample has %lld entries", d) : "";
}

static int tell_constant(struct nb_exam *x, const struct constant *k, struct nb_error *e)
{
    const struct nb_clinic *c = x->c;
    double v = value_of(c, k);
    const char *how = amount(x, v, e), *why = how ? origin(x, k, e) : NULL;
    if (!why || nb_show_number(x, "c", v, e) || nb_show_number(x, "residual", nb_residual(x, v), e) ||
        (k->batch && nb_show_whole(x, "n", c->batch, e)) || (k->steps && nb_show_whole(x, "steps", c->steps, e)) ||
        (k->size && nb_show_whole(x, "size", c->entries, e)))
        return -1;
    return nb_tell(x, k->code, true, nb_sprintf(c->arena, e, "%s the expected value%s", how, why), k->hint);
}

int nb_test_constants(struct nb_exam *x, struct nb_error *e)
{
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (applies(x->c, &constants[i]) && nb_all_alike(x, x->s->truth, value_of(x->c, &constants[i])))
            return tell_constant(x, &constants[i], e);
    return 0;
}

/* ---- any number ---------------------------------------------------------------------------------------------------
 */

/* Entries of the truth that are not 0 within their bars, and large enough to weigh. */
static bool counts(const struct nb_exam *x, size_t i)
{
    return fabs(x->s->truth[i]) > 1e-3 * x->most && !(x->s->bar && fabs(x->s->truth[i]) <= 100 * x->s->bar[i]);
}

/* Entries i0, i0 + step, ... n of them: the factor they have in common; false if there is none. */
static bool factor_of(const struct nb_exam *x, size_t i0, size_t step, size_t n, double *c, size_t *weight)
{
    double st = 0, tt = 0;
    *weight = 0;
    for (size_t k = 0; k < n; k++) {
        size_t i = i0 + k * step;
        double t = x->s->truth[i] / x->most, s = x->got[i] / x->most;
        st += s * t;
        tt += t * t;
        *weight += counts(x, i);
    }
    *c = tt > 0 ? st / tt : 0;
    for (size_t k = 0; k < n; k++)
        if (!nb_alike(x, i0 + k * step, x->got[i0 + k * step], x->s->truth[i0 + k * step], *c))
            return false;
    return true;
}

/* A single entry is proportional to anything. */
int nb_test_factor(struct nb_exam *x, struct nb_error *e)
{
    double c;
    size_t weight;
    if (!(x->most > 0) || !factor_of(x, 0, 1, x->n, &c, &weight) || weight < 2 || c == 0)
        return 0;
    if (nb_show_number(x, "c", c, e) || nb_show_number(x, "residual", nb_residual(x, c), e))
        return -1;
    return nb_tell(x, "factor", true, nb_sprintf(x->c->arena, e, "every entry is %.6g times the expected value", c),
                   "A constant is missing, or one too many: which number of your problem is it?");
}

/* ---- arguments ------------------------------------------------------------------------------------------------------
 */

struct power {
    const char *text; /* of an argument called %s */
    double (*of)(double v);
};
static double itself(double v)
{
    return v;
}
static double inverse(double v)
{
    return 1 / v;
}
static double rest(double v)
{
    return 1 - v;
}
static double inverse_rest(double v)
{
    return 1 / (1 - v);
}
static double odds(double v)
{
    return (1 - v) / v;
}
static double inverse_odds(double v)
{
    return v / (1 - v);
}
static const struct power powers[] = {
    {"%s", itself},        {"1/%s", inverse},
    {"1 - %s", rest},      {"1/(1 - %s)", inverse_rest},
    {"(1 - %s)/%s", odds}, {"%s/(1 - %s)", inverse_odds},
};

static int tell_argument(struct nb_exam *x, const struct nb_op *op, const struct nb_arg *a, const struct power *p,
                         double c, struct nb_error *e)
{
    char what[200];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(what, sizeof what, p->text, a->name, a->name);
#pragma GCC diagnostic pop
    if (nb_show_node(x, op->node, e) || nb_show_number(x, "c", c, e) ||
        nb_show_number(x, "residual", nb_residual(x, c), e) || nb_show_text(x, "argument", a->name, e))
        return -1;
    return nb_tell(x, "factor_argument", true,
                   nb_sprintf(x->c->arena, e, "exactly %s = %.6g times the expected value, and %s is an argument of %s",
                              what, c, a->name, x->d->node),
                   "Is this argument used twice, left out, or on the wrong side of a fraction?");
}

static int try_argument(struct nb_exam *x, const struct nb_op *op, const struct nb_arg *a, struct nb_error *e)
{
    double v = *(const double *)(const void *)((const char *)op->args + a->offset);
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        double c = powers[i].of(v);
        if (isfinite(c) && fabs(c) > 1e-9 && fabs(c - 1) > 10 * x->rho && nb_all_alike(x, x->s->truth, c))
            return tell_argument(x, op, a, &powers[i], c, e);
    }
    return 0;
}

/* A factor that is one entry's alone may be any number: two entries are wanted. */
int nb_test_arguments(struct nb_exam *x, struct nb_error *e)
{
    const struct nb_plan *p = &x->c->p->plan;
    int found = 0;
    double c;
    size_t weight;
    if (!(x->most > 0) || !factor_of(x, 0, 1, x->n, &c, &weight) || weight < 2)
        return 0;
    for (int b = 0; b < p->nback && !found; b++) {
        const struct nb_op *op = p->back[b].op < 0 ? NULL : &p->net.ops.v[p->back[b].op];
        const struct nb_arg *a = op ? nb_op_module(op, NB_F64)->args : NULL;
        for (; a && a->name && !found; a++)
            if (a->type == NB_ARG_REAL)
                found = try_argument(x, op, a, e);
    }
    return found;
}

/* ---- rows and columns ---------------------------------------------------------------------------------------------
 */

struct lines {
    size_t n, entries, first, step; /* n lines; line k begins at k * first, its entries are step apart */
};

/* Every line has a factor of its own, and enough of them are seen to: two lines with two entries that count. A single
 * entry has any factor: lines of one entry are believed where others support them. */
static bool lines_agree(const struct nb_exam *x, const struct lines *l, double *least, double *most)
{
    size_t seen = 0, strong = 0, weak = 0, weight; /* strong, weak: lines that are off */
    double c;
    *least = INFINITY, *most = -INFINITY;
    for (size_t k = 0; k < l->n; k++) {
        if (!factor_of(x, k * l->first, l->step, l->entries, &c, &weight))
            return false;
        if (!weight)
            continue;
        bool off = fabs(c - 1) > 10 * x->rho;
        seen += weight > 1;
        strong += off && weight > 1;
        weak += off && weight == 1;
        *least = fmin(*least, c);
        *most = fmax(*most, c);
    }
    return seen > 1 && 2 * seen >= l->n && strong > 0 && 2 * weak <= strong;
}

static int test_lines(struct nb_exam *x, const struct lines *l, const char *code, const char *what, struct nb_error *e)
{
    double least, most;
    if (!(x->most > 0) || l->n < 2 || l->entries < 2 || !lines_agree(x, l, &least, &most))
        return 0;
    if (nb_show_number(x, "least", least, e) || nb_show_number(x, "most", most, e) ||
        nb_show_whole(x, "lines", (int64_t)l->n, e))
        return -1;
    return nb_tell(
        x, code, true,
        nb_sprintf(x->c->arena, e, "each %s is right up to a factor of its own, from %.4g to %.4g", what, least, most),
        "Something that is the same for all entries of one line is missing, or used twice.");
}

int nb_test_rows(struct nb_exam *x, struct nb_error *e)
{
    const struct nb_shape *s = &x->s->shape;
    if (s->rank < 2 || !x->n)
        return 0;
    size_t n = (size_t)s->dim[0], entries = x->n / n;
    return test_lines(x, &(struct lines){n, entries, entries, 1}, "row_factor", "row", e);
}

int nb_test_columns(struct nb_exam *x, struct nb_error *e)
{
    const struct nb_shape *s = &x->s->shape;
    if (s->rank < 2 || !x->n)
        return 0;
    size_t n = (size_t)s->dim[s->rank - 1], entries = x->n / n;
    return test_lines(x, &(struct lines){n, entries, 1, n}, "column_factor", "column", e);
}
