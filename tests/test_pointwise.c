/* test_pointwise.c - functions entry by entry: known values, traps of stability, kinks, NaN, broadcasting, and bits
 * that do not depend on the place. Expected numbers are closed forms to 20 digits, or another way to compute the same.
 */
#include "graph/arguments.h"
#include "nabla/module.h"
#include <check.h>
#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct nb_arena arena;

static void setup(void)
{
    nb_arena_init(&arena, (size_t)1 << 30);
}

static void teardown(void)
{
    nb_arena_done(&arena);
}

/* ---- one call -----------------------------------------------------------------------------------------------------
 */

enum { MOST = 3 };

struct call {
    const struct nb_module *m;
    enum nb_dtype b;
    struct nb_infer s;
    struct nb_shape shapes[MOST], out_shape;
    bool integer[MOST];
    struct nb_tensor in[MOST], w[1], out, gout, gin[MOST], gw[1];
    struct nb_call c;
};

static struct nb_tensor tensor(enum nb_dtype b, struct nb_shape s)
{
    struct nb_tensor t;
    struct nb_error e = {0};
    ck_assert_msg(!nb_tensor_new(&arena, b, &s, &t, &e), "%s", e.detail);
    return t;
}

static size_t entries(const struct nb_tensor *t)
{
    return (size_t)nb_count(&t->shape);
}

static double entry(const struct nb_tensor *t, size_t i)
{
    double v;
    nb_convert(NB_F64, &v, t->dtype, (const char *)t->data + i * nb_dtype_size(t->dtype), 1);
    return v;
}

/* Arguments and shapes; the error of either. */
static int start(struct call *c, enum nb_dtype b, const char *type, const char *args, int nin,
                 const struct nb_shape *shapes, struct nb_error *e)
{
    int row = nb_module_find(type);
    ck_assert_msg(row >= 0, "no %s", type);
    *c = (struct call){.m = nb_module_at(b, row), .b = b};
    json_t *j = json_loads(args ? args : "{}", 0, NULL);
    ck_assert_ptr_nonnull(j);
    void *read = NULL;
    int bad = nb_args_read(c->m, j, false, NULL, &arena, &read, e);
    json_decref(j);
    for (int i = 0; i < nin; i++)
        c->shapes[i] = shapes[i];
    c->s = (struct nb_infer){.args = read,
                             .nin = nin,
                             .in = c->shapes,
                             .integer = c->integer,
                             .arena = &arena,
                             .nout = 1,
                             .out = &c->out_shape};
    return bad || c->m->infer(&c->s, e) ? -1 : 0;
}

/* Room for everything; inputs are filled by the caller. */
static void make(struct call *c, enum nb_dtype b, const char *type, const char *args, int nin,
                 const struct nb_shape *shapes)
{
    struct nb_error e = {0};
    ck_assert_msg(!start(c, b, type, args, nin, shapes, &e), "%s: %s", type, e.detail);
    for (int i = 0; i < nin; i++) {
        c->in[i] = tensor(b, shapes[i]);
        c->gin[i] = tensor(b, shapes[i]);
        memset(c->gin[i].data, 0xFF, entries(&c->gin[i]) * nb_dtype_size(b));
    }
    for (int i = 0; i < c->s.nw; i++) {
        c->w[i] = tensor(b, c->s.w[i].shape);
        c->gw[i] = tensor(b, c->s.w[i].shape);
    }
    c->out = tensor(b, c->out_shape);
    c->gout = tensor(b, c->out_shape);
    void *work = nb_alloc(&arena, c->s.work, nb_dtype_size(b), &e);
    c->c = (struct nb_call){.args = c->s.args,
                            .nin = nin,
                            .nout = 1,
                            .nw = c->s.nw,
                            .in = c->in,
                            .w = c->w,
                            .out = &c->out,
                            .gout = &c->gout,
                            .gin = c->gin,
                            .gw = c->gw,
                            .work = work};
}

static void fill(struct nb_tensor *t, const double *v)
{
    nb_convert(t->dtype, t->data, NB_F64, v, entries(t));
}

static void forward(struct call *c)
{
    struct nb_error e = {0};
    ck_assert_int_eq(c->m->forward(&c->c, &e), 0);
}

static void backward(struct call *c)
{
    struct nb_error e = {0};
    ck_assert_int_eq(c->m->backward(&c->c, &e), 0);
}

/* A vector of n numbers through a module of one input: y, and dx for the cotangent g (each may be NULL). */
static void apply(enum nb_dtype b, const char *type, const char *args, size_t n, const double *x, const double *g,
                  double *y, double *dx)
{
    struct call c;
    struct nb_shape s = nb_shape_of(1, (int64_t)n);
    make(&c, b, type, args, 1, &s);
    fill(&c.in[0], x);
    forward(&c);
    for (size_t i = 0; y && i < n; i++)
        y[i] = entry(&c.out, i);
    if (!dx)
        return;
    fill(&c.gout, g);
    backward(&c);
    for (size_t i = 0; i < n; i++)
        dx[i] = entry(&c.gin[0], i);
}

/* The same for one number and g = 1; dx is NaN for modules without backward. */
static double value(enum nb_dtype b, const char *type, const char *args, double x, double *dx)
{
    const double one = 1;
    double y, none;
    bool has = nb_module_at(b, nb_module_find(type))->backward != NULL;
    apply(b, type, args, 1, &x, &one, &y, has ? dx ? dx : &none : NULL);
    if (!has && dx)
        *dx = NAN;
    return y;
}

/* y = f(a, b), da, db for single numbers and g = 1. */
static double value2(enum nb_dtype t, const char *type, double a, double b, double *da, double *db)
{
    struct call c;
    struct nb_shape s[] = {nb_shape_of(0), nb_shape_of(0)};
    const double one = 1;
    make(&c, t, type, NULL, 2, s);
    fill(&c.in[0], &a);
    fill(&c.in[1], &b);
    fill(&c.gout, &one);
    forward(&c);
    if (c.m->backward)
        backward(&c);
    if (da)
        *da = entry(&c.gin[0], 0);
    if (db)
        *db = entry(&c.gin[1], 0);
    return entry(&c.out, 0);
}

static bool near(double got, double want, double tol)
{
    if (isnan(want) || isinf(want) || want == 0)
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= tol * fabs(want);
}

/* ---- values and derivatives that are known ------------------------------------------------------------------------
 */

static const struct known {
    const char *type, *args;
    double x, y, dx;
} known[] = {
    /* traps of stability */
    {"Softplus", NULL, 1000, 1000, 1},
    {"Softplus", NULL, -40, 4.2483542552915889863e-18, 4.2483542552915889773e-18},
    {"Softplus", NULL, 20, 20.00000000206115362, 0.99999999793884638181},
    {"Softplus", NULL, -1000, 0, 0},
    {"Softplus", "{\"beta\": 2}", 500, 500, 1},
    {"Sigmoid", NULL, 40, 1, 4.2483542552915889592e-18},
    {"Sigmoid", NULL, -40, 4.2483542552915889773e-18, 4.2483542552915889592e-18},
    {"Sigmoid", NULL, -1000, 0, 0},
    {"Sigmoid", NULL, 1000, 1, 0},
    {"Sigmoid", NULL, 0, 0.5, 0.25},
    {"LogSigmoid", NULL, -1000, -1000, 1},
    {"LogSigmoid", NULL, 40, -4.2483542552915889863e-18, 4.2483542552915889773e-18},
    {"Tanh", NULL, 15, 0.99999999999981284754, 3.7430491875353693211e-13},
    {"Tanh", NULL, -20, -1, 1.6993417021166355837e-17},
    {"Tanh", NULL, 1000, 1, 0},
    {"ELU", NULL, -1e-12, -9.9999999999949997989e-13, 0.999999999999},
    {"ELU", NULL, 1000, 1000, 1},
    {"Mish", NULL, 1000, 1000, 1},
    {"Mish", NULL, -1000, 0, 0},
    {"Mish", NULL, 1, 0.86509838826731036, 1.0490362200997920},
    {"Softsign", NULL, 3, 0.75, 0.0625},
    {"Hardswish", NULL, 3, 3, 1.5},
    {"Hardswish", NULL, -3, 0, -0.5},
    {"Hardsigmoid", NULL, 3, 1, 0},
    {"Hardsigmoid", NULL, -3, 0, 0},
    {"Hardsigmoid", "{\"alpha\": 0, \"beta\": 7}", 3, 1, 0},
    {"Tanhshrink", NULL, 1e-5, 3.3333333332e-16, 9.9999999993333333334e-11},
    {"Tanhshrink", NULL, 1000, 999, 1},
    {"Asinh", NULL, 1e30, 69.77069997038132, 1e-30},
    {"Asinh", NULL, -1e-12, -1e-12, 1},
    {"Acosh", NULL, 1e30, 69.77069997038132, 1e-30},
    {"Acosh", NULL, 1, 0, INFINITY},
    {"Acosh", NULL, 0.5, NAN, NAN},
    {"Atanh", NULL, 1e-12, 1e-12, 1},
    {"Atanh", NULL, 1, INFINITY, INFINITY},
    {"Atanh", NULL, 1.5, NAN, -0.8},
    {"Hardshrink", "{\"lambd\": 0}", 0, 0, 1},
    {"Softshrink", "{\"lambd\": 0}", 0, 0, 1},
    {"ELU", "{\"alpha\": 1.7}", -1000, -1.7, 0},
    {"SiLU", NULL, 1000, 1000, 1},
    {"SiLU", "{\"beta\": 0.7}", -3, -0.3272904635868388149, -0.095012058885700397146},
    {"GELU", NULL, 1, 0.84134474606854294859, 1.0833154705876862984},
    {"GELU", NULL, -10, -7.619853024160526066e-23, -7.6184000964648140857e-22},
    {"GELU", NULL, 1e19, 1e19, 1},
    {"GELU", "{\"approximate\": \"tanh\"}", 1, 0.84119199060827670478, 1.0829640838457825551},
    {"GELU", "{\"approximate\": \"tanh\"}", -3, -0.0036373920817730188378, -0.011584166630969726204},
    {"GELU", "{\"approximate\": \"tanh\"}", 1e19, 1e19, 1},
    {"Expm1", NULL, 0x1p-70, 0x1p-70, 1},
    {"Log1p", NULL, 0x1p-70, 0x1p-70, 1},
    {"Asin", NULL, 0.75, 0.8480620789814810, 1.5118578920369090},
    {"Acos", NULL, 0.75, 0.7227342478134157, -1.5118578920369090},
    {"Rsqrt", NULL, 0x1p-20, 0x1p10, -0x1p29},
    {"Reciprocal", NULL, 0x1p-40, 0x1p40, -0x1p80},
    {"Sqrt", NULL, 0, 0, INFINITY},
    {"Rsqrt", NULL, 0, INFINITY, -INFINITY},
    {"Log", NULL, 0, -INFINITY, INFINITY},
    /* outside the domain */
    {"Sqrt", NULL, -1, NAN, NAN},
    {"Log", NULL, -1, NAN, NAN},
    {"Log1p", NULL, -2, NAN, NAN},
    {"Asin", NULL, 1.5, NAN, NAN},
    {"Acos", NULL, -1.5, NAN, NAN},
    /* kinks */
    {"ReLU", NULL, 0, 0, 0},
    {"ReLU", NULL, -0.0, 0, 0},
    {"LeakyReLU", "{\"negative_slope\": 0.125}", 0, 0, 0.125},
    {"ELU", "{\"alpha\": 1.75}", 0, 0, 1.75},
    {"Abs", NULL, 0, 0, 0},
    {"Clip", "{\"min\": -0.5, \"max\": 2}", -0.5, -0.5, 1},
    {"Clip", "{\"min\": -0.5, \"max\": 2}", 2, 2, 1},
    {"Clip", "{\"min\": -0.5, \"max\": 2}", 2.5, 2, 0},
    {"Clip", "{\"min\": -0.5}", 1e30, 1e30, 1},
    {"Clip", NULL, -INFINITY, -INFINITY, 1},
    /* steps */
    {"Sign", NULL, -3, -1, 0},
    {"Sign", NULL, 0, 0, 0},
    {"Step", NULL, 0, 0, 0},
    {"Step", NULL, 1e-30, 1, 0},
    {"Floor", NULL, -1.5, -2, 0},
    {"Ceil", NULL, -1.5, -1, 0},
    {"Round", NULL, 0.5, 0, 0},
    {"Round", NULL, 1.5, 2, 0},
    {"Round", NULL, 2.5, 2, 0},
    {"Round", NULL, -2.5, -2, 0},
    {"Round", NULL, -3.5, -4, 0},
    {"Round", NULL, 8388609, 8388609, 0},
};

static const double tolerance[] = {[NB_F32] = 1e-6, [NB_F64] = 4e-15, [NB_C128] = 4e-15};

START_TEST(known_values)
{
    const struct known *k = &known[_i];
    for (int b = NB_F32; b <= NB_C128; b++) {
        double dx, y = value((enum nb_dtype)b, k->type, k->args, k->x, &dx);
        ck_assert_msg(near(y, k->y, tolerance[b]), "%s(%g), %s: %.17g, not %.17g", k->type, k->x,
                      nb_dtype_name((enum nb_dtype)b), y, k->y);
        ck_assert_msg(near(dx, k->dx, tolerance[b]), "%s'(%g), %s: %.17g, not %.17g", k->type, k->x,
                      nb_dtype_name((enum nb_dtype)b), dx, k->dx);
    }
}
END_TEST

static const struct known2 {
    const char *type;
    double a, b, y, da, db;
} known2[] = {
    {"Pow", -2, 3, -8, 12, NAN},
    {"Pow", -2, -3, -0.125, -0.1875, NAN},
    {"Pow", -1, 101, -1, 101, NAN},
    {"Pow", -2, 0.5, NAN, NAN, NAN},
    {"Pow", 3, 2, 9, 6, 9.8875105980129873},
    {"Pow", 3, -1, 1.0 / 3, -1.0 / 9, 0.36620409622270323},
    {"Pow", 4, 0.5, 2, 0.25, 2.7725887222397812},
    {"Pow", 0, 2, 0, 0, 0},
    {"Pow", 0, 1, 0, 1, 0},
    {"Pow", 0, 0, 1, 0, 0},
    {"Pow", 0, 0.5, 0, INFINITY, 0},
    {"Pow", 0, -1, INFINITY, -INFINITY, -INFINITY},
    {"Div", 3, 4, 0.75, 0.25, -0.1875},
    {"Maximum", 2, 3, 3, 0, 1},
    {"Maximum", 3, 2, 3, 1, 0},
    {"Maximum", 2, 2, 2, 0.5, 0.5},
    {"Minimum", 2, 3, 2, 1, 0},
    {"Minimum", 3, 2, 2, 0, 1},
    {"Minimum", -2, -2, -2, 0.5, 0.5},
    {"Atan2", 0, 0, 0, 0, 0},
    {"Atan2", 1, 1, 0.78539816339744831, 0.5, -0.5},
    {"Atan2", 1, -1, 2.3561944901923448, -0.5, -0.5},
    {"Atan2", 0x1p100, 0x1p100, 0.78539816339744831, 0x1p-101, -0x1p-101},
    {"Atan2", -3, 4, -0.64350110879328439, 0.16, 0.12},
    {"LogAddExp", 1000, 1000, 1000.6931471805599453, 0.5, 0.5},
    {"LogAddExp", -1000, 1000, 1000, 0, 1},
    {"LogAddExp", 1, 1 + 40, 41, 4.2483542552915889773e-18, 1},
    {"LogAddExp", -INFINITY, -INFINITY, -INFINITY, 0.5, 0.5},
    {"LogAddExp", INFINITY, INFINITY, INFINITY, 0.5, 0.5},
    {"LogAddExp", -INFINITY, 3, 3, 0, 1},
    {"XLogY", 0, 0, 0, 0, 0},
    {"XLogY", 0, -1, 0, 0, 0},
    {"XLogY", 0, INFINITY, 0, 0, 0},
    {"XLogY", 0, 4, 0, 1.3862943611198906, 0},
    {"XLogY", 2, 4, 2.7725887222397812, 1.3862943611198906, 0.5},
    {"XLogY", 2, 0, -INFINITY, -INFINITY, INFINITY},
};

START_TEST(known_values_of_two)
{
    const struct known2 *k = &known2[_i];
    for (int b = NB_F32; b <= NB_C128; b++) {
        double da, db, y = value2((enum nb_dtype)b, k->type, k->a, k->b, &da, &db);
        ck_assert_msg(near(y, k->y, tolerance[b]), "%s(%g, %g), %s: %.17g, not %.17g", k->type, k->a, k->b,
                      nb_dtype_name((enum nb_dtype)b), y, k->y);
        ck_assert_msg(near(da, k->da, tolerance[b]) && near(db, k->db, tolerance[b]),
                      "%s(%g, %g), %s: gradient %.17g, %.17g, not %.17g, %.17g", k->type, k->a, k->b,
                      nb_dtype_name((enum nb_dtype)b), da, db, k->da, k->db);
    }
}
END_TEST

/* ---- agreement with the C library over an interval ----------------------------------------------------------------
 */

static double square(double x)
{
    return x * x;
}
static double rsqrt(double x)
{
    return 1 / sqrt(x);
}
static double reciprocal(double x)
{
    return 1 / x;
}
static double negative(double x)
{
    return -x;
}
static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static const struct along {
    const char *type;
    double (*f)(double);
    double low, high;
} along[] = {
    {"Abs", fabs, -9, 9},       {"Neg", negative, -9, 9},    {"Square", square, -9, 9},
    {"Asinh", asinh, -90, 90},  {"Acosh", acosh, 1.5, 90},   {"Atanh", atanh, -0.9, 0.9},
    {"Sqrt", sqrt, 0, 1e4},     {"Rsqrt", rsqrt, 1e-3, 1e4}, {"Reciprocal", reciprocal, 1e-3, 10},
    {"Exp", exp, -80, 80},      {"Expm1", expm1, -20, 80},   {"Log", log, 2, 1e6},
    {"Log1p", log1p, -0.6, 90}, {"Sin", sin, -1.5, 1.5},     {"Cos", cos, -1.5, 1.5},
    {"Tan", tan, -1.5, 1.5},    {"Asin", asin, -1, 1},       {"Acos", acos, -1, 0.9},
    {"Atan", atan, -90, 90},    {"Sinh", sinh, -80, 80},     {"Cosh", cosh, -80, 80},
    {"Tanh", tanh, -20, 20},    {"Erf", erf, -5, 5},         {"Sigmoid", logistic, -30, 30},
    {"Floor", floor, -9, 9},    {"Ceil", ceil, -9, 9},       {"Round", rint, -9, 9},
};

START_TEST(agrees_with_the_library)
{
    enum { N = 3001 };
    static double x[N], y[N];
    const struct along *k = &along[_i];
    for (int b = NB_F32; b <= NB_C128; b++) {
        double tol = b == NB_F32 ? 6 * FLT_EPSILON : 8 * DBL_EPSILON;
        for (int i = 0; i < N; i++)
            x[i] = (float)(k->low + (k->high - k->low) * i / (N - 1));
        apply((enum nb_dtype)b, k->type, NULL, N, x, NULL, y, NULL);
        for (int i = 0; i < N; i++)
            ck_assert_msg(near(y[i], k->f(x[i]), tol) || fabs(y[i] - k->f(x[i])) < 1e-300,
                          "%s(%.17g), %s: %.17g, not %.17g", k->type, x[i], nb_dtype_name((enum nb_dtype)b), y[i],
                          k->f(x[i]));
    }
}
END_TEST

/* ---- identities ---------------------------------------------------------------------------------------------------
 */

START_TEST(tanh_is_a_sigmoid)
{
    enum { N = 401 };
    double x[N], twice[N], t[N], s[N];
    for (int i = 0; i < N; i++) {
        x[i] = (i - 200) / 10.0;
        twice[i] = 2 * x[i];
    }
    for (int b = NB_F32; b <= NB_C128; b++) {
        apply((enum nb_dtype)b, "Tanh", NULL, N, x, NULL, t, NULL);
        apply((enum nb_dtype)b, "Sigmoid", NULL, N, twice, NULL, s, NULL);
        for (int i = 0; i < N; i++)
            ck_assert_double_eq_tol(t[i], 2 * s[i] - 1, b == NB_F32 ? 1e-6 : 1e-15);
    }
}
END_TEST

/* Through ten sigmoids from 0 the gradient is 3.875e-7; the bound is 4^-10. */
START_TEST(ten_sigmoids)
{
    for (int b = NB_F32; b <= NB_C128; b++)
        for (int i = -30; i <= 30; i++) {
            double x = i / 10.0, dx, product = 1;
            for (int k = 0; k < 10; k++) {
                x = value((enum nb_dtype)b, "Sigmoid", NULL, x, &dx);
                product *= dx;
            }
            ck_assert(product > 0 && product <= 0x1p-20);
            ck_assert(i != 0 || near(product, 3.8752202320832606065e-7, 10 * tolerance[b]));
        }
}
END_TEST

/* x^2 is x x to the last bit, with one exponent for all or with many. */
START_TEST(square_is_exact)
{
    enum { N = 97 };
    double x[N], two[N];
    struct nb_shape s[] = {nb_shape_of(1, (int64_t)N), nb_shape_of(1, (int64_t)N)};
    struct nb_shape one[] = {nb_shape_of(1, (int64_t)N), nb_shape_of(0)};
    for (int i = 0; i < N; i++) {
        x[i] = sin(i);
        two[i] = 2;
    }
    for (int k = 0; k < 2; k++) {
        struct call c;
        make(&c, NB_F64, "Pow", NULL, 2, k ? one : s);
        fill(&c.in[0], x);
        fill(&c.in[1], two);
        fill(&c.gout, two);
        forward(&c);
        backward(&c);
        for (size_t i = 0; i < N; i++)
            ck_assert(entry(&c.out, i) == x[i] * x[i] && entry(&c.gin[0], i) == 4 * x[i]);
    }
}
END_TEST

/* ReLU and its like: x dx = g y entry by entry, at the kink too. */
START_TEST(masks_fit)
{
    const char *args[] = {NULL, "{\"negative_slope\": 0.13}"};
    for (int k = 0; k < 2; k++) {
        double x[] = {-2, -0.5, 0, 0.5, 3}, g[] = {1.3, -0.7, 2, -1.1, 0.4}, y[5], dx[5];
        apply(NB_F64, k ? "LeakyReLU" : "ReLU", args[k], 5, x, g, y, dx);
        for (int i = 0; i < 5; i++)
            ck_assert_double_eq_tol(x[i] * dx[i], g[i] * y[i], 1e-16);
    }
}
END_TEST

START_TEST(relu_rules)
{
    double x[] = {-1, -1, 0, 2, 2}, g[] = {3, -3, 3, -3, 3}, dx[5];
    const double plain[] = {0, 0, 0, -3, 3}, deconvnet[] = {3, 0, 3, 0, 3}, guided[] = {0, 0, 0, 0, 3};
    for (int b = NB_F32; b <= NB_C128; b++) {
        apply((enum nb_dtype)b, "ReLU", "{\"rule\": \"plain\"}", 5, x, g, NULL, dx);
        ck_assert_mem_eq(dx, plain, sizeof dx);
        apply((enum nb_dtype)b, "ReLU", "{\"rule\": \"deconvnet\"}", 5, x, g, NULL, dx);
        ck_assert_mem_eq(dx, deconvnet, sizeof dx);
        apply((enum nb_dtype)b, "ReLU", "{\"rule\": \"guided\"}", 5, x, g, NULL, dx);
        ck_assert_mem_eq(dx, guided, sizeof dx);
    }
}
END_TEST

/* ---- NaN passes; nothing in, nothing out --------------------------------------------------------------------------
 */

static const struct row {
    const char *type, *args;
} rows[] = {
    {"SELU", NULL},
    {"CELU", "{\"alpha\": 1.7}"},
    {"Mish", NULL},
    {"Softsign", NULL},
    {"Hardtanh", NULL},
    {"ReLU6", NULL},
    {"Hardsigmoid", NULL},
    {"Hardswish", NULL},
    {"Hardshrink", NULL},
    {"Softshrink", NULL},
    {"Tanhshrink", NULL},
    {"Threshold", "{\"threshold\": 0.5, \"value\": 7}"},
    {"ThresholdedRelu", NULL},
    {"Asinh", NULL},
    {"Acosh", NULL},
    {"Atanh", NULL},
    {"ReLU", NULL},
    {"LeakyReLU", NULL},
    {"ELU", "{\"alpha\": 1.7}"},
    {"Sigmoid", NULL},
    {"Tanh", NULL},
    {"SiLU", NULL},
    {"Softplus", NULL},
    {"LogSigmoid", NULL},
    {"GELU", NULL},
    {"GELU", "{\"approximate\": \"tanh\"}"},
    {"Clip", "{\"min\": -1, \"max\": 1}"},
    {"Abs", NULL},
    {"Sign", NULL},
    {"Step", NULL},
    {"Floor", NULL},
    {"Ceil", NULL},
    {"Round", NULL},
    {"Neg", NULL},
    {"Square", NULL},
    {"Sqrt", NULL},
    {"Rsqrt", NULL},
    {"Reciprocal", NULL},
    {"Exp", NULL},
    {"Expm1", NULL},
    {"Log", NULL},
    {"Log1p", NULL},
    {"Sin", NULL},
    {"Cos", NULL},
    {"Tan", NULL},
    {"Asin", NULL},
    {"Acos", NULL},
    {"Atan", NULL},
    {"Sinh", NULL},
    {"Cosh", NULL},
    {"Erf", NULL},
    {"Identity", NULL},
    {"StopGradient", NULL},
};
enum { ROWS = sizeof rows / sizeof *rows };

static const char *const pairs[] = {"Add",     "Sub",     "Mul",   "Div",       "Pow",
                                    "Maximum", "Minimum", "Atan2", "LogAddExp", "XLogY"};
enum { PAIRS = sizeof pairs / sizeof *pairs };

START_TEST(nan_passes)
{
    for (int b = NB_F32; b <= NB_C128; b++) {
        for (int i = 0; i < ROWS; i++)
            ck_assert_msg(isnan(value((enum nb_dtype)b, rows[i].type, rows[i].args, NAN, NULL)), "%s", rows[i].type);
        for (int i = 0; i < PAIRS; i++) {
            ck_assert_msg(isnan(value2((enum nb_dtype)b, pairs[i], NAN, 1.5, NULL, NULL)), "%s", pairs[i]);
            ck_assert_msg(isnan(value2((enum nb_dtype)b, pairs[i], 1.5, NAN, NULL, NULL)), "%s", pairs[i]);
        }
    }
}
END_TEST

static const double nasty[] = {0, -0.0, -1, 1, NAN, INFINITY, -INFINITY, 1e-40, -1e30, 1.5, -100, 100};
enum { NASTY = sizeof nasty / sizeof *nasty };

START_TEST(zero_in_zero_out)
{
    const double g[NASTY * NASTY] = {0};
    double dx[NASTY];
    for (int b = NB_F32; b <= NB_C128; b++)
        for (int k = 0; k < ROWS; k++) {
            if (!nb_module_at((enum nb_dtype)b, nb_module_find(rows[k].type))->backward)
                continue;
            apply((enum nb_dtype)b, rows[k].type, rows[k].args, NASTY, nasty, g, NULL, dx);
            for (int i = 0; i < NASTY; i++)
                ck_assert_msg(dx[i] == 0, "%s: %g at %g", rows[k].type, dx[i], nasty[i]);
        }
}
END_TEST

START_TEST(zero_in_zero_out_of_two)
{
    const double g[NASTY * NASTY] = {0};
    struct nb_shape s[] = {nb_shape_of(2, (int64_t)NASTY, (int64_t)1), nb_shape_of(1, (int64_t)NASTY)};
    for (int b = NB_F32; b <= NB_C128; b++)
        for (int k = 0; k < PAIRS; k++) {
            struct call c;
            make(&c, (enum nb_dtype)b, pairs[k], NULL, 2, s);
            fill(&c.in[0], nasty);
            fill(&c.in[1], nasty);
            fill(&c.gout, g);
            backward(&c);
            for (size_t i = 0; i < NASTY; i++)
                ck_assert_msg(entry(&c.gin[0], i) == 0 && entry(&c.gin[1], i) == 0, "%s at %g", pairs[k], nasty[i]);
        }
}
END_TEST

/* where(x > 0, sqrt(x), 0) at 0 and beside it. */
START_TEST(where_guards_a_root)
{
    double x[] = {0, 4, -1}, zero[3] = {0}, root[3], p[3], back[3], dx[3];
    struct nb_shape s[3] = {nb_shape_of(1, (int64_t)3), nb_shape_of(1, (int64_t)3), nb_shape_of(1, (int64_t)3)};
    const double ones[3] = {1, 1, 1}, want[3] = {0, 0.25, 0};
    struct call greater, where;
    make(&greater, NB_F64, "Greater", NULL, 2, s);
    fill(&greater.in[0], x);
    fill(&greater.in[1], zero);
    forward(&greater);
    apply(NB_F64, "Sqrt", NULL, 3, x, NULL, root, NULL);
    make(&where, NB_F64, "Where", NULL, 3, s);
    memcpy(p, greater.out.data, sizeof p);
    fill(&where.in[0], p);
    fill(&where.in[1], root);
    fill(&where.in[2], zero);
    fill(&where.gout, ones);
    forward(&where);
    ck_assert(entry(&where.out, 0) == 0 && entry(&where.out, 1) == 2 && entry(&where.out, 2) == 0);
    backward(&where);
    memcpy(back, where.gin[1].data, sizeof back);
    apply(NB_F64, "Sqrt", NULL, 3, x, back, NULL, dx);
    ck_assert_mem_eq(dx, want, sizeof dx);
}
END_TEST

/* ---- bits do not depend on the place ------------------------------------------------------------------------------
 */

enum { LONG = 211 };

/* Numbers of all kinds: small, large, special ones among them. */
static void draw(double *x, size_t n)
{
    struct nb_stream s = nb_stream_of((struct nb_seed){7, 0}, "bits");
    for (size_t i = 0; i < n; i++) {
        double scale = i % 5 == 0 ? 50 : i % 5 == 1 ? 0.9 : 4;
        x[i] = i % 23 == 11 ? nasty[i / 23 % NASTY] : scale * (2 * nb_uniform(s, i) - 1);
    }
}

static void same_bits(const char *what, const double *a, const double *b, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(!memcmp(&a[i], &b[i], sizeof *a) || (isnan(a[i]) && isnan(b[i])),
                      "%s: entry %zu is %.17g among %d, %.17g among %zu", what, at + i, a[i], LONG, b[i], n);
}

START_TEST(place_does_not_matter)
{
    static const size_t sizes[] = {1, 2, 3, 7, 15, 16, 17, 31, 33, 50};
    double x[LONG], g[LONG], y[LONG], dx[LONG], part[LONG], dpart[LONG];
    const struct row *r = &rows[_i];
    draw(x, LONG);
    for (int i = 0; i < LONG; i++)
        g[i] = i % 13 ? 1.1 - x[LONG - 1 - i] / 3 : 0;
    for (int b = NB_F32; b <= NB_F64; b++) {
        bool has = nb_module_at((enum nb_dtype)b, nb_module_find(r->type))->backward != NULL;
        apply((enum nb_dtype)b, r->type, r->args, LONG, x, g, y, has ? dx : NULL);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            for (size_t at = 0; at + sizes[k] <= LONG; at += sizes[k]) {
                apply((enum nb_dtype)b, r->type, r->args, sizes[k], x + at, g + at, part, has ? dpart : NULL);
                same_bits(r->type, y + at, part, sizes[k], at);
                if (has)
                    same_bits(r->type, dx + at, dpart, sizes[k], at);
            }
    }
}
END_TEST

/* f(a_i, b_i), alone and beside others; and as an operand that is broadcast. */
START_TEST(place_does_not_matter_for_two)
{
    double a[LONG], b[LONG];
    struct nb_shape whole[] = {nb_shape_of(1, (int64_t)LONG), nb_shape_of(1, (int64_t)LONG)};
    struct nb_shape table[] = {nb_shape_of(2, (int64_t)3, (int64_t)LONG), nb_shape_of(1, (int64_t)LONG)};
    draw(a, LONG);
    for (int i = 0; i < LONG; i++)
        b[i] = a[(i * 7 + 3) % LONG];
    for (int t = NB_F32; t <= NB_F64; t++) {
        struct call c, wide;
        make(&c, (enum nb_dtype)t, pairs[_i], NULL, 2, whole);
        fill(&c.in[0], a);
        fill(&c.in[1], b);
        forward(&c);
        make(&wide, (enum nb_dtype)t, pairs[_i], NULL, 2, table);
        for (size_t k = 0; k < 3; k++)
            nb_convert((enum nb_dtype)t, (char *)wide.in[0].data + k * LONG * nb_dtype_size((enum nb_dtype)t), NB_F64,
                       a, LONG);
        fill(&wide.in[1], b);
        forward(&wide);
        for (size_t i = 0; i < LONG; i++) {
            double all = entry(&c.out, i), one = value2((enum nb_dtype)t, pairs[_i], a[i], b[i], NULL, NULL);
            same_bits(pairs[_i], &all, &one, 1, i);
            for (size_t k = 0; k < 3; k++) {
                double there = entry(&wide.out, k * LONG + i);
                same_bits(pairs[_i], &all, &there, 1, i);
            }
        }
    }
}
END_TEST

/* ---- broadcasting -------------------------------------------------------------------------------------------------
 */

/* Index into a tensor of shape s of the entry that entry number `flat` of the output reads. */
static size_t source(const struct nb_shape *s, const struct nb_shape *out, size_t flat)
{
    size_t at = 0, stride = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        int j = i - (out->rank - s->rank);
        size_t k = flat % (size_t)out->dim[i];
        flat /= (size_t)out->dim[i];
        if (j < 0)
            continue;
        at += s->dim[j] == 1 ? 0 : k * stride;
        stride *= (size_t)s->dim[j];
    }
    return at;
}

/* Whole numbers: every sum is exact. */
static void fill_whole(struct nb_tensor *t, int seed)
{
    double *v = nb_alloc(&arena, entries(t) + 1, sizeof *v, &(struct nb_error){0});
    for (size_t i = 0; i < entries(t); i++)
        v[i] = (double)((i * 7 + (size_t)seed * 5) % 13) - 6;
    fill(t, v);
}

/* a b and a - b against the definition, with their gradients. */
static void check_broadcast(enum nb_dtype t, const struct nb_shape *s)
{
    struct call mul, sub;
    make(&mul, t, "Mul", NULL, 2, s);
    make(&sub, t, "Sub", NULL, 2, s);
    for (int i = 0; i < 2; i++) {
        fill_whole(&mul.in[i], i + 1);
        fill_whole(&sub.in[i], i + 1);
    }
    fill_whole(&mul.gout, 4);
    fill_whole(&sub.gout, 4);
    forward(&mul), backward(&mul), forward(&sub), backward(&sub);
    double *want[2];
    for (int i = 0; i < 2; i++)
        want[i] = nb_zalloc(&arena, 2 * entries(&mul.in[i]) + 1, sizeof **want, &(struct nb_error){0});
    for (size_t k = 0; k < entries(&mul.out); k++) {
        size_t at[2] = {source(&s[0], &mul.out_shape, k), source(&s[1], &mul.out_shape, k)};
        double a = entry(&mul.in[0], at[0]), b = entry(&mul.in[1], at[1]), g = entry(&mul.gout, k);
        ck_assert(entry(&mul.out, k) == a * b && entry(&sub.out, k) == a - b);
        want[0][2 * at[0]] += g * b, want[0][2 * at[0] + 1] += g;
        want[1][2 * at[1]] += g * a, want[1][2 * at[1] + 1] -= g;
    }
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < entries(&mul.in[i]); k++) {
            ck_assert_double_eq(entry(&mul.gin[i], k), want[i][2 * k]);
            ck_assert_double_eq(entry(&sub.gin[i], k), want[i][2 * k + 1]);
        }
}

START_TEST(broadcasts_as_numpy)
{
    static const struct nb_shape shapes[][2] = {
        {{1, {5}}, {0, {0}}},
        {{0, {0}}, {0, {0}}},
        {{1, {1500}}, {1, {1}}},
        {{2, {40, 33}}, {1, {33}}},
        {{2, {40, 33}}, {2, {40, 1}}},
        {{2, {1, 700}}, {2, {3, 1}}},
        {{3, {7, 1, 5}}, {2, {3, 1}}},
        {{4, {2, 3, 1, 5}}, {4, {2, 1, 7, 5}}},
        {{4, {5, 1, 1, 3}}, {3, {1, 17, 1}}},
        {{3, {1, 1, 1}}, {2, {5, 3}}},
        {{8, {2, 1, 2, 1, 2, 1, 2, 1}}, {8, {1, 3, 1, 2, 1, 3, 1, 2}}},
        {{2, {0, 3}}, {1, {3}}},
        {{2, {4, 1}}, {2, {1, 0}}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int t = NB_F32; t <= NB_C128; t++) {
            struct nb_shape swapped[] = {shapes[i][1], shapes[i][0]};
            check_broadcast((enum nb_dtype)t, shapes[i]);
            check_broadcast((enum nb_dtype)t, swapped);
        }
}
END_TEST

START_TEST(broadcasts_symbols)
{
    struct nb_shape s[] = {nb_shape_of(2, NB_SYM(0), (int64_t)7), nb_shape_of(1, (int64_t)7)};
    struct nb_shape any[] = {nb_shape_of(2, NB_ANY, (int64_t)7), nb_shape_of(2, (int64_t)5, (int64_t)1)};
    struct nb_shape bad[] = {nb_shape_of(2, (int64_t)5, (int64_t)7), nb_shape_of(2, (int64_t)5, (int64_t)6)};
    struct call c;
    struct nb_error e = {0};
    ck_assert(!start(&c, NB_F64, "Add", NULL, 2, s, &e));
    ck_assert(c.out_shape.rank == 2 && c.out_shape.dim[0] == NB_SYM(0) && c.out_shape.dim[1] == 7 && c.s.work == 0);
    ck_assert(!start(&c, NB_F64, "Maximum", NULL, 2, any, &e));
    ck_assert(c.out_shape.rank == 2 && c.out_shape.dim[1] == 7);
    ck_assert(start(&c, NB_F64, "Pow", NULL, 2, bad, &e) && e.code == NB_E_shape_mismatch);
    ck_assert_str_eq(e.detail, "a is [5, 7], b is [5, 6]: aligned at the right, sizes are equal or 1");
}
END_TEST

/* ---- comparisons, choices -----------------------------------------------------------------------------------------
 */

START_TEST(comparisons)
{
    static const struct {
        const char *type;
        int less, equal, greater, nan;
    } k[] = {{"Less", 1, 0, 0, 0},  {"LessEqual", 1, 1, 0, 0},    {"Greater", 0, 0, 1, 0},
             {"Equal", 0, 1, 0, 0}, {"GreaterEqual", 0, 1, 1, 0}, {"NotEqual", 1, 0, 1, 1}};
    for (size_t i = 0; i < sizeof k / sizeof *k; i++)
        for (int b = NB_F32; b <= NB_C128; b++) {
            ck_assert(value2((enum nb_dtype)b, k[i].type, -1, 2, NULL, NULL) == k[i].less);
            ck_assert(value2((enum nb_dtype)b, k[i].type, 2, 2, NULL, NULL) == k[i].equal);
            ck_assert(value2((enum nb_dtype)b, k[i].type, 3, 2, NULL, NULL) == k[i].greater);
            ck_assert(value2((enum nb_dtype)b, k[i].type, NAN, 2, NULL, NULL) == k[i].nan);
        }
}
END_TEST

/* A condition of integers, broadcast or not; nothing goes back to it. */
START_TEST(where_takes_integers)
{
    static const int64_t p[] = {1, 0, -5};
    const double a[] = {1, 2, 3, 4, 5, 6}, b = 9, g[] = {1, 2, 3, 4, 5, 6};
    const double want[] = {1, 9, 3, 4, 9, 6}, da[] = {1, 0, 3, 4, 0, 6};
    struct nb_shape s[] = {nb_shape_of(1, (int64_t)3), nb_shape_of(2, (int64_t)2, (int64_t)3), nb_shape_of(0)};
    for (int t = NB_F32; t <= NB_C128; t++) {
        struct call c;
        make(&c, (enum nb_dtype)t, "Where", NULL, 3, s);
        c.in[0] = (struct nb_tensor){NB_I64, s[0], (void *)p};
        c.gin[0].data = NULL;
        fill(&c.in[1], a);
        fill(&c.in[2], &b);
        fill(&c.gout, g);
        forward(&c);
        backward(&c);
        for (size_t i = 0; i < 6; i++)
            ck_assert(entry(&c.out, i) == want[i] && entry(&c.gin[1], i) == da[i]);
        ck_assert(entry(&c.gin[2], 0) == 7);
    }
}
END_TEST

/* ---- Identity, StopGradient, Constant, Parameter, PReLU ------------------------------------------------------------
 */

START_TEST(stop_drops_the_imaginary_part)
{
    struct nb_shape s = nb_shape_of(0);
    const double _Complex x = CMPLX(1.5, 0x1p-600);
    struct call stop, same;
    make(&stop, NB_C128, "StopGradient", NULL, 1, &s);
    make(&same, NB_C128, "Identity", NULL, 1, &s);
    memcpy(stop.in[0].data, &x, sizeof x);
    memcpy(same.in[0].data, &x, sizeof x);
    forward(&stop);
    forward(&same);
    const double _Complex y = *(const double _Complex *)stop.out.data, z = *(const double _Complex *)same.out.data;
    ck_assert(creal(y) == 1.5 && cimag(y) == 0 && stop.m->stop && !stop.m->alias && !stop.m->backward);
    ck_assert(creal(z) == 1.5 && cimag(z) == 0x1p-600 && same.m->alias);
}
END_TEST

START_TEST(constants)
{
    for (int b = NB_F32; b <= NB_C128; b++) {
        struct call c;
        make(&c, (enum nb_dtype)b, "Constant", "{\"value\": [[1, 2.5], [-3, 0.1]]}", 0, NULL);
        forward(&c);
        ck_assert(c.out_shape.rank == 2 && entry(&c.out, 1) == 2.5 && entry(&c.out, 2) == -3);
        ck_assert(entry(&c.out, 3) == (b == NB_F32 ? 0.1f : 0.1));
    }
}
END_TEST

START_TEST(parameters)
{
    struct call c;
    const double w[] = {1, -2, 3, 4, 5, 6}, g[] = {6, 5, 4, 3, 2, 1};
    make(&c, NB_F64, "Parameter", "{\"shape\": [2, 3], \"init\": \"ones\"}", 0, NULL);
    ck_assert(c.s.nw == 1 && !*c.s.w[0].name && c.s.w[0].init.kind == NB_INIT_ONES && !c.s.w[0].buffer);
    fill(&c.w[0], w);
    fill(&c.gout, g);
    forward(&c);
    backward(&c);
    ck_assert_mem_eq(c.out.data, w, sizeof w);
    ck_assert_mem_eq(c.gw[0].data, g, sizeof g);
    make(&c, NB_F64, "Parameter", "{\"shape\": []}", 0, NULL);
    ck_assert(c.out_shape.rank == 0 && c.s.w[0].init.kind == NB_INIT_ZEROS);
    make(&c, NB_F64, "Parameter", "{\"value\": [1, 2, 3]}", 0, NULL);
    ck_assert(c.out_shape.rank == 1 && c.out_shape.dim[0] == 3 && c.s.w[0].shape.dim[0] == 3);
}
END_TEST

START_TEST(prelu_has_a_slope_for_each_channel)
{
    const double x[] = {-1, 2, -3, 4, -5, 6, -7, -8}, g[] = {1, 2, 3, 4, 5, 6, 7, 8}, w[] = {0.5, -0.25};
    const double y[] = {-0.5, 2, 0.75, 4, -2.5, 6, 1.75, 2}, dx[] = {0.5, 2, -0.75, 4, 2.5, 6, -1.75, -2};
    struct nb_shape s = nb_shape_of(3, (int64_t)2, (int64_t)2, (int64_t)2);
    for (int b = NB_F32; b <= NB_C128; b++) {
        struct call c;
        make(&c, (enum nb_dtype)b, "PReLU", "{\"num_parameters\": 2}", 1, &s);
        ck_assert(c.s.w[0].init.kind == NB_INIT_CONSTANT && c.s.w[0].init.a == 0.25);
        fill(&c.in[0], x);
        fill(&c.w[0], w);
        fill(&c.gout, g);
        forward(&c);
        backward(&c);
        for (size_t i = 0; i < 8; i++)
            ck_assert(entry(&c.out, i) == y[i] && entry(&c.gin[0], i) == dx[i]);
        ck_assert(entry(&c.gw[0], 0) == -1 - 25 && entry(&c.gw[0], 1) == -9 - 49 - 64);
    }
}
END_TEST

/* Many entries and one slope: the sum over all of them. */
START_TEST(prelu_sums)
{
    enum { N = 1237 };
    double x[N], g[N], w = 0.13, want = 0;
    struct nb_shape s = nb_shape_of(1, (int64_t)N);
    for (int i = 0; i < N; i++) {
        x[i] = i % 11 - 5;
        g[i] = i % 7 - 2;
        want += x[i] > 0 ? 0 : g[i] * x[i];
    }
    for (int b = NB_F32; b <= NB_C128; b++) {
        struct call c;
        make(&c, (enum nb_dtype)b, "PReLU", NULL, 1, &s);
        fill(&c.in[0], x);
        fill(&c.w[0], &w);
        fill(&c.gout, g);
        backward(&c);
        ck_assert_double_eq(entry(&c.gw[0], 0), want);
    }
}
END_TEST

static const struct refused {
    const char *type, *args, *pointer;
    enum nb_code code;
} refused[] = {
    {"Clip", "{\"min\": 2, \"max\": 1}", "/max", NB_E_bad_argument},
    {"Clip", "{\"min\": \"NaN\"}", "/max", NB_E_bad_argument},
    {"Softplus", "{\"beta\": 0}", "/beta", NB_E_bad_argument},
    {"Parameter", "{}", "", NB_E_missing_argument},
    {"Parameter", "{\"shape\": [2], \"value\": [1, 2, 3]}", "/value", NB_E_bad_argument},
    {"Parameter", "{\"shape\": [-2]}", "/shape/0", NB_E_bad_argument},
    {"PReLU", "{\"num_parameters\": 3}", "", NB_E_shape_mismatch},
    {"PReLU", "{\"num_parameters\": 0}", "/num_parameters", NB_E_bad_argument},
    {"ReLU", "{\"rule\": \"other\"}", "/rule", NB_E_bad_argument},
    {"Constant", "{}", "", NB_E_missing_argument},
};

START_TEST(refuses)
{
    const struct refused *k = &refused[_i];
    struct nb_shape s = nb_shape_of(2, (int64_t)5, (int64_t)7);
    struct call c;
    struct nb_error e = {0};
    bool inputs = nb_module_at(NB_F64, nb_module_find(k->type))->inputs != NULL;
    ck_assert_msg(start(&c, NB_F64, k->type, k->args, inputs, &s, &e), "%s %s", k->type, k->args);
    ck_assert_msg(e.code == k->code && !strcmp(e.pointer, k->pointer), "%s %s: %s at %s: %s", k->type, k->args,
                  nb_code_name(e.code), e.pointer, e.detail);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------------
 */

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

static Suite *suite(void)
{
    Suite *s = suite_create("pointwise");
    const TTest *single[] = {tanh_is_a_sigmoid,
                             ten_sigmoids,
                             square_is_exact,
                             masks_fit,
                             relu_rules,
                             nan_passes,
                             zero_in_zero_out,
                             zero_in_zero_out_of_two,
                             where_guards_a_root,
                             broadcasts_as_numpy,
                             broadcasts_symbols,
                             comparisons,
                             where_takes_integers,
                             stop_drops_the_imaginary_part,
                             constants,
                             parameters,
                             prelu_has_a_slope_for_each_channel,
                             prelu_sums};
    const struct {
        const TTest *test;
        int n;
    } loops[] = {
        {known_values, COUNT(known)},  {known_values_of_two, COUNT(known2)},   {agrees_with_the_library, COUNT(along)},
        {place_does_not_matter, ROWS}, {place_does_not_matter_for_two, PAIRS}, {refuses, COUNT(refused)}};
    TCase *t = tcase_create("entry by entry");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    for (int i = 0; i < COUNT(single); i++)
        tcase_add_test(t, single[i]);
    for (int i = 0; i < COUNT(loops); i++)
        tcase_add_loop_test(t, loops[i].test, 0, loops[i].n);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
