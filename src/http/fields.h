/* fields.h - the keys a JSON object may have, as rows. */
#ifndef NABLA_FIELDS_H
#define NABLA_FIELDS_H
#include "nabla/arena.h"
#include "graph/graph.h"
#include "http/request.h"

/* Reads one value into *to, which the caller of nb_fields_read passed through. */
typedef int nb_field_reader(json_t *v, void *to, struct nb_arena *a, struct nb_error *e);

struct nb_field {
    const char *name;
    unsigned in, needed; /* bits: where the key may be, where it must be */
    nb_field_reader *read;
};

/* All keys of the object, in written order, then what is missing. `bit` says where we are; rows end with .name NULL. */
int nb_fields_read(const struct nb_field *rows, unsigned bit, json_t *object, void *to, struct nb_arena *a,
                   struct nb_error *e);

/* A body that is JSON without tensors. Borrowed; unsupported_media, json_syntax, ... */
json_t *nb_body_json(struct nb_request *rq, struct nb_error *e);

/* Readers for values. Strings are borrowed from the tree. */
int nb_field_text(const json_t *v, const char **to, struct nb_error *e);
int nb_field_whole(const json_t *v, int64_t *to, struct nb_error *e); /* 64 and 64.0 */
int nb_field_texts(json_t *v, struct nb_strings_list *to, int64_t most, struct nb_arena *a, struct nb_error *e);
int nb_field_seed(const json_t *v, struct nb_seed *to, struct nb_error *e);
int nb_field_time(const json_t *v, int64_t *to, struct nb_error *e); /* RFC 3339, to seconds since 1970 */
int nb_field_bool(const json_t *v, bool *to, struct nb_error *e);
/* "an object", "a list", "a number": what came, for sentences. */
const char *nb_kind(const json_t *v);

#endif
