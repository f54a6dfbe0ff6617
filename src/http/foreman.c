/* foreman.c - the list of jobs and the threads that do them.
 *
 * Two locks, taken in this order. `change`: whoever changes what is on disk about a job. `lock`: the list and all that
 * stands in it, held for moments. A job that is not over is on disk as open, so that a later run takes it up. */
#include "http/foreman.h"
#include "http/defer.h"
#include "http/options.h"
#include "http/problem.h"
#include "http/reply.h"
#include "nabla/limits.h"
#include "nabla/team.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    NICE = 19,         /* jobs give way to work that somebody waits for */
    PROBLEM = 64 << 10 /* bytes are plenty for one */
};

struct work {
    struct work *next;
    struct nb_job j; /* target and problem are its own */
    uint64_t version;
    bool held;    /* a thread is at it */
    bool dropped; /* off the list: the thread frees it */
};

static struct {
    pthread_mutex_t change, lock;
    pthread_cond_t some, quiet;
    struct work *first, **last;
    int64_t open, over;
    uint64_t clock;
    struct nb_store *store;
    pthread_t *thread;
    int threads, alive;
    bool stopping;
} foreman = {.change = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .last = &foreman.first};

/* ---- the list: under `lock` -------------------------------------------------------------------------------------- */

static bool is_over(const struct work *w)
{
    return w->j.state >= NB_JOB_DONE;
}

static struct work *find(const char *id)
{
    struct work *w = foreman.first;
    while (w && strcmp(w->j.id, id))
        w = w->next;
    return w;
}

static void touch(struct work *w)
{
    w->version = ++foreman.clock;
}

static void append(struct work *w)
{
    *foreman.last = w;
    foreman.last = &w->next;
    foreman.open += !is_over(w);
    foreman.over += is_over(w);
    touch(w);
}

static void free_work(struct work *w)
{
    free((char *)(uintptr_t)w->j.target);
    free((char *)(uintptr_t)w->j.problem);
    free(w);
}

/* One that is over. */
static void take_off(struct work *w)
{
    struct work **p = &foreman.first;
    while (*p != w)
        p = &(*p)->next;
    *p = w->next;
    if (!*p)
        foreman.last = p;
    foreman.over--;
    w->dropped = true;
    if (!w->held)
        free_work(w);
}

static struct work *new_work(const struct nb_job *j, struct nb_error *e)
{
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        return nb_fail_memory(e), NULL;
    w->j = *j;
    w->j.target = strdup(j->target);
    w->j.problem = j->problem ? strdup(j->problem) : NULL;
    if (w->j.target && (w->j.problem || !j->problem))
        return w;
    free_work(w);
    return nb_fail_memory(e), NULL;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static int copy(const struct work *w, struct nb_arena *a, struct nb_job *j, struct nb_error *e)
{
    *j = w->j;
    j->target = nb_strdup(a, j->target, e);
    j->problem = j->problem ? nb_strdup(a, j->problem, e) : NULL;
    return e->code ? -1 : 0;
}

static int no_such(const char *id, struct nb_error *e)
{
    return nb_fail(e, NB_E_unknown_job, "there is no job %.40s", id);
}

int nb_foreman_look(const char *id, struct nb_arena *a, struct nb_job *j, struct nb_error *e)
{
    pthread_mutex_lock(&foreman.lock);
    struct work *w = find(id);
    int r = w ? copy(w, a, j, e) : no_such(id, e);
    pthread_mutex_unlock(&foreman.lock);
    return r;
}

int nb_foreman_list(struct nb_arena *a, struct nb_job **list, size_t *n, struct nb_error *e)
{
    pthread_mutex_lock(&foreman.lock);
    *n = 0;
    *list = nb_small(a, (size_t)(foreman.open + foreman.over), sizeof **list, e);
    for (struct work *w = foreman.first; w && *list && !e->code; w = w->next)
        copy(w, a, &(*list)[(*n)++], e);
    pthread_mutex_unlock(&foreman.lock);
    return e->code ? -1 : 0;
}

uint64_t nb_foreman_version(const char *id)
{
    pthread_mutex_lock(&foreman.lock);
    struct work *w = find(id);
    uint64_t version = w ? w->version : 0;
    pthread_mutex_unlock(&foreman.lock);
    return version;
}

/* ---- what is over: under `change` -------------------------------------------------------------------------------- */

/* The one that was over first, if there are too many or it is too old; its id. */
static bool find_stale(char id[33])
{
    struct work *oldest = NULL;
    pthread_mutex_lock(&foreman.lock);
    for (struct work *w = foreman.first; w; w = w->next)
        if (is_over(w) && (!oldest || w->j.finished < oldest->j.finished))
            oldest = w;
    bool stale = oldest && (foreman.over > nb_limits.results ||
                            oldest->j.finished + nb_options.result_seconds < (int64_t)time(NULL));
    if (stale)
        memcpy(id, oldest->j.id, sizeof oldest->j.id);
    pthread_mutex_unlock(&foreman.lock);
    return stale;
}

static int remove_one(const char *id, struct nb_error *e)
{
    if (nb_store_job_remove(foreman.store, id, e))
        return -1;
    pthread_mutex_lock(&foreman.lock);
    take_off(find(id));
    pthread_mutex_unlock(&foreman.lock);
    return 0;
}

static void remove_stale(void)
{
    char id[33];
    struct nb_error e = {0};
    while (find_stale(id) && !remove_one(id, &e))
        ;
}

static void sweep(void)
{
    pthread_mutex_lock(&foreman.change);
    remove_stale();
    pthread_mutex_unlock(&foreman.change);
}

/* Its state and problem become those of *now. */
static void set_over(struct work *w, const struct nb_job *now)
{
    char *problem = now->problem ? strdup(now->problem) : NULL;
    pthread_mutex_lock(&foreman.lock);
    w->j.state = now->state;
    w->j.finished = now->finished;
    w->j.kept = now->kept;
    w->j.problem = problem;
    foreman.open--;
    foreman.over++;
    touch(w);
    pthread_mutex_unlock(&foreman.lock);
}

static struct nb_job ended(struct work *w, enum nb_job_state state, const char *problem)
{
    pthread_mutex_lock(&foreman.lock);
    struct nb_job now = w->j;
    pthread_mutex_unlock(&foreman.lock);
    now.state = state;
    now.finished = (int64_t)time(NULL);
    now.problem = problem;
    return now;
}

static int cancel_one(struct work *w, struct nb_error *e)
{
    struct nb_job now = ended(w, NB_JOB_CANCELLED, NULL);
    if (nb_store_job_end(foreman.store, &now, NULL, 0, e))
        return -1;
    set_over(w, &now);
    remove_stale();
    return 0;
}

int nb_foreman_drop(const char *id, bool *gone, struct nb_error *e)
{
    pthread_mutex_lock(&foreman.change);
    pthread_mutex_lock(&foreman.lock);
    struct work *w = find(id);
    *gone = w && is_over(w);
    pthread_mutex_unlock(&foreman.lock);
    int r = !w ? no_such(id, e) : *gone ? remove_one(id, e) : cancel_one(w, e);
    pthread_mutex_unlock(&foreman.change);
    return r;
}

/* ---- taking on --------------------------------------------------------------------------------------------------- */

/* A place among those that wait. */
static int reserve(struct nb_error *e)
{
    pthread_mutex_lock(&foreman.lock);
    bool stopping = foreman.stopping, room = foreman.open < nb_limits.jobs;
    foreman.open += room && !stopping;
    pthread_mutex_unlock(&foreman.lock);
    if (stopping)
        return nb_fail(e, NB_E_stopping, "the service is stopping and takes no more work");
    if (room)
        return 0;
    nb_fail(e, NB_E_busy, "%" PRId64 " jobs are waiting or running", nb_limits.jobs);
    e->option = "--limit-jobs";
    return -1;
}

static void settle(struct work *w)
{
    pthread_mutex_lock(&foreman.lock);
    foreman.open--;
    if (w)
        append(w);
    pthread_cond_signal(&foreman.some);
    pthread_mutex_unlock(&foreman.lock);
}

int nb_foreman_take(const struct nb_job *j, const struct nb_job_request *r, struct nb_error *e)
{
    if (reserve(e))
        return -1;
    struct work *w = new_work(j, e);
    if (w && nb_store_job_add(foreman.store, j, r, e)) {
        free_work(w);
        w = NULL;
    }
    settle(w);
    return w ? 0 : -1;
}

/* ---- doing ------------------------------------------------------------------------------------------------------- */

/* One job in the hands of a thread. */
struct course {
    struct work *w;
    struct nb_journal journal;
};

static void note(struct course *c)
{
    char text[400];
    pthread_mutex_lock(&foreman.lock);
    const struct nb_job *j = &c->w->j;
    snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %a %s", j->done, j->of, j->worst, j->tensor);
    pthread_mutex_unlock(&foreman.lock);
    nb_journal_note(&c->journal, text);
}

/* What is done only grows: a run that takes work up hurries through what it remembers. */
static bool go_on(void *context, const struct nb_progress *p)
{
    struct course *c = context;
    struct nb_job *j = &c->w->j;
    pthread_mutex_lock(&foreman.lock);
    j->of = p->of;
    if (p->done >= j->done) {
        j->done = p->done;
        j->worst = p->worst > j->worst ? p->worst : j->worst;
        snprintf(j->tensor, sizeof j->tensor, "%s", p->tensor ? p->tensor : "");
        touch(c->w);
    }
    bool wanted = j->state == NB_JOB_RUNNING && !foreman.stopping;
    pthread_mutex_unlock(&foreman.lock);
    if (nb_journal_due(&c->journal)) {
        note(c);
        sweep();
    }
    return wanted;
}

static bool recall(void *context, uint64_t chunk, void *bytes, size_t n)
{
    return nb_journal_read(&((struct course *)context)->journal, chunk, bytes, n);
}

static void remember(void *context, uint64_t chunk, const void *bytes, size_t n)
{
    nb_journal_write(&((struct course *)context)->journal, chunk, bytes, n);
}

static const char *problem_text(const struct work *w, const struct nb_error *e, struct nb_arena *a)
{
    struct nb_reply rp = {0};
    struct nb_error unsaid = {0};
    nb_problem(e, w->j.id, a, &rp);
    return nb_strndup(a, rp.body, rp.size - 1, &unsaid); /* without the end of the line */
}

/* On disk first. A disk that refuses the result is what became of the job. */
static void close_job(struct work *w, struct nb_job *now, const struct nb_job_result *results, size_t n,
                      struct nb_arena *a)
{
    struct nb_error e = {0};
    if (nb_store_job_end(foreman.store, now, results, n, &e)) {
        now->state = NB_JOB_FAILED;
        now->kept = false;
        now->problem = problem_text(w, &e, a);
        nb_store_job_end(foreman.store, now, NULL, 0, &e);
    }
    set_over(w, now);
    remove_stale();
}

/* What there was until somebody cancelled it; he may have removed it as well. */
static void keep(struct work *w, const struct nb_job_result *results, size_t n)
{
    struct nb_error unsaid = {0};
    pthread_mutex_lock(&foreman.lock);
    bool wanted = n && !w->dropped;
    pthread_mutex_unlock(&foreman.lock);
    if (!wanted || nb_store_job_keep(foreman.store, w->j.id, results, n, &unsaid))
        return;
    pthread_mutex_lock(&foreman.lock);
    w->j.kept = true;
    touch(w);
    pthread_mutex_unlock(&foreman.lock);
}

static void finish(struct work *w, const struct nb_error *e, const struct nb_job_result *results, size_t n)
{
    struct nb_arena a; /* the job's own may be full */
    nb_arena_init(&a, PROBLEM);
    pthread_mutex_lock(&foreman.change);
    struct nb_job now = ended(w, e->code ? NB_JOB_FAILED : NB_JOB_DONE, NULL);
    now.kept = n;
    if (e->code)
        now.problem = problem_text(w, e, &a);
    pthread_mutex_lock(&foreman.lock);
    bool running = w->j.state == NB_JOB_RUNNING;
    pthread_mutex_unlock(&foreman.lock);
    if (running)
        close_job(w, &now, results, n, &a);
    else
        keep(w, results, n);
    pthread_mutex_unlock(&foreman.change);
    nb_arena_done(&a);
}

static bool stopping(void)
{
    pthread_mutex_lock(&foreman.lock);
    bool stop = foreman.stopping;
    pthread_mutex_unlock(&foreman.lock);
    return stop;
}

static void do_work(struct work *w, struct nb_arena *a)
{
    struct course c = {.w = w};
    struct nb_watch watch = {&c, go_on, recall, remember};
    struct nb_job_result results[NB_MAX_FORMS];
    struct nb_error e = {0};
    char signature[200];
    size_t n = 0;
    nb_store_job_journal(foreman.store, w->j.id, nb_deferred_signature(signature), &c.journal);
    nb_deferred_run(foreman.store, &w->j, &watch, a, results, &n, &e);
    if (e.code == NB_E_cancelled && stopping()) {
        note(&c); /* to be continued */
    } else {
        finish(w, &e, results, n);
        nb_store_job_forget(foreman.store, w->j.id);
    }
    nb_journal_close(&c.journal);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* Under the lock: the first that waits, now held. */
static struct work *pick(void)
{
    struct work *w = foreman.first;
    while (w && (w->j.state != NB_JOB_QUEUED || w->held))
        w = w->next;
    if (w) {
        w->held = true;
        w->j.state = NB_JOB_RUNNING;
        touch(w);
    }
    return w;
}

static void wait_a_second(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec++;
    pthread_cond_timedwait(&foreman.some, &foreman.lock, &end);
}

/* NULL: it is time to stop. */
static struct work *next_work(void)
{
    struct work *w = NULL;
    pthread_mutex_lock(&foreman.lock);
    while (!foreman.stopping && !(w = pick())) {
        wait_a_second();
        pthread_mutex_unlock(&foreman.lock);
        sweep();
        pthread_mutex_lock(&foreman.lock);
    }
    pthread_mutex_unlock(&foreman.lock);
    return w;
}

static void let_go(struct work *w)
{
    pthread_mutex_lock(&foreman.lock);
    w->held = false;
    if (w->dropped)
        free_work(w);
    pthread_mutex_unlock(&foreman.lock);
}

static void *labour(void *unused)
{
    struct nb_arena a;
    nb_give_way(NICE);
    for (struct work *w; (w = next_work());) {
        nb_arena_init(&a, (size_t)nb_limits.memory);
        do_work(w, &a);
        nb_arena_done(&a);
        let_go(w);
    }
    pthread_mutex_lock(&foreman.lock);
    foreman.alive--;
    pthread_cond_broadcast(&foreman.quiet);
    pthread_mutex_unlock(&foreman.lock);
    return unused;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

static int recollect(void *unused, const struct nb_job *j, struct nb_error *e)
{
    struct work *w = new_work(j, e);
    (void)unused;
    if (w)
        append(w);
    return w ? 0 : -1;
}

/* How far an earlier run had come. */
static void read_note(struct work *w, const char *signature)
{
    struct nb_journal journal;
    struct nb_job *j = &w->j;
    int64_t done, of;
    double worst;
    int n = 0;
    nb_store_job_journal(foreman.store, j->id, signature, &journal);
    if (sscanf(journal.note, "%" SCNd64 " %" SCNd64 " %la %n", &done, &of, &worst, &n) == 3 && n) {
        j->done = done;
        j->of = of;
        j->worst = worst;
        snprintf(j->tensor, sizeof j->tensor, "%.255s", journal.note + n);
    }
    nb_journal_close(&journal);
}

int nb_foreman_start(struct nb_store *store, int threads, struct nb_error *e)
{
    char signature[200];
    foreman.store = store;
    pthread_cond_init(&foreman.some, NULL);
    pthread_cond_init(&foreman.quiet, NULL);
    if (nb_store_job_each(store, recollect, NULL, e))
        return -1;
    nb_deferred_signature(signature);
    for (struct work *w = foreman.first; w; w = w->next)
        if (!is_over(w))
            read_note(w, signature);
    if (!(foreman.thread = calloc((size_t)threads, sizeof *foreman.thread)))
        return nb_fail_memory(e);
    foreman.alive = threads;
    for (; foreman.threads < threads; foreman.threads++)
        if (pthread_create(&foreman.thread[foreman.threads], NULL, labour, NULL))
            return nb_fail(e, NB_E_internal, "only %d of %d threads for jobs could be started", foreman.threads,
                           threads);
    return 0;
}

bool nb_foreman_stop(int seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += seconds;
    pthread_mutex_lock(&foreman.lock);
    foreman.stopping = true;
    pthread_cond_broadcast(&foreman.some);
    while (foreman.alive && pthread_cond_timedwait(&foreman.quiet, &foreman.lock, &end) != ETIMEDOUT)
        ;
    bool all = !foreman.alive;
    pthread_mutex_unlock(&foreman.lock);
    for (int i = 0; i < foreman.threads && all; i++)
        pthread_join(foreman.thread[i], NULL);
    return all;
}
