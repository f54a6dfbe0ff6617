/* Upsample: a larger grid, or a smaller one, from the nearest entry or between the two nearest along each dimension. */
#include "modules/pool.h"

struct args {
    struct nb_ints size;
    struct nb_reals scale_factor;
    int64_t mode, align_corners;
};

enum { NEAREST, LINEAR, BILINEAR, TRILINEAR };
static const char *const modes[] = {"nearest", "linear", "bilinear", "trilinear", NULL};

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static double scale_at(const struct args *a, int i)
{
    return a->scale_factor.v[a->scale_factor.n == 1 ? 0 : i];
}

static int check_arguments(const struct args *a, int dims, struct nb_error *e)
{
    if (!a->size.n == !a->scale_factor.n) {
        nb_fail(e, NB_E_bad_argument, "wanted is one of size and scale_factor, %s came",
                a->size.n ? "both" : "neither");
        return nb_at(e, a->size.n ? "scale_factor" : "size");
    }
    if (a->scale_factor.n > 1 && a->scale_factor.n != (size_t)dims) {
        nb_fail(e, NB_E_bad_argument, "scale_factor has %zu numbers, wanted is one, or %d", a->scale_factor.n, dims);
        return nb_at(e, "scale_factor");
    }
    if (a->mode != NEAREST && a->mode != dims) {
        nb_fail(e, NB_E_bad_argument, "%s is for %d dimensions of space, the input has %d", modes[a->mode],
                (int)a->mode, dims);
        return nb_at(e, "mode");
    }
    if (a->mode == NEAREST && a->align_corners) {
        nb_fail(e, NB_E_bad_argument, "the mode nearest has no corners to align");
        return nb_at(e, "align_corners");
    }
    return nb_check_count(&a->size, dims, "size", e);
}

static int length(const struct args *a, int i, int64_t in, int64_t *out, struct nb_error *e)
{
    if (a->size.n)
        return *out = nb_each(&a->size, i, 1), 0;
    double wide = floor((double)in * scale_at(a, i));
    *out = !NB_IS_KNOWN(in) ? scale_at(a, i) == 1 ? in : NB_ANY : wide < INT32_MAX ? (int64_t)wide : INT32_MAX;
    if (!NB_IS_KNOWN(in) || *out >= 1)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "scale_factor %g leaves nothing of %lld entries", scale_at(a, i), (long long)in);
    if (a->scale_factor.n > 1)
        nb_at_index(e, (size_t)i);
    return nb_at(e, "scale_factor");
}

/* Entries of the input, the first k dimensions of space enlarged. */
static size_t part_way(const struct nb_shape *in, const struct nb_shape *out, int k)
{
    struct nb_shape s = *in;
    for (int i = 2; i < 2 + k; i++)
        s.dim[i] = out->dim[i];
    return nb_known(&s);
}

/* nb_reals that the tables of a dimension take. */
static size_t table_size(int64_t in, int64_t out)
{
    return 4 * (size_t)out + 2 * ((size_t)in + 1);
}

/* The larger of what lies between two dimensions, even; twice that and the tables is what a pass needs. */
static size_t half_of(const struct nb_shape *in, const struct nb_shape *out)
{
    size_t half = 0;
    for (int k = 1; k < in->rank - 2; k++)
        half = half > part_way(in, out, k) ? half : part_way(in, out, k);
    return half + half % 2;
}

static size_t work_of(const struct nb_shape *in, const struct nb_shape *out)
{
    size_t most = 0;
    for (int i = 2; i < in->rank; i++)
        most = most > table_size(in->dim[i], out->dim[i]) ? most : table_size(in->dim[i], out->dim[i]);
    return 2 * half_of(in, out) + most;
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    char text[200];
    int dims = s->in[0].rank - 2;
    if (dims < 1 || dims > NB_SPACE)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is [N, C, L], [N, C, H, W] or [N, C, D, H, W]",
                       nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
    if (check_arguments(a, dims, e) || nb_check_space(s, dims, e))
        return -1;
    s->out[0] = s->in[0];
    for (int i = 0; i < dims; i++)
        if (length(a, i, s->in[0].dim[2 + i], &s->out[0].dim[2 + i], e))
            return -1;
    s->work = nb_count(&s->out[0]) >= 0 ? work_of(&s->in[0], &s->out[0]) : 0;
    return 0;
}

/* ---- one dimension ----------------------------------------------------------------------------------------------- */

/* An entry of the result: (1 - weight) of entry `at`, weight of the next. */
struct between {
    size_t at;
    double weight;
};

struct grid {
    const struct args *args;
    int64_t in, out;
    double step;             /* entries of the input for one of the result */
    struct between *between; /* of each of the result */
    size_t *first;           /* the first of the result at an entry of the input or behind it; one more than entries */
};

static struct grid grid_of(const struct args *a, int i, int64_t in, int64_t out)
{
    double step = a->align_corners ? out > 1 ? (double)(in - 1) / (double)(out - 1) : 0
                  : a->size.n      ? (double)in / (double)out
                                   : 1 / scale_at(a, i);
    return (struct grid){a, in, out, step, NULL, NULL};
}

static struct between between_of(const struct grid *g, size_t o)
{
    double last = (double)(g->in - 1), i = (double)o;
    if (g->args->mode == NEAREST) {
        /* a given size divides in whole numbers: nothing is rounded */
        double at = g->args->size.n ? (double)((int64_t)o * g->in / g->out) : floor(i * g->step);
        return (struct between){(size_t)(at < last ? at : last), 0};
    }
    double x = g->args->align_corners ? i * g->step : (i + 0.5) * g->step - 0.5;
    x = x < 0 ? 0 : x < last ? x : last;
    return (struct between){(size_t)x, x - floor(x)};
}

static void make_table(struct grid *g, void *room)
{
    size_t k = 0;
    g->between = room;
    g->first = (size_t *)(g->between + g->out);
    for (size_t o = 0; o < (size_t)g->out; o++) {
        g->between[o] = between_of(g, o);
        while (k <= g->between[o].at)
            g->first[k++] = o;
    }
    while (k <= (size_t)g->in)
        g->first[k++] = (size_t)g->out;
}

NB_SIMD static void mix(size_t n, const nb_real *a, const nb_real *b, nb_part weight, nb_real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (1 - weight) * a[i] + weight * b[i];
}

NB_SIMD static void add_part(size_t n, const nb_real *g, double weight, nb_sum *sum)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += g[i] * weight;
}

/* Along the last dimension; the entry behind the last has no weight. */
static void enlarge_line(const struct grid *g, const nb_real *x, nb_real *y)
{
    for (size_t o = 0; o < (size_t)g->out; o++) {
        struct between b = g->between[o];
        nb_part w = (nb_part)b.weight;
        y[o] = w == 0 ? x[b.at] : (1 - w) * x[b.at] + w * x[b.at + 1];
    }
}

/* [outer, in, inner] to [outer, out, inner]. */
static void enlarge(const struct grid *g, size_t outer, size_t inner, const nb_real *x, nb_real *y)
{
    size_t in = (size_t)g->in, out = (size_t)g->out;
    for (size_t i = 0; i < outer; i++, x += in * inner) {
        if (inner == 1)
            enlarge_line(g, x, y);
        for (size_t o = 0; o < out && inner > 1; o++) {
            const nb_real *from = x + g->between[o].at * inner;
            if (g->between[o].weight == 0)
                memcpy(y + o * inner, from, inner * sizeof *y);
            else
                mix(inner, from, from + inner, (nb_part)g->between[o].weight, y + o * inner);
        }
        y += out * inner;
    }
}

/* What the result has of entry k: all that lie at it, and all between the one before and it. */
static nb_real collect_one(const struct grid *g, size_t k, const nb_real *gy)
{
    nb_sum s = 0;
    for (size_t o = k ? g->first[k - 1] : g->first[k]; o < g->first[k]; o++)
        s += gy[o] * g->between[o].weight;
    for (size_t o = g->first[k]; o < g->first[k + 1]; o++)
        s += gy[o] * (1 - g->between[o].weight);
    return (nb_real)s;
}

/* The same for n entries beside each other. */
enum { PIECE = 64 };
static void collect(const struct grid *g, size_t k, size_t inner, size_t n, const nb_real *gy, nb_real *gx)
{
    nb_sum sum[PIECE] = {0};
    for (size_t o = k ? g->first[k - 1] : g->first[k]; o < g->first[k + 1]; o++) {
        double weight = g->between[o].weight, share = o < g->first[k] ? weight : 1 - weight;
        if (share != 0)
            add_part(n, gy + o * inner, share, sum);
    }
    for (size_t i = 0; i < n; i++)
        gx[i] = (nb_real)sum[i];
}

/* The transposed weights. */
static void enlarge_back(const struct grid *g, size_t outer, size_t inner, const nb_real *gy, nb_real *gx)
{
    size_t in = (size_t)g->in, out = (size_t)g->out;
    for (size_t i = 0; i < outer; i++, gx += in * inner, gy += out * inner)
        for (size_t k = 0; k < in; k++) {
            if (inner == 1)
                gx[k] = collect_one(g, k, gy);
            for (size_t j = 0; j < inner && inner > 1; j += PIECE)
                collect(g, k, inner, inner - j < PIECE ? inner - j : PIECE, gy + j, gx + k * inner + j);
        }
}

/* ---- all dimensions ---------------------------------------------------------------------------------------------- */

/* One dimension after the other, through the halves of c->work; back in the opposite order. */
static void pass(const struct nb_call *c, bool back, const nb_real *from, nb_real *to)
{
    const struct nb_shape *in = &c->in[0].shape, *out = &c->out[0].shape;
    int dims = in->rank - 2;
    size_t half = half_of(in, out);
    for (int step = 0; step < dims; step++) {
        int axis = 2 + (back ? dims - 1 - step : step);
        nb_real *next = step == dims - 1 ? to : (nb_real *)c->work + (step % 2 ? half : 0);
        struct nb_shape mixed = *in;
        for (int i = 2; i < axis; i++)
            mixed.dim[i] = out->dim[i];
        struct nb_around a = nb_around_of(&mixed, axis);
        struct grid g = grid_of(c->args, axis - 2, in->dim[axis], out->dim[axis]);
        make_table(&g, (nb_real *)c->work + 2 * half);
        if (back)
            enlarge_back(&g, a.outer, a.inner, from, next);
        else
            enlarge(&g, a.outer, a.inner, from, next);
        from = next;
    }
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    pass(c, false, c->in[0].data, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->gin[0].data)
        pass(c, true, c->gout[0].data, c->gin[0].data);
    return 0;
}

static const struct nb_arg args[] = {
    {"size", NB_ARG_INTS, offsetof(struct args, size), 0, 1, INT32_MAX, 0, NULL,
     "of the result: one number for all dimensions of space, or a list"},
    {"scale_factor", NB_ARG_REALS, offsetof(struct args, scale_factor), 0, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL,
     "how many times as large the result is, instead of size"},
    {"mode", NB_ARG_CHOICE, offsetof(struct args, mode), NEAREST, 0, 0, 0, modes,
     "where entries of the result come from"},
    {"align_corners", NB_ARG_BOOL, offsetof(struct args, align_corners), 0, 0, 0, 0, NULL,
     "first and last entry stay what they are; else entries are areas of one size"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"scale_factor\": 2", "2x3x3x5", false},
    {"\"scale_factor\": [1.7, 0.6]", "3x2x5x7", false},
    {"\"size\": 7", "2x3x5", false},
    {"\"size\": [4, 3, 5]", "2x3x2x3x7", false},
    {"\"scale_factor\": 2, \"mode\": \"bilinear\"", "2x3x3x5", false},
    {"\"size\": [3, 17], \"mode\": \"bilinear\", \"align_corners\": true", "3x2x5x7", false},
    {"\"size\": 3, \"mode\": \"linear\"", "5x2x7", false},
    {"\"size\": 1, \"mode\": \"linear\", \"align_corners\": true", "5x2x7", false},
    {"\"scale_factor\": 1.5, \"mode\": \"trilinear\"", "2x1x3x2x4", false},
    {0},
};

const struct nb_module NB(nb_module_upsample)[] = {
    {
        .type = "Upsample",
        .onnx = "Resize",
        .summary = "A larger grid from the nearest entries, or between the two nearest along each dimension.",
        .formula = "y_o = \\sum_i w_{oi} x_i",
        .derivative = "\\bar x_i = \\sum_o w_{oi} g_o",
        .note = "Entry o of n lies at (o + 1/2) L/n - 1/2 of the input, with align_corners at o (L-1)/(n-1); nearest "
                "takes floor(o L/n). With scale_factor its inverse stands for L/n. A smaller result is not smoothed.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_pool_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .cases = cases,
    },
    {0},
};
