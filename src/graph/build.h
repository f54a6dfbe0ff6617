/* build.h - inside of the builder: scopes, their names, and how formulas and nodes become operations. */
#ifndef NABLA_BUILD_H
#define NABLA_BUILD_H
#include "expr/formula.h"
#include "graph/arguments.h"
#include "graph/net.h"

struct nb_builder {
    json_t *graph, *modules;
    const struct nb_binding *binding;
    struct nb_arena *arena;
    struct nb_net *net;
    json_t *learned_index;                    /* full name -> index in net->learned */
    json_t *probe_index;                      /* probe -> index in net->probes */
    bool formulas_of_given;                   /* operations go to gops */
    int given;                                /* the given backward being built, or -1 */
    NB_LIST(struct nb_selection, selections); /* operations whose inputs are learned tensors chosen by pattern */
};

struct nb_selection {
    int op;
    const char *prefix;
    const struct nb_strings *patterns;
    const char *place;
};

/* A name of a scope that has a value: an input or a node, with its ports. */
struct nb_item {
    const char *name;
    int n;
    const char **port; /* "out" if there is one without a name */
    int *value;
    bool built;
};

struct nb_scope {
    struct nb_builder *b;
    struct nb_builder *outer; /* around the step of a scan: what is built outside */
    json_t *def;
    const char *path;  /* of learned tensors: "enc." */
    const char *probe; /* of probes and noise: "enc/" */
    const char *place; /* of the definition: "/modules/Head" */
    const char *user;  /* path of the node that uses it, or NULL */
    int depth;
    const char *formula_node, *formula_place; /* while a node's formula is unfolded: its path and pointer */
    json_t *owners;                           /* node -> the node whose learned tensors it uses, once known */
    json_t *index;                            /* name -> number of the item */
    NB_LIST(struct nb_item, items);
    NB_LIST(const char *, symbol);
    int64_t size[256];
    json_t *args; /* name -> number, or null where it depends on sizes not known */
    bool has_lead;
    struct nb_shape lead;            /* what "..." stands for */
    const struct nb_given *gradient; /* in formulas of a given backward: g is visible */
    struct nb_item g, ports;         /* g with its ports; the outputs under their names */
};

/* What a node uses, an item of a chain, or a scan at every step. */
struct nb_use {
    const char *type;
    json_t *args; /* object, list, value, NULL; for a node with op the node itself */
    json_t *node; /* a node with op, or NULL */
    const char *path, *probe, *place, *share_path;
    int previous;         /* value of the item before, in a chain */
    struct nb_step *step; /* of a scan: where its inputs come from (scan_build.c), or NULL */
};

/* Everything returns -1 with the error set. Places are put in front by the caller unless said. */
int nb_add_value(struct nb_builder *b, enum nb_value_kind kind, const struct nb_shape *s, bool integer, int of,
                 struct nb_error *e);
/* An operation: infers, makes outputs and learned tensors. Returns its first output's value; *made is its item. */
int nb_add_op(struct nb_scope *s, int module, void *args, int nin, const int *in, const char *path, const char *probe,
              const char *place, struct nb_item *made, struct nb_error *e);
/* The same for a module without arguments from JSON and one output. */
int nb_add_simple(struct nb_scope *s, const char *type, json_t *args, int nin, const int *in, struct nb_error *e);
/* The value spread to a shape it broadcasts to. */
int nb_expand(struct nb_scope *s, int value, const struct nb_shape *to, struct nb_error *e);
int nb_item_add_port(struct nb_builder *b, struct nb_item *item, const char *port, int value, struct nb_error *e);

struct nb_op *nb_new_op(struct nb_builder *b, int *index, struct nb_error *e);
int nb_add_probe(struct nb_builder *b, const char *name, int value, struct nb_error *e);
int nb_build_use(struct nb_scope *s, const struct nb_use *u, struct nb_item *made, struct nb_error *e);

/* scan_build.c: a scan, in its scope; and the inputs of what it uses: */
int nb_build_scan(struct nb_scope *s, json_t *node, const struct nb_use *u, struct nb_item *made, struct nb_error *e);
/* values by port, -1 for carries, whose shape is not known yet, and open noise; */
int nb_step_inputs(struct nb_scope *s, const struct nb_use *u, int n, const char *const *ports, int **value, int *nin,
                   struct nb_error *e);
bool nb_step_carries(const struct nb_use *u, const char *port);
/* the value of a carry once its shape is known; -1 if the port carries nothing, -2 for an error. */
int nb_step_carry(struct nb_scope *s, const struct nb_use *u, const char *port, const struct nb_shape *shape,
                  struct nb_error *e);

/* scope.c */
int nb_scope_item(struct nb_scope *s, const char *name, struct nb_item **item, struct nb_error *e);
struct nb_item *nb_scope_find(const struct nb_scope *s, const char *name);
int nb_scope_port(const struct nb_item *item, const char *port, struct nb_error *e);
int nb_resolve(struct nb_scope *s, json_t *ref, struct nb_error *e); /* a reference with wrappers -> value */
int nb_resolve_name(struct nb_scope *s, const char *reference, struct nb_error *e);
/* Matches a declared shape with one that came: binds symbols, compares sizes. Standalone symbols first for all inputs,
 * then formulas: call with pass 0 and 1. *at is the dimension at fault. */
int nb_match_shape(struct nb_scope *s, json_t *declared, const struct nb_shape *came, int pass, int *at,
                   struct nb_error *e);
/* The declared shape with what is bound; unbound gives NB_ANY. */
int nb_declared_shape(struct nb_scope *s, json_t *declared, struct nb_shape *shape, struct nb_error *e);
int nb_scope_dim(void *scope, const char *formula, int64_t *d, struct nb_error *e);
int nb_scope_real(void *scope, const char *formula, double *v, struct nb_error *e);
nb_lookup nb_scope_lookup;
int64_t *nb_scope_symbol(struct nb_scope *s, const char *name);

/* lower.c: a formula -> a value */
int nb_lower(struct nb_scope *s, const char *text, struct nb_error *e);

/* learned.c */
int nb_add_learned(struct nb_scope *s, const char *path, const struct nb_weight *w, const struct nb_tensor *literal,
                   struct nb_error *e);
int nb_apply_selections(struct nb_builder *b, struct nb_error *e);
int nb_apply_params(struct nb_builder *b, struct nb_error *e);
int nb_apply_ties(struct nb_builder *b, struct nb_error *e);

#endif
