/* check.c - is the gradient right? The verdict on the wire. */
#include "http/handlers.h"
#include "nabla/blas.h"
#include <inttypes.h>
#include <string.h>

static struct nb_shape index_of(const struct nb_shape *shape, int64_t i)
{
    struct nb_shape index = {.rank = shape->rank};
    for (int d = shape->rank - 1; d >= 0; d--) {
        index.dim[d] = i % shape->dim[d];
        i /= shape->dim[d];
    }
    return index;
}

static void put_worst(struct nb_writer *w, const struct nb_checked *c)
{
    struct nb_shape index = index_of(&c->shape, c->worst);
    nb_w_key(w, "worst");
    nb_w_open(w, '{');
    nb_w_shape_at(w, "index", &index);
    nb_w_number_at(w, "got", c->candidate[c->worst]);
    nb_w_number_at(w, "expected", c->value[c->worst]);
    nb_w_number_at(w, "error_bar", c->bar[c->worst]);
    nb_w_key(w, "oracles");
    nb_w_open(w, '{');
    nb_w_number_at(w, "complex", c->complex_step);
    nb_w_number_at(w, "differences", c->differences);
    nb_w_close(w, '}');
    nb_w_close(w, '}');
}

static void put_checked(struct nb_writer *w, const struct nb_checked *c)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "verdict", nb_verdict_name(c->verdict));
    if (c->reason)
        nb_w_string_at(w, "reason", nb_reason_name(c->reason));
    nb_w_shape_at(w, "shape", &c->shape);
    nb_w_whole_at(w, "right", c->right);
    nb_w_whole_at(w, "wrong", c->wrong);
    nb_w_whole_at(w, "cannot_tell", c->cannot_tell);
    nb_w_whole_at(w, "silent", c->silent);
    if (c->judged && c->worst >= 0) {
        nb_w_number_at(w, "largest_error", c->largest_error);
        put_worst(w, c);
    }
    if (c->place)
        nb_w_string_at(w, "place", c->place);
    nb_w_close(w, '}');
}

static void put_machine(struct nb_writer *w)
{
    nb_w_key(w, "machine");
    nb_w_open(w, '{');
    nb_w_string_at(w, "blas", nb_blas_config());
    nb_w_string_at(w, "core", nb_blas_core());
    nb_w_string_at(w, "flavour", nb_blas_flavour());
    nb_w_string_at(w, "isa", nb_isa());
    nb_w_close(w, '}');
}

/* "fc.weight: 3 of 12 entries wrong", for one tensor that is not right. */
static int tell_one(struct nb_text *t, const struct nb_checked *c, struct nb_error *e)
{
    int64_t of = nb_count(&c->shape), n = c->verdict == NB_WRONG ? c->wrong : c->cannot_tell;
    char count[100];
    snprintf(count, sizeof count, ": %" PRId64 " of %" PRId64 " entries %s", n, of,
             c->verdict == NB_WRONG ? "wrong" : "cannot be told");
    if (nb_put(t, t->n ? "; " : "", e) || nb_put(t, c->name, e) || nb_put(t, count, e))
        return -1;
    if (c->reason && (nb_put(t, " (", e) || nb_put(t, nb_reason_name(c->reason), e) || nb_put(t, ")", e)))
        return -1;
    return 0;
}

static int tell_right(struct nb_text *t, const struct nb_verdicts *v, struct nb_error *e)
{
    char all[100];
    int64_t entries = 0;
    for (size_t i = 0; i < v->n; i++)
        entries += v->v[i].right;
    snprintf(all, sizeof all, "%" PRId64 " entries of %zu tensors are right", entries, v->n);
    return nb_put(t, all, e);
}

/* One sentence: the tensors that decide the verdict. */
static const char *summary(struct nb_request *rq, const struct nb_verdicts *v, struct nb_error *e)
{
    struct nb_text t = {.arena = rq->arena};
    if (v->verdict == NB_RIGHT && tell_right(&t, v, e))
        return NULL;
    for (size_t i = 0; i < v->n && v->verdict != NB_RIGHT && t.n < 500; i++)
        if (v->v[i].verdict == v->verdict && tell_one(&t, &v->v[i], e))
            return NULL;
    return nb_putn(&t, ".", 2, e) ? NULL : t.v;
}

static void put_point(struct nb_writer *w, const struct nb_check *c, const struct nb_verdicts *v)
{
    char seed[33];
    nb_w_string_at(w, "seed", nb_seed_text(c->run.seed, seed));
    if (v->point.n)
        nb_w_tensors_at(w, "point", &v->point);
    if (v->cotangents.n)
        nb_w_tensors_at(w, "cotangents", &v->cotangents);
}

static int reply(struct nb_request *rq, const struct nb_asked *ask, const struct nb_verdicts *v, struct nb_reply *rp,
                 struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "verdict", nb_verdict_name(v->verdict));
    nb_w_string_at(&w, "summary", summary(rq, v, e));
    nb_w_key(&w, "tensors");
    nb_w_open(&w, '{');
    for (size_t i = 0; i < v->n; i++) {
        nb_w_key(&w, v->v[i].name);
        put_checked(&w, &v->v[i]);
    }
    nb_w_close(&w, '}');
    put_point(&w, &ask->check, v);
    nb_w_bool_at(&w, "oracles_agree", v->self_ok);
    nb_w_whole_at(&w, "evaluations", v->facts.complex_evaluations);
    nb_w_strings_at(&w, "warnings", v->warnings.n, v->warnings.v);
    put_machine(&w);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

static int check(struct nb_request *rq, struct nb_reply *rp, const struct nb_asked *ask, struct nb_error *e)
{
    static const char *const json[] = {NB_JSON, NULL};
    struct nb_verdicts v = {0};
    if (nb_accept(rq, json, e) < 0 || nb_check_run(ask->g, &ask->check, rq->arena, &v, e))
        return -1;
    return reply(rq, ask, &v, rp, e);
}

int nb_op_checkGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_graph *g = nb_stored_graph(rq, NULL, e);
    struct nb_asked *ask = g ? nb_decode(rq, NB_CHECK, e) : NULL;
    if (!ask)
        return -1;
    ask->g = g;
    return check(rq, rp, ask, e) ? nb_stored_place(e) : 0;
}

int nb_op_check(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_asked *ask = nb_decode(rq, NB_CHECK | NB_HERE, e);
    if (!ask || !(ask->g = nb_body_graph(rq, ask, e)))
        return -1;
    return check(rq, rp, ask, e);
}
