/* blas.c - which OpenBLAS is loaded, and that it runs on one thread. */
#define NB_BUILD 1
#include "nabla/blas.h"
#include "nabla/num.h"
#include <cblas.h>

const char *nb_blas_core(void)
{
    return openblas_get_corename();
}

const char *nb_blas_config(void)
{
    return openblas_get_config();
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
