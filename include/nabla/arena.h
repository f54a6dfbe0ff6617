/* arena.h - memory that is given back all at once.
 *
 * An arena belongs to one graph or to one request. It has a cap: going over it is the error `limit`,
 * never an abort. Nothing taken from an arena is freed singly. */
#ifndef NABLA_ARENA_H
#define NABLA_ARENA_H
#include "nabla/error.h"
#include <stddef.h>
#include <stdint.h>

struct nb_block;

struct nb_arena {
    struct nb_block *blocks; /* newest first */
    size_t used;             /* bytes in all blocks, cap counts these */
    size_t cap;
    const char *limit; /* the limit behind the cap, for the error: "memory"; who means another one sets it */
};

enum { NB_ALIGN = 64 };

void nb_arena_init(struct nb_arena *a, size_t cap);
/* Forgets everything taken; keeps one block, of at most `keep` bytes, for the next use. */
void nb_arena_reset(struct nb_arena *a, size_t keep);
/* Forgets everything taken; the next use is expected to need as much, and gets it from one block. */
void nb_arena_again(struct nb_arena *a);
/* So many bytes will be taken soon: one block for them. */
int nb_arena_expect(struct nb_arena *a, size_t bytes, struct nb_error *e);
void nb_arena_done(struct nb_arena *a);

/* `count` times `size` bytes, aligned to NB_ALIGN (nb_alloc) or to 16 (nb_small); zeroed by nb_zalloc.
 * NULL with code limit or out_of_memory; an overflowing product is `limit`. Zero bytes give a valid pointer. */
void *nb_alloc(struct nb_arena *a, size_t count, size_t size, struct nb_error *e);
void *nb_small(struct nb_arena *a, size_t count, size_t size, struct nb_error *e);
void *nb_zalloc(struct nb_arena *a, size_t count, size_t size, struct nb_error *e);

char *nb_strdup(struct nb_arena *a, const char *s, struct nb_error *e);
char *nb_strndup(struct nb_arena *a, const char *s, size_t n, struct nb_error *e);
char *nb_sprintf(struct nb_arena *a, struct nb_error *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Room for one more entry in a list that doubles: *list has n entries, *cap places.
 * 0, or -1 with the error set; the list may move. */
int nb_grow(struct nb_arena *a, void *list, size_t n, size_t *cap, size_t size, struct nb_error *e);

#endif
