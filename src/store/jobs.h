/* jobs.h - long work in the store: what was asked, how far it is, what came of it. A call that returns 0 has its change
 * on disk. */
#ifndef NABLA_STORE_JOBS_H
#define NABLA_STORE_JOBS_H
#include "store/journal.h"
#include "store/keys.h"
#include "store/store.h"

enum nb_job_state { NB_JOB_QUEUED, NB_JOB_RUNNING, NB_JOB_DONE, NB_JOB_FAILED, NB_JOB_CANCELLED };

struct nb_job {
    char id[33], kind[32];
    enum nb_job_state state;   /* on disk RUNNING is QUEUED: it is taken up again */
    int64_t created, finished; /* seconds since 1970; 0: not yet */
    int64_t done, of;          /* coordinates, or whatever the kind counts */
    double worst;
    char tensor[256];    /* in work; "" is none */
    struct nb_who who;   /* who asked */
    const char *target;  /* the path it was asked at, with the query */
    const char *problem; /* FAILED: the problem of RFC 9457, or NULL */
    bool kept;           /* there are results: of DONE, or what was there until it FAILED or was CANCELLED */
};

/* What it takes to ask again. */
struct nb_job_request {
    const char *content_type; /* or NULL */
    struct nb_seed seed;      /* if the body brings none */
    const void *body;
    size_t size;
    struct nb_graph *graph; /* the stored graph it is about, as it was; NULL: none */
    char parameters[65];    /* of that graph: the hash its entry had; "" if not known */
};

/* A result in one of its forms. */
struct nb_job_result {
    const char *type;
    const void *bytes;
    size_t size;
};

int nb_store_job_add(struct nb_store *s, const struct nb_job *j, const struct nb_job_request *r, struct nb_error *e);
/* All in the order they came; strings are the store's until the next row. */
int nb_store_job_each(struct nb_store *s, int (*row)(void *context, const struct nb_job *j, struct nb_error *e),
                      void *context, struct nb_error *e);
/* The graph is a new reference. */
int nb_store_job_request(struct nb_store *s, const char *id, struct nb_arena *a, struct nb_job_request *r,
                         struct nb_error *e);
/* It is over: DONE with its results, FAILED with its problem and what there was until then, or CANCELLED. The request
 * and the journal go. */
int nb_store_job_end(struct nb_store *s, const struct nb_job *j, const struct nb_job_result *results, size_t n,
                     struct nb_error *e);
/* What there was until it was CANCELLED. */
int nb_store_job_keep(struct nb_store *s, const char *id, const struct nb_job_result *results, size_t n,
                      struct nb_error *e);
/* In the form of this type; *bytes is NULL if there is none such. */
int nb_store_job_result(struct nb_store *s, const char *id, const char *type, struct nb_arena *a,
                        struct nb_job_result *r, struct nb_error *e);
/* The types there are: a list ended by NULL. */
const char **nb_store_job_types(struct nb_store *s, const char *id, struct nb_arena *a, struct nb_error *e);
int nb_store_job_remove(struct nb_store *s, const char *id, struct nb_error *e);

void nb_store_job_journal(struct nb_store *s, const char *id, const char *signature, struct nb_journal *j);
void nb_store_job_forget(struct nb_store *s, const char *id); /* its journal */

#endif
