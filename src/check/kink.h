/* kink.h - the gradients that are right where a graph has none: at a kink.
 *
 * Every edge met in the graph leaves choices (nudge.h); each set of choices gives a limit of gradients, and all their
 * mixtures are right (Clarke's subgradients, node by node), as is what our own backward takes by convention. A
 * candidate is judged as a whole: (1, 0), (0, 1) and (0.5, 0.5) are right for the maximum of two equal numbers, (1, 1)
 * is not.
 *
 * Edges fall into islands: those of two islands change different entries. The choices within an island are tried in all
 * combinations, up to 256; in a larger one each edge is tried alone, and if the effects add up their mixtures are known
 * all the same. Where they do not, or where there are more edges than there is time for, only the convention is
 * certain.
 */
#ifndef NABLA_KINK_H
#define NABLA_KINK_H
#include "check/check.h"
#include "check/nudge.h"

enum { NB_PATTERNS = 3 }; /* sets of choices: all up, all down, at random */

struct nb_change { /* of the gradient by one choice of one edge, everything else as in the first pattern */
    size_t n, *at;
    double *by;
};
struct nb_effect { /* of one edge */
    size_t n, *at; /* entries that some choice changes; none: it makes no difference */
    struct nb_change *change;
};
struct nb_island {
    int n, *group; /* edges */
    size_t entries, *entry;
    int combinations; /* of choices; 0: too many */
    double *limit;    /* for each of them its numbers for the entries; NULL where a corner takes part */
    bool broken;      /* not all of them are finite */
    bool corner, additive;
};

struct nb_kinks {
    struct nb_nudge nudge;
    struct nb_arena *arena;
    bool *touched;      /* per entry of all tensors asked about, one after the other: some choice changes it; NULL: no
                         * kinks */
    double *convention; /* the gradient our own backward takes */
    double *low, *high; /* bounds of the limits seen */
    double *noise;      /* what the size of the steps does to a gradient */
    int *pattern[NB_PATTERNS];
    double *at[NB_PATTERNS], *twice[NB_PATTERNS]; /* gradients there, and with steps twice as long */
    struct nb_effect *effect;                     /* per group */
    int islands;
    struct nb_island *island;
    bool unresolved; /* more edges than could be tried: no islands */
    bool opaque;     /* choices get in each other's way (several edges move one entry): nothing was learned, touched is
                      * NULL */
    int64_t budget;  /* gradients that may be computed */
};

/* Finds the edges at this point and what they touch. */
int nb_kinks_meet(const struct nb_plan *plan, const struct nb_fed *fed, void *const *cotangent, struct nb_arena *a,
                  struct nb_kinks *k, struct nb_error *e);
/* Verdicts on the touched entries of a candidate (all tensors, one after the other). `allowed` is what an entry may be
 * off by besides. convention: nothing else is right. */
int nb_kinks_judge(struct nb_kinks *k, const double *candidate, const double *allowed, bool convention,
                   unsigned char *verdict, struct nb_error *e);
/* For the certificate: the edges that make a difference, with the slopes of their operations. */
int nb_kinks_list(struct nb_kinks *k, struct nb_facts *f, struct nb_error *e);

/* Inside: all that is right for the entries of an island is known. */
static inline bool nb_island_known(const struct nb_island *x)
{
    return !x->broken && (x->combinations || x->additive);
}
/* Inside: choice number c of an island's edges, among its combinations. */
void nb_island_choose(const struct nb_kinks *k, const struct nb_island *s, int c, int *choice);

#endif
