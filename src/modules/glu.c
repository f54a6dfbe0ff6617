/* GLU: one half of the input, gated by the sigmoid of the other. */
#include "modules/rows.h"
#include "pointwise.h"

struct args {
    int64_t dim;
};

NB_MAP2(value, , a, b, a *nb_sigmoid(b))
NB_MAP2(first_slope, , b, g, NB_BACK(g, nb_sigmoid(b)))
NB_MAP3(second_slope, , a, b, g, NB_BACK(g, a *nb_sigmoid_bump(b)))

static int infer(struct nb_infer *s, struct nb_error *e)
{
    int axis = nb_axis_in(s, "dim", ((const struct args *)s->args)->dim, s->in[0].rank, e);
    char text[200];
    if (axis < 0)
        return -1;
    int64_t n = s->in[0].dim[axis];
    s->out[0] = s->in[0];
    s->out[0].dim[axis] = NB_IS_KNOWN(n) ? n / 2 : NB_ANY;
    if (!NB_IS_KNOWN(n) || n % 2 == 0)
        return 0;
    return nb_fail(e, NB_E_shape_mismatch, "dimension %d of %s has no halves: wanted is an even size", axis,
                   nb_shape_text(&s->in[0], s->symbols, text, sizeof text));
}

/* The halves of x are blocks of `half` entries, one after the other; y has one for each two. */
struct halves {
    size_t blocks, half;
};

static struct halves halves_of(const struct nb_call *c)
{
    const struct nb_shape *s = &c->in[0].shape;
    struct nb_around r = nb_around_of(s, nb_axis(((const struct args *)c->args)->dim, s->rank));
    return (struct halves){r.outer, r.n / 2 * r.inner};
}

static int forward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct halves h = halves_of(c);
    const nb_real *x = c->in[0].data;
    nb_real *y = c->out[0].data;
    for (size_t k = 0; k < h.blocks && h.half; k++, x += 2 * h.half, y += h.half)
        nb_map_run(value, 2, h.half, (const nb_real *[]){x, x + h.half}, NULL, y);
    return 0;
}

static int backward(const struct nb_call *c, struct nb_error *e)
{
    (void)e;
    struct halves h = halves_of(c);
    const nb_real *x = c->in[0].data, *g = c->gout[0].data;
    nb_real *dx = c->gin[0].data;
    for (size_t k = 0; k < h.blocks && h.half && dx; k++, x += 2 * h.half, dx += 2 * h.half, g += h.half) {
        nb_map_run(first_slope, 2, h.half, (const nb_real *[]){x + h.half, g}, NULL, dx);
        nb_map_run(second_slope, 3, h.half, (const nb_real *[]){x, x + h.half, g}, NULL, dx + h.half);
    }
    return 0;
}

static const struct nb_arg args[] = {
    {"dim", NB_ARG_INT, offsetof(struct args, dim), -1, 0, 0, 0, NULL, "the dimension that is halved"},
    {0},
};

static const struct nb_case cases[] = {
    {NULL, "5x14", false}, {"\"dim\": 1", "3x10x7", false}, {"\"dim\": 0", "34", false}, {0}};

const struct nb_module NB(nb_module_glu)[] = {
    {
        .type = "GLU",
        .summary = "Gated linear unit: one half of the input times the sigmoid of the other.",
        .formula = "y = a\\,\\sigma(b),\\quad x = [a, b]",
        .derivative = "da = g\\,\\sigma(b),\\quad db = g\\,a\\,\\sigma(b)(1 - \\sigma(b))",
        .source = "Dauphin, Fan, Auli, Grangier 2017",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_map_ports,
        .infer = infer,
        .forward = forward,
        .backward = backward,
        .jacobian = "R",
        .cases = cases,
        .lo = -4,
        .hi = 4,
    },
    {0},
};
