/* broadcast.h - functions entry by entry of several operands, with NumPy's broadcasting; gradients summed back.
 *
 * The loops are those of pointwise.h. An operand that has the shape of the output is read in place, any other through
 * a reader, piece by piece: forward needs no memory, backward one array for a gradient that is summed. */
#ifndef NABLA_BROADCAST_H
#define NABLA_BROADCAST_H
#include "nabla/kernel.h"
#include "pointwise.h"

/* ---- readers ----------------------------------------------------------------------------------------------------- */

/* The entries of a tensor spread to a larger shape, in order. Dimensions of one kind are joined; in the last one the
 * entries of the tensor stand next to each other (step 1) or are the same one (step 0). */
struct nb_reader {
    const struct nb_tensor *t;
    bool in_place;
    int n;
    size_t size[NB_MAX_RANK], step[NB_MAX_RANK], index[NB_MAX_RANK], at;
};

static inline struct nb_reader nb_reader_of(const struct nb_tensor *t, const struct nb_shape *to)
{
    struct nb_reader r = {.t = t, .in_place = t->dtype == NB_DTYPE && nb_shape_same(&t->shape, to) == 1};
    size_t size[NB_MAX_RANK], step[NB_MAX_RANK], next = 1;
    int n = 0;
    for (int i = to->rank - 1; i >= 0; i--) { /* inner dimensions first */
        int j = i - (to->rank - t->shape.rank);
        size_t own = j >= 0 ? (size_t)t->shape.dim[j] : 1, here = own > 1 ? next : 0;
        next *= own;
        if (to->dim[i] == 1)
            continue;
        if (n > 0 && here == step[n - 1] * size[n - 1]) {
            size[n - 1] *= (size_t)to->dim[i];
        } else {
            size[n] = (size_t)to->dim[i];
            step[n++] = here;
        }
    }
    if (n == 0) {
        size[n] = 1;
        step[n++] = 0;
    }
    for (r.n = 0; r.n < n; r.n++) {
        r.size[r.n] = size[n - 1 - r.n];
        r.step[r.n] = step[n - 1 - r.n];
    }
    return r;
}

/* n entries from place `at`, all the same one if step is 0. */
static inline void nb_read_run(const struct nb_tensor *t, size_t at, size_t step, size_t n, nb_real *to)
{
    const char *from = (const char *)t->data + at * nb_dtype_size(t->dtype);
    if (t->dtype == NB_DTYPE)
        memcpy(to, from, (step ? n : 1) * sizeof *to);
    else
        nb_convert(NB_DTYPE, to, t->dtype, from, step ? n : 1);
    for (size_t i = 1; !step && i < n; i++)
        to[i] = to[0];
}

/* The next n entries: where they are, or copied into room. */
static inline const nb_real *nb_read(struct nb_reader *r, size_t n, nb_real *room)
{
    if (r->in_place) {
        r->at += n;
        return (const nb_real *)r->t->data + (r->at - n);
    }
    for (size_t done = 0, run; done < n; done += run) {
        int i = r->n - 1;
        run = r->size[i] - r->index[i] < n - done ? r->size[i] - r->index[i] : n - done;
        nb_read_run(r->t, r->at, r->step[i], run, room + done);
        r->at += run * r->step[i];
        r->index[i] += run;
        for (; i > 0 && r->index[i] == r->size[i]; i--) {
            r->at = r->at - r->size[i] * r->step[i] + r->step[i - 1];
            r->index[i] = 0;
            r->index[i - 1]++;
        }
    }
    return room;
}

/* f over operands spread to the shape `to`. */
static inline void nb_broadcast_run(nb_map *f, int n, const struct nb_tensor *const *t, const struct nb_shape *to,
                                    nb_real *out)
{
    enum { PIECE = 512 };
    nb_real room[NB_OPERANDS][PIECE];
    struct nb_reader r[NB_OPERANDS];
    const nb_real *in[NB_OPERANDS];
    size_t total = (size_t)nb_count(to), piece = total;
    if (total == 0)
        return;
    for (int k = 0; k < n; k++) {
        r[k] = nb_reader_of(t[k], to);
        piece = r[k].in_place || piece < PIECE ? piece : PIECE;
    }
    for (size_t at = 0; at < total; at += piece) {
        size_t m = total - at < piece ? total - at : piece;
        for (int k = 0; k < n; k++)
            in[k] = nb_read(&r[k], m, room[k]);
        nb_map_run(f, n, m, in, NULL, out + at);
    }
}

/* ---- modules ------------------------------------------------------------------------------------------------------
 */

/* The common shape of all inputs, and the memory backward needs to sum. */
static inline int nb_broadcast_infer(struct nb_infer *s, const struct nb_port *ports, struct nb_error *e)
{
    char left[200], right[200];
    struct nb_shape out = s->in[0];
    for (int i = 1; i < s->nin; i++)
        if (nb_broadcast(&out, &s->in[i], &s->out[0]))
            return nb_fail(e, NB_E_shape_mismatch, "%s is %s, %s is %s: aligned at the right, sizes are equal or 1",
                           i == 1 ? ports[0].name : "what comes before",
                           nb_shape_text(&out, s->symbols, left, sizeof left), ports[i].name,
                           nb_shape_text(&s->in[i], s->symbols, right, sizeof right));
        else
            out = s->out[0];
    for (int i = 0; i < s->nin; i++)
        if (nb_count(&out) > 0 && nb_shape_same(&s->in[i], &out) != 1)
            s->work = (size_t)nb_count(&out);
    return 0;
}

/* The gradient of one input: f over operands spread to the output's shape, summed over what was broadcast.
 * f NULL: it is g itself. */
static inline void nb_broadcast_back(const struct nb_call *c, nb_map *f, int n, const struct nb_tensor *const *t,
                                     const struct nb_tensor *gin)
{
    const struct nb_tensor *g = &c->gout[0];
    bool sum = nb_shape_same(&g->shape, &gin->shape) != 1;
    if (f)
        nb_broadcast_run(f, n, t, &g->shape, sum ? c->work : gin->data);
    if (sum || !f)
        NB(nb_fold)(&g->shape, f ? c->work : g->data, &gin->shape, gin->data);
}

/* A function of a and b: the loop of its value, and those of what goes back, over a, b and g. */
struct nb_binary {
    nb_map *value, *back[2];
};

static const struct nb_port nb_binary_ports[] = {{"a", NB_REAL_PORT, 0}, {"b", NB_REAL_PORT, 0}, {0}};
static const struct nb_case nb_binary_cases[] = {{NULL, "5x7 5x7", false},  {NULL, "5x7 7", false},
                                                 {NULL, "1 33", false},     {NULL, "3x1x5 7x1", false},
                                                 {NULL, "5x17 5x1", false}, {0}};

static inline int nb_binary_infer(struct nb_infer *s, struct nb_error *e)
{
    return nb_broadcast_infer(s, nb_binary_ports, e);
}

static inline int nb_binary_forward(const struct nb_binary *f, const struct nb_call *c)
{
    const struct nb_tensor *const t[] = {&c->in[0], &c->in[1]};
    nb_broadcast_run(f->value, 2, t, &c->out[0].shape, c->out[0].data);
    return 0;
}

static inline int nb_binary_backward(const struct nb_binary *f, const struct nb_call *c)
{
    const struct nb_tensor *const t[] = {&c->in[0], &c->in[1], &c->gout[0]};
    for (int i = 0; i < 2; i++)
        if (c->gin[i].data)
            nb_broadcast_back(c, f->back[i], 3, t, &c->gin[i]);
    return 0;
}

/* ---- branches ---------------------------------------------------------------------------------------------------- */

/* Where entry i of the shape `to` comes from in a tensor spread to it. */
static inline size_t nb_origin(const struct nb_shape *s, const struct nb_shape *to, size_t i)
{
    size_t origin = 0, step = 1;
    for (int d = to->rank - 1, k = s->rank - 1; k >= 0; d--, k--) {
        origin += s->dim[k] > 1 ? i % (size_t)to->dim[d] * step : 0;
        i /= (size_t)to->dim[d];
        step *= (size_t)s->dim[k];
    }
    return origin;
}

/* The two operands of entry i of the output. */
struct nb_pair {
    double a, b;
    size_t at[2];
};

static inline struct nb_pair nb_pair_at(const struct nb_call *c, size_t i)
{
    size_t a = nb_origin(&c->in[0].shape, &c->out[0].shape, i), b = nb_origin(&c->in[1].shape, &c->out[0].shape, i);
    return (struct nb_pair){nb_number(&c->in[0], a), nb_number(&c->in[1], b), {a, b}};
}

static inline size_t nb_pairs(const struct nb_call *c)
{
    return (size_t)nb_count(&c->out[0].shape);
}

/* Entry i of the output is at an edge: both operands are, the one first that is not spread and so meets no other. */
static inline void nb_pair_at_edge(const struct nb_call *c, struct nb_branches *b, const struct nb_pair *p, size_t i,
                                   enum nb_edge_kind kind)
{
    bool swap = c->in[0].dtype == NB_I64 || nb_count(&c->in[0].shape) != nb_count(&c->out[0].shape);
    for (int n = 0; n < 2; n++) {
        int k = swap ? 1 - n : n;
        if (c->in[k].dtype != NB_I64)
            nb_at_edge(b, k, (int64_t)p->at[k], kind, (int64_t)i);
    }
}

/* Which of two is the greater. */
static inline void nb_binary_branches(const struct nb_call *c, struct nb_branches *b)
{
    for (size_t i = 0; i < nb_pairs(c); i++) {
        struct nb_pair p = nb_pair_at(c, i);
        if (nb_side(b, p.a, p.b))
            nb_pair_at_edge(c, b, &p, i, NB_EDGE_SIDE);
    }
}

#define NB_BINARY_FORWARD(name)                                                                                        \
    static int name##_forward(const struct nb_call *c, struct nb_error *e)                                             \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return nb_binary_forward(&name, c);                                                                            \
    }
#define NB_BINARY_BACKWARD(name)                                                                                       \
    static int name##_backward(const struct nb_call *c, struct nb_error *e)                                            \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        return nb_binary_backward(&name, c);                                                                           \
    }

#endif
