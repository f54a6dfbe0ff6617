/* child.c - the input is a file in memory, so writing it never waits for the child; the output is read with a deadline.
 */
#include "http/child.h"
#include "http/exchange.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int memory_file(const char *bytes, size_t n)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    while (fd >= 0 && n) {
        ssize_t w = write(fd, bytes, n);
        if (w < 0)
            return close(fd), -1;
        bytes += w;
        n -= (size_t)w;
    }
    return fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 ? fd : -1;
}

/* Signals as in a fresh process: ours are blocked. Returns errno. */
static int spawn(char *const argv[], int in, int out, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, ignored;
    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &ignored);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int r = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return r;
}

/* Reads until the end; the list of pieces doubles in the arena. */
static enum nb_child collect(int fd, int64_t end, size_t most, struct nb_arena *a, char **output, size_t *size)
{
    struct nb_error e = {0};
    size_t room = 0;
    *output = NULL;
    for (*size = 0;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - nb_now_us();
        if (left <= 0 || poll(&p, 1, (int)(left / 1000) + 1) == 0)
            return NB_CHILD_LATE;
        if (nb_grow(a, output, *size, &room, 1, &e))
            return NB_CHILD_FAILED;
        ssize_t n = read(fd, *output + *size, room - *size);
        if (n == 0)
            return NB_CHILD_DONE;
        if (n < 0 && errno != EINTR)
            return NB_CHILD_FAILED;
        *size += n > 0 ? (size_t)n : 0;
        if (*size > most)
            return NB_CHILD_FAILED;
    }
}

static enum nb_child run(char *const argv[], int in, int seconds, size_t most, struct nb_arena *a, char **output,
                         size_t *size)
{
    int pipes[2], status = 0;
    pid_t pid;
    if (pipe2(pipes, O_CLOEXEC))
        return NB_CHILD_FAILED;
    int fault = spawn(argv, in, pipes[1], &pid);
    close(pipes[1]);
    if (fault) {
        close(pipes[0]);
        return fault == ENOENT || fault == EACCES ? NB_CHILD_MISSING : NB_CHILD_FAILED;
    }
    enum nb_child r = collect(pipes[0], nb_now_us() + seconds * INT64_C(1000000), most, a, output, size);
    close(pipes[0]);
    if (r != NB_CHILD_DONE)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return NB_CHILD_MISSING;
    return r == NB_CHILD_DONE && status != 0 ? NB_CHILD_FAILED : r;
}

enum nb_child nb_child_run(char *const argv[], const char *input, size_t n, int seconds, size_t most,
                           struct nb_arena *a, char **output, size_t *size)
{
    int in = memory_file(input, n);
    if (in < 0)
        return NB_CHILD_FAILED;
    enum nb_child r = run(argv, in, seconds, most, a, output, size);
    close(in);
    return r;
}
