/* diagnose.c - what the lecture says about training, measured: dead, saturated, not centred, vanishing, exploding. */
#include "check/vitals.h"
#include "http/diagnose_svg.h"
#include "http/handlers.h"
#include <math.h>

struct diagnosed {
    const struct nb_asked *ask;
    struct nb_vitals o;
};

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void number_or_null(struct nb_writer *w, const char *key, double v)
{
    if (isnan(v))
        nb_w_string_at(w, key, NULL);
    else
        nb_w_number_at(w, key, v);
}

static void put_activation(struct nb_writer *w, const struct nb_vital *x)
{
    nb_w_key(w, "activation");
    nb_w_open(w, '{');
    nb_w_number_at(w, "mean", x->mean);
    nb_w_number_at(w, "spread", x->spread);
    nb_w_number_at(w, "min", x->min);
    nb_w_number_at(w, "max", x->max);
    nb_w_bool_at(w, "centred", x->centred);
    if (x->not_finite)
        nb_w_whole_at(w, "not_finite", x->not_finite);
    nb_w_key(w, "histogram");
    nb_w_open(w, '[');
    for (int i = 0; i < NB_VITAL_BINS; i++)
        nb_w_whole(w, x->bin[i]);
    nb_w_close(w, ']');
    nb_w_close(w, '}');
}

static void put_stuck(struct nb_writer *w, const struct nb_vital *x)
{
    if (x->kind == NB_RECTIFIER) {
        nb_w_key(w, "dead");
        nb_w_open(w, '{');
        nb_w_whole_at(w, "units", x->units);
        nb_w_whole_at(w, "dead_units", x->dead_units);
        nb_w_number_at(w, "unit_share", x->units ? (double)x->dead_units / (double)x->units : 0);
        nb_w_number_at(w, "entry_share", x->dead);
        nb_w_close(w, '}');
    } else if (x->kind != NB_PLAIN) {
        nb_w_number_at(w, "saturated", x->saturated);
    }
}

static void put_advice(struct nb_writer *w, unsigned bits)
{
    nb_w_key(w, "advice");
    nb_w_open(w, '[');
    for (int i = 0; i < NB_ADVICES; i++)
        if (bits >> i & 1) {
            nb_w_open(w, '{');
            nb_w_string_at(w, "code", nb_advices[i].code);
            nb_w_string_at(w, "text", nb_advices[i].text);
            nb_w_close(w, '}');
        }
    nb_w_close(w, ']');
}

static void put_node(struct nb_writer *w, const struct nb_vital *x)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "node", x->node);
    nb_w_string_at(w, "type", x->type);
    nb_w_shape_at(w, "shape", &x->shape);
    put_activation(w, x);
    put_stuck(w, x);
    nb_w_key(w, "gradient");
    nb_w_open(w, '{');
    number_or_null(w, "mean_size", x->reached ? x->gradient : NAN);
    number_or_null(w, "ratio", x->reached ? x->ratio : NAN);
    if (x->inside) {
        nb_w_whole_at(w, "steps", x->steps);
        number_or_null(w, "through_time", x->through_time);
    }
    nb_w_string_at(w, "verdict", nb_flow_name(x->verdict));
    nb_w_close(w, '}');
    put_advice(w, x->advice);
    nb_w_close(w, '}');
}

static void put_rules(struct nb_writer *w)
{
    nb_w_key(w, "rules");
    nb_w_open(w, '{');
    nb_w_number_at(w, "saturated_below", NB_SATURATED_BELOW);
    nb_w_number_at(w, "certain_above", NB_CERTAIN_ABOVE);
    nb_w_number_at(w, "centred_within", NB_CENTRED_WITHIN);
    nb_w_number_at(w, "vanishing_below", NB_VANISHING_BELOW);
    nb_w_number_at(w, "exploding_above", NB_EXPLODING_ABOVE);
    nb_w_close(w, '}');
}

static int write_json(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e)
{
    const struct diagnosed *d = result;
    struct nb_writer w = nb_writer(rq->arena, e);
    char seed[33];
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "verdict", nb_flow_name(d->o.verdict));
    if (d->o.loss_name) {
        nb_w_key(&w, "loss");
        nb_w_number(&w, d->o.loss, nb_graph_dtype(d->ask->g));
        nb_w_string_at(&w, "loss_name", d->o.loss_name);
    }
    nb_w_string_at(&w, "measured_by", d->o.last >= 0 ? d->o.v[d->o.last].node : NULL);
    nb_w_key(&w, "nodes");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < d->o.n; i++)
        put_node(&w, &d->o.v[i]);
    nb_w_close(&w, ']');
    put_advice(&w, d->o.advice);
    put_rules(&w);
    if (d->o.noise || (d->ask->graph && nb_graph_parameters(d->ask->g)->n > d->ask->parameters.n))
        nb_w_string_at(&w, "seed", nb_seed_text(d->ask->check.run.seed, seed));
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

/* ---- the handlers ------------------------------------------------------------------------------------------------ */

static int write_svg(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e)
{
    const struct diagnosed *d = result;
    struct nb_text t = {.arena = rq->arena};
    if (nb_diagnose_svg(&t, &d->o, e))
        return -1;
    nb_reply_text(rp, NB_SVG, t.v, t.n);
    return 0;
}

static int diagnose(struct nb_request *rq, struct nb_reply *rp, const struct nb_asked *ask, struct nb_error *e)
{
    static const struct nb_form forms[] = {{NB_JSON, write_json}, {NB_SVG, write_svg}, {NULL, NULL}};
    struct diagnosed d = {.ask = ask};
    int form = nb_forms_accept(rq, forms, e);
    if (form < 0 || nb_vitals_take(ask->g, &ask->check.run, rq->arena, &d.o, e))
        return -1;
    return nb_forms_write(rq, forms, form, &d, rp, e);
}

int nb_op_diagnoseGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_graph *g = nb_stored_graph(rq, NULL, e);
    struct nb_asked *ask = g ? nb_decode(rq, NB_BACKWARD, e) : NULL;
    if (!ask)
        return -1;
    ask->g = g;
    return diagnose(rq, rp, ask, e) ? nb_stored_place(e) : 0;
}

int nb_op_diagnose(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_asked *ask = nb_decode(rq, NB_BACKWARD | NB_HERE, e);
    return ask && (ask->g = nb_body_graph(rq, ask, e)) ? diagnose(rq, rp, ask, e) : -1;
}
