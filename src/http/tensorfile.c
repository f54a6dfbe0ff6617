/* tensorfile.c - a row for each kind of file. */
#include "http/tensorfile.h"
#include "wire/npy.h"
#include "wire/npz.h"
#include "wire/safetensors.h"
#include <string.h>
#include <strings.h>

const char *const nb_tensor_types[] = {NB_JSON,
                                       "application/x-safetensors",
                                       "application/vnd.safetensors",
                                       "application/x-npz",
                                       "application/zip",
                                       "application/x-npy",
                                       NULL};

static int read_npy(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensors *to, struct nb_error *e)
{
    struct nb_tensor t;
    return nb_npy_read(bytes, n, a, &t, e) ? -1 : nb_tensors_add(a, to, "", t, e);
}

static int write_npy(const struct nb_tensors *l, const struct nb_fact *facts, size_t nfacts, struct nb_arena *a,
                     void **bytes, size_t *n, struct nb_error *e)
{
    (void)facts, (void)nfacts;
    if (l->n != 1)
        return nb_fail(e, NB_E_not_acceptable, "an npy file holds one tensor, the reply has %zu: application/x-npz",
                       l->n);
    return nb_npy_write(&l->v[0].t, a, bytes, n, e);
}

static const struct kind {
    int (*read)(const void *bytes, size_t n, struct nb_arena *a, struct nb_tensors *to, struct nb_error *e);
    int (*write)(const struct nb_tensors *l, const struct nb_fact *facts, size_t nfacts, struct nb_arena *a,
                 void **bytes, size_t *n, struct nb_error *e);
} safetensors = {nb_safetensors_read, nb_safetensors_write}, npz = {nb_npz_read, nb_npz_write},
  npy = {read_npy, write_npy};

static const struct kind *const kinds[] = {NULL, &safetensors, &safetensors, &npz, &npz, &npy};

bool nb_tensorfile_nameless(int type)
{
    return kinds[type] == &npy;
}

bool nb_tensorfile_packed(const struct nb_request *rq)
{
    for (size_t i = 0; rq->content_type && nb_tensor_types[i]; i++)
        if (kinds[i] == &npz && !strncasecmp(rq->content_type, nb_tensor_types[i], strlen(nb_tensor_types[i])))
            return true;
    return false;
}

int nb_tensorfile_read(const struct nb_request *rq, int type, struct nb_tensors *to, struct nb_error *e)
{
    if (kinds[type]->read(rq->body, rq->body_size, rq->arena, to, e))
        return -1;
    if (nb_tensorfile_nameless(type) && nb_query(rq, "tensor"))
        to->v[to->n - 1].name = nb_query(rq, "tensor");
    return 0;
}

int nb_tensorfile_reply(const struct nb_request *rq, int type, const struct nb_tensors *l, const struct nb_fact *facts,
                        size_t nfacts, struct nb_reply *rp, struct nb_error *e)
{
    void *bytes;
    if (kinds[type]->write(l, facts, nfacts, rq->arena, &bytes, &rp->size, e))
        return -1;
    rp->body = bytes;
    rp->type = nb_tensor_types[type];
    return 0;
}
