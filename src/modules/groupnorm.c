/* GroupNorm, InstanceNorm1d/2d/3d: groups of channels, or single ones, get mean 0 and variance 1 in every sample.
 *
 * The input is [batch][channels][run]; the entries of a group lie next to each other, each channel has its scale. */
#include "modules/norm.h"
#include "modules/runs.h"
#include <string.h>

struct args {
    int64_t num_groups; /* NB_NONE: every channel is one */
    int64_t num_channels;
    double eps, momentum;
    int64_t affine, track;
    int64_t axis; /* the dimension of the channels; set by infer */
};

enum { WEIGHT, BIAS, BUFFERS }; /* without affine the buffers come first */

struct view {
    const struct args *a;
    size_t batch, channels, run;
    size_t groups, width;        /* groups of a sample, channels of a group */
    size_t n;                    /* entries of a group */
    bool own;                    /* statistics of the group, not the running ones */
    struct nb_moments m;         /* of every group of every sample */
    const nb_real *gamma, *beta; /* NULL: 1 and 0 */
};

static struct view view_of(const struct nb_call *c)
{
    const struct nb_shape *s = &c->in[0].shape;
    const struct args *a = c->args;
    struct view v = {.a = a, .batch = a->axis ? (size_t)s->dim[0] : 1, .channels = (size_t)a->num_channels, .run = 1};
    for (int i = (int)a->axis + 1; i < s->rank; i++)
        v.run *= (size_t)s->dim[i];
    v.groups = a->num_groups > 0 ? (size_t)a->num_groups : v.channels;
    v.width = v.groups ? v.channels / v.groups : 0;
    v.n = v.width * v.run;
    v.own = c->train || !a->track;
    v.m = nb_moments_of(c->saved, v.batch * v.groups);
    v.gamma = a->affine ? c->w[WEIGHT].data : NULL;
    v.beta = a->affine ? c->w[BIAS].data : NULL;
    return v;
}

static const nb_real *buffer(const struct nb_call *c, const struct view *v, int i)
{
    return c->w[(v->a->affine ? BUFFERS : 0) + i].data;
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

static void moments(const struct nb_call *c, const struct view *v, size_t i)
{
    const nb_real *x = (const nb_real *)c->in[0].data + i * v->n;
    if (!v->own) {
        size_t channel = i % v->groups;
        nb_moments_set(&v->m, i, buffer(c, v, 0)[channel], buffer(c, v, 1)[channel], v->a->eps);
        return;
    }
    nb_sum mean = NB(nb_total)(v->n, x) / (double)v->n;
    nb_moments_set(&v->m, i, mean, nb_squares(v->n, x, mean) / (double)v->n, v->a->eps);
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    struct view v = view_of(c);
    const nb_real *x = c->in[0].data;
    nb_real *y = c->out[0].data;
    if (v.own && v.n == 1) {
        e->port = 1;
        return nb_fail(e, NB_E_bad_value, "one value in each group: it has no variance; more than one is wanted");
    }
    for (size_t i = 0; i < v.batch * v.groups && v.n; i++) {
        moments(c, &v, i);
        for (size_t k = 0, channel = i % v.groups * v.width; k < v.width; k++, channel++, x += v.run, y += v.run) {
            nb_real a = v.gamma ? v.m.scale[i] * v.gamma[channel] : v.m.scale[i];
            run_value(v.run, x, v.m.high[i], v.m.low[i], a, v.beta ? v.beta[channel] : 0, y);
        }
    }
    return 0;
}

/* The running statistics of a channel move towards the mean of those of its samples; its variance is the unbiased one.
 * num_batches_tracked stays, as in PyTorch. */
static void track(const struct nb_call *c)
{
    struct view v = view_of(c);
    if (!v.a->track || v.n < 2 || !v.batch)
        return;
    nb_real *mean = c->w[(v.a->affine ? BUFFERS : 0)].data, *variance = c->w[(v.a->affine ? BUFFERS : 0) + 1].data;
    double fresh = v.a->momentum, old = 1 - fresh;
    for (size_t k = 0; k < v.channels; k++) {
        nb_sum means = 0, variances = 0;
        for (size_t b = 0; b < v.batch; b++) {
            size_t at = (b * v.channels + k) * v.run;
            nb_sum own = NB(nb_total)(v.run, (const nb_real *)c->in[0].data + at) / (double)v.n;
            means += own;
            variances += nb_squares(v.run, (const nb_real *)c->in[0].data + at, own) / (double)(v.n - 1);
        }
        mean[k] = (nb_real)(old * mean[k] + fresh * means / (double)v.batch);
        variance[k] = (nb_real)(old * variance[k] + fresh * variances / (double)v.batch);
    }
}

/* ---- backward --------------------------------------------------------------------------------------------------- */

/* Sums over a group: of h and h (x - mean), h = g gamma; and those of each channel, for the scale and the shift. */
static void sums(const struct view *v, size_t i, const nb_real *x, const nb_real *g, nb_sum *dgamma, nb_sum *dbeta,
                 nb_sum *h, nb_sum *hx)
{
    nb_sum mean = (nb_sum)v->m.high[i] + v->m.low[i];
    *h = *hx = 0;
    for (size_t k = 0, c = i % v->groups * v->width; k < v->width; k++, c++) {
        nb_sum s = 0, t = 0;
        run_dots(v->run, x + k * v->run, g + k * v->run, mean, &s, &t);
        *h += v->gamma ? s * v->gamma[c] : s;
        *hx += v->gamma ? t * v->gamma[c] : t;
        dbeta[c] += s;
        dgamma[c] += t * v->m.scale[i];
    }
}

static void slopes(const struct view *v, size_t i, const nb_real *x, const nb_real *g, nb_sum h, nb_sum hx, nb_real *dx)
{
    nb_sum scale = v->m.scale[i];
    nb_real p = (nb_real)(scale * h / (double)v->n), q = (nb_real)(scale * scale * scale * hx / (double)v->n);
    for (size_t k = 0, c = i % v->groups * v->width; k < v->width; k++, c++, x += v->run, g += v->run, dx += v->run) {
        nb_real a = v->gamma ? v->m.scale[i] * v->gamma[c] : v->m.scale[i];
        if (v->own)
            run_slope(v->run, x, g, v->m.high[i], v->m.low[i], a, p, q, dx);
        else
            run_times(v->run, g, a, dx);
    }
}

static void keep(size_t n, const nb_sum *s, const struct nb_tensor *t)
{
    nb_real *to = t->data;
    for (size_t i = 0; to && i < n; i++)
        to[i] = (nb_real)s[i];
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct view v = view_of(c);
    nb_sum *dgamma = c->work, *dbeta = dgamma + v.channels, h, hx;
    nb_real *dx = c->gin[0].data;
    memset(dgamma, 0, 2 * v.channels * sizeof *dgamma);
    for (size_t i = 0; i < v.batch * v.groups; i++) {
        const nb_real *x = (const nb_real *)c->in[0].data + i * v.n, *g = (const nb_real *)c->gout[0].data + i * v.n;
        sums(&v, i, x, g, dgamma, dbeta, &h, &hx);
        if (dx)
            slopes(&v, i, x, g, h, hx, dx + i * v.n);
    }
    if (v.a->affine) {
        keep(v.channels, dgamma, &c->gw[WEIGHT]);
        keep(v.channels, dbeta, &c->gw[BIAS]);
    }
    return 0;
}

/* ---- shapes ----------------------------------------------------------------------------------------------------- */

static int fix_channels(struct nb_infer *s, const char *name, struct nb_error *e)
{
    struct args *a = s->args;
    char text[200];
    int64_t size = s->in[0].dim[a->axis];
    nb_shape_text(&s->in[0], s->symbols, text, sizeof text);
    if (a->num_channels == NB_NONE && !NB_IS_KNOWN(size))
        return nb_fail(e, NB_E_missing_argument, "%s is needed: the shape %s does not give it", name, text);
    if (a->num_channels == NB_NONE)
        a->num_channels = size;
    if (nb_dim_same(a->num_channels, size) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "%s is %lld, the input has %lld (shape %s)", name, (long long)a->num_channels,
            (long long)size, text);
    return nb_at(e, name);
}

static void add_weight(struct nb_infer *s, const char *name, struct nb_shape shape, enum nb_init_kind init,
                       bool learned)
{
    s->w[s->nw++] = (struct nb_weight){.name = name, .shape = shape, .init.kind = init, .buffer = !learned};
}

static void add_weights(struct nb_infer *s, size_t groups)
{
    const struct args *a = s->args;
    struct nb_shape channels = nb_shape_of(1, a->num_channels);
    if (a->affine) {
        add_weight(s, "weight", channels, NB_INIT_ONES, true);
        add_weight(s, "bias", channels, NB_INIT_ZEROS, true);
    }
    if (a->track) {
        add_weight(s, "running_mean", channels, NB_INIT_ZEROS, false);
        add_weight(s, "running_var", channels, NB_INIT_ONES, false);
        add_weight(s, "num_batches_tracked", nb_shape_of(0), NB_INIT_ZEROS, false);
    }
    s->out[0] = s->in[0];
    if (nb_count(&s->in[0]) >= 0)
        s->saved = 3 * groups * (a->axis ? (size_t)s->in[0].dim[0] : 1);
    s->work = 2 * NB_SUM_REALS * (size_t)a->num_channels;
}

static int group_infer(struct nb_infer *s, struct nb_error *e)
{
    struct args *a = s->args;
    char text[200];
    a->axis = 1;
    if (s->in[0].rank < 2)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is [B, C, ...]",
                       nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
    if (fix_channels(s, "num_channels", e))
        return -1;
    if (a->num_channels % a->num_groups) {
        nb_fail(e, NB_E_bad_argument, "num_groups is %lld, which does not divide %lld channels",
                (long long)a->num_groups, (long long)a->num_channels);
        return nb_at(e, "num_groups");
    }
    add_weights(s, (size_t)a->num_groups);
    return 0;
}

static int instance_infer(struct nb_infer *s, int space, const char *wanted, struct nb_error *e)
{
    struct args *a = s->args;
    char text[200];
    a->axis = s->in[0].rank - 1 - space;
    if (a->axis < 0 || a->axis > 1)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is %s",
                       nb_shape_text(&s->in[0], s->symbols, text, sizeof text), wanted);
    if (fix_channels(s, "num_features", e))
        return -1;
    add_weights(s, (size_t)a->num_channels);
    return 0;
}

static int infer1(struct nb_infer *s, struct nb_error *e)
{
    return instance_infer(s, 1, "[B, C, L] or [C, L]", e);
}

static int infer2(struct nb_infer *s, struct nb_error *e)
{
    return instance_infer(s, 2, "[B, C, H, W] or [C, H, W]", e);
}

static int infer3(struct nb_infer *s, struct nb_error *e)
{
    return instance_infer(s, 3, "[B, C, D, H, W] or [C, D, H, W]", e);
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {0}};

#define EPS                                                                                                            \
    {                                                                                                                  \
        "eps", NB_ARG_REAL, offsetof(struct args, eps), 1e-5, 0, INFINITY, NB_MAX_OPEN, NULL, "added to the variance"  \
    }

static const struct nb_arg group_args[] = {
    {"num_groups", NB_ARG_INT, offsetof(struct args, num_groups), 0, 1, INT32_MAX, NB_REQUIRED, NULL,
     "into how many groups the channels are divided"},
    {"num_channels", NB_ARG_INT, offsetof(struct args, num_channels), 0, 1, INT32_MAX, NB_INFERRED, NULL,
     "channels: dimension 1 of the input"},
    EPS,
    {"affine", NB_ARG_BOOL, offsetof(struct args, affine), 1, 0, 0, 0, NULL, "learn a scale and a shift per channel"},
    {0},
};

static const struct nb_arg instance_args[] = {
    {"num_features", NB_ARG_INT, offsetof(struct args, num_channels), 0, 1, INT32_MAX, NB_INFERRED, NULL,
     "channels of the input"},
    EPS,
    {"momentum", NB_ARG_REAL, offsetof(struct args, momentum), 0.1, 0, 1, 0, NULL,
     "share of the new batch in the running statistics"},
    {"affine", NB_ARG_BOOL, offsetof(struct args, affine), 0, 0, 0, 0, NULL, "learn a scale and a shift per channel"},
    {"track_running_stats", NB_ARG_BOOL, offsetof(struct args, track), 0, 0, 0, 0, NULL,
     "keep running statistics, which eval then takes"},
    {0},
};

static const struct nb_case group_cases[] = {
    {"\"num_groups\": 2", "5x6", false},
    {"\"num_groups\": 3, \"eps\": 0.02", "5x9x7", true},
    {"\"num_groups\": 1, \"eps\": 0.1", "3x5x2x3", false},
    {"\"num_groups\": 5, \"affine\": false", "2x5x3x1x3", false},
    {"\"num_groups\": 2, \"num_channels\": 6", "3x6x17", false},
    {0},
};
static const struct nb_case cases1[] = {
    {NULL, "5x3x7", false},
    {"\"affine\": true, \"eps\": 0.02", "5x3x17", true},
    {"\"affine\": true, \"track_running_stats\": true, \"eps\": 0.1", "5x3x7", false},
    {"\"affine\": true, \"track_running_stats\": true, \"eps\": 0.1", "3x5x7", true},
    {"\"affine\": true", "3x7", false},
    {0},
};
static const struct nb_case cases2[] = {
    {"\"affine\": true, \"eps\": 0.02", "5x3x2x7", false},
    {NULL, "3x5x7", true},
    {"\"track_running_stats\": true, \"eps\": 0.3", "5x3x2x7", false},
    {0},
};
static const struct nb_case cases3[] = {
    {"\"affine\": true, \"eps\": 0.02", "3x5x2x1x3", false},
    {NULL, "5x2x3x3", true},
    {0},
};

static const struct nb_known group_mistakes[] = {
    {.code = "groupnorm_constants",
     .formula = "reshape(reshape(g*reshape(weight, [num_channels, 1]), [N, num_groups, -1])/"
                "(var(reshape(x, [N, num_groups, -1]), -1, keepdim=1) + eps)^0.5, [N, num_channels, -1])",
     .hint = "Mean and variance depend on x too."},
    {.code = "groupnorm_channels_alone",
     .formula = "where(d == d, (g - mean(g, -1, keepdim=1))*reshape(weight, [num_channels, 1])/"
                "(var(x, -1, keepdim=1) + eps)^0.5, 0)",
     .hint = "Mean and variance are those of the group, and depend on x too."},
    {.code = "groupnorm_scale_by_input",
     .of = "weight",
     .formula = "sum(sum(g*x, 0), -1)",
     .hint = "The scale meets the normalised input, not the input."},
    {0},
};

#define OWN "(var(x, -1, keepdim=1) + eps)^0.5"
static const struct nb_known instance1_mistakes[] = {
    {.code = "instancenorm_constants",
     .formula = "d*0 + g*reshape(weight, [num_features, 1])/" OWN,
     .hint = "Mean and variance depend on x too."},
    {.code = "instancenorm_constants", .formula = "g/" OWN, .hint = "Mean and variance depend on x too."},
    {.code = "instancenorm_mean_only",
     .formula = "(g - mean(g, -1, keepdim=1))*reshape(weight, [num_features, 1])/" OWN,
     .hint = "The variance depends on x too."},
    {.code = "instancenorm_mean_only",
     .formula = "(g - mean(g, -1, keepdim=1))/" OWN,
     .hint = "The variance depends on x too."},
    {.code = "instancenorm_deviation_missing",
     .formula = "d*" OWN,
     .hint = "The division by the standard deviation is missing.",
     .mode = NB_TRAINING},
    {.code = "instancenorm_scale_by_input",
     .of = "weight",
     .formula = "sum(g*x, [0, 2])",
     .hint = "The scale meets the normalised input, not the input."},
    {0},
};
#undef OWN

/* Over the last dimensions of space, where nothing is learned. */
#define PLAIN(dims)                                                                                                    \
    {.code = "instancenorm_constants",                                                                                 \
     .formula = "g/(var(x, " dims ", keepdim=1) + eps)^0.5",                                                           \
     .hint = "Mean and variance depend on x too."},                                                                    \
        {.code = "instancenorm_mean_only",                                                                             \
         .formula = "(g - mean(g, " dims ", keepdim=1))/(var(x, " dims ", keepdim=1) + eps)^0.5",                      \
         .hint = "The variance depends on x too."},                                                                    \
        {.code = "instancenorm_deviation_missing",                                                                     \
         .formula = "d*(var(x, " dims ", keepdim=1) + eps)^0.5",                                                       \
         .hint = "The division by the standard deviation is missing.",                                                 \
         .mode = NB_TRAINING},                                                                                         \
    {                                                                                                                  \
        0                                                                                                              \
    }
static const struct nb_known instance2_mistakes[] = {PLAIN("[-2, -1]")};
static const struct nb_known instance3_mistakes[] = {PLAIN("[-3, -2, -1]")};
#undef PLAIN

#define ROW                                                                                                            \
    .onnx = "InstanceNormalization",                                                                                   \
    .formula = "y = \\gamma \\hat x + \\beta,\\quad "                                                                  \
               "\\hat x = \\frac{x - \\mu}{q},\\quad q = \\sqrt{v + \\varepsilon}",                                    \
    .derivative = "h = g \\gamma;\\quad dx = \\frac1q \\bigl(h - \\operatorname{mean}(h) - "                           \
                  "\\hat x \\operatorname{mean}(h \\hat x)\\bigr),\\quad d\\gamma = \\sum g \\hat x,\\quad "           \
                  "d\\beta = \\sum g;\\quad \\text{with running statistics: } dx = \\frac hq",                         \
    .source = "Ulyanov, Vedaldi, Lempitsky 2016",                                                                      \
    .note = "Without affine there is nothing learned; that is the default here, as in PyTorch. Only with "             \
            "track_running_stats eval takes running statistics; they are the means over the batch.",                   \
    .args = instance_args, .args_size = sizeof(struct args), .inputs = inputs, .forward = forward, .track = track,     \
    .backward = backward, .jacobian = "R"

const struct nb_module NB(nb_module_groupnorm)[] = {
    {
        .type = "GroupNorm",
        .mistakes = group_mistakes,
        .onnx = "GroupNormalization",
        .summary =
            "Gives every group of channels of every sample mean 0 and variance 1, then a learned scale and shift.",
        .formula = "y = \\gamma_c \\hat x + \\beta_c,\\quad \\hat x = \\frac{x - \\mu}{q},\\quad "
                   "q = \\sqrt{v + \\varepsilon}",
        .derivative = "h = g \\gamma_c;\\quad dx = \\frac1q \\bigl(h - \\operatorname{mean}(h) - "
                      "\\hat x \\operatorname{mean}(h \\hat x)\\bigr),\\quad d\\gamma_c = \\sum g \\hat x,\\quad "
                      "d\\beta_c = \\sum g",
        .source = "Wu, He 2018",
        .note = "One group: LayerNorm over channels and space, with a scale for each channel. As many as channels: "
                "InstanceNorm.",
        .args = group_args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = group_infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "R",
        .cases = group_cases,
    },
    {.type = "InstanceNorm1d",
     .mistakes = instance1_mistakes,
     .summary = "Gives every channel of every sample of [B, C, L] mean 0 and variance 1.",
     .infer = infer1,
     .cases = cases1,
     ROW},
    {.type = "InstanceNorm2d",
     .mistakes = instance2_mistakes,
     .summary = "Gives every channel of every sample of [B, C, H, W] mean 0 and variance 1.",
     .infer = infer2,
     .cases = cases2,
     ROW},
    {.type = "InstanceNorm3d",
     .mistakes = instance3_mistakes,
     .summary = "Gives every channel of every sample of [B, C, D, H, W] mean 0 and variance 1.",
     .infer = infer3,
     .cases = cases3,
     ROW},
    {0},
};
