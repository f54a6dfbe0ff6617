/* columns.c - numbers are kept in the narrowest type that holds them all exactly. */
#include "store/columns.h"
#include "wire/entries.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the types on disk, narrow ones first ------------------------------------------------------------------------ */

#define NARROW(type)                                                                                                   \
    static void to_##type(const int64_t *from, size_t n, void *to)                                                     \
    {                                                                                                                  \
        for (size_t i = 0; i < n; i++)                                                                                 \
            memcpy((char *)to + i * sizeof(type), &(type){(type)from[i]}, sizeof(type));                               \
    }
NARROW(uint8_t)
NARROW(int8_t)
NARROW(uint16_t)
NARROW(int16_t)
NARROW(int32_t)

static const struct form {
    const char *name;
    size_t size;
    enum nb_dtype base; /* what its entries are read as */
    double least, most; /* of whole numbers */
    void (*narrow)(const int64_t *from, size_t n, void *to);
    nb_entries *read;
} forms[] = {
    {"U8", 1, NB_I64, 0, UINT8_MAX, to_uint8_t, nb_entries_u8},
    {"I8", 1, NB_I64, INT8_MIN, INT8_MAX, to_int8_t, nb_entries_i8},
    {"U16", 2, NB_I64, 0, UINT16_MAX, to_uint16_t, nb_entries_u16},
    {"I16", 2, NB_I64, INT16_MIN, INT16_MAX, to_int16_t, nb_entries_i16},
    {"I32", 4, NB_I64, INT32_MIN, INT32_MAX, to_int32_t, nb_entries_i32},
    {"I64", 8, NB_I64, -INFINITY, INFINITY, NULL, nb_entries_8},
    {"F32", 4, NB_F32, 0, 0, NULL, nb_entries_4},
    {"F64", 8, NB_F64, 0, 0, NULL, nb_entries_8},
};
enum { NFORMS = sizeof forms / sizeof *forms, CHUNK = 1024 };

static const struct form *form_named(const char *name)
{
    for (int i = 0; i < NFORMS; i++)
        if (!strcmp(forms[i].name, name))
            return &forms[i];
    return NULL;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

struct seen {
    double min, max;
    long double sum;
    bool whole, single; /* all of them: whole numbers and not -0; exact as floats */
};

static void see(struct seen *s, double v)
{
    s->min = v < s->min ? v : s->min;
    s->max = v > s->max ? v : s->max;
    s->sum += v;
    s->whole &= v == trunc(v) && !(v == 0 && signbit(v));
    s->single &= (double)(float)v == v;
}

/* The narrowest that holds what was seen of a column of this type. */
static const struct form *choose(enum nb_dtype d, const struct seen *s)
{
    size_t own = nb_dtype_size(d);
    for (int i = 0; i < NFORMS; i++) {
        const struct form *f = &forms[i];
        bool fits = f->base == NB_I64   ? s->whole && s->min >= f->least && s->max <= f->most
                    : f->base == NB_F32 ? s->single
                                        : d == NB_F64;
        if (fits && f->size <= own && (f->base == d || f->size < own))
            return f;
    }
    return form_named(d == NB_I64 ? "I64" : d == NB_F32 ? "F32" : "F64");
}

/* The row of an entry that is no number. */
static int not_a_number(const struct nb_column *c, size_t entry, double v, struct nb_error *e)
{
    int64_t per_row = nb_count(&c->shape) / c->shape.dim[0];
    const char *what = isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
    return nb_fail(e, NB_E_bad_number, "row %lld, entry %lld of it, is %s; a data set has numbers only",
                   (long long)((int64_t)entry / per_row), (long long)((int64_t)entry % per_row), what);
}

static int look_at_all(const struct nb_column *c, const void *entries, struct seen *s, struct nb_error *e)
{
    double chunk[CHUNK];
    size_t n = (size_t)nb_count(&c->shape), size = nb_dtype_size(c->dtype);
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        nb_convert(NB_F64, chunk, c->dtype, (const char *)entries + at * size, m);
        for (size_t i = 0; i < m; i++) {
            if (!isfinite(chunk[i]))
                return not_a_number(c, at + i, chunk[i], e);
            see(s, chunk[i]);
        }
    }
    return 0;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int count_classes(const struct nb_tensor *t, struct nb_arena *a, int64_t *classes, struct nb_error *e)
{
    size_t n = (size_t)nb_count(&t->shape);
    if (t->dtype != NB_I64 || t->shape.rank != 1 || !n)
        return 0;
    int64_t *v = nb_alloc(a, n, sizeof *v, e);
    if (!v)
        return -1;
    memcpy(v, t->data, n * sizeof *v);
    qsort(v, n, sizeof *v, by_value);
    *classes = 1;
    for (size_t i = 1; i < n; i++)
        *classes += v[i] != v[i - 1];
    return 0;
}

int nb_column_measure(const struct nb_named *x, struct nb_arena *a, struct nb_column *c, struct nb_error *e)
{
    struct seen s = {INFINITY, -INFINITY, 0, true, true};
    int64_t n = nb_count(&x->t.shape);
    *c = (struct nb_column){.name = x->name, .dtype = x->t.dtype, .shape = x->t.shape};
    if (x->t.dtype != NB_F32 && x->t.dtype != NB_F64 && x->t.dtype != NB_I64)
        return nb_fail(e, NB_E_bad_dtype, "a column is of float32, float64 or int64, not of %s",
                       nb_dtype_name(x->t.dtype));
    if (look_at_all(c, x->t.data, &s, e) || count_classes(&x->t, a, &c->classes, e))
        return -1;
    c->min = n ? s.min : 0;
    c->max = n ? s.max : 0;
    c->mean = n ? (double)(s.sum / n) : 0;
    strcpy(c->stored, choose(c->dtype, &s)->name);
    return 0;
}

/* ---- there and back ---------------------------------------------------------------------------------------------- */

size_t nb_column_bytes(const struct nb_column *c, size_t n)
{
    return n * form_named(c->stored)->size;
}

void nb_column_pack(const struct nb_column *c, const void *entries, size_t n, uint8_t *to)
{
    int64_t whole[CHUNK];
    const struct form *f = form_named(c->stored);
    size_t size = nb_dtype_size(c->dtype);
    if (!f->narrow) {
        nb_convert(f->base, to, c->dtype, entries, n);
        return;
    }
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        nb_convert(NB_I64, whole, c->dtype, (const char *)entries + at * size, m);
        f->narrow(whole, m, to + at * f->size);
    }
}

bool nb_column_unpack(const struct nb_column *c, const uint8_t *from, size_t n, void *entries)
{
    union {
        int64_t whole[CHUNK];
        float single[CHUNK];
        double wide[CHUNK];
    } chunk;
    const struct form *f = form_named(c->stored);
    size_t size = nb_dtype_size(c->dtype);
    for (size_t at = 0; f && at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        f->read(&chunk, from + at * f->size, m);
        nb_convert(c->dtype, (char *)entries + at * size, f->base, &chunk, m);
    }
    return f;
}
