/* blas.c - which OpenBLAS is loaded, and that it runs on one thread. */
#define NB_BUILD 1
#include "nabla/blas.h"
#include "nabla/num.h"
#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *nb_blas_core(void)
{
    return openblas_get_corename();
}

/* OpenBLAS puts the sentence together anew for every caller, in one place for all threads. */
static char config[300];

static void copy_config(void)
{
    snprintf(config, sizeof config, "%s", openblas_get_config());
}

const char *nb_blas_config(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, copy_config);
    return config;
}

const char *nb_blas_flavour(void)
{
    static const char *const name[] = {"serial", "pthread", "openmp"};
    int p = openblas_get_parallel();
    return p >= 0 && p <= 2 ? name[p] : "unknown";
}

int nb_blas_start(struct nb_error *e)
{
    /* Its thread count is kept per calling thread, so one thread cannot be asked for on behalf of the others. */
    if (openblas_get_parallel() == OPENBLAS_OPENMP)
        return nb_fail(e, NB_E_internal,
                       "the OpenMP build of OpenBLAS is loaded, which cannot be kept to one thread; "
                       "install libopenblas0-pthread and choose it with update-alternatives");
    openblas_set_num_threads(1);
    return 0;
}

/* What OpenBLAS should have chosen, or NULL if its choice, or that of whoever set the variable, is good. */
static const char *better_core(void)
{
#ifdef __x86_64__
    if (getenv("OPENBLAS_CORETYPE") || strcmp(nb_blas_core(), "Prescott"))
        return NULL;
    if (__builtin_cpu_supports("x86-64-v4"))
        return "SkylakeX";
    if (__builtin_cpu_supports("x86-64-v3"))
        return "Haswell";
#endif
    return NULL;
}

void nb_blas_restart(char **argv)
{
    const char *core = better_core();
    char program[4096] = "";
    if (!core || readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return;
    if (!setenv("OPENBLAS_CORETYPE", core, 0))
        execv(program, argv); /* if this fails, it is slow, but right */
}

const char *nb_isa(void)
{
#ifdef NB_CLONES
    if (__builtin_cpu_supports("x86-64-v4"))
        return "x86-64-v4";
    if (__builtin_cpu_supports("x86-64-v3"))
        return "x86-64-v3";
#endif
    return "default";
}
