/* zip.h - zip archives in memory: read through libzip, after what it would believe was judged; written by hand. */
#ifndef NABLA_ZIP_H
#define NABLA_ZIP_H
#include "nabla/arena.h"
#include <stdbool.h>

struct nb_zip {
    struct zip *z;   /* libzip's */
    size_t bytes, n; /* size of the archive, members */
    bool old_names;  /* names that are not UTF-8 are taken too: in the code page of DOS, as Windows writes them */
};

struct nb_member {
    const char *name; /* UTF-8 without control characters, and no way out of a folder; lives as long as the archive */
    size_t name_size, size;
};

/* Opens an archive of n bytes that stay where they are. No bytes around it, no comment, no name twice, its two
 * directories agree. Errors: bad_file. */
int nb_zip_open(const void *bytes, size_t n, struct nb_zip *z, struct nb_error *e);
void nb_zip_close(struct nb_zip *z);
/* Judges member i: its name (if that is bad m->name is NULL); stored or deflated, not encrypted; the size it says is
 * possible. The place of an error is /NAME. */
int nb_zip_member(const struct nb_zip *z, size_t i, struct nb_member *m, struct nb_error *e);
/* All of it into `to`, m->size bytes. Its sum was checked and nothing is left: only now it may be believed. */
int nb_zip_read(const struct nb_zip *z, size_t i, const struct nb_member *m, void *to, struct nb_error *e);
/* Is this the end of the name? */
bool nb_member_is(const struct nb_member *m, const char *suffix);

/* What to write, in two pieces, either of which may be empty. */
struct nb_part {
    const char *name;
    const void *head, *data;
    size_t nhead, ndata;
};
/* An archive of stored members. The same parts give the same bytes. */
int nb_zip_write(const struct nb_part *parts, size_t n, struct nb_arena *a, void **bytes, size_t *size,
                 struct nb_error *e);

#endif
