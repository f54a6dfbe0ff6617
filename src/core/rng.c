/* rng.c - Philox4x32-10, streams by name, and how learned tensors start. */
#define NB_BUILD 1
#include "nabla/rng.h"
#include "nabla/kernel.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* ---- numbers -------------------------------------------------------------------------------------------------- */

void nb_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53 * c0, p1 = (uint64_t)0xCD9E8D57 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9; /* the golden ratio */
        k1 += 0xBB67AE85; /* sqrt(3) - 1 */
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The finaliser of SplitMix64: spreads every bit over all. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *s)
{
    uint64_t h = 0xCBF29CE484222325;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001B3;
    return h;
}

struct nb_stream nb_stream_of(struct nb_seed seed, const char *name)
{
    return (struct nb_stream){.key = mix(seed.lo), .high = mix(hash(name) ^ seed.hi)};
}

struct two {
    uint64_t first, second;
};

static struct two block(struct nb_stream s, uint64_t position)
{
    uint32_t counter[4] = {(uint32_t)position, (uint32_t)(position >> 32), (uint32_t)s.high, (uint32_t)(s.high >> 32)};
    uint32_t key[2] = {(uint32_t)s.key, (uint32_t)(s.key >> 32)}, w[4];
    nb_philox(counter, key, w);
    return (struct two){(uint64_t)w[1] << 32 | w[0], (uint64_t)w[3] << 32 | w[2]};
}

uint64_t nb_word(struct nb_stream s, uint64_t position)
{
    return block(s, position).first;
}

double nb_uniform(struct nb_stream s, uint64_t position)
{
    return (double)(block(s, position).first >> 11) * 0x1p-53;
}

/* Box and Muller, the cosine branch; the radius is drawn from (0, 1]. */
double nb_normal(struct nb_stream s, uint64_t position)
{
    struct two w = block(s, position);
    double u = (double)((w.first >> 11) + 1) * 0x1p-53, v = (double)(w.second >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

enum { AMOUNTS = 8, BITS = 64 };

static void put_amounts(uint64_t bits, double *to)
{
    for (int j = 0; j < AMOUNTS / 2; j++, bits >>= 16) {
        int sign = 1 - (int)(bits >> 14 & 2), size = 0x4000 + (int)(bits & 0x7FFF);
        to[j] = sign * size * 0x1p-15;
    }
}

void nb_draw_amounts(struct nb_stream s, uint64_t position, size_t n, double *to)
{
    for (size_t i = 0; i < n; i += AMOUNTS) {
        double v[AMOUNTS];
        struct two w = block(s, position++);
        put_amounts(w.first, v);
        put_amounts(w.second, v + AMOUNTS / 2);
        memcpy(to + i, v, (n - i < AMOUNTS ? n - i : AMOUNTS) * sizeof *v);
    }
}

/* BITS entries of x to BITS entries by the bits of a word. */
NB_SIMD static void put_signs(uint64_t bits, const double *x, double *to)
{
    (void)x;
    for (int i = 0; i < BITS; i++)
        to[i] = (double)(int)(bits >> i & 1) * 2 - 1;
}

/* The bits of a double count like a whole number; those of all ones in the exponent are not finite. */
NB_SIMD static void put_stirred(uint64_t bits, const double *x, double *to)
{
    int64_t v[BITS];
    memcpy(v, x, sizeof v);
    for (int i = 0; i < BITS; i++) {
        int64_t size = v[i] & INT64_MAX, by = (int64_t)(bits >> i & 1) * 2 - 1;
        v[i] += (size == 0) | (size >= 0x7FF0000000000000) ? 0 : by;
    }
    memcpy(to, v, sizeof v);
}

static void by_bits(struct nb_stream s, uint64_t position, size_t n, const double *x, double *to,
                    void (*put)(uint64_t bits, const double *x, double *to))
{
    struct two w = {0};
    for (size_t i = 0; i < n; i += BITS) {
        size_t left = n - i < BITS ? n - i : BITS;
        double some[BITS] = {0};
        w = i % (2 * BITS) ? (struct two){w.second, 0} : block(s, position++);
        if (left == BITS) {
            put(w.first, x + i, to + i);
            continue;
        }
        memcpy(some, x + i, left * sizeof *some);
        put(w.first, some, some);
        memcpy(to + i, some, left * sizeof *some);
    }
}

void nb_draw_signs(struct nb_stream s, uint64_t position, size_t n, double *to)
{
    memset(to, 0, n * sizeof *to);
    by_bits(s, position, n, to, to, put_signs);
}

void nb_stir(struct nb_stream s, uint64_t position, size_t n, const double *x, double *to)
{
    by_bits(s, position, n, x, to, put_stirred);
}

/* ---- seeds ----------------------------------------------------------------------------------------------------- */

int nb_seed_draw(struct nb_seed *seed, struct nb_error *e)
{
    if (getentropy(seed, sizeof *seed))
        return nb_fail(e, NB_E_internal, "the system gave no random seed");
    return 0;
}

int nb_seed_parse(const char *text, struct nb_seed *seed)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    if (n == 0 || n > 32 || text[n])
        return -1;
    struct nb_seed s = {0, 0};
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text <= '9' ? *text - '0' : (*text | 32) - 'a' + 10);
        s.hi = s.hi << 4 | s.lo >> 60;
        s.lo = s.lo << 4 | digit;
    }
    *seed = s;
    return 0;
}

char *nb_seed_text(struct nb_seed seed, char buf[33])
{
    snprintf(buf, 33, "%016llx%016llx", (unsigned long long)seed.hi, (unsigned long long)seed.lo);
    return buf;
}

/* ---- initialisers ---------------------------------------------------------------------------------------------- */

static void put(struct nb_tensor *t, size_t i, double v)
{
    if (t->dtype == NB_F32)
        ((float *)t->data)[i] = (float)v;
    else
        ((double *)t->data)[i] = v;
}

static void fill_constant(struct nb_tensor *t, size_t n, double v)
{
    for (size_t i = 0; i < n; i++)
        put(t, i, v);
}

static void fill_uniform(struct nb_tensor *t, size_t n, struct nb_stream s, double low, double high)
{
    for (size_t i = 0; i < n; i++)
        put(t, i, low + (high - low) * nb_uniform(s, i));
}

static void fill_normal(struct nb_tensor *t, size_t n, struct nb_stream s, double mean, double std)
{
    for (size_t i = 0; i < n; i++)
        put(t, i, mean + std * nb_normal(s, i));
}

/* PyTorch's fans; it has none for one dimension, there both are the size. */
static void fans(const struct nb_shape *s, double *in, double *out)
{
    double field = 1;
    for (int i = 2; i < s->rank; i++)
        field *= (double)s->dim[i];
    double first = s->rank > 0 ? (double)s->dim[0] : 1, second = s->rank > 1 ? (double)s->dim[1] : first;
    *in = second * field;
    *out = first * field;
}

static double deviation(const struct nb_init *init, const struct nb_shape *shape)
{
    double in, out;
    fans(shape, &in, &out);
    if (init->kind == NB_INIT_XAVIER_UNIFORM || init->kind == NB_INIT_XAVIER_NORMAL)
        return init->a * sqrt(2 / (in + out));
    double gain = init->gain > 0 ? init->gain : sqrt(2 / (1 + init->a * init->a));
    return gain / sqrt(init->fan_out ? out : in);
}

static int fill_eye(struct nb_tensor *t, size_t n, struct nb_error *e)
{
    if (t->shape.rank != 2)
        return nb_fail(e, NB_E_bad_argument, "eye needs 2 dimensions, the tensor has %d", t->shape.rank);
    size_t rows = (size_t)t->shape.dim[0], cols = (size_t)t->shape.dim[1];
    fill_constant(t, n, 0);
    for (size_t i = 0; i < rows && i < cols; i++)
        put(t, i * cols + i, 1);
    return 0;
}

/* v[n] -= its parts along the m orthonormal rows of q; twice is enough (Kahan, Parlett). c: m * rows numbers. */
static void project_out(const double *q, size_t m, double *v, size_t rows, size_t n, double *c)
{
    for (int twice = 0; twice < 2; twice++) {
        nb_gemm_d(false, true, rows, m, n, v, q, 0, c);
        for (size_t i = 0; i < rows * m; i++)
            c[i] = -c[i];
        nb_gemm_d(false, false, rows, n, m, c, q, 1, v);
    }
}

/* Gram and Schmidt, by blocks of rows: the Q of QR whose R has a positive diagonal. */
static void orthonormalise(double *q, size_t rows, size_t n, double *c)
{
    enum { BLOCK = 32 };
    for (size_t first = 0; first < rows; first += BLOCK) {
        size_t end = first + BLOCK < rows ? first + BLOCK : rows;
        project_out(q, first, q + first * n, end - first, n, c);
        for (size_t r = first; r < end; r++) {
            double *v = q + r * n, square = 0;
            project_out(q + first * n, r - first, v, 1, n, c);
            for (size_t i = 0; i < n; i++)
                square += v[i] * v[i];
            for (size_t i = 0; i < n; i++)
                v[i] /= sqrt(square);
        }
    }
}

static int fill_orthogonal(struct nb_tensor *t, size_t n, struct nb_stream s, double gain, struct nb_arena *a,
                           struct nb_error *e)
{
    if (t->shape.rank < 2)
        return nb_fail(e, NB_E_bad_argument, "orthogonal needs 2 or more dimensions, the tensor has %d", t->shape.rank);
    if (n == 0)
        return 0;
    size_t rows = (size_t)t->shape.dim[0], cols = n / rows;
    bool tall = rows > cols;
    size_t few = tall ? cols : rows, many = tall ? rows : cols;
    double *q = nb_alloc(a, n, sizeof *q, e), *c = q ? nb_alloc(a, 32 * few, sizeof *c, e) : NULL;
    if (!c)
        return -1;
    for (size_t i = 0; i < n; i++)
        q[i] = nb_normal(s, i);
    orthonormalise(q, few, many, c);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            put(t, i * cols + j, gain * (tall ? q[j * many + i] : q[i * many + j]));
    return 0;
}

static int fill(const struct nb_init *init, struct nb_stream s, struct nb_tensor *t, struct nb_arena *a,
                struct nb_error *e)
{
    size_t n = (size_t)nb_count(&t->shape);
    double std;
    switch (init->kind) {
    case NB_INIT_ZEROS:
    case NB_INIT_ONES:
        fill_constant(t, n, init->kind == NB_INIT_ONES);
        return 0;
    case NB_INIT_CONSTANT:
        fill_constant(t, n, init->a);
        return 0;
    case NB_INIT_EYE:
        return fill_eye(t, n, e);
    case NB_INIT_UNIFORM:
        fill_uniform(t, n, s, init->a, init->b);
        return 0;
    case NB_INIT_NORMAL:
        fill_normal(t, n, s, init->a, init->b);
        return 0;
    case NB_INIT_XAVIER_UNIFORM:
    case NB_INIT_KAIMING_UNIFORM:
        std = deviation(init, &t->shape);
        fill_uniform(t, n, s, -sqrt(3) * std, sqrt(3) * std);
        return 0;
    case NB_INIT_XAVIER_NORMAL:
    case NB_INIT_KAIMING_NORMAL:
        fill_normal(t, n, s, 0, deviation(init, &t->shape));
        return 0;
    case NB_INIT_ORTHOGONAL:
        return fill_orthogonal(t, n, s, init->a, a, e);
    default:
        return nb_fail(e, NB_E_internal, "a learned tensor has no initialiser");
    }
}

int nb_init_fill(const struct nb_init *init, struct nb_stream s, struct nb_tensor *t, struct nb_arena *a,
                 struct nb_error *e)
{
    if (fill(init, s, t, a, e))
        return -1;
    size_t row = init->zero && t->shape.rank ? (size_t)nb_count(&t->shape) / (size_t)t->shape.dim[0] : 0;
    for (size_t i = 0; i < row; i++)
        put(t, (size_t)(init->zero - 1) * row + i, 0);
    return 0;
}
