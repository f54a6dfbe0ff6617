/* blocks - axes tested bit by bit, and the blocks they make. */
#include "check/blocks.h"
#include "nabla/rng.h"
#include "nabla/team.h"
#include <math.h>
#include <string.h>

struct search {
    struct nb_stand *s;
    const struct nb_shape *shape;
    bool real;
    double *amount;           /* per entry, by what it is perturbed */
    int axis[NB_MAX_RANK][8]; /* per carried axis and output: the output's axis */
    struct nb_error *error;   /* per slot */
};
/* Tests of one axis: test 2 bit + value. */
struct tests {
    struct search *q;
    int axis, first;
    unsigned fits[8], alive[2 * 63][8]; /* per output, the axes that may carry it: by size; after this test */
};

static int64_t stride(const struct nb_shape *s, int axis)
{
    int64_t n = 1;
    for (int k = axis + 1; k < s->rank; k++)
        n *= s->dim[k];
    return n;
}

/* Entries of the operand whose index along the axis has this bit set to `value` are moved. */
static void perturb(const struct search *q, int slot, int axis, int bit, int value)
{
    int64_t step = stride(q->shape, axis), size = q->shape->dim[axis];
    double *x = q->s->d[slot].x;
    double _Complex *z = q->real ? NULL : q->s->z[slot].x;
    nb_stand_reset(q->s, slot);
    for (int64_t first = 0; first < (int64_t)q->s->n; first += step) {
        if ((first / step % size >> bit & 1) != value)
            continue;
        for (int64_t i = first; i < first + step; i++)
            if (q->real)
                x[i] += q->amount[i] * (fabs(x[i]) > 1 ? fabs(x[i]) : 1);
            else
                z[i] = CMPLX(creal(z[i]), q->amount[i] * NB_STEP);
    }
}

static bool moved(const struct search *q, int slot, int o, const double *base, int64_t first, int64_t n)
{
    const double *y = q->real ? nb_stand_y(q->s, slot, o) : NULL;
    const double _Complex *z = q->real ? NULL : nb_stand_z(q->s, slot, o);
    for (int64_t j = first; j < first + n; j++)
        if (q->real ? y[j] != base[j] : cimag(z[j]) != 0)
            return true;
    return false;
}

/* Something else than (bit, value) moved along this axis of output o. */
static bool leaks(const struct search *q, int slot, int o, const double *base, int axis, int bit, int value)
{
    const struct nb_shape *y = nb_stand_shape(q->s, o);
    int64_t n = nb_count(y), step = stride(y, axis);
    for (int64_t j = 0; j < n; j += step)
        if ((j / step % y->dim[axis] >> bit & 1) != value && moved(q, slot, o, base, j, step))
            return true;
    return false;
}

static void one_test(void *context, int slot, int i)
{
    struct tests *t = context;
    struct search *q = t->q;
    struct nb_error *e = &q->error[slot];
    int test = t->first + i, bit = test / 2, value = test % 2;
    if (e->code)
        return;
    perturb(q, slot, t->axis, bit, value);
    if (q->real ? nb_stand_real(q->s, slot, e) : nb_stand_complex(q->s, slot, e))
        return;
    const double *base = q->s->base;
    for (int o = 0; o < q->s->nout; base += nb_count(nb_stand_shape(q->s, o)), o++) {
        t->alive[test][o] = t->fits[o];
        for (int k = 0; k < nb_stand_shape(q->s, o)->rank; k++)
            if (t->fits[o] >> k & 1 && leaks(q, slot, o, base, k, bit, value))
                t->alive[test][o] &= ~(1u << k);
    }
}

/* Tests first..last-1; what is left of `alive` after them. */
static int run_tests(struct tests *t, int first, int last, unsigned *alive, struct nb_error *e)
{
    t->first = first;
    nb_team_run(one_test, t, last - first);
    for (int i = 0; i < t->q->s->slots; i++)
        if (t->q->error[i].code) {
            *e = t->q->error[i];
            return -1;
        }
    for (int i = first; i < last; i++)
        for (int o = 0; o < t->q->s->nout; o++)
            alive[o] &= t->alive[i][o];
    return 0;
}

static unsigned same_size(const struct nb_shape *y, int64_t n, unsigned taken)
{
    unsigned alive = 0;
    for (int k = 0; k < y->rank; k++)
        if (y->dim[k] == n && !(taken >> k & 1))
            alive |= 1u << k;
    return alive;
}

static int first_of(unsigned alive)
{
    int k = 0;
    while (!(alive >> k & 1))
        k++;
    return k;
}

static bool all_alive(const unsigned *alive, int n)
{
    for (int o = 0; o < n; o++)
        if (!alive[o])
            return false;
    return true;
}

/* 1 if the axis is carried to an axis of each output, which stand in q->axis then; 0 if not; -1 on an error. The first
 * test is most often enough to tell that it is not. */
static int carried(struct search *q, int axis, const unsigned *taken, int row, struct nb_blocks *b, struct nb_error *e)
{
    struct tests t = {.q = q, .axis = axis};
    unsigned alive[8];
    int64_t n = q->shape->dim[axis];
    int tests = 0;
    while ((int64_t)1 << tests / 2 < n)
        tests += 2;
    for (int o = 0; o < q->s->nout; o++)
        alive[o] = t.fits[o] = same_size(nb_stand_shape(q->s, o), n, taken[o]);
    if (!all_alive(alive, q->s->nout))
        return 0;
    if (run_tests(&t, 0, 1, alive, e) || (all_alive(alive, q->s->nout) && run_tests(&t, 1, tests, alive, e)))
        return -1;
    if (!all_alive(alive, q->s->nout))
        return b->leaks++, 0;
    for (int o = 0; o < q->s->nout; o++)
        q->axis[row][o] = first_of(alive[o]);
    return 1;
}

/* ---- from axes to blocks --------------------------------------------------------------------------------------- */

/* Offsets of all index combinations of some axes, the last axis fastest. */
static int64_t *offsets(const struct nb_shape *s, const bool *use, int64_t *count, struct nb_arena *a,
                        struct nb_error *e)
{
    *count = 1;
    for (int k = 0; k < s->rank; k++)
        *count *= use[k] ? s->dim[k] : 1;
    int64_t *to = nb_alloc(a, (size_t)*count, sizeof *to, e);
    for (int64_t i = 0; i < *count && to; i++) {
        int64_t rest = i;
        to[i] = 0;
        for (int k = s->rank - 1; k >= 0; k--)
            if (use[k]) {
                to[i] += rest % s->dim[k] * stride(s, k);
                rest /= s->dim[k];
            }
    }
    return to;
}

static int32_t *blocks_of(const struct search *q, int o, const struct nb_shape *x, const int *list, int n,
                          struct nb_arena *a, struct nb_error *e)
{
    const struct nb_shape *y = nb_stand_shape(q->s, o);
    int64_t count = nb_count(y);
    int32_t *to = nb_alloc(a, (size_t)count, sizeof *to, e);
    for (int64_t j = 0; j < count && to; j++) {
        int64_t b = 0;
        for (int i = 0; i < n; i++) {
            int axis = q->axis[i][o];
            b = b * x->dim[list[i]] + j / stride(y, axis) % y->dim[axis];
        }
        to[j] = (int32_t)b;
    }
    return to;
}

static const char *name_of(const struct nb_shape *x, const bool *use, int n)
{
    int axes = 0;
    for (int k = 0; k < x->rank; k++)
        axes += x->dim[k] > 1;
    if (n == axes)
        return "pointwise";
    if (n == 0)
        return "dense";
    if (n == axes - 1 && !use[x->rank - 1])
        return "row-wise";
    return n == 1 && x->rank == 2 ? "column-wise" : "blocks";
}

int nb_blocks_find(struct nb_stand *s, bool real, struct nb_seed seed, struct nb_arena *a, struct nb_blocks *b,
                   struct nb_error *e)
{
    struct search q = {.s = s,
                       .shape = &s->at->plan->net.values.v[nb_stand_value(s->op, s->port)].shape,
                       .real = real,
                       .amount = nb_alloc(a, s->n, sizeof *q.amount, e),
                       .error = nb_zalloc(a, (size_t)s->slots, sizeof *q.error, e)};
    const struct nb_shape *x = q.shape;
    bool use[NB_MAX_RANK] = {false}, rest[NB_MAX_RANK];
    unsigned taken[8] = {0};
    int list[NB_MAX_RANK], n = 0;
    *b = (struct nb_blocks){0};
    if (!q.amount || !q.error)
        return -1;
    nb_draw_amounts(nb_stream_of(seed, "leaks"), 0, s->n, q.amount);
    for (int k = 0; k < x->rank && s->nout <= 8; k++) {
        int is = x->dim[k] > 1 ? carried(&q, k, taken, n, b, e) : 0;
        if (is < 0)
            return -1;
        if (!is)
            continue;
        use[k] = true;
        for (int o = 0; o < s->nout; o++)
            taken[o] |= 1u << q.axis[n][o];
        list[n++] = k;
    }
    for (int k = 0; k < x->rank; k++)
        rest[k] = !use[k];
    for (int i = 0; i < s->slots; i++)
        nb_stand_reset(s, i);
    b->carried = n;
    b->name = name_of(x, use, n);
    b->base = offsets(x, use, &b->blocks, a, e);
    b->offset = offsets(x, rest, &b->colours, a, e);
    b->block = nb_small(a, (size_t)s->nout + 1, sizeof *b->block, e);
    for (int o = 0; o < s->nout && b->block; o++)
        if (!(b->block[o] = blocks_of(&q, o, x, list, n, a, e)))
            return -1;
    return b->base && b->offset && b->block ? 0 : -1;
}
