/* reply.h - filling a reply, and choosing what it is written in. */
#ifndef NABLA_REPLY_H
#define NABLA_REPLY_H
#include "http/request.h"
#include "wire/writer.h"

#define NB_JSON "application/json"
#define NB_SVG "image/svg+xml"
#define NB_DOT "text/vnd.graphviz"
#define NB_PROBLEM "application/problem+json"
#define NB_EVENTS "text/event-stream"

/* The reply is this text. */
void nb_reply_text(struct nb_reply *rp, const char *type, const char *text, size_t n);

/* The reply is what was written, if all went well. */
int nb_reply_written(struct nb_reply *rp, struct nb_writer *w);

/* Index of the representation the client likes best by its Accept header; the first of equals, 0 without a header;
 * -1 with not_acceptable, which names them all. `types` is ended by NULL. */
int nb_accept(const struct nb_request *rq, const char *const *types, struct nb_error *e);
/* Index of the type of the body; -1 with unsupported_media. */
int nb_content(const struct nb_request *rq, const char *const *types, struct nb_error *e);
/* Does a header Prefer (RFC 7240) name this preference, without a value? */
bool nb_prefers(const char *prefer, const char *preference);

/* A way to write a result: rows, ended by .type NULL. */
struct nb_form {
    const char *type;
    int (*write)(struct nb_request *rq, const void *result, struct nb_reply *rp, struct nb_error *e);
};
enum { NB_MAX_FORMS = 8 };
/* nb_accept among them. */
int nb_forms_accept(const struct nb_request *rq, const struct nb_form *forms, struct nb_error *e);
/* Writes the result in forms[i]; of a request with every_form in the others too. */
int nb_forms_write(struct nb_request *rq, const struct nb_form *forms, int i, const void *result, struct nb_reply *rp,
                   struct nb_error *e);

/* "application/json, image/svg+xml" into buf. */
const char *nb_types_text(const char *const *types, char *buf, size_t size);

#endif
