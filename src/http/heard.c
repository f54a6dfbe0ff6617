/* heard.c - what a function that lives elsewhere said at the points of its first round, kept to be graded. */
#include "http/heard.h"
#include "http/handlers.h"
#include "nabla/limits.h"
#include "wire/lift.h"
#include <stdlib.h>
#include <string.h>

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

static size_t probe_of(const struct nb_probes *p, int base)
{
    size_t i = 0;
    while (nb_probe_base(p, i) != base)
        i++;
    return i;
}

/* Of all probes the one that is the base itself. */
static int outputs_at(const struct nb_tensors *all, size_t probe, struct nb_arena *a, struct nb_tensors *to,
                      struct nb_error *e)
{
    for (size_t i = 0; i < all->n; i++) {
        struct nb_tensor t = all->v[i].t;
        t.shape.rank--;
        memmove(t.shape.dim, t.shape.dim + 1, (size_t)t.shape.rank * sizeof *t.shape.dim);
        t.data = (char *)t.data + probe * (size_t)nb_count(&t.shape) * nb_dtype_size(t.dtype);
        if (nb_tensors_add(a, to, all->v[i].name, t, e))
            return -1;
    }
    return 0;
}

static int keep(struct nb_probe_set *s, const struct nb_probes_answered *x, const struct nb_hearing *h, int i,
                struct nb_arena *a, struct nb_error *e)
{
    struct nb_tensors outputs = {0};
    struct nb_writer w = nb_writer(a, e);
    if (outputs_at(&x->outputs, h->probe[i], a, &outputs, e))
        return -1;
    nb_w_open(&w, '{');
    nb_w_tensors_at(&w, "inputs", nb_probes_base(s->p, h->base[i]));
    nb_w_tensors_at(&w, "cotangents", nb_probes_cotangents(s->p, h->base[i]));
    nb_w_tensors_at(&w, "outputs", &outputs);
    nb_w_tensors_at(&w, "gradients", &x->gradients[i]);
    nb_w_close(&w, '}');
    if (nb_putn(&w.text, "", 1, e) || w.text.n > (size_t)nb_limits.probe_memory / NB_MOST_POINTS ||
        !(s->heard[i] = malloc(w.text.n)))
        return -1;
    memcpy(s->heard[i], w.text.v, w.text.n);
    s->nheard++;
    return 0;
}

void nb_heard_listen(const struct nb_probe_set *s, struct nb_hearing *h)
{
    h->n = 0;
    for (int base = 0; nb_probes_round(s->p) == 1 && base < nb_probes_bases(s->p); base++)
        if (nb_probes_wants_gradient(s->p, base) && h->n < NB_MOST_POINTS) {
            h->probe[h->n] = probe_of(s->p, base);
            h->base[h->n++] = base;
        }
}

void nb_heard_keep(struct nb_probe_set *s, const struct nb_probes_answered *x, const struct nb_hearing *h,
                   struct nb_arena *a)
{
    struct nb_error e = {0};
    for (int i = 0; i < h->n && (size_t)i < x->ngradients; i++)
        if (keep(s, x, h, i, a, &e)) {
            nb_heard_forget(s);
            return;
        }
}

size_t nb_heard_size(const struct nb_probe_set *s)
{
    size_t n = 0;
    for (int i = 0; i < s->nheard; i++)
        n += strlen(s->heard[i]) + 1;
    return n;
}

void nb_heard_forget(struct nb_probe_set *s)
{
    while (s->nheard > 0)
        free(s->heard[--s->nheard]);
}

/* ---- grading ----------------------------------------------------------------------------------------------------- */

static int read_one(const char *text, struct nb_request *rq, struct nb_heard *h, struct nb_error *e)
{
    const struct nb_lift_rule rules[] = {{"/inputs/*", &h->inputs},
                                         {"/cotangents/*", &h->cotangents},
                                         {"/outputs/*", &h->outputs},
                                         {"/gradients/*", &h->gradients}};
    json_t *rest = NULL;
    *h = (struct nb_heard){0};
    if (nb_lift(text, strlen(text), rules, 4, rq->arena, &rest, e) || nb_keep_json(rq, rest, e))
        return -1;
    for (size_t i = 0; i < h->gradients.n; i++)
        h->gradients.v[i].digits = (struct nb_digits){0}; /* as few as they need */
    return 0;
}

static enum nb_verdict verdict_of(const char *name)
{
    for (int v = NB_RIGHT; v <= NB_WRONG && name; v++)
        if (!strcmp(name, nb_verdict_name((enum nb_verdict)v)))
            return (enum nb_verdict)v;
    return NB_CANNOT_TELL;
}

/* From the verdict on the function, as it was told. */
static int read_own(const struct nb_probe_set *s, struct nb_request *rq, size_t *n, struct nb_consistency **own,
                    struct nb_error *e)
{
    json_t *verdict = json_loadb(s->verdict, s->size, 0, NULL), *tensors, *t;
    const char *name;
    if (!verdict || nb_keep_json(rq, verdict, e))
        return verdict ? -1 : nb_fail_memory(e);
    tensors = json_object_get(verdict, "tensors");
    *n = 0;
    if (!(*own = nb_small(rq->arena, json_object_size(tensors) + 1, sizeof **own, e)))
        return -1;
    json_object_foreach (tensors, name, t)
        (*own)[(*n)++] = (struct nb_consistency){name,
                                                 verdict_of(json_string_value(json_object_get(t, "verdict"))),
                                                 json_integer_value(json_object_get(t, "right")),
                                                 json_integer_value(json_object_get(t, "wrong")),
                                                 json_integer_value(json_object_get(t, "cannot_tell")),
                                                 json_integer_value(json_object_get(t, "silent"))};
    return 0;
}

/* Under the lock of the set. */
static int read_all(struct nb_probe_set *s, struct nb_request *rq, struct nb_heard *heard, size_t *n, size_t *nown,
                    struct nb_consistency **own, struct nb_error *e)
{
    if (nb_probe_set_alive(s, e))
        return -1;
    if (s->state != NB_PROBES_DONE)
        return nb_fail(e, NB_E_probe_round, "the probe set still has questions");
    for (*n = 0; *n < (size_t)s->nheard; ++*n)
        if (read_one(s->heard[*n], rq, &heard[*n], e))
            return -1;
    return read_own(s, rq, nown, own, e);
}

static int at_probes(struct nb_error *e)
{
    e->pointer[0] = '\0';
    e->fixed = false;
    nb_at(e, "probes");
    return nb_at(e, "submission");
}

int nb_grade_heard(struct nb_request *rq, struct nb_asked *ask, struct nb_reference *r, struct nb_graded *out,
                   struct nb_error *e)
{
    struct nb_probe_set *s = nb_probe_set_find(rq, ask->grading.submission.probes, e);
    struct nb_heard *heard = nb_small(rq->arena, NB_MOST_POINTS, sizeof *heard, e);
    struct nb_consistency *own = NULL;
    size_t n = 0, nown = 0;
    if (!s || !heard)
        return at_probes(e);
    if (ask->task.challenge && strcmp(s->challenge, ask->task.challenge))
        return nb_fail(e, NB_E_challenge_foreign, "the probe set was not opened for this challenge"), at_probes(e);
    pthread_mutex_lock(&s->lock);
    int bad = read_all(s, rq, heard, &n, &nown, &own, e);
    pthread_mutex_unlock(&s->lock);
    if (bad || nb_grade_answers(ask->g, &ask->grading, n, heard, nown, own, rq->arena, r, out, e)) {
        nb_grading_place(&ask->grading, e);
        return strncmp(e->pointer, "/points", 7) ? at_probes(e) : -1;
    }
    ask->check.gradients = heard[0].gradients;
    return 0;
}
