/* fuzz_npz - any bytes as an npy, an npz, and an archive of those; what is taken is written and taken again with the
 * same content. */
#include "nabla/limits.h"
#include "wire/npy.h"
#include "wire/npz.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x) ((x) ? (void)0 : abort())

static void same(const struct nb_tensor *a, const struct nb_tensor *b)
{
    must(a->dtype == b->dtype && nb_shape_same(&a->shape, &b->shape) == 1);
    must(memcmp(a->data, b->data, (size_t)nb_count(&a->shape) * nb_dtype_size(a->dtype)) == 0);
}

static void as_npy(const uint8_t *data, size_t size, struct nb_arena *a)
{
    struct nb_tensor t, back;
    struct nb_error e = {0};
    void *bytes;
    size_t n;
    int failed = nb_npy_read(data, size, a, &t, &e);
    must((failed != 0) == (e.code == NB_E_bad_file || e.code == NB_E_limit));
    if (failed || nb_npy_write(&t, a, &bytes, &n, &e) || nb_npy_read(bytes, n, a, &back, &e))
        must(e.code == NB_E_bad_file || e.code == NB_E_limit);
    else
        same(&t, &back);
}

static void as_npz(const uint8_t *data, size_t size, struct nb_arena *a)
{
    struct nb_tensors l = {0}, again = {0};
    struct nb_error e = {0};
    void *bytes;
    size_t n;
    int failed = nb_npz_read(data, size, a, &l, &e);
    must((failed != 0) == (e.code == NB_E_bad_file || e.code == NB_E_limit));
    if (failed)
        return;
    must(nb_npz_write(&l, NULL, 0, a, &bytes, &n, &e) == 0 || e.code == NB_E_limit);
    must(e.code || nb_npz_read(bytes, n, a, &again, &e) == 0 || e.code == NB_E_limit);
    must(e.code || again.n == l.n);
    for (size_t i = 0; i < l.n && !e.code; i++) {
        must(strcmp(again.v[i].name, l.v[i].name) == 0);
        same(&l.v[i].t, &again.v[i].t);
    }
}

static int visit(void *to, const struct nb_archived *x, struct nb_error *e)
{
    size_t *next = to;
    (void)e;
    must(x->index == (*next)++ && x->index < x->count && x->name && !x->tensors == (x->fault != NULL));
    must(!x->fault || x->fault->code == NB_E_bad_file || x->fault->code == NB_E_limit);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nb_arena a;
    struct nb_error e = {0};
    size_t next = 0;
    nb_limits.memory = 64 << 20;
    nb_limits.body = 16 << 20;
    nb_arena_init(&a, 64 << 20);
    as_npy(data, size, &a);
    as_npz(data, size, &a);
    int failed = nb_archive_each(data, size, 0, visit, &next, &e);
    must((failed != 0) == (e.code == NB_E_bad_file || e.code == NB_E_limit));
    nb_arena_done(&a);
    return 0;
}
