/* tensor.c - shapes, tensors, lists of named tensors. */
#include "nabla/tensor.h"
#include <complex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t nb_dtype_size(enum nb_dtype d)
{
    static const size_t size[NB_NDTYPE] = {
        [NB_F32] = 4, [NB_F64] = 8, [NB_C128] = 16, [NB_I64] = 8, [NB_I32] = 4, [NB_BOOL] = 1};
    return size[d];
}

const char *nb_dtype_name(enum nb_dtype d)
{
    static const char *const name[NB_NDTYPE] = {[NB_F32] = "float32", [NB_F64] = "float64", [NB_C128] = "complex128",
                                                [NB_I64] = "int64",   [NB_I32] = "int32",   [NB_BOOL] = "bool"};
    return name[d];
}

int64_t nb_count(const struct nb_shape *s)
{
    bool empty = false;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0) /* also everything unknown */
            return -1;
        empty |= s->dim[i] == 0;
    }
    int64_t n = !empty;
    for (int i = 0; i < s->rank; i++)
        if (__builtin_mul_overflow(n, s->dim[i], &n) || n > INT32_MAX)
            return -1;
    return n;
}

bool nb_shape_known(const struct nb_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (!NB_IS_KNOWN(s->dim[i]))
            return false;
    return true;
}

int nb_dim_same(int64_t a, int64_t b)
{
    if (a == b && a != NB_ANY)
        return 1;
    return NB_IS_KNOWN(a) && NB_IS_KNOWN(b) ? 0 : -1;
}

int nb_shape_same(const struct nb_shape *a, const struct nb_shape *b)
{
    if (a->rank != b->rank)
        return 0;
    int same = 1;
    for (int i = 0; i < a->rank; i++) {
        int d = nb_dim_same(a->dim[i], b->dim[i]);
        if (d == 0)
            return 0;
        if (d < 0)
            same = -1;
    }
    return same;
}

/* One dimension of a broadcast; 0 or -1. Of a known size other than 1 and an unknown one the known one must win. */
static int broadcast_dim(int64_t a, int64_t b, int64_t *d)
{
    int same = nb_dim_same(a, b);
    if (same == 1 || b == 1)
        *d = a;
    else if (a == 1)
        *d = b;
    else if (same == 0)
        return -1;
    else
        *d = NB_IS_KNOWN(a) ? a : NB_IS_KNOWN(b) ? b : NB_ANY;
    return 0;
}

int nb_broadcast(const struct nb_shape *a, const struct nb_shape *b, struct nb_shape *out)
{
    struct nb_shape r = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < r.rank; i++) {
        int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);
        if (broadcast_dim(ia < 0 ? 1 : a->dim[ia], ib < 0 ? 1 : b->dim[ib], &r.dim[i]))
            return -1;
    }
    *out = r;
    return 0;
}

static int dim_text(int64_t d, const char *const *symbols, char *buf, size_t size)
{
    if (NB_IS_KNOWN(d))
        return snprintf(buf, size, "%lld", (long long)d);
    return snprintf(buf, size, "%s", NB_IS_SYM(d) && symbols ? symbols[d - NB_SYM(0)] : "?");
}

char *nb_shape_text(const struct nb_shape *s, const char *const *symbols, char *buf, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < s->rank && n < size; i++) {
        n += (size_t)snprintf(buf + n, size - n, i ? ", " : "[");
        if (n < size)
            n += (size_t)dim_text(s->dim[i], symbols, buf + n, size - n);
    }
    if (n < size)
        snprintf(buf + n, size - n, s->rank > 0 ? "]" : "[]");
    return buf;
}

int nb_axis(int64_t dim, int rank)
{
    if (dim < 0)
        dim += rank;
    return dim >= 0 && dim < rank ? (int)dim : -1;
}

struct nb_shape nb_shape_of(int rank, ...)
{
    struct nb_shape s = {.rank = rank};
    va_list ap;
    va_start(ap, rank);
    for (int i = 0; i < rank; i++)
        s.dim[i] = va_arg(ap, int64_t);
    va_end(ap);
    return s;
}

int nb_tensor_new(struct nb_arena *a, enum nb_dtype dtype, const struct nb_shape *s, struct nb_tensor *t,
                  struct nb_error *e)
{
    int64_t n = nb_count(s);
    char text[200];
    if (n < 0)
        return nb_fail(e, NB_E_limit, "a tensor of shape %s has more than %d entries or an unknown size",
                       nb_shape_text(s, NULL, text, sizeof text), INT32_MAX);
    *t = (struct nb_tensor){dtype, *s, nb_alloc(a, (size_t)n, nb_dtype_size(dtype), e)};
    return t->data ? 0 : -1;
}

/* A cast to int64_t that is defined for every number. */
static int64_t to_whole(double v)
{
    if (v != v)
        return 0;
    return v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

/* One function for each type that is written, with one loop for each that is read. */
#define SAME(v) (v)
#define WHOLE(v) to_whole((double)(v))
#define HALF(v) (int32_t) to_whole((double)(v))
#define TRUTH(v) ((v) != 0)
#define FROM(dtype, type, CAST, part)                                                                                  \
    case dtype:                                                                                                        \
        for (size_t i = 0; i < n; i++)                                                                                 \
            to[i] = CAST(part(((const type *)src)[i]));                                                                \
        break;
#define WRITE(name, type, CAST, CAST_WHOLE)                                                                            \
    static void name(type *restrict to, enum nb_dtype from, const void *restrict src, size_t n)                        \
    {                                                                                                                  \
        switch (from) {                                                                                                \
            FROM(NB_F32, float, CAST, )                                                                                \
            FROM(NB_F64, double, CAST, )                                                                               \
            FROM(NB_C128, double _Complex, CAST, creal)                                                                \
            FROM(NB_I64, int64_t, CAST_WHOLE, )                                                                        \
            FROM(NB_I32, int32_t, CAST_WHOLE, )                                                                        \
            FROM(NB_BOOL, uint8_t, CAST_WHOLE, )                                                                       \
        default:                                                                                                       \
            break;                                                                                                     \
        }                                                                                                              \
    }
WRITE(write_f32, float, SAME, SAME)
WRITE(write_f64, double, SAME, SAME)
WRITE(write_c128, double _Complex, SAME, SAME)
WRITE(write_i64, int64_t, WHOLE, SAME)
WRITE(write_i32, int32_t, HALF, SAME)
WRITE(write_bool, uint8_t, TRUTH, TRUTH)

void nb_convert(enum nb_dtype to, void *dst, enum nb_dtype from, const void *src, size_t n)
{
    if (n == 0)
        return;
    if (to == from)
        memcpy(dst, src, n * nb_dtype_size(to));
    else if (to == NB_F32)
        write_f32(dst, from, src, n);
    else if (to == NB_F64)
        write_f64(dst, from, src, n);
    else if (to == NB_C128)
        write_c128(dst, from, src, n);
    else if (to == NB_I64)
        write_i64(dst, from, src, n);
    else if (to == NB_I32)
        write_i32(dst, from, src, n);
    else
        write_bool(dst, from, src, n);
}

int nb_tensors_add(struct nb_arena *a, struct nb_tensors *l, const char *name, struct nb_tensor t, struct nb_error *e)
{
    if (nb_grow(a, &l->v, l->n, &l->cap, sizeof *l->v, e))
        return -1;
    l->v[l->n++] = (struct nb_named){name, t, {0}};
    return 0;
}

struct nb_tensor *nb_tensors_find(const struct nb_tensors *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].name, name) == 0)
            return &l->v[i].t;
    return NULL;
}
