/* files.c - weights on disk. They never change: written under a temporary name, made durable, then named. */
#include "store/files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".safetensors"
#define INCOMING "incoming" /* the temporary name: there is one writer at a time */

/* ---- the directory ------------------------------------------------------------------------------------------------
 */

static int make_directory(int at, const char *name)
{
    if (mkdirat(at, name, 0700) && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int take_lock(struct nb_files *f, const char *directory, struct nb_error *e)
{
    f->lock = openat(f->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->lock >= 0 && flock(f->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (f->lock >= 0 && errno == EWOULDBLOCK)
        return nb_fail(e, NB_E_store_failed, "another nablad works in the data directory %s", directory);
    return nb_fail(e, NB_E_store_failed, "the data directory %s cannot be locked: %m", directory);
}

int nb_files_open(struct nb_files *f, const char *directory, struct nb_error *e)
{
    *f = (struct nb_files){.weights = -1, .jobs = -1, .lock = -1};
    f->directory = make_directory(AT_FDCWD, directory);
    if (f->directory < 0)
        return nb_fail(e, NB_E_store_failed, "the data directory %s cannot be opened: %m", directory);
    if (take_lock(f, directory, e))
        return -1;
    f->weights = make_directory(f->directory, "weights");
    f->jobs = make_directory(f->directory, "jobs");
    if (f->weights < 0 || f->jobs < 0 || fsync(f->directory))
        return nb_fail(e, NB_E_store_failed, "nothing can be written in the data directory %s: %m", directory);
    return 0;
}

void nb_files_close(struct nb_files *f)
{
    int all[] = {f->weights, f->jobs, f->directory, f->lock};
    for (int i = 0; i < 4; i++)
        if (all[i] >= 0)
            close(all[i]);
    *f = (struct nb_files){-1, -1, -1, -1};
}

/* ---- one file -----------------------------------------------------------------------------------------------------
 */

static void spell_hash(struct sha256_ctx *c, char hash[NB_HASH_SIZE])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(c, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
}

void nb_files_hash(const void *bytes, size_t n, char hash[NB_HASH_SIZE])
{
    struct sha256_ctx c;
    sha256_init(&c);
    sha256_update(&c, n, bytes);
    spell_hash(&c, hash);
}

struct file_name {
    char v[NB_HASH_SIZE + sizeof SUFFIX];
};

static struct file_name named(const char *hash)
{
    struct file_name name;
    snprintf(name.v, sizeof name.v, "%.64s" SUFFIX, hash);
    return name;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno != EINTR)
            return -1;
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return 0;
}

/* The content under the temporary name, durable. */
static int write_incoming(const struct nb_files *f, const void *bytes, size_t n)
{
    int fd = openat(f->weights, INCOMING, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    int failed = write_all(fd, bytes, n) || fsync(fd), why = errno;
    failed |= close(fd) && !failed;
    if (failed) {
        unlinkat(f->weights, INCOMING, 0);
        errno = why;
    }
    return failed ? -1 : 0;
}

int nb_files_write(const struct nb_files *f, const char *hash, const void *bytes, size_t n, struct nb_error *e)
{
    struct file_name name = named(hash);
    if (write_incoming(f, bytes, n) || renameat(f->weights, INCOMING, f->weights, name.v) || fsync(f->weights))
        return nb_fail(e, NB_E_store_failed, "the parameters cannot be written: %m");
    return 0;
}

static int read_all(int fd, char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = read(fd, p, n);
        if (k == 0 || (k < 0 && errno != EINTR))
            return -1;
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return 0;
}

static int read_open(int fd, const char *hash, struct nb_arena *a, void **bytes, size_t *n, struct nb_error *e)
{
    struct stat st;
    char came[NB_HASH_SIZE];
    if (fstat(fd, &st))
        return nb_fail(e, NB_E_store_failed, "the parameters cannot be read: %m");
    *n = (size_t)st.st_size;
    *bytes = nb_alloc(a, *n, 1, e);
    if (!*bytes)
        return -1;
    if (read_all(fd, *bytes, *n))
        return nb_fail(e, NB_E_store_failed, "the parameters cannot be read: %m");
    nb_files_hash(*bytes, *n, came);
    return strcmp(came, hash) ? nb_fail(e, NB_E_store_failed, "the parameters are damaged on disk") : 0;
}

int nb_files_read(const struct nb_files *f, const char *hash, struct nb_arena *a, void **bytes, size_t *n,
                  struct nb_error *e)
{
    int fd = openat(f->weights, named(hash).v, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return nb_fail(e, NB_E_store_failed, "the parameters cannot be read: %m");
    int failed = read_open(fd, hash, a, bytes, n, e);
    close(fd);
    return failed;
}

/* ---- bit by bit ---------------------------------------------------------------------------------------------------
 */

int nb_files_open_one(const struct nb_files *f, const char *hash, struct nb_error *e)
{
    int fd = openat(f->weights, named(hash).v, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 ? fd : nb_fail(e, NB_E_store_failed, "the data cannot be read: %m");
}

int nb_files_read_at(int fd, size_t at, void *to, size_t n, struct nb_error *e)
{
    for (char *p = to; n > 0;) {
        ssize_t k = pread(fd, p, n, (off_t)at);
        if (k == 0)
            return nb_fail(e, NB_E_store_failed, "the data are damaged on disk");
        if (k < 0 && errno != EINTR)
            return nb_fail(e, NB_E_store_failed, "the data cannot be read: %m");
        p += k > 0 ? k : 0;
        at += k > 0 ? (size_t)k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return 0;
}

int nb_files_verify(int fd, const char *hash, struct nb_error *e)
{
    uint8_t bytes[65536];
    char came[NB_HASH_SIZE];
    struct sha256_ctx c;
    ssize_t n = 0;
    sha256_init(&c);
    for (off_t at = 0; n >= 0 || errno == EINTR; at += n > 0 ? n : 0) {
        n = pread(fd, bytes, sizeof bytes, at);
        if (n == 0)
            break;
        sha256_update(&c, n > 0 ? (size_t)n : 0, bytes);
    }
    if (n < 0)
        return nb_fail(e, NB_E_store_failed, "the data cannot be read: %m");
    spell_hash(&c, came);
    return strcmp(came, hash) ? nb_fail(e, NB_E_store_failed, "the data are damaged on disk") : 0;
}

void nb_files_remove(const struct nb_files *f, const char *hash)
{
    unlinkat(f->weights, named(hash).v, 0);
}

/* ---- at start -----------------------------------------------------------------------------------------------------
 */

static bool keep(const char *name, bool (*wanted)(void *, const char *), void *context)
{
    char hash[NB_HASH_SIZE];
    if (strlen(name) != 64 + strlen(SUFFIX) || strcmp(name + 64, SUFFIX))
        return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    snprintf(hash, sizeof hash, "%.64s", name);
    return wanted(context, hash);
}

int nb_files_clean(const struct nb_files *f, bool (*wanted)(void *context, const char *hash), void *context,
                   struct nb_error *e)
{
    int fd = openat(f->weights, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        nb_fail(e, NB_E_store_failed, "the directory of weights cannot be read: %m");
        return fd < 0 ? -1 : (close(fd), -1);
    }
    for (struct dirent *entry; (entry = readdir(d));)
        if (!keep(entry->d_name, wanted, context))
            unlinkat(f->weights, entry->d_name, 0);
    closedir(d);
    return 0;
}
