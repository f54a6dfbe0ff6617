/* router.h - from method and path to the row of routes.def. */
#ifndef NABLA_ROUTER_H
#define NABLA_ROUTER_H
#include "http/request.h"
#include "http/uri.h"
#include <stdio.h>

enum { NB_NOBODY = 1 << NB_SCOPE_COUNT };
enum nb_where { NB_INLINE, NB_WORKER, NB_EITHER, NB_LONG, NB_WAITED };

struct nb_route {
    const char *method, *path, *operation;
    nb_handler *handler;
    unsigned scopes;     /* NB_MAY_... of which a key needs one, and NB_NOBODY if it takes no key; 0: closed */
    const int64_t *body; /* most bytes; NULL: none */
    enum nb_where where;
};

#define ROUTE(method, path, operation, scopes, body, where) nb_handler nb_op_##operation;
#include "http/routes.def"
#undef ROUTE

/* Takes the paths apart; once, before the first request. */
void nb_router_start(void);
/* Sets rq->route and rq->path; HEAD finds GET, OPTIONS a route of its own. Errors: unknown_path, method_not_allowed.
 * `allow` gets the methods of the path, "" if there is none. */
int nb_router_find(const char *method, const struct nb_uri *u, struct nb_request *rq, char allow[64],
                   struct nb_error *e);
void nb_router_print(FILE *f);

#endif
