/* zoo.h - examples/zoo, in the program: make writes src/zoo_table.c with zoo.sh from the list in examples/zoo/zoo.am.
 */
#ifndef NABLA_ZOO_H
#define NABLA_ZOO_H
#include <stddef.h>

struct nb_zoo_system {
    const char *name, *about, *graph; /* the texts of about.json and graph.json */
};

extern const struct nb_zoo_system nb_zoo[];
extern const size_t nb_zoo_count;

#endif
