/* blocks.h - which entries of an operand reach which outputs, found out and not believed.
 *
 * An axis of the operand is carried to an axis of every output if entry i along the one reaches only entry i along the
 * other (the batch; rows of a softmax; output features of a weight). The carried axes cut operand and outputs into
 * blocks that do not see each other, so one evaluation can move one entry of every block: a colour. An axis counts as
 * carried when perturbing those of its indices that have a given bit leaves all outputs of other indices as they were,
 * bit for bit, for every bit and both its values: every ordered pair of indices has then been met. */
#ifndef NABLA_BLOCKS_H
#define NABLA_BLOCKS_H
#include "check/stand.h"

struct nb_blocks {
    int64_t blocks, colours; /* blocks * colours = entries of the operand */
    int64_t *base, *offset;  /* entry (b, c) of the operand is base[b] + offset[c] */
    int32_t **block;         /* per output, per entry: the block it belongs to */
    const char *name;        /* "pointwise", "row-wise", "column-wise", "blocks", "dense" */
    int carried;             /* axes */
    int64_t leaks;           /* outputs that refuted an axis whose size would have fitted */
};

/* real: perturb by finite amounts in double (affine operands); else by the complex step. */
int nb_blocks_find(struct nb_stand *s, bool real, struct nb_seed seed, struct nb_arena *a, struct nb_blocks *b,
                   struct nb_error *e);

#endif
