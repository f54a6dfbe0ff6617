/* kernels - times the inside of the process, one thread: each line `name nanoseconds`, the median of interleaved rounds.
 * Lines that begin with `bare` do the same with cblas and plain loops alone. bench/kernels.py puts PyTorch beside them. */
#include "graph/ask.h"
#include "graph/value.h"
#include "nabla/blas.h"
#include "wire/lift.h"
#include <cblas.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, CASES = 32, NUMBERS = 200000 };

static struct nb_arena arena;
static struct nb_error error;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s at %s: %s\n", what, nb_code_name(error.code), error.pointer, error.detail);
    exit(1);
}

static float *random_floats(size_t n, uint64_t stream)
{
    float *v = aligned_alloc(64, (n * sizeof *v + 63) / 64 * 64);
    struct nb_stream s = {stream, 1};
    for (size_t i = 0; i < n; i++)
        v[i] = (float)nb_normal(s, i);
    return v;
}

/* ---- a graph, planned once, run again and again --------------------------------------------------------------------------- */

struct subject {
    struct nb_graph *g;
    struct nb_planned *p;
    struct nb_session s;
    void **cotangent;
};

static void prepare(struct subject *x, const char *text, const char *name, int rank, const int64_t *dim, const char *wrt, const char *out)
{
    json_t *j = json_loads(text, 0, NULL);
    struct nb_tensor in = {.dtype = NB_F32, .shape.rank = rank}, labels = {.dtype = NB_I64, .shape.rank = 1}, c = in;
    memcpy(in.shape.dim, dim, (size_t)rank * sizeof *dim);
    in.data = random_floats((size_t)nb_count(&in.shape), 7);
    struct nb_run run = {.wrt_given = wrt != NULL, .train = true};
    if (!(x->g = nb_graph_new(j, NULL, (struct nb_seed){1, 1}, &error)))
        die(text);
    json_decref(j);
    nb_tensors_add(&arena, &run.inputs, name, in, &error);
    labels.shape.dim[0] = dim[0];
    labels.data = calloc((size_t)dim[0], sizeof(int64_t));
    if (strstr(text, "\"t\""))
        nb_tensors_add(&arena, &run.inputs, "t", labels, &error);
    if (wrt)
        run.wrt = (struct nb_strings_list){1, &wrt};
    if (out) { /* a cotangent of the output's shape: here always the input's, or [B, 10] */
        c = in;
        if (strstr(text, "Linear"))
            c.shape.dim[1] = 10;
        c.data = random_floats((size_t)nb_count(&c.shape), 9);
        run.cotangents_given = true;
        nb_tensors_add(&arena, &run.cotangents, out, c, &error);
    }
    enum nb_ask ask = out || strstr(text, "\"loss\"") ? NB_ASK_BACKWARD : NB_ASK_FORWARD;
    struct nb_run *keep = malloc(sizeof *keep);
    *keep = run;
    struct nb_fed fed = nb_graph_fed(x->g, keep);
    bool drew = false;
    if (!(x->p = nb_graph_plan(x->g, ask, keep, &arena, &error)) ||
        nb_session_new(&x->p->plan, NB_F32, &fed, &arena, &x->s, &drew, &error) ||
        (ask == NB_ASK_BACKWARD && nb_graph_cotangents(x->p, keep, NB_F32, &arena, &x->cotangent, &error)))
        die(text);
}

static void run_forward(void *subject)
{
    struct subject *x = subject;
    if (nb_session_forward(&x->s, &error))
        die("forward");
}

static void run_both(void *subject)
{
    struct subject *x = subject;
    if (nb_session_forward(&x->s, &error) || nb_session_backward(&x->s, x->cotangent, &error))
        die("backward");
}

/* ---- the same with cblas alone ------------------------------------------------------------------------------------------------ */

struct bare {
    int batch, layers, size[4];
    float *w[3], *b[3], *x[4];
};

static void run_bare(void *subject)
{
    struct bare *m = subject;
    for (int l = 0; l < m->layers; l++) {
        int k = m->size[l], n = m->size[l + 1];
        for (int i = 0; i < m->batch; i++)
            memcpy(m->x[l + 1] + i * n, m->b[l], (size_t)n * sizeof(float));
        if (m->batch == 1)
            cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, m->w[l], k, m->x[l], 1, 1, m->x[l + 1], 1);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m->batch, n, k, 1, m->x[l], k, m->w[l], k, 1, m->x[l + 1], n);
        for (int i = 0; i < m->batch * n && l + 1 < m->layers; i++)
            m->x[l + 1][i] = m->x[l + 1][i] > 0 ? m->x[l + 1][i] : 0;
    }
}

static void prepare_bare(struct bare *m, int batch)
{
    const int size[4] = {784, 256, 128, 10};
    *m = (struct bare){.batch = batch, .layers = 3};
    memcpy(m->size, size, sizeof size);
    for (int l = 0; l < 4; l++)
        m->x[l] = random_floats((size_t)(batch * size[l]), (uint64_t)l);
    for (int l = 0; l < 3; l++) {
        m->w[l] = random_floats((size_t)(size[l] * size[l + 1]), 20 + (uint64_t)l);
        m->b[l] = random_floats((size_t)size[l + 1], 30 + (uint64_t)l);
    }
}

/* ---- numbers --------------------------------------------------------------------------------------------------------------------- */

struct numbers {
    char *text;
    size_t n;
};

static void write_numbers(struct numbers *x)
{
    x->text = malloc(NUMBERS * 16 + 40);
    struct nb_stream s = {5, 5};
    char *p = x->text + sprintf(x->text, "{\"inputs\":{\"x\":[");
    for (int i = 0; i < NUMBERS; i++)
        p += sprintf(p, "%s%.6g", i ? "," : "", (double)(float)nb_uniform(s, (uint64_t)i));
    p += sprintf(p, "]}}");
    x->n = (size_t)(p - x->text);
}

static void run_lift(void *subject)
{
    struct numbers *x = subject;
    static struct nb_arena own;
    struct nb_tensors to = {0};
    struct nb_lift_rule rule = {"/inputs/*", &to};
    json_t *rest = NULL;
    if (!own.cap)
        nb_arena_init(&own, 1 << 30);
    if (nb_lift(x->text, x->n, &rule, 1, &own, &rest, &error))
        die("lift");
    json_decref(rest);
    nb_arena_reset(&own, 1 << 26);
}

static void run_strtod(void *subject)
{
    struct numbers *x = subject;
    volatile double sum = 0;
    for (char *p = strchr(x->text, '[') + 1; *p != ']';) {
        sum = sum + strtod(p, &p);
        p += *p == ',';
    }
}

static void run_jansson(void *subject)
{
    struct numbers *x = subject;
    json_decref(json_loadb(x->text, x->n, 0, NULL));
}

/* ---- rounds ------------------------------------------------------------------------------------------------------------------------ */

struct timed {
    const char *name;
    void (*run)(void *);
    void *subject;
    double per; /* divide by this many */
    double ns[ROUNDS];
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void time_all(struct timed *t, int n)
{
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < n; i++) {
            t[i].run(t[i].subject);
            double one = now();
            t[i].run(t[i].subject);
            one = now() - one;
            int times = one > 2e7 ? 1 : (int)(2e7 / (one + 50)) + 1;
            double start = now();
            for (int k = 0; k < times; k++)
                t[i].run(t[i].subject);
            t[i].ns[r] = (now() - start) / times / t[i].per;
        }
    for (int i = 0; i < n; i++) {
        qsort(t[i].ns, ROUNDS, sizeof(double), by_size);
        printf("%s %.2f\n", t[i].name, t[i].ns[ROUNDS / 2]);
    }
}

#define MLP(a, b)                                                                                                      \
    "{\"inputs\":{\"x\":[\"B\",784]},\"nodes\":{\"y\":{\"chain\":[{\"Linear\":[784," #a "]},\"ReLU\",{\"Linear\":[" #a "," #b \
    "]},\"ReLU\",{\"Linear\":[" #b ",10]}],\"in\":\"x\"}},\"outputs\":[\"y\"]}"
#define ONE(op) "{\"inputs\":{\"x\":[\"N\"]},\"nodes\":{\"y\":{\"op\":\"" op "\",\"in\":\"x\"}},\"outputs\":[\"y\"]}"

int main(void)
{
    static struct timed t[CASES];
    static struct subject s[CASES];
    static struct bare bare[2];
    static struct numbers numbers;
    int n = 0;
    nb_arena_init(&arena, (size_t)4 << 30);
    if (nb_blas_start(&error))
        die("blas");
    printf("# core %s isa %s\n", nb_blas_core(), nb_isa());
    prepare_bare(&bare[0], 1);
    prepare_bare(&bare[1], 64);
    write_numbers(&numbers);
    const struct { const char *name, *text, *wrt, *out; int rank; int64_t dim[4]; } cases[] = {
        {"mlp_b1_forward", MLP(256, 128), NULL, NULL, 2, {1, 784}},
        {"mlp_b64_forward", MLP(256, 128), NULL, NULL, 2, {64, 784}},
        {"mlp_b128_both", MLP(512, 256), "*", "y", 2, {128, 784}},
        {"relu_1m_forward", ONE("ReLU"), NULL, NULL, 1, {1 << 20}},
        {"tanh_1m_forward", ONE("Tanh"), NULL, NULL, 1, {1 << 20}},
        {"softplus_1m_forward", ONE("Softplus"), NULL, NULL, 1, {1 << 20}},
        {"sigmoid_1m_forward", ONE("Sigmoid"), NULL, NULL, 1, {1 << 20}},
        {"softmax_ce_256x1000_both",
         "{\"inputs\":{\"x\":[\"B\",1000],\"t\":{\"shape\":[\"B\"],\"dtype\":\"int64\"}},\"nodes\":{\"loss\":{\"op\":"
         "\"CrossEntropyLoss\",\"in\":[\"x\",\"t\"]}},\"outputs\":[\"loss\"]}", NULL, NULL, 2, {256, 1000}},
        {"batchnorm2d_1m_both",
         "{\"inputs\":{\"x\":[\"B\",64,32,32]},\"nodes\":{\"y\":{\"op\":\"BatchNorm2d\",\"in\":\"x\"}},\"outputs\":[\"y\"]}", NULL,
         "y", 4, {16, 64, 32, 32}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        prepare(&s[i], cases[i].text, "x", cases[i].rank, cases[i].dim, cases[i].wrt, cases[i].out);
        t[n++] = (struct timed){cases[i].name, strstr(cases[i].name, "both") ? run_both : run_forward, &s[i], 1, {0}};
    }
    t[n++] = (struct timed){"bare_mlp_b1_forward", run_bare, &bare[0], 1, {0}};
    t[n++] = (struct timed){"bare_mlp_b64_forward", run_bare, &bare[1], 1, {0}};
    t[n++] = (struct timed){"number_lift", run_lift, &numbers, NUMBERS, {0}};
    t[n++] = (struct timed){"number_strtod", run_strtod, &numbers, NUMBERS, {0}};
    t[n++] = (struct timed){"number_jansson", run_jansson, &numbers, NUMBERS, {0}};
    time_all(t, n);
    return 0;
}
