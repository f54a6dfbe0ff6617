/* npz.c - a zip archive with an npy for each tensor. */
#include "wire/npz.h"
#include "nabla/limits.h"
#include "wire/npy.h"
#include "wire/print.h"
#include "wire/zip.h"
#include <string.h>

#define FACTS "facts.json"

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool is_facts(const struct nb_member *m)
{
    return m->name_size == strlen(FACTS) && nb_member_is(m, FACTS);
}

struct sizes {
    int64_t sum;
    size_t largest;
};

static void add_size(struct sizes *s, size_t n)
{
    s->sum = n < INT64_MAX / 2 ? s->sum + (int64_t)n : INT64_MAX / 2;
    s->largest = n > s->largest ? n : s->largest;
}

/* Judges all members before any is read. */
static int judge(const struct nb_zip *z, struct sizes *s, struct nb_error *e)
{
    struct nb_member m;
    for (size_t i = 0; i < z->n; i++) {
        if (nb_zip_member(z, i, &m, e))
            return -1;
        if (!is_facts(&m) && (!nb_member_is(&m, ".npy") || m.name_size == strlen(".npy")))
            return nb_fail(e, NB_E_bad_file, "a member is NAME.npy or %s", FACTS), nb_at(e, m.name);
        add_size(s, m.size);
        if (s->sum > nb_limits.body)
            return NB_OVER(e, body, s->sum), nb_at(e, m.name);
    }
    return 0;
}

/* buf has room for the largest member. */
static int read_member(const struct nb_zip *z, size_t i, void *buf, struct nb_arena *a, struct nb_tensors *out,
                       struct nb_error *e)
{
    struct nb_member m;
    struct nb_tensor t;
    if (nb_zip_member(z, i, &m, e))
        return -1;
    if (is_facts(&m))
        return 0;
    if (nb_zip_read(z, i, &m, buf, e))
        return -1;
    char *name = nb_strndup(a, m.name, m.name_size - strlen(".npy"), e);
    if (!name || nb_npy_read(buf, m.size, a, &t, e))
        return nb_at(e, m.name);
    return nb_tensors_add(a, out, name, t, e);
}

static int read_sized(const void *bytes, size_t n, struct sizes *s, struct nb_arena *a, struct nb_tensors *out,
                      struct nb_error *e)
{
    struct nb_zip z;
    if (nb_zip_open(bytes, n, &z, e))
        return -1;
    if ((int64_t)z.n > nb_limits.tensors + 1)
        NB_OVER(e, tensors, (int64_t)z.n - 1);
    void *buf = e->code || judge(&z, s, e) ? NULL : nb_alloc(a, s->largest, 1, e);
    for (size_t i = 0; buf && i < z.n && !e->code; i++)
        read_member(&z, i, buf, a, out, e);
    nb_zip_close(&z);
    return e->code ? -1 : 0;
}

int nb_npz_read(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensors *out, struct nb_error *e)
{
    struct sizes s = {0};
    return read_sized(bytes, n, &s, a, out, e);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int put_facts(struct nb_text *t, const struct nb_fact *facts, size_t n, struct nb_error *e)
{
    for (size_t i = 0; i < n; i++)
        if (nb_put(t, i ? "," : "{", e) || nb_put_string(t, facts[i].key, e) || nb_put(t, ":", e) ||
            (facts[i].json ? nb_put : nb_put_string)(t, facts[i].value, e))
            return -1;
    return nb_put(t, n ? "}\n" : "", e);
}

static int part_of(const struct nb_named *x, struct nb_arena *a, struct nb_part *part, struct nb_error *e)
{
    char *head = nb_small(a, NB_NPY_HEAD, 1, e);
    part->name = nb_sprintf(a, e, "%s.npy", x->name);
    if (!head || !part->name)
        return -1;
    part->nhead = nb_npy_head(&x->t, head);
    part->head = head;
    part->data = x->t.data;
    part->ndata = (size_t)nb_count(&x->t.shape) * nb_dtype_size(x->t.dtype);
    return part->nhead ? 0
                       : nb_fail(e, NB_E_internal, "tensor %.80s: no npy for %s", x->name, nb_dtype_name(x->t.dtype));
}

int nb_npz_write(const struct nb_tensors *l, const struct nb_fact *facts, size_t nfacts, struct nb_arena *a,
                 void **bytes, size_t *n, struct nb_error *e)
{
    struct nb_text text = {.arena = a};
    struct nb_part *parts = nb_zalloc(a, l->n + 1, sizeof *parts, e);
    if (!parts || put_facts(&text, facts, nfacts, e))
        return -1;
    for (size_t i = 0; i < l->n; i++)
        if (part_of(&l->v[i], a, &parts[i], e))
            return -1;
    parts[l->n] = (struct nb_part){.name = FACTS, .data = text.v, .ndata = text.n};
    return nb_zip_write(parts, l->n + (nfacts > 0), a, bytes, n, e);
}

/* ---- archives of archives ---------------------------------------------------------------------------------------- */

enum { OUTSIDE = 4, INSIDE = 16, KEEP = 4 << 20 }; /* --limit-body so many times; a block kept between members */

struct walk {
    struct nb_zip zip;
    size_t *members, n; /* those that are visited */
    struct sizes sizes;
    int64_t inside;                /* bytes that came out of what is in the archive */
    struct nb_arena arena, member; /* of the walk; of the member that is visited */
};

static bool is_noise(const struct nb_member *m)
{
    return nb_member_is(m, "/") || !strncmp(m->name, "__MACOSX/", 9);
}

/* Finds the members that will be visited. Names must be good; all else is a fault of the member's own. */
static int list(struct walk *w, struct nb_error *e)
{
    w->members = nb_small(&w->arena, w->zip.n, sizeof *w->members, e);
    for (size_t i = 0; w->members && i < w->zip.n; i++) {
        struct nb_member m;
        struct nb_error fault = {0};
        if (nb_zip_member(&w->zip, i, &m, &fault) && !m.name)
            return *e = fault, -1;
        if (is_noise(&m))
            continue;
        w->members[w->n++] = i;
        add_size(&w->sizes, fault.code ? 0 : m.size);
    }
    if (w->sizes.sum > OUTSIDE * nb_limits.body)
        nb_fail_limit(e, "body", OUTSIDE * nb_limits.body, w->sizes.sum);
    return e->code ? -1 : 0;
}

static int decode(struct walk *w, size_t i, struct nb_member *m, struct nb_tensors *out, struct nb_error *e)
{
    struct sizes s = {0};
    void *buf;
    if (nb_zip_member(&w->zip, i, m, e))
        return -1;
    if (!nb_member_is(m, ".npz"))
        return nb_fail(e, NB_E_bad_file, "this is no file of the name NAME.npz");
    if (!(buf = nb_alloc(&w->member, m->size, 1, e)) || nb_zip_read(&w->zip, i, m, buf, e))
        return -1;
    int r = read_sized(buf, m->size, &s, &w->member, out, e);
    w->inside += s.sum;
    return r;
}

static int visit_member(struct walk *w, size_t k, nb_archive_visit *visit, void *to, struct nb_error *e)
{
    struct nb_tensors tensors = {0};
    struct nb_error fault = {0};
    struct nb_member m;
    decode(w, w->members[k], &m, &tensors, &fault);
    if (w->inside > INSIDE * nb_limits.body)
        return nb_fail_limit(e, "body", INSIDE * nb_limits.body, w->inside);
    char *name = nb_strndup(&w->member, m.name, m.name_size - (nb_member_is(&m, ".npz") ? strlen(".npz") : 0), e);
    struct nb_archived x = {name, k, w->n, fault.code ? NULL : &tensors, fault.code ? &fault : NULL};
    int r = name ? visit(to, &x, e) : -1;
    nb_arena_reset(&w->member, KEEP);
    return r;
}

static int walk(struct walk *w, size_t first, nb_archive_visit *visit, void *to, struct nb_error *e)
{
    if (list(w, e))
        return -1;
    for (size_t k = first; k < w->n; k++)
        if (visit_member(w, k, visit, to, e))
            return -1;
    return 0;
}

int nb_archive_each(const void *bytes, size_t n, size_t first, nb_archive_visit *visit, void *to, struct nb_error *e)
{
    struct walk w = {0};
    if (nb_zip_open(bytes, n, &w.zip, e))
        return -1;
    w.zip.old_names = true;
    nb_arena_init(&w.arena, (size_t)nb_limits.memory);
    nb_arena_init(&w.member, (size_t)nb_limits.memory);
    int r = walk(&w, first, visit, to, e);
    nb_arena_done(&w.member);
    nb_arena_done(&w.arena);
    nb_zip_close(&w.zip);
    return r;
}
