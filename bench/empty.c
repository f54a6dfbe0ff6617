/* empty - the floor under every POST: libmicrohttpd as nablad uses it, one thread, the body drained, {} answered.
 *
 *     bench/empty PORT        until the standard input ends */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>

static enum MHD_Result answer(void *unused, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *n, void **seen)
{
    static char body[] = "{}", mark;
    (void)unused, (void)url, (void)method, (void)version, (void)data;
    if (!*seen || *n) {
        *seen = &mark;
        *n = 0;
        return MHD_YES;
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(sizeof body - 1, body, MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result queued = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return queued;
}

int main(int argc, char **argv)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
    uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 0);
    struct MHD_Daemon *d = MHD_start_daemon(flags, port, NULL, NULL, answer, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                            (size_t)128 << 10, MHD_OPTION_END);
    if (!d) {
        fputs("empty: the HTTP library could not be started\n", stderr);
        return EXIT_FAILURE;
    }
    while (getchar() != EOF)
        ;
    MHD_stop_daemon(d);
    return EXIT_SUCCESS;
}
