/* writer.c - JSON written front to back. */
#include "wire/writer.h"
#include <inttypes.h>

struct nb_writer nb_writer(struct nb_arena *a, struct nb_error *e)
{
    return (struct nb_writer){.text.arena = a, .e = e};
}

/* In front of every value, and of every key. */
static void step(struct nb_writer *w)
{
    if (w->comma)
        nb_putn(&w->text, ",", 1, w->e);
    w->comma = true;
}

void nb_w_open(struct nb_writer *w, char bracket)
{
    step(w);
    nb_putn(&w->text, &bracket, 1, w->e);
    w->comma = false;
}

void nb_w_close(struct nb_writer *w, char bracket)
{
    nb_putn(&w->text, &bracket, 1, w->e);
    w->comma = true;
}

void nb_w_key(struct nb_writer *w, const char *key)
{
    step(w);
    nb_put_string(&w->text, key, w->e);
    nb_putn(&w->text, ":", 1, w->e);
    w->comma = false;
}

void nb_w_string(struct nb_writer *w, const char *s)
{
    step(w);
    if (s)
        nb_put_string(&w->text, s, w->e);
    else
        nb_put(&w->text, "null", w->e);
}

void nb_w_whole(struct nb_writer *w, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v);
    nb_w_raw(w, text);
}

void nb_w_number(struct nb_writer *w, double v, enum nb_dtype d)
{
    step(w);
    nb_put_number(&w->text, v, d, w->e);
}

void nb_w_bool(struct nb_writer *w, bool v)
{
    nb_w_raw(w, v ? "true" : "false");
}

void nb_w_raw(struct nb_writer *w, const char *json)
{
    step(w);
    nb_put(&w->text, json, w->e);
}

void nb_w_json(struct nb_writer *w, const json_t *j)
{
    step(w);
    nb_put_json(&w->text, j, w->e);
}

void nb_w_tensors(struct nb_writer *w, const struct nb_tensors *l)
{
    step(w);
    nb_put_tensors(&w->text, l, w->e);
}

void nb_w_string_at(struct nb_writer *w, const char *key, const char *s)
{
    nb_w_key(w, key);
    nb_w_string(w, s);
}

void nb_w_whole_at(struct nb_writer *w, const char *key, int64_t v)
{
    nb_w_key(w, key);
    nb_w_whole(w, v);
}

void nb_w_number_at(struct nb_writer *w, const char *key, double v)
{
    nb_w_key(w, key);
    nb_w_number(w, v, NB_F64);
}

void nb_w_bool_at(struct nb_writer *w, const char *key, bool v)
{
    nb_w_key(w, key);
    nb_w_bool(w, v);
}

void nb_w_strings_at(struct nb_writer *w, const char *key, size_t n, const char *const *v)
{
    nb_w_key(w, key);
    nb_w_open(w, '[');
    for (size_t i = 0; i < n; i++)
        nb_w_string(w, v[i]);
    nb_w_close(w, ']');
}

void nb_w_shape_at(struct nb_writer *w, const char *key, const struct nb_shape *s)
{
    nb_w_key(w, key);
    nb_w_open(w, '[');
    for (int i = 0; i < s->rank; i++)
        nb_w_whole(w, s->dim[i]);
    nb_w_close(w, ']');
}

void nb_w_tensors_at(struct nb_writer *w, const char *key, const struct nb_tensors *l)
{
    nb_w_key(w, key);
    nb_w_tensors(w, l);
}
