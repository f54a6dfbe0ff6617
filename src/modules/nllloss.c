/* NLLLoss: the negative log-probability of a class. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
    struct nb_reals weight;
    int64_t ignore_index;
};

/* The weight of row r: of its class, 1 without weights, 0 if the row is ignored. */
static double weight_of(const struct nb_call *c, size_t r)
{
    const struct args *a = c->args;
    int64_t t = ((const int64_t *)c->in[1].data)[r];
    return t == a->ignore_index ? 0 : a->weight.n ? a->weight.v[t] : 1;
}

static bool ignored(const struct nb_call *c, size_t r)
{
    return ((const int64_t *)c->in[1].data)[r] == ((const struct args *)c->args)->ignore_index;
}

/* Where the entry of the class of row r lies in x. */
static size_t chosen(const struct nb_call *c, const struct nb_classes *k, size_t r)
{
    return nb_row(k, r) + (size_t)((const int64_t *)c->in[1].data)[r] * k->inner;
}

/* mean divides by the weights of the rows that count. */
static double divisor(const struct nb_call *c, const struct nb_classes *k)
{
    double s = 0;
    if (nb_reduction(c->args) != NB_MEAN)
        return nb_divisor(nb_reduction(c->args), k->rows, k->outer);
    for (size_t r = 0; r < k->rows; r++)
        s += weight_of(c, r);
    return s;
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *a = s->args;
    if (s->in[0].rank == 0)
        return nb_fail(e, NB_E_shape_mismatch, "input is a single number, there is no dimension of classes");
    if (nb_class_target(s, true, e) || nb_check_weight(s, &a->weight, e))
        return -1;
    struct nb_shape each = nb_without_classes(&s->in[0]);
    nb_loss_out(s, &each);
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    const struct args *a = c->args;
    struct nb_classes k = nb_classes_of(&c->in[0].shape);
    const nb_real *x = c->in[0].data;
    nb_real *out = c->out[0].data;
    nb_sum s = 0;
    if (nb_check_classes(c, k.classes, a->ignore_index, e))
        return -1;
    size_t counted = 0;
    for (size_t r = 0; r < k.rows; r++) {
        nb_real v = ignored(c, r) ? 0 : -(nb_part)weight_of(c, r) * x[chosen(c, &k, r)];
        if (a->reduction == NB_EACH)
            out[r] = v;
        s += v;
        counted += !ignored(c, r);
    }
    if (a->reduction == NB_MEAN && k.rows && !counted)
        return nb_all_ignored(e);
    if (a->reduction != NB_EACH)
        *out = (nb_real)(s / divisor(c, &k));
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct nb_classes k = nb_classes_of(&c->in[0].shape);
    const nb_real *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data;
    double d = divisor(c, &k);
    bool each = nb_reduction(c->args) == NB_EACH;
    nb_no_gradient(&c->gin[0]);
    for (size_t r = 0; dx && r < k.rows; r++)
        if (!ignored(c, r))
            dx[chosen(c, &k, r)] = (nb_real)(-g[each ? r : 0] * weight_of(c, r) / d);
    return 0;
}

static const struct nb_port inputs[] = {{"input", NB_REAL_PORT, 0}, {"target", NB_INT_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    NB_CLASS_WEIGHT(struct args),
    NB_IGNORE_INDEX(struct args),
    NB_REDUCTION(struct args, NB_MEAN),
    {0},
};

static const struct nb_case cases[] = {
    {NULL, "5x7l 5c7", false},
    {"\"weight\": [0.5, 2, 1.25], \"reduction\": \"none\"", "7x3x5 7x5c3", false},
    {"\"weight\": [0.5, 2, 1.25, 3, 0.75, 1.5, 0.1]", "5x7l 5c7", false},
    {"\"weight\": [0.5, 2, 1.25], \"reduction\": \"batchmean\"", "7x3x5 7x5c3", false},
    {"\"ignore_index\": 2", "7x3 7c3", false},
    {"\"ignore_index\": 1, \"reduction\": \"sum\"", "7x3x5 7x5c3", false},
    {0},
};

static const struct nb_known nllloss_mistakes[] = {
    {.code = "nll_softmax",
     .formula = "d - exp(x)*sum(d, channel, keepdim=1)",
     .hint = "The input holds logarithms already: the softmax belongs to the module before."},
    {.code = "nll_reciprocal",
     .formula = "d/x",
     .hint = "The input holds logarithms already: nothing is to be divided."},
    {.code = "nll_exponential",
     .formula = "d*exp(x)",
     .hint = "The derivative is minus the weight of the class: no probability."},
    {0},
};

const struct nb_module NB(nb_module_nllloss)[] = {
    {
        .type = "NLLLoss",
        .mistakes = nllloss_mistakes,
        .onnx = "NegativeLogLikelihoodLoss",
        .summary = "The negative log-probability of a class.",
        .formula = "y_b = -w_{t_b}\\,x_{b\\,t_b}",
        .derivative = "dx_{bi} = -g_b\\,w_{t_b}\\,[i = t_b]",
        .note =
            "Classes are dimension 1 of the input, log-probabilities. The mean divides by the sum of the weights of "
            "the samples that are not ignored.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "RA",
        .cases = cases,
    },
    {0},
};
