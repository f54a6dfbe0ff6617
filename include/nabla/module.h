/* module.h - what a module tells the rest of the program about itself.
 *
 * A file in src/modules defines `const struct nb_module NB(nb_module_FILE)[]`, rows ended by one without a type,
 * and stands in modules.am. It is compiled three times (num.h). Nothing else knows a module by name. */
#ifndef NABLA_MODULE_H
#define NABLA_MODULE_H
#include "nabla/rng.h"
#include "nabla/tensor.h"

/* ---- arguments ------------------------------------------------------------------------------------------------- */

/* How an argument is stored at its offset in the module's argument struct: */
enum nb_arg_type {
    NB_ARG_REAL,    /* double */
    NB_ARG_INT,     /* int64_t */
    NB_ARG_BOOL,    /* int64_t 0 or 1 */
    NB_ARG_CHOICE,  /* int64_t, index into .choices */
    NB_ARG_INTS,    /* struct nb_ints: one whole number or a list; word i of .choices: the one number -1 - i */
    NB_ARG_SHAPE,   /* struct nb_ints: a list of dimensions, symbols allowed (NB_SYM, NB_ANY) */
    NB_ARG_REALS,   /* struct nb_reals */
    NB_ARG_STRINGS, /* struct nb_strings */
    NB_ARG_INIT,    /* struct nb_init */
    NB_ARG_TENSOR,  /* struct nb_tensor, NB_F64; data NULL if absent */
    NB_ARG_STRING   /* const char *; NULL if absent */
};

enum {
    NB_REQUIRED = 1,
    NB_INFERRED = 2, /* may be absent: then NB_NONE */
    NB_MIN_OPEN = 4,
    NB_MAX_OPEN = 8,
    NB_OPEN_SIZE = 16 /* an INT that is a size, and may be a symbol while a graph is described */
};
#define NB_NONE INT64_MIN /* an INT that is absent */

struct nb_ints {
    size_t n;
    const int64_t *v;
    bool single; /* written as one number */
};
struct nb_reals {
    size_t n;
    const double *v;
};
struct nb_strings {
    size_t n;
    const char *const *v;
};

struct nb_arg {
    const char *name; /* PyTorch's */
    enum nb_arg_type type;
    size_t offset;
    double def, min, max; /* REAL, INT, BOOL (0 or 1), CHOICE (index); min == max == 0: no bounds */
    unsigned flags;
    const char *const *choices; /* ended by NULL */
    const char *help;
};
/* Lists and tensors that are absent have n == 0 or data == NULL. The order of rows is the constructor's order. */

/* ---- ports, learned tensors ------------------------------------------------------------------------------------- */

enum nb_port_kind { NB_REAL_PORT, NB_INT_PORT, NB_ANY_PORT /* takes either; see nb_infer.integer */ };
enum { NB_OPTIONAL = 1, NB_VARIADIC = 2 /* the last port, any number of times */, NB_NOISE = 4 /* drawn when open */ };

struct nb_port {
    const char *name;
    enum nb_port_kind kind;
    unsigned flags;
};

struct nb_weight {
    const char *name;
    struct nb_shape shape;
    struct nb_init init;
    bool buffer; /* loaded and saved with the rest but not learned */
};

enum { NB_MAX_WEIGHTS = 64 }; /* eight LSTM layers in both directions */

/* How a noise port is drawn: 0 or 1; between two numbers; -ln(-ln u). */
enum nb_noise { NB_NOISE_BERNOULLI, NB_NOISE_UNIFORM, NB_NOISE_GUMBEL };

/* What shape inference sees and says. Sizes may be symbols or NB_ANY: use nb_dim_same, nb_count, nb_broadcast.
 * A fault of an argument: nb_fail + nb_at(e, "argument"); a fault of the inputs: nb_fail alone. */
struct nb_infer {
    void *args; /* may be completed: inferred sizes */
    int nin;
    const struct nb_shape *in; /* absent optional inputs have rank -1 */
    const bool *integer;       /* per input */
    bool train;
    const char *const *symbols; /* for nb_shape_text */
    struct nb_arena *arena;
    /* to fill: */
    int nout;             /* preset to the number of output ports */
    struct nb_shape *out; /* nout places */
    int nw;
    struct nb_weight w[NB_MAX_WEIGHTS];
    struct nb_shape noise; /* shape of the noise port, if there is one; rank -1: no noise with these arguments */
    double noise_p;        /* bernoulli's probability of the noise port */
    enum nb_noise noise_of;
    double noise_low, noise_high; /* of uniform noise */
    bool noise_off;               /* nothing is drawn (eval); the port arrives with data NULL */
    size_t saved;                 /* nb_reals that forward leaves for backward (c->saved) */
    size_t work;                  /* nb_reals of scratch for forward and for backward (c->work) */
};

struct nb_inside; /* what is to be done to operations inside of one; scans alone look at it */

/* One evaluation. All tensors have NB_DTYPE, integer ports NB_I64, and known shapes. */
struct nb_call {
    const void *args;
    bool train;
    int nin, nout, nw;
    const struct nb_tensor *in;   /* data NULL: an optional input that is absent */
    const struct nb_tensor *w;    /* in the order infer listed them, buffers too */
    const struct nb_tensor *out;  /* forward writes all of them, backward may read them */
    const struct nb_tensor *gout; /* backward: the cotangents, never NULL */
    const struct nb_tensor *gin;  /* backward writes (does not add) those whose data is not NULL */
    const struct nb_tensor *gw;   /* the same for learned tensors */
    void *saved, *work;
    const struct nb_inside *inside; /* or NULL */
};

/* A case for the module's own tests.
 * args: JSON members, "\"alpha\": 1.7", or NULL.
 * in: the inputs, separated by blanks: "5x7" sizes ("" a single number), then an optional letter for how to draw it:
 *   none: the row's interval, distinct, no kinks hit;  c7: class numbers 0..6;  s: -1 or 1;  b: 0 or 1 (real);
 *   p: rows of the last dimension are probabilities;  l: their logarithms;  u: within [0.05, 0.95];  "-": absent
 * train: run in train mode. */
struct nb_case {
    const char *args, *in;
    bool train;
};

struct nb_kink {
    const char *where, *value; /* "x = 0", "0" */
};

/* A mistake people make in the derivative of one operand, found again in wrong gradients. The formula (graph language,
 * section 9) gives what they return. Names in it: inputs and learned tensors by their names; x the first input, y the
 * first output, g its cotangent, d the right derivative; arguments that are numbers; N the size of the first dimension;
 * channel the dimension of channels or classes (1, or 0 if there is no other); share what a loss's reduction multiplies
 * an entry's part with; weight is 1 where there is none. Where a formula has no meaning the mistake cannot be made. */
struct nb_known {
    const char *code;    /* "tanh_square_missing" */
    const char *of;      /* the operand; NULL: the first input */
    const char *formula; /* "g*(1 - y)" */
    const char *hint;    /* "The square is missing: the slope is 1 - tanh(x)^2." */
    bool partly;         /* some entries of what they return are 0 instead: another mask */
    enum { NB_ANY_MODE, NB_TRAINING, NB_EVALUATING } mode;
    const char *same; /* a mistake that is no other at some arguments, or at all: it goes by the name of this one */
};

struct nb_branches; /* branch.h */

struct nb_module {
    const char *type;       /* PyTorch's name where PyTorch has it */
    const char *onnx;       /* ONNX's name, or NULL */
    const char *summary;    /* one sentence */
    const char *formula;    /* LaTeX: y in terms of x */
    const char *derivative; /* LaTeX: the VJP */
    const char *source;     /* where the definition comes from, or NULL */
    const char *note;       /* what a user should know, or NULL */

    const struct nb_arg *args; /* ended by .name NULL; NULL: none */
    size_t args_size;
    const struct nb_port *inputs;                        /* ended by .name NULL; NULL: no inputs */
    const char *const *outputs;                          /* ended by NULL; NULL: one, called out */
    struct nb_strings (*output_names)(const void *args); /* instead of outputs, when arguments name them */

    int (*infer)(struct nb_infer *s, struct nb_error *e);
    int (*forward)(const struct nb_call *c, struct nb_error *e);
    int (*backward)(const struct nb_call *c, struct nb_error *e);
    /* What a training step makes of the buffers among c->w, which are written. Called right after forward in train
     * mode: c->saved and c->work are as that left them. NULL: they stay. */
    void (*track)(const struct nb_call *c);
    const char *(*warning)(const void *args); /* what a reply should say when it is used like this, or NULL */
    bool (*flows)(const void *args);          /* backward gives more than 0 for these arguments only; NULL: for all */
    const char *no_backward;                  /* why backward is NULL: the derivative is 0 wherever it exists, ... */

    const struct nb_kink *kinks; /* ended by .where NULL; NULL: smooth */
    /* Which branch every value took (nb_decide), and which values stand at an edge (nb_at_edge); NULL: smooth, or its
     * branches meet without a corner. Called on the real builds after forward; c->work may be written. */
    void (*branches)(const struct nb_call *c, struct nb_branches *b);
    const char *jacobian;            /* letters of modules.md: P R C A W D */
    bool pointwise;                  /* one input, one output of its shape, entry by entry: has a curve */
    bool alias;                      /* out has the entries of in[0] (or, without inputs, of w[0]) in the same order */
    bool stop;                       /* the value passes, the gradient does not; held fixed by the oracles */
    const char *selects;             /* the STRINGS argument whose patterns choose learned tensors as the inputs */
    double lo, hi;                   /* sampling interval for its own tests and its curve; 0, 0: -2, 2 */
    const struct nb_case *cases;     /* ended by .in NULL */
    const struct nb_known *mistakes; /* ended by .code NULL; NULL: none of its own */
    /* How many values the entries of a port of class numbers or places may take, from 0 on; shapes of the inputs are
     * known. NULL: guessed from the shapes (check/domain.c). */
    int64_t (*classes)(const void *args, const struct nb_shape *first);
};

/* ---- the registry ------------------------------------------------------------------------------------------------ */

/* All modules in the order of modules.am; build is NB_F32, NB_F64 or NB_C128. */
int nb_module_count(void);
const struct nb_module *nb_module_at(enum nb_dtype build, int index);
/* Index of a type, or -1. */
int nb_module_find(const char *type);
/* The port of input i, or NULL; all inputs from a variadic one on are its. */
const struct nb_port *nb_port_at(const struct nb_module *m, int i);

#endif
