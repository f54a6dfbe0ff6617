/* datasets.c - a data set is one file, in the form of safetensors, and a row that says where in it each column lies.
 *
 * What is large comes first: the file is written, then the row that names it (from here on it is true). Reading takes
 * the lock only to open the file: what is read then stays as it was, whatever becomes of its name. */
#include "store/datasets.h"
#include "nabla/limits.h"
#include "store/columns.h"
#include "store/datasetrows.h"
#include "store/parts.h"
#include "wire/print.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- judging what comes ------------------------------------------------------------------------------------------ */

/* Of 1 to 255 bytes, without control characters, and each once. */
static int judge_column_name(const struct nb_tensors *l, size_t i, struct nb_error *e)
{
    const char *name = l->v[i].name;
    size_t n = strlen(name);
    if (!n || (int64_t)n > nb_limits.name)
        return nb_fail(e, NB_E_bad_name, "names of columns have 1 to %" PRId64 " bytes, not %zu", nb_limits.name, n);
    for (size_t k = 0; k < n; k++)
        if ((unsigned char)name[k] < 0x20 || name[k] == 0x7f)
            return nb_fail(e, NB_E_bad_name, "names of columns have no control characters");
    for (size_t k = 0; k < i; k++)
        if (!strcmp(l->v[k].name, name))
            return nb_fail(e, NB_E_name_clash, "two columns have this name");
    return 0;
}

static int measure(const struct nb_tensors *l, struct nb_arena *a, struct nb_dataset *d, struct nb_error *e)
{
    d->n = l->n;
    d->columns = nb_zalloc(a, l->n, sizeof *d->columns, e);
    for (size_t i = 0; d->columns && i < l->n; i++) {
        const struct nb_shape *s = &l->v[i].t.shape;
        if (s->rank < 1)
            nb_fail(e, NB_E_shape_mismatch, "a column has a row for each sample; this is a single number");
        else if (i && s->dim[0] != d->rows)
            nb_fail(e, NB_E_shape_mismatch, "%" PRId64 " rows, but %.80s has %" PRId64 ": columns are of equal length",
                    s->dim[0], l->v[0].name, d->rows);
        d->rows = i ? d->rows : s->dim[0];
        if (e->code || judge_column_name(l, i, e) || nb_column_measure(&l->v[i], a, &d->columns[i], e))
            return nb_at(e, l->v[i].name);
    }
    return d->columns ? 0 : -1;
}

static int judge(const struct nb_tensors *l, struct nb_arena *a, struct nb_dataset *d, struct nb_error *e)
{
    if (!l->n)
        return nb_fail(e, NB_E_missing_key, "a data set has a column or more; none came");
    if (measure(l, a, d, e))
        return -1;
    return d->rows ? 0 : nb_fail(e, NB_E_shape_mismatch, "a data set has a row or more; none came");
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* What is wide comes first, so that all entries are aligned. The places count from the end of the header. */
static size_t place(struct nb_dataset *d)
{
    size_t at = 0;
    for (size_t width = 8; width; width /= 2)
        for (size_t i = 0; i < d->n; i++)
            if (nb_column_bytes(&d->columns[i], 1) == width) {
                d->columns[i].at = (int64_t)at;
                at += nb_column_bytes(&d->columns[i], (size_t)nb_count(&d->columns[i].shape));
            }
    return at;
}

static int put_entry(struct nb_text *t, const struct nb_column *c, struct nb_error *e)
{
    char text[96];
    size_t end = (size_t)c->at + nb_column_bytes(c, (size_t)nb_count(&c->shape));
    nb_put_string(t, c->name, e);
    snprintf(text, sizeof text, ":{\"dtype\":\"%s\",\"shape\":[", c->stored);
    nb_put(t, text, e);
    for (int i = 0; i < c->shape.rank; i++) {
        snprintf(text, sizeof text, "%s%" PRId64, i ? "," : "", c->shape.dim[i]);
        nb_put(t, text, e);
    }
    snprintf(text, sizeof text, "],\"data_offsets\":[%" PRId64 ",%zu]}", c->at, end);
    return nb_put(t, text, e);
}

static int write_header(const struct nb_dataset *d, struct nb_text *t, struct nb_error *e)
{
    for (size_t i = 0; i < d->n; i++)
        if (nb_put(t, i ? "," : "{", e) || put_entry(t, &d->columns[i], e))
            return -1;
    return nb_put(t, "}", e) || nb_putn(t, "        ", (8 - t->n % 8) % 8, e) ? -1 : 0;
}

/* All bytes of the file; now the places count from its beginning. */
static uint8_t *pack(const struct nb_tensors *l, struct nb_dataset *d, struct nb_arena *a, struct nb_error *e)
{
    struct nb_text header = {.arena = a};
    size_t data = place(d);
    if (write_header(d, &header, e))
        return NULL;
    d->size = (int64_t)(8 + header.n + data);
    uint8_t *file = nb_alloc(a, (size_t)d->size, 1, e);
    if (!file)
        return NULL;
    memcpy(file, &(uint64_t){header.n}, 8);
    memcpy(file + 8, header.v, header.n);
    for (size_t i = 0; i < d->n; i++) {
        struct nb_column *c = &d->columns[i];
        c->at += (int64_t)(8 + header.n);
        nb_column_pack(c, l->v[i].t.data, (size_t)nb_count(&c->shape), file + c->at);
    }
    return file;
}

/* ---- changing: the lock `disk` is held --------------------------------------------------------------------------- */

static int judge_name(struct nb_store *s, const char *name, bool replace, struct nb_arena *a, struct nb_dataset *old,
                      struct nb_error *e)
{
    int64_t n = 0;
    if (nb_datasetrow_get(s->database, name, a, old, e))
        return -1;
    if (*old->name)
        return replace ? 0 : nb_fail(e, NB_E_dataset_exists, "there is a data set %.64s already", name);
    sqlite3_stmt *count = nb_prepare(s->database, e, "SELECT count(*) FROM dataset", "");
    if (nb_step(count, e))
        n = sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    if (e->code)
        return -1;
    return n >= nb_limits.datasets ? NB_OVER(e, datasets, n + 1) : 0;
}

static int keep(struct nb_store *s, const uint8_t *file, bool replace, struct nb_arena *a, struct nb_dataset *d,
                bool *created, struct nb_error *e)
{
    struct nb_dataset old;
    if (judge_name(s, d->name, replace, a, &old, e) || nb_files_write(&s->files, d->sha256, file, (size_t)d->size, e) ||
        nb_datasetrow_put(s->database, d, a, e))
        return -1;
    *created = !*old.name;
    if (*old.name && strcmp(old.sha256, d->sha256))
        nb_parts_drop(s, old.sha256);
    return 0;
}

int nb_dataset_put(struct nb_store *s, const char *name, const struct nb_tensors *columns, bool replace,
                   struct nb_arena *a, struct nb_dataset *info, bool *created, struct nb_error *e)
{
    *info = (struct nb_dataset){0};
    if (!nb_parts_is_name(name))
        return nb_fail(e, NB_E_bad_name,
                       "names of data sets match [A-Za-z0-9_.-]{1,64} and are not . or ..; \"%.80s\" came", name);
    strcpy(info->name, name);
    nb_parts_stamp(info->created);
    uint8_t *file = judge(columns, a, info, e) ? NULL : pack(columns, info, a, e);
    if (!file)
        return -1;
    nb_files_hash(file, (size_t)info->size, info->sha256);
    pthread_mutex_lock(&s->disk);
    int failed = keep(s, file, replace, a, info, created, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

static int look(struct nb_store *s, const char *name, struct nb_arena *a, struct nb_dataset *info, struct nb_error *e)
{
    if (nb_datasetrow_get(s->database, name, a, info, e))
        return -1;
    return *info->name ? 0 : nb_fail(e, NB_E_unknown_dataset, "there is no data set %.64s", name);
}

static int remove_row(struct nb_store *s, const char *name, struct nb_arena *a, struct nb_error *e)
{
    struct nb_dataset info;
    if (look(s, name, a, &info, e) || nb_datasetrow_remove(s->database, name, e))
        return -1;
    nb_parts_drop(s, info.sha256);
    return 0;
}

int nb_dataset_delete(struct nb_store *s, const char *name, struct nb_error *e)
{
    struct nb_arena a;
    nb_arena_init(&a, (size_t)nb_limits.memory);
    pthread_mutex_lock(&s->disk);
    int failed = remove_row(s, name, &a, e);
    pthread_mutex_unlock(&s->disk);
    nb_arena_done(&a);
    return failed;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

int nb_dataset_get(struct nb_store *s, const char *name, struct nb_arena *a, struct nb_dataset *info,
                   struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = look(s, name, a, info, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

int nb_dataset_list(struct nb_store *s, const char *after, int64_t most, struct nb_arena *a, struct nb_dataset **list,
                    size_t *n, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int failed = nb_datasetrow_list(s->database, after, most, a, list, n, e);
    pthread_mutex_unlock(&s->disk);
    return failed;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int open_file(struct nb_store *s, const char *name, struct nb_arena *a, struct nb_dataset *d, struct nb_error *e)
{
    pthread_mutex_lock(&s->disk);
    int fd = look(s, name, a, d, e) ? -1 : nb_files_open_one(&s->files, d->sha256, e);
    pthread_mutex_unlock(&s->disk);
    return fd;
}

/* n entries of a column, from the given one on. */
static int read_entries(int fd, const struct nb_column *c, size_t first, size_t n, void *to, struct nb_error *e)
{
    enum { CHUNK = 8192 };
    uint8_t bytes[8 * CHUNK];
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        if (nb_files_read_at(fd, (size_t)c->at + nb_column_bytes(c, first + at), bytes, nb_column_bytes(c, m), e))
            return -1;
        if (!nb_column_unpack(c, bytes, m, (char *)to + at * nb_dtype_size(c->dtype)))
            return nb_fail(e, NB_E_store_failed, "the data set can no longer be read");
    }
    return 0;
}

static int read_rows(int fd, const struct nb_dataset *d, int64_t from, int64_t count, struct nb_arena *a,
                     struct nb_tensors *columns, struct nb_error *e)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct nb_column *c = &d->columns[i];
        struct nb_shape s = c->shape;
        struct nb_tensor t;
        size_t per_row = (size_t)(nb_count(&c->shape) / d->rows);
        s.dim[0] = count;
        if (nb_tensor_new(a, c->dtype, &s, &t, e) ||
            read_entries(fd, c, (size_t)from * per_row, (size_t)count * per_row, t.data, e) ||
            nb_tensors_add(a, columns, c->name, t, e))
            return -1;
    }
    return 0;
}

int nb_dataset_rows(struct nb_store *s, const char *name, int64_t from, int64_t count, struct nb_arena *a,
                    struct nb_tensors *columns, struct nb_error *e)
{
    struct nb_dataset d;
    int fd = open_file(s, name, a, &d, e);
    if (fd < 0)
        return -1;
    from = from < d.rows ? from : d.rows;
    count = count < d.rows - from ? count : d.rows - from;
    int failed = read_rows(fd, &d, from, count, a, columns, e);
    close(fd);
    return failed;
}

int nb_dataset_read(struct nb_store *s, const char *name, struct nb_arena *a, struct nb_tensors *columns,
                    struct nb_error *e)
{
    struct nb_dataset d;
    int fd = open_file(s, name, a, &d, e);
    if (fd < 0)
        return -1;
    int failed = nb_files_verify(fd, d.sha256, e) || read_rows(fd, &d, 0, d.rows, a, columns, e);
    close(fd);
    return failed ? -1 : 0;
}
