/* MarginRankingLoss: the first is to be greater than the second, or the other way round. */
#include "modules/loss.h"

struct args {
    int64_t reduction;
    double margin;
};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    if (nb_same_shapes(s, 0, "x1", 1, "x2", e) || nb_same_shapes(s, 0, "x1", 2, "target", e))
        return -1;
    nb_loss_out(s, &s->in[0]);
    return 0;
}

/* What is missing to the margin, also below 0; the labels go into y. */
static void gaps(const struct nb_call *c, size_t from, size_t n, nb_real *y, nb_real *gap)
{
    const nb_real *x1 = (const nb_real *)c->in[0].data + from, *x2 = (const nb_real *)c->in[1].data + from;
    nb_part margin = (nb_part)((const struct args *)c->args)->margin;
    for (size_t i = 0; i < n; i++)
        y[i] = (nb_part)nb_number(&c->in[2], from + i);
    for (size_t i = 0; i < n; i++)
        gap[i] = margin - y[i] * (x1[i] - x2[i]);
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    int64_t reduction = nb_reduction(c->args);
    size_t count = nb_entries(&c->in[0]);
    nb_real y[NB_CHUNK], gap[NB_CHUNK], *out = c->out[0].data;
    nb_sum s = 0;
    if (nb_check_labels(c, 2, -1, 1, e))
        return -1;
    for (size_t from = 0, n; from < count; from += n) {
        n = nb_chunk(count - from);
        gaps(c, from, n, y, gap);
        for (size_t i = 0; i < n; i++)
            gap[i] = nb_re(gap[i]) < 0 ? 0 : gap[i];
        if (reduction == NB_EACH)
            memcpy(out + from, gap, n * sizeof *gap);
        else
            s += NB(nb_total)(n, gap);
    }
    if (reduction != NB_EACH)
        *out = (nb_real)(s / nb_divisor(reduction, count, nb_batch(&c->in[0].shape)));
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    int64_t reduction = nb_reduction(c->args);
    size_t count = nb_entries(&c->in[0]), step = reduction == NB_EACH;
    nb_real y[NB_CHUNK], d[NB_CHUNK], *dx1 = c->gin[0].data, *dx2 = c->gin[1].data;
    const nb_real *g = c->gout[0].data;
    double divisor = nb_divisor(reduction, count, nb_batch(&c->in[0].shape));
    nb_no_gradient(&c->gin[2]);
    for (size_t from = 0, n; from < count; from += n) {
        n = nb_chunk(count - from);
        gaps(c, from, n, y, d);
        for (size_t i = 0; i < n; i++)
            d[i] = nb_re(d[i]) < 0 ? 0 : (nb_real)(g[(from + i) * step] / divisor) * y[i];
        for (size_t i = 0; dx1 && i < n; i++)
            dx1[from + i] = -d[i];
        if (dx2)
            memcpy(dx2 + from, d, n * sizeof *d);
    }
    return 0;
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    nb_real y, gap;
    for (size_t i = 0; i < nb_entries(&c->in[0]); i++) {
        gaps(c, i, 1, &y, &gap);
        if (nb_side(b, nb_re(gap), 0))
            for (int k = 0; k < 2; k++)
                nb_at_edge(b, k, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
    }
}

static const struct nb_port inputs[] = {
    {"x1", NB_REAL_PORT, 0}, {"x2", NB_REAL_PORT, 0}, {"target", NB_ANY_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"margin", NB_ARG_REAL, offsetof(struct args, margin), 0, 0, 0, 0, NULL, "by how much it is to be greater"},
    NB_REDUCTION(struct args, NB_MEAN),
    {0},
};

static const struct nb_kink kinks[] = {{"t (x_1 - x_2) = m", "-t"}, {0}};

static const struct nb_case cases[] = {
    {"\"margin\": 2.7", "5x7 5x7 5x7s", false},
    {"\"margin\": 1.3, \"reduction\": \"none\"", "7x3x5 7x3x5 7x3x5s", false},
    {"\"reduction\": \"sum\"", "17 17 17s", false},
    {"\"margin\": 2.1, \"reduction\": \"batchmean\"", "5x7 5x7 5x7s", false},
    {0},
};

static const struct nb_known marginrankingloss_mistakes[] = {
    {.code = "marginranking_all", .formula = "-g*share*target", .hint = "Only pairs within the margin count."},
    {.code = "marginranking_mask_inverted",
     .formula = "-g*share*target - d",
     .hint = "The mask is inverted: pairs within the margin count."},
    {.code = "marginranking_sign_missing", .formula = "-d*target", .hint = "The target gives the sign."},
    {.code = "marginranking_by_difference",
     .formula = "d*(x1 - x2)",
     .hint = "The derivative holds the target, not the difference."},
    {0},
};

const struct nb_module NB(nb_module_marginrankingloss)[] = {
    {
        .type = "MarginRankingLoss",
        .mistakes = marginrankingloss_mistakes,
        .summary = "What is missing for the first to be greater than the second by a margin, or the other way round.",
        .formula = "y = \\max(0,\\, m - t\\,(x_1 - x_2)),\\quad t = \\pm 1",
        .derivative = "dx_1 = -g\\,t\\,[t\\,(x_1 - x_2) \\le m],\\quad dx_2 = -dx_1",
        .note = "The targets are labels, 1 where the first is to be the greater: they get no gradient (zeros where one "
                "is asked).",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = inputs,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .kinks = kinks,
        .branches = branches,
        .jacobian = "P",
        .cases = cases,
    },
    {0},
};
