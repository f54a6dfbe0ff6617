/* test_losses.c - the losses against closed forms, identities between them, and the places where plain formulas break.
 */
#include "call.h"

#define N(...) ((const int64_t[]){__VA_ARGS__})

static const double inf = INFINITY;

/* Forward and, if that works, backward of a loss with a real target. */
static struct call real_in(enum nb_dtype dtype, const char *type, const char *args, const char *shape, const double *x,
                           const double *t, const double *g)
{
    struct call c;
    call_begin(&c, dtype, type, args);
    call_input(&c, shape, x);
    call_input(&c, shape, t);
    if (!call_forward(&c))
        call_backward(&c, g);
    return c;
}

static struct call real(const char *type, const char *args, const char *shape, const double *x, const double *t)
{
    return real_in(NB_F64, type, args, shape, x, t, NULL);
}

/* The same with class numbers, or integer labels. */
static struct call whole(const char *type, const char *args, const char *shape, const double *x, const char *tshape,
                         const int64_t *t)
{
    struct call c;
    call_begin(&c, NB_F64, type, args);
    call_input(&c, shape, x);
    call_classes(&c, tshape, t);
    if (!call_forward(&c))
        call_backward(&c, NULL);
    return c;
}

/* ---- squares and absolute values --------------------------------------------------------------------------------- */

START_TEST(euclidean)
{
    struct call c = real("EuclideanLoss", NULL, "2x1", V(1.5, -3.5), V(1, 0));
    NEAR(c.out[0], 3.125);
    NEAR(c.gin[0], 0.25, -1.75);
    NEAR(c.gin[1], -0.25, 1.75);
    call_end(&c);
    c = real("EuclideanLoss", "{\"reduction\": \"none\"}", "2x2", V(1, 2, 3, 4), V(0, 0, 0, 0));
    NEAR(c.out[0], 2.5, 12.5);
    NEAR(c.gin[0], 1, 2, 3, 4);
    call_end(&c);
    c = real("EuclideanLoss", NULL, "", V(3), V(1)); /* a single number is one sample */
    NEAR(c.out[0], 2);
    call_end(&c);
}
END_TEST

START_TEST(squares_and_absolute_values)
{
    struct call c = real("MSELoss", NULL, "2x2", V(1, 2, 3, 4), V(0, 4, 3, 0));
    NEAR(c.out[0], (1 + 4 + 0 + 16) / 4.);
    NEAR(c.gin[0], 0.5, -1, 0, 2);
    NEAR(c.gin[1], -0.5, 1, 0, -2);
    call_end(&c);
    c = real("L1Loss", "{\"reduction\": \"sum\"}", "4", V(1, 2, 3, -4), V(0, 4, 3, 0));
    NEAR(c.out[0], 7);
    NEAR(c.gin[0], 1, -1, 0, -1); /* 0 at the kink */
    NEAR(c.gin[1], -1, 1, 0, 1);
    call_end(&c);
}
END_TEST

/* Sums accumulate in double: 2^20 terms of 0.1 in single. */
START_TEST(sums_in_double)
{
    enum { COUNT = 1 << 20 };
    double *x = malloc(COUNT * sizeof *x), *t = calloc(COUNT, sizeof *t), one = (float)0.1;
    for (size_t i = 0; i < COUNT; i++)
        x[i] = one;
    struct call c = real_in(NB_F32, "L1Loss", "{\"reduction\": \"sum\"}", "1024x1024", x, t, NULL);
    ck_assert(call_at(&c.out[0], 0) == (float)(COUNT * one));
    call_end(&c);
    free(x), free(t);
}
END_TEST

/* ---- cross-entropy of probabilities ------------------------------------------------------------------------------ */

START_TEST(cross_entropy)
{
    struct call c = real("CrossEntropy", NULL, "2x2", V(0.5, 0.5, 0.25, 0.75), V(1, 0, 0.5, 0.5));
    NEAR(c.out[0], (log(2) + 0.5 * log(4) + 0.5 * log(4 / 3.)) / 2);
    NEAR(c.gin[0], -1, 0, -1, -0.5 / 0.75 / 2);
    NEAR(c.gin[1], log(2) / 2, log(2) / 2, log(4) / 2, log(4 / 3.) / 2);
    call_end(&c);
    c = whole("CrossEntropy", "{\"reduction\": \"none\"}", "2x3", V(0.2, 0.3, 0.5, 0.1, 0.1, 0.8), "2", N(2, 0));
    NEAR(c.out[0], -log(0.5), -log(0.1));
    NEAR(c.gin[0], 0, 0, -2, -10, 0, 0);
    call_end(&c);
    /* classes are dimension 1: [1, 2, 3] with a class for each of the 3 places, summed for the sample */
    c = whole("CrossEntropy", "{\"reduction\": \"none\"}", "1x2x3", V(0.1, 0.2, 0.3, 0.9, 0.8, 0.7), "1x3", N(0, 1, 0));
    NEAR(c.out[0], -log(0.1) - log(0.8) - log(0.3));
    NEAR(c.gin[0], -1 / 0.1, 0, -1 / 0.3, 0, -1 / 0.8, 0);
    call_end(&c);
}
END_TEST

START_TEST(cross_entropy_of_nothing)
{
    struct call c = real("CrossEntropy", NULL, "1x3", V(0, 1, 0), V(0, 1, 0));
    NEAR(c.out[0], 0);
    NEAR(c.gin[0], 0, -1, 0);
    call_end(&c);
    c = real("CrossEntropy", NULL, "1x2", V(0, 1), V(0.5, 0.5));
    ck_assert(call_at(&c.out[0], 0) == inf && call_at(&c.gin[0], 0) == -inf);
    call_end(&c);
    c = whole("CrossEntropy", NULL, "1x2", V(0, 1), "1", N(0));
    ck_assert(call_at(&c.out[0], 0) == inf && call_at(&c.gin[0], 0) == -inf && call_at(&c.gin[0], 1) == 0);
    call_end(&c);
}
END_TEST

/* ---- cross-entropy of logits ------------------------------------------------------------------------------------- */

START_TEST(logits_closed_forms)
{
    struct call c = whole("CrossEntropyLoss", NULL, "2x2", V(0, 0, 1000, 0), "2", N(1, 1));
    NEAR(c.out[0], (log(2) + 1000) / 2);
    NEAR(c.gin[0], 0.25, -0.25, 0.5, -0.5);
    call_end(&c);
    c = whole("CrossEntropyLoss", NULL, "3", V(0, log(2), log(5)), "", N(1)); /* one sample, rank 1 */
    NEAR(c.out[0], log(8) - log(2));
    NEAR(c.gin[0], 1 / 8., 2 / 8. - 1, 5 / 8.);
    call_end(&c);
    c = whole("CrossEntropyLoss", NULL, "1x3", V(-inf, 0, 0), "1", N(2)); /* a class that is masked */
    NEAR(c.out[0], log(2));
    NEAR(c.gin[0], 0, 0.5, -0.5);
    call_end(&c);
}
END_TEST

/* (sum y) softmax(x) - y, also where y does not sum to 1. */
START_TEST(fused_gradient)
{
    const double x[] = {0, log(3), 0, 0, log(2), log(4)}, y[] = {0.5, 0.5, 1, 0, 0, 0.25};
    const double p[] = {1 / 5., 3 / 5., 1 / 5., 1 / 7., 2 / 7., 4 / 7.}, sum[] = {2, 0.25};
    struct call c = real("CrossEntropyLoss", "{\"reduction\": \"sum\"}", "2x3", x, y);
    double loss = 0;
    for (size_t i = 0; i < 6; i++) {
        near(call_at(&c.gin[0], i), sum[i / 3] * p[i] - y[i]);
        near(call_at(&c.gin[1], i), -log(p[i]));
        loss -= y[i] * log(p[i]);
    }
    NEAR(c.out[0], loss);
    call_end(&c);
}
END_TEST

/* A target of 0 at a logit of -infinity counts 0. */
START_TEST(masked_distribution)
{
    struct call c = real("CrossEntropyLoss", NULL, "1x3", V(-inf, 0, 0), V(0, 0.5, 0.5));
    NEAR(c.out[0], log(2));
    NEAR(c.gin[0], 0, 0, 0);
    call_end(&c);
}
END_TEST

static void same_numbers(const struct nb_tensor *a, const struct nb_tensor *b)
{
    for (size_t i = 0; i < (size_t)nb_count(&a->shape); i++)
        near(call_at(a, i), call_at(b, i));
}

/* Class numbers are one-hot distributions; smoothing mixes in the uniform one. */
START_TEST(classes_are_distributions)
{
    enum { B = 5, C = 17 };
    static const int64_t class[B] = {3, 0, 16, 8, 3};
    double x[B * C], hot[B * C] = {0}, smooth[B * C];
    call_fill(x, B * C, "x", -3, 3);
    for (size_t i = 0; i < B; i++)
        hot[i * C + (size_t) class[i]] = 1;
    for (size_t i = 0; i < B * C; i++)
        smooth[i] = 0.7 * hot[i] + 0.3 / C;
    struct call a = whole("CrossEntropyLoss", NULL, "5x17", x, "5", class);
    struct call b = real("CrossEntropyLoss", NULL, "5x17", x, hot);
    same_numbers(&a.out[0], &b.out[0]);
    same_numbers(&a.gin[0], &b.gin[0]);
    call_end(&a), call_end(&b);
    a = whole("CrossEntropyLoss", "{\"label_smoothing\": 0.3}", "5x17", x, "5", class);
    b = real("CrossEntropyLoss", NULL, "5x17", x, smooth);
    same_numbers(&a.out[0], &b.out[0]);
    same_numbers(&a.gin[0], &b.gin[0]);
    call_end(&a), call_end(&b);
    b = real("CrossEntropyLoss", "{\"label_smoothing\": 0.3}", "5x17", x, hot);
    a = real("CrossEntropyLoss", NULL, "5x17", x, smooth);
    same_numbers(&a.gin[0], &b.gin[0]);
    for (size_t i = 0; i < B * C; i++)
        near(call_at(&b.gin[1], i), 0.7 * call_at(&a.gin[1], i));
    call_end(&a), call_end(&b);
}
END_TEST

START_TEST(weights_and_ignored_samples)
{
    const double x[] = {0, 0, log(3), 0, 0, log(7)}; /* probabilities 1/2 1/2, 3/4 1/4, 1/8 7/8 */
    struct call c = whole("CrossEntropyLoss", "{\"weight\": [2, 3]}", "3x2", x, "3", N(0, 1, 1));
    NEAR(c.out[0], (2 * log(2) + 3 * log(4) + 3 * log(8 / 7.)) / 8);
    NEAR(c.gin[0], -1 / 8., 1 / 8., 9 / 32., -9 / 32., 3 / 64., -3 / 64.);
    call_end(&c);
    c = whole("CrossEntropyLoss", "{\"weight\": [2, 3], \"ignore_index\": 0}", "3x2", x, "3", N(0, 1, 1));
    NEAR(c.out[0], (log(4) + log(8 / 7.)) / 2);
    NEAR(c.gin[0], 0, 0, 3 / 8., -3 / 8., 1 / 16., -1 / 16.);
    call_end(&c);
    c = whole("CrossEntropyLoss", "{\"reduction\": \"batchmean\"}", "3x2", x, "3", N(-100, 1, 1));
    NEAR(c.out[0], (log(4) + log(8 / 7.)) / 3);
    call_end(&c);
    /* distributions: by the number of samples, whatever the weights */
    c = real("CrossEntropyLoss", "{\"weight\": [2, 3]}", "3x2", x, V(1, 0, 0, 1, 0, 1));
    NEAR(c.out[0], (2 * log(2) + 3 * log(4) + 3 * log(8 / 7.)) / 3);
    call_end(&c);
    c = whole("CrossEntropyLoss", NULL, "2x2", x, "2", N(-100, -100));
    call_fails(&c, NB_E_bad_value, 2, "");
    c = whole("NLLLoss", "{\"ignore_index\": 1}", "2x2", x, "2", N(1, 1));
    call_fails(&c, NB_E_bad_value, 2, "");
    c = whole("CrossEntropyLoss", "{\"reduction\": \"sum\"}", "2x2", x, "2", N(-100, -100));
    NEAR(c.out[0], 0);
    NEAR(c.gin[0], 0, 0, 0, 0);
    call_end(&c);
}
END_TEST

/* [B, C, d] is the samples [B, d] with their C logits. */
START_TEST(classes_in_the_middle)
{
    enum { B = 3, C = 5, D = 70 };
    double x[B * C * D], flat[B * D * C];
    int64_t class[B * D];
    call_fill(x, B * C * D, "x", -3, 3);
    for (size_t i = 0; i < B * C * D; i++)
        flat[(i / (C * D) * D + i % D) * C + i / D % C] = x[i];
    for (size_t i = 0; i < B * D; i++)
        class[i] = (int64_t)(i * i % C);
    const char *args = "{\"weight\": [1, 2, 0.5, 3, 1], \"label_smoothing\": 0.1, \"ignore_index\": 4}";
    struct call a = whole("CrossEntropyLoss", args, "3x5x70", x, "3x70", class);
    struct call b = whole("CrossEntropyLoss", args, "210x5", flat, "210", class);
    near(call_at(&a.out[0], 0), call_at(&b.out[0], 0));
    for (size_t i = 0; i < B * C * D; i++)
        near(call_at(&a.gin[0], i), call_at(&b.gin[0], (i / (C * D) * D + i % D) * C + i / D % C));
    call_end(&a), call_end(&b);
}
END_TEST

/* Rows of the gradient sum to 0, and a number added to all logits changes nothing. */
START_TEST(shift_of_logits)
{
    double x[7 * 33], moved[7 * 33];
    call_fill(x, LENGTH(x), "x", -3, 3);
    for (size_t i = 0; i < LENGTH(x); i++) {
        x[i] = ldexp(nearbyint(ldexp(x[i], 20)), -20);
        moved[i] = x[i] + 512;
    }
    struct call a = whole("CrossEntropyLoss", NULL, "7x33", x, "7", N(0, 5, 32, 7, 7, 1, 30));
    struct call b = whole("CrossEntropyLoss", NULL, "7x33", moved, "7", N(0, 5, 32, 7, 7, 1, 30));
    ck_assert_double_eq_tol(call_at(&a.out[0], 0), call_at(&b.out[0], 0), 1e-12);
    for (size_t r = 0; r < 7; r++) {
        double s = 0;
        for (size_t i = 0; i < 33; i++)
            s += call_at(&a.gin[0], r * 33 + i);
        ck_assert_double_le(fabs(s), 1e-15);
    }
    call_end(&a), call_end(&b);
}
END_TEST

START_TEST(bad_classes)
{
    struct call c = whole("CrossEntropyLoss", NULL, "3x2", V(0, 0, 0, 0, 0, 0), "3", N(0, 1, 2));
    call_fails(&c, NB_E_bad_index, 2, "/2");
    c = whole("CrossEntropyLoss", NULL, "1x2x2", V(0, 0, 0, 0), "1x2", N(0, -1));
    call_fails(&c, NB_E_bad_index, 2, "/0/1");
    c = whole("NLLLoss", NULL, "2x2", V(0, 0, 0, 0), "2", N(7, 0));
    call_fails(&c, NB_E_bad_index, 2, "/0");
    c = whole("CrossEntropy", NULL, "2x2", V(1, 1, 1, 1), "2", N(0, -100)); /* nothing is ignored here */
    call_fails(&c, NB_E_bad_index, 2, "/1");
}
END_TEST

/* NLLLoss of logarithms is CrossEntropyLoss. */
START_TEST(negative_log_likelihood)
{
    const double x[] = {log(0.5), log(0.5), log(0.75), log(0.25)};
    static const char *const reductions[] = {"none", "sum", "mean", "batchmean"};
    for (size_t i = 0; i < 4; i++) {
        char args[99];
        snprintf(args, sizeof args, "{\"weight\": [2, 3], \"reduction\": \"%s\"}", reductions[i]);
        struct call a = whole("NLLLoss", args, "2x2", x, "2", N(0, 1));
        struct call b = whole("CrossEntropyLoss", args, "2x2", x, "2", N(0, 1));
        ck_assert(nb_shape_same(&a.out[0].shape, &b.out[0].shape) == 1);
        same_numbers(&a.out[0], &b.out[0]);
        call_end(&a), call_end(&b);
    }
    struct call c = whole("NLLLoss", "{\"weight\": [2, 3]}", "2x2", x, "2", N(0, 1));
    NEAR(c.gin[0], -2 / 5., 0, 0, -3 / 5.);
    call_end(&c);
}
END_TEST

/* ---- labels ------------------------------------------------------------------------------------------------------ */

START_TEST(hinge)
{
    const double x[] = {0.5, -2, 1, 3}, y[] = {1, 1, 1, -1};
    struct call c = real("HingeLoss", NULL, "2x2", x, y);
    NEAR(c.out[0], (0.5 + 3 + 0 + 4) / 2);
    NEAR(c.gin[0], -0.5, -0.5, 0, 0.5); /* 0 at the kink */
    NEAR(c.gin[1], 0, 0, 0, 0);
    call_end(&c);
    c = whole("HingeLoss", "{\"p\": 2, \"margin\": 2, \"reduction\": \"none\"}", "2x2", x, "2x2", N(1, 1, 1, -1));
    NEAR(c.out[0], 2.25 + 16, 1 + 25);
    NEAR(c.gin[0], -3, -8, -2, 10);
    call_end(&c);
    c = real("HingeLoss", NULL, "2x2", x, V(1, -1, 0, 1));
    call_fails(&c, NB_E_bad_value, 2, "/1/0");
    c = real("HingeLoss", NULL, "4", x, V(1, -1, -1, NAN));
    call_fails(&c, NB_E_bad_value, 2, "/3");
    c = whole("HingeLoss", NULL, "4", x, "4", N(1, 2, 1, 1));
    call_fails(&c, NB_E_bad_value, 2, "/1");
}
END_TEST

static struct call pairs(const char *args, const double *x1, const double *x2, const double *t)
{
    struct call c;
    call_begin(&c, NB_F64, "ContrastiveLoss", args);
    call_input(&c, "2x2", x1);
    call_input(&c, "2x2", x2);
    call_input(&c, "2", t);
    if (!call_forward(&c))
        call_backward(&c, NULL);
    return c;
}

START_TEST(contrastive)
{
    const double x1[] = {3, 5, 1, 1}, x2[] = {0, 1, 1, 1}; /* distances 5 and 0 */
    struct call c = pairs("{\"reduction\": \"none\", \"margin\": 7}", x1, x2, V(0, 0));
    NEAR(c.out[0], 12.5, 0);
    NEAR(c.gin[0], 3, 4, 0, 0);
    NEAR(c.gin[1], -3, -4, 0, 0);
    call_end(&c);
    c = pairs("{\"reduction\": \"none\", \"margin\": 7}", x1, x2, V(1, 1));
    NEAR(c.out[0], 2, 24.5);
    NEAR(c.gin[0], -2 * 3 / 5., -2 * 4 / 5., 0, 0); /* 0 at the kink D = 0 */
    NEAR(c.gin[1], 2 * 3 / 5., 2 * 4 / 5., 0, 0);
    NEAR(c.gin[2], 0, 0);
    call_end(&c);
    c = pairs("{\"similar\": 1, \"margin\": 4}", x1, x2, V(0, 1)); /* beyond the margin; similar and equal */
    NEAR(c.out[0], 0);
    NEAR(c.gin[0], 0, 0, 0, 0);
    call_end(&c);
    c = pairs(NULL, x1, x2, V(0, -1));
    call_fails(&c, NB_E_bad_value, 3, "/1");
}
END_TEST

/* ---- Kullback-Leibler -------------------------------------------------------------------------------------------- */

START_TEST(divergence)
{
    const double p[] = {0.25, 0.75}, q[] = {0.5, 0.5}, want = 0.25 * log(0.5) + 0.75 * log(1.5);
    const double lp[] = {log(0.25), log(0.75)}, lq[] = {log(0.5), log(0.5)};
    struct call c = real("KLDivLoss", "{\"reduction\": \"batchmean\"}", "1x2", lq, p);
    NEAR(c.out[0], want);
    NEAR(c.gin[0], -0.25, -0.75);
    NEAR(c.gin[1], log(0.5) + 1, log(1.5) + 1);
    call_end(&c);
    c = real("KLDivLoss", NULL, "1x2", lq, p); /* mean divides by the classes as well */
    NEAR(c.out[0], want / 2);
    call_end(&c);
    c = real("KLDivLoss", "{\"reduction\": \"batchmean\", \"log_target\": true}", "1x2", lq, lp);
    NEAR(c.out[0], want);
    NEAR(c.gin[0], -0.25, -0.75);
    NEAR(c.gin[1], 0.25 * (log(0.5) + 1), 0.75 * (log(1.5) + 1));
    call_end(&c);
    c = real("KLDivLoss", NULL, "1x2", lq, q); /* of a distribution from itself */
    NEAR(c.out[0], 0);
    call_end(&c);
}
END_TEST

START_TEST(divergence_of_nothing)
{
    struct call c = real("KLDivLoss", "{\"reduction\": \"none\"}", "3", V(-inf, -1, -inf), V(0, 0, 0.5));
    ck_assert(call_at(&c.out[0], 0) == 0 && call_at(&c.out[0], 1) == 0 && call_at(&c.out[0], 2) == inf);
    ck_assert(call_at(&c.gin[0], 0) == 0 && call_at(&c.gin[0], 1) == 0 && call_at(&c.gin[0], 2) == -0.5);
    call_end(&c);
    c = real("KLDivLoss", "{\"log_target\": true}", "2", V(-inf, 0), V(-inf, 0));
    NEAR(c.out[0], 0);
    NEAR(c.gin[0], 0, -0.5);
    NEAR(c.gin[1], 0, 0.5);
    call_end(&c);
}
END_TEST

/* ---- binary ------------------------------------------------------------------------------------------------------ */

START_TEST(binary)
{
    struct call c = real("BCELoss", "{\"reduction\": \"none\"}", "3", V(0.25, 0.5, 0.75), V(1, 0.5, 0));
    NEAR(c.out[0], log(4), log(2), log(4));
    NEAR(c.gin[0], -4, 0, 4);
    NEAR(c.gin[1], log(3), 0, -log(3));
    call_end(&c);
    /* 0 ln 0 is 0, a wrong certainty is infinite */
    c = real("BCELoss", "{\"reduction\": \"none\"}", "4", V(0, 1, 0, 1), V(0, 1, 1, 0));
    ck_assert(call_at(&c.out[0], 0) == 0 && call_at(&c.out[0], 1) == 0);
    ck_assert(call_at(&c.out[0], 2) == inf && call_at(&c.out[0], 3) == inf);
    ck_assert(call_at(&c.gin[0], 0) == 1 && call_at(&c.gin[0], 1) == -1);
    ck_assert(call_at(&c.gin[0], 2) == -inf && call_at(&c.gin[0], 3) == inf);
    call_end(&c);
    c = real_in(NB_F64, "BCELoss", "{\"reduction\": \"none\"}", "2", V(0, 0.5), V(1, 0), V(0, 1));
    ck_assert(call_at(&c.gin[0], 0) == 0 && call_at(&c.gin[1], 0) == 0); /* nothing in, nothing out */
    call_end(&c);
}
END_TEST

START_TEST(binary_logits)
{
    struct call c = real_in(NB_F32, "BCEWithLogitsLoss", "{\"reduction\": \"none\"}", "2", V(200, -200), V(0, 1), NULL);
    ck_assert(call_at(&c.out[0], 0) == 200 && call_at(&c.out[0], 1) == 200);
    ck_assert(call_at(&c.gin[0], 0) == 1 && call_at(&c.gin[0], 1) == -1);
    call_end(&c);
    c = real("BCEWithLogitsLoss", "{\"reduction\": \"none\"}", "4", V(40, -40, 0, 0), V(1, 0, 1, 0.5));
    ck_assert_double_eq_tol(call_at(&c.out[0], 0) / exp(-40), 1, 1e-14); /* no digits are lost */
    ck_assert_double_eq_tol(call_at(&c.out[0], 1) / exp(-40), 1, 1e-14);
    ck_assert_double_eq_tol(call_at(&c.gin[0], 0) / -exp(-40), 1, 1e-14);
    ck_assert_double_eq_tol(call_at(&c.gin[0], 1) / exp(-40), 1, 1e-14);
    near(call_at(&c.out[0], 2), log(2));
    near(call_at(&c.gin[0], 2), -0.5);
    near(call_at(&c.gin[0], 3), 0);
    NEAR(c.gin[1], -40, 40, 0, 0);
    call_end(&c);
}
END_TEST

/* The logits form is the other one after a Sigmoid; pos_weight multiplies the part of the ones. */
START_TEST(binary_logits_and_probabilities)
{
    enum { ROWS = 5, PLACES = 3 };
    const double weight[] = {0.5, 1, 2.5};
    double x[ROWS * PLACES], t[ROWS * PLACES], p[ROWS * PLACES];
    call_fill(x, LENGTH(x), "x", -3, 3);
    call_fill(t, LENGTH(t), "t", 0, 1);
    for (size_t i = 0; i < LENGTH(x); i++)
        p[i] = 1 / (1 + exp(-x[i]));
    struct call a = real("BCEWithLogitsLoss", "{\"reduction\": \"none\"}", "5x3", x, t);
    struct call b = real("BCELoss", "{\"reduction\": \"none\"}", "5x3", p, t);
    struct call c = real("BCEWithLogitsLoss", "{\"reduction\": \"none\", \"pos_weight\": [0.5, 1, 2.5]}", "5x3", x, t);
    for (size_t i = 0; i < LENGTH(x); i++) {
        double ones = -t[i] * log(p[i]), w = weight[i % PLACES];
        near(call_at(&a.out[0], i), call_at(&b.out[0], i));
        near(call_at(&a.gin[0], i), p[i] - t[i]);
        near(call_at(&c.out[0], i), call_at(&a.out[0], i) + (w - 1) * ones);
        near(call_at(&c.gin[0], i), (1 - t[i]) * p[i] - w * t[i] * (1 - p[i]));
        near(call_at(&c.gin[1], i), -x[i] - (w - 1) * log(p[i]));
    }
    call_end(&a), call_end(&b), call_end(&c);
}
END_TEST

/* ---- what all have in common --------------------------------------------------------------------------------------
 */

static const struct {
    const char *type;
    size_t entries; /* of none, for inputs [4, 3] */
} losses[] = {
    {"EuclideanLoss", 4}, {"MSELoss", 12}, {"L1Loss", 12},    {"CrossEntropy", 4},       {"CrossEntropyLoss", 4},
    {"HingeLoss", 4},     {"BCELoss", 12}, {"KLDivLoss", 12}, {"BCEWithLogitsLoss", 12},
};

static double reduced(const char *type, const char *reduction, const double *x, const double *t, double *dx)
{
    char args[99];
    snprintf(args, sizeof args, "{\"reduction\": \"%s\"}", reduction);
    struct call c = real(type, args, "4x3", x, t);
    double s = 0;
    for (size_t i = 0; i < (size_t)nb_count(&c.out[0].shape); i++)
        s += call_at(&c.out[0], i);
    *dx = call_at(&c.gin[0], 5);
    call_end(&c);
    return s;
}

START_TEST(reductions)
{
    double x[12], t[12], d[4], entries = (double)losses[_i].entries;
    const char *type = losses[_i].type;
    call_fill(x, 12, "x", 0.1, 0.9);
    for (size_t i = 0; i < 12; i++)
        t[i] = i % 2 ? 1 : strcmp(type, "HingeLoss") ? 0 : -1;
    double none = reduced(type, "none", x, t, &d[0]), sum = reduced(type, "sum", x, t, &d[1]);
    double mean = reduced(type, "mean", x, t, &d[2]), batchmean = reduced(type, "batchmean", x, t, &d[3]);
    ck_assert_double_gt(fabs(d[0]), 0);
    near(none, sum), near(d[0], d[1]);
    near(mean * entries, sum), near(d[2] * entries, d[1]);
    near(batchmean * 4, sum), near(d[3] * 4, d[1]);
}
END_TEST

/* Shapes that do not fit are named; symbols are taken for what they may be. */
START_TEST(shapes)
{
    struct call c;
    call_begin(&c, NB_F64, "MSELoss", NULL);
    call_input(&c, "2x3", (double[6]){0});
    call_input(&c, "3x2", (double[6]){0});
    ck_assert_int_eq(call_forward(&c), -1);
    ck_assert(strstr(c.error.detail, "[2, 3]") && strstr(c.error.detail, "[3, 2]"));
    call_fails(&c, NB_E_shape_mismatch, 0, "");
    c = whole("CrossEntropyLoss", NULL, "2x3", (double[6]){0}, "2x1", N(0, 0));
    ck_assert(strstr(c.error.detail, "[2, 3]") && strstr(c.error.detail, "[2, 1]") && strstr(c.error.detail, "[2]"));
    call_fails(&c, NB_E_shape_mismatch, 0, "");
    c = whole("CrossEntropyLoss", "{\"weight\": [1, 2]}", "2x3", (double[6]){0}, "2", N(0, 0));
    call_fails(&c, NB_E_shape_mismatch, 0, "/weight");
    c = real("BCEWithLogitsLoss", "{\"pos_weight\": [1, 2]}", "2x3", (double[6]){0}, (double[6]){0});
    call_fails(&c, NB_E_shape_mismatch, 0, "/pos_weight");
    c = real("CrossEntropy", NULL, "3", (double[3]){0}, (double[3]){0});
    call_fails(&c, NB_E_shape_mismatch, 0, "");
    c = whole("CrossEntropyLoss", NULL, "", V(0), "", N(0));
    call_fails(&c, NB_E_shape_mismatch, 0, "");
}
END_TEST

/* Over nothing: none is empty, a sum is 0, a mean NaN. */
START_TEST(no_samples)
{
    static const double x[1];
    struct call c = real("MSELoss", NULL, "0x3", x, x);
    ck_assert(isnan(call_at(&c.out[0], 0)));
    call_end(&c);
    c = real("EuclideanLoss", "{\"reduction\": \"sum\"}", "0x3", x, x);
    ck_assert(call_at(&c.out[0], 0) == 0);
    call_end(&c);
    c = whole("CrossEntropyLoss", NULL, "0x3", x, "0", N(0));
    ck_assert(c.error.code == NB_E_none && isnan(call_at(&c.out[0], 0)));
    call_end(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("losses");
    TCase *t = tcase_create("losses");
    suite_add_tcase(s, t);
    tcase_add_test(t, euclidean);
    tcase_add_test(t, squares_and_absolute_values);
    tcase_add_test(t, sums_in_double);
    tcase_add_test(t, cross_entropy);
    tcase_add_test(t, cross_entropy_of_nothing);
    tcase_add_test(t, logits_closed_forms);
    tcase_add_test(t, fused_gradient);
    tcase_add_test(t, masked_distribution);
    tcase_add_test(t, classes_are_distributions);
    tcase_add_test(t, weights_and_ignored_samples);
    tcase_add_test(t, classes_in_the_middle);
    tcase_add_test(t, shift_of_logits);
    tcase_add_test(t, bad_classes);
    tcase_add_test(t, negative_log_likelihood);
    tcase_add_test(t, hinge);
    tcase_add_test(t, contrastive);
    tcase_add_test(t, divergence);
    tcase_add_test(t, divergence_of_nothing);
    tcase_add_test(t, binary);
    tcase_add_test(t, binary_logits);
    tcase_add_test(t, binary_logits_and_probabilities);
    tcase_add_loop_test(t, reductions, 0, LENGTH(losses));
    tcase_add_test(t, shapes);
    tcase_add_test(t, no_samples);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
