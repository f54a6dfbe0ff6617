/* decode.h - from the body of a request to what is asked of a graph. JSON and safetensors come out the same. */
#ifndef NABLA_DECODE_H
#define NABLA_DECODE_H
#include "check/check.h"
#include "http/request.h"

/* What a request is about: decides which keys its body may have. */
enum nb_verb {
    NB_FORWARD = 1,
    NB_BACKWARD = 2,
    NB_LOSS = 4,
    NB_CHECK = 8,
    NB_CREATE = 16,
    NB_REPLACE = 32,
    NB_PARAMETERS = 64,
    NB_HERE = 128 /* with one of the first four: the graph is in the body */
};

struct nb_asked {
    struct nb_check check; /* .run is what is asked; .run.seed is drawn if none came */
    struct nb_tensors parameters;
    bool parameters_given;
    json_t *graph; /* borrowed */
    const char *name;
    struct nb_graph *g; /* the graph it is asked of, once that is known */
};

/* NULL on error. What it holds lives as long as the request. */
struct nb_asked *nb_decode(struct nb_request *rq, unsigned verb, struct nb_error *e);

/* A seed for a request that brings none: different every time, without asking the system. */
struct nb_seed nb_seed_next(void);
int nb_seed_start(struct nb_error *e);

#endif
