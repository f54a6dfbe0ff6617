/* Gemm, Gram, Bilinear: products of matrices with something around them. */
#include "modules/rows.h"
#include <string.h>

NB_SIMD static void scale(size_t n, nb_part a, nb_real *x)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}

static void scale_all(const struct nb_tensor *t, double by)
{
    if (by != 1)
        scale((size_t)nb_count(&t->shape), (nb_part)by, t->data);
}

/* ---- Gemm ------------------------------------------------------------------------------------------------------- */

struct gemm {
    double alpha, beta;
    int64_t ta, tb;
};

static int gemm_fault(const struct nb_infer *s, struct nb_error *e)
{
    const struct gemm *a = s->args;
    char x[200], y[200];
    return nb_fail(e, NB_E_shape_mismatch, "a is %s, b is %s: wanted are %s and %s",
                   nb_shape_text(&s->in[0], s->symbols, x, sizeof x), nb_shape_text(&s->in[1], s->symbols, y, sizeof y),
                   a->ta ? "[K, M]" : "[M, K]", a->tb ? "[N, K]" : "[K, N]");
}

static int gemm_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct gemm *args = s->args;
    const struct nb_shape *a = &s->in[0], *b = &s->in[1], *c = &s->in[2];
    char x[200], y[200];
    if (a->rank != 2 || b->rank != 2 || nb_dim_same(a->dim[!args->ta], b->dim[!!args->tb]) == 0)
        return gemm_fault(s, e);
    s->out[0] = nb_shape_of(2, a->dim[!!args->ta], b->dim[!args->tb]);
    struct nb_shape both;
    if (c->rank >= 0 && (c->rank > 2 || nb_broadcast(c, &s->out[0], &both) || nb_shape_same(&both, &s->out[0]) == 0))
        return nb_fail(e, NB_E_shape_mismatch, "c is %s, wanted is what broadcasts to %s",
                       nb_shape_text(c, s->symbols, x, sizeof x), nb_shape_text(&s->out[0], s->symbols, y, sizeof y));
    s->work = nb_known(&s->out[0]);
    return 0;
}

static int gemm_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct gemm *a = c->args;
    const struct nb_shape *out = &c->out[0].shape;
    size_t m = (size_t)out->dim[0], n = (size_t)out->dim[1], k = (size_t)c->in[0].shape.dim[!a->ta];
    NB(nb_gemm)(a->ta, a->tb, m, n, k, c->in[0].data, c->in[1].data, 0, c->out[0].data);
    scale_all(&c->out[0], a->alpha);
    if (c->in[2].data) {
        NB(nb_spread)(&c->in[2].shape, c->in[2].data, out, c->work);
        scale(m * n, (nb_part)a->beta, c->work);
        NB(nb_add)(m * n, c->work, c->out[0].data);
    }
    return 0;
}

static int gemm_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct gemm *a = c->args;
    const struct nb_shape *out = &c->out[0].shape;
    size_t m = (size_t)out->dim[0], n = (size_t)out->dim[1], k = (size_t)c->in[0].shape.dim[!a->ta];
    const nb_real *x = c->in[0].data, *y = c->in[1].data, *g = c->gout[0].data;
    nb_real *da = c->gin[0].data, *db = c->gin[1].data;
    if (da && a->ta)
        NB(nb_gemm)(a->tb, true, k, m, n, y, g, 0, da);
    else if (da)
        NB(nb_gemm)(false, !a->tb, m, k, n, g, y, 0, da);
    if (db && a->tb)
        NB(nb_gemm)(true, a->ta, n, k, m, g, x, 0, db);
    else if (db)
        NB(nb_gemm)(!a->ta, false, k, n, m, x, g, 0, db);
    for (int i = 0; i < 2; i++)
        if (c->gin[i].data)
            scale_all(&c->gin[i], a->alpha);
    if (c->gin[2].data) {
        NB(nb_fold)(out, g, &c->gin[2].shape, c->gin[2].data);
        scale_all(&c->gin[2], a->beta);
    }
    return 0;
}

/* ---- Gram ------------------------------------------------------------------------------------------------------- */

/* Samples, channels, entries of a channel. Two dimensions are one sample. */
struct gram {
    size_t batch, c, n;
};

static struct gram gram_of(const struct nb_shape *s)
{
    int axis = s->rank > 2;
    struct gram m = {axis ? (size_t)s->dim[0] : 1, (size_t)s->dim[axis], 1};
    for (int i = axis + 1; i < s->rank; i++)
        m.n *= (size_t)s->dim[i];
    return m;
}

static int gram_infer(struct nb_infer *s, struct nb_error *e)
{
    const struct nb_shape *x = &s->in[0];
    char text[200];
    if (x->rank < 2)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted is [B, C, ...] or [C, N]",
                       nb_shape_text(x, s->symbols, text, sizeof text));
    s->out[0] = x->rank > 2 ? nb_shape_of(3, x->dim[0], x->dim[1], x->dim[1]) : nb_shape_of(2, x->dim[0], x->dim[0]);
    if (nb_shape_known(x)) {
        struct gram m = gram_of(x);
        s->work = m.c * m.c;
    }
    return 0;
}

static int gram_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct gram m = gram_of(&c->in[0].shape);
    const nb_real *x = c->in[0].data;
    nb_real *y = c->out[0].data;
    for (size_t i = 0; i < m.batch; i++)
        NB(nb_gemm)(false, true, m.c, m.c, m.n, x + i * m.c * m.n, x + i * m.c * m.n, 0, y + i * m.c * m.c);
    scale_all(&c->out[0], 1 / (double)(m.c * m.n));
    return 0;
}

/* dX = (g + g') X / (C N) */
static int gram_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct gram m = gram_of(&c->in[0].shape);
    nb_real *both = c->work, *dx = c->gin[0].data;
    for (size_t i = 0; dx && i < m.batch; i++) {
        const nb_real *x = (const nb_real *)c->in[0].data + i * m.c * m.n;
        const nb_real *g = (const nb_real *)c->gout[0].data + i * m.c * m.c;
        for (size_t p = 0; p < m.c; p++)
            for (size_t q = 0; q < m.c; q++)
                both[p * m.c + q] = (nb_real)((g[p * m.c + q] + g[q * m.c + p]) / (double)(m.c * m.n));
        NB(nb_gemm)(false, false, m.c, m.n, m.c, both, x, 0, dx + i * m.c * m.n);
    }
    return 0;
}

/* ---- Bilinear --------------------------------------------------------------------------------------------------- */

struct bilinear {
    int64_t in1, in2, out, bias;
};

static int fix_features(struct nb_infer *s, int i, const char *name, int64_t *features, struct nb_error *e)
{
    const struct nb_shape *x = &s->in[i];
    char text[200];
    nb_shape_text(x, s->symbols, text, sizeof text);
    int64_t size = x->dim[x->rank - 1];
    if (*features == NB_NONE && !NB_IS_KNOWN(size))
        return nb_fail(e, NB_E_missing_argument, "%s is needed: the shape %s does not give it", name, text);
    if (*features == NB_NONE)
        *features = size;
    if (nb_dim_same(*features, size) != 0)
        return 0;
    nb_fail(e, NB_E_shape_mismatch, "%s is %lld, x%d has %lld (shape %s)", name, (long long)*features, i + 1,
            (long long)size, text);
    return nb_at(e, name);
}

static int bilinear_infer(struct nb_infer *s, struct nb_error *e)
{
    struct bilinear *a = s->args;
    const struct nb_shape *x = &s->in[0], *y = &s->in[1];
    char left[200], right[200];
    bool good = x->rank > 0 && x->rank == y->rank;
    for (int i = 0; good && i < x->rank - 1; i++)
        good = nb_dim_same(x->dim[i], y->dim[i]) != 0;
    if (!good)
        return nb_fail(e, NB_E_shape_mismatch, "x1 is %s, x2 is %s: all dimensions but the last must be the same",
                       nb_shape_text(x, s->symbols, left, sizeof left),
                       nb_shape_text(y, s->symbols, right, sizeof right));
    if (fix_features(s, 0, "in1_features", &a->in1, e) || fix_features(s, 1, "in2_features", &a->in2, e))
        return -1;
    s->out[0] = *x;
    s->out[0].dim[x->rank - 1] = a->out;
    double bound = 1 / sqrt((double)a->in1);
    struct nb_init init = {.kind = NB_INIT_UNIFORM, .a = -bound, .b = bound};
    s->w[s->nw++] = (struct nb_weight){"weight", nb_shape_of(3, a->out, a->in1, a->in2), init, false};
    if (a->bias)
        s->w[s->nw++] = (struct nb_weight){"bias", nb_shape_of(1, a->out), init, false};
    s->work = nb_known(x) + nb_known(y);
    return 0;
}

static size_t bilinear_rows(const struct nb_call *c)
{
    size_t rows = 1;
    for (int i = 0; i < c->out[0].shape.rank - 1; i++)
        rows *= (size_t)c->out[0].shape.dim[i];
    return rows;
}

static int bilinear_forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct bilinear *a = c->args;
    size_t rows = bilinear_rows(c), in1 = (size_t)a->in1, in2 = (size_t)a->in2, out = (size_t)a->out;
    const nb_real *x1 = c->in[0].data, *x2 = c->in[1].data, *w = c->w[0].data, *b = a->bias ? c->w[1].data : NULL;
    nb_real *y = c->out[0].data, *t = c->work;
    for (size_t o = 0; o < out; o++) {
        NB(nb_gemm)(false, false, rows, in2, in1, x1, w + o * in1 * in2, 0, t);
        for (size_t i = 0; i < rows; i++)
            y[i * out + o] = (nb_real)(NB(nb_row_dot)(in2, t + i * in2, x2 + i * in2) + (b ? b[o] : 0));
    }
    return 0;
}

/* Rows of x times g_o of each. */
static void weigh(size_t rows, size_t n, const nb_real *x, const nb_real *g, size_t out, nb_real *to)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < n; k++)
            to[i * n + k] = g[i * out] * x[i * n + k];
}

static int bilinear_backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct bilinear *a = c->args;
    size_t rows = bilinear_rows(c), in1 = (size_t)a->in1, in2 = (size_t)a->in2, out = (size_t)a->out;
    const nb_real *x1 = c->in[0].data, *x2 = c->in[1].data, *g = c->gout[0].data;
    nb_real *dx1 = c->gin[0].data, *dx2 = c->gin[1].data, *dw = c->gw[0].data, *g1 = c->work, *g2 = g1 + rows * in1;
    for (size_t o = 0; o < out; o++) {
        const nb_real *w = (const nb_real *)c->w[0].data + o * in1 * in2;
        weigh(rows, in1, x1, g + o, out, g1);
        weigh(rows, in2, x2, g + o, out, g2);
        if (dx1)
            NB(nb_gemm)(false, true, rows, in1, in2, g2, w, o > 0, dx1);
        if (dx2)
            NB(nb_gemm)(false, false, rows, in2, in1, g1, w, o > 0, dx2);
        if (dw)
            NB(nb_gemm)(true, false, in1, in2, rows, g1, x2, 0, dw + o * in1 * in2);
    }
    if (a->bias && c->gw[1].data)
        NB(nb_sum_rows)(rows, out, g, c->gw[1].data);
    return 0;
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static const struct nb_port gemm_ports[] = {
    {"a", NB_REAL_PORT, 0}, {"b", NB_REAL_PORT, 0}, {"c", NB_REAL_PORT, NB_OPTIONAL}, {0}};
static const struct nb_port gram_ports[] = {{"input", NB_REAL_PORT, 0}, {0}};
static const struct nb_port bilinear_ports[] = {{"x1", NB_REAL_PORT, 0}, {"x2", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg gemm_args[] = {
    {"alpha", NB_ARG_REAL, offsetof(struct gemm, alpha), 1, 0, 0, 0, NULL, "factor of the product"},
    {"beta", NB_ARG_REAL, offsetof(struct gemm, beta), 1, 0, 0, 0, NULL, "factor of c"},
    {"transA", NB_ARG_BOOL, offsetof(struct gemm, ta), 0, 0, 0, 0, NULL, "a is given transposed"},
    {"transB", NB_ARG_BOOL, offsetof(struct gemm, tb), 0, 0, 0, 0, NULL, "b is given transposed"},
    {0},
};
static const struct nb_arg bilinear_args[] = {
    {"in1_features", NB_ARG_INT, offsetof(struct bilinear, in1), 0, 1, INT32_MAX, NB_INFERRED, NULL,
     "size of the last dimension of x1"},
    {"in2_features", NB_ARG_INT, offsetof(struct bilinear, in2), 0, 1, INT32_MAX, NB_INFERRED, NULL,
     "size of the last dimension of x2"},
    {"out_features", NB_ARG_INT, offsetof(struct bilinear, out), 0, 1, INT32_MAX, NB_REQUIRED, NULL,
     "size of the output's last dimension"},
    {"bias", NB_ARG_BOOL, offsetof(struct bilinear, bias), 1, 0, 0, 0, NULL, "adds a learned vector"},
    {0},
};

static const struct nb_case gemm_cases[] = {
    {NULL, "5x7 7x3", false},
    {"\"alpha\": 0.7, \"beta\": -1.3", "5x7 7x3 3", false},
    {"\"transA\": true, \"alpha\": 1.7", "7x5 7x3 5x1", false},
    {"\"transB\": true, \"beta\": 0.3", "5x17 3x17 5x3", false},
    {"\"transA\": true, \"transB\": true", "7x5 3x7 1x1", false},
    {"\"alpha\": 1.3", "5x5 5x5", false},
    {0},
};
static const struct nb_case gram_cases[] = {
    {NULL, "5x7", false}, {NULL, "2x3x17", false}, {NULL, "3x5x2x7", false}, {0}};
static const struct nb_case bilinear_cases[] = {
    {"\"out_features\": 3", "5x7 5x2", false},
    {"\"in1_features\": 3, \"out_features\": 7, \"bias\": false", "2x5x3 2x5x5", false},
    {"\"out_features\": 2", "3 17", false},
    {0},
};

static const struct nb_known gemm_mistakes[] = {
    {.code = "gemm_scale_missing",
     .of = "a",
     .formula = "g @ transpose(b)",
     .hint = "The factor of the product is missing."},
    {.code = "gemm_first_transposed", .of = "a", .formula = "g @ b", .hint = "Back through b: g B^T."},
    {.code = "gemm_addend_scale", .of = "c", .formula = "d/beta", .hint = "The factor of c is missing."},
    {0},
};
static const struct nb_known gram_mistakes[] = {
    {.code = "gram_once",
     .formula = "g @ x/(N*sum(x*0 + 1, -1, keepdim=1))",
     .hint = "The input stands there twice: (g + g^T) X."},
    {.code = "gram_not_divided",
     .formula = "(g + transpose(g)) @ x",
     .hint = "Divide by channels times entries, as forward does."},
    {0},
};
static const struct nb_known bilinear_mistakes[] = {
    {.code = "bilinear_sides",
     .of = "x2",
     .formula = "0*d + sum(g, -1, keepdim=1)*sum(x1, -1, keepdim=1)",
     .hint = "Every output has its own matrix between the two."},
    {0},
};

const struct nb_module NB(nb_module_gemm)[] = {
    {
        .type = "Gemm",
        .mistakes = gemm_mistakes,
        .onnx = "Gemm",
        .summary = "A product of two matrices, either of them transposed, plus something.",
        .formula = "y = \\alpha\\,a' b' + \\beta\\,c",
        .derivative = "\\bar a' = \\alpha\\,g\\,b'^{\\mathsf T},\\quad \\bar b' = \\alpha\\,a'^{\\mathsf T} g,\\quad "
                      "\\bar c = \\beta\\,g \\text{, summed where } c \\text{ was broadcast}",
        .args = gemm_args,
        .args_size = sizeof(struct gemm),
        .inputs = gemm_ports,
        .infer = gemm_infer,
        .forward = gemm_forward,
        .backward = gemm_backward,
        .jacobian = "A",
        .cases = gemm_cases,
    },
    {
        .type = "Gram",
        .mistakes = gram_mistakes,
        .summary = "Products of the channels of a sample with each other: what a style loss compares.",
        .formula = "y = \\frac{X X^{\\mathsf T}}{C N},\\quad X \\in \\mathbb R^{C \\times N}",
        .derivative = "\\bar X = \\frac{(g + g^{\\mathsf T})\\,X}{C N}",
        .source = "Gatys, Ecker, Bethge 2015",
        .note = "Of [B, C, ...] for each sample; of [C, N] there is one.",
        .inputs = gram_ports,
        .infer = gram_infer,
        .forward = gram_forward,
        .backward = gram_backward,
        .jacobian = "R",
        .cases = gram_cases,
    },
    {
        .type = "Bilinear",
        .mistakes = bilinear_mistakes,
        .summary = "For every output a learned matrix between two rows.",
        .formula = "y_o = x_1^{\\mathsf T} W_o\\,x_2 + b_o",
        .derivative = "\\bar x_1 = \\sum_o g_o W_o x_2,\\quad \\bar x_2 = \\sum_o g_o W_o^{\\mathsf T} x_1,\\quad "
                      "\\bar W_o = g_o\\,x_1 x_2^{\\mathsf T},\\quad \\bar b = g",
        .note = "weight is [out_features, in1_features, in2_features]; weight and bias start uniform within "
                "1/sqrt(in1_features).",
        .args = bilinear_args,
        .args_size = sizeof(struct bilinear),
        .inputs = bilinear_ports,
        .infer = bilinear_infer,
        .forward = bilinear_forward,
        .backward = bilinear_backward,
        .jacobian = "AW",
        .cases = bilinear_cases,
    },
    {0},
};
