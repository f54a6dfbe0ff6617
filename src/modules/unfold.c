/* Unfold and Fold: the windows of an image as columns, and columns put back and added up. Each is the other's backward.
 */
#include "modules/pool.h"

/* ---- the windows of a plane ----------------------------------------------------------------------------------------
 */

/* As of a pool, but the windows begin every entry, and the padding may be wide. */
static struct nb_span span_of(const struct nb_pool_args *a, int i, int64_t in)
{
    struct nb_span s = nb_span_of(a, i);
    s.stride = nb_each(&a->stride, i, 1);
    s.in = in;
    s.out = NB_IS_KNOWN(in) ? nb_windows(&s, false) : NB_ANY;
    return s;
}

struct windows {
    struct nb_span y, x;
};

static struct windows windows_of(const struct nb_pool_args *a, int64_t height, int64_t width)
{
    return (struct windows){span_of(a, 0, height), span_of(a, 1, width)};
}

/* The entries of the rows of windows that have their tap (u, v) in the plane go to a row of columns, or come from it.
 */
static void move_row(const struct windows *w, int64_t o, int64_t u, const struct nb_line *l, nb_sum *sum,
                     const nb_real *plane, nb_real *column)
{
    int64_t y = o * w->y.stride - w->y.padding + u * w->y.dilation;
    if (y < 0 || y >= w->y.in)
        return;
    size_t at = (size_t)(y * w->x.in) + l->at, step = (size_t)w->x.stride;
    column += (size_t)(o * w->x.out) + l->first;
    for (size_t i = 0; i < l->n; i++)
        if (sum)
            sum[at + i * step] += column[i];
        else
            column[i] = plane[at + i * step];
}

/* All taps: columns of a plane, or, with sums, back. */
static void move_plane(const struct windows *w, nb_sum *sum, const nb_real *plane, nb_real *columns)
{
    for (int64_t u = 0; u < w->y.kernel; u++)
        for (int64_t v = 0; v < w->x.kernel; v++, columns += w->y.out * w->x.out) {
            struct nb_line l = nb_line_of(&w->x, v);
            for (int64_t o = 0; o < w->y.out; o++)
                move_row(w, o, u, &l, sum, plane, columns);
        }
}

static void unfold_all(const struct windows *w, size_t planes, const nb_real *x, nb_real *columns)
{
    size_t n = (size_t)(w->y.in * w->x.in), m = (size_t)(w->y.kernel * w->x.kernel * w->y.out * w->x.out);
    memset(columns, 0, planes * m * sizeof *columns);
    for (size_t i = 0; i < planes; i++)
        move_plane(w, NULL, x + i * n, columns + i * m);
}

static void fold_all(const struct windows *w, size_t planes, const nb_real *columns, nb_real *x, nb_sum *sum)
{
    size_t n = (size_t)(w->y.in * w->x.in), m = (size_t)(w->y.kernel * w->x.kernel * w->y.out * w->x.out);
    for (size_t i = 0; i < planes; i++, x += n) {
        memset(sum, 0, n * sizeof *sum);
        move_plane(w, sum, NULL, (nb_real *)columns + i * m);
        for (size_t k = 0; k < n; k++)
            x[k] = (nb_real)sum[k];
    }
}

static size_t planes_of(const struct nb_shape *image)
{
    size_t n = 1;
    for (int d = 0; d < image->rank - 2; d++)
        n *= (size_t)image->dim[d];
    return n;
}

/* ---- shapes --------------------------------------------------------------------------------------------------------
 */

static int check_span(const struct nb_pool_args *a, int i, const struct nb_span *s, struct nb_error *e)
{
    if (!NB_IS_KNOWN(s->in) || s->out >= 1)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "the kernel covers %lld entries, the padded image has %lld",
            (long long)(s->dilation * (s->kernel - 1) + 1), (long long)(s->in + 2 * s->padding));
    return nb_at_each(&a->kernel_size, i, "kernel_size", e);
}

static int check_windows(const struct nb_pool_args *a, const struct windows *w, struct nb_error *e)
{
    return check_span(a, 0, &w->y, e) || check_span(a, 1, &w->x, e);
}

/* A product of two sizes. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t r;
    return NB_IS_KNOWN(a) && NB_IS_KNOWN(b) && !__builtin_mul_overflow(a, b, &r) && r <= INT32_MAX ? r : NB_ANY;
}

static int unfold_infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_pool_args *a = s->args;
    const struct nb_shape *in = &s->in[0];
    if (nb_pool_counts(a, 2, e) || nb_check_space(s, 2, e))
        return -1;
    int c = in->rank - 3;
    struct windows w = windows_of(a, in->dim[c + 1], in->dim[c + 2]);
    if (check_windows(a, &w, e))
        return -1;
    s->out[0] = *in;
    s->out[0].rank--;
    s->out[0].dim[c] = times(in->dim[c], times(w.y.kernel, w.x.kernel));
    s->out[0].dim[c + 1] = times(w.y.out, w.x.out);
    s->work = NB_IS_KNOWN(w.y.in) && NB_IS_KNOWN(w.x.in) ? 2 * (size_t)(w.y.in * w.x.in) : 0;
    return 0;
}

static int check_columns(const struct nb_infer *s, const struct windows *w, struct nb_error *e)
{
    int64_t taps = times(w->y.kernel, w->x.kernel), n = times(w->y.out, w->x.out);
    int64_t rows = s->in[0].dim[s->in[0].rank - 2], columns = s->in[0].dim[s->in[0].rank - 1];
    if (NB_IS_KNOWN(rows) && (!NB_IS_KNOWN(taps) || rows % taps)) {
        nb_fail(e, NB_E_shape_mismatch, "the input has %lld rows, which are no multiple of the kernel's %lld entries",
                (long long)rows, (long long)taps);
        return nb_at(e, "kernel_size");
    }
    if (NB_IS_KNOWN(columns) && columns != n) {
        nb_fail(e, NB_E_shape_mismatch, "the input has %lld columns, there are %lld x %lld windows", (long long)columns,
                (long long)w->y.out, (long long)w->x.out);
        return nb_at(e, "output_size");
    }
    return 0;
}

static int fold_infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_pool_args *a = s->args;
    const struct nb_shape *in = &s->in[0];
    char text[200];
    if (in->rank != 2 && in->rank != 3)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is [C k, L] or [N, C k, L]",
                       nb_shape_text(in, s->symbols, text, sizeof text));
    if (nb_pool_counts(a, 2, e))
        return -1;
    struct windows w = windows_of(a, nb_each(&a->output_size, 0, 1), nb_each(&a->output_size, 1, 1));
    if (check_windows(a, &w, e) || check_columns(s, &w, e))
        return -1;
    int c = in->rank - 2;
    int64_t taps = times(w.y.kernel, w.x.kernel);
    s->out[0] = *in;
    s->out[0].rank++;
    s->out[0].dim[c] = NB_IS_KNOWN(in->dim[c]) ? in->dim[c] / taps : taps == 1 ? in->dim[c] : NB_ANY;
    s->out[0].dim[c + 1] = w.y.in;
    s->out[0].dim[c + 2] = w.x.in;
    s->work = times(w.y.in, w.x.in) == NB_ANY ? 0 : 2 * (size_t)(w.y.in * w.x.in);
    return 0;
}

/* ---- passes --------------------------------------------------------------------------------------------------------
 */

static struct windows of_image(const struct nb_call *c, const struct nb_shape *image)
{
    return windows_of(c->args, image->dim[image->rank - 2], image->dim[image->rank - 1]);
}

static int unfold_forward(const struct nb_call *c, struct nb_error *e)
{
    struct windows w = of_image(c, &c->in[0].shape);
    (void)e;
    unfold_all(&w, planes_of(&c->in[0].shape), c->in[0].data, c->out[0].data);
    return 0;
}

static int unfold_backward(const struct nb_call *c, struct nb_error *e)
{
    struct windows w = of_image(c, &c->in[0].shape);
    (void)e;
    if (c->gin[0].data)
        fold_all(&w, planes_of(&c->in[0].shape), c->gout[0].data, c->gin[0].data, c->work);
    return 0;
}

static int fold_forward(const struct nb_call *c, struct nb_error *e)
{
    struct windows w = of_image(c, &c->out[0].shape);
    (void)e;
    fold_all(&w, planes_of(&c->out[0].shape), c->in[0].data, c->out[0].data, c->work);
    return 0;
}

static int fold_backward(const struct nb_call *c, struct nb_error *e)
{
    struct windows w = of_image(c, &c->out[0].shape);
    (void)e;
    if (c->gin[0].data)
        unfold_all(&w, planes_of(&c->out[0].shape), c->gout[0].data, c->gin[0].data);
    return 0;
}

/* ---- the rows ------------------------------------------------------------------------------------------------------
 */

#define WINDOW_ARGS                                                                                                    \
    NB_POOL_KERNEL, NB_POOL_INTS(dilation, 0, 1, "how far apart the entries of a window are; 1 if left out"),          \
        NB_POOL_PADDING("zeros around the image"),                                                                     \
        NB_POOL_INTS(stride, 0, 1, "how far apart the windows begin; 1 if left out")

static const struct nb_arg unfold_args[] = {WINDOW_ARGS, {0}};
static const struct nb_arg fold_args[] = {
    NB_POOL_INTS(output_size, NB_REQUIRED, 1, "of the image: height and width, or one number for both"),
    WINDOW_ARGS,
    {0},
};

static const struct nb_case unfold_cases[] = {
    {"\"kernel_size\": 2", "2x3x3x5", false},
    {"\"kernel_size\": [2, 3], \"stride\": 2, \"padding\": [0, 2]", "3x5x4", false},
    {"\"kernel_size\": 2, \"dilation\": [2, 3], \"padding\": 1", "2x2x3x5", false},
    {0},
};
static const struct nb_case fold_cases[] = {
    {"\"output_size\": [3, 5], \"kernel_size\": 2", "2x12x8", false},
    {"\"output_size\": [5, 4], \"kernel_size\": [2, 3], \"stride\": 2, \"padding\": [0, 2]", "18x6", false},
    {"\"output_size\": 5, \"kernel_size\": 2, \"dilation\": [2, 3], \"padding\": 1", "2x8x20", false},
    {0},
};

const struct nb_module NB(nb_module_unfold)[] = {
    {
        .type = "Unfold",
        .summary = "The windows of an image as columns: im2col.",
        .formula = "y_{(c,u,v),(i,j)} = x_{c,\\,si - p + du,\\,sj - p + dv}",
        .derivative = "\\bar x = \\operatorname{fold}(g)",
        .args = unfold_args,
        .args_size = sizeof(struct nb_pool_args),
        .inputs = nb_pool_ports,
        .infer = unfold_infer,
        .forward = unfold_forward,
        .backward = unfold_backward,
        .jacobian = "A",
        .cases = unfold_cases,
    },
    {
        .type = "Fold",
        .onnx = "Col2Im",
        .summary = "Columns put back as the windows of an image, which are added up: col2im.",
        .formula = "y_{c,a,b} = \\sum_{si - p + du = a,\\ sj - p + dv = b} x_{(c,u,v),(i,j)}",
        .derivative = "\\bar x = \\operatorname{unfold}(g)",
        .args = fold_args,
        .args_size = sizeof(struct nb_pool_args),
        .inputs = nb_pool_ports,
        .infer = fold_infer,
        .forward = fold_forward,
        .backward = fold_backward,
        .jacobian = "A",
        .cases = fold_cases,
    },
    {0},
};
