/* recipe.h - how to train, as a request says it. */
#ifndef NABLA_RECIPE_H
#define NABLA_RECIPE_H
#include "http/fields.h"
#include "train/rule.h"

/* Readers of the members optimizer, schedule, clip and restart; `to` is a struct nb_rule. */
nb_field_reader nb_read_optimizer, nb_read_schedule, nb_read_clip, nb_read_restart;

#endif
