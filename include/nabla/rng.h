/* rng.h - counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011).
 *
 * Every number is a function of (seed, stream name, position) and of nothing else: not of order, not of threads. */
#ifndef NABLA_RNG_H
#define NABLA_RNG_H
#include "nabla/tensor.h"

struct nb_seed {
    uint64_t lo, hi; /* 128 bits; on the wire 32 hexadecimal digits */
};

/* One block: counter and key in, four words out. The test vectors of Random123 hold. */
void nb_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The stream of a name under a seed. */
struct nb_stream {
    uint64_t key, high;
};
struct nb_stream nb_stream_of(struct nb_seed seed, const char *name);

double nb_uniform(struct nb_stream s, uint64_t position); /* [0, 1), 53 bits */
double nb_normal(struct nb_stream s, uint64_t position);  /* mean 0, deviation 1 */
uint64_t nb_word(struct nb_stream s, uint64_t position);  /* 64 bits */

/* Many at once for tests. Numbers of either sign and sizes from 1/2 to 3/2, in steps of 2^-15; signs, -1 or 1; x with
 * every number moved by a unit in its last place, either way, but zeros and what is not finite (to may be x). Those of
 * a position are 8, 128 and 128. */
void nb_draw_amounts(struct nb_stream s, uint64_t position, size_t n, double *to);
void nb_draw_signs(struct nb_stream s, uint64_t position, size_t n, double *to);
void nb_stir(struct nb_stream s, uint64_t position, size_t n, const double *x, double *to);

/* A fresh seed from the system. */
int nb_seed_draw(struct nb_seed *seed, struct nb_error *e);
/* 1 to 32 hexadecimal digits -> seed; -1 if the text is something else. */
int nb_seed_parse(const char *text, struct nb_seed *seed);
char *nb_seed_text(struct nb_seed seed, char buf[33]);

/* How a learned tensor starts. */
enum nb_init_kind {
    NB_INIT_DEFAULT,
    NB_INIT_ZEROS,
    NB_INIT_ONES,
    NB_INIT_CONSTANT,
    NB_INIT_EYE,
    NB_INIT_UNIFORM,
    NB_INIT_NORMAL,
    NB_INIT_XAVIER_UNIFORM,
    NB_INIT_XAVIER_NORMAL,
    NB_INIT_KAIMING_UNIFORM,
    NB_INIT_KAIMING_NORMAL,
    NB_INIT_ORTHOGONAL
};
struct nb_init {
    enum nb_init_kind kind;
    double a, b;  /* constant c; uniform low, high; normal mean, std; xavier, orthogonal gain; kaiming a */
    bool fan_out; /* kaiming's mode */
    double gain;  /* kaiming's gain for its nonlinearity */
    int64_t zero; /* 1 + the row that starts as zeros all the same; 0: there is none */
};
/* Fills an F32 or F64 tensor; drawn in double, then rounded. */
int nb_init_fill(const struct nb_init *init, struct nb_stream s, struct nb_tensor *t, struct nb_arena *a,
                 struct nb_error *e);

#endif
