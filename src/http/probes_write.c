/* probes_write.c - the questions of a round, as edits of bases or as whole points, in JSON or as tensors; the end. */
#include "http/probes.h"
#include "http/tensorfile.h"
#include "http/verdicts.h"
#include <string.h>

enum { BYTES_OF_AN_EDIT = 40, BYTES_OF_A_NUMBER = 22 };

const char *nb_function_text(const struct nb_probed *f, struct nb_arena *a, struct nb_error *e)
{
    struct nb_writer w = nb_writer(a, e);
    nb_w_open(&w, '{');
    nb_w_key(&w, "inputs");
    nb_w_open(&w, '{');
    for (size_t i = 0; i < f->nin; i++) {
        nb_w_key(&w, f->in[i].name);
        nb_w_open(&w, '{');
        nb_w_shape_at(&w, "shape", &f->in[i].shape);
        nb_w_key(&w, "interval");
        nb_w_open(&w, '[');
        nb_w_number(&w, f->in[i].low, NB_F64);
        nb_w_number(&w, f->in[i].high, NB_F64);
        nb_w_close(&w, ']');
        nb_w_close(&w, '}');
    }
    nb_w_close(&w, '}');
    nb_w_key(&w, "outputs");
    nb_w_open(&w, '{');
    for (size_t i = 0; i < f->nout; i++) {
        nb_w_key(&w, f->out[i].name);
        nb_w_open(&w, '{');
        nb_w_shape_at(&w, "shape", &f->out[i].shape);
        nb_w_close(&w, '}');
    }
    nb_w_close(&w, '}');
    nb_w_close(&w, '}');
    return nb_putn(&w.text, "", 1, e) ? NULL : w.text.v;
}

int nb_probes_accept(const struct nb_request *rq, struct nb_error *e)
{
    return nb_accept(rq, nb_tensor_types, e);
}

/* ---- what every form of the questions has ------------------------------------------------------------------------ */

static void put_head(struct nb_writer *w, const struct nb_probe_set *s)
{
    nb_w_string_at(w, "id", s->id);
    nb_w_string_at(w, "state", "asking");
    nb_w_whole_at(w, "round", nb_probes_round(s->p));
    nb_w_whole_at(w, "rounds_left", NB_MOST_ROUNDS - nb_probes_round(s->p));
    nb_w_string_at(w, "expires", s->expires);
}

static void put_bases(struct nb_writer *w, const struct nb_probes *p, const char *key,
                      const struct nb_tensors *(*of)(const struct nb_probes *, int))
{
    nb_w_key(w, key);
    nb_w_open(w, '[');
    for (int b = 0; b < nb_probes_bases(p); b++)
        nb_w_tensors(w, of(p, b));
    nb_w_close(w, ']');
}

static void put_want(struct nb_writer *w, const struct nb_probes *p)
{
    const struct nb_probed *f = nb_probes_function(p);
    bool some = false;
    for (int b = 0; b < nb_probes_bases(p); b++)
        some |= nb_probes_wants_gradient(p, b);
    nb_w_key(w, "want");
    nb_w_open(w, '{');
    nb_w_key(w, "outputs");
    nb_w_open(w, '[');
    for (size_t i = 0; i < f->nout; i++)
        nb_w_string(w, f->out[i].name);
    nb_w_close(w, ']');
    nb_w_key(w, "gradients");
    nb_w_open(w, '[');
    for (size_t i = 0; i < f->nin && some; i++)
        if (f->in[i].wrt)
            nb_w_string(w, f->in[i].name);
    nb_w_close(w, ']');
    nb_w_key(w, "gradients_at");
    nb_w_open(w, '[');
    for (int b = 0; b < nb_probes_bases(p); b++)
        if (nb_probes_wants_gradient(p, b))
            nb_w_whole(w, b);
    nb_w_close(w, ']');
    nb_w_close(w, '}');
}

/* ---- edits ------------------------------------------------------------------------------------------------------- */

/* ["x", [0, 2], 0.4885]; with complex arguments the number is {"re": 0.4885, "im": 1e-200}. */
static void put_edit(struct nb_writer *w, const struct nb_probed *f, const struct nb_edit *x)
{
    const struct nb_probed_input *in = &f->in[x->input];
    struct nb_shape index = nb_index_of(&in->shape, x->index);
    nb_w_open(w, '[');
    nb_w_string(w, in->name);
    nb_w_open(w, '[');
    for (int d = 0; d < index.rank; d++)
        nb_w_whole(w, index.dim[d]);
    nb_w_close(w, ']');
    if (x->im != 0) {
        nb_w_open(w, '{');
        nb_w_number_at(w, "re", x->re);
        nb_w_number_at(w, "im", x->im);
        nb_w_close(w, '}');
    } else {
        nb_w_number(w, x->re, NB_F64);
    }
    nb_w_close(w, ']');
}

static struct nb_edit *edits_of(const struct nb_probes *p, size_t probe, int64_t *n, struct nb_edit **room,
                                size_t *most, struct nb_arena *a, struct nb_error *e)
{
    *n = nb_probe_edits(p, probe);
    if ((size_t)*n > *most) {
        *most = 2 * (size_t)*n;
        *room = nb_small(a, *most, sizeof **room, e);
    }
    if (*room)
        nb_probe_edit(p, probe, *room);
    return *room;
}

static void put_probes(struct nb_writer *w, const struct nb_probes *p)
{
    const struct nb_probed *f = nb_probes_function(p);
    size_t most = 64;
    struct nb_edit *room = nb_small(w->text.arena, most, sizeof *room, w->e);
    int64_t n;
    nb_w_key(w, "probes");
    nb_w_open(w, '[');
    for (size_t i = 0; i < nb_probes_count(p) && room && !w->e->code; i++) {
        nb_w_open(w, '{');
        nb_w_whole_at(w, "base", nb_probe_base(p, i));
        if (!edits_of(p, i, &n, &room, &most, w->text.arena, w->e))
            return;
        if (n) {
            nb_w_key(w, "set");
            nb_w_open(w, '[');
            for (int64_t k = 0; k < n; k++)
                put_edit(w, f, &room[k]);
            nb_w_close(w, ']');
        }
        nb_w_close(w, '}');
    }
    nb_w_close(w, ']');
}

/* ---- whole points ------------------------------------------------------------------------------------------------ */

struct stacks { /* of all inputs, a place for every probe in front */
    struct nb_tensors re, im;
};

static int new_stack(const struct nb_probes *p, const struct nb_probed_input *in, struct nb_tensors *to,
                     struct nb_arena *a, struct nb_error *e)
{
    struct nb_shape s = {.rank = in->shape.rank + 1, .dim = {(int64_t)nb_probes_count(p)}};
    struct nb_tensor t;
    memcpy(s.dim + 1, in->shape.dim, (size_t)in->shape.rank * sizeof *s.dim);
    if (nb_tensor_new(a, NB_F64, &s, &t, e) || nb_tensors_add(a, to, in->name, t, e))
        return -1;
    memset(t.data, 0, (size_t)nb_count(&s) * sizeof(double));
    return 0;
}

static int fill_probe(const struct nb_probes *p, size_t probe, struct stacks *s, struct nb_edit **room, size_t *most,
                      struct nb_arena *a, struct nb_error *e)
{
    const struct nb_tensors *base = nb_probes_base(p, nb_probe_base(p, probe));
    int64_t edits;
    for (size_t i = 0; i < base->n; i++) {
        size_t n = (size_t)nb_count(&base->v[i].t.shape);
        memcpy((double *)s->re.v[i].t.data + probe * n, base->v[i].t.data, n * sizeof(double));
    }
    if (!edits_of(p, probe, &edits, room, most, a, e))
        return -1;
    for (int64_t k = 0; k < edits; k++) {
        const struct nb_edit *x = &(*room)[k];
        size_t n = (size_t)nb_count(&base->v[x->input].t.shape), at = probe * n + (size_t)x->index;
        ((double *)s->re.v[x->input].t.data)[at] = x->re;
        if (s->im.n)
            ((double *)s->im.v[x->input].t.data)[at] = x->im;
    }
    return 0;
}

static int stack(const struct nb_probes *p, struct stacks *s, struct nb_arena *a, struct nb_error *e)
{
    const struct nb_probed *f = nb_probes_function(p);
    size_t most = 64;
    struct nb_edit *room = nb_small(a, most, sizeof *room, e);
    for (size_t i = 0; i < f->nin; i++)
        if (new_stack(p, &f->in[i], &s->re, a, e) || (f->by_complex && new_stack(p, &f->in[i], &s->im, a, e)))
            return -1;
    for (size_t i = 0; room && i < nb_probes_count(p); i++)
        if (fill_probe(p, i, s, &room, &most, a, e))
            return -1;
    return room ? 0 : -1;
}

/* ---- the questions ----------------------------------------------------------------------------------------------- */

static void put_points(struct nb_writer *w, const struct nb_probes *p)
{
    struct stacks s = {0};
    nb_w_whole_at(w, "probes", (int64_t)nb_probes_count(p));
    if (stack(p, &s, w->text.arena, w->e))
        return;
    nb_w_tensors_at(w, "inputs", &s.re);
    if (s.im.n)
        nb_w_tensors_at(w, "imaginary", &s.im);
}

/* About how long the text will be. */
static size_t size_of(const struct nb_probe_set *s)
{
    const struct nb_probed *f = nb_probes_function(s->p);
    size_t probes = nb_probes_count(s->p), edits = 0, numbers = 0;
    for (size_t i = 0; i < probes && !s->whole; i++)
        edits += (size_t)nb_probe_edits(s->p, i);
    for (size_t i = 0; i < f->nin; i++)
        numbers += (size_t)nb_count(&f->in[i].shape);
    return 4096 + probes * 24 + edits * BYTES_OF_AN_EDIT +
           numbers * BYTES_OF_A_NUMBER * (s->whole ? probes : (size_t)nb_probes_bases(s->p));
}

static int reply_json(struct nb_request *rq, struct nb_reply *rp, const struct nb_probe_set *s, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    size_t room = size_of(s);
    if ((w.text.v = nb_small(rq->arena, room, 1, e)))
        w.text.cap = room; /* at once: what grows by doubling takes three times as much */
    nb_w_open(&w, '{');
    put_head(&w, s);
    put_bases(&w, s->p, "bases", nb_probes_base);
    put_bases(&w, s->p, "cotangents", nb_probes_cotangents);
    if (s->whole)
        put_points(&w, s->p);
    else
        put_probes(&w, s->p);
    put_want(&w, s->p);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

/* "bases/0/x", "cotangents/0/y", "inputs/x" and so on. */
static int prefixed(struct nb_tensors *to, const struct nb_tensors *from, const char *prefix, struct nb_arena *a,
                    struct nb_error *e)
{
    for (size_t i = 0; i < from->n; i++) {
        const char *name = nb_sprintf(a, e, "%s/%s", prefix, from->v[i].name);
        if (!name || nb_tensors_add(a, to, name, from->v[i].t, e))
            return -1;
    }
    return 0;
}

static int all_tensors(const struct nb_probes *p, struct nb_tensors *to, struct nb_arena *a, struct nb_error *e)
{
    struct stacks s = {0};
    char prefix[40];
    for (int b = 0; b < nb_probes_bases(p); b++) {
        snprintf(prefix, sizeof prefix, "bases/%d", b);
        if (prefixed(to, nb_probes_base(p, b), prefix, a, e))
            return -1;
        snprintf(prefix, sizeof prefix, "cotangents/%d", b);
        if (prefixed(to, nb_probes_cotangents(p, b), prefix, a, e))
            return -1;
    }
    return stack(p, &s, a, e) || prefixed(to, &s.re, "inputs", a, e) || prefixed(to, &s.im, "imaginary", a, e) ? -1 : 0;
}

static int reply_file(struct nb_request *rq, struct nb_reply *rp, const struct nb_probe_set *s, int type,
                      struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    struct nb_tensors all = {0};
    nb_w_open(&w, '{');
    put_head(&w, s);
    put_want(&w, s->p);
    nb_w_close(&w, '}');
    if (nb_putn(&w.text, "", 1, e) || all_tensors(s->p, &all, rq->arena, e))
        return -1;
    const struct nb_fact fact = {"questions", w.text.v, true};
    return nb_tensorfile_reply(rq, type, &all, &fact, 1, rp, e);
}

int nb_reply_questions(struct nb_request *rq, struct nb_reply *rp, const struct nb_probe_set *s, int form,
                       struct nb_error *e)
{
    rp->vary = true;
    return form ? reply_file(rq, rp, s, form, e) : reply_json(rq, rp, s, e);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* "0/x": the tensors of all bases in one list. */
static int of_all_bases(const struct nb_probes *p, struct nb_tensors *to,
                        const struct nb_tensors *(*of)(const struct nb_probes *, int), struct nb_arena *a,
                        struct nb_error *e)
{
    char prefix[12];
    for (int b = 0; b < nb_probes_bases(p); b++) {
        struct nb_tensors claims = {0};
        snprintf(prefix, sizeof prefix, "%d", b);
        if (!of && nb_probes_claims(p, b, a, &claims, e))
            return -1;
        if (prefixed(to, of ? of(p, b) : &claims, prefix, a, e))
            return -1;
    }
    return 0;
}

static void put_origins(struct nb_writer *w, const struct nb_probe_set *s)
{
    const struct nb_probed *f = nb_probes_function(s->p);
    struct nb_tensors points = {0}, cotangents = {0}, claims = {0};
    struct nb_arena *a = w->text.arena;
    bool show = s->detail == NB_DETAIL_ALL;
    if (of_all_bases(s->p, &points, nb_probes_base, a, w->e) ||
        of_all_bases(s->p, &cotangents, nb_probes_cotangents, a, w->e) || of_all_bases(s->p, &claims, NULL, a, w->e))
        return;
    nb_w_origin(w, "point", f->given ? "request" : "sample", &points, show);
    nb_w_origin(w, "cotangent", "sample", &cotangents, show);
    nb_w_origin(w, "candidate", "request", &claims, show);
}

static void put_certificate(struct nb_writer *w, const struct nb_probe_set *s, const struct nb_verdicts *v)
{
    const struct nb_probed *f = nb_probes_function(s->p);
    char hash[NB_HASH_SIZE], text[NB_HASH_SIZE + 8], seed[33];
    nb_files_hash(s->function, strlen(s->function), hash);
    snprintf(text, sizeof text, "sha256:%s", hash);
    nb_w_key(w, "certificate");
    nb_w_open(w, '{');
    nb_w_string_at(w, "nablad", PACKAGE_VERSION);
    nb_w_string_at(w, "function", text);
    nb_w_string_at(w, "seed", nb_seed_text(s->seed, seed));
    put_origins(w, s);
    nb_w_string_at(w, "dtype", nb_dtype_name(f->single ? NB_F32 : NB_F64));
    nb_w_string_at(w, "method", "probes");
    nb_w_whole_at(w, "order", 1);
    nb_w_facts(w, v);
    nb_w_close(w, '}');
}

int nb_reply_verdicts(struct nb_request *rq, struct nb_reply *rp, const struct nb_probe_set *s, struct nb_error *e)
{
    const struct nb_verdicts *v = nb_probes_verdicts(s->p);
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_string_at(&w, "id", s->id);
    nb_w_string_at(&w, "state", "done");
    nb_w_whole_at(&w, "round", nb_probes_round(s->p));
    nb_w_verdicts(&w, v, &(struct nb_telling){.detail = s->detail});
    put_certificate(&w, s, v);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}
