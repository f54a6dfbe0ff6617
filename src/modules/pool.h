/* pool.h - windows over the last one, two or three dimensions: arguments, shapes and places of the pools. */
#ifndef NABLA_POOL_H
#define NABLA_POOL_H
#include "modules/rows.h"
#include <string.h>

enum { NB_SPACE = 3, NB_LINES = 8 };

/* One dimension of space. Windows of `kernel` entries, `dilation` apart, begin every `stride` entries, the first one
 * `padding` places before the first entry. kernel 0: cell i of `out` covers floor(i in/out) to ceil((i+1) in/out) - 1.
 */
struct nb_span {
    int64_t in, out, kernel, stride, padding, dilation;
};

/* The entries of a window that exist: n of them, from `at`, one dilation apart. */
struct nb_taps {
    size_t at, n;
};

/* A division is slow, and most are by 1. */
static inline int64_t nb_steps(int64_t way, int64_t step)
{
    return step == 1 ? way : way / step;
}

static inline struct nb_taps nb_taps_of(const struct nb_span *s, size_t o)
{
    int64_t i = (int64_t)o;
    if (!s->kernel) {
        int64_t first = i * s->in / s->out, end = ((i + 1) * s->in + s->out - 1) / s->out;
        return (struct nb_taps){(size_t)first, (size_t)(end - first)};
    }
    int64_t start = i * s->stride - s->padding, skip = start < 0 ? nb_steps(-start + s->dilation - 1, s->dilation) : 0;
    int64_t at = start + skip * s->dilation, n = at < s->in ? nb_steps(s->in - 1 - at, s->dilation) + 1 : 0;
    n = n < s->kernel - skip ? n : s->kernel - skip;
    return (struct nb_taps){(size_t)at, n > 0 ? (size_t)n : 0};
}

/* The outputs whose entry number `tap` exists: n of them from `first`; `at` is that entry of the first one. */
struct nb_line {
    size_t first, n, at;
};

static inline struct nb_line nb_line_of(const struct nb_span *s, int64_t tap)
{
    int64_t shift = tap * s->dilation - s->padding;
    int64_t first = shift < 0 ? (s->stride - 1 - shift) / s->stride : 0, last = s->in - 1 - shift;
    int64_t end = last < 0 ? 0 : last / s->stride + 1;
    end = end < s->out ? end : s->out;
    return (struct nb_line){(size_t)first, end > first ? (size_t)(end - first) : 0,
                            (size_t)(first * s->stride + shift)};
}

/* The last dimensions of a tensor as space, 1s in front; all others number the planes. */
struct nb_pool {
    size_t planes, in, out; /* entries of a plane */
    struct nb_span d[NB_SPACE];
    bool by_tap;                   /* entry by entry of all windows of a row, not window by window */
    struct nb_line line[NB_LINES]; /* of the first taps of the last dimension */
};

static inline void nb_pool_lines(struct nb_pool *p)
{
    const struct nb_span *s = &p->d[NB_SPACE - 1];
    p->by_tap = s->kernel && s->kernel <= s->in;
    for (int64_t k = 0; p->by_tap && k < s->kernel && k < NB_LINES; k++)
        p->line[k] = nb_line_of(s, k);
}

static inline struct nb_line nb_pool_line(const struct nb_pool *p, int64_t tap)
{
    return tap < NB_LINES ? p->line[tap] : nb_line_of(&p->d[NB_SPACE - 1], tap);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* Of all pools. Those without a kernel are adaptive. */
struct nb_pool_args {
    struct nb_ints kernel_size, stride, padding, dilation, output_size;
    int64_t return_indices, ceil_mode, count_include_pad, divisor_override;
    double norm_type;
    int64_t dims; /* of space: infer says it */
};

#define NB_POOL_INTS(name, flags, min, help)                                                                           \
    {                                                                                                                  \
#name, NB_ARG_INTS, offsetof(struct nb_pool_args, name), 0, min, INT32_MAX, flags, NULL, help                  \
    }
#define NB_POOL_BOOL(name, def, help)                                                                                  \
    {                                                                                                                  \
#name, NB_ARG_BOOL, offsetof(struct nb_pool_args, name), def, 0, 0, 0, NULL, help                              \
    }
#define NB_POOL_KERNEL                                                                                                 \
    NB_POOL_INTS(kernel_size, NB_REQUIRED, 1, "of the windows: one number for all dimensions, or a list")
#define NB_POOL_STRIDE NB_POOL_INTS(stride, 0, 1, "how far apart the windows begin; the kernel's size if left out")
#define NB_POOL_PADDING(what) NB_POOL_INTS(padding, 0, 0, what)
#define NB_POOL_OUTPUT                                                                                                 \
    NB_POOL_INTS(output_size, NB_REQUIRED, 1, "of the result: one number for all dimensions, or a list")
#define NB_POOL_CEIL                                                                                                   \
    NB_POOL_BOOL(ceil_mode, 0, "rounds the length of the result up: the last window may stick out at the end")

static const struct nb_port nb_pool_ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

/* Entry i of an argument that may be one number for all, or left out. */
static inline int64_t nb_each(const struct nb_ints *l, int i, int64_t absent)
{
    return l->n == 0 ? absent : l->v[l->n == 1 ? 0 : i];
}

/* The fault of entry i of a list argument, set by nb_fail before. */
static inline int nb_at_each(const struct nb_ints *l, int i, const char *name, struct nb_error *e)
{
    if (!l->single && l->n)
        nb_at_index(e, l->n == 1 ? 0 : (size_t)i);
    return nb_at(e, name);
}

static inline int nb_check_count(const struct nb_ints *l, int dims, const char *name, struct nb_error *e)
{
    if (l->n <= 1 || l->n == (size_t)dims)
        return 0;
    nb_fail(e, NB_E_bad_argument, "%s has %zu numbers, wanted is one, or %d", name, l->n, dims);
    return nb_at(e, name);
}

/* The input has channels, `dims` dimensions of space behind them, and possibly a batch in front. */
static inline int nb_check_space(const struct nb_infer *s, int dims, struct nb_error *e)
{
    static const char *const wanted[] = {"", "[C, L] or [N, C, L]", "[C, H, W] or [N, C, H, W]",
                                         "[C, D, H, W] or [N, C, D, H, W]"};
    char text[200];
    int rank = s->in[0].rank;
    nb_shape_text(&s->in[0], s->symbols, text, sizeof text);
    if (rank != dims + 1 && rank != dims + 2)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is %s", text, wanted[dims]);
    for (int i = rank - dims; i < rank; i++)
        if (s->in[0].dim[i] == 0)
            return nb_fail(e, NB_E_shape_mismatch, "the input is %s: there is nothing along dimension %d", text, i);
    return 0;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

/* What the arguments say of dimension i of space; the lengths are not set. */
static inline struct nb_span nb_span_of(const struct nb_pool_args *a, int i)
{
    int64_t kernel = nb_each(&a->kernel_size, i, 0);
    return (struct nb_span){.kernel = kernel,
                            .stride = nb_each(&a->stride, i, kernel),
                            .padding = nb_each(&a->padding, i, 0),
                            .dilation = nb_each(&a->dilation, i, 1)};
}

/* Number of windows: as PyTorch, none begins behind the input. Below 1: the kernel is too large. */
static inline int64_t nb_windows(const struct nb_span *s, bool ceil)
{
    int64_t room = s->in + 2 * s->padding - s->dilation * (s->kernel - 1) - 1 + (ceil ? s->stride - 1 : 0);
    int64_t out = room < 0 ? 0 : room / s->stride + 1;
    return ceil && (out - 1) * s->stride >= s->in + s->padding ? out - 1 : out;
}

static inline int nb_window_out(const struct nb_pool_args *a, int i, int64_t in, int64_t *out, struct nb_error *e)
{
    struct nb_span s = nb_span_of(a, i);
    if (2 * s.padding > s.kernel) {
        nb_fail(e, NB_E_bad_argument, "padding is %lld, at most half of the kernel's size, %lld, is allowed",
                (long long)s.padding, (long long)s.kernel);
        return nb_at_each(&a->padding, i, "padding", e);
    }
    if (!NB_IS_KNOWN(in)) {
        *out = s.stride == 1 && 2 * s.padding == s.dilation * (s.kernel - 1) ? in : NB_ANY;
        return 0;
    }
    s.in = in;
    *out = nb_windows(&s, a->ceil_mode);
    if (*out >= 1)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "the kernel covers %lld entries, the padded input has %lld",
            (long long)(s.dilation * (s.kernel - 1) + 1), (long long)(in + 2 * s.padding));
    return nb_at_each(&a->kernel_size, i, "kernel_size", e);
}

static inline int nb_pool_counts(const struct nb_pool_args *a, int dims, struct nb_error *e)
{
    return nb_check_count(&a->kernel_size, dims, "kernel_size", e) || nb_check_count(&a->stride, dims, "stride", e) ||
           nb_check_count(&a->padding, dims, "padding", e) || nb_check_count(&a->dilation, dims, "dilation", e) ||
           nb_check_count(&a->output_size, dims, "output_size", e);
}

/* Every output has the shape of the windows, or of the adaptive cells. */
static inline int nb_pool_infer(struct nb_infer *s, int dims, struct nb_error *e)
{
    struct nb_pool_args *a = s->args;
    int first = s->in[0].rank - dims;
    a->dims = dims;
    if (nb_pool_counts(a, dims, e) || nb_check_space(s, dims, e))
        return -1;
    s->out[0] = s->in[0];
    for (int i = 0; i < dims; i++)
        if (!a->kernel_size.n)
            s->out[0].dim[first + i] = nb_each(&a->output_size, i, 1);
        else if (nb_window_out(a, i, s->in[0].dim[first + i], &s->out[0].dim[first + i], e))
            return -1;
    for (int i = 1; i < s->nout; i++)
        s->out[i] = s->out[0];
    return 0;
}

/* Under ONNX's meaning all dimensions from the third are space, and each becomes 1. */
static inline int nb_global_infer(struct nb_infer *s, struct nb_error *e)
{
    char text[200];
    nb_shape_text(&s->in[0], s->symbols, text, sizeof text);
    if (s->in[0].rank < 3)
        return nb_fail(e, NB_E_shape_mismatch,
                       "the input is %s, wanted is [N, C, ...] with one dimension of space or more", text);
    s->out[0] = s->in[0];
    for (int i = 2; i < s->in[0].rank; i++) {
        if (s->in[0].dim[i] == 0)
            return nb_fail(e, NB_E_shape_mismatch, "the input is %s: there is nothing along dimension %d", text, i);
        s->out[0].dim[i] = 1;
    }
    return 0;
}

/* ---- known shapes ------------------------------------------------------------------------------------------------ */

static inline struct nb_pool nb_pool_of(const struct nb_pool_args *a, const struct nb_shape *in,
                                        const struct nb_shape *out)
{
    struct nb_pool p = {.planes = 1, .in = 1, .out = 1};
    int dims = (int)a->dims, first = in->rank - dims;
    for (int i = 0; i < first; i++)
        p.planes *= (size_t)in->dim[i];
    for (int i = 0; i < NB_SPACE; i++) {
        int k = i - (NB_SPACE - dims);
        p.d[i] = k < 0 ? (struct nb_span){1, 1, 1, 1, 0, 1} : nb_span_of(a, k);
        if (k >= 0) {
            p.d[i].in = in->dim[first + k];
            p.d[i].out = out->dim[first + k];
        }
        p.in *= (size_t)p.d[i].in;
        p.out *= (size_t)p.d[i].out;
    }
    nb_pool_lines(&p);
    return p;
}

/* All space as one cell. */
static inline struct nb_pool nb_global_of(const struct nb_shape *in)
{
    struct nb_around a = nb_around_of(in, 1);
    int64_t n = (int64_t)a.inner;
    return (struct nb_pool){.planes = a.outer * a.n,
                            .in = a.inner,
                            .out = 1,
                            .d = {{1, 1, 1, 1, 0, 1}, {1, 1, 1, 1, 0, 1}, {n, 1, 0, 1, 0, 1}}};
}

/* ---- means, in avgpool.c ----------------------------------------------------------------------------------------- */

/* What the sum over a window is divided by. */
struct nb_divisor {
    bool padding; /* the padding counts */
    double fixed; /* this instead of a number of entries, if not 0 */
};

/* nb_reals of scratch for both: lines of sums for the input and for the output, and a line of numbers. */
static inline size_t nb_pool_work(int64_t width_in, int64_t width_out)
{
    bool known = NB_IS_KNOWN(width_in) && NB_IS_KNOWN(width_out);
    return known ? 2 * (size_t)width_in + 4 * (size_t)width_out : 0;
}

/* y = sums over the windows, divided; and the VJP. Sums are made in double. */
void NB(nb_pool_mean)(const struct nb_pool *p, const struct nb_divisor *d, const nb_real *x, nb_real *y, void *work);
void NB(nb_pool_mean_back)(const struct nb_pool *p, const struct nb_divisor *d, const nb_real *g, nb_real *dx,
                           void *work);

#endif
