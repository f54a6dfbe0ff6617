/* blocks - axes tested bit by bit, and the blocks they make. */
#include "check/blocks.h"
#include "nabla/rng.h"
#include <math.h>
#include <string.h>

struct search {
    struct nb_stand *s;
    const struct nb_shape *shape;
    bool real;
    struct nb_stream stream;
    int axis[NB_MAX_RANK][8]; /* per carried axis and output: the output's axis */
    uint64_t draw;
};

static int64_t stride(const struct nb_shape *s, int axis)
{
    int64_t n = 1;
    for (int k = axis + 1; k < s->rank; k++)
        n *= s->dim[k];
    return n;
}

/* Random amounts on the entries whose index along the axis has this bit set to `value`. */
static void perturb(struct search *q, int axis, int bit, int value)
{
    int64_t step = stride(q->shape, axis), size = q->shape->dim[axis];
    double *x = q->s->d[0].x;
    double _Complex *z = q->s->z[0].x;
    nb_stand_reset(q->s, 0);
    for (int64_t i = 0; i < (int64_t)q->s->n; i++) {
        if ((i % step == 0) && (i / step % size >> bit & 1) != value) {
            i += step - 1; /* the whole run along the later axes */
            continue;
        }
        double u = nb_uniform(q->stream, q->draw++) - 0.5, v = u < 0 ? u - 0.5 : u + 0.5;
        if (q->real)
            x[i] += v * (fabs(x[i]) > 1 ? fabs(x[i]) : 1);
        else
            z[i] = CMPLX(creal(z[i]), v * NB_STEP);
    }
}

static bool moved(const struct search *q, int o, const double *base, int64_t j)
{
    return q->real ? nb_stand_y(q->s, 0, o)[j] != base[j] : cimag(nb_stand_z(q->s, 0, o)[j]) != 0;
}

/* Takes out of `alive` the axes of output o along which something else than (bit, value) moved. */
static unsigned survivors(const struct search *q, int o, const double *base, unsigned alive, int bit, int value)
{
    const struct nb_shape *y = nb_stand_shape(q->s, o);
    int64_t n = nb_count(y);
    for (int64_t j = 0; j < n && alive; j++) {
        if (!moved(q, o, base, j))
            continue;
        for (int k = 0; k < y->rank; k++)
            if (alive >> k & 1 && (j / stride(y, k) % y->dim[k] >> bit & 1) != value)
                alive &= ~(1u << k);
    }
    return alive;
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

/* 1 if the axis is carried to an axis of each output, which stand in q->axis then; 0 if not; -1 on an error. */
static int carried(struct search *q, int axis, const unsigned *taken, int row, struct nb_blocks *b, struct nb_error *e)
{
    unsigned alive[8];
    int64_t n = q->shape->dim[axis];
    for (int o = 0; o < q->s->nout; o++)
        alive[o] = same_size(nb_stand_shape(q->s, o), n, taken[o]);
    bool fits = all_alive(alive, q->s->nout);
    for (int t = 0; (int64_t)1 << t < n; t++)
        for (int value = 0; value < 2; value++) {
            if (!all_alive(alive, q->s->nout))
                return b->leaks += fits, 0;
            perturb(q, axis, t, value);
            if (q->real ? nb_stand_real(q->s, 0, e) : nb_stand_complex(q->s, 0, e))
                return -1;
            const double *base = q->s->base;
            for (int o = 0; o < q->s->nout; base += nb_count(nb_stand_shape(q->s, o)), o++)
                alive[o] = survivors(q, o, base, alive[o], t, value);
        }
    if (!all_alive(alive, q->s->nout))
        return b->leaks += fits, 0;
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
                       .stream = nb_stream_of(seed, "leaks")};
    const struct nb_shape *x = q.shape;
    bool use[NB_MAX_RANK] = {false}, rest[NB_MAX_RANK];
    unsigned taken[8] = {0};
    int list[NB_MAX_RANK], n = 0;
    *b = (struct nb_blocks){0};
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
    nb_stand_reset(s, 0);
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
