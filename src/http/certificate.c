/* certificate.c - what a verdict rests on, and all it takes to come to it again. No times and no names of hosts: the
 * same request gets the same bytes. */
#include "http/digest.h"
#include "http/replay.h"
#include "http/terms.h"
#include "http/verdicts.h"
#include "nabla/blas.h"
#include <gnu/libc-version.h>
#include <math.h>
#include <string.h>

/* ---- what a checker knows of itself ------------------------------------------------------------------------------ */

static void put_range(struct nb_writer *w, const char *key, double low, double high)
{
    nb_w_key(w, key);
    nb_w_open(w, '[');
    nb_w_number(w, low, NB_F64);
    nb_w_number(w, high, NB_F64);
    nb_w_close(w, ']');
}

static void put_oracles(struct nb_writer *w, const struct nb_facts *f)
{
    nb_w_key(w, "oracles");
    nb_w_open(w, '{');
    if (f->complex_evaluations) {
        nb_w_key(w, "complex");
        nb_w_open(w, '{');
        nb_w_number_at(w, "h", 0x1p-664);
        nb_w_whole_at(w, "evaluations", f->complex_evaluations);
        nb_w_close(w, '}');
    }
    if (f->double_evaluations) {
        nb_w_key(w, "differences");
        nb_w_open(w, '{');
        if (f->h_high > 0) {
            put_range(w, "h", f->h_low, f->h_high);
            nb_w_whole_at(w, "halvings", f->halvings);
        }
        nb_w_whole_at(w, "evaluations", f->double_evaluations);
        nb_w_close(w, '}');
    }
    nb_w_close(w, '}');
}

static void put_constants(struct nb_writer *w, const struct nb_facts *f)
{
    nb_w_key(w, "constants");
    nb_w_open(w, '{');
    if (f->rho > 0)
        nb_w_number_at(w, "rho", f->rho);
    if (f->r_max > 0)
        nb_w_number_at(w, "r_max", f->r_max);
    nb_w_whole_at(w, "K", 16);
    nb_w_close(w, '}');
}

static void put_swept(struct nb_writer *w, const struct nb_swept *s)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "node", s->node);
    nb_w_string_at(w, "port", s->port);
    nb_w_string_at(w, "structure", s->structure);
    nb_w_whole_at(w, "colours", s->colours);
    nb_w_whole_at(w, "entries", s->entries);
    if (s->refuted)
        nb_w_bool_at(w, "refuted", true);
    nb_w_close(w, '}');
}

static void put_structure(struct nb_writer *w, const struct nb_facts *f)
{
    nb_w_key(w, "structure");
    nb_w_open(w, '[');
    for (size_t i = 0; i < f->nswept; i++)
        put_swept(w, &f->swept[i]);
    nb_w_close(w, ']');
    nb_w_key(w, "leaks");
    nb_w_open(w, '{');
    nb_w_whole_at(w, "evaluations", f->leak_evaluations);
    nb_w_whole_at(w, "found", f->leaks);
    nb_w_close(w, '}');
}

static void put_coverage(struct nb_writer *w, const struct nb_facts *f)
{
    static const char *const kinds[] = {NULL, "every", "signed", "sampled"};
    nb_w_key(w, "coverage");
    nb_w_open(w, '{');
    if (kinds[f->coverage])
        nb_w_string_at(w, "kind", kinds[f->coverage]);
    if (f->method)
        nb_w_string_at(w, "by", f->method);
    nb_w_whole_at(w, "entries", f->judged);
    nb_w_whole_at(w, "of", f->asked);
    if (f->nswept)
        put_structure(w, f);
    nb_w_whole_at(w, "directions", f->directions);
    nb_w_whole_at(w, "spots", f->spots);
    if (f->points)
        nb_w_whole_at(w, "points", f->points);
    nb_w_close(w, '}');
}

static void put_kink(struct nb_writer *w, const struct nb_kink_met *k)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "node", k->node);
    nb_w_string_at(w, "port", k->port);
    nb_w_whole_at(w, "index", k->index);
    nb_w_number_at(w, "value", k->value);
    if (!isnan(k->convention)) /* what a function elsewhere takes is not known */
        nb_w_number_at(w, "convention", k->convention);
    put_range(w, "interval", k->low, k->high);
    nb_w_close(w, '}');
}

static void put_kinks(struct nb_writer *w, const struct nb_facts *f)
{
    nb_w_key(w, "kinks");
    nb_w_open(w, '[');
    for (size_t i = 0; i < f->nkinks; i++)
        put_kink(w, &f->kinks[i]);
    nb_w_close(w, ']');
}

/* What the bits of a number depend on besides. Not how many workers there are: nothing depends on that. */
static void put_machine(struct nb_writer *w)
{
    char libc[40];
    snprintf(libc, sizeof libc, "glibc %s", gnu_get_libc_version());
    nb_w_key(w, "machine");
    nb_w_open(w, '{');
    nb_w_string_at(w, "blas", nb_blas_config());
    nb_w_string_at(w, "core", nb_blas_core());
    nb_w_string_at(w, "flavour", nb_blas_flavour());
    nb_w_whole_at(w, "threads", 1);
    nb_w_string_at(w, "libc", libc);
#ifdef __clang__
    nb_w_string_at(w, "compiler", __VERSION__);
#else
    nb_w_string_at(w, "compiler", "gcc " __VERSION__);
#endif
    nb_w_string_at(w, "isa", nb_isa());
    nb_w_close(w, '}');
}

void nb_w_facts(struct nb_writer *w, const struct nb_verdicts *v)
{
    put_oracles(w, &v->facts);
    put_constants(w, &v->facts);
    put_coverage(w, &v->facts);
    put_kinks(w, &v->facts);
    put_machine(w);
}

/* ---- what was asked ---------------------------------------------------------------------------------------------- */

/* The same tensors as doubles, so that they read back bit by bit. */
static void put_tensors(struct nb_writer *w, const struct nb_tensors *l)
{
    struct nb_arena *a = w->text.arena;
    struct nb_tensors doubles = {0};
    for (size_t i = 0; i < l->n; i++) {
        struct nb_tensor t;
        if (nb_tensor_new(a, NB_F64, &l->v[i].t.shape, &t, w->e))
            return;
        nb_convert(NB_F64, t.data, l->v[i].t.dtype, l->v[i].t.data, (size_t)nb_count(&t.shape));
        if (nb_tensors_add(a, &doubles, l->v[i].name, t, w->e))
            return;
    }
    nb_w_tensors_at(w, "tensors", &doubles);
}

void nb_w_origin(struct nb_writer *w, const char *key, const char *from, const struct nb_tensors *l, bool show)
{
    char hash[NB_HASH_SIZE];
    nb_w_key(w, key);
    nb_w_open(w, '{');
    nb_w_string_at(w, "from", from);
    if (l && !nb_digest(l, w->text.arena, hash, w->e))
        nb_w_string_at(w, "sha256", hash);
    if (l && show)
        put_tensors(w, l);
    nb_w_close(w, '}');
}

/* Tensors of the request, and those that were drawn. */
static void put_drawn(struct nb_writer *w, const char *key, const struct nb_tensors *came,
                      const struct nb_tensors *drawn, bool show)
{
    struct nb_tensors all = {0};
    for (size_t i = 0; i < came->n; i++)
        nb_tensors_add(w->text.arena, &all, came->v[i].name, came->v[i].t, w->e);
    for (size_t i = 0; i < drawn->n; i++)
        if (!nb_tensors_find(came, drawn->v[i].name))
            nb_tensors_add(w->text.arena, &all, drawn->v[i].name, drawn->v[i].t, w->e);
    nb_w_origin(w, key, !came->n ? "sample" : all.n > came->n ? "both" : "request", &all, show);
}

/* The digest is that of lines "NAME FORMULA". */
static void put_formulas(struct nb_writer *w, const struct nb_submission *s)
{
    struct nb_text t = {.arena = w->text.arena};
    char hash[NB_HASH_SIZE];
    for (size_t i = 0; i < s->nexpressions; i++)
        if (nb_put(&t, s->expressions[i].name, w->e) || nb_put(&t, " ", w->e) ||
            nb_put(&t, s->expressions[i].text, w->e) || nb_put(&t, "\n", w->e))
            return;
    nb_files_hash(t.v, t.n, hash);
    nb_w_key(w, "candidate");
    nb_w_open(w, '{');
    nb_w_string_at(w, "from", "formulas");
    nb_w_string_at(w, "sha256", hash);
    nb_w_close(w, '}');
}

static void put_candidate(struct nb_writer *w, const struct nb_asked *ask, const struct nb_verdicts *v, bool show)
{
    struct nb_tensors own = {0};
    if (ask->grading.submission.nexpressions) {
        put_formulas(w, &ask->grading.submission);
        return;
    }
    if (ask->check.gradients.n) {
        nb_w_origin(w, "candidate", "request", &ask->check.gradients, show);
        return;
    }
    for (size_t i = 0; i < v->n; i++)
        if (v->v[i].candidate)
            nb_tensors_add(w->text.arena, &own, v->v[i].name,
                           (struct nb_tensor){NB_F64, v->v[i].shape, v->v[i].candidate}, w->e);
    /* To hash a Jacobian takes a third as long as to check it, and it follows from the rest. */
    nb_w_origin(w, "candidate", "backward", ask->check.jacobian && !show ? NULL : &own, show && !ask->bare);
}

static void put_origins(struct nb_writer *w, const struct nb_asked *ask, const struct nb_verdicts *v)
{
    const struct nb_check *c = &ask->check;
    bool show = ask->detail == NB_DETAIL_ALL;
    put_drawn(w, "point", &c->run.inputs, &v->point, show);
    if (c->run.loss)
        nb_w_origin(w, "cotangent", "loss", NULL, false);
    else
        put_drawn(w, "cotangent", &c->run.cotangents, &v->cotangents, show);
    put_candidate(w, ask, v, show);
    if (c->order == 2)
        put_drawn(w, "direction", &c->direction, &v->direction, show);
}

void nb_w_certificate(struct nb_writer *w, const struct nb_asked *ask, const struct nb_verdicts *v)
{
    char hash[NB_HASH_SIZE], text[NB_HASH_SIZE + 8], seed[33];
    if (nb_digest_graph(ask->g, w->text.arena, hash, w->e))
        return;
    snprintf(text, sizeof text, "sha256:%s", hash);
    nb_w_open(w, '{');
    nb_w_string_at(w, "nablad", PACKAGE_VERSION);
    nb_w_string_at(w, "graph", text);
    nb_w_string_at(w, "seed", nb_seed_text(ask->check.run.seed, seed));
    put_origins(w, ask, v);
    nb_w_string_at(w, "dtype", nb_dtype_name(nb_graph_dtype(ask->g)));
    nb_w_string_at(w, "method", nb_method_name(ask->check.method));
    nb_w_whole_at(w, "order", ask->check.order == 2 ? 2 : 1);
    nb_w_terms(w, ask);
    nb_w_facts(w, v);
    nb_w_close(w, '}');
}
