/* events.c - streams of events: each sleeps, its connection suspended, until a tick finds that its job has changed.
 *
 * An event tells how a job stands, not what has changed, so nothing is kept for those who come late or again: they get
 * the state of the moment. The id of an event is the state in short; a client that comes again with it (Last-Event-ID)
 * and has missed nothing is told nothing, and after the last event is sent away with 204, which ends an EventSource. */
#include "http/events.h"
#include "http/exchange.h"
#include "http/foreman.h"
#include "http/handlers.h"
#include "http/jobs.h"
#include "nabla/limits.h"
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

enum { HEARTBEAT_US = 15000000, LOOK_US = 1000000, KEEP = 4096, MOST = 1 << 20 };

struct stream {
    struct nb_pieces pieces;
    struct stream *next, **from;
    struct nb_request *rq;
    char id[33], seen[40]; /* the job; the id of the last event */
    uint64_t version;      /* of the job, at the last event */
    bool paused, last;     /* nothing comes after this */
    bool gone;             /* nobody listens */
    int64_t beat, looked;  /* when something was last sent; when we last saw whether anyone listens */
    struct nb_arena arena;
    const char *text; /* what is being sent */
    size_t left;
};

static struct {
    pthread_mutex_t lock;
    struct stream *first;
    int64_t n;
    bool closed;
} events = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- what is said: under the lock -------------------------------------------------------------------------------- */

/* "120" of so many; "queued", "done". */
static void short_id(const struct nb_job *j, char id[40])
{
    if (j->state == NB_JOB_RUNNING)
        snprintf(id, 40, "%" PRId64, j->done);
    else
        snprintf(id, 40, "%s", nb_job_state_name(j->state));
}

static void put_data(struct nb_writer *w, const struct nb_job *j, bool over)
{
    if (over) {
        nb_w_job(w, j);
        return;
    }
    nb_w_open(w, '{');
    nb_w_string_at(w, "state", nb_job_state_name(j->state));
    nb_w_job_progress(w, j);
    nb_w_close(w, '}');
}

static void put_event(struct stream *s, const struct nb_job *j, struct nb_error *e)
{
    struct nb_writer w = nb_writer(&s->arena, e);
    bool over = j->state >= NB_JOB_DONE;
    char head[100];
    snprintf(head, sizeof head, "%sid: %s\nevent: %s\ndata: ", s->beat ? "" : "retry: 2000\n", s->seen,
             over ? nb_job_state_name(j->state) : "progress");
    nb_put(&w.text, head, e);
    put_data(&w, j, over);
    nb_put(&w.text, "\n\n", e);
    s->text = w.text.v;
    s->left = w.text.n;
    s->last = over;
}

/* The state of the job, if it is news. */
static void tell(struct stream *s)
{
    struct nb_error e = {0};
    struct nb_job j;
    char id[40];
    nb_arena_reset(&s->arena, KEEP);
    s->version = nb_foreman_version(s->id);
    if (nb_foreman_look(s->id, &s->arena, &j, &e)) {
        s->last = true; /* it was removed */
        return;
    }
    short_id(&j, id);
    if (!strcmp(id, s->seen))
        return;
    memcpy(s->seen, id, sizeof id);
    put_event(s, &j, &e);
    if (e.code) {
        s->left = 0;
        s->last = true;
    }
}

static bool news(const struct stream *s)
{
    return nb_foreman_version(s->id) != s->version;
}

static bool too_quiet(const struct stream *s)
{
    return nb_now_us() - s->beat >= HEARTBEAT_US;
}

static void prepare(struct stream *s)
{
    if (news(s))
        tell(s);
    if (!s->left && !s->last && too_quiet(s)) {
        s->text = ":\n\n"; /* a comment, so that proxies and clients know we are here */
        s->left = 3;
    }
}

static ptrdiff_t send_some(struct stream *s, char *buf, size_t n)
{
    n = n < s->left ? n : s->left;
    memcpy(buf, s->text, n);
    s->text += n;
    s->left -= n;
    s->beat = nb_now_us();
    return (ptrdiff_t)n;
}

static ptrdiff_t next(struct nb_pieces *p, char *buf, size_t n)
{
    struct stream *s = (struct stream *)p;
    ptrdiff_t r = NB_PAUSED;
    pthread_mutex_lock(&events.lock);
    if (!s->left && !s->last && !events.closed)
        prepare(s);
    if (s->gone)
        r = NB_BROKEN;
    else if (s->left)
        r = send_some(s, buf, n);
    else if (s->last || events.closed)
        r = NB_END;
    else {
        s->paused = true;
        nb_pause(s->rq);
    }
    pthread_mutex_unlock(&events.lock);
    return r;
}

/* ---- waking ------------------------------------------------------------------------------------------------------ */

static void wake(struct stream *s)
{
    s->paused = false;
    nb_resume(s->rq);
}

/* A client that goes away is not noticed while its connection is suspended. */
static bool left_alone(struct stream *s)
{
    int64_t now = nb_now_us();
    if (now - s->looked < LOOK_US)
        return false;
    s->looked = now;
    s->gone = nb_gone(s->rq);
    return s->gone;
}

void nb_events_tick(void)
{
    pthread_mutex_lock(&events.lock);
    for (struct stream *s = events.first; s; s = s->next)
        if (s->paused && (news(s) || too_quiet(s) || left_alone(s)))
            wake(s);
    pthread_mutex_unlock(&events.lock);
}

void nb_events_stop(void)
{
    pthread_mutex_lock(&events.lock);
    events.closed = true;
    for (struct stream *s = events.first; s; s = s->next)
        if (s->paused)
            wake(s);
    pthread_mutex_unlock(&events.lock);
}

/* ---- beginning and end of a stream ------------------------------------------------------------------------------- */

static int join(struct stream *s, struct nb_error *e)
{
    pthread_mutex_lock(&events.lock);
    bool closed = events.closed, room = events.n < nb_limits.streams;
    if (room && !closed) {
        s->next = events.first;
        s->from = &events.first;
        if (s->next)
            s->next->from = &s->next;
        events.first = s;
        events.n++;
    }
    pthread_mutex_unlock(&events.lock);
    if (closed)
        return nb_fail(e, NB_E_stopping, "the service is stopping");
    if (room)
        return 0;
    nb_fail(e, NB_E_busy, "%" PRId64 " streams of events are open", nb_limits.streams);
    e->option = "--limit-streams";
    return -1;
}

static void leave(void *p)
{
    struct stream *s = p;
    pthread_mutex_lock(&events.lock);
    *s->from = s->next;
    if (s->next)
        s->next->from = s->from;
    events.n--;
    pthread_mutex_unlock(&events.lock);
    nb_arena_done(&s->arena);
}

static struct stream *new_stream(struct nb_request *rq, const struct nb_job *j, struct nb_error *e)
{
    struct stream *s = nb_small(rq->arena, 1, sizeof *s, e);
    if (!s)
        return NULL;
    *s = (struct stream){.pieces.next = next, .rq = rq, .looked = nb_now_us()};
    memcpy(s->id, j->id, sizeof s->id);
    snprintf(s->seen, sizeof s->seen, "%.39s", rq->last_event ? rq->last_event : "");
    nb_arena_init(&s->arena, MOST);
    return s;
}

int nb_op_getJobEvents(struct nb_request *rq, struct nb_reply *rp, struct nb_error *e)
{
    static const char *const types[] = {NB_EVENTS, NULL};
    struct nb_job j;
    if (nb_accept(rq, types, e) < 0 || nb_job_look(rq, rq->path[0], &j, e))
        return -1;
    if (j.state >= NB_JOB_DONE && rq->last_event && !strcmp(rq->last_event, nb_job_state_name(j.state))) {
        rp->status = 204;
        return 0;
    }
    struct stream *s = new_stream(rq, &j, e);
    if (!s || join(s, e) || nb_when_done(rq, leave, s, e))
        return -1;
    rp->type = NB_EVENTS;
    rp->pieces = &s->pieces;
    return 0;
}
