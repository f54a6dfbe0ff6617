/* scan.h - a module applied along a dimension: one operation outside, a net of its own inside.
 *
 * The inputs of the net of one step are those of the operation, in the same order, and so are its learned tensors. The
 * rest of the program sees an operation like any other: a row of a module, with forward and backward
 * (graph-language.md, section 4.4). */
#ifndef NABLA_SCAN_H
#define NABLA_SCAN_H
#include "graph/session.h"

/* What a call (module.h) passes on to the operations inside of one. */
struct nb_inside {
    uint64_t stir;    /* as in a session; 0: none */
    const void *held; /* what stops give, if they are held; NULL: they are not */
    int (*instead)(void *context, const struct nb_op *op, const struct nb_call *c, struct nb_error *e);
    void *context;
    nb_given_watch *watch;
    void *watcher;
    void *const
        *tracked; /* per value outside: the copy of a buffer that training changes, or NULL; NULL: none change */
};

enum nb_scan_source { NB_OVER /* a slice */, NB_SAME /* at every step the same */, NB_CARRY };

struct nb_scan_in {
    enum nb_scan_source source;
    int out;       /* of a CARRY: the value that is carried on */
    size_t offset; /* of a CARRY or a slice: where its numbers lie among those of all */
};

struct nb_scan_out {
    int value;   /* of the net inside */
    bool all;    /* all steps, stacked; else the last one */
    bool inside; /* it shows what lies inside: with respect to it is with respect to that, whatever it does there */
    bool total;  /* that is asked for: a backward completes its cotangent, step by step (nb_scan_plan) */
};

/* One step's number of everything that has a place of its own; in numbers. */
struct nb_scan_sizes {
    size_t room, carries, slices, held, cotangents;
};

struct nb_scan {
    struct nb_module row;
    struct nb_net net;
    int64_t steps;
    int dim; /* of time, in what it goes over */
    bool reverse, recompute;
    int64_t truncate; /* 0: never */
    struct nb_scan_in *in;
    const int *w; /* the operation's: values outside */
    int nout;
    struct nb_scan_out *out;
    /* from here on by nb_scan_plan: */
    struct nb_plan plan; /* of one step */
    bool keeps;          /* what a backward needs */
    struct nb_scan_sizes size;
};

/* The row for a scan that is whole but for its plan: its forward, its backward. */
void nb_scan_row(struct nb_scan *s, const char *summary);
/* Plans one step for what is wanted of the operation in a plan: back is its backward there, or NULL. Sets what it saves
 * and works with. */
int nb_scan_plan(struct nb_op *op, const struct nb_plan *outer, const struct nb_back *back, const bool *needed,
                 const bool *arrives, struct nb_arena *a, struct nb_error *e);
/* The output that a value of a net is, if it shows what lies inside of a scan; else NULL. */
const struct nb_scan_out *nb_scan_inside(const struct nb_net *net, int value);
/* Floating-point operations of a forward. */
double nb_scan_cost(const struct nb_scan *s);
/* The dimension of time in a stack of such tensors: at `dim`, or the last if they have fewer. */
int nb_scan_axis(int dim, int rank);

#endif
