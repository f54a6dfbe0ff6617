/* curve.c - the curve is what a graph of one node computes: the same code that serves, in double. */
#include "http/curve.h"
#include "graph/arguments.h"
#include "http/handlers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 401, MOST_POINTS = 10000 };

struct interval {
    double from, to;
    int64_t points;
};

static int bad_query(struct nb_error *e, const char *name, const char *wanted, const char *came)
{
    nb_fail(e, NB_E_bad_parameter, "%s: %s was expected, not %.60s", name, wanted, came);
    return nb_at(e, name);
}

/* ---- the modules in the path ----------------------------------------------------------------------------------- */

static const struct nb_module *find(const char *type, struct nb_error *e)
{
    int i = nb_module_find(type);
    const struct nb_module *m = i < 0 ? NULL : nb_module_at(NB_F64, i);
    if (!m)
        nb_fail(e, NB_E_unknown_path, "there is no module called %.60s", type);
    else if (!m->pointwise)
        nb_fail(e, NB_E_unknown_path, "%s has no curve: it is not one number in, one number out", type);
    return m && m->pointwise ? m : NULL;
}

/* "ReLU,ELU". Returns how many, or -1. */
static int read_types(struct nb_request *rq, struct nb_curve curves[NB_MAX_CURVES], struct nb_error *e)
{
    int n = 0;
    char *rest, *list = nb_strdup(rq->arena, rq->path[0], e);
    if (!list)
        return -1;
    for (char *s = strtok_r(list, ",", &rest); s; s = strtok_r(NULL, ",", &rest)) {
        if (n == NB_MAX_CURVES)
            return nb_fail(e, NB_E_unknown_path, "at most %d modules in one picture", (int)NB_MAX_CURVES);
        curves[n] = (struct nb_curve){.module = find(s, e)};
        if (!curves[n++].module)
            return -1;
    }
    return n ? n : nb_fail(e, NB_E_unknown_path, "no module is named");
}

/* ---- the query ------------------------------------------------------------------------------------------------- */

static bool has_argument(const struct nb_module *m, const char *name)
{
    for (const struct nb_arg *a = m->args; a && a->name; a++)
        if (!strcmp(a->name, name))
            return true;
    return false;
}

/* A JSON value, or else the text itself. */
static json_t *value_of(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    return v ? v : json_string(text);
}

/* An argument goes to every module that has it. */
static int take_argument(struct nb_curve *curves, int n, const struct nb_pair *q, struct nb_error *e)
{
    bool taken = false;
    for (int i = 0; i < n; i++)
        if (has_argument(curves[i].module, q->name)) {
            json_object_set_new(curves[i].args, q->name, value_of(q->value));
            taken = true;
        }
    if (taken)
        return 0;
    nb_fail(e, NB_E_bad_parameter, "%.60s is neither from, to, points nor an argument of the module", q->name);
    return nb_at(e, q->name);
}

static int read_number(const struct nb_pair *q, double *to, struct nb_error *e)
{
    char *end;
    double v = strtod(q->value, &end);
    if (end == q->value || *end || !(fabs(v) <= 1e6))
        return bad_query(e, q->name, "a number of at most 1e6", q->value);
    *to = v;
    return 0;
}

static int read_points(const struct nb_pair *q, int64_t *to, struct nb_error *e)
{
    char *end;
    *to = strtoll(q->value, &end, 10);
    if (end == q->value || *end || *to < 2 || *to > MOST_POINTS)
        return bad_query(e, q->name, "a whole number from 2 to 10000", q->value);
    return 0;
}

/* Wide enough for all, unless the query says otherwise. */
static void default_interval(const struct nb_curve *curves, int n, struct interval *in)
{
    *in = (struct interval){INFINITY, -INFINITY, POINTS};
    for (int i = 0; i < n; i++) {
        const struct nb_module *m = curves[i].module;
        bool preset = m->lo == 0 && m->hi == 0;
        in->from = fmin(in->from, preset ? -4 : m->lo);
        in->to = fmax(in->to, preset ? 4 : m->hi);
    }
}

static int read_query(struct nb_request *rq, struct nb_curve *curves, int n, struct interval *in, struct nb_error *e)
{
    default_interval(curves, n, in);
    for (size_t i = 0; i < rq->nquery; i++) {
        const struct nb_pair *q = &rq->query[i];
        int r = !strcmp(q->name, "from")     ? read_number(q, &in->from, e)
                : !strcmp(q->name, "to")     ? read_number(q, &in->to, e)
                : !strcmp(q->name, "points") ? read_points(q, &in->points, e)
                                             : take_argument(curves, n, q, e);
        if (r)
            return -1;
    }
    return in->from < in->to ? 0
                             : nb_fail(e, NB_E_bad_parameter, "from (%g) must be less than to (%g)", in->from, in->to);
}

/* ---- the numbers ----------------------------------------------------------------------------------------------- */

/* {"inputs":{"x":["N"]},"nodes":{"h":{"op":TYPE,"in":"x",...}},"outputs":["h"],"dtype":"float64"} */
static json_t *description(const struct nb_curve *c)
{
    json_t *node = json_pack("{s:s,s:s}", "op", c->module->type, "in", "x");
    json_object_update(node, c->args);
    return json_pack("{s:{s:[s]},s:{s:o},s:[s],s:s}", "inputs", "x", "N", "nodes", "h", node, "outputs", "h", "dtype",
                     "float64");
}

static struct nb_graph *make_graph(struct nb_request *rq, const struct nb_curve *c, struct nb_error *e)
{
    json_t *d = description(c);
    if (nb_keep_json(rq, d, e))
        return NULL;
    struct nb_graph *g = nb_graph_new(d, NULL, (struct nb_seed){0, 0}, e);
    if (!g) { /* the place is an argument: a parameter of the query */
        const char *name = strrchr(e->pointer, '/');
        e->code = NB_E_bad_parameter;
        memmove(e->pointer, name ? name : "", strlen(name ? name : "") + 1);
        return NULL;
    }
    return nb_keep_graph(rq, g, e) ? NULL : g;
}

/* The grid, and behind it the kinks. */
static double *make_x(struct nb_request *rq, struct nb_curve *c, const struct interval *in, struct nb_error *e)
{
    void *args;
    double kinks[NB_MAX_KINKS];
    if (nb_args_read(c->module, c->args, false, NULL, rq->arena, &args, e))
        return NULL;
    c->kinks = nb_kinks_find(c->module, args, in->from, in->to, kinks);
    c->n = in->points;
    double *x = nb_alloc(rq->arena, (size_t)(c->n + c->kinks), sizeof *x, e);
    for (int64_t i = 0; x && i < c->n; i++)
        x[i] = in->from + (in->to - in->from) * ((double)i / (double)(c->n - 1));
    for (int k = 0; x && k < c->kinks; k++)
        x[c->n + k] = kinks[k];
    return x;
}

static int evaluate(struct nb_request *rq, struct nb_graph *g, const struct nb_curve *c, double *x, struct nb_result *r,
                    struct nb_error *e)
{
    const struct nb_shape s = nb_shape_of(1, c->n + c->kinks);
    struct nb_run run = {.cotangents_given = true};
    double *ones = nb_alloc(rq->arena, (size_t)s.dim[0], sizeof *ones, e);
    if (!ones)
        return -1;
    for (int64_t i = 0; i < s.dim[0]; i++)
        ones[i] = 1;
    if (nb_tensors_add(rq->arena, &run.inputs, "x", (struct nb_tensor){NB_F64, s, x}, e) ||
        nb_tensors_add(rq->arena, &run.cotangents, "h", (struct nb_tensor){NB_F64, s, ones}, e))
        return -1;
    return (c->module->backward ? nb_graph_backward : nb_graph_forward)(g, &run, rq->arena, r, e);
}

static int fill(struct nb_request *rq, struct nb_curve *c, const struct interval *in, struct nb_error *e)
{
    struct nb_result r = {0};
    struct nb_graph *g = make_graph(rq, c, e);
    double *x = g ? make_x(rq, c, in, e) : NULL;
    if (!x || evaluate(rq, g, c, x, &r, e))
        return -1;
    const struct nb_tensor *h = nb_tensors_find(&r.outputs, "h"), *slope = nb_tensors_find(&r.gradients, "x");
    c->x = x;
    c->h = h->data;
    c->slope = slope ? slope->data : NULL;
    for (int k = 0; k < c->kinks; k++) {
        c->kink[k].x = x[c->n + k];
        c->kink[k].h = c->h[c->n + k];
        c->kink[k].slope = c->slope ? c->slope[c->n + k] : 0;
    }
    return 0;
}

/* ---- the reply ------------------------------------------------------------------------------------------------- */

static void put_numbers(struct nb_writer *w, const char *key, const double *v, int64_t n)
{
    struct nb_tensor t = {NB_F64, nb_shape_of(1, n), (void *)(uintptr_t)v};
    nb_w_key(w, key);
    if (v)
        nb_put_tensor(&w->text, &t, w->e);
    else
        nb_put(&w->text, "null", w->e);
    w->comma = true;
}

static void put_curve(struct nb_writer *w, const struct nb_curve *c)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "type", c->module->type);
    nb_w_key(w, "arguments");
    nb_w_json(w, c->args);
    nb_w_string_at(w, "formula", c->module->formula);
    put_numbers(w, "h", c->h, c->n);
    put_numbers(w, "derivative", c->slope, c->n);
    nb_w_key(w, "kinks");
    nb_w_open(w, '[');
    for (int k = 0; k < c->kinks; k++) {
        nb_w_open(w, '{');
        nb_w_number_at(w, "x", c->kink[k].x);
        nb_w_number_at(w, "h", c->kink[k].h);
        nb_w_number_at(w, "derivative", c->kink[k].slope);
        nb_w_close(w, '}');
    }
    nb_w_close(w, ']');
    nb_w_close(w, '}');
}

static int reply_json(struct nb_request *rq, struct nb_reply *rp, const struct nb_curve *c, int n, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    put_numbers(&w, "x", c->x, c->n);
    nb_w_key(&w, "curves");
    nb_w_open(&w, '[');
    for (int i = 0; i < n; i++)
        put_curve(&w, &c[i]);
    nb_w_close(&w, ']');
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

static int reply_svg(struct nb_request *rq, struct nb_reply *rp, const struct nb_curve *c, int n, struct nb_error *e)
{
    struct nb_text t = {.arena = rq->arena};
    if (nb_curve_svg(&t, c, n, e))
        return -1;
    nb_reply_text(rp, NB_SVG, t.v, t.n);
    return 0;
}

int nb_op_getCurve(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const types[] = {NB_JSON, NB_SVG, NULL};
    struct nb_curve curves[NB_MAX_CURVES];
    struct interval in;
    int type = nb_accept(rq, types, e), n = type < 0 ? -1 : read_types(rq, curves, e);
    for (int i = 0; i < n; i++)
        if (nb_keep_json(rq, curves[i].args = json_object(), e))
            return -1;
    if (n < 0 || read_query(rq, curves, n, &in, e))
        return -1;
    for (int i = 0; i < n; i++)
        if (fill(rq, &curves[i], &in, e))
            return -1;
    rp->vary = true;
    return (type ? reply_svg : reply_json)(rq, rp, curves, n, e);
}
