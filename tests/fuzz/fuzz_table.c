/* fuzz_table - any bytes as CSV (its first line says which columns), as IDX, and as what gzip made of those; what is
 * taken has rows of one length and finite numbers. */
#include "nabla/limits.h"
#include "wire/csv.h"
#include "wire/gzip.h"
#include "wire/idx.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(x) ((x) ? (void)0 : abort())

static void table(const char *text, size_t n, const char *columns, struct nb_arena *a)
{
    struct nb_tensors l = {0};
    struct nb_error e = {0};
    int failed = nb_csv_read(text, n, &(struct nb_csv){.columns = columns}, a, &l, &e);
    must((failed != 0) == (e.code != NB_E_none));
    must(!e.code || e.code == NB_E_bad_file || e.code == NB_E_bad_number || e.code == NB_E_limit ||
         e.code == NB_E_bad_parameter);
    for (size_t i = 0; i < l.n && !failed; i++) {
        const struct nb_tensor *t = &l.v[i].t;
        must(t->shape.dim[0] == l.v[0].t.shape.dim[0] && t->dtype == NB_F64);
        for (int64_t k = 0; k < nb_count(&t->shape); k++)
            must(isfinite(((double *)t->data)[k]));
    }
}

static void idx(const uint8_t *data, size_t n, struct nb_arena *a)
{
    struct nb_tensor t;
    struct nb_error e = {0};
    size_t used;
    int failed = nb_idx_read(data, n, a, &t, &used, &e);
    must((failed != 0) == (e.code == NB_E_bad_file || e.code == NB_E_limit));
    must(failed || (used <= n && nb_count(&t.shape) >= 0 && nb_idx_is(data, n)));
}

static void all(const uint8_t *data, size_t size, struct nb_arena *a)
{
    char *text = malloc(size + 1);
    must(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    table(text, size, NULL, a);
    char *line = memchr(text, '\n', size);
    if (line && !memchr(text, 0, (size_t)(line - text))) {
        *line = 0;
        table(line + 1, size - (size_t)(line + 1 - text), text, a);
    }
    free(text);
    idx(data, size, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nb_arena a;
    struct nb_error e = {0};
    void *bytes;
    size_t n;
    nb_limits.memory = 16 << 20;
    nb_arena_init(&a, 64 << 20);
    all(data, size, &a);
    if (nb_gzip_is(data, size) && !nb_gunzip(data, size, &a, &bytes, &n, &e))
        all(bytes, n, &a);
    must(!e.code || e.code == NB_E_bad_file || e.code == NB_E_limit);
    nb_arena_done(&a);
    return 0;
}
