/* fact.h - what a file of tensors says beside them. */
#ifndef NABLA_FACT_H
#define NABLA_FACT_H
#include <stdbool.h>

struct nb_fact {
    const char *key, *value;
    bool json; /* the value is JSON, not a text; a format that knows only texts takes it as one */
};

#endif
