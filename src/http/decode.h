/* decode.h - from the body of a request to what is asked of a graph. All formats come out the same. */
#ifndef NABLA_DECODE_H
#define NABLA_DECODE_H
#include "grade/grade.h"
#include "http/request.h"
#include "http/task.h"
#include "train/rule.h"

/* What a request is about: decides which keys its body may have. */
enum nb_verb {
    NB_FORWARD = 1,
    NB_BACKWARD = 2,
    NB_LOSS = 4,
    NB_CHECK = 8,
    NB_CREATE = 16,
    NB_REPLACE = 32,
    NB_PARAMETERS = 64,
    NB_HERE = 128,   /* with one of the first four, NB_GRADE or NB_REPLAY: the graph is in the body */
    NB_REPLAY = 256, /* a check whose terms are in its certificate */
    NB_TERMS = 512,  /* those terms */
    NB_GRADE = 1024,
    NB_TASK = 2048, /* an assignment */
    NB_STEP = 4096
};

enum nb_detail {
    NB_DETAIL_WRONG,   /* entries that are wrong or cannot be told, at most 100 a tensor; if there are none the worst */
    NB_DETAIL_SUMMARY, /* no entries */
    NB_DETAIL_ALL      /* every entry */
};
const char *nb_detail_name(enum nb_detail d); /* "wrong", "summary", "all" */

/* Where tensors that a certificate speaks of came from. */
struct nb_origin {
    const char *from;       /* "request", "sample", "both"; "loss"; "backward" */
    const char *sha256;     /* or NULL */
    struct nb_tensors kept; /* the tensors themselves, with detail all */
};
/* A certificate that came back. */
struct nb_replay {
    json_t *tree; /* NULL: none came. Borrowed */
    const char *graph;
    struct nb_origin point, cotangent, candidate, direction;
};

struct nb_asked {
    struct nb_check check; /* .run is what is asked; .run.seed is drawn if none came */
    struct nb_tensors parameters;
    bool parameters_given;
    json_t *graph, *sample; /* borrowed */
    enum nb_detail detail;
    bool bare; /* see struct nb_telling */
    struct nb_replay replay;
    struct nb_assigned task;
    struct nb_rule rule;
    struct nb_grading grading; /* its .point is in check */
    const char *name;
    struct nb_graph *g; /* the graph it is asked of, once that is known */
};

/* NULL on error. What it holds lives as long as the request. */
struct nb_asked *nb_decode(struct nb_request *rq, unsigned verb, struct nb_error *e);
/* The same of JSON that did not come as the body. */
struct nb_asked *nb_decode_text(struct nb_request *rq, unsigned verb, const char *text, struct nb_error *e);

/* {"B":16}: sizes of dimensions, added to those there are. */
int nb_read_sizes(json_t *v, struct nb_run *run, struct nb_arena *a, struct nb_error *e);
/* The terms in a certificate. */
int nb_decode_terms(json_t *terms, struct nb_asked *ask, struct nb_arena *a, struct nb_error *e);

/* A seed for a request that brings none: different every time, without asking the system. */
struct nb_seed nb_seed_next(void);
int nb_seed_start(struct nb_error *e);

#endif
