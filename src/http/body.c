/* body.c - the body of a request: one buffer of its size, or, when chunked, one that doubles. */
#include "http/exchange.h"
#include "http/router.h"
#include "nabla/limits.h"
#include <inttypes.h>
#include <string.h>

static int64_t limit_of(const struct nb_exchange *x)
{
    return x->rq.route->body ? *x->rq.route->body : 0;
}

static int too_large(const struct nb_exchange *x, size_t came, struct nb_error *e)
{
    const int64_t *limit = x->rq.route->body;
    if (!limit)
        return nb_fail(e, NB_E_body_too_large, "the body has %zu bytes or more; this request takes none", came);
    e->option = limit == &nb_limits.submission ? "--limit-submission" : "--limit-body";
    return nb_fail(e, NB_E_body_too_large, "the body has %zu bytes or more, the limit is %" PRId64 " (%s)", came,
                   *limit, e->option);
}

static int grow(struct nb_exchange *x, size_t room, struct nb_error *e)
{
    char *body = nb_alloc(&x->arena, room + 1, 1, e);
    if (!body)
        return -1;
    if (x->rq.body_size)
        memcpy(body, x->rq.body, x->rq.body_size);
    body[x->rq.body_size] = 0;
    x->rq.body = body;
    x->room = room;
    return 0;
}

int nb_body_begin(struct nb_exchange *x, struct nb_error *e)
{
    if (!x->chunked && (int64_t)x->length > limit_of(x))
        return too_large(x, x->length, e);
    if (!x->chunked && !x->length)
        return x->rq.body = "", 0;
    return grow(x, x->chunked ? 4096 : x->length, e);
}

/* After an error the rest is passed over: the library cannot be told to stop in the middle. */
void nb_body_take(struct nb_exchange *x, const char *bytes, size_t n)
{
    size_t size = x->rq.body_size + n;
    if (x->e.code)
        return;
    if ((int64_t)size > limit_of(x) && too_large(x, size, &x->e))
        return;
    if (size > x->room && grow(x, size > 2 * x->room ? size : 2 * x->room, &x->e))
        return;
    memcpy(x->rq.body + x->rq.body_size, bytes, n);
    x->rq.body[size] = 0;
    x->rq.body_size = size;
}
