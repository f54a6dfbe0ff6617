/* dataset_body.h - the columns of a data set, out of a body in any of its forms. */
#ifndef NABLA_DATASET_BODY_H
#define NABLA_DATASET_BODY_H
#include "http/request.h"
#include "nabla/tensor.h"

/* By Content-Type: JSON {"columns": {NAME: tensor}}, safetensors, npz, npy, IDX (several files one behind the other),
 * CSV; npy, IDX, CSV and JSON may be compressed with gzip. The query: columns (names for npy and IDX, see csv.h for
 * CSV), header (CSV), shape=NAME:1x8x8, divide=NAME:16. */
int nb_dataset_body(struct nb_request *rq, struct nb_tensors *columns, struct nb_error *e);
/* Columns stand in "columns" there. */
bool nb_dataset_is_json(const struct nb_request *rq);

#endif
