/* probing.h - inside of a set of probes: what its files share.
 *
 *     probes.c          the way through the rounds
 *     points.c          points and cotangents
 *     layout.c          which entries may be moved together, and the tests of that claim
 *     plan.c            what is asked in a round
 *     edits.c           and which entries that replaces
 *     sense.c           what the answers tell about the function as a whole: noise, slopes
 *     ladder.c          differences on a ladder of steps, per entry; kinks
 *     joint.c           kinks that several entries share
 *     judge.c           an entry's verdict, and whether more is to be asked about it
 *     verdict.c         all points and entries together */
#ifndef NABLA_PROBING_H
#define NABLA_PROBING_H
#include "probes/probes.h"
#include "check/verdict.h"

enum {
    NB_ROUNDING = 16,   /* units in the last place that one evaluation may be off */
    NB_JIGGLES = 4,     /* probes that move everything by units in the last place, */
    NB_SCALES = 9,      /* and by fractions of so many sizes, either way */
    NB_COMPANIONS = 12, /* three points, two directions, either way */
    NB_BENDS = 6,
    NB_SPOTS = 64, /* entries looked at where not all can be */
    NB_DIRECTIONS = 8,
    NB_JOINT_MOST = 8 /* entries at one kink of which all pairs are tried */
};

/* How an operand's entries are moved together: entry (g, c) of group g and colour c is moved with all others of c. */
struct nb_grid {
    int64_t groups, colours, group_step, colour_step;
    struct nb_stretch {
        int64_t group, step, count; /* what group g moves in an output: entries g * group + k * step */
    } * out;
};

struct nb_operand { /* an input whose gradient is claimed */
    int in;
    size_t n;
    enum nb_layout layout; /* dense once another claim was refuted */
    bool refuted, no_complex;
    struct nb_grid claimed, dense;
};

/* One entry at one base: what is known of its slope. */
enum nb_climb_state { NB_NOT_ASKED, NB_OPEN, NB_CLOSED };
struct nb_climb {
    enum nb_climb_state state;
    bool asked;    /* in this round */
    bool has_z;    /* the complex step has answered */
    bool has_d;    /* some rung has, or a unit step */
    bool measured; /* some rung has */
    bool news;     /* to be judged */
    int looks;     /* how often it has been */
    bool doubtful; /* wrong, but looked at once only */
    enum { NB_SMOOTH, NB_NEAR_KINK, NB_AT_KINK } kink;
    bool last;   /* nearer rungs would show nothing more */
    int rungs;   /* known */
    int settled; /* the rung up to which a kink was seen */
    int joint;   /* the entries it shares a kink with, or -1 */
    double left, right, low, high,
        slack; /* slopes on either side of a kink; all choices of outputs; the bar of these */
    int touches;
    int32_t *touched; /* outputs that have the kink */
    struct nb_estimate z, d;
    double hidden;                /* what outputs that never moved may hide */
    double weight;                /* size of the outputs that did */
    double value[2], rounding[2]; /* the last two rungs, the nearer one second */
    bool usable[2], moved;
    int wild, grown; /* pairs of rungs at which the differences, or the gaps, grew: noise */
    struct nb_ruling r;
};

/* A point. */
struct nb_spot {
    struct nb_tensors x, cotangents;
    double **at;             /* per input: its entries */
    double *g, *y, *noise;   /* all outputs, one after the other */
    double **claim;          /* per operand: the gradient; NULL: not of its shape */
    double *slope;           /* per operand: the largest seen */
    double **terms;          /* per operand and output: how large the terms are that it is made of: sum of |x dy/dx| */
    struct nb_climb **climb; /* per operand */
    int64_t **chosen;        /* per operand: the entries that climbs are of, ascending; NULL: all */
    int64_t *climbs;
    int *wrong_directions; /* per operand */
    bool every;            /* all entries are asked about */
    bool known;            /* y is there */
    bool claimed;          /* gradients are there */
    bool finite, steady, dropped;
};

enum nb_question {
    NB_ASK_BASE,
    NB_ASK_JIGGLE,
    NB_ASK_COMPANION,
    NB_ASK_LEAK,
    NB_ASK_BEND,
    NB_ASK_UNIT,
    NB_ASK_COMPLEX,
    NB_ASK_LADDER,
    NB_ASK_DIRECTION,
    NB_ASK_JOINT
};

/* Probes that belong together and follow one another. */
struct nb_block {
    enum nb_question question;
    int base, operand;
    int64_t which; /* colour, direction, group of entries at a kink */
    int first, rungs;
    size_t probe, probes;
};

/* Entries at one kink, and the directions in which they are moved together. */
struct nb_joint {
    int base, n, rung;
    struct {
        int operand;
        int64_t entry;
    } * member;
    int directions;
    double *v; /* [directions][n] */
    bool asked;
};

struct nb_probes {
    struct nb_arena *arena;
    struct nb_probed f;
    struct nb_stream stream;
    int operands;
    struct nb_operand *operand;
    int bases;
    struct nb_spot *base; /* one place more than points */
    size_t m, *offset;    /* numbers of all outputs; where each begins, and m */
    double eps;           /* of one evaluation */
    int first_exponent;   /* of the largest step */
    int ladder[3];        /* rungs known after the first, second and third look */
    int directions;       /* asked where not every entry is */
    int round;
    struct nb_block *block;
    size_t blocks, block_room, probes;
    int64_t edits; /* about: for the limit */
    struct nb_joint *joint;
    size_t joints, joint_room;
    bool given;        /* the points are the client's */
    bool coarse, done; /* coarse: computes with fewer digits than it should */
    struct nb_verdicts v;
    size_t kink_room;
};

/* The answers to a round: one row of m numbers for every probe. */
struct nb_heard {
    const struct nb_probes *p;
    const double *re, *im; /* im NULL: no complex arguments */
    const double *zero;    /* m of them */
    struct nb_arena *scratch;
};
static inline const double *nb_heard_row(const struct nb_heard *h, size_t probe)
{
    return h->re + probe * h->p->m;
}

/* A place in the stream of random numbers for everything that is drawn. */
enum nb_drawn {
    NB_DRAW_POINT,
    NB_DRAW_COTANGENT,
    NB_DRAW_SIGN,
    NB_DRAW_JIGGLE,
    NB_DRAW_LEAK,
    NB_DRAW_BEND,
    NB_DRAW_SPOT,
    NB_DRAW_JOINT
};
static inline uint64_t nb_draw_at(enum nb_drawn what, int base, int of, int64_t which, int64_t i)
{
    return (uint64_t)what << 60 | (uint64_t)base << 56 | (uint64_t)of << 50 | (uint64_t)which << 31 | (uint64_t)i;
}
static inline double nb_draw(const struct nb_probes *p, uint64_t at) /* [0, 1) */
{
    return nb_uniform(p->stream, at);
}
static inline double nb_draw_sign(const struct nb_probes *p, uint64_t at)
{
    return nb_word(p->stream, at) & 1 ? 1 : -1;
}

/* ---- probes_points.c ---- */
int nb_points_new(struct nb_probes *p, struct nb_error *e);
int nb_points_add(struct nb_probes *p, bool every, struct nb_error *e); /* one more base, drawn or the client's */

/* ---- probes_layout.c ---- */
int nb_layout_operand(struct nb_probes *p, struct nb_operand *o, struct nb_error *e);
const struct nb_grid *nb_grid_of(const struct nb_probes *p, int base, int operand);
static inline int64_t nb_grid_entry(const struct nb_grid *g, int64_t group, int64_t colour)
{
    return group * g->group_step + colour * g->colour_step;
}
static inline int64_t nb_grid_group(const struct nb_grid *g, int64_t entry)
{
    return g->groups == 1 ? 0 : g->group_step == 1 ? entry % g->groups : entry / g->group_step;
}
static inline int64_t nb_grid_colour(const struct nb_grid *g, int64_t entry)
{
    return g->colours == 1 ? 0 : (entry - nb_grid_group(g, entry) * g->group_step) / g->colour_step;
}
int nb_leak_bits(const struct nb_grid *g);
/* Compares with the answers; refutes the claim if it does not hold. */
int nb_leak_judge(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, struct nb_error *e);
int nb_bend_judge(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, struct nb_error *e);

/* ---- probes_plan.c ---- */
/* How many entries of how many points can be asked about; limit if not even a few. */
int nb_plan_size(struct nb_probes *p, struct nb_error *e);
/* The questions of the next round; none are left if p->blocks is 0. */
int nb_plan_round(struct nb_probes *p, struct nb_error *e);
const struct nb_block *nb_block_of(const struct nb_probes *p, size_t probe);
struct nb_climb *nb_climb_of(const struct nb_probes *p, int base, int operand, int64_t entry); /* NULL: none */

/* ---- probes_edits.c ---- */
double nb_step_of(const struct nb_probes *p, int operand, double x, int rung);
double nb_scale_of(const struct nb_probes *p, int operand, double x); /* the power of two that steps are fractions of */
/* Where x + h really is: representable in the numbers the function takes. */
double nb_stepped(const struct nb_probes *p, double x, double h);
double nb_unit_step(const struct nb_probes *p, int base, int operand);
double nb_bend_value(const struct nb_probes *p, int base, int operand, int test, int times, int64_t entry);
#define NB_STEP_COMPLEX 0x1p-664
/* How far probe number `probe` of the block of a joint moves one of its members. */
double nb_joint_step(const struct nb_probes *p, const struct nb_joint *j, int member, size_t probe);
double nb_direction_sign(const struct nb_probes *p, int base, int operand, int64_t direction, int64_t entry);

/* ---- probes_sense.c ---- */
int nb_sense(struct nb_probes *p, const struct nb_heard *h, struct nb_error *e);

/* ---- probes_ladder.c ---- */
/* Takes the rungs that were asked for one entry. */
void nb_ladder_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, int64_t entry);
void nb_unit_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b);
void nb_complex_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b, int64_t entry);
/* The slope in a random direction against the claim: -1 wrong, 0 cannot tell, 1 right. */
int nb_direction_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b);

/* ---- probes_joint.c ---- */
/* Entries that share a kink, to be moved together. */
int nb_joint_find(struct nb_probes *p, struct nb_arena *scratch, struct nb_error *e);
void nb_joint_take(struct nb_probes *p, const struct nb_heard *h, const struct nb_block *b);

/* ---- probes_judge.c ---- */
/* The entry alone, at its kink. */
struct nb_ruling nb_kink_judge(const struct nb_probes *p, int base, int operand, int64_t entry,
                               const struct nb_climb *c);
/* After all answers of a round: verdicts, and who is looked at again. */
int nb_judge_round(struct nb_probes *p, struct nb_error *e);
/* Entries that no point could tell get another one. */
int nb_judge_extra(struct nb_probes *p, struct nb_error *e);

/* ---- probes_verdict.c ---- */
int nb_probes_conclude(struct nb_probes *p, struct nb_error *e);

#endif
