/* Embedding: rows of a learned table by their numbers. */
#include "modules/places.h"

struct args {
    int64_t num, width, padding;
};

static int bad_padding(const struct args *a, struct nb_error *e)
{
    nb_fail(e, NB_E_bad_argument, "padding_idx is %lld, wanted is %lld <= padding_idx < %lld", (long long)a->padding,
            -(long long)a->num, (long long)a->num);
    return nb_at(e, "padding_idx");
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    struct args *a = s->args;
    if (s->in[0].rank == NB_MAX_RANK)
        return nb_fail(e, NB_E_shape_mismatch, "the input has %d dimensions already", s->in[0].rank);
    if (a->padding != NB_NONE && (a->padding < -a->num || a->padding >= a->num))
        return bad_padding(a, e);
    if (a->padding != NB_NONE && a->padding < 0)
        a->padding += a->num;
    s->out[0] = s->in[0];
    s->out[0].dim[s->out[0].rank++] = a->width;
    struct nb_init init = {.kind = NB_INIT_NORMAL, .b = 1, .zero = a->padding == NB_NONE ? 0 : a->padding + 1};
    s->w[s->nw++] = (struct nb_weight){.name = "weight", .shape = nb_shape_of(2, a->num, a->width), .init = init};
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    const struct args *a = c->args;
    size_t count = (size_t)nb_count(&c->in[0].shape), n = (size_t)a->width;
    const nb_real *w = c->w[0].data;
    nb_real *y = c->out[0].data;
    if (nb_check_places(c, 0, (size_t)a->num, e))
        return -1;
    for (size_t i = 0; i < count; i++)
        nb_row_copy(n, w + nb_place_at(&c->in[0], i) * n, y + i * n);
    return 0;
}

/* A row taken twice gets both. */
static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    const struct args *a = c->args;
    size_t count = (size_t)nb_count(&c->in[0].shape), n = (size_t)a->width;
    const nb_real *g = c->gout[0].data;
    nb_real *dw = c->gw[0].data;
    nb_zero(&c->gin[0]);
    nb_zero(&c->gw[0]);
    for (size_t i = 0; dw && i < count; i++) {
        size_t row = nb_place_at(&c->in[0], i);
        if (a->padding == NB_NONE || row != (size_t)a->padding)
            nb_row_add(n, g + i * n, dw + row * n);
    }
    return 0;
}

static int64_t classes(const void *args, const struct nb_shape *first)
{
    (void)first;
    return ((const struct args *)args)->num;
}

static const char *warning(const void *args)
{
    return ((const struct args *)args)->padding == NB_NONE ? NULL
                                                           : "the padding row gets the gradient 0, as in PyTorch, also "
                                                             "where the result depends on it: that is not its "
                                                             "derivative";
}

static const struct nb_port ports[] = {{"input", NB_ANY_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"num_embeddings", NB_ARG_INT, offsetof(struct args, num), 0, 1, INT32_MAX, NB_REQUIRED, NULL, "rows of the table"},
    {"embedding_dim", NB_ARG_INT, offsetof(struct args, width), 0, 1, INT32_MAX, NB_REQUIRED, NULL, "entries of a row"},
    {"padding_idx", NB_ARG_INT, offsetof(struct args, padding), 0, 0, 0, NB_INFERRED, NULL,
     "a row that gets no gradient; negative numbers count from the end"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"num_embeddings\": 7, \"embedding_dim\": 3", "5c7", false},
    {"\"num_embeddings\": 5, \"embedding_dim\": 17", "3x5c5", false},
    {"\"num_embeddings\": 3, \"embedding_dim\": 1", "7c3", false},
    {0},
};

static const struct nb_known embedding_mistakes[] = {
    {.code = "embedding_all_rows",
     .of = "weight",
     .formula = "0*weight + sum(reshape(g, [-1, embedding_dim]), 0)",
     .hint = "Only the rows that were taken get a gradient."},
    {.code = "embedding_counted",
     .of = "weight",
     .formula = "d/max(unsqueeze(sum(reshape(one_hot(x, num_embeddings), [-1, num_embeddings]), 0), 1), 1)",
     .hint = "A row that was taken twice gets both gradients, not their mean."},
    {0},
};

const struct nb_module NB(nb_module_embedding)[] = {
    {
        .type = "Embedding",
        .mistakes = embedding_mistakes,
        .onnx = "Gather",
        .summary = "Rows of a learned table by their numbers.",
        .formula = "y_i = W_{x_i}",
        .derivative = "\\bar W_v = \\sum_{i:\\, x_i = v} g_i,\\quad \\bar W_{\\text{padding}} = 0",
        .note = "weight is [num_embeddings, embedding_dim] and starts normal(0, 1); the padding row, if there is one, "
                "starts as zeros and gets the gradient 0.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .warning = warning,
        .jacobian = "W",
        .cases = cases,
        .classes = classes,
    },
    {0},
};
