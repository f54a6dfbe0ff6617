/* writer.h - JSON written front to back. */
#ifndef NABLA_WRITER_H
#define NABLA_WRITER_H
#include "wire/print.h"

/* Writes JSON front to back: commas come by themselves, the first error stays in *e. */
struct nb_writer {
    struct nb_text text;
    struct nb_error *e;
    bool comma;
};
struct nb_writer nb_writer(struct nb_arena *a, struct nb_error *e);
void nb_w_open(struct nb_writer *w, char bracket); /* { or [ */
void nb_w_close(struct nb_writer *w, char bracket);
void nb_w_key(struct nb_writer *w, const char *key);
void nb_w_string(struct nb_writer *w, const char *s); /* NULL: null */
void nb_w_whole(struct nb_writer *w, int64_t v);
void nb_w_number(struct nb_writer *w, double v, enum nb_dtype d);
void nb_w_bool(struct nb_writer *w, bool v);
void nb_w_raw(struct nb_writer *w, const char *json);
void nb_w_json(struct nb_writer *w, const json_t *j);
void nb_w_tensors(struct nb_writer *w, const struct nb_tensors *l);
/* The same with a key in front. */
void nb_w_string_at(struct nb_writer *w, const char *key, const char *s);
void nb_w_whole_at(struct nb_writer *w, const char *key, int64_t v);
void nb_w_number_at(struct nb_writer *w, const char *key, double v);
void nb_w_bool_at(struct nb_writer *w, const char *key, bool v);
void nb_w_strings_at(struct nb_writer *w, const char *key, size_t n, const char *const *v);
void nb_w_shape_at(struct nb_writer *w, const char *key, const struct nb_shape *s);
void nb_w_tensors_at(struct nb_writer *w, const char *key, const struct nb_tensors *l);

#endif
