/* kernels - times the inside of the process, one thread: each line `name nanoseconds`, the median of interleaved
 * rounds, in CPU time, which a busy machine disturbs least. Lines that begin with `bare` do the same with cblas and
 * plain loops alone. bench/kernels.py is PyTorch's side.
 *
 *     bench/kernels [ROUNDS [PART OF A NAME]]        0 rounds: only the first line, about the machine
 *     bench/kernels memory NAME                      `name bytes`: by how much this graph makes the process grow */
#define NB_BUILD 0
#include "graph/ask.h"
#include "nabla/blas.h"
#include "nabla/num.h"
#include "wire/lift.h"
#include <cblas.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ROUNDS = 99, CASES = 32, NUMBERS = 50176 };

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
    struct nb_shape shape; /* of x */
    enum nb_ask ask;
    enum feed feed;
    const char *wrt;    /* NULL: all learned and x */
    const char *output; /* that the cotangent is of; NULL: y */
    int64_t outputs;    /* its last size; 0: its shape is that of x */
};

#define MLP(a, b)                                                                                                      \
    "{\"inputs\": {\"x\": [\"B\", 784]}, \"outputs\": [\"y\"], \"nodes\": {\"y\": {\"in\": \"x\", \"chain\": [{"       \
    "\"Linear\": [784, " #a "]}, \"ReLU\", {\"Linear\": [" #a ", " #b "]}, \"ReLU\", {\"Linear\": [" #b ", 10]}]}}}"
#define ONE(op)                                                                                                        \
    "{\"inputs\": {\"x\": [\"N\"]}, \"nodes\": {\"y\": {\"op\": \"" op "\", \"in\": \"x\"}}, \"outputs\": [\"y\"]}"
#define IMAGES(nodes) "{\"inputs\": {\"x\": [\"B\", 64, 32, 32]}, \"nodes\": {" nodes "}, \"outputs\": [\"y\"]}"
#define CONV3 "{\"Conv2d\": {\"out_channels\": 64, \"kernel_size\": 3, \"padding\": 1, \"bias\": false}}"
#define BOTH .ask = NB_ASK_BACKWARD, .feed = X_AND_COTANGENT

static const struct asked cases[] = {
    {"mlp_b1_forward", MLP(256, 128), {2, {1, 784}}, .ask = NB_ASK_FORWARD},
    {"mlp_b64_forward", MLP(256, 128), {2, {64, 784}}, .ask = NB_ASK_FORWARD},
    {"mlp_b128_both", MLP(512, 256), {2, {128, 784}}, BOTH, .wrt = "*", .outputs = 10},
    {"relu_1m_forward", ONE("ReLU"), {1, {1 << 20}}, .ask = NB_ASK_FORWARD},
    {"sigmoid_1m_forward", ONE("Sigmoid"), {1, {1 << 20}}, .ask = NB_ASK_FORWARD},
    {"tanh_1m_forward", ONE("Tanh"), {1, {1 << 20}}, .ask = NB_ASK_FORWARD},
    {"softplus_1m_forward", ONE("Softplus"), {1, {1 << 20}}, .ask = NB_ASK_FORWARD},
    {"relu_1m_both", ONE("ReLU"), {1, {1 << 20}}, BOTH},
    {"leaky_relu_1m_both", ONE("LeakyReLU"), {1, {1 << 20}}, BOTH},
    {"elu_1m_both", ONE("ELU"), {1, {1 << 20}}, BOTH},
    {"sigmoid_1m_both", ONE("Sigmoid"), {1, {1 << 20}}, BOTH},
    {"tanh_1m_both", ONE("Tanh"), {1, {1 << 20}}, BOTH},
    {"softplus_1m_both", ONE("Softplus"), {1, {1 << 20}}, BOTH},
    {"silu_1m_both", ONE("SiLU"), {1, {1 << 20}}, BOTH},
    {"gelu_1m_both", ONE("GELU"), {1, {1 << 20}}, BOTH},
    {"softmax_ce_256x1000_both",
     "{\"inputs\": {\"x\": [\"B\", 1000], \"t\": {\"shape\": [\"B\"], \"dtype\": \"int64\"}}, \"outputs\": [\"loss\"], "
     "\"nodes\": {\"loss\": {\"op\": \"CrossEntropyLoss\", \"in\": [\"x\", \"t\"]}}}",
     {2, {256, 1000}},
     .ask = NB_ASK_BACKWARD,
     .feed = X_AND_LABELS},
    {"batchnorm2d_1m_both", IMAGES("\"y\": {\"op\": \"BatchNorm2d\", \"in\": \"x\"}"), {4, {16, 64, 32, 32}}, BOTH},
    {"conv2d_64_both", IMAGES("\"y\": {\"in\": \"x\", \"chain\": [" CONV3 "]}"), {4, {16, 64, 32, 32}}, BOTH},
    {"residual_b16_both",
     IMAGES("\"f\": {\"in\": \"x\", \"chain\": [" CONV3 ", \"BatchNorm2d\", \"ReLU\", " CONV3 ", \"BatchNorm2d\"]}, "
            "\"s\": {\"op\": \"Add\", \"in\": [\"f\", \"x\"]}, \"y\": {\"op\": \"ReLU\", \"in\": \"s\"}"),
     {4, {16, 64, 32, 32}},
     BOTH},
    {"lenet_b64_both",
     "{\"inputs\": {\"x\": [\"B\", 1, 28, 28]}, \"outputs\": [\"y\"], \"nodes\": {\"y\": {\"in\": \"x\", \"chain\": ["
     "{\"Conv2d\": [1, 6, 5, 1, 2]}, \"ReLU\", {\"MaxPool2d\": 2}, {\"Conv2d\": [6, 16, 5]}, \"ReLU\", {\"MaxPool2d\": "
     "2}, "
     "\"Flatten\", {\"Linear\": [400, 120]}, \"ReLU\", {\"Linear\": [120, 84]}, \"ReLU\", {\"Linear\": [84, 10]}]}}}",
     {4, {64, 1, 28, 28}},
     BOTH,
     .wrt = "*",
     .outputs = 10},
    {"lstm_t50_b32_both",
     "{\"inputs\": {\"x\": [\"T\", \"B\", 128]}, \"outputs\": [\"y.output\"], "
     "\"nodes\": {\"y\": {\"op\": \"LSTM\", \"in\": \"x\", \"hidden_size\": 128}}}",
     {3, {50, 32, 128}},
     BOTH,
     .output = "y.output"},
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
        nb_tensors_add(&arena, &run->cotangents, c->output ? c->output : "y", random_tensor(&g, 9), &error);
    if (error.code)
        die(c->name);
}

/* The graph with its learned tensors, and what it is fed. */
static struct nb_graph *open_graph(const struct asked *c, struct nb_run *run)
{
    json_t *j = json_loads(c->text, 0, NULL);
    struct nb_graph *g = nb_graph_new(j, NULL, (struct nb_seed){1, 1}, &error);
    json_decref(j);
    *run = (struct nb_run){.train = true, .wrt_given = c->wrt != NULL, .wrt = {c->wrt != NULL, (const char **)&c->wrt}};
    if (!g)
        die(c->name);
    feed(c, run);
    return g;
}

static struct nb_planned *plan(const struct asked *c, struct nb_graph *g, const struct nb_run *run)
{
    struct nb_planned *p = nb_graph_plan(g, c->ask, run, &arena, &error);
    if (!p)
        die(c->name);
    return p;
}

static void open_session(const struct asked *c, struct nb_graph *g, struct nb_planned *p, struct subject *x)
{
    bool drew = false;
    struct nb_fed fed = nb_graph_fed(g, &x->run);
    if (nb_session_new(&p->plan, NB_F32, &fed, &arena, &x->session, &drew, &error) ||
        (c->ask == NB_ASK_BACKWARD && nb_graph_cotangents(p, &x->run, NB_F32, &arena, &x->cotangent, &error)))
        die(c->name);
}

static void prepare(const struct asked *c, struct subject *x)
{
    struct nb_graph *g = open_graph(c, &x->run);
    open_session(c, g, plan(c, g, &x->run), x);
}

static void run_graph(void *subject)
{
    struct subject *x = subject;
    if (nb_session_forward(&x->session, &error) ||
        (x->cotangent && nb_session_backward(&x->session, x->cotangent, &error)))
        die("run");
}

/* ---- the memory of a run: by how much the process grows once it has the plan and all numbers that go in ------------
 */

static long kibibytes(const char *key)
{
    char line[128];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && kib < 0 && fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key)))
            kib = atol(line + strlen(key));
    if (f)
        fclose(f);
    return kib;
}

/* From now on the peak (VmHWM) counts anew. */
static void forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    malloc_trim(0);
    if (!f || fputs("5", f) < 0 || fclose(f))
        die("/proc/self/clear_refs");
}

static int measure_memory(const char *name)
{
    static struct subject warm, x;
    const struct asked *c = cases;
    while (c < cases + GRAPHS && strcmp(c->name, name))
        c++;
    if (c == cases + GRAPHS)
        return fprintf(stderr, "no case %s\n", name), 2;
    struct asked small = *c; /* with it comes what is there once for all: code, OpenBLAS's buffers */
    small.shape.dim[0] = 1;
    prepare(&small, &warm);
    run_graph(&warm);
    struct nb_graph *g = open_graph(c, &x.run);
    struct nb_planned *p = plan(c, g, &x.run);
    forget_peak();
    long before = kibibytes("VmRSS:");
    open_session(c, g, p, &x);
    for (int i = 0; i < 3; i++)
        run_graph(&x);
    printf("%s %ld\n", name, (kibibytes("VmHWM:") - before) * 1024);
    return 0;
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

static void measure_times(int rounds, const char *part)
{
    static struct timed t[CASES];
    static struct subject graphs[GRAPHS];
    static struct bare one, many;
    static struct text numbers;
    int n = 0;
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
    time_all(t, only(t, n, part), rounds);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    nb_blas_restart(argv);
    nb_arena_init(&arena, (size_t)4 << 30);
    if (nb_blas_start(&error))
        die("OpenBLAS");
    if (argc > 2 && !strcmp(argv[1], "memory"))
        return measure_memory(argv[2]);
    printf("# core %s isa %s %s\n", nb_blas_core(), nb_isa(), nb_blas_config());
    if (rounds > 0)
        measure_times(rounds > MOST_ROUNDS ? MOST_ROUNDS : rounds, argc > 2 ? argv[2] : "");
    return 0;
}
