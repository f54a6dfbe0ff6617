/* mutants.h - would this check notice? Known mistakes are planted one at a time in gradients that are right, and judged
 * by the numbers the check has found. */
#ifndef NABLA_MUTANTS_H
#define NABLA_MUTANTS_H
#include "check/checker.h"

/* After the judgement: fills v->mutants; those that are not called wrong are named in doubts `survivors`. A mutant
 * costs a comparison, or a backward in double. */
int nb_mutants_plant(struct nb_checker *k, struct nb_error *e);

#endif
