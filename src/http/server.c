/* server.c - requests as the HTTP library brings them: reading, judging, running. */
#include "http/server.h"
#include "http/answer.h"
#include "http/defer.h"
#include "http/events.h"
#include "http/exchange.h"
#include "http/foreman.h"
#include "http/guard.h"
#include "http/listen.h"
#include "http/log.h"
#include "http/options.h"
#include "http/probe_sets.h"
#include "http/router.h"
#include "store/store.h"
#include "nabla/limits.h"
#include "nabla/team.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    INLINE_BODY = 64 << 10, /* bytes of a body that a polling thread reads itself: some tens of microseconds */
    /* The library clears all of it after each request, so more costs time and memory in every connection. Half of it is
     * the largest piece of a body. */
    CONNECTION_BUFFER = 32 << 10,
    LONG_NICE = 10,        /* how far long work that is waited for gives way to the workers */
    LOOK_EVERY_US = 100000 /* whether the client of long work is still there */
};

static struct {
    struct MHD_Daemon *daemon;
    struct nb_store *store;
    char url[320];
    int pollers;
    atomic_bool unready, stopping, closing;
    /* Requests; long ones that are waited for; long ones that become jobs, so that they need not wait for the former.
     */
    struct nb_pool *workers, *waited, *desk;
} server;

static enum MHD_Result answer(struct nb_exchange *x)
{
    return nb_answer(x, atomic_load_explicit(&server.stopping, memory_order_relaxed));
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

/* True: done, one way or the other. False: it wants a worker. */
static bool run_handler(struct nb_exchange *x, nb_handler *handler)
{
    int r = handler(&x->rq, &x->rp, &x->e);
    if (r < 0 && !x->e.code)
        nb_fail(&x->e, NB_E_internal, "%s failed without saying why", x->rq.route->operation);
    return r <= 0 || x->e.code;
}

static struct nb_exchange *of_task(struct nb_task *t)
{
    return (struct nb_exchange *)((char *)t - offsetof(struct nb_exchange, task));
}

static void begin_task(struct nb_task *t)
{
    struct nb_exchange *x = of_task(t);
    x->phase = NB_WAITING;
    x->rq.on_worker = true;
    nb_deadline_none(x->deadline);
    MHD_suspend_connection(x->connection);
}

static void run_task(struct nb_task *t)
{
    struct nb_exchange *x = of_task(t);
    if (!run_handler(x, x->rq.route->handler))
        nb_fail(&x->e, NB_E_internal, "%s cannot be content with a worker", x->rq.route->operation);
}

static void finish_task(struct nb_task *t)
{
    MHD_resume_connection(of_task(t)->connection);
}

static void abandon_task(struct nb_task *t)
{
    atomic_store(&of_task(t)->abandoned, true);
    MHD_resume_connection(of_task(t)->connection);
}

static enum MHD_Result submit(struct nb_exchange *x, struct nb_pool *pool, void (*run)(struct nb_task *t))
{
    x->task = (struct nb_task){.begin = begin_task, .run = run, .finish = finish_task, .abandon = abandon_task};
    if (nb_pool_submit(pool, &x->task))
        return MHD_YES;
    if (nb_pool_closed(pool))
        nb_fail(&x->e, NB_E_stopping, "the service is stopping and takes no more work");
    else {
        nb_fail(&x->e, NB_E_busy, "all workers are busy and the queue is full");
        x->e.option = "--limit-queue";
    }
    return answer(x);
}

/* ---- long work ----------------------------------------------------------------------------------------------------
 */

/* Is anybody waiting for this still? */
static bool still_wanted(void *context, const struct nb_progress *p)
{
    struct nb_exchange *x = context;
    int64_t now = nb_now_us();
    (void)p;
    if (atomic_load_explicit(&x->abandoned, memory_order_relaxed))
        return false;
    if (now - x->looked < LOOK_EVERY_US)
        return true;
    x->looked = now;
    return !nb_gone(&x->rq);
}

static void run_waited(struct nb_task *t)
{
    struct nb_exchange *x = of_task(t);
    x->watch = (struct nb_watch){.context = x, .go_on = still_wanted};
    x->rq.watch = &x->watch;
    x->looked = nb_now_us();
    run_task(t);
}

static void run_deferred(struct nb_task *t)
{
    run_handler(of_task(t), nb_defer);
}

static enum MHD_Result run_long(struct nb_exchange *x)
{
    return x->rq.respond_async ? submit(x, server.desk, run_deferred) : submit(x, server.waited, run_waited);
}

static enum MHD_Result run(struct nb_exchange *x)
{
    if (x->e.code)
        return answer(x);
    enum nb_where where = x->rq.route->where;
    if (where == NB_LONG)
        return run_long(x);
    if (where == NB_WAITED)
        return submit(x, server.waited, run_waited);
    if (where == NB_WORKER || (where == NB_EITHER && x->rq.body_size > INLINE_BODY))
        return submit(x, server.workers, run_task);
    return run_handler(x, x->rq.route->handler) ? answer(x) : submit(x, server.workers, run_task);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static const char *kept(struct nb_exchange *x, const char *header)
{
    return header ? nb_strdup(&x->arena, header, &x->e) : NULL;
}

/* Copies: a worker that is left behind when we stop may outlive the connection. */
static int note_headers(struct nb_exchange *x, const struct nb_headers *h)
{
    x->rq.accept = kept(x, h->accept);
    x->rq.content_type = kept(x, h->content_type);
    x->rq.if_match = kept(x, h->if_match);
    x->rq.last_event = kept(x, h->last_event);
    x->rq.respond_async = h->respond_async;
    x->chunked = h->coding != NULL;
    x->length = h->length ? strtoull(h->length, NULL, 10) : 0;
    return x->e.code ? -1 : 0;
}

static int route(struct nb_exchange *x, const char *method, struct nb_error *e)
{
    struct nb_uri u;
    if (nb_uri_read(x->uri, &x->arena, &u, e))
        return -1;
    x->rq.query = u.query;
    x->rq.nquery = u.nquery;
    int r = nb_router_find(method, &u, &x->rq, x->allow, e);
    if (*x->allow && (r || !strcmp(method, "OPTIONS")))
        x->rp.allow = x->allow;
    return r;
}

static int pass_gate(struct nb_exchange *x, const struct nb_headers *h, struct nb_error *e)
{
    int r = nb_gate(&x->rq, h->authorization, x->authenticate, e);
    if (*x->authenticate)
        x->rp.authenticate = x->authenticate;
    return r;
}

/* All that is judged before the body: the guard, the route, the key, the length. */
static int judge(struct nb_exchange *x, const char *method, const char *version, struct nb_error *e)
{
    struct nb_headers h = {0};
    if (nb_guard(x->connection, x->uri, version, &h, e)) {
        x->close = true;
        return -1;
    }
    return note_headers(x, &h) || route(x, method, e) || pass_gate(x, &h, e) || nb_body_begin(x, e) ? -1 : 0;
}

static enum MHD_Result begin(struct nb_exchange *x, const char *method, const char *version)
{
    x->phase = NB_READING;
    if (nb_options.log_requests)
        snprintf(x->method, sizeof x->method, "%s", method);
    if (judge(x, method, version, &x->e) && (x->close || x->chunked || x->length)) {
        x->close = true;
        return answer(x); /* now, so that the body is thrown away with the connection */
    }
    if (x->chunked || x->length)
        nb_deadline_body(x->deadline, 0);
    return MHD_YES;
}

static enum MHD_Result on_access(void *unused, struct MHD_Connection *c, const char *url, const char *method,
                                 const char *version, const char *data, size_t *n, void **request)
{
    struct nb_exchange *x = *request;
    (void)unused, (void)url;
    if (!x)
        return MHD_NO;
    if (atomic_load_explicit(&x->abandoned, memory_order_relaxed))
        return nb_answer_abandoned(c);
    if (x->phase == NB_FRESH)
        return begin(x, method, version);
    if (*n) {
        nb_body_take(x, data, *n);
        nb_deadline_body(x->deadline, x->rq.body_size);
        *n = 0;
        return MHD_YES;
    }
    return x->phase == NB_WAITING ? answer(x) : run(x);
}

/* ---- beginnings and ends ---------------------------------------------------------------------------------------- */

static void *on_target(void *unused, const char *uri, struct MHD_Connection *c)
{
    struct nb_exchange *x = nb_exchange_new();
    (void)unused;
    if (!x)
        return NULL;
    x->connection = c;
    x->deadline = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    x->rq.store = server.store;
    x->uri = nb_strdup(&x->arena, uri, &x->e);
    if (!x->uri)
        x->uri = "";
    x->rq.target = x->uri;
    if (nb_options.log_requests) {
        snprintf(x->target, sizeof x->target, "%s", uri);
        x->started = nb_now_us();
    }
    return x;
}

static void on_completed(void *unused, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode how)
{
    static const char *const words[] = {"completed", "failed", "timeout", "shutdown", "closed by client", "aborted"};
    struct nb_exchange *x = *request;
    (void)unused, (void)c;
    *request = NULL;
    if (!x)
        return;
    if (atomic_load(&x->abandoned)) {
        nb_exchange_forget();
        return;
    }
    nb_deadline_header(x->deadline);
    if (x->started)
        nb_log_request(x, (size_t)how < sizeof words / sizeof *words ? words[how] : "");
    nb_exchange_free(x);
}

static void on_connection(void *unused, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    (void)unused;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = nb_deadline_new(MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    else
        nb_deadline_free(*context);
}

/* Until running work has ended, whoever connects is told that the service stops; after that the door is shut. Not with
 * MHD_quiesce_daemon(): it and a thread that polls may both take the listening socket out of epoll, and the library
 * ends the process when the second finds it gone. */
static enum MHD_Result on_arrival(void *unused, const struct sockaddr *from, socklen_t size)
{
    (void)unused, (void)from, (void)size;
    return atomic_load_explicit(&server.closing, memory_order_relaxed) ? MHD_NO : MHD_YES;
}

/* ---- starting and stopping -------------------------------------------------------------------------------------- */

/* Connections are descriptors: as many as the process may have, less those of the store and of pictures. */
static unsigned connection_limit(void)
{
    struct rlimit files;
    int64_t most = nb_limits.connections;
    if (getrlimit(RLIMIT_NOFILE, &files))
        return (unsigned)most;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur != RLIM_INFINITY && (int64_t)files.rlim_cur - 64 < most)
        most = nb_limits.connections = (int64_t)files.rlim_cur - 64;
    return (unsigned)most;
}

static int start_daemon(int fd, struct nb_error *e)
{
    struct MHD_OptionItem more[] = {
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BUFFER, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, connection_limit(), NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)nb_options.header_seconds, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {server.pollers > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, server.pollers, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    server.daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, on_arrival,
                         NULL, on_access, NULL, MHD_OPTION_EXTERNAL_LOGGER, nb_log_library, NULL,
                         MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    return server.daemon ? 0 : nb_fail(e, NB_E_internal, "the HTTP library could not be started");
}

static int cores(void)
{
    cpu_set_t may_run; /* fewer than there are where a container or taskset says so */
    int n = sched_getaffinity(0, sizeof may_run, &may_run) ? 1 : CPU_COUNT(&may_run);
    return n > 0 ? n : 1;
}

/* Five times a second. */
static void tick(void)
{
    nb_exchange_trim();
    nb_events_tick();
    nb_probe_sets_sweep();
    nb_store_tick(server.store);
}

static int start_threads(struct nb_error *e)
{
    int workers = nb_options.workers ? (int)nb_options.workers : cores();
    int waited = nb_options.long_workers ? (int)nb_options.long_workers : 2 * cores();
    server.pollers = nb_options.pollers ? (int)nb_options.pollers : cores() > 1 ? 2 : 1;
    if (nb_team_start(cores() - 1, e))
        return -1;
    server.workers = nb_pool_new(workers, 0, e);
    server.waited = nb_pool_new(waited, LONG_NICE, e);
    server.desk = nb_pool_new(1, LONG_NICE, e);
    if (e->code || nb_foreman_start(server.store, (int)nb_options.job_workers, e))
        return -1;
    return nb_deadlines_start(tick, e);
}

int nb_server_start(struct nb_store *store, struct nb_error *e)
{
    server.store = store;
    nb_router_start();
    if (nb_guard_start(e) || nb_gate_start(store, e))
        return -1;
    int fd = nb_listen(server.url, sizeof server.url, e);
    if (fd < 0)
        return -1;
    return start_threads(e) || start_daemon(fd, e) ? -1 : 0;
}

const char *nb_server_url(void)
{
    return server.url;
}

int nb_server_workers(void)
{
    return nb_pool_threads(server.workers);
}

int nb_server_pollers(void)
{
    return server.pollers;
}

void nb_server_unready(void)
{
    atomic_store(&server.unready, true);
}

bool nb_server_ready(void)
{
    return !atomic_load(&server.unready);
}

/* Requests that are being read or sent; computing ones have ended. */
static void wait_for_none(int seconds)
{
    const struct timespec tick = {0, 10000000};
    for (int64_t end = nb_now_us() + seconds * INT64_C(1000000); nb_exchange_live() && nb_now_us() < end;)
        nanosleep(&tick, NULL);
}

/* At least a moment, however late it is. */
static int seconds_until(int64_t end, int least)
{
    int left = (int)((end - nb_now_us()) / 1000000);
    return left > least ? left : least;
}

bool nb_server_stop(void)
{
    int64_t end = nb_now_us() + nb_options.stop_seconds * 1000000;
    nb_server_unready();
    atomic_store(&server.stopping, true);
    nb_events_stop();
    struct nb_pool *pools[] = {server.workers, server.desk, server.waited};
    bool all = true;
    for (int i = 0; i < 3; i++)
        all &= nb_pool_stop(pools[i], seconds_until(end, 0));
    all &= nb_foreman_stop(seconds_until(end, 1));
    atomic_store(&server.closing, true);
    wait_for_none(seconds_until(end, 1));
    nb_deadlines_stop();
    MHD_stop_daemon(server.daemon);
    if (all) {
        nb_probe_sets_stop();
        nb_team_stop();
    }
    return all;
}
