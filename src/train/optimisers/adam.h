/* adam.h - what Adam and AdamW share: they differ in where weight decay acts. */
#ifndef NABLA_ADAM_H
#define NABLA_ADAM_H
#include "train/optimisers/passes.h"

enum { LR, BETA1, BETA2, EPS, WEIGHT_DECAY, AMSGRAD };
enum { EXP_AVG, EXP_AVG_SQ, MAX_EXP_AVG_SQ };

NB_SIMD static void larger(size_t n, const nb_real *restrict x, const nb_real *restrict y, nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++) {
        nb_real a = x[i], b = y[i];
        to[i] = nb_re(b) > nb_re(a) ? b : a;
    }
}

/* to = shrink p - size m/(sqrt(v)/root + eps) */
NB_SIMD static void move(size_t n, nb_real shrink, nb_real size, nb_real root, nb_real eps, const nb_real *restrict p,
                         const nb_real *restrict m, const nb_real *restrict v, nb_real *restrict to)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = shrink * p[i] - size * (m[i] / (nb_sqrt(v[i]) / root + eps));
}

/* decay goes with the gradient, shrink multiplies the tensor. */
static void adam(const struct nb_update *u, double decay, double shrink)
{
    const double *s = u->set, t = (double)u->step;
    const void *top = u->m_to[EXP_AVG_SQ];
    nb_average(u->n, (nb_real)s[BETA1], (nb_real)(1 - s[BETA1]), (nb_real)decay, u->p, u->g, u->m[EXP_AVG],
               u->m_to[EXP_AVG]);
    nb_average_squares(u->n, (nb_real)s[BETA2], (nb_real)(1 - s[BETA2]), (nb_real)decay, u->p, u->g, u->m[EXP_AVG_SQ],
                       u->m_to[EXP_AVG_SQ]);
    if (s[AMSGRAD] != 0) {
        larger(u->n, u->m[MAX_EXP_AVG_SQ], u->m_to[EXP_AVG_SQ], u->m_to[MAX_EXP_AVG_SQ]);
        top = u->m_to[MAX_EXP_AVG_SQ];
    }
    move(u->n, (nb_real)shrink, (nb_real)(u->lr / (1 - pow(s[BETA1], t))), (nb_real)sqrt(1 - pow(s[BETA2], t)),
         (nb_real)s[EPS], u->p, u->m_to[EXP_AVG], top, u->p_to);
}

static unsigned keeps(const double *set)
{
    return 1u << EXP_AVG | 1u << EXP_AVG_SQ | (unsigned)(set[AMSGRAD] != 0) << MAX_EXP_AVG_SQ;
}

/* The largest number below 1. */
#define BELOW_ONE 0x1.fffffffffffffp-1

#define ADAM_SETTINGS(decay, decay_help)                                                                               \
    {"lr", NB_SETTING_NUMBER, 1e-3, 0, 0, INFINITY, "the rate"},                                                       \
        {"betas", NB_SETTING_PAIR, 0.9, 0.999, 0, BELOW_ONE, "what stays of the averages of gradient and square"},     \
        {"eps", NB_SETTING_NUMBER, 1e-8, 0, 0, INFINITY, "added to the root"},                                         \
        {"weight_decay", NB_SETTING_NUMBER, decay, 0, 0, INFINITY, decay_help},                                        \
        {"amsgrad", NB_SETTING_FLAG, 0, 0, 0, 1, "divide by the largest average of squares so far"},                   \
    {                                                                                                                  \
        0                                                                                                              \
    }
static const char *const moments[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", NULL};

#endif
