/* layout - right numbers in the wrong place: shapes, and axes exchanged. */
#include "grade/exam.h"
#include <string.h>

static const char *shape_text(struct nb_exam *x, const struct nb_shape *s, struct nb_error *e)
{
    char text[200];
    return nb_strdup(x->c->arena, nb_shape_text(s, NULL, text, sizeof text), e);
}

/* The truth's entries are those of `numbers`, entry by entry. */
static bool fits(const struct nb_exam *x, const double *numbers)
{
    struct nb_exam other = *x;
    other.got = numbers;
    return nb_all_alike(&other, x->s->truth, 1);
}

/* What is to be said of numbers that were put into the right place: "right", "exactly twice the expected value". */
static const char *verdict_on(const struct nb_exam *x, const double *numbers, struct nb_error *e)
{
    struct nb_diagnosis d = {0};
    struct nb_exam other = *x;
    other.got = numbers;
    other.d = &d;
    if (fits(x, numbers))
        return "right";
    return nb_test_constants(&other, e) > 0 ? d.pattern : "wrong, too";
}

/* ---- transposed -------------------------------------------------------------------------------------------------- */

/* Rows and columns of the last two dimensions exchanged, in blocks. */
static double *exchanged(const struct nb_exam *x, const struct nb_shape *s, struct nb_error *e)
{
    size_t rows = (size_t)s->dim[s->rank - 2], cols = (size_t)s->dim[s->rank - 1], block = rows * cols;
    double *to = nb_alloc(x->c->arena, x->n, sizeof *to, e);
    for (size_t i = 0; to && i < x->n; i++) {
        size_t k = i % block;
        to[i - k + k % cols * rows + k / cols] = x->got[i];
    }
    return to;
}

static const char transposed_hint[] = "Rows and columns are exchanged: transpose it.";

int nb_test_transposed(struct nb_exam *x, struct nb_error *e)
{
    const struct nb_shape *s = &x->s->shape;
    int r = s->rank;
    if (r < 2 || s->dim[r - 1] < 2 || s->dim[r - 1] != s->dim[r - 2])
        return 0;
    double *t = exchanged(x, s, e);
    if (!t)
        return -1;
    return fits(x, t) ? nb_tell(x, "transposed", true, "its transpose would be right", transposed_hint) : 0;
}

static int is_transposed(struct nb_exam *x, const struct nb_shape *got, struct nb_error *e)
{
    const struct nb_shape *s = &x->s->shape;
    int r = s->rank;
    if (got->rank != r || r < 2 || got->dim[r - 1] != s->dim[r - 2] || got->dim[r - 2] != s->dim[r - 1])
        return 0;
    for (int i = 0; i < r - 2; i++)
        if (got->dim[i] != s->dim[i])
            return 0;
    double *t = exchanged(x, got, e);
    if (!t)
        return -1;
    bool fit = fits(x, t);
    return nb_tell(x, "transposed", fit,
                   nb_sprintf(x->c->arena, e, "shape %s where %s was expected; its transpose would be %s",
                              shape_text(x, got, e), shape_text(x, s, e), verdict_on(x, t, e)),
                   transposed_hint);
}

/* ---- not summed ------------------------------------------------------------------------------------------------- */

/* What is left without the first dimension, with or without a 1 in its place. */
static bool is_rest(const struct nb_shape *got, const struct nb_shape *s)
{
    struct nb_shape rest = {.rank = got->rank - 1}, one = *got;
    if (got->rank < 1 || got->dim[0] < 2)
        return false;
    memcpy(rest.dim, got->dim + 1, (size_t)rest.rank * sizeof *rest.dim);
    one.dim[0] = 1;
    return nb_shape_same(&rest, s) == 1 || nb_shape_same(&one, s) == 1;
}

static int is_not_summed(struct nb_exam *x, const struct nb_shape *got, struct nb_error *e)
{
    bool square = (size_t)nb_count(got) == x->n * x->n && x->n > 1; /* a Jacobian, if the sum is not right */
    if (!is_rest(got, &x->s->shape))
        return 0;
    double *sum = nb_zalloc(x->c->arena, x->n + 1, sizeof *sum, e);
    if (!sum)
        return -1;
    for (size_t i = 0; i < (size_t)nb_count(got); i++)
        sum[i % x->n] += x->got[i];
    bool fit = fits(x, sum);
    if (square && !fit)
        return 0;
    return nb_tell(x, "not_summed_over_batch", fit,
                   nb_sprintf(x->c->arena, e, "%lld rows where one was expected; their sum would be %s",
                              (long long)got->dim[0], verdict_on(x, sum, e)),
                   "One bias serves every sample: add the contributions.");
}

/* ---- the matrix of all derivatives ---------------------------------------------------------------------------------
 */

static int is_jacobian(struct nb_exam *x, const struct nb_shape *got, struct nb_error *e)
{
    size_t n = (size_t)nb_count(got), rows = x->s->shape.rank > 0 ? (size_t)x->s->shape.dim[0] : 1;
    size_t row = rows ? x->n / rows : 0;
    if (x->n < 2 || (n != x->n * x->n && (row < 2 || n != x->n * row)))
        return 0;
    return nb_tell(x, "jacobian", false,
                   nb_sprintf(x->c->arena, e, "shape %s where %s was expected: a derivative for every pair of entries",
                              shape_text(x, got, e), shape_text(x, &x->s->shape, e)),
                   "Return the product with the incoming gradient, not the Jacobian.");
}

/* ---- other shapes ----------------------------------------------------------------------------------------------- */

static int same_numbers(struct nb_exam *x, const struct nb_shape *got, const char *code, struct nb_error *e)
{
    bool fit = (size_t)nb_count(got) == x->n && fits(x, x->got);
    return nb_tell(x, code, fit,
                   nb_sprintf(x->c->arena, e, "shape %s where %s was expected%s", shape_text(x, got, e),
                              shape_text(x, &x->s->shape, e), fit ? "; the numbers are right" : ""),
                   fit ? "Give it the shape of the tensor it belongs to."
                       : "A gradient has the shape of the tensor it belongs to.");
}

static int is_broadcastable(struct nb_exam *x, const struct nb_shape *got, struct nb_error *e)
{
    struct nb_shape both;
    if (nb_broadcast(got, &x->s->shape, &both))
        return 0;
    return same_numbers(x, got, "broadcastable", e);
}

static int is_other(struct nb_exam *x, const struct nb_shape *got, struct nb_error *e)
{
    return same_numbers(x, got, "shape", e);
}

int nb_test_shape(struct nb_exam *x, struct nb_error *e)
{
    static int (*const kinds[])(struct nb_exam *, const struct nb_shape *, struct nb_error *) = {
        is_transposed, is_not_summed, is_jacobian, is_broadcastable, is_other};
    const struct nb_shape *got = &x->s->submitted.shape;
    int found = 0;
    if (nb_shape_same(got, &x->s->shape) == 1)
        return 0;
    if (nb_show_shape(x, "got_shape", got, e) || nb_show_shape(x, "shape", &x->s->shape, e))
        return -1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !found; i++)
        found = kinds[i](x, got, e);
    return found;
}
