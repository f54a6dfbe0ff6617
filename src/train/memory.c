/* memory.c - memories are copied, never written. In a file the names are "LOSS OPTIMISER" (steps of the loss),
 * "LOSS OPTIMISER TENSOR" (steps of the tensor) and "LOSS OPTIMISER TENSOR MOMENT"; no name has a blank in it. */
#include "train/memory.h"
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

const struct nb_memory *nb_memory_of(const struct nb_graph *g)
{
    return (const struct nb_memory *)g->memory;
}

const struct nb_of_loss *nb_memory_find(const struct nb_memory *m, const char *loss)
{
    for (size_t i = 0; m && i < m->n; i++)
        if (!strcmp(m->v[i].loss, loss))
            return &m->v[i];
    return NULL;
}

const struct nb_moments *nb_moments_find(const struct nb_of_loss *l, const char *tensor)
{
    for (size_t i = 0; l && i < l->n; i++)
        if (!strcmp(l->v[i].tensor, tensor))
            return &l->v[i];
    return NULL;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static struct nb_memory *memory_new(size_t losses, struct nb_error *e)
{
    struct nb_memory *m = calloc(1, sizeof *m);
    if (!m)
        return nb_fail_memory(e), NULL;
    m->base.count = 1;
    nb_arena_init_graph(&m->base.arena);
    if ((m->v = nb_zalloc(&m->base.arena, losses, sizeof *m->v, e)))
        return m;
    nb_attached_unref(&m->base);
    return NULL;
}

int nb_moments_copy(struct nb_arena *a, const struct nb_moments *from, size_t size, struct nb_moments *to,
                    struct nb_error *e)
{
    *to = *from;
    to->tensor = nb_strdup(a, from->tensor, e);
    for (int k = 0; k < NB_MOST_MOMENTS && to->tensor; k++) {
        if (!from->m[k])
            continue;
        if (!(to->m[k] = nb_alloc(a, from->n, size, e)))
            return -1;
        memcpy(to->m[k], from->m[k], from->n * size);
    }
    return to->tensor ? 0 : -1;
}

static int copy_loss(struct nb_arena *a, const struct nb_of_loss *from, size_t size, struct nb_of_loss *to,
                     struct nb_error *e)
{
    *to = *from;
    to->loss = nb_strdup(a, from->loss, e);
    to->v = nb_small(a, from->n + 1, sizeof *to->v, e);
    for (size_t i = 0; to->loss && to->v && i < from->n; i++)
        if (nb_moments_copy(a, &from->v[i], size, &to->v[i], e))
            return -1;
    return to->loss && to->v ? 0 : -1;
}

static int fill(struct nb_memory *m, const struct nb_memory *old, size_t size, const char *loss, size_t n,
                struct nb_error *e)
{
    struct nb_arena *a = &m->base.arena;
    for (size_t i = 0; old && i < old->n; i++)
        if (strcmp(old->v[i].loss, loss) && copy_loss(a, &old->v[i], size, &m->v[m->n++], e))
            return -1;
    struct nb_of_loss *place = &m->v[m->n++];
    place->n = n;
    place->loss = nb_strdup(a, loss, e);
    place->v = nb_zalloc(a, n + 1, sizeof *place->v, e);
    return place->loss && place->v ? 0 : -1;
}

struct nb_memory *nb_memory_next(const struct nb_memory *old, enum nb_dtype dtype, const char *loss, size_t n,
                                 struct nb_of_loss **place, struct nb_error *e)
{
    struct nb_memory *m = memory_new((old ? old->n : 0) + 1, e);
    if (m && fill(m, old, nb_dtype_size(dtype), loss, n, e)) {
        nb_attached_unref(&m->base);
        return NULL;
    }
    *place = m ? &m->v[m->n - 1] : NULL;
    return m;
}

/* ---- to a file --------------------------------------------------------------------------------------------------- */

static int save_count(struct nb_arena *a, struct nb_tensors *to, const char *name, int64_t count, struct nb_error *e)
{
    struct nb_shape none = nb_shape_of(0);
    struct nb_tensor t;
    if (!name || nb_tensor_new(a, NB_I64, &none, &t, e))
        return -1;
    *(int64_t *)t.data = count;
    return nb_tensors_add(a, to, name, t, e);
}

static int save_moments(struct nb_arena *a, struct nb_tensors *to, const char *prefix, const struct nb_optimiser *o,
                        const struct nb_moments *v, enum nb_dtype dtype, struct nb_error *e)
{
    const char *name = prefix ? nb_sprintf(a, e, "%s %s", prefix, v->tensor) : NULL;
    if (save_count(a, to, name, v->steps, e))
        return -1;
    for (int k = 0; k < NB_MOST_MOMENTS && o->moments[k]; k++) {
        char *full = v->m[k] ? nb_sprintf(a, e, "%s %s", name, o->moments[k]) : NULL;
        if (v->m[k] && (!full || nb_tensors_add(a, to, full, (struct nb_tensor){dtype, v->shape, v->m[k]}, e)))
            return -1;
    }
    return 0;
}

int nb_memory_save(const struct nb_memory *m, enum nb_dtype dtype, struct nb_arena *a, struct nb_tensors *to,
                   struct nb_error *e)
{
    for (size_t i = 0; m && i < m->n; i++) {
        const struct nb_of_loss *l = &m->v[i];
        const struct nb_optimiser *o = nb_optimiser_at(dtype, l->optimiser);
        char *prefix = nb_sprintf(a, e, "%s %s", l->loss, o->name);
        if (save_count(a, to, prefix, l->steps, e))
            return -1;
        for (size_t k = 0; k < l->n; k++)
            if (save_moments(a, to, prefix, o, &l->v[k], dtype, e))
                return -1;
    }
    return 0;
}

/* ---- from a file ------------------------------------------------------------------------------------------------- */

struct words {
    char text[2200], *v[4];
    int n;
};

static void split(const char *name, struct words *w)
{
    char *rest;
    w->n = 0;
    snprintf(w->text, sizeof w->text, "%s", name);
    for (char *s = strtok_r(w->text, " ", &rest); s && w->n < 4; s = strtok_r(NULL, " ", &rest))
        w->v[w->n++] = s;
}

static int damaged(const char *name, struct nb_error *e)
{
    return nb_fail(e, NB_E_store_failed, "what optimisers kept cannot be read: %.200s", name);
}

/* Rows come in any order: what is not there yet is added. */
static struct nb_of_loss *loss_at(struct nb_memory *m, const struct words *w, size_t most, struct nb_error *e)
{
    struct nb_of_loss *l = (struct nb_of_loss *)nb_memory_find(m, w->v[0]);
    if (l)
        return l;
    l = &m->v[m->n];
    l->loss = nb_strdup(&m->base.arena, w->v[0], e);
    l->optimiser = nb_optimiser_find(w->v[1]);
    l->v = nb_zalloc(&m->base.arena, most, sizeof *l->v, e);
    if (!l->loss || !l->v)
        return NULL;
    m->n++;
    return l;
}

static struct nb_moments *moments_at(struct nb_memory *m, struct nb_of_loss *l, const char *tensor, struct nb_error *e)
{
    struct nb_moments *v = (struct nb_moments *)nb_moments_find(l, tensor);
    if (v)
        return v;
    v = &l->v[l->n];
    if (!(v->tensor = nb_strdup(&m->base.arena, tensor, e)))
        return NULL;
    l->n++;
    return v;
}

static int load_moment(struct nb_memory *m, const struct nb_of_loss *l, struct nb_moments *v, const char *moment,
                       const struct nb_named *x, enum nb_dtype dtype, struct nb_error *e)
{
    const char *const *names = nb_optimiser_at(dtype, l->optimiser)->moments;
    int k = 0;
    while (names[k] && strcmp(names[k], moment))
        k++;
    if (!names[k] || x->t.dtype != dtype)
        return damaged(x->name, e);
    v->shape = x->t.shape;
    v->n = (size_t)nb_count(&x->t.shape);
    if (!(v->m[k] = nb_alloc(&m->base.arena, v->n, nb_dtype_size(dtype), e)))
        return -1;
    memcpy(v->m[k], x->t.data, v->n * nb_dtype_size(dtype));
    return 0;
}

static int load_row(struct nb_memory *m, const struct nb_named *x, size_t most, enum nb_dtype dtype, struct nb_error *e)
{
    struct words w;
    split(x->name, &w);
    if (w.n < 2 || nb_optimiser_find(w.v[1]) < 0 || (w.n < 4 && x->t.dtype != NB_I64))
        return damaged(x->name, e);
    struct nb_of_loss *l = loss_at(m, &w, most, e);
    struct nb_moments *v = l && w.n > 2 ? moments_at(m, l, w.v[2], e) : NULL;
    if (!l || (w.n > 2 && !v))
        return -1;
    if (w.n == 4)
        return load_moment(m, l, v, w.v[3], x, dtype, e);
    *(v ? &v->steps : &l->steps) = *(const int64_t *)x->t.data;
    return 0;
}

struct nb_memory *nb_memory_load(const struct nb_tensors *from, enum nb_dtype dtype, struct nb_error *e)
{
    struct nb_memory *m = from->n ? memory_new(from->n, e) : NULL;
    for (size_t i = 0; m && i < from->n; i++)
        if (load_row(m, &from->v[i], from->n, dtype, e)) {
            nb_attached_unref(&m->base);
            return NULL;
        }
    return m;
}
