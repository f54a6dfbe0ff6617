/* npy.c - a magic number, a Python dict of three keys, the data. The dict is scanned, never evaluated. */
#include "wire/npy.h"
#include "wire/entries.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PREFIX = 10, LONGEST = 10000 }; /* bytes in front of version 1's dict; numpy refuses longer ones */

static const struct type {
    const char *name; /* behind the byte order */
    size_t size;
    enum nb_dtype becomes;
    nb_entries *decode;
} types[] = {
    {"f4", 4, NB_F32, nb_entries_4},   {"f8", 8, NB_F64, nb_entries_8},   {"f2", 2, NB_F32, nb_entries_f16},
    {"i8", 8, NB_I64, nb_entries_8},   {"i4", 4, NB_I64, nb_entries_i32}, {"i2", 2, NB_I64, nb_entries_i16},
    {"i1", 1, NB_I64, nb_entries_i8},  {"u8", 8, NB_I64, nb_entries_u64}, {"u4", 4, NB_I64, nb_entries_u32},
    {"u2", 2, NB_I64, nb_entries_u16}, {"u1", 1, NB_I64, nb_entries_u8},  {"b1", 1, NB_I64, nb_entries_bool},
};

struct head {
    const char *p, *end; /* of the dict */
    const struct type *type;
    bool swapped, fortran;
    struct nb_shape shape;
};

/* ---- the dict ---------------------------------------------------------------------------------------------------- */

static void skip_blanks(struct head *h)
{
    while (h->p < h->end && (*h->p == ' ' || *h->p == '\t' || *h->p == '\n' || *h->p == '\r'))
        h->p++;
}

/* The character c, and blanks around it. */
static bool take(struct head *h, char c)
{
    skip_blanks(h);
    if (h->p == h->end || *h->p != c)
        return false;
    h->p++;
    skip_blanks(h);
    return true;
}

/* A text in quotes, without escapes. */
static bool take_text(struct head *h, const char **text, int *n)
{
    char quote = h->p < h->end ? *h->p : 0;
    if (quote != '\'' && quote != '"')
        return false;
    const char *q = memchr(h->p + 1, quote, (size_t)(h->end - h->p - 1));
    if (!q)
        return false;
    *text = h->p + 1;
    *n = (int)(q - *text);
    h->p = q + 1;
    return true;
}

static bool take_word(struct head *h, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(h->end - h->p) < n || memcmp(h->p, word, n))
        return false;
    h->p += n;
    return true;
}

/* Why a type is not read, by its letter. */
static const char *why_not(char letter)
{
    static const struct {
        char letter;
        const char *why;
    } rows[] = {{'O', "Python objects: that is a pickle, a program, which is never run here"},
                {'V', "structures or raw bytes"},
                {'c', "complex numbers"},
                {'U', "texts"},
                {'S', "texts"},
                {'a', "texts"},
                {'M', "dates"},
                {'m', "times"},
                {'f', "floats of a size that is not read"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].letter == letter)
            return rows[i].why;
    return "something unknown";
}

static int read_descr(struct head *h, struct nb_error *e)
{
    const char *text;
    int n;
    if (h->p < h->end && *h->p == '[')
        return nb_fail(e, NB_E_bad_file, "the entries are structures (descr is a list); numbers are read");
    if (!take_text(h, &text, &n) || n < 2)
        return nb_fail(e, NB_E_bad_file, "descr is the name of a type in quotes, like '<f8'");
    bool order = memchr("<>|=", *text, 4);
    for (size_t i = 0; i < sizeof types / sizeof *types && order; i++)
        if (n == 3 && !memcmp(text + 1, types[i].name, 2) && (*text != '|' || types[i].size == 1))
            h->type = &types[i];
    h->swapped = *text == '>';
    if (h->type)
        return 0;
    return nb_fail(e, NB_E_bad_file, "the entries are %s (descr %.*s); f2, f4, f8, i1 to i8, u1 to u8 and b1 are read",
                   why_not(text[order]), n < 20 ? n : 20, text);
}

static int read_order(struct head *h, struct nb_error *e)
{
    h->fortran = take_word(h, "True");
    return h->fortran || take_word(h, "False") ? 0 : nb_fail(e, NB_E_bad_file, "fortran_order is True or False");
}

/* Digits; -1: none, or a number that is no size. */
static int64_t take_size(struct head *h)
{
    int64_t v = 0;
    const char *first = h->p;
    for (; h->p < h->end && *h->p >= '0' && *h->p <= '9'; h->p++)
        if ((v = 10 * v + (*h->p - '0')) > INT64_MAX / 20)
            return -1;
    return h->p > first ? v : -1;
}

static int read_shape(struct head *h, struct nb_error *e)
{
    bool comma = true;
    if (!take(h, '('))
        return nb_fail(e, NB_E_bad_file, "shape is a tuple of whole numbers, like (2, 3)");
    while (!take(h, ')')) {
        int64_t size = comma ? take_size(h) : -1;
        if (size < 0)
            return nb_fail(e, NB_E_bad_file, "shape is a tuple of whole numbers from 0, like (2, 3) or (3,)");
        if (h->shape.rank == NB_MAX_RANK)
            return nb_fail(e, NB_E_bad_file, "a tensor has at most %d dimensions", NB_MAX_RANK);
        h->shape.dim[h->shape.rank++] = size;
        comma = take(h, ',');
    }
    return h->shape.rank != 1 || comma ? 0 : nb_fail(e, NB_E_bad_file, "shape is a tuple: (3,) with its comma");
}

static const struct key {
    const char *name;
    int (*read)(struct head *h, struct nb_error *e);
} keys[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};

/* One key and its value. *seen has a bit for each key. */
static int read_key(struct head *h, unsigned *seen, struct nb_error *e)
{
    const char *text;
    int n;
    if (!take_text(h, &text, &n) || !take(h, ':'))
        return nb_fail(e, NB_E_bad_file, "the header is not the dict that numpy writes");
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        if ((size_t)n != strlen(keys[i].name) || memcmp(text, keys[i].name, (size_t)n))
            continue;
        if (*seen >> i & 1)
            return nb_fail(e, NB_E_bad_file, "%s is in the header twice", keys[i].name);
        *seen |= 1u << i;
        return keys[i].read(h, e);
    }
    return nb_fail(e, NB_E_bad_file, "the header has descr, fortran_order and shape, not %.*s", n < 60 ? n : 60, text);
}

static int read_dict(struct head *h, struct nb_error *e)
{
    unsigned seen = 0;
    bool comma = true;
    if (!take(h, '{'))
        return nb_fail(e, NB_E_bad_file, "the header is not the dict that numpy writes");
    while (!take(h, '}')) {
        if (!comma)
            return nb_fail(e, NB_E_bad_file, "the header is not the dict that numpy writes");
        if (read_key(h, &seen, e))
            return -1;
        comma = take(h, ',');
    }
    if (h->p != h->end)
        return nb_fail(e, NB_E_bad_file, "there is something behind the header's dict");
    return seen == 7 ? 0 : nb_fail(e, NB_E_bad_file, "the header lacks descr, fortran_order or shape");
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Finds the dict and the data behind it. */
static int read_frame(const uint8_t *bytes, size_t n, struct head *h, struct nb_error *e)
{
    if (n < PREFIX || memcmp(bytes, "\x93NUMPY", 6))
        return nb_fail(e, NB_E_bad_file, "this is no npy file, or only the beginning of one");
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return nb_fail(e, NB_E_bad_file, "version %d.%d of the npy format is not known here", bytes[6], bytes[7]);
    size_t prefix = bytes[6] == 1 ? PREFIX : PREFIX + 2, size = bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1 && n >= prefix)
        size |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (n < prefix || size > n - prefix)
        return nb_fail(e, NB_E_bad_file, "the header is said to have %zu bytes, the file ends before", size);
    if (size > LONGEST)
        return nb_fail(e, NB_E_bad_file, "the header has %zu bytes; numpy refuses over %d too", size, LONGEST);
    h->p = (const char *)bytes + prefix;
    h->end = h->p + size;
    return 0;
}

/* The other byte order, in place. */
static void swap(uint8_t *v, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++, v += size)
        for (size_t k = 0; k < size / 2; k++) {
            uint8_t b = v[k];
            v[k] = v[size - 1 - k];
            v[size - 1 - k] = b;
        }
}

/* From the order in which the first index runs fastest. */
static void transpose(char *to, const char *from, const struct nb_shape *s, size_t n, size_t size)
{
    int64_t index[NB_MAX_RANK] = {0}, step[NB_MAX_RANK];
    for (int d = 0; d < s->rank; d++)
        step[d] = d ? step[d - 1] * s->dim[d - 1] : 1;
    int64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(to + i * size, from + (size_t)at * size, size);
        for (int d = s->rank - 1; d >= 0; d--) {
            at += step[d];
            if (++index[d] < s->dim[d])
                break;
            at -= step[d] * s->dim[d];
            index[d] = 0;
        }
    }
}

static int decode(const struct head *h, const uint8_t *data, size_t n, struct nb_arena *a, struct nb_tensor *t,
                  struct nb_error *e)
{
    struct nb_tensor as_written;
    size_t size = h->type->size;
    if (nb_tensor_new(a, h->type->becomes, &h->shape, t, e))
        return -1;
    as_written = *t;
    if (h->swapped && size > 1) {
        uint8_t *copy = nb_alloc(a, n, size, e);
        if (!copy)
            return -1;
        data = memcpy(copy, data, n * size);
        swap(copy, n, size);
    }
    bool turned = h->fortran && h->shape.rank > 1 && n;
    if (turned && nb_tensor_new(a, t->dtype, &h->shape, &as_written, e))
        return -1;
    size_t good = n ? h->type->decode(as_written.data, data, n) : 0;
    if (good < n)
        return nb_fail(e, NB_E_bad_file, "entry %zu is no %s that fits here", good, h->type->name);
    if (turned)
        transpose(t->data, as_written.data, &h->shape, n, nb_dtype_size(t->dtype));
    return 0;
}

int nb_npy_read(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensor *t, struct nb_error *e)
{
    struct head h = {0};
    if (read_frame(bytes, n, &h, e) || read_dict(&h, e))
        return -1;
    int64_t count = nb_count(&h.shape);
    size_t data = n - (size_t)(h.end - (const char *)bytes);
    if (count < 0)
        return nb_fail(e, NB_E_bad_file, "it has more than %d entries", INT32_MAX);
    if ((size_t)count * h.type->size != data)
        return nb_fail(e, NB_E_bad_file, "shape and type make %zu bytes of data, there are %zu",
                       (size_t)count * h.type->size, data);
    return decode(&h, (const uint8_t *)h.end, (size_t)count, a, t, e);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

size_t nb_npy_head(const struct nb_tensor *t, char head[NB_NPY_HEAD])
{
    static const char *const names[NB_NDTYPE] = {
        [NB_F32] = "<f4", [NB_F64] = "<f8", [NB_I64] = "<i8", [NB_I32] = "<i4", [NB_BOOL] = "|b1"};
    enum { ALIGN = 64 };
    if (!names[t->dtype])
        return 0;
    char *p = head + PREFIX;
    p += sprintf(p, "{'descr': '%s', 'fortran_order': False, 'shape': (", names[t->dtype]);
    for (int i = 0; i < t->shape.rank; i++)
        p += sprintf(p, i ? ", %" PRId64 : "%" PRId64, t->shape.dim[i]);
    p += sprintf(p, "%s), }", t->shape.rank == 1 ? "," : "");
    size_t n = (size_t)(p + 1 - head), padded = (n + ALIGN - 1) / ALIGN * ALIGN;
    memset(p, ' ', padded - n);
    head[padded - 1] = '\n';
    memcpy(head, "\x93NUMPY\x01", 8);
    head[8] = (char)((padded - PREFIX) & 0xff);
    head[9] = (char)((padded - PREFIX) >> 8);
    return padded;
}

int nb_npy_write(const struct nb_tensor *t, struct nb_arena *a, void **bytes, size_t *n, struct nb_error *e)
{
    char head[NB_NPY_HEAD];
    size_t size = nb_npy_head(t, head), data = (size_t)nb_count(&t->shape) * nb_dtype_size(t->dtype);
    if (!size)
        return nb_fail(e, NB_E_internal, "no npy for %s", nb_dtype_name(t->dtype));
    *n = size + data;
    if (!(*bytes = nb_alloc(a, *n, 1, e)))
        return -1;
    memcpy(*bytes, head, size);
    if (data)
        memcpy((char *)*bytes + size, t->data, data);
    return 0;
}
