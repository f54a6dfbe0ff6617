/* team - helpers that wait for a caller with parts to do. */
#include "nabla/team.h"
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    pthread_t *thread;
    int helpers, inside; /* threads; helpers at work on the parts */
    bool taken, stop;    /* a caller has the helpers */
    uint64_t call;       /* grows with every call, so that a helper joins each once */
    void (*part)(void *context, int slot, int i);
    void *context;
    int next, n;
} team = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

/* On Linux a thread has a priority of its own. SCHED_BATCH: it never takes a core away from others when it wakes. */
void nb_give_way(int steps)
{
    const struct sched_param none = {0};
    id_t self = (id_t)syscall(SYS_gettid);
    if (!steps)
        return;
    setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + steps);
    sched_setscheduler(0, SCHED_BATCH, &none);
}

/* Under the lock in, under the lock out. */
static void do_parts(int slot)
{
    while (team.next < team.n) {
        int i = team.next++;
        pthread_mutex_unlock(&team.lock);
        team.part(team.context, slot, i);
        pthread_mutex_lock(&team.lock);
    }
}

static void *help(void *p)
{
    int slot = (int)(intptr_t)p;
    uint64_t seen = 0;
    nb_give_way(10);
    pthread_mutex_lock(&team.lock);
    while (!team.stop) {
        if (team.call == seen || !team.taken) {
            pthread_cond_wait(&team.work, &team.lock);
            continue;
        }
        seen = team.call;
        team.inside++;
        do_parts(slot);
        team.inside--;
        pthread_cond_broadcast(&team.idle);
    }
    pthread_mutex_unlock(&team.lock);
    return NULL;
}

int nb_team_start(int helpers, struct nb_error *e)
{
    if (!(team.thread = calloc((size_t)helpers + 1, sizeof *team.thread)))
        return nb_fail_memory(e);
    for (; team.helpers < helpers; team.helpers++)
        if (pthread_create(&team.thread[team.helpers], NULL, help, (void *)(intptr_t)(team.helpers + 1)))
            return nb_fail(e, NB_E_internal, "only %d of %d helpers could be started", team.helpers, helpers);
    return 0;
}

void nb_team_stop(void)
{
    pthread_mutex_lock(&team.lock);
    team.stop = true;
    pthread_cond_broadcast(&team.work);
    pthread_mutex_unlock(&team.lock);
    for (int i = 0; i < team.helpers; i++)
        pthread_join(team.thread[i], NULL);
    free(team.thread);
    team.thread = NULL;
    team.helpers = 0;
    team.stop = false;
}

int nb_team_size(void)
{
    return team.helpers + 1;
}

static bool take(void (*part)(void *context, int slot, int i), void *context, int n)
{
    pthread_mutex_lock(&team.lock);
    bool ours = team.helpers && !team.taken;
    if (ours) {
        team.taken = true;
        team.call++;
        team.part = part;
        team.context = context;
        team.next = 0;
        team.n = n;
        pthread_cond_broadcast(&team.work);
    } else {
        pthread_mutex_unlock(&team.lock);
    }
    return ours;
}

void nb_team_run(void (*part)(void *context, int slot, int i), void *context, int n)
{
    if (n < 2 || !take(part, context, n)) {
        for (int i = 0; i < n; i++)
            part(context, 0, i);
        return;
    }
    do_parts(0);
    while (team.inside)
        pthread_cond_wait(&team.idle, &team.lock);
    team.taken = false;
    pthread_mutex_unlock(&team.lock);
}
