/* uri.h - the request target as it was sent, taken apart by us: the library would cut it at %00. */
#ifndef NABLA_URI_H
#define NABLA_URI_H
#include "http/request.h"

enum { NB_MAX_SEGMENTS = 6 };

struct nb_uri {
    const char *segment[NB_MAX_SEGMENTS]; /* decoded; "/v1/graphs" has two */
    size_t nsegments;                     /* NB_MAX_SEGMENTS + 1: more than that */
    struct nb_pair *query;
    size_t nquery;
};

/* No control characters, no %00, no malformed %. */
bool nb_uri_clean(const char *raw);
/* Errors: bad_request (not UTF-8), bad_parameter (twice the same, too many). */
int nb_uri_read(const char *raw, struct nb_arena *a, struct nb_uri *u, struct nb_error *e);

#endif
