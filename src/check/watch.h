/* watch.h - how long work is followed, stopped, and taken up again. All NULL or no watch at all: none of it.
 *
 * A check is a fixed sequence of chunks, each with a number that depends on the request alone; the same request asks
 * for the same chunks in the same order. What `remember` was given for a chunk, `recall` of a later run may give back,
 * so that run need not compute it again. Both are called from one thread at a time. */
#ifndef NABLA_WATCH_H
#define NABLA_WATCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nb_progress {
    int64_t done, of;   /* coordinates; both may grow */
    const char *tensor; /* in work, or NULL */
    double worst;       /* largest relative error so far; 0 while nothing was judged */
};
struct nb_watch {
    void *context;
    bool (*go_on)(void *context, const struct nb_progress *p); /* before the first and after every chunk; false: stop */
    bool (*recall)(void *context, uint64_t chunk, void *bytes, size_t n);
    void (*remember)(void *context, uint64_t chunk, const void *bytes, size_t n);
};

#endif
