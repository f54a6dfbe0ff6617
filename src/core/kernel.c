/* kernel.c - products by OpenBLAS, and the loops the modules share. */
#include "nabla/kernel.h"
#include <cblas.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

/* ---- products --------------------------------------------------------------------------------------------------- */

#if NB_BUILD == 0
#define GEMM cblas_sgemm
#define GEMV cblas_sgemv
#define SCALAR(v) (v)
#elif NB_BUILD == 1
#define GEMM cblas_dgemm
#define GEMV cblas_dgemv
#define SCALAR(v) (v)
#else
#define GEMM cblas_zgemm
#define GEMV cblas_zgemv
#define SCALAR(v) (&(v))
#endif

static void clear(size_t n, nb_real *x)
{
    memset(x, 0, n * sizeof *x);
}

/* y = op(A) x + beta y, A stored [rows, cols]. The old y is cleared by hand: how gemv treats NaN times beta = 0 differs
 * between versions. */
static void times_vector(bool trans, size_t rows, size_t cols, const nb_real *a, const nb_real *x, int beta, nb_real *y)
{
    const nb_real one = 1;
    if (!beta)
        clear(trans ? cols : rows, y);
    GEMV(CblasRowMajor, trans ? CblasTrans : CblasNoTrans, (int)rows, (int)cols, SCALAR(one), a, (int)cols, x, 1,
         SCALAR(one), y, 1);
}

/* One column times one row. */
NB_SIMD static void outer(size_t m, size_t n, const nb_real *restrict a, const nb_real *restrict b, int beta,
                          nb_real *restrict c)
{
    for (size_t i = 0; i < m; i++) {
        nb_real s = a[i], *restrict row = c + i * n;
        if (beta) {
            NB_LOOP
            for (size_t j = 0; j < n; j++)
                row[j] += s * b[j];
        } else {
            NB_LOOP
            for (size_t j = 0; j < n; j++)
                row[j] = s * b[j];
        }
    }
}

/* Rows of B times entries of A, added up in C. */
static void plain_rows(bool ta, size_t m, size_t n, size_t k, const nb_real *restrict a, const nb_real *restrict b,
                       nb_real *restrict c)
{
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++) {
            nb_real s = ta ? a[p * m + i] : a[i * k + p];
            for (size_t j = 0; j < n; j++)
                c[i * n + j] += s * b[p * n + j];
        }
}

/* Rows of A times rows of B, which is stored [n, k]. */
static void plain_dots(bool ta, size_t m, size_t n, size_t k, const nb_real *restrict a, const nb_real *restrict b,
                       nb_real *restrict c)
{
    size_t row = ta ? 1 : k, step = ta ? m : 1;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            nb_real s = 0;
            for (size_t p = 0; p < k; p++)
                s += a[i * row + p * step] * b[j * k + p];
            c[i * n + j] += s;
        }
}

/* Below this a call of BLAS costs more than the product; a vector's is the cheaper call. */
static bool is_tiny(size_t m, size_t n, size_t k)
{
    return m * n * k < (m == 1 || n == 1 ? 64 : 128);
}

static bool fits_int(size_t m, size_t n, size_t k)
{
    return m <= INT_MAX && n <= INT_MAX && k <= INT_MAX;
}

/* OpenBLAS packs what it multiplies, except where it has kernels for AVX-512 and there are at most a million products.
 * With rows that start at cache lines it is faster then by a third. */
static bool does_not_pack(void)
{
    static _Atomic int known = -1;
    const char *core = openblas_get_corename();
    if (known < 0)
        known = !strcmp(core, "SkylakeX") || !strcmp(core, "Cooperlake") || !strcmp(core, "SapphireRapids");
    return known;
}

enum { UNPACKED = 1000000, LINE = 64, STRIP_ROWS = 64, MOST_ROWS = 128 };

/* A B' in pieces of so many columns, and at most STRIP_ROWS rows; 0: in one. */
static size_t strip_columns(size_t m, size_t n, size_t k, const nb_real *a, const nb_real *b)
{
    size_t rows = m < STRIP_ROWS ? m : STRIP_ROWS, columns = UNPACKED / rows / k / 4 * 4;
    bool lines = ((uintptr_t)a | (uintptr_t)b | k * sizeof *a) % LINE == 0;
    bool pays = NB_BUILD != 2 && lines && columns >= 8 && m <= MOST_ROWS && m * n * k > UNPACKED;
    return pays && does_not_pack() ? columns : 0;
}

static void by_strips(size_t columns, size_t m, size_t n, size_t k, const nb_real *a, const nb_real *b, nb_real old,
                      nb_real *c)
{
    const nb_real one = 1;
    for (size_t j = 0; j < n; j += columns)
        for (size_t i = 0; i < m; i += STRIP_ROWS) {
            size_t rows = m - i < STRIP_ROWS ? m - i : STRIP_ROWS, width = n - j < columns ? n - j : columns;
            GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)width, (int)k, SCALAR(one), a + i * k, (int)k,
                 b + j * k, (int)k, SCALAR(old), c + i * n + j, (int)n);
        }
}

void NB(nb_gemm)(bool ta, bool tb, size_t m, size_t n, size_t k, const nb_real *a, const nb_real *b, int beta,
                 nb_real *c)
{
    const nb_real one = 1, old = beta;
    size_t columns;
    if (m == 0 || n == 0)
        return;
    if (k == 1) {
        outer(m, n, a, b, beta, c);
    } else if (k == 0 || is_tiny(m, n, k) || !fits_int(m, n, k)) {
        if (!beta)
            clear(m * n, c);
        (tb ? plain_dots : plain_rows)(ta, m, n, k, a, b, c);
    } else if (m == 1) {
        times_vector(!tb, tb ? n : k, tb ? k : n, b, a, beta, c);
    } else if (n == 1) {
        times_vector(ta, ta ? k : m, ta ? m : k, a, b, beta, c);
    } else if (!ta && tb && (columns = strip_columns(m, n, k, a, b)) > 0) {
        by_strips(columns, m, n, k, a, b, old, c);
    } else {
        GEMM(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k,
             SCALAR(one), a, ta ? (int)m : (int)k, b, tb ? (int)k : (int)n, SCALAR(old), c, (int)n);
    }
}

void NB(nb_gemm_apart)(bool ta, bool tb, size_t m, size_t n, size_t k, const nb_real *a, size_t lda, const nb_real *b,
                       size_t ldb, int beta, nb_real *c, size_t ldc)
{
    const nb_real one = 1, old = beta;
    if (lda == (ta ? m : k) && ldb == (tb ? k : n) && ldc == n) {
        NB(nb_gemm)(ta, tb, m, n, k, a, b, beta, c);
        return;
    }
    for (size_t i = 0; k == 0 && !beta && i < m; i++)
        clear(n, c + i * ldc);
    if (m > 0 && n > 0 && k > 0)
        GEMM(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k,
             SCALAR(one), a, (int)lda, b, (int)ldb, SCALAR(old), c, (int)ldc);
}

/* ---- sums ------------------------------------------------------------------------------------------------------- */

NB_SIMD void NB(nb_add)(size_t n, const nb_real *x, nb_real *y)
{
    NB_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

void NB(nb_add_row)(size_t rows, size_t n, const nb_real *v, nb_real *y)
{
    for (size_t i = 0; i < rows; i++)
        NB(nb_add)(n, v, y + i * n);
}

/* Partial sums that do not wait for each other, the same on every machine. */
NB_SIMD nb_sum NB(nb_total)(size_t n, const nb_real *x)
{
    enum { LANES = 16 };
    nb_sum part[LANES] = {0}, s = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            part[j] += x[i + (size_t)j];
    for (; i < n; i++)
        s += x[i];
    for (int j = 0; j < LANES; j++)
        s += part[j];
    return s;
}

NB_SIMD void NB(nb_sum_rows)(size_t rows, size_t n, const nb_real *x, nb_real *v)
{
    enum { BLOCK = 64 };
    for (size_t first = 0; first < n; first += BLOCK) {
        nb_sum s[BLOCK] = {0};
        size_t width = n - first < BLOCK ? n - first : BLOCK;
        for (size_t i = 0; i < rows; i++) {
            const nb_real *row = x + i * n + first;
            NB_LOOP
            for (size_t j = 0; j < width; j++)
                s[j] += row[j];
        }
        for (size_t j = 0; j < width; j++)
            v[first + j] = (nb_real)s[j];
    }
}

/* ---- broadcasting ----------------------------------------------------------------------------------------------- */

/* A large dense tensor beside a small one that is broadcast to it: the dimensions of the large one, those of the same
 * kind joined. The small one has those that are kept, in the same order, dense. */
struct pattern {
    int n;
    size_t size[NB_MAX_RANK], stride[NB_MAX_RANK]; /* in the large one */
    bool kept[NB_MAX_RANK];
};

static struct pattern join(const struct nb_shape *large, const struct nb_shape *small)
{
    struct pattern p = {.n = 0};
    for (int i = 0; i < large->rank; i++) {
        int j = i - (large->rank - small->rank);
        bool kept = j >= 0 && small->dim[j] != 1;
        if (large->dim[i] == 1)
            continue;
        if (p.n == 0 || p.kept[p.n - 1] != kept) {
            p.kept[p.n] = kept;
            p.size[p.n++] = 1;
        }
        p.size[p.n - 1] *= (size_t)large->dim[i];
    }
    if (p.n == 0) {
        p.kept[0] = true;
        p.size[p.n++] = 1;
    }
    size_t stride = 1;
    for (int i = p.n - 1; i >= 0; i--) {
        p.stride[i] = stride;
        stride *= p.size[i];
    }
    return p;
}

/* Offsets in the order of nested loops. */
struct walk {
    int n;
    size_t size[NB_MAX_RANK], step[NB_MAX_RANK], index[NB_MAX_RANK], at;
};

static void add_loop(struct walk *w, size_t size, size_t step)
{
    w->size[w->n] = size;
    w->step[w->n] = step;
    w->index[w->n++] = 0;
}

/* To the next offset; false after the last, then it is at the first again. */
static bool advance(struct walk *w)
{
    for (int i = w->n - 1; i >= 0; i--) {
        w->at += w->step[i];
        if (++w->index[i] < w->size[i])
            return true;
        w->at -= w->step[i] * w->size[i];
        w->index[i] = 0;
    }
    return false;
}

static void fill(size_t n, nb_real v, nb_real *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = v;
}

void NB(nb_spread)(const struct nb_shape *from, const nb_real *in, const struct nb_shape *to, nb_real *out)
{
    if (nb_count(to) <= 0)
        return;
    struct pattern p = join(to, from);
    struct walk w = {.n = 0};
    int last = p.n - 1;
    size_t dense[NB_MAX_RANK], step = 1, run = p.size[last];
    for (int i = last; i >= 0; i--) {
        dense[i] = p.kept[i] ? step : 0;
        step *= p.kept[i] ? p.size[i] : 1;
    }
    for (int i = 0; i < last; i++)
        add_loop(&w, p.size[i], dense[i]);
    do {
        if (p.kept[last])
            memcpy(out, in + w.at, run * sizeof *out);
        else
            fill(run, in[w.at], out);
        out += run;
    } while (advance(&w));
}

/* Sum over every `step`-th of n entries. */
static nb_sum strided_total(size_t n, size_t step, const nb_real *x)
{
    nb_sum s = 0;
    for (size_t i = 0; i < n; i++)
        s += x[i * step];
    return s;
}

/* Entry by entry of the small one, over all that was made of it. */
static void fold_any(const struct pattern *p, size_t count, const nb_real *gout, nb_real *gin)
{
    struct walk kept = {.n = 0}, gone = {.n = 0};
    int inner = p->kept[p->n - 1] ? p->n - 2 : p->n - 1; /* the innermost that is summed */
    for (int i = 0; i < p->n; i++)
        if (p->kept[i])
            add_loop(&kept, p->size[i], p->stride[i]);
        else if (i != inner)
            add_loop(&gone, p->size[i], p->stride[i]);
    for (size_t i = 0; i < count; i++) {
        nb_sum s = 0;
        do {
            const nb_real *x = gout + kept.at + gone.at;
            s += inner == p->n - 1 ? NB(nb_total)(p->size[inner], x)
                                   : strided_total(p->size[inner], p->stride[inner], x);
        } while (advance(&gone));
        gin[i] = (nb_real)s;
        advance(&kept);
    }
}

void NB(nb_fold)(const struct nb_shape *from, const nb_real *gout, const struct nb_shape *to, nb_real *gin)
{
    int64_t count = nb_count(to);
    if (count <= 0)
        return;
    if (nb_count(from) <= 0) {
        clear((size_t)count, gin);
        return;
    }
    struct pattern p = join(from, to);
    if (p.n == 1 && p.kept[0])
        memcpy(gin, gout, p.size[0] * sizeof *gin);
    else if (p.n == 2 && p.kept[1])
        NB(nb_sum_rows)(p.size[0], p.size[1], gout, gin);
    else
        fold_any(&p, (size_t)count, gout, gin);
}
