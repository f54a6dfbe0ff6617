/* replay.h - a check done again from its certificate.
 *
 * What a certificate says can be computed again from its seed, its terms and the tensors that came with the request;
 * the latter must come again, and are compared by their hashes. On the same version and machine the reply is the same
 * to the byte; on another one it says what differs. */
#ifndef NABLA_REPLAY_H
#define NABLA_REPLAY_H
#include "http/decode.h"
#include "http/reply.h"

/* The certificate in ask->replay.tree into the seed and the terms of the check. Pointers of errors are relative to
 * it. */
int nb_replay_read(struct nb_asked *ask, struct nb_arena *a, struct nb_error *e);
/* Once the graph is known: is it the one, and is what came what came then? Tensors kept in the certificate serve if
 * none came. Without a certificate there is nothing to do. */
int nb_replay_compare(struct nb_asked *ask, struct nb_arena *a, struct nb_error *e);
/* After the check: its own certificate, as text, against the one that came. Lists pointers of what differs on another
 * version or machine; any difference on the same one is an error. */
int nb_replay_differs(const struct nb_asked *ask, const char *certificate, size_t n, struct nb_strings_list *l,
                      struct nb_arena *a, struct nb_error *e);

/* The certificate of a check, as an object. */
void nb_w_certificate(struct nb_writer *w, const struct nb_asked *ask, const struct nb_verdicts *v);

#endif
