/* test_rng.c - Philox against the vectors of Random123, the moments of what is drawn, and the initialisers. */
#include "nabla/rng.h"
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct nb_arena arena;
static struct nb_error error;

static void setup(void)
{
    nb_arena_init(&arena, 1 << 28);
    error = (struct nb_error){0};
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* kat_vectors of Random123: "philox4x32 10". */
START_TEST(vectors)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    uint32_t out[4];
    nb_philox(rows[_i].counter, rows[_i].key, out);
    ck_assert_mem_eq(out, rows[_i].out, sizeof out);
}
END_TEST

/* Mean, variance, third and fourth moment, and the correlation of neighbours, within 5 deviations. */
static void check_moments(const double *x, int n, const double want[4], const char *what)
{
    double m[9] = {0}, pair = 0;
    for (int i = 0; i < n; i++)
        for (int k = 1; k <= 8; k++)
            m[k] += pow(x[i], k) / n;
    for (int k = 1; k <= 4; k++) {
        double deviation = sqrt((m[2 * k] - m[k] * m[k]) / n);
        ck_assert_msg(fabs(m[k] - want[k - 1]) < 5 * deviation, "%s: moment %d is %g, not %g", what, k, m[k],
                      want[k - 1]);
    }
    for (int i = 1; i < n; i++)
        pair += (x[i] - m[1]) * (x[i - 1] - m[1]) / n / (m[2] - m[1] * m[1]);
    ck_assert_msg(fabs(pair) < 5 / sqrt(n), "%s: neighbours correlate, %g", what, pair);
}

START_TEST(moments)
{
    enum { N = 100000 };
    static double u[N], z[N];
    struct nb_stream s = nb_stream_of((struct nb_seed){(uint64_t)_i, 7}, "fc.weight");
    for (int i = 0; i < N; i++) {
        u[i] = nb_uniform(s, (uint64_t)i);
        z[i] = nb_normal(s, (uint64_t)i);
        ck_assert(u[i] >= 0 && u[i] < 1 && isfinite(z[i]));
    }
    check_moments(u, N, (double[]){1 / 2., 1 / 3., 1 / 4., 1 / 5.}, "uniform");
    check_moments(z, N, (double[]){0, 1, 0, 3}, "normal");
}
END_TEST

/* All 53 bits are drawn: the last one is set half of the time. */
/* Of either sign, sizes from 1/2 to 3/2 and evenly so; the first ones do not depend on how many there are. */
START_TEST(amounts)
{
    enum { N = 100000 };
    static double v[N], w[N];
    struct nb_stream s = nb_stream_of((struct nb_seed){5, 6}, "amounts");
    static const double want[4] = {0, 13.0 / 12, 0, (243.0 / 32 - 1.0 / 32) / 5};
    nb_draw_amounts(s, 3, N, v);
    for (int i = 0; i < N; i++)
        ck_assert(fabs(v[i]) >= 0.5 && fabs(v[i]) < 1.5);
    check_moments(v, N, want, "amounts");
    nb_draw_amounts(s, 3, 13, w);
    ck_assert_mem_eq(v, w, 13 * sizeof *v);
    nb_draw_amounts(s, 4, 40, w);
    ck_assert_mem_eq(v + 8, w, 40 * sizeof *v);
}
END_TEST

START_TEST(signs)
{
    enum { N = 100000 };
    static double v[N], w[N];
    struct nb_stream s = nb_stream_of((struct nb_seed){5, 6}, "signs");
    static const double want[4] = {0, 1, 0, 1};
    nb_draw_signs(s, 3, N, v);
    for (int i = 0; i < N; i++)
        ck_assert(fabs(v[i]) == 1);
    check_moments(v, N, want, "signs");
    nb_draw_signs(s, 3, 77, w);
    ck_assert_mem_eq(v, w, 77 * sizeof *v);
    nb_draw_signs(s, 4, 200, w);
    ck_assert_mem_eq(v + 128, w, 200 * sizeof *v);
    for (int i = 0; i < 64; i++)
        ck_assert_double_eq(v[i], nb_word(s, 3) >> i & 1 ? 1 : -1);
}
END_TEST

START_TEST(stirred)
{
    static const double edges[] = {0, -0.0, INFINITY, -INFINITY, NAN, DBL_MIN, -DBL_MIN, 0x1p-1074, DBL_MAX, 1, -1, 2};
    enum { N = 1000, EDGES = sizeof edges / sizeof *edges };
    static double x[N], y[N];
    struct nb_stream s = {1, 2};
    int up = 0;
    for (int i = 0; i < N; i++)
        x[i] = i < EDGES ? edges[i] : 2 * nb_uniform(s, (uint64_t)i) - 1;
    nb_stir(s, 7, N, x, y);
    for (int i = 0; i < N; i++) {
        bool stays = x[i] == 0 || !isfinite(x[i]);
        ck_assert(!stays || memcmp(&x[i], &y[i], sizeof *x) == 0);
        ck_assert(stays || y[i] == nextafter(x[i], INFINITY) || y[i] == nextafter(x[i], -INFINITY));
        up += y[i] > x[i];
    }
    ck_assert(up > N / 2 - 80 && up < N / 2 + 80);
    nb_stir(s, 7, N, x, x);
    ck_assert_mem_eq(x, y, sizeof x);
}
END_TEST

START_TEST(bits)
{
    struct nb_stream s = nb_stream_of((struct nb_seed){5, 6}, "");
    int odd = 0;
    for (uint64_t i = 0; i < 10000; i++)
        odd += (int)((uint64_t)(nb_uniform(s, i) * 0x1p53) & 1);
    ck_assert(abs(odd - 5000) < 250);
}
END_TEST

START_TEST(streams)
{
    struct nb_seed a = {1, 2}, b = {2, 2}, c = {1, 3};
    struct nb_stream s[] = {nb_stream_of(a, "x"), nb_stream_of(a, "y"), nb_stream_of(b, "x"), nb_stream_of(c, "x")};
    /* The order of the questions does not matter. */
    uint64_t late = nb_word(s[0], 1ull << 40), early = nb_word(s[0], 0);
    for (uint64_t i = 0; i < 100; i++)
        nb_normal(s[1], i);
    ck_assert(nb_word(s[0], 0) == early && nb_word(s[0], 1ull << 40) == late && early != late);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            for (uint64_t p = 0; p < 100; p++)
                ck_assert(nb_word(s[i], p) != nb_word(s[j], p));
    ck_assert(nb_uniform(s[0], 3) == (double)(nb_word(s[0], 3) >> 11) / 0x1p53);
}
END_TEST

START_TEST(seeds)
{
    struct nb_seed s, t;
    char text[33];
    ck_assert_int_eq(nb_seed_parse("0123456789abcdefFEDCBA9876543210", &s), 0);
    ck_assert(s.hi == 0x0123456789abcdef && s.lo == 0xfedcba9876543210);
    ck_assert_str_eq(nb_seed_text(s, text), "0123456789abcdeffedcba9876543210");
    ck_assert_int_eq(nb_seed_parse("2a", &s), 0);
    ck_assert(s.hi == 0 && s.lo == 42);
    ck_assert_str_eq(nb_seed_text(s, text), "0000000000000000000000000000002a");
    ck_assert_int_eq(nb_seed_parse("", &t), -1);
    ck_assert_int_eq(nb_seed_parse("12 ", &t), -1);
    ck_assert_int_eq(nb_seed_parse("0x12", &t), -1);
    ck_assert_int_eq(nb_seed_parse("000000000000000000000000000000000", &t), -1);
    ck_assert(nb_seed_draw(&s, &error) == 0 && nb_seed_draw(&t, &error) == 0);
    ck_assert(s.lo != t.lo && s.hi != t.hi && s.lo != s.hi);
}
END_TEST

static double *filled(struct nb_init init, struct nb_shape shape)
{
    struct nb_tensor t;
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &shape, &t, &error), 0);
    ck_assert_msg(nb_init_fill(&init, nb_stream_of((struct nb_seed){3, 4}, "w"), &t, &arena, &error) == 0, "%s",
                  error.detail);
    return t.data;
}

START_TEST(constants)
{
    struct nb_shape s = {2, {3, 4}};
    double *zeros = filled((struct nb_init){.kind = NB_INIT_ZEROS}, s);
    double *ones = filled((struct nb_init){.kind = NB_INIT_ONES}, s);
    double *c = filled((struct nb_init){.kind = NB_INIT_CONSTANT, .a = -2.5}, s);
    double *eye = filled((struct nb_init){.kind = NB_INIT_EYE}, s);
    for (int i = 0; i < 12; i++)
        ck_assert(zeros[i] == 0 && ones[i] == 1 && c[i] == -2.5 && eye[i] == (i / 4 == i % 4));
}
END_TEST

/* Shape [6, 5, 2, 3]: fan_in 30, fan_out 36 as PyTorch counts; the formulas are those of torch.nn.init. */
START_TEST(spread)
{
    static const struct {
        struct nb_init init;
        bool uniform;
        double mean, std; /* std of the values */
    } rows[] = {
        {{.kind = NB_INIT_UNIFORM, .a = -1, .b = 3}, true, 1, 4 / 3.4641016151377544},
        {{.kind = NB_INIT_NORMAL, .a = 0.5, .b = 0.1}, false, 0.5, 0.1},
        {{.kind = NB_INIT_XAVIER_UNIFORM, .a = 1.5}, true, 0, 0.26111648393354675},
        {{.kind = NB_INIT_XAVIER_NORMAL, .a = 1}, false, 0, 0.17407765595569785},
        {{.kind = NB_INIT_KAIMING_UNIFORM, .a = 2.23606797749979}, true, 0, 0.10540925533894598},
        {{.kind = NB_INIT_KAIMING_NORMAL, .a = 0}, false, 0, 0.2581988897471611},
        {{.kind = NB_INIT_KAIMING_NORMAL, .fan_out = true, .gain = 1.6666666666666667}, false, 0, 0.2777777777777778},
    };
    struct nb_shape s = {5, {6, 5, 2, 3, 1}}, many = {4, {6, 5, 200, 300}};
    double *x = filled(rows[_i].init, s), mean = 0, square = 0, most = 0;
    for (int i = 0; i < 180; i++) {
        mean += x[i] / 180;
        square += x[i] * x[i] / 180;
    }
    double std = sqrt(square - mean * mean);
    ck_assert_double_eq_tol(mean, rows[_i].mean, 4 * rows[_i].std / sqrt(180));
    ck_assert_double_eq_tol(std, rows[_i].std, 0.2 * rows[_i].std);
    /* The same number of fans, scaled by 10^4: the formula is pinned to a part in 500. */
    bool by_fan = rows[_i].init.kind >= NB_INIT_XAVIER_UNIFORM;
    double want = rows[_i].std / (by_fan ? 100 : 1);
    x = filled(rows[_i].init, many), mean = square = 0;
    for (int i = 0; i < 1800000; i++) {
        mean += x[i] / 1800000;
        square += x[i] * x[i] / 1800000;
    }
    for (int i = 0; i < 1800000; i++)
        most = fmax(most, fabs(x[i] - rows[_i].mean));
    ck_assert_double_eq_tol(sqrt(square - mean * mean), want, want / 500);
    if (rows[_i].uniform)
        ck_assert(most <= sqrt(3) * want && most > 1.73 * want);
    else
        ck_assert(most > 4 * want);
}
END_TEST

/* One dimension: both fans are its size. */
START_TEST(one_dimension)
{
    double *x = filled((struct nb_init){.kind = NB_INIT_XAVIER_UNIFORM, .a = 1}, (struct nb_shape){1, {10000}});
    double most = 0, bound = sqrt(3. / 10000);
    for (int i = 0; i < 10000; i++)
        most = fmax(most, fabs(x[i]));
    ck_assert(most <= bound && most > 0.99 * bound);
}
END_TEST

START_TEST(orthogonal)
{
    static const struct nb_shape shapes[] = {{2, {1, 1}},   {2, {4, 4}},      {2, {3, 90}},    {2, {90, 3}},
                                             {2, {70, 70}}, {3, {40, 5, 30}}, {3, {90, 5, 9}}, {2, {0, 3}}};
    struct nb_shape s = shapes[_i];
    double gain = 1.25, *q = filled((struct nb_init){.kind = NB_INIT_ORTHOGONAL, .a = gain}, s);
    size_t n = (size_t)nb_count(&s), rows = (size_t)s.dim[0], cols = n ? n / rows : 0;
    bool tall = rows > cols;
    size_t few = tall ? cols : rows, many = tall ? rows : cols, row = tall ? 1 : cols, step = tall ? cols : 1;
    for (size_t i = 0; i < few; i++)
        for (size_t j = 0; j < few; j++) {
            double dot = 0;
            for (size_t k = 0; k < many; k++)
                dot += q[i * row + k * step] * q[j * row + k * step];
            ck_assert_double_eq_tol(dot, i == j ? gain * gain : 0, 1e-14);
        }
}
END_TEST

/* The matrix is Q with R's diagonal positive: Q^T times the normal numbers it came from is triangular. */
START_TEST(orthogonal_sign)
{
    struct nb_shape s = {2, {6, 6}};
    double *q = filled((struct nb_init){.kind = NB_INIT_ORTHOGONAL, .a = 1}, s);
    double *z = filled((struct nb_init){.kind = NB_INIT_NORMAL, .a = 0, .b = 1}, s);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j <= i; j++) {
            double r = 0;
            for (int k = 0; k < 6; k++)
                r += q[i * 6 + k] * z[j * 6 + k];
            ck_assert(i == j ? r > 0 : fabs(r) < 1e-14);
        }
}
END_TEST

START_TEST(float_is_rounded_double)
{
    struct nb_shape s = {2, {7, 9}};
    struct nb_init init = {.kind = NB_INIT_KAIMING_UNIFORM, .a = 1};
    struct nb_tensor t;
    double *x = filled(init, s);
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F32, &s, &t, &error), 0);
    ck_assert_int_eq(nb_init_fill(&init, nb_stream_of((struct nb_seed){3, 4}, "w"), &t, &arena, &error), 0);
    for (int i = 0; i < 63; i++)
        ck_assert(((float *)t.data)[i] == (float)x[i]);
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        enum nb_init_kind kind;
        struct nb_shape shape;
    } rows[] = {{NB_INIT_EYE, {1, {3}}}, {NB_INIT_EYE, {3, {2, 2, 2}}}, {NB_INIT_ORTHOGONAL, {1, {3}}}};
    struct nb_tensor t;
    struct nb_init init = {.kind = rows[_i].kind, .a = 1};
    ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &rows[_i].shape, &t, &error), 0);
    ck_assert_int_eq(nb_init_fill(&init, (struct nb_stream){0, 0}, &t, &arena, &error), -1);
    ck_assert_int_eq(error.code, NB_E_bad_argument);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rng");
    TCase *t = tcase_create("rng");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, vectors, 0, 3);
    tcase_add_loop_test(t, moments, 0, 4);
    tcase_add_test(t, amounts);
    tcase_add_test(t, signs);
    tcase_add_test(t, stirred);
    tcase_add_test(t, bits);
    tcase_add_test(t, streams);
    tcase_add_test(t, seeds);
    tcase_add_test(t, constants);
    tcase_add_loop_test(t, spread, 0, 7);
    tcase_add_test(t, one_dimension);
    tcase_add_loop_test(t, orthogonal, 0, 8);
    tcase_add_test(t, orthogonal_sign);
    tcase_add_test(t, float_is_rounded_double);
    tcase_add_loop_test(t, refusals, 0, 3);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
