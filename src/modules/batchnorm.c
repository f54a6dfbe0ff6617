/* BatchNorm1d, BatchNorm2d, BatchNorm3d: every channel gets mean 0 and variance 1 over the batch.
 *
 * The input is [batch][channels][run]: runs of adjacent entries of one channel. The loops go along the runs, one
 * channel after the other; where there are none (run = 1) they go along the channels. */
#include "modules/norm.h"
#include "modules/runs.h"
#include <string.h>

struct args {
    int64_t num_features;
    double eps, momentum;
    int64_t affine, track;
};

enum { WEIGHT, BIAS, BUFFERS }; /* without affine the buffers come first */

struct view {
    const struct args *a;
    size_t batch, channels, run;
    size_t width;     /* channels that are done at a time */
    double count;     /* entries of one channel */
    bool batch_stats; /* statistics of the batch, not the running ones */
    struct nb_moments m;
    nb_sum *s, *t;               /* two sums for each channel */
    nb_real *k[3];               /* coefficients for each channel */
    const nb_real *gamma, *beta; /* NULL: 1 and 0 */
};

static struct view view_of(const struct nb_call *c)
{
    const struct nb_shape *s = &c->in[0].shape;
    struct view v = {.a = c->args, .batch = (size_t)s->dim[0], .channels = (size_t)s->dim[1], .run = 1};
    for (int i = 2; i < s->rank; i++)
        v.run *= (size_t)s->dim[i];
    v.width = v.run > 1 ? 1 : v.channels;
    v.count = (double)(v.batch * v.run);
    v.batch_stats = c->train || !v.a->track;
    v.m = nb_moments_of(c->saved, v.channels);
    v.s = c->work;
    v.t = v.s + v.channels;
    for (size_t i = 0; i < 3; i++)
        v.k[i] = (nb_real *)(v.t + v.channels) + i * v.channels;
    v.gamma = v.a->affine ? c->w[WEIGHT].data : NULL;
    v.beta = v.a->affine ? c->w[BIAS].data : NULL;
    return v;
}

static size_t at(const struct view *v, size_t sample, size_t channel)
{
    return (sample * v->channels + channel) * v->run;
}

/* ---- loops along the channels; those along a run are in runs.h ----------------------------------------------------
 */

NB_SIMD static void row_sums(size_t n, const nb_real *x, nb_sum *sum)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        sum[i] += x[i];
}

NB_SIMD static void row_squares(size_t n, const nb_real *x, const nb_sum *mean, nb_sum *sum)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        sum[i] += ((nb_sum)x[i] - mean[i]) * ((nb_sum)x[i] - mean[i]);
}

NB_SIMD static void row_value(size_t n, const nb_real *x, const nb_real *high, const nb_real *low, const nb_real *a,
                              const nb_real *b, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = ((x[i] - high[i]) - low[i]) * a[i] + b[i];
}

NB_SIMD static void row_dots(size_t n, const nb_real *x, const nb_real *g, const nb_real *high, const nb_real *low,
                             nb_sum *sum, nb_sum *dot)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        sum[i] += g[i];
        dot[i] += (nb_sum)g[i] * ((x[i] - high[i]) - low[i]);
    }
}

NB_SIMD static void row_slope(size_t n, const nb_real *x, const nb_real *g, const nb_real *high, const nb_real *low,
                              const nb_real *k, const nb_real *p, const nb_real *q, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = k[i] * (g[i] - p[i] - ((x[i] - high[i]) - low[i]) * q[i]);
}

NB_SIMD static void row_times(size_t n, const nb_real *g, const nb_real *k, nb_real *dx)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = k[i] * g[i];
}

/* ---- forward, for v->width channels from c on ------------------------------------------------------------------- */

static void clear(nb_sum *s, size_t n)
{
    memset(s, 0, n * sizeof *s);
}

static void batch_moments(const struct view *v, size_t c, const nb_real *x)
{
    nb_sum *mean = v->s, *square = v->t;
    double count = v->count > 0 ? v->count : 1; /* an empty batch leaves zeros, not NaN */
    clear(mean + c, v->width);
    clear(square + c, v->width);
    for (size_t b = 0; b < v->batch; b++)
        if (v->run == 1)
            row_sums(v->width, x + at(v, b, c), mean + c);
        else
            mean[c] += NB(nb_total)(v->run, x + at(v, b, c));
    for (size_t i = c; i < c + v->width; i++)
        mean[i] /= count;
    for (size_t b = 0; b < v->batch; b++)
        if (v->run == 1)
            row_squares(v->width, x + at(v, b, c), mean + c, square + c);
        else
            square[c] += nb_squares(v->run, x + at(v, b, c), mean[c]);
    for (size_t i = c; i < c + v->width; i++)
        nb_moments_set(&v->m, i, mean[i], square[i] / count, v->a->eps);
}

static void running_moments(const struct view *v, const struct nb_call *call, size_t c)
{
    const struct nb_tensor *w = call->w + (v->a->affine ? BUFFERS : 0);
    const nb_real *mean = w[0].data, *variance = w[1].data;
    for (size_t i = c; i < c + v->width; i++)
        nb_moments_set(&v->m, i, mean[i], variance[i], v->a->eps);
}

static void values(const struct view *v, size_t c, const nb_real *x, nb_real *y)
{
    nb_real *a = v->k[0], *b = v->k[1];
    for (size_t i = c; i < c + v->width; i++) {
        a[i] = v->gamma ? v->m.scale[i] * v->gamma[i] : v->m.scale[i];
        b[i] = v->beta ? v->beta[i] : 0;
    }
    for (size_t j = 0; j < v->batch; j++) {
        size_t i = at(v, j, c);
        if (v->run == 1)
            row_value(v->width, x + i, v->m.high + c, v->m.low + c, a + c, b + c, y + i);
        else
            run_value(v->run, x + i, v->m.high[c], v->m.low[c], a[c], b[c], y + i);
    }
}

static int forward(const struct nb_call *call, struct nb_error *e)
{
    struct view v = view_of(call);
    if (v.batch_stats && v.count == 1) {
        e->port = 1;
        return nb_fail(e, NB_E_bad_value, "one value for each channel: it has no variance; more than one is wanted");
    }
    for (size_t c = 0; c < v.channels; c += v.width) {
        if (v.batch_stats)
            batch_moments(&v, c, call->in[0].data);
        else
            running_moments(&v, call, c);
        values(&v, c, call->in[0].data, call->out[0].data);
    }
    return 0;
}

/* The running statistics move towards those of the batch; its variance is the unbiased one. */
static void track(const struct nb_call *call)
{
    struct view v = view_of(call);
    const struct nb_tensor *w = call->w + (v.a->affine ? BUFFERS : 0);
    if (!v.a->track || v.count < 2)
        return;
    nb_real *mean = w[0].data, *variance = w[1].data, *batches = w[2].data;
    double new = v.a->momentum, old = 1 - new;
    for (size_t c = 0; c < v.channels; c++) {
        mean[c] = (nb_real)(old * mean[c] + new *v.s[c]);
        variance[c] = (nb_real)(old * variance[c] + new *(v.t[c] / (v.count - 1)));
    }
    *batches += 1;
}

/* ---- backward --------------------------------------------------------------------------------------------------- */

/* s = sum g, t = sum g (x - mean) */
static void dots(const struct view *v, size_t c, const nb_real *x, const nb_real *g)
{
    clear(v->s + c, v->width);
    clear(v->t + c, v->width);
    for (size_t b = 0; b < v->batch; b++) {
        size_t i = at(v, b, c);
        if (v->run == 1)
            row_dots(v->width, x + i, g + i, v->m.high + c, v->m.low + c, v->s + c, v->t + c);
        else
            run_dots(v->run, x + i, g + i, (nb_sum)v->m.high[c] + v->m.low[c], v->s + c, v->t + c);
    }
}

static void learned(const struct view *v, const struct nb_call *call, size_t c)
{
    nb_real *dgamma = v->a->affine ? call->gw[WEIGHT].data : NULL, *dbeta = v->a->affine ? call->gw[BIAS].data : NULL;
    for (size_t i = c; i < c + v->width; i++) {
        if (dgamma)
            dgamma[i] = (nb_real)(v->t[i] * v->m.scale[i]);
        if (dbeta)
            dbeta[i] = (nb_real)v->s[i];
    }
}

/* dx = gamma scale (g - mean(g) - (x - mean) scale^2 mean(g (x - mean))) */
static void slopes(const struct view *v, size_t c, const nb_real *x, const nb_real *g, nb_real *dx)
{
    nb_real *k = v->k[0], *p = v->k[1], *q = v->k[2];
    for (size_t i = c; i < c + v->width; i++) {
        nb_real scale = v->m.scale[i];
        k[i] = v->gamma ? scale * v->gamma[i] : scale;
        p[i] = (nb_real)(v->s[i] / v->count);
        q[i] = (nb_real)(v->t[i] / v->count * scale * scale);
    }
    const nb_real *high = v->m.high + c, *low = v->m.low + c;
    for (size_t b = 0; b < v->batch; b++) {
        size_t i = at(v, b, c);
        if (v->run == 1 && v->batch_stats)
            row_slope(v->width, x + i, g + i, high, low, k + c, p + c, q + c, dx + i);
        else if (v->run == 1)
            row_times(v->width, g + i, k + c, dx + i);
        else if (v->batch_stats)
            run_slope(v->run, x + i, g + i, *high, *low, k[c], k[c] * p[c], k[c] * q[c], dx + i);
        else
            run_times(v->run, g + i, k[c], dx + i);
    }
}

static int backward(const struct nb_call *call, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(call);
    const nb_real *x = call->in[0].data, *g = call->gout[0].data;
    for (size_t c = 0; c < v.channels; c += v.width) {
        dots(&v, c, x, g);
        learned(&v, call, c);
        if (call->gin[0].data)
            slopes(&v, c, x, g, call->gin[0].data);
    }
    return 0;
}

/* ---- shapes ----------------------------------------------------------------------------------------------------- */

static int fix_features(struct nb_infer *s, struct nb_error *e)
{
    struct args *a = s->args;
    char text[200];
    int64_t size = s->in[0].dim[1];
    nb_shape_text(&s->in[0], s->symbols, text, sizeof text);
    if (a->num_features == NB_NONE && !NB_IS_KNOWN(size))
        return nb_fail(e, NB_E_missing_argument, "num_features is needed: the shape %s does not give it", text);
    if (a->num_features == NB_NONE)
        a->num_features = size;
    if (nb_dim_same(a->num_features, size) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "num_features is %lld, the input has %lld (shape %s)", (long long)a->num_features,
            (long long)size, text);
    return nb_at(e, "num_features");
}

static void add_weight(struct nb_infer *s, const char *name, struct nb_shape shape, enum nb_init_kind init, bool buffer)
{
    s->w[s->nw++] = (struct nb_weight){.name = name, .shape = shape, .init.kind = init, .buffer = buffer};
}

static int infer(struct nb_infer *s, int least, int most, const char *wanted, struct nb_error *e)
{
    const struct args *a = s->args;
    char text[200];
    if (s->in[0].rank < least || s->in[0].rank > most)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is %s",
                       nb_shape_text(&s->in[0], s->symbols, text, sizeof text), wanted);
    if (fix_features(s, e))
        return -1;
    struct nb_shape channels = nb_shape_of(1, a->num_features);
    if (a->affine) {
        add_weight(s, "weight", channels, NB_INIT_ONES, false);
        add_weight(s, "bias", channels, NB_INIT_ZEROS, false);
    }
    if (a->track) {
        add_weight(s, "running_mean", channels, NB_INIT_ZEROS, true);
        add_weight(s, "running_var", channels, NB_INIT_ONES, true);
        add_weight(s, "num_batches_tracked", nb_shape_of(0), NB_INIT_ZEROS, true);
    }
    s->out[0] = s->in[0];
    if (NB_IS_KNOWN(s->in[0].dim[1])) {
        s->saved = 3 * (size_t)a->num_features;
        s->work = (3 + 2 * NB_SUM_REALS) * (size_t)a->num_features;
    }
    return 0;
}

static int infer1(struct nb_infer *s, struct nb_error *e)
{
    return infer(s, 2, 3, "[B, C] or [B, C, L]", e);
}

static int infer2(struct nb_infer *s, struct nb_error *e)
{
    return infer(s, 4, 4, "[B, C, H, W]", e);
}

static int infer3(struct nb_infer *s, struct nb_error *e)
{
    return infer(s, 5, 5, "[B, C, D, H, W]", e);
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"num_features", NB_ARG_INT, offsetof(struct args, num_features), 0, 1, INFINITY, NB_INFERRED | NB_MAX_OPEN, NULL,
     "channels: dimension 1 of the input"},
    {"eps", NB_ARG_REAL, offsetof(struct args, eps), 1e-5, 0, INFINITY, NB_MAX_OPEN, NULL, "added to the variance"},
    {"momentum", NB_ARG_REAL, offsetof(struct args, momentum), 0.1, 0, 1, 0, NULL,
     "share of the new batch in the running statistics"},
    {"affine", NB_ARG_BOOL, offsetof(struct args, affine), 1, 0, 0, 0, NULL, "learn a scale and a shift per channel"},
    {"track_running_stats", NB_ARG_BOOL, offsetof(struct args, track), 1, 0, 0, 0, NULL,
     "keep running statistics for eval; without them eval takes those of the batch"},
    {0},
};

#define ROW                                                                                                            \
    .onnx = "BatchNormalization",                                                                                      \
    .formula = "y = \\gamma \\hat x + \\beta,\\quad "                                                                  \
               "\\hat x = \\frac{x - \\mu}{\\sqrt{v + \\varepsilon}}",                                                 \
    .derivative = "dx = \\frac{\\gamma}{\\sqrt{v + \\varepsilon}} \\bigl(g - \\operatorname{mean}(g) - "               \
                  "\\hat x \\operatorname{mean}(g \\hat x)\\bigr),\\quad d\\gamma = \\sum g \\hat x,\\quad "           \
                  "d\\beta = \\sum g;\\quad \\text{eval: } dx = \\frac{\\gamma}{\\sqrt{v + \\varepsilon}}\\,g",        \
    .source = "Ioffe, Szegedy 2015",                                                                                   \
    .note =                                                                                                            \
        "In train mode mean and (biased) variance are those of the batch, in eval mode the running ones, which only "  \
        "training steps change, with the unbiased variance. The sum of dx over a channel is 0, and with g of all "     \
        "ones dx is 0: check with other cotangents. ONNX's momentum 0.9 is 0.1 here.",                                 \
    .args = args, .args_size = sizeof(struct args), .inputs = inputs, .forward = forward, .backward = backward,        \
    .track = track, .jacobian = "C"

static const struct nb_case cases1[] = {
    {NULL, "5x7", true},
    {"\"eps\": 0.01", "7x3x5", true},
    {"\"affine\": false, \"track_running_stats\": false", "33x17", true},
    {"\"eps\": 0.1", "5x7", false},
    {NULL, "7x3x5", false},
    {"\"track_running_stats\": false", "7x3", false},
    {"\"track_running_stats\": false", "5x3x17", false},
    {0},
};
static const struct nb_case cases2[] = {
    {"\"eps\": 0.02", "5x3x2x7", true},
    {"\"affine\": false", "5x7x3x1", true},
    {"\"eps\": 0.3", "5x3x2x7", false},
    {0},
};
static const struct nb_case cases3[] = {
    {"\"eps\": 0.02", "5x3x2x1x7", true},
    {"\"eps\": 0.2", "3x5x2x1x3", false},
    {"\"affine\": false, \"eps\": 0.3", "3x5x2x2x3", false},
    {0},
};

static const struct nb_known batchnorm1d_mistakes[] = {
    {.code = "batchnorm_constants",
     .formula = "g*weight/(var(x, 0, keepdim=1) + eps)^0.5",
     .hint = "Mean and variance depend on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_mean_only",
     .formula = "(g - mean(g, 0, keepdim=1))*weight/(var(x, 0, keepdim=1) + eps)^0.5",
     .hint = "The variance depends on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_batch_statistics",
     .formula = "g*weight/(var(x, 0, keepdim=1) + eps)^0.5 + 0*sum(running_var)",
     .hint = "In eval mode the running statistics count.",
     .mode = NB_EVALUATING},
    {.code = "batchnorm_deviation_missing",
     .formula = "d*(var(x, 0, keepdim=1) + eps)^0.5",
     .hint = "The division by the standard deviation is missing.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_variance_for_deviation",
     .formula = "d/(var(x, 0, keepdim=1) + eps)^0.5",
     .hint = "Divide by the standard deviation, not by the variance.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_scale_by_input",
     .of = "weight",
     .formula = "sum(g*x, 0)",
     .hint = "The scale meets the normalised input, not the input."},
    {.code = "batchnorm_constants",
     .formula = "g*reshape(weight, [num_features, 1])/(var(x, [0, 2], keepdim=1) + eps)^0.5",
     .hint = "Mean and variance depend on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_constants",
     .formula = "g/(var(x, [0, 2], keepdim=1) + eps)^0.5",
     .hint = "Mean and variance depend on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_batch_statistics",
     .formula = "g/(var(x, [0, 2], keepdim=1) + eps)^0.5 + 0*sum(running_var)",
     .hint = "In eval mode the running statistics count.",
     .mode = NB_EVALUATING},
    {.code = "batchnorm_mean_only",
     .formula =
         "(g - mean(g, [0, 2], keepdim=1))*reshape(weight, [num_features, 1])/(var(x, [0, 2], keepdim=1) + eps)^0.5",
     .hint = "The variance depends on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_batch_statistics",
     .formula = "g*reshape(weight, [num_features, 1])/(var(x, [0, 2], keepdim=1) + eps)^0.5 + 0*sum(running_var)",
     .hint = "In eval mode the running statistics count.",
     .mode = NB_EVALUATING},
    {.code = "batchnorm_deviation_missing",
     .formula = "d*(var(x, [0, 2], keepdim=1) + eps)^0.5",
     .hint = "The division by the standard deviation is missing.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_variance_for_deviation",
     .formula = "d/(var(x, [0, 2], keepdim=1) + eps)^0.5",
     .hint = "Divide by the standard deviation, not by the variance.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_scale_by_input",
     .of = "weight",
     .formula = "sum(g*x, [0, 2])",
     .hint = "The scale meets the normalised input, not the input."},
    {0},
};

static const struct nb_known batchnorm2d_mistakes[] = {
    {.code = "batchnorm_constants",
     .formula = "g*reshape(weight, [num_features, 1, 1])/(var(x, [0, 2, 3], keepdim=1) + eps)^0.5",
     .hint = "Mean and variance depend on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_constants",
     .formula = "g/(var(x, [0, 2, 3], keepdim=1) + eps)^0.5",
     .hint = "Mean and variance depend on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_batch_statistics",
     .formula = "g/(var(x, [0, 2, 3], keepdim=1) + eps)^0.5 + 0*sum(running_var)",
     .hint = "In eval mode the running statistics count.",
     .mode = NB_EVALUATING},
    {.code = "batchnorm_mean_only",
     .formula = "(g - mean(g, [0, 2, 3], keepdim=1))*reshape(weight, [num_features, 1, 1])/(var(x, [0, 2, 3], "
                "keepdim=1) + eps)^0.5",
     .hint = "The variance depends on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_batch_statistics",
     .formula = "g*reshape(weight, [num_features, 1, 1])/(var(x, [0, 2, 3], keepdim=1) + eps)^0.5 + 0*sum(running_var)",
     .hint = "In eval mode the running statistics count.",
     .mode = NB_EVALUATING},
    {.code = "batchnorm_deviation_missing",
     .formula = "d*(var(x, [0, 2, 3], keepdim=1) + eps)^0.5",
     .hint = "The division by the standard deviation is missing.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_variance_for_deviation",
     .formula = "d/(var(x, [0, 2, 3], keepdim=1) + eps)^0.5",
     .hint = "Divide by the standard deviation, not by the variance.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_scale_by_input",
     .of = "weight",
     .formula = "sum(g*x, [0, 2, 3])",
     .hint = "The scale meets the normalised input, not the input."},
    {0},
};

static const struct nb_known batchnorm3d_mistakes[] = {
    {.code = "batchnorm_constants",
     .formula = "g*reshape(weight, [num_features, 1, 1, 1])/(var(x, [0, 2, 3, 4], keepdim=1) + eps)^0.5",
     .hint = "Mean and variance depend on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_constants",
     .formula = "g/(var(x, [0, 2, 3, 4], keepdim=1) + eps)^0.5",
     .hint = "Mean and variance depend on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_batch_statistics",
     .formula = "g/(var(x, [0, 2, 3, 4], keepdim=1) + eps)^0.5 + 0*sum(running_var)",
     .hint = "In eval mode the running statistics count.",
     .mode = NB_EVALUATING},
    {.code = "batchnorm_mean_only",
     .formula = "(g - mean(g, [0, 2, 3, 4], keepdim=1))*reshape(weight, [num_features, 1, 1, 1])/(var(x, [0, 2, 3, 4], "
                "keepdim=1) + eps)^0.5",
     .hint = "The variance depends on x too.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_batch_statistics",
     .formula =
         "g*reshape(weight, [num_features, 1, 1, 1])/(var(x, [0, 2, 3, 4], keepdim=1) + eps)^0.5 + 0*sum(running_var)",
     .hint = "In eval mode the running statistics count.",
     .mode = NB_EVALUATING},
    {.code = "batchnorm_deviation_missing",
     .formula = "d*(var(x, [0, 2, 3, 4], keepdim=1) + eps)^0.5",
     .hint = "The division by the standard deviation is missing.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_variance_for_deviation",
     .formula = "d/(var(x, [0, 2, 3, 4], keepdim=1) + eps)^0.5",
     .hint = "Divide by the standard deviation, not by the variance.",
     .mode = NB_TRAINING},
    {.code = "batchnorm_scale_by_input",
     .of = "weight",
     .formula = "sum(g*x, [0, 2, 3, 4])",
     .hint = "The scale meets the normalised input, not the input."},
    {0},
};

const struct nb_module NB(nb_module_batchnorm)[] = {
    {.type = "BatchNorm1d",
     .mistakes = batchnorm1d_mistakes,
     .summary = "Gives every channel of [B, C] or [B, C, L] mean 0 and variance 1, then a learned scale and shift.",
     .infer = infer1,
     .cases = cases1,
     ROW},
    {.type = "BatchNorm2d",
     .mistakes = batchnorm2d_mistakes,
     .summary = "Gives every channel of [B, C, H, W] mean 0 and variance 1, then a learned scale and shift.",
     .infer = infer2,
     .cases = cases2,
     ROW},
    {.type = "BatchNorm3d",
     .mistakes = batchnorm3d_mistakes,
     .summary = "Gives every channel of [B, C, D, H, W] mean 0 and variance 1, then a learned scale and shift.",
     .infer = infer3,
     .cases = cases3,
     ROW},
    {0},
};
