/* result.h - a result object, read: what writers need, with nothing missing and nothing of another type. */
#ifndef NABLA_RESULT_H
#define NABLA_RESULT_H
#include "report/report.h"

struct nb_row_points {
    const char *row, *because, *remark; /* the last two: or NULL */
    double points, max;
};

struct nb_told { /* one tensor */
    const char *name, *verdict, *reason;
    const char *code, *pattern, *hint;         /* of the diagnosis; NULL: none, or not for these eyes */
    int64_t right, wrong, cannot_tell, silent; /* -1: not told */
    double points, max, power;                 /* power: the worst; NaN: none */
    size_t nrows;
    struct nb_row_points *rows;
    const json_t *first; /* {index, got, expected} of the first wrong entry, or NULL */
    const json_t *map;   /* {rows, columns, entries}, or NULL */
};

struct nb_reading {
    double score, max;
    const char *verdict, *certificate; /* certificate: its id, or NULL */
    const char *refusal;               /* why nothing was graded, or NULL */
    bool fault, review;                /* fault: it was ours */
    size_t n;
    struct nb_told *parts;
    const json_t *warnings;
};

int nb_result_read(struct nb_reading *out, const json_t *result, struct nb_arena *a, struct nb_error *e);

/* Rounded to 4 places; what is not finite is 0. */
double nb_points(double v);
bool nb_right(const struct nb_told *p);
/* Nothing could be told: a wrong it is not. */
bool nb_untold(const struct nb_told *p);
/* The student can mend it and hand in again without an attempt: too few digits, and shapes unless they count. */
bool nb_resubmit(const struct nb_told *p, bool wrong_shape);

/* "exactly 1/3 of the expected value"; or, with less to say, "2 of 2 entries wrong". In the arena. */
const char *nb_remark(const struct nb_told *p, struct nb_arena *a, struct nb_error *e);
/* The remark, the place of the first wrong entry and what stood there, the hint: sentences. */
const char *nb_explanation(const struct nb_told *p, struct nb_arena *a, struct nb_error *e);
/* "[0, 2]" of an index; "" if there is none. */
const char *nb_index_text(const json_t *index, struct nb_arena *a, struct nb_error *e);
/* A number or string for people, at most 9 digits. */
const char *nb_value_text(const json_t *value, struct nb_arena *a, struct nb_error *e);
/* "7.125" */
const char *nb_points_text(double v, struct nb_arena *a, struct nb_error *e);
/* The first n characters of a text and an ellipsis, or all of it. */
const char *nb_cut(const char *text, size_t n, struct nb_arena *a, struct nb_error *e);

#endif
