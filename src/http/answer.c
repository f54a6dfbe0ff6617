/* answer.c - from our reply to the library's response. */
#include "http/answer.h"
#include "http/problem.h"
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

enum { PIECE = 4096 };

static struct nb_exchange *of_request(const struct nb_request *rq)
{
    return (struct nb_exchange *)((char *)(uintptr_t)rq - offsetof(struct nb_exchange, rq));
}

/* ---- bit by bit -------------------------------------------------------------------------------------------------- */

static ssize_t next_piece(void *p, uint64_t at, char *buf, size_t n)
{
    struct nb_exchange *x = p;
    (void)at;
    ptrdiff_t r = x->rp.pieces->next(x->rp.pieces, buf, n);
    if (r > 0)
        nb_deadline_reply(x->deadline, (size_t)r);
    if (r == NB_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return r == NB_BROKEN ? MHD_CONTENT_READER_END_WITH_ERROR : r;
}

void nb_pause(struct nb_request *rq)
{
    struct nb_exchange *x = of_request(rq);
    nb_deadline_none(x->deadline);
    MHD_suspend_connection(x->connection);
}

void nb_resume(struct nb_request *rq)
{
    MHD_resume_connection(of_request(rq)->connection);
}

bool nb_gone(const struct nb_request *rq)
{
    char c;
    int fd = MHD_get_connection_info(of_request(rq)->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* ---- in one piece ------------------------------------------------------------------------------------------------ */

static void add(struct MHD_Response *r, const char *name, const char *value)
{
    if (value)
        MHD_add_response_header(r, name, value);
}

static struct MHD_Response *make_body(struct nb_exchange *x)
{
    if (x->rp.pieces)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, next_piece, x, NULL);
    return MHD_create_response_from_buffer(x->rp.size, (void *)(uintptr_t)x->rp.body, MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *make_response(struct nb_exchange *x, bool closing)
{
    struct MHD_Response *r = make_body(x);
    if (!r)
        return NULL;
    add(r, "Content-Type", x->rp.type);
    add(r, "Location", x->rp.location);
    add(r, "ETag", x->rp.etag);
    add(r, "Allow", x->rp.allow);
    add(r, "WWW-Authenticate", x->rp.authenticate);
    add(r, "Retry-After", x->rp.retry ? "1" : NULL);
    add(r, "Preference-Applied", x->rp.preferred ? "respond-async" : NULL);
    add(r, "Cache-Control", x->rp.pieces || x->rp.secret ? "no-store" : NULL);
    add(r, "X-Request-Id", x->e.code ? x->rq.id : NULL);
    add(r, "Vary", x->rp.vary ? "Accept" : NULL);
    add(r, "Connection", x->close || closing ? "close" : NULL);
    return r;
}

enum MHD_Result nb_answer(struct nb_exchange *x, bool closing)
{
    if (x->e.code) {
        nb_run_done(&x->rq);
        nb_arena_reset(&x->arena, SIZE_MAX);
        nb_problem(&x->e, x->rq.id, &x->arena, &x->rp);
    }
    struct MHD_Response *r = make_response(x, closing);
    if (!r)
        return MHD_NO;
    nb_deadline_reply(x->deadline, x->rp.size);
    x->phase = NB_SENDING;
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)x->rp.status, r);
    MHD_destroy_response(r);
    return queued;
}

/* ---- too late ---------------------------------------------------------------------------------------------------- */

enum MHD_Result nb_answer_abandoned(struct MHD_Connection *c)
{
    static const char body[] =
        "{\"type\":\"/v1/errors/stopping\",\"title\":\"The service is stopping\",\"status\":503,"
        "\"code\":\"stopping\",\"detail\":\"the service stops and cannot wait for this request\"}\n";
    struct MHD_Response *r =
        MHD_create_response_from_buffer(sizeof body - 1, (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    add(r, "Content-Type", "application/problem+json");
    add(r, "Retry-After", "1");
    add(r, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(c, 503, r);
    MHD_destroy_response(r);
    return queued;
}
