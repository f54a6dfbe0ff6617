/* problem.h - errors on the wire: application/problem+json (RFC 9457). */
#ifndef NABLA_PROBLEM_H
#define NABLA_PROBLEM_H
#include "http/request.h"

/* Makes the reply of an error. Cannot fail: when even this finds no memory, the reply is a constant. */
void nb_problem(const struct nb_error *e, const char *request_id, struct nb_arena *a, struct nb_reply *rp);

/* Cuts what is not UTF-8 out of a text: a place where a long name was cut, or what a client sent. In place. */
void nb_make_utf8(char *s);

#endif
