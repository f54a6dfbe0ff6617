/* handlers.h - what several handlers share. */
#ifndef NABLA_HANDLERS_H
#define NABLA_HANDLERS_H
#include "http/decode.h"
#include "http/reply.h"
#include "http/router.h"
#include "nabla/module.h"
#include "store/store.h"

/* A counted snapshot of the graph in the path, released when the request is over. info may be NULL. */
struct nb_graph *nb_stored_graph(struct nb_request *rq, struct nb_entry *info, struct nb_error *e);
/* The graph in the body, made. */
struct nb_graph *nb_body_graph(struct nb_request *rq, const struct nb_asked *ask, struct nb_error *e);
/* Stores the graph that is described under a new name, and replies 201. */
int nb_create_graph(struct nb_request *rq, struct nb_reply *rp, const struct nb_asked *ask, struct nb_error *e);
/* An error at /graph of a stored graph is not in the body: the place moves into the sentence. Always -1. */
int nb_stored_place(struct nb_error *e);

/* The forward of ask->g, as it was asked. */
int nb_forward_asked(struct nb_request *rq, struct nb_reply *rp, const struct nb_asked *ask, struct nb_error *e);

/* What GET shows of an entry, as members of an object that is open. */
void nb_w_entry(struct nb_writer *w, const struct nb_entry *info);
/* ETag of an entry. */
const char *nb_etag(struct nb_request *rq, const struct nb_entry *info, struct nb_error *e);

/* Writes to the store under If-Match go one at a time: nb_if_match ... nb_match_done. The former fails with
 * precondition_failed if the graph is another one by now; without the header nothing is locked or compared. */
int nb_if_match(struct nb_request *rq, struct nb_error *e);
void nb_match_done(struct nb_request *rq);

/* The catalogue: one module; all of them. New references. */
json_t *nb_module_json(const struct nb_module *m);
json_t *nb_modules_json(void);
json_t *nb_errors_json(void);

#endif
