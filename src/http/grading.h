/* grading.h - what a request to grade says besides its point: what is worth what, how much is told, and what was
 * handed in. And what came of it, as JSON. */
#ifndef NABLA_HTTP_GRADING_H
#define NABLA_HTTP_GRADING_H
#include "grade/grade.h"
#include "http/fields.h"
#include "wire/writer.h"

/* Readers of the terms; `to` is a struct nb_grading. */
nb_field_reader nb_read_points, nb_read_weights, nb_read_hint_level, nb_read_reveal, nb_read_slip_credit,
    nb_read_wrong_shape;
/* {"form": "numbers", "gradients": {...}} after its tensors were lifted into .submission.gradients, or {"form":
 * "formulas", "expressions": {...}}. */
nb_field_reader nb_read_submission;
const char *nb_hint_level_name(enum nb_hint_level l);
/* 0 and the level, or -1: no such level. */
int nb_hint_level_find(const char *name, enum nb_hint_level *l);

/* An error at /wrt/INDEX of a reference moves to where the name stands: /points/NAME, /submission/gradients/NAME.
 * Always -1. */
int nb_grading_place(const struct nb_grading *g, struct nb_error *e);

/* Members of an object that is open: score, max_score, verdict, review, tensors. What a level does not show is left
 * out; all: what is kept for the teacher. */
void nb_w_graded(struct nb_writer *w, const struct nb_graded *out, enum nb_hint_level level, bool reveal);
/* Member "map" of such an object of a tensor: where it is wrong, as far as that was judged entry by entry. */
void nb_w_map(struct nb_writer *w, const struct nb_checked *c);

struct nb_asked;
struct nb_request;
/* Grades what was asked, of ask->g. */
int nb_grade_asked(struct nb_request *rq, struct nb_asked *ask, struct nb_reference *r, struct nb_graded *out,
                   struct nb_error *e);
/* The whole object, with warnings and certificate. */
void nb_w_grade(struct nb_writer *w, const struct nb_asked *ask, const struct nb_reference *r,
                const struct nb_graded *out, enum nb_hint_level level, bool reveal);

#endif
