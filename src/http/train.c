/* train.c - training as a job. Its checkpoint is the graph itself, which has in one snapshot what was learned and how
 * many steps each loss has had; batches and noise are functions of seed and step. So a job that is taken up again goes
 * on where the graph is, to the same bits; its journal has what the learning curve needs, written before the step it is
 * about is there for all. */
#include "http/foreman.h"
#include "http/handlers.h"
#include "http/lesson.h"
#include "http/uri.h"
#include "nabla/limits.h"
#include "store/datasets.h"
#include <math.h>
#include <string.h>
#include <time.h>

enum { MOST_STEPS = 100000000 };

struct training {
    struct nb_request *rq;
    struct nb_lesson *l;
    struct nb_graph *now, *next;         /* references */
    int64_t first[NB_MOST_LOSSES];       /* steps the losses had before */
    struct nb_tensors columns, held_out; /* of the data sets, also what is not fed */
    struct nb_arena step;
    int64_t bad_checks; /* since the best one */
    bool moved;         /* somebody else changed the graph */
};

/* ---- one at a time ----------------------------------------------------------------------------------------------- */

struct seat {
    const char *graph;
    struct seat *next;
};
static struct {
    pthread_mutex_t lock;
    struct seat *first;
} seats = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool taken(const char *graph)
{
    struct seat *s = seats.first;
    while (s && strcmp(s->graph, graph))
        s = s->next;
    return s;
}

bool nb_lesson_runs(const char *graph)
{
    pthread_mutex_lock(&seats.lock);
    bool runs = taken(graph);
    pthread_mutex_unlock(&seats.lock);
    return runs;
}

static bool sit(struct seat *s)
{
    pthread_mutex_lock(&seats.lock);
    bool free_seat = !taken(s->graph);
    if (free_seat) {
        s->next = seats.first;
        seats.first = s;
    }
    pthread_mutex_unlock(&seats.lock);
    return free_seat;
}

static void leave(struct seat *s)
{
    pthread_mutex_lock(&seats.lock);
    struct seat **p = &seats.first;
    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
    pthread_mutex_unlock(&seats.lock);
}

static int busy(const char *graph, struct nb_error *e)
{
    return nb_fail(e, NB_E_graph_busy, "the graph %.64s is being trained; \"if_busy\": \"wait\" would wait", graph);
}

/* A job that waits for its thread has no seat yet. */
static int look_for_jobs(const struct nb_request *rq, const char *graph, struct nb_error *e)
{
    struct nb_job *list;
    struct nb_uri u;
    size_t n;
    if (nb_foreman_list(rq->arena, &list, &n, e))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (list[i].state >= NB_JOB_DONE || strcmp(list[i].kind, "train"))
            continue;
        if (nb_uri_read(list[i].target, rq->arena, &u, e))
            return -1;
        if (u.nsegments > 2 && !strcmp(u.segment[2], graph))
            return busy(graph, e);
    }
    return nb_lesson_runs(graph) ? busy(graph, e) : 0;
}

/* ---- the data ---------------------------------------------------------------------------------------------------- */

static bool is_scalar(const struct nb_lesson *l, const char *input)
{
    for (int i = 0; i < l->scalars; i++)
        if (!strcmp(l->scalar[i].input, input))
            return true;
    return false;
}

static int check_names(const struct nb_graph *g, const struct nb_lesson *l, struct nb_error *e)
{
    const char *key;
    json_t *v;
    json_object_foreach (l->inputs, key, v)
        if (nb_net_input(&g->net, key) < 0)
            return nb_fail(e, NB_E_unknown_input, "the graph has no input %.63s", key), nb_at(e, key),
                   nb_at(e, "inputs");
    for (int i = 0; i < l->scalars; i++)
        if (nb_net_input(&g->net, l->scalar[i].input) < 0)
            return nb_fail(e, NB_E_unknown_input, "the graph has no input %.63s", l->scalar[i].input),
                   nb_at(e, l->scalar[i].input), nb_at(e, "scalars");
    return 0;
}

static int check_target(const struct nb_graph *g, const struct nb_lesson *l, struct nb_error *e)
{
    if (!l->check.target || nb_net_input(&g->net, l->check.target) >= 0)
        return 0;
    nb_fail(e, NB_E_unknown_input, "the graph has no input %.63s", l->check.target);
    return nb_at(e, "target"), nb_at(e, "accuracy"), nb_at(e, "validation");
}

/* The columns that are fed, by the names of inputs. Noise is drawn, unless a column is named for it. */
static int feed(const struct nb_graph *g, const struct nb_lesson *l, const struct nb_tensors *columns,
                struct nb_batches *b, struct nb_arena *a, struct nb_error *e)
{
    for (size_t i = 0; i < g->net.inputs.n; i++) {
        const struct nb_input *in = &g->net.inputs.v[i];
        const char *named = json_string_value(json_object_get(l->inputs, in->name));
        const struct nb_tensor *t = nb_tensors_find(columns, named ? named : in->name);
        if (named && !t)
            return nb_fail(e, NB_E_unknown_reference, "the data set has no column %.63s", named), nb_at(e, in->name),
                   nb_at(e, "inputs");
        if (!t || is_scalar(l, in->name) || (!named && in->sample != NB_FED))
            continue;
        b->rows = t->shape.dim[0];
        if (nb_tensors_add(a, &b->columns, in->name, *t, e))
            return -1;
    }
    if (!b->columns.n || b->rows < 1)
        return nb_fail(e, NB_E_bad_value, "no column of the data set feeds an input of the graph"), nb_at(e, "data");
    return 0;
}

static int read_data(struct training *t, const char *name, struct nb_batches *b, struct nb_error *e)
{
    bool held_out = b == &t->l->validation;
    const char *key = held_out ? "validation" : "train";
    struct nb_tensors *columns = held_out ? &t->held_out : &t->columns;
    if (nb_dataset_read(t->rq->store, name, t->rq->arena, columns, e))
        return t->l->data_object ? nb_at(e, key) : 0, nb_at(e, "data");
    b->seed = t->l->seed;
    b->epoch = -1;
    return feed(t->now, t->l, columns, b, t->rq->arena, e);
}

static int split(struct training *t, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    int64_t n = l->batches.rows, held = (int64_t)(l->check.share * (double)n);
    int64_t *order = nb_shuffled(l->seed, "held out", n, t->rq->arena, e);
    if (!order)
        return -1;
    if (held < 1)
        return nb_fail(e, NB_E_bad_value, "a share of %g of %lld rows is none", l->check.share, (long long)n),
               nb_at(e, "share"), nb_at(e, "validation");
    l->validation = l->batches;
    l->validation.among = order;
    l->validation.rows = held;
    l->batches.among = order + held;
    l->batches.rows = n - held;
    return 0;
}

static int make_marks(struct training *t, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    if (l->rounds > MOST_STEPS / l->turns)
        nb_fail(e, NB_E_bad_value, "%lld steps in all came, %d is the most", (long long)l->rounds * l->turns,
                MOST_STEPS);
    else
        l->mark = nb_alloc(t->rq->arena, (size_t)(l->rounds * l->turns), sizeof *l->mark, e);
    return l->mark ? 0 : nb_at(e, l->steps ? "steps" : "epochs");
}

static int prepare_data(struct training *t, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    if (check_names(t->now, l, e) || check_target(t->now, l, e) || read_data(t, l->train, &l->batches, e) ||
        (l->held_out && read_data(t, l->held_out, &l->validation, e)) || (l->check.share > 0 && split(t, e)))
        return -1;
    l->batches.size = l->batch && l->batch < l->batches.rows ? l->batch : l->batches.rows;
    l->batches.shuffle = l->shuffle && l->batches.size < l->batches.rows;
    l->validation.size = l->validation.rows < 256 ? l->validation.rows : 256;
    int64_t each = nb_batches_count(&l->batches);
    l->rounds = l->steps ? l->steps : l->epochs * each;
    l->check.every = l->check.every ? l->check.every : each;
    return make_marks(t, e);
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

static int add_scalars(const struct nb_lesson *l, int64_t round, struct nb_arena *a, struct nb_tensors *to,
                       struct nb_error *e)
{
    struct nb_shape none = nb_shape_of(0);
    for (int i = 0; i < l->scalars; i++) {
        struct nb_tensor v;
        if (nb_tensor_new(a, NB_F64, &none, &v, e) || nb_tensors_add(a, to, l->scalar[i].input, v, e))
            return -1;
        if (nb_formula_of_step(l->scalar[i].formula, round, a, v.data, e))
            return nb_at(e, l->scalar[i].input), nb_at(e, "scalars");
    }
    return 0;
}

static struct nb_seed seed_of(const struct nb_lesson *l, const char *what, int64_t i)
{
    struct nb_stream s = nb_stream_of(l->seed, what);
    return (struct nb_seed){nb_word(s, 2 * (uint64_t)i), nb_word(s, 2 * (uint64_t)i + 1)};
}

/* A fault of one entry of a batch is one of a row of the data set. Always -1. */
static int say_row(const struct nb_batches *b, int64_t i, const char *set, struct nb_error *e)
{
    char input[64], said[sizeof e->detail];
    long long k;
    if (sscanf(e->pointer, "/inputs/%63[^/]/%lld", input, &k) != 2 || k < 0 || k >= b->size || !b->order)
        return -1;
    memcpy(said, e->detail, sizeof said);
    snprintf(e->detail, sizeof e->detail, "row %lld of %.64s, for the input %.63s: %.400s",
             (long long)b->order[i % nb_batches_count(b) * b->size + k], set, input, said);
    strcpy(e->pointer, "/data");
    return -1;
}

/* The columns there are, when one is missing. Always -1. */
static int say_columns(const struct nb_tensors *had, const char *set, struct nb_error *e)
{
    size_t n = strlen(e->detail);
    if (e->code != NB_E_missing_input)
        return -1;
    n += (size_t)snprintf(e->detail + n, sizeof e->detail - n, "; %.64s has", set);
    for (size_t i = 0; i < had->n && n < sizeof e->detail; i++)
        n += (size_t)snprintf(e->detail + n, sizeof e->detail - n, "%s %.63s", i ? "," : "", had->v[i].name);
    return -1;
}

/* What is wrong with one of a list stands there. Always -1. */
static int say_turn(const struct nb_lesson *l, int64_t turn, struct nb_error *e)
{
    static const char *const members[] = {"/loss", "/wrt", "/schedule", "/optimizer"};
    for (size_t i = 0; l->listed && i < sizeof members / sizeof *members; i++) {
        size_t n = strlen(members[i]);
        if (!strncmp(e->pointer, members[i], n) && (!e->pointer[n] || e->pointer[n] == '/'))
            return nb_at_index(e, (size_t)turn), nb_at(e, "losses");
    }
    return -1;
}

/* Step i of all, of the loss whose turn it is: t->next, and its mark. */
static int make_step(struct training *t, int64_t i, struct nb_stepped *made, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    const struct nb_turn *turn = &l->turn[i % l->turns];
    struct nb_run run = {.loss = turn->loss,
                         .wrt = turn->wrt,
                         .wrt_given = turn->wrt_given,
                         .train = true,
                         .seed = seed_of(l, "step", i)};
    nb_arena_again(&t->step);
    if (nb_batch(&l->batches, i / l->turns, t->rq->arena, &t->step, &run.inputs, e) ||
        add_scalars(l, i / l->turns, &t->step, &run.inputs, e))
        return -1;
    t->next = nb_train_step(t->now, &turn->rule, &run, &t->step, made, e);
    if (t->next)
        return 0;
    say_columns(&t->columns, l->train, e);
    say_row(&l->batches, i / l->turns, l->train, e);
    return say_turn(l, i % l->turns, e);
}

/* ---- validation -------------------------------------------------------------------------------------------------- */

static double number_at(const struct nb_tensor *t, int64_t i)
{
    double v;
    nb_convert(NB_F64, &v, t->dtype, (const char *)t->data + (size_t)i * nb_dtype_size(t->dtype), 1);
    return v;
}

/* Rows that are right: the largest of several entries, or the sign of a single one. */
static int64_t count_right(const struct nb_tensor *out, const struct nb_tensor *target)
{
    int64_t rows = nb_count(&target->shape), width = rows ? nb_count(&out->shape) / rows : 0, right = 0;
    for (int64_t r = 0; r < rows; r++) {
        int64_t best = width == 1 && number_at(out, r) > 0;
        for (int64_t k = 1; k < width; k++)
            if (number_at(out, r * width + k) > number_at(out, r * width + best))
                best = k;
        right += (double)best == number_at(target, r);
    }
    return right;
}

/* What validation asks for stands there. Always -1. */
static int say_check(struct nb_error *e)
{
    if (!strncmp(e->pointer, "/outputs", 8)) {
        strcpy(e->pointer, "/validation/accuracy/output");
        return -1;
    }
    return strcmp(e->pointer, "/loss") ? -1 : nb_at(e, "validation");
}

static int measure_batch(struct training *t, int64_t i, int64_t round, struct nb_taught *m, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    struct nb_run run = {.loss = l->check.loss ? l->check.loss : l->turn[0].loss,
                         .outputs = {1, &l->check.output},
                         .outputs_given = l->check.output,
                         .seed = seed_of(l, "validation", i)};
    struct nb_result r;
    nb_arena_again(&t->step);
    if (nb_batch(&l->validation, i, t->rq->arena, &t->step, &run.inputs, e) ||
        add_scalars(l, round, &t->step, &run.inputs, e))
        return -1;
    if (nb_graph_loss(t->next, &run, &t->step, &r, e)) {
        const char *set = l->held_out ? l->held_out : l->train;
        say_columns(l->held_out ? &t->held_out : &t->columns, set, e);
        say_row(&l->validation, i, set, e);
        return say_check(e);
    }
    double part = (double)run.inputs.v[0].t.shape.dim[0] / (double)l->validation.rows;
    m->validation += part * r.loss;
    if (!l->check.output)
        return 0;
    const struct nb_tensor *target = nb_tensors_find(&run.inputs, l->check.target);
    if (!target || nb_count(&r.outputs.v[0].t.shape) % (nb_count(&target->shape) ? nb_count(&target->shape) : 1))
        return nb_fail(e, NB_E_shape_mismatch, "target is an input with one class for each row of the output"),
               nb_at(e, "target"), nb_at(e, "accuracy"), nb_at(e, "validation");
    m->accuracy += (double)count_right(&r.outputs.v[0].t, target) / (double)nb_count(&target->shape) * part;
    return 0;
}

static int measure(struct training *t, int64_t round, struct nb_taught *m, struct nb_error *e)
{
    m->validation = 0;
    m->accuracy = t->l->check.output ? 0 : NAN;
    for (int64_t i = 0; i < nb_batches_count(&t->l->validation); i++)
        if (measure_batch(t, i, round, m, e))
            return -1;
    return 0;
}

bool nb_taught_better(const struct nb_taught *a, const struct nb_taught *b)
{
    if (!isnan(a->accuracy) && b->accuracy != a->accuracy)
        return b->accuracy > a->accuracy;
    return b->validation < a->validation;
}

/* ---- what is known of a step ------------------------------------------------------------------------------------- */

/* It counts as done. */
static void take_mark(struct training *t, const struct nb_taught *m)
{
    struct nb_lesson *l = t->l;
    l->mark[l->done] = *m;
    if (!isnan(m->validation)) {
        bool better = l->best_at < 0 || nb_taught_better(&l->mark[l->best_at], m);
        t->bad_checks = better ? 0 : t->bad_checks + 1;
        l->best_at = better ? l->done : l->best_at;
    }
    l->early = l->check.patience && t->bad_checks >= l->check.patience;
    l->done++;
}

static bool recall(const struct training *t, int64_t chunk, void *bytes, size_t n)
{
    const struct nb_watch *w = t->rq->watch;
    return w && w->recall && w->recall(w->context, (uint64_t)chunk, bytes, n);
}

static void remember(const struct training *t, int64_t chunk, const void *bytes, size_t n)
{
    const struct nb_watch *w = t->rq->watch;
    if (w && w->remember)
        w->remember(w->context, (uint64_t)chunk, bytes, n);
}

static int keep_copies(struct training *t, int64_t i, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    struct nb_entry info;
    bool created, latest = l->latest && (i + 1) % (l->latest_every * l->turns) == 0;
    if (l->best && l->best_at == i && nb_store_replace(t->rq->store, l->best, t->next, &created, &info, e))
        return nb_at(e, "best"), nb_at(e, "checkpoints");
    if (latest && nb_store_replace(t->rq->store, l->latest, t->next, &created, &info, e))
        return nb_at(e, "latest"), nb_at(e, "checkpoints");
    return 0;
}

/* Everything about step i that must be safe before others see it. */
static int settle_step(struct training *t, int64_t i, const struct nb_stepped *made, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    struct nb_taught m = {made->result.loss, made->lr, NAN, NAN}, was;
    int64_t round = i / l->turns + 1;
    bool last = i % l->turns == l->turns - 1;
    if (last && l->check.wanted && (round % l->check.every == 0 || round == l->rounds) && measure(t, round - 1, &m, e))
        return -1;
    if (!recall(t, i + 1, &was, sizeof was))
        remember(t, i + 1, &m, sizeof m);
    take_mark(t, &m);
    return keep_copies(t, i, e);
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

/* Only if nobody else changed it meanwhile. */
static struct nb_graph *hand_over(void *context, struct nb_graph *now, struct nb_error *e)
{
    struct training *t = context;
    (void)e;
    t->moved = now != t->now;
    return t->moved ? NULL : nb_graph_ref(t->next);
}

static struct nb_graph *clear(void *context, struct nb_graph *now, struct nb_error *e)
{
    struct training *t = context;
    bool *fresh = nb_zalloc(t->rq->arena, now->parameters.n + 1, sizeof *fresh, e);
    struct nb_graph *g = fresh ? nb_graph_next(now, fresh, e) : NULL;
    for (int k = 0; g && k < t->l->turns; k++) {
        const struct nb_of_loss *was = nb_memory_find(nb_memory_of(g), t->l->turn[k].loss);
        struct nb_of_loss *place;
        if (t->l->resume && was && was->optimiser == t->l->turn[k].rule.optimiser)
            continue;
        struct nb_memory *m = nb_memory_next(nb_memory_of(g), g->net.dtype, t->l->turn[k].loss, 0, &place, e);
        if (!m)
            return nb_graph_unref(g), NULL;
        place->optimiser = t->l->turn[k].rule.optimiser;
        nb_attached_unref(g->memory);
        g->memory = &m->base;
    }
    return g;
}

static int look(struct training *t, struct nb_error *e)
{
    nb_graph_unref(t->now);
    t->now = nb_store_get(t->rq->store, t->l->graph, NULL, e);
    return t->now ? 0 : -1;
}

/* Steps of this job that the graph has had. */
static int64_t position(const struct training *t)
{
    int64_t n = 0;
    for (int k = 0; k < t->l->turns; k++)
        n += nb_train_steps(t->now, t->l->turn[k].loss) - t->first[k];
    return n;
}

static int fail_moved(const struct training *t, struct nb_error *e)
{
    return nb_fail(e, NB_E_precondition_failed,
                   "after %lld steps somebody else replaced the graph or what its optimisers kept",
                   (long long)t->l->done);
}

static int publish(struct training *t, struct nb_error *e)
{
    struct nb_entry info;
    int r = nb_store_advance(t->rq->store, t->l->graph, hand_over, t, true, &info, e);
    if (r == 0) {
        t->l->revision = info.revision;
        nb_graph_unref(t->now);
        t->now = t->next;
        t->next = NULL;
        return 0;
    }
    nb_graph_unref(t->next);
    t->next = NULL;
    return e->code ? -1 : 0;
}

/* ---- from the first to the last ---------------------------------------------------------------------------------- */

static int go_on(struct training *t, struct nb_error *e)
{
    const struct nb_watch *w = t->rq->watch;
    struct nb_lesson *l = t->l;
    const struct nb_taught *m = l->done ? &l->mark[l->done - 1] : NULL;
    const struct nb_taught *best = l->best_at >= 0 ? &l->mark[l->best_at] : NULL;
    char text[250];
    int n = snprintf(text, sizeof text, "{\"epoch\":%lld,\"step\":%lld",
                     (long long)(l->done / l->turns / nb_batches_count(&l->batches)), (long long)(l->done / l->turns));
    if (m && isfinite(m->loss))
        n += snprintf(text + n, sizeof text - (size_t)n, ",\"loss\":%.7g,\"lr\":%.7g", m->loss, m->lr);
    if (best && isfinite(best->validation))
        n += snprintf(text + n, sizeof text - (size_t)n, ",\"best_validation\":%.7g", best->validation);
    snprintf(text + n, sizeof text - (size_t)n, "}");
    struct nb_progress p = {.done = l->done, .of = l->rounds * l->turns, .tensor = text};
    if (!w || !w->go_on || w->go_on(w->context, &p))
        return 0;
    return nb_fail(e, NB_E_cancelled, "stopped after %lld steps; the graph keeps what it has learned",
                   (long long)l->done);
}

/* The optimisers start anew, once. What an earlier run did is found again. */
static int begin(struct training *t, struct nb_error *e)
{
    struct nb_taught m = {NAN, NAN, NAN, NAN};
    if (recall(t, 0, t->first, sizeof t->first)) {
        if (look(t, e))
            return -1;
        if (position(t) < 0 || position(t) > t->l->rounds * t->l->turns)
            return fail_moved(t, e);
        for (int64_t i = 0, n = position(t); i < n; i++) {
            if (!recall(t, i + 1, &m, sizeof m))
                m = (struct nb_taught){NAN, NAN, NAN, NAN};
            take_mark(t, &m);
        }
        return 0;
    }
    if (nb_store_advance(t->rq->store, t->l->graph, clear, t, true, NULL, e) || nb_store_flush(t->rq->store, e) ||
        look(t, e))
        return -1;
    for (int k = 0; k < t->l->turns; k++)
        t->first[k] = nb_train_steps(t->now, t->l->turn[k].loss);
    remember(t, 0, t->first, sizeof t->first);
    return 0;
}

static int one_step(struct training *t, struct nb_error *e)
{
    struct nb_stepped made;
    struct nb_lesson before = *t->l;
    int64_t i = t->l->done, bad_checks = t->bad_checks;
    if (make_step(t, i, &made, e) || settle_step(t, i, &made, e) || publish(t, e))
        return -1;
    if (!t->moved)
        return 0;
    *t->l = before; /* once more, from what somebody else made of it */
    t->bad_checks = bad_checks;
    if (look(t, e))
        return -1;
    return position(t) == i ? 0 : fail_moved(t, e);
}

static int run(struct training *t, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    if (begin(t, e))
        return -1;
    while (l->done < l->rounds * l->turns && !l->early)
        if (one_step(t, e) || (l->done % l->turns == 0 && go_on(t, e)))
            return -1;
    return nb_store_flush(t->rq->store, e);
}

/* The deletion is the answer to why there is no graph. */
static int say_deleted(const struct training *t, struct nb_error *e)
{
    struct nb_error why = {0};
    if (e->code == NB_E_unknown_graph && t->l->done)
        nb_fail(&why, NB_E_unknown_graph, "the graph %.64s was deleted after %lld steps", t->l->graph,
                (long long)t->l->done),
            *e = why;
    return -1;
}

/* In an earlier run, which had the seat. */
static bool began(const struct training *t)
{
    int64_t first[NB_MOST_LOSSES];
    return recall(t, 0, first, sizeof first);
}

static int run_seated(struct training *t, struct nb_error *e)
{
    const struct timespec moment = {0, 100000000};
    struct seat seat = {.graph = t->l->graph};
    while (!sit(&seat)) {
        if (!t->l->wait && !began(t))
            return busy(t->l->graph, e);
        if (go_on(t, e))
            return -1;
        nanosleep(&moment, NULL);
    }
    int failed = run(t, e) ? say_deleted(t, e) : 0;
    leave(&seat);
    return failed;
}

/* ---- the handler ------------------------------------------------------------------------------------------------- */

/* The only loss has a name, too. */
static int name_losses(struct training *t, struct nb_error *e)
{
    struct nb_lesson *l = t->l;
    if (!l->turn[0].loss && t->now->net.losses.n == 1)
        l->turn[0].loss = t->now->net.losses.v[0].name;
    if (!l->turn[0].loss)
        return nb_fail(e, NB_E_missing_key, "the graph has %zu losses; choose with loss or losses",
                       t->now->net.losses.n);
    return 0;
}

static int check_copy(const struct nb_lesson *l, const char *name, const char *key, struct nb_error *e)
{
    if (!name || (strcmp(name, l->graph) && !nb_store_judge_name(name, e)))
        return 0;
    if (!e->code)
        nb_fail(e, NB_E_bad_value, "a checkpoint is a graph of its own, %.64s is what is trained", name);
    return nb_at(e, key), nb_at(e, "checkpoints");
}

/* One round on the side: what is wrong with the request is said at once. */
static int try_round(struct training *t, struct nb_error *e)
{
    struct nb_taught m;
    struct nb_stepped made;
    for (int k = 0; k < t->l->turns; k++) {
        if (make_step(t, k, &made, e))
            return -1;
        bool check = k == t->l->turns - 1 && t->l->check.wanted;
        int failed = check ? measure(t, 0, &m, e) : 0;
        nb_graph_unref(t->next);
        t->next = NULL;
        if (failed)
            return -1;
    }
    return 0;
}

static const struct nb_form forms[] = {{NB_JSON, nb_lesson_json}, {NB_SVG, nb_lesson_svg}, {NULL, NULL}};

/* The curve of a job outlives what ended it. */
static void keep_curve(struct training *t, struct nb_reply *rp, const struct nb_error *why)
{
    struct nb_error unsaid = {0};
    t->l->failure = why;
    if (t->rq->every_form && t->l->done >= t->l->turns)
        nb_forms_write(t->rq, forms, 0, t->l, rp, &unsaid);
}

static int train(struct training *t, struct nb_reply *rp, struct nb_error *e)
{
    struct nb_request *rq = t->rq;
    bool taken_up = rq->watch && rq->watch->recall;
    int form = nb_forms_accept(rq, forms, e);
    if (form < 0 || !(t->l = nb_lesson_read(rq, e)) || look(t, e) || name_losses(t, e) ||
        check_copy(t->l, t->l->best, "best", e) || check_copy(t->l, t->l->latest, "latest", e) || prepare_data(t, e) ||
        (!taken_up && !t->l->wait && look_for_jobs(rq, t->l->graph, e)) || (!taken_up && try_round(t, e)) ||
        go_on(t, e))
        return -1;
    if (run_seated(t, e))
        return keep_curve(t, rp, e), -1;
    return nb_forms_write(rq, forms, form, t->l, rp, e);
}

int nb_op_trainGraph(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    struct training t = {.rq = rq};
    nb_arena_init(&t.step, (size_t)nb_limits.memory);
    int failed = train(&t, rp, e);
    nb_graph_unref(t.now);
    nb_graph_unref(t.next);
    nb_arena_done(&t.step);
    return failed ? nb_stored_place(e) : 0;
}
