/* SoftMarginLoss, HingeEmbeddingLoss: labels of -1 or 1 for each entry. */
#include "modules/loss.h"

/* ---- SoftMarginLoss --------------------------------------------------------------------------------------------- */

struct soft {
    int64_t reduction;
};

NB_SIMD static void soft_value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    (void)args, (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        t[i] = nb_softplus(-y[i] * x[i]);
}

NB_SIMD static void soft_slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                               nb_real *dy)
{
    (void)args, (void)at, (void)dy;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = -y[i] * nb_sigmoid(-y[i] * x[i]);
}

static const struct nb_terms soft_terms = {.value = soft_value, .slope = soft_slope, .labels = true};
NB_TERMS_LOSS_OF(soft, soft_terms)

static const struct nb_arg soft_args[] = {NB_REDUCTION(struct soft, NB_MEAN), {0}};

static const struct nb_case soft_cases[] = {
    {NULL, "5x7 5x7s", false},
    {"\"reduction\": \"none\"", "7x3x5 7x3x5s", false},
    {"\"reduction\": \"sum\"", "17 17s", false},
    {"\"reduction\": \"batchmean\"", "5x7 5x7s", false},
    {0},
};

static const struct nb_known softmarginloss_mistakes[] = {
    {.code = "softmargin_side",
     .formula = "-g*share*target*sigmoid(target*x)",
     .hint = "The weight is the sigmoid of -t x: what is wrong counts most."},
    {.code = "softmargin_sign_missing", .formula = "-d*target", .hint = "The target gives the sign."},
    {.code = "softmargin_bump",
     .formula = "d*sigmoid(target*x)",
     .hint = "The slope of the sigmoid cancels against the logarithm's."},
    {.code = "softmargin_by_input", .formula = "d*x", .hint = "The derivative holds the target, not the input."},
    {0},
};

/* ---- HingeEmbeddingLoss ----------------------------------------------------------------------------------------- */

struct hinge {
    int64_t reduction;
    double margin;
};

NB_SIMD static void hinge_value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    nb_part margin = (nb_part)((const struct hinge *)args)->margin;
    (void)at;
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real missing = margin - x[i];
        t[i] = nb_re(y[i]) > 0 ? x[i] : nb_re(missing) < 0 ? 0 : missing;
    }
}

NB_SIMD static void hinge_slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                                nb_real *dy)
{
    nb_part margin = (nb_part)((const struct hinge *)args)->margin;
    (void)at, (void)dy;
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        dx[i] = nb_re(y[i]) > 0 ? 1 : nb_re(margin - x[i]) < 0 ? 0 : -1;
}

static void hinge_branches(const struct nb_call *c, struct nb_branches *b)
{
    nb_part margin = (nb_part)((const struct hinge *)c->args)->margin;
    const nb_real *x = c->in[0].data;
    for (size_t i = 0; i < nb_entries(&c->in[0]); i++)
        if (nb_number(&c->in[1], i) < 0 && nb_side(b, nb_re(x[i]), margin))
            nb_at_edge(b, 0, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

static const struct nb_terms hinge_terms = {.value = hinge_value, .slope = hinge_slope, .labels = true};
NB_TERMS_LOSS_OF(hinge, hinge_terms)

static const struct nb_arg hinge_args[] = {
    {"margin", NB_ARG_REAL, offsetof(struct hinge, margin), 1, 0, 0, 0, NULL, "how far dissimilar pairs are to be"},
    NB_REDUCTION(struct hinge, NB_MEAN),
    {0},
};

static const struct nb_kink hinge_kinks[] = {{"x = m, t = -1", "-1"}, {0}};

static const struct nb_case hinge_cases[] = {
    {"\"margin\": 0.7", "5x7 5x7s", false},
    {"\"margin\": 1.3, \"reduction\": \"none\"", "7x3x5 7x3x5s", false},
    {"\"reduction\": \"sum\"", "17 17s", false},
    {"\"margin\": 0.4, \"reduction\": \"batchmean\"", "5x7 5x7s", false},
    {0},
};

static const struct nb_known hingeembeddingloss_mistakes[] = {
    {.code = "hingeembedding_sign",
     .formula = "where(target < 0, -d, d)",
     .hint = "Dissimilar pairs are pushed apart: a minus."},
    {.code = "hingeembedding_all",
     .formula = "g*share*target",
     .hint = "Of dissimilar pairs only those within the margin count."},
    {.code = "hingeembedding_as_hinge",
     .formula = "-g*share*target*(target*x < margin)",
     .hint = "The input is a distance, not a score: similar pairs count with slope 1."},
    {0},
};

const struct nb_module NB(nb_module_softmarginloss)[] = {
    {
        .type = "SoftMarginLoss",
        .mistakes = softmarginloss_mistakes,
        .summary = "The logistic loss of scores with labels.",
        .formula = "y = \\ln(1 + e^{-t x}),\\quad t = \\pm 1",
        .derivative = "dx = -g\\,t\\,\\sigma(-t x)",
        .note = "Computed as softplus. The targets are labels, -1 or 1: they get no gradient (zeros where one is "
                "asked).",
        .args = soft_args,
        .args_size = sizeof(struct soft),
        .inputs = nb_label_ports,
        .infer = soft_infer,
        .forward = soft_forward,
        .backward = soft_backward,
        .jacobian = "P",
        .cases = soft_cases,
    },
    {
        .type = "HingeEmbeddingLoss",
        .mistakes = hingeembeddingloss_mistakes,
        .summary = "Distances of similar pairs, and what is missing to the margin of others.",
        .formula = "y = x \\text{ if } t = 1,\\quad \\max(0,\\, m - x) \\text{ if } t = -1",
        .derivative = "dx = g \\text{ if } t = 1,\\quad -g\\,[x \\le m] \\text{ if } t = -1",
        .note = "The targets are labels, -1 or 1: they get no gradient (zeros where one is asked).",
        .args = hinge_args,
        .args_size = sizeof(struct hinge),
        .inputs = nb_label_ports,
        .infer = hinge_infer,
        .forward = hinge_forward,
        .backward = hinge_backward,
        .kinks = hinge_kinks,
        .branches = hinge_branches,
        .jacobian = "P",
        .cases = hinge_cases,
    },
    {0},
};
