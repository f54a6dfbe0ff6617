/* verdict.h - one entry of a gradient judged: right, wrong, or cannot tell. The rules are numbered in the reference. */
#ifndef NABLA_VERDICT_H
#define NABLA_VERDICT_H
#include "check/check.h"
#include "check/oracle.h"

#define NB_RHO 1e-9       /* tolerance of a candidate in double */
#define NB_RHO_FLOAT 1e-4 /* in float */
#define NB_R_MAX 1e-3     /* least power of a verdict "right" */
#define NB_R_MAX_FLOAT 1e-2

/* What is asked for, or the default for a candidate of this precision. */
static inline double nb_rho(double asked, double eps)
{
    return asked > 0 ? asked : eps > 1e-10 ? NB_RHO_FLOAT : NB_RHO;
}
static inline double nb_r_max(double asked, double eps)
{
    return asked > 0 ? asked : eps > 1e-10 ? NB_R_MAX_FLOAT : NB_R_MAX;
}

struct nb_entry {
    double candidate;
    struct nb_estimate z, d; /* complex step, differences */
    bool no_z, no_d;         /* that oracle was not asked */
    double reach;      /* what rounding alone may do to an honest formula: sizes the gap between right and wrong */
    double eps;        /* 2^-52, or 2^-23 for a candidate in float */
    double rho, r_max; /* 0: those above, by eps */
    double noise;      /* what rounding to float does to an honest gradient here: widens the same gap */
    double q;          /* half a unit of the last printed digit; 0 for binary numbers */
};

struct nb_ruling {
    enum nb_verdict verdict;
    bool silent;   /* nothing reacts and the candidate is zero */
    bool disagree; /* the two oracles contradict each other: not the candidate's fault */
    enum nb_reason reason;
    double value, bar; /* the oracle's number, of the sharper one */
    double error;      /* |candidate - value| over the larger of the two */
    double power;      /* the smallest relative error that would have been caught; 0: the value is zero or silent */
};

struct nb_ruling nb_judge(const struct nb_entry *x);
/* Half a unit of the last digit that was printed of this number. */
double nb_half_unit(struct nb_digits d, double a);

#endif
