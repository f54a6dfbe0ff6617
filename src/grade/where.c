/* where - which entries are wrong: on one side of zero, zeros, or any. */
#include "grade/exam.h"
#include <math.h>
#include <string.h>

static bool is_wrong(const struct nb_exam *x, size_t i)
{
    return !nb_alike(x, i, x->got[i], x->s->truth[i], 1);
}

/* ---- one side of zero ----------------------------------------------------------------------------------------------
 */

/* The values of the suspect itself, or NULL. */
static const double *values_of(const struct nb_exam *x)
{
    const struct nb_planned *p = x->c->p;
    for (int i = 0; i < p->plan.wants.nwrt; i++)
        if (!strcmp(p->wrt_name[i], x->s->name))
            return x->c->s.data[p->plan.wants.wrt[i]];
    return NULL;
}

struct side {
    size_t wrong, all; /* of the entries that are not 0 on both sides */
};

static int tell_side(struct nb_exam *x, const struct side *s, const char *code, char sign, struct nb_error *e)
{
    if (nb_show_whole(x, "wrong", (int64_t)s->wrong, e) || nb_show_whole(x, "of", (int64_t)s->all, e))
        return -1;
    return nb_tell(x, code, false,
                   nb_sprintf(x->c->arena, e, "%zu of %zu wrong where x %c 0, none elsewhere", s->wrong, s->all, sign),
                   "Look at the branch for this sign.");
}

/* All of a side, or three: one or two wrong entries are easily on one side by chance. */
static bool is_telling(const struct side *s, const struct side *other)
{
    return !other->wrong && other->all > 1 && (s->wrong > 2 || (s->wrong == 2 && s->all == 2));
}

int nb_test_sides(struct nb_exam *x, struct nb_error *e)
{
    const double *v = values_of(x);
    struct side below = {0}, above = {0};
    for (size_t i = 0; v && i < x->n; i++) {
        struct side *s = v[i] < 0 ? &below : &above;
        s->wrong += is_wrong(x, i);
        s->all++;
        if (v[i] == 0 && is_wrong(x, i))
            return 0;
    }
    if (is_telling(&below, &above))
        return tell_side(x, &below, "negative_side", '<', e);
    if (is_telling(&above, &below))
        return tell_side(x, &above, "positive_side", '>', e);
    return 0;
}

/* ---- zeros
 * ----------------------------------------------------------------------------------------------------------- */

static int test_pattern(struct nb_exam *x, bool zero, const char *code, const char *what, const char *hint,
                        struct nb_error *e)
{
    size_t wrong = 0;
    for (size_t i = 0; i < x->n; i++) {
        if (!is_wrong(x, i))
            continue;
        wrong++;
        if (zero ? x->got[i] != 0 : x->s->truth[i] != 0 && !(x->s->bar && fabs(x->s->truth[i]) <= x->s->bar[i]))
            return 0;
    }
    if (nb_show_whole(x, "wrong", (int64_t)wrong, e) || nb_show_whole(x, "of", (int64_t)x->n, e))
        return -1;
    return nb_tell(x, code, false, nb_sprintf(x->c->arena, e, what, wrong, x->n), hint);
}

int nb_test_zeros(struct nb_exam *x, struct nb_error *e)
{
    return test_pattern(x, true, "zeros", "%zu of %zu entries are zero and should not be; the others are right",
                        "Does the loop reach every entry? Is a mask too wide?", e);
}

int nb_test_no_zeros(struct nb_exam *x, struct nb_error *e)
{
    return test_pattern(x, false, "no_zeros", "%zu of %zu entries should be zero; the others are right",
                        "Something that does not pass the forward passes your backward.", e);
}

/* ---- any
 * --------------------------------------------------------------------------------------------------------------- */

static double relative_error(const struct nb_exam *x, size_t i)
{
    double size = fmax(fabs(x->s->truth[i]), fabs(x->got[i]));
    return size > 0 ? fabs(x->got[i] - x->s->truth[i]) / size : 0;
}

static struct nb_shape index_of(const struct nb_shape *s, size_t i)
{
    struct nb_shape index = {.rank = s->rank};
    for (int k = s->rank - 1; k >= 0; k--) {
        index.dim[k] = (int64_t)(i % (size_t)s->dim[k]);
        i /= (size_t)s->dim[k];
    }
    return index;
}

int nb_test_entries(struct nb_exam *x, struct nb_error *e)
{
    size_t wrong = 0, worst = 0;
    double most = -1;
    for (size_t i = 0; i < x->n; i++) {
        if (!is_wrong(x, i))
            continue;
        wrong++;
        if (relative_error(x, i) > most)
            most = relative_error(x, worst = i);
    }
    struct nb_shape index = index_of(&x->s->shape, worst);
    char text[200];
    if (nb_show_whole(x, "wrong", (int64_t)wrong, e) || nb_show_whole(x, "of", (int64_t)x->n, e) ||
        nb_show_number(x, "largest", most, e) || nb_show_shape(x, "index", &index, e))
        return -1;
    return nb_tell(x, "entries", false,
                   nb_sprintf(x->c->arena, e, "%zu of %zu entries wrong, the worst by %.2g of its size, at %s", wrong,
                              x->n, most, nb_shape_text(&index, NULL, text, sizeof text)),
                   wrong == 1 ? "A single entry: is it a typing error, or the edge of a loop?"
                              : "No known mistake explains this: compare with differences at one entry.");
}
