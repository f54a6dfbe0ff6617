/* blas.h - which OpenBLAS is under the kernels. */
#ifndef NABLA_BLAS_H
#define NABLA_BLAS_H
#include "nabla/error.h"

/* One thread; refuses the OpenMP flavour with a sentence that says what to install. Call once, before anything else. */
int nb_blas_start(struct nb_error *e);
/* OpenBLAS takes a CPU newer than itself for one of 2004. It chooses while it is loaded, so this starts the program
 * once more with the choice in the environment. Returns if there is nothing to mend, or no way to. */
void nb_blas_restart(char **argv);
const char *nb_blas_core(void);    /* "Haswell", "SkylakeX", ... */
const char *nb_blas_config(void);  /* "OpenBLAS 0.3.21 ..." */
const char *nb_blas_flavour(void); /* "serial", "pthread", "openmp" */
const char *nb_isa(void);          /* what NB_SIMD chose: "x86-64-v4", "x86-64-v3", "default" */

#endif
