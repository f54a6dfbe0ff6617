/* fuzz_safetensors - any bytes as a safetensors file; what is taken is written and taken again with the same content.
 */
#include "nabla/limits.h"
#include "wire/safetensors.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x) ((x) ? (void)0 : abort())

static void compare(const struct nb_tensors *l, const struct nb_tensors *m)
{
    must(l->n == m->n);
    for (size_t i = 0; i < l->n; i++) {
        const struct nb_tensor *a = &l->v[i].t, *b = nb_tensors_find(m, l->v[i].name);
        must(b && a->dtype == b->dtype && nb_shape_same(&a->shape, &b->shape) == 1);
        must(memcmp(a->data, b->data, (size_t)nb_count(&a->shape) * nb_dtype_size(a->dtype)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nb_tensors l = {0}, again = {0};
    struct nb_error e = {0};
    struct nb_arena a;
    void *bytes;
    size_t n;
    nb_limits.memory = 64 << 20;
    nb_arena_init(&a, 64 << 20);
    int failed = nb_safetensors_read(data, size, &a, &l, &e);
    must(e.code != NB_E_internal && (failed != 0) == (e.code != NB_E_none));
    if (!failed) {
        must(nb_safetensors_write(&l, NULL, 0, &a, &bytes, &n, &e) == 0 || e.code == NB_E_limit);
        must(e.code || nb_safetensors_read(bytes, n, &a, &again, &e) == 0 || e.code == NB_E_limit);
        if (!e.code)
            compare(&l, &again);
    }
    nb_arena_done(&a);
    return 0;
}
