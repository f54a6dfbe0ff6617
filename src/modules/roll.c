/* Roll: entries moved along a dimension; what goes out at one end comes in at the other. */
#include "modules/rows.h"
#include <string.h>

struct args {
    int64_t shift, dim;
};

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *args = s->args;
    s->out[0] = s->in[0];
    return nb_axis_in(s, "dim", args->dim, s->in[0].rank, e) < 0 ? -1 : 0;
}

/* y[(i + shift) mod n] = x[i], forward or back. */
static void turn(const void *p, const struct nb_shape *s, bool back, const nb_real *x, nb_real *y)
{
    const struct args *args = p;
    struct nb_around a = nb_around_of(s, nb_axis(args->dim, s->rank));
    int64_t n = (int64_t)a.n, shift = n ? args->shift % n : 0;
    if (back)
        shift = -shift;
    size_t head = (size_t)(shift < 0 ? shift + n : shift) * a.inner, all = a.n * a.inner;
    for (size_t o = 0; o < a.outer; o++, x += all, y += all) {
        memcpy(y + head, x, (all - head) * sizeof *y);
        memcpy(y, x + all - head, head * sizeof *y);
    }
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    turn(c->args, &c->in[0].shape, false, c->in[0].data, c->out[0].data);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    if (c->gin[0].data)
        turn(c->args, &c->in[0].shape, true, c->gout[0].data, c->gin[0].data);
    return 0;
}

static const struct nb_port ports[] = {{"input", NB_REAL_PORT, 0}, {0}};

static const struct nb_arg args[] = {
    {"shift", NB_ARG_INT, offsetof(struct args, shift), 0, 0, 0, NB_REQUIRED, NULL,
     "places to move, towards the end if positive"},
    {"dim", NB_ARG_INT, offsetof(struct args, dim), 0, 0, 0, NB_REQUIRED, NULL, "the dimension moved along"},
    {0},
};

static const struct nb_case cases[] = {
    {"\"shift\": 3, \"dim\": 0", "17", false},
    {"\"shift\": -2, \"dim\": -1", "5x7", false},
    {"\"shift\": 12, \"dim\": 1", "7x5x3", false},
    {"\"shift\": -8, \"dim\": -2", "7x5x3", false},
    {0},
};

static const struct nb_known roll_mistakes[] = {
    {.code = "roll_forward",
     .formula = "roll(g, shift, dim)",
     .hint = "Back goes the other way: move by minus the shift."},
    {.code = "roll_missing", .formula = "g", .hint = "Move the gradient back."},
    {0},
};

const struct nb_module NB(nb_module_roll)[] = {
    {
        .type = "Roll",
        .mistakes = roll_mistakes,
        .summary = "Moves the entries along a dimension; those that leave come in at the other end.",
        .formula = "y_{(i + s) \\bmod n} = x_i",
        .derivative = "\\bar x_i = g_{(i + s) \\bmod n}",
        .note = "PyTorch calls the arguments shifts and dims.",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "A",
        .cases = cases,
    },
    {0},
};
