/* recurrent.h - what the recurrent cells and the layers of them share: arguments, learned tensors, and the run over
 * layers, directions and time, which is in recurrent.c. A cell by itself is one layer with one step. */
#ifndef NABLA_RECURRENT_H
#define NABLA_RECURRENT_H
#include "nabla/branch.h"
#include "nabla/module.h"
#include "nabla/num.h"
#include <string.h>

enum nb_family { NB_RNN, NB_LSTM, NB_GRU };

/* Arguments a module does not have are 0. */
struct nb_recurrent_args {
    int64_t input_size, hidden_size, bias;
    int64_t nonlinearity, peephole, linear_before_reset;
    int64_t num_layers, batch_first, bidirectional; /* of layers only; num_layers is 0 in a cell */
    double dropout, clip;
};

/* Rows of the arguments that more than one of these modules has. */
#define NB_RECURRENT_ARG(name) offsetof(struct nb_recurrent_args, name)
#define NB_RECURRENT_SIZES                                                                                             \
    {"input_size", NB_ARG_INT, NB_RECURRENT_ARG(input_size), 0, 1, INT32_MAX, NB_INFERRED, NULL, "size of an input"},  \
    {                                                                                                                  \
        "hidden_size", NB_ARG_INT, NB_RECURRENT_ARG(hidden_size), 0, 1, INT32_MAX, NB_REQUIRED, NULL,                  \
            "size of the state"                                                                                        \
    }
#define NB_RECURRENT_BIAS                                                                                              \
    {                                                                                                                  \
        "bias", NB_ARG_BOOL, NB_RECURRENT_ARG(bias), 1, 0, 0, 0, NULL, "adds two learned vectors"                      \
    }
#define NB_RECURRENT_NONLINEARITY                                                                                      \
    {                                                                                                                  \
        "nonlinearity", NB_ARG_CHOICE, NB_RECURRENT_ARG(nonlinearity), 0, 0, 0, 0, nb_recurrent_nonlinearities,        \
            "what makes the new state"                                                                                 \
    }
#define NB_RECURRENT_PEEPHOLE                                                                                          \
    {                                                                                                                  \
        "peephole", NB_ARG_BOOL, NB_RECURRENT_ARG(peephole), 0, 0, 0, 0, NULL,                                         \
            "the gates see the memory, too: i and f the old one, o the new one"                                        \
    }
#define NB_RECURRENT_RESET                                                                                             \
    {                                                                                                                  \
        "linear_before_reset", NB_ARG_BOOL, NB_RECURRENT_ARG(linear_before_reset), 1, 0, 0, 0, NULL,                   \
            "reset what the state becomes (PyTorch's way), not the state (the original, ONNX's default)"               \
    }
static const char *const nb_recurrent_nonlinearities[] = {"tanh", "relu", NULL};

/* The learned tensors of every layer and direction, called `name` with `_l0`, `_l0_reverse` and so on behind for
 * layers. `input` is the size of the inputs of the first one. */
int NB(nb_recurrent_learned)(struct nb_infer *s, enum nb_family family, struct nb_error *e);

/* Sets s->saved and s->work when the sizes are known. */
void NB(nb_recurrent_room)(struct nb_infer *s, enum nb_family family);

int NB(nb_recurrent_forward)(const struct nb_call *c, enum nb_family family, struct nb_error *e);
int NB(nb_recurrent_backward)(const struct nb_call *c, enum nb_family family, struct nb_error *e);
/* At the corner of relu and at the bounds of clip. */
void NB(nb_recurrent_branches)(const struct nb_call *c, enum nb_family family, struct nb_branches *b);

/* name_forward, name_backward, name_branches of a module, and what its row says of them. */
#define NB_RECURRENT_CALLS(name, family)                                                                               \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        return NB(nb_recurrent_forward)(c, family, e);                                                                 \
    }                                                                                                                  \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        return NB(nb_recurrent_backward)(c, family, e);                                                                \
    }
#define NB_RECURRENT_BRANCHES(name, family)                                                                            \
    static void name##_branches(const struct nb_call *c, struct nb_branches *b)                                        \
    {                                                                                                                  \
        NB(nb_recurrent_branches)(c, family, b);                                                                       \
    }
#define NB_RECURRENT_ROW(name) .infer = name##_infer, .forward = name##_forward, .backward = name##_backward

/* The size of an input is read off it, or must agree with it. */
int NB(nb_recurrent_input)(struct nb_infer *s, struct nb_error *e);

/* ---- a run ------------------------------------------------------------------------------------------------------- */

struct nb_pass;
struct nb_moment;

struct nb_cell {
    size_t gates;   /* blocks of the weights */
    size_t kept;    /* reals per unit and step that backward needs besides the gates */
    size_t product; /* reals per unit of products that are not added to the gates at once */
    size_t apart;   /* reals per unit and step of gradients that are not those of the gates */
    bool memory;    /* there is a c */
    bool corner;    /* at 0 */
    void (*forward)(const struct nb_pass *p, const struct nb_moment *s);
    void (*backward)(const struct nb_pass *p, const struct nb_moment *s); /* from dh and dc to da, back and dc */
    /* What a span gives the gradients of weight_hh, bias_hh, weight_ch; NULL: not wanted. */
    void (*learn)(const struct nb_pass *p, nb_real *dw, nb_real *db, nb_real *dp);
};

struct nb_recurrence {
    const struct nb_call *call;
    const struct nb_cell *cell;
    size_t steps, batch, rows, in, units, layers, directions;
    size_t own; /* learned tensors of a pass */
    bool batch_first, sequence, bias, peephole;
    nb_part clip, growth; /* growth: of what is not dropped */
    const int64_t *length;
    const nb_real *mask;
    size_t saved; /* reals of a pass */
    bool lent;    /* the output has the states of the last layer as they are, they are not kept twice */
    /* Backward goes by spans of steps: the gradients of the gates are kept for one, then go to the learned tensors. */
    size_t span, first, part; /* most steps of one; its first step; its rows */
    bool again;               /* not the first span: what it gives is added */
    /* in c->work: */
    nb_real *x, *u;               /* a layer's input; a product */
    nb_real *da, *apart;          /* of a span */
    nb_real *dh, *back, *dc, *dq; /* of a step; back: what dh becomes */
    nb_real *sums;                /* of the gates */
    nb_real *dx, *dy;             /* of a layer's input and output */
};

/* One layer in one direction. The gates stand in the order of time, and so do the states, of which there is one more:
 * the one before step t is at t, where time runs backwards at t + 1; the one after it at the other of the two. If the
 * states are lent by the output, h has the first one alone. */
struct nb_pass {
    const struct nb_recurrence *r;
    size_t index, in; /* layer * directions + direction; size of an input */
    bool reverse;
    const nb_real *wi, *wh, *bi, *bh, *peep;
    nb_real *a, *kept, *h, *c;
    nb_real *after; /* the states after the steps, in h or in the output */
};

/* A step of a pass; [B, .] each. */
struct nb_moment {
    size_t t;
    const nb_real *h, *c; /* before */
    nb_real *h1, *c1;     /* after */
    nb_real *a, *kept, *da;
};

/* The state before step t, or after the last one where time runs forwards. */
static inline nb_real *nb_before(const struct nb_pass *p, size_t t)
{
    size_t n = p->r->batch * p->r->units;
    return p->reverse ? p->h + (t + 1) * n : t ? p->after + (t - 1) * n : p->h;
}

/* The sequence of sample b is over: the state stays, the output is 0. */
static inline bool nb_idle(const struct nb_recurrence *r, size_t t, size_t b)
{
    return r->length && (int64_t)t >= r->length[b];
}

static inline void nb_copy(size_t n, const nb_real *x, nb_real *y)
{
    memcpy(y, x, n * sizeof *y);
}

/* x, or zeros where there is none */
static inline void nb_copy_or_clear(size_t n, const nb_real *x, nb_real *y)
{
    if (x)
        nb_copy(n, x, y);
    else
        memset(y, 0, n * sizeof *y);
}

static inline void nb_repeat(size_t rows, size_t n, const nb_real *row, nb_real *y)
{
    for (size_t i = 0; i < rows; i++)
        nb_copy(n, row, y + i * n);
}

/* The cell of a module with these arguments. */
const struct nb_cell *NB(nb_cell_of)(const struct nb_recurrent_args *a, enum nb_family family);
/* The sums of the gates' gradients in a span. */
void NB(nb_gate_sums)(const struct nb_pass *p, nb_real *db);

#endif
