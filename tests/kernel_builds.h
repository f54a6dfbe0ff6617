/* kernel_builds.h - the tests of kernel.c, once for each build: test_kernel.c includes it with REAL, SUM, EPS and
 * K(name) defined. The references are plain loops in long double. */
void K(nb_gemm)(bool ta, bool tb, size_t m, size_t n, size_t k, const REAL *a, const REAL *b, int beta, REAL *c);
void K(nb_gemm_apart)(bool ta, bool tb, size_t m, size_t n, size_t k, const REAL *a, size_t lda, const REAL *b,
                      size_t ldb, int beta, REAL *c, size_t ldc);
void K(nb_add_row)(size_t rows, size_t n, const REAL *v, REAL *y);
void K(nb_sum_rows)(size_t rows, size_t n, const REAL *x, REAL *v);
void K(nb_add)(size_t n, const REAL *x, REAL *y);
SUM K(nb_total)(size_t n, const REAL *x);
void K(nb_spread)(const struct nb_shape *from, const REAL *in, const struct nb_shape *to, REAL *out);
void K(nb_fold)(const struct nb_shape *from, const REAL *gout, const struct nb_shape *to, REAL *gin);

static REAL *K(numbers)(size_t n)
{
    REAL *x = aligned_alloc(64, ((n + 1) * sizeof *x + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++)
        x[i] = (REAL)DRAW();
    return x;
}

static void K(check_product)(bool ta, bool tb, size_t m, size_t n, size_t k, int beta)
{
    REAL *a = K(numbers)(m * k), *b = K(numbers)(k * n), *c = K(numbers)(m * n), *old = malloc((m * n + 1) * sizeof *c);
    if (!beta)
        for (size_t i = 0; i < m * n; i++)
            c[i] = (REAL)NAN;
    memcpy(old, c, m * n * sizeof *c);
    c[m * n] = 77;
    K(nb_gemm)(ta, tb, m, n, k, a, b, beta, c);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            long double _Complex s = beta ? old[i * n + j] : 0;
            long double size = beta ? cabsl((long double _Complex)old[i * n + j]) : 0;
            for (size_t p = 0; p < k; p++) {
                long double _Complex u = ta ? a[p * m + i] : a[i * k + p], v = tb ? b[j * k + p] : b[p * n + j];
                s += u * v;
                size += cabsl(u * v);
            }
            long double off = cabsl(s - c[i * n + j]);
            ck_assert_msg(off <= 8 * (long double)(EPS)*size,
                          "ta %d tb %d m %zu n %zu k %zu beta %d: c[%zu,%zu] is off by %Lg of %Lg", ta, tb, m, n, k,
                          beta, i, j, off, size);
        }
    ck_assert(c[m * n] == 77);
    free(a), free(b), free(c), free(old);
}

/* Rows of a matrix, so far apart, as a dense one. */
static REAL *K(dense)(size_t rows, size_t columns, const REAL *x, size_t apart)
{
    REAL *to = K(numbers)(rows * columns);
    for (size_t i = 0; i < rows; i++)
        memcpy(to + i * columns, x + i * apart, columns * sizeof *x);
    return to;
}

/* As the product of the dense ones; what lies between the rows is not touched. */
static void K(check_apart)(bool ta, bool tb, size_t m, size_t n, size_t k, size_t gap, int beta)
{
    size_t rows_a = ta ? k : m, rows_b = tb ? n : k, lda = (ta ? m : k) + gap, ldb = (tb ? k : n) + gap, ldc = n + gap;
    REAL *a = K(numbers)(rows_a * lda), *b = K(numbers)(rows_b * ldb), *c = K(numbers)(m * ldc);
    REAL *old = K(dense)(m, ldc, c, ldc), *da = K(dense)(rows_a, lda - gap, a, lda),
         *db = K(dense)(rows_b, ldb - gap, b, ldb), *want = K(dense)(m, n, c, ldc);
    K(nb_gemm)(ta, tb, m, n, k, da, db, beta, want);
    K(nb_gemm_apart)(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < ldc; j++) {
            long double _Complex is = j < n ? want[i * n + j] : old[i * ldc + j];
            ck_assert_msg(cabsl(is - c[i * ldc + j]) <= (j < n ? 8 * (long double)(EPS) * (long double)(k + 1) : 0),
                          "m %zu n %zu k %zu gap %zu: c[%zu,%zu]", m, n, k, gap, i, j);
        }
    free(a), free(b), free(c), free(old), free(da), free(db), free(want);
}

BUILD_TEST(K(products_apart))
{
    static const size_t sizes[] = {1, 7, 33};
    for (int i = 0; i < 27; i++)
        for (int flags = 0; flags < 16; flags++)
            K(check_apart)
    (flags & 1, flags & 2, sizes[i % 3], sizes[i / 3 % 3], sizes[i / 9], flags & 8 ? 5 : 0, flags >> 2 & 1);
    K(check_apart)(false, false, 3, 4, 0, 2, 0);
    K(check_apart)(false, false, 3, 4, 0, 2, 1);
}
END_TEST

BUILD_TEST(K(products))
{
    static const size_t sizes[] = {1, 5, 7, 17, 33, 64};
    for (int im = 0; im < 6; im++)
        for (int in = 0; in < 6; in++)
            for (int ik = 0; ik < 6; ik++)
                for (int flags = 0; flags < 8; flags++)
                    K(check_product)(flags & 1, flags & 2, sizes[im], sizes[in], sizes[ik], flags >> 2);
    K(check_product)(false, true, 1, 300, 260, 0);
    K(check_product)(true, false, 260, 300, 1, 1);
    K(check_product)(false, false, 300, 1, 260, 1);
    for (int beta = 0; beta < 2; beta++) /* large enough to be cut into strips */
        K(check_product)(false, true, 70, 150, 160, beta);
}
END_TEST

BUILD_TEST(K(empty_products))
{
    REAL c[6] = {(REAL)NAN, (REAL)NAN, (REAL)NAN, (REAL)NAN, (REAL)NAN, 9}, a[4] = {1, 2, 3, 4};
    for (int flags = 0; flags < 4; flags++) {
        K(nb_gemm)(flags & 1, flags & 2, 0, 3, 1, a, a, 0, c + 5);
        K(nb_gemm)(flags & 1, flags & 2, 1, 0, 3, a, a, 0, c + 5);
        ck_assert(c[5] == 9);
        for (int i = 0; i < 5; i++)
            c[i] = (REAL)NAN;
        K(nb_gemm)(flags & 1, flags & 2, 1, 5, 0, a, a, 0, c);
        for (int i = 0; i < 5; i++)
            ck_assert(c[i] == 0);
        c[2] = 3;
        K(nb_gemm)(flags & 1, flags & 2, 5, 1, 0, a, a, 1, c);
        ck_assert(c[2] == 3 && c[1] == 0 && c[5] == 9);
    }
}
END_TEST

/* A NaN in A makes its whole row NaN, also where it meets zeros, and nothing else. */
BUILD_TEST(K(nan_spreads))
{
    static const size_t sizes[][3] = {{1, 4, 5}, {1, 33, 40}, {3, 4, 5}, {40, 33, 17}, {33, 1, 40}};
    for (int s = 0; s < 5; s++)
        for (int flags = 0; flags < 4; flags++) {
            size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2], row = m - 1, p = k / 2;
            REAL *a = K(numbers)(m * k), *b = calloc(n * k, sizeof *b), *c = K(numbers)(m * n);
            a[flags & 1 ? p * m + row : row * k + p] = (REAL)NAN;
            K(nb_gemm)(flags & 1, flags & 2, m, n, k, a, b, 0, c);
            for (size_t i = 0; i < m * n; i++)
                ck_assert_msg((c[i] != c[i]) == (i / n == row), "m %zu n %zu k %zu flags %d entry %zu", m, n, k, flags,
                              i);
            free(a), free(b), free(c);
        }
}
END_TEST

BUILD_TEST(K(sums))
{
    static const size_t sizes[] = {0, 1, 5, 7, 17, 33, 64, 65, 200};
    for (int ir = 0; ir < 9; ir++)
        for (int in = 0; in < 9; in++) {
            size_t rows = sizes[ir], n = sizes[in];
            REAL *x = K(numbers)(rows * n), *v = K(numbers)(n), *y = K(numbers)(rows * n), *sum = K(numbers)(n);
            REAL *z = malloc((rows * n + 1) * sizeof *z);
            memcpy(z, y, rows * n * sizeof *z);
            K(nb_add_row)(rows, n, v, z);
            for (size_t i = 0; i < rows * n; i++)
                ck_assert(z[i] == y[i] + v[i % n]);
            memcpy(z, y, rows * n * sizeof *z);
            K(nb_add)(rows * n, x, z);
            for (size_t i = 0; i < rows * n; i++)
                ck_assert(z[i] == y[i] + x[i]);
            K(nb_sum_rows)(rows, n, x, sum);
            long double _Complex all = 0;
            for (size_t j = 0; j < n; j++) {
                long double _Complex s = 0;
                for (size_t i = 0; i < rows; i++)
                    s += x[i * n + j];
                all += s;
                ck_assert(cabsl(s - sum[j]) <= (long double)(EPS)*cabsl(s) + 2 * DBL_EPSILON * (long double)rows);
            }
            ck_assert(cabsl(all - K(nb_total)(rows * n, x)) <= 1e-11L);
            free(x), free(v), free(y), free(z), free(sum);
        }
}
END_TEST

/* Where an entry of the large tensor comes from in the small one, by NumPy's rule. */
static size_t K(source)(const struct nb_shape *small, const struct nb_shape *large, size_t i)
{
    size_t at = 0, stride = 1;
    for (int d = large->rank - 1, j = small->rank - 1; d >= 0; d--, j--) {
        size_t index = i % (size_t)large->dim[d];
        i /= (size_t)large->dim[d];
        if (j >= 0) {
            at += small->dim[j] == 1 ? 0 : index * stride;
            stride *= (size_t)small->dim[j];
        }
    }
    return at;
}

BUILD_TEST(K(broadcasting))
{
    static const struct nb_shape pairs[][2] = {
        {{0, {0}}, {0, {0}}},
        {{0, {0}}, {2, {3, 5}}},
        {{1, {1}}, {2, {1, 1}}},
        {{2, {3, 5}}, {2, {3, 5}}},
        {{1, {5}}, {2, {300, 5}}},
        {{1, {130}}, {3, {4, 3, 130}}},
        {{2, {3, 1}}, {2, {3, 50}}},
        {{3, {4, 1, 1}}, {4, {2, 4, 3, 5}}},
        {{3, {1, 3, 1}}, {3, {2, 3, 4}}},
        {{3, {2, 1, 4}}, {3, {2, 3, 4}}},
        {{4, {2, 1, 4, 1}}, {4, {2, 3, 4, 5}}},
        {{4, {1, 3, 1, 5}}, {5, {2, 2, 3, 4, 5}}},
        {{8, {2, 1, 3, 1, 2, 1, 3, 1}}, {8, {2, 2, 3, 2, 2, 3, 3, 2}}},
        {{8, {1, 2, 1, 3, 1, 2, 1, 3}}, {8, {2, 2, 2, 3, 2, 2, 3, 3}}},
        {{2, {1, 0}}, {2, {4, 0}}},
        {{2, {1, 3}}, {2, {0, 3}}},
        {{1, {1}}, {1, {0}}},
    };
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
        const struct nb_shape *small = &pairs[p][0], *large = &pairs[p][1];
        size_t ns = (size_t)nb_count(small), nl = (size_t)nb_count(large);
        REAL *in = K(numbers)(ns), *out = K(numbers)(nl), *gout = K(numbers)(nl), *gin = K(numbers)(ns);
        long double _Complex *want = calloc(ns + 1, sizeof *want);
        out[nl] = gin[ns] = 77;
        K(nb_spread)(small, in, large, out);
        for (size_t i = 0; i < nl; i++) {
            ck_assert_msg(out[i] == in[K(source)(small, large, i)], "pair %zu, entry %zu", p, i);
            want[K(source)(small, large, i)] += gout[i];
        }
        for (size_t i = 0; i < ns; i++)
            gin[i] = (REAL)NAN;
        K(nb_fold)(large, gout, small, gin);
        for (size_t i = 0; i < ns; i++)
            ck_assert_msg(cabsl(want[i] - gin[i]) <=
                              (long double)(EPS)*cabsl(want[i]) + 2 * DBL_EPSILON * (long double)nl,
                          "pair %zu, entry %zu", p, i);
        ck_assert(out[nl] == 77 && gin[ns] == 77);
        free(in), free(out), free(gout), free(gin), free(want);
    }
}
END_TEST

static TCase *K(builds_case)(void)
{
    TCase *t = tcase_create("build");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, K(products));
    tcase_add_test(t, K(products_apart));
    tcase_add_test(t, K(empty_products));
    tcase_add_test(t, K(nan_spreads));
    tcase_add_test(t, K(sums));
    tcase_add_test(t, K(broadcasting));
    return t;
}
