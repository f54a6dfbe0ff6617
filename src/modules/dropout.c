/* Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout: in train mode entries, or whole channels, are dropped with
 * probability p, and what is left makes up for them. */
#include "modules/rows.h"
#include <string.h>

struct args {
    double p;
};

/* y = x m / (1 - p) */
NB_SIMD static void keep(size_t n, const nb_real *x, const nb_real *m, nb_part by, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * m[i] * by;
}

static size_t entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

static nb_part growth(const struct nb_call *c)
{
    return (nb_part)(1 / (1 - ((const struct args *)c->args)->p));
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    char x[200], m[200];
    if (s->in[1].rank >= 0 && nb_shape_same(&s->in[0], &s->in[1]) == 0)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, mask is %s: they must have the same shape",
                       nb_shape_text(&s->in[0], s->symbols, x, sizeof x),
                       nb_shape_text(&s->in[1], s->symbols, m, sizeof m));
    s->out[0] = s->in[0];
    s->noise = s->in[0];
    s->noise_p = 1 - ((const struct args *)s->args)->p;
    s->noise_off = !s->train;
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->train)
        keep(entries(&c->in[0]), c->in[0].data, c->in[1].data, growth(c), c->out[0].data);
    else
        memcpy(c->out[0].data, c->in[0].data, entries(&c->in[0]) * sizeof(nb_real));
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    size_t n = entries(&c->in[0]);
    const nb_real *g = c->gout[0].data;
    if (c->gin[0].data && c->train)
        keep(n, g, c->in[1].data, growth(c), c->gin[0].data);
    else if (c->gin[0].data)
        memcpy(c->gin[0].data, g, n * sizeof *g);
    if (c->gin[1].data && c->train)
        keep(n, g, c->in[0].data, growth(c), c->gin[1].data);
    else if (c->gin[1].data)
        memset(c->gin[1].data, 0, n * sizeof *g);
    return 0;
}

/* ---- whole channels: the mask is [B, C] ---------------------------------------------------------------------------
 */

static int infer_channels(struct nb_infer *s, int rank, const char *wanted, struct nb_error *e)
{
    char x[200], m[200];
    nb_shape_text(&s->in[0], s->symbols, x, sizeof x);
    if (s->in[0].rank != rank)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, wanted is %s", x, wanted);
    s->noise = nb_shape_of(2, s->in[0].dim[0], s->in[0].dim[1]);
    if (s->in[1].rank >= 0 && nb_shape_same(&s->noise, &s->in[1]) == 0)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, mask is %s: wanted is one entry for each channel, [B, C]",
                       x, nb_shape_text(&s->in[1], s->symbols, m, sizeof m));
    s->out[0] = s->in[0];
    s->noise_p = 1 - ((const struct args *)s->args)->p;
    s->noise_off = !s->train;
    return 0;
}

static int infer1(struct nb_infer *s, struct nb_error *e)
{
    return infer_channels(s, 3, "[B, C, L]", e);
}

static int infer2(struct nb_infer *s, struct nb_error *e)
{
    return infer_channels(s, 4, "[B, C, H, W]", e);
}

static int infer3(struct nb_infer *s, struct nb_error *e)
{
    return infer_channels(s, 5, "[B, C, D, H, W]", e);
}

NB_SIMD static void times(size_t n, const nb_real *x, nb_real by, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * by;
}

/* y = x times the mask of its channel, over 1 - p; eval: y = x. */
static void keep_channels(const struct nb_call *c, const nb_real *x, nb_real *y)
{
    size_t channels = (size_t)(c->in[0].shape.dim[0] * c->in[0].shape.dim[1]);
    size_t run = channels ? entries(&c->in[0]) / channels : 0;
    const nb_real *m = c->in[1].data;
    if (!c->train)
        memcpy(y, x, entries(&c->in[0]) * sizeof *y);
    for (size_t k = 0; k < channels && c->train; k++)
        times(run, x + k * run, m[k] * growth(c), y + k * run);
}

static int channels_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    keep_channels(c, c->in[0].data, c->out[0].data);
    return 0;
}

static int channels_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const nb_real *x = c->in[0].data, *g = c->gout[0].data;
    nb_real *dm = c->gin[1].data;
    size_t channels = dm ? entries(&c->in[1]) : 0, run = channels ? entries(&c->in[0]) / channels : 0;
    if (c->gin[0].data)
        keep_channels(c, g, c->gin[0].data);
    for (size_t k = 0; k < channels; k++)
        dm[k] = c->train ? (nb_real)(NB(nb_row_dot)(run, x + k * run, g + k * run) * growth(c)) : 0;
    return 0;
}

/* ---- AlphaDropout: what is dropped takes the value SELU has at -infinity ---------------------------------------- */

#define LEAST 1.7580993408473766

/* y = a (x m - LEAST (1 - m)) + b */
struct affine {
    nb_part a, b;
};

static struct affine affine_of(const struct nb_call *c)
{
    double p = ((const struct args *)c->args)->p, a = 1 / sqrt((1 - p) * (1 + p * LEAST * LEAST));
    return (struct affine){(nb_part)a, (nb_part)(a * p * LEAST)};
}

NB_SIMD static void alpha_value(size_t n, const nb_real *x, const nb_real *m, struct affine f, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = f.a * (x[i] * m[i] - (nb_part)LEAST * (1 - m[i])) + f.b;
}

NB_SIMD static void alpha_mask_slope(size_t n, const nb_real *x, const nb_real *g, nb_part a, nb_real *dm)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dm[i] = g[i] * a * (x[i] + (nb_part)LEAST);
}

static int alpha_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->train)
        alpha_value(entries(&c->in[0]), c->in[0].data, c->in[1].data, affine_of(c), c->out[0].data);
    else
        memcpy(c->out[0].data, c->in[0].data, entries(&c->in[0]) * sizeof(nb_real));
    return 0;
}

static int alpha_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    size_t n = entries(&c->in[0]);
    const nb_real *g = c->gout[0].data;
    if (c->gin[0].data && c->train)
        keep(n, g, c->in[1].data, affine_of(c).a, c->gin[0].data);
    else if (c->gin[0].data)
        memcpy(c->gin[0].data, g, n * sizeof *g);
    if (c->gin[1].data && c->train)
        alpha_mask_slope(n, c->in[0].data, g, affine_of(c).a, c->gin[1].data);
    else if (c->gin[1].data)
        memset(c->gin[1].data, 0, n * sizeof *g);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const struct nb_port inputs[] = {
    {"input", NB_REAL_PORT, 0}, {"mask", NB_REAL_PORT, NB_OPTIONAL | NB_NOISE}, {0}};

static const struct nb_arg args[] = {
    {"p", NB_ARG_REAL, offsetof(struct args, p), 0.5, 0, 1, NB_MAX_OPEN, NULL, "probability that an entry is dropped"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"p\": 0.3", "5x7 5x7b", true},
    {"\"p\": 0.8", "7x3x5 7x3x5u", true},
    {"\"p\": 0.3", "5x7 -", false},
    {0},
};

static const struct nb_known dropout_mistakes[] = {
    {.code = "dropout_mask_missing",
     .formula = "g/(1 - p) + 0*mask",
     .hint = "Use the mask of the forward.",
     .mode = NB_TRAINING,
     .same = "dropout_other_mask"},
    {.code = "dropout_mask_inverted",
     .formula = "g*(1 - mask)/(1 - p)",
     .hint = "The mask says what is kept: use it as it is.",
     .mode = NB_TRAINING},
    {.code = "dropout_of_value",
     .formula = "x*mask/(1 - p)",
     .hint = "Multiply the gradient that comes in by the mask, not the input.",
     .mode = NB_TRAINING},
    {.code = "dropout_other_mask",
     .formula = "g/(1 - p) + 0*mask",
     .hint = "Other entries are zero than in the forward: use its mask, draw no new one.",
     .partly = true,
     .mode = NB_TRAINING},
    {0},
};

#define CHANNEL_MISTAKES(name)                                                                                         \
    {                                                                                                                  \
        {.code = name "_other_mask",                                                                                   \
         .formula = "g/(1 - p)",                                                                                       \
         .hint = "Other channels are zero than in the forward: use its mask, draw no new one.",                        \
         .partly = true,                                                                                               \
         .mode = NB_TRAINING},                                                                                         \
            {.code = name "_of_value",                                                                                 \
             .formula = "x*d/g",                                                                                       \
             .hint = "Multiply the gradient that comes in by the mask, not the input.",                                \
             .mode = NB_TRAINING},                                                                                     \
            {0},                                                                                                       \
    }
static const struct nb_known dropout1d_mistakes[] = CHANNEL_MISTAKES("dropout1d");
static const struct nb_known dropout2d_mistakes[] = CHANNEL_MISTAKES("dropout2d");
static const struct nb_known dropout3d_mistakes[] = CHANNEL_MISTAKES("dropout3d");

static const struct nb_known alphadropout_mistakes[] = {
    {.code = "alphadropout_other_mask",
     .formula = "g/((1 - p)*(1 + p*1.7580993408473766^2))^0.5",
     .hint = "Other entries are dropped than in the forward: use its mask, draw no new one.",
     .partly = true,
     .mode = NB_TRAINING},
    {.code = "alphadropout_of_value",
     .formula = "x*d/g",
     .hint = "Multiply the gradient that comes in by the mask, not the input.",
     .mode = NB_TRAINING},
    {.code = "alphadropout_of_output",
     .formula = "y*g",
     .hint = "The slope is the mask times a constant, not the output.",
     .mode = NB_TRAINING},
    {0},
};

static const struct nb_case cases1[] = {
    {"\"p\": 0.3", "5x7x3 5x7b", true},
    {"\"p\": 0.8", "3x2x17 3x2u", true},
    {"\"p\": 0.3", "5x3x7 -", false},
    {0},
};
static const struct nb_case cases2[] = {
    {"\"p\": 0.3", "5x7x3x2 5x7b", true},
    {"\"p\": 0.8", "3x2x5x3 3x2u", true},
    {"\"p\": 0.3", "2x3x5x7 -", false},
    {0},
};
static const struct nb_case cases3[] = {
    {"\"p\": 0.3", "3x7x3x1x2 3x7b", true},
    {"\"p\": 0.8", "3x2x2x3x2 3x2u", true},
    {"\"p\": 0.3", "2x3x2x1x5 -", false},
    {0},
};

#define CHANNELS(Type, dims, wanted)                                                                                   \
    {                                                                                                                  \
        .type = Type, .mistakes = dropout##dims##d_mistakes,                                                           \
        .summary = "In train mode drops whole channels with probability p and makes up for them; in eval mode the "    \
                   "identity.",                                                                                        \
        .formula =                                                                                                     \
            "y_{bc\\ldots} = \\frac{x_{bc\\ldots}\\,m_{bc}}{1 - p},\\quad m \\sim \\text{Bernoulli}(1 - p);\\quad "    \
            "\\text{eval: } y = x",                                                                                    \
        .derivative = "dx_{bc\\ldots} = \\frac{g_{bc\\ldots}\\,m_{bc}}{1 - p};\\quad \\text{eval: } dx = g",           \
        .source = "Tompson, Goroshin, Jain, LeCun, Bregler 2015",                                                      \
        .note = "The input is " wanted "; the mask, [B, C], is noise: drawn once for a request, held in all probes "   \
                "of a check, used as given when it is fed.",                                                           \
        .args = args, .args_size = sizeof(struct args), .inputs = inputs, .infer = infer##dims,                        \
        .forward = channels_forward, .backward = channels_backward, .jacobian = "P", .cases = cases##dims              \
    }

const struct nb_module NB(nb_module_dropout)[] = {
    {
        .type = "Dropout",
        .mistakes = dropout_mistakes,
        .onnx = "Dropout",
        .summary = "In train mode drops entries with probability p and makes up for them; in eval mode the identity.",
        .formula = "y = \\frac{x\\,m}{1 - p},\\quad m \\sim \\text{Bernoulli}(1 - p);\\quad \\text{eval: } y = x",
        .derivative = "dx = \\frac{g\\,m}{1 - p};\\quad \\text{eval: } dx = g",
        .source = "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014",
        .note =
            "The mask is noise: drawn once for a request, held in all probes of a check, used as given when it is fed. "
            "The mean of y is x; its variance grows by x^2 p/(1-p).",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "P",
        .cases = cases,
    },
    CHANNELS("Dropout1d", 1, "[B, C, L]"),
    CHANNELS("Dropout2d", 2, "[B, C, H, W]"),
    CHANNELS("Dropout3d", 3, "[B, C, D, H, W]"),
    {
        .type = "AlphaDropout",
        .mistakes = alphadropout_mistakes,
        .summary = "Dropout for nets of SELU: what is dropped takes its least value, and mean and variance are kept.",
        .formula = "y = a\\,(x\\,m - \\alpha'(1 - m)) + a p \\alpha',\\quad a = \\bigl((1 - p)(1 + p "
                   "\\alpha'^2)\\bigr)^{-1/2},\\ \\alpha' = 1.7580993408473766;\\quad \\text{eval: } y = x",
        .derivative = "dx = a\\,g\\,m;\\quad \\text{eval: } dx = g",
        .source = "Klambauer, Unterthiner, Mayr, Hochreiter 2017",
        .note = "The mask is noise: drawn once for a request, held in all probes of a check, used as given when it is "
                "fed.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = alpha_forward,
        .backward = alpha_backward,
        .jacobian = "P",
        .cases = cases,
    },
    {0},
};
