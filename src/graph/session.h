/* session.h - one plan with one request's numbers: forward and backward, as often as wanted. */
#ifndef NABLA_SESSION_H
#define NABLA_SESSION_H
#include "graph/plan.h"

struct nb_session;
typedef int nb_given_watch(void *watcher, struct nb_session *s, const struct nb_back *b, struct nb_error *e);

struct nb_session {
    const struct nb_plan *plan;
    enum nb_dtype dtype; /* the build that computes */
    bool train;
    void **data;               /* per value: its numbers, NULL if it is not needed */
    void **grad;               /* per value: its gradient, NULL if none was planned */
    char *kept, *loose;        /* the plan's memory */
    struct nb_tensor *tensors; /* 6 rows of plan->widest for calls */
    void **tracked;            /* per value: the copy of a buffer that forward changes, or NULL; NULL: none change */
    const void **held;         /* per operation: what its stops give while they are held, or NULL */
    bool inside;               /* a step of a scan: faults of inputs are placed by who runs it */
    /* Not 0: every result of an operation with a gradient, forward and backward, is moved by a unit in the last place,
     * up or down as this number says. What the rest makes of that is the rounding to be reckoned with. */
    uint64_t stir;
    /* Called instead of an operation's backward, if set: for mistakes planted on purpose. */
    int (*instead)(void *context, const struct nb_op *op, const struct nb_call *c, struct nb_error *e);
    void *context;
    nb_given_watch *watch; /* called whenever the formulas of a given backward have been worked out, if set */
    void *watcher;
};

/* Numbers of the graph's learned tensors (in the order of net.learned) and what is fed by name: lent if they are of
 * this dtype (nb_session_own), else converted; noise not fed is drawn from the seed (*drew). Places:
 * /inputs/NAME/index. */
struct nb_fed {
    const struct nb_tensors *inputs, *parameters;
    struct nb_seed seed;
    bool train;
};
int nb_session_new(const struct nb_plan *plan, enum nb_dtype dtype, const struct nb_fed *fed, struct nb_arena *a,
                   struct nb_session *s, bool *drew, struct nb_error *e);
/* The same without memory of its own: nb_session_room(plan) numbers, at least 4 bytes each, hold the tables. Then
 * nb_session_at says where the plan's numbers lie; data of inputs and learned tensors are the caller's to set before
 * that. */
size_t nb_session_room(const struct nb_plan *plan);
void nb_session_lay(struct nb_session *s, const struct nb_plan *plan, enum nb_dtype dtype, void *room);
void nb_session_at(struct nb_session *s, void *kept, void *loose);
int nb_session_forward(struct nb_session *s, struct nb_error *e);
/* From now on forward changes buffers as training does: these copies of them, by name. */
int nb_session_track(struct nb_session *s, const struct nb_tensors *copies, struct nb_arena *a, struct nb_error *e);
/* The cotangent of each seed of the plan, in dtype. */
int nb_session_backward(struct nb_session *s, void *const *cotangent, struct nb_error *e);
/* y += x, of real or complex numbers. */
void nb_add_numbers(enum nb_dtype d, size_t n, const void *x, void *y);
/* A session of the same plan in another dtype, with the numbers that are there. */
int nb_session_twin(const struct nb_session *s, enum nb_dtype dtype, struct nb_arena *a, struct nb_session *twin,
                    struct nb_error *e);
/* Operations first..last-1 alone, on the numbers that are there. */
int nb_session_part(struct nb_session *s, int first, int last, struct nb_error *e);
/* The numbers of a value become the session's own, so that they may be changed. */
int nb_session_own(struct nb_session *s, int value, struct nb_arena *a, struct nb_error *e);
/* From now on every stop gives what it gave in the last forward. */
int nb_session_hold(struct nb_session *s, struct nb_arena *a, struct nb_error *e);
/* How many numbers an operation gives that are held: those of a stop, or of all stops in a scan. And where they are. */
size_t nb_held_count(const struct nb_net *net, const struct nb_op *op);
const void *nb_held_numbers(const struct nb_session *s, int op);
/* What an operation decided in the last forward (branch.h), added to b; false if it does not branch. For plans with
 * seeds, in which all values are kept, or right after the operation. */
bool nb_session_branches(struct nb_session *s, int op, struct nb_branches *b);
/* A number for all decisions of the last forward: another one where some operation decided otherwise. And how many
 * values stood at an edge, unless that is NULL. For the same plans. */
uint64_t nb_session_decisions(struct nb_session *s, int64_t *edges);
/* A value's numbers with its shape. */
struct nb_tensor nb_session_value(const struct nb_session *s, int value);

#endif
