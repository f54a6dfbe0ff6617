/* step - one step of training inside the process beside the same step asked for over HTTP: the same graph, batch and
 * optimiser, in turns, one connection. Lines `name nanoseconds`, medians of wall time; the losses must agree to the
 * bit. bench/training.py starts it, and the server.
 *
 *     bench/step PORT STEPS GRAPH.json BATCH.safetensors BATCH.json
 *
 * The server has the graphs `safetensors` and `json`, from the seed 1. */
#include "http/recipe.h"
#include "nabla/blas.h"
#include "train/step.h"
#include "wire/safetensors.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_A_TURN = 20, MOST_STEPS = 20000, ROOM = 1 << 16 };
#define OPTIMIZER "{\"Adam\":{\"lr\":0.001}}"

static struct nb_arena arena;
static struct nb_error error;

static void die(const char *what)
{
    fprintf(stderr, "step: %s %s %s\n", what, error.pointer, error.detail);
    exit(1);
}

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *text = nb_alloc(&arena, ROOM, 1, &error);
    if (!f || !text || !(*n = fread(text, 1, ROOM - 1, f)) || fclose(f))
        die(path);
    text[*n] = '\0';
    return text;
}

/* ---- ways to make a step -------------------------------------------------------------------------------------------
 */

struct way {
    const char *name;
    float (*step)(struct way *w); /* the loss */
    /* over HTTP */
    int connection;
    char *request, *reply;
    size_t length;
    /* inside */
    struct nb_graph *graph;
    struct nb_rule rule;
    struct nb_run run;
    struct nb_arena scratch;
    double ns[MOST_STEPS];
};

static float step_inside(struct way *w)
{
    struct nb_stepped made;
    nb_arena_again(&w->scratch);
    struct nb_graph *next = nb_train_step(w->graph, &w->rule, &w->run, &w->scratch, &made, &error);
    if (!next)
        die("step");
    nb_graph_unref(w->graph);
    w->graph = next;
    return (float)made.result.loss;
}

static void prepare_inside(struct way *w, const char *graph, const char *batch)
{
    size_t n;
    json_t *description = json_loads(read_file(graph, &n), 0, NULL), *optimizer = json_loads(OPTIMIZER, 0, NULL);
    const char *file = read_file(batch, &n);
    w->run.train = true;
    nb_arena_init(&w->scratch, (size_t)1 << 30);
    w->graph = nb_graph_new(description, NULL, (struct nb_seed){.lo = 1}, &error);
    if (!w->graph || nb_read_optimizer(optimizer, &w->rule, &arena, &error) ||
        nb_safetensors_read(file, n, &arena, &w->run.inputs, &error))
        die("graph");
    json_decref(description);
    json_decref(optimizer);
}

/* One reply, whole: headers, and as many bytes as they say. */
static void receive(struct way *w)
{
    size_t n = 0, whole = ROOM;
    while (n < whole) {
        ssize_t got = recv(w->connection, w->reply + n, ROOM - 1 - n, 0);
        if (got <= 0)
            die("the server went away");
        w->reply[n += (size_t)got] = '\0';
        const char *end = strstr(w->reply, "\r\n\r\n"), *length = strcasestr(w->reply, "\r\nContent-Length:");
        if (end && length)
            whole = (size_t)(end + 4 - w->reply) + strtoul(length + 17, NULL, 10);
    }
}

static float step_over_http(struct way *w)
{
    const char *loss;
    if (send(w->connection, w->request, w->length, 0) != (ssize_t)w->length)
        die("send");
    receive(w);
    if (strncmp(w->reply, "HTTP/1.1 200", 12) || !(loss = strstr(w->reply, "\"loss\":")))
        die(w->reply);
    return strtof(loss + 7, NULL);
}

static void prepare_http(struct way *w, int port, const char *query, const char *kind, const char *path)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    size_t n;
    const char *body = read_file(path, &n);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->request = nb_alloc(&arena, 2 * ROOM, 1, &error);
    w->reply = nb_alloc(&arena, ROOM, 1, &error);
    w->connection = socket(AF_INET, SOCK_STREAM, 0);
    if (!w->request || !w->reply || connect(w->connection, (struct sockaddr *)&to, sizeof to) ||
        setsockopt(w->connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one))
        die("connect");
    int head = sprintf(w->request,
                       "POST /v1/graphs/%s/step%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       w->name, query, kind, n);
    memcpy(w->request + head, body, n);
    w->length = (size_t)head + n;
}

/* ---- in turns
 * --------------------------------------------------------------------------------------------------------
 */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Steps first..first+IN_A_TURN-1; one more before them finds its numbers in the caches again. */
static float take_turn(struct way *w, int first)
{
    float loss = w->step(w);
    for (int i = 0; i < IN_A_TURN; i++) {
        double start = now();
        loss = w->step(w);
        w->ns[first + i] = now() - start;
    }
    return loss;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct way ways[] = {{.name = "inside", .step = step_inside},
                                {.name = "safetensors", .step = step_over_http},
                                {.name = "json", .step = step_over_http}};
    enum { WAYS = sizeof ways / sizeof *ways };
    if (argc != 6)
        return fputs("step PORT STEPS GRAPH.json BATCH.safetensors BATCH.json\n", stderr), 2;
    int port = atoi(argv[1]), steps = atoi(argv[2]) < MOST_STEPS ? atoi(argv[2]) : MOST_STEPS;
    nb_blas_restart(argv);
    nb_arena_init(&arena, (size_t)1 << 30);
    if (nb_blas_start(&error))
        die("OpenBLAS");
    prepare_inside(&ways[0], argv[3], argv[4]);
    prepare_http(&ways[1], port, "?optimizer=%7B%22Adam%22%3A%7B%22lr%22%3A0.001%7D%7D", "application/x-safetensors",
                 argv[4]);
    prepare_http(&ways[2], port, "", "application/json", argv[5]);
    for (int i = 0; i + IN_A_TURN <= steps; i += IN_A_TURN) {
        float loss = take_turn(&ways[0], i);
        for (int k = 1; k < WAYS; k++)
            if (take_turn(&ways[k], i) != loss)
                die("the losses differ");
    }
    steps -= steps % IN_A_TURN;
    for (int k = 0; steps && k < WAYS; k++) {
        qsort(ways[k].ns, (size_t)steps, sizeof(double), by_size);
        printf("%s %.0f\n", ways[k].name, ways[k].ns[steps / 2]);
    }
    return 0;
}
