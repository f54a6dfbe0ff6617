/* survivors.h - the self-test of an assignment: which mistakes its points would catch, and how it is told. */
#ifndef NABLA_SURVIVORS_H
#define NABLA_SURVIVORS_H
#include "grade/selftest.h"
#include "wire/writer.h"

/* One object: counts, and a line for every mistake. */
void nb_w_selftest(struct nb_writer *w, const struct nb_selftest *t);
/* survivors, with those that come first by name. Always -1. */
int nb_fail_survivors(const struct nb_selftest *t, struct nb_error *e);

#endif
