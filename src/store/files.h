/* files.h - the directory of a store: its lock, and files of weights named by the SHA-256 of their content. */
#ifndef NABLA_FILES_H
#define NABLA_FILES_H
#include "nabla/arena.h"
#include <stdbool.h>

enum { NB_HASH_SIZE = 65 }; /* 64 hexadecimal digits and a NUL */

struct nb_files {
    int directory, weights, jobs, lock;
};

/* Makes what is missing and takes the lock; store_failed if another process has it. */
int nb_files_open(struct nb_files *f, const char *directory, struct nb_error *e);
void nb_files_close(struct nb_files *f);

void nb_files_hash(const void *bytes, size_t n, char hash[NB_HASH_SIZE]);
/* On disk, under its whole name, when this returns 0. */
int nb_files_write(const struct nb_files *f, const char *hash, const void *bytes, size_t n, struct nb_error *e);
/* The content, compared with its hash. */
int nb_files_read(const struct nb_files *f, const char *hash, struct nb_arena *a, void **bytes, size_t *n,
                  struct nb_error *e);
/* The same bit by bit: the open file; so many bytes from a place on; the comparison with its hash. */
int nb_files_open_one(const struct nb_files *f, const char *hash, struct nb_error *e);
int nb_files_read_at(int fd, size_t at, void *to, size_t n, struct nb_error *e);
int nb_files_verify(int fd, const char *hash, struct nb_error *e);
void nb_files_remove(const struct nb_files *f, const char *hash);
/* Removes all files but those that are wanted. */
int nb_files_clean(const struct nb_files *f, bool (*wanted)(void *context, const char *hash), void *context,
                   struct nb_error *e);

#endif
