/* kernel.h - what the modules need of BLAS, and the loops they share. kernel.c is the only file that sees cblas. */
#ifndef NABLA_KERNEL_H
#define NABLA_KERNEL_H
#include "nabla/num.h"
#include "nabla/tensor.h"

/* Entry i of a tensor of this build, or of integers, as a number: its real part. */
static inline double nb_number(const struct nb_tensor *t, size_t i)
{
    return t->dtype == NB_I64 ? (double)((const int64_t *)t->data)[i] : (double)nb_re(((const nb_real *)t->data)[i]);
}

/* C[m,n] = op(A) op(B) + beta C, all row-major and dense. ta: A is stored [k,m]; tb: B is stored [n,k].
 * beta is 0 or 1. m, n, k may be 0. One row or one column goes to gemv, small products to a plain loop. */
void NB(nb_gemm)(bool ta, bool tb, size_t m, size_t n, size_t k, const nb_real *a, const nb_real *b, int beta,
                 nb_real *c);
/* The same where the rows, as they are stored, lie lda, ldb and ldc entries apart. */
void NB(nb_gemm_apart)(bool ta, bool tb, size_t m, size_t n, size_t k, const nb_real *a, size_t lda, const nb_real *b,
                       size_t ldb, int beta, nb_real *c, size_t ldc);

/* y[rows,n] += v[n] in every row; v[n] = sum of the rows of x[rows,n] (sums in double). */
void NB(nb_add_row)(size_t rows, size_t n, const nb_real *v, nb_real *y);
void NB(nb_sum_rows)(size_t rows, size_t n, const nb_real *x, nb_real *v);
void NB(nb_add)(size_t n, const nb_real *x, nb_real *y); /* y += x */
nb_sum NB(nb_total)(size_t n, const nb_real *x);

/* For NumPy's broadcasting: out[i] = in[index(i)], and its VJP, gin = sum of gout over the broadcast dimensions.
 * The shapes are aligned at the right. */
void NB(nb_spread)(const struct nb_shape *from, const nb_real *in, const struct nb_shape *to, nb_real *out);
void NB(nb_fold)(const struct nb_shape *from, const nb_real *gout, const struct nb_shape *to, nb_real *gin);

#endif
