/* test_conv.c - convolutions: the identities of the reference, plain loops over sizes at which the fast ways begin, and
 * what is refused where. */
#include "call.h"
#include "graphs.h"

static void fill(double *x, size_t n, uint64_t stream)
{
    struct nb_stream s = {stream, 11};
    for (size_t i = 0; i < n; i++)
        x[i] = nb_normal(s, i);
}

static double *drawn(struct call *c, size_t n, uint64_t stream)
{
    double *x = nb_alloc(&c->arena, n, sizeof *x, &c->error);
    ck_assert_ptr_nonnull(x);
    fill(x, n, stream);
    return x;
}

static size_t entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

static void draw_tensor(struct call *c, struct nb_tensor *t, uint64_t stream)
{
    nb_convert(t->dtype, t->data, NB_F64, drawn(c, entries(t), stream), entries(t));
}

/* A module with drawn input, weights and cotangent, forward and backward. */
static struct call drawn_call(enum nb_dtype dtype, const char *type, const char *args, const char *shape)
{
    struct call c;
    struct nb_shape s = call_shape(shape);
    call_begin(&c, dtype, type, args);
    call_input(&c, shape, drawn(&c, (size_t)nb_count(&s), 1));
    ck_assert_msg(!call_infer(&c), "%s", c.error.detail);
    for (int i = 0; i < c.nw; i++)
        draw_tensor(&c, &c.w[i], 2 + (uint64_t)i);
    memset(c.work_data, 0xFF, c.infer.work * nb_dtype_size(dtype));
    ck_assert(!call_run(&c));
    memset(c.work_data, 0xFF, c.infer.work * nb_dtype_size(dtype));
    call_backward(&c, drawn(&c, entries(&c.out[0]), 7));
    return c;
}

/* ---- identities -------------------------------------------------------------------------------------------------- */

static double dot(const struct nb_tensor *a, const struct nb_tensor *b)
{
    double s = 0;
    ck_assert_int_eq(nb_count(&a->shape), nb_count(&b->shape));
    for (size_t i = 0; i < entries(a); i++)
        s += call_at(a, i) * call_at(b, i);
    return s;
}

struct setting {
    int stride, padding, dilation, groups, more;
};
static const struct setting settings[] = {{1, 0, 1, 1, 0}, {2, 1, 1, 1, 0}, {3, 2, 2, 1, 1},
                                          {2, 1, 1, 2, 0}, {1, 1, 1, 4, 0}, {1, 2, 2, 4, 0}};

/* <conv(x), u> = <x, convT(u)> with the same weight; and convT(u) is conv's gradient for the cotangent u. */
START_TEST(adjoint)
{
    const struct setting *t = &settings[_i % 6];
    int n = 1 + _i / 6;
    char args[200], name[40], more[60];
    const char *shapes[] = {"3x4x11", "3x4x11x11", "2x4x11x11x11"};
    struct call conv, back;
    snprintf(more, sizeof more, "\"output_padding\": %d", t->more);
    snprintf(name, sizeof name, "Conv%dd", n);
    snprintf(args, sizeof args,
             "{\"out_channels\": 4, \"kernel_size\": 3, \"stride\": %d, \"padding\": %d, \"dilation\": %d, "
             "\"groups\": %d, \"bias\": false}",
             t->stride, t->padding, t->dilation, t->groups);
    conv = drawn_call(NB_F64, name, args, shapes[n - 1]);
    snprintf(name, sizeof name, "ConvTranspose%dd", n);
    snprintf(args + strlen(args) - 1, sizeof args - strlen(args), ", %s}", more);
    call_begin(&back, NB_F64, name, args);
    back.in[back.nin++] = conv.gout[0];
    ck_assert_msg(!call_infer(&back), "%s", back.error.detail);
    ck_assert_int_eq(nb_shape_same(&back.out[0].shape, &conv.in[0].shape), 1);
    memcpy(back.w[0].data, conv.w[0].data, entries(&conv.w[0]) * sizeof(double));
    ck_assert(!call_run(&back));
    double scale = sqrt(dot(&conv.out[0], &conv.out[0]) * dot(&conv.gout[0], &conv.gout[0]));
    double gap = dot(&conv.out[0], &conv.gout[0]) - dot(&conv.in[0], &back.out[0]);
    ck_assert_msg(fabs(gap) <= 1e-13 * scale && scale > 1, "%s: %g of %g", name, gap, scale);
    ck_assert(!memcmp(back.out[0].data, conv.gin[0].data, entries(&conv.in[0]) * sizeof(double)));
    gap = dot(&conv.out[0], &conv.gout[0]) - dot(&conv.w[0], &conv.gw[0]);
    ck_assert_msg(fabs(gap) <= 1e-13 * scale, "weight: %g of %g", gap, scale);
    call_end(&back), call_end(&conv);
}
END_TEST

START_TEST(is_not_flipped)
{
    struct call c;
    const double w[] = {1, 0, -1};
    call_begin(&c, NB_F64, "Conv1d", "{\"out_channels\": 1, \"kernel_size\": 3, \"bias\": false}");
    call_input(&c, "1x3", (double[]){1, 2, 3});
    ck_assert(!call_infer(&c));
    for (size_t i = 0; i < 3; i++)
        call_set(&c.w[0], i, w[i]);
    ck_assert(!call_run(&c));
    ck_assert_int_eq(nb_count(&c.out[0].shape), 1);
    ck_assert_double_eq(call_at(&c.out[0], 0), -2);
    call_end(&c);
}
END_TEST

/* Place i of the doubled axis lies at (i + 1/2)/2 - 1/2 of the other: a quarter from its nearest neighbour. */
static double interpolated(const double *x, int n, int i, int j)
{
    double v = 0;
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++) {
            int p = i % 2 ? i / 2 + a : i / 2 - a, q = j % 2 ? j / 2 + b : j / 2 - b;
            v += (a ? 0.25 : 0.75) * (b ? 0.25 : 0.75) * x[p * n + q];
        }
    return v;
}

START_TEST(doubles_as_bilinear_does)
{
    enum { N = 7 };
    struct call c;
    const double k[] = {1, 3, 3, 1};
    double x[N * N];
    fill(x, N * N, 5);
    call_begin(&c, NB_F64, "ConvTranspose2d",
               "{\"out_channels\": 1, \"kernel_size\": 4, \"stride\": 2, \"padding\": 1, \"bias\": false}");
    call_input(&c, "1x7x7", x);
    ck_assert(!call_infer(&c));
    for (size_t i = 0; i < 16; i++)
        call_set(&c.w[0], i, k[i / 4] * k[i % 4] / 16);
    ck_assert(!call_run(&c));
    ck_assert_int_eq(c.out[0].shape.dim[1], 2 * N);
    for (int i = 1; i < 2 * N - 1; i++)
        for (int j = 1; j < 2 * N - 1; j++) {
            double got = call_at(&c.out[0], (size_t)(i * 2 * N + j)), want = interpolated(x, N, i, j);
            ck_assert_msg(fabs(got - want) <= 4e-16, "(%d, %d): %.17g, bilinear %.17g", i, j, got, want);
        }
    call_end(&c);
}
END_TEST

/* ---- plain loops ------------------------------------------------------------------------------------------------- */

struct plain {
    const char *type, *args, *shape; /* [B, C, ...] */
    int s[3], p[3], d[3], groups;    /* of three dimensions */
    char mode;                       /* zeros, f reflect, r replicate, c circular */
};

static const struct plain plain[] = {
    /* several samples in a block, and what is left of them */
    {"Conv2d",
     "\"out_channels\": 5, \"kernel_size\": 3, \"padding\": 1",
     "61x3x5x7",
     {1, 1, 1},
     {0, 1, 1},
     {1, 1, 1},
     1,
     'z'},
    {"Conv2d",
     "\"out_channels\": 4, \"kernel_size\": 2, \"stride\": 2, \"groups\": 2",
     "61x4x7x9",
     {1, 2, 2},
     {0, 0, 0},
     {1, 1, 1},
     2,
     'z'},
    {"Conv2d", "\"out_channels\": 5, \"kernel_size\": 1", "61x3x5x7", {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, 1, 'z'},
    /* some rows of a sample, some slabs */
    {"Conv2d",
     "\"out_channels\": 3, \"kernel_size\": 5, \"padding\": 2",
     "2x40x37x31",
     {1, 1, 1},
     {0, 2, 2},
     {1, 1, 1},
     1,
     'z'},
    {"Conv3d",
     "\"out_channels\": 3, \"kernel_size\": 3, \"padding\": 1, \"stride\": [1, 2, 1]",
     "2x20x7x11x13",
     {1, 2, 1},
     {1, 1, 1},
     {1, 1, 1},
     1,
     'z'},
    /* a piece of a row */
    {"Conv1d",
     "\"out_channels\": 3, \"kernel_size\": 9, \"stride\": 2, \"dilation\": 3, \"padding\": 5",
     "2x60x1301",
     {1, 1, 2},
     {0, 0, 5},
     {1, 1, 3},
     1,
     'z'},
    /* depth-wise */
    {"Conv2d",
     "\"out_channels\": 12, \"kernel_size\": 3, \"padding\": 1, \"groups\": 12",
     "2x12x19x33",
     {1, 1, 1},
     {0, 1, 1},
     {1, 1, 1},
     12,
     'z'},
    {"Conv2d",
     "\"out_channels\": 9, \"kernel_size\": 4, \"stride\": 2, \"padding\": [1, 2], \"groups\": 3",
     "2x3x19x33",
     {1, 2, 2},
     {0, 1, 2},
     {1, 1, 1},
     3,
     'z'},
    {"Conv2d",
     "\"out_channels\": 3, \"kernel_size\": 3, \"dilation\": 2, \"padding\": 2, \"groups\": 3, \"padding_mode\": "
     "\"reflect\"",
     "2x3x9x35",
     {1, 1, 1},
     {0, 2, 2},
     {1, 2, 2},
     3,
     'f'},
    {"Conv3d",
     "\"out_channels\": 5, \"kernel_size\": 2, \"groups\": 5",
     "2x5x3x4x17",
     {1, 1, 1},
     {0, 0, 0},
     {1, 1, 1},
     5,
     'z'},
    /* 3 by 3 with many channels; odd sizes, all modes, groups, several samples together */
    {"Conv2d",
     "\"out_channels\": 37, \"kernel_size\": 3, \"padding\": 1",
     "3x33x13x10",
     {1, 1, 1},
     {0, 1, 1},
     {1, 1, 1},
     1,
     'z'},
    {"Conv2d", "\"out_channels\": 33, \"kernel_size\": 3", "2x64x12x15", {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, 1, 'z'},
    {"Conv2d",
     "\"out_channels\": 64, \"kernel_size\": 3, \"padding\": [2, 0]",
     "1x40x33x29",
     {1, 1, 1},
     {0, 2, 0},
     {1, 1, 1},
     1,
     'z'},
    {"Conv2d",
     "\"out_channels\": 70, \"kernel_size\": 3, \"padding\": 1, \"groups\": 2, \"padding_mode\": \"circular\"",
     "5x68x5x6",
     {1, 1, 1},
     {0, 1, 1},
     {1, 1, 1},
     2,
     'c'},
    {"Conv2d",
     "\"out_channels\": 32, \"kernel_size\": 3, \"padding\": 2, \"padding_mode\": \"replicate\"",
     "37x32x4x3",
     {1, 1, 1},
     {0, 2, 2},
     {1, 1, 1},
     1,
     'r'},
    {"Conv2d",
     "\"out_channels\": 16, \"kernel_size\": 3, \"padding\": 1",
     "3x17x29x27",
     {1, 1, 1},
     {0, 1, 1},
     {1, 1, 1},
     1,
     'z'},
    {"Conv2d",
     "\"out_channels\": 128, \"kernel_size\": 3, \"padding\": 1, \"padding_mode\": \"reflect\"",
     "2x128x9x14",
     {1, 1, 1},
     {0, 1, 1},
     {1, 1, 1},
     1,
     'f'},
};
enum { PLAIN = sizeof plain / sizeof *plain };

/* The shapes of a call with three spatial dimensions. */
struct sizes {
    int64_t b, i, o, x[3], y[3], k[3];
};

static void spatial(const struct nb_shape *s, int64_t *to)
{
    for (int d = 0; d < 3; d++)
        to[d] = d < 5 - s->rank ? 1 : s->dim[s->rank - 3 + d];
}

static struct sizes sizes_of(const struct call *c)
{
    struct sizes z = {.b = c->in[0].shape.dim[0], .i = c->in[0].shape.dim[1], .o = c->out[0].shape.dim[1]};
    spatial(&c->in[0].shape, z.x), spatial(&c->out[0].shape, z.y), spatial(&c->w[0].shape, z.k);
    return z;
}

/* Where place u of the kernel at output i falls; -1: on a zero. */
static int64_t source(const struct plain *t, const struct sizes *z, int d, int64_t i, int64_t u)
{
    int64_t at = t->s[d] * i - t->p[d] + t->d[d] * u, n = z->x[d];
    if (at >= 0 && at < n)
        return at;
    switch (t->mode) {
    case 'f':
        return at < 0 ? -at : 2 * n - 2 - at;
    case 'r':
        return at < 0 ? 0 : n - 1;
    case 'c':
        return (at + n) % n;
    default:
        return -1;
    }
}

struct truth {
    double *x, *w, *b, *g; /* what went in, in double */
    double *y, *dx, *dw, *db;
};

/* One output entry: its value and what it sends back; `g` of it. */
static void one_output(const struct plain *t, const struct sizes *z, const int64_t *at, double g, double *y,
                       struct truth *to)
{
    int64_t each = z->i / t->groups, group = at[1] / (z->o / t->groups);
    *y = to->b[at[1]];
    to->db[at[1]] += g;
    for (int64_t ch = 0; ch < each; ch++)
        for (int64_t u = 0; u < z->k[0] * z->k[1] * z->k[2]; u++) {
            int64_t a = source(t, z, 0, at[2], u / z->k[2] / z->k[1]);
            int64_t b = source(t, z, 1, at[3], u / z->k[2] % z->k[1]), e = source(t, z, 2, at[4], u % z->k[2]);
            if (a < 0 || b < 0 || e < 0)
                continue;
            size_t x = (size_t)((((at[0] * z->i + group * each + ch) * z->x[0] + a) * z->x[1] + b) * z->x[2] + e);
            size_t w = (size_t)((at[1] * each + ch) * z->k[0] * z->k[1] * z->k[2] + u);
            *y += to->w[w] * to->x[x];
            to->dx[x] += g * to->w[w];
            to->dw[w] += g * to->x[x];
        }
}

/* A tensor in double, or as many zeros. */
static double *in_double(struct call *c, const struct nb_tensor *t, bool zeros)
{
    double *v = nb_zalloc(&c->arena, entries(t), sizeof *v, &c->error);
    ck_assert_ptr_nonnull(v);
    if (!zeros)
        nb_convert(NB_F64, v, t->dtype, t->data, entries(t));
    return v;
}

static struct truth by_plain_loops(const struct plain *t, struct call *c)
{
    struct sizes z = sizes_of(c);
    struct truth to = {in_double(c, &c->in[0], false),   in_double(c, &c->w[0], false),  in_double(c, &c->w[1], false),
                       in_double(c, &c->gout[0], false), in_double(c, &c->out[0], true), in_double(c, &c->in[0], true),
                       in_double(c, &c->w[0], true),     in_double(c, &c->w[1], true)};
    int64_t plane = z.y[0] * z.y[1] * z.y[2];
    for (int64_t i = 0; i < z.b * z.o * plane; i++) {
        int64_t rest = i % plane;
        int64_t at[] = {i / plane / z.o, i / plane % z.o, rest / (z.y[1] * z.y[2]), rest / z.y[2] % z.y[1],
                        rest % z.y[2]};
        one_output(t, &z, at, to.g[i], &to.y[i], &to);
    }
    return to;
}

static void agrees(const struct nb_tensor *got, const double *want, double tolerance, const char *what)
{
    double most = 0, worst = 0;
    for (size_t i = 0; i < entries(got); i++) {
        most = fmax(most, fabs(want[i]));
        worst = fmax(worst, fabs(call_at(got, i) - want[i]));
    }
    ck_assert_msg(worst <= tolerance * most && most > 0, "%s: off by %g of %g", what, worst, most);
}

START_TEST(as_plain_loops_do)
{
    const struct plain *t = &plain[_i];
    for (int dtype = NB_F32; dtype <= NB_C128; dtype++) {
        char args[300], what[400];
        double tolerance = dtype == NB_F32 ? 1e-6 : 1e-14;
        snprintf(args, sizeof args, "{%s}", t->args);
        struct call c = drawn_call((enum nb_dtype)dtype, t->type, args, t->shape);
        struct truth want = by_plain_loops(t, &c);
        snprintf(what, sizeof what, "%s %s %s", nb_dtype_name((enum nb_dtype)dtype), t->type, args);
        agrees(&c.out[0], want.y, tolerance, what);
        agrees(&c.gin[0], want.dx, tolerance, what);
        agrees(&c.gw[0], want.dw, tolerance, what);
        agrees(&c.gw[1], want.db, tolerance, what);
        call_end(&c);
    }
}
END_TEST

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

#define B NB_SYM(0)
#define L NB_SYM(1)
static const struct {
    const char *type, *args;
    struct nb_shape in, out;
} shapes[] = {
    {"Conv2d", "{\"out_channels\": 5, \"kernel_size\": 3}", {4, {B, 3, L, 9}}, {4, {B, 5, NB_ANY, 7}}},
    {"Conv2d",
     "{\"out_channels\": 5, \"kernel_size\": 3, \"padding\": 1}",
     {4, {B, 3, L, NB_ANY}},
     {4, {B, 5, L, NB_ANY}}},
    {"Conv1d", "{\"out_channels\": 5, \"kernel_size\": 4, \"padding\": \"same\"}", {2, {3, L}}, {2, {5, L}}},
    {"Conv1d", "{\"out_channels\": 5, \"kernel_size\": 1, \"stride\": 2}", {3, {B, 3, L}}, {3, {B, 5, NB_ANY}}},
    {"Conv3d",
     "{\"in_channels\": 3, \"out_channels\": 5, \"kernel_size\": [1, 2, 1]}",
     {5, {B, NB_ANY, L, L, 4}},
     {5, {B, 5, L, NB_ANY, 4}}},
    {"ConvTranspose2d",
     "{\"out_channels\": 5, \"kernel_size\": 3, \"padding\": 1}",
     {4, {B, 3, L, 9}},
     {4, {B, 5, L, 9}}},
    {"ConvTranspose1d",
     "{\"out_channels\": 5, \"kernel_size\": 3, \"stride\": 2, \"output_padding\": 1}",
     {3, {B, 3, L}},
     {3, {B, 5, NB_ANY}}},
    {"ConvTranspose1d",
     "{\"out_channels\": 5, \"kernel_size\": 3, \"stride\": 2, \"output_padding\": 1}",
     {3, {B, 3, 4}},
     {3, {B, 5, 10}}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(infers)
{
    static const char *const symbols[] = {"B", "L"};
    struct call c;
    struct nb_shape out = {.rank = 0};
    char got[200], want[200];
    call_begin(&c, NB_F64, shapes[_i].type, shapes[_i].args);
    c.infer = (struct nb_infer){
        .args = c.args, .nin = 1, .in = &shapes[_i].in, .symbols = symbols, .arena = &c.arena, .nout = 1, .out = &out};
    ck_assert_msg(!c.m->infer(&c.infer, &c.error), "%s", c.error.detail);
    ck_assert_str_eq(nb_shape_text(&out, symbols, got, sizeof got),
                     nb_shape_text(&shapes[_i].out, symbols, want, sizeof want));
    ck_assert_int_eq(c.infer.nw, 2);
    call_end(&c);
}
END_TEST
#undef B
#undef L

static const struct {
    const char *x, *node;
    enum nb_code code;
    const char *pointer;
} refused[] = {
    {"['B', 3, 8, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3, 'groups': 2", NB_E_bad_argument,
     "/graph/nodes/y/groups"},
    {"['B', 4, 8, 8]", "'op': 'Conv2d', 'out_channels': 5, 'kernel_size': 3, 'groups': 2", NB_E_bad_argument,
     "/graph/nodes/y/groups"},
    {"['B', 4, 8, 8]", "'op': 'Conv2d', 'in_channels': 3, 'out_channels': 5, 'kernel_size': 3", NB_E_shape_mismatch,
     "/graph/nodes/y/in_channels"},
    {"['B', 'C', 8, 8]", "'op': 'Conv2d', 'out_channels': 5, 'kernel_size': 3", NB_E_missing_argument,
     "/graph/nodes/y/in"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': [5, 3]", NB_E_shape_mismatch,
     "/graph/nodes/y/kernel_size/0"},
    {"['B', 3, 4]", "'op': 'Conv1d', 'out_channels': 4, 'kernel_size': 4, 'dilation': 2, 'padding': 1",
     NB_E_shape_mismatch, "/graph/nodes/y/kernel_size"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': [1, 2, 3]", NB_E_bad_argument,
     "/graph/nodes/y/kernel_size"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': []", NB_E_bad_argument,
     "/graph/nodes/y/kernel_size"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 0", NB_E_bad_argument,
     "/graph/nodes/y/kernel_size"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 1, 'stride': [1, 0]", NB_E_bad_argument,
     "/graph/nodes/y/stride/1"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3, 'padding': -1", NB_E_bad_argument,
     "/graph/nodes/y/padding"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3, 'padding': 'full'", NB_E_bad_argument,
     "/graph/nodes/y/padding"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3, 'padding': 'same', 'stride': 2",
     NB_E_bad_argument, "/graph/nodes/y/padding"},
    {"['B', 3, 4, 8]",
     "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3, 'padding': [4, 1], 'padding_mode': 'reflect'",
     NB_E_bad_argument, "/graph/nodes/y/padding/0"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3, 'padding': 9, 'padding_mode': 'circular'",
     NB_E_bad_argument, "/graph/nodes/y/padding"},
    {"['B', 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3, 'padding_mode': 'mirror'",
     NB_E_bad_argument, "/graph/nodes/y/padding_mode"},
    {"['B', 3]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3", NB_E_shape_mismatch, "/graph/nodes/y/in"},
    {"['B', 3, 4, 8]", "'op': 'Conv1d', 'out_channels': 4, 'kernel_size': 3", NB_E_shape_mismatch, "/graph/nodes/y/in"},
    {"[2, 3, 4, 8]", "'op': 'Conv2d', 'out_channels': 4, 'kernel_size': 3, 'padding': 2000000000, 'stride': 2000000000",
     NB_E_bad_argument, "/graph/nodes/y/padding"},
    {"['B', 3, 4, 8]", "'op': 'ConvTranspose2d', 'out_channels': 4, 'kernel_size': 3, 'output_padding': 1",
     NB_E_bad_argument, "/graph/nodes/y/output_padding"},
    {"['B', 3, 4, 8]",
     "'op': 'ConvTranspose2d', 'out_channels': 4, 'kernel_size': 3, 'stride': [1, 3], 'output_padding': [0, 3]",
     NB_E_bad_argument, "/graph/nodes/y/output_padding/1"},
    {"['B', 3, 4, 8]", "'op': 'ConvTranspose2d', 'out_channels': 4, 'kernel_size': 3, 'padding': [3, 0]",
     NB_E_bad_argument, "/graph/nodes/y/padding/0"},
    {"['B', 3, 4, 8]", "'op': 'ConvTranspose2d', 'out_channels': 4, 'kernel_size': 3, 'padding_mode': 'reflect'",
     NB_E_bad_argument, "/graph/nodes/y/padding_mode"},
    {"['B', 3, 4, 8]", "'op': 'ConvTranspose2d', 'out_channels': 4, 'kernel_size': 3, 'padding': 'same'", NB_E_none,
     "/graph/nodes/y/padding"},
    {"['B', 3, 4, 8]", "'op': 'ConvTranspose2d', 'out_channels': 4, 'kernel_size': 3, 'groups': 3", NB_E_bad_argument,
     "/graph/nodes/y/groups"},
};
enum { REFUSED = sizeof refused / sizeof *refused };

START_TEST(refuses)
{
    char text[600];
    snprintf(text, sizeof text, "{'inputs': {'x': %s}, 'nodes': {'y': {'in': 'x', %s}}, 'outputs': ['y']}",
             refused[_i].x, refused[_i].node);
    ck_assert_msg(!make(text), "%s is taken", text);
    ck_assert_msg(!strcmp(error.pointer, refused[_i].pointer), "%s: at %s: %s", text, error.pointer, error.detail);
    ck_assert_msg(error.code == refused[_i].code || (!refused[_i].code && error.code != NB_E_internal), "%s: %s: %s",
                  text, nb_code_name(error.code), error.detail);
    ck_assert(*error.detail);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conv");
    TCase *t = tcase_create("conv");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, adjoint, 0, 18);
    tcase_add_test(t, is_not_flipped);
    tcase_add_test(t, doubles_as_bilinear_does);
    tcase_add_loop_test(t, as_plain_loops_do, 0, PLAIN);
    tcase_add_loop_test(t, infers, 0, SHAPES);
    tcase_add_loop_test(t, refuses, 0, REFUSED);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
