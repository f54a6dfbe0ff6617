/* child.h - another program run for its output, with a time limit. */
#ifndef NABLA_CHILD_H
#define NABLA_CHILD_H
#include "nabla/arena.h"

enum nb_child { NB_CHILD_DONE, NB_CHILD_MISSING, NB_CHILD_LATE, NB_CHILD_FAILED };

/* Runs argv with `input` on its standard input; its standard output goes into the arena, at most `most` bytes. */
enum nb_child nb_child_run(char *const argv[], const char *input, size_t n, int seconds, size_t most,
                           struct nb_arena *a, char **output, size_t *size);

#endif
