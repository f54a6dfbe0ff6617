/* doubt.h - what at this point hides mistakes: formulas that differ give equal numbers here. */
#ifndef NABLA_DOUBT_H
#define NABLA_DOUBT_H
#include "check/checker.h"

/* After the judgement: warnings about the point, into v->doubts. Drawn points have none, unless the learned tensors
 * give cause. */
int nb_doubts_find(struct nb_checker *k, struct nb_error *e);

/* A tensor of a point: is it 0, are its entries equal, is it its transpose? input: not a learned tensor. */
int nb_doubt_tensor(struct nb_verdicts *v, const char *name, const struct nb_tensor *t, bool input, struct nb_arena *a,
                    struct nb_error *e);
/* One more; `where` is copied, the other texts are borrowed. The same code at the same place is said once; of a great
 * many the rest is dropped. */
int nb_doubt_add(struct nb_verdicts *v, const char *code, const char *where, const char *hides, struct nb_arena *a,
                 struct nb_error *e);

#endif
