/* npz.h - named tensors <-> the archives of numpy.savez, and archives of such archives. */
#ifndef NABLA_NPZ_H
#define NABLA_NPZ_H
#include "nabla/tensor.h"
#include "wire/fact.h"

/* Decodes a whole file, as npy.h says; a tensor's name is its member's without ".npy". facts.json is passed over. No
 * more than --limit-body bytes come out of it, however small it is. Errors: bad_file with the place /MEMBER; limit. */
int nb_npz_read(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensors *out, struct nb_error *e);
/* Encodes, uncompressed; facts become facts.json, an object, if there are any. */
int nb_npz_write(const struct nb_tensors *l, const struct nb_fact *facts, size_t nfacts, struct nb_arena *a,
                 void **bytes, size_t *n, struct nb_error *e);

/* An npz in an archive. */
struct nb_archived {
    const char *name;                 /* of the member without ".npz": a key, never a path */
    size_t index, count;              /* which of how many */
    const struct nb_tensors *tensors; /* NULL: it cannot be read, */
    const struct nb_error *fault;     /* because of this */
};
/* All of x is gone after the call. -1 with the error set ends the walk. */
typedef int nb_archive_visit(void *to, const struct nb_archived *x, struct nb_error *e);

/* Visits the npz files in a zip archive in their order, from number `first` on, one at a time in memory. Folders and
 * what Finder puts into __MACOSX/ are passed over; a member that is no npz is visited with its fault, like one that is
 * damaged. Errors, of the archive as a whole: bad_file; limit, if more than 4 times --limit-body would come out of it,
 * or 16 times out of what is in it. */
int nb_archive_each(const void *bytes, size_t n, size_t first, nb_archive_visit *visit, void *to, struct nb_error *e);

#endif
