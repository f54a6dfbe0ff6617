/* victim.h - a child that is killed at some moment, and until then says down a pipe what it has done. */
#ifndef TESTS_VICTIM_H
#define TESTS_VICTIM_H
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VICTIM_DESCRIPTORS = 64 };

/* Assertions write where they are to a file that the test's process reads: a child killed in the middle of one would
 * leave half a message there. So the child's go nowhere. */
static inline void victim_mute(int say)
{
    int nowhere = open("/dev/null", O_RDWR);
    for (int fd = STDERR_FILENO + 1; fd < VICTIM_DESCRIPTORS; fd++)
        if (fd != say && fd != nowhere && fcntl(fd, F_GETFD) >= 0)
            dup2(nowhere, fd);
}

/* Begins it; *said is where to read what it says. */
static inline pid_t victim_begin(void (*work)(int say), int *said)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_lt(ends[1], VICTIM_DESCRIPTORS);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        victim_mute(ends[1]);
        work(ends[1]);
        _exit(1);
    }
    close(ends[1]);
    *said = ends[0];
    return pid;
}

static inline void victim_kill(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ck_assert(WIFSIGNALED(status));
}
#endif
