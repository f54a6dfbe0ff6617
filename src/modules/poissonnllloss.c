/* PoissonNLLLoss: the negative log-likelihood of counts. */
#include "modules/loss.h"

struct args {
    int64_t reduction, log_input, full;
    double eps;
};

/* Stirling's y ln y - y + ln(2 pi y)/2 for ln y!, beyond y = 1. */
static inline nb_real stirling(nb_real y)
{
    const nb_part two_pi = (nb_part)(2 * M_PI);
    return nb_re(y) > 1 ? y * nb_log(y) - y + (nb_part)0.5 * nb_log(two_pi * y) : 0;
}

static void value(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *t)
{
    const struct args *a = args;
    nb_part eps = (nb_part)a->eps;
    (void)at;
    for (size_t i = 0; i < n; i++)
        t[i] = a->log_input ? nb_exp(x[i]) - nb_times(y[i], x[i]) : x[i] - nb_times(y[i], nb_log(x[i] + eps));
    for (size_t i = 0; i < n && a->full; i++)
        t[i] += stirling(y[i]);
}

static void slope(const void *args, size_t at, size_t n, const nb_real *x, const nb_real *y, nb_real *dx, nb_real *dy)
{
    const struct args *a = args;
    nb_part eps = (nb_part)a->eps;
    (void)at;
    for (size_t i = 0; i < n; i++) {
        nb_real count = y[i], v = x[i]; /* dx may be x */
        dx[i] = a->log_input ? nb_exp(v) - count : 1 - nb_times(count, 1 / (v + eps));
        dy[i] = a->log_input ? -v : -nb_log(v + eps);
        if (a->full && nb_re(count) > 1)
            dy[i] += nb_log(count) + (nb_part)0.5 / count;
    }
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const nb_real *y = c->in[1].data;
    for (size_t i = 0; i < nb_entries(&c->in[1]) && ((const struct args *)c->args)->full; i++)
        if (nb_side(b, nb_re(y[i]), 1))
            nb_at_edge(b, 1, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

static const struct nb_terms terms = {.value = value, .slope = slope};

NB_TERMS_LOSS(terms)

static const struct nb_arg args[] = {
    {"log_input", NB_ARG_BOOL, offsetof(struct args, log_input), 1, 0, 0, 0, NULL,
     "the input is the logarithm of the rate"},
    {"full", NB_ARG_BOOL, offsetof(struct args, full), 0, 0, 0, 0, NULL, "with Stirling's formula for the factorial"},
    {"eps", NB_ARG_REAL, offsetof(struct args, eps), 1e-8, 0, INFINITY, NB_MAX_OPEN, NULL,
     "added to the rate in the logarithm, if log_input is false"},
    NB_REDUCTION(struct args, NB_MEAN),
    {0},
};

static const struct nb_kink kinks[] = {{"t = 1, if full (a jump)", "as below"}, {0}};

static const struct nb_case cases[] = {
    {NULL, "5x7 5x7", false},
    {"\"log_input\": false, \"eps\": 0.01", "5x7 5x7", false},
    {"\"full\": true, \"reduction\": \"none\"", "7x3x5 7x3x5", false},
    {"\"full\": true, \"log_input\": false, \"reduction\": \"sum\"", "17 17", false},
    {"\"reduction\": \"batchmean\"", "5x7 5x7", false},
    {0},
};

static const struct nb_known poissonnllloss_mistakes[] = {
    {.code = "poisson_target_missing",
     .formula = "d + g*share*target*where(d == g*share*(exp(x) - target), 1, 1/(x + eps))",
     .hint = "The term with the target has a derivative, too."},
    {.code = "poisson_exponential_missing",
     .formula = "g*share*(x - target)",
     .hint = "The rate is e^x: its derivative is e^x again."},
    {.code = "poisson_by_input",
     .of = "target",
     .formula = "-g*share*exp(x)",
     .hint = "By the target the derivative is minus the logarithm of the rate."},
    {0},
};

const struct nb_module NB(nb_module_poissonnllloss)[] = {
    {
        .type = "PoissonNLLLoss",
        .mistakes = poissonnllloss_mistakes,
        .summary = "The negative log-likelihood of counts under a Poisson distribution.",
        .formula = "y = e^x - t x;\\quad \\text{log\\_input false: } y = x - t \\ln(x + \\epsilon);\\quad "
                   "\\text{full: } + t \\ln t - t + \\tfrac12 \\ln(2 \\pi t) \\text{ if } t > 1",
        .derivative = "dx = g\\,(e^x - t),\\ dt = -g\\,x;\\quad \\text{log\\_input false: } "
                      "dx = g\\,\\bigl(1 - \\tfrac{t}{x + \\epsilon}\\bigr),\\ dt = -g \\ln(x + \\epsilon);\\quad "
                      "\\text{full: } dt \\text{ with } + g\\,\\bigl(\\ln t + \\tfrac{1}{2t}\\bigr) \\text{ if } t > 1",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_pair_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "P",
        .cases = cases,
        .lo = 0.2,
        .hi = 3,
    },
    {0},
};
