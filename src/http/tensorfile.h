/* tensorfile.h - the media types tensors travel in. */
#ifndef NABLA_TENSORFILE_H
#define NABLA_TENSORFILE_H
#include "http/reply.h"
#include "wire/fact.h"

/* JSON, then the files, ended by NULL: for nb_content and nb_accept. */
extern const char *const nb_tensor_types[];
/* Is this the type of a file that holds one tensor, without its name? Then the query may say it: tensor=NAME. */
bool nb_tensorfile_nameless(int type);
/* Is the body a file that may hold far more than its size? */
bool nb_tensorfile_packed(const struct nb_request *rq);
/* The tensors in the body, a file of nb_tensor_types[type]. One without a name gets the one in the query, or "". */
int nb_tensorfile_read(const struct nb_request *rq, int type, struct nb_tensors *to, struct nb_error *e);
/* The reply is a file of nb_tensor_types[type]. not_acceptable: the file holds one tensor, and there is not just one.
 */
int nb_tensorfile_reply(const struct nb_request *rq, int type, const struct nb_tensors *l, const struct nb_fact *facts,
                        size_t nfacts, struct nb_reply *rp, struct nb_error *e);

#endif
