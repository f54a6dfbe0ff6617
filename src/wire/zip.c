/* zip.c - an archive ends in a record that says where its directory is, which says where the members are. libzip makes
 * room for as many members as the record claims, and hands out as much data as there is, whatever was declared: so the
 * record is judged before, and the end of each member looked for. */
#include "wire/zip.h"
#include "nabla/limits.h"
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <zip.h>
#include <zlib.h>

enum { LOCAL = 30, CENTRAL = 46, END = 22 }; /* sizes of the records */
enum { STORED = 0, DEFLATED = 8 };

static uint32_t get(const uint8_t *p, int n)
{
    uint32_t v = 0;
    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The last 22 bytes. *n is the number of members. */
static int check_end(const uint8_t *bytes, size_t size, size_t *n, struct nb_error *e)
{
    if (size < END)
        return nb_fail(e, NB_E_bad_file, "a zip archive has at least %d bytes, %zu came", END, size);
    const uint8_t *end = bytes + size - END;
    if (get(end, 4) != 0x06054b50 || get(end + 20, 2))
        return nb_fail(e, NB_E_bad_file,
                       "a zip archive ends with its end record; this is none, or is cut off, or has bytes behind it");
    uint32_t count = get(end + 10, 2), directory = get(end + 12, 4), at = get(end + 16, 4);
    if (get(end + 4, 4) || get(end + 8, 2) != count)
        return nb_fail(e, NB_E_bad_file, "the archive is one part of several");
    if (count == UINT16_MAX || at == UINT32_MAX || directory == UINT32_MAX)
        return nb_fail(e, NB_E_bad_file, "an archive of more than 65534 members or of 4 GiB is not read");
    if ((uint64_t)at + directory != size - END || (uint64_t)count * CENTRAL > directory)
        return nb_fail(e, NB_E_bad_file,
                       "the directory of %u members, %u bytes at byte %u, does not end where the end record begins",
                       count, directory, at);
    *n = count;
    return 0;
}

static int fail_open(zip_error_t *fault, struct nb_error *e)
{
    switch (zip_error_code_zip(fault)) {
    case ZIP_ER_MEMORY:
        return nb_fail_memory(e);
    case ZIP_ER_EXISTS:
        return nb_fail(e, NB_E_bad_file, "a name is in the archive twice");
    case ZIP_ER_INCONS:
        return nb_fail(e, NB_E_bad_file,
                       "the archive contradicts itself: its directory and what that lists differ, or bytes belong to "
                       "nothing");
    default:
        return nb_fail(e, NB_E_bad_file, "no zip archive: %s", zip_error_strerror(fault));
    }
}

int nb_zip_open(const void *bytes, size_t n, struct nb_zip *z, struct nb_error *e)
{
    zip_error_t fault;
    *z = (struct nb_zip){.bytes = n};
    if (check_end(bytes, n, &z->n, e))
        return -1;
    zip_error_init(&fault);
    zip_source_t *source = zip_source_buffer_create(bytes, n, 0, &fault);
    z->z = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &fault) : NULL;
    if (!z->z) {
        zip_source_free(source);
        fail_open(&fault, e);
    } else if ((size_t)zip_get_num_entries(z->z, 0) != z->n) {
        nb_fail(e, NB_E_bad_file, "the archive does not have the %zu members it says", z->n);
        nb_zip_close(z);
    }
    zip_error_fini(&fault);
    return e->code ? -1 : 0;
}

void nb_zip_close(struct nb_zip *z)
{
    zip_discard(z->z);
    z->z = NULL;
}

/* Names are keys, never paths; still nobody shall be led out of a folder who takes one for a path. */
static bool leads_out(const char *name)
{
    for (const char *p = name, *end;; p = end + 1) {
        size_t n = strcspn(p, "/\\");
        end = p + n;
        if ((n == 0 && *end) || (n == 2 && !memcmp(p, "..", 2)) || (n == 1 && *p == '.'))
            return true;
        if (!*end)
            return false;
    }
}

static bool is_text(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return false;
    json_t *j = json_stringn(name, n);
    json_decref(j);
    return j != NULL;
}

static int check_name(const char *name, size_t n, struct nb_error *e)
{
    int64_t most = nb_limits.name + 32; /* a tensor's full name, something in front, and .npy */
    if (n == 0 || (int64_t)n > most)
        return nb_fail(e, NB_E_bad_file, "a member's name has 1 to %" PRId64 " bytes, this has %zu", most, n);
    if (!is_text(name, n))
        return nb_fail(e, NB_E_bad_file, "a member's name is UTF-8 without control characters");
    if (leads_out(name))
        return nb_fail(e, NB_E_bad_file, "a member's name has no empty part, . or .. between its slashes");
    return 0;
}

/* Deflate makes at most 1032 bytes out of one. */
static bool possible(const zip_stat_t *s, size_t bytes)
{
    if (s->comp_size > bytes)
        return false;
    return s->comp_method == STORED ? s->size == s->comp_size : s->size / 1032 <= s->comp_size;
}

int nb_zip_member(const struct nb_zip *z, size_t i, struct nb_member *m, struct nb_error *e)
{
    const zip_uint64_t all = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t s;
    const char *name = zip_get_name(z->z, i, z->old_names ? ZIP_FL_ENC_GUESS : ZIP_FL_ENC_RAW);
    *m = (struct nb_member){0};
    if (!name || zip_stat_index(z->z, i, 0, &s) || (s.valid & all) != all)
        return nb_fail(e, NB_E_bad_file, "member %zu cannot be made out", i);
    if (check_name(name, strlen(name), e))
        return nb_at(e, name);
    *m = (struct nb_member){name, strlen(name), (size_t)s.size};
    if (s.encryption_method != ZIP_EM_NONE)
        nb_fail(e, NB_E_bad_file, "the member is encrypted");
    else if (s.comp_method != STORED && s.comp_method != DEFLATED)
        nb_fail(e, NB_E_bad_file, "the member is neither stored nor deflated (method %d)", s.comp_method);
    else if (!possible(&s, z->bytes))
        nb_fail(e, NB_E_bad_file, "the member says it has %" PRIu64 " bytes in %" PRIu64 ", which cannot be",
                (uint64_t)s.size, (uint64_t)s.comp_size);
    return e->code ? nb_at(e, name) : 0;
}

/* 0, or -1: damaged. */
static int read_all(zip_file_t *f, const struct nb_member *m, char *to, struct nb_error *e)
{
    size_t at = 0;
    char more;
    for (zip_int64_t n = 1; at < m->size && n > 0; at += n > 0 ? (size_t)n : 0)
        if ((n = zip_fread(f, to + at, m->size - at)) < 0)
            return nb_fail(e, NB_E_bad_file, "the member's data are damaged: %s", zip_file_strerror(f));
    zip_int64_t rest = zip_fread(f, &more, 1); /* where the sum is compared */
    if (rest < 0)
        return nb_fail(e, NB_E_bad_file, "the member's data are damaged: %s", zip_file_strerror(f));
    if (at < m->size || rest)
        return nb_fail(e, NB_E_bad_file, "the member says it has %zu bytes, it has %s", m->size,
                       rest ? "more" : "fewer");
    return 0;
}

int nb_zip_read(const struct nb_zip *z, size_t i, const struct nb_member *m, void *to, struct nb_error *e)
{
    zip_file_t *f = zip_fopen_index(z->z, i, 0);
    if (!f)
        nb_fail(e, NB_E_bad_file, "the member cannot be read: %s", zip_strerror(z->z));
    else
        read_all(f, m, to, e);
    if (f)
        zip_fclose(f);
    return e->code ? nb_at(e, m->name) : 0;
}

bool nb_member_is(const struct nb_member *m, const char *suffix)
{
    size_t n = strlen(suffix);
    return m->name_size >= n && !memcmp(m->name + m->name_size - n, suffix, n);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++, v >>= 8)
        *p++ = (uint8_t)v;
    return p;
}

static uint8_t *put_bytes(uint8_t *p, const void *v, size_t n)
{
    if (n)
        memcpy(p, v, n);
    return p + n;
}

static uint32_t sum_of(const struct nb_part *x)
{
    uLong sum = crc32_z(0, NULL, 0);
    if (x->nhead)
        sum = crc32_z(sum, x->head, x->nhead);
    return (uint32_t)(x->ndata ? crc32_z(sum, x->data, x->ndata) : sum);
}

static bool is_ascii(const char *name)
{
    while (*name > 0)
        name++;
    return !*name;
}

/* What the local and the central record share, from "version needed" on. */
static uint8_t *put_common(uint8_t *p, const struct nb_part *x, uint32_t sum)
{
    p = put(p, 20, 2);                             /* version 2.0 */
    p = put(p, is_ascii(x->name) ? 0 : 0x0800, 2); /* the name is UTF-8 */
    p = put(p, STORED, 2);
    p = put(p, 0, 2);    /* midnight */
    p = put(p, 0x21, 2); /* 1980-01-01 */
    p = put(p, sum, 4);
    p = put(p, x->nhead + x->ndata, 4);
    p = put(p, x->nhead + x->ndata, 4);
    p = put(p, strlen(x->name), 2);
    return put(p, 0, 2); /* no extra field */
}

static uint8_t *put_local(uint8_t *p, const struct nb_part *x, uint32_t sum)
{
    p = put(p, 0x04034b50, 4);
    p = put_common(p, x, sum);
    p = put_bytes(p, x->name, strlen(x->name));
    p = put_bytes(p, x->head, x->nhead);
    return put_bytes(p, x->data, x->ndata);
}

static uint8_t *put_central(uint8_t *p, const struct nb_part *x, uint32_t sum, size_t at)
{
    p = put(p, 0x02014b50, 4);
    p = put(p, 3 << 8 | 20, 2); /* made on Unix */
    p = put_common(p, x, sum);
    p = put(p, 0, 6);              /* no comment, one part, no text */
    p = put(p, 0100644u << 16, 4); /* -rw-r--r-- */
    p = put(p, at, 4);
    return put_bytes(p, x->name, strlen(x->name));
}

static int measure(const struct nb_part *parts, size_t n, size_t *size, struct nb_error *e)
{
    *size = END;
    for (size_t i = 0; i < n; i++)
        *size += LOCAL + CENTRAL + 2 * strlen(parts[i].name) + parts[i].nhead + parts[i].ndata;
    if (n >= UINT16_MAX || *size >= UINT32_MAX)
        return nb_fail(e, NB_E_limit, "%zu members and %zu bytes are more than a zip archive without extensions holds",
                       n, *size);
    return 0;
}

int nb_zip_write(const struct nb_part *parts, size_t n, struct nb_arena *a, void **bytes, size_t *size,
                 struct nb_error *e)
{
    struct where {
        size_t at;
        uint32_t sum;
    } *where = nb_small(a, n, sizeof *where, e);
    if (!where || measure(parts, n, size, e) || !(*bytes = nb_alloc(a, *size, 1, e)))
        return -1;
    uint8_t *first = *bytes, *p = first;
    for (size_t i = 0; i < n; i++) {
        where[i] = (struct where){(size_t)(p - first), sum_of(&parts[i])};
        p = put_local(p, &parts[i], where[i].sum);
    }
    size_t directory = (size_t)(p - first);
    for (size_t i = 0; i < n; i++)
        p = put_central(p, &parts[i], where[i].sum, where[i].at);
    size_t length = (size_t)(p - first) - directory;
    p = put(p, 0x06054b50, 4);
    p = put(p, 0, 4); /* one part */
    p = put(p, n, 2);
    p = put(p, n, 2);
    p = put(p, length, 4);
    p = put(p, directory, 4);
    put(p, 0, 2);
    return 0;
}
