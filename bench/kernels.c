/* kernels - times the inside of the process, one thread: each line `name nanoseconds`, the median of interleaved
 * rounds, in CPU time, which a busy machine disturbs least. Lines that begin with `bare` do the same with cblas and
 * plain loops alone. bench/kernels.py is PyTorch's side.
 *
 *     bench/kernels [ROUNDS [PART OF A NAME]]        0 rounds: only the first line, about the machine */
#define NB_BUILD 0
#include "graph/ask.h"
#include "nabla/blas.h"
#include "nabla/num.h"
#include "wire/lift.h"
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ROUNDS = 99, CASES = 16, NUMBERS = 50176 };

static struct nb_arena arena;
static struct nb_error error;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s at %s: %s\n", what, nb_code_name(error.code), error.pointer, error.detail);
    exit(1);
}

static float *random_floats(size_t n, uint64_t stream)
{
    float *v = nb_alloc(&arena, n, sizeof *v, &error);
    struct nb_stream s = {stream, 1};
    if (!v)
        die("memory");
    for (size_t i = 0; i < n; i++)
        v[i] = (float)nb_normal(s, i);
    return v;
}

/* ---- a graph, planned once, run again and again ---------------------------------------------------------------------
 */

enum feed { X, X_AND_LABELS, X_AND_COTANGENT };

struct asked {
    const char *name, *text;
    enum nb_ask ask;
    enum feed feed;
    const char *wrt;       /* NULL: all learned and x */
    int64_t outputs;       /* last size of the cotangent, 0: as x */
    struct nb_shape shape; /* of x */
};

#define MLP(a, b)                                                                                                      \
    "{\"inputs\": {\"x\": [\"B\", 784]}, \"outputs\": [\"y\"], \"nodes\": {\"y\": {\"in\": \"x\", \"chain\": [{"       \
    "\"Linear\": [784, " #a "]}, \"ReLU\", {\"Linear\": [" #a ", " #b "]}, \"ReLU\", {\"Linear\": [" #b ", 10]}]}}}"
#define ONE(op)                                                                                                        \
    "{\"inputs\": {\"x\": [\"N\"]}, \"nodes\": {\"y\": {\"op\": \"" op "\", \"in\": \"x\"}}, \"outputs\": [\"y\"]}"

static const struct asked cases[] = {
    {"mlp_b1_forward", MLP(256, 128), NB_ASK_FORWARD, X, NULL, 0, {2, {1, 784}}},
    {"mlp_b64_forward", MLP(256, 128), NB_ASK_FORWARD, X, NULL, 0, {2, {64, 784}}},
    {"mlp_b128_both", MLP(512, 256), NB_ASK_BACKWARD, X_AND_COTANGENT, "*", 10, {2, {128, 784}}},
    {"relu_1m_forward", ONE("ReLU"), NB_ASK_FORWARD, X, NULL, 0, {1, {1 << 20}}},
    {"sigmoid_1m_forward", ONE("Sigmoid"), NB_ASK_FORWARD, X, NULL, 0, {1, {1 << 20}}},
    {"tanh_1m_forward", ONE("Tanh"), NB_ASK_FORWARD, X, NULL, 0, {1, {1 << 20}}},
    {"softplus_1m_forward", ONE("Softplus"), NB_ASK_FORWARD, X, NULL, 0, {1, {1 << 20}}},
    {"softmax_ce_256x1000_both",
     "{\"inputs\": {\"x\": [\"B\", 1000], \"t\": {\"shape\": [\"B\"], \"dtype\": \"int64\"}}, \"outputs\": [\"loss\"], "
     "\"nodes\": {\"loss\": {\"op\": \"CrossEntropyLoss\", \"in\": [\"x\", \"t\"]}}}",
     NB_ASK_BACKWARD,
     X_AND_LABELS,
     NULL,
     0,
     {2, {256, 1000}}},
    {"batchnorm2d_1m_both",
     "{\"inputs\": {\"x\": [\"B\", 64, 32, 32]}, \"outputs\": [\"y\"], "
     "\"nodes\": {\"y\": {\"op\": \"BatchNorm2d\", \"in\": \"x\"}}}",
     NB_ASK_BACKWARD,
     X_AND_COTANGENT,
     NULL,
     0,
     {4, {16, 64, 32, 32}}},
    {"lenet_b64_both",
     "{\"inputs\": {\"x\": [\"B\", 1, 28, 28]}, \"outputs\": [\"y\"], \"nodes\": {\"y\": {\"in\": \"x\", \"chain\": ["
     "{\"Conv2d\": [1, 6, 5, 1, 2]}, \"ReLU\", {\"MaxPool2d\": 2}, {\"Conv2d\": [6, 16, 5]}, \"ReLU\", {\"MaxPool2d\": "
     "2}, "
     "\"Flatten\", {\"Linear\": [400, 120]}, \"ReLU\", {\"Linear\": [120, 84]}, \"ReLU\", {\"Linear\": [84, 10]}]}}}",
     NB_ASK_BACKWARD,
     X_AND_COTANGENT,
     "*",
     10,
     {4, {64, 1, 28, 28}}},
    {"conv2d_64_both",
     "{\"inputs\": {\"x\": [\"B\", 64, 32, 32]}, \"outputs\": [\"y\"], \"nodes\": {\"y\": {\"op\": \"Conv2d\", \"in\": "
     "\"x\", "
     "\"out_channels\": 64, \"kernel_size\": 3, \"padding\": 1}}}",
     NB_ASK_BACKWARD,
     X_AND_COTANGENT,
     NULL,
     0,
     {4, {16, 64, 32, 32}}},
};
enum { GRAPHS = sizeof cases / sizeof *cases };

struct subject {
    struct nb_run run;
    struct nb_session session;
    void **cotangent;
};

static struct nb_tensor random_tensor(const struct nb_shape *shape, uint64_t stream)
{
    return (struct nb_tensor){NB_F32, *shape, random_floats((size_t)nb_count(shape), stream)};
}

static void feed(const struct asked *c, struct nb_run *run)
{
    struct nb_tensor labels = {NB_I64, nb_shape_of(1, c->shape.dim[0]), NULL};
    struct nb_shape g = c->shape;
    nb_tensors_add(&arena, &run->inputs, "x", random_tensor(&c->shape, 7), &error);
    labels.data = nb_zalloc(&arena, (size_t)c->shape.dim[0], sizeof(int64_t), &error);
    if (c->feed == X_AND_LABELS)
        nb_tensors_add(&arena, &run->inputs, "t", labels, &error);
    if (c->outputs)
        g = nb_shape_of(2, c->shape.dim[0], c->outputs);
    run->cotangents_given = c->feed == X_AND_COTANGENT;
    if (run->cotangents_given)
        nb_tensors_add(&arena, &run->cotangents, "y", random_tensor(&g, 9), &error);
    if (error.code)
        die(c->name);
}

static void prepare(const struct asked *c, struct subject *x)
{
    json_t *j = json_loads(c->text, 0, NULL);
    struct nb_graph *g = nb_graph_new(j, NULL, (struct nb_seed){1, 1}, &error);
    bool drew = false;
    x->run =
        (struct nb_run){.train = true, .wrt_given = c->wrt != NULL, .wrt = {c->wrt != NULL, (const char **)&c->wrt}};
    json_decref(j);
    if (!g)
        die(c->name);
    feed(c, &x->run);
    struct nb_fed fed = nb_graph_fed(g, &x->run);
    struct nb_planned *p = nb_graph_plan(g, c->ask, &x->run, &arena, &error);
    if (!p || nb_session_new(&p->plan, NB_F32, &fed, &arena, &x->session, &drew, &error) ||
        (c->ask == NB_ASK_BACKWARD && nb_graph_cotangents(p, &x->run, NB_F32, &arena, &x->cotangent, &error)))
        die(c->name);
}

static void run_graph(void *subject)
{
    struct subject *x = subject;
    if (nb_session_forward(&x->session, &error) ||
        (x->cotangent && nb_session_backward(&x->session, x->cotangent, &error)))
        die("run");
}

/* ---- the same with cblas alone --------------------------------------------------------------------------------------
 */

enum { LAYERS = 3 };
static const int size[LAYERS + 1] = {784, 256, 128, 10};

struct bare {
    int batch;
    float *w[LAYERS], *b[LAYERS], *x[LAYERS + 1];
};

NB_SIMD static void rectify(size_t n, float *restrict x)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

static void run_bare(void *subject)
{
    struct bare *m = subject;
    for (int l = 0; l < LAYERS; l++) {
        int k = size[l], n = size[l + 1];
        for (int i = 0; i < m->batch; i++)
            memcpy(m->x[l + 1] + i * n, m->b[l], (size_t)n * sizeof(float));
        if (m->batch == 1)
            cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, m->w[l], k, m->x[l], 1, 1, m->x[l + 1], 1);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m->batch, n, k, 1, m->x[l], k, m->w[l], k, 1,
                        m->x[l + 1], n);
        if (l + 1 < LAYERS)
            rectify((size_t)(m->batch * n), m->x[l + 1]);
    }
}

static void prepare_bare(struct bare *m, int batch)
{
    m->batch = batch;
    for (int l = 0; l <= LAYERS; l++)
        m->x[l] = random_floats((size_t)(batch * size[l]), 10 + (uint64_t)l);
    for (int l = 0; l < LAYERS; l++) {
        m->w[l] = random_floats((size_t)(size[l] * size[l + 1]), 20 + (uint64_t)l);
        m->b[l] = random_floats((size_t)size[l + 1], 30 + (uint64_t)l);
    }
}

/* ---- numbers in JSON: a body of one batch of 64
 * ------------------------------------------------------------------------ */

struct text {
    char *v;
    size_t n;
};

static void write_numbers(struct text *x)
{
    struct nb_stream s = {5, 5};
    char *p = x->v = nb_small(&arena, NUMBERS, 16, &error);
    if (!p)
        die("memory");
    p += sprintf(p, "{\"inputs\":{\"x\":[");
    for (int i = 0; i < NUMBERS; i++)
        p += sprintf(p, "%s%.6g", i ? "," : "", nb_uniform(s, (uint64_t)i));
    p += sprintf(p, "]}}");
    x->n = (size_t)(p - x->v);
}

static void run_lift(void *subject)
{
    static struct nb_arena own = {.cap = 1 << 30, .limit = "memory"};
    struct text *x = subject;
    struct nb_tensors to = {0};
    struct nb_lift_rule rule = {"/inputs/*", &to};
    json_t *rest;
    if (nb_lift(x->v, x->n, &rule, 1, &own, &rest, &error))
        die("lift");
    json_decref(rest);
    nb_arena_reset(&own, 1 << 26);
}

static void run_strtod(void *subject)
{
    struct text *x = subject;
    volatile double last;
    for (char *p = strchr(x->v, '[') + 1; *p != ']'; p += *p == ',')
        last = strtod(p, &p);
    (void)last;
}

static void run_jansson(void *subject)
{
    struct text *x = subject;
    json_decref(json_loadb(x->v, x->n, 0, NULL));
}

/* ---- rounds
 * ------------------------------------------------------------------------------------------------------------ */

struct timed {
    const char *name;
    void (*run)(void *);
    void *subject;
    double of; /* divided by this many */
    double ns[MOST_ROUNDS];
};

static double time_once(const struct timed *t)
{
    enum { SLICE = 20000000 };
    int times = 0;
    t->run(t->subject);
    double start = now(), end = start;
    for (int more = 1; end - start < SLICE; more *= 2) {
        for (int i = 0; i < more; i++)
            t->run(t->subject);
        times += more;
        end = now();
    }
    return (end - start) / times / t->of;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int only(struct timed *t, int n, const char *part)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (strstr(t[i].name, part))
            t[kept++] = t[i];
    return kept;
}

static void time_all(struct timed *t, int n, int rounds)
{
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < n; i++)
            t[i].ns[r] = time_once(&t[i]);
    for (int i = 0; i < n; i++) {
        qsort(t[i].ns, (size_t)rounds, sizeof(double), by_size);
        printf("%s %.2f\n", t[i].name, t[i].ns[rounds / 2]);
    }
}

int main(int argc, char **argv)
{
    static struct timed t[CASES];
    static struct subject graphs[GRAPHS];
    static struct bare one, many;
    static struct text numbers;
    int n = 0, rounds = argc > 1 ? atoi(argv[1]) : 5;
    nb_blas_restart(argv);
    nb_arena_init(&arena, (size_t)4 << 30);
    if (nb_blas_start(&error))
        die("OpenBLAS");
    printf("# core %s isa %s %s\n", nb_blas_core(), nb_isa(), nb_blas_config());
    if (rounds < 1)
        return 0;
    for (int i = 0; i < GRAPHS; i++) {
        prepare(&cases[i], &graphs[i]);
        t[n++] = (struct timed){cases[i].name, run_graph, &graphs[i], 1, {0}};
    }
    prepare_bare(&one, 1);
    prepare_bare(&many, 64);
    write_numbers(&numbers);
    t[n++] = (struct timed){"bare_mlp_b1_forward", run_bare, &one, 1, {0}};
    t[n++] = (struct timed){"bare_mlp_b64_forward", run_bare, &many, 1, {0}};
    t[n++] = (struct timed){"number_lift", run_lift, &numbers, NUMBERS, {0}};
    t[n++] = (struct timed){"number_strtod", run_strtod, &numbers, NUMBERS, {0}};
    t[n++] = (struct timed){"number_jansson", run_jansson, &numbers, NUMBERS, {0}};
    time_all(t, only(t, n, argc > 2 ? argv[2] : ""), rounds > MOST_ROUNDS ? MOST_ROUNDS : rounds);
    return 0;
}
