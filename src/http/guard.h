/* guard.h - the judgement at the first callback of a request. The library's parser is lenient; what a proxy in front
 * could read differently is refused here, before anything is done. */
#ifndef NABLA_GUARD_H
#define NABLA_GUARD_H
#include "nabla/error.h"
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct nb_headers {
    const char *accept, *content_type, *if_match, *last_event, *prefer, *host, *authorization; /* NULL: not there */
    const char *length, *coding;
    int hosts, lengths, codings, keys, others;
    bool bad_name, bad_value, respond_async;
};

/* Reads --hosts and --bind; once, at start. */
int nb_guard_start(struct nb_error *e);
/* bad_request, or 0 and the headers that matter. `uri` is the raw target. */
int nb_guard(struct MHD_Connection *c, const char *uri, const char *version, struct nb_headers *h, struct nb_error *e);

#endif
