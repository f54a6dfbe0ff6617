/* vitals.h - how well numbers flow through a graph on one batch: units that are dead, activations that saturate or are
 * not centred, gradients that vanish or explode on their way down. */
#ifndef NABLA_VITALS_H
#define NABLA_VITALS_H
#include "graph/graph.h"

/* What counts as what; told with every reply. */
#define NB_SATURATED_BELOW 0.05 /* of the steepest slope */
#define NB_CERTAIN_ABOVE 0.99   /* one probability of a softmax */
#define NB_CENTRED_WITHIN 0.25  /* |mean| / spread */
#define NB_VANISHING_BELOW 1e-3 /* the gradient, measured by that at the last layer */
#define NB_EXPLODING_ABOVE 1e3

enum nb_flow_verdict { NB_FLOW_NONE, NB_FLOW_HEALTHY, NB_FLOW_VANISHING, NB_FLOW_EXPLODING };
const char *nb_flow_name(enum nb_flow_verdict v); /* "none", "healthy", ... */

/* What may be told about a node, in one sentence or two; bits of .advice. */
#define NB_ADVICE_ROWS(ADVICE)                                                                                         \
    ADVICE(dead_units,                                                                                                 \
           "Units that give 0 for every sample of the batch pass no gradient and learn nothing. They die when one "    \
           "large step makes their bias very negative: a lower learning rate helps (a higher one kills more of "       \
           "them), as do a start with biases of 0 and weights after He, and LeakyReLU or ELU in the place of ReLU.")   \
    ADVICE(saturated,                                                                                                  \
           "Most entries lie where the curve is flat, so hardly any gradient passes. Smaller weights at the start, "   \
           "inputs of mean 0 and spread 1, or a normalisation in front of this node bring them back to the steep "     \
           "part; inside a network ReLU does not saturate for positive values.")                                       \
    ADVICE(certain,                                                                                                    \
           "Nearly all the probability lies on one class, for most samples. Late in training that is well; at the "    \
           "start it means that the numbers in front are too large: smaller weights, or divide them.")                 \
    ADVICE(not_centred,                                                                                                \
           "The outputs have a mean that is large beside their spread. The weights behind then get gradients of one "  \
           "sign, and steps zigzag. Tanh in the place of the sigmoid, or a normalisation, centres them.")              \
    ADVICE(vanishing,                                                                                                  \
           "The gradient that arrives here is less than a thousandth of that at the last layer (inside of a scan: at " \
           "the last step): what lies below learns far slower. ReLU in the place of sigmoid or tanh, a start after "   \
           "Glorot or He, normalisation, or connections around layers (as in residual nets, and as the cell of an "    \
           "LSTM through time) keep it up.")                                                                           \
    ADVICE(exploding,                                                                                                  \
           "The gradient that arrives here is over a thousand times that at the last layer (inside of a scan: at the " \
           "last step): one step may ruin what "                                                                       \
           "was learned. Clip gradients, start with smaller weights, lower the learning rate, or normalise.")
enum nb_advice_index {
#define ADVICE(name, text) NB_ADVICE_##name,
    NB_ADVICE_ROWS(ADVICE)
#undef ADVICE
        NB_ADVICES
};
extern const struct nb_advice {
    const char *code, *text;
} nb_advices[NB_ADVICES];

enum nb_vital_kind {
    NB_PLAIN,      /* nothing that could be dead or saturated */
    NB_RECTIFIER,  /* dead where its slope is 0 */
    NB_SIGMOIDAL,  /* saturated where its slope is a small part of its steepest */
    NB_PROBABILITY /* saturated where one probability is nearly 1 */
};

enum { NB_VITAL_BINS = 24 };

struct nb_vital {
    const char *node, *type; /* "net/1", "ReLU"; of an input its name and "input" */
    struct nb_shape shape;
    enum nb_vital_kind kind;
    double mean, spread, min, max; /* of the activations; the finite ones */
    int64_t not_finite;
    int64_t bin[NB_VITAL_BINS]; /* how many lie where between min and max */
    bool centred;
    int64_t units, dead_units; /* a unit: an entry of one sample, or a channel of pictures */
    double dead, saturated;    /* shares of the entries; of a softmax of the samples */
    bool inside;               /* of a scan: what all steps have seen, together */
    int64_t steps;             /* then: how many of them a gradient has come by */
    double through_time;       /* the gradient at the first of them, by that at the last */
    bool layer;                /* has learned tensors or is an activation */
    bool reached;              /* a gradient arrives */
    double gradient;           /* mean size */
    double ratio;              /* to that of the last layer; NaN if that is 0 */
    enum nb_flow_verdict verdict;
    unsigned advice;
};

struct nb_vitals {
    struct nb_vital *v; /* inputs, then operations in their order */
    size_t n;
    ptrdiff_t last; /* the layer whose gradient is the measure, or -1 */
    enum nb_flow_verdict verdict;
    unsigned advice;
    const char *loss_name; /* NULL: cotangents were given */
    double loss;
    bool noise; /* something was drawn from the seed */
};

/* Runs forward and backward as nb_graph_backward does, through the operations themselves. What it holds lies in the
 * arena. */
int nb_vitals_take(struct nb_graph *g, const struct nb_run *run, struct nb_arena *a, struct nb_vitals *out,
                   struct nb_error *e);

#endif
