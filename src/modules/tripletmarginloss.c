/* TripletMarginLoss: the anchor is to be nearer to the positive than to the negative by a margin. */
#include "modules/loss.h"

struct args {
    int64_t reduction, swap;
    double margin, p, eps;
};

enum { ANCHOR, POSITIVE, NEGATIVE };

/* The three distances of a row: of sides of a triangle. */
static const int ends[3][2] = {{ANCHOR, POSITIVE}, {ANCHOR, NEGATIVE}, {POSITIVE, NEGATIVE}};
enum { NEAR, FAR, OTHER };

struct triangle {
    const struct args *a;
    size_t n;
    const nb_real *x[3];
    nb_sum d[3];
    nb_sum part[3]; /* the derivative of the loss by each distance, while it is not 0 */
    nb_real gap;    /* what is missing to the margin, also below 0 */
};

static inline nb_real difference(const struct triangle *t, int side, size_t i)
{
    return t->x[ends[side][0]][i] - t->x[ends[side][1]][i] + (nb_part)t->a->eps;
}

static nb_sum distance(const struct triangle *t, int side)
{
    double p = t->a->p;
    nb_sum s = 0;
    for (size_t i = 0; i < t->n; i++) {
        nb_real v = nb_abs(difference(t, side, i));
        s += p == 1 ? (nb_sum)v : p == 2 ? (nb_sum)v * v : nb_re(v) == 0 ? 0 : (nb_sum)nb_pow(v, (nb_part)p);
    }
    if (p == 1 || nb_re((nb_real)s) == 0)
        return s;
    return p == 2 ? nb_sqrt((nb_real)s) : nb_pow((nb_real)s, (nb_part)(1 / p));
}

static struct triangle triangle_of(const struct nb_call *c, size_t row)
{
    struct triangle t = {.a = c->args, .n = nb_row_length(&c->in[0].shape), .part = {1, -1, 0}};
    for (int k = 0; k < 3; k++)
        t.x[k] = (const nb_real *)c->in[k].data + row * t.n;
    for (int side = NEAR; side <= (t.a->swap ? OTHER : FAR); side++)
        t.d[side] = distance(&t, side);
    nb_part away = nb_re((nb_real)t.d[FAR]), across = nb_re((nb_real)t.d[OTHER]);
    if (t.a->swap && !(away < across)) {
        t.part[OTHER] = away == across ? -0.5 : -1;
        t.part[FAR] = -1 - t.part[OTHER];
    }
    t.gap = (nb_real)(t.a->margin + t.d[NEAR] + t.part[FAR] * t.d[FAR] + t.part[OTHER] * t.d[OTHER]);
    return t;
}

static nb_sum value(const struct nb_call *c, size_t row)
{
    nb_real gap = triangle_of(c, row).gap;
    return nb_re(gap) < 0 ? 0 : gap;
}

/* Adds f times the derivative of one distance by its end, times the sign of that end. */
static void pull(const struct triangle *t, int side, nb_sum f, nb_real *dx)
{
    nb_part p = (nb_part)t->a->p;
    nb_real d = (nb_real)t->d[side];
    for (size_t i = 0; i < t->n && nb_re(d) != 0; i++) {
        nb_real v = difference(t, side, i);
        nb_real s = p == 1 ? (nb_real)nb_sign(v) : p == 2 ? v / d : nb_sign(v) * nb_pow(nb_abs(v) / d, p - 1);
        dx[i] += (nb_real)f * (nb_re(v) == 0 ? 0 : s);
    }
}

static void slope(const struct nb_call *c, size_t row, nb_real g)
{
    struct triangle t = triangle_of(c, row);
    for (int k = 0; k < 3; k++) {
        nb_real *dx = c->gin[k].data;
        if (!dx)
            continue;
        dx += row * t.n;
        memset(dx, 0, t.n * sizeof *dx);
        for (int side = NEAR; side <= OTHER && g != 0 && !(nb_re(t.gap) < 0); side++)
            if (t.part[side] != 0 && (ends[side][0] == k || ends[side][1] == k))
                pull(&t, side, (ends[side][0] == k ? 1 : -1) * g * t.part[side], dx);
    }
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    struct nb_shape each;
    if (nb_same_shapes(s, 0, "anchor", 1, "positive", e) || nb_same_shapes(s, 0, "anchor", 2, "negative", e) ||
        nb_row_shape(s, 0, "anchor", &each, e))
        return -1;
    nb_loss_out(s, &each);
    s->work = s->in[0].dim[each.rank] > 0 ? (size_t)s->in[0].dim[each.rank] : 0;
    return 0;
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_each_row(c, nb_row_count(&c->in[0].shape), nb_row_batch(&c->in[0].shape), value);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    nb_each_row_back(c, nb_row_count(&c->in[0].shape), nb_row_batch(&c->in[0].shape), slope);
    return 0;
}

/* ---- branches --------------------------------------------------------------------------------------------------- */

/* Entries of one end of these distances that move their sum. */
static void moving(const struct nb_call *c, struct nb_branches *b, const struct triangle *t, const nb_sum *part,
                   size_t row, int64_t tie)
{
    nb_real *d = c->work;
    for (int k = 0; k < 3; k++) {
        memset(d, 0, t->n * sizeof *d);
        for (int side = NEAR; side <= OTHER; side++)
            if (part[side] != 0 && (ends[side][0] == k || ends[side][1] == k))
                pull(t, side, (ends[side][0] == k ? 1 : -1) * part[side], d);
        for (size_t i = 0; i < t->n; i++)
            if (d[i] != 0)
                nb_at_edge(b, k, (int64_t)(row * t->n + i), NB_EDGE_SIDE, tie);
    }
}

/* Where the ends of a distance meet, and with p = 1 where they do in one entry. */
static void meeting(struct nb_branches *b, const struct triangle *t, int side, size_t row, int64_t tie)
{
    bool corner = nb_re((nb_real)t->d[side]) == 0 && t->a->p != 1;
    nb_decide(b, corner);
    for (size_t i = 0; i < t->n; i++)
        if (corner || (t->a->p == 1 && nb_side(b, nb_re(difference(t, side, i)), 0)))
            for (int k = 0; k < 2; k++)
                nb_at_edge(b, ends[side][k], (int64_t)(row * t->n + i), corner ? NB_EDGE_CORNER : NB_EDGE_SIDE,
                           corner ? tie : tie + (int64_t)i);
}

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    static const nb_sum against[3] = {0, 1, -1};
    for (size_t row = 0; row < nb_row_count(&c->in[0].shape); row++) {
        struct triangle t = triangle_of(c, row);
        int64_t tie = (int64_t)(row * (3 * t.n + 2));
        if (nb_side(b, nb_re(t.gap), 0))
            moving(c, b, &t, t.part, row, tie);
        if (t.a->swap && nb_side(b, nb_re((nb_real)t.d[FAR]), nb_re((nb_real)t.d[OTHER])))
            moving(c, b, &t, against, row, tie + 1);
        for (int side = NEAR; side <= OTHER && !(nb_re(t.gap) < 0); side++)
            if (t.part[side] != 0)
                meeting(b, &t, side, row, tie + 2 + side * (int64_t)t.n);
    }
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const struct nb_port inputs[] = {
    {"anchor", NB_REAL_PORT, 0}, {"positive", NB_REAL_PORT, 0}, {"negative", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"margin", NB_ARG_REAL, offsetof(struct args, margin), 1, 0, 0, 0, NULL, "by how much it is to be nearer"},
    {"p", NB_ARG_REAL, offsetof(struct args, p), 2, 1, INFINITY, NB_MAX_OPEN, NULL, "the norm of the distances"},
    {"eps", NB_ARG_REAL, offsetof(struct args, eps), 1e-6, 0, 0, 0, NULL, "added to every difference"},
    {"swap", NB_ARG_BOOL, offsetof(struct args, swap), 0, 0, 0, 0, NULL,
     "takes the distance of the negative to the positive where that is smaller"},
    NB_REDUCTION(struct args, NB_MEAN),
    {0},
};

static const struct nb_kink kinks[] = {
    {"the margin is just kept", "as if it were not"},
    {"a distance is 0", "0"},
    {"a difference is 0, if p = 1", "0"},
    {"both distances to the negative are equal, if swap", "half of each"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"margin\": 2.3", "5x7 5x7 5x7", false},
    {"\"margin\": 1.3, \"p\": 1, \"reduction\": \"none\"", "7x5 7x5 7x5", false},
    {"\"margin\": 0.7, \"p\": 3, \"eps\": 0.01, \"reduction\": \"sum\"", "7x3 7x3 7x3", false},
    {"\"margin\": 1.7, \"swap\": true, \"reduction\": \"batchmean\"", "2x3x5 2x3x5 2x3x5", false},
    {"\"margin\": 3.1, \"swap\": true, \"p\": 1.5", "17 17 17", false},
    {0},
};

static const struct nb_known tripletmarginloss_mistakes[] = {
    {.code = "triplet_distance_missing",
     .formula = "unsqueeze(g*share, -1)*(negative - positive)*(norm(d, dim=-1, keepdim=1) > 0)",
     .hint = "Divide by the distances: that is the derivative of half their squares."},
    {.code = "triplet_positive_only",
     .formula = "unsqueeze(g*share, -1)*(x - positive)/norm(x - positive, dim=-1, keepdim=1)*"
                "(norm(d, dim=-1, keepdim=1) > 0)",
     .hint = "The anchor stands in the distance to the negative, too."},
    {.code = "triplet_plus",
     .formula = "unsqueeze(g*share, -1)*((x - positive)/norm(x - positive, dim=-1, keepdim=1) + "
                "(x - negative)/norm(x - negative, dim=-1, keepdim=1))*(norm(d, dim=-1, keepdim=1) > 0)",
     .hint = "A sign: the distance to the negative is subtracted."},
    {0},
};

const struct nb_module NB(nb_module_tripletmarginloss)[] = {
    {
        .type = "TripletMarginLoss",
        .mistakes = tripletmarginloss_mistakes,
        .summary = "What is missing for an anchor to be nearer to the positive than to the negative by a margin.",
        .formula = "y = \\max(0,\\, \\lVert a - p\\rVert - \\lVert a - n\\rVert + m)",
        .derivative = "\\text{within the margin, for norm 2: } da = g\\,\\Bigl(\\frac{a - p}{\\lVert a - p\\rVert} - "
                      "\\frac{a - n}{\\lVert a - n\\rVert}\\Bigr),\\ dp = -g\\,\\frac{a - p}{\\lVert a - p\\rVert},\\ "
                      "dn = g\\,\\frac{a - n}{\\lVert a - n\\rVert}",
        .source = "Balntas, Riba, Ponsa, Mikolajczyk 2016",
        .note = "The vectors lie along the last dimension. As in PyTorch eps is added to every difference.",
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
