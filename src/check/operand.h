/* operand.h - one operand of one node being swept: what its colours are weighed with, and what comes out. */
#ifndef NABLA_OPERAND_H
#define NABLA_OPERAND_H
#include "check/sweep.h"
#include "nabla/weigh.h"

#define NB_UNSEEN 0x1p-380 /* 2^-1074 over the complex step, and some */
/* Of every entry these are kept; the first two are numbers, the others tell how certain they are. */
enum {
    NB_FIRST,            /* for the first set of cotangents */
    NB_OWN,              /* for the last set: the node's own, if it has one */
    NB_CERTAIN,          /* NB_CERTAINTIES of them (weigh.h): */
    NB_BAR = NB_CERTAIN, /* the error of the numbers of the sweep's sets */
    NB_OWN_BAR,          /* the error of the last set's */
    NB_VAR,              /* their variance because of the cotangents' */
    NB_TERMS,            /* squared size of the terms they are made of */
    NB_SLOPE,            /* the largest |dy| */
    NB_KEPT
};

struct nb_out { /* one output */
    size_t n;
    const double *base, *var, *terms;
    const double **g;        /* [sets] */
    struct nb_range *range;  /* [sets]: where g is not 0 */
    const double *size;      /* the largest |g| of the sweep's sets */
    struct nb_groups groups; /* blocks */
    double *noise;           /* what rounding inside the node does to it */
};

struct nb_operand {
    struct nb_sweep *w;
    struct nb_stand stand;
    struct nb_blocks blocks;
    const char *port; /* its name */
    int value;        /* what it is */
    bool affine;
    double h;     /* step, if affine */
    double slope; /* what moving all entries by up to 3/2 does to an output, if it was tested for being affine */
    double cost;  /* floating-point operations of an evaluation, roughly */
    int sets;     /* the sweep's, and one of the node's own if its backward is compared */
    struct nb_out *out;
    double **gradient;      /* [the sweep's sets]: per entry */
    double *kept;           /* colours x NB_KEPT x blocks */
    double *unseen;         /* per block, for NB_BAR and NB_OWN_BAR: slopes that are lost where numbers end */
    double **dy;            /* per slot: all outputs */
    double **step;          /* per slot, per block: what was really stepped */
    struct nb_arena *arena; /* until the operand is done */
    struct nb_error *error; /* per slot */
};

static inline double *nb_kept(const struct nb_operand *p, int what, int64_t c)
{
    return p->kept + (c * NB_KEPT + what) * p->blocks.blocks;
}
static inline int64_t nb_entry_of(const struct nb_operand *p, int64_t c, int64_t b)
{
    return p->blocks.base[b] + p->blocks.offset[c];
}
/* The first error of a slot, if there is one. */
int nb_operand_error(const struct nb_operand *p, struct nb_error *e);

/* colours.c: every colour once, by unit steps or by the complex step, into gradient and kept. */
int nb_colours(struct nb_operand *p, struct nb_error *e);
/* The number of one entry for one set by the complex step in slot 0. */
int nb_complex_entry(struct nb_operand *p, int set, int64_t c, int64_t b, double *number, struct nb_error *e);
/* The same when the entry is moved there. */
int nb_complex_entry_at(struct nb_operand *p, int set, int64_t c, int64_t b, double to, double *number,
                        struct nb_error *e);
/* How that number scatters when the entry moves by units in the last place: rounding inside the node. */
int nb_complex_scatter(struct nb_operand *p, int set, int64_t c, int64_t b, double *scatter, struct nb_error *e);
/* Tests that the operand is affine. */
int nb_is_affine(struct nb_operand *p, bool *is, struct nb_error *e);

/* rungs.c: the ladder of differences for every colour, compared with what was kept. */
int nb_rungs(struct nb_operand *p, struct nb_error *e);

/* signs.c: the node's backward proved by random signs, into gradient and kept; *proved false: it was not. */
int nb_signs(struct nb_operand *p, bool *proved, struct nb_error *e);

#endif
