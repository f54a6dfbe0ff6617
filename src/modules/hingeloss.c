/* HingeLoss: what is missing to the margin, or its square. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
    double margin;
    int64_t p;
};

/* max(z, 0); NaN stays NaN. */
static inline nb_real missing(nb_real z)
{
    return nb_re(z) <= 0 ? 0 : z;
}

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    const struct args *a = args;
    nb_part margin = (nb_part)a->margin;
    (void)at;
    if (a->p == 1) {
        NB_LOOP
        for (size_t i = 0; i < n; i++)
            t[i] = missing(margin - y[i] * x[i]);
    } else {
        NB_LOOP
        for (size_t i = 0; i < n; i++) {
            nb_real z = missing(margin - y[i] * x[i]);
            t[i] = z * z;
        }
    }
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    const struct args *a = args;
    nb_part margin = (nb_part)a->margin;
    (void)at, (void)dy;
    if (a->p == 1) {
        NB_LOOP
        for (size_t i = 0; i < n; i++)
            dx[i] = nb_re(margin - y[i] * x[i]) <= 0 ? 0 : -y[i];
    } else {
        NB_LOOP
        for (size_t i = 0; i < n; i++)
            dx[i] = -2 * y[i] * missing(margin - y[i] * x[i]);
    }
}

/* With p = 2 the slope is 0 on both sides. */
static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const struct args *a = c->args;
    const nb_real *x = c->in[0].data;
    for (size_t i = 0; i < nb_entries(&c->in[0]); i++)
        if (nb_side(b, (nb_part)nb_number(&c->in[1], i) * nb_re(x[i]), (nb_part)a->margin) && a->p == 1)
            nb_at_edge(b, 0, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

static const struct nb_terms terms = {.value = value, .slope = slope, .per_sample = true, .labels = true};

NB_TERMS_LOSS(terms)

static const struct nb_arg args[] = {
    {"margin", NB_ARG_REAL, offsetof(struct args, margin), 1, 0, 0, 0, NULL, "how far on the right side is far enough"},
    {"p", NB_ARG_INT, offsetof(struct args, p), 1, 1, 2, 0, NULL, "1: what is missing; 2: its square"},
    NB_REDUCTION(struct args, NB_BATCHMEAN),
    {0},
};

static const struct nb_kink kinks[] = {{"t x = m, if p = 1", "0"}, {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7s", false},
    {"\"p\": 2, \"margin\": 0.7", "5x7 5x7s", false},
    {"\"reduction\": \"none\", \"p\": 2, \"margin\": 1.3", "7x3x5 7x3x5s", false},
    {"\"reduction\": \"none\", \"margin\": 0.4", "7 7s", false},
    {"\"reduction\": \"sum\", \"margin\": 1.7", "5x7 5x7s", false},
    {"\"reduction\": \"mean\"", "7x3x5 7x3x5s", false},
    {0},
};

static const struct nb_known hingeloss_mistakes[] = {
    {.code = "hinge_all_classes", .formula = "-g*share*target", .hint = "Only entries within the margin count."},
    {.code = "hinge_mask_inverted",
     .formula = "-g*share*target - d",
     .hint = "The mask is inverted: entries within the margin count."},
    {.code = "hinge_sign_missing", .formula = "-d*target", .hint = "The target gives the sign."},
    {.code = "hinge_by_input", .formula = "d*x", .hint = "The derivative holds the target, not the input."},
    {0},
};

const struct nb_module NB(nb_module_hingeloss)[] = {
    {
        .type = "HingeLoss",
        .mistakes = hingeloss_mistakes,
        .summary = "What is missing to the margin on the right side, or its square, for each sample.",
        .formula = "y_b = \\sum_i \\max(0,\\, m - t_{bi} x_{bi})^p,\\quad t = \\pm 1",
        .derivative = "p = 1:\\ dx_{bi} = -g_b\\,t_{bi}\\,[t_{bi} x_{bi} < m];\\quad "
                      "p = 2:\\ dx_{bi} = -2 g_b\\,t_{bi} \\max(0,\\, m - t_{bi} x_{bi})",
        .note = "The targets are labels, -1 or 1: they get no gradient (zeros where one is asked).",
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
