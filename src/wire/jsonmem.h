/* jsonmem.h - Jansson within a budget: its trees are up to 77 times as large as their text. */
#ifndef NABLA_JSONMEM_H
#define NABLA_JSONMEM_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct nb_json_budget {
    size_t cap;        /* bytes the parse may take at any one time */
    size_t used, peak; /* what it takes; the most it ever took */
    bool over;         /* it failed because of the cap */
};

/* A tree of the text, or NULL with *je set. Keys that appear twice and NUL bytes are refused. What the parse takes is
 * counted in this thread and only while it runs; the tree itself is ordinary and may live on anywhere. */
json_t *nb_json_load(const char *text, size_t n, struct nb_json_budget *budget, json_error_t *je);

#endif
