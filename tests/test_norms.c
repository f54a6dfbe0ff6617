/* test_norms.c - BatchNorm, LayerNorm, Normalize, Dropout, WeightDecay: closed forms, identities, and the traps. */
#include "call.h"

/* One input; forward and, if that works, backward. */
static struct call one(enum nb_dtype dtype, const char *type, const char *args, bool train, const char *shape,
                       const double *x, const double *g)
{
    struct call c;
    call_begin(&c, dtype, type, args);
    c.train = train;
    call_input(&c, shape, x);
    if (!call_forward(&c))
        call_backward(&c, g);
    return c;
}

/* ---- BatchNorm --------------------------------------------------------------------------------------------------- */

START_TEST(batch_closed_form)
{
    /* channels 1 2 3 6 (mean 3, variance 3.5) and 0 0 0 8 (mean 2, variance 12) */
    const double x[] = {1, 0, 2, 0, 3, 0, 6, 8}, g[] = {1, 0, 0, 1, 0, 0, 0, 0};
    struct call c;
    call_begin(&c, NB_F64, "BatchNorm1d", "{\"eps\": 0.5}");
    c.train = true;
    call_input(&c, "4x2", x);
    ck_assert(!call_infer(&c));
    call_set(&c.w[0], 0, 2), call_set(&c.w[1], 1, 7);
    ck_assert(!call_run(&c));
    double s = sqrt(12.5);
    NEAR(c.out[0], -2, 7 - 2 / s, -1, 7 - 2 / s, 0, 7 - 2 / s, 3, 7 + 6 / s);
    call_backward(&c, g);
    /* xhat -1 -1/2 0 3/2, mean(g) 1/4, mean(g xhat) -1/4, gamma/q 1 */
    double q = 1 / s, xh = 2 / s, m = 0.25, d = 0.25 * -xh; /* the same of the other channel */
    NEAR(c.gin[0], 1 - 0.25 - 0.25, q * (-m + xh * d), -0.25 - 0.125, q * (1 - m + xh * d), -0.25, q * (-m + xh * d),
         -0.25 + 0.375, q * (-m - 3 * xh * d));
    NEAR(c.gw[0], -1, -xh);
    NEAR(c.gw[1], 1, 1);
    call_end(&c);
}
END_TEST

/* dx sums to 0 over a channel and, without eps, is orthogonal to xhat; of g = 1 it is 0. */
START_TEST(batch_directions)
{
    enum { B = 5, C = 3, S = 14, ALL = B * C * S };
    double x[ALL], g[ALL], ones[ALL];
    call_fill(x, ALL, "x", -1, 3), call_fill(g, ALL, "g", -1, 1);
    for (size_t i = 0; i < ALL; i++)
        ones[i] = 1;
    struct call c = one(NB_F64, "BatchNorm2d", "{\"eps\": 0}", true, "5x3x2x7", x, g);
    for (size_t k = 0; k < C; k++) {
        double sum = 0, dot = 0, mean = 0, square = 0;
        for (size_t i = 0; i < ALL; i++)
            if (i / S % C == k) {
                double y = call_at(&c.out[0], i);
                sum += call_at(&c.gin[0], i), dot += call_at(&c.gin[0], i) * y;
                mean += y, square += y * y;
            }
        ck_assert_double_le(fabs(sum), 1e-13);
        ck_assert_double_le(fabs(dot), 1e-13);
        ck_assert_double_le(fabs(mean), 1e-13);
        ck_assert_double_eq_tol(square / (B * S), 1, 1e-14); /* the biased variance */
    }
    call_end(&c);
    c = one(NB_F64, "BatchNorm2d", NULL, true, "5x3x2x7", x, ones);
    for (size_t i = 0; i < ALL; i++)
        ck_assert_double_le(fabs(call_at(&c.gin[0], i)), 1e-14);
    call_end(&c);
}
END_TEST

START_TEST(batch_of_two)
{
    struct call c = one(NB_F64, "BatchNorm1d", "{\"eps\": 0}", true, "2x2", V(1, 5, 4, -3), V(0.3, 2, -1, 1));
    NEAR(c.out[0], -1, 1, 1, -1);
    NEAR(c.gin[0], 0, 0, 0, 0);
    call_end(&c);
}
END_TEST

START_TEST(batch_of_one)
{
    const double x[] = {1, 2, 3};
    struct call c = one(NB_F64, "BatchNorm1d", NULL, true, "1x3", x, NULL);
    call_fails(&c, NB_E_bad_value, 1, "");
    c = one(NB_F64, "BatchNorm1d", "{\"track_running_stats\": false}", false, "1x3", x, NULL);
    call_fails(&c, NB_E_bad_value, 1, "");
    c = one(NB_F64, "BatchNorm1d", "{\"eps\": 0}", false, "1x3", x, NULL); /* the running ones: mean 0, variance 1 */
    NEAR(c.out[0], 1, 2, 3);
    call_end(&c);
    c = one(NB_F64, "BatchNorm1d", NULL, true, "0x3", x, NULL); /* of nothing */
    ck_assert_int_eq(nb_count(&c.out[0].shape), 0);
    NEAR(c.gw[0], 0, 0, 0);
    NEAR(c.gw[1], 0, 0, 0);
    call_end(&c);
}
END_TEST

/* E[x^2] - E[x]^2 in single gives a negative variance here. */
START_TEST(batch_far_from_zero)
{
    enum { COUNT = 1024 };
    double x[COUNT], g[COUNT];
    call_fill(x, COUNT, "x", 1e4 - 2, 1e4 + 2), call_fill(g, COUNT, "g", -1, 1);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (float)x[i], g[i] = (float)g[i];
    const char *shapes[][2] = {{"BatchNorm1d", "1024x1"}, {"BatchNorm1d", "8x2x64"}, {"LayerNorm", "2x512"}};
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        const char *args = i < 2 ? NULL : "{\"normalized_shape\": 512}";
        struct call f = one(NB_F32, shapes[i][0], args, true, shapes[i][1], x, g);
        struct call d = one(NB_F64, shapes[i][0], args, true, shapes[i][1], x, g);
        for (size_t k = 0; k < COUNT; k++) {
            ck_assert_double_eq_tol(call_at(&f.out[0], k), call_at(&d.out[0], k), 5e-7);
            ck_assert_double_eq_tol(call_at(&f.gin[0], k), call_at(&d.gin[0], k), 5e-7);
        }
        call_end(&f), call_end(&d);
    }
}
END_TEST

/* The dimensions behind the channels are one; a batch of [B, C] is the transpose of one of [1, C, B]. */
START_TEST(batch_layouts)
{
    enum { B = 5, C = 3, S = 12, ALL = B * C * S };
    double x[ALL], g[ALL], xt[ALL], gt[ALL];
    call_fill(x, ALL, "x", -1, 3), call_fill(g, ALL, "g", -1, 1);
    for (size_t i = 0; i < ALL; i++) {
        size_t to = (i / (C * S) * S + i % S) * C + i / S % C;
        xt[to] = x[i], gt[to] = g[i];
    }
    struct call a = one(NB_F64, "BatchNorm1d", NULL, true, "5x3x12", x, g);
    struct call b = one(NB_F64, "BatchNorm2d", NULL, true, "5x3x4x3", x, g);
    struct call c = one(NB_F64, "BatchNorm3d", NULL, true, "5x3x2x2x3", x, g);
    struct call d = one(NB_F64, "BatchNorm1d", NULL, true, "60x3", xt, gt);
    for (size_t i = 0; i < ALL; i++) {
        size_t to = (i / (C * S) * S + i % S) * C + i / S % C;
        ck_assert(call_at(&a.out[0], i) == call_at(&b.out[0], i) && call_at(&a.out[0], i) == call_at(&c.out[0], i));
        ck_assert(call_at(&a.gin[0], i) == call_at(&b.gin[0], i) && call_at(&a.gin[0], i) == call_at(&c.gin[0], i));
        near(call_at(&d.out[0], to), call_at(&a.out[0], i));
        near(call_at(&d.gin[0], to), call_at(&a.gin[0], i));
    }
    for (size_t k = 0; k < C; k++)
        ck_assert_double_eq_tol(call_at(&d.gw[0], k), call_at(&a.gw[0], k), 1e-13);
    call_end(&a), call_end(&b), call_end(&c), call_end(&d);
}
END_TEST

static void set_running(struct call *c)
{
    for (size_t i = 0; i < 2; i++) {
        call_set(&c->w[2], i, (double)i + 1);
        call_set(&c->w[3], i, 4 - 3 * (double)i);
    }
}

START_TEST(batch_modes)
{
    const double x[] = {3, 3, -1, 5};
    struct call c;
    for (int train = 0; train < 2; train++) {
        call_begin(&c, NB_F64, "BatchNorm1d", "{\"eps\": 0}");
        c.train = train;
        call_input(&c, "2x2", x);
        ck_assert(!call_infer(&c));
        ck_assert_int_eq(c.nw, 5);
        ck_assert_str_eq(c.infer.w[4].name, "num_batches_tracked");
        ck_assert(!c.buffer[0] && !c.buffer[1] && c.buffer[2] && c.buffer[3] && c.buffer[4]);
        set_running(&c); /* means 1 and 2, variances 4 and 1 */
        ck_assert(!call_run(&c));
        if (train)
            NEAR(c.out[0], 1, -1, -1, 1);
        else
            NEAR(c.out[0], 1, 1, -1, 3);
        call_backward(&c, V(1, 2, 3, 4));
        if (!train) {
            NEAR(c.gin[0], 0.5, 2, 1.5, 4);
            NEAR(c.gw[0], 1 - 3, 2 + 12);
            NEAR(c.gw[1], 4, 6);
        }
        NEAR(c.w[2], 1, 2); /* only training steps change them */
        NEAR(c.w[3], 4, 1);
        NEAR(c.w[4], 0);
        call_end(&c);
    }
    c = one(NB_F64, "BatchNorm1d", "{\"eps\": 0, \"affine\": false, \"track_running_stats\": false}", false, "2x2", x,
            NULL);
    ck_assert_int_eq(c.nw, 0);
    NEAR(c.out[0], 1, -1, -1, 1);
    call_end(&c);
}
END_TEST

START_TEST(batch_shapes)
{
    static const double x[24];
    struct call c = one(NB_F64, "BatchNorm1d", "{\"num_features\": 4}", true, "8x3", x, NULL);
    ck_assert(strstr(c.error.detail, "4") && strstr(c.error.detail, "[8, 3]"));
    call_fails(&c, NB_E_shape_mismatch, 0, "/num_features");
    c = one(NB_F64, "BatchNorm2d", NULL, true, "8x3", x, NULL);
    ck_assert(strstr(c.error.detail, "[8, 3]") && strstr(c.error.detail, "[B, C, H, W]"));
    call_fails(&c, NB_E_shape_mismatch, 0, "");
    call_begin(&c, NB_F64, "BatchNorm1d", NULL);
    call_input(&c, "8x3", x);
    c.in[0].shape.dim[1] = NB_ANY;
    ck_assert_int_eq(call_infer(&c), -1);
    call_fails(&c, NB_E_missing_argument, 0, "");
}
END_TEST

/* ---- LayerNorm --------------------------------------------------------------------------------------------------- */

START_TEST(layer_closed_form)
{
    struct call c;
    call_begin(&c, NB_F64, "LayerNorm", "{\"normalized_shape\": [4], \"eps\": 0.5}");
    call_input(&c, "1x4", V(1, 2, 3, 6));
    ck_assert(!call_infer(&c));
    call_set(&c.w[0], 0, 4), call_set(&c.w[1], 3, 7);
    ck_assert(!call_run(&c));
    NEAR(c.out[0], -4, -0.5, 0, 8.5);
    call_backward(&c, V(1, 0, 0, 2)); /* h 4 0 0 2, mean 3/2, mean(h xhat) (-4 + 3)/4, q 2 */
    NEAR(c.gin[0], (4 - 1.5 - 0.25) / 2, (-1.5 - 0.125) / 2, -0.75, (2 - 1.5 + 0.375) / 2);
    NEAR(c.gw[0], -1, 0, 0, 3);
    NEAR(c.gw[1], 1, 0, 0, 2);
    call_end(&c);
}
END_TEST

/* Over [7] of each of 5 rows it is BatchNorm of 7 samples with 5 channels, transposed. */
START_TEST(layer_is_batch_transposed)
{
    double x[35], g[35], xt[35], gt[35];
    call_fill(x, 35, "x", -1, 3), call_fill(g, 35, "g", -1, 1);
    for (size_t i = 0; i < 35; i++)
        xt[i % 7 * 5 + i / 7] = x[i], gt[i % 7 * 5 + i / 7] = g[i];
    struct call a =
        one(NB_F64, "LayerNorm", "{\"normalized_shape\": 7, \"elementwise_affine\": false}", false, "5x7", x, g);
    struct call b = one(NB_F64, "BatchNorm1d", "{\"affine\": false}", true, "7x5", xt, gt);
    ck_assert_int_eq(a.nw, 0);
    for (size_t i = 0; i < 35; i++) {
        near(call_at(&a.out[0], i), call_at(&b.out[0], i % 7 * 5 + i / 7));
        near(call_at(&a.gin[0], i), call_at(&b.gin[0], i % 7 * 5 + i / 7));
    }
    call_end(&a), call_end(&b);
    a = one(NB_F64, "LayerNorm", "{\"normalized_shape\": [5, 7]}", false, "5x6", x, g);
    ck_assert(strstr(a.error.detail, "[5, 7]") && strstr(a.error.detail, "[5, 6]"));
    call_fails(&a, NB_E_shape_mismatch, 0, "/normalized_shape");
}
END_TEST

/* ---- Normalize --------------------------------------------------------------------------------------------------- */

START_TEST(normalize)
{
    struct call c = one(NB_F64, "Normalize", NULL, false, "2x2", V(3, 4, 0, -2), V(1, 2, 3, 4));
    NEAR(c.out[0], 0.6, 0.8, 0, -1);
    NEAR(c.gin[0], (1 - 0.6 * 2.2) / 5, (2 - 0.8 * 2.2) / 5, 1.5, 0);
    call_end(&c);
    c = one(NB_F64, "Normalize", "{\"p\": 1}", false, "1x3", V(1, -3, 0), V(1, 2, 3));
    NEAR(c.out[0], 0.25, -0.75, 0);
    NEAR(c.gin[0], (1 + 1.25) / 4, (2 - 1.25) / 4, 0.75); /* sign(0) = 0 */
    call_end(&c);
    c = one(NB_F64, "Normalize", "{\"p\": 3, \"dim\": 0}", false, "3", V(3, -4, 5), V(1, 0, 0)); /* norm 6 */
    NEAR(c.out[0], 0.5, -4 / 6., 5 / 6.);
    NEAR(c.gin[0], (1 - 0.125) / 6, 4 / 9. * 0.5 / 6, -25 / 36. * 0.5 / 6);
    call_end(&c);
}
END_TEST

START_TEST(normalize_small)
{
    struct call c = one(NB_F64, "Normalize", NULL, false, "2x2", V(0, 0, 3e-13, 4e-13), V(1, -2, 1, 0));
    NEAR(c.out[0], 0, 0, 0.3, 0.4);
    near(call_at(&c.gin[0], 0) / 1e12, 1), near(call_at(&c.gin[0], 1) / 1e12, -2);
    near(call_at(&c.gin[0], 2) / 1e12, 1), near(call_at(&c.gin[0], 3), 0);
    call_end(&c);
    c = one(NB_F64, "Normalize", NULL, false, "1x2", V(NAN, 1), V(1, 1));
    ck_assert(isnan(call_at(&c.out[0], 0)) && isnan(call_at(&c.out[0], 1)));
    call_end(&c);
    c = one(NB_F64, "Normalize", "{\"dim\": 2}", false, "1x2", V(1, 1), V(1, 1));
    call_fails(&c, NB_E_bad_argument, 0, "/dim");
}
END_TEST

/* ---- Dropout ----------------------------------------------------------------------------------------------------- */

START_TEST(dropout)
{
    for (int train = 0; train < 2; train++) {
        struct call c;
        call_begin(&c, NB_F64, "Dropout", "{\"p\": 0.2}");
        c.train = train;
        call_input(&c, "4", V(1, 2, 3, 4));
        call_input(&c, "4", V(1, 0, 1, 0));
        ck_assert(!call_forward(&c));
        ck_assert(c.infer.noise_off == !train && c.infer.noise_p == 0.8 && c.infer.noise.dim[0] == 4);
        call_backward(&c, V(8, 8, -8, 8));
        if (train) {
            NEAR(c.out[0], 1.25, 0, 3.75, 0);
            NEAR(c.gin[0], 10, 0, -10, 0);
            NEAR(c.gin[1], 10, 20, -30, 40);
        } else {
            NEAR(c.out[0], 1, 2, 3, 4);
            NEAR(c.gin[0], 8, 8, -8, 8);
            NEAR(c.gin[1], 0, 0, 0, 0);
        }
        call_end(&c);
    }
    struct call c;
    call_begin(&c, NB_F64, "Dropout", NULL);
    call_input(&c, "2", V(1, 2));
    call_absent(&c);
    ck_assert(!call_forward(&c)); /* in eval nothing is drawn */
    NEAR(c.out[0], 1, 2);
    call_end(&c);
    call_begin(&c, NB_F64, "Dropout", NULL);
    call_input(&c, "2", V(1, 2));
    call_input(&c, "1", V(1));
    ck_assert_int_eq(call_forward(&c), -1);
    ck_assert(strstr(c.error.detail, "[2]") && strstr(c.error.detail, "[1]"));
    call_fails(&c, NB_E_shape_mismatch, 0, "");
}
END_TEST

/* ---- WeightDecay ------------------------------------------------------------------------------------------------- */

START_TEST(weight_decay)
{
    struct call c;
    call_begin(&c, NB_F64, "WeightDecay", "{\"params\": [\"*\"], \"weight_decay\": 0.5}");
    call_input(&c, "2x1", V(1, 2));
    call_input(&c, "", V(-4));
    ck_assert(!call_forward(&c));
    NEAR(c.out[0], 0.25 * (1 + 4 + 16));
    call_backward(&c, V(3));
    NEAR(c.gin[0], 1.5, 3);
    NEAR(c.gin[1], -6);
    call_end(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("norms");
    TCase *t = tcase_create("norms");
    suite_add_tcase(s, t);
    tcase_add_test(t, batch_closed_form);
    tcase_add_test(t, batch_directions);
    tcase_add_test(t, batch_of_two);
    tcase_add_test(t, batch_of_one);
    tcase_add_test(t, batch_far_from_zero);
    tcase_add_test(t, batch_layouts);
    tcase_add_test(t, batch_modes);
    tcase_add_test(t, batch_shapes);
    tcase_add_test(t, layer_closed_form);
    tcase_add_test(t, layer_is_batch_transposed);
    tcase_add_test(t, normalize);
    tcase_add_test(t, normalize_small);
    tcase_add_test(t, dropout);
    tcase_add_test(t, weight_decay);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
