/* batches.c - gathering rows. */
#include "train/batches.h"
#include <stdio.h>
#include <string.h>

int64_t nb_batches_count(const struct nb_batches *b)
{
    return (b->rows + b->size - 1) / b->size;
}

/* Fisher and Yates; 64 bits make the preference for low numbers invisible. */
static void shuffle(struct nb_stream s, int64_t *v, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = (int64_t)(nb_word(s, (uint64_t)i) % (uint64_t)(i + 1)), was = v[i];
        v[i] = v[k];
        v[k] = was;
    }
}

int64_t *nb_shuffled(struct nb_seed seed, const char *name, int64_t n, struct nb_arena *a, struct nb_error *e)
{
    int64_t *v = nb_alloc(a, (size_t)n, sizeof *v, e);
    for (int64_t i = 0; v && i < n; i++)
        v[i] = i;
    if (v)
        shuffle(nb_stream_of(seed, name), v, n);
    return v;
}

static int order_epoch(struct nb_batches *b, int64_t epoch, struct nb_arena *lasting, struct nb_error *e)
{
    char name[40];
    if (b->epoch == epoch && b->order)
        return 0;
    if (!b->order && !(b->order = nb_alloc(lasting, (size_t)b->rows, sizeof *b->order, e)))
        return -1;
    for (int64_t i = 0; i < b->rows; i++)
        b->order[i] = b->among ? b->among[i] : i;
    snprintf(name, sizeof name, "epoch %lld", (long long)epoch);
    if (b->shuffle)
        shuffle(nb_stream_of(b->seed, name), b->order, b->rows);
    b->epoch = epoch;
    return 0;
}

static int gather(const struct nb_named *column, const int64_t *row, int64_t n, struct nb_arena *a,
                  struct nb_tensors *to, struct nb_error *e)
{
    struct nb_shape s = column->t.shape;
    struct nb_tensor t;
    size_t width = s.dim[0] ? (size_t)(nb_count(&s) / s.dim[0]) * nb_dtype_size(column->t.dtype) : 0;
    s.dim[0] = n;
    if (nb_tensor_new(a, column->t.dtype, &s, &t, e))
        return -1;
    for (int64_t i = 0; i < n; i++)
        memcpy((char *)t.data + (size_t)i * width, (const char *)column->t.data + (size_t)row[i] * width, width);
    return nb_tensors_add(a, to, column->name, t, e);
}

int nb_batch(struct nb_batches *b, int64_t i, struct nb_arena *lasting, struct nb_arena *a, struct nb_tensors *to,
             struct nb_error *e)
{
    int64_t each = nb_batches_count(b), from = i % each * b->size;
    int64_t n = b->rows - from < b->size ? b->rows - from : b->size;
    if (order_epoch(b, i / each, lasting, e))
        return -1;
    for (size_t k = 0; k < b->columns.n; k++)
        if (gather(&b->columns.v[k], b->order + from, n, a, to, e))
            return -1;
    return 0;
}
