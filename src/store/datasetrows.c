/* datasetrows.c - a data set is a row; its columns are JSON in it: they are only ever read together. */
#include "store/datasetrows.h"
#include "wire/writer.h"
#include <string.h>

#define COLUMNS "name, created, rows, size, hash, columns"

/* ---- columns to JSON and back ------------------------------------------------------------------------------------ */

static void write_column(struct nb_writer *w, const struct nb_column *c)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "name", c->name);
    nb_w_string_at(w, "dtype", nb_dtype_name(c->dtype));
    nb_w_shape_at(w, "shape", &c->shape);
    nb_w_number_at(w, "min", c->min);
    nb_w_number_at(w, "max", c->max);
    nb_w_number_at(w, "mean", c->mean);
    nb_w_whole_at(w, "classes", c->classes);
    nb_w_string_at(w, "stored", c->stored);
    nb_w_whole_at(w, "at", c->at);
    nb_w_close(w, '}');
}

static const char *write_columns(const struct nb_dataset *d, struct nb_arena *a, struct nb_error *e)
{
    struct nb_writer w = nb_writer(a, e);
    nb_w_open(&w, '[');
    for (size_t i = 0; i < d->n; i++)
        write_column(&w, &d->columns[i]);
    nb_w_close(&w, ']');
    return nb_putn(&w.text, "", 1, e) || e->code ? NULL : w.text.v;
}

static bool read_dtype(const json_t *j, enum nb_dtype *d)
{
    const char *name = json_string_value(j);
    for (*d = 0; name && *d < NB_NDTYPE; ++*d)
        if (!strcmp(nb_dtype_name(*d), name))
            return true;
    return false;
}

static bool read_shape(const json_t *j, struct nb_shape *s)
{
    s->rank = (int)json_array_size(j);
    for (int i = 0; i < s->rank && i < NB_MAX_RANK; i++)
        s->dim[i] = json_integer_value(json_array_get(j, (size_t)i));
    return s->rank >= 1 && s->rank <= NB_MAX_RANK && nb_count(s) >= 0;
}

static bool read_column(const json_t *j, struct nb_arena *a, struct nb_column *c, struct nb_error *e)
{
    const char *name = json_string_value(json_object_get(j, "name"));
    const char *stored = json_string_value(json_object_get(j, "stored"));
    if (!name || !stored || strlen(stored) >= sizeof c->stored || !(c->name = nb_strdup(a, name, e)))
        return false;
    strcpy(c->stored, stored);
    c->min = json_number_value(json_object_get(j, "min"));
    c->max = json_number_value(json_object_get(j, "max"));
    c->mean = json_number_value(json_object_get(j, "mean"));
    c->classes = json_integer_value(json_object_get(j, "classes"));
    c->at = json_integer_value(json_object_get(j, "at"));
    return read_dtype(json_object_get(j, "dtype"), &c->dtype) && read_shape(json_object_get(j, "shape"), &c->shape);
}

static int read_columns(const char *text, struct nb_arena *a, struct nb_dataset *d, struct nb_error *e)
{
    json_t *j = json_loads(text ? text : "", 0, NULL);
    d->n = json_array_size(j);
    d->columns = nb_zalloc(a, d->n, sizeof *d->columns, e);
    bool good = j && d->columns;
    for (size_t i = 0; good && i < d->n; i++)
        good = read_column(json_array_get(j, i), a, &d->columns[i], e);
    json_decref(j);
    return good ? 0 : nb_fail(e, NB_E_store_failed, "the data set can no longer be read");
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

int nb_datasetrow_put(sqlite3 *db, const struct nb_dataset *d, struct nb_arena *a, struct nb_error *e)
{
    const char *columns = write_columns(d, a, e);
    if (!columns)
        return -1;
    return nb_finish(nb_prepare(db, e, "INSERT OR REPLACE INTO dataset(" COLUMNS ") VALUES(?,?,?,?,?,?)", "ttiitt",
                                d->name, d->created, d->rows, d->size, d->sha256, columns),
                     e);
}

static int take(sqlite3_stmt *s, struct nb_arena *a, struct nb_dataset *d, struct nb_error *e)
{
    *d = (struct nb_dataset){.rows = sqlite3_column_int64(s, 2), .size = sqlite3_column_int64(s, 3)};
    nb_take_text(d->name, sizeof d->name, s, 0);
    nb_take_text(d->created, sizeof d->created, s, 1);
    nb_take_text(d->sha256, sizeof d->sha256, s, 4);
    return read_columns((const char *)sqlite3_column_text(s, 5), a, d, e);
}

int nb_datasetrow_get(sqlite3 *db, const char *name, struct nb_arena *a, struct nb_dataset *d, struct nb_error *e)
{
    sqlite3_stmt *s = nb_prepare(db, e, "SELECT " COLUMNS " FROM dataset WHERE name = ?", "t", name);
    *d = (struct nb_dataset){0};
    if (nb_step(s, e))
        take(s, a, d, e);
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

int nb_datasetrow_list(sqlite3 *db, const char *after, int64_t most, struct nb_arena *a, struct nb_dataset **list,
                       size_t *n, struct nb_error *e)
{
    sqlite3_stmt *s =
        nb_prepare(db, e, "SELECT " COLUMNS " FROM dataset WHERE name > ? ORDER BY name LIMIT ?", "ti", after, most);
    size_t cap = 0;
    *list = NULL;
    *n = 0;
    while (nb_step(s, e) && !nb_grow(a, list, *n, &cap, sizeof **list, e) && !take(s, a, &(*list)[*n], e))
        ++*n;
    sqlite3_finalize(s);
    return e->code ? -1 : 0;
}

int nb_datasetrow_remove(sqlite3 *db, const char *name, struct nb_error *e)
{
    return nb_finish(nb_prepare(db, e, "DELETE FROM dataset WHERE name = ?", "t", name), e);
}
