/* optimiser.h - how learned tensors follow their gradients.
 *
 * An optimiser is a file in src/train/optimisers with one row, and a line in optimisers.def. Like a module it is
 * compiled three times (num.h); names, defaults and the order of operations are PyTorch's. */
#ifndef NABLA_OPTIMISER_H
#define NABLA_OPTIMISER_H
#include "nabla/tensor.h"

enum { NB_MOST_SETTINGS = 8, NB_MOST_MOMENTS = 3 };

enum nb_setting_kind {
    NB_SETTING_NUMBER,
    NB_SETTING_FLAG, /* 0 or 1 */
    NB_SETTING_PAIR, /* two numbers, which take two places */
    NB_SETTING_WHOLE
};
struct nb_setting {
    const char *name;
    enum nb_setting_kind kind;
    double def, second; /* second: of a PAIR. NAN: must be given */
    double low, high;   /* both allowed, but INFINITY is not */
    const char *help;
};
/* Places a list of settings takes; the place of its i-th. */
int nb_settings_size(const struct nb_setting *s);

/* One tensor, one step. What was is kept, what will be is written elsewhere. */
struct nb_update {
    size_t n;
    const double *set; /* by place */
    double lr;         /* of this step: the setting times the schedule's factor */
    int64_t step;      /* of this tensor: 1, 2, ... */
    unsigned fresh;    /* bits: moments that there were none of; they hold their start */
    const void *p, *g, *m[NB_MOST_MOMENTS];
    void *p_to, *m_to[NB_MOST_MOMENTS];
};

struct nb_optimiser {
    const char *name, *summary;
    const struct nb_setting *settings; /* ended by .name NULL; the first is lr */
    const char *const *moments;        /* what is kept beside a tensor, by PyTorch's names; ended by NULL */
    int (*check)(const double *set, struct nb_error *e); /* settings that do not go together; NULL: all do */
    unsigned (*keeps)(const double *set);                /* bits: the moments these settings need */
    double (*start)(const double *set);                  /* of every moment; NULL: 0 */
    void (*update)(const struct nb_update *u);
};

/* In the order of optimisers.def; NULL behind the last. build is NB_F32 or NB_F64. */
const struct nb_optimiser *nb_optimiser_at(enum nb_dtype build, int index);
int nb_optimiser_find(const char *name); /* -1: there is none; RMSProp is RMSprop */

#endif
