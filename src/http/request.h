/* request.h - what a handler sees: a request that was read, judged and is within its limits, and the reply to fill.
 *
 * A handler takes all memory from rq->arena and cleans nothing up: what is not memory is handed to nb_when_done. */
#ifndef NABLA_REQUEST_H
#define NABLA_REQUEST_H
#include "nabla/arena.h"
#include <jansson.h>
#include <stdbool.h>

struct nb_graph;
struct nb_store;
struct nb_route;

struct nb_pair {
    const char *name, *value;
};

enum { NB_PATH_VALUES = 2, NB_MAX_QUERY = 64 };

struct nb_request {
    const struct nb_route *route;
    struct nb_store *store;
    struct nb_arena *arena;
    const char *path[NB_PATH_VALUES]; /* the values of {...}, decoded */
    struct nb_pair *query;            /* decoded, in order, no name twice */
    size_t nquery;
    const char *accept, *content_type, *if_match; /* headers; NULL: not there */
    char *body;                                   /* body_size bytes and one NUL */
    size_t body_size;
    char id[20];
    bool on_worker;
    void *state; /* what a handler that returned NB_TO_WORKER keeps for its second call */
    struct nb_done *done;
};

struct nb_reply {
    int status;       /* 200 */
    const char *type; /* NULL: no body */
    const void *body; /* in the arena, or constant */
    size_t size;
    const char *location, *etag, *allow;
    bool retry; /* Retry-After */
    bool vary;  /* another Accept, another body */
};

/* 0, -1 with the error set, or NB_TO_WORKER: call me again on a worker, this is too much for a polling thread. */
typedef int nb_handler(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e);
enum { NB_TO_WORKER = 1 };

/* Calls f(p) when the request is over, last come first served; at once if there is no memory to remember it (then -1).
 */
int nb_when_done(struct nb_request *rq, void (*f)(void *), void *p, struct nb_error *e);
int nb_keep_json(struct nb_request *rq, json_t *j, struct nb_error *e);           /* json_decref */
int nb_keep_graph(struct nb_request *rq, struct nb_graph *g, struct nb_error *e); /* nb_graph_unref */
void nb_run_done(struct nb_request *rq);

/* The value of a query parameter, or NULL. */
const char *nb_query(const struct nb_request *rq, const char *name);
/* Refuses every query parameter that is not in names (ended by NULL). */
int nb_query_only(const struct nb_request *rq, const char *const *names, struct nb_error *e);

#endif
