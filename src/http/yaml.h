/* yaml.h - a JSON tree printed as YAML, for the files under api/ that the program writes. */
#ifndef NABLA_YAML_H
#define NABLA_YAML_H
#include <jansson.h>
#include <stdio.h>

/* `title` becomes a comment in the first line. The tree is our own and shallow. */
void nb_yaml_print(FILE *f, const char *title, const json_t *tree);

#endif
