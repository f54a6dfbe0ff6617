/* dataset_body.c - a row for each kind of file, then what the query wants made of the columns. */
#include "http/dataset_body.h"
#include "http/handlers.h"
#include "http/tensorfile.h"
#include "nabla/limits.h"
#include "wire/csv.h"
#include "wire/gzip.h"
#include "wire/idx.h"
#include "wire/lift.h"
#include "wire/npy.h"
#include "wire/npz.h"
#include "wire/safetensors.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the kinds of file ------------------------------------------------------------------------------------------- */

typedef int reader(struct nb_request *rq, const char *bytes, size_t n, struct nb_tensors *to, struct nb_error *e);

static int read_json(struct nb_request *rq, const char *bytes, size_t n, struct nb_tensors *to, struct nb_error *e)
{
    const struct nb_lift_rule rule = {"/columns/*", to};
    const char *key;
    json_t *rest = NULL, *v;
    if (nb_lift(bytes, n, &rule, 1, rq->arena, &rest, e) || nb_keep_json(rq, rest, e))
        return -1;
    if (!json_is_object(rest) || !json_is_object(json_object_get(rest, "columns")))
        return nb_fail(e, NB_E_missing_key, "{\"columns\": {NAME: tensor, ...}} was expected");
    json_object_foreach (rest, key, v)
        if (strcmp(key, "columns"))
            return nb_fail(e, NB_E_unknown_key, "only \"columns\" stands here"), nb_at(e, key);
    return 0;
}

static int read_safetensors(struct nb_request *rq, const char *bytes, size_t n, struct nb_tensors *to,
                            struct nb_error *e)
{
    return nb_safetensors_read(bytes, n, rq->arena, to, e);
}

static int read_npz(struct nb_request *rq, const char *bytes, size_t n, struct nb_tensors *to, struct nb_error *e)
{
    return nb_npz_read(bytes, n, rq->arena, to, e);
}

/* The next of the names in `columns`: *names moves behind it. Without any: "x", "y", then "column_2", ... */
static const char *next_name(struct nb_request *rq, const char **names, size_t i, struct nb_error *e)
{
    static const char *const usual[] = {"x", "y"};
    if (!nb_query(rq, "columns"))
        return i < 2 ? usual[i] : nb_sprintf(rq->arena, e, "column_%zu", i);
    size_t n = strcspn(*names, ",");
    const char *name = n ? nb_strndup(rq->arena, *names, n, e) : NULL;
    if (!n)
        nb_fail(e, NB_E_bad_parameter, "file %zu of the body has no name", i), nb_at(e, "columns");
    *names += n + ((*names)[n] == ',');
    return name;
}

static int names_left(const char *names, struct nb_error *e)
{
    if (!names || !*names)
        return 0;
    nb_fail(e, NB_E_bad_parameter, "there is no file for the name %.60s", names);
    return nb_at(e, "columns");
}

static int read_npy(struct nb_request *rq, const char *bytes, size_t n, struct nb_tensors *to, struct nb_error *e)
{
    struct nb_tensor t;
    const char *names = nb_query(rq, "columns"), *name = next_name(rq, &names, 0, e);
    if (!name || nb_npy_read(bytes, n, rq->arena, &t, e) || nb_tensors_add(rq->arena, to, name, t, e))
        return -1;
    return names_left(names, e);
}

static int read_idx(struct nb_request *rq, const char *bytes, size_t n, struct nb_tensors *to, struct nb_error *e)
{
    const char *names = nb_query(rq, "columns");
    size_t used;
    for (size_t at = 0, i = 0; at < n || !i; at += used, i++) {
        struct nb_tensor t;
        const char *name = next_name(rq, &names, i, e);
        if ((int64_t)i >= nb_limits.tensors)
            return NB_OVER(e, tensors, (int64_t)i + 1);
        if (!name || nb_idx_read(bytes + at, n - at, rq->arena, &t, &used, e) ||
            nb_tensors_add(rq->arena, to, name, t, e))
            return -1;
    }
    return names_left(names, e);
}

static int read_head(const struct nb_request *rq, enum nb_csv_head *head, struct nb_error *e)
{
    const char *text = nb_query(rq, "header");
    *head = !text ? NB_CSV_SEE : !strcmp(text, "true") ? NB_CSV_NAMES : NB_CSV_NONE;
    if (!text || !strcmp(text, "true") || !strcmp(text, "false"))
        return 0;
    nb_fail(e, NB_E_bad_parameter, "true or false was expected, not %.40s", text);
    return nb_at(e, "header");
}

static int read_csv(struct nb_request *rq, const char *bytes, size_t n, struct nb_tensors *to, struct nb_error *e)
{
    struct nb_csv how = {.columns = nb_query(rq, "columns")};
    return read_head(rq, &how.head, e) ? -1 : nb_csv_read(bytes, n, &how, rq->arena, to, e);
}

/* What was compressed, by its first bytes. */
static int read_any(struct nb_request *rq, const char *bytes, size_t n, struct nb_tensors *to, struct nb_error *e)
{
    if (nb_idx_is(bytes, n))
        return read_idx(rq, bytes, n, to, e);
    return n > 6 && !memcmp(bytes, "\x93NUMPY", 6) ? read_npy(rq, bytes, n, to, e) : read_csv(rq, bytes, n, to, e);
}

static const struct kind {
    const char *type;
    reader *read;
    bool columns, header; /* what of the query it takes, besides shape and divide */
    bool text;            /* numbers have no type: whole ones become int64 */
} kinds[] = {
    {NB_JSON, read_json, false, false, true},
    {"application/x-safetensors", read_safetensors, false, false, false},
    {"application/vnd.safetensors", read_safetensors, false, false, false},
    {"application/x-npz", read_npz, false, false, false},
    {"application/zip", read_npz, false, false, false},
    {"application/x-npy", read_npy, true, false, false},
    {"application/x-idx", read_idx, true, false, false},
    {"text/csv", read_csv, true, true, true},
    {"application/gzip", read_any, true, true, true},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct kind *kind_of(const struct nb_request *rq, struct nb_error *e)
{
    const char *types[KINDS + 1] = {NULL};
    for (int i = 0; i < KINDS; i++)
        types[i] = kinds[i].type;
    int i = nb_content(rq, types, e);
    return i < 0 ? NULL : &kinds[i];
}

/* ---- what becomes of the columns --------------------------------------------------------------------------------- */

static bool all_whole(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(v[i] == trunc(v[i]) && fabs(v[i]) <= 0x1p53 && !(v[i] == 0 && signbit(v[i]))))
            return false;
    return true;
}

/* Both have eight bytes: in place. */
static void make_whole(struct nb_tensor *t)
{
    size_t n = (size_t)nb_count(&t->shape);
    if (t->dtype != NB_F64 || !all_whole(t->data, n))
        return;
    for (size_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, (char *)t->data + 8 * i, 8);
        memcpy((char *)t->data + 8 * i, &(int64_t){(int64_t)v}, 8);
    }
    t->dtype = NB_I64;
}

/* "NAME:VALUE,NAME:VALUE" of a query parameter, one by one. */
typedef int change(struct nb_tensor *t, const char *value, struct nb_arena *a, struct nb_error *e);

static int change_one(struct nb_request *rq, const struct nb_tensors *l, const char *text, size_t n, change *f,
                      struct nb_error *e)
{
    char *name = nb_strndup(rq->arena, text, n, e), *colon = name ? strrchr(name, ':') : NULL;
    if (!name)
        return -1;
    if (!colon)
        return nb_fail(e, NB_E_bad_parameter, "NAME:VALUE was expected, not %.60s", name);
    *colon = 0;
    struct nb_tensor *t = nb_tensors_find(l, name);
    return t ? f(t, colon + 1, rq->arena, e) : nb_fail(e, NB_E_bad_parameter, "there is no column %.60s", name);
}

static int change_each(struct nb_request *rq, const struct nb_tensors *l, const char *parameter, change *f,
                       struct nb_error *e)
{
    const char *p = nb_query(rq, parameter);
    while (p) {
        size_t n = strcspn(p, ",");
        if (change_one(rq, l, p, n, f, e))
            return nb_at(e, parameter);
        p = p[n] ? p + n + 1 : NULL;
    }
    return 0;
}

/* "1x8x8": the shape of one row. */
static int change_shape(struct nb_tensor *t, const char *value, struct nb_arena *a, struct nb_error *e)
{
    struct nb_shape s = {.rank = 1, .dim = {t->shape.rank ? t->shape.dim[0] : 1}};
    char *stop;
    (void)a;
    for (const char *p = value;; p = stop + 1) {
        s.dim[s.rank++] = *p >= '0' && *p <= '9' ? strtoll(p, &stop, 10) : -1;
        if (s.dim[s.rank - 1] < 0 || (*stop && *stop != 'x') || (*stop && s.rank == NB_MAX_RANK))
            return nb_fail(e, NB_E_bad_parameter, "sizes with x between were expected, as in 1x8x8, not %.60s", value);
        if (!*stop)
            break;
    }
    if (nb_count(&s) != nb_count(&t->shape))
        return nb_fail(e, NB_E_bad_parameter, "%" PRId64 " numbers do not make %" PRId64 " rows of %.60s",
                       nb_count(&t->shape), s.dim[0], value);
    t->shape = s;
    return 0;
}

static int change_scale(struct nb_tensor *t, const char *value, struct nb_arena *a, struct nb_error *e)
{
    char *stop;
    double by = strtod(value, &stop);
    size_t n = (size_t)nb_count(&t->shape);
    struct nb_tensor to = *t;
    if (stop == value || *stop || !isfinite(by) || by == 0)
        return nb_fail(e, NB_E_bad_parameter, "a number that is not 0 was expected, not %.60s", value);
    if (t->dtype != NB_F32) {
        if (nb_tensor_new(a, NB_F64, &t->shape, &to, e))
            return -1;
        nb_convert(NB_F64, to.data, t->dtype, t->data, n);
    }
    for (size_t i = 0; i < n; i++)
        if (to.dtype == NB_F32)
            ((float *)to.data)[i] /= (float)by;
        else
            ((double *)to.data)[i] /= by;
    *t = to;
    return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int judge_query(const struct nb_request *rq, const struct kind *k, struct nb_error *e)
{
    const char *names[6] = {"name", "shape", "divide"};
    int n = 3;
    if (k->columns)
        names[n++] = "columns";
    if (k->header)
        names[n++] = "header";
    return nb_query_only(rq, names, e);
}

bool nb_dataset_is_json(const struct nb_request *rq)
{
    struct nb_error unsaid = {0};
    const struct kind *k = kind_of(rq, &unsaid);
    return k && k->read == read_json;
}

int nb_dataset_body(struct nb_request *rq, struct nb_tensors *columns, struct nb_error *e)
{
    const struct kind *k = kind_of(rq, e);
    void *bytes = rq->body;
    size_t n = rq->body_size;
    if (!k || judge_query(rq, k, e))
        return -1;
    if (nb_gzip_is(bytes, n) && nb_gunzip(rq->body, rq->body_size, rq->arena, &bytes, &n, e))
        return -1;
    if (k->read(rq, bytes, n, columns, e))
        return -1;
    for (size_t i = 0; k->text && i < columns->n; i++)
        make_whole(&columns->v[i].t);
    return change_each(rq, columns, "shape", change_shape, e) || change_each(rq, columns, "divide", change_scale, e);
}
