/* modules.c - the catalogue: what the modules' rows say, as JSON. */
#include "http/gate.h"
#include "http/handlers.h"
#include <math.h>
#include <string.h>

/* Leaves absent things out instead of writing null. */
static void put(json_t *object, const char *key, json_t *value)
{
    if (value)
        json_object_set_new(object, key, value);
}

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text)
        put(object, key, json_string(text));
}

static json_t *number(double v)
{
    return v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v) : json_real(v);
}

/* ---- arguments ----------------------------------------------------------------------------------------------------
 */

static const char *type_name(enum nb_arg_type type)
{
    static const char *const names[] = {
        [NB_ARG_REAL] = "number",   [NB_ARG_INT] = "integer",     [NB_ARG_BOOL] = "boolean",
        [NB_ARG_CHOICE] = "choice", [NB_ARG_INTS] = "integers",   [NB_ARG_SHAPE] = "shape",
        [NB_ARG_REALS] = "numbers", [NB_ARG_STRINGS] = "strings", [NB_ARG_INIT] = "initialiser",
        [NB_ARG_TENSOR] = "tensor", [NB_ARG_STRING] = "string"};
    return names[type];
}

static json_t *default_of(const struct nb_arg *a)
{
    if (a->flags & (NB_REQUIRED | NB_INFERRED))
        return NULL;
    switch (a->type) {
    case NB_ARG_REAL:
    case NB_ARG_INT:
        return isfinite(a->def) ? number(a->def)
                                : json_string(isnan(a->def) ? "NaN"
                                              : a->def > 0  ? "Infinity"
                                                            : "-Infinity");
    case NB_ARG_BOOL:
        return json_boolean(a->def != 0);
    case NB_ARG_CHOICE:
        return json_string(a->choices[(int)a->def]);
    default:
        return NULL; /* absent */
    }
}

static void put_bounds(json_t *o, const struct nb_arg *a)
{
    if (a->min == 0 && a->max == 0)
        return;
    if (isfinite(a->min) && fabs(a->min) < 9e15)
        put(o, a->flags & NB_MIN_OPEN ? "above" : "min", number(a->min));
    if (isfinite(a->max) && fabs(a->max) < 9e15)
        put(o, a->flags & NB_MAX_OPEN ? "below" : "max", number(a->max));
}

static json_t *texts(const char *const *v)
{
    json_t *list = json_array();
    for (; v && *v; v++)
        json_array_append_new(list, json_string(*v));
    return list;
}

static json_t *argument_json(const struct nb_arg *a)
{
    json_t *o = json_object();
    put_text(o, "name", a->name);
    put_text(o, "type", type_name(a->type));
    put(o, "default", default_of(a));
    put_bounds(o, a);
    if (a->choices)
        put(o, "choices", texts(a->choices));
    put(o, "required", json_boolean(a->flags & NB_REQUIRED));
    if (a->flags & NB_INFERRED)
        put(o, "inferred", json_true());
    put_text(o, "help", a->help);
    return o;
}

static json_t *arguments_json(const struct nb_module *m)
{
    json_t *list = json_array();
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        json_array_append_new(list, argument_json(a));
    return list;
}

/* ---- ports ---------------------------------------------------------------------------------------------------------
 */

static json_t *input_json(const struct nb_port *p)
{
    static const char *const kinds[] = {[NB_REAL_PORT] = "real", [NB_INT_PORT] = "integer", [NB_ANY_PORT] = "any"};
    json_t *o = json_object();
    put_text(o, "name", p->name);
    put_text(o, "kind", kinds[p->kind]);
    if (p->flags & NB_OPTIONAL)
        put(o, "optional", json_true());
    if (p->flags & NB_VARIADIC)
        put(o, "variadic", json_true());
    if (p->flags & NB_NOISE)
        put(o, "noise", json_true());
    return o;
}

static json_t *inputs_json(const struct nb_module *m)
{
    json_t *list = json_array();
    for (const struct nb_port *p = m->inputs; p && p->name; p++)
        json_array_append_new(list, input_json(p));
    return list;
}

static json_t *outputs_json(const struct nb_module *m)
{
    static const char *const one[] = {"out", NULL};
    return m->output_names ? json_string("named by the arguments") : texts(m->outputs ? m->outputs : one);
}

/* ---- the rest -------------------------------------------------------------------------------------------------------
 */

static json_t *kinks_json(const struct nb_module *m)
{
    json_t *list = json_array();
    for (const struct nb_kink *k = m->kinks; k && k->where; k++)
        json_array_append_new(list, json_pack("{s:s,s:s?}", "where", k->where, "value", k->value));
    return list;
}

/* What people get wrong, as formulas; see nabla/module.h for the names in them. */
static json_t *mistakes_json(const struct nb_module *m)
{
    static const char *const modes[] = {[NB_TRAINING] = "train", [NB_EVALUATING] = "eval"};
    json_t *list = json_array();
    for (const struct nb_known *k = m->mistakes; k && k->code; k++) {
        json_t *o = json_object();
        put_text(o, "code", k->code);
        put_text(o, "of", k->of);
        put_text(o, "formula", k->formula);
        put_text(o, "hint", k->hint);
        put_text(o, "mode", modes[k->mode]);
        if (k->partly)
            put(o, "partly", json_true());
        json_array_append_new(list, o);
    }
    return list;
}

/* "PAW" -> ["pointwise","affine in x","affine in the learned tensors"] */
static json_t *jacobian_json(const struct nb_module *m)
{
    static const char letters[] = "PRCAWD";
    static const char *const words[] = {
        "pointwise", "row-wise", "column-wise", "affine in x", "affine in the learned tensors", "dense"};
    json_t *list = json_array();
    for (const char *p = m->jacobian ? m->jacobian : ""; *p; p++)
        if (strchr(letters, *p))
            json_array_append_new(list, json_string(words[strchr(letters, *p) - letters]));
    return list;
}

json_t *nb_module_json(const struct nb_module *m)
{
    json_t *o = json_object();
    put_text(o, "type", m->type);
    put_text(o, "onnx", m->onnx);
    put_text(o, "summary", m->summary);
    put_text(o, "formula", m->formula);
    put_text(o, "derivative", m->derivative);
    put_text(o, "no_backward", m->no_backward);
    put(o, "arguments", arguments_json(m));
    put(o, "inputs", inputs_json(m));
    put(o, "outputs", outputs_json(m));
    put(o, "kinks", kinks_json(m));
    put(o, "jacobian", jacobian_json(m));
    put(o, "curve", json_boolean(m->pointwise));
    put(o, "mistakes", mistakes_json(m));
    put_text(o, "source", m->source);
    put_text(o, "note", m->note);
    return o;
}

json_t *nb_modules_json(void)
{
    json_t *all = json_object(), *list = json_array();
    for (int i = 0; i < nb_module_count(); i++)
        json_array_append_new(list, nb_module_json(nb_module_at(NB_F64, i)));
    put(all, "modules", list);
    return all;
}

/* To derive it may be the homework of who only hands in. */
static void keep_back(json_t *module)
{
    static const char *const answers[] = {"derivative", "mistakes", "note", "kinks", "jacobian", NULL};
    for (int i = 0; answers[i]; i++)
        json_object_del(module, answers[i]);
}

static json_t *for_student(json_t *tree)
{
    size_t i;
    json_t *module, *list = json_object_get(tree, "modules");
    if (!list)
        keep_back(tree);
    json_array_foreach (list, i, module)
        keep_back(module);
    return tree;
}

static int reply(struct nb_request *rq, struct nb_reply *rp, json_t *tree, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    if (!nb_may(rq, ~(unsigned)NB_MAY_submit))
        for_student(tree);
    if (nb_keep_json(rq, tree, e))
        return -1;
    nb_w_json(&w, tree);
    return nb_reply_written(rp, &w);
}

int nb_op_listModules(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    return reply(rq, rp, nb_modules_json(), e);
}

int nb_op_getModule(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    int i = nb_module_find(rq->path[0]);
    if (i < 0)
        return nb_fail(e, NB_E_unknown_path, "there is no module called %.60s; GET /v1/modules lists them",
                       rq->path[0]);
    return reply(rq, rp, nb_module_json(nb_module_at(NB_F64, i)), e);
}
