/* request.h - what a handler sees: a request that was read, judged and is within its limits, and the reply to fill.
 *
 * A handler takes all memory from rq->arena and cleans nothing up: what is not memory is handed to nb_when_done. */
#ifndef NABLA_REQUEST_H
#define NABLA_REQUEST_H
#include "check/watch.h"
#include "nabla/arena.h"
#include "nabla/rng.h"
#include "store/keys.h"
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
    struct nb_who who; /* the gate has asked: the key, or with none in the store everybody */
    struct nb_arena *arena;
    const char *target;               /* as sent: path and query */
    const char *path[NB_PATH_VALUES]; /* the values of {...}, decoded */
    struct nb_pair *query;            /* decoded, in order, no name twice */
    size_t nquery;
    const char *accept, *content_type, *if_match, *last_event; /* headers; NULL: not there */
    bool respond_async;                                        /* Prefer: respond-async */
    char *body;                                                /* body_size bytes and one NUL */
    size_t body_size;
    char id[20];
    bool on_worker;
    void *state; /* what a handler that returned NB_TO_WORKER keeps for its second call */
    /* Of long work: */
    const struct nb_watch *watch; /* or NULL */
    struct nb_graph *snapshot;    /* stands for the stored graph of the path; NULL: ask the store */
    struct nb_seed seed;          /* see nb_request_seed */
    bool seeded, every_form;      /* the reply comes in all its forms */
    struct nb_done *done;
};

struct nb_reply {
    int status;       /* 200 */
    const char *type; /* NULL: no body */
    const void *body; /* in the arena, or constant */
    size_t size;
    const char *location, *etag, *allow;
    const char *authenticate; /* WWW-Authenticate */
    bool retry;               /* Retry-After */
    bool secret;              /* Cache-Control: no-store */
    bool vary;                /* another Accept, another body */
    bool preferred;           /* respond-async was honoured */
    struct nb_reply *another; /* the same in another form, for every_form */
    struct nb_pieces *pieces; /* instead of a body: it comes bit by bit */
};

/* A body without an end in sight. */
enum { NB_PAUSED = 0, NB_END = -1, NB_BROKEN = -2 };
struct nb_pieces {
    /* Fills buf, on a polling thread: its size; NB_PAUSED after nb_pause; NB_END; NB_BROKEN: nobody listens. */
    ptrdiff_t (*next)(struct nb_pieces *p, char *buf, size_t n);
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

/* The seed of a request that brings none: the same whenever it is asked for. */
struct nb_seed nb_request_seed(struct nb_request *rq);

/* From nb_pieces.next: nothing is asked of it until nb_resume, from any thread. Both under one lock of the caller: a
 * resume that comes before its pause is lost. */
void nb_pause(struct nb_request *rq);
void nb_resume(struct nb_request *rq);
/* The client has closed the connection. For requests that are paused or with a worker. */
bool nb_gone(const struct nb_request *rq);

/* The value of a query parameter, or NULL. */
const char *nb_query(const struct nb_request *rq, const char *name);
/* Refuses every query parameter that is not in names (ended by NULL). */
int nb_query_only(const struct nb_request *rq, const char *const *names, struct nb_error *e);

#endif
