/* pointwise.h - functions entry by entry, each written once as an expression.
 *
 * A loop does whole blocks of NB_BLOCK entries; what is left over is copied into a padded block and goes through the
 * same code. So a value gives the same bits wherever it stands and however many there are: a tail of scalar calls
 * would not, the last bit of libmvec is not that of libm. */
#ifndef NABLA_POINTWISE_H
#define NABLA_POINTWISE_H
#include "nabla/branch.h"
#include "nabla/module.h"
#include "nabla/num.h"
#include <string.h>

enum { NB_BLOCK = 16, NB_OPERANDS = 3 };

/* The loop of an expression. n is a multiple of NB_BLOCK. */
typedef void nb_map(size_t n, const nb_real *const *in, const void *args, nb_real *out);

/* NB_MAP2(name, setup, a, b, expression) defines the nb_map `name` over two arrays whose entries the expression calls
 * a and b. `setup` declares what it needs of the module's arguments, `args`; it may be empty and has no bare commas. */
#define NB_MAP1(name, setup, a, expression)                                                                            \
    NB_SIMD static void name(size_t n_, const nb_real *const *in_, const void *args, nb_real *restrict out_)           \
    {                                                                                                                  \
        NB_MAP_IN(a, 0)                                                                                                \
        NB_MAP_LOOP(setup, nb_real a = a##_s[i_ + k_], expression)                                                     \
    }
#define NB_MAP2(name, setup, a, b, expression)                                                                         \
    NB_SIMD static void name(size_t n_, const nb_real *const *in_, const void *args, nb_real *restrict out_)           \
    {                                                                                                                  \
        NB_MAP_IN(a, 0)                                                                                                \
        NB_MAP_IN(b, 1)                                                                                                \
        NB_MAP_LOOP(setup, nb_real a = a##_s[i_ + k_]; nb_real b = b##_s[i_ + k_]; (void)a; (void)b, expression)       \
    }
#define NB_MAP3(name, setup, a, b, c, expression)                                                                      \
    NB_SIMD static void name(size_t n_, const nb_real *const *in_, const void *args, nb_real *restrict out_)           \
    {                                                                                                                  \
        NB_MAP_IN(a, 0)                                                                                                \
        NB_MAP_IN(b, 1)                                                                                                \
        NB_MAP_IN(c, 2)                                                                                                \
        NB_MAP_LOOP(setup, nb_real a = a##_s[i_ + k_]; nb_real b = b##_s[i_ + k_]; nb_real c = c##_s[i_ + k_];         \
                    (void)a; (void)b, expression)                                                                      \
    }
#define NB_MAP_IN(a, k) const nb_real *restrict a##_s = in_[k];
#define NB_MAP_LOOP(setup, entries, expression)                                                                        \
    (void)args;                                                                                                        \
    setup;                                                                                                             \
    for (size_t i_ = 0; i_ < n_; i_ += NB_BLOCK) {                                                                     \
        NB_LOOP                                                                                                        \
        for (size_t k_ = 0; k_ < NB_BLOCK; k_++) {                                                                     \
            entries;                                                                                                   \
            out_[i_ + k_] = expression;                                                                                \
        }                                                                                                              \
    }

/* A loop over any number of entries of `arrays` arrays. */
static inline void nb_map_run(nb_map *f, int arrays, size_t n, const nb_real *const *in, const void *args, nb_real *out)
{
    size_t whole = n - n % NB_BLOCK, left = n - whole;
    if (whole)
        f(whole, in, args, out);
    if (!left)
        return;
    nb_real block[NB_OPERANDS][NB_BLOCK], last[NB_BLOCK];
    const nb_real *tail[NB_OPERANDS];
    for (int k = 0; k < arrays; k++) {
        for (size_t i = 0; i < NB_BLOCK; i++)
            block[k][i] = in[k][i < left ? whole + i : n - 1];
        tail[k] = block[k];
    }
    f(NB_BLOCK, tail, args, last);
    memcpy(out + whole, last, left * sizeof *out);
}

/* sigma'(x) = e^-|x| / (1 + e^-|x|)^2, from x: y (1 - y) is 0 once y has rounded to 1. */
static inline nb_real nb_sigmoid_bump(nb_real x)
{
    nb_real z = nb_exp(-nb_abs(x)), s = 1 + z;
    return z / (s * s);
}

/* ---- modules of one input ---------------------------------------------------------------------------------------- */

static const struct nb_port nb_map_ports[] = {{"input", NB_REAL_PORT, 0}, {0}};
static const struct nb_case nb_map_cases[] = {{NULL, "5x7", false}, {NULL, "33", false}, {NULL, "3x5x17", false}, {0}};

static inline int nb_map_infer(struct nb_infer *s, struct nb_error *e)
{
    (void)e;
    s->out[0] = s->in[0];
    return 0;
}

static inline size_t nb_map_count(const struct nb_call *c)
{
    return (size_t)nb_count(&c->in[0].shape);
}

static inline int nb_map_forward(nb_map *f, const struct nb_call *c)
{
    const nb_real *in[] = {c->in[0].data};
    nb_map_run(f, 1, nb_map_count(c), in, c->args, c->out[0].data);
    return 0;
}

/* f is a loop over x and g. */
static inline int nb_map_backward(nb_map *f, const struct nb_call *c)
{
    const nb_real *in[] = {c->in[0].data, c->gout[0].data};
    if (c->gin[0].data)
        nb_map_run(f, 2, nb_map_count(c), in, c->args, c->gin[0].data);
    return 0;
}

/* What goes back for g when the derivative is d: exactly 0 for 0, also where d is infinite or NaN. */
#define NB_BACK(g, d) ((g) == 0 ? (nb_real)0 : (g) * (d))

#define NB_FORWARD(name)                                                                                               \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return nb_map_forward(name##_value, c);                                                                        \
    }
#define NB_BACKWARD(name)                                                                                              \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return nb_map_backward(name##_slope, c);                                                                       \
    }

/* name_forward and name_backward from the function and its derivative, both in terms of x. */
#define NB_POINTWISE(name, setup, value, slope)                                                                        \
    NB_MAP1(name##_value, setup, x, value)                                                                             \
    NB_MAP2(name##_slope, setup, x, g, NB_BACK(g, slope))                                                              \
    NB_FORWARD(name)                                                                                                   \
    NB_BACKWARD(name)

/* Every entry on its side of an edge, which is a corner if the slopes of both sides differ. */
static inline void nb_map_sides(const struct nb_call *c, struct nb_branches *b, nb_part edge, bool corner)
{
    const nb_real *x = c->in[0].data;
    for (size_t i = 0; i < nb_map_count(c); i++)
        if (nb_side(b, nb_re(x[i]), edge) && corner)
            nb_at_edge(b, 0, (int64_t)i, NB_EDGE_SIDE, (int64_t)i);
}

/* name_branches of a function with two edges. `setup` as above. */
#define NB_EDGES_AT(name, setup, low, high, corner)                                                                    \
    static void name##_branches(const struct nb_call *c, struct nb_branches *b)                                        \
    {                                                                                                                  \
        const void *args = c->args;                                                                                    \
        (void)args;                                                                                                    \
        setup;                                                                                                         \
        nb_map_sides(c, b, low, corner);                                                                               \
        nb_map_sides(c, b, high, corner);                                                                              \
    }

/* name_branches of a function with one edge. `setup` as above. */
#define NB_EDGE_AT(name, setup, edge, corner)                                                                          \
    static void name##_branches(const struct nb_call *c, struct nb_branches *b)                                        \
    {                                                                                                                  \
        const void *args = c->args;                                                                                    \
        (void)args;                                                                                                    \
        setup;                                                                                                         \
        nb_map_sides(c, b, edge, corner);                                                                              \
    }

/* What the rows of such modules have in common. */
#define NB_POINTWISE_ROW .inputs = nb_map_ports, .infer = nb_map_infer, .jacobian = "P", .pointwise = true
#define NB_CALLS(name) .forward = name##_forward, .backward = name##_backward

#endif
