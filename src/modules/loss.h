/* loss.h - what the losses share: reductions, labels, class numbers, and losses that are sums of terms f(x_i, y_i).
 *
 * The argument struct of every loss begins with int64_t reduction. */
#ifndef NABLA_LOSS_H
#define NABLA_LOSS_H
#include "nabla/branch.h"
#include "nabla/kernel.h"
#include "nabla/module.h"
#include <string.h>

/* ---- reductions ------------------------------------------------------------------------------------------------- */

enum nb_reduction { NB_EACH, NB_SUM, NB_MEAN, NB_BATCHMEAN };
static const char *const nb_reductions[] = {"none", "sum", "mean", "batchmean", NULL};

#define NB_REDUCTION(args, def)                                                                                        \
    {                                                                                                                  \
        "reduction", NB_ARG_CHOICE, offsetof(args, reduction), def, 0, 0, 0, nb_reductions,                            \
            "mean divides the sum by the number of entries of none, batchmean by the size of the first dimension"      \
    }

static inline int64_t nb_reduction(const void *args)
{
    return *(const int64_t *)args;
}

static inline size_t nb_entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

/* Size of the first dimension; a single number is one sample. */
static inline size_t nb_batch(const struct nb_shape *s)
{
    return s->rank > 0 ? (size_t)s->dim[0] : 1;
}

/* [B], one number for each sample. */
static inline struct nb_shape nb_samples(const struct nb_shape *s)
{
    return s->rank > 0 ? nb_shape_of(1, s->dim[0]) : nb_shape_of(0);
}

/* The output: the shape of none, or a single number. */
static inline void nb_loss_out(struct nb_infer *s, const struct nb_shape *each)
{
    s->out[0] = nb_reduction(s->args) == NB_EACH ? *each : nb_shape_of(0);
}

/* What the sum is divided by; `each` is the number of entries of none. */
static inline double nb_divisor(int64_t reduction, size_t each, size_t batch)
{
    return reduction == NB_MEAN ? (double)each : reduction == NB_BATCHMEAN ? (double)batch : 1;
}

/* ---- faults ----------------------------------------------------------------------------------------------------- */

/* The fault set in e lies at entry `flat` of this input. Always -1. */
static inline int nb_fault_at(const struct nb_call *c, int input, size_t flat, struct nb_error *e)
{
    const struct nb_shape *s = &c->in[input].shape;
    e->port = 1 + input;
    for (int i = s->rank - 1; i >= 0; i--) {
        nb_at_index(e, flat % (size_t)s->dim[i]);
        flat /= (size_t)s->dim[i];
    }
    return -1;
}

static inline int nb_same_shapes(const struct nb_infer *s, int i, const char *a, int j, const char *b,
                                 struct nb_error *e)
{
    char left[200], right[200];
    if (nb_shape_same(&s->in[i], &s->in[j]) != 0)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "%s is %s, %s is %s: they must have the same shape", a,
                   nb_shape_text(&s->in[i], s->symbols, left, sizeof left), b,
                   nb_shape_text(&s->in[j], s->symbols, right, sizeof right));
}

/* ---- labels: targets from a set of two, real or integer --------------------------------------------------------- */

/* How many labels are neither a nor b. */
static inline size_t nb_count_others(const struct nb_tensor *t, double a, double b)
{
    const int64_t *whole = t->data;
    const nb_real *real = t->data;
    size_t n = nb_entries(t), others = 0;
    if (t->dtype == NB_I64)
        for (size_t i = 0; i < n; i++)
            others += whole[i] != (int64_t)a && whole[i] != (int64_t)b;
    else
        for (size_t i = 0; i < n; i++)
            others += !(nb_re(real[i]) == (nb_part)a || nb_re(real[i]) == (nb_part)b);
    return others;
}

static inline int nb_check_labels(const struct nb_call *c, int input, double a, double b, struct nb_error *e)
{
    const struct nb_tensor *t = &c->in[input];
    if (!nb_count_others(t, a, b))
        return 0;
    size_t i = 0;
    while (nb_number(t, i) == a || nb_number(t, i) == b)
        i++;
    nb_fail(e, NB_E_bad_value, "a label is %g or %g, %g came", a, b, nb_number(t, i));
    return nb_fault_at(c, input, i, e);
}

/* Labels have no derivative: what is asked of them is 0. */
static inline void nb_no_gradient(const struct nb_tensor *gin)
{
    if (gin->data)
        memset(gin->data, 0, nb_entries(gin) * sizeof(nb_real));
}

/* ---- class numbers ---------------------------------------------------------------------------------------------- */

/* Classes are dimension 1, or the only one: x is [outer, classes, inner], its rows are outer * inner. */
struct nb_classes {
    size_t outer, classes, inner, rows;
};

static inline struct nb_classes nb_classes_of(const struct nb_shape *s)
{
    struct nb_classes k = {1, 1, 1, 1};
    int axis = s->rank > 1;
    for (int i = 0; i < s->rank; i++)
        *(i < axis ? &k.outer : i > axis ? &k.inner : &k.classes) *= (size_t)s->dim[i];
    k.rows = k.outer * k.inner;
    return k;
}

/* Where row r begins in x; its entries are k.inner apart. */
static inline size_t nb_row(const struct nb_classes *k, size_t r)
{
    return r / k->inner * k->classes * k->inner + r % k->inner;
}

/* The shape without the dimension of the classes. */
static inline struct nb_shape nb_without_classes(const struct nb_shape *s)
{
    struct nb_shape out = {.rank = s->rank - 1};
    for (int i = 0, axis = s->rank > 1, j = 0; i < s->rank; i++)
        if (i != axis)
            out.dim[j++] = s->dim[i];
    return out;
}

/* Input 1 of a loss over classes: class numbers of the shape without classes, or (integer false) distributions. */
static inline int nb_class_target(const struct nb_infer *s, bool integer, struct nb_error *e)
{
    char in[200], want[200], came[200];
    const struct nb_shape *x = &s->in[0];
    struct nb_shape numbers = nb_without_classes(x);
    if (nb_shape_same(integer ? &numbers : x, &s->in[1]) != 0)
        return 0;
    nb_shape_text(x, s->symbols, in, sizeof in);
    nb_shape_text(&numbers, s->symbols, want, sizeof want);
    nb_shape_text(&s->in[1], s->symbols, came, sizeof came);
    if (integer)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, so class numbers are %s; target is %s", in, want, came);
    return nb_fail(e, NB_E_shape_mismatch,
                   "input is %s, target is %s: distributions have the input's shape (class numbers are int64, %s)", in,
                   came, want);
}

/* Class numbers are 0..classes-1, or equal to `ignore` (NB_NONE: nothing is ignored). */
static inline int nb_check_classes(const struct nb_call *c, size_t classes, int64_t ignore, struct nb_error *e)
{
    const int64_t *t = c->in[1].data;
    for (size_t i = 0, n = nb_entries(&c->in[1]); i < n; i++)
        if (t[i] != ignore && (t[i] < 0 || t[i] >= (int64_t)classes)) {
            nb_fail(e, NB_E_bad_index, "class number %lld is not in 0 to %lld", (long long)t[i],
                    (long long)classes - 1);
            return nb_fault_at(c, 1, i, e);
        }
    return 0;
}

/* One weight for each class, or none at all. */
static inline int nb_check_weight(const struct nb_infer *s, const struct nb_reals *weight, struct nb_error *e)
{
    int64_t classes = s->in[0].dim[s->in[0].rank > 1];
    if (!weight->n || nb_dim_same(classes, (int64_t)weight->n) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "weight has %zu numbers, there are %lld classes", weight->n, (long long)classes);
    return nb_at(e, "weight");
}

/* 0/0: a mean over samples that are all left out. Always -1. */
static inline int nb_all_ignored(struct nb_error *e)
{
    e->port = 2;
    return nb_fail(e, NB_E_bad_value, "all samples are ignored: they have no mean");
}

#define NB_CLASS_WEIGHT(args)                                                                                          \
    {                                                                                                                  \
        "weight", NB_ARG_REALS, offsetof(args, weight), 0, 0, 0, 0, NULL, "a weight for each class"                    \
    }
#define NB_IGNORE_INDEX(args)                                                                                          \
    {                                                                                                                  \
        "ignore_index", NB_ARG_INT, offsetof(args, ignore_index), -100, 0, 0, 0, NULL,                                 \
            "samples with this class number are left out"                                                              \
    }

/* ---- sums of terms ---------------------------------------------------------------------------------------------- */

/* y times l, and 0 where y is 0, also if l is infinite: 0 ln 0 = 0. */
static inline nb_real nb_times(nb_real y, nb_real l)
{
    return y == 0 ? 0 : y * l;
}

/* A loss whose every entry gives a term: n terms, and their derivatives by x and y, from entry number `at` on. */
struct nb_terms {
    void (*value)(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t);
    void (*slope)(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx, nb_real *dy);
    bool per_sample;      /* none gives [B], not the shape */
    bool labels;          /* the target is -1 or 1, may be integer, and has no derivative */
    const char *names[2]; /* of the ports; NULL: input and target */
};

enum { NB_CHUNK = 512 };

static inline int nb_terms_infer(struct nb_infer *s, const struct nb_terms *f, struct nb_error *e)
{
    if (nb_same_shapes(s, 0, f->names[0] ? f->names[0] : "input", 1, f->names[1] ? f->names[1] : "target", e))
        return -1;
    struct nb_shape each = f->per_sample ? nb_samples(&s->in[0]) : s->in[0];
    nb_loss_out(s, &each);
    return 0;
}

/* Entries from..from+n of the target. Labels are copied into buf: as reals, and without a derivative. */
static inline const nb_real *nb_target(const struct nb_call *c, const struct nb_terms *f, size_t from, size_t n,
                                       nb_real *buf)
{
    const struct nb_tensor *t = &c->in[1];
    if (!f->labels)
        return (const nb_real *)t->data + from;
    if (t->dtype == NB_I64)
        for (size_t i = 0; i < n; i++)
            buf[i] = (nb_part)((const int64_t *)t->data)[from + i];
    else
        for (size_t i = 0; i < n; i++)
            buf[i] = nb_re(((const nb_real *)t->data)[from + i]);
    return buf;
}

static inline size_t nb_chunk(size_t left)
{
    return left < NB_CHUNK ? left : NB_CHUNK;
}

/* The terms of n entries: into t, or if that is NULL, added up. */
static inline nb_sum nb_terms_run(const struct nb_call *c, const struct nb_terms *f, size_t from, size_t n, nb_real *t)
{
    nb_real y[NB_CHUNK], own[NB_CHUNK];
    nb_sum s = 0;
    for (size_t k, end = from + n; from < end; from += k) {
        k = nb_chunk(end - from);
        f->value(c->args, from, k, (const nb_real *)c->in[0].data + from, nb_target(c, f, from, k, y),
                 t ? t + from : own);
        s += t ? 0 : NB(nb_total)(k, own);
    }
    return s;
}

static inline int nb_terms_forward(const struct nb_call *c, const struct nb_terms *f, struct nb_error *e)
{
    if (f->labels && nb_check_labels(c, 1, -1, 1, e))
        return -1;
    int64_t reduction = nb_reduction(c->args);
    size_t n = nb_entries(&c->in[0]), batch = nb_batch(&c->in[0].shape), rows = f->per_sample ? batch : n;
    nb_real *out = c->out[0].data;
    if (reduction == NB_EACH && !f->per_sample)
        nb_terms_run(c, f, 0, n, out);
    else if (reduction == NB_EACH)
        for (size_t i = 0; i < rows; i++)
            out[i] = (nb_real)nb_terms_run(c, f, i * (n / rows), n / rows, NULL);
    else
        *out = (nb_real)(nb_terms_run(c, f, 0, n, NULL) / nb_divisor(reduction, rows, batch));
    return 0;
}

/* d times g; exactly 0 where no gradient comes in. One g for all (step 0), or one for each. */
static inline void nb_weigh(size_t n, const nb_real *g, size_t step, nb_real *d)
{
    if (step)
        for (size_t i = 0; i < n; i++)
            d[i] = g[i] == 0 ? 0 : g[i] * d[i];
    else if (*g == 0)
        memset(d, 0, n * sizeof *d);
    else
        for (size_t i = 0; i < n; i++)
            d[i] *= *g;
}

/* The gradients of entries from..from+n, weighed by g. */
static inline void nb_terms_slope(const struct nb_call *c, const struct nb_terms *f, size_t from, size_t n,
                                  const nb_real *g, size_t step)
{
    nb_real y[NB_CHUNK], own[2][NB_CHUNK], *gx = c->gin[0].data, *gy = f->labels ? NULL : c->gin[1].data;
    for (size_t k, end = from + n; from < end; from += k, g += k * step) {
        k = nb_chunk(end - from);
        nb_real *dx = gx ? gx + from : own[0], *dy = gy ? gy + from : own[1];
        f->slope(c->args, from, k, (const nb_real *)c->in[0].data + from, nb_target(c, f, from, k, y), dx, dy);
        if (gx)
            nb_weigh(k, g, step, dx);
        if (gy)
            nb_weigh(k, g, step, dy);
    }
}

static inline void nb_terms_backward(const struct nb_call *c, const struct nb_terms *f)
{
    int64_t reduction = nb_reduction(c->args);
    size_t n = nb_entries(&c->in[0]), batch = nb_batch(&c->in[0].shape), rows = f->per_sample ? batch : n;
    const nb_real *g = c->gout[0].data;
    if (f->labels)
        nb_no_gradient(&c->gin[1]);
    if (reduction == NB_EACH && !f->per_sample) {
        nb_terms_slope(c, f, 0, n, g, 1);
    } else if (reduction == NB_EACH) {
        for (size_t i = 0; i < rows; i++)
            nb_terms_slope(c, f, i * (n / rows), n / rows, g + i, 0);
    } else {
        nb_real share = (nb_real)(*g / nb_divisor(reduction, rows, batch));
        nb_terms_slope(c, f, 0, n, &share, 0);
    }
}

/* infer, forward and backward of a loss that is nothing but its terms; in a file of several their names begin with
 * name_. */
#define NB_TERMS_LOSS(terms) NB_TERMS_CALLS(, terms)
#define NB_TERMS_LOSS_OF(name, terms) NB_TERMS_CALLS(name##_, terms)
#define NB_TERMS_CALLS(name, terms)                                                                                    \
    static int name##infer(struct nb_infer *s, struct nb_error *e)                                                     \
    {                                                                                                                  \
        return nb_terms_infer(s, &(terms), e);                                                                         \
    }                                                                                                                  \
    static int name##forward(const struct nb_call *c, struct nb_error *e)                                              \
    {                                                                                                                  \
        return nb_terms_forward(c, &(terms), e);                                                                       \
    }                                                                                                                  \
    static int name##backward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        nb_terms_backward(c, &(terms));                                                                                \
        return 0;                                                                                                      \
    }

/* ---- losses of rows: each gives one number ---------------------------------------------------------------------- */

/* The numbers of all rows by the reduction. */
static inline void nb_each_row(const struct nb_call *c, size_t rows, size_t batch,
                               nb_sum (*value)(const struct nb_call *c, size_t row))
{
    int64_t reduction = nb_reduction(c->args);
    nb_real *out = c->out[0].data;
    nb_sum all = 0;
    for (size_t r = 0; r < rows; r++) {
        nb_sum v = value(c, r);
        if (reduction == NB_EACH)
            out[r] = (nb_real)v;
        all += v;
    }
    if (reduction != NB_EACH)
        *out = (nb_real)(all / nb_divisor(reduction, rows, batch));
}

/* slope writes the gradients of one row, whose number gets g. */
static inline void nb_each_row_back(const struct nb_call *c, size_t rows, size_t batch,
                                    void (*slope)(const struct nb_call *c, size_t row, nb_real g))
{
    int64_t reduction = nb_reduction(c->args);
    const nb_real *g = c->gout[0].data;
    double divisor = nb_divisor(reduction, rows, batch);
    for (size_t r = 0; r < rows; r++)
        slope(c, r, reduction == NB_EACH ? g[r] : (nb_real)(*g / divisor));
}

/* Size of the last dimension: the length of a row. */
static inline size_t nb_row_length(const struct nb_shape *s)
{
    return (size_t)s->dim[s->rank - 1];
}

/* How many rows there are: the entries of none. */
static inline size_t nb_row_count(const struct nb_shape *s)
{
    size_t n = 1;
    for (int i = 0; i < s->rank - 1; i++)
        n *= (size_t)s->dim[i];
    return n;
}

/* How many samples the rows belong to. */
static inline size_t nb_row_batch(const struct nb_shape *s)
{
    return s->rank > 1 ? (size_t)s->dim[0] : 1;
}

/* Of none: the shape without the last dimension; a single number has no row. */
static inline int nb_row_shape(const struct nb_infer *s, int i, const char *name, struct nb_shape *each,
                               struct nb_error *e)
{
    *each = s->in[i];
    if (each->rank == 0)
        return nb_fail(e, NB_E_shape_mismatch, "%s is a single number, wanted are rows", name);
    each->rank--;
    return 0;
}

/* A label for each row. */
static inline int nb_row_labels(const struct nb_infer *s, int i, const struct nb_shape *each, struct nb_error *e)
{
    char want[200], came[200];
    if (nb_shape_same(each, &s->in[i]) != 0)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "wanted is one label for each row, %s; target is %s",
                   nb_shape_text(each, s->symbols, want, sizeof want),
                   nb_shape_text(&s->in[i], s->symbols, came, sizeof came));
}

static const struct nb_port nb_pair_ports[] = {{"input", NB_REAL_PORT, 0}, {"target", NB_REAL_PORT, 0}, {0}};
static const struct nb_port nb_label_ports[] = {{"input", NB_REAL_PORT, 0}, {"target", NB_ANY_PORT, 0}, {0}};

#endif
