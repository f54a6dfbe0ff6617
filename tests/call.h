/* call.h - one module called directly, without a graph: for tests of closed forms and identities.
 *
 *     struct call c;
 *     call_begin(&c, NB_F64, "MSELoss", "{\"reduction\": \"sum\"}");
 *     call_input(&c, "2x1", (double[]){1.5, -3.5});
 *     call_input(&c, "2x1", (double[]){1, 0});
 *     call_forward(&c), call_backward(&c, NULL);
 *     ... c.out[0], c.gin[0] by call_at ...
 *     call_end(&c); */
#ifndef NABLA_TESTS_CALL_H
#define NABLA_TESTS_CALL_H
#include "graph/arguments.h"
#include "nabla/module.h"
#include "nabla/rng.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MAX = 8 };

#define V(...) ((const double[]){__VA_ARGS__})
#define LENGTH(a) (sizeof(a) / sizeof *(a))

struct call {
    const struct nb_module *m;
    enum nb_dtype dtype;
    bool train;
    struct nb_arena arena;
    struct nb_error error;
    void *args;
    int nin, nout, nw;
    size_t saved, work;
    struct nb_tensor in[CALL_MAX], out[CALL_MAX], gin[CALL_MAX], gout[CALL_MAX], w[CALL_MAX], gw[CALL_MAX];
    bool buffer[CALL_MAX];
    struct nb_infer infer;
    struct nb_shape shape[CALL_MAX], outs[CALL_MAX];
    bool integer[CALL_MAX];
    void *saved_data, *work_data;
};

/* Our own mistake, not the module's. */
static inline void call_must(int bad, const struct call *c)
{
    if (bad) {
        fprintf(stderr, "%s: %s\n", c->m ? c->m->type : "?", c->error.detail);
        abort();
    }
}

/* args: a JSON object, or NULL. */
static inline void call_begin(struct call *c, enum nb_dtype dtype, const char *type, const char *args)
{
    memset(c, 0, sizeof *c);
    c->dtype = dtype;
    nb_arena_init(&c->arena, (size_t)1 << 30);
    c->m = nb_module_at(dtype, nb_module_find(type));
    json_t *j = json_loads(args ? args : "{}", 0, NULL);
    call_must(!j || nb_args_read(c->m, j, false, NULL, &c->arena, &c->args, &c->error), c);
    json_decref(j);
}

static inline void call_end(struct call *c)
{
    nb_arena_done(&c->arena);
}

static inline struct nb_shape call_shape(const char *text)
{
    struct nb_shape s = {.rank = 0};
    for (char *end; *text; text = *end == 'x' ? end + 1 : end)
        s.dim[s.rank++] = strtoll(text, &end, 10);
    return s;
}

static inline void call_add(struct call *c, enum nb_dtype dtype, const char *shape, enum nb_dtype from, const void *v)
{
    struct nb_shape s = call_shape(shape);
    call_must(nb_tensor_new(&c->arena, dtype, &s, &c->in[c->nin], &c->error), c);
    nb_convert(dtype, c->in[c->nin].data, from, v, (size_t)nb_count(&s));
    c->nin++;
}

static inline void call_input(struct call *c, const char *shape, const double *v)
{
    call_add(c, c->dtype, shape, NB_F64, v);
}

static inline void call_classes(struct call *c, const char *shape, const int64_t *v)
{
    call_add(c, NB_I64, shape, NB_I64, v);
}

static inline void call_absent(struct call *c)
{
    c->in[c->nin++] = (struct nb_tensor){c->dtype, {.rank = -1}, NULL};
}

static inline double call_at(const struct nb_tensor *t, size_t i)
{
    double v;
    nb_convert(NB_F64, &v, t->dtype, (const char *)t->data + i * nb_dtype_size(t->dtype), 1);
    return v;
}

static inline void call_set(const struct nb_tensor *t, size_t i, double v)
{
    nb_convert(t->dtype, (char *)t->data + i * nb_dtype_size(t->dtype), NB_F64, &v, 1);
}

/* At most tolerance * max(|want|, 1) away; or both are NaN. */
static inline bool call_close(double got, double want, double tolerance)
{
    return isnan(want) ? isnan(got) : got == want || fabs(got - want) <= tolerance * fmax(fabs(want), 1);
}

static inline void call_near(const struct nb_tensor *t, size_t i, double want, double tolerance)
{
    double got = call_at(t, i);
    ck_assert_msg(call_close(got, want, tolerance), "%s, entry %zu: %.17g, wanted is %.17g", nb_dtype_name(t->dtype), i,
                  got, want);
}

static inline void call_all_near(const struct nb_tensor *t, const double *want, double tolerance)
{
    for (size_t i = 0; i < (size_t)nb_count(&t->shape); i++)
        call_near(t, i, want[i], tolerance);
}

static inline void call_same(const struct nb_tensor *t, const double *want)
{
    call_all_near(t, want, 0);
}

/* A few roundings: of one number, of all entries of a tensor. */
static inline void near(double got, double want)
{
    ck_assert_msg(call_close(got, want, 2e-15), "%.17g, wanted is %.17g", got, want);
}

#define NEAR(t, ...)                                                                                                   \
    do {                                                                                                               \
        ck_assert_int_eq(nb_count(&(t).shape), LENGTH(V(__VA_ARGS__)));                                                \
        call_all_near(&(t), V(__VA_ARGS__), 2e-15);                                                                    \
    } while (0)

/* The error of a call, which ends. */
static inline void call_fails(struct call *c, enum nb_code code, int port, const char *pointer)
{
    ck_assert_msg(c->error.code == code, "%s: %s", nb_code_name(c->error.code), c->error.detail);
    ck_assert_int_eq(c->error.port, port);
    ck_assert_str_eq(c->error.pointer, pointer);
    call_end(c);
}

static inline void call_fill(double *x, size_t n, const char *name, double lo, double hi)
{
    struct nb_stream s = nb_stream_of((struct nb_seed){7, 0}, name);
    for (size_t i = 0; i < n; i++)
        x[i] = lo + (hi - lo) * nb_uniform(s, i);
}

/* Shapes, learned tensors (ones and zeros; call_set changes them before call_run), memory. */
static inline int call_infer(struct call *c)
{
    static const char *const no_symbols[] = {NULL};
    for (int i = 0; i < c->nin; i++) {
        c->shape[i] = c->in[i].shape;
        c->integer[i] = c->in[i].dtype == NB_I64;
    }
    c->nout = c->m->output_names ? (int)c->m->output_names(c->args).n : 1;
    for (const char *const *o = c->m->outputs; o && *o; o++)
        c->nout = (int)(o - c->m->outputs) + 1;
    c->infer = (struct nb_infer){.args = c->args,
                                 .nin = c->nin,
                                 .in = c->shape,
                                 .integer = c->integer,
                                 .train = c->train,
                                 .symbols = no_symbols,
                                 .arena = &c->arena,
                                 .nout = c->nout,
                                 .out = c->outs};
    if (c->m->infer(&c->infer, &c->error))
        return -1;
    c->nw = c->infer.nw;
    for (int i = 0; i < c->nw; i++) {
        const struct nb_weight *w = &c->infer.w[i];
        c->buffer[i] = w->buffer;
        call_must(nb_tensor_new(&c->arena, c->dtype, &w->shape, &c->w[i], &c->error), c);
        for (size_t k = 0; k < (size_t)nb_count(&w->shape); k++)
            call_set(&c->w[i], k, w->init.kind == NB_INIT_ONES);
    }
    for (int i = 0; i < c->nout; i++)
        call_must(nb_tensor_new(&c->arena, c->dtype, &c->outs[i], &c->out[i], &c->error), c);
    c->saved_data = nb_alloc(&c->arena, c->infer.saved, nb_dtype_size(c->dtype), &c->error);
    c->work_data = nb_alloc(&c->arena, c->infer.work, nb_dtype_size(c->dtype), &c->error);
    call_must(!c->saved_data || !c->work_data, c);
    return 0;
}

static inline struct nb_call call_view(struct call *c)
{
    return (struct nb_call){.args = c->args,
                            .train = c->train,
                            .nin = c->nin,
                            .nout = c->nout,
                            .nw = c->nw,
                            .in = c->in,
                            .w = c->w,
                            .out = c->out,
                            .gout = c->gout,
                            .gin = c->gin,
                            .gw = c->gw,
                            .saved = c->saved_data,
                            .work = c->work_data};
}

static inline int call_run(struct call *c)
{
    struct nb_call view = call_view(c);
    return c->m->forward(&view, &c->error);
}

static inline int call_forward(struct call *c)
{
    return call_infer(c) ? -1 : call_run(c);
}

static inline void call_gradient(struct call *c, const struct nb_tensor *of, struct nb_tensor *to)
{
    *to = (struct nb_tensor){c->dtype, of->shape, NULL};
    if (of->data && of->dtype != NB_I64)
        call_must(nb_tensor_new(&c->arena, c->dtype, &of->shape, to, &c->error), c);
}

/* g: the cotangent of the first output, NULL for ones; those of the others are 0. Gradients of everything real. */
static inline void call_backward(struct call *c, const double *g)
{
    for (int i = 0; i < c->nout; i++) {
        call_gradient(c, &c->out[i], &c->gout[i]);
        for (size_t k = 0; k < (size_t)nb_count(&c->out[i].shape); k++)
            call_set(&c->gout[i], k, i ? 0 : g ? g[k] : 1);
    }
    for (int i = 0; i < c->nin; i++)
        call_gradient(c, &c->in[i], &c->gin[i]);
    for (int i = 0; i < c->nw; i++)
        if (!c->buffer[i])
            call_gradient(c, &c->w[i], &c->gw[i]);
    struct nb_call view = call_view(c);
    call_must(c->m->backward(&view, &c->error), c);
}

#endif
