/* diagnose_svg.h - the vital signs of a graph as a picture: a line for each node with what is dead or saturated, where
 * its activations lie, and how large the gradient is that arrives there. */
#ifndef NABLA_DIAGNOSE_SVG_H
#define NABLA_DIAGNOSE_SVG_H
#include "check/vitals.h"
#include "wire/print.h"

int nb_diagnose_svg(struct nb_text *t, const struct nb_vitals *o, struct nb_error *e);

#endif
