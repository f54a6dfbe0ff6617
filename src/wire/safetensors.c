/* safetensors.c - 8 bytes of length, a JSON header, the data. Read in a fixed order of checks, so that nothing is
 * believed before it is proved: the frame, the header's text, each entry, sizes, that the data lie end to end. */
#include "wire/safetensors.h"
#include "nabla/limits.h"
#include "wire/digits.h"
#include "wire/entries.h"
#include "wire/jsonmem.h"
#include "wire/print.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct type {
    const char *name;
    size_t size;
    enum nb_dtype becomes;
    nb_entries *decode;
} types[] = {
    {"F32", 4, NB_F32, nb_entries_4},     {"F64", 8, NB_F64, nb_entries_8},   {"F16", 2, NB_F32, nb_entries_f16},
    {"BF16", 2, NB_F32, nb_entries_bf16}, {"I64", 8, NB_I64, nb_entries_8},   {"I32", 4, NB_I64, nb_entries_i32},
    {"I16", 2, NB_I64, nb_entries_i16},   {"I8", 1, NB_I64, nb_entries_i8},   {"U64", 8, NB_I64, nb_entries_u64},
    {"U32", 4, NB_I64, nb_entries_u32},   {"U16", 2, NB_I64, nb_entries_u16}, {"U8", 1, NB_I64, nb_entries_u8},
    {"BOOL", 1, NB_I64, nb_entries_bool},
};

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

struct entry {
    const char *name;
    const struct type *type;
    struct nb_shape shape;
    uint64_t begin, end; /* in the data */
};

struct file {
    const uint8_t *data;
    size_t header_size, data_size;
    struct entry *entry; /* as in the header */
    size_t n;
};

static int check_frame(const uint8_t *bytes, size_t n, struct file *f, struct nb_error *e)
{
    uint64_t size;
    if (n < 8)
        return nb_fail(e, NB_E_bad_file, "a safetensors file has at least 8 bytes, %zu came", n);
    memcpy(&size, bytes, 8);
    if (size > 100000000 || size > n - 8)
        return nb_fail(e, NB_E_bad_file,
                       "the header is said to have %" PRIu64 " bytes, the file has %zu behind its length", size, n - 8);
    if ((int64_t)size > nb_limits.json)
        return NB_OVER(e, json, (int64_t)size);
    f->header_size = (size_t)size;
    f->data = bytes + 8 + size;
    f->data_size = n - 8 - (size_t)size;
    return 0;
}

static json_t *parse_header(const char *text, size_t n, struct nb_error *e)
{
    while (n > 0 && text[n - 1] == ' ')
        n--;
    if (n < 2 || text[0] != '{' || text[n - 1] != '}') {
        nb_fail(e, NB_E_bad_file, "the header is one JSON object, from its first byte on, and spaces behind it");
        return NULL;
    }
    struct nb_json_budget budget = {.cap = 8 * (size_t)nb_limits.json};
    json_error_t je;
    json_t *j = nb_json_load(text, n, &budget, &je);
    if (!j && budget.over)
        NB_OVER(e, json, (int64_t)n);
    else if (!j)
        nb_fail(e, NB_E_bad_file, "the header is not JSON, at byte %d: %s", je.position, je.text);
    return j;
}

static int check_metadata(const json_t *j, struct nb_error *e)
{
    const char *key;
    json_t *v;
    if (!json_is_object(j))
        return nb_fail(e, NB_E_bad_file, "__metadata__ is a map of strings");
    json_object_foreach ((json_t *)j, key, v)
        if (!json_is_string(v))
            return nb_fail(e, NB_E_bad_file, "__metadata__ is a map of strings; %.80s is none", key);
    return 0;
}

static bool whole(const json_t *j)
{
    return json_is_integer(j) && json_integer_value(j) >= 0;
}

static int read_type(const json_t *j, struct entry *t, struct nb_error *e)
{
    const char *name = json_string_value(j);
    for (size_t i = 0; name && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            t->type = &types[i];
    if (t->type)
        return 0;
    return nb_fail(e, NB_E_bad_file,
                   "tensor %.80s: the dtype %.20s is none of those that are read here: F64, F32, F16, BF16, "
                   "I64, I32, I16, I8, U64, U32, U16, U8, BOOL",
                   t->name, name ? name : "(not a string)");
}

static int read_shape(const json_t *j, struct entry *t, struct nb_error *e)
{
    size_t rank = json_array_size(j);
    if (rank > NB_MAX_RANK)
        return nb_fail(e, NB_E_bad_file, "tensor %.80s: a tensor has at most %d dimensions, this has %zu", t->name,
                       NB_MAX_RANK, rank);
    t->shape.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        if (!whole(json_array_get(j, i)))
            return nb_fail(e, NB_E_bad_file, "tensor %.80s: the shape is a list of whole numbers from 0", t->name);
        t->shape.dim[i] = json_integer_value(json_array_get(j, i));
    }
    return 0;
}

static int read_offsets(const json_t *j, struct entry *t, struct nb_error *e)
{
    const json_t *begin = json_array_get(j, 0), *end = json_array_get(j, 1);
    if (json_array_size(j) != 2 || !whole(begin) || !whole(end) || json_integer_value(begin) > json_integer_value(end))
        return nb_fail(e, NB_E_bad_file, "tensor %.80s: data_offsets are two whole numbers, begin and end", t->name);
    t->begin = (uint64_t)json_integer_value(begin);
    t->end = (uint64_t)json_integer_value(end);
    return 0;
}

static bool printable(const char *name)
{
    while ((unsigned char)*name >= 0x20 && *name != 0x7f)
        name++;
    return !*name;
}

static int read_entry(const char *name, const json_t *j, struct entry *t, struct nb_error *e)
{
    *t = (struct entry){.name = name};
    if (!printable(name))
        return nb_fail(e, NB_E_bad_file, "tensor %.80s: the name has control characters", name);
    const json_t *shape = json_object_get(j, "shape"), *offsets = json_object_get(j, "data_offsets");
    if (json_object_size(j) != 3 || !json_object_get(j, "dtype") || !json_is_array(shape) || !json_is_array(offsets))
        return nb_fail(e, NB_E_bad_file, "tensor %.80s: its entry is an object of dtype, shape, data_offsets", name);
    if (read_type(json_object_get(j, "dtype"), t, e) || read_shape(shape, t, e) || read_offsets(offsets, t, e))
        return -1;
    int64_t n = nb_count(&t->shape);
    if (n < 0)
        return nb_fail(e, NB_E_bad_file, "tensor %.80s: it has more than %d entries", name, INT32_MAX);
    if ((uint64_t)n * t->type->size != t->end - t->begin)
        return nb_fail(e, NB_E_bad_file, "tensor %.80s: shape and dtype make %" PRIu64 " bytes, the offsets %" PRIu64,
                       name, (uint64_t)n * t->type->size, t->end - t->begin);
    return 0;
}

static int read_entries(const json_t *header, struct file *f, struct nb_arena *a, struct nb_error *e)
{
    const char *name;
    json_t *j;
    size_t n = json_object_size(header) - (json_object_get(header, "__metadata__") != NULL);
    if ((int64_t)n > nb_limits.tensors)
        return NB_OVER(e, tensors, (int64_t)n);
    f->entry = nb_small(a, n, sizeof *f->entry, e);
    if (!f->entry)
        return -1;
    json_object_foreach ((json_t *)header, name, j)
        if (strcmp(name, "__metadata__") == 0 ? check_metadata(j, e) : read_entry(name, j, &f->entry[f->n++], e))
            return -1;
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *s = *(struct entry *const *)a, *t = *(struct entry *const *)b;
    if (s->begin != t->begin)
        return s->begin < t->begin ? -1 : 1;
    return s->end < t->end ? -1 : s->end > t->end;
}

/* The data lie end to end: so a small file cannot pose as a large one, nor hide anything. */
static int check_layout(const struct file *f, struct nb_arena *a, struct nb_error *e)
{
    struct entry **order = nb_small(a, f->n, sizeof *order, e);
    uint64_t at = 0;
    if (!order)
        return -1;
    for (size_t i = 0; i < f->n; i++)
        order[i] = &f->entry[i];
    qsort(order, f->n, sizeof *order, by_offset);
    for (size_t i = 0; i < f->n; i++) {
        if (order[i]->begin != at)
            return nb_fail(e, NB_E_bad_file,
                           "tensor %.80s: its data begin at %" PRIu64 ", those before end at %" PRIu64, order[i]->name,
                           order[i]->begin, at);
        at = order[i]->end;
    }
    if (at == f->data_size)
        return 0;
    return nb_fail(e, NB_E_bad_file, "tensor %.80s, the last, ends at byte %" PRIu64 " of %zu bytes of data",
                   f->n ? order[f->n - 1]->name : "(none)", at, f->data_size);
}

static int decode(const struct file *f, struct nb_arena *a, struct nb_tensors *out, struct nb_error *e)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct entry *s = &f->entry[i];
        struct nb_tensor t;
        char *name = nb_strdup(a, s->name, e);
        if (!name || nb_tensor_new(a, s->type->becomes, &s->shape, &t, e))
            return -1;
        size_t n = (size_t)nb_count(&s->shape), good = n ? s->type->decode(t.data, f->data + s->begin, n) : 0;
        if (good < n)
            return nb_fail(e, NB_E_bad_file, "tensor %.80s: entry %zu is no %s that fits here", name, good,
                           s->type->name);
        if (nb_tensors_add(a, out, name, t, e))
            return -1;
    }
    return 0;
}

int nb_safetensors_read(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensors *out, struct nb_error *e)
{
    struct file f = {0};
    if (check_frame(bytes, n, &f, e))
        return -1;
    json_t *header = parse_header((const char *)bytes + 8, f.header_size, e);
    int r = !header || read_entries(header, &f, a, e) || check_layout(&f, a, e) || decode(&f, a, out, e);
    json_decref(header);
    return r ? -1 : 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

/* NULL for what the format lacks. */
static const char *written_type(enum nb_dtype d)
{
    static const char *const names[NB_NDTYPE] = {
        [NB_F32] = "F32", [NB_F64] = "F64", [NB_I64] = "I64", [NB_I32] = "I32", [NB_BOOL] = "BOOL"};
    return names[d];
}

/* Large entries first, so that all are aligned; then by name. */
static int by_size(const void *a, const void *b)
{
    const struct nb_named *s = *(const struct nb_named *const *)a, *t = *(const struct nb_named *const *)b;
    size_t m = nb_dtype_size(s->t.dtype), n = nb_dtype_size(t->t.dtype);
    return m != n ? (m < n ? 1 : -1) : strcmp(s->name, t->name);
}

static size_t bytes_of(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape) * nb_dtype_size(t->dtype);
}

static int put_whole(struct nb_text *t, size_t v, const char *behind, struct nb_error *e)
{
    char buf[NB_DIGITS_MAX];
    size_t n = (size_t)(nb_digits_whole(buf, (int64_t)v) - buf);
    return nb_putn(t, buf, n, e) || nb_put(t, behind, e) ? -1 : 0;
}

static int put_facts(struct nb_text *t, const struct nb_fact *facts, size_t n, struct nb_error *e)
{
    for (size_t i = 0; i < n; i++)
        if (nb_put(t, i ? "," : "\"__metadata__\":{", e) || nb_put_string(t, facts[i].key, e) || nb_put(t, ":", e) ||
            nb_put_string(t, facts[i].value, e))
            return -1;
    return n ? nb_put(t, "}", e) : 0;
}

static int put_entry(struct nb_text *t, const struct nb_named *x, size_t at, struct nb_error *e)
{
    const struct nb_shape *s = &x->t.shape;
    const char *type = written_type(x->t.dtype);
    if (!type)
        return nb_fail(e, NB_E_internal, "tensor %.80s: no dtype of the file for %s", x->name,
                       nb_dtype_name(x->t.dtype));
    if (nb_put_string(t, x->name, e) || nb_put(t, ":{\"dtype\":\"", e) || nb_put(t, type, e) ||
        nb_put(t, "\",\"shape\":[", e))
        return -1;
    for (int i = 0; i < s->rank; i++)
        if (put_whole(t, (size_t)s->dim[i], i < s->rank - 1 ? "," : "", e))
            return -1;
    if (nb_put(t, "],\"data_offsets\":[", e) || put_whole(t, at, ",", e) || put_whole(t, at + bytes_of(&x->t), "]}", e))
        return -1;
    return 0;
}

/* *data is the size of what follows the header. */
static int put_header(struct nb_text *t, const struct nb_named **order, size_t n, const struct nb_fact *facts,
                      size_t nfacts, size_t *data, struct nb_error *e)
{
    *data = 0;
    if (nb_put(t, "{", e) || put_facts(t, facts, nfacts, e))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if ((i + nfacts > 0 && nb_put(t, ",", e)) || put_entry(t, order[i], *data, e))
            return -1;
        *data += bytes_of(&order[i]->t);
    }
    if (nb_put(t, "}", e))
        return -1;
    return nb_putn(t, "        ", (8 - t->n % 8) % 8, e);
}

int nb_safetensors_write(const struct nb_tensors *l, const struct nb_fact *facts, size_t nfacts, struct nb_arena *a,
                         void **bytes, size_t *n, struct nb_error *e)
{
    struct nb_text header = {.arena = a};
    size_t data;
    const struct nb_named **order = nb_small(a, l->n, sizeof *order, e);
    if (!order)
        return -1;
    for (size_t i = 0; i < l->n; i++)
        order[i] = &l->v[i];
    qsort(order, l->n, sizeof *order, by_size);
    if (put_header(&header, order, l->n, facts, nfacts, &data, e))
        return -1;
    *n = 8 + header.n + data;
    char *p = *bytes = nb_alloc(a, *n, 1, e);
    if (!p)
        return -1;
    memcpy(p, &(uint64_t){header.n}, 8);
    memcpy(p + 8, header.v, header.n);
    p += 8 + header.n;
    for (size_t i = 0; i < l->n; i++) {
        size_t size = bytes_of(&order[i]->t);
        if (size)
            memcpy(p, order[i]->t.data, size);
        p += size;
    }
    return 0;
}
