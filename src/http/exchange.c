/* exchange.c - exchanges are kept on a list between requests, with one block of memory each. */
#include "http/exchange.h"
#include "nabla/limits.h"
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { KEEP = 4 << 20, IDLE_US = 2000000 };

static struct {
    pthread_mutex_t lock;
    struct nb_exchange *unused; /* newest first */
    atomic_int live;
    atomic_uint count;
    uint32_t start; /* drawn once: ids of two runs differ */
} list = {.lock = PTHREAD_MUTEX_INITIALIZER};

int64_t nb_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct nb_exchange *take(void)
{
    pthread_mutex_lock(&list.lock);
    struct nb_exchange *x = list.unused;
    if (x)
        list.unused = x->next;
    while (!list.start)
        if (getrandom(&list.start, sizeof list.start, 0) < 0)
            list.start = 1;
    pthread_mutex_unlock(&list.lock);
    return x;
}

static struct nb_exchange *make(void)
{
    struct nb_exchange *x = malloc(sizeof *x);
    if (x)
        nb_arena_init(&x->arena, (size_t)nb_limits.memory);
    return x;
}

static void name(struct nb_request *rq)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t id = (uint64_t)list.start << 32 | atomic_fetch_add(&list.count, 1);
    for (int i = 15; i >= 0; i--, id >>= 4)
        rq->id[i] = digits[id & 15];
    rq->id[16] = 0;
}

struct nb_exchange *nb_exchange_new(void)
{
    struct nb_exchange *x = take();
    if (!x && !(x = make()))
        return NULL;
    struct nb_arena kept = x->arena;
    memset(x, 0, offsetof(struct nb_exchange, e));
    memset(&x->arena, 0, sizeof *x - offsetof(struct nb_exchange, arena));
    x->arena = kept;
    memset(&x->e, 0, offsetof(struct nb_error, pointer));
    *x->e.pointer = *x->e.detail = 0;
    x->rq.arena = &x->arena;
    x->rp.status = 200;
    name(&x->rq);
    atomic_fetch_add(&list.live, 1);
    return x;
}

void nb_exchange_free(struct nb_exchange *x)
{
    nb_run_done(&x->rq);
    nb_arena_reset(&x->arena, KEEP);
    x->idle_since = nb_now_us();
    pthread_mutex_lock(&list.lock);
    x->next = list.unused;
    list.unused = x;
    pthread_mutex_unlock(&list.lock);
    atomic_fetch_sub(&list.live, 1);
}

void nb_exchange_forget(void)
{
    atomic_fetch_sub(&list.live, 1);
}

int nb_exchange_live(void)
{
    return atomic_load(&list.live);
}

/* The list is newest first: what follows the first old one is old too. */
static struct nb_exchange *cut_old(void)
{
    int64_t old = nb_now_us() - IDLE_US;
    pthread_mutex_lock(&list.lock);
    struct nb_exchange **p = &list.unused;
    while (*p && (*p)->idle_since > old)
        p = &(*p)->next;
    struct nb_exchange *x = *p;
    *p = NULL;
    pthread_mutex_unlock(&list.lock);
    return x;
}

void nb_exchange_trim(void)
{
    struct nb_exchange *x = cut_old();
    bool some = x != NULL;
    for (struct nb_exchange *next; x; x = next) {
        next = x->next;
        nb_arena_done(&x->arena);
        free(x);
    }
    if (some)
        malloc_trim(0);
}
