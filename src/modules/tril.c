/* Tril and Triu: a triangle of every matrix, zeros elsewhere. */
#include "modules/rows.h"
#include <string.h>

struct args {
    int64_t diagonal;
};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    char text[200];
    if (s->in[0].rank < 2)
        return nb_fail(e, NB_E_shape_mismatch, "the input is %s, wanted are matrices",
                       nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
    s->out[0] = s->in[0];
    return 0;
}

/* Entries of row i that lie on the diagonal or below. */
static size_t below(int64_t diagonal, size_t i, size_t cols)
{
    int64_t n = (int64_t)i + diagonal + 1;
    return n < 0 ? 0 : (size_t)n < cols ? (size_t)n : cols;
}

/* The lower triangle of x, or the upper one. */
static void mask(const struct nb_call *c, bool upper, const nb_real *x, nb_real *y)
{
    const struct nb_shape *s = &c->in[0].shape;
    size_t rows = (size_t)s->dim[s->rank - 2], cols = (size_t)s->dim[s->rank - 1];
    int64_t diagonal = ((const struct args *)c->args)->diagonal;
    for (size_t i = 0, n = cols ? nb_known(s) / cols : 0; i < n; i++, x += cols, y += cols) {
        size_t low = below(upper ? diagonal - 1 : diagonal, i % rows, cols);
        size_t from = upper ? low : 0, end = upper ? cols : low;
        memset(y, 0, cols * sizeof *y);
        memcpy(y + from, x + from, (end - from) * sizeof *y);
    }
}

static int forward(const struct nb_call *c, bool upper)
{
    mask(c, upper, c->in[0].data, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, bool upper)
{
    if (c->gin[0].data)
        mask(c, upper, c->gout[0].data, c->gin[0].data);
    return 0;
}

#define PASSES(name, upper)                                                                                            \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return forward(c, upper);                                                                                      \
    }                                                                                                                  \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return backward(c, upper);                                                                                     \
    }

PASSES(tril, false)
PASSES(triu, true)

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"diagonal", NB_ARG_INT, offsetof(struct args, diagonal), 0, -INT32_MAX, INT32_MAX, 0, NULL,
     "the last diagonal that stays: 0 the main one, above it positive"},
    {0},
};
static const struct nb_case cases[] = {
    {NULL, "5x7", false},
    {"\"diagonal\": 2", "3x7x5", false},
    {"\"diagonal\": -2", "5x5", false},
    {0},
};

#define MISTAKES(name)                                                                                                 \
    static const struct nb_known name##_mistakes[] = {                                                                 \
        {.code = #name "_mask_missing", .formula = "g", .hint = "What was set to 0 gets no gradient: the same mask."}, \
        {.code = #name "_other_half", .formula = "g - d", .hint = "That is the gradient of the other triangle."},      \
        {0},                                                                                                           \
    }
MISTAKES(tril);
MISTAKES(triu);

#define ROW(Type, name, what, condition)                                                                               \
    {                                                                                                                  \
        .type = Type, .onnx = "Trilu", .summary = what, .formula = "y_{ij} = x_{ij}\\,[" condition "]",                \
        .derivative = "\\bar x_{ij} = g_{ij}\\,[" condition "]", .args = args, .args_size = sizeof(struct args),       \
        .inputs = ports, .infer = infer, .forward = name##_forward, .backward = name##_backward, .jacobian = "A",      \
        .cases = cases, .mistakes = name##_mistakes,                                                                   \
    }

const struct nb_module NB(nb_module_tril)[] = {
    ROW("Tril", tril, "The lower triangle of every matrix, zeros above.", "j - i \\le d"),
    ROW("Triu", triu, "The upper triangle of every matrix, zeros below.", "j - i \\ge d"),
    {0},
};
