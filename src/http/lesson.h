/* lesson.h - a job that trains: what was asked, and what came of it. */
#ifndef NABLA_LESSON_H
#define NABLA_LESSON_H
#include "http/reply.h"
#include "train/batches.h"
#include "train/step.h"

enum { NB_MOST_LOSSES = 8, NB_MOST_SCALARS = 16 };

struct nb_turn { /* one of the losses that take turns */
    const char *loss;
    struct nb_rule rule;
    struct nb_strings_list wrt;
    bool wrt_given;
};

struct nb_scalar { /* an input that is a function of the round */
    const char *input, *formula;
};

/* What is known of one step, in the job's journal. Of a round the last one tells what validation said. */
struct nb_taught {
    double loss, lr, validation, accuracy; /* NaN: not measured */
};

struct nb_lesson {
    /* asked */
    const char *train, *held_out; /* data sets; held_out may be NULL */
    bool data_object;             /* they came as an object */
    json_t *inputs;               /* of the graph -> columns; NULL: of the same names */
    int64_t epochs, steps, batch; /* 0: not said */
    bool shuffle, resume;         /* resume: optimisers go on where they are */
    bool wait;                    /* if another one trains this graph */
    struct nb_seed seed;
    struct nb_turn turn[NB_MOST_LOSSES];
    int turns;
    bool listed; /* turns came as a list */
    struct nb_scalar scalar[NB_MOST_SCALARS];
    int scalars;
    struct {
        bool wanted;
        double share;
        int64_t every; /* rounds; 0: an epoch */
        const char *loss, *output, *target;
        int64_t patience; /* 0: for ever */
    } check;
    const char *best, *latest; /* names of graphs that keep the best state, and that of every so many rounds */
    int64_t latest_every;
    /* found */
    const char *graph;
    struct nb_batches batches, validation;
    int64_t rounds;
    struct nb_taught *mark; /* `done` of them, turns for each round */
    int64_t done, best_at;  /* best_at: the mark with the best validation, or -1 */
    int64_t revision;
    bool early;
    const struct nb_error *failure; /* what ended it before its time, or NULL */
};

/* From the body. */
struct nb_lesson *nb_lesson_read(struct nb_request *rq, struct nb_error *e);
/* Is somebody training this graph? */
bool nb_lesson_runs(const char *graph);
/* Is b a better one than a? By accuracy where there is one, else by loss. */
bool nb_taught_better(const struct nb_taught *a, const struct nb_taught *b);

/* The result, and its picture. */
int nb_lesson_json(struct nb_request *rq, const void *lesson, struct nb_reply *rp, struct nb_error *e);
int nb_lesson_svg(struct nb_request *rq, const void *lesson, struct nb_reply *rp, struct nb_error *e);

#endif
