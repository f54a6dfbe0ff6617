/* doubt.h - what at this point hides mistakes. */
#ifndef NABLA_DOUBT_H
#define NABLA_DOUBT_H
#include "check/checker.h"

/* Texts are borrowed. */
int nb_doubt_add(struct nb_verdicts *v, const char *code, const char *where, const char *hides, struct nb_arena *a,
                 struct nb_error *e);

#endif
