/* PerceptronLoss: how far scores are on the wrong side. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
};

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real s = y[i] * x[i];
        t[i] = nb_re(s) > 0 ? 0 : -s;
    }
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    (void)args, (void)at, (void)dy;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = nb_re(y[i] * x[i]) > 0 ? 0 : -y[i];
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const nb_real *x = c->in[0].data;
    for (size_t i = 0; i < nb_entries(&c->in[0]); i++)
        if (nb_side(b, (nb_part)nb_number(&c->in[1], i) * nb_re(x[i]), 0))
            nb_at_edge(b, 0, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

static const struct nb_terms terms = {.value = value, .slope = slope, .per_sample = true, .labels = true};

NB_TERMS_LOSS(terms)

static const struct nb_arg args[] = {NB_REDUCTION(struct args, NB_BATCHMEAN), {0}};

static const struct nb_kink kinks[] = {{"x = 0", "-t"}, {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7s", false},
    {"\"reduction\": \"none\"", "7x3x5 7x3x5s", false},
    {"\"reduction\": \"none\"", "7 7s", false},
    {"\"reduction\": \"sum\"", "17 17s", false},
    {"\"reduction\": \"mean\"", "7x3x5 7x3x5s", false},
    {0},
};

static const struct nb_known perceptronloss_mistakes[] = {
    {.code = "perceptron_all",
     .formula = "-g*share*target",
     .hint = "Only scores on the wrong side count, and those that are 0."},
    {.code = "perceptron_mask_inverted",
     .formula = "-g*share*target - d",
     .hint = "The mask is inverted: scores on the wrong side count."},
    {.code = "perceptron_sign_missing", .formula = "-d*target", .hint = "The target gives the sign."},
    {.code = "perceptron_by_score", .formula = "d*x", .hint = "The derivative holds the target, not the score."},
    {0},
};

const struct nb_module NB(nb_module_perceptronloss)[] = {
    {
        .type = "PerceptronLoss",
        .mistakes = perceptronloss_mistakes,
        .summary = "How far scores are on the wrong side, for each sample: Rosenblatt's rule as a loss.",
        .formula = "y_b = \\sum_i \\max(0,\\, -t_{bi} x_{bi}),\\quad t = \\pm 1",
        .derivative = "dx_{bi} = -g_b\\,t_{bi}\\,[t_{bi} x_{bi} \\le 0]",
        .source = "Rosenblatt 1958",
        .note = "A score of 0 counts as wrong: with 0 there, weights that start at zero would never leave it. The "
                "targets are labels, -1 or 1: they get no gradient (zeros where one is asked).",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_label_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
