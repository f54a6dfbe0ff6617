/* MaxPool, AdaptiveMaxPool, GlobalMaxPool: the greatest entry of every window. Of equal entries the first counts; the
 * first NaN counts before all; padding counts as -inf. */
#include "modules/pool.h"

/* Where the greatest entry of a window stands in its plane; forward leaves it for backward. */
enum { NOWHERE = UINT32_MAX }; /* a window with nothing in it but padding */

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* One entry for each of n windows: x[i stride], at place + i stride. */
static inline void take(size_t n, const nb_real *restrict x, size_t stride, uint32_t at, nb_real *restrict best,
                        uint32_t *restrict place)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real v = x[i * stride], top = best[i];
        uint32_t p = place[i], here = at + (uint32_t)(i * stride);
        int better = (p == NOWHERE) | (!(nb_re(v) <= nb_re(top)) & (nb_re(top) == nb_re(top)));
        best[i] = better ? v : top;
        place[i] = better ? here : p;
    }
}

NB_SIMD static void take_next(size_t n, const nb_real *x, uint32_t at, nb_real *best, uint32_t *place)
{
    take(n, x, 1, at, best, place);
}

NB_SIMD static void take_second(size_t n, const nb_real *x, uint32_t at, nb_real *best, uint32_t *place)
{
    take(n, x, 2, at, best, place);
}

/* One line of entries, which begins at place `at`, for a row of windows. */
static void take_line(const struct nb_pool *p, const nb_real *x, uint32_t at, nb_real *best, uint32_t *place)
{
    const struct nb_span *s = &p->d[2];
    for (int64_t k = 0; p->by_tap && k < s->kernel; k++) {
        struct nb_line l = nb_pool_line(p, k);
        uint32_t from = at + (uint32_t)l.at;
        if (s->stride == 1)
            take_next(l.n, x + l.at, from, best + l.first, place + l.first);
        else if (s->stride == 2)
            take_second(l.n, x + l.at, from, best + l.first, place + l.first);
        else
            take(l.n, x + l.at, (size_t)s->stride, from, best + l.first, place + l.first);
    }
    for (size_t o = 0; !p->by_tap && o < (size_t)s->out; o++) {
        struct nb_taps t = nb_taps_of(s, o);
        for (size_t k = 0, i = t.at; k < t.n; k++, i += (size_t)s->dilation)
            take(1, x + i, 1, at + (uint32_t)i, best + o, place + o);
    }
}

/* A row of windows over the lines of one or two outer dimensions. */
static void pool_row(const struct nb_pool *p, const struct nb_taps *a, const struct nb_taps *b, const nb_real *x,
                     nb_real *best, uint32_t *place)
{
    size_t height = (size_t)p->d[1].in, width = (size_t)p->d[2].in;
    for (size_t o = 0; o < (size_t)p->d[2].out; o++) {
        best[o] = -(nb_part)INFINITY;
        place[o] = NOWHERE;
    }
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++) {
            size_t z = a->at + i * (size_t)p->d[0].dilation, y = b->at + j * (size_t)p->d[1].dilation;
            size_t at = (z * height + y) * width;
            take_line(p, x + at, (uint32_t)at, best, place);
        }
}

static void pool_plane(const struct nb_pool *p, const nb_real *x, nb_real *best, uint32_t *place)
{
    size_t n = (size_t)p->d[2].out;
    for (size_t i = 0; i < (size_t)p->d[0].out; i++) {
        struct nb_taps a = nb_taps_of(&p->d[0], i);
        for (size_t j = 0; j < (size_t)p->d[1].out; j++, best += n, place += n) {
            struct nb_taps b = nb_taps_of(&p->d[1], j);
            pool_row(p, &a, &b, x, best, place);
        }
    }
}

/* ---- windows of two by two, side by side ---------------------------------------------------------------------------
 */

/* The greater of two neighbours, the first if they are equal; NaN is greater than all, the first before the second. */
static inline void pairs(size_t n, const nb_real *restrict x, uint32_t at, nb_real *restrict best,
                         uint32_t *restrict place)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real a = x[2 * i], b = x[2 * i + 1];
        uint32_t second = !(nb_re(b) <= nb_re(a)) & (nb_re(a) == nb_re(a));
        best[i] = second ? b : a;
        place[i] = at + 2 * (uint32_t)i + second;
    }
}

static inline void merge(size_t n, const nb_real *restrict low, const uint32_t *restrict low_place,
                         nb_real *restrict best, uint32_t *restrict place)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real v = low[i], top = best[i];
        uint32_t p = place[i], here = low_place[i];
        int better = !(nb_re(v) <= nb_re(top)) & (nb_re(top) == nb_re(top));
        best[i] = better ? v : top;
        place[i] = better ? here : p;
    }
}

NB_SIMD static void pool_squares(const struct nb_pool *p, const nb_real *x, nb_real *best, uint32_t *place)
{
    enum { PIECE = 64 };
    size_t width = (size_t)p->d[2].in, n = (size_t)p->d[2].out, rows = (size_t)p->d[1].out;
    nb_real low[PIECE];
    uint32_t low_place[PIECE];
    for (size_t i = 0; i < p->planes * rows; i++)
        for (size_t j = 0, m; j < n; j += m, best += m, place += m) {
            size_t at = i % rows * 2 * width + 2 * j;
            const nb_real *line = x + i / rows * p->in + at;
            m = n - j < PIECE ? n - j : PIECE;
            pairs(m, line, (uint32_t)at, best, place);
            pairs(m, line + width, (uint32_t)(at + width), low, low_place);
            merge(m, low, low_place, best, place);
        }
}

static bool plain_two(const struct nb_span *s)
{
    return s->kernel == 2 && s->stride == 2 && s->padding == 0 && s->dilation == 1 && 2 * s->out <= s->in;
}

/* ---- all planes -------------------------------------------------------------------------------------------------- */

static int tell_places(const struct nb_pool *p, const uint32_t *place, nb_real *to, struct nb_error *e)
{
    if (NB_BUILD == 0 && p->in > 1u << 24)
        return nb_fail(e, NB_E_shape_mismatch, "a plane has %zu entries: float32 cannot number more than 16777216",
                       p->in);
    for (size_t i = 0; i < p->planes * p->out; i++)
        to[i] = place[i] == NOWHERE ? -1 : (nb_real)place[i];
    return 0;
}

static int pool(const struct nb_call *c, const struct nb_pool *p, struct nb_error *e)
{
    const nb_real *x = c->in[0].data;
    nb_real *y = c->out[0].data;
    uint32_t *place = c->saved;
    bool squares = p->d[0].in == 1 && p->d[0].out == 1 && plain_two(&p->d[1]) && plain_two(&p->d[2]);
    if (squares)
        pool_squares(p, x, y, place);
    for (size_t i = 0; !squares && i < p->planes; i++)
        pool_plane(p, x + i * p->in, y + i * p->out, place + i * p->out);
    return c->nout > 1 ? tell_places(p, place, c->out[1].data, e) : 0;
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

static int give_back(const struct nb_call *c, const struct nb_pool *p)
{
    const nb_real *g = c->gout[0].data;
    const uint32_t *place = c->saved;
    nb_real *dx = c->gin[0].data;
    for (size_t i = 0; dx && i < p->planes; i++, dx += p->in, g += p->out, place += p->out) {
        memset(dx, 0, p->in * sizeof *dx);
        for (size_t o = 0; o < p->out; o++)
            if (place[o] != NOWHERE)
                dx[place[o]] += g[o];
    }
    return 0;
}

/* ---- branches ---------------------------------------------------------------------------------------------------- */

/* Counts the entries of a window that are equal to the greatest; tells of them as one edge if b is given. */
static size_t tied(const struct nb_pool *p, const nb_real *x, size_t o, uint32_t best, struct nb_branches *b,
                   size_t plane)
{
    const struct nb_span *d = p->d;
    size_t n = 0, w = (size_t)d[2].out, h = (size_t)d[1].out;
    struct nb_taps a[NB_SPACE] = {nb_taps_of(&d[0], o / w / h), nb_taps_of(&d[1], o / w % h), nb_taps_of(&d[2], o % w)};
    for (size_t i = 0; i < a[0].n * a[1].n * a[2].n; i++) {
        size_t z = a[0].at + i / a[2].n / a[1].n * (size_t)d[0].dilation;
        size_t y = a[1].at + i / a[2].n % a[1].n * (size_t)d[1].dilation;
        size_t at = (z * (size_t)d[1].in + y) * (size_t)d[2].in + a[2].at + i % a[2].n * (size_t)d[2].dilation;
        if (nb_re(x[at]) != nb_re(x[best]))
            continue;
        n++;
        if (b)
            nb_at_edge(b, 0, (int64_t)(plane * p->in + at), NB_EDGE_TIE, (int64_t)(plane * p->out + o));
    }
    return n;
}

static void choices(const struct nb_call *c, const struct nb_pool *p, struct nb_branches *b)
{
    const uint32_t *place = c->saved;
    const nb_real *x = c->in[0].data;
    for (size_t i = 0; i < p->planes * p->out; i++) {
        size_t plane = i / p->out, o = i % p->out;
        nb_decide(b, place[i]);
        if (place[i] != NOWHERE && tied(p, x + plane * p->in, o, place[i], NULL, plane) > 1)
            tied(p, x + plane * p->in, o, place[i], b, plane);
    }
}

/* ---- the passes -------------------------------------------------------------------------------------------------- */

#define PASSES(name, pool_of)                                                                                          \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        struct nb_pool p = pool_of;                                                                                    \
        return pool(c, &p, e);                                                                                         \
    }                                                                                                                  \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        struct nb_pool p = pool_of;                                                                                    \
        (void)e;                                                                                                       \
        return give_back(c, &p);                                                                                       \
    }                                                                                                                  \
    static void name##_branches(const struct nb_call *c, struct nb_branches *b)                                        \
    {                                                                                                                  \
        struct nb_pool p = pool_of;                                                                                    \
        choices(c, &p, b);                                                                                             \
    }

PASSES(window, nb_pool_of(c->args, &c->in[0].shape, &c->out[0].shape))
PASSES(global, nb_global_of(&c->in[0].shape))

#define INFER(dims)                                                                                                    \
    static int infer_##dims##d(struct nb_infer *s, struct nb_error *e)                                                 \
    {                                                                                                                  \
        if (nb_pool_infer(s, dims, e))                                                                                 \
            return -1;                                                                                                 \
        s->saved = nb_known(&s->out[0]);                                                                               \
        return 0;                                                                                                      \
    }

INFER(1)
INFER(2)
INFER(3)

static int global_infer(struct nb_infer *s, struct nb_error *e)
{
    if (nb_global_infer(s, e))
        return -1;
    s->saved = nb_known(&s->out[0]);
    return 0;
}

static struct nb_strings output_names(const void *p)
{
    static const char *const names[] = {"out", "indices"};
    return (struct nb_strings){((const struct nb_pool_args *)p)->return_indices ? 2 : 1, names};
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

#define INDICES                                                                                                        \
    NB_POOL_BOOL(return_indices, 0, "adds the port indices: the place of the greatest entry among those of its plane")

static const struct nb_arg window_args[] = {
    NB_POOL_KERNEL,
    NB_POOL_STRIDE,
    NB_POOL_PADDING("places around the input that count as -inf; at most half of the kernel's size"),
    NB_POOL_INTS(dilation, 0, 1, "how far apart the entries of a window are; 1 if left out"),
    INDICES,
    NB_POOL_CEIL,
    {0},
};
static const struct nb_arg adaptive_args[] = {NB_POOL_OUTPUT, INDICES, {0}};

static const struct nb_case window_1d[] = {
    {"\"kernel_size\": 2", "3x5x7", false},
    {"\"kernel_size\": 3, \"stride\": 2, \"padding\": 1, \"return_indices\": true", "5x17", false},
    {"\"kernel_size\": 3, \"stride\": 1, \"dilation\": 2, \"padding\": [1]", "2x3x11", false},
    {"\"kernel_size\": 3, \"stride\": 4, \"ceil_mode\": true", "2x3x12", false},
    {0},
};
static const struct nb_case window_2d[] = {
    {"\"kernel_size\": 2", "2x3x6x7", false},
    {"\"kernel_size\": [3, 2], \"stride\": [2, 1], \"padding\": [1, 0], \"return_indices\": true", "3x5x7", false},
    {"\"kernel_size\": 3, \"stride\": 1, \"dilation\": [1, 2], \"padding\": 1", "2x1x5x7", false},
    {"\"kernel_size\": 2, \"stride\": 3, \"ceil_mode\": true", "2x2x7x4", false},
    {0},
};
static const struct nb_case window_3d[] = {
    {"\"kernel_size\": 2", "2x2x4x3x5", false},
    {"\"kernel_size\": [1, 3, 2], \"stride\": 2, \"padding\": [0, 1, 1], \"return_indices\": true", "2x3x4x5", false},
    {0},
};
static const struct nb_case adaptive_1d[] = {
    {"\"output_size\": 3", "3x5x7", false},
    {"\"output_size\": 9, \"return_indices\": true", "2x5", false},
    {0},
};
static const struct nb_case adaptive_2d[] = {
    {"\"output_size\": 3", "2x3x5x7", false},
    {"\"output_size\": [1, 5], \"return_indices\": true", "3x4x7", false},
    {0},
};
static const struct nb_case adaptive_3d[] = {
    {"\"output_size\": [2, 3, 1]", "2x2x3x5x4", false},
    {"\"output_size\": 2, \"return_indices\": true", "2x3x4x5", false},
    {0},
};
static const struct nb_case global_cases[] = {{NULL, "3x5x7", false}, {NULL, "2x3x3x5", false}, {0}};

static const struct nb_kink kinks[] = {{"x_i = x_j, both the greatest of a window", "all to the first"}, {0}};

static const struct nb_known global_mistakes[] = {
    {.code = "max_pool_all", .formula = "g + 0*x", .hint = "Only the greatest entry of a window gets the gradient."},
    {0},
};

#define ROW(Type, Onnx, what, arguments, kind, how, Cases)                                                             \
    .type = Type, .onnx = Onnx, .summary = what, .formula = "y_o = \\max_{i \\in W_o} x_i",                            \
    .derivative = "\\bar x_i = \\sum_o g_o\\,[i = \\min\\{j \\in W_o : x_j = y_o\\}]", .inputs = nb_pool_ports,        \
    .args = arguments, .infer = how, .forward = kind##_forward, .backward = kind##_backward,                           \
    .branches = kind##_branches, .kinks = kinks, .jacobian = "D", .cases = Cases

#define WINDOW(dims)                                                                                                   \
    {                                                                                                                  \
        ROW("MaxPool" #dims "d", "MaxPool", "The greatest entry of every window over " #dims "d space.", window_args,  \
            window, infer_##dims##d, window_##dims##d),                                                                \
            .args_size = sizeof(struct nb_pool_args), .output_names = output_names,                                    \
            .note = "Of equal entries the first gets the whole gradient, as in PyTorch. NaN counts as the greatest. "  \
                    "indices are whole numbers, and what MaxUnpool takes; -1 where a window holds only padding.",      \
    }
#define ADAPTIVE(dims)                                                                                                 \
    {                                                                                                                  \
        ROW("AdaptiveMaxPool" #dims "d", NULL, "The greatest entry of every cell of a grid of a given size.",          \
            adaptive_args, window, infer_##dims##d, adaptive_##dims##d),                                               \
            .args_size = sizeof(struct nb_pool_args), .output_names = output_names,                                    \
            .note = "Cell i of n covers floor(i L/n) to ceil((i+1) L/n) - 1 of L entries; cells may overlap.",         \
    }

const struct nb_module NB(nb_module_maxpool)[] = {
    WINDOW(1),
    WINDOW(2),
    WINDOW(3),
    ADAPTIVE(1),
    ADAPTIVE(2),
    ADAPTIVE(3),
    {ROW("GlobalMaxPool", "GlobalMaxPool", "The greatest entry of every channel; each dimension of space becomes 1.",
         NULL, global, global_infer, global_cases),
     .mistakes = global_mistakes},
    {0},
};
