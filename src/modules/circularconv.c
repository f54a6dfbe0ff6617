/* CircularConv: a row mixed with its own rotations, as the heads of a Neural Turing Machine shift their attention. */
#include "modules/rows.h"
#include <string.h>

struct args {
    int64_t offset;
};

struct view {
    size_t rows, n, k;
    int64_t offset;
};

static struct view view_of(const struct nb_call *c)
{
    const struct nb_shape *x = &c->in[0].shape, *s = &c->in[1].shape;
    struct view v = {1, (size_t)x->dim[x->rank - 1], (size_t)s->dim[s->rank - 1],
                     ((const struct args *)c->args)->offset};
    for (int i = 0; i < x->rank - 1; i++)
        v.rows *= (size_t)x->dim[i];
    return v;
}

/* By how much kernel entry k turns a row to the right: 0 to n - 1. */
static size_t turn(const struct view *v, size_t k)
{
    int64_t n = (int64_t)v->n;
    return (size_t)(((v->offset % n + n) % n + (int64_t)(k % v->n)) % n);
}

NB_SIMD static void add_times(size_t n, nb_real s, const nb_real *x, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] += s * x[i];
}

/* y_i += s x_(i - t), in two pieces without a seam. */
static void add_turned(size_t n, size_t t, nb_real s, const nb_real *x, nb_real *y)
{
    add_times(n - t, s, x, y + t);
    add_times(t, s, x + (n - t), y);
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    char a[200], b[200];
    const struct nb_shape *x = &s->in[0], *w = &s->in[1];
    bool fits = x->rank > 0 && x->rank == w->rank;
    for (int i = 0; fits && i < x->rank - 1; i++)
        fits = nb_dim_same(x->dim[i], w->dim[i]) != 0;
    s->out[0] = *x;
    if (fits)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch,
                   "input is %s, kernel is %s: wanted are [B, N] and [B, K], a kernel for each row",
                   nb_shape_text(x, s->symbols, a, sizeof a), nb_shape_text(w, s->symbols, b, sizeof b));
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    const nb_real *x = c->in[0].data, *s = c->in[1].data;
    nb_real *y = c->out[0].data;
    memset(y, 0, v.rows * v.n * sizeof *y);
    for (size_t i = 0; i < v.rows && v.n; i++)
        for (size_t k = 0; k < v.k; k++)
            add_turned(v.n, turn(&v, k), s[i * v.k + k], x + i * v.n, y + i * v.n);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    const nb_real *x = c->in[0].data, *s = c->in[1].data, *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data, *ds = c->gin[1].data;
    if (dx)
        memset(dx, 0, v.rows * v.n * sizeof *dx);
    if (ds && !v.n)
        memset(ds, 0, v.rows * v.k * sizeof *ds);
    for (size_t i = 0; i < v.rows && v.n; i++, x += v.n, g += v.n)
        for (size_t k = 0; k < v.k; k++) {
            size_t t = turn(&v, k);
            if (dx)
                add_turned(v.n, t ? v.n - t : 0, s[i * v.k + k], g, dx + i * v.n);
            if (ds)
                ds[i * v.k + k] = (nb_real)(NB(nb_row_dot)(v.n - t, g + t, x) + NB(nb_row_dot)(t, g, x + (v.n - t)));
        }
    return 0;
}

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {"kernel", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"offset", NB_ARG_INT, offsetof(struct args, offset), 0, 0, 0, 0, NULL,
     "by how much the first kernel entry turns the row; the others turn it further"},
    {0},
};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x3", false},
    {"\"offset\": -1", "5x7 5x3", false},
    {"\"offset\": -4", "3x5 3x7", false},
    {"\"offset\": 9", "3x2x5 3x2x1", false},
    {"\"offset\": 2", "17 3", false},
    {0},
};

static const struct nb_known circularconv_mistakes[] = {
    {.code = "circularconv_same_turn",
     .formula = "sum(unsqueeze(kernel, -1)*concat(unsqueeze(roll(g, offset, -1), -2), "
                "unsqueeze(roll(g, offset + 1, -1), -2), unsqueeze(roll(g, offset + 2, -1), -2), dim=-2), -2)",
     .hint = "Back the rows turn the other way."},
    {.code = "circularconv_kernel_all",
     .of = "kernel",
     .formula = "d*0 + sum(g, -1, keepdim=1)*sum(input, -1, keepdim=1)",
     .hint = "A kernel entry meets g and the input turned by as much: sum over one index."},
    {.code = "circularconv_kernel_reversed",
     .of = "kernel",
     .formula = "flip(d, -1)",
     .hint = "The kernel is reversed."},
    {0},
};

const struct nb_module NB(nb_module_circularconv)[] = {
    {
        .type = "CircularConv",
        .mistakes = circularconv_mistakes,
        .summary = "Every row is mixed with its own rotations, weighed by a kernel of its own.",
        .formula = "y_i = \\sum_k s_k\\, x_{(i - k - o) \\bmod N}",
        .derivative = "\\bar x_j = \\sum_k s_k\\, g_{(j + k + o) \\bmod N},\\quad "
                      "\\bar s_k = \\sum_i g_i\\, x_{(i - k - o) \\bmod N}",
        .source = "Graves, Wayne, Danihelka 2014",
        .note = "With three kernel entries and offset -1 they mean: one to the left, stay, one to the right.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "RA",
        .cases = cases,
    },
    {0},
};
