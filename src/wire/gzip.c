/* gzip.c - inflated twice, the first time only to know how much it is: no buffer has to grow. */
#include "wire/gzip.h"
#include "nabla/limits.h"
#include <string.h>
#include <zlib.h>

enum { GZIP = 16 + MAX_WBITS }; /* how zlib is told to expect gzip's frame */

bool nb_gzip_is(const void *bytes, size_t n)
{
    return n > 2 && !memcmp(bytes, "\x1f\x8b", 2);
}

static int bad(const z_stream *z, struct nb_error *e)
{
    return nb_fail(e, NB_E_bad_file, "not a whole gzip file: %.100s", z->msg ? z->msg : "it is cut off");
}

/* Inflates everything, to `to` or (NULL) nowhere. *size: how much it is. */
static int inflate_all(z_stream *z, uint8_t *to, size_t *size, struct nb_error *e)
{
    uint8_t nowhere[32768];
    int r = Z_OK;
    *size = 0;
    while (r != Z_STREAM_END || z->avail_in) {
        if (r == Z_STREAM_END && inflateReset(z) != Z_OK)
            return bad(z, e);
        z->next_out = to ? to + *size : nowhere;
        z->avail_out = sizeof nowhere;
        r = inflate(z, Z_NO_FLUSH);
        *size += sizeof nowhere - z->avail_out;
        if (r != Z_OK && r != Z_STREAM_END)
            return bad(z, e);
        if ((int64_t)*size > nb_limits.memory)
            return NB_OVER(e, memory, (int64_t)*size);
    }
    return 0;
}

static int pass(const void *bytes, size_t n, uint8_t *to, size_t *size, struct nb_error *e)
{
    z_stream z = {.next_in = (uint8_t *)bytes, .avail_in = (uInt)n};
    if (n > UINT32_MAX)
        return NB_OVER(e, memory, (int64_t)n);
    if (inflateInit2(&z, GZIP) != Z_OK)
        return nb_fail_memory(e);
    int failed = inflate_all(&z, to, size, e);
    inflateEnd(&z);
    return failed;
}

int nb_gunzip(const void *bytes, size_t n, struct nb_arena *a, void **out, size_t *size, struct nb_error *e)
{
    enum { BEHIND = 32768 }; /* the last piece is asked for whole */
    if (pass(bytes, n, NULL, size, e))
        return -1;
    char *to = *out = nb_alloc(a, *size + BEHIND, 1, e);
    if (!to || pass(bytes, n, *out, size, e))
        return -1;
    to[*size] = 0;
    return 0;
}
