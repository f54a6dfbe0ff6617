/* Max, Min, ArgMax, ArgMin over dimensions. Of equal entries the first counts; the first NaN counts before all. */
#include "modules/reduce.h"

/* Is an entry beyond top, or NaN? */
NB_SIMD static bool any_beyond(size_t n, const nb_real *x, nb_part sign, nb_part top)
{
    int found = 0;
    for (size_t i = 0; i < n; i++)
        found |= !(sign * nb_re(x[i]) <= top);
    return found;
}

/* Place of the greatest (sign 1) or smallest (-1) entry of a row that has any. Most blocks hold none that is better. */
static size_t first(size_t n, const nb_real *x, nb_part sign)
{
    enum { BLOCK = 64 };
    size_t best = 0;
    nb_part top = -(nb_part)INFINITY;
    for (size_t i = 0; i < n && top == top; i += BLOCK) {
        size_t width = n - i < BLOCK ? n - i : BLOCK;
        if (!any_beyond(width, x + i, sign, top))
            continue;
        for (size_t k = i; k < i + width && top == top; k++)
            if (!(sign * nb_re(x[k]) <= top)) {
                best = k;
                top = sign * nb_re(x[k]);
            }
    }
    return best;
}

/* ---- Max, Min --------------------------------------------------------------------------------------------------- */

struct extreme {
    struct nb_reduce r;
    int64_t indices;
};

static struct nb_strings output_names(const void *p)
{
    static const char *const names[] = {"out", "indices"};
    const struct extreme *args = p;
    return (struct nb_strings){args->indices ? 2 : 1, names};
}

/* The greatest of nothing is -inf, at place -1. */
static int pick(const struct nb_call *c, int sign)
{
    struct nb_rows r = nb_reduce_rows(c);
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work);
    nb_real *y = c->out[0].data, *place = c->nout > 1 ? c->out[1].data : NULL;
    for (size_t i = 0; i < r.rows; i++, x += r.n) {
        size_t k = first(r.n, x, sign);
        y[i] = r.n ? x[k] : -sign * (nb_part)INFINITY;
        if (place)
            place[i] = r.n ? (nb_real)k : -1;
    }
    return 0;
}

static void give(size_t n, const nb_real *x, nb_real g, nb_real *dx, int sign)
{
    memset(dx, 0, n * sizeof *dx);
    if (n)
        dx[first(n, x, sign)] = g;
}

static void max_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *scratch)
{
    (void)args, (void)scratch;
    give(n, x, g, dx, 1);
}

static void min_slope(const void *args, size_t n, const nb_real *x, nb_real g, nb_real *dx, nb_sum *scratch)
{
    (void)args, (void)scratch;
    give(n, x, g, dx, -1);
}

static int max_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return pick(c, 1);
}

static int max_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return nb_reduce_backward(c, max_slope);
}

static int min_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return pick(c, -1);
}

static int min_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return nb_reduce_backward(c, min_slope);
}

/* ---- ArgMax, ArgMin -----------------------------------------------------------------------------------------------
 */

struct argmax {
    int64_t dim, keepdim;
};

static int argmax_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct argmax *args = s->args;
    int axis = nb_axis_in(s, "dim", args->dim, s->in[0].rank, e);
    if (axis < 0)
        return -1;
    s->out[0] = nb_reduced(&s->in[0], 1u << axis, args->keepdim);
    s->work = nb_known(&s->in[0]);
    return 0;
}

static int places(const struct nb_call *c, int sign)
{
    const struct argmax *args = c->args;
    struct nb_rows r = nb_rows_of(&c->in[0].shape, 1u << nb_axis(args->dim, c->in[0].shape.rank));
    const nb_real *x = nb_rows_read(&r, c->in[0].data, c->work);
    nb_real *y = c->out[0].data;
    for (size_t i = 0; i < r.rows; i++)
        y[i] = r.n ? (nb_real)first(r.n, x + i * r.n, (nb_part)sign) : -1;
    return 0;
}

static int argmax_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return places(c, 1);
}

static int argmin_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    return places(c, -1);
}

/* ---- branches --------------------------------------------------------------------------------------------------- */

/* Which entry of every row counts, and all that are equal to it. */
static void choices(const struct nb_call *c, struct nb_branches *b, const struct nb_rows *r, int sign)
{
    const nb_real *x = nb_rows_read(r, c->in[0].data, c->work);
    for (size_t i = 0; i < r->rows && r->n; i++, x += r->n) {
        size_t best = first(r->n, x, sign), tied = 0;
        nb_decide(b, best);
        for (size_t k = best; k < r->n; k++)
            tied += nb_re(x[k]) == nb_re(x[best]);
        for (size_t k = best; k < r->n && tied > 1; k++)
            if (nb_re(x[k]) == nb_re(x[best]))
                nb_at_edge(b, 0, nb_row_place(r, i, k), sign > 0 ? NB_EDGE_TIE : NB_EDGE_BELOW, (int64_t)i);
    }
}

static void max_branches(const struct nb_call *c, struct nb_branches *b)
{
    struct nb_rows r = nb_reduce_rows(c);
    choices(c, b, &r, 1);
}

static void min_branches(const struct nb_call *c, struct nb_branches *b)
{
    struct nb_rows r = nb_reduce_rows(c);
    choices(c, b, &r, -1);
}

static struct nb_rows argmax_rows(const struct nb_call *c)
{
    const struct nb_shape *s = &c->in[0].shape;
    return nb_rows_of(s, 1u << nb_axis(((const struct argmax *)c->args)->dim, s->rank));
}

static void argmax_branches(const struct nb_call *c, struct nb_branches *b)
{
    struct nb_rows r = argmax_rows(c);
    choices(c, b, &r, 1);
}

static void argmin_branches(const struct nb_call *c, struct nb_branches *b)
{
    struct nb_rows r = argmax_rows(c);
    choices(c, b, &r, -1);
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_arg extreme_args[] = {
    NB_REDUCE_DIM,
    NB_REDUCE_KEEPDIM,
    {"indices", NB_ARG_BOOL, offsetof(struct extreme, indices), 0, 0, 0, 0, NULL,
     "adds the port indices: the place among the entries reduced, in their order"},
    {0},
};
static const struct nb_case extreme_cases[] = {
    {NULL, "5x7", false},
    {"\"dim\": 0", "7x5", false},
    {"\"dim\": -1, \"indices\": true", "3x33", false},
    {"\"dim\": [0, 2], \"keepdim\": true, \"indices\": true", "7x5x3", false},
    {"\"dim\": 1", "7x17x3", false},
    {0},
};

static const struct nb_arg argmax_args[] = {
    {"dim", NB_ARG_INT, offsetof(struct argmax, dim), -1, 0, 0, 0, NULL, "the dimension looked along"},
    {"keepdim", NB_ARG_BOOL, offsetof(struct argmax, keepdim), 0, 0, 0, 0, NULL, "keeps the dimension, with size 1"},
    {0},
};
static const struct nb_case argmax_cases[] = {
    {NULL, "5x7", false},
    {"\"dim\": 0, \"keepdim\": true", "7x5x3", false},
    {0},
};

static const struct nb_known max_mistakes[] = {
    {.code = "max_all", .formula = "g + 0*x", .hint = "Only the greatest entry gets the gradient."},
    {0},
};

static const struct nb_known min_mistakes[] = {
    {.code = "min_all", .formula = "g + 0*x", .hint = "Only the smallest entry gets the gradient."},
    {0},
};

const struct nb_module NB(nb_module_extremes)[] = {
    {
        .type = "Max",
        .mistakes = max_mistakes,
        .onnx = "ReduceMax",
        .summary = "The greatest entry over dimensions.",
        .formula = "y = \\max_i x_i",
        .derivative = "\\bar x_i = g\\,[i = k],\\quad k = \\min\\{i : x_i = y\\}",
        .note =
            "Of equal entries the first gets the whole gradient, as in PyTorch's max along a dimension. NaN counts as "
            "the greatest; over nothing: -inf.",
        .args = extreme_args,
        .args_size = sizeof(struct extreme),
        .inputs = nb_reduce_ports,
        .output_names = output_names,
        .infer = nb_reduce_infer,
        .forward = max_forward,
        .backward = max_backward,
        .kinks = (const struct nb_kink[]){{"x_i = x_j, both the greatest", "all to the first"}, {0}},
        .branches = max_branches,
        .jacobian = "R",
        .cases = extreme_cases,
    },
    {
        .type = "Min",
        .mistakes = min_mistakes,
        .onnx = "ReduceMin",
        .summary = "The smallest entry over dimensions.",
        .formula = "y = \\min_i x_i",
        .derivative = "\\bar x_i = g\\,[i = k],\\quad k = \\min\\{i : x_i = y\\}",
        .note = "Of equal entries the first gets the whole gradient. NaN counts as the smallest; over nothing: +inf.",
        .args = extreme_args,
        .args_size = sizeof(struct extreme),
        .inputs = nb_reduce_ports,
        .output_names = output_names,
        .infer = nb_reduce_infer,
        .forward = min_forward,
        .backward = min_backward,
        .kinks = (const struct nb_kink[]){{"x_i = x_j, both the smallest", "all to the first"}, {0}},
        .branches = min_branches,
        .jacobian = "R",
        .cases = extreme_cases,
    },
    {
        .type = "ArgMax",
        .onnx = "ArgMax",
        .summary = "The place of the greatest entry along a dimension.",
        .formula = "y = \\min\\{i : x_i = \\max_j x_j\\}",
        .derivative = "\\bar x = 0",
        .note = "The number is a real one. PyTorch's dim starts as all dimensions, here as the last. Over nothing: -1.",
        .args = argmax_args,
        .args_size = sizeof(struct argmax),
        .inputs = nb_reduce_ports,
        .infer = argmax_infer,
        .forward = argmax_forward,
        .no_backward = "a place in a list is a whole number: the derivative is 0 wherever it exists",
        .kinks = (const struct nb_kink[]){{"x_i = x_j, both the greatest (a jump)", "0"}, {0}},
        .branches = argmax_branches,
        .jacobian = "R",
        .cases = argmax_cases,
    },
    {
        .type = "ArgMin",
        .onnx = "ArgMin",
        .summary = "The place of the smallest entry along a dimension.",
        .formula = "y = \\min\\{i : x_i = \\min_j x_j\\}",
        .derivative = "\\bar x = 0",
        .note = "The number is a real one. PyTorch's dim starts as all dimensions, here as the last. Over nothing: -1.",
        .args = argmax_args,
        .args_size = sizeof(struct argmax),
        .inputs = nb_reduce_ports,
        .infer = argmax_infer,
        .forward = argmin_forward,
        .no_backward = "a place in a list is a whole number: the derivative is 0 wherever it exists",
        .kinks = (const struct nb_kink[]){{"x_i = x_j, both the smallest (a jump)", "0"}, {0}},
        .branches = argmin_branches,
        .jacobian = "R",
        .cases = argmax_cases,
    },
    {0},
};
