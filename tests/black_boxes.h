/* black_boxes.h - functions that live elsewhere: C functions that answer probes, with their gradients. */
#ifndef TEST_BLACK_BOXES_H
#define TEST_BLACK_BOXES_H
#include "probes/probes.h"
#include <check.h>
#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#undef I

typedef double _Complex number;

/* y from x, both all tensors one after the other; dx from x and the cotangent g. */
struct box {
    const char *name;
    struct nb_probed_input in[6];
    struct nb_probed_output out[2];
    void (*forward)(const double *x, double *y);
    void (*backward)(const double *x, const double *g, double *dx);
    void (*holomorphic)(const number *x, number *y);
    bool single;
};

#define SHAPE0                                                                                                         \
    {                                                                                                                  \
        .rank = 0                                                                                                      \
    }
#define SHAPE1(a)                                                                                                      \
    {                                                                                                                  \
        .rank = 1, .dim = { a }                                                                                        \
    }
#define SHAPE2(a, b)                                                                                                   \
    {                                                                                                                  \
        .rank = 2, .dim = { a, b }                                                                                     \
    }
#define INPUT(name, shape)                                                                                             \
    {                                                                                                                  \
        name, shape, -2, 2, NB_DENSE, true                                                                             \
    }
#define OUTPUT(name, shape)                                                                                            \
    {                                                                                                                  \
        name, shape                                                                                                    \
    }

/* ---- matrices ---------------------------------------------------------------------------------------------------- */

/* x[5,7] W[3,7] b[3] -> y[5,3] */
static inline void linear(const double *x, double *y)
{
    const double *w = x + 35, *b = w + 21;
    for (int r = 0; r < 5; r++)
        for (int o = 0; o < 3; o++) {
            double sum = b[o];
            for (int k = 0; k < 7; k++)
                sum += x[r * 7 + k] * w[o * 7 + k];
            y[r * 3 + o] = sum;
        }
}

static inline void linear_backward(const double *x, const double *g, double *dx)
{
    const double *w = x + 35;
    double *dw = dx + 35, *db = dw + 21;
    memset(dx, 0, 59 * sizeof *dx);
    for (int r = 0; r < 5; r++)
        for (int o = 0; o < 3; o++) {
            db[o] += g[r * 3 + o];
            for (int k = 0; k < 7; k++) {
                dx[r * 7 + k] += g[r * 3 + o] * w[o * 7 + k];
                dw[o * 7 + k] += g[r * 3 + o] * x[r * 7 + k];
            }
        }
}

static inline void linear_complex(const number *x, number *y)
{
    const number *w = x + 35, *b = w + 21;
    for (int r = 0; r < 5; r++)
        for (int o = 0; o < 3; o++) {
            number sum = b[o];
            for (int k = 0; k < 7; k++)
                sum += x[r * 7 + k] * w[o * 7 + k];
            y[r * 3 + o] = sum;
        }
}

/* x[5,4] W1[6,4] b1[6] W2[3,6] b2[3] -> y[5,3], tanh between. */
enum { MLP = 20 + 24 + 6 + 18 + 3 };

static inline void mlp_hidden(const double *x, int r, double *h)
{
    for (int o = 0; o < 6; o++) {
        double sum = x[44 + o];
        for (int k = 0; k < 4; k++)
            sum += x[r * 4 + k] * x[20 + o * 4 + k];
        h[o] = sum;
    }
}

static inline void mlp(const double *x, double *y)
{
    double h[6];
    for (int r = 0; r < 5; r++) {
        mlp_hidden(x, r, h);
        for (int o = 0; o < 3; o++) {
            y[r * 3 + o] = x[68 + o];
            for (int k = 0; k < 6; k++)
                y[r * 3 + o] += tanh(h[k]) * x[50 + o * 6 + k];
        }
    }
}

static inline void mlp_row_backward(const double *x, const double *g, int r, const double *h, const double *dh,
                                    double *dx)
{
    for (int k = 0; k < 6; k++) {
        dx[44 + k] += dh[k];
        for (int o = 0; o < 3; o++)
            dx[50 + o * 6 + k] += g[r * 3 + o] * h[k];
        for (int q = 0; q < 4; q++) {
            dx[r * 4 + q] += dh[k] * x[20 + k * 4 + q];
            dx[20 + k * 4 + q] += dh[k] * x[r * 4 + q];
        }
    }
    for (int o = 0; o < 3; o++)
        dx[68 + o] += g[r * 3 + o];
}

static inline void mlp_backward(const double *x, const double *g, double *dx)
{
    double h[6], dh[6];
    memset(dx, 0, MLP * sizeof *dx);
    for (int r = 0; r < 5; r++) {
        mlp_hidden(x, r, h);
        for (int k = 0; k < 6; k++) {
            h[k] = tanh(h[k]);
            dh[k] = 0;
            for (int o = 0; o < 3; o++)
                dh[k] += g[r * 3 + o] * x[50 + o * 6 + k] * (1 - h[k] * h[k]);
        }
        mlp_row_backward(x, g, r, h, dh, dx);
    }
}

static inline void mlp_complex(const number *x, number *y)
{
    for (int r = 0; r < 5; r++)
        for (int o = 0; o < 3; o++) {
            y[r * 3 + o] = x[68 + o];
            for (int k = 0; k < 6; k++) {
                number sum = x[44 + k];
                for (int q = 0; q < 4; q++)
                    sum += x[r * 4 + q] * x[20 + k * 4 + q];
                y[r * 3 + o] += ctanh(sum) * x[50 + o * 6 + k];
            }
        }
}

/* The same in float throughout. */
static inline void mlp_float(const double *x, double *y)
{
    for (int r = 0; r < 5; r++)
        for (int o = 0; o < 3; o++) {
            float out = (float)x[68 + o];
            for (int k = 0; k < 6; k++) {
                float h = (float)x[44 + k];
                for (int q = 0; q < 4; q++)
                    h += (float)x[r * 4 + q] * (float)x[20 + k * 4 + q];
                out += tanhf(h) * (float)x[50 + o * 6 + k];
            }
            y[r * 3 + o] = out;
        }
}

static inline void mlp_float_backward(const double *x, const double *g, double *dx)
{
    mlp_backward(x, g, dx);
    for (int i = 0; i < MLP; i++)
        dx[i] = (float)dx[i];
}

/* The same with max(h, 0) between. */
static inline void relu_mlp(const double *x, double *y)
{
    double h[6];
    for (int r = 0; r < 5; r++) {
        mlp_hidden(x, r, h);
        for (int o = 0; o < 3; o++) {
            y[r * 3 + o] = x[68 + o];
            for (int k = 0; k < 6; k++)
                y[r * 3 + o] += fmax(h[k], 0) * x[50 + o * 6 + k];
        }
    }
}

static inline void relu_mlp_backward(const double *x, const double *g, double *dx)
{
    double h[6], dh[6];
    memset(dx, 0, MLP * sizeof *dx);
    for (int r = 0; r < 5; r++) {
        mlp_hidden(x, r, h);
        for (int k = 0; k < 6; k++) {
            dh[k] = 0;
            for (int o = 0; o < 3; o++)
                dh[k] += h[k] > 0 ? g[r * 3 + o] * x[50 + o * 6 + k] : 0;
            h[k] = fmax(h[k], 0);
        }
        mlp_row_backward(x, g, r, h, dh, dx);
    }
}

/* ---- losses, rows and columns ------------------------------------------------------------------------------------ */

static const int labels[] = {2, 0, 3, 1, 1};

/* z[5,4] -> mean cross-entropy */
static inline void cross_entropy(const double *z, double *y)
{
    *y = 0;
    for (int r = 0; r < 5; r++, z += 4) {
        double most = fmax(fmax(z[0], z[1]), fmax(z[2], z[3])), sum = 0;
        for (int k = 0; k < 4; k++)
            sum += exp(z[k] - most);
        *y += (most + log(sum) - z[labels[r]]) / 5;
    }
}

static inline void cross_entropy_backward(const double *z, const double *g, double *dz)
{
    for (int r = 0; r < 5; r++, z += 4, dz += 4) {
        double most = fmax(fmax(z[0], z[1]), fmax(z[2], z[3])), sum = 0;
        for (int k = 0; k < 4; k++)
            sum += exp(z[k] - most);
        for (int k = 0; k < 4; k++)
            dz[k] = *g * (exp(z[k] - most) / sum - (k == labels[r])) / 5;
    }
}

/* z[5,4] -> p[5,4], each row by itself */
static inline void softmax(const double *z, double *p)
{
    for (int r = 0; r < 5; r++, z += 4, p += 4) {
        double most = fmax(fmax(z[0], z[1]), fmax(z[2], z[3])), sum = 0;
        for (int k = 0; k < 4; k++)
            sum += p[k] = exp(z[k] - most);
        for (int k = 0; k < 4; k++)
            p[k] /= sum;
    }
}

static inline void softmax_backward(const double *z, const double *g, double *dz)
{
    double p[20];
    softmax(z, p);
    for (int r = 0; r < 20; r += 4) {
        double dot = 0;
        for (int k = r; k < r + 4; k++)
            dot += p[k] * g[k];
        for (int k = r; k < r + 4; k++)
            dz[k] = p[k] * (g[k] - dot);
    }
}

/* x[7,3] -> columns of mean 0 and variance 1 */
static inline void normalise(const double *x, double *y)
{
    for (int c = 0; c < 3; c++) {
        double mean = 0, var = 0;
        for (int r = 0; r < 7; r++)
            mean += x[r * 3 + c] / 7;
        for (int r = 0; r < 7; r++)
            var += (x[r * 3 + c] - mean) * (x[r * 3 + c] - mean) / 7;
        for (int r = 0; r < 7; r++)
            y[r * 3 + c] = (x[r * 3 + c] - mean) / sqrt(var + 1e-5);
    }
}

static inline void normalise_backward(const double *x, const double *g, double *dx)
{
    double y[21];
    normalise(x, y);
    for (int c = 0; c < 3; c++) {
        double mean = 0, var = 0, sum = 0, dot = 0;
        for (int r = 0; r < 7; r++)
            mean += x[r * 3 + c] / 7;
        for (int r = 0; r < 7; r++) {
            var += (x[r * 3 + c] - mean) * (x[r * 3 + c] - mean) / 7;
            sum += g[r * 3 + c];
            dot += g[r * 3 + c] * y[r * 3 + c];
        }
        for (int r = 0; r < 7; r++)
            dx[r * 3 + c] = (g[r * 3 + c] - sum / 7 - y[r * 3 + c] * dot / 7) / sqrt(var + 1e-5);
    }
}

/* ---- entry by entry ---------------------------------------------------------------------------------------------- */

enum { ENTRIES = 7 };
#define POINTWISE(name, value, slope)                                                                                  \
    static inline void name(const double *x_, double *y)                                                               \
    {                                                                                                                  \
        for (int i = 0; i < ENTRIES; i++) {                                                                            \
            double x = x_[i];                                                                                          \
            y[i] = (value);                                                                                            \
        }                                                                                                              \
    }                                                                                                                  \
    static inline void name##_backward(const double *x_, const double *g, double *dx)                                  \
    {                                                                                                                  \
        for (int i = 0; i < ENTRIES; i++) {                                                                            \
            double x = x_[i];                                                                                          \
            dx[i] = g[i] * (slope);                                                                                    \
        }                                                                                                              \
    }

POINTWISE(absolute, fabs(x), (x > 0) - (x < 0))
POINTWISE(relu, x > 0 ? x : 0, x > 0 ? 1 : 0)
POINTWISE(leaky, x > 0 ? x : 0.01 * x, x > 0 ? 1 : 0.01)
POINTWISE(steep, x > 0 ? x : 0.99 * x, x > 0 ? 1 : 0.99)
POINTWISE(elu_half, x > 0 ? x : 0.5 * expm1(x), x > 0 ? 1 : 0.5 * exp(x))
POINTWISE(elu, x > 0 ? x : expm1(x), x > 0 ? 1 : exp(x))
POINTWISE(slight, 1 + x + 0.001 * fmax(x, 0), 1 + (x > 0 ? 0.001 : 0))
POINTWISE(squared, x *x, 2 * x)
POINTWISE(thrice, 3 * x, 3 + 0 * x)
POINTWISE(tiny, 1e-18 * x * x, 2e-18 * x)
POINTWISE(small, 1e-6 * x * x, 2e-6 * x)
POINTWISE(softplus, log1p(exp(x)), exp(x) / (1 + exp(x)))
POINTWISE(wave, sin(3 * x) * exp(-x), (3 * cos(3 * x) - sin(3 * x)) * exp(-x))
POINTWISE(root, sqrt(x), 0.5 / sqrt(x))
POINTWISE(flat, 5.0 + 0 * x, 0 * x)
POINTWISE(high, 1e6 + tanh(x), 1 - tanh(x) * tanh(x))
POINTWISE(fast, sin(1e4 * x), 1e4 * cos(1e4 * x))
POINTWISE(third, (double)(float)(tanhf((float)x)) / 3, (1 - tanh(x) * tanh(x)) / 3)

/* Small differences of large terms: what is lost inside does not show in the size of the result. */
static double beside = 1;
static inline double without(double sum)
{
    volatile double kept = sum; /* in memory, so that it is rounded */
    return kept - beside;
}

POINTWISE(lost_tanh, without(beside + tanh(x)), 1 - tanh(x) * tanh(x))
POINTWISE(lost_square, without(beside + x * x), 2 * x)
POINTWISE(lost_cosine, (1 - cos(x * 1e-3)) / 1e-6, sin(x * 1e-3) * 1e3)
POINTWISE(lost_root, sqrt(1 + x * x * 1e-6) - 1, x * 1e-6 / sqrt(1 + x * x * 1e-6))
POINTWISE(lost_cube, pow(beside + x, 3) - pow(beside, 3), 3 * (beside + x) * (beside + x))
POINTWISE(expanded, ((((((x - 6) * x + 15) * x - 20) * x + 15) * x - 6) * x + 1), 6 * pow(x - 1, 5))

static inline void noisy(const double *x, double *y)
{
    for (int i = 0; i < ENTRIES; i++)
        y[i] = x[i] * (rand() % 2 * 2);
}

static inline void absolute_complex(const number *x, number *y) /* does not keep the rules */
{
    for (int i = 0; i < ENTRIES; i++)
        y[i] = cabs(x[i]);
}

static inline void wave_complex(const number *x, number *y)
{
    for (int i = 0; i < ENTRIES; i++)
        y[i] = csin(3 * x[i]) * cexp(-x[i]);
}

/* x[3] -> the largest; the first of equals has the gradient. */
static inline void largest(const double *x, double *y)
{
    *y = fmax(fmax(x[0], x[1]), x[2]);
}

static inline void largest_backward(const double *x, const double *g, double *dx)
{
    bool taken = false;
    for (int i = 0; i < 3; i++) {
        bool here = !taken && x[i] == fmax(fmax(x[0], x[1]), x[2]);
        dx[i] = here ? *g : 0;
        taken |= here;
    }
}

/* x[3] -> its length */
static inline void length(const double *x, double *y)
{
    *y = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
}

static inline void length_backward(const double *x, const double *g, double *dx)
{
    double y;
    length(x, &y);
    for (int i = 0; i < 3; i++)
        dx[i] = y > 0 ? *g * x[i] / y : 0;
}

/* Two kinks near each other. x[2] */
static inline void two_kinks(const double *x, double *y)
{
    *y = fmax(fmax(x[0], 0) + fmax(x[1] + 4e-6, 0), 0);
}

static inline void two_kinks_backward(const double *x, const double *g, double *dx)
{
    dx[0] = x[0] > 0 ? *g : 0;
    dx[1] = x[1] + 4e-6 > 0 ? *g : 0;
}

/* Weighted tanh of very many entries, summed. x[2000] */
enum { MANY = 2000 };
static inline void wide(const double *x, double *y)
{
    *y = 0;
    for (int i = 0; i < MANY; i++)
        *y += tanh(x[i]) * (i % 7 - 3.3);
}

static inline void wide_backward(const double *x, const double *g, double *dx)
{
    for (int i = 0; i < MANY; i++)
        dx[i] = *g * (1 - tanh(x[i]) * tanh(x[i])) * (i % 7 - 3.3);
}

/* ---- asking and answering ---------------------------------------------------------------------------------------- */

enum { BIGGEST = 2048 };

struct asked {
    const struct box *box;
    const double *at; /* one point, or NULL */
    enum nb_layout layout;
    bool complex_steps, single, convention;
    int points;
    uint64_t seed;
    int64_t most_probes;
    double rho;
    void (*spoil)(const struct asked *q, double *dx, const double *x, const double *g, size_t n);
    int which;
    const double *claim; /* for each unit of the cotangent, instead of the gradient */
    bool lie_about_shape;
};

struct outcome {
    enum nb_verdict verdict;
    int rounds;
    size_t probes;
    const struct nb_verdicts *v;
};

static struct nb_arena arena;
static struct nb_error error;

static inline size_t total(const struct nb_tensors *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += (size_t)nb_count(&l->v[i].t.shape);
    return n;
}

static inline void flatten(const struct nb_tensors *l, double *to)
{
    for (size_t i = 0; i < l->n; i++) {
        size_t n = (size_t)nb_count(&l->v[i].t.shape);
        memcpy(to, l->v[i].t.data, n * sizeof *to);
        to += n;
    }
}

static inline size_t position(const struct nb_tensors *l, const struct nb_edit *edit)
{
    size_t at = (size_t)edit->index;
    for (int i = 0; i < edit->input; i++)
        at += (size_t)nb_count(&l->v[i].t.shape);
    return at;
}

/* All inputs at a probe, as complex numbers. */
static inline void point_of(const struct nb_probes *p, size_t probe, number *x, double *re)
{
    const struct nb_tensors *base = nb_probes_base(p, nb_probe_base(p, probe));
    int64_t n = nb_probe_edits(p, probe);
    struct nb_edit *edits = malloc((size_t)n * sizeof *edits + 1);
    flatten(base, re);
    for (size_t i = 0; i < total(base); i++)
        x[i] = re[i];
    nb_probe_edit(p, probe, edits);
    for (int64_t i = 0; i < n; i++) {
        size_t at = position(base, &edits[i]);
        re[at] = edits[i].re;
        x[at] = CMPLX(edits[i].re, edits[i].im);
    }
    free(edits);
}

static inline void evaluate(const struct box *box, bool by_complex, const number *x, const double *re, size_t m,
                            double *y, double *im)
{
    number z[64];
    if (!by_complex) {
        box->forward(re, y);
        return;
    }
    box->holomorphic(x, z);
    for (size_t j = 0; j < m; j++) {
        y[j] = creal(z[j]);
        im[j] = cimag(z[j]);
    }
}

/* Splits rows of all outputs into one tensor for each output. */
static inline struct nb_tensors stack(const struct box *box, size_t probes, size_t m, const double *rows)
{
    struct nb_tensors l = {0};
    size_t offset = 0;
    for (size_t o = 0; o < 2 && box->out[o].name; o++) {
        struct nb_shape s = {.rank = box->out[o].shape.rank + 1, .dim = {(int64_t)probes}};
        size_t n = (size_t)nb_count(&box->out[o].shape);
        struct nb_tensor t;
        memcpy(s.dim + 1, box->out[o].shape.dim, sizeof *s.dim * (size_t)box->out[o].shape.rank);
        ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &s, &t, &error), 0);
        for (size_t i = 0; i < probes; i++)
            memcpy((double *)t.data + i * n, rows + i * m + offset, n * sizeof(double));
        nb_tensors_add(&arena, &l, box->out[o].name, t, &error);
        offset += n;
    }
    return l;
}

static inline struct nb_tensors gradient_at(const struct asked *q, const struct nb_probes *p, int base)
{
    const struct nb_tensors *at = nb_probes_base(p, base);
    double x[BIGGEST], g[64], dx[BIGGEST], *from = dx;
    struct nb_tensors l = {0};
    flatten(at, x);
    flatten(nb_probes_cotangents(p, base), g);
    q->box->backward(x, g, dx);
    for (size_t i = 0; q->claim && i < total(at); i++)
        dx[i] = q->claim[i] * g[total(nb_probes_cotangents(p, base)) == 1 ? 0 : i];
    if (q->spoil)
        q->spoil(q, dx, x, g, total(at));
    for (size_t i = 0; i < at->n; i++) {
        struct nb_tensor t;
        struct nb_shape s = at->v[i].t.shape;
        size_t n = (size_t)nb_count(&s);
        if (q->lie_about_shape)
            s = (struct nb_shape){.rank = s.rank + 1, .dim = {1, s.dim[0], s.dim[1]}};
        ck_assert_int_eq(nb_tensor_new(&arena, NB_F64, &s, &t, &error), 0);
        memcpy(t.data, from, n * sizeof *from);
        nb_tensors_add(&arena, &l, at->v[i].name, t, &error);
        from += n;
    }
    return l;
}

static inline void answer(const struct asked *q, struct nb_probes *p)
{
    size_t probes = nb_probes_count(p), m = total(nb_probes_cotangents(p, 0));
    double *rows = malloc(probes * m * sizeof *rows + 1), *im = malloc(probes * m * sizeof *im + 1), re[BIGGEST];
    struct nb_tensors gradients[NB_MOST_POINTS + 1];
    struct nb_probe_answers a = {.gradients = gradients};
    number x[BIGGEST];
    for (size_t i = 0; i < probes; i++) {
        point_of(p, i, x, re);
        evaluate(q->box, q->complex_steps, x, re, m, rows + i * m, im + i * m);
    }
    struct nb_tensors outputs = stack(q->box, probes, m, rows), imaginary = stack(q->box, probes, m, im);
    a.outputs = &outputs;
    a.imaginary = q->complex_steps ? &imaginary : NULL;
    for (int b = 0; b < nb_probes_bases(p); b++)
        if (nb_probes_wants_gradient(p, b))
            gradients[a.ngradients++] = gradient_at(q, p, b);
    ck_assert_msg(nb_probes_take(p, &a, &arena, &error) == 0, "%s at %s: %s", nb_code_name(error.code), error.pointer,
                  error.detail);
    free(rows);
    free(im);
}

static inline struct nb_probes *open_probes(const struct asked *q)
{
    struct nb_probed f = {.in = (void *)(uintptr_t)q->box->in,
                          .out = (void *)(uintptr_t)q->box->out,
                          .points = q->at       ? 1
                                    : q->points ? q->points
                                                : 3,
                          .by_complex = q->complex_steps,
                          .single = q->single || q->box->single,
                          .convention = q->convention,
                          .rho = q->rho,
                          .seed = {q->seed, 7},
                          .most_probes = q->most_probes ? q->most_probes : 20000,
                          .most_edits = 1 << 24,
                          .most_answers = 1 << 24};
    struct nb_probed_input in[6];
    struct nb_tensors at = {0};
    const double *from = q->at;
    memcpy(in, q->box->in, sizeof in);
    f.in = in;
    for (; f.nin < 6 && in[f.nin].name; f.nin++)
        in[f.nin].layout = f.nin == 0 ? q->layout : in[f.nin].layout;
    while (f.nout < 2 && q->box->out[f.nout].name)
        f.nout++;
    for (size_t i = 0; i < f.nin && from; i++) {
        struct nb_tensor t = {NB_F64, in[i].shape, (void *)(uintptr_t)from};
        nb_tensors_add(&arena, &at, in[i].name, t, &error);
        from += nb_count(&in[i].shape);
    }
    f.at = q->at ? &at : NULL;
    return nb_probes_new(&f, &arena, &error);
}

static inline struct outcome run(const struct asked *q)
{
    struct outcome r = {0};
    struct nb_probes *p = open_probes(q);
    ck_assert_msg(p != NULL, "%s at %s: %s", nb_code_name(error.code), error.pointer, error.detail);
    while (!nb_probes_verdicts(p)) {
        r.rounds++;
        r.probes += nb_probes_count(p);
        ck_assert_int_eq(nb_probes_round(p), r.rounds);
        answer(q, p);
    }
    r.v = nb_probes_verdicts(p);
    r.verdict = r.v->verdict;
    return r;
}

#endif
