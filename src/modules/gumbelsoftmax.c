/* GumbelSoftmax: a sample of a class, relaxed so that a gradient flows through it. */
#include "modules/rows.h"
#include <string.h>

struct args {
    double tau;
    int64_t hard, dim;
};

static struct nb_rows rows_of(const struct nb_call *c)
{
    const struct nb_shape *s = &c->in[0].shape;
    return nb_rows_of(s, 1u << nb_axis(((const struct args *)c->args)->dim, s->rank));
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    char x[200], n[200];
    if (nb_axis_in(s, "dim", ((const struct args *)s->args)->dim, s->in[0].rank, e) < 0)
        return -1;
    if (s->in[1].rank >= 0 && nb_shape_same(&s->in[0], &s->in[1]) == 0)
        return nb_fail(e, NB_E_shape_mismatch, "input is %s, noise is %s: they must have the same shape",
                       nb_shape_text(&s->in[0], s->symbols, x, sizeof x),
                       nb_shape_text(&s->in[1], s->symbols, n, sizeof n));
    s->out[0] = s->in[0];
    s->noise = s->in[0];
    s->noise_of = NB_NOISE_GUMBEL;
    s->saved = nb_known(&s->in[0]);
    s->work = 3 * nb_known(&s->in[0]);
    return 0;
}

static size_t first_greatest(size_t n, const nb_real *x)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = nb_re(x[i]) > nb_re(x[best]) ? i : best;
    return best;
}

static void harden(size_t n, nb_real *y)
{
    size_t best = first_greatest(n, y);
    memset(y, 0, n * sizeof *y);
    if (n)
        y[best] = 1;
}

/* Leaves the soft sample behind, as rows. */
static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    struct nb_rows r = rows_of(c);
    nb_real *work = c->work, *y = r.dense ? c->out[0].data : work + 2 * r.rows * r.n, *soft = c->saved;
    const nb_real *x = nb_rows_read(&r, c->in[0].data, work);
    const nb_real *noise = nb_rows_read(&r, c->in[1].data, work + r.rows * r.n);
    for (size_t i = 0; i < r.rows * r.n; i++)
        soft[i] = (x[i] + noise[i]) * (nb_part)(1 / a->tau);
    for (size_t i = 0; i < r.rows; i++)
        NB(nb_row_softmax)(r.n, soft + i * r.n, soft + i * r.n);
    memcpy(y, soft, r.rows * r.n * sizeof *y);
    for (size_t i = 0; i < r.rows && a->hard; i++)
        harden(r.n, y + i * r.n);
    if (!r.dense)
        NB(nb_place)(&r.layout, y, c->out[0].data);
    return 0;
}

/* dx = soft (g - <g, soft>) / tau. They add up to 0: where one entry has most of the weight, g - <g, soft> cancels in
 * it, and it gets minus the sum of the others. */
static void row_slope(size_t n, const nb_real *soft, const nb_real *g, nb_part by, nb_real *dx)
{
    nb_real s = (nb_real)NB(nb_row_dot)(n, g, soft);
    size_t most = first_greatest(n, soft);
    nb_sum others = 0;
    for (size_t k = 0; k < n; k++) {
        dx[k] = soft[k] * (g[k] - s) * by;
        others += k == most ? 0 : dx[k];
    }
    if (n && nb_re(soft[most]) > (nb_part)0.5)
        dx[most] = -(nb_real)others;
}

/* Also for a hard sample; the noise gets the same. */
static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct nb_rows r = rows_of(c);
    nb_real *dx = c->work, *g_rows = dx + r.rows * r.n;
    const nb_real *g = nb_rows_read(&r, c->gout[0].data, g_rows), *soft = c->saved;
    nb_part by = (nb_part)(1 / ((const struct args *)c->args)->tau);
    for (size_t i = 0; i < r.rows; i++)
        row_slope(r.n, soft + i * r.n, g + i * r.n, by, dx + i * r.n);
    for (int k = 0; k < 2; k++)
        if (c->gin[k].data)
            NB(nb_place)(&r.layout, dx, c->gin[k].data);
    return 0;
}

/* A hard sample jumps where another entry becomes the greatest. */
static void branches(const struct nb_call *c, struct nb_branches *b)
{
    struct nb_rows r = rows_of(c);
    const nb_real *soft = c->saved;
    for (size_t i = 0; i < r.rows && ((const struct args *)c->args)->hard && r.n; i++) {
        const nb_real *row = soft + i * r.n;
        size_t best = first_greatest(r.n, row), tied = 0;
        nb_decide(b, best);
        for (size_t k = best; k < r.n; k++)
            tied += nb_re(row[k]) == nb_re(row[best]);
        for (int port = 0; port < 2 && tied > 1; port++)
            for (size_t k = best; k < r.n; k++)
                if (nb_re(row[k]) == nb_re(row[best]))
                    nb_at_edge(b, port, nb_row_place(&r, i, k), NB_EDGE_TIE, (int64_t)i);
    }
}

static const char *warning(const void *args)
{
    bool hard = ((const struct args *)args)->hard;
    return hard ? "hard passes the gradient of the soft sample straight through: not the derivative, which is 0" : NULL;
}

static const struct nb_port inputs[] = {
    {"input", NB_REAL_PORT, 0}, {"noise", NB_REAL_PORT, NB_OPTIONAL | NB_NOISE}, {0}};

static const struct nb_arg args[] = {
    {"tau", NB_ARG_REAL, offsetof(struct args, tau), 1, 0, INFINITY, NB_MIN_OPEN | NB_MAX_OPEN, NULL,
     "the temperature: small ones give samples near 0 and 1"},
    {"hard", NB_ARG_BOOL, offsetof(struct args, hard), 0, 0, 0, 0, NULL,
     "1 at the greatest entry, else 0; the gradient stays that of the soft sample"},
    {"dim", NB_ARG_INT, offsetof(struct args, dim), -1, 0, 0, 0, NULL, "the dimension of the classes"},
    {0},
};

static const struct nb_kink kinks[] = {{"several greatest entries, if hard (a jump)", "that of the soft sample"}, {0}};

static const struct nb_case cases[] = {
    {"\"tau\": 0.7", "5x7 5x7", false},
    {"\"tau\": 1.7, \"dim\": 1", "3x5x2 3x5x2", false},
    {"\"tau\": 0.4, \"dim\": 0", "17 17", true},
    {0},
};

static const struct nb_known gumbelsoftmax_mistakes[] = {
    {.code = "gumbel_diagonal",
     .formula = "g*y*(1 - y)/tau",
     .hint = "Every output depends on every input of the row: the diagonal alone is not enough."},
    {.code = "gumbel_sum_of_g",
     .formula = "y*(g - sum(g, dim, keepdim=1))/tau",
     .hint = "The sum is over g p, not over g."},
    {.code = "gumbel_noise_missing",
     .formula = "softmax(x/tau, dim)*(g - sum(g*softmax(x/tau, dim), dim, keepdim=1))/tau",
     .hint = "Use the noise of the forward."},
    {0},
};

const struct nb_module NB(nb_module_gumbelsoftmax)[] = {
    {
        .type = "GumbelSoftmax",
        .mistakes = gumbelsoftmax_mistakes,
        .summary = "A sample of a class from logits, relaxed so that a gradient flows through it.",
        .formula = "y = \\operatorname{softmax}\\Bigl(\\frac{x + n}{\\tau}\\Bigr),\\quad n = -\\ln(-\\ln u);\\quad "
                   "\\text{hard: } 1 \\text{ at its greatest entry}",
        .derivative = "\\bar x_i = \\frac1\\tau\\,s_i \\Bigl(g_i - \\sum_j g_j s_j\\Bigr),\\quad s \\text{ the soft "
                      "sample, also if hard}",
        .source = "Jang, Gu, Poole 2017; Maddison, Mnih, Teh 2017",
        .note = "The noise is drawn once for a request, in train and in eval, held in all probes of a check, used as "
                "given when it is fed.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .warning = warning,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "R",
        .cases = cases,
    },
    {0},
};
