/* entries.c - the numbers in files of tensors, read. */
#include "wire/entries.h"
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are little-endian, and copied as they are");

size_t nb_entries_4(void *to, const uint8_t *from, size_t n)
{
    memcpy(to, from, 4 * n);
    return n;
}

size_t nb_entries_8(void *to, const uint8_t *from, size_t n)
{
    memcpy(to, from, 8 * n);
    return n;
}

static float half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff, bits;
    float v = (float)mantissa * 0x1p-24f; /* subnormal */
    if (exponent == 0)
        memcpy(&bits, &v, sizeof bits);
    else
        bits = (exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13;
    bits |= sign;
    memcpy(&v, &bits, sizeof v);
    return v;
}

size_t nb_entries_f16(void *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((float *)to)[i] = half((uint16_t)(from[2 * i] | from[2 * i + 1] << 8));
    return n;
}

size_t nb_entries_bf16(void *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint32_t *)to)[i] = (uint32_t)from[2 * i] << 16 | (uint32_t)from[2 * i + 1] << 24;
    return n;
}

#define WIDEN(name, type)                                                                                              \
    size_t nb_entries_##name(void *to, const uint8_t *from, size_t n)                                                  \
    {                                                                                                                  \
        for (size_t i = 0; i < n; i++) {                                                                               \
            type v;                                                                                                    \
            memcpy(&v, from + i * sizeof v, sizeof v);                                                                 \
            ((int64_t *)to)[i] = (int64_t)v;                                                                           \
        }                                                                                                              \
        return n;                                                                                                      \
    }
WIDEN(i8, int8_t)
WIDEN(i16, int16_t)
WIDEN(i32, int32_t)
WIDEN(u8, uint8_t)
WIDEN(u16, uint16_t)
WIDEN(u32, uint32_t)

size_t nb_entries_u64(void *to, const uint8_t *from, size_t n)
{
    memcpy(to, from, 8 * n);
    for (size_t i = 0; i < n; i++)
        if (((int64_t *)to)[i] < 0)
            return i;
    return n;
}

size_t nb_entries_bool(void *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (from[i] > 1)
            return i;
        ((int64_t *)to)[i] = from[i];
    }
    return n;
}
