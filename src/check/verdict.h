/* verdict.h - one entry of a gradient judged: right, wrong, or cannot tell. The rules are numbered in the reference. */
#ifndef NABLA_VERDICT_H
#define NABLA_VERDICT_H
#include "check/check.h"
#include "check/oracle.h"

struct nb_entry {
    double candidate;
    struct nb_estimate z, d; /* complex step, differences */
    double reach; /* what rounding alone may do to an honest formula: sizes the gap between right and wrong */
    double eps;   /* 2^-52, or 2^-23 for a candidate in float */
};

struct nb_ruling {
    enum nb_verdict verdict;
    bool silent;   /* nothing reacts and the candidate is zero */
    bool disagree; /* the two oracles contradict each other: not the candidate's fault */
    enum nb_reason reason;
    double value, bar; /* the oracle's number, of the sharper one */
    double error;      /* |candidate - value| over the larger of the two */
};

struct nb_ruling nb_judge(const struct nb_entry *x);

#endif
