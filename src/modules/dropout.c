/* Dropout: in train mode entries are set to 0 with probability p, the others grow by 1/(1-p). */
#include "nabla/module.h"
#include "nabla/num.h"
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
    {0},
};
