/* step.h - one step of training: from a snapshot to the next one. */
#ifndef NABLA_STEP_H
#define NABLA_STEP_H
#include "train/memory.h"
#include "train/rule.h"

struct nb_stepped {
    struct nb_result result; /* loss, outputs; gradients as they were before clipping are not kept */
    double norm;             /* of the whole gradient, before clipping */
    double lr;               /* the rate that was used */
    int64_t step;            /* of this loss: 1, 2, ... */
    const char *forgotten;   /* another optimiser's name whose memory went, or NULL */
};

/* The next snapshot, or NULL: then nothing has changed. run as for nb_graph_backward, but wrt names learned tensors;
 * without it all of them, or those of the loss, and without outputs there are none. In train mode buffers change, too.
 * not_finite: loss or gradient, or what would become of the tensors. */
struct nb_graph *nb_train_step(struct nb_graph *g, const struct nb_rule *rule, const struct nb_run *run,
                               struct nb_arena *a, struct nb_stepped *s, struct nb_error *e);
/* How many steps this loss has had. */
int64_t nb_train_steps(const struct nb_graph *g, const char *loss);

#endif
