/* gate.h - may they? Asked once, after the route is known and before anything else of the request is looked at. */
#ifndef NABLA_GATE_H
#define NABLA_GATE_H
#include "http/request.h"

enum { NB_AUTHENTICATE = 128 };

/* With --require-keys: a store without keys gets its first one, in a file of the data directory that only its owner may
 * read. */
int nb_gate_start(struct nb_store *store, struct nb_error *e);
/* Sets rq->who from the header Authorization (NULL: not there). `authenticate` gets the header of a refusal, else "".
 * key_missing, key_refused, scope_missing. */
int nb_gate(struct nb_request *rq, const char *authorization, char authenticate[NB_AUTHENTICATE], struct nb_error *e);

/* nablad --create-key LABEL: a key with the scope admin, printed. */
int nb_gate_create_key(const char *directory, const char *label, struct nb_error *e);
/* 1 to 64 characters, none of them a control character. */
int nb_label_read(const char *text, char label[NB_LABEL], struct nb_error *e);

/* For a handler behind the gate: does the key have it? */
static inline bool nb_may(const struct nb_request *rq, unsigned scope)
{
    return rq->who.scopes & scope;
}
/* Is what belongs to this label theirs? */
bool nb_owns(const struct nb_request *rq, const char *label);

#endif
