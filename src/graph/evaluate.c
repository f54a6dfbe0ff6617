/* evaluate - a formula is lowered to operations as in a graph, and these are run once. */
#include "graph/evaluate.h"
#include "graph/build.h"
#include "graph/session.h"
#include <math.h>

/* An input of the net with its name in the scope. */
static int add_operand(struct nb_scope *s, const struct nb_named *o, struct nb_error *e)
{
    struct nb_builder *b = s->b;
    struct nb_net *net = b->net;
    struct nb_item *item;
    if (nb_grow(b->arena, &net->inputs.v, net->inputs.n, &net->inputs.cap, sizeof *net->inputs.v, e))
        return -1;
    int v = nb_add_value(b, NB_V_INPUT, &o->t.shape, o->t.dtype == NB_I64, (int)net->inputs.n, e);
    if (v < 0 || nb_scope_item(s, o->name, &item, e) || nb_item_add_port(b, item, "out", v, e))
        return -1;
    net->inputs.v[net->inputs.n++] =
        (struct nb_input){.name = o->name, .value = v, .dtype = o->t.dtype, .declared = true, .given = true};
    return 0;
}

static int fill_scope(struct nb_scope *s, const struct nb_tensors *operands, const struct nb_constant *constants,
                      size_t n, struct nb_error *e)
{
    for (size_t i = 0; i < n; i++) {
        json_t *number = isfinite(constants[i].value) ? json_real(constants[i].value) : NULL;
        if (number && json_object_set_new(s->args, constants[i].name, number))
            return nb_fail_memory(e);
    }
    for (size_t i = 0; i < operands->n; i++)
        if (add_operand(s, &operands->v[i], e))
            return -1;
    return 0;
}

static int run(struct nb_net *net, int value, const struct nb_tensors *operands, struct nb_tensor *result,
               struct nb_error *e)
{
    struct nb_wants wants = {.nout = 1, .out = &value, .also = -1};
    struct nb_plan *plan = nb_small(net->arena, 1, sizeof *plan, e);
    struct nb_session s;
    struct nb_tensors none = {0};
    struct nb_fed fed = {.inputs = operands, .parameters = &none};
    bool drew;
    if (!plan || nb_plan_make(net, &wants, net->arena, plan, e) ||
        nb_session_new(plan, NB_F64, &fed, net->arena, &s, &drew, e) || nb_session_forward(&s, e))
        return -1;
    *result = nb_session_value(&s, value);
    return 0;
}

int nb_evaluate(const char *formula, const struct nb_tensors *operands, const struct nb_constant *constants, size_t n,
                struct nb_arena *a, struct nb_tensor *result, struct nb_error *e)
{
    struct nb_net net = {.arena = a, .dtype = NB_F64};
    struct nb_builder b = {.arena = a, .net = &net, .given = -1};
    struct nb_scope *s = nb_zalloc(a, 1, sizeof *s, e);
    if (!s)
        return -1;
    *s =
        (struct nb_scope){.b = &b, .path = "", .probe = "", .place = "", .index = json_object(), .args = json_object()};
    int value = s->index && s->args ? fill_scope(s, operands, constants, n, e) : nb_fail_memory(e);
    value = value ? -1 : nb_lower(s, formula, e);
    json_decref(s->index);
    json_decref(s->args);
    return value < 0 ? -1 : run(&net, value, operands, result, e);
}
