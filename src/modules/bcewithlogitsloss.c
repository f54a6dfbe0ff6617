/* BCEWithLogitsLoss: binary cross-entropy of logits. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
    struct nb_reals pos_weight;
};

/* The weight of ones at entry i: the same everywhere, or one for each place of the last dimension. */
static inline nb_part pos_weight(const struct args *a, size_t i)
{
    return a->pos_weight.n > 1 ? (nb_part)a->pos_weight.v[i % a->pos_weight.n]
           : a->pos_weight.n   ? (nb_part)a->pos_weight.v[0]
                               : 1;
}

/* p y softplus(-x) + (1 - y) softplus(x): positive terms only. */
static inline nb_real term(nb_real x, nb_real y, nb_part p)
{
    nb_real tail = nb_log1p(nb_exp(-nb_abs(x)));
    nb_real one = (nb_re(x) < 0 ? -x : 0) + tail, zero = (nb_re(x) < 0 ? 0 : x) + tail;
    return nb_times(y, p * one) + nb_times(1 - y, zero);
}

NB_SIMD static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    const struct args *a = args;
    if (a->pos_weight.n <= 1) {
        nb_part p = pos_weight(a, 0);
        NB_LOOP
        for (size_t i = 0; i < n; i++)
            t[i] = term(x[i], y[i], p);
    } else {
        for (size_t i = 0; i < n; i++)
            t[i] = term(x[i], y[i], pos_weight(a, at + i));
    }
}

/* (1 - y) sigmoid(x) - p y sigmoid(-x); each sigmoid in the form that keeps its digits. */
static inline nb_real dx_of(nb_real x, nb_real y, nb_part p)
{
    nb_real z = nb_exp(-nb_abs(x)), large = 1 / (1 + z), small = z / (1 + z);
    return (1 - y) * (nb_re(x) < 0 ? small : large) - p * y * (nb_re(x) < 0 ? large : small);
}

/* p softplus(-x) - softplus(x). */
static inline nb_real dy_of(nb_real x, nb_part p)
{
    return nb_times(p - 1, nb_softplus(-x)) - x;
}

NB_SIMD static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx,
                          nb_real *dy)
{
    const struct args *a = args;
    if (a->pos_weight.n <= 1) {
        nb_part p = pos_weight(a, 0);
        NB_LOOP
        for (size_t i = 0; i < n; i++) {
            dx[i] = dx_of(x[i], y[i], p);
            dy[i] = dy_of(x[i], p);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            dx[i] = dx_of(x[i], y[i], pos_weight(a, at + i));
            dy[i] = dy_of(x[i], pos_weight(a, at + i));
        }
    }
}

static const struct nb_terms terms = {.value = value, .slope = slope};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    const struct nb_shape *x = &s->in[0];
    if (nb_terms_infer(s, &terms, e))
        return -1;
    if (a->pos_weight.n <= 1 || (x->rank > 0 && nb_dim_same(x->dim[x->rank - 1], (int64_t)a->pos_weight.n) != 0))
        return 0;
    char text[200];
    nb_fail(e, NB_E_shape_mismatch, "pos_weight has %zu numbers: one, or the last size of %s, is wanted",
            a->pos_weight.n, nb_shape_text(x, s->symbols, text, sizeof text));
    return nb_at(e, "pos_weight");
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    return nb_terms_forward(c, &terms, e);
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_terms_backward(c, &terms);
    return 0;
}

static const struct nb_arg args[] = {
    NB_REDUCTION(struct args, NB_MEAN),
    {"pos_weight", NB_ARG_REALS, offsetof(struct args, pos_weight), 0, 0, 0, 0, NULL,
     "weight of the ones: a number, or one for each place of the last dimension"},
    {0},
};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7u", false},
    {"\"reduction\": \"none\", \"pos_weight\": 2.5", "7x3x5 7x3x5u", false},
    {"\"reduction\": \"sum\", \"pos_weight\": [0.5, 1.5, 2, 3, 0.25]", "7x3x5 7x3x5u", false},
    {"\"reduction\": \"batchmean\"", "5x7 5x7b", false},
    {0},
};

static const struct nb_known bcewithlogitsloss_mistakes[] = {
    {.code = "bce_extra_slope",
     .formula = "d*sigmoid(x)*(1 - sigmoid(x))",
     .hint = "With cross-entropy this factor cancels."},
    {.code = "bce_logits",
     .formula = "d*(x - target)/(sigmoid(x) - target)",
     .hint = "The sigmoid is missing: probabilities, not logits."},
    {.code = "bce_target_missing", .formula = "d*sigmoid(x)/(sigmoid(x) - target)", .hint = "Subtract the target."},
    {.code = "bce_denominator",
     .formula = "d/(sigmoid(x)*(1 - sigmoid(x)))",
     .hint = "The denominator p(1 - p) cancels against the slope of the sigmoid."},
    {0},
};

const struct nb_module NB(nb_module_bcewithlogitsloss)[] = {
    {
        .type = "BCEWithLogitsLoss",
        .mistakes = bcewithlogitsloss_mistakes,
        .summary = "Binary cross-entropy of logits, entry by entry.",
        .formula = "y = p\\,t \\ln(1 + e^{-x}) + (1 - t) \\ln(1 + e^{x})",
        .derivative = "dx = g\\,\\bigl((1 - t)\\,\\sigma(x) - p\\,t\\,\\sigma(-x)\\bigr),\\quad "
                      "dt = g\\,\\bigl(p \\ln(1 + e^{-x}) - \\ln(1 + e^{x})\\bigr)",
        .note = "The Sigmoid and the logarithm are one module: no digits are lost, at any logit.",
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
