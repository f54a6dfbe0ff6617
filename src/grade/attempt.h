/* attempt.h - one mistake made on purpose in the backward of some operations, and what it does to the gradients. */
#ifndef NABLA_ATTEMPT_H
#define NABLA_ATTEMPT_H
#include "check/mistake.h"
#include "grade/exam.h"

enum { NB_PRINTS = 24 }; /* entries of a gradient that are kept to recognise it by */

struct nb_attempt {
    const char *code, *hint;
    const struct nb_known *known;    /* a mistake of the module, or NULL: */
    const struct nb_slip_kind *kind; /* one that fits many */
    int n, *back;                    /* where: entries of the plan's back, all of them at once */
    bool many;                       /* at several nodes */
    bool tried;
    bool none;      /* here it is no mistake, or cannot be made */
    double **print; /* per wrt of the plan, NULL where its gradient was not asked for yet */
};

/* Fills c->attempts, the likeliest first. */
int nb_attempts_list(struct nb_clinic *c, struct nb_error *e);
enum { NB_ALL_WRT = -1 };
/* Makes it for one wrt of the plan, or all: the gradients are in the clinic's session afterwards, and prints are kept.
 * a->none: it was not made. */
int nb_attempt_make(struct nb_clinic *c, struct nb_attempt *a, int wrt, struct nb_error *e);
/* The entry kept as print k of a tensor with n entries, and how many there are. */
static inline size_t nb_print_count(size_t n)
{
    return n < NB_PRINTS ? n : NB_PRINTS;
}
static inline size_t nb_print_at(size_t n, size_t k)
{
    return n <= NB_PRINTS ? k : k * (n - 1) / (NB_PRINTS - 1);
}
/* What was done and where, in words: "all entries are what you get with g*(1 - y) as the derivative of Tanh (node h)".
 */
const char *nb_attempt_text(struct nb_clinic *c, const struct nb_attempt *a, struct nb_error *e);
const char *nb_attempt_node(const struct nb_clinic *c, const struct nb_attempt *a);

/* generic.c: mistakes beside nb_slips, ended by .name NULL. */
extern const struct nb_slip_kind nb_generic[];
/* For learned tensors that are used several times: nothing of this use is added; nothing goes back beyond it. */
extern const struct nb_slip_kind nb_only_first, nb_only_last, nb_one_step;

#endif
