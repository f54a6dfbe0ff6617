/* winograd.h - 3 x 3 kernels with stride 1, by tiles of 2 x 2 outputs (Winograd; Lavin, Gray 2016).
 *
 * A tile of the field, 4 x 4, and the kernel are made into 16 numbers each; the 16 products of channels are matrices,
 * with 16 multiplications where the plain sum has 36. All numbers in between are sums of four at most, halved twice,
 * so that the result is about as exact as the plain sum. The three products of conv.c are
 *     y = A' [U . V] A,   x = B [U . M] B',   w = G' [M . V] G    with   U = G w G',  V = B' x B,  M = A y A',
 * each the transpose of the others. Plane k of U is [nc, wc], of V [wc, tiles], of M [nc, tiles]. */
#ifndef NABLA_WINOGRAD_H
#define NABLA_WINOGRAD_H
#include "modules/window.h"

enum { NB_TILE = 16 };

/* ---- rows of n tiles ----------------------------------------------------------------------------------------------
 */

/* Down the columns of the field: four rows, `row` apart, to four dense ones. */
static inline void nb_tiles_down(size_t n, const nb_real *f, size_t row, nb_real *to)
{
    const nb_real *f1 = f + row, *f2 = f1 + row, *f3 = f2 + row;
    nb_real *t1 = to + n, *t2 = t1 + n, *t3 = t2 + n;
    NB_LOOP
    for (size_t q = 0; q < n; q++) {
        to[q] = f[q] - f2[q];
        t1[q] = f1[q] + f2[q];
        t2[q] = f2[q] - f1[q];
        t3[q] = f1[q] - f3[q];
    }
}

static inline void nb_tiles_down_back(size_t n, const nb_real *t, nb_real *f, size_t row)
{
    const nb_real *t1 = t + n, *t2 = t1 + n, *t3 = t2 + n;
    nb_real *f1 = f + row, *f2 = f1 + row, *f3 = f2 + row;
    NB_LOOP
    for (size_t q = 0; q < n; q++) {
        f[q] += t[q];
        f1[q] += t1[q] - t2[q] + t3[q];
        f2[q] += t1[q] + t2[q] - t[q];
        f3[q] -= t3[q];
    }
}

/* Along a row: 2n + 2 entries to four rows of n, `apart` apart. */
static inline void nb_tiles_along(size_t n, const nb_real *t, nb_real *v, size_t apart)
{
    nb_real *v1 = v + apart, *v2 = v1 + apart, *v3 = v2 + apart;
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        nb_real a = t[2 * j], b = t[2 * j + 1], c = t[2 * j + 2], d = t[2 * j + 3];
        v[j] = a - c;
        v1[j] = b + c;
        v2[j] = c - b;
        v3[j] = b - d;
    }
}

static inline void nb_tiles_along_back(size_t n, const nb_real *v, size_t apart, nb_real *t)
{
    const nb_real *v1 = v + apart, *v2 = v1 + apart, *v3 = v2 + apart;
    t[0] = 0;
    t[1] = 0;
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        t[2 * j + 2] = v1[j] + v2[j] - v[j];
        t[2 * j + 3] = -v3[j];
    }
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        t[2 * j] += v[j];
        t[2 * j + 1] += v1[j] - v2[j] + v3[j];
    }
}

/* `rows` rows of n tiles: the field, with rows `row` apart, to 16 planes of rows, `apart` apart. t: four rows of it. */
NB_SIMD static void nb_tiles_of_field(size_t rows, size_t n, const nb_real *f, size_t row, nb_real *t, nb_real *v,
                                      size_t apart)
{
    for (; rows > 0; rows--, f += 2 * row, v += n) {
        nb_tiles_down(2 * n + 2, f, row, t);
        for (size_t a = 0; a < 4; a++)
            nb_tiles_along(n, t + a * (2 * n + 2), v + 4 * a * apart, apart);
    }
}

/* The other way, added. */
NB_SIMD static void nb_tiles_to_field(size_t rows, size_t n, const nb_real *v, size_t apart, nb_real *t, nb_real *f,
                                      size_t row)
{
    for (; rows > 0; rows--, f += 2 * row, v += n) {
        for (size_t a = 0; a < 4; a++)
            nb_tiles_along_back(n, v + 4 * a * apart, apart, t + a * (2 * n + 2));
        nb_tiles_down_back(2 * n + 2, t, f, row);
    }
}

static inline void nb_tiles_sum_up(size_t n, const nb_real *m, size_t apart, nb_real bias, nb_real *y, size_t row)
{
    const nb_real *p = m + 4 * apart, *q = m + 8 * apart, *r = m + 12 * apart;
    nb_real *z = y + row;
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        size_t j1 = j + apart, j2 = j1 + apart, j3 = j2 + apart;
        nb_real s0 = m[j] + p[j] + q[j], s1 = m[j1] + p[j1] + q[j1], s2 = m[j2] + p[j2] + q[j2];
        nb_real t0 = p[j] - q[j] - r[j], t1 = p[j1] - q[j1] - r[j1], t2 = p[j2] - q[j2] - r[j2];
        nb_real s3 = m[j3] + p[j3] + q[j3], t3 = p[j3] - q[j3] - r[j3];
        y[2 * j] = s0 + s1 + s2 + bias;
        y[2 * j + 1] = s1 - s2 - s3 + bias;
        z[2 * j] = t0 + t1 + t2 + bias;
        z[2 * j + 1] = t1 - t2 - t3 + bias;
    }
}

static inline void nb_tiles_spread_out(size_t n, const nb_real *y, size_t row, nb_real *m, size_t apart)
{
    const nb_real *z = y + row;
    nb_real *p = m + 4 * apart, *q = m + 8 * apart, *r = m + 12 * apart;
    NB_LOOP
    for (size_t j = 0; j < n; j++) {
        size_t j1 = j + apart, j2 = j1 + apart, j3 = j2 + apart;
        nb_real a = y[2 * j], b = y[2 * j + 1], c = z[2 * j], d = z[2 * j + 1];
        m[j] = a, m[j1] = a + b, m[j2] = a - b, m[j3] = -b;
        p[j] = a + c, p[j1] = a + c + (b + d), p[j2] = a + c - (b + d), p[j3] = -(b + d);
        q[j] = a - c, q[j1] = a - c + (b - d), q[j2] = a - c - (b - d), q[j3] = d - b;
        r[j] = -c, r[j1] = -(c + d), r[j2] = d - c, r[j3] = d;
    }
}

/* The same between 16 planes and outputs `width` wide and `height` high. Tiles at the edge, which are not whole, go
 * through `pair`, two whole rows. */
NB_SIMD static void nb_tiles_to_narrow(size_t height, size_t width, size_t n, const nb_real *m, size_t apart,
                                       nb_real bias, nb_real *pair, nb_real *y)
{
    for (size_t i = 0; i < height; i += 2, m += n) {
        size_t left = height - i < 2 ? 1 : 2;
        bool whole = left == 2 && width == 2 * n;
        nb_tiles_sum_up(n, m, apart, bias, whole ? y + i * width : pair, 2 * n);
        for (size_t a = 0; a < left && !whole; a++)
            memcpy(y + (i + a) * width, pair + 2 * n * a, width * sizeof *y);
    }
}

NB_SIMD static void nb_tiles_of_narrow(size_t height, size_t width, size_t n, const nb_real *y, nb_real *pair,
                                       nb_real *m, size_t apart)
{
    memset(pair, 0, 4 * n * sizeof *pair);
    for (size_t i = 0; i < height; i += 2, m += n) {
        size_t left = height - i < 2 ? 1 : 2;
        bool whole = left == 2 && width == 2 * n;
        for (size_t a = 0; a < 2 && !whole; a++)
            if (a < left)
                memcpy(pair + 2 * n * a, y + (i + a) * width, width * sizeof *y);
            else
                memset(pair + 2 * n * a, 0, width * sizeof *y);
        nb_tiles_spread_out(n, whole ? y + i * width : pair, 2 * n, m, apart);
    }
}

/* ---- the kernel ----------------------------------------------------------------------------------------------------
 */

/* Four numbers made of three, every `step`-th, and the other way round. */
static inline void nb_tile_kernel(const nb_real *w, size_t step, nb_real *u, size_t to)
{
    nb_real a = (nb_real)0.5 * (w[0] + w[2 * step]), b = (nb_real)0.5 * w[step];
    u[0] = w[0], u[to] = a + b, u[2 * to] = a - b, u[3 * to] = w[2 * step];
}

static inline void nb_tile_kernel_back(const nb_real *u, size_t step, nb_real *w, size_t to)
{
    nb_real a = (nb_real)0.5 * (u[step] + u[2 * step]), b = (nb_real)0.5 * (u[step] - u[2 * step]);
    w[0] = u[0] + a, w[to] = b, w[2 * to] = a + u[3 * step];
}

static inline void nb_tiles_of_kernel(size_t kernels, const nb_real *w, nb_real *u)
{
    for (size_t i = 0; i < kernels; i++, w += 9, u++) {
        nb_real half[12];
        for (size_t b = 0; b < 3; b++)
            nb_tile_kernel(w + b, 3, half + b, 3);
        for (size_t a = 0; a < 4; a++)
            nb_tile_kernel(half + 3 * a, 1, u + 4 * a * kernels, kernels);
    }
}

static inline void nb_tiles_to_kernel(size_t kernels, const nb_real *u, nb_real *w)
{
    for (size_t i = 0; i < kernels; i++, w += 9, u++) {
        nb_real half[12];
        for (size_t a = 0; a < 4; a++)
            nb_tile_kernel_back(u + 4 * a * kernels, kernels, half + 3 * a, 1);
        for (size_t b = 0; b < 3; b++)
            nb_tile_kernel_back(half + b, 3, w + b, 3);
    }
}

/* ---- blocks of rows of tiles
 * ----------------------------------------------------------------------------------------- */

/* The window by tiles: its field is large enough for whole tiles. */
struct nb_tiles {
    struct nb_window w;
    size_t down, across;     /* rows of tiles in a plane, tiles in a row */
    size_t rows;             /* of tiles, in a block */
    size_t v_apart, m_apart; /* between planes of V, of M: a line more, for caches that see them all at one place */
    nb_real *u, *v, *m, *field, *some; /* some: rows between two steps */
};

/* At most so many products in a matrix (OpenBLAS packs from a million on), and so many tiles; vectors have LANES. */
enum { NB_TILE_PRODUCTS = 1000000, NB_MOST_TILES = 128, NB_LEAST_TILES = 16, NB_TILE_LANES = 8, NB_TILE_LINE = 16 };
enum { NB_LEAST_CHANNELS = 16, NB_MOST_KERNELS = 1 << 16 };

/* Where it pays: 3 x 3, stride and dilation 1, enough channels for the products to outweigh the sums. */
static inline bool nb_tiles_fit(const struct nb_window *w)
{
    static const size_t kernel[] = {1, 3, 3};
    for (int d = 0; d < NB_SPACE; d++)
        if (w->kernel[d] != kernel[d] || w->stride[d] != 1 || w->dilation[d] != 1)
            return false;
    return w->narrow[0] == 1 && w->wide[0] == 1 && w->wc >= NB_LEAST_CHANNELS && w->nc >= NB_LEAST_CHANNELS &&
           w->wc * w->nc <= NB_MOST_KERNELS;
}

/* Whole vectors of tiles, where that does not take many more. */
static inline size_t nb_tiles_across(size_t width)
{
    size_t n = (width + 1) / 2, vectors = (n + NB_TILE_LANES - 1) / NB_TILE_LANES * NB_TILE_LANES;
    return 6 * (vectors - n) <= n ? vectors : n;
}

static inline struct nb_tiles nb_tiles_of(const struct nb_window *w)
{
    struct nb_tiles t = {.w = *w, .down = (w->narrow[1] + 1) / 2, .across = nb_tiles_across(w->narrow[2])};
    size_t most = NB_TILE_PRODUCTS / (w->nc * w->wc), all = t.down * w->batch;
    most = most < NB_LEAST_TILES ? NB_LEAST_TILES : most < NB_MOST_TILES ? most : NB_MOST_TILES;
    t.w.field[1] = 2 * t.down + 2;
    t.w.field[2] = 2 * t.across + 2;
    t.rows = t.across < most ? most / t.across : 1;
    t.rows = t.rows < all ? t.rows : all;
    t.v_apart = w->wc * t.rows * t.across + NB_TILE_LINE;
    t.m_apart = w->nc * t.rows * t.across + NB_TILE_LINE;
    return t;
}

static inline size_t nb_tiles_work(const struct nb_tiles *t)
{
    const struct nb_window *w = &t->w;
    return NB_TILE * (w->nc * w->wc + t->v_apart + t->m_apart) + w->wc * nb_volume(w->field) + 8 * (t->across + 1);
}

static inline void nb_tiles_place(struct nb_tiles *t, nb_real *work)
{
    t->v = work;
    t->m = t->v + NB_TILE * t->v_apart;
    t->u = t->m + NB_TILE * t->m_apart;
    t->field = t->u + NB_TILE * t->w.nc * t->w.wc;
    t->some = t->field + t->w.wc * nb_volume(t->w.field);
}

/* Rows first..first+n of tiles, counted through the batch; and that part of them which is of one sample. */
struct nb_strip {
    size_t group, first, n;
};
struct nb_part {
    size_t sample, row, n; /* rows of tiles of the sample */
    size_t at;             /* its first tile in the strip */
    bool last;             /* of the sample */
};

static inline bool nb_next_part(const struct nb_tiles *t, const struct nb_strip *s, struct nb_part *p)
{
    size_t done = p->at / t->across + p->n, row = (s->first + done) % t->down;
    size_t left = s->n - done, more = t->down - row;
    *p = (struct nb_part){(s->first + done) / t->down, row, left < more ? left : more, done * t->across, left >= more};
    return p->n > 0;
}

static inline nb_real *nb_planes(const struct nb_tiles *t, size_t group, size_t sample, size_t channels,
                                 const size_t *size, const nb_real *x)
{
    return (nb_real *)x + (sample * t->w.groups + group) * channels * nb_volume(size);
}

/* V of a strip. The field stays from one strip to the next. */
static inline void nb_strip_of_wide(const struct nb_tiles *t, const struct nb_strip *s, const nb_real *wide)
{
    const struct nb_window *w = &t->w;
    struct nb_pitch pitch = nb_pitch_of(w->field);
    for (struct nb_part p = {0}; nb_next_part(t, s, &p);) {
        if (p.row == 0)
            nb_field_fill(w, nb_planes(t, s->group, p.sample, w->wc, w->wide, wide), t->field);
        for (size_t c = 0; c < w->wc; c++)
            nb_tiles_of_field(p.n, t->across, t->field + c * pitch.plane + p.row * 2 * pitch.row, pitch.row, t->some,
                              t->v + c * s->n * t->across + p.at, t->v_apart);
    }
}

static inline void nb_strip_to_wide(const struct nb_tiles *t, const struct nb_strip *s, nb_real *wide)
{
    const struct nb_window *w = &t->w;
    struct nb_pitch pitch = nb_pitch_of(w->field);
    for (struct nb_part p = {0}; nb_next_part(t, s, &p);) {
        if (p.row == 0)
            memset(t->field, 0, w->wc * pitch.plane * sizeof *wide);
        for (size_t c = 0; c < w->wc; c++)
            nb_tiles_to_field(p.n, t->across, t->v + c * s->n * t->across + p.at, t->v_apart, t->some,
                              t->field + c * pitch.plane + p.row * 2 * pitch.row, pitch.row);
        if (p.last)
            nb_field_fold(w, t->field, nb_planes(t, s->group, p.sample, w->wc, w->wide, wide));
    }
}

/* Rows of outputs under a part. */
static inline size_t nb_part_height(const struct nb_tiles *t, const struct nb_part *p)
{
    size_t end = 2 * (p->row + p->n);
    return (end < t->w.narrow[1] ? end : t->w.narrow[1]) - 2 * p->row;
}

/* M of a strip. */
static inline void nb_strip_of_narrow(const struct nb_tiles *t, const struct nb_strip *s, const nb_real *narrow)
{
    const struct nb_window *w = &t->w;
    size_t width = w->narrow[2];
    for (struct nb_part p = {0}; nb_next_part(t, s, &p);) {
        const nb_real *y = nb_planes(t, s->group, p.sample, w->nc, w->narrow, narrow) + p.row * 2 * width;
        for (size_t o = 0; o < w->nc; o++)
            nb_tiles_of_narrow(nb_part_height(t, &p), width, t->across, y + o * nb_volume(w->narrow), t->some,
                               t->m + o * s->n * t->across + p.at, t->m_apart);
    }
}

static inline void nb_strip_to_narrow(const struct nb_tiles *t, const struct nb_strip *s, const nb_real *bias,
                                      nb_real *narrow)
{
    const struct nb_window *w = &t->w;
    size_t width = w->narrow[2];
    for (struct nb_part p = {0}; nb_next_part(t, s, &p);) {
        nb_real *y = nb_planes(t, s->group, p.sample, w->nc, w->narrow, narrow) + p.row * 2 * width;
        for (size_t o = 0; o < w->nc; o++)
            nb_tiles_to_narrow(nb_part_height(t, &p), width, t->across, t->m + o * s->n * t->across + p.at, t->m_apart,
                               bias ? bias[s->group * w->nc + o] : 0, t->some, y + o * nb_volume(w->narrow));
    }
}

static inline bool nb_next_strip(const struct nb_tiles *t, struct nb_strip *s)
{
    size_t all = t->down * t->w.batch;
    s->first += s->n;
    s->n = t->rows < all - s->first ? t->rows : all - s->first;
    return s->n > 0;
}

/* ---- the three products
 * ---------------------------------------------------------------------------------------------- */

static inline void nb_tiles_narrowing(struct nb_tiles *t, const nb_real *weight, const nb_real *bias,
                                      const nb_real *wide, nb_real *narrow)
{
    size_t nc = t->w.nc, wc = t->w.wc;
    for (size_t g = 0; g < t->w.groups; g++, weight += 9 * nc * wc) {
        nb_tiles_of_kernel(nc * wc, weight, t->u);
        for (struct nb_strip s = {.group = g}; nb_next_strip(t, &s);) {
            size_t tiles = s.n * t->across;
            nb_strip_of_wide(t, &s, wide);
            for (size_t k = 0; k < NB_TILE; k++)
                NB(nb_gemm)
            (false, false, nc, tiles, wc, t->u + k * nc * wc, t->v + k * t->v_apart, 0, t->m + k * t->m_apart);
            nb_strip_to_narrow(t, &s, bias, narrow);
        }
    }
}

static inline void nb_tiles_widening(struct nb_tiles *t, const nb_real *weight, const nb_real *narrow, nb_real *wide)
{
    size_t nc = t->w.nc, wc = t->w.wc;
    for (size_t g = 0; g < t->w.groups; g++, weight += 9 * nc * wc) {
        nb_tiles_of_kernel(nc * wc, weight, t->u);
        for (struct nb_strip s = {.group = g}; nb_next_strip(t, &s);) {
            size_t tiles = s.n * t->across;
            nb_strip_of_narrow(t, &s, narrow);
            for (size_t k = 0; k < NB_TILE; k++)
                NB(nb_gemm)
            (true, false, wc, tiles, nc, t->u + k * nc * wc, t->m + k * t->m_apart, 0, t->v + k * t->v_apart);
            nb_strip_to_wide(t, &s, wide);
        }
    }
}

static inline void nb_tiles_meeting(struct nb_tiles *t, const nb_real *narrow, const nb_real *wide, nb_real *weight)
{
    size_t nc = t->w.nc, wc = t->w.wc;
    for (size_t g = 0; g < t->w.groups; g++, weight += 9 * nc * wc) {
        memset(t->u, 0, NB_TILE * nc * wc * sizeof *t->u);
        for (struct nb_strip s = {.group = g}; nb_next_strip(t, &s);) {
            size_t tiles = s.n * t->across;
            nb_strip_of_wide(t, &s, wide);
            nb_strip_of_narrow(t, &s, narrow);
            for (size_t k = 0; k < NB_TILE; k++)
                NB(nb_gemm)
            (false, true, nc, wc, tiles, t->m + k * t->m_apart, t->v + k * t->v_apart, 1, t->u + k * nc * wc);
        }
        nb_tiles_to_kernel(nc * wc, t->u, weight);
    }
}

#endif
