/* Clip: into an interval; PyTorch's clamp. */
#include "pointwise.h"

struct args {
    double min, max;
};
#define BOUNDS                                                                                                         \
    const nb_part min = (nb_part)((const struct args *)args)->min;                                                     \
    const nb_part max = (nb_part)((const struct args *)args)->max

NB_POINTWISE(clip, BOUNDS,
             nb_re(x) < min   ? min
             : nb_re(x) > max ? max
                              : x,
             (nb_re(x) < min) | (nb_re(x) > max) ? (nb_real)0 : (nb_real)1)

static void branches(const struct nb_call *c, struct nb_branches *b)
{
    const void *args = c->args;
    BOUNDS;
    nb_map_sides(c, b, min, true);
    nb_map_sides(c, b, max, true);
}

static int infer(struct nb_infer *s, struct nb_error *e)
{
    const struct args *p = s->args;
    if (!(p->min <= p->max)) {
        nb_fail(e, NB_E_bad_argument, "max is %g, wanted is max >= min = %g", p->max, p->min);
        return nb_at(e, "max");
    }
    return nb_map_infer(s, e);
}

static const struct nb_arg args[] = {
    {"min", NB_ARG_REAL, offsetof(struct args, min), -INFINITY, 0, 0, 0, NULL, "lower bound"},
    {"max", NB_ARG_REAL, offsetof(struct args, max), INFINITY, 0, 0, 0, NULL, "upper bound"},
    {0},
};
static const struct nb_kink kinks[] = {{"x = min", "1"}, {"x = max", "1"}, {0}};
static const struct nb_case cases[] = {{"\"min\": -0.7, \"max\": 1.3", "5x7", false},
                                       {"\"min\": 0.3", "3x17", false},
                                       {"\"max\": -0.1", "33", false},
                                       {0}};

static const struct nb_known clip_mistakes[] = {
    {.code = "clip_value", .formula = "g*y", .hint = "The slope is 1 or 0, not the output."},
    {.code = "clip_below_only", .formula = "g*(x >= min)", .hint = "The gradient ends at both bounds."},
    {.code = "clip_above_only", .formula = "g*(x <= max)", .hint = "The gradient ends at both bounds."},
    {0},
};

const struct nb_module NB(nb_module_clip)[] = {
    {
        .type = "Clip",
        .mistakes = clip_mistakes,
        .onnx = "Clip",
        .summary = "The nearest number between two bounds.",
        .formula = "y = \\min(\\max(x, a), b), \\quad a = \\text{min}, \\ b = \\text{max}",
        .derivative = "dx = g \\, 1[a \\le x \\le b]",
        .args = args,
        .args_size = sizeof(struct args),
        .inputs = nb_map_ports,
        .infer = infer,
        NB_CALLS(clip),
        .kinks = kinks,
        .branches = branches,
        .jacobian = "P",
        .pointwise = true,
        .cases = cases,
    },
    {0},
};
