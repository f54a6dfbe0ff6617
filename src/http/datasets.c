/* datasets.c - data sets over HTTP: bring one, list them, look, take a piece, delete. */
#include "store/datasets.h"
#include "http/dataset_body.h"
#include "http/handlers.h"
#include "http/tensorfile.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is said of one ----------------------------------------------------------------------------------------- */

static void put_column(struct nb_writer *w, const struct nb_column *c)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "name", c->name);
    nb_w_string_at(w, "dtype", nb_dtype_name(c->dtype));
    nb_w_shape_at(w, "shape", &c->shape);
    nb_w_number_at(w, "min", c->min);
    nb_w_number_at(w, "max", c->max);
    nb_w_number_at(w, "mean", c->mean);
    if (c->classes)
        nb_w_whole_at(w, "classes", c->classes);
    nb_w_close(w, '}');
}

static void put_dataset(struct nb_writer *w, const struct nb_dataset *d)
{
    nb_w_open(w, '{');
    nb_w_string_at(w, "name", d->name);
    nb_w_string_at(w, "created", d->created);
    nb_w_whole_at(w, "rows", d->rows);
    nb_w_whole_at(w, "size", d->size);
    nb_w_string_at(w, "sha256", d->sha256);
    nb_w_key(w, "columns");
    nb_w_open(w, '[');
    for (size_t i = 0; i < d->n; i++)
        put_column(w, &d->columns[i]);
    nb_w_close(w, ']');
    nb_w_close(w, '}');
}

static int reply_dataset(struct nb_request *rq, struct nb_reply *rp, const struct nb_dataset *d, struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    put_dataset(&w, d);
    rp->etag = nb_sprintf(rq->arena, e, "\"%.16s\"", d->sha256);
    return nb_reply_written(rp, &w);
}

/* ---- bringing ---------------------------------------------------------------------------------------------------- */

static int put(struct nb_request *rq, struct nb_reply *rp, const char *name, bool replace, struct nb_error *e)
{
    struct nb_tensors columns = {0};
    struct nb_dataset d;
    bool created;
    if (nb_dataset_body(rq, &columns, e))
        return -1;
    if (nb_dataset_put(rq->store, name, &columns, replace, rq->arena, &d, &created, e))
        return *e->pointer && nb_dataset_is_json(rq) ? nb_at(e, "columns") : -1;
    rp->status = created ? 201 : 200;
    rp->location = nb_sprintf(rq->arena, e, "/v1/datasets/%s", d.name);
    return reply_dataset(rq, rp, &d, e);
}

int nb_op_createDataset(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    const char *name = nb_query(rq, "name");
    if (!name)
        return nb_fail(e, NB_E_bad_parameter, "the query says how the data set is called: name=NAME"), nb_at(e, "name");
    return put(rq, rp, name, false, e);
}

int nb_op_replaceDataset(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    if (nb_query(rq, "name"))
        return nb_fail(e, NB_E_bad_parameter, "the path says how the data set is called"), nb_at(e, "name");
    return put(rq, rp, rq->path[0], true, e);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

/* A whole number in the query, or what it is without. */
static int query_whole(const struct nb_request *rq, const char *name, int64_t least, int64_t most, int64_t *to,
                       struct nb_error *e)
{
    const char *text = nb_query(rq, name);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || errno || v < least || v > most)
        return nb_fail(e, NB_E_bad_parameter, "a whole number from %" PRId64 " to %" PRId64 " was expected, not %.40s",
                       least, most, text),
               nb_at(e, name);
    *to = v;
    return 0;
}

int nb_op_listDatasets(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const names[] = {"after", "limit", NULL};
    struct nb_dataset *list;
    const char *after = nb_query(rq, "after");
    int64_t most = 100;
    size_t n;
    if (nb_query_only(rq, names, e) || query_whole(rq, "limit", 1, 1000, &most, e) ||
        nb_dataset_list(rq->store, after ? after : "", most + 1, rq->arena, &list, &n, e))
        return -1;
    bool more = (int64_t)n > most;
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_key(&w, "datasets");
    nb_w_open(&w, '[');
    for (size_t i = 0; i < n - more; i++)
        put_dataset(&w, &list[i]);
    nb_w_close(&w, ']');
    if (more)
        nb_w_string_at(&w, "next",
                       nb_sprintf(rq->arena, e, "/v1/datasets?after=%s&limit=%" PRId64, list[n - 2].name, most));
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

int nb_op_getDataset(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_dataset d;
    return nb_dataset_get(rq->store, rq->path[0], rq->arena, &d, e) ? -1 : reply_dataset(rq, rp, &d, e);
}

int nb_op_deleteDataset(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    rp->status = 204;
    return nb_dataset_delete(rq->store, rq->path[0], e);
}

/* ---- a piece ----------------------------------------------------------------------------------------------------- */

static int reply_rows(struct nb_request *rq, struct nb_reply *rp, const struct nb_tensors *l, int64_t from,
                      struct nb_error *e)
{
    struct nb_writer w = nb_writer(rq->arena, e);
    nb_w_open(&w, '{');
    nb_w_whole_at(&w, "from", from);
    nb_w_whole_at(&w, "count", l->v[0].t.shape.dim[0]);
    nb_w_tensors_at(&w, "columns", l);
    nb_w_close(&w, '}');
    return nb_reply_written(rp, &w);
}

int nb_op_getDatasetRows(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const names[] = {"from", "count", NULL};
    struct nb_tensors columns = {0};
    int64_t from = 0, count = 100;
    int type = nb_accept(rq, nb_tensor_types, e);
    if (type < 0 || nb_query_only(rq, names, e) || query_whole(rq, "from", 0, INT32_MAX, &from, e) ||
        query_whole(rq, "count", 0, INT32_MAX, &count, e) ||
        nb_dataset_rows(rq->store, rq->path[0], from, count, rq->arena, &columns, e))
        return -1;
    rp->vary = true;
    return type ? nb_tensorfile_reply(rq, type, &columns, NULL, 0, rp, e) : reply_rows(rq, rp, &columns, from, e);
}
