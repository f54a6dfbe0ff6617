/* idx.c - see idx.h. */
#include "wire/idx.h"
#include <inttypes.h>
#include <string.h>

/* ---- the types --------------------------------------------------------------------------------------------------- */

static uint64_t high_first(const uint8_t *p, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v = v << 8 | p[i];
    return v;
}

static double from_u8(uint64_t v)
{
    return (double)(uint8_t)v;
}

static double from_i8(uint64_t v)
{
    return (double)(int8_t)v;
}

static double from_i16(uint64_t v)
{
    return (double)(int16_t)v;
}

static double from_i32(uint64_t v)
{
    return (double)(int32_t)v;
}

static double from_f32(uint64_t v)
{
    uint32_t bits = (uint32_t)v;
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static double from_f64(uint64_t v)
{
    double d;
    memcpy(&d, &v, sizeof d);
    return d;
}

static const struct type {
    uint8_t code;
    size_t size;
    enum nb_dtype classes, pictures; /* with one size, with more */
    double (*value)(uint64_t bits);
} types[] = {
    {0x08, 1, NB_I64, NB_F32, from_u8},  {0x09, 1, NB_I64, NB_F32, from_i8},  {0x0b, 2, NB_I64, NB_F32, from_i16},
    {0x0c, 4, NB_I64, NB_I64, from_i32}, {0x0d, 4, NB_F32, NB_F32, from_f32}, {0x0e, 8, NB_F64, NB_F64, from_f64},
};

static const struct type *type_of(uint8_t code)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == code)
            return &types[i];
    return NULL;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

bool nb_idx_is(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    return n >= 4 && !p[0] && !p[1] && type_of(p[2]);
}

static int read_head(const uint8_t *p, size_t n, const struct type **type, struct nb_shape *s, struct nb_error *e)
{
    if (n < 4 || p[0] || p[1])
        return nb_fail(e, NB_E_bad_file, "an IDX file begins with two bytes 0, its type and its number of sizes");
    if (!(*type = type_of(p[2])))
        return nb_fail(e, NB_E_bad_file,
                       "the type of an IDX file is 08, 09, 0B, 0C, 0D or 0E, in hexadecimal; %02X came", p[2]);
    if (!p[3] || p[3] > NB_MAX_RANK)
        return nb_fail(e, NB_E_bad_file, "an IDX file has 1 to %d sizes here; this has %d", NB_MAX_RANK, p[3]);
    s->rank = p[3];
    if (n < 4 + 4 * (size_t)s->rank)
        return nb_fail(e, NB_E_bad_file, "the IDX file is cut off among its sizes");
    for (int i = 0; i < s->rank; i++)
        s->dim[i] = (int64_t)high_first(p + 4 + 4 * i, 4);
    return 0;
}

static void decode(const struct type *type, const uint8_t *from, size_t n, struct nb_tensor *t)
{
    double chunk[1024];
    size_t size = nb_dtype_size(t->dtype);
    for (size_t at = 0; at < n; at += 1024) {
        size_t m = n - at < 1024 ? n - at : 1024;
        for (size_t i = 0; i < m; i++)
            chunk[i] = type->value(high_first(from + (at + i) * type->size, type->size));
        nb_convert(t->dtype, (char *)t->data + at * size, NB_F64, chunk, m);
    }
}

int nb_idx_read(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensor *t, size_t *used, struct nb_error *e)
{
    const struct type *type = NULL;
    struct nb_shape s;
    char text[200];
    if (read_head(bytes, n, &type, &s, e))
        return -1;
    int64_t count = nb_count(&s);
    nb_shape_text(&s, NULL, text, sizeof text);
    if (count < 0)
        return nb_fail(e, NB_E_bad_file, "%s in an IDX file are more than %d entries", text, INT32_MAX);
    size_t head = 4 + 4 * (size_t)s.rank, data = (size_t)count * type->size;
    if (n - head < data)
        return nb_fail(e, NB_E_bad_file, "%s in an IDX file are %zu bytes; %zu follow its sizes", text, data, n - head);
    if (nb_tensor_new(a, s.rank == 1 ? type->classes : type->pictures, &s, t, e))
        return -1;
    decode(type, (const uint8_t *)bytes + head, (size_t)count, t);
    *used = head + data;
    return 0;
}
