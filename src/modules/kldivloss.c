/* KLDivLoss: terms of the Kullback-Leibler divergence, from log-probabilities. */
#include "modules/loss.h"

struct args {
    int64_t reduction, log_target;
};

/* y (ln y - x), or e^y (y - x): 0 where the probability is 0, also if x is -infinity. */
NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    const struct args *a = args;
    (void)at;
    if (a->log_target) {
        NB_LOOP
        for (size_t i = 0; i < n; i++)
            t[i] = nb_times(nb_exp(y[i]), y[i] - x[i]);
    } else {
        NB_LOOP
        for (size_t i = 0; i < n; i++)
            t[i] = nb_times(y[i], nb_log(y[i]) - x[i]);
    }
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    const struct args *a = args;
    (void)at;
    if (a->log_target) {
        NB_LOOP
        for (size_t i = 0; i < n; i++) {
            nb_real p = nb_exp(y[i]);
            dx[i] = -p;
            dy[i] = nb_times(p, y[i] - x[i] + 1);
        }
    } else {
        NB_LOOP
        for (size_t i = 0; i < n; i++) {
            dx[i] = -y[i];
            dy[i] = nb_log(y[i]) + 1 - x[i];
        }
    }
}

static const struct nb_terms terms = {.value = value, .slope = slope};

NB_TERMS_LOSS(terms)

static const char *warning(const void *args)
{
    bool mean = ((const struct args *)args)->reduction == NB_MEAN;
    return mean ? "reduction mean divides by the number of entries; the divergence itself is batchmean" : NULL;
}

static const struct nb_arg args[] = {
    NB_REDUCTION(struct args, NB_MEAN),
    {"log_target", NB_ARG_BOOL, offsetof(struct args, log_target), 0, 0, 0, 0, NULL,
     "the target holds logarithms of probabilities"},
    {0},
};

static const struct nb_case cases[] = {
    {NULL, "5x7l 5x7p", false},
    {"\"reduction\": \"batchmean\"", "5x7l 5x7p", false},
    {"\"reduction\": \"none\"", "7x3x5l 7x3x5u", false},
    {"\"reduction\": \"sum\"", "5x7l 5x7p", false},
    {"\"log_target\": true", "5x7l 5x7l", false},
    {"\"log_target\": true, \"reduction\": \"batchmean\"", "7x3x5l 7x3x5l", false},
    {"\"log_target\": true, \"reduction\": \"none\"", "5x7 5x7", false},
    {0},
};

static const struct nb_known kldivloss_mistakes[] = {
    {.code = "kldiv_reciprocal",
     .formula = "d/x",
     .hint = "The input holds logarithms already: nothing is to be divided."},
    {.code = "kldiv_quotient", .formula = "d/exp(x)", .hint = "The input holds logarithms already: -t, not -t/p."},
    {.code = "kldiv_softmax",
     .formula = "d - exp(x)*sum(d, channel, keepdim=1)",
     .hint = "The input holds logarithms already: the softmax belongs to the module before."},
    {0},
};

const struct nb_module NB(nb_module_kldivloss)[] = {
    {
        .type = "KLDivLoss",
        .mistakes = kldivloss_mistakes,
        .summary = "Terms of the Kullback-Leibler divergence of the target from log-probabilities, entry by entry.",
        .formula = "y = t\\,(\\ln t - x);\\quad \\text{log\\_target: } y = e^t (t - x)",
        .derivative = "dx = -g\\,t,\\ dt = g\\,(\\ln t + 1 - x);\\quad "
                      "\\text{log\\_target: } dx = -g\\,e^t,\\ dt = g\\,e^t (t - x + 1)",
        .warning = warning,
        .note = "The divergence itself is reduction batchmean; the default, mean, divides by the number of classes as "
                "well. A term of probability 0 is 0, also where x is -infinity (PyTorch 1.13 gives NaN there).",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_pair_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "P",
        .cases = cases,
    },
    {0},
};
