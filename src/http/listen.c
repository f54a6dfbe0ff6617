/* listen.c - open, bind, listen; every failure has its sentence. */
#include "http/listen.h"
#include "http/options.h"
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int refuse(int fd, struct nb_error *e)
{
    const char *bound = nb_options.bind;
    int port = (int)nb_options.port;
    if (errno == EADDRINUSE)
        nb_fail(e, NB_E_bad_value, "another program listens on %.200s port %d; choose another --port", bound, port);
    else if (errno == EACCES)
        nb_fail(e, NB_E_bad_value, "port %d needs a privilege this process does not have; choose another --port", port);
    else if (errno == EADDRNOTAVAIL)
        nb_fail(e, NB_E_bad_value, "%.200s is not an address of this machine (--bind)", bound);
    else
        nb_fail(e, NB_E_bad_value, "cannot listen on %.200s port %d: %s", bound, port, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_at(const struct addrinfo *a, struct nb_error *e)
{
    const int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(fd, e);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, SOMAXCONN))
        return refuse(fd, e);
    return fd;
}

static int open_bound(struct nb_error *e)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char port[8];
    snprintf(port, sizeof port, "%d", (int)nb_options.port);
    int r = getaddrinfo(nb_options.bind, port, &hints, &found);
    if (r)
        return nb_fail(e, NB_E_bad_value, "--bind %.200s: %s", nb_options.bind, gai_strerror(r));
    int fd = open_at(found, e);
    freeaddrinfo(found);
    return fd;
}

/* Socket activation: descriptors from 3 on are ours if LISTEN_PID says so. */
static bool handed_over(void)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    return pid && n && strtol(pid, NULL, 10) == getpid() && strtol(n, NULL, 10) >= 1;
}

static void tell_url(int fd, char *url, size_t size)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    if (!getsockname(fd, (struct sockaddr *)&at, &n))
        getnameinfo((struct sockaddr *)&at, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(url, size, strchr(host, ':') ? "http://[%s]:%s" : "http://%s:%s", host, port);
}

int nb_listen(char *url, size_t size, struct nb_error *e)
{
    int fd = handed_over() ? 3 : open_bound(e);
    if (fd >= 0)
        tell_url(fd, url, size);
    return fd;
}
