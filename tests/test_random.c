/* test_random.c - random graphs of all modules at scales from 1e-6 to 1e6: right gradients are never called wrong,
 * wrong entries never right; and graphs of exponentials at scales at which most of them vanish beside one.
 * `test_random FIRST COUNT [verbose [vanishing]]` tries other graphs. */
#include "case_graphs.h"
#include "check/point.h"
#include <stdarg.h>

/* ---- a random graph -------------------------------------------------------------------------------------------- */

/* Of every other stage one of the first ones. */
static const char *const exponentials[] = {"Softmax",
                                           "GumbelSoftmax",
                                           "LogSoftmax",
                                           "Softmin",
                                           "Softmax2d",
                                           "Sigmoid",
                                           "Exp",
                                           "LogSumExp",
                                           "CrossEntropyLoss",
                                           "Mean",
                                           "Sum",
                                           "Tanh",
                                           "ScaledDotProductAttention",
                                           "Softplus",
                                           "LogSigmoid",
                                           "SiLU",
                                           "GELU",
                                           "MultiheadAttention",
                                           "InfoNCE",
                                           "NLLLoss",
                                           "KLDivLoss",
                                           "GaussianKL",
                                           "BCEWithLogitsLoss",
                                           "Add",
                                           "Mul",
                                           "Prod",
                                           "GLU",
                                           "GaussianNLLLoss",
                                           "PoissonNLLLoss",
                                           "HingeLoss",
                                           "SoftMarginLoss"};
enum { FIRST_ONES = 5, ALL_OF_THEM = sizeof exponentials / sizeof *exponentials };
static bool vanishing;

struct maker {
    struct nb_stream s;
    uint64_t at;
    json_t *inputs, *nodes, *outputs;
    int ninputs, nnodes;
    char last[40];  /* a node that has been made, or "" */
    json_t *shapes; /* input name -> its shape, of those without a letter */
    char types[400];
};

static uint64_t pick(struct maker *m, uint64_t n)
{
    return nb_word(m->s, m->at++) % n;
}

/* 10 to a power from -6 to 6, of exponentials from -1.5 to 3; often 1. */
static double random_scale(struct maker *m)
{
    double low = vanishing ? -1.5 : -6, wide = vanishing ? 4.5 : 12;
    return pick(m, 3) == 0 ? 1 : pow(10, wide * nb_uniform(m->s, m->at++) + low);
}

/* An input of this shape: a new one, or one that is there. */
static void some_input(struct maker *m, const struct case_input *in, char name[20])
{
    const char *old;
    json_t *dims = case_shape(in), *have;
    json_object_foreach (m->shapes, old, have)
        if (!in->letter && json_equal(have, dims) && pick(m, 2)) {
            snprintf(name, 20, "%s", old);
            json_decref(dims);
            return;
        }
    snprintf(name, 20, "x%d", m->ninputs++);
    json_object_set_new(m->inputs, name,
                        json_pack("{s:O, s:s*}", "shape", dims, "dtype", in->letter == 'c' ? "int64" : NULL));
    if (!in->letter)
        json_object_set(m->shapes, name, dims);
    json_decref(dims);
}

static void add_node(struct maker *m, json_t *node)
{
    snprintf(m->last, sizeof m->last, "n%d", m->nnodes++);
    json_object_set_new(m->nodes, m->last, node);
}

/* What a port is fed: an input, mixed with what came before, and brought to where the module takes it. */
static json_t *feed(struct maker *m, const struct nb_module *row, const struct case_input *in)
{
    char name[20], mixed[100];
    bool label = in->letter && strchr("csb", in->letter);
    some_input(m, in, name);
    if (label || (!*m->last && row->lo >= row->hi && !in->letter))
        return json_string(name);
    snprintf(mixed, sizeof mixed, *m->last ? "%s + 0.5*mean(%s)" : "%s", name, m->last);
    char before[40];
    memcpy(before, m->last, sizeof before);
    switch (in->letter) {
    case 'p':
        add_node(m, json_pack("{s:o}", "expr", json_sprintf(in->rank ? "softmax(%s)" : "sigmoid(%s)", mixed)));
        break;
    case 'l':
        add_node(m, json_pack("{s:o}", "expr", json_sprintf(in->rank ? "log_softmax(%s)" : "logsigmoid(%s)", mixed)));
        break;
    case 'u':
        add_node(m, json_pack("{s:o}", "expr", json_sprintf("0.05 + 0.9*sigmoid(%s)", mixed)));
        break;
    default:
        if (row->lo < row->hi)
            snprintf(mixed + strlen(mixed), sizeof mixed - strlen(mixed), "%s", "");
        add_node(m, json_pack("{s:o}", "expr",
                              row->lo < row->hi ? json_sprintf("%f + %f*sigmoid(%s)", row->lo, row->hi - row->lo, mixed)
                                                : json_string(mixed)));
    }
    json_t *made = json_string(m->last);
    memcpy(m->last, before, sizeof before);
    return made;
}

static const struct nb_module *some_module(struct maker *m)
{
    if (!vanishing)
        return nb_module_at(NB_F64, (int)pick(m, (uint64_t)nb_module_count()));
    return nb_module_at(NB_F64, nb_module_find(exponentials[pick(m, pick(m, 2) ? FIRST_ONES : ALL_OF_THEM)]));
}

static const struct nb_case *some_case(struct maker *m, const struct nb_module **row)
{
    for (;;) {
        *row = some_module(m);
        int n = 0;
        while ((*row)->cases && (*row)->cases[n].in)
            n++;
        if (n && (*row)->inputs && !(*row)->selects && !(*row)->stop)
            return &(*row)->cases[pick(m, (uint64_t)n)];
    }
}

static bool add_stage(struct maker *m, bool *train)
{
    const struct nb_module *row;
    const struct nb_case *c = some_case(m, &row);
    char text[1000];
    snprintf(text, sizeof text, "{%s}", c->args ? c->args : "");
    json_t *node = json_loads(text, 0, NULL), *feeds = json_array(), *ports = json_array();
    add_outputs(row, node, ports);
    for (const char *t = c->in; t; t = strchr(t, ' ') ? strchr(t, ' ') + 1 : NULL) {
        struct case_input in;
        read_case_input(t, &in);
        if (in.rank >= 0)
            json_array_append_new(feeds, feed(m, row, &in));
    }
    json_object_set_new(node, "op", json_string(row->type));
    json_object_set_new(node, "in", feeds);
    add_node(m, node);
    for (size_t i = 0; i < json_array_size(ports); i++) { /* "y.a" */
        const char *port = strchr(json_string_value(json_array_get(ports, i)), '.');
        json_array_append_new(m->outputs, json_sprintf("%s%s", m->last, port ? port : ""));
    }
    if (strchr(json_string_value(json_array_get(ports, 0)), '.'))
        snprintf(m->last, sizeof m->last, "%s",
                 json_string_value(json_array_get(m->outputs, json_array_size(m->outputs) - 1)));
    json_decref(ports);
    *train |= c->train;
    snprintf(m->types + strlen(m->types), sizeof m->types - strlen(m->types), " %s", row->type);
    return true;
}

static json_t *random_description(struct maker *m, const char *dtype, bool *train)
{
    m->inputs = json_object();
    m->nodes = json_object();
    m->outputs = json_array();
    m->shapes = json_object();
    for (uint64_t stages = 1 + pick(m, 3); stages > 0; stages--)
        add_stage(m, train);
    while (json_array_size(m->outputs) > 1 && pick(m, 3)) /* the rest then flows through the later ones alone */
        json_array_remove(m->outputs, 0);
    json_decref(m->shapes);
    return json_pack("{s:o, s:s, s:o, s:o}", "inputs", m->inputs, "dtype", dtype, "nodes", m->nodes, "outputs",
                     m->outputs);
}

/* ---- at a random scale ----------------------------------------------------------------------------------------- */

static struct nb_tensor times(struct nb_tensor t, double factor, bool single)
{
    size_t n = (size_t)nb_count(&t.shape);
    double *x = nb_alloc(&arena, n, sizeof *x, &error);
    nb_convert(NB_F64, x, t.dtype, t.data, n);
    for (size_t i = 0; i < n; i++)
        x[i] = single ? (double)(float)(x[i] * factor) : x[i] * factor;
    return (struct nb_tensor){NB_F64, t.shape, x};
}

/* Whether an input has no letter: whole numbers below 1.5 everywhere are labels. */
static bool is_label(const struct nb_tensor *t)
{
    const double *x = t->data;
    for (int64_t i = 0; i < nb_count(&t->shape); i++)
        if (x[i] != floor(x[i]))
            return false;
    return true;
}

static struct nb_graph *scaled(struct maker *m, struct nb_graph *g, bool single)
{
    struct nb_tensors to = {0};
    const struct nb_tensors *from = nb_graph_parameters(g);
    for (size_t i = 0; i < from->n; i++)
        ck_assert(!nb_tensors_add(&arena, &to, from->v[i].name, times(from->v[i].t, random_scale(m), single), &error));
    struct nb_graph *other = nb_graph_with(g, &to, false, &error);
    ck_assert_msg(other != NULL, "%s", error.detail);
    nb_graph_unref(g);
    return other;
}

static void scale_point(struct maker *m, struct nb_run *run, bool single)
{
    double factor = random_scale(m);
    for (size_t i = 0; i < run->inputs.n; i++)
        if (!is_label(&run->inputs.v[i].t))
            run->inputs.v[i].t = times(run->inputs.v[i].t, pick(m, 2) ? factor : random_scale(m), single);
    for (size_t i = 0; i < run->cotangents.n; i++)
        run->cotangents.v[i].t = times(run->cotangents.v[i].t, random_scale(m), single);
}

/* ---- the trial ------------------------------------------------------------------------------------------------- */

static struct tally {
    int64_t graphs, entries, right, untold, silent, reasons[NB_REASONS], planted, seen, unseen;
    int blamed, accused, accepted;
    char first[3][600];
} tally;
static uint64_t start = 0, trials = 400;
static bool verbose;

static void note(int *counter, char first[600], const char *format, ...) __attribute__((format(printf, 3, 4)));
static void note(int *counter, char first[600], const char *format, ...)
{
    va_list args;
    char text[600];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (verbose)
        printf("%s\n", text);
    if (!(*counter)++)
        memcpy(first, text, sizeof text);
}

static const char *reason(int r)
{
    return nb_reason_name((enum nb_reason)r) ? nb_reason_name((enum nb_reason)r) : "-";
}

static void count(const struct maker *m, uint64_t trial, const struct nb_verdicts *v)
{
    tally.graphs++;
    if (!v->self_ok)
        note(&tally.accused, tally.first[1], "%d%s: accuses itself, %s", (int)trial, m->types,
             v->facts.fault ? v->facts.fault : "oracles disagree");
    for (size_t i = 0; i < v->n; i++) {
        const struct nb_checked *t = &v->v[i];
        tally.entries += nb_count(&t->shape);
        if (verbose && trials == 1 && t->worst >= 0)
            printf("%s[%d] complex %.17g differences %.17g bar %g\n", t->name, (int)t->worst, t->complex_step,
                   t->differences, t->differences_bar);
        tally.right += t->right;
        tally.untold += t->cannot_tell;
        tally.silent += t->silent;
        for (int64_t k = 0; k < nb_count(&t->shape); k++) {
            if (verbose && trials == 1)
                printf("%s[%d] %.17g %.17g %g %s %s\n", t->name, (int)k, t->candidate[k], t->value[k], t->bar[k],
                       nb_verdict_name(t->verdicts[k]), reason(t->reasons[k]));
            tally.reasons[t->reasons[k]] += t->verdicts[k] == NB_CANNOT_TELL;
            if (t->verdicts[k] == NB_WRONG && isfinite(t->candidate[k]))
                note(&tally.blamed, tally.first[0], "%d%s: %s[%d] is %.17g, %.17g wanted, bar %g (%s)", (int)trial,
                     m->types, t->name, (int)k, t->candidate[k], t->value[k], t->bar[k], reason(t->reasons[k]));
        }
    }
}

/* One entry off, of any that are not zero. */
static void plant(struct maker *m, uint64_t trial, struct nb_graph *g, const struct nb_check *at,
                  const struct nb_verdicts *v)
{
    const struct nb_checked *t = &v->v[pick(m, v->n)];
    size_t n = (size_t)nb_count(&t->shape), k = pick(m, n);
    struct nb_check c = *at;
    struct nb_tensor wrong = {NB_F64, t->shape, nb_alloc(&arena, n, sizeof(double), &error)};
    struct nb_verdicts w;
    memcpy(wrong.data, t->candidate, n * sizeof(double));
    bool kink = t->reasons[k] == NB_WHY_kink; /* there a whole interval is right */
    if (kink || !(fabs(t->value[k]) > t->bar[k]) || !isfinite(t->candidate[k]))
        return;
    double off = nb_graph_dtype(g) == NB_F32 ? 0.03 : 0.003; /* three times what "right" may hide */
    ((double *)wrong.data)[k] = t->value[k] * (pick(m, 2) ? 1 + off : 1 - off);
    c.gradients = (struct nb_tensors){0};
    c.gradients_given = true;
    ck_assert(!nb_tensors_add(&arena, &c.gradients, t->name, wrong, &error));
    ck_assert_msg(!nb_check_run(g, &c, &arena, &w, &error), "%s", error.detail);
    tally.planted++;
    for (size_t i = 0; i < w.n; i++)
        if (!strcmp(w.v[i].name, t->name)) {
            tally.seen += w.v[i].verdicts[k] == NB_WRONG;
            tally.unseen += w.v[i].verdicts[k] == NB_CANNOT_TELL;
            if (w.v[i].verdicts[k] == NB_RIGHT)
                note(&tally.accepted, tally.first[2], "%d%s: %s[%d], planted, is called right", (int)trial, m->types,
                     t->name, (int)k);
        }
}

static void try_graph(uint64_t trial)
{
    struct maker m = {.s = nb_stream_of((struct nb_seed){trial, 77}, "random graphs")};
    bool single = trial % 5 == 4 || (vanishing && trial % 5);
    struct nb_check c = {.run.seed = {trial, 5}, .method = trial % 2 ? NB_METHOD_STRUCTURE : NB_METHOD_LOOP};
    struct nb_verdicts v = {0};
    json_t *j = random_description(&m, single ? "float32" : "float64", &c.run.train);
    memset(&error, 0, sizeof error);
    struct nb_graph *g = nb_graph_new(j, NULL, (struct nb_seed){trial, 2}, &error);
    if (verbose && trials == 1)
        printf("%s\n", json_dumps(j, 0));
    ck_assert_msg(g != NULL, "%s: %s at %s: %s", m.types, nb_code_name(error.code), error.pointer, error.detail);
    json_decref(j);
    g = scaled(&m, stirred(g), single);
    ck_assert_msg(!nb_point_draw(g, &c.run, 0, &arena, &v, &error), "%s: %s", m.types, error.detail);
    scale_point(&m, &c.run, single);
    if (!nb_check_run(g, &c, &arena, &v, &error)) {
        count(&m, trial, &v);
        if (v.n)
            plant(&m, trial, g, &c, &v);
    } else {
        ck_assert_msg(error.code == NB_E_bad_value || error.code == NB_E_bad_number, "%s: %s", m.types, error.detail);
    }
    nb_graph_unref(g);
}

static void try_graphs(void)
{
    for (uint64_t i = start; i < start + trials; i++) {
        nb_arena_init(&arena, 1 << 28);
        try_graph(i);
        nb_arena_done(&arena);
    }
    printf("%d graphs, %d entries: %d right, %d cannot be told, %d silent; %d planted: %d wrong, %d cannot be told\n",
           (int)tally.graphs, (int)tally.entries, (int)tally.right, (int)tally.untold, (int)tally.silent,
           (int)tally.planted, (int)tally.seen, (int)tally.unseen);
    for (int r = 0; r < NB_REASONS; r++)
        if (tally.reasons[r])
            printf("  %s %d", reason(r), (int)tally.reasons[r]);
    printf("\n");
    ck_assert_int_ge((int)tally.entries, trials >= 200 ? 10000 : 0);
    ck_assert_msg(!tally.blamed, "%d right entries called wrong; %s", tally.blamed, tally.first[0]);
    ck_assert_msg(!tally.accepted, "%d wrong entries called right; %s", tally.accepted, tally.first[2]);
    ck_assert_msg(!tally.accused, "%d graphs at which the checker accuses itself; %s", tally.accused, tally.first[1]);
}

START_TEST(test_random)
{
    try_graphs();
}
END_TEST

START_TEST(test_vanishing)
{
    vanishing = true;
    trials = trials == 400 ? 200 : trials;
    try_graphs();
}
END_TEST

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *s = suite_create("random");
    TCase *t = tcase_create("random");
    start = argc > 1 ? strtoull(argv[1], NULL, 10) : start;
    trials = argc > 2 ? strtoull(argv[2], NULL, 10) : trials;
    verbose = argc > 3;
    tcase_set_timeout(t, 600);
    if (argc <= 4)
        tcase_add_test(t, test_random);
    if (argc < 2 || argc > 4)
        tcase_add_test(t, test_vanishing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
