/* exchange.h - one request and its reply, as the server sees them. Used again and again, memory and all. */
#ifndef NABLA_EXCHANGE_H
#define NABLA_EXCHANGE_H
#include "http/deadline.h"
#include "http/gate.h"
#include "http/pool.h"
#include "http/request.h"
#include <microhttpd.h>
#include <stdatomic.h>

enum nb_phase {
    NB_FRESH,   /* only the target is known */
    NB_READING, /* judged; the body comes */
    NB_WAITING, /* with a worker; the connection is suspended */
    NB_SENDING  /* the reply is queued */
};

struct nb_exchange {
    struct nb_task task;
    struct nb_request rq;
    struct nb_reply rp;
    struct nb_error e;
    struct nb_arena arena;
    struct MHD_Connection *connection;
    struct nb_deadline *deadline;
    enum nb_phase phase;
    struct nb_watch watch; /* of long work that is waited for */
    int64_t looked;        /* microseconds: when it last asked whether the client is there */
    atomic_bool abandoned; /* a worker still has it: it can be neither used nor freed */
    bool close;            /* after the reply */
    const char *uri;       /* as sent */
    size_t length;         /* Content-Length */
    bool chunked;
    size_t room; /* bytes of rq.body, without the NUL */
    char allow[64], authenticate[NB_AUTHENTICATE];
    char method[12], target[100]; /* for the log, cut */
    int64_t started;              /* microseconds; 0: not logged */
    int64_t idle_since;           /* on the list of unused ones */
    struct nb_exchange *next;
};

/* An exchange that is as new, with an id; NULL: out of memory. */
struct nb_exchange *nb_exchange_new(void);
/* Ends what the request kept and puts the exchange back. */
void nb_exchange_free(struct nb_exchange *x);
/* Instead, if a worker has it for good. */
void nb_exchange_forget(void);
/* How many are in use. */
int nb_exchange_live(void);
/* Gives back the memory of those that have long been unused. Called often. */
void nb_exchange_trim(void);

/* The body: room for it, then its pieces. Errors: body_too_large, limit (memory). */
int nb_body_begin(struct nb_exchange *x, struct nb_error *e);
void nb_body_take(struct nb_exchange *x, const char *bytes, size_t n);

int64_t nb_now_us(void);

#endif
