/* halving.h - is there a corner of the function under the point? Asked of the forward alone, for graphs whose
 * operations do not say.
 *
 * The slopes to the right and to the left differ by a gap. Where the function is smooth the gap is halved with the
 * step; across a corner it is not. A corner that only the larger steps see lies beside the point. */
#ifndef NABLA_HALVING_H
#define NABLA_HALVING_H
#include "check/oracle.h"

struct nb_corner {
    bool seen;        /* by some step */
    bool jump;        /* the value itself leaps, and slopes grow without end */
    bool persistent;  /* by the smallest steps that could show it: the point is on it */
    double low, high; /* the slopes of the two sides, widened by what they may be wrong by */
};

int nb_halving_test(struct nb_oracle *o, int leaf, size_t i, struct nb_corner *c, struct nb_error *e);

#endif
