/* rule.h - how a step is made from a gradient: optimiser, schedule of the rate, clipping. */
#ifndef NABLA_RULE_H
#define NABLA_RULE_H
#include "train/optimiser.h"

/* A schedule gives a factor of the rate for step i = 0, 1, ... */
struct nb_schedule_kind {
    const char *name;
    const struct nb_setting *settings; /* ended by .name NULL */
    double (*factor)(const double *set, double i);
};
/* NULL behind the last. */
const struct nb_schedule_kind *nb_schedule_at(int index);

struct nb_schedule {
    const struct nb_schedule_kind *kind; /* NULL: constant, or a formula */
    double set[4];
    const char *formula; /* of i, in the graph language; or NULL */
    double warm_up;      /* steps in which the rate rises to 1/warm_up, 2/warm_up, ... 1 of itself, before all else */
};
/* The factor of step i. Fails where the formula does, or gives no single number. */
int nb_schedule_factor(const struct nb_schedule *s, int64_t i, struct nb_arena *a, double *factor, struct nb_error *e);
/* The value of a formula of i, a single number. */
int nb_formula_of_step(const char *formula, int64_t i, struct nb_arena *a, double *value, struct nb_error *e);

struct nb_rule {
    int optimiser;
    double set[NB_MOST_SETTINGS];
    struct nb_schedule schedule;
    enum { NB_NO_CLIP, NB_CLIP_VALUE, NB_CLIP_NORM } clip;
    double clip_at;
    bool restart; /* what the optimiser kept is forgotten first */
};

#endif
