/* checker.h - inside of a check: what its files share. */
#ifndef NABLA_CHECKER_H
#define NABLA_CHECKER_H
#include "check/check.h"
#include "check/chunk.h"
#include "check/kink.h"
#include "check/oracle.h"
#include "check/verdict.h"
#include "graph/ask.h"

struct nb_leaf { /* one tensor asked about */
    int value;
    size_t n, at;              /* its entries, and those of the leaves before it */
    struct nb_digits digits;   /* the candidate was printed with so many, if that matters */
    double eps;                /* of the candidate: 2^-52, or 2^-23 in float */
    struct nb_estimate *z, *d; /* per entry; d NULL: the differences were taken node by node, or not at all */
    double slope, reach, largest;
    bool refused;      /* holds values of a finite set: the forward refuses others */
    bool contradicted; /* sampled: a direction says that some entry is wrong */
    int looked_at;     /* wrong entries, through the whole graph */
    int weighed;       /* entries that rounding might explain, through the whole graph */
    bool doubted;      /* one of them was not wrong after all */
    float *apart;      /* the gradient in float, if there some operation decides otherwise than in double; else NULL */
    const unsigned char *shadow; /* float32, its own gradient: the verdicts of the one in double; or NULL */
    double *noise;               /* float32: per entry, what rounding does to the gradient; or NULL */
    struct nb_checked *out;
};

struct nb_checker {
    struct nb_graph *g;
    const struct nb_check *c;
    struct nb_run run;        /* the point in full */
    struct nb_planned *p;     /* with the given backwards */
    struct nb_planned *plain; /* without */
    struct nb_session own;    /* the graph's own backward, in double */
    void **cotangent;
    struct nb_oracle *oracle; /* per slot of the team */
    int slots;
    struct nb_leaf *leaf;
    int nleaf;
    double **scatter; /* per leaf, once somebody is to be blamed */
    struct nb_chunks chunks;
    struct nb_kinks kinks;
    unsigned char *kinked; /* verdicts on the entries that kinks touch, all leaves one after the other */
    double rho, r_max;
    int which;   /* point: 0 the first */
    bool second; /* Hessian-vector products are judged, not gradients */
    bool zero_cotangent;
    enum nb_reason unsound; /* why nothing can be measured at this point, or none */
    struct nb_arena *arena;
    struct nb_verdicts *v;
};

/* check.c: one point, 0 the first; its plans are released by the other. */
int nb_check_at(struct nb_checker *k, int which, struct nb_error *e);
void nb_checker_release(struct nb_checker *k);
/* function.c: if formulas of a user were judged, other points as well; the verdicts of the first take them in. */
int nb_check_function(struct nb_checker *first, struct nb_error *e);
/* sound.c: whether the forward is finite and gives the same bits when it is asked again: none if it does. */
enum nb_reason nb_unsound(const struct nb_checker *k);
/* sound.c: the node at which it begins, into the warnings. */
int nb_name_unsound(struct nb_checker *k, struct nb_error *e);
/* identities.c: what every backward keeps, of our own; the checker accuses itself where it does not. */
int nb_identities_try(struct nb_checker *k, struct nb_error *e);
/* loop.c: every coordinate of every leaf through the whole graph, by both oracles. */
int nb_loop(struct nb_checker *k, struct nb_error *e);
/* structure.c: the leaves' gradients node by node (sweep.h), then wiring directions and spots through the whole graph.
 */
int nb_structure(struct nb_checker *k, struct nb_error *e);
/* structure.c: directions and spots only. */
int nb_sampled(struct nb_checker *k, struct nb_error *e);
/* kinked.c: the candidates where kinks touch them; before the leaves are judged. */
int nb_judge_kinks(struct nb_checker *k, struct nb_error *e);
/* kinked.c: the ruling on an entry, if a kink touches it. */
bool nb_kink_ruling(const struct nb_checker *k, const struct nb_leaf *l, size_t i, struct nb_ruling *r);
/* shadow.c: a float32 graph has been judged in double: now its own gradients in float, or those given. */
int nb_judge_float(struct nb_checker *k, struct nb_error *e);
/* jacobian.c: all of the check, if the whole Jacobian is asked for. */
int nb_check_jacobian(struct nb_checker *k, struct nb_error *e);
/* hessian.c: the first order has been judged: now the products of the Hessian with a direction. */
int nb_judge_second(struct nb_checker *k, struct nb_error *e);
/* judge.c: the candidate of a leaf against its estimates: entries, counts, power, verdict. */
int nb_judge_leaf(struct nb_checker *k, struct nb_leaf *l, struct nb_error *e);
/* What an earlier judgement said goes. */
void nb_forget_verdicts(struct nb_checked *c);
/* scatter.c: what rounding does to an honest backward in double, per leaf and entry, into k->scatter. */
int nb_scatter_measure(struct nb_checker *k, struct nb_error *e);
/* formula.c: which formula of a given backward is at fault, in place of the tensors that are wrong. */
int nb_name_formula(struct nb_checker *k, struct nb_error *e);
/* error_curve.c: how far off a difference quotient of the whole graph is at the entry that looks worst of all, for
 * steps from one down to the last bit. */
int nb_error_curve(struct nb_checker *k, struct nb_error *e);

#endif
