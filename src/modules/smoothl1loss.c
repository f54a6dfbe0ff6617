/* SmoothL1Loss, HuberLoss: squares next to 0, absolute values beyond. */
#include "modules/loss.h"

struct smooth {
    int64_t reduction;
    double beta;
};

/* d^2 / (2 beta) within beta, |d| - beta/2 beyond. */
static inline nb_real smooth(nb_real d, nb_part beta)
{
    nb_real a = nb_abs(d);
    return nb_re(a) < beta ? (nb_part)0.5 * d * d / beta : a - (nb_part)0.5 * beta;
}

NB_SIMD static void smooth_value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    nb_part beta = (nb_part)((const struct smooth *)args)->beta;
    (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        t[i] = smooth(x[i] - y[i], beta);
}

NB_SIMD static void smooth_slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                                 nb_real *dy)
{
    nb_part beta = (nb_part)((const struct smooth *)args)->beta;
    (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real d = x[i] - y[i];
        nb_real s = nb_re(nb_abs(d)) < beta ? d / beta : (nb_real)nb_sign(d);
        dx[i] = s;
        dy[i] = -s;
    }
}

/* Both branches have the same slope where they meet, unless there is only one of them. */
static void smooth_branches(const struct nb_call *c, struct nb_branches *b)
{
    const nb_real *x = c->in[0].data, *t = c->in[1].data;
    double beta = ((const struct smooth *)c->args)->beta;
    for (size_t i = 0; i < nb_entries(&c->in[0]); i++) {
        double d = (double)nb_re(x[i]) - (double)nb_re(t[i]);
        nb_decide(b, (d < 0 ? -d : d) < beta);
        if (beta == 0 && nb_side(b, d, 0))
            for (int k = 0; k < 2; k++)
                nb_at_edge(b, k, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
    }
}

static const struct nb_terms smooth_terms = {.value = smooth_value, .slope = smooth_slope};
NB_TERMS_LOSS_OF(smooth, smooth_terms)

static const struct nb_arg smooth_args[] = {
    NB_REDUCTION(struct smooth, NB_MEAN),
    {"beta", NB_ARG_REAL, offsetof(struct smooth, beta), 1, 0, INFINITY, NB_MAX_OPEN, NULL,
     "up to this difference it is the square; 0 gives L1Loss"},
    {0},
};

static const struct nb_kink smooth_kinks[] = {{"x = t, if beta = 0", "0"}, {0}};

static const struct nb_case smooth_cases[] = {
    {"\"beta\": 0.7", "5x7 5x7", false},
    {"\"beta\": 1.7, \"reduction\": \"none\"", "7x3x5 7x3x5", false},
    {"\"reduction\": \"sum\"", "17 17", false},
    {"\"beta\": 0, \"reduction\": \"batchmean\"", "5x7 5x7", false},
    {0},
};

static const struct nb_known smoothl1loss_mistakes[] = {
    {.code = "smoothl1_beta_missing",
     .formula = "where(abs(x - target) < beta, g*share*(x - target), d)",
     .hint = "Within beta the difference is divided by beta."},
    {.code = "smoothl1_as_l1",
     .formula = "g*share*sign(x - target)",
     .hint = "Within beta it is the square: the slope is the difference over beta."},
    {.code = "smoothl1_as_square", .formula = "g*share*(x - target)", .hint = "Beyond beta only the sign counts."},
    {0},
};

/* ---- HuberLoss -------------------------------------------------------------------------------------------------- */

struct huber {
    int64_t reduction;
    double delta;
};

NB_SIMD static void huber_value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    nb_part delta = (nb_part)((const struct huber *)args)->delta;
    (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real d = x[i] - y[i], a = nb_abs(d);
        t[i] = nb_re(a) < delta ? (nb_part)0.5 * d * d : delta * (a - (nb_part)0.5 * delta);
    }
}

NB_SIMD static void huber_slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                                nb_real *dy)
{
    nb_part delta = (nb_part)((const struct huber *)args)->delta;
    (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real d = x[i] - y[i];
        nb_real s = nb_re(nb_abs(d)) < delta ? d : (nb_real)(delta * nb_sign(d));
        dx[i] = s;
        dy[i] = -s;
    }
}

static const struct nb_terms huber_terms = {.value = huber_value, .slope = huber_slope};
NB_TERMS_LOSS_OF(huber, huber_terms)

static const struct nb_arg huber_args[] = {
    NB_REDUCTION(struct huber, NB_MEAN),
    {"delta", NB_ARG_REAL, offsetof(struct huber, delta), 1, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL,
     "up to this difference it is the square"},
    {0},
};

static const struct nb_case huber_cases[] = {
    {"\"delta\": 0.7", "5x7 5x7", false},
    {"\"delta\": 1.7, \"reduction\": \"none\"", "7x3x5 7x3x5", false},
    {"\"delta\": 1.3, \"reduction\": \"sum\"", "17 17", false},
    {"\"reduction\": \"batchmean\"", "5x7 5x7", false},
    {0},
};

static const struct nb_known huberloss_mistakes[] = {
    {.code = "huber_delta_missing",
     .formula = "where(abs(x - target) < delta, d, d/delta)",
     .hint = "Beyond delta the slope is delta times the sign."},
    {.code = "huber_as_square", .formula = "g*share*(x - target)", .hint = "Beyond delta only the sign counts."},
    {.code = "huber_as_l1",
     .formula = "g*share*delta*sign(x - target)",
     .hint = "Within delta it is the square: the slope is the difference."},
    {0},
};

const struct nb_module NB(nb_module_smoothl1loss)[] = {
    {
        .type = "SmoothL1Loss",
        .mistakes = smoothl1loss_mistakes,
        .summary = "The square of the difference next to 0, its absolute value beyond beta.",
        .formula = "y = \\frac{(x - t)^2}{2\\beta} \\text{ if } |x - t| < \\beta \\text{ else } |x - t| - "
                   "\\tfrac12 \\beta",
        .derivative = "dx = g\\,\\frac{x - t}{\\beta} \\text{ if } |x - t| < \\beta \\text{ else } "
                      "g\\,\\operatorname{sign}(x - t),\\quad dt = -dx",
        .source = "Girshick 2015",
        .args = smooth_args,
        .args_size = sizeof(struct smooth),
        .inputs = nb_pair_ports,
        .infer = smooth_infer,
        .forward = smooth_forward,
        .backward = smooth_backward,
        .kinks = smooth_kinks,
        .branches = smooth_branches,
        .jacobian = "P",
        .cases = smooth_cases,
    },
    {
        .type = "HuberLoss",
        .mistakes = huberloss_mistakes,
        .summary = "Half the square of the difference next to 0, growing like its absolute value beyond delta.",
        .formula = "y = \\tfrac12 (x - t)^2 \\text{ if } |x - t| < \\delta \\text{ else } "
                   "\\delta\\,(|x - t| - \\tfrac12 \\delta)",
        .derivative = "dx = g\\,(x - t) \\text{ if } |x - t| < \\delta \\text{ else } "
                      "g\\,\\delta\\,\\operatorname{sign}(x - t),\\quad dt = -dx",
        .source = "Huber 1964",
        .note = "It is delta times SmoothL1Loss with beta = delta.",
        .args = huber_args,
        .args_size = sizeof(struct huber),
        .inputs = nb_pair_ports,
        .infer = huber_infer,
        .forward = huber_forward,
        .backward = huber_backward,
        .jacobian = "P",
        .cases = huber_cases,
    },
    {0},
};
