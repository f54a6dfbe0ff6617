/* digest.c - tensors and graphs as one hash. */
#include "http/digest.h"
#include "wire/print.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    const struct nb_named *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int put_line(struct nb_text *t, const struct nb_named *x, struct nb_error *e)
{
    char hash[NB_HASH_SIZE], size[24];
    size_t n = (size_t)nb_count(&x->t.shape);
    const void *v = x->t.data;
    if (x->t.dtype != NB_F64) {
        double *as = nb_alloc(t->arena, n, sizeof *as, e);
        if (!as)
            return -1;
        nb_convert(NB_F64, as, x->t.dtype, x->t.data, n);
        v = as;
    }
    nb_put(t, x->name, e);
    nb_put(t, " [", e);
    for (int d = 0; d < x->t.shape.rank; d++) {
        snprintf(size, sizeof size, "%s%" PRId64, d ? "," : "", x->t.shape.dim[d]);
        nb_put(t, size, e);
    }
    nb_files_hash(v, n * sizeof(double), hash);
    nb_put(t, "] ", e);
    nb_put(t, hash, e);
    return nb_put(t, "\n", e);
}

static int put_lines(struct nb_text *t, const struct nb_tensors *l, struct nb_error *e)
{
    const struct nb_named **in_order = nb_small(t->arena, l->n + 1, sizeof *in_order, e);
    if (!in_order)
        return -1;
    for (size_t i = 0; i < l->n; i++)
        in_order[i] = &l->v[i];
    qsort(in_order, l->n, sizeof *in_order, by_name);
    for (size_t i = 0; i < l->n; i++)
        if (put_line(t, in_order[i], e))
            return -1;
    return 0;
}

int nb_digest(const struct nb_tensors *l, struct nb_arena *a, char hash[NB_HASH_SIZE], struct nb_error *e)
{
    struct nb_text t = {.arena = a};
    if (put_lines(&t, l, e))
        return -1;
    nb_files_hash(t.v ? t.v : "", t.n, hash);
    return 0;
}

int nb_digest_graph(const struct nb_graph *g, struct nb_arena *a, char hash[NB_HASH_SIZE], struct nb_error *e)
{
    struct nb_text t = {.arena = a};
    if (nb_put(&t, nb_graph_text(g), e) || nb_put(&t, "\n", e) || put_lines(&t, nb_graph_parameters(g), e))
        return -1;
    nb_files_hash(t.v, t.n, hash);
    return 0;
}
