/* CosineEmbeddingLoss: the angle between two vectors is to be small, or large.
 *
 * c = <x1, x2> / sqrt(a b), a = |x1|^2 + 1e-12, b = |x2|^2 + 1e-12, as PyTorch has it: next to a zero vector its
 * gradient stays bounded. */
#include "modules/loss.h"
#include "modules/rows.h"

struct args {
    int64_t reduction;
    double margin;
};

static const double bound = 1e-12f; /* PyTorch's is single */

struct pair {
    size_t n;
    const nb_real *x1, *x2;
    nb_sum a, b, root, c;
    bool similar;
};

static struct pair pair_of(const struct nb_call *c, size_t row)
{
    struct pair p = {.n = nb_row_length(&c->in[0].shape), .similar = nb_number(&c->in[2], row) > 0};
    p.x1 = (const nb_real *)c->in[0].data + row * p.n;
    p.x2 = (const nb_real *)c->in[1].data + row * p.n;
    p.a = NB(nb_row_dot)(p.n, p.x1, p.x1) + bound;
    p.b = NB(nb_row_dot)(p.n, p.x2, p.x2) + bound;
    p.root = nb_sqrt((nb_real)p.a) * (nb_sum)nb_sqrt((nb_real)p.b);
    p.c = NB(nb_row_dot)(p.n, p.x1, p.x2) / p.root;
    return p;
}

static double margin_of(const struct nb_call *c)
{
    return ((const struct args *)c->args)->margin;
}

static nb_sum value(const struct nb_call *c, size_t row)
{
    struct pair p = pair_of(c, row);
    nb_real beyond = (nb_real)(p.c - margin_of(c));
    return p.similar ? 1 - p.c : nb_re(beyond) < 0 ? 0 : beyond;
}

/* dx = f (y / root - c x / square), which is f times the derivative of c. */
static void turn(const struct pair *p, nb_sum f, const nb_real *x, nb_sum square, const nb_real *y, nb_real *dx)
{
    nb_real along = (nb_real)(f / p->root), back = (nb_real)(f * p->c / square);
    for (size_t i = 0; i < p->n; i++)
        dx[i] = f == 0 ? 0 : along * y[i] - back * x[i];
}

static void slope(const struct nb_call *c, size_t row, nb_real g)
{
    struct pair p = pair_of(c, row);
    nb_sum f = p.similar ? -g : nb_re((nb_real)(p.c - margin_of(c))) < 0 ? 0 : g;
    if (c->gin[0].data)
        turn(&p, f, p.x1, p.a, p.x2, (nb_real *)c->gin[0].data + row * p.n);
    if (c->gin[1].data)
        turn(&p, f, p.x2, p.b, p.x1, (nb_real *)c->gin[1].data + row * p.n);
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_shape each;
    if (nb_same_shapes(s, 0, "x1", 1, "x2", e) || nb_row_shape(s, 0, "x1", &each, e) || nb_row_labels(s, 2, &each, e))
        return -1;
    nb_loss_out(s, &each);
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    if (nb_check_labels(c, 2, -1, 1, e))
        return -1;
    nb_each_row(c, nb_row_count(&c->in[0].shape), nb_row_batch(&c->in[0].shape), value);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_no_gradient(&c->gin[2]);
    nb_each_row_back(c, nb_row_count(&c->in[0].shape), nb_row_batch(&c->in[0].shape), slope);
    return 0;
}

/* Entries that change the cosine leave the margin. */
static void edges(struct nb_branches *b, const struct pair *p, size_t row)
{
    for (int port = 0; port < 2; port++) {
        const nb_real *x = port ? p->x2 : p->x1, *y = port ? p->x1 : p->x2;
        for (size_t i = 0; i < p->n; i++)
            if (nb_re(y[i]) * nb_re((nb_real)(port ? p->b : p->a)) != nb_re((nb_real)(p->c * p->root)) * nb_re(x[i]))
                nb_at_edge(b, port, (int64_t)(row * p->n + i), NB_EDGE_SIDE, (int64_t)row);
    }
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    for (size_t row = 0; row < nb_row_count(&c->in[0].shape); row++) {
        struct pair p = pair_of(c, row);
        if (!p.similar && nb_side(b, nb_re((nb_real)(p.c - margin_of(c))), 0))
            edges(b, &p, row);
    }
}

static const struct nb_port inputs[] = {
    {"x1", NB_REAL_PORT, 0}, {"x2", NB_REAL_PORT, 0}, {"target", NB_ANY_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"margin", NB_ARG_REAL, offsetof(struct args, margin), 0, -1, 1, 0, NULL,
     "the cosine up to which dissimilar pairs are left alone"},
    NB_REDUCTION(struct args, NB_MEAN),
    {0},
};

static const struct nb_kink kinks[] = {{"cos = m, t = -1", "as above m"}, {0}};

static const struct nb_case cases[] = {
    {"\"margin\": -0.3", "5x7 5x7 5s", false},
    {"\"margin\": -0.6, \"reduction\": \"none\"", "7x5 7x5 7s", false},
    {"\"margin\": 0.2, \"reduction\": \"sum\"", "7x3 7x3 7s", false},
    {"\"margin\": -0.9, \"reduction\": \"batchmean\"", "2x3x5 2x3x5 2x3s", false},
    {0},
};

static const struct nb_known cosineembeddingloss_mistakes[] = {
    {.code = "cosineembedding_sign",
     .formula = "where(unsqueeze(target, -1) < 0, -d, d)",
     .hint = "The loss of dissimilar pairs grows with the cosine: a plus."},
    {.code = "cosineembedding_similar_only",
     .formula = "where(unsqueeze(target, -1) > 0, d, 0*d)",
     .hint = "Pairs that are not similar count, too, beyond the margin."},
    {.code = "cosineembedding_projection_missing",
     .formula = "-unsqueeze(g*share*target, -1)*x2/(norm(x1, dim=-1, keepdim=1)*norm(x2, dim=-1, keepdim=1))*"
                "(norm(d, dim=-1, keepdim=1) > 0)",
     .hint = "The length of the vector depends on its entries, too."},
    {0},
};

const struct nb_module NB(nb_module_cosineembeddingloss)[] = {
    {
        .type = "CosineEmbeddingLoss",
        .mistakes = cosineembeddingloss_mistakes,
        .summary = "One minus the cosine of similar pairs, the cosine beyond a margin of others.",
        .formula = "y = 1 - c \\text{ if } t = 1,\\quad \\max(0,\\, c - m) \\text{ if } t = -1;\\quad "
                   "c = \\frac{\\langle x_1, x_2\\rangle}{\\lVert x_1\\rVert \\lVert x_2\\rVert}",
        .derivative = "dx_1 = \\mp g\\,\\Bigl(\\frac{x_2}{\\lVert x_1\\rVert \\lVert x_2\\rVert} - "
                      "c\\,\\frac{x_1}{\\lVert x_1\\rVert^2}\\Bigr),\\ \\text{minus if } t = 1,\\ 0 \\text{ if } t = "
                      "-1 \\text{ and } c < m",
        .note =
            "The vectors lie along the last dimension; both squared lengths are taken 1e-12 too large, as in "
            "PyTorch: next to a zero vector the gradient is up to 1e6. The targets are labels, -1 or 1: they get no "
            "gradient (zeros where one is asked).",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
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
