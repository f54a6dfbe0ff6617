/* arena.c - a chain of malloc'ed blocks, cut off from the front. */
#include "nabla/arena.h"
#include "nabla/limits.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Under AddressSanitizer what is not handed out is poisoned, with a gap after each piece. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { GAP = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)0)
enum { GAP = 0 };
#endif

/* The first block is of FIRST bytes, each next one twice as large up to MOST; a piece that is large beside that gets a
 * block of its own. */
enum { FIRST = 4096, MOST = 1 << 20, HUGE = 1 << 21 };

struct nb_block {
    struct nb_block *next;
    size_t size, pos; /* bytes of data; the first free one */
    _Alignas(16) char data[];
};

void nb_arena_init(struct nb_arena *a, size_t cap)
{
    *a = (struct nb_arena){.cap = cap, .limit = "memory"};
}

static void free_blocks(struct nb_block *b)
{
    while (b) {
        struct nb_block *next = b->next;
        free(b);
        b = next;
    }
}

void nb_arena_reset(struct nb_arena *a, size_t keep)
{
    struct nb_block **best = NULL, *kept = NULL;
    for (struct nb_block **p = &a->blocks; *p; p = &(*p)->next)
        if ((*p)->size <= keep && (!best || (*p)->size > (*best)->size))
            best = p;
    if (best) {
        kept = *best;
        *best = kept->next;
        kept->next = NULL;
        kept->pos = 0;
        ASAN_POISON_MEMORY_REGION(kept->data, kept->size);
    }
    free_blocks(a->blocks);
    a->blocks = kept;
    a->used = kept ? kept->size : 0;
}

void nb_arena_done(struct nb_arena *a)
{
    free_blocks(a->blocks);
    a->blocks = NULL;
    a->used = 0;
}

/* Where the kernel offers large pages, they save most of the time of touching much memory for the first time. */
static void advise(const struct nb_block *b, size_t size)
{
#ifdef MADV_HUGEPAGE
    uintptr_t first = ((uintptr_t)b + HUGE - 1) / HUGE * HUGE, last = ((uintptr_t)b + size) / HUGE * HUGE;
    if (size >= 2 * HUGE)
        madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
    (void)b, (void)size;
#endif
}

/* A block with room for `need` bytes. The one to cut from stays in front: large pieces go behind it. */
static struct nb_block *add_block(struct nb_arena *a, size_t need, struct nb_error *e)
{
    size_t left = a->cap - a->used, size = a->blocks ? 2 * a->blocks->size : FIRST;
    if (need > left) {
        nb_fail_limit(e, a->limit, (int64_t)a->cap, (int64_t)(a->used + need));
        return NULL;
    }
    size = size > MOST ? MOST : size;
    bool own = need > size / 4;
    size = own ? need : size;
    size = size > left ? left : size;
    struct nb_block *b = malloc(sizeof *b + size);
    if (!b) {
        nb_fail_memory(e);
        return NULL;
    }
    advise(b, size);
    ASAN_POISON_MEMORY_REGION(b->data, size);
    a->used += size;
    b->size = size;
    b->pos = 0;
    struct nb_block **place = own && a->blocks ? &a->blocks->next : &a->blocks;
    b->next = *place;
    *place = b;
    return b;
}

int nb_arena_expect(struct nb_arena *a, size_t bytes, struct nb_error *e)
{
    struct nb_block *first = a->blocks, *b = add_block(a, bytes + NB_ALIGN, e);
    if (b && a->blocks != b) { /* it went behind the first */
        first->next = b->next;
        b->next = first;
        a->blocks = b;
    }
    return b ? 0 : -1;
}

void nb_arena_again(struct nb_arena *a)
{
    struct nb_error nothing = {0};
    size_t used = a->used;
    bool one = a->blocks && !a->blocks->next;
    nb_arena_reset(a, one ? used : 0);
    if (!one && used)
        add_block(a, used, &nothing); /* if not, then not */
}

/* Where a piece of this alignment starts in the block. */
static size_t start(const struct nb_block *b, size_t align)
{
    uintptr_t p = (uintptr_t)b->data + b->pos;
    return b->pos + (-p & (align - 1));
}

static void *take(struct nb_arena *a, size_t count, size_t size, size_t align, struct nb_error *e)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > INT64_MAX / 4) {
        nb_fail_limit(e, a->limit, (int64_t)a->cap, INT64_MAX);
        return NULL;
    }
    struct nb_block *b = a->blocks;
    bytes += bytes == 0;
    if (!b || start(b, align) + bytes + GAP > b->size) {
        b = add_block(a, bytes + GAP + align, e);
        if (!b)
            return NULL;
    }
    size_t at = start(b, align);
    b->pos = at + bytes + GAP;
    ASAN_UNPOISON_MEMORY_REGION(b->data + at, bytes);
    return b->data + at;
}

void *nb_alloc(struct nb_arena *a, size_t count, size_t size, struct nb_error *e)
{
    return take(a, count, size, NB_ALIGN, e);
}

void *nb_small(struct nb_arena *a, size_t count, size_t size, struct nb_error *e)
{
    return take(a, count, size, 16, e);
}

void *nb_zalloc(struct nb_arena *a, size_t count, size_t size, struct nb_error *e)
{
    void *p = take(a, count, size, NB_ALIGN, e);
    return p ? memset(p, 0, count * size) : NULL;
}

char *nb_strndup(struct nb_arena *a, const char *s, size_t n, struct nb_error *e)
{
    char *t = nb_small(a, n + 1, 1, e);
    if (!t)
        return NULL;
    memcpy(t, s, n);
    t[n] = 0;
    return t;
}

char *nb_strdup(struct nb_arena *a, const char *s, struct nb_error *e)
{
    return nb_strndup(a, s, strlen(s), e);
}

char *nb_sprintf(struct nb_arena *a, struct nb_error *e, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = n < 0 ? NULL : nb_small(a, (size_t)n + 1, 1, e);
    if (s)
        vsnprintf(s, (size_t)n + 1, fmt, again);
    else
        nb_fail_memory(e);
    va_end(again);
    return s;
}

int nb_grow(struct nb_arena *a, void *list, size_t n, size_t *cap, size_t size, struct nb_error *e)
{
    if (n < *cap)
        return 0;
    size_t more = *cap ? 2 * *cap : 8;
    void *new = nb_small(a, more, size, e), *old;
    if (!new)
        return -1;
    memcpy(&old, list, sizeof old);
    if (n)
        memcpy(new, old, n * size);
    memcpy(list, &new, sizeof new);
    *cap = more;
    return 0;
}
