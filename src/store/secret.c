/* secret.c - the system's random bytes; a keyed hash. */
#include "store/secret.h"
#include "store/course.h"
#include <inttypes.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

int nb_random(void *to, size_t n, struct nb_error *e)
{
    return getrandom(to, n, 0) == (ssize_t)n ? 0 : nb_fail(e, NB_E_internal, "the system has no random bytes: %m");
}

void nb_hex(const uint8_t *bytes, size_t n, char *to)
{
    for (size_t i = 0; i < n; i++)
        snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

int nb_random_id(const char *prefix, char *to, struct nb_error *e)
{
    uint8_t bytes[16];
    size_t n = strlen(prefix);
    memcpy(to, prefix, n + 1);
    if (nb_random(bytes, sizeof bytes, e))
        return -1;
    nb_hex(bytes, sizeof bytes, to + n);
    return 0;
}

static uint64_t word(const uint8_t *bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | bytes[i];
    return v;
}

struct nb_seed nb_challenge_seed(const uint8_t secret[32], const char *student, int64_t attempt)
{
    struct hmac_sha256_ctx c;
    uint8_t digest[16];
    char number[24];
    int n = snprintf(number, sizeof number, "%" PRId64, attempt);
    hmac_sha256_set_key(&c, 32, secret);
    hmac_sha256_update(&c, strlen(student) + 1, (const uint8_t *)student); /* with its NUL */
    hmac_sha256_update(&c, (size_t)n, (const uint8_t *)number);
    hmac_sha256_digest(&c, sizeof digest, digest);
    return (struct nb_seed){.hi = word(digest), .lo = word(digest + 8)};
}
