/* Normalize: rows divided by their norm. */
#include "modules/rows.h"

struct args {
    double p;
    int64_t dim;
    double eps;
};

static struct nb_rows rows_of(const struct nb_call *c)
{
    const struct args *a = c->args;
    const struct nb_shape *s = &c->in[0].shape;
    return nb_rows_of(s, 1u << nb_axis(a->dim, s->rank));
}

/* ---- along one row ---------------------------------------------------------------------------------------------- */

static nb_real norm(size_t n, const nb_real *x, double p)
{
    nb_sum s = 0;
    if (p == 2)
        return nb_sqrt((nb_real)NB(nb_row_dot)(n, x, x));
    for (size_t i = 0; i < n; i++)
        s += p == 1 ? nb_abs(x[i]) : nb_pow(nb_abs(x[i]), (nb_part)p);
    return p == 1 ? (nb_real)s : nb_pow((nb_real)s, (nb_part)(1 / p));
}

/* sign(x) |y|^(p-1): the derivative of the norm. */
static inline nb_real norm_slope(nb_real y, double p)
{
    return p == 2 ? y : p == 1 ? nb_sign(y) : nb_sign(y) * nb_pow(nb_abs(y), (nb_part)(p - 1));
}

static void divide(size_t n, const nb_real *x, nb_real by, nb_real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / by;
}

/* dx = (g - sign(x) |y|^(p-1) <g, y>) / norm */
static void slope(size_t n, const nb_real *y, const nb_real *g, nb_real norm, double p, nb_real *dx)
{
    nb_real s = (nb_real)NB(nb_row_dot)(n, g, y);
    for (size_t i = 0; i < n; i++)
        dx[i] = (g[i] - norm_slope(y[i], p) * s) / norm;
}

/* ---- the module -------------------------------------------------------------------------------------------------- */

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    const struct nb_shape *x = &s->in[0];
    int axis = nb_axis_in(s, "dim", a->dim, x->rank, e);
    if (axis < 0)
        return -1;
    s->out[0] = *x;
    if (nb_shape_known(x)) {
        struct nb_rows r = nb_rows_of(x, 1u << axis);
        s->saved = r.rows * (r.n + 1);
        s->work = r.dense ? 0 : 2 * r.rows * r.n;
    }
    return 0;
}

/* Keeps the rows of y, then their norms. */
static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    struct nb_rows r = rows_of(c);
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work);
    nb_real *y = c->saved, *norms = y + r.rows * r.n;
    for (size_t i = 0; i < r.rows; i++) {
        norms[i] = norm(r.n, x + i * r.n, a->p);
        divide(r.n, x + i * r.n, nb_re(norms[i]) <= a->eps ? (nb_real)(nb_part)a->eps : norms[i], y + i * r.n);
    }
    NB(nb_place)(&r.layout, y, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    struct nb_rows r = rows_of(c);
    const nb_real *y = c->saved, *norms = y + r.rows * r.n, *g = nb_rows_read(&r, c->gout[0].data, c->work);
    nb_real *dx = r.dense ? c->gin[0].data : (nb_real *)c->work + r.rows * r.n;
    if (!c->gin[0].data)
        return 0;
    for (size_t i = 0; i < r.rows; i++)
        if (nb_re(norms[i]) <= a->eps)
            divide(r.n, g + i * r.n, (nb_part)a->eps, dx + i * r.n);
        else
            slope(r.n, y + i * r.n, g + i * r.n, norms[i], a->p, dx + i * r.n);
    if (!r.dense)
        NB(nb_place)(&r.layout, dx, c->gin[0].data);
    return 0;
}

/* The norm is at eps: all entries of the row are at this edge, and the greatest moves it. */
static void norm_at_edge(const struct nb_rows *r, size_t row, const nb_real *x, struct nb_branches *b)
{
    size_t most = 0;
    for (size_t k = 1; k < r->n; k++)
        most = nb_re(nb_abs(x[k])) > nb_re(nb_abs(x[most])) ? k : most;
    for (size_t k = 0; k < r->n; k++)
        nb_at_edge(b, 0, nb_row_place(r, row, k ? k - (k <= most) : most), NB_EDGE_SIDE, -1 - (int64_t)row);
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const struct args *a = c->args;
    struct nb_rows r = rows_of(c);
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work), *norms = (const nb_real *)c->saved + r.rows * r.n;
    for (size_t i = 0; i < r.rows && r.n; i++, x += r.n) {
        if (nb_side(b, nb_re(norms[i]), a->eps))
            norm_at_edge(&r, i, x, b);
        for (size_t k = 0; k < r.n && a->p == 1 && nb_re(norms[i]) > a->eps; k++)
            if (nb_side(b, nb_re(x[k]), 0))
                nb_at_edge(b, 0, nb_row_place(&r, i, k), NB_EDGE_SIDE, (int64_t)(i * r.n + k));
    }
}

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"p", NB_ARG_REAL, offsetof(struct args, p), 2, 1, INFINITY, NB_MAX_OPEN, NULL, "exponent of the norm"},
    {"dim", NB_ARG_INT, offsetof(struct args, dim), 1, 0, 0, 0, NULL, "the dimension along which the norm is taken"},
    {"eps", NB_ARG_REAL, offsetof(struct args, eps), 1e-12, 0, INFINITY, NB_MAX_OPEN, NULL,
     "norms up to this are taken as this"},
    {0},
};

static const struct nb_kink kinks[] = {
    {"x_i = 0, if p = 1", "sign(0) = 0"}, {"norm = eps", "that of norms below: g/eps"}, {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7", false},
    {"\"p\": 1", "5x17", false},
    {"\"p\": 3.5", "7x3x5", false},
    {"\"p\": 1, \"dim\": 0", "7x5", false},
    {"\"dim\": -1", "7x3x5", false},
    {"\"p\": 1.5, \"dim\": 0, \"eps\": 0.1", "33", false},
    {"\"eps\": 100", "5x7", false},
    {0},
};

static const struct nb_known normalize_mistakes[] = {
    {.code = "normalize_norm_constant",
     .formula = "g/norm(x, p=p, dim=dim, keepdim=1)",
     .hint = "The norm depends on x too."},
    {.code = "normalize_plus",
     .formula = "2*g/norm(x, p=p, dim=dim, keepdim=1) - d",
     .hint = "A sign: what goes along the direction is taken away."},
    {.code = "normalize_norm_missing",
     .formula = "d*norm(x, p=p, dim=dim, keepdim=1)",
     .hint = "The division by the norm is missing."},
    {0},
};

const struct nb_module NB(nb_module_normalize)[] = {
    {
        .type = "Normalize",
        .mistakes = normalize_mistakes,
        .onnx = "LpNormalization",
        .summary = "Divides rows by their norm.",
        .formula = "y = \\frac{x}{\\max(\\lVert x \\rVert_p,\\, \\varepsilon)}",
        .derivative = "dx = \\frac{g - \\operatorname{sign}(x)\\,|y|^{p-1} \\langle g, y \\rangle}{\\lVert x \\rVert_p}"
                      "\\ \\text{ if } \\lVert x \\rVert_p > \\varepsilon,\\ \\text{ else } \\frac{g}{\\varepsilon}",
        .note = "At the zero vector the gradient is g/eps, by default g times 1e12.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
