/* depthwise.h - convolutions with groups of very few channels: plane by plane, for which a matrix would be too thin.
 *
 * The loops go along rows of the field and of the narrow tensor, three places of the kernel at a time. */
#ifndef NABLA_DEPTHWISE_H
#define NABLA_DEPTHWISE_H
#include "modules/window.h"

enum { NB_THIN = 4, NB_ROW_PIECE = 512 /* entries whose products are added up in nb_real */ };

static inline bool nb_is_thin(const struct nb_window *w)
{
    return w->groups > 1 && w->wc * w->nc <= NB_THIN;
}

/* ---- a row of the kernel along a row --------------------------------------------------------------------------------
 */

/* What a row of the kernel does: n narrow entries, `step` apart in the field; places `d` apart, `k` of them. */
static inline void nb_row_narrow(size_t n, const nb_real *f, size_t step, size_t d, size_t k, const nb_real *w,
                                 nb_real *y)
{
    for (; k >= 3; k -= 3, f += 3 * d, w += 3) {
        const nb_real *f1 = f + d, *f2 = f1 + d;
        nb_real a = w[0], b = w[1], c = w[2];
        NB_LOOP
        for (size_t j = 0; j < n; j++)
            y[j] += a * f[step * j] + b * f1[step * j] + c * f2[step * j];
    }
    for (; k > 0; k--, f += d, w++) {
        nb_real a = w[0];
        NB_LOOP
        for (size_t j = 0; j < n; j++)
            y[j] += a * f[step * j];
    }
}

/* f[q] += a y[q] + b y[q - d] + c y[q - 2d]: entries of n > 2d, with what is missing at both ends. */
static inline void nb_row_wide_three(size_t n, nb_real *f, size_t d, const nb_real *w, const nb_real *y)
{
    nb_real a = w[0], b = w[1], c = w[2];
    for (size_t q = 0; q < d; q++) {
        f[q] += a * y[q];
        f[q + d] += a * y[q + d] + b * y[q];
        f[q + n] += b * y[q + n - d] + c * y[q + n - 2 * d];
        f[q + n + d] += c * y[q + n - d];
    }
    NB_LOOP
    for (size_t q = 2 * d; q < n; q++)
        f[q] += a * y[q] + b * y[q - d] + c * y[q - 2 * d];
}

static inline void nb_row_wide(size_t n, nb_real *f, size_t step, size_t d, size_t k, const nb_real *w,
                               const nb_real *y)
{
    for (; k >= 3 && step == 1 && n > 2 * d; k -= 3, f += 3 * d, w += 3)
        nb_row_wide_three(n, f, d, w, y);
    for (; k > 0; k--, f += d, w++) {
        nb_real a = w[0];
        NB_LOOP
        for (size_t j = 0; j < n; j++)
            f[step * j] += a * y[j];
    }
}

static inline void nb_row_meet(size_t n, const nb_real *f, size_t step, size_t d, size_t k, const nb_real *y, nb_sum *w)
{
    for (; k >= 3; k -= 3, f += 3 * d, w += 3) {
        const nb_real *f1 = f + d, *f2 = f1 + d;
        nb_real a = 0, b = 0, c = 0;
        NB_LOOP_SUM(a, b, c)
        for (size_t j = 0; j < n; j++) {
            a += y[j] * f[step * j];
            b += y[j] * f1[step * j];
            c += y[j] * f2[step * j];
        }
        w[0] += a, w[1] += b, w[2] += c;
    }
    for (; k > 0; k--, f += d, w++) {
        nb_real a = 0;
        NB_LOOP_SUM(a)
        for (size_t j = 0; j < n; j++)
            a += y[j] * f[step * j];
        w[0] += a;
    }
}

/* ---- a kernel over a plane ------------------------------------------------------------------------------------------
 */

/* A narrow row under a row of the kernel: where they meet in the field. */
struct nb_lines {
    size_t a, b, u, v; /* of the narrow plane, of the kernel */
};

static inline bool nb_next_lines(const struct nb_window *w, struct nb_lines *l)
{
    if (++l->v < w->kernel[1])
        return true;
    l->v = 0;
    if (++l->u < w->kernel[0])
        return true;
    l->u = 0;
    if (++l->b < w->narrow[1])
        return true;
    l->b = 0;
    return ++l->a < w->narrow[0];
}

static inline size_t nb_lines_meet(const struct nb_window *w, const struct nb_pitch *p, const struct nb_lines *l)
{
    return (w->stride[0] * l->a + w->dilation[0] * l->u) * p->slab +
           (w->stride[1] * l->b + w->dilation[1] * l->v) * p->row;
}

static inline size_t nb_narrow_row(const struct nb_window *w, const struct nb_lines *l)
{
    return (l->a * w->narrow[1] + l->b) * w->narrow[2];
}

static inline size_t nb_kernel_row(const struct nb_window *w, const struct nb_lines *l)
{
    return (l->u * w->kernel[1] + l->v) * w->kernel[2];
}

/* Strides the compiler knows make vectors. */
#define NB_BY_STRIDE(row, n, f, w, ...)                                                                                \
    ((w)->stride[2] == 1   ? row(n, f, 1, (w)->dilation[2], (w)->kernel[2], __VA_ARGS__)                               \
     : (w)->stride[2] == 2 ? row(n, f, 2, (w)->dilation[2], (w)->kernel[2], __VA_ARGS__)                               \
                           : row(n, f, (w)->stride[2], (w)->dilation[2], (w)->kernel[2], __VA_ARGS__))

/* y += */
NB_SIMD static void nb_plane_narrow(const struct nb_window *w, const nb_real *f, const nb_real *weight, nb_real *y)
{
    struct nb_pitch p = nb_field_pitch(w);
    struct nb_lines l = {0};
    do
        NB_BY_STRIDE(nb_row_narrow, w->narrow[2], f + nb_lines_meet(w, &p, &l), w, weight + nb_kernel_row(w, &l),
                     y + nb_narrow_row(w, &l));
    while (nb_next_lines(w, &l));
}

/* f += */
NB_SIMD static void nb_plane_wide(const struct nb_window *w, nb_real *f, const nb_real *weight, const nb_real *y)
{
    struct nb_pitch p = nb_field_pitch(w);
    struct nb_lines l = {0};
    do
        NB_BY_STRIDE(nb_row_wide, w->narrow[2], f + nb_lines_meet(w, &p, &l), w, weight + nb_kernel_row(w, &l),
                     y + nb_narrow_row(w, &l));
    while (nb_next_lines(w, &l));
}

/* weight += */
NB_SIMD static void nb_plane_meet(const struct nb_window *w, const nb_real *f, const nb_real *y, nb_sum *weight)
{
    struct nb_pitch p = nb_field_pitch(w);
    struct nb_lines l = {0};
    do
        for (size_t j = 0; j < w->narrow[2]; j += NB_ROW_PIECE) {
            size_t n = w->narrow[2] - j < NB_ROW_PIECE ? w->narrow[2] - j : NB_ROW_PIECE;
            NB_BY_STRIDE(nb_row_meet, n, f + nb_lines_meet(w, &p, &l) + w->stride[2] * j, w,
                         y + nb_narrow_row(w, &l) + j, weight + nb_kernel_row(w, &l));
        }
    while (nb_next_lines(w, &l));
}

/* ---- the three products
 * ---------------------------------------------------------------------------------------------- */

/* Scratch: a field, then sums for the kernels of a group (an nb_sum takes two nb_reals). */
static inline size_t nb_thin_work(const struct nb_window *w)
{
    return w->wc * nb_volume(w->field) + 2 * w->nc * nb_window_depth(w) + 2;
}

/* Planes of one group in one sample: the field of the wide ones, and where the narrow ones begin. */
static inline const nb_real *nb_thin_field(const struct nb_window *w, size_t i, const nb_real *wide, nb_real *field)
{
    const nb_real *x = wide + i * w->wc * nb_volume(w->wide);
    if (nb_field_direct(w))
        return x;
    nb_field_fill(w, x, field);
    return field;
}

static inline void nb_thin_narrowing(const struct nb_window *w, const nb_real *weight, const nb_real *bias,
                                     const nb_real *wide, nb_real *narrow, nb_real *field)
{
    size_t plane = nb_volume(w->narrow), taps = nb_volume(w->kernel), pitch = nb_field_pitch(w).plane;
    for (size_t i = 0; i < w->batch * w->groups; i++) {
        const nb_real *f = nb_thin_field(w, i, wide, field);
        for (size_t o = 0; o < w->nc; o++, narrow += plane) {
            size_t channel = i % w->groups * w->nc + o;
            for (size_t j = 0; j < plane; j++)
                narrow[j] = bias ? bias[channel] : 0;
            for (size_t c = 0; c < w->wc; c++)
                nb_plane_narrow(w, f + c * pitch, weight + (channel * w->wc + c) * taps, narrow);
        }
    }
}

static inline void nb_thin_widening(const struct nb_window *w, const nb_real *weight, const nb_real *narrow,
                                    nb_real *wide, nb_real *field)
{
    size_t plane = nb_volume(w->narrow), taps = nb_volume(w->kernel), pitch = nb_field_pitch(w).plane;
    bool direct = nb_field_direct(w);
    for (size_t i = 0; i < w->batch * w->groups; i++, wide += w->wc * nb_volume(w->wide)) {
        nb_real *f = direct ? wide : field;
        memset(f, 0, w->wc * pitch * sizeof *f);
        for (size_t o = 0; o < w->nc; o++, narrow += plane)
            for (size_t c = 0; c < w->wc; c++)
                nb_plane_wide(w, f + c * pitch, weight + ((i % w->groups * w->nc + o) * w->wc + c) * taps, narrow);
        if (!direct)
            nb_field_fold(w, f, wide);
    }
}

static inline void nb_thin_meeting(const struct nb_window *w, const nb_real *narrow, const nb_real *wide,
                                   nb_real *weight, nb_real *work)
{
    size_t plane = nb_volume(w->narrow), taps = nb_volume(w->kernel), pitch = nb_field_pitch(w).plane;
    size_t depth = nb_window_depth(w), field = w->wc * nb_volume(w->field);
    nb_sum *sum = (nb_sum *)(void *)(work + (field + 1) / 2 * 2);
    for (size_t g = 0; g < w->groups; g++, weight += w->nc * depth) {
        memset(sum, 0, w->nc * depth * sizeof *sum);
        for (size_t b = 0; b < w->batch; b++) {
            const nb_real *f = nb_thin_field(w, b * w->groups + g, wide, work);
            for (size_t o = 0; o < w->nc; o++)
                for (size_t c = 0; c < w->wc; c++)
                    nb_plane_meet(w, f + c * pitch, narrow + ((b * w->groups + g) * w->nc + o) * plane,
                                  sum + o * depth + c * taps);
        }
        for (size_t k = 0; k < w->nc * depth; k++)
            weight[k] = (nb_real)sum[k];
    }
}

#endif
