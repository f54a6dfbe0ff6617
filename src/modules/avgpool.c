/* AvgPool, AdaptiveAvgPool, GlobalAvgPool: the mean of every window. */
#include "modules/pool.h"

/* ---- lines ------------------------------------------------------------------------------------------------------- */

struct scratch {
    nb_sum *in, *out; /* a line of the input, a row of windows */
    double *share;    /* by which a window divides, but for the outer dimensions */
};

static struct scratch scratch_of(const struct nb_pool *p, void *work)
{
    struct scratch s = {.in = work};
    s.out = s.in + p->d[2].in;
    s.share = (double *)(s.out + p->d[2].out);
    return s;
}

NB_SIMD static void add_line(size_t n, const nb_real *x, nb_sum *line)
{
    for (size_t i = 0; i < n; i++)
        line[i] += x[i];
}

NB_SIMD static void add_sums(size_t n, const nb_sum *line, nb_real *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] += (nb_real)line[i];
}

/* One entry for each of n windows. */
static inline void gather(size_t n, const nb_sum *restrict line, size_t stride, nb_sum *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] += line[i * stride];
}

static inline void scatter(size_t n, const nb_sum *restrict out, size_t stride, nb_sum *restrict line)
{
    for (size_t i = 0; i < n; i++)
        line[i * stride] += out[i];
}

NB_SIMD static void gather_next(size_t n, const nb_sum *line, nb_sum *out)
{
    gather(n, line, 1, out);
}

NB_SIMD static void gather_second(size_t n, const nb_sum *line, nb_sum *out)
{
    gather(n, line, 2, out);
}

NB_SIMD static void scatter_next(size_t n, const nb_sum *out, nb_sum *line)
{
    scatter(n, out, 1, line);
}

/* Sums of a line over the windows of a row, or, back, the line from the sums. */
static void move_tap(const struct nb_span *s, const struct nb_line *l, bool back, const struct scratch *w)
{
    nb_sum *line = w->in + l->at, *out = w->out + l->first;
    if (back && s->stride == 1)
        scatter_next(l->n, out, line);
    else if (back)
        scatter(l->n, out, (size_t)s->stride, line);
    else if (s->stride == 1)
        gather_next(l->n, line, out);
    else if (s->stride == 2)
        gather_second(l->n, line, out);
    else
        gather(l->n, line, (size_t)s->stride, out);
}

static void move_cell(const struct nb_taps *t, bool back, nb_sum *line, nb_sum *out)
{
    nb_sum s = 0;
    for (size_t i = t->at; i < t->at + t->n; i++)
        if (back)
            line[i] += *out;
        else
            s += line[i];
    if (!back)
        *out = s;
}

static void move_line(const struct nb_pool *p, bool back, const struct scratch *w)
{
    const struct nb_span *s = &p->d[2];
    memset(back ? w->in : w->out, 0, (size_t)(back ? s->in : s->out) * sizeof(nb_sum));
    for (int64_t k = 0; p->by_tap && k < s->kernel; k++) {
        struct nb_line l = nb_pool_line(p, k);
        move_tap(s, &l, back, w);
    }
    for (size_t o = 0; !p->by_tap && o < (size_t)s->out; o++) {
        struct nb_taps t = nb_taps_of(s, o);
        move_cell(&t, back, w->in, w->out + o);
    }
}

/* ---- divisors ---------------------------------------------------------------------------------------------------- */

/* Entries of a window that count along one dimension. A window that sticks out in ceil mode ends with the padding. */
static double share_of(const struct nb_span *s, const struct nb_divisor *d, size_t o)
{
    if (!d->padding || !s->kernel)
        return (double)nb_taps_of(s, o).n;
    int64_t start = (int64_t)o * s->stride - s->padding, room = s->in + s->padding - start;
    return (double)(s->kernel < room ? s->kernel : room);
}

static void shares(const struct nb_pool *p, const struct nb_divisor *d, double *share)
{
    for (size_t o = 0; o < (size_t)p->d[2].out; o++)
        share[o] = d->fixed != 0 ? d->fixed : share_of(&p->d[2], d, o);
}

/* ---- rows of windows --------------------------------------------------------------------------------------------- */

/* The lines of the input that row number `row` of the windows covers, and what they divide by. */
struct row {
    struct nb_taps z, y;
    double share;
};

static struct row row_of(const struct nb_pool *p, const struct nb_divisor *d, size_t row)
{
    size_t h = (size_t)p->d[1].out, z = row < h ? 0 : row / h, y = row - z * h;
    struct row r = {nb_taps_of(&p->d[0], z), nb_taps_of(&p->d[1], y), 1};
    if (d->fixed == 0)
        r.share = share_of(&p->d[0], d, z) * share_of(&p->d[1], d, y);
    return r;
}

/* Where line i of the row begins in its plane. */
static size_t line_at(const struct nb_pool *p, const struct row *r, size_t i)
{
    size_t depth = i < r->y.n ? 0 : i / r->y.n, z = r->z.at + depth, y = r->y.at + i - depth * r->y.n;
    return (z * (size_t)p->d[1].in + y) * (size_t)p->d[2].in;
}

NB_SIMD static void divide(size_t n, const nb_sum *s, const double *share, double rows, nb_real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (nb_real)(s[i] / (share[i] * rows));
}

NB_SIMD static void divided(size_t n, const nb_real *g, const double *share, double rows, nb_sum *s)
{
    for (size_t i = 0; i < n; i++)
        s[i] = g[i] / (share[i] * rows);
}

void NB(nb_pool_mean)(const struct nb_pool *p, const struct nb_divisor *d, const nb_real *x, nb_real *y, void *work)
{
    size_t rows = (size_t)(p->d[0].out * p->d[1].out), n = (size_t)p->d[2].out, width = (size_t)p->d[2].in;
    struct scratch w = scratch_of(p, work);
    shares(p, d, w.share);
    for (const nb_real *end = x + p->planes * p->in; x < end; x += p->in)
        for (size_t i = 0; i < rows; i++, y += n) {
            struct row r = row_of(p, d, i);
            memset(w.in, 0, width * sizeof *w.in);
            for (size_t k = 0; k < r.z.n * r.y.n; k++)
                add_line(width, x + line_at(p, &r, k), w.in);
            move_line(p, false, &w);
            divide(n, w.out, w.share, r.share, y);
        }
}

void NB(nb_pool_mean_back)(const struct nb_pool *p, const struct nb_divisor *d, const nb_real *g, nb_real *dx,
                           void *work)
{
    size_t rows = (size_t)(p->d[0].out * p->d[1].out), n = (size_t)p->d[2].out, width = (size_t)p->d[2].in;
    struct scratch w = scratch_of(p, work);
    shares(p, d, w.share);
    for (const nb_real *end = dx + p->planes * p->in; dx < end; dx += p->in) {
        memset(dx, 0, p->in * sizeof *dx);
        for (size_t i = 0; i < rows; i++, g += n) {
            struct row r = row_of(p, d, i);
            divided(n, g, w.share, r.share, w.out);
            move_line(p, true, &w);
            for (size_t k = 0; k < r.z.n * r.y.n; k++)
                add_sums(width, w.in, dx + line_at(p, &r, k));
        }
    }
}

/* ---- the modules ------------------------------------------------------------------------------------------------- */

static struct nb_divisor divisor_of(const struct nb_pool_args *a)
{
    return (struct nb_divisor){a->count_include_pad, a->divisor_override > 0 ? (double)a->divisor_override : 0};
}

#define PASSES(name, pool_of, divisor)                                                                                 \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        struct nb_pool p = pool_of;                                                                                    \
        struct nb_divisor d = divisor;                                                                                 \
        (void)e;                                                                                                       \
        NB(nb_pool_mean)(&p, &d, c->in[0].data, c->out[0].data, c->work);                                              \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        struct nb_pool p = pool_of;                                                                                    \
        struct nb_divisor d = divisor;                                                                                 \
        (void)e;                                                                                                       \
        if (c->gin[0].data)                                                                                            \
            NB(nb_pool_mean_back)(&p, &d, c->gout[0].data, c->gin[0].data, c->work);                                   \
        return 0;                                                                                                      \
    }

PASSES(window, nb_pool_of(c->args, &c->in[0].shape, &c->out[0].shape), divisor_of(c->args))
PASSES(global, nb_global_of(&c->in[0].shape), ((struct nb_divisor){false, 0}))

#define INFER(dims)                                                                                                    \
    static int infer_##dims##d(struct nb_infer *s, struct nb_error *e)                                                 \
    {                                                                                                                  \
        if (nb_pool_infer(s, dims, e))                                                                                 \
            return -1;                                                                                                 \
        int last = s->in[0].rank - 1;                                                                                  \
        s->work = nb_pool_work(s->in[0].dim[last], s->out[0].dim[last]);                                               \
        return 0;                                                                                                      \
    }

INFER(1)
INFER(2)
INFER(3)

static int global_infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_shape space = {.rank = 0};
    if (nb_global_infer(s, e))
        return -1;
    for (int i = 2; i < s->in[0].rank; i++)
        space.dim[space.rank++] = s->in[0].dim[i];
    s->work = nb_pool_work((int64_t)nb_known(&space), 1);
    return 0;
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

#define WINDOW_ARGS                                                                                                    \
    NB_POOL_KERNEL, NB_POOL_STRIDE, NB_POOL_PADDING("zeros around the input; at most half of the kernel's size"),      \
        NB_POOL_CEIL, NB_POOL_BOOL(count_include_pad, 1, "the zeros of the padding count as entries of a window")
#define DIVISOR                                                                                                        \
    {                                                                                                                  \
        "divisor_override", NB_ARG_INT, offsetof(struct nb_pool_args, divisor_override), 0, 1, INT32_MAX, NB_INFERRED, \
            NULL, "divides by this number instead of that of the entries"                                              \
    }

static const struct nb_arg args_1d[] = {WINDOW_ARGS, {0}};
static const struct nb_arg args_2d[] = {WINDOW_ARGS, DIVISOR, {0}};
#define args_3d args_2d
static const struct nb_arg adaptive_args[] = {NB_POOL_OUTPUT, {0}};

static const struct nb_case window_1d[] = {
    {"\"kernel_size\": 2", "3x5x7", false},
    {"\"kernel_size\": 3, \"stride\": 2, \"padding\": 1", "5x17", false},
    {"\"kernel_size\": 3, \"stride\": 1, \"padding\": [1], \"count_include_pad\": false", "2x3x5", false},
    {"\"kernel_size\": 5, \"stride\": 4, \"padding\": 2, \"ceil_mode\": true", "2x3x12", false},
    {0},
};
static const struct nb_case window_2d[] = {
    {"\"kernel_size\": 2", "2x3x6x7", false},
    {"\"kernel_size\": [3, 2], \"stride\": [2, 1], \"padding\": [1, 0], \"divisor_override\": 5", "3x5x7", false},
    {"\"kernel_size\": 3, \"stride\": 2, \"padding\": 1, \"ceil_mode\": true, \"count_include_pad\": false", "2x1x6x8",
     false},
    {"\"kernel_size\": 4, \"stride\": 3, \"padding\": 2, \"ceil_mode\": true", "2x2x7x3", false},
    {0},
};
static const struct nb_case window_3d[] = {
    {"\"kernel_size\": 2", "2x2x4x3x5", false},
    {"\"kernel_size\": [1, 3, 2], \"stride\": 2, \"padding\": [0, 1, 1]", "2x3x4x5", false},
    {0},
};
static const struct nb_case adaptive_1d[] = {
    {"\"output_size\": 3", "3x5x7", false},
    {"\"output_size\": 9", "2x5", false},
    {0},
};
static const struct nb_case adaptive_2d[] = {
    {"\"output_size\": 3", "2x3x5x7", false},
    {"\"output_size\": [1, 5]", "3x4x7", false},
    {0},
};
static const struct nb_case adaptive_3d[] = {{"\"output_size\": [2, 3, 1]", "2x2x3x5x4", false}, {0}};
static const struct nb_case global_cases[] = {{NULL, "3x5x7", false}, {NULL, "2x3x3x5", false}, {0}};

#define ROW(Type, Onnx, what, arguments, kind, how, Cases)                                                             \
    .type = Type, .onnx = Onnx, .summary = what, .formula = "y_o = \\frac{1}{n_o} \\sum_{i \\in W_o} x_i",             \
    .derivative = "\\bar x_i = \\sum_{o : i \\in W_o} \\frac{g_o}{n_o}", .inputs = nb_pool_ports, .args = arguments,   \
    .infer = how, .forward = kind##_forward, .backward = kind##_backward, .jacobian = "A", .cases = Cases

#define WINDOW(dims)                                                                                                   \
    {                                                                                                                  \
        ROW("AvgPool" #dims "d", "AveragePool", "The mean of every window over " #dims "d space.", args_##dims##d,     \
            window, infer_##dims##d, window_##dims##d),                                                                \
            .args_size = sizeof(struct nb_pool_args),                                                                  \
            .note = "A window that sticks out at the end in ceil mode ends with the padding: what lies behind counts " \
                    "nowhere.",                                                                                        \
    }
#define ADAPTIVE(dims)                                                                                                 \
    {                                                                                                                  \
        ROW("AdaptiveAvgPool" #dims "d", NULL, "The mean of every cell of a grid of a given size.", adaptive_args,     \
            window, infer_##dims##d, adaptive_##dims##d),                                                              \
            .args_size = sizeof(struct nb_pool_args),                                                                  \
            .note = "Cell i of n covers floor(i L/n) to ceil((i+1) L/n) - 1 of L entries; cells may overlap.",         \
    }

const struct nb_module NB(nb_module_avgpool)[] = {
    WINDOW(1),
    WINDOW(2),
    WINDOW(3),
    ADAPTIVE(1),
    ADAPTIVE(2),
    ADAPTIVE(3),
    {ROW("GlobalAvgPool", "GlobalAveragePool", "The mean of every channel; each dimension of space becomes 1.", NULL,
         global, global_infer, global_cases)},
    {0},
};
