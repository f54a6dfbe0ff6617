/* operand.h - one operand of one node being swept: what its colours are weighed with, and what comes out. */
#ifndef NABLA_OPERAND_H
#define NABLA_OPERAND_H
#include "check/sweep.h"

/* Per entry, in this order, `sets` numbers first: sums over the outputs of ... */
#define NB_UNSEEN 0x1p-380 /* 2^-1074 over the complex step, and some */
enum {
    NB_SUM_BAR,   /* the error of the first set's number */
    NB_SUM_OWN,   /* the error of the last set's number */
    NB_SUM_VAR,   /* dy^2 times the variance of the cotangent */
    NB_SUM_TERMS, /* dy^2 times the squared size of its terms */
    NB_SUM_SLOPE, /* not a sum: the largest |dy| */
    NB_SUMS
};

struct nb_out { /* one output */
    size_t n;
    const double *base, *var, *terms;
    const double **g;   /* [sets] */
    const double *size; /* the largest of the sweep's sets */
    const int32_t *block;
    int64_t inner; /* block[j] is j / inner % blocks; 0: it is not so simple */
    double *noise; /* what rounding inside the node does to it */
};

struct nb_operand {
    struct nb_sweep *w;
    struct nb_stand stand;
    struct nb_blocks blocks;
    const char *port; /* its name */
    bool affine;
    double h;     /* step, if affine */
    double slope; /* what moving all entries by up to 1 does to an output, if it was tested for being affine */
    int sets;     /* the sweep's, and one of the node's own if its backward is compared */
    struct nb_out *out;
    double *record;         /* colours x blocks x (sets + NB_SUMS) */
    double **dy;            /* per slot: all outputs */
    double **step;          /* per slot, per block: what was really stepped */
    double *unseen[2];      /* per block, of the first set and of the last: slopes that are lost where numbers end */
    struct nb_arena *arena; /* until the operand is done */
    struct nb_error *error; /* per slot */
};

static inline size_t nb_width(const struct nb_operand *p)
{
    return (size_t)p->sets + NB_SUMS;
}
/* The record of entry (block, colour). */
static inline double *nb_record(const struct nb_operand *p, int64_t c, int64_t b)
{
    return p->record + (size_t)(c * p->blocks.blocks + b) * nb_width(p);
}
static inline int64_t nb_entry_of(const struct nb_operand *p, int64_t c, int64_t b)
{
    return p->blocks.base[b] + p->blocks.offset[c];
}

/* colours.c: every colour once, by unit steps or by the complex step; parts of nb_team_run are colours. */
int nb_colours(struct nb_operand *p, struct nb_error *e);
/* One colour by the complex step into the record; only: this block alone, or -1. */
int nb_complex_colour(struct nb_operand *p, int slot, int64_t c, int64_t only, struct nb_error *e);
/* Tests that the operand is affine. */
int nb_is_affine(struct nb_operand *p, bool *is, struct nb_error *e);

/* rungs.c: the ladder of differences for every colour, compared with the record. */
int nb_rungs(struct nb_operand *p, struct nb_error *e);

/* signs.c: the node's backward proved by random signs, into the record; *proved false: it was not. */
int nb_signs(struct nb_operand *p, bool *proved, struct nb_error *e);

#endif
