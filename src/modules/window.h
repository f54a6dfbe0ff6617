/* window.h - a window that slides over up to three dimensions, for convolutions.
 *
 * One tensor is wide (the input of Conv, the output of ConvTranspose), the other narrow. Entry i of the narrow one and
 * place u of the kernel meet at entry stride i + dilation u - before of the wide one. What the window reaches, padding
 * included, is called the field: planes in which every place there is lies inside. It is copied from the wide tensor
 * (nb_field_fill) and added back to it (nb_field_fold), or it is the wide tensor itself. Between the two, columns: a
 * matrix of a row for each channel and place of the kernel, and a column for each narrow entry.
 *
 * There are always three dimensions; those that are missing have size 1, in front. */
#ifndef NABLA_WINDOW_H
#define NABLA_WINDOW_H
#include "nabla/kernel.h"
#include <string.h>

enum { NB_SPACE = 3 };
enum nb_beyond { NB_BEYOND_ZEROS, NB_BEYOND_REFLECT, NB_BEYOND_REPLICATE, NB_BEYOND_CIRCULAR };

struct nb_window {
    size_t wide[NB_SPACE], narrow[NB_SPACE], kernel[NB_SPACE], stride[NB_SPACE], dilation[NB_SPACE], before[NB_SPACE];
    size_t reach[NB_SPACE]; /* stride (narrow - 1) + dilation (kernel - 1) + 1 */
    size_t field[NB_SPACE]; /* sizes of the field: reach, or more, which is filled with zeros */
    enum nb_beyond beyond;
    size_t batch, groups, wc, nc; /* wc, nc: channels of a group */
};

static inline size_t nb_volume(const size_t *size)
{
    return size[0] * size[1] * size[2];
}

/* Entries of the kernel between one narrow channel and the wide channels of its group. */
static inline size_t nb_window_depth(const struct nb_window *w)
{
    return w->wc * nb_volume(w->kernel);
}

/* ---- the field -------------------------------------------------------------------------------------------------- */

/* Distances in a field between rows (the last dimension), slabs of rows, and channels. */
struct nb_pitch {
    size_t row, slab, plane;
};

/* The field lies in the wide tensor as it is. */
static inline bool nb_field_direct(const struct nb_window *w)
{
    for (int d = 0; d < NB_SPACE; d++)
        if (w->before[d] || w->field[d] > w->wide[d])
            return false;
    return true;
}

static inline struct nb_pitch nb_pitch_of(const size_t *size)
{
    return (struct nb_pitch){size[2], size[1] * size[2], nb_volume(size)};
}

static inline struct nb_pitch nb_field_pitch(const struct nb_window *w)
{
    return nb_pitch_of(nb_field_direct(w) ? w->wide : w->field);
}

/* Where entry q of the field comes from, along dimension d; -1: it is 0. */
static inline ptrdiff_t nb_field_source(const struct nb_window *w, int d, size_t q)
{
    ptrdiff_t size = (ptrdiff_t)w->wide[d], at = (ptrdiff_t)q - (ptrdiff_t)w->before[d];
    if (q >= w->reach[d])
        return -1;
    if (at >= 0 && at < size)
        return at;
    switch (w->beyond) {
    case NB_BEYOND_REFLECT:
        return at < 0 ? -at : 2 * (size - 1) - at;
    case NB_BEYOND_REPLICATE:
        return at < 0 ? 0 : size - 1;
    case NB_BEYOND_CIRCULAR:
        return at < 0 ? at + size : at - size;
    default:
        return -1;
    }
}

/* The part of a row of the field that is a copy of the wide row from its start: first..end-1. */
static inline void nb_field_middle(const struct nb_window *w, size_t *first, size_t *end)
{
    size_t field = w->field[2] < w->reach[2] ? w->field[2] : w->reach[2];
    *first = w->before[2] < field ? w->before[2] : field;
    *end = w->before[2] + w->wide[2] < field ? w->before[2] + w->wide[2] : field;
}

static inline void nb_field_fill_edge(const struct nb_window *w, const nb_real *x, size_t first, size_t end, nb_real *f)
{
    for (size_t q = first; q < end; q++) {
        ptrdiff_t from = nb_field_source(w, 2, q);
        f[q] = from < 0 ? (nb_real)0 : x[from];
    }
}

static inline void nb_field_fold_edge(const struct nb_window *w, const nb_real *f, size_t first, size_t end, nb_real *x)
{
    for (size_t q = first; q < end; q++) {
        ptrdiff_t to = nb_field_source(w, 2, q);
        if (to >= 0)
            x[to] += f[q];
    }
}

static inline void nb_field_fill_row(const struct nb_window *w, const nb_real *x, nb_real *f)
{
    size_t first, end;
    nb_field_middle(w, &first, &end);
    memcpy(f + first, x, (end - first) * sizeof *f);
    nb_field_fill_edge(w, x, 0, first, f);
    nb_field_fill_edge(w, x, end, w->field[2], f);
}

static inline void nb_field_fold_row(const struct nb_window *w, const nb_real *f, nb_real *x)
{
    size_t first, end;
    nb_field_middle(w, &first, &end);
    NB(nb_add)(end - first, f + first, x);
    nb_field_fold_edge(w, f, 0, first, x);
    nb_field_fold_edge(w, f, end, w->field[2], x);
}

/* The offset of the wide row that row (a, b) of a plane of the field comes from; -1: it is 0. */
static inline ptrdiff_t nb_field_row(const struct nb_window *w, size_t a, size_t b)
{
    ptrdiff_t slab = nb_field_source(w, 0, a), row = nb_field_source(w, 1, b);
    return slab < 0 || row < 0 ? -1 : (slab * (ptrdiff_t)w->wide[1] + row) * (ptrdiff_t)w->wide[2];
}

/* x: the wide planes of one group; f: its field. */
static inline void nb_field_fill(const struct nb_window *w, const nb_real *x, nb_real *f)
{
    for (size_t c = 0; c < w->wc; c++, x += nb_volume(w->wide))
        for (size_t a = 0; a < w->field[0]; a++)
            for (size_t b = 0; b < w->field[1]; b++, f += w->field[2]) {
                ptrdiff_t from = nb_field_row(w, a, b);
                if (from < 0)
                    memset(f, 0, w->field[2] * sizeof *f);
                else
                    nb_field_fill_row(w, x + from, f);
            }
}

/* The other way: x is written, and is the sum of what came from each of its entries. */
static inline void nb_field_fold(const struct nb_window *w, const nb_real *f, nb_real *x)
{
    memset(x, 0, w->wc * nb_volume(w->wide) * sizeof *x);
    for (size_t c = 0; c < w->wc; c++, x += nb_volume(w->wide))
        for (size_t a = 0; a < w->field[0]; a++)
            for (size_t b = 0; b < w->field[1]; b++, f += w->field[2]) {
                ptrdiff_t to = nb_field_row(w, a, b);
                if (to >= 0)
                    nb_field_fold_row(w, f, x + to);
            }
}

/* ---- columns ---------------------------------------------------------------------------------------------------- */

/* Narrow entries of one plane: some rows, all of them or a piece of one. */
struct nb_patch {
    size_t row, rows, from, width;
};

/* Short rows are the rule: eight or four at once, the last ones overlapping. */
static inline void nb_copy_row(size_t n, const nb_real *restrict from, nb_real *restrict to)
{
    if (n >= 8) {
        for (size_t j = 0; j < n - 8; j += 8)
            memcpy(to + j, from + j, 8 * sizeof *to);
        memcpy(to + n - 8, from + n - 8, 8 * sizeof *to);
    } else if (n >= 4) {
        memcpy(to, from, 4 * sizeof *to);
        memcpy(to + n - 4, from + n - 4, 4 * sizeof *to);
    } else {
        for (size_t j = 0; j < n; j++)
            to[j] = from[j];
    }
}

NB_SIMD static void nb_take_rows(size_t rows, size_t width, const nb_real *f, size_t row, size_t step, nb_real *to)
{
    for (size_t r = 0; r < rows; r++, f += row, to += width) {
        if (step == 1)
            nb_copy_row(width, f, to);
        for (size_t j = 0; j < width && step > 1; j++)
            to[j] = f[j * step];
    }
}

NB_SIMD static void nb_give_rows(size_t rows, size_t width, const nb_real *from, size_t row, size_t step, nb_real *f)
{
    for (size_t r = 0; r < rows; r++, f += row, from += width) {
        if (step == 1) {
            NB_LOOP
            for (size_t j = 0; j < width; j++)
                f[j] += from[j];
        } else {
            for (size_t j = 0; j < width; j++)
                f[j * step] += from[j];
        }
    }
}

/* Rows of a patch that lie evenly apart in the field: those of one slab. */
struct nb_rows {
    size_t n, at, to; /* offsets of the first one in a plane of the field, and in the patch */
    size_t done;
};

static inline bool nb_next_rows(const struct nb_window *w, const struct nb_patch *p, const struct nb_pitch *pitch,
                                struct nb_rows *r)
{
    size_t left = p->rows - (r->done += r->n), row = p->row + r->done;
    size_t a = w->narrow[0] > 1 ? row / w->narrow[1] : 0, b = row - a * w->narrow[1];
    r->n = w->narrow[1] - b < left ? w->narrow[1] - b : left;
    r->at = w->stride[0] * a * pitch->slab + w->stride[1] * b * pitch->row + w->stride[2] * p->from;
    r->to = r->done * p->width;
    return left > 0;
}

/* The offsets of all places of the kernel, one after the other. */
struct nb_place {
    size_t u[NB_SPACE], at;
};

static inline void nb_next_place(const struct nb_window *w, const struct nb_pitch *pitch, struct nb_place *p)
{
    const size_t step[] = {pitch->slab, pitch->row, 1};
    for (int d = NB_SPACE - 1; d >= 0; d--) {
        p->at += w->dilation[d] * step[d];
        if (++p->u[d] < w->kernel[d])
            return;
        p->at -= w->kernel[d] * w->dilation[d] * step[d];
        p->u[d] = 0;
    }
}

/* The columns of a patch, `apart` entries between their rows, from the field of one group. */
static inline void nb_take_columns(const struct nb_window *w, const struct nb_patch *p, const nb_real *f, size_t apart,
                                   nb_real *columns)
{
    struct nb_pitch pitch = nb_field_pitch(w);
    struct nb_place place = {0};
    size_t places = nb_volume(w->kernel);
    for (size_t c = 0; c < w->wc; c++, f += pitch.plane)
        for (size_t u = 0; u < places; u++, columns += apart, nb_next_place(w, &pitch, &place))
            for (struct nb_rows r = {0}; nb_next_rows(w, p, &pitch, &r);)
                nb_take_rows(r.n, p->width, f + r.at + place.at, w->stride[1] * pitch.row, w->stride[2],
                             columns + r.to);
}

/* The other way: added to the field. */
static inline void nb_give_columns(const struct nb_window *w, const struct nb_patch *p, const nb_real *columns,
                                   size_t apart, nb_real *f)
{
    struct nb_pitch pitch = nb_field_pitch(w);
    struct nb_place place = {0};
    size_t places = nb_volume(w->kernel);
    for (size_t c = 0; c < w->wc; c++, f += pitch.plane)
        for (size_t u = 0; u < places; u++, columns += apart, nb_next_place(w, &pitch, &place))
            for (struct nb_rows r = {0}; nb_next_rows(w, p, &pitch, &r);)
                nb_give_rows(r.n, p->width, columns + r.to, w->stride[1] * pitch.row, w->stride[2],
                             f + r.at + place.at);
}

#endif
