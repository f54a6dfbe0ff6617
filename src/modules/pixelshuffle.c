/* PixelShuffle and SpaceToDepth: channels as squares of pixels, and back. Each is the other's backward. */
#include "modules/rows.h"

struct args {
    int64_t r;
};

/* The entries of the fine image [.., C, H r, W r] in order, as they lie in the deep one [.., C r r, H, W]. */
static struct nb_layout order(const struct nb_shape *deep, int64_t r)
{
    int c = deep->rank - 3;
    ptrdiff_t height = deep->dim[c + 1], width = deep->dim[c + 2], plane = height * width;
    size_t side = (size_t)r, images = (size_t)(deep->dim[c] / (r * r));
    for (int d = 0; d < c; d++)
        images *= (size_t)deep->dim[d];
    return (struct nb_layout){5,
                              {images, (size_t)height, side, (size_t)width, side},
                              {(ptrdiff_t)(r * r) * plane, width, (ptrdiff_t)r * plane, 1, plane}};
}

static int64_t side_of(const struct nb_call *c)
{
    return ((const struct args *)c->args)->r;
}

static int check_rank(const struct nb_infer *s, struct nb_error *e)
{
    char text[200];
    if (s->in[0].rank >= 3)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is [..., C, H, W]",
                   nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
}

static int fail_multiple(const char *what, int64_t n, int64_t of, const char *arg, struct nb_error *e)
{
    nb_fail(e, NB_E_shape_mismatch, "the %s %lld, which is no multiple of %lld", what, (long long)n, (long long)of);
    return nb_at(e, arg);
}

/* A size times or divided by another; -1 if it cannot be divided. */
static int64_t grown(int64_t d, int64_t by)
{
    return by == 1 ? d : NB_IS_KNOWN(d) ? d * by : NB_ANY;
}

static int64_t divided(int64_t d, int64_t by)
{
    return by == 1 ? d : !NB_IS_KNOWN(d) ? NB_ANY : d % by ? -1 : d / by;
}

/* ---- PixelShuffle --------------------------------------------------------------------------------------------------
 */

static int shuffle_infer(struct nb_infer *s, struct nb_error *e)
{
    int64_t r = ((const struct args *)s->args)->r;
    int c = s->in[0].rank - 3;
    if (check_rank(s, e))
        return -1;
    s->out[0] = s->in[0];
    if ((s->out[0].dim[c] = divided(s->in[0].dim[c], r * r)) == -1)
        return fail_multiple("number of channels is", s->in[0].dim[c], r * r, "upscale_factor", e);
    for (int d = c + 1; d <= c + 2; d++)
        s->out[0].dim[d] = grown(s->in[0].dim[d], r);
    return 0;
}

static int shuffle_forward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_layout l = order(&c->in[0].shape, side_of(c));
    (void)e;
    NB(nb_pick)(&l, c->in[0].data, c->out[0].data);
    return 0;
}

static int shuffle_backward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_layout l = order(&c->in[0].shape, side_of(c));
    (void)e;
    if (c->gin[0].data)
        NB(nb_place)(&l, c->gout[0].data, c->gin[0].data);
    return 0;
}

/* ---- SpaceToDepth --------------------------------------------------------------------------------------------------
 */

static int depth_infer(struct nb_infer *s, struct nb_error *e)
{
    int64_t r = ((const struct args *)s->args)->r;
    int c = s->in[0].rank - 3;
    if (check_rank(s, e))
        return -1;
    s->out[0] = s->in[0];
    s->out[0].dim[c] = grown(s->in[0].dim[c], r * r);
    for (int d = c + 1; d <= c + 2; d++)
        if ((s->out[0].dim[d] = divided(s->in[0].dim[d], r)) == -1)
            return fail_multiple(d == c + 1 ? "height is" : "width is", s->in[0].dim[d], r, "blocksize", e);
    return 0;
}

static int depth_forward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_layout l = order(&c->out[0].shape, side_of(c));
    (void)e;
    NB(nb_place)(&l, c->in[0].data, c->out[0].data);
    return 0;
}

static int depth_backward(const struct nb_call *c, struct nb_error *e)
{
    struct nb_layout l = order(&c->out[0].shape, side_of(c));
    (void)e;
    if (c->gin[0].data)
        NB(nb_pick)(&l, c->gout[0].data, c->gin[0].data);
    return 0;
}

/* ---- the rows ------------------------------------------------------------------------------------------------------
 */

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

#define SIDE(name)                                                                                                     \
    {                                                                                                                  \
        name, NB_ARG_INT, offsetof(struct args, r), 0, 1, 32768, NB_REQUIRED, NULL, "side r of the squares"            \
    }
static const struct nb_arg shuffle_args[] = {SIDE("upscale_factor"), {0}};
static const struct nb_arg depth_args[] = {SIDE("blocksize"), {0}};

static const struct nb_case shuffle_cases[] = {
    {"\"upscale_factor\": 2", "2x12x3x5", false},
    {"\"upscale_factor\": 3", "9x2x5", false},
    {0},
};
static const struct nb_case depth_cases[] = {
    {"\"blocksize\": 2", "2x3x4x6", false},
    {"\"blocksize\": 3", "5x6x9", false},
    {0},
};

const struct nb_module NB(nb_module_pixelshuffle)[] = {
    {
        .type = "PixelShuffle",
        .onnx = "DepthToSpace",
        .summary = "Every r*r channels become squares of r by r pixels.",
        .formula = "y_{c,\\,hr + i,\\,wr + j} = x_{cr^2 + ir + j,\\,h,\\,w}",
        .derivative = "\\bar x_{cr^2 + ir + j,\\,h,\\,w} = g_{c,\\,hr + i,\\,wr + j}",
        .note = "ONNX's DepthToSpace in the mode CRD.",
        .args = shuffle_args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = shuffle_infer,
        .forward = shuffle_forward,
        .backward = shuffle_backward,
        .jacobian = "A",
        .cases = shuffle_cases,
    },
    {
        .type = "SpaceToDepth",
        .onnx = "SpaceToDepth",
        .summary = "Squares of r by r pixels become r*r channels.",
        .formula = "y_{cr^2 + ir + j,\\,h,\\,w} = x_{c,\\,hr + i,\\,wr + j}",
        .derivative = "\\bar x_{c,\\,hr + i,\\,wr + j} = g_{cr^2 + ir + j,\\,h,\\,w}",
        .note = "Undoes PixelShuffle: PyTorch's PixelUnshuffle. ONNX's own has the channels in another order.",
        .args = depth_args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = depth_infer,
        .forward = depth_forward,
        .backward = depth_backward,
        .jacobian = "A",
        .cases = depth_cases,
    },
    {0},
};
