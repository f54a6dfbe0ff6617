/* probe_sets.h - the probe sets there are: open ones, and for a while those that are over. All in memory; each has an
 * arena of at most --limit-probe-memory. */
#ifndef NABLA_PROBE_SETS_H
#define NABLA_PROBE_SETS_H
#include "probes/probes.h"
#include "http/decode.h"
#include "http/request.h"
#include "store/files.h"
#include <pthread.h>

enum nb_probe_state { NB_PROBES_ASKING, NB_PROBES_DONE, NB_PROBES_EXPIRED };

/* All but id, owner and challenge is read and written under the lock, by whoever found the set. */
struct nb_probe_set {
    char id[40], owner[NB_LABEL];
    char challenge[40]; /* that it was opened for; "": none */
    pthread_mutex_t lock;
    enum nb_probe_state state;
    struct nb_arena arena;
    struct nb_probes *p; /* while it is asking */
    bool whole;          /* points are told as a whole, not as edits of a base */
    enum nb_detail detail;
    struct nb_seed seed;
    const char *function;        /* as compact JSON */
    char expires[25];            /* RFC 3339, of this round */
    char taken[NB_HASH_SIZE];    /* of the last answers that were taken, "" before the first */
    char *verdict;               /* once it is done */
    size_t size;                 /* of the verdict */
    char *heard[NB_MOST_POINTS]; /* heard.h */
    int nheard;
    size_t kept;                     /* bytes, once it is done */
    int64_t created, touched, ended; /* seconds of a clock that only goes forward */
    int uses;
    bool gone, open; /* open: counts against the limit */
    struct nb_probe_set *next;
};

/* A set nobody else can see, and which goes with the request unless it is published. too_many_probes. */
struct nb_probe_set *nb_probe_set_new(struct nb_request *rq, struct nb_error *e);
void nb_probe_set_publish(struct nb_probe_set *s);
/* Stays until the request is over. unknown_probes, also for somebody else's. */
struct nb_probe_set *nb_probe_set_find(struct nb_request *rq, const char *id, struct nb_error *e);
/* Under its lock: 0 if it is asking or done; probe_expired. */
int nb_probe_set_alive(struct nb_probe_set *s, struct nb_error *e);
/* Under its lock: answers came, so its time begins anew. */
void nb_probe_set_touch(struct nb_probe_set *s);
/* Under its lock: the questions are over and this is the reply from now on; NULL: there will be none. Gives back the
 * memory of the questions. */
void nb_probe_set_end(struct nb_probe_set *s, const char *verdict, size_t size);
int nb_probe_set_drop(struct nb_request *rq, const char *id, struct nb_error *e);

/* Those that nobody answers expire; those that are long over go. Called often. */
void nb_probe_sets_sweep(void);
void nb_probe_sets_stop(void);

#endif
