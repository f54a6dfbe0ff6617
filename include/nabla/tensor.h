/* tensor.h - shapes, tensors, and named tensors, the common currency of the program.
 *
 * Tensors are dense and row-major, at most 8 dimensions. */
#ifndef NABLA_TENSOR_H
#define NABLA_TENSOR_H
#include "nabla/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NB_MAX_RANK = 8 };

/* NB_F32, NB_F64, NB_C128 number the three builds of the modules. Integers and booleans are computed with
 * as NB_I64; NB_I32 and NB_BOOL are types of the wire only. */
enum nb_dtype { NB_F32, NB_F64, NB_C128, NB_I64, NB_I32, NB_BOOL, NB_NDTYPE };

/* A size is a whole number, or, while a graph is described without data, a symbol or something not known. */
#define NB_ANY INT64_MIN                         /* known only after binding */
#define NB_SYM(k) (INT64_MIN + 1 + (int64_t)(k)) /* symbol number k of the graph */
#define NB_IS_KNOWN(d) ((d) > INT64_MIN / 2)
#define NB_IS_SYM(d) (!NB_IS_KNOWN(d) && (d) != NB_ANY)

struct nb_shape {
    int rank;
    int64_t dim[NB_MAX_RANK];
};

struct nb_tensor {
    enum nb_dtype dtype;
    struct nb_shape shape;
    void *data; /* NULL: absent */
};

/* What a tensor that came as decimals shows: the most digits behind the point, and the most significant ones, of any
 * entry. {0, 0}: as exact as binary, because it is, or shows 15 significant digits or more, or only whole numbers. */
struct nb_digits {
    int decimals, significant;
};

struct nb_named {
    const char *name;
    struct nb_tensor t;
    struct nb_digits digits;
};

/* An ordered list of name -> tensor. */
struct nb_tensors {
    size_t n, cap;
    struct nb_named *v;
};

size_t nb_dtype_size(enum nb_dtype d);
const char *nb_dtype_name(enum nb_dtype d); /* "float32", "float64", "complex128", "int64", "int32", "bool" */

/* Number of entries; -1 if a size is not known or the product is over 2^31 - 1. The one place that multiplies sizes. */
int64_t nb_count(const struct nb_shape *s);
bool nb_shape_known(const struct nb_shape *s);
/* 1 equal, 0 certainly different, -1 cannot be said before binding. */
int nb_dim_same(int64_t a, int64_t b);
int nb_shape_same(const struct nb_shape *a, const struct nb_shape *b);
/* NumPy's broadcasting; -1 if the shapes certainly do not fit. */
int nb_broadcast(const struct nb_shape *a, const struct nb_shape *b, struct nb_shape *out);
/* "[B, 3]"; symbol names may be NULL (then "?"). Returns buf. */
char *nb_shape_text(const struct nb_shape *s, const char *const *symbols, char *buf, size_t size);
/* A dim argument that may be negative, made 0..rank-1; -1 if out of range. */
int nb_axis(int64_t dim, int rank);
/* rank, sizes: a shape by hand. */
struct nb_shape nb_shape_of(int rank, ...); /* the sizes are int64_t */

/* A tensor with uninitialised data in the arena. */
int nb_tensor_new(struct nb_arena *a, enum nb_dtype dtype, const struct nb_shape *s, struct nb_tensor *t,
                  struct nb_error *e);
/* Copies entries, converting between float, double, complex (real part) and int64. The counts must agree. */
void nb_convert(enum nb_dtype to, void *dst, enum nb_dtype from, const void *src, size_t n);

int nb_tensors_add(struct nb_arena *a, struct nb_tensors *l, const char *name, struct nb_tensor t, struct nb_error *e);
struct nb_tensor *nb_tensors_find(const struct nb_tensors *l, const char *name);

#endif
