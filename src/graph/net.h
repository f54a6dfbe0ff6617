/* net.h - a graph with its modules unfolded: values, and operations between them. Built from the text, once in symbols
 * when the graph is created and once for every binding of its dimensions. */
#ifndef NABLA_NET_H
#define NABLA_NET_H
#include "nabla/module.h"
#include <jansson.h>

enum nb_value_kind {
    NB_V_INPUT,   /* fed, or drawn */
    NB_V_PARAM,   /* a learned tensor or a buffer */
    NB_V_CONST,   /* one number of a formula */
    NB_V_OP,      /* made by a forward operation */
    NB_V_GIVEN,   /* made by a formula of a given backward */
    NB_V_GRADIENT /* g in a given backward */
};

struct nb_value {
    enum nb_value_kind kind;
    struct nb_shape shape;
    bool integer;    /* NB_I64 */
    int of;          /* index of its input, learned tensor or operation */
    double constant; /* of a CONST; NaN while it depends on a size not known */
    bool known;      /* of a CONST */
};

enum nb_sample { NB_FED, NB_NORMAL, NB_UNIFORM, NB_BERNOULLI, NB_GUMBEL };

struct nb_input {
    const char *name; /* "x"; of a noise port its path, "net/1/mask" */
    int value;
    enum nb_dtype dtype; /* as declared: F32, F64, I32, I64, BOOL */
    enum nb_sample sample;
    double p;
    bool declared;    /* an input of the graph itself */
    bool given;       /* a fed tensor bound its shape */
    double low, high; /* of UNIFORM; both 0: from 0 to 1 */
};

struct nb_learned {
    const char *name;
    int value;
    struct nb_init init;
    const struct nb_tensor *literal; /* the argument value of a Parameter, or NULL */
    bool buffer, frozen, transposed;
    int tie; /* the learned tensor this one is, or -1 */
};

struct nb_scan; /* scan.h */

struct nb_op {
    int module;           /* index in the registry; -1: a scan */
    struct nb_scan *scan; /* NULL: none */
    void *args;
    int nin, nout, nw;
    int *in, *out, *w; /* values; in[i] is -1 when an optional input is absent */
    size_t saved, work;
    size_t held;       /* numbers at the beginning of `saved` that stops inside gave; of scans */
    const char *node;  /* path: "net/0" */
    const char *place; /* pointer into the graph: "/nodes/net/chain/0" */
    int given;         /* the innermost given backward it lies in, or -1 */
};

/* A module with a backward of the user's: forward operations first..last-1 are passed over by the gradient. */
struct nb_given {
    int first, last;
    int gfirst, glast;  /* operations of its formulas, in net->gops */
    int nout, *out, *g; /* outputs, and the values that stand for their gradients */
    int n;
    struct nb_given_entry {
        int target, result; /* result -1: no derivative is offered */
        const char *place;
    } * entry;
    int parent; /* the given backward around this one, or -1 */
};

struct nb_probe {
    const char *name; /* "enc/h", "enc/g4.i" */
    int value;
};

struct nb_output {
    const char *name;
    int value;
    enum nb_dtype dtype; /* the graph's, or an integer type */
};

struct nb_loss {
    const char *name;
    int value;
    const char **wrt;
    int nwrt; /* -1: the default choice */
};

#define NB_LIST(type, name)                                                                                            \
    struct {                                                                                                           \
        type *v;                                                                                                       \
        size_t n, cap;                                                                                                 \
    } name

struct nb_net {
    struct nb_arena *arena;
    enum nb_dtype dtype;
    bool train;
    NB_LIST(const char *, symbols);
    int64_t *size; /* of the symbols: bound, or NB_SYM */
    NB_LIST(struct nb_value, values);
    NB_LIST(struct nb_input, inputs);
    NB_LIST(struct nb_learned, learned);
    NB_LIST(struct nb_op, ops);
    NB_LIST(struct nb_op, gops);
    NB_LIST(struct nb_given, given);
    NB_LIST(struct nb_probe, probes);
    NB_LIST(struct nb_output, outputs);
    NB_LIST(struct nb_loss, losses);
};

/* Sizes that data bring: shapes of fed inputs and sizes of symbols. */
struct nb_binding {
    const struct nb_tensors *inputs;
    size_t ndims;
    const char *const *dim;
    const int64_t *size;
    bool train;
};

/* Builds; binding NULL leaves all symbols open. Pointers of errors are relative to the body (/graph/..., /inputs/...).
 */
int nb_net_build(json_t *graph, const struct nb_binding *binding, struct nb_arena *a, struct nb_net *net,
                 struct nb_error *e);

/* By name: a node, an input, a probe, a port. -1 with unknown_reference, unknown_port or ambiguous_port. */
int nb_net_find(const struct nb_net *net, const char *reference, struct nb_error *e);
/* Index of a learned tensor or -1. A tied one gives its owner. */
int nb_net_learned(const struct nb_net *net, const char *name);
int nb_net_input(const struct nb_net *net, const char *name);
/* Adds the learned tensors that match and are not yet in the list; returns how many matched. Buffers never match,
 * frozen ones only by their exact name, a tied one stands for its owner. */
int nb_match_learned(const struct nb_net *net, const char *prefix, const char *pattern, int *list, int *n);
int nb_fail_no_match(const struct nb_net *net, const char *pattern, struct nb_error *e);
const struct nb_module *nb_op_module(const struct nb_op *op, enum nb_dtype build);
/* Some module has a backward of the user's, also in the step of a scan. */
bool nb_net_given(const struct nb_net *net);
/* Can a gradient flow through it? */
bool nb_op_flows(const struct nb_op *op);
char *nb_net_shape_text(const struct nb_net *net, int value, char *buf, size_t size);

#endif
