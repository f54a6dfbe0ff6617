/* Conv1d, Conv2d, Conv3d, and ConvTranspose1d, 2d, 3d, which are their gradients: the same window (window.h), read the
 * other way round.
 *
 * With y the narrow tensor and x the wide one there are three products: y = W x (narrowing), x = W' y (widening) and
 * W = y x' (meeting). Each goes through columns, a block at a time. */
#include "modules/depthwise.h"
#include "modules/winograd.h"
#include "nabla/module.h"

struct args {
    int64_t in_channels, out_channels;
    struct nb_ints kernel_size, stride, padding, output_padding, dilation;
    int64_t groups, bias, beyond;
};

enum { VALID = -1, SAME = -2 }; /* words for padding */

/* ---- blocks ----------------------------------------------------------------------------------------------------- */

/* Products of a block: up to a million OpenBLAS does not pack them first, which is worth it from so many columns on. */
enum { BLOCK_REALS = 1 << 17, LEAST_COLUMNS = 256, LARGE_PLANE = 64, UNPACKED = 1000000, LEAST_TURNED = 8 };

/* How a window's columns are cut into blocks, and the scratch that takes. */
struct cut {
    bool direct;    /* the field is the wide tensor */
    bool as_is;     /* and so are the columns: a kernel of size 1 */
    size_t samples; /* in a block; if several, whole planes */
    size_t rows, width;
    bool turned; /* of a small kernel the transpose is computed: the product is faster that way round */
    size_t field, columns, side, turn; /* nb_reals of scratch */
};

static bool columns_as_is(const struct nb_window *w)
{
    for (int d = 0; d < NB_SPACE; d++)
        if (w->kernel[d] != 1 || w->stride[d] != 1 || w->wide[d] != w->narrow[d])
            return false;
    return nb_field_direct(w);
}

static size_t at_most(size_t n, size_t most)
{
    return n < most ? n : most;
}

static struct cut cut_of(const struct nb_window *w)
{
    size_t plane = nb_volume(w->narrow), depth = nb_window_depth(w), rows = w->narrow[0] * w->narrow[1];
    size_t most = BLOCK_REALS / depth > LEAST_COLUMNS ? BLOCK_REALS / depth : LEAST_COLUMNS;
    size_t unpacked = UNPACKED / depth / w->nc;
    most = unpacked >= LEAST_COLUMNS / 2 && unpacked < most ? unpacked : most;
    struct cut c = {.direct = nb_field_direct(w), .samples = 1, .rows = rows, .width = w->narrow[2]};
    if (plane < LARGE_PLANE)
        c.samples = at_most(most / plane, w->batch);
    c.as_is = c.samples == 1 && columns_as_is(w);
    if (c.samples == 1 && !c.as_is) {
        c.width = at_most(c.width, most);
        c.rows = c.width < w->narrow[2] ? 1 : at_most(rows, most / c.width);
    }
    c.field = c.direct ? 0 : w->wc * nb_volume(w->field);
    c.columns = c.as_is ? 0 : depth * c.samples * c.rows * c.width;
    c.side = c.samples > 1 ? w->nc * c.samples * plane : 0;
    c.turned = !c.as_is && unpacked >= LEAST_COLUMNS / 2 && w->nc >= LEAST_TURNED;
    c.turn = c.turned ? w->nc * (c.samples * c.rows * c.width + depth) : 0;
    return c;
}

/* A walk over the blocks of one group. */
struct block {
    const struct nb_window *w;
    const struct cut *cut;
    size_t group, sample, samples;
    struct nb_patch patch;
    size_t n;         /* columns */
    bool first, last; /* of its sample */
    bool begun;
};

static bool next_block(struct block *b)
{
    const struct cut *c = b->cut;
    size_t rows = b->w->narrow[0] * b->w->narrow[1], width = b->w->narrow[2];
    struct nb_patch *p = &b->patch;
    if (b->begun && (p->from += p->width) == width) {
        p->from = 0;
        if ((p->row += p->rows) == rows) {
            p->row = 0;
            b->sample += b->samples;
        }
    }
    b->begun = true;
    b->samples = at_most(b->w->batch - b->sample, c->samples);
    p->rows = at_most(rows - p->row, c->rows);
    p->width = at_most(width - p->from, c->width);
    b->n = b->samples * p->rows * p->width;
    b->first = p->row == 0 && p->from == 0;
    b->last = p->row + p->rows == rows && p->from + p->width == width;
    return b->sample < b->w->batch;
}

/* Offsets of a block's group in sample s of it. */
static size_t wide_at(const struct block *b, size_t s)
{
    return ((b->sample + s) * b->w->groups + b->group) * b->w->wc * nb_volume(b->w->wide);
}

static size_t narrow_at(const struct block *b, size_t s)
{
    return ((b->sample + s) * b->w->groups + b->group) * b->w->nc * nb_volume(b->w->narrow);
}

/* ---- one evaluation --------------------------------------------------------------------------------------------- */

struct scratch {
    nb_real *field, *columns, *side, *turn;
};

static struct scratch scratch_of(const struct cut *c, void *work)
{
    nb_real *field = work;
    nb_real *side = field + c->field + c->columns;
    return (struct scratch){field, field + c->field, side, side + c->side};
}

/* The columns of a block; their rows lie b->n apart. */
static const nb_real *take_columns(const struct block *b, const nb_real *wide, const struct scratch *s)
{
    size_t each = b->patch.rows * b->patch.width;
    if (b->cut->as_is)
        return wide + wide_at(b, 0);
    for (size_t i = 0; i < b->samples; i++) {
        const nb_real *x = wide + wide_at(b, i);
        if (!b->cut->direct && b->first)
            nb_field_fill(b->w, x, s->field);
        nb_take_columns(b->w, &b->patch, b->cut->direct ? x : s->field, b->n, s->columns + i * each);
    }
    return s->columns;
}

/* The other way: columns are added up in the wide tensor, which is complete after the last block of a sample. */
static void give_columns(const struct block *b, const struct scratch *s, nb_real *wide)
{
    size_t each = b->patch.rows * b->patch.width, planes = b->w->wc * nb_volume(b->w->wide);
    for (size_t i = 0; i < b->samples; i++) {
        nb_real *x = wide + wide_at(b, i), *field = b->cut->direct ? x : s->field;
        if (b->first)
            memset(field, 0, (b->cut->direct ? planes : b->cut->field) * sizeof *field);
        nb_give_columns(b->w, &b->patch, s->columns + i * each, b->n, field);
        if (b->last && !b->cut->direct)
            nb_field_fold(b->w, field, x);
    }
}

/* The narrow entries of a block as a matrix, a row for each channel. */
struct side {
    nb_real *v;
    size_t apart;
    bool own; /* in the tensor itself; else in the scratch */
};

static struct side side_of(const struct block *b, const struct scratch *s, const void *narrow)
{
    nb_real *y = (nb_real *)narrow + narrow_at(b, 0) + b->patch.row * b->w->narrow[2] + b->patch.from;
    if (b->samples == 1)
        return (struct side){y, nb_volume(b->w->narrow), true};
    return (struct side){s->side, b->n, false};
}

/* Between the tensor and the scratch, if it is there. */
static void move_side(const struct block *b, const struct side *side, void *narrow, bool back)
{
    size_t plane = nb_volume(b->w->narrow);
    for (size_t i = 0; i < b->samples && !side->own; i++)
        for (size_t o = 0; o < b->w->nc; o++) {
            nb_real *y = (nb_real *)narrow + narrow_at(b, i) + o * plane, *v = side->v + o * side->apart + i * plane;
            memcpy(back ? y : v, back ? v : y, plane * sizeof *y);
        }
}

static void set_rows(const struct side *s, size_t rows, size_t n, const nb_real *value)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            s->v[i * s->apart + j] = value[i];
}

/* By tiles? Only in single precision: there it is about speed, in double about the last digits. */
static bool by_tiles(const struct nb_window *w, void *work, struct nb_tiles *t)
{
    if (NB_BUILD != 0 || !nb_tiles_fit(w))
        return false;
    *t = nb_tiles_of(w);
    nb_tiles_place(t, work);
    return true;
}

static void narrowing(const struct nb_window *w, const nb_real *weight, const nb_real *bias, const nb_real *wide,
                      nb_real *narrow, void *work)
{
    struct nb_tiles t;
    if (nb_is_thin(w)) {
        nb_thin_narrowing(w, weight, bias, wide, narrow, work);
        return;
    }
    if (by_tiles(w, work, &t)) {
        nb_tiles_narrowing(&t, weight, bias, wide, narrow);
        return;
    }
    struct cut c = cut_of(w);
    struct scratch s = scratch_of(&c, work);
    size_t depth = nb_window_depth(w);
    for (size_t g = 0; g < w->groups; g++, weight += w->nc * depth)
        for (struct block b = {.w = w, .cut = &c, .group = g}; next_block(&b);) {
            const nb_real *columns = take_columns(&b, wide, &s);
            struct side y = side_of(&b, &s, narrow);
            if (bias)
                set_rows(&y, w->nc, b.n, bias + g * w->nc);
            NB(nb_gemm_apart)(false, false, w->nc, b.n, depth, weight, depth, columns, b.n, bias != NULL, y.v, y.apart);
            move_side(&b, &y, narrow, true);
        }
}

static void widening(const struct nb_window *w, const nb_real *weight, const nb_real *narrow, nb_real *wide, void *work)
{
    struct nb_tiles t;
    if (nb_is_thin(w)) {
        nb_thin_widening(w, weight, narrow, wide, work);
        return;
    }
    if (by_tiles(w, work, &t)) {
        nb_tiles_widening(&t, weight, narrow, wide);
        return;
    }
    struct cut c = cut_of(w);
    struct scratch s = scratch_of(&c, work);
    size_t depth = nb_window_depth(w);
    for (size_t g = 0; g < w->groups; g++, weight += w->nc * depth)
        for (struct block b = {.w = w, .cut = &c, .group = g}; next_block(&b);) {
            struct side y = side_of(&b, &s, narrow);
            move_side(&b, &y, (nb_real *)narrow, false);
            NB(nb_gemm_apart)
            (true, false, depth, b.n, w->nc, weight, depth, y.v, y.apart, 0,
             c.as_is ? wide + wide_at(&b, 0) : s.columns, b.n);
            if (!c.as_is)
                give_columns(&b, &s, wide);
        }
}

NB_SIMD static void transpose(size_t rows, size_t n, const nb_real *from, size_t apart, nb_real *to)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < rows; i++)
            to[j * rows + i] = from[i * apart + j];
}

/* weight = or += side columns' */
static void meet(const struct block *b, const struct side *y, const nb_real *columns, const struct scratch *s, int more,
                 nb_real *weight)
{
    size_t nc = b->w->nc, depth = nb_window_depth(b->w);
    if (!b->cut->turned) {
        NB(nb_gemm_apart)(false, true, nc, depth, b->n, y->v, y->apart, columns, b->n, more, weight, depth);
        return;
    }
    nb_real *turned = s->turn + nc * depth;
    transpose(nc, b->n, y->v, y->apart, turned);
    NB(nb_gemm)(false, false, depth, nc, b->n, columns, turned, more, s->turn);
}

static void meeting(const struct nb_window *w, const nb_real *narrow, const nb_real *wide, nb_real *weight, void *work)
{
    struct nb_tiles t;
    if (nb_is_thin(w)) {
        nb_thin_meeting(w, narrow, wide, weight, work);
        return;
    }
    if (by_tiles(w, work, &t)) {
        nb_tiles_meeting(&t, narrow, wide, weight);
        return;
    }
    struct cut c = cut_of(w);
    struct scratch s = scratch_of(&c, work);
    size_t depth = nb_window_depth(w);
    for (size_t g = 0; g < w->groups; g++, weight += w->nc * depth) {
        int more = 0;
        for (struct block b = {.w = w, .cut = &c, .group = g}; next_block(&b); more = 1) {
            const nb_real *columns = take_columns(&b, wide, &s);
            struct side y = side_of(&b, &s, narrow);
            move_side(&b, &y, (nb_real *)narrow, false);
            meet(&b, &y, columns, &s, more, weight);
        }
        if (more && c.turned)
            transpose(depth, w->nc, s.turn, w->nc, weight);
        if (!more)
            memset(weight, 0, w->nc * depth * sizeof *weight);
    }
}

/* ---- the modules ------------------------------------------------------------------------------------------------ */

/* Of an argument with one number, or one for each dimension. */
static int64_t number(const struct nb_ints *l, int d, int64_t absent)
{
    return l->n == 0 ? absent : l->v[l->n == 1 ? 0 : d];
}

/* Padding in front, along spatial dimension d, and in all. */
static int64_t padding_of(const struct args *a, int d, int64_t *all)
{
    int64_t span = number(&a->dilation, d, 1) * (number(&a->kernel_size, d, 1) - 1);
    int64_t before = number(&a->padding, d, 0);
    bool same = before == SAME;
    before = same ? span / 2 : before == VALID ? 0 : before;
    *all = same ? span : 2 * before;
    return before;
}

/* Of shapes that are known: n spatial dimensions, the last ones. */
static struct nb_window window_of(const struct args *a, int n, const struct nb_shape *wide,
                                  const struct nb_shape *narrow)
{
    struct nb_window w = {.beyond = (enum nb_beyond)a->beyond, .groups = (size_t)a->groups, .batch = 1};
    int64_t all;
    if (wide->rank == n + 2)
        w.batch = (size_t)wide->dim[0];
    w.wc = (size_t)wide->dim[wide->rank - n - 1] / w.groups;
    w.nc = (size_t)narrow->dim[narrow->rank - n - 1] / w.groups;
    for (int d = 0; d < NB_SPACE; d++) {
        int k = d - (NB_SPACE - n);
        bool there = k >= 0;
        w.wide[d] = there ? (size_t)wide->dim[wide->rank - n + k] : 1;
        w.narrow[d] = there ? (size_t)narrow->dim[narrow->rank - n + k] : 1;
        w.kernel[d] = there ? (size_t)number(&a->kernel_size, k, 1) : 1;
        w.stride[d] = there ? (size_t)number(&a->stride, k, 1) : 1;
        w.dilation[d] = there ? (size_t)number(&a->dilation, k, 1) : 1;
        w.before[d] = there ? (size_t)padding_of(a, k, &all) : 0;
        w.reach[d] = w.narrow[d] ? w.stride[d] * (w.narrow[d] - 1) + w.dilation[d] * (w.kernel[d] - 1) + 1 : 0;
        w.field[d] = w.reach[d];
    }
    return w;
}

static struct nb_window window_at(const struct nb_call *c, bool transposed)
{
    const struct nb_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    return window_of(c->args, c->w[0].shape.rank - 2, transposed ? y : x, transposed ? x : y);
}

/* v = sum over the batch and all places of a channel. */
static void sum_channels(const struct nb_shape *shape, int n, const nb_real *g, nb_real *v)
{
    size_t channels = (size_t)shape->dim[shape->rank - n - 1], batch = shape->rank == n + 2 ? (size_t)shape->dim[0] : 1;
    size_t plane = 1;
    for (int d = shape->rank - n; d < shape->rank; d++)
        plane *= (size_t)shape->dim[d];
    for (size_t c = 0; c < channels; c++) {
        nb_sum s = 0;
        for (size_t b = 0; b < batch; b++)
            s += NB(nb_total)(plane, g + (b * channels + c) * plane);
        v[c] = (nb_real)s;
    }
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_window w = window_at(c, false);
    (void)e;
    narrowing(&w, c->w[0].data, c->nw > 1 ? c->w[1].data : NULL, c->in[0].data, c->out[0].data, c->work);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_window w = window_at(c, false);
    const nb_real *g = c->gout[0].data;
    (void)e;
    if (c->gin[0].data)
        widening(&w, c->w[0].data, g, c->gin[0].data, c->work);
    if (c->gw[0].data)
        meeting(&w, g, c->in[0].data, c->gw[0].data, c->work);
    if (c->nw > 1 && c->gw[1].data)
        sum_channels(&c->gout[0].shape, c->w[0].shape.rank - 2, g, c->gw[1].data);
    return 0;
}

NB_SIMD static void add_to_planes(size_t planes, size_t channels, size_t plane, const nb_real *bias, nb_real *y)
{
    for (size_t i = 0; i < planes; i++, y += plane) {
        nb_real b = bias[i % channels];
        NB_LOOP
        for (size_t j = 0; j < plane; j++)
            y[j] += b;
    }
}

static int forward_transposed(const struct nb_call *c, struct nb_error *e)
{
    struct nb_window w = window_at(c, true);
    size_t channels = w.groups * w.wc;
    (void)e;
    widening(&w, c->w[0].data, c->in[0].data, c->out[0].data, c->work);
    if (c->nw > 1)
        add_to_planes(w.batch * channels, channels, nb_volume(w.wide), c->w[1].data, c->out[0].data);
    return 0;
}

static int backward_transposed(const struct nb_call *c, struct nb_error *e)
{
    struct nb_window w = window_at(c, true);
    const nb_real *g = c->gout[0].data;
    (void)e;
    if (c->gin[0].data)
        narrowing(&w, c->w[0].data, NULL, g, c->gin[0].data, c->work);
    if (c->gw[0].data)
        meeting(&w, c->in[0].data, g, c->gw[0].data, c->work);
    if (c->nw > 1 && c->gw[1].data)
        sum_channels(&c->gout[0].shape, c->w[0].shape.rank - 2, g, c->gw[1].data);
    return 0;
}

/* ---- shapes ----------------------------------------------------------------------------------------------------- */

static const char *const wanted[] = {"[B, C, L] or [C, L]", "[B, C, H, W] or [C, H, W]",
                                     "[B, C, D, H, W] or [C, D, H, W]"};

static int check_list(const struct nb_ints *l, const char *name, int n, struct nb_error *e)
{
    if (l->n == 1 || l->n == (size_t)n || !l->v)
        return 0;
    nb_fail(e, NB_E_bad_argument, "%s has %zu numbers, wanted is one, or %d", name, l->n, n);
    return nb_at(e, name);
}

static int check_lists(const struct args *a, int n, struct nb_error *e)
{
    return check_list(&a->kernel_size, "kernel_size", n, e) || check_list(&a->stride, "stride", n, e) ||
                   check_list(&a->padding, "padding", n, e) || check_list(&a->output_padding, "output_padding", n, e) ||
                   check_list(&a->dilation, "dilation", n, e)
               ? -1
               : 0;
}

static int fix_channels(struct nb_infer *s, int64_t size, struct nb_error *e)
{
    struct args *a = s->args;
    char text[200];
    nb_shape_text(&s->in[0], s->symbols, text, sizeof text);
    if (a->in_channels == NB_NONE && !NB_IS_KNOWN(size))
        return nb_fail(e, NB_E_missing_argument, "in_channels is needed: the shape %s does not give it", text);
    if (a->in_channels == NB_NONE && size == 0)
        return nb_fail(e, NB_E_shape_mismatch, "the input has no channels (shape %s)", text);
    if (a->in_channels == NB_NONE)
        a->in_channels = size;
    if (nb_dim_same(a->in_channels, size) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "in_channels is %lld, the input has %lld (shape %s)", (long long)a->in_channels,
            (long long)size, text);
    return nb_at(e, "in_channels");
}

static int check_groups(const struct args *a, struct nb_error *e)
{
    bool in = a->in_channels % a->groups == 0;
    if (in && a->out_channels % a->groups == 0)
        return 0;
    nb_fail(e, NB_E_bad_argument, "groups is %lld and must divide %s, which is %lld", (long long)a->groups,
            in ? "out_channels" : "in_channels", (long long)(in ? a->out_channels : a->in_channels));
    return nb_at(e, "groups");
}

static int at_size(const struct nb_ints *l, int d, const char *name, struct nb_error *e)
{
    if (l->n > 1)
        nb_at_index(e, (size_t)d);
    return nb_at(e, name);
}

static const char *const modes[] = {"zeros", "reflect", "replicate", "circular", NULL};

/* Padding by copies needs entries to copy: `size` of them, but reflection leaves the edge out. */
static int check_beyond(const struct args *a, int d, int64_t size, struct nb_error *e)
{
    int64_t all, before = padding_of(a, d, &all), most = all - before > before ? all - before : before;
    const int64_t room[] = {INT64_MAX, size - 1, size > 0 ? INT64_MAX : 0, size};
    if (most == 0 || most <= room[a->beyond])
        return 0;
    nb_fail(e, NB_E_bad_argument, "padding by %lld of mode %s needs a larger input than %lld", (long long)most,
            modes[a->beyond], (long long)size);
    return at_size(&a->padding, d, "padding", e);
}

/* The size of the output of Conv along spatial dimension d. */
static int narrow_size(const struct args *a, int d, int64_t size, int64_t *out, struct nb_error *e)
{
    int64_t k = number(&a->kernel_size, d, 1), stride = number(&a->stride, d, 1);
    int64_t dilation = number(&a->dilation, d, 1), span = dilation * (k - 1), all;
    bool same = number(&a->padding, d, 0) == SAME;
    padding_of(a, d, &all);
    if (same && stride != 1) {
        nb_fail(e, NB_E_bad_argument, "padding \"same\" wants stride 1; it is %lld", (long long)stride);
        return nb_at(e, "padding");
    }
    *out = stride == 1 && all == span ? size : NB_ANY;
    if (!NB_IS_KNOWN(size))
        return 0;
    if (check_beyond(a, d, size, e))
        return -1;
    if (size + all > span) {
        *out = (size + all - span - 1) / stride + 1;
        return 0;
    }
    nb_fail(e, NB_E_shape_mismatch, "the kernel covers %lld entries, the input has %lld with its padding: no output",
            (long long)(span + 1), (long long)(size + all));
    return at_size(&a->kernel_size, d, "kernel_size", e);
}

/* The same of ConvTranspose. */
static int wide_size(const struct args *a, int d, int64_t size, int64_t *out, struct nb_error *e)
{
    int64_t k = number(&a->kernel_size, d, 1), stride = number(&a->stride, d, 1);
    int64_t dilation = number(&a->dilation, d, 1), more = number(&a->output_padding, d, 0), all;
    padding_of(a, d, &all);
    if (more >= stride && more >= dilation) {
        nb_fail(e, NB_E_bad_argument, "output_padding is %lld; it must be less than stride (%lld) or dilation (%lld)",
                (long long)more, (long long)stride, (long long)dilation);
        return at_size(&a->output_padding, d, "output_padding", e);
    }
    int64_t beyond = dilation * (k - 1) + more + 1 - all;
    *out = stride == 1 && beyond == 1 ? size : NB_ANY;
    if (!NB_IS_KNOWN(size))
        return 0;
    if (size > INT32_MAX)
        return nb_fail(e, NB_E_shape_mismatch, "the input is too large: %lld", (long long)size);
    *out = size > 0 ? (size - 1) * stride + beyond : 0;
    if (*out >= 1)
        return 0;
    nb_fail(e, size > 0 ? NB_E_bad_argument : NB_E_shape_mismatch, "the output would have size %lld (input %lld)",
            (long long)*out, (long long)size);
    return size > 0 ? at_size(&a->padding, d, "padding", e) : -1;
}

/* weight [first, second, kernel...]: U(fan) for it and the bias. */
static void add_weights(struct nb_infer *s, int n, int64_t first, int64_t second)
{
    const struct args *a = s->args;
    struct nb_shape shape = {.rank = n + 2, .dim = {first, second}};
    double fan = (double)second;
    for (int d = 0; d < n; d++) {
        shape.dim[2 + d] = number(&a->kernel_size, d, 1);
        fan *= (double)shape.dim[2 + d];
    }
    struct nb_init init = {.kind = NB_INIT_UNIFORM, .a = -1 / sqrt(fan), .b = 1 / sqrt(fan)};
    s->w[s->nw++] = (struct nb_weight){"weight", shape, init, false};
    if (a->bias)
        s->w[s->nw++] = (struct nb_weight){"bias", nb_shape_of(1, a->out_channels), init, false};
}

/* Scratch, once all sizes are known; a field of the shape of the output or the input, and what is around it. */
static int set_work(struct nb_infer *s, int n, bool transposed, struct nb_error *e)
{
    const struct nb_shape *wide = transposed ? &s->out[0] : &s->in[0], *narrow = transposed ? &s->in[0] : &s->out[0];
    if (!nb_shape_known(wide) || !nb_shape_known(narrow) || nb_count(wide) < 0 || nb_count(narrow) < 0)
        return 0;
    struct nb_window w = window_of(s->args, n, wide, narrow);
    struct nb_shape field =
        nb_shape_of(4, (int64_t)w.wc, (int64_t)w.field[0], (int64_t)w.field[1], (int64_t)w.field[2]);
    if (nb_count(&field) < 0) {
        nb_fail(e, NB_E_bad_argument, "with its padding the input is too large");
        return nb_at(e, "padding");
    }
    struct cut c = cut_of(&w);
    s->work = nb_is_thin(&w) ? nb_thin_work(&w) : c.field + c.columns + c.side + c.turn;
    if (!nb_is_thin(&w) && nb_tiles_fit(&w)) {
        struct nb_tiles t = nb_tiles_of(&w);
        s->work = nb_tiles_work(&t) > s->work ? nb_tiles_work(&t) : s->work; /* for either way: the builds differ */
    }
    return 0;
}

static int infer(struct nb_infer *s, int n, bool transposed, struct nb_error *e)
{
    struct args *a = s->args;
    const struct nb_shape *x = &s->in[0];
    char text[200];
    int first = x->rank - n;
    if (first != 1 && first != 2)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is %s",
                       nb_shape_text(x, s->symbols, text, sizeof text), wanted[n - 1]);
    if (check_lists(a, n, e) || fix_channels(s, x->dim[first - 1], e) || check_groups(a, e))
        return -1;
    s->out[0] = *x;
    s->out[0].dim[first - 1] = a->out_channels;
    for (int d = 0; d < n; d++)
        if ((transposed ? wide_size : narrow_size)(a, d, x->dim[first + d], &s->out[0].dim[first + d], e))
            return -1;
    if (transposed)
        add_weights(s, n, a->in_channels, a->out_channels / a->groups);
    else
        add_weights(s, n, a->out_channels, a->in_channels / a->groups);
    return set_work(s, n, transposed, e);
}

#define INFER(n)                                                                                                       \
    static int infer##n(struct nb_infer *s, struct nb_error *e)                                                        \
    {                                                                                                                  \
        return infer(s, n, false, e);                                                                                  \
    }                                                                                                                  \
    static int infer_transposed##n(struct nb_infer *s, struct nb_error *e)                                             \
    {                                                                                                                  \
        return infer(s, n, true, e);                                                                                   \
    }
INFER(1)
INFER(2)
INFER(3)

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};
static const char *const words[] = {"valid", "same", NULL};
static const char *const zeros[] = {"zeros", NULL};

/* clang-format off */
#define IN {"in_channels", NB_ARG_INT, offsetof(struct args, in_channels), 0, 1, INT32_MAX, NB_INFERRED, NULL, "channels of the input"}
#define OUT {"out_channels", NB_ARG_INT, offsetof(struct args, out_channels), 0, 1, INT32_MAX, NB_REQUIRED, NULL, "channels of the output"}
#define KERNEL {"kernel_size", NB_ARG_INTS, offsetof(struct args, kernel_size), 0, 1, INT32_MAX, NB_REQUIRED, NULL, "one number for all dimensions, or one for each"}
#define STRIDE {"stride", NB_ARG_INTS, offsetof(struct args, stride), 0, 1, INT32_MAX, 0, NULL, "step of the kernel; 1 if left out"}
#define DILATION {"dilation", NB_ARG_INTS, offsetof(struct args, dilation), 0, 1, INT32_MAX, 0, NULL, "step between entries of the kernel; 1 if left out"}
#define GROUPS {"groups", NB_ARG_INT, offsetof(struct args, groups), 1, 1, INT32_MAX, 0, NULL, "groups of channels that do not see each other"}
#define BIAS {"bias", NB_ARG_BOOL, offsetof(struct args, bias), 1, 0, 0, 0, NULL, "adds a learned number to each channel"}
/* clang-format on */

static const struct nb_arg conv_args[] = {
    IN,
    OUT,
    KERNEL,
    STRIDE,
    {"padding", NB_ARG_INTS, offsetof(struct args, padding), 0, 0, INT32_MAX, 0, words,
     "entries added on either side, 0 if left out; \"same\": as many as keep the size (stride 1), \"valid\": none"},
    DILATION,
    GROUPS,
    BIAS,
    {"padding_mode", NB_ARG_CHOICE, offsetof(struct args, beyond), 0, 0, 0, 0, modes, "what the padding consists of"},
    {0},
};

static const struct nb_arg transposed_args[] = {
    IN,
    OUT,
    KERNEL,
    STRIDE,
    {"padding", NB_ARG_INTS, offsetof(struct args, padding), 0, 0, INT32_MAX, 0, NULL,
     "entries cut off on either side; 0 if left out"},
    {"output_padding", NB_ARG_INTS, offsetof(struct args, output_padding), 0, 0, INT32_MAX, 0, NULL,
     "entries more at the far end, less than stride or dilation; 0 if left out"},
    GROUPS,
    BIAS,
    DILATION,
    {"padding_mode", NB_ARG_CHOICE, offsetof(struct args, beyond), 0, 0, 0, 0, zeros, "only zeros"},
    {0},
};

static const struct nb_case cases1[] = {
    {"\"out_channels\": 4, \"kernel_size\": 3", "5x3x7", false},
    {"\"out_channels\": 6, \"kernel_size\": 2, \"stride\": 3, \"padding\": 2, \"dilation\": 3, \"groups\": 3", "2x3x11",
     false},
    {"\"out_channels\": 3, \"kernel_size\": 4, \"padding\": \"same\", \"bias\": false", "2x9", false},
    {"\"out_channels\": 5, \"kernel_size\": 1", "3x7x5", false},
    {"\"out_channels\": 2, \"kernel_size\": 3, \"padding\": 2, \"padding_mode\": \"circular\"", "3x2x5", false},
    {0},
};
static const struct nb_case cases2[] = {
    {"\"out_channels\": 4, \"kernel_size\": 3", "3x2x5x7", false},
    {"\"out_channels\": 4, \"kernel_size\": [3, 2], \"stride\": [2, 1], \"padding\": [1, 2], \"dilation\": [1, 3]",
     "2x3x7x5", false},
    {"\"out_channels\": 6, \"kernel_size\": 3, \"padding\": 1, \"groups\": 3", "2x3x5x5", false},
    {"\"out_channels\": 3, \"kernel_size\": 3, \"padding\": \"same\", \"padding_mode\": \"reflect\", \"bias\": false",
     "2x3x4x5", false},
    {"\"out_channels\": 2, \"kernel_size\": [2, 5], \"padding\": [1, 3], \"padding_mode\": \"replicate\"", "3x5x4",
     false},
    {"\"out_channels\": 5, \"kernel_size\": 1", "2x3x3x5", false},
    {0},
};
static const struct nb_case cases3[] = {
    {"\"out_channels\": 2, \"kernel_size\": 2", "2x2x3x4x3", false},
    {"\"out_channels\": 2, \"kernel_size\": [1, 3, 2], \"stride\": [2, 1, 3], \"padding\": [0, 2, 1]", "3x3x5x5",
     false},
    {"\"out_channels\": 4, \"kernel_size\": 2, \"padding\": 1, \"dilation\": 2, \"groups\": 2, \"bias\": false",
     "2x2x3x2x3", false},
    {0},
};
static const struct nb_case transposed_cases1[] = {
    {"\"out_channels\": 3, \"kernel_size\": 3", "5x3x7", false},
    {"\"out_channels\": 6, \"kernel_size\": 2, \"stride\": 3, \"padding\": 2, \"output_padding\": 1, \"dilation\": 3, "
     "\"groups\": 3",
     "2x3x5", false},
    {"\"out_channels\": 5, \"kernel_size\": 1, \"bias\": false", "2x3x5", false},
    {0},
};
static const struct nb_case transposed_cases2[] = {
    {"\"out_channels\": 4, \"kernel_size\": 3", "3x2x3x5", false},
    {"\"out_channels\": 2, \"kernel_size\": [4, 3], \"stride\": [2, 3], \"padding\": [1, 0], \"output_padding\": [1, "
     "2]",
     "2x3x3x4", false},
    {"\"out_channels\": 3, \"kernel_size\": 3, \"stride\": 2, \"padding\": 1, \"groups\": 3", "3x5x4", false},
    {"\"out_channels\": 2, \"kernel_size\": 2, \"padding\": 2, \"dilation\": 4, \"bias\": false", "2x2x3x5", false},
    {0},
};
static const struct nb_case transposed_cases3[] = {
    {"\"out_channels\": 3, \"kernel_size\": 2", "2x2x3x2x3", false},
    {"\"out_channels\": 4, \"kernel_size\": [1, 2, 3], \"stride\": [2, 1, 2], \"padding\": [0, 1, 1], "
     "\"output_padding\": [1, 0, 1], \"groups\": 2",
     "2x3x2x3", false},
    {0},
};

static const struct nb_known mistakes1[] = {
    {.code = "conv1d_kernel_flipped",
     .of = "weight",
     .formula = "flip(d, 2)",
     .hint = "The kernel is not flipped: this is a cross-correlation."},
    {.code = "conv1d_channels_swapped",
     .of = "weight",
     .formula = "transpose(d, 0, 1)",
     .hint = "The axes of the two kinds of channels are swapped."},
    {.code = "conv1d_places_averaged",
     .of = "weight",
     .formula = "d/mean(sum(g*0 + 1, [2]))",
     .hint = "The kernel is used at every place: add up over the places, do not average."},
    {.code = "conv1d_bias_averaged",
     .of = "bias",
     .formula = "sum(mean(g, [2]), 0)",
     .hint = "The bias is used at every place: add up over the places, do not average."},
    {0},
};
static const struct nb_known mistakes2[] = {
    {.code = "conv2d_kernel_flipped",
     .of = "weight",
     .formula = "flip(flip(d, 2), 3)",
     .hint = "The kernel is not flipped: this is a cross-correlation."},
    {.code = "conv2d_channels_swapped",
     .of = "weight",
     .formula = "transpose(d, 0, 1)",
     .hint = "The axes of the two kinds of channels are swapped."},
    {.code = "conv2d_places_averaged",
     .of = "weight",
     .formula = "d/mean(sum(g*0 + 1, [2, 3]))",
     .hint = "The kernel is used at every place: add up over the places, do not average."},
    {.code = "conv2d_bias_averaged",
     .of = "bias",
     .formula = "sum(mean(g, [2, 3]), 0)",
     .hint = "The bias is used at every place: add up over the places, do not average."},
    {0},
};
static const struct nb_known mistakes3[] = {
    {.code = "conv3d_kernel_flipped",
     .of = "weight",
     .formula = "flip(flip(flip(d, 2), 3), 4)",
     .hint = "The kernel is not flipped: this is a cross-correlation."},
    {.code = "conv3d_channels_swapped",
     .of = "weight",
     .formula = "transpose(d, 0, 1)",
     .hint = "The axes of the two kinds of channels are swapped."},
    {.code = "conv3d_places_averaged",
     .of = "weight",
     .formula = "d/mean(sum(g*0 + 1, [2, 3, 4]))",
     .hint = "The kernel is used at every place: add up over the places, do not average."},
    {.code = "conv3d_bias_averaged",
     .of = "bias",
     .formula = "sum(mean(g, [2, 3, 4]), 0)",
     .hint = "The bias is used at every place: add up over the places, do not average."},
    {0},
};
static const struct nb_known transposed_mistakes1[] = {
    {.code = "convtranspose1d_kernel_flipped",
     .of = "weight",
     .formula = "flip(d, 2)",
     .hint = "The kernel is not flipped: this is a cross-correlation."},
    {.code = "convtranspose1d_channels_swapped",
     .of = "weight",
     .formula = "transpose(d, 0, 1)",
     .hint = "The axes of the two kinds of channels are swapped."},
    {.code = "convtranspose1d_places_averaged",
     .of = "weight",
     .formula = "d/mean(sum(g*0 + 1, [2]))",
     .hint = "Add up over the places, do not average."},
    {.code = "convtranspose1d_bias_averaged",
     .of = "bias",
     .formula = "sum(mean(g, [2]), 0)",
     .hint = "The bias is used at every place: add up over the places, do not average."},
    {0},
};
static const struct nb_known transposed_mistakes2[] = {
    {.code = "convtranspose2d_kernel_flipped",
     .of = "weight",
     .formula = "flip(flip(d, 2), 3)",
     .hint = "The kernel is not flipped: this is a cross-correlation."},
    {.code = "convtranspose2d_channels_swapped",
     .of = "weight",
     .formula = "transpose(d, 0, 1)",
     .hint = "The axes of the two kinds of channels are swapped."},
    {.code = "convtranspose2d_places_averaged",
     .of = "weight",
     .formula = "d/mean(sum(g*0 + 1, [2, 3]))",
     .hint = "Add up over the places, do not average."},
    {.code = "convtranspose2d_bias_averaged",
     .of = "bias",
     .formula = "sum(mean(g, [2, 3]), 0)",
     .hint = "The bias is used at every place: add up over the places, do not average."},
    {0},
};
static const struct nb_known transposed_mistakes3[] = {
    {.code = "convtranspose3d_kernel_flipped",
     .of = "weight",
     .formula = "flip(flip(flip(d, 2), 3), 4)",
     .hint = "The kernel is not flipped: this is a cross-correlation."},
    {.code = "convtranspose3d_channels_swapped",
     .of = "weight",
     .formula = "transpose(d, 0, 1)",
     .hint = "The axes of the two kinds of channels are swapped."},
    {.code = "convtranspose3d_places_averaged",
     .of = "weight",
     .formula = "d/mean(sum(g*0 + 1, [2, 3, 4]))",
     .hint = "Add up over the places, do not average."},
    {.code = "convtranspose3d_bias_averaged",
     .of = "bias",
     .formula = "sum(mean(g, [2, 3, 4]), 0)",
     .hint = "The bias is used at every place: add up over the places, do not average."},
    {0},
};

#define CONV(n, space)                                                                                                 \
    {                                                                                                                  \
        .type = "Conv" #n "d", .mistakes = mistakes##n, .onnx = "Conv",                                                \
        .summary = "A small kernel slides over " space ": at each place the sum of the products with what is below.",  \
        .formula = "y_{n,o,i} = b_o + \\sum_{c,u} W_{o,c,u}\\, x_{n,\\,c,\\,s i - p + d u}",                           \
        .derivative = "\\bar x = \\operatorname{conv}^{\\mathsf T}(g, W),\\quad "                                      \
                      "\\bar W_{o,c,u} = \\sum_{n,i} g_{n,o,i}\\, x_{n,\\,c,\\,s i - p + d u},\\quad "                 \
                      "\\bar b_o = \\sum_{n,i} g_{n,o,i}",                                                             \
        .source = "Fukushima 1980; LeCun 1989",                                                                        \
        .note = "The kernel is not flipped: this is a cross-correlation. weight is [out_channels, "                    \
                "in_channels/groups, kernel...]; it and the bias start uniform within 1/sqrt of the entries of one "   \
                "kernel.",                                                                                             \
        .args = conv_args, .args_size = sizeof(struct args), .inputs = inputs, .infer = infer##n, .forward = forward,  \
        .backward = backward, .jacobian = "AW", .cases = cases##n,                                                     \
    }

#define TRANSPOSED(n)                                                                                                  \
    {                                                                                                                  \
        .type = "ConvTranspose" #n "d", .mistakes = transposed_mistakes##n, .onnx = "ConvTranspose",                   \
        .summary =                                                                                                     \
            "The gradient of Conv" #n "d by its input, as a module: every entry adds a multiple of the kernel.",       \
        .formula = "y_{n,\\,o,\\,s i - p + d u} = b_o + \\sum W_{c,o,u}\\, x_{n,c,i}",                                 \
        .derivative = "\\bar x = \\operatorname{conv}(g, W),\\quad "                                                   \
                      "\\bar W_{c,o,u} = \\sum_{n,i} x_{n,c,i}\\, g_{n,\\,o,\\,s i - p + d u},\\quad "                 \
                      "\\bar b_o = \\sum_{n,j} g_{n,o,j}",                                                             \
        .source = "Zeiler, Krishnan, Taylor, Fergus 2010",                                                             \
        .note = "The size is (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1. weight is " \
                "[in_channels, out_channels/groups, kernel...].",                                                      \
        .args = transposed_args, .args_size = sizeof(struct args), .inputs = inputs, .infer = infer_transposed##n,     \
        .forward = forward_transposed, .backward = backward_transposed, .jacobian = "AW",                              \
        .cases = transposed_cases##n,                                                                                  \
    }

const struct nb_module NB(nb_module_conv)[] = {
    CONV(1, "one dimension"),
    CONV(2, "two dimensions"),
    CONV(3, "three dimensions"),
    TRANSPOSED(1),
    TRANSPOSED(2),
    TRANSPOSED(3),
    {0},
};
