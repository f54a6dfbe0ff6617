/* probe.c - one GET, of which only the status counts. */
#include "http/probe.h"
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct target {
    char host[256], port[8], path[512];
};

static int read_url(const char *url, struct target *t, struct nb_error *e)
{
    snprintf(t->port, sizeof t->port, "80");
    snprintf(t->path, sizeof t->path, "/");
    int n = sscanf(url, "http://%255[^:/]:%7[0-9]%511s", t->host, t->port, t->path);
    if (n == 1)
        n = sscanf(url, "http://%255[^:/]%511s", t->host, t->path);
    if (n < 1 || t->path[0] != '/')
        return nb_fail(e, NB_E_bad_value, "--probe takes http://HOST:PORT/PATH, not %.200s", url);
    return 0;
}

static int connect_to(const struct target *t)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct timeval limit = {.tv_sec = 2};
    struct addrinfo *found;
    if (getaddrinfo(t->host, t->port, &hints, &found))
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(fd, found->ai_addr, found->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* The status of the answer, 0 if there is none. */
static int status_of(int fd, const struct target *t)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", t->path, t->host,
                     t->port);
    if (n >= (int)sizeof text || send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        return 0;
    ssize_t got = recv(fd, text, strlen("HTTP/1.1 200"), MSG_WAITALL);
    if (got < 0)
        return 0;
    text[got] = '\0';
    int status = 0;
    return sscanf(text, "HTTP/1.%*1[01] %3d", &status) == 1 ? status : 0;
}

int nb_probe(const char *url, struct nb_error *e)
{
    struct target t;
    if (read_url(url, &t, e))
        return -1;
    int fd = connect_to(&t);
    if (fd < 0)
        return nb_fail(e, NB_E_bad_value, "nothing answers at %.200s", url);
    int status = status_of(fd, &t);
    close(fd);
    if (status < 200 || status > 399)
        return nb_fail(e, NB_E_bad_value, "%.200s answers %d", url, status);
    return 0;
}
