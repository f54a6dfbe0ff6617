/* journal.c - records behind one another: a head with number, size and checksum, then the bytes. */
#include "store/journal.h"
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { EVERY = 1000, CHECK = 16, MOST = 1 << 28 }; /* milliseconds; bytes */

/* Numbers that are no chunk's. */
static const uint64_t SIGNATURE = UINT64_MAX, NOTE = UINT64_MAX - 1;

struct head {
    uint64_t number, size;
    uint8_t check[CHECK];
};

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct head head_of(uint64_t number, const void *bytes, size_t n)
{
    struct head h = {.number = number, .size = n};
    struct sha256_ctx c;
    sha256_init(&c);
    sha256_update(&c, offsetof(struct head, check), (const uint8_t *)&h);
    sha256_update(&c, n, bytes);
    sha256_digest(&c, CHECK, h.check);
    return h;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void give_up(struct nb_journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

void nb_journal_write(struct nb_journal *j, uint64_t number, const void *bytes, size_t n)
{
    struct head h = head_of(number, bytes, n);
    const struct iovec parts[] = {{&h, sizeof h}, {(void *)(uintptr_t)bytes, n}};
    ssize_t all = (ssize_t)(sizeof h + n), wrote;
    if (j->fd < 0 || n > MOST)
        return;
    do
        wrote = pwritev(j->fd, parts, 2, j->end);
    while (wrote < 0 && errno == EINTR);
    if (wrote != all) {
        give_up(j); /* the next run cuts off what came of it */
        return;
    }
    j->at += j->at == j->end ? all : 0;
    j->end += all;
}

bool nb_journal_due(const struct nb_journal *j)
{
    return now() - j->synced >= EVERY;
}

void nb_journal_note(struct nb_journal *j, const char *text)
{
    nb_journal_write(j, NOTE, text, strlen(text));
    if (j->fd >= 0 && fdatasync(j->fd))
        give_up(j);
    j->synced = now();
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool read_at(int fd, void *p, size_t n, int64_t at)
{
    for (char *to = p; n > 0;) {
        ssize_t k = pread(fd, to, n, at);
        if (k == 0 || (k < 0 && errno != EINTR))
            return false;
        to += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
        at += k > 0 ? k : 0;
    }
    return true;
}

/* The head of the next record that is no note. */
static bool next_head(struct nb_journal *j, struct head *h)
{
    while (j->fd >= 0 && j->at < j->end && read_at(j->fd, h, sizeof *h, j->at)) {
        if (h->number != NOTE && h->number != SIGNATURE)
            return true;
        j->at += (int64_t)(sizeof *h + h->size);
    }
    return false;
}

/* From here on the records are another run's. */
static void cut(struct nb_journal *j)
{
    if (j->fd >= 0 && ftruncate(j->fd, j->at))
        give_up(j);
    j->end = j->at;
}

bool nb_journal_read(struct nb_journal *j, uint64_t number, void *bytes, size_t n)
{
    struct head h;
    if (!next_head(j, &h))
        return false;
    if (h.number != number || h.size != n || !read_at(j->fd, bytes, n, j->at + (int64_t)sizeof h))
        return cut(j), false;
    j->at += (int64_t)(sizeof h + n);
    return true;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* One record with its bytes in *p, or false: the end, or a torn one. */
static bool whole(struct nb_journal *j, int64_t size, struct head *h, char **p)
{
    if (size - j->end < (int64_t)sizeof *h || !read_at(j->fd, h, sizeof *h, j->end))
        return false;
    if (h->size > MOST || (int64_t)h->size > size - j->end - (int64_t)sizeof *h)
        return false;
    char *bigger = realloc(*p, h->size + 1);
    if (!bigger)
        return false;
    *p = bigger;
    if (!read_at(j->fd, *p, h->size, j->end + (int64_t)sizeof *h))
        return false;
    (*p)[h->size] = 0;
    struct head right = head_of(h->number, *p, h->size);
    return !memcmp(&right, h, sizeof right);
}

/* Finds the end of what is whole. The first record must be the signature. */
static void scan(struct nb_journal *j, const char *signature)
{
    struct stat st;
    struct head h;
    char *p = NULL;
    bool known = false;
    if (fstat(j->fd, &st))
        st.st_size = 0;
    while (whole(j, st.st_size, &h, &p)) {
        known |= h.number == SIGNATURE && !strcmp(p, signature);
        if (!known)
            break;
        if (h.number == NOTE)
            snprintf(j->note, sizeof j->note, "%s", p);
        j->end += (int64_t)(sizeof h + h.size);
    }
    free(p);
}

void nb_journal_open(struct nb_journal *j, int directory, const char *name, const char *signature)
{
    *j = (struct nb_journal){.synced = now()};
    j->fd = openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0)
        return;
    scan(j, signature);
    j->at = j->end;
    cut(j);
    j->at = 0;
    if (!j->end)
        nb_journal_write(j, SIGNATURE, signature, strlen(signature));
}

void nb_journal_close(struct nb_journal *j)
{
    give_up(j);
}
